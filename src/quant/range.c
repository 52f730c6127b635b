/* range.c - the list of range methods and what they share. */
#include "quant/range.h"

#include <math.h>
#include <string.h>

static const oq_range_method *const methods[] = {
    &oq_range_auto,    &oq_range_minmax, &oq_range_percentile,
    &oq_range_entropy, &oq_range_mse,
};

const oq_range_method *oq_range_method_find(const char *name) {
  for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
    if (strcmp(methods[i]->name, name) == 0) return methods[i];
  return NULL;
}

static void add_point(oq_points *p, double v, uint64_t count) {
  if (count == 0) return;
  p->value[p->n] = v;
  p->count[p->n++] = (double)count;
}

/* A centre must not lie outside what was really seen. */
static double centre(const oq_record *r, double v) {
  return fmin(fmax(v, (double)r->lo), (double)r->hi);
}

void oq_points_of_record(oq_points *p, const oq_record *r) {
  p->n = 0;
  if (r->hist.empty) return;

  const double w = oq_hist_width(&r->hist);

  for (uint32_t i = OQ_HIST_BINS; i-- > 0;)
    add_point(p, centre(r, -(i + 0.5) * w), oq_hist_at(&r->hist, 1, i));
  for (uint32_t i = 0; i < OQ_HIST_BINS; i++)
    add_point(p, centre(r, (i + 0.5) * w), oq_hist_at(&r->hist, 0, i));
}

/* Adding and taking away 1.5 * 2^52 rounds to the nearest integer, ties to
 * even, and - unlike a call - in vectors. */
#define ROUNDER 6755399441055744.0

void oq_points_error(const oq_points *p, const oq_quant_type *t, oq_qparam q,
                     double *rounding, double *clipping) {
  const double scale = (double)q.scale, inverse = 1.0 / scale;
  const double lo = t->qmin - q.zero, hi = t->qmax - q.zero;
  double inside = 0, outside = 0;

  for (uint32_t i = 0; i < p->n; i++) {
    const double c = (p->value[i] * inverse + ROUNDER) - ROUNDER;
    const double k = c < lo ? lo : c > hi ? hi : c;
    const double d = p->value[i] - k * scale;
    const double e = p->count[i] * d * d;

    inside += c == k ? e : 0.0;
    outside += c == k ? 0.0 : e;
  }
  *rounding = inside;
  *clipping = outside;
}

double oq_range_error(const oq_record *r, const oq_quant_type *t,
                      oq_range range, double *rounding, double *clipping) {
  oq_points p;
  double in, out;
  const double n = (double)(r->count - r->nans - r->infinities);

  oq_points_of_record(&p, r);
  oq_points_error(&p, t, oq_qparam_of_range(t, range), &in, &out);
  if (rounding) *rounding = in / n;
  if (clipping) *clipping = out / n;
  return (in + out) / n;
}

double oq_record_power(const oq_record *r) {
  double mean, std;

  oq_record_moments(r, &mean, &std);
  return mean * mean + std * std;
}

/* ---- search -----------------------------------------------------------------
 */
typedef struct search {
  const oq_points *points;
  const oq_quant_type *type;
  double weight;
  oq_range best;
  double cost;
} search;

static void try_range(search *s, oq_range r) {
  double in, out;

  oq_points_error(s->points, s->type, oq_qparam_of_range(s->type, r), &in,
                  &out);
  const double cost = in + s->weight * out;
  /* Strictly less, and from the widest down: ties clip least. */
  if (cost < s->cost) {
    s->cost = cost;
    s->best = r;
  }
}

#define STEPS 90 /* of one percent */

oq_range oq_range_search(const oq_record *r, const oq_quant_type *t,
                         double weight) {
  oq_points p;
  const oq_range whole = oq_range_whole(r);
  search s = {&p, t, weight, whole, INFINITY};

  oq_points_of_record(&p, r);
  for (int i = 0; i <= STEPS; i++) {
    const double f = 1.0 - i / 100.0;

    try_range(&s, (oq_range){whole.lo * f, whole.hi * f});
  }
  if (whole.lo >= 0 || whole.hi <= 0 || t->symmetric) return s.best;
  for (int round = 0; round < 2; round++) {
    const oq_range from = s.best;

    for (int i = 0; i <= STEPS; i++) {
      const double f = 1.0 - i / 100.0;

      try_range(&s, (oq_range){whole.lo * f, from.hi});
    }
    const oq_range then = s.best;
    for (int i = 0; i <= STEPS; i++) {
      const double f = 1.0 - i / 100.0;

      try_range(&s, (oq_range){then.lo, whole.hi * f});
    }
  }
  return s.best;
}

/* range_entropy.c - the threshold whose 128 levels lose least information:
 * Kullback-Leibler divergence between the clipped distribution of magnitudes
 * (2048 bins, exact zeros left out) and its quantized form, expanded again over
 * the bins that were not empty. */
#include <math.h>
#include <string.h>

#include "quant/range.h"

#define BINS 2048
#define LEVELS 128

/* Magnitudes of both sides in BINS equal bins over [0, most]. */
static void fold(double *out, const oq_record *r, double most) {
  const double w = oq_hist_width(&r->hist), v = most / BINS;

  memset(out, 0, BINS * sizeof *out);
  for (uint32_t i = 0; i < OQ_HIST_BINS; i++) {
    double n =
        (double)oq_hist_at(&r->hist, 0, i) + (double)oq_hist_at(&r->hist, 1, i);
    double at = i * w;
    const double end = fmin(at + w, most), length = end - at;

    if (n == 0) continue;
    if (!(length > 0)) { /* the very largest value */
      out[BINS - 1] += n;
      continue;
    }
    while (at < end) { /* spread over the bins it touches */
      uint32_t k = (uint32_t)(at / v);

      if (k >= BINS) k = BINS - 1;
      const double stop = k == BINS - 1 ? end : fmin(end, (k + 1) * v);
      if (!(stop > at)) {
        out[k] += n * (end - at) / length;
        break;
      }
      out[k] += n * (stop - at) / length;
      at = stop;
    }
  }
}

/* Divergence when the first t bins are kept. */
static double divergence(const double *h, uint32_t t, double beyond,
                         double *p) {
  double sum_p = 0, sum_q = 0, d = 0;
  double q[BINS];

  memcpy(p, h, t * sizeof *p);
  p[t - 1] += beyond;
  memset(q, 0, t * sizeof *q);
  for (uint32_t j = 0; j < LEVELS; j++) {
    const uint32_t from = (uint32_t)((uint64_t)j * t / LEVELS);
    const uint32_t to = (uint32_t)((uint64_t)(j + 1) * t / LEVELS);
    double mass = 0;
    uint32_t filled = 0;

    for (uint32_t i = from; i < to; i++) {
      mass += h[i];
      filled += h[i] > 0;
    }
    for (uint32_t i = from; i < to; i++)
      if (h[i] > 0) q[i] = mass / filled;
  }
  for (uint32_t i = 0; i < t; i++) {
    sum_p += p[i];
    sum_q += q[i];
  }
  if (!(sum_p > 0) || !(sum_q > 0)) return INFINITY;
  for (uint32_t i = 0; i < t; i++) {
    if (p[i] <= 0) continue;
    /* Mass where the quantized form has none costs one nat. */
    d += q[i] > 0 ? p[i] / sum_p * log(p[i] / sum_p / (q[i] / sum_q))
                  : p[i] / sum_p;
  }
  return d;
}

static oq_range choose(const oq_record *r, const oq_quant_type *t,
                       const oq_range_options *o) {
  double h[BINS], p[BINS], total = 0, kept = 0, best = INFINITY;
  const double most = fmax(-(double)r->lo, (double)r->hi);
  uint32_t at = BINS;

  (void)t;
  (void)o;
  if (r->hist.empty || !(most > 0)) return oq_range_whole(r);
  fold(h, r, most);
  for (uint32_t i = 0; i < BINS; i++) total += h[i];
  for (uint32_t i = 0; i < BINS; i++) {
    kept += h[i];
    if (i + 1 < LEVELS) continue;

    const double d = divergence(h, i + 1, fmax(total - kept, 0.0), p);

    if (d < best) {
      best = d;
      at = i + 1;
    }
  }
  const double limit = fmin(most, (at + (at < BINS ? 0.5 : 0.0)) * most / BINS);

  return (oq_range){fmax((double)r->lo, -limit), fmin((double)r->hi, limit)};
}

const oq_range_method oq_range_entropy = {"entropy", choose};

/* range_entropy.c - the threshold whose 128 levels lose least information:
 * Kullback-Leibler divergence between the clipped distribution of magnitudes
 * (2048 bins, exact zeros left out) and its quantized form, expanded again over
 * the bins that were not empty. */
#include <math.h>
#include <string.h>

#include "quant/range.h"

#define BINS 2048
#define LEVELS 128
#define VALUES_PER_BIN 16

static uint32_t bins_for(const oq_record *r) {
  const uint64_t n =
      (r->count - r->zeros - r->nans - r->infinities) / VALUES_PER_BIN;

  return n < LEVELS ? LEVELS : n > BINS ? BINS : (uint32_t)n;
}

/* Magnitudes of both sides in equal bins over [0, most]. */
static void fold(double *out, uint32_t bins, const oq_record *r, double most) {
  const double w = oq_hist_width(&r->hist), v = most / bins;

  memset(out, 0, bins * sizeof *out);
  for (uint32_t i = 0; i < OQ_HIST_BINS; i++) {
    double n =
        (double)oq_hist_at(&r->hist, 0, i) + (double)oq_hist_at(&r->hist, 1, i);
    double at = i * w;
    const double end = fmin(at + w, most), length = end - at;

    if (n == 0) continue;
    if (!(length > 0)) { /* the very largest value */
      out[bins - 1] += n;
      continue;
    }
    while (at < end) { /* spread over the bins it touches */
      uint32_t k = (uint32_t)(at / v);

      if (k >= bins) k = bins - 1;
      const double stop = k == bins - 1 ? end : fmin(end, (k + 1) * v);
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
  const uint32_t bins = bins_for(r);
  uint32_t at = bins;

  (void)t;
  (void)o;
  if (r->hist.empty || !(most > 0)) return oq_range_whole(r);
  fold(h, bins, r, most);
  for (uint32_t i = 0; i < bins; i++) total += h[i];
  for (uint32_t i = 0; i < bins; i++) {
    kept += h[i];
    if (i + 1 < LEVELS) continue;

    const double d = divergence(h, i + 1, fmax(total - kept, 0.0), p);

    if (d < best) {
      best = d;
      at = i + 1;
    }
  }
  const double limit = fmin(most, (at + (at < bins ? 0.5 : 0.0)) * most / bins);

  return (oq_range){fmax((double)r->lo, -limit), fmin((double)r->hi, limit)};
}

const oq_range_method oq_range_entropy = {"entropy", choose};

/* record.c - what is known of one value after any number of samples. */
#include <math.h>

#include "calib/calib.h"
#include "kern/kern.h"

/* Elements looked at twice (range, then bins) while they are in the cache. */
#define TILE 8192

void oq_record_init(oq_record *r) {
  *r = (oq_record){.lo = INFINITY, .hi = -INFINITY};
  r->hist.empty = true;
}

static oq_status feed_tile(oq_record *r, const float *x, size_t n,
                           const oq_kernels *k, oq_arena *a) {
  float lo = INFINITY, hi = -INFINITY;
  uint64_t nans = 0, infinities = 0, rest = n;

  k->minmax_f32(&lo, &hi, &nans, &infinities, x, n);
  r->count += n;
  r->nans += nans;
  r->infinities += infinities;
  if (lo > hi) return OQ_OK;
  r->lo = lo < r->lo ? lo : r->lo;
  r->hi = hi > r->hi ? hi : r->hi;

  const float bound = -lo > hi ? -lo : hi > 0.0f ? hi : 0.0f;

  if (bound > 0.0f && !oq_hist_feed(&r->hist, &rest, x, n, bound, a))
    return OQ_E_MEMORY;
  r->zeros += rest - nans - infinities;
  return OQ_OK;
}

oq_status oq_record_feed(oq_record *r, const float *x, size_t n,
                         const struct oq_kernels *k, oq_arena *a) {
  while (n > 0) {
    const size_t part = n < TILE ? n : TILE;

    OQ_TRY(feed_tile(r, x, part, k, a));
    x += part;
    n -= part;
  }
  return OQ_OK;
}

oq_status oq_record_merge(oq_record *into, const oq_record *from, oq_arena *a) {
  if (!oq_hist_merge(&into->hist, &from->hist, a)) return OQ_E_MEMORY;
  into->lo = from->lo < into->lo ? from->lo : into->lo;
  into->hi = from->hi > into->hi ? from->hi : into->hi;
  into->count += from->count;
  into->zeros += from->zeros;
  into->nans += from->nans;
  into->infinities += from->infinities;
  return OQ_OK;
}

void oq_record_moments(const oq_record *r, double *mean, double *std) {
  const double w = oq_hist_width(&r->hist);
  double n = (double)r->zeros, sum = 0, squares = 0;

  *mean = *std = 0;
  if (!r->hist.empty) {
    for (uint32_t s = 0; s < 2; s++)
      for (uint32_t i = 0; i < OQ_HIST_BINS; i++) {
        const double c = (double)oq_hist_at(&r->hist, s, i);
        const double v = (s ? -1.0 : 1.0) * ((double)i + 0.5) * w;

        n += c;
        sum += c * v;
        squares += c * v * v;
      }
  }
  if (n <= 0) return;
  *mean = sum / n;
  const double variance = squares / n - *mean * *mean;
  *std = variance > 0 ? sqrt(variance) : 0;
}

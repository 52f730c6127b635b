/* range_percentile.c - all but the outermost values.  Values on both sides of
 * zero share the cut; a one-sided value takes all of it. */
#include <math.h>

#include "quant/range.h"

/* The magnitude on `side` beyond which `cut` values lie, interpolated inside
 * its bin. */
static double threshold(const oq_record *r, uint32_t side, double cut,
                        double most) {
  const double w = oq_hist_width(&r->hist);

  for (uint32_t i = OQ_HIST_BINS; i-- > 0;) {
    const double n = (double)oq_hist_at(&r->hist, side, i);

    if (n > cut) return fmin(most, (i + 1.0 - cut / n) * w);
    cut -= n;
  }
  return 0.0;
}

static oq_range choose(const oq_record *r, const oq_quant_type *t,
                       const oq_range_options *o) {
  const double n = (double)(r->count - r->nans - r->infinities);
  const bool both = r->lo < 0 && r->hi > 0;
  const double cut = n * (1.0 - o->percentile / 100.0) / (both ? 2.0 : 1.0);
  oq_range out = oq_range_whole(r);

  (void)t;
  if (r->hist.empty) return out;
  if (r->hi > 0) out.hi = threshold(r, 0, cut, (double)r->hi);
  if (r->lo < 0) out.lo = -threshold(r, 1, cut, -(double)r->lo);
  return out.lo == 0 && out.hi == 0 ? oq_range_whole(r) : out;
}

const oq_range_method oq_range_percentile = {"percentile", choose};

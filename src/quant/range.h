/* range.h - what the range methods share: a record as a list of points. */
#ifndef OQ_QUANT_RANGE_H
#define OQ_QUANT_RANGE_H

#include "quant/quant.h"

extern const oq_range_method oq_range_minmax, oq_range_percentile,
    oq_range_entropy, oq_range_mse, oq_range_auto;

/* Centres of the bins that are not empty, ascending, with their counts; exact
 * zeros are left out, as every grid holds them. */
typedef struct oq_points {
  uint32_t n;
  double value[2 * OQ_HIST_BINS];
  double count[2 * OQ_HIST_BINS];
} oq_points;
void oq_points_of_record(oq_points *p, const oq_record *r);

/* Sum over the points of count * error^2, for values the grid covers and for
 * those it clips. */
void oq_points_error(const oq_points *p, const oq_quant_type *t, oq_qparam q,
                     double *rounding, double *clipping);

/* The range whose rounding + weight * clipping is least, over a fixed set of
 * candidates between a tenth and the whole of the record's range. */
oq_range oq_range_search(const oq_record *r, const oq_quant_type *t,
                         double weight);

static inline oq_range oq_range_whole(const oq_record *r) {
  return (oq_range){(double)r->lo, (double)r->hi};
}

#endif

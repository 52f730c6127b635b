/* range_minmax.c - everything that was seen. */
#include "quant/range.h"

static oq_range choose(const oq_record *r, const oq_quant_type *t,
                       const oq_range_options *o) {
  (void)t;
  (void)o;
  return oq_range_whole(r);
}

const oq_range_method oq_range_minmax = {"minmax", choose};

/* range_mse.c - the least mean squared error of the real grid; and `auto`,
 * which is the same with clipping weighted more: an error that many values
 * share averages out in the next layer's sum, a clipped value does not. The
 * weight 3 is that of the "TF enhanced" search. */
#include "quant/range.h"

static oq_range choose_mse(const oq_record *r, const oq_quant_type *t,
                           const oq_range_options *o) {
  (void)o;
  return oq_range_search(r, t, 1.0);
}

static oq_range choose_auto(const oq_record *r, const oq_quant_type *t,
                            const oq_range_options *o) {
  (void)o;
  return oq_range_search(r, t, 3.0);
}

const oq_range_method oq_range_mse = {"mse", choose_mse};
const oq_range_method oq_range_auto = {"auto", choose_auto};

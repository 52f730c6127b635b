/* ops/pick - what operators that pick by position share: indices and scalars
 * read from inputs, single elements, and an order on numbers of any type. */
#ifndef OQ_OPS_PICK_H
#define OQ_OPS_PICK_H

#include <string.h>

#include "ops/op.h"

/* The indices of input `slot` into an axis of n, all made to lie in 0 .. n-1;
 * OQ_E_DATA if one does not. */
oq_status oq_pick_indices(const int64_t **out, const oq_run *r, uint32_t slot,
                          int64_t n);

/* The number in input `slot`, a tensor of one element; `dflt` if it is absent.
 * *known = false if it is there, but not known yet. */
oq_status oq_pick_scalar(int64_t *out, bool *known, const oq_infer *x,
                         uint32_t slot, int64_t dflt);
oq_status oq_pick_scalar_f64(double *out, bool *known, const oq_infer *x,
                             uint32_t slot, double dflt);
/* The same when run: the rule has seen it. */
int64_t oq_pick_run_scalar(const oq_run *r, uint32_t slot, int64_t dflt);
double oq_pick_run_scalar_f64(const oq_run *r, uint32_t slot, double dflt);
/* Input i, or NULL where it is absent. */
static inline const oq_ctensor *oq_pick_input(const oq_run *r, uint32_t i) {
  return i < r->n_in ? r->in[i] : NULL;
}

/* Refuses unless the two sizes are equal or one is unknown. */
oq_status oq_pick_same_dim(const oq_infer *x, oq_dim a, oq_dim b,
                           const char *what);

/* One element of 1, 2, 4, 8 or 16 bytes. */
static inline void oq_pick_copy(uint8_t *to, const uint8_t *from, size_t size) {
  switch (size) {
    case 1:
      *to = *from;
      break;
    case 2:
      memcpy(to, from, 2);
      break;
    case 4:
      memcpy(to, from, 4);
      break;
    case 8:
      memcpy(to, from, 8);
      break;
    default:
      memcpy(to, from, size);
      break;
  }
}

/* Numbers that compare as the elements of `t` do (the two zeros equal, NaN
 * above all; texts by their bytes; complex numbers by their real part first),
 * in scratch.  Keys of texts and complex numbers mean nothing outside of `t`.
 * `t` is of a type that kern/k_eltwise.h has a class for, STRING, or complex.
 */
oq_status oq_pick_keys(uint64_t **out, const oq_run *r, const oq_ctensor *t);

#endif

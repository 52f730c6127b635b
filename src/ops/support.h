/* ops/support.h - helpers that operator families share: refusing, reading
 * small integer inputs, common shape rules. Included by op.h. */
#ifndef OQ_OPS_SUPPORT_H
#define OQ_OPS_SUPPORT_H

#include "ops/op.h"

/* Refuse a node from a rule or a kernel: names node and operator.
 *   return oq_op_fail(x, OQ_E_MODEL, "conv.pads", "'pads' has %u values, ...");
 */
oq_status oq_infer_fail(const oq_infer *x, oq_status s, const char *id,
                        const char *fmt, ...) OQ_PRINTF(4, 5);
oq_status oq_run_fail(const oq_run *r, oq_status s, const char *id,
                      const char *fmt, ...) OQ_PRINTF(4, 5);

/* Whether the row takes `t` as input i, or gives it, at `opset`. */
bool oq_op_takes(const oq_op_def *d, int64_t opset, uint32_t i, oq_dtype t);
bool oq_op_gives(const oq_op_def *d, int64_t opset, oq_dtype t);

/* Integers of a small INT32/INT64 tensor (axes, shapes, pads), as int64 in
 * `scratch`; n = number of elements.  *out = NULL, n = 0 if t is NULL. */
oq_status oq_ints_read(const int64_t **out, uint32_t *n, const oq_ctensor *t,
                       oq_arena *scratch);

/* Sets out[i] to a tensor type. */
void oq_infer_set(oq_infer *x, uint32_t i, oq_dtype t, const oq_shape *s);
/* Dtype known, shape not. */
void oq_infer_set_dtype(oq_infer *x, uint32_t i, oq_dtype t);
/* Concrete shape of input i; false if unknown or absent. */
bool oq_infer_shape(oq_shape *out, const oq_infer *x, uint32_t i);
oq_dtype oq_infer_dtype(const oq_infer *x, uint32_t i); /* NONE if unknown */
/* Type of input i if it is known to be a tensor, else NULL. */
const oq_type *oq_infer_in(const oq_infer *x, uint32_t i);
/* Dtype and rank known, all dims unknown. */
void oq_infer_set_rank(oq_infer *x, uint32_t i, oq_dtype t, uint32_t rank);
/* Refuses inputs from..to-1 whose known element types differ. */
oq_status oq_infer_same_dtypes(const oq_infer *x, uint32_t from, uint32_t to);
/* Integers of input `slot`; absent: n = 0 and known. */
oq_status oq_infer_ints(const int64_t **out, uint32_t *n, bool *known,
                        const oq_infer *x, uint32_t slot);

/* Common rules. */
oq_status oq_infer_same(oq_infer *x);      /* out[0] := type of in[0] */
oq_status oq_infer_broadcast(oq_infer *x); /* out[0] := in[0]'s element type,
                                              broadcast of all shapes */
oq_status oq_infer_broadcast_bool(oq_infer *x); /* the same, BOOL */

/* Axes attribute or input (opset 13/18 moved many): the attribute `attr` if
 * set, else input `slot` if known.  *known = false if it is an input whose
 * value is not known. */
oq_status oq_infer_axes(const int64_t **axes, uint32_t *n, bool *known,
                        const oq_infer *x, const oq_i64s *attr, uint32_t slot);

#endif

/* ops/eltwise.h - elementwise operators over tensors of any numeric type: the
 * iteration, the widening; the loops are those of kern/k_eltwise.h. */
#ifndef OQ_OPS_ELTWISE_H
#define OQ_OPS_ELTWISE_H

#include "kern/k_eltwise.h"
#include "ops/op.h"

/* out[0] = f(in[0]), parameters p. */
oq_status oq_eltwise_map(oq_run *r, const oq_unary *f,
                         const double p[OQ_UNARY_PARAMS]);
/* out[0] = in[0] f in[1]; of one element type, broadcast. */
oq_status oq_eltwise_zip(oq_run *r, const oq_binary *f);
/* y = a f b, for operators that are made of several such steps. */
oq_status oq_eltwise_pair(oq_run *r, const oq_binary *f, const oq_tensor *y,
                          const oq_ctensor *a, const oq_ctensor *b);
/* out[0] = in[0] f in[1] f in[2] ..., from the left; by their number if `mean`.
 */
oq_status oq_eltwise_fold(oq_run *r, const oq_binary *f, bool mean);
/* out[0] = in[a] f in[b], bool. */
oq_status oq_eltwise_compare(oq_run *r, const oq_compare *f, uint32_t a,
                             uint32_t b);
/* Element types that these can do. */
#define OQ_ELTWISE_TYPES (OQ_DTM_NUMERIC | OQ_DTM(BOOL))

#endif

/* ops/rules - what many shape rules and kernels say again and again. */
#ifndef OQ_OPS_RULES_H
#define OQ_OPS_RULES_H

#include "ops/op.h"

/* The type of input i if it is a tensor of known rank, else NULL. */
const oq_type *oq_rule_ranked(const oq_infer *x, uint32_t i);
/* out[0] has the element type of input 0; nothing is said of its shape. */
oq_status oq_rule_dtype(oq_infer *x);
/* Normalises an axis, or refuses it: "op.axis". */
oq_status oq_rule_axis(uint32_t *out, const oq_infer *x, int64_t axis,
                       uint32_t rank);
/* Refuses ranks beyond OQ_MAX_RANK: "op.rank". */
oq_status oq_rule_rank(const oq_infer *x, uint64_t rank);
/* Input i must be int32 or int64: "op.dtype". */
oq_status oq_rule_indices(const oq_infer *x, uint32_t i);
/* What a graph among the attributes must take, and give at least. */
oq_status oq_rule_body(const oq_graph *g, const oq_node *n,
                       const oq_graph *body, const char *attr, uint32_t takes,
                       uint32_t gives, oq_diags *d);

/* Product of dims [from, to) of a tensor that exists. */
size_t oq_dims_product(const oq_shape *s, uint32_t from, uint32_t to);

#endif

/* ops/rules - see rules.h. */
#include "ops/rules.h"

const oq_type *oq_rule_ranked(const oq_infer *x, uint32_t i) {
  const oq_type *const t = oq_infer_in(x, i);

  return t == NULL || !t->has_rank ? NULL : t;
}

oq_status oq_rule_dtype(oq_infer *x) {
  const oq_dtype t = oq_infer_dtype(x, 0);

  if (t != OQ_DT_NONE) oq_infer_set_dtype(x, 0, t);
  return OQ_OK;
}

oq_status oq_rule_axis(uint32_t *out, const oq_infer *x, int64_t axis,
                       uint32_t rank) {
  if (oq_axis_normalize(out, axis, rank)) return OQ_OK;
  return oq_infer_fail(x, OQ_E_MODEL, "op.axis",
                       "axis %lld does not exist at rank %u", (long long)axis,
                       rank);
}

oq_status oq_rule_rank(const oq_infer *x, uint64_t rank) {
  if (rank <= OQ_MAX_RANK) return OQ_OK;
  return oq_infer_fail(x, OQ_E_LIMIT, "op.rank",
                       "the output has rank %llu, expected at most %d",
                       (unsigned long long)rank, OQ_MAX_RANK);
}

oq_status oq_rule_indices(const oq_infer *x, uint32_t i) {
  const oq_dtype t = oq_infer_dtype(x, i);

  if (t == OQ_DT_NONE || t == OQ_DT_I32 || t == OQ_DT_I64) return OQ_OK;
  return oq_infer_fail(x, OQ_E_MODEL, "op.dtype",
                       "input %u is %s, expected int32 or int64", i,
                       oq_dtype_text((int32_t)t));
}

static uint32_t count_feeds(const oq_graph *body) {
  uint32_t n = 0;

  for (uint32_t i = 0; i < body->n_inputs; i++)
    n += oq_graph_value(body, body->inputs[i])->kind == OQ_VALUE_INPUT;
  return n;
}

oq_status oq_rule_body(const oq_graph *g, const oq_node *n,
                       const oq_graph *body, const char *attr, uint32_t takes,
                       uint32_t gives, oq_diags *d) {
  oq_where w = oq_node_where(g, (oq_node_id){(uint32_t)(n - g->nodes)});

  w.attr = attr;
  if (body == NULL)
    return oq_fail(d, OQ_E_MODEL, "control.body", &w,
                   "attribute '%s' holds no graph", attr);
  if (count_feeds(body) != takes)
    return oq_fail(d, OQ_E_MODEL, "control.body", &w,
                   "the graph '%s' takes %u inputs, expected %u", attr,
                   count_feeds(body), takes);
  if (body->n_outputs < gives)
    return oq_fail(d, OQ_E_MODEL, "control.body", &w,
                   "the graph '%s' has %u outputs, expected at least %u", attr,
                   body->n_outputs, gives);
  return OQ_OK;
}

size_t oq_dims_product(const oq_shape *s, uint32_t from, uint32_t to) {
  size_t n = 1;

  for (uint32_t i = from; i < to; i++) n *= (size_t)s->dim[i];
  return n;
}

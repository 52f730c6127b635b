/* ops/eval.c - one node on known inputs, without a session. */
#include <string.h>

#include "kern/kern.h"
#include "ops/op.h"

static bool all_concrete(const oq_type *types, uint32_t n,
                         const oq_node *node) {
  for (uint32_t i = 0; i < n; i++) {
    oq_shape s;
    size_t count;
    if (!oq_value_ok(node->out[i])) continue;
    if (types[i].kind != OQ_TYPE_TENSOR || !oq_type_shape(&s, &types[i]) ||
        oq_shape_count(&count, &s) != OQ_OK)
      return false;
  }
  return true;
}

static oq_status make_outputs(oq_run *r, const oq_type *types, oq_arena *a) {
  for (uint32_t i = 0; i < r->n_out; i++) {
    oq_shape s;
    if (!oq_value_ok(r->node->out[i])) continue;
    if (!oq_type_shape(&s, &types[i])) continue; /* LATE */
    if (!oq_op_gives(r->node->def, r->opset, types[i].dtype))
      return oq_run_fail(r, OQ_E_UNSUPPORTED, "op.dtype",
                         "output %u cannot be %s", i,
                         oq_dtype_text((int32_t)types[i].dtype));
    const oq_status st = oq_tensor_make(&r->out[i], types[i].dtype, &s, a);
    if (st == OQ_E_MEMORY) return oq_fail_memory(r->diags);
    if (st != OQ_OK)
      return oq_run_fail(r, st, "op.size", "output %u is too big", i);
  }
  return OQ_OK;
}

static oq_status check_dtype(const oq_run *r) {
  const oq_op_def *const d = r->node->def;

  for (uint32_t i = 0; i < r->n_in; i++) {
    if (r->in[i] == NULL || oq_op_takes(d, r->opset, i, r->in[i]->dtype))
      continue;
    return oq_run_fail(r, OQ_E_UNSUPPORTED, "op.dtype",
                       "operator '%s' is not implemented for %s", d->name,
                       oq_dtype_text((int32_t)r->in[i]->dtype));
  }
  return OQ_OK;
}

static oq_status run_node(oq_run *r, const oq_type *types, oq_arena *a) {
  const oq_op_def *const d = r->node->def;

  OQ_TRY(check_dtype(r));
  OQ_TRY(make_outputs(r, types, a));
  if ((d->flags & OQ_OP_VIEW) == 0) return d->run(r);
  if (r->n_out > 0 && r->out[0].data != NULL && r->out[0].size > 0)
    memcpy(r->out[0].data, r->in[0]->data, r->out[0].size);
  return OQ_OK;
}

/* Everything a rule and a kernel are handed, for n known inputs. */
static oq_status prepare(oq_infer *x, oq_run *r, const oq_graph *g,
                         oq_node_id id, const oq_ctensor *const *in,
                         oq_tensor *out, oq_arena *a, const oq_env *e) {
  const oq_node *const n = oq_graph_node(g, id);
  const oq_type **const types = OQ_NEW_N(a, const oq_type *, n->n_in);
  bool *const wanted = OQ_NEW_N(a, bool, n->n_out);
  oq_type *const made = OQ_NEW_N(a, oq_type, n->n_out);

  if (types == NULL || wanted == NULL || made == NULL)
    return oq_fail_memory(e->diags);
  for (uint32_t i = 0; i < n->n_in; i++) {
    if (in[i] == NULL) continue;
    types[i] =
        oq_type_make(a, in[i]->dtype, in[i]->shape.dim, in[i]->shape.rank);
    if (types[i] == NULL) return oq_fail_memory(e->diags);
  }
  for (uint32_t i = 0; i < n->n_out; i++) wanted[i] = oq_value_ok(n->out[i]);
  *x = (oq_infer){.graph = g,
                  .node = n,
                  .params = n->params,
                  .opset = oq_ir_opset(g->model, n->domain),
                  .n_in = n->n_in,
                  .n_out = n->n_out,
                  .in = types,
                  .konst = in,
                  .out = made,
                  .scratch = a,
                  .diags = e->diags};
  *r = (oq_run){.graph = g,
                .node = n,
                .params = n->params,
                .opset = x->opset,
                .n_in = n->n_in,
                .n_out = n->n_out,
                .in = in,
                .out = out,
                .wanted = wanted,
                .k = e->kernels != NULL ? e->kernels : oq_kernels_find("auto"),
                .scratch = a,
                .texts = a,
                .diags = e->diags};
  return OQ_OK;
}

oq_status oq_op_eval(oq_tensor *out, const oq_graph *g, oq_node_id id,
                     const oq_ctensor *const *in, oq_arena *a,
                     const oq_env *e) {
  const oq_node *const n = oq_graph_node(g, id);
  oq_infer x;
  oq_run r;
  oq_tensor *const made = OQ_NEW_N(a, oq_tensor, n->n_out);

  if (made == NULL) return oq_fail_memory(e->diags);
  OQ_TRY(prepare(&x, &r, g, id, in, made, a, e));
  if (n->def == NULL)
    return oq_run_fail(&r, OQ_E_UNSUPPORTED, "op.unknown",
                       "operator '%s' is not known", oq_node_op(g, id));
  if ((n->def->flags & OQ_OP_GIVES) != 0)
    return oq_run_fail(&r, OQ_E_UNSUPPORTED, "op.alone",
                       "operator '%s' runs within a graph only", n->def->name);
  OQ_TRY(n->def->infer(&x));
  if (!all_concrete(x.out, n->n_out, n))
    return oq_run_fail(&r, OQ_E_UNSUPPORTED, "op.late",
                       "output sizes are known only after a run");
  OQ_TRY(run_node(&r, x.out, a));
  memcpy(out, made, n->n_out * sizeof *made);
  return OQ_OK;
}

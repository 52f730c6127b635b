/* exec/lone.c - one node on known inputs, outside any run: constant folding. */
#include <string.h>

#include "exec/session.h"

static oq_status alloc_in_arena(oq_call *c, uint32_t i, size_t bytes,
                                void **data) {
  const size_t padded = (bytes | (OQ_ALIGN - 1)) + 1;

  (void)i;
  *data =
      padded < bytes ? NULL : oq_arena_alloc_raw(c->user, 1, padded, OQ_ALIGN);
  return *data != NULL ? OQ_OK : oq_fail_memory(c->env->diags);
}

static oq_status make_step(oq_step *s, const oq_graph *g, oq_node_id id,
                           const oq_env *e) {
  const oq_node *n = oq_graph_node(g, id);
  bool *wanted = OQ_NEW_N(e->scratch, bool, n->n_out);
  const oq_where w = oq_node_where(g, id);

  if (wanted == NULL) return oq_fail_memory(e->diags);
  if (n->def == NULL) {
    return oq_fail(e->diags, OQ_E_UNSUPPORTED, "op.unknown", &w,
                   "node '%s': operator %s is not implemented", w.node, w.op);
  }
  if ((n->def->flags & OQ_OP_GIVES) != 0) {
    return oq_fail(e->diags, OQ_E_UNSUPPORTED, "op.alone", &w,
                   "node '%s': operator %s runs within a graph only", w.node,
                   w.op);
  }
  for (uint32_t i = 0; i < n->n_out; i++) wanted[i] = oq_value_ok(n->out[i]);
  *s = (oq_step){.node = id,
                 .def = n->def,
                 .params = n->params,
                 .opset = oq_ir_opset(g->model, n->domain),
                 .n_in = n->n_in,
                 .n_out = n->n_out,
                 .wanted = wanted};
  return OQ_OK;
}

static oq_status call(oq_call *c, const oq_step *s) {
  if (s->def->run != NULL) return oq_call_run(c);
  OQ_TRY(oq_call_view(c));
  OQ_TRY(c->alloc(c, 0, c->out[0].size, &c->out[0].data));
  if (c->out[0].size > 0) {
    memcpy(c->out[0].data, c->in[0]->data, c->out[0].size);
  }
  return OQ_OK;
}

static oq_status run(oq_tensor *out, const oq_graph *g, oq_node_id id,
                     const oq_ctensor *const *in, oq_arena *a,
                     const oq_env *e) {
  oq_step step;
  oq_session fake;

  OQ_TRY(make_step(&step, g, id, e));
  oq_type *types = OQ_NEW_N(e->scratch, oq_type, step.n_in);
  const oq_type **in_type = OQ_NEW_N(e->scratch, const oq_type *, step.n_in);
  oq_type *out_type = OQ_NEW_N(e->scratch, oq_type, step.n_out);
  if (types == NULL || in_type == NULL || out_type == NULL) {
    return oq_fail_memory(e->diags);
  }
  for (uint32_t i = 0; i < step.n_in; i++) {
    if (in[i] == NULL) continue;
    types[i] = oq_type_of_tensor(in[i]->dtype, &in[i]->shape);
    in_type[i] = &types[i];
  }
  memset(&fake, 0, sizeof fake);
  oq_call c = {.graph = g,
               .step = &step,
               .in = in,
               .in_type = in_type,
               .out_type = out_type,
               .out = out,
               .alloc = alloc_in_arena,
               .user = a,
               .texts = a,
               .session = &fake,
               .env = e,
               .keep_scratch = a == e->scratch};
  return call(&c, &step);
}

oq_status oq_exec_node(oq_tensor *out, const oq_graph *g, oq_node_id n,
                       const oq_ctensor *const *in, oq_arena *a,
                       const oq_env *e) {
  const oq_mark mark = oq_arena_mark(e->scratch);
  const oq_status s = run(out, g, n, in, a, e);

  if (a != e->scratch) oq_arena_rewind(e->scratch, mark);
  return s;
}

/* api/run.c - a plan and one session behind the public runner. */
#include <string.h>

#include "api/api.h"
#include "pass/pass_util.h"

struct oq_runner {
  oq_model *model;
  oq_model_ir *inlined; /* the model without functions; NULL: it has none */
  const oq_graph *graph;
  oq_arena *arena; /* views; then, behind `mark`, copies of one run's inputs */
  oq_mark mark;
  oq_plan *plan;
  oq_session *session;
  oq_tensor_view *outputs;
  uint32_t n_outputs;
  bool done;
};

/* ---- create, destroy --------------------------------------------------- */
/* Calls of the model's own functions become what they call, in a copy; values
 * keep their ids. */
static oq_status inline_functions(oq_runner *r) {
  const oq_env *e = &r->model->cx->env;
  oq_model_ir *m;
  uint32_t changed;

  if (r->model->ir->n_functions == 0) return OQ_OK;
  OQ_TRY(oq_ir_clone(&m, r->model->ir, e));
  r->inlined = m;
  r->graph = m->main;
  OQ_TRY(oq_ops_bind(m, e));
  const oq_status s = oq_pass_inline_functions(m, NULL, &changed, e);
  if (s == OQ_E_MEMORY) return oq_fail_memory(e->diags);
  OQ_TRY(s);
  OQ_TRY(oq_ops_bind(m, e));
  return oq_ir_verify(m, e);
}

static oq_status make(oq_runner *r) {
  oq_model *m = r->model;
  const oq_env *e = &m->cx->env;
  const oq_plan_options opt = {.untapped = true, .feed_types = m->feed_types};

  OQ_TRY(oq_arena_create(&r->arena, e->alloc, 0));
  r->n_outputs = m->ir->main->n_outputs;
  r->outputs = OQ_NEW_N(r->arena, oq_tensor_view, r->n_outputs);
  if (r->outputs == NULL) return oq_fail_memory(e->diags);
  r->mark = oq_arena_mark(r->arena);
  r->graph = m->ir->main;
  OQ_TRY(inline_functions(r));
  OQ_TRY(oq_plan_create(&r->plan, r->graph, &opt, e));
  return oq_session_create(&r->session, r->plan, e);
}

oq_status oq_runner_create(oq_runner **out, oq_model *m) {
  oq_runner *r;
  oq_status s;

  if (out == NULL || m == NULL) return OQ_E_ARGUMENT;
  r = oq_alloc_get(&m->cx->alloc, sizeof *r, _Alignof(oq_runner));
  if (r == NULL) return oq_fail_memory(m->cx->diags);
  memset(r, 0, sizeof *r);
  r->model = m;
  s = make(r);
  if (s != OQ_OK) {
    oq_runner_destroy(r);
    return s;
  }
  *out = r;
  return OQ_OK;
}

void oq_runner_destroy(oq_runner *r) {
  if (r == NULL) return;
  oq_session_destroy(r->session);
  oq_plan_destroy(r->plan);
  oq_ir_destroy(r->inlined);
  oq_arena_destroy(r->arena);
  oq_alloc_put(&r->model->cx->alloc, r, sizeof *r);
}

/* ---- run --------------------------------------------------------------- */
static oq_status take_inputs(const oq_ctensor **out, oq_runner *r,
                             const oq_tensor_view *v, uint32_t n) {
  const oq_model *m = r->model;
  oq_diags *d = m->cx->diags;
  oq_ctensor *t = OQ_NEW_N(r->arena, oq_ctensor, n);

  if (t == NULL) return oq_fail_memory(d);
  for (uint32_t i = 0; i < n; i++) {
    OQ_TRY(oq_view_take(&t[i], &v[i], oq_value_text(m->ir->main, m->feeds[i]),
                        r->arena, d));
  }
  *out = t;
  return OQ_OK;
}

static oq_status refuse_output(const oq_runner *r, oq_value_id v) {
  oq_where w = OQ_WHERE_INIT;

  w.value = oq_value_text(r->graph, v);
  return oq_fail(r->model->cx->diags, OQ_E_UNSUPPORTED, "output.kind", &w,
                 "output '%s' is a sequence or an optional, which cannot be "
                 "handed out",
                 w.value);
}

static oq_status run(oq_runner *r, const oq_tensor_view *inputs, uint32_t n) {
  const oq_graph *g = r->graph;
  const oq_ctensor *t = NULL;

  OQ_TRY(take_inputs(&t, r, inputs, n));
  OQ_TRY(oq_session_run(r->session, t, n, NULL, &r->model->cx->env));
  for (uint32_t i = 0; i < r->n_outputs; i++) {
    const oq_ctensor *y = oq_session_value(r->session, g->outputs[i]);
    if (y == NULL) return refuse_output(r, g->outputs[i]);
    r->outputs[i] = oq_view_of(y);
  }
  return OQ_OK;
}

oq_status oq_runner_run(oq_runner *r, const oq_tensor_view *inputs,
                        size_t n_inputs) {
  oq_status s;

  if (r == NULL || (inputs == NULL && n_inputs > 0)) return OQ_E_ARGUMENT;
  r->done = false;
  if (n_inputs != r->model->n_feeds) {
    return oq_fail(r->model->cx->diags, OQ_E_DATA, "input.count", NULL,
                   "%zu inputs given, the model has %u", n_inputs,
                   r->model->n_feeds);
  }
  s = run(r, inputs, (uint32_t)n_inputs);
  oq_arena_rewind(r->arena, r->mark);
  r->done = s == OQ_OK;
  return s;
}

const oq_tensor_view *oq_runner_output(const oq_runner *r, size_t i) {
  if (r == NULL || !r->done || i >= r->n_outputs) return NULL;
  return &r->outputs[i];
}

size_t oq_runner_bytes(const oq_runner *r) {
  return oq_session_bytes(r->session);
}

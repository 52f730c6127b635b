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
  oq_arena *given; /* what lies in outputs that are no tensors; until the next
                      run */
  oq_mark none_given;
  oq_plan *plan;
  oq_session *session;
  oq_value_view *outputs;
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
  OQ_TRY(oq_arena_create(&r->given, e->alloc, 0));
  r->none_given = oq_arena_mark(r->given);
  r->outputs = OQ_NEW_N(r->arena, oq_value_view, r->n_outputs);
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
  oq_arena_destroy(r->given);
  oq_arena_destroy(r->arena);
  oq_alloc_put(&r->model->cx->alloc, r, sizeof *r);
}

/* ---- inputs ------------------------------------------------------------ */
static const char *input_name(const oq_runner *r, uint32_t i) {
  return oq_value_text(r->model->ir->main, r->model->feeds[i]);
}

static oq_status refuse_input(const oq_runner *r, uint32_t i,
                              const char *what) {
  oq_where w = OQ_WHERE_INIT;

  w.value = input_name(r, i);
  return oq_fail(r->model->cx->diags, OQ_E_DATA, "input.kind", &w,
                 "input '%s' is given %s", w.value, what);
}

static oq_status take_tensor(oq_datum *out, oq_runner *r, uint32_t i,
                             const oq_tensor_view *v) {
  oq_ctensor t;

  OQ_TRY(oq_view_take(&t, v, input_name(r, i), r->arena, r->model->cx->diags));
  *out = oq_datum_of(&t);
  return OQ_OK;
}

static oq_status take_sequence(oq_datum *out, oq_runner *r, uint32_t i,
                               const oq_value_view *v) {
  oq_datum *item;

  if (v->n_items > UINT32_MAX || (v->item == NULL && v->n_items > 0))
    return refuse_input(r, i, "a sequence of which no items are given");
  item = OQ_NEW_N(r->arena, oq_datum, v->n_items);
  if (item == NULL) return oq_fail_memory(r->model->cx->diags);
  for (size_t k = 0; k < v->n_items; k++) {
    if (v->item[k].kind != OQ_KIND_TENSOR)
      return refuse_input(r, i, "a sequence of what is no tensor");
    OQ_TRY(take_tensor(&item[k], r, i, &v->item[k].tensor));
    if (item[k].t.dtype != item[0].t.dtype)
      return refuse_input(r, i, "a sequence of different element types");
  }
  *out = (oq_datum){
      .kind = OQ_DATUM_SEQUENCE, .item = item, .n_items = (uint32_t)v->n_items};
  out->t.dtype = v->n_items > 0 ? item[0].t.dtype : (oq_dtype)v->tensor.dtype;
  return OQ_OK;
}

/* Numbers of keys and values are for the kernel to compare. */
static oq_status take_map(oq_datum *out, oq_runner *r, uint32_t i,
                          const oq_value_view *v) {
  oq_datum *item;

  if (v->n_items != OQ_MAP_ITEMS || v->item == NULL ||
      v->item[OQ_MAP_KEYS].kind != OQ_KIND_TENSOR ||
      v->item[OQ_MAP_VALUES].kind != OQ_KIND_TENSOR)
    return refuse_input(r, i, "a map without keys and values");
  item = OQ_NEW_N(r->arena, oq_datum, OQ_MAP_ITEMS);
  if (item == NULL) return oq_fail_memory(r->model->cx->diags);
  for (uint32_t k = 0; k < OQ_MAP_ITEMS; k++)
    OQ_TRY(take_tensor(&item[k], r, i, &v->item[k].tensor));
  *out =
      (oq_datum){.kind = OQ_DATUM_MAPS, .item = item, .n_items = OQ_MAP_ITEMS};
  return OQ_OK;
}

static oq_status take_value(oq_datum *out, oq_runner *r, uint32_t i,
                            const oq_value_view *v) {
  if (v->kind == OQ_KIND_OPTIONAL) {
    if (v->n_items == 0) {
      *out = (oq_datum){.kind = OQ_DATUM_NOTHING};
      return OQ_OK;
    }
    if (v->n_items != 1 || v->item == NULL || v->item->kind == OQ_KIND_OPTIONAL)
      return refuse_input(r, i, "an optional of more than one value");
    v = v->item;
  }
  if (v->kind == OQ_KIND_TENSOR) return take_tensor(out, r, i, &v->tensor);
  if (v->kind == OQ_KIND_SEQUENCE) return take_sequence(out, r, i, v);
  if (v->kind == OQ_KIND_MAPS) return take_map(out, r, i, v);
  return refuse_input(r, i, "a value of unknown kind");
}

/* ---- outputs ----------------------------------------------------------- */
static oq_status give_items(oq_value_view *out, oq_runner *r, oq_kind kind,
                            const oq_datum *d) {
  oq_value_view *item = OQ_NEW_N(r->given, oq_value_view, d->n_items);

  if (item == NULL) return oq_fail_memory(r->model->cx->diags);
  for (uint32_t i = 0; i < d->n_items; i++)
    item[i] = (oq_value_view){.kind = OQ_KIND_TENSOR,
                              .tensor = oq_view_of(&d->item[i].t)};
  *out = (oq_value_view){
      .kind = (int32_t)kind, .item = item, .n_items = d->n_items};
  out->tensor.dtype = (int32_t)d->t.dtype;
  if (kind == OQ_KIND_MAPS) out->tensor = item[OQ_MAP_VALUES].tensor;
  return OQ_OK;
}

static oq_status give_output(oq_value_view *out, oq_runner *r,
                             const oq_datum *d) {
  switch (d->kind) {
    case OQ_DATUM_TENSOR:
      *out =
          (oq_value_view){.kind = OQ_KIND_TENSOR, .tensor = oq_view_of(&d->t)};
      return OQ_OK;
    case OQ_DATUM_SEQUENCE:
      return give_items(out, r, OQ_KIND_SEQUENCE, d);
    case OQ_DATUM_MAPS:
      return give_items(out, r, OQ_KIND_MAPS, d);
    case OQ_DATUM_NOTHING:
      *out = (oq_value_view){.kind = OQ_KIND_OPTIONAL};
      return OQ_OK;
  }
  return OQ_E_INTERNAL;
}

static oq_status refuse_output(const oq_runner *r, oq_value_id v) {
  oq_where w = OQ_WHERE_INIT;

  w.value = oq_value_text(r->graph, v);
  return oq_fail(r->model->cx->diags, OQ_E_UNSUPPORTED, "output.kind", &w,
                 "output '%s' is a sequence or an optional, expected a tensor",
                 w.value);
}

/* Maps have a tensor that stands for them. */
static bool has_tensor(const oq_datum *d) {
  return d->kind == OQ_DATUM_TENSOR || d->kind == OQ_DATUM_MAPS;
}

/* ---- run --------------------------------------------------------------- */
static oq_status run(oq_runner *r, const oq_datum *in, bool tensors_only) {
  const oq_graph *g = r->graph;

  OQ_TRY(oq_session_run_data(r->session, in, r->model->n_feeds, NULL,
                             &r->model->cx->env));
  for (uint32_t i = 0; i < r->n_outputs; i++) {
    const oq_datum *d = oq_session_datum(r->session, g->outputs[i]);
    if (d == NULL || (tensors_only && !has_tensor(d)))
      return refuse_output(r, g->outputs[i]);
    OQ_TRY(give_output(&r->outputs[i], r, d));
  }
  return OQ_OK;
}

static oq_status begin(oq_datum **in, oq_runner *r, size_t n_inputs) {
  oq_diags *diags = r->model->cx->diags;

  r->done = false;
  oq_arena_rewind(r->given, r->none_given);
  if (n_inputs != r->model->n_feeds)
    return oq_fail(diags, OQ_E_DATA, "input.count", NULL,
                   "%zu inputs given, the model has %u", n_inputs,
                   r->model->n_feeds);
  *in = OQ_NEW_N(r->arena, oq_datum, n_inputs);
  return *in == NULL ? oq_fail_memory(diags) : OQ_OK;
}

static oq_status end(oq_runner *r, oq_status s) {
  oq_arena_rewind(r->arena, r->mark);
  r->done = s == OQ_OK;
  return s;
}

oq_status oq_runner_run(oq_runner *r, const oq_tensor_view *inputs,
                        size_t n_inputs) {
  oq_datum *in;
  oq_status s;

  if (r == NULL || (inputs == NULL && n_inputs > 0)) return OQ_E_ARGUMENT;
  s = begin(&in, r, n_inputs);
  for (uint32_t i = 0; s == OQ_OK && i < n_inputs; i++)
    s = take_tensor(&in[i], r, i, &inputs[i]);
  if (s == OQ_OK) s = run(r, in, true);
  return end(r, s);
}

oq_status oq_runner_run_values(oq_runner *r, const oq_value_view *inputs,
                               size_t n_inputs) {
  oq_datum *in;
  oq_status s;

  if (r == NULL || (inputs == NULL && n_inputs > 0)) return OQ_E_ARGUMENT;
  s = begin(&in, r, n_inputs);
  for (uint32_t i = 0; s == OQ_OK && i < n_inputs; i++)
    s = take_value(&in[i], r, i, &inputs[i]);
  if (s == OQ_OK) s = run(r, in, false);
  return end(r, s);
}

const oq_value_view *oq_runner_output_value(const oq_runner *r, size_t i) {
  if (r == NULL || !r->done || i >= r->n_outputs) return NULL;
  return &r->outputs[i];
}

const oq_tensor_view *oq_runner_output(const oq_runner *r, size_t i) {
  const oq_value_view *v = oq_runner_output_value(r, i);

  if (v == NULL || (v->kind != OQ_KIND_TENSOR && v->kind != OQ_KIND_MAPS))
    return NULL;
  return &v->tensor;
}

size_t oq_runner_bytes(const oq_runner *r) {
  return oq_session_bytes(r->session);
}

/* exec/session.c - the step loop.  A value is complete before the next step
 * starts; its buffer is counted, so that views share it and the last reader
 * frees it. */
#include "exec/session.h"

#include <string.h>

static const uint8_t no_bytes[OQ_ALIGN] = {0};

/* ---- create, destroy --------------------------------------------------- */
static oq_status make(oq_session *s, const oq_env *e) {
  const oq_plan *p = s->plan;
  oq_arena *a;

  OQ_TRY(oq_arena_create(&s->arena, e->alloc, 0));
  a = s->arena;
  s->cells = OQ_NEW_N(a, oq_cell, p->n_slots);
  s->symbols = OQ_NEW_N(a, int64_t, p->n_symbols);
  s->symbol_feed = OQ_NEW_N(a, uint32_t, p->n_symbols);
  s->in = OQ_NEW_N(a, const oq_ctensor *, p->max_in);
  s->in_type = OQ_NEW_N(a, const oq_type *, p->max_in);
  s->out_type = OQ_NEW_N(a, oq_type, p->max_out);
  s->out = OQ_NEW_N(a, oq_tensor, p->max_out);
  s->made = OQ_NEW_N(a, oq_buffer *, p->max_out);
  if (s->cells == NULL || s->symbols == NULL || s->symbol_feed == NULL ||
      s->in == NULL || s->in_type == NULL || s->out_type == NULL ||
      s->out == NULL || s->made == NULL) {
    return oq_fail_memory(e->diags);
  }
  for (uint32_t i = 0; i < p->n_slots; i++) {
    const oq_slot *slot = &p->slots[i];
    if (slot->kind != OQ_SLOT_CONST) continue;
    s->cells[i] = (oq_cell){.set = true, .t = slot->konst};
    s->cells[i].type = oq_type_of_tensor(slot->konst.dtype, &slot->konst.shape);
  }
  return OQ_OK;
}

oq_status oq_session_create(oq_session **out, const oq_plan *p,
                            const oq_env *e) {
  oq_session *s = oq_alloc_get(e->alloc, sizeof *s, _Alignof(oq_session));
  oq_status status;

  if (s == NULL) return oq_fail_memory(e->diags);
  memset(s, 0, sizeof *s);
  s->plan = p;
  s->alloc = e->alloc;
  oq_buffers_init(&s->pool, e->alloc, e->limits->max_run_bytes);
  status = make(s, e);
  if (status != OQ_OK) {
    oq_session_destroy(s);
    return status;
  }
  *out = s;
  return OQ_OK;
}

static void drop(oq_session *s, uint32_t slot) {
  oq_cell *c = &s->cells[slot];

  oq_buffers_drop(&s->pool, c->buffer);
  c->buffer = NULL;
  c->set = false;
}

static void drop_all(oq_session *s) {
  if (s->cells == NULL) return;
  for (uint32_t i = 0; i < s->plan->n_slots; i++) {
    if (s->plan->slots[i].kind != OQ_SLOT_CONST) drop(s, i);
  }
}

void oq_session_destroy(oq_session *s) {
  if (s == NULL) return;
  drop_all(s);
  oq_buffers_trim(&s->pool);
  oq_arena_destroy(s->arena);
  oq_alloc_put(s->alloc, s, sizeof *s);
}

/* ---- inputs ------------------------------------------------------------ */
static const oq_type *expected(const oq_plan *p, uint32_t feed) {
  const oq_type *t = p->feed_types != NULL ? p->feed_types[feed] : NULL;

  return t != NULL ? t : oq_graph_value(p->graph, p->feeds[feed].value)->type;
}

static oq_status refuse_shape(const oq_session *s, uint32_t feed,
                              const oq_ctensor *t, const oq_env *e) {
  const oq_graph *g = s->plan->graph;
  const oq_type *want = expected(s->plan, feed);
  oq_where w = OQ_WHERE_INIT;
  int64_t dim[OQ_MAX_RANK];
  char a[160], b[160];

  for (uint32_t d = 0; d < want->rank; d++) dim[d] = want->dim[d].size;
  oq_shape_print(a, sizeof a, t->shape.dim, t->shape.rank);
  oq_shape_print(b, sizeof b, dim, want->rank);
  w.value = oq_value_text(g, s->plan->feeds[feed].value);
  return oq_fail(e->diags, OQ_E_DATA, "input.shape", &w,
                 "input '%s' has shape %s, the model expects %s", w.value, a,
                 b);
}

static oq_status check_symbol(oq_session *s, uint32_t feed, uint32_t d,
                              int64_t size, const oq_env *e) {
  const oq_plan *p = s->plan;
  const oq_feed *f = &p->feeds[feed];
  const uint32_t k = f->symbol[d];
  const oq_value *v = oq_graph_value(p->graph, f->value);
  oq_where w = OQ_WHERE_INIT;

  if (s->symbols[k] < 0) {
    s->symbols[k] = size;
    s->symbol_feed[k] = feed;
    return OQ_OK;
  }
  if (s->symbols[k] == size) return OQ_OK;
  w.value = oq_value_text(p->graph, f->value);
  return oq_fail(e->diags, OQ_E_DATA, "input.symbol", &w,
                 "input '%s' has '%s' = %lld, but input '%s' has '%s' = %lld",
                 w.value,
                 oq_names_text(p->graph->model->names, v->type->dim[d].symbol),
                 (long long)size,
                 oq_value_text(p->graph, p->feeds[s->symbol_feed[k]].value),
                 oq_names_text(p->graph->model->names, v->type->dim[d].symbol),
                 (long long)s->symbols[k]);
}

static oq_status check_declared(oq_session *s, uint32_t feed,
                                const oq_ctensor *t, const oq_env *e) {
  const oq_feed *f = &s->plan->feeds[feed];
  const oq_graph *g = s->plan->graph;
  const oq_type *want = expected(s->plan, feed);
  oq_where w = OQ_WHERE_INIT;

  if (want == NULL || want->kind == OQ_TYPE_UNKNOWN) return OQ_OK;
  w.value = oq_value_text(g, f->value);
  if (want->kind != OQ_TYPE_TENSOR) {
    return oq_fail(e->diags, OQ_E_UNSUPPORTED, "input.kind", &w,
                   "input '%s' is not a tensor", w.value);
  }
  if (want->dtype != OQ_DT_NONE && want->dtype != t->dtype) {
    return oq_fail(e->diags, OQ_E_DATA, "input.dtype", &w,
                   "input '%s' is %s, the model expects %s", w.value,
                   oq_dtype_text((int32_t)t->dtype),
                   oq_dtype_text((int32_t)want->dtype));
  }
  if (!want->has_rank) return OQ_OK;
  if (want->rank != t->shape.rank) return refuse_shape(s, feed, t, e);
  for (uint32_t d = 0; d < want->rank; d++) {
    if (want->dim[d].size != OQ_DIM_UNKNOWN &&
        want->dim[d].size != t->shape.dim[d]) {
      return refuse_shape(s, feed, t, e);
    }
    if (f->symbol[d] != OQ_NONE) {
      OQ_TRY(check_symbol(s, feed, d, t->shape.dim[d], e));
    }
  }
  return OQ_OK;
}

static oq_status check_bytes(const oq_session *s, const oq_feed *f,
                             const oq_ctensor *t, const oq_env *e) {
  oq_where w = OQ_WHERE_INIT;
  size_t n;

  w.value = oq_value_text(s->plan->graph, f->value);
  if (oq_dtype_bits((int32_t)t->dtype) == 0) {
    return oq_fail(e->diags, OQ_E_UNSUPPORTED, "input.dtype", &w,
                   "input '%s' is of type %s, which the engine does not hold",
                   w.value, oq_dtype_text((int32_t)t->dtype));
  }
  if (t->shape.rank > OQ_MAX_RANK ||
      oq_shape_bytes(&n, &t->shape, (int32_t)t->dtype) != OQ_OK ||
      n != t->size || (n > 0 && t->data == NULL)) {
    return oq_fail(e->diags, OQ_E_DATA, "input.size", &w,
                   "input '%s' has %zu bytes, which is not what its shape asks "
                   "for",
                   w.value, t->size);
  }
  return OQ_OK;
}

static oq_status take_feeds(oq_session *s, const oq_ctensor *in, uint32_t n_in,
                            const oq_env *e) {
  const oq_plan *p = s->plan;

  if (p->n_outer > 0) {
    return oq_fail(e->diags, OQ_E_UNSUPPORTED, "run.outer", NULL,
                   "the graph reads %u values of the graph around it",
                   p->n_outer);
  }
  if (n_in != p->n_feeds) {
    return oq_fail(e->diags, OQ_E_DATA, "input.count", NULL,
                   "%u inputs given, the model has %u", n_in, p->n_feeds);
  }
  for (uint32_t i = 0; i < p->n_symbols; i++) s->symbols[i] = -1;
  for (uint32_t i = 0; i < n_in; i++) {
    const oq_feed *f = &p->feeds[i];
    OQ_TRY(check_bytes(s, f, &in[i], e));
    OQ_TRY(check_declared(s, i, &in[i], e));
    if (f->slot == OQ_NONE) continue;
    oq_cell *c = &s->cells[f->slot];
    c->t = in[i];
    if (c->t.size == 0) c->t.data = no_bytes;
    c->type = oq_type_of_tensor(in[i].dtype, &in[i].shape);
    c->set = true;
  }
  return OQ_OK;
}

/* ---- one step ---------------------------------------------------------- */
static oq_status take_buffer(oq_buffer **out, oq_session *s, const oq_call *c,
                             size_t bytes) {
  const oq_status status = oq_buffers_take(out, &s->pool, bytes);

  if (status == OQ_OK) return OQ_OK;
  if (status == OQ_E_MEMORY) return oq_fail_memory(c->env->diags);
  const oq_where w = oq_node_where(c->graph, c->step->node);
  return oq_fail(
      c->env->diags, status, "run.memory", &w,
      "%s '%s': an output needs %zu bytes on top of %zu in use, more "
      "than the %llu a run may have",
      w.op, w.node, bytes, s->pool.live, (unsigned long long)s->pool.limit);
}

/* The buffer of in[0] if output 0 may lie on it. */
static oq_buffer *own_input(const oq_session *s, const oq_call *c) {
  const oq_cell *in = &s->cells[c->step->in[0]];

  if (in->buffer == NULL || in->buffer->refs != 1) return NULL;
  if (c->out[0].dtype != in->t.dtype) return NULL;
  if (!oq_shape_equal(&c->out[0].shape, &in->t.shape)) return NULL;
  return in->buffer;
}

static oq_status alloc_output(oq_call *c, uint32_t i, size_t bytes,
                              void **data) {
  oq_session *s = c->user;
  oq_buffer *b = NULL;

  if (i == 0 && c->step->inplace) b = own_input(s, c);
  if (b != NULL) {
    s->made[i] = oq_buffer_ref(b);
    *data = b->data;
    return OQ_OK;
  }
  OQ_TRY(take_buffer(&b, s, c, bytes));
  s->made[i] = b;
  *data = b->data;
  return OQ_OK;
}

static bool runs_as_view(const oq_step *step) {
  if ((step->def->flags & OQ_OP_VIEW) == 0) return false;
  if (step->def->run == NULL) return true;
  for (uint32_t i = 1; i < step->n_out; i++) {
    if (step->wanted[i]) return false;
  }
  return true;
}

static void gather_inputs(oq_session *s, const oq_step *step) {
  for (uint32_t i = 0; i < step->n_in; i++) {
    const uint32_t k = step->in[i];
    s->in[i] = k != OQ_NONE ? &s->cells[k].t : NULL;
    s->in_type[i] = k != OQ_NONE ? &s->cells[k].type : NULL;
  }
}

/* Hands what the step made to the slots; what has none is given back. */
static void publish(oq_session *s, const oq_step *step) {
  for (uint32_t i = 0; i < step->n_out; i++) {
    const uint32_t k = step->out[i];
    if (k == OQ_NONE) {
      oq_buffers_drop(&s->pool, s->made[i]);
      continue;
    }
    s->cells[k] = (oq_cell){.set = true,
                            .t = oq_tensor_const(&s->out[i]),
                            .type = s->out_type[i],
                            .buffer = s->made[i]};
  }
}

static void give_back(oq_session *s, const oq_step *step) {
  for (uint32_t i = 0; i < step->n_out; i++) {
    oq_buffers_drop(&s->pool, s->made[i]);
  }
}

static void publish_view(oq_session *s, const oq_step *step) {
  const oq_cell *in = &s->cells[step->in[0]];
  const uint32_t k = step->out[0];

  if (k == OQ_NONE) return;
  s->cells[k] = (oq_cell){
      .set = true,
      .t = {s->out[0].dtype, s->out[0].shape, s->out[0].size, in->t.data},
      .type = s->out_type[0],
      .buffer = oq_buffer_ref(in->buffer)};
}

static oq_status run_step(oq_session *s, const oq_step *step, const oq_env *e) {
  oq_call c = {.graph = s->plan->graph,
               .step = step,
               .in = s->in,
               .in_type = s->in_type,
               .out_type = s->out_type,
               .out = s->out,
               .alloc = alloc_output,
               .user = s,
               .session = s,
               .env = e};
  oq_status status;

  gather_inputs(s, step);
  if (runs_as_view(step)) {
    OQ_TRY(oq_call_view(&c));
    publish_view(s, step);
    return OQ_OK;
  }
  memset(s->made, 0, step->n_out * sizeof *s->made);
  status = oq_call_run(&c);
  if (status == OQ_OK) {
    publish(s, step);
  } else {
    give_back(s, step);
  }
  return status;
}

/* ---- the loop ---------------------------------------------------------- */
static oq_status tap_slot(const oq_session *s, const oq_tap *tap,
                          uint32_t slot) {
  if (slot == OQ_NONE) return OQ_OK;
  return tap->on_value(tap->user, s->plan->graph, s->plan->slots[slot].value,
                       &s->cells[slot].t);
}

static oq_status tap_feeds(const oq_session *s, const oq_tap *tap) {
  for (uint32_t i = 0; i < s->plan->n_feeds; i++) {
    OQ_TRY(tap_slot(s, tap, s->plan->feeds[i].slot));
  }
  return OQ_OK;
}

static oq_status run_steps(oq_session *s, const oq_tap *tap, const oq_env *e) {
  const oq_plan *p = s->plan;

  if (tap != NULL) OQ_TRY(tap_feeds(s, tap));
  for (uint32_t i = 0; i < p->n_steps; i++) {
    const oq_step *step = &p->steps[i];
    OQ_TRY(run_step(s, step, e));
    for (uint32_t k = 0; tap != NULL && k < step->n_out; k++) {
      OQ_TRY(tap_slot(s, tap, step->out[k]));
    }
    for (uint32_t k = 0; k < step->n_dies; k++) drop(s, step->dies[k]);
  }
  return OQ_OK;
}

/* A kept value that lies in the caller's memory gets its own: the caller may
 * let go of the inputs after the run. */
static oq_status own_kept(oq_session *s, const oq_env *e) {
  const oq_plan *p = s->plan;

  for (uint32_t i = 0; i < p->n_slots; i++) {
    oq_cell *c = &s->cells[i];
    if (!p->slots[i].keep || c->buffer != NULL ||
        p->slots[i].kind == OQ_SLOT_CONST) {
      continue;
    }
    if (oq_buffers_take(&c->buffer, &s->pool, c->t.size) != OQ_OK) {
      return oq_fail_memory(e->diags);
    }
    memcpy(c->buffer->data, c->t.data, c->t.size);
    c->t.data = c->buffer->data;
  }
  return OQ_OK;
}

static oq_status finish(oq_session *s, oq_status status, const oq_env *e) {
  if (status == OQ_OK) status = own_kept(s, e);
  if (status != OQ_OK) drop_all(s);
  oq_buffers_settle(&s->pool);
  s->done = status == OQ_OK;
  return status;
}

oq_status oq_session_run(oq_session *s, const oq_ctensor *inputs,
                         uint32_t n_inputs, const oq_tap *tap,
                         const oq_env *e) {
  oq_status status;

  s->done = false;
  drop_all(s);
  status = take_feeds(s, inputs, n_inputs, e);
  if (status == OQ_OK) status = run_steps(s, tap, e);
  return finish(s, status, e);
}

oq_status oq_session_run_unfed(oq_session *s, const oq_env *e) {
  return finish(s, run_steps(s, NULL, e), e);
}

const oq_ctensor *oq_session_value(const oq_session *s, oq_value_id v) {
  const oq_plan *p = s->plan;
  uint32_t slot;

  if (!s->done || v.i >= p->graph->n_values) return NULL;
  slot = p->slot_of[v.i];
  if (slot == OQ_NONE || !p->slots[slot].keep || !s->cells[slot].set) {
    return NULL;
  }
  return &s->cells[slot].t;
}

size_t oq_session_bytes(const oq_session *s) { return s->pool.held_peak; }

/* exec/session.c - the step loop.  A value is complete before the next step
 * starts; its buffer is counted, so that views share it and the last reader
 * frees it. */
#include "exec/session.h"

#include <string.h>

static const uint8_t no_bytes[OQ_ALIGN] = {0};

/* ---- create, destroy --------------------------------------------------- */
static oq_status create(oq_session **out, const oq_plan *p, oq_session *root,
                        const oq_env *e);

/* As deep as bodies are nested, which the plan has bounded. */
static oq_status make_bodies(oq_session *s, const oq_env *e) {
  const oq_plan *p = s->plan;

  s->bodies = OQ_NEW_N(s->arena, oq_session *, p->n_bodies);
  if (s->bodies == NULL) return oq_fail_memory(e->diags);
  for (uint32_t i = 0; i < p->n_bodies; i++) {
    OQ_TRY(create(&s->bodies[i], p->bodies[i].plan, s->root, e));
  }
  return OQ_OK;
}

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
  s->data = OQ_NEW_N(a, const oq_datum *, p->max_in);
  s->given = OQ_NEW_N(a, bool, p->max_out);
  s->gift = OQ_NEW_N(a, oq_datum, p->max_out);
  if (s->cells == NULL || s->symbols == NULL || s->symbol_feed == NULL ||
      s->in == NULL || s->in_type == NULL || s->out_type == NULL ||
      s->out == NULL || s->made == NULL || s->data == NULL ||
      s->given == NULL || s->gift == NULL) {
    return oq_fail_memory(e->diags);
  }
  for (uint32_t i = 0; i < p->n_slots; i++) {
    const oq_slot *slot = &p->slots[i];
    if (slot->kind != OQ_SLOT_CONST) continue;
    s->cells[i] = (oq_cell){.set = true, .d = oq_datum_of(&slot->konst)};
    s->cells[i].type = oq_type_of_tensor(slot->konst.dtype, &slot->konst.shape);
  }
  return make_bodies(s, e);
}

static oq_status create(oq_session **out, const oq_plan *p, oq_session *root,
                        const oq_env *e) {
  oq_session *s = oq_alloc_get(e->alloc, sizeof *s, _Alignof(oq_session));
  oq_status status;

  if (s == NULL) return oq_fail_memory(e->diags);
  memset(s, 0, sizeof *s);
  s->plan = p;
  s->alloc = e->alloc;
  oq_buffers_init(&s->own_pool, e->alloc, e->limits->max_run_bytes);
  s->root = root != NULL ? root : s;
  s->pool = &s->root->own_pool;
  status = make(s, e);
  if (status != OQ_OK) {
    oq_session_destroy(s);
    return status;
  }
  *out = s;
  return OQ_OK;
}

oq_status oq_session_create(oq_session **out, const oq_plan *p,
                            const oq_env *e) {
  return create(out, p, NULL, e);
}

static void drop(oq_session *s, uint32_t slot) {
  oq_cell *c = &s->cells[slot];

  if (c->set) oq_datum_drop(s->pool, &c->d);
  c->set = false;
}

void oq_session_clear(oq_session *s) {
  if (s->cells == NULL) return;
  for (uint32_t i = 0; i < s->plan->n_slots; i++) {
    if (s->plan->slots[i].kind != OQ_SLOT_CONST) drop(s, i);
  }
  if (s->root == s) oq_session_drop_texts(s);
}

void oq_session_destroy(oq_session *s) {
  if (s == NULL) return;
  for (uint32_t i = 0; s->bodies != NULL && i < s->plan->n_bodies; i++) {
    oq_session_destroy(s->bodies[i]);
  }
  oq_session_clear(s);
  oq_buffers_trim(&s->own_pool);
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

static oq_status refuse_kind(const oq_where *w, const oq_env *e) {
  return oq_fail(e->diags, OQ_E_DATA, "input.kind", w,
                 "input '%s' is no tensor, the model expects one", w->value);
}

static oq_status check_declared(oq_session *s, uint32_t feed,
                                const oq_datum *in, const oq_env *e) {
  const oq_feed *f = &s->plan->feeds[feed];
  const oq_graph *g = s->plan->graph;
  const oq_type *want = expected(s->plan, feed);
  const oq_ctensor *t = &in->t;
  oq_where w = OQ_WHERE_INIT;

  /* Kernels see for themselves what sequence or optional they are handed. */
  if (want == NULL || want->kind != OQ_TYPE_TENSOR) return OQ_OK;
  w.value = oq_value_text(g, f->value);
  if (in->kind != OQ_DATUM_TENSOR) return refuse_kind(&w, e);
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

static oq_status check_feed(oq_session *s, uint32_t feed, const oq_datum *d,
                            const oq_env *e) {
  const oq_feed *f = &s->plan->feeds[feed];

  if (d->kind == OQ_DATUM_TENSOR) OQ_TRY(check_bytes(s, f, &d->t, e));
  for (uint32_t i = 0; oq_datum_has_items(d) && i < d->n_items; i++) {
    OQ_TRY(check_bytes(s, f, &d->item[i].t, e));
  }
  return check_declared(s, feed, d, e);
}

static oq_status take_feeds(oq_session *s, const oq_datum *in, uint32_t n_in,
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
    OQ_TRY(check_feed(s, i, &in[i], e));
    if (f->slot == OQ_NONE) continue;
    oq_cell *c = &s->cells[f->slot];
    c->d = in[i];
    c->d.buffer = NULL;
    if (c->d.t.size == 0) c->d.t.data = no_bytes;
    c->type = oq_datum_type(&in[i]);
    c->set = true;
    OQ_TRY(oq_session_own_texts(s, &c->d, e));
  }
  return OQ_OK;
}

/* ---- one step ---------------------------------------------------------- */
oq_status oq_session_take(oq_buffer **out, oq_session *s, const oq_call *c,
                          size_t bytes) {
  const oq_status status = oq_buffers_take(out, s->pool, bytes);

  if (status == OQ_OK) return OQ_OK;
  if (status == OQ_E_MEMORY) return oq_fail_memory(c->env->diags);
  const oq_where w = oq_node_where(c->graph, c->step->node);
  return oq_fail(
      c->env->diags, status, "run.memory", &w,
      "%s '%s': an output needs %zu bytes on top of %zu in use, more "
      "than the %llu a run may have",
      w.op, w.node, bytes, s->pool->live, (unsigned long long)s->pool->limit);
}

/* The buffer of in[0] if output 0 may lie on it. */
static oq_buffer *own_input(const oq_session *s, const oq_call *c) {
  const oq_cell *in = &s->cells[c->step->in[0]];

  if (in->d.buffer == NULL || in->d.buffer->refs != 1) return NULL;
  if (in->d.kind != OQ_DATUM_TENSOR) return NULL;
  if (in->d.t.data != in->d.buffer->data) return NULL; /* a part of it */
  if (c->out[0].dtype != in->d.t.dtype) return NULL;
  if (!oq_shape_equal(&c->out[0].shape, &in->d.t.shape)) return NULL;
  if (in->d.last != (c->in_last != NULL)) return NULL;
  return in->d.buffer;
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
  OQ_TRY(oq_session_take(&b, s, c, bytes));
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
    const oq_cell *c = step->in[i] != OQ_NONE ? &s->cells[step->in[i]] : NULL;
    const bool tensor = c != NULL && c->d.kind == OQ_DATUM_TENSOR;
    s->in[i] = tensor ? &c->d.t : NULL;
    s->in_type[i] = c != NULL ? &c->type : NULL;
    s->data[i] = c != NULL ? &c->d : NULL;
  }
}

/* Hands what the step made to the slots; what has none is given back. */
static void publish(oq_session *s, const oq_step *step, uint32_t last_rank) {
  for (uint32_t i = 0; i < step->n_out; i++) {
    const uint32_t k = step->out[i];
    if (k == OQ_NONE) {
      oq_buffers_drop(s->pool, s->made[i]);
      continue;
    }
    s->cells[k] = (oq_cell){
        .set = true,
        .d = {.t = oq_tensor_const(&s->out[i]),
              .buffer = s->made[i],
              .last = last_rank > 0 && s->out[i].shape.rank == last_rank},
        .type = s->out_type[i]};
  }
}

static void publish_gifts(oq_session *s, const oq_step *step) {
  for (uint32_t i = 0; i < step->n_out; i++) {
    const uint32_t k = step->out[i];
    if (!s->given[i]) continue;
    if (k == OQ_NONE) {
      oq_datum_drop(s->pool, &s->gift[i]);
      continue;
    }
    s->cells[k] = (oq_cell){
        .set = true, .d = s->gift[i], .type = oq_datum_type(&s->gift[i])};
  }
}

static void give_back(oq_session *s, const oq_step *step) {
  for (uint32_t i = 0; i < step->n_out; i++) {
    oq_buffers_drop(s->pool, s->made[i]);
  }
}

static void publish_view(oq_session *s, const oq_step *step) {
  const oq_cell *in = &s->cells[step->in[0]];
  const uint32_t k = step->out[0];

  if (k == OQ_NONE) return;
  s->cells[k] = (oq_cell){
      .set = true, .d = oq_datum_share(&in->d), .type = s->out_type[0]};
  s->cells[k].d.t.dtype = s->out[0].dtype;
  s->cells[k].d.t.shape = s->out[0].shape;
}

/* Identity of what is no tensor. */
static bool share_datum(oq_session *s, const oq_step *step) {
  const oq_datum *d = step->n_in > 0 ? s->data[0] : NULL;

  if (d == NULL || d->kind == OQ_DATUM_TENSOR ||
      (step->def->flags & OQ_OP_DATA) == 0) {
    return false;
  }
  if (step->out[0] == OQ_NONE) return true;
  s->cells[step->out[0]] =
      (oq_cell){.set = true, .d = oq_datum_share(d), .type = oq_datum_type(d)};
  return true;
}

static oq_status run_step(oq_session *s, const oq_step *step, const oq_env *e) {
  oq_call c = {.graph = s->plan->graph,
               .step = step,
               .in = s->in,
               .in_type = s->in_type,
               .data = s->data,
               .out_type = s->out_type,
               .out = s->out,
               .alloc = alloc_output,
               .user = s,
               .session = s,
               .env = e};
  oq_status status;

  gather_inputs(s, step);
  OQ_TRY(oq_layout_step(&c.in_last, &c.last_rank, s, step, e));
  if (runs_as_view(step)) {
    if (share_datum(s, step)) return OQ_OK;
    OQ_TRY(oq_call_view(&c));
    publish_view(s, step);
    return OQ_OK;
  }
  memset(s->made, 0, step->n_out * sizeof *s->made);
  memset(s->given, 0, step->n_out * sizeof *s->given);
  status = oq_call_run(&c);
  if (status == OQ_OK && (step->def->flags & OQ_OP_GIVES) != 0) {
    publish_gifts(s, step);
  } else if (status == OQ_OK) {
    publish(s, step, c.last_rank);
  } else {
    give_back(s, step);
  }
  return status;
}

/* ---- the loop ---------------------------------------------------------- */
static oq_status tap_slot(oq_session *s, uint32_t slot, const oq_env *e) {
  const oq_tap *tap = s->root->tap;

  if (tap == NULL || slot == OQ_NONE ||
      s->cells[slot].d.kind != OQ_DATUM_TENSOR) {
    return OQ_OK;
  }
  const oq_value_id v = s->plan->slots[slot].value;
  if (s->cells[slot].d.last && tap->on_last != NULL) {
    oq_ctensor t = s->cells[slot].d.t;
    oq_layout_turn(&t.shape);
    return tap->on_last(tap->user, s->plan->graph, v, &t);
  }
  OQ_TRY(oq_layout_dense(s, slot, e));
  return tap->on_value(tap->user, s->plan->graph, v, &s->cells[slot].d.t);
}

oq_status oq_session_run_steps(oq_session *s, const oq_env *e) {
  const oq_plan *p = s->plan;

  for (uint32_t i = 0; i < p->n_feeds; i++) {
    OQ_TRY(tap_slot(s, p->feeds[i].slot, e));
  }
  for (uint32_t i = 0; i < p->n_steps; i++) {
    const oq_step *step = &p->steps[i];
    const oq_mark mark = oq_arena_mark(e->scratch);
    OQ_TRY(run_step(s, step, e));
    oq_arena_rewind(e->scratch, mark);
    for (uint32_t k = 0; k < step->n_out; k++) {
      OQ_TRY(tap_slot(s, step->out[k], e));
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
    if (!p->slots[i].keep || p->slots[i].kind == OQ_SLOT_CONST) continue;
    if (!s->cells[i].set) continue;
    OQ_TRY(oq_layout_dense(s, i, e));
    OQ_TRY(oq_datum_own(&s->cells[i].d, s->pool, e));
  }
  return OQ_OK;
}

static oq_status run(oq_session *s, const oq_tap *tap, const oq_env *e) {
  s->turns = 0;
  s->tap = tap;
  const oq_status status = oq_session_run_steps(s, e);
  s->tap = NULL;
  return status;
}

static oq_status finish(oq_session *s, oq_status status, const oq_env *e) {
  if (status == OQ_OK) status = own_kept(s, e);
  if (status != OQ_OK) {
    oq_session_clear(s);
    oq_buffers_reclaim(s->pool); /* what kernels held that failed */
  }
  oq_buffers_settle(s->pool);
  s->done = status == OQ_OK;
  return status;
}

oq_status oq_session_run_data(oq_session *s, const oq_datum *inputs,
                              uint32_t n_inputs, const oq_tap *tap,
                              const oq_env *e) {
  oq_status status;

  s->done = false;
  oq_session_clear(s);
  status = take_feeds(s, inputs, n_inputs, e);
  if (status == OQ_OK) status = run(s, tap, e);
  return finish(s, status, e);
}

oq_status oq_session_run(oq_session *s, const oq_ctensor *inputs,
                         uint32_t n_inputs, const oq_tap *tap,
                         const oq_env *e) {
  const oq_mark mark = oq_arena_mark(e->scratch);
  oq_datum *d = OQ_NEW_N(e->scratch, oq_datum, n_inputs);
  oq_status status;

  if (d == NULL) return oq_fail_memory(e->diags);
  for (uint32_t i = 0; i < n_inputs; i++) d[i] = oq_datum_of(&inputs[i]);
  status = oq_session_run_data(s, d, n_inputs, tap, e);
  oq_arena_rewind(e->scratch, mark);
  return status;
}

oq_status oq_session_run_unfed(oq_session *s, const oq_env *e) {
  return finish(s, run(s, NULL, e), e);
}

const oq_datum *oq_session_datum(const oq_session *s, oq_value_id v) {
  const oq_plan *p = s->plan;
  uint32_t slot;

  if (!s->done || v.i >= p->graph->n_values) return NULL;
  slot = p->slot_of[v.i];
  if (slot == OQ_NONE || !p->slots[slot].keep || !s->cells[slot].set) {
    return NULL;
  }
  return &s->cells[slot].d;
}

const oq_ctensor *oq_session_value(const oq_session *s, oq_value_id v) {
  const oq_datum *d = oq_session_datum(s, v);

  return d != NULL && d->kind == OQ_DATUM_TENSOR ? &d->t : NULL;
}

size_t oq_session_bytes(const oq_session *s) { return s->pool->held_peak; }

/* exec/layout.c - where channels lie last.  Decided step by step while a graph
 * runs: kernels that gain by it ask for it, element-wise ones follow, all
 * others get what ONNX says.  The decision looks at shapes and at the rows
 * alone, so a run is the same every time. */
#include <string.h>

#include "exec/session.h"
#include "kern/k_last.h"
#include "kern/kern.h"

void oq_layout_turn(oq_shape *s) {
  const int64_t channels = s->dim[1];

  for (uint32_t i = 1; i + 1 < s->rank; i++) s->dim[i] = s->dim[i + 1];
  s->dim[s->rank - 1] = channels;
}

/* ---- one value ----------------------------------------------------------- */
typedef struct planes {
  size_t batch, channels, n;
} planes;

static planes planes_of(const oq_shape *s) {
  planes p = {(size_t)s->dim[0], (size_t)s->dim[1], 1};

  for (uint32_t i = 2; i < s->rank; i++) p.n *= (size_t)s->dim[i];
  return p;
}

static size_t element_of(const oq_ctensor *t) {
  return oq_dtype_bits((int32_t)t->dtype) / 8;
}

static bool whole_bytes(const oq_ctensor *t) {
  const uint32_t bits = oq_dtype_bits((int32_t)t->dtype);

  return bits == 8 || bits == 16 || bits == 32 || bits == 64;
}

/* Writes the numbers of `t` in the other order; its shape is ONNX's. */
static void turn(void *to, const oq_ctensor *t, bool last) {
  const planes p = planes_of(&t->shape);

  if (last)
    oq_last_transpose(to, t->data, p.batch, p.channels, p.n, element_of(t));
  else
    oq_last_transpose(to, t->data, p.batch, p.n, p.channels, element_of(t));
}

/* Both orders are one. */
static bool indifferent(const oq_shape *s) {
  const planes p = planes_of(s);

  return p.channels <= 1 || p.n <= 1 || p.batch == 0;
}

static oq_status refuse_memory(const oq_session *s, uint32_t slot,
                               oq_status status, const oq_env *e) {
  const oq_plan *p = s->plan;
  oq_where w = OQ_WHERE_INIT;

  if (status == OQ_E_MEMORY) return oq_fail_memory(e->diags);
  w.value = oq_value_text(p->graph, p->slots[slot].value);
  return oq_fail(e->diags, status, "run.memory", &w,
                 "value '%s' in another order needs %zu bytes on top of %zu in "
                 "use, more than the %llu a run may have",
                 w.value, s->cells[slot].d.t.size, s->pool->live,
                 (unsigned long long)s->pool->limit);
}

static oq_status turn_cell(oq_session *s, uint32_t slot, bool last,
                           const oq_env *e) {
  oq_cell *c = &s->cells[slot];
  oq_buffer *b;

  if (!indifferent(&c->d.t.shape)) {
    const oq_status status = oq_buffers_take(&b, s->pool, c->d.t.size);
    if (status != OQ_OK) return refuse_memory(s, slot, status, e);
    turn(b->data, &c->d.t, last);
    oq_buffers_drop(s->pool, c->d.buffer);
    c->d.buffer = b;
    c->d.t.data = b->data;
  }
  c->d.last = last;
  return OQ_OK;
}

oq_status oq_layout_dense(oq_session *s, uint32_t slot, const oq_env *e) {
  if (slot == OQ_NONE || !s->cells[slot].set || !s->cells[slot].d.last)
    return OQ_OK;
  return turn_cell(s, slot, false, e);
}

/* ---- one step ------------------------------------------------------------ */
static const oq_cell *cell_of(const oq_session *s, uint32_t slot) {
  return slot != OQ_NONE ? &s->cells[slot] : NULL;
}

/* Rank that an input of `step` lies channels-last with; 0: none does. */
static uint32_t rank_there(const oq_session *s, const oq_step *step) {
  for (uint32_t i = 0; i < step->n_in; i++) {
    const oq_cell *c = cell_of(s, step->in[i]);
    if (c != NULL && c->d.last) return c->d.t.shape.rank;
  }
  return 0;
}

/* Whether a step of this rank is handed input i in the order that lies last. */
static bool turns(const oq_session *s, const oq_step *step, uint32_t i,
                  uint32_t rank) {
  return cell_of(s, step->in[i])->d.t.shape.rank == rank &&
         (step->def->layout == OQ_LAST_FOLLOWS || i < step->def->layout_inputs);
}

/* Input i is handed over in ONNX's order: it may not lie otherwise, nor be
 * brought into another for a second input that is the same value. */
static bool stays(const oq_session *s, const oq_step *step, uint32_t i,
                  uint32_t rank) {
  if (cell_of(s, step->in[i])->d.last) return false;
  for (uint32_t k = 0; k < step->n_in; k++)
    if (step->in[k] == step->in[i] && turns(s, step, k, rank)) return false;
  return true;
}

static bool may_turn(const oq_session *s, const oq_step *step, uint32_t rank) {
  for (uint32_t i = 0; i < step->n_in; i++) {
    const oq_cell *c = cell_of(s, step->in[i]);
    if (c == NULL) continue;
    if (c->d.kind != OQ_DATUM_TENSOR || c->d.t.shape.rank > rank ||
        !whole_bytes(&c->d.t))
      return false;
    if (!turns(s, step, i, rank) && !stays(s, step, i, rank)) return false;
  }
  return true;
}

static bool fits(const oq_session *s, const oq_step *step) {
  const oq_last_ask a = {.params = step->params,
                         .in = s->in,
                         .n_in = step->n_in,
                         .n_out = step->n_out,
                         .wanted = step->wanted};

  return step->def->layout_fits == NULL || step->def->layout_fits(&a);
}

/* 0: the step runs in ONNX's order. */
static uint32_t rank_for(const oq_session *s, const oq_step *step) {
  uint32_t rank;

  if (step->def->layout == OQ_LAST_NO) return 0;
  rank = rank_there(s, step);
  if (step->def->layout == OQ_LAST_WANTS && s->in[0] != NULL)
    rank = s->in[0]->shape.rank;
  if (rank < 3 || !may_turn(s, step, rank) || !fits(s, step)) return 0;
  return rank;
}

/* A smaller input of an element-wise step as one of `rank` axes; its numbers
 * are copied only where their order changes. */
static oq_status widen(oq_ctensor *t, uint32_t rank, const oq_env *e) {
  const uint32_t more = rank - t->shape.rank;
  oq_shape full = {.rank = rank};

  for (uint32_t i = 0; i < rank; i++)
    full.dim[i] = i < more ? 1 : t->shape.dim[i - more];
  t->shape = full;
  if (!indifferent(&full)) {
    void *copy = oq_arena_alloc_raw(e->scratch, 1, t->size, OQ_ALIGN);
    if (copy == NULL) return oq_fail_memory(e->diags);
    turn(copy, t, true);
    t->data = copy;
  }
  oq_layout_turn(&t->shape);
  return OQ_OK;
}

/* Input i with its numbers in order.  Constants stay as they are for the other
 * sessions: they are copied. */
static oq_status bring(oq_ctensor *t, oq_session *s, const oq_step *step,
                       uint32_t i, uint32_t rank, const oq_env *e) {
  oq_cell *c = &s->cells[step->in[i]];

  *t = c->d.t;
  if (!turns(s, step, i, rank)) {
    const bool follows = step->def->layout == OQ_LAST_FOLLOWS;
    return follows && oq_tensor_count(t) != 1 ? widen(t, rank, e) : OQ_OK;
  }
  if (s->plan->slots[step->in[i]].kind == OQ_SLOT_CONST)
    return widen(t, rank, e);
  if (!c->d.last) OQ_TRY(turn_cell(s, step->in[i], true, e));
  *t = c->d.t;
  oq_layout_turn(&t->shape);
  return OQ_OK;
}

static oq_status all_dense(oq_session *s, const oq_step *step,
                           const oq_env *e) {
  for (uint32_t i = 0; i < step->n_in; i++)
    OQ_TRY(oq_layout_dense(s, step->in[i], e));
  for (uint32_t i = 0; i < step->n_captures; i++)
    OQ_TRY(oq_layout_dense(s, step->captures[i], e));
  return OQ_OK;
}

oq_status oq_layout_step(const oq_ctensor *const **in_last, uint32_t *rank,
                         oq_session *s, const oq_step *step, const oq_env *e) {
  const uint32_t r = e->kernels->channels_last ? rank_for(s, step) : 0;

  *in_last = NULL;
  *rank = r;
  if (r == 0) return all_dense(s, step, e);
  oq_ctensor *t = OQ_NEW_N(e->scratch, oq_ctensor, step->n_in);
  const oq_ctensor **at = OQ_NEW_N(e->scratch, const oq_ctensor *, step->n_in);
  if (t == NULL || at == NULL) return oq_fail_memory(e->diags);
  for (uint32_t i = 0; i < step->n_in; i++) {
    if (step->in[i] == OQ_NONE) continue;
    OQ_TRY(bring(&t[i], s, step, i, r, e));
    at[i] = &t[i];
  }
  *in_last = at;
  return OQ_OK;
}

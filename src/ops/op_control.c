/* Control flow: If, Loop, Scan.  Bodies are planned with the graph and run in
 * its memory; what goes in and out of them is passed by reference. */
#include <string.h>

#include "ops/bytes.h"
#include "ops/op.h"
#include "ops/rules.h"

#define OQ_A_BODY(P, field, key)                            \
  {                                                         \
    .name = (key), .kind = OQ_ATTR_GRAPH, .required = true, \
    .offset = offsetof(P, field), .min = 1, .max = 0        \
  }

static const oq_type *declared(const oq_graph *body, uint32_t out) {
  if (body == NULL || out >= body->n_outputs) return NULL;
  return oq_graph_value(body, body->outputs[out])->type;
}

static oq_dtype declared_dtype(const oq_graph *body, uint32_t out) {
  const oq_type *const t = declared(body, out);

  return t != NULL && t->kind == OQ_TYPE_TENSOR ? t->dtype : OQ_DT_NONE;
}

/* The one element of a condition. */
static oq_status read_bool(bool *out, const oq_run *r, const oq_datum *d,
                           const char *what) {
  if (d->kind != OQ_DATUM_TENSOR || d->t.dtype != OQ_DT_BOOL ||
      oq_tensor_count(&d->t) != 1)
    return oq_run_fail(r, OQ_E_MODEL, "control.condition", "%s is not one bool",
                       what);
  *out = oq_element_i64(&d->t, 0) != 0;
  return OQ_OK;
}

/* ---- equal tensors put side by side -------------------------------------- */
typedef struct pile {
  const oq_graph *body; /* the output of it that is piled up */
  uint32_t output;
  int64_t axis; /* as given; of the result */
  bool reverse;
  bool grows; /* `room` is only a guess; along axis 0 */
  bool clear; /* what is not put there is 0 */
  int64_t n, room;
  oq_datum d;      /* none before the first item */
  oq_dtype packed; /* of the items, where each of `d` is a byte unpacked */
  uint8_t *data;
  oq_shape item;
  size_t outer, inner; /* bytes of `inner` */
} pile;

static oq_status bad_item(const oq_run *r, const pile *p, const char *what) {
  return oq_run_fail(r, OQ_E_MODEL, "control.scan_output",
                     "output %u of the body %s", p->output, what);
}

static oq_status pile_axis(uint32_t *axis, const oq_run *r, const pile *p,
                           uint32_t rank) {
  if (rank + 1 > OQ_MAX_RANK)
    return oq_run_fail(r, OQ_E_LIMIT, "op.rank",
                       "a result would have rank %u, more than %u", rank + 1,
                       OQ_MAX_RANK);
  if (oq_axis_normalize(axis, p->axis, rank + 1)) return OQ_OK;
  return oq_run_fail(r, OQ_E_MODEL, "op.axis", "axis %lld does not fit rank %u",
                     (long long)p->axis, rank + 1);
}

static void piled_shape(oq_shape *out, const oq_shape *item, uint32_t axis,
                        int64_t n) {
  out->rank = item->rank + 1;
  for (uint32_t i = 0; i < axis; i++) out->dim[i] = item->dim[i];
  out->dim[axis] = n;
  for (uint32_t i = axis; i < item->rank; i++) out->dim[i + 1] = item->dim[i];
}

static oq_status pile_room(oq_run *r, pile *p, oq_dtype t, uint32_t axis,
                           int64_t room) {
  oq_datum d = {0};
  void *data;
  oq_shape s;

  piled_shape(&s, &p->item, axis, room);
  OQ_TRY(oq_run_take(&d, &data, r, t, &s));
  if (p->clear) memset(data, 0, d.t.size);
  if (p->n > 0 && p->inner > 0) memcpy(data, p->data, (size_t)p->n * p->inner);
  oq_run_drop(r, &p->d);
  p->d = d;
  p->data = data;
  p->room = room;
  return OQ_OK;
}

static oq_status pile_start(oq_run *r, pile *p, const oq_ctensor *t) {
  uint32_t axis;

  const bool packed = oq_dtype_in((int32_t)t->dtype, OQ_DTM_SUBBYTE);
  p->packed = packed ? t->dtype : OQ_DT_NONE;
  OQ_TRY(pile_axis(&axis, r, p, t->shape.rank));
  p->item = t->shape;
  p->inner = packed ? 1 : oq_dtype_bits((int32_t)t->dtype) / 8;
  p->outer = 1;
  for (uint32_t i = 0; i < axis; i++) p->outer *= (size_t)t->shape.dim[i];
  for (uint32_t i = axis; i < t->shape.rank; i++)
    p->inner *= (size_t)t->shape.dim[i];
  return pile_room(r, p, packed ? OQ_DT_U8 : t->dtype, axis, p->room);
}

static void pile_put(pile *p, const uint8_t *from) {
  const size_t at = (size_t)(p->reverse ? p->room - 1 - p->n : p->n);

  for (size_t o = 0; o < p->outer && p->inner > 0; o++)
    memcpy(p->data + (o * (size_t)p->room + at) * p->inner, from + o * p->inner,
           p->inner);
  p->n++;
}

static oq_status pile_add(oq_run *r, pile *p, const oq_datum *item) {
  const oq_ctensor *const t = &item->t;
  const uint8_t *from = t->data;

  if (item->kind != OQ_DATUM_TENSOR) return bad_item(r, p, "is no tensor");
  if (p->data == NULL) OQ_TRY(pile_start(r, p, t));
  const oq_dtype same = p->packed != OQ_DT_NONE ? p->packed : p->d.t.dtype;
  if (t->dtype != same || !oq_shape_equal(&t->shape, &p->item))
    return bad_item(r, p, "changes its type or shape between turns");
  if (p->n == p->room) {
    if (!p->grows) return OQ_E_INTERNAL;
    OQ_TRY(pile_room(r, p, p->d.t.dtype, 0, 2 * p->room));
  }
  const oq_mark mark = oq_arena_mark(r->scratch);
  if (p->packed != OQ_DT_NONE) OQ_TRY(oq_bytes_in(&from, r, t));
  pile_put(p, from);
  oq_arena_rewind(r->scratch, mark);
  return OQ_OK;
}

/* Of no items: sizes that the body does not declare are 0. */
static oq_status pile_empty(oq_run *r, pile *p) {
  const oq_type *const t = oq_run_body_type(r, p->body, p->output);
  oq_shape item = {0}, s;
  uint32_t axis;
  void *data;

  if (t == NULL || t->kind != OQ_TYPE_TENSOR || t->dtype == OQ_DT_NONE)
    return oq_run_fail(r, OQ_E_UNSUPPORTED, "control.no_turns",
                       "the body never ran, and its output %u declares no "
                       "type",
                       p->output);
  item.rank = t->has_rank ? t->rank : 0;
  for (uint32_t i = 0; i < item.rank; i++)
    item.dim[i] = t->dim[i].size > 0 ? t->dim[i].size : 0;
  OQ_TRY(pile_axis(&axis, r, p, item.rank));
  piled_shape(&s, &item, axis, 0);
  OQ_TRY(oq_run_take(&p->d, &data, r, t->dtype, &s));
  p->data = data;
  return OQ_OK;
}

/* Packs what was collected a byte each. */
static oq_status pile_pack(oq_run *r, pile *p) {
  oq_datum d = {0};
  void *data;

  OQ_TRY(oq_run_take(&d, &data, r, p->packed, &p->d.t.shape));
  oq_bytes_pack(data, d.t.size, p->d.t.data, p->d.t.size, p->packed);
  oq_run_drop(r, &p->d);
  p->d = d;
  p->packed = OQ_DT_NONE;
  return OQ_OK;
}

/* The whole as a datum of its own. */
static oq_status pile_end(oq_datum *out, oq_run *r, pile *p) {
  if (p->data == NULL) OQ_TRY(pile_empty(r, p));
  if (p->grows && p->n < p->room) {
    p->d.t.shape.dim[0] = p->n;
    p->d.t.size = (size_t)p->n * p->inner;
  }
  if (p->packed != OQ_DT_NONE) OQ_TRY(pile_pack(r, p));
  *out = p->d;
  p->d = (oq_datum){0};
  p->data = NULL;
  p->n = 0;
  return OQ_OK;
}

/* Of an output that is not there nothing is asked. */
static oq_status pile_give(oq_run *r, pile *p, uint32_t output) {
  oq_datum d = {0};

  if (output >= r->n_out || !oq_value_ok(r->node->out[output])) {
    oq_run_drop(r, &p->d);
    return OQ_OK;
  }
  OQ_TRY(pile_end(&d, r, p));
  oq_run_give(r, output, &d);
  return OQ_OK;
}

/* ---- If ------------------------------------------------------------------ */
typedef struct if_params {
  oq_graph *then_branch, *else_branch;
} if_params;

static const oq_attr_def if_attrs[] = {
    OQ_A_BODY(if_params, then_branch, "then_branch"),
    OQ_A_BODY(if_params, else_branch, "else_branch"),
};

static oq_status if_check(const oq_graph *g, const oq_node *n, void *params,
                          oq_diags *d) {
  const if_params *const p = params;

  OQ_TRY(oq_rule_body(g, n, p->then_branch, "then_branch", 0, n->n_out, d));
  return oq_rule_body(g, n, p->else_branch, "else_branch", 0, n->n_out, d);
}

static oq_status new_types(oq_type **out, const oq_infer *x, uint32_t n) {
  *out = OQ_NEW_N(x->scratch, oq_type, n);
  return *out == NULL ? oq_fail_memory(x->diags) : OQ_OK;
}

static bool same_dim(oq_dim a, oq_dim b) {
  return a.size == b.size && oq_name_eq(a.symbol, b.symbol);
}

static bool equal_types(const oq_type *a, const oq_type *b) {
  if (a->kind != b->kind || a->dtype != b->dtype || a->has_rank != b->has_rank)
    return false;
  for (uint32_t i = 0; a->has_rank && i < a->rank; i++)
    if (a->rank != b->rank || !same_dim(a->dim[i], b->dim[i])) return false;
  return !a->has_rank || a->rank == b->rank;
}

/* What holds for both; false if nothing does. */
static bool join(oq_type *out, const oq_type *a, const oq_type *b) {
  if (a->kind != b->kind || a->kind == OQ_TYPE_UNKNOWN) return false;
  if (a->kind == OQ_TYPE_OTHER) {
    *out = *a;
    return a->raw != NULL && a->raw == b->raw;
  }
  if (a->dtype == OQ_DT_NONE || a->dtype != b->dtype) return false;
  *out = *a;
  out->has_rank = a->has_rank && b->has_rank && a->rank == b->rank;
  for (uint32_t i = 0; out->has_rank && i < a->rank; i++)
    if (!same_dim(a->dim[i], b->dim[i]))
      out->dim[i] = (oq_dim){.size = OQ_DIM_UNKNOWN};
  return true;
}

/* A condition that is known decides. */
static oq_status if_infer(oq_infer *x) {
  const if_params *const p = x->params;
  const oq_ctensor *const c = x->konst[0];
  oq_type *yes, *no;

  OQ_TRY(new_types(&yes, x, p->then_branch->n_outputs));
  OQ_TRY(new_types(&no, x, p->else_branch->n_outputs));
  OQ_TRY(oq_infer_body(yes, NULL, x, p->then_branch, NULL, NULL));
  OQ_TRY(oq_infer_body(no, NULL, x, p->else_branch, NULL, NULL));
  if (c != NULL && c->data != NULL && oq_tensor_count(c) == 1)
    *(oq_element_i64(c, 0) != 0 ? &no : &yes) =
        oq_element_i64(c, 0) != 0 ? yes : no;
  for (uint32_t i = 0; i < x->n_out; i++)
    if (!join(&x->out[i], &yes[i], &no[i])) x->out[i] = (oq_type){0};
  return OQ_OK;
}

static oq_status if_run(oq_run *r) {
  const if_params *const p = r->params;
  bool yes;

  OQ_TRY(read_bool(&yes, r, r->data[0], "the condition"));
  const oq_graph *const body = yes ? p->then_branch : p->else_branch;
  oq_datum *const out = OQ_NEW_N(r->scratch, oq_datum, body->n_outputs);
  if (out == NULL) return oq_fail_memory(r->diags);
  OQ_TRY(oq_run_body(r, body, NULL, 0, out));
  for (uint32_t i = 0; i < body->n_outputs; i++) oq_run_give(r, i, &out[i]);
  return OQ_OK;
}

/* ---- Loop ---------------------------------------------------------------- */
typedef struct loop_params {
  oq_graph *body;
} loop_params;

static const oq_attr_def loop_attrs[] = {
    OQ_A_BODY(loop_params, body, "body"),
};

/* Of the inputs: how many are state. */
static uint32_t loop_state(uint32_t n_in) { return n_in > 2 ? n_in - 2 : 0; }

static oq_status loop_check(const oq_graph *g, const oq_node *n, void *params,
                            oq_diags *d) {
  const oq_graph *const body = ((const loop_params *)params)->body;
  const uint32_t state = loop_state(n->n_in);
  const uint32_t least = n->n_out > state ? n->n_out : state;

  return oq_rule_body(g, n, body, "body", 2 + state, 1 + least, d);
}

/* ---- types of what goes around ------------------------------------------- */
enum { MOST_ROUNDS = 3 }; /* then sizes that still change are unknown */

/* The inputs of a body, the first `n` of which from `from` on are state, and
 * what it makes of them. */
typedef struct around {
  const oq_infer *x;
  const oq_graph *body;
  uint32_t from, n, first_out; /* state: inputs `from`.., outputs first_out.. */
  const oq_type **in;
  const oq_ctensor **fed;
  oq_type *out;
  const oq_ctensor **value;
} around;

static oq_status around_open(around *a, const oq_infer *x, const oq_graph *body,
                             uint32_t n_in) {
  a->x = x;
  a->body = body;
  a->in = OQ_NEW_N(x->scratch, const oq_type *, n_in);
  a->fed = OQ_NEW_N(x->scratch, const oq_ctensor *, n_in);
  a->value = OQ_NEW_N(x->scratch, const oq_ctensor *, body->n_outputs);
  if (a->in == NULL || a->fed == NULL || a->value == NULL)
    return oq_fail_memory(x->diags);
  return new_types(&a->out, x, body->n_outputs);
}

/* The state after a turn joined to that before it; *same if that is it. */
static oq_status around_join(around *a, uint32_t turn, bool *same) {
  for (uint32_t i = 0; i < a->n; i++) {
    const oq_type *const before = a->in[a->from + i];
    oq_type *t;
    OQ_TRY(new_types(&t, a->x, 1));
    if (before == NULL || !join(t, before, &a->out[a->first_out + i]))
      *t = (oq_type){0};
    if (before != NULL && equal_types(before, t)) continue;
    if (before == NULL && t->kind == OQ_TYPE_UNKNOWN) continue;
    if (turn + 1 >= MOST_ROUNDS) t->has_rank = false;
    a->in[a->from + i] = t;
    *same = false;
  }
  return OQ_OK;
}

/* Until the state has the same types before and after. */
static oq_status around_run(around *a) {
  bool same = false;

  for (uint32_t turn = 0; !same; turn++) {
    if (turn > MOST_ROUNDS + 1) { /* cannot be: each turn knows less */
      memset(a->out, 0, a->body->n_outputs * sizeof *a->out);
      return OQ_OK;
    }
    same = true;
    OQ_TRY(oq_infer_body(a->out, a->value, a->x, a->body, a->in, a->fed));
    OQ_TRY(around_join(a, turn, &same));
  }
  return OQ_OK;
}

/* Output i of the node from output `from` of the body, with one more axis. */
static void piled_type(oq_infer *x, uint32_t i, const oq_type *item,
                       int64_t axis, oq_dim n) {
  uint32_t at;

  if (i >= x->n_out || item->kind != OQ_TYPE_TENSOR) return;
  oq_infer_set_dtype(x, i, item->dtype);
  if (!item->has_rank || item->rank + 1 > OQ_MAX_RANK ||
      !oq_axis_normalize(&at, axis, item->rank + 1))
    return;
  oq_infer_set_rank(x, i, item->dtype, item->rank + 1);
  memcpy(x->out[i].dim, item->dim, at * sizeof item->dim[0]);
  x->out[i].dim[at] = n;
  memcpy(x->out[i].dim + at + 1, item->dim + at,
         (item->rank - at) * sizeof item->dim[0]);
}

static bool is_true(const oq_ctensor *t) {
  return t != NULL && t->data != NULL && t->dtype == OQ_DT_BOOL &&
         oq_tensor_count(t) == 1 && oq_element_i64(t, 0) != 0;
}

/* As many turns as the node says, if nothing ends them sooner. */
static oq_dim loop_length(const oq_infer *x, const around *a) {
  const oq_ctensor *const trips = x->konst[0];
  const bool starts = !oq_value_ok(x->node->in[1]) || is_true(x->konst[1]);
  oq_dim d = {.size = OQ_DIM_UNKNOWN};

  if (starts && is_true(a->value[0]) && trips != NULL &&
      oq_tensor_count(trips) == 1 &&
      (trips->dtype == OQ_DT_I64 || trips->dtype == OQ_DT_I32)) {
    const int64_t n = oq_element_i64(trips, 0);
    d.size = n > 0 ? n : 0;
  }
  return d;
}

/* The number of the turn and the condition, which is true in every turn. */
static oq_status loop_scalars(around *a) {
  static const oq_dtype t[] = {OQ_DT_I64, OQ_DT_BOOL};
  static const bool yes = true;
  static const oq_ctensor turns = {
      .dtype = OQ_DT_BOOL, .size = sizeof yes, .data = &yes};
  const oq_graph *const body = a->body;
  const oq_type *said;

  for (uint32_t i = 0; i < 2; i++) {
    oq_type *y;
    OQ_TRY(new_types(&y, a->x, 1));
    *y = (oq_type){.kind = OQ_TYPE_TENSOR, .dtype = t[i]};
    a->in[i] = y;
  }
  said = oq_graph_value(body, body->inputs[1])->type;
  if (said == NULL || said->kind != OQ_TYPE_TENSOR || !said->has_rank ||
      said->rank == 0)
    a->fed[1] = &turns;
  return OQ_OK;
}

static oq_status loop_infer(oq_infer *x) {
  const oq_graph *const body = ((const loop_params *)x->params)->body;
  const uint32_t n = loop_state(x->n_in);
  around a = {.from = 2, .n = n, .first_out = 1};

  OQ_TRY(around_open(&a, x, body, 2 + n));
  OQ_TRY(loop_scalars(&a));
  for (uint32_t i = 0; i < n; i++) a.in[2 + i] = x->in[2 + i];
  OQ_TRY(around_run(&a));
  for (uint32_t i = 0; i < n && i < x->n_out; i++)
    if (a.in[2 + i] != NULL) x->out[i] = *a.in[2 + i];
  for (uint32_t i = n; i < x->n_out; i++)
    piled_type(x, i, &a.out[1 + i], 0, loop_length(x, &a));
  return OQ_OK;
}

typedef struct loop {
  oq_run *r;
  const oq_graph *body;
  uint32_t n_state, n_piles;
  int64_t trips;
  bool go;
  oq_datum *in, *out; /* of the body */
  pile *piles;
} loop;

/* A number or condition as the body wants it: a scalar, or of shape [1] where
 * it says so. */
static oq_status take_scalar(oq_datum *out, void **data, oq_run *r,
                             const oq_graph *body, uint32_t input, oq_dtype t) {
  const oq_type *const want = oq_graph_value(body, body->inputs[input])->type;
  oq_shape s = {.rank = 0, .dim = {1}};

  if (want != NULL && want->kind == OQ_TYPE_TENSOR && want->has_rank &&
      want->rank == 1)
    s.rank = 1;
  return oq_run_take(out, data, r, t, &s);
}

static oq_status loop_limits(loop *l) {
  oq_run *const r = l->r;
  const oq_datum *const m = r->n_in > 0 ? r->data[0] : NULL;
  const oq_datum *const cond = r->n_in > 1 ? r->data[1] : NULL;

  l->trips = INT64_MAX;
  l->go = true;
  if (cond != NULL) OQ_TRY(read_bool(&l->go, r, cond, "the condition"));
  if (m == NULL) return OQ_OK;
  if (m->kind != OQ_DATUM_TENSOR || oq_tensor_count(&m->t) != 1 ||
      (m->t.dtype != OQ_DT_I64 && m->t.dtype != OQ_DT_I32))
    return oq_run_fail(r, OQ_E_MODEL, "control.trips",
                       "the trip count is not one integer");
  l->trips = oq_element_i64(&m->t, 0);
  return OQ_OK;
}

static oq_status loop_start(loop *l) {
  oq_run *const r = l->r;
  const bool has_cond = r->n_in > 1 && r->data[1] != NULL;
  void *data;

  l->in = OQ_NEW_N(r->scratch, oq_datum, 2 + l->n_state);
  l->out = OQ_NEW_N(r->scratch, oq_datum, l->body->n_outputs);
  l->piles = OQ_NEW_N(r->scratch, pile, l->n_piles);
  if (l->in == NULL || l->out == NULL || l->piles == NULL)
    return oq_fail_memory(r->diags);
  OQ_TRY(loop_limits(l));
  if (has_cond) {
    l->in[1] = oq_run_share(r->data[1]);
  } else {
    OQ_TRY(take_scalar(&l->in[1], &data, r, l->body, 1, OQ_DT_BOOL));
    memset(data, 1, 1);
  }
  for (uint32_t i = 0; i < l->n_state; i++) {
    if (r->data[2 + i] == NULL)
      return oq_run_fail(r, OQ_E_MODEL, "control.state",
                         "initial value %u is absent", i);
    l->in[2 + i] = oq_run_share(r->data[2 + i]);
  }
  for (uint32_t i = 0; i < l->n_piles; i++)
    l->piles[i] = (pile){.body = l->body,
                         .output = 1 + l->n_state + i,
                         .grows = true,
                         .room = l->trips < 8 ? l->trips : 8};
  return OQ_OK;
}

static oq_status loop_turn(loop *l, int64_t turn) {
  oq_run *const r = l->r;
  void *data;

  OQ_TRY(oq_run_turn(r));
  /* New each time: the body may keep the last one as state. */
  OQ_TRY(take_scalar(&l->in[0], &data, r, l->body, 0, OQ_DT_I64));
  memcpy(data, &turn, sizeof turn);
  OQ_TRY(oq_run_body(r, l->body, l->in, 2 + l->n_state, l->out));
  OQ_TRY(read_bool(&l->go, r, &l->out[0], "the body's condition"));
  oq_run_drop(r, &l->in[0]);
  for (uint32_t i = 0; i <= l->n_state; i++) {
    oq_run_drop(r, &l->in[1 + i]);
    l->in[1 + i] = l->out[i];
  }
  for (uint32_t i = 0; i < l->n_piles; i++) {
    oq_datum *const d = &l->out[1 + l->n_state + i];
    if (l->n_state + i < r->n_out) OQ_TRY(pile_add(r, &l->piles[i], d));
    oq_run_drop(r, d);
  }
  return OQ_OK;
}

static oq_status loop_run(oq_run *r) {
  loop l = {.r = r,
            .body = ((const loop_params *)r->params)->body,
            .n_state = loop_state(r->n_in)};

  l.n_piles = l.body->n_outputs - 1 - l.n_state;
  OQ_TRY(loop_start(&l));
  for (int64_t t = 0; t < l.trips && l.go; t++) OQ_TRY(loop_turn(&l, t));
  oq_run_drop(r, &l.in[1]);
  for (uint32_t i = 0; i < l.n_state; i++) oq_run_give(r, i, &l.in[2 + i]);
  for (uint32_t i = 0; i < l.n_piles; i++) {
    OQ_TRY(pile_give(r, &l.piles[i], l.n_state + i));
  }
  return OQ_OK;
}

/* ---- Scan ---------------------------------------------------------------- */
typedef struct scan_params {
  oq_graph *body;
  int64_t num_scan_inputs;
  oq_i64s in_axes, in_directions, out_axes, out_directions;
} scan_params;

#define SCAN_COUNT                                                    \
  {                                                                   \
    .name = "num_scan_inputs", .kind = OQ_ATTR_I64, .required = true, \
    .offset = offsetof(scan_params, num_scan_inputs), .min = 1,       \
    .max = OQ_OPS_MANY                                                \
  }

static const oq_attr_def scan_attrs_8[] = {
    OQ_A_BODY(scan_params, body, "body"),
    SCAN_COUNT,
    OQ_A_I64S(scan_params, in_directions, "directions"),
};
static const oq_attr_def scan_attrs_9[] = {
    OQ_A_BODY(scan_params, body, "body"),
    SCAN_COUNT,
    OQ_A_I64S(scan_params, in_axes, "scan_input_axes"),
    OQ_A_I64S(scan_params, in_directions, "scan_input_directions"),
    OQ_A_I64S(scan_params, out_axes, "scan_output_axes"),
    OQ_A_I64S(scan_params, out_directions, "scan_output_directions"),
};

static oq_status check_list(const oq_graph *g, const oq_node *n,
                            const oq_i64s *v, uint32_t count, bool directions,
                            const char *attr, oq_diags *d) {
  oq_where w = oq_node_where(g, (oq_node_id){(uint32_t)(n - g->nodes)});

  w.attr = attr;
  if (v->n != 0 && v->n != count)
    return oq_fail(d, OQ_E_MODEL, "op.attr", &w,
                   "attribute '%s' has %u values, expected %u", attr, v->n,
                   count);
  for (uint32_t i = 0; directions && i < v->n; i++)
    if (v->v[i] != 0 && v->v[i] != 1)
      return oq_fail(d, OQ_E_MODEL, "op.attr", &w,
                     "attribute '%s' is %lld, expected 0 or 1", attr,
                     (long long)v->v[i]);
  return OQ_OK;
}

/* `skip`: inputs before the state (lengths, up to opset 8). */
static oq_status scan_check(const oq_graph *g, const oq_node *n,
                            const scan_params *p, uint32_t skip, oq_diags *d) {
  const uint32_t m = (uint32_t)p->num_scan_inputs;
  const oq_where w = oq_node_where(g, (oq_node_id){(uint32_t)(n - g->nodes)});

  if (n->n_in < skip || m > n->n_in - skip)
    return oq_fail(d, OQ_E_MODEL, "op.arity", &w,
                   "attribute 'num_scan_inputs' is %u, the node has %u inputs",
                   m, n->n_in);
  const uint32_t state = n->n_in - skip - m;
  const uint32_t least = n->n_out > state ? n->n_out : state;
  OQ_TRY(oq_rule_body(g, n, p->body, "body", state + m, least, d));
  const uint32_t k = p->body->n_outputs - state;
  OQ_TRY(check_list(g, n, &p->in_axes, m, false, "scan_input_axes", d));
  OQ_TRY(check_list(g, n, &p->in_directions, m, true,
                    skip > 0 ? "directions" : "scan_input_directions", d));
  OQ_TRY(check_list(g, n, &p->out_axes, k, false, "scan_output_axes", d));
  return check_list(g, n, &p->out_directions, k, true, "scan_output_directions",
                    d);
}

static oq_status scan_check_8(const oq_graph *g, const oq_node *n, void *params,
                              oq_diags *d) {
  return scan_check(g, n, params, 1, d);
}

static oq_status scan_check_9(const oq_graph *g, const oq_node *n, void *params,
                              oq_diags *d) {
  return scan_check(g, n, params, 0, d);
}

/* Scan input i without the axis along which it goes. */
static oq_status scan_item(const oq_type **out, oq_dim *length,
                           const oq_infer *x, const oq_type *t, int64_t axis) {
  uint32_t at;
  oq_type *y;

  *out = NULL;
  if (t == NULL || t->kind != OQ_TYPE_TENSOR) return OQ_OK;
  OQ_TRY(new_types(&y, x, 1));
  *y = (oq_type){.kind = OQ_TYPE_TENSOR, .dtype = t->dtype};
  *out = y;
  if (!t->has_rank || !oq_axis_normalize(&at, axis, t->rank)) return OQ_OK;
  if (length->size == OQ_DIM_UNKNOWN) *length = t->dim[at];
  y->has_rank = true;
  y->rank = t->rank - 1;
  memcpy(y->dim, t->dim, at * sizeof t->dim[0]);
  memcpy(y->dim + at, t->dim + at + 1, (y->rank - at) * sizeof t->dim[0]);
  return OQ_OK;
}

static oq_status scan_infer(oq_infer *x) {
  const scan_params *const p = x->params;
  const uint32_t m = (uint32_t)p->num_scan_inputs, n = x->n_in - m;
  around a = {.from = 0, .n = n, .first_out = 0};
  oq_dim length = {.size = OQ_DIM_UNKNOWN};

  OQ_TRY(around_open(&a, x, p->body, x->n_in));
  for (uint32_t i = 0; i < n; i++) a.in[i] = x->in[i];
  for (uint32_t i = 0; i < m; i++)
    OQ_TRY(scan_item(&a.in[n + i], &length, x, x->in[n + i],
                     i < p->in_axes.n ? p->in_axes.v[i] : 0));
  OQ_TRY(around_run(&a));
  for (uint32_t i = 0; i < n && i < x->n_out; i++)
    if (a.in[i] != NULL) x->out[i] = *a.in[i];
  for (uint32_t i = n; i < x->n_out; i++)
    piled_type(x, i, &a.out[i],
               i - n < p->out_axes.n ? p->out_axes.v[i - n] : 0, length);
  return OQ_OK;
}

/* Up to opset 8 there is a batch axis around everything. */
static oq_status scan_infer_8(oq_infer *x) {
  const oq_graph *const body = ((const scan_params *)x->params)->body;

  for (uint32_t i = 0; i < x->n_out; i++) {
    const oq_dtype t = declared_dtype(body, i);
    if (t != OQ_DT_NONE) oq_infer_set_dtype(x, i, t);
  }
  return OQ_OK;
}

typedef struct scan {
  oq_run *r;
  const scan_params *p;
  const oq_graph *body;
  uint32_t n_state, n_scan, n_piles;
  int64_t length;
  oq_datum *in, *out; /* of the body; state first */
  oq_datum *seq;      /* what is scanned */
  pile *piles;
} scan;

static oq_status slice_copy(oq_datum *out, oq_run *r, const oq_ctensor *t,
                            const oq_shape *s, size_t outer, size_t step,
                            size_t inner, size_t at) {
  void *data;
  const uint8_t *const from = t->data;

  OQ_TRY(oq_run_take(out, &data, r, t->dtype, s));
  for (size_t o = 0; o < outer && inner > 0; o++)
    memcpy((uint8_t *)data + o * inner, from + o * step + at * inner, inner);
  return OQ_OK;
}

/* The same of elements that share bytes: `step` and `inner` in bits. */
static oq_status slice_packed(oq_datum *out, oq_run *r, const oq_ctensor *t,
                              const oq_shape *s, size_t outer, size_t step,
                              size_t inner, size_t at) {
  void *data;

  OQ_TRY(oq_run_take(out, &data, r, t->dtype, s));
  if (out->t.size > 0) memset(data, 0, out->t.size);
  for (size_t o = 0; o < outer; o++)
    oq_bits_copy(data, o * inner, t->data, o * step + at * inner, inner);
  return OQ_OK;
}

/* Element `at` of an axis; a part of the same memory where it lies together. */
static oq_status slice(oq_datum *out, oq_run *r, const oq_datum *x,
                       uint32_t axis, int64_t at) {
  const oq_shape *const s = &x->t.shape;
  oq_shape y = {.rank = s->rank - 1};
  const size_t bits = oq_dtype_bits((int32_t)x->t.dtype);
  size_t outer = 1, inner = bits < 8 ? bits : bits / 8;

  for (uint32_t i = 0; i < axis; i++) {
    y.dim[i] = s->dim[i];
    outer *= (size_t)s->dim[i];
  }
  for (uint32_t i = axis + 1; i < s->rank; i++) {
    y.dim[i - 1] = s->dim[i];
    inner *= (size_t)s->dim[i];
  }
  if (bits < 8)
    return slice_packed(out, r, &x->t, &y, outer, (size_t)s->dim[axis] * inner,
                        inner, (size_t)at);
  if (outer != 1)
    return slice_copy(out, r, &x->t, &y, outer, (size_t)s->dim[axis] * inner,
                      inner, (size_t)at);
  *out = oq_run_share(x);
  out->t.shape = y;
  out->t.size = inner;
  out->t.data = (const uint8_t *)x->t.data + (size_t)at * inner;
  return OQ_OK;
}

static oq_status scan_axis(uint32_t *axis, const scan *s, uint32_t i) {
  const oq_i64s *const given = &s->p->in_axes;
  const oq_datum *const x = &s->seq[i];

  if (x->kind != OQ_DATUM_TENSOR)
    return oq_run_fail(s->r, OQ_E_MODEL, "control.scan_input",
                       "scan input %u is no tensor", i);
  if (oq_axis_normalize(axis, i < given->n ? given->v[i] : 0, x->t.shape.rank))
    return OQ_OK;
  return oq_run_fail(s->r, OQ_E_MODEL, "op.axis",
                     "the axis of scan input %u does not fit its rank %u", i,
                     x->t.shape.rank);
}

/* All are scanned over the same length. */
static oq_status scan_length(scan *s) {
  for (uint32_t i = 0; i < s->n_scan; i++) {
    uint32_t axis;
    OQ_TRY(scan_axis(&axis, s, i));
    const int64_t n = s->seq[i].t.shape.dim[axis];
    if (i == 0) s->length = n;
    if (n != s->length)
      return oq_run_fail(s->r, OQ_E_MODEL, "control.scan_input",
                         "scan input %u has length %lld, expected %lld", i,
                         (long long)n, (long long)s->length);
  }
  return OQ_OK;
}

static oq_status scan_turn(scan *s, int64_t turn) {
  const oq_i64s *const dir = &s->p->in_directions;
  oq_run *const r = s->r;

  OQ_TRY(oq_run_turn(r));
  for (uint32_t i = 0; i < s->n_scan; i++) {
    const bool back = i < dir->n && dir->v[i] != 0;
    uint32_t axis;
    OQ_TRY(scan_axis(&axis, s, i));
    OQ_TRY(slice(&s->in[s->n_state + i], r, &s->seq[i], axis,
                 back ? s->length - 1 - turn : turn));
  }
  OQ_TRY(oq_run_body(r, s->body, s->in, s->n_state + s->n_scan, s->out));
  for (uint32_t i = 0; i < s->n_scan; i++)
    oq_run_drop(r, &s->in[s->n_state + i]);
  for (uint32_t i = 0; i < s->n_state; i++) {
    oq_run_drop(r, &s->in[i]);
    s->in[i] = s->out[i];
  }
  for (uint32_t i = 0; i < s->n_piles; i++) {
    OQ_TRY(pile_add(r, &s->piles[i], &s->out[s->n_state + i]));
    oq_run_drop(r, &s->out[s->n_state + i]);
  }
  return OQ_OK;
}

static oq_status scan_open(scan *s, oq_run *r, uint32_t skip) {
  const scan_params *const p = r->params;

  *s = (scan){.r = r, .p = p, .body = p->body};
  s->n_scan = (uint32_t)p->num_scan_inputs;
  s->n_state = r->n_in - skip - s->n_scan;
  s->n_piles = s->body->n_outputs - s->n_state;
  s->in = OQ_NEW_N(r->scratch, oq_datum, s->n_state + s->n_scan);
  s->out = OQ_NEW_N(r->scratch, oq_datum, s->body->n_outputs);
  s->seq = OQ_NEW_N(r->scratch, oq_datum, s->n_scan);
  s->piles = OQ_NEW_N(r->scratch, pile, s->n_piles);
  if (s->in == NULL || s->out == NULL || s->seq == NULL || s->piles == NULL)
    return oq_fail_memory(r->diags);
  for (uint32_t i = skip; i < r->n_in; i++)
    if (r->data[i] == NULL)
      return oq_run_fail(r, OQ_E_MODEL, "control.state", "input %u is absent",
                         i);
  return OQ_OK;
}

static void scan_piles(scan *s, int64_t room) {
  const oq_i64s *const axes = &s->p->out_axes, *const dirs =
                                                   &s->p->out_directions;

  for (uint32_t i = 0; i < s->n_piles; i++)
    s->piles[i] = (pile){.body = s->body,
                         .output = s->n_state + i,
                         .axis = i < axes->n ? axes->v[i] : 0,
                         .reverse = i < dirs->n && dirs->v[i] != 0,
                         .room = room};
}

static oq_status scan_run(oq_run *r) {
  scan s;

  OQ_TRY(scan_open(&s, r, 0));
  for (uint32_t i = 0; i < s.n_state; i++) s.in[i] = oq_run_share(r->data[i]);
  for (uint32_t i = 0; i < s.n_scan; i++) s.seq[i] = *r->data[s.n_state + i];
  OQ_TRY(scan_length(&s));
  scan_piles(&s, s.length);
  for (int64_t t = 0; t < s.length; t++) OQ_TRY(scan_turn(&s, t));
  for (uint32_t i = 0; i < s.n_state; i++) oq_run_give(r, i, &s.in[i]);
  for (uint32_t i = 0; i < s.n_piles; i++)
    OQ_TRY(pile_give(r, &s.piles[i], s.n_state + i));
  return OQ_OK;
}

/* ---- Scan of opset 8: a batch of scans ------------------------------------
 */
typedef struct batch {
  scan s;
  int64_t n, longest;
  pile *all; /* by output of the node: results of the batch */
} batch;

static oq_status batch_open(batch *b, oq_run *r) {
  scan *const s = &b->s;

  OQ_TRY(scan_open(s, r, 1));
  b->all = OQ_NEW_N(r->scratch, pile, s->body->n_outputs);
  if (b->all == NULL) return oq_fail_memory(r->diags);
  for (uint32_t i = 1; i < r->n_in; i++) {
    const oq_datum *const d = r->data[i];
    const uint32_t rank = i <= s->n_state ? 1 : 2;
    if (d->kind != OQ_DATUM_TENSOR || d->t.shape.rank < rank)
      return oq_run_fail(r, OQ_E_MODEL, "control.scan_input",
                         "input %u has no axes for batch and sequence", i);
    if (i == 1) b->n = d->t.shape.dim[0];
    if (d->t.shape.dim[0] != b->n)
      return oq_run_fail(r, OQ_E_MODEL, "control.scan_input",
                         "input %u has batch %lld, expected %lld", i,
                         (long long)d->t.shape.dim[0], (long long)b->n);
  }
  for (uint32_t i = 0; i < s->body->n_outputs; i++)
    b->all[i] = (pile){.body = s->body, .output = i, .room = b->n};
  return OQ_OK;
}

/* The length of one of the batch. */
static oq_status batch_length(batch *b, int64_t at) {
  const oq_run *const r = b->s.r;
  const oq_ctensor *const lens = r->in[0];

  OQ_TRY(scan_length(&b->s));
  b->longest = b->s.length;
  if (lens == NULL) return OQ_OK;
  if (lens->dtype != OQ_DT_I64 || oq_tensor_count(lens) != (size_t)b->n)
    return oq_run_fail(r, OQ_E_MODEL, "control.scan_input",
                       "the lengths are not one integer for each of the batch");
  const int64_t n = oq_element_i64(lens, (size_t)at);
  if (n < 0 || n > b->longest)
    return oq_run_fail(r, OQ_E_DATA, "control.scan_input",
                       "a sequence has length %lld, expected 0 to %lld",
                       (long long)n, (long long)b->longest);
  b->s.length = n;
  return OQ_OK;
}

static oq_status batch_turn(batch *b, int64_t at) {
  scan *const s = &b->s;
  oq_run *const r = s->r;

  for (uint32_t i = 0; i < s->n_state; i++)
    OQ_TRY(slice(&s->in[i], r, r->data[1 + i], 0, at));
  for (uint32_t i = 0; i < s->n_scan; i++)
    OQ_TRY(slice(&s->seq[i], r, r->data[1 + s->n_state + i], 0, at));
  OQ_TRY(batch_length(b, at));
  scan_piles(s, b->longest);
  for (uint32_t i = 0; i < s->n_piles; i++) s->piles[i].clear = true;
  for (int64_t t = 0; t < s->length; t++) OQ_TRY(scan_turn(s, t));
  for (uint32_t i = 0; i < s->n_scan; i++) oq_run_drop(r, &s->seq[i]);
  for (uint32_t i = 0; i < s->body->n_outputs; i++) {
    oq_datum d = {0};
    if (i >= s->n_state)
      OQ_TRY(pile_end(&d, r, &s->piles[i - s->n_state]));
    else
      d = s->in[i];
    OQ_TRY(pile_add(r, &b->all[i], &d));
    oq_run_drop(r, &d);
  }
  return OQ_OK;
}

static oq_status scan_run_8(oq_run *r) {
  batch b = {0};

  OQ_TRY(batch_open(&b, r));
  for (int64_t i = 0; i < b.n; i++) {
    OQ_TRY(oq_run_turn(r));
    OQ_TRY(batch_turn(&b, i));
  }
  for (uint32_t i = 0; i < b.s.body->n_outputs; i++)
    OQ_TRY(pile_give(r, &b.all[i], i));
  return OQ_OK;
}

/* ---- rows ---------------------------------------------------------------- */
#define CONTROL                                       \
  .domain = "", .min_out = 1, .max_out = OQ_OPS_MANY, \
  .texts = OQ_TEXT_IN | OQ_TEXT_OUT, .quant = {.cls = OQ_Q_NEVER}
#define LOOP                                                         \
  CONTROL, .name = "Loop", .max_in = OQ_OPS_MANY,                    \
           .flags = OQ_OP_DATA | OQ_OP_GIVES | OQ_OP_GAPS,           \
           .params_size = sizeof(loop_params), OQ_ATTRS(loop_attrs), \
           .check = loop_check, .infer = loop_infer, .run = loop_run
#define SCAN                                      \
  CONTROL, .name = "Scan", .max_in = OQ_OPS_MANY, \
           .params_size = sizeof(scan_params)

static const oq_op_def defs[] = {
    {CONTROL, .name = "If", .since = 1, .last = 27, .min_in = 1, .max_in = 1,
     .flags = OQ_OP_DATA | OQ_OP_GIVES, .params_size = sizeof(if_params),
     OQ_ATTRS(if_attrs), .check = if_check, .infer = if_infer, .run = if_run},

    {LOOP, .since = 1, .last = 10, .min_in = 3},
    {LOOP, .since = 11, .last = 27, .min_in = 2},

    {SCAN, .since = 8, .last = 8, .min_in = 2,
     .flags = OQ_OP_DATA | OQ_OP_GIVES | OQ_OP_GAPS, OQ_ATTRS(scan_attrs_8),
     .check = scan_check_8, .infer = scan_infer_8, .run = scan_run_8},
    {SCAN, .since = 9, .last = 27, .min_in = 1,
     .flags = OQ_OP_DATA | OQ_OP_GIVES, OQ_ATTRS(scan_attrs_9),
     .check = scan_check_9, .infer = scan_infer, .run = scan_run},
};

OQ_FAMILY(control, defs);

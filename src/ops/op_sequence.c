/* Sequences of tensors, and optionals.  Items are shared, not copied. */
#include <string.h>

#include "ops/op.h"

typedef struct seq_params {
  int64_t axis, new_axis, keepdims, dtype;
  const oq_attr *type;
  oq_graph *body;
} seq_params;

/* ---- what is handed in --------------------------------------------------- */
static oq_status sequence_in(const oq_datum **out, const oq_run *r,
                             uint32_t i) {
  const oq_datum *const d = i < r->n_in ? r->data[i] : NULL;

  if (d == NULL || d->kind != OQ_DATUM_SEQUENCE)
    return oq_run_fail(r, OQ_E_MODEL, "sequence.input",
                       "input %u is no sequence", i);
  *out = d;
  return OQ_OK;
}

static oq_status tensor_in(const oq_ctensor **out, const oq_run *r,
                           uint32_t i) {
  if (i >= r->n_in || r->in[i] == NULL)
    return oq_run_fail(r, OQ_E_MODEL, "sequence.input", "input %u is no tensor",
                       i);
  *out = r->in[i];
  return OQ_OK;
}

/* A position in 0 .. n-1, counted from the end if negative. */
static oq_status position_in(uint32_t *out, const oq_run *r, uint32_t i,
                             uint32_t n) {
  const oq_ctensor *t;

  OQ_TRY(tensor_in(&t, r, i));
  if ((t->dtype != OQ_DT_I64 && t->dtype != OQ_DT_I32) ||
      oq_tensor_count(t) != 1)
    return oq_run_fail(r, OQ_E_MODEL, "sequence.position",
                       "the position is not one integer");
  int64_t at = oq_element_i64(t, 0);
  if (at < -(int64_t)n || at >= (int64_t)n)
    return oq_run_fail(r, OQ_E_DATA, "sequence.position",
                       "position %lld lies outside of a sequence of %u",
                       (long long)at, n);
  *out = (uint32_t)(at < 0 ? at + (int64_t)n : at);
  return OQ_OK;
}

static oq_status same_dtype(const oq_run *r, oq_dtype a, oq_dtype b) {
  if (a == b || a == OQ_DT_NONE || b == OQ_DT_NONE) return OQ_OK;
  return oq_run_fail(r, OQ_E_MODEL, "op.dtype",
                     "a sequence would hold %s and %s",
                     oq_dtype_text((int32_t)a), oq_dtype_text((int32_t)b));
}

/* Hands out n items to fill in, none of which is counted. */
static oq_status room(oq_datum **out, const oq_run *r, uint32_t n) {
  *out = OQ_NEW_N(r->scratch, oq_datum, n);
  return *out != NULL ? OQ_OK : oq_fail_memory(r->diags);
}

static oq_status give_list(oq_run *r, uint32_t output, oq_dtype t,
                           const oq_datum *item, uint32_t n) {
  oq_datum d = {0};

  OQ_TRY(oq_run_sequence(&d, r, t, item, n));
  oq_run_give(r, output, &d);
  return OQ_OK;
}

/* The same, where the items were made here. */
static oq_status give_made(oq_run *r, uint32_t output, oq_dtype t,
                           oq_datum *item, uint32_t n) {
  OQ_TRY(give_list(r, output, t, item, n));
  for (uint32_t i = 0; i < n; i++) oq_run_drop(r, &item[i]);
  return OQ_OK;
}

/* ---- types: sequences have none that inference follows ------------------- */
static oq_status infer_unknown(oq_infer *x) {
  (void)x;
  return OQ_OK;
}

static oq_status infer_scalar(oq_infer *x, oq_dtype t) {
  oq_infer_set_rank(x, 0, t, 0);
  return OQ_OK;
}

static oq_status infer_length(oq_infer *x) {
  return infer_scalar(x, OQ_DT_I64);
}

static oq_status infer_has(oq_infer *x) { return infer_scalar(x, OQ_DT_BOOL); }

/* ---- making and changing ------------------------------------------------- */
static oq_status construct_run(oq_run *r) {
  oq_datum *item;
  oq_dtype t = OQ_DT_NONE;

  OQ_TRY(room(&item, r, r->n_in));
  for (uint32_t i = 0; i < r->n_in; i++) {
    const oq_ctensor *x;
    OQ_TRY(tensor_in(&x, r, i));
    OQ_TRY(same_dtype(r, t, x->dtype));
    t = x->dtype;
    item[i] = *r->data[i];
  }
  return give_list(r, 0, t, item, r->n_in);
}

static oq_status empty_run(oq_run *r) {
  const int64_t t = ((const seq_params *)r->params)->dtype;

  if (t <= 0 || t >= 32 || !oq_dtype_in((int32_t)t, OQ_DTM_ALL))
    return oq_run_fail(r, OQ_E_MODEL, "op.attr",
                       "attribute 'dtype' is %lld, which is no element type",
                       (long long)t);
  return give_list(r, 0, (oq_dtype)t, NULL, 0);
}

static oq_status insert_run(oq_run *r) {
  const oq_datum *s;
  const oq_ctensor *x;
  oq_datum *item;

  OQ_TRY(sequence_in(&s, r, 0));
  OQ_TRY(tensor_in(&x, r, 1));
  OQ_TRY(same_dtype(r, s->t.dtype, x->dtype));
  uint32_t at = s->n_items;
  if (r->n_in > 2 && r->data[2] != NULL) {
    const oq_ctensor *p;
    OQ_TRY(tensor_in(&p, r, 2));
    /* The end is a position, too, but only counted from the front. */
    if (oq_tensor_count(p) != 1 || oq_element_i64(p, 0) != (int64_t)at)
      OQ_TRY(position_in(&at, r, 2, s->n_items));
  }
  OQ_TRY(room(&item, r, s->n_items + 1));
  for (uint32_t i = 0; i < s->n_items; i++)
    item[i < at ? i : i + 1] = s->item[i];
  item[at] = *r->data[1];
  return give_list(r, 0, x->dtype, item, s->n_items + 1);
}

static oq_status erase_run(oq_run *r) {
  const oq_datum *s;
  oq_datum *item;
  uint32_t at, n = 0;

  OQ_TRY(sequence_in(&s, r, 0));
  if (s->n_items == 0)
    return oq_run_fail(r, OQ_E_DATA, "sequence.position",
                       "the sequence is empty");
  at = s->n_items - 1;
  if (r->n_in > 1 && r->data[1] != NULL)
    OQ_TRY(position_in(&at, r, 1, s->n_items));
  OQ_TRY(room(&item, r, s->n_items));
  for (uint32_t i = 0; i < s->n_items; i++)
    if (i != at) item[n++] = s->item[i];
  return give_list(r, 0, s->t.dtype, item, n);
}

/* ---- looking ------------------------------------------------------------- */
static oq_status at_run(oq_run *r) {
  const oq_datum *s;
  uint32_t at;

  OQ_TRY(sequence_in(&s, r, 0));
  OQ_TRY(position_in(&at, r, 1, s->n_items));
  oq_datum d = oq_run_share(&s->item[at]);
  oq_run_give(r, 0, &d);
  return OQ_OK;
}

static oq_status give_scalar(oq_run *r, oq_dtype t, int64_t v) {
  const oq_shape s = {.rank = 0};
  oq_datum d = {0};
  void *data;

  OQ_TRY(oq_run_take(&d, &data, r, t, &s));
  oq_tensor y = {t, s, d.t.size, data};
  oq_element_set_i64(&y, 0, v);
  oq_run_give(r, 0, &d);
  return OQ_OK;
}

static oq_status length_run(oq_run *r) {
  const oq_datum *s;

  OQ_TRY(sequence_in(&s, r, 0));
  return give_scalar(r, OQ_DT_I64, (int64_t)s->n_items);
}

/* ---- tensors to sequences and back --------------------------------------- */
/* A tensor as `outer` rows of `n` blocks of `inner` bits. */
typedef struct split {
  const oq_datum *from;
  uint32_t axis;
  size_t outer, inner;
  int64_t n;
  bool packed; /* elements share bytes */
} split;

static split split_view(const oq_datum *d, uint32_t axis) {
  const oq_shape *const shape = &d->t.shape;
  const size_t bits = oq_dtype_bits((int32_t)d->t.dtype);
  split s = {.from = d,
             .axis = axis,
             .outer = 1,
             .inner = bits,
             .n = shape->dim[axis],
             .packed = bits < 8};

  for (uint32_t i = 0; i < axis; i++) s.outer *= (size_t)shape->dim[i];
  for (uint32_t i = axis + 1; i < shape->rank; i++)
    s.inner *= (size_t)shape->dim[i];
  return s;
}

static void drop_axis(oq_shape *s, uint32_t axis) {
  s->rank--;
  for (uint32_t i = axis; i < s->rank; i++) s->dim[i] = s->dim[i + 1];
}

/* Elements at .. at+n of the axis; part of the same memory where it can be. */
static oq_status split_take(oq_datum *out, oq_run *r, const split *s,
                            int64_t at, int64_t n, bool keep) {
  const oq_ctensor *const t = &s->from->t;
  const size_t from = (size_t)at * s->inner, bits = (size_t)n * s->inner;
  oq_shape shape = t->shape;
  void *data;

  shape.dim[s->axis] = n;
  if (!keep) drop_axis(&shape, s->axis);
  if (s->outer == 1 && !s->packed) {
    *out = oq_run_share(s->from);
    out->t.shape = shape;
    out->t.size = bits / 8;
    out->t.data = (const uint8_t *)t->data + from / 8;
    return OQ_OK;
  }
  OQ_TRY(oq_run_take(out, &data, r, t->dtype, &shape));
  if (s->packed && out->t.size > 0) memset(data, 0, out->t.size);
  for (size_t o = 0; o < s->outer && bits > 0; o++)
    oq_bits_copy(data, o * bits, t->data, o * (size_t)s->n * s->inner + from,
                 bits);
  return OQ_OK;
}

/* Lengths of the parts: given, or one size for all but the last, which may be
 * the only one. */
static oq_status split_sizes(const int64_t **out, uint32_t *n, oq_run *r,
                             const split *s) {
  const oq_ctensor *const t = r->n_in > 1 ? r->in[1] : NULL;
  const int64_t *given = NULL;
  uint32_t count = 0;
  int64_t size = 1, sum = 0;

  if (t != NULL && oq_ints_read(&given, &count, t, r->scratch) != OQ_OK)
    return oq_run_fail(r, OQ_E_MODEL, "sequence.split",
                       "the lengths of parts are no integers");
  const bool each = t != NULL && t->shape.rank > 0;
  for (uint32_t i = 0; i < count; i++) {
    if (given[i] < 0 || (each && given[i] > s->n))
      return oq_run_fail(r, OQ_E_MODEL, "sequence.split",
                         "a part of %lld does not fit an axis of %lld",
                         (long long)given[i], (long long)s->n);
    if (each) sum += given[i];
  }
  if (each) {
    *out = given;
    *n = count;
    if (sum == s->n) return OQ_OK;
    return oq_run_fail(r, OQ_E_MODEL, "sequence.split",
                       "the parts have %lld together, the axis %lld",
                       (long long)sum, (long long)s->n);
  }
  if (count == 1) size = given[0];
  if (size < 1 || (s->n - 1) / size >= OQ_OPS_MANY)
    return oq_run_fail(r, OQ_E_LIMIT, "sequence.split",
                       "an axis of %lld cannot be split into parts of %lld",
                       (long long)s->n, (long long)size);
  *n = s->n == 0 ? 0 : (uint32_t)((s->n - 1) / size + 1);
  int64_t *const all = OQ_NEW_N(r->scratch, int64_t, *n);
  if (all == NULL) return oq_fail_memory(r->diags);
  for (uint32_t i = 0; i < *n; i++) {
    const int64_t left = s->n - (int64_t)i * size;
    all[i] = left < size ? left : size;
  }
  *out = all;
  return OQ_OK;
}

static oq_status split_run(oq_run *r) {
  const seq_params *const p = r->params;
  const bool keep = p->keepdims != 0 || (r->n_in > 1 && r->data[1] != NULL);
  const oq_ctensor *x;
  const int64_t *size = NULL;
  uint32_t axis, n = 0;
  oq_datum *item;
  split s;
  int64_t at = 0;

  OQ_TRY(tensor_in(&x, r, 0));
  if (!oq_axis_normalize(&axis, p->axis, x->shape.rank))
    return oq_run_fail(r, OQ_E_MODEL, "op.axis",
                       "axis %lld does not fit rank %u", (long long)p->axis,
                       x->shape.rank);
  s = split_view(r->data[0], axis);
  OQ_TRY(split_sizes(&size, &n, r, &s));
  OQ_TRY(room(&item, r, n));
  for (uint32_t i = 0; i < n; i++) {
    OQ_TRY(split_take(&item[i], r, &s, at, size[i], keep));
    at += size[i];
  }
  return give_made(r, 0, x->dtype, item, n);
}

/* The shape of all items side by side along `axis`. */
static oq_status joined_shape(oq_shape *out, uint32_t *axis, const oq_run *r,
                              const oq_datum *s) {
  const seq_params *const p = r->params;
  const bool fresh = p->new_axis != 0;
  const oq_shape *const first = &s->item[0].t.shape;
  const uint32_t rank = first->rank + (fresh ? 1 : 0);
  int64_t sum = 0;

  if (rank > OQ_MAX_RANK || !oq_axis_normalize(axis, p->axis, rank))
    return oq_run_fail(r, OQ_E_MODEL, "op.axis",
                       "axis %lld does not fit rank %u", (long long)p->axis,
                       rank);
  for (uint32_t i = 0; i < s->n_items; i++) {
    oq_shape x = s->item[i].t.shape;
    const bool ranked = x.rank == first->rank;
    const int64_t n = fresh ? 1 : ranked ? x.dim[*axis] : 0;
    if (!fresh && ranked) x.dim[*axis] = first->dim[*axis];
    if (!oq_shape_equal(&x, first) ||
        s->item[i].t.dtype != s->item[0].t.dtype || !oq_add_i64(&sum, sum, n))
      return oq_run_fail(r, OQ_E_MODEL, "sequence.concat",
                         "item %u does not fit the one before", i);
  }
  *out = *first;
  if (fresh) {
    out->rank = rank;
    for (uint32_t i = rank - 1; i > *axis; i--) out->dim[i] = out->dim[i - 1];
  }
  out->dim[*axis] = sum;
  return OQ_OK;
}

static oq_status concat_run(oq_run *r) {
  const oq_datum *s;
  oq_shape shape;
  oq_datum d = {0};
  uint32_t axis;
  void *data;
  size_t at = 0;

  OQ_TRY(sequence_in(&s, r, 0));
  if (s->n_items == 0)
    return oq_run_fail(r, OQ_E_DATA, "sequence.concat",
                       "the sequence is empty");
  OQ_TRY(joined_shape(&shape, &axis, r, s));
  OQ_TRY(oq_run_take(&d, &data, r, s->item[0].t.dtype, &shape));
  const split to = split_view(&d, axis);
  const size_t row = (size_t)to.n * to.inner;
  if (to.packed && d.t.size > 0) memset(data, 0, d.t.size);
  for (uint32_t i = 0; i < s->n_items; i++) {
    const oq_ctensor *const x = &s->item[i].t;
    if (x->size == 0) continue;
    const size_t bits =
        oq_tensor_count(x) * oq_dtype_bits((int32_t)x->dtype) / to.outer;
    for (size_t o = 0; o < to.outer; o++)
      oq_bits_copy(data, o * row + at, x->data, o * bits, bits);
    at += bits;
  }
  oq_run_give(r, 0, &d);
  return OQ_OK;
}

/* ---- optionals ----------------------------------------------------------- */
static oq_status optional_check(const oq_graph *g, const oq_node *n,
                                void *params, oq_diags *d) {
  const oq_where w = oq_node_where(g, (oq_node_id){(uint32_t)(n - g->nodes)});
  const bool given = n->n_in > 0 && oq_value_ok(n->in[0]);

  if (given || ((const seq_params *)params)->type != NULL) return OQ_OK;
  return oq_fail(d, OQ_E_MODEL, "op.attr", &w,
                 "operator 'Optional' has neither an input nor a type");
}

static oq_status optional_run(oq_run *r) {
  oq_datum d = {.kind = OQ_DATUM_NOTHING};

  if (r->n_in > 0 && r->data[0] != NULL) d = oq_run_share(r->data[0]);
  oq_run_give(r, 0, &d);
  return OQ_OK;
}

static oq_status has_run(oq_run *r) {
  const oq_datum *const d = r->n_in > 0 ? r->data[0] : NULL;

  return give_scalar(r, OQ_DT_BOOL, d != NULL && d->kind != OQ_DATUM_NOTHING);
}

static oq_status get_run(oq_run *r) {
  if (r->data[0] == NULL || r->data[0]->kind == OQ_DATUM_NOTHING)
    return oq_run_fail(r, OQ_E_DATA, "optional.nothing",
                       "the optional has no value");
  oq_datum d = oq_run_share(r->data[0]);
  oq_run_give(r, 0, &d);
  return OQ_OK;
}

/* ---- SequenceMap --------------------------------------------------------- */
static oq_status map_check(const oq_graph *g, const oq_node *n, void *params,
                           oq_diags *d) {
  const oq_graph *const body = ((const seq_params *)params)->body;
  const oq_where w = oq_node_where(g, (oq_node_id){(uint32_t)(n - g->nodes)});

  if (body != NULL && body->n_inputs == n->n_in && body->n_outputs >= n->n_out)
    return OQ_OK;
  return oq_fail(d, OQ_E_MODEL, "control.body", &w,
                 "the body does not take and give what the node does");
}

/* All sequences are as long as the first input. */
static oq_status map_length(uint32_t *out, const oq_run *r) {
  const oq_datum *first;

  OQ_TRY(sequence_in(&first, r, 0));
  for (uint32_t i = 1; i < r->n_in; i++) {
    const oq_datum *const d = r->data[i];
    if (d != NULL &&
        (d->kind == OQ_DATUM_TENSOR ||
         (d->kind == OQ_DATUM_SEQUENCE && d->n_items == first->n_items)))
      continue;
    return oq_run_fail(r, OQ_E_DATA, "sequence.map",
                       "input %u is no tensor and no sequence of %u", i,
                       first->n_items);
  }
  *out = first->n_items;
  return OQ_OK;
}

/* Results of turn t: out[k] to made[k * n + t]. */
static oq_status map_turn(oq_run *r, oq_datum *in, oq_datum *out,
                          oq_datum *made, uint32_t n, uint32_t t) {
  const oq_graph *const body = ((const seq_params *)r->params)->body;

  OQ_TRY(oq_run_turn(r));
  for (uint32_t i = 0; i < r->n_in; i++)
    in[i] = r->data[i]->kind == OQ_DATUM_SEQUENCE ? r->data[i]->item[t]
                                                  : *r->data[i];
  OQ_TRY(oq_run_body(r, body, in, r->n_in, out));
  for (uint32_t k = 0; k < body->n_outputs; k++) {
    if (out[k].kind != OQ_DATUM_TENSOR)
      return oq_run_fail(r, OQ_E_MODEL, "sequence.map",
                         "output %u of the body is no tensor", k);
    if (k < r->n_out)
      made[(size_t)k * n + t] = out[k];
    else
      oq_run_drop(r, &out[k]);
  }
  return OQ_OK;
}

static oq_status map_run(oq_run *r) {
  const oq_graph *const body = ((const seq_params *)r->params)->body;
  uint32_t n = 0;
  oq_datum *in, *out, *made;

  OQ_TRY(map_length(&n, r));
  OQ_TRY(room(&in, r, r->n_in));
  OQ_TRY(room(&out, r, body->n_outputs));
  made = oq_arena_alloc(r->scratch, n, r->n_out * sizeof *made,
                        _Alignof(oq_datum));
  if (made == NULL) return oq_fail_memory(r->diags);
  for (uint32_t t = 0; t < n; t++) OQ_TRY(map_turn(r, in, out, made, n, t));
  for (uint32_t k = 0; k < r->n_out; k++) {
    const oq_type *const said = oq_run_body_type(r, body, k);
    oq_dtype t = said != NULL ? said->dtype : OQ_DT_NONE;
    if (n > 0) t = made[(size_t)k * n].t.dtype;
    OQ_TRY(give_made(r, k, t, made + (size_t)k * n, n));
  }
  return OQ_OK;
}

/* ---- rows ---------------------------------------------------------------- */
static const oq_attr_def empty_attrs[] = {
    OQ_A_I64(seq_params, dtype, "dtype", OQ_DT_F32, 1, 0),
};
static const oq_attr_def concat_attrs[] = {
    {.name = "axis",
     .kind = OQ_ATTR_I64,
     .required = true,
     .offset = offsetof(seq_params, axis),
     .min = 1,
     .max = 0},
    OQ_A_I64(seq_params, new_axis, "new_axis", 0, 0, 1),
};
static const oq_attr_def split_attrs[] = {
    OQ_A_AXIS(seq_params, axis, "axis", 0),
    OQ_A_I64(seq_params, keepdims, "keepdims", 1, 0, 1),
};
static const oq_attr_def optional_attrs[] = {
    {.name = "type",
     .kind = OQ_ATTR_TYPE,
     .offset = offsetof(seq_params, type),
     .min = 1,
     .max = 0},
};
static const oq_attr_def map_attrs[] = {
    {.name = "body",
     .kind = OQ_ATTR_GRAPH,
     .required = true,
     .offset = offsetof(seq_params, body),
     .min = 1,
     .max = 0},
};

#define TEXTS (OQ_TEXT_IN | OQ_TEXT_OUT)
#define ROW(op, from, least, most)                                      \
  .domain = "", .name = op, .since = from, .last = 27, .min_in = least, \
  .max_in = most, .min_out = 1, .max_out = 1,                           \
  .flags = OQ_OP_DATA | OQ_OP_GIVES, .texts = TEXTS,                    \
  .params_size = sizeof(seq_params), .infer = infer_unknown,            \
  .quant = {.cls = OQ_Q_NEVER}

#define HAS                                                              \
  .domain = "", .name = "OptionalHasElement", .max_in = 1, .min_out = 1, \
  .max_out = 1, .flags = OQ_OP_DATA | OQ_OP_GIVES, .texts = TEXTS,       \
  .infer = infer_has, .run = has_run, .quant = {.cls = OQ_Q_NEVER}

static const oq_op_def defs[] = {
    {ROW("SequenceConstruct", 11, 1, OQ_OPS_MANY), .run = construct_run},
    {ROW("SequenceEmpty", 11, 0, 0), OQ_ATTRS(empty_attrs), .run = empty_run},
    {ROW("SequenceInsert", 11, 2, 3), .run = insert_run},
    {ROW("SequenceErase", 11, 1, 2), .run = erase_run},
    {ROW("SequenceAt", 11, 2, 2), .run = at_run},
    {.domain = "",
     .name = "SequenceLength",
     .since = 11,
     .last = 27,
     .min_in = 1,
     .max_in = 1,
     .min_out = 1,
     .max_out = 1,
     .flags = OQ_OP_DATA | OQ_OP_GIVES,
     .texts = TEXTS,
     .infer = infer_length,
     .run = length_run,
     .quant = {.cls = OQ_Q_NEVER}},
    {ROW("SplitToSequence", 11, 1, 2), OQ_ATTRS(split_attrs), .run = split_run},
    {ROW("ConcatFromSequence", 11, 1, 1), OQ_ATTRS(concat_attrs),
     .run = concat_run},
    {.domain = "",
     .name = "SequenceMap",
     .since = 17,
     .last = 27,
     .min_in = 1,
     .max_in = OQ_OPS_MANY,
     .min_out = 1,
     .max_out = OQ_OPS_MANY,
     .flags = OQ_OP_DATA | OQ_OP_GIVES,
     .texts = TEXTS,
     .params_size = sizeof(seq_params),
     OQ_ATTRS(map_attrs),
     .check = map_check,
     .infer = infer_unknown,
     .run = map_run,
     .quant = {.cls = OQ_Q_NEVER}},

    {ROW("Optional", 15, 0, 1), OQ_ATTRS(optional_attrs),
     .check = optional_check, .run = optional_run},
    {ROW("OptionalGetElement", 15, 1, 1), .run = get_run},
    {HAS, .since = 15, .last = 17, .min_in = 1},
    {HAS, .since = 18, .last = 27, .min_in = 0},
};

OQ_FAMILY(sequence, defs);

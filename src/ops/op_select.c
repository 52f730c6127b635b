/* What depends on values: TopK, NonZero, OneHot, Compress, Unique. */
#include "kern/k_eltwise.h"
#include "ops/bytes.h"
#include "ops/eltwise.h"
#include "ops/op.h"
#include "ops/pick.h"
#include "ops/rules.h"

/* [outer][n][inner] around an axis. */
typedef struct sides {
  size_t outer, n, inner;
} sides;

static sides sides_of(const oq_shape *s, uint32_t axis) {
  return (sides){oq_dims_product(s, 0, axis), (size_t)s->dim[axis],
                 oq_dims_product(s, axis + 1, s->rank)};
}

/* ---- TopK ---------------------------------------------------------------- */
typedef struct top_params {
  int64_t axis, k, largest, sorted;
} top_params;

static const oq_attr_def top_1_attrs[] = {
    OQ_A_AXIS(top_params, axis, "axis", -1),
    {.name = "k",
     .kind = OQ_ATTR_I64,
     .required = true,
     .offset = offsetof(top_params, k),
     .min = 0,
     .max = (double)INT64_MAX},
};
static const oq_attr_def top_10_attrs[] = {
    OQ_A_AXIS(top_params, axis, "axis", -1),
};
static const oq_attr_def top_11_attrs[] = {
    OQ_A_AXIS(top_params, axis, "axis", -1),
    OQ_A_I64(top_params, largest, "largest", 1, 0, 1),
    OQ_A_I64(top_params, sorted, "sorted", 1, 0, 1),
};

static oq_status top_count(int64_t *k, bool *known, const oq_infer *x) {
  *k = ((const top_params *)x->params)->k;
  *known = true;
  if (x->opset >= 10) OQ_TRY(oq_pick_scalar(k, known, x, 1, 0));
  if (!*known || *k >= 0) return OQ_OK;
  return oq_infer_fail(x, OQ_E_MODEL, "topk.k", "k is %lld, expected 0 or more",
                       (long long)*k);
}

static oq_status top_infer(oq_infer *x) {
  const oq_type *const t = oq_rule_ranked(x, 0);
  uint32_t axis;
  int64_t k;
  bool known;

  OQ_TRY(oq_rule_dtype(x));
  oq_infer_set_dtype(x, 1, OQ_DT_I64);
  OQ_TRY(top_count(&k, &known, x));
  if (t == NULL) return OQ_OK;
  OQ_TRY(
      oq_rule_axis(&axis, x, ((const top_params *)x->params)->axis, t->rank));
  if (known && t->dim[axis].size != OQ_DIM_UNKNOWN && k > t->dim[axis].size)
    return oq_infer_fail(x, OQ_E_MODEL, "topk.k",
                         "k is %lld where axis %u has only %lld elements",
                         (long long)k, axis, (long long)t->dim[axis].size);
  for (uint32_t i = 0; i < x->n_out && i < 2; i++) {
    oq_infer_set_rank(x, i, i == 0 ? t->dtype : OQ_DT_I64, t->rank);
    memcpy(x->out[i].dim, t->dim, sizeof t->dim);
    x->out[i].dim[axis] = (oq_dim){.size = known ? k : OQ_DIM_UNKNOWN};
  }
  return OQ_OK;
}

typedef struct item {
  uint64_t key;
  size_t at;
} item;

/* Of equal keys the first is better, so that the order is total. */
static bool better(const item *a, const item *b) {
  return a->key != b->key ? a->key > b->key : a->at < b->at;
}

/* heap[0] is the worst of n. */
static void sift_down(item *heap, size_t n, size_t i) {
  const item x = heap[i];

  for (size_t c = 2 * i + 1; c < n; c = 2 * i + 1) {
    if (c + 1 < n && better(&heap[c], &heap[c + 1])) c++;
    if (!better(&x, &heap[c])) break;
    heap[i] = heap[c];
    i = c;
  }
  heap[i] = x;
}

/* The k best of keys[0], keys[step], ..., best first. */
static void best_of(item *heap, size_t k, const uint64_t *keys, size_t n,
                    size_t step, uint64_t flip) {
  for (size_t i = 0; i < k; i++) heap[i] = (item){keys[i * step] ^ flip, i};
  for (size_t i = k / 2; i-- > 0;) sift_down(heap, k, i);
  for (size_t i = k; i < n; i++) {
    const item x = {keys[i * step] ^ flip, i};
    if (!better(&x, &heap[0])) continue;
    heap[0] = x;
    sift_down(heap, k, 0);
  }
  for (size_t left = k; left > 1; left--) { /* the worst goes to the end */
    const item worst = heap[0];
    heap[0] = heap[left - 1];
    heap[left - 1] = worst;
    sift_down(heap, left - 1, 0);
  }
}

static oq_status top_run(oq_run *r) {
  const top_params *const p = r->params;
  const uint64_t flip = r->opset >= 11 && p->largest == 0 ? UINT64_MAX : 0;
  const size_t size = oq_bytes_size(r->in[0]->dtype);
  const uint8_t *const x = r->in[0]->data;
  uint8_t *const y = r->out[0].data;
  int64_t *const at = r->n_out > 1 ? r->out[1].data : NULL;
  uint64_t *keys;
  uint32_t axis;

  if (r->out[0].size == 0) return OQ_OK;
  (void)oq_axis_normalize(&axis, p->axis, r->in[0]->shape.rank);
  const sides s = sides_of(&r->in[0]->shape, axis);
  const size_t k = (size_t)r->out[0].shape.dim[axis];
  item *const heap = OQ_NEW_N(r->scratch, item, k);
  if (heap == NULL) return oq_fail_memory(r->diags);
  OQ_TRY(oq_pick_keys(&keys, r, r->in[0]));
  for (size_t g = 0; g < s.outer * s.inner; g++) {
    const size_t from = g / s.inner * s.n * s.inner + g % s.inner;
    const size_t to = g / s.inner * k * s.inner + g % s.inner;
    best_of(heap, k, keys + from, s.n, s.inner, flip);
    for (size_t i = 0; i < k; i++) {
      oq_pick_copy(y + (to + i * s.inner) * size,
                   x + (from + heap[i].at * s.inner) * size, size);
      if (at != NULL) at[to + i * s.inner] = (int64_t)heap[i].at;
    }
  }
  return OQ_OK;
}

/* ---- NonZero ------------------------------------------------------------- */
static oq_status nonzero_infer(oq_infer *x) {
  const oq_type *const t = oq_rule_ranked(x, 0);

  oq_infer_set_rank(x, 0, OQ_DT_I64, 2);
  if (t != NULL && x->n_out > 0)
    x->out[0].dim[0].size = t->rank == 0 ? 1 : (int64_t)t->rank;
  return OQ_OK;
}

/* Keys of complex numbers have no zero: both parts are looked at. */
static oq_status complex_flags(uint8_t *flags, const oq_ctensor *t, size_t n) {
  const oq_ctensor parts = {
      .dtype = t->dtype == OQ_DT_C64 ? OQ_DT_F32 : OQ_DT_F64, .data = t->data};

  for (size_t i = 0; i < n; i++)
    flags[i] = oq_element_f64(&parts, 2 * i) != 0 ||
               oq_element_f64(&parts, 2 * i + 1) != 0;
  return OQ_OK;
}

/* 1 for each element that is not zero. */
static oq_status number_flags(uint8_t *flags, const oq_run *r, size_t n) {
  uint64_t *keys, *zero;
  oq_tensor none;

  if (oq_tensor_make(&none, r->in[0]->dtype, &(oq_shape){.rank = 0},
                     r->scratch) != OQ_OK)
    return oq_fail_memory(r->diags);
  const oq_ctensor c = oq_tensor_const(&none);
  OQ_TRY(oq_pick_keys(&keys, r, r->in[0]));
  OQ_TRY(oq_pick_keys(&zero, r, &c));
  for (size_t i = 0; i < n; i++) flags[i] = keys[i] != zero[0];
  return OQ_OK;
}

static oq_status nonzero_flags(uint8_t **out, size_t *n_set, const oq_run *r) {
  const size_t n = oq_tensor_count(r->in[0]);
  uint8_t *const flags = oq_arena_alloc_raw(r->scratch, n, 1, 1);

  if (flags == NULL) return oq_fail_memory(r->diags);
  OQ_TRY(oq_dtype_in((int32_t)r->in[0]->dtype, OQ_DTM_COMPLEX)
             ? complex_flags(flags, r->in[0], n)
             : number_flags(flags, r, n));
  *n_set = 0;
  for (size_t i = 0; i < n; i++) *n_set += flags[i];
  *out = flags;
  return OQ_OK;
}

static oq_status nonzero_run(oq_run *r) {
  const oq_shape *const s = &r->in[0]->shape;
  const uint32_t rank = s->rank == 0 ? 1 : s->rank;
  int64_t at[OQ_MAX_RANK] = {0};
  size_t n, to = 0;
  uint8_t *flags;

  OQ_TRY(nonzero_flags(&flags, &n, r));
  OQ_TRY(
      oq_run_alloc(r, 0, OQ_DT_I64,
                   &(oq_shape){.rank = 2, .dim = {(int64_t)rank, (int64_t)n}}));
  int64_t *const y = r->out[0].data;
  for (size_t i = 0; to < n; i++) {
    for (uint32_t d = 0; flags[i] && d < rank; d++) y[d * n + to] = at[d];
    to += flags[i];
    for (uint32_t d = s->rank; d-- > 0;) {
      if (++at[d] < s->dim[d]) break;
      at[d] = 0;
    }
  }
  return OQ_OK;
}

/* ---- OneHot -------------------------------------------------------------- */
typedef struct hot_params {
  int64_t axis;
} hot_params;

static const oq_attr_def hot_attrs[] = {
    OQ_A_AXIS(hot_params, axis, "axis", -1),
};

static oq_status hot_infer(oq_infer *x) {
  const oq_type *const t = oq_rule_ranked(x, 0), *const v =
                                                     oq_rule_ranked(x, 2);
  const oq_dtype d = oq_infer_dtype(x, 2);
  uint32_t axis, n = 0;
  int64_t depth;
  bool known;

  OQ_TRY(oq_pick_scalar(&depth, &known, x, 1, 0));
  if (known && depth < 1)
    return oq_infer_fail(x, OQ_E_MODEL, "onehot.depth",
                         "the depth is %lld, expected 1 or more",
                         (long long)depth);
  if (v != NULL && (v->rank != 1 ||
                    (v->dim[0].size != 2 && v->dim[0].size != OQ_DIM_UNKNOWN)))
    return oq_infer_fail(x, OQ_E_MODEL, "onehot.values",
                         "the values are no vector of two");
  if (d != OQ_DT_NONE) oq_infer_set_dtype(x, 0, d);
  if (t == NULL || d == OQ_DT_NONE) return OQ_OK;
  OQ_TRY(oq_rule_rank(x, (uint64_t)t->rank + 1));
  OQ_TRY(oq_rule_axis(&axis, x, ((const hot_params *)x->params)->axis,
                      t->rank + 1));
  oq_infer_set_rank(x, 0, d, t->rank + 1);
  for (uint32_t i = 0; i <= t->rank; i++)
    x->out[0].dim[i] = i == axis
                           ? (oq_dim){.size = known ? depth : OQ_DIM_UNKNOWN}
                           : t->dim[n++];
  return OQ_OK;
}

static oq_status hot_run(oq_run *r) {
  const oq_shape *const s = &r->out[0].shape;
  const size_t size = oq_bytes_size(r->out[0].dtype);
  const oq_ctensor y_const = oq_tensor_const(&r->out[0]);
  const uint8_t *v;
  uint8_t *y;
  uint32_t axis;

  if (r->out[0].size == 0) return OQ_OK;
  (void)oq_axis_normalize(&axis, ((const hot_params *)r->params)->axis,
                          s->rank);
  OQ_TRY(oq_bytes_in(&v, r, r->in[2]));
  OQ_TRY(oq_bytes_out(&y, r, 0));
  oq_fill_elements(y, oq_tensor_count(&y_const), v, size);
  const sides z = sides_of(s, axis);
  for (size_t i = 0; i < z.outer * z.inner; i++) {
    const int64_t k = oq_element_i64(r->in[0], i), n = (int64_t)z.n;
    const int64_t at = k < 0 && r->opset >= 11 ? k + n : k;
    if (at < 0 || at >= n) continue; /* nothing is hot */
    oq_pick_copy(
        y + ((i / z.inner * z.n + (size_t)at) * z.inner + i % z.inner) * size,
        v + size, size);
  }
  oq_bytes_done(r, 0, y);
  return OQ_OK;
}

/* ---- Compress, Unique ---------------------------------------------------- */
typedef struct pick_params {
  int64_t axis, sorted;
  bool has_axis;
} pick_params;

#define OPTIONAL_AXIS                                                 \
  {                                                                   \
    .name = "axis", .kind = OQ_ATTR_I64,                              \
    .offset = offsetof(pick_params, axis),                            \
    .set_offset = offsetof(pick_params, has_axis), .min = 1, .max = 0 \
  }
static const oq_attr_def compress_attrs[] = {OPTIONAL_AXIS};
static const oq_attr_def unique_attrs[] = {
    OPTIONAL_AXIS,
    OQ_A_I64(pick_params, sorted, "sorted", 1, 0, 1),
};

/* Elements along the axis, or of all; -1 if that is not known. */
static oq_status axis_length(int64_t *out, uint32_t *axis, const oq_infer *x,
                             const oq_type *t) {
  const pick_params *const p = x->params;
  oq_shape s;
  size_t n;

  *axis = 0;
  *out = OQ_DIM_UNKNOWN;
  if (t == NULL) return OQ_OK;
  if (p->has_axis) {
    OQ_TRY(oq_rule_axis(axis, x, p->axis, t->rank));
    *out = t->dim[*axis].size;
  } else if (oq_type_shape(&s, t) && oq_shape_count(&n, &s) == OQ_OK &&
             n <= INT64_MAX) {
    *out = (int64_t)n;
  }
  return OQ_OK;
}

static bool is_set(const oq_ctensor *cond, size_t i) {
  return ((const uint8_t *)cond->data)[i] != 0;
}

/* A condition may be shorter than the axis; what it says beyond is ignored. */
static int64_t count_set(const oq_ctensor *cond, int64_t length) {
  const size_t n = oq_tensor_count(cond);
  int64_t set = 0;

  for (size_t i = 0; i < n && (int64_t)i < length; i++) set += is_set(cond, i);
  return set;
}

static oq_status compress_infer(oq_infer *x) {
  const pick_params *const p = x->params;
  const oq_type *const t = oq_rule_ranked(x, 0), *const c =
                                                     oq_rule_ranked(x, 1);
  const oq_dtype ct = oq_infer_dtype(x, 1);
  int64_t length, n = OQ_DIM_UNKNOWN;
  uint32_t axis;

  if ((ct != OQ_DT_NONE && ct != OQ_DT_BOOL) || (c != NULL && c->rank != 1))
    return oq_infer_fail(x, OQ_E_MODEL, "compress.condition",
                         "the condition is no vector of booleans");
  OQ_TRY(oq_rule_dtype(x));
  OQ_TRY(axis_length(&length, &axis, x, t));
  if (x->konst[1] != NULL && length != OQ_DIM_UNKNOWN)
    n = count_set(x->konst[1], length);
  const oq_dtype d = oq_infer_dtype(x, 0);
  if (d == OQ_DT_NONE || (p->has_axis && t == NULL)) return OQ_OK;
  oq_infer_set_rank(x, 0, d, p->has_axis ? t->rank : 1);
  if (p->has_axis) memcpy(x->out[0].dim, t->dim, sizeof t->dim);
  x->out[0].dim[axis] = (oq_dim){.size = n};
  return OQ_OK;
}

static oq_status compress_run(oq_run *r) {
  const pick_params *const p = r->params;
  const oq_shape *const s = &r->in[0]->shape;
  const oq_shape flat = {.rank = 1,
                         .dim = {(int64_t)oq_tensor_count(r->in[0])}};
  const oq_shape *const seen = p->has_axis ? s : &flat;
  oq_mapping m = {.rank = seen->rank};
  uint32_t axis = 0;

  if (r->out[0].size == 0) return OQ_OK;
  if (p->has_axis) (void)oq_axis_normalize(&axis, p->axis, s->rank);
  for (uint32_t i = 0; i < seen->rank; i++)
    m.axis[i] = oq_map_all((size_t)seen->dim[i]);
  const size_t n = (size_t)r->out[0].shape.dim[axis];
  int64_t *const at = OQ_NEW_N(r->scratch, int64_t, n);
  if (at == NULL) return oq_fail_memory(r->diags);
  for (size_t i = 0, to = 0; to < n; i++)
    if (is_set(r->in[1], i)) at[to++] = (int64_t)i;
  m.axis[axis].out = n;
  m.axis[axis].at = at;
  return oq_bytes_map(r, &m);
}

static oq_status unique_infer(oq_infer *x) {
  const pick_params *const p = x->params;
  const oq_type *const t = oq_rule_ranked(x, 0);
  const oq_dtype d = oq_infer_dtype(x, 0);
  int64_t length;
  uint32_t axis;

  OQ_TRY(axis_length(&length, &axis, x, t));
  for (uint32_t i = 1; i < x->n_out; i++) oq_infer_set_rank(x, i, OQ_DT_I64, 1);
  if (x->n_out > 2) x->out[2].dim[0].size = length;
  if (d == OQ_DT_NONE) return OQ_OK;
  oq_infer_set_dtype(x, 0, d);
  if (p->has_axis && t == NULL) return OQ_OK;
  oq_infer_set_rank(x, 0, d, p->has_axis ? t->rank : 1);
  if (p->has_axis) memcpy(x->out[0].dim, t->dim, sizeof t->dim);
  x->out[0].dim[axis] = (oq_dim){.size = OQ_DIM_UNKNOWN};
  return OQ_OK;
}

/* Items are the slices along the axis: of `width` keys each. */
typedef struct items {
  sides s;
  const uint64_t *keys;
} items;

static int compare_items(const items *x, size_t a, size_t b) {
  for (size_t o = 0; o < x->s.outer; o++)
    for (size_t i = 0; i < x->s.inner; i++) {
      const uint64_t *const row = x->keys + o * x->s.n * x->s.inner + i;
      const uint64_t u = row[a * x->s.inner], v = row[b * x->s.inner];
      if (u != v) return u < v ? -1 : 1;
    }
  return 0;
}

/* Bottom-up merging: stable, so that equal items stay in their order. */
static void sort_items(size_t *at, size_t *room, const items *x) {
  const size_t n = x->s.n;
  size_t *from = at, *to = room;

  for (size_t width = 1; width < n; width *= 2) {
    for (size_t lo = 0; lo < n; lo += 2 * width) {
      const size_t mid = n - lo < width ? n : lo + width;
      const size_t hi = n - mid < width ? n : mid + width;
      size_t a = lo, b = mid;
      for (size_t k = lo; k < hi; k++)
        to[k] = a < mid && (b >= hi || compare_items(x, from[a], from[b]) <= 0)
                    ? from[a++]
                    : from[b++];
    }
    size_t *const swap = from;
    from = to;
    to = swap;
  }
  if (from != at) memcpy(at, from, n * sizeof *at);
}

/* The distinct items: first occurrence, how many there are, and of each item
 * which one it is. */
typedef struct groups {
  size_t n;
  size_t *first, *of;
  int64_t *count;
} groups;

static void group_items(groups *g, const size_t *order, const items *x) {
  for (size_t i = 0; i < x->s.n; i++) {
    if (i == 0 || compare_items(x, order[i - 1], order[i]) != 0) {
      g->first[g->n] = order[i]; /* the sort is stable: the first one */
      g->count[g->n++] = 0;
    }
    g->of[order[i]] = g->n - 1;
    g->count[g->n - 1]++;
  }
}

/* Renumbers groups in the order in which they first occur. */
static void order_by_first(groups *g, size_t n_items, size_t *rank,
                           const groups *sorted) {
  g->n = 0;
  for (size_t i = 0; i < n_items; i++) {
    const size_t k = sorted->of[i];
    if (sorted->first[k] != i) continue;
    rank[k] = g->n;
    g->first[g->n] = i;
    g->count[g->n++] = sorted->count[k];
  }
  for (size_t i = 0; i < n_items; i++) g->of[i] = rank[sorted->of[i]];
}

static bool make_groups(groups *g, size_t n, oq_arena *a) {
  *g = (groups){.first = OQ_NEW_N(a, size_t, n),
                .of = OQ_NEW_N(a, size_t, n),
                .count = OQ_NEW_N(a, int64_t, n)};
  return g->first != NULL && g->of != NULL && g->count != NULL;
}

static oq_status find_groups(groups *g, const oq_run *r, const items *x) {
  const bool by_value = ((const pick_params *)r->params)->sorted != 0;
  const size_t n = x->s.n;
  size_t *const order = OQ_NEW_N(r->scratch, size_t, n);
  size_t *const room = OQ_NEW_N(r->scratch, size_t, n);
  groups sorted;

  if (order == NULL || room == NULL || !make_groups(&sorted, n, r->scratch) ||
      !make_groups(g, n, r->scratch))
    return oq_fail_memory(r->diags);
  for (size_t i = 0; i < n; i++) order[i] = i;
  sort_items(order, room, x);
  group_items(&sorted, order, x);
  if (by_value)
    *g = sorted;
  else
    order_by_first(g, n, room, &sorted);
  return OQ_OK;
}

/* Output 0: the first item of each group. */
static oq_status put_unique(oq_run *r, const groups *g, uint32_t axis,
                            const oq_shape *shape) {
  const bool has_axis = ((const pick_params *)r->params)->has_axis;
  const size_t size = oq_bytes_size(r->in[0]->dtype);
  oq_shape out = *shape;

  out.dim[axis] = (int64_t)g->n;
  OQ_TRY(oq_run_alloc(r, 0, r->in[0]->dtype, &out));
  if (r->out[0].size == 0) return OQ_OK;
  const sides s = has_axis ? sides_of(shape, axis)
                           : (sides){1, oq_tensor_count(r->in[0]), 1};
  const uint8_t *const x = r->in[0]->data;
  uint8_t *const y = r->out[0].data;
  for (size_t o = 0; o < s.outer; o++)
    for (size_t i = 0; i < g->n; i++)
      memcpy(y + (o * g->n + i) * s.inner * size,
             x + (o * s.n + g->first[i]) * s.inner * size, s.inner * size);
  return OQ_OK;
}

static oq_status alloc_list(int64_t **out, oq_run *r, uint32_t i, size_t n) {
  *out = NULL;
  if (i >= r->n_out || !r->wanted[i]) return OQ_OK;
  if (r->out[i].data == NULL)
    OQ_TRY(oq_run_alloc(r, i, OQ_DT_I64,
                        &(oq_shape){.rank = 1, .dim = {(int64_t)n}}));
  *out = r->out[i].data;
  return OQ_OK;
}

static oq_status unique_run(oq_run *r) {
  const pick_params *const p = r->params;
  const oq_shape flat = {.rank = 1,
                         .dim = {(int64_t)oq_tensor_count(r->in[0])}};
  const oq_shape *const shape = p->has_axis ? &r->in[0]->shape : &flat;
  int64_t *first, *inverse, *count;
  uint64_t *keys;
  uint32_t axis = 0;
  groups g;

  if (p->has_axis) (void)oq_axis_normalize(&axis, p->axis, shape->rank);
  items x = {.s = sides_of(shape, axis)};
  if (oq_tensor_count(r->in[0]) == 0 && x.s.n > 0 && p->has_axis)
    x.s.outer = x.s.inner = 0; /* all items are equal: empty */
  OQ_TRY(oq_pick_keys(&keys, r, r->in[0]));
  x.keys = keys;
  OQ_TRY(find_groups(&g, r, &x));
  OQ_TRY(put_unique(r, &g, axis, shape));
  OQ_TRY(alloc_list(&first, r, 1, g.n));
  OQ_TRY(alloc_list(&inverse, r, 2, x.s.n));
  OQ_TRY(alloc_list(&count, r, 3, g.n));
  for (size_t i = 0; first != NULL && i < g.n; i++)
    first[i] = (int64_t)g.first[i];
  for (size_t i = 0; inverse != NULL && i < x.s.n; i++)
    inverse[i] = (int64_t)g.of[i];
  for (size_t i = 0; count != NULL && i < g.n; i++) count[i] = g.count[i];
  return OQ_OK;
}

/* ---- table --------------------------------------------------------------- */
#define TOP(from, to, in, types, table)                                    \
  {                                                                        \
    .domain = "", .name = "TopK", .since = (from), .last = (to),           \
    .min_in = (in), .max_in = (in), .min_out = 2, .max_out = 2,            \
    .dtypes = (types), .params_size = sizeof(top_params), OQ_ATTRS(table), \
    .infer = top_infer, .run = top_run, .quant = {                         \
      .cls = OQ_Q_MOVE,                                                    \
      .role = {OQ_ROLE_DATA, OQ_ROLE_INDEX}                                \
    }                                                                      \
  }
#define ROW(op, from, in, types)                                           \
  .domain = "", .name = (op), .since = (from), .last = 27, .min_in = (in), \
  .max_in = (in), .min_out = 1, .dtypes = (types)

static const oq_op_def defs[] = {
    TOP(1, 9, 1, OQ_DTM_FLOAT, top_1_attrs),
    TOP(10, 10, 2, OQ_DTM_FLOAT, top_10_attrs),
    TOP(11, 27, 2, OQ_DTM_NUMERIC, top_11_attrs),
    {ROW("NonZero", 9, 1, OQ_ELTWISE_TYPES | OQ_DTM_COMPLEX), .max_out = 1,
     .flags = OQ_OP_LATE, .infer = nonzero_infer, .run = nonzero_run,
     .quant = {.cls = OQ_Q_NEVER}},
    {ROW("OneHot", 9, 3, OQ_DTM_NUMERIC), .texts = OQ_TEXT(2) | OQ_TEXT_OUT,
     .max_out = 1, .params_size = sizeof(hot_params), OQ_ATTRS(hot_attrs),
     .infer = hot_infer, .run = hot_run,
     .quant = {.cls = OQ_Q_NEVER, .role = {OQ_ROLE_INDEX}}},
    {ROW("Compress", 9, 2, OQ_DTM_MOVABLE), .texts = OQ_TEXT_MOVE, .max_out = 1,
     .params_size = sizeof(pick_params), OQ_ATTRS(compress_attrs),
     .infer = compress_infer, .run = compress_run,
     .quant = {.cls = OQ_Q_MOVE, .role = {OQ_ROLE_DATA, OQ_ROLE_INDEX}}},
    {ROW("Unique", 11, 1, OQ_ELTWISE_TYPES | OQ_DTM_COMPLEX),
     .texts = OQ_TEXT_MOVE, .max_out = 4, .flags = OQ_OP_LATE,
     .params_size = sizeof(pick_params), OQ_ATTRS(unique_attrs),
     .infer = unique_infer, .run = unique_run,
     .quant = {.cls = OQ_Q_NEVER, .role = {OQ_ROLE_DATA}}},
};

OQ_FAMILY(select, defs);

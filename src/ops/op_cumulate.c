/* Sequences and matrices: Range, CumSum, CumProd, ReverseSequence, Trilu,
 * EyeLike, Det. */
#include <math.h>

#include "kern/k_eltwise.h"
#include "ops/bytes.h"
#include "ops/eltwise.h"
#include "ops/op.h"
#include "ops/pick.h"
#include "ops/rules.h"
#include "ops/widen.h"

/* ---- Range --------------------------------------------------------------- */
typedef struct range_params {
  int64_t stash_type;
} range_params;

static const oq_attr_def range_attrs[] = {
    OQ_A_I64(range_params, stash_type, "stash_type", 1, INT32_MIN, INT32_MAX),
};

#define RANGE_TYPES (OQ_DTM_FLOAT | OQ_DTM(I16) | OQ_DTM(I32) | OQ_DTM(I64))

/* Steps from start to limit; false if there is no such number. */
static bool count_ints(uint64_t *n, int64_t start, int64_t limit,
                       int64_t delta) {
  const bool up = delta > 0;
  const uint64_t by = up ? (uint64_t)delta : UINT64_C(0) - (uint64_t)delta;
  const uint64_t way = up ? (uint64_t)limit - (uint64_t)start
                          : (uint64_t)start - (uint64_t)limit;

  if (delta == 0) return false;
  *n = (up ? limit <= start : limit >= start) ? 0 : way / by + (way % by != 0);
  return true;
}

/* The distance is rounded to the type, as a difference of it would be. */
static bool count_floats(uint64_t *n, double start, double limit, double delta,
                         bool wide) {
  const double way = wide ? limit - start : (double)(float)(limit - start);
  const double steps = ceil(way / delta);

  if (!(fabs(steps) < 0x1p62)) return false; /* NaN, infinity, or too many */
  *n = steps > 0 ? (uint64_t)steps : 0;
  return true;
}

static oq_status range_count(uint64_t *n, const oq_infer *x, oq_dtype t) {
  const oq_ctensor *const *const k = x->konst;
  bool ok;

  if (oq_dtype_is_float((int32_t)t))
    ok = count_floats(n, oq_element_f64(k[0], 0), oq_element_f64(k[1], 0),
                      oq_element_f64(k[2], 0), t == OQ_DT_F64);
  else
    ok = count_ints(n, oq_element_i64(k[0], 0), oq_element_i64(k[1], 0),
                    oq_element_i64(k[2], 0));
  if (!ok)
    return oq_infer_fail(x, OQ_E_MODEL, "range.steps",
                         "the step is 0, or leads from the start to the limit "
                         "in no number of steps");
  if (*n <= INT64_MAX) return OQ_OK;
  return oq_infer_fail(x, OQ_E_LIMIT, "range.steps",
                       "the range has %llu elements", (unsigned long long)*n);
}

static oq_status range_infer(oq_infer *x) {
  const oq_dtype t = oq_infer_dtype(x, 0);
  bool all = true, known;
  uint64_t n;
  double v;

  OQ_TRY(oq_infer_same_dtypes(x, 0, 3));
  for (uint32_t i = 0; i < 3; i++) {
    OQ_TRY(oq_pick_scalar_f64(&v, &known, x, i, 0));
    all = all && known;
  }
  if (t == OQ_DT_NONE) return OQ_OK;
  oq_infer_set_rank(x, 0, t, 1);
  if (!all || !oq_dtype_in((int32_t)t, RANGE_TYPES) || x->n_out == 0)
    return OQ_OK;
  OQ_TRY(range_count(&n, x, t));
  x->out[0].dim[0].size = (int64_t)n;
  return OQ_OK;
}

static oq_status range_run(oq_run *r) {
  const size_t n = (size_t)r->out[0].shape.dim[0];

  if (oq_dtype_is_float((int32_t)r->in[0]->dtype)) {
    const double start = oq_element_f64(r->in[0], 0);
    const double delta = oq_element_f64(r->in[2], 0);
    for (size_t i = 0; i < n; i++)
      oq_element_set_f64(&r->out[0], i, start + (double)i * delta);
    return OQ_OK;
  }
  uint64_t v = (uint64_t)oq_element_i64(r->in[0], 0);
  const uint64_t delta = (uint64_t)oq_element_i64(r->in[2], 0);
  for (size_t i = 0; i < n; i++, v += delta) /* the last step may wrap */
    oq_element_set_i64(&r->out[0], i, (int64_t)v);
  return OQ_OK;
}

/* ---- CumSum, CumProd ----------------------------------------------------- */
typedef struct cum_params {
  int64_t exclusive, reverse;
} cum_params;

static const oq_attr_def cum_attrs[] = {
    OQ_A_I64(cum_params, exclusive, "exclusive", 0, 0, 1),
    OQ_A_I64(cum_params, reverse, "reverse", 0, 0, 1),
};

#define CUM_TYPES \
  (OQ_DTM_FLOAT | OQ_DTM(I32) | OQ_DTM(I64) | OQ_DTM(U32) | OQ_DTM(U64))

static oq_status cum_infer(oq_infer *x) {
  const oq_type *const t = oq_rule_ranked(x, 0);
  uint32_t at;
  int64_t axis;
  bool known;

  OQ_TRY(oq_rule_indices(x, 1));
  OQ_TRY(oq_pick_scalar(&axis, &known, x, 1, 0));
  if (t != NULL && known) OQ_TRY(oq_rule_axis(&at, x, axis, t->rank));
  return oq_infer_same(x);
}

typedef struct cumulation {
  size_t n, inner;
  bool prod, exclusive, reverse;
} cumulation;

/* x[n][inner] in place, side by side; A accumulates. */
#define CUMULATE(T, A, sfx)                                               \
  static void cumulate_##sfx(T *x, A *acc, const cumulation *c) {         \
    for (size_t j = 0; j < c->inner; j++) acc[j] = c->prod ? (A)1 : (A)0; \
    for (size_t k = 0; k < c->n; k++) {                                   \
      T *const row = x + (c->reverse ? c->n - 1 - k : k) * c->inner;      \
      for (size_t j = 0; j < c->inner; j++) {                             \
        const A before = acc[j];                                          \
        acc[j] = c->prod ? before * (A)row[j] : before + (A)row[j];       \
        row[j] = (T)(c->exclusive ? before : acc[j]);                     \
      }                                                                   \
    }                                                                     \
  }
CUMULATE(float, double, f32)
CUMULATE(double, double, f64)
CUMULATE(uint64_t, uint64_t, u64) /* wraps; serves signed numbers too */

static void cumulate(void *x, void *acc, oq_num_class cls,
                     const cumulation *c) {
  if (cls == OQ_NUM_F32)
    cumulate_f32(x, acc, c);
  else if (cls == OQ_NUM_F64)
    cumulate_f64(x, acc, c);
  else
    cumulate_u64(x, acc, c);
}

static oq_status cum_run(oq_run *r, bool prod) {
  const cum_params *const p = r->params;
  const oq_shape *const s = &r->in[0]->shape;
  const int32_t dtype = (int32_t)r->in[0]->dtype;
  cumulation c = {
      .prod = prod, .exclusive = p->exclusive != 0, .reverse = p->reverse != 0};
  uint32_t axis;

  if (!oq_axis_normalize(&axis, oq_pick_run_scalar(r, 1, 0), s->rank))
    return OQ_E_INTERNAL;
  if (r->out[0].size == 0) return OQ_OK;
  c.n = (size_t)s->dim[axis];
  c.inner = oq_dims_product(s, axis + 1, s->rank);
  const size_t outer = oq_dims_product(s, 0, axis), slab = c.n * c.inner;
  void *const wide = oq_arena_alloc_raw(r->scratch, slab, 8, OQ_ALIGN);
  void *const acc = oq_arena_alloc_raw(r->scratch, c.inner, 8, OQ_ALIGN);
  if (wide == NULL || acc == NULL) return oq_fail_memory(r->diags);
  for (size_t i = 0; i < outer; i++) {
    oq_k_load(wide, r->in[0]->data, i * slab, slab, dtype);
    cumulate(wide, acc, oq_k_class(dtype), &c);
    oq_k_store(r->out[0].data, i * slab, wide, slab, dtype);
  }
  return OQ_OK;
}

static oq_status sum_run(oq_run *r) { return cum_run(r, false); }
static oq_status prod_run(oq_run *r) { return cum_run(r, true); }

/* ---- ReverseSequence ----------------------------------------------------- */
typedef struct reverse_params {
  int64_t batch_axis, time_axis;
} reverse_params;

static const oq_attr_def reverse_attrs[] = {
    OQ_A_I64(reverse_params, batch_axis, "batch_axis", 1, 0, 1),
    OQ_A_I64(reverse_params, time_axis, "time_axis", 0, 0, 1),
};

static oq_status reverse_infer(oq_infer *x) {
  const reverse_params *const p = x->params;
  const oq_type *const t = oq_rule_ranked(x, 0), *const n =
                                                     oq_rule_ranked(x, 1);

  OQ_TRY(oq_rule_indices(x, 1));
  if (p->batch_axis == p->time_axis)
    return oq_infer_fail(x, OQ_E_MODEL, "op.axis",
                         "'batch_axis' and 'time_axis' are both %lld",
                         (long long)p->time_axis);
  if ((t != NULL && t->rank < 2) || (n != NULL && n->rank != 1))
    return oq_infer_fail(x, OQ_E_MODEL, "op.rank",
                         "expected an input of rank 2 or more and a vector of "
                         "lengths");
  if (t != NULL && n != NULL)
    OQ_TRY(oq_pick_same_dim(x, t->dim[p->batch_axis], n->dim[0],
                            "batch and lengths"));
  return oq_infer_same(x);
}

static oq_status reverse_run(oq_run *r) {
  const reverse_params *const p = r->params;
  const oq_shape *const s = &r->in[0]->shape;
  const size_t batch = (size_t)s->dim[p->batch_axis];
  const size_t steps = (size_t)s->dim[p->time_axis];
  const uint8_t *x;
  uint8_t *y;

  if (r->out[0].size == 0) return OQ_OK;
  const size_t inner =
      oq_dims_product(s, 2, s->rank) * oq_bytes_size(r->in[0]->dtype);
  const size_t per_batch = p->batch_axis == 0 ? steps : 1;
  const size_t per_step = p->batch_axis == 0 ? 1 : batch;
  OQ_TRY(oq_bytes_in(&x, r, r->in[0]));
  OQ_TRY(oq_bytes_out(&y, r, 0));
  for (size_t b = 0; b < batch; b++) {
    const int64_t n = oq_element_i64(r->in[1], b);
    if (n < 0 || (size_t)n > steps)
      return oq_run_fail(r, OQ_E_DATA, "op.index",
                         "a length is %lld, expected 0 to %zu", (long long)n,
                         steps);
    for (size_t k = 0; k < steps; k++) {
      const size_t from = k < (size_t)n ? (size_t)n - 1 - k : k;
      memcpy(y + (b * per_batch + k * per_step) * inner,
             x + (b * per_batch + from * per_step) * inner, inner);
    }
  }
  oq_bytes_done(r, 0, y);
  return OQ_OK;
}

/* ---- Trilu --------------------------------------------------------------- */
typedef struct trilu_params {
  int64_t upper;
} trilu_params;

static const oq_attr_def trilu_attrs[] = {
    OQ_A_I64(trilu_params, upper, "upper", 1, 0, 1),
};

static oq_status matrix_rank(const oq_infer *x) {
  const oq_type *const t = oq_rule_ranked(x, 0);

  if (t == NULL || t->rank >= 2) return OQ_OK;
  return oq_infer_fail(x, OQ_E_MODEL, "op.rank",
                       "the input has rank %u, expected 2 or more", t->rank);
}

static oq_status trilu_infer(oq_infer *x) {
  int64_t k;
  bool known;

  OQ_TRY(matrix_rank(x));
  OQ_TRY(oq_pick_scalar(&k, &known, x, 1, 0));
  return oq_infer_same(x);
}

/* The first column right of diagonal k in row i, kept within 0 .. n. */
static size_t past_diagonal(size_t i, int64_t k, size_t n) {
  int64_t at;

  if (!oq_add_i64(&at, (int64_t)i + 1, k)) at = INT64_MAX;
  if (at < 0) return 0;
  return (uint64_t)at > n ? n : (size_t)at;
}

/* The diagonal itself belongs to both triangles. */
static oq_status trilu_run(oq_run *r) {
  const bool upper = ((const trilu_params *)r->params)->upper != 0;
  const int64_t k = oq_pick_run_scalar(r, 1, 0);
  const oq_shape *const s = &r->in[0]->shape;
  const size_t size = oq_bytes_size(r->in[0]->dtype);
  const uint8_t *const x = r->in[0]->data;
  uint8_t *const y = r->out[0].data;

  if (r->out[0].size == 0) return OQ_OK;
  const size_t rows = (size_t)s->dim[s->rank - 2];
  const size_t cols = (size_t)s->dim[s->rank - 1];
  const size_t n = oq_dims_product(s, 0, s->rank - 1);
  for (size_t i = 0; i < n; i++) {
    const int64_t up = k == INT64_MIN ? k : k - 1;
    const size_t lo = upper ? past_diagonal(i % rows, up, cols) : 0;
    const size_t hi = upper ? cols : past_diagonal(i % rows, k, cols);
    memset(y + i * cols * size, 0, cols * size);
    memcpy(y + (i * cols + lo) * size, x + (i * cols + lo) * size,
           (hi - lo) * size);
  }
  return OQ_OK;
}

/* ---- EyeLike ------------------------------------------------------------- */
typedef struct eye_params {
  int64_t dtype, k;
} eye_params;

static const oq_attr_def eye_attrs[] = {
    OQ_A_I64(eye_params, dtype, "dtype", 0, 0, 26),
    OQ_A_I64(eye_params, k, "k", 0, INT64_MIN, INT64_MAX),
};

static oq_status eye_infer(oq_infer *x) {
  const eye_params *const p = x->params;
  const oq_type *const t = oq_infer_in(x, 0);
  const oq_dtype d = p->dtype != 0 ? (oq_dtype)p->dtype : oq_infer_dtype(x, 0);

  if (d != OQ_DT_NONE && !oq_dtype_in((int32_t)d, OQ_ELTWISE_TYPES))
    return oq_infer_fail(x, OQ_E_UNSUPPORTED, "op.dtype",
                         "there is no identity of %s",
                         oq_dtype_text((int32_t)d));
  if (t != NULL && t->has_rank && t->rank != 2)
    return oq_infer_fail(x, OQ_E_MODEL, "op.rank",
                         "the input has rank %u, expected 2", t->rank);
  if (d == OQ_DT_NONE) return OQ_OK;
  oq_infer_set_rank(x, 0, d, 2);
  if (t != NULL && t->has_rank && x->n_out > 0)
    memcpy(x->out[0].dim, t->dim, sizeof t->dim);
  return OQ_OK;
}

static oq_status eye_run(oq_run *r) {
  const int64_t k = ((const eye_params *)r->params)->k;
  const oq_shape *const s = &r->out[0].shape;

  memset(r->out[0].data, 0, r->out[0].size);
  for (int64_t i = 0; i < s->dim[0]; i++) {
    int64_t at;
    if (oq_add_i64(&at, i, k) && at >= 0 && at < s->dim[1])
      oq_element_set_i64(&r->out[0], (size_t)(i * s->dim[1] + at), 1);
  }
  return OQ_OK;
}

/* ---- Det ----------------------------------------------------------------- */
static oq_status det_infer(oq_infer *x) {
  const oq_type *const t = oq_rule_ranked(x, 0);

  OQ_TRY(oq_rule_dtype(x));
  OQ_TRY(matrix_rank(x));
  if (t == NULL) return OQ_OK;
  OQ_TRY(oq_pick_same_dim(x, t->dim[t->rank - 2], t->dim[t->rank - 1],
                          "sides of the matrix"));
  oq_infer_set_rank(x, 0, t->dtype, t->rank - 2);
  for (uint32_t i = 0; i + 2 < t->rank; i++) x->out[0].dim[i] = t->dim[i];
  return OQ_OK;
}

static void swap_rows(double *a, size_t n, size_t i, size_t j) {
  for (size_t k = 0; k < n; k++) {
    const double v = a[i * n + k];
    a[i * n + k] = a[j * n + k];
    a[j * n + k] = v;
  }
}

/* Gaussian elimination with the largest pivots; `a` is used up. */
static double determinant(double *a, size_t n) {
  double det = 1.0;

  for (size_t c = 0; c < n; c++) {
    size_t top = c;
    for (size_t i = c + 1; i < n; i++)
      if (fabs(a[i * n + c]) > fabs(a[top * n + c])) top = i;
    if (a[top * n + c] == 0.0) return 0.0;
    if (top != c) {
      swap_rows(a, n, top, c);
      det = -det;
    }
    det *= a[c * n + c];
    for (size_t i = c + 1; i < n; i++) {
      const double f = a[i * n + c] / a[c * n + c];
      for (size_t k = c; k < n; k++) a[i * n + k] -= f * a[c * n + k];
    }
  }
  return det;
}

static oq_status det_run(oq_run *r) {
  const oq_shape *const s = &r->in[0]->shape;
  const size_t n = (size_t)s->dim[s->rank - 1];
  const double *x;
  double *y;

  OQ_TRY(oq_widen_in_f64(&x, r, r->in[0]));
  OQ_TRY(oq_widen_out_f64(&y, r, 0));
  double *const a = oq_arena_alloc_raw(r->scratch, n * n, sizeof *a, OQ_ALIGN);
  if (a == NULL) return oq_fail_memory(r->diags);
  const size_t count = oq_dims_product(s, 0, s->rank - 2);
  for (size_t i = 0; i < count; i++) {
    memcpy(a, x + i * n * n, n * n * sizeof *a);
    y[i] = determinant(a, n);
  }
  oq_widen_done_f64(r, 0, y);
  return OQ_OK;
}

/* ---- table --------------------------------------------------------------- */
#define ROW(op, from, to, least, most, types)                      \
  .domain = "", .name = (op), .since = (from), .last = (to),       \
  .min_in = (least), .max_in = (most), .min_out = 1, .max_out = 1, \
  .dtypes = (types)
#define CUM(op, from, f)                                      \
  ROW(op, from, 27, 2, 2, CUM_TYPES),                         \
      .params_size = sizeof(cum_params), OQ_ATTRS(cum_attrs), \
      .infer = cum_infer, .run = (f),                         \
      .quant = {.cls = OQ_Q_MAP, .role = {OQ_ROLE_DATA, OQ_ROLE_INDEX}}
#define RANGE(from, to)                       \
  ROW("Range", from, to, 3, 3, RANGE_TYPES),  \
      .infer = range_infer, .run = range_run, \
      .quant = {.cls = OQ_Q_NEVER, .role = {OQ_ROLE_INDEX}}

static const oq_op_def defs[] = {
    {RANGE(11, 26)},
    {RANGE(27, 27), .params_size = sizeof(range_params), OQ_ATTRS(range_attrs)},
    {CUM("CumSum", 11, sum_run)},
    {CUM("CumProd", 26, prod_run)},
    {ROW("ReverseSequence", 10, 27, 2, 2, OQ_DTM_MOVABLE),
     .texts = OQ_TEXT_MOVE, .params_size = sizeof(reverse_params),
     OQ_ATTRS(reverse_attrs), .infer = reverse_infer, .run = reverse_run,
     .quant = {.cls = OQ_Q_MOVE, .role = {OQ_ROLE_DATA, OQ_ROLE_INDEX}}},
    {ROW("Trilu", 14, 27, 1, 2, OQ_ELTWISE_TYPES | OQ_DTM(C64) | OQ_DTM(C128)),
     .texts = OQ_TEXT_MOVE, .params_size = sizeof(trilu_params),
     OQ_ATTRS(trilu_attrs), .infer = trilu_infer, .run = trilu_run,
     .quant = {.cls = OQ_Q_MOVE, .role = {OQ_ROLE_DATA, OQ_ROLE_INDEX}}},
    {ROW("EyeLike", 9, 27, 1, 1, 0), .flags = OQ_OP_META,
     .params_size = sizeof(eye_params), OQ_ATTRS(eye_attrs), .infer = eye_infer,
     .run = eye_run, .quant = {.cls = OQ_Q_NEVER, .role = {OQ_ROLE_INDEX}}},
    {ROW("Det", 11, 27, 1, 1, OQ_DTM_FLOAT), .infer = det_infer, .run = det_run,
     .quant = {.cls = OQ_Q_MAP, .role = {OQ_ROLE_DATA}}},
};

OQ_FAMILY(cumulate, defs);

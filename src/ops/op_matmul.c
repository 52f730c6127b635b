/* Gemm and MatMul. */
#include <math.h>
#include <string.h>

#include "kern/k_gemm.h"
#include "kern/k_last.h"
#include "ops/matmul.h"
#include "ops/op.h"
#include "ops/widen.h"

#define GEMM_TYPES \
  (OQ_DTM_FLOAT | OQ_DTM(U32) | OQ_DTM(U64) | OQ_DTM(I32) | OQ_DTM(I64))

/* ---- constant second matrices -------------------------------------------- */
static oq_status pack_matrix(const void **packed, const oq_pack *p,
                             bool transposed) {
  const oq_ctensor *const b = p->n_in > 1 ? p->konst[1] : NULL;

  if (b == NULL || b->dtype != OQ_DT_F32 || b->shape.rank != 2 || b->size == 0)
    return OQ_OK;
  const size_t k = (size_t)b->shape.dim[transposed ? 1 : 0];
  const size_t n = (size_t)b->shape.dim[transposed ? 0 : 1];
  const size_t size = oq_last_pack_size(1, k, n, 1);
  float *const to =
      size == 0 ? NULL
                : oq_arena_alloc_raw(p->arena, size, sizeof *to, OQ_ALIGN);

  if (to == NULL) return oq_fail_memory(p->diags);
  oq_last_pack_matrix(to, b->data, k, n, transposed);
  *packed = to;
  return OQ_OK;
}

static oq_status run_packed(oq_run *r, size_t m, size_t k, size_t n,
                            const float *bias) {
  void *const scratch = oq_arena_alloc_raw(
      r->scratch, oq_last_matmul_scratch(m, k, n), 1, OQ_ALIGN);

  if (scratch == NULL) return oq_fail_memory(r->diags);
  oq_last_matmul_f32(m, k, n, r->out[0].data, r->in[0]->data, r->packed, bias,
                     scratch);
  return OQ_OK;
}

/* ---- Gemm ---------------------------------------------------------------- */
typedef oq_gemm_params gemm_params;

static const oq_attr_def gemm_attrs[] = {
    OQ_A_F32(gemm_params, alpha, "alpha", 1.0),
    OQ_A_F32(gemm_params, beta, "beta", 1.0),
    OQ_A_I64(gemm_params, trans_a, "transA", 0, INT64_MIN, INT64_MAX),
    OQ_A_I64(gemm_params, trans_b, "transB", 0, INT64_MIN, INT64_MAX),
    OQ_A_I64(gemm_params, broadcast, "broadcast", 0, INT64_MIN, INT64_MAX),
};
enum { GEMM_ATTRS_1 = 5, GEMM_ATTRS_7 = 4 };

/* GEMM counts in int. */
static oq_status check_size(const oq_infer *x, int64_t n) {
  if (n <= INT32_MAX) return OQ_OK;
  return oq_infer_fail(x, OQ_E_LIMIT, "matmul.size",
                       "a matrix has %lld rows or columns, expected at most %d",
                       (long long)n, INT32_MAX);
}

static oq_status check_inner(const oq_infer *x, oq_dim a, oq_dim b) {
  OQ_TRY(check_size(x, a.size));
  if (a.size == OQ_DIM_UNKNOWN || b.size == OQ_DIM_UNKNOWN || a.size == b.size)
    return OQ_OK;
  return oq_infer_fail(x, OQ_E_MODEL, "matmul.inner",
                       "a matrix of %lld columns meets one of %lld rows",
                       (long long)a.size, (long long)b.size);
}

/* Rows and columns of op(input i). */
static oq_status gemm_side(oq_dim *rows, oq_dim *cols, const oq_infer *x,
                           uint32_t i, bool trans) {
  const oq_type *const t = oq_infer_in(x, i);

  *rows = *cols = (oq_dim){.size = OQ_DIM_UNKNOWN};
  if (t == NULL || !t->has_rank) return OQ_OK;
  if (t->rank != 2)
    return oq_infer_fail(x, OQ_E_MODEL, "matmul.rank",
                         "input %u has rank %u, expected 2", i, t->rank);
  *rows = t->dim[trans ? 1 : 0];
  *cols = t->dim[trans ? 0 : 1];
  return OQ_OK;
}

static oq_status check_c(const oq_infer *x, oq_dim m, oq_dim n) {
  const oq_type *const t = oq_infer_in(x, 2);

  if (t == NULL || !t->has_rank) return OQ_OK;
  bool fits = t->rank <= 2;
  for (uint32_t i = 0; fits && i < t->rank; i++) {
    const int64_t to = i + 1 == t->rank ? n.size : m.size, d = t->dim[i].size;
    fits = d == 1 || d == to || d == OQ_DIM_UNKNOWN || to == OQ_DIM_UNKNOWN;
  }
  if (fits) return OQ_OK;
  return oq_infer_fail(x, OQ_E_MODEL, "gemm.c",
                       "input 2 cannot be broadcast to the shape of the "
                       "product");
}

oq_status oq_gemm_infer(oq_infer *x) {
  const gemm_params *const p = x->params;
  oq_dim m, k, k2, n;

  OQ_TRY(oq_infer_same_dtypes(x, 0, 3));
  OQ_TRY(gemm_side(&m, &k, x, 0, p->trans_a != 0));
  OQ_TRY(gemm_side(&k2, &n, x, 1, p->trans_b != 0));
  OQ_TRY(check_inner(x, k, k2));
  OQ_TRY(check_size(x, m.size));
  OQ_TRY(check_size(x, n.size));
  OQ_TRY(check_c(x, m, n));
  oq_infer_set_rank(x, 0, oq_infer_dtype(x, 0), 2);
  x->out[0].dim[0] = m;
  x->out[0].dim[1] = n;
  return OQ_OK;
}

/* Fills y[m,n] with C, broadcast; elements are moved, not computed with. */
static void spread_c(uint8_t *y, size_t m, size_t n, const uint8_t *c,
                     const oq_shape *s, size_t size) {
  const bool wide = s->rank >= 1 && s->dim[s->rank - 1] != 1;
  const bool tall = s->rank == 2 && s->dim[0] != 1;

  for (size_t i = 0; i < m; i++) {
    const uint8_t *const row = c + (tall ? i * (wide ? n : 1) * size : 0);
    uint8_t *const to = y + i * n * size;
    if (wide || n == 0) {
      memcpy(to, row, n * size);
      continue;
    }
    for (size_t j = 0; j < n; j++) memcpy(to + j * size, row, size);
  }
}

typedef struct product { /* sizes of one product */
  oq_transpose ta, tb;
  size_t m, n, k;
} product;

/* Integer types take integer factors only. */
static bool whole(float f) {
  return f == rintf(f) && f >= -2147483648.0f && f < 2147483648.0f;
}

static oq_status gemm_plain(oq_run *r, const product *q, float alpha,
                            float beta) {
  const void *const a = r->in[0]->data, *const b = r->in[1]->data;
  void *const y = r->out[0].data;

  if (r->in[0]->dtype == OQ_DT_F64) {
    oq_gemm_f64(q->ta, q->tb, q->m, q->n, q->k, (double)alpha, a, b,
                (double)beta, y);
    return OQ_OK;
  }
  if (!whole(alpha) || !whole(beta))
    return oq_run_fail(r, OQ_E_UNSUPPORTED, "gemm.factor",
                       "'alpha' and 'beta' must be whole numbers for integers");
  if (oq_dtype_bits((int32_t)r->in[0]->dtype) == 32)
    oq_gemm_u32(q->ta, q->tb, q->m, q->n, q->k, (uint32_t)(int64_t)alpha, a, b,
                (uint32_t)(int64_t)beta, y);
  else
    oq_gemm_u64(q->ta, q->tb, q->m, q->n, q->k, (uint64_t)(int64_t)alpha, a, b,
                (uint64_t)(int64_t)beta, y);
  return OQ_OK;
}

static bool narrow_float(oq_dtype t) {
  return t == OQ_DT_F32 || t == OQ_DT_F16 || t == OQ_DT_BF16;
}

static oq_status gemm_f32(oq_run *r, const product *q, float alpha,
                          const oq_ctensor *ct, float beta) {
  const float *a, *b, *c;
  float *y;

  OQ_TRY(oq_widen_in(&a, r, r->in[0]));
  OQ_TRY(oq_widen_in(&b, r, r->in[1]));
  OQ_TRY(oq_widen_in(&c, r, ct));
  OQ_TRY(oq_widen_out(&y, r, 0));
  if (c != NULL)
    spread_c((uint8_t *)y, q->m, q->n, (const uint8_t *)c, &ct->shape,
             sizeof *y);
  oq_gemm_f32_dense(r->k, q->ta, q->tb, q->m, q->n, q->k, alpha, a, b, beta, y);
  oq_widen_done(r, 0, y);
  return OQ_OK;
}

static oq_status gemm_pack(const void **packed, const oq_pack *p) {
  const gemm_params *const g = p->params;

  if (g->trans_a != 0 || g->alpha != 1.0f) return OQ_OK;
  return pack_matrix(packed, p, g->trans_b != 0);
}

/* C is one row, added as it is, or there is none. */
static bool c_is_bias(const oq_ctensor *c, float beta, size_t n) {
  if (c == NULL) return true;
  return beta == 1.0f && oq_tensor_count(c) == n &&
         (size_t)c->shape.dim[c->shape.rank - 1] == n;
}

oq_status oq_gemm_run(oq_run *r) {
  const gemm_params *const p = r->params;
  const oq_shape *const y = &r->out[0].shape, *const a = &r->in[0]->shape;
  const product q = {p->trans_a != 0 ? OQ_TRANS : OQ_NO_TRANS,
                     p->trans_b != 0 ? OQ_TRANS : OQ_NO_TRANS,
                     (size_t)y->dim[0], (size_t)y->dim[1],
                     (size_t)a->dim[p->trans_a != 0 ? 0 : 1]};
  const oq_ctensor *const c = r->n_in > 2 ? r->in[2] : NULL;
  const float beta = c == NULL ? 0.0f : p->beta;

  if (r->out[0].size == 0) return OQ_OK;
  if (r->packed != NULL && (c == NULL || c->shape.rank > 0) &&
      c_is_bias(c, beta, q.n))
    return run_packed(r, q.m, q.k, q.n, c == NULL ? NULL : c->data);
  if (narrow_float(r->in[0]->dtype)) return gemm_f32(r, &q, p->alpha, c, beta);
  if (c != NULL)
    spread_c(r->out[0].data, q.m, q.n, c->data, &c->shape,
             oq_dtype_bits((int32_t)c->dtype) / 8);
  return gemm_plain(r, &q, p->alpha, beta);
}

static uint64_t gemm_macs(const void *params, const oq_shape *const *in,
                          const oq_shape *out) {
  const gemm_params *const p = params;

  return (uint64_t)out->dim[0] * (uint64_t)out->dim[1] *
         (uint64_t)in[0]->dim[p->trans_a != 0 ? 0 : 1];
}

static int32_t gemm_data_axis(const void *params, uint32_t data_rank) {
  (void)data_rank;
  return ((const gemm_params *)params)->trans_a ? 0 : 1;
}

static int32_t matmul_data_axis(const void *params, uint32_t data_rank) {
  (void)params;
  return (int32_t)data_rank - 1;
}

static int32_t gemm_axis(const void *params, uint32_t weight_rank) {
  (void)weight_rank;
  return ((const gemm_params *)params)->trans_b != 0 ? 0 : 1;
}

/* ---- MatMul -------------------------------------------------------------- */
/* Output dims: batch dims broadcast, then rows of A unless it is a vector, then
 * columns of B unless it is one. */
static bool batch_dim(oq_dim *out, oq_dim a, oq_dim b) {
  if (a.size == 1) {
    *out = b;
  } else if (b.size == 1 || b.size == a.size) {
    *out = a;
  } else if (a.size != OQ_DIM_UNKNOWN && b.size != OQ_DIM_UNKNOWN) {
    return false;
  } else {
    *out = a.size == OQ_DIM_UNKNOWN ? b : a; /* > 1 wins over unknown */
  }
  return true;
}

/* Dim `i` of `rank` batch dims of t, which has fewer or as many. */
static oq_dim batch_of(const oq_type *t, uint32_t i, uint32_t rank) {
  const uint32_t own = t->rank < 2 ? 0 : t->rank - 2;

  if (i + own < rank) return (oq_dim){.size = 1};
  return t->dim[i + own - rank];
}

static oq_status matmul_shape(oq_infer *x, const oq_type *a, const oq_type *b,
                              oq_dtype t) {
  const uint32_t ba = a->rank < 2 ? 0 : a->rank - 2;
  const uint32_t bb = b->rank < 2 ? 0 : b->rank - 2;
  const uint32_t batch = ba > bb ? ba : bb;
  uint32_t n = batch;

  OQ_TRY(check_inner(x, a->dim[a->rank - 1],
                     b->dim[b->rank == 1 ? 0 : b->rank - 2]));
  oq_infer_set_rank(x, 0, t, batch + (a->rank > 1) + (b->rank > 1));
  for (uint32_t i = 0; i < batch; i++)
    if (!batch_dim(&x->out[0].dim[i], batch_of(a, i, batch),
                   batch_of(b, i, batch)))
      return oq_infer_fail(x, OQ_E_MODEL, "matmul.batch",
                           "the batch dimensions cannot be broadcast together");
  if (a->rank > 1) x->out[0].dim[n++] = a->dim[a->rank - 2];
  if (b->rank > 1) x->out[0].dim[n++] = b->dim[b->rank - 1];
  for (uint32_t i = batch; i < n; i++)
    OQ_TRY(check_size(x, x->out[0].dim[i].size));
  return OQ_OK;
}

oq_status oq_matmul_rule(oq_infer *x, uint32_t i, uint32_t j, oq_dtype t) {
  const oq_type *const a = oq_infer_in(x, i), *const b = oq_infer_in(x, j);
  const bool has_a = a != NULL && a->has_rank, has_b = b != NULL && b->has_rank;

  if ((has_a && a->rank == 0) || (has_b && b->rank == 0))
    return oq_infer_fail(x, OQ_E_MODEL, "matmul.rank",
                         "an input is a scalar, expected rank 1 or more");
  if (has_a && has_b) return matmul_shape(x, a, b, t);
  if (t != OQ_DT_NONE) oq_infer_set_dtype(x, 0, t);
  return OQ_OK;
}

static oq_status matmul_infer(oq_infer *x) {
  OQ_TRY(oq_infer_same_dtypes(x, 0, 2));
  return oq_matmul_rule(x, 0, 1,
                        oq_infer_dtype(x, oq_infer_dtype(x, 0) == OQ_DT_NONE));
}

static oq_shape batch_shape(const oq_shape *s) {
  oq_shape b = *s;

  b.rank = s->rank < 2 ? 0 : s->rank - 2;
  return b;
}

/* Sizes of one product of the batch. */
static product matmul_product(const oq_shape *a, const oq_shape *b) {
  return (product){OQ_NO_TRANS, OQ_NO_TRANS,
                   a->rank > 1 ? (size_t)a->dim[a->rank - 2] : 1,
                   b->rank > 1 ? (size_t)b->dim[b->rank - 1] : 1,
                   (size_t)a->dim[a->rank - 1]};
}

/* One product; a, b, y point to elements of type t. */
static void one_product(const oq_kernels *k, oq_dtype t, const product *q,
                        const void *a, const void *b, void *y) {
  if (narrow_float(t))
    oq_gemm_f32_dense(k, q->ta, q->tb, q->m, q->n, q->k, 1.0f, a, b, 0.0f, y);
  else if (t == OQ_DT_F64)
    oq_gemm_f64(q->ta, q->tb, q->m, q->n, q->k, 1.0, a, b, 0.0, y);
  else if (oq_dtype_bits((int32_t)t) == 32)
    oq_gemm_u32(q->ta, q->tb, q->m, q->n, q->k, 1, a, b, 0, y);
  else
    oq_gemm_u64(q->ta, q->tb, q->m, q->n, q->k, 1, a, b, 0, y);
}

typedef struct batch_run { /* the loop over a broadcast batch */
  const oq_kernels *k;
  oq_dtype dtype;
  size_t size; /* of an element as computed with */
  const uint8_t *a, *b;
  uint8_t *y;
} batch_run;

static void each_product(const batch_run *u, const product *q,
                         const oq_shape *out, const oq_shape *sa,
                         const oq_shape *sb) {
  const oq_shape *const shapes[] = {out, sa, sb};
  const size_t ay = q->m * q->n * u->size, aa = q->m * q->k * u->size,
               ab = q->k * q->n * u->size;
  oq_iter it;

  oq_iter_init(&it, out, shapes, 3);
  do {
    for (size_t i = 0; i < it.run; i++)
      one_product(u->k, u->dtype, q,
                  u->a + (size_t)(it.offset[1] + (int64_t)i * it.step[1]) * aa,
                  u->b + (size_t)(it.offset[2] + (int64_t)i * it.step[2]) * ab,
                  u->y + (size_t)(it.offset[0] + (int64_t)i * it.step[0]) * ay);
  } while (oq_iter_next(&it));
}

/* One weight matrix for the whole batch: the batch is more rows. */
static bool fold_batch(product *q, const oq_shape *out, const oq_shape *sa,
                       const oq_shape *sb) {
  size_t batch = 1;

  for (uint32_t i = 0; i < sb->rank; i++)
    if (sb->dim[i] != 1) return false;
  if (sa->rank != out->rank) return false;
  for (uint32_t i = 0; i < out->rank; i++) {
    if (sa->dim[i] != out->dim[i]) return false;
    batch *= (size_t)out->dim[i];
  }
  if (batch != 0 && q->m > INT32_MAX / batch) return false;
  q->m *= batch;
  return true;
}

static oq_status matmul_pack(const void **packed, const oq_pack *p) {
  return pack_matrix(packed, p, false);
}

static oq_status matmul_run(oq_run *r) {
  const oq_shape *const b = &r->in[1]->shape;

  if (r->packed == NULL || r->in[0]->size == 0) return oq_matmul_run(r);
  const size_t k = (size_t)b->dim[0];
  return run_packed(r, oq_tensor_count(r->in[0]) / k, k, (size_t)b->dim[1],
                    NULL);
}

oq_status oq_matmul_run(oq_run *r) {
  const oq_shape *const a = &r->in[0]->shape, *const b = &r->in[1]->shape;
  const oq_dtype t = r->in[0]->dtype;
  const oq_shape sa = batch_shape(a), sb = batch_shape(b);
  product q = matmul_product(a, b);
  oq_shape out;

  if (r->out[0].size == 0) return OQ_OK;
  if (!oq_shape_broadcast(&out, &sa, &sb)) return OQ_E_INTERNAL;
  batch_run u = {r->k,
                 t,
                 oq_dtype_bits((int32_t)t) / 8,
                 r->in[0]->data,
                 r->in[1]->data,
                 r->out[0].data};
  float *y = NULL;
  if (narrow_float(t)) {
    const float *fa, *fb;
    OQ_TRY(oq_widen_in(&fa, r, r->in[0]));
    OQ_TRY(oq_widen_in(&fb, r, r->in[1]));
    OQ_TRY(oq_widen_out(&y, r, 0));
    u.size = sizeof *y;
    u.a = (const uint8_t *)fa;
    u.b = (const uint8_t *)fb;
    u.y = (uint8_t *)y;
  }
  if (fold_batch(&q, &out, &sa, &sb))
    one_product(u.k, t, &q, u.a, u.b, u.y);
  else
    each_product(&u, &q, &out, &sa, &sb);
  if (y != NULL) oq_widen_done(r, 0, y);
  return OQ_OK;
}

oq_matmul oq_matmul_of(const oq_shape *a, const oq_shape *b) {
  const product q = matmul_product(a, b);

  return (oq_matmul){q.m, q.n, q.k};
}

bool oq_matmul_each(const oq_shape *a, const oq_shape *b, oq_matmul_fn fn,
                    void *user) {
  const oq_shape sa = batch_shape(a), sb = batch_shape(b);
  oq_shape out;
  oq_iter it;

  if (!oq_shape_broadcast(&out, &sa, &sb)) return false;
  const oq_shape *const shapes[] = {&out, &sa, &sb};
  oq_iter_init(&it, &out, shapes, 3);
  do {
    for (int64_t i = 0; i < (int64_t)it.run; i++)
      fn(user, (size_t)(it.offset[1] + i * it.step[1]),
         (size_t)(it.offset[2] + i * it.step[2]),
         (size_t)(it.offset[0] + i * it.step[0]));
  } while (oq_iter_next(&it));
  return true;
}

static uint64_t matmul_macs(const void *params, const oq_shape *const *in,
                            const oq_shape *out) {
  uint64_t n = (uint64_t)in[0]->dim[in[0]->rank - 1];

  (void)params;
  for (uint32_t i = 0; i < out->rank; i++) n *= (uint64_t)out->dim[i];
  return n;
}

/* ---- table --------------------------------------------------------------- */
#define GEMM_ROW                                                         \
  .domain = "", .name = "Gemm", .max_in = 3, .min_out = 1, .max_out = 1, \
  .dtypes = GEMM_TYPES, .params_size = sizeof(gemm_params),              \
  .attrs = gemm_attrs, .infer = oq_gemm_infer, .run = oq_gemm_run,       \
  .pack = gemm_pack, .macs = gemm_macs,                                  \
  .quant = {.cls = OQ_Q_LINEAR,                                          \
            .role = {OQ_ROLE_DATA, OQ_ROLE_WEIGHT, OQ_ROLE_BIAS},        \
            .axis = gemm_axis,                                           \
            .data_axis = gemm_data_axis,                                 \
            .result_axis = 1}

static const oq_op_def defs[] = {
    {GEMM_ROW, .since = 1, .last = 6, .min_in = 3, .n_attrs = GEMM_ATTRS_1},
    {GEMM_ROW, .since = 7, .last = 10, .min_in = 3, .n_attrs = GEMM_ATTRS_7},
    {GEMM_ROW, .since = 11, .last = 27, .min_in = 2, .n_attrs = GEMM_ATTRS_7},

    {.domain = "",
     .name = "MatMul",
     .since = 1,
     .last = 27,
     .min_in = 2,
     .max_in = 2,
     .min_out = 1,
     .max_out = 1,
     .dtypes = GEMM_TYPES,
     .infer = matmul_infer,
     .run = matmul_run,
     .pack = matmul_pack,
     .macs = matmul_macs,
     .quant = {.cls = OQ_Q_LINEAR,
               .role = {OQ_ROLE_DATA, OQ_ROLE_WEIGHT},
               .weight_axis = OQ_AXIS_LAST,
               .data_axis = matmul_data_axis,
               .result_axis = OQ_AXIS_LAST}},
};

OQ_FAMILY(matmul, defs);

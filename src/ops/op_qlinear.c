/* Convolutions and products of 8-bit integers: QLinearConv, ConvInteger,
 * QLinearMatMul, MatMulInteger, and of com.microsoft QGemm,
 * DynamicQuantizeMatMul and MatMulIntegerToFloat.
 *
 * Sums of integers are made by the float32 kernels: a sum is exact as long as
 * it stays within 2^24, so long ones are cut into pieces that do. */
#include <math.h>
#include <string.h>

#include "kern/kern.h"
#include "ops/conv.h"
#include "ops/matmul.h"
#include "ops/op.h"
#include "ops/quantized.h"
#include "ops/rules.h"

#define EXACT 16777216.0f /* integers up to here are floats */

/* ---- centred numbers ----------------------------------------------------- */
/* x - zero as floats, and how large they get. */
typedef struct centred {
  float *v;
  float most;
} centred;

static void note_most(centred *c, size_t n) {
  c->most = 0;
  for (size_t i = 0; i < n; i++) {
    const float a = fabsf(c->v[i]);
    if (a > c->most) c->most = a;
  }
}

/* Zero points: one, or one for each of `n` positions of an axis, `inner`
 * elements apart. */
static oq_status centre(centred *out, const oq_run *r, const oq_ctensor *x,
                        const oq_ctensor *zero, size_t n, size_t inner) {
  const size_t count = oq_tensor_count(x);
  const bool each = zero != NULL && oq_tensor_count(zero) > 1;

  out->v = oq_arena_alloc_raw(r->scratch, count, sizeof *out->v, OQ_ALIGN);
  if (out->v == NULL) return oq_fail_memory(r->diags);
  const float all = oq_zero_at(zero, 0);
  for (size_t i = 0; i < count; i++) {
    const float z = each ? oq_zero_at(zero, i / inner % n) : all;
    out->v[i] = x->dtype == OQ_DT_U8 ? (float)((const uint8_t *)x->data)[i] - z
                                     : (float)((const int8_t *)x->data)[i] - z;
  }
  note_most(out, count);
  return OQ_OK;
}

/* Products that can be added up exactly. */
static size_t exact_terms(float a, float b) {
  const float most = a * b;

  if (most == 0) return SIZE_MAX;
  return most > EXACT ? 0 : (size_t)(EXACT / most);
}

static void add_ints(int32_t *y, const float *x, size_t n) {
  for (size_t i = 0; i < n; i++)
    y[i] = (int32_t)((uint32_t)y[i] + (uint32_t)(int32_t)x[i]);
}

/* ---- products ------------------------------------------------------------ */
/* y[m,n] = a[m,k] b[k,n]; `room` holds m * n floats. */
static void int_product(const oq_run *r, const oq_matmul *q, size_t terms,
                        const float *a, const float *b, float *room,
                        int32_t *y) {
  memset(y, 0, q->m * q->n * sizeof *y);
  for (size_t at = 0; at < q->k; at += terms) {
    const size_t left = q->k - at;
    r->k->gemm_f32(OQ_NO_TRANS, OQ_NO_TRANS, q->m, q->n,
                   left < terms ? left : terms, 1, a + at, q->k, b + at * q->n,
                   q->n, 0, room, q->n);
    add_ints(y, room, q->m * q->n);
    if (left <= terms) break;
  }
}

/* Inputs of an operator that is a product; ABSENT where it has none. */
enum { ABSENT = 255 };
typedef struct product_slots {
  uint8_t a, a_scale, a_zero, b, b_scale, b_zero, bias, y_scale, y_zero;
} product_slots;

static const product_slots matmul_integer = {0, ABSENT, 2,      1,     ABSENT,
                                             3, ABSENT, ABSENT, ABSENT};
static const product_slots qlinear_matmul = {0, 1, 2, 3, 4, 5, ABSENT, 6, 7};
static const product_slots dynamic_matmul = {0, ABSENT, ABSENT, 1,     2,
                                             3, 4,      ABSENT, ABSENT};
static const product_slots integer_to_float = {0, 2, 4,      1,     3,
                                               5, 6, ABSENT, ABSENT};
static const product_slots qgemm = {0, 1, 2, 3, 4, 5, 6, 7, 8};

static const oq_ctensor *slot(const oq_run *r, uint32_t i) {
  return i < r->n_in ? r->in[i] : NULL;
}

/* Scale, zero point or bias: one number, or one per column. */
static oq_status check_columns(const oq_infer *x, uint32_t i, int64_t n) {
  return i == ABSENT ? OQ_OK : oq_quantized_param(x, i, n);
}

static oq_status check_product(const oq_infer *x, const product_slots *s,
                               int64_t rows, int64_t columns) {
  OQ_TRY(oq_quantized_8bit(x, s->b));
  if (s->a_scale != ABSENT || s->a_zero != ABSENT)
    OQ_TRY(oq_quantized_8bit(x, s->a));
  OQ_TRY(check_columns(x, s->a_scale, rows));
  OQ_TRY(check_columns(x, s->a_zero, rows));
  OQ_TRY(check_columns(x, s->b_scale, columns));
  OQ_TRY(check_columns(x, s->b_zero, columns));
  if (s != &qgemm) OQ_TRY(check_columns(x, s->bias, columns));
  OQ_TRY(check_columns(x, s->y_scale, 1));
  return check_columns(x, s->y_zero, 1);
}

static int64_t dim_from_end(const oq_infer *x, uint32_t i, uint32_t k) {
  const oq_type *const t = oq_rule_ranked(x, i);

  if (t == NULL || t->rank < 2) return t == NULL ? OQ_DIM_UNKNOWN : 1;
  return t->dim[t->rank - k].size;
}

static oq_status product_rule(oq_infer *x, const product_slots *s, oq_dtype t) {
  OQ_TRY(
      check_product(x, s, dim_from_end(x, s->a, 2), dim_from_end(x, s->b, 1)));
  return oq_matmul_rule(x, s->a, s->b, t);
}

typedef struct product_run {
  oq_run *r;
  const product_slots *s;
  oq_matmul q;
  centred a, b;
  size_t terms;
  float *room;
  int32_t *acc;
  float alpha;
  float dynamic_scale; /* of A, where it is quantized here */
} product_run;

/* Scale of row i and column j of a product. */
static float scale_at(const product_run *p, size_t i, size_t j) {
  const oq_ctensor *const a = slot(p->r, p->s->a_scale);
  const float sa =
      p->s->a_scale == ABSENT ? p->dynamic_scale : oq_scale_at(a, i);

  return p->alpha * sa * oq_scale_at(slot(p->r, p->s->b_scale), j);
}

/* Sums to the output, which begins at element `at`. */
static void finish_rows(const product_run *p, size_t at) {
  const oq_ctensor *const bias = p->s == &qgemm ? NULL : slot(p->r, p->s->bias);
  const oq_ctensor *const ys = slot(p->r, p->s->y_scale);
  const oq_ctensor *const yz = slot(p->r, p->s->y_zero);
  oq_tensor *const y = &p->r->out[0];

  if (y->dtype == OQ_DT_I32) {
    memcpy((int32_t *)y->data + at, p->acc, p->q.m * p->q.n * sizeof *p->acc);
    return;
  }
  for (size_t i = 0; i < p->q.m; i++)
    for (size_t j = 0; j < p->q.n; j++) {
      const size_t k = i * p->q.n + j;
      float f = scale_at(p, i, j);
      if (ys != NULL) f /= oq_scale_at(ys, 0);
      p->room[k] = (float)p->acc[k] * f;
      if (bias != NULL) p->room[k] += oq_scale_at(bias, j);
    }
  oq_quantized_store(p->r, 0, at, p->room, p->q.m * p->q.n, 1,
                     oq_zero_at(yz, 0));
}

static void one_product(void *user, size_t a, size_t b, size_t y) {
  const product_run *const p = user;

  int_product(p->r, &p->q, p->terms, p->a.v + a * p->q.m * p->q.k,
              p->b.v + b * p->q.k * p->q.n, p->room, p->acc);
  finish_rows(p, y * p->q.m * p->q.n);
}

static oq_status make_rooms(product_run *p) {
  oq_arena *const scratch = p->r->scratch;
  const size_t n = p->q.m * p->q.n; /* part of the output */

  p->terms = exact_terms(p->a.most, p->b.most);
  p->room = oq_arena_alloc_raw(scratch, n, sizeof *p->room, OQ_ALIGN);
  p->acc = oq_arena_alloc_raw(scratch, n, sizeof *p->acc, OQ_ALIGN);
  return p->room == NULL || p->acc == NULL ? oq_fail_memory(p->r->diags)
                                           : OQ_OK;
}

static oq_status centre_b(product_run *p) {
  return centre(&p->b, p->r, slot(p->r, p->s->b), slot(p->r, p->s->b_zero),
                p->q.n, 1);
}

static oq_status product_run_all(product_run *p) {
  const oq_ctensor *const a = slot(p->r, p->s->a), *const b =
                                                       slot(p->r, p->s->b);

  p->q = oq_matmul_of(&a->shape, &b->shape);
  if (p->r->out[0].size == 0) return OQ_OK;
  if (p->a.v == NULL)
    OQ_TRY(centre(&p->a, p->r, a, slot(p->r, p->s->a_zero), p->q.m, p->q.k));
  OQ_TRY(centre_b(p));
  OQ_TRY(make_rooms(p));
  return oq_matmul_each(&a->shape, &b->shape, one_product, p) ? OQ_OK
                                                              : OQ_E_INTERNAL;
}

/* ---- MatMulInteger, QLinearMatMul ---------------------------------------- */
static oq_status matmul_integer_infer(oq_infer *x) {
  return product_rule(x, &matmul_integer, OQ_DT_I32);
}

static oq_status matmul_integer_run(oq_run *r) {
  product_run p = {.r = r, .s = &matmul_integer, .alpha = 1};

  return product_run_all(&p);
}

static oq_status qlinear_matmul_infer(oq_infer *x) {
  OQ_TRY(oq_quantized_8bit(x, 7));
  return product_rule(x, &qlinear_matmul, oq_infer_dtype(x, 7));
}

static oq_status qlinear_matmul_run(oq_run *r) {
  product_run p = {.r = r, .s = &qlinear_matmul, .alpha = 1};

  return product_run_all(&p);
}

static oq_status integer_to_float_infer(oq_infer *x) {
  return product_rule(x, &integer_to_float, oq_infer_dtype(x, 2));
}

static oq_status integer_to_float_run(oq_run *r) {
  product_run p = {.r = r, .s = &integer_to_float, .alpha = 1};

  return product_run_all(&p);
}

/* ---- DynamicQuantizeMatMul ----------------------------------------------- */
static oq_status dynamic_infer(oq_infer *x) {
  return product_rule(x, &dynamic_matmul, oq_infer_dtype(x, 0));
}

/* A as DynamicQuantizeLinear would have it. */
static oq_status quantize_a(product_run *p) {
  const oq_ctensor *const a = p->r->in[0];
  const size_t n = oq_tensor_count(a);
  const struct oq_kernels *const k = p->r->k;
  uint8_t *const q = oq_arena_alloc_raw(p->r->scratch, n, 1, OQ_ALIGN);
  float lo = 1, hi = -1;
  uint64_t n_nan = 0, n_inf = 0;
  uint8_t zero;

  p->a.v = oq_arena_alloc_raw(p->r->scratch, n, sizeof(float), OQ_ALIGN);
  if (q == NULL || p->a.v == NULL) return oq_fail_memory(p->r->diags);
  k->minmax_f32(&lo, &hi, &n_nan, &n_inf, a->data, n);
  if (lo > hi) lo = hi = 0;
  if (lo > 0) lo = 0;
  if (hi < 0) hi = 0;
  p->dynamic_scale = (hi == lo ? 1.0f : hi - lo) / 255.0f;
  const float below = 0.0f - lo;
  k->quantize_u8(&zero, &below, 1, p->dynamic_scale, 0, 0, UINT8_MAX);
  k->quantize_u8(q, a->data, n, p->dynamic_scale, zero, 0, UINT8_MAX);
  for (size_t i = 0; i < n; i++) p->a.v[i] = (float)((int)q[i] - (int)zero);
  note_most(&p->a, n);
  return OQ_OK;
}

static oq_status dynamic_run(oq_run *r) {
  product_run p = {.r = r, .s = &dynamic_matmul, .alpha = 1};

  OQ_TRY(quantize_a(&p));
  return product_run_all(&p);
}

/* ---- QGemm --------------------------------------------------------------- */
typedef struct qgemm_params {
  float alpha;
  int64_t trans_a, trans_b;
} qgemm_params;

static const oq_attr_def qgemm_attrs[] = {
    OQ_A_F32(qgemm_params, alpha, "alpha", 1.0),
    OQ_A_I64(qgemm_params, trans_a, "transA", 0, 1, 0),
    OQ_A_I64(qgemm_params, trans_b, "transB", 0, 1, 0),
};

static oq_status qgemm_side(const oq_infer *x, uint32_t i, bool trans,
                            oq_dim *rows, oq_dim *cols) {
  const oq_type *const t = oq_rule_ranked(x, i);

  *rows = *cols = (oq_dim){.size = OQ_DIM_UNKNOWN};
  if (t == NULL) return OQ_OK;
  if (t->rank != 2)
    return oq_infer_fail(x, OQ_E_MODEL, "matmul.rank",
                         "input %u has rank %u, expected 2", i, t->rank);
  *rows = t->dim[trans ? 1 : 0];
  *cols = t->dim[trans ? 0 : 1];
  return OQ_OK;
}

/* int32, broadcast to the product. */
static oq_status qgemm_bias(const oq_infer *x, oq_dim m, oq_dim n) {
  const oq_type *const t = oq_rule_ranked(x, 6);
  const oq_dtype d = oq_infer_dtype(x, 6);
  bool fits = t == NULL || t->rank <= 2;

  if (d != OQ_DT_NONE && d != OQ_DT_I32)
    return oq_infer_fail(x, OQ_E_MODEL, "op.dtype",
                         "input 6 is %s, expected int32",
                         oq_dtype_text((int32_t)d));
  for (uint32_t i = 0; t != NULL && fits && i < t->rank; i++) {
    const int64_t to = i + 1 == t->rank ? n.size : m.size, v = t->dim[i].size;
    fits = v == 1 || v == to || v == OQ_DIM_UNKNOWN || to == OQ_DIM_UNKNOWN;
  }
  if (fits) return OQ_OK;
  return oq_infer_fail(x, OQ_E_MODEL, "gemm.c",
                       "input 6 cannot be broadcast to the shape of the "
                       "product");
}

static oq_status qgemm_infer(oq_infer *x) {
  const qgemm_params *const p = x->params;
  oq_dim m, k, k2, n;

  OQ_TRY(qgemm_side(x, 0, p->trans_a != 0, &m, &k));
  OQ_TRY(qgemm_side(x, 3, p->trans_b != 0, &k2, &n));
  if (k.size != OQ_DIM_UNKNOWN && k2.size != OQ_DIM_UNKNOWN &&
      k.size != k2.size)
    return oq_infer_fail(x, OQ_E_MODEL, "matmul.inner",
                         "a matrix of %lld columns meets one of %lld rows",
                         (long long)k.size, (long long)k2.size);
  OQ_TRY(check_product(x, &qgemm, 1, n.size));
  OQ_TRY(qgemm_bias(x, m, n));
  const bool quantizes = oq_quantized_has(x, 7);
  if (quantizes) OQ_TRY(oq_quantized_8bit(x, 8));
  if (quantizes != oq_quantized_has(x, 8))
    return oq_infer_fail(x, OQ_E_MODEL, "quantize.zero",
                         "scale and zero point of the output are not given "
                         "together");
  const oq_dtype t = quantizes ? oq_infer_dtype(x, 8) : OQ_DT_F32;
  if (t == OQ_DT_NONE) return OQ_OK;
  oq_infer_set_rank(x, 0, t, 2);
  x->out[0].dim[0] = m;
  x->out[0].dim[1] = n;
  return OQ_OK;
}

/* v[cols][rows] turned. */
static oq_status turn(const oq_run *r, centred *c, size_t rows, size_t cols) {
  float *const v =
      oq_arena_alloc_raw(r->scratch, rows * cols, sizeof *v, OQ_ALIGN);

  if (v == NULL) return oq_fail_memory(r->diags);
  for (size_t i = 0; i < rows; i++)
    for (size_t j = 0; j < cols; j++) v[i * cols + j] = c->v[j * rows + i];
  c->v = v;
  return OQ_OK;
}

static void add_c(const product_run *p) {
  const oq_ctensor *const c = slot(p->r, 6);

  if (c == NULL) return;
  const oq_shape *const s = &c->shape;
  const bool wide = s->rank >= 1 && s->dim[s->rank - 1] != 1;
  const bool tall = s->rank == 2 && s->dim[0] != 1;
  const int32_t *const v = c->data;
  for (size_t i = 0; i < p->q.m; i++)
    for (size_t j = 0; j < p->q.n; j++) {
      const size_t at = (tall ? i * (wide ? p->q.n : 1) : 0) + (wide ? j : 0);
      int32_t *const y = &p->acc[i * p->q.n + j];
      *y = (int32_t)((uint32_t)*y + (uint32_t)v[at]);
    }
}

static oq_status qgemm_run(oq_run *r) {
  const qgemm_params *const q = r->params;
  const oq_shape *const y = &r->out[0].shape, *const a = &r->in[0]->shape;
  product_run p = {.r = r, .s = &qgemm, .alpha = q->alpha};
  const size_t inner = q->trans_b != 0 ? (size_t)r->in[3]->shape.dim[1] : 1;

  if (r->out[0].size == 0) return OQ_OK;
  p.q = (oq_matmul){(size_t)y->dim[0], (size_t)y->dim[1],
                    (size_t)a->dim[q->trans_a != 0 ? 0 : 1]};
  OQ_TRY(centre(&p.a, r, r->in[0], slot(r, 2), 1, 1));
  OQ_TRY(centre(&p.b, r, r->in[3], slot(r, 5), p.q.n, inner));
  if (q->trans_a != 0) OQ_TRY(turn(r, &p.a, p.q.m, p.q.k));
  if (q->trans_b != 0) OQ_TRY(turn(r, &p.b, p.q.k, p.q.n));
  OQ_TRY(make_rooms(&p));
  int_product(r, &p.q, p.terms, p.a.v, p.b.v, p.room, p.acc);
  add_c(&p);
  finish_rows(&p, 0);
  return OQ_OK;
}

/* ---- convolutions -------------------------------------------------------- */
typedef struct qconv_params {
  oq_conv_params conv;
} qconv_params;

static const oq_attr_def qconv_attrs[] = {OQ_CONV_ATTRS(qconv_params, conv)};

static oq_status qconv_check(const oq_graph *g, const oq_node *n, void *params,
                             oq_diags *d) {
  return oq_window_check(g, n, &((const qconv_params *)params)->conv.window, d);
}

static int64_t out_channels(const oq_infer *x, uint32_t weight) {
  const oq_type *const t = oq_rule_ranked(x, weight);

  return t == NULL || t->rank == 0 ? OQ_DIM_UNKNOWN : t->dim[0].size;
}

static oq_status conv_integer_infer(oq_infer *x) {
  const qconv_params *const p = x->params;

  OQ_TRY(oq_quantized_8bit(x, 0));
  OQ_TRY(oq_quantized_8bit(x, 1));
  OQ_TRY(oq_quantized_param(x, 2, 1));
  OQ_TRY(oq_quantized_param(x, 3, out_channels(x, 1)));
  return oq_conv_rule(x, &p->conv, 1, OQ_NONE, OQ_DT_I32);
}

static oq_status qlinear_conv_infer(oq_infer *x) {
  const qconv_params *const p = x->params;
  const int64_t n = out_channels(x, 3);
  const oq_dtype bias = oq_infer_dtype(x, 8);

  OQ_TRY(oq_quantized_8bit(x, 0));
  OQ_TRY(oq_quantized_8bit(x, 3));
  OQ_TRY(oq_quantized_8bit(x, 7));
  for (uint32_t i = 1; i < 8; i++)
    if (i != 3) OQ_TRY(oq_quantized_param(x, i, i == 4 || i == 5 ? n : 1));
  if (bias != OQ_DT_NONE && bias != OQ_DT_I32)
    return oq_infer_fail(x, OQ_E_MODEL, "op.dtype",
                         "input 8 is %s, expected int32",
                         oq_dtype_text((int32_t)bias));
  return oq_conv_rule(x, &p->conv, 3, 8, oq_infer_dtype(x, 7));
}

typedef struct conv_run {
  oq_run *r;
  oq_conv c;
  centred x, w;
  size_t n; /* elements of the output */
  float *room;
  int32_t *acc;
} conv_run;

/* Channels [at, at + n) of every group. */
static void slice_input(const conv_run *s, float *to, size_t at, size_t n) {
  const size_t plane = s->c.w.in_size, rows = s->c.batch * s->c.groups;

  for (size_t i = 0; i < rows; i++)
    memcpy(to + i * n * plane, s->x.v + (i * s->c.in_ch + at) * plane,
           n * plane * sizeof *to);
}

static void slice_weight(const conv_run *s, float *to, size_t at, size_t n) {
  const size_t taps = s->c.w.taps, rows = s->c.groups * s->c.out_ch;

  for (size_t i = 0; i < rows; i++)
    memcpy(to + i * n * taps, s->w.v + (i * s->c.in_ch + at) * taps,
           n * taps * sizeof *to);
}

static oq_status conv_part(conv_run *s, const oq_conv *c, const float *x,
                           const float *w) {
  void *const scratch =
      oq_arena_alloc_raw(s->r->scratch, oq_conv_scratch(c), 1, OQ_ALIGN);

  if (scratch == NULL) return oq_fail_memory(s->r->diags);
  oq_conv_f32(s->r->k, c, s->room, x, w, NULL, scratch);
  add_ints(s->acc, s->room, s->n);
  return OQ_OK;
}

static oq_status conv_parts(conv_run *s, size_t per) {
  const size_t rows_x = s->c.batch * s->c.groups * s->c.w.in_size;
  const size_t rows_w = s->c.groups * s->c.out_ch * s->c.w.taps;
  float *const x =
      oq_arena_alloc_raw(s->r->scratch, rows_x, per * sizeof *x, OQ_ALIGN);
  float *const w =
      oq_arena_alloc_raw(s->r->scratch, rows_w, per * sizeof *w, OQ_ALIGN);

  if (x == NULL || w == NULL) return oq_fail_memory(s->r->diags);
  for (size_t at = 0; at < s->c.in_ch; at += per) {
    const oq_mark mark = oq_arena_mark(s->r->scratch);
    oq_conv c = s->c;
    c.in_ch = s->c.in_ch - at < per ? s->c.in_ch - at : per;
    slice_input(s, x, at, c.in_ch);
    slice_weight(s, w, at, c.in_ch);
    OQ_TRY(conv_part(s, &c, x, w));
    oq_arena_rewind(s->r->scratch, mark);
  }
  return OQ_OK;
}

/* Windows of so many taps that one channel is too much: float64 holds them. */
static oq_status conv_wide(conv_run *s) {
  const size_t nx = s->c.batch * s->c.groups * s->c.in_ch * s->c.w.in_size;
  const size_t nw = s->c.groups * s->c.out_ch * s->c.in_ch * s->c.w.taps;
  double *const x = OQ_NEW_N(s->r->scratch, double, nx);
  double *const w = OQ_NEW_N(s->r->scratch, double, nw);
  double *const y = OQ_NEW_N(s->r->scratch, double, s->n);

  if (x == NULL || w == NULL || y == NULL) return oq_fail_memory(s->r->diags);
  for (size_t i = 0; i < nx; i++) x[i] = (double)s->x.v[i];
  for (size_t i = 0; i < nw; i++) w[i] = (double)s->w.v[i];
  oq_conv_f64(&s->c, y, x, w, NULL);
  for (size_t i = 0; i < s->n; i++) s->acc[i] = (int32_t)(int64_t)y[i];
  return OQ_OK;
}

static oq_status int_conv(conv_run *s) {
  const size_t terms = exact_terms(s->x.most, s->w.most);
  const size_t per = terms / s->c.w.taps;

  s->room = oq_arena_alloc_raw(s->r->scratch, s->n, sizeof(float), OQ_ALIGN);
  s->acc = OQ_NEW_N(s->r->scratch, int32_t, s->n);
  if (s->room == NULL || s->acc == NULL) return oq_fail_memory(s->r->diags);
  if (per == 0) return conv_wide(s);
  if (per >= s->c.in_ch) return conv_part(s, &s->c, s->x.v, s->w.v);
  return conv_parts(s, per);
}

static oq_status run_conv(conv_run *s, oq_run *r, uint32_t weight,
                          uint32_t x_zero, uint32_t w_zero) {
  const qconv_params *const p = r->params;
  const oq_ctensor *const x = r->in[0], *const w = r->in[weight];
  const oq_ctensor y = oq_tensor_const(&r->out[0]);

  *s = (conv_run){.r = r, .c = oq_conv_of(&p->conv, &x->shape, &w->shape)};
  s->n = oq_tensor_count(&y);
  const size_t per = s->c.in_ch * s->c.w.taps;
  OQ_TRY(centre(&s->x, r, x, slot(r, x_zero), 1, 1));
  OQ_TRY(centre(&s->w, r, w, slot(r, w_zero), (size_t)w->shape.dim[0],
                per > 0 ? per : 1));
  return int_conv(s);
}

static oq_status conv_integer_run(oq_run *r) {
  conv_run s;

  if (r->out[0].size == 0) return OQ_OK;
  OQ_TRY(run_conv(&s, r, 1, 2, 3));
  memcpy(r->out[0].data, s.acc, s.n * sizeof *s.acc);
  return OQ_OK;
}

static oq_status qlinear_conv_run(oq_run *r) {
  const oq_ctensor *const bias = slot(r, 8);
  conv_run s;

  if (r->out[0].size == 0) return OQ_OK;
  OQ_TRY(run_conv(&s, r, 3, 2, 5));
  const size_t channels = s.c.groups * s.c.out_ch, plane = s.c.w.out_size;
  const float xs = oq_scale_at(r->in[1], 0), ys = oq_scale_at(r->in[6], 0);
  for (size_t i = 0; i < s.c.batch * channels; i++) {
    const size_t c = i % channels;
    const float f = xs * oq_scale_at(r->in[4], c) / ys;
    const uint32_t b =
        bias != NULL ? (uint32_t)((const int32_t *)bias->data)[c] : 0;
    for (size_t k = i * plane; k < (i + 1) * plane; k++)
      s.room[k] = (float)(int32_t)((uint32_t)s.acc[k] + b) * f;
  }
  oq_quantized_store(r, 0, 0, s.room, s.n, 1, oq_zero_at(r->in[7], 0));
  return OQ_OK;
}

/* ---- cost ---------------------------------------------------------------- */
static uint64_t product_of(const oq_shape *s, uint32_t from) {
  uint64_t n = 1;

  for (uint32_t i = from; i < s->rank; i++) n *= (uint64_t)s->dim[i];
  return n;
}

static uint64_t conv_integer_macs(const void *params, const oq_shape *const *in,
                                  const oq_shape *out) {
  (void)params;
  return product_of(out, 0) * product_of(in[1], 1);
}

static uint64_t qlinear_conv_macs(const void *params, const oq_shape *const *in,
                                  const oq_shape *out) {
  (void)params;
  return product_of(out, 0) * product_of(in[3], 1);
}

static uint64_t product_macs(const void *params, const oq_shape *const *in,
                             const oq_shape *out) {
  (void)params;
  return product_of(out, 0) * (uint64_t)in[0]->dim[in[0]->rank - 1];
}

/* ---- table --------------------------------------------------------------- */
#define BYTES (OQ_DTM(U8) | OQ_DTM(I8))
#define ROW(dom, op, from, to, least, most, types, rule, f)                 \
  .domain = (dom), .name = (op), .since = (from), .last = (to),             \
  .min_in = (least), .max_in = (most), .min_out = 1, .max_out = 1,          \
  .flags = OQ_OP_QUANTIZED, .dtypes = (types), .infer = (rule), .run = (f), \
  .quant = {.cls = OQ_Q_NEVER}
#define CONV                                                  \
  .params_size = sizeof(qconv_params), OQ_ATTRS(qconv_attrs), \
  .check = qconv_check
#define MS "com.microsoft"

static const oq_op_def defs[] = {
    {ROW("", "ConvInteger", 10, 27, 2, 4, BYTES, conv_integer_infer,
         conv_integer_run),
     CONV, .macs = conv_integer_macs},
    {ROW("", "MatMulInteger", 10, 27, 2, 4, BYTES, matmul_integer_infer,
         matmul_integer_run),
     .macs = product_macs},
    {ROW("", "QLinearConv", 10, 27, 8, 9, BYTES, qlinear_conv_infer,
         qlinear_conv_run),
     CONV, .macs = qlinear_conv_macs},
    {ROW("", "QLinearMatMul", 10, 27, 8, 8, BYTES, qlinear_matmul_infer,
         qlinear_matmul_run),
     .macs = product_macs},

    {ROW(MS, "DynamicQuantizeMatMul", 1, 1, 3, 5, OQ_DTM(F32), dynamic_infer,
         dynamic_run),
     .macs = product_macs},
    {ROW(MS, "MatMulIntegerToFloat", 1, 1, 4, 7, BYTES, integer_to_float_infer,
         integer_to_float_run),
     .macs = product_macs},
    {ROW(MS, "QGemm", 1, 1, 6, 9, BYTES, qgemm_infer, qgemm_run),
     .params_size = sizeof(qgemm_params), OQ_ATTRS(qgemm_attrs)},
};

OQ_FAMILY(qlinear, defs);

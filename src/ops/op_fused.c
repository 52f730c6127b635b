/* What onnxruntime's optimizer makes of several operators (com.microsoft):
 * FusedConv, FusedGemm, FusedMatMul, the Gelus, and layer normalisations with
 * what stands before them. */
#include <string.h>

#include "kern/k_norm.h"
#include "ops/conv.h"
#include "ops/eltwise.h"
#include "ops/matmul.h"
#include "ops/op.h"
#include "ops/rules.h"
#include "ops/widen.h"

#define MS "com.microsoft"

static const oq_ctensor *input(const oq_run *r, uint32_t i) {
  return i < r->n_in ? r->in[i] : NULL;
}

/* out[0] = f(out[0]) */
static oq_status map_output(oq_run *r, const oq_unary *f,
                            const double p[OQ_UNARY_PARAMS]) {
  const oq_ctensor y = oq_tensor_const(&r->out[0]);
  const oq_ctensor *const in[] = {&y};
  oq_run q = *r;

  q.in = in;
  q.n_in = 1;
  return oq_eltwise_map(&q, f, p);
}

/* ---- activations by name ------------------------------------------------- */
typedef struct fused_act {
  const char *name;
  const oq_unary *f;
  double p[2]; /* defaults */
} fused_act;

static const fused_act acts[] = {
    {"Relu", &oq_k_relu, {0, 0}},
    {"Tanh", &oq_k_tanh_op, {0, 0}},
    {"Sigmoid", &oq_k_sigmoid_op, {0, 0}},
    {"LeakyRelu", &oq_k_leaky, {0.01, 0}},
    {"Clip", &oq_k_clip, {-3.4028234663852886e38, 3.4028234663852886e38}},
    {"HardSigmoid", &oq_k_hard_sigmoid, {0.2, 0.5}},
    {"HardSwish", &oq_k_hard_swish, {0, 0}},
    {"Elu", &oq_k_elu, {1, 0}},
    {"Softplus", &oq_k_softplus, {0, 0}},
    {"Softsign", &oq_k_softsign, {0, 0}},
};

/* NULL: none, or one that apply_act refuses. */
static const fused_act *find_act(oq_text name) {
  for (size_t i = 0; i < sizeof acts / sizeof *acts; i++)
    if (strlen(acts[i].name) == name.n &&
        memcmp(acts[i].name, name.p, name.n) == 0)
      return &acts[i];
  return NULL;
}

static oq_status apply_act(oq_run *r, const fused_act *a, oq_text name,
                           const float *given, uint32_t n) {
  double p[OQ_UNARY_PARAMS] = {0};

  if (name.n == 0) return OQ_OK;
  if (a == NULL)
    return oq_run_fail(r, OQ_E_UNSUPPORTED, "fused.activation",
                       "attribute 'activation' is \"%.*s\", which is not "
                       "implemented",
                       (int)(name.n < 64 ? name.n : 64), name.p);
  for (uint32_t i = 0; i < 2; i++) p[i] = i < n ? (double)given[i] : a->p[i];
  return map_output(r, a->f, p);
}

/* ---- FusedConv ----------------------------------------------------------- */
typedef struct fconv_params {
  oq_conv_params conv;
  oq_text activation;
  oq_f32s factors;
  const fused_act *act;
} fconv_params;

static const oq_attr_def fconv_attrs[] = {
    OQ_CONV_ATTRS(fconv_params, conv),
    {.name = "activation",
     .kind = OQ_ATTR_TEXT,
     .offset = offsetof(fconv_params, activation),
     .min = 1,
     .max = 0},
    OQ_A_F32S(fconv_params, factors, "activation_params"),
};

static oq_status fconv_check(const oq_graph *g, const oq_node *n, void *params,
                             oq_diags *d) {
  fconv_params *const p = params;

  p->act = find_act(p->activation);
  return oq_window_check(g, n, &p->conv.window, d);
}

/* Z is added to the result, and has its shape. */
static oq_status fconv_infer(oq_infer *x) {
  const fconv_params *const p = x->params;
  const oq_type *const z = oq_rule_ranked(x, 3);

  OQ_TRY(oq_infer_same_dtypes(x, 0, 4));
  OQ_TRY(oq_conv_rule(x, &p->conv, 1, 2, oq_infer_dtype(x, 0)));
  if (z == NULL || !x->out[0].has_rank) return OQ_OK;
  bool fits = z->rank == x->out[0].rank;
  for (uint32_t i = 0; fits && i < z->rank; i++) {
    const int64_t a = z->dim[i].size, b = x->out[0].dim[i].size;
    fits = a == b || a == OQ_DIM_UNKNOWN || b == OQ_DIM_UNKNOWN;
  }
  if (fits) return OQ_OK;
  return oq_infer_fail(x, OQ_E_MODEL, "fused.sum",
                       "input 3 has not the shape of the convolution");
}

static oq_status fconv_run(oq_run *r) {
  const fconv_params *const p = r->params;
  const oq_ctensor y = oq_tensor_const(&r->out[0]);

  OQ_TRY(oq_conv_run(r, &p->conv));
  if (input(r, 3) != NULL)
    OQ_TRY(oq_eltwise_pair(r, &oq_k_add, &r->out[0], &y, r->in[3]));
  return apply_act(r, p->act, p->activation, p->factors.v, p->factors.n);
}

static uint64_t fconv_macs(const void *params, const oq_shape *const *in,
                           const oq_shape *out) {
  uint64_t n = 1;

  (void)params;
  for (uint32_t i = 0; i < out->rank; i++) n *= (uint64_t)out->dim[i];
  for (uint32_t i = 1; i < in[1]->rank; i++) n *= (uint64_t)in[1]->dim[i];
  return n;
}

/* ---- FusedGemm ----------------------------------------------------------- */
typedef struct fgemm_params {
  oq_gemm_params gemm; /* first: oq_gemm_infer and oq_gemm_run look there */
  oq_text activation;
  float factor[2], gamma;
  bool has_alpha, has_beta;
  const fused_act *act;
} fgemm_params;

static const oq_attr_def fgemm_attrs[] = {
    OQ_A_F32(fgemm_params, gemm.alpha, "alpha", 1.0),
    OQ_A_F32(fgemm_params, gemm.beta, "beta", 1.0),
    OQ_A_I64(fgemm_params, gemm.trans_a, "transA", 0, 1, 0),
    OQ_A_I64(fgemm_params, gemm.trans_b, "transB", 0, 1, 0),
    {.name = "activation",
     .kind = OQ_ATTR_TEXT,
     .offset = offsetof(fgemm_params, activation),
     .min = 1,
     .max = 0},
    {.name = "activation_alpha",
     .kind = OQ_ATTR_F32,
     .offset = offsetof(fgemm_params, factor),
     .set_offset = offsetof(fgemm_params, has_alpha),
     .min = 1,
     .max = 0},
    {.name = "activation_beta",
     .kind = OQ_ATTR_F32,
     .offset = offsetof(fgemm_params, factor) + sizeof(float),
     .set_offset = offsetof(fgemm_params, has_beta),
     .min = 1,
     .max = 0},
    OQ_A_F32(fgemm_params, gamma, "activation_gamma", 0.0),
};

static oq_status fgemm_check(const oq_graph *g, const oq_node *n, void *params,
                             oq_diags *d) {
  fgemm_params *const p = params;

  (void)g, (void)n, (void)d;
  p->act = find_act(p->activation);
  if (p->act == NULL) return OQ_OK;
  if (!p->has_alpha) p->factor[0] = (float)p->act->p[0];
  if (!p->has_beta) p->factor[1] = (float)p->act->p[1];
  return OQ_OK;
}

static oq_status fgemm_run(oq_run *r) {
  const fgemm_params *const p = r->params;

  OQ_TRY(oq_gemm_run(r));
  return apply_act(r, p->act, p->activation, p->factor, 2);
}

/* ---- FusedMatMul --------------------------------------------------------- */
typedef struct fmatmul_params {
  float alpha;
  int64_t trans_a, trans_b, batch_a, batch_b;
} fmatmul_params;

static const oq_attr_def fmatmul_attrs[] = {
    OQ_A_F32(fmatmul_params, alpha, "alpha", 1.0),
    OQ_A_I64(fmatmul_params, trans_a, "transA", 0, 1, 0),
    OQ_A_I64(fmatmul_params, trans_b, "transB", 0, 1, 0),
    OQ_A_I64(fmatmul_params, batch_a, "transBatchA", 0, 1, 0),
    OQ_A_I64(fmatmul_params, batch_b, "transBatchB", 0, 1, 0),
};

/* Axis of the input that becomes axis i of the factor: with `batch` the first
 * axis goes behind the other batch axes, with `trans` the last two change. */
static uint32_t factor_axis(uint32_t i, uint32_t rank, bool trans, bool batch) {
  if (rank < 2) return i;
  if (trans && i + 2 >= rank) i = i + 1 == rank ? rank - 2 : rank - 1;
  if (!batch || i + 1 == rank) return i;
  return i + 2 == rank ? 0 : i + 1;
}

static oq_status fmatmul_infer(oq_infer *x) {
  const fmatmul_params *const p = x->params;
  const bool trans[] = {p->trans_a != 0, p->trans_b != 0};
  const bool batch[] = {p->batch_a != 0, p->batch_b != 0};
  const oq_type *in[2];
  oq_type turned[2];
  oq_infer y = *x;

  OQ_TRY(oq_infer_same_dtypes(x, 0, 2));
  for (uint32_t k = 0; k < 2; k++) {
    in[k] = x->in[k];
    const oq_type *const t = oq_rule_ranked(x, k);
    if (t == NULL) continue;
    turned[k] = *t;
    for (uint32_t i = 0; i < t->rank; i++)
      turned[k].dim[i] = t->dim[factor_axis(i, t->rank, trans[k], batch[k])];
    in[k] = &turned[k];
  }
  y.in = in;
  return oq_matmul_rule(&y, 0, 1, oq_infer_dtype(x, 0));
}

static oq_status turn_factor(oq_ctensor *out, const oq_run *r,
                             const oq_ctensor *t, bool trans, bool batch) {
  int64_t stride[OQ_MAX_RANK], strides[2][OQ_MAX_RANK] = {{0}};
  const size_t size = oq_dtype_bits((int32_t)t->dtype) / 8;
  int64_t step = 1, own = 1;
  oq_tensor y;
  oq_iter it;

  *out = *t;
  if ((!trans && !batch) || t->shape.rank < 2) return OQ_OK;
  for (uint32_t i = 0; i < t->shape.rank; i++)
    out->shape.dim[i] =
        t->shape.dim[factor_axis(i, t->shape.rank, trans, batch)];
  if (t->size == 0) return OQ_OK; /* the other sizes may be anything */
  for (uint32_t i = t->shape.rank; i-- > 0;) {
    stride[i] = step;
    step *= t->shape.dim[i];
  }
  for (uint32_t i = t->shape.rank; i-- > 0;) {
    strides[1][i] = stride[factor_axis(i, t->shape.rank, trans, batch)];
    strides[0][i] = own;
    own *= out->shape.dim[i];
  }
  if (oq_tensor_make(&y, t->dtype, &out->shape, r->scratch) != OQ_OK)
    return oq_fail_memory(r->diags);
  oq_iter_init_strided(&it, &out->shape, (const int64_t(*)[OQ_MAX_RANK])strides,
                       2);
  do {
    for (int64_t i = 0; i < (int64_t)it.run; i++)
      memcpy((uint8_t *)y.data + (size_t)(it.offset[0] + i * it.step[0]) * size,
             (const uint8_t *)t->data +
                 (size_t)(it.offset[1] + i * it.step[1]) * size,
             size);
  } while (oq_iter_next(&it));
  *out = oq_tensor_const(&y);
  return OQ_OK;
}

static oq_status scale_output(oq_run *r, float by) {
  const oq_ctensor y = oq_tensor_const(&r->out[0]);
  uint64_t room = 0;
  oq_tensor number = {.dtype = y.dtype, .size = sizeof room, .data = &room};

  if (by == 1.0f) return OQ_OK;
  oq_element_set_f64(&number, 0, (double)by);
  const oq_ctensor factor = oq_tensor_const(&number);
  return oq_eltwise_pair(r, &oq_k_mul, &r->out[0], &y, &factor);
}

static oq_status fmatmul_run(oq_run *r) {
  const fmatmul_params *const p = r->params;
  oq_ctensor a, b;
  const oq_ctensor *const in[] = {&a, &b};
  oq_run q = *r;

  OQ_TRY(turn_factor(&a, r, r->in[0], p->trans_a != 0, p->batch_a != 0));
  OQ_TRY(turn_factor(&b, r, r->in[1], p->trans_b != 0, p->batch_b != 0));
  q.in = in;
  OQ_TRY(oq_matmul_run(&q));
  return scale_output(r, p->alpha);
}

/* ---- Gelus --------------------------------------------------------------- */
typedef struct gelu_params {
  float alpha;
} gelu_params;

static const oq_attr_def quick_attrs[] = {
    OQ_A_F32(gelu_params, alpha, "alpha", 1.702),
};

/* The bias is a vector along the last axis. */
static oq_status gelu_infer(oq_infer *x) {
  const oq_type *const t = oq_rule_ranked(x, 0), *const b =
                                                     oq_rule_ranked(x, 1);

  OQ_TRY(oq_infer_same_dtypes(x, 0, 2));
  if (b != NULL &&
      (b->rank != 1 ||
       (t != NULL && (t->rank == 0 ||
                      (t->dim[t->rank - 1].size >= 0 && b->dim[0].size >= 0 &&
                       t->dim[t->rank - 1].size != b->dim[0].size)))))
    return oq_infer_fail(x, OQ_E_MODEL, "fused.bias",
                         "the bias is no vector as long as the last axis");
  return oq_infer_same(x);
}

static oq_status gelu_run(oq_run *r, const oq_unary *f) {
  static const double none[OQ_UNARY_PARAMS];

  if (input(r, 1) == NULL) return oq_eltwise_map(r, f, none);
  OQ_TRY(oq_eltwise_pair(r, &oq_k_add, &r->out[0], r->in[0], r->in[1]));
  return map_output(r, f, none);
}

static oq_status exact_gelu_run(oq_run *r) { return gelu_run(r, &oq_k_gelu); }
static oq_status fast_gelu_run(oq_run *r) {
  return gelu_run(r, &oq_k_gelu_tanh);
}

static oq_status quick_gelu_run(oq_run *r) {
  const gelu_params *const q = r->params;
  const double p[OQ_UNARY_PARAMS] = {(double)q->alpha};

  return oq_eltwise_map(r, &oq_k_swish, p);
}

/* ---- normalisations ------------------------------------------------------ */
typedef struct fnorm_params {
  float epsilon;
  int64_t axis, stash, mask_type;
} fnorm_params;

static const oq_attr_def skip_attrs[] = {
    OQ_A_F32(fnorm_params, epsilon, "epsilon", 1e-12),
};
static const oq_attr_def embed_attrs[] = {
    OQ_A_F32(fnorm_params, epsilon, "epsilon", 1e-12),
    OQ_A_I64(fnorm_params, mask_type, "mask_index_type", 0, 0, 1),
};
static const oq_attr_def simple_attrs[] = {
    OQ_A_AXIS(fnorm_params, axis, "axis", -1),
    OQ_A_F32(fnorm_params, epsilon, "epsilon", 1e-5),
    OQ_A_I64(fnorm_params, stash, "stash_type", 1, 1, 0),
};

/* Input i is a vector of n. */
static oq_status check_vector(const oq_infer *x, uint32_t i, int64_t n) {
  const oq_type *const t = oq_rule_ranked(x, i);

  if (t == NULL ||
      (t->rank == 1 && (t->dim[0].size == n || n < 0 || t->dim[0].size < 0)))
    return OQ_OK;
  return oq_infer_fail(x, OQ_E_MODEL, "norm.shape",
                       "input %u is no vector of %lld", i, (long long)n);
}

/* Mean and deviation of each row: outputs from..to. */
static void set_rows(oq_infer *x, uint32_t from, uint32_t to, const oq_type *t,
                     uint32_t axis) {
  for (uint32_t i = from; i < to && i < x->n_out; i++) {
    oq_infer_set_rank(x, i, OQ_DT_F32, t->rank);
    for (uint32_t k = 0; k < t->rank; k++)
      x->out[i].dim[k] = k < axis ? t->dim[k] : (oq_dim){.size = 1};
  }
}

/* The skip is the input's shape, or lacks (or has 1 of) the batch. */
static oq_status check_skip(const oq_infer *x, const oq_type *t) {
  const oq_type *const s = oq_rule_ranked(x, 1);

  if (s == NULL) return OQ_OK;
  bool fits = s->rank <= t->rank && s->rank + 1 >= t->rank;
  for (uint32_t i = 0; fits && i < s->rank; i++) {
    const int64_t a = s->dim[i].size, b = t->dim[t->rank - s->rank + i].size;
    fits = a == b || a < 0 || b < 0 || (a == 1 && i == 0 && s->rank == t->rank);
  }
  if (fits) return OQ_OK;
  return oq_infer_fail(x, OQ_E_MODEL, "norm.shape",
                       "input 1 cannot be added to input 0");
}

static oq_status skip_infer(oq_infer *x) {
  const oq_type *const t = oq_rule_ranked(x, 0);

  OQ_TRY(oq_infer_same_dtypes(x, 0, x->n_in));
  OQ_TRY(oq_infer_same(x));
  if (x->n_out > 3 && oq_infer_in(x, 0) != NULL) x->out[3] = x->out[0];
  if (t == NULL) return OQ_OK;
  if (t->rank < 2)
    return oq_infer_fail(x, OQ_E_MODEL, "norm.rank",
                         "the input has rank %u, expected 2 or more", t->rank);
  OQ_TRY(check_skip(x, t));
  for (uint32_t i = 2; i < x->n_in; i++)
    OQ_TRY(check_vector(x, i, t->dim[t->rank - 1].size));
  set_rows(x, 1, 3, t, t->rank - 1);
  return OQ_OK;
}

static oq_status take_out(float **out, const oq_run *r, uint32_t i) {
  *out = NULL;
  if (i >= r->n_out || r->out[i].data == NULL) return OQ_OK;
  return oq_widen_out(out, r, i);
}

static void done_out(const oq_run *r, uint32_t i, const float *v) {
  if (v != NULL) oq_widen_done(r, i, v);
}

/* y = normalised rows * gamma + beta */
static void scale_rows(float *y, const float *gamma, const float *beta,
                       size_t rows, size_t n) {
  for (size_t i = 0; i < rows; i++)
    for (size_t k = 0; k < n; k++)
      y[i * n + k] = y[i * n + k] * gamma[k] + (beta != NULL ? beta[k] : 0.0f);
}

static oq_status add_skip(oq_run *r, float *sum, uint32_t bias_at, size_t all,
                          size_t n) {
  const float *x, *skip, *bias;
  const size_t period = oq_tensor_count(r->in[1]);

  OQ_TRY(oq_widen_in(&x, r, r->in[0]));
  OQ_TRY(oq_widen_in(&skip, r, r->in[1]));
  OQ_TRY(oq_widen_in(&bias, r, input(r, bias_at)));
  for (size_t i = 0; i < all; i++) sum[i] = x[i] + skip[i % period];
  for (size_t i = 0; bias != NULL && i < all; i++) sum[i] += bias[i % n];
  return OQ_OK;
}

static oq_status skip_norm(oq_run *r, bool centre) {
  const fnorm_params *const p = r->params;
  const oq_shape *const s = &r->in[0]->shape;
  const size_t all = oq_tensor_count(r->in[0]);
  const size_t n = (size_t)s->dim[s->rank - 1];
  float *y, *sum, *mean, *inverse;
  const float *gamma, *beta;

  if (all == 0) return OQ_OK;
  OQ_TRY(take_out(&y, r, 0));
  OQ_TRY(take_out(&mean, r, 1));
  OQ_TRY(take_out(&inverse, r, 2));
  OQ_TRY(take_out(&sum, r, 3));
  if (sum == NULL)
    sum = oq_arena_alloc_raw(r->scratch, all, sizeof *sum, OQ_ALIGN);
  if (sum == NULL) return oq_fail_memory(r->diags);
  OQ_TRY(oq_widen_in(&gamma, r, r->in[2]));
  OQ_TRY(oq_widen_in(&beta, r, centre ? input(r, 3) : NULL));
  OQ_TRY(add_skip(r, sum, centre ? 4 : 3, all, n));
  if (!centre && mean != NULL) memset(mean, 0, all / n * sizeof *mean);
  oq_norm_rows_f32(y, sum, all / n, n, p->epsilon, centre, centre ? mean : NULL,
                   inverse);
  scale_rows(y, gamma, beta, all / n, n);
  done_out(r, 0, y);
  done_out(r, 1, mean);
  done_out(r, 2, inverse);
  if (r->n_out > 3 && r->out[3].data != NULL) done_out(r, 3, sum);
  return OQ_OK;
}

static oq_status skip_layer_run(oq_run *r) { return skip_norm(r, true); }
static oq_status skip_simple_run(oq_run *r) { return skip_norm(r, false); }

/* ---- SimplifiedLayerNormalization ---------------------------------------- */
static oq_status simple_infer(oq_infer *x) {
  const fnorm_params *const p = x->params;
  const oq_type *const t = oq_rule_ranked(x, 0), *const g =
                                                     oq_rule_ranked(x, 1);
  uint32_t axis;

  OQ_TRY(oq_infer_same(x));
  if (oq_infer_dtype(x, 1) != OQ_DT_NONE)
    oq_infer_set_dtype(x, 0, oq_infer_dtype(x, 1));
  if (t == NULL) {
    if (x->n_out > 1) oq_infer_set_dtype(x, 1, OQ_DT_F32);
    return OQ_OK;
  }
  OQ_TRY(oq_rule_axis(&axis, x, p->axis, t->rank));
  bool fits = g == NULL || g->rank == t->rank - axis;
  for (uint32_t i = 0; g != NULL && fits && i < g->rank; i++) {
    const int64_t a = g->dim[i].size, b = t->dim[axis + i].size;
    fits = a == b || a < 0 || b < 0;
  }
  if (!fits)
    return oq_infer_fail(x, OQ_E_MODEL, "norm.shape",
                         "the scale has not the shape of the normalised axes");
  set_rows(x, 1, 2, t, axis);
  return OQ_OK;
}

static oq_status simple_f64(oq_run *r, size_t rows, size_t n, double eps) {
  const double *x, *gamma;
  double *y, *inverse = NULL;

  OQ_TRY(oq_widen_in_f64(&x, r, r->in[0]));
  OQ_TRY(oq_widen_in_f64(&gamma, r, r->in[1]));
  OQ_TRY(oq_widen_out_f64(&y, r, 0));
  if (r->n_out > 1 && r->out[1].data != NULL)
    OQ_TRY(oq_widen_out_f64(&inverse, r, 1));
  oq_norm_rows_f64(y, x, rows, n, eps, false, NULL, inverse);
  for (size_t i = 0; i < rows * n; i++) y[i] *= gamma[i % n];
  oq_widen_done_f64(r, 0, y);
  if (inverse != NULL) oq_widen_done_f64(r, 1, inverse);
  return OQ_OK;
}

static oq_status simple_run(oq_run *r) {
  const fnorm_params *const p = r->params;
  const oq_shape *const s = &r->in[0]->shape;
  const float *x, *gamma;
  float *y, *inverse;
  uint32_t axis;

  if (!oq_axis_normalize(&axis, p->axis, s->rank)) return OQ_E_INTERNAL;
  if (r->out[0].size == 0) return OQ_OK;
  const size_t rows = oq_dims_product(s, 0, axis);
  const size_t n = oq_dims_product(s, axis, s->rank);
  if (r->in[0]->dtype == OQ_DT_F64)
    return simple_f64(r, rows, n, (double)p->epsilon);
  OQ_TRY(oq_widen_in(&x, r, r->in[0]));
  OQ_TRY(oq_widen_in(&gamma, r, r->in[1]));
  OQ_TRY(take_out(&y, r, 0));
  OQ_TRY(take_out(&inverse, r, 1));
  oq_norm_rows_f32(y, x, rows, n, p->epsilon, false, NULL, inverse);
  scale_rows(y, gamma, NULL, rows, n);
  done_out(r, 0, y);
  done_out(r, 1, inverse);
  return OQ_OK;
}

/* ---- EmbedLayerNormalization --------------------------------------------- */
enum { IDS, SEGMENTS, WORDS, POSITIONS, KINDS, GAMMA, BETA, MASK, PLACES };

static bool has_in(const oq_infer *x, uint32_t i) {
  return i < x->n_in && oq_value_ok(x->node->in[i]);
}

static oq_status embed_table(const oq_infer *x, uint32_t i, int64_t *width) {
  const oq_type *const t = oq_rule_ranked(x, i);

  if (t == NULL) return OQ_OK;
  if (t->rank != 2)
    return oq_infer_fail(x, OQ_E_MODEL, "embed.rank",
                         "input %u has rank %u, expected 2", i, t->rank);
  if (i != WORDS && i != POSITIONS && i != KINDS) return OQ_OK;
  const int64_t n = t->dim[1].size;
  if (*width >= 0 && n >= 0 && *width != n)
    return oq_infer_fail(x, OQ_E_MODEL, "embed.shape",
                         "tables have rows of %lld and %lld numbers",
                         (long long)*width, (long long)n);
  if (n >= 0) *width = n;
  return OQ_OK;
}

static oq_status embed_tables(const oq_infer *x, int64_t *width) {
  static const uint8_t at[] = {IDS,   SEGMENTS, WORDS, POSITIONS,
                               KINDS, MASK,     PLACES};

  for (size_t i = 0; i < sizeof at; i++) OQ_TRY(embed_table(x, at[i], width));
  if (!has_in(x, WORDS) || !has_in(x, POSITIONS) || !has_in(x, GAMMA) ||
      !has_in(x, BETA) || has_in(x, SEGMENTS) != has_in(x, KINDS))
    return oq_infer_fail(x, OQ_E_MODEL, "op.arity",
                         "a required input is absent");
  OQ_TRY(check_vector(x, GAMMA, *width));
  return check_vector(x, BETA, *width);
}

/* Inputs that are numbered like the words. */
static oq_status embed_like_ids(const oq_infer *x, const oq_type *ids) {
  static const uint8_t at[] = {SEGMENTS, MASK, PLACES};

  for (size_t i = 0; i < sizeof at; i++) {
    const oq_type *const t = oq_rule_ranked(x, at[i]);
    for (uint32_t k = 0; t != NULL && k < 2; k++) {
      const int64_t a = t->dim[k].size, b = ids->dim[k].size;
      if (a == b || a < 0 || b < 0 || (k == 0 && a == 1 && at[i] == PLACES))
        continue;
      return oq_infer_fail(x, OQ_E_MODEL, "embed.shape",
                           "input %u has not the shape of the words",
                           (unsigned)at[i]);
    }
  }
  return OQ_OK;
}

static oq_status embed_infer(oq_infer *x) {
  const oq_type *const ids = oq_rule_ranked(x, IDS);
  const oq_dtype t = oq_infer_dtype(x, WORDS);
  int64_t width = OQ_DIM_UNKNOWN;

  OQ_TRY(embed_tables(x, &width));
  for (uint32_t i = 0; i < 2; i++)
    OQ_TRY(oq_rule_indices(x, i == 0 ? IDS : SEGMENTS));
  OQ_TRY(oq_rule_indices(x, MASK));
  OQ_TRY(oq_rule_indices(x, PLACES));
  if (x->n_out > 1) oq_infer_set_rank(x, 1, OQ_DT_I32, 1);
  for (uint32_t i = 0; i < x->n_out && t != OQ_DT_NONE; i += 2) {
    oq_infer_set_rank(x, i, t, 3);
    x->out[i].dim[2].size = width;
  }
  if (ids == NULL) return OQ_OK;
  OQ_TRY(embed_like_ids(x, ids));
  for (uint32_t i = 0; i < x->n_out; i++) {
    x->out[i].dim[0] = ids->dim[0];
    if (i != 1 && t != OQ_DT_NONE) x->out[i].dim[1] = ids->dim[1];
  }
  return OQ_OK;
}

static oq_status add_embedding(oq_run *r, float *sum, const int64_t *at,
                               size_t n_at, uint32_t table, size_t period) {
  const size_t n = (size_t)r->in[table]->shape.dim[1];
  const int64_t rows = r->in[table]->shape.dim[0];
  const float *w;

  OQ_TRY(oq_widen_in(&w, r, r->in[table]));
  for (size_t i = 0; i < n_at; i++) {
    const int64_t row = at != NULL ? at[i % period] : (int64_t)(i % period);
    if (row < 0 || row >= rows)
      return oq_run_fail(r, OQ_E_DATA, "embed.index",
                         "row %lld of the table at input %u does not exist: "
                         "it has %lld",
                         (long long)row, table, (long long)rows);
    for (size_t k = 0; k < n; k++) sum[i * n + k] += w[(size_t)row * n + k];
  }
  return OQ_OK;
}

static oq_status read_ids(const int64_t **out, size_t *n, oq_run *r,
                          uint32_t i) {
  uint32_t count;

  if (oq_ints_read(out, &count, input(r, i), r->scratch) != OQ_OK)
    return oq_fail_memory(r->diags);
  *n = count;
  return OQ_OK;
}

static oq_status embed_sum(oq_run *r, float *sum, size_t words, size_t len) {
  const int64_t *ids, *segments, *places;
  size_t n_ids, n_segments, n_places;

  OQ_TRY(read_ids(&ids, &n_ids, r, IDS));
  OQ_TRY(read_ids(&segments, &n_segments, r, SEGMENTS));
  OQ_TRY(read_ids(&places, &n_places, r, PLACES));
  OQ_TRY(add_embedding(r, sum, ids, words, WORDS, words));
  OQ_TRY(add_embedding(r, sum, places, words, POSITIONS,
                       places != NULL ? n_places : len));
  if (segments == NULL) return OQ_OK;
  return add_embedding(r, sum, segments, words, KINDS, words);
}

/* The number of words that the mask lets through. */
static oq_status embed_mask(oq_run *r, size_t batch, size_t len) {
  const int64_t *mask;
  size_t n;

  if (r->n_out < 2 || r->out[1].data == NULL) return OQ_OK;
  OQ_TRY(read_ids(&mask, &n, r, MASK));
  for (size_t b = 0; b < batch; b++) {
    int32_t count = 0;
    for (size_t i = 0; mask != NULL && i < len; i++)
      count += mask[b * len + i] == 1;
    ((int32_t *)r->out[1].data)[b] = count;
  }
  return OQ_OK;
}

static oq_status embed_run(oq_run *r) {
  const fnorm_params *const p = r->params;
  const oq_shape *const s = &r->out[0].shape;
  const size_t batch = (size_t)s->dim[0], len = (size_t)s->dim[1];
  const size_t n = (size_t)s->dim[2], words = batch * len;
  const float *gamma, *beta;
  float *y, *sum;

  OQ_TRY(embed_mask(r, batch, len));
  if (r->out[0].size == 0) return OQ_OK;
  OQ_TRY(take_out(&y, r, 0));
  OQ_TRY(take_out(&sum, r, 2));
  if (sum == NULL)
    sum = oq_arena_alloc_raw(r->scratch, words * n, sizeof *sum, OQ_ALIGN);
  if (sum == NULL) return oq_fail_memory(r->diags);
  memset(sum, 0, words * n * sizeof *sum);
  OQ_TRY(embed_sum(r, sum, words, len));
  OQ_TRY(oq_widen_in(&gamma, r, r->in[GAMMA]));
  OQ_TRY(oq_widen_in(&beta, r, r->in[BETA]));
  oq_norm_rows_f32(y, sum, words, n, p->epsilon, true, NULL, NULL);
  scale_rows(y, gamma, beta, words, n);
  done_out(r, 0, y);
  if (r->n_out > 2 && r->out[2].data != NULL) done_out(r, 2, sum);
  return OQ_OK;
}

/* ---- table --------------------------------------------------------------- */
#define NARROW (OQ_DTM(F32) | OQ_DTM(F16) | OQ_DTM(BF16))
#define MAPS                 \
  .quant = {.cls = OQ_Q_MAP, \
            .role = {OQ_ROLE_DATA, OQ_ROLE_NONE, OQ_ROLE_NONE, OQ_ROLE_NONE}}
#define ROW(op, least, most, outs, types, rule, f)                 \
  .name = (op), .min_in = (least), .max_in = (most), .min_out = 1, \
  .max_out = (outs), .dtypes = (types), .infer = (rule), .run = (f), MAPS
#define OURS .domain = MS, .since = 1, .last = 1
#define PARAMS(T, table) .params_size = sizeof(T), OQ_ATTRS(table)

static const oq_op_def defs[] = {
    {OURS, ROW("BiasGelu", 2, 2, 1, OQ_DTM_FLOAT, gelu_infer, exact_gelu_run)},
    /* Inputs in the middle may be absent: the rule says which. */
    {OURS,
     ROW("EmbedLayerNormalization", 1, 9, 3, OQ_DTM(I32) | OQ_DTM(I64),
         embed_infer, embed_run),
     PARAMS(fnorm_params, embed_attrs)},
    {OURS, ROW("FastGelu", 1, 2, 1, OQ_DTM_FLOAT, gelu_infer, fast_gelu_run)},
    {OURS, ROW("FusedConv", 2, 4, 1, OQ_DTM_FLOAT, fconv_infer, fconv_run),
     PARAMS(fconv_params, fconv_attrs), .check = fconv_check,
     .macs = fconv_macs},
    {OURS, ROW("FusedGemm", 2, 3, 1, OQ_DTM_FLOAT, oq_gemm_infer, fgemm_run),
     PARAMS(fgemm_params, fgemm_attrs), .check = fgemm_check},
    {OURS,
     ROW("FusedMatMul", 2, 2, 1, OQ_DTM_FLOAT, fmatmul_infer, fmatmul_run),
     PARAMS(fmatmul_params, fmatmul_attrs)},
    {OURS, ROW("Gelu", 1, 1, 1, OQ_DTM_FLOAT, gelu_infer, exact_gelu_run)},
    {OURS, ROW("QuickGelu", 1, 1, 1, OQ_DTM_FLOAT, gelu_infer, quick_gelu_run),
     PARAMS(gelu_params, quick_attrs)},
    {OURS,
     ROW("SkipLayerNormalization", 3, 5, 4, NARROW, skip_infer, skip_layer_run),
     PARAMS(fnorm_params, skip_attrs)},
    {OURS,
     ROW("SkipSimplifiedLayerNormalization", 3, 4, 4, NARROW, skip_infer,
         skip_simple_run),
     PARAMS(fnorm_params, skip_attrs)},
    /* onnxruntime has it in the default domain. */
    {.domain = "",
     .since = 1,
     .last = 27,
     ROW("SimplifiedLayerNormalization", 2, 2, 2, OQ_DTM_FLOAT, simple_infer,
         simple_run),
     PARAMS(fnorm_params, simple_attrs)},
    {OURS,
     ROW("SimplifiedLayerNormalization", 2, 2, 2, OQ_DTM_FLOAT, simple_infer,
         simple_run),
     PARAMS(fnorm_params, simple_attrs)},
};

OQ_FAMILY(fused, defs);

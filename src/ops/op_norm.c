/* Normalisations: BatchNormalization, InstanceNormalization,
 * LayerNormalization, GroupNormalization, RMSNormalization, LRN,
 * LpNormalization, MeanVarianceNormalization.  float32 is worked on as it is,
 * all other types in float64. */
#include <math.h>
#include <string.h>

#include "kern/k_move.h"
#include "kern/k_norm.h"
#include "ops/op.h"
#include "ops/rules.h"
#include "ops/widen.h"

typedef struct norm_params {
  float epsilon, momentum;
  int64_t training_mode, spatial, is_test; /* BatchNormalization */
  int64_t axis, stash_type;                /* Layer, RMS */
  int64_t num_groups;
  int64_t p;                /* Lp */
  oq_i64s axes;             /* MeanVariance */
  int64_t across, variance; /* MeanVariance below 9 */
} norm_params;

static bool is_f32(const oq_run *r) { return r->in[0]->dtype == OQ_DT_F32; }

/* Every other input is a float too. */
static oq_status check_floats(const oq_infer *x) {
  for (uint32_t i = 1; i < x->n_in; i++) {
    const oq_dtype t = oq_infer_dtype(x, i);
    if (t != OQ_DT_NONE && !oq_dtype_is_float((int32_t)t))
      return oq_infer_fail(x, OQ_E_MODEL, "op.dtype",
                           "input %u is %s, expected floating point", i,
                           oq_dtype_text((int32_t)t));
  }
  return OQ_OK;
}

/* Input i is a vector of `n` (unknown: -1). */
static oq_status check_vector(const oq_infer *x, uint32_t i, int64_t n) {
  const oq_type *const t = oq_rule_ranked(x, i);

  if (t == NULL) return OQ_OK;
  if (t->rank != 1)
    return oq_infer_fail(x, OQ_E_MODEL, "norm.shape",
                         "input %u has rank %u, expected 1", i, t->rank);
  if (n == OQ_DIM_UNKNOWN || t->dim[0].size == OQ_DIM_UNKNOWN ||
      t->dim[0].size == n)
    return OQ_OK;
  return oq_infer_fail(x, OQ_E_MODEL, "norm.shape",
                       "input %u has %lld values, expected %lld", i,
                       (long long)t->dim[0].size, (long long)n);
}

static oq_status check_rank(const oq_infer *x, const oq_type *t,
                            uint32_t least) {
  if (t == NULL || t->rank >= least) return OQ_OK;
  return oq_infer_fail(x, OQ_E_MODEL, "norm.rank",
                       "the input has rank %u, expected %u or more", t->rank,
                       least);
}

/* ---- scale and bias, broadcast ------------------------------------------- */
/* [C] as it meets an input of rank `rank`: [1, C, 1, ...]. */
static oq_shape channel_shape(size_t c, uint32_t rank) {
  oq_shape s = {.rank = rank};

  for (uint32_t i = 0; i < rank; i++) s.dim[i] = i == 1 ? (int64_t)c : 1;
  return s;
}

/* y = y * a + b with a, b broadcast to `s`; b may be NULL. */
#define SCALE_SHIFT(T, sfx)                                           \
  static void scale_shift_##sfx(T *y, const oq_shape *s, const T *a,  \
                                const oq_shape *as, const T *b,       \
                                const oq_shape *bs) {                 \
    const oq_shape *const shapes[] = {s, as, b == NULL ? as : bs};    \
    oq_iter it;                                                       \
    oq_iter_init(&it, s, shapes, 3);                                  \
    do {                                                              \
      T *const to = y + it.offset[0];                                 \
      const T *const pa = a + it.offset[1];                           \
      const T *const pb = b == NULL ? NULL : b + it.offset[2];        \
      for (size_t i = 0; i < it.run; i++) {                           \
        const int64_t k = (int64_t)i;                                 \
        const T v = to[k * it.step[0]] * pa[k * it.step[1]];          \
        to[k * it.step[0]] = pb == NULL ? v : v + pb[k * it.step[2]]; \
      }                                                               \
    } while (oq_iter_next(&it));                                      \
  }
SCALE_SHIFT(float, f32)
SCALE_SHIFT(double, f64)

/* Rows of `n` of input 0, seen as shape `s`, normalised and then scaled by
 * inputs 1 and 2 of shape `as`, `bs`. */
typedef struct row_norm {
  oq_shape s, as, bs;
  size_t rows, n;
  bool centre, scaled;
} row_norm;

static const oq_ctensor *input(const oq_run *r, uint32_t i) {
  return i < r->n_in ? r->in[i] : NULL;
}

static bool wants(const oq_run *r, uint32_t i) {
  return i < r->n_out && r->out[i].data != NULL;
}

#define NORM_ROWS(T, sfx, widen)                                            \
  static oq_status norm_rows_##sfx(oq_run *r, const row_norm *q) {          \
    const T eps = (T)((const norm_params *)r->params)->epsilon;             \
    const T *x, *a = NULL, *b = NULL;                                       \
    T *y, *mean = NULL, *inverse = NULL;                                    \
    OQ_TRY(oq_widen_in##widen(&x, r, r->in[0]));                            \
    if (q->scaled) OQ_TRY(oq_widen_in##widen(&a, r, input(r, 1)));          \
    if (q->scaled) OQ_TRY(oq_widen_in##widen(&b, r, input(r, 2)));          \
    OQ_TRY(oq_widen_out##widen(&y, r, 0));                                  \
    if (wants(r, 1)) OQ_TRY(oq_widen_out##widen(&mean, r, 1));              \
    if (wants(r, 2)) OQ_TRY(oq_widen_out##widen(&inverse, r, 2));           \
    oq_norm_rows_##sfx(y, x, q->rows, q->n, eps, q->centre, mean, inverse); \
    if (a != NULL) scale_shift_##sfx(y, &q->s, a, &q->as, b, &q->bs);       \
    oq_widen_done##widen(r, 0, y);                                          \
    if (mean != NULL) oq_widen_done##widen(r, 1, mean);                     \
    if (inverse != NULL) oq_widen_done##widen(r, 2, inverse);               \
    return OQ_OK;                                                           \
  }
NORM_ROWS(float, f32, )
NORM_ROWS(double, f64, _f64)

static oq_status norm_rows(oq_run *r, const row_norm *q) {
  return is_f32(r) && r->out[0].dtype == OQ_DT_F32 ? norm_rows_f32(r, q)
                                                   : norm_rows_f64(r, q);
}

/* ---- BatchNormalization -------------------------------------------------- */
static const oq_attr_def batch_attrs_6[] = {
    OQ_A_F32(norm_params, epsilon, "epsilon", 1e-5),
    OQ_A_F32(norm_params, momentum, "momentum", 0.9),
    OQ_A_I64(norm_params, is_test, "is_test", 0, INT64_MIN, INT64_MAX),
    OQ_A_I64(norm_params, spatial, "spatial", 1, INT64_MIN, INT64_MAX),
};
static const oq_attr_def batch_attrs_7[] = {
    OQ_A_F32(norm_params, epsilon, "epsilon", 1e-5),
    OQ_A_F32(norm_params, momentum, "momentum", 0.9),
    OQ_A_I64(norm_params, spatial, "spatial", 1, INT64_MIN, INT64_MAX),
};
static const oq_attr_def batch_attrs_9[] = {
    OQ_A_F32(norm_params, epsilon, "epsilon", 1e-5),
    OQ_A_F32(norm_params, momentum, "momentum", 0.9),
    OQ_A_I64(norm_params, training_mode, "training_mode", 0, 0, 1),
};
enum { BATCH_ATTRS_9 = 2, BATCH_ATTRS_14 = 3 };

static oq_status batch_infer(oq_infer *x) {
  const oq_type *const t = oq_rule_ranked(x, 0);
  oq_dim c = {.size = OQ_DIM_UNKNOWN};

  OQ_TRY(check_floats(x));
  OQ_TRY(oq_infer_same(x));
  if (t != NULL) {
    OQ_TRY(check_rank(x, t, 1));
    c = t->rank > 1 ? t->dim[1] : (oq_dim){.size = 1};
  }
  for (uint32_t i = 1; i < 5; i++) OQ_TRY(check_vector(x, i, c.size));
  for (uint32_t i = 1; i < x->n_out; i++) {
    const oq_dtype u = oq_infer_dtype(x, i <= 2 ? i + 2 : i);
    if (u == OQ_DT_NONE) continue;
    oq_infer_set_rank(x, i, u, 1);
    x->out[i].dim[0] = c;
  }
  return OQ_OK;
}

typedef struct batch_sizes {
  size_t batch, channels, inner;
} batch_sizes;

static batch_sizes batch_of(const oq_shape *s) {
  if (s->rank == 1) return (batch_sizes){(size_t)s->dim[0], 1, 1};
  return (batch_sizes){(size_t)s->dim[0], (size_t)s->dim[1],
                       oq_dims_product(s, 2, s->rank)};
}

/* y = x * a[c] + b[c], from float64 factors. */
static oq_status batch_apply(oq_run *r, const batch_sizes *z, const double *a,
                             const double *b) {
  const size_t planes = z->batch * z->channels, n = z->inner;

  if (is_f32(r)) {
    const float *const x = r->in[0]->data;
    float *const y = r->out[0].data;
    for (size_t p = 0; p < planes; p++)
      oq_affine_f32(y + p * n, x + p * n, n, (float)a[p % z->channels],
                    (float)b[p % z->channels]);
    return OQ_OK;
  }
  const double *x;
  double *y;
  OQ_TRY(oq_widen_in_f64(&x, r, r->in[0]));
  OQ_TRY(oq_widen_out_f64(&y, r, 0));
  for (size_t p = 0; p < planes; p++)
    oq_affine_f64(y + p * n, x + p * n, n, a[p % z->channels],
                  b[p % z->channels]);
  oq_widen_done_f64(r, 0, y);
  return OQ_OK;
}

/* Mean and variance of each channel of this batch. */
static oq_status batch_statistics(const oq_run *r, const batch_sizes *z,
                                  double *mean, double *var) {
  const double count = (double)(z->batch * z->inner);

  for (size_t c = 0; c < z->channels; c++) {
    double sum = 0, squares = 0;
    for (int pass = 0; pass < 2; pass++) {
      for (size_t i = 0; i < z->batch * z->inner; i++) {
        const size_t plane = i / z->inner * z->channels + c;
        const double v =
            oq_element_f64(r->in[0], plane * z->inner + i % z->inner);
        if (pass == 0)
          sum += v;
        else
          squares += (v - sum / count) * (v - sum / count);
      }
    }
    mean[c] = sum / count;
    var[c] = squares / count;
  }
  return OQ_OK;
}

/* The outputs of training: old statistics and those of the batch, mixed. */
static void batch_running(oq_run *r, uint32_t i, const double *now, size_t n) {
  const double keep = (double)((const norm_params *)r->params)->momentum;

  if (!wants(r, i)) return;
  for (size_t c = 0; c < n; c++)
    oq_element_set_f64(
        &r->out[i], c,
        oq_element_f64(r->in[i + 2], c) * keep + now[c] * (1.0 - keep));
}

static oq_status batch_refuse(const oq_run *r) {
  const norm_params *const p = r->params;

  if (r->opset < 9 && p->spatial == 0)
    return oq_run_fail(
        r, OQ_E_UNSUPPORTED, "batchnorm.spatial",
        "'spatial' is 0, expected 1: statistics of each place are "
        "not implemented");
  if (r->opset < 7 && p->is_test == 0)
    return oq_run_fail(r, OQ_E_UNSUPPORTED, "batchnorm.training",
                       "'is_test' is 0, expected 1: before opset 7 only "
                       "inference is implemented");
  for (uint32_t i = 1; i < r->n_out; i++)
    if (r->wanted[i] && p->training_mode == 0)
      return oq_run_fail(r, OQ_E_UNSUPPORTED, "batchnorm.training",
                         "output %u exists in training only", i);
  return OQ_OK;
}

static oq_status batch_run(oq_run *r) {
  const norm_params *const p = r->params;
  const batch_sizes z = batch_of(&r->in[0]->shape);
  const double *scale, *bias, *mean, *var;
  double *const a = OQ_NEW_N(r->scratch, double, z.channels);
  double *const b = OQ_NEW_N(r->scratch, double, z.channels);

  if (a == NULL || b == NULL) return oq_fail_memory(r->diags);
  OQ_TRY(batch_refuse(r));
  if (r->in[0]->size == 0) return OQ_OK;
  OQ_TRY(oq_widen_in_f64(&scale, r, r->in[1]));
  OQ_TRY(oq_widen_in_f64(&bias, r, r->in[2]));
  OQ_TRY(oq_widen_in_f64(&mean, r, r->in[3]));
  OQ_TRY(oq_widen_in_f64(&var, r, r->in[4]));
  if (p->training_mode != 0) {
    double *const m = OQ_NEW_N(r->scratch, double, z.channels);
    double *const v = OQ_NEW_N(r->scratch, double, z.channels);
    if (m == NULL || v == NULL) return oq_fail_memory(r->diags);
    OQ_TRY(batch_statistics(r, &z, m, v));
    batch_running(r, 1, m, z.channels);
    batch_running(r, 2, v, z.channels);
    mean = m;
    var = v;
  }
  for (size_t c = 0; c < z.channels; c++) {
    a[c] = scale[c] / sqrt(var[c] + (double)p->epsilon);
    b[c] = bias[c] - mean[c] * a[c];
  }
  return batch_apply(r, &z, a, b);
}

/* ---- InstanceNormalization, GroupNormalization --------------------------- */
static const oq_attr_def instance_attrs[] = {
    OQ_A_F32(norm_params, epsilon, "epsilon", 1e-5),
};

static oq_status instance_infer(oq_infer *x) {
  const oq_type *const t = oq_rule_ranked(x, 0);
  const int64_t c = t != NULL && t->rank > 1 ? t->dim[1].size : OQ_DIM_UNKNOWN;

  OQ_TRY(oq_infer_same_dtypes(x, 0, 3));
  OQ_TRY(check_rank(x, t, 3));
  OQ_TRY(check_vector(x, 1, c));
  OQ_TRY(check_vector(x, 2, c));
  return oq_infer_same(x);
}

static oq_status instance_run(oq_run *r) {
  const oq_shape *const s = &r->in[0]->shape;
  row_norm q = {.s = *s, .centre = true, .scaled = true};

  if (r->out[0].size == 0) return OQ_OK;
  q.n = oq_dims_product(s, 2, s->rank);
  q.rows = oq_dims_product(s, 0, 2);
  q.as = q.bs = channel_shape((size_t)s->dim[1], s->rank);
  return norm_rows(r, &q);
}

static const oq_attr_def group_attrs[] = {
    OQ_A_F32(norm_params, epsilon, "epsilon", 1e-5),
    {.name = "num_groups",
     .kind = OQ_ATTR_I64,
     .required = true,
     .offset = offsetof(norm_params, num_groups),
     .min = 1,
     .max = INT32_MAX},
    OQ_A_I64(norm_params, stash_type, "stash_type", 1, INT32_MIN, INT32_MAX),
};
enum { GROUP_ATTRS_18 = 2, GROUP_ATTRS_21 = 3 };

static oq_status group_infer(oq_infer *x) {
  const int64_t groups = ((const norm_params *)x->params)->num_groups;
  const oq_type *const t = oq_rule_ranked(x, 0);
  const int64_t c = t != NULL && t->rank > 1 ? t->dim[1].size : OQ_DIM_UNKNOWN;
  const int64_t n = x->opset < 21 ? groups : c;

  OQ_TRY(check_floats(x));
  OQ_TRY(check_rank(x, t, 2));
  if (c != OQ_DIM_UNKNOWN && c % groups != 0)
    return oq_infer_fail(x, OQ_E_MODEL, "norm.groups",
                         "%lld channels cannot be divided into %lld groups",
                         (long long)c, (long long)groups);
  OQ_TRY(check_vector(x, 1, n));
  OQ_TRY(check_vector(x, 2, n));
  return oq_infer_same(x);
}

static oq_status group_run(oq_run *r) {
  const size_t groups = (size_t)((const norm_params *)r->params)->num_groups;
  const oq_shape *const s = &r->in[0]->shape;
  row_norm q = {.s = *s, .centre = true, .scaled = true};

  if (r->out[0].size == 0) return OQ_OK;
  q.rows = (size_t)s->dim[0] * groups;
  q.n = oq_dims_product(s, 1, s->rank) / groups;
  q.as = channel_shape((size_t)s->dim[1], s->rank);
  if (r->opset < 21) { /* one factor per group */
    q.s = (oq_shape){3, {s->dim[0], (int64_t)groups, (int64_t)q.n}};
    q.as = channel_shape(groups, 3);
  }
  q.bs = q.as;
  return norm_rows(r, &q);
}

/* ---- LayerNormalization, RMSNormalization -------------------------------- */
static const oq_attr_def layer_attrs[] = {
    OQ_A_AXIS(norm_params, axis, "axis", -1),
    OQ_A_F32(norm_params, epsilon, "epsilon", 1e-5),
    OQ_A_I64(norm_params, stash_type, "stash_type", 1, INT32_MIN, INT32_MAX),
};

/* Input i must broadcast to input 0, one way. */
static oq_status check_one_way(const oq_infer *x, uint32_t i,
                               const oq_type *t) {
  const oq_type *const s = oq_rule_ranked(x, i);

  if (s == NULL || t == NULL) return OQ_OK;
  bool fits = s->rank <= t->rank;
  for (uint32_t k = 0; fits && k < s->rank; k++) {
    const int64_t a = s->dim[k].size, b = t->dim[t->rank - s->rank + k].size;
    fits = a == 1 || a == b || a == OQ_DIM_UNKNOWN || b == OQ_DIM_UNKNOWN;
  }
  if (fits) return OQ_OK;
  return oq_infer_fail(x, OQ_E_MODEL, "norm.shape",
                       "input %u cannot be broadcast to the input", i);
}

static oq_status layer_infer(oq_infer *x) {
  const norm_params *const p = x->params;
  const oq_type *const t = oq_rule_ranked(x, 0);
  uint32_t axis;

  OQ_TRY(check_floats(x));
  OQ_TRY(check_one_way(x, 1, t));
  OQ_TRY(check_one_way(x, 2, t));
  OQ_TRY(oq_infer_same(x));
  for (uint32_t i = 1; i < x->n_out; i++)
    oq_infer_set_dtype(x, i,
                       p->stash_type == OQ_DT_BF16 ? OQ_DT_BF16 : OQ_DT_F32);
  if (t == NULL) return OQ_OK;
  if (!oq_axis_normalize(&axis, p->axis, t->rank))
    return oq_infer_fail(x, OQ_E_MODEL, "op.axis",
                         "axis %lld does not exist in an input of rank %u",
                         (long long)p->axis, t->rank);
  for (uint32_t i = 1; i < x->n_out; i++) {
    oq_infer_set_rank(x, i, x->out[i].dtype, t->rank);
    for (uint32_t k = 0; k < t->rank; k++)
      x->out[i].dim[k] = k < axis ? t->dim[k] : (oq_dim){.size = 1};
  }
  return OQ_OK;
}

/* The output has the type of the scale. */
static oq_status rms_infer(oq_infer *x) {
  OQ_TRY(layer_infer(x));
  if (oq_infer_dtype(x, 1) != OQ_DT_NONE)
    oq_infer_set_dtype(x, 0, oq_infer_dtype(x, 1));
  return OQ_OK;
}

static oq_status axis_rows(oq_run *r, bool centre) {
  const oq_shape *const s = &r->in[0]->shape;
  row_norm q = {.s = *s, .centre = centre, .scaled = true};
  uint32_t axis;

  if (!oq_axis_normalize(&axis, ((const norm_params *)r->params)->axis,
                         s->rank))
    return OQ_E_INTERNAL;
  if (r->out[0].size == 0) return OQ_OK;
  q.rows = oq_dims_product(s, 0, axis);
  q.n = oq_dims_product(s, axis, s->rank);
  q.as = r->in[1]->shape;
  if (input(r, 2) != NULL) q.bs = input(r, 2)->shape;
  return norm_rows(r, &q);
}

static oq_status layer_run(oq_run *r) { return axis_rows(r, true); }
static oq_status rms_run(oq_run *r) { return axis_rows(r, false); }

/* ---- LRN ----------------------------------------------------------------- */
typedef struct lrn_params {
  float alpha, beta, bias;
  int64_t size;
} lrn_params;

static const oq_attr_def lrn_attrs[] = {
    OQ_A_F32(lrn_params, alpha, "alpha", 0.0001),
    OQ_A_F32(lrn_params, beta, "beta", 0.75),
    OQ_A_F32(lrn_params, bias, "bias", 1.0),
    {.name = "size",
     .kind = OQ_ATTR_I64,
     .required = true,
     .offset = offsetof(lrn_params, size),
     .min = 1,
     .max = INT32_MAX},
};

static oq_status lrn_infer(oq_infer *x) {
  OQ_TRY(check_rank(x, oq_rule_ranked(x, 0), 2));
  return oq_infer_same(x);
}

static oq_status lrn_run(oq_run *r) {
  const lrn_params *const p = r->params;
  const oq_shape *const s = &r->in[0]->shape;
  const oq_lrn q = {
      (size_t)s->dim[0], (size_t)s->dim[1], oq_dims_product(s, 2, s->rank),
      (size_t)p->size,   (double)p->alpha,  (double)p->beta,
      (double)p->bias};
  const double *x;
  double *y;

  if (r->out[0].size == 0) return OQ_OK;
  double *const sums =
      oq_arena_alloc_raw(r->scratch, q.inner, sizeof *sums, OQ_ALIGN);
  if (sums == NULL) return oq_fail_memory(r->diags);
  if (is_f32(r)) {
    oq_lrn_f32(&q, r->out[0].data, r->in[0]->data, (float *)(void *)sums);
    return OQ_OK;
  }
  OQ_TRY(oq_widen_in_f64(&x, r, r->in[0]));
  OQ_TRY(oq_widen_out_f64(&y, r, 0));
  oq_lrn_f64(&q, y, x, sums);
  oq_widen_done_f64(r, 0, y);
  return OQ_OK;
}

/* ---- LpNormalization ----------------------------------------------------- */
static const oq_attr_def lp_attrs[] = {
    OQ_A_AXIS(norm_params, axis, "axis", -1),
    OQ_A_I64(norm_params, p, "p", 2, 1, 2),
};

static oq_status lp_infer(oq_infer *x) {
  const int64_t axis = ((const norm_params *)x->params)->axis;
  const oq_type *const t = oq_rule_ranked(x, 0);
  uint32_t a;

  if (t != NULL && !oq_axis_normalize(&a, axis, t->rank))
    return oq_infer_fail(x, OQ_E_MODEL, "op.axis",
                         "axis %lld does not exist in an input of rank %u",
                         (long long)axis, t->rank);
  return oq_infer_same(x);
}

static oq_status lp_run(oq_run *r) {
  const norm_params *const p = r->params;
  const oq_shape *const s = &r->in[0]->shape;
  uint32_t axis;
  const double *x;
  double *y;

  if (!oq_axis_normalize(&axis, p->axis, s->rank)) return OQ_E_INTERNAL;
  if (r->out[0].size == 0) return OQ_OK;
  const size_t outer = oq_dims_product(s, 0, axis), n = (size_t)s->dim[axis],
               inner = oq_dims_product(s, axis + 1, s->rank);
  if (is_f32(r)) {
    oq_lp_norm_f32(r->out[0].data, r->in[0]->data, outer, n, inner, (int)p->p);
    return OQ_OK;
  }
  OQ_TRY(oq_widen_in_f64(&x, r, r->in[0]));
  OQ_TRY(oq_widen_out_f64(&y, r, 0));
  oq_lp_norm_f64(y, x, outer, n, inner, (int)p->p);
  oq_widen_done_f64(r, 0, y);
  return OQ_OK;
}

/* ---- MeanVarianceNormalization ------------------------------------------- */
static const oq_attr_def mvn_attrs[] = {
    OQ_A_I64S(norm_params, axes, "axes"),
};

/* Experimental: all axes or all but the channels; perhaps the mean only. */
static const oq_attr_def mvn_attrs_1[] = {
    OQ_A_I64(norm_params, across, "across_channels", 0, 0, 1),
    OQ_A_I64(norm_params, variance, "normalize_variance", 1, 0, 1),
};

static oq_status mvn_check_1(const oq_graph *g, const oq_node *n, void *params,
                             oq_diags *d) {
  static const int64_t all[] = {0, 1, 2, 3};
  norm_params *const p = params;

  (void)g, (void)n, (void)d;
  if (p->across != 0) p->axes = (oq_i64s){all, 4, true};
  return OQ_OK;
}

/* Which axes are normalised over; 0, 2, 3 if none are given. */
static bool mvn_axes(uint32_t *set, const norm_params *p, uint32_t rank) {
  static const int64_t usual[] = {0, 2, 3};
  const int64_t *const v = p->axes.set ? p->axes.v : usual;
  const uint32_t n = p->axes.set ? p->axes.n : 3;
  uint32_t axis;

  *set = 0;
  for (uint32_t i = 0; i < n; i++) {
    if (!oq_axis_normalize(&axis, v[i], rank)) return false;
    *set |= 1u << axis;
  }
  return true;
}

static oq_status mvn_infer(oq_infer *x) {
  const oq_type *const t = oq_rule_ranked(x, 0);
  uint32_t set;

  if (t != NULL && !mvn_axes(&set, x->params, t->rank))
    return oq_infer_fail(x, OQ_E_MODEL, "op.axis",
                         "an axis does not exist in an input of rank %u",
                         t->rank);
  return oq_infer_same(x);
}

/* Brings the axes of `set` to the end. */
static oq_permutation mvn_turn(const oq_shape *s, uint32_t set, size_t *rows) {
  oq_permutation p = {.size = sizeof(double)};
  size_t stride[OQ_MAX_RANK], n = 1;

  for (uint32_t i = s->rank; i-- > 0; n *= (size_t)s->dim[i]) stride[i] = n;
  *rows = 1;
  for (uint32_t last = 0; last < 2; last++) {
    for (uint32_t i = 0; i < s->rank; i++) {
      if ((set >> i & 1u) != last) continue;
      if (last == 0) *rows *= (size_t)s->dim[i];
      p.dim[p.rank] = (size_t)s->dim[i];
      p.stride[p.rank++] = stride[i];
    }
  }
  return p;
}

/* The way back. */
static oq_permutation mvn_return(const oq_shape *s, uint32_t set) {
  oq_permutation p = {.rank = s->rank, .size = sizeof(double)};
  size_t stride = 1;

  for (uint32_t last = 2; last-- > 0;) {
    for (uint32_t i = s->rank; i-- > 0;) {
      if ((set >> i & 1u) != last) continue;
      p.dim[i] = (size_t)s->dim[i];
      p.stride[i] = stride;
      stride *= (size_t)s->dim[i];
    }
  }
  return p;
}

static void center(double *t, size_t rows, size_t n) {
  for (size_t i = 0; i < rows; i++, t += n) {
    double sum = 0;
    for (size_t k = 0; k < n; k++) sum += t[k];
    for (size_t k = 0; k < n; k++) t[k] -= sum / (double)n;
  }
}

/* The operator text divides by sqrt(E[X^2] - E[X]^2) + 1e-9; a variance of 0
 * gives 0 either way. */
static oq_status mvn_run(oq_run *r) {
  const oq_shape *const s = &r->in[0]->shape;
  const size_t n = oq_tensor_count(r->in[0]);
  uint32_t set;
  size_t rows;
  const double *x;
  double *y;

  if (!mvn_axes(&set, r->params, s->rank)) return OQ_E_INTERNAL;
  if (n == 0) return OQ_OK;
  const oq_permutation turn = mvn_turn(s, set, &rows);
  const oq_permutation back = mvn_return(s, set);
  double *const t = oq_arena_alloc_raw(r->scratch, n, sizeof *t, OQ_ALIGN);
  if (t == NULL) return oq_fail_memory(r->diags);
  OQ_TRY(oq_widen_in_f64(&x, r, r->in[0]));
  OQ_TRY(oq_widen_out_f64(&y, r, 0));
  oq_move_permuted(t, x, &turn);
  if (r->node->def->attrs == mvn_attrs_1 &&
      ((const norm_params *)r->params)->variance == 0)
    center(t, rows, n / rows);
  else
    oq_norm_rows_f64(t, t, rows, n / rows, 1e-18, true, NULL, NULL);
  oq_move_permuted(y, t, &back);
  oq_widen_done_f64(r, 0, y);
  return OQ_OK;
}

/* ---- table --------------------------------------------------------------- */
#define ONE_OUT .domain = "", .min_out = 1, .dtypes = OQ_DTM_FLOAT
#define NORM ONE_OUT, .params_size = sizeof(norm_params)
#define MAPS                 \
  .quant = {.cls = OQ_Q_MAP, \
            .role = {OQ_ROLE_DATA, OQ_ROLE_NONE, OQ_ROLE_NONE, OQ_ROLE_NONE}}
#define BATCH                                                   \
  NORM, .name = "BatchNormalization", .min_in = 5, .max_in = 5, \
        .infer = batch_infer, .run = batch_run, MAPS
#define GROUP                                                                 \
  NORM, .name = "GroupNormalization", .min_in = 3, .max_in = 3, .max_out = 1, \
        .attrs = group_attrs, .infer = group_infer, .run = group_run, MAPS

static const oq_op_def defs[] = {
    {BATCH, .since = 6, .last = 6, .max_out = 5, OQ_ATTRS(batch_attrs_6)},
    {BATCH, .since = 7, .last = 8, .max_out = 5, OQ_ATTRS(batch_attrs_7)},
    {BATCH, .since = 9, .last = 13, .max_out = 5, .n_attrs = BATCH_ATTRS_9,
     .attrs = batch_attrs_9},
    {BATCH, .since = 14, .last = 27, .max_out = 3, .n_attrs = BATCH_ATTRS_14,
     .attrs = batch_attrs_9},

    {NORM, .name = "InstanceNormalization", .since = 6, .last = 27, .min_in = 3,
     .max_in = 3, .max_out = 1, OQ_ATTRS(instance_attrs),
     .infer = instance_infer, .run = instance_run, MAPS},

    {GROUP, .since = 18, .last = 20, .n_attrs = GROUP_ATTRS_18},
    {GROUP, .since = 21, .last = 27, .n_attrs = GROUP_ATTRS_21},

    /* onnxruntime had it before ONNX did. */
    {NORM, .name = "LayerNormalization", .since = 1, .last = 16, .min_in = 2,
     .max_in = 3, .max_out = 3, OQ_ATTRS(layer_attrs), .infer = layer_infer,
     .run = layer_run, MAPS},
    {NORM, .name = "LayerNormalization", .since = 17, .last = 27, .min_in = 2,
     .max_in = 3, .max_out = 3, OQ_ATTRS(layer_attrs), .infer = layer_infer,
     .run = layer_run, MAPS},
    {NORM, .name = "RMSNormalization", .since = 23, .last = 27, .min_in = 2,
     .max_in = 2, .max_out = 1, OQ_ATTRS(layer_attrs), .infer = rms_infer,
     .run = rms_run, MAPS},

    {ONE_OUT, .name = "LRN", .since = 1, .last = 27, .min_in = 1, .max_in = 1,
     .max_out = 1, .params_size = sizeof(lrn_params), OQ_ATTRS(lrn_attrs),
     .infer = lrn_infer, .run = lrn_run, MAPS},

    {NORM, .name = "LpNormalization", .since = 1, .last = 27, .min_in = 1,
     .max_in = 1, .max_out = 1, OQ_ATTRS(lp_attrs), .infer = lp_infer,
     .run = lp_run, MAPS},

    {NORM, .name = "MeanVarianceNormalization", .since = 1, .last = 8,
     .min_in = 1, .max_in = 1, .max_out = 1, OQ_ATTRS(mvn_attrs_1),
     .check = mvn_check_1, .infer = mvn_infer, .run = mvn_run, MAPS},
    {NORM, .name = "MeanVarianceNormalization", .since = 9, .last = 27,
     .min_in = 1, .max_in = 1, .max_out = 1, OQ_ATTRS(mvn_attrs),
     .infer = mvn_infer, .run = mvn_run, MAPS},
};

OQ_FAMILY(norm, defs);

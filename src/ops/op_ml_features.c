/* Features: Scaler, Normalizer, Binarizer, Imputer, FeatureVectorizer,
 * ArrayFeatureExtractor. */
#include <math.h>
#include <string.h>

#include "ops/ml.h"
#include "ops/pick.h"
#include "ops/rules.h"

typedef struct feature_params {
  oq_f32s offset, scale, floats;
  oq_i64s ints, sizes;
  float threshold, missing_float;
  int64_t missing_int;
  int32_t norm;
  int64_t total; /* made of it: columns of FeatureVectorizer */
} feature_params;

/* Numbers per feature: one for all, or one for each of the last axis. */
static oq_status fits_features(const oq_infer *x, const char *name,
                               uint32_t n) {
  const oq_type *const t = oq_infer_in(x, 0);

  if (n == 1 || t == NULL || !t->has_rank) return OQ_OK;
  const int64_t c = t->rank > 0 ? t->dim[t->rank - 1].size : 1;
  if (c == OQ_DIM_UNKNOWN || c == (int64_t)n) return OQ_OK;
  return oq_infer_fail(x, OQ_E_MODEL, "feature.count",
                       "attribute '%s' has %u values, input 0 has %lld "
                       "features",
                       name, n, (long long)c);
}

static oq_status infer_floats(oq_infer *x) {
  OQ_TRY(oq_infer_same(x));
  oq_infer_set_dtype(x, 0, OQ_DT_F32);
  return OQ_OK;
}

/* ---- Scaler ------------------------------------------------------------ */
static oq_status scaler_check(const oq_graph *g, const oq_node *n, void *params,
                              oq_diags *d) {
  const feature_params *const p = params;

  if (p->offset.n > 0 && p->offset.n == p->scale.n) return OQ_OK;
  return oq_ml_attr_fail(g, n, "scale", d,
                         "attributes 'offset' and 'scale' have %u and %u "
                         "values",
                         p->offset.n, p->scale.n);
}

static oq_status scaler_infer(oq_infer *x) {
  OQ_TRY(
      fits_features(x, "scale", ((const feature_params *)x->params)->scale.n));
  return infer_floats(x);
}

static oq_status scaler_run(oq_run *r) {
  const feature_params *const p = r->params;
  const size_t n = oq_tensor_count(r->in[0]), c = p->scale.n;
  float *const y = r->out[0].data;
  const float *x;

  OQ_TRY(oq_ml_input(&x, r));
  for (size_t i = 0; i < n; i += c)
    for (size_t k = 0; k < c; k++)
      y[i + k] = (x[i + k] - p->offset.v[k]) * p->scale.v[k];
  return OQ_OK;
}

/* ---- Normalizer -------------------------------------------------------- */
typedef enum norm { NORM_MAX, NORM_L1, NORM_L2 } norm;
static const char *const norm_texts[] = {"MAX", "L1", "L2", NULL};

static float divisor(const float *x, size_t n, norm kind) {
  float y = kind == NORM_MAX && n > 0 ? x[0] : 0;

  for (size_t i = 0; i < n; i++) {
    if (kind == NORM_MAX) y = x[i] > y ? x[i] : y;
    if (kind == NORM_L1) y += fabsf(x[i]);
    if (kind == NORM_L2) y += x[i] * x[i];
  }
  return y;
}

static void normalize(float *y, const float *x, size_t n, norm kind) {
  const float d = divisor(x, n, kind);

  for (size_t i = 0; i < n; i++) {
    if (d == 0)
      y[i] = x[i];
    else if (kind != NORM_L2)
      y[i] = x[i] / d;
    else
      y[i] = copysignf(sqrtf(x[i] * x[i] / d), x[i]);
  }
}

static oq_status normalizer_infer(oq_infer *x) {
  oq_dim n, c;

  OQ_TRY(oq_ml_infer_rows(&n, &c, x));
  return infer_floats(x);
}

static oq_status normalizer_run(oq_run *r) {
  const feature_params *const p = r->params;
  const oq_ml_rows rows = oq_ml_rows_of(r->in[0]);
  float *const y = r->out[0].data;
  const float *x;

  OQ_TRY(oq_ml_input(&x, r));
  for (size_t i = 0; i < rows.n; i++)
    normalize(y + i * rows.c, x + i * rows.c, rows.c, (norm)p->norm);
  return OQ_OK;
}

/* ---- Binarizer --------------------------------------------------------- */
static oq_status binarizer_run(oq_run *r) {
  const float t = ((const feature_params *)r->params)->threshold;
  const size_t n = oq_tensor_count(r->in[0]);

  for (size_t i = 0; i < n; i++)
    oq_element_set_i64(&r->out[0], i, oq_element_f64(r->in[0], i) > (double)t);
  return OQ_OK;
}

/* ---- Imputer ----------------------------------------------------------- */
static bool is_integer(oq_dtype t) { return t == OQ_DT_I64 || t == OQ_DT_I32; }

static oq_status imputer_check(const oq_graph *g, const oq_node *n,
                               void *params, oq_diags *d) {
  const feature_params *const p = params;

  if ((p->floats.n > 0) != (p->ints.n > 0)) return OQ_OK;
  return oq_ml_attr_fail(g, n, "imputed_value_floats", d,
                         "one of the attributes 'imputed_value_floats' and "
                         "'imputed_value_int64s' must be given, and only one");
}

static oq_status imputer_infer(oq_infer *x) {
  const feature_params *const p = x->params;
  const oq_dtype t = oq_infer_dtype(x, 0);
  const bool ints = p->ints.n > 0;

  if (t != OQ_DT_NONE && ints != is_integer(t))
    return oq_infer_fail(x, OQ_E_MODEL, "op.dtype",
                         "values to put into input 0 are %s, it is %s",
                         ints ? "integers" : "floats",
                         oq_dtype_text((int32_t)t));
  OQ_TRY(fits_features(x,
                       ints ? "imputed_value_int64s" : "imputed_value_floats",
                       ints ? p->ints.n : p->floats.n));
  return oq_infer_same(x);
}

static void impute_ints(const feature_params *p, const oq_run *r, size_t n) {
  for (size_t i = 0; i < n; i++) {
    const int64_t v = oq_element_i64(r->in[0], i);
    oq_element_set_i64(&r->out[0], i,
                       v == p->missing_int ? p->ints.v[i % p->ints.n] : v);
  }
}

static void impute_floats(const feature_params *p, const oq_run *r, size_t n) {
  const bool nan = p->missing_float != p->missing_float;

  for (size_t i = 0; i < n; i++) {
    const double v = oq_element_f64(r->in[0], i);
    const bool missing = nan ? v != v : v == (double)p->missing_float;
    oq_element_set_f64(&r->out[0], i,
                       missing ? (double)p->floats.v[i % p->floats.n] : v);
  }
}

static oq_status imputer_run(oq_run *r) {
  const feature_params *const p = r->params;
  const size_t n = oq_tensor_count(r->in[0]);

  if (p->ints.n > 0)
    impute_ints(p, r, n);
  else
    impute_floats(p, r, n);
  return OQ_OK;
}

/* ---- FeatureVectorizer ------------------------------------------------- */
static oq_status vectorizer_check(const oq_graph *g, const oq_node *n,
                                  void *params, oq_diags *d) {
  feature_params *const p = params;

  if (p->sizes.n != n->n_in)
    return oq_ml_attr_fail(g, n, "inputdimensions", d,
                           "attribute 'inputdimensions' has %u values for %u "
                           "inputs",
                           p->sizes.n, n->n_in);
  for (uint32_t i = 0; i < p->sizes.n; i++)
    if (p->sizes.v[i] < 0 || !oq_add_i64(&p->total, p->total, p->sizes.v[i]))
      return oq_ml_attr_fail(g, n, "inputdimensions", d,
                             "attribute 'inputdimensions' has %lld",
                             (long long)p->sizes.v[i]);
  return OQ_OK;
}

/* Rows of an input; a vector is one row. */
static oq_dim rows_of(const oq_type *t) {
  if (t == NULL || !t->has_rank) return (oq_dim){.size = OQ_DIM_UNKNOWN};
  return t->rank > 1 ? t->dim[0] : (oq_dim){.size = 1};
}

static oq_status vectorizer_infer(oq_infer *x) {
  const feature_params *const p = x->params;
  oq_dim n = {.size = OQ_DIM_UNKNOWN};

  for (uint32_t i = 0; i < x->n_in; i++) {
    const oq_dtype t = oq_infer_dtype(x, i);
    const oq_dim m = rows_of(oq_infer_in(x, i));
    if (t != OQ_DT_NONE && !oq_dtype_in((int32_t)t, OQ_ML_TYPES))
      return oq_infer_fail(x, OQ_E_MODEL, "op.dtype", "input %u is %s", i,
                           oq_dtype_text((int32_t)t));
    OQ_TRY(oq_pick_same_dim(x, n, m, "rows"));
    if (n.size == OQ_DIM_UNKNOWN) n = m;
  }
  oq_ml_infer_set2(x, 0, OQ_DT_F32, n, p->total);
  return OQ_OK;
}

/* What an input has more than its size says is left out; what it has less is 0.
 */
static oq_status vectorizer_run(oq_run *r) {
  const feature_params *const p = r->params;
  const size_t total = (size_t)p->total, n = (size_t)r->out[0].shape.dim[0];
  float *y = r->out[0].data;

  if (r->out[0].size > 0) memset(y, 0, r->out[0].size);
  for (uint32_t i = 0; i < r->n_in; i++) {
    const oq_ctensor *const t = r->in[i];
    const size_t c = n > 0 ? oq_tensor_count(t) / n : 0;
    const size_t size = (size_t)p->sizes.v[i], most = c < size ? c : size;
    for (size_t row = 0; row < n; row++)
      for (size_t k = 0; k < most; k++)
        y[row * total + k] = (float)oq_element_f64(t, row * c + k);
    y += size;
  }
  return OQ_OK;
}

/* ---- ArrayFeatureExtractor --------------------------------------------- */
/* How many indices there are; all axes count. */
static oq_dim indices_of(const oq_type *t) {
  oq_dim n = {.size = 1};

  if (t == NULL || !t->has_rank) return (oq_dim){.size = OQ_DIM_UNKNOWN};
  if (t->rank == 1) return t->dim[0];
  for (uint32_t i = 0; i < t->rank; i++)
    if (t->dim[i].size == OQ_DIM_UNKNOWN ||
        !oq_mul_i64(&n.size, n.size, t->dim[i].size))
      return (oq_dim){.size = OQ_DIM_UNKNOWN};
  return n;
}

static oq_status extractor_infer(oq_infer *x) {
  const oq_type *const t = oq_infer_in(x, 0);

  OQ_TRY(oq_rule_indices(x, 1));
  OQ_TRY(oq_rule_dtype(x));
  if (t == NULL || !t->has_rank) return OQ_OK;
  if (t->rank == 0)
    return oq_infer_fail(x, OQ_E_MODEL, "op.rank",
                         "input 0 has rank 0, expected at least 1");
  const uint32_t rank = t->rank == 1 ? 2 : t->rank;
  oq_infer_set_rank(x, 0, t->dtype, rank);
  if (t->rank == 1) x->out[0].dim[0] = (oq_dim){.size = 1};
  for (uint32_t i = 0; i + 1 < t->rank; i++) x->out[0].dim[i] = t->dim[i];
  x->out[0].dim[rank - 1] = indices_of(oq_infer_in(x, 1));
  return OQ_OK;
}

static oq_status extractor_run(oq_run *r) {
  const oq_ctensor *const t = r->in[0];
  const int64_t c = t->shape.dim[t->shape.rank - 1];
  const size_t n = oq_tensor_count(r->in[1]);
  const size_t size = oq_dtype_bits((int32_t)t->dtype) / 8;
  const uint8_t *from = t->data;
  uint8_t *to = r->out[0].data;
  const int64_t *at;

  OQ_TRY(oq_pick_indices(&at, r, 1, c));
  if (r->out[0].size == 0) return OQ_OK;
  const size_t rows = oq_tensor_count(t) / (size_t)c;
  for (size_t i = 0; i < rows; i++, from += (size_t)c * size)
    for (size_t k = 0; k < n; k++, to += size)
      oq_pick_copy(to, from + (size_t)at[k] * size, size);
  return OQ_OK;
}

/* ---- table ------------------------------------------------------------- */
#define P feature_params
static const oq_attr_def scaler_attrs[] = {OQ_A_F32S(P, offset, "offset"),
                                           OQ_A_F32S(P, scale, "scale")};
static const oq_attr_def normalizer_attrs[] = {
    OQ_A_CHOICE(P, norm, "norm", "MAX", norm_texts)};
static const oq_attr_def binarizer_attrs[] = {
    OQ_A_F32(P, threshold, "threshold", 0)};
static const oq_attr_def imputer_attrs[] = {
    OQ_A_F32S(P, floats, "imputed_value_floats"),
    OQ_A_I64S(P, ints, "imputed_value_int64s"),
    OQ_A_F32(P, missing_float, "replaced_value_float", 0),
    OQ_A_I64(P, missing_int, "replaced_value_int64", 0, 1, 0)};
static const oq_attr_def vectorizer_attrs[] = {
    OQ_A_I64S(P, sizes, "inputdimensions")};

#define ROW(op, least, most, types, rule, f)                       \
  .domain = OQ_ML, .name = (op), .since = 1, .last = OQ_ML_NEWEST, \
  .min_in = (least), .max_in = (most), .min_out = 1, .max_out = 1, \
  .dtypes = (types), .infer = (rule), .run = (f), .quant = {.cls = OQ_Q_NEVER}
#define ATTRS(table) .params_size = sizeof(P), OQ_ATTRS(table)

static const oq_op_def defs[] = {
    {ROW("ArrayFeatureExtractor", 2, 2, OQ_ML_TYPES | OQ_DTM(STRING),
         extractor_infer, extractor_run),
     .texts = OQ_TEXT_MOVE},
    {ROW("Binarizer", 1, 1, OQ_ML_TYPES, oq_infer_same, binarizer_run),
     ATTRS(binarizer_attrs)},
    {ROW("FeatureVectorizer", 1, OQ_OPS_MANY, OQ_ML_TYPES, vectorizer_infer,
         vectorizer_run),
     ATTRS(vectorizer_attrs), .check = vectorizer_check},
    {ROW("Imputer", 1, 1, OQ_ML_TYPES, imputer_infer, imputer_run),
     ATTRS(imputer_attrs), .check = imputer_check},
    {ROW("Normalizer", 1, 1, OQ_ML_TYPES, normalizer_infer, normalizer_run),
     ATTRS(normalizer_attrs)},
    {ROW("Scaler", 1, 1, OQ_ML_TYPES, scaler_infer, scaler_run),
     ATTRS(scaler_attrs), .check = scaler_check},
};

OQ_FAMILY(ml_features, defs);

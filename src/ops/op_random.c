/* Random numbers: RandomNormal, RandomUniform and their Like forms,
 * Multinomial, Bernoulli.  Number i is a function of the seed and of i.  A node
 * without a seed takes its place in the graph, so that runs repeat. */
#include <math.h>

#include "base/rng.h"
#include "kern/k_eltwise.h"
#include "ops/eltwise.h"
#include "ops/op.h"
#include "ops/pick.h"
#include "ops/rules.h"

typedef struct random_params {
  int64_t dtype, samples;
  oq_i64s shape;
  float a, b; /* mean and scale; low and high */
  float seed;
  bool has_seed;
} random_params;

#define SEED                                                            \
  {                                                                     \
    .name = "seed", .kind = OQ_ATTR_F32,                                \
    .offset = offsetof(random_params, seed),                            \
    .set_offset = offsetof(random_params, has_seed), .min = 1, .max = 0 \
  }
#define DTYPE(dflt) OQ_A_I64(random_params, dtype, "dtype", dflt, 0, 26)
#define SHAPE                                                    \
  {                                                              \
    .name = "shape", .kind = OQ_ATTR_I64S, .required = true,     \
    .offset = offsetof(random_params, shape), .min = 1, .max = 0 \
  }
#define NORMAL                             \
  OQ_A_F32(random_params, a, "mean", 0.0), \
      OQ_A_F32(random_params, b, "scale", 1.0), SEED
#define UNIFORM                           \
  OQ_A_F32(random_params, a, "low", 0.0), \
      OQ_A_F32(random_params, b, "high", 1.0), SEED

static const oq_attr_def normal_attrs[] = {NORMAL, DTYPE(1), SHAPE};
static const oq_attr_def normal_like_attrs[] = {NORMAL, DTYPE(0)};
static const oq_attr_def uniform_attrs[] = {UNIFORM, DTYPE(1), SHAPE};
static const oq_attr_def uniform_like_attrs[] = {UNIFORM, DTYPE(0)};
static const oq_attr_def multinomial_attrs[] = {
    SEED, DTYPE(6),
    OQ_A_I64(random_params, samples, "sample_size", 1, 1, INT64_MAX)};
static const oq_attr_def bernoulli_attrs[] = {SEED, DTYPE(0)};

/* ---- rules --------------------------------------------------------------- */
static oq_status check_type(const oq_infer *x, oq_dtype t, uint32_t set) {
  if (t == OQ_DT_NONE || oq_dtype_in((int32_t)t, set)) return OQ_OK;
  return oq_infer_fail(x, OQ_E_MODEL, "op.dtype",
                       "the output is %s, which this operator cannot make",
                       oq_dtype_text((int32_t)t));
}

static oq_status made_infer(oq_infer *x) {
  const random_params *const p = x->params;
  oq_shape s = {.rank = p->shape.n};

  OQ_TRY(check_type(x, (oq_dtype)p->dtype, OQ_DTM_FLOAT));
  OQ_TRY(oq_rule_rank(x, p->shape.n));
  for (uint32_t i = 0; i < s.rank; i++) {
    s.dim[i] = p->shape.v[i];
    if (s.dim[i] < 0)
      return oq_infer_fail(x, OQ_E_MODEL, "op.attr",
                           "attribute 'shape' holds %lld", (long long)s.dim[i]);
  }
  oq_infer_set(x, 0, p->dtype == 0 ? OQ_DT_F32 : (oq_dtype)p->dtype, &s);
  return OQ_OK;
}

static oq_status like(oq_infer *x, uint32_t set) {
  const random_params *const p = x->params;
  const oq_dtype t = p->dtype != 0 ? (oq_dtype)p->dtype : oq_infer_dtype(x, 0);

  OQ_TRY(check_type(x, t, set));
  OQ_TRY(oq_infer_same(x));
  if (t != OQ_DT_NONE) oq_infer_set_dtype(x, 0, t);
  return OQ_OK;
}

static oq_status like_infer(oq_infer *x) { return like(x, OQ_DTM_FLOAT); }
static oq_status bernoulli_infer(oq_infer *x) {
  return like(x, OQ_ELTWISE_TYPES);
}

static oq_status multinomial_infer(oq_infer *x) {
  const random_params *const p = x->params;
  const oq_type *const t = oq_rule_ranked(x, 0);

  OQ_TRY(check_type(x, (oq_dtype)p->dtype, OQ_DTM(I32) | OQ_DTM(I64)));
  if (t != NULL && t->rank != 2)
    return oq_infer_fail(x, OQ_E_MODEL, "op.rank",
                         "the input has rank %u, expected 2", t->rank);
  if (t != NULL && t->dim[1].size == 0)
    return oq_infer_fail(x, OQ_E_MODEL, "op.shape",
                         "there are no classes to choose from");
  oq_infer_set_rank(x, 0, p->dtype == 0 ? OQ_DT_I32 : (oq_dtype)p->dtype, 2);
  if (x->n_out == 0) return OQ_OK;
  if (t != NULL) x->out[0].dim[0] = t->dim[0];
  x->out[0].dim[1].size = p->samples;
  return OQ_OK;
}

/* ---- kernels ------------------------------------------------------------- */
static uint64_t seed_of(const oq_run *r) {
  const random_params *const p = r->params;
  uint32_t bits;

  if (!p->has_seed) return (uint64_t)(r->node - r->graph->nodes) << 32;
  memcpy(&bits, &p->seed, sizeof bits);
  return bits;
}

static size_t count_of(const oq_run *r) {
  const oq_ctensor t = oq_tensor_const(&r->out[0]);

  return oq_tensor_count(&t);
}

/* Box and Muller: two uniform numbers make one normal one. */
static double normal(uint64_t seed, size_t i) {
  const double u = 1.0 - oq_rng_uniform(seed, 2 * i); /* not 0 */
  const double v = oq_rng_uniform(seed, 2 * i + 1);

  return sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v);
}

static oq_status normal_run(oq_run *r) {
  const random_params *const p = r->params;
  const uint64_t seed = seed_of(r);
  const size_t n = count_of(r);

  for (size_t i = 0; i < n; i++)
    oq_element_set_f64(&r->out[0], i,
                       (double)p->a + (double)p->b * normal(seed, i));
  return OQ_OK;
}

static oq_status uniform_run(oq_run *r) {
  const random_params *const p = r->params;
  const double low = (double)p->a, width = (double)p->b - low;
  const uint64_t seed = seed_of(r);
  const size_t n = count_of(r);

  for (size_t i = 0; i < n; i++)
    oq_element_set_f64(&r->out[0], i, low + width * oq_rng_uniform(seed, i));
  return OQ_OK;
}

static oq_status bernoulli_run(oq_run *r) {
  const uint64_t seed = seed_of(r);
  const size_t n = count_of(r);

  for (size_t i = 0; i < n; i++)
    oq_element_set_i64(&r->out[0], i,
                       oq_rng_uniform(seed, i) < oq_element_f64(r->in[0], i));
  return OQ_OK;
}

/* Sums of e^x, from the left, of one row of log probabilities. */
static void cumulate(double *sum, const oq_ctensor *x, size_t from, size_t n) {
  double max = -INFINITY, total = 0.0;

  for (size_t k = 0; k < n; k++) max = fmax(max, oq_element_f64(x, from + k));
  for (size_t k = 0; k < n; k++) {
    const double v = oq_element_f64(x, from + k);
    total += v == max ? 1.0 : exp(v - max);
    sum[k] = total;
  }
}

/* The first class whose sum is above v. */
static size_t choose(const double *sum, size_t n, double v) {
  size_t lo = 0, hi = n - 1;

  while (lo < hi) {
    const size_t mid = lo + (hi - lo) / 2;
    if (sum[mid] > v)
      hi = mid;
    else
      lo = mid + 1;
  }
  return lo;
}

static oq_status multinomial_run(oq_run *r) {
  const size_t classes = (size_t)r->in[0]->shape.dim[1];
  const size_t samples = (size_t)r->out[0].shape.dim[1];
  const uint64_t seed = seed_of(r);
  const size_t n = count_of(r);
  double *const sum = OQ_NEW_N(r->scratch, double, classes);

  if (sum == NULL) return oq_fail_memory(r->diags);
  for (size_t i = 0; i < n; i++) {
    if (i % samples == 0)
      cumulate(sum, r->in[0], i / samples * classes, classes);
    const double v = oq_rng_uniform(seed, i) * sum[classes - 1];
    oq_element_set_i64(&r->out[0], i, (int64_t)choose(sum, classes, v));
  }
  return OQ_OK;
}

/* ---- table --------------------------------------------------------------- */
#define ROW(op, from, in, table, rule, f)                                  \
  .domain = "", .name = (op), .since = (from), .last = 27, .min_in = (in), \
  .max_in = (in), .min_out = 1, .max_out = 1,                              \
  .params_size = sizeof(random_params), OQ_ATTRS(table), .infer = (rule),  \
  .run = (f), .quant = {.cls = OQ_Q_NEVER, .role = {OQ_ROLE_INDEX}}

static const oq_op_def defs[] = {
    {ROW("RandomNormal", 1, 0, normal_attrs, made_infer, normal_run),
     .flags = OQ_OP_RANDOM},
    {ROW("RandomNormalLike", 1, 1, normal_like_attrs, like_infer, normal_run),
     .texts = OQ_TEXT(0), .flags = OQ_OP_RANDOM | OQ_OP_META},
    {ROW("RandomUniform", 1, 0, uniform_attrs, made_infer, uniform_run),
     .flags = OQ_OP_RANDOM},
    {ROW("RandomUniformLike", 1, 1, uniform_like_attrs, like_infer,
         uniform_run),
     .texts = OQ_TEXT(0), .flags = OQ_OP_RANDOM | OQ_OP_META},
    {ROW("Multinomial", 7, 1, multinomial_attrs, multinomial_infer,
         multinomial_run),
     .flags = OQ_OP_RANDOM, .dtypes = OQ_DTM_FLOAT},
    {ROW("Bernoulli", 15, 1, bernoulli_attrs, bernoulli_infer, bernoulli_run),
     .flags = OQ_OP_RANDOM, .dtypes = OQ_DTM_FLOAT},
};

OQ_FAMILY(random, defs);

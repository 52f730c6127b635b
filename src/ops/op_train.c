/* Training: one step of the optimizers Momentum, Adagrad and Adam.  Gradient
 * is known and refused: it asks for the derivative of the graph around it. */
#include <math.h>
#include <string.h>

#include "ops/op.h"

typedef struct train_params {
  float alpha, beta, epsilon, norm, norm_post, decay;
  int32_t mode;
} train_params;

#define P train_params
#define NEEDED(field, key)                                      \
  {                                                             \
    .name = (key), .kind = OQ_ATTR_F32, .required = true,       \
    .offset = offsetof(train_params, field), .min = 1, .max = 0 \
  }
enum { NESTEROV, STANDARD };
static const char *const modes[] = {"nesterov", "standard", NULL};
static const oq_attr_def momentum_attrs[] = {
    NEEDED(alpha, "alpha"),
    NEEDED(beta, "beta"),
    NEEDED(norm, "norm_coefficient"),
    {.name = "mode",
     .kind = OQ_ATTR_TEXT,
     .required = true,
     .offset = offsetof(P, mode),
     .choice = modes,
     .min = 1,
     .max = 0},
};
static const oq_attr_def adagrad_attrs[] = {
    OQ_A_F32(P, decay, "decay_factor", 0.0),
    OQ_A_F32(P, epsilon, "epsilon", 1e-6),
    OQ_A_F32(P, norm, "norm_coefficient", 0.0),
};
static const oq_attr_def adam_attrs[] = {
    OQ_A_F32(P, alpha, "alpha", 0.9),
    OQ_A_F32(P, beta, "beta", 0.999),
    OQ_A_F32(P, epsilon, "epsilon", 1e-6),
    OQ_A_F32(P, norm, "norm_coefficient", 0.0),
    OQ_A_F32(P, norm_post, "norm_coefficient_post", 0.0),
};
#undef P

/* Inputs: rate, count, then what is optimized and after it, in the same order,
 * gradients and one or two kinds of history.  Outputs: the same without
 * gradients. */
enum { RATE, COUNT, FIRST };
static bool has_squares(const oq_op_def *d) { return d->attrs == adam_attrs; }
static uint32_t kinds_of(const oq_op_def *d) { return has_squares(d) ? 4 : 3; }

/* ---- rule ---------------------------------------------------------------- */
static oq_status check_scalar(const oq_infer *x, uint32_t i) {
  const oq_dtype t = oq_infer_dtype(x, i);
  oq_shape s;
  size_t n;

  if (t != OQ_DT_NONE &&
      (i == COUNT ? t != OQ_DT_I64 : t != OQ_DT_F32 && t != OQ_DT_F64))
    return oq_infer_fail(
        x, OQ_E_MODEL, "op.dtype", "input %u is %s, expected %s", i,
        oq_dtype_text((int32_t)t), i == COUNT ? "int64" : "float32 or float64");
  if (!oq_infer_shape(&s, x, i)) return OQ_OK;
  if (oq_shape_count(&n, &s) == OQ_OK && n == 1) return OQ_OK;
  return oq_infer_fail(x, OQ_E_MODEL, "train.scalar",
                       "input %u is not one number", i);
}

static bool same_shape(const oq_type *a, const oq_type *b) {
  if (a == NULL || b == NULL || !a->has_rank || !b->has_rank) return true;
  if (a->rank != b->rank) return false;
  for (uint32_t i = 0; i < a->rank; i++)
    if (a->dim[i].size != b->dim[i].size && a->dim[i].size != OQ_DIM_UNKNOWN &&
        b->dim[i].size != OQ_DIM_UNKNOWN)
      return false;
  return true;
}

static oq_status check_group(const oq_infer *x, uint32_t at, uint32_t n,
                             uint32_t kinds) {
  for (uint32_t k = 0; k < kinds; k++) {
    const uint32_t i = FIRST + k * n + at;
    const oq_dtype t = oq_infer_dtype(x, i);
    if (!oq_value_ok(x->node->in[i]))
      return oq_infer_fail(x, OQ_E_MODEL, "op.arity",
                           "required input %u is absent", i);
    if (t != OQ_DT_NONE && t != OQ_DT_F32 && t != OQ_DT_F64)
      return oq_infer_fail(x, OQ_E_MODEL, "op.dtype",
                           "input %u is %s, expected float32 or float64", i,
                           oq_dtype_text((int32_t)t));
    if (!same_shape(oq_infer_in(x, FIRST + at), oq_infer_in(x, i)))
      return oq_infer_fail(x, OQ_E_MODEL, "train.shape",
                           "input %u has not the shape of input %u, which it "
                           "belongs to",
                           i, FIRST + at);
  }
  return OQ_OK;
}

static oq_status train_infer(oq_infer *x) {
  const uint32_t kinds = kinds_of(x->node->def);
  const uint32_t n = (x->n_in - FIRST) / kinds;

  if (n * kinds != x->n_in - FIRST || x->n_out != n * (kinds - 1))
    return oq_infer_fail(x, OQ_E_MODEL, "train.count",
                         "%u inputs and %u outputs do not belong together: "
                         "expected %u tensors in and %u out for each optimized "
                         "one",
                         x->n_in, x->n_out, kinds, kinds - 1);
  OQ_TRY(check_scalar(x, RATE));
  OQ_TRY(check_scalar(x, COUNT));
  for (uint32_t i = 0; i < n; i++) OQ_TRY(check_group(x, i, n, kinds));
  for (uint32_t i = 0; i < x->n_out; i++) {
    const oq_type *const t =
        oq_infer_in(x, FIRST + (i < n ? i : i + n)); /* past the gradients */
    if (t != NULL) x->out[i] = *t;
  }
  return OQ_OK;
}

/* ---- kernels: one element at a time, in double --------------------------- */
typedef struct element {
  double x, g, v, h; /* value, gradient, its history, that of its square */
} element;

typedef struct step {
  const train_params *p;
  double rate;
  int64_t count;
} step;

static void momentum(element *e, const step *s) {
  const train_params *const p = s->p;
  const double g = (double)p->norm * e->x + e->g;
  const double beta = s->count > 0 ? (double)p->beta : 1.0;

  e->v = (double)p->alpha * e->v + beta * g;
  e->x -= s->rate * (p->mode == NESTEROV ? g + (double)p->alpha * e->v : e->v);
}

static void adagrad(element *e, const step *s) {
  const double g = (double)s->p->norm * e->x + e->g;

  e->v += g * g;
  e->x -= s->rate * g / (sqrt(e->v) + (double)s->p->epsilon);
}

static void adam(element *e, const step *s) {
  const train_params *const p = s->p;
  const double a = (double)p->alpha, b = (double)p->beta;
  const double g = (double)p->norm * e->x + e->g;

  e->v = a * e->v + (1 - a) * g;
  e->h = b * e->h + (1 - b) * g * g;
  e->x -= s->rate * e->v / (sqrt(e->h) + (double)p->epsilon);
  e->x *= 1 - (double)p->norm_post;
}

typedef void (*update)(element *e, const step *s);

/* Nobody may want an output. */
static void put(oq_tensor *to, size_t k, double v) {
  if (to->data != NULL) oq_element_set_f64(to, k, v);
}

static oq_status train(oq_run *r, update f, const step *s) {
  const uint32_t kinds = kinds_of(r->node->def);
  const uint32_t n = (r->n_in - FIRST) / kinds;

  for (uint32_t i = 0; i < n; i++) {
    const oq_ctensor *const *const in = r->in + FIRST + i;
    const size_t count = oq_tensor_count(in[0]);
    for (size_t k = 0; k < count; k++) {
      element e = {oq_element_f64(in[0], k), oq_element_f64(in[n], k),
                   oq_element_f64(in[2 * (size_t)n], k), 0};
      if (kinds == 4) e.h = oq_element_f64(in[3 * (size_t)n], k);
      f(&e, s);
      put(&r->out[i], k, e.x);
      put(&r->out[n + i], k, e.v);
      if (kinds == 4) put(&r->out[2 * (size_t)n + i], k, e.h);
    }
  }
  return OQ_OK;
}

static step step_of(const oq_run *r) {
  return (step){r->params, oq_element_f64(r->in[RATE], 0),
                oq_element_i64(r->in[COUNT], 0)};
}

static oq_status momentum_run(oq_run *r) {
  const step s = step_of(r);

  return train(r, momentum, &s);
}

static oq_status adagrad_run(oq_run *r) {
  step s = step_of(r);

  s.rate /= 1 + (double)s.count * (double)s.p->decay;
  return train(r, adagrad, &s);
}

static oq_status adam_run(oq_run *r) {
  step s = step_of(r);
  const double t = (double)s.count;

  if (s.count > 0)
    s.rate *=
        sqrt(1 - pow((double)s.p->beta, t)) / (1 - pow((double)s.p->alpha, t));
  return train(r, adam, &s);
}

/* ---- Gradient ------------------------------------------------------------ */
typedef struct gradient_params {
  const oq_attr *xs, *zs;
  oq_text y;
} gradient_params;

#define P gradient_params
#define NAMES(field, key, must)                               \
  {                                                           \
    .name = (key), .kind = OQ_ATTR_TEXTS, .required = (must), \
    .offset = offsetof(P, field), .min = 1, .max = 0          \
  }
static const oq_attr_def gradient_attrs[] = {
    NAMES(xs, "xs", true),
    {.name = "y",
     .kind = OQ_ATTR_TEXT,
     .required = true,
     .offset = offsetof(P, y),
     .min = 1,
     .max = 0},
    NAMES(zs, "zs", false),
};
#undef P

static oq_status gradient_infer(oq_infer *x) {
  (void)x;
  return OQ_OK;
}

/* ---- table --------------------------------------------------------------- */
#define ROW(op, least, table, f)                                             \
  .domain = "ai.onnx.preview.training", .name = (op), .since = 1, .last = 1, \
  .min_in = (least), .max_in = OQ_OPS_MANY, .min_out = 1,                    \
  .max_out = OQ_OPS_MANY, .params_size = sizeof(train_params),               \
  OQ_ATTRS(table), .infer = train_infer, .run = (f),                         \
  .quant = {.cls = OQ_Q_NEVER, .role = {OQ_ROLE_NONE}}

static const oq_op_def defs[] = {
    {ROW("Adagrad", 3, adagrad_attrs, adagrad_run)},
    {ROW("Adam", 3, adam_attrs, adam_run)},
    {.domain = "ai.onnx.preview.training",
     .name = "Gradient",
     .since = 1,
     .last = 1,
     .min_in = 1,
     .max_in = OQ_OPS_MANY,
     .min_out = 1,
     .max_out = OQ_OPS_MANY,
     .params_size = sizeof(gradient_params),
     OQ_ATTRS(gradient_attrs),
     .refusal = "it differentiates the graph around it, which only training "
                "needs",
     .infer = gradient_infer,
     .quant = {.cls = OQ_Q_NEVER, .role = {OQ_ROLE_NONE}}},
    {ROW("Momentum", 3, momentum_attrs, momentum_run)},
};

OQ_FAMILY(train, defs);

/* Losses, forward: NegativeLogLikelihoodLoss, SoftmaxCrossEntropyLoss. */
#include <math.h>

#include "ops/op.h"
#include "ops/pick.h"
#include "ops/rules.h"
#include "ops/widen.h"

enum { LOSS_NONE, LOSS_SUM, LOSS_MEAN };
static const char *const loss_reductions[] = {"none", "sum", "mean", NULL};

typedef struct loss_params {
  int64_t ignore;
  int32_t reduction;
  bool has_ignore;
} loss_params;

static const oq_attr_def loss_attrs[] = {
    {.name = "ignore_index",
     .kind = OQ_ATTR_I64,
     .offset = offsetof(loss_params, ignore),
     .set_offset = offsetof(loss_params, has_ignore),
     .min = 1,
     .max = 0},
    OQ_A_CHOICE(loss_params, reduction, "reduction", "mean", loss_reductions),
};

/* ---- rule ---------------------------------------------------------------- */
/* Scores [N, C, d1, ...], labels [N, d1, ...]. */
static oq_status check_labels(const oq_infer *x, const oq_type *t,
                              const oq_type *l) {
  if ((t != NULL && t->rank < 2) ||
      (t != NULL && l != NULL && l->rank + 1 != t->rank))
    return oq_infer_fail(x, OQ_E_MODEL, "op.rank",
                         "expected scores of rank 2 or more, and labels of one "
                         "less");
  if (t == NULL || l == NULL) return OQ_OK;
  for (uint32_t i = 0; i < l->rank; i++)
    OQ_TRY(oq_pick_same_dim(x, t->dim[i == 0 ? 0 : i + 1], l->dim[i],
                            "scores and labels"));
  return OQ_OK;
}

static oq_status check_weights(const oq_infer *x, const oq_type *t) {
  const oq_type *const w = oq_rule_ranked(x, 2);
  const oq_dtype a = oq_infer_dtype(x, 0), b = oq_infer_dtype(x, 2);

  if ((a != OQ_DT_NONE && b != OQ_DT_NONE && a != b) ||
      (w != NULL && w->rank != 1))
    return oq_infer_fail(x, OQ_E_MODEL, "loss.weights",
                         "the weights are no vector of the type of the scores");
  if (w == NULL || t == NULL) return OQ_OK;
  return oq_pick_same_dim(x, t->dim[1], w->dim[0], "classes and weights");
}

static oq_status loss_infer(oq_infer *x) {
  const oq_type *const t = oq_rule_ranked(x, 0), *const l =
                                                     oq_rule_ranked(x, 1);
  const oq_dtype d = oq_infer_dtype(x, 0);

  OQ_TRY(oq_rule_indices(x, 1));
  OQ_TRY(check_labels(x, t, l));
  OQ_TRY(check_weights(x, t));
  if (d == OQ_DT_NONE) return OQ_OK;
  for (uint32_t i = 0; i < x->n_out; i++) oq_infer_set_dtype(x, i, d);
  if (t != NULL && x->n_out > 1) {
    oq_infer_set_rank(x, 1, d, t->rank);
    memcpy(x->out[1].dim, t->dim, sizeof t->dim);
  }
  if (((const loss_params *)x->params)->reduction != LOSS_NONE) {
    oq_infer_set_rank(x, 0, d, 0);
  } else if (l != NULL) {
    oq_infer_set_rank(x, 0, d, l->rank);
    memcpy(x->out[0].dim, l->dim, sizeof l->dim);
  }
  return OQ_OK;
}

/* ---- kernels ------------------------------------------------------------- */
typedef struct sizes { /* scores are [batch][classes][inner] */
  size_t batch, classes, inner;
} sizes;

static sizes sizes_of(const oq_shape *s) {
  return (sizes){(size_t)s->dim[0], (size_t)s->dim[1],
                 oq_dims_product(s, 2, s->rank)};
}

/* Sums of one loss and its weight; an ignored label counts as neither. */
static oq_status one_loss(double *loss, double *weight, const oq_run *r,
                          const sizes *z, const double *logs,
                          const double *weights, size_t i) {
  const loss_params *const p = r->params;
  const int64_t label = oq_element_i64(r->in[1], i);

  *loss = *weight = 0.0;
  if (p->has_ignore && label == p->ignore) return OQ_OK;
  if (label < 0 || label >= (int64_t)z->classes)
    return oq_run_fail(r, OQ_E_DATA, "loss.label",
                       "label %lld is none of the %zu classes",
                       (long long)label, z->classes);
  const size_t at =
      (i / z->inner * z->classes + (size_t)label) * z->inner + i % z->inner;
  *weight = weights == NULL ? 1.0 : weights[label];
  *loss = -logs[at] * *weight;
  return OQ_OK;
}

static oq_status reduce(oq_run *r, const sizes *z, const double *logs) {
  const int32_t reduction = ((const loss_params *)r->params)->reduction;
  const size_t n = oq_tensor_count(r->in[1]);
  double total = 0.0, all = 0.0;
  const double *weights;

  OQ_TRY(oq_widen_in_f64(&weights, r, oq_pick_input(r, 2)));
  for (size_t i = 0; i < n; i++) {
    double loss, weight;
    OQ_TRY(one_loss(&loss, &weight, r, z, logs, weights, i));
    if (reduction == LOSS_NONE) oq_element_set_f64(&r->out[0], i, loss);
    total += loss;
    all += weight;
  }
  if (reduction == LOSS_SUM) oq_element_set_f64(&r->out[0], 0, total);
  if (reduction == LOSS_MEAN) oq_element_set_f64(&r->out[0], 0, total / all);
  return OQ_OK;
}

static oq_status nll_run(oq_run *r) {
  const sizes z = sizes_of(&r->in[0]->shape);
  const double *logs;

  OQ_TRY(oq_widen_in_f64(&logs, r, r->in[0]));
  return reduce(r, &z, logs);
}

/* y[k * step] = log softmax of n numbers that are `step` apart. */
static void log_softmax(double *y, const double *x, size_t n, size_t step) {
  double max = -INFINITY, sum = 0.0;

  for (size_t k = 0; k < n; k++) max = fmax(max, x[k * step]);
  for (size_t k = 0; k < n; k++) sum += exp(x[k * step] - max);
  const double shift = max + log(sum);
  for (size_t k = 0; k < n; k++) y[k * step] = x[k * step] - shift;
}

static oq_status cross_entropy_run(oq_run *r) {
  const sizes z = sizes_of(&r->in[0]->shape);
  const size_t n = oq_tensor_count(r->in[0]);
  const double *x;
  double *const logs =
      oq_arena_alloc_raw(r->scratch, n, sizeof *logs, OQ_ALIGN);

  if (logs == NULL) return oq_fail_memory(r->diags);
  OQ_TRY(oq_widen_in_f64(&x, r, r->in[0]));
  for (size_t i = 0; n > 0 && i < z.batch * z.inner; i++) {
    const size_t at = i / z.inner * z.classes * z.inner + i % z.inner;
    log_softmax(logs + at, x + at, z.classes, z.inner);
  }
  if (r->n_out > 1 && r->out[1].data != NULL)
    for (size_t i = 0; i < n; i++) oq_element_set_f64(&r->out[1], i, logs[i]);
  return reduce(r, &z, logs);
}

/* ---- table --------------------------------------------------------------- */
#define ROW(op, most, f)                                                \
  .domain = "", .name = (op), .since = 12, .last = 27, .min_in = 2,     \
  .max_in = 3, .min_out = 1, .max_out = (most), .dtypes = OQ_DTM_FLOAT, \
  .params_size = sizeof(loss_params), OQ_ATTRS(loss_attrs),             \
  .infer = loss_infer, .run = (f),                                      \
  .quant = {.cls = OQ_Q_MAP, .role = {OQ_ROLE_DATA, OQ_ROLE_INDEX}}

static const oq_op_def defs[] = {
    {ROW("NegativeLogLikelihoodLoss", 1, nll_run)},
    {ROW("SoftmaxCrossEntropyLoss", 2, cross_entropy_run)},
};

OQ_FAMILY(loss, defs);

/* Softmax, LogSoftmax, Hardmax.  Up to opset 12 the tensor is seen as a matrix
 * cut at `axis`; from 13 on one axis is normalised. */
#include <string.h>

#include "kern/k_eltwise.h"
#include "kern/k_softmax.h"
#include "ops/op.h"

typedef struct softmax_params {
  int64_t axis;
} softmax_params;

static const oq_attr_def softmax1_attrs[] = {
    OQ_A_AXIS(softmax_params, axis, "axis", 1),
};
static const oq_attr_def softmax13_attrs[] = {
    OQ_A_AXIS(softmax_params, axis, "axis", -1),
};

/* `outer` groups of `inner` vectors of n numbers, `inner` apart. */
typedef struct split {
  size_t outer, n, inner;
} split;

/* At opsets up to 12 an axis equal to the rank is legal: rows of one. */
static oq_status softmax_infer(oq_infer *x) {
  const softmax_params *const p = x->params;
  const oq_type *const t = oq_infer_in(x, 0);
  uint32_t axis;

  if (t != NULL && t->has_rank && x->opset >= 13 && t->rank > 0 &&
      !oq_axis_normalize(&axis, p->axis, t->rank))
    return oq_infer_fail(x, OQ_E_MODEL, "op.axis", "'axis' is %lld for rank %u",
                         (long long)p->axis, t->rank);
  if (t != NULL && t->has_rank && x->opset < 13 &&
      (p->axis < -(int64_t)t->rank || p->axis > (int64_t)t->rank))
    return oq_infer_fail(x, OQ_E_MODEL, "op.axis", "'axis' is %lld for rank %u",
                         (long long)p->axis, t->rank);
  return oq_infer_same(x);
}

static split split_at(const oq_shape *s, int64_t axis, bool matrix) {
  split v = {1, 1, 1};
  const int64_t at = axis < 0 ? axis + (int64_t)s->rank : axis;

  for (int64_t i = 0; i < (int64_t)s->rank; i++) {
    const size_t d = (size_t)s->dim[i];
    if (i < at)
      v.outer *= d;
    else if (i == at || matrix)
      v.n *= d;
    else
      v.inner *= d;
  }
  return v;
}

/* One vector (inner == 1) or all of a group, in float. */
static void group_f32(float *y, const float *x, const split *v, bool log) {
  if (v->inner == 1)
    oq_k_softmax_row(y, x, v->n, log);
  else
    oq_k_softmax_columns(y, x, v->n, v->inner, log);
}

static oq_status softmax_f32(oq_run *r, const split *v, bool log) {
  const oq_dtype t = r->in[0]->dtype;
  const size_t size = v->n * v->inner; /* fits: part of a real tensor */
  float *copy = NULL;

  if (t != OQ_DT_F32) copy = OQ_NEW_N(r->scratch, float, size);
  if (t != OQ_DT_F32 && copy == NULL) return oq_fail_memory(r->diags);
  for (size_t i = 0; i < v->outer; i++) {
    if (copy == NULL) {
      group_f32((float *)r->out[0].data + i * size,
                (const float *)r->in[0]->data + i * size, v, log);
      continue;
    }
    oq_k_load(copy, r->in[0]->data, i * size, size, (int32_t)t);
    group_f32(copy, copy, v, log);
    oq_k_store(r->out[0].data, i * size, copy, size, (int32_t)t);
  }
  return OQ_OK;
}

static void softmax_f64(oq_run *r, const split *v, bool log) {
  for (size_t i = 0; i < v->outer; i++)
    for (size_t j = 0; j < v->inner; j++) {
      const size_t at = i * v->n * v->inner + j;
      oq_k_softmax_f64((double *)r->out[0].data + at,
                       (const double *)r->in[0]->data + at, v->n, v->inner,
                       log);
    }
}

static split split_of(const oq_run *r) {
  const softmax_params *const p = r->params;

  return split_at(&r->in[0]->shape, p->axis, r->opset < 13);
}

static oq_status run(oq_run *r, bool log) {
  const split v = split_of(r);

  if (oq_tensor_count(r->in[0]) == 0) return OQ_OK;
  if (r->in[0]->dtype != OQ_DT_F64) return softmax_f32(r, &v, log);
  softmax_f64(r, &v, log);
  return OQ_OK;
}

static oq_status softmax_run(oq_run *r) { return run(r, false); }
static oq_status log_softmax_run(oq_run *r) { return run(r, true); }

/* ---- Hardmax ------------------------------------------------------------- */
/* 1 at the first maximum. */
static oq_status hardmax_run(oq_run *r) {
  const split v = split_of(r);

  memset(r->out[0].data, 0, r->out[0].size);
  if (oq_tensor_count(r->in[0]) == 0) return OQ_OK;
  for (size_t i = 0; i < v.outer; i++)
    for (size_t j = 0; j < v.inner; j++) {
      const size_t base = i * v.n * v.inner + j;
      size_t best = 0;
      for (size_t k = 1; k < v.n; k++)
        if (oq_element_f64(r->in[0], base + k * v.inner) >
            oq_element_f64(r->in[0], base + best * v.inner))
          best = k;
      oq_element_set_f64(&r->out[0], base + best * v.inner, 1.0);
    }
  return OQ_OK;
}

/* ---- table --------------------------------------------------------------- */
#define ROW(op, from, to, table)                                          \
  .domain = "", .name = (op), .since = (from), .last = (to), .min_in = 1, \
  .max_in = 1, .min_out = 1, .max_out = 1, .dtypes = OQ_DTM_FLOAT,        \
  .params_size = sizeof(softmax_params), OQ_ATTRS(table),                 \
  .infer = softmax_infer
#define TO_ONE                                                           \
  {                                                                      \
    .cls = OQ_Q_MAP, .role = {OQ_ROLE_DATA}, .has_range = true, .lo = 0, \
    .hi = 1                                                              \
  }

static const oq_op_def defs[] = {
    {ROW("Hardmax", 6, 12, softmax1_attrs), .run = hardmax_run,
     .quant = TO_ONE},
    {ROW("Hardmax", 13, 27, softmax13_attrs), .run = hardmax_run,
     .quant = TO_ONE},
    {ROW("LogSoftmax", 6, 12, softmax1_attrs), .flags = OQ_OP_INPLACE,
     .run = log_softmax_run,
     .quant = {.cls = OQ_Q_MAP, .role = {OQ_ROLE_DATA}}},
    {ROW("LogSoftmax", 13, 27, softmax13_attrs), .flags = OQ_OP_INPLACE,
     .run = log_softmax_run,
     .quant = {.cls = OQ_Q_MAP, .role = {OQ_ROLE_DATA}}},
    {ROW("Softmax", 6, 12, softmax1_attrs), .flags = OQ_OP_INPLACE,
     .run = softmax_run, .quant = TO_ONE},
    {ROW("Softmax", 13, 27, softmax13_attrs), .flags = OQ_OP_INPLACE,
     .run = softmax_run, .quant = TO_ONE},
};

OQ_FAMILY(softmax, defs);

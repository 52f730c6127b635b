/* Gather. */
#include <string.h>

#include "ops/bytes.h"
#include "ops/op.h"

typedef struct gather_params {
  int64_t axis;
} gather_params;

static const oq_attr_def gather_attrs[] = {
    OQ_A_AXIS(gather_params, axis, "axis", 0),
};

static oq_status check_indices(const oq_infer *x) {
  const oq_dtype t = oq_infer_dtype(x, 1);

  if (t == OQ_DT_NONE || t == OQ_DT_I32 || t == OQ_DT_I64) return OQ_OK;
  return oq_infer_fail(x, OQ_E_MODEL, "op.dtype",
                       "the indices are %s, expected int32 or int64",
                       oq_dtype_text((int32_t)t));
}

static oq_status gather_infer(oq_infer *x) {
  const oq_type *const t = oq_infer_in(x, 0), *const ix = oq_infer_in(x, 1);
  uint32_t axis, n = 0;

  OQ_TRY(check_indices(x));
  if (t == NULL) return OQ_OK;
  oq_infer_set_dtype(x, 0, t->dtype);
  if (!t->has_rank) return OQ_OK;
  if (!oq_axis_normalize(&axis, ((const gather_params *)x->params)->axis,
                         t->rank))
    return oq_infer_fail(x, OQ_E_MODEL, "op.axis",
                         "axis %lld does not exist in an input of rank %u",
                         (long long)((const gather_params *)x->params)->axis,
                         t->rank);
  if (ix == NULL || !ix->has_rank) return OQ_OK;
  if (t->rank - 1 + ix->rank > OQ_MAX_RANK)
    return oq_infer_fail(x, OQ_E_LIMIT, "op.rank",
                         "the output has rank %u, expected at most %d",
                         t->rank - 1 + ix->rank, OQ_MAX_RANK);
  oq_infer_set_rank(x, 0, t->dtype, t->rank - 1 + ix->rank);
  for (uint32_t i = 0; i < axis; i++) x->out[0].dim[n++] = t->dim[i];
  for (uint32_t i = 0; i < ix->rank; i++) x->out[0].dim[n++] = ix->dim[i];
  for (uint32_t i = axis + 1; i < t->rank; i++) x->out[0].dim[n++] = t->dim[i];
  return OQ_OK;
}

/* Indices of an axis of n, all made to lie in 0 .. n-1. */
static oq_status read_indices(const int64_t **out, const oq_run *r, int64_t n) {
  const oq_ctensor *const t = r->in[1];
  const size_t count = oq_tensor_count(t);
  int64_t *const v = OQ_NEW_N(r->scratch, int64_t, count);

  if (v == NULL) return oq_fail_memory(r->diags);
  for (size_t i = 0; i < count; i++) {
    const int64_t k = oq_element_i64(t, i);
    if (k < -n || k >= n)
      return oq_run_fail(r, OQ_E_DATA, "gather.index",
                         "index %lld lies outside of an axis of %lld",
                         (long long)k, (long long)n);
    v[i] = k < 0 ? k + n : k;
  }
  *out = v;
  return OQ_OK;
}

static oq_status gather_run(oq_run *r) {
  const oq_shape *const s = &r->in[0]->shape;
  oq_mapping m = {.rank = 0};
  const int64_t *at = NULL;
  uint32_t axis;

  if (!oq_axis_normalize(&axis, ((const gather_params *)r->params)->axis,
                         s->rank))
    return OQ_E_INTERNAL;
  OQ_TRY(read_indices(&at, r, s->dim[axis]));
  m.rank = s->rank;
  for (uint32_t i = 0; i < s->rank; i++)
    m.axis[i] = oq_map_all((size_t)s->dim[i]);
  m.axis[axis].out = oq_tensor_count(r->in[1]);
  m.axis[axis].at = at;
  return oq_bytes_map(r, &m);
}

static const oq_op_def defs[] = {
    {.domain = "",
     .name = "Gather",
     .since = 1,
     .last = 27,
     .min_in = 2,
     .max_in = 2,
     .min_out = 1,
     .max_out = 1,
     .dtypes = OQ_DTM_MOVABLE,
     .params_size = sizeof(gather_params),
     OQ_ATTRS(gather_attrs),
     .infer = gather_infer,
     .run = gather_run,
     .quant = {.cls = OQ_Q_MOVE, .role = {OQ_ROLE_DATA, OQ_ROLE_INDEX}}},
};

OQ_FAMILY(gather, defs);

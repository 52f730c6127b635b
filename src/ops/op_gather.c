/* Gather: slices by index. */
#include "ops/bytes.h"
#include "ops/op.h"
#include "ops/rules.h"

typedef struct gather_params {
  int64_t axis;
} gather_params;

static const oq_attr_def axis_attrs[] = {
    OQ_A_AXIS(gather_params, axis, "axis", 0),
};

/* ---- indices ------------------------------------------------------------- */
static oq_status bad_index(const oq_run *r, int64_t k, int64_t n) {
  return oq_run_fail(r, OQ_E_DATA, "gather.index",
                     "index %lld lies outside of an axis of %lld", (long long)k,
                     (long long)n);
}

/* Index `i` of an axis of n, counted from the end if negative. */
static oq_status index_at(size_t *out, const oq_run *r, size_t i, int64_t n) {
  const int64_t k = oq_element_i64(r->in[1], i);

  if (k < -n || k >= n) return bad_index(r, k, n);
  *out = (size_t)(k < 0 ? k + n : k);
  return OQ_OK;
}

static oq_status axis_run(uint32_t *axis, const oq_run *r) {
  const int64_t given = ((const gather_params *)r->params)->axis;

  return oq_axis_normalize(axis, given, r->in[0]->shape.rank) ? OQ_OK
                                                              : OQ_E_INTERNAL;
}

/* ---- Gather -------------------------------------------------------------- */
static oq_status gather_infer(oq_infer *x) {
  const oq_type *const t = oq_rule_ranked(x, 0);
  const oq_type *const ix = oq_rule_ranked(x, 1);
  uint32_t axis, n = 0;

  OQ_TRY(oq_rule_indices(x, 1));
  OQ_TRY(oq_rule_dtype(x));
  if (t == NULL) return OQ_OK;
  OQ_TRY(oq_rule_axis(&axis, x, ((const gather_params *)x->params)->axis,
                      t->rank));
  if (ix == NULL) return OQ_OK;
  OQ_TRY(oq_rule_rank(x, (uint64_t)t->rank - 1 + ix->rank));
  oq_infer_set_rank(x, 0, t->dtype, t->rank - 1 + ix->rank);
  for (uint32_t i = 0; i < axis; i++) x->out[0].dim[n++] = t->dim[i];
  for (uint32_t i = 0; i < ix->rank; i++) x->out[0].dim[n++] = ix->dim[i];
  for (uint32_t i = axis + 1; i < t->rank; i++) x->out[0].dim[n++] = t->dim[i];
  return OQ_OK;
}

static oq_status gather_run(oq_run *r) {
  const oq_shape *const s = &r->in[0]->shape;
  const size_t count = oq_tensor_count(r->in[1]);
  oq_mapping m = {.rank = s->rank};
  uint32_t axis = 0;
  size_t k = 0;

  OQ_TRY(axis_run(&axis, r));
  int64_t *const at = OQ_NEW_N(r->scratch, int64_t, count);
  if (at == NULL) return oq_fail_memory(r->diags);
  for (size_t i = 0; i < count; i++) {
    OQ_TRY(index_at(&k, r, i, s->dim[axis]));
    at[i] = (int64_t)k;
  }
  for (uint32_t i = 0; i < s->rank; i++)
    m.axis[i] = oq_map_all((size_t)s->dim[i]);
  m.axis[axis].out = count;
  m.axis[axis].at = at;
  return oq_bytes_map(r, &m);
}

/* ---- table --------------------------------------------------------------- */
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
     .texts = OQ_TEXT_MOVE,
     .params_size = sizeof(gather_params),
     OQ_ATTRS(axis_attrs),
     .infer = gather_infer,
     .run = gather_run,
     .quant = {.cls = OQ_Q_MOVE, .role = {OQ_ROLE_DATA, OQ_ROLE_INDEX}}},
};

OQ_FAMILY(gather, defs);

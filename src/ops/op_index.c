/* Reading and writing at positions that are data: GatherElements, GatherND,
 * ScatterElements, Scatter, ScatterND, TensorScatter. */
#include "kern/k_eltwise.h"
#include "ops/bytes.h"
#include "ops/op.h"
#include "ops/pick.h"
#include "ops/rules.h"

/* ---- what scattering does where something is already --------------------- */
enum { SET, ADD, MUL, MAX, MIN };
static const char *const reductions_16[] = {"none", "add", "mul", NULL};
static const char *const reductions_18[] = {"none", "add", "mul",
                                            "max",  "min", NULL};
static const oq_binary *const combiners[] = {NULL, &oq_k_add, &oq_k_mul,
                                             &oq_k_max, &oq_k_min};

typedef struct index_params {
  int64_t axis, batch_dims;
  int32_t reduction, mode;
} index_params;

static const oq_attr_def axis_attrs[] = {
    OQ_A_AXIS(index_params, axis, "axis", 0),
};
static const oq_attr_def batch_attrs[] = {
    OQ_A_I64(index_params, batch_dims, "batch_dims", 0, 0, OQ_MAX_RANK),
};
static const oq_attr_def elements_16_attrs[] = {
    OQ_A_AXIS(index_params, axis, "axis", 0),
    OQ_A_CHOICE(index_params, reduction, "reduction", "none", reductions_16),
};
static const oq_attr_def elements_18_attrs[] = {
    OQ_A_AXIS(index_params, axis, "axis", 0),
    OQ_A_CHOICE(index_params, reduction, "reduction", "none", reductions_18),
};
static const oq_attr_def nd_16_attrs[] = {
    OQ_A_CHOICE(index_params, reduction, "reduction", "none", reductions_16),
};
static const oq_attr_def nd_18_attrs[] = {
    OQ_A_CHOICE(index_params, reduction, "reduction", "none", reductions_18),
};
static const char *const scatter_modes[] = {"linear", "circular", NULL};
static const oq_attr_def tensor_scatter_attrs[] = {
    OQ_A_AXIS(index_params, axis, "axis", -2),
    OQ_A_CHOICE(index_params, mode, "mode", "linear", scatter_modes),
};

/* y op= u for n elements; both widened. */
static bool combine(const oq_binary *f, oq_num_class cls, void *y,
                    const void *u, size_t n) {
  if (cls == OQ_NUM_F32 && f->f32 != NULL)
    f->f32(y, y, 1, u, 1, n);
  else if (cls == OQ_NUM_F64 && f->f64 != NULL)
    f->f64(y, y, 1, u, 1, n);
  else if (cls == OQ_NUM_I64 && f->i64 != NULL)
    f->i64(y, y, 1, u, 1, n);
  else if (cls == OQ_NUM_U64 && f->u64 != NULL)
    f->u64(y, y, 1, u, 1, n);
  else
    return false;
  return true;
}

enum { BLOCK = 128 };

/* y[at..] op= u[from..], n elements of the type of t. */
static bool combine_run(const oq_tensor *t, size_t at, const oq_ctensor *u,
                        size_t from, size_t n, const oq_binary *f) {
  const int32_t dtype = (int32_t)t->dtype;
  const oq_num_class cls = oq_k_class(dtype);
  uint64_t a[BLOCK], b[BLOCK];

  for (size_t i = 0; i < n; i += BLOCK) {
    const size_t width = n - i < BLOCK ? n - i : BLOCK;
    oq_k_load(a, t->data, at + i, width, dtype);
    oq_k_load(b, u->data, from + i, width, dtype);
    if (!combine(f, cls, a, b, width)) return false;
    if (t->dtype == OQ_DT_BOOL)
      for (size_t k = 0; k < width; k++) a[k] = a[k] != 0;
    oq_k_store(t->data, at + i, a, width, dtype);
  }
  return true;
}

static oq_status check_combine(const oq_run *r, int32_t reduction) {
  const oq_dtype t = r->in[0]->dtype;

  if (reduction == SET || oq_k_class((int32_t)t) != OQ_NUM_NONE) return OQ_OK;
  return oq_run_fail(r, OQ_E_UNSUPPORTED, "op.dtype",
                     "reductions are not implemented for %s",
                     oq_dtype_text((int32_t)t));
}

/* Row-major strides, in elements. */
static void strides_of(size_t *stride, const oq_shape *s) {
  size_t n = 1;

  for (uint32_t i = s->rank; i-- > 0;) {
    stride[i] = n;
    n *= (size_t)s->dim[i];
  }
}

/* ---- elements along an axis: rules --------------------------------------- */
/* Positions off the axis are those of the indices: they must exist. */
static oq_status check_elements(const oq_infer *x, const oq_type *t,
                                const oq_type *ix) {
  const index_params *const p = x->params;
  uint32_t axis;

  OQ_TRY(oq_rule_axis(&axis, x, p->axis, t->rank));
  if (ix == NULL) return OQ_OK;
  if (ix->rank != t->rank)
    return oq_infer_fail(x, OQ_E_MODEL, "op.rank",
                         "the indices have rank %u, expected %u as the data",
                         ix->rank, t->rank);
  for (uint32_t i = 0; i < t->rank; i++) {
    const int64_t a = ix->dim[i].size, b = t->dim[i].size;
    if (i == axis || a == OQ_DIM_UNKNOWN || b == OQ_DIM_UNKNOWN || a <= b)
      continue;
    return oq_infer_fail(x, OQ_E_MODEL, "op.shape",
                         "the indices have %lld positions along axis %u, the "
                         "data %lld",
                         (long long)a, i, (long long)b);
  }
  return OQ_OK;
}

static oq_status gather_elements_infer(oq_infer *x) {
  const oq_type *const t = oq_rule_ranked(x, 0), *const ix =
                                                     oq_rule_ranked(x, 1);

  OQ_TRY(oq_rule_indices(x, 1));
  OQ_TRY(oq_rule_dtype(x));
  if (t != NULL) OQ_TRY(check_elements(x, t, ix));
  const oq_dtype d = oq_infer_dtype(x, 0);
  if (ix == NULL || d == OQ_DT_NONE) return OQ_OK;
  oq_infer_set_rank(x, 0, d, ix->rank);
  memcpy(x->out[0].dim, ix->dim, sizeof ix->dim);
  return OQ_OK;
}

static oq_status same_shape(const oq_infer *x, const oq_type *a,
                            const oq_type *b) {
  if (a == NULL || b == NULL) return OQ_OK;
  if (a->rank != b->rank)
    return oq_infer_fail(x, OQ_E_MODEL, "op.rank",
                         "the updates have rank %u, expected %u", b->rank,
                         a->rank);
  for (uint32_t i = 0; i < a->rank; i++)
    OQ_TRY(oq_pick_same_dim(x, a->dim[i], b->dim[i], "indices and updates"));
  return OQ_OK;
}

static oq_status check_updates(const oq_infer *x) {
  const oq_dtype a = oq_infer_dtype(x, 0), b = oq_infer_dtype(x, 2);

  if (a == OQ_DT_NONE || b == OQ_DT_NONE || a == b) return OQ_OK;
  return oq_infer_fail(x, OQ_E_MODEL, "op.dtype",
                       "the updates are %s, expected %s",
                       oq_dtype_text((int32_t)b), oq_dtype_text((int32_t)a));
}

static oq_status scatter_elements_infer(oq_infer *x) {
  const oq_type *const t = oq_rule_ranked(x, 0), *const ix =
                                                     oq_rule_ranked(x, 1);

  OQ_TRY(oq_rule_indices(x, 1));
  OQ_TRY(check_updates(x));
  OQ_TRY(same_shape(x, ix, oq_rule_ranked(x, 2)));
  if (t != NULL) OQ_TRY(check_elements(x, t, ix));
  return oq_infer_same(x);
}

/* ---- elements along an axis: kernels ------------------------------------- */
/* Walks the indices: operand 0 is their position, operand 1 that of the data
 * at 0 of the axis. */
typedef struct element_walk {
  oq_iter it;
  size_t step; /* of the axis in the data */
  const int64_t *at;
} element_walk;

static oq_status start_walk(element_walk *w, const oq_run *r) {
  const oq_shape *const s = &r->in[0]->shape, *const ix = &r->in[1]->shape;
  int64_t strides[2][OQ_MAX_RANK] = {{0}};
  size_t data[OQ_MAX_RANK], index[OQ_MAX_RANK];
  uint32_t axis;

  if (!oq_axis_normalize(&axis, ((const index_params *)r->params)->axis,
                         s->rank))
    return OQ_E_INTERNAL;
  OQ_TRY(oq_pick_indices(&w->at, r, 1, s->dim[axis]));
  strides_of(data, s);
  strides_of(index, ix);
  for (uint32_t i = 0; i < s->rank; i++) {
    strides[0][i] = (int64_t)index[i];
    strides[1][i] = i == axis ? 0 : (int64_t)data[i];
  }
  w->step = data[axis];
  oq_iter_init_strided(&w->it, ix, (const int64_t(*)[OQ_MAX_RANK])strides, 2);
  return OQ_OK;
}

static oq_status gather_elements_run(oq_run *r) {
  const size_t size = oq_bytes_size(r->in[0]->dtype);
  element_walk w;
  const uint8_t *x;
  uint8_t *y;

  if (r->out[0].size == 0) return OQ_OK;
  OQ_TRY(start_walk(&w, r));
  OQ_TRY(oq_bytes_in(&x, r, r->in[0]));
  OQ_TRY(oq_bytes_out(&y, r, 0));
  do {
    const size_t to = (size_t)w.it.offset[0], step = (size_t)w.it.step[1];
    for (size_t i = 0; i < w.it.run; i++) {
      const size_t at = (size_t)w.at[to + i] * w.step;
      oq_pick_copy(y + (to + i) * size,
                   x + ((size_t)w.it.offset[1] + i * step + at) * size, size);
    }
  } while (oq_iter_next(&w.it));
  oq_bytes_done(r, 0, y);
  return OQ_OK;
}

/* The data, unpacked, where the updates will be written. */
static oq_status copy_data(uint8_t **y, const oq_run *r) {
  const uint8_t *x;

  OQ_TRY(oq_bytes_in(&x, r, r->in[0]));
  OQ_TRY(oq_bytes_out(y, r, 0));
  if (x != *y)
    memcpy(*y, x, oq_tensor_count(r->in[0]) * oq_bytes_size(r->in[0]->dtype));
  return OQ_OK;
}

static oq_status scatter_elements_run(oq_run *r) {
  const int32_t reduction = ((const index_params *)r->params)->reduction;
  const size_t size = oq_bytes_size(r->in[0]->dtype);
  element_walk w;
  const uint8_t *u;
  uint8_t *y;

  OQ_TRY(check_combine(r, reduction));
  if (r->out[0].size == 0 && r->in[1]->size == 0) return OQ_OK;
  OQ_TRY(start_walk(&w, r));
  OQ_TRY(copy_data(&y, r));
  OQ_TRY(oq_bytes_in(&u, r, r->in[2]));
  if (w.it.run > 0) do {
      const size_t from = (size_t)w.it.offset[0], step = (size_t)w.it.step[1];
      for (size_t i = 0; i < w.it.run; i++) {
        const size_t at =
            (size_t)w.it.offset[1] + i * step + (size_t)w.at[from + i] * w.step;
        if (reduction == SET)
          oq_pick_copy(y + at * size, u + (from + i) * size, size);
        else
          (void)combine_run(&r->out[0], at, r->in[2], from + i, 1,
                            combiners[reduction]);
      }
    } while (oq_iter_next(&w.it));
  oq_bytes_done(r, 0, y);
  return OQ_OK;
}

/* ---- tuples of indices: rules -------------------------------------------- */
/* Rank of the slices that tuples name; UINT32_MAX where it is not known. */
static oq_status slice_rank(uint32_t *out, const oq_infer *x, const oq_type *t,
                            const oq_type *ix, uint32_t batch) {
  *out = UINT32_MAX;
  if ((t != NULL && t->rank == 0) || (ix != NULL && ix->rank == 0))
    return oq_infer_fail(x, OQ_E_MODEL, "op.rank",
                         "an input is a scalar, expected rank 1 or more");
  if ((t != NULL && batch >= t->rank) || (ix != NULL && batch >= ix->rank))
    return oq_infer_fail(x, OQ_E_MODEL, "op.batch",
                         "%u batch dimensions leave nothing to index", batch);
  if (t == NULL || ix == NULL) return OQ_OK;
  const int64_t depth = ix->dim[ix->rank - 1].size;
  if (depth == OQ_DIM_UNKNOWN) return OQ_OK;
  if (depth < 1 || depth > (int64_t)(t->rank - batch))
    return oq_infer_fail(x, OQ_E_MODEL, "op.index",
                         "tuples of %lld indices meet %u dimensions",
                         (long long)depth, t->rank - batch);
  *out = t->rank - batch - (uint32_t)depth;
  return OQ_OK;
}

/* Dims of the indices but the last, then those of a slice. */
static oq_status tuple_type(oq_type *out, const oq_infer *x, const oq_type *t,
                            const oq_type *ix, uint32_t slice) {
  uint32_t n = 0;

  OQ_TRY(oq_rule_rank(x, (uint64_t)ix->rank - 1 + slice));
  for (uint32_t i = 0; i + 1 < ix->rank; i++) out->dim[n++] = ix->dim[i];
  for (uint32_t i = 0; i < slice; i++)
    out->dim[n++] = t->dim[t->rank - slice + i];
  out->has_rank = true;
  out->rank = n;
  return OQ_OK;
}

static oq_status gather_nd_infer(oq_infer *x) {
  const index_params *const p = x->params;
  const uint32_t batch = x->opset < 12 ? 0 : (uint32_t)p->batch_dims;
  const oq_type *const t = oq_rule_ranked(x, 0), *const ix =
                                                     oq_rule_ranked(x, 1);
  uint32_t slice;

  OQ_TRY(oq_rule_indices(x, 1));
  OQ_TRY(oq_rule_dtype(x));
  OQ_TRY(slice_rank(&slice, x, t, ix, batch));
  if (t == NULL || ix == NULL) return OQ_OK;
  for (uint32_t i = 0; i < batch; i++)
    OQ_TRY(oq_pick_same_dim(x, t->dim[i], ix->dim[i], "batch dimensions"));
  if (slice == UINT32_MAX) return OQ_OK;
  return tuple_type(&x->out[0], x, t, ix, slice);
}

static oq_status scatter_nd_infer(oq_infer *x) {
  const oq_type *const t = oq_rule_ranked(x, 0), *const ix =
                                                     oq_rule_ranked(x, 1);
  oq_type expected = {.kind = OQ_TYPE_TENSOR};
  uint32_t slice;

  OQ_TRY(oq_rule_indices(x, 1));
  OQ_TRY(check_updates(x));
  OQ_TRY(slice_rank(&slice, x, t, ix, 0));
  if (slice != UINT32_MAX) {
    OQ_TRY(tuple_type(&expected, x, t, ix, slice));
    OQ_TRY(same_shape(x, &expected, oq_rule_ranked(x, 2)));
  }
  return oq_infer_same(x);
}

/* ---- tuples of indices: kernels ------------------------------------------ */
typedef struct tuples {
  const oq_ctensor *indices;
  size_t n, depth, per_batch; /* tuples, of a batch */
  size_t slice, batch_step;   /* elements */
  size_t stride[OQ_MAX_RANK]; /* of the indexed dimensions */
  int64_t dim[OQ_MAX_RANK];
} tuples;

static tuples tuples_of(const oq_run *r, uint32_t batch) {
  const oq_shape *const s = &r->in[0]->shape, *const ix = &r->in[1]->shape;
  size_t stride[OQ_MAX_RANK];
  tuples t = {.indices = r->in[1]};

  t.depth = (size_t)ix->dim[ix->rank - 1];
  t.n = oq_dims_product(ix, 0, ix->rank - 1);
  t.per_batch = oq_dims_product(ix, batch, ix->rank - 1);
  strides_of(stride, s);
  for (size_t i = 0; i < t.depth; i++) {
    t.stride[i] = stride[batch + i];
    t.dim[i] = s->dim[batch + i];
  }
  t.slice = stride[batch + t.depth - 1];
  t.batch_step = batch == 0 ? 0 : stride[batch - 1];
  return t;
}

/* Where the slice of tuple i begins. */
static oq_status tuple_at(size_t *out, const oq_run *r, const tuples *t,
                          size_t i) {
  size_t at = i / t->per_batch * t->batch_step;

  for (size_t k = 0; k < t->depth; k++) {
    const int64_t v = oq_element_i64(t->indices, i * t->depth + k);
    if (v < -t->dim[k] || v >= t->dim[k])
      return oq_run_fail(r, OQ_E_DATA, "op.index",
                         "index %lld lies outside of a dimension of %lld",
                         (long long)v, (long long)t->dim[k]);
    at += (size_t)(v < 0 ? v + t->dim[k] : v) * t->stride[k];
  }
  *out = at;
  return OQ_OK;
}

static oq_status gather_nd_run(oq_run *r) {
  const index_params *const p = r->params;
  const size_t size = oq_bytes_size(r->in[0]->dtype);
  const uint8_t *x;
  uint8_t *y;

  if (r->out[0].size == 0) return OQ_OK;
  const tuples t = tuples_of(r, r->opset < 12 ? 0 : (uint32_t)p->batch_dims);
  OQ_TRY(oq_bytes_in(&x, r, r->in[0]));
  OQ_TRY(oq_bytes_out(&y, r, 0));
  for (size_t i = 0; i < t.n; i++) {
    size_t at;
    OQ_TRY(tuple_at(&at, r, &t, i));
    memcpy(y + i * t.slice * size, x + at * size, t.slice * size);
  }
  oq_bytes_done(r, 0, y);
  return OQ_OK;
}

static oq_status scatter_nd_run(oq_run *r) {
  const int32_t reduction = ((const index_params *)r->params)->reduction;
  const size_t size = oq_bytes_size(r->in[0]->dtype);
  const uint8_t *u;
  uint8_t *y;

  OQ_TRY(check_combine(r, reduction));
  if (r->out[0].size == 0) return OQ_OK;
  const tuples t = tuples_of(r, 0);
  OQ_TRY(copy_data(&y, r));
  OQ_TRY(oq_bytes_in(&u, r, r->in[2]));
  for (size_t i = 0; i < t.n && t.per_batch > 0; i++) {
    size_t at;
    OQ_TRY(tuple_at(&at, r, &t, i));
    if (reduction == SET)
      memcpy(y + at * size, u + i * t.slice * size, t.slice * size);
    else
      (void)combine_run(&r->out[0], at, r->in[2], i * t.slice, t.slice,
                        combiners[reduction]);
  }
  oq_bytes_done(r, 0, y);
  return OQ_OK;
}

/* ---- TensorScatter ------------------------------------------------------- */
static oq_status tensor_scatter_infer(oq_infer *x) {
  const oq_type *const t = oq_rule_ranked(x, 0), *const u =
                                                     oq_rule_ranked(x, 1);
  const oq_type *const w = oq_rule_ranked(x, 2);
  uint32_t axis = 0;

  OQ_TRY(oq_infer_same_dtypes(x, 0, 2));
  OQ_TRY(oq_rule_indices(x, 2));
  if (t != NULL) {
    OQ_TRY(oq_rule_axis(&axis, x, ((const index_params *)x->params)->axis,
                        t->rank));
    if (axis == 0)
      return oq_infer_fail(x, OQ_E_MODEL, "op.axis",
                           "axis 0 is that of the batch");
  }
  if (t != NULL && u != NULL && t->rank != u->rank)
    return oq_infer_fail(x, OQ_E_MODEL, "op.rank",
                         "the update has rank %u, expected %u", u->rank,
                         t->rank);
  for (uint32_t i = 0; t != NULL && u != NULL && i < t->rank; i++)
    if (i != axis)
      OQ_TRY(oq_pick_same_dim(x, t->dim[i], u->dim[i], "cache and update"));
  if (w != NULL && w->rank != 1)
    return oq_infer_fail(x, OQ_E_MODEL, "op.rank",
                         "the write indices have rank %u, expected 1", w->rank);
  if (w != NULL && t != NULL)
    OQ_TRY(oq_pick_same_dim(x, t->dim[0], w->dim[0], "batch dimensions"));
  return oq_infer_same(x);
}

/* First position that is written in sample `b`. */
static oq_status write_start(int64_t *out, const oq_run *r, size_t b,
                             int64_t length, int64_t n) {
  const oq_ctensor *const w = oq_pick_input(r, 2);
  const bool circular = ((const index_params *)r->params)->mode != 0;
  int64_t at = w == NULL ? 0 : oq_element_i64(w, b);

  if (circular && n > 0) at = (at % n + n) % n;
  if (length > n || at < 0 || (!circular && at > n - length))
    return oq_run_fail(r, OQ_E_DATA, "op.index",
                       "%lld positions from %lld on do not fit into %lld",
                       (long long)length, (long long)at, (long long)n);
  *out = at;
  return OQ_OK;
}

static oq_status tensor_scatter_run(oq_run *r) {
  const oq_shape *const s = &r->in[0]->shape, *const us = &r->in[1]->shape;
  const size_t size = oq_bytes_size(r->in[0]->dtype);
  const uint8_t *u;
  uint8_t *y;
  uint32_t axis;

  (void)oq_axis_normalize(&axis, ((const index_params *)r->params)->axis,
                          s->rank);
  OQ_TRY(copy_data(&y, r));
  OQ_TRY(oq_bytes_in(&u, r, r->in[1]));
  if (r->in[1]->size == 0) return OQ_OK;
  const size_t batch = (size_t)s->dim[0], n = (size_t)s->dim[axis];
  const size_t outer = oq_dims_product(s, 1, axis);
  const size_t inner = oq_dims_product(s, axis + 1, s->rank) * size;
  const size_t length = (size_t)us->dim[axis];
  for (size_t b = 0; b < batch; b++) {
    int64_t start;
    OQ_TRY(write_start(&start, r, b, us->dim[axis], s->dim[axis]));
    for (size_t o = b * outer; o < (b + 1) * outer; o++)
      for (size_t i = 0; i < length; i++)
        memcpy(y + (o * n + ((size_t)start + i) % n) * inner,
               u + (o * length + i) * inner, inner);
  }
  oq_bytes_done(r, 0, y);
  return OQ_OK;
}

/* ---- table --------------------------------------------------------------- */
#define ROW(op, from, to)                                                  \
  .domain = "", .name = (op), .since = (from), .last = (to), .min_out = 1, \
  .max_out = 1, .dtypes = OQ_DTM_MOVABLE, .params_size = sizeof(index_params)
#define GATHER(op, from, to, f)                                     \
  ROW(op, from, to),                                                \
      .min_in = 2, .max_in = 2, .infer = f##_infer, .run = f##_run, \
      .texts = OQ_TEXT_MOVE,                                        \
      .quant = {.cls = OQ_Q_MOVE, .role = {OQ_ROLE_DATA, OQ_ROLE_INDEX}}
/* The output has values of two inputs. */
#define SCATTER(op, from, to, f)                                    \
  ROW(op, from, to),                                                \
      .min_in = 3, .max_in = 3, .infer = f##_infer, .run = f##_run, \
      .texts = OQ_TEXT_MOVE | OQ_TEXT(2),                           \
      .quant = {.cls = OQ_Q_JOIN,                                   \
                .role = {OQ_ROLE_DATA, OQ_ROLE_INDEX, OQ_ROLE_DATA}}

static const oq_op_def defs[] = {
    {GATHER("GatherElements", 11, 27, gather_elements), OQ_ATTRS(axis_attrs)},
    {GATHER("GatherND", 11, 11, gather_nd)},
    {GATHER("GatherND", 12, 27, gather_nd), OQ_ATTRS(batch_attrs)},
    {SCATTER("Scatter", 9, 10, scatter_elements), OQ_ATTRS(axis_attrs)},
    {SCATTER("ScatterElements", 11, 15, scatter_elements),
     OQ_ATTRS(axis_attrs)},
    {SCATTER("ScatterElements", 16, 17, scatter_elements),
     OQ_ATTRS(elements_16_attrs)},
    {SCATTER("ScatterElements", 18, 27, scatter_elements),
     OQ_ATTRS(elements_18_attrs)},
    {SCATTER("ScatterND", 11, 15, scatter_nd)},
    {SCATTER("ScatterND", 16, 17, scatter_nd), OQ_ATTRS(nd_16_attrs)},
    {SCATTER("ScatterND", 18, 27, scatter_nd), OQ_ATTRS(nd_18_attrs)},
    {ROW("TensorScatter", 24, 27), .min_in = 2, .max_in = 3,
     .texts = OQ_TEXT_MOVE | OQ_TEXT(1), OQ_ATTRS(tensor_scatter_attrs),
     .infer = tensor_scatter_infer, .run = tensor_scatter_run,
     .quant = {.cls = OQ_Q_JOIN,
               .role = {OQ_ROLE_DATA, OQ_ROLE_DATA, OQ_ROLE_INDEX}}},
};

OQ_FAMILY(index, defs);

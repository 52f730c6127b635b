/* Windows the other way round: MaxUnpool, Col2Im; and CenterCropPad. */
#include <math.h>

#include "kern/k_eltwise.h"
#include "kern/k_window.h"
#include "ops/bytes.h"
#include "ops/eltwise.h"
#include "ops/op.h"
#include "ops/pick.h"
#include "ops/rules.h"
#include "ops/widen.h"
#include "ops/window.h"

typedef struct pool_params {
  oq_window_params window;
  int64_t p, ceil;
  oq_i64s axes; /* CenterCropPad */
} pool_params;

static oq_status image_rank(const oq_infer *x, const oq_type *t,
                            uint32_t least) {
  if (t->rank >= least) return OQ_OK;
  return oq_infer_fail(x, OQ_E_MODEL, "pool.rank",
                       "the input has rank %u, expected %u or more", t->rank,
                       least);
}

/* ---- windows --------------------------------------------------------- */
/* The input position that tap k of output o meets; false: padding. */
static bool window_at(size_t *at, const oq_windows *w, size_t o, size_t k) {
  size_t step = 1;

  *at = 0;
  for (uint32_t i = w->n; i-- > 0;) {
    const oq_axis *const a = &w->axis[i];
    size_t p;
    if (!oq_axis_at(&p, a, o % a->out, k % a->kernel)) return false;
    *at += p * step;
    step *= a->in;
    o /= a->out;
    k /= a->kernel;
  }
  return true;
}

/* ---- MaxUnpool ----------------------------------------------------------- */
static const oq_attr_def unpool_attrs[] = {
    {.name = "kernel_shape",
     .kind = OQ_ATTR_I64S,
     .required = true,
     .offset = offsetof(pool_params, window.kernel),
     .min = 1,
     .max = 0},
    OQ_A_I64S(pool_params, window.strides, "strides"),
    OQ_A_I64S(pool_params, window.pads, "pads"),
};

/* What a pool with these windows came from, at least. */
static oq_status unpooled(int64_t *out, const oq_infer *x, uint32_t i,
                          int64_t in) {
  const oq_window_params *const p = &((const pool_params *)x->params)->window;
  const int64_t stride = i < p->strides.n ? p->strides.v[i] : 1;
  const int64_t pads =
      p->pads.n == 0 ? 0 : p->pads.v[i] + p->pads.v[i + p->pads.n / 2];

  if (in < 1 || !oq_mul_i64(out, in - 1, stride) ||
      !oq_add_i64(out, *out, p->kernel.v[i]) || !oq_sub_i64(out, *out, pads) ||
      *out < 1)
    return oq_infer_fail(x, OQ_E_MODEL, "unpool.size",
                         "spatial axis %u of the output would have no valid "
                         "size",
                         i);
  return OQ_OK;
}

static oq_status small_pads(const oq_infer *x) {
  const oq_i64s *const pads = &((const pool_params *)x->params)->window.pads;

  for (uint32_t i = 0; i < pads->n; i++)
    if (pads->v[i] > INT32_MAX)
      return oq_infer_fail(x, OQ_E_LIMIT, "unpool.pads",
                           "attribute 'pads' holds %lld",
                           (long long)pads->v[i]);
  return OQ_OK;
}

static oq_status unpool_given(oq_infer *x, const oq_type *t,
                              const int64_t *size, uint32_t n) {
  if (n != t->rank)
    return oq_infer_fail(x, OQ_E_MODEL, "unpool.size",
                         "the output shape has %u values, expected %u", n,
                         t->rank);
  for (uint32_t i = 0; i < n; i++) {
    if (size[i] < 0)
      return oq_infer_fail(x, OQ_E_MODEL, "unpool.size",
                           "the output shape holds %lld", (long long)size[i]);
    x->out[0].dim[i] = (oq_dim){.size = size[i]};
  }
  return OQ_OK;
}

static oq_status unpool_infer(oq_infer *x) {
  const pool_params *const p = x->params;
  const oq_type *const t = oq_rule_ranked(x, 0), *const ix =
                                                     oq_rule_ranked(x, 1);
  const bool given = x->n_in > 2 && oq_value_ok(x->node->in[2]);
  const int64_t *size;
  uint32_t n;
  bool known;

  OQ_TRY(oq_rule_indices(x, 1));
  OQ_TRY(oq_rule_dtype(x));
  OQ_TRY(oq_infer_ints(&size, &n, &known, x, 2));
  OQ_TRY(small_pads(x));
  if (t == NULL) return OQ_OK;
  OQ_TRY(image_rank(x, t, 3));
  OQ_TRY(oq_window_check_rank(x, &p->window, t->rank - 2));
  for (uint32_t i = 0; ix != NULL && i < t->rank; i++)
    if (ix->rank == t->rank)
      OQ_TRY(oq_pick_same_dim(x, t->dim[i], ix->dim[i], "values and indices"));
    else
      return oq_infer_fail(x, OQ_E_MODEL, "op.rank",
                           "the indices have rank %u, expected %u", ix->rank,
                           t->rank);
  oq_infer_set_rank(x, 0, t->dtype, t->rank);
  if (given && !known) return OQ_OK;
  if (given) return unpool_given(x, t, size, n);
  for (uint32_t i = 0; i < t->rank; i++)
    if (i < 2)
      x->out[0].dim[i] = t->dim[i];
    else if (t->dim[i].size != OQ_DIM_UNKNOWN)
      OQ_TRY(unpooled(&x->out[0].dim[i].size, x, i - 2, t->dim[i].size));
  return OQ_OK;
}

static oq_status unpool_run(oq_run *r) {
  const size_t size = oq_bytes_size(r->in[0]->dtype);
  const oq_ctensor out = oq_tensor_const(&r->out[0]);
  const size_t n = oq_tensor_count(r->in[0]), room = oq_tensor_count(&out);

  if (r->out[0].size > 0) memset(r->out[0].data, 0, r->out[0].size);
  for (size_t i = 0; i < n; i++) {
    const int64_t at = oq_element_i64(r->in[1], i);
    if (at < 0 || (uint64_t)at >= room)
      return oq_run_fail(r, OQ_E_DATA, "op.index",
                         "index %lld lies outside of %zu elements",
                         (long long)at, room);
    oq_pick_copy((uint8_t *)r->out[0].data + (size_t)at * size,
                 (const uint8_t *)r->in[0]->data + i * size, size);
  }
  return OQ_OK;
}

/* ---- Col2Im -------------------------------------------------------------- */
static const oq_attr_def fold_attrs[] = {
    OQ_A_I64S(pool_params, window.strides, "strides"),
    OQ_A_I64S(pool_params, window.pads, "pads"),
    OQ_WINDOW_DILATIONS(pool_params),
};

static oq_status fold_check(const oq_graph *g, const oq_node *n, void *params,
                            oq_diags *d) {
  return oq_window_check(g, n, &((const pool_params *)params)->window, d);
}

/* Blocks must tile as the input has them: *taps per channel, *blocks. */
static oq_status fold_counts(int64_t *taps, int64_t *blocks, const oq_infer *x,
                             const int64_t *image, const int64_t *block,
                             uint32_t n) {
  const pool_params *const p = x->params;

  *taps = *blocks = 1;
  OQ_TRY(oq_window_check_rank(x, &p->window, n));
  for (uint32_t i = 0; i < n; i++) {
    oq_axis a;
    const oq_status s = oq_window_axis(&a, NULL, &p->window, i, image[i],
                                       block[i], OQ_ROUND_FLOOR);
    if (s != OQ_OK) return oq_window_fail(x, s, i);
    if (!oq_mul_i64(taps, *taps, block[i]) ||
        !oq_mul_i64(blocks, *blocks, (int64_t)a.out))
      return oq_window_fail(x, OQ_E_LIMIT, i);
  }
  return OQ_OK;
}

static oq_status fold_shape(oq_infer *x, const oq_type *t, const int64_t *image,
                            const int64_t *block, uint32_t n) {
  int64_t taps, blocks;

  OQ_TRY(fold_counts(&taps, &blocks, x, image, block, n));
  OQ_TRY(oq_pick_same_dim(x, t->dim[2], (oq_dim){.size = blocks},
                          "columns and blocks"));
  if (t->dim[1].size == OQ_DIM_UNKNOWN) return OQ_OK;
  if (t->dim[1].size % taps != 0)
    return oq_infer_fail(x, OQ_E_MODEL, "col2im.block",
                         "%lld rows are no multiple of a block of %lld",
                         (long long)t->dim[1].size, (long long)taps);
  x->out[0].dim[1].size = t->dim[1].size / taps;
  return OQ_OK;
}

static oq_status fold_infer(oq_infer *x) {
  const oq_type *const t = oq_rule_ranked(x, 0);
  const int64_t *image, *block;
  uint32_t n, n_block;
  bool known, block_known;

  OQ_TRY(oq_infer_ints(&image, &n, &known, x, 1));
  OQ_TRY(oq_infer_ints(&block, &n_block, &block_known, x, 2));
  OQ_TRY(oq_rule_dtype(x));
  if (t != NULL && t->rank != 3)
    return oq_infer_fail(x, OQ_E_MODEL, "op.rank",
                         "the input has rank %u, expected 3", t->rank);
  if (t == NULL || !known || !block_known) return OQ_OK;
  if (n != n_block || n == 0 || n > OQ_WINDOW_AXES)
    return oq_infer_fail(x, OQ_E_MODEL, "col2im.block",
                         "an image of %u and a block of %u dimensions", n,
                         n_block);
  oq_infer_set_rank(x, 0, t->dtype, n + 2);
  x->out[0].dim[0] = t->dim[0];
  for (uint32_t i = 0; i < n; i++) x->out[0].dim[i + 2].size = image[i];
  return fold_shape(x, t, image, block, n);
}

/* y[in] += x[taps][out] of one channel. */
#define FOLD(T, sfx)                                                  \
  static void fold_##sfx(T *y, const T *x, const oq_windows *w) {     \
    size_t at;                                                        \
    for (size_t k = 0; k < w->taps; k++)                              \
      for (size_t o = 0; o < w->out_size; o++)                        \
        if (window_at(&at, w, o, k)) y[at] += x[k * w->out_size + o]; \
  }
FOLD(float, f32)
FOLD(double, f64)
FOLD(uint64_t, u64)

static oq_status fold_run(oq_run *r) {
  const pool_params *const p = r->params;
  const oq_shape *const o = &r->out[0].shape;
  const int32_t dtype = (int32_t)r->in[0]->dtype;
  const oq_num_class cls = oq_k_class(dtype);
  const oq_ctensor out = oq_tensor_const(&r->out[0]);
  oq_windows w = {.n = o->rank - 2};

  if (r->out[0].size == 0) return OQ_OK;
  if (cls == OQ_NUM_NONE) return oq_widen_parts(r, fold_run);
  for (uint32_t i = 0; i < w.n; i++)
    (void)oq_window_axis(&w.axis[i], NULL, &p->window, i, o->dim[i + 2],
                         oq_element_i64(r->in[2], i), OQ_ROUND_FLOOR);
  oq_windows_finish(&w);
  const size_t each = w.taps * w.out_size, n = oq_tensor_count(&out);
  void *const x = oq_arena_alloc_raw(r->scratch, each, 8, OQ_ALIGN);
  void *const y = oq_arena_alloc_raw(r->scratch, w.in_size, 8, OQ_ALIGN);
  if (x == NULL || y == NULL) return oq_fail_memory(r->diags);
  for (size_t c = 0; c < n / w.in_size; c++) {
    oq_k_load(x, r->in[0]->data, c * each, each, dtype);
    memset(y, 0, w.in_size * 8);
    if (cls == OQ_NUM_F32)
      fold_f32(y, x, &w);
    else if (cls == OQ_NUM_F64)
      fold_f64(y, x, &w);
    else
      fold_u64(y, x, &w);
    oq_k_store(r->out[0].data, c * w.in_size, y, w.in_size, dtype);
  }
  return OQ_OK;
}

/* ---- CenterCropPad ------------------------------------------------------- */
static const oq_attr_def crop_attrs[] = {
    OQ_A_I64S(pool_params, axes, "axes"),
};

/* The axis that value i of the shape is for. */
static oq_status crop_axis(uint32_t *axis, const oq_infer *x, uint32_t i,
                           uint32_t rank) {
  const oq_i64s *const axes = &((const pool_params *)x->params)->axes;

  *axis = i;
  return axes->set ? oq_rule_axis(axis, x, axes->v[i], rank) : OQ_OK;
}

static oq_status crop_infer(oq_infer *x) {
  const oq_i64s *const axes = &((const pool_params *)x->params)->axes;
  const oq_type *const t = oq_rule_ranked(x, 0);
  bool seen[OQ_MAX_RANK] = {false};
  const int64_t *size;
  uint32_t n, axis;
  bool known;

  OQ_TRY(oq_infer_ints(&size, &n, &known, x, 1));
  OQ_TRY(oq_rule_dtype(x));
  if (t == NULL) return OQ_OK;
  oq_infer_set_rank(x, 0, t->dtype, t->rank);
  if (!known) return OQ_OK;
  if (n != (axes->set ? axes->n : t->rank) || n > t->rank)
    return oq_infer_fail(x, OQ_E_MODEL, "crop.shape",
                         "the shape has %u values, expected one per axis", n);
  memcpy(x->out[0].dim, t->dim, sizeof t->dim);
  for (uint32_t i = 0; i < n; i++) {
    OQ_TRY(crop_axis(&axis, x, i, t->rank));
    if (seen[axis] || size[i] < 0)
      return oq_infer_fail(x, OQ_E_MODEL, "crop.shape",
                           "axis %u is cut twice, or to a size of %lld", axis,
                           (long long)size[i]);
    seen[axis] = true;
    x->out[0].dim[axis] = (oq_dim){.size = size[i]};
  }
  return OQ_OK;
}

static oq_status crop_run(oq_run *r) {
  static const uint8_t zero[16];
  const oq_shape *const s = &r->in[0]->shape, *const o = &r->out[0].shape;
  oq_mapping m = {.rank = s->rank, .fill = zero};

  if (r->out[0].size == 0) return OQ_OK;
  for (uint32_t i = 0; i < s->rank; i++) {
    const int64_t in = s->dim[i], out = o->dim[i];
    const int64_t start = in >= out ? (in - out) / 2 : -((out - in) / 2);
    m.axis[i] = oq_map_all((size_t)in);
    m.axis[i].out = (size_t)out;
    m.axis[i].start = start;
    if (in >= out) continue;
    int64_t *const at = OQ_NEW_N(r->scratch, int64_t, (size_t)out);
    if (at == NULL) return oq_fail_memory(r->diags);
    for (int64_t k = 0; k < out; k++)
      at[k] = k + start >= 0 && k + start < in ? k + start : -1;
    m.axis[i].at = at;
  }
  return oq_bytes_map(r, &m);
}

/* ---- table --------------------------------------------------------------- */
#define ROW(op, from, to, least, most, types)                      \
  .domain = "", .name = (op), .since = (from), .last = (to),       \
  .min_in = (least), .max_in = (most), .min_out = 1, .max_out = 1, \
  .dtypes = (types), .params_size = sizeof(pool_params)
#define MOVE .quant = {.cls = OQ_Q_MOVE, .role = {OQ_ROLE_DATA, OQ_ROLE_INDEX}}

static const oq_op_def defs[] = {
    {ROW("MaxUnpool", 9, 27, 2, 3, OQ_DTM_FLOAT), OQ_ATTRS(unpool_attrs),
     .check = fold_check, .infer = unpool_infer, .run = unpool_run, MOVE},
    {ROW("Col2Im", 18, 27, 3, 3, OQ_ELTWISE_TYPES | OQ_DTM_COMPLEX),
     OQ_ATTRS(fold_attrs), .check = fold_check, .infer = fold_infer,
     .run = fold_run,
     .quant = {.cls = OQ_Q_MAP, .role = {OQ_ROLE_DATA, OQ_ROLE_INDEX}}},
    {ROW("CenterCropPad", 18, 27, 2, 2, OQ_DTM_MOVABLE), .texts = OQ_TEXT_MOVE,
     OQ_ATTRS(crop_attrs), .infer = crop_infer, .run = crop_run, MOVE},
};

OQ_FAMILY(unpool, defs);

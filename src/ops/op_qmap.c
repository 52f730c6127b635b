/* Quantized operators of com.microsoft that are no products: QLinearAdd, -Mul,
 * -Where, -Concat, -Sigmoid, -LeakyRelu, -Softmax, -AveragePool,
 * -GlobalAveragePool.  The values are made float32, worked on, and rounded
 * once.
 */
#include <string.h>

#include "kern/k_pool.h"
#include "kern/k_softmax.h"
#include "kern/kern.h"
#include "ops/eltwise.h"
#include "ops/op.h"
#include "ops/quantized.h"
#include "ops/rules.h"
#include "ops/window.h"

static const oq_ctensor *slot(const oq_run *r, uint32_t i) {
  return i < r->n_in ? r->in[i] : NULL;
}

static oq_status take(float **out, const oq_run *r, uint32_t i) {
  return oq_quantized_take(out, r, r->in[i], r->in[i + 1], slot(r, i + 2));
}

/* To output 0, with the scale at input i and the zero point behind it. */
static void store(const oq_run *r, const float *v, uint32_t i) {
  const oq_ctensor y = oq_tensor_const(&r->out[0]);

  oq_quantized_store(r, 0, 0, v, oq_tensor_count(&y), oq_scale_at(r->in[i], 0),
                     oq_zero_at(slot(r, i + 1), 0));
}

static oq_status room_for_output(float **out, const oq_run *r) {
  const oq_ctensor y = oq_tensor_const(&r->out[0]);

  *out = oq_arena_alloc_raw(r->scratch, oq_tensor_count(&y), sizeof **out,
                            OQ_ALIGN);
  return *out == NULL ? oq_fail_memory(r->diags) : OQ_OK;
}

/* ---- Add, Mul ------------------------------------------------------------ */
/* Two quantized inputs from `first` on (value, scale, zero point), then the
 * pair of the output. */
static oq_status check_two(const oq_infer *x, uint32_t first) {
  OQ_TRY(oq_quantized_8bit(x, first));
  OQ_TRY(oq_quantized_8bit(x, first + 3));
  OQ_TRY(oq_quantized_pair(x, first + 1, first));
  OQ_TRY(oq_quantized_pair(x, first + 4, first));
  OQ_TRY(oq_quantized_pair(x, first + 6, first));
  if (oq_infer_dtype(x, first) == OQ_DT_NONE ||
      oq_infer_dtype(x, first + 3) == OQ_DT_NONE ||
      oq_infer_dtype(x, first) == oq_infer_dtype(x, first + 3))
    return OQ_OK;
  return oq_infer_fail(x, OQ_E_MODEL, "op.dtype",
                       "inputs %u and %u are of different types", first,
                       first + 3);
}

/* One dim against what others said; false if they do not fit. */
static bool meet(oq_dim *to, oq_dim d) {
  if (d.size == 1) return true;
  if (to->size == 1 || to->size == OQ_DIM_UNKNOWN) {
    if (d.size != OQ_DIM_UNKNOWN || to->size == 1) *to = d;
    return true;
  }
  return d.size == OQ_DIM_UNKNOWN || d.size == to->size;
}

/* out[0]: of type t, the broadcast of inputs at[0..n). */
static oq_status broadcast_of(oq_infer *x, const uint32_t *at, uint32_t n,
                              oq_dtype t) {
  oq_dim d[OQ_MAX_RANK];
  uint32_t rank = 0;

  if (t == OQ_DT_NONE) return OQ_OK;
  oq_infer_set_dtype(x, 0, t);
  for (uint32_t i = 0; i < OQ_MAX_RANK; i++) d[i] = (oq_dim){.size = 1};
  for (uint32_t i = 0; i < n; i++) { /* aligned to the end of d */
    const oq_type *const in = oq_rule_ranked(x, at[i]);
    if (in == NULL) return OQ_OK;
    if (in->rank > rank) rank = in->rank;
    for (uint32_t k = 0; k < in->rank; k++)
      if (!meet(&d[OQ_MAX_RANK - in->rank + k], in->dim[k]))
        return oq_infer_fail(x, OQ_E_MODEL, "op.broadcast",
                             "the shapes cannot be broadcast together");
  }
  oq_infer_set_rank(x, 0, t, rank);
  for (uint32_t k = 0; k < rank; k++)
    x->out[0].dim[k] = d[OQ_MAX_RANK - rank + k];
  return OQ_OK;
}

static oq_status two_infer(oq_infer *x) {
  static const uint32_t at[] = {0, 3};

  OQ_TRY(check_two(x, 0));
  return broadcast_of(x, at, 2, oq_infer_dtype(x, 0));
}

static oq_status two_run(oq_run *r, const oq_binary *f) {
  oq_ctensor a = *r->in[0], b = *r->in[3];
  oq_tensor y = r->out[0];
  float *va, *vb, *vy;

  OQ_TRY(take(&va, r, 0));
  OQ_TRY(take(&vb, r, 3));
  OQ_TRY(room_for_output(&vy, r));
  a.dtype = b.dtype = y.dtype = OQ_DT_F32;
  a.data = va;
  b.data = vb;
  y.data = vy;
  OQ_TRY(oq_eltwise_pair(r, f, &y, &a, &b));
  store(r, vy, 6);
  return OQ_OK;
}

static oq_status add_run(oq_run *r) { return two_run(r, &oq_k_add); }
static oq_status mul_run(oq_run *r) { return two_run(r, &oq_k_mul); }

/* ---- Where --------------------------------------------------------------- */
static oq_status where_infer(oq_infer *x) {
  static const uint32_t at[] = {0, 1, 4};
  const oq_dtype c = oq_infer_dtype(x, 0);

  if (c != OQ_DT_NONE && c != OQ_DT_BOOL)
    return oq_infer_fail(x, OQ_E_MODEL, "op.dtype",
                         "input 0 is %s, expected bool",
                         oq_dtype_text((int32_t)c));
  OQ_TRY(check_two(x, 1));
  return broadcast_of(x, at, 3, oq_infer_dtype(x, 1));
}

static oq_status where_run(oq_run *r) {
  const oq_shape *const shapes[] = {&r->out[0].shape, &r->in[0]->shape,
                                    &r->in[1]->shape, &r->in[4]->shape};
  const uint8_t *const c = r->in[0]->data;
  float *a, *b, *y;
  oq_iter it;

  OQ_TRY(take(&a, r, 1));
  OQ_TRY(take(&b, r, 4));
  OQ_TRY(room_for_output(&y, r));
  oq_iter_init(&it, shapes[0], shapes, 4);
  do {
    for (int64_t i = 0; i < (int64_t)it.run; i++)
      y[it.offset[0] + i * it.step[0]] = c[it.offset[1] + i * it.step[1]] != 0
                                             ? a[it.offset[2] + i * it.step[2]]
                                             : b[it.offset[3] + i * it.step[3]];
  } while (oq_iter_next(&it));
  store(r, y, 7);
  return OQ_OK;
}

/* ---- Concat -------------------------------------------------------------- */
typedef struct axis_params {
  int64_t axis, opset;
} axis_params;

static const oq_attr_def concat_attrs[] = {
    {.name = "axis",
     .kind = OQ_ATTR_I64,
     .required = true,
     .offset = offsetof(axis_params, axis),
     .min = 1,
     .max = 0},
};

static oq_status join_shape(oq_infer *x, oq_type *y, const oq_type *t,
                            uint32_t axis) {
  if (t->rank != y->rank)
    return oq_infer_fail(x, OQ_E_MODEL, "concat.rank",
                         "inputs have rank %u and %u", y->rank, t->rank);
  for (uint32_t i = 0; i < t->rank; i++) {
    int64_t *const d = &y->dim[i].size;
    const int64_t n = t->dim[i].size;
    if (i == axis) {
      if (*d == OQ_DIM_UNKNOWN || n == OQ_DIM_UNKNOWN) {
        *d = OQ_DIM_UNKNOWN;
      } else if (!oq_add_i64(d, *d, n)) {
        return oq_infer_fail(x, OQ_E_LIMIT, "concat.size",
                             "the joined axis is too long");
      }
    } else if (*d == OQ_DIM_UNKNOWN) {
      y->dim[i] = t->dim[i];
    } else if (n != OQ_DIM_UNKNOWN && n != *d) {
      return oq_infer_fail(x, OQ_E_MODEL, "concat.shape",
                           "inputs have %lld and %lld along axis %u",
                           (long long)*d, (long long)n, i);
    }
  }
  return OQ_OK;
}

static oq_status concat_infer(oq_infer *x) {
  const axis_params *const p = x->params;
  const oq_dtype t = oq_infer_dtype(x, 1);
  bool known = true;
  uint32_t axis = 0;
  oq_type y = {.kind = OQ_TYPE_TENSOR, .has_rank = true};

  OQ_TRY(oq_quantized_8bit(x, 1));
  OQ_TRY(oq_quantized_pair(x, 0, 1));
  if (x->n_in < 5 || (x->n_in - 2) % 3 != 0)
    return oq_infer_fail(x, OQ_E_MODEL, "op.arity",
                         "%u inputs are no list of values, scales and zero "
                         "points",
                         x->n_in);
  for (uint32_t i = 2; i < x->n_in; i += 3) {
    const oq_type *const in = oq_rule_ranked(x, i);
    OQ_TRY(oq_quantized_8bit(x, i));
    OQ_TRY(oq_quantized_pair(x, i + 1, i));
    known = known && in != NULL;
    if (!known) continue;
    if (i == 2) {
      y = *in;
      OQ_TRY(oq_rule_axis(&axis, x, p->axis, in->rank));
    } else {
      OQ_TRY(join_shape(x, &y, in, axis));
    }
  }
  if (t == OQ_DT_NONE) return OQ_OK;
  if (known) x->out[0] = y;
  oq_infer_set_dtype(x, 0, t);
  return OQ_OK;
}

/* All 256 values of input i to those of the output. */
static void requantize_table(uint8_t *to, const oq_run *r, uint32_t i) {
  const bool is_signed = r->in[i]->dtype == OQ_DT_I8;
  const float scale = oq_scale_at(r->in[i + 1], 0);
  const float zero = oq_zero_at(slot(r, i + 2), 0);
  const int32_t yz = (int32_t)oq_zero_at(r->in[1], 0);
  float v[256];

  for (int k = 0; k < 256; k++)
    v[k] = ((float)(is_signed && k > INT8_MAX ? k - 256 : k) - zero) * scale;
  const float ys = oq_scale_at(r->in[0], 0);
  if (r->out[0].dtype == OQ_DT_U8)
    r->k->quantize_u8(to, v, 256, ys, yz, 0, UINT8_MAX);
  else
    r->k->quantize_i8((int8_t *)to, v, 256, ys, yz, INT8_MIN, INT8_MAX);
}

static oq_status concat_run(oq_run *r) {
  const axis_params *const p = r->params;
  const oq_shape *const s = &r->out[0].shape;
  uint8_t *const y = r->out[0].data;
  uint8_t table[256];
  uint32_t axis;
  size_t done = 0;

  if (!oq_axis_normalize(&axis, p->axis, s->rank)) return OQ_E_INTERNAL;
  if (r->out[0].size == 0) return OQ_OK;
  const size_t outer = oq_dims_product(s, 0, axis);
  const size_t whole = oq_dims_product(s, axis, s->rank);
  for (uint32_t i = 2; i < r->n_in; i += 3) {
    const size_t n = oq_dims_product(&r->in[i]->shape, axis, s->rank);
    const uint8_t *const x = r->in[i]->data;
    requantize_table(table, r, i);
    for (size_t o = 0; o < outer; o++)
      for (size_t k = 0; k < n; k++)
        y[o * whole + done + k] = table[x[o * n + k]];
    done += n;
  }
  return OQ_OK;
}

/* ---- Sigmoid, LeakyRelu, Softmax ----------------------------------------- */
typedef struct leaky_params {
  float alpha;
} leaky_params;

static const oq_attr_def leaky_attrs[] = {
    OQ_A_F32(leaky_params, alpha, "alpha", 0.01),
};

static const oq_attr_def softmax_attrs[] = {
    OQ_A_AXIS(axis_params, axis, "axis", -1),
    {.name = "opset",
     .kind = OQ_ATTR_I64,
     .required = true,
     .offset = offsetof(axis_params, opset),
     .min = 1,
     .max = 0},
};

static oq_status check_one(const oq_infer *x) {
  OQ_TRY(oq_quantized_8bit(x, 0));
  OQ_TRY(oq_quantized_pair(x, 1, 0));
  return oq_quantized_pair(x, 3, 0);
}

static oq_status one_infer(oq_infer *x) {
  OQ_TRY(check_one(x));
  return oq_infer_same(x);
}

static oq_status sigmoid_run(oq_run *r) {
  static const float none[OQ_UNARY_PARAMS];
  float *v;

  OQ_TRY(take(&v, r, 0));
  oq_k_sigmoid_op.f32(v, v, oq_tensor_count(r->in[0]), none);
  store(r, v, 3);
  return OQ_OK;
}

static oq_status leaky_run(oq_run *r) {
  const leaky_params *const q = r->params;
  const float p[OQ_UNARY_PARAMS] = {q->alpha};
  float *v;

  OQ_TRY(take(&v, r, 0));
  oq_k_leaky.f32(v, v, oq_tensor_count(r->in[0]), p);
  store(r, v, 3);
  return OQ_OK;
}

static oq_status softmax_infer(oq_infer *x) {
  const axis_params *const p = x->params;
  const oq_type *const t = oq_rule_ranked(x, 0);
  uint32_t axis;

  OQ_TRY(check_one(x));
  if (t != NULL) OQ_TRY(oq_rule_axis(&axis, x, p->axis, t->rank));
  return oq_infer_same(x);
}

/* As Softmax: below opset 13 over all axes from `axis` on. */
static oq_status softmax_run(oq_run *r) {
  const axis_params *const p = r->params;
  const oq_shape *const s = &r->in[0]->shape;
  uint32_t axis;
  float *v;

  if (!oq_axis_normalize(&axis, p->axis, s->rank)) return OQ_E_INTERNAL;
  if (r->out[0].size == 0) return OQ_OK;
  OQ_TRY(take(&v, r, 0));
  const uint32_t end = p->opset < 13 ? s->rank : axis + 1;
  const size_t n = oq_dims_product(s, axis, end);
  const size_t inner = oq_dims_product(s, end, s->rank);
  const size_t outer = oq_dims_product(s, 0, axis);
  for (size_t i = 0; i < outer; i++) {
    if (inner == 1)
      oq_k_softmax_row(v + i * n, v + i * n, n, false);
    else
      oq_k_softmax_columns(v + i * n * inner, v + i * n * inner, n, inner,
                           false);
  }
  store(r, v, 3);
  return OQ_OK;
}

/* ---- pools --------------------------------------------------------------- */
typedef struct pool_params {
  oq_window_params window;
  int64_t ceil, include_pad, channels_last;
} pool_params;

static const oq_attr_def pool_attrs[] = {
    OQ_WINDOW_ATTRS(pool_params),
    OQ_A_I64(pool_params, ceil, "ceil_mode", 0, 0, 1),
    OQ_A_I64(pool_params, include_pad, "count_include_pad", 0, 0, 1),
    OQ_A_I64(pool_params, channels_last, "channels_last", 0, 0, 1),
};
static const oq_attr_def global_attrs[] = {
    OQ_A_I64(pool_params, channels_last, "channels_last", 0, 0, 1),
};

static oq_status pool_check(const oq_graph *g, const oq_node *n, void *params,
                            oq_diags *d) {
  const pool_params *const p = params;
  oq_where w = oq_node_where(g, (oq_node_id){(uint32_t)(n - g->nodes)});

  w.attr = "kernel_shape";
  if (p->window.kernel.n == 0)
    return oq_fail(d, OQ_E_MODEL, "op.attr", &w,
                   "required attribute 'kernel_shape' is missing or empty");
  return oq_window_check(g, n, &p->window, d);
}

static oq_status pool_axis(oq_axis *a, size_t *tail, const pool_params *p,
                           uint32_t i, int64_t in) {
  return oq_window_axis(a, tail, &p->window, i, in, p->window.kernel.v[i],
                        p->ceil != 0 ? OQ_ROUND_CEIL : OQ_ROUND_FLOOR);
}

/* Axis of the first spatial dimension. */
static uint32_t first_axis(const pool_params *p) {
  return p->channels_last != 0 ? 1 : 2;
}

static oq_status pool_out(oq_infer *x, uint32_t i, int64_t in) {
  const pool_params *const p = x->params;
  int64_t *const d = &x->out[0].dim[i + first_axis(p)].size;
  oq_axis a;
  size_t tail;

  *d = OQ_DIM_UNKNOWN;
  if (in == OQ_DIM_UNKNOWN) return OQ_OK;
  const oq_status s = pool_axis(&a, &tail, p, i, in);
  if (s != OQ_OK) return oq_window_fail(x, s, i);
  const size_t span = (a.kernel - 1) * a.dilation + 1;
  if (a.pad >= span || tail >= span)
    return oq_infer_fail(x, OQ_E_MODEL, "pool.pads",
                         "the padding along spatial axis %u is not smaller "
                         "than the window",
                         i);
  *d = (int64_t)a.out;
  return OQ_OK;
}

static oq_status pool_infer(oq_infer *x) {
  const pool_params *const p = x->params;
  const oq_type *const t = oq_rule_ranked(x, 0);

  OQ_TRY(check_one(x));
  OQ_TRY(oq_infer_same(x));
  if (t == NULL) return OQ_OK;
  if (t->rank < 3)
    return oq_infer_fail(x, OQ_E_MODEL, "pool.rank",
                         "the input has rank %u, expected 3 or more", t->rank);
  OQ_TRY(oq_window_check_rank(x, &p->window, t->rank - 2));
  for (uint32_t i = 0; i + 2 < t->rank; i++)
    OQ_TRY(pool_out(x, i, t->dim[i + first_axis(p)].size));
  return OQ_OK;
}

static oq_status global_infer(oq_infer *x) {
  const pool_params *const p = x->params;
  const oq_type *const t = oq_rule_ranked(x, 0);

  OQ_TRY(check_one(x));
  OQ_TRY(oq_infer_same(x));
  if (t == NULL) return OQ_OK;
  if (t->rank < 3)
    return oq_infer_fail(x, OQ_E_MODEL, "pool.rank",
                         "the input has rank %u, expected 3 or more", t->rank);
  for (uint32_t i = 0; i + 2 < t->rank; i++) {
    const uint32_t k = i + first_axis(p);
    if (t->dim[k].size == 0)
      return oq_infer_fail(x, OQ_E_MODEL, "pool.empty",
                           "dimension %u of the input is empty", k);
    x->out[0].dim[k] = (oq_dim){.size = 1};
  }
  return OQ_OK;
}

/* [batch][a][b] to [batch][b][a], in scratch. */
static oq_status turn(float **v, const oq_run *r, size_t batch, size_t a,
                      size_t b) {
  float *const y =
      oq_arena_alloc_raw(r->scratch, batch * a * b, sizeof *y, OQ_ALIGN);

  if (y == NULL) return oq_fail_memory(r->diags);
  for (size_t n = 0; n < batch; n++)
    for (size_t i = 0; i < a; i++)
      for (size_t k = 0; k < b; k++)
        y[(n * b + k) * a + i] = (*v)[(n * a + i) * b + k];
  *v = y;
  return OQ_OK;
}

/* Where padding counts, all taps do, also those that reach beyond it because
 * the size was rounded up: so onnxruntime has it here. */
static oq_pooling pooling_of(const pool_params *p, const oq_shape *x) {
  const size_t ch = (size_t)x->dim[p->channels_last != 0 ? x->rank - 1 : 1];
  oq_pooling g = {.planes = (size_t)x->dim[0] * ch,
                  .w = {.n = x->rank - 2},
                  .include_pad = p->include_pad != 0};

  for (uint32_t i = 0; i < g.w.n; i++) {
    (void)pool_axis(&g.w.axis[i], &g.tail[i], p, i, x->dim[i + first_axis(p)]);
    g.tail[i] += g.w.axis[i].kernel;
  }
  oq_windows_finish(&g.w);
  return g;
}

static oq_status pool_run(oq_run *r) {
  const pool_params *const p = r->params;
  const oq_shape *const s = &r->in[0]->shape;
  const size_t batch = (size_t)s->dim[0];
  float *x, *y;

  if (r->out[0].size == 0) return OQ_OK;
  const oq_pooling g = pooling_of(p, s);
  const size_t ch = g.planes / batch;
  void *const scratch =
      oq_arena_alloc_raw(r->scratch, oq_pool_scratch(&g), 1, OQ_ALIGN);
  if (scratch == NULL) return oq_fail_memory(r->diags);
  OQ_TRY(take(&x, r, 0));
  OQ_TRY(room_for_output(&y, r));
  if (p->channels_last != 0) OQ_TRY(turn(&x, r, batch, g.w.in_size, ch));
  oq_pool_mean_f32(&g, y, x, scratch);
  if (p->channels_last != 0) OQ_TRY(turn(&y, r, batch, ch, g.w.out_size));
  store(r, y, 3);
  return OQ_OK;
}

static oq_status global_run(oq_run *r) {
  const pool_params *const p = r->params;
  const oq_shape *const s = &r->in[0]->shape;
  const uint32_t from = first_axis(p);
  float *x, *y;

  if (r->out[0].size == 0) return OQ_OK;
  const size_t n = oq_dims_product(s, from, from + s->rank - 2);
  const size_t ch = (size_t)s->dim[p->channels_last != 0 ? s->rank - 1 : 1];
  OQ_TRY(take(&x, r, 0));
  OQ_TRY(room_for_output(&y, r));
  if (p->channels_last != 0) OQ_TRY(turn(&x, r, (size_t)s->dim[0], n, ch));
  oq_plane_mean_f32(y, x, (size_t)s->dim[0] * ch, n);
  store(r, y, 3);
  return OQ_OK;
}

/* ---- table --------------------------------------------------------------- */
#define BYTES (OQ_DTM(U8) | OQ_DTM(I8))
/* Zero points in the middle may be absent: the rules say what may not. */
#define ROW(op, least, most, types, rule, f)                                \
  .domain = "com.microsoft", .name = (op), .since = 1, .last = 1,           \
  .min_in = (least), .max_in = (most), .min_out = 1, .max_out = 1,          \
  .flags = OQ_OP_QUANTIZED, .dtypes = (types), .infer = (rule), .run = (f), \
  .quant = {.cls = OQ_Q_NEVER}
#define PARAMS(T, table) .params_size = sizeof(T), OQ_ATTRS(table)

static const oq_op_def defs[] = {
    {ROW("QLinearAdd", 2, 8, BYTES, two_infer, add_run)},
    {ROW("QLinearAveragePool", 2, 5, BYTES, pool_infer, pool_run),
     PARAMS(pool_params, pool_attrs), .check = pool_check},
    {ROW("QLinearConcat", 2, OQ_OPS_MANY, 0, concat_infer, concat_run),
     PARAMS(axis_params, concat_attrs)},
    {ROW("QLinearGlobalAveragePool", 2, 5, BYTES, global_infer, global_run),
     PARAMS(pool_params, global_attrs)},
    {ROW("QLinearLeakyRelu", 2, 5, BYTES, one_infer, leaky_run),
     PARAMS(leaky_params, leaky_attrs)},
    {ROW("QLinearMul", 2, 8, BYTES, two_infer, mul_run)},
    {ROW("QLinearSigmoid", 2, 5, BYTES, one_infer, sigmoid_run)},
    {ROW("QLinearSoftmax", 2, 5, BYTES, softmax_infer, softmax_run),
     PARAMS(axis_params, softmax_attrs)},
    {ROW("QLinearWhere", 9, 9, OQ_DTM(BOOL), where_infer, where_run)},
};

OQ_FAMILY(qmap, defs);

/* QuantizeLinear, DequantizeLinear, DynamicQuantizeLinear.
 * "y = saturate((x / y_scale) + y_zero_point) ... for (x / y_scale), it rounds
 * to the nearest even"; "y = (x - x_zero_point) * x_scale". */
#include <math.h>
#include <string.h>

#include "base/half.h"
#include "kern/k_eltwise.h"
#include "kern/k_quant.h"
#include "kern/kern.h"
#include "ops/op.h"

typedef struct quant_params {
  int64_t axis, saturate, output_dtype, block_size, precision;
} quant_params;

#define AXIS OQ_A_AXIS(quant_params, axis, "axis", 1)
#define SATURATE OQ_A_I64(quant_params, saturate, "saturate", 1, 1, 0)
#define OUTPUT OQ_A_I64(quant_params, output_dtype, "output_dtype", 0, 1, 0)
#define BLOCKED \
  OQ_A_I64(quant_params, block_size, "block_size", 0, 0, 4611686018427387904.0)
#define PRECISION OQ_A_I64(quant_params, precision, "precision", 0, 1, 0)

static const oq_attr_def axis_attrs[] = {AXIS};
static const oq_attr_def q19_attrs[] = {AXIS, SATURATE};
static const oq_attr_def q21_attrs[] = {AXIS, SATURATE, OUTPUT, BLOCKED};
static const oq_attr_def q23_attrs[] = {AXIS, SATURATE, OUTPUT, BLOCKED,
                                        PRECISION};
static const oq_attr_def dq21_attrs[] = {AXIS, BLOCKED};
static const oq_attr_def dq23_attrs[] = {AXIS, BLOCKED, OUTPUT};

/* Up to opset 12 there is no axis; scales are scalars. */
static oq_status no_axis_check(const oq_graph *g, const oq_node *n,
                               void *params, oq_diags *d) {
  (void)g, (void)n, (void)d;
  ((quant_params *)params)->axis = 1;
  return OQ_OK;
}

/* ---- granularity --------------------------------------------------------- */
/* x as outer x d x inner around the axis; scale number of element (o, k, i):
 * per tensor 0, per axis k, blocked (o * n_blocks + k / block) * inner + i. */
typedef struct layout {
  size_t outer, d, inner;
  size_t block, n_blocks; /* 0: not blocked */
  bool per_tensor;
} layout;

static oq_status bad_scale(const oq_infer *x) {
  return oq_infer_fail(x, OQ_E_MODEL, "quantize.scale",
                       "the shape of the scale fits neither the input, nor its "
                       "axis, nor blocks of it");
}

static void cut_at(layout *l, const oq_shape *x, uint32_t axis) {
  l->outer = l->d = l->inner = 1;
  for (uint32_t i = 0; i < x->rank; i++)
    *(i < axis    ? &l->outer
      : i == axis ? &l->d
                  : &l->inner) *= (size_t)x->dim[i];
}

static bool block_fits(const oq_shape *x, const oq_shape *s, uint32_t axis,
                       int64_t block) {
  if (s->rank != x->rank) return false;
  for (uint32_t i = 0; i < x->rank; i++) {
    const int64_t d = x->dim[i];
    const int64_t want = i != axis ? d : d / block + (d % block != 0);
    if (s->dim[i] != want) return false;
  }
  return true;
}

/* false: the scale does not fit. */
static bool find_layout(layout *l, const oq_shape *x, const oq_shape *s,
                        const quant_params *p) {
  size_t n;
  uint32_t axis;

  *l = (layout){.outer = 1, .d = 1, .inner = 1};
  if (oq_shape_count(&n, s) != OQ_OK) return false;
  if (n == 1 && s->rank <= 1) {
    l->per_tensor = true;
    return oq_shape_count(&l->inner, x) == OQ_OK;
  }
  if (!oq_axis_normalize(&axis, p->axis, x->rank)) return false;
  cut_at(l, x, axis);
  if (p->block_size > 0) {
    l->block = (size_t)p->block_size;
    l->n_blocks = (size_t)s->dim[axis < s->rank ? axis : 0];
    return block_fits(x, s, axis, p->block_size);
  }
  return s->rank == 1 && s->dim[0] == x->dim[axis];
}

/* ---- rules --------------------------------------------------------------- */
static bool same_numbering(const oq_shape *a, const oq_shape *b) {
  size_t n, m;

  if (oq_shape_equal(a, b)) return true;
  return a->rank <= 1 && b->rank <= 1 && oq_shape_count(&n, a) == OQ_OK &&
         oq_shape_count(&m, b) == OQ_OK && n == 1 && m == 1;
}

static oq_status check_scale(const oq_infer *x) {
  oq_shape in, scale, zero;
  layout l;

  if (!oq_infer_shape(&scale, x, 1)) return OQ_OK;
  if (oq_infer_shape(&zero, x, 2) && !same_numbering(&scale, &zero))
    return oq_infer_fail(x, OQ_E_MODEL, "quantize.zero",
                         "scale and zero point differ in shape");
  if (!oq_infer_shape(&in, x, 0)) return OQ_OK;
  return find_layout(&l, &in, &scale, x->params) ? OQ_OK : bad_scale(x);
}

static oq_status set_dtype(oq_infer *x, oq_dtype t, uint32_t allowed) {
  OQ_TRY(check_scale(x));
  if (t == OQ_DT_NONE) return OQ_OK;
  if (!oq_dtype_in((int32_t)t, allowed))
    return oq_infer_fail(x, OQ_E_MODEL, "quantize.dtype",
                         "the output would be %s, which is not possible",
                         oq_dtype_text((int32_t)t));
  OQ_TRY(oq_infer_same(x));
  oq_infer_set_dtype(x, 0, t);
  return OQ_OK;
}

#define Q_TYPES                                          \
  (OQ_DTM(U8) | OQ_DTM(I8) | OQ_DTM(U16) | OQ_DTM(I16) | \
   (OQ_DTM_F8 & ~OQ_DTM(F8E8M0)) | OQ_DTM_SUBBYTE)
#define SCALE_TYPES (OQ_DTM(F32) | OQ_DTM(F16) | OQ_DTM(BF16) | OQ_DTM(F8E8M0))

static oq_status check_scale_dtype(const oq_infer *x, uint32_t also) {
  const oq_dtype t = oq_infer_dtype(x, 1);

  if (t == OQ_DT_NONE || oq_dtype_in((int32_t)t, SCALE_TYPES | also))
    return OQ_OK;
  return oq_infer_fail(x, OQ_E_MODEL, "quantize.scale",
                       "the scale is %s, expected a float",
                       oq_dtype_text((int32_t)t));
}

static bool has_input(const oq_infer *x, uint32_t i) {
  return i < x->n_in && oq_value_ok(x->node->in[i]);
}

/* Type of the zero point, else output_dtype, else uint8. */
static oq_status q_infer(oq_infer *x) {
  const quant_params *const p = x->params;
  const oq_dtype zero = oq_infer_dtype(x, 2);

  OQ_TRY(check_scale_dtype(x, OQ_DTM(I32)));
  if (zero != OQ_DT_NONE && p->output_dtype != 0 &&
      p->output_dtype != (int64_t)zero)
    return oq_infer_fail(x, OQ_E_MODEL, "quantize.dtype",
                         "'output_dtype' is not the type of the zero point");
  if (has_input(x, 2)) return set_dtype(x, zero, Q_TYPES);
  if (p->output_dtype < 0 || p->output_dtype > 31)
    return oq_infer_fail(x, OQ_E_MODEL, "quantize.dtype",
                         "'output_dtype' is no element type");
  return set_dtype(
      x, p->output_dtype != 0 ? (oq_dtype)p->output_dtype : OQ_DT_U8, Q_TYPES);
}

/* output_dtype, else the type of the scale (float for exponents alone). */
static oq_status dq_infer(oq_infer *x) {
  const quant_params *const p = x->params;
  oq_dtype t = oq_infer_dtype(x, 1);

  OQ_TRY(check_scale_dtype(x, 0));
  if (has_input(x, 2)) {
    const oq_dtype zero = oq_infer_dtype(x, 2), in = oq_infer_dtype(x, 0);
    if (zero != OQ_DT_NONE && in != OQ_DT_NONE && zero != in)
      return oq_infer_fail(
          x, OQ_E_MODEL, "quantize.zero", "the zero point is %s, the input %s",
          oq_dtype_text((int32_t)zero), oq_dtype_text((int32_t)in));
  }
  if (p->output_dtype < 0 || p->output_dtype > 31)
    return oq_infer_fail(x, OQ_E_MODEL, "quantize.dtype",
                         "'output_dtype' is no element type");
  if (p->output_dtype != 0) t = (oq_dtype)p->output_dtype;
  if (t == OQ_DT_F8E8M0) t = OQ_DT_F32;
  return set_dtype(x, t, OQ_DTM(F32) | OQ_DTM(F16) | OQ_DTM(BF16));
}

/* ---- walking ------------------------------------------------------------- */
/* What one call works on; scales and zero points as numbers. */
typedef struct task {
  oq_run *r;
  const oq_ctensor *x;
  oq_tensor *y;
  const float *scale;
  const int64_t *zero;
  oq_dtype precision; /* of the division */
  int64_t qmin, qmax;
  bool saturate;
} task;

typedef void (*span_fn)(const task *t, size_t at, size_t n, size_t scale_at,
                        size_t step);

static void walk_vector(const task *t, const layout *l, size_t o, span_fn f) {
  const size_t at = o * l->d;

  if (l->block == 0) {
    f(t, at, l->d, 0, 1);
    return;
  }
  for (size_t b = 0; b < l->n_blocks; b++) {
    const size_t from = b * l->block;
    const size_t left = l->d - from;
    f(t, at + from, left < l->block ? left : l->block, o * l->n_blocks + b, 0);
  }
}

/* Spans with one scale, or with one scale per element. */
static void walk(const task *t, const layout *l, span_fn f) {
  if (oq_tensor_count(t->x) == 0) return; /* other sizes may be anything */
  if (l->per_tensor) {
    f(t, 0, l->inner, 0, 0);
    return;
  }
  for (size_t o = 0; o < l->outer; o++) {
    if (l->inner == 1) {
      walk_vector(t, l, o, f);
      continue;
    }
    for (size_t k = 0; k < l->d; k++) {
      const size_t at = (o * l->d + k) * l->inner;
      if (l->block == 0)
        f(t, at, l->inner, k, 0);
      else
        f(t, at, l->inner, (o * l->n_blocks + k / l->block) * l->inner, 1);
    }
  }
}

static oq_status make_task(task *t, layout *l, oq_run *r) {
  const quant_params *const p = r->params;
  const oq_ctensor *const scale = r->in[1];
  const oq_ctensor *const zero = r->n_in > 2 ? r->in[2] : NULL;
  const size_t n = oq_tensor_count(scale);
  float *const s = OQ_NEW_N(r->scratch, float, n);
  int64_t *const z = OQ_NEW_N(r->scratch, int64_t, n);

  if (s == NULL || z == NULL) return oq_fail_memory(r->diags);
  for (size_t i = 0; i < n; i++) {
    s[i] = (float)oq_element_f64(scale, i);
    if (zero != NULL) z[i] = oq_element_i64(zero, i);
  }
  if (!find_layout(l, &r->in[0]->shape, &scale->shape, p))
    return oq_run_fail(r, OQ_E_MODEL, "quantize.scale",
                       "the shape of the scale does not fit");
  *t = (task){.r = r,
              .x = r->in[0],
              .y = &r->out[0],
              .scale = s,
              .zero = z,
              .precision = scale->dtype,
              .saturate = p->saturate != 0};
  if (p->precision != 0) t->precision = (oq_dtype)p->precision;
  return OQ_OK;
}

enum { BLOCK = 512 };

static size_t width_of(size_t n, size_t i) {
  return n - i < BLOCK ? n - i : BLOCK;
}

/* ---- QuantizeLinear ------------------------------------------------------ */
static void load_floats(float *to, const oq_ctensor *x, size_t at, size_t n) {
  if (oq_k_class((int32_t)x->dtype) == OQ_NUM_F32) {
    oq_k_load(to, x->data, at, n, (int32_t)x->dtype);
    return;
  }
  for (size_t i = 0; i < n; i++) to[i] = (float)oq_element_f64(x, at + i);
}

static void round_to(float *v, size_t n, oq_dtype precision) {
  if (precision == OQ_DT_F16)
    for (size_t i = 0; i < n; i++) v[i] = oq_f32_of_f16(oq_f16_of_f32(v[i]));
  if (precision == OQ_DT_BF16)
    for (size_t i = 0; i < n; i++) v[i] = oq_f32_of_bf16(oq_bf16_of_f32(v[i]));
}

static void store_ints(oq_tensor *y, size_t at, const int64_t *q, size_t n) {
  if (oq_k_class((int32_t)y->dtype) == OQ_NUM_I64) {
    oq_k_store(y->data, at, q, n, (int32_t)y->dtype);
    return;
  }
  for (size_t i = 0; i < n; i++) oq_element_set_i64(y, at + i, q[i]);
}

static void store_floats(const task *t, size_t at, const float *v, size_t n) {
  uint8_t *const bytes = t->y->data;

  for (size_t i = 0; i < n; i++) {
    if (t->y->dtype == OQ_DT_F4E2M1)
      oq_element_set_f64(t->y, at + i, (double)v[i]);
    else
      bytes[at + i] = oq_f8_of_f32(v[i], (int32_t)t->y->dtype, t->saturate);
  }
}

static void q_span(const task *t, size_t at, size_t n, size_t scale_at,
                   size_t step) {
  float v[BLOCK];
  int64_t q[BLOCK];

  for (size_t i = 0; i < n; i += BLOCK) {
    const size_t width = width_of(n, i), s = scale_at + i * step;
    load_floats(v, t->x, at + i, width);
    round_to(v, width, t->precision);
    oq_k_scale_down(v, v, t->scale + s, step, width);
    round_to(v, width, t->precision);
    if (t->qmax == 0) {
      store_floats(t, at + i, v, width);
      continue;
    }
    oq_k_saturate(q, v, t->zero + s, step, width, t->qmin, t->qmax);
    store_ints(t->y, at + i, q, width);
  }
}

/* The case that matters: float32 to 8 bits with one scale. */
static void q_span_fast(const task *t, size_t at, size_t n, size_t scale_at,
                        size_t step) {
  const struct oq_kernels *const k = t->r->k;
  const float *const x = (const float *)t->x->data + at;
  const int32_t zero = (int32_t)t->zero[scale_at];

  if (step != 0)
    q_span(t, at, n, scale_at, step);
  else if (t->y->dtype == OQ_DT_U8)
    k->quantize_u8((uint8_t *)t->y->data + at, x, n, t->scale[scale_at], zero,
                   0, UINT8_MAX);
  else
    k->quantize_i8((int8_t *)t->y->data + at, x, n, t->scale[scale_at], zero,
                   INT8_MIN, INT8_MAX);
}

static void set_bounds(task *t) {
  const oq_dtype d = t->y->dtype;
  const uint32_t bits = oq_dtype_bits((int32_t)d);
  const uint32_t whole = OQ_DTM(U8) | OQ_DTM(U16) | OQ_DTM(U4) | OQ_DTM(U2);
  const uint32_t has_sign = OQ_DTM(I8) | OQ_DTM(I16) | OQ_DTM(I4) | OQ_DTM(I2);

  if (oq_dtype_in((int32_t)d, whole)) t->qmax = ((int64_t)1 << bits) - 1;
  if (!oq_dtype_in((int32_t)d, has_sign)) return; /* floats: both stay 0 */
  t->qmax = ((int64_t)1 << (bits - 1)) - 1;
  t->qmin = -t->qmax - 1;
}

static oq_status q_run(oq_run *r) {
  task t;
  layout l;

  OQ_TRY(make_task(&t, &l, r));
  set_bounds(&t);
  if (t.precision == OQ_DT_I32 || t.precision == OQ_DT_F8E8M0)
    t.precision = OQ_DT_F32;
  if (!oq_dtype_in((int32_t)t.precision,
                   OQ_DTM(F32) | OQ_DTM(F16) | OQ_DTM(BF16)))
    return oq_run_fail(r, OQ_E_UNSUPPORTED, "quantize.precision",
                       "dividing in %s is not implemented",
                       oq_dtype_text((int32_t)t.precision));
  const bool fast = t.x->dtype == OQ_DT_F32 && t.precision == OQ_DT_F32 &&
                    (t.y->dtype == OQ_DT_U8 || t.y->dtype == OQ_DT_I8);
  walk(&t, &l, fast ? q_span_fast : q_span);
  return OQ_OK;
}

/* ---- DequantizeLinear ---------------------------------------------------- */
static void load_ints(int64_t *to, const oq_ctensor *x, size_t at, size_t n) {
  if (oq_k_class((int32_t)x->dtype) == OQ_NUM_I64) {
    oq_k_load(to, x->data, at, n, (int32_t)x->dtype);
    return;
  }
  for (size_t i = 0; i < n; i++) to[i] = oq_element_i64(x, at + i);
}

static void dq_span(const task *t, size_t at, size_t n, size_t scale_at,
                    size_t step) {
  const bool is_float =
      oq_dtype_in((int32_t)t->x->dtype, OQ_DTM_F8 | OQ_DTM(F4E2M1));
  float y[BLOCK];
  int64_t q[BLOCK];

  for (size_t i = 0; i < n; i += BLOCK) {
    const size_t width = width_of(n, i), s = scale_at + i * step;
    if (is_float) {
      load_floats(y, t->x, at + i, width);
      for (size_t k = 0; k < width; k++) y[k] *= t->scale[s + k * step];
    } else {
      load_ints(q, t->x, at + i, width);
      oq_k_scale_up(y, q, t->zero + s, t->scale + s, step, width);
    }
    oq_k_store(t->y->data, at + i, y, width, (int32_t)t->y->dtype);
  }
}

static void dq_span_fast(const task *t, size_t at, size_t n, size_t scale_at,
                         size_t step) {
  const struct oq_kernels *const k = t->r->k;
  float *const y = (float *)t->y->data + at;
  const int32_t zero = (int32_t)t->zero[scale_at];

  if (step != 0)
    dq_span(t, at, n, scale_at, step);
  else if (t->x->dtype == OQ_DT_U8)
    k->dequantize_u8(y, (const uint8_t *)t->x->data + at, n, t->scale[scale_at],
                     zero);
  else
    k->dequantize_i8(y, (const int8_t *)t->x->data + at, n, t->scale[scale_at],
                     zero);
}

static oq_status dq_run(oq_run *r) {
  task t;
  layout l;

  OQ_TRY(make_task(&t, &l, r));
  const bool fast = t.y->dtype == OQ_DT_F32 &&
                    (t.x->dtype == OQ_DT_U8 || t.x->dtype == OQ_DT_I8);
  walk(&t, &l, fast ? dq_span_fast : dq_span);
  return OQ_OK;
}

/* ---- DynamicQuantizeLinear ----------------------------------------------- */
static oq_status dynamic_infer(oq_infer *x) {
  const oq_shape scalar = {0};

  OQ_TRY(oq_infer_same(x));
  oq_infer_set_dtype(x, 0, OQ_DT_U8);
  oq_infer_set(x, 1, OQ_DT_F32, &scalar);
  oq_infer_set(x, 2, OQ_DT_U8, &scalar);
  return OQ_OK;
}

/* The range is extended to hold 0; of nothing but zeros it is taken as 1. */
static oq_status dynamic_run(oq_run *r) {
  const size_t n = oq_tensor_count(r->in[0]);
  const struct oq_kernels *const k = r->k;
  float lo = 1, hi = -1, zero_f;
  uint64_t n_nan = 0, n_inf = 0;
  uint8_t zero;

  k->minmax_f32(&lo, &hi, &n_nan, &n_inf, r->in[0]->data, n);
  if (lo > hi) lo = hi = 0;
  if (lo > 0) lo = 0;
  if (hi < 0) hi = 0;
  const float scale = (hi == lo ? 1.0f : hi - lo) / 255.0f;
  zero_f = 0.0f - lo;
  k->quantize_u8(&zero, &zero_f, 1, scale, 0, 0, UINT8_MAX);
  if (r->out[0].data != NULL)
    k->quantize_u8(r->out[0].data, r->in[0]->data, n, scale, zero, 0,
                   UINT8_MAX);
  if (r->n_out > 1 && r->out[1].data != NULL)
    memcpy(r->out[1].data, &scale, sizeof scale);
  if (r->n_out > 2 && r->out[2].data != NULL)
    memcpy(r->out[2].data, &zero, sizeof zero);
  return OQ_OK;
}

/* ---- table --------------------------------------------------------------- */
#define Q_IN (OQ_DTM(F32) | OQ_DTM(F16) | OQ_DTM(BF16) | OQ_DTM(I32))
#define DQ_IN (Q_TYPES | OQ_DTM(I32))
#define QDQ(op, from, to, types, rule, f)                                  \
  .name = (op), .since = (from), .last = (to), .min_in = 2, .max_in = 3,   \
  .min_out = 1, .max_out = 1, .flags = OQ_OP_QUANTIZED, .dtypes = (types), \
  .params_size = sizeof(quant_params), .infer = (rule), .run = (f),        \
  .quant = {.cls = OQ_Q_NEVER}
#define STANDARD .domain = ""
#define Q(from, to) QDQ("QuantizeLinear", from, to, Q_IN, q_infer, q_run)
#define DQ(from, to) QDQ("DequantizeLinear", from, to, DQ_IN, dq_infer, dq_run)

static const oq_op_def defs[] = {
    {STANDARD, DQ(10, 12), .check = no_axis_check},
    {STANDARD, DQ(13, 20), OQ_ATTRS(axis_attrs)},
    {STANDARD, DQ(21, 22), OQ_ATTRS(dq21_attrs)},
    {STANDARD, DQ(23, 27), OQ_ATTRS(dq23_attrs)},
    {.domain = "",
     .name = "DynamicQuantizeLinear",
     .since = 11,
     .last = 27,
     .min_in = 1,
     .max_in = 1,
     .min_out = 3,
     .max_out = 3,
     .flags = OQ_OP_QUANTIZED,
     .dtypes = OQ_DTM(F32),
     .infer = dynamic_infer,
     .run = dynamic_run,
     .quant = {.cls = OQ_Q_NEVER}},
    {STANDARD, Q(10, 12), .check = no_axis_check},
    {STANDARD, Q(13, 18), OQ_ATTRS(axis_attrs)},
    {STANDARD, Q(19, 20), OQ_ATTRS(q19_attrs)},
    {STANDARD, Q(21, 22), OQ_ATTRS(q21_attrs)},
    {STANDARD, Q(23, 27), OQ_ATTRS(q23_attrs)},

    /* What onnxruntime had before 16 and 4 bits were standard. */
    {DQ(1, 1), OQ_ATTRS(axis_attrs), .domain = "com.microsoft"},
    {Q(1, 1), OQ_ATTRS(axis_attrs), .domain = "com.microsoft"},
};

OQ_FAMILY(quant, defs);

/* Bits of numbers: BitShift, BitwiseAnd, BitwiseOr, BitwiseXor, BitwiseNot,
 * BitCast, IsNaN, IsInf. */
#include <math.h>

#include "kern/k_eltwise.h"
#include "ops/eltwise.h"
#include "ops/op.h"
#include "ops/pick.h"
#include "ops/rules.h"

/* ---- two inputs ---------------------------------------------------------- */
/* Signed numbers are widened with their sign and cut again: their bits come
 * out right.  Shifts are of unsigned types only. */
#define BITS(name, expr)                                               \
  static void name##_u64(uint64_t *y, const uint64_t *a, size_t sa,    \
                         const uint64_t *b, size_t sb, size_t n) {     \
    for (size_t i = 0; i < n; i++) {                                   \
      const uint64_t u = a[i * sa], v = b[i * sb];                     \
      y[i] = (expr);                                                   \
    }                                                                  \
  }                                                                    \
  static void name##_i64(int64_t *y, const int64_t *a, size_t sa,      \
                         const int64_t *b, size_t sb, size_t n) {      \
    for (size_t i = 0; i < n; i++) {                                   \
      const uint64_t u = (uint64_t)a[i * sa], v = (uint64_t)b[i * sb]; \
      y[i] = (int64_t)(expr);                                          \
    }                                                                  \
  }                                                                    \
  static const oq_binary name##_loops = {.i64 = name##_i64, .u64 = name##_u64};
BITS(and, u &v)
BITS(or, u | v)
BITS(xor, u ^ v)
BITS(left, v < 64 ? u << v : 0)
BITS(right, v < 64 ? u >> v : 0)

static oq_status and_run(oq_run *r) { return oq_eltwise_zip(r, &and_loops); }
static oq_status or_run(oq_run *r) { return oq_eltwise_zip(r, &or_loops); }
static oq_status xor_run(oq_run *r) { return oq_eltwise_zip(r, &xor_loops); }

static oq_status zip_infer(oq_infer *x) {
  OQ_TRY(oq_infer_same_dtypes(x, 0, 2));
  return oq_infer_broadcast(x);
}

typedef struct bits_params {
  int32_t right;
  int64_t to, negative, positive;
} bits_params;

static const char *const directions[] = {"LEFT", "RIGHT", NULL};
static const oq_attr_def shift_attrs[] = {
    {.name = "direction",
     .kind = OQ_ATTR_TEXT,
     .required = true,
     .offset = offsetof(bits_params, right),
     .choice = directions,
     .min = 1,
     .max = 0},
};

static oq_status shift_run(oq_run *r) {
  return oq_eltwise_zip(r, ((const bits_params *)r->params)->right != 0
                               ? &right_loops
                               : &left_loops);
}

/* ---- one input ----------------------------------------------------------- */
static int64_t not_i64(int64_t x) { return ~x; }
static uint64_t not_u64(uint64_t x) { return ~x; }

static oq_status not_run(oq_run *r) {
  static const oq_unary loops = {.i64 = not_i64, .u64 = not_u64};
  static const double none[OQ_UNARY_PARAMS];

  return oq_eltwise_map(r, &loops, none);
}

static const oq_attr_def cast_attrs[] = {
    {.name = "to",
     .kind = OQ_ATTR_I64,
     .required = true,
     .offset = offsetof(bits_params, to),
     .min = 1,
     .max = 26},
};

static oq_status cast_infer(oq_infer *x) {
  const oq_dtype to = (oq_dtype)((const bits_params *)x->params)->to;
  const oq_dtype from = oq_infer_dtype(x, 0);

  if (from != OQ_DT_NONE &&
      oq_dtype_bits((int32_t)from) != oq_dtype_bits((int32_t)to))
    return oq_infer_fail(x, OQ_E_MODEL, "bitcast.size",
                         "elements of %s and %s have different sizes",
                         oq_dtype_text((int32_t)from),
                         oq_dtype_text((int32_t)to));
  OQ_TRY(oq_infer_same(x));
  oq_infer_set_dtype(x, 0, to);
  return OQ_OK;
}

static oq_status cast_run(oq_run *r) {
  if (r->out[0].size > 0)
    memcpy(r->out[0].data, r->in[0]->data, r->out[0].size);
  return OQ_OK;
}

/* ---- IsNaN, IsInf -------------------------------------------------------- */
static const oq_attr_def inf_attrs[] = {
    OQ_A_I64(bits_params, negative, "detect_negative", 1, 0, 1),
    OQ_A_I64(bits_params, positive, "detect_positive", 1, 0, 1),
};

#define KINDS_TYPES                                                        \
  (OQ_DTM_FLOAT | OQ_DTM(F8E4M3FN) | OQ_DTM(F8E4M3FNUZ) | OQ_DTM(F8E5M2) | \
   OQ_DTM(F8E5M2FNUZ))

static oq_status kind_infer(oq_infer *x) {
  OQ_TRY(oq_infer_same(x));
  oq_infer_set_dtype(x, 0, OQ_DT_BOOL);
  return OQ_OK;
}

static oq_status nan_run(oq_run *r) {
  const size_t n = oq_tensor_count(r->in[0]);
  uint8_t *const y = r->out[0].data;

  if (r->in[0]->dtype == OQ_DT_F32) {
    const float *const x = r->in[0]->data;
    for (size_t i = 0; i < n; i++) y[i] = x[i] != x[i];
    return OQ_OK;
  }
  for (size_t i = 0; i < n; i++) {
    const double v = oq_element_f64(r->in[0], i);
    y[i] = v != v;
  }
  return OQ_OK;
}

static oq_status inf_run(oq_run *r) {
  const bits_params *const p = r->params;
  const size_t n = oq_tensor_count(r->in[0]);
  uint8_t *const y = r->out[0].data;

  for (size_t i = 0; i < n; i++) {
    const double v = oq_element_f64(r->in[0], i);
    y[i] = isinf(v) && (v > 0 ? p->positive : p->negative) != 0;
  }
  return OQ_OK;
}

/* ---- table --------------------------------------------------------------- */
#define ROW(op, from, in, types, rule, f)                                  \
  .domain = "", .name = (op), .since = (from), .last = 27, .min_in = (in), \
  .max_in = (in), .min_out = 1, .max_out = 1, .dtypes = (types),           \
  .infer = (rule), .run = (f), .quant = {.cls = OQ_Q_NEVER}
#define PARAMS(table) .params_size = sizeof(bits_params), OQ_ATTRS(table)
#define UNSIGNED (OQ_DTM(U8) | OQ_DTM(U16) | OQ_DTM(U32) | OQ_DTM(U64))

static const oq_op_def defs[] = {
    {ROW("BitShift", 11, 2, UNSIGNED, zip_infer, shift_run),
     PARAMS(shift_attrs)},
    {ROW("BitwiseAnd", 18, 2, OQ_DTM_INT, zip_infer, and_run)},
    {ROW("BitwiseOr", 18, 2, OQ_DTM_INT, zip_infer, or_run)},
    {ROW("BitwiseXor", 18, 2, OQ_DTM_INT, zip_infer, xor_run)},
    {ROW("BitwiseNot", 18, 1, OQ_DTM_INT, oq_infer_same, not_run)},
    {ROW("BitCast", 26, 1, OQ_DTM_ALL & ~OQ_DTM(STRING), cast_infer, cast_run),
     PARAMS(cast_attrs)},
    {ROW("IsNaN", 9, 1, KINDS_TYPES, kind_infer, nan_run)},
    {ROW("IsInf", 10, 1, KINDS_TYPES, kind_infer, inf_run), PARAMS(inf_attrs)},
};

OQ_FAMILY(bits, defs);

/* kern/k_eltwise.c - elementwise loops: activations and functions of one
 * number, arithmetic and comparison of two. */
#include "kern/loop.h"

#include "kern/k_eltwise.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "kern/k_math.h"
#include "kern/k_simd.h"

/* ---- one input: float ---------------------------------------------------- */
#define UNARY_F32(name, expr)                                        \
  OQ_SIMD_LOOP(name##_f32,                                           \
               (float *y, const float *x, size_t n, const float *p), \
               (y, x, n, p)) {                                       \
    const float p0 = p[0], p1 = p[1];                                \
    (void)p0;                                                        \
    (void)p1;                                                        \
    OQ_IVDEP                                                         \
    for (size_t i = 0; i < n; i++) {                                 \
      const float v = x[i];                                          \
      y[i] = (expr);                                                 \
    }                                                                \
  }
#define UNARY_F64(name, expr)                           \
  static double name##_f64(double v, const double *p) { \
    (void)p;                                            \
    return (expr);                                      \
  }

/* NaN passes through: comparing with it is false. */
static inline float clip_one(float v, float lo, float hi) {
  const float a = v < lo ? lo : v;

  return a > hi ? hi : a;
}

static inline float softplus_one(float v) {
  const float e = oq_k_exp(-fabsf(v)); /* 0 < e <= 1 */
  /* log(1 + e); below 2^-12 the second term of the series is lost anyway */
  const float s = 1.0f + e;
  const float lost = e - (s - 1.0f);
  const float l = oq_k_log(s) + lost / s;
  const float small = e < 2.44140625e-4f ? e - 0.5f * e * e : l;

  return (v > 0.0f ? v : 0.0f) + (v != v ? v : small);
}

static inline float gelu_tanh_one(float v) {
  const float u = 0.7978845608f * (v + 0.044715f * v * v * v);

  return 0.5f * v * (1.0f + oq_k_tanh(u));
}

/* Rounded to an integer, halves to even; whole numbers and NaN are kept. */
static inline float round_one(float v) {
  const float a = fabsf(v);
  const float r = (a + 8388608.0f) - 8388608.0f;

  return copysignf(a < 8388608.0f ? r : a, v);
}

static inline float floor_one(float v) {
  const float r = round_one(v);

  return r > v ? r - 1.0f : r;
}

static inline float ceil_one(float v) {
  const float r = round_one(v);

  return copysignf(r < v ? r + 1.0f : r, v);
}

UNARY_F32(relu, v < 0.0f ? 0.0f : v)
UNARY_F32(clip, clip_one(v, p0, p1))
UNARY_F32(sigmoid, oq_k_sigmoid(v))
UNARY_F32(tanh, oq_k_tanh(v))
static inline float leaky_one(float v, float alpha) {
  const float low = alpha * v;

  return v < 0.0f ? low : v;
}
UNARY_F32(leaky, leaky_one(v, p0))
static inline float elu_one(float v, float alpha, float gamma) {
  const float low = alpha * oq_k_expm1_neg(v);

  return gamma * (v < 0.0f ? low : v);
}
UNARY_F32(elu, elu_one(v, p0, 1.0f))
UNARY_F32(selu, elu_one(v, p0, p1))
/* max(0, x) + min(0, alpha (e^(x / alpha) - 1)) */
static inline float celu_one(float v, float alpha) {
  const float low = alpha * oq_k_expm1_neg(v / alpha);

  return v < 0.0f ? low : v;
}
UNARY_F32(celu, celu_one(v, p0))
UNARY_F32(hard_sigmoid, clip_one(p0 *v + p1, 0.0f, 1.0f))
UNARY_F32(hard_swish, clip_one((1.0f / 6.0f) * v + 0.5f, 0.0f, 1.0f) * v)
UNARY_F32(gelu, 0.5f * v * (1.0f + oq_k_erf(v * 0.70710678118654752f)))
UNARY_F32(gelu_tanh, gelu_tanh_one(v))
UNARY_F32(softplus, softplus_one(v))
UNARY_F32(softsign, v / (1.0f + fabsf(v)))
/* tanh(log(1 + e)) is (e^2 + 2 e) / (e^2 + 2 e + 2) for e = e^x. */
static inline float mish_one(float v) {
  const float e = oq_k_exp(v > 20.0f ? 20.0f : v);
  const float n = e * (e + 2.0f);
  const float low = v * (n / (n + 2.0f));

  return v > 20.0f ? v : low;
}
UNARY_F32(mish, mish_one(v))
UNARY_F32(thresholded, v > p0 ? v : 0.0f)
UNARY_F32(swish, oq_k_sigmoid(p0 *v) * v)
static inline float shrink_one(float v, float lambd, float bias) {
  const float above = v - bias, below = v + bias;
  const float a = v > lambd ? above : 0.0f;

  return v < -lambd ? below : a;
}
UNARY_F32(shrink, shrink_one(v, p0, p1))
UNARY_F32(sqrt, sqrtf(v))
UNARY_F32(exp, oq_k_exp(v))
UNARY_F32(log, oq_k_log(v))
UNARY_F32(reciprocal, 1.0f / v)
UNARY_F32(neg, -v)
UNARY_F32(abs, fabsf(v))
UNARY_F32(floor, floor_one(v))
UNARY_F32(ceil, ceil_one(v))
UNARY_F32(round, round_one(v))
UNARY_F32(sign, v > 0.0f ? 1.0f : v < 0.0f ? -1.0f : v != v ? v : 0.0f)
UNARY_F32(erf, oq_k_erf(v))
UNARY_F32(sin, (float)sin((double)v))
UNARY_F32(cos, (float)cos((double)v))

/* ---- one input: double --------------------------------------------------- */
static double clip_double(double v, double lo, double hi) {
  const double a = v < lo ? lo : v;

  return a > hi ? hi : a;
}
static double sigmoid_double(double v) {
  const double e = exp(-fabs(v));

  return (v < 0 ? e : 1.0) / (1.0 + e) + (v != v ? v : 0);
}
static double softplus_double(double v) {
  return (v > 0 ? v : 0) + log1p(exp(-fabs(v))) + (v != v ? v : 0);
}

UNARY_F64(relu, v < 0 ? 0 : v)
UNARY_F64(clip, clip_double(v, p[0], p[1]))
UNARY_F64(sigmoid, sigmoid_double(v))
UNARY_F64(tanh, tanh(v))
UNARY_F64(leaky, v < 0 ? p[0] * v : v)
UNARY_F64(elu, v < 0 ? p[0] * expm1(v) : v)
UNARY_F64(selu, p[1] * (v < 0 ? p[0] * expm1(v) : v))
UNARY_F64(celu, v < 0 ? p[0] * expm1(v / p[0]) : v)
UNARY_F64(hard_sigmoid, clip_double(p[0] * v + p[1], 0, 1))
UNARY_F64(hard_swish, clip_double(v / 6 + 0.5, 0, 1) * v)
UNARY_F64(gelu, 0.5 * v * (1 + erf(v * 0.70710678118654752440)))
UNARY_F64(gelu_tanh,
          0.5 * v *
              (1 + tanh(0.79788456080286535588 * (v + 0.044715 * v * v * v))))
UNARY_F64(softplus, softplus_double(v))
UNARY_F64(softsign, v / (1 + fabs(v)))
UNARY_F64(mish, tanh(softplus_double(v)) * v)
UNARY_F64(thresholded, v > p[0] ? v : 0)
UNARY_F64(swish, sigmoid_double(p[0] * v) * v)
UNARY_F64(shrink, v < -p[0] ? v + p[1] : (v > p[0] ? v - p[1] : 0))
UNARY_F64(sqrt, sqrt(v))
UNARY_F64(exp, exp(v))
UNARY_F64(log, log(v))
UNARY_F64(reciprocal, 1 / v)
UNARY_F64(neg, -v)
UNARY_F64(abs, fabs(v))
UNARY_F64(floor, floor(v))
UNARY_F64(ceil, ceil(v))
UNARY_F64(sign, v > 0 ? 1 : v < 0 ? -1 : v != v ? v : 0)
UNARY_F64(erf, erf(v))
UNARY_F64(sin, sin(v))
UNARY_F64(cos, cos(v))
static double round_f64(double v, const double *p) {
  const double a = fabs(v);

  (void)p;
  return copysign(a < 0x1p52 ? (a + 0x1p52) - 0x1p52 : a, v);
}

/* ---- one input: integers ------------------------------------------------- */
static int64_t wrap_neg(int64_t v) { return (int64_t)(0 - (uint64_t)v); }
static int64_t abs_i64(int64_t v) { return v < 0 ? wrap_neg(v) : v; }
static int64_t relu_i64(int64_t v) { return v < 0 ? 0 : v; }
static int64_t sign_i64(int64_t v) { return (v > 0) - (v < 0); }
static int64_t not_i64(int64_t v) { return v == 0; }
static int64_t same_i64(int64_t v) { return v; }
static uint64_t same_u64(uint64_t v) { return v; }

#define OP(name) .f32 = name##_f32, .f64 = name##_f64
const oq_unary oq_k_relu = {OP(relu), .i64 = relu_i64, .u64 = same_u64};
const oq_unary oq_k_clip = {OP(clip)};
const oq_unary oq_k_sigmoid_op = {OP(sigmoid)};
const oq_unary oq_k_tanh_op = {OP(tanh)};
const oq_unary oq_k_leaky = {OP(leaky)};
const oq_unary oq_k_elu = {OP(elu)};
const oq_unary oq_k_selu = {OP(selu)};
const oq_unary oq_k_celu = {OP(celu)};
const oq_unary oq_k_hard_sigmoid = {OP(hard_sigmoid)};
const oq_unary oq_k_hard_swish = {OP(hard_swish)};
const oq_unary oq_k_gelu = {OP(gelu)};
const oq_unary oq_k_gelu_tanh = {OP(gelu_tanh)};
const oq_unary oq_k_softplus = {OP(softplus)};
const oq_unary oq_k_softsign = {OP(softsign)};
const oq_unary oq_k_mish = {OP(mish)};
const oq_unary oq_k_thresholded = {OP(thresholded)};
const oq_unary oq_k_swish = {OP(swish)};
const oq_unary oq_k_shrink = {OP(shrink)};
const oq_unary oq_k_sqrt = {OP(sqrt)};
const oq_unary oq_k_exp_op = {OP(exp)};
const oq_unary oq_k_log_op = {OP(log)};
const oq_unary oq_k_reciprocal = {OP(reciprocal)};
const oq_unary oq_k_neg = {OP(neg), .i64 = wrap_neg};
const oq_unary oq_k_abs = {OP(abs), .i64 = abs_i64, .u64 = same_u64};
const oq_unary oq_k_floor = {OP(floor), .i64 = same_i64, .u64 = same_u64};
const oq_unary oq_k_ceil = {OP(ceil), .i64 = same_i64, .u64 = same_u64};
const oq_unary oq_k_round = {OP(round), .i64 = same_i64, .u64 = same_u64};
const oq_unary oq_k_sign = {OP(sign), .i64 = sign_i64};
const oq_unary oq_k_erf_op = {OP(erf)};
const oq_unary oq_k_sin = {OP(sin)};
const oq_unary oq_k_cos = {OP(cos)};
const oq_unary oq_k_not = {.i64 = not_i64};

/* ---- two inputs ---------------------------------------------------------- */
/* The three shapes of a run that broadcasting leaves; a loop each. */
#define RUN2_BODY(TY, T, expr)                 \
  {                                            \
    if (sa != 0 && sb != 0) {                  \
      OQ_IVDEP                                 \
      for (size_t i = 0; i < n; i++) {         \
        const T p = a[i], q = b[i];            \
        y[i] = (TY)(expr);                     \
      }                                        \
    } else if (sa != 0) {                      \
      const T q = *b;                          \
      OQ_IVDEP                                 \
      for (size_t i = 0; i < n; i++) {         \
        const T p = a[i];                      \
        y[i] = (TY)(expr);                     \
      }                                        \
    } else if (sb != 0) {                      \
      const T p = *a;                          \
      OQ_IVDEP                                 \
      for (size_t i = 0; i < n; i++) {         \
        const T q = b[i];                      \
        y[i] = (TY)(expr);                     \
      }                                        \
    } else {                                   \
      const T p = *a, q = *b;                  \
      const TY v = (TY)(expr);                 \
      for (size_t i = 0; i < n; i++) y[i] = v; \
    }                                          \
  }
#define RUN2(TY, T, name, expr)                                         \
  static void name(TY *y, const T *a, size_t sa, const T *b, size_t sb, \
                   size_t n) RUN2_BODY(TY, T, expr)
#define RUN2_F32(name, expr)                                         \
  OQ_SIMD_LOOP(name,                                                 \
               (float *y, const float *a, size_t sa, const float *b, \
                size_t sb, size_t n),                                \
               (y, a, sa, b, sb, n))                                 \
  RUN2_BODY(float, float, expr)

#define ARITH(name, ef, ei, eu)                                      \
  RUN2_F32(name##_f32, ef)                                           \
  RUN2(double, double, name##_f64, ef)                               \
  RUN2(int64_t, int64_t, name##_i64, ei)                             \
  RUN2(uint64_t, uint64_t, name##_u64, eu)                           \
  const oq_binary oq_k_##name = {name##_f32, name##_f64, name##_i64, \
                                 name##_u64};

#define U(v) ((uint64_t)(v))

/* C division; by zero gives 0, and the one quotient that does not fit wraps. */
static int64_t div_int(int64_t p, int64_t q) {
  if (q == 0) return 0;
  return q == -1 ? wrap_neg(p) : p / q;
}
static int64_t rem_int(int64_t p, int64_t q) {
  return q == 0 || q == -1 ? 0 : p % q;
}
/* The result has the sign of the divisor. */
static int64_t mod_int(int64_t p, int64_t q) {
  const int64_t r = rem_int(p, q);

  return r != 0 && (r < 0) != (q < 0) ? r + q : r;
}
static uint64_t div_uint(uint64_t p, uint64_t q) { return q == 0 ? 0 : p / q; }
static uint64_t mod_uint(uint64_t p, uint64_t q) { return q == 0 ? 0 : p % q; }

static uint64_t pow_uint(uint64_t base, uint64_t e) {
  uint64_t r = 1;

  for (; e != 0; e >>= 1, base *= base)
    if ((e & 1) != 0) r *= base;
  return r;
}
static int64_t pow_int(int64_t base, int64_t e) {
  if (e >= 0) return (int64_t)pow_uint((uint64_t)base, (uint64_t)e);
  if (base == 1) return 1;
  if (base == -1) return (e & 1) != 0 ? -1 : 1;
  return 0;
}

ARITH(add, p + q, (int64_t)(U(p) + U(q)), p + q)
ARITH(sub, p - q, (int64_t)(U(p) - U(q)), p - q)
ARITH(mul, p *q, (int64_t)(U(p) * U(q)), p *q)
ARITH(div, p / q, div_int(p, q), div_uint(p, q))
/* A NaN on either side wins. */
ARITH(max, p > q || p != p ? p : q, p > q ? p : q, p > q ? p : q)
ARITH(min, p < q || p != p ? p : q, p < q ? p : q, p < q ? p : q)
ARITH(prelu, p < 0 ? p * q : p, p < 0 ? (int64_t)(U(p) * U(q)) : p,
      ((void)q, p))
ARITH(fmod, (float)fmod((double)p, (double)q), rem_int(p, q), mod_uint(p, q))
ARITH(mod, p - q, mod_int(p, q), mod_uint(p, q)) /* floats: refused above */

/* The exponents that graphs are full of. */
static void square_f32(float *y, const float *a, size_t n) {
  OQ_IVDEP
  for (size_t i = 0; i < n; i++) y[i] = a[i] * a[i];
}

static void cube_f32(float *y, const float *a, size_t n) {
  OQ_IVDEP
  for (size_t i = 0; i < n; i++) {
    const double v = (double)a[i];
    y[i] = (float)(v * v * v);
  }
}

static void root_f32(float *y, const float *a, size_t n) {
  OQ_IVDEP
  for (size_t i = 0; i < n; i++) {
    const float v = sqrtf(a[i] + 0.0f); /* +0 for -0 */
    y[i] = a[i] == -INFINITY ? INFINITY : v;
  }
}

RUN2(float, float, any_pow_f32, oq_k_pow(p, q))
RUN2(double, double, pow_f64, pow(p, q))
RUN2(int64_t, int64_t, pow_i64, pow_int(p, q))
RUN2(uint64_t, uint64_t, pow_u64, pow_uint(p, q))

static void pow_f32(float *y, const float *a, size_t sa, const float *b,
                    size_t sb, size_t n) {
  if (sa != 0 && sb == 0 && *b == 2.0f)
    square_f32(y, a, n);
  else if (sa != 0 && sb == 0 && *b == 3.0f)
    cube_f32(y, a, n);
  else if (sa != 0 && sb == 0 && *b == 0.5f)
    root_f32(y, a, n);
  else
    any_pow_f32(y, a, sa, b, sb, n);
}

const oq_binary oq_k_power = {pow_f32, pow_f64, pow_i64, pow_u64};

#define COMPARE(name, expr)                                           \
  RUN2(uint8_t, float, name##_f32, expr)                              \
  RUN2(uint8_t, double, name##_f64, expr)                             \
  RUN2(uint8_t, int64_t, name##_i64, expr)                            \
  RUN2(uint8_t, uint64_t, name##_u64, expr)                           \
  const oq_compare oq_k_##name = {name##_f32, name##_f64, name##_i64, \
                                  name##_u64};

COMPARE(equal, p == q)
COMPARE(less, p < q)
COMPARE(less_equal, p <= q)

RUN2(uint8_t, int64_t, and_i64, p != 0 && q != 0)
RUN2(uint8_t, int64_t, or_i64, p != 0 || q != 0)
RUN2(uint8_t, int64_t, xor_i64, (p != 0) != (q != 0))
const oq_compare oq_k_and = {.i64 = and_i64};
const oq_compare oq_k_or = {.i64 = or_i64};
const oq_compare oq_k_xor = {.i64 = xor_i64};

/* ---- selection ----------------------------------------------------------- */
#define SELECT(T)                                                       \
  static void select_##T(T *y, const uint8_t *c, size_t sc, const T *a, \
                         size_t sa, const T *b, size_t sb, size_t n) {  \
    for (size_t i = 0; i < n; i++) {                                    \
      const T p = a[i * sa], q = b[i * sb];                             \
      y[i] = c[i * sc] != 0 ? p : q;                                    \
    }                                                                   \
  }
SELECT(uint8_t)
SELECT(uint16_t)
SELECT(uint32_t)
SELECT(uint64_t)

void oq_k_select(void *y, const uint8_t *c, size_t sc, const void *a, size_t sa,
                 const void *b, size_t sb, size_t n, size_t size) {
  switch (size) {
    case 1:
      select_uint8_t(y, c, sc, a, sa, b, sb, n);
      return;
    case 2:
      select_uint16_t(y, c, sc, a, sa, b, sb, n);
      return;
    case 4:
      select_uint32_t(y, c, sc, a, sa, b, sb, n);
      return;
    case 8:
      select_uint64_t(y, c, sc, a, sa, b, sb, n);
      return;
    default:
      break;
  }
  uint8_t *const to = y;
  const uint8_t *const p = a, *const q = b;
  for (size_t i = 0; i < n; i++)
    memcpy(to + i * size,
           c[i * sc] != 0 ? p + i * sa * size : q + i * sb * size, size);
}

void oq_k_fill(void *y, const void *x, size_t n, size_t size) {
  uint8_t *const to = y;

  if (n == 0) return;
  memcpy(to, x, size);
  for (size_t done = 1; done < n;) { /* doubling: few, big copies */
    const size_t more = done < n - done ? done : n - done;
    memcpy(to + done * size, to, more * size);
    done += more;
  }
}

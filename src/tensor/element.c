/* tensor/element.c - one number at a time, of any element type.  Loads and
 * stores are memcpy: data may come from a file. */
#include <string.h>

#include "base/half.h"
#include "tensor/tensor.h"

typedef struct codec {
  double (*f64)(const uint8_t *p, size_t i);
  int64_t (*i64)(const uint8_t *p, size_t i);
  void (*set_f64)(uint8_t *p, size_t i, double v);
  void (*set_i64)(uint8_t *p, size_t i, int64_t v);
} codec;

/* ---- numbers ------------------------------------------------------------ */

/* Half to even, whatever the rounding mode of the host is. */
static double round_half_even(double v) {
  if (!(v > -0x1p52 && v < 0x1p52)) return v; /* whole already, or NaN */
  const double low = __builtin_floor(v);
  const double part = v - low;
  if (part < 0.5) return low;
  if (part > 0.5) return low + 1;
  return low / 2 == __builtin_floor(low / 2) ? low : low + 1;
}

/* Saturates; NaN becomes 0. */
static int64_t i64_within(double v, int64_t lo, int64_t hi) {
  const double r = round_half_even(v);

  if (r != r) return 0;
  if (r <= (double)lo) return lo;
  if (r >= (double)hi) return hi; /* (double)INT64_MAX is 2^63 */
  return (int64_t)r;
}

static int64_t clamp_i64(int64_t v, int64_t lo, int64_t hi) {
  return v < lo ? lo : v > hi ? hi : v;
}

static int64_t truncate_f64(double v) {
  if (v != v) return 0;
  if (v >= 0x1p63) return INT64_MAX;
  if (v < -0x1p63) return INT64_MIN;
  return (int64_t)v;
}

/* To float32 rounded to odd: what is cut off leaves a trace in the last bit,
 * so that rounding once more to a smaller type rounds the number itself. */
static float odd_f32(double v) {
  float f = (float)v;
  uint32_t u;

  if (v != v || (double)f == v) return f;
  memcpy(&u, &f, sizeof u);
  const bool away = v < 0 ? (double)f < v : (double)f > v;
  if (away) u--; /* towards zero; from infinity to the largest number */
  u |= 1;
  memcpy(&f, &u, sizeof f);
  return f;
}

/* The same for integers, which may have 63 bits. */
static double odd_f64(int64_t v) {
  const uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
  const uint64_t top = u & ~UINT64_C(0x7ff);

  if (u < UINT64_C(1) << 53) return (double)v;
  const double m = (double)(u != top ? top | 0x800 : top);
  return v < 0 ? -m : m;
}

/* ---- native types ------------------------------------------------------- */

#define LOAD_STORE(name, T)                             \
  static T load_##name(const uint8_t *p, size_t i) {    \
    T v;                                                \
    memcpy(&v, p + i * sizeof v, sizeof v);             \
    return v;                                           \
  }                                                     \
  static void store_##name(uint8_t *p, size_t i, T v) { \
    memcpy(p + i * sizeof v, &v, sizeof v);             \
  }

#define INTEGER(name, T, LO, HI)                                \
  LOAD_STORE(name, T)                                           \
  static double f64_##name(const uint8_t *p, size_t i) {        \
    return (double)load_##name(p, i);                           \
  }                                                             \
  static int64_t i64_##name(const uint8_t *p, size_t i) {       \
    return (int64_t)load_##name(p, i);                          \
  }                                                             \
  static void set_f64_##name(uint8_t *p, size_t i, double v) {  \
    store_##name(p, i, (T)i64_within(v, LO, HI));               \
  }                                                             \
  static void set_i64_##name(uint8_t *p, size_t i, int64_t v) { \
    store_##name(p, i, (T)clamp_i64(v, LO, HI));                \
  }

INTEGER(u8, uint8_t, 0, UINT8_MAX)
INTEGER(i8, int8_t, INT8_MIN, INT8_MAX)
INTEGER(u16, uint16_t, 0, UINT16_MAX)
INTEGER(i16, int16_t, INT16_MIN, INT16_MAX)
INTEGER(u32, uint32_t, 0, UINT32_MAX)
INTEGER(i32, int32_t, INT32_MIN, INT32_MAX)
INTEGER(i64, int64_t, INT64_MIN, INT64_MAX)

LOAD_STORE(u64, uint64_t)

static double f64_u64(const uint8_t *p, size_t i) {
  return (double)load_u64(p, i);
}

static int64_t i64_u64(const uint8_t *p, size_t i) {
  const uint64_t v = load_u64(p, i);

  return v > INT64_MAX ? INT64_MAX : (int64_t)v;
}

static void set_f64_u64(uint8_t *p, size_t i, double v) {
  const double r = round_half_even(v);

  store_u64(p, i, r >= 0x1p64 ? UINT64_MAX : r > 0 ? (uint64_t)r : 0);
}

static void set_i64_u64(uint8_t *p, size_t i, int64_t v) {
  store_u64(p, i, v > 0 ? (uint64_t)v : 0);
}

static double f64_bool(const uint8_t *p, size_t i) { return p[i] != 0; }

static int64_t i64_bool(const uint8_t *p, size_t i) { return p[i] != 0; }

static void set_f64_bool(uint8_t *p, size_t i, double v) {
  p[i] = v != 0; /* NaN is true */
}

static void set_i64_bool(uint8_t *p, size_t i, int64_t v) { p[i] = v != 0; }

LOAD_STORE(f32, float)
LOAD_STORE(f64, double)

static double f64_f32(const uint8_t *p, size_t i) {
  return (double)load_f32(p, i);
}

static int64_t i64_f32(const uint8_t *p, size_t i) {
  return truncate_f64(f64_f32(p, i));
}

static void set_f64_f32(uint8_t *p, size_t i, double v) {
  store_f32(p, i, (float)v);
}

static void set_i64_f32(uint8_t *p, size_t i, int64_t v) {
  store_f32(p, i, (float)v);
}

static double f64_f64(const uint8_t *p, size_t i) { return load_f64(p, i); }

static int64_t i64_f64(const uint8_t *p, size_t i) {
  return truncate_f64(load_f64(p, i));
}

static void set_f64_f64(uint8_t *p, size_t i, double v) { store_f64(p, i, v); }

static void set_i64_f64(uint8_t *p, size_t i, int64_t v) {
  store_f64(p, i, (double)v);
}

/* ---- small floats ------------------------------------------------------- */

#define SMALL_FLOAT(name, T, WIDEN, NARROW)                     \
  LOAD_STORE(name, T)                                           \
  static double f64_##name(const uint8_t *p, size_t i) {        \
    const T v = load_##name(p, i);                              \
    return (double)WIDEN;                                       \
  }                                                             \
  static int64_t i64_##name(const uint8_t *p, size_t i) {       \
    return truncate_f64(f64_##name(p, i));                      \
  }                                                             \
  static void set_f64_##name(uint8_t *p, size_t i, double x) {  \
    const float v = odd_f32(x);                                 \
    store_##name(p, i, NARROW);                                 \
  }                                                             \
  static void set_i64_##name(uint8_t *p, size_t i, int64_t v) { \
    set_f64_##name(p, i, odd_f64(v));                           \
  }

SMALL_FLOAT(f16, uint16_t, oq_f32_of_f16(v), oq_f16_of_f32(v))
SMALL_FLOAT(bf16, uint16_t, oq_f32_of_bf16(v), oq_bf16_of_f32(v))
#define FLOAT8(name, num) \
  SMALL_FLOAT(name, uint8_t, oq_f32_of_f8(v, num), oq_f8_of_f32(v, num, true))
FLOAT8(e4m3fn, OQ_DT_F8E4M3FN)
FLOAT8(e4m3fnuz, OQ_DT_F8E4M3FNUZ)
FLOAT8(e5m2, OQ_DT_F8E5M2)
FLOAT8(e5m2fnuz, OQ_DT_F8E5M2FNUZ)

/* E8M0: 2^(code - 127); no sign, no zero; 255 is NaN. */
static float widen_e8m0(uint8_t v) {
  return v == 255 ? __builtin_nanf("") : (float)__builtin_ldexp(1, v - 127);
}

/* To the nearest power of two, ties up, and into the range. */
static uint8_t narrow_e8m0(float v) {
  int exponent;

  if (v != v || v < 0) return 255;
  if (v == 0) return 0;
  if (__builtin_isinf(v)) return 254;
  const double m = __builtin_frexp((double)v, &exponent); /* [0.5, 1) */
  const int code = exponent - 1 + 127 + (m >= 0.75 ? 1 : 0);
  return (uint8_t)clamp_i64(code, 0, 254);
}

SMALL_FLOAT(e8m0, uint8_t, widen_e8m0(v), narrow_e8m0(v))

/* ---- several elements in a byte, low bits first ------------------------- */

static uint32_t load_bits(const uint8_t *p, size_t i, uint32_t bits) {
  const size_t per_byte = 8 / bits;
  const uint32_t shift = (uint32_t)(i % per_byte) * bits;

  return (uint32_t)p[i / per_byte] >> shift & ((1u << bits) - 1);
}

static void store_bits(uint8_t *p, size_t i, uint32_t bits, uint32_t v) {
  const size_t per_byte = 8 / bits;
  const uint32_t shift = (uint32_t)(i % per_byte) * bits;
  const uint32_t mask = ((1u << bits) - 1) << shift;
  uint8_t *byte = &p[i / per_byte];

  *byte = (uint8_t)((*byte & ~mask) | (v << shift & mask));
}

#define PACKED(name, BITS, LO, HI)                                  \
  static int64_t i64_##name(const uint8_t *p, size_t i) {           \
    const int64_t v = load_bits(p, i, BITS);                        \
    return v > (HI) ? v - (1 << (BITS)) : v; /* two's complement */ \
  }                                                                 \
  static double f64_##name(const uint8_t *p, size_t i) {            \
    return (double)i64_##name(p, i);                                \
  }                                                                 \
  static void set_f64_##name(uint8_t *p, size_t i, double v) {      \
    store_bits(p, i, BITS, (uint32_t)i64_within(v, LO, HI));        \
  }                                                                 \
  static void set_i64_##name(uint8_t *p, size_t i, int64_t v) {     \
    store_bits(p, i, BITS, (uint32_t)clamp_i64(v, LO, HI));         \
  }

PACKED(u4, 4, 0, 15)
PACKED(i4, 4, -8, 7)
PACKED(u2, 2, 0, 3)
PACKED(i2, 2, -2, 1)

/* E2M1: sign, two bits of exponent, one of mantissa. */
static const double e2m1[8] = {0, 0.5, 1, 1.5, 2, 3, 4, 6};

static double f64_e2m1(const uint8_t *p, size_t i) {
  const uint32_t v = load_bits(p, i, 4);

  return (v & 8) != 0 ? -e2m1[v & 7] : e2m1[v & 7];
}

static int64_t i64_e2m1(const uint8_t *p, size_t i) {
  return truncate_f64(f64_e2m1(p, i));
}

/* Nearest, ties to the even code; there is no NaN, it becomes -0 as in the
 * official cases. */
static void set_f64_e2m1(uint8_t *p, size_t i, double v) {
  const double m = __builtin_fabs(v);
  uint32_t code = 0;

  if (v != v) {
    store_bits(p, i, 4, 8);
    return;
  }
  while (code < 7) {
    const double middle = (e2m1[code] + e2m1[code + 1]) / 2;
    if (m < middle || (m == middle && code % 2 == 0)) break;
    code++;
  }
  store_bits(p, i, 4, code | (__builtin_signbit(v) != 0 ? 8u : 0u));
}

static void set_i64_e2m1(uint8_t *p, size_t i, int64_t v) {
  set_f64_e2m1(p, i, (double)v);
}

/* ---- by number ---------------------------------------------------------- */

#define CODEC(name) \
  { f64_##name, i64_##name, set_f64_##name, set_i64_##name }
static const codec codecs[] = {
    [OQ_DT_F32] = CODEC(f32),
    [OQ_DT_U8] = CODEC(u8),
    [OQ_DT_I8] = CODEC(i8),
    [OQ_DT_U16] = CODEC(u16),
    [OQ_DT_I16] = CODEC(i16),
    [OQ_DT_I32] = CODEC(i32),
    [OQ_DT_I64] = CODEC(i64),
    [OQ_DT_BOOL] = CODEC(bool),
    [OQ_DT_F16] = CODEC(f16),
    [OQ_DT_F64] = CODEC(f64),
    [OQ_DT_U32] = CODEC(u32),
    [OQ_DT_U64] = CODEC(u64),
    [OQ_DT_BF16] = CODEC(bf16),
    [OQ_DT_F8E4M3FN] = CODEC(e4m3fn),
    [OQ_DT_F8E4M3FNUZ] = CODEC(e4m3fnuz),
    [OQ_DT_F8E5M2] = CODEC(e5m2),
    [OQ_DT_F8E5M2FNUZ] = CODEC(e5m2fnuz),
    [OQ_DT_U4] = CODEC(u4),
    [OQ_DT_I4] = CODEC(i4),
    [OQ_DT_F4E2M1] = CODEC(e2m1),
    [OQ_DT_F8E8M0] = CODEC(e8m0),
    [OQ_DT_U2] = CODEC(u2),
    [OQ_DT_I2] = CODEC(i2),
};

/* NULL for strings and complex numbers. */
static const codec *codec_of(oq_dtype t) {
  const size_t i = (size_t)t;

  if (i >= sizeof codecs / sizeof *codecs || codecs[i].f64 == NULL) return NULL;
  return &codecs[i];
}

double oq_element_f64(const oq_ctensor *t, size_t i) {
  const codec *c = codec_of(t->dtype);

  return c != NULL ? c->f64((const uint8_t *)t->data, i)
                   : (double)__builtin_nanf("");
}

int64_t oq_element_i64(const oq_ctensor *t, size_t i) {
  const codec *c = codec_of(t->dtype);

  return c != NULL ? c->i64((const uint8_t *)t->data, i) : 0;
}

void oq_element_set_f64(oq_tensor *t, size_t i, double v) {
  const codec *c = codec_of(t->dtype);

  if (c != NULL) c->set_f64((uint8_t *)t->data, i, v);
}

void oq_element_set_i64(oq_tensor *t, size_t i, int64_t v) {
  const codec *c = codec_of(t->dtype);

  if (c != NULL) c->set_i64((uint8_t *)t->data, i, v);
}

/* ---- packed elements ----------------------------------------------------- */
void oq_bits_copy(void *to, size_t to_at, const void *from, size_t from_at,
                  size_t n) {
  const uint8_t *const x = from;
  uint8_t *const y = to;

  if (to_at % 8 == 0 && from_at % 8 == 0 && n >= 8) {
    const size_t bytes = n / 8;
    memcpy(y + to_at / 8, x + from_at / 8, bytes);
    to_at += 8 * bytes;
    from_at += 8 * bytes;
    n %= 8;
  }
  for (size_t i = 0; i < n; i++) {
    const size_t k = to_at + i, j = from_at + i;
    const unsigned bit = x[j / 8] >> j % 8 & 1u, at = (unsigned)(k % 8);
    y[k / 8] = (uint8_t)((y[k / 8] & ~(1u << at)) | bit << at);
  }
}

/* kern/k_number.c - elements of every type to and from the four classes that
 * loops compute in. */
#include "kern/loop.h"

#include <math.h>
#include <string.h>

#include "base/half.h"
#include "kern/k_eltwise.h"
#include "onnxquant/tensor.h"

typedef struct number {
  oq_num_class cls;
  bool native;
  void (*load)(void *to, const void *from, size_t at, size_t n);
  void (*store)(void *to, size_t at, const void *from, size_t n);
} number;

#define INT(name, T, WIDE)                                                    \
  static void load_##name(void *to, const void *from, size_t at, size_t n) {  \
    WIDE *const y = to;                                                       \
    const T *const x = (const T *)from + at;                                  \
    for (size_t i = 0; i < n; i++) y[i] = (WIDE)x[i];                         \
  }                                                                           \
  static void store_##name(void *to, size_t at, const void *from, size_t n) { \
    T *const y = (T *)to + at;                                                \
    const WIDE *const x = from;                                               \
    for (size_t i = 0; i < n; i++) y[i] = (T)x[i];                            \
  }
#define SMALL(name, WIDEN, NARROW)                                            \
  static void load_##name(void *to, const void *from, size_t at, size_t n) {  \
    float *const y = to;                                                      \
    const uint16_t *const x = (const uint16_t *)from + at;                    \
    for (size_t i = 0; i < n; i++) y[i] = WIDEN(x[i]);                        \
  }                                                                           \
  static void store_##name(void *to, size_t at, const void *from, size_t n) { \
    uint16_t *const y = (uint16_t *)to + at;                                  \
    const float *const x = from;                                              \
    for (size_t i = 0; i < n; i++) y[i] = NARROW(x[i]);                       \
  }

INT(u8, uint8_t, int64_t)
INT(i8, int8_t, int64_t)
INT(u16, uint16_t, int64_t)
INT(i16, int16_t, int64_t)
INT(u32, uint32_t, int64_t)
INT(i32, int32_t, int64_t)
INT(i64, int64_t, int64_t)
INT(u64, uint64_t, uint64_t)
INT(f32, float, float)
INT(f64, double, double)
SMALL(f16, oq_f32_of_f16, oq_f16_of_f32)
SMALL(bf16, oq_f32_of_bf16, oq_bf16_of_f32)

static void load_bool(void *to, const void *from, size_t at, size_t n) {
  int64_t *const y = to;
  const uint8_t *const x = (const uint8_t *)from + at;

  for (size_t i = 0; i < n; i++) y[i] = x[i] != 0;
}
static void store_bool(void *to, size_t at, const void *from, size_t n) {
  uint8_t *const y = (uint8_t *)to + at;
  const int64_t *const x = from;

  for (size_t i = 0; i < n; i++) y[i] = x[i] != 0;
}

#define ROW(cls, native, name) \
  { OQ_NUM_##cls, native, load_##name, store_##name }
static const number numbers[] = {
    [OQ_DT_F32] = ROW(F32, true, f32),    [OQ_DT_F64] = ROW(F64, true, f64),
    [OQ_DT_F16] = ROW(F32, false, f16),   [OQ_DT_BF16] = ROW(F32, false, bf16),
    [OQ_DT_U8] = ROW(I64, false, u8),     [OQ_DT_I8] = ROW(I64, false, i8),
    [OQ_DT_U16] = ROW(I64, false, u16),   [OQ_DT_I16] = ROW(I64, false, i16),
    [OQ_DT_U32] = ROW(I64, false, u32),   [OQ_DT_I32] = ROW(I64, false, i32),
    [OQ_DT_I64] = ROW(I64, true, i64),    [OQ_DT_U64] = ROW(U64, true, u64),
    [OQ_DT_BOOL] = ROW(I64, false, bool),
};

static const number *number_of(int32_t dtype) {
  const size_t i = (size_t)dtype;

  if (dtype < 0 || i >= sizeof numbers / sizeof *numbers ||
      numbers[i].load == NULL)
    return NULL;
  return &numbers[i];
}

oq_num_class oq_k_class(int32_t dtype) {
  const number *const n = number_of(dtype);

  return n != NULL ? n->cls : OQ_NUM_NONE;
}

bool oq_k_native(int32_t dtype) {
  const number *const n = number_of(dtype);

  return n != NULL && n->native;
}

size_t oq_k_class_size(oq_num_class c) { return c == OQ_NUM_F32 ? 4 : 8; }

void oq_k_load(void *to, const void *from, size_t at, size_t n, int32_t dtype) {
  const number *const t = number_of(dtype);

  if (t != NULL) t->load(to, from, at, n);
}

void oq_k_store(void *to, size_t at, const void *from, size_t n,
                int32_t dtype) {
  const number *const t = number_of(dtype);

  if (t != NULL) t->store(to, at, from, n);
}

/* ---- conversion ---------------------------------------------------------- */
/* To float32 rounded to odd: what is cut off leaves a trace in the last bit, so
 * that rounding once more to a smaller type rounds the number itself. */
static float odd_f32(double v) {
  float f = (float)v;
  uint32_t u;

  if (v != v || (double)f == v) return f;
  memcpy(&u, &f, sizeof u);
  if (fabs((double)f) > fabs(v)) u--;
  u |= 1;
  memcpy(&f, &u, sizeof f);
  return f;
}

static int64_t cut_i64(double v) {
  if (v != v) return 0;
  if (v >= 0x1p63) return INT64_MAX;
  if (v < -0x1p63) return INT64_MIN;
  return (int64_t)v;
}
static uint64_t cut_u64(double v) {
  if (!(v > 0)) return 0;
  return v >= 0x1p64 ? UINT64_MAX : (uint64_t)v;
}
static int32_t cut_i32(double v) {
  if (v != v) return 0;
  return v >= 2147483647.0    ? INT32_MAX
         : v <= -2147483648.0 ? INT32_MIN
                              : (int32_t)v;
}
static uint32_t cut_u32(double v) {
  if (!(v > 0)) return 0;
  return v >= 4294967295.0 ? UINT32_MAX : (uint32_t)v;
}

/* One loop per pair: y[i] = expr of x[i]. */
#define CONVERT(T, FROM, expr)       \
  do {                               \
    T *const y = (T *)to + at;       \
    const FROM *const x = from;      \
    for (size_t i = 0; i < n; i++) { \
      const FROM v = x[i];           \
      y[i] = (T)(expr);              \
    }                                \
  } while (0)

#define TO_TYPES(FROM, F64, CUT32, CUTU32, CUT64, CUTU64, HALF) \
  switch (dtype) {                                              \
    case OQ_DT_U8:                                              \
      CONVERT(uint8_t, FROM, CUT32);                            \
      break;                                                    \
    case OQ_DT_I8:                                              \
      CONVERT(int8_t, FROM, CUT32);                             \
      break;                                                    \
    case OQ_DT_U16:                                             \
      CONVERT(uint16_t, FROM, CUT32);                           \
      break;                                                    \
    case OQ_DT_I16:                                             \
      CONVERT(int16_t, FROM, CUT32);                            \
      break;                                                    \
    case OQ_DT_I32:                                             \
      CONVERT(int32_t, FROM, CUT32);                            \
      break;                                                    \
    case OQ_DT_U32:                                             \
      CONVERT(uint32_t, FROM, CUTU32);                          \
      break;                                                    \
    case OQ_DT_I64:                                             \
      CONVERT(int64_t, FROM, CUT64);                            \
      break;                                                    \
    case OQ_DT_U64:                                             \
      CONVERT(uint64_t, FROM, CUTU64);                          \
      break;                                                    \
    case OQ_DT_BOOL:                                            \
      CONVERT(uint8_t, FROM, v != 0);                           \
      break;                                                    \
    case OQ_DT_F32:                                             \
      CONVERT(float, FROM, v);                                  \
      break;                                                    \
    case OQ_DT_F64:                                             \
      CONVERT(double, FROM, v);                                 \
      break;                                                    \
    case OQ_DT_F16:                                             \
      CONVERT(uint16_t, FROM, oq_f16_of_f32(HALF));             \
      break;                                                    \
    case OQ_DT_BF16:                                            \
      CONVERT(uint16_t, FROM, oq_bf16_of_f32(HALF));            \
      break;                                                    \
    default:                                                    \
      break;                                                    \
  }

static void from_f32(void *to, size_t at, int32_t dtype, const void *from,
                     size_t n) {
  TO_TYPES(float, v, cut_i32((double)v), cut_u32((double)v), cut_i64((double)v),
           cut_u64((double)v), v)
}
static void from_f64(void *to, size_t at, int32_t dtype, const void *from,
                     size_t n) {
  TO_TYPES(double, v, cut_i32(v), cut_u32(v), cut_i64(v), cut_u64(v),
           odd_f32(v))
}
static void from_i64(void *to, size_t at, int32_t dtype, const void *from,
                     size_t n) {
  TO_TYPES(int64_t, v, v, v, v, v, odd_f32((double)v))
}
static void from_u64(void *to, size_t at, int32_t dtype, const void *from,
                     size_t n) {
  TO_TYPES(uint64_t, v, v, v, v, v, odd_f32((double)v))
}

void oq_k_convert(void *to, size_t at, int32_t dtype, const void *from,
                  oq_num_class from_class, size_t n) {
  if (from_class == OQ_NUM_F32) from_f32(to, at, dtype, from, n);
  if (from_class == OQ_NUM_F64) from_f64(to, at, dtype, from, n);
  if (from_class == OQ_NUM_I64) from_i64(to, at, dtype, from, n);
  if (from_class == OQ_NUM_U64) from_u64(to, at, dtype, from, n);
}

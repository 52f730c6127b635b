/* base/check.h - sizes that cannot wrap, conversions that cannot lose. */
#ifndef OQ_BASE_CHECK_H
#define OQ_BASE_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline bool oq_mul_size(size_t *out, size_t a, size_t b) {
  if (b != 0 && a > SIZE_MAX / b) return false;
  *out = a * b;
  return true;
}

static inline bool oq_add_size(size_t *out, size_t a, size_t b) {
  if (a > SIZE_MAX - b) return false;
  *out = a + b;
  return true;
}

static inline bool oq_mul_i64(int64_t *out, int64_t a, int64_t b) {
  return !__builtin_mul_overflow(a, b, out);
}

static inline bool oq_add_i64(int64_t *out, int64_t a, int64_t b) {
  return !__builtin_add_overflow(a, b, out);
}

static inline bool oq_sub_i64(int64_t *out, int64_t a, int64_t b) {
  return !__builtin_sub_overflow(a, b, out);
}

/* A count from outside as a size; false if negative. */
static inline bool oq_size_of_i64(size_t *out, int64_t v) {
  if (v < 0) return false;
  *out = (size_t)v;
  return true;
}

static inline bool oq_u32_of_size(uint32_t *out, size_t v) {
  if (v > UINT32_MAX) return false;
  *out = (uint32_t)v;
  return true;
}

#endif

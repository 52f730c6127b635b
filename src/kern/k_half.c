/* kern/k_half - see k_half.h.  No branches: the loops must vectorise. */
#include "kern/loop.h"

#include "kern/k_half.h"

#include <string.h>

#include "kern/k_simd.h"

OQ_INLINE uint32_t bits_of(float f) {
  uint32_t u;

  memcpy(&u, &f, sizeof u);
  return u;
}

OQ_INLINE float float_of(uint32_t u) {
  float f;

  memcpy(&f, &u, sizeof f);
  return f;
}

/* a where `yes` is 1, b where it is 0. */
OQ_INLINE uint32_t pick(uint32_t yes, uint32_t a, uint32_t b) {
  return b ^ ((a ^ b) & (0u - yes));
}

/* The exponent moves from bias 15 to 127; all ones stay all ones; subnormal
 * codes are whole numbers of 2^-24. */
OQ_INLINE float of_f16(uint32_t h) {
  const uint32_t rebase = 112u << 23;
  const uint32_t sign = (h & 0x8000u) << 16, mag = h & 0x7fffu;
  const uint32_t full = (mag << 13) + rebase + pick(mag >= 0x7c00u, rebase, 0u);
  const uint32_t small = bits_of((float)(int32_t)mag * 0x1p-24f);

  return float_of(sign | pick(mag < 0x400u, small, full));
}

/* Half to even.  Below 2^-14 an addition does it: the last place of 0.5 is the
 * smallest code. */
OQ_INLINE uint16_t to_f16(float f) {
  const uint32_t u = bits_of(f), sign = u >> 16 & 0x8000u,
                 mag = u & 0x7fffffffu;
  const uint32_t small = bits_of(float_of(mag) + 0.5f) - bits_of(0.5f);
  const uint32_t odd = mag >> 13 & 1u;
  const uint32_t full = (mag - (112u << 23) + 0xfffu + odd) >> 13;
  uint32_t r = pick(mag < 0x38800000u, small, full);

  r = pick(mag >= 0x47800000u, 0x7c00u, r);
  r = pick(mag > 0x7f800000u, 0x7e00u, r);
  return (uint16_t)(sign | r);
}

OQ_INLINE uint16_t to_bf16(float f) {
  const uint32_t u = bits_of(f);
  const uint32_t r = (u + 0x7fffu + (u >> 16 & 1u)) >> 16;

  return (uint16_t)pick((u & 0x7fffffffu) > 0x7f800000u,
                        (u >> 16 & 0x8000u) | 0x7fc0u, r);
}

OQ_SIMD_LOOP(widen_f16,
             (float *restrict y, const uint16_t *restrict x, size_t n),
             (y, x, n)) {
  for (size_t i = 0; i < n; i++) y[i] = of_f16(x[i]);
}

OQ_SIMD_LOOP(widen_bf16,
             (float *restrict y, const uint16_t *restrict x, size_t n),
             (y, x, n)) {
  for (size_t i = 0; i < n; i++) y[i] = float_of((uint32_t)x[i] << 16);
}

OQ_SIMD_LOOP(narrow_f16,
             (uint16_t *restrict y, const float *restrict x, size_t n),
             (y, x, n)) {
  for (size_t i = 0; i < n; i++) y[i] = to_f16(x[i]);
}

OQ_SIMD_LOOP(narrow_bf16,
             (uint16_t *restrict y, const float *restrict x, size_t n),
             (y, x, n)) {
  for (size_t i = 0; i < n; i++) y[i] = to_bf16(x[i]);
}

void oq_widen_f16(float *y, const uint16_t *x, size_t n) { widen_f16(y, x, n); }

void oq_widen_bf16(float *y, const uint16_t *x, size_t n) {
  widen_bf16(y, x, n);
}

void oq_narrow_f16(uint16_t *y, const float *x, size_t n) {
  narrow_f16(y, x, n);
}

void oq_narrow_bf16(uint16_t *y, const float *x, size_t n) {
  narrow_bf16(y, x, n);
}

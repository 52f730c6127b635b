/* base/half.c - small floats by integer arithmetic: the same bits everywhere,
 * whatever the rounding mode or the CPU. */
#include "base/half.h"

#include <string.h>

static uint32_t bits_of(float f) {
  uint32_t u;
  memcpy(&u, &f, sizeof u);
  return u;
}

static float float_of(uint32_t u) {
  float f;
  memcpy(&f, &u, sizeof f);
  return f;
}

#define F32_INF 0x7f800000u
#define F32_NAN 0x7fc00000u

/* A binary format of up to 16 bits: sign, exponent, `mant` bits of mantissa. */
typedef struct format {
  uint32_t mant, bias;
  uint32_t max;  /* largest finite code, without the sign */
  uint32_t nan;  /* a code of NaN, without the sign */
  uint32_t inf;  /* 0: the format has none */
  uint32_t sign; /* its bit */
  bool fnuz;     /* no -0: the code of it is the only NaN */
} format;

static const format f16 = {10, 15, 0x7bff, 0x7e00, 0x7c00, 0x8000, false};

static const format f8[4] = {
    {3, 7, 0x7e, 0x7f, 0, 0x80, false},     /* E4M3FN */
    {3, 8, 0x7f, 0x80, 0, 0x80, true},      /* E4M3FNUZ */
    {2, 15, 0x7b, 0x7f, 0x7c, 0x80, false}, /* E5M2 */
    {2, 16, 0x7f, 0x80, 0, 0x80, true},     /* E5M2FNUZ */
};

/* Magnitude of a finite float32 as a code, rounded half to even; may come out
 * above f->max, then it is too large. */
static uint32_t round_to(const format *f, uint32_t mag) {
  const uint32_t exp = mag >> 23;
  const uint32_t lowest = 127 - f->bias + 1; /* exponent of normal codes */
  uint32_t shift = 23 - f->mant;
  uint32_t m;

  if (exp >= lowest) {
    m = mag - ((lowest - 1) << 23); /* exponent field rebased */
  } else {
    /* Subnormal: the implicit bit becomes a real one.  Shifts of 25 and more
     * leave less than half of the smallest code. */
    shift += lowest - (exp == 0 ? 1 : exp);
    if (shift > 24 + 1) return 0;
    m = (mag & 0x7fffffu) | (exp == 0 ? 0u : 0x800000u);
  }
  const uint32_t half = 1u << (shift - 1);
  const uint32_t odd = m >> shift & 1u;
  return (m + half - 1 + odd) >> shift;
}

static float widen(const format *f, uint32_t code) {
  const uint32_t sign = (code & f->sign) != 0 ? 0x80000000u : 0;
  const uint32_t mag = code & (f->sign - 1);
  const uint32_t exp = mag >> f->mant;
  uint32_t m = mag & ((1u << f->mant) - 1);

  if (f->fnuz && code == f->sign) return float_of(F32_NAN);
  if (f->inf != 0 && mag >= f->inf) {
    /* The payload of a NaN is kept. */
    return float_of(sign | F32_INF | m << (23 - f->mant));
  }
  if (!f->fnuz && f->inf == 0 && mag > f->max) return float_of(sign | F32_NAN);
  if (exp != 0) {
    return float_of(sign | ((exp + 127 - f->bias) << 23 | m << (23 - f->mant)));
  }
  if (m == 0) return float_of(sign);
  uint32_t e = 127 - f->bias + 1;
  for (; m >> f->mant == 0; m <<= 1) e--;
  m &= (1u << f->mant) - 1;
  return float_of(sign | e << 23 | m << (23 - f->mant));
}

float oq_f32_of_f16(uint16_t h) { return widen(&f16, h); }

uint16_t oq_f16_of_f32(float v) {
  const uint32_t u = bits_of(v);
  const uint32_t sign = u >> 16 & 0x8000u;
  const uint32_t mag = u & 0x7fffffffu;

  if (mag > F32_INF) { /* quiet, with the top of the payload */
    return (uint16_t)(sign | 0x7e00u | (mag >> 13 & 0x1ffu));
  }
  if (mag == F32_INF) return (uint16_t)(sign | f16.inf);
  const uint32_t code = round_to(&f16, mag);
  return (uint16_t)(sign | (code > f16.max ? f16.inf : code));
}

float oq_f32_of_bf16(uint16_t h) { return float_of((uint32_t)h << 16); }

uint16_t oq_bf16_of_f32(float v) {
  const uint32_t u = bits_of(v);

  if ((u & 0x7fffffffu) > F32_INF) return (uint16_t)(u >> 16 | 0x40u);
  return (uint16_t)((u + 0x7fffu + (u >> 16 & 1u)) >> 16);
}

float oq_f32_of_f8(uint8_t v, int32_t dtype) {
  return dtype >= 17 && dtype <= 20 ? widen(&f8[dtype - 17], v)
                                    : float_of(F32_NAN);
}

/* What is above the largest finite code, infinity included (tables in the text
 * of Cast). */
static uint32_t overflow(const format *f, uint32_t sign, bool saturate) {
  if (saturate) return sign | f->max;
  if (f->inf != 0) return sign | f->inf;
  return f->fnuz ? f->nan : sign | f->nan;
}

uint8_t oq_f8_of_f32(float v, int32_t dtype, bool saturate) {
  if (dtype < 17 || dtype > 20) return 0;

  const format *f = &f8[dtype - 17];
  const uint32_t u = bits_of(v);
  const uint32_t sign = u >> 24 & 0x80u;
  const uint32_t mag = u & 0x7fffffffu;

  if (mag > F32_INF) return (uint8_t)(f->fnuz ? f->nan : sign | f->nan);
  if (mag == F32_INF) return (uint8_t)overflow(f, sign, saturate);
  const uint32_t code = round_to(f, mag);
  if (code > f->max) return (uint8_t)overflow(f, sign, saturate);
  return (uint8_t)(code == 0 && f->fnuz ? 0 : sign | code);
}

/* kern/minmax_x86.c - the range of a tile in vectors: minima and maxima are
 * instructions that C has no word for. */
#include "kern/tables.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <math.h>

/* Four chains each hide the latency of one; 0 * v shows what is not finite. */
#define RANGE(name, isa, VEC, LANES, P)                                     \
  __attribute__((target(isa))) static bool name(float range[2],             \
                                                const float *x, size_t n) { \
    VEC lo[4], hi[4], odd[4];                                               \
    const VEC zero = P##setzero_ps();                                       \
    float l[LANES], h[LANES], o[LANES];                                     \
    for (size_t c = 0; c < 4; c++) {                                        \
      lo[c] = hi[c] = P##loadu_ps(x);                                       \
      odd[c] = zero;                                                        \
    }                                                                       \
    for (size_t i = 0; i < n; i += 4 * LANES) {                             \
      _Pragma("GCC unroll 4") for (size_t c = 0; c < 4; c++) {              \
        const VEC v = P##loadu_ps(x + i + c * LANES);                       \
        lo[c] = P##min_ps(v, lo[c]);                                        \
        hi[c] = P##max_ps(v, hi[c]);                                        \
        odd[c] = P##fmadd_ps(v, zero, odd[c]);                              \
      }                                                                     \
    }                                                                       \
    for (size_t c = 1; c < 4; c++) {                                        \
      lo[0] = P##min_ps(lo[c], lo[0]);                                      \
      hi[0] = P##max_ps(hi[c], hi[0]);                                      \
      odd[0] = P##add_ps(odd[c], odd[0]);                                   \
    }                                                                       \
    P##storeu_ps(l, lo[0]);                                                 \
    P##storeu_ps(h, hi[0]);                                                 \
    P##storeu_ps(o, odd[0]);                                                \
    range[0] = l[0];                                                        \
    range[1] = h[0];                                                        \
    for (size_t k = 0; k < LANES; k++) {                                    \
      if (o[k] != 0.0f) return false;                                       \
      range[0] = l[k] < range[0] ? l[k] : range[0];                         \
      range[1] = h[k] > range[1] ? h[k] : range[1];                         \
    }                                                                       \
    return true;                                                            \
  }

RANGE(range_avx512, "avx512f,fma", __m512, 16, _mm512_)
RANGE(range_avx2, "avx2,fma", __m256, 8, _mm256_)

bool oq_range_x86(float range[2], const float *x, size_t n) {
  if (__builtin_cpu_supports("avx512f")) return range_avx512(range, x, n);
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
         range_avx2(range, x, n);
}
#else
bool oq_range_x86(float range[2], const float *x, size_t n) {
  (void)range;
  (void)x;
  (void)n;
  return false;
}
#endif

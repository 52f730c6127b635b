/* kern/k_last_x86.c - micro-kernels for CPUs with fused multiply-add. */
#include "kern/k_last.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>

#include "kern/k_simd.h"

/* ---- AVX-512 ------------------------------------------------------------- */
#define NAME(x) x##_avx512
#define TARGET __attribute__((target("avx512f,fma")))
#define VEC __m512
#define LANES 16
#define MASK_OF(n) ((__mmask16)((1u << (n)) - 1u))
#define LOAD _mm512_loadu_ps
#define LOAD_N(p, n) _mm512_maskz_loadu_ps(MASK_OF(n), p)
#define STORE _mm512_storeu_ps
#define STORE_N(p, v, n) _mm512_mask_storeu_ps(p, MASK_OF(n), v)
#define SPLAT _mm512_set1_ps
#define FMA _mm512_fmadd_ps
/* The instruction hands on its second operand where one is NaN. */
#define MAX(a, v) max_avx512_lanes(a, v)
__attribute__((target("avx512f"))) OQ_INLINE __m512 max_avx512_lanes(__m512 a,
                                                                     __m512 v) {
  return _mm512_mask_mov_ps(_mm512_max_ps(v, a),
                            _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q), v);
}
#include "kern/last_tmpl.h"
#undef NAME
#undef TARGET
#undef VEC
#undef LANES
#undef MASK_OF
#undef LOAD
#undef LOAD_N
#undef STORE
#undef STORE_N
#undef SPLAT
#undef FMA
#undef MAX

/* ---- AVX2 ---------------------------------------------------------------- */
/* The first n of 8 lanes. */
__attribute__((target("avx2"))) OQ_INLINE __m256i mask_avx2(size_t n) {
  static const int32_t run[16] = {-1, -1, -1, -1, -1, -1, -1, -1};

  return _mm256_loadu_si256((const __m256i *)(const void *)(run + 8 - n));
}

#define NAME(x) x##_avx2
#define TARGET __attribute__((target("avx2,fma")))
#define VEC __m256
#define LANES 8
#define LOAD _mm256_loadu_ps
#define LOAD_N(p, n) _mm256_maskload_ps(p, mask_avx2(n))
#define STORE _mm256_storeu_ps
#define STORE_N(p, v, n) _mm256_maskstore_ps(p, mask_avx2(n), v)
#define SPLAT _mm256_set1_ps
#define FMA _mm256_fmadd_ps
#define MAX(a, v) max_avx2_lanes(a, v)
__attribute__((target("avx2"))) OQ_INLINE __m256 max_avx2_lanes(__m256 a,
                                                                __m256 v) {
  return _mm256_blendv_ps(_mm256_max_ps(v, a), v,
                          _mm256_cmp_ps(v, v, _CMP_UNORD_Q));
}
#include "kern/last_tmpl.h"

static const oq_last_isa avx512 = {.rows = {12, 12, 9, 6},
                                   .block = block_avx512,
                                   .depth = depth_avx512,
                                   .max = max_avx512};
static const oq_last_isa avx2 = {.rows = {6, 6, 6, 6},
                                 .block = block_avx2,
                                 .depth = depth_avx2,
                                 .max = max_avx2};

const oq_last_isa *oq_last_isa_avx512(void) {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("fma")
             ? &avx512
             : NULL;
}

const oq_last_isa *oq_last_isa_avx2(void) {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? &avx2
                                                                         : NULL;
}
#else
const oq_last_isa *oq_last_isa_avx512(void) { return NULL; }
const oq_last_isa *oq_last_isa_avx2(void) { return NULL; }
#endif

const oq_last_isa *oq_last_isa_best(void) {
  const oq_last_isa *const wide = oq_last_isa_avx512();

  return wide != NULL ? wide : oq_last_isa_avx2();
}

bool oq_last_usable(void) { return oq_last_isa_best() != NULL; }

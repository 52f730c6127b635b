/* kern/gemm_x86.c - the float matrix product for CPUs with fused multiply-add.
 * Debian's OpenBLAS does not know the newer ones and falls back to SSE3 there,
 * which is five times slower. */
#include "kern/tables.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>

#include "kern/k_simd.h"

#define STEPS                                                    \
  256 /* of k between stores: a strip of b stays in the L1 cache \
       */

#define NAME(x) x##_avx512
#define TARGET __attribute__((target("avx512f,fma")))
#define VEC __m512
#define LANES 16
#define MAX_ROWS 12
#define LOAD _mm512_loadu_ps
#define STORE _mm512_storeu_ps
#define SPLAT _mm512_set1_ps
#define FMA _mm512_fmadd_ps
#define ADD _mm512_add_ps
#include "kern/gemm_tmpl.h"
#undef NAME
#undef TARGET
#undef VEC
#undef LANES
#undef MAX_ROWS
#undef LOAD
#undef STORE
#undef SPLAT
#undef FMA
#undef ADD

#define NAME(x) x##_avx2
#define TARGET __attribute__((target("avx2,fma")))
#define VEC __m256
#define LANES 8
#define MAX_ROWS 6
#define LOAD _mm256_loadu_ps
#define STORE _mm256_storeu_ps
#define SPLAT _mm256_set1_ps
#define FMA _mm256_fmadd_ps
#define ADD _mm256_add_ps
#include "kern/gemm_tmpl.h"

bool oq_gemm_x86_usable(void) {
  return __builtin_cpu_supports("fma") && __builtin_cpu_supports("avx2");
}

static void scale(float *c, size_t m, size_t n, size_t ldc, float beta) {
  for (size_t i = 0; i < m; i++)
    for (size_t j = 0; j < n; j++) c[i * ldc + j] *= beta;
}

bool oq_gemm_x86_wide(void) { return __builtin_cpu_supports("avx512f"); }

void oq_gemm_x86_as(bool wide, oq_transpose ta, oq_transpose tb, size_t m,
                    size_t n, size_t k, float alpha, const float *a, size_t lda,
                    const float *b, size_t ldb, float beta, float *c,
                    size_t ldc) {
  const bool column = tb == OQ_TRANS && m < 4; /* dot products: BLAS is fine */

  if (ta == OQ_TRANS || alpha != 1.0f || k == 0 || column) {
    oq_gemm_blas(ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
    return;
  }
  if (beta != 0.0f && beta != 1.0f) scale(c, m, n, ldc, beta);
  if (wide)
    gemm_avx512(tb == OQ_TRANS, m, n, k, a, lda, b, ldb, beta != 0.0f, c, ldc);
  else
    gemm_avx2(tb == OQ_TRANS, m, n, k, a, lda, b, ldb, beta != 0.0f, c, ldc);
}
#else
bool oq_gemm_x86_usable(void) { return false; }

void oq_gemm_x86(oq_transpose ta, oq_transpose tb, size_t m, size_t n, size_t k,
                 float alpha, const float *a, size_t lda, const float *b,
                 size_t ldb, float beta, float *c, size_t ldc) {
  oq_gemm_blas(ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}
#endif

void oq_gemm_x86(oq_transpose ta, oq_transpose tb, size_t m, size_t n, size_t k,
                 float alpha, const float *a, size_t lda, const float *b,
                 size_t ldb, float beta, float *c, size_t ldc) {
  oq_gemm_x86_as(oq_gemm_x86_wide(), ta, tb, m, n, k, alpha, a, lda, b, ldb,
                 beta, c, ldc);
}

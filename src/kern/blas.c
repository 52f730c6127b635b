/* kern/blas.c - the only file that knows BLAS. */
#include <cblas.h>
#include <pthread.h>

#include "base/limits.h"
#include "kern/tables.h"

static void setup_once(void) { openblas_set_num_threads(1); }

void oq_blas_setup(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;

  (void)pthread_once(&once, setup_once);
}

const char *oq_blas_core(void) {
  const char *const name = openblas_get_corename();

  return name != NULL ? name : "unknown";
}

static bool fits(size_t v) { return v <= OQ_MAX_GEMM_DIM; }

void oq_gemm_blas(oq_transpose ta, oq_transpose tb, size_t m, size_t n,
                  size_t k, float alpha, const float *a, size_t lda,
                  const float *b, size_t ldb, float beta, float *c,
                  size_t ldc) {
  if (m == 0 || n == 0) return;
  /* k == 0 is a fill, which cblas refuses for some leading dimensions. */
  if (k == 0 || !fits(m) || !fits(n) || !fits(k) || !fits(lda) || !fits(ldb) ||
      !fits(ldc)) {
    oq_gemm_reference(ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
    return;
  }
  cblas_sgemm(CblasRowMajor, ta == OQ_TRANS ? CblasTrans : CblasNoTrans,
              tb == OQ_TRANS ? CblasTrans : CblasNoTrans, (int)m, (int)n,
              (int)k, alpha, a, (int)lda, b, (int)ldb, beta, c, (int)ldc);
}

/* kern/tables.h - kernels that the tables of kern.c are made of.  Private to
 * kern. */
#ifndef OQ_KERN_TABLES_H
#define OQ_KERN_TABLES_H

#include "kern/kern.h"

void oq_gemm_reference(oq_transpose ta, oq_transpose tb, size_t m, size_t n,
                       size_t k, float alpha, const float *a, size_t lda,
                       const float *b, size_t ldb, float beta, float *c,
                       size_t ldc);
/* Sizes beyond what cblas counts in go to the reference. */
void oq_gemm_blas(oq_transpose ta, oq_transpose tb, size_t m, size_t n,
                  size_t k, float alpha, const float *a, size_t lda,
                  const float *b, size_t ldb, float beta, float *c, size_t ldc);

/* Where oq_gemm_x86_usable(): the same bits with every instruction set. */
void oq_gemm_x86(oq_transpose ta, oq_transpose tb, size_t m, size_t n, size_t k,
                 float alpha, const float *a, size_t lda, const float *b,
                 size_t ldb, float beta, float *c, size_t ldc);
bool oq_gemm_x86_usable(void);
bool oq_gemm_x86_wide(void); /* 16 lanes */
void oq_gemm_x86_as(bool wide, oq_transpose ta, oq_transpose tb, size_t m,
                    size_t n, size_t k, float alpha, const float *a, size_t lda,
                    const float *b, size_t ldb, float beta, float *c,
                    size_t ldc);

/* Minimum and maximum of x[0..n), n a multiple of OQ_RANGE_STEP; false where
 * something is not finite, or this CPU cannot. */
enum { OQ_RANGE_STEP = 64 };
bool oq_range_x86(float range[2], const float *x, size_t n);

#endif

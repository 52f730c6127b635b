/* ops/matmul - the rule and the batches of MatMul, for operators that are
 * products with other inputs around them. */
#ifndef OQ_OPS_MATMUL_H
#define OQ_OPS_MATMUL_H

#include "ops/op.h"

/* out[0]: of type `t`, from the shapes of inputs a and b.  Element types are
 * the caller's. */
oq_status oq_matmul_rule(oq_infer *x, uint32_t a, uint32_t b, oq_dtype t);

/* One product of the batch: y[m,n] = a[m,k] b[k,n]. */
typedef struct oq_matmul {
  size_t m, n, k;
} oq_matmul;
oq_matmul oq_matmul_of(const oq_shape *a, const oq_shape *b);
/* Calls `fn` for each product, with the number of its matrices: matrix i of A
 * starts at element i * m * k.  false if the batches do not fit. */
typedef void (*oq_matmul_fn)(void *user, size_t a, size_t b, size_t y);
bool oq_matmul_each(const oq_shape *a, const oq_shape *b, oq_matmul_fn fn,
                    void *user);
/* The kernel, for runs whose inputs 0 and 1 are those of MatMul. */
oq_status oq_matmul_run(oq_run *r);

/* Gemm, for nodes whose params begin with this. */
typedef struct oq_gemm_params {
  float alpha, beta;
  int64_t trans_a, trans_b;
  int64_t broadcast; /* of C, below 7: since then it always is */
} oq_gemm_params;
oq_status oq_gemm_infer(oq_infer *x);
oq_status oq_gemm_run(oq_run *r);

#endif

/* The matrix product for x86 against sums in double, for odd sizes, strides and
 * both widths, which must agree to the bit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "kern/tables.h"

typedef struct job {
  size_t m, n, k, lda, ldb, ldc;
  oq_transpose tb;
  float beta, *a, *b, *c, *before;
} job;

static uint64_t pick(uint64_t i, uint64_t what, uint64_t n) {
  return oq_rng_u64(what, i) % n;
}

static float *numbers(size_t n, uint64_t seed) {
  float *x = malloc((n + 1) * sizeof *x);

  for (size_t i = 0; i < n; i++)
    x[i] = (float)(2 * oq_rng_uniform(seed, i) - 1);
  return x;
}

static job make(uint64_t i) {
  job j = {.m = pick(i, 1, 40) + 1,
           .n = pick(i, 2, 90) + 1,
           .k = i % 50 ? pick(i, 3, 600) : 0};

  j.tb = pick(i, 4, 2) ? OQ_TRANS : OQ_NO_TRANS;
  j.beta = (float)pick(i, 5, 3) * 0.5f;
  j.lda = j.k + pick(i, 6, 5) + 1;
  j.ldb = (j.tb ? j.k : j.n) + pick(i, 7, 5) + 1;
  j.ldc = j.n + pick(i, 8, 5);
  j.a = numbers(j.m * j.lda, 3 * i);
  j.b = numbers((j.tb ? j.n : j.k) * j.ldb, 3 * i + 1);
  j.c = numbers(j.m * j.ldc, 3 * i + 2);
  j.before = numbers(j.m * j.ldc, 3 * i + 2);
  return j;
}

static void done(job *j) {
  free(j->a);
  free(j->b);
  free(j->c);
  free(j->before);
}

static void check(const job *j) {
  for (size_t r = 0; r < j->m; r++)
    for (size_t c = 0; c < j->ldc; c++) {
      const float got = j->c[r * j->ldc + c], old = j->before[r * j->ldc + c];
      double want = (double)(j->beta * old), size = fabs(want) + 1;

      if (c >= j->n) { /* behind the end of a row */
        assert_true(got == old);
        continue;
      }
      for (size_t p = 0; p < j->k; p++) {
        const double t =
            (double)j->a[r * j->lda + p] *
            (double)(j->tb ? j->b[c * j->ldb + p] : j->b[p * j->ldb + c]);

        want += t;
        size += fabs(t);
      }
      assert_true(fabs(want - (double)got) <= 1e-6 * size);
    }
}

static void is_right(void **state) {
  (void)state;
  if (!oq_gemm_x86_usable()) skip();
  for (uint64_t i = 0; i < 600; i++) {
    job j = make(i);

    oq_gemm_x86_as(false, OQ_NO_TRANS, j.tb, j.m, j.n, j.k, 1.0f, j.a, j.lda,
                   j.b, j.ldb, j.beta, j.c, j.ldc);
    check(&j);
    done(&j);
  }
}

static void width_does_not_show(void **state) {
  (void)state;
  if (!oq_gemm_x86_usable() || !oq_gemm_x86_wide()) skip();
  for (uint64_t i = 0; i < 600; i++) {
    job j = make(i);
    const size_t bytes = j.m * j.ldc * sizeof *j.c;

    oq_gemm_x86_as(true, OQ_NO_TRANS, j.tb, j.m, j.n, j.k, 1.0f, j.a, j.lda,
                   j.b, j.ldb, j.beta, j.c, j.ldc);
    check(&j);
    oq_gemm_x86_as(false, OQ_NO_TRANS, j.tb, j.m, j.n, j.k, 1.0f, j.a, j.lda,
                   j.b, j.ldb, j.beta, j.before, j.ldc);
    assert_memory_equal(j.c, j.before, bytes);
    done(&j);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(is_right),
      cmocka_unit_test(width_does_not_show),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}

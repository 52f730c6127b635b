/* kern/k_moments.c - see k_moments.h. */
#include "kern/k_moments.h"

#include "kern/k_simd.h"

enum { LANES = 16 };

/* The difference of what is not finite with itself is NaN. */
OQ_INLINE double finite(float x) {
  const float z = x - x;

  return (double)(z == 0.0f ? x : 0.0f);
}

/* One channel whose numbers lie side by side: sixteen running sums. */
OQ_SIMD_LOOP(add_run,
             (double *restrict sum, double *restrict square,
              const float *restrict x, size_t n),
             (sum, square, x, n)) {
  double s[LANES] = {0}, q[LANES] = {0};
  size_t i = 0;

  for (; i + LANES <= n; i += LANES)
    for (size_t k = 0; k < LANES; k++) {
      const double v = finite(x[i + k]);
      s[k] += v;
      q[k] += v * v;
    }
  for (; i < n; i++) {
    const double v = finite(x[i]);
    s[i % LANES] += v;
    q[i % LANES] += v * v;
  }
  for (size_t w = LANES / 2; w > 0; w /= 2)
    for (size_t k = 0; k < w; k++) {
      s[k] += s[k + w];
      q[k] += q[k + w];
    }
  *sum += s[0];
  *square += q[0];
}

/* All channels of one place. */
OQ_SIMD_LOOP(add_row,
             (double *restrict sum, double *restrict square,
              const float *restrict x, size_t n),
             (sum, square, x, n)) {
  for (size_t k = 0; k < n; k++) {
    const double v = finite(x[k]);
    sum[k] += v;
    square[k] += v * v;
  }
}

void oq_k_moments(double *sum, double *square, const float *x, size_t outer,
                  size_t n, size_t inner) {
  for (size_t o = 0; o < outer; o++) {
    if (inner == 1) {
      add_row(sum, square, x, n);
      x += n;
      continue;
    }
    for (size_t k = 0; k < n; k++, x += inner)
      add_run(&sum[k], &square[k], x, inner);
  }
}

/* kern/k_moments.c - see k_moments.h.  Place i of a channel goes to running sum
 * i % 4, whatever lies between two places: both layouts give the same bits. */
#include "kern/k_moments.h"

#include "kern/k_simd.h"

enum { SUMS = 4, CHANNELS = 16 };

/* The difference of what is not finite with itself is NaN. */
OQ_INLINE double finite(float x) {
  const float z = x - x;

  return (double)(z == 0.0f ? x : 0.0f);
}

OQ_INLINE double total(const double s[SUMS]) {
  return (s[0] + s[1]) + (s[2] + s[3]);
}

/* One channel whose numbers lie side by side. */
OQ_SIMD_LOOP(add_run,
             (double *restrict sum, double *restrict square,
              const float *restrict x, size_t n),
             (sum, square, x, n)) {
  double s[SUMS] = {0}, q[SUMS] = {0};
  size_t i = 0;

  for (; i + SUMS <= n; i += SUMS)
    for (size_t k = 0; k < SUMS; k++) {
      const double v = finite(x[i + k]);
      s[k] += v;
      q[k] += v * v;
    }
  for (size_t k = 0; i < n; i++, k++) {
    const double v = finite(x[i]);
    s[k] += v;
    q[k] += v * v;
  }
  *sum += total(s);
  *square += total(q);
}

/* CHANNELS channels beside each other; n places, `step` floats apart. */
OQ_SIMD_LOOP(add_columns,
             (double *restrict sum, double *restrict square,
              const float *restrict x, size_t n, size_t step),
             (sum, square, x, n, step)) {
  double s[SUMS][CHANNELS] = {{0}}, q[SUMS][CHANNELS] = {{0}};
  size_t i = 0;

  for (; i + SUMS <= n; i += SUMS)
    for (size_t k = 0; k < SUMS; k++)
      for (size_t c = 0; c < CHANNELS; c++) {
        const double v = finite(x[(i + k) * step + c]);
        s[k][c] += v;
        q[k][c] += v * v;
      }
  for (size_t k = 0; i < n; i++, k++)
    for (size_t c = 0; c < CHANNELS; c++) {
      const double v = finite(x[i * step + c]);
      s[k][c] += v;
      q[k][c] += v * v;
    }
  for (size_t c = 0; c < CHANNELS; c++) {
    sum[c] += (s[0][c] + s[1][c]) + (s[2][c] + s[3][c]);
    square[c] += (q[0][c] + q[1][c]) + (q[2][c] + q[3][c]);
  }
}

static void add_column(double *sum, double *square, const float *x, size_t n,
                       size_t step) {
  double s[SUMS] = {0}, q[SUMS] = {0};

  for (size_t i = 0; i < n; i++) {
    const double v = finite(x[i * step]);
    s[i % SUMS] += v;
    q[i % SUMS] += v * v;
  }
  *sum += total(s);
  *square += total(q);
}

void oq_k_moments(double *sum, double *square, const float *x, size_t outer,
                  size_t n, size_t inner) {
  for (size_t o = 0; o < outer; o++)
    for (size_t k = 0; k < n; k++, x += inner)
      add_run(&sum[k], &square[k], x, inner);
}

void oq_k_moments_last(double *sum, double *square, const float *x,
                       size_t outer, size_t n, size_t inner) {
  for (size_t o = 0; o < outer; o++, x += n * inner) {
    size_t k = 0;

    for (; k + CHANNELS <= n; k += CHANNELS)
      add_columns(sum + k, square + k, x + k, inner, n);
    for (; k < n; k++) add_column(&sum[k], &square[k], x + k, inner, n);
  }
}

/* kern/k_fft - see k_fft.h. */
#include "kern/k_fft.h"

#include <math.h>
#include <stdint.h>

#define PI 3.14159265358979323846
#define LONGEST ((size_t)1 << 40)

static bool is_power(size_t n) { return (n & (n - 1)) == 0; }

/* Smallest power of two that holds the convolution. */
static size_t size_for(size_t n) {
  size_t m = 1;

  if (is_power(n)) return n;
  while (m < 2 * n - 1) m *= 2;
  return m;
}

bool oq_fft_room(size_t *out, size_t n) {
  if (n == 0 || n > LONGEST) return false;
  const size_t m = size_for(n);
  *out = m == n ? m : m + 2 * n + 4 * m;
  return true;
}

/* ---- powers of two ------------------------------------------------------- */
static void swap(double *x, size_t i, size_t j) {
  const double re = x[2 * i], im = x[2 * i + 1];

  x[2 * i] = x[2 * j];
  x[2 * i + 1] = x[2 * j + 1];
  x[2 * j] = re;
  x[2 * j + 1] = im;
}

static void reverse_bits(double *x, size_t n) {
  for (size_t i = 1, j = 0; i < n; i++) {
    size_t bit = n >> 1;
    for (; (j & bit) != 0; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) swap(x, i, j);
  }
}

static void transform(const double *turns, size_t n, double *x) {
  reverse_bits(x, n);
  for (size_t half = 1; half < n; half *= 2) {
    const size_t step = n / (2 * half);
    for (size_t at = 0; at < n; at += 2 * half) {
      for (size_t k = 0; k < half; k++) {
        double *const a = x + 2 * (at + k), *const b = a + 2 * half;
        const double c = turns[2 * k * step], s = turns[2 * k * step + 1];
        const double re = b[0] * c - b[1] * s, im = b[0] * s + b[1] * c;
        b[0] = a[0] - re;
        b[1] = a[1] - im;
        a[0] += re;
        a[1] += im;
      }
    }
  }
}

static void make_turns(double *turns, size_t n) {
  for (size_t k = 0; k < n / 2; k++) {
    const double angle = -2.0 * PI * (double)k / (double)n;
    turns[2 * k] = cos(angle);
    turns[2 * k + 1] = sin(angle);
  }
}

/* ---- other lengths ------------------------------------------------------- */
/* k^2 is kept below 2 n, where the angle is the same, so that it stays exact.
 */
static void make_chirp(double *chirp, size_t n) {
  size_t square = 0;

  for (size_t k = 0; k < n; k++) {
    const double angle = -PI * (double)square / (double)n;
    chirp[2 * k] = cos(angle);
    chirp[2 * k + 1] = sin(angle);
    square = (square + 2 * k + 1) % (2 * n);
  }
}

static void make_filter(const oq_fft *f) {
  for (size_t i = 0; i < 2 * f->m; i++) f->filter[i] = 0.0;
  for (size_t k = 0; k < f->n; k++) {
    const size_t back = k == 0 ? 0 : f->m - k;
    f->filter[2 * k] = f->filter[2 * back] = f->chirp[2 * k];
    f->filter[2 * k + 1] = f->filter[2 * back + 1] = -f->chirp[2 * k + 1];
  }
  transform(f->turns, f->m, f->filter);
}

/* y = a b, complex. */
static void multiply(double *y, const double *a, const double *b) {
  const double re = a[0] * b[0] - a[1] * b[1];
  const double im = a[0] * b[1] + a[1] * b[0];

  y[0] = re;
  y[1] = im;
}

static void convolve(const oq_fft *f, double *x) {
  double *const w = f->work;

  for (size_t k = 0; k < f->n; k++)
    multiply(w + 2 * k, x + 2 * k, f->chirp + 2 * k);
  for (size_t i = 2 * f->n; i < 2 * f->m; i++) w[i] = 0.0;
  transform(f->turns, f->m, w);
  for (size_t k = 0; k < f->m; k++) {
    multiply(w + 2 * k, w + 2 * k, f->filter + 2 * k);
    w[2 * k + 1] = -w[2 * k + 1]; /* back: the conjugate's transform */
  }
  transform(f->turns, f->m, w);
  for (size_t k = 0; k < f->n; k++) {
    const double back[2] = {w[2 * k] / (double)f->m,
                            -w[2 * k + 1] / (double)f->m};
    multiply(x + 2 * k, back, f->chirp + 2 * k);
  }
}

void oq_fft_plan(oq_fft *f, size_t n, double *room) {
  *f = (oq_fft){.n = n, .m = size_for(n), .turns = room};
  make_turns(f->turns, f->m);
  if (f->m == n) return;
  f->chirp = f->turns + f->m;
  f->filter = f->chirp + 2 * n;
  f->work = f->filter + 2 * f->m;
  make_chirp(f->chirp, n);
  make_filter(f);
}

void oq_fft_run(const oq_fft *f, double *x) {
  if (f->chirp == NULL)
    transform(f->turns, f->n, x);
  else
    convolve(f, x);
}

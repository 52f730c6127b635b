/* kern/k_fft - discrete Fourier transforms of any length, in double: powers of
 * two directly, others as a convolution of such a length (Bluestein). */
#ifndef OQ_KERN_K_FFT_H
#define OQ_KERN_K_FFT_H

#include <stdbool.h>
#include <stddef.h>

typedef struct oq_fft {
  size_t n, m;    /* length; power of two that is worked in */
  double *turns;  /* e^(-2 pi i k / m), k < m/2 */
  double *chirp;  /* e^(-pi i k^2 / n); NULL if n == m */
  double *filter; /* what the convolution multiplies by */
  double *work;   /* m complex numbers */
} oq_fft;

/* Doubles that a plan needs; false if n is 0 or too big. */
bool oq_fft_room(size_t *out, size_t n);
void oq_fft_plan(oq_fft *f, size_t n, double *room);
/* x[n] complex, interleaved, in place: sum of x[k] e^(-2 pi i j k / n). */
void oq_fft_run(const oq_fft *f, double *x);

#endif

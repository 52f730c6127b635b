/* kern/k_softmax.c - softmax: e^(x - max) / sum. */
#include "kern/loop.h"

#include "kern/k_softmax.h"

#include <math.h>
#include <string.h>

#include "kern/k_math.h"

enum { LANES = 8 };

/* NaN anywhere makes the sum NaN later; here it may be lost. */
static float max_of(const float *x, size_t n) {
  float m[LANES];
  const size_t whole = n - n % LANES;

  for (size_t k = 0; k < LANES; k++) m[k] = -INFINITY;
  for (size_t i = 0; i < whole; i += LANES)
    for (size_t k = 0; k < LANES; k++) m[k] = x[i + k] > m[k] ? x[i + k] : m[k];
  for (size_t i = whole; i < n; i++) m[0] = x[i] > m[0] ? x[i] : m[0];
  for (size_t k = 1; k < LANES; k++) m[0] = m[k] > m[0] ? m[k] : m[0];
  return m[0];
}

static double sum_lanes(const double *s) {
  return ((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7]));
}

static double sum_of(const float *x, size_t n) {
  double s[LANES] = {0};
  const size_t whole = n - n % LANES;

  for (size_t i = 0; i < whole; i += LANES)
    for (size_t k = 0; k < LANES; k++) s[k] += (double)x[i + k];
  for (size_t i = whole; i < n; i++) s[i - whole] += (double)x[i];
  return sum_lanes(s);
}

/* Log softmax may not overwrite x before it has read it twice: e^(x - max) is
 * summed in blocks. */
static double sum_exp(const float *x, size_t n, float max) {
  float e[256];
  double s = 0;

  for (size_t i = 0; i < n; i += 256) {
    const size_t width = n - i < 256 ? n - i : 256;
    for (size_t k = 0; k < width; k++) e[k] = oq_k_exp(x[i + k] - max);
    s += sum_of(e, width);
  }
  return s;
}

void oq_k_softmax_row(float *y, const float *x, size_t n, bool log) {
  const float max = max_of(x, n);

  if (log) {
    const float shift = (float)oq_k_log((float)sum_exp(x, n, max));
    OQ_IVDEP
    for (size_t i = 0; i < n; i++) y[i] = (x[i] - max) - shift;
    return;
  }
  OQ_IVDEP
  for (size_t i = 0; i < n; i++) y[i] = oq_k_exp(x[i] - max);
  const float scale = (float)(1.0 / sum_of(y, n));
  OQ_IVDEP
  for (size_t i = 0; i < n; i++) y[i] *= scale;
}

enum { COLUMNS = 128 };

/* At most COLUMNS of them. */
static void softmax_block(float *y, const float *x, size_t n, size_t step,
                          size_t width, bool log) {
  float max[COLUMNS], last[COLUMNS], v[COLUMNS], e[COLUMNS];
  double sum[COLUMNS];

  for (size_t j = 0; j < width; j++) {
    max[j] = -INFINITY;
    sum[j] = 0;
  }
  for (size_t i = 0; i < n; i++)
    for (size_t j = 0; j < width; j++) {
      const float u = x[i * step + j];
      max[j] = u > max[j] ? u : max[j];
    }
  for (size_t i = 0; i < n; i++) {
    const float *const from = x + i * step;
    float *const to = y + i * step;
    for (size_t j = 0; j < width; j++) v[j] = from[j] - max[j];
    for (size_t j = 0; j < width; j++) e[j] = oq_k_exp(v[j]);
    for (size_t j = 0; j < width; j++) sum[j] += (double)e[j];
    memcpy(to, log ? v : e, width * sizeof *to);
  }
  for (size_t j = 0; j < width; j++)
    last[j] = log ? oq_k_log((float)sum[j]) : (float)(1.0 / sum[j]);
  for (size_t i = 0; i < n; i++) {
    OQ_IVDEP
    for (size_t j = 0; j < width; j++) {
      const float u = y[i * step + j];
      y[i * step + j] = log ? u - last[j] : u * last[j];
    }
  }
}

void oq_k_softmax_columns(float *y, const float *x, size_t n, size_t width,
                          bool log) {
  for (size_t j = 0; j < width; j += COLUMNS)
    softmax_block(y + j, x + j, n, width,
                  width - j < COLUMNS ? width - j : COLUMNS, log);
}

void oq_k_softmax_f64(double *y, const double *x, size_t n, size_t step,
                      bool log_wanted) {
  double max = (double)-INFINITY, sum = 0;

  for (size_t i = 0; i < n; i++) max = x[i * step] > max ? x[i * step] : max;
  for (size_t i = 0; i < n; i++) sum += exp(x[i * step] - max);
  for (size_t i = 0; i < n; i++) {
    const double v = x[i * step] - max;
    y[i * step] = log_wanted ? v - log(sum) : exp(v) / sum;
  }
}

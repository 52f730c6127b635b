/* channels.c - first and second moments per channel, summed exactly. */
#include <math.h>

#include "calib/calib.h"

/* Larger magnitudes are cut: 2^26 samples of them still fit. */
#define LIMIT 0x1p100

static oq_i128 fixed(double v, int bits) {
  const double x = ldexp(v, bits);

  if (isnan(x)) return 0;
  return (oq_i128)fmax(-LIMIT, fmin(LIMIT, nearbyint(x)));
}

/* false: beyond 128 bits, which only a forged file can bring about. */
static bool add(oq_i128 *sum, oq_i128 v) {
  return !__builtin_add_overflow(*sum, v, sum);
}

static bool ready(oq_channels *c, uint32_t n, oq_arena *a) {
  if (c->n > 0 || n == 0) return true;
  c->mean = oq_arena_alloc(a, n, sizeof *c->mean, _Alignof(oq_i128));
  c->square = oq_arena_alloc(a, n, sizeof *c->square, _Alignof(oq_i128));
  if (!c->mean || !c->square) return false;
  c->n = n;
  return true;
}

/* Infinities and NaN would drown everything: they are left out. */
static void add_run(double *sum, double *square, const float *x, size_t n,
                    size_t step) {
  double s = 0, q = 0;

  for (size_t i = 0; i < n; i++) {
    const double v = (double)x[i * step];
    const double w = isfinite(v) ? v : 0.0;

    s += w;
    q += w * w;
  }
  *sum += s;
  *square += q;
}

oq_status oq_channels_feed(oq_channels *c, const oq_ctensor *t, oq_arena *a) {
  size_t outer = 1, inner = 1;

  if (c->axis < 0 || c->broken) return OQ_OK;
  if ((uint32_t)c->axis >= t->shape.rank ||
      t->shape.dim[c->axis] > UINT32_MAX ||
      (c->n > 0 && t->shape.dim[c->axis] != (int64_t)c->n)) {
    c->broken = true;
    return OQ_OK;
  }
  for (uint32_t i = 0; i < t->shape.rank; i++) {
    if (i < (uint32_t)c->axis) outer *= (size_t)t->shape.dim[i];
    if (i > (uint32_t)c->axis) inner *= (size_t)t->shape.dim[i];
  }
  const uint32_t n = (uint32_t)t->shape.dim[c->axis];
  if (!ready(c, n, a)) return OQ_E_MEMORY;
  if (outer * inner == 0) return OQ_OK;
  for (uint32_t k = 0; k < n; k++) {
    const float *x = (const float *)t->data + k * inner;
    double sum = 0, square = 0;

    if (inner == 1)
      add_run(&sum, &square, x, outer, n);
    else
      for (size_t o = 0; o < outer; o++)
        add_run(&sum, &square, x + o * n * inner, inner, 1);
    const double count = (double)(outer * inner);
    if (!add(&c->mean[k], fixed(sum / count, OQ_MEAN_BITS)) ||
        !add(&c->square[k], fixed(square / count, OQ_SQUARE_BITS)))
      c->broken = true;
  }
  c->samples++;
  return OQ_OK;
}

oq_status oq_channels_merge(oq_channels *into, const oq_channels *from,
                            oq_arena *a) {
  into->broken = into->broken || from->broken ||
                 (into->n > 0 && from->n > 0 && into->n != from->n);
  if (into->broken || from->n == 0) return OQ_OK;
  if (!ready(into, from->n, a)) return OQ_E_MEMORY;
  for (uint32_t k = 0; k < from->n; k++) {
    if (!add(&into->mean[k], from->mean[k]) ||
        !add(&into->square[k], from->square[k]))
      into->broken = true;
  }
  into->samples += from->samples;
  return OQ_OK;
}

bool oq_channels_mean(double *mean, double *square, const oq_channels *c,
                      uint32_t i) {
  if (c->broken || c->samples == 0 || i >= c->n) return false;
  *mean = ldexp((double)c->mean[i] / (double)c->samples, -OQ_MEAN_BITS);
  *square = ldexp((double)c->square[i] / (double)c->samples, -OQ_SQUARE_BITS);
  return true;
}

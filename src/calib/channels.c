/* channels.c - first and second moments per channel, summed exactly. */
#include <math.h>

#include "calib/calib.h"
#include "kern/k_moments.h"

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

/* `axis` of t as it lies in memory. */
static oq_status feed_along(oq_channels *c, const oq_ctensor *t, uint32_t axis,
                            oq_arena *a) {
  size_t outer = 1, inner = 1;

  for (uint32_t i = 0; i < t->shape.rank; i++) {
    if (i < axis) outer *= (size_t)t->shape.dim[i];
    if (i > axis) inner *= (size_t)t->shape.dim[i];
  }
  const uint32_t n = (uint32_t)t->shape.dim[axis];
  if (!ready(c, n, a)) return OQ_E_MEMORY;
  if (outer * inner == 0) return OQ_OK;
  const oq_mark mark = oq_arena_mark(a);
  double *sum = OQ_NEW_N(a, double, n), *square = OQ_NEW_N(a, double, n);

  if (!sum || !square) return OQ_E_MEMORY;
  oq_k_moments(sum, square, t->data, outer, n, inner);
  const double count = (double)(outer * inner);
  for (uint32_t k = 0; k < n; k++)
    if (!add(&c->mean[k], fixed(sum[k] / count, OQ_MEAN_BITS)) ||
        !add(&c->square[k], fixed(square[k] / count, OQ_SQUARE_BITS)))
      c->broken = true;
  oq_arena_rewind(a, mark);
  c->samples++;
  return OQ_OK;
}

static bool has_axis(oq_channels *c, const oq_ctensor *t, uint32_t axis) {
  if (axis < t->shape.rank && t->shape.dim[axis] <= UINT32_MAX &&
      (c->n == 0 || t->shape.dim[axis] == (int64_t)c->n))
    return true;
  c->broken = true;
  return false;
}

oq_status oq_channels_feed(oq_channels *c, const oq_ctensor *t, oq_arena *a) {
  if (c->axis < 0 || c->broken || !has_axis(c, t, (uint32_t)c->axis))
    return OQ_OK;
  return feed_along(c, t, (uint32_t)c->axis, a);
}

oq_status oq_channels_feed_last(oq_channels *c, const oq_ctensor *t,
                                oq_arena *a) {
  if (c->axis < 0 || c->broken) return OQ_OK;
  if ((uint32_t)c->axis >= t->shape.rank) {
    c->broken = true;
    return OQ_OK;
  }
  const uint32_t axis = oq_axis_turned((uint32_t)c->axis, t->shape.rank);
  return has_axis(c, t, axis) ? feed_along(c, t, axis, a) : OQ_OK;
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

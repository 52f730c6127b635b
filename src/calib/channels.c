/* channels.c - first and second moments per channel, summed exactly. */
#include <math.h>

#include "calib/calib.h"
#include "kern/k_last.h"
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

typedef struct sizes {
  size_t outer, n, inner;
} sizes;

/* Of the shape that ONNX knows; false, and the record broken, where it is not
 * what came before. */
static bool sizes_of(sizes *z, oq_channels *c, const oq_shape *s) {
  const uint32_t axis = (uint32_t)c->axis;

  if (axis >= s->rank || s->dim[axis] > UINT32_MAX ||
      (c->n > 0 && s->dim[axis] != (int64_t)c->n)) {
    c->broken = true;
    return false;
  }
  *z = (sizes){1, (size_t)s->dim[axis], 1};
  for (uint32_t i = 0; i < s->rank; i++) {
    if (i < axis) z->outer *= (size_t)s->dim[i];
    if (i > axis) z->inner *= (size_t)s->dim[i];
  }
  return true;
}

typedef void (*moments_fn)(double *, double *, const float *, size_t, size_t,
                           size_t);

static oq_status feed(oq_channels *c, const float *x, const sizes *z,
                      moments_fn moments, oq_arena *a) {
  const double count = (double)(z->outer * z->inner);

  if (!ready(c, (uint32_t)z->n, a)) return OQ_E_MEMORY;
  if (z->outer * z->inner == 0) return OQ_OK;
  const oq_mark mark = oq_arena_mark(a);
  double *sum = OQ_NEW_N(a, double, z->n), *square = OQ_NEW_N(a, double, z->n);

  if (!sum || !square) return OQ_E_MEMORY;
  moments(sum, square, x, z->outer, z->n, z->inner);
  for (size_t k = 0; k < z->n; k++)
    if (!add(&c->mean[k], fixed(sum[k] / count, OQ_MEAN_BITS)) ||
        !add(&c->square[k], fixed(square[k] / count, OQ_SQUARE_BITS)))
      c->broken = true;
  oq_arena_rewind(a, mark);
  c->samples++;
  return OQ_OK;
}

/* An axis that is the last one already is summed place by place, too. */
static oq_status feed_dense(oq_channels *c, const float *x, const sizes *z,
                            oq_arena *a) {
  const sizes turned = {1, z->n, z->outer};

  if (z->inner == 1) return feed(c, x, &turned, oq_k_moments_last, a);
  return feed(c, x, z, oq_k_moments, a);
}

oq_status oq_channels_feed(oq_channels *c, const oq_ctensor *t, oq_arena *a) {
  sizes z;

  if (c->axis < 0 || c->broken || !sizes_of(&z, c, &t->shape)) return OQ_OK;
  return feed_dense(c, t->data, &z, a);
}

/* Along other axes than that of the channels the order would show: the value is
 * turned back. */
oq_status oq_channels_feed_last(oq_channels *c, const oq_ctensor *t,
                                oq_arena *a) {
  const oq_shape s = oq_shape_unturned(&t->shape);
  sizes z;

  if (c->axis < 0 || c->broken || !sizes_of(&z, c, &s)) return OQ_OK;
  if (c->axis == 1 && z.inner > 1)
    return feed(c, t->data, &z, oq_k_moments_last, a);
  if (!ready(c, (uint32_t)z.n, a)) return OQ_E_MEMORY;
  const oq_mark mark = oq_arena_mark(a);
  float *x = OQ_NEW_N(a, float, oq_tensor_count(t));

  if (!x) return OQ_E_MEMORY;
  const size_t batch = (size_t)s.dim[0], channels = (size_t)s.dim[1];
  const size_t places =
      batch * channels == 0 ? 0 : oq_tensor_count(t) / (batch * channels);
  oq_last_transpose(x, t->data, batch, places, channels, sizeof *x);
  const oq_status st = feed_dense(c, x, &z, a);
  oq_arena_rewind(a, mark);
  return st;
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

/* io/resize.c - separable antialiased resampling of 8-bit pictures.
 *
 * The definition is Pillow's, because models are trained behind it: the filter
 * is stretched by the reduction, its weights are normalised in double and
 * rounded to 22 bits, and each of the two passes rounds to 8 bits.  Integers
 * only, so every CPU gives the same bytes. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "io/image.h"

#define PRECISION 22

typedef struct kernel {
  double support;
  double (*weight)(double x);
} kernel;

static double weigh_bilinear(double x) {
  x = fabs(x);
  return x < 1.0 ? 1.0 - x : 0.0;
}

static double weigh_bicubic(double x) { /* Keys, a = -1/2 */
  const double a = -0.5;

  x = fabs(x);
  if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
  if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * a;
  return 0.0;
}

static const kernel kernels[] = {
    [OQ_FILTER_BILINEAR] = {1.0, weigh_bilinear},
    [OQ_FILTER_BICUBIC] = {2.0, weigh_bicubic},
};

/* For every output position: where its window starts, how long it is, and
 * `room` weights. */
typedef struct taps {
  size_t room;
  uint32_t *first, *n;
  int32_t *weight;
} taps;

static void taps_free(taps *t) {
  free(t->first);
  free(t->n);
  free(t->weight);
}

static int32_t to_fixed(double w) {
  const double one = (double)(1 << PRECISION);

  return (int32_t)(w < 0 ? -0.5 + w * one : 0.5 + w * one);
}

static uint32_t fill_window(int32_t *out, double *w, uint32_t *first,
                            const kernel *k, double centre, double stretch,
                            uint32_t size) {
  const double support = k->support * stretch;
  const double lo = centre - support + 0.5, hi = centre + support + 0.5;
  const uint32_t begin = lo < 0 ? 0 : (uint32_t)lo;
  const uint32_t end = hi > (double)size ? size : (uint32_t)hi;
  const double inverse = 1.0 / stretch;
  double sum = 0;

  for (uint32_t i = begin; i < end; i++) {
    w[i - begin] = k->weight(((double)i - centre + 0.5) * inverse);
    sum += w[i - begin];
  }
  for (uint32_t i = 0; i < end - begin; i++) {
    out[i] = to_fixed(sum != 0 ? w[i] / sum : w[i]);
  }
  *first = begin;
  return end - begin;
}

static oq_status taps_make(taps *out, uint32_t from, uint32_t to,
                           oq_filter filter, oq_io_error *err) {
  const kernel *const k = &kernels[filter];
  const double scale = (double)from / (double)to;
  const double stretch = scale < 1.0 ? 1.0 : scale;
  taps t = {(size_t)ceil(k->support * stretch) * 2 + 1, NULL, NULL, NULL};
  size_t n, bytes;

  if (!oq_io_mul(&n, t.room, to) || !oq_io_mul(&bytes, n, sizeof *t.weight)) {
    return oq_io_fail_memory(err);
  }
  t.first = calloc(to, sizeof *t.first);
  t.n = calloc(to, sizeof *t.n);
  t.weight = malloc(bytes);
  double *const w = calloc(t.room, sizeof *w);
  if (t.first == NULL || t.n == NULL || t.weight == NULL || w == NULL) {
    free(w);
    taps_free(&t);
    return oq_io_fail_memory(err);
  }
  for (uint32_t i = 0; i < to; i++) {
    t.n[i] = fill_window(t.weight + i * t.room, w, &t.first[i], k,
                         ((double)i + 0.5) * scale, stretch, from);
  }
  free(w);
  *out = t;
  return OQ_OK;
}

static uint8_t to_byte(int32_t v) {
  /* Right shift of a negative int32_t is arithmetic in gcc and clang. */
  v >>= PRECISION;
  return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

static void row_horizontal_1(uint8_t *q, const uint8_t *p, const taps *t,
                             uint32_t width) {
  for (uint32_t x = 0; x < width; x++) {
    const int32_t *const w = t->weight + x * t->room;
    const uint8_t *const from = p + t->first[x];
    int32_t a = 1 << (PRECISION - 1);
    for (uint32_t i = 0; i < t->n[x]; i++) a += from[i] * w[i];
    q[x] = to_byte(a);
  }
}

static void row_horizontal_3(uint8_t *q, const uint8_t *p, const taps *t,
                             uint32_t width) {
  for (uint32_t x = 0; x < width; x++) {
    const int32_t *const w = t->weight + x * t->room;
    const uint8_t *from = p + 3 * (size_t)t->first[x];
    int32_t a = 1 << (PRECISION - 1), b = a, c = a;
    for (uint32_t i = 0; i < t->n[x]; i++, from += 3) {
      a += from[0] * w[i];
      b += from[1] * w[i];
      c += from[2] * w[i];
    }
    q[3 * x] = to_byte(a);
    q[3 * x + 1] = to_byte(b);
    q[3 * x + 2] = to_byte(c);
  }
}

static void row_vertical(uint8_t *q, int32_t *sum, const uint8_t *p, size_t row,
                         const int32_t *w, uint32_t n) {
  for (size_t x = 0; x < row; x++) sum[x] = 1 << (PRECISION - 1);
  for (uint32_t i = 0; i < n; i++, p += row) {
    const int32_t k = w[i];
    for (size_t x = 0; x < row; x++) sum[x] += p[x] * k;
  }
  for (size_t x = 0; x < row; x++) q[x] = to_byte(sum[x]);
}

static oq_status pass_horizontal(oq_image *out, const oq_image *in,
                                 uint32_t width, oq_filter filter,
                                 oq_io_error *err) {
  const size_t c = in->channels;
  taps t;
  oq_image to = {0};

  OQ_IO_TRY(taps_make(&t, in->width, width, filter, err));
  const oq_status s = oq_image_make(&to, width, in->height, in->channels,
                                    OQ_IO_MAX_PIXELS * 4, err);
  for (size_t y = 0; s == OQ_OK && y < in->height; y++) {
    uint8_t *const q = to.data + y * width * c;
    const uint8_t *const p = in->data + y * in->width * c;
    if (c == 1) {
      row_horizontal_1(q, p, &t, width);
    } else {
      row_horizontal_3(q, p, &t, width);
    }
  }
  taps_free(&t);
  if (s == OQ_OK) *out = to;
  return s;
}

static oq_status pass_vertical(oq_image *out, const oq_image *in,
                               uint32_t height, oq_filter filter,
                               oq_io_error *err) {
  const size_t row = (size_t)in->width * in->channels;
  taps t;
  oq_image to = {0};

  OQ_IO_TRY(taps_make(&t, in->height, height, filter, err));
  int32_t *const sum = malloc(row * sizeof *sum);
  const oq_status s = sum == NULL
                          ? oq_io_fail_memory(err)
                          : oq_image_make(&to, in->width, height, in->channels,
                                          OQ_IO_MAX_PIXELS * 4, err);
  for (size_t y = 0; s == OQ_OK && y < height; y++) {
    row_vertical(to.data + y * row, sum, in->data + t.first[y] * row, row,
                 t.weight + y * t.room, t.n[y]);
  }
  free(sum);
  taps_free(&t);
  if (s == OQ_OK) *out = to;
  return s;
}

/* Each pass rounds and clips, so the order shows.  Pillow 13 goes vertically
 * first where that saves work; before, always horizontally first. */
static bool vertical_first(const oq_image *in, uint32_t width,
                           uint32_t height) {
  const int64_t fewer_rows = (int64_t)in->height - height;
  const int64_t fewer_columns = (int64_t)in->width - width;

  return fewer_rows > 0 && fewer_rows > 2 * fewer_columns;
}

static oq_status pass(oq_image *out, const oq_image *in, bool vertical,
                      uint32_t width, uint32_t height, oq_filter filter,
                      oq_io_error *err) {
  if (vertical) return pass_vertical(out, in, height, filter, err);
  return pass_horizontal(out, in, width, filter, err);
}

oq_status oq_image_resize(oq_image *out, const oq_image *in, uint32_t width,
                          uint32_t height, oq_filter filter, oq_io_error *err) {
  const bool v = vertical_first(in, width, height);
  oq_image between = {0};

  if (width == 0 || height == 0) {
    return oq_io_fail(err, OQ_E_DATA, NULL, "resizing to nothing");
  }
  if (width == in->width && height == in->height) {
    return oq_image_crop(out, in, 0, 0, width, height, err);
  }
  if (width == in->width || height == in->height) {
    return pass(out, in, width == in->width, width, height, filter, err);
  }
  OQ_IO_TRY(pass(&between, in, v, width, height, filter, err));
  const oq_status s = pass(out, &between, !v, width, height, filter, err);
  oq_image_free(&between);
  return s;
}

/* Convolutions over channels-last tensors against plain loops in double, with
 * every set of instructions, bit by bit between them; products; pools. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "kern/k_last.h"
#include "kern/k_pool.h"

enum { GUARD = 64 };

typedef struct draws { /* a stream of random numbers */
  uint64_t seed, n;
} draws;

typedef struct data {
  oq_conv c;
  size_t in, out, weights, bias; /* elements */
  double *x, *w, *b, *y;         /* channels first */
  float *xf, *wf, *bf, *packed;  /* channels last; packed */
} data;

static void *floats(size_t n, size_t size) {
  void *p = aligned_alloc(64, (n * size + GUARD + 63) / 64 * 64);

  assert_non_null(p);
  memset(p, 0, (n * size + GUARD + 63) / 64 * 64);
  return p;
}

static double draw(draws *r) {
  return (double)(float)(oq_rng_uniform(r->seed, r->n++) * 2.0 - 1.0);
}

static void make(data *d, const oq_conv *c, draws *r) {
  const size_t in_ch = c->groups * c->in_ch, out_ch = c->groups * c->out_ch;
  const size_t pack =
      oq_last_pack_size(c->groups, c->in_ch, c->out_ch, c->w.taps);

  *d = (data){.c = *c,
              .in = c->batch * in_ch * c->w.in_size,
              .out = c->batch * out_ch * c->w.out_size,
              .weights = out_ch * c->in_ch * c->w.taps,
              .bias = out_ch};
  d->x = floats(d->in, sizeof(double));
  d->w = floats(d->weights, sizeof(double));
  d->b = floats(d->bias, sizeof(double));
  d->y = floats(d->out, sizeof(double));
  d->xf = floats(d->in, sizeof(float));
  d->wf = floats(d->weights, sizeof(float));
  d->bf = floats(d->bias, sizeof(float));
  d->packed = floats(pack, sizeof(float));
  for (size_t i = 0; i < d->in; i++) d->x[i] = draw(r);
  for (size_t i = 0; i < d->weights; i++) d->wf[i] = (float)(d->w[i] = draw(r));
  for (size_t i = 0; i < d->bias; i++) d->bf[i] = (float)(d->b[i] = draw(r));
  float *first = floats(d->in, sizeof(float));
  for (size_t i = 0; i < d->in; i++) first[i] = (float)d->x[i];
  oq_last_transpose(d->xf, first, c->batch, in_ch, c->w.in_size, sizeof(float));
  free(first);
  oq_last_pack(d->packed, d->wf, c->groups, c->in_ch, c->out_ch, c->w.taps);
}

static void drop(data *d) {
  free(d->x);
  free(d->w);
  free(d->b);
  free(d->y);
  free(d->xf);
  free(d->wf);
  free(d->bf);
  free(d->packed);
}

/* The answer channels first. */
static float *answer(const data *d, const oq_last_isa *isa, const float *bias) {
  const oq_conv *c = &d->c;
  float *last = floats(d->out, sizeof(float)), *y = floats(d->out, 4);
  void *scratch = floats(oq_last_conv_scratch(c), 1);

  for (size_t i = 0; i < GUARD / 4; i++) last[d->out + i] = 12345.0f;
  oq_last_conv_f32_as(isa, c, last, d->xf, d->packed, bias, scratch);
  for (size_t i = 0; i < GUARD / 4; i++)
    assert_true(last[d->out + i] == 12345.0f); /* nothing behind the end */
  oq_last_transpose(y, last, c->batch, c->w.out_size, c->groups * c->out_ch,
                    sizeof(float));
  free(last);
  free(scratch);
  return y;
}

static void check(const oq_conv *c, draws *r) {
  const oq_last_isa *const wide = oq_last_isa_avx512();
  const oq_last_isa *const narrow = oq_last_isa_avx2();
  const double scale =
      sqrt((double)(c->in_ch * c->w.taps)) + 1.0; /* of a sum of so many */
  data d;

  make(&d, c, r);
  for (int with_bias = 0; with_bias < 2; with_bias++) {
    float *a = answer(&d, narrow, with_bias ? d.bf : NULL);
    oq_conv_f64(c, d.y, d.x, d.w, with_bias ? d.b : NULL);
    for (size_t i = 0; i < d.out; i++)
      assert_true(fabs((double)a[i] - d.y[i]) <= 4e-6 * scale);
    if (wide != NULL) {
      float *b = answer(&d, wide, with_bias ? d.bf : NULL);
      assert_memory_equal(a, b, d.out * sizeof *a);
      free(b);
    }
    free(a);
  }
  drop(&d);
}

static oq_axis axis(size_t in, size_t kernel, size_t stride, size_t dilation,
                    size_t pad) {
  const size_t span = (kernel - 1) * dilation + 1, all = in + 2 * pad;

  return (oq_axis){.in = in,
                   .out = all < span ? 0 : (all - span) / stride + 1,
                   .kernel = kernel,
                   .stride = stride,
                   .dilation = dilation,
                   .pad = pad};
}

static oq_conv conv(size_t batch, size_t groups, size_t in_ch, size_t out_ch) {
  return (oq_conv){
      .batch = batch, .groups = groups, .in_ch = in_ch, .out_ch = out_ch};
}

static void test_shapes(void **state) {
  (void)state;
  if (!oq_last_usable()) skip();
  draws r = {7, 0};
  for (size_t out_ch = 1; out_ch < 140; out_ch += 1 + out_ch / 5) {
    oq_conv c = conv(1, 1, 1 + out_ch % 13, out_ch);
    c.w.n = 2;
    c.w.axis[0] = axis(5 + out_ch % 4, 1 + out_ch % 3, 1 + out_ch % 2, 1, 1);
    c.w.axis[1] = axis(9, 3, 1 + out_ch % 3, 1 + out_ch % 2, out_ch % 3);
    oq_windows_finish(&c.w);
    check(&c, &r);
  }
}

static size_t pick(draws *r, size_t lo, size_t hi) {
  return lo + oq_rng_u64(r->seed, r->n++) % (hi - lo + 1);
}

static void test_random(void **state) {
  (void)state;
  if (!oq_last_usable()) skip();
  draws r = {11, 0};
  for (int i = 0; i < 300; i++) {
    const bool depth = i % 4 == 0, grouped = i % 4 == 1;
    oq_conv c = depth ? conv(pick(&r, 1, 2), pick(&r, 2, 70), 1, 1)
                : grouped
                    ? conv(1, pick(&r, 2, 4), pick(&r, 1, 9), pick(&r, 8, 40))
                    : conv(pick(&r, 1, 2), 1, pick(&r, 1, 40), pick(&r, 1, 90));
    c.w.n = (uint32_t)pick(&r, 1, 3);
    for (uint32_t k = 0; k < c.w.n; k++)
      c.w.axis[k] = axis(pick(&r, 1, 11), pick(&r, 1, 5), pick(&r, 1, 3),
                         pick(&r, 1, 2), pick(&r, 0, 4));
    oq_windows_finish(&c.w);
    if (c.w.out_size > 0 && oq_last_conv_fits(&c)) check(&c, &r);
  }
}

/* A stride so long that the padding would be most of a copy. */
static void test_padding_is_not_copied(void **state) {
  oq_conv c = conv(1, 1, 3, 5);
  (void)state;
  if (!oq_last_usable()) skip();
  draws r = {3, 0};
  c.w.n = 1;
  c.w.axis[0] = axis(10, 3, 100000, 1, 1000000);
  oq_windows_finish(&c.w);
  assert_true(oq_last_conv_scratch(&c) < 100000);
  check(&c, &r);
}

/* Both layouts, NaN and infinities among the numbers. */
static void check_pool(const oq_pooling *p, size_t channels, draws *r) {
  const size_t batch = p->planes / channels;
  const size_t in = p->planes * p->w.in_size, out = p->planes * p->w.out_size;
  float *x = floats(in, 4), *xl = floats(in, 4), *y = floats(out, 4);
  float *yl = floats(out, 4), *back = floats(out, 4);
  void *scratch = floats(oq_pool_scratch(p), 1);

  for (size_t i = 0; i < in; i++) {
    const size_t odd = pick(r, 0, 60);
    x[i] = odd == 0 ? NAN : odd == 1 ? -INFINITY : (float)draw(r);
  }
  oq_last_transpose(xl, x, batch, channels, p->w.in_size, 4);
  oq_pool_max_f32(p, y, NULL, x, scratch);
  oq_pool_max_last(p, channels, yl, xl);
  oq_last_transpose(back, yl, batch, p->w.out_size, channels, 4);
  for (size_t i = 0; i < out; i++)
    assert_true(y[i] == back[i] || (isnan(y[i]) && isnan(back[i])));
  oq_pool_mean_f32(p, y, x, scratch);
  oq_pool_mean_last(p, channels, yl, xl);
  oq_last_transpose(back, yl, batch, p->w.out_size, channels, 4);
  for (size_t i = 0; i < out; i++)
    assert_true(fabsf(y[i] - back[i]) <= 1e-6f || y[i] == back[i] ||
                (isnan(y[i]) && isnan(back[i])));
  free(x);
  free(xl);
  free(y);
  free(yl);
  free(back);
  free(scratch);
}

static void test_pools(void **state) {
  (void)state;
  if (!oq_last_usable()) skip();
  draws r = {5, 0};
  for (int i = 0; i < 200; i++) {
    const size_t channels = pick(&r, 1, 40);
    oq_pooling p = {.planes = channels * pick(&r, 1, 2)};
    p.w.n = (uint32_t)pick(&r, 1, 3);
    for (uint32_t k = 0; k < p.w.n; k++) {
      const size_t kernel = pick(&r, 1, 6);
      p.w.axis[k] = axis(pick(&r, 1, 9), kernel, pick(&r, 1, 3), pick(&r, 1, 2),
                         pick(&r, 0, kernel - 1));
    }
    oq_windows_finish(&p.w);
    if (p.w.out_size > 0) check_pool(&p, channels, &r);
  }
}

static void test_products(void **state) {
  (void)state;
  if (!oq_last_usable()) skip();
  draws r = {9, 0};
  for (int i = 0; i < 200; i++) {
    const size_t m = pick(&r, 1, 30), k = pick(&r, 1, 70), n = pick(&r, 1, 150);
    float *a = floats(m * k, 4), *b = floats(k * n, 4), *t = floats(k * n, 4);
    const size_t size = oq_last_pack_size(1, k, n, 1);
    float *packed = floats(size, 4), *y = floats(m * n, 4);
    float *other = floats(size, 4), *bias = floats(n, 4);
    void *scratch = floats(oq_last_matmul_scratch(m, k, n), 1);
    for (size_t j = 0; j < m * k; j++) a[j] = (float)draw(&r);
    for (size_t j = 0; j < k * n; j++) b[j] = (float)draw(&r);
    for (size_t j = 0; j < n; j++) bias[j] = (float)draw(&r);
    oq_last_transpose(t, b, 1, k, n, 4);
    oq_last_pack_matrix(packed, b, k, n, false);
    oq_last_pack_matrix(other, t, k, n, true);
    assert_memory_equal(packed, other, size * 4);
    oq_last_matmul_f32(m, k, n, y, a, packed, i % 2 == 0 ? bias : NULL,
                       scratch);
    for (size_t q = 0; q < m * n; q++) {
      double want = i % 2 == 0 ? (double)bias[q % n] : 0.0;
      for (size_t j = 0; j < k; j++)
        want += (double)a[q / n * k + j] * (double)b[j * n + q % n];
      assert_true(fabs(want - (double)y[q]) <= 2e-5);
    }
    free(a);
    free(b);
    free(t);
    free(packed);
    free(other);
    free(y);
    free(bias);
    free(scratch);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_shapes),
      cmocka_unit_test(test_random),
      cmocka_unit_test(test_padding_is_not_copied),
      cmocka_unit_test(test_pools),
      cmocka_unit_test(test_products),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

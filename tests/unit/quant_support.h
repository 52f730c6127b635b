/* unit/quant_support.h - a small network and samples for it, for tests of the
 * public calls that calibrate and quantize. */
#ifndef TEST_QUANT_SUPPORT_H
#define TEST_QUANT_SUPPORT_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "onnxquant/onnxquant.h"
#include "support/build.h"
#include "support/env.h"

typedef struct bytes {
  uint8_t *p;
  size_t n;
} bytes;

static oq_status bytes_append(void *user, const void *p, size_t n) {
  bytes *const b = user;
  uint8_t *const more = realloc(b->p, b->n + n + 1);

  if (more == NULL) return OQ_E_MEMORY;
  memcpy(more + b->n, p, n);
  *b = (bytes){more, b->n + n};
  return OQ_OK;
}

static void random_const(build *b, const char *name, const char *shape,
                         size_t n, uint64_t seed) {
  float *const v = malloc(n * sizeof *v);

  assert_non_null(v);
  for (size_t i = 0; i < n; i++) v[i] = (float)(oq_rng_uniform(seed, i) - 0.5);
  build_const_f32(b, name, shape, v);
  free(v);
}

/* x[N,8,6,6] -> c1 -> Relu -> c2 -> mean -> y[N,5]; `seed` makes the weights.
 */
static bytes network(uint64_t seed) {
  bytes y;
  test_env t;
  build b;

  assert_true(test_env_open(&t, NULL));
  build_open(&b, &t.e, 17);
  build_input(&b, "x", OQ_DT_F32, "N,8,6,6");
  random_const(&b, "w1", "8,8,3,3", 576, seed);
  random_const(&b, "w2", "8,8,3,3", 576, seed + 1);
  random_const(&b, "b2", "8", 8, seed + 2);
  random_const(&b, "w3", "8,5", 40, seed + 3);
  build_node(&b, "Conv", "x w1", "c1", "pads=[1,1,1,1]");
  build_node(&b, "Relu", "c1", "r1", "");
  build_node(&b, "Conv", "r1 w2 b2", "c2", "");
  build_node(&b, "GlobalAveragePool", "c2", "p", "");
  build_node(&b, "Flatten", "p", "f", "");
  build_node(&b, "Gemm", "f w3", "y", "");
  build_output(&b, "y");
  build_bind(&b);
  y.p = build_bytes(&b, &y.n);
  test_env_close(&t);
  return y;
}

typedef struct sampler {
  uint64_t first, fail_at; /* fail_at: that read fails; 0 = none */
  int64_t rows, columns;   /* 0: 2 and 6 */
} sampler;

static oq_status sampler_read(void *user, uint64_t index,
                              oq_tensor_view *inputs, size_t n, void **handle) {
  const sampler *const s = user;
  const int64_t rows = s->rows ? s->rows : 2;
  const int64_t columns = s->columns ? s->columns : 6;
  const size_t count = (size_t)(rows * 8 * 6 * columns);
  float *const x = malloc(count * sizeof *x);

  if (x == NULL || n != 1 || (s->fail_at && s->fail_at == index)) {
    free(x);
    return x == NULL ? OQ_E_MEMORY : OQ_E_IO;
  }
  for (size_t i = 0; i < count; i++)
    x[i] = (float)(2 * oq_rng_uniform(100 + s->first + index, i) - 1);
  inputs[0] = (oq_tensor_view){.dtype = OQ_DT_F32,
                               .rank = 4,
                               .dim = {rows, 8, 6, columns},
                               .data = x,
                               .size = count * sizeof *x};
  *handle = x;
  return OQ_OK;
}

static void sampler_release(void *user, void *handle) {
  (void)user;
  free(handle);
}

static uint64_t sampler_digest(void *user, uint64_t index) {
  return ((const sampler *)user)->first + index;
}

static oq_source source_of(sampler *s, uint64_t count) {
  return (oq_source){.count = count,
                     .read = sampler_read,
                     .release = sampler_release,
                     .user = s,
                     .digest = sampler_digest};
}

static oq_context *context_of(uint32_t threads) {
  oq_config config = OQ_CONFIG_INIT;
  oq_context *cx;

  config.threads = threads;
  assert_int_equal(oq_context_create(&cx, &config), OQ_OK);
  return cx;
}

static const char *last_id(const oq_context *cx) {
  const size_t n = oq_context_diag_count(cx);

  return n > 0 ? oq_context_diag(cx, n - 1)->id : "";
}

#endif

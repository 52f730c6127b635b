/* All of the library on one model: describe, prepare, run, calibrate,
 * quantize, save, run what was saved.  Whatever is refused is refused with a
 * finding; nothing may leak. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "onnxquant/onnxquant.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_INPUTS 4
#define MAX_INPUT_BYTES 4096

typedef struct feed {
  oq_tensor_view view[MAX_INPUTS];
  size_t n;
} feed;

/* Numbers of every input; sizes left open are 2. */
static const float numbers[MAX_INPUT_BYTES / sizeof(float)] = {
    1, -2, 0.5F, 3, -0.25F, 100, -1e-3F, 7};

static size_t bytes_of(int32_t dtype) {
  static const size_t bytes[] = {
      [OQ_DT_F32] = 4, [OQ_DT_U8] = 1,   [OQ_DT_I8] = 1, [OQ_DT_I32] = 4,
      [OQ_DT_I64] = 8, [OQ_DT_BOOL] = 1, [OQ_DT_F64] = 8};

  return dtype > 0 && (size_t)dtype < sizeof bytes / sizeof *bytes
             ? bytes[dtype]
             : 0;
}

static int make_feed(feed *f, oq_model *m) {
  const oq_model_info *info;

  if (oq_model_describe(&info, m) != OQ_OK || info->n_inputs > MAX_INPUTS) {
    return 0;
  }
  f->n = info->n_inputs;
  for (size_t i = 0; i < f->n; i++) {
    const oq_value_info *v = &info->inputs[i];
    oq_tensor_view *to = &f->view[i];
    size_t n = bytes_of(v->dtype);
    *to = (oq_tensor_view){.dtype = v->dtype, .rank = v->rank};
    if (n == 0 || !v->has_rank) return 0;
    for (uint32_t d = 0; d < v->rank; d++) {
      to->dim[d] = v->dim[d].size < 0 ? 2 : v->dim[d].size;
      if (to->dim[d] > MAX_INPUT_BYTES) return 0;
      n *= (size_t)to->dim[d];
      if (n > MAX_INPUT_BYTES) return 0;
    }
    to->size = n;
    to->data = numbers;
    if (v->dtype == OQ_DT_BOOL) to->data = (const char *)numbers + 2048;
  }
  return 1;
}

static oq_status read_sample(void *user, uint64_t index, oq_tensor_view *inputs,
                             size_t n, void **handle) {
  const feed *f = user;

  (void)index;
  memcpy(inputs, f->view, n * sizeof *inputs);
  *handle = NULL;
  return OQ_OK;
}

static oq_status append(void *user, const void *p, size_t n) {
  oq_tensor_view *b = user; /* borrowed as a growing block */
  char *grown = realloc((void *)(uintptr_t)b->data, b->size + n + 1);

  if (grown == NULL) return OQ_E_MEMORY;
  memcpy(grown + b->size, p, n);
  b->data = grown;
  b->size += n;
  return OQ_OK;
}

/* What the library wrote, it must read, describe and be able to run. */
static void check_saved(oq_context *cx, oq_model *m, const feed *f) {
  oq_tensor_view file = {0};
  oq_model *again = NULL;
  oq_runner *r = NULL;

  if (oq_model_save_stream(m, append, &file) == OQ_OK) {
    if (oq_model_load_memory(&again, cx, file.data, file.size, NULL) != OQ_OK) {
      const oq_diag *d = oq_context_diag(cx, oq_context_diag_count(cx) - 1);
      fprintf(stderr, "not read again: %s\n", d->text);
      abort();
    }
    if (oq_runner_create(&r, again) == OQ_OK) {
      (void)oq_runner_run(r, f->view, f->n);
    }
  }
  oq_runner_destroy(r);
  oq_model_destroy(again);
  free((void *)(uintptr_t)file.data);
}

static void quantize(oq_context *cx, oq_model *m, feed *f) {
  const oq_source source = {.count = 2, .read = read_sample, .user = f};
  const oq_quantize_report *report;
  oq_stats *stats = NULL;
  oq_model *q = NULL;

  if (oq_calibrate(&stats, m, &source, NULL) == OQ_OK &&
      oq_quantize(&q, &report, m, stats, NULL) == OQ_OK) {
    check_saved(cx, q, f);
  }
  oq_model_destroy(q);
  oq_stats_destroy(stats);
}

static void use(oq_context *cx, oq_model *m) {
  oq_runner *r = NULL;
  oq_model *p = NULL;
  feed f;

  if (!make_feed(&f, m)) return;
  if (oq_runner_create(&r, m) == OQ_OK) { (void)oq_runner_run(r, f.view, f.n); }
  oq_runner_destroy(r);
  if (oq_model_prepare(&p, m, NULL) == OQ_OK) check_saved(cx, p, &f);
  oq_model_destroy(p);
  quantize(cx, m, &f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  oq_config cfg = OQ_CONFIG_INIT;
  oq_context *cx;
  oq_model *m;

  cfg.threads = 1;
  cfg.limits.max_memory = 64 << 20;
  cfg.limits.max_tensor_bytes = 1 << 18;
  cfg.limits.max_run_bytes = 1 << 22;
  cfg.limits.max_nodes = 200;
  cfg.limits.max_loop_trips = 20;
  if (oq_context_create(&cx, &cfg) != OQ_OK) abort();
  if (oq_model_load_memory(&m, cx, data, size, NULL) == OQ_OK) {
    use(cx, m);
    oq_model_destroy(m);
  } else if (oq_context_diag_count(cx) == 0) {
    abort();
  }
  oq_context_destroy(cx);
  return 0;
}

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
#define MAX_TEXTS (MAX_INPUT_BYTES / sizeof(oq_text))
#define MAX_DEPTH 4

typedef struct feed {
  oq_tensor_view view[MAX_INPUTS];
  oq_value_view value[MAX_INPUTS];
  size_t n;
  int others; /* some input is no tensor */
} feed;

/* Numbers of every input; sizes left open are 2. */
static const float numbers[MAX_INPUT_BYTES / sizeof(float)] = {
    1, -2, 0.5F, 3, -0.25F, 100, -1e-3F, 7};

#define TEXT(t) \
  { (t), sizeof(t) - 1 }
/* And texts. */
static const oq_text texts[MAX_TEXTS] = {
    TEXT("abc"),       TEXT("A b,c"),
    TEXT("-1.5"),      TEXT("\xc3\xa4\xe2\x82\xac"),
    {NULL, 0},         TEXT("a\0b\xff"),
    TEXT("x@y.org 7"), TEXT("\xe4\xb8")};

static size_t bits_of(int32_t dtype) {
  static const uint8_t bits[] = {
#define OQ_X(name, number, n) [number] = (n),
      OQ_DTYPE_MAP(OQ_X)
#undef OQ_X
  };

  if (dtype == OQ_DT_STRING) return 8 * sizeof(oq_text);
  return dtype > 0 && (size_t)dtype < sizeof bits ? bits[dtype] : 0;
}

static int make_view(oq_tensor_view *to, const oq_value_info *v) {
  size_t n = bits_of(v->dtype);

  *to = (oq_tensor_view){.dtype = v->dtype, .rank = v->rank};
  if (n == 0 || !v->has_rank) return 0;
  for (uint32_t d = 0; d < v->rank; d++) {
    to->dim[d] = v->dim[d].size < 0 ? 2 : v->dim[d].size;
    if (to->dim[d] > MAX_INPUT_BYTES) return 0;
    n *= (size_t)to->dim[d];
    if (n > (size_t)MAX_INPUT_BYTES * 8) return 0;
  }
  to->size = (n + 7) / 8;
  to->data = v->dtype == OQ_DT_STRING ? (const void *)texts : numbers;
  if (v->dtype == OQ_DT_BOOL) {
    if (to->size > MAX_INPUT_BYTES / 2) return 0;
    to->data = (const char *)numbers + MAX_INPUT_BYTES / 2;
  }
  return 1;
}

#define ITEM(type, bytes, p)            \
  {                                     \
    .kind = OQ_KIND_TENSOR, .tensor = { \
      .dtype = (type),                  \
      .rank = 1,                        \
      .dim = {1},                       \
      .data = (p),                      \
      .size = (bytes)                   \
    }                                   \
  }

/* Of a sequence two items of one number or text each, of an optional none. */
static void make_value(oq_value_view *to, const oq_value_info *v,
                       const oq_tensor_view *view) {
  static const oq_value_view items[2][2] = {
      {ITEM(OQ_DT_F32, 4, numbers), ITEM(OQ_DT_F32, 4, numbers + 1)},
      {ITEM(OQ_DT_STRING, sizeof *texts, texts),
       ITEM(OQ_DT_STRING, sizeof *texts, texts + 1)}};

  *to = (oq_value_view){.kind = v->kind, .tensor = *view};
  if (v->kind == OQ_KIND_SEQUENCE || v->kind == OQ_KIND_MAPS) {
    to->item = items[v->dtype == OQ_DT_STRING];
    to->n_items = 2;
  }
}

static int make_feed(feed *f, oq_model *m) {
  const oq_model_info *info;

  if (oq_model_describe(&info, m) != OQ_OK || info->n_inputs > MAX_INPUTS) {
    return 0;
  }
  f->n = info->n_inputs;
  f->others = 0;
  for (size_t i = 0; i < f->n; i++) {
    const int is_tensor = info->inputs[i].kind == OQ_KIND_TENSOR;
    if (!make_view(&f->view[i], &info->inputs[i]) && is_tensor) return 0;
    make_value(&f->value[i], &info->inputs[i], &f->view[i]);
    f->others |= !is_tensor;
  }
  return 1;
}

/* Looks at every byte that an output claims to have. */
static void touch(volatile unsigned *sum, const oq_value_view *v, int depth) {
  if (depth > MAX_DEPTH) abort();
  for (size_t i = 0; i < v->n_items; i++) touch(sum, &v->item[i], depth + 1);
  if (v->kind != OQ_KIND_TENSOR) return;
  const uint8_t *const p = v->tensor.data;
  for (size_t i = 0; i < v->tensor.size; i++) *sum += p[i];
  if (v->tensor.dtype != OQ_DT_STRING) return;
  const oq_text *const t = v->tensor.data;
  for (size_t i = 0; i < v->tensor.size / sizeof *t; i++) {
    for (size_t k = 0; k < t[i].n; k++) *sum += (unsigned char)t[i].p[k];
  }
}

static void run(oq_model *m, const feed *f) {
  volatile unsigned sum = 0;
  oq_runner *r = NULL;

  if (oq_runner_create(&r, m) == OQ_OK &&
      oq_runner_run_values(r, f->value, f->n) == OQ_OK) {
    const oq_value_view *v;
    for (size_t i = 0; (v = oq_runner_output_value(r, i)) != NULL; i++) {
      touch(&sum, v, 0);
    }
  }
  oq_runner_destroy(r);
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

  if (oq_model_save_stream(m, append, &file) == OQ_OK) {
    if (oq_model_load_memory(&again, cx, file.data, file.size, NULL) != OQ_OK) {
      const oq_diag *d = oq_context_diag(cx, oq_context_diag_count(cx) - 1);
      fprintf(stderr, "not read again: %s\n", d->text);
      abort();
    }
    run(again, f);
  }
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
  oq_model *p = NULL;
  feed f;

  if (!make_feed(&f, m)) return;
  run(m, &f);
  if (oq_model_prepare(&p, m, NULL) == OQ_OK) check_saved(cx, p, &f);
  oq_model_destroy(p);
  if (!f.others) quantize(cx, m, &f);
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

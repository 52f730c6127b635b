/* quant_models - real models are quantized, saved and run, for onnxruntime to
 * judge (ort_models.py): outputs of the samples after those that calibrate, and
 * of one of them the codes behind every QuantizeLinear.
 *
 *   quant_models MODELS FOLDER
 *
 * FOLDER/NAME.in.K.I.pb is input I of sample K; the last EVALUATED samples are
 * run, those before them calibrate.  A model without samples is left out. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "onnxquant/onnxquant.h"
#include "quant/check.h"
#include "quant/save.h"

enum { MOST_MODELS = 64, MOST_INPUTS = 8, EVALUATED = 6 };

static const char *models, *folder;

static void must(oq_status s, const oq_context *cx) {
  const size_t n = oq_context_diag_count(cx);
  const oq_diag *const d = n > 0 ? oq_context_diag(cx, n - 1) : NULL;

  if (s != OQ_OK)
    print_error("%s: %s: %s\n", oq_status_name(s), d ? d->id : "?",
                d ? d->text : "?");
  assert_int_equal(s, OQ_OK);
}

/* ---- samples ----------------------------------------------------------- */
typedef struct samples {
  const char *name;
  oq_context *cx; /* of its own: files are read by several threads */
  oq_tensor_file *file[16][MOST_INPUTS];
  uint64_t n;
} samples;

static void open_samples(samples *s, const char *name, size_t n_inputs) {
  char path[1024];

  *s = (samples){.name = name};
  assert_int_equal(oq_context_create(&s->cx, NULL), OQ_OK);
  for (; s->n < 16; s->n++)
    for (size_t i = 0; i < n_inputs; i++) {
      (void)snprintf(path, sizeof path, "%s/%s.in.%u.%zu.pb", folder, name,
                     (unsigned)s->n, i);
      if (access(path, R_OK) != 0) return;
      must(oq_tensor_file_load(&s->file[s->n][i], s->cx, path), s->cx);
    }
}

static void close_samples(samples *s) {
  for (uint64_t k = 0; k < s->n; k++)
    for (size_t i = 0; i < MOST_INPUTS; i++)
      oq_tensor_file_destroy(s->file[k][i]);
  oq_context_destroy(s->cx);
}

static oq_status read_sample(void *user, uint64_t index, oq_tensor_view *inputs,
                             size_t n, void **handle) {
  const samples *const s = user;

  for (size_t i = 0; i < n; i++)
    inputs[i] = *oq_tensor_file_view(s->file[index][i]);
  *handle = NULL;
  return OQ_OK;
}

/* ---- one model --------------------------------------------------------- */
static void save_model(const char *name, oq_model *m, const oq_context *cx) {
  char path[1024];

  (void)snprintf(path, sizeof path, "%s/%s.quant.onnx", folder, name);
  must(oq_model_save_file(m, path, NULL), cx);
}

static void save_runs(const samples *s, oq_model *m, size_t n_inputs,
                      const oq_context *cx) {
  const oq_model_info *info;
  oq_runner *runner;
  char ending[64];

  must(oq_model_describe(&info, m), cx);
  must(oq_runner_create(&runner, m), cx);
  for (uint64_t k = s->n - EVALUATED; k < s->n; k++) {
    oq_tensor_view in[MOST_INPUTS];

    for (size_t i = 0; i < n_inputs; i++)
      in[i] = *oq_tensor_file_view(s->file[k][i]);
    must(oq_runner_run(runner, in, n_inputs), cx);
    for (uint32_t i = 0; i < info->n_outputs; i++) {
      (void)snprintf(ending, sizeof ending, "out.%u.%u.npy", (unsigned)k, i);
      save_npy(folder, s->name, ending, oq_runner_output(runner, i));
    }
  }
  oq_runner_destroy(runner);
}

static void save_last_codes(const samples *s, oq_model *m, size_t n_inputs) {
  oq_tensor_view in[MOST_INPUTS];

  for (size_t i = 0; i < n_inputs; i++)
    in[i] = *oq_tensor_file_view(s->file[s->n - 1][i]);
  save_codes(folder, s->name, m, in, n_inputs);
}

typedef struct bytes {
  uint8_t *p;
  size_t n;
} bytes;

static oq_status append(void *user, const void *p, size_t n) {
  bytes *const b = user;
  uint8_t *const more = realloc(b->p, b->n + n + 1);

  if (more == NULL) return OQ_E_MEMORY;
  memcpy(more + b->n, p, n);
  *b = (bytes){more, b->n + n};
  return OQ_OK;
}

static void check_graphs(oq_model *prepared, oq_model *made,
                         const oq_context *cx) {
  bytes a = {NULL, 0}, b = {NULL, 0};
  read_back before, after;

  must(oq_model_save_stream(prepared, append, &a), cx);
  must(oq_model_save_stream(made, append, &b), cx);
  read_back_open(&before, a.p, a.n);
  read_back_open(&after, b.p, b.n);
  check_ports(&before, &after);
  check_names(&before, &after);
  check_linears(&after);
  check_biases(&after);
  check_size(&before, &after);
  read_back_close(&before);
  read_back_close(&after);
  free(a.p);
  free(b.p);
}

static void quantize(oq_context *cx, oq_model *m, samples *s, size_t n_inputs) {
  const oq_source source = {
      .count = s->n - EVALUATED, .read = read_sample, .user = s};
  const oq_quantize_report *report;
  oq_stats *stats;
  oq_model *prepared, *made = NULL;

  must(oq_model_prepare(&prepared, m, NULL), cx);
  must(oq_calibrate(&stats, prepared, &source, NULL), cx);
  const oq_status status = oq_quantize(&made, &report, prepared, stats, NULL);
  if (status == OQ_E_UNSUPPORTED) {
    print_message("%s: %s\n", s->name,
                  oq_context_diag(cx, oq_context_diag_count(cx) - 1)->text);
  } else {
    must(status, cx);
    check_graphs(prepared, made, cx);
    save_model(s->name, made, cx);
    save_plan(folder, s->name, report);
    save_runs(s, made, n_inputs, cx);
    save_last_codes(s, made, n_inputs);
  }
  oq_model_destroy(made);
  oq_model_destroy(prepared);
  oq_stats_destroy(stats);
}

static void test_model(void **state) {
  const char *const name = *state;
  const oq_model_info *info;
  char path[1024];
  oq_context *cx;
  oq_model *m;
  samples s;

  (void)snprintf(path, sizeof path, "%s/%s.onnx", models, name);
  assert_int_equal(oq_context_create(&cx, NULL), OQ_OK);
  must(oq_model_load_file(&m, cx, path), cx);
  must(oq_model_describe(&info, m), cx);
  assert_true(info->n_inputs <= MOST_INPUTS);
  open_samples(&s, name, info->n_inputs);
  if (s.n > EVALUATED) quantize(cx, m, &s, info->n_inputs);
  oq_model_destroy(m);
  oq_context_destroy(cx);
  close_samples(&s);
}

static int by_name(const void *a, const void *b) {
  const struct CMUnitTest *const x = a, *const y = b;

  return strcmp(x->name, y->name);
}

static size_t list_models(struct CMUnitTest *tests) {
  DIR *const d = opendir(models);
  const struct dirent *e;
  size_t n_tests = 0;

  while (d != NULL && (e = readdir(d)) != NULL && n_tests < MOST_MODELS) {
    const size_t n = strlen(e->d_name);
    if (n < 6 || strcmp(e->d_name + n - 5, ".onnx") != 0) continue;
    char *const name = strndup(e->d_name, n - 5);
    if (name == NULL) exit(2);
    tests[n_tests++] = (struct CMUnitTest){name, test_model, NULL, NULL, name};
  }
  if (d != NULL) (void)closedir(d);
  qsort(tests, n_tests, sizeof tests[0], by_name);
  return n_tests;
}

int main(int argc, char **argv) {
  static struct CMUnitTest tests[MOST_MODELS];

  if (argc != 3) return 2;
  models = argv[1];
  folder = argv[2];
  const size_t n = list_models(tests);
  if (n == 0) {
    (void)printf("SKIPPED: no models in %s\n", models);
    return 77;
  }
  const int failed = _cmocka_run_group_tests("models", tests, n, NULL, NULL);
  for (size_t i = 0; i < n; i++) free(tests[i].initial_state);
  return failed;
}

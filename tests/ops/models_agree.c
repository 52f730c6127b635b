/* ops/models_agree.c - the built-in engine against onnxruntime on real models.
 *
 *   models_agree MODELS OUTPUTS [--time N] [--case GLOB]
 *
 * OUTPUTS is what ort_outputs.py made. Models with an operator without a row
 * are named; all others must agree: floats by cosine, the rest exactly.
 * --time N prints the median time of N runs and the memory of a run as well. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "api/api.h"
#include "base/text.h"
#include "support/close.h"

#define SKIPPED 77
#define LEAST_COSINE 0.99999
enum { MAX_PORTS = 64 };

typedef struct task {
  const char *models, *outputs, *pattern;
  unsigned runs;
} task;

typedef struct loaded {
  oq_tensor_file *file[MAX_PORTS];
  oq_tensor_view view[MAX_PORTS];
  uint32_t n;
} loaded;

static bool load(loaded *l, oq_context *cx, const char *folder,
                 const char *stem, uint32_t n) {
  char path[800];

  memset(l, 0, sizeof *l);
  if (n > MAX_PORTS) return false;
  for (; l->n < n; l->n++) {
    (void)snprintf(path, sizeof path, "%s/%s_%u.pb", folder, stem, l->n);
    if (oq_tensor_file_load(&l->file[l->n], cx, path) != OQ_OK) return false;
    l->view[l->n] = *oq_tensor_file_view(l->file[l->n]);
  }
  return true;
}

static void unload(loaded *l) {
  for (uint32_t i = 0; i < l->n; i++) oq_tensor_file_destroy(l->file[i]);
}

static const char *last_text(const oq_context *cx) {
  const size_t n = oq_context_diag_count(cx);

  return n > 0 ? oq_context_diag(cx, n - 1)->text : "(no finding)";
}

/* ---- one model ----------------------------------------------------------- */
static bool agrees(const char *name, oq_context *cx, uint32_t i,
                   const oq_tensor_view *got, const oq_tensor_view *want,
                   double *worst) {
  oq_ctensor a, b;
  difference d;

  if (oq_view_take(&a, got, "got", cx->scratch, cx->diags) != OQ_OK ||
      oq_view_take(&b, want, "want", cx->scratch, cx->diags) != OQ_OK) {
    return false;
  }
  if (values_close(&d, &a, &b, (tolerance){0, 0})) return true;
  if (oq_dtype_is_float((int32_t)b.dtype) &&
      oq_shape_equal(&a.shape, &b.shape) && a.dtype == b.dtype) {
    const double c = values_cosine(&a, &b);
    if (c < *worst) *worst = c;
    if (c >= LEAST_COSINE) return true;
    (void)printf("FAIL %s: output %u: cosine %.7f, %s\n", name, i, c, d.text);
    return false;
  }
  (void)printf("FAIL %s: output %u: %s\n", name, i, d.text);
  return false;
}

static double now_ms(void) {
  struct timespec t;

  (void)clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static int by_size(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;

  return (x > y) - (x < y);
}

static void measure(oq_runner *r, const loaded *in, unsigned runs) {
  double *ms = malloc(runs * sizeof *ms);

  for (unsigned i = 0; ms != NULL && i < runs; i++) {
    const double start = now_ms();
    (void)oq_runner_run(r, in->view, in->n);
    ms[i] = now_ms() - start;
  }
  if (ms != NULL) {
    qsort(ms, runs, sizeof *ms, by_size);
    (void)printf("  %9.3f ms  %8.2f MB", ms[runs / 2],
                 (double)oq_runner_bytes(r) / 1e6);
  }
  free(ms);
}

static bool compare(const task *t, const char *name, oq_model *m, oq_runner *r,
                    const loaded *in, const loaded *want) {
  double worst = 1;
  bool ok = true;

  if (oq_runner_run(r, in->view, in->n) != OQ_OK) {
    (void)printf("FAIL %s: %s\n", name, last_text(m->cx));
    return false;
  }
  for (uint32_t i = 0; i < want->n; i++) {
    ok = agrees(name, m->cx, i, oq_runner_output(r, i), &want->view[i],
                &worst) &&
         ok;
  }
  if (!ok) return false;
  (void)printf("agrees  %-32s cosine %.8f", name, worst);
  if (t->runs > 0) measure(r, in, t->runs);
  (void)printf("\n");
  return true;
}

static bool with_model(const task *t, const char *name, const char *folder,
                       oq_model *m) {
  oq_runner *r = NULL;
  loaded in, want;
  bool ok = false;

  const oq_status s = oq_runner_create(&r, m);
  if (s != OQ_OK) {
    (void)printf("%s  %-32s %s\n",
                 s == OQ_E_UNSUPPORTED ? "not run" : "FAIL   ", name,
                 last_text(m->cx));
    return s == OQ_E_UNSUPPORTED;
  }
  const bool has_in = load(&in, m->cx, folder, "input", m->n_feeds);
  const bool has_out =
      load(&want, m->cx, folder, "output", m->ir->main->n_outputs);
  if (has_in && has_out) {
    ok = compare(t, name, m, r, &in, &want);
  } else {
    (void)printf("FAIL %s: %s\n", name, last_text(m->cx));
  }
  unload(&in);
  unload(&want);
  oq_runner_destroy(r);
  return ok;
}

static bool one(const task *t, const char *entry) {
  char path[800], name[256], folder[600];
  oq_config cfg = OQ_CONFIG_INIT;
  oq_context *cx;
  oq_model *m;
  bool ok;

  (void)snprintf(name, sizeof name, "%.200s", entry);
  for (char *p = name; *p != '\0'; p++) {
    if (*p == '+') *p = '/';
  }
  (void)snprintf(path, sizeof path, "%.400s/%s.onnx", t->models, name);
  (void)snprintf(folder, sizeof folder, "%.300s/%.200s", t->outputs, entry);
  cfg.threads = 1;
  if (oq_context_create(&cx, &cfg) != OQ_OK) return false;
  if (oq_model_load_file(&m, cx, path) != OQ_OK) {
    (void)printf("FAIL %s: %s\n", name, last_text(cx));
    ok = false;
  } else {
    ok = with_model(t, name, folder, m);
    oq_model_destroy(m);
  }
  oq_context_destroy(cx);
  return ok;
}

/* ---- all ----------------------------------------------------------------- */
static int by_name(const struct dirent **a, const struct dirent **b) {
  return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_case(const struct dirent *e) {
  return e->d_name[0] != '.' && strcmp(e->d_name, "complete") != 0;
}

static int all(const task *t) {
  struct dirent **entry;
  const int n = scandir(t->outputs, &entry, is_case, by_name);
  int failed = 0;

  if (n <= 0) {
    (void)printf("skipped: no outputs of onnxruntime at '%s'\n", t->outputs);
    return SKIPPED;
  }
  for (int i = 0; i < n; i++) {
    if (t->pattern == NULL || oq_text_glob(t->pattern, entry[i]->d_name)) {
      failed += !one(t, entry[i]->d_name);
    }
    (void)fflush(stdout);
    free(entry[i]);
  }
  free(entry);
  return failed > 0;
}

int main(int argc, char **argv) {
  task t = {0};

  if (argc < 3) {
    (void)fprintf(stderr, "usage: see the head of models_agree.c\n");
    return 2;
  }
  t.models = argv[1];
  t.outputs = argv[2];
  for (int i = 3; i + 1 < argc; i += 2) {
    if (strcmp(argv[i], "--time") == 0) {
      t.runs = (unsigned)strtoul(argv[i + 1], NULL, 10);
    }
    if (strcmp(argv[i], "--case") == 0) t.pattern = argv[i + 1];
  }
  return all(&t);
}

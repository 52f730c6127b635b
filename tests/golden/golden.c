/* golden - models as text go through passes; what comes out must be what is
 * written in the file beside, and compute the same.
 *
 *   golden FOLDER [--renew] [--no-dump] [--save TO]
 *
 * Every FOLDER/x.model is compared with FOLDER/x.expected.  --renew (or the
 * variable ONNXQUANT_RENEW) writes the expectations anew; --no-dump only runs
 * the models before and after; --save writes both as TO/x.before.onnx and
 * TO/x.after.onnx. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "exec/exec.h"
#include "golden/model_text.h"
#include "onnx/codec.h"
#include "pass/pass.h"
#include "support/close.h"
#include "support/env.h"

/* Sizes that a model leaves open. */
enum { OPEN_SIZE = 3, MOST_FILES = 1000 };

static const char *folder, *save_to;
static bool renew, no_dump;

/* ---- files --------------------------------------------------------------- */
static char *path_of(const char *dir, const char *name, const char *ending) {
  static char path[2][1024];
  static int turn;

  turn = !turn;
  (void)snprintf(path[turn], sizeof path[turn], "%s/%s%s", dir, name, ending);
  return path[turn];
}

/* NULL if there is no such file. */
static char *slurp(const char *path) {
  FILE *f = fopen(path, "rb");
  char *text = calloc(1, 1 << 20);

  if (f == NULL || text == NULL) {
    free(text);
    return NULL;
  }
  (void)fread(text, 1, (1 << 20) - 1, f);
  (void)fclose(f);
  return text;
}

/* ---- running ------------------------------------------------------------- */
static void fill(oq_tensor *t, double lo, double hi, uint64_t seed) {
  const oq_ctensor c = oq_tensor_const(t);
  const size_t n = oq_tensor_count(&c);
  const bool real = oq_dtype_is_float((int32_t)t->dtype);

  for (size_t i = 0; i < n; i++) {
    const double u = oq_rng_uniform(seed, i);
    if (real) {
      oq_element_set_f64(t, i, lo + (hi - lo) * u);
    } else {
      oq_element_set_i64(t, i, (int64_t)lo + (int64_t)((hi - lo) * u));
    }
  }
}

static oq_status make_inputs(oq_ctensor *in, const model_text *m, uint64_t seed,
                             const oq_env *e) {
  const oq_graph *const g = m->b.ir->main;

  for (uint32_t i = 0; i < g->n_inputs; i++) {
    const oq_type *const type = oq_graph_value(g, g->inputs[i])->type;
    oq_shape s = {.rank = type->rank};
    oq_tensor t;
    for (uint32_t d = 0; d < s.rank; d++)
      s.dim[d] = type->dim[d].size >= 0 ? type->dim[d].size : OPEN_SIZE;
    OQ_TRY(oq_tensor_make(&t, type->dtype, &s, e->scratch));
    fill(&t, m->lo[i], m->hi[i], seed * 100 + i);
    in[i] = oq_tensor_const(&t);
  }
  return OQ_OK;
}

static oq_status run_plan(oq_ctensor *out, const oq_graph *g, oq_plan *p,
                          const oq_ctensor *in, const oq_env *e) {
  oq_session *s = NULL;

  OQ_TRY(oq_session_create(&s, p, e));
  oq_status st = oq_session_run(s, in, g->n_inputs, NULL, e);
  for (uint32_t i = 0; st == OQ_OK && i < g->n_outputs; i++) {
    const oq_ctensor *const t = oq_session_value(s, g->outputs[i]);
    out[i] = *t;
    out[i].data = oq_arena_copy(e->scratch, t->data, t->size, 64);
    if (out[i].data == NULL) st = OQ_E_MEMORY;
  }
  oq_session_destroy(s);
  return st;
}

static oq_status run(oq_ctensor *out, oq_model_ir *m, const oq_ctensor *in,
                     const oq_env *e) {
  oq_plan *p;

  OQ_TRY(oq_ops_bind(m, e));
  OQ_TRY(oq_plan_create(&p, m->main, NULL, e));
  const oq_status s = run_plan(out, m->main, p, in, e);
  oq_plan_destroy(p);
  return s;
}

static bool same_numbers(const model_text *before, oq_model_ir *after,
                         const char *name, uint64_t seed, const oq_env *e) {
  oq_ctensor in[MODEL_TEXT_MAX], a[MODEL_TEXT_MAX], b[MODEL_TEXT_MAX];
  const oq_graph *const g = before->b.ir->main;
  bool good = true;

  if (make_inputs(in, before, seed, e) != OQ_OK ||
      run(a, before->b.ir, in, e) != OQ_OK) {
    (void)printf("%s: cannot be run\n", name);
    return false;
  }
  if (after->main->n_outputs != g->n_outputs || run(b, after, in, e) != OQ_OK) {
    (void)printf("%s: cannot be run after the passes\n", name);
    return false;
  }
  for (uint32_t i = 0; i < g->n_outputs; i++) {
    const bool half = a[i].dtype == OQ_DT_F16;
    difference d;
    if (values_close(&d, &b[i], &a[i],
                     (tolerance){half ? 2e-3 : 1e-5, half ? 1e-3 : 1e-6}))
      continue;
    (void)printf("%s: output %u: %s\n", name, i, d.text);
    good = false;
  }
  return good;
}

static bool same_names(const oq_model_ir *a, const oq_model_ir *b,
                       const char *name) {
  bool good = a->main->n_inputs >= b->main->n_inputs &&
              a->main->n_outputs == b->main->n_outputs;

  for (uint32_t i = 0; good && i < b->main->n_outputs; i++)
    good = strcmp(oq_value_text(a->main, a->main->outputs[i]),
                  oq_value_text(b->main, b->main->outputs[i])) == 0;
  if (!good) (void)printf("%s: outputs have other names\n", name);
  return good;
}

/* ---- expectations -------------------------------------------------------- */
typedef struct sheet {
  char text[1 << 20];
  size_t n;
} sheet;

static oq_status write_sheet(void *user, const void *p, size_t n) {
  sheet *const s = user;

  if (n >= sizeof s->text - s->n) return OQ_E_LIMIT;
  memcpy(s->text + s->n, p, n);
  s->n += n;
  s->text[s->n] = '\0';
  return OQ_OK;
}

static oq_status dump(sheet *to, const oq_model_ir *m, const oq_env *e) {
  oq_sink *sink;

  to->n = 0;
  to->text[0] = '\0';
  OQ_TRY(oq_sink_open_call(&sink, write_sheet, to, e->alloc, e->diags));
  oq_status s = oq_ir_dump(m, sink);
  if (s == OQ_OK) s = oq_sink_commit(sink);
  oq_sink_close(sink);
  return s;
}

static void show_difference(const char *got, const char *want) {
  int line = 1;

  while (*got != '\0' && *want != '\0') {
    const size_t a = strcspn(got, "\n"), b = strcspn(want, "\n");
    if (a != b || memcmp(got, want, a) != 0) break;
    got += a + (got[a] == '\n');
    want += b + (want[b] == '\n');
    line++;
  }
  (void)printf("  line %d\n  got:  %.*s\n  want: %.*s\n", line,
               (int)strcspn(got, "\n"), got, (int)strcspn(want, "\n"), want);
}

static bool as_expected(const oq_model_ir *m, const char *name,
                        const oq_env *e) {
  static sheet got;
  char *const path = path_of(folder, name, ".expected");

  if (no_dump) return true;
  if (dump(&got, m, e) != OQ_OK) return false;
  if (renew) {
    FILE *const f = fopen(path, "wb");
    if (f == NULL) return false;
    (void)fputs(got.text, f);
    return fclose(f) == 0;
  }
  char *const want = slurp(path);
  const bool same = want != NULL && strcmp(got.text, want) == 0;
  if (!same) {
    (void)printf("%s: not as expected\n", name);
    show_difference(got.text, want != NULL ? want : "");
  }
  free(want);
  return same;
}

/* ---- one model ----------------------------------------------------------- */
/* All passes but those that the model names. */
static const char **others(const model_text *m, const char **skip) {
  uint32_t n, k = 0;
  const oq_pass *const list = oq_pass_list(&n);

  for (uint32_t i = 0; m->n_pass > 0 && i < n; i++) {
    bool named = false;
    for (uint32_t j = 0; j < m->n_pass; j++)
      named |= strcmp(list[i].name, m->pass[j]) == 0;
    if (!named) skip[k++] = list[i].name;
  }
  skip[k] = NULL;
  return skip;
}

static bool save(const oq_model_ir *m, const char *name, const char *ending,
                 const oq_env *e) {
  return save_to == NULL || oq_onnx_save(m, path_of(save_to, name, ending),
                                         OQ_EXTERNAL_NEVER, false, e) == OQ_OK;
}

static bool check(const model_text *m, const char *name, const test_env *t) {
  const char *skip[OQ_PASS_MAX + 1];
  const oq_pass_options o = {.opset = m->to, .skip = others(m, skip)};
  oq_model_ir *after;
  bool good;

  if (oq_ir_verify(m->b.ir, &t->e) != OQ_OK ||
      oq_ir_clone(&after, m->b.ir, &t->e) != OQ_OK)
    return false;
  good = save(m->b.ir, name, ".before.onnx", &t->e) &&
         oq_passes_run(after, &o, NULL, &t->e) == OQ_OK &&
         save(after, name, ".after.onnx", &t->e) &&
         same_names(m->b.ir, after, name) && as_expected(after, name, &t->e);
  for (uint64_t seed = 1; good && !m->no_engine && seed <= 3; seed++)
    good = same_numbers(m, after, name, seed, &t->e);
  oq_ir_destroy(after);
  return good;
}

static bool check_file(const char *name) {
  char *const text = slurp(path_of(folder, name, ".model"));
  test_env t;
  model_text m;
  bool good;

  if (text == NULL || !test_env_open(&t, NULL)) return false;
  model_text_read(&m, text, &t.e);
  good = m.error[0] == '\0';
  if (!good) (void)printf("%s: %s\n", name, m.error);
  good = good && check(&m, name, &t);
  if (!good) test_env_show(&t);
  model_text_close(&m);
  test_env_close(&t);
  free(text);
  return good;
}

/* ---- all models ---------------------------------------------------------- */
static int by_name(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

static uint32_t list_models(char **names) {
  DIR *const d = opendir(folder);
  uint32_t n = 0;

  if (d == NULL) return 0;
  for (struct dirent *x; (x = readdir(d)) != NULL;) {
    char *const dot = strrchr(x->d_name, '.');
    if (dot == NULL || strcmp(dot, ".model") != 0 || n == MOST_FILES) continue;
    *dot = '\0';
    names[n++] = strdup(x->d_name);
  }
  (void)closedir(d);
  qsort(names, n, sizeof *names, by_name);
  return n;
}

int main(int argc, char **argv) {
  static char *names[MOST_FILES];
  uint32_t bad = 0;

  renew = getenv("ONNXQUANT_RENEW") != NULL;
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--renew") == 0) {
      renew = true;
    } else if (strcmp(argv[i], "--no-dump") == 0) {
      no_dump = true;
    } else if (strcmp(argv[i], "--save") == 0 && i + 1 < argc) {
      save_to = argv[++i];
    } else {
      folder = argv[i];
    }
  }
  const uint32_t n = folder != NULL ? list_models(names) : 0;
  if (n == 0) {
    (void)printf(
        "no models; usage: golden FOLDER [--renew] [--no-dump] "
        "[--save TO]\n");
    return 1;
  }
  for (uint32_t i = 0; i < n; i++) {
    if (!check_file(names[i])) {
      (void)printf("FAILED %s\n", names[i]);
      bad++;
    }
    free(names[i]);
  }
  (void)printf("%u models, %u failed\n", n, bad);
  return bad != 0;
}

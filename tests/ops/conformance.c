/* ops/conformance.c - runs the official ONNX backend cases with the built-in
 * engine.
 *
 *   conformance FOLDER [--gaps FILE] [--kind KIND] [--case GLOB] [--ops A,B]
 *               [--atol X] [--rtol X] [--steps N] [--limit S] [--least N]
 *               [--verbose]
 *
 * FOLDER holds KIND/CASE/model.onnx with test_data_set_K/{input,output}_N.pb,
 * and light/.  A case that uses an operator without a row, or a value that is
 * of strings or maps, counts as "not supported".  Every other case must pass,
 * except those that the gaps file lists; and those must not.  Random operators
 * are judged by type, shape and distribution.  With --limit, a case that takes
 * more than S seconds of processor time fails; with --least, fewer than N cases
 * that pass are a failure: a test that finds nothing to run does not pass. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "api/api.h"
#include "base/text.h"
#include "io/io.h"
#include "judge.h"
#include "onnx/codec.h"
#include "support/close.h"

#define SKIPPED 77
enum { MAX_PORTS = 512 };

typedef enum outcome {
  PASS,
  FAIL,
  UNSUPPORTED,
  UNRELEASED,
  N_OUTCOMES
} outcome;

typedef struct options {
  const char *folder, *gaps, *kind, *pattern, *ops;
  tolerance tol;
  double steps;        /* by which integers may differ */
  double limit;        /* seconds of a case; 0 = any */
  unsigned long least; /* cases that pass */
  bool verbose;
} options;

/* Names with a count, in order of first use. */
typedef struct tally {
  char name[128];
  unsigned count;
} tally;

typedef struct state {
  options opt;
  tally *ops; /* operators that were missing */
  size_t n_ops, cap_ops;
  char **failures;
  size_t n_failures, cap_failures;
  char *gaps; /* contents of the file, each line between newlines */
  unsigned long passed;
  unsigned strict; /* cases of the kind at hand that pass strictly, too */
  double slowest;  /* seconds */
  char slowest_id[256];
} state;

/* What onnxruntime's own tests allow. */
static const tolerance strict = {.rtol = 1e-3, .atol = 1e-7};

typedef struct one_case {
  char path[640]; /* its folder */
  char id[256];   /* kind/name */
  char why[512];  /* of what is not a pass */
  bool loose;     /* passes, but not strictly */
} one_case;

static void *must(void *p) {
  if (p == NULL) {
    (void)fprintf(stderr, "conformance: no memory\n");
    exit(2);
  }
  return p;
}

/* ---- lists --------------------------------------------------------------- */
static void count_op(state *s, const char *name) {
  for (size_t i = 0; i < s->n_ops; i++) {
    if (strcmp(s->ops[i].name, name) == 0) {
      s->ops[i].count++;
      return;
    }
  }
  if (s->n_ops == s->cap_ops) {
    s->cap_ops = s->cap_ops * 2 + 64;
    s->ops = must(realloc(s->ops, s->cap_ops * sizeof *s->ops));
  }
  (void)snprintf(s->ops[s->n_ops].name, sizeof s->ops[0].name, "%s", name);
  s->ops[s->n_ops++].count = 1;
}

static void add_failure(state *s, const char *id, const char *why) {
  char line[1024];

  (void)snprintf(line, sizeof line, "%s: %s", id, why);
  if (s->n_failures == s->cap_failures) {
    s->cap_failures = s->cap_failures * 2 + 64;
    s->failures =
        must(realloc(s->failures, s->cap_failures * sizeof *s->failures));
  }
  s->failures[s->n_failures++] = must(strdup(line));
}

static char *read_text(const char *path) {
  FILE *f = fopen(path, "rb");
  char *text = must(malloc(1 << 20));
  size_t n;

  if (f == NULL) {
    (void)fprintf(stderr, "conformance: cannot open '%s'\n", path);
    exit(2);
  }
  text[0] = '\n';
  n = fread(text + 1, 1, (1 << 20) - 2, f);
  (void)fclose(f);
  text[n + 1] = '\0';
  return text;
}

/* A line of the gaps file is "kind/case reason". */
static bool is_gap(const state *s, const char *id) {
  char key[300];
  const char *at;

  if (s->gaps == NULL) return false;
  (void)snprintf(key, sizeof key, "\n%s", id);
  for (at = s->gaps; (at = strstr(at, key)) != NULL; at++) {
    const char after = at[strlen(key)];
    if (after == ' ' || after == '\n' || after == '\0') return true;
  }
  return false;
}

/* ---- what a case uses ---------------------------------------------------- */
static bool in_list(const char *list, const char *op) {
  const size_t n = strlen(op);

  for (const char *p = list; (p = strstr(p, op)) != NULL; p += n) {
    if ((p == list || p[-1] == ',') && (p[n] == ',' || p[n] == '\0')) {
      return true;
    }
  }
  return false;
}

static bool is_function(const oq_model_ir *m, const oq_node *n) {
  for (uint32_t i = 0; i < m->n_functions; i++) {
    if (oq_name_eq(m->functions[2 * i], n->domain) &&
        oq_name_eq(m->functions[2 * i + 1], n->op)) {
      return true;
    }
  }
  return false;
}

/* Fills `missing` with the first operator without a row; false if `only` is
 * given and another operator is used. */
static bool look_at_nodes(char *missing, size_t cap, const oq_graph *g,
                          const char *only) {
  for (uint32_t i = 0; i < g->n_nodes; i++) {
    const oq_node *n = &g->nodes[i];
    const char *op = oq_node_op(g, (oq_node_id){i});
    const oq_graph *body;
    if (only != NULL && !in_list(only, op)) return false;
    const bool runs = n->def != NULL && n->def->refusal == NULL;
    if (!runs && missing[0] == '\0' && !is_function(g->model, n)) {
      const char *domain = oq_names_text(g->model->names, n->domain);
      (void)snprintf(missing, cap, "%s%s%s", domain, domain[0] ? "." : "", op);
    }
    for (uint32_t k = 0; (body = oq_node_body(n, k)) != NULL; k++) {
      if (!look_at_nodes(missing, cap, body, only)) return false;
    }
  }
  return true;
}

/* What kind of file a value of type `t` comes from, by the fields of its
 * TypeProto; -1: none that is read here. */
static int data_kind(const oq_type *t) {
  if (t == NULL || t->kind == OQ_TYPE_UNKNOWN) return -1;
  if (t->kind == OQ_TYPE_TENSOR) return OQ_DATA_TENSOR;
  if (t->raw == NULL || t->raw->size == 0) return -1;
  const uint8_t field = (uint8_t)(t->raw->bytes[0] >> 3);
  return field == 4 ? OQ_DATA_SEQUENCE : field == 9 ? OQ_DATA_OPTIONAL : -1;
}

static const char *unusual(const oq_type *t) {
  return data_kind(t) < 0 ? "(no tensor, sequence or optional)" : NULL;
}

static bool only_tensors(const oq_model *m) {
  const oq_graph *g = m->ir->main;

  for (uint32_t i = 0; i < m->n_feeds; i++) {
    if (data_kind(oq_graph_value(g, m->feeds[i])->type) != OQ_DATA_TENSOR) {
      return false;
    }
  }
  for (uint32_t i = 0; i < g->n_outputs; i++) {
    if (data_kind(oq_graph_value(g, g->outputs[i])->type) != OQ_DATA_TENSOR) {
      return false;
    }
  }
  return true;
}

static const char *unusual_ports(const oq_model *m) {
  const oq_graph *g = m->ir->main;
  const char *y = NULL;

  for (uint32_t i = 0; i < m->n_feeds && y == NULL; i++) {
    y = unusual(oq_graph_value(g, m->feeds[i])->type);
  }
  for (uint32_t i = 0; i < g->n_outputs && y == NULL; i++) {
    y = unusual(oq_graph_value(g, g->outputs[i])->type);
  }
  return y;
}

/* ---- running ------------------------------------------------------------- */
static outcome failed(one_case *c, const oq_context *cx, const char *what) {
  const size_t n = oq_context_diag_count(cx);

  (void)snprintf(c->why, sizeof c->why, "%s: %.400s", what,
                 n > 0 ? oq_context_diag(cx, n - 1)->text : "(no finding)");
  return FAIL;
}

static outcome compare_output(one_case *c, oq_context *cx, const options *o,
                              const oq_tensor_view *got, const char *path,
                              uint32_t i) {
  oq_tensor_file *f;
  oq_ctensor a, b;
  difference d;
  bool ok;

  if (oq_tensor_file_load(&f, cx, path) != OQ_OK) {
    return failed(c, cx, "expected output");
  }
  ok = oq_view_take(&a, got, "got", cx->scratch, cx->diags) == OQ_OK &&
       oq_view_take(&b, oq_tensor_file_view(f), "want", cx->scratch,
                    cx->diags) == OQ_OK;
  if (!ok) {
    oq_tensor_file_destroy(f);
    return failed(c, cx, "output");
  }
  ok = values_within(&d, &a, &b, strict, o->steps);
  if (!ok) {
    c->loose = true;
    ok = values_within(&d, &a, &b, o->tol, o->steps);
  }
  if (!ok) {
    (void)snprintf(c->why, sizeof c->why, "output %u: %s (max abs %.3g)", i,
                   d.text, d.max_abs);
  }
  oq_tensor_file_destroy(f);
  return ok ? PASS : FAIL;
}

static bool exists(const char *path) {
  struct stat st;

  return stat(path, &st) == 0;
}

static outcome compare_set(one_case *c, oq_model *m, const oq_runner *r,
                           const options *o, const char *set) {
  char path[800];

  for (uint32_t i = 0; i < m->ir->main->n_outputs; i++) {
    (void)snprintf(path, sizeof path, "%s/output_%u.pb", set, i);
    const outcome y =
        compare_output(c, m->cx, o, oq_runner_output(r, i), path, i);
    if (y != PASS) return y;
  }
  return PASS;
}

/* Judges the results of a graph that draws random numbers; N_OUTCOMES: it does
 * not. */
static outcome judge_set(one_case *c, oq_model *m, const oq_runner *r,
                         const oq_tensor_view *in, const char *set) {
  oq_context *const cx = m->cx;
  judged j = {.g = m->ir->main,
              .n_in = (uint32_t)m->n_feeds,
              .n_out = m->ir->main->n_outputs};
  oq_tensor_file *file[JUDGE_PORTS] = {0};
  char path[800];
  bool ok = true;

  if (j.n_in > JUDGE_PORTS || j.n_out > JUDGE_PORTS) return N_OUTCOMES;
  for (uint32_t i = 0; i < j.n_in && ok; i++) {
    j.feed[i] = m->feeds[i];
    ok = oq_view_take(&j.in[i], &in[i], "in", cx->scratch, cx->diags) == OQ_OK;
  }
  if (!ok || !judge_is_random(&j)) return N_OUTCOMES;
  for (uint32_t i = 0; i < j.n_out && ok; i++) {
    (void)snprintf(path, sizeof path, "%s/output_%u.pb", set, i);
    ok = oq_tensor_file_load(&file[i], cx, path) == OQ_OK &&
         oq_view_take(&j.got[i], oq_runner_output(r, i), "got", cx->scratch,
                      cx->diags) == OQ_OK &&
         oq_view_take(&j.want[i], oq_tensor_file_view(file[i]), "want",
                      cx->scratch, cx->diags) == OQ_OK;
  }
  const outcome y = !ok ? failed(c, cx, "output")
                    : judge_random(c->why, sizeof c->why, &j) ? PASS
                                                              : FAIL;
  for (uint32_t i = 0; i < j.n_out; i++) oq_tensor_file_destroy(file[i]);
  return y;
}

static outcome run_set(one_case *c, oq_model *m, oq_runner *r, const options *o,
                       const char *set) {
  oq_tensor_file *file[MAX_PORTS] = {0};
  oq_tensor_view in[MAX_PORTS];
  char path[800];
  outcome y = PASS;

  for (uint32_t i = 0; i < m->n_feeds && y == PASS; i++) {
    (void)snprintf(path, sizeof path, "%s/input_%u.pb", set, i);
    if (oq_tensor_file_load(&file[i], m->cx, path) != OQ_OK) {
      y = failed(c, m->cx, "input");
    } else {
      in[i] = *oq_tensor_file_view(file[i]);
    }
  }
  if (y == PASS && oq_runner_run(r, in, m->n_feeds) != OQ_OK) {
    y = failed(c, m->cx, "run");
  }
  if (y == PASS) y = judge_set(c, m, r, in, set);
  for (uint32_t i = 0; i < m->n_feeds; i++) oq_tensor_file_destroy(file[i]);
  return y == N_OUTCOMES ? compare_set(c, m, r, o, set) : y;
}

static outcome run_sets(one_case *c, oq_model *m, oq_runner *r,
                        const options *o) {
  char set[700];
  unsigned k = 0;
  outcome y = PASS;

  for (; y == PASS; k++) {
    (void)snprintf(set, sizeof set, "%s/test_data_set_%u", c->path, k);
    if (!exists(set)) break;
    y = run_set(c, m, r, o, set);
  }
  if (k == 0) {
    (void)snprintf(c->why, sizeof c->why, "no data");
    return FAIL;
  }
  return y;
}

/* ---- sequences and optionals ----------------------------------------------
 */
static bool load_value(oq_tensor_file **out, oq_model *m, const char *set,
                       const char *what, uint32_t i, int32_t kind) {
  char path[800];

  (void)snprintf(path, sizeof path, "%s/%s_%u.pb", set, what, i);
  return oq_tensor_file_load_value(out, m->cx, path, kind) == OQ_OK;
}

static bool same_tensor(one_case *c, oq_context *cx, const oq_tensor_view *got,
                        const oq_tensor_view *want, tolerance tol) {
  oq_ctensor a, b;
  difference d;

  if (oq_view_take(&a, got, "got", cx->scratch, cx->diags) != OQ_OK ||
      oq_view_take(&b, want, "want", cx->scratch, cx->diags) != OQ_OK) {
    return false;
  }
  if (values_close(&d, &a, &b, strict)) return true;
  c->loose = true;
  if (values_close(&d, &a, &b, tol)) return true;
  (void)snprintf(c->why, sizeof c->why, "%s (max abs %.3g)", d.text, d.max_abs);
  return false;
}

/* An optional with a value comes as that. */
static bool same_value(one_case *c, oq_context *cx, const oq_value_view *got,
                       const oq_value_view *want, tolerance tol) {
  if (want->kind == OQ_KIND_OPTIONAL && want->n_items == 1) want = want->item;
  if (got == NULL || got->kind != want->kind || got->n_items != want->n_items) {
    (void)snprintf(c->why, sizeof c->why, "another kind or length of value");
    return false;
  }
  if (want->kind == OQ_KIND_TENSOR) {
    return same_tensor(c, cx, &got->tensor, &want->tensor, tol);
  }
  for (size_t i = 0; i < want->n_items; i++) {
    if (!same_tensor(c, cx, &got->item[i].tensor, &want->item[i].tensor, tol)) {
      return false;
    }
  }
  return true;
}

static outcome compare_values(one_case *c, oq_model *m, const oq_runner *r,
                              const options *o, const char *set) {
  const oq_model_info *info;
  outcome y = PASS;

  if (oq_model_describe(&info, m) != OQ_OK) return FAIL;
  for (uint32_t i = 0; i < info->n_outputs && y == PASS; i++) {
    oq_tensor_file *f;
    if (!load_value(&f, m, set, "output", i, info->outputs[i].kind)) {
      return failed(c, m->cx, "output");
    }
    if (!same_value(c, m->cx, oq_runner_output_value(r, i),
                    oq_tensor_file_value(f), o->tol)) {
      y = FAIL;
    }
    oq_tensor_file_destroy(f);
  }
  return y;
}

static outcome run_value_set(one_case *c, oq_model *m, oq_runner *r,
                             const options *o, const char *set) {
  oq_tensor_file *file[MAX_PORTS] = {0};
  oq_value_view in[MAX_PORTS];
  const oq_model_info *info;
  outcome y = PASS;

  if (oq_model_describe(&info, m) != OQ_OK) return FAIL;
  for (uint32_t i = 0; i < info->n_inputs && y == PASS; i++) {
    if (!load_value(&file[i], m, set, "input", i, info->inputs[i].kind)) {
      y = failed(c, m->cx, "input");
    } else {
      in[i] = *oq_tensor_file_value(file[i]);
    }
  }
  if (y == PASS && oq_runner_run_values(r, in, info->n_inputs) != OQ_OK) {
    y = failed(c, m->cx, "run");
  }
  for (uint32_t i = 0; i < info->n_inputs; i++) {
    oq_tensor_file_destroy(file[i]);
  }
  return y == PASS ? compare_values(c, m, r, o, set) : y;
}

static outcome run_value_sets(one_case *c, oq_model *m, oq_runner *r,
                              const options *o) {
  char set[700];
  outcome y = PASS;
  unsigned k = 0;

  for (; y == PASS; k++) {
    (void)snprintf(set, sizeof set, "%s/test_data_set_%u", c->path, k);
    if (!exists(set)) break;
    y = run_value_set(c, m, r, o, set);
  }
  return k == 0 && y == PASS ? FAIL : y;
}

typedef outcome (*run_fn)(one_case *c, oq_model *m, oq_runner *r,
                          const options *o);

static outcome run_model(state *s, one_case *c, oq_model *m, run_fn run) {
  const oq_graph *g = m->ir->main;
  char missing[128] = "";
  oq_runner *r;
  outcome y;

  if (!look_at_nodes(missing, sizeof missing, g, s->opt.ops)) {
    return N_OUTCOMES;
  }
  if (oq_ir_opset(m->ir, (oq_name){0}) > OQ_OPSET_NEWEST) return UNRELEASED;
  if (missing[0] == '\0' && unusual_ports(m) != NULL) {
    (void)snprintf(missing, sizeof missing, "%s", unusual_ports(m));
  }
  if (missing[0] != '\0') {
    (void)snprintf(c->why, sizeof c->why, "%s", missing);
    count_op(s, missing);
    return UNSUPPORTED;
  }
  if (m->n_feeds > MAX_PORTS) return FAIL;
  if (!only_tensors(m)) run = run_value_sets;
  if (oq_runner_create(&r, m) != OQ_OK) return failed(c, m->cx, "plan");
  y = run(c, m, r, &s->opt);
  oq_runner_destroy(r);
  return y;
}

static outcome run_model_file(state *s, one_case *c, const char *model,
                              run_fn run) {
  oq_config cfg = OQ_CONFIG_INIT;
  oq_context *cx;
  oq_model *m;
  outcome y;

  cfg.threads = 1;
  cfg.images = oq_io_image_decoder();
  if (oq_context_create(&cx, &cfg) != OQ_OK) must(NULL);
  if (oq_model_load_file(&m, cx, model) != OQ_OK) {
    y = failed(c, cx, "load");
  } else {
    y = run_model(s, c, m, run);
    oq_model_destroy(m);
  }
  oq_context_destroy(cx);
  return y;
}

static outcome run_case(state *s, one_case *c, const char *model, run_fn run) {
  const clock_t start = clock();
  const outcome y = run_model_file(s, c, model, run);
  const double took = (double)(clock() - start) / CLOCKS_PER_SEC;

  if (took > s->slowest) {
    s->slowest = took;
    (void)snprintf(s->slowest_id, sizeof s->slowest_id, "%s", c->id);
  }
  if (y != PASS || s->opt.limit == 0 || took <= s->opt.limit) return y;
  (void)snprintf(c->why, sizeof c->why, "took %.2f s, expected at most %.2f s",
                 took, s->opt.limit);
  return FAIL;
}

/* ---- the light models: real graphs, constant weights -----------------------
 */
/* arange(n) / n in float64, cast; sizes that are not fixed are 1. */
static outcome run_light(one_case *c, oq_model *m, oq_runner *r,
                         const options *o) {
  const oq_type *t = oq_graph_value(m->ir->main, m->feeds[0])->type;
  oq_tensor_view in = {.dtype = OQ_DT_F32, .rank = t->rank};
  char path[800];
  size_t n = 1;
  outcome y;

  for (uint32_t d = 0; d < t->rank; d++) {
    in.dim[d] = t->dim[d].size > 0 ? t->dim[d].size : 1;
    n *= (size_t)in.dim[d];
  }
  float *x = must(malloc(n * sizeof *x));
  for (size_t i = 0; i < n; i++) x[i] = (float)((double)i / (double)n);
  in.data = x;
  in.size = n * sizeof *x;
  if (m->n_feeds != 1 || oq_runner_run(r, &in, 1) != OQ_OK) {
    y = failed(c, m->cx, "run");
  } else {
    (void)snprintf(path, sizeof path, "%s_output_0.pb", c->path);
    y = compare_output(c, m->cx, o, oq_runner_output(r, 0), path, 0);
  }
  free(x);
  return y;
}

/* ---- all cases -------------------------------------------------------------
 */
static void note(state *s, one_case *c, outcome y, unsigned *count) {
  const bool gap = is_gap(s, c->id);

  if (y == N_OUTCOMES) return; /* not asked for */
  count[y]++;
  s->passed += y == PASS;
  if (y == PASS && !c->loose) s->strict++;
  if (s->opt.verbose) {
    static const char *const word[] = {"pass", "FAIL", "not supported",
                                       "unreleased opset"};
    (void)printf("%-16s %s%s%s\n", word[y], c->id, c->why[0] ? ": " : "",
                 c->why);
  }
  if (y == FAIL && !gap) add_failure(s, c->id, c->why);
  if (y != FAIL && gap) {
    add_failure(s, c->id, "is listed as a gap but does not fail");
  }
}

static int by_name(const struct dirent **a, const struct dirent **b) {
  return strcmp((*a)->d_name, (*b)->d_name);
}

static int no_dots(const struct dirent *e) { return e->d_name[0] != '.'; }

static bool wanted(const state *s, const char *name) {
  return s->opt.pattern == NULL || oq_text_glob(s->opt.pattern, name);
}

static void print_counts(state *s, const char *kind, const unsigned *n) {
  (void)printf(
      "%-18s %5u pass (%u strictly) %4u fail %4u not supported %4u "
      "unreleased\n",
      kind, n[PASS], s->strict, n[FAIL], n[UNSUPPORTED], n[UNRELEASED]);
  s->strict = 0;
}

static void run_kind(state *s, const char *kind) {
  struct dirent **entry;
  unsigned count[N_OUTCOMES] = {0};
  char folder[320], model[700];
  int n;

  (void)snprintf(folder, sizeof folder, "%s/%s", s->opt.folder, kind);
  n = scandir(folder, &entry, no_dots, by_name);
  for (int i = 0; i < n; i++) {
    one_case c = {.why = ""};
    if (wanted(s, entry[i]->d_name)) {
      (void)snprintf(c.path, sizeof c.path, "%s/%.300s", folder,
                     entry[i]->d_name);
      (void)snprintf(c.id, sizeof c.id, "%.32s/%.200s", kind, entry[i]->d_name);
      (void)snprintf(model, sizeof model, "%s/model.onnx", c.path);
      note(s, &c, run_case(s, &c, model, run_sets), count);
    }
    free(entry[i]);
  }
  if (n >= 0) free(entry);
  print_counts(s, kind, count);
}

static void run_lights(state *s) {
  struct dirent **entry;
  unsigned count[N_OUTCOMES] = {0};
  char folder[320], model[800];
  const options was = s->opt;
  int n;

  (void)snprintf(folder, sizeof folder, "%s/light", s->opt.folder);
  n = scandir(folder, &entry, no_dots, by_name);
  for (int i = 0; i < n; i++) {
    one_case c = {.why = ""};
    char *dot = strstr(entry[i]->d_name, ".onnx");
    if (dot != NULL) {
      *dot = '\0';
      (void)snprintf(c.path, sizeof c.path, "%s/%.300s", folder,
                     entry[i]->d_name);
      (void)snprintf(c.id, sizeof c.id, "light/%.200s", entry[i]->d_name);
      (void)snprintf(model, sizeof model, "%s.onnx", c.path);
      /* Its data.json asks for no more. */
      if (strstr(model, "densenet") != NULL) s->opt.tol.rtol *= 2;
      if (wanted(s, entry[i]->d_name)) {
        note(s, &c, run_case(s, &c, model, run_light), count);
      }
      s->opt = was;
    }
    free(entry[i]);
  }
  if (n >= 0) free(entry);
  print_counts(s, "light", count);
}

static int most_first(const void *a, const void *b) {
  const tally *x = a, *y = b;

  if (x->count != y->count) return x->count < y->count ? 1 : -1;
  return strcmp(x->name, y->name);
}

static int report(state *s) {
  if (s->n_ops > 0) {
    qsort(s->ops, s->n_ops, sizeof *s->ops, most_first);
    (void)printf("not supported:");
    for (size_t i = 0; i < s->n_ops; i++) {
      (void)printf(" %s %u%s", s->ops[i].name, s->ops[i].count,
                   i + 1 < s->n_ops ? "," : "\n");
    }
  }
  for (size_t i = 0; i < s->n_failures; i++) {
    (void)printf("FAIL %s\n", s->failures[i]);
  }
  if (s->passed >= s->opt.least) return s->n_failures > 0;
  (void)printf("FAIL %lu cases pass, expected at least %lu\n", s->passed,
               s->opt.least);
  return 1;
}

static bool parse(options *o, int argc, char **argv) {
  *o = (options){.tol = {.rtol = 1e-3, .atol = 1e-5}};
  for (int i = 1; i < argc; i++) {
    const char *a = argv[i], *v = i + 1 < argc ? argv[i + 1] : "";
    if (strcmp(a, "--verbose") == 0) {
      o->verbose = true;
      continue;
    }
    if (a[0] != '-') {
      o->folder = a;
      continue;
    }
    i++;
    if (strcmp(a, "--gaps") == 0)
      o->gaps = v;
    else if (strcmp(a, "--kind") == 0)
      o->kind = v;
    else if (strcmp(a, "--case") == 0)
      o->pattern = v;
    else if (strcmp(a, "--ops") == 0)
      o->ops = v;
    else if (strcmp(a, "--atol") == 0)
      o->tol.atol = strtod(v, NULL);
    else if (strcmp(a, "--rtol") == 0)
      o->tol.rtol = strtod(v, NULL);
    else if (strcmp(a, "--steps") == 0)
      o->steps = strtod(v, NULL);
    else if (strcmp(a, "--limit") == 0)
      o->limit = strtod(v, NULL);
    else if (strcmp(a, "--least") == 0)
      o->least = strtoul(v, NULL, 10);
    else
      return false;
  }
  return o->folder != NULL;
}

int main(int argc, char **argv) {
  static const char *const kinds[] = {"node", "simple", "pytorch-operator",
                                      "pytorch-converted"};
  state s = {0};

  if (!parse(&s.opt, argc, argv)) {
    (void)fprintf(stderr, "usage: see the head of conformance.c\n");
    return 2;
  }
  if (!exists(s.opt.folder)) {
    (void)printf("skipped: no ONNX cases at '%s'\n", s.opt.folder);
    return SKIPPED;
  }
  if (s.opt.gaps != NULL) s.gaps = read_text(s.opt.gaps);
  const clock_t start = clock();
  for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
    if (s.opt.kind != NULL && strcmp(s.opt.kind, kinds[i]) != 0) continue;
    run_kind(&s, kinds[i]);
  }
  if (s.opt.kind == NULL || strcmp(s.opt.kind, "light") == 0) run_lights(&s);
  (void)printf(
      "%.1f s; strictly: within %g + %g of the value; slowest: %s, "
      "%.2f s\n",
      (double)(clock() - start) / CLOCKS_PER_SEC, strict.atol, strict.rtol,
      s.slowest_id, s.slowest);
  const int y = report(&s);
  for (size_t i = 0; i < s.n_failures; i++) free(s.failures[i]);
  free(s.failures);
  free(s.ops);
  free(s.gaps);
  return y;
}

/* quant_cases - small awkward models are quantized through the public API; what
 * comes out is checked here as far as a graph shows it, and saved for
 * onnxruntime to judge (ort_cases.py).
 *
 *   quant_cases CASES TO [NAME ...]
 */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"
#include "quant/case.h"
#include "quant/check.h"
#include "quant/save.h"

enum { MOST_CASES = 20000, EVALUATED = 3, LATER = 50 };

static const char *folder, *save_to;

/* ---- one quantization -------------------------------------------------- */
typedef struct bytes {
  uint8_t *p;
  size_t n;
} bytes;

typedef struct made {
  oq_context *cx;
  oq_model *model, *prepared, *quantized;
  oq_stats *stats;
  const oq_quantize_report *report;
  bytes float_bytes, bytes; /* of the prepared and of the quantized model */
} made;

static oq_status append(void *user, const void *p, size_t n) {
  bytes *const b = user;
  uint8_t *const more = realloc(b->p, b->n + n + 1);

  if (more == NULL) return OQ_E_MEMORY;
  memcpy(more + b->n, p, n);
  *b = (bytes){more, b->n + n};
  return OQ_OK;
}

static oq_status make(made *m, const test_case *c, const void *p, size_t n,
                      uint32_t threads, uint64_t stride) {
  case_source user = {c, stride, 0};
  const oq_source source = case_samples(&user, c->samples);
  oq_config config = OQ_CONFIG_INIT;
  oq_prepare_options prepare = OQ_PREPARE_OPTIONS_INIT;

  memset(m, 0, sizeof *m);
  config.threads = threads;
  prepare.skip_passes = c->skip;
  assert_int_equal(oq_context_create(&m->cx, &config), OQ_OK);
  OQ_TRY(oq_model_load_memory(&m->model, m->cx, p, n, NULL));
  OQ_TRY(oq_model_prepare(&m->prepared, m->model, &prepare));
  OQ_TRY(oq_calibrate(&m->stats, m->prepared, &source, NULL));
  OQ_TRY(oq_quantize(&m->quantized, &m->report, m->prepared, m->stats,
                     &c->options));
  OQ_TRY(oq_model_save_stream(m->prepared, append, &m->float_bytes));
  return oq_model_save_stream(m->quantized, append, &m->bytes);
}

static void unmake(made *m) {
  oq_model_destroy(m->quantized);
  oq_stats_destroy(m->stats);
  oq_model_destroy(m->prepared);
  oq_model_destroy(m->model);
  oq_context_destroy(m->cx);
  free(m->float_bytes.p);
  free(m->bytes.p);
}

static const oq_diag *last_finding(const made *m) {
  const size_t n = oq_context_diag_count(m->cx);

  return n > 0 ? oq_context_diag(m->cx, n - 1) : NULL;
}

static void must(oq_status s, const made *m) {
  const oq_diag *const d = last_finding(m);

  if (s != OQ_OK)
    print_error("%s: %s: %s\n", oq_status_name(s), d ? d->id : "?",
                d ? d->text : "?");
  assert_int_equal(s, OQ_OK);
}

/* ---- saving ------------------------------------------------------------ */
/* Runs the built-in engine on samples that calibration has not seen. */
static void save_runs(const test_case *c, made *m) {
  case_source user = {c, 1, LATER};
  const oq_source source = case_samples(&user, EVALUATED);
  const oq_model_info *info;
  oq_runner *runner;
  char ending[64];

  must(oq_model_describe(&info, m->quantized), m);
  must(oq_runner_create(&runner, m->quantized), m);
  for (uint64_t k = 0; k < EVALUATED; k++) {
    oq_tensor_view in[CASE_INPUTS];
    void *handle;

    assert_int_equal(source.read(&user, k, in, c->n_inputs, &handle), OQ_OK);
    must(oq_runner_run(runner, in, c->n_inputs), m);
    for (uint32_t i = 0; i < c->n_inputs; i++) {
      (void)snprintf(ending, sizeof ending, "in.%u.%u.npy", (unsigned)k, i);
      save_npy(save_to, c->name, ending, &in[i]);
    }
    for (uint32_t i = 0; i < info->n_outputs; i++) {
      (void)snprintf(ending, sizeof ending, "out.%u.%u.npy", (unsigned)k, i);
      save_npy(save_to, c->name, ending, oq_runner_output(runner, i));
    }
    if (k + 1 == EVALUATED)
      save_codes(save_to, c->name, m->quantized, in, c->n_inputs);
    source.release(&user, handle);
  }
  oq_runner_destroy(runner);
}

/* ---- what the report says ---------------------------------------------- */
static const oq_node_report *reported(const made *m, const char *glob) {
  for (size_t i = 0; i < m->report->n_nodes; i++)
    if (oq_text_glob(glob, m->report->nodes[i].name))
      return &m->report->nodes[i];
  print_error("no node %s in the report\n", glob);
  fail();
  return NULL;
}

static void expect(const test_case *c, const made *m) {
  for (const case_line *l = NULL; (l = case_next(c, "int8", l)) != NULL;)
    for (uint32_t i = 1; i < l->n; i++) {
      const oq_node_report *const n = reported(m, l->word[i]);
      if (!n->quantized) print_error("%s is float: %s\n", n->name, n->why);
      assert_true(n->quantized);
    }
  for (const case_line *l = NULL; (l = case_next(c, "float", l)) != NULL;) {
    const oq_node_report *const n = reported(m, l->word[1]);
    char why[512] = "";

    if (n->quantized) print_error("%s runs on integers\n", n->name);
    assert_false(n->quantized);
    for (uint32_t i = 2; i < l->n; i++) {
      (void)strncat(why, i > 2 ? " " : "", sizeof why - strlen(why) - 1);
      (void)strncat(why, l->word[i], sizeof why - strlen(why) - 1);
    }
    if (strncmp(n->why, why, strlen(why)) != 0)
      assert_string_equal(n->why, why);
  }
}

static void check_report(const oq_quantize_report *r) {
  size_t quantized = 0, eligible = 0;

  for (size_t i = 0; i < r->n_nodes; i++) {
    const oq_node_report *const n = &r->nodes[i];

    assert_non_null(n->why);
    assert_true(n->why[0] != '\0' && n->name[0] != '\0');
    assert_true(n->eligible || !n->quantized);
    quantized += n->quantized != 0;
    eligible += n->eligible != 0;
  }
  assert_int_equal(quantized, r->n_quantized);
  assert_int_equal(eligible, r->n_eligible);
  for (size_t i = 0; i < r->n_values; i++) {
    const oq_value_report *const v = &r->values[i];

    assert_true(v->scale > 0 && v->lo <= 0 && v->hi >= 0);
    assert_true(v->observed_lo <= v->observed_hi);
  }
  assert_true(r->weights_quantized <= r->weights_total);
}

/* ---- the same by other ways -------------------------------------------- */
static void expect_bytes(const test_case *c, const void *p, size_t n,
                         uint32_t threads, uint64_t stride, const made *like) {
  made m;

  must(make(&m, c, p, n, threads, stride), &m);
  assert_int_equal(m.bytes.n, like->bytes.n);
  assert_memory_equal(m.bytes.p, like->bytes.p, m.bytes.n);
  unmake(&m);
}

static void check_deterministic(const test_case *c, const void *p, size_t n,
                                const made *m) {
  static const uint32_t threads[] = {2, 3, 8};

  for (size_t i = 0; i < sizeof threads / sizeof threads[0]; i++)
    expect_bytes(c, p, n, threads[i], 1, m);
  expect_bytes(c, p, n, 1, c->samples - 1, m);
}

/* Names that sort in another order; globs like "*_name" still find them. */
static void rename_graph(oq_graph *g) {
  oq_model_ir *const m = g->model;
  char text[300];

  for (uint32_t i = 0; i < g->n_nodes; i++) {
    const char *const old = oq_names_text(m->names, g->nodes[i].name);
    if (old[0] == '\0') continue;
    (void)snprintf(text, sizeof text, "%03u_%s", 999 - i, old);
    assert_int_equal(oq_names_add_text(m->names, &g->nodes[i].name, text),
                     OQ_OK);
  }
  for (uint32_t v = 0; v < g->n_values; v++) {
    oq_name name;
    if (g->values[v].kind == OQ_VALUE_DEAD ||
        g->values[v].kind == OQ_VALUE_OUTER)
      continue;
    (void)snprintf(text, sizeof text, "%03u_%s", 999 - v,
                   oq_value_text(g, (oq_value_id){v}));
    assert_int_equal(oq_names_add_text(m->names, &name, text), OQ_OK);
    assert_int_equal(oq_edit_rename_value(g, (oq_value_id){v}, name), OQ_OK);
  }
}

/* An Identity before every input of a node that carries floats. */
static void insert_identities(oq_graph *g) {
  const uint32_t n_nodes = g->n_nodes;
  char text[64];

  for (uint32_t i = 0; i < n_nodes; i++)
    for (uint32_t k = 0; k < g->nodes[i].n_in; k++) {
      const oq_value_id v = g->nodes[i].in[k];
      oq_node_spec s = {.n_in = 1, .n_out = 1, .in = &v};
      oq_value_id y;
      oq_node_id node;
      oq_name name;

      if (!oq_value_ok(v) || g->values[v.i].kind == OQ_VALUE_CONST ||
          g->values[v.i].kind == OQ_VALUE_OUTER)
        continue;
      (void)snprintf(text, sizeof text, "same_%u_%u", i, k);
      assert_int_equal(oq_edit_fresh_name(g->model, &name, text), OQ_OK);
      assert_int_equal(oq_edit_add_value(g, &y, OQ_VALUE_RESULT, name, NULL),
                       OQ_OK);
      s.out = &y;
      assert_int_equal(oq_names_add_text(g->model->names, &s.op, "Identity"),
                       OQ_OK);
      assert_int_equal(oq_edit_add_node(g, &node, &s), OQ_OK);
      assert_int_equal(oq_edit_set_input(g, (oq_node_id){i}, k, y), OQ_OK);
    }
}

static void check_changed(const char *name, const made *like,
                          void (*change)(oq_graph *g)) {
  const oq_scope *scope;
  uint32_t n_scopes;
  test_case c;
  read_back a, b;
  made m;
  size_t n;

  case_open(&c, folder, name);
  oq_arena *const a_model = c.model.b.ir->arena;
  assert_int_equal(
      oq_walk_scopes(&scope, &n_scopes, c.model.b.ir->main, a_model), OQ_OK);
  for (uint32_t i = 0; i < n_scopes; i++) change(scope[i].graph);
  void *const p = case_bytes(&c, &n);
  must(make(&m, &c, p, n, 1, 1), &m);
  read_back_open(&a, like->bytes.p, like->bytes.n);
  read_back_open(&b, m.bytes.p, m.bytes.n);
  check_same_but_names(&a, &b);
  read_back_close(&a);
  read_back_close(&b);
  unmake(&m);
  free(p);
  case_close(&c);
}

/* ---- cases ------------------------------------------------------------- */
static void check_refused(const test_case *c, const void *p, size_t n) {
  made m;
  const oq_status s = make(&m, c, p, n, 1, 1);

  assert_int_not_equal(s, OQ_OK);
  assert_non_null(last_finding(&m));
  assert_string_equal(last_finding(&m)->id,
                      case_next(c, "refused", NULL)->word[1]);
  assert_int_equal(last_finding(&m)->status, s);
  assert_null(m.quantized);
  unmake(&m);
}

static void check_gone(const oq_graph *g, const char *name) {
  for (uint32_t i = 0; i < g->n_nodes; i++)
    assert_string_not_equal(oq_node_text(g, (oq_node_id){i}), name);
}

static void check_graphs(const test_case *c, const void *p, size_t n,
                         const made *m) {
  read_back before, prepared, after;

  read_back_open(&before, p, n);
  read_back_open(&prepared, m->float_bytes.p, m->float_bytes.n);
  read_back_open(&after, m->bytes.p, m->bytes.n);
  check_ports(&before, &after);
  check_names(&prepared, &after);
  check_linears(&after);
  check_biases(&after);
  check_size(&prepared, &after);
  for (const case_line *l = NULL; (l = case_next(c, "gone", l)) != NULL;)
    for (uint32_t i = 0; i < after.n_scopes; i++)
      check_gone(after.scope[i].graph, l->word[1]);
  read_back_close(&before);
  read_back_close(&prepared);
  read_back_close(&after);
}

static void check_case(const test_case *c, const void *p, size_t n) {
  made m;
  const oq_status s = make(&m, c, p, n, 1, 1);

  if (s == OQ_E_UNSUPPORTED && case_next(c, "may_refuse", NULL) != NULL) {
    assert_string_equal(last_finding(&m)->id, "model.nothing");
    unmake(&m);
    return;
  }
  must(s, &m);
  expect(c, &m);
  check_report(m.report);
  save_bytes(save_to, c->name, "float.onnx", p, n);
  save_bytes(save_to, c->name, "quant.onnx", m.bytes.p, m.bytes.n);
  save_plan(save_to, c->name, m.report);
  save_runs(c, &m);
  check_graphs(c, p, n, &m);
  check_deterministic(c, p, n, &m);
  check_changed(c->name, &m, rename_graph);
  check_changed(c->name, &m, insert_identities);
  unmake(&m);
}

static void test_one(void **state) {
  test_case c;
  size_t n;

  case_open(&c, folder, *state);
  void *const p = case_bytes(&c, &n);
  if (case_next(&c, "refused", NULL) != NULL)
    check_refused(&c, p, n);
  else
    check_case(&c, p, n);
  free(p);
  case_close(&c);
}

static struct CMUnitTest tests[MOST_CASES];
static size_t n_tests;

static int by_name(const void *a, const void *b) {
  const struct CMUnitTest *const x = a, *const y = b;

  return strcmp(x->name, y->name);
}

static void add_case(const char *name) {
  char *const copy = strdup(name);

  if (copy == NULL || n_tests == MOST_CASES) exit(2);
  tests[n_tests++] = (struct CMUnitTest){copy, test_one, NULL, NULL, copy};
}

static void list_cases(void) {
  DIR *const d = opendir(folder);
  const struct dirent *e;
  char name[256];

  while (d != NULL && (e = readdir(d)) != NULL) {
    const size_t n = strlen(e->d_name);
    if (n < 6 || n > 255 || strcmp(e->d_name + n - 5, ".case") != 0) continue;
    memcpy(name, e->d_name, n - 5);
    name[n - 5] = '\0';
    add_case(name);
  }
  if (d != NULL) (void)closedir(d);
  qsort(tests, n_tests, sizeof tests[0], by_name);
}

int main(int argc, char **argv) {
  if (argc < 3) return 2;
  folder = argv[1];
  save_to = argv[2];
  for (int i = 3; i < argc; i++) add_case(argv[i]);
  if (argc == 3) list_cases();
  if (n_tests == 0) {
    (void)printf("SKIPPED: no cases in %s\n", folder);
    return 77;
  }
  const int failed =
      _cmocka_run_group_tests("quant", tests, n_tests, NULL, NULL);
  for (size_t i = 0; i < n_tests; i++) free(tests[i].initial_state);
  return failed;
}

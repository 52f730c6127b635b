/* Real models compute the same after the passes as before. */
#include <dirent.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "exec/exec.h"
#include "onnx/codec.h"
#include "pass/pass.h"
#include "support/close.h"
#include "support/env.h"

enum { MOST = 64 };

/* Sizes that a model leaves open, and integers below which it is fed; the first
 * pair it can be run with counts. */
typedef struct guess {
  int64_t size;
  double below;
} guess;
static const guess guesses[] = {{1, 4}, {1, 1}, {8, 1}, {576, 1}};

static oq_status make_inputs(oq_ctensor *in, const oq_graph *g,
                             const oq_value_id *feeds, uint32_t n, guess how,
                             const oq_env *e) {
  for (uint32_t i = 0; i < n; i++) {
    const oq_type *type = oq_graph_value(g, feeds[i])->type;
    oq_shape s = {.rank = type->rank};
    oq_tensor t;
    for (uint32_t d = 0; d < s.rank; d++)
      s.dim[d] = type->dim[d].size >= 0 ? type->dim[d].size : how.size;
    if (oq_tensor_make(&t, type->dtype, &s, e->scratch) != OQ_OK)
      return OQ_E_UNSUPPORTED;
    in[i] = oq_tensor_const(&t);
    for (size_t k = 0, count = oq_tensor_count(&in[i]); k < count; k++) {
      const double u = oq_rng_uniform(i, k);
      if (oq_dtype_is_float((int32_t)t.dtype)) {
        oq_element_set_f64(&t, k, 2 * u - 1);
      } else {
        oq_element_set_i64(&t, k, (int64_t)(u * how.below));
      }
    }
  }
  return OQ_OK;
}

static oq_status run(oq_ctensor *out, oq_model_ir *m, const oq_ctensor *in,
                     uint32_t n_in, const oq_env *e) {
  const oq_graph *g = m->main;
  oq_session *s = NULL;
  oq_plan *p;

  OQ_TRY(oq_ops_bind(m, e));
  OQ_TRY(oq_plan_create(&p, g, NULL, e));
  oq_status st = oq_session_create(&s, p, e);
  if (st == OQ_OK) st = oq_session_run(s, in, n_in, NULL, e);
  for (uint32_t i = 0; st == OQ_OK && i < g->n_outputs; i++) {
    const oq_ctensor *t = oq_session_value(s, g->outputs[i]);
    out[i] = *t;
    out[i].data = oq_arena_copy(e->scratch, t->data, t->size, OQ_ALIGN);
    if (out[i].data == NULL) st = OQ_E_MEMORY;
  }
  oq_session_destroy(s);
  oq_plan_destroy(p);
  return st;
}

static double greatest(const oq_ctensor *t) {
  double m = 0;

  for (size_t i = 0, n = oq_tensor_count(t); i < n; i++)
    m = fmax(m, fabs(oq_element_f64(t, i)));
  return m;
}

/* Of a whole network, so relative to the greatest number of the output.  Layers
 * that a pass has split run on other kernels, which add up in another order. */
static void compare(const char *name, const oq_ctensor *a, const oq_ctensor *b,
                    uint32_t n) {
  double worst = 0;

  for (uint32_t i = 0; i < n; i++) {
    const double scale = greatest(&a[i]);
    const double rtol = a[i].dtype == OQ_DT_F16 ? 2e-2 : 5e-5;
    difference d;
    if (!values_close(&d, &b[i], &a[i], (tolerance){rtol, rtol * scale})) {
      print_error("%s: output %u: %s\n", name, i, d.text);
      fail();
    }
    if (scale > 0) worst = fmax(worst, d.max_abs / scale);
  }
  print_message("%s: largest difference %.2g of the largest number\n", name,
                worst);
}

static oq_status run_somehow(oq_ctensor *in, oq_ctensor *out, oq_model_ir *m,
                             const oq_value_id *feeds, uint32_t n,
                             const oq_env *e) {
  oq_status s = OQ_E_UNSUPPORTED;

  for (size_t i = 0; s != OQ_OK && i < sizeof guesses / sizeof guesses[0];
       i++) {
    s = make_inputs(in, m->main, feeds, n, guesses[i], e);
    if (s == OQ_OK) s = run(out, m, in, n, e);
  }
  return s;
}

static bool check(const char *name, oq_model_ir *m, const test_env *t) {
  oq_ctensor in[MOST], a[MOST], b[MOST];
  const oq_value_id *feeds;
  oq_model_ir *after;
  uint32_t n;

  assert_int_equal(oq_graph_feeds(&feeds, &n, m->main, t->scratch), OQ_OK);
  assert_true(n <= MOST && m->main->n_outputs <= MOST);
  if (run_somehow(in, a, m, feeds, n, &t->e) != OQ_OK) {
    print_message("%s: skipped, cannot be run on made inputs (%s)\n", name,
                  test_env_last(t));
    return false;
  }
  assert_int_equal(oq_ir_clone(&after, m, &t->e), OQ_OK);
  assert_int_equal(oq_passes_run(after, NULL, NULL, &t->e), OQ_OK);
  assert_int_equal(after->main->n_outputs, m->main->n_outputs);
  assert_int_equal(run(b, after, in, n, &t->e), OQ_OK);
  compare(name, a, b, m->main->n_outputs);
  oq_ir_destroy(after);
  return true;
}

static bool check_file(const char *folder, const char *name) {
  char path[1024];
  test_env t;
  oq_store *file;
  oq_model_ir *m;

  (void)snprintf(path, sizeof path, "%s/%s", folder, name);
  assert_true(test_env_open(&t, NULL));
  assert_int_equal(oq_store_map(&file, path, UINT64_MAX, t.e.alloc, t.e.diags),
                   OQ_OK);
  assert_int_equal(oq_onnx_decode(&m, file, folder, &t.e), OQ_OK);
  const bool ran = check(name, m, &t);
  oq_ir_destroy(m);
  oq_store_unref(file);
  test_env_close(&t);
  return ran;
}

static int is_model(const struct dirent *d) {
  const char *dot = strrchr(d->d_name, '.');

  return dot != NULL && strcmp(dot, ".onnx") == 0;
}

static uint32_t check_folder(const char *folder) {
  struct dirent **list;
  const int n = scandir(folder, &list, is_model, alphasort);
  uint32_t ran = 0;

  for (int i = 0; i < n; i++) {
    ran += check_file(folder, list[i]->d_name);
    free(list[i]);
  }
  if (n >= 0) free(list);
  return n < 0 ? OQ_NONE : ran;
}

static void models_stay_what_they_are(void **state) {
  const uint32_t ran = check_folder(ONNXQUANT_SHARED "/models");

  (void)state;
  if (ran == OQ_NONE) {
    print_message("skipped: there is no " ONNXQUANT_SHARED "/models\n");
    skip();
  }
  assert_true(ran > 0);
}

static void odd_models_too(void **state) {
  const uint32_t ran = check_folder(ONNXQUANT_SHARED "/models/edge");

  (void)state;
  if (ran == OQ_NONE) {
    print_message("skipped: there is no " ONNXQUANT_SHARED "/models/edge\n");
    skip();
  }
  assert_true(ran > 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(models_stay_what_they_are),
      cmocka_unit_test(odd_models_too),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

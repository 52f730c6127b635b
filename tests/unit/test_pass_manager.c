/* Passes as a whole: options, order, findings, memory, time. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "pass/pass.h"
#include "support/build.h"
#include "support/env.h"

typedef struct fixture {
  test_env t;
  build b;
  oq_pass_report r;
} fixture;

static void open_at(fixture *f, int64_t opset) {
  memset(f, 0, sizeof *f);
  assert_true(test_env_open(&f->t, NULL));
  build_open(&f->b, &f->t.e, opset);
}

static void close_all(fixture *f) {
  build_close(&f->b);
  test_env_close(&f->t);
}

static oq_status run(fixture *f, const oq_pass_options *o) {
  assert_int_equal(f->b.status, OQ_OK);
  return oq_passes_run(f->b.ir, o, &f->r, &f->t.e);
}

static int64_t opset(const fixture *f) {
  return oq_ir_opset(f->b.ir, (oq_name){0});
}

static uint32_t living(const fixture *f) {
  uint32_t n = 0;

  for (uint32_t i = 0; i < f->b.g->n_nodes; i++) n += !f->b.g->nodes[i].dead;
  return n;
}

static uint32_t changed_by(const fixture *f, const char *pass) {
  uint32_t n;
  const oq_pass *list = oq_pass_list(&n);

  for (uint32_t i = 0; i < n; i++)
    if (strcmp(list[i].name, pass) == 0) return f->r.changed[i];
  fail();
  return 0;
}

static bool was_said(const fixture *f, const char *id, const char *text) {
  for (size_t i = 0; i < oq_diags_count(f->t.diags); i++) {
    const oq_diag *d = oq_diags_at(f->t.diags, i);
    if (strcmp(d->id, id) == 0 && strstr(d->text, text) != NULL) return true;
  }
  return false;
}

static void small_network(build *b) {
  static const float w[2 * 3] = {1, 2, 3, 4, 5, 6};
  static const float k[2] = {2, 0.5f};

  build_input(b, "x", OQ_DT_F32, "N,3,8");
  build_const_f32(b, "w", "2,3,1", w);
  build_const_f32(b, "k", "2,1", k);
  build_node(b, "Identity", "x", "i", "");
  build_node(b, "Conv", "i w", "c", "");
  build_node(b, "Mul", "c k", "m", "");
  build_node(b, "Relu", "m", "r", "");
  build_node(b, "Softmax", "r", "y", "axis=2");
  build_output(b, "y");
}

/* ---- options --------------------------------------------------------------
 */
static void names_are_listed(void **state) {
  static const char *const skip[] = {"fold_pad", "fold_nothing", NULL};
  const oq_pass_options o = {.skip = skip};
  fixture f;

  (void)state;
  open_at(&f, 12);
  small_network(&f.b);
  assert_int_equal(run(&f, &o), OQ_E_ARGUMENT);
  assert_string_equal(test_env_last(&f.t), "pass.name");
  assert_true(was_said(&f, "pass.name", "'fold_nothing'"));
  assert_true(was_said(&f, "pass.name", "unlist_constants, raise_opset, "));
  assert_int_equal(opset(&f), 12);
  close_all(&f);
}

static void skipped_passes_do_nothing(void **state) {
  static const char *const skip[] = {"raise_opset", "drop_identity", NULL};
  const oq_pass_options o = {.skip = skip};
  fixture f;

  (void)state;
  open_at(&f, 12);
  small_network(&f.b);
  assert_int_equal(run(&f, &o), OQ_OK);
  assert_int_equal(opset(&f), 12);
  assert_int_equal(changed_by(&f, "drop_identity"), 0);
  assert_int_equal(changed_by(&f, "fold_batchnorm"), 1);
  assert_int_equal(living(&f), 4);
  close_all(&f);
}

static void all_of_them(void **state) {
  fixture f;

  (void)state;
  open_at(&f, 12);
  small_network(&f.b);
  assert_int_equal(run(&f, NULL), OQ_OK);
  assert_int_equal(living(&f), 3);
  assert_int_equal(f.r.opset_before, 12);
  assert_int_equal(f.r.opset_after, 13);
  assert_int_equal(changed_by(&f, "drop_identity"), 1);
  for (uint32_t i = 0; i < f.b.g->n_nodes; i++)
    assert_true(f.b.g->nodes[i].dead || f.b.g->nodes[i].def != NULL);
  /* Once more finds nothing to do. */
  assert_int_equal(run(&f, NULL), OQ_OK);
  for (uint32_t i = 0; i < OQ_PASS_MAX; i++)
    assert_int_equal(f.r.changed[i], 0);
  close_all(&f);
}

/* ---- opsets ---------------------------------------------------------------
 */
static void opsets_have_ends(void **state) {
  oq_pass_options o = {.opset = OQ_OPSET_NEWEST + 1};
  fixture f;

  (void)state;
  open_at(&f, 12);
  small_network(&f.b);
  assert_int_equal(run(&f, &o), OQ_E_ARGUMENT);
  assert_string_equal(test_env_last(&f.t), "opset.newest");
  o.opset = OQ_OPSET_NEWEST;
  assert_int_equal(run(&f, &o), OQ_OK);
  assert_int_equal(opset(&f), OQ_OPSET_NEWEST);
  assert_int_equal(f.b.ir->ir_version, 13);
  close_all(&f);

  open_at(&f, 6);
  build_input(&f.b, "x", OQ_DT_F32, "3");
  build_node(&f.b, "Relu", "x", "y", "");
  build_output(&f.b, "y");
  assert_int_equal(run(&f, NULL), OQ_E_UNSUPPORTED);
  assert_string_equal(test_env_last(&f.t), "opset.old");
  close_all(&f);
}

static void newer_models_stay(void **state) {
  const oq_pass_options o = {.opset = 15};
  fixture f;

  (void)state;
  open_at(&f, 17);
  small_network(&f.b);
  f.b.ir->ir_version = 8;
  assert_int_equal(run(&f, &o), OQ_OK);
  assert_int_equal(opset(&f), 17);
  assert_int_equal(f.b.ir->ir_version, 8);
  close_all(&f);
}

static void ir_version_follows(void **state) {
  static const int64_t want[][2] = {{8, 3},   {9, 4},   {10, 5},  {11, 6},
                                    {12, 7},  {14, 7},  {15, 8},  {18, 8},
                                    {19, 9},  {20, 9},  {21, 10}, {22, 10},
                                    {23, 11}, {24, 12}, {25, 13}, {27, 13}};
  fixture f;

  (void)state;
  for (size_t i = 0; i < sizeof want / sizeof want[0]; i++)
    assert_int_equal(oq_pass_ir_version(want[i][0]), want[i][1]);
  open_at(&f, 12);
  small_network(&f.b);
  f.b.ir->ir_version = 6;
  assert_int_equal(run(&f, NULL), OQ_OK);
  assert_int_equal(f.b.ir->ir_version, 7);
  close_all(&f);
}

/* An operator of nobody keeps the whole model where it is. */
static void unknown_operators_hold(void **state) {
  fixture f;

  (void)state;
  open_at(&f, 11);
  small_network(&f.b);
  build_node(&f.b, "ScaledTanh", "y", "z", "");
  build_output(&f.b, "z");
  assert_int_equal(run(&f, NULL), OQ_OK);
  assert_int_equal(opset(&f), 11);
  assert_true(was_said(&f, "opset.held", "ScaledTanh"));
  close_all(&f);
}

/* Operators of other domains have opsets of their own. */
static void other_domains_do_not(void **state) {
  fixture f;

  (void)state;
  open_at(&f, 11);
  build_opset(&f.b, "com.example", 1);
  small_network(&f.b);
  build_node(&f.b, "com.example:Crop", "y", "z", "");
  build_output(&f.b, "z");
  assert_int_equal(run(&f, NULL), OQ_OK);
  assert_int_equal(opset(&f), 13);
  close_all(&f);
}

/* spatial=0 cannot be said from opset 9 on. */
static void nodes_hold(void **state) {
  static const float v[24] = {1};
  fixture f;

  (void)state;
  open_at(&f, 7);
  build_input(&f.b, "x", OQ_DT_F32, "1,4,6");
  build_const_f32(&f.b, "v", "4,6", v);
  build_node(&f.b, "Dropout", "x", "d", "");
  build_node(&f.b, "BatchNormalization", "d v v v v", "y", "spatial=0");
  build_output(&f.b, "y");
  assert_int_equal(run(&f, NULL), OQ_OK);
  assert_int_equal(opset(&f), 8);
  assert_true(was_said(&f, "opset.held", "BatchNormalization"));
  close_all(&f);
}

/* A bound of no number. */
static void wrong_types_hold(void **state) {
  fixture f;

  (void)state;
  open_at(&f, 9);
  build_input(&f.b, "x", OQ_DT_C64, "3");
  build_node(&f.b, "Clip", "x", "y", "min=0.5");
  build_output(&f.b, "y");
  assert_int_equal(run(&f, NULL), OQ_OK);
  assert_int_equal(opset(&f), 10);
  assert_true(was_said(&f, "opset.held", "Clip"));
  close_all(&f);
}

/* A model before IR version 4 gets initializers that are no inputs. */
static void new_constants_need_ir_4(void **state) {
  static const char *const skip[] = {"raise_opset", NULL};
  const oq_pass_options o = {.skip = skip};
  fixture f;

  (void)state;
  open_at(&f, 8);
  f.b.ir->ir_version = 3;
  build_input(&f.b, "x", OQ_DT_F32, "N,3");
  build_node(&f.b, "Shape", "x", "s", "");
  build_node(&f.b, "ConstantOfShape", "s", "y", "");
  build_output(&f.b, "y");
  assert_int_equal(run(&f, &o), OQ_OK);
  assert_int_equal(f.b.ir->ir_version, 3); /* nothing was added */
  close_all(&f);

  open_at(&f, 8);
  f.b.ir->ir_version = 3;
  small_network(&f.b);
  assert_int_equal(run(&f, &o), OQ_OK);
  assert_int_equal(f.b.ir->ir_version, 4);
  close_all(&f);
}

static void functions_hold(void **state) {
  static const oq_name function[2];
  fixture f;

  (void)state;
  open_at(&f, 12);
  small_network(&f.b);
  f.b.ir->functions = function;
  f.b.ir->n_functions = 1;
  assert_int_equal(run(&f, NULL), OQ_OK);
  assert_int_equal(opset(&f), 12);
  assert_true(was_said(&f, "opset.functions", "local functions"));
  close_all(&f);
}

/* A kernel that refuses is a note; the node stays. */
static void what_fails_stays(void **state) {
  static const int64_t i[1] = {7}, d[3] = {1, 2, 3};
  fixture f;

  (void)state;
  open_at(&f, 13);
  build_input(&f.b, "x", OQ_DT_I64, "1");
  build_const_i64(&f.b, "d", "3", d);
  build_const_i64(&f.b, "i", "1", i);
  build_node(&f.b, "Gather", "d i", "g", ""); /* beyond the end */
  build_node(&f.b, "Add", "x g", "y", "");
  build_output(&f.b, "y");
  assert_int_equal(run(&f, NULL), OQ_OK);
  assert_int_equal(living(&f), 2);
  assert_true(was_said(&f, "fold.failed", "cannot be computed"));
  close_all(&f);
}

/* ---- memory, time ---------------------------------------------------------
 */
static oq_status under(const oq_allocator *a, void *user) {
  test_env t;
  build b;
  oq_status s;

  (void)user;
  if (!test_env_open(&t, a)) return OQ_E_MEMORY;
  build_open(&b, &t.e, 9);
  small_network(&b);
  s = b.status;
  if (s == OQ_OK) s = oq_passes_run(b.ir, NULL, NULL, &t.e);
  if (s == OQ_E_MEMORY) assert_true(oq_diags_count(t.diags) > 0 || b.status);
  build_close(&b);
  test_env_close(&t);
  return s;
}

static void memory_may_end_anywhere(void **state) {
  (void)state;
  assert_true(survive_every_allocation(under, NULL) > 20);
}

static oq_value_id add(fixture *f, const char *op, oq_value_id a,
                       oq_value_id b) {
  oq_graph *g = f->b.g;
  oq_value_id y = {OQ_NONE};
  const oq_value_id in[2] = {a, b};
  oq_node_spec s = {
      .in = in, .n_in = oq_value_ok(b) ? 2 : 1, .out = &y, .n_out = 1};
  oq_node_id id;
  oq_name name;

  assert_int_equal(oq_edit_fresh_name(f->b.ir, &name, op), OQ_OK);
  assert_int_equal(oq_edit_add_value(g, &y, OQ_VALUE_RESULT, name, NULL),
                   OQ_OK);
  assert_int_equal(oq_names_add_text(f->b.ir->names, &s.op, op), OQ_OK);
  assert_int_equal(oq_edit_add_node(g, &id, &s), OQ_OK);
  return y;
}

/* 10^5 nodes of every sort in seconds, sanitizers and all: nothing may look at
 * the whole graph for each node. */
static void time_is_linear(void **state) {
  static const float w[4] = {1, 0.5f, 0.25f, 2}, k[2] = {2, 0.5f};
  const oq_value_id none = {OQ_NONE};
  const clock_t start = clock();
  fixture f;

  (void)state;
  open_at(&f, 11);
  oq_value_id v = build_input(&f.b, "x", OQ_DT_F32, "1,2,4");
  const oq_value_id weight = build_const_f32(&f.b, "w", "2,2,1", w);
  const oq_value_id factor = build_const_f32(&f.b, "k", "2,1", k);
  for (uint32_t i = 0; i < 12500; i++) {
    v = add(&f, "Conv", v, weight);
    v = add(&f, "Identity", v, none);
    v = add(&f, "Mul", v, add(&f, "Neg", factor, none));
    v = add(&f, "Relu", v, none);
    v = add(&f, "Relu", v, none);
    v = add(&f, "Softmax", v, none);
    v = add(&f, "Identity", v, none);
  }
  assert_int_equal(oq_edit_add_output(f.b.g, v), OQ_OK);
  assert_int_equal(run(&f, NULL), OQ_OK);
  assert_int_equal(changed_by(&f, "fold_batchnorm"), 12500);
  assert_int_equal(changed_by(&f, "merge_clamp"), 12500);
  close_all(&f);
  assert_true((double)(clock() - start) / CLOCKS_PER_SEC < 60);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(names_are_listed),
      cmocka_unit_test(skipped_passes_do_nothing),
      cmocka_unit_test(all_of_them),
      cmocka_unit_test(opsets_have_ends),
      cmocka_unit_test(newer_models_stay),
      cmocka_unit_test(ir_version_follows),
      cmocka_unit_test(unknown_operators_hold),
      cmocka_unit_test(other_domains_do_not),
      cmocka_unit_test(nodes_hold),
      cmocka_unit_test(wrong_types_hold),
      cmocka_unit_test(new_constants_need_ir_4),
      cmocka_unit_test(functions_hold),
      cmocka_unit_test(what_fails_stays),
      cmocka_unit_test(memory_may_end_anywhere),
      cmocka_unit_test(time_is_linear),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Statistics of values in bodies, and what is decided over all graphs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "quant/quant.h"
#include "support/build.h"
#include "support/env.h"

typedef struct fixture {
  test_env env;
  build b;
  float x[4][2]; /* samples */
  bool choice[4];
  uint32_t n_inputs;
} fixture;

static int setup(void **state) {
  fixture *const f = calloc(1, sizeof *f);

  assert_non_null(f);
  assert_true(test_env_open(&f->env, NULL));
  build_open(&f->b, &f->env.e, 13);
  *state = f;
  return 0;
}

static int teardown(void **state) {
  fixture *const f = *state;

  build_close(&f->b);
  test_env_close(&f->env);
  free(f);
  return 0;
}

static void ready(fixture *f) {
  build_bind(&f->b);
  if (f->b.status != OQ_OK) test_env_show(&f->env);
  assert_int_equal(f->b.status, OQ_OK);
}

/* ---- models ------------------------------------------------------------ */
/* Three turns of s = s + s; Relu sees the state before. */
static void doubling(fixture *f) {
  static const int64_t three = 3;
  static const bool on = true;
  build *const b = &f->b;

  build_input(b, "x", OQ_DT_F32, "2");
  build_const_i64(b, "trips", "", &three);
  build_const(b, "on", OQ_DT_BOOL, "", &on);
  build_body(b, "turn");
  build_input(b, "i", OQ_DT_I64, "");
  build_input(b, "go", OQ_DT_BOOL, "");
  build_input(b, "s", OQ_DT_F32, "2");
  build_node(b, "Identity", "go", "again", "");
  build_node(b, "Add", "s s", "t", "");
  build_node(b, "Relu", "s", "r", "");
  build_output(b, "again");
  build_output(b, "t");
  build_output(b, "r");
  build_body_end(b);
  build_node(b, "Loop", "trips on x", "y z", "body=@turn");
  build_output(b, "y");
  f->n_inputs = 1;
  ready(f);
}

/* Both branches call their value t; `extra` is a value of the main graph. */
static void branches(fixture *f, const char *extra) {
  build *const b = &f->b;

  build_input(b, "x", OQ_DT_F32, "2");
  build_input(b, "choice", OQ_DT_BOOL, "");
  build_node(b, "Relu", "x", extra, "");
  build_body(b, "yes");
  build_node(b, "Add", "x x", "t", "");
  build_output(b, "t");
  build_body_end(b);
  build_body(b, "no");
  build_node(b, "Sigmoid", "x", "t", "");
  build_output(b, "t");
  build_body_end(b);
  build_node(b, "If", "choice", "y", "then_branch=@yes else_branch=@no");
  build_output(b, "y");
  build_output(b, extra);
  f->n_inputs = 2;
  ready(f);
}

/* ---- running ----------------------------------------------------------- */
static oq_status read_sample(void *user, uint64_t index, oq_tensor_view *inputs,
                             size_t n, void **handle) {
  const fixture *const f = user;

  *handle = NULL;
  inputs[0] = (oq_tensor_view){.dtype = OQ_DT_F32,
                               .rank = 1,
                               .dim = {2},
                               .data = f->x[index],
                               .size = 8};
  if (n > 1)
    inputs[1] = (oq_tensor_view){
        .dtype = OQ_DT_BOOL, .data = &f->choice[index], .size = 1};
  return OQ_OK;
}

static oq_stats_core *observe(fixture *f, uint64_t samples, uint32_t threads) {
  const oq_source source = {.count = samples, .read = read_sample, .user = f};
  oq_graph *const main = f->b.ir->main;
  oq_stats_core *s;
  oq_observed seen;

  assert_int_equal(oq_calib_observed(&seen, main, f->b.ir->arena, &f->env.e),
                   OQ_OK);
  assert_int_equal(oq_stats_core_create(&s, seen.keys, seen.axes, seen.n, "",
                                        "", false, f->env.e.alloc),
                   OQ_OK);
  oq_env e = f->env.e;
  assert_int_equal(oq_pool_create(&e.pool, threads, e.alloc), OQ_OK);
  const oq_status status = oq_calib_run(s, main, &source, NULL, &e);
  oq_pool_destroy(e.pool);
  if (status != OQ_OK) test_env_show(&f->env);
  assert_int_equal(status, OQ_OK);
  return s;
}

static void expect(const oq_stats_core *s, const char *key, uint64_t fed,
                   float lo, float hi) {
  const oq_stats_entry *const e = oq_stats_find(s, key);

  if (e == NULL) print_error("no statistics of %s\n", key);
  assert_non_null(e);
  assert_int_equal(e->fed, fed);
  if (fed == 0) {
    assert_false(oq_record_usable(&e->record));
    return;
  }
  assert_true(e->record.lo == lo);
  assert_true(e->record.hi == hi);
}

/* ---- tests ------------------------------------------------------------- */
static void every_turn_counts(void **state) {
  fixture *const f = *state;

  doubling(f);
  memcpy(f->x, (float[4][2]){{-1, 3}, {0.5f, 1}}, sizeof f->x);
  oq_stats_core *const s = observe(f, 2, 1);
  expect(s, "y/body/s", 6, -4, 12); /* x, 2x, 4x */
  expect(s, "y/body/t", 6, -8, 24);
  expect(s, "y/body/r", 6, 0, 12);
  assert_null(oq_stats_find(s, "s"));
  oq_stats_core_destroy(s);
}

static void branches_apart(void **state) {
  fixture *const f = *state;

  branches(f, "r");
  memcpy(f->x, (float[4][2]){{-1, 3}, {0, 0}, {1, 2}}, sizeof f->x);
  memcpy(f->choice, (bool[4]){true, false, true}, sizeof f->choice);
  oq_stats_core *const s = observe(f, 3, 1);
  expect(s, "x", 3, -1, 3);
  expect(s, "y/then_branch/t", 2, -2, 6);
  expect(s, "y/else_branch/t", 1, 0.5f, 0.5f);
  oq_stats_core_destroy(s);
}

static void branch_never_taken(void **state) {
  fixture *const f = *state;

  branches(f, "r");
  memcpy(f->x, (float[4][2]){{-1, 3}}, sizeof f->x);
  f->choice[0] = true;
  oq_stats_core *const s = observe(f, 1, 1);
  expect(s, "y/then_branch/t", 1, -2, 6);
  expect(s, "y/else_branch/t", 0, 0, 0);
  oq_stats_core_destroy(s);
}

/* A value of the main graph keeps its name, whatever that is. */
static void keys_do_not_collide(void **state) {
  fixture *const f = *state;
  oq_keyed k;

  branches(f, "y/then_branch/t");
  assert_int_equal(oq_calib_keys(&k, f->b.ir->main, f->b.ir->arena, &f->env.e),
                   OQ_OK);
  assert_int_equal(k.n, 3);
  const oq_value_id outside = build_find(&f->b, "y/then_branch/t");
  const oq_value_id x = build_find(&f->b, "x");
  assert_string_equal(k.key[0][outside.i], "y/then_branch/t");
  for (uint32_t s = 1; s < 3; s++) {
    const oq_graph *const g = k.scope[s].graph;

    assert_string_equal(k.scope[s].path,
                        s == 1 ? "y/then_branch/" : "y/else_branch/");
    assert_string_equal(k.key[s][g->outputs[0].i],
                        s == 1 ? "y/then_branch/t#2" : "y/else_branch/t");
    for (uint32_t v = 0; v < g->n_values; v++)
      if (g->values[v].kind == OQ_VALUE_OUTER)
        assert_ptr_equal(k.key[s][v], k.key[0][x.i]);
  }
}

static void same_for_threads(void **state) {
  fixture *const f = *state;
  oq_stats_core *one, *some;

  doubling(f);
  memcpy(f->x, (float[4][2]){{-1, 3}, {0.5f, 1}, {-7, 2}, {0, 9}}, sizeof f->x);
  one = observe(f, 4, 1);
  some = observe(f, 4, 3);
  assert_int_equal(one->n_entries, some->n_entries);
  for (uint32_t i = 0; i < one->n_entries; i++)
    expect(some, one->entries[i].name, one->entries[i].fed,
           one->entries[i].record.lo, one->entries[i].record.hi);
  oq_stats_core_destroy(one);
  oq_stats_core_destroy(some);
}

/* A product before, one in each branch, one behind. */
static void layers_are_numbered(void **state) {
  fixture *const f = *state;
  const uint32_t *const *at;
  const oq_scope *scope;
  static float w[4] = {1, 2, 3, 4};
  build *const b = &f->b;
  uint32_t n, total;

  build_input(b, "x", OQ_DT_F32, "2,2");
  build_input(b, "choice", OQ_DT_BOOL, "");
  build_const_f32(b, "w", "2,2", w);
  const oq_node_id first = build_node(b, "MatMul", "x w", "a", "");
  build_body(b, "yes");
  build_node(b, "MatMul", "a w", "t", "");
  build_output(b, "t");
  build_body_end(b);
  build_body(b, "no");
  build_node(b, "MatMul", "a w", "u", "");
  build_output(b, "u");
  build_body_end(b);
  build_node(b, "If", "choice", "c", "then_branch=@yes else_branch=@no");
  const oq_node_id last = build_node(b, "MatMul", "c w", "y", "");
  build_output(b, "y");
  ready(f);
  assert_int_equal(oq_walk_scopes(&scope, &n, b->g, b->ir->arena), OQ_OK);
  assert_int_equal(
      oq_linear_numbers(&at, &total, scope, n, b->ir->arena, &f->env.e), OQ_OK);
  assert_int_equal(total, 4);
  assert_int_equal(at[0][first.i], 0);
  assert_int_equal(at[1][0], 1);
  assert_int_equal(at[2][0], 2);
  assert_int_equal(at[0][last.i], 3);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(every_turn_counts, setup, teardown),
      cmocka_unit_test_setup_teardown(branches_apart, setup, teardown),
      cmocka_unit_test_setup_teardown(branch_never_taken, setup, teardown),
      cmocka_unit_test_setup_teardown(keys_do_not_collide, setup, teardown),
      cmocka_unit_test_setup_teardown(same_for_threads, setup, teardown),
      cmocka_unit_test_setup_teardown(layers_are_numbered, setup, teardown),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* From records to scale and zero point of each group. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/par.h"
#include "kern/kern.h"
#include "quant/params.h"
#include "support/build.h"
#include "support/env.h"

enum { GROUPS = 5 };

typedef struct fixture {
  test_env env;
  build b;
  oq_stats_core *stats;
  oq_group_plan groups[GROUPS];
  oq_placement placement;
  oq_quant_type type;
} fixture;

static const char *const names[] = {"a", "b", "c", "d", "e"};

static void feed(fixture *f, const char *name, const float *v, int64_t n) {
  oq_stats_entry *const e = oq_stats_find(f->stats, name);
  const oq_ctensor t = {OQ_DT_F32, {2, {1, n}}, (size_t)n * sizeof *v, v};

  assert_int_equal(
      oq_stats_entry_feed(e, &t, f->env.e.kernels, f->stats->arena), OQ_OK);
}

static int setup(void **state) {
  fixture *const f = calloc(1, sizeof *f);

  assert_non_null(f);
  assert_true(test_env_open(&f->env, NULL));
  build_open(&f->b, &f->env.e, 13);
  for (uint32_t i = 0; i < GROUPS; i++)
    f->groups[i] = (oq_group_plan){
        .source = build_input(&f->b, names[i], OQ_DT_F32, "1,4"),
        .joined = OQ_NONE};
  f->placement = (oq_placement){.groups = f->groups, .n_groups = GROUPS};
  assert_int_equal(oq_stats_core_create(&f->stats, names, NULL, GROUPS, "", "",
                                        false, f->env.e.alloc),
                   OQ_OK);
  feed(f, "a", (float[]){-1, 0, 2, 3}, 4);
  feed(f, "b", (float[]){2, 3, 4, 5}, 4);
  feed(f, "c", (float[]){-5, -4, -4, -3}, 4);
  feed(f, "d", (float[]){0, 0, 0, 0}, 4);
  feed(f, "e", (float[]){0.1f, 0.5f, 0.9f, 0.2f}, 4);
  assert_true(oq_quant_type_make(&f->type, OQ_DT_U8, false));
  *state = f;
  return 0;
}

static int teardown(void **state) {
  fixture *const f = *state;

  oq_stats_core_destroy(f->stats);
  build_close(&f->b);
  test_env_close(&f->env);
  free(f);
  return 0;
}

static oq_status choose(fixture *f, oq_group_params **out, const oq_env *e) {
  const oq_range_options o = {.percentile = 99.99};

  return oq_params_choose(out, &f->placement, f->b.g, NULL, f->stats, &f->type,
                          oq_range_method_find("minmax"), &o, f->env.scratch,
                          e);
}

static void ranges_hold_zero(void **state) {
  fixture *const f = *state;
  static const double lo[] = {-1, 0, -5, 0, 0}, hi[] = {3, 5, 0, 0, 0.9f};
  static const int32_t zero[] = {64, 0, 255, 0, 0};
  oq_group_params *p;

  assert_int_equal(choose(f, &p, &f->env.e), OQ_OK);
  for (uint32_t i = 0; i < GROUPS; i++) {
    assert_true(p[i].range.lo == lo[i] && p[i].range.hi == hi[i]);
    assert_int_equal(p[i].q.zero, zero[i]);
    assert_string_equal(p[i].method, "minmax");
    const float scale = (float)((hi[i] - lo[i]) / 255);
    assert_true(p[i].q.scale == (scale > 0 ? scale : 1.0f));
  }
}

static void known_ranges_win(void **state) {
  fixture *const f = *state;
  oq_group_params *p;

  f->groups[4].has_range = true;
  f->groups[4].fixed = (oq_range){0, 1};
  assert_int_equal(choose(f, &p, &f->env.e), OQ_OK);
  assert_string_equal(p[4].method, "known");
  assert_true(p[4].q.scale == (float)(1.0 / 255));
  assert_int_equal(p[4].q.zero, 0);
}

static void expected_quality(void **state) {
  fixture *const f = *state;
  oq_group_params *p;

  assert_int_equal(choose(f, &p, &f->env.e), OQ_OK);
  assert_true(p[0].sqnr_db > 30);
  assert_true(isnan(p[3].sqnr_db)); /* nothing but zeros */
}

static void no_range_names_the_value(void **state) {
  fixture *const f = *state;
  oq_group_params *p = NULL;

  oq_record_init(&oq_stats_find(f->stats, "c")->record);
  assert_int_equal(choose(f, &p, &f->env.e), OQ_E_NUMERIC);
  assert_null(p);
  assert_string_equal(test_env_last(&f->env), "range.none");
  const oq_diag *const d = oq_diags_at(f->env.diags, 0);
  assert_string_equal(d->value, "c");
}

static void threads_do_not_show(void **state) {
  fixture *const f = *state;
  oq_group_params *one, *many;
  oq_env e = f->env.e;

  assert_int_equal(choose(f, &one, &e), OQ_OK);
  assert_int_equal(oq_pool_create(&e.pool, 3, e.alloc), OQ_OK);
  assert_int_equal(choose(f, &many, &e), OQ_OK);
  oq_pool_destroy(e.pool);
  for (uint32_t i = 0; i < GROUPS; i++) {
    assert_true(one[i].q.scale == many[i].q.scale);
    assert_int_equal(one[i].q.zero, many[i].q.zero);
  }
}

static void no_groups_at_all(void **state) {
  fixture *const f = *state;
  oq_group_params *p;

  f->placement.n_groups = 0;
  assert_int_equal(choose(f, &p, &f->env.e), OQ_OK);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(ranges_hold_zero),    TEST(known_ranges_win),
      TEST(expected_quality),    TEST(no_range_names_the_value),
      TEST(threads_do_not_show), TEST(no_groups_at_all),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}

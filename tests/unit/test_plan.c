/* Order, pruning, constants and lifetimes of plans. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "exec/plan.h"
#include "support/build.h"
#include "support/env.h"

static const float three[] = {1, 2, 3};

/* x -> Relu -> a -> Add(w) -> y; x -> Neg -> z; nothing reads u = Abs(a). */
static void small(build *b, const oq_env *e) {
  build_open(b, e, 17);
  build_input(b, "x", OQ_DT_F32, "N,3");
  build_const_f32(b, "w", "3", three);
  build_const_f32(b, "unused", "3", three);
  build_node(b, "Relu", "x", "a", "");
  build_node(b, "Add", "a w", "y", "");
  build_node(b, "Neg", "x", "z", "");
  build_node(b, "Abs", "a", "u", "");
  build_output(b, "y");
  build_output(b, "z");
  build_bind(b);
  assert_int_equal(b->status, OQ_OK);
}

static void needed_steps(void **state) {
  test_env t;
  build b;
  oq_plan *p;

  (void)state;
  assert_true(test_env_open(&t, NULL));
  small(&b, &t.e);
  assert_int_equal(oq_plan_create(&p, b.g, NULL, &t.e), OQ_OK);
  assert_int_equal(p->n_steps, 3); /* no Abs */
  assert_int_equal(p->slot_of[build_find(&b, "unused").i], OQ_NONE);
  assert_int_equal(p->slot_of[build_find(&b, "u").i], OQ_NONE);
  assert_int_equal(p->n_slots, 5);
  /* a dies with Add, which may write over it. */
  assert_int_equal(p->steps[1].n_dies, 1);
  assert_int_equal(p->steps[1].dies[0], p->slot_of[build_find(&b, "a").i]);
  assert_int_equal(p->steps[0].n_dies, 0);
  assert_false(p->steps[2].inplace); /* x is the caller's */
  oq_plan_destroy(p);
  build_close(&b);
  test_env_close(&t);
}

static void only_what_is_kept(void **state) {
  test_env t;
  build b;
  oq_plan *p;

  (void)state;
  assert_true(test_env_open(&t, NULL));
  small(&b, &t.e);
  const oq_value_id a = build_find(&b, "a");
  const oq_plan_options opt = {.keep = &a, .n_keep = 1, .only_keep = true};
  assert_int_equal(oq_plan_create(&p, b.g, &opt, &t.e), OQ_OK);
  assert_int_equal(p->n_steps, 1);
  assert_int_equal(p->steps[0].n_dies, 0);
  oq_plan_destroy(p);

  const oq_value_id none = {b.g->n_values};
  const oq_plan_options bad = {.keep = &none, .n_keep = 1};
  assert_int_equal(oq_plan_create(&p, b.g, &bad, &t.e), OQ_E_ARGUMENT);
  build_close(&b);
  test_env_close(&t);
}

static void values_for_a_tap(void **state) {
  test_env t;
  build b;
  oq_plan *p;
  uint32_t n;

  (void)state;
  assert_true(test_env_open(&t, NULL));
  build_open(&b, &t.e, 17);
  build_input(&b, "x", OQ_DT_F32, "N,3");
  build_input(&b, "i", OQ_DT_I64, "N");
  build_const_f32(&b, "w", "3", three);
  build_node(&b, "Greater", "x w", "g", "");
  build_node(&b, "Not", "g", "h", "");
  build_node(&b, "Relu", "x", "y", "");
  build_output(&b, "h");
  build_output(&b, "y");
  build_bind(&b);
  assert_int_equal(b.status, OQ_OK);
  assert_int_equal(oq_plan_create(&p, b.g, NULL, &t.e), OQ_OK);
  const oq_value_id *v = oq_plan_values(p, &n);
  assert_int_equal(n, 2); /* booleans are known to be none */
  assert_int_equal(v[0].i, build_find(&b, "x").i);
  assert_int_equal(v[1].i, build_find(&b, "y").i);
  oq_plan_destroy(p);
  build_close(&b);
  test_env_close(&t);
}

static void unknown_operator(void **state) {
  test_env t;
  build b;
  oq_plan *p;

  (void)state;
  assert_true(test_env_open(&t, NULL));
  build_open(&b, &t.e, 17);
  build_opset(&b, "com.example", 1);
  build_input(&b, "x", OQ_DT_F32, "3");
  build_node(&b, "com.example:Twist", "x", "y", "");
  build_node(&b, "Relu", "x", "z", "");
  build_output(&b, "y");
  build_output(&b, "z");
  build_bind(&b);
  assert_int_equal(b.status, OQ_OK);
  assert_int_equal(oq_plan_create(&p, b.g, NULL, &t.e), OQ_E_UNSUPPORTED);
  assert_string_equal(test_env_last(&t), "op.unknown");
  const oq_diag *d = oq_diags_at(t.diags, 0);
  assert_string_equal(d->op, "Twist");
  assert_string_equal(d->node, "y");
  assert_non_null(strstr(d->hint, "--engine onnxruntime"));
  assert_non_null(strstr(d->text, "com.example"));

  /* Not refused where it is not needed. */
  const oq_value_id z = build_find(&b, "z");
  const oq_plan_options opt = {.keep = &z, .n_keep = 1, .only_keep = true};
  assert_int_equal(oq_plan_create(&p, b.g, &opt, &t.e), OQ_OK);
  oq_plan_destroy(p);
  build_close(&b);
  test_env_close(&t);
}

static void constants_are_folded(void **state) {
  test_env t;
  build b;
  oq_plan *p;
  uint32_t n;

  (void)state;
  assert_true(test_env_open(&t, NULL));
  build_open(&b, &t.e, 17);
  build_input(&b, "x", OQ_DT_F32, "3");
  build_const_f32(&b, "w", "3", three);
  build_node(&b, "Neg", "w", "a", "");
  build_node(&b, "Add", "a w", "c", "");
  build_node(&b, "Add", "x c", "y", "");
  build_output(&b, "y");
  build_output(&b, "c");
  build_bind(&b);
  assert_int_equal(b.status, OQ_OK);

  const oq_plan_options opt = {.untapped = true};
  assert_int_equal(oq_plan_create(&p, b.g, &opt, &t.e), OQ_OK);
  assert_int_equal(p->n_steps, 1);
  const oq_slot *c = &p->slots[p->slot_of[build_find(&b, "c").i]];
  assert_int_equal(c->kind, OQ_SLOT_CONST);
  assert_true(((const float *)c->konst.data)[2] == 0.0f);
  oq_plan_destroy(p);

  assert_int_equal(oq_plan_create(&p, b.g, NULL, &t.e), OQ_OK);
  assert_int_equal(p->n_steps, 3); /* a tap wants to see them */
  (void)oq_plan_values(p, &n);
  assert_int_equal(n, 4);
  oq_plan_destroy(p);
  build_close(&b);
  test_env_close(&t);
}

static oq_status plan_scenario(const oq_allocator *a, void *user) {
  const bool untapped = user != NULL;
  const oq_plan_options opt = {.untapped = untapped};
  test_env t;
  build b;
  oq_plan *p = NULL;
  oq_status s;

  if (!test_env_open(&t, a)) return OQ_E_MEMORY;
  build_open(&b, &t.e, 17);
  build_input(&b, "x", OQ_DT_F32, "N,3");
  build_const_f32(&b, "w", "3", three);
  build_node(&b, "Neg", "w", "v", "");
  build_node(&b, "Add", "x v", "y", "");
  build_output(&b, "y");
  build_bind(&b);
  s = b.status;
  if (s == OQ_OK) s = oq_plan_create(&p, b.g, &opt, &t.e);
  oq_plan_destroy(p);
  build_close(&b);
  test_env_close(&t);
  return s;
}

static void memory_may_fail(void **state) {
  int untapped;

  (void)state;
  assert_true(survive_every_allocation(plan_scenario, NULL) > 5);
  assert_true(survive_every_allocation(plan_scenario, &untapped) > 5);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(needed_steps),
      cmocka_unit_test(only_what_is_kept),
      cmocka_unit_test(values_for_a_tap),
      cmocka_unit_test(unknown_operator),
      cmocka_unit_test(constants_are_folded),
      cmocka_unit_test(memory_may_fail),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}

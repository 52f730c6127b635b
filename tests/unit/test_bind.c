/* Attributes into params: kinds, bounds, choices, defaults; arity; bodies. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "ops/op.h"
#include "support/build.h"
#include "support/env.h"

/* One node at an opset; the status of binding it, and the last finding. */
typedef struct attempt {
  test_env t;
  build b;
  oq_node_id node;
  char finding[64];
} attempt;

static oq_status bind_in(attempt *a, int64_t opset, const char *op,
                         const char *in, const char *out, const char *attrs) {
  assert_true(test_env_open(&a->t, NULL));
  build_open(&a->b, &a->t.e, opset);
  build_input(&a->b, "x", OQ_DT_F32, "2,3,4,5");
  build_input(&a->b, "i", OQ_DT_I64, "2");
  a->node = build_node(&a->b, op, in, out, attrs);
  assert_int_equal(a->b.status, OQ_OK);
  build_bind(&a->b);
  (void)strncpy(a->finding, test_env_last(&a->t), sizeof a->finding - 1);
  a->finding[sizeof a->finding - 1] = 0;
  return a->b.status;
}

static void close_attempt(attempt *a) {
  build_close(&a->b);
  test_env_close(&a->t);
}

static void refuse(int64_t opset, const char *op, const char *in,
                   const char *out, const char *attrs, const char *id) {
  attempt a;

  assert_int_equal(bind_in(&a, opset, op, in, out, attrs), OQ_E_MODEL);
  assert_string_equal(a.finding, id);
  close_attempt(&a);
}

static void accept(int64_t opset, const char *op, const char *in,
                   const char *out, const char *attrs) {
  attempt a;

  assert_int_equal(bind_in(&a, opset, op, in, out, attrs), OQ_OK);
  assert_non_null(oq_graph_node(a.b.g, a.node)->def);
  close_attempt(&a);
}

static void wrong_attributes(void **state) {
  (void)state;
  refuse(17, "Relu", "x", "y", "alpha=0.5", "op.attr");    /* unknown */
  refuse(17, "LeakyRelu", "x", "y", "alpha=1", "op.attr"); /* an integer */
  refuse(17, "LeakyRelu", "x", "y", "alpha=text", "op.attr");
  refuse(17, "Softmax", "x", "y", "axis=1.5", "op.attr");
  refuse(17, "Softmax", "x", "y", "axis=[1]", "op.attr");
  refuse(17, "Softmax", "x", "y", "axis=1 axis=2", "attr.duplicate");
  refuse(17, "ReduceMean", "x", "y", "keepdims=2", "op.attr"); /* bounds */
  refuse(17, "Cast", "x", "y", "", "op.attr");                 /* required */
  refuse(20, "Gelu", "x", "y", "approximate=maybe", "op.attr");
  refuse(18, "ReduceMean", "x", "y", "axes=[1]", "op.attr"); /* an input now */
  refuse(12, "Constant", "", "y", "", "constant.value");
  refuse(12, "Constant", "", "y", "value_int=1 value_float=1.0",
         "constant.value");
  refuse(12, "Celu", "x", "y", "alpha=0.0", "celu.alpha");
}

static void wrong_arity(void **state) {
  (void)state;
  refuse(17, "Add", "x", "y", "", "op.arity");
  refuse(17, "Relu", "x x", "y", "", "op.arity");
  refuse(17, "Add", "x _", "y", "", "op.arity"); /* absent, but required */
  refuse(17, "Relu", "x", "y z", "", "op.arity");
  refuse(17, "Clip", "x x x x", "y", "", "op.arity");
}

static void right_ones(void **state) {
  (void)state;
  accept(17, "Relu", "x", "y", "");
  accept(17, "LeakyRelu", "x", "y", "alpha=0.25");
  accept(17, "Clip", "x", "y", "");
  accept(10, "Clip", "x", "y", "min=0.5 max=1.5");
  accept(17, "Max", "x x x x x x", "y", "");
  accept(20, "Gelu", "x", "y", "approximate=tanh");
  accept(17, "ReduceMean", "x", "y", "axes=[1,2] keepdims=0");
  accept(18, "ReduceMean", "x i", "y", "keepdims=0");
}

typedef struct leaky { /* as op_activation.c has it */
  float alpha;
} leaky;

static void defaults_and_values(void **state) {
  attempt a;

  (void)state;
  assert_int_equal(bind_in(&a, 17, "LeakyRelu", "x", "y", ""), OQ_OK);
  const leaky *p = oq_graph_node(a.b.g, a.node)->params;
  assert_true(p->alpha == 0.01f);
  close_attempt(&a);
  assert_int_equal(bind_in(&a, 17, "LeakyRelu", "x", "y", "alpha=0.75"), OQ_OK);
  p = oq_graph_node(a.b.g, a.node)->params;
  assert_true(p->alpha == 0.75f);
  close_attempt(&a);
}

static void unknown_stays_opaque(void **state) {
  attempt a;

  (void)state;
  assert_int_equal(
      bind_in(&a, 17, "NoSuchOperator", "x", "y", "anything=[1,2]"), OQ_OK);
  assert_null(oq_graph_node(a.b.g, a.node)->def);
  assert_string_equal(a.finding, "");
  close_attempt(&a);
  assert_int_equal(bind_in(&a, 17, "com.example:Relu", "x", "y", ""), OQ_OK);
  assert_null(oq_graph_node(a.b.g, a.node)->def);
  close_attempt(&a);
}

/* Known, but not at this opset: opaque too, with a note; once per node. */
static void version_gap(void **state) {
  attempt a;

  (void)state;
  assert_int_equal(bind_in(&a, 13, "HardSwish", "x", "y", ""), OQ_OK);
  assert_null(oq_graph_node(a.b.g, a.node)->def);
  assert_string_equal(a.finding, "op.version");
  close_attempt(&a);
  assert_int_equal(bind_in(&a, OQ_OPSET_NEWEST + 1, "Relu", "x", "y", ""),
                   OQ_OK);
  assert_null(oq_graph_node(a.b.g, a.node)->def);
  assert_string_equal(a.finding, "op.version");
  close_attempt(&a);
}

/* A second call binds what is new and leaves the rest. */
static void again(void **state) {
  attempt a;

  (void)state;
  assert_int_equal(bind_in(&a, 17, "LeakyRelu", "x", "y", "alpha=0.75"), OQ_OK);
  const void *const params = oq_graph_node(a.b.g, a.node)->params;
  const oq_node_id n = build_node(&a.b, "Relu", "y", "z", "");
  assert_null(oq_graph_node(a.b.g, n)->def);
  build_bind(&a.b);
  assert_int_equal(a.b.status, OQ_OK);
  assert_non_null(oq_graph_node(a.b.g, n)->def);
  assert_ptr_equal(oq_graph_node(a.b.g, a.node)->params, params);
  close_attempt(&a);
}

static void one_node(void **state) {
  attempt a;

  (void)state;
  assert_int_equal(bind_in(&a, 17, "Relu", "x", "y", ""), OQ_OK);
  const oq_node_id n = build_node(&a.b, "Softmax", "y", "z", "axis=7.5");
  assert_int_equal(oq_ops_bind_node(a.b.g, n, &a.t.e), OQ_E_MODEL);
  assert_null(oq_graph_node(a.b.g, n)->def);
  close_attempt(&a);
}

/* Nodes in the bodies of a node nobody knows are bound as well. */
static void bodies(void **state) {
  attempt a;
  oq_attr attr = {.kind = OQ_ATTR_GRAPH};
  oq_graph *body;
  oq_node_id inner;
  oq_name name;

  (void)state;
  assert_int_equal(bind_in(&a, 17, "NoSuchOperator", "x", "y", ""), OQ_OK);
  oq_model_ir *const m = a.b.ir;
  assert_int_equal(oq_names_add_text(m->names, &name, "body"), OQ_OK);
  assert_int_equal(oq_ir_add_graph(&body, m, a.b.g, name), OQ_OK);
  attr.name = name;
  attr.u.graph = body;
  const oq_attr *const kept = OQ_COPY_N(m->arena, oq_attr, &attr, 1);
  assert_int_equal(oq_edit_set_attrs(a.b.g, a.node, kept, 1), OQ_OK);
  oq_node_spec spec = {0};
  oq_value_id v;
  assert_int_equal(oq_names_add_text(m->names, &name, "c"), OQ_OK);
  assert_int_equal(oq_edit_add_value(body, &v, OQ_VALUE_RESULT, name, NULL),
                   OQ_OK);
  assert_int_equal(oq_names_add_text(m->names, &spec.op, "Constant"), OQ_OK);
  spec.out = &v;
  spec.n_out = 1;
  assert_int_equal(oq_edit_add_node(body, &inner, &spec), OQ_OK);
  /* It has no value, which binding finds only if it gets there. */
  assert_int_equal(oq_ops_bind(m, &a.t.e), OQ_E_MODEL);
  assert_string_equal(test_env_last(&a.t), "constant.value");
  close_attempt(&a);
}

static oq_status scenario(const oq_allocator *hook, void *user) {
  test_env t;
  build b;

  (void)user;
  if (!test_env_open(&t, hook)) return OQ_E_MEMORY;
  build_open(&b, &t.e, 17);
  build_input(&b, "x", OQ_DT_F32, "2,3");
  build_node(&b, "LeakyRelu", "x", "y", "alpha=0.5");
  build_node(&b, "ReduceMean", "y", "z", "axes=[1]");
  build_node(&b, "HardSwishX", "z", "u", "");
  build_bind(&b);
  const oq_status s = b.status;
  build_close(&b);
  test_env_close(&t);
  return s;
}

static void without_memory(void **state) {
  (void)state;
  assert_true(survive_every_allocation(scenario, NULL) > 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(wrong_attributes),
      cmocka_unit_test(wrong_arity),
      cmocka_unit_test(right_ones),
      cmocka_unit_test(defaults_and_values),
      cmocka_unit_test(unknown_stays_opaque),
      cmocka_unit_test(version_gap),
      cmocka_unit_test(again),
      cmocka_unit_test(one_node),
      cmocka_unit_test(bodies),
      cmocka_unit_test(without_memory),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Types and small values as far as they follow without a run. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "ops/op.h"
#include "support/build.h"
#include "support/env.h"

typedef struct fixture {
  test_env t;
  build b;
  const oq_type **types;
} fixture;

static void open_at(fixture *f, int64_t opset) {
  assert_true(test_env_open(&f->t, NULL));
  build_open(&f->b, &f->t.e, opset);
}

static void infer(fixture *f) {
  build_bind(&f->b);
  assert_int_equal(f->b.status, OQ_OK);
  assert_int_equal(oq_infer_types(&f->types, f->b.g, f->t.scratch, &f->t.e),
                   OQ_OK);
}

static void close_fixture(fixture *f) {
  build_close(&f->b);
  test_env_close(&f->t);
}

static const oq_type *type_of(const fixture *f, const char *name) {
  return f->types[build_find(&f->b, name).i];
}

/* "f32[2,?,N]" */
static void expect(const fixture *f, const char *name, oq_dtype t,
                   const char *dims) {
  const oq_type *const type = type_of(f, name);
  char got[128];
  size_t n = 0;

  assert_non_null(type);
  assert_int_equal(type->dtype, t);
  got[0] = 0;
  if (!type->has_rank) (void)strcpy(got, "*");
  for (uint32_t i = 0; type->has_rank && i < type->rank; i++) {
    const oq_dim d = type->dim[i];
    if (i > 0) got[n++] = ',';
    if (d.size >= 0) {
      assert_true(d.size < 1000);
      if (d.size >= 100) got[n++] = (char)('0' + d.size / 100);
      if (d.size >= 10) got[n++] = (char)('0' + d.size / 10 % 10);
      got[n++] = (char)('0' + d.size % 10);
    } else {
      got[n++] =
          d.symbol.i == 0 ? '?' : oq_names_text(f->b.ir->names, d.symbol)[0];
    }
    got[n] = 0;
  }
  assert_string_equal(got, dims);
}

static void broadcasting(void **state) {
  fixture f;

  (void)state;
  open_at(&f, 17);
  build_input(&f.b, "a", OQ_DT_F32, "N,3,1");
  build_input(&f.b, "b", OQ_DT_F32, "4");
  build_input(&f.b, "c", OQ_DT_F32, "M,3,4");
  build_input(&f.b, "d", OQ_DT_F32, "N,1,?");
  build_input(&f.b, "u", OQ_DT_F32, "*");
  build_node(&f.b, "Add", "a b", "ab", "");
  build_node(&f.b, "Mul", "a c", "ac", "");
  build_node(&f.b, "Less", "a d", "ad", "");
  build_node(&f.b, "Sub", "a u", "au", "");
  build_node(&f.b, "Max", "a b c", "abc", "");
  build_node(&f.b, "Where", "ad a b", "w", "");
  infer(&f);
  expect(&f, "ab", OQ_DT_F32, "N,3,4");
  expect(&f, "ac", OQ_DT_F32, "?,3,4");
  expect(&f, "ad", OQ_DT_BOOL, "N,3,?");
  expect(&f, "au", OQ_DT_F32, "*");
  expect(&f, "abc", OQ_DT_F32, "?,3,4");
  expect(&f, "w", OQ_DT_F32, "N,3,4");
  assert_int_equal(oq_diags_count(f.t.diags), 0);
  close_fixture(&f);
}

static void reductions(void **state) {
  static const int64_t last[] = {-1};
  fixture f;

  (void)state;
  open_at(&f, 18);
  build_input(&f.b, "x", OQ_DT_F32, "N,3,4");
  build_input(&f.b, "axes", OQ_DT_I64, "1");
  build_const_i64(&f.b, "last", "1", last);
  build_node(&f.b, "ReduceMean", "x last", "a", "");
  build_node(&f.b, "ReduceMax", "x last", "b", "keepdims=0");
  build_node(&f.b, "ReduceSum", "x", "c", "");
  build_node(&f.b, "ReduceSum", "x", "d", "keepdims=0");
  build_node(&f.b, "ReduceSum", "x", "e", "noop_with_empty_axes=1");
  build_node(&f.b, "ReduceMin", "x axes", "g", "");
  build_node(&f.b, "ReduceMin", "x axes", "h", "keepdims=0");
  build_node(&f.b, "ArgMax", "x", "i", "axis=1 keepdims=0");
  infer(&f);
  expect(&f, "a", OQ_DT_F32, "N,3,1");
  expect(&f, "b", OQ_DT_F32, "N,3");
  expect(&f, "c", OQ_DT_F32, "1,1,1");
  expect(&f, "d", OQ_DT_F32, "");
  expect(&f, "e", OQ_DT_F32, "N,3,4");
  expect(&f, "g", OQ_DT_F32, "?,?,?");
  expect(&f, "h", OQ_DT_F32, "*");
  expect(&f, "i", OQ_DT_I64, "N,4");
  close_fixture(&f);
}

static void quantization(void **state) {
  static const float scale[] = {0.5f}, two[] = {0.5f, 1.0f};
  static const int8_t zero[] = {3};
  fixture f;

  (void)state;
  open_at(&f, 21);
  build_input(&f.b, "x", OQ_DT_F32, "N,2");
  build_const_f32(&f.b, "s", "", scale);
  build_const_f32(&f.b, "s2", "2", two);
  build_const(&f.b, "z", OQ_DT_I8, "", zero);
  build_node(&f.b, "QuantizeLinear", "x s z", "q", "");
  build_node(&f.b, "QuantizeLinear", "x s2", "p", "axis=1");
  build_node(&f.b, "QuantizeLinear", "x s", "o", "output_dtype=4");
  build_node(&f.b, "DequantizeLinear", "q s z", "y", "");
  build_node(&f.b, "DynamicQuantizeLinear", "x", "a b c", "");
  build_node(&f.b, "Cast", "x", "h", "to=10");
  infer(&f);
  expect(&f, "q", OQ_DT_I8, "N,2");
  expect(&f, "p", OQ_DT_U8, "N,2");
  expect(&f, "o", OQ_DT_U16, "N,2");
  expect(&f, "y", OQ_DT_F32, "N,2");
  expect(&f, "a", OQ_DT_U8, "N,2");
  expect(&f, "b", OQ_DT_F32, "");
  expect(&f, "c", OQ_DT_U8, "");
  expect(&f, "h", OQ_DT_F16, "N,2");
  close_fixture(&f);
}

/* A shape computed from constants and from known dimensions is followed. */
static void computed_shapes(void **state) {
  static const int64_t two[] = {2}, minus[] = {-1}, nought[] = {0};
  fixture f;

  (void)state;
  open_at(&f, 17);
  build_input(&f.b, "x", OQ_DT_F32, "2,3,4");
  build_const_i64(&f.b, "two", "1", two);
  build_const_i64(&f.b, "minus", "1", minus);
  build_const_i64(&f.b, "nought", "1", nought);
  build_node(&f.b, "Shape", "x", "s", "");
  build_node(&f.b, "Gather", "s two", "d", "axis=0");
  build_node(&f.b, "Mul", "d two", "dd", "");
  build_node(&f.b, "Concat", "minus dd", "to", "axis=0");
  build_node(&f.b, "Reshape", "x to", "y", "");
  build_node(&f.b, "ConstantOfShape", "s", "z", "");
  infer(&f);
  expect(&f, "s", OQ_DT_I64, "3");
  expect(&f, "y", OQ_DT_F32, "3,8");
  expect(&f, "z", OQ_DT_F32, "2,3,4");
  close_fixture(&f);
}

/* Unknown dimensions stay unknown, but the rank follows. */
static void unknown_shapes(void **state) {
  fixture f;

  (void)state;
  open_at(&f, 17);
  build_input(&f.b, "x", OQ_DT_F32, "N,3,4");
  build_node(&f.b, "Shape", "x", "s", "");
  build_node(&f.b, "ConstantOfShape", "s", "z", "");
  build_node(&f.b, "NoSuchOperator", "x", "u", "");
  build_node(&f.b, "Relu", "u", "v", "");
  infer(&f);
  expect(&f, "s", OQ_DT_I64, "3");
  expect(&f, "z", OQ_DT_F32, "N,3,4");
  assert_null(type_of(&f, "u"));
  assert_null(type_of(&f, "v"));
  close_fixture(&f);
}

static void declare(fixture *f, const char *name, oq_dtype t,
                    const int64_t *dim, uint32_t rank) {
  oq_graph_value(f->b.g, build_find(&f->b, name))->type =
      oq_type_make(f->b.ir->arena, t, dim, rank);
}

/* What is declared fills gaps; where it contradicts, it loses, with a
 * warning. */
static void declarations(void **state) {
  static const int64_t right[] = {7, 3}, wrong[] = {7, 5};
  fixture f;

  (void)state;
  open_at(&f, 17);
  build_input(&f.b, "x", OQ_DT_F32, "N,3");
  build_node(&f.b, "Relu", "x", "a", "");
  build_node(&f.b, "Relu", "x", "b", "");
  build_node(&f.b, "NoSuchOperator", "x", "c", "");
  build_node(&f.b, "Relu", "c", "d", "");
  declare(&f, "a", OQ_DT_F32, right, 2);
  declare(&f, "c", OQ_DT_F32, right, 2);
  infer(&f);
  expect(&f, "a", OQ_DT_F32, "7,3");
  expect(&f, "d", OQ_DT_F32, "7,3");
  assert_int_equal(oq_diags_count(f.t.diags), 0);
  declare(&f, "b", OQ_DT_F32, wrong, 2);
  infer(&f);
  expect(&f, "b", OQ_DT_F32, "7,3");
  assert_string_equal(test_env_last(&f.t), "infer.type");
  declare(&f, "b", OQ_DT_I64, right, 2);
  infer(&f);
  expect(&f, "b", OQ_DT_F32, "N,3");
  close_fixture(&f);
}

/* What a rule refuses is a warning here: the node may never run. */
static void refusals(void **state) {
  fixture f;

  (void)state;
  open_at(&f, 17);
  build_input(&f.b, "x", OQ_DT_F32, "2,3");
  build_input(&f.b, "y", OQ_DT_F32, "2,4");
  build_node(&f.b, "Add", "x y", "z", "");
  build_node(&f.b, "Softmax", "x", "s", "axis=5");
  infer(&f);
  assert_int_equal(oq_diags_count(f.t.diags), 2);
  assert_string_equal(oq_diags_at(f.t.diags, 0)->id, "op.broadcast");
  assert_string_equal(oq_diags_at(f.t.diags, 1)->id, "op.axis");
  assert_int_equal(oq_diags_at(f.t.diags, 0)->severity, OQ_WARNING);
  assert_null(type_of(&f, "z"));
  close_fixture(&f);
}

/* ---- one node on known inputs -------------------------------------------- */
static void evaluation(void **state) {
  static const float a[] = {1, 2, 3}, b[] = {10};
  const oq_ctensor in[2] = {{OQ_DT_F32, {.rank = 1, .dim = {3}}, sizeof a, a},
                            {OQ_DT_F32, {.rank = 1, .dim = {1}}, sizeof b, b}};
  const oq_ctensor *const inputs[2] = {&in[0], &in[1]};
  fixture f;
  oq_tensor out;

  (void)state;
  open_at(&f, 17);
  build_input(&f.b, "x", OQ_DT_F32, "*");
  build_input(&f.b, "y", OQ_DT_F32, "*");
  const oq_node_id n = build_node(&f.b, "Mul", "x y", "z", "");
  const oq_node_id u = build_node(&f.b, "NoSuchOperator", "x y", "u", "");
  build_bind(&f.b);
  assert_int_equal(oq_op_eval(&out, f.b.g, n, inputs, f.t.scratch, &f.t.e),
                   OQ_OK);
  assert_int_equal(out.shape.rank, 1);
  assert_true(((const float *)out.data)[2] == 30.0f);
  assert_int_equal(oq_op_eval(&out, f.b.g, u, inputs, f.t.scratch, &f.t.e),
                   OQ_E_UNSUPPORTED);
  assert_string_equal(test_env_last(&f.t), "op.unknown");
  close_fixture(&f);
}

static oq_status scenario(const oq_allocator *hook, void *user) {
  static const int64_t to[] = {3, -1};
  const oq_type **types;
  test_env t;
  build b;
  oq_status s;

  (void)user;
  if (!test_env_open(&t, hook)) return OQ_E_MEMORY;
  build_open(&b, &t.e, 17);
  build_input(&b, "x", OQ_DT_F32, "2,3");
  build_const_i64(&b, "to", "2", to);
  build_node(&b, "Add", "to to", "sum", "");
  build_node(&b, "Reshape", "x to", "y", "");
  build_bind(&b);
  s = b.status;
  if (s == OQ_OK) s = oq_infer_types(&types, b.g, t.scratch, &t.e);
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
      cmocka_unit_test(broadcasting),   cmocka_unit_test(reductions),
      cmocka_unit_test(quantization),   cmocka_unit_test(computed_shapes),
      cmocka_unit_test(unknown_shapes), cmocka_unit_test(declarations),
      cmocka_unit_test(refusals),       cmocka_unit_test(evaluation),
      cmocka_unit_test(without_memory),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}

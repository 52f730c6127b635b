/* Sizes as expressions of named ones, and shapes that operators compute. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "ops/expr.h"
#include "ops/op.h"
#include "support/build.h"
#include "support/env.h"
#include "support/size_text.h"

/* ---- expressions --------------------------------------------------------- */
typedef struct table {
  test_env t;
  oq_names *names;
  oq_exprs *x;
} table;

static void open_table(table *f) {
  assert_true(test_env_open(&f->t, NULL));
  assert_int_equal(oq_names_create(&f->names, f->t.scratch), OQ_OK);
  assert_int_equal(oq_exprs_create(&f->x, f->names, f->t.scratch), OQ_OK);
}

static oq_expr symbol(table *f, const char *text) {
  oq_name n;

  assert_int_equal(oq_names_add_text(f->names, &n, text), OQ_OK);
  return oq_expr_symbol(n);
}

static oq_expr add(table *f, oq_expr a, oq_expr b) {
  oq_expr y;

  assert_true(oq_expr_add(f->x, &y, &a, &b));
  return y;
}

static oq_expr mul(table *f, oq_expr a, oq_expr b) {
  oq_expr y;

  assert_true(oq_expr_mul(f->x, &y, &a, &b));
  return y;
}

static oq_expr div_by(table *f, oq_expr a, int64_t by) {
  oq_expr y;

  assert_true(oq_expr_floor(f->x, &y, &a, by));
  return y;
}

static oq_expr num(int64_t v) { return oq_expr_number(v); }

static void expect_text(table *f, oq_expr e, const char *text) {
  oq_name n;

  assert_true(oq_expr_name(f->x, &n, &e));
  assert_string_equal(oq_names_text(f->names, n), text);
  const oq_expr again = oq_expr_named(f->x, n);
  assert_true(oq_expr_equal(&again, &e));
}

static void one_form(void **state) {
  table f;

  (void)state;
  open_table(&f);
  const oq_expr w = symbol(&f, "W"), b = symbol(&f, "batch"),
                h = symbol(&f, "heads");
  expect_text(&f, w, "W");
  expect_text(&f, add(&f, mul(&f, num(2), w), num(1)), "2*W+1");
  expect_text(&f, mul(&f, h, b), "batch*heads");
  expect_text(&f, mul(&f, b, h), "batch*heads");
  expect_text(&f, add(&f, num(5), mul(&f, num(-1), w)), "-W+5");
  expect_text(&f, add(&f, h, add(&f, w, b)), "W+batch+heads");
  expect_text(&f, add(&f, mul(&f, num(-1), b), w), "W-batch");
  const oq_expr none = add(&f, w, mul(&f, num(-1), w));
  assert_true(oq_expr_is_number(&none));
  assert_int_equal(none.plus, 0);
  expect_text(&f, mul(&f, add(&f, w, num(1)), add(&f, w, num(-1))), "W*W-1");
  test_env_close(&f.t);
}

static void floors(void **state) {
  table f;

  (void)state;
  open_table(&f);
  const oq_expr w = symbol(&f, "W");
  expect_text(&f, div_by(&f, add(&f, w, num(1)), 2), "floor((W+1)/2)");
  /* (W-1)/2 + 1 is the same number. */
  expect_text(&f, add(&f, div_by(&f, add(&f, w, num(-1)), 2), num(1)),
              "floor((W+1)/2)");
  expect_text(&f, div_by(&f, mul(&f, num(6), w), 3), "2*W");
  expect_text(&f, div_by(&f, add(&f, mul(&f, num(4), w), num(3)), 2), "2*W+1");
  expect_text(&f, div_by(&f, div_by(&f, w, 2), 3), "floor(W/6)");
  expect_text(&f, div_by(&f, add(&f, div_by(&f, w, 2), num(1)), 2),
              "floor((W+2)/4)");
  expect_text(&f, div_by(&f, mul(&f, num(3), w), 2), "W+floor(W/2)");
  assert_int_equal(div_by(&f, num(-3), 2).plus, -2);
  test_env_close(&f.t);
}

static void too_big_is_unknown(void **state) {
  table f;
  char name[80];
  oq_expr sum = num(0), product = num(1), y;
  oq_name n;

  (void)state;
  open_table(&f);
  for (int i = 0; i < OQ_EXPR_TERMS; i++) {
    (void)snprintf(name, sizeof name, "a%d", i);
    sum = add(&f, sum, symbol(&f, name));
  }
  const oq_expr more = symbol(&f, "more");
  assert_false(oq_expr_add(f.x, &y, &sum, &more));
  for (int i = 0; i < OQ_EXPR_FACTORS; i++) product = mul(&f, product, more);
  assert_false(oq_expr_mul(f.x, &y, &product, &more));
  const oq_expr huge = num(INT64_MAX), two = num(2);
  assert_false(oq_expr_mul(f.x, &y, &huge, &two));
  assert_false(oq_expr_add(f.x, &y, &huge, &two));
  memset(name, 'x', sizeof name);
  name[70] = '\0';
  const oq_expr longest = symbol(&f, name);
  y = mul(&f, longest, longest);
  assert_false(oq_expr_name(f.x, &n, &y));
  /* A name of the model stays that, whatever it looks like. */
  assert_int_equal(oq_names_add_text(f.names, &n, "more+1"), OQ_OK);
  assert_int_equal(oq_exprs_reserve(f.x, n), OQ_OK);
  y = add(&f, more, num(1));
  assert_false(oq_expr_name(f.x, &n, &y));
  assert_false(oq_exprs_exhausted(f.x));
  test_env_close(&f.t);
}

/* ---- models -------------------------------------------------------------- */
typedef struct fixture {
  test_env t;
  build b;
  const oq_type **types;
} fixture;

static void open_model(fixture *f) {
  assert_true(test_env_open(&f->t, NULL));
  build_open(&f->b, &f->t.e, 17);
}

static void infer(fixture *f) {
  build_bind(&f->b);
  assert_int_equal(f->b.status, OQ_OK);
  assert_int_equal(oq_infer_types(&f->types, f->b.g, f->t.scratch, &f->t.e),
                   OQ_OK);
}

static void close_model(fixture *f) {
  build_close(&f->b);
  test_env_close(&f->t);
}

static void expect(const fixture *f, const char *name, const char *shape) {
  const oq_type *const t = f->types[build_find(&f->b, name).i];
  char got[512] = "";

  assert_non_null(t);
  if (!t->has_rank) (void)strcpy(got, "*");
  for (uint32_t i = 0; t->has_rank && i < t->rank; i++) {
    const size_t n = strlen(got);
    const oq_dim d = t->dim[i];
    if (d.size >= 0)
      (void)snprintf(got + n, sizeof got - n, "%s%lld", i > 0 ? "," : "",
                     (long long)d.size);
    else
      (void)snprintf(
          got + n, sizeof got - n, "%s%s", i > 0 ? "," : "",
          d.symbol.i != 0 ? oq_names_text(f->b.ir->names, d.symbol) : "?");
  }
  assert_string_equal(got, shape);
}

static void i64s(fixture *f, const char *name, const char *shape, int64_t a,
                 int64_t b) {
  const int64_t v[] = {a, b};

  build_const_i64(&f->b, name, shape, v);
}

/* What exporters write for x.view(batch, seq, 4, -1) and back. */
static void reshape_chains(void **state) {
  fixture f;

  (void)state;
  open_model(&f);
  build_input(&f.b, "x", OQ_DT_F32, "batch,seq,256");
  i64s(&f, "zero", "", 0, 0);
  i64s(&f, "one", "", 1, 0);
  i64s(&f, "axis", "1", 0, 0);
  i64s(&f, "tail", "2", 4, -1);
  i64s(&f, "guess", "1", -1, 0);
  i64s(&f, "rows", "1", 64, 0);
  build_node(&f.b, "Shape", "x", "s", "");
  build_node(&f.b, "Gather", "s zero", "b", "");
  build_node(&f.b, "Gather", "s one", "t", "");
  build_node(&f.b, "Unsqueeze", "b axis", "b1", "");
  build_node(&f.b, "Unsqueeze", "t axis", "t1", "");
  build_node(&f.b, "Concat", "b1 t1 tail", "to", "axis=0");
  build_node(&f.b, "Reshape", "x to", "heads", "");
  build_node(&f.b, "Transpose", "heads", "turned", "perm=[0,2,1,3]");
  build_node(&f.b, "Mul", "b t", "bt", "");
  build_node(&f.b, "Unsqueeze", "bt axis", "bt1", "");
  build_node(&f.b, "Concat", "bt1 guess", "flat_to", "axis=0");
  build_node(&f.b, "Reshape", "x flat_to", "flat", "");
  build_node(&f.b, "Concat", "guess rows", "rows_to", "axis=0");
  build_node(&f.b, "Reshape", "x rows_to", "loose", "");
  build_node(&f.b, "Range", "zero t one", "positions", "");
  build_node(&f.b, "Add", "t one", "next", "");
  build_node(&f.b, "Range", "zero next one", "longer", "");
  infer(&f);
  expect(&f, "heads", "batch,seq,4,64");
  expect(&f, "turned", "batch,4,seq,64");
  expect(&f, "flat", "batch*seq,256");
  expect(&f, "loose", "4*batch*seq,64");
  expect(&f, "positions", "seq");
  expect(&f, "longer", "seq+1");
  close_model(&f);
}

static void windows(void **state) {
  static const float w[3 * 3 * 3 * 4] = {0};
  fixture f;

  (void)state;
  open_model(&f);
  build_input(&f.b, "x", OQ_DT_F32, "N,3,H,W");
  build_const_f32(&f.b, "w", "4,3,3,3", w);
  i64s(&f, "from", "1", 0, 0);
  i64s(&f, "to", "1", 10, 0);
  i64s(&f, "rest", "1", 2, 0);
  i64s(&f, "end", "1", INT64_MAX, 0);
  i64s(&f, "axis", "1", 3, 0);
  build_node(&f.b, "Conv", "x w", "half",
             "strides=[2,2] pads=[1,1,1,1] kernel_shape=[3,3]");
  build_node(&f.b, "MaxPool", "half", "quarter",
             "strides=[2,2] kernel_shape=[2,2]");
  build_node(&f.b, "Concat", "x x", "wide", "axis=3");
  build_node(&f.b, "Flatten", "x", "flat", "axis=1");
  build_node(&f.b, "SpaceToDepth", "x", "deep", "blocksize=2");
  build_node(&f.b, "Slice", "x from to axis", "head", "");
  build_node(&f.b, "Slice", "x rest end axis", "tail", "");
  infer(&f);
  expect(&f, "half", "N,4,floor((H+1)/2),floor((W+1)/2)");
  expect(&f, "quarter", "N,4,floor((H+1)/4),floor((W+1)/4)");
  expect(&f, "wide", "N,3,H,2*W");
  expect(&f, "flat", "N,3*H*W");
  expect(&f, "deep", "N,12,floor(H/2),floor(W/2)");
  expect(&f, "head", "N,3,H,min(W,10)");
  expect(&f, "tail", "N,3,H,max(W-2,0)");
  close_model(&f);
}

/* Claims about sizes that could also be others would be wrong. */
static void doubt_is_unknown(void **state) {
  fixture f;

  (void)state;
  open_model(&f);
  build_input(&f.b, "x", OQ_DT_F32, "N,M");
  i64s(&f, "one", "1", 512, 0);
  i64s(&f, "a", "1", 7, 0);
  i64s(&f, "b", "1", 9, 0);
  i64s(&f, "zero", "1", 0, 0);
  build_node(&f.b, "Shape", "x", "s", "");
  build_node(&f.b, "Gather", "s zero", "n", "");
  build_node(&f.b, "Equal", "n one", "is", "");
  build_node(&f.b, "Where", "is a b", "k", "");
  build_node(&f.b, "ConstantOfShape", "k", "c", "");
  build_node(&f.b, "Less", "n zero", "negative", "");
  build_node(&f.b, "Where", "negative a n", "k2", "");
  build_node(&f.b, "ConstantOfShape", "k2", "c2", "");
  build_node(&f.b, "Transpose", "x", "xt", "");
  build_node(&f.b, "Add", "x xt", "sum", "");
  build_node(&f.b, "Squeeze", "x", "q", "");
  infer(&f);
  expect(&f, "c", "?");
  expect(&f, "c2", "N");
  expect(&f, "sum", "?,?");
  expect(&f, "q", "*");
  close_model(&f);
}

static void bodies(void **state) {
  static const bool yes = true;
  fixture f;

  (void)state;
  open_model(&f);
  build_input(&f.b, "x", OQ_DT_F32, "N,4");
  build_input(&f.b, "c", OQ_DT_BOOL, "");
  build_input(&f.b, "trips", OQ_DT_I64, "");
  i64s(&f, "five", "", 5, 0);
  build_const(&f.b, "go", OQ_DT_BOOL, "", &yes);
  build_body(&f.b, "then");
  build_node(&f.b, "Concat", "x x", "t", "axis=1");
  build_output(&f.b, "t");
  build_body_end(&f.b);
  build_body(&f.b, "other");
  build_node(&f.b, "Concat", "x x", "e", "axis=0");
  build_output(&f.b, "e");
  build_body_end(&f.b);
  build_node(&f.b, "If", "c", "either", "then_branch=@then else_branch=@other");
  build_node(&f.b, "If", "go", "first", "then_branch=@then else_branch=@other");
  build_body(&f.b, "turn");
  build_input(&f.b, "i", OQ_DT_I64, "");
  build_input(&f.b, "on", OQ_DT_BOOL, "");
  build_input(&f.b, "v", OQ_DT_F32, "*");
  build_input(&f.b, "grow", OQ_DT_F32, "*");
  build_node(&f.b, "Identity", "on", "still", "");
  build_node(&f.b, "Neg", "v", "v2", "");
  build_node(&f.b, "Concat", "grow x", "grow2", "axis=0");
  build_output(&f.b, "still");
  build_output(&f.b, "v2");
  build_output(&f.b, "grow2");
  build_output(&f.b, "v2");
  build_body_end(&f.b);
  build_node(&f.b, "Loop", "five go x x", "last grown all", "body=@turn");
  build_node(&f.b, "Loop", "trips go x x", "last2 grown2 all2", "body=@turn");
  build_body(&f.b, "step");
  build_input(&f.b, "state", OQ_DT_F32, "*");
  build_input(&f.b, "row", OQ_DT_F32, "*");
  build_node(&f.b, "Add", "state row", "state2", "");
  build_node(&f.b, "Abs", "state2", "out", "");
  build_output(&f.b, "state2");
  build_output(&f.b, "out");
  build_body_end(&f.b);
  i64s(&f, "none", "1", 0, 0);
  build_node(&f.b, "ReduceSum", "x none", "start", "keepdims=0");
  build_node(&f.b, "Scan", "start x", "end scanned",
             "body=@step num_scan_inputs=1");
  infer(&f);
  expect(&f, "either", "?,?");
  expect(&f, "first", "N,8");
  expect(&f, "last", "N,4");
  expect(&f, "grown", "?,4");
  expect(&f, "all", "5,N,4");
  expect(&f, "all2", "?,N,4");
  expect(&f, "end", "4");
  expect(&f, "scanned", "N,4");
  close_model(&f);
}

/* Long chains of growing expressions end in unknown sizes, and soon. */
static void growth_is_bounded(void **state) {
  fixture f;
  char in[64], out[16];

  (void)state;
  open_model(&f);
  build_input(&f.b, "v0", OQ_DT_F32, "A,B,C,D");
  for (int i = 0; i < 300; i++) {
    (void)snprintf(out, sizeof out, "v%d", i + 1);
    (void)snprintf(in, sizeof in, "v%d v%d", i, i > 0 ? i - 1 : 0);
    build_node(&f.b, "Concat", in, out, i % 2 == 0 ? "axis=0" : "axis=0");
  }
  build_node(&f.b, "Flatten", "v300", "flat", "axis=4");
  infer(&f);
  expect(&f, "v3", "5*A,B,C,D");
  assert_int_equal(f.types[build_find(&f.b, "v300").i]->rank, 4);
  close_model(&f);
}

static oq_status scenario(const oq_allocator *a, void *user) {
  const oq_type **types;
  test_env t;
  build b;
  oq_status s;

  (void)user;
  if (!test_env_open(&t, a)) return OQ_E_MEMORY;
  build_open(&b, &t.e, 17);
  if (b.status == OQ_OK) {
    build_input(&b, "x", OQ_DT_F32, "N,4");
    build_node(&b, "Shape", "x", "s", "");
    build_node(&b, "ConstantOfShape", "s", "c", "");
    build_node(&b, "Concat", "x c", "y", "axis=0");
    build_bind(&b);
  }
  s = b.status;
  if (s == OQ_OK) s = oq_infer_types(&types, b.g, t.scratch, &t.e);
  build_close(&b);
  test_env_close(&t);
  return s;
}

static void without_memory(void **state) {
  (void)state;
  assert_true(survive_every_allocation(scenario, NULL) > 10);
}

/* ---- reading them again -------------------------------------------------- */
static bool seven(int64_t *out, void *user, const char *name, size_t n) {
  (void)user;
  *out = 7;
  return n == 1 && name[0] == 'W';
}

static void texts_have_values(void **state) {
  static const struct {
    const char *text;
    int64_t value;
  } rows[] = {{"2*W+1", 15},   {"floor((W+1)/2)", 4},     {"floor(W/2)-W", -4},
              {"min(W,5)", 5}, {"max(W-9,0)", 0},         {"W*W-1", 48},
              {"-W+5", -2},    {"min(2*W,floor(W/1))", 0}};
  int64_t v;

  (void)state;
  for (size_t i = 0; i + 1 < sizeof rows / sizeof *rows; i++) {
    assert_true(size_text_value(&v, rows[i].text, seven, NULL));
    assert_int_equal(v, rows[i].value);
  }
  assert_false(size_text_value(&v, "V", seven, NULL));
  assert_false(size_text_value(&v, "2*(W", seven, NULL));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(one_form),
      cmocka_unit_test(floors),
      cmocka_unit_test(too_big_is_unknown),
      cmocka_unit_test(reshape_chains),
      cmocka_unit_test(windows),
      cmocka_unit_test(doubt_is_unknown),
      cmocka_unit_test(bodies),
      cmocka_unit_test(growth_is_bounded),
      cmocka_unit_test(without_memory),
      cmocka_unit_test(texts_have_values),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}

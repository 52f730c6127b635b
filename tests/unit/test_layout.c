/* What lies channels-last in a run does not show: graphs around convolutions
 * give the same numbers with the kernels that ask for it and without. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "exec/exec.h"
#include "kern/kern.h"
#include "support/build.h"
#include "support/env.h"

enum { MOST = 16 * 1024 };

typedef struct fixture {
  test_env t;
  build b;
  uint64_t drawn;
} fixture;

static void draw(fixture *f, float *to, size_t n) {
  for (size_t i = 0; i < n; i++)
    to[i] = (float)(oq_rng_uniform(5, f->drawn++) * 2.0 - 1.0);
}

static void constant(fixture *f, const char *name, const char *shape,
                     size_t n) {
  float *v = calloc(n, sizeof *v);

  assert_non_null(v);
  draw(f, v, n);
  build_const_f32(&f->b, name, shape, v);
  free(v);
}

/* x is [1,16,6,5]; a = Conv(x) has the same shape. */
static void start(fixture *f, const char *kernels) {
  memset(f, 0, sizeof *f);
  assert_true(test_env_open(&f->t, NULL));
  f->t.e.kernels = oq_kernels_find(kernels);
  build_open(&f->b, &f->t.e, 17);
  build_input(&f->b, "x", OQ_DT_F32, "1,16,6,5");
  constant(f, "w", "16,16,3,3", 2304);
  build_node(&f->b, "Conv", "x w", "a", "pads=[1,1,1,1]");
}

static size_t numbers(fixture *f, float *to) {
  static const int64_t dim[] = {1, 16, 6, 5};
  const oq_env *e = &f->t.e;
  float x[480];
  oq_ctensor in = {OQ_DT_F32, {4, {0}}, sizeof x, x};
  oq_plan *p;
  oq_session *s;

  memcpy(in.shape.dim, dim, sizeof dim);
  draw(f, x, 480);
  build_bind(&f->b);
  if (f->b.status != OQ_OK) test_env_show(&f->t);
  assert_int_equal(f->b.status, OQ_OK);
  assert_int_equal(oq_plan_create(&p, f->b.g, NULL, e), OQ_OK);
  assert_int_equal(oq_session_create(&s, p, e), OQ_OK);
  if (oq_session_run(s, &in, 1, NULL, e) != OQ_OK) test_env_show(&f->t);
  const oq_ctensor *y = oq_session_value(s, build_find(&f->b, "y"));
  assert_non_null(y);
  const size_t n = oq_tensor_count(y);
  assert_true(n > 0 && n <= MOST);
  memcpy(to, y->data, y->size);
  oq_session_destroy(s);
  oq_plan_destroy(p);
  build_close(&f->b);
  test_env_close(&f->t);
  return n;
}

/* `more` adds what makes y. */
static void same(void (*more)(fixture *f)) {
  static float got[MOST], want[MOST];
  fixture f;

  start(&f, "reference");
  more(&f);
  build_output(&f.b, "y");
  const size_t n = numbers(&f, want);
  start(&f, "auto");
  more(&f);
  build_output(&f.b, "y");
  assert_int_equal(numbers(&f, got), n);
  for (size_t i = 0; i < n; i++)
    assert_true(fabsf(got[i] - want[i]) <= 1e-4f * (1.0f + fabsf(want[i])));
}

/* ---- filters ------------------------------------------------------------- */
static void made_filter(fixture *f) {
  build_node(&f->b, "Conv", "x a", "y", "");
}
static void filter_and_data(fixture *f) {
  build_node(&f->b, "Conv", "x x", "y", "");
}
static void both_made(fixture *f) { build_node(&f->b, "Conv", "a a", "y", ""); }

static void test_filters(void **state) {
  (void)state;
  same(made_filter);
  same(filter_and_data);
  same(both_made);
}

/* ---- element by element -------------------------------------------------- */
/* b = a convolution along one axis, [16,6,5]. */
static void line(fixture *f) {
  static const int64_t shape[] = {16, 6, 5};

  build_const_i64(&f->b, "shape", "3", shape);
  build_node(&f->b, "Reshape", "x shape", "r", "");
  constant(f, "v", "6,6,1", 36);
  build_node(&f->b, "Conv", "r v", "b", "");
}
static void ranks_first(fixture *f) {
  line(f);
  build_node(&f->b, "Add", "a b", "y", "");
}
static void ranks_second(fixture *f) {
  line(f);
  build_node(&f->b, "Mul", "b a", "y", "");
}
static void broadcasts(fixture *f) {
  constant(f, "c1", "1,16,1,1", 16);
  constant(f, "c2", "16,1,1", 16);
  constant(f, "c3", "6,1", 6);
  constant(f, "c4", "5", 5);
  constant(f, "c5", "", 1);
  constant(f, "c6", "16,6,5", 480);
  constant(f, "c7", "3,16,6,5", 1440);
  build_node(&f->b, "Mul", "a c1", "t1", "");
  build_node(&f->b, "Add", "t1 c2", "t2", "");
  build_node(&f->b, "Sub", "t2 c3", "t3", "");
  build_node(&f->b, "Mul", "c4 t3", "t4", "");
  build_node(&f->b, "Max", "t4 c5", "t5", "");
  build_node(&f->b, "Add", "c6 t5", "t6", "");
  build_node(&f->b, "Add", "t6 c7", "t7", "");
  build_node(&f->b, "PRelu", "t7 c2", "t8", "");
  build_node(&f->b, "Clip", "t8 c5", "t9", "");
  build_node(&f->b, "Tanh", "t9", "t10", "");
  build_node(&f->b, "Sum", "t10 x a", "y", "");
}
static void more_axes(fixture *f) {
  constant(f, "c", "2,1,1,1,1", 2);
  build_node(&f->b, "Add", "a c", "y", "");
}

static void test_elements(void **state) {
  (void)state;
  same(ranks_first);
  same(ranks_second);
  same(broadcasts);
  same(more_axes);
}

/* ---- moves, pools, bodies ------------------------------------------------ */
static void joined(fixture *f) {
  build_node(&f->b, "Concat", "a x", "j", "axis=1");
  build_node(&f->b, "Concat", "j j", "k", "axis=-1");
  build_node(&f->b, "MaxPool", "k", "m", "kernel_shape=[3,2] strides=[2,1]");
  build_node(&f->b, "AveragePool", "m", "n", "kernel_shape=[2,2]");
  build_node(&f->b, "GlobalAveragePool", "n", "p", "");
  build_node(&f->b, "Add", "n p", "y", "");
}
static void moved(fixture *f) {
  build_node(&f->b, "Identity", "a", "i", "");
  build_node(&f->b, "Transpose", "i", "t", "perm=[0,3,1,2]");
  build_node(&f->b, "ReduceSum", "t", "s", "keepdims=1");
  build_node(&f->b, "Add", "a s", "y", "");
}
static void captured(fixture *f) {
  static const uint8_t yes = 1;

  build_const(&f->b, "c", OQ_DT_BOOL, "", &yes);
  build_body(&f->b, "then");
  build_node(&f->b, "Conv", "a w", "d", "pads=[1,1,1,1]");
  build_node(&f->b, "Sub", "d a", "o1", "");
  build_output(&f->b, "o1");
  build_body_end(&f->b);
  build_body(&f->b, "else");
  build_node(&f->b, "Neg", "a", "o2", "");
  build_output(&f->b, "o2");
  build_body_end(&f->b);
  build_node(&f->b, "If", "c", "z", "then_branch=@then else_branch=@else");
  build_node(&f->b, "Add", "z a", "y", "");
}

static void test_others(void **state) {
  (void)state;
  same(joined);
  same(moved);
  same(captured);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_filters),
      cmocka_unit_test(test_elements),
      cmocka_unit_test(test_others),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}

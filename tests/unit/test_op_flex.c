/* FlexAttention: scores and probabilities that pass through graphs. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "exec/plan.h"
#include "exec/session.h"
#include "support/build.h"
#include "support/env.h"

#define FLEX "ai.onnx.preview:FlexAttention"

typedef struct fixture {
  test_env t;
  build b;
  oq_plan *p;
  oq_session *s;
} fixture;

/* Inputs of two queries and three keys; values have one number. */
static const float queries[] = {1, 0, 0, 1}, keys[] = {1, 2, 3, -1, 0, 1};
static const float values[] = {1, 2, 4};

static void open_shapes(fixture *f, const char *q, const char *k,
                        const char *v) {
  memset(f, 0, sizeof *f);
  assert_true(test_env_open(&f->t, NULL));
  build_open(&f->b, &f->t.e, 23);
  build_opset(&f->b, "ai.onnx.preview", 1);
  build_input(&f->b, "q", OQ_DT_F32, q);
  build_input(&f->b, "k", OQ_DT_F32, k);
  build_input(&f->b, "v", OQ_DT_F32, v);
}

static void open_flex(fixture *f) {
  open_shapes(f, "B,H,L,E", "B,G,S,E", "B,G,S,F");
}

/* One node of op(w, constant) to the output of body `name`. */
static void in_body(fixture *f, const char *name, const char *op, oq_dtype t,
                    const float *number) {
  build_body(&f->b, name);
  build_input(&f->b, "w", t, "*");
  if (number != NULL) build_const_f32(&f->b, "c", "", number);
  build_node(&f->b, op, number != NULL ? "w c" : "w", "e", "");
  build_output(&f->b, "e");
  build_body_end(&f->b);
}

static oq_status ready(fixture *f, const char *attrs) {
  build_node(&f->b, FLEX, "q k v", "y", attrs);
  build_output(&f->b, "y");
  build_bind(&f->b);
  OQ_TRY(f->b.status);
  OQ_TRY(oq_plan_create(&f->p, f->b.g, NULL, &f->t.e));
  return oq_session_create(&f->s, f->p, &f->t.e);
}

static oq_status run(fixture *f, int64_t heads) {
  float q[8];

  for (size_t i = 0; i < 8; i++) q[i] = queries[i % 4];
  const oq_ctensor in[] = {
      {OQ_DT_F32, {4, {1, heads, 2, 2}}, (size_t)heads * 16, q},
      {OQ_DT_F32, {4, {1, 1, 3, 2}}, sizeof keys, keys},
      {OQ_DT_F32, {4, {1, 1, 3, 1}}, sizeof values, values}};
  return oq_session_run(f->s, in, 3, NULL, &f->t.e);
}

static void close_all(fixture *f) {
  oq_session_destroy(f->s);
  oq_plan_destroy(f->p);
  build_close(&f->b);
  test_env_close(&f->t);
}

/* The two numbers of each head. */
static void gives(fixture *f, const char *attrs, int64_t heads, float a,
                  float b, float tolerance) {
  if (ready(f, attrs) != OQ_OK || run(f, heads) != OQ_OK) {
    test_env_show(&f->t);
    fail();
  }
  const oq_ctensor *const y = oq_session_value(f->s, build_find(&f->b, "y"));
  const oq_shape want = {4, {1, heads, 2, 1}};
  assert_non_null(y);
  assert_int_equal(y->dtype, OQ_DT_F32);
  assert_true(oq_shape_equal(&y->shape, &want));
  for (int64_t i = 0; i < 2 * heads; i++) {
    float got;
    memcpy(&got, (const uint8_t *)y->data + (size_t)i * sizeof got, sizeof got);
    assert_float_equal(got, (i % 2 == 0 ? a : b), tolerance);
  }
  close_all(f);
}

/* ---- results ------------------------------------------------------------- */
static void attends(void **state) {
  fixture f;

  (void)state;
  open_flex(&f);
  gives(&f, "", 1, 1.99752732f, 1.99140538f, 1e-6f);
  open_flex(&f);
  gives(&f, "scale=0.5", 1, 2.04926487f, 2.11644853f, 1e-6f);
  open_flex(&f);
  gives(&f, "softmax_precision=11", 1, 1.99752732f, 1.99140538f, 1e-6f);
  open_flex(&f);
  gives(&f, "softmax_precision=10", 1, 1.99752732f, 1.99140538f, 5e-3f);
}

static void heads_share_keys(void **state) {
  fixture f;

  (void)state;
  open_flex(&f);
  gives(&f, "", 2, 1.99752732f, 1.99140538f, 1e-6f);
}

static void graphs_work_on_scores(void **state) {
  const float two = 2;
  fixture f;

  (void)state;
  open_flex(&f);
  in_body(&f, "negative", "Neg", OQ_DT_F32, NULL);
  gives(&f, "score_mod=@negative", 1, 2.93427499f, 2.26879157f, 1e-6f);
  open_flex(&f);
  in_body(&f, "double", "Mul", OQ_DT_F32, &two);
  gives(&f, "prob_mod=@double", 1, 3.99505465f, 3.98281077f, 1e-6f);
  open_flex(&f);
  in_body(&f, "negative", "Neg", OQ_DT_F32, NULL);
  in_body(&f, "double", "Mul", OQ_DT_F32, &two);
  gives(&f, "score_mod=@negative prob_mod=@double", 1, 2 * 2.93427499f,
        2 * 2.26879157f, 1e-6f);
  open_flex(&f);
  in_body(&f, "negative", "Neg", OQ_DT_F64, NULL);
  gives(&f, "score_mod=@negative softmax_precision=11", 1, 2.93427499f,
        2.26879157f, 1e-6f);
}

/* ---- what is refused ----------------------------------------------------- */
static void graphs_must_keep_the_shape(void **state) {
  fixture f;

  (void)state;
  open_flex(&f);
  in_body(&f, "mod", "Shape", OQ_DT_F32, NULL);
  assert_true(ready(&f, "score_mod=@mod") != OQ_OK || run(&f, 1) == OQ_E_MODEL);
  assert_string_equal(test_env_last(&f.t), "attention.body");
  close_all(&f);
}

/* When it is made ready or, at the latest, when it runs. */
static void refuses(oq_shape q, oq_shape k, oq_shape v, const char *attrs,
                    const char *id) {
  static const float zeros[64] = {0};
  const oq_shape *const shape[] = {&q, &k, &v};
  oq_ctensor in[3];
  fixture f;

  open_shapes(&f, "*", "*", "*");
  for (uint32_t i = 0; i < 3; i++) {
    size_t n;
    assert_int_equal(oq_shape_count(&n, shape[i]), OQ_OK);
    assert_true(n <= sizeof zeros / sizeof *zeros);
    in[i] = (oq_ctensor){OQ_DT_F32, *shape[i], n * sizeof *zeros, zeros};
  }
  oq_status s = ready(&f, attrs);
  if (s == OQ_OK) s = oq_session_run(f.s, in, 3, NULL, &f.t.e);
  assert_int_equal(s, OQ_E_MODEL);
  assert_string_equal(test_env_last(&f.t), id);
  close_all(&f);
}

#define OF(...)        \
  (oq_shape) {         \
    4, { __VA_ARGS__ } \
  }
static void shapes_must_agree(void **state) {
  (void)state;
  refuses(OF(2, 1, 2, 2), OF(1, 1, 3, 2), OF(1, 1, 3, 1), "",
          "attention.shape");
  refuses(OF(1, 1, 2, 2), OF(1, 1, 3, 4), OF(1, 1, 3, 1), "",
          "attention.shape");
  refuses(OF(1, 1, 2, 2), OF(1, 1, 3, 2), OF(1, 1, 5, 1), "",
          "attention.shape");
  refuses(OF(1, 3, 2, 2), OF(1, 2, 3, 2), OF(1, 2, 3, 1), "",
          "attention.heads");
  refuses(OF(1, 1, 2, 2), OF(1, 1, 3, 2), OF(1, 1, 3, 1), "softmax_precision=7",
          "op.attr");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(attends),
      cmocka_unit_test(heads_share_keys),
      cmocka_unit_test(graphs_work_on_scores),
      cmocka_unit_test(graphs_must_keep_the_shape),
      cmocka_unit_test(shapes_must_agree),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

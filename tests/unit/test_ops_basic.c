/* What the official operator cases miss: old opsets, rank 0, empty tensors with
 * absurd other sizes, integer wrap-around, odd granularities, refusals. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "ops/op.h"
#include "support/build.h"
#include "support/env.h"

/* One node, run by itself. */
typedef struct lab {
  test_env t;
  build b;
  oq_ctensor in[4];
  oq_tensor out[3];
  uint32_t n_in;
  oq_status status;
  char finding[64];
} lab;

static void open_lab(lab *l) {
  memset(l, 0, sizeof *l);
  assert_true(test_env_open(&l->t, NULL));
}

static void give(lab *l, oq_dtype t, uint32_t rank, const int64_t *dim,
                 const void *data) {
  oq_ctensor *const c = &l->in[l->n_in++];

  c->dtype = t;
  c->shape.rank = rank;
  for (uint32_t i = 0; i < rank; i++) c->shape.dim[i] = dim[i];
  assert_int_equal(oq_shape_bytes(&c->size, &c->shape, (int32_t)t), OQ_OK);
  c->data = data;
}

static void give_f32(lab *l, uint32_t rank, const int64_t *dim,
                     const float *data) {
  give(l, OQ_DT_F32, rank, dim, data);
}

/* Inputs are called a b c d. */
static void run(lab *l, int64_t opset, const char *op, const char *out,
                const char *attrs) {
  static const char *const names[] = {"a", "b", "c", "d"};
  const oq_ctensor *in[4];
  char list[16] = "";

  build_open(&l->b, &l->t.e, opset);
  for (uint32_t i = 0; i < l->n_in; i++) {
    if (l->in[i].data != NULL)
      build_input(&l->b, names[i], l->in[i].dtype, "*");
    (void)strcat(list, i > 0 ? " " : "");
    (void)strcat(list, l->in[i].data != NULL ? names[i] : "_");
    in[i] = l->in[i].data != NULL ? &l->in[i] : NULL;
  }
  const oq_node_id n = build_node(&l->b, op, list, out, attrs);
  build_bind(&l->b);
  l->status = l->b.status;
  if (l->status == OQ_OK)
    l->status = oq_op_eval(l->out, l->b.g, n, in, l->t.scratch, &l->t.e);
  (void)strncpy(l->finding, test_env_last(&l->t), sizeof l->finding - 1);
}

static void close_lab(lab *l) {
  build_close(&l->b);
  test_env_close(&l->t);
}

static void is_f32(const lab *l, size_t n, const float *want) {
  const oq_ctensor y = oq_tensor_const(&l->out[0]);

  assert_int_equal(l->status, OQ_OK);
  assert_int_equal(y.dtype, OQ_DT_F32);
  assert_int_equal(oq_tensor_count(&y), n);
  for (size_t i = 0; i < n; i++) {
    const float got = ((const float *)y.data)[i];
    if (isnan(want[i]) ? !isnan(got) : fabsf(got - want[i]) > 1e-6f)
      fail_msg("[%zu] is %g, expected %g", i, (double)got, (double)want[i]);
  }
}

#define DIMS(...) \
  (const int64_t[]) { __VA_ARGS__ }
#define F32S(...) \
  (const float[]) { __VA_ARGS__ }

/* ---- old opsets ---------------------------------------------------------- */
/* Up to 12 a matrix is cut at the axis; from 13 on one axis counts. */
static void softmax_by_opset(void **state) {
  const float zeros[8] = {0};
  float eighth[8], half[8], quarter[8];
  lab l;

  (void)state;
  for (size_t i = 0; i < 8; i++) {
    eighth[i] = 0.125f;
    quarter[i] = 0.25f;
    half[i] = 0.5f;
  }
  open_lab(&l);
  give_f32(&l, 3, DIMS(2, 2, 2), zeros);
  run(&l, 11, "Softmax", "y", ""); /* axis 1 */
  is_f32(&l, 8, quarter);
  build_close(&l.b);
  run(&l, 11, "Softmax", "y", "axis=0");
  is_f32(&l, 8, eighth);
  build_close(&l.b);
  run(&l, 13, "Softmax", "y", "axis=1");
  is_f32(&l, 8, half);
  build_close(&l.b);
  run(&l, 9, "Softmax", "y", "axis=3"); /* legal then: rows of one */
  assert_int_equal(l.status, OQ_OK);
  build_close(&l.b);
  run(&l, 13, "Softmax", "y", "axis=3");
  assert_int_equal(l.status, OQ_E_MODEL);
  assert_string_equal(l.finding, "op.axis");
  close_lab(&l);
}

static void clip_by_opset(void **state) {
  const float x[] = {-5, 0.5f, 5, NAN};
  lab l;

  (void)state;
  open_lab(&l);
  give_f32(&l, 1, DIMS(4), x);
  run(&l, 7, "Clip", "y", "min=-1.0 max=2.0");
  is_f32(&l, 4, F32S(-1, 0.5f, 2, NAN));
  build_close(&l.b);
  run(&l, 11, "Clip", "y", "");
  is_f32(&l, 4, x);
  build_close(&l.b);
  give_f32(&l, 0, NULL, NULL); /* no lower bound */
  give_f32(&l, 1, DIMS(1), F32S(1.5f));
  run(&l, 13, "Clip", "y", "");
  is_f32(&l, 4, F32S(-5, 0.5f, 1.5f, NAN));
  build_close(&l.b);
  l.in[1] = l.in[2];
  l.in[2].data = F32S(-2.0f); /* max below min: max wins */
  run(&l, 13, "Clip", "y", "");
  is_f32(&l, 4, F32S(-2, -2, -2, NAN));
  build_close(&l.b);
  l.in[1].shape = (oq_shape){.rank = 1, .dim = {2}};
  l.in[1].size = 8;
  l.in[1].data = F32S(0, 1);
  run(&l, 13, "Clip", "y", "");
  assert_string_equal(l.finding, "clip.bound");
  close_lab(&l);
}

static void clip_big_integers(void **state) {
  const int64_t x[] = {INT64_MIN, -1, INT64_MAX - 1}, lo[] = {-2},
                hi[] = {INT64_MAX - 2};
  lab l;

  (void)state;
  open_lab(&l);
  give(&l, OQ_DT_I64, 1, DIMS(3), x);
  give(&l, OQ_DT_I64, 0, NULL, lo);
  give(&l, OQ_DT_I64, 0, NULL, hi);
  run(&l, 13, "Clip", "y", "");
  assert_int_equal(l.status, OQ_OK);
  const int64_t *const y = l.out[0].data;
  assert_true(y[0] == -2 && y[1] == -1 && y[2] == INT64_MAX - 2);
  close_lab(&l);
}

static void broadcast_of_opset_6(void **state) {
  const float x[] = {1, 2, 3, 4, 5, 6}, rows[] = {10, 20};
  lab l;

  (void)state;
  open_lab(&l);
  give_f32(&l, 2, DIMS(2, 3), x);
  give_f32(&l, 1, DIMS(2), rows);
  run(&l, 6, "Add", "y", "broadcast=1 axis=0");
  is_f32(&l, 6, F32S(11, 12, 13, 24, 25, 26));
  build_close(&l.b);
  run(&l, 6, "Add", "y", "broadcast=1"); /* at the end, where it does not fit */
  assert_string_equal(l.finding, "op.broadcast");
  build_close(&l.b);
  run(&l, 6, "PRelu", "y", "");
  assert_string_equal(l.finding, "prelu.slope");
  close_lab(&l);
}

/* ---- sizes --------------------------------------------------------------- */
static void scalars(void **state) {
  lab l;

  (void)state;
  open_lab(&l);
  give_f32(&l, 0, NULL, F32S(3));
  run(&l, 17, "Neg", "y", "");
  is_f32(&l, 1, F32S(-3));
  assert_int_equal(l.out[0].shape.rank, 0);
  build_close(&l.b);
  run(&l, 13, "Softmax", "y", "");
  is_f32(&l, 1, F32S(1));
  build_close(&l.b);
  run(&l, 17, "ReduceMean", "y", "");
  is_f32(&l, 1, F32S(3));
  close_lab(&l);
}

/* No element, yet sizes whose product wraps: nothing may be counted in vain. */
static void empty_but_huge(void **state) {
  static const char *const ops[] = {"Relu",    "Softmax",   "LogSoftmax",
                                    "Hardmax", "ReduceSum", "ReduceMax",
                                    "ArgMax"};
  const int64_t huge = INT64_C(1) << 40;
  lab l;

  (void)state;
  for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
    open_lab(&l);
    give_f32(&l, 4, DIMS(huge, huge, 3, 0), F32S(0));
    run(&l, 13, ops[i], "y", i == 6 ? "axis=2" : "");
    /* ReduceSum of all gives a number; the others give nothing, or too much. */
    if (i == 4 || i == 5) assert_int_equal(l.status, OQ_OK);
    close_lab(&l);
  }
  open_lab(&l);
  give_f32(&l, 3, DIMS(huge, 3, 0), F32S(0));
  give_f32(&l, 1, DIMS(3), F32S(1, 1, 1));
  run(&l, 13, "QuantizeLinear", "y", "axis=1");
  assert_int_equal(l.status, OQ_OK);
  close_lab(&l);
}

static void reductions_of_nothing(void **state) {
  lab l;

  (void)state;
  open_lab(&l);
  give_f32(&l, 2, DIMS(0, 2), F32S(0));
  run(&l, 13, "ReduceMax", "y", "axes=[0] keepdims=0");
  is_f32(&l, 2, F32S(-INFINITY, -INFINITY));
  build_close(&l.b);
  run(&l, 17, "ReduceProd", "y", "axes=[0] keepdims=0");
  is_f32(&l, 2, F32S(1, 1));
  build_close(&l.b);
  run(&l, 17, "ReduceLogSumExp", "y", "axes=[0] keepdims=0");
  is_f32(&l, 2, F32S(-INFINITY, -INFINITY));
  build_close(&l.b);
  run(&l, 17, "ReduceMean", "y", "axes=[0,0]");
  assert_string_equal(l.finding, "op.axis");
  close_lab(&l);
}

/* A mean of 2^24 + 1 equal numbers is that number; float sums lose it. */
static void long_means(void **state) {
  enum { N = 1 << 20 };
  static float x[N];
  lab l;

  (void)state;
  for (size_t i = 0; i < N; i++) x[i] = 0.1f;
  open_lab(&l);
  give_f32(&l, 2, DIMS(N, 1), x);
  run(&l, 17, "ReduceMean", "y", "axes=[0]");
  is_f32(&l, 1, F32S(0.1f));
  close_lab(&l);
}

/* ---- integers ------------------------------------------------------------ */
static void integers_wrap(void **state) {
  const int8_t a[] = {127, -128, -128, 100}, b[] = {1, -1, 0, 100};
  lab l;

  (void)state;
  open_lab(&l);
  give(&l, OQ_DT_I8, 1, DIMS(4), a);
  give(&l, OQ_DT_I8, 1, DIMS(4), b);
  run(&l, 14, "Add", "y", "");
  const int8_t *y = l.out[0].data;
  assert_true(y[0] == -128 && y[1] == 127 && y[3] == -56);
  build_close(&l.b);
  run(&l, 14, "Div", "y", "");
  y = l.out[0].data;
  assert_true(y[0] == 127 && y[1] == -128 && y[2] == 0 && y[3] == 1);
  build_close(&l.b);
  run(&l, 13, "Mod", "y", "");
  assert_int_equal(l.status, OQ_OK);
  close_lab(&l);
}

static void mod_of_floats(void **state) {
  lab l;

  (void)state;
  open_lab(&l);
  give_f32(&l, 1, DIMS(2), F32S(-5.5f, 5.5f));
  give_f32(&l, 0, NULL, F32S(2));
  run(&l, 13, "Mod", "y", "fmod=1");
  is_f32(&l, 2, F32S(-1.5f, 1.5f));
  build_close(&l.b);
  run(&l, 13, "Mod", "y", "");
  assert_string_equal(l.finding, "mod.fmod");
  close_lab(&l);
}

static void mixed_types(void **state) {
  const int32_t i[] = {1, 2};
  lab l;

  (void)state;
  open_lab(&l);
  give_f32(&l, 1, DIMS(2), F32S(1, 2));
  give(&l, OQ_DT_I32, 1, DIMS(2), i);
  run(&l, 17, "Add", "y", "");
  assert_int_equal(l.status, OQ_E_MODEL);
  assert_string_equal(l.finding, "op.dtype");
  build_close(&l.b);
  run(&l, 17, "Pow", "y", ""); /* here they may differ */
  is_f32(&l, 2, F32S(1, 4));
  close_lab(&l);
}

/* ---- quantization -------------------------------------------------------- */
static void quantize_rounds_to_even(void **state) {
  static const float x[] = {0.5f, 1.5f, 2.5f, -0.5f, 300, -300, NAN, INFINITY};
  static const uint8_t want[] = {1, 3, 3, 1, 255, 0, 0, 255}, zero[] = {1};
  lab l;

  (void)state;
  open_lab(&l);
  give_f32(&l, 1, DIMS(8), x);
  give_f32(&l, 0, NULL, F32S(1));
  give(&l, OQ_DT_U8, 0, NULL, zero);
  run(&l, 10, "QuantizeLinear", "y", "");
  assert_int_equal(l.status, OQ_OK);
  assert_memory_equal(l.out[0].data, want, sizeof want);
  close_lab(&l);
}

static void quantize_packed(void **state) {
  static const float x[] = {-20, -3, 0, 7, 20};
  static const uint8_t want[] = {0xd8, 0x70, 0x07}; /* -8 -3, 0 7, 7 */
  lab l;

  (void)state;
  open_lab(&l);
  give_f32(&l, 1, DIMS(5), x);
  give_f32(&l, 0, NULL, F32S(1));
  run(&l, 21, "QuantizeLinear", "y", "output_dtype=22"); /* int4 */
  assert_int_equal(l.status, OQ_OK);
  assert_int_equal(l.out[0].size, 3);
  assert_memory_equal(l.out[0].data, want, 3);
  close_lab(&l);
}

/* Blocks along an axis that is not the last, the last block short. */
static void blocks(void **state) {
  static const int8_t x[] = {10, 20, 30, 40, 50, 60};
  lab l;

  (void)state;
  open_lab(&l);
  give(&l, OQ_DT_I8, 2, DIMS(3, 2), x);
  give_f32(&l, 2, DIMS(2, 2), F32S(1, 2, 3, 4));
  run(&l, 21, "DequantizeLinear", "y", "axis=0 block_size=2");
  is_f32(&l, 6, F32S(10, 40, 30, 80, 150, 240));
  build_close(&l.b);
  run(&l, 21, "DequantizeLinear", "y", "axis=0 block_size=1");
  assert_string_equal(l.finding, "quantize.scale");
  build_close(&l.b);
  run(&l, 21, "DequantizeLinear", "y", "axis=0");
  assert_string_equal(l.finding, "quantize.scale");
  close_lab(&l);
}

static void scale_and_zero_agree(void **state) {
  const uint8_t zeros[] = {0, 0}, zero[] = {0};
  lab l;

  (void)state;
  open_lab(&l);
  give_f32(&l, 2, DIMS(1, 2), F32S(2, 4));
  give_f32(&l, 1, DIMS(2), F32S(1, 2));
  give(&l, OQ_DT_U8, 1, DIMS(2), zeros);
  run(&l, 13, "QuantizeLinear", "y", "");
  assert_int_equal(l.status, OQ_OK);
  assert_int_equal(((const uint8_t *)l.out[0].data)[1], 2);
  build_close(&l.b);
  l.in[2].shape.rank = 0;
  l.in[2].size = 1;
  l.in[2].data = zero;
  run(&l, 13, "QuantizeLinear", "y", "");
  assert_string_equal(l.finding, "quantize.zero");
  build_close(&l.b);
  l.in[2].dtype = OQ_DT_I8; /* a zero point of another type */
  l.in[1].shape.rank = 0;
  l.in[1].size = 4;
  run(&l, 21, "QuantizeLinear", "y", "output_dtype=2");
  assert_string_equal(l.finding, "quantize.dtype");
  close_lab(&l);
}

/* Quantized and brought back, a number moves by at most half a step; once
 * more, not at all. */
static void round_trip(void **state) {
  enum { N = 1001 };
  float x[N], first[N];
  const float scale[] = {0.037f};
  const int8_t zero[] = {-11};
  lab l;

  (void)state;
  for (size_t i = 0; i < N; i++) x[i] = ((float)i - 500) / 500 * 0.037f * 110;
  for (int again = 0; again < 2; again++) {
    open_lab(&l);
    give_f32(&l, 1, DIMS(N), again ? first : x);
    give_f32(&l, 0, NULL, scale);
    give(&l, OQ_DT_I8, 0, NULL, zero);
    run(&l, 13, "QuantizeLinear", "y", "");
    assert_int_equal(l.status, OQ_OK);
    build_close(&l.b);
    l.in[0] = oq_tensor_const(&l.out[0]);
    run(&l, 13, "DequantizeLinear", "y", "");
    assert_int_equal(l.status, OQ_OK);
    const float *const y = l.out[0].data;
    for (size_t i = 0; i < N; i++) {
      if (again)
        assert_true(y[i] == first[i]);
      else
        assert_true(fabsf(y[i] - x[i]) <= 0.5f * scale[0] * 1.0001f);
    }
    memcpy(first, y, sizeof first);
    close_lab(&l);
  }
}

static void dynamic(void **state) {
  lab l;

  (void)state;
  open_lab(&l);
  give_f32(&l, 1, DIMS(3), F32S(0, 0, 0));
  run(&l, 11, "DynamicQuantizeLinear", "y s z", "");
  assert_int_equal(l.status, OQ_OK);
  assert_true(((const float *)l.out[1].data)[0] == 1.0f / 255);
  assert_int_equal(((const uint8_t *)l.out[2].data)[0], 0);
  build_close(&l.b);
  l.in[0].data = F32S(1, 2, 255); /* the range is extended to hold 0 */
  run(&l, 11, "DynamicQuantizeLinear", "y s z", "");
  assert_true(((const float *)l.out[1].data)[0] == 1.0f);
  assert_int_equal(((const uint8_t *)l.out[0].data)[2], 255);
  close_lab(&l);
}

/* ---- constants ----------------------------------------------------------- */
static void constants(void **state) {
  const int64_t shape[] = {2, 2}, negative[] = {-1},
                many[] = {1, 1, 1, 1, 1, 1, 1, 1, 1};
  lab l;

  (void)state;
  open_lab(&l);
  run(&l, 13, "Constant", "y", "value_floats=[1.5,2.5]");
  is_f32(&l, 2, F32S(1.5f, 2.5f));
  build_close(&l.b);
  run(&l, 13, "Constant", "y", "value_int=7");
  assert_int_equal(l.out[0].shape.rank, 0);
  assert_true(((const int64_t *)l.out[0].data)[0] == 7);
  build_close(&l.b);
  run(&l, 13, "Constant", "y", "value_string=text");
  assert_int_equal(l.status, OQ_OK);
  assert_int_equal(l.out[0].dtype, OQ_DT_STRING);
  assert_memory_equal(((const oq_text *)l.out[0].data)->p, "text", 4);
  build_close(&l.b);
  give(&l, OQ_DT_I64, 1, DIMS(2), shape);
  run(&l, 13, "ConstantOfShape", "y", "");
  is_f32(&l, 4, F32S(0, 0, 0, 0));
  build_close(&l.b);
  l.n_in = 0;
  give(&l, OQ_DT_I64, 1, DIMS(1), negative);
  run(&l, 13, "ConstantOfShape", "y", "");
  assert_string_equal(l.finding, "op.shape");
  build_close(&l.b);
  l.n_in = 0;
  give(&l, OQ_DT_I64, 1, DIMS(9), many);
  run(&l, 13, "ConstantOfShape", "y", "");
  assert_int_equal(l.status, OQ_E_LIMIT);
  close_lab(&l);
}

static void casts_to_nothing_known_are_refused(void **state) {
  lab l;

  (void)state;
  open_lab(&l);
  give_f32(&l, 0, NULL, F32S(1));
  run(&l, 13, "Cast", "y", "to=99");
  assert_string_equal(l.finding, "cast.to");
  close_lab(&l);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(softmax_by_opset),
      cmocka_unit_test(clip_by_opset),
      cmocka_unit_test(clip_big_integers),
      cmocka_unit_test(broadcast_of_opset_6),
      cmocka_unit_test(scalars),
      cmocka_unit_test(empty_but_huge),
      cmocka_unit_test(reductions_of_nothing),
      cmocka_unit_test(long_means),
      cmocka_unit_test(integers_wrap),
      cmocka_unit_test(mod_of_floats),
      cmocka_unit_test(mixed_types),
      cmocka_unit_test(quantize_rounds_to_even),
      cmocka_unit_test(quantize_packed),
      cmocka_unit_test(blocks),
      cmocka_unit_test(scale_and_zero_agree),
      cmocka_unit_test(round_trip),
      cmocka_unit_test(dynamic),
      cmocka_unit_test(constants),
      cmocka_unit_test(casts_to_nothing_known_are_refused),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}

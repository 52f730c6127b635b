/* How far outputs are apart. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "onnxquant/onnxquant.h"
#include "support/build.h"
#include "support/env.h"

static oq_tensor_view row(const float *x, int64_t rows, int64_t n) {
  return (oq_tensor_view){.dtype = OQ_DT_F32,
                          .rank = 2,
                          .dim = {rows, n},
                          .data = x,
                          .size = (size_t)(rows * n) * sizeof *x};
}

static oq_context *context(uint32_t threads) {
  oq_config config = OQ_CONFIG_INIT;
  oq_context *cx;

  config.threads = threads;
  assert_int_equal(oq_context_create(&cx, &config), OQ_OK);
  return cx;
}

static oq_comparison compare(const float *a, const float *b, int64_t rows,
                             int64_t n) {
  oq_context *const cx = context(1);
  const oq_tensor_view x = row(a, rows, n), y = row(b, rows, n);
  oq_difference *d;
  oq_comparison c;

  assert_int_equal(oq_difference_create(&d, cx), OQ_OK);
  assert_int_equal(oq_difference_feed(d, &x, &y), OQ_OK);
  assert_int_equal(oq_difference_result(&c, d), OQ_OK);
  oq_difference_destroy(d);
  oq_context_destroy(cx);
  return c;
}

static bool near(double a, double b) { return fabs(a - b) < 1e-12; }

/* ---- numbers ----------------------------------------------------------- */
static void equal_outputs(void **state) {
  static const float x[] = {1, -2, 3, 0};
  const oq_comparison c = compare(x, x, 1, 4);

  (void)state;
  assert_int_equal(c.samples, 1);
  assert_true(isinf(c.sqnr_db) && c.sqnr_db > 0);
  assert_true(near(c.cosine, 1) && near(c.worst_cosine, 1));
  assert_true(c.max_abs == 0 && c.max_rel == 0);
  assert_true(c.top1_agreement == 100 && c.top5_agreement == 100);
}

static void known_numbers(void **state) {
  static const float a[] = {3, 4, 0, 0}, b[] = {3, 4, 0, 0.5f};
  const oq_comparison c = compare(a, b, 1, 4);

  (void)state;
  assert_true(near(c.sqnr_db, 20)); /* 25 / 0.25 */
  assert_true(near(c.cosine, 5 / sqrt(25.25)));
  assert_true(near(c.max_abs, 0.5));
  assert_true(c.max_rel == 0); /* relative to 0 means nothing */
  const oq_comparison r = compare((float[]){2, -4}, (float[]){2.5f, -3}, 1, 2);
  assert_true(near(r.max_rel, 0.25) && near(r.max_abs, 1));
}

static void zeros(void **state) {
  static const float z[4], one[] = {1, 0, 0, 0};
  const oq_comparison c = compare(z, z, 1, 4), d = compare(z, one, 1, 4);

  (void)state;
  assert_true(near(c.cosine, 1) && isinf(c.sqnr_db));
  assert_true(d.cosine == 0 && isinf(d.sqnr_db) && d.sqnr_db < 0);
}

static void what_is_not_finite(void **state) {
  static const float a[] = {1, NAN, INFINITY, -INFINITY};
  static const float b[] = {1, NAN, INFINITY, INFINITY};
  static const float c[] = {1, 2, INFINITY, -INFINITY};

  (void)state;
  assert_true(isinf(compare(a, a, 1, 4).sqnr_db));
  assert_true(compare(a, a, 1, 4).max_abs == 0);
  for (int i = 0; i < 2; i++) {
    const oq_comparison d = compare(a, i ? b : c, 1, 4);
    assert_true(isinf(d.max_abs) && isinf(d.max_rel));
    assert_true(isinf(d.sqnr_db) && d.sqnr_db < 0);
    assert_true(d.worst_cosine == 0);
  }
}

static void several_samples(void **state) {
  static const float a[] = {1, 0}, b[] = {0, 1}, c[] = {2, 0};
  oq_context *const cx = context(1);
  const oq_tensor_view x = row(a, 1, 2), y = row(b, 1, 2), z = row(c, 1, 2);
  oq_difference *d;
  oq_comparison r;

  (void)state;
  assert_int_equal(oq_difference_create(&d, cx), OQ_OK);
  assert_int_equal(oq_difference_feed(d, &x, &x), OQ_OK);
  assert_int_equal(oq_difference_feed(d, &x, &y), OQ_OK);
  assert_int_equal(oq_difference_feed(d, &x, &z), OQ_OK);
  assert_int_equal(oq_difference_result(&r, d), OQ_OK);
  assert_int_equal(r.samples, 3);
  assert_true(near(r.worst_cosine, 0));
  assert_true(near(r.cosine, 3 / (sqrt(3) * sqrt(6))));
  assert_true(near(r.sqnr_db, 0)); /* 3 to 2 + 1 */
  assert_true(near(r.top1_agreement, 200.0 / 3));
  oq_difference_destroy(d);
  oq_context_destroy(cx);
}

/* ---- ranks ------------------------------------------------------------- */
static void ties_go_to_the_lower_index(void **state) {
  static const float a[] = {0, 5, 5, 1}, b[] = {0, 4, 5, 5}, c[] = {0, 5, 5, 9};
  uint64_t rank;
  const oq_tensor_view v = row(b, 1, 4);

  (void)state;
  assert_true(compare(a, a, 1, 4).top1_agreement == 100);
  assert_true(compare(a, b, 1, 4).top1_agreement == 0);
  assert_true(compare(a, c, 1, 4).top1_agreement == 0);
  assert_true(compare(a, c, 1, 4).top5_agreement == 100);
  for (int64_t i = 0; i < 4; i++) {
    static const uint64_t want[] = {3, 2, 0, 1};
    assert_int_equal(oq_rank_of_label(&rank, &v, i), OQ_OK);
    assert_int_equal(rank, want[i]);
  }
}

/* A model that gives NaN agrees with nobody. */
static void not_a_number_ranks_last(void **state) {
  static const float a[] = {1, 5, 2, 0, 0, 0, 0};
  static const float b[] = {1, NAN, 2, 3, 4, 5, 6};
  static const float c[] = {NAN, 5, 2, 0, 0, 0, 0};
  const oq_tensor_view v = row(b, 1, 7);
  uint64_t rank;

  (void)state;
  assert_true(compare(a, b, 1, 7).top1_agreement == 0);
  assert_true(compare(a, b, 1, 7).top5_agreement == 0);
  assert_true(compare(c, a, 1, 7).top1_agreement == 100);
  assert_true(compare(a, c, 1, 7).top1_agreement == 100);
  assert_int_equal(oq_rank_of_label(&rank, &v, 1), OQ_OK);
  assert_int_equal(rank, 6);
  assert_int_equal(oq_rank_of_label(&rank, &v, 6), OQ_OK);
  assert_int_equal(rank, 0);
}

static void rows_count_each(void **state) {
  static const float a[] = {1, 0, 0, 1, 1, 0}, b[] = {1, 0, 1, 0, 1, 0};
  const oq_comparison c = compare(a, b, 3, 2);

  (void)state;
  assert_true(near(c.top1_agreement, 200.0 / 3));
  assert_true(isnan(compare(a, a, 6, 1).top1_agreement));
}

static void wrong_labels(void **state) {
  static const float a[] = {1, 2, 3};
  const oq_tensor_view v = row(a, 1, 3), two = row(a, 3, 1);
  oq_tensor_view scalar = v, broken = v, text = v;
  uint64_t rank = 7;

  (void)state;
  scalar.rank = 0;
  broken.size = 8;
  text.dtype = OQ_DT_STRING;
  assert_int_equal(oq_rank_of_label(NULL, &v, 0), OQ_E_ARGUMENT);
  assert_int_equal(oq_rank_of_label(&rank, NULL, 0), OQ_E_ARGUMENT);
  assert_int_equal(oq_rank_of_label(&rank, &scalar, 0), OQ_E_ARGUMENT);
  assert_int_equal(oq_rank_of_label(&rank, &v, -1), OQ_E_DATA);
  assert_int_equal(oq_rank_of_label(&rank, &v, 3), OQ_E_DATA);
  assert_int_equal(oq_rank_of_label(&rank, &two, 0), OQ_E_DATA);
  assert_int_equal(oq_rank_of_label(&rank, &broken, 0), OQ_E_DATA);
  assert_int_equal(oq_rank_of_label(&rank, &text, 0), OQ_E_DATA);
  assert_int_equal(rank, 7);
}

/* Views come from anywhere in memory. */
static void odd_addresses(void **state) {
  static const float a[] = {1, 3, 2};
  char bytes[sizeof a + 1];
  oq_tensor_view v = row(NULL, 1, 3);
  uint64_t rank;

  (void)state;
  memcpy(bytes + 1, a, sizeof a);
  v.data = bytes + 1;
  assert_int_equal(oq_rank_of_label(&rank, &v, 2), OQ_OK);
  assert_int_equal(rank, 1);
}

/* ---- misuse ------------------------------------------------------------ */
static void shapes_must_agree(void **state) {
  static const float a[] = {1, 2, 3, 4};
  oq_context *const cx = context(1);
  const oq_tensor_view x = row(a, 1, 4), y = row(a, 2, 2);
  oq_tensor_view z = x;
  oq_difference *d;
  oq_comparison c;

  (void)state;
  z.size = 12;
  assert_int_equal(oq_difference_create(&d, cx), OQ_OK);
  assert_int_equal(oq_difference_feed(d, &x, &y), OQ_E_DATA);
  assert_string_equal(oq_context_diag(cx, 0)->id, "compare.shape");
  assert_int_equal(oq_difference_feed(d, &x, &z), OQ_E_DATA);
  assert_int_equal(oq_difference_feed(d, NULL, &z), OQ_E_ARGUMENT);
  assert_int_equal(oq_difference_feed(NULL, &x, &x), OQ_E_ARGUMENT);
  assert_int_equal(oq_difference_result(&c, d), OQ_OK);
  assert_int_equal(c.samples, 0); /* what failed does not count */
  assert_int_equal(oq_difference_create(NULL, cx), OQ_E_ARGUMENT);
  assert_int_equal(oq_difference_create(&d, NULL), OQ_E_ARGUMENT);
  assert_int_equal(oq_difference_result(NULL, d), OQ_E_ARGUMENT);
  oq_difference_destroy(d);
  oq_difference_destroy(NULL);
  oq_context_destroy(cx);
}

/* ---- two models -------------------------------------------------------- */
/* x[1,4] -> y = x + c, z = x * 2 */
static oq_model *model(oq_context *cx, float c, bool second, void **bytes) {
  const float add[] = {c, 0, 0, 0}, two[] = {2};
  test_env t;
  oq_model *m;
  size_t n;
  build b;

  assert_true(test_env_open(&t, NULL));
  build_open(&b, &t.e, 17);
  build_input(&b, "x", OQ_DT_F32, "1,4");
  build_const_f32(&b, "c", "4", add);
  build_const_f32(&b, "two", "1", two);
  build_node(&b, "Add", "x c", "y", "");
  build_node(&b, "Mul", "x two", "z", "");
  build_output(&b, "y");
  if (second) build_output(&b, "z");
  build_bind(&b);
  *bytes = build_bytes(&b, &n);
  test_env_close(&t);
  assert_int_equal(oq_model_load_memory(&m, cx, *bytes, n, NULL), OQ_OK);
  return m;
}

static oq_status read_sample(void *user, uint64_t index, oq_tensor_view *inputs,
                             size_t n, void **handle) {
  static const float x[3][4] = {{1, 2, 3, 4}, {-1, 0, 0, 1}, {0, 0, 0, 3}};

  (void)n;
  if (user && *(uint64_t *)user == index) return OQ_E_IO;
  inputs[0] = row(x[index], 1, 4);
  *handle = NULL;
  return OQ_OK;
}

static void models_are_run(void **state) {
  oq_comparison first[2];

  (void)state;
  for (uint32_t threads = 1; threads <= 3; threads++) {
    oq_context *const cx = context(threads);
    const oq_source src = {.count = 3, .read = read_sample};
    oq_comparison c[2];
    void *p[2];
    oq_model *const a = model(cx, 0, true, &p[0]);
    oq_model *const b = model(cx, 0.5f, true, &p[1]);

    assert_int_equal(oq_compare(c, 2, a, b, &src), OQ_OK);
    if (threads == 1) memcpy(first, c, sizeof c);
    assert_memory_equal(first, c, sizeof c);
    assert_int_equal(c[0].samples, 3);
    assert_true(near(c[0].max_abs, 0.5) && c[1].max_abs == 0);
    assert_true(near(c[0].sqnr_db, 10 * log10(41 / 0.75)));
    oq_model_destroy(a);
    oq_model_destroy(b);
    oq_context_destroy(cx);
    free(p[0]);
    free(p[1]);
  }
}

static void models_that_do_not_match(void **state) {
  oq_context *const cx = context(1);
  oq_source src = {.count = 3, .read = read_sample};
  uint64_t bad = 1;
  oq_comparison c[2];
  void *p[2];
  oq_model *const a = model(cx, 0, true, &p[0]);
  oq_model *const b = model(cx, 0, false, &p[1]);

  (void)state;
  assert_int_equal(oq_compare(c, 2, a, b, &src), OQ_E_STATE);
  assert_int_equal(oq_compare(c, 1, a, b, &src), OQ_E_STATE);
  assert_int_equal(oq_compare(c, 1, a, a, &src), OQ_E_STATE);
  assert_int_equal(oq_compare(NULL, 2, a, a, &src), OQ_E_ARGUMENT);
  assert_int_equal(oq_compare(c, 2, NULL, a, &src), OQ_E_ARGUMENT);
  assert_int_equal(oq_compare(c, 2, a, NULL, &src), OQ_E_ARGUMENT);
  assert_int_equal(oq_compare(c, 2, a, a, NULL), OQ_E_ARGUMENT);
  src.user = &bad;
  assert_int_equal(oq_compare(c, 2, a, a, &src), OQ_E_IO);
  oq_model_destroy(a);
  oq_model_destroy(b);
  oq_context_destroy(cx);
  free(p[0]);
  free(p[1]);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(equal_outputs),
      cmocka_unit_test(known_numbers),
      cmocka_unit_test(zeros),
      cmocka_unit_test(what_is_not_finite),
      cmocka_unit_test(several_samples),
      cmocka_unit_test(ties_go_to_the_lower_index),
      cmocka_unit_test(not_a_number_ranks_last),
      cmocka_unit_test(rows_count_each),
      cmocka_unit_test(wrong_labels),
      cmocka_unit_test(odd_addresses),
      cmocka_unit_test(shapes_must_agree),
      cmocka_unit_test(models_are_run),
      cmocka_unit_test(models_that_do_not_match),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Values by index: elements and tuples, reading and writing; running sums. */
#include "op_case.h"

static const float x[] = {1, 2, 3, 4, 5, 6};

#define I(...) ((const int64_t[]){__VA_ARGS__})
#define F(...) ((const float[]){__VA_ARGS__})

static void gather_elements(void **state) {
  op_case c;

  (void)state;
  case_open(&c, 13);
  case_f32(&c, "2,3", x);
  case_i64(&c, "2,2", I(2, -3, 0, 1));
  case_run(&c, "GatherElements", 1, "axis=1");
  case_is_f32(&c, 0, "2,2", F(3, 1, 4, 5), 0);
  case_close(&c);
  case_open(&c, 13);
  case_f32(&c, "2,3", x);
  case_in(&c, OQ_DT_I32, "1,2", (int32_t[]){1, -2});
  case_run(&c, "GatherElements", 1, "");
  case_is_f32(&c, 0, "1,2", F(4, 2), 0);
  case_close(&c);
}

static void gather_nd(void **state) {
  static const struct {
    const char *ix;
    int64_t v[8];
    const char *attrs, *y;
    float want[6];
  } rows[] = {
      {"2,2", {0, 0, 1, -1}, "", "2", {1, 6}},
      {"2,1", {1, 0}, "", "2,3", {4, 5, 6, 1, 2, 3}},
      {"1,1,2", {1, 1}, "", "1,1", {5}},
      {"2,1", {2, 0}, "batch_dims=1", "2", {3, 4}},
      {"2,2,1", {2, 1, 0, 0}, "batch_dims=1", "2,2", {3, 2, 4, 4}},
  };

  (void)state;
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    op_case c;
    case_open(&c, 13);
    case_f32(&c, "2,3", x);
    case_i64(&c, rows[i].ix, rows[i].v);
    case_run(&c, "GatherND", 1, rows[i].attrs);
    case_is_f32(&c, 0, rows[i].y, rows[i].want, 0);
    case_close(&c);
  }
}

/* The same element again and again: in order, whatever the reduction. */
static void scatter_elements(void **state) {
  static const struct {
    const char *attrs;
    float y[3];
  } rows[] = {
      {"axis=0", {1, 30, 3}},
      {"axis=0 reduction=add", {1, 62, 3}},
      {"axis=0 reduction=mul", {1, 12000, 3}},
      {"axis=0 reduction=max", {1, 30, 3}},
      {"axis=0 reduction=min", {1, 2, 3}},
  };

  (void)state;
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    op_case c;
    case_open(&c, 18);
    case_f32(&c, "3", x);
    case_i64(&c, "3", I(1, -2, 1));
    case_f32(&c, "3", F(10, 20, 30));
    case_run(&c, "ScatterElements", 1, rows[i].attrs);
    case_is_f32(&c, 0, "3", rows[i].y, 0);
    case_close(&c);
  }
}

static void scatter_old(void **state) {
  op_case c;

  (void)state;
  case_open(&c, 9);
  case_f32(&c, "2,3", x);
  case_i64(&c, "2,1", I(2, 0));
  case_f32(&c, "2,1", F(9, 8));
  case_run(&c, "Scatter", 1, "axis=1");
  case_is_f32(&c, 0, "2,3", F(1, 2, 9, 8, 5, 6), 0);
  case_close(&c);
}

static void scatter_nd(void **state) {
  op_case c;

  (void)state;
  case_open(&c, 18);
  case_f32(&c, "2,3", x);
  case_i64(&c, "2,1", I(1, -1));
  case_f32(&c, "2,3", F(10, 10, 10, 20, 20, 20));
  case_run(&c, "ScatterND", 1, "reduction=add");
  case_is_f32(&c, 0, "2,3", F(1, 2, 3, 34, 35, 36), 0);
  case_close(&c);
  case_open(&c, 13);
  case_f32(&c, "2,3", x);
  case_i64(&c, "2,2", I(0, 0, 1, 2));
  case_f32(&c, "2", F(9, 8));
  case_run(&c, "ScatterND", 1, "");
  case_is_f32(&c, 0, "2,3", F(9, 2, 3, 4, 5, 8), 0);
  case_close(&c);
}

/* Integers wrap; unsigned ones are compared as such. */
static void scatter_integers(void **state) {
  op_case c;

  (void)state;
  case_open(&c, 18);
  case_in(&c, OQ_DT_I8, "2", (int8_t[]){127, -128});
  case_i64(&c, "2", I(0, 1));
  case_in(&c, OQ_DT_I8, "2", (int8_t[]){2, -1});
  case_run(&c, "ScatterElements", 1, "reduction=add");
  case_is(&c, 0, "2", (double[]){-127, 127}, 0);
  case_close(&c);
  case_open(&c, 18);
  case_in(&c, OQ_DT_U64, "2", (uint64_t[]){UINT64_MAX, 5});
  case_i64(&c, "2", I(0, 1));
  case_in(&c, OQ_DT_U64, "2", (uint64_t[]){7, UINT64_MAX});
  case_run(&c, "ScatterElements", 1, "reduction=max");
  const uint64_t want[] = {UINT64_MAX, UINT64_MAX};
  assert_memory_equal(c.out[0].data, want, sizeof want);
  case_close(&c);
}

/* ---- running sums -------------------------------------------------------- */
static void sums(void **state) {
  static const struct {
    const char *attrs;
    int64_t axis;
    float y[6];
  } rows[] = {
      {"", 1, {1, 3, 6, 4, 9, 15}},
      {"", 0, {1, 2, 3, 5, 7, 9}},
      {"exclusive=1", 1, {0, 1, 3, 0, 4, 9}},
      {"reverse=1", -1, {6, 5, 3, 15, 11, 6}},
      {"exclusive=1 reverse=1", -1, {5, 3, 0, 11, 6, 0}},
  };

  (void)state;
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    op_case c;
    case_open(&c, 14);
    case_f32(&c, "2,3", x);
    case_i64(&c, "", &rows[i].axis);
    case_run(&c, "CumSum", 1, rows[i].attrs);
    case_is_f32(&c, 0, "2,3", rows[i].y, 0);
    case_close(&c);
  }
}

static void products(void **state) {
  op_case c;

  (void)state;
  case_open(&c, 26);
  case_in(&c, OQ_DT_I32, "4", (int32_t[]){INT32_MAX, 2, -3, 1});
  case_i64(&c, "", I(0));
  case_run(&c, "CumProd", 1, "");
  case_is(&c, 0, "4", (double[]){INT32_MAX, -2, 6, 6}, 0);
  case_close(&c);
}

/* ---- triangles, sequences, ranges ---------------------------------------- */
static void triangles(void **state) {
  static const struct {
    const char *attrs;
    int64_t k;
    float y[6];
  } rows[] = {
      {"", 0, {1, 2, 3, 0, 5, 6}},
      {"", -1, {1, 2, 3, 4, 5, 6}},
      {"", 2, {0, 0, 3, 0, 0, 0}},
      {"", INT64_MAX, {0}},
      {"", INT64_MIN, {1, 2, 3, 4, 5, 6}},
      {"upper=0", 0, {1, 0, 0, 4, 5, 0}},
      {"upper=0", 1, {1, 2, 0, 4, 5, 6}},
      {"upper=0", -1, {0, 0, 0, 4, 0, 0}},
      {"upper=0", INT64_MAX, {1, 2, 3, 4, 5, 6}},
      {"upper=0", INT64_MIN, {0}},
  };

  (void)state;
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    op_case c;
    case_open(&c, 14);
    case_f32(&c, "2,3", x);
    case_i64(&c, "", &rows[i].k);
    case_run(&c, "Trilu", 1, rows[i].attrs);
    case_is_f32(&c, 0, "2,3", rows[i].y, 0);
    case_close(&c);
  }
}

static void reversed_sequences(void **state) {
  op_case c;

  (void)state;
  case_open(&c, 10);
  case_f32(&c, "2,3", x);
  case_i64(&c, "2", I(2, 3));
  case_run(&c, "ReverseSequence", 1, "batch_axis=0 time_axis=1");
  case_is_f32(&c, 0, "2,3", F(2, 1, 3, 6, 5, 4), 0);
  case_close(&c);
  case_open(&c, 10);
  case_f32(&c, "2,3", x);
  case_i64(&c, "3", I(2, 1, 0));
  case_run(&c, "ReverseSequence", 1, "");
  case_is_f32(&c, 0, "2,3", F(4, 2, 3, 1, 5, 6), 0);
  case_close(&c);
}

static void ranges(void **state) {
  static const struct {
    int64_t a, b, d;
    const char *n;
    int64_t y[4];
  } rows[] = {
      {0, 3, 1, "3", {0, 1, 2}},
      {5, 0, -2, "3", {5, 3, 1}},
      {0, 3, -1, "0", {0}},
      {3, 3, 1, "0", {0}},
      {0, INT64_MIN, INT64_MIN, "1", {0}},
      {INT64_MAX - 1, INT64_MAX, 9, "1", {INT64_MAX - 1}},
  };
  op_case c;

  (void)state;
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    case_open(&c, 11);
    case_i64(&c, "", &rows[i].a);
    case_i64(&c, "", &rows[i].b);
    case_i64(&c, "", &rows[i].d);
    case_run(&c, "Range", 1, "");
    case_is_i64(&c, 0, rows[i].n, rows[i].y);
    case_close(&c);
  }
  case_open(&c, 11);
  case_f32(&c, "", F(1));
  case_f32(&c, "", F(2));
  case_f32(&c, "", F(0.3f));
  case_run(&c, "Range", 1, "");
  case_is_f32(&c, 0, "4", F(1, 1.3f, 1.6f, 1.9f), 1e-6);
  case_close(&c);
}

static void infer_partly(void **state) {
  (void)state;
  infers(13, "GatherElements", "axis=1", "N,9;i:N,3", "N,3");
  infers(13, "GatherND", "", "N,9,C;i:K,2", "K,C");
  infers(13, "GatherND", "", "N,9,C;i:K,?", "*");
  infers(13, "ScatterND", "", "N,9;i:K,1;K,9", "N,9");
  infers(13, "NonZero", "", "N,9,C", "3,?");
  infers(13, "Range", "", "s=0;s=7;s=2", "4");
  infers(13, "Range", "", "s=0;i:;s=2", "?");
  infers(13, "CumSum", "", "N,3;s=1", "N,3");
}

/* ---- refusals ------------------------------------------------------------ */
static void refuse(const char *op, const char *data, const char *ix,
                   const int64_t *v, const char *updates, const char *attrs,
                   oq_status s) {
  op_case c;

  case_open(&c, 18);
  case_numbers(&c, OQ_DT_F32, data, 1);
  if (ix != NULL) case_i64(&c, ix, v);
  if (updates != NULL) case_numbers(&c, OQ_DT_F32, updates, 2);
  assert_int_equal(case_try(&c, op, 1, attrs), s);
  case_close(&c);
}

static void refusals(void **state) {
  (void)state;
  refuse("GatherElements", "2,3", "2,1", I(3, 0), NULL, "axis=1", OQ_E_DATA);
  refuse("GatherElements", "2,3", "2", I(0, 0), NULL, "", OQ_E_MODEL);
  refuse("GatherElements", "2,3", "3,1", I(0, 0, 0), NULL, "axis=1",
         OQ_E_MODEL);
  refuse("GatherElements", "2,3", "2,1", I(0, 0), NULL, "axis=2", OQ_E_MODEL);
  refuse("GatherND", "2,3", "1,3", I(0, 0, 0), NULL, "", OQ_E_MODEL);
  refuse("GatherND", "2,3", "1,0", NULL, NULL, "", OQ_E_MODEL);
  refuse("GatherND", "2,3", "", I(0), NULL, "", OQ_E_MODEL);
  refuse("GatherND", "2,3", "1,1", I(0), NULL, "batch_dims=2", OQ_E_MODEL);
  refuse("GatherND", "2,3", "3,1", I(0, 0, 0), NULL, "batch_dims=1",
         OQ_E_MODEL);
  refuse("GatherND", "2,3", "1,2", I(1, -4), NULL, "", OQ_E_DATA);
  refuse("ScatterElements", "2,3", "1,1", I(2), "1,1", "", OQ_E_DATA);
  refuse("ScatterElements", "2,3", "1,1", I(0), "1,2", "", OQ_E_MODEL);
  refuse("ScatterND", "2,3", "1,1", I(0), "3", "", OQ_E_MODEL);
  refuse("ScatterND", "2,3", "1,1", I(2), "1,3", "", OQ_E_DATA);
  refuse("CumSum", "2,3", "", I(2), NULL, "", OQ_E_MODEL);
  refuse("CumSum", "2,3", "2", I(0, 1), NULL, "", OQ_E_MODEL);
  refuse("Trilu", "3", NULL, NULL, NULL, "", OQ_E_MODEL);
  refuse("Trilu", "3,3", "2", I(0, 0), NULL, "", OQ_E_MODEL);
  refuse("ReverseSequence", "2,3", "3", I(1, 1, 9), NULL, "", OQ_E_DATA);
  refuse("ReverseSequence", "2,3", "3", I(1, 1, -1), NULL, "", OQ_E_DATA);
  refuse("ReverseSequence", "2,3", "2", I(1, 1), NULL, "", OQ_E_MODEL);
  refuse("ReverseSequence", "2,3", "2", I(1, 1), NULL, "time_axis=1",
         OQ_E_MODEL);
}

static void range_refusals(void **state) {
  static const struct {
    int64_t v[3];
    oq_status s;
  } rows[] = {{{0, 3, 0}, OQ_E_MODEL},
              {{INT64_MIN, INT64_MAX, 1}, OQ_E_LIMIT},
              {{INT64_MAX, INT64_MIN, -1}, OQ_E_LIMIT}};
  op_case c;

  (void)state;
  for (size_t i = 0; i < 3; i++) {
    case_open(&c, 11);
    for (size_t k = 0; k < 3; k++) case_i64(&c, "", &rows[i].v[k]);
    assert_int_equal(case_try(&c, "Range", 1, ""), rows[i].s);
    case_close(&c);
  }
  case_open(&c, 11);
  for (size_t k = 0; k < 3; k++) case_f32(&c, "2", F(0, 1));
  assert_int_equal(case_try(&c, "Range", 1, ""), OQ_E_MODEL);
  case_close(&c);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(gather_elements),
      cmocka_unit_test(gather_nd),
      cmocka_unit_test(scatter_elements),
      cmocka_unit_test(scatter_old),
      cmocka_unit_test(scatter_nd),
      cmocka_unit_test(scatter_integers),
      cmocka_unit_test(sums),
      cmocka_unit_test(products),
      cmocka_unit_test(triangles),
      cmocka_unit_test(reversed_sequences),
      cmocka_unit_test(ranges),
      cmocka_unit_test(infer_partly),
      cmocka_unit_test(refusals),
      cmocka_unit_test(range_refusals),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}

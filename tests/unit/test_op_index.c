/* Operators that pick by position or value: what they refuse, what their rules
 * say of types partly known, and results that the official cases do not ask
 * for. */
#include "op_case.h"

/* ---- values from outside ------------------------------------------------- */
static void indices_out_of_range(void **state) {
  static const struct {
    const char *op, *attrs, *index_shape;
    int64_t index;
    bool updates;
  } rows[] = {
      {"GatherElements", "", "1,1", 2, false},
      {"GatherElements", "", "1,1", -3, false},
      {"GatherElements", "axis=1", "1,1", INT64_MIN, false},
      {"GatherND", "", "1,1", INT64_MAX, false},
      {"ScatterElements", "", "1,1", 2, true},
      {"ScatterElements", "reduction=add", "1,1", -3, true},
  };

  (void)state;
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    op_case c;
    case_open(&c, 18);
    case_numbers(&c, OQ_DT_F32, "2,3", 1);
    case_i64(&c, rows[i].index_shape, &rows[i].index);
    if (rows[i].updates) case_numbers(&c, OQ_DT_F32, "1,1", 2);
    case_refuses(&c, rows[i].op, rows[i].attrs, OQ_E_DATA, "op.index");
  }
}

/* Positions off the axis would lie outside of the data. */
static void indices_wider_than_data(void **state) {
  static const int64_t zeros[8];
  op_case c;

  (void)state;
  case_open(&c, 18);
  case_numbers(&c, OQ_DT_F32, "2,3", 1);
  case_i64(&c, "2,4", zeros);
  case_refuses(&c, "GatherElements", "axis=0", OQ_E_MODEL, "op.shape");
}

static void sizes_from_values(void **state) {
  static const struct {
    const char *op, *attrs;
    int64_t v[3];
    uint32_t n;
    oq_status status;
    const char *id;
  } rows[] = {
      {"Range", "", {0, INT64_MAX, 1}, 3, OQ_E_LIMIT, "run.tensor_bytes"},
      {"Range", "", {INT64_MIN, INT64_MAX, 1}, 3, OQ_E_LIMIT, "range.steps"},
      {"Range", "", {0, 5, 0}, 3, OQ_E_MODEL, "range.steps"},
      {"HannWindow", "", {INT64_MAX}, 1, OQ_E_LIMIT, "run.tensor_bytes"},
      {"HannWindow", "", {-1}, 1, OQ_E_MODEL, "window.size"},
      {"HannWindow", "output_datatype=8", {4}, 1, OQ_E_MODEL, "op.dtype"},
  };

  (void)state;
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    op_case c;
    case_open(&c, 20);
    for (uint32_t k = 0; k < rows[i].n; k++) case_i64(&c, "", &rows[i].v[k]);
    case_refuses(&c, rows[i].op, rows[i].attrs, rows[i].status, rows[i].id);
  }
}

static void depths_and_counts(void **state) {
  op_case c;

  (void)state;
  case_open(&c, 20); /* OneHot of a depth nobody can hold */
  case_i64(&c, "2", (int64_t[]){0, 1});
  case_i64(&c, "", (int64_t[]){INT64_MAX});
  case_f32(&c, "2", (float[]){0, 1});
  case_refuses(&c, "OneHot", "", OQ_E_LIMIT, "run.tensor_bytes");
  case_open(&c, 20);
  case_numbers(&c, OQ_DT_F32, "4", 1);
  case_i64(&c, "1", (int64_t[]){5});
  case_refuses(&c, "TopK", "", OQ_E_MODEL, "op.arity"); /* one output */
  case_open(&c, 20);
  case_numbers(&c, OQ_DT_F32, "4", 1);
  case_i64(&c, "1", (int64_t[]){INT64_MAX});
  assert_int_equal(case_try(&c, "TopK", 2, ""), OQ_E_MODEL);
  assert_string_equal(test_env_last(&c.t), "topk.k");
  case_close(&c);
  case_open(&c, 20); /* an image that the columns do not make */
  case_numbers(&c, OQ_DT_F32, "1,4,1", 1);
  case_i64(&c, "2", (int64_t[]){INT64_MAX, INT64_MAX});
  case_i64(&c, "2", (int64_t[]){2, 2});
  case_refuses(&c, "Col2Im", "", OQ_E_LIMIT, "window.size");
  case_open(&c, 20);
  case_numbers(&c, OQ_DT_F32, "1,1,2", 1);
  case_i64(&c, "1,1,2", (int64_t[]){0, 4});
  case_refuses(&c, "MaxUnpool", "kernel_shape=[2] strides=[2]", OQ_E_DATA,
               "op.index");
}

static void regions_without_end(void **state) {
  static const float boxes[][4] = {{0, 0, 1e30f, 1},
                                   {NAN, 0, 1, 1},
                                   {0, 0, INFINITY, INFINITY},
                                   {-INFINITY, 0, 1, 1}};

  (void)state;
  for (size_t i = 0; i < sizeof boxes / sizeof boxes[0]; i++) {
    op_case c;
    case_open(&c, 16);
    case_numbers(&c, OQ_DT_F32, "1,1,4,4", 1);
    case_f32(&c, "1,4", boxes[i]);
    case_i64(&c, "1", (int64_t[]){0});
    case_refuses(&c, "RoiAlign", "", OQ_E_DATA, "roialign.region");
  }
}

/* Nothing but numbers comes out, whatever the grid says. */
static void grids_without_end(void **state) {
  static const float far[] = {INFINITY, 0,     NAN,   0,      -INFINITY,
                              NAN,      1e30f, 1e30f, -1e30f, 0};
  static const char *const attrs[] = {"padding_mode=zeros mode=bilinear",
                                      "padding_mode=border mode=nearest",
                                      "padding_mode=reflection mode=bicubic"};

  (void)state;
  for (size_t i = 0; i < sizeof attrs / sizeof attrs[0]; i++) {
    op_case c;
    case_open(&c, 16);
    case_f32(&c, "1,1,2,2", (float[]){1, 1, 1, 1});
    case_f32(&c, "1,1,5,2", far);
    case_run(&c, "GridSample", 1, attrs[i]);
    const float one = i == 0 ? 0.0f : 1.0f;
    case_is_f32(&c, 0, "1,1,1,5", (float[]){one, one, one, one, one}, 1e-6);
    case_close(&c);
  }
}

/* ---- order --------------------------------------------------------------- */
static void top_of_ties_and_nan(void **state) {
  static const float x[] = {1, NAN, 0.0f, -0.0f, 1, -INFINITY};
  op_case c;

  (void)state;
  case_open(&c, 11);
  case_f32(&c, "6", x);
  case_i64(&c, "1", (int64_t[]){5});
  case_run(&c, "TopK", 2, "");
  case_is_i64(&c, 1, "5", (int64_t[]){1, 0, 4, 2, 3});
  case_close(&c);
  case_open(&c, 11);
  case_f32(&c, "6", x);
  case_i64(&c, "1", (int64_t[]){6});
  case_run(&c, "TopK", 2, "largest=0");
  case_is_i64(&c, 1, "6", (int64_t[]){5, 2, 3, 0, 4, 1});
  case_close(&c);
}

static void boxes_of_one_score(void **state) {
  static const float boxes[] = {0, 0, 1, 1, 0, 0, 1, 1, 5, 5, 6, 6};
  op_case c;

  (void)state;
  case_open(&c, 11);
  case_f32(&c, "1,3,4", boxes);
  case_f32(&c, "1,1,3", (float[]){0.5f, 0.5f, NAN});
  case_i64(&c, "", (int64_t[]){INT64_MAX});
  case_f32(&c, "", (float[]){0.5f});
  case_run(&c, "NonMaxSuppression", 1, "");
  case_is_i64(&c, 0, "1,3", (int64_t[]){0, 0, 0});
  case_close(&c);
}

static void unique_of_nothing(void **state) {
  op_case c;

  (void)state;
  case_open(&c, 11);
  case_in(&c, OQ_DT_F32, "0,2", NULL);
  case_run(&c, "Unique", 4, "");
  case_has_shape(&c, 0, "0");
  case_has_shape(&c, 3, "0");
  case_close(&c);
  case_open(&c, 11); /* three slices without elements are all equal */
  case_in(&c, OQ_DT_F32, "3,0", NULL);
  case_run(&c, "Unique", 4, "axis=0");
  case_has_shape(&c, 0, "1,0");
  case_is_i64(&c, 3, "1", (int64_t[]){3});
  case_close(&c);
}

/* ---- Einsum -------------------------------------------------------------- */
static void equations_without_meaning(void **state) {
  static const char *const rows[] = {
      "equation=ij,jk,kl",   "equation=i..j->ij",
      "equation=ij->ij",     "equation=ij,j1->i",
      "equation=ij,jk->iik", "equation=ij,jk->ix",
      "equation=ijk,jk->i",  "equation=abcdefghi,ij",
      "equation=...i...,ij", "equation=ij,jk->ik->",
      "equation=-"};

  (void)state;
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    op_case c;
    case_open(&c, 12);
    case_numbers(&c, OQ_DT_F32, "2,3", 1);
    case_numbers(&c, OQ_DT_F32, "3,2", 2);
    case_refuses(&c, "Einsum", rows[i], OQ_E_MODEL, "einsum.equation");
  }
}

static void einsum_of_nothing(void **state) {
  op_case c;

  (void)state;
  case_open(&c, 12);
  case_in(&c, OQ_DT_F32, "2,0", NULL);
  case_in(&c, OQ_DT_F32, "0,2", NULL);
  case_run(&c, "Einsum", 1, "equation=ij,jk->ik");
  case_is_f32(&c, 0, "2,2", (float[]){0, 0, 0, 0}, 0);
  case_close(&c);
}

/* ---- rules --------------------------------------------------------------- */
static void rules(void **state) {
  (void)state;
  infers(13, "GatherElements", "", "N,4;i:?,4", "?,4");
  infers(13, "GatherND", "", "N,4,5;i:B,3,2", "B,3,5");
  infers(13, "GatherND", "", "N,4,5;i:B,3,?", "*");
  infers(18, "ScatterND", "", "N,4;i:?,1;?,4", "N,4");
  infers(11, "TopK", "axis=0", "N,4;i:1", "?,4;?,4");
  infers(11, "TopK", "axis=1", "N,4;i=3", "N,3;N,3");
  infers(13, "NonZero", "", "N,4", "2,?");
  infers(11, "OneHot", "", "N,4;i:1;i=0,1", "N,4,?");
  infers(11, "OneHot", "axis=0", "N,4;s=7;i=0,1", "7,N,4");
  infers(11, "Unique", "", "N,4", "?");
  infers(11, "Unique", "axis=1", "N,4", "N,?");
  infers(11, "NonMaxSuppression", "", "N,?,4;N,80,?", "?,3");
  infers(11, "Range", "", "s=2;s=9;s=3", "3");
  infers(11, "Range", "", "s=2;i:;s=3", "?");
  infers(16, "RoiAlign", "output_height=3", "N,8,?,?;R,4;i:R", "R,8,3,1");
  infers(20, "GridSample", "", "N,8,?,?;N,5,?,2", "N,8,5,?");
  infers(12, "Einsum", "equation=bij,bjk->bik", "B,?,4;B,4,7", "B,?,7");
  infers(12, "Einsum", "equation=bij,bjk->bik", "*;B,4,7", "*");
  infers(17, "DFT", "onesided=1", "N,10,1", "N,6,2");
  infers(17, "STFT", "", "N,100,1;s=10;_;s=20", "N,9,11,2");
  infers(17, "STFT", "", "N,100;s=10;f=1,2,3", "N,10,2,2");
  infers(18, "Col2Im", "", "N,12,?;i=5,5;i=2,2", "N,3,5,5");
  infers(18, "CenterCropPad", "axes=[1]", "N,4;i=9", "N,9");
  infers(11, "MaxUnpool", "kernel_shape=[2] strides=[2]", "N,C,3;i:N,C,3",
         "N,C,6");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(indices_out_of_range),
      cmocka_unit_test(indices_wider_than_data),
      cmocka_unit_test(sizes_from_values),
      cmocka_unit_test(depths_and_counts),
      cmocka_unit_test(regions_without_end),
      cmocka_unit_test(grids_without_end),
      cmocka_unit_test(top_of_ties_and_nan),
      cmocka_unit_test(boxes_of_one_score),
      cmocka_unit_test(unique_of_nothing),
      cmocka_unit_test(equations_without_meaning),
      cmocka_unit_test(einsum_of_nothing),
      cmocka_unit_test(rules),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Shapes as values, values under other shapes; Gather. */
#include "op_case.h"

static const float x[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};

static void shapes(void **state) {
  static const struct {
    const char *attrs;
    const char *n;
    int64_t y[3];
  } rows[] = {
      {"", "3", {2, 3, 4}},
      {"start=1", "2", {3, 4}},
      {"end=-1", "2", {2, 3}},
      {"start=-2 end=-1", "1", {3}},
      {"start=2 end=1", "0", {0}},
      {"start=-9 end=9", "3", {2, 3, 4}},
      {"start=9223372036854775807", "0", {0}},
      {"end=-9223372036854775808", "0", {0}},
  };

  (void)state;
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    op_case c;
    case_open(&c, 15);
    case_numbers(&c, OQ_DT_F32, "2,3,4", 1);
    case_run(&c, "Shape", 1, rows[i].attrs);
    case_is_i64(&c, 0, rows[i].n, rows[i].y);
    case_close(&c);
  }
}

static void shape_and_size_of_any(void **state) {
  op_case c;

  (void)state;
  case_open(&c, 13);
  case_in(&c, OQ_DT_BOOL, "0,3", NULL);
  case_run(&c, "Shape", 1, "");
  case_is_i64(&c, 0, "2", (int64_t[]){0, 3});
  case_close(&c);
  case_open(&c, 13);
  case_numbers(&c, OQ_DT_F32, "", 1);
  case_run(&c, "Shape", 1, "");
  case_is_i64(&c, 0, "0", NULL);
  case_close(&c);
  case_open(&c, 13);
  case_numbers(&c, OQ_DT_F16, "2,3,4", 1);
  case_run(&c, "Size", 1, "");
  case_is_i64(&c, 0, "", (int64_t[]){24});
  case_close(&c);
}

static void reshapes(void **state) {
  static const struct {
    uint32_t n;
    int64_t v[4];
    const char *attrs, *y;
  } rows[] = {
      {2, {4, 3}, "", "4,3"},       {2, {-1, 2}, "", "6,2"},
      {3, {0, 1, -1}, "", "3,1,4"}, {1, {12}, "", "12"},
      {2, {0, 0}, "", "3,4"},       {2, {3, 4}, "allowzero=1", "3,4"},
  };

  (void)state;
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    op_case c;
    char n[8];
    (void)snprintf(n, sizeof n, "%u", rows[i].n);
    case_open(&c, 14);
    case_f32(&c, "3,4", x);
    case_i64(&c, n, rows[i].v);
    case_run(&c, "Reshape", 1, rows[i].attrs);
    case_is_f32(&c, 0, rows[i].y, x, 0);
    case_close(&c);
  }
}

static void reshapes_of_nothing(void **state) {
  op_case c;

  (void)state;
  case_open(&c, 14);
  case_f32(&c, "0,4", NULL);
  case_i64(&c, "2", (int64_t[]){4, 0});
  case_run(&c, "Reshape", 1, "allowzero=1");
  case_has_shape(&c, 0, "4,0");
  case_close(&c);
  case_open(&c, 14); /* to a scalar */
  case_f32(&c, "1,1", x);
  case_i64(&c, "0", NULL);
  case_run(&c, "Reshape", 1, "");
  case_is_f32(&c, 0, "", x, 0);
  case_close(&c);
}

static void flattens(void **state) {
  static const struct {
    const char *attrs, *y;
  } rows[] = {{"", "2,6"},
              {"axis=0", "1,12"},
              {"axis=3", "12,1"},
              {"axis=-1", "6,2"},
              {"axis=-3", "1,12"}};

  (void)state;
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    op_case c;
    case_open(&c, 13);
    case_f32(&c, "2,3,2", x);
    case_run(&c, "Flatten", 1, rows[i].attrs);
    case_is_f32(&c, 0, rows[i].y, x, 0);
    case_close(&c);
  }
}

static void squeezes(void **state) {
  op_case c;

  (void)state;
  case_open(&c, 11);
  case_f32(&c, "1,3,1,4", x);
  case_run(&c, "Squeeze", 1, "axes=[-2]");
  case_is_f32(&c, 0, "1,3,4", x, 0);
  case_close(&c);
  case_open(&c, 13);
  case_f32(&c, "1,3,1,4", x);
  case_run(&c, "Squeeze", 1, "");
  case_is_f32(&c, 0, "3,4", x, 0);
  case_close(&c);
  case_open(&c, 13);
  case_f32(&c, "1,3,1,4", x);
  case_i64(&c, "2", (int64_t[]){0, 2});
  case_run(&c, "Squeeze", 1, "");
  case_is_f32(&c, 0, "3,4", x, 0);
  case_close(&c);
  case_open(&c, 11);
  case_f32(&c, "3,4", x);
  case_run(&c, "Unsqueeze", 1, "axes=[3,0]");
  case_is_f32(&c, 0, "1,3,4,1", x, 0);
  case_close(&c);
  case_open(&c, 13);
  case_f32(&c, "3,4", x);
  case_i64(&c, "2", (int64_t[]){-1, 1});
  case_run(&c, "Unsqueeze", 1, "");
  case_is_f32(&c, 0, "3,1,4,1", x, 0);
  case_close(&c);
}

static void expands(void **state) {
  op_case c;

  (void)state;
  case_open(&c, 13);
  case_f32(&c, "3,1", x);
  case_i64(&c, "3", (int64_t[]){2, 1, 2});
  case_run(&c, "Expand", 1, "");
  case_is_f32(&c, 0, "2,3,2", (float[]){1, 1, 2, 2, 3, 3, 1, 1, 2, 2, 3, 3}, 0);
  case_close(&c);
  case_open(&c, 13);
  case_f32(&c, "1,2", x);
  case_i64(&c, "1", (int64_t[]){2});
  case_run(&c, "Expand", 1, "");
  case_is_f32(&c, 0, "1,2", x, 0);
  case_close(&c);
  case_open(&c, 13);
  case_f32(&c, "1", x);
  case_i64(&c, "1", (int64_t[]){0});
  case_run(&c, "Expand", 1, "");
  case_has_shape(&c, 0, "0");
  case_close(&c);
}

static void gathers(void **state) {
  op_case c;

  (void)state;
  case_open(&c, 13);
  case_f32(&c, "3,4", x);
  case_in(&c, OQ_DT_I32, "2,1", (int32_t[]){-1, 0});
  case_run(&c, "Gather", 1, "");
  case_is_f32(&c, 0, "2,1,4", (float[]){9, 10, 11, 12, 1, 2, 3, 4}, 0);
  case_close(&c);
  case_open(&c, 13);
  case_f32(&c, "3,4", x);
  case_i64(&c, "", (int64_t[]){1});
  case_run(&c, "Gather", 1, "axis=-1");
  case_is_f32(&c, 0, "3", (float[]){2, 6, 10}, 0);
  case_close(&c);
  case_open(&c, 13);
  case_f32(&c, "3,4", x);
  case_i64(&c, "0", NULL);
  case_run(&c, "Gather", 1, "axis=1");
  case_has_shape(&c, 0, "3,0");
  case_close(&c);
}

static void infer_partly(void **state) {
  (void)state;
  infers(15, "Shape", "start=1", "N,3,H", "2");
  infers(15, "Shape", "", "*", "?");
  infers(13, "Size", "", "*", "");
  infers(14, "Reshape", "", "N,3,4;i=0,-1", "N,12");
  infers(14, "Reshape", "", "N,3,4;i=-1,12", "N,12");
  infers(14, "Reshape", "", "N,3,4;i=-1,6", "2*N,6");
  infers(14, "Reshape", "", "N,3,4;i=2,-1", "2,6*N");
  infers(14, "Reshape", "", "N,3,H;i=0,0,-1", "N,3,H");
  infers(14, "Reshape", "", "N,3,4;i:3", "?,?,?");
  infers(14, "Reshape", "", "*;i=2,-1", "2,?");
  infers(13, "Flatten", "", "N,3,4", "N,12");
  infers(13, "Flatten", "axis=2", "N,3,4", "3*N,4");
  infers(13, "Flatten", "", "*", "?,?");
  infers(13, "Squeeze", "", "N,1,4", "*");
  infers(13, "Squeeze", "", "N,1,4;i=1", "N,4");
  infers(13, "Squeeze", "", "N,1,4;i:1", "*");
  infers(13, "Unsqueeze", "", "N,4;i=0,-1", "1,N,4,1");
  infers(13, "Expand", "", "N,1,4;i=1,3,1", "N,3,4");
  infers(13, "Expand", "", "N,4;i=7,1,1", "7,N,4");
  infers(13, "Gather", "axis=1", "N,9,C;i:2,2", "N,2,2,C");
  infers(13, "Gather", "axis=1", "N,9,C;s=2", "N,C");
}

/* ---- refusals ------------------------------------------------------------ */
static void refuse(int64_t opset, const char *op, const char *shape,
                   const char *n, const int64_t *v, const char *attrs,
                   oq_status s, const char *id) {
  op_case c;

  case_open(&c, opset);
  case_numbers(&c, OQ_DT_F32, shape, 1);
  if (n != NULL) case_i64(&c, n, v);
  case_refuses(&c, op, attrs, s, id);
}

#define V(...) ((const int64_t[]){__VA_ARGS__})

static void refusals(void **state) {
  (void)state;
  refuse(13, "Reshape", "3,4", "2", V(5, -1), "", OQ_E_MODEL, "reshape.count");
  refuse(13, "Reshape", "3,4", "2", V(3, 5), "", OQ_E_MODEL, "reshape.count");
  refuse(13, "Reshape", "3,4", "2", V(-1, -1), "", OQ_E_MODEL, "reshape.shape");
  refuse(13, "Reshape", "3,4", "2", V(-2, 6), "", OQ_E_MODEL, "reshape.shape");
  refuse(13, "Reshape", "3,4", "3", V(3, 4, 0), "", OQ_E_MODEL,
         "reshape.shape");
  refuse(13, "Reshape", "0,4", "2", V(0, -1), "", OQ_E_MODEL, "reshape.count");
  refuse(14, "Reshape", "0,4", "2", V(0, -1), "allowzero=1", OQ_E_MODEL,
         "reshape.shape");
  refuse(13, "Reshape", "3,4", "2", V(INT64_MAX, 12), "", OQ_E_LIMIT,
         "reshape.size");
  refuse(13, "Reshape", "3,4", "1,2", V(4, 3), "", OQ_E_MODEL, "reshape.shape");
  refuse(13, "Reshape", "1", "9", V(1, 1, 1, 1, 1, 1, 1, 1, 1), "", OQ_E_LIMIT,
         "op.rank");
  refuse(13, "Flatten", "3,4", NULL, NULL, "axis=3", OQ_E_MODEL, "op.axis");
  refuse(13, "Flatten", "3,4", NULL, NULL, "axis=-3", OQ_E_MODEL, "op.axis");
  refuse(13, "Squeeze", "1,4", "1", V(1), "", OQ_E_MODEL, "squeeze.size");
  refuse(13, "Squeeze", "1,4", "1", V(2), "", OQ_E_MODEL, "op.axis");
  refuse(13, "Squeeze", "1,4", "2", V(0, -2), "", OQ_E_MODEL, "op.axes");
  refuse(13, "Unsqueeze", "4", "1", V(2), "", OQ_E_MODEL, "op.axis");
  refuse(13, "Unsqueeze", "4", "2", V(0, 0), "", OQ_E_MODEL, "op.axes");
  refuse(13, "Unsqueeze", "1,1,1,1", "5", V(0, 1, 2, 3, 4), "", OQ_E_LIMIT,
         "op.rank");
  refuse(11, "Unsqueeze", "4", NULL, NULL, "", OQ_E_MODEL, "op.attr");
  refuse(13, "Expand", "3", "1", V(4), "", OQ_E_MODEL, "expand.shape");
  refuse(13, "Expand", "3", "1", V(-1), "", OQ_E_MODEL, "expand.shape");
  refuse(13, "Gather", "3", "1", V(3), "", OQ_E_DATA, "gather.index");
  refuse(13, "Gather", "3", "1", V(-4), "", OQ_E_DATA, "gather.index");
  refuse(13, "Gather", "3,0", "1", V(0), "axis=1", OQ_E_DATA, "gather.index");
  refuse(13, "Gather", "3", "1", V(0), "axis=1", OQ_E_MODEL, "op.axis");
  refuse(13, "Gather", "", "1", V(0), "", OQ_E_MODEL, "op.axis");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(shapes),       cmocka_unit_test(shape_and_size_of_any),
      cmocka_unit_test(reshapes),     cmocka_unit_test(reshapes_of_nothing),
      cmocka_unit_test(flattens),     cmocka_unit_test(squeezes),
      cmocka_unit_test(expands),      cmocka_unit_test(gathers),
      cmocka_unit_test(infer_partly), cmocka_unit_test(refusals),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}

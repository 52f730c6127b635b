/* Gemm and MatMul: shapes, broadcasting, types, refusals. */
#include "op_case.h"

static const float a23[] = {1, 2, 3, 4, 5, 6}; /* [2,3] or, turned, [3,2] */
static const float b32[] = {1, 0, 2, 1, 0, 3}; /* [3,2] or, turned, [2,3] */

static void gemm_transposed(void **state) {
  static const struct {
    const char *a, *b, *attrs;
    float y[4];
  } rows[] = {
      {"2,3", "3,2", "", {5, 11, 14, 23}},
      {"3,2", "3,2", "transA=1", {7, 18, 10, 22}},
      {"2,3", "2,3", "transB=1", {7, 10, 16, 22}},
      {"3,2", "2,3", "transA=1 transB=1", {11, 16, 14, 20}},
      {"2,3", "3,2", "alpha=2.0", {10, 22, 28, 46}},
  };

  (void)state;
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    op_case c;
    case_open(&c, 13);
    case_f32(&c, rows[i].a, a23);
    case_f32(&c, rows[i].b, b32);
    case_run(&c, "Gemm", 1, rows[i].attrs);
    case_is_f32(&c, 0, "2,2", rows[i].y, 0);
    case_close(&c);
  }
}

/* C of every shape that broadcasts one way. */
static void gemm_adds(void **state) {
  static const struct {
    const char *shape;
    float y[4];
  } rows[] = {
      {"2,2", {205, 411, 614, 823}}, {"1,2", {205, 411, 214, 423}},
      {"2,1", {205, 211, 414, 423}}, {"2", {205, 411, 214, 423}},
      {"1", {205, 211, 214, 223}},   {"", {205, 211, 214, 223}},
  };
  const float c4[] = {100, 200, 300, 400};

  (void)state;
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    op_case c;
    case_open(&c, 13);
    case_f32(&c, "2,3", a23);
    case_f32(&c, "3,2", b32);
    case_f32(&c, rows[i].shape, c4);
    case_run(&c, "Gemm", 1, "beta=2.0");
    case_is_f32(&c, 0, "2,2", rows[i].y, 0);
    case_close(&c);
  }
}

static void gemm_of_nothing(void **state) {
  op_case c;

  (void)state;
  case_open(&c, 13);
  case_f32(&c, "2,0", NULL);
  case_f32(&c, "0,2", NULL);
  case_f32(&c, "2", (float[]){3, 4});
  case_run(&c, "Gemm", 1, "beta=0.5");
  case_is_f32(&c, 0, "2,2", (float[]){1.5f, 2, 1.5f, 2}, 0);
  case_close(&c);
}

/* Integers wrap; factors must be whole. */
static void gemm_integers(void **state) {
  const int32_t a[] = {INT32_MAX, -3}, b[] = {2, 5}, add[] = {7};
  op_case c;

  (void)state;
  case_open(&c, 13);
  case_in(&c, OQ_DT_I32, "1,2", a);
  case_in(&c, OQ_DT_I32, "2,1", b);
  case_in(&c, OQ_DT_I32, "1", add);
  case_run(&c, "Gemm", 1, "beta=-2.0");
  case_is(&c, 0, "1,1", (double[]){-2 - 15 - 14}, 0);
  case_close(&c);
  case_open(&c, 13);
  case_in(&c, OQ_DT_I32, "1,2", a);
  case_in(&c, OQ_DT_I32, "2,1", b);
  case_refuses(&c, "Gemm", "alpha=0.5", OQ_E_UNSUPPORTED, "gemm.factor");
}

/* Every batch shape against loops in double. */
static void matmul_batches(void **state) {
  static const struct {
    const char *a, *b, *y;
  } rows[] = {
      {"3", "3", ""},
      {"3", "3,4", "4"},
      {"2,3", "3", "2"},
      {"2,3", "3,4", "2,4"},
      {"5,2,3", "3,4", "5,2,4"},
      {"5,2,3", "1,3,4", "5,2,4"},
      {"5,2,3", "5,3,4", "5,2,4"},
      {"2,3", "5,3,4", "5,2,4"},
      {"2,1,2,3", "3,3,4", "2,3,2,4"},
      {"1,3,2,3", "2,1,3,4", "2,3,2,4"},
      {"3", "5,3,4", "5,4"},
      {"5,2,3", "3", "5,2"},
      {"0,2,3", "3,4", "0,2,4"},
  };
  static const oq_dtype types[] = {OQ_DT_F32, OQ_DT_F64, OQ_DT_F16, OQ_DT_I32,
                                   OQ_DT_U64};

  (void)state;
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    double want[64] = {0};
    const oq_shape sa = shape_text(rows[i].a), sb = shape_text(rows[i].b),
                   sy = shape_text(rows[i].y);
    for (size_t t = 0; t < sizeof types / sizeof types[0]; t++) {
      op_case c;
      size_t n;
      case_open(&c, 13);
      oq_tensor *const a = case_next(&c, types[t], rows[i].a);
      oq_tensor *const b = case_next(&c, types[t], rows[i].b);
      const oq_ctensor ca = oq_tensor_const(a), cb = oq_tensor_const(b);
      for (size_t k = 0; k < oq_tensor_count(&ca); k++)
        oq_element_set_f64(a, k, (double)(k % 5));
      for (size_t k = 0; k < oq_tensor_count(&cb); k++)
        oq_element_set_f64(b, k, (double)(k % 7));
      assert_int_equal(oq_shape_count(&n, &sy), OQ_OK);
      for (size_t o = 0; o < n; o++) {
        /* Position by axis: batch dims, then row and column where they are. */
        const size_t cols = sb.rank > 1 ? 4 : 1, rws = sa.rank > 1 ? 2 : 1;
        const size_t col = o % cols, row = o / cols % rws;
        size_t batch = o / cols / rws, ia = 0, ib = 0, pa = 1, pb = 1;
        const uint32_t na = sa.rank > 2 ? sa.rank - 2 : 0;
        const uint32_t nb = sb.rank > 2 ? sb.rank - 2 : 0;
        for (uint32_t k = 1; k <= (na > nb ? na : nb); k++) {
          const int64_t da = k <= na ? sa.dim[na - k] : 1;
          const int64_t db = k <= nb ? sb.dim[nb - k] : 1;
          const size_t at = batch % (size_t)(da > db ? da : db);
          batch /= (size_t)(da > db ? da : db);
          ia += (da == 1 ? 0 : at) * pa;
          ib += (db == 1 ? 0 : at) * pb;
          pa *= (size_t)da;
          pb *= (size_t)db;
        }
        want[o] = 0;
        for (size_t k = 0; k < 3; k++)
          want[o] += oq_element_f64(&ca, (ia * rws + row) * 3 + k) *
                     oq_element_f64(&cb, (ib * 3 + k) * cols + col);
      }
      case_run(&c, "MatMul", 1, "");
      case_is(&c, 0, rows[i].y, want, 0);
      case_close(&c);
    }
  }
}

static void infer_partly(void **state) {
  (void)state;
  infers(13, "MatMul", "", "N,4,3;3,?", "N,4,?");
  infers(13, "MatMul", "", "N,4,3;1,3,5", "N,4,5");
  infers(13, "MatMul", "", "?,4,3;6,3,5", "6,4,5");
  infers(13, "MatMul", "", "*;3,5", "*");
  infers(13, "Gemm", "transB=1", "N,3;5,3", "N,5");
  infers(13, "Gemm", "", "N,3;*;5", "N,?");
}

static void refuse(const char *op, const char *a, const char *b, const char *c3,
                   oq_status s, const char *id) {
  op_case c;

  case_open(&c, 13);
  case_numbers(&c, OQ_DT_F32, a, 1);
  case_numbers(&c, OQ_DT_F32, b, 2);
  if (c3 != NULL) case_numbers(&c, OQ_DT_F32, c3, 3);
  case_refuses(&c, op, "", s, id);
}

static void refusals(void **state) {
  (void)state;
  refuse("Gemm", "2,3", "2,3", NULL, OQ_E_MODEL, "matmul.inner");
  refuse("Gemm", "2", "2,3", NULL, OQ_E_MODEL, "matmul.rank");
  refuse("Gemm", "1,2,3", "3,2", NULL, OQ_E_MODEL, "matmul.rank");
  refuse("Gemm", "2,3", "3,2", "3", OQ_E_MODEL, "gemm.c");
  refuse("Gemm", "2,3", "3,2", "1,2,2", OQ_E_MODEL, "gemm.c");
  refuse("MatMul", "", "3", NULL, OQ_E_MODEL, "matmul.rank");
  refuse("MatMul", "2,3", "2,3", NULL, OQ_E_MODEL, "matmul.inner");
  refuse("MatMul", "3", "2,4", NULL, OQ_E_MODEL, "matmul.inner");
  refuse("MatMul", "2,2,3", "3,3,2", NULL, OQ_E_MODEL, "matmul.batch");
  refuse("MatMul", "4000000000,0", "0,1", NULL, OQ_E_LIMIT, "matmul.size");
}

static void facts(void **state) {
  op_case c;

  (void)state;
  case_open(&c, 13);
  case_numbers(&c, OQ_DT_F32, "2,3", 1);
  case_numbers(&c, OQ_DT_F32, "4,3", 1);
  case_run(&c, "Gemm", 1, "transB=1");
  const oq_node *const n = &c.b.g->nodes[0];
  const oq_shape *const in[] = {&c.in[0].shape, &c.in[1].shape};
  assert_int_equal(n->def->macs(n->params, in, &c.out[0].shape), 2 * 4 * 3);
  assert_int_equal(n->def->quant.axis(n->params, 2), 0);
  case_close(&c);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(gemm_transposed), cmocka_unit_test(gemm_adds),
      cmocka_unit_test(gemm_of_nothing), cmocka_unit_test(gemm_integers),
      cmocka_unit_test(matmul_batches),  cmocka_unit_test(infer_partly),
      cmocka_unit_test(refusals),        cmocka_unit_test(facts),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Normalisations against plain loops in double; training; refusals. */
#include "op_case.h"

static double at(const oq_tensor *t, size_t i) {
  const oq_ctensor c = oq_tensor_const(t);

  return oq_element_f64(&c, i);
}

/* (x - mean) / sqrt(var + eps) of x[from + k * step], k < n, at `i`. */
typedef struct moments {
  double mean, square, var;
} moments;

static moments moments_of(const oq_tensor *t, size_t from, size_t n,
                          size_t step) {
  moments m = {0, 0, 0};

  for (size_t k = 0; k < n; k++) {
    m.mean += at(t, from + k * step) / (double)n;
    m.square += at(t, from + k * step) * at(t, from + k * step) / (double)n;
  }
  for (size_t k = 0; k < n; k++) {
    const double d = at(t, from + k * step) - m.mean;
    m.var += d * d / (double)n;
  }
  return m;
}

static const oq_dtype floats[] = {OQ_DT_F32, OQ_DT_F64, OQ_DT_F16, OQ_DT_BF16};
static const double bound[] = {2e-6, 1e-12, 4e-3, 3e-2};

static void batch_inference(void **state) {
  (void)state;
  for (size_t t = 0; t < 4; t++) {
    op_case c;
    double want[2 * 3 * 5];
    case_open(&c, 15);
    case_numbers(&c, floats[t], "2,3,5", 1);
    case_in(&c, OQ_DT_F32, "3", (float[]){1, 2, -1});
    case_in(&c, OQ_DT_F32, "3", (float[]){0, 0.5f, 1});
    case_in(&c, OQ_DT_F32, "3", (float[]){0.25f, 0, -0.5f});
    case_in(&c, OQ_DT_F32, "3", (float[]){1, 4, 0.25f});
    case_run(&c, "BatchNormalization", 1, "epsilon=0.001");
    for (size_t i = 0; i < 30; i++) {
      const size_t k = i / 5 % 3;
      want[i] = (at(&c.in[0], i) - at(&c.in[3], k)) /
                    sqrt(at(&c.in[4], k) + (double)0.001f) * at(&c.in[1], k) +
                at(&c.in[2], k);
    }
    case_is(&c, 0, "2,3,5", want, bound[t]);
    case_close(&c);
  }
}

static void batch_training(void **state) {
  op_case c;
  double want[2 * 3 * 5], mean[3], var[3];

  (void)state;
  case_open(&c, 15);
  case_numbers(&c, OQ_DT_F32, "2,3,5", 1);
  case_f32(&c, "3", (float[]){1, 2, -1});
  case_f32(&c, "3", (float[]){0, 0.5f, 1});
  case_f32(&c, "3", (float[]){0.25f, 0, -0.5f});
  case_f32(&c, "3", (float[]){1, 4, 0.25f});
  case_run(&c, "BatchNormalization", 3, "training_mode=1 momentum=0.75");
  for (size_t k = 0; k < 3; k++) {
    const moments a = moments_of(&c.in[0], k * 5, 5, 1);
    const moments b = moments_of(&c.in[0], (3 + k) * 5, 5, 1);
    const double m = (a.mean + b.mean) / 2;
    const double v = (a.square + b.square) / 2 - m * m;
    mean[k] = at(&c.in[3], k) * 0.75 + m * 0.25;
    var[k] = at(&c.in[4], k) * 0.75 + v * 0.25;
    for (size_t i = 0; i < 10; i++) {
      const size_t o = i / 5 * 15 + k * 5 + i % 5;
      want[o] =
          (at(&c.in[0], o) - m) / sqrt(v + (double)1e-5f) * at(&c.in[1], k) +
          at(&c.in[2], k);
    }
  }
  case_is(&c, 0, "2,3,5", want, 1e-5);
  case_is(&c, 1, "3", mean, 1e-6);
  case_is(&c, 2, "3", var, 1e-6);
  case_close(&c);
}

/* Rows of 20 of x[6][20] seen as shape `x`. */
static void row_norm(const char *op, const char *attrs, int64_t opset,
                     const char *x, const char *scale, size_t rows,
                     bool centre) {
  for (size_t t = 0; t < 4; t++) {
    op_case c;
    double want[120];
    const size_t n = 120 / rows;
    case_open(&c, opset);
    case_numbers(&c, floats[t], x, 1);
    case_numbers(&c, floats[t], scale, 2);
    if (centre) case_numbers(&c, floats[t], scale, 3);
    case_run(&c, op, 1, attrs);
    const oq_ctensor s = oq_tensor_const(&c.in[1]);
    const size_t factors = oq_tensor_count(&s);
    const bool by_channel = factors != n; /* x is [2][6][10] or [2][6][2][5] */
    for (size_t i = 0; i < 120; i++) {
      const moments m = moments_of(&c.in[0], i / n * n, n, 1);
      const size_t k = by_channel ? i / 10 % 6 : i % n;
      want[i] = (at(&c.in[0], i) - (centre ? m.mean : 0)) /
                sqrt((centre ? m.var : m.square) + (double)1e-5f) *
                at(&c.in[1], k);
      if (centre) want[i] += at(&c.in[2], k);
    }
    case_is(&c, 0, x, want, bound[t]);
    case_close(&c);
  }
}

static void by_rows(void **state) {
  (void)state;
  row_norm("InstanceNormalization", "", 13, "2,6,10", "6", 12, true);
  row_norm("GroupNormalization", "num_groups=3", 21, "2,6,2,5", "6", 6, true);
  row_norm("LayerNormalization", "", 17, "2,3,20", "20", 6, true);
  row_norm("LayerNormalization", "axis=1", 17, "3,4,10", "4,10", 3, true);
  row_norm("RMSNormalization", "axis=-2", 23, "3,4,10", "4,10", 3, false);
}

static void layer_outputs(void **state) {
  op_case c;
  double mean[6], inverse[6];

  (void)state;
  case_open(&c, 17);
  case_numbers(&c, OQ_DT_F32, "2,3,20", 1);
  case_f32(&c, "1", (float[]){2}); /* broadcast */
  case_run(&c, "LayerNormalization", 3, "");
  for (size_t i = 0; i < 6; i++) {
    const moments m = moments_of(&c.in[0], i * 20, 20, 1);
    mean[i] = m.mean;
    inverse[i] = 1 / sqrt(m.var + (double)1e-5f);
  }
  case_is(&c, 1, "2,3,1", mean, 1e-6);
  case_is(&c, 2, "2,3,1", inverse, 1e-5);
  case_close(&c);
}

/* Until opset 20 there was one factor per group. */
static void old_groups(void **state) {
  op_case c;
  double want[24];

  (void)state;
  case_open(&c, 18);
  case_numbers(&c, OQ_DT_F32, "1,4,6", 1);
  case_f32(&c, "2", (float[]){2, 3});
  case_f32(&c, "2", (float[]){0, 1});
  case_run(&c, "GroupNormalization", 1, "num_groups=2");
  for (size_t i = 0; i < 24; i++) {
    const moments m = moments_of(&c.in[0], i / 12 * 12, 12, 1);
    want[i] = (at(&c.in[0], i) - m.mean) / sqrt(m.var + (double)1e-5f) *
                  at(&c.in[1], i / 12) +
              at(&c.in[2], i / 12);
  }
  case_is(&c, 0, "1,4,6", want, 2e-6);
  case_close(&c);
}

static void lrn(void **state) {
  static const struct {
    const char *attrs;
    size_t size;
    double alpha, beta, bias;
  } rows[] = {
      {"size=3 alpha=0.5 beta=0.75 bias=2.0", 3, 0.5, 0.75, 2},
      {"size=4 alpha=0.5 beta=0.5", 4, 0.5, 0.5, 1},
      {"size=99 alpha=0.5", 99, 0.5, 0.75, 1},
  };

  (void)state;
  for (size_t r = 0; r < 3; r++) {
    for (size_t t = 0; t < 4; t++) {
      op_case c;
      double want[42];
      case_open(&c, 13);
      case_numbers(&c, floats[t], "2,7,3", 1);
      case_run(&c, "LRN", 1, rows[r].attrs);
      for (size_t i = 0; i < 42; i++) {
        const int64_t ch = (int64_t)(i / 3 % 7);
        const int64_t lo = ch - (int64_t)(rows[r].size - 1) / 2;
        const int64_t hi = ch + (int64_t)rows[r].size / 2;
        double sum = 0;
        for (int64_t k = lo < 0 ? 0 : lo; k <= hi && k < 7; k++) {
          const double v = at(&c.in[0], (size_t)((int64_t)i + (k - ch) * 3));
          sum += v * v;
        }
        want[i] = at(&c.in[0], i) /
                  pow(rows[r].bias + rows[r].alpha / (double)rows[r].size * sum,
                      rows[r].beta);
      }
      case_is(&c, 0, "2,7,3", want, bound[t]);
      case_close(&c);
    }
  }
}

static void lp_norm(void **state) {
  const float x[] = {3, 4, 0, 0, -6, 8};
  op_case c;

  (void)state;
  case_open(&c, 13);
  case_f32(&c, "3,2", x);
  case_run(&c, "LpNormalization", 1, "");
  case_is_f32(&c, 0, "3,2", (float[]){0.6f, 0.8f, 0, 0, -0.6f, 0.8f}, 1e-6);
  case_close(&c);
  case_open(&c, 13);
  case_f32(&c, "3,2", x);
  case_run(&c, "LpNormalization", 1, "axis=0 p=1");
  case_is_f32(&c, 0, "3,2",
              (float[]){1.0f / 3, 1.0f / 3, 0, 0, -2.0f / 3, 2.0f / 3}, 1e-6);
  case_close(&c);
}

static void mean_variance(void **state) {
  op_case c;
  double want[24];

  (void)state;
  case_open(&c, 13);
  case_numbers(&c, OQ_DT_F32, "2,3,4", 1);
  case_run(&c, "MeanVarianceNormalization", 1, "axes=[0,2]");
  for (size_t k = 0; k < 3; k++) {
    const moments a = moments_of(&c.in[0], k * 4, 4, 1);
    const moments b = moments_of(&c.in[0], (k + 3) * 4, 4, 1);
    const double m = (a.mean + b.mean) / 2;
    const double v = (a.square + b.square) / 2 - m * m;
    for (size_t i = 0; i < 8; i++) {
      const size_t o = i / 4 * 12 + k * 4 + i % 4;
      want[o] = (at(&c.in[0], o) - m) / sqrt(v);
    }
  }
  case_is(&c, 0, "2,3,4", want, 1e-5);
  case_close(&c);
}

static void infer_partly(void **state) {
  (void)state;
  infers(13, "BatchNormalization", "", "N,3,H;3;3;3;3", "N,3,H");
  infers(13, "InstanceNormalization", "", "N,C,H;C;C", "N,C,H");
  infers(17, "LayerNormalization", "", "N,S,8;8;8", "N,S,8;N,S,1");
  infers(13, "LRN", "size=3", "*", "*");
}

/* ---- refusals ------------------------------------------------------------ */
static void refuse(int64_t opset, const char *op, const char *attrs,
                   const char *x, const char *v, uint32_t n, oq_status s,
                   const char *id) {
  op_case c;

  case_open(&c, opset);
  case_numbers(&c, OQ_DT_F32, x, 1);
  for (uint32_t i = 0; i < n; i++) case_numbers(&c, OQ_DT_F32, v, 2);
  case_refuses(&c, op, attrs, s, id);
}

static void refusals(void **state) {
  (void)state;
  refuse(13, "BatchNormalization", "", "2,3,4", "4", 4, OQ_E_MODEL,
         "norm.shape");
  refuse(13, "BatchNormalization", "", "2,3,4", "3,1", 4, OQ_E_MODEL,
         "norm.shape");
  refuse(13, "BatchNormalization", "", "", "1", 4, OQ_E_MODEL, "norm.rank");
  refuse(7, "BatchNormalization", "spatial=0", "2,3", "3", 4, OQ_E_UNSUPPORTED,
         "batchnorm.spatial");
  refuse(13, "InstanceNormalization", "", "2,3", "3", 2, OQ_E_MODEL,
         "norm.rank");
  refuse(13, "InstanceNormalization", "", "2,3,4", "2", 2, OQ_E_MODEL,
         "norm.shape");
  refuse(21, "GroupNormalization", "num_groups=2", "1,3,4", "3", 2, OQ_E_MODEL,
         "norm.groups");
  refuse(21, "GroupNormalization", "num_groups=0", "1,3,4", "3", 2, OQ_E_MODEL,
         "op.attr");
  refuse(17, "LayerNormalization", "axis=3", "2,3,4", "4", 1, OQ_E_MODEL,
         "op.axis");
  refuse(17, "LayerNormalization", "", "2,3,4", "3", 1, OQ_E_MODEL,
         "norm.shape");
  refuse(13, "LRN", "", "2,3,4", "", 0, OQ_E_MODEL, "op.attr");
  refuse(13, "LRN", "size=0", "2,3,4", "", 0, OQ_E_MODEL, "op.attr");
  refuse(13, "LRN", "size=3", "2", "", 0, OQ_E_MODEL, "norm.rank");
  refuse(13, "LpNormalization", "p=3", "2,3", "", 0, OQ_E_MODEL, "op.attr");
  refuse(13, "LpNormalization", "axis=2", "2,3", "", 0, OQ_E_MODEL, "op.axis");
  refuse(13, "MeanVarianceNormalization", "", "2,3", "", 0, OQ_E_MODEL,
         "op.axis");
}

static void training_outputs_are_refused(void **state) {
  op_case c;

  (void)state;
  case_open(&c, 9);
  case_numbers(&c, OQ_DT_F32, "2,3", 1);
  for (uint32_t i = 0; i < 4; i++) case_numbers(&c, OQ_DT_F32, "3", 1);
  assert_int_equal(case_try(&c, "BatchNormalization", 3, ""), OQ_E_UNSUPPORTED);
  assert_string_equal(test_env_last(&c.t), "batchnorm.training");
  case_close(&c);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(batch_inference),
      cmocka_unit_test(batch_training),
      cmocka_unit_test(by_rows),
      cmocka_unit_test(layer_outputs),
      cmocka_unit_test(old_groups),
      cmocka_unit_test(lrn),
      cmocka_unit_test(lp_norm),
      cmocka_unit_test(mean_variance),
      cmocka_unit_test(infer_partly),
      cmocka_unit_test(refusals),
      cmocka_unit_test(training_outputs_are_refused),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}

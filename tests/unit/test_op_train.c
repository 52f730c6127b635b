/* Steps of training: Adagrad, Adam, Momentum.  The numbers are those of the
 * formulas in the operators' texts, worked out apart. */
#include "op_case.h"

#define TRAINING "ai.onnx.preview.training"

static const float x2[] = {1.2f, 2.8f}, g2[] = {-0.94f, -2.5f};
static const float v2[] = {1.7f, 3.6f}, h2[] = {0.1f, 0.1f};

static void open_step(op_case *c, float rate, int64_t count) {
  case_open(c, 17);
  build_opset(&c->b, TRAINING, 1);
  case_f32(c, "", &rate);
  case_i64(c, "", &count);
}

static void in_vectors(op_case *c, uint32_t n) {
  static const float *const all[] = {x2, g2, v2, h2};

  for (uint32_t i = 0; i < n; i++) case_f32(c, "2", all[i]);
}

/* ---- the formulas -------------------------------------------------------- */
static void adagrad_steps(void **state) {
  op_case c;

  (void)state;
  open_step(&c, 0.1f, 2);
  in_vectors(&c, 3);
  case_run(&c, TRAINING ":Adagrad", 2,
           "decay_factor=0.1 epsilon=0.00001 norm_coefficient=0.001");
  case_is_f32(&c, 0, "2", (float[]){1.24869295f, 2.86635311f}, 1e-6);
  case_is_f32(&c, 1, "2", (float[]){2.58134544f, 9.83600784f}, 1e-6);
  case_close(&c);
}

static const char adam_attrs[] =
    "alpha=0.95 beta=0.1 epsilon=0.0000001 norm_coefficient=0.001 "
    "norm_coefficient_post=0.5";

static void adam_steps(void **state) {
  op_case c;

  (void)state;
  open_step(&c, 0.1f, 3);
  in_vectors(&c, 4);
  case_run(&c, TRAINING ":Adam", 3, adam_attrs);
  case_is_f32(&c, 0, "2", (float[]){-0.01306274f, 0.91306633f}, 1e-6);
  case_is_f32(&c, 1, "2", (float[]){1.56806f, 3.29514f}, 1e-6);
  case_is_f32(&c, 2, "2", (float[]){0.8032109f, 5.62240706f}, 1e-6);
  case_close(&c);
}

/* The first step is not corrected. */
static void adam_begins(void **state) {
  op_case c;

  (void)state;
  open_step(&c, 0.1f, 0);
  in_vectors(&c, 4);
  case_run(&c, TRAINING ":Adam", 3, adam_attrs);
  case_is_f32(&c, 0, "2", (float[]){0.51251817f, 1.33051634f}, 1e-6);
  case_close(&c);
}

static void momentum_is(int64_t count, const char *mode, const float *x,
                        const float *v) {
  char attrs[96];
  op_case c;

  open_step(&c, 0.1f, count);
  in_vectors(&c, 3);
  (void)snprintf(attrs, sizeof attrs,
                 "alpha=0.95 beta=0.1 norm_coefficient=0.001 mode=%s", mode);
  case_run(&c, TRAINING ":Momentum", 2, attrs);
  case_is_f32(&c, 0, "2", x, 1e-6);
  case_is_f32(&c, 1, "2", v, 1e-6);
  case_close(&c);
}

static void momentum_steps(void **state) {
  (void)state;
  momentum_is(4, "standard", (float[]){1.047888f, 2.482972f},
              (float[]){1.52112f, 3.17028f});
  momentum_is(0, "standard", (float[]){1.13238f, 2.70772f},
              (float[]){0.6762f, 0.9228f});
  momentum_is(4, "nesterov", (float[]){1.1493736f, 2.7485434f},
              (float[]){1.52112f, 3.17028f});
}

/* Tensors of one kind lie together: both values, both gradients, ... */
static void several_are_optimized(void **state) {
  op_case c;

  (void)state;
  open_step(&c, 0.1f, 4);
  for (uint32_t i = 0; i < 3; i++) {
    static const float *const all[] = {x2, g2, v2};
    case_f32(&c, "1", all[i]);
    case_f32(&c, "1", all[i] + 1);
  }
  case_run(&c, TRAINING ":Momentum", 4,
           "alpha=0.95 beta=0.1 norm_coefficient=0.001 mode=standard");
  case_is_f32(&c, 0, "1", (float[]){1.047888f}, 1e-6);
  case_is_f32(&c, 1, "1", (float[]){2.482972f}, 1e-6);
  case_is_f32(&c, 2, "1", (float[]){1.52112f}, 1e-6);
  case_is_f32(&c, 3, "1", (float[]){3.17028f}, 1e-6);
  case_close(&c);
}

/* ---- what is refused ----------------------------------------------------- */
static void refuses(float *rate, const char *history, bool gradient,
                    const char *id) {
  const int64_t count = 1;
  op_case c;

  case_open(&c, 17);
  build_opset(&c.b, TRAINING, 1);
  case_f32(&c, *rate < 0 ? "2" : "", rate);
  case_i64(&c, "", &count);
  case_f32(&c, "2", x2);
  if (gradient)
    case_f32(&c, "2", g2);
  else
    case_absent(&c);
  case_f32(&c, history, h2);
  const oq_status s = case_try(&c, TRAINING ":Adagrad", 2, "");
  assert_int_equal(s, OQ_E_MODEL);
  assert_string_equal(test_env_last(&c.t), id);
  case_close(&c);
}

static void bad_groups_are_refused(void **state) {
  float good[] = {0.1f}, two[] = {-1, -1};

  (void)state;
  refuses(two, "2", true, "train.scalar");
  refuses(good, "1", true, "train.shape");
  refuses(good, "2", false, "op.arity");
}

static void counts_must_agree(void **state) {
  op_case c;

  (void)state;
  open_step(&c, 0.1f, 1);
  in_vectors(&c, 3);
  assert_int_equal(case_try(&c, TRAINING ":Adagrad", 3, ""), OQ_E_MODEL);
  assert_string_equal(test_env_last(&c.t), "train.count");
  case_close(&c);
}

static void gradient_is_refused(void **state) {
  op_case c;

  (void)state;
  case_open(&c, 17);
  build_opset(&c.b, TRAINING, 1);
  case_f32(&c, "2", x2);
  assert_int_equal(case_try(&c, TRAINING ":Gradient", 1, "xs=[i0] y=z"),
                   OQ_E_UNSUPPORTED);
  case_close(&c);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(adagrad_steps),
      cmocka_unit_test(adam_steps),
      cmocka_unit_test(adam_begins),
      cmocka_unit_test(momentum_steps),
      cmocka_unit_test(several_are_optimized),
      cmocka_unit_test(bad_groups_are_refused),
      cmocka_unit_test(counts_must_agree),
      cmocka_unit_test(gradient_is_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The public call that quantizes. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "quant_support.h"

typedef struct fixture {
  bytes file;
  oq_context *cx;
  oq_model *m;
  oq_stats *s;
  oq_quantize_options o;
} fixture;

static oq_stats *calibrate(oq_model *m, uint64_t count) {
  sampler s = {0};
  const oq_source src = source_of(&s, count);
  oq_stats *stats;

  assert_int_equal(oq_calibrate(&stats, m, &src, NULL), OQ_OK);
  return stats;
}

static int setup(void **state) {
  static const oq_quantize_options none = OQ_QUANTIZE_OPTIONS_INIT;
  fixture *const f = calloc(1, sizeof *f);

  assert_non_null(f);
  f->file = network(1);
  f->cx = context_of(2);
  assert_int_equal(
      oq_model_load_memory(&f->m, f->cx, f->file.p, f->file.n, NULL), OQ_OK);
  f->s = calibrate(f->m, 6);
  f->o = none;
  *state = f;
  return 0;
}

static int teardown(void **state) {
  fixture *const f = *state;

  oq_stats_destroy(f->s);
  oq_model_destroy(f->m);
  oq_context_destroy(f->cx);
  free(f->file.p);
  free(f);
  return 0;
}

static bytes saved(oq_model *m) {
  bytes b = {NULL, 0};

  assert_int_equal(oq_model_save_stream(m, bytes_append, &b), OQ_OK);
  return b;
}

static oq_model *quantized(fixture *f, const oq_quantize_report **r) {
  oq_model *q;

  assert_int_equal(oq_quantize(&q, r, f->m, f->s, &f->o), OQ_OK);
  return q;
}

/* ---- results ----------------------------------------------------------- */
static void the_model_stays(void **state) {
  fixture *const f = *state;
  const oq_quantize_report *r;
  const bytes before = saved(f->m);
  oq_model *const q = quantized(f, &r);
  const bytes after = saved(f->m);

  assert_int_equal(before.n, after.n);
  assert_memory_equal(before.p, after.p, after.n);
  assert_string_equal(r->target, "ort-cpu");
  assert_int_equal(r->samples, 6);
  assert_int_equal(r->n_quantized, 6);
  assert_int_equal(r->weights_total, 576 + 576 + 40);
  assert_int_equal(r->weights_quantized, r->weights_total);
  assert_true(r->macs_int8 > 0 && r->macs_float == 0);
  free(before.p);
  free(after.p);
  oq_model_destroy(q);
}

/* The result does not need what it was made from. */
static void the_model_may_go_first(void **state) {
  fixture *const f = *state;
  const oq_quantize_report *r;
  oq_model *const q = quantized(f, &r);
  const bytes a = saved(q);

  oq_model_destroy(f->m);
  oq_stats_destroy(f->s);
  f->m = NULL;
  f->s = NULL;
  const bytes b = saved(q);
  assert_int_equal(a.n, b.n);
  assert_memory_equal(a.p, b.p, a.n);
  for (size_t i = 0; i < r->n_nodes; i++)
    assert_true(strlen(r->nodes[i].name) > 0 && strlen(r->nodes[i].why) > 0);
  free(a.p);
  free(b.p);
  oq_model_destroy(q);
}

static void plans_need_no_samples(void **state) {
  fixture *const f = *state;
  const oq_quantize_report *r;
  oq_model *plan, *prepared;

  assert_int_equal(oq_quantize(&plan, &r, f->m, NULL, NULL), OQ_OK);
  assert_int_equal(r->n_quantized, 6);
  assert_int_equal(r->n_values, 0);
  assert_int_equal(oq_model_prepare(&prepared, f->m, NULL), OQ_OK);
  const bytes a = saved(plan), b = saved(prepared);
  assert_int_equal(a.n, b.n);
  assert_memory_equal(a.p, b.p, a.n);
  free(a.p);
  free(b.p);
  oq_model_destroy(plan);
  oq_model_destroy(prepared);
}

static void prepared_or_not(void **state) {
  fixture *const f = *state;
  oq_model *prepared, *q;

  oq_model *const direct = quantized(f, NULL);
  assert_int_equal(oq_model_prepare(&prepared, f->m, NULL), OQ_OK);
  assert_int_equal(oq_quantize(&q, NULL, prepared, f->s, &f->o), OQ_OK);
  const bytes a = saved(direct), b = saved(q);
  assert_int_equal(a.n, b.n);
  assert_memory_equal(a.p, b.p, a.n);
  free(a.p);
  free(b.p);
  oq_model_destroy(prepared);
  oq_model_destroy(q);
  oq_model_destroy(direct);
}

static void head_of_the_model(void **state) {
  fixture *const f = *state;
  const oq_model_info *info;

  f->o.provenance = "made by a test";
  f->o.ir_version = 9;
  oq_model *const q = quantized(f, NULL);
  assert_int_equal(oq_model_describe(&info, q), OQ_OK);
  assert_int_equal(info->ir_version, 9);
  assert_int_equal(info->n_inputs, 1);
  assert_string_equal(info->inputs[0].name, "x");
  assert_int_equal(info->inputs[0].dtype, OQ_DT_F32);
  assert_string_equal(info->outputs[0].name, "y");
  assert_true(info->n_quantize_nodes > 0);
  const bytes b = saved(q);
  bool found = false;
  for (size_t i = 0; i + 14 <= b.n; i++)
    found = found || memcmp(b.p + i, "made by a test", 14) == 0;
  assert_true(found);
  free(b.p);
  oq_model_destroy(q);
}

static double quality(fixture *f, const oq_quantize_options *o) {
  sampler s = {.first = 40};
  const oq_source src = source_of(&s, 10);
  oq_comparison c;
  oq_model *q;

  assert_int_equal(oq_quantize(&q, NULL, f->m, f->s, o), OQ_OK);
  assert_int_equal(oq_compare(&c, 1, f->m, q, &src), OQ_OK);
  oq_model_destroy(q);
  return c.sqnr_db;
}

static void every_option_computes_the_same_but_for_steps(void **state) {
  fixture *const f = *state;
  static const char *const methods[] = {"auto", "minmax", "percentile",
                                        "entropy", "mse"};
  static const char *const first[] = {"c1", NULL};

  for (size_t i = 0; i < 5; i++) {
    f->o.method = methods[i];
    assert_true(quality(f, &f->o) > 25);
  }
  f->o.method = NULL;
  f->o.activation_type = OQ_DT_I8;
  assert_true(quality(f, &f->o) > 25);
  f->o.per_tensor = 1;
  assert_true(quality(f, &f->o) > 20);
  f->o.exclude = first;
  assert_true(quality(f, &f->o) > 20);
}

/* What rounding does to the mean of the result is taken off the biases. */
static void corrected_biases(void **state) {
  fixture *const f = *state;
  sampler s = {0};
  const oq_source src = source_of(&s, 6);
  double error[2];

  for (int keep = 0; keep < 2; keep++) {
    oq_runner *a, *b;
    oq_model *q;
    double sum[5] = {0};

    f->o.keep_biases = keep;
    f->o.per_tensor = 1;
    q = quantized(f, NULL);
    assert_int_equal(oq_runner_create(&a, f->m), OQ_OK);
    assert_int_equal(oq_runner_create(&b, q), OQ_OK);
    for (uint64_t k = 0; k < src.count; k++) {
      oq_tensor_view x;
      void *handle;
      assert_int_equal(src.read(&s, k, &x, 1, &handle), OQ_OK);
      assert_int_equal(oq_runner_run(a, &x, 1), OQ_OK);
      assert_int_equal(oq_runner_run(b, &x, 1), OQ_OK);
      const float *const y = oq_runner_output(a, 0)->data;
      const float *const z = oq_runner_output(b, 0)->data;
      for (size_t i = 0; i < 10; i++) sum[i % 5] += (double)(z[i] - y[i]);
      sampler_release(&s, handle);
    }
    error[keep] = 0;
    for (size_t i = 0; i < 5; i++) error[keep] += fabs(sum[i]) / 12;
    oq_runner_destroy(a);
    oq_runner_destroy(b);
    oq_model_destroy(q);
  }
  if (!(error[0] < error[1]))
    print_error("mean errors %g corrected, %g not\n", error[0], error[1]);
  assert_true(error[0] < error[1]);
}

/* ---- refusals ---------------------------------------------------------- */
static void expect(fixture *f, oq_status s, const char *id) {
  oq_model *q = NULL;
  const oq_quantize_report *r = NULL;

  oq_context_clear_diags(f->cx);
  assert_int_equal(oq_quantize(&q, &r, f->m, f->s, &f->o), s);
  assert_string_equal(last_id(f->cx), id);
  assert_null(q);
  assert_null(r);
}

static void options_that_make_no_sense(void **state) {
  fixture *const f = *state;
  const oq_quantize_options none = f->o;
  oq_model *q;

  f->o.target = "toaster";
  expect(f, OQ_E_ARGUMENT, "option.target");
  f->o = none;
  f->o.method = "guess";
  expect(f, OQ_E_ARGUMENT, "option.method");
  f->o = none;
  f->o.activation_type = OQ_DT_U4;
  expect(f, OQ_E_UNSUPPORTED, "option.type");
  f->o.activation_type = 12345;
  expect(f, OQ_E_UNSUPPORTED, "option.type");
  f->o = none;
  f->o.weight_type = OQ_DT_U8;
  expect(f, OQ_E_UNSUPPORTED, "option.type");
  assert_int_equal(oq_quantize(NULL, NULL, f->m, f->s, NULL), OQ_E_ARGUMENT);
  assert_int_equal(oq_quantize(&q, NULL, NULL, f->s, NULL), OQ_E_ARGUMENT);
}

/* A caller of an older or newer build. */
static void options_of_other_sizes(void **state) {
  fixture *const f = *state;
  struct {
    oq_quantize_options o;
    uint64_t more[4];
  } later;
  oq_model *q;

  memset(&later, 0, sizeof later);
  later.o.struct_size = sizeof later;
  assert_int_equal(oq_quantize(&q, NULL, f->m, f->s, &later.o), OQ_OK);
  oq_model_destroy(q);
  later.more[2] = 1; /* asks for something this build does not know */
  assert_int_not_equal(oq_quantize(&q, NULL, f->m, f->s, &later.o), OQ_OK);
  f->o.struct_size = offsetof(oq_quantize_options, method);
  f->o.method = "not read";
  assert_int_equal(oq_quantize(&q, NULL, f->m, f->s, &f->o), OQ_OK);
  oq_model_destroy(q);
}

static void statistics_of_another_model(void **state) {
  fixture *const f = *state;
  const bytes file = network(2);
  oq_model *other, *q;

  assert_int_equal(oq_model_load_memory(&other, f->cx, file.p, file.n, NULL),
                   OQ_OK);
  assert_int_equal(oq_quantize(&q, NULL, other, f->s, NULL), OQ_E_STATE);
  assert_string_equal(last_id(f->cx), "stats.model");
  oq_model_destroy(other);
  free(file.p);
}

static void nothing_to_quantize(void **state) {
  fixture *const f = *state;
  static const char *const all[] = {"*", NULL};

  f->o.exclude = all;
  expect(f, OQ_E_UNSUPPORTED, "model.nothing");
}

static void quantized_already(void **state) {
  fixture *const f = *state;
  static const char *const first[] = {"c1", NULL};
  oq_model *again = NULL;

  f->o.exclude = first;
  oq_model *const half = quantized(f, NULL);
  const bytes file = saved(half);
  oq_model *loaded;
  assert_int_equal(oq_model_load_memory(&loaded, f->cx, file.p, file.n, NULL),
                   OQ_OK);
  oq_stats *const s = calibrate(loaded, 3);
  assert_int_equal(oq_quantize(&again, NULL, loaded, s, NULL),
                   OQ_E_UNSUPPORTED);
  assert_string_equal(last_id(f->cx), "model.quantized");
  f->o.exclude = NULL;
  f->o.allow_partial = 1;
  assert_int_equal(oq_quantize(&again, NULL, loaded, s, &f->o), OQ_OK);
  sampler eval = {.first = 20};
  const oq_source src = source_of(&eval, 4);
  oq_comparison c;
  assert_int_equal(oq_compare(&c, 1, f->m, again, &src), OQ_OK);
  assert_true(c.sqnr_db > 20);
  oq_model_destroy(again);
  oq_stats_destroy(s);
  oq_model_destroy(loaded);
  oq_model_destroy(half);
  free(file.p);
}

static void old_opsets_are_raised(void **state) {
  fixture *const f = *state;
  const oq_model_info *info;
  bytes file;
  test_env t;
  build b;
  oq_model *m, *q;

  assert_true(test_env_open(&t, NULL));
  build_open(&b, &t.e, 9);
  b.ir->ir_version = 4;
  build_input(&b, "x", OQ_DT_F32, "N,8,6,6");
  random_const(&b, "w", "8,8,3,3", 576, 3);
  build_node(&b, "Conv", "x w", "y", "");
  build_output(&b, "y");
  build_bind(&b);
  file.p = build_bytes(&b, &file.n);
  test_env_close(&t);
  assert_int_equal(oq_model_load_memory(&m, f->cx, file.p, file.n, NULL),
                   OQ_OK);
  oq_stats *const s = calibrate(m, 2);
  assert_int_equal(oq_quantize(&q, NULL, m, s, NULL), OQ_OK);
  assert_int_equal(oq_model_describe(&info, q), OQ_OK);
  assert_true(info->opsets[0].version >= 13 && info->ir_version >= 7);
  oq_stats_destroy(s);
  oq_model_destroy(q);
  oq_model_destroy(m);
  free(file.p);
}

static void targets(void **state) {
  oq_target_info t;

  (void)state;
  assert_true(oq_target_at(&t, 0));
  assert_string_equal(t.name, "ort-cpu");
  assert_true(strlen(t.about) > 0);
  assert_false(oq_target_at(&t, 1));
  assert_false(oq_target_at(NULL, 0));
}

/* ---- memory ------------------------------------------------------------ */
static oq_status scenario(const oq_allocator *a, void *user) {
  const fixture *const f = user;
  oq_config config = OQ_CONFIG_INIT;
  sampler s = {.rows = 1};
  const oq_source src = source_of(&s, 2);
  const oq_quantize_report *r;
  oq_context *cx = NULL;
  oq_model *m = NULL, *q = NULL;
  oq_stats *stats = NULL;
  bytes b = {NULL, 0};

  config.threads = 1;
  config.allocator = *a;
  oq_status status = oq_context_create(&cx, &config);
  if (status == OQ_OK)
    status = oq_model_load_memory(&m, cx, f->file.p, f->file.n, NULL);
  if (status == OQ_OK) status = oq_calibrate(&stats, m, &src, NULL);
  if (status == OQ_OK) status = oq_quantize(&q, &r, m, stats, &f->o);
  if (status == OQ_OK) status = oq_model_save_stream(q, bytes_append, &b);
  free(b.p);
  oq_model_destroy(q);
  oq_stats_destroy(stats);
  oq_model_destroy(m);
  oq_context_destroy(cx);
  return status;
}

static void memory_may_run_out(void **state) {
  fixture *const f = *state;
  static const char *const second[] = {"c2", NULL};

  assert_true(survive_every_allocation(scenario, f) > 100);
  f->o.exclude = second;
  assert_true(survive_every_allocation(scenario, f) > 100);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(the_model_stays),
      TEST(the_model_may_go_first),
      TEST(plans_need_no_samples),
      TEST(prepared_or_not),
      TEST(head_of_the_model),
      TEST(every_option_computes_the_same_but_for_steps),
      TEST(corrected_biases),
      TEST(options_that_make_no_sense),
      TEST(options_of_other_sizes),
      TEST(statistics_of_another_model),
      TEST(nothing_to_quantize),
      TEST(quantized_already),
      TEST(old_opsets_are_raised),
      TEST(targets),
      TEST(memory_may_run_out),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}

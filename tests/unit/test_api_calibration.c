/* The public calls around statistics. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "quant_support.h"
#include "support/temp.h"

typedef struct fixture {
  bytes file;
  oq_context *cx;
  oq_model *m;
} fixture;

static int setup(void **state) {
  fixture *const f = calloc(1, sizeof *f);

  assert_non_null(f);
  f->file = network(1);
  f->cx = context_of(2);
  assert_int_equal(
      oq_model_load_memory(&f->m, f->cx, f->file.p, f->file.n, NULL), OQ_OK);
  *state = f;
  return 0;
}

static int teardown(void **state) {
  fixture *const f = *state;

  oq_model_destroy(f->m);
  oq_context_destroy(f->cx);
  free(f->file.p);
  free(f);
  return 0;
}

static oq_stats *calibrate(fixture *f, uint64_t first, uint64_t count,
                           const oq_calibrate_options *opt) {
  sampler s = {.first = first};
  const oq_source src = source_of(&s, count);
  oq_stats *stats;

  assert_int_equal(oq_calibrate(&stats, f->m, &src, opt), OQ_OK);
  return stats;
}

static bytes saved(const oq_stats *s) {
  bytes b = {NULL, 0};

  assert_int_equal(oq_stats_save_stream(s, bytes_append, &b), OQ_OK);
  return b;
}

static void same(const oq_stats *a, const oq_stats *b) {
  const bytes x = saved(a), y = saved(b);

  assert_int_equal(x.n, y.n);
  assert_memory_equal(x.p, y.p, x.n);
  free(x.p);
  free(y.p);
}

/* ---- what is observed --------------------------------------------------- */
static const oq_stats_value *described(oq_stats *s, const char *name) {
  const oq_stats_info *info;

  assert_int_equal(oq_stats_describe(&info, s), OQ_OK);
  for (size_t i = 0; i < info->n_values; i++)
    if (strcmp(info->values[i].name, name) == 0) return &info->values[i];
  fail_msg("no statistics of %s", name);
  return NULL;
}

static void numbers_of_an_input(void **state) {
  fixture *const f = *state;
  oq_stats *const s = calibrate(f, 0, 3, NULL);
  const oq_stats_value *const x = described(s, "x");
  double lo = 1, hi = -1, sum = 0, squares = 0;
  const size_t n = 2 * 8 * 6 * 6;

  for (uint64_t k = 0; k < 3; k++)
    for (size_t i = 0; i < n; i++) {
      const float v = (float)(2 * oq_rng_uniform(100 + k, i) - 1);
      lo = fmin(lo, (double)v);
      hi = fmax(hi, (double)v);
      sum += (double)v;
      squares += (double)v * (double)v;
    }
  const double mean = sum / (double)(3 * n);
  assert_true(x->lo == lo && x->hi == hi);
  assert_int_equal(x->count, 3 * n);
  assert_int_equal(x->nans + x->infinities + x->zeros, 0);
  assert_true(fabs(x->mean - mean) < 1e-3);
  assert_true(fabs(x->std - sqrt(squares / (double)(3 * n) - mean * mean)) <
              1e-3);
  assert_true(described(s, "r1")->lo == 0);
  assert_true(described(s, "r1")->zeros > 0);
  oq_stats_destroy(s);
}

static void head_of_the_statistics(void **state) {
  fixture *const f = *state;
  oq_calibrate_options opt = OQ_CALIBRATE_OPTIONS_INIT;
  const oq_stats_info *info;
  size_t n;

  opt.preprocessing = "resize 256";
  opt.synthetic = 1;
  oq_stats *const s = calibrate(f, 0, 2, &opt);
  assert_int_equal(oq_stats_describe(&info, s), OQ_OK);
  assert_int_equal(info->samples, 2);
  assert_int_equal(info->synthetic, 1);
  assert_string_equal(info->preprocessing, "resize 256");
  assert_int_equal(strlen(info->model_digest), 32);
  const char *const *const names = oq_stats_wanted(s, &n);
  assert_int_equal(n, info->n_values);
  for (size_t i = 0; i < n; i++)
    assert_string_equal(names[i], info->values[i].name);
  assert_null(names[n]);
  oq_stats_destroy(s);
}

static void order_and_threads_do_not_show(void **state) {
  fixture *const f = *state;
  oq_stats *const first = calibrate(f, 0, 8, NULL);

  for (uint32_t threads = 1; threads <= 8; threads *= 2) {
    oq_context *const cx = context_of(threads);
    sampler s = {0};
    const oq_source src = source_of(&s, 8);
    oq_stats *other;
    oq_model *m;

    assert_int_equal(oq_model_load_memory(&m, cx, f->file.p, f->file.n, NULL),
                     OQ_OK);
    assert_int_equal(oq_calibrate(&other, m, &src, NULL), OQ_OK);
    same(first, other);
    oq_stats_destroy(other);
    oq_model_destroy(m);
    oq_context_destroy(cx);
  }
  oq_stats_destroy(first);
}

/* Samples of several sizes may be mixed. */
static void samples_of_several_sizes(void **state) {
  fixture *const f = *state;
  sampler small = {.first = 0, .rows = 1}, large = {.first = 5, .rows = 4};
  const oq_source a = source_of(&small, 2), b = source_of(&large, 2);
  oq_stats *x, *y;

  assert_int_equal(oq_calibrate(&x, f->m, &a, NULL), OQ_OK);
  assert_int_equal(oq_calibrate(&y, f->m, &b, NULL), OQ_OK);
  assert_int_equal(oq_stats_merge(x, y), OQ_OK);
  assert_int_equal(described(x, "x")->count, (2 + 8) * 288);
  oq_stats_destroy(x);
  oq_stats_destroy(y);
}

/* ---- merging and files -------------------------------------------------- */
static void parts_merge_to_the_whole(void **state) {
  fixture *const f = *state;
  oq_stats *const whole = calibrate(f, 0, 7, NULL);
  oq_stats *const a = calibrate(f, 0, 3, NULL);
  oq_stats *const b = calibrate(f, 3, 4, NULL);

  assert_int_equal(oq_stats_merge(b, a), OQ_OK);
  same(b, whole);
  oq_stats_destroy(a);
  oq_stats_destroy(b);
  oq_stats_destroy(whole);
}

static void what_does_not_merge(void **state) {
  fixture *const f = *state;
  oq_calibrate_options opt = OQ_CALIBRATE_OPTIONS_INIT;
  const bytes file = network(9);
  sampler s = {.first = 50};
  const oq_source src = source_of(&s, 2);
  oq_model *other;
  oq_stats *c;

  opt.preprocessing = "otherwise";
  oq_stats *const a = calibrate(f, 0, 3, NULL);
  oq_stats *const twice = calibrate(f, 2, 3, NULL);
  oq_stats *const b = calibrate(f, 10, 3, &opt);
  const bytes before = saved(a);
  assert_int_equal(oq_model_load_memory(&other, f->cx, file.p, file.n, NULL),
                   OQ_OK);
  assert_int_equal(oq_calibrate(&c, other, &src, NULL), OQ_OK);
  assert_int_equal(oq_stats_merge(a, twice), OQ_E_STATE);
  assert_int_equal(oq_stats_merge(a, b), OQ_E_STATE);
  assert_int_equal(oq_stats_merge(a, c), OQ_E_STATE);
  assert_int_equal(oq_stats_merge(a, a), OQ_E_ARGUMENT);
  assert_int_equal(oq_stats_merge(a, NULL), OQ_E_ARGUMENT);
  assert_int_equal(oq_stats_merge(NULL, a), OQ_E_ARGUMENT);
  const bytes after = saved(a);
  assert_int_equal(before.n, after.n);
  assert_memory_equal(before.p, after.p, after.n); /* nothing half done */
  free(before.p);
  free(after.p);
  oq_stats_destroy(a);
  oq_stats_destroy(b);
  oq_stats_destroy(c);
  oq_stats_destroy(twice);
  oq_model_destroy(other);
  free(file.p);
}

static void files(void **state) {
  fixture *const f = *state;
  oq_stats *const a = calibrate(f, 0, 3, NULL);
  oq_stats *b = NULL;
  temp t;
  size_t n;

  temp_open(&t);
  const char *const path = temp_path(&t, "a.oqstats");
  assert_int_equal(oq_stats_save_file(a, path), OQ_OK);
  assert_int_equal(oq_stats_load_file(&b, f->cx, path), OQ_OK);
  same(a, b);
  void *const p = temp_read(&t, "a.oqstats", &n);
  const bytes stream = saved(a);
  assert_int_equal(n, stream.n);
  assert_memory_equal(p, stream.p, n);
  oq_stats_destroy(b);
  b = NULL;
  temp_write(&t, "a.oqstats", p, n / 2);
  assert_int_not_equal(oq_stats_load_file(&b, f->cx, path), OQ_OK);
  temp_write(&t, "a.oqstats", "", 0);
  assert_int_not_equal(oq_stats_load_file(&b, f->cx, path), OQ_OK);
  assert_int_equal(oq_stats_load_file(&b, f->cx, temp_path(&t, "none")),
                   OQ_E_IO);
  assert_null(b);
  assert_int_equal(oq_stats_save_file(a, "/nowhere/at/all"), OQ_E_IO);
  assert_int_equal(oq_stats_save_file(NULL, "x"), OQ_E_ARGUMENT);
  assert_int_equal(oq_stats_save_file(a, NULL), OQ_E_ARGUMENT);
  assert_int_equal(oq_stats_load_file(&b, NULL, "x"), OQ_E_ARGUMENT);
  free(p);
  free(stream.p);
  temp_close(&t);
  oq_stats_destroy(a);
}

/* ---- another engine ---------------------------------------------------- */
/* What an engine would show of the prepared graph, fed value by value. */
static void fed_by_hand(void **state) {
  fixture *const f = *state;
  oq_stats *const ours = calibrate(f, 0, 2, NULL);
  sampler s = {0};
  oq_model *prepared, *exposed;
  oq_runner *runner;
  oq_stats *theirs;
  const oq_model_info *info;
  size_t n;

  assert_int_equal(oq_model_prepare(&prepared, f->m, NULL), OQ_OK);
  assert_int_equal(oq_stats_create(&theirs, prepared, NULL), OQ_OK);
  const char *const *const names = oq_stats_wanted(theirs, &n);
  const char *results[64];
  size_t n_results = 0;
  for (size_t i = 0; i < n; i++)
    if (strcmp(names[i], "x") != 0) results[n_results++] = names[i];
  assert_int_equal(oq_model_expose(&exposed, prepared, results, n_results),
                   OQ_OK);
  assert_int_equal(oq_runner_create(&runner, exposed), OQ_OK);
  assert_int_equal(oq_model_describe(&info, exposed), OQ_OK);
  for (uint64_t k = 0; k < 2; k++) {
    oq_tensor_view x;
    void *handle;

    assert_int_equal(sampler_read(&s, k, &x, 1, &handle), OQ_OK);
    assert_int_equal(oq_runner_run(runner, &x, 1), OQ_OK);
    assert_int_equal(oq_stats_feed(theirs, "x", &x), OQ_OK);
    for (size_t i = 0; i < info->n_outputs; i++)
      assert_int_equal(oq_stats_feed(theirs, info->outputs[i].name,
                                     oq_runner_output(runner, i)),
                       OQ_OK);
    assert_int_equal(oq_stats_end_sample(theirs, k), OQ_OK);
    sampler_release(&s, handle);
  }
  same(ours, theirs);
  oq_runner_destroy(runner);
  oq_model_destroy(exposed);
  oq_model_destroy(prepared);
  oq_stats_destroy(ours);
  oq_stats_destroy(theirs);
}

static void wrong_feeds(void **state) {
  fixture *const f = *state;
  static const float x[288];
  oq_tensor_view v = {
      .dtype = OQ_DT_F32, .rank = 1, .dim = {4}, .data = x, .size = 16};
  oq_stats *s;

  assert_int_equal(oq_stats_create(&s, f->m, NULL), OQ_OK);
  assert_int_equal(oq_stats_feed(s, "nobody", &v), OQ_E_ARGUMENT);
  assert_string_equal(last_id(f->cx), "stats.feed");
  v.dtype = OQ_DT_I32;
  assert_int_equal(oq_stats_feed(s, "x", &v), OQ_E_ARGUMENT);
  v.dtype = OQ_DT_F32;
  v.size = 12;
  assert_int_equal(oq_stats_feed(s, "x", &v), OQ_E_DATA);
  assert_int_equal(oq_stats_feed(NULL, "x", &v), OQ_E_ARGUMENT);
  assert_int_equal(oq_stats_feed(s, NULL, &v), OQ_E_ARGUMENT);
  assert_int_equal(oq_stats_feed(s, "x", NULL), OQ_E_ARGUMENT);
  assert_int_equal(oq_stats_end_sample(NULL, 0), OQ_E_ARGUMENT);
  assert_true(isnan(described(s, "x")->lo));
  oq_stats_destroy(s);
}

/* ---- failures ---------------------------------------------------------- */
static void bad_samples(void **state) {
  fixture *const f = *state;
  sampler s = {.fail_at = 2}, wide = {.columns = 7};
  oq_source src = source_of(&s, 4);
  oq_stats *stats = NULL;

  assert_int_equal(oq_calibrate(&stats, f->m, &src, NULL), OQ_E_IO);
  assert_string_equal(last_id(f->cx), "sample.read");
  src = source_of(&wide, 4);
  assert_int_equal(oq_calibrate(&stats, f->m, &src, NULL), OQ_E_DATA);
  src.count = 0;
  assert_int_equal(oq_calibrate(&stats, f->m, &src, NULL), OQ_E_DATA);
  assert_string_equal(last_id(f->cx), "samples.count");
  src.count = UINT64_MAX;
  assert_int_equal(oq_calibrate(&stats, f->m, &src, NULL), OQ_E_DATA);
  src.read = NULL;
  assert_int_equal(oq_calibrate(&stats, f->m, &src, NULL), OQ_E_ARGUMENT);
  assert_int_equal(oq_calibrate(&stats, f->m, NULL, NULL), OQ_E_ARGUMENT);
  assert_int_equal(oq_calibrate(&stats, NULL, &src, NULL), OQ_E_ARGUMENT);
  assert_int_equal(oq_calibrate(NULL, f->m, &src, NULL), OQ_E_ARGUMENT);
  assert_null(stats);
  oq_stats_destroy(NULL);
}

static int stop_at_three(void *user, const oq_progress *p) {
  uint64_t *const calls = user;

  if (strcmp(p->stage, "calibrate") != 0) return 0;
  ++*calls;
  assert_true(p->done <= p->total);
  return p->done >= 3;
}

static void cancelling(void **state) {
  fixture *const f = *state;
  oq_config config = OQ_CONFIG_INIT;
  sampler s = {0};
  const oq_source src = source_of(&s, 100);
  uint64_t calls = 0;
  oq_context *cx;
  oq_model *m;
  oq_stats *stats = NULL;

  config.threads = 1;
  config.on_progress = stop_at_three;
  config.user = &calls;
  assert_int_equal(oq_context_create(&cx, &config), OQ_OK);
  assert_int_equal(oq_model_load_memory(&m, cx, f->file.p, f->file.n, NULL),
                   OQ_OK);
  assert_int_equal(oq_calibrate(&stats, m, &src, NULL), OQ_E_CANCELLED);
  assert_null(stats);
  assert_int_equal(calls, 3);
  oq_model_destroy(m);
  oq_context_destroy(cx);
}

/* ---- memory ------------------------------------------------------------ */
typedef struct meter {
  size_t now, most;
} meter;

static void *meter_get(void *user, size_t size, size_t align) {
  meter *const m = user;
  void *p = NULL;

  if (posix_memalign(&p, align < 8 ? 8 : align, size ? size : 1) != 0)
    return NULL;
  m->now += size;
  if (m->now > m->most) m->most = m->now;
  return p;
}

static void meter_put(void *user, void *p, size_t size) {
  meter *const m = user;

  if (p != NULL) m->now -= size;
  free(p);
}

static size_t peak(const fixture *f, uint64_t samples) {
  meter count = {0, 0};
  oq_config config = OQ_CONFIG_INIT;
  sampler s = {0};
  const oq_source src = source_of(&s, samples);
  oq_context *cx;
  oq_stats *stats;
  oq_model *m;

  config.threads = 1;
  config.allocator = (oq_allocator){meter_get, meter_put, &count};
  assert_int_equal(oq_context_create(&cx, &config), OQ_OK);
  assert_int_equal(oq_model_load_memory(&m, cx, f->file.p, f->file.n, NULL),
                   OQ_OK);
  assert_int_equal(oq_calibrate(&stats, m, &src, NULL), OQ_OK);
  oq_stats_destroy(stats);
  oq_model_destroy(m);
  oq_context_destroy(cx);
  assert_int_equal(count.now, 0);
  return count.most;
}

static void memory_does_not_grow_with_samples(void **state) {
  const fixture *const f = *state;
  const size_t few = peak(f, 4), many = peak(f, 100);

  if (many > few + few / 10)
    print_error("%zu bytes with 4 samples, %zu with 100\n", few, many);
  assert_true(many <= few + few / 10);
}

static oq_status scenario(const oq_allocator *a, void *user) {
  const fixture *const f = user;
  oq_config config = OQ_CONFIG_INIT;
  sampler s = {0};
  const oq_source src = source_of(&s, 2);
  oq_context *cx = NULL;
  oq_model *m = NULL;
  oq_stats *stats = NULL, *again = NULL;
  const oq_stats_info *info;
  bytes b = {NULL, 0};

  config.threads = 1;
  config.allocator = *a;
  oq_status status = oq_context_create(&cx, &config);
  if (status == OQ_OK)
    status = oq_model_load_memory(&m, cx, f->file.p, f->file.n, NULL);
  if (status == OQ_OK) status = oq_calibrate(&stats, m, &src, NULL);
  if (status == OQ_OK) status = oq_stats_describe(&info, stats);
  if (status == OQ_OK) status = oq_stats_create(&again, m, NULL);
  if (status == OQ_OK) status = oq_stats_merge(again, stats);
  if (status == OQ_OK) status = oq_stats_save_stream(again, bytes_append, &b);
  free(b.p);
  oq_stats_destroy(again);
  oq_stats_destroy(stats);
  oq_model_destroy(m);
  oq_context_destroy(cx);
  return status;
}

static void memory_may_run_out(void **state) {
  assert_true(survive_every_allocation(scenario, *state) > 10);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(numbers_of_an_input),
      TEST(head_of_the_statistics),
      TEST(order_and_threads_do_not_show),
      TEST(samples_of_several_sizes),
      TEST(parts_merge_to_the_whole),
      TEST(what_does_not_merge),
      TEST(files),
      TEST(fed_by_hand),
      TEST(wrong_feeds),
      TEST(bad_samples),
      TEST(cancelling),
      TEST(memory_does_not_grow_with_samples),
      TEST(memory_may_run_out),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}

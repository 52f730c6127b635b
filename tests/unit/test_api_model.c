/* Contexts and models through the public interface. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "onnxquant/onnxquant.h"
#include "support/build.h"
#include "support/env.h"
#include "support/temp.h"

/* x[batch,3], z[batch,?] -> y = Relu(x + w), s = Neg(z); w an initializer. */
static void *bytes_of_model(size_t *n) {
  static const float w[] = {1, 2, 3};
  test_env t;
  build b;
  void *p;

  assert_true(test_env_open(&t, NULL));
  build_open(&b, &t.e, 17);
  build_input(&b, "x", OQ_DT_F32, "batch,3");
  build_input(&b, "z", OQ_DT_F32, "batch,?");
  build_const_f32(&b, "w", "3", w);
  build_node(&b, "Add", "x w", "a", "");
  build_node(&b, "Relu", "a", "y", "");
  build_node(&b, "Neg", "z", "s", "");
  build_output(&b, "y");
  build_output(&b, "s");
  build_bind(&b);
  p = build_bytes(&b, n);
  test_env_close(&t);
  return p;
}

typedef struct fixture {
  oq_context *cx;
  oq_model *m;
  void *bytes;
  size_t size;
} fixture;

static int set_up(void **state) {
  fixture *f = calloc(1, sizeof *f);

  if (f == NULL) return -1;
  f->bytes = bytes_of_model(&f->size);
  if (oq_context_create(&f->cx, NULL) != OQ_OK) return -1;
  if (oq_model_load_memory(&f->m, f->cx, f->bytes, f->size, NULL) != OQ_OK) {
    return -1;
  }
  *state = f;
  return 0;
}

static int tear_down(void **state) {
  fixture *f = *state;

  oq_model_destroy(f->m);
  oq_context_destroy(f->cx);
  free(f->bytes);
  free(f);
  return 0;
}

static const char *last_id(const oq_context *cx) {
  const size_t n = oq_context_diag_count(cx);

  return n > 0 ? oq_context_diag(cx, n - 1)->id : "";
}

/* ---- contexts ------------------------------------------------------------ */
static void configurations(void **state) {
  struct {
    oq_config cfg;
    char later[16]; /* fields of a build to come */
  } big = {.cfg = OQ_CONFIG_INIT};
  oq_config cfg = OQ_CONFIG_INIT;
  oq_context *cx = NULL;

  (void)state;
  assert_int_equal(oq_context_create(NULL, NULL), OQ_E_ARGUMENT);
  assert_int_equal(oq_context_create(&cx, NULL), OQ_OK);
  assert_true(oq_context_threads(cx) >= 1);
  assert_int_equal(oq_context_diag_count(cx), 0);
  assert_null(oq_context_diag(cx, 0));
  oq_context_destroy(cx);
  oq_context_destroy(NULL);

  cfg.threads = 3;
  cfg.kernels = "reference";
  assert_int_equal(oq_context_create(&cx, &cfg), OQ_OK);
  assert_int_equal(oq_context_threads(cx), 3);
  oq_context_destroy(cx);

  cx = NULL;
  cfg.kernels = "abacus";
  assert_int_equal(oq_context_create(&cx, &cfg), OQ_E_ARGUMENT);
  cfg.kernels = NULL;
  cfg.threads = 1000000;
  assert_int_equal(oq_context_create(&cx, &cfg), OQ_E_ARGUMENT);
  cfg.threads = 1;
  cfg.allocator.alloc = faulty_allocator(&(faulty){0}).alloc;
  assert_int_equal(oq_context_create(&cx, &cfg), OQ_E_ARGUMENT);
  cfg.struct_size = 3;
  assert_int_equal(oq_context_create(&cx, &cfg), OQ_E_ARGUMENT);
  assert_null(cx);

  /* An older caller knows only the first fields. */
  cfg = (oq_config)OQ_CONFIG_INIT;
  cfg.struct_size = offsetof(oq_config, threads);
  cfg.threads = 7;
  assert_int_equal(oq_context_create(&cx, &cfg), OQ_OK);
  assert_int_not_equal(oq_context_threads(cx), 7);
  oq_context_destroy(cx);

  /* A newer one may have more, if it is zero. */
  big.cfg.struct_size = sizeof big;
  assert_int_equal(oq_context_create(&cx, &big.cfg), OQ_OK);
  oq_context_destroy(cx);
  big.later[15] = 1;
  assert_int_equal(oq_context_create(&cx, &big.cfg), OQ_E_ARGUMENT);
}

static void note_id(void *user, const oq_diag *d) {
  (void)strncpy(user, d->id, 63);
}

static void findings_reach_the_listener(void **state) {
  char heard[64] = "";
  oq_config cfg = OQ_CONFIG_INIT;
  oq_context *cx;
  oq_model *m = NULL;

  (void)state;
  cfg.on_diag = note_id;
  cfg.user = heard;
  assert_int_equal(oq_context_create(&cx, &cfg), OQ_OK);
  assert_int_equal(oq_model_load_memory(&m, cx, "\xff\xff", 2, NULL),
                   OQ_E_FORMAT);
  assert_null(m);
  assert_int_equal(oq_context_diag_count(cx), 1);
  assert_string_equal(heard, oq_context_diag(cx, 0)->id);
  oq_context_clear_diags(cx);
  assert_int_equal(oq_context_diag_count(cx), 0);
  assert_int_equal(oq_model_load_file(&m, cx, "/nowhere/at.all"), OQ_E_IO);
  oq_context_destroy(cx);
}

static void limits_hold(void **state) {
  const fixture *f = *state;
  oq_config cfg = OQ_CONFIG_INIT;
  oq_context *cx;
  oq_model *m = NULL;

  cfg.limits.max_model_bytes = f->size;
  assert_int_equal(oq_context_create(&cx, &cfg), OQ_OK);
  assert_int_equal(oq_model_load_memory(&m, cx, f->bytes, f->size, NULL),
                   OQ_OK);
  oq_model_destroy(m);
  oq_context_destroy(cx);
  m = NULL;
  cfg.limits.max_model_bytes = f->size - 1;
  assert_int_equal(oq_context_create(&cx, &cfg), OQ_OK);
  assert_int_equal(oq_model_load_memory(&m, cx, f->bytes, f->size, NULL),
                   OQ_E_LIMIT);
  assert_string_equal(last_id(cx), "model.bytes");
  oq_context_destroy(cx);
  cfg = (oq_config)OQ_CONFIG_INIT;
  cfg.limits.max_memory = 100;
  assert_int_equal(oq_context_create(&cx, &cfg), OQ_E_MEMORY);
  assert_null(m);
}

static void versions(void **state) {
  size_t n;
  const oq_operator_info *o = oq_operators(&n);

  (void)state;
  assert_string_equal(oq_version(), ONNXQUANT_VERSION);
  assert_non_null(strstr(oq_build_info(), "blas: "));
  assert_non_null(strstr(oq_build_info(), "cpu: "));
  assert_true(n > 50);
  for (size_t i = 1; i < n; i++) {
    int c = strcmp(o[i - 1].domain, o[i].domain);
    if (c == 0) c = strcmp(o[i - 1].name, o[i].name);
    assert_true(c < 0 || (c == 0 && o[i - 1].last < o[i].since));
    assert_true(o[i].since <= o[i].last && o[i].quantization[0] != '\0');
  }
}

/* ---- models -------------------------------------------------------------- */
static void arguments(void **state) {
  const fixture *f = *state;
  const oq_model_info *info = NULL;
  oq_model *m = NULL;

  assert_int_equal(oq_model_load_memory(&m, NULL, f->bytes, f->size, NULL),
                   OQ_E_ARGUMENT);
  assert_int_equal(oq_model_load_memory(NULL, f->cx, f->bytes, 1, NULL),
                   OQ_E_ARGUMENT);
  assert_int_equal(oq_model_load_memory(&m, f->cx, NULL, 1, NULL),
                   OQ_E_ARGUMENT);
  assert_int_equal(oq_model_load_file(&m, f->cx, NULL), OQ_E_ARGUMENT);
  assert_int_equal(oq_model_describe(&info, NULL), OQ_E_ARGUMENT);
  assert_int_equal(oq_model_describe(NULL, f->m), OQ_E_ARGUMENT);
  assert_int_equal(oq_model_set_dim(f->m, NULL, 1), OQ_E_ARGUMENT);
  assert_int_equal(oq_model_set_dim(f->m, "batch", -1), OQ_E_ARGUMENT);
  assert_int_equal(oq_model_save_file(f->m, NULL, NULL), OQ_E_ARGUMENT);
  assert_int_equal(oq_model_expose(&m, f->m, NULL, 1), OQ_E_ARGUMENT);
  oq_model_destroy(NULL);
  assert_null(m);
  assert_null(info);
}

static void descriptions(void **state) {
  const fixture *f = *state;
  const oq_model_info *i, *again;

  assert_int_equal(oq_model_describe(&i, f->m), OQ_OK);
  assert_int_equal(oq_model_describe(&again, f->m), OQ_OK);
  assert_ptr_equal(i, again);
  assert_int_equal(i->ir_version, 8);
  assert_string_equal(i->graph_name, "test");
  assert_int_equal(i->n_opsets, 1);
  assert_string_equal(i->opsets[0].domain, "");
  assert_int_equal(i->opsets[0].version, 17);
  assert_int_equal(i->n_inputs, 2);
  assert_int_equal(i->n_outputs, 2);
  assert_int_equal(i->n_nodes, 3);
  assert_int_equal(i->n_initializers, 1);
  assert_int_equal(i->initializer_bytes, 12);
  assert_int_equal(i->n_quantize_nodes, 0);
  assert_string_equal(i->inputs[1].name, "z");
  assert_int_equal(i->inputs[0].dtype, OQ_DT_F32);
  assert_true(i->inputs[0].has_rank);
  assert_int_equal(i->inputs[0].rank, 2);
  assert_int_equal(i->inputs[0].dim[0].size, -1);
  assert_string_equal(i->inputs[0].dim[0].symbol, "batch");
  assert_int_equal(i->inputs[0].dim[1].size, 3);
  assert_null(i->inputs[1].dim[1].symbol);
  assert_string_equal(i->outputs[0].name, "y");
}

static void overrides(void **state) {
  const fixture *f = *state;
  const oq_model_info *i;
  const int64_t shape[] = {2, 5}, wrong[] = {2, 3, 1}, four[] = {2, 4};
  const int64_t open[] = {-1, 7};

  assert_int_equal(oq_model_set_dim(f->m, "nobody", 1), OQ_E_MODEL);
  assert_string_equal(last_id(f->cx), "model.symbol");
  assert_int_equal(oq_model_set_dim(f->m, "batch", 2), OQ_OK);
  assert_int_equal(oq_model_describe(&i, f->m), OQ_OK);
  assert_int_equal(i->inputs[0].dim[0].size, 2);
  assert_int_equal(i->inputs[1].dim[0].size, 2);
  assert_int_equal(oq_model_set_dim(f->m, "batch", 4), OQ_OK);
  assert_int_equal(oq_model_set_shape(f->m, "z", shape, 2), OQ_OK);
  assert_int_equal(oq_model_describe(&i, f->m), OQ_OK);
  assert_int_equal(i->inputs[0].dim[0].size, 4);
  assert_int_equal(i->inputs[1].dim[0].size, 2);
  assert_int_equal(i->inputs[1].dim[1].size, 5);
  assert_int_equal(oq_model_set_shape(f->m, "z", open, 2), OQ_OK);
  assert_int_equal(oq_model_describe(&i, f->m), OQ_OK);
  assert_int_equal(i->inputs[1].dim[1].size, 7);
  assert_int_equal(oq_model_set_shape(f->m, "w", shape, 2), OQ_E_MODEL);
  assert_string_equal(last_id(f->cx), "model.input");
  assert_int_equal(oq_model_set_shape(f->m, "x", wrong, 3), OQ_E_MODEL);
  assert_int_equal(oq_model_set_shape(f->m, "x", four, 2), OQ_E_MODEL);
  assert_string_equal(last_id(f->cx), "model.shape");
  assert_int_equal(oq_model_set_shape(f->m, "x", four, 99), OQ_E_ARGUMENT);
}

static void saving(void **state) {
  const fixture *f = *state;
  const oq_model_info *i;
  oq_save_options opt = OQ_SAVE_OPTIONS_INIT;
  oq_model *m;
  temp t;
  size_t n;

  temp_open(&t);
  assert_int_equal(oq_model_set_dim(f->m, "batch", 2), OQ_OK);
  assert_int_equal(oq_model_save_file(f->m, temp_path(&t, "m.onnx"), NULL),
                   OQ_OK);
  void *p = temp_read(&t, "m.onnx", &n);
  assert_non_null(p);
  assert_int_equal(n, f->size); /* overrides are of this run alone */
  assert_memory_equal(p, f->bytes, n);
  free(p);
  assert_int_equal(oq_model_load_file(&m, f->cx, temp_path(&t, "m.onnx")),
                   OQ_OK);
  assert_int_equal(oq_model_describe(&i, m), OQ_OK);
  assert_int_equal(i->inputs[0].dim[0].size, -1);
  oq_model_destroy(m);
  opt.external_data = (oq_external_data)9;
  assert_int_equal(oq_model_save_file(f->m, temp_path(&t, "n.onnx"), &opt),
                   OQ_E_ARGUMENT);
  assert_int_equal(oq_model_save_file(f->m, "/nowhere/m.onnx", NULL), OQ_E_IO);
  temp_close(&t);
}

typedef struct taken {
  const uint8_t *want;
  size_t n, left;
} taken;

static oq_status take(void *user, const void *p, size_t n) {
  taken *t = user;

  if (n > t->left) return OQ_E_IO;
  assert_memory_equal(p, t->want + t->n, n);
  t->n += n;
  t->left -= n;
  return OQ_OK;
}

static void streaming(void **state) {
  const fixture *f = *state;
  taken t = {f->bytes, 0, f->size};

  assert_int_equal(oq_model_save_stream(f->m, take, &t), OQ_OK);
  assert_int_equal(t.left, 0);
  t = (taken){f->bytes, 0, f->size / 2};
  assert_int_equal(oq_model_save_stream(f->m, take, &t), OQ_E_IO);
}

static void exposing(void **state) {
  const fixture *f = *state;
  const char *const values[] = {"a", "y", "a"}, *const bad[] = {"q"};
  const oq_model_info *i;
  oq_model *m = NULL;

  assert_int_equal(oq_model_expose(&m, f->m, values, 3), OQ_OK);
  assert_int_equal(oq_model_describe(&i, m), OQ_OK);
  assert_int_equal(i->n_outputs, 3);
  assert_string_equal(i->outputs[2].name, "a");
  assert_int_equal(i->outputs[2].dtype, OQ_DT_F32);
  assert_int_equal(i->outputs[2].rank, 2);
  oq_model_destroy(m);
  assert_int_equal(oq_model_describe(&i, f->m), OQ_OK);
  assert_int_equal(i->n_outputs, 2);
  m = NULL;
  assert_int_equal(oq_model_expose(&m, f->m, bad, 1), OQ_E_MODEL);
  assert_string_equal(last_id(f->cx), "model.value");
  assert_null(m);
}

static void tensor_files(void **state) {
  /* dims 2, data_type FLOAT, name "t", raw_data */
  const uint8_t ok[] = {0x08, 2, 0x10, 1,    0x42, 1, 't', 0x4a, 8,
                        0,    0, 0x80, 0x3f, 0,    0, 0,   0x40};
  const uint8_t bad[] = {0x08, 2, 0x10, 1, 0x4a, 3, 0, 0, 0};
  const fixture *f = *state;
  oq_tensor_file *t = NULL;
  temp d;

  temp_open(&d);
  temp_write(&d, "t.pb", ok, sizeof ok);
  temp_write(&d, "bad.pb", bad, sizeof bad);
  assert_int_equal(oq_tensor_file_load(&t, f->cx, temp_path(&d, "bad.pb")),
                   OQ_E_MODEL);
  assert_null(t);
  assert_int_equal(oq_tensor_file_load(&t, f->cx, temp_path(&d, "none.pb")),
                   OQ_E_IO);
  assert_int_equal(oq_tensor_file_load(&t, f->cx, temp_path(&d, "t.pb")),
                   OQ_OK);
  const oq_tensor_view *v = oq_tensor_file_view(t);
  assert_string_equal(oq_tensor_file_name(t), "t");
  assert_int_equal(v->dtype, OQ_DT_F32);
  assert_int_equal(v->rank, 1);
  assert_int_equal(v->size, 8);
  assert_true(((const float *)v->data)[1] == 2.0f);
  oq_tensor_file_destroy(t);
  oq_tensor_file_destroy(NULL);
  temp_close(&d);
}

static oq_status drop(void *user, const void *p, size_t n) {
  (void)user;
  (void)p;
  (void)n;
  return OQ_OK;
}

static oq_status scenario(const oq_allocator *a, void *user) {
  const fixture *f = user;
  const char *const values[] = {"a"};
  oq_config cfg = OQ_CONFIG_INIT;
  oq_context *cx = NULL;
  oq_model *m = NULL, *x = NULL;
  const oq_model_info *i;
  oq_status s;

  cfg.allocator = *a;
  cfg.threads = 1;
  s = oq_context_create(&cx, &cfg);
  if (s == OQ_OK) s = oq_model_load_memory(&m, cx, f->bytes, f->size, NULL);
  if (s == OQ_OK) s = oq_model_set_dim(m, "batch", 2);
  if (s == OQ_OK) s = oq_model_describe(&i, m);
  if (s == OQ_OK) s = oq_model_expose(&x, m, values, 1);
  if (s == OQ_OK) s = oq_model_save_stream(x, drop, NULL);
  oq_model_destroy(m);
  oq_model_destroy(x);
  oq_context_destroy(cx);
  return s;
}

static void memory_may_fail(void **state) {
  assert_true(survive_every_allocation(scenario, *state) > 10);
}

#define WITH_MODEL(test) \
  cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(configurations),
      cmocka_unit_test(findings_reach_the_listener),
      cmocka_unit_test(versions),
      WITH_MODEL(limits_hold),
      WITH_MODEL(arguments),
      WITH_MODEL(descriptions),
      WITH_MODEL(overrides),
      WITH_MODEL(saving),
      WITH_MODEL(streaming),
      WITH_MODEL(exposing),
      WITH_MODEL(tensor_files),
      WITH_MODEL(memory_may_fail),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}

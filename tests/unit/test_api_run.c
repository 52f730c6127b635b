/* The public runner. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "onnxquant/onnxquant.h"
#include "support/build.h"
#include "support/env.h"

/* x[batch,3] -> y = x + w, and x as it is. */
static void *bytes_of_model(size_t *n, const char *op) {
  static const float w[] = {1, 2, 3};
  test_env t;
  build b;
  void *p;

  assert_true(test_env_open(&t, NULL));
  build_open(&b, &t.e, 17);
  build_input(&b, "x", OQ_DT_F32, "batch,3");
  build_const_f32(&b, "w", "3", w);
  build_node(&b, op, "x w", "y", "");
  build_node(&b, "Identity", "x", "i", "");
  build_node(&b, "Neg", "w", "k", "");
  build_output(&b, "y");
  build_output(&b, "i");
  build_output(&b, "k");
  build_output(&b, "w");
  build_bind(&b);
  p = build_bytes(&b, n);
  test_env_close(&t);
  return p;
}

static oq_tensor_view view(const void *p, int64_t rows) {
  return (oq_tensor_view){.dtype = OQ_DT_F32,
                          .rank = 2,
                          .dim = {rows, 3},
                          .data = p,
                          .size = (size_t)rows * 3 * sizeof(float)};
}

static oq_status run_model(const void *bytes, size_t size,
                           const oq_allocator *a) {
  float x[] = {1, 1, 1, 2, 2, 2};
  oq_config cfg = OQ_CONFIG_INIT;
  oq_context *cx = NULL;
  oq_model *m = NULL;
  oq_runner *r = NULL;
  oq_status s;

  if (a != NULL) cfg.allocator = *a;
  cfg.threads = 1;
  s = oq_context_create(&cx, &cfg);
  if (s == OQ_OK) s = oq_model_load_memory(&m, cx, bytes, size, NULL);
  if (s == OQ_OK) s = oq_runner_create(&r, m);
  for (int64_t rows = 2; rows >= 0 && s == OQ_OK; rows--) {
    const oq_tensor_view in = view(x, rows);
    s = oq_runner_run(r, &in, 1);
    if (s != OQ_OK) break;
    const oq_tensor_view *y = oq_runner_output(r, 0);
    assert_int_equal(y->dim[0], rows);
    assert_int_equal(y->size, in.size);
    for (int64_t i = 0; i < rows * 3; i++) {
      assert_true(((const float *)y->data)[i] == x[i] + (float)(i % 3 + 1));
    }
    assert_true(((const float *)oq_runner_output(r, 2)->data)[2] == -3.0f);
    assert_true(((const float *)oq_runner_output(r, 3)->data)[2] == 3.0f);
    assert_null(oq_runner_output(r, 4));
  }
  oq_runner_destroy(r);
  oq_model_destroy(m);
  oq_context_destroy(cx);
  return s;
}

static void runs(void **state) {
  size_t n;
  void *p = bytes_of_model(&n, "Add");

  (void)state;
  assert_int_equal(run_model(p, n, NULL), OQ_OK);
  free(p);
}

typedef struct model_bytes {
  void *p;
  size_t n;
} model_bytes;

static oq_status scenario(const oq_allocator *a, void *user) {
  const model_bytes *b = user;

  return run_model(b->p, b->n, a);
}

static void memory_may_fail(void **state) {
  model_bytes b;

  (void)state;
  b.p = bytes_of_model(&b.n, "Add");
  assert_true(survive_every_allocation(scenario, &b) > 10);
  free(b.p);
}

static void inputs(void **state) {
  size_t n;
  void *p = bytes_of_model(&n, "Add");
  _Alignas(8) uint8_t odd[4 + 6 * sizeof(float)];
  float x[] = {1, 2, 3, 4, 5, 6};
  oq_context *cx;
  oq_model *m;
  oq_runner *r;

  (void)state;
  assert_int_equal(oq_context_create(&cx, NULL), OQ_OK);
  assert_int_equal(oq_model_load_memory(&m, cx, p, n, NULL), OQ_OK);
  assert_int_equal(oq_runner_create(&r, m), OQ_OK);
  assert_null(oq_runner_output(r, 0));

  oq_tensor_view in = view(x, 2);
  assert_int_equal(oq_runner_run(r, &in, 2), OQ_E_DATA);
  assert_int_equal(oq_runner_run(r, NULL, 1), OQ_E_ARGUMENT);
  in.rank = 9;
  assert_int_equal(oq_runner_run(r, &in, 1), OQ_E_DATA);
  in = view(x, 2);
  in.dtype = 77;
  assert_int_equal(oq_runner_run(r, &in, 1), OQ_E_DATA);
  in = view(x, 2);
  in.size++;
  assert_int_equal(oq_runner_run(r, &in, 1), OQ_E_DATA);
  assert_null(oq_runner_output(r, 0));

  /* Bytes that are not aligned; and given back right after the run. */
  memcpy(odd + 1, x, sizeof x);
  in = view(odd + 1, 2);
  assert_int_equal(oq_runner_run(r, &in, 1), OQ_OK);
  memset(odd, 0xff, sizeof odd);
  assert_true(((const float *)oq_runner_output(r, 0)->data)[5] == 9.0f);
  assert_true(((const float *)oq_runner_output(r, 1)->data)[5] == 6.0f);

  /* An override narrows what later runs take. */
  assert_int_equal(oq_model_set_dim(m, "batch", 1), OQ_OK);
  in = view(x, 2);
  assert_int_equal(oq_runner_run(r, &in, 1), OQ_E_DATA);
  assert_string_equal(oq_context_diag(cx, oq_context_diag_count(cx) - 1)->id,
                      "input.shape");
  in = view(x, 1);
  assert_int_equal(oq_runner_run(r, &in, 1), OQ_OK);

  oq_runner_destroy(r);
  oq_runner_destroy(NULL);
  oq_model_destroy(m);
  oq_context_destroy(cx);
  free(p);
}

/* x[4,3] -> its rows as a sequence, and the number of them. */
static void *bytes_of_sequence(size_t *n) {
  test_env t;
  build b;
  void *p;

  assert_true(test_env_open(&t, NULL));
  build_open(&b, &t.e, 17);
  build_input(&b, "x", OQ_DT_F32, "batch,3");
  build_node(&b, "SplitToSequence", "x", "rows", "axis=0 keepdims=0");
  build_node(&b, "SequenceLength", "rows", "n", "");
  build_output(&b, "rows");
  build_output(&b, "n");
  build_bind(&b);
  p = build_bytes(&b, n);
  test_env_close(&t);
  return p;
}

static oq_status run_sequence(const oq_allocator *a, void *user) {
  const model_bytes *b = user;
  static const float x[] = {1, 2, 3, 4, 5, 6};
  const oq_value_view in = {.kind = OQ_KIND_TENSOR, .tensor = view(x, 2)};
  oq_config cfg = OQ_CONFIG_INIT;
  oq_context *cx = NULL;
  oq_model *m = NULL;
  oq_runner *r = NULL;
  oq_status s;

  if (a != NULL) cfg.allocator = *a;
  cfg.threads = 1;
  s = oq_context_create(&cx, &cfg);
  if (s == OQ_OK) s = oq_model_load_memory(&m, cx, b->p, b->n, NULL);
  if (s == OQ_OK) s = oq_runner_create(&r, m);
  for (int turn = 0; turn < 2 && s == OQ_OK; turn++) {
    s = oq_runner_run_values(r, &in, 1);
    if (s != OQ_OK) break;
    const oq_value_view *y = oq_runner_output_value(r, 0);
    assert_int_equal(y->kind, OQ_KIND_SEQUENCE);
    assert_int_equal(y->n_items, 2);
    assert_int_equal(y->tensor.dtype, OQ_DT_F32);
    assert_int_equal(y->item[1].kind, OQ_KIND_TENSOR);
    assert_int_equal(y->item[1].tensor.rank, 1);
    assert_true(((const float *)y->item[1].tensor.data)[2] == 6.0f);
    assert_null(oq_runner_output(r, 0));
    assert_int_equal(*(const int64_t *)oq_runner_output(r, 1)->data, 2);
    assert_null(oq_runner_output_value(r, 2));
  }
  oq_runner_destroy(r);
  oq_model_destroy(m);
  oq_context_destroy(cx);
  return s;
}

static void sequences(void **state) {
  model_bytes b;

  (void)state;
  b.p = bytes_of_sequence(&b.n);
  assert_int_equal(run_sequence(NULL, &b), OQ_OK);
  assert_true(survive_every_allocation(run_sequence, &b) > 10);
  free(b.p);
}

/* x[?,2] -> maps of it; m, a map of integers to floats -> floats. */
static void *bytes_of_maps(size_t *n) {
  static const uint8_t map[] = {0x2a, 8, 8, 7, 0x12, 4, 0x0a, 2, 8, 1};
  static const uint8_t maps[] = {0x22, 12,   0x0a, 10,   0x2a, 8, 8,
                                 7,    0x12, 4,    0x0a, 2,    8, 1};
  static const oq_extra raw_map = {map, sizeof map},
                        raw_maps = {maps, sizeof maps};
  const oq_type of_map = {.kind = OQ_TYPE_OTHER, .raw = &raw_map},
                of_maps = {.kind = OQ_TYPE_OTHER, .raw = &raw_maps};
  test_env t;
  build b;
  void *p;

  assert_true(test_env_open(&t, NULL));
  build_open(&b, &t.e, 17);
  build_opset(&b, "ai.onnx.ml", 1);
  build_input(&b, "x", OQ_DT_F32, "N,2");
  oq_edit_set_type(b.g, build_input(&b, "m", OQ_DT_F32, "*"), &of_map);
  build_node(&b, "ai.onnx.ml:ZipMap", "x", "z", "classlabels_strings=[a,b]");
  build_node(&b, "ai.onnx.ml:DictVectorizer", "m", "v",
             "int64_vocabulary=[1,2,3]");
  oq_edit_set_type(b.g, build_find(&b, "z"), &of_maps);
  build_output(&b, "z");
  build_output(&b, "v");
  build_bind(&b);
  p = build_bytes(&b, n);
  test_env_close(&t);
  return p;
}

static oq_status run_maps(const oq_allocator *a, void *user) {
  const model_bytes *b = user;
  static const float x[] = {1, 2, 3, 4}, values[] = {0.5F, -1.0F};
  static const int64_t keys[] = {3, 1};
  const oq_value_view of[] = {
      {.kind = OQ_KIND_TENSOR,
       .tensor = {OQ_DT_I64, 1, {2}, keys, sizeof keys}},
      {.kind = OQ_KIND_TENSOR,
       .tensor = {OQ_DT_F32, 1, {2}, values, sizeof values}}};
  const oq_value_view in[] = {
      {.kind = OQ_KIND_TENSOR, .tensor = {OQ_DT_F32, 2, {2, 2}, x, sizeof x}},
      {.kind = OQ_KIND_MAPS, .item = of, .n_items = 2}};
  oq_config cfg = OQ_CONFIG_INIT;
  oq_context *cx = NULL;
  oq_model *m = NULL;
  oq_runner *r = NULL;
  const oq_model_info *info;
  oq_status s;

  if (a != NULL) cfg.allocator = *a;
  cfg.threads = 1;
  s = oq_context_create(&cx, &cfg);
  if (s == OQ_OK) s = oq_model_load_memory(&m, cx, b->p, b->n, NULL);
  if (s == OQ_OK) s = oq_model_describe(&info, m);
  if (s == OQ_OK) {
    assert_int_equal(info->inputs[1].kind, OQ_KIND_MAPS);
    assert_int_equal(info->outputs[0].kind, OQ_KIND_MAPS);
    s = oq_runner_create(&r, m);
  }
  for (int turn = 0; turn < 2 && s == OQ_OK; turn++) {
    s = oq_runner_run_values(r, in, 2);
    if (s != OQ_OK) break;
    const oq_value_view *y = oq_runner_output_value(r, 0);
    assert_int_equal(y->kind, OQ_KIND_MAPS);
    assert_int_equal(y->n_items, 2);
    const oq_text *const names = y->item[0].tensor.data;
    assert_memory_equal(names[1].p, "b", 1);
    assert_memory_equal(y->item[1].tensor.data, x, sizeof x);
    assert_memory_equal(oq_runner_output(r, 0)->data, x, sizeof x);
    const float *const v = oq_runner_output(r, 1)->data;
    assert_true(v[0] == -1.0F && v[1] == 0.0F && v[2] == 0.5F);
  }
  oq_runner_destroy(r);
  oq_model_destroy(m);
  oq_context_destroy(cx);
  return s;
}

static void maps(void **state) {
  model_bytes b;

  (void)state;
  b.p = bytes_of_maps(&b.n);
  assert_int_equal(run_maps(NULL, &b), OQ_OK);
  assert_true(survive_every_allocation(run_maps, &b) > 10);
  free(b.p);
}

static const char *last_id(const oq_context *cx) {
  return oq_context_diag(cx, oq_context_diag_count(cx) - 1)->id;
}

static void values_refused(void **state) {
  static const float x[] = {1, 2, 3, 4, 5, 6};
  const oq_tensor_view t = view(x, 2);
  const oq_value_view tensor = {.kind = OQ_KIND_TENSOR, .tensor = t};
  oq_value_view v = {.kind = OQ_KIND_SEQUENCE, .item = &tensor, .n_items = 1};
  const oq_value_view nested = v;
  model_bytes b;
  oq_context *cx;
  oq_model *m;
  oq_runner *r;

  (void)state;
  b.p = bytes_of_sequence(&b.n);
  assert_int_equal(oq_context_create(&cx, NULL), OQ_OK);
  assert_int_equal(oq_model_load_memory(&m, cx, b.p, b.n, NULL), OQ_OK);
  assert_int_equal(oq_runner_create(&r, m), OQ_OK);
  assert_int_equal(oq_runner_run(r, &t, 1), OQ_E_UNSUPPORTED);
  assert_string_equal(last_id(cx), "output.kind");
  assert_int_equal(oq_runner_run_values(r, &v, 1), OQ_E_DATA);
  v.item = &nested;
  assert_int_equal(oq_runner_run_values(r, &v, 1), OQ_E_DATA);
  v.item = NULL;
  assert_int_equal(oq_runner_run_values(r, &v, 1), OQ_E_DATA);
  assert_string_equal(last_id(cx), "input.kind");
  v = (oq_value_view){.kind = OQ_KIND_OPTIONAL};
  assert_int_equal(oq_runner_run_values(r, &v, 1), OQ_E_DATA);
  v = (oq_value_view){.kind = 99};
  assert_int_equal(oq_runner_run_values(r, &v, 1), OQ_E_DATA);
  assert_int_equal(oq_runner_run_values(r, NULL, 1), OQ_E_ARGUMENT);
  assert_int_equal(oq_runner_run_values(r, &tensor, 0), OQ_E_DATA);
  /* An optional that holds the tensor is the tensor. */
  v = (oq_value_view){.kind = OQ_KIND_OPTIONAL, .item = &tensor, .n_items = 1};
  assert_int_equal(oq_runner_run_values(r, &v, 1), OQ_OK);
  oq_runner_destroy(r);
  oq_model_destroy(m);
  oq_context_destroy(cx);
  free(b.p);
}

static void unknown_operators(void **state) {
  size_t n;
  void *p = bytes_of_model(&n, "Sandwich");
  oq_context *cx;
  oq_model *m;
  oq_runner *r = NULL;

  (void)state;
  assert_int_equal(oq_context_create(&cx, NULL), OQ_OK);
  assert_int_equal(oq_model_load_memory(&m, cx, p, n, NULL), OQ_OK);
  assert_int_equal(oq_runner_create(&r, m), OQ_E_UNSUPPORTED);
  assert_null(r);
  const oq_diag *d = oq_context_diag(cx, oq_context_diag_count(cx) - 1);
  assert_string_equal(d->id, "op.unknown");
  assert_string_equal(d->op, "Sandwich");
  oq_model_destroy(m);
  oq_context_destroy(cx);
  free(p);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(runs),
      cmocka_unit_test(memory_may_fail),
      cmocka_unit_test(inputs),
      cmocka_unit_test(sequences),
      cmocka_unit_test(maps),
      cmocka_unit_test(values_refused),
      cmocka_unit_test(unknown_operators),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* oq_model_prepare: the passes through the public interface. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "onnxquant/onnxquant.h"
#include "pass/pass.h"
#include "support/build.h"
#include "support/env.h"

/* x[batch,2,4] -> y = Relu(k * Conv(x)) of opset 11. */
static void *bytes_of_model(size_t *n) {
  static const float w[] = {1, 2, 3, 4}, k[] = {2, 0.5f};
  test_env t;
  build b;
  void *p;

  assert_true(test_env_open(&t, NULL));
  build_open(&b, &t.e, 11);
  build_input(&b, "x", OQ_DT_F32, "batch,2,4");
  build_const_f32(&b, "w", "2,2,1", w);
  build_const_f32(&b, "k", "2,1", k);
  build_node(&b, "Conv", "x w", "c", "");
  build_node(&b, "Mul", "c k", "m", "");
  build_node(&b, "Relu", "m", "y", "");
  build_output(&b, "y");
  build_bind(&b);
  p = build_bytes(&b, n);
  test_env_close(&t);
  return p;
}

typedef struct fixture {
  oq_context *cx;
  oq_model *m;
  void *bytes;
} fixture;

static int set_up(void **state) {
  fixture *f = calloc(1, sizeof *f);
  size_t size;

  if (f == NULL) return -1;
  f->bytes = bytes_of_model(&size);
  if (oq_context_create(&f->cx, NULL) != OQ_OK) return -1;
  if (oq_model_load_memory(&f->m, f->cx, f->bytes, size, NULL) != OQ_OK)
    return -1;
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

static const oq_model_info *info_of(oq_model *m) {
  const oq_model_info *info = NULL;

  assert_int_equal(oq_model_describe(&info, m), OQ_OK);
  return info;
}

static void a_new_model(void **state) {
  fixture *f = *state;
  oq_model *p = NULL;

  assert_int_equal(oq_model_prepare(&p, f->m, NULL), OQ_OK);
  assert_int_equal(info_of(p)->opsets[0].version, 13);
  assert_int_equal(info_of(p)->n_nodes, 2);
  assert_int_equal(info_of(f->m)->opsets[0].version, 11);
  assert_int_equal(info_of(f->m)->n_nodes, 3);
  oq_model_destroy(f->m); /* the new one does not need it */
  f->m = NULL;
  assert_string_equal(info_of(p)->outputs[0].name, "y");
  oq_model_destroy(p);
}

static void overrides_hold(void **state) {
  fixture *f = *state;
  oq_model *p = NULL;

  assert_int_equal(oq_model_set_dim(f->m, "batch", 5), OQ_OK);
  assert_int_equal(oq_model_prepare(&p, f->m, NULL), OQ_OK);
  assert_int_equal(info_of(p)->inputs[0].dim[0].size, 5);
  assert_int_equal(oq_model_set_dim(p, "batch", 7), OQ_OK);
  assert_int_equal(info_of(p)->inputs[0].dim[0].size, 7);
  assert_int_equal(info_of(f->m)->inputs[0].dim[0].size, 5);
  oq_model_destroy(p);
}

static void options_are_heard(void **state) {
  static const char *const skip[] = {"fold_batchnorm", NULL};
  static const char *const wrong[] = {"fold", NULL};
  oq_prepare_options o = OQ_PREPARE_OPTIONS_INIT;
  fixture *f = *state;
  oq_model *p = NULL;

  o.opset = 17;
  o.skip_passes = skip;
  assert_int_equal(oq_model_prepare(&p, f->m, &o), OQ_OK);
  assert_int_equal(info_of(p)->opsets[0].version, 17);
  assert_int_equal(info_of(p)->n_nodes, 3);
  oq_model_destroy(p);
  p = NULL;
  o.skip_passes = wrong;
  assert_int_equal(oq_model_prepare(&p, f->m, &o), OQ_E_ARGUMENT);
  assert_null(p);
  assert_string_equal(oq_context_diag(f->cx, 0)->id, "pass.name");
  assert_int_equal(oq_model_prepare(NULL, f->m, &o), OQ_E_ARGUMENT);
  assert_int_equal(oq_model_prepare(&p, NULL, &o), OQ_E_ARGUMENT);
}

static void names_in_order(void **state) {
  const char *const *names = oq_prepare_pass_names();
  uint32_t n;
  const oq_pass *list = oq_pass_list(&n);

  (void)state;
  for (uint32_t i = 0; i < n; i++) assert_string_equal(names[i], list[i].name);
  assert_null(names[n]);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(a_new_model, set_up, tear_down),
      cmocka_unit_test_setup_teardown(overrides_hold, set_up, tear_down),
      cmocka_unit_test_setup_teardown(options_are_heard, set_up, tear_down),
      cmocka_unit_test(names_in_order),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Runs: inputs, views, writing in place, memory, taps, limits. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "exec/plan.h"
#include "exec/session.h"
#include "support/build.h"
#include "support/env.h"

typedef struct fixture {
  test_env t;
  build b;
  oq_plan *p;
  oq_session *s;
} fixture;

static void open_session(fixture *f, const oq_plan_options *opt) {
  build_bind(&f->b);
  if (f->b.status != OQ_OK) test_env_show(&f->t);
  assert_int_equal(f->b.status, OQ_OK);
  assert_int_equal(oq_plan_create(&f->p, f->b.g, opt, &f->t.e), OQ_OK);
  assert_int_equal(oq_session_create(&f->s, f->p, &f->t.e), OQ_OK);
}

static void close_all(fixture *f) {
  oq_session_destroy(f->s);
  oq_plan_destroy(f->p);
  build_close(&f->b);
  test_env_close(&f->t);
}

static oq_ctensor f32(const float *v, int64_t rows, int64_t cols) {
  return (oq_ctensor){
      OQ_DT_F32, {2, {rows, cols}}, (size_t)rows * (size_t)cols * sizeof *v, v};
}

static const float *value(const fixture *f, const char *name) {
  const oq_ctensor *t = oq_session_value(f->s, build_find(&f->b, name));

  assert_non_null(t);
  assert_int_equal((uintptr_t)t->data % OQ_ALIGN, 0);
  return t->data;
}

static oq_status run(fixture *f, const oq_ctensor *in, uint32_t n) {
  return oq_session_run(f->s, in, n, NULL, &f->t.e);
}

static void chain(fixture *f) {
  static const float w[] = {10, 20, 30};

  memset(f, 0, sizeof *f);
  assert_true(test_env_open(&f->t, NULL));
  build_open(&f->b, &f->t.e, 17);
  build_input(&f->b, "x", OQ_DT_F32, "N,3");
  build_const_f32(&f->b, "w", "3", w);
  build_node(&f->b, "Add", "x w", "a", "");
  build_node(&f->b, "Neg", "a", "b", "");
  build_node(&f->b, "Abs", "b", "c", "");
  build_node(&f->b, "Neg", "c", "y", "");
  build_output(&f->b, "y");
}

static void numbers_come_out(void **state) {
  const float x[] = {1, 2, 3, -4, -5, -6};
  fixture f;

  (void)state;
  chain(&f);
  open_session(&f, NULL);
  assert_null(oq_session_value(f.s, build_find(&f.b, "y")));
  for (int64_t rows = 0; rows < 3; rows++) {
    const oq_ctensor in = f32(x, rows, 3);
    assert_int_equal(run(&f, &in, 1), OQ_OK);
    const float *y = value(&f, "y");
    for (int64_t i = 0; i < rows * 3; i++) {
      assert_true(y[i] == -(x[i] + 10.0f * (float)(i % 3 + 1)));
    }
  }
  assert_null(oq_session_value(f.s, build_find(&f.b, "b")));
  close_all(&f);
}

/* One buffer is enough for a chain of operators that write in place. */
static void a_chain_needs_one_buffer(void **state) {
  float *x = calloc(3000, sizeof *x);
  fixture f;

  (void)state;
  assert_non_null(x);
  chain(&f);
  open_session(&f, NULL);
  const oq_ctensor in = f32(x, 1000, 3);
  assert_int_equal(run(&f, &in, 1), OQ_OK);
  assert_true(oq_session_bytes(f.s) < 2 * in.size);
  const size_t before = f.t.alloc.used;
  for (int i = 0; i < 3; i++) assert_int_equal(run(&f, &in, 1), OQ_OK);
  assert_int_equal(f.t.alloc.used, before);
  close_all(&f);
  free(x);
}

static void a_kept_value_is_not_overwritten(void **state) {
  const float x[] = {1, 2, 3};
  fixture f;

  (void)state;
  chain(&f);
  const oq_value_id keep[] = {build_find(&f.b, "a"), build_find(&f.b, "x")};
  const oq_plan_options opt = {.keep = keep, .n_keep = 2};
  open_session(&f, &opt);
  const oq_ctensor in = f32(x, 1, 3);
  assert_int_equal(run(&f, &in, 1), OQ_OK);
  assert_true(value(&f, "a")[1] == 22.0f);
  assert_true(value(&f, "y")[1] == -22.0f);
  /* The caller may let go of the inputs. */
  assert_true(value(&f, "x") != x);
  assert_true(value(&f, "x")[2] == 3.0f);
  close_all(&f);
}

/* y = Neg(Reshape(x + w)) while x + w is read again afterwards. */
static void a_view_shares_and_protects(void **state) {
  const float x[] = {1, 2, 3, 4};
  const int64_t shape[] = {4};
  fixture f;

  (void)state;
  memset(&f, 0, sizeof f);
  assert_true(test_env_open(&f.t, NULL));
  build_open(&f.b, &f.t.e, 17);
  build_input(&f.b, "x", OQ_DT_F32, "2,2");
  build_const_i64(&f.b, "shape", "1", shape);
  build_node(&f.b, "Add", "x x", "a", "");
  build_node(&f.b, "Reshape", "a shape", "r", "");
  build_node(&f.b, "Neg", "r", "n", "");
  build_node(&f.b, "Abs", "a", "m", "");
  build_node(&f.b, "Reshape", "x shape", "rx", "");
  build_output(&f.b, "n");
  build_output(&f.b, "m");
  build_output(&f.b, "rx");
  open_session(&f, NULL);
  const oq_ctensor in = f32(x, 2, 2);
  assert_int_equal(run(&f, &in, 1), OQ_OK);
  for (int i = 0; i < 4; i++) {
    assert_true(value(&f, "n")[i] == -2 * x[i]);
    assert_true(value(&f, "m")[i] == 2 * x[i]);
    assert_true(value(&f, "rx")[i] == x[i]);
  }
  assert_true(value(&f, "rx") != x);
  close_all(&f);
}

static void refused(fixture *f, const oq_ctensor *in, uint32_t n,
                    oq_status status, const char *id) {
  assert_int_equal(run(f, in, n), status);
  assert_string_equal(test_env_last(&f->t), id);
  assert_null(oq_session_value(f->s, build_find(&f->b, "y")));
}

static void inputs_are_checked(void **state) {
  const float x[12] = {0};
  fixture f;

  (void)state;
  memset(&f, 0, sizeof f);
  assert_true(test_env_open(&f.t, NULL));
  build_open(&f.b, &f.t.e, 17);
  build_input(&f.b, "x", OQ_DT_F32, "N,3");
  build_input(&f.b, "z", OQ_DT_F32, "N,?");
  build_node(&f.b, "Relu", "x", "y", "");
  build_output(&f.b, "y");
  open_session(&f, NULL);

  oq_ctensor in[] = {f32(x, 2, 3), f32(x, 2, 5)};
  assert_int_equal(run(&f, in, 2), OQ_OK);
  refused(&f, in, 1, OQ_E_DATA, "input.count");
  in[1] = f32(x, 3, 4);
  refused(&f, in, 2, OQ_E_DATA, "input.symbol");
  in[1] = f32(x, 2, 5);
  in[0] = f32(x, 2, 4);
  refused(&f, in, 2, OQ_E_DATA, "input.shape");
  in[0] = f32(x, 2, 3);
  in[0].shape.rank = 1;
  in[0].shape.dim[0] = 6;
  refused(&f, in, 2, OQ_E_DATA, "input.shape");
  in[0] = f32(x, 2, 3);
  in[0].dtype = OQ_DT_I32;
  refused(&f, in, 2, OQ_E_DATA, "input.dtype");
  in[0].dtype = OQ_DT_STRING;
  refused(&f, in, 2, OQ_E_DATA, "input.size");
  in[0] = f32(x, 2, 3);
  in[0].size--;
  refused(&f, in, 2, OQ_E_DATA, "input.size");
  in[0] = f32(NULL, 2, 3);
  refused(&f, in, 2, OQ_E_DATA, "input.size");
  in[0] = f32(x, INT64_MAX / 2, 3);
  refused(&f, in, 2, OQ_E_DATA, "input.size");
  in[0] = f32(x, -2, 3);
  refused(&f, in, 2, OQ_E_DATA, "input.size");
  in[0] = f32(NULL, 0, 3);
  in[1] = f32(NULL, 0, 1);
  assert_int_equal(run(&f, in, 2), OQ_OK);
  close_all(&f);
}

/* [N,1] + [1,M] with N = M = 2^20: 4 TiB. */
static void explosions_are_refused(void **state) {
  const int64_t n = INT64_C(1) << 20;
  float *x = calloc((size_t)n, sizeof *x);
  fixture f;

  (void)state;
  assert_non_null(x);
  memset(&f, 0, sizeof f);
  assert_true(test_env_open(&f.t, NULL));
  build_open(&f.b, &f.t.e, 17);
  build_input(&f.b, "a", OQ_DT_F32, "?,1");
  build_input(&f.b, "b", OQ_DT_F32, "1,?");
  build_node(&f.b, "Add", "a b", "y", "");
  build_output(&f.b, "y");
  f.t.limits.max_run_bytes = 1 << 16;
  open_session(&f, NULL);
  oq_ctensor in[] = {f32(x, n, 1), f32(x, 1, n)};
  refused(&f, in, 2, OQ_E_LIMIT, "run.tensor_bytes");
  in[0] = f32(x, 256, 1);
  in[1] = f32(x, 1, 256);
  refused(&f, in, 2, OQ_E_LIMIT, "run.memory");
  assert_string_equal(oq_diags_at(f.t.diags, oq_diags_count(f.t.diags) - 1)->op,
                      "Add");
  in[0] = f32(x, 16, 1);
  assert_int_equal(run(&f, in, 2), OQ_OK);
  assert_true(oq_session_bytes(f.s) <= f.t.limits.max_run_bytes);
  close_all(&f);
  free(x);
}

typedef struct seen {
  char names[64];
  float first[16];
  uint32_t n;
  uint32_t stop_at;
} seen;

static oq_status see(void *user, const oq_graph *g, oq_value_id v,
                     const oq_ctensor *t) {
  seen *s = user;

  if (s->n == s->stop_at) return OQ_E_CANCELLED;
  strncat(s->names, oq_value_text(g, v), 8);
  s->first[s->n++] = *(const float *)t->data;
  return OQ_OK;
}

static void a_tap_sees_every_value(void **state) {
  const float x[] = {1, 2, 3};
  seen s = {.stop_at = 16};
  const oq_tap tap = {.on_value = see, .user = &s};
  fixture f;

  (void)state;
  chain(&f);
  open_session(&f, NULL);
  const oq_ctensor in = f32(x, 1, 3);
  assert_int_equal(oq_session_run(f.s, &in, 1, &tap, &f.t.e), OQ_OK);
  assert_string_equal(s.names, "xabcy");
  assert_true(s.first[0] == 1 && s.first[1] == 11 && s.first[2] == -11 &&
              s.first[3] == 11 && s.first[4] == -11);
  s = (seen){.stop_at = 2};
  assert_int_equal(oq_session_run(f.s, &in, 1, &tap, &f.t.e), OQ_E_CANCELLED);
  assert_null(oq_session_value(f.s, build_find(&f.b, "y")));
  assert_int_equal(oq_session_run(f.s, &in, 1, NULL, &f.t.e), OQ_OK);
  close_all(&f);
}

/* One plan, a session for each thread. */
typedef struct part {
  const oq_plan *plan;
  oq_value_id y;
  test_env t;
  float result;
  oq_status status;
} part;

static void *run_part(void *user) {
  static const float x[] = {1, 2, 3};
  const oq_ctensor in = f32(x, 1, 3);
  part *p = user;
  oq_session *s = NULL;

  p->status = oq_session_create(&s, p->plan, &p->t.e);
  for (int i = 0; i < 50 && p->status == OQ_OK; i++) {
    p->status = oq_session_run(s, &in, 1, NULL, &p->t.e);
  }
  if (p->status == OQ_OK) {
    p->result = ((const float *)oq_session_value(s, p->y)->data)[2];
  }
  oq_session_destroy(s);
  return NULL;
}

static void threads_share_a_plan(void **state) {
  part parts[3];
  pthread_t thread[3];
  fixture f;

  (void)state;
  chain(&f);
  open_session(&f, NULL);
  for (int i = 0; i < 3; i++) {
    parts[i] = (part){.plan = f.p, .y = build_find(&f.b, "y")};
    assert_true(test_env_open(&parts[i].t, NULL));
    assert_int_equal(pthread_create(&thread[i], NULL, run_part, &parts[i]), 0);
  }
  for (int i = 0; i < 3; i++) {
    assert_int_equal(pthread_join(thread[i], NULL), 0);
    assert_int_equal(parts[i].status, OQ_OK);
    assert_true(parts[i].result == -33.0f);
    test_env_close(&parts[i].t);
  }
  close_all(&f);
}

static void types_without_kernel(void **state) {
  const uint8_t x[] = {1, 2, 3, 4};
  fixture f;

  (void)state;
  memset(&f, 0, sizeof f);
  assert_true(test_env_open(&f.t, NULL));
  build_open(&f.b, &f.t.e, 17);
  build_input(&f.b, "x", OQ_DT_U8, "4");
  build_node(&f.b, "Sigmoid", "x", "y", "");
  build_output(&f.b, "y");
  open_session(&f, NULL);
  const oq_ctensor in = {OQ_DT_U8, {1, {4}}, 4, x};
  refused(&f, &in, 1, OQ_E_UNSUPPORTED, "op.dtype");
  close_all(&f);
}

static void one_node_alone(void **state) {
  const float x[] = {1, -2, 3, -4};
  const oq_ctensor t = f32(x, 2, 2);
  const oq_ctensor *const in[] = {&t};
  oq_tensor out[1];
  fixture f;

  (void)state;
  memset(&f, 0, sizeof f);
  assert_true(test_env_open(&f.t, NULL));
  build_open(&f.b, &f.t.e, 17);
  build_input(&f.b, "x", OQ_DT_F32, "2,2");
  const oq_node_id n = build_node(&f.b, "Abs", "x", "y", "");
  const oq_node_id v = build_node(&f.b, "Flatten", "y", "z", "axis=0");
  build_output(&f.b, "z");
  build_bind(&f.b);
  assert_int_equal(f.b.status, OQ_OK);
  assert_int_equal(oq_exec_node(out, f.b.g, n, in, f.t.scratch, &f.t.e), OQ_OK);
  assert_true(((float *)out[0].data)[3] == 4.0f);
  assert_int_equal(oq_exec_node(out, f.b.g, v, in, f.b.ir->arena, &f.t.e),
                   OQ_OK);
  assert_int_equal(out[0].shape.dim[1], 4);
  assert_true(out[0].data != x);
  assert_true(((float *)out[0].data)[3] == -4.0f);
  close_all(&f);
}

static oq_status scenario(const oq_allocator *a, void *user) {
  static const float x[] = {1, 2, 3, 4, 5, 6}, w[] = {1, 2, 3};
  fixture f;
  oq_status s;

  (void)user;
  memset(&f, 0, sizeof f);
  if (!test_env_open(&f.t, a)) return OQ_E_MEMORY;
  build_open(&f.b, &f.t.e, 17);
  build_input(&f.b, "x", OQ_DT_F32, "N,3");
  build_const_f32(&f.b, "w", "3", w);
  build_node(&f.b, "Add", "x w", "a", "");
  build_node(&f.b, "Softmax", "a", "b", "axis=-1");
  build_node(&f.b, "Add", "a b", "y", "");
  build_output(&f.b, "y");
  build_bind(&f.b);
  s = f.b.status;
  if (s == OQ_OK) s = oq_plan_create(&f.p, f.b.g, NULL, &f.t.e);
  if (s == OQ_OK) s = oq_session_create(&f.s, f.p, &f.t.e);
  for (int64_t rows = 1; rows < 3 && s == OQ_OK; rows++) {
    const oq_ctensor in = f32(x, rows, 3);
    s = run(&f, &in, 1);
  }
  close_all(&f);
  return s;
}

static void memory_may_fail(void **state) {
  (void)state;
  assert_true(survive_every_allocation(scenario, NULL) > 10);
}

/* ---- buffers ------------------------------------------------------------- */
static void buffers_are_reused_and_bounded(void **state) {
  oq_alloc a;
  oq_buffers b;
  oq_buffer *x, *y;

  (void)state;
  oq_alloc_init(&a, NULL, 0);
  oq_buffers_init(&b, &a, 1 << 20);
  for (size_t n = 0; n < 5000; n += 7) {
    assert_int_equal(oq_buffers_take(&x, &b, n), OQ_OK);
    assert_true(x->size >= n && x->size >= OQ_ALIGN);
    assert_true(x->size <= n + n / 4 + OQ_ALIGN);
    assert_int_equal((uintptr_t)x->data % OQ_ALIGN, 0);
    assert_int_equal(x->size % OQ_ALIGN, 0);
    memset(x->data, 1, x->size);
    oq_buffers_drop(&b, x);
    oq_buffers_trim(&b);
    assert_int_equal(b.held, 0);
  }
  assert_int_equal(oq_buffers_take(&x, &b, 10000), OQ_OK);
  oq_buffer_ref(x);
  oq_buffers_drop(&b, x);
  assert_int_equal(oq_buffers_take(&y, &b, 10000), OQ_OK);
  assert_ptr_not_equal(x, y);
  oq_buffers_drop(&b, x);
  oq_buffers_drop(&b, y);
  assert_int_equal(oq_buffers_take(&y, &b, 6000), OQ_OK);
  assert_true(b.held < 30000);
  oq_buffers_drop(&b, y);
  /* What is idle makes room. */
  assert_int_equal(oq_buffers_take(&x, &b, 900000), OQ_OK);
  oq_buffers_drop(&b, x);
  assert_int_equal(oq_buffers_take(&y, &b, 300000), OQ_OK);
  assert_int_equal(oq_buffers_take(&x, &b, 900000), OQ_E_LIMIT);
  assert_int_equal(oq_buffers_take(&x, &b, SIZE_MAX), OQ_E_LIMIT);
  assert_int_equal(oq_buffers_take(&x, &b, SIZE_MAX - 1000), OQ_E_LIMIT);
  oq_buffers_drop(&b, y);
  oq_buffers_trim(&b);
  assert_int_equal(a.used, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(numbers_come_out),
      cmocka_unit_test(a_chain_needs_one_buffer),
      cmocka_unit_test(a_kept_value_is_not_overwritten),
      cmocka_unit_test(a_view_shares_and_protects),
      cmocka_unit_test(inputs_are_checked),
      cmocka_unit_test(explosions_are_refused),
      cmocka_unit_test(a_tap_sees_every_value),
      cmocka_unit_test(threads_share_a_plan),
      cmocka_unit_test(types_without_kernel),
      cmocka_unit_test(one_node_alone),
      cmocka_unit_test(memory_may_fail),
      cmocka_unit_test(buffers_are_reused_and_bounded),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* If, Loop, Scan; sequences and optionals: runs, limits, memory. */
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

static void open_env(fixture *f, int64_t opset) {
  memset(f, 0, sizeof *f);
  assert_true(test_env_open(&f->t, NULL));
  build_open(&f->b, &f->t.e, opset);
}

static void open_session(fixture *f) {
  build_bind(&f->b);
  if (f->b.status != OQ_OK) test_env_show(&f->t);
  assert_int_equal(f->b.status, OQ_OK);
  if (oq_plan_create(&f->p, f->b.g, NULL, &f->t.e) != OQ_OK) {
    test_env_show(&f->t);
    fail();
  }
  assert_int_equal(oq_session_create(&f->s, f->p, &f->t.e), OQ_OK);
}

static void close_all(fixture *f) {
  oq_session_destroy(f->s);
  oq_plan_destroy(f->p);
  build_close(&f->b);
  test_env_close(&f->t);
}

static oq_ctensor f32s(const float *v, int64_t n) {
  return (oq_ctensor){OQ_DT_F32, {1, {n}}, (size_t)n * sizeof *v, v};
}
static oq_ctensor i64(const int64_t *v) {
  return (oq_ctensor){OQ_DT_I64, {0, {0}}, sizeof *v, v};
}
static oq_ctensor yes(const uint8_t *v) {
  return (oq_ctensor){OQ_DT_BOOL, {0, {0}}, 1, v};
}

static oq_status run(fixture *f, const oq_ctensor *in, uint32_t n) {
  return oq_session_run(f->s, in, n, NULL, &f->t.e);
}

static void runs(fixture *f, const oq_ctensor *in, uint32_t n) {
  if (run(f, in, n) == OQ_OK) return;
  test_env_show(&f->t);
  fail();
}

/* The run fails with this finding at node `node`, and gives all memory back. */
static void refuses(fixture *f, const oq_ctensor *in, uint32_t n, oq_status s,
                    const char *id) {
  const oq_status got = run(f, in, n);

  if (got != s || strcmp(test_env_last(&f->t), id) != 0) test_env_show(&f->t);
  assert_int_equal(got, s);
  assert_string_equal(test_env_last(&f->t), id);
  assert_int_equal(f->s->pool->live, 0);
}

static const oq_ctensor *value(const fixture *f, const char *name) {
  const oq_ctensor *t = oq_session_value(f->s, build_find(&f->b, name));

  assert_non_null(t);
  return t;
}

static void is_shape(const oq_ctensor *t, uint32_t rank, const int64_t *dim) {
  assert_int_equal(t->shape.rank, rank);
  for (uint32_t i = 0; i < rank; i++) assert_int_equal(t->shape.dim[i], dim[i]);
}

static void is_f32(const fixture *f, const char *name, const float *want,
                   size_t n) {
  const oq_ctensor *t = value(f, name);

  assert_int_equal(t->dtype, OQ_DT_F32);
  assert_int_equal(t->size, n * sizeof *want);
  for (size_t i = 0; i < n; i++)
    assert_true(oq_element_f64(t, i) == (double)want[i]);
}

static void is_i64(const fixture *f, const char *name, int64_t want) {
  assert_int_equal(oq_element_i64(value(f, name), 0), want);
}

/* ---- If ------------------------------------------------------------------ */
/* y = c ? x + w : -x; w belongs to the branch, x to the graph around. */
static void choice(fixture *f) {
  static const float w[] = {10, 20};

  open_env(f, 17);
  build_input(&f->b, "c", OQ_DT_BOOL, "");
  build_input(&f->b, "x", OQ_DT_F32, "2");
  build_body(&f->b, "then");
  build_const_f32(&f->b, "w", "2", w);
  build_node(&f->b, "Add", "x w", "a", "");
  build_output(&f->b, "a");
  build_body_end(&f->b);
  build_body(&f->b, "else");
  build_node(&f->b, "Neg", "x", "n", "");
  build_output(&f->b, "n");
  build_body_end(&f->b);
  build_node(&f->b, "If", "c", "y", "then_branch=@then else_branch=@else");
  build_output(&f->b, "y");
}

static void if_takes_its_branch(void **state) {
  const float x[] = {1, 2};
  const uint8_t bits[] = {1, 0};
  fixture f;

  (void)state;
  choice(&f);
  open_session(&f);
  const oq_ctensor a[] = {yes(&bits[0]), f32s(x, 2)};
  runs(&f, a, 2);
  is_f32(&f, "y", (float[]){11, 22}, 2);
  const oq_ctensor b[] = {yes(&bits[1]), f32s(x, 2)};
  runs(&f, b, 2);
  is_f32(&f, "y", (float[]){-1, -2}, 2);
  close_all(&f);
}

typedef struct seen {
  const oq_graph *g;
  unsigned in_graph, elsewhere;
} seen;

static oq_status look(void *user, const oq_graph *g, oq_value_id v,
                      const oq_ctensor *t) {
  seen *s = user;

  (void)v;
  assert_non_null(t->data);
  if (g == s->g) {
    s->in_graph++;
  } else {
    assert_string_equal(oq_value_text(g, v), "a");
    s->elsewhere++;
  }
  return OQ_OK;
}

static void taps_see_values_of_bodies(void **state) {
  const float x[] = {1, 2};
  const uint8_t bit = 1;
  fixture f;

  (void)state;
  choice(&f);
  open_session(&f);
  const oq_ctensor in[] = {yes(&bit), f32s(x, 2)};
  seen s = {.g = f.b.g};
  const oq_tap tap = {.on_value = look, .user = &s};
  assert_int_equal(oq_session_run(f.s, in, 2, &tap, &f.t.e), OQ_OK);
  assert_int_equal(s.in_graph, 3); /* c, x, y */
  assert_int_equal(s.elsewhere, 1);
  close_all(&f);
}

static void if_refuses_a_condition_of_two(void **state) {
  const float x[] = {1, 2};
  const uint8_t bits[] = {1, 0};
  fixture f;

  (void)state;
  open_env(&f, 17);
  build_input(&f.b, "c", OQ_DT_BOOL, "*");
  build_input(&f.b, "x", OQ_DT_F32, "2");
  for (int i = 0; i < 2; i++) {
    build_body(&f.b, i == 0 ? "then" : "else");
    build_node(&f.b, "Neg", "x", "n", "");
    build_output(&f.b, "n");
    build_body_end(&f.b);
  }
  build_node(&f.b, "If", "c", "y", "then_branch=@then else_branch=@else");
  build_output(&f.b, "y");
  open_session(&f);
  const oq_ctensor in[] = {{OQ_DT_BOOL, {1, {2}}, 2, bits}, f32s(x, 2)};
  refuses(&f, in, 2, OQ_E_MODEL, "control.condition");
  close_all(&f);
}

/* ---- Loop ---------------------------------------------------------------- */
/* s' = s + w, goes on while s'[0] < most; collects s * 2. */
static void counting(fixture *f, const char *inputs) {
  static const float w[] = {1, 2}, two[] = {2};
  static const int64_t zero[] = {0};

  open_env(f, 17);
  build_input(&f->b, "m", OQ_DT_I64, "");
  build_input(&f->b, "c", OQ_DT_BOOL, "");
  build_input(&f->b, "x", OQ_DT_F32, "2");
  build_input(&f->b, "most", OQ_DT_F32, "1");
  build_const_f32(&f->b, "w", "2", w);
  build_body(&f->b, "body");
  build_input(&f->b, "i", OQ_DT_I64, "");
  build_input(&f->b, "go", OQ_DT_BOOL, "");
  build_input(&f->b, "s", OQ_DT_F32, "2");
  build_const_f32(&f->b, "two", "1", two);
  build_const_i64(&f->b, "zero", "", zero);
  build_node(&f->b, "Add", "s w", "next", "");
  build_node(&f->b, "Gather", "next zero", "first", "axis=0");
  build_node(&f->b, "Less", "first most", "goes", "");
  build_node(&f->b, "Mul", "s two", "seen", "");
  build_output(&f->b, "goes");
  build_output(&f->b, "next");
  build_output(&f->b, "seen");
  build_body_end(&f->b);
  build_node(&f->b, "Loop", inputs, "y all", "body=@body");
  build_output(&f->b, "y");
  build_output(&f->b, "all");
}

typedef struct fed {
  int64_t m;
  uint8_t c;
  float x[2], most;
} fed;

static oq_status count(fixture *f, const fed *v) {
  const oq_ctensor in[] = {i64(&v->m), yes(&v->c), f32s(v->x, 2),
                           f32s(&v->most, 1)};
  return run(f, in, 4);
}

static void loop_counts(void **state) {
  fixture f;

  (void)state;
  counting(&f, "m c x");
  open_session(&f);
  assert_int_equal(count(&f, &(fed){3, 1, {0, 5}, 100}), OQ_OK);
  is_f32(&f, "y", (float[]){3, 11}, 2);
  is_f32(&f, "all", (float[]){0, 10, 2, 14, 4, 18}, 6);
  is_shape(value(&f, "all"), 2, (int64_t[]){3, 2});
  /* The condition ends it before the count does. */
  assert_int_equal(count(&f, &(fed){INT64_MAX, 1, {0, 0}, 20}), OQ_OK);
  is_f32(&f, "y", (float[]){20, 40}, 2);
  is_shape(value(&f, "all"), 2, (int64_t[]){20, 2});
  close_all(&f);
}

static void loop_may_never_turn(void **state) {
  fixture f;

  (void)state;
  counting(&f, "m c x");
  open_session(&f);
  for (int i = 0; i < 3; i++) {
    const fed v = {i == 0 ? 0 : i == 1 ? -7 : 5, i != 2, {3, 4}, 100};
    assert_int_equal(count(&f, &v), OQ_OK);
    is_f32(&f, "y", v.x, 2);
    is_shape(value(&f, "all"), 2, (int64_t[]){0, 2});
  }
  close_all(&f);
}

static void loop_inputs_may_be_absent(void **state) {
  static const char *const inputs[] = {"_ c x", "m _ x", "_ _ x"};
  fixture f;

  (void)state;
  for (int i = 0; i < 3; i++) {
    counting(&f, inputs[i]);
    open_session(&f);
    assert_int_equal(count(&f, &(fed){9, 1, {0, 0}, 4}), OQ_OK);
    is_f32(&f, "y", (float[]){4, 8}, 2);
    close_all(&f);
  }
}

static void a_loop_without_end_is_ended(void **state) {
  fixture f;

  (void)state;
  counting(&f, "_ _ x");
  f.t.limits.max_loop_trips = 50;
  open_session(&f);
  const fed v = {0, 1, {0, 0}, 1e9f};
  assert_int_equal(count(&f, &v), OQ_E_LIMIT);
  assert_string_equal(test_env_last(&f.t), "run.loop_trips");
  assert_int_equal(f.s->pool->live, 0);
  /* The limit is of a run, and the session is good for another one. */
  for (int i = 0; i < 3; i++) {
    assert_int_equal(count(&f, &(fed){0, 1, {0, 0}, 50}), OQ_OK);
    is_f32(&f, "y", (float[]){50, 100}, 2);
  }
  assert_int_equal(count(&f, &(fed){0, 1, {0, 0}, 51}), OQ_E_LIMIT);
  close_all(&f);
}

/* State doubles with each turn: s' = [s s]. */
static void growing(fixture *f) {
  open_env(f, 17);
  build_input(&f->b, "m", OQ_DT_I64, "");
  build_input(&f->b, "x", OQ_DT_F32, "N");
  build_body(&f->b, "body");
  build_input(&f->b, "i", OQ_DT_I64, "");
  build_input(&f->b, "go", OQ_DT_BOOL, "");
  build_input(&f->b, "s", OQ_DT_F32, "*");
  build_node(&f->b, "Identity", "go", "goes", "");
  build_node(&f->b, "Concat", "s s", "next", "axis=0");
  build_output(&f->b, "goes");
  build_output(&f->b, "next");
  build_body_end(&f->b);
  build_node(&f->b, "Loop", "m _ x", "y", "body=@body");
  build_output(&f->b, "y");
}

/* Items of three 4-bit numbers do not end with a byte. */
static void loop_collects_small_types(void **state) {
  static const int64_t first[] = {1, 2, 3};
  const int64_t m = 3;
  fixture f;

  (void)state;
  open_env(&f, 21);
  build_input(&f.b, "m", OQ_DT_I64, "");
  build_body(&f.b, "body");
  build_input(&f.b, "i", OQ_DT_I64, "");
  build_input(&f.b, "go", OQ_DT_BOOL, "");
  build_const_i64(&f.b, "first", "3", first);
  build_node(&f.b, "Identity", "go", "goes", "");
  build_node(&f.b, "Sub", "first i", "wide", "");
  build_node(&f.b, "Cast", "wide", "small", "to=22");
  build_output(&f.b, "goes");
  build_output(&f.b, "small");
  build_body_end(&f.b);
  build_node(&f.b, "Loop", "m _", "all", "body=@body");
  build_output(&f.b, "all");
  open_session(&f);
  const oq_ctensor in[] = {i64(&m)};
  runs(&f, in, 1);
  const oq_ctensor *const t = value(&f, "all");
  assert_int_equal(t->dtype, OQ_DT_I4);
  assert_int_equal(t->shape.rank, 2);
  assert_int_equal(t->size, 5);
  for (int64_t i = 0; i < 9; i++)
    assert_int_equal(oq_element_i64(t, (size_t)i), 1 + i % 3 - i / 3);
  close_all(&f);
}

static void state_may_change_its_shape(void **state) {
  const float x[] = {1, 2};
  int64_t m = 3;
  fixture f;

  (void)state;
  growing(&f);
  f.t.limits.max_run_bytes = 1 << 20;
  open_session(&f);
  const oq_ctensor in[] = {i64(&m), f32s(x, 2)};
  runs(&f, in, 2);
  is_f32(&f, "y", (float[]){1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2},
         16);
  m = 60; /* an explosion */
  refuses(&f, in, 2, OQ_E_LIMIT, "run.memory");
  m = 1;
  runs(&f, in, 2);
  is_f32(&f, "y", (float[]){1, 2, 1, 2}, 4);
  close_all(&f);
}

/* What a body keeps of its counter or of a slice outlives turn and inputs. */
static void kept_parts_stay(void **state) {
  float x[] = {1, 2, 3, 4, 5, 6};
  int64_t m = 4;
  fixture f;

  (void)state;
  open_env(&f, 17);
  build_input(&f.b, "m", OQ_DT_I64, "");
  build_input(&f.b, "x", OQ_DT_F32, "3,2");
  build_body(&f.b, "body");
  build_input(&f.b, "i", OQ_DT_I64, "");
  build_input(&f.b, "go", OQ_DT_BOOL, "");
  build_input(&f.b, "s", OQ_DT_I64, "");
  build_node(&f.b, "Identity", "go", "goes", "");
  build_node(&f.b, "Identity", "i", "next", "");
  build_node(&f.b, "Identity", "s", "before", "");
  build_output(&f.b, "goes");
  build_output(&f.b, "next");
  build_output(&f.b, "before");
  build_body_end(&f.b);
  build_body(&f.b, "scanned");
  build_input(&f.b, "last", OQ_DT_F32, "2");
  build_input(&f.b, "row", OQ_DT_F32, "2");
  build_node(&f.b, "Identity", "row", "this", "");
  build_output(&f.b, "this");
  build_body_end(&f.b);
  build_node(&f.b, "Loop", "m _ m", "y before_all", "body=@body");
  build_const_f32(&f.b, "none", "2", (float[]){0, 0});
  build_node(&f.b, "Abs", "x", "a", "");
  build_node(&f.b, "Scan", "none a", "z", "body=@scanned num_scan_inputs=1");
  build_node(&f.b, "Neg", "z", "nz", ""); /* writes in place of z */
  build_output(&f.b, "y");
  build_output(&f.b, "before_all");
  build_output(&f.b, "nz");
  open_session(&f);
  const oq_ctensor in[] = {i64(&m), {OQ_DT_F32, {2, {3, 2}}, sizeof x, x}};
  runs(&f, in, 2);
  memset(x, 0, sizeof x);
  is_i64(&f, "y", 3);
  const oq_ctensor *all = value(&f, "before_all");
  for (int64_t i = 0; i < 4; i++)
    assert_int_equal(oq_element_i64(all, (size_t)i), i == 0 ? m : i - 1);
  is_f32(&f, "nz", (float[]){-5, -6}, 2);
  close_all(&f);
}

/* Loop in If in Loop, reading values two and three graphs further out. */
static void nested(fixture *f) {
  static const int64_t two[] = {2};

  open_env(f, 17);
  build_input(&f->b, "m", OQ_DT_I64, "");
  build_input(&f->b, "x", OQ_DT_F32, "2");
  build_input(&f->b, "step", OQ_DT_F32, "2");
  build_const_i64(&f->b, "two", "", two);
  build_body(&f->b, "outer");
  build_input(&f->b, "i", OQ_DT_I64, "");
  build_input(&f->b, "go", OQ_DT_BOOL, "");
  build_input(&f->b, "s", OQ_DT_F32, "2");
  build_node(&f->b, "Less", "i two", "early", "");
  build_body(&f->b, "then");
  build_body(&f->b, "inner");
  build_input(&f->b, "ii", OQ_DT_I64, "");
  build_input(&f->b, "igo", OQ_DT_BOOL, "");
  build_input(&f->b, "is", OQ_DT_F32, "2");
  build_node(&f->b, "Identity", "igo", "igoes", "");
  build_node(&f->b, "Add", "is step", "inext", "");
  build_output(&f->b, "igoes");
  build_output(&f->b, "inext");
  build_body_end(&f->b);
  build_node(&f->b, "Loop", "m _ s", "t", "body=@inner");
  build_output(&f->b, "t");
  build_body_end(&f->b);
  build_body(&f->b, "else");
  build_node(&f->b, "Neg", "s", "e", "");
  build_output(&f->b, "e");
  build_body_end(&f->b);
  build_node(&f->b, "If", "early", "next",
             "then_branch=@then else_branch=@else");
  build_node(&f->b, "Identity", "go", "goes", "");
  build_output(&f->b, "goes");
  build_output(&f->b, "next");
  build_body_end(&f->b);
  build_node(&f->b, "Loop", "m _ x", "y", "body=@outer");
  build_output(&f->b, "y");
}

static void bodies_nest(void **state) {
  const float x[] = {1, 2}, step[] = {10, 100};
  int64_t m = 3;
  fixture f;

  (void)state;
  nested(&f);
  f.t.limits.max_loop_trips = 9;
  open_session(&f);
  const oq_ctensor in[] = {i64(&m), f32s(x, 2), f32s(step, 2)};
  /* Two turns add 3 steps each, the third one changes the sign. */
  runs(&f, in, 3);
  is_f32(&f, "y", (float[]){-61, -602}, 2);
  m = 4; /* 4 turns outside and 8 inside: the limit is of them together */
  refuses(&f, in, 3, OQ_E_LIMIT, "run.loop_trips");
  close_all(&f);
}

static void depth_is_limited(void **state) {
  fixture f;
  oq_plan *p = NULL;

  (void)state;
  nested(&f);
  build_bind(&f.b);
  f.t.limits.max_graph_depth = 2;
  assert_int_equal(oq_plan_create(&p, f.b.g, NULL, &f.t.e), OQ_E_LIMIT);
  assert_string_equal(test_env_last(&f.t), "model.depth");
  f.t.limits.max_graph_depth = 3;
  assert_int_equal(oq_plan_create(&p, f.b.g, NULL, &f.t.e), OQ_OK);
  oq_plan_destroy(p);
  close_all(&f);
}

static oq_status survive(const oq_allocator *a, void *user) {
  const float x[] = {1, 2}, step[] = {10, 100};
  const int64_t m = 3;
  const oq_ctensor in[] = {i64(&m), f32s(x, 2), f32s(step, 2)};
  fixture f = {0};
  oq_status s;

  (void)user;
  nested(&f);
  build_bind(&f.b);
  assert_int_equal(f.b.status, OQ_OK);
  test_env t;
  s = test_env_open(&t, a) ? OQ_OK : OQ_E_MEMORY;
  if (s == OQ_OK) {
    s = oq_plan_create(&f.p, f.b.g, NULL, &t.e);
    if (s == OQ_OK) s = oq_session_create(&f.s, f.p, &t.e);
    if (s == OQ_OK) s = oq_session_run(f.s, in, 3, NULL, &t.e);
    oq_session_destroy(f.s);
    oq_plan_destroy(f.p);
    test_env_close(&t);
  }
  build_close(&f.b);
  test_env_close(&f.t);
  return s;
}

static void every_allocation_may_fail(void **state) {
  (void)state;
  assert_true(survive_every_allocation(survive, NULL) > 20);
}

/* ---- bodies that do not fit ---------------------------------------------- */
static void bodies_must_fit(void **state) {
  (void)state;
  for (int i = 0; i < 3; i++) {
    fixture f;
    open_env(&f, 17);
    build_input(&f.b, "m", OQ_DT_I64, "");
    build_input(&f.b, "x", OQ_DT_F32, "2");
    build_body(&f.b, "body");
    build_input(&f.b, "i", OQ_DT_I64, "");
    build_input(&f.b, "go", OQ_DT_BOOL, "");
    if (i != 0) build_input(&f.b, "s", OQ_DT_F32, "2");
    build_node(&f.b, "Identity", "go", "goes", "");
    build_node(&f.b, "Neg", "x", "next", "");
    build_output(&f.b, "goes");
    if (i != 1) build_output(&f.b, "next");
    build_body_end(&f.b);
    build_node(&f.b, "Loop", "m _ x", i == 2 ? "y all" : "y", "body=@body");
    build_output(&f.b, "y");
    build_bind(&f.b);
    assert_int_equal(f.b.status, OQ_E_MODEL);
    assert_string_equal(test_env_last(&f.t), "control.body");
    close_all(&f);
  }
}

static void scan_outputs_keep_their_shape(void **state) {
  const float x[] = {1, 2};
  const int64_t m = 3;
  fixture f;

  (void)state;
  open_env(&f, 17);
  build_input(&f.b, "m", OQ_DT_I64, "");
  build_input(&f.b, "x", OQ_DT_F32, "N");
  build_body(&f.b, "body");
  build_input(&f.b, "i", OQ_DT_I64, "");
  build_input(&f.b, "go", OQ_DT_BOOL, "");
  build_input(&f.b, "s", OQ_DT_F32, "*");
  build_node(&f.b, "Identity", "go", "goes", "");
  build_node(&f.b, "Concat", "s s", "next", "axis=0");
  build_node(&f.b, "Neg", "next", "seen", "");
  build_output(&f.b, "goes");
  build_output(&f.b, "next");
  build_output(&f.b, "seen");
  build_body_end(&f.b);
  build_node(&f.b, "Loop", "m _ x", "y all", "body=@body");
  build_output(&f.b, "all");
  open_session(&f);
  const oq_ctensor in[] = {i64(&m), f32s(x, 2)};
  refuses(&f, in, 2, OQ_E_MODEL, "control.scan_output");
  close_all(&f);
}

/* ---- Scan ---------------------------------------------------------------- */
/* Columns of [2,3] from the last to the first; running sums as columns. */
static void scan_goes_along_any_axis(void **state) {
  const float x[] = {1, 2, 3, 10, 20, 30};
  fixture f;

  (void)state;
  open_env(&f, 17);
  build_input(&f.b, "x", OQ_DT_F32, "2,N");
  build_const_f32(&f.b, "zero", "2", (float[]){0, 0});
  build_body(&f.b, "body");
  build_input(&f.b, "s", OQ_DT_F32, "2");
  build_input(&f.b, "col", OQ_DT_F32, "2");
  build_node(&f.b, "Add", "s col", "sum", "");
  build_node(&f.b, "Identity", "sum", "seen", "");
  build_node(&f.b, "Identity", "sum", "seen2", "");
  build_output(&f.b, "sum");
  build_output(&f.b, "seen");
  build_output(&f.b, "seen2");
  build_body_end(&f.b);
  build_node(&f.b, "Scan", "zero x", "y all back",
             "body=@body num_scan_inputs=1 scan_input_axes=[-1] "
             "scan_input_directions=[1] scan_output_axes=[1,0] "
             "scan_output_directions=[0,1]");
  build_output(&f.b, "y");
  build_output(&f.b, "all");
  build_output(&f.b, "back");
  open_session(&f);
  oq_ctensor in = {OQ_DT_F32, {2, {2, 3}}, sizeof x, x};
  runs(&f, &in, 1);
  is_f32(&f, "y", (float[]){6, 60}, 2);
  is_f32(&f, "all", (float[]){3, 5, 6, 30, 50, 60}, 6);
  is_shape(value(&f, "all"), 2, (int64_t[]){2, 3});
  is_f32(&f, "back", (float[]){6, 60, 5, 50, 3, 30}, 6);
  is_shape(value(&f, "back"), 2, (int64_t[]){3, 2});
  in = (oq_ctensor){OQ_DT_F32, {2, {2, 0}}, 0, x}; /* nothing to scan */
  runs(&f, &in, 1);
  is_f32(&f, "y", (float[]){0, 0}, 2);
  close_all(&f);
}

/* Batches of sequences with lengths; what is behind the length is 0. */
static void scan_8_takes_lengths(void **state) {
  const float x[] = {1, 2, 3, 4, 5, 6}, s0[] = {0, 100};
  const int64_t lens[] = {3, 1};
  fixture f;

  (void)state;
  open_env(&f, 8);
  build_input(&f.b, "lens", OQ_DT_I64, "2");
  build_input(&f.b, "s0", OQ_DT_F32, "2,1");
  build_input(&f.b, "x", OQ_DT_F32, "2,3,1");
  build_body(&f.b, "body");
  build_input(&f.b, "s", OQ_DT_F32, "1");
  build_input(&f.b, "row", OQ_DT_F32, "1");
  build_node(&f.b, "Add", "s row", "sum", "");
  build_node(&f.b, "Identity", "sum", "seen", "");
  build_output(&f.b, "sum");
  build_output(&f.b, "seen");
  build_body_end(&f.b);
  build_node(&f.b, "Scan", "lens s0 x", "y all",
             "body=@body num_scan_inputs=1");
  build_output(&f.b, "y");
  build_output(&f.b, "all");
  open_session(&f);
  const oq_ctensor in[] = {{OQ_DT_I64, {1, {2}}, sizeof lens, lens},
                           {OQ_DT_F32, {2, {2, 1}}, sizeof s0, s0},
                           {OQ_DT_F32, {3, {2, 3, 1}}, sizeof x, x}};
  runs(&f, in, 3);
  is_f32(&f, "y", (float[]){6, 104}, 2);
  is_f32(&f, "all", (float[]){1, 3, 6, 104, 0, 0}, 6);
  close_all(&f);
}

/* ---- sequences ----------------------------------------------------------- */
static void is_bytes(const fixture *f, const char *name, const uint8_t *want,
                     size_t n) {
  const oq_ctensor *const t = value(f, name);

  assert_int_equal(t->size, n);
  assert_memory_equal(t->data, want, n);
}

/* Elements that share bytes: 1 2 3; 4 5 6 in four bits each, and in two. */
static void small_elements_are_taken_apart(void **state) {
  const uint8_t x[] = {0x21, 0x43, 0x65}, z[] = {0x39, 0x0e};
  fixture f;

  (void)state;
  open_env(&f, 25);
  build_input(&f.b, "x", OQ_DT_U4, "2,3");
  build_input(&f.b, "z", OQ_DT_U2, "2,3"); /* 1 2 3; 0 2 3 */
  build_const_i64(&f.b, "one", "", (int64_t[]){1});
  build_body(&f.b, "same");
  build_input(&f.b, "a", OQ_DT_U4, "2");
  build_input(&f.b, "b", OQ_DT_U2, "2");
  build_node(&f.b, "Identity", "a", "ya", "");
  build_node(&f.b, "Identity", "b", "yb", "");
  build_output(&f.b, "ya");
  build_output(&f.b, "yb");
  build_body_end(&f.b);
  build_node(&f.b, "Scan", "x z", "xs zs",
             "body=@same num_scan_inputs=2 scan_input_axes=[1,1] "
             "scan_input_directions=[0,1]");
  build_node(&f.b, "SplitToSequence", "x", "q", "axis=1 keepdims=1");
  build_node(&f.b, "SequenceAt", "q one", "second", "");
  build_node(&f.b, "ConcatFromSequence", "q", "whole", "axis=1");
  build_node(&f.b, "SplitToSequence", "z", "rows", "axis=0 keepdims=0");
  build_node(&f.b, "SequenceAt", "rows one", "row", "");
  build_node(&f.b, "ConcatFromSequence", "rows", "stacked",
             "axis=1 new_axis=1");
  for (const char *const *y =
           (const char *const[]){"xs", "zs", "second", "whole", "row",
                                 "stacked", NULL};
       *y != NULL; y++)
    build_output(&f.b, *y);
  open_session(&f);
  const oq_ctensor in[] = {{OQ_DT_U4, {2, {2, 3}}, 3, x},
                           {OQ_DT_U2, {2, {2, 3}}, 2, z}};
  runs(&f, in, 2);
  is_bytes(&f, "xs", (uint8_t[]){0x41, 0x52, 0x63}, 3);
  is_bytes(&f, "zs", (uint8_t[]){0xaf, 0x01}, 2); /* 3 3; 2 2; 1 0 */
  is_bytes(&f, "second", (uint8_t[]){0x52}, 1);
  is_bytes(&f, "whole", x, 3);
  is_bytes(&f, "row", (uint8_t[]){0x38}, 1);
  is_bytes(&f, "stacked", (uint8_t[]){0xa1, 0x0f}, 2); /* 1 0; 2 2; 3 3 */
  close_all(&f);
}

static void sequences_change(void **state) {
  const float x[] = {1, 2, 3, 4, 5, 6};
  fixture f;

  (void)state;
  open_env(&f, 17);
  build_input(&f.b, "x", OQ_DT_F32, "N");
  build_const_i64(&f.b, "one", "", (int64_t[]){1});
  build_const_i64(&f.b, "minus", "", (int64_t[]){-1});
  build_const_f32(&f.b, "c", "1", (float[]){9});
  build_node(&f.b, "SplitToSequence", "x", "q0", "axis=0 keepdims=1");
  build_node(&f.b, "SequenceInsert", "q0 c one", "q1", "");
  build_node(&f.b, "SequenceErase", "q1 minus", "q2", "");
  build_node(&f.b, "Identity", "q2", "q3", "");
  build_node(&f.b, "SequenceInsert", "q3 c", "q4", "");
  build_node(&f.b, "SequenceLength", "q4", "n", "");
  build_node(&f.b, "SequenceAt", "q4 minus", "last", "");
  build_node(&f.b, "SequenceAt", "q4 one", "second", "");
  build_node(&f.b, "Neg", "second", "ns", "");
  build_node(&f.b, "ConcatFromSequence", "q4", "y", "axis=0");
  build_node(&f.b, "ConcatFromSequence", "q4", "z", "axis=-1 new_axis=1");
  build_output(&f.b, "n");
  build_output(&f.b, "last");
  build_output(&f.b, "ns");
  build_output(&f.b, "y");
  build_output(&f.b, "z");
  build_output(&f.b, "q3");
  open_session(&f);
  oq_ctensor in = f32s(x, 3);
  runs(&f, &in, 1);
  is_i64(&f, "n", 4);
  is_f32(&f, "last", (float[]){9}, 1);
  is_f32(&f, "ns", (float[]){-9}, 1);
  is_f32(&f, "y", (float[]){1, 9, 2, 9}, 4);
  is_shape(value(&f, "z"), 2, (int64_t[]){1, 4});
  const oq_value_id q = build_find(&f.b, "q3");
  assert_null(oq_session_value(f.s, q));
  assert_int_equal(oq_session_datum(f.s, q)->n_items, 3);
  in = f32s(x, 0);
  refuses(&f, &in, 1, OQ_E_DATA, "sequence.position");
  close_all(&f);
}

static void sequences_are_no_tensors(void **state) {
  const float x[] = {1, 2};
  fixture f;

  (void)state;
  open_env(&f, 17);
  build_input(&f.b, "x", OQ_DT_F32, "2");
  build_node(&f.b, "SequenceConstruct", "x x", "q", "");
  build_node(&f.b, "Shape", "q", "y", "");
  build_output(&f.b, "y");
  open_session(&f);
  const oq_ctensor in = f32s(x, 2);
  refuses(&f, &in, 1, OQ_E_UNSUPPORTED, "run.kind");
  close_all(&f);
}

/* A loop that collects a sequence: bounded in turns and in memory. */
static void sequences_grow_within_limits(void **state) {
  const float x[] = {1, 2};
  int64_t m = 5;
  fixture f;

  (void)state;
  open_env(&f, 17);
  build_input(&f.b, "m", OQ_DT_I64, "");
  build_input(&f.b, "x", OQ_DT_F32, "2");
  build_node(&f.b, "SequenceEmpty", "", "q0", "");
  build_body(&f.b, "body");
  build_input(&f.b, "i", OQ_DT_I64, "");
  build_input(&f.b, "go", OQ_DT_BOOL, "");
  build_input(&f.b, "q", OQ_DT_F32, "*");
  build_node(&f.b, "Identity", "go", "goes", "");
  build_node(&f.b, "Neg", "x", "nx", "");
  build_node(&f.b, "SequenceInsert", "q nx", "next", "");
  build_output(&f.b, "goes");
  build_output(&f.b, "next");
  build_body_end(&f.b);
  build_node(&f.b, "Loop", "m _ q0", "q1", "body=@body");
  build_node(&f.b, "SequenceLength", "q1", "n", "");
  build_output(&f.b, "n");
  f.t.limits.max_run_bytes = 1 << 20;
  open_session(&f);
  const oq_ctensor in[] = {i64(&m), f32s(x, 2)};
  runs(&f, in, 2);
  is_i64(&f, "n", 5);
  m = INT64_MAX;
  refuses(&f, in, 2, OQ_E_LIMIT, "run.memory");
  m = 7;
  runs(&f, in, 2);
  is_i64(&f, "n", 7);
  close_all(&f);
}

/* Inputs that are sequences or nothing; the outputs outlive them. */
static void data_goes_in_and_out(void **state) {
  float x[] = {1, 2}, y[] = {3};
  fixture f;

  (void)state;
  open_env(&f, 18);
  const oq_type other = {.kind = OQ_TYPE_OTHER};
  const oq_value_id q = build_input(&f.b, "q", OQ_DT_F32, "*");
  const oq_value_id o = build_input(&f.b, "o", OQ_DT_F32, "*");
  oq_edit_set_type(f.b.g, q, &other);
  oq_edit_set_type(f.b.g, o, &other);
  build_node(&f.b, "Identity", "q", "qq", "");
  build_node(&f.b, "OptionalHasElement", "o", "has", "");
  build_output(&f.b, "qq");
  build_output(&f.b, "has");
  open_session(&f);
  const oq_ctensor tx = f32s(x, 2), ty = f32s(y, 1);
  const oq_datum item[] = {oq_datum_of(&tx), oq_datum_of(&ty)};
  oq_datum in[] = {{.kind = OQ_DATUM_SEQUENCE, .item = item, .n_items = 2},
                   {.kind = OQ_DATUM_NOTHING}};
  assert_int_equal(oq_session_run_data(f.s, in, 2, NULL, &f.t.e), OQ_OK);
  x[1] = 99;
  const oq_datum *out = oq_session_datum(f.s, build_find(&f.b, "qq"));
  assert_int_equal(out->kind, OQ_DATUM_SEQUENCE);
  assert_int_equal(out->n_items, 2);
  assert_true(oq_element_f64(&out->item[0].t, 1) == 2.0);
  is_i64(&f, "has", 0);
  in[1] = oq_datum_of(&ty);
  assert_int_equal(oq_session_run_data(f.s, in, 2, NULL, &f.t.e), OQ_OK);
  is_i64(&f, "has", 1);
  close_all(&f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(if_takes_its_branch),
      cmocka_unit_test(taps_see_values_of_bodies),
      cmocka_unit_test(if_refuses_a_condition_of_two),
      cmocka_unit_test(loop_counts),
      cmocka_unit_test(loop_may_never_turn),
      cmocka_unit_test(loop_inputs_may_be_absent),
      cmocka_unit_test(a_loop_without_end_is_ended),
      cmocka_unit_test(loop_collects_small_types),
      cmocka_unit_test(state_may_change_its_shape),
      cmocka_unit_test(kept_parts_stay),
      cmocka_unit_test(bodies_nest),
      cmocka_unit_test(depth_is_limited),
      cmocka_unit_test(every_allocation_may_fail),
      cmocka_unit_test(bodies_must_fit),
      cmocka_unit_test(scan_outputs_keep_their_shape),
      cmocka_unit_test(scan_goes_along_any_axis),
      cmocka_unit_test(scan_8_takes_lengths),
      cmocka_unit_test(small_elements_are_taken_apart),
      cmocka_unit_test(sequences_change),
      cmocka_unit_test(sequences_are_no_tensors),
      cmocka_unit_test(sequences_grow_within_limits),
      cmocka_unit_test(data_goes_in_and_out),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}

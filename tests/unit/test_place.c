/* The decision: which nodes run on integers, which values get Q and DQ, which
 * share parameters, and why. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "calib/calib.h"
#include "kern/kern.h"
#include "ops/op.h"
#include "quant/quant.h"
#include "support/build.h"
#include "support/env.h"

typedef struct fixture {
  test_env env;
  build b;
  oq_arena *arena;
  oq_quantize_options options;
  oq_stats_core *stats;
  const oq_type **types;
  bool symmetric;
  oq_placement placed;
} fixture;

static int setup(void **state) {
  static const oq_quantize_options none = OQ_QUANTIZE_OPTIONS_INIT;
  fixture *const f = calloc(1, sizeof *f);

  assert_non_null(f);
  assert_true(test_env_open(&f->env, NULL));
  build_open(&f->b, &f->env.e, 13);
  assert_int_equal(oq_arena_create(&f->arena, f->env.e.alloc, 0), OQ_OK);
  f->options = none;
  *state = f;
  return 0;
}

static int teardown(void **state) {
  fixture *const f = *state;

  oq_stats_core_destroy(f->stats);
  oq_arena_destroy(f->arena);
  build_close(&f->b);
  test_env_close(&f->env);
  free(f);
  return 0;
}

/* ---- building ---------------------------------------------------------- */
/* A node named like its first output. */
static void node(fixture *f, const char *op, const char *in, const char *out,
                 const char *attrs) {
  const oq_node_id n = build_node(&f->b, op, in, out, attrs);
  char name[64];

  assert_int_equal(f->b.status, OQ_OK);
  (void)strncpy(name, out, sizeof name - 1);
  name[strcspn(out, " ")] = '\0';
  assert_int_equal(
      oq_names_add_text(f->b.ir->names, &oq_graph_node(f->b.g, n)->name, name),
      OQ_OK);
}

static void constant(fixture *f, const char *name, const char *shape) {
  static float v[64 * 64];

  for (size_t i = 0; i < 64 * 64; i++) v[i] = (float)(i % 7) - 3;
  build_const_f32(&f->b, name, shape, v);
}

static void input(fixture *f, const char *shape) {
  build_input(&f->b, "x", OQ_DT_F32, shape);
}

/* A convolution of 8 channels of its own, named like its output. */
static void conv(fixture *f, const char *in, const char *out) {
  char w[64] = "w_", both[128];

  (void)strncat(w, out, 32);
  constant(f, w, "8,8,3,3");
  (void)snprintf(both, sizeof both, "%s %s", in, w);
  node(f, "Conv", both, out, "pads=[1,1,1,1]");
}

/* ... and a matrix product of 16 by 16. */
static void matmul(fixture *f, const char *in, const char *out) {
  char w[64] = "w_", both[128];

  (void)strncat(w, out, 32);
  constant(f, w, "16,16");
  (void)snprintf(both, sizeof both, "%s %s", in, w);
  node(f, "MatMul", both, out, "");
}

static void place(fixture *f, const char *outputs) {
  char copy[128];

  (void)strncpy(copy, outputs, sizeof copy - 1);
  for (char *o = strtok(copy, " "); o; o = strtok(NULL, " "))
    build_output(&f->b, o);
  build_bind(&f->b);
  if (f->b.status != OQ_OK) test_env_show(&f->env);
  assert_int_equal(f->b.status, OQ_OK);
  assert_int_equal(oq_infer_types(&f->types, f->b.g, f->arena, &f->env.e),
                   OQ_OK);
  const oq_place_input in = {.graph = f->b.g,
                             .profile = oq_profile_find("ort-cpu"),
                             .options = &f->options,
                             .stats = f->stats,
                             .types = f->types,
                             .symmetric_activations = f->symmetric,
                             .arena = f->arena,
                             .env = &f->env.e};
  assert_int_equal(oq_place(&f->placed, &in), OQ_OK);
}

/* ---- asking ------------------------------------------------------------ */
static const oq_node_plan *plan_of(const fixture *f, const char *name) {
  for (uint32_t i = 0; i < f->b.g->n_nodes; i++)
    if (strcmp(oq_node_text(f->b.g, (oq_node_id){i}), name) == 0)
      return &f->placed.nodes[i];
  fail_msg("no node %s", name);
  return NULL;
}

static void expect(const fixture *f, const char *names, oq_fate fate,
                   const char *why) {
  char copy[256];

  (void)strncpy(copy, names, sizeof copy - 1);
  for (char *name = strtok(copy, " "); name; name = strtok(NULL, " ")) {
    const oq_node_plan *const p = plan_of(f, name);

    if (p->fate != fate) print_error("%s: %s\n", name, p->why);
    assert_int_equal(p->fate, fate);
    if (why) assert_string_equal(p->why, why);
  }
}

static void integers(const fixture *f, const char *names) {
  expect(f, names, OQ_FATE_INTEGER, "runs on integers");
}

static const oq_value_plan *value(const fixture *f, const char *name) {
  const oq_value_id v = build_find(&f->b, name);

  assert_true(oq_value_ok(v));
  return &f->placed.values[v.i];
}

static void quantized(const fixture *f, const char *names, bool all_uses) {
  char copy[256];

  (void)strncpy(copy, names, sizeof copy - 1);
  for (char *name = strtok(copy, " "); name; name = strtok(NULL, " ")) {
    if (!value(f, name)->quantized) print_error("%s\n", name);
    assert_true(value(f, name)->quantized);
    assert_int_equal(value(f, name)->all_uses, all_uses);
    assert_true(value(f, name)->group < f->placed.n_groups);
  }
}

static void as_float(const fixture *f, const char *names) {
  char copy[256];

  (void)strncpy(copy, names, sizeof copy - 1);
  for (char *name = strtok(copy, " "); name; name = strtok(NULL, " "))
    assert_false(value(f, name)->quantized);
}

/* ---- reasons ----------------------------------------------------------- */
static void every_reason(void **state) {
  fixture *const f = *state;
  static const double zeros[64];

  input(f, "1,8,8,8");
  build_input(&f->b, "d", OQ_DT_F64, "1,8,8,8");
  build_input(&f->b, "v", OQ_DT_F32, "8,8,1,1");
  build_input(&f->b, "b", OQ_DT_F32, "8");
  build_const(&f->b, "w64", OQ_DT_F64, "8,8,1,1", zeros);
  build_opset(&f->b, "made.up", 1);
  node(f, "made.up:Thing", "x", "opaque", "");
  node(f, "Shape", "x", "never", "");
  node(f, "Erf", "x", "no_rule", "");
  node(f, "Conv", "x v", "dynamic", "");
  conv(f, "x", "good");
  constant(f, "w", "8,8,1,1");
  node(f, "Conv", "good w b", "bias", "");
  node(f, "Conv", "d w64", "double", "");
  place(f, "opaque never no_rule dynamic bias double");
  expect(f, "opaque", OQ_FATE_FLOAT, "unknown operator, kept as it is");
  expect(f, "never", OQ_FATE_FLOAT, "it computes no float data");
  expect(f, "no_rule", OQ_FATE_FLOAT,
         "onnxruntime has no integer kernel for it");
  expect(f, "dynamic", OQ_FATE_FLOAT, "its weight is not constant");
  expect(f, "bias", OQ_FATE_FLOAT, "its bias is not constant");
  expect(f, "double", OQ_FATE_FLOAT, "its data are not float32");
  integers(f, "good");
  assert_true(plan_of(f, "good")->eligible);
  assert_false(plan_of(f, "dynamic")->eligible);
}

static void pools_and_opsets(void **state) {
  fixture *const f = *state;

  build_opset(&f->b, "", 11);
  input(f, "1,8,8,8");
  conv(f, "x", "a");
  node(f, "MaxPool", "a", "old", "kernel_shape=[2,2]");
  conv(f, "old", "y");
  place(f, "y");
  expect(f, "old", OQ_FATE_FLOAT, "its opset is too old for integers");
}

static void indices_of_a_pool(void **state) {
  fixture *const f = *state;

  input(f, "1,8,8,8");
  conv(f, "x", "a");
  node(f, "MaxPool", "a", "p i", "kernel_shape=[2,2]");
  conv(f, "p", "y");
  place(f, "y i");
  expect(f, "p", OQ_FATE_FLOAT, "its indices are used");
}

static void what_the_user_asks(void **state) {
  fixture *const f = *state;
  static const char *const names[] = {"b*", NULL}, *const ops[] = {"Add", NULL};

  input(f, "1,8,8,8");
  conv(f, "x", "a");
  conv(f, "a", "b1");
  conv(f, "b1", "c");
  node(f, "Add", "c a", "s", "");
  conv(f, "s", "y");
  f->options.exclude = names;
  f->options.exclude_op = ops;
  place(f, "y");
  integers(f, "a c y");
  expect(f, "b1", OQ_FATE_BARRIER, "excluded by name");
  expect(f, "s", OQ_FATE_FLOAT, "excluded by operator");
  assert_true(plan_of(f, "b1")->eligible && plan_of(f, "s")->eligible);
}

static void only_some(void **state) {
  fixture *const f = *state;
  static const char *const names[] = {"?", NULL}, *const ops[] = {"Conv", NULL};

  input(f, "1,8,8,8");
  conv(f, "x", "a");
  conv(f, "a", "b1");
  conv(f, "b1", "c");
  node(f, "Add", "c a", "s", "");
  conv(f, "s", "y");
  f->options.only = names;
  f->options.only_op = ops;
  place(f, "y");
  integers(f, "a c y");
  expect(f, "b1", OQ_FATE_BARRIER, "not among the chosen names");
  expect(f, "s", OQ_FATE_FLOAT, "not among the chosen operators");
}

static void nodes_without_names(void **state) {
  fixture *const f = *state;
  static const char *const names[] = {"b", NULL};

  input(f, "1,8,8,8");
  conv(f, "x", "a");
  conv(f, "a", "b");
  for (uint32_t i = 0; i < f->b.g->n_nodes; i++)
    f->b.g->nodes[i].name = (oq_name){0};
  f->options.exclude = names;
  place(f, "b");
  integers(f, "a");
  expect(f, "b", OQ_FATE_FLOAT, "excluded by name");
}

static void ends_of_the_network(void **state) {
  fixture *const f = *state;
  static const char *const why = "kept float at an end of the network";

  input(f, "1,8,8,8");
  conv(f, "x", "a");
  conv(f, "a", "b");
  node(f, "Relu", "b", "r", "");
  conv(f, "r", "c");
  conv(f, "c", "y");
  f->options.keep_first = 1;
  f->options.keep_last = 2;
  place(f, "y");
  expect(f, "a", OQ_FATE_FLOAT, why);
  integers(f, "b");
  expect(f, "c", OQ_FATE_FLOAT, why); /* its result is read as float */
  expect(f, "y", OQ_FATE_FLOAT, why);
}

static void ends_that_meet(void **state) {
  fixture *const f = *state;

  input(f, "1,8,8,8");
  conv(f, "x", "a");
  conv(f, "a", "y");
  f->options.keep_first = 2;
  f->options.keep_last = UINT32_MAX;
  place(f, "y");
  expect(f, "a y", OQ_FATE_FLOAT, "kept float at an end of the network");
  assert_int_equal(f->placed.n_groups, 0);
}

/* ---- values ------------------------------------------------------------ */
static void who_gets_a_q(void **state) {
  fixture *const f = *state;

  input(f, "1,8,8,8");
  conv(f, "x", "a");
  node(f, "Relu", "a", "r", "");
  conv(f, "r", "y");
  node(f, "Erf", "r", "e", "");
  place(f, "y e");
  integers(f, "a y");
  expect(f, "r", OQ_FATE_ABSORBED, NULL);
  quantized(f, "x", false); /* its producer needs none */
  quantized(f, "r y", true);
  as_float(f, "a e");
}

static void clamps_that_stay(void **state) {
  fixture *const f = *state;
  static const float lo = 0.5f, hi = -1;

  input(f, "1,8,8,8");
  build_const_f32(&f->b, "lo", "", &lo);
  build_const_f32(&f->b, "hi", "", &hi);
  build_input(&f->b, "m", OQ_DT_F32, "");
  conv(f, "x", "a");
  node(f, "Clip", "a lo", "above", "");
  conv(f, "x", "b");
  node(f, "Clip", "b _ hi", "below", "");
  conv(f, "x", "c");
  node(f, "Clip", "c _ m", "open", "");
  conv(f, "x", "d");
  node(f, "Relu", "d", "two", "");
  conv(f, "above", "y1");
  conv(f, "below", "y2");
  conv(f, "open", "y3");
  conv(f, "two", "y4");
  place(f, "y1 y2 y3 y4 d");
  expect(f, "above below open two", OQ_FATE_FLOAT, NULL);
  quantized(f, "a b c d", true);
  quantized(f, "above below open two", false);
}

/* A grid that is symmetric reaches below zero: no clamp is redundant. */
static void clamps_of_symmetric_grids(void **state) {
  fixture *const f = *state;

  input(f, "1,8,8,8");
  conv(f, "x", "a");
  node(f, "Relu", "a", "r", "");
  conv(f, "r", "y");
  f->symmetric = true;
  place(f, "y");
  expect(f, "r", OQ_FATE_FLOAT, NULL);
  quantized(f, "a", true);
}

static void chains_of_clamps(void **state) {
  fixture *const f = *state;
  static const float six = 6;

  input(f, "1,8,8,8");
  build_const_f32(&f->b, "six", "", &six);
  conv(f, "x", "a");
  node(f, "Relu", "a", "r", "");
  node(f, "Clip", "r _ six", "k", "");
  conv(f, "k", "y");
  place(f, "y");
  expect(f, "r k", OQ_FATE_ABSORBED, NULL);
  quantized(f, "k", true);
  as_float(f, "a r");
}

/* Around products only what two integers agree on is worth it. */
static void products_may_leave_floats(void **state) {
  fixture *const f = *state;

  input(f, "2,16");
  matmul(f, "x", "a");
  node(f, "Erf", "a", "e", "");
  matmul(f, "e", "b");
  matmul(f, "b", "y");
  place(f, "y");
  integers(f, "a b y");
  as_float(f, "a y");
  quantized(f, "b", true);
  quantized(f, "e x", false);
}

static void maps_between_floats_stay(void **state) {
  fixture *const f = *state;

  input(f, "1,8,8,8");
  node(f, "Sigmoid", "x", "early", "");
  conv(f, "early", "a");
  node(f, "Sigmoid", "a", "late", "");
  node(f, "LeakyRelu", "a", "kept", "");
  conv(f, "kept", "y");
  place(f, "late y");
  expect(f, "early", OQ_FATE_FLOAT,
         "its input is float: nothing would be gained");
  expect(f, "late", OQ_FATE_FLOAT, "its result is read as float");
  integers(f, "kept");
}

static void known_ranges(void **state) {
  fixture *const f = *state;

  input(f, "1,8,8,8");
  conv(f, "x", "a");
  node(f, "Sigmoid", "a", "s", "");
  conv(f, "s", "y");
  place(f, "y");
  const oq_group_plan *const g = &f->placed.groups[value(f, "s")->group];
  assert_true(g->has_range && g->fixed.lo == 0 && g->fixed.hi == 1);
  assert_false(f->placed.groups[value(f, "a")->group].has_range);
}

/* ---- groups ------------------------------------------------------------ */
static uint32_t group(const fixture *f, const char *name) {
  return value(f, name)->group;
}

static void movers_share(void **state) {
  fixture *const f = *state;

  input(f, "1,8,8,8");
  conv(f, "x", "a");
  node(f, "Transpose", "a", "t", "perm=[0,1,3,2]");
  node(f, "MaxPool", "t", "p", "kernel_shape=[2,2]");
  conv(f, "p", "y");
  place(f, "y");
  integers(f, "t p");
  assert_int_equal(group(f, "a"), group(f, "t"));
  assert_int_equal(group(f, "a"), group(f, "p"));
  assert_int_not_equal(group(f, "a"), group(f, "x"));
  assert_int_not_equal(group(f, "a"), group(f, "y"));
}

static void parts_of_a_concat_join(void **state) {
  fixture *const f = *state;

  input(f, "1,8,8,8");
  conv(f, "x", "a");
  conv(f, "x", "b");
  conv(f, "x", "c");
  node(f, "Concat", "a b", "k", "axis=2");
  node(f, "Concat", "k c", "l", "axis=2");
  node(f, "Concat", "x l", "m", "axis=2"); /* x has other readers */
  conv(f, "m", "y");
  place(f, "y");
  integers(f, "k l m");
  assert_int_equal(group(f, "a"), group(f, "m"));
  assert_int_equal(group(f, "b"), group(f, "m"));
  assert_int_equal(group(f, "c"), group(f, "m"));
  assert_int_equal(group(f, "k"), group(f, "m"));
  assert_int_not_equal(group(f, "x"), group(f, "m"));
}

static void feed(fixture *f, const char *name, float lo, float hi) {
  oq_stats_entry *const e = oq_stats_find(f->stats, name);
  const float v[] = {lo, hi};
  const oq_ctensor t = {OQ_DT_F32, {2, {1, 2}}, sizeof v, v};

  assert_non_null(e);
  assert_int_equal(
      oq_stats_entry_feed(e, &t, f->env.e.kernels, f->stats->arena), OQ_OK);
}

static void statistics(fixture *f, const char *const *names, uint32_t n) {
  assert_int_equal(oq_stats_core_create(&f->stats, names, NULL, n, "", "",
                                        false, f->env.e.alloc),
                   OQ_OK);
}

/* A grid that stands for a clamp must not be widened over its bounds. */
static void clamped_parts_join_if_they_may(void **state) {
  static const char *const names[] = {"x", "a", "b", "r", "k", "y"};
  for (int negative = 0; negative < 2; negative++) {
    fixture *f;

    assert_int_equal(setup((void **)&f), 0);
    statistics(f, names, 6);
    for (size_t i = 0; i < 6; i++) feed(f, names[i], -1, 2);
    oq_record_init(&oq_stats_find(f->stats, "r")->record);
    oq_record_init(&oq_stats_find(f->stats, "k")->record);
    feed(f, "r", 0, 1);
    feed(f, "k", negative ? -1 : 0, 2);
    input(f, "1,8,8,8");
    conv(f, "x", "a");
    node(f, "Relu", "a", "r", "");
    conv(f, "x", "b");
    node(f, "Concat", "r b", "k", "axis=1");
    constant(f, "w", "8,16,1,1");
    node(f, "Conv", "k w", "y", "");
    place(f, "y");
    expect(f, "r", OQ_FATE_ABSORBED, NULL);
    assert_int_equal(group(f, "b"), group(f, "k"));
    assert_int_equal(group(f, "r") == group(f, "k"), !negative);
    assert_int_equal(teardown((void **)&f), 0);
  }
  (void)state;
}

/* A part of an input shares the grid of the whole if it fills that well. */
static void small_parts_of_an_input(void **state) {
  static const char *const names[] = {"x", "t", "y"};
  for (int small = 0; small < 2; small++) {
    fixture *f;

    assert_int_equal(setup((void **)&f), 0);
    statistics(f, names, 3);
    feed(f, "x", -400, 200);
    feed(f, "t", small ? -1 : -150, 1);
    feed(f, "y", -1, 1);
    input(f, "1,16,2");
    build_const_i64(&f->b, "i", "", (int64_t[]){0});
    node(f, "Gather", "x i", "t", "axis=2");
    matmul(f, "t", "y");
    place(f, "y");
    expect(f, "t", small ? OQ_FATE_FLOAT : OQ_FATE_INTEGER, NULL);
    integers(f, "y");
    assert_int_equal(value(f, "x")->quantized, !small);
    assert_int_equal(teardown((void **)&f), 0);
  }
  (void)state;
}

/* ---- ranges ------------------------------------------------------------ */
static void values_without_a_range(void **state) {
  fixture *const f = *state;
  static const char *const names[] = {"x", "a", "b"};

  statistics(f, names, 3);
  feed(f, "x", -1, 1);
  feed(f, "a", -1, 1);
  feed(f, "b", NAN, INFINITY);
  input(f, "1,8,8,8");
  conv(f, "x", "a");
  conv(f, "a", "b");
  conv(f, "b", "c");
  place(f, "c");
  integers(f, "a");
  expect(f, "b", OQ_FATE_FLOAT, "no usable range was observed for its output");
  expect(f, "c", OQ_FATE_FLOAT, "no usable range was observed for its input");
}

static void constants_that_are_not_finite(void **state) {
  fixture *const f = *state;
  float w[64] = {1}, b[8] = {0};

  w[5] = NAN;
  b[3] = INFINITY;
  input(f, "1,8,8,8");
  build_const_f32(&f->b, "nan", "8,8,1,1", w);
  w[5] = 0;
  build_const_f32(&f->b, "fine", "8,8,1,1", w);
  build_const_f32(&f->b, "infinite", "8", b);
  node(f, "Conv", "x nan", "a", "");
  node(f, "Conv", "x fine infinite", "b", "");
  node(f, "Conv", "x fine", "c", "");
  place(f, "a b c");
  expect(f, "a b", OQ_FATE_FLOAT, "a constant of it is not finite");
  integers(f, "c");
}

/* ---- biases of products ------------------------------------------------ */
static void biases_behind_products(void **state) {
  static const struct {
    const char *x, *bias, *sum;
    bool pairs;
  } rows[] = {
      {"2,16", "16", "a c", true},       {"2,16", "16", "c a", true},
      {"2,16", "1,16", "a c", true},     {"2,16", "1,1,16", "a c", false},
      {"16", "16", "a c", true},         {"16", "1,16", "a c", false},
      {"3,2,16", "1,1,16", "a c", true}, {"2,16", "1", "a c", false},
      {"2,16", "", "a c", false},        {"2,16", "2,16", "a c", false},
      {"*", "16", "a c", true},          {"*", "1,16", "a c", false},
  };

  (void)state;
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    fixture *f;

    assert_int_equal(setup((void **)&f), 0);
    input(f, rows[i].x);
    constant(f, "c", rows[i].bias);
    matmul(f, "x", "a");
    node(f, "Add", rows[i].sum, "s", "");
    matmul(f, "s", "y");
    place(f, "y");
    integers(f, "a y");
    assert_int_equal(plan_of(f, "s")->fate == OQ_FATE_BIAS, rows[i].pairs);
    assert_int_equal(oq_node_ok(plan_of(f, "a")->partner), rows[i].pairs);
    if (rows[i].pairs) quantized(f, "s", true);
    assert_int_equal(teardown((void **)&f), 0);
  }
}

static void additions_that_are_no_bias(void **state) {
  fixture *const f = *state;
  static const char *const names[] = {"s2", NULL};

  input(f, "2,16");
  constant(f, "c", "16");
  matmul(f, "x", "a");
  node(f, "Add", "a c", "s1", ""); /* the product has another reader */
  matmul(f, "x", "b");
  node(f, "Add", "b c", "s2", ""); /* excluded */
  matmul(f, "s1", "y1");
  matmul(f, "s2", "y2");
  f->options.exclude = names;
  place(f, "y1 y2 a");
  expect(f, "s2", OQ_FATE_FLOAT, "excluded by name");
  assert_int_not_equal(plan_of(f, "s1")->fate, OQ_FATE_BIAS);
  /* A Q between them: the runtime would make one float layer of both. */
  quantized(f, "b", true);
}

/* ---- barriers ---------------------------------------------------------- */
static void float_layers_between_integers(void **state) {
  static const struct {
    const char *before, *behind; /* what is around the layer */
    bool barrier;
  } rows[] = {
      {NULL, NULL, true},      {"MaxPool", NULL, true},   {NULL, "Relu", true},
      {NULL, "MaxPool", true}, {"MaxPool", "Relu", true}, {"Erf", NULL, false},
      {NULL, "Erf", false},
  };
  static const char *const names[] = {"f", NULL};

  (void)state;
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    fixture *f;
    const char *const pool = "kernel_shape=[1,1]";
    const bool p = rows[i].before && strcmp(rows[i].before, "MaxPool") == 0;
    const bool q = rows[i].behind && strcmp(rows[i].behind, "MaxPool") == 0;

    assert_int_equal(setup((void **)&f), 0);
    input(f, "1,8,8,8");
    conv(f, "x", "a");
    if (rows[i].before) node(f, rows[i].before, "a", "b", p ? pool : "");
    conv(f, rows[i].before ? "b" : "a", "f");
    if (rows[i].behind) node(f, rows[i].behind, "f", "c", q ? pool : "");
    conv(f, rows[i].behind ? "c" : "f", "y");
    f->options.exclude = names;
    place(f, "y");
    expect(f, "f", rows[i].barrier ? OQ_FATE_BARRIER : OQ_FATE_FLOAT,
           "excluded by name");
    assert_int_equal(teardown((void **)&f), 0);
  }
}

static void float_products_between_integers(void **state) {
  fixture *const f = *state;
  static const char *const names[] = {"f*", NULL};

  input(f, "2,16");
  constant(f, "c", "16");
  matmul(f, "x", "a");
  node(f, "Relu", "a", "r", "");
  matmul(f, "r", "f1"); /* with an addition, the runtime takes it */
  node(f, "Add", "f1 c", "s", "");
  matmul(f, "s", "b");
  node(f, "Relu", "b", "t", "");
  matmul(f, "t", "f2"); /* alone, it does not */
  matmul(f, "f2", "y");
  f->options.exclude = names;
  place(f, "y");
  expect(f, "f1", OQ_FATE_BARRIER, "excluded by name");
  expect(f, "f2", OQ_FATE_FLOAT, "excluded by name");
  assert_true(oq_node_ok(plan_of(f, "f1")->partner));
  quantized(f, "r t", true); /* clamps behind products: a Q */
}

/* ---- control flow and parts -------------------------------------------- */
static void unused_parts(void **state) {
  fixture *const f = *state;

  input(f, "1,8,8,8");
  conv(f, "x", "a");
  node(f, "Split", "a", "p q", "axis=2");
  conv(f, "q", "y");
  place(f, "y");
  expect(f, "p", OQ_FATE_FLOAT, "one of its results is not used");
  quantized(f, "q", false);
}

static void parts(void **state) {
  fixture *const f = *state;

  input(f, "1,8,8,8");
  conv(f, "x", "a");
  node(f, "Split", "a", "p q", "axis=2");
  conv(f, "q", "y");
  node(f, "Erf", "p", "z", "");
  place(f, "y z");
  integers(f, "p");
  quantized(f, "p q", true); /* all results of the node need a Q */
  assert_int_equal(group(f, "p"), group(f, "a"));
}

static void the_same_value_twice(void **state) {
  fixture *const f = *state;

  input(f, "1,8,8,8");
  conv(f, "x", "a");
  node(f, "Add", "a a", "s", "");
  node(f, "Concat", "s s", "k", "axis=2");
  conv(f, "k", "y");
  place(f, "y");
  integers(f, "s k");
  quantized(f, "a s k", true);
  assert_int_not_equal(group(f, "s"), group(f, "k"));
}

static void empty_graphs(void **state) {
  fixture *const f = *state;

  input(f, "1,8");
  place(f, "x");
  assert_int_equal(f->placed.n_groups, 0);
  as_float(f, "x");
}

/* ---- facts ------------------------------------------------------------- */
static void roles_and_axes(void **state) {
  fixture *const f = *state;

  input(f, "16,16");
  constant(f, "w", "16,16");
  build_input(&f->b, "u", OQ_DT_F32, "16,16");
  node(f, "Gemm", "x w", "a", "");
  node(f, "Gemm", "a w", "b", "transB=1");
  node(f, "MatMul", "b u", "c", "");
  place(f, "c");
  const oq_graph *const g = f->b.g;
  assert_int_equal(oq_input_role(g, (oq_node_id){0}, 0), OQ_ROLE_DATA);
  assert_int_equal(oq_input_role(g, (oq_node_id){0}, 1), OQ_ROLE_WEIGHT);
  assert_int_equal(oq_input_role(g, (oq_node_id){2}, 1), OQ_ROLE_DATA);
  assert_int_equal(oq_weight_axis(g, (oq_node_id){0}, 2), 1);
  assert_int_equal(oq_weight_axis(g, (oq_node_id){1}, 2), 0);
  assert_int_equal(oq_weight_axis(g, (oq_node_id){2}, 3), 2);
  assert_true(oq_value_is_const(g, build_find(&f->b, "w")));
  assert_false(oq_value_is_const(g, build_find(&f->b, "u")));
  assert_false(oq_value_is_const(g, (oq_value_id){OQ_NONE}));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(every_reason),
      TEST(pools_and_opsets),
      TEST(indices_of_a_pool),
      TEST(what_the_user_asks),
      TEST(only_some),
      TEST(nodes_without_names),
      TEST(ends_of_the_network),
      TEST(ends_that_meet),
      TEST(who_gets_a_q),
      TEST(clamps_that_stay),
      TEST(clamps_of_symmetric_grids),
      TEST(chains_of_clamps),
      TEST(products_may_leave_floats),
      TEST(maps_between_floats_stay),
      TEST(known_ranges),
      TEST(movers_share),
      TEST(parts_of_a_concat_join),
      cmocka_unit_test(clamped_parts_join_if_they_may),
      cmocka_unit_test(small_parts_of_an_input),
      TEST(values_without_a_range),
      TEST(constants_that_are_not_finite),
      cmocka_unit_test(biases_behind_products),
      TEST(additions_that_are_no_bias),
      cmocka_unit_test(float_layers_between_integers),
      TEST(float_products_between_integers),
      TEST(unused_parts),
      TEST(parts),
      TEST(the_same_value_twice),
      TEST(empty_graphs),
      TEST(roles_and_axes),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}

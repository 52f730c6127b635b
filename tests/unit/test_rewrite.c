/* A placement becomes Q, DQ and integers. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kern/kern.h"
#include "ops/op.h"
#include "quant/quant.h"
#include "support/build.h"
#include "support/env.h"

typedef struct fixture {
  test_env env;
  build b;
  oq_quantize_options options;
  oq_stats_core *stats;
  const oq_quantize_report *report;
  const oq_graph *g;
} fixture;

static int setup(void **state) {
  static const oq_quantize_options none = OQ_QUANTIZE_OPTIONS_INIT;
  fixture *const f = calloc(1, sizeof *f);

  assert_non_null(f);
  assert_true(test_env_open(&f->env, NULL));
  build_open(&f->b, &f->env.e, 13);
  f->options = none;
  f->options.keep_biases = 1;
  f->options.method = "minmax";
  *state = f;
  return 0;
}

static int teardown(void **state) {
  fixture *const f = *state;

  oq_stats_core_destroy(f->stats);
  build_close(&f->b);
  test_env_close(&f->env);
  free(f);
  return 0;
}

/* ---- building ---------------------------------------------------------- */
static void node(fixture *f, const char *op, const char *in, const char *out,
                 const char *attrs) {
  const oq_node_id n = build_node(&f->b, op, in, out, attrs);

  assert_int_equal(
      oq_names_add_text(f->b.ir->names, &oq_graph_node(f->b.g, n)->name, out),
      OQ_OK);
}

static void constant(fixture *f, const char *name, const char *shape) {
  static float v[1024];

  for (size_t i = 0; i < 1024; i++) v[i] = (float)(i % 7) - 3;
  build_const_f32(&f->b, name, shape, v);
}

static void ranges(fixture *f, const char *name, float lo, float hi) {
  oq_stats_entry *const e = oq_stats_find(f->stats, name);
  const float v[] = {lo, hi};
  const oq_ctensor t = {OQ_DT_F32, {2, {1, 2}}, sizeof v, v};

  oq_record_init(&e->record);
  assert_int_equal(
      oq_stats_entry_feed(e, &t, f->env.e.kernels, f->stats->arena), OQ_OK);
}

/* Every value is in -1..1.55: scale 0.01, zero point 100. */
static void bind(fixture *f, const char *outputs) {
  const char *names[64];
  char copy[128];
  uint32_t n = 0;

  (void)snprintf(copy, sizeof copy, "%s", outputs);
  for (char *o = strtok(copy, " "); o; o = strtok(NULL, " "))
    build_output(&f->b, o);
  build_bind(&f->b);
  if (f->b.status != OQ_OK) test_env_show(&f->env);
  assert_int_equal(f->b.status, OQ_OK);
  for (uint32_t v = 0; v < f->b.g->n_values; v++)
    if (f->b.g->values[v].kind != OQ_VALUE_CONST)
      names[n++] = oq_value_text(f->b.g, (oq_value_id){v});
  assert_int_equal(oq_stats_core_create(&f->stats, names, NULL, n, "", "",
                                        false, f->env.e.alloc),
                   OQ_OK);
  for (uint32_t i = 0; i < n; i++) ranges(f, names[i], -1, 1.55f);
}

static oq_status quantize(fixture *f) {
  f->g = f->b.g;
  return oq_quantize_ir(f->b.ir, &f->report, f->stats, &f->options, &f->env.e);
}

static void make(fixture *f) {
  const oq_status s = quantize(f);

  if (s != OQ_OK) test_env_show(&f->env);
  assert_int_equal(s, OQ_OK);
}

/* ---- asking ------------------------------------------------------------ */
static const oq_node *named(const fixture *f, const char *name) {
  for (uint32_t i = 0; i < f->g->n_nodes; i++)
    if (!f->g->nodes[i].dead &&
        strcmp(oq_node_text(f->g, (oq_node_id){i}), name) == 0)
      return &f->g->nodes[i];
  return NULL;
}

static uint32_t count(const fixture *f, const char *op) {
  uint32_t n = 0;

  for (uint32_t i = 0; i < f->g->n_nodes; i++)
    n += !f->g->nodes[i].dead &&
         strcmp(oq_node_op(f->g, (oq_node_id){i}), op) == 0;
  return n;
}

/* The node that makes an input, which must be of that operator. */
static const oq_node *before(const fixture *f, const oq_node *n, uint32_t slot,
                             const char *op) {
  assert_non_null(n);
  assert_true(slot < n->n_in && oq_value_ok(n->in[slot]));
  const oq_value *const v = oq_graph_value(f->g, n->in[slot]);
  assert_int_equal(v->kind, OQ_VALUE_RESULT);
  assert_string_equal(oq_node_op(f->g, v->producer), op);
  return oq_graph_node(f->g, v->producer);
}

static const oq_node *dq(const fixture *f, const char *name, uint32_t slot) {
  return before(f, named(f, name), slot, "DequantizeLinear");
}

static oq_ctensor numbers(const fixture *f, const oq_node *n, uint32_t slot) {
  const oq_value *const v = oq_graph_value(f->g, n->in[slot]);
  oq_ctensor t;

  assert_int_equal(v->kind, OQ_VALUE_CONST);
  assert_int_equal(oq_const_view(&t, v->konst, f->env.scratch, f->env.diags),
                   OQ_OK);
  return t;
}

static const char *text(const fixture *f, oq_value_id v) {
  return oq_value_text(f->g, v);
}

static int64_t axis_of(const fixture *f, const oq_node *n) {
  const oq_attr *const a = oq_node_attr(f->g, n, "axis");

  return a ? a->u.i64 : -1;
}

/* ---- values ------------------------------------------------------------ */
/* producer -> v_float -> Q -> v_quantized -> DQ -> v, the output's name. */
static void a_result_keeps_its_name(void **state) {
  fixture *const f = *state;

  build_input(&f->b, "x", OQ_DT_F32, "1,8,4,4");
  constant(f, "w", "8,8,1,1");
  node(f, "Conv", "x w", "y", "");
  bind(f, "y");
  make(f);
  assert_int_equal(count(f, "QuantizeLinear"), 2);
  assert_int_equal(count(f, "DequantizeLinear"), 3);
  const oq_node *const last =
      oq_graph_node(f->g, oq_graph_value(f->g, f->g->outputs[0])->producer);
  assert_string_equal(
      oq_node_op(f->g, (oq_node_id){(uint32_t)(last - f->g->nodes)}),
      "DequantizeLinear");
  assert_string_equal(text(f, f->g->outputs[0]), "y");
  const oq_node *const q = before(f, last, 0, "QuantizeLinear");
  assert_string_equal(text(f, q->out[0]), "y_quantized");
  assert_string_equal(text(f, q->in[0]), "y_float");
  assert_ptr_equal(before(f, q, 0, "Conv"), named(f, "y"));
  assert_int_equal(axis_of(f, q), -1);
  const oq_ctensor s = numbers(f, q, 1), z = numbers(f, q, 2);
  assert_int_equal(s.shape.rank, 0);
  assert_true(fabs(oq_element_f64(&s, 0) - 0.01) < 1e-8);
  assert_int_equal(z.dtype, OQ_DT_U8);
  assert_int_equal(oq_element_i64(&z, 0), 100);
}

/* x -> float nodes; x -> Q -> DQ -> integer nodes. */
static void an_input_is_quantized_beside(void **state) {
  fixture *const f = *state;

  build_input(&f->b, "x", OQ_DT_F32, "1,8,4,4");
  constant(f, "w", "8,8,1,1");
  node(f, "Conv", "x w", "y", "");
  node(f, "Conv", "x w", "z", "");
  node(f, "Erf", "x", "e", "");
  bind(f, "y z e");
  make(f);
  assert_ptr_equal(dq(f, "y", 0), dq(f, "z", 0)); /* one for both */
  assert_string_equal(text(f, named(f, "y")->in[0]), "x_dequantized");
  assert_string_equal(text(f, named(f, "e")->in[0]), "x");
  assert_string_equal(text(f, f->g->inputs[0]), "x");
  assert_int_equal(oq_graph_value(f->g, f->g->inputs[0])->type->dtype,
                   OQ_DT_F32);
}

static void a_group_has_one_scale(void **state) {
  fixture *const f = *state;

  build_input(&f->b, "x", OQ_DT_F32, "1,8,4,4");
  constant(f, "w", "8,8,1,1");
  node(f, "Conv", "x w", "a", "");
  node(f, "Transpose", "a", "t", "perm=[0,1,3,2]");
  node(f, "Conv", "t w", "y", "");
  bind(f, "y");
  make(f);
  const oq_node *const d = dq(f, "t", 0), *const e = dq(f, "y", 0);
  assert_int_equal(d->in[1].i, e->in[1].i);
  assert_int_equal(d->in[2].i, e->in[2].i);
  assert_string_equal(text(f, d->in[1]), "a_scale");
  assert_string_equal(text(f, d->in[2]), "zero_point_100");
}

static void names_that_are_taken(void **state) {
  fixture *const f = *state;

  build_input(&f->b, "x", OQ_DT_F32, "1,8,4,4");
  constant(f, "x_scale", "8,8,1,1");
  constant(f, "x_quantized", "8,8,1,1");
  node(f, "Conv", "x x_scale", "x_dequantized", "");
  node(f, "Conv", "x_dequantized x_quantized", "y", "");
  bind(f, "y");
  make(f); /* verifies the names, too */
  assert_string_not_equal(text(f, dq(f, "x_dequantized", 0)->in[1]), "x_scale");
  assert_string_not_equal(text(f, named(f, "x_dequantized")->in[0]),
                          "x_dequantized");
}

/* A Q behind a float pool is written per channel, with equal numbers. */
static void held_back(void **state) {
  fixture *const f = *state;
  static const char *const names[] = {"p", NULL};

  build_input(&f->b, "x", OQ_DT_F32, "1,8,4,4");
  constant(f, "w", "8,8,1,1");
  node(f, "Conv", "x w", "a", "");
  node(f, "MaxPool", "a", "p", "kernel_shape=[2,2]");
  node(f, "Conv", "p w", "y", "");
  f->options.exclude = names;
  bind(f, "y");
  make(f);
  const oq_node *const q = before(f, dq(f, "y", 0), 0, "QuantizeLinear");
  const oq_ctensor s = numbers(f, q, 1), z = numbers(f, q, 2);
  assert_int_equal(axis_of(f, q), 1);
  assert_int_equal(oq_tensor_count(&s), 8);
  assert_int_equal(oq_tensor_count(&z), 8);
  for (size_t i = 1; i < 8; i++)
    assert_true(oq_element_f64(&s, i) == oq_element_f64(&s, 0));
}

static void a_clamp_goes(void **state) {
  fixture *const f = *state;

  build_input(&f->b, "x", OQ_DT_F32, "1,8,4,4");
  constant(f, "w", "8,8,1,1");
  node(f, "Conv", "x w", "a", "");
  node(f, "Relu", "a", "r", "");
  node(f, "Conv", "r w", "y", "");
  bind(f, "y r");
  ranges(f, "r", 0, 2.55f);
  make(f);
  assert_int_equal(count(f, "Relu"), 0);
  const oq_node *const d = dq(f, "y", 0);
  assert_string_equal(text(f, d->out[0]), "r"); /* still an output */
  const oq_ctensor z = numbers(f, d, 2);
  assert_int_equal(oq_element_i64(&z, 0), 0);
  const oq_node *const q = before(f, d, 0, "QuantizeLinear");
  assert_ptr_equal(before(f, q, 0, "Conv"), named(f, "a"));
}

/* ---- weights and biases ------------------------------------------------ */
static void weights_by_channel(void **state) {
  fixture *const f = *state;
  static const float w[] = {1, -2, 0.5f, 0, 0, 0, 4, 2, 127};

  build_input(&f->b, "x", OQ_DT_F32, "1,3");
  build_const_f32(&f->b, "w", "3,3", w);
  node(f, "Gemm", "x w", "y", "transB=1");
  bind(f, "y");
  make(f);
  const oq_node *const d = dq(f, "y", 1);
  const oq_ctensor q = numbers(f, d, 0), s = numbers(f, d, 1);
  const oq_ctensor z = numbers(f, d, 2);
  static const int8_t codes[] = {64, -127, 32, 0, 0, 0, 4, 2, 127};
  assert_int_equal(axis_of(f, d), 0);
  assert_int_equal(q.dtype, OQ_DT_I8);
  assert_int_equal(z.dtype, OQ_DT_I8);
  assert_memory_equal(q.data, codes, sizeof codes);
  assert_memory_equal(z.data, ((int8_t[3]){0}), 3);
  const float *const scale = s.data;
  assert_true(scale[0] == 2.0f / 127 && scale[2] == 1.0f);
  assert_true(isnormal(scale[1]));                   /* all zeros */
  assert_false(oq_value_ok(build_find(&f->b, "w"))); /* the floats are gone */
}

static void weights_as_a_whole(void **state) {
  fixture *const f = *state;

  build_input(&f->b, "x", OQ_DT_F32, "1,8,4,4");
  constant(f, "w", "8,8,1,1");
  node(f, "Conv", "x w", "y", "");
  f->options.per_tensor = 1;
  bind(f, "y");
  make(f);
  const oq_node *const d = dq(f, "y", 1);
  const oq_ctensor s = numbers(f, d, 1);
  assert_int_equal(s.shape.rank, 0);
  assert_int_equal(axis_of(f, d), -1);
}

/* s_b = s_x * s_w as float32, b = round(b / s_b). */
static void biases(void **state) {
  fixture *const f = *state;
  static const float w[] = {1, 0, 0.5f, 2}, b[] = {1, -3.3f};

  build_input(&f->b, "x", OQ_DT_F32, "1,2");
  build_const_f32(&f->b, "w", "2,2", w);
  build_const_f32(&f->b, "b", "2", b);
  node(f, "Gemm", "x w b", "y", "");
  bind(f, "y");
  make(f);
  const oq_node *const d = dq(f, "y", 2);
  const oq_ctensor q = numbers(f, d, 0), s = numbers(f, d, 1);
  const oq_ctensor sx = numbers(f, dq(f, "y", 0), 1);
  const oq_ctensor sw = numbers(f, dq(f, "y", 1), 1);
  assert_int_equal(q.dtype, OQ_DT_I32);
  assert_int_equal(d->n_in, 2);
  assert_int_equal(axis_of(f, d), 0);
  for (size_t i = 0; i < 2; i++) {
    const float want =
        ((const float *)sx.data)[0] * ((const float *)sw.data)[i];
    assert_true(((const float *)s.data)[i] == want);
    assert_int_equal(((const int32_t *)q.data)[i],
                     (int32_t)nearbyint((double)b[i] / (double)want));
  }
}

static void a_large_bias_widens_the_scale(void **state) {
  fixture *const f = *state;
  static const float w[] = {1e-12f, 1}, b[] = {1000, 1000};

  build_input(&f->b, "x", OQ_DT_F32, "1,1");
  build_const_f32(&f->b, "w", "1,2", w);
  build_const_f32(&f->b, "b", "2", b);
  node(f, "Gemm", "x w b", "y", "");
  bind(f, "y");
  make(f);
  const oq_node *const d = dq(f, "y", 2);
  const oq_ctensor q = numbers(f, d, 0), s = numbers(f, d, 1);
  for (size_t i = 0; i < 2; i++) {
    const int64_t code = oq_element_i64(&q, i);
    assert_true(code > 0 && code < INT32_MAX);
    assert_true(fabs((double)code * oq_element_f64(&s, i) - 1000) < 1e-3);
  }
}

static void scales_are_normal_numbers(void **state) {
  fixture *const f = *state;
  static const float w[] = {1e-30f, 1e-30f}, b[] = {0, 1e-36f};

  build_input(&f->b, "x", OQ_DT_F32, "1,1");
  build_const_f32(&f->b, "w", "1,2", w);
  build_const_f32(&f->b, "b", "2", b);
  node(f, "Gemm", "x w b", "y", "");
  bind(f, "y");
  ranges(f, "x", 0, 1e-30f);
  make(f);
  for (uint32_t slot = 1; slot < 3; slot++) {
    const oq_ctensor s = numbers(f, dq(f, "y", slot), 1);
    for (size_t i = 0; i < 2; i++)
      assert_true(isnormal(((const float *)s.data)[i]));
  }
  const oq_ctensor q = numbers(f, dq(f, "y", 2), 0);
  assert_int_equal(oq_element_i64(&q, 0), 0);
  assert_true(oq_element_i64(&q, 1) > 0);
}

static void a_bias_behind_a_product(void **state) {
  fixture *const f = *state;

  build_input(&f->b, "x", OQ_DT_F32, "2,16");
  constant(f, "w", "16,16");
  constant(f, "c", "1,16");
  node(f, "MatMul", "x w", "a", "");
  node(f, "Add", "c a", "y", "");
  bind(f, "y");
  make(f);
  const oq_ctensor q = numbers(f, dq(f, "y", 0), 0);
  assert_int_equal(q.dtype, OQ_DT_I32);
  assert_int_equal(q.shape.rank, 1); /* as the runtime wants it */
  assert_string_equal(text(f, named(f, "y")->in[1]), "a");
}

static void tied_weights(void **state) {
  fixture *const f = *state;

  build_input(&f->b, "x", OQ_DT_F32, "1,8,4,4");
  constant(f, "w", "8,8,1,1");
  constant(f, "b", "8");
  node(f, "Conv", "x w b", "a", "");
  node(f, "Conv", "a w b", "y", "");
  bind(f, "y");
  ranges(f, "a", -3, 3);
  make(f);
  assert_ptr_equal(dq(f, "a", 1), dq(f, "y", 1));
  assert_ptr_not_equal(dq(f, "a", 2), dq(f, "y", 2)); /* other data scales */
  const oq_ctensor s = numbers(f, dq(f, "a", 2), 1);
  const oq_ctensor t = numbers(f, dq(f, "y", 2), 1);
  assert_true(oq_element_f64(&s, 0) < oq_element_f64(&t, 0));
}

static void a_weight_with_a_float_reader(void **state) {
  fixture *const f = *state;
  static const char *const names[] = {"y", NULL};

  build_input(&f->b, "x", OQ_DT_F32, "1,8,4,4");
  constant(f, "w", "8,8,1,1");
  node(f, "Conv", "x w", "a", "");
  node(f, "Conv", "a w", "y", "");
  f->options.exclude = names;
  bind(f, "y");
  make(f);
  assert_string_equal(text(f, named(f, "y")->in[1]), "w");
  assert_string_not_equal(text(f, named(f, "a")->in[1]), "w");
}

static void constants_among_data(void **state) {
  fixture *const f = *state;
  static const float c[] = {-1, 0, 0.5f, 1.55f};

  build_input(&f->b, "x", OQ_DT_F32, "1,8,4,4");
  constant(f, "w", "8,8,1,1");
  build_const_f32(&f->b, "c", "4", c);
  node(f, "Conv", "x w", "a", "");
  node(f, "Add", "a c", "s", "");
  node(f, "Mul", "s c", "m", "");
  node(f, "Conv", "m w", "y", "");
  bind(f, "y");
  make(f);
  const oq_node *const d = dq(f, "s", 1);
  const oq_ctensor q = numbers(f, d, 0), z = numbers(f, d, 2);
  assert_ptr_equal(d, dq(f, "m", 1)); /* one form for both */
  assert_int_equal(q.dtype, OQ_DT_U8);
  assert_memory_equal(q.data, ((uint8_t[]){0, 100, 150, 255}), 4);
  assert_int_equal(oq_element_i64(&z, 0), 100);
}

/* ---- float layers ------------------------------------------------------ */
static void barriers_hide_the_bias(void **state) {
  static const struct {
    const char *op, *x, *w, *b, *attrs;
    int64_t n; /* elements of the hidden bias; 0: none, or it stays */
  } rows[] = {
      {"Conv", "1,8,4,4", "8,8,1,1", NULL, "", 8},
      {"Conv", "1,8,4,4", "8,8,1,1", "8", "", 8},
      {"Gemm", "8,8", "8,8", NULL, "", 8},
      {"Gemm", "8,8", "8,8", "8", "", 8},
      {"Gemm", "8,8", "8,8", "1", "", 1},
      {"Gemm", "8,8", "8,8", "8,1", "", 0}, /* a column */
      {"Gemm", "8,8", "8,8", "", "", 0},
      {"ConvTranspose", "1,8,4,4", "8,8,1,1", NULL, "", 8},
      {"ConvTranspose", "1,8,4,4", "8,4,1,1", NULL, "group=2", 8},
      {"ConvTranspose", "1,8,4,4", "8,4,1,1", "8", "group=2", 8},
  };
  static const char *const names[] = {"f", NULL};

  (void)state;
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    const bool gemm = strcmp(rows[i].op, "Gemm") == 0;
    const char *const layer = gemm ? "Gemm" : "Conv";
    fixture *f;

    assert_int_equal(setup((void **)&f), 0);
    build_input(&f->b, "x", OQ_DT_F32, rows[i].x);
    constant(f, "u", gemm ? "8,8" : "8,8,1,1");
    constant(f, "w", rows[i].w);
    if (rows[i].b) constant(f, "b", rows[i].b);
    node(f, layer, "x u", "a", "");
    node(f, "Relu", "a", "r", "");
    node(f, rows[i].op, rows[i].b ? "r w b" : "r w", "f", rows[i].attrs);
    node(f, layer, "f u", "y", "");
    f->options.exclude = names;
    bind(f, "y");
    make(f);
    if (rows[i].n > 0) {
      const oq_ctensor q = numbers(f, dq(f, "f", 2), 0);
      const oq_ctensor s = numbers(f, dq(f, "f", 2), 1);
      assert_int_equal(q.dtype, OQ_DT_I32);
      assert_int_equal(oq_tensor_count(&q), rows[i].n);
      for (size_t k = 0; rows[i].b && k < oq_tensor_count(&q); k++)
        assert_true(fabs((double)oq_element_i64(&q, k) * oq_element_f64(&s, 0) -
                         ((double)(k % 7) - 3)) < 1e-8);
    } else {
      assert_string_equal(text(f, named(f, "f")->in[2]), "b");
    }
    assert_string_equal(text(f, named(f, "f")->in[1]), "w");
    assert_int_equal(teardown((void **)&f), 0);
  }
}

/* ---- the correction of biases ------------------------------------------ */
static void channel_means(fixture *f, const char *name, const float *x,
                          int64_t n) {
  oq_stats_entry *const e = oq_stats_find(f->stats, name);
  const oq_ctensor t = {OQ_DT_F32, {2, {1, n}}, (size_t)n * sizeof *x, x};

  e->channels.axis = 1;
  assert_int_equal(oq_channels_feed(&e->channels, &t, f->stats->arena), OQ_OK);
}

static void biases_are_corrected(void **state) {
  fixture *const f = *state;
  static const float w[] = {1, 0.0041f}, x[] = {0.5f, 1.5f};

  build_input(&f->b, "x", OQ_DT_F32, "1,2");
  build_const_f32(&f->b, "w", "2,1", w); /* 0.0041 becomes 1 / 127 */
  node(f, "Gemm", "x w", "y", "");
  bind(f, "y");
  channel_means(f, "x", x, 2);
  f->options.keep_biases = 0;
  make(f);
  const oq_ctensor q = numbers(f, dq(f, "y", 2), 0);
  const oq_ctensor s = numbers(f, dq(f, "y", 2), 1);
  const double want = -(1.0 / 127 - 0.0041) * 1.5;
  assert_true(fabs((double)oq_element_i64(&q, 0) * oq_element_f64(&s, 0) -
                   want) <= oq_element_f64(&s, 0) / 2 + 1e-9);
}

/* alpha does not multiply a bias, and beta would. */
static void factors_forbid_a_new_bias(void **state) {
  static const char *const attrs[] = {"alpha=0.5", "beta=0.5"};

  (void)state;
  for (size_t i = 0; i < 2; i++) {
    fixture *f;
    static const float x[] = {0.5f, 1.5f};

    assert_int_equal(setup((void **)&f), 0);
    build_input(&f->b, "x", OQ_DT_F32, "1,2");
    constant(f, "w", "2,3");
    node(f, "Gemm", "x w", "y", attrs[i]);
    bind(f, "y");
    channel_means(f, "x", x, 2);
    f->options.keep_biases = 0;
    make(f);
    assert_int_equal(named(f, "y")->n_in, 2);
    assert_int_equal(teardown((void **)&f), 0);
  }
}

/* ---- plans ------------------------------------------------------------- */
static void without_statistics_nothing_changes(void **state) {
  fixture *const f = *state;

  build_input(&f->b, "x", OQ_DT_F32, "1,8,4,4");
  constant(f, "w", "8,8,1,1");
  node(f, "Conv", "x w", "y", "");
  bind(f, "y");
  oq_stats_core_destroy(f->stats);
  f->stats = NULL;
  make(f);
  assert_int_equal(f->g->n_nodes, 1);
  assert_int_equal(f->report->n_quantized, 1);
  assert_int_equal(f->report->n_values, 0);
  assert_int_equal(f->report->weights_quantized, 64);
}

static void work_is_counted(void **state) {
  fixture *const f = *state;
  static const char *const names[] = {"y", NULL};

  build_input(&f->b, "x", OQ_DT_F32, "2,16");
  constant(f, "w", "16,8");
  constant(f, "u", "8,4");
  node(f, "MatMul", "x w", "a", "");
  node(f, "MatMul", "a u", "y", "");
  f->options.exclude = names;
  bind(f, "y");
  make(f);
  assert_int_equal(f->report->weights_total, 160);
  assert_int_equal(f->report->weights_quantized, 128);
  assert_int_equal(f->report->n_eligible, 2);
  assert_int_equal(f->report->n_quantized, 1);
  assert_int_equal(f->report->nodes[0].weight_bytes, 128);
  assert_int_equal(f->report->nodes[1].weight_bytes, 128);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(a_result_keeps_its_name),
      TEST(an_input_is_quantized_beside),
      TEST(a_group_has_one_scale),
      TEST(names_that_are_taken),
      TEST(held_back),
      TEST(a_clamp_goes),
      TEST(weights_by_channel),
      TEST(weights_as_a_whole),
      TEST(biases),
      TEST(a_large_bias_widens_the_scale),
      TEST(scales_are_normal_numbers),
      TEST(a_bias_behind_a_product),
      TEST(tied_weights),
      TEST(a_weight_with_a_float_reader),
      TEST(constants_among_data),
      cmocka_unit_test(barriers_hide_the_bias),
      TEST(biases_are_corrected),
      cmocka_unit_test(factors_forbid_a_new_bias),
      TEST(without_statistics_nothing_changes),
      TEST(work_is_counted),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}

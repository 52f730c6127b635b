/* Reading: what the graph says afterwards, what is refused and where. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"
#include "onnx/codec.h"
#include "support/env.h"
#include "unit/wire_build.h"

typedef struct fixture {
  test_env env;
  oq_model_ir *m;
} fixture;

static int setup(void **state) {
  fixture *f = calloc(1, sizeof *f);

  if (f == NULL || !test_env_open(&f->env, NULL)) return -1;
  *state = f;
  return 0;
}

static int teardown(void **state) {
  fixture *f = *state;

  oq_ir_destroy(f->m);
  test_env_close(&f->env);
  free(f);
  return 0;
}

/* Consumes `b`; the model is f->m. */
static oq_status load(fixture *f, pb b) {
  oq_store *file = NULL;
  void *bytes = NULL;

  oq_ir_destroy(f->m);
  f->m = NULL;
  oq_diags_clear(f->env.diags);
  assert_int_equal(oq_store_new(&file, &bytes, b.n, &f->env.alloc), OQ_OK);
  if (b.n != 0) memcpy(bytes, b.p, b.n);
  pb_free(&b);
  const oq_status s = oq_onnx_decode(&f->m, file, NULL, &f->env.e);
  oq_store_unref(file);
  return s;
}

static bool has_finding(fixture *f, const char *id) {
  for (size_t i = 0; i < oq_diags_count(f->env.diags); i++) {
    if (strcmp(oq_diags_at(f->env.diags, i)->id, id) == 0) return true;
  }
  test_env_show(&f->env);
  return false;
}

static void expect(fixture *f, pb b, oq_status status, const char *id) {
  const oq_status s = load(f, b);

  if (s != status) test_env_show(&f->env);
  assert_int_equal(s, status);
  assert_true(id == NULL || has_finding(f, id));
  if (s != OQ_OK) assert_null(f->m);
}

static const char *text(fixture *f, oq_name n) {
  return oq_names_text(f->m->names, n);
}

static const oq_value *value(fixture *f, const oq_graph *g, const char *name) {
  oq_name n;

  assert_true(oq_names_find(f->m->names, &n, name, strlen(name)));
  const oq_value_id v = oq_graph_find_value(g, n);
  assert_true(oq_value_ok(v));
  return &g->values[v.i];
}

static pb relu(void) { return pb_model(pb_graph(pb_node("Relu", "x", "y"))); }

/* ---- a model ------------------------------------------------------------ */
static void test_model(void **state) {
  fixture *f = *state;
  pb b = relu(), prop = {0};

  pb_text(&b, 2, "maker");
  pb_text(&prop, 1, "k");
  pb_text(&prop, 2, "v");
  pb_msg(&b, 14, prop);
  expect(f, b, OQ_OK, NULL);
  const oq_graph *g = f->m->main;
  assert_int_equal(f->m->ir_version, 8);
  assert_int_equal(f->m->producer_name.n, 5);
  assert_int_equal(f->m->n_props, 1);
  assert_int_equal(oq_ir_opset(f->m, (oq_name){0}), 17);
  assert_string_equal(text(f, g->name), "g");
  assert_int_equal(g->n_nodes, 1);
  assert_string_equal(text(f, g->nodes[0].op), "Relu");
  assert_int_equal(g->n_inputs, 1);
  const oq_value *y = value(f, g, "y");
  assert_int_equal(y->kind, OQ_VALUE_RESULT);
  assert_int_equal(y->producer.i, 0);
  assert_int_equal(y->type->dtype, OQ_DT_F32);
  assert_int_equal(y->type->dim[0].size, 2);
  assert_ptr_equal(value(f, g, "x"), &g->values[g->nodes[0].in[0].i]);
}

/* Shapes: symbols, unknown, negative, too many dimensions, no shape. */
static pb info_of(const char *name, pb shape, bool has_shape) {
  pb info = {0}, type = {0}, tensor = {0};

  pb_int(&tensor, 1, 1);
  if (has_shape) pb_msg(&tensor, 2, shape);
  pb_msg(&type, 1, tensor);
  pb_text(&info, 1, name);
  pb_msg(&info, 2, type);
  return info;
}

static void test_shapes(void **state) {
  fixture *f = *state;
  pb g = pb_graph(pb_node("Relu", "x", "y")), shape = {0}, d = {0};

  pb_text(&d, 2, "batch");
  pb_msg(&shape, 1, d);
  pb_msg(&shape, 1, (pb){0});
  d = (pb){0};
  pb_int(&d, 1, -1);
  pb_msg(&shape, 1, d);
  d = (pb){0};
  pb_int(&d, 1, 0);
  pb_msg(&shape, 1, d);
  pb_msg(&g, 11, info_of("a", shape, true));
  shape = (pb){0};
  for (int i = 0; i < OQ_MAX_RANK + 1; i++) pb_msg(&shape, 1, (pb){0});
  pb_msg(&g, 11, info_of("b", shape, true));
  pb_msg(&g, 11, info_of("c", (pb){0}, false));
  pb_msg(&g, 11, info_of("d", (pb){0}, true));
  expect(f, pb_model(g), OQ_OK, NULL);
  const oq_type *t = value(f, f->m->main, "a")->type;
  assert_int_equal(t->rank, 4);
  assert_int_equal(t->dim[0].size, OQ_DIM_UNKNOWN);
  assert_string_equal(text(f, t->dim[0].symbol), "batch");
  assert_int_equal(t->dim[1].size, OQ_DIM_UNKNOWN);
  assert_int_equal(t->dim[2].size, OQ_DIM_UNKNOWN);
  assert_int_equal(t->dim[3].size, 0);
  assert_false(value(f, f->m->main, "b")->type->has_rank);
  assert_false(value(f, f->m->main, "c")->type->has_rank);
  assert_true(value(f, f->m->main, "d")->type->has_rank);
}

static void test_domains(void **state) {
  fixture *f = *state;
  pb node = pb_node("Relu", "x", "y"), opset = {0};

  pb_text(&node, 7, "ai.onnx");
  pb b = pb_model(pb_graph(node));
  pb_text(&opset, 1, "ai.onnx");
  pb_int(&opset, 2, 18);
  pb_msg(&b, 8, opset);
  expect(f, b, OQ_OK, NULL);
  assert_int_equal(f->m->main->nodes[0].domain.i, 0);
  assert_int_equal(oq_ir_opset(f->m, (oq_name){0}), 18);
}

static void test_functions(void **state) {
  fixture *f = *state;
  pb b = relu(), fun = {0};

  pb_text(&fun, 1, "Twice");
  pb_text(&fun, 10, "my");
  pb_msg(&b, 25, fun);
  expect(f, b, OQ_OK, NULL);
  assert_true(f->m->has_functions);
  assert_int_equal(f->m->n_functions, 1);
  assert_string_equal(text(f, f->m->functions[0]), "my");
  assert_string_equal(text(f, f->m->functions[1]), "Twice");
}

/* ---- attributes --------------------------------------------------------- */
/* IR 1 had no `type`. */
static void test_attr_without_type(void **state) {
  fixture *f = *state;
  pb node = pb_node("Thing", "x", "y"), a = {0};

  pb_text(&a, 1, "i");
  pb_int(&a, 3, -3);
  pb_msg(&node, 5, a);
  a = (pb){0};
  pb_text(&a, 1, "fs");
  pb_bytes(&a, 7, "\0\0\x80\x3f\0\0\0\x40", 8); /* packed */
  pb_msg(&node, 5, a);
  a = (pb){0};
  pb_text(&a, 1, "s");
  pb_text(&a, 4, "text");
  pb_msg(&node, 5, a);
  expect(f, pb_model(pb_graph(node)), OQ_OK, NULL);
  const oq_node *n = &f->m->main->nodes[0];
  assert_int_equal(n->attrs[0].kind, OQ_ATTR_I64);
  assert_int_equal(n->attrs[0].u.i64, -3);
  assert_int_equal(n->attrs[1].kind, OQ_ATTR_F32S);
  assert_int_equal(n->attrs[1].count, 2);
  assert_true(n->attrs[1].u.f32s[1] == 2);
  assert_int_equal(n->attrs[2].kind, OQ_ATTR_TEXT);
  assert_int_equal(n->attrs[2].u.text.n, 4);
  assert_memory_equal(n->attrs[2].u.text.p, "text", 4);
}

static pb node_with_attr(pb a) {
  pb node = pb_node("Thing", "x", "y");

  pb_msg(&node, 5, a);
  return node;
}

static void test_bad_attrs(void **state) {
  fixture *f = *state;
  pb a = {0};

  pb_text(&a, 1, "t");
  pb_int(&a, 20, 4);
  expect(f, pb_model(pb_graph(node_with_attr(a))), OQ_E_MODEL, "attr.value");
  assert_string_equal(oq_diags_at(f->env.diags, 0)->attr, "t");
  assert_string_equal(oq_diags_at(f->env.diags, 0)->node, "y");
  a = (pb){0};
  pb_text(&a, 1, "g");
  pb_int(&a, 20, 5);
  expect(f, pb_model(pb_graph(node_with_attr(a))), OQ_E_MODEL, "attr.value");
  a = (pb){0};
  pb_text(&a, 1, "r");
  pb_int(&a, 20, 1);
  pb_text(&a, 21, "alpha");
  expect(f, pb_model(pb_graph(node_with_attr(a))), OQ_E_MODEL, "attr.ref");
}

/* ---- bodies ------------------------------------------------------------- */
static pb node_with_body(pb body, const char *out) {
  pb a = {0}, node = {0};

  pb_text(&a, 1, "body");
  pb_msg(&a, 6, body);
  pb_int(&a, 20, 5);
  pb_text(&node, 2, out);
  pb_text(&node, 4, "If");
  pb_msg(&node, 5, a);
  return node;
}

static pb body_of(pb node, const char *out) {
  pb g = {0};

  pb_msg(&g, 1, node);
  pb_text(&g, 2, "body");
  pb_msg(&g, 12, pb_info(out, (int64_t[]){2, 0}));
  return g;
}

/* Two levels in, a value of the main graph that is produced further down. */
static void test_outer_values(void **state) {
  fixture *f = *state;
  pb inner = body_of(pb_node("Abs", "late", "i"), "i");
  pb outer = body_of(node_with_body(inner, "o"), "o");
  pb g = {0};

  pb_msg(&g, 1, pb_node("Relu", "x", "late"));
  pb_msg(&g, 1, node_with_body(outer, "y"));
  pb_text(&g, 2, "g");
  expect(f, pb_model(pb_graph_close(g)), OQ_OK, NULL);
  assert_int_equal(f->m->n_graphs, 3);
  const oq_graph *g1 = f->m->main->nodes[1].attrs[0].u.graph;
  const oq_graph *g2 = g1->nodes[0].attrs[0].u.graph;
  assert_ptr_equal(g2->outer, g1);
  const oq_value_id use = g2->nodes[0].in[0];
  assert_int_equal(g2->values[use.i].kind, OQ_VALUE_OUTER);
  const oq_value_id middle = g2->outer_of[use.i];
  assert_int_equal(g1->values[middle.i].kind, OQ_VALUE_OUTER);
  const oq_value_id end = g1->outer_of[middle.i];
  assert_int_equal(f->m->main->values[end.i].kind, OQ_VALUE_RESULT);
  assert_string_equal(oq_value_text(f->m->main, end), "late");
}

/* ---- graphs that are wrong ---------------------------------------------- */
static void test_no_graph(void **state) {
  fixture *f = *state;
  pb b = {0};

  expect(f, b, OQ_E_FORMAT, "onnx.no_graph");
  b = (pb){0};
  pb_int(&b, 1, 8);
  expect(f, b, OQ_E_FORMAT, "onnx.no_graph");
}

static void test_bad_graphs(void **state) {
  fixture *f = *state;
  pb g;

  expect(f, pb_model(pb_graph(pb_node("Relu", "nobody", "y"))), OQ_E_MODEL,
         "value.undefined");
  expect(f, pb_model(pb_graph(pb_node("Relu", "x", "z"))), OQ_E_MODEL,
         "graph.output");
  expect(f, pb_model(pb_graph(pb_node("Relu", "y", "y"))), OQ_E_MODEL,
         "model.cycle");
  expect(f, pb_model(pb_graph(pb_node("", "x", "y"))), OQ_E_MODEL, "node.op");
  expect(f, pb_model(pb_graph(pb_node("Relu", "y", "x"))), OQ_E_MODEL,
         "value.duplicate");

  g = pb_graph(pb_node("Relu", "x", "y")); /* defined twice */
  pb_msg(&g, 1, pb_node("Abs", "x", "y"));
  expect(f, pb_model(g), OQ_E_MODEL, "value.duplicate");

  g = pb_graph(pb_node("Relu", "x", "y")); /* initializer and result */
  pb_msg(&g, 5, pb_tensor("y", (float[]){1}, 1));
  expect(f, pb_model(g), OQ_E_MODEL, "value.duplicate");

  g = pb_graph(pb_node("Relu", "x", "y")); /* initializer twice */
  pb_msg(&g, 5, pb_tensor("w", (float[]){1}, 1));
  pb_msg(&g, 5, pb_tensor("w", (float[]){1}, 1));
  expect(f, pb_model(g), OQ_E_MODEL, "value.duplicate");

  g = pb_graph(pb_node("Relu", "x", "y")); /* input twice */
  pb_msg(&g, 11, pb_info("x", (int64_t[]){2, 0}));
  expect(f, pb_model(g), OQ_E_MODEL, NULL);

  g = pb_graph(pb_node("Relu", "x", "y")); /* without names */
  pb_msg(&g, 5, pb_tensor("", (float[]){1}, 1));
  expect(f, pb_model(g), OQ_E_MODEL, "value.name");
  g = pb_graph(pb_node("Relu", "x", "y"));
  pb_msg(&g, 12, pb_info("", (int64_t[]){2, 0}));
  expect(f, pb_model(g), OQ_E_MODEL, "graph.output");
}

/* Unsorted is fine; so is a graph output that is an input or a constant, and
 * an initializer that is an input. */
static void test_odd_graphs(void **state) {
  fixture *f = *state;
  pb g = {0};

  pb_msg(&g, 1, pb_node("Relu", "a", "y"));
  pb_msg(&g, 1, pb_node("Abs", "x", "a"));
  pb_msg(&g, 5, pb_tensor("w", (float[]){1, 2}, 2));
  g = pb_graph_close(g);
  pb_msg(&g, 11, pb_info("w", (int64_t[]){2, 0}));
  pb_msg(&g, 12, pb_info("x", (int64_t[]){2, 0}));
  pb_msg(&g, 12, pb_info("w", (int64_t[]){2, 0}));
  expect(f, pb_model(g), OQ_OK, NULL);
  const oq_value *w = value(f, f->m->main, "w");
  assert_int_equal(w->kind, OQ_VALUE_CONST);
  assert_true(w->also_input);
  assert_int_equal(f->m->main->n_inputs, 2);
}

static void test_sparse_initializer(void **state) {
  fixture *f = *state;

  for (int used = 0; used < 2; used++) {
    pb sparse = {0}, g = pb_graph(pb_node("Relu", used ? "s" : "x", "y"));
    pb_msg(&sparse, 1, pb_tensor("s", (float[]){1}, 1));
    pb_int(&sparse, 3, 2);
    pb_msg(&g, 15, sparse);
    expect(f, pb_model(g), used ? OQ_E_UNSUPPORTED : OQ_OK,
           used ? "graph.sparse_initializer" : NULL);
  }
}

static void test_opsets(void **state) {
  static const int64_t wrong[] = {0, -1, INT64_MIN};
  fixture *f = *state;

  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    pb b = {0}, opset = {0};
    pb_int(&b, 1, 8);
    pb_msg(&b, 7, pb_graph(pb_node("Relu", "x", "y")));
    pb_int(&opset, 2, wrong[i]);
    pb_msg(&b, 8, opset);
    expect(f, b, OQ_E_MODEL, "model.opset");
  }
}

/* ---- tensors ------------------------------------------------------------ */
/* An initializer with given dims, type and raw bytes. */
static pb with_tensor(const int64_t *dims, size_t rank, int64_t dtype,
                      size_t raw) {
  static const uint8_t zeros[64] = {0};
  pb t = {0}, g = pb_graph_open(pb_node("Relu", "x", "y"));

  for (size_t i = 0; i < rank; i++) pb_int(&t, 1, dims[i]);
  pb_int(&t, 2, dtype);
  pb_text(&t, 8, "w");
  pb_bytes(&t, 9, zeros, raw);
  pb_msg(&g, 5, t);
  return pb_model(pb_graph_close(g));
}

static void test_tensor_sizes(void **state) {
  static const int64_t huge[] = {INT64_C(1) << 40, INT64_C(1) << 40};
  static const int64_t big[] = {INT64_C(1) << 40};
  static const int64_t nine[] = {1, 1, 1, 1, 1, 1, 1, 1, 1};
  fixture *f = *state;

  expect(f, with_tensor((int64_t[]){2, 2}, 2, 1, 16), OQ_OK, NULL);
  expect(f, with_tensor((int64_t[]){2, 2}, 2, 1, 15), OQ_E_MODEL,
         "tensor.size");
  expect(f, with_tensor((int64_t[]){2, 2}, 2, 1, 17), OQ_E_MODEL,
         "tensor.size");
  expect(f, with_tensor((int64_t[]){2, 2}, 2, 1, 0), OQ_E_MODEL, "tensor.size");
  expect(f, with_tensor((int64_t[]){0}, 1, 1, 0), OQ_OK, NULL);
  expect(f, with_tensor((int64_t[]){0}, 1, 1, 4), OQ_E_MODEL, "tensor.size");
  expect(f, with_tensor(NULL, 0, 1, 4), OQ_OK, NULL);
  expect(f, with_tensor(NULL, 0, 1, 0), OQ_E_MODEL, "tensor.size");
  expect(f, with_tensor((int64_t[]){-1}, 1, 1, 4), OQ_E_MODEL, "tensor.dims");
  expect(f, with_tensor((int64_t[]){-2, -2}, 2, 1, 16), OQ_E_MODEL,
         "tensor.dims");
  expect(f, with_tensor(huge, 2, 1, 16), OQ_E_MODEL, "tensor.dims");
  expect(f, with_tensor(big, 1, 1, 16), OQ_E_LIMIT, "limit.tensor");
  expect(f, with_tensor(nine, 8, 1, 4), OQ_OK, NULL);
  expect(f, with_tensor(nine, 9, 1, 4), OQ_E_UNSUPPORTED, "tensor.rank");
  f->env.limits.max_tensor_bytes = 16;
  expect(f, with_tensor((int64_t[]){16}, 1, 3, 16), OQ_OK, NULL);
  expect(f, with_tensor((int64_t[]){17}, 1, 3, 17), OQ_E_LIMIT, "limit.tensor");
}

static void test_tensor_types(void **state) {
  fixture *f = *state;
  pb t = {0}, g = pb_graph_open(pb_node("Relu", "x", "y"));

  expect(f, with_tensor((int64_t[]){3}, 1, OQ_DT_U4, 2), OQ_OK, NULL);
  expect(f, with_tensor((int64_t[]){3}, 1, OQ_DT_U4, 3), OQ_E_MODEL,
         "tensor.size");
  expect(f, with_tensor((int64_t[]){1}, 1, 0, 4), OQ_E_MODEL, "tensor.dtype");
  expect(f, with_tensor((int64_t[]){1}, 1, -1, 4), OQ_E_MODEL, "tensor.dtype");
  expect(f, with_tensor((int64_t[]){1}, 1, 27, 4), OQ_E_UNSUPPORTED,
         "tensor.dtype");
  expect(f, with_tensor((int64_t[]){4}, 1, OQ_DT_STRING, 4), OQ_E_MODEL,
         "tensor.field");
  pb_int(&t, 1, 1); /* float in int32_data */
  pb_int(&t, 2, 1);
  pb_int(&t, 5, 1);
  pb_text(&t, 8, "w");
  pb_msg(&g, 5, t);
  expect(f, pb_model(pb_graph_close(g)), OQ_E_MODEL, "tensor.field");
  t = (pb){0};
  g = pb_graph_open(pb_node("Relu", "x", "y"));
  pb_int(&t, 2, 1);
  pb_msg(&t, 3, (pb){0});
  pb_float(&t, 4, 1);
  pb_text(&t, 8, "w");
  pb_msg(&g, 5, t);
  expect(f, pb_model(pb_graph_close(g)), OQ_E_UNSUPPORTED, "tensor.segment");
}

/* ---- data files --------------------------------------------------------- */
static oq_status read_data(fixture *f, oq_data_value *v, oq_data_kind kind,
                           const pb *b) {
  oq_diags_clear(f->env.diags);
  return oq_onnx_decode_data(v, kind, b->p, b->n, f->env.scratch, &f->env.e);
}

static void test_tensor_file(void **state) {
  fixture *f = *state;
  pb b = pb_tensor("input", (float[]){1, 2, 3}, 3);
  const char *name;
  oq_ctensor t;

  assert_int_equal(
      oq_onnx_decode_tensor(&t, &name, b.p, b.n, f->env.scratch, &f->env.e),
      OQ_OK);
  assert_string_equal(name, "input");
  assert_int_equal(t.shape.dim[0], 3);
  assert_true(((const float *)t.data)[2] == 3);
  assert_int_equal((uintptr_t)t.data % sizeof(float), 0);
  for (size_t n = 0; n < b.n; n++) { /* cut off anywhere */
    assert_int_not_equal(
        oq_onnx_decode_tensor(&t, &name, b.p, n, f->env.scratch, &f->env.e),
        OQ_OK);
  }
  pb_free(&b);
}

static void test_text_tensor(void **state) {
  fixture *f = *state;
  oq_data_value v;
  pb b = {0};

  pb_int(&b, 1, 2);
  pb_int(&b, 2, OQ_DT_STRING);
  pb_text(&b, 6, "one");
  pb_text(&b, 6, "");
  assert_int_equal(read_data(f, &v, OQ_DATA_TENSOR, &b), OQ_OK);
  const oq_text *t = v.tensor.data;
  assert_int_equal(v.tensor.size, 2 * sizeof *t);
  assert_int_equal(t[0].n, 3);
  assert_memory_equal(t[0].p, "one", 3);
  assert_int_equal(t[1].n, 0);
  pb_text(&b, 6, "three");
  assert_int_equal(read_data(f, &v, OQ_DATA_TENSOR, &b), OQ_E_MODEL);
  pb_free(&b);
  pb_int(&b, 1, INT64_C(1) << 40); /* must not be believed */
  pb_int(&b, 2, OQ_DT_STRING);
  pb_text(&b, 6, "one");
  assert_int_equal(read_data(f, &v, OQ_DATA_TENSOR, &b), OQ_E_MODEL);
  pb_free(&b);
}

/* Split into pieces, so that the reader has to join them. */
static oq_status read_joined(const oq_allocator *hook, void *user) {
  const pb *b = user;
  oq_data_value v = {0};
  test_env env;

  if (!test_env_open(&env, hook)) return OQ_E_MEMORY;
  const oq_status s =
      oq_onnx_decode_data(&v, OQ_DATA_TENSOR, b->p, b->n, env.scratch, &env.e);
  if (s == OQ_OK) assert_int_equal(((const int64_t *)v.tensor.data)[2], 7);
  test_env_close(&env);
  return s;
}

static void test_joined_tensor(void **state) {
  pb b = {0};

  (void)state;
  pb_int(&b, 1, 3);
  pb_bytes(&b, 7, "\x01\x02", 2);
  pb_int(&b, 2, OQ_DT_I64);
  pb_int(&b, 7, 7);
  assert_true(survive_every_allocation(read_joined, &b) > 2);
  pb_free(&b);
}

static void test_sequences(void **state) {
  fixture *f = *state;
  oq_data_value v;
  pb b = {0}, inner = {0}, map = {0};

  pb_text(&inner, 1, "inner");
  pb_int(&inner, 2, 1);
  pb_msg(&inner, 3, pb_tensor("a", (float[]){1}, 1));
  pb_msg(&inner, 3, pb_tensor("b", (float[]){1, 2}, 2));
  pb_int(&b, 2, 3);
  pb_msg(&b, 5, inner);
  assert_int_equal(read_data(f, &v, OQ_DATA_SEQUENCE, &b), OQ_OK);
  assert_int_equal(v.kind, OQ_DATA_SEQUENCE);
  assert_int_equal(v.n_items, 1);
  assert_string_equal(v.item[0].name, "inner");
  assert_int_equal(v.item[0].n_items, 2);
  assert_int_equal(v.item[0].item[1].tensor.shape.dim[0], 2);
  pb_free(&b);

  pb_int(&b, 2, 1); /* empty */
  assert_int_equal(read_data(f, &v, OQ_DATA_SEQUENCE, &b), OQ_OK);
  assert_int_equal(v.n_items, 0);
  pb_free(&b);

  pb_int(&b, 2, 4);
  pb_msg(&b, 6, map);
  assert_int_equal(read_data(f, &v, OQ_DATA_SEQUENCE, &b), OQ_E_UNSUPPORTED);
  assert_string_equal(test_env_last(&f->env), "data.kind");
  pb_free(&b);
}

static void test_optionals(void **state) {
  fixture *f = *state;
  oq_data_value v;
  pb b = {0};

  pb_int(&b, 2, 1);
  assert_int_equal(read_data(f, &v, OQ_DATA_OPTIONAL, &b), OQ_OK);
  assert_int_equal(v.n_items, 0);
  pb_msg(&b, 3, pb_tensor("a", (float[]){1}, 1));
  assert_int_equal(read_data(f, &v, OQ_DATA_OPTIONAL, &b), OQ_OK);
  assert_int_equal(v.n_items, 1);
  assert_string_equal(v.item[0].name, "a");
  pb_free(&b);
}

static void test_deep_sequence(void **state) {
  fixture *f = *state;
  oq_data_value v;
  pb b = {0};

  for (int i = 0; i < 1000; i++) {
    pb outer = {0};
    pb_int(&outer, 2, 3);
    pb_msg(&outer, 5, b);
    b = outer;
  }
  assert_int_equal(read_data(f, &v, OQ_DATA_SEQUENCE, &b), OQ_E_LIMIT);
  assert_string_equal(test_env_last(&f->env), "limit.message_depth");
  pb_free(&b);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      T(test_model),
      T(test_shapes),
      T(test_domains),
      T(test_functions),
      T(test_attr_without_type),
      T(test_bad_attrs),
      T(test_outer_values),
      T(test_no_graph),
      T(test_bad_graphs),
      T(test_odd_graphs),
      T(test_sparse_initializer),
      T(test_opsets),
      T(test_tensor_sizes),
      T(test_tensor_types),
      T(test_tensor_file),
      T(test_text_tensor),
      T(test_joined_tensor),
      T(test_sequences),
      T(test_optionals),
      T(test_deep_sequence),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

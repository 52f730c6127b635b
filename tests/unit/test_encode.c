/* Writing: an untouched model comes out byte for byte, a changed one says what
 * was changed and nothing twice, and files are replaced whole. */
#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/limits.h"
#include "onnx.pb-c.h"
#include "onnx/codec.h"
#include "onnx/wire.h"
#include "support/env.h"
#include "unit/wire_build.h"

typedef struct fixture {
  test_env env;
  char dir[64];
} fixture;

static int setup(void **state) {
  fixture *f = calloc(1, sizeof *f);

  if (f == NULL || !test_env_open(&f->env, NULL)) return -1;
  strcpy(f->dir, "/tmp/oq-encode-XXXXXX");
  if (mkdtemp(f->dir) == NULL) return -1;
  *state = f;
  return 0;
}

static int teardown(void **state) {
  fixture *f = *state;
  char path[512];

  DIR *d = opendir(f->dir);
  for (const struct dirent *x; d != NULL && (x = readdir(d)) != NULL;) {
    (void)snprintf(path, sizeof path, "%s/%s", f->dir, x->d_name);
    if (x->d_name[0] != '.' && unlink(path) != 0) (void)rmdir(path);
  }
  if (d != NULL) closedir(d);
  (void)rmdir(f->dir);
  test_env_close(&f->env);
  free(f);
  return 0;
}

static oq_status take(void *user, const void *p, size_t n) {
  pb_raw((pb *)user, p, n);
  return OQ_OK;
}

static oq_model_ir *load(fixture *f, const pb *b) {
  oq_store *file = NULL;
  oq_model_ir *m = NULL;

  assert_int_equal(oq_store_wrap(&file, b->p, b->n, &f->env.alloc), OQ_OK);
  const oq_status s = oq_onnx_decode(&m, file, NULL, &f->env.e);
  oq_store_unref(file);
  if (s != OQ_OK) test_env_show(&f->env);
  assert_int_equal(s, OQ_OK);
  return m;
}

static pb encode(fixture *f, const oq_model_ir *m) {
  oq_sink *to = NULL;
  pb out = {0};
  uint64_t size = 0;

  assert_int_equal(
      oq_sink_open_call(&to, take, &out, &f->env.alloc, f->env.diags), OQ_OK);
  assert_int_equal(oq_onnx_encode(m, to, &f->env.e), OQ_OK);
  assert_int_equal(oq_sink_commit(to), OQ_OK);
  oq_sink_close(to);
  assert_int_equal(oq_onnx_encoded_size(&size, m, &f->env.e), OQ_OK);
  assert_int_equal(size, out.n);
  return out;
}

/* Consumes both. */
static void expect_bytes(fixture *f, pb in, pb want) {
  oq_model_ir *m = load(f, &in);
  pb out = encode(f, m);

  oq_ir_destroy(m);
  assert_int_equal(out.n, want.n);
  assert_memory_equal(out.p, want.p, want.n);
  pb_free(&out);
  pb_free(&in);
  pb_free(&want);
}

/* The bytes come back as they are. */
static void expect_same(fixture *f, pb b) {
  pb copy = {0};

  pb_raw(&copy, b.p, b.n);
  expect_bytes(f, b, copy);
}

static pb pair(const char *key, const char *value) {
  pb b = {0};

  pb_text(&b, 1, key);
  pb_text(&b, 2, value);
  return b;
}

/* ---- canonical files ---------------------------------------------------- */
static pb attr_head(const char *name) {
  pb a = {0};

  pb_text(&a, 1, name);
  return a;
}

static pb tensor_head(int64_t n, int32_t type) {
  pb t = {0};

  if (n >= 0) pb_int(&t, 1, n);
  pb_int(&t, 2, type);
  return t;
}

/* One of each attribute, as proto2 and proto3 writers leave them. */
static pb node_with_attrs(void) {
  pb n = {0}, a;

  pb_text(&n, 1, "x");
  pb_text(&n, 1, "");
  pb_text(&n, 2, "y");
  pb_text(&n, 2, "");
  pb_text(&n, 3, "");
  pb_text(&n, 4, "Thing");

  a = attr_head("f");
  pb_float(&a, 2, -0.0f);
  pb_int(&a, 20, 1);
  pb_msg(&n, 5, a);
  a = attr_head("f absent");
  pb_int(&a, 20, 1);
  pb_msg(&n, 5, a);
  a = attr_head("i");
  pb_int(&a, 3, 0);
  pb_text(&a, 13, "doc");
  pb_int(&a, 20, 2);
  pb_msg(&n, 5, a);
  a = attr_head("i absent");
  pb_int(&a, 20, 2);
  pb_msg(&n, 5, a);
  a = attr_head("i negative, without type");
  pb_int(&a, 3, -5);
  pb_msg(&n, 5, a);
  a = attr_head("s");
  pb_bytes(&a, 4, "a\0b", 3);
  pb_int(&a, 20, 3);
  pb_msg(&n, 5, a);
  a = attr_head("s empty");
  pb_text(&a, 4, "");
  pb_int(&a, 20, 3);
  pb_msg(&n, 5, a);
  a = attr_head("t");
  pb_msg(&a, 5, pb_tensor("", (float[]){1}, 1));
  pb_int(&a, 20, 4);
  pb_msg(&n, 5, a);
  a = attr_head("floats");
  pb_float(&a, 7, 1);
  pb_float(&a, 7, 2);
  pb_int(&a, 20, 6);
  pb_msg(&n, 5, a);
  a = attr_head("ints");
  pb_int(&a, 8, 1);
  pb_int(&a, 8, -1);
  pb_int(&a, 20, 7);
  pb_msg(&n, 5, a);
  a = attr_head("ints, none");
  pb_int(&a, 20, 7);
  pb_msg(&n, 5, a);
  a = attr_head("strings");
  pb_text(&a, 9, "");
  pb_text(&a, 9, "z");
  pb_int(&a, 20, 8);
  pb_msg(&n, 5, a);
  a = attr_head("tensors");
  pb_msg(&a, 10, pb_tensor("q", (float[]){1, 2}, 2));
  pb_int(&a, 20, 9);
  pb_msg(&n, 5, a);
  a = attr_head("sparse");
  pb_int(&a, 20, 11);
  pb sparse = {0};
  pb_msg(&sparse, 1, pb_tensor("values", (float[]){1}, 1));
  pb_int(&sparse, 3, 4);
  pb_msg(&a, 22, sparse);
  pb_msg(&n, 5, a);
  a = attr_head("type");
  pb type = {0}, tensor = {0};
  pb_int(&tensor, 1, 1);
  pb_msg(&type, 1, tensor);
  pb_msg(&a, 14, type);
  pb_int(&a, 20, 13);
  pb_msg(&n, 5, a);
  a = attr_head("of a kind to come");
  pb_int(&a, 20, 99);
  pb_text(&a, 50, "value");
  pb_msg(&n, 5, a);
  a = attr_head("type said to be undefined");
  pb_float(&a, 7, 3);
  pb_int(&a, 20, 0);
  pb_msg(&n, 5, a);
  a = attr_head("nothing");
  pb_msg(&n, 5, a);

  pb_text(&n, 6, "doc");
  pb_text(&n, 7, "ai.onnx");
  pb_text(&n, 8, "");
  pb_msg(&n, 9, pair("k", "v"));
  pb_text(&n, 77, "unknown");
  return n;
}

/* Nodes of the model: y by everything, z in a body that sees x. */
static void add_nodes(pb *g) {
  pb body = {0}, attr = {0}, node = {0};

  pb_msg(g, 1, node_with_attrs());
  pb_msg(&body, 1, pb_node("Abs", "x", "inside"));
  pb_text(&body, 2, "body");
  pb_msg(&body, 12, pb_info("inside", (int64_t[]){2, 0}));
  pb_msg(&body, 13, pb_info("x", (int64_t[]){2, 0})); /* of the outer graph */
  pb_text(&attr, 1, "body");
  pb_msg(&attr, 6, body);
  pb_int(&attr, 20, 5);
  pb_text(&node, 2, "z");
  pb_text(&node, 4, "Once");
  pb_msg(&node, 5, attr);
  pb_text(&node, 7, "my.domain");
  pb_msg(g, 1, node);
}

/* One initializer of each encoding. */
static void add_tensors(pb *g) {
  pb t = tensor_head(2, 1);

  pb_bytes(&t, 4, "\0\0\x80\x3f\0\0\0\x40", 8);
  pb_text(&t, 8, "typed");
  pb_text(&t, 12, "doc");
  pb_msg(g, 5, t);
  t = tensor_head(3, 6);
  for (int i = -1; i < 2; i++) pb_int(&t, 5, i);
  pb_text(&t, 8, "one by one");
  pb_msg(g, 5, t);
  t = tensor_head(2, 8);
  pb_text(&t, 6, "");
  pb_text(&t, 6, "text");
  pb_text(&t, 8, "texts");
  pb_msg(g, 5, t);
  t = tensor_head(-1, 11);
  pb_text(&t, 8, "a scalar");
  pb_bytes(&t, 10, "\0\0\0\0\0\0\xf0\x3f", 8);
  pb_int(&t, 14, 0);
  pb_msg(&t, 16, pair("k", ""));
  pb_msg(g, 5, t);
  t = tensor_head(0, 1);
  pb_text(&t, 8, "empty");
  pb_text(&t, 9, "");
  pb_msg(g, 5, t);
  t = tensor_head(0, 1);
  pb_text(&t, 8, "empty, without a field");
  pb_msg(g, 5, t);
  pb_msg(g, 5, pb_tensor("raw", (float[]){1, 2}, 2));
  pb_text(g, 9, "unknown, in the middle");
}

static void add_infos(pb *g) {
  const int64_t two[] = {2, 0};
  pb info, type = {0}, seq = {0};

  pb_msg(g, 11, pb_info("x", two));
  pb_msg(g, 11, pb_info("raw", two)); /* initializer and input */
  info = pb_info("y", two);
  pb_text(&info, 3, "doc");
  pb_msg(g, 12, info);
  pb_msg(g, 12, pb_info("x", (int64_t[]){2, 0})); /* input and output */
  pb_msg(g, 12, pb_info("y", (int64_t[]){0}));    /* twice, and different */
  pb_msg(g, 13, pb_info("nobody", two));
  info = pb_info("y", two); /* an output again */
  pb_text(&info, 3, "");
  pb_msg(g, 13, info);
  info = (pb){0};
  pb_text(&info, 1, "z");
  pb_msg(&seq, 1, (pb){0});
  pb_msg(&type, 4, seq);
  pb_msg(&info, 2, type);
  pb_msg(&info, 4, pair("k", "v"));
  pb_msg(g, 13, info);
  info = (pb){0};
  pb_text(&info, 1, "z"); /* again, without a type */
  pb_msg(g, 13, info);
  pb_msg(g, 13, pb_info("x", (int64_t[]){0}));
  pb_msg(g, 16, pair("graph", "prop"));
}

static pb everything(void) {
  pb g = {0}, m = {0}, opset = {0}, function = {0};

  add_nodes(&g);
  pb_text(&g, 2, "g");
  pb_text(&g, 4, "unknown");
  add_tensors(&g);
  pb_text(&g, 10, "doc");
  add_infos(&g);

  pb_int(&m, 1, 8);
  pb_text(&m, 2, "");
  pb_text(&m, 3, "1.0");
  pb_text(&m, 4, "");
  pb_int(&m, 5, 0);
  pb_text(&m, 6, "doc");
  pb_msg(&m, 7, g);
  pb_text(&opset, 1, "ai.onnx");
  pb_int(&opset, 2, 17);
  pb_msg(&m, 8, opset);
  opset = (pb){0};
  pb_text(&opset, 1, "my.domain");
  pb_int(&opset, 2, 1);
  pb_text(&opset, 9, "unknown");
  pb_msg(&m, 8, opset);
  pb_msg(&m, 14, pair("key", "value"));
  pb_msg(&m, 14, pair("", ""));
  pb_text(&function, 1, "F");
  pb_msg(&function, 7, pb_node("Abs", "a", "b"));
  pb_text(&function, 10, "my.domain");
  pb_msg(&m, 25, function);
  pb_text(&m, 1000, "unknown");
  return m;
}

static void test_everything(void **state) { expect_same(*state, everything()); }

static void test_clone_writes_the_same(void **state) {
  fixture *f = *state;
  pb b = everything();
  oq_model_ir *m = load(f, &b), *copy = NULL;

  assert_int_equal(oq_ir_clone(&copy, m, &f->env.e), OQ_OK);
  oq_ir_destroy(m);
  pb out = encode(f, copy);
  oq_ir_destroy(copy);
  assert_int_equal(out.n, b.n);
  assert_memory_equal(out.p, b.p, b.n);
  pb_free(&out);
  pb_free(&b);
}

/* ---- other files -------------------------------------------------------- */
static pb canonical(const pb *b) {
  Oqpb__ModelProto *m = oqpb__model_proto__unpack(NULL, b->n, b->p);
  pb out = {0};

  assert_non_null(m);
  out.n = out.cap = oqpb__model_proto__get_packed_size(m);
  out.p = malloc(out.n);
  assert_non_null(out.p);
  oqpb__model_proto__pack(m, out.p);
  oqpb__model_proto__free_unpacked(m, NULL);
  return out;
}

/* The fields of one message from last to first, repeated ones in order: any
 * order of fields means the same. */
static pb reversed(const pb *b) {
  pb out = {0};

  for (uint32_t number = 30; number > 0; number--) {
    oq_cursor c = {b->p, b->p + b->n};
    oq_field x;
    while (c.p < c.end) {
      assert_null(oq_wire_next(&x, &c));
      if (x.number == number) pb_raw(&out, x.whole.p, x.whole.n);
    }
  }
  return out;
}

static void test_other_order(void **state) {
  fixture *f = *state;
  pb a = pb_model(pb_graph(pb_node("Relu", "x", "y"))), opset = {0};

  pb_text(&opset, 1, "other");
  pb_int(&opset, 2, 2);
  pb_msg(&a, 8, opset);
  pb_int(&a, 5, 3);
  pb_text(&a, 6, "doc");
  pb b = reversed(&a), want = canonical(&a);
  oq_model_ir *m = load(f, &b);
  pb out = encode(f, m), got = canonical(&out);
  oq_ir_destroy(m);
  assert_int_equal(got.n, want.n);
  assert_memory_equal(got.p, want.p, want.n);
  expect_same(f, out); /* a second trip changes nothing */
  pb_free(&a);
  pb_free(&b);
  pb_free(&want);
  pb_free(&got);
}

/* Packed where the schema does not pack, split fields, overlong varints. */
static void test_other_encodings(void **state) {
  fixture *f = *state;
  pb t = {0}, g = pb_graph(pb_node("Relu", "x", "y")), half = {0};

  pb_bytes(&t, 1, "\x02\x01", 2); /* dims, packed */
  pb_raw(&t, "\x10\x86\x00", 3);  /* data_type 6, in two bytes */
  pb_int(&t, 5, 7);
  pb_text(&t, 8, "w");
  pb_bytes(&t, 5, "\x09", 1);
  pb_msg(&g, 5, t);
  pb_text(&half, 2, "renamed"); /* a second piece of the graph */
  pb b = pb_model(g);
  pb_msg(&b, 7, half);
  pb want = canonical(&b);
  expect_bytes(f, b, want);
}

/* ---- changed models ----------------------------------------------------- */
static unsigned count_text(const pb *b, const char *text) {
  const size_t k = strlen(text);
  unsigned n = 0;

  for (size_t i = 0; i + k <= b->n; i++) n += memcmp(b->p + i, text, k) == 0;
  return n;
}

static oq_name name_of(const oq_model_ir *m, const char *text) {
  oq_name n = {0};

  assert_int_equal(oq_names_add_text(m->names, &n, text), OQ_OK);
  return n;
}

/* What the graph says wins over what was kept, and is said once. */
static void test_changes(void **state) {
  fixture *f = *state;
  pb b = everything();
  oq_model_ir *m = load(f, &b);
  oq_graph *g = m->main;

  g->nodes[0].name = name_of(m, "now named");
  assert_int_equal(oq_edit_set_op(g, (oq_node_id){0}, "other.domain", "NewOp"),
                   OQ_OK);
  assert_int_equal(oq_edit_set_opset(m, "", 21), OQ_OK);
  assert_int_equal(oq_edit_set_prop(m, "key", "changed"), OQ_OK);
  m->producer_name = (oq_text){"me", 2};
  pb out = encode(f, m);
  oq_ir_destroy(m);

  Oqpb__ModelProto *p = oqpb__model_proto__unpack(NULL, out.n, out.p);
  assert_non_null(p);
  const Oqpb__NodeProto *n = p->graph->node[0];
  assert_string_equal(n->name, "now named");
  assert_string_equal(n->op_type, "NewOp");
  assert_string_equal(n->domain, "other.domain");
  assert_string_equal(p->producer_name, "me");
  assert_int_equal(p->opset_import[0]->version, 21);
  assert_string_equal(p->metadata_props[0]->value, "changed");
  oqpb__model_proto__free_unpacked(p, NULL);
  assert_int_equal(count_text(&out, "Thing"), 0);
  assert_int_equal(count_text(&out, "now named"), 1);
  pb_free(&out);
  pb_free(&b);
}

/* Made by us: no kept type, no kept info. */
static void test_new_parts(void **state) {
  fixture *f = *state;
  pb b = pb_model(pb_graph(pb_node("Relu", "x", "y")));
  oq_model_ir *m = load(f, &b);
  oq_graph *g = m->main;
  const float one = 1;
  const oq_ctensor t = {OQ_DT_F32, {1, {1}}, sizeof one, &one};
  oq_attr attrs[2];
  oq_value_id w, s;

  assert_int_equal(oq_edit_add_const(g, &w, "w", &t), OQ_OK);
  assert_int_equal(oq_edit_add_value(g, &s, OQ_VALUE_RESULT, name_of(m, "s"),
                                     oq_type_make(m->arena, OQ_DT_F32,
                                                  (int64_t[]){2, -1}, 2)),
                   OQ_OK);
  assert_int_equal(oq_attr_i64(m, &attrs[0], "axis", 0), OQ_OK);
  assert_int_equal(oq_attr_text(m, &attrs[1], "mode", "fast"), OQ_OK);
  const oq_attr *kept = OQ_COPY_N(m->arena, oq_attr, attrs, 2);
  const oq_value_id in[] = {g->outputs[0], w};
  const oq_node_spec spec = {.op = name_of(m, "Add"),
                             .attrs = kept,
                             .in = in,
                             .out = &s,
                             .n_attrs = 2,
                             .n_in = 2,
                             .n_out = 1};
  oq_node_id n;
  assert_int_equal(oq_edit_add_node(g, &n, &spec), OQ_OK);
  assert_int_equal(oq_edit_add_output(g, s), OQ_OK);
  pb out = encode(f, m);
  oq_ir_destroy(m);

  Oqpb__ModelProto *p = oqpb__model_proto__unpack(NULL, out.n, out.p);
  assert_non_null(p);
  const Oqpb__NodeProto *x = p->graph->node[1];
  assert_string_equal(x->input[1], "w");
  assert_true(x->attribute[0]->has_i && x->attribute[0]->has_type);
  assert_int_equal(x->attribute[1]->s.len, 4);
  assert_int_equal(p->graph->initializer[0]->raw_data.len, 4);
  assert_int_equal(p->graph->n_output, 2);
  const Oqpb__TypeProto__Tensor *type = p->graph->output[1]->type->tensor_type;
  assert_int_equal(type->elem_type, 1);
  assert_int_equal(type->shape->n_dim, 2);
  assert_int_equal(type->shape->dim[0]->dim_value, 2);
  assert_int_equal(type->shape->dim[1]->value_case, 0);
  oqpb__model_proto__free_unpacked(p, NULL);
  pb_free(&out);
  pb_free(&b);
}

/* ---- files -------------------------------------------------------------- */
static pb model_with_tensors(float first) {
  pb g = pb_graph_open(pb_node("Relu", "x", "y")), t = tensor_head(300, 6);
  float v[512] = {first};

  for (int i = 0; i < 300; i++) pb_int(&t, 5, i);
  pb_text(&t, 8, "typed");
  pb_msg(&g, 5, pb_tensor("big", v, 512));
  pb_msg(&g, 5, pb_tensor("small", v, 2));
  pb_msg(&g, 5, t);
  return pb_model(pb_graph_close(g));
}

static char *in_dir(fixture *f, const char *name) {
  char *path = malloc(256);

  assert_non_null(path);
  (void)snprintf(path, 256, "%s/%s", f->dir, name);
  return path;
}

static oq_status save_as(fixture *f, const oq_model_ir *m, const char *name,
                         oq_external_data mode) {
  char *path = in_dir(f, name);
  const oq_status s = oq_onnx_save(m, path, mode, false, &f->env.e);

  free(path);
  return s;
}

static void save_model(fixture *f, pb b, const char *name,
                       oq_external_data mode) {
  oq_model_ir *m = load(f, &b);

  assert_int_equal(save_as(f, m, name, mode), OQ_OK);
  oq_ir_destroy(m);
  pb_free(&b);
}

static oq_model_ir *load_file(fixture *f, const char *name) {
  char *path = in_dir(f, name);
  oq_store *file = NULL;
  oq_model_ir *m = NULL;

  assert_int_equal(
      oq_store_map(&file, path, INT32_MAX, &f->env.alloc, f->env.diags), OQ_OK);
  free(path);
  const oq_status s = oq_onnx_decode(&m, file, f->dir, &f->env.e);
  oq_store_unref(file);
  if (s != OQ_OK) test_env_show(&f->env);
  assert_int_equal(s, OQ_OK);
  return m;
}

static bool is_there(fixture *f, const char *name) {
  char *path = in_dir(f, name);
  const bool there = access(path, F_OK) == 0;

  free(path);
  return there;
}

static unsigned count_files(fixture *f) {
  unsigned n = 0;
  DIR *d = opendir(f->dir);

  assert_non_null(d);
  for (const struct dirent *x; (x = readdir(d)) != NULL;) {
    n += x->d_name[0] != '.';
  }
  closedir(d);
  return n;
}

static oq_ctensor const_of(fixture *f, const oq_model_ir *m, const char *name,
                           oq_arena *a) {
  const oq_value_id v = oq_graph_find_value(m->main, name_of(m, name));
  oq_ctensor t = {0};

  assert_true(oq_value_ok(v));
  assert_int_equal(
      oq_const_view(&t, m->main->values[v.i].konst, a, f->env.diags), OQ_OK);
  return t;
}

static void test_save_inline(void **state) {
  fixture *f = *state;
  pb b = model_with_tensors(5);

  save_model(f, model_with_tensors(5), "m.onnx", OQ_EXTERNAL_AUTO);
  assert_int_equal(count_files(f), 1);
  oq_model_ir *m = load_file(f, "m.onnx");
  pb out = encode(f, m);
  assert_int_equal(out.n, b.n);
  assert_memory_equal(out.p, b.p, b.n);
  oq_ir_destroy(m);
  pb_free(&out);
  pb_free(&b);
}

static void test_save_external(void **state) {
  fixture *f = *state;

  save_model(f, model_with_tensors(5), "m.onnx", OQ_EXTERNAL_ALWAYS);
  assert_int_equal(count_files(f), 2);
  assert_true(is_there(f, "m.onnx.data"));
  oq_model_ir *m = load_file(f, "m.onnx");
  const oq_graph *g = m->main;
  for (uint32_t i = 0; i < g->n_inits; i++) {
    const oq_const *c = g->values[g->inits[i].i].konst;
    const bool small = strcmp(oq_names_text(m->names, c->name), "small") == 0;
    assert_int_equal(c->blob->external, !small);
    if (!small) assert_int_equal(c->blob->offset % 4096, 0);
  }
  const oq_ctensor big = const_of(f, m, "big", f->env.scratch);
  const oq_ctensor typed = const_of(f, m, "typed", f->env.scratch);
  assert_true(((const float *)big.data)[0] == 5);
  assert_int_equal(((const int32_t *)typed.data)[299], 299);

  /* And back into one file. */
  assert_int_equal(save_as(f, m, "one.onnx", OQ_EXTERNAL_AUTO), OQ_OK);
  oq_ir_destroy(m);
  m = load_file(f, "one.onnx");
  assert_int_equal(m->n_stores, 1);
  assert_true(((const float *)const_of(f, m, "big", f->env.scratch).data)[0] ==
              5);
  oq_ir_destroy(m);
}

/* Another model under the same name: the data file of the first is not touched
 * before the second is complete, and gone afterwards. */
static void test_save_over(void **state) {
  fixture *f = *state;

  save_model(f, model_with_tensors(1), "m.onnx", OQ_EXTERNAL_ALWAYS);
  oq_model_ir *first = load_file(f, "m.onnx");
  save_model(f, model_with_tensors(2), "m.onnx", OQ_EXTERNAL_ALWAYS);
  assert_int_equal(count_files(f), 2);
  assert_false(is_there(f, "m.onnx.data")); /* now with a digest */
  oq_model_ir *second = load_file(f, "m.onnx");
  assert_true(
      ((const float *)const_of(f, first, "big", f->env.scratch).data)[0] == 1);
  assert_true(
      ((const float *)const_of(f, second, "big", f->env.scratch).data)[0] == 2);
  oq_ir_destroy(first);

  /* In place: the file that the model itself reads. */
  assert_int_equal(save_as(f, second, "m.onnx", OQ_EXTERNAL_ALWAYS), OQ_OK);
  assert_int_equal(count_files(f), 2);
  assert_int_equal(save_as(f, second, "m.onnx", OQ_EXTERNAL_NEVER), OQ_OK);
  assert_int_equal(count_files(f), 1);
  oq_ir_destroy(second);
  second = load_file(f, "m.onnx");
  assert_true(
      ((const float *)const_of(f, second, "big", f->env.scratch).data)[0] == 2);
  oq_ir_destroy(second);
}

/* A file of somebody else with our name stays. */
static void test_save_beside(void **state) {
  fixture *f = *state;
  char *path = in_dir(f, "m.onnx.data");
  FILE *x = fopen(path, "w");

  assert_non_null(x);
  (void)fputs("not ours", x);
  assert_int_equal(fclose(x), 0);
  save_model(f, model_with_tensors(1), "m.onnx", OQ_EXTERNAL_ALWAYS);
  assert_int_equal(count_files(f), 3);
  struct stat st;
  assert_int_equal(stat(path, &st), 0);
  assert_int_equal(st.st_size, 8);
  free(path);
}

static void test_save_failing(void **state) {
  fixture *f = *state;
  char *path = in_dir(f, "m.onnx");
  pb b = model_with_tensors(1);
  oq_model_ir *m = load(f, &b);

  assert_int_equal(mkdir(path, 0700), 0); /* no file can be there */
  assert_int_equal(save_as(f, m, "m.onnx", OQ_EXTERNAL_ALWAYS), OQ_E_IO);
  assert_int_equal(count_files(f), 1);
  free(path);
  oq_ir_destroy(m);
  pb_free(&b);
}

static void test_external_keys(void **state) {
  fixture *f = *state;
  pb g = pb_graph(pb_node("Relu", "x", "y")), t = tensor_head(300, 1);
  char *path = in_dir(f, "w.bin");
  FILE *x = fopen(path, "w");

  assert_non_null(x);
  assert_int_equal(ftruncate(fileno(x), 2000), 0);
  assert_int_equal(fclose(x), 0);
  free(path);
  pb_text(&t, 8, "w");
  pb_msg(&t, 13, pair("location", "w.bin"));
  pb_msg(&t, 13, pair("checksum", "00ff"));
  pb_msg(&t, 13, pair("vendor.key", "kept"));
  pb_msg(&t, 13, pair("offset", "800"));
  pb_int(&t, 14, 1);
  pb_msg(&g, 5, t);
  pb b = pb_model(g);
  path = in_dir(f, "in.onnx");
  x = fopen(path, "w");
  assert_non_null(x);
  assert_int_equal(fwrite(b.p, 1, b.n, x), b.n);
  assert_int_equal(fclose(x), 0);
  free(path);

  oq_model_ir *m = load_file(f, "in.onnx");
  pb inlined = encode(f, m);
  assert_int_equal(count_text(&inlined, "vendor.key"), 0);
  assert_int_equal(save_as(f, m, "out.onnx", OQ_EXTERNAL_ALWAYS), OQ_OK);
  oq_ir_destroy(m);
  m = load_file(f, "out.onnx");
  size_t n;
  const uint8_t *p = oq_store_data(m->stores[0], &n);
  pb out = {(uint8_t *)(uintptr_t)p, n, n};
  assert_int_equal(count_text(&out, "vendor.key"), 1);
  assert_int_equal(count_text(&out, "checksum"), 0);
  assert_int_equal(count_text(&out, "out.onnx.data"), 1);
  oq_ir_destroy(m);
  pb_free(&inlined);
  pb_free(&b);
}

/* 2 GiB and more do not fit one file.  The pages are never touched. */
static void test_too_big(void **state) {
  fixture *f = *state;
  pb b = pb_model(pb_graph(pb_node("Relu", "x", "y")));
  oq_model_ir *m = load(f, &b);
  const oq_shape shape = {1, {(int64_t)1 << 31}};
  oq_store *big = NULL;
  oq_sink *to = NULL;
  oq_value_id v;
  void *bytes;
  pb out = {0};

  if (oq_store_new(&big, &bytes, (size_t)1 << 31, &f->env.alloc) != OQ_OK) {
    skip();
  }
  assert_int_equal(
      oq_edit_add_const_store(m->main, &v, "big", OQ_DT_I8, &shape, big),
      OQ_OK);
  assert_int_equal(
      oq_sink_open_call(&to, take, &out, &f->env.alloc, f->env.diags), OQ_OK);
  assert_int_equal(oq_onnx_encode(m, to, &f->env.e), OQ_E_LIMIT);
  assert_string_equal(test_env_last(&f->env), "limit.model");
  oq_sink_close(to);
  assert_int_equal(out.n, 0);
  oq_ir_destroy(m);
  pb_free(&b);
}

/* ---- memory ------------------------------------------------------------- */
static oq_status trip(const oq_allocator *hook, void *user) {
  const pb *b = user;
  oq_store *file = NULL;
  oq_model_ir *m = NULL;
  oq_sink *to = NULL;
  test_env env;
  pb out = {0};

  if (!test_env_open(&env, hook)) return OQ_E_MEMORY;
  oq_status s = oq_store_wrap(&file, b->p, b->n, &env.alloc);
  if (s == OQ_OK) s = oq_onnx_decode(&m, file, NULL, &env.e);
  if (s == OQ_OK) {
    s = oq_sink_open_call(&to, take, &out, &env.alloc, env.diags);
  }
  if (s == OQ_OK) s = oq_onnx_encode(m, to, &env.e);
  if (s == OQ_OK) s = oq_sink_commit(to);
  oq_sink_close(to);
  oq_ir_destroy(m);
  oq_store_unref(file);
  if (s == OQ_OK) assert_int_equal(out.n, b->n);
  pb_free(&out);
  test_env_close(&env);
  return s;
}

static void test_memory(void **state) {
  pb b = everything();

  (void)state;
  assert_true(survive_every_allocation(trip, &b) > 5);
  pb_free(&b);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      T(test_everything),   T(test_clone_writes_the_same),
      T(test_other_order),  T(test_other_encodings),
      T(test_changes),      T(test_new_parts),
      T(test_save_inline),  T(test_save_external),
      T(test_save_over),    T(test_save_beside),
      T(test_save_failing), T(test_external_keys),
      T(test_too_big),      T(test_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

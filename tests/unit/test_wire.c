/* The walk over a file's bytes: what it refuses, what it keeps, and that the
 * slim copy means what protobuf-c reads in the original. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"
#include "onnx.pb-c.h"
#include "onnx/wire.h"
#include "support/env.h"
#include "unit/wire_build.h"

typedef struct fixture {
  test_env env;
  oq_arena *keep;
  oq_slim slim;
} fixture;

static int setup(void **state) {
  fixture *f = calloc(1, sizeof *f);

  if (f == NULL || !test_env_open(&f->env, NULL)) return -1;
  if (oq_arena_create(&f->keep, &f->env.alloc, 0) != OQ_OK) return -1;
  *state = f;
  return 0;
}

static int teardown(void **state) {
  fixture *f = *state;

  oq_arena_destroy(f->keep);
  test_env_close(&f->env);
  free(f);
  return 0;
}

static oq_status slim_of(fixture *f, const ProtobufCMessageDescriptor *root,
                         const pb *b) {
  oq_wire_limits limits;

  oq_diags_clear(f->env.diags);
  oq_wire_limits_init(&limits, b->n, &f->env.limits);
  return oq_wire_slim(&f->slim, root, (oq_span){b->p, b->n}, &limits, f->keep,
                      f->env.scratch, f->env.diags);
}

static oq_status walk_model(fixture *f, const pb *b) {
  return slim_of(f, &oqpb__model_proto__descriptor, b);
}

static void expect(fixture *f, pb b, oq_status status, const char *id) {
  assert_int_equal(walk_model(f, &b), status);
  if (id != NULL) assert_string_equal(test_env_last(&f->env), id);
  pb_free(&b);
}

/* ---- single fields ------------------------------------------------------ */
static void test_varint(void **state) {
  static const uint64_t values[] = {0,          1,         127,       128,
                                    UINT32_MAX, INT64_MAX, UINT64_MAX};
  (void)state;

  for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
    uint8_t b[10];
    uint64_t v = 7;
    const size_t n = oq_wire_put_varint(b, values[i]);
    oq_cursor c = {b, b + n};
    assert_true(oq_wire_varint(&c, &v));
    assert_true(v == values[i]);
    assert_ptr_equal(c.p, c.end);
    c = (oq_cursor){b, b + n - 1};
    assert_false(oq_wire_varint(&c, &v));
  }
  /* Longer than needed is allowed; more than 64 bits is not. */
  const uint8_t padded[] = {0x81, 0x80, 0x00};
  const uint8_t wide[] = {0xff, 0xff, 0xff, 0xff, 0xff,
                          0xff, 0xff, 0xff, 0xff, 0x02};
  const uint8_t endless[] = {0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
                             0x80, 0x80, 0x80, 0x80, 0x01};
  uint64_t v;
  oq_cursor c = {padded, padded + sizeof padded};
  assert_true(oq_wire_varint(&c, &v));
  assert_true(v == 1);
  c = (oq_cursor){wide, wide + sizeof wide};
  assert_false(oq_wire_varint(&c, &v));
  c = (oq_cursor){endless, endless + sizeof endless};
  assert_false(oq_wire_varint(&c, &v));
}

static bool is_field(const char *bytes, size_t n) {
  oq_cursor c = {(const uint8_t *)bytes, (const uint8_t *)bytes + n};
  oq_field f;

  return oq_wire_next(&f, &c) == NULL && c.p == c.end;
}

static void test_fields(void **state) {
  (void)state;
  assert_true(is_field("\x08\x01", 2));
  assert_true(is_field("\x09\x01\x02\x03\x04\x05\x06\x07\x08", 9));
  assert_true(is_field("\x0d\x01\x02\x03\x04", 5));
  assert_true(is_field("\x0a\x01\x02", 3));
  assert_true(is_field("\x0a\x00", 2));
  assert_false(is_field("\x08", 1));         /* no value */
  assert_false(is_field("\x09\x01", 2));     /* 64 bits cut off */
  assert_false(is_field("\x0d\x01", 2));     /* 32 bits cut off */
  assert_false(is_field("\x0a\x02\x00", 3)); /* length beyond the end */
  assert_false(is_field("\x0a", 1));         /* no length */
  assert_false(is_field("\x00\x01", 2));     /* field 0 */
  assert_false(is_field("\x0b\x0c", 2));     /* groups */
  assert_false(is_field("\x0c", 1));
  assert_false(is_field("\x0e\x01", 2)); /* wire types 6 and 7 */
  assert_false(is_field("\x0f\x01", 2));
  assert_false(is_field("\x0a\xff\xff\xff\xff\x0f", 6));     /* 4 GiB */
  assert_false(is_field("\x88\x80\x80\x80\x80\x01\x01", 7)); /* number */
}

/* ---- refusals ----------------------------------------------------------- */
static void test_wrong_wire_type(void **state) {
  fixture *f = *state;
  pb b = {0};

  pb_text(&b, 1, "ir_version is a number");
  expect(f, b, OQ_E_FORMAT, "onnx.wire_type");
}

static void test_place_of_finding(void **state) {
  fixture *f = *state;
  pb node = pb_node("Relu", "x", "y"), attr = {0};

  pb_text(&attr, 1, "a");
  pb_byte(&attr, 0x2a); /* field t, and no length */
  pb_msg(&node, 5, attr);
  pb b = pb_model(pb_graph(node));
  assert_int_equal(walk_model(f, &b), OQ_E_FORMAT);
  const oq_diag *d = oq_diags_at(f->env.diags, 0);
  assert_string_equal(d->id, "onnx.wire");
  assert_non_null(strstr(d->text, "graph.node[0].attribute[0]: "));
  assert_int_equal(b.p[d->offset], 0x2a);
  pb_free(&b);
}

static void test_truncation(void **state) {
  fixture *f = *state;
  pb node = pb_node("Relu", "x", "y");
  pb g = pb_graph(node);

  pb_msg(&g, 5, pb_tensor("w", (float[]){1, 2, 3}, 3));
  pb b = pb_model(g);
  const size_t n = b.n;
  for (b.n = 0; b.n < n; b.n++) {
    const oq_status s = walk_model(f, &b);
    /* A cut between two fields leaves a sound, if poor, message. */
    assert_true(s == OQ_OK || s == OQ_E_FORMAT);
  }
  assert_int_equal(walk_model(f, &b), OQ_OK);
  pb_free(&b);
}

/* A model with a type nested so that the innermost message is at `depth`. */
static pb nested_type(unsigned depth) {
  pb inner = {0}, info = {0}, g = {0}, model = {0};

  /* model 0, graph 1, input 2, type 3; then sequence and type in turn. */
  for (unsigned d = depth; d > 3; d--) {
    pb outer = {0};
    pb_msg(&outer, d % 2 == 0 ? 4 : 1, inner);
    inner = outer;
  }
  pb_text(&info, 1, "x");
  pb_msg(&info, 2, inner);
  pb_msg(&g, 11, info);
  pb_msg(&model, 7, g);
  return model;
}

static void test_message_depth(void **state) {
  fixture *f = *state;

  expect(f, nested_type(OQ_MAX_MESSAGE_DEPTH), OQ_OK, NULL);
  expect(f, nested_type(OQ_MAX_MESSAGE_DEPTH + 1), OQ_E_LIMIT,
         "limit.message_depth");
  expect(f, nested_type(3000), OQ_E_LIMIT, "limit.message_depth");
}

static pb nested_graphs(unsigned n) {
  pb g = {0};

  for (unsigned i = 1; i < n; i++) {
    pb attr = {0}, node = {0}, outer = {0};
    pb_text(&attr, 1, "body");
    pb_msg(&attr, 6, g);
    pb_int(&attr, 20, 5);
    pb_text(&node, 4, "If");
    pb_msg(&node, 5, attr);
    pb_msg(&outer, 1, node);
    g = outer;
  }
  return pb_model(g);
}

static void test_graph_depth(void **state) {
  fixture *f = *state;

  expect(f, nested_graphs(OQ_MAX_GRAPH_DEPTH), OQ_OK, NULL);
  expect(f, nested_graphs(OQ_MAX_GRAPH_DEPTH + 1), OQ_E_LIMIT,
         "limit.graph_depth");
  f->env.limits.max_graph_depth = 2;
  expect(f, nested_graphs(2), OQ_OK, NULL);
  expect(f, nested_graphs(3), OQ_E_LIMIT, "limit.graph_depth");
}

static pb model_with_name(const char *name, size_t n, uint32_t number) {
  pb node = {0}, g = {0};

  pb_bytes(&node, number, name, n);
  pb_msg(&g, 1, node);
  return pb_model(g);
}

static void test_names(void **state) {
  fixture *f = *state;
  char *longest = malloc(OQ_MAX_NAME + 1);

  assert_non_null(longest);
  memset(longest, 'n', OQ_MAX_NAME + 1);
  expect(f, model_with_name("a\0b", 3, 3), OQ_E_FORMAT, "onnx.nul");
  expect(f, model_with_name("a\0b", 3, 1), OQ_E_FORMAT, "onnx.nul");
  expect(f, model_with_name("a\0b", 3, 6), OQ_OK, NULL); /* doc_string */
  expect(f, model_with_name(longest, OQ_MAX_NAME, 3), OQ_OK, NULL);
  expect(f, model_with_name(longest, OQ_MAX_NAME + 1, 3), OQ_E_LIMIT,
         "limit.name");
  free(longest);
}

static void test_counts(void **state) {
  fixture *f = *state;
  pb g = {0};

  for (int i = 0; i < 3; i++) pb_msg(&g, 1, pb_node("Relu", "x", "y"));
  pb b = pb_model(g);
  f->env.limits.max_nodes = 3;
  assert_int_equal(walk_model(f, &b), OQ_OK);
  f->env.limits.max_nodes = 2;
  expect(f, b, OQ_E_LIMIT, "limit.nodes");

  f->env.limits.max_nodes = 1000;
  pb node = {0};
  for (int i = 0; i < OQ_MAX_PORTS; i++) pb_text(&node, 1, "x");
  pb more = {0};
  pb_raw(&more, node.p, node.n);
  pb_text(&more, 1, "x");
  pb one = {0}, two = {0};
  pb_msg(&one, 1, node);
  pb_msg(&two, 1, more);
  expect(f, pb_model(one), OQ_OK, NULL);
  expect(f, pb_model(two), OQ_E_LIMIT, "limit.ports");
}

/* 2 bytes each in the file, some 400 in memory. */
static void test_empty_messages(void **state) {
  fixture *f = *state;
  pb node = {0}, g = {0};

  for (int i = 0; i < 1000000; i++) pb_raw(&node, "\x2a", 2);
  pb_msg(&g, 1, node);
  expect(f, pb_model(g), OQ_E_LIMIT, "limit.decode");
}

/* Refused before a byte of it is looked at. */
static void test_file_size(void **state) {
  fixture *f = *state;
  pb b = {0};

  pb_int(&b, 1, 8);
  const size_t n = b.n;
  b.n = (size_t)INT32_MAX + 1;
  assert_int_equal(walk_model(f, &b), OQ_E_LIMIT);
  assert_string_equal(test_env_last(&f->env), "limit.model");
  b.n = n;
  expect(f, b, OQ_OK, NULL);
}

/* ---- meaning ------------------------------------------------------------ */
static Oqpb__ModelProto *unpack_slim(fixture *f) {
  Oqpb__ModelProto *m =
      oqpb__model_proto__unpack(NULL, f->slim.bytes.n, f->slim.bytes.p);

  assert_non_null(m);
  return m;
}

/* Scalars: the last counts.  Messages: merged.  Repeated: in order. */
static void test_duplicates(void **state) {
  fixture *f = *state;
  pb a = {0}, b = {0}, model = {0};

  pb_msg(&a, 1, pb_node("Relu", "x", "y"));
  pb_text(&a, 2, "first");
  pb_msg(&b, 1, pb_node("Abs", "y", "z"));
  pb_text(&b, 2, "second");
  pb_int(&model, 1, 3);
  pb_msg(&model, 7, a);
  pb_int(&model, 1, 8);
  pb_msg(&model, 7, b);
  assert_int_equal(walk_model(f, &model), OQ_OK);
  Oqpb__ModelProto *m = unpack_slim(f);
  assert_int_equal(m->ir_version, 8);
  assert_int_equal(m->graph->n_node, 2);
  assert_string_equal(m->graph->node[0]->op_type, "Relu");
  assert_string_equal(m->graph->node[1]->op_type, "Abs");
  assert_string_equal(m->graph->name, "second");
  oqpb__model_proto__free_unpacked(m, NULL);
  pb_free(&model);
}

/* protobuf-c itself needs quadratic time and memory here. */
static void test_many_duplicates(void **state) {
  fixture *f = *state;
  pb model = {0};

  for (int i = 0; i < 50000; i++) {
    pb g = {0};
    pb_msg(&g, 1, pb_node("Relu", "x", "y"));
    pb_msg(&model, 7, g);
  }
  assert_int_equal(walk_model(f, &model), OQ_OK);
  Oqpb__ModelProto *m = unpack_slim(f);
  assert_int_equal(m->graph->n_node, 50000);
  oqpb__model_proto__free_unpacked(m, NULL);
  pb_free(&model);
}

/* tensor, sequence, tensor: the sequence wiped the first tensor out. */
static void test_oneof(void **state) {
  fixture *f = *state;
  pb type = {0}, t1 = {0}, t2 = {0}, seq = {0}, info = {0}, g = {0};

  pb_int(&t1, 1, 7);
  pb_msg(&type, 1, t1);
  pb_msg(&type, 4, seq);
  pb_msg(&t2, 2, (pb){0});
  pb_msg(&type, 1, t2);
  pb_text(&info, 1, "x");
  pb_msg(&info, 2, type);
  pb_msg(&g, 11, info);
  pb b = pb_model(g);
  assert_int_equal(walk_model(f, &b), OQ_OK);
  Oqpb__ModelProto *m = unpack_slim(f);
  const Oqpb__TypeProto *p = m->graph->input[0]->type;
  assert_int_equal(p->value_case, OQPB__TYPE_PROTO__VALUE_TENSOR_TYPE);
  assert_false(p->tensor_type->has_elem_type);
  assert_non_null(p->tensor_type->shape);
  oqpb__model_proto__free_unpacked(m, NULL);
  pb_free(&b);
}

/* ---- payloads ----------------------------------------------------------- */
static const oq_payload *payload(fixture *f, pb *t) {
  assert_int_equal(slim_of(f, &oqpb__tensor_proto__descriptor, t), OQ_OK);
  assert_int_equal(f->slim.n_payloads, 1);
  return &f->slim.payloads[0];
}

static bool in_file(const pb *t, oq_span s) {
  return s.p >= t->p && s.p + s.n <= t->p + t->n;
}

static void test_payload_raw(void **state) {
  fixture *f = *state;
  pb t = pb_tensor("w", (float[]){1, 2}, 2);

  pb_bytes(&t, 9, "last one", 8);
  const oq_payload *p = payload(f, &t);
  assert_int_equal(p->encoding, OQ_ENC_RAW);
  assert_int_equal(p->bytes.n, 8);
  assert_memory_equal(p->bytes.p, "last one", 8);
  assert_true(in_file(&t, p->bytes));
  pb_free(&t);
}

static void test_payload_typed(void **state) {
  fixture *f = *state;
  pb t = {0};

  pb_bytes(&t, 7, "\x01\x02\x96\x01", 4);
  const oq_payload *p = payload(f, &t);
  assert_int_equal(p->encoding, OQ_ENC_TYPED);
  assert_int_equal(p->field, 7);
  assert_int_equal(p->bytes.n, 4);
  assert_true(in_file(&t, p->bytes) && !p->joined);

  /* A second chunk, and a number on its own: all in one. */
  pb_int(&t, 7, 5);
  pb_bytes(&t, 7, "\x06", 1);
  p = payload(f, &t);
  assert_int_equal(p->encoding, OQ_ENC_TYPED);
  assert_true(p->joined);
  assert_int_equal(p->bytes.n, 6);
  assert_memory_equal(p->bytes.p, "\x01\x02\x96\x01\x05\x06", 6);
  pb_free(&t);
}

static void test_payload_unpacked(void **state) {
  fixture *f = *state;
  pb t = {0};

  pb_int(&t, 2, 6);
  for (int i = 0; i < 3; i++) pb_int(&t, 5, i);
  const oq_payload *p = payload(f, &t);
  assert_int_equal(p->encoding, OQ_ENC_UNPACKED);
  assert_int_equal(p->bytes.n, 6);
  assert_true(in_file(&t, p->bytes) && !p->joined);
  pb_free(&t);
}

static void test_payload_strings(void **state) {
  fixture *f = *state;
  pb t = {0};

  pb_text(&t, 6, "ab");
  pb_text(&t, 6, "");
  const oq_payload *p = payload(f, &t);
  assert_int_equal(p->encoding, OQ_ENC_STRINGS);
  assert_int_equal(p->bytes.n, 6);
  assert_false(p->joined);

  pb_int(&t, 2, 8); /* something between them */
  pb_text(&t, 6, "c");
  p = payload(f, &t);
  assert_true(p->joined);
  assert_memory_equal(p->bytes.p,
                      "\x32\x02"
                      "ab"
                      "\x32\x00\x32\x01"
                      "c",
                      9);
  pb_free(&t);
}

static void test_payload_twice(void **state) {
  fixture *f = *state;
  pb t = pb_tensor("w", (float[]){1}, 1);

  pb_float(&t, 4, 1);
  assert_int_equal(slim_of(f, &oqpb__tensor_proto__descriptor, &t), OQ_E_MODEL);
  assert_string_equal(test_env_last(&f->env), "tensor.payload");
  pb_free(&t);
}

/* An empty field beside the numbers says nothing, but is kept. */
static void test_payload_empty(void **state) {
  fixture *f = *state;
  pb t = {0};

  pb_bytes(&t, 9, "", 0);
  pb_float(&t, 4, 1);
  const oq_payload *p = payload(f, &t);
  assert_int_equal(p->encoding, OQ_ENC_UNPACKED);
  assert_int_equal(f->slim.n_extras, 1);
  assert_int_equal(f->slim.extras[0]->size, 2);
  assert_memory_equal(f->slim.extras[0]->bytes, "\x4a", 2);
  pb_free(&t);
}

/* ---- what has no place in the graph ------------------------------------- */
static void test_extras(void **state) {
  fixture *f = *state;
  pb b = {0}, want = {0};

  pb_int(&b, 1, 8);
  pb_text(&b, 4, "org.example");
  pb_int(&b, 5, 3);
  pb_text(&b, 6, "doc");
  assert_int_equal(walk_model(f, &b), OQ_OK);
  assert_int_equal(f->slim.n_extras, 1);
  assert_ptr_equal(f->slim.extras[0]->bytes, b.p + 2); /* not copied */
  assert_int_equal(f->slim.extras[0]->size, b.n - 2);

  pb_int(&b, 1, 9);
  pb_bytes(&b, 4000, "future", 6);
  pb_text(&b, 2, "");
  pb_raw(&want, f->slim.extras[0]->bytes, f->slim.extras[0]->size);
  pb_bytes(&want, 4000, "future", 6);
  pb_text(&want, 2, "");
  assert_int_equal(walk_model(f, &b), OQ_OK);
  assert_int_equal(f->slim.extras[0]->size, want.n);
  assert_memory_equal(f->slim.extras[0]->bytes, want.p, want.n);
  pb_free(&b);
  pb_free(&want);
}

/* Structure is checked there too. */
static void test_extras_are_checked(void **state) {
  fixture *f = *state;
  pb b = {0}, function = {0}, node = {0};

  pb_bytes(&node, 3, "a\0b", 3);
  pb_msg(&function, 7, node);
  pb_msg(&b, 25, function);
  expect(f, b, OQ_E_FORMAT, "onnx.nul");

  pb deep = {0}, model = {0}, fun = {0}, info = {0};
  for (int i = 0; i < 200; i++) {
    pb outer = {0};
    pb_msg(&outer, i % 2 != 0 ? 4 : 1, deep);
    deep = outer;
  }
  pb_msg(&info, 2, deep);
  pb_msg(&fun, 12, info);
  pb_msg(&model, 25, fun);
  expect(f, model, OQ_E_LIMIT, "limit.message_depth");
}

/* ---- the slim copy against protobuf-c ----------------------------------- */
static uint64_t next_random(uint64_t *s) {
  *s ^= *s << 13;
  *s ^= *s >> 7;
  return *s ^= *s << 17;
}

/* What the walk lets through, protobuf-c can read; and it ends. */
static void test_mutations(void **state) {
  fixture *f = *state;
  pb node = pb_node("Relu", "x", "y"), attr = {0};

  pb_text(&attr, 1, "alpha");
  pb_float(&attr, 2, 0.5f);
  pb_int(&attr, 20, 1);
  pb_msg(&node, 5, attr);
  pb g = pb_graph(node);
  pb_msg(&g, 5, pb_tensor("w", (float[]){1, 2, 3}, 3));
  pb b = pb_model(g);
  uint64_t seed = 88172645463325252u;
  unsigned passed = 0;
  for (int i = 0; i < 20000; i++) {
    const oq_mark mark = oq_arena_mark(f->env.scratch);
    const size_t at = next_random(&seed) % b.n;
    const uint8_t old = b.p[at];
    b.p[at] = (uint8_t)next_random(&seed);
    if (walk_model(f, &b) == OQ_OK) {
      oqpb__model_proto__free_unpacked(unpack_slim(f), NULL);
      passed++;
    }
    b.p[at] = old;
    oq_arena_rewind(f->env.scratch, mark);
  }
  assert_true(passed > 100 && passed < 19000);
  pb_free(&b);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      T(test_varint),           T(test_fields),
      T(test_wrong_wire_type),  T(test_place_of_finding),
      T(test_truncation),       T(test_message_depth),
      T(test_graph_depth),      T(test_names),
      T(test_counts),           T(test_empty_messages),
      T(test_file_size),        T(test_duplicates),
      T(test_many_duplicates),  T(test_oneof),
      T(test_payload_raw),      T(test_payload_typed),
      T(test_payload_unpacked), T(test_payload_strings),
      T(test_payload_twice),    T(test_payload_empty),
      T(test_extras),           T(test_extras_are_checked),
      T(test_mutations),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* unit/wire_build.h - protobuf bytes by hand, right and wrong ones. */
#ifndef TEST_WIRE_BUILD_H
#define TEST_WIRE_BUILD_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct pb {
  uint8_t *p;
  size_t n, cap;
} pb;

static inline void pb_raw(pb *b, const void *p, size_t n) {
  if (n > b->cap - b->n) {
    b->cap = 2 * (b->n + n) + 64;
    b->p = realloc(b->p, b->cap);
    if (b->p == NULL) abort();
  }
  if (n != 0) memcpy(b->p + b->n, p, n);
  b->n += n;
}

static inline void pb_byte(pb *b, uint8_t v) { pb_raw(b, &v, 1); }

static inline void pb_varint(pb *b, uint64_t v) {
  for (; v >= 0x80; v >>= 7) pb_byte(b, (uint8_t)(v | 0x80));
  pb_byte(b, (uint8_t)v);
}

static inline void pb_tag(pb *b, uint32_t number, uint32_t wire) {
  pb_varint(b, (uint64_t)number << 3 | wire);
}

static inline void pb_int(pb *b, uint32_t number, int64_t v) {
  pb_tag(b, number, 0);
  pb_varint(b, (uint64_t)v);
}

static inline void pb_float(pb *b, uint32_t number, float v) {
  pb_tag(b, number, 5);
  pb_raw(b, &v, sizeof v);
}

static inline void pb_bytes(pb *b, uint32_t number, const void *p, size_t n) {
  pb_tag(b, number, 2);
  pb_varint(b, n);
  pb_raw(b, p, n);
}

static inline void pb_text(pb *b, uint32_t number, const char *text) {
  pb_bytes(b, number, text, strlen(text));
}

static inline void pb_free(pb *b) {
  free(b->p);
  *b = (pb){0};
}

/* Consumes `inner`. */
static inline void pb_msg(pb *b, uint32_t number, pb inner) {
  pb_bytes(b, number, inner.p, inner.n);
  pb_free(&inner);
}

/* ---- pieces of ONNX ----------------------------------------------------- */
/* ValueInfoProto of a float tensor; `dim` 0 ends. */
static inline pb pb_info(const char *name, const int64_t *dim) {
  pb info = {0}, type = {0}, tensor = {0}, shape = {0};

  for (; *dim != 0; dim++) {
    pb d = {0};
    pb_int(&d, 1, *dim);
    pb_msg(&shape, 1, d);
  }
  pb_int(&tensor, 1, 1);
  pb_msg(&tensor, 2, shape);
  pb_msg(&type, 1, tensor);
  pb_text(&info, 1, name);
  pb_msg(&info, 2, type);
  return info;
}

/* NodeProto with one input and one output. */
static inline pb pb_node(const char *op, const char *in, const char *out) {
  pb node = {0};

  pb_text(&node, 1, in);
  pb_text(&node, 2, out);
  pb_text(&node, 4, op);
  return node;
}

/* TensorProto: FLOAT, one dimension, raw. */
static inline pb pb_tensor(const char *name, const float *v, size_t n) {
  pb t = {0};

  pb_int(&t, 1, (int64_t)n);
  pb_int(&t, 2, 1);
  pb_text(&t, 8, name);
  pb_bytes(&t, 9, v, n * sizeof *v);
  return t;
}

/* ModelProto around a graph, which is consumed. */
static inline pb pb_model(pb graph) {
  pb model = {0}, opset = {0};

  pb_text(&opset, 1, "");
  pb_int(&opset, 2, 17);
  pb_int(&model, 1, 8);
  pb_msg(&model, 7, graph);
  pb_msg(&model, 8, opset);
  return model;
}

/* A graph x -> y by way of `node` (consumed); initializers go between. */
static inline pb pb_graph_open(pb node) {
  pb g = {0};

  pb_msg(&g, 1, node);
  pb_text(&g, 2, "g");
  return g;
}

static inline pb pb_graph_close(pb g) {
  pb_msg(&g, 11, pb_info("x", (int64_t[]){2, 0}));
  pb_msg(&g, 12, pb_info("y", (int64_t[]){2, 0}));
  return g;
}

static inline pb pb_graph(pb node) {
  return pb_graph_close(pb_graph_open(node));
}

#endif

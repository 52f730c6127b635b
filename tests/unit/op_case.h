/* op_case.h - one operator on given inputs, in a few lines:
 *
 *   op_case c;
 *   case_open(&c, 13);
 *   case_f32(&c, "1,3", (float[]){1, 2, 3});
 *   case_run(&c, "Softmax", 1, "axis=1");
 *   case_is_f32(&c, 0, "1,3", (float[]){...}, 1e-6f);
 *   case_close(&c);
 *
 * and what its shape rule says of types that are only partly known:
 *
 *   infers(13, "Concat", "axis=1", "N,3;N,?", "N,?");
 */
#ifndef TEST_OP_CASE_H
#define TEST_OP_CASE_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "exec/exec.h"
#include "kern/kern.h"
#include "support/build.h"
#include "support/env.h"

enum { CASE_IN = 8, CASE_OUT = 4 };

typedef struct op_case {
  test_env t;
  build b;
  oq_arena *arena;
  oq_tensor in[CASE_IN];
  bool present[CASE_IN];
  uint32_t n_in, n_out;
  oq_tensor out[CASE_OUT];
} op_case;

static inline void case_open(op_case *c, int64_t opset) {
  memset(c, 0, sizeof *c);
  assert_true(test_env_open(&c->t, NULL));
  c->t.e.kernels = oq_kernels_find("auto");
  build_open(&c->b, &c->t.e, opset);
  assert_int_equal(oq_arena_create(&c->arena, &c->t.alloc, 0), OQ_OK);
}

static inline void case_close(op_case *c) {
  oq_arena_destroy(c->arena);
  build_close(&c->b);
  test_env_close(&c->t);
}

/* "2,3" -> {2, {2, 3}}; "" is a scalar. */
static inline oq_shape shape_text(const char *text) {
  oq_shape s = {.rank = 0};

  while (*text != 0) {
    char *end;
    s.dim[s.rank++] = strtoll(text, &end, 10);
    text = *end == ',' ? end + 1 : end;
  }
  return s;
}

static inline oq_tensor *case_next(op_case *c, oq_dtype t, const char *shape) {
  const oq_shape s = shape_text(shape);

  assert_true(c->n_in < CASE_IN);
  c->present[c->n_in] = true;
  assert_int_equal(oq_tensor_make(&c->in[c->n_in], t, &s, c->arena), OQ_OK);
  return &c->in[c->n_in++];
}

/* The bytes as they lie in memory. */
static inline void case_in(op_case *c, oq_dtype t, const char *shape,
                           const void *data) {
  oq_tensor *const to = case_next(c, t, shape);

  if (data != NULL && to->size > 0) memcpy(to->data, data, to->size);
}
static inline void case_f32(op_case *c, const char *shape, const float *v) {
  case_in(c, OQ_DT_F32, shape, v);
}
static inline void case_i64(op_case *c, const char *shape, const int64_t *v) {
  case_in(c, OQ_DT_I64, shape, v);
}
static inline void case_absent(op_case *c) { c->n_in++; }

/* Numbers of a fixed sequence in -1 .. 1, exact in every float type. */
static inline void case_numbers(op_case *c, oq_dtype t, const char *shape,
                                uint32_t seed) {
  oq_tensor *const to = case_next(c, t, shape);
  const oq_ctensor v = oq_tensor_const(to);
  const size_t n = oq_tensor_count(&v);

  for (size_t i = 0; i < n; i++) {
    seed = seed * 1664525u + 1013904223u;
    oq_element_set_f64(to, i, (double)((int)(seed >> 24) - 128) / 128.0);
  }
}

static inline oq_node_id case_node(op_case *c, const char *op, uint32_t n_out,
                                   const char *attrs) {
  char in[64] = "", out[64] = "", name[16];

  for (uint32_t i = 0; i < c->n_in; i++) {
    (void)snprintf(name, sizeof name, "i%u", i);
    if (c->present[i]) build_input(&c->b, name, c->in[i].dtype, "*");
    (void)snprintf(in + strlen(in), sizeof in - strlen(in), "%s%s",
                   i == 0 ? "" : " ", c->present[i] ? name : "_");
  }
  for (uint32_t i = 0; i < n_out; i++)
    (void)snprintf(out + strlen(out), sizeof out - strlen(out), "%so%u",
                   i == 0 ? "" : " ", i);
  c->n_out = n_out;
  return build_node(&c->b, op, in, out, attrs);
}

/* Of binding or running, whichever fails first. */
static inline oq_status case_try(op_case *c, const char *op, uint32_t n_out,
                                 const char *attrs) {
  const oq_node_id n = case_node(c, op, n_out, attrs);
  oq_ctensor views[CASE_IN];
  const oq_ctensor *in[CASE_IN] = {NULL};

  assert_int_equal(c->b.status, OQ_OK);
  build_bind(&c->b);
  if (c->b.status != OQ_OK) return c->b.status;
  for (uint32_t i = 0; i < c->n_in; i++) {
    if (!c->present[i]) continue;
    views[i] = oq_tensor_const(&c->in[i]);
    in[i] = &views[i];
  }
  return oq_exec_node(c->out, c->b.g, n, in, c->arena, &c->t.e);
}

static inline void case_run(op_case *c, const char *op, uint32_t n_out,
                            const char *attrs) {
  const oq_status s = case_try(c, op, n_out, attrs);

  if (s != OQ_OK) test_env_show(&c->t);
  assert_int_equal(s, OQ_OK);
}

/* The operator refuses these inputs with this finding. */
static inline void case_refuses(op_case *c, const char *op, const char *attrs,
                                oq_status status, const char *id) {
  const oq_status s = case_try(c, op, 1, attrs);

  if (s != status || strcmp(test_env_last(&c->t), id) != 0)
    test_env_show(&c->t);
  assert_int_equal(s, status);
  assert_string_equal(test_env_last(&c->t), id);
  case_close(c);
}

/* ---- looking at outputs -------------------------------------------------- */
static inline void case_has_shape(const op_case *c, uint32_t i,
                                  const char *shape) {
  const oq_shape s = shape_text(shape);
  char got[96];

  oq_shape_print(got, sizeof got, c->out[i].shape.dim, c->out[i].shape.rank);
  if (!oq_shape_equal(&s, &c->out[i].shape))
    fail_msg("output %u has shape %s, expected [%s]", i, got, shape);
}

static inline void case_is(const op_case *c, uint32_t i, const char *shape,
                           const double *want, double tolerance) {
  case_has_shape(c, i, shape);
  const oq_ctensor t = oq_tensor_const(&c->out[i]);
  const size_t n = oq_tensor_count(&t);
  for (size_t k = 0; k < n; k++) {
    const double got = oq_element_f64(&t, k);
    if (isnan(want[k]) && isnan(got)) continue;
    if (!(got == want[k] || fabs(got - want[k]) <= tolerance))
      fail_msg("output %u [%zu] is %.9g, expected %.9g", i, k, got, want[k]);
  }
}

static inline void case_is_f32(const op_case *c, uint32_t i, const char *shape,
                               const float *want, double tolerance) {
  const oq_shape s = shape_text(shape);
  size_t n;

  assert_int_equal(oq_shape_count(&n, &s), OQ_OK);
  assert_int_equal(c->out[i].dtype, OQ_DT_F32);
  double *const w = calloc(n + 1, sizeof *w);
  assert_non_null(w);
  for (size_t k = 0; k < n; k++) w[k] = (double)want[k];
  case_is(c, i, shape, w, tolerance);
  free(w);
}

static inline void case_is_i64(const op_case *c, uint32_t i, const char *shape,
                               const int64_t *want) {
  case_has_shape(c, i, shape);
  assert_int_equal(c->out[i].dtype, OQ_DT_I64);
  if (c->out[i].size > 0)
    assert_memory_equal(c->out[i].data, want, c->out[i].size);
}

/* ---- shape rules on types that are partly known -------------------------- */
static inline void print_type(char *out, size_t cap, const build *b,
                              const oq_type *t) {
  size_t n = 0;

  out[0] = 0;
  if (t == NULL || t->kind != OQ_TYPE_TENSOR || !t->has_rank) {
    (void)snprintf(out, cap, "*");
    return;
  }
  for (uint32_t i = 0; i < t->rank && n < cap; i++) {
    const oq_dim d = t->dim[i];
    n += (size_t)snprintf(out + n, cap - n, i == 0 ? "" : ",");
    if (d.size != OQ_DIM_UNKNOWN)
      n += (size_t)snprintf(out + n, cap - n, "%lld", (long long)d.size);
    else
      n += (size_t)snprintf(
          out + n, cap - n, "%s",
          d.symbol.i == 0 ? "?" : oq_names_text(b->ir->names, d.symbol));
  }
}

/* One input: "N,3" float32 of that shape; "i:2" int64 of unknown values;
 * "i=1,2" known ones; "f=1.5" floats; "s=1,2" an int64 scalar; "_" absent. */
static inline void infer_input(build *b, char *names, const char *text,
                               uint32_t i) {
  int64_t ints[16];
  float floats[16];
  uint32_t n = 0;
  char name[16], shape[16];

  (void)snprintf(name, sizeof name, "i%u", i);
  if (i > 0) (void)strcat(names, " ");
  (void)strcat(names, strcmp(text, "_") == 0 ? "_" : name);
  if (strcmp(text, "_") == 0) return;
  if (strncmp(text, "i:", 2) == 0) {
    build_input(b, name, OQ_DT_I64, text + 2);
    return;
  }
  if (text[0] == 0 || text[1] != '=') {
    build_input(b, name, OQ_DT_F32, text);
    return;
  }
  for (const char *p = text + 2; *p != 0;) {
    char *end;
    if (text[0] == 'f')
      floats[n++] = strtof(p, &end);
    else
      ints[n++] = strtoll(p, &end, 10);
    p = *end == ',' ? end + 1 : end;
  }
  (void)snprintf(shape, sizeof shape, "%u", n);
  if (text[0] == 'f')
    build_const_f32(b, name, shape, floats);
  else
    build_const_i64(b, name, text[0] == 's' ? "" : shape, ints);
}

/* Inputs and expected outputs parted by ';'. */
static inline void infers(int64_t opset, const char *op, const char *attrs,
                          const char *inputs, const char *expected) {
  test_env t;
  build b;
  const oq_type **types;
  char in[64] = "", out[64] = "", got[256] = "", part[96];
  uint32_t n_in = 0, n_out = 1;

  assert_true(test_env_open(&t, NULL));
  build_open(&b, &t.e, opset);
  for (const char *p = inputs;; p++) {
    const size_t n = strcspn(p, ";");
    assert_true(n < sizeof part);
    memcpy(part, p, n);
    part[n] = 0;
    infer_input(&b, in, part, n_in++);
    p += n;
    if (*p == 0) break;
  }
  for (const char *p = expected; *p != 0; p++) n_out += *p == ';';
  for (uint32_t i = 0; i < n_out; i++)
    (void)snprintf(out + strlen(out), sizeof out - strlen(out), "%so%u",
                   i == 0 ? "" : " ", i);
  build_node(&b, op, in, out, attrs);
  build_bind(&b);
  assert_int_equal(b.status, OQ_OK);
  assert_int_equal(oq_infer_types(&types, b.g, t.scratch, &t.e), OQ_OK);
  for (uint32_t i = 0; i < n_out; i++) {
    (void)snprintf(part, sizeof part, "o%u", i);
    const oq_value_id v = build_find(&b, part);
    print_type(part, sizeof part, &b, types[v.i]);
    (void)snprintf(got + strlen(got), sizeof got - strlen(got), "%s%s",
                   i == 0 ? "" : ";", part);
  }
  if (strcmp(got, expected) != 0)
    fail_msg("%s of %s: %s, expected %s", op, inputs, got, expected);
  build_close(&b);
  test_env_close(&t);
}

#endif

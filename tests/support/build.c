#include "support/build.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"
#include "onnx/codec.h"
#include "ops/op.h"

/* Description mistakes are the test's fault. */
static void wrong(const char *what, const char *text) {
  (void)fprintf(stderr, "test: %s: '%s'\n", what, text);
  fail();
}

static void keep(build *b, oq_status s) {
  if (b->status == OQ_OK) b->status = s;
}

static oq_name name_of(build *b, const char *p, size_t n) {
  oq_name y = {0};

  if (b->status == OQ_OK) keep(b, oq_names_add(b->ir->names, &y, p, n));
  return y;
}

void build_open(build *b, const oq_env *e, int64_t opset) {
  memset(b, 0, sizeof *b);
  b->e = e;
  keep(b, oq_ir_create(&b->ir, e->alloc));
  if (b->status != OQ_OK) return;
  b->ir->ir_version = 8;
  keep(b, oq_ir_add_graph(&b->g, b->ir, NULL, name_of(b, "test", 4)));
  if (b->status == OQ_OK) b->ir->main = b->g;
  build_opset(b, "", opset);
}

void build_close(build *b) {
  oq_ir_destroy(b->ir);
  b->ir = NULL;
}

void build_opset(build *b, const char *domain, int64_t version) {
  if (b->status == OQ_OK) keep(b, oq_edit_set_opset(b->ir, domain, version));
}

/* ---- words --------------------------------------------------------------- */
/* Takes the next piece of *p up to `sep`; false at the end. */
static bool word(const char **p, char sep, const char **w, size_t *n) {
  while (**p == sep) (*p)++;
  if (**p == '\0') return false;
  *w = *p;
  while (**p != '\0' && **p != sep) (*p)++;
  *n = (size_t)(*p - *w);
  return true;
}

static const oq_type *type_of(build *b, oq_dtype t, const char *shape) {
  oq_type *y = OQ_NEW(b->ir->arena, oq_type);
  const char *p = shape, *w;
  size_t n;

  if (y == NULL) {
    keep(b, OQ_E_MEMORY);
    return NULL;
  }
  y->kind = OQ_TYPE_TENSOR;
  y->dtype = t;
  y->has_rank = strcmp(shape, "*") != 0;
  while (y->has_rank && word(&p, ',', &w, &n)) {
    oq_dim *d = &y->dim[y->rank++];
    d->size = OQ_DIM_UNKNOWN;
    if (oq_text_parse_i64(&d->size, w, n) || (n == 1 && *w == '?')) continue;
    d->symbol = name_of(b, w, n);
  }
  return y;
}

/* ---- values -------------------------------------------------------------- */
static oq_value_id add_value(build *b, const char *p, size_t n,
                             oq_value_kind kind, const oq_type *t) {
  const oq_name name = name_of(b, p, n);
  oq_value_id v = {OQ_NONE};

  if (b->status == OQ_OK) keep(b, oq_edit_add_value(b->g, &v, kind, name, t));
  return v;
}

oq_value_id build_input(build *b, const char *name, oq_dtype t,
                        const char *shape) {
  oq_value_id v = {OQ_NONE};

  if (b->status != OQ_OK) return v;
  v = add_value(b, name, strlen(name), OQ_VALUE_INPUT, type_of(b, t, shape));
  if (b->n_inputs == 32) wrong("too many inputs", name);
  b->inputs[b->n_inputs++] = v;
  if (b->status == OQ_OK) {
    keep(b, oq_graph_set_inputs(b->g, b->inputs, b->n_inputs));
  }
  return v;
}

oq_value_id build_const(build *b, const char *name, oq_dtype t,
                        const char *shape, const void *data) {
  oq_ctensor c = {.dtype = t, .data = data};
  oq_value_id v = {OQ_NONE};

  if (b->status != OQ_OK) return v;
  const oq_type *type = type_of(b, t, shape);
  if (type == NULL) return v;
  if (!oq_type_shape(&c.shape, type) ||
      oq_shape_bytes(&c.size, &c.shape, (int32_t)t) != OQ_OK) {
    wrong("shape of a constant", shape);
  }
  keep(b, oq_edit_add_const(b->g, &v, name, &c));
  return v;
}

oq_value_id build_const_f32(build *b, const char *name, const char *shape,
                            const float *v) {
  return build_const(b, name, OQ_DT_F32, shape, v);
}

oq_value_id build_const_i64(build *b, const char *name, const char *shape,
                            const int64_t *v) {
  return build_const(b, name, OQ_DT_I64, shape, v);
}

oq_value_id build_find(const build *b, const char *name) {
  oq_name n;

  if (b->status != OQ_OK) return (oq_value_id){OQ_NONE};
  if (!oq_names_find(b->ir->names, &n, name, strlen(name))) {
    return (oq_value_id){OQ_NONE};
  }
  return oq_graph_find_value(b->g, n);
}

void build_output(build *b, const char *name) {
  const oq_value_id v = build_find(b, name);

  if (b->status != OQ_OK) return;
  if (!oq_value_ok(v)) wrong("no such value", name);
  keep(b, oq_edit_add_output(b->g, v));
}

/* ---- nodes --------------------------------------------------------------- */
enum { MOST = 64 };

/* The value of that name in `g`, or one that stands for it further out. */
static oq_value_id visible(build *b, oq_graph *g, oq_name name) {
  oq_value_id v = {OQ_NONE};

  if (b->status != OQ_OK) return v;
  v = oq_graph_find_value(g, name);
  if (oq_value_ok(v) || g->outer == NULL) return v;
  const oq_value_id of = visible(b, g->outer, name);
  if (oq_value_ok(of)) keep(b, oq_edit_add_outer(g, &v, of));
  return v;
}

static uint32_t values_of(build *b, oq_value_id *v, const char *names,
                          bool may_add) {
  const char *p = names, *w;
  uint32_t n = 0;
  size_t len;

  while (b->status == OQ_OK && word(&p, ' ', &w, &len)) {
    oq_name name = name_of(b, w, len);
    if (n == MOST) wrong("too many values", names);
    v[n] = (oq_value_id){OQ_NONE};
    if (len == 1 && *w == '_') {
      n++;
      continue;
    }
    v[n] = may_add && b->status == OQ_OK ? oq_graph_find_value(b->g, name)
                                         : visible(b, b->g, name);
    if (!oq_value_ok(v[n]) && may_add) {
      v[n] = add_value(b, w, len, OQ_VALUE_RESULT, NULL);
    }
    if (b->status == OQ_OK && !oq_value_ok(v[n])) wrong("no such value", w);
    n++;
  }
  return n;
}

static oq_status texts_attr(build *b, oq_attr *a, const char *key,
                            const char *p, size_t n) {
  oq_text text[MOST];
  uint32_t k = 0;

  for (size_t at = 1, end; at < n && p[at] != ']'; at = end + (p[end] == ',')) {
    for (end = at; p[end] != ',' && p[end] != ']' && end < n;) end++;
    if (k == MOST) wrong("attribute", p);
    const char *copy = oq_arena_copy_text(b->ir->arena, p + at, end - at);
    if (copy == NULL) return OQ_E_MEMORY;
    text[k++] = (oq_text){copy, end - at};
  }
  memset(a, 0, sizeof *a);
  OQ_TRY(oq_names_add_text(b->ir->names, &a->name, key));
  a->kind = OQ_ATTR_TEXTS;
  a->count = k;
  a->u.texts = OQ_COPY_N(b->ir->arena, oq_text, text, k);
  return a->u.texts != NULL ? OQ_OK : OQ_E_MEMORY;
}

static oq_status list_attr(build *b, oq_attr *a, const char *key, const char *p,
                           size_t n) {
  int64_t i64s[MOST];
  float f32s[MOST];
  uint32_t k = 0;
  bool ints = true;
  size_t at = 1, end;

  for (; at < n && p[at] != ']'; at = end + (p[end] == ',')) {
    double f = 0;
    for (end = at; p[end] != ',' && p[end] != ']' && end < n;) end++;
    if (k == MOST) wrong("attribute", p);
    if (!oq_text_parse_f64(&f, p + at, end - at)) {
      return texts_attr(b, a, key, p, n);
    }
    if (!oq_text_parse_i64(&i64s[k], p + at, end - at)) ints = false;
    f32s[k++] = (float)f;
  }
  if (ints) return oq_attr_i64s(b->ir, a, key, i64s, k);
  memset(a, 0, sizeof *a);
  OQ_TRY(oq_names_add_text(b->ir->names, &a->name, key));
  a->kind = OQ_ATTR_F32S;
  a->count = k;
  a->u.f32s = OQ_COPY_N(b->ir->arena, float, f32s, k);
  return a->u.f32s != NULL ? OQ_OK : OQ_E_MEMORY;
}

static oq_status body_attr(build *b, oq_attr *a, const char *key,
                           const char *name) {
  memset(a, 0, sizeof *a);
  OQ_TRY(oq_names_add_text(b->ir->names, &a->name, key));
  a->kind = OQ_ATTR_GRAPH;
  for (uint32_t i = 0; i < b->n_bodies; i++) {
    const oq_name is = b->bodies[i]->name;
    if (strcmp(oq_names_text(b->ir->names, is), name) != 0) continue;
    a->u.graph = b->bodies[i];
  }
  if (a->u.graph == NULL) wrong("no such body", name);
  return OQ_OK;
}

static oq_status one_attr(build *b, oq_attr *a, const char *w, size_t n) {
  const char *eq = memchr(w, '=', n);
  char key[64] = "", text[64] = "";
  int64_t i = 0;
  double f = 0;

  if (eq == NULL || eq - w >= 64) wrong("attribute", w);
  memcpy(key, w, (size_t)(eq - w));
  w = eq + 1;
  n -= strlen(key) + 1;
  if (n >= sizeof text && *w != '[') wrong("attribute", w);
  if (oq_text_parse_i64(&i, w, n)) return oq_attr_i64(b->ir, a, key, i);
  if (oq_text_parse_f64(&f, w, n)) {
    return oq_attr_f32(b->ir, a, key, (float)f);
  }
  if (*w == '[') return list_attr(b, a, key, w, n);
  memcpy(text, w, n);
  if (*text == '@') return body_attr(b, a, key, text + 1);
  return oq_attr_text(b->ir, a, key, text);
}

static const oq_attr *attrs_of(build *b, const char *attrs, uint32_t *n) {
  const char *p = attrs, *w;
  size_t len;
  oq_attr *a = OQ_NEW_N(b->ir->arena, oq_attr, MOST);

  *n = 0;
  if (a == NULL) keep(b, OQ_E_MEMORY);
  while (b->status == OQ_OK && word(&p, ' ', &w, &len)) {
    if (*n == MOST) wrong("too many attributes", attrs);
    keep(b, one_attr(b, &a[(*n)++], w, len));
  }
  return a;
}

oq_node_id build_node(build *b, const char *op, const char *in, const char *out,
                      const char *attrs) {
  oq_value_id ins[MOST], outs[MOST];
  oq_node_id id = {OQ_NONE};
  oq_node_spec s = {.in = ins, .out = outs};
  const char *colon = strchr(op, ':');

  if (b->status != OQ_OK) return id;
  s.domain = name_of(b, op, colon != NULL ? (size_t)(colon - op) : 0);
  op = colon != NULL ? colon + 1 : op;
  s.op = name_of(b, op, strlen(op));
  s.n_in = values_of(b, ins, in, false);
  s.n_out = values_of(b, outs, out, true);
  if (b->status != OQ_OK) return id;
  s.attrs = attrs_of(b, attrs, &s.n_attrs);
  if (b->status == OQ_OK) keep(b, oq_edit_add_node(b->g, &id, &s));
  return id;
}

/* ---- bodies -------------------------------------------------------------- */
void build_body(build *b, const char *name) {
  oq_graph *g = NULL;

  if (b->status != OQ_OK) return;
  if (b->depth == 4 || b->n_bodies == 32) wrong("too many bodies", name);
  keep(b, oq_ir_add_graph(&g, b->ir, b->g, name_of(b, name, strlen(name))));
  if (b->status != OQ_OK) return;
  memcpy(b->kept[b->depth], b->inputs, sizeof b->inputs);
  b->n_kept[b->depth++] = b->n_inputs;
  b->n_inputs = 0;
  b->bodies[b->n_bodies++] = g;
  b->g = g;
}

void build_body_end(build *b) {
  if (b->status != OQ_OK) return;
  b->g = b->g->outer;
  b->n_inputs = b->n_kept[--b->depth];
  memcpy(b->inputs, b->kept[b->depth], sizeof b->inputs);
}

void build_bind(build *b) {
  if (b->status == OQ_OK) keep(b, oq_ir_verify(b->ir, b->e));
  if (b->status == OQ_OK) keep(b, oq_ops_bind(b->ir, b->e));
}

/* ---- bytes --------------------------------------------------------------- */
typedef struct bytes {
  uint8_t *p;
  size_t n;
} bytes;

static oq_status append(void *user, const void *p, size_t n) {
  bytes *b = user;
  uint8_t *grown = realloc(b->p, b->n + n + 1);

  if (grown == NULL) return OQ_E_MEMORY;
  memcpy(grown + b->n, p, n);
  b->p = grown;
  b->n += n;
  return OQ_OK;
}

void *build_bytes(build *b, size_t *size) {
  bytes y = {NULL, 0};
  oq_sink *to = NULL;

  if (b->status == OQ_OK) {
    keep(b, oq_sink_open_call(&to, append, &y, b->e->alloc, b->e->diags));
  }
  if (b->status == OQ_OK) keep(b, oq_onnx_encode(b->ir, to, b->e));
  if (b->status == OQ_OK) keep(b, oq_sink_commit(to));
  oq_sink_close(to);
  build_close(b);
  if (b->status != OQ_OK) wrong("encoding", oq_status_name(b->status));
  *size = y.n;
  return y.p;
}

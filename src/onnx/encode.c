/* onnx/encode.c - a graph as ONNX bytes, straight to the sink: once to measure
 * the messages, once to write them.
 *
 * Not by protobuf_c_message_pack: that would put unknown fields behind all
 * others, always pack typed numbers, and want a second copy of them.  Here the
 * fields of a message go out in order of their numbers, those of the graph
 * merged with those kept as they came, which is how the official serialisers
 * write: an untouched model comes out byte for byte. */
#include "onnx/encode.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/limits.h"
#include "base/map.h"
#include "onnx/codec.h"

typedef struct writer {
  const oq_model_ir *m;
  oq_arena *arena;
  oq_sink *to;            /* both NULL: only measure */
  uint8_t *mem;           /* big enough */
  uint64_t at;            /* bytes so far */
  OQ_VEC(uint64_t) sizes; /* of all messages in order of their beginning */
  uint32_t next;          /* of these, when writing */
  bool measuring;
  const oq_placement *placed;
  oq_placement *placing;
  uint32_t n_consts, next_placed;
  bool no_memory;
} writer;

/* ---- bytes -------------------------------------------------------------- */
static void put(writer *w, const void *p, size_t n) {
  if (n == 0) return;
  if (w->to != NULL) (void)oq_sink_write(w->to, p, n); /* sticky */
  if (w->mem != NULL) memcpy(w->mem + w->at, p, n);
  w->at += n;
}

static void put_varint(writer *w, uint64_t v) {
  uint8_t b[10];

  put(w, b, oq_wire_put_varint(b, v));
}

static void put_tag(writer *w, uint32_t number, unsigned wire) {
  put_varint(w, (uint64_t)number << 3 | wire);
}

static void put_number(writer *w, uint32_t number, int64_t v) {
  put_tag(w, number, 0);
  put_varint(w, (uint64_t)v);
}

static void put_bytes(writer *w, uint32_t number, const void *p, size_t n) {
  put_tag(w, number, 2);
  put_varint(w, n);
  put(w, p, n);
}

static void put_text(writer *w, uint32_t number, const char *text) {
  put_bytes(w, number, text, strlen(text));
}

static void put_name(writer *w, uint32_t number, oq_name name) {
  put_text(w, number, oq_names_text(w->m->names, name));
}

static void put_f32(writer *w, uint32_t number, float v) {
  uint32_t bits;
  uint8_t b[4];

  memcpy(&bits, &v, sizeof bits);
  for (unsigned i = 0; i < 4; i++) b[i] = (uint8_t)(bits >> 8 * i);
  put_tag(w, number, 5);
  put(w, b, sizeof b);
}

typedef struct opened {
  uint32_t number, index;
  uint64_t from;
} opened;

static opened open_message(writer *w, uint32_t number) {
  opened o = {number, w->sizes.n, w->at};

  if (w->measuring) {
    if (!oq_vec_push(w->arena, &w->sizes, 0)) w->no_memory = true;
    return o;
  }
  put_tag(w, number, 2);
  put_varint(w, w->sizes.p[w->next++]);
  return o;
}

static void close_message(writer *w, opened o) {
  if (!w->measuring || w->no_memory) return;
  const uint64_t size = w->at - o.from;
  w->sizes.p[o.index] = size;
  put_tag(w, o.number, 2);
  put_varint(w, size);
}

/* ---- merging with what was kept ----------------------------------------- */
typedef struct merge {
  oq_cursor c;
  uint64_t drop; /* numbers that the graph has said itself */
} merge;

static merge merge_of(const oq_extra *x) {
  merge g = {{NULL, NULL}, 0};

  if (x != NULL) g.c = (oq_cursor){x->bytes, x->bytes + x->size};
  return g;
}

/* Writes what was kept up to and without field `number`. */
static void upto(writer *w, merge *g, uint32_t number) {
  while (g->c.p < g->c.end) {
    oq_cursor c = g->c;
    oq_field f;
    if (*c.p == 0) { /* a mark */
      g->c.p += 2;
      continue;
    }
    if (oq_wire_next(&f, &c) != NULL) { /* not from us; nothing to merge */
      g->c.p = g->c.end;
      return;
    }
    if (f.number >= number) return;
    g->c = c;
    if (f.number < 64 && (g->drop >> f.number & 1) != 0) continue;
    put(w, f.whole.p, f.whole.n);
  }
}

static void finish(writer *w, merge *g) { upto(w, g, UINT32_MAX); }

/* True if the graph says field `number`; where it says nothing but the default
 * the file may still have had the field. */
static bool says(writer *w, merge *g, uint32_t number, bool not_default) {
  if (not_default) {
    g->drop |= UINT64_C(1) << number;
    upto(w, g, number);
  } else {
    upto(w, g, number + 1);
  }
  return not_default;
}

static void merge_name(writer *w, merge *g, uint32_t number, oq_name name) {
  if (says(w, g, number, name.i != 0)) put_name(w, number, name);
}

static void merge_text(writer *w, merge *g, uint32_t number, oq_text text) {
  if (says(w, g, number, text.n != 0)) put_bytes(w, number, text.p, text.n);
}

static void merge_number(writer *w, merge *g, uint32_t number, int64_t v) {
  if (says(w, g, number, v != 0)) put_number(w, number, v);
}

static bool has_mark(const oq_extra *x, uint8_t mark) {
  oq_cursor c = {NULL, NULL};
  oq_field f;

  if (x != NULL) c = (oq_cursor){x->bytes, x->bytes + x->size};
  while (c.p < c.end) {
    if (*c.p == 0) {
      if (c.end - c.p >= 2 && c.p[1] == mark) return true;
      c.p += 2;
    } else if (oq_wire_next(&f, &c) != NULL) {
      break;
    }
  }
  return false;
}

/* ---- types -------------------------------------------------------------- */
static void put_dim(writer *w, const oq_dim *dim) {
  const opened o = open_message(w, 1);

  if (dim->size >= 0) {
    put_number(w, 1, dim->size);
  } else if (dim->symbol.i != 0) {
    put_name(w, 2, dim->symbol);
  }
  close_message(w, o);
}

static void put_tensor_type(writer *w, const oq_type *t) {
  const opened tensor = open_message(w, 1);

  put_number(w, 1, t->dtype);
  if (t->has_rank) {
    const opened shape = open_message(w, 2);
    for (uint32_t i = 0; i < t->rank; i++) put_dim(w, &t->dim[i]);
    close_message(w, shape);
  }
  close_message(w, tensor);
}

static void put_type(writer *w, uint32_t number, const oq_type *t) {
  if (t->raw == NULL && t->kind != OQ_TYPE_TENSOR) return;
  const opened o = open_message(w, number);
  if (t->raw != NULL) {
    put(w, t->raw->bytes, t->raw->size);
  } else {
    put_tensor_type(w, t);
  }
  close_message(w, o);
}

static void put_info(writer *w, uint32_t number, const oq_value *v) {
  const opened o = open_message(w, number);
  merge g = merge_of(v->info_extra);

  merge_name(w, &g, 1, v->name);
  if (v->type != NULL) {
    upto(w, &g, 2);
    put_type(w, 2, v->type);
  }
  finish(w, &g);
  close_message(w, o);
}

/* ---- constants ---------------------------------------------------------- */
static size_t raw_size(const oq_const *c) {
  oq_shape shape;
  size_t n;

  if (!oq_type_shape(&shape, c->type) ||
      oq_shape_bytes(&n, &shape, (int32_t)c->type->dtype) != OQ_OK) {
    return 0;
  }
  return n;
}

static void place(writer *w, const oq_const *c) {
  oq_placement *x = w->placing;
  const size_t size = raw_size(c);

  if (c->type->dtype == OQ_DT_STRING || size < x->at_least) return;
  const uint64_t offset = (x->size + x->align - 1) / x->align * x->align;
  x->size = offset + size;
  if (!oq_vec_push(w->arena, &x->list,
                   ((oq_placed){w->n_consts, c, offset, size}))) {
    w->no_memory = true;
  }
}

/* The place of the constant now being written; NULL if it stays. */
static const oq_placed *placed_now(writer *w) {
  const oq_placement *x = w->placed;

  if (x == NULL || w->next_placed == x->list.n ||
      x->list.p[w->next_placed].visit != w->n_consts) {
    return NULL;
  }
  return &x->list.p[w->next_placed++];
}

static void put_pair(writer *w, uint32_t number, const char *key,
                     const void *value, size_t n) {
  const opened o = open_message(w, number);

  put_text(w, 1, key);
  put_bytes(w, 2, value, n);
  close_message(w, o);
}

static void put_location(writer *w, const oq_placed *p) {
  char text[24];
  int n;

  put_pair(w, 13, "location", w->placed->location, strlen(w->placed->location));
  n = snprintf(text, sizeof text, "%llu", (unsigned long long)p->offset);
  put_pair(w, 13, "offset", text, (size_t)n);
  n = snprintf(text, sizeof text, "%zu", p->size);
  put_pair(w, 13, "length", text, (size_t)n);
}

static const uint8_t *blob_bytes(const oq_blob *b) {
  size_t n;

  return b->store != NULL ? oq_store_data(b->store, &n) + b->offset : NULL;
}

static void put_typed(writer *w, merge *g, const oq_blob *b) {
  const uint32_t number = b->encoding == OQ_ENC_STRINGS ? 6 : b->field;

  if (!says(w, g, number, b->size != 0)) return;
  if (b->encoding == OQ_ENC_TYPED) {
    put_bytes(w, number, blob_bytes(b), b->size);
  } else {
    put(w, blob_bytes(b), b->size);
  }
}

static bool is_before(const oq_blob *b, uint32_t number) {
  if (b == NULL || b->encoding == OQ_ENC_RAW) return false;
  return b->encoding == OQ_ENC_STRINGS || b->field < number;
}

/* Entries of external_data with keys of their own follow ours, but a checksum
 * was that of another file. */
static void put_other_entries(writer *w, const oq_extra *x) {
  oq_cursor c = {NULL, NULL};
  oq_field f, key;

  if (x != NULL) c = (oq_cursor){x->bytes, x->bytes + x->size};
  while (c.p < c.end) {
    if (oq_wire_next(&f, &c) != NULL) break;
    oq_cursor in = {f.value.p, f.value.p + f.value.n};
    if (f.number != 13 || in.p == in.end || oq_wire_next(&key, &in) != NULL) {
      continue;
    }
    if (key.value.n == 8 && memcmp(key.value.p, "checksum", 8) == 0) continue;
    put(w, f.whole.p, f.whole.n);
  }
}

static void put_const(writer *w, uint32_t number, const oq_const *c,
                      oq_name name) {
  const oq_placed *p = placed_now(w);
  const oq_blob *b = p == NULL ? c->blob : NULL;
  const opened o = open_message(w, number);
  merge g = merge_of(c->extra);

  if (w->placing != NULL) place(w, c);
  w->n_consts++;
  upto(w, &g, 1);
  for (uint32_t i = 0; i < c->type->rank; i++) {
    put_number(w, 1, c->type->dim[i].size);
  }
  merge_number(w, &g, 2, c->type->dtype);
  if (is_before(b, 8)) put_typed(w, &g, b);
  merge_name(w, &g, 8, name);
  if (b != NULL && b->encoding == OQ_ENC_RAW && says(w, &g, 9, b->size != 0)) {
    put_bytes(w, 9, blob_bytes(b), b->size);
  } else if (b != NULL && !is_before(b, 8)) {
    put_typed(w, &g, b);
  }
  if (p != NULL || (c->blob != NULL && c->blob->external)) {
    /* Only where the numbers are in another file. */
    g.drop |= UINT64_C(1) << 13 | UINT64_C(1) << 14;
  }
  if (p != NULL) {
    upto(w, &g, 13);
    put_location(w, p);
    put_other_entries(w, c->extra);
    put_number(w, 14, 1);
  }
  finish(w, &g);
  close_message(w, o);
}

/* ---- nodes -------------------------------------------------------------- */
static void put_graph(writer *w, uint32_t number, const oq_graph *g);

static void put_text_of(writer *w, uint32_t number, oq_text t) {
  put_bytes(w, number, t.p, t.n);
}

static void put_value(writer *w, const oq_attr *a) {
  switch (a->kind) {
    case OQ_ATTR_F32:
      put_f32(w, 2, a->u.f32);
      break;
    case OQ_ATTR_I64:
      put_number(w, 3, a->u.i64);
      break;
    case OQ_ATTR_TEXT:
      put_text_of(w, 4, a->u.text);
      break;
    case OQ_ATTR_TENSOR:
      put_const(w, 5, a->u.tensor, a->u.tensor->name);
      break;
    case OQ_ATTR_GRAPH:
      put_graph(w, 6, a->u.graph);
      break;
    case OQ_ATTR_F32S:
      for (uint32_t i = 0; i < a->count; i++) put_f32(w, 7, a->u.f32s[i]);
      break;
    case OQ_ATTR_I64S:
      for (uint32_t i = 0; i < a->count; i++) put_number(w, 8, a->u.i64s[i]);
      break;
    case OQ_ATTR_TEXTS:
      for (uint32_t i = 0; i < a->count; i++) put_text_of(w, 9, a->u.texts[i]);
      break;
    case OQ_ATTR_TENSORS:
      for (uint32_t i = 0; i < a->count; i++) {
        put_const(w, 10, a->u.tensors[i], a->u.tensors[i]->name);
      }
      break;
    case OQ_ATTR_GRAPHS:
      for (uint32_t i = 0; i < a->count; i++) put_graph(w, 11, a->u.graphs[i]);
      break;
    case OQ_ATTR_NONE:
    case OQ_ATTR_SPARSE:
    case OQ_ATTR_SPARSES:
    case OQ_ATTR_TYPE:
    case OQ_ATTR_TYPES:
      break;
  }
}

/* Number of the field with the value of an attribute. */
static uint32_t value_field(oq_attr_kind kind) {
  static const uint8_t field[] = {0, 2,  3,  4,  5,  6,  7, 8,
                                  9, 10, 11, 22, 23, 14, 15};

  return (size_t)kind < sizeof field ? field[kind] : 0;
}

static void put_raw_value(writer *w, merge *g, const oq_attr *a) {
  if (a->u.raw == NULL) return;
  upto(w, g, value_field(a->kind));
  put(w, a->u.raw->bytes, a->u.raw->size);
}

static void put_attr(writer *w, const oq_attr *a) {
  const opened o = open_message(w, 5);
  merge g = merge_of(a->extra);
  const bool is_raw = a->kind >= OQ_ATTR_SPARSE;

  merge_name(w, &g, 1, a->name);
  if (a->kind != OQ_ATTR_NONE && !is_raw &&
      !has_mark(a->extra, OQ_MARK_NO_VALUE)) {
    upto(w, &g, value_field(a->kind));
    put_value(w, a);
  }
  if (is_raw && value_field(a->kind) < 20) put_raw_value(w, &g, a);
  if (a->kind != OQ_ATTR_NONE && !has_mark(a->extra, OQ_MARK_NO_TYPE)) {
    merge_number(w, &g, 20, (int64_t)a->kind);
  }
  merge_name(w, &g, 21, a->ref);
  if (is_raw && value_field(a->kind) > 20) put_raw_value(w, &g, a);
  finish(w, &g);
  close_message(w, o);
}

static void put_ports(writer *w, const oq_graph *g, uint32_t number,
                      const oq_value_id *v, uint32_t n) {
  for (uint32_t i = 0; i < n; i++) put_text(w, number, oq_value_text(g, v[i]));
}

static void put_node(writer *w, const oq_graph *g, const oq_node *n) {
  const opened o = open_message(w, 1);
  merge x = merge_of(n->extra);

  put_ports(w, g, 1, n->in, n->n_in);
  put_ports(w, g, 2, n->out, n->n_out);
  merge_name(w, &x, 3, n->name);
  merge_name(w, &x, 4, n->op);
  upto(w, &x, 5);
  for (uint32_t i = 0; i < n->n_attrs; i++) put_attr(w, &n->attrs[i]);
  merge_name(w, &x, 7, n->domain);
  merge_name(w, &x, 8, n->overload);
  finish(w, &x);
  close_message(w, o);
}

/* ---- graphs ------------------------------------------------------------- */
/* Infos of values that stand in several lists of the file: the first is made
 * from the value, the others were kept as fields 12 and 13 of the graph. */
typedef struct info_queue {
  uint32_t number;
  oq_cursor c;
} info_queue;

static bool peek_info(info_queue *q, oq_field *info, oq_cursor *after) {
  while (q->c.p < q->c.end) {
    *after = q->c;
    if (*after->p == 0) {
      q->c.p += 2;
      continue;
    }
    if (oq_wire_next(info, after) != NULL) return false;
    if (info->number == q->number) return true;
    q->c = *after;
  }
  return false;
}

/* The name in a kept info, which we have written ourselves: its first field. */
static oq_span info_name(const oq_field *info) {
  oq_cursor c = {info->value.p, info->value.p + info->value.n};
  oq_field f;

  if (c.p == c.end || oq_wire_next(&f, &c) != NULL || f.number != 1) {
    return (oq_span){NULL, 0};
  }
  return f.value;
}

/* Writes the kept info if it is the next one and that of `v`; drops those of
 * values that are gone. */
static bool put_kept_info(writer *w, const oq_graph *g, info_queue *q,
                          const oq_value *v) {
  oq_cursor after;
  oq_field info;

  while (peek_info(q, &info, &after)) {
    const oq_span s = info_name(&info);
    oq_name name = {0};
    const bool known =
        oq_names_find(w->m->names, &name, (const char *)s.p, s.n);
    if (known && oq_name_eq(name, v->name)) {
      put(w, info.whole.p, info.whole.n);
      q->c = after;
      return true;
    }
    if (known && oq_value_ok(oq_graph_find_value(g, name))) return false;
    q->c = after;
  }
  return false;
}

static void put_infos(writer *w, const oq_graph *g, uint32_t number,
                      const oq_value_id *ids, uint32_t n, uint8_t *seen) {
  info_queue q = {number, {NULL, NULL}};

  if (g->extra != NULL) {
    q.c = (oq_cursor){g->extra->bytes, g->extra->bytes + g->extra->size};
  }
  for (uint32_t i = 0; i < n; i++) {
    const oq_value *v = &g->values[ids[i].i];
    const bool first = (seen[ids[i].i / 8] >> ids[i].i % 8 & 1) == 0;
    if (number == 13 && (v->kind == OQ_VALUE_DEAD || !v->has_info)) continue;
    seen[ids[i].i / 8] |= (uint8_t)(1u << ids[i].i % 8);
    if (first || !put_kept_info(w, g, &q, v)) put_info(w, number, v);
  }
}

static void put_inits(writer *w, const oq_graph *g) {
  for (uint32_t i = 0; i < g->n_inits; i++) {
    const oq_value *v = &g->values[g->inits[i].i];
    if (v->kind == OQ_VALUE_CONST) put_const(w, 5, v->konst, v->name);
  }
}

/* In order of their ids, as far as each stands behind what it reads: ONNX wants
 * them sorted, and edited graphs have new nodes at the end. */
static void put_nodes(writer *w, const oq_graph *g) {
  const oq_node_id *order;
  uint32_t n;

  if (oq_walk_order(&order, &n, g, w->arena, NULL) != OQ_OK) {
    w->no_memory = true; /* no cycle gets through oq_ir_verify */
    return;
  }
  for (uint32_t i = 0; i < n; i++) put_node(w, g, &g->nodes[order[i].i]);
}

static void put_graph(writer *w, uint32_t number, const oq_graph *g) {
  const opened o = open_message(w, number);
  merge x = merge_of(g->extra);
  uint8_t *seen = OQ_NEW_N(w->arena, uint8_t, (size_t)g->n_values / 8 + 1);

  if (seen == NULL) {
    w->no_memory = true;
    return;
  }
  x.drop = UINT64_C(1) << 12 | UINT64_C(1) << 13;
  upto(w, &x, 1);
  put_nodes(w, g);
  merge_name(w, &x, 2, g->name);
  upto(w, &x, 5);
  put_inits(w, g);
  upto(w, &x, 11);
  put_infos(w, g, 11, g->inputs, g->n_inputs, seen);
  put_infos(w, g, 12, g->outputs, g->n_outputs, seen);
  put_infos(w, g, 13, g->infos, g->n_infos, seen);
  finish(w, &x);
  close_message(w, o);
}

/* ---- the model ---------------------------------------------------------- */
static void put_opset(writer *w, const oq_opset *s) {
  const opened o = open_message(w, 8);
  merge g = merge_of(s->extra);

  merge_name(w, &g, 1, s->domain);
  merge_number(w, &g, 2, s->version);
  finish(w, &g);
  close_message(w, o);
}

static void put_prop(writer *w, const oq_prop *p) {
  const opened o = open_message(w, 14);

  put_bytes(w, 1, p->key.p, p->key.n);
  put_bytes(w, 2, p->value.p, p->value.n);
  close_message(w, o);
}

static void put_model(writer *w) {
  const oq_model_ir *m = w->m;
  merge g = merge_of(m->extra);

  if (!m->has_functions) g.drop |= UINT64_C(1) << 25;
  merge_number(w, &g, 1, m->ir_version);
  merge_text(w, &g, 2, m->producer_name);
  merge_text(w, &g, 3, m->producer_version);
  upto(w, &g, 7);
  put_graph(w, 7, m->main);
  upto(w, &g, 8);
  for (uint32_t i = 0; i < m->n_opsets; i++) put_opset(w, &m->opsets[i]);
  upto(w, &g, 14);
  for (uint32_t i = 0; i < m->n_props; i++) put_prop(w, &m->props[i]);
  finish(w, &g);
}

static void measure(writer *w) {
  w->measuring = true;
  w->at = 0;
  w->n_consts = w->next_placed = 0;
  put_model(w);
  w->measuring = false;
}

oq_status oq_encode_place(oq_placement *x, const oq_model_ir *m, oq_arena *a,
                          const oq_env *e) {
  writer w = {.m = m, .arena = a, .placing = x};

  measure(&w);
  return w.no_memory ? oq_fail_memory(e->diags) : OQ_OK;
}

oq_status oq_encode_to(const oq_model_ir *m, const oq_placement *x, oq_sink *to,
                       const oq_env *e) {
  const oq_mark mark = oq_arena_mark(e->scratch);
  writer w = {.m = m, .arena = e->scratch, .placed = x};
  oq_status s = OQ_OK;

  measure(&w);
  if (w.no_memory) {
    s = oq_fail_memory(e->diags);
  } else if (w.at > OQ_MAX_MODEL_BYTES) {
    oq_where where = OQ_WHERE_INIT;
    where.hint = "write the tensors to a file of their own (external data)";
    s = oq_fail(e->diags, OQ_E_LIMIT, "limit.model", &where,
                "the model would have %llu bytes, more than protobuf allows "
                "(%d)",
                (unsigned long long)w.at, OQ_MAX_MODEL_BYTES);
  } else {
    w.to = to;
    w.at = 0;
    w.n_consts = w.next_placed = 0;
    put_model(&w);
    if (w.no_memory)
      s = oq_fail_memory(e->diags);
    else
      s = oq_sink_write(to, "", 0); /* the sink's own failure, if any */
  }
  oq_arena_rewind(e->scratch, mark);
  return s;
}

oq_status oq_onnx_encode(const oq_model_ir *m, oq_sink *to, const oq_env *e) {
  return oq_encode_to(m, NULL, to, e);
}

oq_status oq_onnx_encoded_size(uint64_t *out, const oq_model_ir *m,
                               const oq_env *e) {
  const oq_mark mark = oq_arena_mark(e->scratch);
  writer w = {.m = m, .arena = e->scratch};

  measure(&w);
  oq_arena_rewind(e->scratch, mark);
  if (w.no_memory) return oq_fail_memory(e->diags);
  *out = w.at;
  return OQ_OK;
}

oq_status oq_encode_info(oq_extra *out, uint32_t number, const oq_model_ir *m,
                         const oq_value *v, oq_arena *a) {
  writer w = {.m = m, .arena = a, .measuring = true};

  put_info(&w, number, v);
  if (w.no_memory) return OQ_E_MEMORY;
  const size_t size = (size_t)w.at;
  w.mem = OQ_NEW_N(a, uint8_t, size);
  if (w.mem == NULL) return OQ_E_MEMORY;
  w.measuring = false;
  w.at = 0;
  put_info(&w, number, v);
  *out = (oq_extra){w.mem, size};
  return OQ_OK;
}

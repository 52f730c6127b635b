/* ir/dump.c - a model as text: the same bytes for the same model, for goldens
 * and for looking. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "base/map.h"
#include "base/sink.h"
#include "base/text.h"
#include "ir/ir.h"

typedef struct dumper {
  oq_sink *to;
  const oq_model_ir *m;
} dumper;

#define MAX_NAME_SHOWN 1024
#define MAX_LIST_SHOWN 16 /* elements of a list attribute */

/* The sink keeps the first failure, so nothing is checked on the way. */
static void text(const dumper *d, const char *s) {
  (void)oq_sink_write(d->to, s, strlen(s));
}

static void number(const dumper *d, int64_t v) {
  char s[32];

  (void)snprintf(s, sizeof s, "%" PRId64, v);
  text(d, s);
}

static void real(const dumper *d, double v) {
  char s[32];

  (void)oq_text_print_f64(s, v);
  text(d, s);
}

static void quoted(const dumper *d, const char *s) {
  char safe[MAX_NAME_SHOWN];

  oq_text_escape(safe, sizeof safe, s);
  text(d, "\"");
  text(d, safe);
  text(d, "\"");
}

static void name(const dumper *d, oq_name n) {
  char safe[MAX_NAME_SHOWN];

  oq_text_escape(safe, sizeof safe, oq_names_text(d->m->names, n));
  text(d, safe);
}

static void bytes(const dumper *d, oq_text t) {
  char s[256];
  const size_t n = t.n < sizeof s - 1 ? t.n : sizeof s - 1;

  if (n != 0) memcpy(s, t.p, n);
  s[n] = '\0';
  quoted(d, s);
}

static void indent(const dumper *d, uint32_t depth) {
  for (uint32_t i = 0; i < depth; i++) text(d, "  ");
}

/* ---- types and constants ------------------------------------------------ */

static void type(const dumper *d, const oq_type *t) {
  if (t == NULL || t->kind == OQ_TYPE_UNKNOWN) {
    text(d, "?");
    return;
  }
  if (t->kind == OQ_TYPE_OTHER) {
    text(d, "other");
    return;
  }
  text(d, oq_dtype_text((int32_t)t->dtype));
  text(d, t->has_rank ? "[" : "[...]");
  for (uint32_t i = 0; t->has_rank && i < t->rank; i++) {
    if (i != 0) text(d, ",");
    if (t->dim[i].size >= 0) {
      number(d, t->dim[i].size);
    } else if (t->dim[i].symbol.i != 0) {
      name(d, t->dim[i].symbol);
    } else {
      text(d, "?");
    }
  }
  if (t->has_rank) text(d, "]");
}

static void blob(const dumper *d, const oq_blob *b) {
  static const char *const encodings[] = {[OQ_ENC_RAW] = "raw",
                                          [OQ_ENC_TYPED] = "typed",
                                          [OQ_ENC_UNPACKED] = "unpacked",
                                          [OQ_ENC_STRINGS] = "strings"};
  char s[96];
  size_t whole = 0;
  uint64_t hash = 0;

  if (b == NULL) {
    text(d, " none");
    return;
  }
  if (b->store != NULL && b->size != 0) {
    const uint8_t *p = oq_store_data(b->store, &whole);
    if (b->offset <= whole && b->size <= whole - b->offset) {
      hash = oq_hash_bytes(p + b->offset, b->size, 0);
    }
  }
  (void)snprintf(s, sizeof s, " %s %zu bytes #%016" PRIx64,
                 encodings[b->encoding], b->size, hash);
  text(d, s);
  if (b->external) {
    text(d, " in ");
    name(d, b->location);
  }
}

static void constant(const dumper *d, const oq_const *c) {
  if (c == NULL) {
    text(d, "none");
    return;
  }
  type(d, c->type);
  blob(d, c->blob);
}

static void extra(const dumper *d, const oq_extra *x) {
  char s[64];

  if (x == NULL || x->size == 0) return;
  (void)snprintf(s, sizeof s, " +%zu bytes #%016" PRIx64, x->size,
                 oq_hash_bytes(x->bytes, x->size, 0));
  text(d, s);
}

/* ---- attributes --------------------------------------------------------- */

static void graph(const dumper *d, const oq_graph *g, uint32_t depth);

static void list_item(const dumper *d, const oq_attr *a, uint32_t i) {
  switch (a->kind) {
    case OQ_ATTR_F32S:
      real(d, (double)a->u.f32s[i]);
      break;
    case OQ_ATTR_I64S:
      number(d, a->u.i64s[i]);
      break;
    case OQ_ATTR_TEXTS:
      bytes(d, a->u.texts[i]);
      break;
    case OQ_ATTR_TENSORS:
      constant(d, a->u.tensors[i]);
      break;
    case OQ_ATTR_NONE:
    case OQ_ATTR_F32:
    case OQ_ATTR_I64:
    case OQ_ATTR_TEXT:
    case OQ_ATTR_TENSOR:
    case OQ_ATTR_GRAPH:
    case OQ_ATTR_GRAPHS:
    case OQ_ATTR_SPARSE:
    case OQ_ATTR_SPARSES:
    case OQ_ATTR_TYPE:
    case OQ_ATTR_TYPES:
      break;
  }
}

static void list(const dumper *d, const oq_attr *a) {
  text(d, "[");
  for (uint32_t i = 0; i < a->count && i < MAX_LIST_SHOWN; i++) {
    if (i != 0) text(d, ",");
    list_item(d, a, i);
  }
  if (a->count > MAX_LIST_SHOWN) {
    text(d, ",... of ");
    number(d, a->count);
  }
  text(d, "]");
}

static void attr_value(const dumper *d, const oq_attr *a) {
  switch (a->kind) {
    case OQ_ATTR_NONE:
      text(d, "none");
      break;
    case OQ_ATTR_F32:
      real(d, (double)a->u.f32);
      break;
    case OQ_ATTR_I64:
      number(d, a->u.i64);
      break;
    case OQ_ATTR_TEXT:
      bytes(d, a->u.text);
      break;
    case OQ_ATTR_TENSOR:
      constant(d, a->u.tensor);
      break;
    case OQ_ATTR_F32S:
    case OQ_ATTR_I64S:
    case OQ_ATTR_TEXTS:
    case OQ_ATTR_TENSORS:
      list(d, a);
      break;
    case OQ_ATTR_GRAPH:
    case OQ_ATTR_GRAPHS:
      text(d, "below"); /* behind the node */
      break;
    case OQ_ATTR_SPARSE:
    case OQ_ATTR_SPARSES:
    case OQ_ATTR_TYPE:
    case OQ_ATTR_TYPES:
      extra(d, a->u.raw);
      break;
  }
}

static void attrs(const dumper *d, const oq_node *n) {
  if (n->n_attrs == 0) return;
  text(d, " {");
  for (uint32_t i = 0; i < n->n_attrs; i++) {
    const oq_attr *a = &n->attrs[i];
    if (i != 0) text(d, ", ");
    name(d, a->name);
    text(d, a->ref.i != 0 ? "=@" : "=");
    if (a->ref.i != 0) {
      name(d, a->ref);
    } else {
      attr_value(d, a);
    }
    extra(d, a->extra);
  }
  text(d, "}");
}

/* ---- graphs ------------------------------------------------------------- */

static void ports(const dumper *d, const oq_graph *g, const oq_value_id *v,
                  uint32_t n) {
  for (uint32_t i = 0; i < n; i++) {
    if (i != 0) text(d, ", ");
    if (oq_value_ok(v[i])) {
      name(d, g->values[v[i].i].name);
    } else {
      text(d, "-");
    }
  }
}

static void node(const dumper *d, const oq_graph *g, uint32_t i,
                 uint32_t depth) {
  const oq_node *n = &g->nodes[i];
  const oq_graph *b;

  indent(d, depth);
  ports(d, g, n->out, n->n_out);
  text(d, " = ");
  if (n->domain.i != 0) {
    name(d, n->domain);
    text(d, ".");
  }
  name(d, n->op);
  if (n->overload.i != 0) {
    text(d, ":");
    name(d, n->overload);
  }
  text(d, "(");
  ports(d, g, n->in, n->n_in);
  text(d, ")");
  attrs(d, n);
  if (n->name.i != 0) {
    text(d, " ");
    quoted(d, oq_names_text(d->m->names, n->name));
  }
  extra(d, n->extra);
  text(d, "\n");
  for (oq_body_iter it = {n, 0, 0}; (b = oq_body_next(&it)) != NULL;) {
    graph(d, b, depth + 1);
  }
}

static void value(const dumper *d, const oq_graph *g, oq_value_id id,
                  const char *what, uint32_t depth) {
  const oq_value *v = &g->values[id.i];

  indent(d, depth);
  text(d, what);
  text(d, " ");
  name(d, v->name);
  text(d, ": ");
  type(d, v->type);
  if (v->kind == OQ_VALUE_CONST && v->konst != NULL) {
    text(d, " = ");
    constant(d, v->konst);
    extra(d, v->konst->extra);
  }
  extra(d, v->info_extra);
  text(d, "\n");
}

static void graph(const dumper *d, const oq_graph *g, uint32_t depth) {
  indent(d, depth);
  text(d, "graph ");
  quoted(d, oq_names_text(d->m->names, g->name));
  extra(d, g->extra);
  text(d, "\n");
  if (depth > 2 * OQ_MAX_GRAPH_DEPTH) return;
  for (uint32_t i = 0; i < g->n_inputs; i++) {
    value(d, g, g->inputs[i], "input", depth + 1);
  }
  for (uint32_t i = 0; i < g->n_inits; i++) {
    const oq_value *v = &g->values[g->inits[i].i];
    if (v->kind == OQ_VALUE_DEAD || v->also_input) continue;
    value(d, g, g->inits[i], "const", depth + 1);
  }
  for (uint32_t i = 0; i < g->n_values; i++) {
    if (g->values[i].kind == OQ_VALUE_OUTER) {
      value(d, g, (oq_value_id){i}, "outer", depth + 1);
    }
  }
  for (uint32_t i = 0; i < g->n_nodes; i++) {
    if (!g->nodes[i].dead) node(d, g, i, depth + 1);
  }
  for (uint32_t i = 0; i < g->n_infos; i++) {
    if (g->values[g->infos[i].i].kind != OQ_VALUE_DEAD) {
      value(d, g, g->infos[i], "info", depth + 1);
    }
  }
  for (uint32_t i = 0; i < g->n_outputs; i++) {
    value(d, g, g->outputs[i], "output", depth + 1);
  }
}

/* ---- the model ---------------------------------------------------------- */

static void head(const dumper *d) {
  const oq_model_ir *m = d->m;

  text(d, "model ir_version ");
  number(d, m->ir_version);
  extra(d, m->extra);
  text(d, "\n");
  for (uint32_t i = 0; i < m->n_opsets; i++) {
    text(d, "opset ");
    quoted(d, oq_names_text(m->names, m->opsets[i].domain));
    text(d, " ");
    number(d, m->opsets[i].version);
    extra(d, m->opsets[i].extra);
    text(d, "\n");
  }
  for (uint32_t i = 0; i < m->n_props; i++) {
    text(d, "prop ");
    bytes(d, m->props[i].key);
    text(d, " ");
    bytes(d, m->props[i].value);
    text(d, "\n");
  }
  for (uint32_t i = 0; i < m->n_functions; i++) {
    text(d, "function ");
    quoted(d, oq_names_text(m->names, m->functions[2 * i]));
    text(d, " ");
    quoted(d, oq_names_text(m->names, m->functions[2 * i + 1]));
    text(d, "\n");
  }
}

oq_status oq_ir_dump(const oq_model_ir *m, struct oq_sink *to) {
  const dumper d = {to, m};

  head(&d);
  if (m->main != NULL) graph(&d, m->main, 0);
  return oq_sink_write(to, "", 0);
}

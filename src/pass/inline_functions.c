/* pass/inline_functions.c - puts the graphs of the model's own functions where
 * they are called.  An operator that this build knows wins over a function of
 * the same name. */
#include <stdio.h>
#include <string.h>

#include "pass/pass_util.h"

#define MAX_DEPTH 100     /* of calls inside functions, as the format has it */
#define MAX_NODES 1000000 /* made by all calls together */

typedef struct inliner {
  oq_model_ir *m;
  const oq_env *e;
  uint64_t nodes;
  uint32_t n_calls;
  bool left; /* some calls stay */
} inliner;

/* The functions whose calls we are in. */
typedef struct chain {
  const struct chain *up;
  const oq_function *f;
  uint32_t depth;
} chain;

/* One graph that is copied: of the function, or a body in it. */
typedef struct scope {
  struct scope *up; /* NULL: the function's own */
  const oq_graph *from;
  oq_graph *to;
  oq_value_id *map; /* by value of `from` */
  const oq_node *call;
  const oq_function *f;
  const char *prefix;
} scope;

/* ---- which nodes are calls ---------------------------------------------- */
static const oq_function *find(const oq_model_ir *m, const oq_node *n) {
  for (uint32_t i = 0; i < m->n_functions; i++) {
    const oq_function *f = &m->function_defs[i];
    if (oq_name_eq(f->name, n->op) && oq_name_eq(f->domain, n->domain) &&
        oq_name_eq(f->overload, n->overload))
      return f;
  }
  return NULL;
}

static const oq_op_def *row_at(const oq_model_ir *m, const oq_node *n,
                               int64_t opset) {
  return oq_op_find(oq_names_text(m->names, n->domain),
                    oq_names_text(m->names, n->op), opset, NULL);
}

static const oq_function *called(const inliner *x, const oq_node *n) {
  const oq_function *f;

  if (n->dead || n->def != NULL) return NULL;
  f = find(x->m, n);
  if (f == NULL || row_at(x->m, n, oq_ir_opset(x->m, n->domain)) != NULL)
    return NULL;
  return f;
}

/* ---- opsets ------------------------------------------------------------- */
/* Nodes of `domain` mean the same at both opsets. */
static bool means_same(const inliner *x, const oq_graph *g, oq_name domain,
                       int64_t a, int64_t b) {
  for (uint32_t i = 0; i < g->n_nodes; i++) {
    const oq_node *n = &g->nodes[i];
    const oq_graph *body;
    for (oq_body_iter it = {n, 0, 0}; (body = oq_body_next(&it)) != NULL;)
      if (!means_same(x, body, domain, a, b)) return false;
    if (!oq_name_eq(n->domain, domain) || find(x->m, n) != NULL) continue;
    const oq_op_def *row = row_at(x->m, n, a);
    if (row == NULL || row != row_at(x->m, n, b)) return false;
  }
  return true;
}

static oq_status settle_opsets(inliner *x, bool *fits, const oq_function *f) {
  *fits = true;
  for (uint32_t i = 0; i < f->n_opsets; i++) {
    const oq_opset *o = &f->opsets[i];
    const int64_t has = oq_ir_opset(x->m, o->domain);
    if (has == o->version) continue;
    if (has == 0) {
      OQ_TRY(oq_edit_set_opset(x->m, oq_names_text(x->m->names, o->domain),
                               o->version));
    } else if (!means_same(x, f->graph, o->domain, o->version, has)) {
      *fits = false;
    }
  }
  return OQ_OK;
}

/* ---- values ------------------------------------------------------------- */
static oq_status fresh(oq_name *out, const scope *s, oq_name inner) {
  oq_model_ir *m = s->to->model;
  char text[256];

  (void)snprintf(text, sizeof text, "%.120s/%.120s", s->prefix,
                 oq_names_text(m->names, inner));
  return oq_edit_fresh_name(m, out, text);
}

static oq_status value_of(oq_value_id *out, scope *s, oq_value_id v);

/* Of an enclosing graph; absent where it stands for an absent input. */
static oq_status outer_value(oq_value_id *out, scope *s, oq_value_id v) {
  oq_value_id of = {OQ_NONE};

  if (s->up == NULL || s->from->outer_of[v.i].i >= s->up->from->n_values)
    return OQ_E_INTERNAL;
  OQ_TRY(value_of(&of, s->up, s->from->outer_of[v.i]));
  *out = of;
  return oq_value_ok(of) ? oq_edit_add_outer(s->to, out, of) : OQ_OK;
}

static oq_status value_of(oq_value_id *out, scope *s, oq_value_id v) {
  oq_name name;

  *out = (oq_value_id){OQ_NONE};
  if (!oq_value_ok(v)) return OQ_OK;
  const oq_value *from = oq_graph_value(s->from, v);
  if (!oq_value_ok(s->map[v.i])) {
    if (from->kind == OQ_VALUE_INPUT && s->up == NULL) return OQ_OK;
    if (from->kind == OQ_VALUE_OUTER) {
      OQ_TRY(outer_value(&s->map[v.i], s, v));
    } else {
      OQ_TRY(fresh(&name, s, from->name));
      OQ_TRY(
          oq_edit_add_value(s->to, &s->map[v.i], from->kind, name, from->type));
      oq_graph_value(s->to, s->map[v.i])->konst = from->konst;
    }
  }
  *out = s->map[v.i];
  return OQ_OK;
}

static oq_status values_of(oq_value_id **out, scope *s, const oq_value_id *v,
                           uint32_t n, const oq_env *e) {
  oq_value_id *ids = OQ_NEW_N(e->scratch, oq_value_id, n);

  if (ids == NULL) return OQ_E_MEMORY;
  for (uint32_t i = 0; i < n; i++) OQ_TRY(value_of(&ids[i], s, v[i]));
  *out = ids;
  return OQ_OK;
}

/* ---- attributes and nodes ----------------------------------------------- */
static oq_status copy_nodes(inliner *x, scope *s);

static oq_status copy_body(inliner *x, oq_graph **out, scope *up,
                           const oq_graph *from) {
  scope s = *up;
  oq_value_id *ids = NULL;

  s.up = up;
  s.from = from;
  OQ_TRY(oq_ir_add_graph(&s.to, x->m, up->to, from->name));
  s.map = OQ_NEW_N(x->e->scratch, oq_value_id, from->n_values);
  if (s.map == NULL) return OQ_E_MEMORY;
  memset(s.map, 0xff, from->n_values * sizeof *s.map);
  OQ_TRY(values_of(&ids, &s, from->inputs, from->n_inputs, x->e));
  OQ_TRY(oq_graph_set_inputs(s.to, ids, from->n_inputs));
  for (uint32_t i = 0; i < from->n_inits; i++) {
    oq_value_id v = {OQ_NONE};
    if (oq_graph_value(from, from->inits[i])->kind != OQ_VALUE_CONST) continue;
    OQ_TRY(value_of(&v, &s, from->inits[i]));
    oq_graph_value(s.to, v)->also_input =
        oq_graph_value(from, from->inits[i])->also_input;
    OQ_TRY(oq_graph_list_init(s.to, v));
  }
  OQ_TRY(copy_nodes(x, &s));
  OQ_TRY(values_of(&ids, &s, from->outputs, from->n_outputs, x->e));
  *out = s.to;
  return oq_graph_set_outputs(s.to, ids, from->n_outputs);
}

static const oq_attr *attr_named(const oq_attr *a, uint32_t n, oq_name name) {
  for (uint32_t i = 0; i < n; i++)
    if (oq_name_eq(a[i].name, name)) return &a[i];
  return NULL;
}

/* What the call says of an attribute, else the function; *out stays as it is
 * and *set false if nobody says anything. */
static oq_status refer(const inliner *x, oq_attr *out, bool *set,
                       const scope *s, const oq_attr *a) {
  oq_where w = OQ_WHERE_INIT;
  const oq_attr *is = attr_named(s->call->attrs, s->call->n_attrs, a->ref);

  if (is == NULL) is = attr_named(s->f->defaults, s->f->n_defaults, a->ref);
  *set = is != NULL;
  if (is == NULL) return OQ_OK;
  w.op = oq_names_text(x->m->names, s->f->name);
  w.attr = oq_names_text(x->m->names, a->ref);
  if (is->kind == OQ_ATTR_GRAPH || is->kind == OQ_ATTR_GRAPHS)
    return oq_fail(x->e->diags, OQ_E_UNSUPPORTED, "function.attr", &w,
                   "attribute '%s' of function '%s' is a graph", w.attr, w.op);
  if (a->kind != OQ_ATTR_NONE && a->kind != is->kind)
    return oq_fail(x->e->diags, OQ_E_MODEL, "function.attr", &w,
                   "attribute '%s' of function '%s' is not of the kind that "
                   "its nodes ask for",
                   w.attr, w.op);
  *out = *is;
  out->name = a->name;
  return OQ_OK;
}

static oq_status copy_attr(inliner *x, oq_attr *out, bool *set, scope *s,
                           const oq_attr *a) {
  *out = *a;
  *set = true;
  if (a->ref.i != 0) return refer(x, out, set, s, a);
  if (a->kind == OQ_ATTR_GRAPH && a->u.graph != NULL)
    return copy_body(x, &out->u.graph, s, a->u.graph);
  if (a->kind != OQ_ATTR_GRAPHS) return OQ_OK;
  oq_graph **g = OQ_NEW_N(x->m->arena, oq_graph *, a->count);
  if (g == NULL) return OQ_E_MEMORY;
  for (uint32_t i = 0; i < a->count; i++)
    OQ_TRY(copy_body(x, &g[i], s, a->u.graphs[i]));
  out->u.graphs = g;
  return OQ_OK;
}

static oq_status copy_node(inliner *x, scope *s, const oq_node *n) {
  oq_node_spec spec = {
      .domain = n->domain, .op = n->op, .n_in = n->n_in, .n_out = n->n_out};
  oq_value_id *in = NULL, *out = NULL;
  oq_attr *attrs = OQ_NEW_N(x->m->arena, oq_attr, n->n_attrs);
  oq_node_id id;

  if (attrs == NULL) return OQ_E_MEMORY;
  if (x->nodes++ >= MAX_NODES || x->nodes > x->e->limits->max_nodes)
    return oq_fail(x->e->diags, OQ_E_LIMIT, "function.nodes", NULL,
                   "the functions of the model make more than %d nodes",
                   MAX_NODES);
  if (n->name.i != 0) OQ_TRY(fresh(&spec.name, s, n->name));
  OQ_TRY(values_of(&in, s, n->in, n->n_in, x->e));
  OQ_TRY(values_of(&out, s, n->out, n->n_out, x->e));
  for (uint32_t i = 0; i < n->n_attrs; i++) {
    bool set;
    OQ_TRY(copy_attr(x, &attrs[spec.n_attrs], &set, s, &n->attrs[i]));
    spec.n_attrs += set;
  }
  spec.in = in;
  spec.out = out;
  spec.attrs = attrs;
  OQ_TRY(oq_edit_add_node(s->to, &id, &spec));
  oq_graph_node(s->to, id)->overload = n->overload;
  return OQ_OK;
}

static oq_status copy_nodes(inliner *x, scope *s) {
  for (uint32_t i = 0; i < s->from->n_nodes; i++)
    OQ_TRY(copy_node(x, s, &s->from->nodes[i]));
  return OQ_OK;
}

/* ---- one call ----------------------------------------------------------- */
static oq_status refuse(const inliner *x, const oq_graph *g, oq_node_id id,
                        oq_status s, const char *code, const char *what) {
  const oq_where w = oq_node_where(g, id);

  return oq_fail(x->e->diags, s, code, &w, "node '%s': function '%s' %s",
                 w.node, w.op, what);
}

/* "calls itself through 'G'": `up` is what calls, up to the first call of f. */
static oq_status refuse_recursion(const inliner *x, const oq_graph *g,
                                  oq_node_id id, const oq_function *f,
                                  const chain *up) {
  const oq_names *const names = x->m->names;
  char what[256] = "calls itself";
  size_t at = strlen(what);

  for (const chain *c = up; c->f != f && at < sizeof what; c = c->up) {
    const int n = snprintf(what + at, sizeof what - at, "%s'%.40s'",
                           c == up ? " through " : ", ",
                           oq_names_text(names, c->f->name));
    at += n > 0 ? (size_t)n : 0;
  }
  return refuse(x, g, id, OQ_E_MODEL, "function.recursion", what);
}

static oq_status check_call(const inliner *x, const oq_graph *g, oq_node_id id,
                            const oq_function *f, const chain *up) {
  const oq_node *n = oq_graph_node(g, id);

  for (const chain *c = up; c != NULL; c = c->up)
    if (c->f == f) return refuse_recursion(x, g, id, f, up);
  if (up != NULL && up->depth >= MAX_DEPTH)
    return refuse(x, g, id, OQ_E_LIMIT, "function.depth",
                  "is called through more than 100 others");
  if (n->n_in > f->graph->n_inputs || n->n_out > f->graph->n_outputs)
    return refuse(x, g, id, OQ_E_MODEL, "function.arity",
                  "has fewer inputs or outputs than the call");
  return OQ_OK;
}

/* The function's output k makes the value that the call made. */
static oq_status join_outputs(scope *s, oq_node_id call, bool *joined) {
  for (uint32_t k = 0; k < s->call->n_out; k++) {
    const oq_value_id y = s->call->out[k], inner = s->from->outputs[k];
    const oq_value *v = oq_graph_value(s->from, inner);
    oq_value_id instead;
    oq_name name;
    if (!oq_value_ok(y)) continue;
    OQ_TRY(fresh(&name, s, v->name));
    OQ_TRY(oq_edit_add_value(s->to, &instead, OQ_VALUE_RESULT, name, NULL));
    OQ_TRY(oq_edit_set_output(s->to, call, k, instead));
    joined[k] = v->kind == OQ_VALUE_RESULT && !oq_value_ok(s->map[inner.i]);
    if (joined[k]) s->map[inner.i] = y;
  }
  return OQ_OK;
}

/* Outputs that are inputs, or the same as another one. */
static oq_status pass_outputs(const inliner *x, scope *s, oq_node_id call,
                              const bool *joined) {
  for (uint32_t k = 0; k < s->call->n_out; k++) {
    oq_node_spec spec = {.n_in = 1, .n_out = 1, .out = &s->call->out[k]};
    oq_value_id from = {OQ_NONE};
    oq_node_id id;
    if (!oq_value_ok(s->call->out[k]) || joined[k]) continue;
    OQ_TRY(value_of(&from, s, s->from->outputs[k]));
    if (!oq_value_ok(from))
      return refuse(x, s->to, call, OQ_E_MODEL, "function.output",
                    "gives out an input that the call leaves out");
    OQ_TRY(oq_names_add_text(x->m->names, &spec.op, "Identity"));
    spec.in = &from;
    OQ_TRY(oq_edit_add_node(s->to, &id, &spec));
  }
  return OQ_OK;
}

static oq_status expand(inliner *x, oq_graph *g, oq_node_id id,
                        const oq_function *f) {
  oq_arena *a = x->e->scratch;
  oq_node call = *oq_graph_node(g, id); /* nodes move, and this one changes */
  scope s = {.from = f->graph, .to = g, .call = &call, .f = f};
  bool *joined = OQ_NEW_N(a, bool, call.n_out);

  call.in = OQ_COPY_N(a, oq_value_id, call.in, call.n_in);
  call.out = OQ_COPY_N(a, oq_value_id, call.out, call.n_out);
  s.map = OQ_NEW_N(a, oq_value_id, f->graph->n_values);
  s.prefix = oq_arena_format(a, "%s", oq_node_text(g, id));
  if (call.in == NULL || call.out == NULL || s.map == NULL || joined == NULL ||
      s.prefix == NULL)
    return OQ_E_MEMORY;
  memset(s.map, 0xff, f->graph->n_values * sizeof *s.map);
  for (uint32_t i = 0; i < call.n_in; i++)
    s.map[f->graph->inputs[i].i] = call.in[i];
  OQ_TRY(join_outputs(&s, id, joined));
  OQ_TRY(copy_nodes(x, &s));
  OQ_TRY(pass_outputs(x, &s, id, joined));
  x->n_calls++;
  return oq_edit_remove_node(g, id);
}

static oq_status inline_graph(inliner *x, oq_graph *g, uint32_t from,
                              const chain *up, uint32_t depth);

static oq_status inline_call(inliner *x, oq_graph *g, oq_node_id id,
                             const oq_function *f, const chain *up,
                             uint32_t depth) {
  const oq_mark mark = oq_arena_mark(x->e->scratch);
  const chain here = {up, f, up != NULL ? up->depth + 1 : 1};
  const uint32_t first = g->n_nodes;
  bool fits = f->graph != NULL;
  oq_status s;

  if (fits) {
    OQ_TRY(check_call(x, g, id, f, up));
    OQ_TRY(settle_opsets(x, &fits, f));
  }
  if (!fits) {
    const oq_where w = oq_node_where(g, id);
    oq_warn(x->e->diags, "function.kept", &w,
            "node '%s': function '%s' stays a call: it cannot be decoded, or "
            "is of another opset than the model",
            w.node, w.op);
    x->left = true;
    return OQ_OK;
  }
  s = expand(x, g, id, f);
  oq_arena_rewind(x->e->scratch, mark);
  return s == OQ_OK ? inline_graph(x, g, first, &here, depth) : s;
}

/* Nodes from `from` on; what calls put behind them is theirs. */
static oq_status inline_graph(inliner *x, oq_graph *g, uint32_t from,
                              const chain *up, uint32_t depth) {
  const uint32_t n = g->n_nodes;

  if (depth > x->e->limits->max_graph_depth)
    return oq_fail(x->e->diags, OQ_E_LIMIT, "model.depth", NULL,
                   "graphs are nested more than %u deep",
                   x->e->limits->max_graph_depth);
  for (uint32_t i = from; i < n; i++) {
    const oq_node_id id = {i};
    const oq_function *f = called(x, oq_graph_node(g, id));
    oq_graph *body;
    if (f != NULL) {
      OQ_TRY(inline_call(x, g, id, f, up, depth));
      continue;
    }
    if (oq_graph_node(g, id)->dead) continue;
    for (uint32_t k = 0; (body = oq_node_body(&g->nodes[i], k)) != NULL; k++)
      OQ_TRY(inline_graph(x, body, 0, up, depth + 1));
  }
  return OQ_OK;
}

oq_status oq_pass_inline_functions(oq_model_ir *m, const oq_pass_options *o,
                                   uint32_t *changed, const oq_env *e) {
  inliner x = {.m = m, .e = e};

  (void)o;
  *changed = 0;
  if (m->n_functions == 0 || m->function_defs == NULL) return OQ_OK;
  OQ_TRY(inline_graph(&x, m->main, 0, NULL, 0));
  *changed = x.n_calls;
  if (x.left) return OQ_OK;
  /* Nobody calls them any more. */
  m->has_functions = false;
  m->function_defs = NULL;
  m->n_functions = 0;
  if (*changed == 0) *changed = 1;
  return OQ_OK;
}

/* ir/verify.c - every rule a graph must keep, in linear time.  Rules of ONNX
 * (docs/IR.md) and those of our own data structures; what operators demand of
 * their inputs and attributes is not known here. */
#include <string.h>

#include "base/limits.h"
#include "ir/ir.h"

typedef struct verifier {
  const oq_model_ir *m;
  const oq_env *e;
  oq_status first; /* breach found */
  uint32_t *stamp; /* by name: who used it last */
  uint32_t n_stamps, now;
  uint64_t nodes;
  /* Of the graphs around the one at hand: node whose body it is in, by depth
   * (that of the main graph is 1). */
  uint32_t owner[OQ_MAX_GRAPH_DEPTH + 1];
} verifier;

static void breach(verifier *v, oq_status s) {
  if (v->first == OQ_OK) v->first = s;
}

/* Records a breach and goes on. */
#define BREACH(v, status, id, where, ...) \
  breach((v), oq_fail((v)->e->diags, (status), (id), (where), __VA_ARGS__))

static oq_where where_graph(const oq_graph *g) {
  oq_where w = OQ_WHERE_INIT;

  w.graph = oq_names_text(g->model->names, g->name);
  return w;
}

/* A value, and the node that makes it if there is one. */
static oq_where where_value(const oq_graph *g, uint32_t i) {
  const oq_value *x = &g->values[i];
  const bool made = x->kind == OQ_VALUE_RESULT && x->producer.i < g->n_nodes;
  oq_where w = made ? oq_node_where(g, x->producer) : where_graph(g);

  w.value = oq_value_text(g, (oq_value_id){i});
  return w;
}

static bool is_alive(const oq_graph *g, oq_value_id v) {
  return v.i < g->n_values && g->values[v.i].kind != OQ_VALUE_DEAD;
}

/* ---- sets of names: true if `name` is new since the last begin_set ------- */

static void begin_set(verifier *v) { v->now++; }

static bool is_new(verifier *v, uint32_t i) {
  if (i >= v->n_stamps) return true; /* found elsewhere */
  if (v->stamp[i] == v->now) return false;
  v->stamp[i] = v->now;
  return true;
}

/* ---- values ------------------------------------------------------------- */

static void check_type(verifier *v, const oq_graph *g, uint32_t i) {
  const oq_type *t = g->values[i].type;
  const oq_where w = where_value(g, i);

  if (t == NULL || t->kind != OQ_TYPE_TENSOR) return;
  if (t->has_rank && t->rank > OQ_MAX_RANK) {
    BREACH(v, OQ_E_UNSUPPORTED, "value.rank", &w,
           "value '%s' has %u dimensions, at most %d are supported", w.value,
           t->rank, OQ_MAX_RANK);
    return;
  }
  for (uint32_t k = 0; t->has_rank && k < t->rank; k++) {
    if (t->dim[k].size >= OQ_DIM_UNKNOWN) continue;
    BREACH(v, OQ_E_MODEL, "value.shape", &w,
           "dimension %u of value '%s' is %lld", k, w.value,
           (long long)t->dim[k].size);
  }
}

/* Does what is declared of an input allow its initial value? */
static bool agree(const oq_type *declared, const oq_type *t) {
  if (declared->kind != OQ_TYPE_TENSOR || declared->dtype == OQ_DT_NONE) {
    return true;
  }
  if (declared->dtype != t->dtype) return false;
  if (!declared->has_rank) return true;
  if (declared->rank != t->rank) return false;
  for (uint32_t k = 0; k < t->rank; k++) {
    const int64_t d = declared->dim[k].size;
    if (d >= 0 && t->dim[k].size >= 0 && d != t->dim[k].size) return false;
  }
  return true;
}

static void check_const(verifier *v, const oq_graph *g, uint32_t i) {
  const oq_value *x = &g->values[i];
  const oq_where w = where_value(g, i);

  if (x->konst == NULL || x->konst->type == NULL) {
    BREACH(v, OQ_E_INTERNAL, "value.const", &w,
           "initializer '%s' has no numbers", w.value);
    return;
  }
  const oq_status s = oq_const_check_at(x->konst, &w, v->e->diags);
  if (s != OQ_OK) {
    breach(v, s);
  } else if (x->also_input && x->type != NULL &&
             !agree(x->type, x->konst->type)) {
    BREACH(v, OQ_E_MODEL, "value.type", &w,
           "initializer '%s' is not of the type that the input of this name "
           "declares",
           w.value);
  }
}

static void check_result(verifier *v, const oq_graph *g, uint32_t i) {
  const oq_value *x = &g->values[i];
  const oq_where w = where_value(g, i);

  if (!oq_node_ok(x->producer)) return; /* a breach only if it is used */
  if (x->producer.i < g->n_nodes && !g->nodes[x->producer.i].dead) {
    const oq_node *n = &g->nodes[x->producer.i];
    if (x->producer_slot < n->n_out && n->out[x->producer_slot].i == i) return;
  }
  BREACH(v, OQ_E_INTERNAL, "value.producer", &w,
         "value '%s' is not among the outputs of its producer", w.value);
}

static void check_outer(verifier *v, const oq_graph *g, uint32_t i) {
  const oq_where w = where_value(g, i);
  const oq_value_id of = g->outer_of[i];

  if (g->outer == NULL || !is_alive(g->outer, of)) {
    BREACH(v, OQ_E_MODEL, "value.undefined", &w,
           "value '%s' is defined nowhere around the graph", w.value);
  } else if (!oq_name_eq(g->outer->values[of.i].name, g->values[i].name)) {
    BREACH(v, OQ_E_INTERNAL, "value.outer", &w,
           "value '%s' stands for '%s' of the graph around it", w.value,
           oq_value_text(g->outer, of));
  } else if (g->outer->values[of.i].kind == OQ_VALUE_RESULT &&
             !oq_node_ok(g->outer->values[of.i].producer)) {
    BREACH(v, OQ_E_MODEL, "value.undefined", &w,
           "value '%s' is used in a graph, but nothing defines it", w.value);
  }
}

static void check_value(verifier *v, const oq_graph *g, uint32_t i) {
  const oq_value *x = &g->values[i];
  const oq_where w = where_value(g, i);

  if (x->name.i == 0) {
    BREACH(v, OQ_E_MODEL, "value.name", &w,
           "an input, output or initializer has no name");
  } else if (oq_graph_find_value(g, x->name).i != i) {
    BREACH(v, OQ_E_MODEL, "value.duplicate", &w,
           "value '%s' is defined more than once", w.value);
  }
  if (x->kind != OQ_VALUE_OUTER && oq_value_ok(g->outer_of[i])) {
    BREACH(v, OQ_E_INTERNAL, "value.outer", &w,
           "value '%s' stands for another one, but is not marked so", w.value);
  }
  check_type(v, g, i);
  switch (x->kind) {
    case OQ_VALUE_CONST:
      check_const(v, g, i);
      break;
    case OQ_VALUE_RESULT:
      check_result(v, g, i);
      break;
    case OQ_VALUE_OUTER:
      check_outer(v, g, i);
      break;
    case OQ_VALUE_INPUT:
    case OQ_VALUE_DEAD:
      break;
  }
}

/* Can `name` be seen from the body of node `owner` of `g`?  Results of later
 * nodes cannot. */
static bool is_visible(const oq_graph *g, oq_name name, uint32_t owner) {
  const oq_value_id x = oq_graph_find_value(g, name);

  return oq_value_ok(x) && (g->values[x.i].kind != OQ_VALUE_RESULT ||
                            g->values[x.i].producer.i < owner);
}

/* A result must not take the name of what can be seen from where it stands. */
static void check_shadows(verifier *v, const oq_graph *g, uint32_t depth) {
  for (uint32_t i = 0; i < g->n_values; i++) {
    const oq_value *x = &g->values[i];
    uint32_t k = depth;
    if (x->kind != OQ_VALUE_RESULT || x->name.i == 0) continue;
    for (const oq_graph *h = g->outer; h != NULL; h = h->outer) {
      k--;
      if (!is_visible(h, x->name, v->owner[k])) continue;
      const oq_where w = where_value(g, i);
      BREACH(v, OQ_E_MODEL, "value.shadow", &w,
             "value '%s' has the name of a value of a graph around it",
             w.value);
      break;
    }
  }
}

/* ---- lists -------------------------------------------------------------- */

static void check_inputs(verifier *v, const oq_graph *g) {
  const oq_where w = where_graph(g);
  uint64_t listed = 0, marked = 0;

  begin_set(v);
  for (uint32_t i = 0; i < g->n_inputs; i++) {
    const oq_value_id id = g->inputs[i];
    const oq_value *x = id.i < g->n_values ? &g->values[id.i] : NULL;
    if (x == NULL || (x->kind != OQ_VALUE_INPUT &&
                      !(x->kind == OQ_VALUE_CONST && x->also_input))) {
      BREACH(v, OQ_E_INTERNAL, "graph.input", &w,
             "input %u of the graph is '%s', which is none", i,
             oq_value_text(g, id));
    } else if (!is_new(v, x->name.i)) {
      BREACH(v, OQ_E_MODEL, "graph.input", &w,
             "input %u of the graph, '%s', is listed twice", i,
             oq_value_text(g, id));
    } else {
      listed++;
    }
  }
  for (uint32_t i = 0; i < g->n_values; i++) {
    const oq_value *x = &g->values[i];
    if (x->kind == OQ_VALUE_INPUT) marked++;
    if (x->kind == OQ_VALUE_CONST && x->also_input) marked++;
  }
  if (v->first == OQ_OK && listed != marked) {
    BREACH(v, OQ_E_INTERNAL, "graph.input", &w,
           "the graph has %llu inputs, %llu of them are listed",
           (unsigned long long)marked, (unsigned long long)listed);
  }
}

static void check_outputs(verifier *v, const oq_graph *g) {
  const oq_where w = where_graph(g);

  for (uint32_t i = 0; i < g->n_outputs; i++) {
    const oq_value_id id = g->outputs[i];
    if (!is_alive(g, id) || (g->values[id.i].kind == OQ_VALUE_RESULT &&
                             !oq_node_ok(g->values[id.i].producer))) {
      BREACH(v, OQ_E_MODEL, "graph.output", &w,
             "output %u of the graph, '%s', is defined nowhere", i,
             oq_value_text(g, id));
    } else if (g->values[id.i].kind == OQ_VALUE_OUTER) {
      BREACH(v, OQ_E_MODEL, "graph.output", &w,
             "output %u of the graph, '%s', belongs to a graph around it", i,
             oq_value_text(g, id));
    }
  }
}

static void check_inits(verifier *v, const oq_graph *g) {
  const oq_where w = where_graph(g);
  uint64_t listed = 0, marked = 0;

  begin_set(v);
  for (uint32_t i = 0; i < g->n_inits; i++) {
    const oq_value_id id = g->inits[i];
    if (id.i < g->n_values && g->values[id.i].kind == OQ_VALUE_DEAD) continue;
    if (id.i >= g->n_values || g->values[id.i].kind != OQ_VALUE_CONST ||
        !is_new(v, g->values[id.i].name.i)) {
      BREACH(v, OQ_E_INTERNAL, "graph.init", &w,
             "entry %u of the initializers, '%s', is none or listed twice", i,
             oq_value_text(g, id));
    } else {
      listed++;
    }
  }
  for (uint32_t i = 0; i < g->n_values; i++) {
    if (g->values[i].kind == OQ_VALUE_CONST) marked++;
  }
  if (v->first == OQ_OK && listed != marked) {
    BREACH(v, OQ_E_INTERNAL, "graph.init", &w,
           "the graph has %llu initializers, %llu of them are listed",
           (unsigned long long)marked, (unsigned long long)listed);
  }
  for (uint32_t i = 0; i < g->n_infos; i++) {
    if (g->infos[i].i < g->n_values) continue;
    BREACH(v, OQ_E_INTERNAL, "graph.info", &w,
           "entry %u of value_info is no value", i);
  }
}

/* ---- nodes -------------------------------------------------------------- */

static void check_ports(verifier *v, const oq_graph *g, uint32_t i) {
  const oq_node *n = &g->nodes[i];
  oq_where w = oq_node_where(g, (oq_node_id){i});

  if (n->n_in > OQ_MAX_PORTS || n->n_out > OQ_MAX_PORTS) {
    BREACH(v, OQ_E_LIMIT, "node.ports", &w,
           "%s '%s' has more than %d inputs or outputs", w.op, w.node,
           OQ_MAX_PORTS);
  }
  for (uint32_t k = 0; k < n->n_in; k++) {
    if (!oq_value_ok(n->in[k])) continue;
    w.value = oq_value_text(g, n->in[k]);
    if (!is_alive(g, n->in[k])) {
      BREACH(v, OQ_E_INTERNAL, "node.input", &w,
             "%s '%s': input %u is a value that was removed", w.op, w.node, k);
    } else if (g->values[n->in[k].i].kind == OQ_VALUE_RESULT &&
               !oq_node_ok(g->values[n->in[k].i].producer)) {
      BREACH(v, OQ_E_MODEL, "value.undefined", &w,
             "%s '%s': input %u, '%s', is defined nowhere", w.op, w.node, k,
             w.value);
    }
  }
  for (uint32_t k = 0; k < n->n_out; k++) {
    if (!oq_value_ok(n->out[k])) continue;
    w.value = oq_value_text(g, n->out[k]);
    if (!is_alive(g, n->out[k])) {
      BREACH(v, OQ_E_INTERNAL, "node.output", &w,
             "%s '%s': output %u is a value that was removed", w.op, w.node, k);
      continue;
    }
    const oq_value *x = &g->values[n->out[k].i];
    if (x->kind == OQ_VALUE_RESULT && x->producer.i == i &&
        x->producer_slot == k) {
      continue;
    }
    BREACH(v, OQ_E_MODEL, "value.duplicate", &w,
           "%s '%s': output %u, '%s', is defined elsewhere too", w.op, w.node,
           k, w.value);
  }
}

static void check_attr_const(verifier *v, const oq_const *c,
                             const oq_where *w) {
  const oq_status s = c != NULL ? oq_const_check_at(c, w, v->e->diags)
                                : oq_fail(v->e->diags, OQ_E_INTERNAL,
                                          "node.attr", w, "no tensor");
  if (s != OQ_OK) breach(v, s);
}

static void check_attrs(verifier *v, const oq_graph *g, uint32_t i) {
  const oq_node *n = &g->nodes[i];
  oq_where w = oq_node_where(g, (oq_node_id){i});

  begin_set(v);
  for (uint32_t k = 0; k < n->n_attrs; k++) {
    const oq_attr *a = &n->attrs[k];
    w.attr = oq_names_text(g->model->names, a->name);
    if (a->name.i == 0) {
      BREACH(v, OQ_E_MODEL, "attr.name", &w,
             "%s '%s': attribute %u has no name", w.op, w.node, k);
    } else if (!is_new(v, a->name.i)) {
      BREACH(v, OQ_E_MODEL, "attr.duplicate", &w,
             "%s '%s': attribute '%s' is given twice", w.op, w.node, w.attr);
    }
    if (a->ref.i != 0) continue;
    if (a->kind == OQ_ATTR_TENSOR) check_attr_const(v, a->u.tensor, &w);
    for (uint32_t t = 0; a->kind == OQ_ATTR_TENSORS && t < a->count; t++) {
      check_attr_const(v, a->u.tensors[t], &w);
    }
  }
}

static void check_graph(verifier *v, const oq_graph *g, uint32_t depth);

static void check_bodies(verifier *v, const oq_graph *g, uint32_t i,
                         uint32_t depth) {
  const oq_node *n = &g->nodes[i];
  const oq_graph *b;

  for (oq_body_iter it = {n, 0, 0}; (b = oq_body_next(&it)) != NULL;) {
    if (b->outer != g || b->model != v->m) {
      const oq_where w = oq_node_where(g, (oq_node_id){i});
      BREACH(v, OQ_E_INTERNAL, "node.body", &w,
             "%s '%s' has a graph that belongs elsewhere", w.op, w.node);
      continue;
    }
    v->owner[depth] = i;
    check_graph(v, b, depth + 1);
  }
}

static void check_node(verifier *v, const oq_graph *g, uint32_t i) {
  const oq_node *n = &g->nodes[i];
  const oq_where w = oq_node_where(g, (oq_node_id){i});

  v->nodes++;
  if (n->op.i == 0) {
    BREACH(v, OQ_E_MODEL, "node.op", &w, "node '%s' has no operator", w.node);
  }
  if (n->n_in == 0 && n->n_out == 0) {
    BREACH(v, OQ_E_MODEL, "node.ports", &w,
           "%s '%s' has neither inputs nor outputs", w.op, w.node);
  }
  check_ports(v, g, i);
  check_attrs(v, g, i);
}

/* ---- graphs and the model ----------------------------------------------- */

static void check_cycles(verifier *v, const oq_graph *g) {
  const oq_mark mark = oq_arena_mark(v->e->scratch);
  const oq_node_id *order;
  uint32_t n;

  const oq_status s = oq_walk_order(&order, &n, g, v->e->scratch, v->e->diags);
  if (s != OQ_OK) breach(v, s);
  oq_arena_rewind(v->e->scratch, mark);
}

/* Bodies are walked from their nodes, so none is met twice unless two nodes
 * share it; the number of nodes is bounded either way. */
static void check_graph(verifier *v, const oq_graph *g, uint32_t depth) {
  const oq_limits *limits = v->e->limits;
  const oq_where w = where_graph(g);

  if (depth > limits->max_graph_depth || depth > OQ_MAX_GRAPH_DEPTH) {
    BREACH(v, OQ_E_LIMIT, "limit.graph_depth", &w,
           "graphs inside graphs, more than %u deep", limits->max_graph_depth);
    return;
  }
  if (v->nodes + g->n_nodes > limits->max_nodes) {
    BREACH(v, OQ_E_LIMIT, "limit.nodes", &w, "the model has more than %u nodes",
           limits->max_nodes);
    return;
  }
  if (g->n_inputs > OQ_MAX_PORTS || g->n_outputs > OQ_MAX_PORTS) {
    BREACH(v, OQ_E_LIMIT, "limit.ports", &w,
           "the graph has more than %d inputs or outputs", OQ_MAX_PORTS);
  }
  for (uint32_t i = 0; i < g->n_values; i++) {
    if (g->values[i].kind != OQ_VALUE_DEAD) check_value(v, g, i);
  }
  check_shadows(v, g, depth);
  check_inputs(v, g);
  check_outputs(v, g);
  check_inits(v, g);
  for (uint32_t i = 0; i < g->n_nodes; i++) {
    if (!g->nodes[i].dead) check_node(v, g, i);
  }
  check_cycles(v, g);
  for (uint32_t i = 0; i < g->n_nodes; i++) {
    if (!g->nodes[i].dead) check_bodies(v, g, i, depth);
  }
}

static void check_model(verifier *v) {
  const oq_model_ir *m = v->m;

  if (m->ir_version >= 3 && m->n_opsets == 0) {
    BREACH(v, OQ_E_MODEL, "model.opset", NULL,
           "the model says not which operator sets it uses");
  }
  for (uint32_t i = 0; i < m->n_opsets; i++) {
    if (m->opsets[i].version >= 1 && m->opsets[i].version <= INT32_MAX) {
      continue;
    }
    BREACH(v, OQ_E_MODEL, "model.opset", NULL,
           "operator set '%s' has version %lld",
           oq_names_text(m->names, m->opsets[i].domain),
           (long long)m->opsets[i].version);
  }
  if (m->main == NULL) {
    BREACH(v, OQ_E_MODEL, "model.graph", NULL, "the model has no graph");
    return;
  }
  check_graph(v, m->main, 1);
}

oq_status oq_ir_verify(const oq_model_ir *m, const oq_env *e) {
  verifier v = {.m = m, .e = e, .n_stamps = oq_names_count(m->names)};
  const oq_mark mark = oq_arena_mark(e->scratch);

  v.stamp = OQ_NEW_N(e->scratch, uint32_t, v.n_stamps);
  if (v.stamp == NULL) return oq_fail_memory(e->diags);
  check_model(&v);
  oq_arena_rewind(e->scratch, mark);
  return v.first;
}

/* ops/infer.c - types of all values as far as they follow from what is known
 * before a run.  Never needed for a run: there every rule sees real shapes. */
#include <string.h>

#include "ops/op.h"
#include "ops/symbols.h"

/* Values up to this many elements are followed: shapes, axes, scales. */
#define KNOWN_MAX 4096

/* Questions to rules and kernels about sizes that have names only, some
 * seconds of them.  A node asks some hundred if it makes new sizes, most ask
 * none; behind the last one sizes are copied, or unknown. */
#define QUESTIONS 3000000

/* Nodes of bodies, each time they are gone through. */
#define BODY_NODES 50000
#define BODY_NODES_PER_NODE 4

/* ---- the walk ------------------------------------------------------------ */
typedef struct oq_infer_walk {
  const oq_graph *g;
  const struct oq_infer_walk *outer; /* of the graph around, if it is walked */
  oq_arena *a;                       /* results and known values */
  const oq_env *env;
  oq_env quiet; /* findings of rules go to `rules` first */
  oq_diags *rules;
  const oq_type **types;
  const oq_ctensor **known; /* by value id; NULL = not (yet) known */
  const oq_part **part;     /* the same: known in part */
  oq_symbols *symbols;      /* NULL: names of sizes are only copied */
  uint64_t *body_nodes;     /* that may still be gone through */
} walk;

/* Outer values keep the type of the enclosing graph. */
static const oq_value *resolve(const oq_graph **g, oq_value_id v) {
  const oq_value *x = oq_graph_value(*g, v);

  while (x->kind == OQ_VALUE_OUTER && (*g)->outer != NULL &&
         oq_value_ok((*g)->outer_of[v.i])) {
    v = (*g)->outer_of[v.i];
    *g = (*g)->outer;
    x = oq_graph_value(*g, v);
  }
  return x;
}

static const oq_type *declared(const oq_graph *g, oq_value_id v) {
  const oq_type *const here = oq_graph_value(g, v)->type;
  const oq_value *const x = resolve(&g, v);

  if (x->kind == OQ_VALUE_CONST && x->konst != NULL) return x->konst->type;
  return x->type != NULL ? x->type : here;
}

/* Decodes a small constant the first time somebody asks. */
static const oq_ctensor *known_value(walk *w, oq_value_id v) {
  const oq_graph *g = w->g;
  oq_shape s;
  size_t n;

  if (w->known[v.i] != NULL) return w->known[v.i];
  const oq_value *const x = resolve(&g, v);
  if (x->kind != OQ_VALUE_CONST || x->konst == NULL || x->also_input)
    return NULL;
  if (!oq_type_shape(&s, x->konst->type) || oq_shape_count(&n, &s) != OQ_OK ||
      n > KNOWN_MAX || x->konst->type->dtype == OQ_DT_STRING)
    return NULL;
  oq_ctensor *const t = OQ_NEW(w->a, oq_ctensor);
  if (t == NULL || oq_const_view(t, x->konst, w->a, w->rules) != OQ_OK)
    return NULL;
  w->known[v.i] = t;
  return t;
}

/* What a rule or a kernel refused is a finding here, not an error: the node may
 * never run. */
static void report_rules(walk *w, oq_node_id id) {
  oq_where place = oq_node_where(w->g, id);

  for (size_t i = 0; i < oq_diags_count(w->rules); i++) {
    const oq_diag *const d = oq_diags_at(w->rules, i);
    if (d->severity == OQ_NOTE) continue;
    place.hint = d->hint;
    oq_warn(w->env->diags, d->id, &place, "%s", d->text);
  }
  oq_diags_clear(w->rules);
}

static bool has_body(const oq_node *n) {
  for (uint32_t i = 0; i < n->n_attrs; i++)
    if (n->attrs[i].kind == OQ_ATTR_GRAPH || n->attrs[i].kind == OQ_ATTR_GRAPHS)
      return true;
  return false;
}

static bool all_small(const oq_type *types, const oq_node *node) {
  for (uint32_t i = 0; i < node->n_out; i++) {
    oq_shape s;
    size_t count;
    if (!oq_value_ok(node->out[i])) continue;
    if (types[i].kind != OQ_TYPE_TENSOR || !oq_type_shape(&s, &types[i]) ||
        oq_shape_count(&count, &s) != OQ_OK || count > KNOWN_MAX)
      return false;
  }
  return true;
}

static bool can_eval(const oq_node *n, const oq_type *out,
                     const oq_ctensor *const *in) {
  const unsigned never = OQ_OP_RANDOM | OQ_OP_LATE | OQ_OP_GIVES;

  if ((n->def->flags & never) != 0 || has_body(n)) return false;
  for (uint32_t i = 0; i < n->n_in; i++) {
    if (!oq_value_ok(n->in[i]) || in[i] != NULL) continue;
    return false;
  }
  /* Shapes do not follow from texts, which have no bound here. */
  for (uint32_t i = 0; i < n->n_out; i++)
    if (out[i].dtype == OQ_DT_STRING) return false;
  return all_small(out, n);
}

/* Shape and Size need no numbers: their inputs are handed over without any. */
static oq_status shape_only_inputs(walk *w, const oq_node *n,
                                   const oq_ctensor **in) {
  oq_shape s;
  oq_ctensor *t;

  if ((n->def->flags & OQ_OP_META) == 0 || n->n_in == 0 || in[0] != NULL ||
      !oq_value_ok(n->in[0]))
    return OQ_OK;
  const oq_type *const type = w->types[n->in[0].i];
  if (type == NULL || type->kind != OQ_TYPE_TENSOR || !oq_type_shape(&s, type))
    return OQ_OK;
  t = OQ_NEW(w->a, oq_ctensor);
  if (t == NULL) return oq_fail_memory(w->env->diags);
  *t = (oq_ctensor){.dtype = type->dtype, .shape = s};
  in[0] = t;
  return OQ_OK;
}

static oq_status keep_known(walk *w, oq_value_id v, const oq_tensor *from) {
  oq_ctensor *const t = OQ_NEW(w->a, oq_ctensor);

  if (t == NULL) return oq_fail_memory(w->env->diags);
  *t = oq_tensor_const(from);
  w->known[v.i] = t;
  return OQ_OK;
}

static oq_status eval_node(walk *w, oq_node_id id, oq_infer *x,
                           const oq_ctensor **in) {
  const oq_node *const n = x->node;
  oq_tensor *const made = OQ_NEW_N(w->a, oq_tensor, n->n_out);

  if (made == NULL) return oq_fail_memory(w->env->diags);
  OQ_TRY(shape_only_inputs(w, n, in));
  if (!can_eval(n, x->out, in)) return OQ_OK;
  const oq_status s = oq_op_eval(made, w->g, id, in, w->a, &w->quiet);
  if (s == OQ_E_MEMORY) return oq_fail_memory(w->env->diags);
  if (s != OQ_OK) return OQ_OK; /* reported with the rule's findings */
  for (uint32_t i = 0; i < n->n_out; i++)
    if (made[i].data != NULL) OQ_TRY(keep_known(w, n->out[i], &made[i]));
  return OQ_OK;
}

/* ---- sizes that have names only ------------------------------------------ */
static bool all_numbers(const oq_part *p) {
  for (uint32_t i = 0; i < p->n; i++)
    if (p->elem[i].kind != OQ_ELEM_NUMBER) return false;
  return true;
}

static oq_status keep_part(walk *w, oq_value_id v, const oq_part *p) {
  oq_tensor t;

  if (!all_numbers(p)) {
    w->part[v.i] = OQ_COPY_N(w->a, oq_part, p, 1);
    return w->part[v.i] == NULL ? oq_fail_memory(w->env->diags) : OQ_OK;
  }
  if (oq_tensor_make(&t, p->dtype, &p->shape, w->a) != OQ_OK)
    return oq_fail_memory(w->env->diags);
  for (uint32_t i = 0; i < p->n; i++) oq_element_set_i64(&t, i, p->elem[i].v);
  return keep_known(w, v, &t);
}

static bool gives_values(const oq_node *n, const oq_ctensor *const *in) {
  const unsigned never = OQ_OP_RANDOM | OQ_OP_LATE | OQ_OP_GIVES;

  if ((n->def->flags & never) != 0 || has_body(n)) return false;
  for (uint32_t i = 0; i < n->n_in; i++)
    if (oq_value_ok(n->in[i]) && in[i] == NULL) return true;
  return false; /* all known: evaluated as it is */
}

static oq_status ask_symbols(walk *w, oq_infer *x,
                             const oq_ctensor *const *in) {
  const oq_node *const n = x->node;
  const oq_part **const part = OQ_NEW_N(x->scratch, const oq_part *, n->n_in);
  oq_part *const made = OQ_NEW_N(x->scratch, oq_part, n->n_out);

  if (part == NULL || made == NULL) return oq_fail_memory(w->env->diags);
  for (uint32_t i = 0; i < n->n_in; i++)
    if (oq_value_ok(n->in[i]) && in[i] == NULL) part[i] = w->part[n->in[i].i];
  if (!has_body(n) && oq_symbols_types(w->symbols, x, part) != OQ_OK)
    return oq_fail_memory(w->env->diags);
  if (!gives_values(n, in)) return OQ_OK;
  if (oq_symbols_values(made, w->symbols, x, part, w->a, &w->quiet) != OQ_OK)
    return oq_fail_memory(w->env->diags);
  for (uint32_t i = 0; i < n->n_out; i++)
    if (made[i].elem != NULL) OQ_TRY(keep_part(w, n->out[i], &made[i]));
  return OQ_OK;
}

/* ---- rule against declaration -------------------------------------------- */
static void contradict(const walk *w, oq_value_id v, const char *what) {
  oq_where place = OQ_WHERE_INIT;

  place.value = oq_value_text(w->g, v);
  oq_warn(w->env->diags, "infer.type", &place,
          "the declared %s is not what follows from the operators", what);
}

static void merge_dims(const walk *w, oq_value_id v, oq_type *t,
                       const oq_type *said) {
  bool differ = false;

  for (uint32_t i = 0; i < t->rank; i++) {
    const oq_dim d = said->dim[i];
    if (t->dim[i].size != OQ_DIM_UNKNOWN) {
      differ |= d.size != OQ_DIM_UNKNOWN && d.size != t->dim[i].size;
    } else if (d.size != OQ_DIM_UNKNOWN || t->dim[i].symbol.i == 0) {
      t->dim[i] = d;
    }
  }
  if (differ) contradict(w, v, "shape");
}

/* What follows is stronger than what is said; what is said fills the rest. */
static void merge(const walk *w, oq_value_id v, oq_type *t,
                  const oq_type *said) {
  if (said == NULL || said->kind == OQ_TYPE_UNKNOWN) return;
  if (t->kind == OQ_TYPE_UNKNOWN) {
    *t = *said;
    return;
  }
  if (said->kind != t->kind || said->dtype != t->dtype) {
    if (said->kind != t->kind || said->dtype != OQ_DT_NONE)
      contradict(w, v, "element type");
    return;
  }
  if (!said->has_rank) return;
  if (!t->has_rank) {
    t->has_rank = true;
    t->rank = said->rank;
    memcpy(t->dim, said->dim, sizeof t->dim);
  } else if (t->rank != said->rank) {
    contradict(w, v, "rank");
  } else {
    merge_dims(w, v, t, said);
  }
}

static oq_status keep_outputs(walk *w, const oq_node *n, oq_type *out) {
  for (uint32_t i = 0; i < n->n_out; i++) {
    const oq_value_id v = n->out[i];
    if (!oq_value_ok(v)) continue;
    merge(w, v, &out[i], oq_graph_value(w->g, v)->type);
    if (out[i].kind == OQ_TYPE_UNKNOWN) continue;
    const oq_type *const t = OQ_COPY_N(w->a, oq_type, &out[i], 1);
    if (t == NULL) return oq_fail_memory(w->env->diags);
    w->types[v.i] = t;
  }
  return OQ_OK;
}

static oq_status infer_node(walk *w, oq_node_id id, oq_arena *scratch) {
  const oq_node *const n = oq_graph_node(w->g, id);
  const oq_type **const in = OQ_NEW_N(scratch, const oq_type *, n->n_in);
  const oq_ctensor **const known =
      OQ_NEW_N(scratch, const oq_ctensor *, n->n_in);
  oq_type *const out = OQ_NEW_N(scratch, oq_type, n->n_out);
  oq_infer x = {.graph = w->g,
                .node = n,
                .params = n->params,
                .opset = oq_ir_opset(w->g->model, n->domain),
                .n_in = n->n_in,
                .n_out = n->n_out,
                .in = in,
                .konst = known,
                .out = out,
                .scratch = scratch,
                .diags = w->rules,
                .walk = w};

  if (in == NULL || known == NULL || out == NULL)
    return oq_fail_memory(w->env->diags);
  for (uint32_t i = 0; i < n->n_in; i++) {
    if (!oq_value_ok(n->in[i])) continue;
    in[i] = w->types[n->in[i].i];
    known[i] = known_value(w, n->in[i]);
  }
  if (n->def != NULL) {
    const oq_status s = n->def->infer(&x);
    if (s == OQ_E_MEMORY) return oq_fail_memory(w->env->diags);
    if (s == OQ_OK) OQ_TRY(eval_node(w, id, &x, known));
    if (s != OQ_OK) memset(out, 0, n->n_out * sizeof *out);
    report_rules(w, id);
    if (s == OQ_OK && w->symbols != NULL) OQ_TRY(ask_symbols(w, &x, known));
    oq_diags_clear(w->rules);
  }
  return keep_outputs(w, n, out);
}

static oq_status walk_all(walk *w) {
  const oq_node_id *order;
  uint32_t n;

  OQ_TRY(oq_walk_order(&order, &n, w->g, w->a, w->env->diags));
  for (uint32_t i = 0; i < n; i++) {
    oq_arena *const scratch = w->env->scratch;
    const oq_mark mark = oq_arena_mark(scratch);
    const oq_status s = infer_node(w, order[i], scratch);
    if (scratch != w->a) oq_arena_rewind(scratch, mark);
    OQ_TRY(s);
  }
  return OQ_OK;
}

/* Of outer values what the walk around knows, or `around` says; of the rest
 * what is declared. */
static oq_status open_walk(walk *w, const oq_type *const *around) {
  const oq_graph *const g = w->g;

  w->types = OQ_NEW_N(w->a, const oq_type *, g->n_values);
  w->known = OQ_NEW_N(w->a, const oq_ctensor *, g->n_values);
  w->part = OQ_NEW_N(w->a, const oq_part *, g->n_values);
  if (w->types == NULL || w->known == NULL || w->part == NULL)
    return oq_fail_memory(w->env->diags);
  for (uint32_t i = 0; i < g->n_values; i++) {
    const oq_value_id of =
        g->outer != NULL ? g->outer_of[i] : (oq_value_id){OQ_NONE};
    w->types[i] = declared(g, (oq_value_id){i});
    if (g->values[i].kind != OQ_VALUE_OUTER || !oq_value_ok(of)) continue;
    if (around != NULL && around[of.i] != NULL) w->types[i] = around[of.i];
    if (w->outer == NULL) continue;
    if (w->outer->types[of.i] != NULL) w->types[i] = w->outer->types[of.i];
    w->known[i] = w->outer->known[of.i];
    w->part[i] = w->outer->part[of.i];
  }
  return OQ_OK;
}

/* ---- bodies -------------------------------------------------------------- */
/* What is fed is stronger than what the body says of its inputs. */
static oq_status feed_walk(walk *w, const oq_type *const *in,
                           const oq_ctensor *const *value) {
  const oq_graph *const g = w->g;

  for (uint32_t i = 0, k = 0; i < g->n_inputs; i++) {
    const oq_value_id v = g->inputs[i];
    if (oq_graph_value(g, v)->kind != OQ_VALUE_INPUT) continue;
    const oq_type *const from = in == NULL ? NULL : in[k];
    if (value != NULL && value[k] != NULL) w->known[v.i] = value[k];
    k++;
    if (from == NULL || from->kind == OQ_TYPE_UNKNOWN) continue;
    oq_type *const t = OQ_COPY_N(w->a, oq_type, from, 1);
    if (t == NULL) return oq_fail_memory(w->env->diags);
    merge(w, v, t, oq_graph_value(g, v)->type);
    w->types[v.i] = t;
  }
  return OQ_OK;
}

static bool may_walk(const walk *w, const oq_graph *body) {
  if (w == NULL || w->symbols == NULL || *w->body_nodes < body->n_nodes + 1)
    return false;
  *w->body_nodes -= body->n_nodes + 1;
  return true;
}

static void take_outputs(oq_type *out, const oq_ctensor **value, walk *w) {
  const oq_graph *const g = w->g;

  for (uint32_t i = 0; i < g->n_outputs; i++) {
    const oq_type *const t = w->types[g->outputs[i].i];
    if (t != NULL) out[i] = *t;
    if (value != NULL) value[i] = known_value(w, g->outputs[i]);
  }
}

oq_status oq_infer_body(oq_type *out, const oq_ctensor **value,
                        const oq_infer *x, const oq_graph *body,
                        const oq_type *const *in,
                        const oq_ctensor *const *fed) {
  walk w = {.g = body, .outer = x->walk, .a = x->scratch};
  oq_env quiet;
  oq_status s;

  memset(out, 0, body->n_outputs * sizeof *out);
  for (uint32_t i = 0; i < body->n_outputs; i++) {
    const oq_type *const t = oq_graph_value(body, body->outputs[i])->type;
    if (t != NULL) out[i] = *t;
  }
  if (!may_walk(x->walk, body)) return OQ_OK;
  w.symbols = w.outer->symbols;
  w.body_nodes = w.outer->body_nodes;
  quiet = *w.outer->env;
  if (oq_diags_create(&quiet.diags, quiet.alloc) != OQ_OK) return OQ_E_MEMORY;
  if (oq_diags_create(&w.rules, quiet.alloc) != OQ_OK) {
    oq_diags_destroy(quiet.diags);
    return OQ_E_MEMORY;
  }
  w.quiet = quiet;
  w.quiet.diags = w.rules;
  w.env = &quiet;
  s = open_walk(&w, NULL);
  if (s == OQ_OK) s = feed_walk(&w, in, fed);
  if (s == OQ_OK) s = walk_all(&w);
  if (s == OQ_OK) take_outputs(out, value, &w);
  oq_diags_destroy(w.rules);
  oq_diags_destroy(quiet.diags);
  return s == OQ_E_MEMORY ? s : OQ_OK; /* what else there is, is left unsaid */
}

/* ---- all of it ----------------------------------------------------------- */
static oq_status reserve_names(oq_exprs *t, const oq_type *type) {
  for (uint32_t d = 0; type != NULL && type->has_rank && d < type->rank; d++)
    OQ_TRY(oq_exprs_reserve(t, type->dim[d].symbol));
  return OQ_OK;
}

/* Names that the model itself uses stay symbols. */
static oq_status reserve_all(oq_exprs *t, const oq_graph *g) {
  for (uint32_t i = 0; i < g->n_values; i++)
    OQ_TRY(reserve_names(t, g->values[i].type));
  for (uint32_t i = 0; i < g->n_bodies; i++)
    OQ_TRY(reserve_all(t, g->bodies[i]));
  return OQ_OK;
}

/* The table has an arena of its own: scratch is rewound while it grows. */
static oq_status open_symbols(walk *w, oq_symbols *s, oq_arena *a) {
  const uint64_t n = w->g->n_nodes;

  s->questions = QUESTIONS;
  if (oq_exprs_create(&s->exprs, w->g->model->names, a) != OQ_OK ||
      reserve_all(s->exprs, w->g) != OQ_OK)
    return oq_fail_memory(w->env->diags);
  *w->body_nodes = BODY_NODES + BODY_NODES_PER_NODE * n;
  w->symbols = s;
  return OQ_OK;
}

static oq_status infer_all(walk *w, oq_symbols *s, oq_arena *a,
                           const oq_type *const *around) {
  if (s != NULL) OQ_TRY(open_symbols(w, s, a));
  OQ_TRY(open_walk(w, around));
  OQ_TRY(walk_all(w));
  return s != NULL && oq_exprs_exhausted(s->exprs)
             ? oq_fail_memory(w->env->diags)
             : OQ_OK;
}

static oq_status infer(const oq_type ***out, const oq_graph *g,
                       const oq_type *const *around, oq_arena *a,
                       const oq_env *e, oq_symbols *symbols) {
  uint64_t body_nodes = 0;
  walk w = {.g = g, .a = a, .env = e, .quiet = *e, .body_nodes = &body_nodes};
  oq_arena *table = NULL;
  oq_status s;

  if (oq_arena_create(&table, e->alloc, 0) != OQ_OK ||
      oq_diags_create(&w.rules, e->alloc) != OQ_OK) {
    oq_arena_destroy(table);
    return oq_fail_memory(e->diags);
  }
  w.quiet.diags = w.rules;
  s = infer_all(&w, symbols, table, around);
  oq_diags_destroy(w.rules);
  oq_arena_destroy(table);
  if (s == OQ_OK) *out = w.types;
  return s;
}

oq_status oq_infer_types(const oq_type ***out, const oq_graph *g, oq_arena *a,
                         const oq_env *e) {
  oq_symbols symbols = {0};

  return infer(out, g, NULL, a, e, &symbols);
}

oq_status oq_infer_types_plain(const oq_type ***out, const oq_graph *g,
                               oq_arena *a, const oq_env *e) {
  return infer(out, g, NULL, a, e, NULL);
}

/* Of a body; what is found there is only told where it ends the work. */
static oq_status infer_body(const oq_type ***out, const oq_graph *g,
                            const oq_type *const *around, oq_arena *a,
                            const oq_env *e) {
  oq_symbols symbols = {0};
  oq_env quiet = *e;

  if (oq_diags_create(&quiet.diags, e->alloc) != OQ_OK)
    return oq_fail_memory(e->diags);
  const oq_status s = infer(out, g, around, a, &quiet, &symbols);
  if (s != OQ_OK) oq_diags_append(e->diags, quiet.diags);
  oq_diags_destroy(quiet.diags);
  return s;
}

oq_status oq_infer_scopes(const oq_type *const ***out, const oq_scope *scope,
                          uint32_t n, oq_arena *a, const oq_env *e) {
  const oq_type *const **all = OQ_NEW_N(a, const oq_type *const *, n);
  const oq_type **types = NULL;

  if (all == NULL) return oq_fail_memory(e->diags);
  for (uint32_t i = 0; i < n; i++) {
    if (scope[i].up == OQ_NONE)
      OQ_TRY(oq_infer_types(&types, scope[i].graph, a, e));
    else
      OQ_TRY(infer_body(&types, scope[i].graph, all[scope[i].up], a, e));
    all[i] = types;
  }
  *out = all;
  return OQ_OK;
}

/* ops/infer.c - types of all values as far as they follow from what is known
 * before a run, and one node on known inputs.  Never needed for a run: there
 * every rule sees real shapes. */
#include <string.h>

#include "kern/kern.h"
#include "ops/op.h"

/* Values up to this many elements are followed: shapes, axes, scales. */
#define KNOWN_MAX 4096

/* ---- one node on known inputs -------------------------------------------- */
static bool all_concrete(const oq_type *types, uint32_t n, const oq_node *node,
                         size_t max_elements) {
  for (uint32_t i = 0; i < n; i++) {
    oq_shape s;
    size_t count;
    if (!oq_value_ok(node->out[i])) continue;
    if (types[i].kind != OQ_TYPE_TENSOR || !oq_type_shape(&s, &types[i]) ||
        oq_shape_count(&count, &s) != OQ_OK || count > max_elements)
      return false;
  }
  return true;
}

static oq_status make_outputs(oq_run *r, const oq_type *types, oq_arena *a) {
  for (uint32_t i = 0; i < r->n_out; i++) {
    oq_shape s;
    if (!oq_value_ok(r->node->out[i])) continue;
    if (!oq_type_shape(&s, &types[i])) continue; /* LATE */
    if (!oq_op_gives(r->node->def, r->opset, types[i].dtype))
      return oq_run_fail(r, OQ_E_UNSUPPORTED, "op.dtype",
                         "output %u cannot be %s", i,
                         oq_dtype_text((int32_t)types[i].dtype));
    const oq_status st = oq_tensor_make(&r->out[i], types[i].dtype, &s, a);
    if (st == OQ_E_MEMORY) return oq_fail_memory(r->diags);
    if (st != OQ_OK)
      return oq_run_fail(r, st, "op.size", "output %u is too big", i);
  }
  return OQ_OK;
}

static oq_status check_dtype(const oq_run *r) {
  const oq_op_def *const d = r->node->def;

  for (uint32_t i = 0; i < r->n_in; i++) {
    if (r->in[i] == NULL || oq_op_takes(d, r->opset, i, r->in[i]->dtype))
      continue;
    return oq_run_fail(r, OQ_E_UNSUPPORTED, "op.dtype",
                       "operator '%s' is not implemented for %s", d->name,
                       oq_dtype_text((int32_t)r->in[i]->dtype));
  }
  return OQ_OK;
}

static oq_status run_node(oq_run *r, const oq_type *types, oq_arena *a) {
  const oq_op_def *const d = r->node->def;

  OQ_TRY(check_dtype(r));
  OQ_TRY(make_outputs(r, types, a));
  if ((d->flags & OQ_OP_VIEW) == 0) return d->run(r);
  if (r->n_out > 0 && r->out[0].data != NULL && r->out[0].size > 0)
    memcpy(r->out[0].data, r->in[0]->data, r->out[0].size);
  return OQ_OK;
}

/* Everything a rule and a kernel are handed, for n known inputs. */
static oq_status prepare(oq_infer *x, oq_run *r, const oq_graph *g,
                         oq_node_id id, const oq_ctensor *const *in,
                         oq_tensor *out, oq_arena *a, const oq_env *e) {
  const oq_node *const n = oq_graph_node(g, id);
  const oq_type **const types = OQ_NEW_N(a, const oq_type *, n->n_in);
  bool *const wanted = OQ_NEW_N(a, bool, n->n_out);
  oq_type *const made = OQ_NEW_N(a, oq_type, n->n_out);

  if (types == NULL || wanted == NULL || made == NULL)
    return oq_fail_memory(e->diags);
  for (uint32_t i = 0; i < n->n_in; i++) {
    if (in[i] == NULL) continue;
    types[i] =
        oq_type_make(a, in[i]->dtype, in[i]->shape.dim, in[i]->shape.rank);
    if (types[i] == NULL) return oq_fail_memory(e->diags);
  }
  for (uint32_t i = 0; i < n->n_out; i++) wanted[i] = oq_value_ok(n->out[i]);
  *x = (oq_infer){.graph = g,
                  .node = n,
                  .params = n->params,
                  .opset = oq_ir_opset(g->model, n->domain),
                  .n_in = n->n_in,
                  .n_out = n->n_out,
                  .in = types,
                  .konst = in,
                  .out = made,
                  .scratch = a,
                  .diags = e->diags};
  *r = (oq_run){.graph = g,
                .node = n,
                .params = n->params,
                .opset = x->opset,
                .n_in = n->n_in,
                .n_out = n->n_out,
                .in = in,
                .out = out,
                .wanted = wanted,
                .k = e->kernels != NULL ? e->kernels : oq_kernels_find("auto"),
                .scratch = a,
                .texts = a,
                .diags = e->diags};
  return OQ_OK;
}

oq_status oq_op_eval(oq_tensor *out, const oq_graph *g, oq_node_id id,
                     const oq_ctensor *const *in, oq_arena *a,
                     const oq_env *e) {
  const oq_node *const n = oq_graph_node(g, id);
  oq_infer x;
  oq_run r;
  oq_tensor *const made = OQ_NEW_N(a, oq_tensor, n->n_out);

  if (made == NULL) return oq_fail_memory(e->diags);
  OQ_TRY(prepare(&x, &r, g, id, in, made, a, e));
  if (n->def == NULL)
    return oq_run_fail(&r, OQ_E_UNSUPPORTED, "op.unknown",
                       "operator '%s' is not known", oq_node_op(g, id));
  if ((n->def->flags & OQ_OP_GIVES) != 0)
    return oq_run_fail(&r, OQ_E_UNSUPPORTED, "op.alone",
                       "operator '%s' runs within a graph only", n->def->name);
  OQ_TRY(n->def->infer(&x));
  if (!all_concrete(x.out, n->n_out, n, SIZE_MAX))
    return oq_run_fail(&r, OQ_E_UNSUPPORTED, "op.late",
                       "output sizes are known only after a run");
  OQ_TRY(run_node(&r, x.out, a));
  memcpy(out, made, n->n_out * sizeof *made);
  return OQ_OK;
}

/* ---- the walk ------------------------------------------------------------ */
typedef struct walk {
  const oq_graph *g;
  oq_arena *a; /* results and known values */
  const oq_env *env;
  oq_env quiet; /* findings of rules go to `rules` first */
  oq_diags *rules;
  const oq_type **types;
  const oq_ctensor **known; /* by value id; NULL = not (yet) known */
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
      n > KNOWN_MAX || oq_dtype_bits((int32_t)x->konst->type->dtype) == 0)
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

static bool can_eval(walk *w, const oq_node *n, const oq_type *out,
                     const oq_ctensor *const *in) {
  const unsigned never = OQ_OP_RANDOM | OQ_OP_LATE | OQ_OP_GIVES;

  if ((n->def->flags & never) != 0 || has_body(n)) return false;
  for (uint32_t i = 0; i < n->n_in; i++) {
    if (!oq_value_ok(n->in[i]) || in[i] != NULL) continue;
    return false;
  }
  (void)w;
  return all_concrete(out, n->n_out, n, KNOWN_MAX);
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

static oq_status eval_node(walk *w, oq_node_id id, oq_infer *x,
                           const oq_ctensor **in) {
  const oq_node *const n = x->node;
  oq_tensor *const made = OQ_NEW_N(w->a, oq_tensor, n->n_out);

  if (made == NULL) return oq_fail_memory(w->env->diags);
  OQ_TRY(shape_only_inputs(w, n, in));
  if (!can_eval(w, n, x->out, in)) return OQ_OK;
  const oq_status s = oq_op_eval(made, w->g, id, in, w->a, &w->quiet);
  if (s == OQ_E_MEMORY) return oq_fail_memory(w->env->diags);
  if (s != OQ_OK) return OQ_OK; /* reported with the rule's findings */
  for (uint32_t i = 0; i < n->n_out; i++) {
    if (made[i].data == NULL) continue;
    oq_ctensor *const t = OQ_NEW(w->a, oq_ctensor);
    if (t == NULL) return oq_fail_memory(w->env->diags);
    *t = oq_tensor_const(&made[i]);
    w->known[n->out[i].i] = t;
  }
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
                .diags = w->rules};

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

static oq_status infer(const oq_type ***out, const oq_graph *g,
                       const oq_type *const *around, oq_arena *a,
                       const oq_env *e) {
  walk w = {.g = g, .a = a, .env = e, .quiet = *e};
  oq_status s;

  w.types = OQ_NEW_N(a, const oq_type *, g->n_values);
  w.known = OQ_NEW_N(a, const oq_ctensor *, g->n_values);
  if (w.types == NULL || w.known == NULL) return oq_fail_memory(e->diags);
  for (uint32_t i = 0; i < g->n_values; i++) {
    w.types[i] = declared(g, (oq_value_id){i});
    if (around != NULL && g->values[i].kind == OQ_VALUE_OUTER &&
        around[g->outer_of[i].i] != NULL)
      w.types[i] = around[g->outer_of[i].i];
  }
  if (oq_diags_create(&w.rules, e->alloc) != OQ_OK)
    return oq_fail_memory(e->diags);
  w.quiet.diags = w.rules;
  s = walk_all(&w);
  oq_diags_destroy(w.rules);
  if (s == OQ_OK) *out = w.types;
  return s;
}

oq_status oq_infer_types(const oq_type ***out, const oq_graph *g, oq_arena *a,
                         const oq_env *e) {
  return infer(out, g, NULL, a, e);
}

/* Of a body; what is found there is only told where it ends the work. */
static oq_status infer_body(const oq_type ***out, const oq_graph *g,
                            const oq_type *const *around, oq_arena *a,
                            const oq_env *e) {
  oq_env quiet = *e;

  if (oq_diags_create(&quiet.diags, e->alloc) != OQ_OK)
    return oq_fail_memory(e->diags);
  const oq_status s = infer(out, g, around, a, &quiet);
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

/* pass/raise_opset.c - brings the nodes of the main graph and of all bodies to
 * a newer opset of the default domain. */
#include <string.h>

#include "base/limits.h"
#include "base/vec.h"
#include "pass/raise_rules.h"

#define DEFAULT_OPSET 13
#define OLDEST_OPSET 7

int64_t oq_pass_ir_version(int64_t opset) {
  static const struct {
    int64_t opset, ir;
  } steps[] = {{25, 13}, {24, 12}, {23, 11}, {21, 10}, {19, 9},
               {15, 8},  {12, 7},  {11, 6},  {10, 5},  {9, 4}};

  for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++)
    if (opset >= steps[i].opset) return steps[i].ir;
  return 3;
}

/* One graph, with what was known of it before. */
typedef struct place {
  oq_graph *g;
  const oq_type **types;
  oq_pass_uses uses;
} place;

typedef struct operator_use {
  oq_name op;
  const oq_graph *g; /* of the first such node */
  oq_node_id id;
} operator_use;

typedef struct raiser {
  oq_model_ir *m;
  const oq_env *env;
  int64_t from, to;
  OQ_VEC(place) places;
  OQ_VEC(operator_use) ops; /* each operator of the default domain once */
  oq_name *rule_names;      /* of the operators of the rules */
  oq_dtype floats;          /* see oq_raise */
  const char *held_by;      /* why `to` is lower than it was asked to be */
  oq_where held_at;
} raiser;

/* ---- collect --------------------------------------------------------------
 */
/* What is known of a value out there helps in here. */
static void bring_types(const oq_graph *g, const place *outer) {
  for (uint32_t i = 0; i < g->n_values; i++) {
    oq_value *const v = &g->values[i];
    if (v->kind != OQ_VALUE_OUTER || v->type != NULL ||
        !oq_value_ok(g->outer_of[i]))
      continue;
    const oq_type *const t = outer->types[g->outer_of[i].i];
    if (t != NULL) v->type = OQ_COPY_N(g->model->arena, oq_type, t, 1);
  }
}

static oq_status add_place(raiser *r, oq_graph *g) {
  place p = {.g = g};

  OQ_TRY(oq_pass_uses_take(&p.uses, g, r->env));
  OQ_TRY(oq_pass_types(&p.types, g, r->env->scratch, r->env));
  return oq_vec_push(r->env->scratch, &r->places, p) ? OQ_OK : OQ_E_MEMORY;
}

/* Enclosing graphs come before the graphs in them. */
static oq_status collect_places(raiser *r) {
  OQ_TRY(add_place(r, r->m->main));
  for (uint32_t i = 0; i < r->places.n; i++) {
    const oq_graph *const g = r->places.p[i].g;
    for (uint32_t k = 0; k < g->n_nodes; k++) {
      oq_graph *b;
      if (g->nodes[k].dead) continue;
      for (oq_body_iter it = {&g->nodes[k], 0, 0};
           (b = oq_body_next(&it)) != NULL;) {
        bring_types(b, &r->places.p[i]);
        OQ_TRY(add_place(r, b));
      }
    }
  }
  return OQ_OK;
}

static oq_status collect_ops(raiser *r) {
  oq_arena *const a = r->env->scratch;
  bool *const seen = OQ_NEW_N(a, bool, oq_names_count(r->m->names));

  if (seen == NULL) return OQ_E_MEMORY;
  for (uint32_t i = 0; i < r->places.n; i++) {
    const oq_graph *const g = r->places.p[i].g;
    for (uint32_t k = 0; k < g->n_nodes; k++) {
      const oq_node *const n = &g->nodes[k];
      if (n->dead || n->domain.i != 0 || seen[n->op.i]) continue;
      seen[n->op.i] = true;
      const operator_use use = {n->op, g, {k}};
      if (!oq_vec_push(a, &r->ops, use)) return OQ_E_MEMORY;
    }
  }
  return OQ_OK;
}

static oq_status name_rules(raiser *r) {
  uint32_t n;
  const oq_raise_rule *const rules = oq_raise_rules(&n);

  r->rule_names = OQ_NEW_N(r->env->scratch, oq_name, n);
  if (r->rule_names == NULL) return OQ_E_MEMORY;
  for (uint32_t i = 0; i < n; i++)
    OQ_TRY(oq_names_add_text(r->m->names, &r->rule_names[i], rules[i].op));
  return OQ_OK;
}

/* ---- the type of floats ---------------------------------------------------
 */
static bool is_other_float(int64_t t) {
  return t > 0 && t < 32 && t != OQ_DT_F32 &&
         oq_dtype_in((int32_t)t, OQ_DTM_FLOAT);
}

/* Attributes whose number is that of an element type. */
static bool names_type(const oq_graph *g, const oq_attr *a) {
  const char *const name = oq_names_text(g->model->names, a->name);

  return a->kind == OQ_ATTR_I64 &&
         (strcmp(name, "to") == 0 || strcmp(name, "dtype") == 0);
}

static bool names_other_float(const oq_graph *g, const oq_node *n) {
  for (uint32_t i = 0; i < n->n_attrs; i++) {
    const oq_attr *const a = &n->attrs[i];
    if (names_type(g, a) && is_other_float(a->u.i64)) return true;
    if (a->kind == OQ_ATTR_TENSOR && a->u.tensor->type != NULL &&
        is_other_float((int64_t)a->u.tensor->type->dtype))
      return true;
  }
  return false;
}

static bool has_other_float(const place *p) {
  for (uint32_t i = 0; i < p->uses.n; i++)
    if (p->types[i] != NULL && is_other_float((int64_t)p->types[i]->dtype))
      return true;
  for (uint32_t i = 0; i < p->g->n_nodes; i++) {
    const oq_node *const n = &p->g->nodes[i];
    /* Operators of others may make what they like. */
    if (!n->dead && (n->domain.i != 0 || names_other_float(p->g, n)))
      return true;
  }
  return false;
}

/* In a model that has no floats but float32, a float of unknown type is one
 * (behind operators that nobody knows no types are known). */
static void settle_floats(raiser *r) {
  r->floats = OQ_DT_F32;
  for (uint32_t i = 0; i < r->places.n; i++)
    if (has_other_float(&r->places.p[i])) r->floats = OQ_DT_NONE;
}

/* ---- how far --------------------------------------------------------------
 */
static void hold(raiser *r, int64_t at, const oq_graph *g, oq_node_id id,
                 const char *why) {
  if (at >= r->to) return;
  r->to = at;
  r->held_by = why;
  r->held_at = oq_node_where(g, id);
}

/* An operator that can be run must not become one that cannot; one that cannot
 * be run must be one of which is known that it stays what it is. */
static bool is_known(const raiser *r, const char *op, int64_t opset) {
  const char *const then = oq_raise_name(op, opset);

  if (oq_op_find("", then, opset, NULL) != NULL) return true;
  return oq_op_find("", op, r->from, NULL) == NULL &&
         oq_raise_is_standard(then);
}

static void hold_for_operators(raiser *r) {
  for (uint32_t i = 0; i < r->ops.n; i++) {
    const operator_use *const u = &r->ops.p[i];
    const char *const op = oq_names_text(r->m->names, u->op);
    int64_t at = r->to;
    while (at > r->from && !is_known(r, op, at)) at--;
    hold(r, at, u->g, u->id, "is not known beyond");
  }
}

static oq_raise view_of(const raiser *r, const place *p, uint32_t node) {
  return (oq_raise){.g = p->g,
                    .id = {node},
                    .types = p->types,
                    .uses = p->uses,
                    .to = r->to,
                    .floats = r->floats,
                    .env = r->env};
}

static void hold_for_node(raiser *r, const place *p, uint32_t node) {
  uint32_t n;
  const oq_raise_rule *const rules = oq_raise_rules(&n);
  const oq_raise view = view_of(r, p, node);

  for (uint32_t i = 0; i < n; i++) {
    if (rules[i].can == NULL || rules[i].at <= r->from || rules[i].at > r->to ||
        !oq_name_eq(p->g->nodes[node].op, r->rule_names[i]))
      continue;
    if (!rules[i].can(&view))
      hold(r, rules[i].at - 1, p->g, (oq_node_id){node},
           "has no equal form beyond");
  }
}

static void settle_target(raiser *r) {
  hold_for_operators(r);
  for (uint32_t i = 0; i < r->places.n; i++) {
    const place *const p = &r->places.p[i];
    for (uint32_t k = 0; k < p->g->n_nodes; k++) {
      const oq_node *const n = &p->g->nodes[k];
      if (!n->dead && n->domain.i == 0) hold_for_node(r, p, k);
    }
  }
}

static void warn_held(const raiser *r, int64_t wanted) {
  oq_where w = r->held_at;

  if (r->held_by == NULL) return;
  w.hint = "forms of quantization that need a newer opset are not available";
  oq_warn(r->env->diags, "opset.held", &w,
          "the opset becomes %lld instead of %lld: %s '%s' %s it",
          (long long)r->to, (long long)wanted, w.op, w.node, r->held_by);
}

/* ---- do -------------------------------------------------------------------
 */
static oq_status raise_node(const raiser *r, const place *p, uint32_t node,
                            uint32_t *changed) {
  uint32_t n;
  const oq_raise_rule *const rules = oq_raise_rules(&n);
  const oq_raise view = view_of(r, p, node);
  const oq_mark mark = oq_arena_mark(r->env->scratch);

  for (uint32_t i = 0; i < n; i++) {
    if (rules[i].at <= r->from || rules[i].at > r->to ||
        !oq_name_eq(p->g->nodes[node].op, r->rule_names[i]))
      continue;
    OQ_TRY(rules[i].apply(&view));
    (*changed)++;
  }
  oq_arena_rewind(r->env->scratch, mark);
  return OQ_OK;
}

/* Only nodes that were there: what rules add has the new form. */
static oq_status raise_all(const raiser *r, uint32_t *changed) {
  for (uint32_t i = 0; i < r->places.n; i++) {
    const place *const p = &r->places.p[i];
    const uint32_t n = p->g->n_nodes;
    for (uint32_t k = 0; k < n; k++) {
      const oq_node *const node = &p->g->nodes[k];
      if (!node->dead && node->domain.i == 0)
        OQ_TRY(raise_node(r, p, k, changed));
    }
  }
  return OQ_OK;
}

/* Rows are those of an opset. */
static void unbind(const raiser *r) {
  for (uint32_t i = 0; i < r->places.n; i++) {
    const oq_graph *const g = r->places.p[i].g;
    for (uint32_t k = 0; k < g->n_nodes; k++) {
      if (g->nodes[k].domain.i != 0) continue;
      g->nodes[k].def = NULL;
      g->nodes[k].params = NULL;
    }
  }
}

static oq_status carry_out(raiser *r, uint32_t *changed) {
  const int64_t ir = oq_pass_ir_version(r->to);

  OQ_TRY(raise_all(r, changed));
  OQ_TRY(oq_edit_set_opset(r->m, "", r->to));
  if (r->m->ir_version < ir) r->m->ir_version = ir;
  unbind(r);
  (*changed)++;
  return OQ_OK;
}

static oq_status refuse_old(const raiser *r) {
  oq_where w = OQ_WHERE_INIT;

  w.hint = "convert it with the tools of ONNX first";
  return oq_fail(r->env->diags, OQ_E_UNSUPPORTED, "opset.old", &w,
                 "the model is of opset %lld, expected %d or newer",
                 (long long)r->from, OLDEST_OPSET);
}

/* The nodes of a local function mean what the opset that it imports says; that
 * must be the model's, or one with the same operators.  Functions are kept as
 * they came, so nobody has looked whether that would still be so. */
static oq_status leave_functions(const raiser *r, int64_t wanted) {
  oq_where w = OQ_WHERE_INIT;

  w.hint = "inline the local functions first";
  oq_warn(r->env->diags, "opset.functions", &w,
          "the opset stays at %lld instead of %lld: the model has local "
          "functions of the older one",
          (long long)r->from, (long long)wanted);
  return OQ_OK;
}

oq_status oq_pass_raise_opset(oq_model_ir *m, const oq_pass_options *o,
                              uint32_t *changed, const oq_env *e) {
  raiser r = {.m = m, .env = e, .from = oq_ir_opset(m, (oq_name){0})};
  const int64_t wanted = o->opset != 0 ? o->opset : DEFAULT_OPSET;

  *changed = 0;
  if (r.from == 0) return OQ_OK; /* nothing of the default domain in it */
  if (r.from < OLDEST_OPSET) return refuse_old(&r);
  if (r.from >= wanted) return OQ_OK;
  if (m->has_functions || m->n_functions > 0)
    return leave_functions(&r, wanted);
  r.to = wanted;
  OQ_TRY(collect_places(&r));
  OQ_TRY(collect_ops(&r));
  OQ_TRY(name_rules(&r));
  settle_floats(&r);
  settle_target(&r);
  warn_held(&r, wanted);
  return r.to > r.from ? carry_out(&r, changed) : OQ_OK;
}

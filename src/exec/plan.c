/* exec/plan.c - which nodes run, in which order, and how long each value is
 * needed.  Knows no shapes: they belong to a run. */
#include "exec/plan.h"

#include <string.h>

#include "base/map.h"
#include "exec/session.h"
#include "kern/kern.h"

typedef struct builder {
  oq_plan *p;
  const oq_graph *g;
  const oq_plan_options *opt;
  const oq_env *e;
  uint32_t depth; /* graphs around this one */
  const oq_node_id *order;
  uint32_t n_order;
  bool fold;      /* compute with the plan what follows from constants */
  bool *needed;   /* by value id */
  bool *keep;     /* by value id */
  bool *fixed;    /* by value id: follows from constants alone */
  uint32_t *last; /* by slot: the last step that reads it */
} builder;

static oq_status create(oq_plan **out, const oq_graph *g,
                        const oq_plan_options *opt, const oq_env *e,
                        bool with_folds, uint32_t depth);

oq_status oq_graph_feeds(const oq_value_id **out, uint32_t *n,
                         const oq_graph *g, oq_arena *a) {
  oq_value_id *v = OQ_NEW_N(a, oq_value_id, g->n_inputs);
  uint32_t k = 0;

  if (v == NULL) return OQ_E_MEMORY;
  for (uint32_t i = 0; i < g->n_inputs; i++) {
    if (oq_graph_value(g, g->inputs[i])->kind == OQ_VALUE_INPUT) {
      v[k++] = g->inputs[i];
    }
  }
  *out = v;
  *n = k;
  return OQ_OK;
}

static oq_status captures(const oq_value_id **out, uint32_t *n,
                          const builder *b, oq_node_id node, oq_arena *a) {
  *out = NULL;
  *n = 0;
  if (oq_node_body(oq_graph_node(b->g, node), 0) == NULL) return OQ_OK;
  return oq_walk_captures(out, n, b->g, node, a);
}

/* ---- what is needed ---------------------------------------------------- */
static oq_status want(builder *b, oq_value_id v, bool keep) {
  if (v.i >= b->g->n_values) {
    return oq_fail(b->e->diags, OQ_E_ARGUMENT, "plan.value", NULL,
                   "value %u is not one of the graph's %u", v.i,
                   b->g->n_values);
  }
  b->needed[v.i] = true;
  b->keep[v.i] = b->keep[v.i] || keep;
  return OQ_OK;
}

static oq_status want_all(builder *b) {
  if (b->opt == NULL || !b->opt->only_keep) {
    for (uint32_t i = 0; i < b->g->n_outputs; i++) {
      OQ_TRY(want(b, b->g->outputs[i], true));
    }
  }
  for (uint32_t i = 0; b->opt != NULL && i < b->opt->n_keep; i++) {
    OQ_TRY(want(b, b->opt->keep[i], true));
  }
  for (uint32_t i = 0; b->opt != NULL && i < b->opt->n_need; i++) {
    OQ_TRY(want(b, b->opt->need[i], false));
  }
  return OQ_OK;
}

static bool makes_needed(const builder *b, const oq_node *n) {
  for (uint32_t i = 0; i < n->n_out; i++) {
    if (oq_value_ok(n->out[i]) && b->needed[n->out[i].i]) return true;
  }
  return false;
}

/* ---- what follows from constants alone ---------------------------------- */
static bool is_fixed(const builder *b, const oq_node *n) {
  if (n->def == NULL || (n->def->flags & (OQ_OP_RANDOM | OQ_OP_GIVES)) != 0 ||
      oq_node_body(n, 0) != NULL) {
    return false;
  }
  for (uint32_t i = 0; i < n->n_in; i++) {
    if (oq_value_ok(n->in[i]) && !b->fixed[n->in[i].i]) return false;
  }
  return true;
}

static void find_fixed(builder *b) {
  if (!b->fold) return;
  for (uint32_t v = 0; v < b->g->n_values; v++) {
    b->fixed[v] = b->g->values[v].kind == OQ_VALUE_CONST;
  }
  for (uint32_t k = 0; k < b->n_order; k++) {
    const oq_node *n = oq_graph_node(b->g, b->order[k]);
    if (!is_fixed(b, n)) continue;
    for (uint32_t i = 0; i < n->n_out; i++) {
      if (oq_value_ok(n->out[i])) b->fixed[n->out[i].i] = true;
    }
  }
}

/* Whether `v` is one that the plan computes for the steps that run. */
static bool is_folded(const builder *b, uint32_t v) {
  return b->needed[v] && b->fixed[v] && b->g->values[v].kind == OQ_VALUE_RESULT;
}

/* Runs the nodes of the fixed values that are needed, once; the session that
 * did keeps them for as long as the plan lives. */
static oq_status fold(builder *b) {
  oq_plan *p = b->p;
  const oq_env *e = b->e;
  oq_value_id *v = OQ_NEW_N(e->scratch, oq_value_id, b->g->n_values);
  oq_plan_options opt = {.keep = v, .only_keep = true, .untapped = true};

  if (v == NULL) return oq_fail_memory(e->diags);
  for (uint32_t i = 0; i < b->g->n_values; i++) {
    if (is_folded(b, i)) v[opt.n_keep++] = (oq_value_id){i};
  }
  if (opt.n_keep == 0) return OQ_OK;
  OQ_TRY(create(&p->folded, b->g, &opt, e, false, b->depth));
  OQ_TRY(oq_session_create(&p->folds, p->folded, e));
  OQ_TRY(oq_session_run_unfed(p->folds, e));
  oq_buffers_trim(p->folds->pool);
  return OQ_OK;
}

/* Marks what the needed values need, back to front; `runs[k]` says whether node
 * order[k] is among it.  Fixed values need nothing: they are there. */
static oq_status mark_needed(builder *b, bool *runs) {
  const oq_value_id *cap;
  uint32_t n_cap;

  for (uint32_t k = b->n_order; k-- > 0;) {
    const oq_node *n = oq_graph_node(b->g, b->order[k]);
    if (!makes_needed(b, n) || (b->fold && is_fixed(b, n))) continue;
    runs[k] = true;
    b->p->n_steps++;
    for (uint32_t i = 0; i < n->n_in; i++) {
      if (oq_value_ok(n->in[i])) b->needed[n->in[i].i] = true;
    }
    OQ_TRY(captures(&cap, &n_cap, b, b->order[k], b->e->scratch));
    for (uint32_t i = 0; i < n_cap; i++) b->needed[cap[i].i] = true;
  }
  return OQ_OK;
}

/* ---- slots ------------------------------------------------------------- */
static const uint8_t no_bytes[OQ_ALIGN] = {0};

static oq_status fill_const(const builder *b, oq_slot *s) {
  const oq_value *v = oq_graph_value(b->g, s->value);
  oq_where w = OQ_WHERE_INIT;

  w.value = oq_value_text(b->g, s->value);
  OQ_TRY(oq_const_view_at(&s->konst, v->konst, b->p->arena, &w, b->e->diags));
  if (s->konst.data == NULL) s->konst.data = no_bytes;
  return OQ_OK;
}

static oq_status fill_slot(builder *b, oq_slot *s, oq_value_id id) {
  const oq_value *v = oq_graph_value(b->g, id);
  oq_where w = OQ_WHERE_INIT;

  s->value = id;
  s->keep = b->keep[id.i];
  switch (v->kind) {
    case OQ_VALUE_CONST:
      s->kind = OQ_SLOT_CONST;
      return fill_const(b, s);
    case OQ_VALUE_INPUT:
      s->kind = OQ_SLOT_FEED;
      return OQ_OK;
    case OQ_VALUE_OUTER:
      s->kind = OQ_SLOT_OUTER;
      b->p->n_outer++;
      return OQ_OK;
    case OQ_VALUE_RESULT:
      if (is_folded(b, id.i)) {
        s->kind = OQ_SLOT_CONST;
        s->konst = *oq_session_value(b->p->folds, id);
        return OQ_OK;
      }
      s->kind = OQ_SLOT_RESULT;
      if (oq_node_ok(v->producer)) return OQ_OK;
      break;
    case OQ_VALUE_DEAD:
      break;
  }
  w.value = oq_value_text(b->g, id);
  return oq_fail(b->e->diags, OQ_E_MODEL, "value.no_producer", &w,
                 "nothing makes value '%s', which is needed", w.value);
}

static oq_status make_slots(builder *b) {
  oq_plan *p = b->p;
  uint32_t n = 0;

  for (uint32_t v = 0; v < b->g->n_values; v++) n += b->needed[v];
  p->slots = OQ_NEW_N(p->arena, oq_slot, n);
  p->slot_of = OQ_NEW_N(p->arena, uint32_t, b->g->n_values);
  if (p->slots == NULL || p->slot_of == NULL) {
    return oq_fail_memory(b->e->diags);
  }
  for (uint32_t v = 0; v < b->g->n_values; v++) {
    p->slot_of[v] = OQ_NONE;
    if (!b->needed[v]) continue;
    OQ_TRY(fill_slot(b, &p->slots[p->n_slots], (oq_value_id){v}));
    p->slot_of[v] = p->n_slots++;
  }
  return OQ_OK;
}

/* ---- steps ------------------------------------------------------------- */
static oq_status refuse_opaque(const builder *b, oq_node_id id) {
  const oq_node *n = oq_graph_node(b->g, id);
  oq_where w = oq_node_where(b->g, id);
  const char *domain = oq_names_text(b->g->model->names, n->domain);
  const int64_t opset = oq_ir_opset(b->g->model, n->domain);
  bool gap = false;

  if (n->def != NULL && n->def->refusal != NULL) {
    return oq_fail(b->e->diags, OQ_E_UNSUPPORTED, "op.refused", &w,
                   "node '%s': operator %s is not run: %s",
                   oq_node_text(b->g, id), oq_node_op(b->g, id),
                   n->def->refusal);
  }
  w.hint = "run the model with --engine onnxruntime";
  (void)oq_op_find(domain, oq_node_op(b->g, id), opset, &gap);
  return oq_fail(
      b->e->diags, OQ_E_UNSUPPORTED, "op.unknown", &w,
      gap ? "node '%s': operator %s of domain '%s' is not implemented at "
            "opset %lld"
          : "node '%s': operator %s of domain '%s' (opset %lld) is not "
            "implemented",
      oq_node_text(b->g, id), oq_node_op(b->g, id),
      domain[0] == '\0' ? "ai.onnx" : domain, (long long)opset);
}

static oq_status slots_of(const uint32_t **out, const builder *b,
                          const oq_value_id *v, uint32_t n) {
  uint32_t *slot = OQ_NEW_N(b->p->arena, uint32_t, n);

  if (slot == NULL) return oq_fail_memory(b->e->diags);
  for (uint32_t i = 0; i < n; i++) {
    slot[i] = oq_value_ok(v[i]) ? b->p->slot_of[v[i].i] : OQ_NONE;
  }
  *out = slot;
  return OQ_OK;
}

static oq_status join_outer(oq_body *body, const builder *b) {
  const oq_graph *g = body->graph;
  const oq_plan *p = body->plan;
  uint32_t *outer = OQ_NEW_N(b->p->arena, uint32_t, p->n_slots);

  if (outer == NULL) return oq_fail_memory(b->e->diags);
  for (uint32_t i = 0; i < p->n_slots; i++) {
    const uint32_t v = p->slots[i].value.i;
    outer[i] = OQ_NONE;
    if (p->slots[i].kind != OQ_SLOT_OUTER) continue;
    if (g->outer_of[v].i < b->g->n_values) {
      outer[i] = b->p->slot_of[g->outer_of[v].i];
    }
    if (outer[i] != OQ_NONE) continue;
    oq_where w = OQ_WHERE_INIT;
    w.value = oq_value_text(g, p->slots[i].value);
    return oq_fail(b->e->diags, OQ_E_MODEL, "value.outer", &w,
                   "a body reads value '%s', which no graph around it has",
                   w.value);
  }
  body->outer = outer;
  return OQ_OK;
}

static oq_status make_bodies(builder *b, oq_step *s) {
  const oq_plan_options opt = {.untapped = b->opt != NULL && b->opt->untapped};
  const oq_graph *g;

  s->first_body = b->p->n_bodies;
  for (oq_body_iter it = {oq_graph_node(b->g, s->node), 0, 0};
       (g = oq_body_next(&it)) != NULL;) {
    oq_body *body = &b->p->bodies[b->p->n_bodies++];
    body->graph = g;
    OQ_TRY(create(&body->plan, g, &opt, b->e, opt.untapped, b->depth + 1));
    OQ_TRY(join_outer(body, b));
    s->n_bodies++;
  }
  return OQ_OK;
}

/* Constants in the form that the kernel likes best. */
static oq_status pack(const builder *b, oq_step *s) {
  const oq_ctensor **konst;

  if (s->def->pack == NULL || !b->e->kernels->channels_last) return OQ_OK;
  konst = OQ_NEW_N(b->e->scratch, const oq_ctensor *, s->n_in);
  if (konst == NULL) return oq_fail_memory(b->e->diags);
  for (uint32_t i = 0; i < s->n_in; i++) {
    const oq_slot *slot = s->in[i] != OQ_NONE ? &b->p->slots[s->in[i]] : NULL;
    konst[i] =
        slot != NULL && slot->kind == OQ_SLOT_CONST ? &slot->konst : NULL;
  }
  const oq_pack p = {.params = s->params,
                     .konst = konst,
                     .n_in = s->n_in,
                     .arena = b->p->arena,
                     .diags = b->e->diags};
  return s->def->pack(&s->packed, &p);
}

static oq_status make_step(builder *b, oq_step *s, oq_node_id id) {
  const oq_node *n = oq_graph_node(b->g, id);
  const oq_value_id *cap;

  if (n->def == NULL ||
      (n->def->run == NULL && (n->def->flags & OQ_OP_VIEW) == 0)) {
    return refuse_opaque(b, id);
  }
  s->node = id;
  s->def = n->def;
  s->params = n->params;
  s->opset = oq_ir_opset(b->g->model, n->domain);
  s->n_in = n->n_in;
  s->n_out = n->n_out;
  if (n->n_in > b->p->max_in) b->p->max_in = n->n_in;
  if (n->n_out > b->p->max_out) b->p->max_out = n->n_out;
  OQ_TRY(slots_of(&s->in, b, n->in, n->n_in));
  OQ_TRY(slots_of(&s->out, b, n->out, n->n_out));
  OQ_TRY(captures(&cap, &s->n_captures, b, id, b->e->scratch));
  OQ_TRY(slots_of(&s->captures, b, cap, s->n_captures));
  OQ_TRY(pack(b, s));
  return make_bodies(b, s);
}

static uint32_t count_bodies(const builder *b, const bool *runs) {
  uint32_t n = 0;

  for (uint32_t i = 0; i < b->n_order; i++) {
    oq_body_iter it = {oq_graph_node(b->g, b->order[i]), 0, 0};
    while (runs[i] && oq_body_next(&it) != NULL) n++;
  }
  return n;
}

static oq_status make_steps(builder *b, const bool *runs) {
  oq_plan *p = b->p;
  uint32_t k = 0;

  p->steps = OQ_NEW_N(p->arena, oq_step, p->n_steps);
  p->bodies = OQ_NEW_N(p->arena, oq_body, count_bodies(b, runs));
  if (p->steps == NULL || p->bodies == NULL) return oq_fail_memory(b->e->diags);
  for (uint32_t i = 0; i < b->n_order; i++) {
    if (runs[i]) OQ_TRY(make_step(b, &p->steps[k++], b->order[i]));
  }
  return OQ_OK;
}

/* ---- lifetimes --------------------------------------------------------- */
static void note_use(builder *b, const uint32_t *slot, uint32_t n,
                     uint32_t step) {
  for (uint32_t i = 0; i < n; i++) {
    if (slot[i] != OQ_NONE) b->last[slot[i]] = step;
  }
}

static bool dies_at(const builder *b, uint32_t slot, uint32_t step) {
  return slot != OQ_NONE && b->p->slots[slot].kind == OQ_SLOT_RESULT &&
         !b->p->slots[slot].keep && b->last[slot] == step;
}

/* Lists in `to` what dies at `step`; returns how many.  The last use of a slot
 * that was listed is cleared, so that it is listed once. */
static uint32_t list_dying(builder *b, uint32_t *to, const uint32_t *slot,
                           uint32_t n, uint32_t step) {
  uint32_t k = 0;

  for (uint32_t i = 0; i < n; i++) {
    if (!dies_at(b, slot[i], step)) continue;
    b->last[slot[i]] = OQ_NONE;
    to[k++] = slot[i];
  }
  return k;
}

static bool may_be_inplace(const builder *b, const oq_step *s, uint32_t step) {
  if ((s->def->flags & OQ_OP_INPLACE) == 0 || s->n_in == 0 || s->n_out == 0) {
    return false;
  }
  if (!dies_at(b, s->in[0], step)) return false;
  for (uint32_t i = 1; i < s->n_in; i++) {
    if (s->in[i] == s->in[0]) return false;
  }
  return s->n_captures == 0;
}

static oq_status finish_step(builder *b, oq_step *s, uint32_t step) {
  bool *wanted = OQ_NEW_N(b->p->arena, bool, s->n_out);
  uint32_t *dies = OQ_NEW_N(b->p->arena, uint32_t,
                            (size_t)s->n_in + s->n_out + s->n_captures);

  if (wanted == NULL || dies == NULL) return oq_fail_memory(b->e->diags);
  for (uint32_t i = 0; i < s->n_out; i++) {
    /* A needed output has a slot; one that nobody reads has none. */
    wanted[i] = s->out[i] != OQ_NONE;
  }
  s->wanted = wanted;
  s->inplace = may_be_inplace(b, s, step);
  s->dies = dies;
  s->n_dies = list_dying(b, dies, s->in, s->n_in, step);
  s->n_dies +=
      list_dying(b, dies + s->n_dies, s->captures, s->n_captures, step);
  return OQ_OK;
}

static oq_status find_lifetimes(builder *b) {
  oq_plan *p = b->p;

  b->last = OQ_NEW_N(b->e->scratch, uint32_t, p->n_slots);
  if (b->last == NULL) return oq_fail_memory(b->e->diags);
  for (uint32_t i = 0; i < p->n_slots; i++) b->last[i] = OQ_NONE;
  for (uint32_t i = 0; i < p->n_steps; i++) {
    note_use(b, p->steps[i].in, p->steps[i].n_in, i);
    note_use(b, p->steps[i].captures, p->steps[i].n_captures, i);
  }
  for (uint32_t i = 0; i < p->n_steps; i++) {
    OQ_TRY(finish_step(b, &p->steps[i], i));
  }
  return OQ_OK;
}

/* ---- feeds ------------------------------------------------------------- */
static oq_status number_symbols(builder *b, oq_map *seen, oq_feed *f) {
  const oq_type *t = oq_graph_value(b->g, f->value)->type;
  uint64_t k;

  for (uint32_t d = 0; d < OQ_MAX_RANK; d++) f->symbol[d] = OQ_NONE;
  if (t == NULL || t->kind != OQ_TYPE_TENSOR || !t->has_rank) return OQ_OK;
  for (uint32_t d = 0; d < t->rank; d++) {
    const oq_name s = t->dim[d].symbol;
    if (t->dim[d].size != OQ_DIM_UNKNOWN || s.i == 0) continue;
    if (!oq_map_find(seen, s.i, &k)) {
      k = b->p->n_symbols++;
      OQ_TRY(oq_map_put(seen, s.i, k));
    }
    f->symbol[d] = (uint32_t)k;
  }
  return OQ_OK;
}

static oq_status make_feeds(builder *b) {
  oq_plan *p = b->p;
  const oq_value_id *v;
  oq_map *seen;

  OQ_TRY(oq_graph_feeds(&v, &p->n_feeds, b->g, b->e->scratch));
  OQ_TRY(oq_map_create(&seen, b->e->scratch));
  p->feeds = OQ_NEW_N(p->arena, oq_feed, p->n_feeds);
  if (p->feeds == NULL) return oq_fail_memory(b->e->diags);
  for (uint32_t i = 0; i < p->n_feeds; i++) {
    p->feeds[i].value = v[i];
    p->feeds[i].slot = p->slot_of[v[i].i];
    OQ_TRY(number_symbols(b, seen, &p->feeds[i]));
  }
  return OQ_OK;
}

/* ---- what a tap sees --------------------------------------------------- */
static bool maybe_f32(const oq_type *t) {
  if (t == NULL || t->kind == OQ_TYPE_UNKNOWN) return true;
  return t->kind == OQ_TYPE_TENSOR &&
         (t->dtype == OQ_DT_F32 || t->dtype == OQ_DT_NONE);
}

static void add_value(oq_plan *p, const oq_type *const *types, oq_value_id v) {
  const oq_type *t = types != NULL ? types[v.i] : NULL;

  if (t == NULL) t = oq_graph_value(p->graph, v)->type;
  if (maybe_f32(t)) p->values[p->n_values++] = v;
}

static oq_status list_values(builder *b) {
  oq_plan *p = b->p;
  const oq_type **types = NULL;

  if (b->opt != NULL && b->opt->untapped) return OQ_OK;
  OQ_TRY(oq_infer_types_plain(&types, b->g, b->e->scratch, b->e));
  p->values = OQ_NEW_N(p->arena, oq_value_id, p->n_slots);
  if (p->values == NULL) return oq_fail_memory(b->e->diags);
  for (uint32_t i = 0; i < p->n_feeds; i++) {
    if (p->feeds[i].slot != OQ_NONE) { add_value(p, types, p->feeds[i].value); }
  }
  for (uint32_t i = 0; i < p->n_steps; i++) {
    const oq_step *s = &p->steps[i];
    for (uint32_t k = 0; k < s->n_out; k++) {
      if (s->out[k] == OQ_NONE) continue;
      add_value(p, types, p->slots[s->out[k]].value);
    }
  }
  return OQ_OK;
}

const oq_value_id *oq_plan_values(const oq_plan *p, uint32_t *n) {
  *n = p->n_values;
  return p->values;
}

/* ---- all of it --------------------------------------------------------- */
static oq_status build(builder *b) {
  const oq_env *e = b->e;
  bool *runs;

  OQ_TRY(oq_walk_order(&b->order, &b->n_order, b->g, e->scratch, e->diags));
  b->needed = OQ_NEW_N(e->scratch, bool, b->g->n_values);
  b->keep = OQ_NEW_N(e->scratch, bool, b->g->n_values);
  runs = OQ_NEW_N(e->scratch, bool, b->n_order);
  b->fixed = OQ_NEW_N(e->scratch, bool, b->g->n_values);
  if (b->needed == NULL || b->keep == NULL || b->fixed == NULL ||
      runs == NULL) {
    return oq_fail_memory(e->diags);
  }
  OQ_TRY(want_all(b));
  find_fixed(b);
  OQ_TRY(mark_needed(b, runs));
  OQ_TRY(fold(b));
  OQ_TRY(make_slots(b));
  OQ_TRY(make_steps(b, runs));
  OQ_TRY(find_lifetimes(b));
  OQ_TRY(make_feeds(b));
  return list_values(b);
}

static oq_status create(oq_plan **out, const oq_graph *g,
                        const oq_plan_options *opt, const oq_env *e,
                        bool with_folds, uint32_t depth) {
  builder b = {.g = g, .opt = opt, .e = e, .fold = with_folds, .depth = depth};
  const oq_mark mark = oq_arena_mark(e->scratch);
  oq_status s;

  if (depth > e->limits->max_graph_depth) {
    return oq_fail(e->diags, OQ_E_LIMIT, "model.depth", NULL,
                   "graphs are nested more than %u deep",
                   e->limits->max_graph_depth);
  }
  b.p = oq_alloc_get(e->alloc, sizeof *b.p, _Alignof(oq_plan));
  if (b.p == NULL) return oq_fail_memory(e->diags);
  memset(b.p, 0, sizeof *b.p);
  b.p->graph = g;
  b.p->alloc = e->alloc;
  b.p->feed_types = opt != NULL ? opt->feed_types : NULL;
  s = oq_arena_create(&b.p->arena, e->alloc, 0);
  if (s == OQ_OK) s = build(&b);
  oq_arena_rewind(e->scratch, mark);
  if (s != OQ_OK) {
    oq_plan_destroy(b.p);
    return s;
  }
  *out = b.p;
  return OQ_OK;
}

oq_status oq_plan_create(oq_plan **out, const oq_graph *g,
                         const oq_plan_options *opt, const oq_env *e) {
  return create(out, g, opt, e, opt != NULL && opt->untapped, 0);
}

void oq_plan_destroy(oq_plan *p) {
  if (p == NULL) return;
  for (uint32_t i = 0; i < p->n_bodies; i++) oq_plan_destroy(p->bodies[i].plan);
  oq_session_destroy(p->folds);
  oq_plan_destroy(p->folded);
  oq_arena_destroy(p->arena);
  oq_alloc_put(p->alloc, p, sizeof *p);
}

/* place.c - the decision: which nodes run on integers, which values carry Q/DQ,
 * which share parameters, and why.  Data only; rewrite.c carries it out.
 *
 * Linear nodes (convolutions, matrix products) are quantized wherever the
 * target can.  Every other node joins only if all its data already come as
 * integers and an integer node wants its result: elsewhere Q/DQ would cost time
 * and accuracy and gain nothing. */
#include "quant/quant.h"

#include <math.h>
#include <string.h>

#include "base/text.h"

typedef struct placer {
  const oq_place_input *in;
  const oq_graph *g;
  oq_placement *out;
  oq_uses uses;
  const oq_node_id *order;
  uint32_t n_order;
  bool *forced;         /* node id -> its result is quantized in any case */
  oq_value_id *carrier; /* value id -> the value behind absorbable clamps */
} placer;

/* ---- facts -----------------------------------------------------------------
 */
oq_role oq_input_role(const oq_graph *g, oq_node_id n, uint32_t slot) {
  const oq_node *node = oq_graph_node(g, n);
  const oq_role role =
      node->def ? node->def->quant.role[slot < 4 ? slot : 3] : OQ_ROLE_NONE;

  if (role == OQ_ROLE_WEIGHT && !oq_value_is_const(g, node->in[slot]))
    return OQ_ROLE_DATA;
  return role;
}

bool oq_value_is_const(const oq_graph *g, oq_value_id v) {
  return oq_graph_const(g, v) != NULL;
}

int32_t oq_weight_axis(const oq_graph *g, oq_node_id n, uint32_t rank) {
  const oq_node *node = oq_graph_node(g, n);
  const oq_quant_facts *f = &node->def->quant;

  if (f->axis) return f->axis(node->params, rank);
  return f->weight_axis == OQ_AXIS_LAST ? (int32_t)rank - 1 : f->weight_axis;
}

oq_quant_class oq_class_of(const oq_graph *g, oq_node_id n) {
  const oq_node *node = oq_graph_node(g, n);

  if (!node->def) return OQ_Q_OPAQUE;
  return node->def->quant.refine ? node->def->quant.refine(node->params)
                                 : node->def->quant.cls;
}

static oq_quant_class class_of(const placer *p, oq_node_id n) {
  return oq_class_of(p->g, n);
}

/* What is known of the values of v; NULL: nothing. */
static const oq_stats_entry *entry_of(const placer *p, oq_value_id v) {
  const char *key = p->in->keys ? p->in->keys[v.i] : oq_value_text(p->g, v);

  return p->in->stats && key ? oq_stats_find(p->in->stats, key) : NULL;
}

static bool is_linear(const placer *p, oq_node_id n) {
  return class_of(p, n) == OQ_Q_LINEAR;
}

static oq_node_plan *plan_of(const placer *p, oq_node_id n) {
  return &p->out->nodes[n.i];
}

/* Data that changes from run to run. */
static bool carries_data(const placer *p, oq_node_id n, uint32_t slot) {
  const oq_node *node = oq_graph_node(p->g, n);

  return oq_value_ok(node->in[slot]) &&
         oq_input_role(p->g, n, slot) == OQ_ROLE_DATA &&
         !oq_value_is_const(p->g, node->in[slot]);
}

/* ---- what the user asked for ------------------------------------------------
 */
static bool listed(const char *const *globs, const char *name) {
  for (; globs && *globs; globs++)
    if (oq_text_glob(*globs, name)) return true;
  return false;
}

/* By its name alone or, in a body, by that behind the path of the body. */
static bool named(const placer *p, const char *const *globs, oq_node_id n) {
  const char *name = oq_node_text(p->g, n);
  const oq_mark mark = oq_arena_mark(p->in->env->scratch);
  const char *whole;
  bool is;

  if (listed(globs, name) || !p->in->path) return listed(globs, name);
  whole = oq_arena_format(p->in->env->scratch, "%s%s", p->in->path, name);
  is = whole && listed(globs, whole);
  oq_arena_rewind(p->in->env->scratch, mark);
  return is;
}

static const char *user_says_no(const placer *p, oq_node_id n) {
  const oq_quantize_options *o = p->in->options;
  const char *op = oq_node_op(p->g, n);

  if (named(p, o->exclude, n)) return "excluded by name";
  if (listed(o->exclude_op, op)) return "excluded by operator";
  if (o->only && !named(p, o->only, n)) return "not among the chosen names";
  if (o->only_op && !listed(o->only_op, op))
    return "not among the chosen operators";
  return NULL;
}

/* ---- eligibility ------------------------------------------------------ */
static bool is_f32(const placer *p, oq_value_id v) {
  const oq_type *t = p->in->types[v.i];

  return !t || t->kind == OQ_TYPE_UNKNOWN ||
         (t->kind == OQ_TYPE_TENSOR &&
          (t->dtype == OQ_DT_F32 || t->dtype == OQ_DT_NONE));
}

static bool has_range(const placer *p, oq_value_id v) {
  if (!p->in->stats) return true;

  const oq_stats_entry *e = entry_of(p, v);
  return e && oq_record_usable(&e->record);
}

/* Nothing at all was seen of a value in a body: the body did not run. */
static const char *no_range(const placer *p, oq_value_id v,
                            const char *otherwise) {
  const oq_stats_entry *e = entry_of(p, v);

  return p->in->path && p->g->values[v.i].kind != OQ_VALUE_OUTER &&
                 (!e || e->fed == 0)
             ? "nothing was observed in its body: no sample goes there, or the "
               "engine that calibrated does not see into bodies"
             : otherwise;
}

static const char *bad_values(const placer *p, oq_node_id n) {
  const oq_node *node = oq_graph_node(p->g, n);

  for (uint32_t i = 0; i < node->n_in; i++) {
    if (!oq_value_ok(node->in[i])) continue;
    const oq_role role = oq_input_role(p->g, n, i);
    if (role == OQ_ROLE_NONE || role == OQ_ROLE_INDEX) continue;
    if (!is_f32(p, node->in[i])) return "its data are not float32";
    if (carries_data(p, n, i) && !has_range(p, node->in[i]))
      return no_range(p, node->in[i],
                      "no usable range was observed for its input");
  }
  for (uint32_t i = 0; i < node->n_out; i++) {
    if (!oq_value_ok(node->out[i])) continue;
    if (!is_f32(p, node->out[i])) return "its result is not float32";
    if (node->n_out > 1 && oq_uses_count(&p->uses, node->out[i]) == 0)
      return "one of its results is not used";
    if (!has_range(p, node->out[i]) && oq_uses_count(&p->uses, node->out[i]))
      return no_range(p, node->out[i],
                      "no usable range was observed for its output");
  }
  return NULL;
}

static bool weights_are_constant(const placer *p, oq_node_id n) {
  const oq_node *node = oq_graph_node(p->g, n);

  for (uint32_t i = 0; i < node->n_in && i < 4; i++)
    if (node->def->quant.role[i] == OQ_ROLE_WEIGHT &&
        oq_value_is_const(p->g, node->in[i]))
      return true;
  return false;
}

/* All weights finite. */
static const char *bad_constants(const placer *p, oq_node_id n) {
  const oq_node *node = oq_graph_node(p->g, n);
  const char *why = NULL;

  for (uint32_t i = 0; i < node->n_in && !why; i++) {
    if (!oq_value_is_const(p->g, node->in[i])) continue;
    const oq_role role = oq_input_role(p->g, n, i);
    if (role == OQ_ROLE_NONE || role == OQ_ROLE_INDEX) continue;

    const oq_mark mark = oq_arena_mark(p->in->env->scratch);
    oq_ctensor t;
    float *max;
    uint32_t count;

    if (oq_const_view(&t, oq_graph_const(p->g, node->in[i]),
                      p->in->env->scratch, NULL) != OQ_OK ||
        oq_weight_absmax(&max, &count, &t, -1, p->in->env->scratch) != OQ_OK)
      why = "a constant of it is not finite";
    oq_arena_rewind(p->in->env->scratch, mark);
  }
  return why;
}

/* Why a node cannot run on integers; NULL if it can. Sets `rule`. */
static const char *refusal(const placer *p, oq_node_id n, oq_node_plan *plan) {
  const oq_node *node = oq_graph_node(p->g, n);
  const oq_names *names = p->g->model->names;
  const oq_quant_class cls = class_of(p, n);
  const char *why;

  if (cls == OQ_Q_OPAQUE) return "unknown operator, kept as it is";
  if (cls == OQ_Q_NEVER) return "it computes no float data";
  plan->rule =
      oq_profile_rule_find(p->in->profile, oq_names_text(names, node->domain),
                           oq_names_text(names, node->op));
  if (!plan->rule) {
    why = oq_profile_reason(p->in->profile, oq_node_op(p->g, n));
    return why ? why : p->in->profile->no_rule;
  }
  if (plan->rule->min_opset > oq_ir_opset(p->g->model, node->domain))
    return "its opset is too old for integers";
  if (cls == OQ_Q_LINEAR && !plan->rule->dynamic_weight &&
      !weights_are_constant(p, n))
    return "its weight is not constant";
  if (plan->rule->refuse) {
    why = plan->rule->refuse(p->g, n, p->in->types);
    if (why) return why;
  }
  why = bad_values(p, n);
  if (why) return why;
  why = bad_constants(p, n);
  if (why) return why;
  plan->eligible = true;
  why = user_says_no(p, n);
  return why || !p->in->refused ? why : p->in->refused[n.i];
}

static void judge(placer *p) {
  for (uint32_t i = 0; i < p->g->n_nodes; i++) {
    oq_node_plan *plan = &p->out->nodes[i];

    plan->partner.i = OQ_NONE;
    if (p->g->nodes[i].dead) continue;
    plan->why = refusal(p, (oq_node_id){i}, plan);
    plan->fate = plan->why ? OQ_FATE_FLOAT : OQ_FATE_INTEGER;
  }
}

/* keep_first / keep_last count linear nodes in execution order. */
static void keep_ends(placer *p) {
  const oq_quantize_options *o = p->in->options;
  const uint32_t *numbers = p->in->linear_at;
  uint32_t n = 0, next = 0;

  for (uint32_t i = 0; i < p->n_order; i++) n += is_linear(p, p->order[i]);
  if (numbers) n = p->in->n_linear;
  for (uint32_t i = 0; i < p->n_order; i++) {
    oq_node_plan *plan = plan_of(p, p->order[i]);

    if (!is_linear(p, p->order[i])) continue;
    const uint32_t at = numbers ? numbers[p->order[i].i] : next++;
    if (at < o->keep_first || n - at <= o->keep_last) {
      plan->fate = OQ_FATE_FLOAT;
      plan->why = "kept float at an end of the network";
    }
  }
}

/* A logarithm turns relative errors into absolute ones, and a grid with one
 * step for all values has none to offer for small ones: the layers that feed a
 * logarithm (the transform and the filter bank before a log spectrum) stay
 * float.  Functions of a bounded range in between stand for a normalisation,
 * behind which absolute errors matter again. */
#define LAYERS_BEFORE_LOG 2

static void shun_before_log(placer *p, uint8_t *layers, oq_node_id n) {
  const oq_node *node = oq_graph_node(p->g, n);
  oq_node_plan *plan = plan_of(p, n);
  uint8_t left = 0;

  for (uint32_t k = 0; k < node->n_out; k++)
    if (oq_value_ok(node->out[k]) && layers[node->out[k].i] > left)
      left = layers[node->out[k].i];
  if (node->def && node->def->quant.relative) left = LAYERS_BEFORE_LOG + 1;
  if (left == 0 || !node->def ||
      (node->def->quant.has_range && class_of(p, n) != OQ_Q_CLAMP))
    return;
  if (is_linear(p, n)) {
    left--;
    if (left > 0 && plan->fate == OQ_FATE_INTEGER) {
      plan->fate = OQ_FATE_FLOAT;
      plan->why = "its result goes through a logarithm";
    }
  }
  for (uint32_t i = 0; i < node->n_in; i++)
    if (oq_value_ok(node->in[i]) && carries_data(p, n, i) &&
        layers[node->in[i].i] < left)
      layers[node->in[i].i] = left;
}

static oq_status shun_logarithms(placer *p) {
  uint8_t *layers = OQ_NEW_N(p->in->arena, uint8_t, p->g->n_values);

  if (!layers) return oq_fail_memory(p->in->env->diags);
  for (uint32_t i = p->n_order; i-- > 0;)
    shun_before_log(p, layers, p->order[i]);
  return OQ_OK;
}

/* ---- clamps ----------------------------------------------------------- */
static bool only_use(const placer *p, oq_value_id v, oq_use *use) {
  if (oq_uses_count(&p->uses, v) != 1) return false;
  *use = p->uses.use[p->uses.first[v.i]];
  return oq_node_ok(use->node) && use->slot != OQ_NONE;
}

static const oq_profile_clamp *clamp_row(const placer *p, oq_node_id n) {
  const oq_node *node = oq_graph_node(p->g, n);
  const oq_names *names = p->g->model->names;

  return oq_profile_clamp_find(p->in->profile,
                               oq_names_text(names, node->domain),
                               oq_names_text(names, node->op));
}

/* false: they are not constant. */
static bool clamp_bounds(const placer *p, oq_node_id n, double *lo,
                         double *hi) {
  const oq_profile_clamp *c = clamp_row(p, n);
  const oq_mark mark = oq_arena_mark(p->in->env->scratch);
  const bool known = c && c->bounds(p->g, n, lo, hi, p->in->env->scratch);

  oq_arena_rewind(p->in->env->scratch, mark);
  return known;
}

static bool clamp_redundant(const placer *p, oq_node_id n) {
  double lo, hi;

  if (user_says_no(p, n) || !clamp_bounds(p, n, &lo, &hi)) return false;
  if (!(lo <= 0) || !(hi >= 0)) return false;
  /* A symmetric grid reaches as far below zero as above. */
  return !p->in->symmetric_activations || (isinf(lo) && isinf(hi));
}

/* Follows v through clamps that a Q behind them makes redundant. */
static oq_value_id follow_clamps(const placer *p, oq_value_id v) {
  oq_use use;

  while (only_use(p, v, &use) && use.slot == 0 &&
         class_of(p, use.node) == OQ_Q_CLAMP && clamp_redundant(p, use.node) &&
         has_range(p, oq_graph_node(p->g, use.node)->out[0]))
    v = oq_graph_node(p->g, use.node)->out[0];
  return v;
}

static oq_status find_carriers(placer *p) {
  p->carrier = OQ_NEW_N(p->in->arena, oq_value_id, p->g->n_values);
  if (!p->carrier) return oq_fail_memory(p->in->env->diags);
  for (uint32_t v = 0; v < p->g->n_values; v++)
    p->carrier[v] = (oq_value_id){v};
  for (uint32_t i = 0; i < p->n_order; i++) {
    const oq_node *node = oq_graph_node(p->g, p->order[i]);
    const oq_profile_rule *rule = plan_of(p, p->order[i])->rule;

    if (!rule || rule->same_params || node->n_out != 1) continue;
    p->carrier[node->out[0].i] = follow_clamps(p, node->out[0]);
  }
  return OQ_OK;
}

/* ---- bias behind a matrix product ------------------------------------- */
/* Does a node add a constant vector of n elements to data of `rank` axes (0:
 * not known), without giving the sum more axes? */
static bool adds_vector(const placer *p, oq_node_id add, uint32_t data_slot,
                        int64_t n, uint32_t rank) {
  const oq_node *node = oq_graph_node(p->g, add);

  if (node->n_in != 2) return false;
  const oq_value_id c = node->in[1 - data_slot];
  if (!oq_value_is_const(p->g, c) || !is_f32(p, c)) return false;

  const oq_type *t = oq_graph_const(p->g, c)->type;
  int64_t count = 1;

  if (t->rank == 0 || t->rank > (rank > 0 ? rank : 1)) return false;
  for (uint32_t i = 0; i < t->rank; i++) count *= t->dim[i].size;
  return count == n && t->dim[t->rank - 1].size == n;
}

static void pair_bias(placer *p, oq_node_id n) {
  oq_node_plan *plan = plan_of(p, n);
  const oq_node *node = oq_graph_node(p->g, n);
  oq_use use;

  if (plan->fate != OQ_FATE_INTEGER || !plan->rule->bias_op) return;
  if (!weights_are_constant(p, n) || !only_use(p, node->out[0], &use)) return;
  if (strcmp(oq_node_op(p->g, use.node), plan->rule->bias_op) != 0) return;
  if (user_says_no(p, use.node) || bad_constants(p, use.node)) return;
  if (!oq_value_is_const(p->g, node->in[1])) return;

  const oq_type *w = oq_graph_const(p->g, node->in[1])->type;
  const oq_type *x = p->in->types[node->in[0].i];

  if (w->rank != 2 || !adds_vector(p, use.node, use.slot, w->dim[1].size,
                                   x && x->has_rank ? x->rank : 0))
    return;
  plan->partner = use.node;
  oq_node_plan *add = plan_of(p, use.node);
  add->fate = OQ_FATE_BIAS;
  add->eligible = true;
  add->partner = n;
  add->why = "its constant becomes the int32 bias of the product before it";
  p->carrier[node->out[0].i] =
      follow_clamps(p, oq_graph_node(p->g, use.node)->out[0]);
}

/* The value that leaves a node, behind its bias and its clamps. */
static oq_value_id result_of(const placer *p, oq_node_id n, uint32_t slot) {
  const oq_node *node = oq_graph_node(p->g, n);

  return p->carrier[node->out[slot].i];
}

/* The one node that reads v, as a graph output or not. */
static bool only_reader(const placer *p, oq_value_id v, oq_use *use) {
  uint32_t n = 0;

  for (uint32_t u = p->uses.first[v.i]; u < p->uses.first[v.i + 1]; u++) {
    if (!oq_node_ok(p->uses.use[u].node)) continue;
    *use = p->uses.use[u];
    n++;
  }
  return n == 1;
}

/* A clamp between a matrix product and another float node: the runtime gives
 * the product up for it, unless there is a Q. */
static bool clamped_for_others(const placer *p, oq_node_id n) {
  const oq_node_id last =
      oq_node_ok(plan_of(p, n)->partner) ? plan_of(p, n)->partner : n;
  oq_use use;

  if (!is_linear(p, n) ||
      !only_reader(p, oq_graph_node(p->g, last)->out[0], &use) ||
      use.slot != 0 || !clamp_row(p, use.node))
    return false;
  const oq_value_id v = oq_graph_node(p->g, use.node)->out[0];
  for (uint32_t u = p->uses.first[v.i]; u < p->uses.first[v.i + 1]; u++)
    if (oq_node_ok(p->uses.use[u].node)) return true;
  return false;
}

/* ---- fixpoint --------------------------------------------------------- */
static bool is_integer(const placer *p, oq_node_id n) {
  return oq_node_ok(n) && plan_of(p, n)->fate == OQ_FATE_INTEGER;
}

/* The integer node whose Q would make v; none if it comes from elsewhere. */
static oq_status owners(const placer *p, oq_node_id **out) {
  oq_node_id *owner = OQ_NEW_N(p->in->arena, oq_node_id, p->g->n_values);

  if (!owner) return oq_fail_memory(p->in->env->diags);
  for (uint32_t v = 0; v < p->g->n_values; v++) owner[v].i = OQ_NONE;
  for (uint32_t i = 0; i < p->n_order; i++) {
    const oq_node *node = oq_graph_node(p->g, p->order[i]);

    if (!plan_of(p, p->order[i])->rule ||
        plan_of(p, p->order[i])->fate == OQ_FATE_BIAS)
      continue;
    for (uint32_t k = 0; k < node->n_out; k++)
      if (oq_value_ok(node->out[k]))
        owner[result_of(p, p->order[i], k).i] = p->order[i];
  }
  *out = owner;
  return OQ_OK;
}

/* Uses of v by integer nodes as data; *others: is there any use besides. */
static uint32_t integer_uses(const placer *p, oq_value_id v, bool *others) {
  uint32_t n = 0;

  *others = false;
  for (uint32_t u = p->uses.first[v.i]; u < p->uses.first[v.i + 1]; u++) {
    const oq_use *use = &p->uses.use[u];

    if (is_integer(p, use->node) && use->slot != OQ_NONE &&
        carries_data(p, use->node, use->slot))
      n++;
    else
      *others = true;
  }
  return n;
}

/* Some result of n is read by an integer node; `alone`: and by nothing else. */
static bool result_wanted(const placer *p, oq_node_id n, bool alone) {
  const oq_node *node = oq_graph_node(p->g, n);
  uint32_t wanted = 0;
  bool others = false, any_others = false;

  for (uint32_t k = 0; k < node->n_out; k++) {
    if (!oq_value_ok(node->out[k])) continue;
    wanted += integer_uses(p, result_of(p, n, k), &others);
    any_others = any_others || others;
  }
  return wanted > 0 && !(alone && any_others);
}

/* Is the result of n quantized in any case?  That of a convolution is, and of
 * what is computed from it.  A matrix product may leave floats: around it, only
 * what moves values takes part, where nobody else reads them. */
static bool is_forced(const placer *p, oq_node_id n) {
  return is_integer(p, n) && p->forced[n.i];
}

static bool computes_forced(const placer *p, oq_node_id n,
                            const oq_node_id *owner) {
  const oq_node *node = oq_graph_node(p->g, n);
  const oq_profile_rule *rule = plan_of(p, n)->rule;

  if (is_linear(p, n))
    return rule->output == OQ_OUT_QUANTIZED || clamped_for_others(p, n);
  if (!rule->same_params) return true;
  return node->n_in > 0 && oq_value_ok(node->in[0]) &&
         oq_node_ok(owner[node->in[0].i]) && is_forced(p, owner[node->in[0].i]);
}

/* What a node picks may lie in a small part of the range of what it picks from:
 * states of several layers in one input, parts of one product.  With one grid
 * for both it would lose this many of the eight bits. */
#define BITS_LOST 2

static double reach(const placer *p, oq_value_id v) {
  const oq_stats_entry *e = entry_of(p, v);

  if (!e || !oq_record_usable(&e->record)) return 0;
  return fmax((double)e->record.hi, 0) - fmin((double)e->record.lo, 0);
}

static bool picks_little(const placer *p, oq_node_id n) {
  const oq_node *node = oq_graph_node(p->g, n);
  const double whole = reach(p, node->in[0]);

  for (uint32_t k = 0; k < node->n_out; k++) {
    const double part = oq_value_ok(node->out[k]) ? reach(p, node->out[k]) : 0;

    if (part > 0 && ldexp(part, BITS_LOST) <= whole) return true;
  }
  return false;
}

static bool is_output(const placer *p, oq_value_id v) {
  for (uint32_t u = p->uses.first[v.i]; u < p->uses.first[v.i + 1]; u++)
    if (!oq_node_ok(p->uses.use[u].node)) return true;
  return false;
}

/* One input that is quantized anyway is enough: of two inputs the other then
 * takes a Q, where a float node between integer neighbours would take a DQ
 * before it and a Q behind. */
static bool inputs_ready(const placer *p, oq_node_id n,
                         const oq_node_id *owner) {
  const oq_node *node = oq_graph_node(p->g, n);
  const bool moves = plan_of(p, n)->rule->same_params;

  for (uint32_t i = 0; i < node->n_in; i++) {
    if (!oq_value_ok(node->in[i]) || !carries_data(p, n, i)) continue;
    const oq_node_id from = owner[node->in[i].i];

    if (oq_node_ok(from) && is_forced(p, from)) return true;
    if (!moves) continue;
    if (plan_of(p, n)->rule->drags && is_output(p, node->in[i])) return true;
    if (picks_little(p, n)) return false;
    if (is_integer(p, from)) return result_wanted(p, from, true);
    /* Moving bytes is cheaper than moving floats, whoever made them. */
    return p->g->values[node->in[i].i].kind == OQ_VALUE_INPUT;
  }
  return false;
}

static uint64_t elements(const placer *p, oq_value_id v) {
  const oq_stats_entry *e = entry_of(p, v);
  size_t n;

  if (!e || e->shape.rank == OQ_NONE || oq_shape_count(&n, &e->shape) != OQ_OK)
    return 0;
  return n;
}

/* A pooling that shrinks its input well is worth running on integers even if
 * its result is read as float: there is less to dequantize behind it. */
static bool shrinks(const placer *p, oq_node_id n) {
  const oq_node *node = oq_graph_node(p->g, n);

  return plan_of(p, n)->rule->pools &&
         elements(p, node->in[0]) >= 4 * elements(p, node->out[0]);
}

/* Somebody gains by an integer result. */
static bool result_useful(const placer *p, oq_node_id n) {
  return result_wanted(p, n, !is_forced(p, n)) || shrinks(p, n);
}

static bool give_up(placer *p, oq_node_id n, const char *why) {
  oq_node_plan *plan = plan_of(p, n);

  plan->fate = OQ_FATE_FLOAT;
  plan->why = why;
  return true;
}

/* Nothing but moves between v and the graph's inputs or a float node. */
static bool comes_as_float(const placer *p, oq_value_id v,
                           const oq_node_id *owner) {
  while (is_integer(p, owner[v.i])) {
    if (!plan_of(p, owner[v.i])->rule->same_params) return false;
    v = oq_graph_node(p->g, owner[v.i])->in[0];
  }
  return true;
}

/* First layers that would be slower on integers, as long as floats reach
 * them. */
static void keep_slow_ends(placer *p, const oq_node_id *owner) {
  for (uint32_t i = 0; i < p->n_order; i++) {
    const oq_node_id n = p->order[i];
    const oq_profile_rule *rule = plan_of(p, n)->rule;

    if (!is_integer(p, n) || !is_linear(p, n) || !rule->slower) continue;
    if (!comes_as_float(p, oq_graph_node(p->g, n)->in[0], owner)) continue;
    const char *why = rule->slower(p->g, n);
    if (why) (void)give_up(p, n, why);
  }
}

/* Takes back what lies between float neighbours, forwards for inputs and
 * backwards for results, until nothing changes. */
static void settle(placer *p, const oq_node_id *owner) {
  for (bool changed = true; changed;) {
    changed = false;
    for (uint32_t i = 0; i < p->n_order; i++) {
      const oq_node_id n = p->order[i];

      if (!is_integer(p, n)) continue;
      p->forced[n.i] = computes_forced(p, n, owner);
      if (!is_linear(p, n) && !inputs_ready(p, n, owner))
        changed = give_up(p, n, "its input is float: nothing would be gained");
    }
    for (uint32_t i = p->n_order; i-- > 0;) {
      const oq_node_id n = p->order[i];

      if (is_integer(p, n) && !is_linear(p, n) && !result_useful(p, n))
        changed = give_up(p, n, "its result is read as float");
    }
  }
}

/* ---- products and what is behind them ---------------------------------- */
/* The float addition that the runtime makes one layer with a product. */
static oq_node_id addition_behind(const placer *p, oq_node_id n) {
  const oq_node *node = oq_graph_node(p->g, n);
  const oq_profile_rule *rule = plan_of(p, n)->rule;
  const oq_node_id none = {OQ_NONE};
  oq_use use;

  if (!rule || !rule->bias_op || !oq_value_is_const(p->g, node->in[1]) ||
      !only_use(p, node->out[0], &use) ||
      strcmp(oq_node_op(p->g, use.node), rule->bias_op) != 0 ||
      plan_of(p, use.node)->fate != OQ_FATE_FLOAT)
    return none;
  const oq_type *w = oq_graph_const(p->g, node->in[1])->type;

  return w->rank == 2 && adds_vector(p, use.node, use.slot, w->dim[1].size, 0)
             ? use.node
             : none;
}

/* The runtime makes one layer of a product of matrices and the addition behind
 * it, even of one that is no bias; of more axes, if it adds a vector.  With a Q
 * between them it cannot. */
static bool would_be_fused(const placer *p, oq_node_id n) {
  const oq_node *node = oq_graph_node(p->g, n);
  const oq_node_plan *plan = plan_of(p, n);
  const oq_type *t = p->in->types[node->in[0].i];
  oq_use use;

  if (!plan->rule->bias_op || oq_node_ok(plan->partner) ||
      !only_use(p, node->out[0], &use) ||
      strcmp(oq_node_op(p->g, use.node), plan->rule->bias_op) != 0)
    return false;
  if (!t || !t->has_rank || t->rank == 2) return t && t->has_rank;
  return oq_node_ok(addition_behind(p, n));
}

static bool moves_floats(const placer *p, oq_node_id n) {
  const oq_node_plan *plan = plan_of(p, n);

  return plan->fate == OQ_FATE_FLOAT && plan->rule && plan->rule->same_params;
}

/* Does an integer node read v, or what clamps and moves alone make of it? */
static bool reaches_integers(const placer *p, oq_value_id v) {
  bool others;
  oq_use use;

  while (integer_uses(p, v, &others) == 0) {
    if (!only_use(p, v, &use) || use.slot != 0) return false;
    if (!clamp_row(p, use.node) && !moves_floats(p, use.node)) return false;
    v = oq_graph_node(p->g, use.node)->out[0];
  }
  return true;
}

/* The runtime moves a Q before what only moves values, and drops the clamp
 * before a Q. */
static bool q_would_come_close(const placer *p, oq_node_id n) {
  const oq_value_id v = result_of(p, n, 0);

  for (uint32_t u = p->uses.first[v.i]; u < p->uses.first[v.i + 1]; u++) {
    const oq_use *use = &p->uses.use[u];

    if (oq_node_ok(use->node) && use->slot == 0 &&
        (clamp_row(p, use->node) || moves_floats(p, use->node)) &&
        reaches_integers(p, oq_graph_node(p->g, use->node)->out[0]))
      return true;
  }
  return false;
}

/* Where a Q reads the result, or would in the end, everybody reads what is
 * behind it: the runtime has no product whose result is a Q and floats. */
static bool needs_q(const placer *p, oq_node_id n) {
  return plan_of(p, n)->rule->output == OQ_OUT_QUANTIZED ||
         result_wanted(p, n, false) || would_be_fused(p, n) ||
         clamped_for_others(p, n) || q_would_come_close(p, n);
}

/* ---- data that may have one reader only -------------------------------- */
/* Readers of v in all: bodies of a node read as one. */
static uint32_t readers(const placer *p, oq_value_id v) {
  uint32_t n = 0;
  bool bodies = false;

  for (uint32_t u = p->uses.first[v.i]; u < p->uses.first[v.i + 1]; u++) {
    const oq_use *use = &p->uses.use[u];

    if (oq_node_ok(use->node) && use->slot == OQ_NONE)
      bodies = true;
    else
      n++;
  }
  return n + bodies;
}

/* How many nodes read v from which a Q may come to it. */
static uint32_t readers_of_codes(const placer *p, oq_value_id v) {
  uint32_t n = 0;

  for (uint32_t u = p->uses.first[v.i]; u < p->uses.first[v.i + 1]; u++) {
    const oq_use *use = &p->uses.use[u];

    n += oq_node_ok(use->node) && use->slot != OQ_NONE &&
         (is_integer(p, use->node) || moves_floats(p, use->node));
  }
  return n;
}

/* Would a DQ behind v be read more than once?  What an integer node made is
 * read behind the DQ by all; a Q moves before what moves floats, and becomes
 * one with others there. */
static bool crowded(const placer *p, oq_value_id v, const oq_node_id *owner) {
  bool others;

  if (is_integer(p, owner[v.i])) return readers(p, v) > 1;
  if (integer_uses(p, v, &others) > 1) return true;
  while (p->g->values[v.i].kind == OQ_VALUE_RESULT) {
    const oq_node_id n = p->g->values[v.i].producer;

    if (!moves_floats(p, n)) break;
    v = oq_graph_node(p->g, n)->in[0];
    if (readers_of_codes(p, v) > 1) return true;
  }
  return false;
}

static bool reads_crowded(const placer *p, oq_node_id n,
                          const oq_node_id *owner) {
  const oq_node *node = oq_graph_node(p->g, n);

  for (uint32_t i = 0; i < node->n_in; i++)
    if (oq_value_ok(node->in[i]) && carries_data(p, n, i) &&
        crowded(p, node->in[i], owner))
      return true;
  return false;
}

static bool makes_crowded(const placer *p, oq_node_id n,
                          const oq_node_id *owner) {
  const oq_node *node = oq_graph_node(p->g, n);

  if (!needs_q(p, n)) return false;
  for (uint32_t k = 0; k < node->n_out; k++)
    if (oq_value_ok(node->out[k]) && crowded(p, result_of(p, n, k), owner))
      return true;
  return false;
}

static bool thin_out(placer *p, const oq_node_id *owner) {
  bool changed = false;

  for (uint32_t i = 0; i < p->n_order; i++) {
    const oq_node_id n = p->order[i];

    if (is_integer(p, n) &&
        (makes_crowded(p, n, owner) || reads_crowded(p, n, owner)))
      changed = give_up(p, n,
                        "signed integers with several readers have no "
                        "kernels");
  }
  return changed;
}

/* ---- values and groups ------------------------------------------------ */
static void new_group(placer *p, oq_value_id v, const oq_op_def *maker) {
  oq_group_plan *group = &p->out->groups[p->out->n_groups];

  group->source = v;
  group->joined = OQ_NONE;
  if (maker && maker->quant.has_range && maker->quant.cls != OQ_Q_CLAMP) {
    group->has_range = true;
    group->fixed = (oq_range){(double)maker->quant.lo, (double)maker->quant.hi};
  }
  p->out->values[v.i].quantized = true;
  p->out->values[v.i].group = p->out->n_groups++;
}

static void absorb(placer *p, oq_value_id from, oq_value_id to) {
  while (from.i != to.i) {
    const oq_use use = p->uses.use[p->uses.first[from.i]];
    oq_node_plan *plan = plan_of(p, use.node);

    if (plan->fate != OQ_FATE_BIAS) {
      plan->fate = OQ_FATE_ABSORBED;
      plan->eligible = true;
      plan->why = "the quantized range of its input's layer stands for it";
    }
    from = oq_graph_node(p->g, use.node)->out[0];
  }
}

/* Class of the node that makes v. */
static oq_quant_class class_of_value(const placer *p, oq_value_id v) {
  const oq_value *value = oq_graph_value(p->g, v);

  return value->kind == OQ_VALUE_RESULT ? class_of(p, value->producer)
                                        : OQ_Q_OPAQUE;
}

static void place_results(placer *p, oq_node_id n) {
  const oq_node *node = oq_graph_node(p->g, n);
  const oq_node_plan *plan = plan_of(p, n);

  if (!needs_q(p, n)) return;
  for (uint32_t k = 0; k < node->n_out; k++) {
    if (!oq_value_ok(node->out[k])) continue;
    const oq_value_id v = result_of(p, n, k);

    if (plan->rule->same_params) {
      p->out->values[v.i].quantized = true;
      p->out->values[v.i].group = p->out->values[node->in[0].i].group;
    } else {
      absorb(p, node->out[k], v);
      p->out->values[v.i].clamped = class_of_value(p, v) == OQ_Q_CLAMP;
      new_group(p, v, v.i == node->out[k].i ? node->def : NULL);
    }
    p->out->values[v.i].all_uses = true;
  }
}

static void place_inputs(placer *p, oq_node_id n) {
  const oq_node *node = oq_graph_node(p->g, n);

  for (uint32_t i = 0; i < node->n_in; i++)
    if (oq_value_ok(node->in[i]) && carries_data(p, n, i) &&
        !p->out->values[node->in[i].i].quantized)
      new_group(p, node->in[i], NULL);
}

/* May v have a grid made for the values of `of`?  If its own stands for clamps,
 * only where that one ends inside their bounds. */
static bool clamps_allow(const placer *p, oq_value_id v, oq_value_id of) {
  const oq_stats_entry *e = entry_of(p, of);
  double lo, hi;

  for (; p->g->values[v.i].kind == OQ_VALUE_RESULT;) {
    const oq_node_id n = p->g->values[v.i].producer;

    if (plan_of(p, n)->fate != OQ_FATE_ABSORBED) break;
    if (!clamp_bounds(p, n, &lo, &hi)) return false;
    if (e && !((double)e->record.lo >= lo && (double)e->record.hi <= hi))
      return false;
    v = oq_graph_node(p->g, n)->in[0];
  }
  return true;
}

/* Inputs that only a copying node reads take its output's parameters at once:
 * one rounding instead of two, and the copy becomes a plain one. */
static void join_inputs(placer *p, oq_node_id n) {
  const oq_node *node = oq_graph_node(p->g, n);
  const uint32_t into = p->out->values[result_of(p, n, 0).i].group;

  if (!plan_of(p, n)->rule->copies) return;
  for (uint32_t i = 0; i < node->n_in; i++) {
    if (!carries_data(p, n, i)) continue;
    const oq_value_plan *v = &p->out->values[node->in[i].i];
    oq_group_plan *group = &p->out->groups[v->group];

    if (oq_uses_count(&p->uses, node->in[i]) == 1 && !group->has_range &&
        group->source.i == node->in[i].i && v->group != into &&
        clamps_allow(p, node->in[i], result_of(p, n, 0)))
      group->joined = into;
  }
}

/* Groups follow the joins; a join points to a later group, never back. */
static void settle_groups(placer *p) {
  for (uint32_t g = p->out->n_groups; g-- > 0;) {
    oq_group_plan *group = &p->out->groups[g];

    if (group->joined != OQ_NONE &&
        p->out->groups[group->joined].joined != OQ_NONE)
      group->joined = p->out->groups[group->joined].joined;
  }
  for (uint32_t v = 0; v < p->g->n_values; v++) {
    const uint32_t g = p->out->values[v].group;

    if (g != OQ_NONE && p->out->groups[g].joined != OQ_NONE)
      p->out->values[v].group = p->out->groups[g].joined;
  }
}

/* The runtime moves a DQ behind what only moves values (`passing`: behind what
 * it does so for all readers): the value whose DQ that would be; OQ_NONE. */
static oq_value_id dq_before(const placer *p, oq_value_id v, bool passing) {
  while (oq_value_ok(v) && !p->out->values[v.i].all_uses) {
    const oq_value *value = &p->g->values[v.i];

    if (value->kind != OQ_VALUE_RESULT || !moves_floats(p, value->producer) ||
        (passing && !plan_of(p, value->producer)->rule->passes))
      return (oq_value_id){OQ_NONE};
    v = oq_graph_node(p->g, value->producer)->in[0];
  }
  return v;
}

static bool comes_dequantized(const placer *p, oq_value_id v) {
  return oq_value_ok(dq_before(p, v, false));
}

/* ... and a Q before it, and clamps are no obstacle. */
static bool goes_to_q(const placer *p, oq_value_id v) {
  oq_use use;

  while (!p->out->values[v.i].quantized) {
    if (!only_use(p, v, &use) || use.slot != 0) return false;
    if (!clamp_row(p, use.node) && !moves_floats(p, use.node)) return false;
    v = oq_graph_node(p->g, use.node)->out[0];
  }
  return true;
}

/* A float layer that the runtime would quantize by itself. */
static void raise_barrier(placer *p, oq_node_id n) {
  const oq_node *node = oq_graph_node(p->g, n);
  oq_node_plan *plan = plan_of(p, n);
  oq_value_id result;

  if (plan->fate != OQ_FATE_FLOAT || node->n_in == 0) return;
  if (!comes_dequantized(p, node->in[0])) return;
  result = node->out[0];
  if (node->def->quant.role[2] != OQ_ROLE_BIAS) {
    const oq_node_id add = addition_behind(p, n);

    if (!oq_node_ok(add)) return;
    plan->partner = add;
    result = oq_graph_node(p->g, add)->out[0];
  }
  if (goes_to_q(p, result)) plan->fate = OQ_FATE_BARRIER;
}

static void raise_barriers(placer *p) {
  if (!p->in->profile->requantizes_float) return;
  for (uint32_t i = 0; i < p->n_order; i++)
    if (is_linear(p, p->order[i])) raise_barrier(p, p->order[i]);
}

static bool captured(const placer *p, oq_value_id v) {
  for (uint32_t i = p->uses.first[v.i]; i < p->uses.first[v.i + 1]; i++)
    if (oq_node_ok(p->uses.use[i].node) && p->uses.use[i].slot == OQ_NONE)
      return true;
  return false;
}

/* The runtime moves a DQ behind what only moves values, and crashes where a
 * body reads the result: that gets a Q and a DQ of its own. */
static void end_before_bodies(placer *p) {
  if (!p->in->profile->requantizes_float) return;
  for (uint32_t i = 0; i < p->n_order; i++) {
    const oq_node *node = oq_graph_node(p->g, p->order[i]);

    if (!moves_floats(p, p->order[i]) || node->n_out == 0) continue;
    const oq_value_id v = node->out[0];
    oq_value_plan *plan = &p->out->values[v.i];
    const oq_value_id from = dq_before(p, v, true);

    if (plan->all_uses || !oq_value_ok(from) || !captured(p, v)) continue;
    plan->quantized = plan->all_uses = true;
    plan->group = p->out->values[from.i].group;
  }
}

/* Would the runtime find a DQ directly before a reader of v? */
static bool meets_dq(const placer *p, oq_value_id v) {
  while (oq_value_ok(v) && !p->out->values[v.i].all_uses) {
    const oq_value *value = &p->g->values[v.i];

    /* With a Q of its own besides, it stays where it is. */
    if (p->out->values[v.i].quantized) return false;
    if (value->kind != OQ_VALUE_RESULT || is_output(p, v) ||
        (p->in->read_once && readers(p, v) > 1) ||
        !moves_floats(p, value->producer) ||
        !plan_of(p, value->producer)->rule->passes)
      return false;
    v = oq_graph_node(p->g, value->producer)->in[0];
  }
  return oq_value_ok(v) && !(p->in->read_once && readers(p, v) > 1);
}

/* A product whose factors come as integers anyway: the runtime multiplies
 * those, with the same result. */
static void adopt(placer *p, oq_node_id n) {
  const oq_node *node = oq_graph_node(p->g, n);
  oq_node_plan *plan = plan_of(p, n);

  if (plan->fate != OQ_FATE_FLOAT || !plan->rule || !plan->rule->adopts) return;
  for (uint32_t i = 0; i < node->n_in; i++)
    if (oq_value_ok(node->in[i]) &&
        (i >= 2 || !carries_data(p, n, i) || !meets_dq(p, node->in[i])))
      return;
  plan->fate = OQ_FATE_ADOPTED;
  plan->eligible = true;
  plan->why = "its factors come as integers anyway";
}

/* The runtime moves a Q from behind a float pooling to before it, and runs the
 * pooling on integers in the layout in which that is slowest.  A Q that stays
 * is one per axis: signed ones of that kind it does not take. */
static void hold_back(placer *p) {
  if (p->in->read_once) return;
  for (uint32_t i = 0; i < p->n_order; i++) {
    const oq_node *node = oq_graph_node(p->g, p->order[i]);

    if (moves_floats(p, p->order[i]) && plan_of(p, p->order[i])->rule->pools &&
        node->n_out > 0)
      p->out->values[node->out[0].i].hold_back = true;
  }
}

/* A product whose result stays float leaves the clamps behind it alone. */
static void place_values(placer *p) {
  for (uint32_t v = 0; v < p->g->n_values; v++)
    p->out->values[v].group = OQ_NONE;
  for (uint32_t i = 0; i < p->n_order; i++) {
    const oq_node_id n = p->order[i];

    if (!is_integer(p, n)) continue;
    place_inputs(p, n);
    place_results(p, n);
    join_inputs(p, n);
    plan_of(p, n)->why = "runs on integers";
  }
  settle_groups(p);
  for (uint32_t i = 0; i < p->n_order; i++)
    if (is_linear(p, p->order[i])) adopt(p, p->order[i]);
  end_before_bodies(p);
  raise_barriers(p);
  hold_back(p);
}

static oq_status tables(placer *p) {
  const oq_place_input *in = p->in;

  p->out->nodes = OQ_NEW_N(in->arena, oq_node_plan, p->g->n_nodes);
  p->out->values = OQ_NEW_N(in->arena, oq_value_plan, p->g->n_values);
  p->out->groups = OQ_NEW_N(in->arena, oq_group_plan, p->g->n_values);
  p->out->n_groups = 0;
  p->forced = OQ_NEW_N(in->arena, bool, p->g->n_nodes);
  if (!p->forced || !p->out->nodes || !p->out->values || !p->out->groups)
    return oq_fail_memory(in->env->diags);
  OQ_TRY(oq_walk_uses(&p->uses, p->g, in->arena));
  return oq_walk_order(&p->order, &p->n_order, p->g, in->arena, in->env->diags);
}

oq_status oq_place(oq_placement *out, const oq_place_input *in) {
  oq_node_id *owner = NULL;
  placer p = {.in = in, .g = in->graph, .out = out};

  OQ_TRY(tables(&p));
  judge(&p);
  keep_ends(&p);
  OQ_TRY(shun_logarithms(&p));
  OQ_TRY(find_carriers(&p));
  for (uint32_t i = 0; i < p.n_order; i++) pair_bias(&p, p.order[i]);
  OQ_TRY(owners(&p, &owner));
  keep_slow_ends(&p, owner);
  do settle(&p, owner);
  while (in->read_once && thin_out(&p, owner));
  place_values(&p);
  return OQ_OK;
}

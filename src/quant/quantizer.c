/* quantizer.c - options checked, then decide, choose, report, rewrite. */
#include <math.h>
#include <string.h>

#include "quant/node_report.h"
#include "quant/noise.h"
#include "quant/params.h"
#include "quant/quant.h"
#include "quant/rewrite.h"

typedef struct quantizer {
  oq_model_ir *m;
  const oq_stats_core *stats;
  const oq_quantize_options *opt;
  const oq_env *env;
  oq_arena *arena; /* of this call */
  const oq_profile *profile;
  const oq_range_method *method;
  oq_quant_type activation, weight;
  oq_placed *graphs; /* the main graph first */
  uint32_t n_graphs;
  const uint32_t *const *linear_at;
  uint32_t n_linear;
  oq_quantize_report *report;
} quantizer;

/* ---- options ---------------------------------------------------------- */
static oq_status choose_names(quantizer *q) {
  const char *target = q->opt->target ? q->opt->target : "ort-cpu";
  const char *method = q->opt->method ? q->opt->method : "auto";

  q->profile = oq_profile_find(target);
  if (!q->profile)
    return oq_fail(
        q->env->diags, OQ_E_ARGUMENT, "option.target",
        &(oq_where){.hint = "targets: ort-cpu", .offset = UINT64_MAX},
        "unknown target '%s'", target);
  q->method = oq_range_method_find(method);
  if (!q->method)
    return oq_fail(
        q->env->diags, OQ_E_ARGUMENT, "option.method",
        &(oq_where){.hint = "methods: auto, minmax, percentile, entropy, mse",
                    .offset = UINT64_MAX},
        "unknown method '%s'", method);
  return OQ_OK;
}

static oq_status choose_type(const quantizer *q, oq_quant_type *out,
                             int32_t asked, oq_dtype otherwise, uint32_t set,
                             bool symmetric, const char *what) {
  const int32_t t = asked ? asked : (int32_t)otherwise;

  if (!oq_dtype_in(t, set) || !oq_quant_type_make(out, (oq_dtype)t, symmetric))
    return oq_fail(q->env->diags, OQ_E_UNSUPPORTED, "option.type", NULL,
                   "target %s has no integer kernels for %s of type %s",
                   q->profile->name, what, oq_dtype_text(t));
  return OQ_OK;
}

static oq_status choose_types(quantizer *q) {
  OQ_TRY(choose_type(q, &q->activation, q->opt->activation_type,
                     q->profile->activation, q->profile->activations, false,
                     "activations"));
  return choose_type(q, &q->weight, q->opt->weight_type, q->profile->weight,
                     q->profile->weights, true, "weights");
}

/* ---- what cannot be quantized ----------------------------------------- */
static bool names_op(const char *const *list, const char *op) {
  for (; *list; list++)
    if (strcmp(*list, op) == 0) return true;
  return false;
}

static oq_status refuse_quantized(const quantizer *q, const oq_graph *g) {
  for (uint32_t i = 0; i < g->n_nodes; i++) {
    const oq_node *n = &g->nodes[i];
    const char *op = oq_node_op(g, (oq_node_id){i});

    if (n->dead) continue;
    if (!(n->def && (n->def->flags & OQ_OP_QUANTIZED)) &&
        !names_op(q->profile->quantized_ops, op))
      continue;
    oq_where w = oq_node_where(g, (oq_node_id){i});
    w.hint = "--allow-partial quantizes the rest";
    return oq_fail(q->env->diags, OQ_E_UNSUPPORTED, "model.quantized", &w,
                   "the model is quantized already");
  }
  return OQ_OK;
}

/* The reason of the first node that could matter. */
static const char *main_reason(const quantizer *q) {
  const char *recurrent = NULL;

  for (uint32_t s = 0; s < q->n_graphs; s++) {
    const oq_graph *g = q->graphs[s].graph;

    for (uint32_t i = 0; i < g->n_nodes; i++) {
      const oq_op_def *def = g->nodes[i].def;
      const char *why = q->graphs[s].placement.nodes[i].why;

      if (g->nodes[i].dead || !def) continue;
      if (def->quant.cls == OQ_Q_LINEAR) return why;
      if (oq_profile_reason(q->profile, oq_node_op(g, (oq_node_id){i})))
        recurrent = why;
    }
  }
  return recurrent ? recurrent
                   : "it has no layer that the target runs on integers";
}

static oq_status refuse_nothing(const quantizer *q) {
  if (q->report->n_quantized > 0) return OQ_OK;
  return oq_fail(q->env->diags, OQ_E_UNSUPPORTED, "model.nothing",
                 &(oq_where){.hint = "`explain` gives the reason of each node",
                             .offset = UINT64_MAX},
                 "no node can be quantized: %s", main_reason(q));
}

static oq_status refuse_old(const quantizer *q) {
  oq_name domain = {0};
  const int64_t opset = oq_ir_opset(q->m, domain);

  if (opset >= q->profile->min_opset) return OQ_OK;
  return oq_fail(q->env->diags, OQ_E_UNSUPPORTED, "model.opset", NULL,
                 "opset %lld could not be raised to %lld, which quantization "
                 "per channel needs",
                 (long long)opset, (long long)q->profile->min_opset);
}

/* ---- steps ------------------------------------------------------------ */
static oq_status list_graphs(quantizer *q) {
  const oq_type *const **types;
  oq_keyed k;

  OQ_TRY(oq_calib_keys(&k, q->m->main, q->arena, q->env));
  OQ_TRY(oq_infer_scopes(&types, k.scope, k.n, q->arena, q->env));
  OQ_TRY(oq_linear_numbers(&q->linear_at, &q->n_linear, k.scope, k.n, q->arena,
                           q->env));
  q->graphs = OQ_NEW_N(q->arena, oq_placed, k.n);
  if (!q->graphs) return oq_fail_memory(q->env->diags);
  for (uint32_t s = 0; s < k.n; s++)
    q->graphs[s] = (oq_placed){.graph = k.scope[s].graph,
                               .path = k.scope[s].path,
                               .up = k.scope[s].up,
                               .types = types[s],
                               .keys = k.key[s]};
  q->n_graphs = k.n;
  return OQ_OK;
}

static oq_status place(quantizer *q, uint32_t s, const char *const *refused) {
  oq_placed *at = &q->graphs[s];
  const oq_place_input in = {
      .graph = at->graph,
      .profile = q->profile,
      .options = q->opt,
      .stats = q->stats,
      .types = at->types,
      .keys = at->keys,
      .path = s > 0 ? at->path : NULL,
      .linear_at = q->linear_at[s],
      .n_linear = q->n_linear,
      .refused = refused,
      .symmetric_activations = q->activation.symmetric,
      .read_once = q->profile->signed_read_once && q->activation.qmin < 0,
      .arena = q->arena,
      .env = q->env,
  };

  return oq_place(&at->placement, &in);
}

static oq_status choose_ranges(quantizer *q) {
  const oq_range_options o = {
      .percentile = q->opt->percentile > 0 ? q->opt->percentile : 99.99};

  for (uint32_t s = 0; s < q->n_graphs; s++) {
    oq_placed *at = &q->graphs[s];

    OQ_TRY(oq_params_choose(&at->params, &at->placement, at->graph, at->keys,
                            q->stats, &q->activation, q->method, &o, q->arena,
                            q->env));
  }
  return oq_params_override(q->graphs, q->n_graphs, &q->activation,
                            q->opt->overrides, q->opt->n_overrides, q->env);
}

/* Layers that integers are too coarse for become float, and everything is
 * decided again; but not what the user chose by name. */
static oq_status leave_coarse(quantizer *q) {
  bool any = false;

  if (q->opt->only || q->opt->only_op) return OQ_OK;
  for (uint32_t s = 0; s < q->n_graphs; s++) {
    const char *const *refused;
    bool some;

    OQ_TRY(oq_noise_judge(&refused, &some, &q->graphs[s], q->stats, q->arena,
                          q->env));
    if (some) OQ_TRY(place(q, s, refused));
    any = any || some;
  }
  return any ? choose_ranges(q) : OQ_OK;
}

static oq_status report(quantizer *q) {
  const oq_report_input in = {
      .graphs = q->graphs,
      .n_graphs = q->n_graphs,
      .stats = q->stats,
      .profile = q->profile,
      .activation = &q->activation,
  };

  return oq_report_make(&q->report, &in, q->m->arena, q->env->diags);
}

static oq_status rewrite(quantizer *q) {
  const oq_rewrite_input in = {
      .graphs = q->graphs,
      .n_graphs = q->n_graphs,
      .activation = &q->activation,
      .weight = &q->weight,
      .stats = q->stats,
      .correct_bias = q->opt->keep_biases == 0,
      .per_channel = q->profile->per_channel && !q->opt->per_tensor,
      .env = q->env,
  };
  oq_rewrite_result result;

  OQ_TRY(oq_rewrite_qdq(&result, &in));
  if (q->m->ir_version < q->profile->min_ir)
    q->m->ir_version = q->profile->min_ir;
  if (q->opt->ir_version > q->m->ir_version)
    q->m->ir_version = q->opt->ir_version;
  if (q->opt->provenance)
    OQ_TRY(oq_edit_set_prop(q->m, "onnxquant", q->opt->provenance));
  return oq_ir_verify(q->m, q->env);
}

static oq_status run(quantizer *q) {
  OQ_TRY(choose_names(q));
  OQ_TRY(choose_types(q));
  OQ_TRY(list_graphs(q));
  for (uint32_t s = 0; s < q->n_graphs && !q->opt->allow_partial; s++)
    OQ_TRY(refuse_quantized(q, q->graphs[s].graph));
  OQ_TRY(refuse_old(q));
  for (uint32_t s = 0; s < q->n_graphs; s++) OQ_TRY(place(q, s, NULL));
  if (q->stats) {
    OQ_TRY(choose_ranges(q));
    OQ_TRY(leave_coarse(q));
  }
  OQ_TRY(report(q));
  if (!q->stats) return OQ_OK;
  OQ_TRY(refuse_nothing(q));
  return rewrite(q);
}

oq_status oq_quantize_ir(oq_model_ir *m, const oq_quantize_report **out,
                         const oq_stats_core *stats,
                         const oq_quantize_options *opt, const oq_env *e) {
  quantizer q = {.m = m, .stats = stats, .opt = opt, .env = e};

  if (oq_arena_create(&q.arena, e->alloc, 0) != OQ_OK)
    return oq_fail_memory(e->diags);
  const oq_status s = run(&q);
  oq_arena_destroy(q.arena);
  if (s == OQ_OK && out) *out = q.report;
  return s;
}

/* params.c - from records to the scale and zero point of each group. */
#include "quant/params.h"

#include <float.h>
#include <math.h>
#include <string.h>

typedef struct job {
  const oq_placement *placement;
  const oq_graph *graph;
  const char *const *keys;
  const oq_stats_core *stats;
  const oq_quant_type *type;
  const oq_range_method *method;
  const oq_range_options *options;
  oq_group_params *out;
} job;

static double sqnr(const oq_record *r, const oq_quant_type *t, oq_range range) {
  const double error = oq_range_error(r, t, range, NULL, NULL);
  const double power = oq_record_power(r);

  return error > 0 && power > 0 ? 10.0 * log10(power / error) : NAN;
}

static oq_status task(void *user, uint32_t i, oq_worker *w) {
  const job *j = user;
  const oq_group_plan *g = &j->placement->groups[i];
  const char *name =
      j->keys ? j->keys[g->source.i] : oq_value_text(j->graph, g->source);
  const oq_stats_entry *e = name ? oq_stats_find(j->stats, name) : NULL;
  oq_group_params *out = &j->out[i];

  if (!e || !oq_record_usable(&e->record))
    return oq_fail(w->diags, OQ_E_NUMERIC, "range.none",
                   &(oq_where){.value = oq_value_text(j->graph, g->source),
                               .offset = UINT64_MAX},
                   "no usable range was observed");
  out->method = g->has_range ? "known" : j->method->name;
  out->range = g->has_range
                   ? g->fixed
                   : j->method->choose(&e->record, j->type, j->options);
  out->range.lo = fmin(out->range.lo, 0.0); /* every grid holds 0 */
  out->range.hi = fmax(out->range.hi, 0.0);
  out->q = oq_qparam_of_range(j->type, out->range);
  out->sqnr_db = sqnr(&e->record, j->type, out->range);
  return OQ_OK;
}

oq_status oq_params_choose(oq_group_params **out, const oq_placement *p,
                           const oq_graph *g, const char *const *keys,
                           const oq_stats_core *stats,
                           const oq_quant_type *type,
                           const oq_range_method *method,
                           const oq_range_options *opt, oq_arena *a,
                           const oq_env *e) {
  job j = {p, g, keys, stats, type, method, opt, NULL};

  j.out = OQ_NEW_N(a, oq_group_params, p->n_groups);
  if (!j.out) return oq_fail_memory(e->diags);
  if (p->n_groups > 0)
    OQ_TRY(oq_par_run(e->pool, p->n_groups, task, &j, e->diags));
  *out = j.out;
  return OQ_OK;
}

/* ---- overrides --------------------------------------------------------- */
static oq_status refuse(const oq_env *e, const oq_override *o,
                        const char *why) {
  return oq_fail(e->diags, OQ_E_ARGUMENT, "override.value",
                 &(oq_where){.value = o->value,
                             .offset = UINT64_MAX,
                             .hint = "`explain` names the quantized values"},
                 "override of '%s': %s", o->value, why);
}

static const char *wrong(const oq_override *o, const oq_quant_type *t) {
  if (!o->has_range == !o->has_params)
    return "expected either a range or a scale and zero point";
  if (o->has_range && !(isfinite(o->lo) && isfinite(o->hi) && o->lo <= o->hi))
    return "the range is not an ordered pair of finite numbers";
  if (o->has_params && !(isfinite(o->scale) && (float)o->scale >= FLT_MIN))
    return "the scale is not a positive normal number";
  if (o->has_params && (o->zero_point < t->qmin || o->zero_point > t->qmax))
    return "the zero point is not a code of its type";
  return NULL;
}

static void apply(oq_group_params *p, const oq_override *o,
                  const oq_quant_type *t) {
  if (o->has_range) {
    p->range = (oq_range){o->lo, o->hi};
    p->q = oq_qparam_of_range(t, p->range);
  } else {
    p->q = (oq_qparam){(float)o->scale, o->zero_point};
    p->range = (oq_range){(double)p->q.scale * (t->qmin - o->zero_point),
                          (double)p->q.scale * (t->qmax - o->zero_point)};
  }
  p->method = "override";
  p->sqnr_db = NAN;
}

/* The quantized value that is called so. */
static bool find_value(const oq_placed *graphs, uint32_t n, const char *name,
                       uint32_t *graph, uint32_t *value) {
  for (uint32_t s = 0; s < n; s++) {
    const oq_placed *at = &graphs[s];

    for (uint32_t v = 0; v < at->graph->n_values; v++) {
      if (at->graph->values[v].kind == OQ_VALUE_OUTER || !at->keys[v] ||
          !at->placement.values[v].quantized || strcmp(at->keys[v], name) != 0)
        continue;
      *graph = s;
      *value = v;
      return true;
    }
  }
  return false;
}

oq_status oq_params_override(const oq_placed *graphs, uint32_t n_graphs,
                             const oq_quant_type *type,
                             const oq_override *overrides, size_t n,
                             const oq_env *e) {
  for (size_t i = 0; i < n; i++) {
    const oq_override *o = &overrides[i];
    uint32_t s, v;

    if (!o->value) return OQ_E_ARGUMENT;
    const char *why = wrong(o, type);
    if (why) return refuse(e, o, why);
    if (!find_value(graphs, n_graphs, o->value, &s, &v))
      return refuse(e, o, "no quantized value has that name");

    const oq_value_plan *plan = &graphs[s].placement.values[v];
    oq_group_params *params = &graphs[s].params[plan->group];
    const oq_range was = params->range;
    apply(params, o, type);
    if (plan->clamped &&
        (params->range.lo < fmin(was.lo, 0) || params->range.hi > was.hi))
      return refuse(e, o,
                    "the range is wider than that of the Relu or Clip "
                    "that the quantization stands for");
  }
  return OQ_OK;
}

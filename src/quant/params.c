/* params.c - from records to the scale and zero point of each group. */
#include "quant/params.h"

#include <float.h>
#include <math.h>
#include <string.h>

typedef struct job {
  const oq_placement *placement;
  const oq_graph *graph;
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
  const oq_stats_entry *e =
      oq_stats_find(j->stats, oq_value_text(j->graph, g->source));
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
                           const oq_graph *g, const oq_stats_core *stats,
                           const oq_quant_type *type,
                           const oq_range_method *method,
                           const oq_range_options *opt, oq_arena *a,
                           const oq_env *e) {
  job j = {p, g, stats, type, method, opt, NULL};

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

oq_status oq_params_override(oq_group_params *params, const oq_placement *p,
                             const oq_graph *g, const oq_quant_type *type,
                             const oq_override *overrides, size_t n,
                             const oq_env *e) {
  for (size_t i = 0; i < n; i++) {
    const oq_override *o = &overrides[i];
    oq_name name;
    oq_value_id v = {OQ_NONE};

    if (!o->value) return OQ_E_ARGUMENT;
    const char *why = wrong(o, type);
    if (why) return refuse(e, o, why);
    if (oq_names_find(g->model->names, &name, o->value, strlen(o->value)))
      v = oq_graph_find_value(g, name);
    if (!oq_value_ok(v) || !p->values[v.i].quantized)
      return refuse(e, o, "no quantized value has that name");

    oq_group_params *params_of = &params[p->values[v.i].group];
    const oq_range was = params_of->range;
    apply(params_of, o, type);
    if (p->values[v.i].clamped &&
        (params_of->range.lo < fmin(was.lo, 0) || params_of->range.hi > was.hi))
      return refuse(e, o,
                    "the range is wider than that of the Relu or Clip "
                    "that the quantization stands for");
  }
  return OQ_OK;
}

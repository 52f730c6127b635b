/* params.c - from records to the scale and zero point of each group. */
#include "quant/params.h"

#include <math.h>

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

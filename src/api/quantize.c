/* api/quantize.c - the public door to the quantizer. */
#include "onnxquant/quantize.h"

#include <string.h>

#include "api/api.h"
#include "quant/quant.h"

static oq_status plan(const oq_quantize_report **report, oq_model_ir *ir,
                      const oq_model *m, const oq_quantize_options *opt) {
  oq_context *cx = m->cx;
  const oq_mark mark = oq_arena_mark(cx->scratch);
  const oq_type **types =
      OQ_COPY_N(cx->scratch, const oq_type *, m->feed_types, m->n_feeds);

  if (!types && m->n_feeds > 0) return oq_fail_memory(cx->diags);
  oq_model_swap_types(m, ir->main, types);
  const oq_status s = oq_quantize_ir(ir, report, NULL, opt, &cx->env);
  oq_model_swap_types(m, ir->main, types);
  oq_arena_rewind(cx->scratch, mark);
  return s;
}

/* Copies the graph; the prepared model stays as it is. */
static oq_status quantize(oq_model **out, const oq_quantize_report **report,
                          const oq_model *prepared, const oq_stats *s,
                          const oq_quantize_options *opt) {
  oq_context *cx = prepared->cx;
  oq_model_ir *ir;
  oq_model *m;

  OQ_TRY(oq_ir_clone(&ir, prepared->ir, &cx->env));
  oq_status status = oq_ops_bind(ir, &cx->env);
  if (status == OQ_OK)
    status = s ? oq_quantize_ir(ir, report, s->core, opt, &cx->env)
               : plan(report, ir, prepared, opt);
  if (status != OQ_OK) {
    oq_ir_destroy(ir);
    return status;
  }
  OQ_TRY(oq_model_wrap(&m, cx, ir));
  m->prepared = true;
  *out = m;
  return OQ_OK;
}

/* Statistics name values; they must be those of this very graph. */
static oq_status stats_belong(const oq_model *prepared, const oq_stats *s) {
  char hex[33];

  if (!s) return OQ_OK;
  OQ_TRY(oq_model_digest(hex, prepared));
  if (strcmp(hex, s->core->model_digest) == 0) return OQ_OK;
  return oq_fail(
      prepared->cx->diags, OQ_E_STATE, "stats.model",
      &(oq_where){.hint = "calibrate this model again, with the same "
                          "passes",
                  .offset = UINT64_MAX},
      "the statistics were taken from another model");
}

oq_status oq_quantize(oq_model **out, const oq_quantize_report **report,
                      oq_model *m, const oq_stats *s,
                      const oq_quantize_options *opt) {
  oq_quantize_options o = OQ_QUANTIZE_OPTIONS_INIT;
  const oq_quantize_report *r = NULL;
  oq_model *p, *made = NULL;
  bool own;

  if (!out || !m) return OQ_E_ARGUMENT;
  OQ_TRY(oq_options_copy(&o, sizeof o, opt));
  OQ_TRY(oq_model_as_prepared(&p, &own, m));
  oq_status status = stats_belong(p, s);
  if (status == OQ_OK) status = quantize(&made, &r, p, s, &o);
  if (own) oq_model_destroy(p);
  if (status != OQ_OK) return status;
  *out = made;
  if (report) *report = r;
  return OQ_OK;
}

int oq_target_at(oq_target_info *out, size_t i) {
  uint32_t n;
  const oq_profile *const *all = oq_profiles(&n);

  if (!out || i >= n) return 0;
  *out = (oq_target_info){all[i]->name, all[i]->about};
  return 1;
}

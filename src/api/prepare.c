/* api/prepare.c - the passes behind the public call. */
#include "api/api.h"
#include "pass/pass.h"

#define OQ_PASS(id, flags) #id,
static const char *const pass_names[] = {
#include "pass/passes.def"
    NULL};
#undef OQ_PASS

const char *const *oq_prepare_pass_names(void) { return pass_names; }

/* Overrides of the old model hold for the new one: its inputs are the same. */
static oq_status carry_overrides(oq_model *to, const oq_model *from) {
  for (uint32_t i = 0; i < to->n_feeds; i++) {
    for (uint32_t k = 0; k < from->n_feeds; k++) {
      const oq_type *const t = from->feed_types[k];
      if (to->feeds[i].i != from->feeds[k].i || t == NULL) continue;
      to->feed_types[i] = OQ_COPY_N(to->arena, oq_type, t, 1);
      if (to->feed_types[i] == NULL) return oq_fail_memory(to->cx->diags);
    }
  }
  return OQ_OK;
}

oq_status oq_model_prepare(oq_model **out, oq_model *m,
                           const oq_prepare_options *opt) {
  oq_prepare_options own = OQ_PREPARE_OPTIONS_INIT;
  oq_model_ir *ir;
  oq_model *made;
  oq_status s;

  if (out == NULL || m == NULL) return OQ_E_ARGUMENT;
  OQ_TRY(oq_options_copy(&own, sizeof own, opt));
  const oq_pass_options o = {.opset = own.opset, .skip = own.skip_passes};
  OQ_TRY(oq_ir_clone(&ir, m->ir, &m->cx->env));
  s = oq_passes_run(ir, &o, NULL, &m->cx->env);
  if (s != OQ_OK) {
    oq_ir_destroy(ir);
    return s;
  }
  OQ_TRY(oq_model_wrap(&made, m->cx, ir));
  made->prepared = true;
  s = carry_overrides(made, m);
  if (s != OQ_OK) {
    oq_model_destroy(made);
    return s;
  }
  *out = made;
  return OQ_OK;
}

/* pass/manager.c - runs the passes, verifies after each, counts changes. */
#include <string.h>

#include "pass/pass_util.h"

static const oq_pass passes[] = {
#define OQ_PASS(id, flags) {#id, (flags), oq_pass_##id},
#include "pass/passes.def"
#undef OQ_PASS
};
#define N_PASSES ((uint32_t)(sizeof passes / sizeof passes[0]))
_Static_assert(sizeof passes / sizeof passes[0] <= OQ_PASS_MAX,
               "oq_pass_report has a place for every pass");

/* What one pass leaves to another is mostly found in the second round; the rest
 * is chains. */
#define MAX_ROUNDS 8

const oq_pass *oq_pass_list(uint32_t *n) {
  *n = N_PASSES;
  return passes;
}

/* ---- options --------------------------------------------------------------
 */
static bool is_skipped(const oq_pass_options *o, const char *name) {
  for (const char *const *p = o->skip; p != NULL && *p != NULL; p++)
    if (strcmp(*p, name) == 0) return true;
  return false;
}

static bool is_pass(const char *name) {
  for (uint32_t i = 0; i < N_PASSES; i++)
    if (strcmp(passes[i].name, name) == 0) return true;
  return false;
}

#define OQ_PASS(id, flags) ", " #id
static const char all_names[] =
#include "pass/passes.def"
    ;
#undef OQ_PASS

static oq_status check_options(const oq_pass_options *o, oq_diags *d) {
  if (o->opset < 0 || o->opset > OQ_OPSET_NEWEST)
    return oq_fail(d, OQ_E_ARGUMENT, "opset.newest", NULL,
                   "opset %lld is asked for, this build knows opsets up to %d",
                   (long long)o->opset, OQ_OPSET_NEWEST);
  for (const char *const *p = o->skip; p != NULL && *p != NULL; p++) {
    if (is_pass(*p)) continue;
    return oq_fail(d, OQ_E_ARGUMENT, "pass.name", NULL,
                   "there is no pass '%s'; the passes are: %s", *p,
                   all_names + 2);
  }
  return OQ_OK;
}

/* ---- running --------------------------------------------------------------
 */
static size_t errors(const oq_diags *d) {
  size_t n = 0;

  for (size_t i = 0; i < oq_diags_count(d); i++)
    n += oq_diags_at(d, i)->severity == OQ_ERROR;
  return n;
}

/* Verbs of ir record nothing; so that no failure is without a finding. */
static oq_status give_reason(oq_status s, const char *pass, size_t before,
                             const oq_env *e) {
  if (s == OQ_OK || errors(e->diags) != before) return s;
  if (s == OQ_E_MEMORY) return oq_fail_memory(e->diags);
  return oq_fail(e->diags, s, "pass.failed", NULL,
                 "pass '%s' could not change the graph", pass);
}

static oq_status run_one(uint32_t i, oq_model_ir *m, const oq_pass_options *o,
                         uint32_t *changed, const oq_env *e) {
  const oq_mark mark = oq_arena_mark(e->scratch);
  const size_t before = errors(e->diags);
  uint32_t n = 0;
  oq_status s = passes[i].run(m, o, &n, e);

  oq_arena_rewind(e->scratch, mark);
  if (s == OQ_OK && n > 0) s = oq_edit_remove_dead(m->main, e);
  OQ_TRY(give_reason(s, passes[i].name, before, e));
  *changed = n;
  if (n == 0) return OQ_OK;
  OQ_TRY(oq_ops_bind(m, e));
  return oq_ir_verify(m, e);
}

static oq_status run_list(unsigned flags, uint32_t *total, oq_model_ir *m,
                          const oq_pass_options *o, oq_pass_report *r,
                          const oq_env *e) {
  *total = 0;
  for (uint32_t i = 0; i < N_PASSES; i++) {
    uint32_t n = 0;
    if ((passes[i].flags & flags) != flags || is_skipped(o, passes[i].name))
      continue;
    OQ_TRY(run_one(i, m, o, &n, e));
    r->changed[i] += n;
    *total += n;
  }
  return OQ_OK;
}

/* Up to IR version 3 every initializer had to be listed as an input. */
static oq_status fix_ir_version(oq_model_ir *m, const oq_env *e) {
  const oq_scope *scope;
  uint32_t n;

  if (m->ir_version >= 4) return OQ_OK;
  OQ_TRY(oq_walk_scopes(&scope, &n, m->main, e->scratch));
  for (uint32_t s = 0; s < n; s++) {
    const oq_graph *const g = scope[s].graph;

    for (uint32_t i = 0; i < g->n_inits; i++) {
      const oq_value *const v = oq_graph_value(g, g->inits[i]);
      if (v->kind == OQ_VALUE_CONST && !v->also_input) m->ir_version = 4;
    }
  }
  return OQ_OK;
}

oq_status oq_passes_run(oq_model_ir *m, const oq_pass_options *o,
                        oq_pass_report *report, const oq_env *e) {
  static const oq_pass_options none;
  oq_pass_report own, *const r = report != NULL ? report : &own;
  uint32_t changed = 1;

  if (o == NULL) o = &none;
  OQ_TRY(check_options(o, e->diags));
  memset(r, 0, sizeof *r);
  /* IR versions below 3 name no operator sets: the first is meant. */
  if (m->n_opsets == 0) OQ_TRY(oq_edit_set_opset(m, "", 1));
  r->opset_before = oq_ir_opset(m, (oq_name){0});
  OQ_TRY(oq_edit_remove_dead(m->main, e)); /* what came so */
  OQ_TRY(oq_ops_bind(m, e));
  OQ_TRY(run_list(0, &changed, m, o, r, e));
  for (r->rounds = 1; changed > 0 && r->rounds < MAX_ROUNDS; r->rounds++)
    OQ_TRY(run_list(OQ_PASS_REPEAT, &changed, m, o, r, e));
  OQ_TRY(fix_ir_version(m, e));
  r->opset_after = oq_ir_opset(m, (oq_name){0});
  return OQ_OK;
}

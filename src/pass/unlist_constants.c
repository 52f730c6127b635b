/* pass/unlist_constants.c - initializers that are also listed as inputs leave
 * the inputs.  Before IR version 4 all had to be listed; later the listing
 * means "the caller may give another value", which nobody can who wants the
 * numbers folded or quantized. */
#include "pass/pass_util.h"

oq_status oq_pass_unlist_constants(oq_model_ir *m, const oq_pass_options *o,
                                   uint32_t *changed, const oq_env *e) {
  const bool was_choice = m->ir_version >= 4;

  (void)o;
  *changed = oq_edit_unlist_constants(m->main);
  if (*changed > 0 && m->ir_version < 4) m->ir_version = 4;
  if (*changed > 0 && was_choice)
    oq_note(e->diags, "pass.default", NULL,
            "%u inputs that have a default value in the model are constants "
            "from here on",
            *changed);
  return OQ_OK;
}

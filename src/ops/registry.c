/* ops/registry.c - which row is right for an operator at an opset.  An
 * explicit list: constructors and linker sections vanish from static
 * libraries. */
#include <string.h>

#include "ops/op.h"

#define OQ_OP_FAMILY(name) extern const oq_op_family oq_family_##name;
#include "ops/families.def"
#undef OQ_OP_FAMILY

static const oq_op_family *const families[] = {
#define OQ_OP_FAMILY(name) &oq_family_##name,
#include "ops/families.def"
#undef OQ_OP_FAMILY
};

const oq_op_family *const *oq_op_families(uint32_t *n) {
  *n = (uint32_t)(sizeof families / sizeof families[0]);
  return families;
}

static bool row_is(const oq_op_def *d, const char *domain, const char *op) {
  return strcmp(d->name, op) == 0 && strcmp(d->domain, domain) == 0;
}

/* A linear search; oq_ops_bind asks once per operator, not once per node. */
const oq_op_def *oq_op_find(const char *domain, const char *op, int64_t opset,
                            bool *gap) {
  bool seen = false;

  for (size_t f = 0; f < sizeof families / sizeof families[0]; f++) {
    for (uint32_t i = 0; i < families[f]->n_defs; i++) {
      const oq_op_def *const d = &families[f]->defs[i];
      if (!row_is(d, domain, op)) continue;
      seen = true;
      if (opset < d->since || opset > d->last) continue;
      if (gap != NULL) *gap = false;
      return d;
    }
  }
  if (gap != NULL) *gap = seen;
  return NULL;
}

const char *oq_quant_class_text(oq_quant_class c) {
  static const char *const texts[] = {
      [OQ_Q_OPAQUE] = "opaque", [OQ_Q_NEVER] = "never",
      [OQ_Q_LINEAR] = "linear", [OQ_Q_MAP] = "map",
      [OQ_Q_MOVE] = "move",     [OQ_Q_JOIN] = "join",
      [OQ_Q_CLAMP] = "clamp"};

  if ((size_t)c >= sizeof texts / sizeof texts[0]) return "unknown";
  return texts[c];
}

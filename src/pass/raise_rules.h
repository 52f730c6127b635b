/* pass/raise_rules.h - what changes where between opsets of the default
 * domain, for raise_opset.c. */
#ifndef OQ_PASS_RAISE_RULES_H
#define OQ_PASS_RAISE_RULES_H

#include "pass/pass_util.h"

typedef struct oq_raise {
  oq_graph *g;
  oq_node_id id;
  const oq_type *const *types; /* by value id, for values that there were */
  oq_pass_uses uses;           /* the same */
  int64_t to;                  /* opset to reach */
  oq_dtype floats; /* of which type all floats are; NONE: of several */
  const oq_env *env;
} oq_raise;

typedef struct oq_raise_rule {
  int64_t at; /* the first opset with the new form */
  const char *op;
  /* false: this node cannot be brought to the new form; NULL: any can. */
  bool (*can)(const oq_raise *r);
  oq_status (*apply)(const oq_raise *r);
} oq_raise_rule;

/* In order of `at`. */
const oq_raise_rule *oq_raise_rules(uint32_t *n);
/* ---- raise_names.c ---- */
/* Name of the operator at `opset`, where it was renamed or replaced; else `op`.
 */
const char *oq_raise_name(const char *op, int64_t opset);
/* An operator of the standard of which nothing changes up to opset 27 but what
 * the rules say, whether this build can run it or not. */
bool oq_raise_is_standard(const char *op);

#endif

/* pass - graph to better graph, same function.  Passes collect, then edit by
 * the verbs of ir, and keep no state; the manager verifies after each. */
#ifndef OQ_PASS_PASS_H
#define OQ_PASS_PASS_H

#include "ops/op.h"

typedef struct oq_pass_options {
  /* Opset of the default domain to reach; 0 = 13 if the model is older, else
   * as it is. */
  int64_t opset;
  const char *const *skip; /* names of passes, NULL-ended; may be NULL */
} oq_pass_options;

enum {
  OQ_PASS_REPEAT = 1 << 0 /* may find more to do after the others */
};

typedef struct oq_pass {
  const char *name;
  unsigned flags;
  /* The model is bound and verified.  *changed: how many things were changed;
   * 0 means that the graph is as it was.  Nodes may come out unbound. */
  oq_status (*run)(oq_model_ir *m, const oq_pass_options *o, uint32_t *changed,
                   const oq_env *e);
} oq_pass;

/* In the order in which they run: that of passes.def. */
const oq_pass *oq_pass_list(uint32_t *n);

#define OQ_PASS_MAX 32
typedef struct oq_pass_report {
  uint32_t changed[OQ_PASS_MAX]; /* by place in oq_pass_list */
  uint32_t rounds;               /* of the passes that are repeated */
  int64_t opset_before, opset_after;
} oq_pass_report;

/* Runs all passes that are not skipped; those marked REPEAT until nothing
 * changes, a few rounds at most.  The model comes out bound and verified.
 * `report` may be NULL.  After a failure the model may be half changed.
 * Unknown names in `skip`, and an opset that this build does not know, are
 * OQ_E_ARGUMENT. */
oq_status oq_passes_run(oq_model_ir *m, const oq_pass_options *o,
                        oq_pass_report *report, const oq_env *e);

/* ---- raise_opset.c --------------------------------------------------------
 */
/* Oldest IR version that a model of this opset (default domain) may have. */
int64_t oq_pass_ir_version(int64_t opset);

#endif

/* ops/fit - integer functions of sizes, found by asking.  The rules and kernels
 * of operators are only ever asked for numbers; how their results depend on
 * sizes that are not known yet is read off their answers at many points: small
 * sizes, large ones, and those at which something of the node could change
 * course.  A form that is wrong at one point is no answer. */
#ifndef OQ_OPS_FIT_H
#define OQ_OPS_FIT_H

#include "ops/expr.h"

enum {
  OQ_FIT_VARS = 12,
  OQ_FIT_CONSTS = 16, /* numbers of the node */
  OQ_FIT_POINTS = 400
};
#define OQ_FIT_NOT INT64_MIN /* a result that is not known at a point */

typedef enum oq_answer {
  OQ_ANSWER_OK,
  OQ_ANSWER_REFUSED, /* such sizes do not run: no claim is made for them */
  OQ_ANSWER_VARIES,  /* the number of results is another one */
  OQ_ANSWER_MEMORY
} oq_answer;

typedef struct oq_fit {
  oq_exprs *exprs;
  uint32_t n_vars;
  oq_name var[OQ_FIT_VARS]; /* 0: has no name; nothing may depend on it */
  bool any[OQ_FIT_VARS];    /* may be any number, not only a size */
  bool deep;                /* as for oq_expr_value */
  uint32_t n_known;         /* expressions that the node is given */
  const oq_expr *known;
  uint32_t n_consts;
  int64_t consts[OQ_FIT_CONSTS]; /* at which it may change course */
  uint32_t n_out;                /* results */
  bool all_points; /* ask on even if no result is known: are they as many? */
  oq_answer (*ask)(void *user, int64_t *out, const int64_t *at);
  void *user;
} oq_fit;

/* out[i], with found[i]: result i as an expression.  Scratch in `a`.  Fails
 * with OQ_E_MEMORY only, and records nothing. */
oq_status oq_fit_run(oq_expr *out, bool *found, const oq_fit *f, oq_arena *a);

#endif

/* ops/symbols - what a node makes of sizes that have names only.  Rules and
 * kernels stay as they are: they are asked at many points (fit.h). */
#ifndef OQ_OPS_SYMBOLS_H
#define OQ_OPS_SYMBOLS_H

#include "ops/fit.h"
#include "ops/op.h"

enum { OQ_PART_MOST = 64 }; /* elements of a value that is followed in part */

/* One element of a value: a number, an expression, or not known. */
typedef struct oq_elem {
  enum { OQ_ELEM_UNKNOWN, OQ_ELEM_NUMBER, OQ_ELEM_NAMED } kind;
  int64_t v;
  oq_name name;
} oq_elem;

/* A small tensor of which not all elements are known as numbers. */
typedef struct oq_part {
  oq_dtype dtype;
  oq_shape shape;
  uint32_t n;
  const oq_elem *elem;
} oq_part;

typedef struct oq_symbols {
  oq_exprs *exprs;
  uint64_t questions; /* that may still be asked: bounds the time */
} oq_symbols;

/* Fills sizes and ranks that the rule left open in x->out.  part[i] belongs to
 * input i, NULL where nothing is known or all is.  Records nothing. */
oq_status oq_symbols_types(oq_symbols *s, oq_infer *x,
                           const oq_part *const *part);
/* Values of outputs whose shapes in x->out are known; out[i].elem NULL where
 * nothing is known.  Elements in `a`. */
oq_status oq_symbols_values(oq_part *out, oq_symbols *s, oq_infer *x,
                            const oq_part *const *part, oq_arena *a,
                            const oq_env *e);

#endif

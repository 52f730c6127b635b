/* exec/step.h - one node on known inputs: concrete types, memory, kernel.  Does
 * not know where inputs come from, nor how long outputs live. */
#ifndef OQ_EXEC_STEP_H
#define OQ_EXEC_STEP_H

#include "exec/plan.h"

typedef struct oq_call {
  const oq_graph *graph;
  const oq_step *step;
  const oq_ctensor *const *in; /* NULL = absent */
  const oq_type *const *in_type;
  const oq_datum *const *data; /* the inputs, whatever they are; may be NULL */
  oq_type *out_type;           /* results, one per output of the node */
  oq_tensor *out;
  /* Memory of output i, `bytes` of it as asked by the shape.  Records its
   * finding. */
  oq_status (*alloc)(struct oq_call *c, uint32_t i, size_t bytes, void **data);
  void *user;
  oq_arena *texts; /* for bytes of texts; NULL: in the memory of the run */
  struct oq_session *session;
  const oq_env *env;
  bool keep_scratch; /* outputs lie there: do not rewind */
  /* The kernel runs on these, with axis 1 as the last one: the inputs `in_last`
   * (the session has brought their numbers into that order), and outputs of
   * rank `last_rank`.  NULL: it runs on `in`. */
  const oq_ctensor *const *in_last;
  uint32_t last_rank;
} oq_call;

/* A concrete type of a tensor. */
oq_type oq_type_of_tensor(oq_dtype t, const oq_shape *s);
/* in, in_type, alloc set; fills out and out_type.  Scratch is rewound. */
oq_status oq_call_run(oq_call *c);
/* The same for a VIEW: only types and shapes of `out` are filled, data of
 * out[0] is that of in[0]. */
oq_status oq_call_view(oq_call *c);
/* [N, C, ...] to [N, ..., C]. */
void oq_layout_turn(oq_shape *s);
/* Bytes of (t, s), refused with a finding if beyond max_tensor_bytes. */
oq_status oq_call_bytes(size_t *out, const oq_call *c, uint32_t i, oq_dtype t,
                        const oq_shape *s);

#endif

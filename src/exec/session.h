/* exec/session.h - what a session holds; for the files of exec only. */
#ifndef OQ_EXEC_SESSION_H
#define OQ_EXEC_SESSION_H

#include "exec/buffers.h"
#include "exec/step.h"

/* The state of a slot in a run. */
typedef struct oq_cell {
  bool set;
  oq_datum d; /* without a buffer: memory of the plan or of the caller */
  oq_type type;
} oq_cell;

struct oq_session {
  const oq_plan *plan;
  oq_alloc *alloc;
  oq_arena *arena;
  /* Bodies have sessions of their own that live in the same memory. */
  oq_session *root; /* the session of the whole run; maybe this one */
  oq_session **bodies;
  oq_buffers *pool;
  oq_buffers own_pool; /* of the root only */
  uint64_t turns;      /* of all loops of a run; of the root only */
  oq_buffer *texts;    /* bytes of texts, the newest chunk; of the root only */
  size_t texts_used;   /* of the newest chunk */
  const oq_tap *tap;   /* of the run; may be NULL */
  oq_cell *cells;      /* by slot */
  int64_t *symbols;    /* size by number; -1 = not fed yet in this run */
  uint32_t *symbol_feed; /* the feed that gave it */
  /* Of the step that runs. */
  oq_call *now;
  const oq_ctensor **in;
  const oq_type **in_type;
  const oq_datum **data;
  oq_type *out_type;
  oq_tensor *out;
  oq_buffer **made; /* by output */
  bool *given;      /* by output: `gift` has it (rows with OQ_OP_GIVES) */
  oq_datum *gift;
  bool done; /* the last run got through */
};

/* For a plan that needs no inputs, whatever the graph declares. */
oq_status oq_session_run_unfed(oq_session *s, const oq_env *e);

/* ---- session.c ----------------------------------------------------------- */
oq_status oq_session_run_steps(oq_session *s, const oq_env *e);
/* Lets go of everything but constants. */
void oq_session_clear(oq_session *s);
/* A buffer for the node of `c`; records the finding. */
oq_status oq_session_take(oq_buffer **out, oq_session *s, const oq_call *c,
                          size_t bytes);

/* ---- run_texts.c ----------------------------------------------------------
 */
/* Lets go of all bytes of texts of a run. */
void oq_session_drop_texts(oq_session *s);
/* The texts of an input, into memory of the run. */
oq_status oq_session_own_texts(oq_session *s, oq_datum *d, const oq_env *e);

/* ---- layout.c ------------------------------------------------------------ */
/* Decides how the inputs of a step lie and brings them there: in_last as
 * oq_call has it, NULL for ONNX's own order. */
oq_status oq_layout_step(const oq_ctensor *const **in_last, uint32_t *rank,
                         oq_session *s, const oq_step *step, const oq_env *e);
/* Brings the value of a slot into ONNX's own order. */
oq_status oq_layout_dense(oq_session *s, uint32_t slot, const oq_env *e);

/* ---- datum.c ------------------------------------------------------------- */
oq_type oq_datum_type(const oq_datum *d);
oq_datum oq_datum_share(const oq_datum *d);
void oq_datum_drop(oq_buffers *b, oq_datum *d);
/* Moves what lies in memory of the caller into buffers. */
oq_status oq_datum_own(oq_datum *d, oq_buffers *b, const oq_env *e);

#endif

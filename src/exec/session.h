/* exec/session.h - what a session holds; for the files of exec only. */
#ifndef OQ_EXEC_SESSION_H
#define OQ_EXEC_SESSION_H

#include "exec/buffers.h"
#include "exec/step.h"

/* The state of a slot in a run. */
typedef struct oq_cell {
  bool set;
  oq_ctensor t;
  oq_type type;
  oq_buffer *buffer; /* NULL: memory of the plan or of the caller */
} oq_cell;

struct oq_session {
  const oq_plan *plan;
  oq_alloc *alloc;
  oq_arena *arena;
  oq_buffers pool;
  oq_cell *cells;        /* by slot */
  int64_t *symbols;      /* size by number; -1 = not fed yet in this run */
  uint32_t *symbol_feed; /* the feed that gave it */
  /* Of the step that runs. */
  oq_call *now;
  const oq_ctensor **in;
  const oq_type **in_type;
  oq_type *out_type;
  oq_tensor *out;
  oq_buffer **made; /* by output */
  bool done;        /* the last run got through */
};

/* For a plan that needs no inputs, whatever the graph declares. */
oq_status oq_session_run_unfed(oq_session *s, const oq_env *e);

#endif

/* exec/plan.h - what a plan holds; for the files of exec only. */
#ifndef OQ_EXEC_PLAN_H
#define OQ_EXEC_PLAN_H

#include "exec/exec.h"

typedef enum oq_slot_kind {
  OQ_SLOT_CONST, /* decoded with the plan */
  OQ_SLOT_FEED,  /* the caller's, for one run */
  OQ_SLOT_OUTER, /* of the run around this one */
  OQ_SLOT_RESULT /* made by a step */
} oq_slot_kind;

/* One per value that a run needs. */
typedef struct oq_slot {
  oq_value_id value;
  oq_slot_kind kind;
  bool keep;        /* alive until the end of the run */
  oq_ctensor konst; /* CONST only */
} oq_slot;

/* A graph among the attributes of a step's node. */
typedef struct oq_body {
  const oq_graph *graph;
  oq_plan *plan;
  const uint32_t *outer; /* by slot of `plan`: slot around it; OQ_NONE */
} oq_body;

typedef struct oq_step {
  oq_node_id node;
  const oq_op_def *def;
  const void *params;
  int64_t opset;
  uint32_t n_in, n_out, n_captures, n_dies;
  const uint32_t *in, *out; /* slots; OQ_NONE = absent */
  const bool *wanted;       /* one per output */
  const uint32_t *captures; /* slots that bodies of the node read */
  const uint32_t *dies;     /* results nobody needs after this step */
  uint32_t first_body, n_bodies;
  bool inplace;       /* out[0] may take the memory of in[0] */
  const void *packed; /* what the row made of constant inputs; may be NULL */
} oq_step;

/* A declared input. */
typedef struct oq_feed {
  oq_value_id value;
  uint32_t slot;
  uint32_t symbol[OQ_MAX_RANK]; /* number of the dim's symbol, or OQ_NONE */
} oq_feed;

struct oq_plan {
  const oq_graph *graph;
  oq_alloc *alloc;
  const oq_type *const *feed_types; /* may be NULL */
  oq_arena *arena;
  oq_slot *slots;
  oq_step *steps;
  oq_feed *feeds;
  oq_body *bodies;   /* of all steps */
  uint32_t *slot_of; /* by value id; OQ_NONE = not needed */
  oq_value_id *values;
  uint32_t n_slots, n_steps, n_feeds, n_symbols, n_values, n_outer, n_bodies;
  uint32_t max_in, max_out;
  /* What was computed with the plan, and how; NULL if nothing was. */
  oq_plan *folded;
  oq_session *folds;
};

#endif

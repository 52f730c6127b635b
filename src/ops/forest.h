/* ops/forest - decision trees as ONNX writes them, checked and laid out for
 * walking.  Whatever the lists say, walking what comes out ends. */
#ifndef OQ_OPS_FOREST_H
#define OQ_OPS_FOREST_H

#include "kern/k_tree.h"
#include "ops/op.h"

enum { OQ_TREE_LEAF = OQ_TREE_MODES }; /* as a mode of a node of a file */

/* One entry per node, leaves included; a node is known by its place here. */
typedef struct oq_trees {
  uint32_t n_nodes;
  const uint8_t *mode; /* an oq_tree_mode or OQ_TREE_LEAF */
  const int64_t *feature;
  oq_ctensor value;           /* of comparisons; of any float type */
  const int64_t *nan_way;     /* NULL: NaN makes every comparison false */
  const uint32_t (*child)[2]; /* [0]: true; places in range */
  const uint32_t *root;
  uint32_t n_roots;
  bool all; /* a node that no root leads to is an error */
  /* Votes of leaves; the others are ignored. */
  uint32_t n_votes, n_targets;
  const uint32_t *vote_node;
  const int64_t *vote_target; /* in range */
  oq_ctensor vote_weight;
  oq_tree_sets sets; /* node.value: number of the set */
} oq_trees;

typedef struct oq_forest_votes { /* of leaf k: first[k] .. first[k+1] */
  const uint32_t *first, *target;
  const double *weight;
} oq_forest_votes;

typedef struct oq_ml_forest {
  oq_forest walk;
  bool wide; /* nodes are of doubles */
  uint32_t n_nodes, n_trees, n_targets;
  uint32_t n_features; /* columns that nodes look at */
  const oq_tree *tree;
  /* Where there is one target, the nodes of leaves have their sums. */
  oq_forest_votes votes;
} oq_ml_forest;

/* Into the model's arena.  OQ_E_MODEL "tree.*", naming the node. */
oq_status oq_forest_build(oq_ml_forest *out, const oq_trees *t,
                          const oq_graph *g, const oq_node *n, oq_diags *d);
/* The same trees with nodes of doubles, in `a`. */
oq_status oq_forest_widen(oq_ml_forest *out, const oq_ml_forest *f, oq_arena *a,
                          oq_diags *d);

oq_status oq_forest_fail(const oq_graph *g, const oq_node *n, const char *id,
                         oq_diags *d, const char *fmt, ...) OQ_PRINTF(5, 6);

#endif

/* kern/k_tree - walks rows of numbers down decision trees. */
#ifndef OQ_KERN_K_TREE_H
#define OQ_KERN_K_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* In the order of ONNX's enumeration. */
typedef enum oq_tree_mode {
  OQ_TREE_LEQ,
  OQ_TREE_LT,
  OQ_TREE_GTE,
  OQ_TREE_GT,
  OQ_TREE_EQ,
  OQ_TREE_NEQ,
  OQ_TREE_MEMBER, /* value: number of a set */
  OQ_TREE_MODES
} oq_tree_mode;

/* The columns a node may look at: the number of one shares a word with the
 * mode and what to do with NaN. */
#define OQ_TREE_MAX_FEATURES (UINT32_C(1) << 27)
#define OQ_TREE_FEATURE (OQ_TREE_MAX_FEATURES - 1)
#define OQ_TREE_MODE_SHIFT 27
#define OQ_TREE_NAN_TRUE (UINT32_C(1) << 31)

/* A leaf is its own child, whichever way: rows that arrive early wait there,
 * so that several rows go down side by side without asking. */
typedef struct oq_tree_node_f32 {
  float value;
  uint32_t feature;  /* with mode and OQ_TREE_NAN_TRUE */
  uint32_t child[2]; /* [0]: the comparison holds */
} oq_tree_node_f32;
typedef struct oq_tree_node_f64 {
  double value;
  uint32_t feature;
  uint32_t child[2];
} oq_tree_node_f64;

typedef struct oq_tree_sets { /* members of set i: at[i] .. at[i+1], rising */
  const double *member;
  const uint32_t *at;
} oq_tree_sets;

typedef struct oq_tree {
  uint32_t root, depth; /* steps from the root to the deepest leaf */
} oq_tree;

typedef struct oq_forest {
  const void *node; /* of the function's type; leaves from `first_leaf` on */
  uint32_t first_leaf;
  /* All nodes have this mode and none has OQ_TREE_NAN_TRUE; OQ_TREE_MODES: no
   * such. */
  oq_tree_mode mode;
  oq_tree_sets sets;
} oq_forest;

/* leaf[i] := the leaf where row i of x (n rows, `stride` apart) ends. */
void oq_tree_walk_f32(uint32_t *leaf, const oq_forest *f, const oq_tree *t,
                      const float *x, size_t stride, size_t n);
void oq_tree_walk_f64(uint32_t *leaf, const oq_forest *f, const oq_tree *t,
                      const double *x, size_t stride, size_t n);

#endif

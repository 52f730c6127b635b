/* kern/k_tree - see k_tree.h. */
#include "kern/k_tree.h"

/* Rows side by side: each waits for memory at every step. */
enum { LANES = 8 };

static bool is_member(const oq_tree_sets *s, uint32_t set, double v) {
  uint32_t lo = s->at[set], hi = s->at[set + 1];

  while (lo < hi) {
    const uint32_t mid = lo + (hi - lo) / 2;
    if (s->member[mid] == v) return true;
    if (s->member[mid] < v)
      lo = mid + 1;
    else
      hi = mid;
  }
  return false;
}

#define T float
#define NODE oq_tree_node_f32
#define NAME(x) x##_f32
#include "kern/k_tree.inc"
#undef T
#undef NODE
#undef NAME

#define T double
#define NODE oq_tree_node_f64
#define NAME(x) x##_f64
#include "kern/k_tree.inc"

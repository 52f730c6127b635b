/* ops/judge.h - results of random operators: nobody else's numbers, but their
 * type, shape, range and distribution. */
#ifndef OPS_JUDGE_H
#define OPS_JUDGE_H

#include "ops/op.h"

enum { JUDGE_PORTS = 4 };

/* A run of a graph: what went into its feeds, and what came and should have
 * come out of its outputs. */
typedef struct judged {
  const oq_graph *g;
  oq_value_id feed[JUDGE_PORTS];
  oq_ctensor in[JUDGE_PORTS];
  oq_ctensor got[JUDGE_PORTS], want[JUDGE_PORTS];
  uint32_t n_in, n_out;
} judged;

/* Does the graph draw random numbers with these inputs?  Dropout does in
 * training only. */
bool judge_is_random(const judged *j);
/* false, with the reason in why[0..cap), if a result cannot have come from the
 * distribution asked for.  Bounds are five standard deviations wide. */
bool judge_random(char *why, size_t cap, const judged *j);

#endif

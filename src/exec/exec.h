/* exec - from a bound graph and inputs to numbers.  A step interpreter: each
 * row says its output types when it runs, so control flow and data-dependent
 * shapes need no second engine. */
#ifndef OQ_EXEC_EXEC_H
#define OQ_EXEC_EXEC_H

#include "ops/op.h"

/* The steps of a graph, once for all runs: order, constants decoded, lifetimes.
 * Immutable; shared by all threads. */
typedef struct oq_plan oq_plan;

typedef struct oq_plan_options {
  /* Values to be kept until the end of the run besides the outputs (NULL:
   * none); steps that nothing wanted needs are left out. */
  const oq_value_id *keep;
  uint32_t n_keep;
  /* Values whose steps must run (a tap wants to see them), without being kept.
   */
  const oq_value_id *need;
  uint32_t n_need;
  /* Wanted are only `keep` and `need`, not the graph's outputs. */
  bool only_keep;
  /* Nobody will ask for oq_plan_values or tap a run: what follows from
   * constants alone may be computed once, with the plan. */
  bool untapped;
  /* Types to check inputs against instead of the declared ones, in the order of
   * oq_graph_feeds (NULL entries: the declared one); must outlive the plan and
   * may change between runs. */
  const oq_type *const *feed_types;
} oq_plan_options;

/* OQ_E_UNSUPPORTED "op.unknown" naming the first node that has no kernel.
 * The graph and its model must outlive the plan and not change. */
oq_status oq_plan_create(oq_plan **out, const oq_graph *g,
                         const oq_plan_options *opt, const oq_env *e);
void oq_plan_destroy(oq_plan *p);
/* Float32 values that steps of this plan produce or the graph is fed with:
 * the ones a tap will see. In step order. */
const oq_value_id *oq_plan_values(const oq_plan *p, uint32_t *n);

/* Called with every value (graph inputs first) once it is complete, before its
 * memory can be used again; with values of bodies in each turn, `g` being the
 * body.  Only tensors. */
typedef struct oq_tap {
  oq_status (*on_value)(void *user, const oq_graph *g, oq_value_id v,
                        const oq_ctensor *t);
  void *user;
  /* NULL, or called instead for values whose axis 1 lies last in memory: the
   * shape of `t` is that of the memory, [N, ..., C]. */
  oq_status (*on_last)(void *user, const oq_graph *g, oq_value_id v,
                       const oq_ctensor *t);
} oq_tap;

/* The memory of one run at a time; one thread. */
typedef struct oq_session oq_session;
oq_status oq_session_create(oq_session **out, const oq_plan *p,
                            const oq_env *e);
void oq_session_destroy(oq_session *s);
/* `inputs` in the order of the graph's inputs without initializers; checked
 * against the declared types (fixed dims; a symbol has one size per run):
 * OQ_E_DATA naming the input.  `tap` may be NULL.  `e` gives diags and scratch
 * of the calling thread. */
oq_status oq_session_run(oq_session *s, const oq_ctensor *inputs,
                         uint32_t n_inputs, const oq_tap *tap, const oq_env *e);
/* The same with inputs that may be sequences and optionals. */
oq_status oq_session_run_data(oq_session *s, const oq_datum *inputs,
                              uint32_t n_inputs, const oq_tap *tap,
                              const oq_env *e);
/* A graph output or a kept value of the last run; NULL if it has none, or is no
 * tensor. */
const oq_ctensor *oq_session_value(const oq_session *s, oq_value_id v);
const oq_datum *oq_session_datum(const oq_session *s, oq_value_id v);
/* Bytes this session holds; peak over its life. */
size_t oq_session_bytes(const oq_session *s);

/* Inputs a caller feeds: graph inputs that are not initializers. */
oq_status oq_graph_feeds(const oq_value_id **out, uint32_t *n,
                         const oq_graph *g, oq_arena *a);

/* One node on known inputs, for constant folding: outputs in `a` (which may be
 * the scratch of `e`).  `out` has one entry per output of the node; entries of
 * absent outputs get no data. */
oq_status oq_exec_node(oq_tensor *out, const oq_graph *g, oq_node_id n,
                       const oq_ctensor *const *in, oq_arena *a,
                       const oq_env *e);

#endif

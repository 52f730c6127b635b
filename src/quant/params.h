/* params.h - scale and zero point of every group, decided once per model. */
#ifndef OQ_QUANT_PARAMS_H
#define OQ_QUANT_PARAMS_H

#include "quant/quant.h"

typedef struct oq_group_params {
  oq_qparam q;
  oq_range range;     /* chosen */
  const char *method; /* that chose it */
  double sqnr_db;     /* by the record; NAN if there is none */
} oq_group_params;

/* One per group of the placement; ranges are searched in parallel.  `keys` by
 * value id; NULL: the names of the values. */
oq_status oq_params_choose(oq_group_params **out, const oq_placement *p,
                           const oq_graph *g, const char *const *keys,
                           const oq_stats_core *stats,
                           const oq_quant_type *type,
                           const oq_range_method *method,
                           const oq_range_options *opt, oq_arena *a,
                           const oq_env *e);

/* Puts the user's words in the place of what was chosen.  A value of a body is
 * meant by its key. */
oq_status oq_params_override(const oq_placed *graphs, uint32_t n_graphs,
                             const oq_quant_type *type,
                             const oq_override *overrides, size_t n,
                             const oq_env *e);

#endif

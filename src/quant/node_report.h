/* node_report.h - what was decided, for people and for JSON. */
#ifndef OQ_QUANT_NODE_REPORT_H
#define OQ_QUANT_NODE_REPORT_H

#include "quant/params.h"
#include "quant/quant.h"

typedef struct oq_report_input {
  const oq_placed *graphs; /* before rewriting */
  uint32_t n_graphs;
  const oq_stats_core *stats; /* NULL: plan only */
  const oq_profile *profile;
  const oq_quant_type *activation;
} oq_report_input;

/* All of it in `a`. */
oq_status oq_report_make(oq_quantize_report **out, const oq_report_input *in,
                         oq_arena *a, oq_diags *d);

#endif

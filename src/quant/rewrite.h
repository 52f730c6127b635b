/* rewrite.h - carries a placement out.  No opinions. */
#ifndef OQ_QUANT_REWRITE_H
#define OQ_QUANT_REWRITE_H

#include "quant/params.h"
#include "quant/quant.h"

typedef struct oq_rewrite_input {
  const oq_placed *graphs; /* of one model, the main graph first */
  uint32_t n_graphs;
  const oq_quant_type *activation, *weight;
  const oq_stats_core *stats;
  bool per_channel;
  bool correct_bias; /* for the mean error of rounded weights */
  const oq_env *env;
} oq_rewrite_input;

typedef struct oq_rewrite_result {
  uint64_t weights_quantized; /* elements */
} oq_rewrite_result;

oq_status oq_rewrite_qdq(oq_rewrite_result *out, const oq_rewrite_input *in);

#endif

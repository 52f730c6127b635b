/* onnxquant/compare.h - how far two sets of outputs are apart. */
#ifndef ONNXQUANT_COMPARE_H
#define ONNXQUANT_COMPARE_H

#include "onnxquant/calibration.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Accumulates one output over samples, fed in sample order. */
typedef struct oq_difference oq_difference;
OQ_API oq_status oq_difference_create(oq_difference **out, oq_context *cx);
OQ_API oq_status oq_difference_feed(oq_difference *d,
                                    const oq_tensor_view *reference,
                                    const oq_tensor_view *candidate);
OQ_API void oq_difference_destroy(oq_difference *d);

/* Of texts (STRING tensors) each that is equal counts as 1 met by 1, each that
 * is not as 1 met by 0. */
typedef struct oq_comparison {
  uint64_t samples;
  double sqnr_db, cosine;  /* over all elements of all samples */
  double worst_cosine;     /* of a single sample */
  double max_abs, max_rel; /* infinite where only one is finite */
  /* Percent of rows (last axis) with the same largest entry, and with the
   * reference's largest among the candidate's five; NAN if there is no such
   * axis. */
  double top1_agreement, top5_agreement;
} oq_comparison;
OQ_API oq_status oq_difference_result(oq_comparison *out,
                                      const oq_difference *d);

/* Class scores against a label: position of `label` in the ranking of the last
 * axis (0 = best).  Ties go to the lower index. */
OQ_API oq_status oq_rank_of_label(uint64_t *out, const oq_tensor_view *scores,
                                  int64_t label);

/* Runs both with the built-in engine on every sample.  `out` has one entry per
 * output of `reference`, which `candidate` must have too, in the same order. */
OQ_API oq_status oq_compare(oq_comparison *out, size_t n_outputs,
                            oq_model *reference, oq_model *candidate,
                            const oq_source *src);

#ifdef __cplusplus
}
#endif
#endif

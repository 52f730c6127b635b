/* onnxquant/quantize.h - from statistics to a quantized model, with reasons. */
#ifndef ONNXQUANT_QUANTIZE_H
#define ONNXQUANT_QUANTIZE_H

#include "onnxquant/calibration.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What is known better than statistics can tell, of one quantized value: its
 * range, or its scale and zero point. */
typedef struct oq_override {
  const char *value;
  int has_range;
  double lo, hi;
  int has_params; /* instead of a range */
  double scale;
  int32_t zero_point;
} oq_override;

typedef struct oq_quantize_options {
  size_t struct_size;
  const char *target;      /* "ort-cpu" (NULL) */
  const char *method;      /* "auto" (NULL), "minmax", "percentile", ... */
  double percentile;       /* 0 = 99.99 */
  int32_t activation_type; /* oq_dtype; 0 = by target */
  int32_t weight_type;     /* oq_dtype; 0 = by target */
  int per_tensor;          /* weights: !0 = one scale per tensor */
  /* NULL-terminated lists of globs or operator names, or NULL.  A node without
   * a name is addressed by its first output, one of a body by its name alone or
   * by "node/attribute/name", the node being the one with the body. */
  const char *const *exclude, *const *exclude_op, *const *only, *const *only_op;
  uint32_t keep_first, keep_last; /* linear nodes left float at either end */
  int allow_partial;              /* quantize the rest of a quantized model */
  int64_t opset, ir_version;      /* 0 = as needed */
  const char *const *skip_passes;
  /* !0: biases are not corrected for what rounding the weights adds to the mean
   * of a layer's result. */
  int keep_biases;
  /* An override of a value that is not quantized is OQ_E_ARGUMENT; values that
   * share parameters follow the one that gives them. */
  const oq_override *overrides;
  size_t n_overrides;
  const char *provenance; /* one line for metadata_props; NULL = none */
} oq_quantize_options;
#define OQ_QUANTIZE_OPTIONS_INIT                                              \
  {                                                                           \
    sizeof(oq_quantize_options), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, \
        0, 0, 0, 0, 0                                                         \
  }

/* One per node of the prepared graph. */
typedef struct oq_node_report {
  /* Or its first output where it has none; in bodies "node/attribute/name". */
  const char *name;
  const char *op;
  int eligible;    /* the target has an integer kernel for this operator */
  int quantized;   /* it will run on integers */
  const char *why; /* one line; always set */
  uint64_t macs;   /* per sample; 0 = none, or shape unknown */
  uint64_t weight_elements, weight_bytes; /* bytes once converted */
  uint64_t param_elements, param_bytes;   /* constants it reads, as they are */
  const char *const *outputs; /* names of values; "" where one is absent */
  size_t n_outputs;
} oq_node_report;

/* One per quantized value. */
typedef struct oq_value_report {
  const char *name;
  const char *method; /* that chose the range */
  double lo, hi, observed_lo, observed_hi;
  double scale;
  int32_t zero_point, dtype;
  double sqnr_db; /* expected by the histogram; NAN if unknown */
} oq_value_report;

typedef struct oq_quantize_report {
  const char *target;
  uint64_t samples;
  const oq_node_report *nodes;
  size_t n_nodes, n_eligible, n_quantized;
  const oq_value_report *values;
  size_t n_values;
  uint64_t macs_int8, macs_float;
  uint64_t weights_total, weights_quantized; /* elements */
} oq_quantize_report;

/* Makes a new model; `m` is left as it was and may be destroyed first.  `s`
 * NULL: plan only, *out is the prepared model and the report tells what would
 * be done.  `report` (may be NULL) is borrowed from *out. */
OQ_API oq_status oq_quantize(oq_model **out, const oq_quantize_report **report,
                             oq_model *m, const oq_stats *s,
                             const oq_quantize_options *opt);

/* Target number i; 0 past the last one. */
typedef struct oq_target_info {
  const char *name, *about;
} oq_target_info;
OQ_API int oq_target_at(oq_target_info *out, size_t i);

#ifdef __cplusplus
}
#endif
#endif

/* quant - from ranges to a quantized graph: policy, placement, parameters,
 * rewriting.  Facts about operators come from ops; nothing here names an
 * operator except the profile tables. */
#ifndef OQ_QUANT_QUANT_H
#define OQ_QUANT_QUANT_H

#include "calib/calib.h"
#include "onnxquant/quantize.h"

/* ---- scheme.c: integer grids ----------------------------------------------
 */
typedef struct oq_quant_type {
  oq_dtype dtype;
  int32_t qmin, qmax;
  bool symmetric; /* zero point fixed at the middle (0 where signed) */
} oq_quant_type;

typedef struct oq_range {
  double lo, hi; /* lo <= 0 <= hi once a scheme has seen it */
} oq_range;

typedef struct oq_qparam {
  float scale;
  int32_t zero;
} oq_qparam;

/* The full grid of an element type; symmetric signed grids leave out the
 * lowest code. false: not an integer type of 4, 8 or 16 bits. */
bool oq_quant_type_make(oq_quant_type *out, oq_dtype t, bool symmetric);
/* Scale and zero point that cover the range (widened to hold 0); never a zero
 * or subnormal scale.  ONNX: y = saturate(round_half_even(x / scale) + zero).
 */
oq_qparam oq_qparam_of_range(const oq_quant_type *t, oq_range r);
/* One number through the grid and back. */
double oq_qparam_apply(const oq_quant_type *t, oq_qparam p, double x);

/* ---- range.h: methods, read from a record after calibration ----------------
 */
typedef struct oq_range_options {
  double percentile; /* 0..100 */
} oq_range_options;

typedef struct oq_range_method {
  const char *name;
  /* A range inside [record.lo, record.hi], for this grid. The record is usable.
   */
  oq_range (*choose)(const oq_record *r, const oq_quant_type *t,
                     const oq_range_options *o);
} oq_range_method;

/* "auto", "minmax", "percentile", "entropy", "mse"; NULL if unknown. */
const oq_range_method *oq_range_method_find(const char *name);
/* Mean squared error of the grid over the record, rounding and clipping apart;
 * returns the sum. Each may be NULL. */
double oq_range_error(const oq_record *r, const oq_quant_type *t,
                      oq_range range, double *rounding, double *clipping);
/* Mean square of the record's values. */
double oq_record_power(const oq_record *r);

/* ---- profile.h: what one runtime wants (one file per target) ---------------
 */
typedef enum oq_output_rule {
  OQ_OUT_QUANTIZED, /* runs in integers only if its output is quantized */
  OQ_OUT_EITHER     /* may leave a float output */
} oq_output_rule;

typedef struct oq_profile_rule {
  const char *domain, *op;
  oq_output_rule output;
  bool same_params; /* output must carry input 0's parameters */
  bool copies;      /* output is its inputs side by side */
  bool adopts;      /* the runtime multiplies the integers of two activations */
  bool passes;      /* the runtime moves a DQ behind it */
  /* The runtime moves a Q before it even where an output of the graph is read:
   * that would be rounded, but for a Q of its own. */
  bool drags;
  bool pools;                /* its result may be much smaller than its input */
  bool dynamic_weight;       /* also with a weight that is not constant */
  uint32_t max_channel_rank; /* weights of more axes get one scale; 0 = none */
  /* An operator that may follow and add a constant bias; NULL = none. */
  const char *bias_op;
  int64_t min_opset;
  /* Further conditions; NULL = none.  Returns NULL if fine, else the reason. */
  const char *(*refuse)(const oq_graph *g, oq_node_id n,
                        const oq_type *const *types);
  /* NULL, or why the node is slower on integers where its data come as floats
   * anyway: the first layers of a network. */
  const char *(*slower)(const oq_graph *g, oq_node_id n);
  /* A node without a bias must not be given one; NULL = none. */
  bool (*no_bias)(const oq_graph *g, oq_node_id n);
} oq_profile_rule;

/* An operator that a Q makes redundant if its range lies inside the bounds. */
typedef struct oq_profile_clamp {
  const char *domain, *op;
  /* false: the bounds are not constant. */
  bool (*bounds)(const oq_graph *g, oq_node_id n, double *lo, double *hi,
                 oq_arena *scratch);
} oq_profile_clamp;

typedef struct oq_profile {
  const char *name, *about;
  int64_t min_opset, min_ir;
  oq_dtype activation, weight;
  uint32_t activations, weights; /* sets of element types it takes */
  bool per_channel;
  /* Signed activations run on integers only where a Q is read once: the runtime
   * makes them unsigned there. */
  bool signed_read_once;
  /* A float layer with constants between DQ and Q would be quantized by the
   * runtime itself: its bias must not be a plain constant. */
  bool requantizes_float;
  /* Reason why an operator without a rule stays float. */
  const char *no_rule;
  /* Of some there is more to say: pairs of operator and reason, NULL-ended. */
  const char *const (*reasons)[2];
  const oq_profile_rule *rules;
  uint32_t n_rules;
  const oq_profile_clamp *clamps;
  uint32_t n_clamps;
  /* Names of operators whose presence means that the model is quantized
   * already, besides those that their rows mark; NULL-terminated. */
  const char *const *quantized_ops;
} oq_profile;
const oq_profile *oq_profile_find(const char *name);
const oq_profile *const *oq_profiles(uint32_t *n);
const oq_profile_rule *oq_profile_rule_find(const oq_profile *p,
                                            const char *domain, const char *op);
/* Why an operator without a rule stays float, if there is more to say than of
 * any; else NULL. */
const char *oq_profile_reason(const oq_profile *p, const char *op);
const oq_profile_clamp *oq_profile_clamp_find(const oq_profile *p,
                                              const char *domain,
                                              const char *op);

/* ---- place.c: the decision, as data that can be printed and tested ----------
 */
/* What becomes of a node. */
typedef enum oq_fate {
  OQ_FATE_FLOAT,    /* stays as it is */
  OQ_FATE_INTEGER,  /* all data through DQ, output through Q (or float) */
  OQ_FATE_BIAS,     /* the Add behind a MatMul: its constant becomes int32 */
  OQ_FATE_ABSORBED, /* a clamp that the Q of its producer makes redundant */
  OQ_FATE_BARRIER,  /* float, and the runtime must be kept from changing it */
  OQ_FATE_ADOPTED   /* left as it is, and on integers that reach it anyway */
} oq_fate;

typedef struct oq_node_plan {
  oq_fate fate;
  bool eligible;   /* the target could run it on integers */
  const char *why; /* one line; never NULL */
  const oq_profile_rule *rule;
  /* BIAS: its product; INTEGER and BARRIER with a bias_op: that node. */
  oq_node_id partner;
} oq_node_plan;

/* What becomes of a value that carries data. */
typedef struct oq_value_plan {
  bool quantized; /* gets Q and DQ */
  bool all_uses;  /* every use reads the DQ: its producer needs the Q */
  bool hold_back; /* its Q must stay where it is: written per axis */
  bool clamped;   /* a clamp before it was absorbed: no wider range is right */
  uint32_t group; /* values of one group share parameters; OQ_NONE */
} oq_value_plan;

typedef struct oq_group_plan {
  oq_value_id source; /* whose record gives the range */
  bool has_range;
  oq_range fixed;  /* known beforehand */
  uint32_t joined; /* OQ_NONE, or the group it became part of */
} oq_group_plan;

typedef struct oq_placement {
  oq_node_plan *nodes;   /* by node id */
  oq_value_plan *values; /* by value id */
  oq_group_plan *groups;
  uint32_t n_groups;
} oq_placement;

typedef struct oq_place_input {
  const oq_graph *graph;
  const oq_profile *profile;
  const oq_quantize_options *options;
  const oq_stats_core *stats;  /* NULL: assume that every value has a range */
  const oq_type *const *types; /* by value id; NULL = unknown */
  const char *const *keys;     /* of values in `stats`; NULL: their names */
  const char *path; /* of a body: before the names of its nodes; NULL = "" */
  const uint32_t *linear_at; /* see oq_linear_numbers; NULL: no bodies */
  uint32_t n_linear;
  /* By node id NULL, or why it stays float; NULL: none does. */
  const char *const *refused;
  bool symmetric_activations; /* then no clamp is redundant below 0 */
  bool read_once;             /* what is quantized may have one reader only */
  oq_arena *arena;
  const oq_env *env;
} oq_place_input;
oq_status oq_place(oq_placement *out, const oq_place_input *in);

/* Facts about a node, and about one input of it.  Constants of the graphs
 * around a body are constants there, too. */
oq_quant_class oq_class_of(const oq_graph *g, oq_node_id n);
oq_role oq_input_role(const oq_graph *g, oq_node_id n, uint32_t slot);
bool oq_value_is_const(const oq_graph *g, oq_value_id v);
int32_t oq_weight_axis(const oq_graph *g, oq_node_id n, uint32_t rank);

/* One graph of a model with all that is decided about it. */
typedef struct oq_placed {
  oq_graph *graph;
  const char *path; /* see oq_scope */
  uint32_t up;      /* the graph around it; OQ_NONE: the main graph */
  const oq_type *const *types;
  const char *const *keys;
  oq_placement placement;
  struct oq_group_params *params; /* NULL: plan only */
} oq_placed;

/* ---- bodies.c ---------------------------------------------------------- */
/* (*at)[s][node id]: linear nodes that come before a node, those in bodies
 * counted where the node with the bodies stands. */
oq_status oq_linear_numbers(const uint32_t *const **at, uint32_t *total,
                            const oq_scope *scope, uint32_t n, oq_arena *a,
                            const oq_env *e);

/* ---- quantizer.c: parameters and rewriting ---------------------------- */
typedef struct oq_quant_report {
  oq_quantize_report pub;
} oq_quant_report;

/* Rewrites the model (a clone that the caller owns) in place; the report lives
 * in the model's arena.  stats NULL: plan only, the graph stays as it is. */
oq_status oq_quantize_ir(oq_model_ir *m, const oq_quantize_report **report,
                         const oq_stats_core *stats,
                         const oq_quantize_options *opt, const oq_env *e);

/* ---- weights.c -------------------------------------------------------- */
/* Largest magnitude of each slice along `axis` (or of the whole: axis < 0). */
oq_status oq_weight_absmax(float **out, uint32_t *n, const oq_ctensor *w,
                           int32_t axis, oq_arena *a);
/* Sum of the squares of each slice along `axis`. */
void oq_weight_energy(double *out, const oq_ctensor *w, int32_t axis);
/* Symmetric integers of w, one scale per slice (n scales) or one for all. */
oq_status oq_weight_quantize(oq_store **out, const oq_ctensor *w, int32_t axis,
                             const float *scale, uint32_t n_scales,
                             const oq_quant_type *t, const oq_env *e);
/* Mean and variance of every channel of a layer's data. */
typedef struct oq_moments {
  uint32_t n; /* 0 = not known */
  const double *mean, *variance;
} oq_moments;
/* Do the moments fit a weight whose output channels lie along `axis`? */
bool oq_moments_fit(const oq_moments *x, const oq_ctensor *w, int32_t axis);
/* What rounding the weights adds to the mean of each output channel: to be
 * taken off the bias.  Padding counts as data. */
oq_status oq_weight_mean_error(double *error, const oq_ctensor *w, int32_t axis,
                               const float *scale, uint32_t n_scales,
                               const oq_moments *x, const oq_quant_type *t);
/* n codes of an 8-bit type. */
void oq_codes_of_floats(void *codes, const float *v, size_t n, oq_qparam p,
                        const oq_quant_type *t, const struct oq_kernels *k);

#endif

/* profile_ort_cpu.c - onnxruntime on x86-64: what its CPU provider fuses into
 * integer kernels (uint8 activations, int8 weights), and nothing else.
 * Everything that is not listed stays float when wrapped in Q/DQ, and would
 * only cost time and accuracy. */
#include <math.h>
#include <string.h>

#include "quant/quant.h"

/* ---- conditions ------------------------------------------------------- */
static float attr_f32(const oq_graph *g, oq_node_id n, const char *name,
                      float otherwise) {
  const oq_attr *a = oq_node_attr(g, oq_graph_node(g, n), name);

  return a && a->kind == OQ_ATTR_F32 ? a->u.f32 : otherwise;
}

static bool attr_is(const oq_graph *g, oq_node_id n, const char *name,
                    const char *text, bool if_absent) {
  const oq_attr *a = oq_node_attr(g, oq_graph_node(g, n), name);

  if (!a || a->kind != OQ_ATTR_TEXT) return if_absent;
  return a->u.text.n == strlen(text) &&
         memcmp(a->u.text.p, text, a->u.text.n) == 0;
}

static bool has_input(const oq_graph *g, oq_node_id n, uint32_t slot) {
  const oq_node *node = oq_graph_node(g, n);

  return slot < node->n_in && oq_value_ok(node->in[slot]);
}

/* Elements of a constant that is a vector but for axes of size 1; 0 if it is
 * not one. */
static int64_t vector_length(const oq_type *t) {
  int64_t n = 1;

  if (!t || !t->has_rank) return 0;
  for (uint32_t i = 0; i < t->rank; i++) {
    if (t->dim[i].size < 0) return 0;
    if (t->dim[i].size != 1 && i + 1 != t->rank) return 0;
    n *= t->dim[i].size;
  }
  return n;
}

/* It would be multiplied by beta, and not taken with either. */
static bool gemm_no_bias(const oq_graph *g, oq_node_id n) {
  return attr_f32(g, n, "alpha", 1.0f) != 1.0f ||
         attr_f32(g, n, "beta", 1.0f) != 1.0f;
}

/* QGemm: a bias is taken only with alpha = beta = 1. */
static const char *gemm(const oq_graph *g, oq_node_id n,
                        const oq_type *const *types) {
  if (!has_input(g, n, 2)) return NULL;

  const oq_value_id c = oq_graph_node(g, n)->in[2];

  if (!oq_value_is_const(g, c)) return "its bias is not constant";
  if (gemm_no_bias(g, n)) return "alpha or beta is not 1";
  if (vector_length(types[c.i]) == 0) return "its bias is a matrix";
  return NULL;
}

/* Measured with onnxruntime 1.31, 3x3 over 56x56: groups of 1 channel with 2 or
 * 4 results take 12 times as long as on floats, of 2 channels 6 times, of 4
 * 2.8 times, of 8 and 16 1.3 times, of 32 0.7 times.  One result of one channel
 * (depthwise) has a kernel of its own. */
static bool groups_are_small(const oq_graph *g, const oq_node *node) {
  const oq_attr *const group = oq_node_attr(g, node, "group");
  const oq_const *const w = oq_graph_const(g, node->in[1]);

  if (group == NULL || group->kind != OQ_ATTR_I64 || group->u.i64 < 2 ||
      w == NULL || w->type->rank < 3)
    return false;
  const int64_t in = w->type->dim[1].size, out = w->type->dim[0].size;
  return in < 8 && !(in == 1 && out == group->u.i64);
}

static const char *conv(const oq_graph *g, oq_node_id n,
                        const oq_type *const *types) {
  (void)types;
  if (groups_are_small(g, oq_graph_node(g, n)))
    return "measured: groups of few channels are slower on integers";
  if (has_input(g, n, 2) && !oq_value_is_const(g, oq_graph_node(g, n)->in[2]))
    return "its bias is not constant";
  return NULL;
}

/* Measured with onnxruntime 1.31: attention of one head of 64 over 98 tokens,
 * and of 8 heads of 8 over 128, is no faster on integers (both sides uint8),
 * and loses up to 2.6 dB. */
static const char *matmul(const oq_graph *g, oq_node_id n,
                          const oq_type *const *types) {
  const oq_node *node = oq_graph_node(g, n);

  (void)types;
  if (oq_value_is_const(g, node->in[1])) return NULL;
  return oq_value_is_const(g, node->in[0])
             ? "its weight is on the left"
             : "measured: a product of two activations gains nothing";
}

/* Measured with onnxruntime 1.31 on one core with AVX512-VNNI (time on floats
 * over time on integers): 3 -> 8..64 channels 3x3 0.26..0.54, 1 -> 64 5x5 0.35,
 * 3 -> 64 7x7 1.16, 8 -> 16 1x1 1.7; depthwise 3x3 of 8 channels 0.18, of 32
 * 0.40..0.54, of 144 0.79.  Besides, the layer's input needs no Q then. */
static const char *conv_slower(const oq_graph *g, oq_node_id n) {
  const oq_type *w =
      oq_graph_const(g, oq_graph_node(g, n)->in[1])->type; /* [M, C/g, ...] */
  int64_t terms = w->dim[1].size;                          /* of one sum */

  for (uint32_t i = 2; i < w->rank; i++) terms *= w->dim[i].size;
  return w->dim[1].size <= 4 && terms <= 100
             ? "measured: kernels over few channels are slower on integers"
             : NULL;
}

static const char *resize(const oq_graph *g, oq_node_id n,
                          const oq_type *const *types) {
  (void)types;
  if (!attr_is(g, n, "mode", "nearest", true))
    return "onnxruntime resizes integers only to the nearest";
  if (attr_is(g, n, "coordinate_transformation_mode", "tf_crop_and_resize",
              false))
    return "tf_crop_and_resize has no integer kernel";
  return NULL;
}

static const char *max_pool(const oq_graph *g, oq_node_id n,
                            const oq_type *const *types) {
  const oq_node *node = oq_graph_node(g, n);

  (void)types;
  return node->n_out > 1 && oq_value_ok(node->out[1]) ? "its indices are used"
                                                      : NULL;
}

static const char *average_pool(const oq_graph *g, oq_node_id n,
                                const oq_type *const *types) {
  (void)types;
  return oq_node_attr(g, oq_graph_node(g, n), "dilations")
             ? "the integer kernel knows no dilations"
             : NULL;
}

static const char *table_lookup(const oq_graph *g, oq_node_id n,
                                const oq_type *const *types) {
  (void)types;
  return oq_value_is_const(g, oq_graph_node(g, n)->in[0])
             ? "it looks up a constant table"
             : NULL;
}

/* ---- clamps ----------------------------------------------------------- */
static bool relu_bounds(const oq_graph *g, oq_node_id n, double *lo, double *hi,
                        oq_arena *scratch) {
  (void)g;
  (void)n;
  (void)scratch;
  *lo = 0;
  *hi = INFINITY;
  return true;
}

static bool scalar_input(double *out, const oq_graph *g, oq_node_id n,
                         uint32_t slot, oq_arena *scratch) {
  oq_ctensor t;

  if (!has_input(g, n, slot)) return true; /* keeps the default */
  const oq_value_id v = oq_graph_node(g, n)->in[slot];
  if (!oq_value_is_const(g, v)) return false;
  if (oq_const_view(&t, oq_graph_const(g, v), scratch, NULL) != OQ_OK ||
      oq_tensor_count(&t) != 1)
    return false;
  *out = oq_element_f64(&t, 0);
  return true;
}

static bool clip_bounds(const oq_graph *g, oq_node_id n, double *lo, double *hi,
                        oq_arena *scratch) {
  *lo = (double)attr_f32(g, n, "min", -INFINITY);
  *hi = (double)attr_f32(g, n, "max", INFINITY);
  return scalar_input(lo, g, n, 1, scratch) &&
         scalar_input(hi, g, n, 2, scratch);
}

static const oq_profile_clamp clamps[] = {
    {"", "Relu", relu_bounds},
    {"", "Clip", clip_bounds},
};

/* ---- rules ------------------------------------------------------------ */
#define MOVES .output = OQ_OUT_QUANTIZED, .same_params = true
#define MAPS .output = OQ_OUT_QUANTIZED

static const oq_profile_rule rules[] = {
    {"", "Add", MAPS},
    {"", "AveragePool", MAPS, .pools = true, .refuse = average_pool},
    {"", "Concat", MAPS, .copies = true},
    {"", "Conv", MAPS, .refuse = conv, .slower = conv_slower},
    {"", "DepthToSpace", MOVES},
    {"", "Expand", MOVES},
    {"", "Flatten", MOVES},
    {"", "Gather", MOVES, .refuse = table_lookup},
    {"", "GatherElements", MOVES, .refuse = table_lookup},
    {"", "Gemm", .output = OQ_OUT_EITHER, .adopts = true, .refuse = gemm,
     .no_bias = gemm_no_bias},
    {"", "GlobalAveragePool", MAPS, .pools = true},
    {"", "LeakyRelu", MAPS},
    {"", "MatMul", .output = OQ_OUT_EITHER, .dynamic_weight = true,
     .adopts = true, .refuse = matmul, .max_channel_rank = 2, .bias_op = "Add"},
    {"", "MaxPool", MOVES, .passes = true, .pools = true, .min_opset = 12,
     .refuse = max_pool},
    {"", "Mul", MAPS},
    {"", "ReduceMax", MOVES, .pools = true},
    {"", "ReduceMin", MOVES, .pools = true},
    {"", "Reshape", MOVES, .passes = true},
    {"", "Resize", MOVES, .refuse = resize},
    {"", "Sigmoid", MAPS},
    {"", "Slice", MOVES, .passes = true},
    {"", "Softmax", MAPS},
    {"", "Split", MOVES},
    {"", "Squeeze", MOVES, .passes = true},
    {"", "Tile", MOVES},
    {"", "Transpose", MOVES, .passes = true, .drags = true},
    {"", "Unsqueeze", MOVES, .passes = true},
    {"", "Where", MAPS},
};

/* Operators of runtimes and older tools that stand for integer arithmetic. */
static const char *const quantized_ops[] = {"QLinearConv",
                                            "QLinearMatMul",
                                            "QLinearAdd",
                                            "QLinearMul",
                                            "QLinearConcat",
                                            "QLinearAveragePool",
                                            "QLinearSigmoid",
                                            "QLinearLeakyRelu",
                                            "QLinearGlobalAveragePool",
                                            "QLinearSoftmax",
                                            "QLinearWhere",
                                            "QLinearReduceMean",
                                            "QGemm",
                                            "QAttention",
                                            "ConvInteger",
                                            "MatMulInteger",
                                            "MatMulIntegerToFloat",
                                            "DynamicQuantizeMatMul",
                                            "DynamicQuantizeLSTM",
                                            "MatMulNBits",
                                            "QEmbedLayerNormalization",
                                            "QuantizeLinear",
                                            "DequantizeLinear",
                                            "DynamicQuantizeLinear",
                                            NULL};

/* DynamicQuantizeLSTM is the only recurrent integer kernel of the provider. */
static const char *const reasons[][2] = {
    {"LSTM",
     "onnxruntime has a kernel for its int8 weights only with dynamic "
     "quantization, which is planned"},
    {"GRU",
     "onnxruntime has no integer kernel for it; weight-only "
     "quantization is planned"},
    {"RNN",
     "onnxruntime has no integer kernel for it; weight-only "
     "quantization is planned"},
    {NULL, NULL}};

const oq_profile oq_profile_ort_cpu = {
    .name = "ort-cpu",
    .about = "onnxruntime on x86-64 CPUs: uint8 activations, int8 weights",
    .min_opset = 13,
    .min_ir = 7,
    .activation = OQ_DT_U8,
    .weight = OQ_DT_I8,
    .activations = OQ_DTM(U8) | OQ_DTM(I8),
    .weights = OQ_DTM(I8),
    .per_channel = true,
    .signed_read_once = true,
    .requantizes_float = true,
    .no_rule = "onnxruntime has no integer kernel for it",
    .reasons = reasons,
    .rules = rules,
    .n_rules = sizeof rules / sizeof rules[0],
    .clamps = clamps,
    .n_clamps = sizeof clamps / sizeof clamps[0],
    .quantized_ops = quantized_ops,
};

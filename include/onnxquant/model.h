/* onnxquant/model.h - load, describe, prepare, save. */
#ifndef ONNXQUANT_MODEL_H
#define ONNXQUANT_MODEL_H

#include "onnxquant/context.h"
#include "onnxquant/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct oq_model oq_model;

OQ_API oq_status oq_model_load_file(oq_model **out, oq_context *cx,
                                    const char *path);
/* `data` stays the caller's and must outlive the model; external tensors are
 * looked up under `base_dir`, or refused if it is NULL. */
OQ_API oq_status oq_model_load_memory(oq_model **out, oq_context *cx,
                                      const void *data, size_t size,
                                      const char *base_dir);
OQ_API void oq_model_destroy(oq_model *m);

typedef enum oq_external_data {
  OQ_EXTERNAL_AUTO,   /* only where the file would pass 2 GB */
  OQ_EXTERNAL_ALWAYS, /* every tensor of 1 KiB or more */
  OQ_EXTERNAL_NEVER
} oq_external_data;

typedef struct oq_save_options {
  size_t struct_size;
  oq_external_data external_data;
  int keep_unchanged; /* !0: a file with the same bytes keeps its times */
} oq_save_options;
#define OQ_SAVE_OPTIONS_INIT \
  { sizeof(oq_save_options), OQ_EXTERNAL_AUTO, 0 }

/* Writes beside `path`, fsyncs and renames: the old file or the whole new one.
 * `opt` may be NULL. */
OQ_API oq_status oq_model_save_file(oq_model *m, const char *path,
                                    const oq_save_options *opt);
/* Everything in one stream; models over 2 GB are refused. */
OQ_API oq_status oq_model_save_stream(
    oq_model *m, oq_status (*write)(void *user, const void *p, size_t n),
    void *user);

/* ---- what a model says of itself --------------------------------------- */
typedef struct oq_dim_info {
  int64_t size;       /* -1 = not fixed */
  const char *symbol; /* its name if it has one, else NULL */
} oq_dim_info;

typedef struct oq_value_info {
  const char *name;
  int32_t dtype; /* oq_dtype; 0 = not a tensor, or unknown */
  int has_rank;
  uint32_t rank;
  oq_dim_info dim[OQ_MAX_RANK];
  int32_t kind; /* oq_kind */
} oq_value_info;

typedef struct oq_opset_info {
  const char *domain; /* "" = ai.onnx */
  int64_t version;
} oq_opset_info;

typedef struct oq_model_info {
  int64_t ir_version;
  const char *producer_name, *producer_version, *graph_name; /* may be "" */
  const oq_opset_info *opsets;
  size_t n_opsets;
  const oq_value_info *inputs; /* what a caller has to feed: no initializers */
  size_t n_inputs;
  const oq_value_info *outputs;
  size_t n_outputs;
  size_t n_nodes, n_initializers, n_functions;
  uint64_t initializer_bytes;
  uint64_t n_quantize_nodes; /* Q/DQ and QOperator nodes already there */
} oq_model_info;

/* Borrowed from the model. */
OQ_API oq_status oq_model_describe(const oq_model_info **out, oq_model *m);

/* Every value of the graph with the type that follows for it from inputs and
 * constants, as far as one does; in order of the graph.  A size that depends on
 * named ones has an expression of them as its symbol: "2*seq+1",
 * "batch*heads", "floor((W+1)/2)".  Named sizes are taken to be 1 or more.
 * Borrowed from the model. */
OQ_API oq_status oq_model_values(const oq_value_info **out, size_t *n,
                                 oq_model *m);

/* Overrides a dynamic dimension for all later runs: by symbol ("batch"), or by
 * input name with a whole shape.  OQ_E_MODEL if nothing bears that name. */
OQ_API oq_status oq_model_set_dim(oq_model *m, const char *symbol,
                                  int64_t size);
OQ_API oq_status oq_model_set_shape(oq_model *m, const char *input,
                                    const int64_t *dim, uint32_t rank);

/* ---- prepare: the same function, in a form that can be quantized ------- */
typedef struct oq_prepare_options {
  size_t struct_size;
  int64_t opset;                  /* 0 = as needed (13) */
  const char *const *skip_passes; /* NULL-terminated, or NULL */
} oq_prepare_options;
#define OQ_PREPARE_OPTIONS_INIT \
  { sizeof(oq_prepare_options), 0, 0 }

/* Target-independent passes: constants folded, BatchNormalization merged,
 * opset raised.  Makes a new model; `m` may be destroyed first. */
OQ_API oq_status oq_model_prepare(oq_model **out, oq_model *m,
                                  const oq_prepare_options *opt);
/* Names of the passes, in order, NULL-terminated. */
OQ_API const char *const *oq_prepare_pass_names(void);

/* A copy whose named values are graph outputs as well, so that another engine
 * can show them. Values that are outputs already are skipped. */
OQ_API oq_status oq_model_expose(oq_model **out, oq_model *m,
                                 const char *const *values, size_t n_values);

/* ---- data files of ONNX ------------------------------------------------- */
typedef struct oq_tensor_file oq_tensor_file;
/* Reads a serialized TensorProto (a `.pb` of ONNX test data). */
OQ_API oq_status oq_tensor_file_load(oq_tensor_file **out, oq_context *cx,
                                     const char *path);
/* The same for a SequenceProto or OptionalProto: the file does not say what it
 * is. */
OQ_API oq_status oq_tensor_file_load_value(oq_tensor_file **out, oq_context *cx,
                                           const char *path, int32_t kind);
/* NULL if it is no tensor. */
OQ_API const oq_tensor_view *oq_tensor_file_view(const oq_tensor_file *f);
OQ_API const oq_value_view *oq_tensor_file_value(const oq_tensor_file *f);
OQ_API const char *oq_tensor_file_name(const oq_tensor_file *f);
OQ_API void oq_tensor_file_destroy(oq_tensor_file *f);

#ifdef __cplusplus
}
#endif
#endif

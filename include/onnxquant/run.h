/* onnxquant/run.h - run a model with the built-in engine. */
#ifndef ONNXQUANT_RUN_H
#define ONNXQUANT_RUN_H

#include "onnxquant/model.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct oq_runner oq_runner;

/* Refuses a model with an operator the engine does not run, naming the node.
 * The model must outlive the runner. */
OQ_API oq_status oq_runner_create(oq_runner **out, oq_model *m);
/* `inputs` in the order of oq_model_info.inputs. */
OQ_API oq_status oq_runner_run(oq_runner *r, const oq_tensor_view *inputs,
                               size_t n_inputs);
/* Output i of the last run; borrowed until the next.  NULL if there is none, or
 * it is no tensor; of maps, which ZipMap of ai.onnx.ml makes, their values. */
OQ_API const oq_tensor_view *oq_runner_output(const oq_runner *r, size_t i);

/* The same for values of any kind: sequences and optionals too.  oq_runner_run
 * refuses a model that gives some (OQ_E_UNSUPPORTED). */
OQ_API oq_status oq_runner_run_values(oq_runner *r, const oq_value_view *inputs,
                                      size_t n_inputs);
OQ_API const oq_value_view *oq_runner_output_value(const oq_runner *r,
                                                   size_t i);
OQ_API void oq_runner_destroy(oq_runner *r);

/* ---- operators the engine runs ----------------------------------------- */
typedef struct oq_operator_info {
  const char *domain, *name;
  int64_t since, last;      /* opsets, both inclusive */
  const char *quantization; /* "linear", "move", "never", ... */
  uint32_t dtypes;          /* of the first input: bit n is oq_dtype n */
  int int8_kernel; /* onnxruntime on CPUs runs it on integers once quantized */
} oq_operator_info;
/* Borrowed constant table, ordered by domain, name, opset. */
OQ_API const oq_operator_info *oq_operators(size_t *n);

#ifdef __cplusplus
}
#endif
#endif

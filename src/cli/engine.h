/* cli/engine.h - one model ready to run, by the built-in engine or by
 * onnxruntime: who compares or runs does not care which. */
#ifndef CLI_ENGINE_H
#define CLI_ENGINE_H

#include "cli/work.h"

typedef struct oq_engine oq_engine;

typedef enum oq_engine_kind {
  OQ_ENGINE_BUILTIN,
  OQ_ENGINE_RUNTIME
} oq_engine_kind;

/* What --engine says; without it `otherwise`. */
oq_engine_kind oq_engine_kind_of(const oq_work *w, oq_engine_kind otherwise);
const char *oq_engine_kind_name(oq_engine_kind k);

/* `m` gives the names of inputs and outputs and must outlive the engine;
 * `path` is the file that onnxruntime loads. */
int oq_engine_open(oq_engine **out, oq_work *w, oq_engine_kind kind,
                   oq_model *m, const char *path);
void oq_engine_close(oq_engine *e);

const oq_model_info *oq_engine_info(const oq_engine *e);

/* `inputs` in the order of the model.  The outputs, in the order of the model,
 * live until the next run of this engine. */
int oq_engine_run(const oq_tensor_view **outputs, oq_engine *e,
                  const oq_tensor_view *inputs, size_t n_inputs);

/* Of output i of the last run, where it is a list of maps: the keys of its
 * columns; else NULL. */
const oq_tensor_view *oq_engine_keys(const oq_engine *e, size_t i);

/* Milliseconds that the last run took, transport included. */
double oq_engine_last_ms(const oq_engine *e);

/* Only of onnxruntime; NULL otherwise. */
const oq_rt_session *oq_engine_session(const oq_engine *e);
/* Names for feeding the session in the order of the model. */
const char *const *oq_engine_input_names(const oq_engine *e);

#endif

/* engine.c - one interface over the built-in runner and onnxruntime. */
#include "cli/engine.h"

#include <stdlib.h>
#include <string.h>

struct oq_engine {
  oq_work *w;
  oq_engine_kind kind;
  const oq_model_info *info;
  oq_runner *runner;
  oq_rt *rt;
  const oq_rt_session *session;
  const char **input_names, **output_names;
  oq_tensor_view *outputs;
  void **copies; /* of outputs: those of onnxruntime die with the next run of
                    any session */
  double last_ms;
};

oq_engine_kind oq_engine_kind_of(const oq_work *w, oq_engine_kind otherwise) {
  if (!w->engine->engine) return otherwise;
  return strcmp(w->engine->engine, "onnxruntime") == 0 ? OQ_ENGINE_RUNTIME
                                                       : OQ_ENGINE_BUILTIN;
}

const char *oq_engine_kind_name(oq_engine_kind k) {
  return k == OQ_ENGINE_RUNTIME ? "onnxruntime" : "builtin";
}

static bool make_tables(oq_engine *e) {
  const size_t n_in = e->info->n_inputs, n_out = e->info->n_outputs;

  e->input_names = calloc(n_in + 1, sizeof *e->input_names);
  e->output_names = calloc(n_out + 1, sizeof *e->output_names);
  e->outputs = calloc(n_out + 1, sizeof *e->outputs);
  e->copies = calloc(n_out + 1, sizeof *e->copies);
  if (!e->input_names || !e->output_names || !e->outputs || !e->copies)
    return false;
  for (size_t i = 0; i < n_in; i++) e->input_names[i] = e->info->inputs[i].name;
  for (size_t i = 0; i < n_out; i++)
    e->output_names[i] = e->info->outputs[i].name;
  return true;
}

static int load_session(oq_engine *e, const char *path) {
  oq_rt_load_options opt = OQ_RT_LOAD_OPTIONS_INIT;
  oq_rt_error err;

  OQ_DO(oq_work_runtime(&e->rt, e->w));
  opt.threads = (uint32_t)e->w->engine->threads;
  opt.custom_ops = e->w->engine->custom_ops.items;
  return oq_work_rt(e->w, oq_rt_load(&e->session, e->rt, path, &opt, &err),
                    &err);
}

static int fill(oq_engine *e, oq_model *m, const char *path) {
  OQ_DO(oq_work_exit(e->w, oq_model_describe(&e->info, m)));
  if (!make_tables(e)) return oq_work_no_memory();
  if (e->kind == OQ_ENGINE_RUNTIME) return load_session(e, path);
  e->w->reading = path;
  const oq_status s = oq_runner_create(&e->runner, m);
  e->w->reading = NULL;
  return oq_work_exit(e->w, s);
}

int oq_engine_open(oq_engine **out, oq_work *w, oq_engine_kind kind,
                   oq_model *m, const char *path) {
  oq_engine *e = calloc(1, sizeof *e);

  if (!e) return oq_work_no_memory();
  e->w = w;
  e->kind = kind;
  const int code = fill(e, m, path);
  if (code != OQ_EXIT_DONE) {
    oq_engine_close(e);
    return code;
  }
  *out = e;
  return OQ_EXIT_DONE;
}

void oq_engine_close(oq_engine *e) {
  if (!e) return;
  oq_runner_destroy(e->runner);
  if (e->session) oq_rt_unload(e->rt, e->session);
  for (size_t i = 0; e->copies && i < e->info->n_outputs; i++)
    free(e->copies[i]);
  free(e->copies);
  free(e->outputs);
  free(e->input_names);
  free(e->output_names);
  free(e);
}

const oq_model_info *oq_engine_info(const oq_engine *e) { return e->info; }
const oq_tensor_view *oq_engine_keys(const oq_engine *e, size_t i) {
  const oq_value_view *v =
      e->runner ? oq_runner_output_value(e->runner, i) : NULL;

  return v && v->kind == OQ_KIND_MAPS ? &v->item[0].tensor : NULL;
}
double oq_engine_last_ms(const oq_engine *e) { return e->last_ms; }
const oq_rt_session *oq_engine_session(const oq_engine *e) {
  return e->session;
}
const char *const *oq_engine_input_names(const oq_engine *e) {
  return e->input_names;
}

static int run_builtin(oq_engine *e, const oq_tensor_view *inputs, size_t n) {
  OQ_DO(oq_work_exit(e->w, oq_runner_run(e->runner, inputs, n)));
  for (size_t i = 0; i < e->info->n_outputs; i++)
    e->outputs[i] = *oq_runner_output(e->runner, i);
  return OQ_EXIT_DONE;
}

static int keep_output(oq_engine *e, size_t i, const oq_tensor_view *v) {
  void *copy = realloc(e->copies[i], v->size ? v->size : 1);

  if (!copy) return oq_work_no_memory();
  if (v->size) memcpy(copy, v->data, v->size);
  e->copies[i] = copy;
  e->outputs[i] = *v;
  e->outputs[i].data = copy;
  return OQ_EXIT_DONE;
}

static int run_session(oq_engine *e, const oq_tensor_view *inputs, size_t n) {
  const oq_rt_feed feed = {e->input_names, inputs, n};
  const oq_tensor_view *views;
  oq_rt_error err;
  size_t n_views;

  OQ_DO(oq_work_rt(e->w,
                   oq_rt_run(&views, &n_views, e->rt, e->session, &feed,
                             e->output_names, e->info->n_outputs, &err),
                   &err));
  for (size_t i = 0; i < n_views && i < e->info->n_outputs; i++)
    OQ_DO(keep_output(e, i, &views[i]));
  return OQ_EXIT_DONE;
}

int oq_engine_run(const oq_tensor_view **outputs, oq_engine *e,
                  const oq_tensor_view *inputs, size_t n_inputs) {
  const double from = oq_term_seconds();

  OQ_DO(oq_work_stopped());
  OQ_DO(e->kind == OQ_ENGINE_RUNTIME ? run_session(e, inputs, n_inputs)
                                     : run_builtin(e, inputs, n_inputs));
  e->last_ms = (oq_term_seconds() - from) * 1e3;
  *outputs = e->outputs;
  return OQ_EXIT_DONE;
}

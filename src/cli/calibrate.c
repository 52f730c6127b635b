/* calibrate.c - statistics by the built-in engine or by onnxruntime. */
#include <stdlib.h>
#include <string.h>

#include "cli/engine.h"
#include "cli/node_plan.h"

/* Values that onnxruntime shows in one run: more would take too much memory in
 * large models, fewer more runs. */
#define GROUP 64

static oq_calibrate_options options_of(const oq_samples *s) {
  oq_calibrate_options o = OQ_CALIBRATE_OPTIONS_INIT;

  o.preprocessing = oq_samples_preprocessing(s);
  o.synthetic = oq_samples_synthetic(s);
  return o;
}

/* ---- through onnxruntime --------------------------------------------------
 */
typedef struct feeder {
  oq_work *w;
  oq_model *prepared;
  oq_samples *samples;
  oq_stats *stats;
  oq_rt *rt;
  const oq_model_info *info;
  const char **input_names;
  oq_tensor_view *views;
  uint64_t done, total;
} feeder;

/* One of the values may be an input: it needs no engine. */
static bool is_input(const feeder *f, const char *name, size_t *at) {
  for (size_t i = 0; i < f->info->n_inputs; i++) {
    if (strcmp(f->info->inputs[i].name, name) != 0) continue;
    *at = i;
    return true;
  }
  return false;
}

static int feed_outputs(feeder *f, const char *const *names,
                        const oq_tensor_view *views, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (views[i].dtype == OQ_DT_F32)
      OQ_DO(oq_work_exit(f->w, oq_stats_feed(f->stats, names[i], &views[i])));
  return OQ_EXIT_DONE;
}

static int run_one(feeder *f, const oq_rt_session *session,
                   const char *const *names, size_t n) {
  const oq_rt_feed feed = {f->input_names, f->views, f->info->n_inputs};
  const oq_tensor_view *views;
  oq_rt_error err;
  size_t n_views;

  OQ_DO(oq_work_rt(
      f->w, oq_rt_run(&views, &n_views, f->rt, session, &feed, names, n, &err),
      &err));
  return feed_outputs(f, names, views, n_views);
}

static int run_sample(feeder *f, uint64_t index, const oq_rt_session *session,
                      const char *const *names, size_t n) {
  const oq_source *src = oq_samples_source(f->samples);
  void *handle = NULL;
  const oq_status s =
      src->read(src->user, index, f->views, f->info->n_inputs, &handle);
  int code = OQ_EXIT_DONE;

  if (s != OQ_OK) {
    f->w->sample_failed = true;
    return oq_work_samples(f->w, s, f->samples);
  }
  if (session) {
    code = run_one(f, session, names, n);
  } else {
    for (size_t i = 0; i < n && code == OQ_EXIT_DONE; i++) {
      size_t at;

      if (is_input(f, names[i], &at))
        code = feed_outputs(f, &names[i], &f->views[at], 1);
    }
  }
  if (src->release) src->release(src->user, handle);
  oq_term_progress("calibrate", ++f->done, f->total);
  return code;
}

static int run_samples(feeder *f, const oq_rt_session *session,
                       const char *const *names, size_t n) {
  for (uint64_t i = 0; i < oq_samples_count(f->samples); i++) {
    OQ_DO(oq_work_stopped());
    OQ_DO(run_sample(f, i, session, names, n));
  }
  return OQ_EXIT_DONE;
}

/* Saves a copy of the model that shows `names` and runs it on every sample. */
static int run_group(feeder *f, const char *const *names, size_t n) {
  oq_save_options save = OQ_SAVE_OPTIONS_INIT;
  oq_rt_load_options load = OQ_RT_LOAD_OPTIONS_INIT;
  const oq_rt_session *session;
  oq_model *exposed;
  oq_rt_error err;
  char *path;

  OQ_DO(oq_work_private_path(&path, f->w, "exposed.onnx"));
  int code =
      oq_work_exit(f->w, oq_model_expose(&exposed, f->prepared, names, n));
  if (code == OQ_EXIT_DONE) {
    code = oq_work_exit(f->w, oq_model_save_file(exposed, path, &save));
    oq_model_destroy(exposed);
  }
  load.custom_ops = f->w->engine->custom_ops.items;
  if (code == OQ_EXIT_DONE)
    code =
        oq_work_rt(f->w, oq_rt_load(&session, f->rt, path, &load, &err), &err);
  free(path);
  if (code != OQ_EXIT_DONE) return code;
  code = run_samples(f, session, names, n);
  oq_rt_unload(f->rt, session);
  return code;
}

static int finish_samples(feeder *f) {
  const oq_source *src = oq_samples_source(f->samples);

  for (uint64_t i = 0; i < src->count; i++)
    OQ_DO(oq_work_exit(
        f->w, oq_stats_end_sample(
                  f->stats, src->digest ? src->digest(src->user, i) : i)));
  return OQ_EXIT_DONE;
}

/* Inputs of the model first, then groups of what onnxruntime has to show. */
static int run_groups(feeder *f, const char **names, size_t n) {
  size_t n_inputs = 0, at;

  for (size_t i = 0; i < n; i++) {
    if (!is_input(f, names[i], &at)) continue;
    const char *name = names[i];
    names[i] = names[n_inputs];
    names[n_inputs++] = name;
  }
  const size_t groups = (n - n_inputs + GROUP - 1) / GROUP;
  f->total = (groups + (n_inputs > 0)) * oq_samples_count(f->samples);
  if (n_inputs > 0) OQ_DO(run_samples(f, NULL, names, n_inputs));
  for (size_t i = n_inputs; i < n; i += GROUP)
    OQ_DO(run_group(f, names + i, n - i < GROUP ? n - i : GROUP));
  return finish_samples(f);
}

static int feed_all(feeder *f) {
  size_t n;
  const char *const *wanted = oq_stats_wanted(f->stats, &n);
  const char **names = calloc(n + 1, sizeof *names);
  int code = OQ_EXIT_SYSTEM;

  f->input_names = calloc(f->info->n_inputs + 1, sizeof *f->input_names);
  f->views = calloc(f->info->n_inputs + 1, sizeof *f->views);
  if (wanted && names && f->input_names && f->views) {
    for (size_t i = 0; i < f->info->n_inputs; i++)
      f->input_names[i] = f->info->inputs[i].name;
    memcpy(names, wanted, n * sizeof *names);
    code = run_groups(f, names, n);
  } else {
    oq_term_error(NULL, "out of memory");
  }
  free(names);
  free(f->input_names);
  free(f->views);
  return code;
}

static int through_runtime(oq_stats **out, oq_work *w, oq_model *prepared,
                           oq_samples *s) {
  const oq_calibrate_options opt = options_of(s);
  feeder f = {.w = w, .prepared = prepared, .samples = s};

  OQ_DO(oq_work_runtime(&f.rt, w));
  OQ_DO(oq_work_exit(w, oq_model_describe(&f.info, prepared)));
  OQ_DO(oq_work_exit(w, oq_stats_create(&f.stats, prepared, &opt)));
  const int code = feed_all(&f);
  if (code == OQ_EXIT_DONE)
    *out = f.stats;
  else
    oq_stats_destroy(f.stats);
  return code;
}

int oq_plan_calibrate(oq_stats **out, oq_work *w, oq_model *prepared,
                      oq_samples *s) {
  const oq_calibrate_options opt = options_of(s);

  if (oq_engine_kind_of(w, OQ_ENGINE_BUILTIN) == OQ_ENGINE_RUNTIME)
    return through_runtime(out, w, prepared, s);
  const oq_status status =
      oq_calibrate(out, prepared, oq_samples_source(s), &opt);
  oq_term_progress_end();
  return oq_work_samples(w, status, s);
}

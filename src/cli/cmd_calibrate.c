/* cmd_calibrate.c - activation statistics only. */
#include <string.h>

#include "cli/command.h"

typedef struct calibrate_options {
  oq_common_options common;
  oq_data_options data;
  oq_engine_options engine;
  oq_plan_options plan;
  const char *output;
} calibrate_options;

static const oq_opt own_rows[] = {
    {"output", 'o', OQ_OPT_TEXT, offsetof(calibrate_options, output),
     "OUT.oqstats", "the statistics; an old file is replaced", 0, 0},
    {0},
};

static const oq_opt_group groups[] = {
    {"Files", own_rows, 0},
    OQ_GROUP_DATA(calibrate_options),
    OQ_GROUP_IMAGE(calibrate_options),
    OQ_GROUP_GRAPH(calibrate_options),
    OQ_GROUP_ENGINE(calibrate_options),
    OQ_GROUP_COMMON(calibrate_options),
};

typedef struct job {
  const calibrate_options *o;
  const char *path;
  oq_work w;
  oq_model *model, *prepared;
  oq_samples *samples;
  oq_stats *stats;
} job;

static int show(job *k) {
  const oq_stats_info *info;
  const double seconds = oq_term_seconds() - k->w.started;

  OQ_DO(oq_work_exit(&k->w, oq_stats_describe(&info, k->stats)));
  if (k->o->common.json) {
    json_t *j = oq_json_create();

    oq_json_text(j, "model", k->path);
    oq_json_text(j, "output", k->o->output);
    oq_json_count(j, "samples", info->samples);
    oq_json_count(j, "tensors", info->n_values);
    oq_json_bool(j, "synthetic", info->synthetic);
    oq_json_real(j, "seconds", seconds);
    oq_json_real(j, "samples_per_second", (double)info->samples / seconds);
    oq_json_count(j, "peak_rss_bytes", oq_work_peak_rss(false));
    if (k->w.rt)
      oq_json_count(j, "peak_rss_children_bytes", oq_work_peak_rss(true));
    oq_json_put(j, "warnings", json_incref(k->w.warnings));
    const int code = oq_work_print_json(j);
    json_decref(j);
    return code;
  }
  if (k->o->common.quiet) return OQ_EXIT_DONE;
  oq_term_print(stdout, k->o->output);
  (void)printf(": %zu values of %llu samples in %.1f s (%.1f per second), %s\n",
               info->n_values, (unsigned long long)info->samples, seconds,
               (double)info->samples / seconds,
               oq_term_bytes(oq_work_peak_rss(false)).s);
  return OQ_EXIT_DONE;
}

static int calibrate(job *k) {
  OQ_DO(oq_work_check_output("-o", k->o->output, &k->path, 1));
  OQ_DO(oq_work_load(&k->model, &k->w, k->path));
  OQ_DO(oq_data_fix_shapes(&k->w, k->model, &k->o->data));
  OQ_DO(oq_plan_prepare(&k->prepared, &k->w, k->model, &k->o->plan));
  OQ_DO(oq_data_open(&k->samples, &k->w, k->model, &k->o->data, NULL));
  OQ_DO(oq_plan_calibrate(&k->stats, &k->w, k->prepared, k->samples));
  OQ_DO(oq_work_stopped());
  OQ_DO(oq_work_exit(&k->w, oq_stats_save_file(k->stats, k->o->output)));
  return show(k);
}

static int run(void *options, const oq_opt_list *names) {
  const calibrate_options *o = options;
  job k = {.o = o, .path = names->items[0]};

  if (!o->output) {
    oq_term_error("-o FILE.oqstats", "calibrate: the output is missing");
    return OQ_EXIT_USAGE;
  }
  if (o->data.data.n == 0) return oq_data_missing("calibrate");
  int code = oq_work_open(&k.w, &o->common, &o->engine);
  if (code == OQ_EXIT_DONE) code = calibrate(&k);
  oq_stats_destroy(k.stats);
  oq_samples_destroy(k.samples);
  oq_model_destroy(k.prepared);
  oq_model_destroy(k.model);
  oq_work_close(&k.w);
  return code;
}

const oq_command oq_command_calibrate = {
    .opt = {.name = "calibrate",
            .about = "collect activation statistics into a .oqstats file",
            .usage = "calibrate MODEL -o OUT.oqstats --data DATA [options]",
            .examples =
                "Example: four shards, anywhere\n"
                "  onnxquant calibrate net.onnx -o 0.oqstats --data calib "
                "--shard 0/4\n",
            .groups = groups,
            .n_groups = sizeof groups / sizeof *groups,
            .min_names = 1,
            .max_names = 1,
            .names = "MODEL"},
    .size = sizeof(calibrate_options),
    .run = run,
};

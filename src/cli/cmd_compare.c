/* cmd_compare.c - two models on the same data: outputs, accuracy, latency. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"

typedef struct compare_options {
  oq_common_options common;
  oq_data_options data;
  oq_engine_options engine;
  oq_gate_options gate;
  oq_opt_list map;
  uint64_t warmup, repeat;
  bool no_latency;
  const char *report;
} compare_options;

typedef struct comparison {
  const compare_options *o;
  oq_work w;
  oq_engine_kind kind;
  const char *path[2];
  oq_model *model[2];
  oq_engine *engine[2];
  oq_samples *samples;
  oq_labels *labels;
  bool checked, has_census;
  oq_check check;
  double ms[2];
  uint64_t bytes[2], kernels_int8, kernels_float;
  oq_gates gates;
} comparison;

static const oq_opt own_rows[] = {
    {"map", 0, OQ_OPT_LIST, offsetof(compare_options, map), "A=B",
     "output A of the first model is B of the second", 0, 0},
    {"warmup", 0, OQ_OPT_UINT, offsetof(compare_options, warmup), "N",
     "runs before the clock starts (3)", 0, 100000},
    {"repeat", 0, OQ_OPT_UINT, offsetof(compare_options, repeat), "N",
     "runs whose median is the latency (20)", 1, 100000},
    {"no-latency", 0, OQ_OPT_FLAG, offsetof(compare_options, no_latency), NULL,
     "+do not measure time", 0, 0},
    {"report", 0, OQ_OPT_TEXT, offsetof(compare_options, report), "FILE.json",
     "+write the JSON object to a file too", 0, 0},
    {0},
};

static const oq_opt_group groups[] = {
    {"Comparing", own_rows, 0},
    OQ_GROUP_DATA(compare_options),
    OQ_GROUP_IMAGE(compare_options),
    OQ_GROUP_LABEL(compare_options),
    {"Gates (exit 1)", oq_gate_compare_rows, offsetof(compare_options, gate)},
    OQ_GROUP_ENGINE(compare_options),
    OQ_GROUP_COMMON(compare_options),
};

/* ---- steps ----------------------------------------------------------------
 */
static int check_words(const compare_options *o) {
  if (o->data.data.n == 0) return oq_data_missing("compare");
  if (o->gate.max_drop.set && !o->data.labels) {
    oq_term_error("--labels FILE, or --min-agreement, which needs none",
                  "--max-drop needs labels");
    return OQ_EXIT_USAGE;
  }
  if (o->gate.max_latency_ratio.set && o->no_latency) {
    oq_term_error("leave one out",
                  "--max-latency-ratio and --no-latency contradict each other");
    return OQ_EXIT_USAGE;
  }
  return OQ_EXIT_DONE;
}

static oq_engine_kind choose_engine(comparison *c) {
  if (c->o->engine.engine || c->o->engine.onnxruntime)
    return oq_engine_kind_of(&c->w, OQ_ENGINE_RUNTIME);
  if (oq_work_has_runtime(&c->w)) return OQ_ENGINE_RUNTIME;
  oq_work_warn(&c->w, "--onnxruntime PATH; `onnxquant doctor` says more",
               "onnxruntime is not found: both models run in the built-in "
               "engine");
  return OQ_ENGINE_BUILTIN;
}

static int open_models(comparison *c) {
  for (int i = 0; i < 2; i++) {
    OQ_DO(oq_work_load(&c->model[i], &c->w, c->path[i]));
    OQ_DO(oq_data_fix_shapes(&c->w, c->model[i], &c->o->data));
    c->bytes[i] = oq_work_model_bytes(&c->w, c->model[i], c->path[i]);
  }
  OQ_DO(oq_data_open(&c->samples, &c->w, c->model[0], &c->o->data, NULL));
  OQ_DO(oq_data_labels(&c->labels, &c->w, c->samples, &c->o->data,
                       c->o->data.labels));
  c->kind = choose_engine(c);
  for (int i = 0; i < 2; i++)
    OQ_DO(
        oq_engine_open(&c->engine[i], &c->w, c->kind, c->model[i], c->path[i]));
  return OQ_EXIT_DONE;
}

static int run_outputs(comparison *c) {
  const oq_check_options opt = {.labels = c->labels,
                                .scores = c->o->data.scores,
                                .needs_scores = c->o->gate.min_agreement.set,
                                .map = &c->o->map};

  OQ_DO(oq_check_run(&c->check, &c->w, c->engine[0], c->engine[1], c->samples,
                     &opt));
  c->checked = true;
  oq_check_warn_chance(&c->w, &c->check);
  return OQ_EXIT_DONE;
}

/* ---- latency --------------------------------------------------------------
 */
static int time_pair(comparison *c, const oq_check_feed *f, double *ms,
                     uint32_t warmup, uint32_t repeat) {
  const oq_rt_feed a = {oq_engine_input_names(c->engine[0]), f->views[0],
                        f->n[0]};
  const oq_rt_feed b = {oq_engine_input_names(c->engine[1]), f->views[1],
                        f->n[1]};
  oq_rt_error err;
  oq_rt *rt;

  OQ_DO(oq_work_runtime(&rt, &c->w));
  return oq_work_rt(
      &c->w,
      oq_rt_time_pair(ms, ms + repeat, rt, oq_engine_session(c->engine[0]), &a,
                      oq_engine_session(c->engine[1]), &b, warmup, repeat,
                      &err),
      &err);
}

/* In turn, like the above. */
static int time_builtin(comparison *c, const oq_check_feed *f, double *ms,
                        uint32_t warmup, uint32_t repeat) {
  const oq_tensor_view *unused;

  for (uint32_t i = 0; i < warmup + repeat; i++) {
    for (int k = 0; k < 2; k++) {
      OQ_DO(oq_engine_run(&unused, c->engine[k], f->views[k], f->n[k]));
      if (i >= warmup)
        ms[(uint32_t)k * repeat + i - warmup] = oq_engine_last_ms(c->engine[k]);
    }
  }
  return OQ_EXIT_DONE;
}

static int measure_latency(comparison *c) {
  const uint32_t repeat = c->o->repeat ? (uint32_t)c->o->repeat : 20;
  const uint32_t warmup = c->o->warmup ? (uint32_t)c->o->warmup : 3;
  oq_check_feed feed;
  double *ms;

  c->ms[0] = c->ms[1] = NAN;
  if (c->o->no_latency || oq_samples_count(c->samples) == 0)
    return OQ_EXIT_DONE;
  ms = calloc(2 * (size_t)repeat, sizeof *ms);
  if (!ms) return oq_work_no_memory();
  int code = oq_check_feed_open(&feed, &c->w, c->engine[0], c->engine[1],
                                c->samples, 0);
  if (code == OQ_EXIT_DONE) {
    code = c->kind == OQ_ENGINE_RUNTIME
               ? time_pair(c, &feed, ms, warmup, repeat)
               : time_builtin(c, &feed, ms, warmup, repeat);
    oq_check_feed_close(&feed);
  }
  for (int i = 0; i < 2 && code == OQ_EXIT_DONE; i++)
    c->ms[i] = oq_check_median(ms + (size_t)i * repeat, repeat);
  free(ms);
  return code;
}

static int take_census(comparison *c) {
  oq_rt_load_options opt = OQ_RT_LOAD_OPTIONS_INIT;
  oq_rt_census *census;
  oq_rt_error err;
  oq_rt *rt;

  if (c->kind != OQ_ENGINE_RUNTIME) return OQ_EXIT_DONE;
  opt.custom_ops = c->o->engine.custom_ops.items;
  OQ_DO(oq_work_runtime(&rt, &c->w));
  OQ_DO(oq_work_rt(
      &c->w, oq_rt_take_census(&census, rt, c->path[1], &opt, &err), &err));
  c->has_census = true;
  c->kernels_int8 = census->n_int8;
  c->kernels_float = census->n_float + census->n_weight_only;
  oq_rt_census_destroy(census);
  return OQ_EXIT_DONE;
}

static void judge(comparison *c) {
  const oq_gate_options *g = &c->o->gate;

  oq_gate_check(&c->gates, g, &c->check);
  oq_gate_at_most(&c->gates, "max-latency-ratio", &g->max_latency_ratio,
                  c->ms[1] / c->ms[0]);
  oq_gate_at_most(&c->gates, "max-size-ratio", &g->max_size_ratio,
                  (double)c->bytes[1] / (double)c->bytes[0]);
}

/* ---- showing --------------------------------------------------------------
 */
static json_t *to_json(comparison *c) {
  const oq_check *k = &c->check;
  json_t *j = oq_json_create();

  oq_json_text(j, "engine", oq_engine_kind_name(c->kind));
  oq_json_count(j, "samples", k->samples);
  oq_json_put(j, "outputs", oq_check_json_outputs(k));
  oq_json_real(j, "top1_agreement", k->top1_agreement);
  oq_json_real(j, "top5_agreement", k->top5_agreement);
  if (k->labelled) {
    oq_json_put(j, "top1", oq_json_pair(k->top1[0], k->top1[1]));
    oq_json_put(j, "top5", oq_json_pair(k->top5[0], k->top5[1]));
  }
  oq_json_put(j, "latency_ms", oq_json_pair(c->ms[0], c->ms[1]));
  if (c->has_census) {
    json_t *kernels = json_object();

    oq_json_text(j, "runtime_version", oq_rt_version(c->w.rt));
    oq_json_count(kernels, "int8", c->kernels_int8);
    oq_json_count(kernels, "float", c->kernels_float);
    oq_json_put(j, "kernels", kernels);
  }
  json_t *bytes = json_array();
  for (int i = 0; i < 2; i++)
    (void)json_array_append_new(bytes, json_integer((json_int_t)c->bytes[i]));
  oq_json_put(j, "bytes", bytes);
  oq_json_bool(j, "synthetic", oq_samples_synthetic(c->samples));
  oq_json_put(j, "gates", oq_gate_json(&c->gates));
  oq_json_put(j, "warnings", json_incref(c->w.warnings));
  return j;
}

static void print_text(const comparison *c) {
  const oq_check *k = &c->check;

  (void)printf("%llu samples, engine %s", (unsigned long long)k->samples,
               oq_engine_kind_name(c->kind));
  if (c->has_census) (void)printf(" %s", oq_rt_version(c->w.rt));
  (void)putchar('\n');
  oq_check_print_outputs(stdout, k);
  if (isfinite(k->top1_agreement))
    (void)printf(
        "same top-1            %8.2f %%\nsame top-1 among five %8.2f "
        "%%\n",
        k->top1_agreement, k->top5_agreement);
  if (k->labelled)
    (void)printf(
        "top-1 accuracy        %8.2f %% -> %.2f %%\n"
        "top-5 accuracy        %8.2f %% -> %.2f %%\n",
        k->top1[0], k->top1[1], k->top5[0], k->top5[1]);
  if (isfinite(c->ms[0]))
    (void)printf("latency (median)      %8.3f ms -> %.3f ms (%.2fx)\n",
                 c->ms[0], c->ms[1], c->ms[0] / c->ms[1]);
  (void)printf("size                  %8s -> %s (%.2fx)\n",
               oq_term_bytes(c->bytes[0]).s, oq_term_bytes(c->bytes[1]).s,
               (double)c->bytes[0] / (double)c->bytes[1]);
  if (c->has_census)
    (void)printf("kernels of the second %8llu int8, %llu float\n",
                 (unsigned long long)c->kernels_int8,
                 (unsigned long long)c->kernels_float);
}

static int show(comparison *c) {
  json_t *j = to_json(c);
  int code = OQ_EXIT_DONE;

  if (c->o->report) code = oq_work_write_json(c->o->report, j);
  if (code == OQ_EXIT_DONE && c->o->common.json)
    code = oq_work_print_json(j);
  else if (!c->o->common.quiet)
    print_text(c);
  json_decref(j);
  return code != OQ_EXIT_DONE ? code : oq_gate_verdict(&c->gates);
}

/* ---- run ------------------------------------------------------------------
 */
static int compare(comparison *c) {
  OQ_DO(oq_work_check_output("--report", c->o->report, c->path, 2));
  OQ_DO(open_models(c));
  OQ_DO(run_outputs(c));
  OQ_DO(measure_latency(c));
  OQ_DO(take_census(c));
  judge(c);
  return show(c);
}

static int run(void *options, const oq_opt_list *names) {
  const compare_options *o = options;
  comparison c = {.o = o, .path = {names->items[0], names->items[1]}};

  OQ_DO(check_words(o));
  int code = oq_work_open(&c.w, &o->common, &o->engine);
  if (code == OQ_EXIT_DONE) code = compare(&c);
  if (c.checked) oq_check_release(&c.check);
  oq_labels_destroy(c.labels);
  oq_samples_destroy(c.samples);
  for (int i = 0; i < 2; i++) {
    oq_engine_close(c.engine[i]);
    oq_model_destroy(c.model[i]);
  }
  oq_work_close(&c.w);
  return code;
}

const oq_command oq_command_compare = {
    .opt = {.name = "compare",
            .about = "run two models, compare outputs, accuracy, latency",
            .usage = "compare A.onnx B.onnx --data DATA [options]",
            .examples = "Example\n"
                        "  onnxquant compare net.onnx net.int8.onnx --data "
                        "holdout --preprocess imagenet\n"
                        "    --labels labels.txt --max-drop 1\n",
            .groups = groups,
            .n_groups = sizeof groups / sizeof *groups,
            .min_names = 2,
            .max_names = 2,
            .names = "A.onnx B.onnx"},
    .size = sizeof(compare_options),
    .run = run,
};

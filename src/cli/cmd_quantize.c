/* cmd_quantize.c - float model in, quantized model out, checked. */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <math.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/convert.h"

#define AT(field) offsetof(oq_convert_options, field)

static const oq_opt file_rows[] = {
    {"output", 'o', OQ_OPT_TEXT, AT(output), "OUT",
     "the quantized model; an old file is replaced", 0, 0},
    {"stats", 0, OQ_OPT_TEXT, AT(stats), "FILE",
     "statistics of `calibrate`, instead of --data", 0, 0},
    {"eval", 0, OQ_OPT_LIST, AT(eval), "[INPUT=]PATH",
     "samples for the check (a fifth of --data)", 0, 0},
    {"eval-labels", 0, OQ_OPT_TEXT, AT(eval_labels), "FILE|folders",
     "+labels of --eval", 0, 0},
    {"save-float", 0, OQ_OPT_TEXT, AT(save_float), "FILE",
     "+write the prepared float model too", 0, 0},
    {"external-data", 0, OQ_OPT_CHOICE, AT(external_data), "auto|always|never",
     "+weights beside the model (auto: over 2 GB)", 0, 0},
    {"force", 'f', OQ_OPT_FLAG, AT(force), NULL, "+write a model to a terminal",
     0, 0},
    {"no-check", 0, OQ_OPT_FLAG, AT(no_check), NULL,
     "+use all samples for ranges and do not compare", 0, 0},
    {"dry-run", 0, OQ_OPT_FLAG, AT(dry_run), NULL,
     "say what would be done, write nothing", 0, 0},
    {"explain", 0, OQ_OPT_FLAG, AT(explain), NULL,
     "+the same, with the reason of every node", 0, 0},
    {"report", 0, OQ_OPT_TEXT, AT(report), "FILE.json",
     "everything about every node and value", 0, 0},
    {0},
};

static const oq_opt_group groups[] = {
    {"Files", file_rows, 0},
    OQ_GROUP_DATA(oq_convert_options),
    OQ_GROUP_IMAGE(oq_convert_options),
    OQ_GROUP_LABEL(oq_convert_options),
    OQ_GROUP_PLAN(oq_convert_options),
    OQ_GROUP_GRAPH(oq_convert_options),
    {"Gates (exit 1)", oq_gate_quantize_rows,
     offsetof(oq_convert_options, gate)},
    OQ_GROUP_ENGINE(oq_convert_options),
    OQ_GROUP_COMMON(oq_convert_options),
};

/* ---- usage ----------------------------------------------------------------
 */
static int check_report(const char *report) {
  const char *dot = report ? strrchr(report, '.') : NULL;

  if (!report || (dot && strcmp(dot, ".json") == 0)) return OQ_EXIT_DONE;
  oq_term_error("name a file that ends in .json",
                "--report %s: reports are written as JSON", report);
  return OQ_EXIT_USAGE;
}

static int check_labels(const oq_convert_options *o) {
  if (!o->gate.max_drop.set) return OQ_EXIT_DONE;
  if (o->eval.n > 0 ? o->eval_labels || o->data.labels : !!o->data.labels)
    return OQ_EXIT_DONE;
  oq_term_error("--labels FILE, or --min-agreement, which needs none",
                "--max-drop needs labels");
  return OQ_EXIT_USAGE;
}

static int check_words(const oq_convert_options *o, const oq_opt_list *names) {
  const bool plan_only = o->dry_run || o->explain;

  if (names->n == 0) {
    oq_term_error("usage: onnxquant quantize MODEL -o OUT --data DATA",
                  "quantize: MODEL expected");
    return OQ_EXIT_USAGE;
  }
  if (!o->output && !plan_only) {
    oq_term_error("-o FILE, or --dry-run", "quantize: the output is missing");
    return OQ_EXIT_USAGE;
  }
  if (o->stats && o->data.data.n > 0) {
    oq_term_error("--eval DATA for the check", "--stats stands for --data");
    return OQ_EXIT_USAGE;
  }
  if (!o->stats && o->data.data.n == 0 && !plan_only)
    return oq_data_missing("quantize");
  if (o->output && strcmp(o->output, "-") == 0 && isatty(STDOUT_FILENO) &&
      !o->force) {
    oq_term_error("-f does it all the same",
                  "a model is not written to a terminal");
    return OQ_EXIT_USAGE;
  }
  if (o->output && strcmp(o->output, "-") == 0 && o->common.json) {
    oq_term_error("name a file with -o", "both model and JSON to stdout");
    return OQ_EXIT_USAGE;
  }
  OQ_DO(check_report(o->report));
  OQ_DO(check_labels(o));
  if (oq_gate_needs_check(&o->gate) &&
      (o->no_check || (o->stats && o->eval.n == 0))) {
    oq_term_error("--eval DATA", "the gates need samples for the check");
    return OQ_EXIT_USAGE;
  }
  return OQ_EXIT_DONE;
}

static int check_outputs(const oq_convert_options *o, const char *model) {
  const char *const inputs[] = {model, o->stats};

  OQ_DO(oq_work_check_output("-o", o->output, inputs, 2));
  OQ_DO(oq_work_check_output("--save-float", o->save_float, inputs, 2));
  return oq_work_check_output("--report", o->report, inputs, 2);
}

/* ---- run ------------------------------------------------------------------
 */
static int run(void *options, const oq_opt_list *names) {
  oq_convert_options *o = options;
  oq_convert c;

  if (oq_plan_print_targets(&o->plan)) return OQ_EXIT_DONE;
  OQ_DO(oq_gate_take_words(&o->gate));
  OQ_DO(check_words(o, names));
  OQ_DO(check_outputs(o, names->items[0]));
  int code = oq_convert_open(&c, o, names->items[0]);
  if (code == OQ_EXIT_DONE) code = oq_convert_run(&c);
  if (code == OQ_EXIT_DONE) code = oq_convert_show(&c);
  oq_convert_close(&c);
  return code;
}

const oq_command oq_command_quantize = {
    .opt = {.name = "quantize",
            .about = "float ONNX -> QDQ int8 ONNX: calibrate, convert, check",
            .usage = "quantize MODEL -o OUT --data DATA [options]",
            .examples = "Examples\n"
                        "  onnxquant quantize net.onnx -o q.onnx --data calib "
                        "--preprocess "
                        "imagenet\n"
                        "  onnxquant quantize net.onnx -o q.onnx --data a.npz "
                        "--exclude 'head/*'\n",
            .groups = groups,
            .n_groups = sizeof groups / sizeof *groups,
            .min_names = 0,
            .max_names = 1,
            .names = "MODEL"},
    .size = sizeof(oq_convert_options),
    .run = run,
};

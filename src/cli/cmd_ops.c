/* cmd_ops.c - operators that the built-in engine runs. */
#include <string.h>

#include "cli/command.h"

typedef struct ops_options {
  oq_common_options common;
} ops_options;

static const oq_opt_group groups[] = {OQ_GROUP_COMMON(ops_options)};

static const char *domain_of(const oq_operator_info *o) {
  return *o->domain ? o->domain : "ai.onnx";
}

static int print_json(const oq_operator_info *o, size_t n) {
  json_t *j = oq_json_create(), *list = json_array();

  for (size_t i = 0; i < n; i++) {
    json_t *e = json_object();

    oq_json_text(e, "domain", domain_of(&o[i]));
    oq_json_text(e, "op", o[i].name);
    oq_json_int(e, "since", o[i].since);
    oq_json_int(e, "last", o[i].last);
    oq_json_text(e, "quantization", o[i].quantization);
    (void)json_array_append_new(list, e);
  }
  oq_json_put(j, "operators", list);
  const int code = oq_work_print_json(j);
  json_decref(j);
  return code;
}

static int run(void *options, const oq_opt_list *names) {
  const ops_options *o = options;
  size_t n;
  const oq_operator_info *op = oq_operators(&n);

  (void)names;
  if (o->common.json) return print_json(op, n);
  (void)printf("%-18s %-26s %-9s %s\n", "domain", "operator", "opsets",
               "quantization");
  for (size_t i = 0; i < n; i++) {
    char opsets[48];

    (void)snprintf(opsets, sizeof opsets, "%lld-%lld", (long long)op[i].since,
                   (long long)op[i].last);
    (void)printf("%-18s %-26s %-9s %s\n", domain_of(&op[i]), op[i].name, opsets,
                 op[i].quantization);
  }
  return OQ_EXIT_DONE;
}

const oq_command oq_command_ops = {
    .opt = {.name = "ops",
            .about = "operators and opsets that the built-in engine runs",
            .usage = "ops [options]",
            .groups = groups,
            .n_groups = sizeof groups / sizeof *groups,
            .names = ""},
    .size = sizeof(ops_options),
    .run = run,
};

/* cli/command.h - the commands of the program, one file each. */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include "cli/checking.h"
#include "cli/data.h"
#include "cli/gate.h"
#include "cli/json.h"
#include "cli/node_plan.h"
#include "cli/work.h"

typedef struct oq_command {
  oq_opt_command opt;
  size_t size; /* of the struct of its options */
  int (*run)(void *options, const oq_opt_list *names);
} oq_command;

extern const oq_command oq_command_quantize, oq_command_calibrate,
    oq_command_merge, oq_command_compare, oq_command_run, oq_command_inspect,
    oq_command_explain, oq_command_ops, oq_command_doctor;

/* The rows of a struct that holds these fields under these names. */
#define OQ_GROUP_COMMON(type) \
  { "Output", oq_common_rows, offsetof(type, common) }
#define OQ_GROUP_DATA(type) \
  { "Data", oq_data_rows, offsetof(type, data) }
#define OQ_GROUP_IMAGE(type) \
  { "Pictures", oq_image_rows, offsetof(type, data) }
#define OQ_GROUP_LABEL(type) \
  { "Labels", oq_label_rows, offsetof(type, data) }
#define OQ_GROUP_ENGINE(type) \
  { "Running", oq_engine_rows, offsetof(type, engine) }
#define OQ_GROUP_PLAN(type) \
  { "Quantization", oq_plan_rows, offsetof(type, plan) }
#define OQ_GROUP_GRAPH(type) \
  { "Graph", oq_graph_rows, offsetof(type, plan) }

#endif

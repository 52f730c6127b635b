/* cmd_doctor.c - what this program is and what it found on this machine. */
#define _POSIX_C_SOURCE 200809L
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"

typedef struct doctor_options {
  oq_common_options common;
  const char *onnxruntime;
} doctor_options;

static const oq_opt own_rows[] = {
    {"onnxruntime", 0, OQ_OPT_TEXT, offsetof(doctor_options, onnxruntime),
     "PATH", "look at this library or folder only", 0, 0},
    {0},
};

static const oq_opt_group groups[] = {
    {"Looking", own_rows, 0},
    OQ_GROUP_COMMON(doctor_options),
};

typedef struct findings {
  json_t *tried;
  bool json;
} findings;

static void on_tried(void *user, const oq_rt_candidate *c) {
  findings *f = user;

  if (f->json) {
    json_t *j = json_object();

    oq_json_text(j, "source", c->source);
    oq_json_text(j, "path", c->path);
    oq_json_bool(j, "usable", c->usable);
    oq_json_text(j, "result", c->result);
    (void)json_array_append_new(f->tried, j);
    return;
  }
  (void)printf("  %-18s ", c->source);
  oq_term_print(stdout, c->path);
  (void)fputs(": ", stdout);
  oq_term_print(stdout, c->result);
  (void)putchar('\n');
}

static const char *assertions(void) {
#ifdef NDEBUG
  return "release";
#else
  return "with assertions";
#endif
}

static long cores(void) { return sysconf(_SC_NPROCESSORS_ONLN); }

static oq_status look(char **path, findings *f, const doctor_options *o) {
  const oq_rt_options opt = {
      .library = o->onnxruntime, .tried = on_tried, .user = f};
  oq_rt_error err;

  return oq_rt_find(path, &opt, &err);
}

static int show_json(const doctor_options *o) {
  findings f = {json_array(), true};
  json_t *j = oq_json_create();
  char *path = NULL;

  oq_json_text(j, "version", oq_version());
  oq_json_text(j, "build", assertions());
  oq_json_text(j, "engine", oq_build_info());
  oq_json_int(j, "cores", cores());
  (void)look(&path, &f, o);
  oq_json_text(j, "onnxruntime", path);
  oq_json_put(j, "tried", f.tried);
  free(path);
  const int code = oq_work_print_json(j);
  json_decref(j);
  return code;
}

static int run(void *options, const oq_opt_list *names) {
  const doctor_options *o = options;
  findings f = {NULL, false};
  char *path = NULL;

  (void)names;
  oq_term_setup(o->common.quiet, o->common.verbose);
  if (o->common.json) return show_json(o);
  (void)printf("onnxquant %s, %s\n%s\n%ld cores\n", oq_version(), assertions(),
               oq_build_info(), cores());
  (void)puts("onnxruntime was looked for in:");
  if (look(&path, &f, o) == OQ_OK) {
    (void)fputs("onnxruntime: ", stdout);
    oq_term_print(stdout, path);
    (void)putchar('\n');
  } else {
    (void)puts(
        "onnxruntime: not found. It is only needed for --engine onnxruntime;\n"
        "  `pip install onnxruntime`, or --onnxruntime PATH");
  }
  free(path);
  return OQ_EXIT_DONE;
}

const oq_command oq_command_doctor = {
    .opt = {.name = "doctor",
            .about = "CPU, build, and where onnxruntime is",
            .usage = "doctor [options]",
            .groups = groups,
            .n_groups = sizeof groups / sizeof *groups,
            .names = ""},
    .size = sizeof(doctor_options),
    .run = run,
};

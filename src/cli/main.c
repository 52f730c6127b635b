/* main.c - the table of commands. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/stop.h"

static const oq_command *const commands[] = {
    &oq_command_quantize, &oq_command_calibrate, &oq_command_merge,
    &oq_command_compare,  &oq_command_run,       &oq_command_inspect,
    &oq_command_explain,  &oq_command_ops,       &oq_command_doctor,
};
enum { N_COMMANDS = sizeof commands / sizeof *commands };

static void print_help(FILE *to) {
  (void)fputs(
      "Usage: onnxquant COMMAND [OPTIONS] MODEL...\n"
      "Convert float ONNX models to int8 QDQ models.\n\n"
      "  onnxquant quantize net.onnx -o q.onnx --data calib --preprocess "
      "imagenet\n"
      "  onnxquant compare net.onnx q.onnx --data eval --preprocess "
      "imagenet\n\n"
      "Commands:\n",
      to);
  for (size_t i = 0; i < N_COMMANDS; i++)
    (void)fprintf(to, "  %-10s %s\n", commands[i]->opt.name,
                  commands[i]->opt.about);
  (void)fputs(
      "\n"
      "  `COMMAND --help` is one screen, `onnxquant help COMMAND` has every "
      "option\n"
      "  --version   -q errors only   -v more   --json for programs\n"
      "  Exit status: 0 done, 1 a check said no, 2 usage, 3 bad input,\n"
      "    4 input/output or memory, 5 no onnxruntime, 70 internal, 128+n "
      "signal\n",
      to);
}

static const oq_command *find_command(const char *name) {
  const char *names[N_COMMANDS];
  char hint[80] = "`onnxquant --help` lists the commands";

  for (size_t i = 0; i < N_COMMANDS; i++) {
    names[i] = commands[i]->opt.name;
    if (strcmp(names[i], name) == 0) return commands[i];
  }
  const char *near = oq_opt_nearest(name, names, N_COMMANDS);
  if (near) (void)snprintf(hint, sizeof hint, "did you mean '%s'?", near);
  oq_term_error(hint, "unknown command '%s'", name);
  return NULL;
}

/* Buffered output that cannot be written is noticed here at the latest. */
static int flush(int code) {
  if (fflush(stdout) == 0 && !ferror(stdout)) return code;
  const int failed = oq_work_fail_stdout();
  return code == OQ_EXIT_DONE ? failed : code;
}

static int run_command(const oq_command *c, int argc, char **argv) {
  void *options = calloc(1, c->size);
  oq_opt_list names = {0};
  int code = OQ_EXIT_USAGE;

  if (!options) return OQ_EXIT_SYSTEM;
  switch (oq_opt_parse(options, &names, &c->opt, argc, argv)) {
    case OQ_OPT_GO:
      code = c->run(options, &names);
      break;
    case OQ_OPT_SHOW_HELP:
      oq_opt_help(stdout, &c->opt, false);
      code = OQ_EXIT_DONE;
      break;
    case OQ_OPT_BAD:
      break;
  }
  oq_opt_release(options, &names, &c->opt);
  free(options);
  return flush(code);
}

static int help(int argc, char **argv) {
  if (argc < 2) {
    print_help(stdout);
    return flush(OQ_EXIT_DONE);
  }
  const oq_command *c = find_command(argv[1]);
  if (!c) return OQ_EXIT_USAGE;
  oq_opt_help(stdout, &c->opt, true);
  return flush(OQ_EXIT_DONE);
}

static bool is_word(const char *word, const char *a, const char *b) {
  return strcmp(word, a) == 0 || strcmp(word, b) == 0;
}

int main(int argc, char **argv) {
  if (argc > 1 && strcmp(argv[1], OQ_RT_WORKER) == 0)
    return oq_rt_worker_main(argc, argv);
  oq_stop_setup();
  if (argc < 2) {
    print_help(stderr);
    return OQ_EXIT_USAGE;
  }
  if (is_word(argv[1], "--help", "-h")) return help(1, argv);
  if (strcmp(argv[1], "help") == 0) return help(argc - 1, argv + 1);
  if (is_word(argv[1], "--version", "-V")) {
    (void)printf("onnxquant %s\n", oq_version());
    return flush(OQ_EXIT_DONE);
  }
  const oq_command *c = find_command(argv[1]);
  return c ? run_command(c, argc - 1, argv + 1) : OQ_EXIT_USAGE;
}

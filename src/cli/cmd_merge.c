/* cmd_merge.c - statistics of several shards become one file, the same bytes
 * whatever their order. */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"

#define MAX_FILES 100000

typedef struct merge_options {
  oq_common_options common;
  const char *output;
} merge_options;

static const oq_opt own_rows[] = {
    {"output", 'o', OQ_OPT_TEXT, offsetof(merge_options, output), "OUT.oqstats",
     "the merged statistics; an old file is replaced", 0, 0},
    {0},
};

static const oq_opt_group groups[] = {
    {"Files", own_rows, 0},
    OQ_GROUP_COMMON(merge_options),
};

/* ---- @list ----------------------------------------------------------------
 */
/* One path per line; paths are owned by the list. */
static int add_path(oq_opt_list *paths, const char *path, size_t length) {
  char *copy = strndup(path, length);

  if (copy && paths->n < MAX_FILES && oq_opt_append(paths, copy))
    return OQ_EXIT_DONE;
  free(copy);
  return oq_work_no_memory();
}

static int add_list(oq_opt_list *paths, const char *list) {
  FILE *f = fopen(list, "r");
  char *line = NULL;
  size_t size = 0;
  int code = OQ_EXIT_DONE;

  if (!f) {
    oq_term_error(NULL, "%s: %s", list, strerror(errno));
    return OQ_EXIT_SYSTEM;
  }
  for (ssize_t n; code == OQ_EXIT_DONE && (n = getline(&line, &size, f)) > 0;) {
    while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r')) n--;
    if (n > 0) code = add_path(paths, line, (size_t)n);
  }
  free(line);
  (void)fclose(f);
  return code;
}

static int collect(oq_opt_list *paths, const oq_opt_list *names) {
  for (size_t i = 0; i < names->n; i++) {
    const char *name = names->items[i];

    OQ_DO(*name == '@' ? add_list(paths, name + 1)
                       : add_path(paths, name, strlen(name)));
  }
  if (paths->n > 0) return OQ_EXIT_DONE;
  oq_term_error("one path per line", "the list names no file");
  return OQ_EXIT_INPUT;
}

static void release(oq_opt_list *paths) {
  for (size_t i = 0; i < paths->n; i++) {
    void *copy;

    memcpy(&copy, &paths->items[i], sizeof copy); /* made by add_path */
    free(copy);
  }
  free(paths->items);
}

/* ---- merge ----------------------------------------------------------------
 */
static int add_file(oq_stats **into, oq_work *w, const char *path) {
  oq_stats *from;

  OQ_DO(oq_work_stopped());
  w->reading = path;
  oq_status s = oq_stats_load_file(&from, w->cx, path);
  if (s == OQ_OK && *into) {
    s = oq_stats_merge(*into, from);
    oq_stats_destroy(from);
  } else if (s == OQ_OK) {
    *into = from;
  }
  w->reading = NULL;
  return oq_work_exit(w, s);
}

static int show(oq_work *w, const merge_options *o, oq_stats *s, size_t files) {
  const oq_stats_info *info;

  OQ_DO(oq_work_exit(w, oq_stats_describe(&info, s)));
  if (o->common.json) {
    json_t *j = oq_json_create();

    oq_json_text(j, "output", o->output);
    oq_json_count(j, "files", files);
    oq_json_count(j, "samples", info->samples);
    oq_json_count(j, "tensors", info->n_values);
    oq_json_bool(j, "synthetic", info->synthetic);
    oq_json_put(j, "warnings", json_incref(w->warnings));
    const int code = oq_work_print_json(j);
    json_decref(j);
    return code;
  }
  if (o->common.quiet) return OQ_EXIT_DONE;
  oq_term_print(stdout, o->output);
  (void)printf(": %zu values of %llu samples from %zu files\n", info->n_values,
               (unsigned long long)info->samples, files);
  return OQ_EXIT_DONE;
}

static int merge(oq_work *w, oq_stats **all, const merge_options *o,
                 const oq_opt_list *paths) {
  OQ_DO(oq_work_check_output("-o", o->output, paths->items, paths->n));
  for (size_t i = 0; i < paths->n; i++)
    OQ_DO(add_file(all, w, paths->items[i]));
  OQ_DO(oq_work_exit(w, oq_stats_save_file(*all, o->output)));
  return show(w, o, *all, paths->n);
}

static int run(void *options, const oq_opt_list *names) {
  const merge_options *o = options;
  oq_opt_list paths = {0};
  oq_stats *all = NULL;
  oq_work w;

  if (!o->output) {
    oq_term_error("-o FILE.oqstats", "merge: the output is missing");
    return OQ_EXIT_USAGE;
  }
  int code = oq_work_open(&w, &o->common, NULL);
  if (code == OQ_EXIT_DONE) code = collect(&paths, names);
  if (code == OQ_EXIT_DONE) code = merge(&w, &all, o, &paths);
  release(&paths);
  oq_stats_destroy(all);
  oq_work_close(&w);
  return code;
}

const oq_command oq_command_merge = {
    .opt = {.name = "merge",
            .about = "combine .oqstats files of several shards or machines",
            .usage = "merge A.oqstats B.oqstats ... -o OUT.oqstats",
            .examples = "`@list.txt` stands for the paths in it, in any "
                        "order.\n",
            .groups = groups,
            .n_groups = sizeof groups / sizeof *groups,
            .min_names = 1,
            .max_names = MAX_FILES,
            .names = "statistics files"},
    .size = sizeof(merge_options),
    .run = run,
};

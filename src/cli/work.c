/* work.c - context, findings, onnxruntime, files. */
#define _XOPEN_SOURCE 700
#include "cli/work.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/json.h"
#include "cli/stop.h"

const oq_opt oq_common_rows[] = {
    {"json", 0, OQ_OPT_FLAG, offsetof(oq_common_options, json), NULL,
     "one JSON object on stdout instead of text", 0, 0},
    {"quiet", 'q', OQ_OPT_FLAG, offsetof(oq_common_options, quiet), NULL,
     "errors only", 0, 0},
    {"verbose", 'v', OQ_OPT_COUNT, offsetof(oq_common_options, verbose), NULL,
     "more: notes, every output", 0, 0},
    {"help", 'h', OQ_OPT_HELP, 0, NULL, "+this text", 0, 0},
    {0},
};

const oq_opt oq_engine_rows[] = {
    {"engine", 0, OQ_OPT_CHOICE, offsetof(oq_engine_options, engine),
     "builtin|onnxruntime", "who runs models", 0, 0},
    {"onnxruntime", 0, OQ_OPT_TEXT, offsetof(oq_engine_options, onnxruntime),
     "PATH", "+libonnxruntime.so or its folder (searched)", 0, 0},
    {"ort-custom-ops", 0, OQ_OPT_LIST, offsetof(oq_engine_options, custom_ops),
     "LIB", "+custom operators for onnxruntime; repeatable", 0, 0},
    {"kernels", 0, OQ_OPT_CHOICE, offsetof(oq_engine_options, kernels),
     "auto|blas|reference", "+kernels of the built-in engine (auto)", 0, 0},
    {"threads", 0, OQ_OPT_UINT, offsetof(oq_engine_options, threads), "N",
     "+threads (all cores); results never depend on it", 0, 1024},
    {"max-memory", 0, OQ_OPT_SIZE, offsetof(oq_engine_options, max_memory),
     "SIZE", "+refuse to take more memory than this, e.g. 2G", 0, 0},
    {0},
};

/* ---- findings -------------------------------------------------------------
 */
static void keep_warning(oq_work *w, const char *text) {
  if (w->warnings)
    (void)json_array_append_new(w->warnings, oq_json_string(text));
}

static bool is_known(const oq_work *w, const char *text) {
  for (size_t i = 0; i < json_array_size(w->warnings); i++) {
    const char *s = json_string_value(json_array_get(w->warnings, i));

    if (s && strcmp(s, text) == 0) return true;
  }
  return false;
}

void oq_work_warn(oq_work *w, const char *hint, const char *fmt, ...) {
  char text[1024];
  va_list args;

  va_start(args, fmt);
  (void)vsnprintf(text, sizeof text, fmt, args);
  va_end(args);
  if (is_known(w, text)) return;
  keep_warning(w, text);
  oq_term_warn(hint, "%s", text);
}

/* "Conv 'layer1'", "value 'x'": where the text does not say it itself. */
static void print_place(char *out, size_t size, const oq_diag *d) {
  out[0] = 0;
  if (d->node && *d->node && !strstr(d->text, d->node))
    (void)snprintf(out, size, "%s '%s': ", d->op && *d->op ? d->op : "node",
                   d->node);
  else if (d->value && *d->value && !strstr(d->text, d->value))
    (void)snprintf(out, size, "value '%s': ", d->value);
}

/* The cure where the library, which knows no options, cannot name it. */
static const char *hint_of(const oq_work *w, const oq_diag *d) {
  if (d->hint && *d->hint) return d->hint;
  if (d->status == OQ_E_MEMORY && w->engine->max_memory)
    return "--max-memory allows no more";
  if (d->status == OQ_E_FORMAT && w->reading) return "is this the right file?";
  return NULL;
}

static void on_diag(void *user, const oq_diag *d) {
  oq_work *w = user;
  const char *hint = hint_of(w, d);
  char place[512], file[600] = "";

  print_place(place, sizeof place, d);
  if (w->reading && !strstr(d->text, w->reading))
    (void)snprintf(file, sizeof file, "%s: ", w->reading);
  if (d->severity == OQ_NOTE) {
    oq_term_note(hint, "%s%s", place, d->text);
  } else if (d->severity == OQ_WARNING || w->lenient) {
    oq_work_warn(w, hint, "%s%s%s", file, place, d->text);
  } else {
    (void)snprintf(w->failed_id, sizeof w->failed_id, "%s", d->id);
    if (strcmp(d->id, "cancelled") == 0) return;
    w->sample_failed = strcmp(d->id, "sample.read") == 0;
    if (!w->sample_failed) oq_term_error(hint, "%s%s%s", file, place, d->text);
  }
}

static int on_progress(void *user, const oq_progress *p) {
  (void)user;
  oq_term_progress(p->stage, p->done, p->total);
  return oq_stop_signal() != 0;
}

int oq_work_stopped(void) {
  const int n = oq_stop_signal();

  return n ? OQ_EXIT_SIGNAL + n : OQ_EXIT_DONE;
}

int oq_work_exit(const oq_work *w, oq_status s) {
  /* Words that name nothing in the model are words all the same. */
  static const char *const words[] = {"model.symbol", "model.input",
                                      "model.shape"};

  if (s == OQ_OK) return OQ_EXIT_DONE;
  oq_term_progress_end();
  if (s == OQ_E_CANCELLED) return oq_work_stopped();
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    if (strcmp(w->failed_id, words[i]) == 0) return OQ_EXIT_USAGE;
  /* A function that was called wrongly without a finding: our fault. */
  if (s == OQ_E_INTERNAL || (s == OQ_E_ARGUMENT && !*w->failed_id)) {
    oq_term_error("please report this", "internal error (%s)",
                  oq_status_name(s));
    return OQ_EXIT_INTERNAL;
  }
  return oq_exit_of(s, w->failed_id);
}

int oq_work_io(oq_work *w, oq_status s, const oq_io_error *err) {
  (void)w;
  if (s == OQ_OK) return OQ_EXIT_DONE;
  oq_term_error(err->hint, "%s", err->text);
  return oq_exit_of(s, NULL);
}

int oq_work_rt(oq_work *w, oq_status s, const oq_rt_error *err) {
  (void)w;
  if (s == OQ_OK) return OQ_EXIT_DONE;
  if (s == OQ_E_CANCELLED && oq_stop_signal()) return oq_work_stopped();
  if (*err->output && oq_term_verbose() > 0)
    oq_term_note(NULL, "onnxruntime printed: %s", err->output);
  oq_term_error(err->hint, "%s", err->text);
  return oq_rt_error_is_missing(err) ? OQ_EXIT_RUNTIME : oq_exit_of(s, err->id);
}

int oq_work_samples(oq_work *w, oq_status status, oq_samples *s) {
  oq_io_error err;
  uint64_t index;

  if (status == OQ_OK) return OQ_EXIT_DONE;
  if (w->sample_failed) {
    if (oq_samples_failure(s, &index, &err)) {
      w->sample_failed = false;
      return oq_work_io(w, err.status, &err);
    }
    oq_term_error(NULL, "a sample cannot be read");
  }
  return oq_work_exit(w, status);
}

/* ---- life -----------------------------------------------------------------
 */
int oq_work_open(oq_work *w, const oq_common_options *common,
                 const oq_engine_options *engine) {
  static const oq_engine_options none = {0};
  oq_config cfg = OQ_CONFIG_INIT;

  *w = (oq_work){.engine = engine ? engine : &none,
                 .warnings = json_array(),
                 .started = oq_term_seconds()};
  oq_term_setup(common->quiet, common->verbose);
  cfg.limits.max_memory = w->engine->max_memory;
  cfg.threads = (uint32_t)w->engine->threads;
  cfg.kernels = w->engine->kernels;
  cfg.on_diag = on_diag;
  cfg.on_progress = on_progress;
  cfg.user = w;
  cfg.images = oq_io_image_decoder();
  return oq_work_exit(w, oq_context_create(&w->cx, &cfg));
}

/* It holds files only. */
static void remove_folder(const char *folder) {
  DIR *d = opendir(folder);

  for (const struct dirent *e; d && (e = readdir(d));)
    if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
      (void)unlinkat(dirfd(d), e->d_name, 0);
  if (d) (void)closedir(d);
  (void)rmdir(folder);
}

void oq_work_close(oq_work *w) {
  oq_term_progress_end();
  oq_rt_close(w->rt);
  if (w->folder) remove_folder(w->folder);
  free(w->folder);
  oq_context_destroy(w->cx);
  json_decref(w->warnings);
}

int oq_work_load(oq_model **out, oq_work *w, const char *path) {
  w->reading = path;
  const oq_status s = oq_model_load_file(out, w->cx, path);
  w->reading = NULL;
  return oq_work_exit(w, s);
}

/* ---- onnxruntime ----------------------------------------------------------
 */
static oq_rt_options rt_options(const oq_work *w) {
  return (oq_rt_options){.library = w->engine->onnxruntime,
                         .threads = (uint32_t)w->engine->threads,
                         .cancelled = oq_stop_asked};
}

int oq_work_runtime(oq_rt **out, oq_work *w) {
  const oq_rt_options opt = rt_options(w);
  oq_rt_error err;

  if (!w->rt) OQ_DO(oq_work_rt(w, oq_rt_open(&w->rt, &opt, &err), &err));
  *out = w->rt;
  return OQ_EXIT_DONE;
}

bool oq_work_has_runtime(oq_work *w) {
  const oq_rt_options opt = rt_options(w);
  oq_rt_error err;
  char *path;

  if (w->rt) return true;
  if (oq_rt_find(&path, &opt, &err) != OQ_OK) return false;
  free(path);
  return true;
}

/* ---- files ----------------------------------------------------------------
 */
int oq_work_private_path(char **out, oq_work *w, const char *name) {
  const char *tmp = getenv("TMPDIR");
  const char *base = tmp && *tmp ? tmp : "/tmp";

  if (!w->folder) {
    const size_t size = strlen(base) + sizeof "/onnxquant-XXXXXX";
    char *folder = malloc(size);

    if (!folder) return oq_work_exit(w, OQ_E_MEMORY);
    (void)snprintf(folder, size, "%s/onnxquant-XXXXXX", base);
    if (!mkdtemp(folder)) {
      oq_term_error("set TMPDIR to a folder that can be written", "%s: %s",
                    base, strerror(errno));
      free(folder);
      return OQ_EXIT_SYSTEM;
    }
    w->folder = folder;
  }
  const size_t size = strlen(w->folder) + strlen(name) + 2;
  char *path = malloc(size);
  if (!path) return oq_work_exit(w, OQ_E_MEMORY);
  (void)snprintf(path, size, "%s/%s", w->folder, name);
  *out = path;
  return OQ_EXIT_DONE;
}

static bool same_file(const char *a, const char *b) {
  struct stat x, y;

  return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev &&
         x.st_ino == y.st_ino;
}

static int check_folder(const char *option, const char *output) {
  const char *slash = strrchr(output, '/');
  char folder[PATH_MAX] = ".";
  struct stat st;

  if (slash)
    (void)snprintf(folder, sizeof folder, "%.*s",
                   (int)(slash == output ? 1 : slash - output), output);
  if (stat(folder, &st) != 0 || !S_ISDIR(st.st_mode)) {
    oq_term_error("make the folder first", "%s %s: there is no folder '%s'",
                  option, output, folder);
    return OQ_EXIT_SYSTEM;
  }
  if (access(folder, W_OK) != 0) {
    oq_term_error(NULL, "%s %s: %s", option, output, strerror(errno));
    return OQ_EXIT_SYSTEM;
  }
  return OQ_EXIT_DONE;
}

int oq_work_check_output(const char *option, const char *output,
                         const char *const *inputs, size_t n_inputs) {
  struct stat st;

  if (!output || strcmp(output, "-") == 0) return OQ_EXIT_DONE;
  if (!*output) {
    oq_term_error(NULL, "option '%s' has an empty path", option);
    return OQ_EXIT_USAGE;
  }
  for (size_t i = 0; i < n_inputs; i++) {
    if (!inputs[i] || !same_file(output, inputs[i])) continue;
    oq_term_error("choose another name for the output",
                  "%s %s would overwrite the input '%s'", option, output,
                  inputs[i]);
    return OQ_EXIT_USAGE;
  }
  const bool exists = stat(output, &st) == 0;
  if (exists && S_ISDIR(st.st_mode)) {
    oq_term_error("name a file in it", "%s %s is a folder", option, output);
    return OQ_EXIT_SYSTEM;
  }
  /* Pipes and devices are written in place. */
  if (exists && !S_ISREG(st.st_mode)) return OQ_EXIT_DONE;
  return check_folder(option, output);
}

uint64_t oq_work_model_bytes(oq_work *w, oq_model *m, const char *path) {
  const oq_model_info *info;
  struct stat st;

  if (stat(path, &st) != 0 || st.st_size < 0 ||
      oq_work_exit(w, oq_model_describe(&info, m)) != OQ_EXIT_DONE)
    return 0;
  const uint64_t file = (uint64_t)st.st_size;
  /* Weights that do not fit into the file lie beside it. */
  return info->initializer_bytes > file ? file + info->initializer_bytes : file;
}

int oq_work_no_memory(void) {
  oq_term_error(NULL, "out of memory");
  return OQ_EXIT_SYSTEM;
}

uint64_t oq_work_peak_rss(bool children) {
  struct rusage u;

  if (getrusage(children ? RUSAGE_CHILDREN : RUSAGE_SELF, &u) != 0) return 0;
  return (uint64_t)u.ru_maxrss * 1024;
}

int oq_work_fail_stdout(void) {
  static bool told;

  if (told) return OQ_EXIT_SYSTEM;
  told = true;
  if (errno == EPIPE) return OQ_EXIT_SIGNAL + SIGPIPE;
  oq_term_error(NULL, "writing to stdout: %s", strerror(errno));
  return OQ_EXIT_SYSTEM;
}

int oq_work_print_json(const json_t *o) {
  return oq_json_print(stdout, o) ? OQ_EXIT_DONE : oq_work_fail_stdout();
}

static int fail_write(const char *path) {
  oq_term_error(NULL, "%s: %s", path, strerror(errno));
  return OQ_EXIT_SYSTEM;
}

static int write_in_place(const char *path, const json_t *o) {
  FILE *f = fopen(path, "w");
  const bool ok = f && oq_json_print(f, o);

  if (f && fclose(f) == 0 && ok) return OQ_EXIT_DONE;
  return fail_write(path);
}

static bool write_and_rename(int fd, const char *temp, const char *path,
                             const json_t *o) {
  FILE *f = fdopen(fd, "w");
  const mode_t mask = umask(0);

  (void)umask(mask);
  if (!f) {
    (void)close(fd);
    return false;
  }
  const bool ok = fchmod(fd, 0666 & ~mask) == 0 && oq_json_print(f, o);
  return fclose(f) == 0 && ok && rename(temp, path) == 0;
}

/* Beside `path`, then renamed: the old file or the whole new one. */
int oq_work_write_json(const char *path, const json_t *o) {
  struct stat st;

  if (strcmp(path, "-") == 0) return oq_work_print_json(o);
  if (lstat(path, &st) == 0 && !S_ISREG(st.st_mode))
    return write_in_place(path, o);

  const size_t size = strlen(path) + sizeof ".XXXXXX";
  char *temp = malloc(size);
  int code = OQ_EXIT_DONE;

  if (!temp) return fail_write(path);
  (void)snprintf(temp, size, "%s.XXXXXX", path);
  const int fd = mkstemp(temp);
  if (fd < 0 || !write_and_rename(fd, temp, path, o)) {
    code = fail_write(path);
    if (fd >= 0) (void)unlink(temp);
  }
  free(temp);
  return code;
}

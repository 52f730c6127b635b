/* Where onnxruntime may be, in a fixed order, and the first that works. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* get_current_dir_name, strdup */
#endif
#include <glob.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/ort_client.h"
#include "runtime/ort_error.h"

#if defined(__aarch64__)
#define TRIPLET "aarch64-linux-gnu"
#define NODE_CPU "arm64"
#else
#define TRIPLET "x86_64-linux-gnu"
#define NODE_CPU "x64"
#endif
#define FILES "libonnxruntime.so*"
/* Distinct files that are started at most; each costs a process. */
#define MAX_TRIED 64

typedef struct seen_file {
  dev_t device;
  ino_t inode;
} seen_file;

typedef struct search {
  const oq_rt_options *opt;
  oq_rt *found;
  oq_status fatal; /* nothing further makes sense */
  oq_rt_error last;
  size_t looked; /* places */
  seen_file seen[MAX_TRIED];
  size_t n_seen;
} search;

static bool over(const search *s) {
  return s->found != NULL || s->fatal != OQ_OK;
}

static void tell(search *s, const char *source, const char *path, int usable,
                 const char *result) {
  const oq_rt_candidate c = {source, path, usable, result};

  s->looked++;
  if (s->opt->tried != NULL) s->opt->tried(s->opt->user, &c);
}

/* A printf into fresh memory; NULL if there is none. */
OQ_RT_PRINTF(1, 2)
static char *join(const char *format, ...) {
  va_list ap;
  char *text = NULL;
  int n;

  va_start(ap, format);
  n = vasprintf(&text, format, ap);
  va_end(ap);
  return n < 0 ? NULL : text;
}

static const char *variable(const char *name) {
  const char *v = getenv(name);

  return v != NULL && v[0] != '\0' ? v : NULL;
}

/* ---- one candidate ------------------------------------------------------ */
static void try_file(search *s, const char *source, const char *path) {
  const oq_status r = oq_ort_open_file(&s->found, path, s->opt, &s->last);

  if (r == OQ_OK) {
    tell(s, source, path, 1, oq_rt_version(s->found));
    return;
  }
  tell(s, source, path, 0, s->last.text);
  if (strcmp(s->last.id, "runtime.start") == 0 || r == OQ_E_CANCELLED ||
      r == OQ_E_MEMORY)
    s->fatal = r;
}

static bool seen_before(search *s, const struct stat *st) {
  for (size_t i = 0; i < s->n_seen; i++)
    if (s->seen[i].device == st->st_dev && s->seen[i].inode == st->st_ino)
      return true;
  if (s->n_seen == MAX_TRIED) return true;
  s->seen[s->n_seen++] = (seen_file){st->st_dev, st->st_ino};
  return false;
}

/* A file nobody named: it will be executed, so it must not be one that
 * somebody else could have put or changed there. */
static void try_found(search *s, const char *source, const char *path) {
  struct stat st;

  if (stat(path, &st) != 0 || !S_ISREG(st.st_mode)) return;
  if (seen_before(s, &st)) return;
  if ((st.st_uid != 0 && st.st_uid != geteuid()) ||
      (st.st_mode & S_IWOTH) != 0) {
    tell(s, source, path, 0,
         "skipped: the file belongs to, or can be changed by, somebody else");
    return;
  }
  try_file(s, source, path);
}

/* ---- patterns ----------------------------------------------------------- */
/* Digits compare as numbers, so that .so.1.9 comes before .so.1.31. */
static int compare_versions(const char *a, const char *b) {
  while (*a != '\0' && *b != '\0') {
    if (*a >= '0' && *a <= '9' && *b >= '0' && *b <= '9') {
      char *end_a, *end_b;
      const unsigned long long x = strtoull(a, &end_a, 10);
      const unsigned long long y = strtoull(b, &end_b, 10);

      if (x != y) return x < y ? -1 : 1;
      a = end_a;
      b = end_b;
    } else if (*a != *b) {
      return (unsigned char)*a < (unsigned char)*b ? -1 : 1;
    } else {
      a++;
      b++;
    }
  }
  return (*a != '\0') - (*b != '\0');
}

/* Newest first; equal ones by their bytes, so that the order is total. */
static int newest_first(const void *a, const void *b) {
  char *const *x = a;
  char *const *y = b;
  const int d = compare_versions(*y, *x);

  return d != 0 ? d : strcmp(*x, *y);
}

static void try_pattern(search *s, const char *source, const char *pattern) {
  glob_t g = {0};

  if (over(s)) return;
  if (glob(pattern, GLOB_NOSORT, NULL, &g) != 0 || g.gl_pathc == 0) {
    tell(s, source, pattern, 0, "no such file");
  } else {
    qsort(g.gl_pathv, g.gl_pathc, sizeof *g.gl_pathv, newest_first);
    for (size_t i = 0; i < g.gl_pathc && !over(s); i++)
      try_found(s, source, g.gl_pathv[i]);
  }
  globfree(&g);
}

/* `folder` with what glob would take for a pattern made literal. */
static char *literal(const char *folder) {
  char *text = malloc(2 * strlen(folder) + 1);
  char *to = text;

  if (text == NULL) return NULL;
  for (; *folder != '\0'; folder++) {
    if (strchr("*?[]\\", *folder) != NULL) *to++ = '\\';
    *to++ = *folder;
  }
  *to = '\0';
  return text;
}

/* "folder/tail/libonnxruntime.so*" */
static void try_folder(search *s, const char *source, const char *folder,
                       const char *tail) {
  char *base, *pattern;

  if (over(s)) return;
  base = literal(folder);
  pattern = base == NULL ? NULL : join("%s/%s" FILES, base, tail);
  if (pattern != NULL) try_pattern(s, source, pattern);
  free(pattern);
  free(base);
}

/* ---- places ------------------------------------------------------------- */
static void try_system(search *s) {
  static const char *const folders[] = {"/usr/lib/" TRIPLET,
                                        "/usr/local/lib/" TRIPLET,
                                        "/usr/local/lib",
                                        "/usr/local/lib64",
                                        "/usr/lib64",
                                        "/usr/lib",
                                        "/opt/onnxruntime/lib",
                                        "/opt/onnxruntime/lib64",
                                        "/home/linuxbrew/.linuxbrew/lib"};

  for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++)
    try_folder(s, "system", folders[i], "");
}

#define CAPI "onnxruntime/capi/"

/* A Python installation or environment. */
static void try_prefix(search *s, const char *prefix) {
  try_folder(s, "python", prefix, "lib/python3*/site-packages/" CAPI);
}

static char *find_program(const char *name) {
  const char *path = variable("PATH");

  while (path != NULL) {
    const char *colon = strchr(path, ':');
    const size_t n = colon == NULL ? strlen(path) : (size_t)(colon - path);
    char *file = n == 0 ? NULL : join("%.*s/%s", (int)n, path, name);

    if (file != NULL && access(file, X_OK) == 0) return file;
    free(file);
    path = colon == NULL ? NULL : colon + 1;
  }
  return NULL;
}

/* Cuts "/a/b" to "/a"; false if nothing is left. */
static bool up(char *path) {
  char *slash = strrchr(path, '/');

  if (slash == NULL || slash == path) return false;
  *slash = '\0';
  return true;
}

/* PREFIX/bin/python3, or ROOT/shims/python3 of pyenv, whose versions are
 * beside the shims. */
static void try_interpreter(search *s, const char *program) {
  char *path = strdup(program);

  if (path != NULL && up(path)) {
    const char *folder = strrchr(path, '/');
    const bool shims = folder != NULL && strcmp(folder, "/shims") == 0;

    if (up(path)) {
      if (shims) {
        try_folder(s, "python", path,
                   "versions/*/lib/python3*/site-packages/" CAPI);
      } else {
        try_prefix(s, path);
      }
    }
  }
  free(path);
}

/* Nothing is run: where the packages are follows from where python3 is. */
static void try_path_python(search *s) {
  char *program = find_program("python3");
  char *real = program == NULL ? NULL : realpath(program, NULL);

  if (program != NULL) try_interpreter(s, program);
  if (real != NULL && strcmp(real, program) != 0) try_interpreter(s, real);
  free(real);
  free(program);
}

static void try_python(search *s) {
  const char *venv = variable("VIRTUAL_ENV"), *conda = variable("CONDA_PREFIX");
  const char *home = variable("HOME");

  if (venv != NULL) try_prefix(s, venv);
  if (conda != NULL) {
    try_folder(s, "python", conda, "lib/");
    try_prefix(s, conda);
  }
  if (!over(s)) try_path_python(s);
  if (home != NULL)
    try_folder(s, "python", home, ".local/lib/python3*/site-packages/" CAPI);
  try_folder(s, "python", "/usr/local/lib", "python3*/dist-packages/" CAPI);
  try_folder(s, "python", "/usr/lib", "python3*/dist-packages/" CAPI);
}

/* From the current folder upwards, as node looks for its modules. */
static void try_node(search *s) {
  char *folder = over(s) ? NULL : get_current_dir_name();
  bool more = folder != NULL && folder[0] == '/';

  while (more && !over(s)) {
    char *modules = join("%s/node_modules", folder);

    if (modules != NULL && access(modules, F_OK) == 0)
      try_folder(s, "node", modules,
                 "onnxruntime-node/bin/napi-v*/linux/" NODE_CPU "/");
    free(modules);
    more = up(folder);
  }
  free(folder);
}

static void try_loader(search *s) {
  static const char *const names[] = {"libonnxruntime.so.1",
                                      "libonnxruntime.so"};

  for (size_t i = 0; i < sizeof names / sizeof names[0] && !over(s); i++)
    try_file(s, "loader", names[i]);
}

/* ---- named by the user -------------------------------------------------- */
/* Files of a folder, newest first, until one works. */
static void try_named_folder(search *s, const char *source, const char *path) {
  char *base = literal(path);
  char *pattern = base == NULL ? NULL : join("%s/" FILES, base);
  glob_t g = {0};

  if (pattern != NULL && glob(pattern, GLOB_NOSORT, NULL, &g) == 0) {
    qsort(g.gl_pathv, g.gl_pathc, sizeof *g.gl_pathv, newest_first);
    for (size_t i = 0; i < g.gl_pathc && !over(s); i++)
      try_file(s, source, g.gl_pathv[i]);
  } else {
    oq_rt_fail(&s->last, OQ_E_IO, "runtime.library",
               "the folder '%s' holds no libonnxruntime.so", path);
    tell(s, source, path, 0, s->last.text);
  }
  globfree(&g);
  free(pattern);
  free(base);
}

static void try_named(search *s, const char *source, const char *path) {
  struct stat st;
  char *here = NULL;

  if (path[0] == '\0') { /* the loader would take it for this program */
    oq_rt_fail(&s->last, OQ_E_IO, "runtime.library",
               "an empty path names no library");
    tell(s, source, path, 0, s->last.text);
    return;
  }
  if (stat(path, &st) == 0) {
    if (S_ISDIR(st.st_mode)) {
      try_named_folder(s, source, path);
      return;
    }
    /* Without a slash the loader would look elsewhere. */
    if (strchr(path, '/') == NULL) here = join("./%s", path);
  }
  try_file(s, source, here != NULL ? here : path);
  free(here);
}

static oq_status only_named(search *s, const char *source, const char *path,
                            oq_rt_error *err) {
  try_named(s, source, path);
  if (s->found != NULL) return OQ_OK;
  if (err != NULL) *err = s->last;
  if (s->fatal != OQ_OK) return s->fatal;
  if (err != NULL) { /* a library that crashes or hangs is no library */
    err->status = OQ_E_IO;
    snprintf(err->id, sizeof err->id, "runtime.library");
  }
  oq_rt_set_hint(err,
                 strcmp(source, "option") == 0
                     ? "give the path of a libonnxruntime.so, 1.5 or newer, "
                       "built for this machine"
                     : "ONNXQUANT_ORT_LIB must be the path of a "
                       "libonnxruntime.so, 1.5 or newer, built for this "
                       "machine");
  return OQ_E_IO;
}

static oq_status anywhere(search *s, oq_rt_error *err) {
  const char *hinted = variable("ORT_DYLIB_PATH");

  if (hinted != NULL) try_named(s, "ORT_DYLIB_PATH", hinted);
  if (!over(s)) try_loader(s);
  if (!over(s)) try_system(s);
  if (!over(s)) try_python(s);
  if (!over(s)) try_node(s);
  if (s->found != NULL) return OQ_OK;
  if (s->fatal != OQ_OK) {
    if (err != NULL) *err = s->last;
    return s->fatal;
  }
  oq_rt_fail(err, OQ_E_IO, "runtime.not_found",
             "onnxruntime was not found; %zu places were tried", s->looked);
  oq_rt_set_hint(err,
                 "install it (pip install onnxruntime), or name its "
                 "libonnxruntime.so by --onnxruntime PATH or "
                 "ONNXQUANT_ORT_LIB; 'onnxquant doctor' lists the places");
  return OQ_E_IO;
}

oq_status oq_rt_open(oq_rt **out, const oq_rt_options *opt, oq_rt_error *err) {
  const oq_rt_options usual = {0};
  search *s = calloc(1, sizeof *s);
  const char *named = variable("ONNXQUANT_ORT_LIB");
  oq_status r;

  if (s == NULL) return oq_rt_no_memory(err);
  s->opt = opt == NULL ? &usual : opt;
  if (s->opt->library != NULL) {
    r = only_named(s, "option", s->opt->library, err);
  } else if (named != NULL) {
    r = only_named(s, "ONNXQUANT_ORT_LIB", named, err);
  } else {
    r = anywhere(s, err);
  }
  if (r == OQ_OK) *out = s->found;
  free(s);
  return r;
}

oq_status oq_rt_find(char **path, const oq_rt_options *opt, oq_rt_error *err) {
  oq_rt *rt = NULL;
  char *copy;
  oq_status s = oq_rt_open(&rt, opt, err);

  if (s != OQ_OK) return s;
  copy = strdup(oq_rt_library(rt));
  if (copy == NULL) {
    s = oq_rt_no_memory(err);
  } else {
    *path = copy;
  }
  oq_rt_close(rt);
  return s;
}

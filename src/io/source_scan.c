/* io/source_scan.c - from a path of `--data` to the files of a track. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "io/samples.h"

#define MAX_DEPTH 64

oq_data_file *oq_track_add_file(oq_samples_core *c, oq_track *t,
                                oq_data_kind kind, const char *path,
                                const char *name, oq_io_error *err) {
  void *files = t->file;

  if (path == NULL || name == NULL ||
      !oq_io_grow(&files, &t->room, t->n_files, sizeof *t->file)) {
    (void)oq_io_fail_memory(err);
    return NULL;
  }
  t->file = files;
  oq_data_file *const f = &t->file[t->n_files];
  *f = (oq_data_file){.kind = kind, .path = path, .name = name, .parts = 1};
  if (kind == OQ_DATA_NPY || kind == OQ_DATA_NPZ) {
    f->use = oq_io_pool_alloc(&c->pool, t->n_inputs * sizeof *f->use);
    f->decoded = oq_io_pool_alloc(&c->pool, t->n_inputs * sizeof(void *));
    if (f->use == NULL || f->decoded == NULL) {
      (void)oq_io_fail_memory(err);
      return NULL;
    }
  }
  t->n_files++;
  return f;
}

/* ---- one file ----------------------------------------------------------- */

static const char what_is_read[] =
    "read are pictures (jpg, png, webp, ppm, pgm), .npy, .npz, .pb, folders "
    "of them, folders with test_data_set_K, @LIST, random:N";

static bool kind_of(oq_data_kind *out, const char *path) {
  if (oq_image_is_name(path)) {
    *out = OQ_DATA_IMAGE;
  } else if (oq_io_has_suffix(path, ".npy")) {
    *out = OQ_DATA_NPY;
  } else if (oq_io_has_suffix(path, ".npz")) {
    *out = OQ_DATA_NPZ;
  } else if (oq_io_has_suffix(path, ".pb")) {
    *out = OQ_DATA_PB;
  } else {
    return false;
  }
  return true;
}

/* The first picture of an input settles how pictures become its numbers. */
static oq_status need_preprocess(oq_samples_core *c, size_t input,
                                 oq_io_error *err) {
  if (c->pre[input] != NULL) return OQ_OK;
  oq_preprocess *const p = oq_io_pool_alloc(&c->pool, sizeof *p);
  if (p == NULL) return oq_io_fail_memory(err);
  OQ_IO_TRY(
      oq_preprocess_make(p, c->image, &c->input[input], &c->preset_file, err));
  c->pre[input] = p;
  return OQ_OK;
}

static oq_status fail_several(const oq_samples_core *c, const oq_track *t,
                              const char *path, oq_io_error *err) {
  return oq_io_fail(err, OQ_E_ARGUMENT,
                    "name it: --data INPUT=PATH, and --fill INPUT=zeros for "
                    "inputs without data",
                    "%s: holds values of one input, but %zu inputs need data "
                    "('%.60s', '%.60s', ...)",
                    path, t->n_inputs, c->input[t->input[0]].name,
                    c->input[t->input[1]].name);
}

/* A damaged file is an error, or with skip_bad one part that cannot be read. */
static oq_status accept(const oq_samples_core *c, oq_data_file *f,
                        oq_status s) {
  if (s == OQ_OK || !c->skip_bad || s == OQ_E_MEMORY || s == OQ_E_ARGUMENT) {
    return s;
  }
  f->damaged = true;
  f->parts = 1;
  return OQ_OK;
}

static oq_status add_file(oq_samples_core *c, oq_track *t, oq_data_kind kind,
                          const char *path, const char *name,
                          oq_io_error *err) {
  if (t->n_inputs > 1 && (kind == OQ_DATA_IMAGE || kind == OQ_DATA_NPY)) {
    return fail_several(c, t, path, err);
  }
  if (kind == OQ_DATA_IMAGE) {
    OQ_IO_TRY(need_preprocess(c, t->input[0], err));
  }
  oq_data_file *const f = oq_track_add_file(c, t, kind, path, name, err);
  if (f == NULL) return OQ_E_MEMORY;
  if (kind == OQ_DATA_NPY || kind == OQ_DATA_NPZ) {
    return accept(c, f, oq_array_probe(c, t, f, err));
  }
  if (kind == OQ_DATA_PB) {
    return accept(c, f, oq_testdata_probe(c, t, f, err));
  }
  return OQ_OK;
}

static oq_status add_named(oq_samples_core *c, oq_track *t, const char *path,
                           const char *name, oq_io_error *err) {
  oq_data_kind kind;

  if (!oq_io_exists(path)) {
    return oq_io_fail(err, OQ_E_IO, NULL, "%s: no such file or folder", path);
  }
  if (!kind_of(&kind, path)) {
    return oq_io_fail(err, OQ_E_DATA, what_is_read,
                      "%s: not a kind of data that is read", path);
  }
  return add_file(c, t, kind, path, name, err);
}

/* ---- folders ------------------------------------------------------------ */

typedef struct scan {
  oq_samples_core *core;
  const char *root;
  oq_io_list found[OQ_DATA_RANDOM]; /* relative paths, per kind */
  struct {
    dev_t device;
    ino_t inode;
  } above[MAX_DEPTH + 1]; /* the folders this one is in */
} scan;

static const char *join(oq_io_pool *pool, const char *folder,
                        const char *name) {
  const size_t n = strlen(folder);

  if (n == 0) return oq_io_pool_copy(pool, name, strlen(name));
  if (name[0] == 0) return oq_io_pool_copy(pool, folder, n);
  return oq_io_pool_print(pool, "%s%s%s", folder,
                          folder[n - 1] == '/' ? "" : "/", name);
}

static oq_status scan_folder(scan *s, const char *relative, int depth,
                             oq_io_error *err);

static oq_status scan_entry(scan *s, const char *folder, const char *name,
                            bool *has_inputs, int depth, oq_io_error *err) {
  oq_io_pool *const pool = &s->core->pool;
  struct stat st;
  oq_data_kind kind;

  if (name[0] == '.') return OQ_OK; /* hidden; and . and .. */
  const char *const relative = join(pool, folder, name);
  const char *const path =
      relative != NULL ? join(pool, s->root, relative) : NULL;
  if (path == NULL) return oq_io_fail_memory(err);
  if (stat(path, &st) != 0) return OQ_OK; /* a link to nowhere */
  if (S_ISDIR(st.st_mode)) return scan_folder(s, relative, depth + 1, err);
  if (!S_ISREG(st.st_mode) || !kind_of(&kind, name)) return OQ_OK;
  if (kind == OQ_DATA_PB) {
    if (oq_testdata_index(name) >= 0) *has_inputs = true;
    return OQ_OK;
  }
  return oq_io_list_push(&s->found[kind], relative) ? OQ_OK
                                                    : oq_io_fail_memory(err);
}

/* A link that leads back up is not followed. */
static bool is_loop(scan *s, const char *path, int depth) {
  struct stat st;

  if (stat(path, &st) != 0) return false; /* opendir will tell */
  for (int i = 0; i < depth; i++) {
    if (s->above[i].device == st.st_dev && s->above[i].inode == st.st_ino) {
      return true;
    }
  }
  s->above[depth].device = st.st_dev;
  s->above[depth].inode = st.st_ino;
  return false;
}

static oq_status scan_folder(scan *s, const char *relative, int depth,
                             oq_io_error *err) {
  oq_samples_core *const c = s->core;
  const char *const path = join(&c->pool, s->root, relative);
  bool has_inputs = false;
  oq_status status = OQ_OK;

  if (path == NULL) return oq_io_fail_memory(err);
  if (depth > MAX_DEPTH) {
    return oq_io_fail(err, OQ_E_LIMIT, NULL,
                      "%s: folders nested more than %d deep", path, MAX_DEPTH);
  }
  if (is_loop(s, path, depth)) return OQ_OK;
  if (!oq_io_list_push(&c->folders, path)) return oq_io_fail_memory(err);
  DIR *const d = opendir(path);
  if (d == NULL) {
    return oq_io_fail(err, OQ_E_IO, NULL, "%s: the folder cannot be read",
                      path);
  }
  for (const struct dirent *e = readdir(d); e != NULL && status == OQ_OK;
       e = readdir(d)) {
    status = scan_entry(s, relative, e->d_name, &has_inputs, depth, err);
  }
  (void)closedir(d);
  if (status == OQ_OK && has_inputs &&
      !oq_io_list_push(&s->found[OQ_DATA_PB], relative)) {
    return oq_io_fail_memory(err);
  }
  return status;
}

/* test_data_set_2 comes before test_data_set_10. */
static int compare_numbered(const void *a, const void *b) {
  const char *const *const x = a;
  const char *const *const y = b;
  const int by_number = strverscmp(*x, *y);

  return by_number != 0 ? by_number : strcmp(*x, *y);
}

static oq_status add_found(scan *s, oq_track *t, oq_data_kind kind,
                           oq_io_error *err) {
  oq_io_list *const l = &s->found[kind];

  if (kind != OQ_DATA_PB) {
    oq_io_list_sort(l);
  } else if (l->n > 1) {
    qsort(l->item, l->n, sizeof *l->item, compare_numbered);
  }
  for (size_t i = 0; i < l->n; i++) {
    const char *const path = join(&s->core->pool, s->root, l->item[i]);
    const char *const name =
        l->item[i][0] != 0 ? l->item[i] : oq_io_base_name(s->root);
    if (path == NULL) return oq_io_fail_memory(err);
    OQ_IO_TRY(add_file(s->core, t, kind, path, name, err));
  }
  return OQ_OK;
}

/* A folder is a set of samples of one kind. */
static oq_status one_kind(oq_data_kind *out, const scan *s, oq_io_error *err) {
  static const char *const name[] = {"pictures", ".npy", ".npz",
                                     "test data sets"};
  int kinds[2] = {-1, -1}, n = 0;

  for (int k = 0; k < OQ_DATA_RANDOM; k++) {
    if (s->found[k].n == 0) continue;
    if (n < 2) kinds[n] = k;
    n++;
  }
  if (n == 0) {
    return oq_io_fail(err, OQ_E_DATA, what_is_read,
                      "%s: nothing in this folder can be read as samples",
                      s->root);
  }
  if (n > 1) {
    return oq_io_fail(err, OQ_E_DATA,
                      "name a sub-folder, or the files in a list: @LIST",
                      "%s: holds %zu %s and %zu %s, expected one kind", s->root,
                      s->found[kinds[0]].n, name[kinds[0]],
                      s->found[kinds[1]].n, name[kinds[1]]);
  }
  *out = (oq_data_kind)kinds[0];
  return OQ_OK;
}

static oq_status add_folder(oq_samples_core *c, oq_track *t, const char *path,
                            oq_io_error *err) {
  scan s = {.core = c, .root = path};
  oq_data_kind kind = OQ_DATA_IMAGE;

  oq_status status = scan_folder(&s, "", 0, err);
  if (status == OQ_OK) status = one_kind(&kind, &s, err);
  if (status == OQ_OK) status = add_found(&s, t, kind, err);
  for (size_t i = 0; i < OQ_DATA_RANDOM; i++) oq_io_list_free(&s.found[i]);
  return status;
}

/* ---- lists and random --------------------------------------------------- */

static oq_status add_line(oq_samples_core *c, oq_track *t, const char *folder,
                          size_t folder_size, const char *line,
                          oq_io_error *err) {
  const char *path = line;

  if (line[0] != '/' &&
      folder_size != 0) { /* beside the list, else from here */
    path = oq_io_pool_print(&c->pool, "%.*s%s", (int)folder_size, folder, line);
    if (path == NULL) return oq_io_fail_memory(err);
    if (!oq_io_exists(path) && oq_io_exists(line)) path = line;
  }
  if (oq_io_is_dir(path)) return add_folder(c, t, path, err);
  return add_named(c, t, path, line, err);
}

static oq_status add_lines(oq_samples_core *c, oq_track *t, const char *list,
                           char *text, oq_io_error *err) {
  const size_t folder = (size_t)(oq_io_base_name(list) - list);
  char *next = text;

  if (folder > 4096) {
    return oq_io_fail(err, OQ_E_IO, NULL, "%.200s: the path is too long", list);
  }
  while (next != NULL) {
    char *const line = next;
    next = strchr(line, '\n');
    if (next != NULL) *next++ = 0;
    size_t n = strlen(line);
    while (n != 0 && strchr(" \t\r", line[n - 1]) != NULL) line[--n] = 0;
    if (n == 0 || line[0] == '#') continue;
    OQ_IO_TRY(add_line(c, t, list, folder, line, err));
  }
  return OQ_OK;
}

static oq_status add_list(oq_samples_core *c, oq_track *t, const char *list,
                          oq_io_error *err) {
  uint8_t *bytes;
  size_t n;

  OQ_IO_TRY(oq_io_slurp(&bytes, &n, list, OQ_IO_MAX_FILE_BYTES, err));
  const void *const raw = bytes;
  const bool is_text = memchr(raw, 0, n) == NULL;
  char *const text = is_text ? oq_io_pool_copy(&c->pool, raw, n) : NULL;
  free(bytes);
  if (!is_text) {
    return oq_io_fail(err, OQ_E_DATA, NULL, "%s: not a text file", list);
  }
  if (text == NULL || !oq_io_list_push(&c->folders, list)) {
    return oq_io_fail_memory(err);
  }
  return add_lines(c, t, list, text, err);
}

static oq_status add_random(oq_samples_core *c, oq_track *t, const char *word,
                            oq_io_error *err) {
  const char *const digits = word + strlen("random:");
  int64_t n;

  if (!oq_io_parse_i64(&n, digits, strlen(digits)) || n < 1) {
    return oq_io_fail(err, OQ_E_ARGUMENT, NULL,
                      "--data '%.80s': expected random:N, N of 1 or more",
                      word);
  }
  oq_data_file *const f =
      oq_track_add_file(c, t, OQ_DATA_RANDOM, word, "random", err);
  if (f == NULL) return OQ_E_MEMORY;
  f->parts = (uint64_t)n;
  return oq_random_probe(c, t, err);
}

oq_status oq_track_add_path(oq_samples_core *c, oq_track *t, const char *path,
                            oq_io_error *err) {
  if (strncmp(path, "random:", strlen("random:")) == 0) {
    return add_random(c, t, path, err);
  }
  if (path[0] == '@') return add_list(c, t, path + 1, err);
  if (oq_io_is_dir(path)) return add_folder(c, t, path, err);
  return add_named(c, t, path, oq_io_base_name(path), err);
}

/* io/labels.c - which class a sample belongs to. */
#include <stdlib.h>
#include <string.h>

#include "io/samples.h"

struct oq_labels {
  oq_io_pool pool;
  int64_t *label; /* per sample, offset included */
  uint64_t n;
  oq_io_list classes; /* names in order; may be empty */
  int64_t offset;
};

/* ---- names of classes --------------------------------------------------- */

/* Pieces between separators, spaces around them removed. */
static oq_status split_names(oq_labels *l, char *text, char separator,
                             oq_io_error *err) {
  char *next = text;

  while (next != NULL) {
    char *name = next;
    next = strchr(name, separator);
    if (next != NULL) *next++ = 0;
    while (*name == ' ' || *name == '\t') name++;
    size_t n = strlen(name);
    while (n != 0 && strchr(" \t\r", name[n - 1]) != NULL) name[--n] = 0;
    if (n == 0 && (next == NULL || separator == '\n')) continue;
    if (!oq_io_list_push(&l->classes, name)) return oq_io_fail_memory(err);
  }
  return OQ_OK;
}

static oq_status slurp_text(char **out, oq_labels *l, const char *path,
                            oq_io_error *err) {
  uint8_t *bytes;
  size_t n;

  OQ_IO_TRY(oq_io_slurp(&bytes, &n, path, OQ_IO_MAX_FILE_BYTES, err));
  const void *const raw = bytes;
  const bool is_text = memchr(raw, 0, n) == NULL;
  char *const text = is_text ? oq_io_pool_copy(&l->pool, raw, n) : NULL;
  free(bytes);
  if (!is_text) {
    return oq_io_fail(err, OQ_E_DATA, NULL, "%s: not a text file", path);
  }
  if (text == NULL) return oq_io_fail_memory(err);
  *out = text;
  return OQ_OK;
}

static oq_status read_classes(oq_labels *l, const char *classes,
                              oq_io_error *err) {
  char *text = NULL;

  if (classes == NULL) return OQ_OK;
  if (classes[0] == '@') {
    OQ_IO_TRY(slurp_text(&text, l, classes + 1, err));
    return split_names(l, text, '\n', err);
  }
  text = oq_io_pool_copy(&l->pool, classes, strlen(classes));
  if (text == NULL) return oq_io_fail_memory(err);
  return split_names(l, text, ',', err);
}

static int64_t find_class(const oq_labels *l, const char *name, size_t n) {
  for (size_t i = 0; i < l->classes.n; i++) {
    if (strlen(l->classes.item[i]) == n &&
        memcmp(l->classes.item[i], name, n) == 0) {
      return (int64_t)i;
    }
  }
  return -1;
}

/* ---- sub-folders -------------------------------------------------------- */

static size_t top_folder(const char *name) {
  const char *const slash = strchr(name, '/');

  return slash != NULL ? (size_t)(slash - name) : 0;
}

/* Folders of all samples there are, not of the chosen ones only. */
static oq_status classes_from_folders(oq_labels *l, const oq_track *t,
                                      oq_io_error *err) {
  for (size_t i = 0; i < t->n_files; i++) {
    const char *const name = t->file[i].name;
    const size_t n = top_folder(name);
    if (n == 0) {
      return oq_io_fail(err, OQ_E_DATA,
                        "put it into a folder named after its class, or use "
                        "--labels FILE",
                        "%.200s: lies in no sub-folder, so it has no label",
                        name);
    }
    /* Files are sorted, so doubles follow each other; find_class is for
     * several --data. */
    if (i != 0 && strncmp(t->file[i - 1].name, name, n + 1) == 0) continue;
    if (find_class(l, name, n) >= 0) continue;
    if (!oq_io_list_push(&l->classes, oq_io_pool_copy(&l->pool, name, n))) {
      return oq_io_fail_memory(err);
    }
  }
  oq_io_list_sort(&l->classes);
  return OQ_OK;
}

static oq_status label_by_folder(oq_labels *l, const oq_samples *s,
                                 oq_io_error *err) {
  if (l->classes.n == 0) {
    OQ_IO_TRY(classes_from_folders(l, oq_samples_name_track(s), err));
  }
  for (uint64_t i = 0; i < l->n; i++) {
    const char *const name = oq_samples_name(s, i);
    const int64_t k = find_class(l, name, top_folder(name));
    if (k < 0) {
      return oq_io_fail(err, OQ_E_DATA, NULL,
                        "%.200s: its sub-folder is not one of the classes",
                        name);
    }
    l->label[i] = k + l->offset;
  }
  return OQ_OK;
}

/* ---- label files -------------------------------------------------------- */

typedef struct entry {
  const char *path;
  int64_t label;
} entry;

typedef struct table {
  entry *item;
  size_t n, room;
} table;

static int compare_entries(const void *a, const void *b) {
  const entry *const x = a;
  const entry *const y = b;

  return strcmp(x->path, y->path);
}

static int compare_base_names(const void *a, const void *b) {
  const entry *const x = a;
  const entry *const y = b;

  return strcmp(oq_io_base_name(x->path), oq_io_base_name(y->path));
}

/* "path class", the path may hold spaces. */
static oq_status take_line(table *t, const oq_labels *l, char *text,
                           const char *file, size_t number, oq_io_error *err) {
  size_t n = strlen(text);
  void *items = t->item;
  int64_t label;

  while (n != 0 && strchr(" \t\r", text[n - 1]) != NULL) text[--n] = 0;
  if (n == 0 || text[0] == '#') return OQ_OK;
  size_t at = n;
  while (at != 0 && text[at - 1] != ' ' && text[at - 1] != '\t') at--;
  const char *const word = text + at;
  const size_t length = n - at;
  while (at != 0 && (text[at - 1] == ' ' || text[at - 1] == '\t')) at--;
  if (at == 0) {
    return oq_io_fail(err, OQ_E_DATA, NULL,
                      "%s:%zu: not a `relative/path class` line", file, number);
  }
  text[at] = 0;
  if (!oq_io_parse_i64(&label, word, length)) {
    label = find_class(l, word, length);
    if (label < 0) {
      return oq_io_fail(err, OQ_E_DATA,
                        l->classes.n == 0 ? "name the classes in their order: "
                                            "--classes a,b,c"
                                          : NULL,
                        "%s:%zu: class '%.80s' is neither a number nor one of "
                        "the classes",
                        file, number, word);
    }
  }
  if (label < 0 || label > INT32_MAX) {
    return oq_io_fail(err, OQ_E_DATA, NULL, "%s:%zu: class %lld", file, number,
                      (long long)label);
  }
  if (!oq_io_grow(&items, &t->room, t->n, sizeof *t->item)) {
    return oq_io_fail_memory(err);
  }
  t->item = items;
  t->item[t->n++] = (entry){text, label};
  return OQ_OK;
}

static oq_status read_table(table *t, oq_labels *l, const char *file,
                            oq_io_error *err) {
  char *text = NULL;

  OQ_IO_TRY(slurp_text(&text, l, file, err));
  for (size_t number = 1; text != NULL; number++) {
    char *const line = text;
    text = strchr(line, '\n');
    if (text != NULL) *text++ = 0;
    OQ_IO_TRY(take_line(t, l, line, file, number, err));
  }
  if (t->n > 1) qsort(t->item, t->n, sizeof *t->item, compare_entries);
  for (size_t i = 1; i < t->n; i++) {
    if (strcmp(t->item[i - 1].path, t->item[i].path) == 0 &&
        t->item[i - 1].label != t->item[i].label) {
      return oq_io_fail(err, OQ_E_DATA, NULL, "%s: '%.200s' has two classes",
                        file, t->item[i].path);
    }
  }
  return OQ_OK;
}

/* Samples whose path is not in the file: by file name, if it occurs once. */
static const entry *find_by_base_name(const table *t, const char *name) {
  const entry wanted = {name, 0};
  const entry *const e =
      t->n != 0
          ? bsearch(&wanted, t->item, t->n, sizeof *t->item, compare_base_names)
          : NULL;

  if (e == NULL) return NULL;
  if (e != t->item && compare_base_names(e - 1, e) == 0) return NULL;
  if (e != t->item + t->n - 1 && compare_base_names(e, e + 1) == 0) return NULL;
  return e;
}

static oq_status fail_missing(oq_io_error *err, const char *file,
                              const char *first, uint64_t missing, uint64_t n) {
  return oq_io_fail(err, OQ_E_DATA,
                    "lines are `relative/path class`, with paths as below "
                    "--data",
                    "%.150s: %llu of %llu samples have no label, the first is "
                    "'%.150s'",
                    file, (unsigned long long)missing, (unsigned long long)n,
                    first);
}

static oq_status match_table(oq_labels *l, const oq_samples *s, table *t,
                             const char *file, oq_io_error *err) {
  const char *first = NULL;
  uint64_t missing = 0;

  for (uint64_t i = 0; i < l->n; i++) {
    const entry wanted = {oq_samples_name(s, i), 0};
    const entry *const e = t->n != 0 ? bsearch(&wanted, t->item, t->n,
                                               sizeof *t->item, compare_entries)
                                     : NULL;
    l->label[i] = e != NULL ? e->label + l->offset : INT64_MIN;
  }
  if (t->n > 1) qsort(t->item, t->n, sizeof *t->item, compare_base_names);
  for (uint64_t i = 0; i < l->n; i++) {
    if (l->label[i] != INT64_MIN) continue;
    const entry *const e = find_by_base_name(t, oq_samples_name(s, i));
    if (e != NULL) {
      l->label[i] = e->label + l->offset;
    } else if (missing++ == 0) {
      first = oq_samples_name(s, i);
    }
  }
  return missing == 0 ? OQ_OK : fail_missing(err, file, first, missing, l->n);
}

static oq_status label_by_file(oq_labels *l, const oq_samples *s,
                               const char *file, oq_io_error *err) {
  table t = {0};

  oq_status status = read_table(&t, l, file, err);
  if (status == OQ_OK) status = match_table(l, s, &t, file, err);
  free(t.item);
  return status;
}

/* ---- object ------------------------------------------------------------- */

static oq_status open_labels(oq_labels *l, const oq_samples *s,
                             const char *spec, const char *classes,
                             oq_io_error *err) {
  l->label = oq_io_pool_alloc(&l->pool, (size_t)(l->n + 1) * sizeof *l->label);
  if (l->label == NULL) return oq_io_fail_memory(err);
  OQ_IO_TRY(read_classes(l, classes, err));
  if (strcmp(spec, "folders") == 0) return label_by_folder(l, s, err);
  return label_by_file(l, s, spec, err);
}

oq_status oq_labels_open(oq_labels **out, const oq_samples *s, const char *spec,
                         const char *classes, int64_t offset,
                         oq_io_error *err) {
  oq_labels *const l = calloc(1, sizeof *l);

  if (l == NULL) return oq_io_fail_memory(err);
  l->n = oq_samples_count(s);
  l->offset = offset;
  const oq_status status =
      offset > INT32_MAX || offset < INT32_MIN
          ? oq_io_fail(err, OQ_E_ARGUMENT, NULL, "--label-offset %lld",
                       (long long)offset)
          : open_labels(l, s, spec, classes, err);
  if (status != OQ_OK) {
    oq_labels_destroy(l);
    return status;
  }
  *out = l;
  return OQ_OK;
}

void oq_labels_destroy(oq_labels *l) {
  if (l == NULL) return;
  oq_io_list_free(&l->classes);
  oq_io_pool_free(&l->pool);
  free(l);
}

int64_t oq_labels_class(const oq_labels *l, uint64_t i) {
  return i < l->n ? l->label[i] : -1;
}

const char *oq_labels_name(const oq_labels *l, int64_t label) {
  const int64_t i = label - l->offset;

  return i >= 0 && (uint64_t)i < l->classes.n ? l->classes.item[i] : NULL;
}

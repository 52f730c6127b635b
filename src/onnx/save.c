/* onnx/save.c - a model as a file, or as a file and one with its tensors. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* lstat */
#endif
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/errno_text.h"
#include "base/limits.h"
#include "base/map.h"
#include "onnx/codec.h"
#include "onnx/encode.h"

#define OQ_EXTERNAL_AT_LEAST 1024
/* Readers map the file: a tensor begins on a page of its own. */
#define OQ_EXTERNAL_ALIGN 4096

typedef struct saver {
  const oq_model_ir *m;
  const oq_env *e;
  oq_arena *arena;                  /* names, placement */
  const char *path, *folder, *base; /* folder ends with '/', or is "" */
  bool keep_unchanged;
  oq_placement place;
  const char *data_path; /* of the data file */
  bool data_is_new;
} saver;

static oq_status no_memory(const saver *s) {
  return oq_fail_memory(s->e->diags);
}

/* ---- the bytes of the data file ----------------------------------------- */
typedef oq_status (*take_fn)(void *user, const void *p, size_t n);

static oq_status emit_zeros(take_fn take, void *user, uint64_t n) {
  static const uint8_t zeros[OQ_EXTERNAL_ALIGN] = {0};

  while (n != 0) {
    const size_t k = n < sizeof zeros ? (size_t)n : sizeof zeros;
    OQ_TRY(take(user, zeros, k));
    n -= k;
  }
  return OQ_OK;
}

/* A constant as raw numbers, which for most is where they are already. */
static oq_status emit_const(const saver *s, const oq_const *c, take_fn take,
                            void *user) {
  const oq_blob *b = c->blob;
  oq_ctensor t;
  size_t n;

  if (b->encoding == OQ_ENC_RAW && b->store != NULL) {
    return take(user, oq_store_data(b->store, &n) + b->offset, b->size);
  }
  const oq_mark mark = oq_arena_mark(s->e->scratch);
  oq_status st = oq_const_view(&t, c, s->e->scratch, s->e->diags);
  if (st == OQ_OK) st = take(user, t.data, t.size);
  oq_arena_rewind(s->e->scratch, mark);
  return st;
}

static oq_status emit_data(const saver *s, take_fn take, void *user) {
  uint64_t at = 0;

  for (uint32_t i = 0; i < s->place.list.n; i++) {
    const oq_placed *p = &s->place.list.p[i];
    OQ_TRY(emit_zeros(take, user, p->offset - at));
    OQ_TRY(emit_const(s, p->c, take, user));
    at = p->offset + p->size;
  }
  return OQ_OK;
}

static oq_status take_digest(void *user, const void *p, size_t n) {
  uint64_t *h = (uint64_t *)user;

  *h = oq_hash_bytes(p, n, *h);
  return OQ_OK;
}

static oq_status take_sink(void *user, const void *p, size_t n) {
  return oq_sink_write((oq_sink *)user, p, n);
}

typedef struct comparison {
  const uint8_t *p;
  size_t n;
  bool equal;
} comparison;

static oq_status take_compare(void *user, const void *p, size_t n) {
  comparison *c = (comparison *)user;

  if (!c->equal) return OQ_OK;
  c->equal = n <= c->n && memcmp(c->p, p, n) == 0;
  if (c->equal) {
    c->p += n;
    c->n -= n;
  }
  return OQ_OK;
}

/* ---- its name ----------------------------------------------------------- */
static bool exists(const char *path) {
  struct stat st;

  return lstat(path, &st) == 0;
}

static oq_status holds_data(const saver *s, const char *path, bool *out) {
  oq_store *file = NULL;
  struct stat st;
  comparison c = {NULL, 0, true};

  *out = false;
  if (lstat(path, &st) != 0 || !S_ISREG(st.st_mode) || st.st_nlink != 1 ||
      (uint64_t)st.st_size != s->place.size) {
    return OQ_OK;
  }
  OQ_TRY(oq_store_map(&file, path, INT64_MAX, s->e->alloc, s->e->diags));
  c.p = oq_store_data(file, &c.n);
  const oq_status status = emit_data(s, take_compare, &c);
  *out = c.equal && c.n == 0;
  oq_store_unref(file);
  return status;
}

static oq_status set_data_name(saver *s, const char *name) {
  s->place.location = name;
  s->data_path =
      name != NULL ? oq_arena_format(s->arena, "%s%s", s->folder, name) : NULL;
  return s->data_path != NULL ? OQ_OK : no_memory(s);
}

/* A name that is free, or whose file holds these very bytes: no file is ever
 * overwritten, so whatever refers to one keeps its tensors. */
static oq_status choose_data_name(saver *s) {
  uint64_t digest = 0;
  bool same = false;

  s->data_is_new = true;
  OQ_TRY(set_data_name(s, oq_arena_format(s->arena, "%s.data", s->base)));
  if (!exists(s->data_path)) return OQ_OK;
  OQ_TRY(holds_data(s, s->data_path, &same));
  if (!same) {
    OQ_TRY(emit_data(s, take_digest, &digest));
    OQ_TRY(
        set_data_name(s, oq_arena_format(s->arena, "%s.%016llx.data", s->base,
                                         (unsigned long long)digest)));
    if (!exists(s->data_path)) return OQ_OK;
    OQ_TRY(holds_data(s, s->data_path, &same));
  }
  s->data_is_new = false;
  if (same) return OQ_OK;
  return oq_fail(s->e->diags, OQ_E_IO, "external.name", NULL,
                 "the data file '%s' exists already and holds something else",
                 s->data_path);
}

/* Bytes in `base`.data or `base`.<16 hex digits>.data, our names. */
static bool is_data_name(const saver *s, const char *name) {
  const size_t n = strlen(s->base);

  if (strncmp(name, s->base, n) != 0) return false;
  name += n;
  if (strcmp(name, ".data") == 0) return true;
  return strlen(name) == 22 && name[0] == '.' &&
         strspn(name + 1, "0123456789abcdef") == 16 &&
         strcmp(name + 17, ".data") == 0;
}

/* ---- what the model replaced leaves behind ------------------------------ */
typedef struct stale {
  const char *name;
} stale;
typedef OQ_VEC(stale) stale_list;

static bool mentions(const uint8_t *p, size_t n, const char *text) {
  const size_t k = strlen(text);
  const uint8_t *at = p;

  while ((size_t)(p + n - at) >= k) {
    at = (const uint8_t *)memchr(at, text[0], (size_t)(p + n - at) - k + 1);
    if (at == NULL) return false;
    if (memcmp(at, text, k) == 0) return true;
    at++;
  }
  return false;
}

/* Data files with a name of ours that the old model at `path` speaks of.  What
 * cannot be found out stays where it is. */
static oq_status find_stale(saver *s, stale_list *list) {
  oq_store *old = NULL;
  oq_status status = OQ_OK;
  struct stat st;
  size_t n;

  /* Not of a pipe: what it says would be gone. */
  if (stat(s->path, &st) != 0 || !S_ISREG(st.st_mode)) return OQ_OK;
  DIR *dir = opendir(s->folder[0] != '\0' ? s->folder : ".");
  if (dir == NULL) return OQ_OK;
  if (oq_store_map(&old, s->path, OQ_MAX_MODEL_BYTES, s->e->alloc, NULL) ==
      OQ_OK) {
    const uint8_t *p = oq_store_data(old, &n);
    for (const struct dirent *d; status == OQ_OK && (d = readdir(dir));) {
      if (!is_data_name(s, d->d_name) || !mentions(p, n, d->d_name)) continue;
      const stale x = {
          oq_arena_copy_text(s->arena, d->d_name, strlen(d->d_name))};
      if (x.name == NULL || !oq_vec_push(s->arena, list, x)) {
        status = no_memory(s);
      }
    }
    oq_store_unref(old);
  }
  closedir(dir);
  return status;
}

static void remove_file(const saver *s, const char *path) {
  char text[OQ_ERRNO_TEXT];

  if (unlink(path) == 0 || errno == ENOENT) return;
  oq_warn(s->e->diags, "external.stale", NULL,
          "the data file '%s' is no longer used but cannot be removed: %s",
          path, oq_errno_text(text, errno));
}

static void remove_stale(saver *s, const stale_list *list) {
  for (uint32_t i = 0; i < list->n; i++) {
    const char *name = list->p[i].name;
    if (s->place.location != NULL && strcmp(name, s->place.location) == 0) {
      continue;
    }
    const char *path = oq_arena_format(s->arena, "%s%s", s->folder, name);
    if (path != NULL) remove_file(s, path);
  }
}

/* ---- writing ------------------------------------------------------------ */
static oq_status write_data(saver *s) {
  oq_sink *to = NULL;

  if (!s->data_is_new) return OQ_OK;
  OQ_TRY(oq_sink_open_file(&to, s->data_path, false, s->e->alloc, s->e->diags));
  oq_status status = emit_data(s, take_sink, to);
  if (status == OQ_OK) status = oq_sink_commit(to);
  oq_sink_close(to);
  return status;
}

static oq_status write_model(saver *s) {
  const oq_placement *x = s->place.location != NULL ? &s->place : NULL;
  oq_sink *to = NULL;

  OQ_TRY(oq_sink_open_file(&to, s->path, s->keep_unchanged, s->e->alloc,
                           s->e->diags));
  oq_status status = oq_encode_to(s->m, x, to, s->e);
  if (status == OQ_OK) status = oq_sink_commit(to);
  oq_sink_close(to);
  return status;
}

static oq_status wants_data_file(const saver *s, oq_external_data mode,
                                 bool *out) {
  uint64_t size;

  *out = mode == OQ_EXTERNAL_ALWAYS;
  if (mode != OQ_EXTERNAL_AUTO) return OQ_OK;
  OQ_TRY(oq_onnx_encoded_size(&size, s->m, s->e));
  *out = size > OQ_MAX_MODEL_BYTES;
  return OQ_OK;
}

static oq_status split_path(saver *s) {
  const char *slash = strrchr(s->path, '/');

  s->base = slash != NULL ? slash + 1 : s->path;
  s->folder =
      oq_arena_copy_text(s->arena, s->path, (size_t)(s->base - s->path));
  return s->folder != NULL ? OQ_OK : no_memory(s);
}

static oq_status save(saver *s, oq_external_data mode) {
  stale_list old = {0};
  bool data;

  OQ_TRY(split_path(s));
  OQ_TRY(wants_data_file(s, mode, &data));
  if (data) {
    s->place.at_least = OQ_EXTERNAL_AT_LEAST;
    s->place.align = OQ_EXTERNAL_ALIGN;
    OQ_TRY(oq_encode_place(&s->place, s->m, s->arena, s->e));
  }
  if (s->place.list.n != 0) {
    OQ_TRY(choose_data_name(s));
    OQ_TRY(write_data(s));
  }
  oq_status status = find_stale(s, &old);
  if (status == OQ_OK) status = write_model(s);
  if (status == OQ_OK) {
    remove_stale(s, &old);
  } else if (s->place.list.n != 0 && s->data_is_new) {
    remove_file(s, s->data_path);
  }
  return status;
}

oq_status oq_onnx_save(const oq_model_ir *m, const char *path,
                       oq_external_data mode, bool keep_unchanged,
                       const oq_env *e) {
  saver s = {.m = m, .e = e, .path = path, .keep_unchanged = keep_unchanged};

  if (oq_arena_create(&s.arena, e->alloc, 0) != OQ_OK) {
    return oq_fail_memory(e->diags);
  }
  const oq_status status = save(&s, mode);
  oq_arena_destroy(s.arena);
  return status;
}

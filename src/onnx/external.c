/* onnx/external.c - opens nothing but regular files below the model's folder,
 * reached without symbolic links and known under one name only. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* O_PATH, syscall */
#endif
#include "onnx/external.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/errno_text.h"
#include "base/vec.h"

#define MAX_LOCATION 4096

typedef struct opened {
  const char *location;
  dev_t dev;
  ino_t ino;
  oq_store *store;
} opened;

struct oq_external {
  const char *base_dir;
  oq_arena *arena;
  const oq_env *env;
  OQ_VEC(opened) files;
};

oq_status oq_external_create(oq_external **out, const char *base_dir,
                             oq_arena *a, const oq_env *e) {
  oq_external *x = OQ_NEW(a, oq_external);

  if (x == NULL) return oq_fail_memory(e->diags);
  x->base_dir = base_dir;
  x->arena = a;
  x->env = e;
  *out = x;
  return OQ_OK;
}

void oq_external_destroy(oq_external *x) {
  if (x == NULL) return;
  for (uint32_t i = 0; i < x->files.n; i++) oq_store_unref(x->files.p[i].store);
  x->files.n = 0;
}

/* ---- the path ----------------------------------------------------------- */
/* Bytes of the UTF-8 sequence at p[0..n), 0 if it is none. */
static size_t utf8_length(const uint8_t *p, size_t n) {
  static const struct {
    uint8_t lead_from, lead_to, second_from, second_to, length;
  } forms[] = {{0x01, 0x7f, 0, 0, 1},       {0xc2, 0xdf, 0x80, 0xbf, 2},
               {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
               {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
               {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4},
               {0xf4, 0xf4, 0x80, 0x8f, 4}};

  for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
    const size_t length = forms[i].length;
    if (p[0] < forms[i].lead_from || p[0] > forms[i].lead_to) continue;
    if (length > n) return 0;
    if (length > 1 &&
        (p[1] < forms[i].second_from || p[1] > forms[i].second_to)) {
      return 0;
    }
    for (size_t k = 2; k < length; k++) {
      if ((p[k] & 0xc0) != 0x80) return 0;
    }
    return length;
  }
  return 0;
}

static bool is_utf8(const char *text, size_t n) {
  const uint8_t *p = (const uint8_t *)text;

  while (n != 0) {
    const size_t length = utf8_length(p, n);
    if (length == 0) return false;
    p += length;
    n -= length;
  }
  return true;
}

static bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* The next part of a path between slashes; false at the end. */
static bool next_part(const char **p, const char *end, const char **part,
                      size_t *n) {
  while (*p < end && **p == '/') (*p)++;
  if (*p == end) return false;
  *part = *p;
  while (*p < end && **p != '/') (*p)++;
  *n = (size_t)(*p - *part);
  return true;
}

const char *oq_external_check_location(const char *location, size_t n) {
  const char *p = location, *part;
  size_t length;

  if (n == 0) return "is empty";
  if (n > MAX_LOCATION) return "is too long";
  if (memchr(location, 0, n) != NULL) return "contains a NUL byte";
  if (!is_utf8(location, n)) return "is not UTF-8";
  if (memchr(location, '\\', n) != NULL) return "contains a backslash";
  if (location[0] == '/') return "is absolute";
  if (n >= 2 && location[1] == ':' && is_letter(location[0])) {
    return "names a drive";
  }
  if (location[n - 1] == '/') return "names a folder";
  while (next_part(&p, location + n, &part, &length)) {
    if (length == 2 && part[0] == '.' && part[1] == '.') {
      return "leaves the model's folder by '..'";
    }
  }
  return NULL;
}

/* ---- opening ------------------------------------------------------------ */
#define FILE_FLAGS (O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)

/* Where the kernel has no openat2: part by part, following no link. */
static int open_parts(int dir, const char *location) {
  const char *p = location, *const end = location + strlen(location);
  const char *part;
  size_t n;
  int at = fcntl(dir, F_DUPFD_CLOEXEC, 0);

  while (at >= 0 && next_part(&p, end, &part, &n)) {
    char name[256];
    const bool last = p == end;
    if (n >= sizeof name) {
      close(at);
      errno = ENAMETOOLONG;
      return -1;
    }
    memcpy(name, part, n);
    name[n] = '\0';
    const int next = openat(
        at, name,
        O_NOFOLLOW | (last ? FILE_FLAGS : O_PATH | O_DIRECTORY | O_CLOEXEC));
    const int error = errno;
    close(at);
    errno = error;
    at = next;
  }
  return at;
}

int oq_external_open(int dir, const char *location, bool by_kernel) {
  if (!by_kernel) return open_parts(dir, location);
  struct open_how how = {
      .flags = FILE_FLAGS,
      .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};
  const long fd = syscall(SYS_openat2, dir, location, &how, sizeof how);

  if (fd >= 0) return (int)fd;
  /* EPERM: sandboxes refuse system calls that they do not know. */
  if (errno != ENOSYS && errno != EPERM && errno != EINVAL) return -1;
  return open_parts(dir, location);
}

static oq_status refuse(oq_external *x, const oq_where *w, const char *location,
                        const char *why, const char *hint) {
  oq_where where = *w;

  where.hint = hint;
  return oq_fail(x->env->diags, OQ_E_MODEL, "external.location", &where,
                 "the data file '%s' %s", location, why);
}

static oq_status fail_open(oq_external *x, const oq_where *w,
                           const char *location, int error) {
  if (error == ENOTDIR) {
    return refuse(x, w, location,
                  "is reached through something that is not a folder", NULL);
  }
  if (error == ELOOP || error == EXDEV) {
    return refuse(x, w, location, "is reached through a symbolic link",
                  "copy the file itself beside the model");
  }
  char text[OQ_ERRNO_TEXT];
  return oq_fail(x->env->diags, OQ_E_IO, "external.open", w,
                 "the data file '%s' cannot be opened: %s", location,
                 oq_errno_text(text, error));
}

/* Sizes of other kinds of file mean nothing, and a second name may be that of
 * a file the model's author could not read. */
static oq_status check_file(oq_external *x, const oq_where *w,
                            const char *location, const struct stat *st) {
  if (!S_ISREG(st->st_mode)) {
    return refuse(x, w, location, "is not a regular file", NULL);
  }
  if (st->st_nlink > 1) {
    return refuse(x, w, location, "has several names (hard links)",
                  "copy the file, so that it has one name only");
  }
  return OQ_OK;
}

static oq_status remember(oq_external *x, oq_store **out, bool *is_new, int fd,
                          const char *location, const struct stat *st) {
  opened file = {location, st->st_dev, st->st_ino, NULL};

  *is_new = true;
  for (uint32_t i = 0; i < x->files.n; i++) {
    const opened *o = &x->files.p[i];
    if (o->dev == file.dev && o->ino == file.ino) {
      file.store = oq_store_ref(o->store);
      *is_new = false;
      break;
    }
  }
  if (file.store == NULL) {
    OQ_TRY(oq_store_map_fd(&file.store, fd, location, INT64_MAX, x->env->alloc,
                           x->env->diags));
  }
  if (!oq_vec_push(x->arena, &x->files, file)) {
    oq_store_unref(file.store);
    return oq_fail_memory(x->env->diags);
  }
  *out = file.store;
  return OQ_OK;
}

static oq_status open_file(oq_external *x, oq_store **out, bool *is_new,
                           const char *location, const oq_where *w) {
  const int dir = open(x->base_dir[0] != '\0' ? x->base_dir : ".",
                       O_PATH | O_DIRECTORY | O_CLOEXEC);
  struct stat st;
  oq_status s;

  if (dir < 0) return fail_open(x, w, location, errno);
  const int fd = oq_external_open(dir, location, true);
  const int error = errno;
  close(dir);
  if (fd < 0) return fail_open(x, w, location, error);
  if (fstat(fd, &st) != 0) {
    s = fail_open(x, w, location, errno);
  } else {
    s = check_file(x, w, location, &st);
  }
  if (s == OQ_OK) s = remember(x, out, is_new, fd, location, &st);
  close(fd);
  return s;
}

oq_status oq_external_map(oq_store **out, bool *is_new, oq_external *x,
                          const char *location, size_t n, const oq_where *w) {
  const char *text = oq_arena_copy_text(x->arena, location, n);

  if (text == NULL) return oq_fail_memory(x->env->diags);
  const char *wrong = oq_external_check_location(location, n);
  if (wrong != NULL) return refuse(x, w, text, wrong, NULL);
  if (x->base_dir == NULL) {
    return refuse(x, w, text,
                  "is not available: the model came without a "
                  "folder",
                  "load the model from its file");
  }
  for (uint32_t i = 0; i < x->files.n; i++) {
    if (strcmp(x->files.p[i].location, text) == 0) {
      *out = x->files.p[i].store;
      *is_new = false;
      return OQ_OK;
    }
  }
  return open_file(x, out, is_new, text, w);
}

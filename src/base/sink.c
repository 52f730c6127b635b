/* base/sink.c - files that are either whole or not there. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* O_NOFOLLOW, O_DIRECTORY, the *at functions */
#endif
#include "base/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/errno_text.h"

#define BUFFER ((size_t)1 << 16)
#define MAX_LINKS 40      /* what Linux follows itself */
#define MAX_ATTEMPTS 1000 /* at a name that nobody has */

struct oq_sink {
  oq_alloc *alloc;
  oq_arena *arena; /* paths and buffer */
  oq_diags *diags;
  oq_status failed; /* the first failure */
  uint64_t written;
  uint8_t *buffer;
  size_t n; /* bytes in it */
  oq_status (*call)(void *user, const void *p, size_t n);
  void *user;
  const char *path; /* as the caller gave it */
  int fd, dir;
  const char *name; /* of the target in `dir` */
  const char *temp; /* of the temporary file; NULL: written in place */
  bool keep_unchanged, done;
};

static oq_status fail_errno(oq_sink *s, const char *what, int err) {
  char text[OQ_ERRNO_TEXT];

  s->failed = oq_fail(s->diags, OQ_E_IO, "file.write", NULL, "%s: %s: %s",
                      s->path, what, oq_errno_text(text, err));
  return s->failed;
}

static oq_status fail_memory(oq_sink *s) {
  s->failed = oq_fail_memory(s->diags);
  return s->failed;
}

/* ---- where the bytes go ------------------------------------------------- */

/* The text of a link, relative to the folder the link stands in. */
static oq_status read_link(oq_sink *s, const char **path) {
  char to[PATH_MAX];
  const char *const slash = strrchr(*path, '/');

  const ssize_t n = readlink(*path, to, sizeof to - 1);
  if (n < 0) return fail_errno(s, "following the link", errno);
  to[n] = '\0';
  const int folder =
      to[0] == '/' || slash == NULL ? 0 : (int)(slash - *path + 1);
  *path = oq_arena_format(s->arena, "%.*s%s", folder, *path, to);
  return *path != NULL ? OQ_OK : fail_memory(s);
}

/* The file that `path` names in the end; it need not exist. */
static oq_status follow_links(oq_sink *s, const char **path) {
  struct stat st;

  for (int i = 0; i < MAX_LINKS; i++) {
    if (lstat(*path, &st) != 0) {
      if (errno == ENOENT) return OQ_OK;
      return fail_errno(s, "opening", errno);
    }
    if (!S_ISLNK(st.st_mode)) return OQ_OK;
    OQ_TRY(read_link(s, path));
  }
  return fail_errno(s, "following the link", ELOOP);
}

/* /dev/stdout and its like: the descriptor is meant, not the name behind it. */
static bool is_descriptor(const char *path) {
  static const char *const of[] = {"/dev/std", "/dev/fd/", "/proc/"};

  for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
    if (strncmp(path, of[i], strlen(of[i])) == 0) return true;
  }
  return false;
}

static oq_status open_in_place(oq_sink *s, int flags) {
  do {
    s->fd = open(s->path, O_WRONLY | O_CLOEXEC | O_NOCTTY | flags);
  } while (s->fd < 0 && errno == EINTR);
  return s->fd >= 0 ? OQ_OK : fail_errno(s, "opening", errno);
}

static oq_status open_folder(oq_sink *s, const char *path) {
  const char *const slash = strrchr(path, '/');
  const char *folder = ".";

  s->name = slash != NULL ? slash + 1 : path;
  if (*s->name == '\0') return fail_errno(s, "opening", EISDIR);
  if (slash != NULL) {
    /* The slash stays: "/" is a folder, "" is not. */
    folder = oq_arena_copy_text(s->arena, path, (size_t)(slash - path) + 1);
    if (folder == NULL) return fail_memory(s);
  }
  do {
    s->dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  } while (s->dir < 0 && errno == EINTR);
  return s->dir >= 0 ? OQ_OK : fail_errno(s, "opening its folder", errno);
}

/* A file of our own beside the target.  Its name need not be secret: O_EXCL
 * refuses whatever stands there already, links included. */
static oq_status open_temporary(oq_sink *s, const struct stat *old) {
  const int keep = 200; /* of the name; NAME_MAX is 255 */

  for (int i = 0; i < MAX_ATTEMPTS; i++) {
    const char *temp = oq_arena_format(s->arena, ".%.*s.%ld-%d.tmp", keep,
                                       s->name, (long)getpid(), i);
    if (temp == NULL) return fail_memory(s);
    /* 0666: the kernel takes the umask off. */
    s->fd = openat(s->dir, temp,
                   O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (s->fd >= 0) {
      s->temp = temp;
      if (old != NULL && fchmod(s->fd, old->st_mode & 0777) != 0) {
        return fail_errno(s, "setting its mode", errno);
      }
      return OQ_OK;
    }
    if (errno != EEXIST && errno != EINTR) break;
  }
  return fail_errno(s, "creating a temporary file beside it", errno);
}

static oq_status open_target(oq_sink *s) {
  struct stat st;
  const char *path = s->path;
  const bool exists = stat(path, &st) == 0;

  if (exists && S_ISDIR(st.st_mode)) return fail_errno(s, "opening", EISDIR);
  if (exists && (S_ISCHR(st.st_mode) || S_ISFIFO(st.st_mode))) {
    return open_in_place(s, 0);
  }
  if (exists && !S_ISREG(st.st_mode)) {
    return s->failed = oq_fail(s->diags, OQ_E_IO, "file.write", NULL,
                               "%s: not a file that can be written", s->path);
  }
  if (is_descriptor(path)) return open_in_place(s, O_APPEND);
  OQ_TRY(follow_links(s, &path));
  OQ_TRY(open_folder(s, path));
  return open_temporary(s, exists ? &st : NULL);
}

/* ---- making and ending -------------------------------------------------- */

static oq_status sink_new(oq_sink **out, oq_alloc *a, oq_diags *d) {
  oq_sink *s = (oq_sink *)oq_alloc_get(a, sizeof *s, _Alignof(oq_sink));

  if (s == NULL) return oq_fail_memory(d);
  memset(s, 0, sizeof *s);
  s->alloc = a;
  s->diags = d;
  s->fd = s->dir = -1;
  if (oq_arena_create(&s->arena, a, 0) == OQ_OK) {
    s->buffer = (uint8_t *)oq_arena_alloc_raw(s->arena, BUFFER, 1, OQ_ALIGN);
  }
  if (s->buffer == NULL) {
    oq_sink_close(s);
    return oq_fail_memory(d);
  }
  *out = s;
  return OQ_OK;
}

oq_status oq_sink_open_file(oq_sink **out, const char *path,
                            bool keep_unchanged, oq_alloc *a, oq_diags *d) {
  oq_sink *s = NULL;

  OQ_TRY(sink_new(&s, a, d));
  s->keep_unchanged = keep_unchanged;
  s->path = oq_arena_copy_text(s->arena, path, strlen(path));
  const oq_status st = s->path != NULL ? open_target(s) : fail_memory(s);
  if (st != OQ_OK) {
    oq_sink_close(s);
    return st;
  }
  *out = s;
  return OQ_OK;
}

oq_status oq_sink_open_call(oq_sink **out,
                            oq_status (*write)(void *user, const void *p,
                                               size_t n),
                            void *user, oq_alloc *a, oq_diags *d) {
  oq_sink *s = NULL;

  OQ_TRY(sink_new(&s, a, d));
  s->call = write;
  s->user = user;
  *out = s;
  return OQ_OK;
}

void oq_sink_close(oq_sink *s) {
  if (s == NULL) return;
  if (s->fd >= 0) (void)close(s->fd);
  if (s->temp != NULL && !s->done) (void)unlinkat(s->dir, s->temp, 0);
  if (s->dir >= 0) (void)close(s->dir);
  oq_arena_destroy(s->arena);
  oq_alloc_put(s->alloc, s, sizeof *s);
}

/* ---- writing ------------------------------------------------------------ */

static oq_status put(oq_sink *s, const uint8_t *p, size_t n) {
  if (s->call != NULL) {
    s->failed = s->call(s->user, p, n);
    return s->failed == OQ_OK
               ? OQ_OK
               : oq_fail(s->diags, s->failed, "write.refused", NULL,
                         "the caller's function did not take %zu bytes", n);
  }
  while (n != 0) {
    const ssize_t done = write(s->fd, p, n);
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) return fail_errno(s, "writing", errno);
    p += done;
    n -= (size_t)done;
  }
  return OQ_OK;
}

static oq_status flush(oq_sink *s) {
  const size_t n = s->n;

  s->n = 0;
  return n != 0 ? put(s, s->buffer, n) : OQ_OK;
}

static oq_status fail_done(oq_sink *s) {
  return s->failed = oq_fail(s->diags, OQ_E_STATE, "write.after_commit", NULL,
                             "bytes for a file that is finished already");
}

oq_status oq_sink_write(oq_sink *s, const void *p, size_t n) {
  if (s->failed != OQ_OK) return s->failed;
  if (s->done) return fail_done(s);
  if (n > BUFFER - s->n) OQ_TRY(flush(s));
  if (n >= BUFFER) {
    OQ_TRY(put(s, (const uint8_t *)p, n));
  } else if (n != 0) {
    memcpy(s->buffer + s->n, p, n);
    s->n += n;
  }
  s->written += n;
  return OQ_OK;
}

uint64_t oq_sink_written(const oq_sink *s) { return s->written; }

/* ---- committing --------------------------------------------------------- */

/* Bytes of `fd` at `at`, fewer than n only at the end; -1 on failure. */
static ssize_t read_at(int fd, uint8_t *p, size_t n, off_t at) {
  size_t have = 0;

  while (have < n) {
    const ssize_t got = pread(fd, p + have, n - have, at + (off_t)have);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return -1;
    if (got == 0) break;
    have += (size_t)got;
  }
  return (ssize_t)have;
}

static bool same_bytes(const oq_sink *s, int old) {
  const size_t half = BUFFER / 2; /* the buffer is empty by now */
  struct stat st;

  if (fstat(old, &st) != 0 || !S_ISREG(st.st_mode)) return false;
  if ((uint64_t)st.st_size != s->written) return false;
  for (off_t at = 0;; at += (off_t)half) {
    const ssize_t n = read_at(old, s->buffer, half, at);
    if (n < 0 || n != read_at(s->fd, s->buffer + half, half, at)) return false;
    if (memcmp(s->buffer, s->buffer + half, (size_t)n) != 0) return false;
    if ((size_t)n < half) return true;
  }
}

/* Whatever cannot be read is not the same: then it is replaced. */
static bool is_unchanged(const oq_sink *s) {
  const int old = openat(s->dir, s->name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

  if (old < 0) return false;
  const bool same = same_bytes(s, old);
  (void)close(old);
  return same;
}

static oq_status close_file(oq_sink *s) {
  const int fd = s->fd;

  s->fd = -1; /* closed even where close fails */
  if (close(fd) != 0 && errno != EINTR) return fail_errno(s, "closing", errno);
  return OQ_OK;
}

/* EINVAL: a file system that has nothing to be made durable. */
static oq_status make_durable(oq_sink *s, int fd) {
  int r;

  do { r = fsync(fd); } while (r != 0 && errno == EINTR);
  return r == 0 || errno == EINVAL || errno == EROFS
             ? OQ_OK
             : fail_errno(s, "writing to the disk", errno);
}

static oq_status replace_target(oq_sink *s) {
  OQ_TRY(make_durable(s, s->fd));
  OQ_TRY(close_file(s));
  if (renameat(s->dir, s->temp, s->dir, s->name) != 0) {
    return fail_errno(s, "replacing it", errno);
  }
  s->done = true; /* from here on the temporary file is the target */
  return make_durable(s, s->dir);
}

oq_status oq_sink_commit(oq_sink *s) {
  if (s->failed != OQ_OK) return s->failed;
  if (s->done) return fail_done(s);
  OQ_TRY(flush(s));
  if (s->temp != NULL) {
    if (!(s->keep_unchanged && is_unchanged(s))) return replace_target(s);
    OQ_TRY(close_file(s));
    (void)unlinkat(s->dir, s->temp, 0);
  } else if (s->fd >= 0) {
    OQ_TRY(close_file(s));
  }
  s->done = true;
  return OQ_OK;
}

/* base/store.c - files, buffers and memory as immutable bytes. */
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif
#include "base/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/errno_text.h"

struct oq_store {
  oq_alloc *alloc;
  _Atomic uint32_t refs;
  const uint8_t *p;
  size_t n;
  void *map;   /* to unmap, size n */
  void *block; /* to give back ... */
  size_t block_size;
};

static const uint8_t nothing[1] = {0};

static oq_store *store_new(oq_alloc *a, const void *p, size_t n) {
  oq_store *s = (oq_store *)oq_alloc_get(a, sizeof *s, _Alignof(oq_store));

  if (s == NULL) return NULL;
  memset(s, 0, sizeof *s);
  s->alloc = a;
  s->p = n != 0 ? (const uint8_t *)p : nothing;
  s->n = n;
  atomic_init(&s->refs, 1);
  return s;
}

static oq_status fail_io(oq_diags *d, const char *path, const char *what,
                         int err) {
  char text[OQ_ERRNO_TEXT];

  return oq_fail(d, OQ_E_IO, "file.read", NULL, "%s: %s: %s", path, what,
                 oq_errno_text(text, err));
}

static oq_status fail_limit(oq_diags *d, const char *path, uint64_t max) {
  return oq_fail(d, OQ_E_LIMIT, "file.too_big", NULL,
                 "%s: larger than the limit of %llu bytes", path,
                 (unsigned long long)max);
}

/* Memory that grows while a file of unknown length is read. */
typedef struct buffer {
  oq_alloc *alloc;
  uint8_t *p;
  size_t n, size;
} buffer;

static bool buffer_grow(buffer *b, size_t size) {
  uint8_t *p = (uint8_t *)oq_alloc_get(b->alloc, size, OQ_ALIGN);

  if (p == NULL) return false;
  if (b->n != 0) memcpy(p, b->p, b->n);
  oq_alloc_put(b->alloc, b->p, b->size);
  b->p = p;
  b->size = size;
  return true;
}

/* Reads to the end of the file; the last byte of the buffer stays free, so
 * that a file as long as expected needs no growth to be seen to end. */
static oq_status read_all(buffer *b, int fd, const char *path, uint64_t max,
                          oq_diags *d) {
  for (;;) {
    if (b->n == b->size) {
      size_t size;
      if (!oq_mul_size(&size, b->size, 2) || !buffer_grow(b, size)) {
        return oq_fail_memory(d);
      }
    }
    const ssize_t n = read(fd, b->p + b->n, b->size - b->n);
    if (n == 0) return OQ_OK;
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_io(d, path, "reading", errno);
    b->n += (size_t)n;
    if (b->n > max) return fail_limit(d, path, max);
  }
}

static oq_status store_read_fd(oq_store **out, int fd, const char *path,
                               size_t expected, uint64_t max, oq_alloc *a,
                               oq_diags *d) {
  buffer b = {.alloc = a};
  oq_store *s = NULL;

  if (!buffer_grow(&b, expected < 65535 ? 65536 : expected + 1)) {
    return oq_fail_memory(d);
  }
  oq_status st = read_all(&b, fd, path, max, d);
  if (st == OQ_OK) {
    s = store_new(a, b.p, b.n);
    if (s == NULL) st = oq_fail_memory(d);
  }
  if (st != OQ_OK) {
    oq_alloc_put(a, b.p, b.size);
    return st;
  }
  s->block = b.p;
  s->block_size = b.size;
  *out = s;
  return OQ_OK;
}

static oq_status store_map_regular(oq_store **out, int fd, const char *path,
                                   size_t n, oq_alloc *a, oq_diags *d) {
  void *p = mmap(NULL, n, PROT_READ, MAP_PRIVATE, fd, 0);

  if (p == MAP_FAILED) return fail_io(d, path, "mapping", errno);
  oq_store *s = store_new(a, p, n);
  if (s == NULL) {
    (void)munmap(p, n);
    return oq_fail_memory(d);
  }
  s->map = p;
  *out = s;
  return OQ_OK;
}

static oq_status store_from_fd(oq_store **out, int fd, const char *path,
                               uint64_t max, bool may_map, oq_alloc *a,
                               oq_diags *d) {
  struct stat st;

  if (fstat(fd, &st) != 0)
    return fail_io(d, path, "asking for its size", errno);
  if (S_ISDIR(st.st_mode)) return fail_io(d, path, "reading", EISDIR);
  /* Files of /proc call themselves regular and empty, so those are read. */
  if (!S_ISREG(st.st_mode) || st.st_size == 0) {
    return store_read_fd(out, fd, path, 0, max, a, d);
  }
  if ((uint64_t)st.st_size > max || (uint64_t)st.st_size > PTRDIFF_MAX - 1) {
    return fail_limit(d, path, max);
  }
  const size_t size = (size_t)st.st_size;
  return may_map ? store_map_regular(out, fd, path, size, a, d)
                 : store_read_fd(out, fd, path, size, max, a, d);
}

static oq_status store_open(oq_store **out, const char *path, uint64_t max,
                            bool may_map, oq_alloc *a, oq_diags *d) {
  int fd;

  do {
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
  } while (fd < 0 && errno == EINTR);
  if (fd < 0) return fail_io(d, path, "opening", errno);
  const oq_status s = store_from_fd(out, fd, path, max, may_map, a, d);
  (void)close(fd);
  return s;
}

oq_status oq_store_map(oq_store **out, const char *path, uint64_t max,
                       oq_alloc *a, oq_diags *d) {
  return store_open(out, path, max, true, a, d);
}

oq_status oq_store_map_fd(oq_store **out, int fd, const char *path,
                          uint64_t max, oq_alloc *a, oq_diags *d) {
  return store_from_fd(out, fd, path, max, true, a, d);
}

oq_status oq_store_read(oq_store **out, const char *path, uint64_t max,
                        oq_alloc *a, oq_diags *d) {
  return store_open(out, path, max, false, a, d);
}

oq_status oq_store_wrap(oq_store **out, const void *p, size_t n, oq_alloc *a) {
  oq_store *s = store_new(a, p, n);

  if (s == NULL) return OQ_E_MEMORY;
  *out = s;
  return OQ_OK;
}

oq_status oq_store_new(oq_store **out, void **bytes, size_t n, oq_alloc *a) {
  size_t padded;

  if (!oq_add_size(&padded, n, OQ_ALIGN - 1)) return OQ_E_MEMORY;
  padded -= padded % OQ_ALIGN;
  if (padded == 0) padded = OQ_ALIGN;
  uint8_t *p = (uint8_t *)oq_alloc_get(a, padded, OQ_ALIGN);
  if (p == NULL) return OQ_E_MEMORY;
  oq_store *s = store_new(a, p, n);
  if (s == NULL) {
    oq_alloc_put(a, p, padded);
    return OQ_E_MEMORY;
  }
  memset(p + n, 0, padded - n); /* loops may read the padding */
  s->block = p;
  s->block_size = padded;
  *bytes = p;
  *out = s;
  return OQ_OK;
}

oq_store *oq_store_ref(oq_store *s) {
  if (s != NULL) atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
  return s;
}

void oq_store_unref(oq_store *s) {
  if (s == NULL) return;
  if (atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1) return;
  if (s->map != NULL) (void)munmap(s->map, s->n);
  oq_alloc_put(s->alloc, s->block, s->block_size);
  oq_alloc_put(s->alloc, s, sizeof *s);
}

const uint8_t *oq_store_data(const oq_store *s, size_t *n) {
  *n = s->n;
  return s->p;
}

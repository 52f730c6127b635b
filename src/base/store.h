/* base/store.h - immutable bytes, the one thing that is reference-counted:
 * a mapped file, a caller's buffer, or own memory.  Counts are atomic. */
#ifndef OQ_BASE_STORE_H
#define OQ_BASE_STORE_H

#include <stdint.h>

#include "base/diag.h"

typedef struct oq_store oq_store; /* `a` must outlive it */

/* Maps a regular file read-only, or reads what cannot be mapped (a pipe).
 * `max` in bytes; OQ_E_LIMIT beyond it, OQ_E_IO with errno's text.  A mapped
 * file must not shrink while the store lives: reading behind its new end is
 * SIGBUS.  Where somebody else may write the file, use oq_store_read. */
oq_status oq_store_map(oq_store **out, const char *path, uint64_t max,
                       oq_alloc *a, oq_diags *d);
/* Maps a file already open; the descriptor stays the caller's. */
oq_status oq_store_map_fd(oq_store **out, int fd, const char *path,
                          uint64_t max, oq_alloc *a, oq_diags *d);
/* Reads the file into own memory: nothing that happens to it later is seen. */
oq_status oq_store_read(oq_store **out, const char *path, uint64_t max,
                        oq_alloc *a, oq_diags *d);
/* The caller's bytes, which must outlive the store. */
oq_status oq_store_wrap(oq_store **out, const void *p, size_t n, oq_alloc *a);
/* Own bytes, aligned to OQ_ALIGN, filled by the caller, once. */
oq_status oq_store_new(oq_store **out, void **bytes, size_t n, oq_alloc *a);
oq_store *oq_store_ref(oq_store *s);
void oq_store_unref(oq_store *s); /* NULL is fine */
const uint8_t *oq_store_data(const oq_store *s, size_t *n);

#endif

/* base/sink.h - bytes out.  Sticky: after a failure every write fails, so that
 * only the end needs a check. */
#ifndef OQ_BASE_SINK_H
#define OQ_BASE_SINK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/diag.h"

typedef struct oq_sink oq_sink;

/* Writes to a temporary file beside `path`; commit is fsync + rename + fsync of
 * the folder, close without it discards.  `keep_unchanged`: if `path` already
 * holds the same bytes it is left alone.  Symbolic links are followed to the
 * file they name; the mode of an existing file is kept.  Terminals, pipes,
 * /dev/null and /dev/stdout are written in place.  `a` and `d` must outlive the
 * sink. */
oq_status oq_sink_open_file(oq_sink **out, const char *path,
                            bool keep_unchanged, oq_alloc *a, oq_diags *d);
/* `write` gets runs of at least 64 KiB, but for the last. */
oq_status oq_sink_open_call(oq_sink **out,
                            oq_status (*write)(void *user, const void *p,
                                               size_t n),
                            void *user, oq_alloc *a, oq_diags *d);
oq_status oq_sink_write(oq_sink *s, const void *p, size_t n);
/* Bytes given so far. */
uint64_t oq_sink_written(const oq_sink *s);
oq_status oq_sink_commit(oq_sink *s);
void oq_sink_close(oq_sink *s); /* NULL is fine */

#endif

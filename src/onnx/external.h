/* onnx/external.h - tensors in files of their own: the only place that opens a
 * path named by a model. */
#ifndef OQ_ONNX_EXTERNAL_H
#define OQ_ONNX_EXTERNAL_H

#include <stdbool.h>

#include "base/env.h"
#include "base/store.h"

/* The data files of one model, each mapped once. */
typedef struct oq_external oq_external;

/* `base_dir` NULL: every open is refused. */
oq_status oq_external_create(oq_external **out, const char *base_dir,
                             oq_arena *a, const oq_env *e);
/* Maps base_dir/location; `*is_new` says that the caller sees the store for the
 * first time.  Borrowed from `x`. */
oq_status oq_external_map(oq_store **out, bool *is_new, oq_external *x,
                          const char *location, size_t n, const oq_where *w);
void oq_external_destroy(oq_external *x); /* NULL is fine */

/* NULL if `location` may be opened below a folder, else what is wrong. */
const char *oq_external_check_location(const char *location, size_t n);

/* Opens `location` below folder `dir` through no symbolic link; -1 and errno.
 * `by_kernel`: try openat2 first, which is one step and so without races. */
int oq_external_open(int dir, const char *location, bool by_kernel);

#endif

/* cli/overrides.h - `--overrides FILE`: ranges and parameters of single values.
 *   {"tensors": {"VALUE": {"range": [LO, HI]},
 *                "VALUE": {"scale": S, "zero_point": Z}}} */
#ifndef CLI_OVERRIDES_H
#define CLI_OVERRIDES_H

#include <jansson.h>

#include "onnxquant/quantize.h"

typedef struct oq_overrides {
  json_t *root; /* owns the names */
  oq_override *items;
  size_t n;
} oq_overrides;

/* Unknown keys, wrong types and doubles are errors with their place. Exit
 * status; `out` is to be freed whatever the result. */
int oq_overrides_load(oq_overrides *out, const char *path);
void oq_overrides_free(oq_overrides *o);

#endif

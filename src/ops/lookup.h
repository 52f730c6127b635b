/* ops/lookup - looking up elements of a list of integers, floats or texts. */
#ifndef OQ_OPS_LOOKUP_H
#define OQ_OPS_LOOKUP_H

#include "ops/op.h"

typedef struct oq_lookup_item {
  union {
    int64_t i;
    double f;
    oq_text t;
  } key;
  uint32_t at; /* in the list as it was given */
} oq_lookup_item;

/* Keys sorted, each once. */
typedef struct oq_lookup {
  const oq_lookup_item *item;
  uint32_t n;
  int (*order)(const oq_lookup_item *a, const oq_lookup_item *b); /* of keys */
} oq_lookup;

/* Of at most INT32_MAX keys, in `a`; of equal ones the last, or else the first
 * counts.  Texts are shared. */
oq_status oq_lookup_make(oq_lookup *out, const oq_ctensor *keys, bool last,
                         oq_arena *a, oq_diags *d);
/* The key that element i of a tensor of that type is. */
oq_lookup_item oq_lookup_entry(const oq_ctensor *t, size_t i);
/* Place of the key; false if there is none. */
bool oq_lookup_find(uint32_t *out, const oq_lookup *k, const oq_lookup_item *e);

#endif

/* ops/keys - looking up elements of a list of integers, floats or texts. */
#ifndef OQ_OPS_KEYS_H
#define OQ_OPS_KEYS_H

#include "ops/op.h"

typedef struct oq_keys_item {
  union {
    int64_t i;
    double f;
    oq_text t;
  } key;
  uint32_t at; /* in the list as it was given */
} oq_keys_item;

/* Keys sorted, each once. */
typedef struct oq_keys {
  const oq_keys_item *item;
  uint32_t n;
  int (*order)(const oq_keys_item *a, const oq_keys_item *b); /* of keys */
} oq_keys;

/* Of at most INT32_MAX keys, in `a`; of equal ones the last, or else the first
 * counts.  Texts are shared. */
oq_status oq_keys_make(oq_keys *out, const oq_ctensor *keys, bool last,
                       oq_arena *a, oq_diags *d);
/* The key that element i of a tensor of that type is. */
oq_keys_item oq_keys_entry(const oq_ctensor *t, size_t i);
/* Place of the key; false if there is none. */
bool oq_keys_find(uint32_t *out, const oq_keys *k, const oq_keys_item *e);

#endif

/* base/intern.h - a name is a number. */
#ifndef OQ_BASE_INTERN_H
#define OQ_BASE_INTERN_H

#include <stdbool.h>

#include "base/arena.h"

typedef struct oq_name {
  uint32_t i; /* 0 = the empty name */
} oq_name;

typedef struct oq_names oq_names;
oq_status oq_names_create(oq_names **out, oq_arena *a);
/* The number of p[0..n); made if new. */
oq_status oq_names_add(oq_names *t, oq_name *out, const char *p, size_t n);
oq_status oq_names_add_text(oq_names *t, oq_name *out, const char *text);
/* false if no such name was ever added. */
bool oq_names_find(const oq_names *t, oq_name *out, const char *p, size_t n);
const char *oq_names_text(const oq_names *t, oq_name n); /* never NULL */
/* Bytes of it; a name may hold zeros. */
size_t oq_names_length(const oq_names *t, oq_name n);
uint32_t oq_names_count(const oq_names *t);
static inline bool oq_name_eq(oq_name a, oq_name b) { return a.i == b.i; }

#endif

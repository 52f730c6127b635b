/* base/map.h - uint64 -> uint64 hash map in an arena; iteration is in order of
 * insertion, so that no hash can show in a result. */
#ifndef OQ_BASE_MAP_H
#define OQ_BASE_MAP_H

#include <stdbool.h>

#include "base/arena.h"

typedef struct oq_map oq_map;
oq_status oq_map_create(oq_map **out, oq_arena *a);
/* Adds or overwrites. */
oq_status oq_map_put(oq_map *m, uint64_t key, uint64_t value);
bool oq_map_find(const oq_map *m, uint64_t key, uint64_t *value);
uint32_t oq_map_count(const oq_map *m);
/* Entry i in order of insertion, 0 <= i < count. */
void oq_map_at(const oq_map *m, uint32_t i, uint64_t *key, uint64_t *value);

/* 64-bit hash of bytes, the same on every machine (FNV-1a with a final mix). */
uint64_t oq_hash_bytes(const void *p, size_t n, uint64_t seed);

#endif

/* base/map.c - open addressing over an array of entries. */
#include "base/map.h"

#include <string.h>

#include "base/vec.h"

typedef struct entry {
  uint64_t key, value;
} entry;

struct oq_map {
  oq_arena *arena;
  OQ_VEC(entry) entries;
  uint32_t *slots; /* entry + 1, 0 = free */
  uint32_t mask;   /* number of slots - 1 */
};

#define FIRST_SLOTS 16u

static uint64_t mix(uint64_t h) {
  h ^= h >> 30;
  h *= UINT64_C(0xbf58476d1ce4e5b9);
  h ^= h >> 27;
  h *= UINT64_C(0x94d049bb133111eb);
  return h ^ h >> 31;
}

uint64_t oq_hash_bytes(const void *p, size_t n, uint64_t seed) {
  const uint8_t *byte = (const uint8_t *)p;
  uint64_t h = UINT64_C(0xcbf29ce484222325) ^ seed;

  for (size_t i = 0; i < n; i++) h = (h ^ byte[i]) * UINT64_C(0x100000001b3);
  return mix(h);
}

oq_status oq_map_create(oq_map **out, oq_arena *a) {
  oq_map *m = OQ_NEW(a, oq_map);

  if (m == NULL) return OQ_E_MEMORY;
  m->arena = a;
  m->slots = OQ_NEW_N(a, uint32_t, FIRST_SLOTS);
  if (m->slots == NULL) return OQ_E_MEMORY;
  m->mask = FIRST_SLOTS - 1;
  *out = m;
  return OQ_OK;
}

/* The slot that holds `key`, or the free one where it belongs. */
static uint32_t slot_of(const oq_map *m, uint64_t key) {
  uint32_t s = (uint32_t)mix(key) & m->mask;

  while (m->slots[s] != 0 && m->entries.p[m->slots[s] - 1].key != key) {
    s = (s + 1) & m->mask;
  }
  return s;
}

/* Keeps a third of the slots free. */
static bool make_room(oq_map *m) {
  const uint64_t slots = (uint64_t)m->mask + 1;

  if (((uint64_t)m->entries.n + 1) * 3 <= slots * 2) return true;
  if (slots > UINT32_MAX / 2) return false;
  uint32_t *bigger = OQ_NEW_N(m->arena, uint32_t, (size_t)slots * 2);
  if (bigger == NULL) return false;
  m->slots = bigger;
  m->mask = (uint32_t)(slots * 2 - 1);
  for (uint32_t i = 0; i < m->entries.n; i++) {
    m->slots[slot_of(m, m->entries.p[i].key)] = i + 1;
  }
  return true;
}

oq_status oq_map_put(oq_map *m, uint64_t key, uint64_t value) {
  uint32_t s = slot_of(m, key);

  if (m->slots[s] != 0) {
    m->entries.p[m->slots[s] - 1].value = value;
    return OQ_OK;
  }
  if (!make_room(m)) return OQ_E_MEMORY;
  if (!oq_vec_push(m->arena, &m->entries, ((entry){key, value}))) {
    return OQ_E_MEMORY;
  }
  m->slots[slot_of(m, key)] = m->entries.n;
  return OQ_OK;
}

bool oq_map_find(const oq_map *m, uint64_t key, uint64_t *value) {
  const uint32_t i = m->slots[slot_of(m, key)];

  if (i == 0) return false;
  if (value != NULL) *value = m->entries.p[i - 1].value;
  return true;
}

uint32_t oq_map_count(const oq_map *m) { return m->entries.n; }

void oq_map_at(const oq_map *m, uint32_t i, uint64_t *key, uint64_t *value) {
  *key = m->entries.p[i].key;
  *value = m->entries.p[i].value;
}

/* base/intern.c - texts by number, and back by hash. */
#include "base/intern.h"

#include <string.h>

#include "base/map.h"
#include "base/vec.h"

typedef struct text {
  const char *p;
  size_t n;
  uint64_t hash;
} text;

struct oq_names {
  oq_arena *arena;
  OQ_VEC(text) texts;
  uint32_t *slots; /* name + 1, 0 = free */
  uint32_t mask;
};

#define FIRST_SLOTS 64u

oq_status oq_names_create(oq_names **out, oq_arena *a) {
  oq_names *t = OQ_NEW(a, oq_names);
  oq_name empty;

  if (t == NULL) return OQ_E_MEMORY;
  t->arena = a;
  t->slots = OQ_NEW_N(a, uint32_t, FIRST_SLOTS);
  if (t->slots == NULL) return OQ_E_MEMORY;
  t->mask = FIRST_SLOTS - 1;
  OQ_TRY(oq_names_add(t, &empty, "", 0));
  *out = t;
  return OQ_OK;
}

static uint32_t slot_of(const oq_names *t, const char *p, size_t n,
                        uint64_t hash) {
  uint32_t s = (uint32_t)hash & t->mask;

  for (; t->slots[s] != 0; s = (s + 1) & t->mask) {
    const text *x = &t->texts.p[t->slots[s] - 1];
    if (x->hash == hash && x->n == n && (n == 0 || memcmp(x->p, p, n) == 0)) {
      break;
    }
  }
  return s;
}

static bool make_room(oq_names *t) {
  const uint64_t slots = (uint64_t)t->mask + 1;

  if (((uint64_t)t->texts.n + 1) * 3 <= slots * 2) return true;
  if (slots > UINT32_MAX / 2) return false;
  uint32_t *bigger = OQ_NEW_N(t->arena, uint32_t, (size_t)slots * 2);
  if (bigger == NULL) return false;
  t->slots = bigger;
  t->mask = (uint32_t)(slots * 2 - 1);
  for (uint32_t i = 0; i < t->texts.n; i++) {
    const text *x = &t->texts.p[i];
    t->slots[slot_of(t, x->p, x->n, x->hash)] = i + 1;
  }
  return true;
}

oq_status oq_names_add(oq_names *t, oq_name *out, const char *p, size_t n) {
  const uint64_t hash = oq_hash_bytes(p, n, 0);
  const uint32_t s = slot_of(t, p, n, hash);

  if (t->slots[s] != 0) {
    out->i = t->slots[s] - 1;
    return OQ_OK;
  }
  if (!make_room(t)) return OQ_E_MEMORY;
  const char *copy = oq_arena_copy_text(t->arena, p, n);
  if (copy == NULL) return OQ_E_MEMORY;
  if (!oq_vec_push(t->arena, &t->texts, ((text){copy, n, hash}))) {
    return OQ_E_MEMORY;
  }
  t->slots[slot_of(t, copy, n, hash)] = t->texts.n;
  out->i = t->texts.n - 1;
  return OQ_OK;
}

oq_status oq_names_add_text(oq_names *t, oq_name *out, const char *p) {
  return oq_names_add(t, out, p, strlen(p));
}

bool oq_names_find(const oq_names *t, oq_name *out, const char *p, size_t n) {
  const uint32_t i = t->slots[slot_of(t, p, n, oq_hash_bytes(p, n, 0))];

  if (i == 0) return false;
  out->i = i - 1;
  return true;
}

const char *oq_names_text(const oq_names *t, oq_name n) {
  return n.i < t->texts.n ? t->texts.p[n.i].p : "";
}

size_t oq_names_length(const oq_names *t, oq_name n) {
  return n.i < t->texts.n ? t->texts.p[n.i].n : 0;
}

uint32_t oq_names_count(const oq_names *t) { return t->texts.n; }

/* stats.c - the records of a model: look-up, samples, merging. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "calib/calib.h"

static int by_name(const void *a, const void *b) {
  return strcmp(((const oq_stats_entry *)a)->name,
                ((const oq_stats_entry *)b)->name);
}

static oq_status fill(oq_stats_core *s, const char *const *names,
                      const int32_t *axes, uint32_t n, const char *model_digest,
                      const char *preprocessing) {
  s->entries = OQ_NEW_N(s->arena, oq_stats_entry, n);
  s->model_digest =
      oq_arena_copy_text(s->arena, model_digest, strlen(model_digest));
  s->preprocessing =
      oq_arena_copy_text(s->arena, preprocessing, strlen(preprocessing));
  if (!s->entries || !s->model_digest || !s->preprocessing) return OQ_E_MEMORY;
  for (uint32_t i = 0; i < n; i++) {
    s->entries[i].name =
        oq_arena_copy_text(s->arena, names[i], strlen(names[i]));
    if (!s->entries[i].name) return OQ_E_MEMORY;
    oq_record_init(&s->entries[i].record);
    s->entries[i].shape.rank = OQ_NONE;
    s->entries[i].channels.axis = axes ? axes[i] : -1;
  }
  s->n_entries = n;
  if (n > 1) qsort(s->entries, n, sizeof *s->entries, by_name);
  return OQ_OK;
}

oq_status oq_stats_core_create(oq_stats_core **out, const char *const *names,
                               const int32_t *axes, uint32_t n,
                               const char *model_digest,
                               const char *preprocessing, bool synthetic,
                               oq_alloc *a) {
  oq_arena *arena;

  OQ_TRY(oq_arena_create(&arena, a, 0));
  oq_stats_core *s = OQ_NEW(arena, oq_stats_core);
  if (!s) {
    oq_arena_destroy(arena);
    return OQ_E_MEMORY;
  }
  s->alloc = a;
  s->arena = arena;
  s->synthetic = synthetic;
  const oq_status status = fill(s, names, axes, n, model_digest, preprocessing);
  if (status != OQ_OK) {
    oq_arena_destroy(arena);
    return status;
  }
  *out = s;
  return OQ_OK;
}

void oq_stats_core_destroy(oq_stats_core *s) {
  if (s) oq_arena_destroy(s->arena);
}

oq_stats_entry *oq_stats_find(const oq_stats_core *s, const char *name) {
  uint32_t lo = 0, hi = s->n_entries;

  while (lo < hi) {
    const uint32_t mid = lo + (hi - lo) / 2;
    const int c = strcmp(s->entries[mid].name, name);

    if (c == 0) return &s->entries[mid];
    if (c < 0)
      lo = mid + 1;
    else
      hi = mid;
  }
  return NULL;
}

/* Ranks that differ say nothing useful: such a value has no shape. */
static void widen_shape(oq_stats_entry *e, const oq_shape *s, bool first) {
  if (first) {
    e->shape = *s;
  } else if (e->shape.rank != s->rank) {
    e->shape.rank = OQ_NONE;
  } else if (s->rank != OQ_NONE) {
    for (uint32_t i = 0; i < s->rank; i++)
      if (s->dim[i] > e->shape.dim[i]) e->shape.dim[i] = s->dim[i];
  }
}

oq_status oq_stats_entry_feed(oq_stats_entry *e, const oq_ctensor *t,
                              const struct oq_kernels *k, oq_arena *a) {
  widen_shape(e, &t->shape, e->fed == 0);
  e->fed++;
  OQ_TRY(oq_channels_feed(&e->channels, t, a));
  return oq_record_feed(&e->record, t->data, oq_tensor_count(t), k, a);
}

oq_status oq_stats_entry_feed_last(oq_stats_entry *e, const oq_ctensor *t,
                                   const struct oq_kernels *k, oq_arena *a) {
  const oq_shape shape = oq_shape_unturned(&t->shape);

  widen_shape(e, &shape, e->fed == 0);
  e->fed++;
  OQ_TRY(oq_channels_feed_last(&e->channels, t, a));
  return oq_record_feed(&e->record, t->data, oq_tensor_count(t), k, a);
}

static oq_status add_entry(oq_stats_entry *into, const oq_stats_entry *from,
                           oq_arena *a) {
  if (from->fed > 0) widen_shape(into, &from->shape, into->fed == 0);
  into->fed += from->fed;
  OQ_TRY(oq_channels_merge(&into->channels, &from->channels, a));
  return oq_record_merge(&into->record, &from->record, a);
}

static bool reserve_samples(oq_stats_core *s, uint64_t n) {
  if (n <= s->cap_samples) return true;
  if (n > SIZE_MAX / 16) return false;

  const uint64_t cap = n < 64 ? 64 : 2 * n;
  uint64_t *p = OQ_NEW_N(s->arena, uint64_t, (size_t)cap);

  if (!p) return false;
  if (s->n_samples) memcpy(p, s->samples, s->n_samples * sizeof *p);
  s->samples = p;
  s->cap_samples = cap;
  return true;
}

oq_status oq_stats_add_sample(oq_stats_core *s, uint64_t digest) {
  if (!reserve_samples(s, s->n_samples + 1)) return OQ_E_MEMORY;

  uint64_t i = s->n_samples++;

  for (; i > 0 && s->samples[i - 1] > digest; i--)
    s->samples[i] = s->samples[i - 1];
  s->samples[i] = digest;
  return OQ_OK;
}

oq_status oq_stats_core_add(oq_stats_core *into, const oq_stats_core *from) {
  if (into->n_entries != from->n_entries) return OQ_E_INTERNAL;
  for (uint32_t i = 0; i < from->n_entries; i++)
    OQ_TRY(add_entry(&into->entries[i], &from->entries[i], into->arena));
  for (uint64_t i = 0; i < from->n_samples; i++)
    OQ_TRY(oq_stats_add_sample(into, from->samples[i]));
  return OQ_OK;
}

static bool share_sample(const oq_stats_core *a, const oq_stats_core *b) {
  uint64_t i = 0, j = 0;

  while (i < a->n_samples && j < b->n_samples) {
    if (a->samples[i] == b->samples[j]) return true;
    if (a->samples[i] < b->samples[j])
      i++;
    else
      j++;
  }
  return false;
}

static oq_status refuse(oq_diags *d, const char *id, const char *what) {
  return oq_fail(d, OQ_E_STATE, id, NULL, "statistics do not merge: %s", what);
}

oq_status oq_stats_core_merge(oq_stats_core *into, const oq_stats_core *from,
                              oq_diags *d) {
  if (strcmp(into->model_digest, from->model_digest) != 0)
    return refuse(d, "stats.model", "they were taken from different models");
  if (strcmp(into->preprocessing, from->preprocessing) != 0)
    return refuse(d, "stats.preprocessing",
                  "the samples were preprocessed differently");
  if (into->n_entries != from->n_entries)
    return refuse(d, "stats.values", "they hold different values");
  for (uint32_t i = 0; i < into->n_entries; i++)
    if (strcmp(into->entries[i].name, from->entries[i].name) != 0 ||
        into->entries[i].channels.axis != from->entries[i].channels.axis)
      return refuse(d, "stats.values", "they hold different values");
  if (share_sample(into, from))
    return refuse(d, "stats.sample", "a sample is in both");
  into->synthetic = into->synthetic || from->synthetic;
  return oq_stats_core_add(into, from);
}

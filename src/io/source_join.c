/* io/source_join.c - which parts of which files make one sample. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/samples.h"

static oq_status number_parts(oq_samples_core *c, oq_track *t,
                              oq_io_error *err) {
  uint64_t n = 0;

  t->first = oq_io_pool_alloc(&c->pool, (t->n_files + 1) * sizeof *t->first);
  if (t->first == NULL) return oq_io_fail_memory(err);
  for (size_t i = 0; i < t->n_files; i++) {
    t->first[i] = n;
    if (t->file[i].parts > UINT64_MAX / 4 - n) {
      return oq_io_fail(err, OQ_E_LIMIT, NULL, "too many samples");
    }
    n += t->file[i].parts;
  }
  t->first[t->n_files] = n;
  t->n_parts = n;
  return OQ_OK;
}

/* `part` goes in as a number in the track and comes out as one in the file. */
oq_data_file *oq_track_find(const oq_track *t, uint64_t *part) {
  size_t lo = 0, hi = t->n_files;

  while (hi - lo > 1) {
    const size_t middle = lo + (hi - lo) / 2;
    if (t->first[middle] <= *part) {
      lo = middle;
    } else {
      hi = middle;
    }
  }
  *part -= t->first[lo];
  return &t->file[lo];
}

/* ---- pairing by stem ---------------------------------------------------- */

typedef struct key {
  const char *text;
  size_t n;
  size_t file;
} key;

static key key_of(const char *name, size_t file, bool base) {
  const char *const from = base ? oq_io_base_name(name) : name;
  const char *const last = oq_io_base_name(from);
  const char *const dot = strrchr(last, '.');

  return (key){from,
               dot != NULL && dot != last ? (size_t)(dot - from) : strlen(from),
               file};
}

static int compare_keys(const void *a, const void *b) {
  const key *const x = a;
  const key *const y = b;
  const int d = memcmp(x->text, y->text, x->n < y->n ? x->n : y->n);

  if (d != 0) return d;
  return x->n < y->n ? -1 : x->n > y->n;
}

static key *sorted_keys(const oq_track *t, bool base) {
  key *const k = malloc((t->n_files + 1) * sizeof *k);

  if (k == NULL) return NULL;
  for (size_t i = 0; i < t->n_files; i++) {
    k[i] = key_of(t->file[i].name, i, base);
  }
  if (t->n_files > 1) qsort(k, t->n_files, sizeof *k, compare_keys);
  return k;
}

/* The same stems with the same numbers of parts, each once. */
static bool keys_agree(const oq_track *a, const key *x, const oq_track *b,
                       const key *y) {
  for (size_t i = 0; i < a->n_files; i++) {
    if (compare_keys(&x[i], &y[i]) != 0) return false;
    if (i != 0 && compare_keys(&x[i - 1], &x[i]) == 0) return false;
    if (a->file[x[i].file].parts != b->file[y[i].file].parts) return false;
  }
  return true;
}

static void match_by_keys(uint64_t *match, const oq_track *a, const key *x,
                          const oq_track *b, const key *y) {
  for (size_t i = 0; i < a->n_files; i++) {
    const uint64_t n = a->file[x[i].file].parts;
    for (uint64_t p = 0; p < n; p++) {
      match[a->first[x[i].file] + p] = b->first[y[i].file] + p;
    }
  }
}

static bool has_random(const oq_track *t) {
  for (size_t i = 0; i < t->n_files; i++) {
    if (t->file[i].kind == OQ_DATA_RANDOM) return true;
  }
  return false;
}

/* OQ_OK with *done false: the names do not pair. */
static oq_status pair_by_stem(bool *done, oq_samples_core *c, oq_track *b,
                              bool base, oq_io_error *err) {
  const oq_track *const a = &c->track[0];

  if (a->n_files != b->n_files || has_random(a) || has_random(b)) return OQ_OK;
  key *const x = sorted_keys(a, base);
  key *const y = sorted_keys(b, base);
  oq_status s = OQ_OK;
  if (x == NULL || y == NULL) {
    s = oq_io_fail_memory(err);
  } else if (keys_agree(a, x, b, y)) {
    uint64_t *const match =
        oq_io_pool_alloc(&c->pool, (size_t)a->n_parts * sizeof *match);
    if (match == NULL) {
      s = oq_io_fail_memory(err);
    } else {
      match_by_keys(match, a, x, b, y);
      b->match = match;
      *done = true;
    }
  }
  free(x);
  free(y);
  return s;
}

static oq_status fail_counts(oq_io_error *err, const oq_samples_core *c,
                             const oq_track *a, const oq_track *b) {
  return oq_io_fail(err, OQ_E_DATA, NULL,
                    "%llu samples of input '%.100s', but %llu of '%.100s'",
                    (unsigned long long)a->n_parts, c->input[a->input[0]].name,
                    (unsigned long long)b->n_parts, c->input[b->input[0]].name);
}

static oq_status pair(oq_samples_core *c, oq_track *b, oq_io_error *err) {
  const oq_track *const a = &c->track[0];
  bool done = false;

  if (a->n_parts != b->n_parts) return fail_counts(err, c, a, b);
  OQ_IO_TRY(pair_by_stem(&done, c, b, false, err));
  if (!done) OQ_IO_TRY(pair_by_stem(&done, c, b, true, err));
  if (done || has_random(a) || has_random(b) ||
      (a->n_files == 1 && b->n_files == 1)) {
    return OQ_OK;
  }
  return oq_core_warn(
      c,
      oq_io_pool_print(&c->pool,
                       "inputs '%s' and '%s' are paired by order: the names "
                       "of their files differ",
                       c->input[a->input[0]].name, c->input[b->input[0]].name),
      err);
}

oq_status oq_tracks_join(oq_samples_core *c, oq_io_error *err) {
  for (size_t i = 0; i < c->n_tracks; i++) {
    OQ_IO_TRY(number_parts(c, &c->track[i], err));
  }
  for (size_t i = 1; i < c->n_tracks; i++) {
    OQ_IO_TRY(pair(c, &c->track[i], err));
  }
  c->n_rows = c->track[0].n_parts;
  if (c->n_rows == 0) {
    return oq_io_fail(err, OQ_E_DATA, NULL, "the data hold no sample");
  }
  return OQ_OK;
}

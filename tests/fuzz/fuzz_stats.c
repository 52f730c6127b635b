/* Statistics files: what is accepted is written and accepted again with the
 * same bytes, its records can be read, and merging it does no harm. */
#include <stdlib.h>
#include <string.h>

#include "base/sink.h"
#include "calib/calib.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct image {
  uint8_t *p;
  size_t n, cap;
} image;

static oq_status take(void *user, const void *p, size_t n) {
  image *m = user;

  if (n > m->cap - m->n) {
    m->cap = 2 * (m->n + n);
    m->p = realloc(m->p, m->cap);
    if (m->p == NULL) abort();
  }
  memcpy(m->p + m->n, p, n);
  m->n += n;
  return OQ_OK;
}

static void encode(image *out, const oq_stats_core *s, oq_alloc *a,
                   oq_diags *d) {
  oq_sink *to;

  out->n = 0;
  if (oq_sink_open_call(&to, take, out, a, d) != OQ_OK ||
      oq_stats_encode(s, to) != OQ_OK || oq_sink_commit(to) != OQ_OK) {
    abort();
  }
  oq_sink_close(to);
}

static void read_all(const oq_stats_core *s) {
  volatile double seen = 0;
  double a, b;

  for (uint32_t i = 0; i < s->n_entries; i++) {
    const oq_stats_entry *e = &s->entries[i];
    if (oq_record_usable(&e->record)) {
      oq_record_moments(&e->record, &a, &b);
      seen = a + b;
    }
    for (uint32_t c = 0; c < e->channels.n; c++) {
      if (oq_channels_mean(&a, &b, &e->channels, c)) seen = a + b;
    }
  }
  (void)seen;
}

static void check(const uint8_t *data, size_t size, oq_alloc *a, oq_diags *d) {
  image first = {0}, second = {0};
  oq_stats_core *s, *again;

  if (oq_stats_decode(&s, data, size, a, d) != OQ_OK) return;
  read_all(s);
  encode(&first, s, a, d);
  if (oq_stats_decode(&again, first.p, first.n, a, d) != OQ_OK) abort();
  encode(&second, again, a, d);
  if (first.n != second.n || memcmp(first.p, second.p, first.n) != 0) abort();
  (void)oq_stats_core_merge(s, again, d);
  read_all(s);
  oq_stats_core_destroy(again);
  oq_stats_core_destroy(s);
  free(first.p);
  free(second.p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  oq_alloc alloc;
  oq_diags *d = NULL;

  oq_alloc_init(&alloc, NULL, 0);
  if (oq_diags_create(&d, &alloc) == OQ_OK) check(data, size, &alloc, d);
  oq_diags_destroy(d);
  if (alloc.used != 0) abort();
  return 0;
}

/* exec/run_texts.c - bytes of texts that a run makes: chunks of its pool, each
 * with the one before it at its head, until the next run.  Nothing is freed
 * before, as nobody counts who shares a text. */
#include <string.h>

#include "exec/session.h"

#define FIRST_CHUNK ((size_t)4 << 10)
#define MOST_CHUNK ((size_t)1 << 20)
#define CHUNK_HEAD sizeof(oq_buffer *)

void oq_session_drop_texts(oq_session *s) {
  while (s->texts != NULL) {
    oq_buffer *x = s->texts;
    memcpy(&s->texts, x->data, CHUNK_HEAD);
    oq_buffers_drop(s->pool, x);
  }
  s->texts_used = 0;
}

/* Chunks double, so that few are half empty. */
static size_t chunk_size(const oq_session *root, size_t need) {
  size_t size = root->texts == NULL ? FIRST_CHUNK : root->texts->size * 2;

  if (size > MOST_CHUNK) size = MOST_CHUNK;
  return size > need ? size : need;
}

static oq_status add_chunk(oq_session *root, size_t n) {
  oq_buffer *x = NULL;
  size_t need;

  if (!oq_add_size(&need, n, CHUNK_HEAD)) return OQ_E_LIMIT;
  oq_status s = oq_buffers_take(&x, root->pool, chunk_size(root, need));
  if (s != OQ_OK) s = oq_buffers_take(&x, root->pool, need);
  if (s != OQ_OK) return s;
  memcpy(x->data, &root->texts, CHUNK_HEAD);
  root->texts = x;
  root->texts_used = CHUNK_HEAD;
  return OQ_OK;
}

static oq_status room(char **out, oq_session *root, size_t n) {
  if (root->texts == NULL || n > root->texts->size - root->texts_used) {
    OQ_TRY(add_chunk(root, n));
  }
  *out = (char *)root->texts->data + root->texts_used;
  root->texts_used += n;
  return OQ_OK;
}

/* ---- inputs --------------------------------------------------------------
 */
static bool has_texts(const oq_datum *d) {
  if (d->kind == OQ_DATUM_TENSOR) return d->t.dtype == OQ_DT_STRING;
  for (uint32_t i = 0; oq_datum_has_items(d) && i < d->n_items; i++) {
    if (d->item[i].t.dtype == OQ_DT_STRING) return true;
  }
  return false;
}

/* Elements that lie in a buffer of their own point to copies afterwards. */
static oq_status own_elements(oq_session *root, const oq_datum *d,
                              const oq_env *e) {
  const size_t n = oq_tensor_count(&d->t);
  oq_text *x = d->buffer->data;

  if (d->t.dtype != OQ_DT_STRING) return OQ_OK;
  for (size_t i = 0; i < n; i++) {
    char *to = NULL;
    const oq_status s = room(&to, root, x[i].n);
    if (s == OQ_E_MEMORY) return oq_fail_memory(e->diags);
    if (s != OQ_OK) {
      return oq_fail(e->diags, s, "run.memory", NULL,
                     "the texts of the inputs need more than the %llu bytes a "
                     "run may have",
                     (unsigned long long)root->pool->limit);
    }
    if (x[i].n != 0) memcpy(to, x[i].p, x[i].n);
    x[i].p = to;
  }
  return OQ_OK;
}

oq_status oq_session_own_texts(oq_session *s, oq_datum *d, const oq_env *e) {
  if (!has_texts(d)) return OQ_OK;
  OQ_TRY(oq_datum_own(d, s->pool, e));
  if (d->kind == OQ_DATUM_TENSOR) return own_elements(s->root, d, e);
  for (uint32_t i = 0; i < d->n_items; i++) {
    OQ_TRY(own_elements(s->root, &d->item[i], e));
  }
  return OQ_OK;
}

/* ---- for kernels --------------------------------------------------------- */
oq_status oq_run_text_room(char **out, oq_run *r, size_t n) {
  if (r->texts != NULL) {
    char *p = oq_arena_alloc_raw(r->texts, n, 1, 1);
    if (p == NULL) return oq_fail_memory(r->diags);
    *out = p;
    return OQ_OK;
  }
  const oq_status s = room(out, r->session->root, n);
  if (s == OQ_OK) return s;
  if (s == OQ_E_MEMORY) return oq_fail_memory(r->diags);
  return oq_run_fail(r, s, "run.memory",
                     "a text needs %zu bytes on top of %zu in use, more than "
                     "the %llu a run may have",
                     n, r->session->pool->live,
                     (unsigned long long)r->session->pool->limit);
}

oq_status oq_run_text(oq_text *out, oq_run *r, const void *bytes, size_t n) {
  char *p;

  OQ_TRY(oq_run_text_room(&p, r, n));
  if (n != 0) memcpy(p, bytes, n);
  *out = (oq_text){p, n};
  return OQ_OK;
}

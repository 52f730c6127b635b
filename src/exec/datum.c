/* exec/datum.c - values of a run by reference.  A sequence is a buffer of data,
 * each with a reference of its own, so that all memory is the pool's. */
#include <string.h>

#include "exec/session.h"

/* Items of one sequence: inserting one copies the list of references. */
#define MAX_ITEMS 65536

static const uint8_t no_bytes[OQ_ALIGN] = {0};

oq_type oq_datum_type(const oq_datum *d) {
  if (d->kind == OQ_DATUM_TENSOR) {
    return oq_type_of_tensor(d->t.dtype, &d->t.shape);
  }
  return (oq_type){.kind = OQ_TYPE_OTHER};
}

oq_datum oq_datum_share(const oq_datum *d) {
  (void)oq_buffer_ref(d->buffer);
  return *d;
}

void oq_datum_drop(oq_buffers *b, oq_datum *d) {
  if (oq_datum_has_items(d) && d->buffer != NULL && d->buffer->refs == 1) {
    for (uint32_t i = 0; i < d->n_items; i++) {
      oq_buffers_drop(b, d->item[i].buffer);
    }
  }
  oq_buffers_drop(b, d->buffer);
  memset(d, 0, sizeof *d);
}

/* ---- after a run ------------------------------------------------------- */
static oq_status own_tensor(oq_datum *d, oq_buffers *b, const oq_env *e) {
  if (d->buffer != NULL) return OQ_OK;
  if (oq_buffers_take(&d->buffer, b, d->t.size) != OQ_OK) {
    return oq_fail_memory(e->diags);
  }
  if (d->t.size > 0) memcpy(d->buffer->data, d->t.data, d->t.size);
  d->t.data = d->buffer->data;
  return OQ_OK;
}

/* The list first, then what it lists; `d` keeps what was owned so far. */
static oq_status own_items(oq_datum *d, oq_buffers *b, const oq_env *e) {
  oq_buffer *list;
  oq_datum *item;

  if (oq_buffers_take(&list, b, d->n_items * sizeof *item) != OQ_OK) {
    return oq_fail_memory(e->diags);
  }
  item = list->data;
  for (uint32_t i = 0; i < d->n_items; i++) {
    item[i] = oq_datum_share(&d->item[i]);
  }
  const oq_datum y = {.kind = d->kind,
                      .t = d->t,
                      .item = item,
                      .n_items = d->n_items,
                      .buffer = list};
  oq_datum_drop(b, d);
  *d = y;
  for (uint32_t i = 0; i < y.n_items; i++) OQ_TRY(own_tensor(&item[i], b, e));
  return OQ_OK;
}

oq_status oq_datum_own(oq_datum *d, oq_buffers *b, const oq_env *e) {
  switch (d->kind) {
    case OQ_DATUM_TENSOR:
      return own_tensor(d, b, e);
    case OQ_DATUM_SEQUENCE:
    case OQ_DATUM_MAPS:
      return own_items(d, b, e);
    case OQ_DATUM_NOTHING:
      break;
  }
  return OQ_OK;
}

/* ---- for kernels ------------------------------------------------------- */
oq_status oq_run_take(oq_datum *out, void **data, oq_run *r, oq_dtype t,
                      const oq_shape *s) {
  const oq_call *c = r->session->now;
  oq_datum d = {.t = {.dtype = t, .shape = *s}};

  OQ_TRY(oq_call_bytes(&d.t.size, c, 0, t, s));
  OQ_TRY(oq_session_take(&d.buffer, r->session, c, d.t.size));
  d.t.data = d.buffer->data;
  if (t == OQ_DT_STRING) memset(d.buffer->data, 0, d.t.size);
  *data = d.buffer->data;
  *out = d;
  return OQ_OK;
}

oq_status oq_run_sequence(oq_datum *out, oq_run *r, oq_dtype t,
                          const oq_datum *item, uint32_t n) {
  oq_buffer *list;

  if (n > MAX_ITEMS) {
    return oq_run_fail(r, OQ_E_LIMIT, "run.sequence",
                       "the sequence would have %u items, more than %u", n,
                       MAX_ITEMS);
  }
  OQ_TRY(oq_session_take(&list, r->session, r->session->now,
                         n * sizeof(oq_datum)));
  oq_datum *to = list->data;
  for (uint32_t i = 0; i < n; i++) to[i] = oq_datum_share(&item[i]);
  *out = (oq_datum){.kind = OQ_DATUM_SEQUENCE,
                    .t = {.dtype = t, .data = no_bytes},
                    .item = to,
                    .n_items = n,
                    .buffer = list};
  return OQ_OK;
}

oq_datum oq_run_share(const oq_datum *d) { return oq_datum_share(d); }

void oq_run_drop(oq_run *r, oq_datum *d) { oq_datum_drop(r->session->pool, d); }

void oq_run_give(oq_run *r, uint32_t i, oq_datum *d) {
  oq_session *s = r->session;

  if (i >= r->n_out || s->given[i]) {
    oq_datum_drop(s->pool, d);
    return;
  }
  s->gift[i] = *d;
  s->given[i] = true;
  memset(d, 0, sizeof *d);
}

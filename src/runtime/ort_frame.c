#include "runtime/ort_frame.h"

#include <stdlib.h>
#include <string.h>

void oq_msg_clear(oq_msg *m) {
  m->size = 0;
  m->failed = false;
}

void oq_msg_free(oq_msg *m) {
  free(m->data);
  *m = (oq_msg){0};
}

static bool reserve(oq_msg *m, size_t more) {
  size_t room = m->room < 256 ? 256 : m->room;
  uint8_t *data;

  if (m->failed) return false;
  if (more > OQ_FRAME_MAX - m->size) {
    m->failed = true;
    return false;
  }
  if (m->size + more <= m->room) return true;
  while (room < m->size + more) room *= 2;
  data = realloc(m->data, room);
  if (data == NULL) {
    m->failed = true;
    return false;
  }
  m->data = data;
  m->room = room;
  return true;
}

bool oq_msg_resize(oq_msg *m, size_t size) {
  oq_msg_clear(m);
  if (!reserve(m, size)) return false;
  m->size = size;
  return true;
}

void oq_msg_put(oq_msg *m, const void *p, size_t n) {
  if (n == 0 || !reserve(m, n)) return;
  memcpy(m->data + m->size, p, n);
  m->size += n;
}

void oq_msg_u32(oq_msg *m, uint32_t v) { oq_msg_put(m, &v, sizeof v); }
void oq_msg_u64(oq_msg *m, uint64_t v) { oq_msg_put(m, &v, sizeof v); }
void oq_msg_i64(oq_msg *m, int64_t v) { oq_msg_put(m, &v, sizeof v); }
void oq_msg_f64(oq_msg *m, double v) { oq_msg_put(m, &v, sizeof v); }

void oq_msg_str(oq_msg *m, const char *s) {
  if (s == NULL) s = "";
  oq_msg_put(m, s, strlen(s) + 1);
}

void oq_msg_strs(oq_msg *m, const char *const *s) {
  uint32_t n = 0;

  while (s != NULL && s[n] != NULL) n++;
  oq_msg_u32(m, n);
  for (uint32_t i = 0; i < n; i++) oq_msg_str(m, s[i]);
}

void oq_msg_text(oq_msg *m, const char *p, size_t n) {
  const char *end = n == 0 ? NULL : memchr(p, '\0', n);

  oq_msg_put(m, p, end == NULL ? n : (size_t)(end - p));
  oq_msg_put(m, "", 1);
}

oq_cut oq_cut_of(const oq_msg *m) {
  static const uint8_t nothing[1] = {0};
  oq_cut c = {nothing, nothing, false};

  if (m->size != 0) {
    c.p = m->data;
    c.end = m->data + m->size;
  }
  return c;
}

static void take(oq_cut *c, void *p, size_t n) {
  if (c->bad || n > (size_t)(c->end - c->p)) {
    c->bad = true;
    memset(p, 0, n);
    return;
  }
  memcpy(p, c->p, n);
  c->p += n;
}

uint32_t oq_cut_u32(oq_cut *c) {
  uint32_t v;

  take(c, &v, sizeof v);
  return v;
}

uint64_t oq_cut_u64(oq_cut *c) {
  uint64_t v;

  take(c, &v, sizeof v);
  return v;
}

int64_t oq_cut_i64(oq_cut *c) {
  int64_t v;

  take(c, &v, sizeof v);
  return v;
}

double oq_cut_f64(oq_cut *c) {
  double v;

  take(c, &v, sizeof v);
  return v;
}

const char *oq_cut_str(oq_cut *c) {
  const size_t left = (size_t)(c->end - c->p);
  const uint8_t *p = c->p;
  const uint8_t *end = c->bad || left == 0 ? NULL : memchr(p, 0, left);

  if (end == NULL) {
    c->bad = true;
    return "";
  }
  c->p = end + 1;
  return (const char *)p;
}

uint32_t oq_cut_count(oq_cut *c, size_t least) {
  const uint32_t n = oq_cut_u32(c);

  if (n > (size_t)(c->end - c->p) / least) c->bad = true;
  return c->bad ? 0 : n;
}

bool oq_cut_done(const oq_cut *c) { return !c->bad && c->p == c->end; }

/* io/text_arrays.c - see text_arrays.h. */
#include "io/text_arrays.h"

#include <stdlib.h>
#include <string.h>

/* ---- characters --------------------------------------------------------- */

static size_t size_of(uint32_t c) {
  return c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
}

static bool is_character(uint32_t c) {
  return c <= 0x10ffff && (c < 0xd800 || c > 0xdfff);
}

static char *put(char *to, uint32_t c) {
  static const uint8_t lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
  const size_t n = size_of(c);

  for (size_t i = n; i-- > 1; c >>= 6) to[i] = (char)(0x80 | (c & 0x3f));
  to[0] = (char)(lead[n] | c);
  return to + n;
}

/* The character at p and its bytes; 0 if it is none. */
static size_t take(uint32_t *out, const char *text, size_t left) {
  const uint8_t *const p = (const uint8_t *)text;
  const size_t n = p[0] < 0x80 ? 1 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
  uint32_t c = n == 1 ? p[0] : p[0] & (0x7fu >> n);

  if (n > left || (n > 1 && p[0] < 0xc2) || p[0] > 0xf4) return 0;
  for (size_t i = 1; i < n; i++) {
    if ((p[i] & 0xc0) != 0x80) return 0;
    c = c << 6 | (p[i] & 0x3fu);
  }
  if (!is_character(c) || size_of(c) != n) return 0;
  *out = c;
  return n;
}

/* ---- from NumPy --------------------------------------------------------- */

static uint32_t character_at(const uint8_t *p, size_t i) {
  uint32_t c;

  memcpy(&c, p + 4 * i, sizeof c);
  return c;
}

/* Characters, or bytes, without the zeros behind. */
static size_t length_of(const oq_npy *h, const uint8_t *p) {
  size_t n = h->item / h->word;

  while (n > 0 && (h->word == 4 ? character_at(p, n - 1) : p[n - 1]) == 0) n--;
  return n;
}

/* Bytes as UTF-8, SIZE_MAX if an element holds what is no character. */
static size_t bytes_of(const oq_npy *h, const uint8_t *p) {
  const size_t n = length_of(h, p);
  size_t bytes = 0;

  if (h->word == 1) return n;
  for (size_t i = 0; i < n; i++) {
    const uint32_t c = character_at(p, i);
    if (!is_character(c)) return SIZE_MAX;
    bytes += size_of(c);
  }
  return bytes;
}

static char *copy_of(char *to, const oq_npy *h, const uint8_t *p) {
  const size_t n = length_of(h, p);

  if (h->word == 1) {
    memcpy(to, p, n);
    return to + n;
  }
  for (size_t i = 0; i < n; i++) to = put(to, character_at(p, i));
  return to;
}

/* Room for `count` elements and `bytes` behind them. */
static oq_text *make(size_t count, size_t bytes) {
  size_t size;

  if (!oq_io_mul(&size, count, sizeof(oq_text)) || bytes > SIZE_MAX - size) {
    return NULL;
  }
  return oq_io_alloc_tensor(size + bytes);
}

oq_status oq_text_array_decode(oq_text **out, const oq_npy *h,
                               const void *elements, size_t count,
                               oq_io_error *err) {
  const uint8_t *const p = elements;
  size_t bytes = 0;

  for (size_t i = 0; i < count; i++) {
    const size_t n = bytes_of(h, p + i * h->item);
    if (n == SIZE_MAX) {
      return oq_io_fail(err, OQ_E_DATA, NULL,
                        "element %zu holds a number that is no character", i);
    }
    bytes += n; /* less than the array has */
  }
  oq_text *const t = make(count, bytes);
  if (t == NULL) return oq_io_fail_memory(err);
  char *to = (char *)(t + count);
  for (size_t i = 0; i < count; i++) {
    char *const end = copy_of(to, h, p + i * h->item);
    t[i] = (oq_text){to, (size_t)(end - to)};
    to = end;
  }
  *out = t;
  return OQ_OK;
}

/* ---- others ------------------------------------------------------------- */

oq_status oq_text_array_copy(oq_text **out, const oq_text *from, size_t count,
                             oq_io_error *err) {
  size_t bytes = 0;

  for (size_t i = 0; i < count; i++) bytes += from[i].n;
  oq_text *const t = make(count, bytes);
  if (t == NULL) return oq_io_fail_memory(err);
  char *to = (char *)(t + count);
  for (size_t i = 0; i < count; i++) {
    if (from[i].n != 0) memcpy(to, from[i].p, from[i].n);
    t[i] = (oq_text){to, from[i].n};
    to += from[i].n;
  }
  *out = t;
  return OQ_OK;
}

uint64_t oq_text_array_hash(uint64_t seed, const oq_text *t, size_t count) {
  for (size_t i = 0; i < count; i++) seed = oq_io_hash(seed, t[i].p, t[i].n);
  return seed;
}

/* ---- to NumPy ----------------------------------------------------------- */

static bool count_characters(size_t *out, oq_text t) {
  size_t n = 0, size;
  uint32_t c;

  for (size_t at = 0; at < t.n; at += size, n++) {
    size = take(&c, t.p + at, t.n - at);
    if (size == 0) return false;
  }
  *out = n;
  return true;
}

size_t oq_text_array_width(bool *is_utf8, const oq_text *t, size_t count) {
  size_t most = 1, longest = 1;

  *is_utf8 = true;
  for (size_t i = 0; i < count; i++) {
    size_t n = 0;
    *is_utf8 = *is_utf8 && count_characters(&n, t[i]);
    if (n > most) most = n;
    if (t[i].n > longest) longest = t[i].n;
  }
  return *is_utf8 ? most : longest;
}

void oq_text_array_encode(void *out, oq_text t, size_t width, bool is_utf8) {
  uint8_t *to = out;
  size_t size;
  uint32_t c = 0;

  memset(out, 0, is_utf8 ? 4 * width : width);
  if (!is_utf8) {
    if (t.n != 0) memcpy(out, t.p, t.n);
    return;
  }
  for (size_t at = 0; at < t.n; at += size, to += sizeof c) {
    size = take(&c, t.p + at, t.n - at);
    if (size == 0) return;
    memcpy(to, &c, sizeof c);
  }
}

/* tensor/texts.c - elements of STRING tensors. */
#include <string.h>

#include "tensor/tensor.h"

bool oq_text_equal(oq_text a, oq_text b) {
  return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

int oq_text_compare(oq_text a, oq_text b) {
  const size_t n = a.n < b.n ? a.n : b.n;
  const int c = n == 0 ? 0 : memcmp(a.p, b.p, n);

  return c != 0 ? c : (a.n > b.n) - (a.n < b.n);
}

/* FNV-1a, then mixed: its low bits alone are poor for short texts. */
uint64_t oq_text_hash(oq_text a) {
  uint64_t h = UINT64_C(0xcbf29ce484222325);

  for (size_t i = 0; i < a.n; i++) {
    h = (h ^ (uint8_t)a.p[i]) * UINT64_C(0x100000001b3);
  }
  h ^= h >> 32;
  return h * UINT64_C(0x9e3779b97f4a7c15) ^ h >> 29;
}

bool oq_texts_bytes(size_t *out, const oq_text *t, size_t n) {
  size_t sum = 0;

  for (size_t i = 0; i < n; i++) {
    if (!oq_add_size(&sum, sum, t[i].n)) return false;
  }
  *out = sum;
  return true;
}

/* Bytes of the character at p, 0 if it is none; `n` > 0 are left. */
static size_t character(const uint8_t *p, size_t n) {
  const uint8_t b = p[0];
  const size_t size = b < 0x80 ? 1 : b < 0xe0 ? 2 : b < 0xf0 ? 3 : 4;

  if (size == 1) return 1;
  if (b < 0xc2 || b > 0xf4 || size > n) return 0;
  for (size_t i = 1; i < size; i++) {
    if ((p[i] & 0xc0) != 0x80) return 0;
  }
  if (b == 0xe0 && p[1] < 0xa0) return 0; /* overlong */
  if (b == 0xf0 && p[1] < 0x90) return 0;
  if (b == 0xed && p[1] > 0x9f) return 0; /* a surrogate */
  if (b == 0xf4 && p[1] > 0x8f) return 0; /* beyond U+10FFFF */
  return size;
}

bool oq_text_is_utf8(oq_text a) {
  const uint8_t *p = (const uint8_t *)a.p;

  for (size_t left = a.n; left > 0;) {
    const size_t size = character(p, left);
    if (size == 0) return false;
    p += size;
    left -= size;
  }
  return true;
}

/* support/size_text - see size_text.h. */
#include "support/size_text.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

typedef struct reader {
  const char *p;
  bool (*find)(int64_t *out, void *user, const char *name, size_t n);
  void *user;
  bool bad;
} reader;

static int64_t read_sum(reader *r);

static bool take(reader *r, const char *word) {
  const size_t n = strlen(word);

  if (strncmp(r->p, word, n) != 0) return false;
  r->p += n;
  return true;
}

static void want(reader *r, const char *word) {
  if (!take(r, word)) r->bad = true;
}

static int64_t read_number(reader *r) {
  char *end;
  const long long v = strtoll(r->p, &end, 10);

  if (end == r->p) r->bad = true;
  r->p = end;
  return v;
}

static int64_t read_name(reader *r) {
  const char *const from = r->p;
  int64_t v = 0;

  while (isalnum((unsigned char)*r->p) || *r->p == '_') r->p++;
  if (r->p == from || !r->find(&v, r->user, from, (size_t)(r->p - from)))
    r->bad = true;
  return v;
}

static int64_t read_floor(reader *r) {
  const int64_t v = read_sum(r);

  want(r, "/");
  const int64_t by = read_number(r);
  want(r, ")");
  if (r->bad || by <= 0) {
    r->bad = true;
    return 0;
  }
  int64_t y = v / by;
  while (y * by > v) y--;
  return y;
}

static int64_t read_bound(reader *r, bool is_min) {
  const int64_t a = read_sum(r);

  want(r, ",");
  const int64_t b = read_number(r);
  want(r, ")");
  return (a < b) == is_min ? a : b;
}

static int64_t read_factor(reader *r) {
  if (take(r, "floor(")) return read_floor(r);
  if (take(r, "min(")) return read_bound(r, true);
  if (take(r, "max(")) return read_bound(r, false);
  if (take(r, "(")) {
    const int64_t v = read_sum(r);
    want(r, ")");
    return v;
  }
  return isdigit((unsigned char)*r->p) ? read_number(r) : read_name(r);
}

static int64_t read_product(reader *r) {
  int64_t v = read_factor(r);

  while (!r->bad && take(r, "*")) v *= read_factor(r);
  return v;
}

static int64_t read_sum(reader *r) {
  int64_t v = take(r, "-") ? -read_product(r) : read_product(r);

  while (!r->bad && (*r->p == '+' || *r->p == '-')) {
    const bool minus = *r->p++ == '-';
    const int64_t x = read_product(r);
    v = minus ? v - x : v + x;
  }
  return v;
}

bool size_text_value(int64_t *out, const char *text,
                     bool (*find)(int64_t *out, void *user, const char *name,
                                  size_t n),
                     void *user) {
  reader r = {.p = text, .find = find, .user = user};
  const int64_t v = read_sum(&r);

  if (r.bad || *r.p != '\0') return false;
  *out = v;
  return true;
}

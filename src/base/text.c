/* base/text.c - text and numbers, the same under every locale. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* strtod_l */
#endif
#include "base/text.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool oq_text_parse_i64(int64_t *out, const char *p, size_t n) {
  const char *const end = p + n;
  const bool minus = n != 0 && *p == '-';
  int64_t v = 0;

  if (n != 0 && (*p == '-' || *p == '+')) p++;
  if (p == end) return false;
  for (; p < end; p++) {
    if (!is_digit(*p)) return false;
    /* Counted downwards: the lowest number has no positive twin. */
    if (__builtin_mul_overflow(v, 10, &v) ||
        __builtin_sub_overflow(v, *p - '0', &v)) {
      return false;
    }
  }
  if (!minus && v == INT64_MIN) return false;
  *out = minus ? v : -v;
  return true;
}

static const char *skip_digits(const char *p, const char *end) {
  while (p < end && is_digit(*p)) p++;
  return p;
}

/* [+-] digits [. digits] [e [+-] digits]; at least one digit before e. */
static bool is_decimal(const char *p, const char *end) {
  if (p < end && (*p == '-' || *p == '+')) p++;
  const char *const whole = p;
  p = skip_digits(p, end);
  size_t digits = (size_t)(p - whole);
  if (p < end && *p == '.') {
    const char *const part = ++p;
    p = skip_digits(p, end);
    digits += (size_t)(p - part);
  }
  if (digits == 0) return false;
  if (p == end) return true;
  if (*p != 'e' && *p != 'E') return false;
  p++;
  if (p < end && (*p == '-' || *p == '+')) p++;
  const char *const exponent = p;
  p = skip_digits(p, end);
  return p == end && p != exponent;
}

/* nan, inf, -inf, as they are printed. */
static bool parse_special(double *out, const char *p, size_t n) {
  static const struct {
    const char *text;
    double value;
  } special[] = {{"nan", (double)__builtin_nanf("")},
                 {"inf", (double)__builtin_inff()},
                 {"+inf", (double)__builtin_inff()},
                 {"-inf", -(double)__builtin_inff()}};

  for (size_t i = 0; i < sizeof special / sizeof *special; i++) {
    if (strlen(special[i].text) == n && memcmp(special[i].text, p, n) == 0) {
      *out = special[i].value;
      return true;
    }
  }
  return false;
}

#define MAX_NUMBER 1024 /* bytes of a number in text; a person writes 20 */

bool oq_text_parse_f64(double *out, const char *p, size_t n) {
  char text[MAX_NUMBER];

  if (n == 0 || n >= sizeof text) return false;
  if (parse_special(out, p, n)) return true;
  if (!is_decimal(p, p + n)) return false;
  memcpy(text, p, n);
  text[n] = '\0';
  /* glibc hands out a static object for "C": no memory, nothing to free in
   * practice, and freelocale accepts it. */
  const locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
  if (c == (locale_t)0) return false;
  const double v = strtod_l(text, NULL, c);
  freelocale(c);
  if (v > 1.7976931348623157e308 || v < -1.7976931348623157e308) return false;
  *out = v;
  return true;
}

/* A decimal number: 0.d1d2d3... * 10^point. */
typedef struct decimal {
  char digit[20];
  int n, point;
} decimal;

/* v > 0, correctly rounded to n digits.  printf's decimal separator depends on
 * the locale, digits and exponent do not. */
static void round_to(decimal *d, double v, int n) {
  char text[64];
  const char *p = text;

  (void)snprintf(text, sizeof text, "%.*e", n - 1, v);
  for (d->n = 0; d->n < n; p++) {
    if (is_digit(*p)) d->digit[d->n++] = *p;
  }
  p = strrchr(text, 'e') + 1;
  const bool minus = *p++ == '-';
  int e = 0;
  for (; is_digit(*p); p++) e = e * 10 + (*p - '0');
  d->point = (minus ? -e : e) + 1;
}

/* One more in the last place. */
static void step_up(decimal *d) {
  int i = d->n - 1;

  for (; i >= 0 && d->digit[i] == '9'; i--) d->digit[i] = '0';
  if (i >= 0) {
    d->digit[i]++;
  } else {
    d->digit[0] = '1';
    d->point++;
  }
}

static bool reads_back(const decimal *d, double v) {
  char text[40];
  double back = 0;

  memcpy(text, d->digit, (size_t)d->n);
  const int n =
      snprintf(text + d->n, sizeof text - (size_t)d->n, "e%d", d->point - d->n);
  return oq_text_parse_f64(&back, text, (size_t)(d->n + n)) && back == v;
}

static void shortest(decimal *d, double v) {
  /* Up to 15 digits survive the way through a double, so fewer than 15 are
   * those of 15 without the zeros; not so for subnormals. */
  for (int n = v < 2.3e-308 ? 1 : 15; n < 17; n++) {
    round_to(d, v, n);
    if (reads_back(d, v)) break;
    /* Below a power of two the doubles are twice as dense: the nearest decimal
     * may miss where the next one up hits. */
    step_up(d);
    if (reads_back(d, v)) break;
    if (n == 16) round_to(d, v, 17);
  }
  while (d->n > 1 && d->digit[d->n - 1] == '0') d->n--;
}

static size_t print_plain(char *out, const decimal *d) {
  char *p = out;

  if (d->point <= 0) {
    *p++ = '0';
    *p++ = '.';
    for (int i = d->point; i < 0; i++) *p++ = '0';
  }
  for (int i = 0; i < d->n || i < d->point; i++) {
    if (i == d->point && i > 0) *p++ = '.';
    *p++ = i < d->n ? d->digit[i] : '0';
  }
  return (size_t)(p - out);
}

static size_t print_exponent(char *out, const decimal *d) {
  char *p = out;

  *p++ = d->digit[0];
  if (d->n > 1) *p++ = '.';
  memcpy(p, d->digit + 1, (size_t)d->n - 1);
  p += d->n - 1;
  return (size_t)(p - out) + (size_t)snprintf(p, 8, "e%d", d->point - 1);
}

size_t oq_text_print_f64(char out[32], double v) {
  decimal d;
  size_t n = 0;

  if (v != v) return (size_t)snprintf(out, 32, "nan");
  if (__builtin_signbit(v) != 0) {
    out[n++] = '-';
    v = -v;
  }
  if (__builtin_isinf(v)) {
    memcpy(out + n, "inf", 4);
    return n + 3;
  }
  if (v == 0) {
    out[n++] = '0';
  } else {
    shortest(&d, v);
    n += d.point > -4 && d.point <= 17 ? print_plain(out + n, &d)
                                       : print_exponent(out + n, &d);
  }
  out[n] = '\0';
  return n;
}

/* As printf's %g: an exponent has at least two digits. */
static size_t print_general(char *out, const decimal *d, int digits) {
  const int e = d->point - 1;
  char *p = out;

  if (e >= -4 && e < digits) return print_plain(out, d);
  *p++ = d->digit[0];
  if (d->n > 1) *p++ = '.';
  memcpy(p, d->digit + 1, (size_t)d->n - 1);
  p += d->n - 1;
  return (size_t)(p - out) +
         (size_t)snprintf(p, 8, "e%c%02d", e < 0 ? '-' : '+', e < 0 ? -e : e);
}

size_t oq_text_print_digits(char out[32], double v, int digits) {
  const bool minus = __builtin_signbit(v) != 0;
  decimal d;

  if (minus) *out = '-';
  if (v == 0) {
    out[minus] = '0';
    return minus ? 2 : 1;
  }
  round_to(&d, minus ? -v : v, digits);
  while (d.n > 1 && d.digit[d.n - 1] == '0') d.n--;
  return (minus ? 1 : 0) + print_general(out + minus, &d, digits);
}

bool oq_text_glob(const char *pattern, const char *text) {
  const char *star = NULL, *from = NULL; /* where to try again */

  while (*text != '\0') {
    if (*pattern == '*') {
      star = ++pattern;
      from = text;
    } else if (*pattern != '\0' && (*pattern == '?' || *pattern == *text)) {
      pattern++;
      text++;
    } else if (star != NULL) {
      pattern = star;
      text = ++from; /* the star takes one byte more */
    } else {
      return false;
    }
  }
  while (*pattern == '*') pattern++;
  return *pattern == '\0';
}

/* Length of the UTF-8 sequence at p, 0 if it is not well-formed: overlong
 * forms, surrogates and numbers above 10FFFF are not. */
static size_t utf8_length(const unsigned char *p) {
  static const struct {
    unsigned char first, last; /* of the first byte */
    unsigned char low, high;   /* of the second */
    unsigned char n;
  } forms[] = {{0x20, 0x7e, 0, 0, 1},       {0xc2, 0xdf, 0x80, 0xbf, 2},
               {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
               {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
               {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4},
               {0xf4, 0xf4, 0x80, 0x8f, 4}};

  for (size_t f = 0; f < sizeof forms / sizeof *forms; f++) {
    if (p[0] < forms[f].first || p[0] > forms[f].last) continue;
    if (forms[f].n == 1) return 1;
    if (p[1] < forms[f].low || p[1] > forms[f].high) return 0;
    for (size_t i = 2; i < forms[f].n; i++) {
      if ((p[i] & 0xc0) != 0x80) return 0;
    }
    return forms[f].n;
  }
  return 0;
}

/* Control characters of two bytes (C1), and those that turn or hide text:
 * line and paragraph separators, bidirectional controls, zero-width ones. */
static bool is_unsafe(const unsigned char *p, size_t n) {
  if (n == 2) return p[0] == 0xc2 && p[1] < 0xa0;
  if (n != 3) return false;
  if (p[0] == 0xef) return p[1] == 0xbb && p[2] == 0xbf;
  if (p[0] != 0xe2) return false;
  if (p[1] == 0x80)
    return (p[2] >= 0x8b && p[2] <= 0x8f) || (p[2] >= 0xa8 && p[2] <= 0xae);
  return p[1] == 0x81 && p[2] >= 0xa0 && p[2] <= 0xaf;
}

void oq_text_escape(char *out, size_t cap, const char *text) {
  static const char hex[] = "0123456789abcdef";
  const unsigned char *p = (const unsigned char *)text;
  size_t n = 0;   /* written */
  size_t cut = 0; /* where "..." still fits */

  if (cap == 0) return;
  while (*p != '\0') {
    char piece[4];
    size_t in = utf8_length(p), size = in;

    if (in == 0 || is_unsafe(p, in)) {
      piece[0] = '\\';
      piece[1] = 'x';
      piece[2] = hex[*p >> 4];
      piece[3] = hex[*p & 15];
      in = 1;
      size = 4;
    } else {
      memcpy(piece, p, in);
    }
    if (n + size >= cap) {
      n = cut;
      for (size_t i = 0; i < 3 && n + 1 < cap; i++) out[n++] = '.';
      break;
    }
    memcpy(out + n, piece, size);
    n += size;
    p += in;
    if (n + 3 < cap) cut = n;
  }
  out[n] = '\0';
}

#include "runtime/ort_error.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Length of the terminal control sequence at p ("ESC [ ... letter"). */
static size_t escape_length(const char *p, size_t n) {
  size_t i = 2;

  if (n < 2 || p[0] != '\x1b' || p[1] != '[') return 0;
  while (i < n && (unsigned char)p[i] >= 0x20 && (unsigned char)p[i] < 0x40)
    i++;
  return i < n ? i + 1 : n;
}

/* Length of a well-formed UTF-8 sequence of two bytes or more that is no
 * control character, or 0. */
static size_t utf8_length(const char *s, size_t n) {
  const unsigned char *p = (const unsigned char *)s;
  size_t need;

  if (p[0] >= 0xc2 && p[0] < 0xe0) {
    need = 2;
  } else if (p[0] >= 0xe0 && p[0] < 0xf0) {
    need = 3;
  } else if (p[0] >= 0xf0 && p[0] < 0xf5) {
    need = 4;
  } else {
    return 0;
  }
  if (need > n) return 0;
  for (size_t i = 1; i < need; i++)
    if ((p[i] & 0xc0) != 0x80) return 0;
  if (p[0] == 0xc2 && p[1] < 0xa0) return 0; /* C1 controls */
  if (p[0] == 0xe0 && p[1] < 0xa0) return 0; /* overlong */
  if (p[0] == 0xed && p[1] > 0x9f) return 0; /* surrogates */
  if (p[0] == 0xf0 && p[1] < 0x90) return 0;
  if (p[0] == 0xf4 && p[1] > 0x8f) return 0;
  return need;
}

/* One byte below 0x80 as it is shown; '\0' = not at all. */
static char shown(char c, char before, bool lines) {
  if (c == '\n' || c == '\r') {
    if (lines) return c == '\n' ? '\n' : '\0';
    return before == ' ' || before == '\0' ? '\0' : ' ';
  }
  if (c == '\t') return ' ';
  return c >= 0x20 && c < 0x7f ? c : '?';
}

void oq_rt_printable(char *room, size_t size, const char *p, size_t n,
                     int lines) {
  size_t at = 0;

  for (size_t i = 0; i < n;) {
    size_t step = escape_length(p + i, n - i);

    if (step != 0) {
      i += step;
      continue;
    }
    step = utf8_length(p + i, n - i);
    if (step == 0) {
      const char c = shown(p[i], at > 0 ? room[at - 1] : '\0', lines != 0);

      i++;
      if (c == '\0') continue;
      if (at + 1 >= size) break;
      room[at++] = c;
    } else {
      if (at + step >= size) break;
      memcpy(room + at, p + i, step);
      at += step;
      i += step;
    }
  }
  while (at > 0 && (room[at - 1] == ' ' || room[at - 1] == '\n')) at--;
  room[at] = '\0';
}

oq_status oq_rt_fail(oq_rt_error *err, oq_status status, const char *id,
                     const char *format, ...) {
  char raw[sizeof err->text];
  va_list ap;
  int n;

  if (err == NULL) return status;
  memset(err, 0, sizeof *err);
  err->status = status;
  snprintf(err->id, sizeof err->id, "%s", id);
  va_start(ap, format);
  n = vsnprintf(raw, sizeof raw, format, ap);
  va_end(ap);
  if (n < 0) raw[0] = '\0';
  oq_rt_printable(err->text, sizeof err->text, raw, strlen(raw), 0);
  return status;
}

void oq_rt_set_hint(oq_rt_error *err, const char *hint) {
  if (err != NULL) snprintf(err->hint, sizeof err->hint, "%s", hint);
}

oq_status oq_rt_no_memory(oq_rt_error *err) {
  return oq_rt_fail(err, OQ_E_MEMORY, "runtime.memory",
                    "no memory for talking to onnxruntime");
}

int oq_rt_error_is_missing(const oq_rt_error *err) {
  return strcmp(err->id, "runtime.not_found") == 0 ||
         strcmp(err->id, "runtime.library") == 0;
}

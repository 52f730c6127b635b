/* term.c - findings and progress on stderr. */
#define _POSIX_C_SOURCE 200809L
#include "cli/term.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define REDRAW_MS 100
#define PLAIN_MS 30000

static struct {
  bool quiet, live, drawn;
  unsigned verbose;
  int64_t last_ms;
} term;

void oq_term_setup(bool quiet, unsigned verbose) {
  const char *kind = getenv("TERM");

  term.quiet = quiet;
  term.verbose = verbose;
  term.live = isatty(STDERR_FILENO) && !(kind && strcmp(kind, "dumb") == 0);
  term.last_ms = oq_term_clock_ms();
}

unsigned oq_term_verbose(void) { return term.verbose; }

int64_t oq_term_clock_ms(void) {
  struct timespec t;

  (void)clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

double oq_term_seconds(void) {
  struct timespec t;

  (void)clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* ---- harmless text --------------------------------------------------------
 */
/* Bytes of the well-formed UTF-8 sequence at p, 0 if there is none. */
static size_t sequence(const unsigned char *p) {
  size_t n = 0;

  if (p[0] < 0x80) return 1;
  if (p[0] >= 0xc2 && p[0] <= 0xdf) n = 2;
  if (p[0] >= 0xe0 && p[0] <= 0xef) n = 3;
  if (p[0] >= 0xf0 && p[0] <= 0xf4) n = 4;
  for (size_t i = 1; i < n; i++)
    if ((p[i] & 0xc0) != 0x80) return 0;
  if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
      (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
    return 0;
  return n;
}

/* Controls, and marks that change the order of what is shown. */
static bool is_unsafe(const unsigned char *p, size_t n) {
  if (n == 1) return p[0] < 0x20 || p[0] == 0x7f;
  if (n == 2) return p[0] == 0xc2 && p[1] < 0xa0;
  if (n != 3 || p[0] != 0xe2) return false;
  if (p[1] == 0x80)
    return (p[2] >= 0x8b && p[2] <= 0x8f) || (p[2] >= 0xa8 && p[2] <= 0xae);
  return p[1] == 0x81 && p[2] >= 0xa0 && p[2] <= 0xaf;
}

char *oq_term_escape(const char *text) {
  const unsigned char *p = (const unsigned char *)text;
  char *out = malloc(4 * strlen(text) + 1), *to = out;

  if (!out) return NULL;
  while (*p) {
    const size_t n = sequence(p);

    if (n == 0 || is_unsafe(p, n)) {
      to += sprintf(to, "\\x%02x", *p++);
      continue;
    }
    memcpy(to, p, n);
    to += n;
    p += n;
  }
  *to = 0;
  return out;
}

void oq_term_print(FILE *to, const char *text) {
  char *safe = oq_term_escape(text);

  if (safe) (void)fputs(safe, to);
  free(safe);
}

void oq_term_cell(FILE *to, const char *text, size_t width) {
  char *safe = oq_term_escape(text);
  size_t column = 0, cut = 0, bytes = 0;

  if (!safe) return;
  for (const char *p = safe; *p; p++) {
    if ((*p & 0xc0) == 0x80) continue; /* not the first byte of a character */
    if (column == width - 2) cut = (size_t)(p - safe);
    column++;
  }
  bytes = strlen(safe);
  if (column > width)
    (void)fprintf(to, "%.*s..", (int)cut, safe);
  else
    (void)fprintf(to, "%.*s%*s", (int)bytes, safe, (int)(width - column), "");
  free(safe);
}

static oq_term_text scaled(double v, const char *unit) {
  static const char *const prefix[] = {"", "k", "M", "G", "T"};
  oq_term_text t;
  size_t i = 0;

  for (; v >= 999.5 && i < 4; i++) v /= 1000;
  (void)snprintf(t.s, sizeof t.s, "%.*f%s%s%s", i && v < 99.95 ? 1 : 0, v,
                 *prefix[i] || *unit ? " " : "", prefix[i], unit);
  return t;
}

oq_term_text oq_term_bytes(uint64_t n) { return scaled((double)n, "B"); }
oq_term_text oq_term_count(uint64_t n) { return scaled((double)n, ""); }

/* ---- messages -------------------------------------------------------------
 */
static void say(const char *kind, const char *hint, const char *fmt,
                va_list args) {
  char text[2048];

  (void)vsnprintf(text, sizeof text, fmt, args);
  size_t n = strlen(text);
  while (n > 0 && (text[n - 1] == '.' || text[n - 1] == '\n')) text[--n] = 0;
  oq_term_progress_end();
  (void)fprintf(stderr, "onnxquant: %s: ", kind);
  oq_term_print(stderr, text);
  if (hint && *hint) {
    (void)fputs(". hint: ", stderr);
    oq_term_print(stderr, hint);
  }
  (void)fputc('\n', stderr);
}

void oq_term_error(const char *hint, const char *fmt, ...) {
  va_list args;

  va_start(args, fmt);
  say("error", hint, fmt, args);
  va_end(args);
}

void oq_term_warn(const char *hint, const char *fmt, ...) {
  va_list args;

  if (term.quiet) return;
  va_start(args, fmt);
  say("warning", hint, fmt, args);
  va_end(args);
}

void oq_term_note(const char *hint, const char *fmt, ...) {
  va_list args;

  if (term.quiet || term.verbose == 0) return;
  va_start(args, fmt);
  say("note", hint, fmt, args);
  va_end(args);
}

/* ---- progress -------------------------------------------------------------
 */
void oq_term_progress(const char *stage, uint64_t done, uint64_t total) {
  const int64_t now = oq_term_clock_ms();

  if (term.quiet) return;
  if (now - term.last_ms < (term.live ? REDRAW_MS : PLAIN_MS)) return;
  term.last_ms = now;
  if (term.live) {
    (void)fprintf(stderr, "\r\033[K%s %llu/%llu", stage,
                  (unsigned long long)done, (unsigned long long)total);
    term.drawn = true;
  } else {
    (void)fprintf(stderr, "onnxquant: %s %llu/%llu\n", stage,
                  (unsigned long long)done, (unsigned long long)total);
  }
  (void)fflush(stderr);
}

void oq_term_progress_end(void) {
  if (!term.drawn) return;
  (void)fputs("\r\033[K", stderr);
  term.drawn = false;
}

/* cli/term.h - what a person sees on stderr: findings and progress.
 *
 * The terminal is one for the whole process, so its state is too.  Every text
 * is made harmless on the way out: names come from models, and a name can hold
 * an escape sequence. */
#ifndef CLI_TERM_H
#define CLI_TERM_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#if defined(__GNUC__)
#define OQ_TERM_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define OQ_TERM_PRINTF(fmt, args)
#endif

/* quiet: neither warnings nor progress; verbose: notes as well. */
void oq_term_setup(bool quiet, unsigned verbose);
unsigned oq_term_verbose(void);

/* "onnxquant: error: TEXT. hint: HINT"; `hint` may be NULL or "". */
void oq_term_error(const char *hint, const char *fmt, ...) OQ_TERM_PRINTF(2, 3);
void oq_term_warn(const char *hint, const char *fmt, ...) OQ_TERM_PRINTF(2, 3);
void oq_term_note(const char *hint, const char *fmt, ...) OQ_TERM_PRINTF(2, 3);

/* A line that is redrawn where stderr is a terminal, at most ten times a
 * second; elsewhere one line in half a minute. */
void oq_term_progress(const char *stage, uint64_t done, uint64_t total);
/* Takes the line away. */
void oq_term_progress_end(void);

/* Prints text with control bytes, broken UTF-8 and marks that reorder text
 * written as \xNN. */
void oq_term_print(FILE *to, const char *text);
/* The same, padded with spaces to `width` or cut to it with "..". */
void oq_term_cell(FILE *to, const char *text, size_t width);
/* The same into memory, for free(); NULL if there is none. */
char *oq_term_escape(const char *text);

/* "3.5 MB" (powers of ten), "1.23 G" without a unit. */
typedef struct oq_term_text {
  char s[32];
} oq_term_text;
oq_term_text oq_term_bytes(uint64_t n);
oq_term_text oq_term_count(uint64_t n);

/* Milliseconds of a clock that only goes forward. */
int64_t oq_term_clock_ms(void);
double oq_term_seconds(void);

#endif

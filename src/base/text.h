/* base/text.h - numbers in text without a locale, JSON out, globs. */
#ifndef OQ_BASE_TEXT_H
#define OQ_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whole of p[0..n) as a decimal number; false on anything else. */
bool oq_text_parse_i64(int64_t *out, const char *p, size_t n);
bool oq_text_parse_f64(double *out, const char *p, size_t n);
/* Shortest text that reads back to the same double; returns its length.  nan,
 * inf, -inf as such. */
size_t oq_text_print_f64(char out[32], double v);
/* At most `digits` (1 to 17) of them, as "%.*g" does in the C locale; returns
 * the length.  `v` is finite. */
size_t oq_text_print_digits(char out[32], double v, int digits);
/* '*' any run, '?' one byte, no classes. */
bool oq_text_glob(const char *pattern, const char *text);
/* Copies with control bytes and invalid UTF-8 as \xNN, cut to `cap` with "...";
 * names of a model are never shown raw. Always ends with NUL. */
void oq_text_escape(char *out, size_t cap, const char *text);

#endif

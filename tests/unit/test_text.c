/* base/text: numbers both ways under any locale, globs, safe names. */
#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "base/text.h"

static void whole_numbers(void **state) {
  static const struct {
    const char *text;
    bool good;
    int64_t v;
  } rows[] = {
      {"0", true, 0},
      {"-0", true, 0},
      {"+7", true, 7},
      {"007", true, 7},
      {"9223372036854775807", true, INT64_MAX},
      {"-9223372036854775808", true, INT64_MIN},
      {"9223372036854775808", false, 0},
      {"-9223372036854775809", false, 0},
      {"99999999999999999999", false, 0},
      {"", false, 0},
      {"-", false, 0},
      {"+-1", false, 0},
      {" 1", false, 0},
      {"1 ", false, 0},
      {"1.0", false, 0},
      {"0x10", false, 0},
      {"1e3", false, 0},
  };

  (void)state;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    int64_t v = 77;
    assert_int_equal(oq_text_parse_i64(&v, rows[i].text, strlen(rows[i].text)),
                     rows[i].good);
    assert_true(v == (rows[i].good ? rows[i].v : 77));
  }
  int64_t v = 0;
  assert_true(oq_text_parse_i64(&v, "1234", 2)); /* only the span */
  assert_int_equal(v, 12);
}

static void real_numbers(void **state) {
  static const struct {
    const char *text;
    bool good;
    double v;
  } rows[] = {
      {"0", true, 0},
      {"1.5", true, 1.5},
      {"-1.5e3", true, -1500},
      {"+.5", true, 0.5},
      {"5.", true, 5},
      {"1E-2", true, 0.01},
      {"1e+2", true, 100},
      {"4.9e-324", true, 0x1p-1074},
      {"1e-400", true, 0},
      {"1.7976931348623157e308", true, 1.7976931348623157e308},
      {"0.1", true, 0.1},
      {"inf", true, INFINITY},
      {"-inf", true, -INFINITY},
      {"1e309", false, 0},
      {"-1e999", false, 0},
      {"", false, 0},
      {".", false, 0},
      {"-", false, 0},
      {"1e", false, 0},
      {"1e+", false, 0},
      {"1,5", false, 0},
      {"1.5.2", false, 0},
      {"0x1p3", false, 0},
      {"infinity", false, 0},
      {"nan(1)", false, 0},
      {" 1", false, 0},
      {"1 ", false, 0},
      {"1f", false, 0},
  };

  (void)state;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    double v = 77;
    assert_int_equal(oq_text_parse_f64(&v, rows[i].text, strlen(rows[i].text)),
                     rows[i].good);
    assert_true(v == (rows[i].good ? rows[i].v : 77));
  }
  double v = 0;
  assert_true(oq_text_parse_f64(&v, "nan", 3) && isnan(v));
  assert_true(oq_text_parse_f64(&v, "-0", 2) && v == 0 && signbit(v));
}

static void printed_as(double v, const char *want) {
  char text[32];

  assert_int_equal(oq_text_print_f64(text, v), strlen(want));
  assert_string_equal(text, want);
}

static void shortest_text(void **state) {
  (void)state;
  printed_as(0, "0");
  printed_as(-0.0, "-0");
  printed_as(1, "1");
  printed_as(-1.5, "-1.5");
  printed_as(0.1, "0.1");
  printed_as(0.1 + 0.2, "0.30000000000000004");
  printed_as(1.0 / 3, "0.3333333333333333");
  printed_as(100, "100");
  printed_as(123456789012345680.0, "1.2345678901234568e17");
  printed_as(12345678901234568.0, "12345678901234568");
  printed_as(0.0001, "0.0001");
  printed_as(0.00001, "1e-5");
  printed_as(1e22, "1e22");
  printed_as(5e-324, "5e-324");
  printed_as(2.2250738585072014e-308, "2.2250738585072014e-308");
  printed_as(1.7976931348623157e308, "1.7976931348623157e308");
  printed_as(9007199254740993.0, "9007199254740992");
  printed_as((double)0.1f, "0.10000000149011612");
  /* A power of two whose nearest text of 16 digits reads back to another
   * number; the one above it does not. */
  printed_as(0x1p-44, "5.684341886080802e-14");
  printed_as(9.5e-7, "9.5e-7");
  printed_as((double)INFINITY, "inf");
  printed_as(-(double)INFINITY, "-inf");
  printed_as((double)NAN, "nan");
  printed_as(-(double)NAN, "nan");
}

/* Reads back, and no text of fewer digits does. */
static void check_shortest(double v) {
  char text[32], fewer[64];
  double back = 0;
  int digits = 0;

  const size_t n = oq_text_print_f64(text, v);
  assert_true(n < 32);
  assert_true(oq_text_parse_f64(&back, text, n));
  assert_true(back == v);
  for (const char *p = text; *p != '\0' && *p != 'e'; p++) {
    if (*p >= '0' && *p <= '9' && (digits > 0 || *p != '0')) digits++;
  }
  for (const char *p = strpbrk(text, "e") ? "" : text + n - 1;
       p > text && *p == '0' && strchr(text, '.') == NULL; p--) {
    digits--; /* zeros that only fill up a whole number */
  }
  if (digits > 1) {
    (void)snprintf(fewer, sizeof fewer, "%.*e", digits - 2, v);
    assert_true(strtod(fewer, NULL) != v);
  }
}

static void any_double_reads_back(void **state) {
  (void)state;
  for (uint64_t i = 0; i < 20000; i++) {
    uint64_t bits = oq_rng_u64(11, i);
    double v;
    if (i % 4 == 1) bits &= ~UINT64_C(0xfffffffffffff);   /* powers of two */
    if (i % 4 == 2) bits &= UINT64_C(0x800fffffffffffff); /* subnormal */
    memcpy(&v, &bits, sizeof v);
    if (isfinite(v)) check_shortest(v);
    if (i % 4 == 3) check_shortest((double)(int64_t)bits);
  }
}

/* Any locale with a decimal comma that the machine has. */
static bool set_comma_locale(void) {
  static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8",
                                      "fr_FR.UTF-8", "ru_RU.UTF-8",
                                      "de_DE",       "pt_BR.UTF-8"};

  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    if (setlocale(LC_ALL, names[i]) != NULL &&
        strcmp(localeconv()->decimal_point, ",") == 0) {
      return true;
    }
  }
  return false;
}

static void the_locale_does_not_matter(void **state) {
  double v = 0;

  (void)state;
  if (!set_comma_locale()) {
    print_message("skipped: no locale with a decimal comma is installed\n");
    skip();
  }
  printed_as(1.5, "1.5");
  printed_as(1.25e-9, "1.25e-9");
  assert_true(oq_text_parse_f64(&v, "2.5", 3));
  assert_true(v == 2.5);
  assert_false(oq_text_parse_f64(&v, "2,5", 3));
  (void)setlocale(LC_ALL, "C");
}

static void globs(void **state) {
  static const struct {
    const char *pattern, *text;
    bool match;
  } rows[] = {
      {"", "", true},
      {"", "a", false},
      {"*", "", true},
      {"*", "anything/at all", true},
      {"?", "", false},
      {"?", "a", true},
      {"a*c", "abbbc", true},
      {"a*c", "abbb", false},
      {"*.conv?", "x.conv1", true},
      {"*.conv?", "x.conv", false},
      {"a*b*c", "axxbyybzc", true},
      {"a*b*c", "axxc", false},
      {"[a]", "[a]", true},
      {"[a]", "a", false},
      {"**a", "bba", true},
      {"a**", "a", true},
      {"*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false},
  };

  (void)state;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    assert_int_equal(oq_text_glob(rows[i].pattern, rows[i].text),
                     rows[i].match);
  }
}

static void escaped_as(const char *text, size_t cap, const char *want) {
  char out[64];

  memset(out, '#', sizeof out);
  oq_text_escape(out, cap, text);
  assert_string_equal(out, want);
  assert_int_equal(out[cap], '#'); /* nothing behind it */
}

static void names_are_safe_to_show(void **state) {
  (void)state;
  escaped_as("conv1/w:0", 40, "conv1/w:0");
  escaped_as("a\tb\n", 40, "a\\x09b\\x0a");
  escaped_as("\x7f", 40, "\\x7f");
  escaped_as("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", 40,
             "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"); /* ä € 😀 */
  escaped_as("\xc3", 40, "\\xc3");                    /* cut short */
  escaped_as("\xc0\xaf", 40, "\\xc0\\xaf");           /* overlong / */
  escaped_as("\xed\xa0\x80", 40, "\\xed\\xa0\\x80");  /* surrogate */
  escaped_as("\xf4\x90\x80\x80", 40, "\\xf4\\x90\\x80\\x80");
  escaped_as("\xc2\x9b", 40, "\\xc2\\x9b");          /* C1: CSI */
  escaped_as("\xe2\x80\xae", 40, "\\xe2\\x80\\xae"); /* turns the text */
}

static void long_names_are_cut(void **state) {
  char out[4] = "###";

  (void)state;
  escaped_as("0123456789", 11, "0123456789");
  escaped_as("0123456789", 10, "012345...");
  escaped_as("01234567\n", 10, "012345...");
  escaped_as("\n\n\n", 10, "\\x0a...");
  escaped_as("abcdef", 4, "...");
  escaped_as("abcdef", 3, "..");
  escaped_as("abcdef", 1, "");
  oq_text_escape(out, 0, "abc");
  assert_string_equal(out, "###");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(whole_numbers),
      cmocka_unit_test(real_numbers),
      cmocka_unit_test(shortest_text),
      cmocka_unit_test(any_double_reads_back),
      cmocka_unit_test(the_locale_does_not_matter),
      cmocka_unit_test(globs),
      cmocka_unit_test(names_are_safe_to_show),
      cmocka_unit_test(long_names_are_cut),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Options from tables, near names, numbers, harmless text.  The program is not
 * a library, so its files are taken in here. */
#include "cli/term.c"

#include "cli/opt.c"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

typedef struct inner {
  oq_opt_list list;
  oq_opt_real real;
} inner;

typedef struct outer {
  bool flag;
  unsigned verbose;
  const char *text, *choice;
  uint64_t count, size;
  int64_t offset;
  inner in;
} outer;

static const oq_opt outer_rows[] = {
    {"flag", 'f', OQ_OPT_FLAG, offsetof(outer, flag), NULL, "a", 0, 0},
    {"verbose", 'v', OQ_OPT_COUNT, offsetof(outer, verbose), NULL, "b", 0, 0},
    {"text", 't', OQ_OPT_TEXT, offsetof(outer, text), "T", "c", 0, 0},
    {"choice", 0, OQ_OPT_CHOICE, offsetof(outer, choice), "one|two", "+d", 0,
     0},
    {"count", 0, OQ_OPT_UINT, offsetof(outer, count), "N", "+e", 1, 9},
    {"size", 0, OQ_OPT_SIZE, offsetof(outer, size), "SIZE", "f", 0, 0},
    {"offset", 0, OQ_OPT_INT, offsetof(outer, offset), "K", "g", 0, 0},
    {"help", 'h', OQ_OPT_HELP, 0, NULL, "+h", 0, 0},
    {0},
};
static const oq_opt inner_rows[] = {
    {"list", 0, OQ_OPT_LIST, offsetof(inner, list), "L", "i", 0, 0},
    {"real", 0, OQ_OPT_REAL, offsetof(inner, real), "R", "j", -1, 1},
    {0},
};
static const oq_opt_group groups[] = {
    {"Outer", outer_rows, 0},
    {"Inner", inner_rows, offsetof(outer, in)},
};
static const oq_opt_command command = {.name = "test",
                                       .about = "a test",
                                       .usage = "test NAME",
                                       .groups = groups,
                                       .n_groups = 2,
                                       .min_names = 1,
                                       .max_names = 2,
                                       .names = "NAME"};

static oq_opt_result parse(outer *o, oq_opt_list *names, const char *line) {
  static char copy[256]; /* argv outlives the options */
  char *argv[32] = {copy}, *rest = NULL;
  int argc = 1;

  (void)snprintf(copy, sizeof copy, "%s", line);
  for (char *p = strtok_r(copy, " ", &rest); p; p = strtok_r(NULL, " ", &rest))
    argv[argc++] = p;
  memset(o, 0, sizeof *o);
  memset(names, 0, sizeof *names);
  return oq_opt_parse(o, names, &command, argc, argv);
}

static void expect(oq_opt_result want, const char *line) {
  outer o;
  oq_opt_list names;
  const oq_opt_result got = parse(&o, &names, line);

  oq_opt_release(&o, &names, &command);
  if (got != want) fail_msg("'%s' gave %d, expected %d", line, got, want);
}

static void fields_are_filled(void **state) {
  outer o;
  oq_opt_list names;

  (void)state;
  assert_int_equal(
      parse(&o, &names,
            "a -fvv --text=x --choice two --count 9 --size 2k --offset -3 "
            "--list p --list=q --real -0.5 -- --b"),
      OQ_OPT_GO);
  assert_true(o.flag);
  assert_int_equal(o.verbose, 2);
  assert_string_equal(o.text, "x");
  assert_string_equal(o.choice, "two");
  assert_int_equal(o.count, 9);
  assert_int_equal(o.size, 2048);
  assert_int_equal(o.offset, -3);
  assert_int_equal(o.in.list.n, 2);
  assert_string_equal(o.in.list.items[1], "q");
  assert_null(o.in.list.items[2]);
  assert_true(o.in.real.set);
  assert_true(o.in.real.value == -0.5);
  assert_int_equal(names.n, 2);
  assert_string_equal(names.items[1], "--b");
  oq_opt_release(&o, &names, &command);
}

static void short_options_take_values(void **state) {
  outer o;
  oq_opt_list names;

  (void)state;
  assert_int_equal(parse(&o, &names, "-ftvalue - -t next"), OQ_OPT_GO);
  assert_true(o.flag);
  assert_string_equal(o.text, "next");
  assert_string_equal(names.items[0], "-");
  oq_opt_release(&o, &names, &command);
}

static void wrong_words_are_refused(void **state) {
  static const char *const bad[] = {"",
                                    "a b c",
                                    "a --nothing",
                                    "a --fla",
                                    "a --text",
                                    "a --flag=1",
                                    "a -x",
                                    "a -ft",
                                    "a --count",
                                    "a --count 0",
                                    "a --count 10",
                                    "a --count 1.5",
                                    "a --count x",
                                    "a --count 1e0",
                                    "a --choice on",
                                    "a --choice one|two",
                                    "a --choice three",
                                    "a --real 2",
                                    "a --real nan",
                                    "a --real inf",
                                    "a --real 0.5x",
                                    "a --size -1",
                                    "a --size 1X",
                                    "a --size 99999999999T",
                                    "a --offset 1.5"};

  (void)state;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    expect(OQ_OPT_BAD, bad[i]);
  expect(OQ_OPT_SHOW_HELP, "--help --nothing");
  expect(OQ_OPT_SHOW_HELP, "-fh");
  expect(OQ_OPT_GO, "a --real 1");
}

static void near_names_are_found(void **state) {
  static const char *const words[] = {"quantize", "calibrate", "merge",
                                      "min-sqnr"};

  (void)state;
  assert_string_equal(oq_opt_nearest("quantise", words, 4), "quantize");
  assert_string_equal(oq_opt_nearest("mrege", words, 4), "merge");
  assert_string_equal(oq_opt_nearest("cal", words, 4), "calibrate");
  assert_string_equal(oq_opt_nearest("min-sqrn", words, 4), "min-sqnr");
  assert_null(oq_opt_nearest("frobnicate", words, 4));
  assert_null(oq_opt_nearest("zz", words, 4));
  assert_null(oq_opt_nearest("anything", words, 0));
}

static void sizes_have_units(void **state) {
  static const struct {
    const char *text;
    uint64_t size;
  } good[] = {{"0", 0},
              {"4096", 4096},
              {"1k", 1024},
              {"1K", 1024},
              {"3M", 3u << 20},
              {"2G", UINT64_C(2) << 30},
              {"2GB", UINT64_C(2) << 30},
              {"1GiB", UINT64_C(1) << 30}};
  static const char *const bad[] = {"",
                                    "-1",
                                    " 1",
                                    "1 G",
                                    "G",
                                    "1GG",
                                    "18446744073709551616",
                                    "18014398509481984k"};
  uint64_t v;

  (void)state;
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
    assert_true(oq_opt_size(&v, good[i].text));
    assert_int_equal(v, good[i].size);
  }
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    assert_false(oq_opt_size(&v, bad[i]));
}

static void escaped(const char *text, const char *want) {
  char *safe = oq_term_escape(text);

  assert_non_null(safe);
  assert_string_equal(safe, want);
  free(safe);
}

static void names_cannot_drive_the_terminal(void **state) {
  (void)state;
  escaped("conv1/weights", "conv1/weights");
  escaped("a\033]0;x\007b\n", "a\\x1b]0;x\\x07b\\x0a");
  escaped("\xc3\xa9", "\xc3\xa9");
  escaped("\xff\xc3", "\\xff\\xc3");
  escaped("\xe2\x80\xae", "\\xe2\\x80\\xae"); /* right-to-left override */
  escaped("\xc2\x9b", "\\xc2\\x9b");          /* CSI in one byte */
  escaped("\xed\xa0\x80", "\\xed\\xa0\\x80"); /* surrogate */
  escaped("\xe0\x80\x80", "\\xe0\\x80\\x80"); /* overlong */
}

static void numbers_are_rounded_for_people(void **state) {
  (void)state;
  assert_string_equal(oq_term_bytes(0).s, "0 B");
  assert_string_equal(oq_term_bytes(999).s, "999 B");
  assert_string_equal(oq_term_bytes(1234).s, "1.2 kB");
  assert_string_equal(oq_term_bytes(363504).s, "364 kB");
  assert_string_equal(oq_term_bytes(13985024).s, "14.0 MB");
  assert_string_equal(oq_term_bytes(999999).s, "1.0 MB");
  assert_string_equal(oq_term_count(300775552).s, "301 M");
  assert_string_equal(oq_term_count(7).s, "7");
}

/* Text that a function writes to a stream. */
static char *written(void (*print)(FILE *to)) {
  static char text[4096];
  FILE *f = tmpfile();

  assert_non_null(f);
  print(f);
  rewind(f);
  text[fread(text, 1, sizeof text - 1, f)] = 0;
  (void)fclose(f);
  return text;
}

static void print_short(FILE *to) { oq_opt_help(to, &command, false); }
static void print_long(FILE *to) { oq_opt_help(to, &command, true); }
static void print_cells(FILE *to) {
  oq_term_cell(to, "ab", 4);
  oq_term_cell(to, "abcdef", 4);
  oq_term_cell(to, "\xc3\xa4\xc3\xb6\xc3\xbc", 4);
}

static void help_comes_from_the_table(void **state) {
  const char *text;

  (void)state;
  text = written(print_short);
  assert_non_null(strstr(text, "Outer (also --choice --count)\n"));
  assert_non_null(strstr(text, "-t, --text T"));
  assert_null(strstr(text, "--choice one|two"));
  text = written(print_long);
  assert_non_null(strstr(text, "--choice one|two"));
  assert_non_null(strstr(text, "--help"));
}

static void cells_have_a_width(void **state) {
  (void)state;
  assert_string_equal(written(print_cells),
                      "ab  ab..\xc3\xa4\xc3\xb6\xc3\xbc ");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(fields_are_filled),
      cmocka_unit_test(short_options_take_values),
      cmocka_unit_test(wrong_words_are_refused),
      cmocka_unit_test(near_names_are_found),
      cmocka_unit_test(sizes_have_units),
      cmocka_unit_test(names_cannot_drive_the_terminal),
      cmocka_unit_test(numbers_are_rounded_for_people),
      cmocka_unit_test(help_comes_from_the_table),
      cmocka_unit_test(cells_have_a_width),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}

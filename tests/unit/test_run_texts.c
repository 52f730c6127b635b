/* Texts as values of a run: who owns their bytes, what may be done to them, and
 * what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "exec/session.h"
#include "ops/letters.h"
#include "ops/regex.h"
#include "pass/pass.h"
#include "support/build.h"
#include "support/env.h"

typedef struct fixture {
  test_env t;
  build b;
  oq_plan *p;
  oq_session *s;
} fixture;

#define WORD(word) \
  { (word), sizeof(word) - 1 }
#define TEXT(word) ((oq_text)WORD(word))

static void open_env(fixture *f, int64_t opset) {
  memset(f, 0, sizeof *f);
  assert_true(test_env_open(&f->t, NULL));
  build_open(&f->b, &f->t.e, opset);
}

static oq_status open_session(fixture *f) {
  build_bind(&f->b);
  OQ_TRY(f->b.status);
  OQ_TRY(oq_plan_create(&f->p, f->b.g, NULL, &f->t.e));
  return oq_session_create(&f->s, f->p, &f->t.e);
}

static void close_all(fixture *f) {
  oq_session_destroy(f->s);
  oq_plan_destroy(f->p);
  build_close(&f->b);
  test_env_close(&f->t);
}

static oq_ctensor vector(const oq_text *t, int64_t n) {
  return (oq_ctensor){OQ_DT_STRING, {1, {n}}, (size_t)n * sizeof *t, t};
}

static oq_status run(fixture *f, const oq_ctensor *in, uint32_t n) {
  return oq_session_run(f->s, in, n, NULL, &f->t.e);
}

static void is_text(const fixture *f, const char *name, size_t i,
                    const char *want) {
  const oq_ctensor *t = oq_session_value(f->s, build_find(&f->b, name));

  assert_non_null(t);
  assert_int_equal(t->dtype, OQ_DT_STRING);
  assert_true(i < oq_tensor_count(t));
  const oq_text y = oq_texts(t)[i];
  if (!oq_text_equal(y, (oq_text){want, strlen(want)})) {
    fail_msg("'%.*s', expected '%s'", (int)y.n, y.p, want);
  }
}

/* ---- elements ------------------------------------------------------------ */
static void texts_compare(void **state) {
  const oq_text none = {NULL, 0}, big = {NULL, SIZE_MAX};
  size_t n;

  (void)state;
  assert_true(oq_text_equal(none, TEXT("")));
  assert_int_equal(oq_text_compare(none, TEXT("")), 0);
  assert_true(oq_text_compare(TEXT("a"), TEXT("ab")) < 0);
  assert_true(oq_text_compare(TEXT("b"), TEXT("ab")) > 0);
  assert_true(oq_text_compare(TEXT("a\0b"), TEXT("a\0c")) < 0);
  assert_true(oq_text_compare(TEXT("\xff"), TEXT("a")) > 0);
  assert_true(oq_text_hash(TEXT("ab")) != oq_text_hash(TEXT("ba")));
  const oq_text two[] = {TEXT("abc"), TEXT("de")}, lies[] = {big, big};
  assert_true(oq_texts_bytes(&n, two, 2));
  assert_int_equal(n, 5);
  assert_false(oq_texts_bytes(&n, lies, 2));
}

static void utf8_is_checked(void **state) {
  static const char *const good[] = {"",
                                     "a",
                                     "\xc3\xa9",
                                     "\xe2\x82\xac",
                                     "\xf0\x9f\x98\x80",
                                     "\xf4\x8f\xbf\xbf"};
  static const char *const bad[] = {
      "\x80",         "\xc3",         "\xc0\xaf",         "\xe0\x80\xaf",
      "\xed\xa0\x80", "\xf8\x88\x80", "\xf4\x90\x80\x80", "\xf0\x80\x80\x80",
      "a\xff",        "\xe2\x82",     "\xc3\x28"};

  (void)state;
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
    assert_true(oq_text_is_utf8((oq_text){good[i], strlen(good[i])}));
  }
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    assert_false(oq_text_is_utf8((oq_text){bad[i], strlen(bad[i])}));
  }
}

static void letters_go_both_ways(void **state) {
  char bytes[4];
  uint32_t back;

  (void)state;
  for (uint32_t c = 1; c <= 0x10ffff; c++) {
    if (c >= 0xd800 && c <= 0xdfff) continue;
    const size_t n = oq_letter_write(bytes, c);
    assert_int_equal(oq_letter_read(&back, bytes, n), n);
    assert_int_equal(back, c);
    if (oq_letter_fold(c) != c) {
      assert_int_equal(oq_letter_next_folded(c), c);
      assert_int_equal(oq_letter_fold(oq_letter_fold(c)), oq_letter_fold(c));
    }
  }
  assert_int_equal(oq_letter_upper(0xe9), 0xc9);
  assert_int_equal(oq_letter_lower(0x130), 'i');
  assert_int_equal(oq_letter_upper(0xdf), 0xdf);
}

/* A view whose elements point nowhere. */
static void views_are_checked(void **state) {
  const oq_text bad[] = {{NULL, 3}}, huge[] = {{"a", SIZE_MAX}, {"b", 2}};
  oq_tensor_view v = {OQ_DT_STRING, 1, {1}, bad, sizeof *bad};
  test_env t;
  oq_ctensor x;

  (void)state;
  assert_true(test_env_open(&t, NULL));
  assert_int_equal(oq_view_take(&x, &v, "x", t.scratch, t.diags), OQ_E_DATA);
  v.dim[0] = 2;
  v.data = huge;
  v.size = sizeof huge;
  assert_int_equal(oq_view_take(&x, &v, "x", t.scratch, t.diags), OQ_E_DATA);
  v.size--;
  assert_int_equal(oq_view_take(&x, &v, "x", t.scratch, t.diags), OQ_E_DATA);
  test_env_close(&t);
}

/* ---- whose bytes --------------------------------------------------------- */
/* joined = x + "!", moved = x the other way round, same = x. */
static void three_ways(fixture *f) {
  static const oq_text mark[] = {{"!", 1}};
  static const int64_t back[] = {1, 0};

  open_env(f, 20);
  build_input(&f->b, "x", OQ_DT_STRING, "2");
  build_const(&f->b, "mark", OQ_DT_STRING, "1", mark);
  build_const_i64(&f->b, "back", "2", back);
  build_node(&f->b, "StringConcat", "x mark", "joined", "");
  build_node(&f->b, "Gather", "x back", "moved", "");
  build_node(&f->b, "Identity", "x", "same", "");
  build_output(&f->b, "joined");
  build_output(&f->b, "moved");
  build_output(&f->b, "same");
  assert_int_equal(open_session(f), OQ_OK);
}

static void outputs_outlive_inputs(void **state) {
  fixture f;

  (void)state;
  three_ways(&f);
  for (int i = 0; i < 3; i++) {
    char *const bytes = malloc(8);
    oq_text *const x = malloc(2 * sizeof *x);
    assert_true(bytes != NULL && x != NULL);
    memcpy(bytes, "onetwo", 6);
    x[0] = (oq_text){bytes, 3};
    x[1] = (oq_text){bytes + 3, 3};
    const oq_ctensor in = vector(x, 2);
    assert_int_equal(run(&f, &in, 1), OQ_OK);
    memset(bytes, 'x', 8);
    free(bytes);
    free(x);
    is_text(&f, "joined", 0, "one!");
    is_text(&f, "joined", 1, "two!");
    is_text(&f, "moved", 0, "two");
    is_text(&f, "same", 0, "one");
  }
  close_all(&f);
}

/* What a run holds does not grow from run to run. */
static void runs_give_back(void **state) {
  char *const big = malloc(100000);
  fixture f;

  (void)state;
  assert_non_null(big);
  memset(big, 'b', 100000);
  const oq_text x[] = {{big, 100000}, {big, 70000}};
  const oq_ctensor in = vector(x, 2);
  three_ways(&f);
  assert_int_equal(run(&f, &in, 1), OQ_OK);
  const size_t before = f.t.alloc.used;
  for (int i = 0; i < 5; i++) assert_int_equal(run(&f, &in, 1), OQ_OK);
  assert_int_equal(f.t.alloc.used, before);
  close_all(&f);
  free(big);
}

static void inputs_are_bounded(void **state) {
  static char big[20000];
  const oq_text x[] = {{big, sizeof big}, {big, 1}}, small[] = {TEXT("a"), {0}};
  const oq_ctensor in = vector(x, 2), next = vector(small, 2);
  fixture f;

  (void)state;
  open_env(&f, 20);
  f.t.limits.max_run_bytes = 16384;
  build_input(&f.b, "x", OQ_DT_STRING, "2");
  build_node(&f.b, "Identity", "x", "y", "");
  build_output(&f.b, "y");
  assert_int_equal(open_session(&f), OQ_OK);
  assert_int_equal(run(&f, &in, 1), OQ_E_LIMIT);
  assert_string_equal(test_env_last(&f.t), "run.memory");
  assert_int_equal(run(&f, &next, 1), OQ_OK);
  is_text(&f, "y", 0, "a");
  close_all(&f);
}

/* s' = s + s. */
static void a_loop_builds_texts(void **state) {
  const oq_text x[] = {TEXT("ab")};
  int64_t m = 3;
  const oq_ctensor in[] = {{OQ_DT_I64, {0, {0}}, sizeof m, &m}, vector(x, 1)};
  fixture f;

  (void)state;
  open_env(&f, 20);
  f.t.limits.max_run_bytes = 1 << 20;
  build_input(&f.b, "m", OQ_DT_I64, "");
  build_input(&f.b, "x", OQ_DT_STRING, "1");
  build_body(&f.b, "body");
  build_input(&f.b, "i", OQ_DT_I64, "");
  build_input(&f.b, "go", OQ_DT_BOOL, "");
  build_input(&f.b, "s", OQ_DT_STRING, "1");
  build_node(&f.b, "Identity", "go", "goes", "");
  build_node(&f.b, "StringConcat", "s s", "next", "");
  build_node(&f.b, "Identity", "s", "seen", "");
  build_output(&f.b, "goes");
  build_output(&f.b, "next");
  build_output(&f.b, "seen");
  build_body_end(&f.b);
  build_node(&f.b, "Loop", "m _ x", "y all", "body=@body");
  build_output(&f.b, "y");
  build_output(&f.b, "all");
  assert_int_equal(open_session(&f), OQ_OK);
  assert_int_equal(run(&f, in, 2), OQ_OK);
  is_text(&f, "y", 0, "abababababababab");
  is_text(&f, "all", 0, "ab");
  is_text(&f, "all", 2, "abababab");
  m = 40;
  assert_int_equal(run(&f, in, 2), OQ_E_LIMIT);
  assert_string_equal(test_env_last(&f.t), "run.memory");
  m = 0;
  assert_int_equal(run(&f, in, 2), OQ_OK);
  is_text(&f, "y", 0, "ab");
  close_all(&f);
}

static oq_status scenario(const oq_allocator *hook, void *user) {
  const oq_text x[] = {TEXT("one"), TEXT("two")};
  const oq_ctensor in = vector(x, 2);
  fixture f = {0};

  (void)user;
  if (!test_env_open(&f.t, hook)) return OQ_E_MEMORY;
  build_open(&f.b, &f.t.e, 20);
  build_input(&f.b, "x", OQ_DT_STRING, "2");
  build_node(&f.b, "StringConcat", "x x", "y", "");
  build_node(&f.b, "StringSplit", "y", "z n", "delimiter=w");
  build_node(&f.b, "Unique", "z", "u", "");
  build_output(&f.b, "u");
  oq_status s = open_session(&f);
  if (s == OQ_OK) s = run(&f, &in, 1);
  if (s == OQ_OK) is_text(&f, "u", 0, "");
  close_all(&f);
  return s;
}

static void memory_may_end_anywhere(void **state) {
  (void)state;
  survive_every_allocation(scenario, NULL);
}

/* ---- moves that onnxruntime does not have -------------------------------- */
static void moved(const char *op, const char *attrs, const char *shape,
                  int64_t opset, const int64_t *how, const char *how_shape,
                  const char *const *want, size_t n_want) {
  static const oq_text x[] = {WORD("a"), WORD("b"), WORD("c"), WORD("d"),
                              WORD("e"), WORD("f"), WORD("g"), WORD("h")};
  fixture f;

  open_env(&f, opset);
  build_const(&f.b, "x", OQ_DT_STRING, shape, x);
  if (how != NULL) build_const_i64(&f.b, "how", how_shape, how);
  build_node(&f.b, op, how != NULL ? "x how" : "x", "y", attrs);
  build_output(&f.b, "y");
  assert_int_equal(open_session(&f), OQ_OK);
  assert_int_equal(run(&f, NULL, 0), OQ_OK);
  for (size_t i = 0; i < n_want; i++) is_text(&f, "y", i, want[i]);
  close_all(&f);
}

static void elements_move(void **state) {
  static const int64_t pads[] = {1, 0, 0, 1}, crop[] = {1, 4};
  static const char *const padded[] = {"", "", "", "a", "b", "", "c", "d", ""};
  static const char *const low[] = {"a", "", "c", "d"};
  static const char *const deep[] = {"a", "c", "e", "g"};
  static const char *const wide[] = {"a", "c", "b", "d", "e", "g", "f", "h"};
  static const char *const middle[] = {"", "a", "b", ""};

  (void)state;
  moved("Pad", "", "2,2", 18, pads, "4", padded, 9);
  moved("Trilu", "upper=0", "2,2", 14, NULL, NULL, low, 4);
  moved("DepthToSpace", "blocksize=2", "1,4,1,2", 13, NULL, NULL, deep, 2);
  moved("SpaceToDepth", "blocksize=2", "1,1,2,4", 13, NULL, NULL,
        (const char *const[]){"a", "c", "b", "d"}, 4);
  moved("Transpose", "perm=[0,2,1]", "2,2,2", 13, NULL, NULL, wide, 8);
  moved("CenterCropPad", "", "2,2", 18, crop, "2", middle, 4);
}

/* ---- what is refused ----------------------------------------------------- */
static void refused(const char *op, const char *attrs, int64_t opset,
                    oq_dtype other, const char *id) {
  static const oq_text x[] = {WORD("7x"), WORD("\xff")};
  static const uint8_t zeros[64] = {0};
  const oq_ctensor in[] = {vector(x, 2), {other, {1, {2}}, 2 * 16, zeros}};
  fixture f;

  open_env(&f, opset);
  build_input(&f.b, "x", OQ_DT_STRING, "2");
  if (other != OQ_DT_NONE) build_input(&f.b, "o", other, "2");
  build_node(&f.b, op, other != OQ_DT_NONE ? "x o" : "x", "y", attrs);
  build_output(&f.b, "y");
  oq_status s = open_session(&f);
  if (s == OQ_OK) s = run(&f, in, other != OQ_DT_NONE ? 2 : 1);
  assert_int_not_equal(s, OQ_OK);
  assert_string_equal(test_env_last(&f.t), id);
  close_all(&f);
}

static void numbers_are_no_texts(void **state) {
  (void)state;
  refused("Neg", "", 17, OQ_DT_NONE, "op.dtype");
  refused("Relu", "", 17, OQ_DT_NONE, "op.dtype");
  refused("Softmax", "", 17, OQ_DT_NONE, "op.dtype");
  refused("Equal", "", 18, OQ_DT_C128, "op.dtype");
  refused("Concat", "axis=0", 17, OQ_DT_C128, "op.dtype");
  refused("BitCast", "to=15", 26, OQ_DT_NONE, "op.dtype");
  refused("RandomNormalLike", "", 17, OQ_DT_NONE, "op.dtype");
  refused("Cast", "to=1", 17, OQ_DT_NONE, "cast.text");
  refused("Cast", "to=6", 17, OQ_DT_NONE, "cast.text");
  refused("Cast", "to=14", 17, OQ_DT_NONE, "op.dtype");
  refused("StringNormalizer", "case_change_action=UPPER", 17, OQ_DT_NONE,
          "text.utf8");
  refused("StringNormalizer", "locale=tr_TR", 17, OQ_DT_NONE, "text.locale");
  refused("RegexFullMatch", "pattern=(", 20, OQ_DT_NONE, "text.pattern");
}

/* Numbers must not become addresses. */
static void no_bits_become_texts(void **state) {
  static const uint8_t bits[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
  fixture f;

  (void)state;
  open_env(&f, 26);
  build_const(&f.b, "x", OQ_DT_C128, "1", bits);
  build_node(&f.b, "BitCast", "x", "y", "to=8");
  build_node(&f.b, "Identity", "y", "z", "");
  build_output(&f.b, "z");
  oq_status s = open_session(&f);
  if (s == OQ_OK) s = run(&f, NULL, 0);
  assert_int_not_equal(s, OQ_OK);
  close_all(&f);
}

/* ---- constants ----------------------------------------------------------- */
/* A pass, by its own name. */
oq_status oq_pass_fold_constants(oq_model_ir *m, const oq_pass_options *o,
                                 uint32_t *changed, const oq_env *e);

static void folded_texts_are_encoded(void **state) {
  static const oq_text x[] = {WORD("one"), WORD("two\0three"), {NULL, 0}};
  char longer[300];
  fixture f;
  uint32_t changed = 0;
  oq_ctensor t;

  (void)state;
  memset(longer, 'l', sizeof longer);
  const oq_text more[] = {{longer, sizeof longer}};
  open_env(&f, 20);
  build_const(&f.b, "x", OQ_DT_STRING, "3", x);
  build_const(&f.b, "more", OQ_DT_STRING, "1", more);
  build_node(&f.b, "StringConcat", "x more", "c", "");
  build_node(&f.b, "Identity", "c", "y", "");
  build_output(&f.b, "y");
  build_bind(&f.b);
  assert_int_equal(f.b.status, OQ_OK);
  assert_int_equal(oq_pass_fold_constants(f.b.ir, NULL, &changed, &f.t.e),
                   OQ_OK);
  assert_int_equal(changed, 1);
  const oq_value *v = oq_graph_value(f.b.g, build_find(&f.b, "c"));
  assert_int_equal(v->kind, OQ_VALUE_CONST);
  assert_int_equal(v->konst->blob->encoding, OQ_ENC_STRINGS);
  assert_int_equal(oq_const_view(&t, v->konst, f.t.scratch, f.t.diags), OQ_OK);
  assert_int_equal(oq_tensor_count(&t), 3);
  assert_int_equal(oq_texts(&t)[1].n, 309);
  assert_memory_equal(oq_texts(&t)[1].p, "two\0threelll", 12);
  assert_int_equal(oq_texts(&t)[2].n, 300);
  close_all(&f);
}

/* c0 = x + x, c1 = c0 + c0, ...: nobody computes them before they are needed.
 */
static void folding_is_bounded(void **state) {
  static const oq_text x[] = {WORD("0123456789abcdef")};
  static const char *const names[] = {"x",   "c0",  "c1",  "c2",  "c3",  "c4",
                                      "c5",  "c6",  "c7",  "c8",  "c9",  "c10",
                                      "c11", "c12", "c13", "c14", "c15", "y"};
  const size_t n = sizeof names / sizeof *names;
  fixture f;
  uint32_t changed = 0;
  char in[16];

  (void)state;
  open_env(&f, 20);
  build_const(&f.b, "x", OQ_DT_STRING, "1", x);
  for (size_t i = 1; i < n; i++) {
    (void)strcpy(in, names[i - 1]);
    (void)strcat(strcat(in, " "), names[i - 1]);
    build_node(&f.b, "StringConcat", in, names[i], "");
  }
  build_output(&f.b, "y");
  build_bind(&f.b);
  assert_int_equal(f.b.status, OQ_OK);
  assert_int_equal(oq_pass_fold_constants(f.b.ir, NULL, &changed, &f.t.e),
                   OQ_OK);
  assert_true(changed > 5 && changed < n - 1);
  close_all(&f);
}

/* ---- patterns ------------------------------------------------------------ */
static oq_status compile(oq_regex **out, const char *pattern, test_env *t) {
  const char *why = NULL;
  const oq_status s = oq_regex_compile(
      out, &why, (oq_text){pattern, strlen(pattern)}, t->scratch);

  assert_non_null(why);
  if (s != OQ_OK) assert_true(strlen(why) > 0);
  return s;
}

static void patterns_are_checked(void **state) {
  static const char *const bad[] = {
      "(",           ")",          "a**",  "*a",    "[a",     "[b-a]",
      "a{1001}",     "a{2,1}",     "\\",   "(?=a)", "(?!a)",  "(?<=a)",
      "(?<!a)",      "(a)\\1",     "\\y",  "(?z)a", "(?P<a",  "(?P<>a)",
      "\\x{110000}", "[[:none:]]", "\xff", "a|*",   "(?P=n)", "x{2}{3}"};
  static const char *const other[] = {"\\pL", "\\C", "[\\pN]"};
  oq_regex *e = NULL;
  test_env t;

  (void)state;
  assert_true(test_env_open(&t, NULL));
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    if (compile(&e, bad[i], &t) != OQ_E_MODEL) fail_msg("'%s'", bad[i]);
  }
  for (size_t i = 0; i < sizeof other / sizeof *other; i++) {
    assert_int_equal(compile(&e, other[i], &t), OQ_E_UNSUPPORTED);
  }
  test_env_close(&t);
}

/* Patterns that take other engines for ever, or all their stack. */
static void patterns_are_bounded(void **state) {
  static char deep[2000], wide[90000], text[30000];
  const char *why;
  oq_regex *e = NULL;
  test_env t;

  (void)state;
  assert_true(test_env_open(&t, NULL));
  memset(deep, '(', sizeof deep - 1);
  assert_int_equal(compile(&e, deep, &t), OQ_E_LIMIT);
  assert_int_equal(compile(&e, "(((a{1000}){1000}){1000}){1000}", &t),
                   OQ_E_LIMIT);
  assert_int_equal(compile(&e, "(((){1000}){1000}){1000}", &t), OQ_E_LIMIT);
  memset(wide, 'a', sizeof wide - 1);
  assert_int_equal(compile(&e, wide, &t), OQ_E_LIMIT);
  memset(text, 'a', sizeof text);
  assert_int_equal(compile(&e, "(a*)*b", &t), OQ_OK);
  assert_false(oq_regex_matches(e, (oq_text){text, sizeof text}));
  assert_int_equal(compile(&e, "(a|aa|aaa)*", &t), OQ_OK);
  assert_true(oq_regex_matches(e, (oq_text){text, sizeof text}));
  assert_true(oq_regex_matches(e, (oq_text){NULL, 0}));
  assert_int_equal(oq_regex_compile(&e, &why, (oq_text){NULL, 0}, t.scratch),
                   OQ_OK);
  assert_true(oq_regex_matches(e, (oq_text){NULL, 0}));
  assert_false(oq_regex_matches(e, TEXT("a")));
  assert_int_equal(compile(&e, ".*", &t), OQ_OK);
  assert_false(oq_regex_matches(e, TEXT("a\xff")));
  test_env_close(&t);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(texts_compare),
      cmocka_unit_test(utf8_is_checked),
      cmocka_unit_test(letters_go_both_ways),
      cmocka_unit_test(views_are_checked),
      cmocka_unit_test(outputs_outlive_inputs),
      cmocka_unit_test(runs_give_back),
      cmocka_unit_test(inputs_are_bounded),
      cmocka_unit_test(a_loop_builds_texts),
      cmocka_unit_test(memory_may_end_anywhere),
      cmocka_unit_test(elements_move),
      cmocka_unit_test(numbers_are_no_texts),
      cmocka_unit_test(no_bits_become_texts),
      cmocka_unit_test(folded_texts_are_encoded),
      cmocka_unit_test(folding_is_bounded),
      cmocka_unit_test(patterns_are_checked),
      cmocka_unit_test(patterns_are_bounded),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

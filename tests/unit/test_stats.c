/* Statistics of a model: merging, files, what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/sink.h"
#include "calib/calib.h"
#include "kern/kern.h"

typedef struct fixture {
  oq_alloc alloc;
  oq_diags *diags;
} fixture;

static int setup(void **state) {
  fixture *f = calloc(1, sizeof *f);

  oq_alloc_init(&f->alloc, NULL, 0);
  assert_int_equal(oq_diags_create(&f->diags, &f->alloc), OQ_OK);
  *state = f;
  return 0;
}

static int teardown(void **state) {
  fixture *f = *state;

  oq_diags_destroy(f->diags);
  assert_int_equal(f->alloc.used, 0);
  free(f);
  return 0;
}

static const int32_t axes[] = {-1, 1, 0};

static oq_stats_core *make(fixture *f, const char *digest) {
  const char *const names[] = {"b", "a", "c"};
  oq_stats_core *s;

  assert_int_equal(oq_stats_core_create(&s, names, axes, 3, digest, "unit",
                                        false, &f->alloc),
                   OQ_OK);
  return s;
}

static void feed(oq_stats_core *s, const char *name, const float *x, int64_t n,
                 uint64_t sample) {
  oq_stats_entry *e = oq_stats_find(s, name);
  const oq_ctensor t = {OQ_DT_F32, {2, {1, n}}, (size_t)n * sizeof *x, x};

  assert_non_null(e);
  assert_int_equal(
      oq_stats_entry_feed(e, &t, oq_kernels_find("auto"), s->arena), OQ_OK);
  assert_int_equal(oq_stats_add_sample(s, sample), OQ_OK);
}

typedef struct bytes {
  uint8_t p[1 << 16];
  size_t n;
} bytes;

static oq_status append(void *user, const void *p, size_t n) {
  bytes *b = user;

  if (n > sizeof b->p - b->n) return OQ_E_IO;
  memcpy(b->p + b->n, p, n);
  b->n += n;
  return OQ_OK;
}

static void encode(bytes *b, const oq_stats_core *s, fixture *f) {
  oq_sink *sink;

  b->n = 0;
  assert_int_equal(oq_sink_open_call(&sink, append, b, &f->alloc, f->diags),
                   OQ_OK);
  assert_int_equal(oq_stats_encode(s, sink), OQ_OK);
  assert_int_equal(oq_sink_commit(sink), OQ_OK);
  assert_true(b->n > 0);
  oq_sink_close(sink);
}

static const float x[] = {1.5f, -2.0f, 0.0f, 100.0f}, y[] = {0.25f, 7.0f};

static void look_up(void **state) {
  oq_stats_core *s = make(*state, "d");

  assert_string_equal(oq_stats_find(s, "a")->name, "a");
  assert_string_equal(oq_stats_find(s, "c")->name, "c");
  assert_null(oq_stats_find(s, "d"));
  oq_stats_core_destroy(s);
}

static void merge_is_commutative(void **state) {
  fixture *f = *state;
  static bytes ab, ba, one;
  oq_stats_core *a = make(f, "d"), *b = make(f, "d"), *c = make(f, "d"),
                *d = make(f, "d"), *whole = make(f, "d");

  feed(a, "a", x, 4, 1);
  feed(d, "a", x, 4, 1);
  feed(b, "a", y, 2, 2);
  feed(c, "a", y, 2, 2);
  feed(whole, "a", y, 2, 2);
  feed(whole, "a", x, 4, 1);
  assert_int_equal(oq_stats_core_merge(a, b, f->diags), OQ_OK);
  assert_int_equal(oq_stats_core_merge(c, d, f->diags), OQ_OK);
  encode(&ab, a, f);
  encode(&ba, c, f);
  encode(&one, whole, f);
  assert_int_equal(ab.n, ba.n);
  assert_memory_equal(ab.p, ba.p, ab.n);
  assert_int_equal(ab.n, one.n);
  assert_memory_equal(ab.p, one.p, ab.n);
  assert_int_equal(oq_stats_find(a, "a")->shape.dim[1], 4);
  oq_stats_core *all[] = {a, b, c, d, whole};
  for (int i = 0; i < 5; i++) oq_stats_core_destroy(all[i]);
}

static void expect_refusal(fixture *f, oq_stats_core *a, oq_stats_core *b,
                           const char *id) {
  oq_diags_clear(f->diags);
  assert_int_equal(oq_stats_core_merge(a, b, f->diags), OQ_E_STATE);
  assert_int_equal(oq_diags_count(f->diags), 1);
  assert_string_equal(oq_diags_at(f->diags, 0)->id, id);
}

static void wrong_merges_are_refused(void **state) {
  fixture *f = *state;
  oq_stats_core *a = make(f, "d"), *b = make(f, "other"), *c = make(f, "d");
  const char *const names[] = {"a", "b", "x"};
  oq_stats_core *v;

  feed(a, "a", x, 4, 1);
  feed(c, "a", x, 4, 1);
  expect_refusal(f, a, b, "stats.model");
  expect_refusal(f, a, c, "stats.sample");
  assert_int_equal(
      oq_stats_core_create(&v, names, axes, 3, "d", "unit", false, &f->alloc),
      OQ_OK);
  expect_refusal(f, a, v, "stats.values");
  oq_stats_core_destroy(v);
  assert_int_equal(
      oq_stats_core_create(&v, names, axes, 3, "d", "signed", false, &f->alloc),
      OQ_OK);
  expect_refusal(f, a, v, "stats.preprocessing");
  oq_stats_core_destroy(v);
  oq_stats_core_destroy(a);
  oq_stats_core_destroy(b);
  oq_stats_core_destroy(c);
}

static void file_round_trip(void **state) {
  fixture *f = *state;
  static bytes b, again;
  oq_stats_core *s = make(f, "d"), *t;

  feed(s, "a", x, 4, 1);
  feed(s, "c", y, 2, 9);
  encode(&b, s, f);
  assert_int_equal(oq_stats_decode(&t, b.p, b.n, &f->alloc, f->diags), OQ_OK);
  encode(&again, t, f);
  assert_int_equal(b.n, again.n);
  assert_memory_equal(b.p, again.p, b.n);
  oq_stats_core_destroy(s);
  oq_stats_core_destroy(t);
}

/* Whatever is done to the bytes, decoding ends with a status. */
static void broken_files_are_refused(void **state) {
  fixture *f = *state;
  static bytes b;
  oq_stats_core *s = make(f, "d"), *t;
  size_t refused = 0;

  feed(s, "a", x, 4, 1);
  encode(&b, s, f);
  for (size_t n = 0; n < b.n; n++) {
    uint8_t *copy = malloc(n + 1);

    memcpy(copy, b.p, n);
    if (oq_stats_decode(&t, copy, n, &f->alloc, f->diags) == OQ_OK)
      oq_stats_core_destroy(t); /* a cut between two fields */
    else
      refused++;
    free(copy);
  }
  assert_true(refused > b.n / 2);
  for (size_t i = 0; i < b.n; i++)
    for (int bit = 0; bit < 8; bit++) {
      b.p[i] ^= (uint8_t)(1 << bit);
      if (oq_stats_decode(&t, b.p, b.n, &f->alloc, f->diags) == OQ_OK)
        oq_stats_core_destroy(t);
      b.p[i] ^= (uint8_t)(1 << bit);
    }
  oq_stats_core_destroy(s);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(look_up, setup, teardown),
      cmocka_unit_test_setup_teardown(merge_is_commutative, setup, teardown),
      cmocka_unit_test_setup_teardown(wrong_merges_are_refused, setup,
                                      teardown),
      cmocka_unit_test_setup_teardown(file_round_trip, setup, teardown),
      cmocka_unit_test_setup_teardown(broken_files_are_refused, setup,
                                      teardown),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}

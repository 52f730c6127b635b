/* base/arena: alignment, marks, limits, big blocks, the spare chunk. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/rng.h"
#include "support/env.h"

static oq_alloc heap;

static oq_arena *open_arena(size_t limit) {
  oq_arena *a = NULL;

  oq_alloc_init(&heap, NULL, 0);
  assert_int_equal(oq_arena_create(&a, &heap, limit), OQ_OK);
  return a;
}

static void close_arena(oq_arena *a) {
  oq_arena_destroy(a);
  assert_int_equal(heap.used, 0);
}

static void objects_are_aligned_zeroed_and_apart(void **state) {
  oq_arena *a = open_arena(0);
  unsigned char *p[200];
  size_t size[200];

  (void)state;
  for (size_t i = 0; i < 200; i++) {
    const size_t align = (size_t)1 << oq_rng_u64(1, i) % 8;
    size[i] = (size_t)(oq_rng_u64(2, i) % 5000);
    if (i % 50 == 0) size[i] = 300000; /* a block of its own */
    p[i] = oq_arena_alloc(a, 1, size[i], align);
    assert_non_null(p[i]);
    assert_int_equal((uintptr_t)p[i] % align, 0);
    for (size_t k = 0; k < size[i]; k++) assert_int_equal(p[i][k], 0);
    memset(p[i], (int)(i + 1), size[i]);
  }
  for (size_t i = 0; i < 200; i++) {
    for (size_t k = 0; k < size[i]; k++) {
      assert_int_equal(p[i][k], (unsigned char)(i + 1));
    }
  }
  close_arena(a);
}

static void memory_after_a_rewind_is_zeroed_again(void **state) {
  oq_arena *a = open_arena(0);

  (void)state;
  for (int round = 0; round < 3; round++) {
    const oq_mark m = oq_arena_mark(a);
    unsigned char *p = oq_arena_alloc(a, 1000, 1, 8);
    for (size_t i = 0; i < 1000; i++) assert_int_equal(p[i], 0);
    memset(p, 0xff, 1000);
    oq_arena_rewind(a, m);
  }
  close_arena(a);
}

static void products_that_wrap_are_refused(void **state) {
  oq_arena *a = open_arena(0);

  (void)state;
  assert_null(oq_arena_alloc(a, SIZE_MAX / 2, 3, 8));
  assert_null(oq_arena_alloc(a, SIZE_MAX, 1, 8));
  assert_null(oq_arena_alloc(a, SIZE_MAX - 40, 1, 64));
  heap.limit = 1 << 20;
  assert_null(oq_arena_alloc_raw(a, (size_t)1 << 62, 1, 64));
  assert_non_null(oq_arena_alloc(a, 0, SIZE_MAX, 8));
  assert_non_null(oq_arena_alloc(a, SIZE_MAX, 0, 8));
  assert_null(oq_arena_copy_text(a, "", SIZE_MAX));
  close_arena(a);
}

static void rewind_gives_bytes_and_big_blocks_back(void **state) {
  oq_arena *a = open_arena(0);

  (void)state;
  (void)oq_arena_alloc(a, 100, 1, 8);
  const size_t bytes = oq_arena_bytes(a);
  const uint64_t used = heap.used;
  const oq_mark m = oq_arena_mark(a);
  for (int i = 0; i < 10; i++) {
    assert_non_null(oq_arena_alloc_raw(a, 1 << 20, 1, 64));
    assert_non_null(oq_arena_alloc(a, 10, 1, 8));
  }
  assert_true(oq_arena_bytes(a) >= bytes + (10u << 20));
  assert_true(heap.used >= used + (10u << 20));
  oq_arena_rewind(a, m);
  assert_int_equal(oq_arena_bytes(a), bytes);
  assert_int_equal(heap.used, used);
  close_arena(a);
}

static void nested_marks_rewind_in_order(void **state) {
  oq_arena *a = open_arena(0);
  oq_mark m[20];
  size_t bytes[20];
  int *keep[20];

  (void)state;
  for (int i = 0; i < 20; i++) {
    keep[i] = OQ_NEW(a, int);
    *keep[i] = i;
    m[i] = oq_arena_mark(a);
    bytes[i] = oq_arena_bytes(a);
    assert_non_null(oq_arena_alloc(a, 3000, 1, 8));
    if (i % 3 == 0) assert_non_null(oq_arena_alloc(a, 200000, 1, 8));
  }
  for (int i = 19; i >= 0; i--) {
    oq_arena_rewind(a, m[i]);
    assert_int_equal(oq_arena_bytes(a), bytes[i]);
    for (int k = 0; k <= i; k++) assert_int_equal(*keep[k], k);
  }
  close_arena(a);
}

/* A hook that counts calls. */
static void *counting_get(void *user, size_t size, size_t align) {
  oq_alloc plain;

  (void)align;
  ++*(int *)user;
  oq_alloc_init(&plain, NULL, 0);
  return oq_alloc_get(&plain, size, 64);
}

static void counting_put(void *user, void *p, size_t size) {
  oq_alloc plain;

  (void)user;
  oq_alloc_init(&plain, NULL, 0);
  oq_alloc_put(&plain, p, size);
}

static void loops_do_not_reach_the_heap(void **state) {
  int calls = 0;
  const oq_allocator hook = {counting_get, counting_put, &calls};
  oq_arena *a = NULL;
  oq_alloc counted;

  (void)state;
  oq_alloc_init(&counted, &hook, 0);
  assert_int_equal(oq_arena_create(&a, &counted, 0), OQ_OK);
  assert_non_null(oq_arena_alloc(a, 3500, 1, 8)); /* the chunk is nearly full */
  for (int i = 0; i < 1000; i++) {
    const oq_mark m = oq_arena_mark(a);
    assert_non_null(oq_arena_alloc(a, 2000, 1, 8));
    assert_non_null(oq_arena_alloc(a, 2000, 1, 8));
    oq_arena_rewind(a, m);
  }
  assert_true(calls <= 4);
  oq_arena_destroy(a);
}

static void limit_is_of_bytes_in_use(void **state) {
  oq_arena *a = open_arena(1024);
  const oq_mark start = oq_arena_mark(a);

  (void)state;
  for (int round = 0; round < 3; round++) {
    int n = 0;
    while (oq_arena_alloc(a, 64, 1, 64) != NULL) n++;
    assert_in_range(n, 8, 16); /* 16, fewer where red zones are in between */
    assert_true(oq_arena_bytes(a) <= 1024);
    assert_null(oq_arena_alloc(a, 1 << 20, 1, 8));
    oq_arena_rewind(a, start);
  }
  close_arena(a);
}

static void texts_are_copied_and_formatted(void **state) {
  oq_arena *a = open_arena(0);
  char many[5000];

  (void)state;
  assert_string_equal(oq_arena_copy_text(a, "abc", 2), "ab");
  assert_string_equal(oq_arena_copy_text(a, "", 0), "");
  assert_string_equal(oq_arena_copy_text(a, NULL, 0), "");
  assert_string_equal(oq_arena_format(a, "%d-%s", 7, "x"), "7-x");
  memset(many, 'y', sizeof many - 1);
  many[sizeof many - 1] = '\0';
  assert_string_equal(oq_arena_format(a, "%s", many), many);
  const int v[3] = {1, 2, 3};
  const int *copy = OQ_COPY_N(a, int, v, 3);
  assert_memory_equal(copy, v, sizeof v);
  close_arena(a);
}

static oq_status fill(const oq_allocator *hook, void *user) {
  oq_alloc x;
  oq_arena *a = NULL;
  oq_status s;

  (void)user;
  oq_alloc_init(&x, hook, 0);
  s = oq_arena_create(&a, &x, 0);
  for (int i = 0; s == OQ_OK && i < 40; i++) {
    if (oq_arena_alloc(a, i % 7 == 0 ? 200000 : 3000, 1, 8) == NULL) {
      s = OQ_E_MEMORY;
    }
  }
  oq_arena_destroy(a);
  return s;
}

static void every_failure_is_survived(void **state) {
  (void)state;
  assert_true(survive_every_allocation(fill, NULL) > 10);
}

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>

static void what_is_gone_is_poisoned(void **state) {
  oq_arena *a = open_arena(0);
  const oq_mark m = oq_arena_mark(a);
  char *p = oq_arena_alloc(a, 10, 1, 1);

  (void)state;
  assert_int_equal(__asan_address_is_poisoned(p + 9), 0);
  assert_int_equal(__asan_address_is_poisoned(p + 10), 1);
  const oq_mark half = oq_arena_mark(a);
  char *q = oq_arena_alloc(a, 10, 1, 1);
  oq_arena_rewind(a, half);
  assert_int_equal(__asan_address_is_poisoned(q), 1);
  assert_int_equal(__asan_address_is_poisoned(p), 0);
  oq_arena_rewind(a, m);
  assert_int_equal(__asan_address_is_poisoned(p), 1);
  close_arena(a);
}
#else
static void what_is_gone_is_poisoned(void **state) {
  (void)state;
  skip();
}
#endif

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(objects_are_aligned_zeroed_and_apart),
      cmocka_unit_test(memory_after_a_rewind_is_zeroed_again),
      cmocka_unit_test(products_that_wrap_are_refused),
      cmocka_unit_test(rewind_gives_bytes_and_big_blocks_back),
      cmocka_unit_test(nested_marks_rewind_in_order),
      cmocka_unit_test(loops_do_not_reach_the_heap),
      cmocka_unit_test(limit_is_of_bytes_in_use),
      cmocka_unit_test(texts_are_copied_and_formatted),
      cmocka_unit_test(every_failure_is_survived),
      cmocka_unit_test(what_is_gone_is_poisoned),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

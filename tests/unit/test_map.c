/* base/map: found what was put, in order of insertion; hashes that stay. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/map.h"
#include "base/rng.h"
#include "support/env.h"

static void finds_what_was_put(void **state) {
  enum { N = 20000 };
  test_env t;
  oq_map *m = NULL;
  uint64_t key, v;

  (void)state;
  assert_true(test_env_open(&t, NULL));
  assert_int_equal(oq_map_create(&m, t.scratch), OQ_OK);
  assert_false(oq_map_find(m, 0, &v));
  for (uint64_t i = 0; i < N; i++) {
    /* dense, sparse and equal in the low bits */
    key = i % 3 == 0 ? i : i % 3 == 1 ? oq_rng_u64(1, i) : i << 40;
    assert_int_equal(oq_map_put(m, key, i), OQ_OK);
  }
  assert_int_equal(oq_map_count(m), N);
  for (uint64_t i = 0; i < N; i++) {
    key = i % 3 == 0 ? i : i % 3 == 1 ? oq_rng_u64(1, i) : i << 40;
    assert_true(oq_map_find(m, key, &v));
    assert_true(v == i);
    assert_true(oq_map_find(m, key, NULL));
    uint64_t at_key;
    oq_map_at(m, (uint32_t)i, &at_key, &v);
    assert_true(at_key == key && v == i);
  }
  assert_false(oq_map_find(m, 12345678901, &v));
  test_env_close(&t);
}

static void overwriting_keeps_the_place(void **state) {
  test_env t;
  oq_map *m = NULL;
  uint64_t key, v;

  (void)state;
  assert_true(test_env_open(&t, NULL));
  assert_int_equal(oq_map_create(&m, t.scratch), OQ_OK);
  assert_int_equal(oq_map_put(m, 5, 1), OQ_OK);
  assert_int_equal(oq_map_put(m, UINT64_MAX, 2), OQ_OK);
  assert_int_equal(oq_map_put(m, 5, 3), OQ_OK);
  assert_int_equal(oq_map_count(m), 2);
  oq_map_at(m, 0, &key, &v);
  assert_true(key == 5 && v == 3);
  assert_true(oq_map_find(m, UINT64_MAX, &v) && v == 2);
  test_env_close(&t);
}

/* Computed by an implementation of FNV-1a and the mix in another language. */
static void hashes_are_the_same_everywhere(void **state) {
  (void)state;
  assert_true(oq_hash_bytes("", 0, 0) == UINT64_C(0xf52a15e9a9b5e89b));
  assert_true(oq_hash_bytes("abc", 3, 0) == UINT64_C(0xdd490490804b508));
  assert_true(oq_hash_bytes("abc", 3, 1) == UINT64_C(0x452ec90cfb0d18b0));
}

static oq_status fill(const oq_allocator *hook, void *user) {
  oq_alloc x;
  oq_arena *a = NULL;
  oq_map *m = NULL;

  (void)user;
  oq_alloc_init(&x, hook, 0);
  oq_status s = oq_arena_create(&a, &x, 0);
  if (s == OQ_OK) s = oq_map_create(&m, a);
  for (uint64_t i = 0; s == OQ_OK && i < 5000; i++) {
    s = oq_map_put(m, i, i);
    for (uint64_t k = 0; s != OQ_OK && k < i; k++) {
      assert_true(oq_map_find(m, k, NULL)); /* still whole */
    }
  }
  oq_arena_destroy(a);
  return s;
}

static void every_failure_is_survived(void **state) {
  (void)state;
  assert_true(survive_every_allocation(fill, NULL) > 3);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(finds_what_was_put),
      cmocka_unit_test(overwriting_keeps_the_place),
      cmocka_unit_test(hashes_are_the_same_everywhere),
      cmocka_unit_test(every_failure_is_survived),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* base/vec: growth, and what failing growth leaves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/vec.h"
#include "support/env.h"

typedef struct odd { /* of a size that is no power of two */
  uint8_t b[5];
} odd;

static void elements_survive_growth(void **state) {
  test_env t;
  OQ_VEC(uint64_t) v = {0};
  OQ_VEC(odd) w = {0};

  (void)state;
  assert_true(test_env_open(&t, NULL));
  for (uint64_t i = 0; i < 10000; i++) {
    assert_true(oq_vec_push(t.scratch, &v, i * i));
    assert_true(oq_vec_push(t.scratch, &w, ((odd){{(uint8_t)i, 0, 0, 0, 7}})));
  }
  assert_int_equal(v.n, 10000);
  for (uint64_t i = 0; i < 10000; i++) {
    assert_true(v.p[i] == i * i);
    assert_int_equal(w.p[i].b[0], (uint8_t)i);
    assert_int_equal(w.p[i].b[4], 7);
  }
  test_env_close(&t);
}

static void failure_leaves_the_elements(void **state) {
  oq_alloc heap;
  oq_arena *a = NULL;
  OQ_VEC(uint32_t) v = {0};

  (void)state;
  oq_alloc_init(&heap, NULL, 0);
  assert_int_equal(oq_arena_create(&a, &heap, 1000), OQ_OK);
  uint32_t n = 0;
  while (oq_vec_push(a, &v, n)) n++;
  assert_true(n >= 8);
  assert_int_equal(v.n, n);
  for (uint32_t i = 0; i < n; i++) assert_int_equal(v.p[i], i);
  oq_arena_destroy(a);
}

static void counts_do_not_wrap(void **state) {
  test_env t;
  uint32_t n = UINT32_MAX - 1, cap = UINT32_MAX - 1;
  char *p = NULL;

  (void)state;
  assert_true(test_env_open(&t, NULL));
  assert_false(oq_vec_grow(t.scratch, &p, &n, &cap, 1));
  test_env_close(&t);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(elements_survive_growth),
      cmocka_unit_test(failure_leaves_the_elements),
      cmocka_unit_test(counts_do_not_wrap),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* base/intern: equal texts are equal numbers, in order of first use. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/intern.h"
#include "support/env.h"

static void zero_is_the_empty_name(void **state) {
  test_env t;
  oq_names *n = NULL;
  oq_name x = {99};

  (void)state;
  assert_true(test_env_open(&t, NULL));
  assert_int_equal(oq_names_create(&n, t.scratch), OQ_OK);
  assert_int_equal(oq_names_add_text(n, &x, ""), OQ_OK);
  assert_int_equal(x.i, 0);
  assert_int_equal(oq_names_count(n), 1);
  assert_string_equal(oq_names_text(n, x), "");
  assert_string_equal(oq_names_text(n, (oq_name){12345}), "");
  test_env_close(&t);
}

static void numbers_follow_first_use(void **state) {
  enum { N = 5000 };
  test_env t;
  oq_names *n = NULL;
  oq_name x;
  char text[32];

  (void)state;
  assert_true(test_env_open(&t, NULL));
  assert_int_equal(oq_names_create(&n, t.scratch), OQ_OK);
  for (int round = 0; round < 2; round++) {
    for (uint32_t i = 1; i <= N; i++) {
      (void)snprintf(text, sizeof text, "name/%u", i);
      assert_int_equal(oq_names_add_text(n, &x, text), OQ_OK);
      assert_int_equal(x.i, i);
      assert_string_equal(oq_names_text(n, x), text);
      memset(text, '#', 4); /* the table has a copy */
    }
  }
  assert_int_equal(oq_names_count(n), N + 1);
  assert_true(oq_names_find(n, &x, "name/77777", 7)); /* "name/77" */
  assert_int_equal(x.i, 77);
  assert_false(oq_names_find(n, &x, "name/0", 6));
  assert_int_equal(x.i, 77);
  assert_int_equal(oq_names_count(n), N + 1);
  test_env_close(&t);
}

static void zeros_inside_count(void **state) {
  test_env t;
  oq_names *n = NULL;
  oq_name x, y;

  (void)state;
  assert_true(test_env_open(&t, NULL));
  assert_int_equal(oq_names_create(&n, t.scratch), OQ_OK);
  assert_int_equal(oq_names_add(n, &x, "a\0b", 3), OQ_OK);
  assert_int_equal(oq_names_add(n, &y, "a", 1), OQ_OK);
  assert_false(oq_name_eq(x, y));
  assert_int_equal(oq_names_length(n, x), 3);
  assert_int_equal(oq_names_length(n, y), 1);
  test_env_close(&t);
}

static oq_status fill(const oq_allocator *hook, void *user) {
  oq_alloc x;
  oq_arena *a = NULL;
  oq_names *n = NULL;
  oq_name name;
  char text[32];

  (void)user;
  oq_alloc_init(&x, hook, 0);
  oq_status s = oq_arena_create(&a, &x, 0);
  if (s == OQ_OK) s = oq_names_create(&n, a);
  for (uint32_t i = 1; s == OQ_OK && i < 3000; i++) {
    (void)snprintf(text, sizeof text, "n%u", i);
    s = oq_names_add_text(n, &name, text);
    if (s == OQ_OK) assert_int_equal(name.i, i);
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
      cmocka_unit_test(zero_is_the_empty_name),
      cmocka_unit_test(numbers_follow_first_use),
      cmocka_unit_test(zeros_inside_count),
      cmocka_unit_test(every_failure_is_survived),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

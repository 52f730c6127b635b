/* base/diag: bounded, copied, ordered, safe to show, without memory too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/diag.h"
#include "base/limits.h"
#include "support/env.h"

static oq_alloc heap;

static oq_diags *open_diags(void) {
  oq_diags *d = NULL;

  oq_alloc_init(&heap, NULL, 0);
  assert_int_equal(oq_diags_create(&d, &heap), OQ_OK);
  return d;
}

static void close_diags(oq_diags *d) {
  oq_diags_destroy(d);
  assert_int_equal(heap.used, 0);
}

static void all_fields_are_copied(void **state) {
  oq_diags *d = open_diags();
  char node[] = "conv1", hint[] = "do this";
  oq_where w = OQ_WHERE_INIT;

  (void)state;
  w.graph = "g";
  w.node = node;
  w.op = "Conv";
  w.value = "x";
  w.attr = "pads";
  w.offset = 42;
  w.hint = hint;
  assert_int_equal(oq_fail(d, OQ_E_MODEL, "test.id", &w, "n = %d", 7),
                   OQ_E_MODEL);
  memset(node, '#', 5);
  memset(hint, '#', 7);
  assert_int_equal(oq_diags_count(d), 1);
  const oq_diag *x = oq_diags_at(d, 0);
  assert_int_equal(x->severity, OQ_ERROR);
  assert_int_equal(x->status, OQ_E_MODEL);
  assert_string_equal(x->id, "test.id");
  assert_string_equal(x->text, "n = 7");
  assert_string_equal(x->hint, "do this");
  assert_string_equal(x->graph, "g");
  assert_string_equal(x->node, "conv1");
  assert_string_equal(x->op, "Conv");
  assert_string_equal(x->value, "x");
  assert_string_equal(x->attr, "pads");
  assert_int_equal(x->offset, 42);
  assert_null(oq_diags_at(d, 1));
  close_diags(d);
}

static void unknown_places_stay_unset(void **state) {
  oq_diags *d = open_diags();

  (void)state;
  oq_warn(d, "a", NULL, "w");
  oq_note(d, "b", NULL, "n");
  assert_int_equal(oq_diags_at(d, 0)->severity, OQ_WARNING);
  assert_int_equal(oq_diags_at(d, 0)->status, OQ_OK);
  assert_int_equal(oq_diags_at(d, 1)->severity, OQ_NOTE);
  assert_null(oq_diags_at(d, 0)->node);
  assert_null(oq_diags_at(d, 0)->hint);
  assert_true(oq_diags_at(d, 0)->offset == UINT64_MAX);
  close_diags(d);
}

static void no_list_is_fine(void **state) {
  (void)state;
  assert_int_equal(oq_fail(NULL, OQ_E_IO, "x", NULL, "y"), OQ_E_IO);
  assert_int_equal(oq_fail_memory(NULL), OQ_E_MEMORY);
  oq_warn(NULL, "x", NULL, "y");
  oq_note(NULL, "x", NULL, "y");
}

static void the_list_is_bounded(void **state) {
  oq_diags *d = open_diags();

  (void)state;
  for (int i = 0; i < OQ_MAX_DIAGS; i++) {
    (void)oq_fail(d, OQ_E_MODEL, "x", NULL, "%d", i);
  }
  assert_int_equal(oq_diags_count(d), OQ_MAX_DIAGS);
  assert_int_equal(oq_diags_dropped(d), 0);
  (void)oq_fail(d, OQ_E_MODEL, "x", NULL, "one more");
  (void)oq_fail_memory(d);
  assert_int_equal(oq_diags_count(d), OQ_MAX_DIAGS);
  assert_int_equal(oq_diags_dropped(d), 2);
  assert_string_equal(oq_diags_at(d, OQ_MAX_DIAGS - 1)->text, "999");
  oq_diags_clear(d);
  assert_int_equal(oq_diags_count(d), 0);
  assert_int_equal(oq_diags_dropped(d), 0);
  close_diags(d);
}

static void appending_stops_at_the_bound(void **state) {
  oq_diags *d = open_diags(), *other = NULL;

  (void)state;
  assert_int_equal(oq_diags_create(&other, &heap), OQ_OK);
  for (int i = 0; i < OQ_MAX_DIAGS; i++) {
    (void)oq_fail(i < 10 ? other : d, OQ_E_MODEL, "x", NULL, "%d", i);
  }
  (void)oq_fail(other, OQ_E_MODEL, "x", NULL, "too many");
  oq_diags_append(d, other);
  assert_int_equal(oq_diags_count(d), OQ_MAX_DIAGS);
  assert_int_equal(oq_diags_dropped(d), 1);
  oq_diags_destroy(other);
  close_diags(d);
}

static void warnings_leave_room_for_errors(void **state) {
  oq_diags *d = open_diags();

  (void)state;
  for (int i = 0; i < 2 * OQ_MAX_DIAGS; i++) oq_warn(d, "w", NULL, "w");
  const size_t n = oq_diags_count(d);
  assert_true(n < OQ_MAX_DIAGS);
  (void)oq_fail(d, OQ_E_MODEL, "x", NULL, "why it ended");
  assert_int_equal(oq_diags_count(d), n + 1);
  assert_string_equal(oq_diags_at(d, n)->text, "why it ended");
  close_diags(d);
}

static void what_is_shown_is_safe(void **state) {
  oq_diags *d = open_diags();
  oq_where w = OQ_WHERE_INIT;

  (void)state;
  w.node = "a\nb\x1b[31m";
  (void)oq_fail(d, OQ_E_MODEL, "x", &w, "node '%s' %s", w.node, "\xff");
  assert_string_equal(oq_diags_at(d, 0)->node, "a\\x0ab\\x1b[31m");
  assert_string_equal(oq_diags_at(d, 0)->text, "node 'a\\x0ab\\x1b[31m' \\xff");
  close_diags(d);
}

static void long_texts_are_cut(void **state) {
  oq_diags *d = open_diags();
  static char big[70000];
  oq_where w = OQ_WHERE_INIT;

  (void)state;
  memset(big, 'z', sizeof big - 1);
  w.node = big;
  (void)oq_fail(d, OQ_E_MODEL, "x", &w, "%s", big);
  const char *text = oq_diags_at(d, 0)->text;
  assert_in_range(strlen(text), 1000, 4096);
  assert_string_equal(text + strlen(text) - 3, "...");
  assert_in_range(strlen(oq_diags_at(d, 0)->node), 100, 4096);
  close_diags(d);
}

static void heard(void *user, const oq_diag *x) {
  char *log = user;

  (void)snprintf(log + strlen(log), 100 - strlen(log), "%s ", x->text);
}

static void the_listener_hears_each_once(void **state) {
  oq_diags *d = open_diags(), *other = NULL;
  char log[100] = "";

  (void)state;
  assert_int_equal(oq_diags_create(&other, &heap), OQ_OK);
  oq_diags_set_listener(d, heard, log);
  oq_warn(d, "w", NULL, "one");
  oq_warn(other, "w", NULL, "two");
  (void)oq_fail(other, OQ_E_IO, "w", NULL, "three");
  (void)oq_fail_memory(other);
  oq_diags_append(d, other);
  assert_string_equal(log, "one two three an allocation failed ");
  assert_int_equal(oq_diags_count(d), 4);
  assert_int_equal(oq_diags_count(other), 0);
  assert_int_equal(oq_diags_at(d, 2)->status, OQ_E_IO);
  oq_diags_destroy(other);
  close_diags(d);
}

static void memory_gone_is_said_once_in_a_row(void **state) {
  oq_diags *d = open_diags();

  (void)state;
  assert_int_equal(oq_fail_memory(d), OQ_E_MEMORY);
  assert_int_equal(oq_fail_memory(d), OQ_E_MEMORY);
  assert_int_equal(oq_diags_count(d), 1);
  assert_int_equal(oq_diags_at(d, 0)->status, OQ_E_MEMORY);
  assert_string_equal(oq_diags_at(d, 0)->id, "memory.exhausted");
  close_diags(d);
}

static void recording_works_without_memory(void **state) {
  oq_diags *d = open_diags();

  (void)state;
  heap.limit = heap.used; /* nothing more */
  assert_int_equal(oq_fail(d, OQ_E_MODEL, "x", NULL, "lost"), OQ_E_MODEL);
  assert_int_equal(oq_diags_count(d), 1);
  assert_int_equal(oq_diags_at(d, 0)->status, OQ_E_MEMORY);
  close_diags(d);
}

static oq_status record_some(const oq_allocator *hook, void *user) {
  oq_alloc a;
  oq_diags *d = NULL;

  (void)user;
  oq_alloc_init(&a, hook, 0);
  const oq_status s = oq_diags_create(&d, &a);
  if (s != OQ_OK) return s;
  for (int i = 0; i < 300; i++) {
    assert_int_equal(oq_fail(d, OQ_E_IO, "x", NULL, "finding %d", i), OQ_E_IO);
  }
  assert_true(oq_diags_count(d) > 0);
  oq_diags_destroy(d);
  return OQ_OK;
}

static void every_failure_is_survived(void **state) {
  (void)state;
  assert_true(survive_every_allocation(record_some, NULL) > 3);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(all_fields_are_copied),
      cmocka_unit_test(unknown_places_stay_unset),
      cmocka_unit_test(no_list_is_fine),
      cmocka_unit_test(the_list_is_bounded),
      cmocka_unit_test(appending_stops_at_the_bound),
      cmocka_unit_test(warnings_leave_room_for_errors),
      cmocka_unit_test(what_is_shown_is_safe),
      cmocka_unit_test(long_texts_are_cut),
      cmocka_unit_test(the_listener_hears_each_once),
      cmocka_unit_test(memory_gone_is_said_once_in_a_row),
      cmocka_unit_test(recording_works_without_memory),
      cmocka_unit_test(every_failure_is_survived),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* ir/walk: uses, order, cycles, captures; through bodies too. */
#include <stdio.h>

#include "base/rng.h"
#include "graph_make.h"

static void expect_order(world *w, const char *want) {
  const oq_node_id *order = NULL;
  char got[200] = "";
  uint32_t n = 0;

  assert_int_equal(w->status, OQ_OK);
  assert_int_equal(oq_walk_order(&order, &n, w->g, w->t.scratch, w->t.diags),
                   OQ_OK);
  for (uint32_t i = 0; i < n; i++) {
    (void)strcat(got, oq_node_op(w->g, order[i]));
  }
  assert_string_equal(got, want);
}

static void sorted_graphs_stay_as_they_are(void **state) {
  world w;

  (void)state;
  assert_true(world_open(&w, NULL));
  (void)input(&w, w.g, "x");
  (void)node(&w, w.g, "A", "x", "a");
  (void)node(&w, w.g, "B", "x", "b");
  (void)node(&w, w.g, "C", "a", "c");
  (void)node(&w, w.g, "D", "c b", "d");
  (void)node(&w, w.g, "E", "x x x", "e");
  expect_order(&w, "ABCDE");
  assert_int_equal(oq_edit_remove_node(w.g, (oq_node_id){4}), OQ_OK);
  expect_order(&w, "ABCD"); /* dead nodes are left out */
  world_close(&w);
}

static void ties_go_by_id(void **state) {
  world w;

  (void)state;
  assert_true(world_open(&w, NULL));
  (void)input(&w, w.g, "x");
  (void)node(&w, w.g, "A", "late", "a");
  (void)node(&w, w.g, "B", "x", "b");
  (void)node(&w, w.g, "C", "x", "late");
  (void)node(&w, w.g, "D", "x", "d");
  (void)node(&w, w.g, "E", "a a", "e");
  expect_order(&w, "BCADE");
  world_close(&w);
}

/* If(c) whose branch reads `x` two levels further in. */
static void build_nest(world *w, const char *reads) {
  oq_graph *b1 = body(w, w->g), *b2 = body(w, w->g), *b3 = body(w, b1);

  (void)node(w, b3, "Neg", reads, "n");
  output(w, b3, "n");
  (void)node_around(w, b1, "If", "c", "m", b3, NULL);
  output(w, b1, "m");
  (void)node(w, b2, "Abs", reads, "k");
  output(w, b2, "k");
  (void)node_around(w, w->g, "If", "c", "y", b1, b2);
}

static void bodies_wait_for_what_they_read(void **state) {
  world w;
  const oq_value_id *captured;
  uint32_t n;

  (void)state;
  assert_true(world_open(&w, NULL));
  (void)input(&w, w.g, "c");
  (void)add(&w, w.g, OQ_VALUE_RESULT, "late");
  build_nest(&w, "late");
  (void)node(&w, w.g, "Late", "c", "late");
  expect_order(&w, "LateIf");
  assert_int_equal(
      oq_walk_captures(&captured, &n, w.g, (oq_node_id){0}, w.t.scratch),
      OQ_OK);
  assert_int_equal(n, 2); /* "c" of the inner If, and "late", once */
  assert_string_equal(oq_value_text(w.g, captured[0]), "late");
  assert_string_equal(oq_value_text(w.g, captured[1]), "c");
  world_close(&w);
}

static void uses_are_complete(void **state) {
  world w;
  oq_uses u;

  (void)state;
  assert_true(world_open(&w, NULL));
  const oq_value_id c = input(&w, w.g, "c"), x = input(&w, w.g, "x");
  build_nest(&w, "x");                      /* 0 */
  (void)node(&w, w.g, "Add", "x y", "z");   /* 1 */
  (void)node(&w, w.g, "Mul", "x _ x", "q"); /* 2 */
  output(&w, w.g, "z");
  output(&w, w.g, "x");
  assert_int_equal(w.status, OQ_OK);
  assert_int_equal(oq_walk_uses(&u, w.g, w.t.scratch), OQ_OK);
  assert_int_equal(oq_uses_count(&u, x), 5);
  static const oq_use want[] = {
      {{0}, OQ_NONE}, {{1}, 0}, {{2}, 0}, {{2}, 2}, {{OQ_NONE}, 1}};
  assert_memory_equal(&u.use[u.first[x.i]], want, sizeof want);
  assert_int_equal(oq_uses_count(&u, c), 2); /* input, and inside the body */
  assert_int_equal(oq_uses_count(&u, find(w.g, "q")), 0);
  assert_int_equal(oq_uses_count(&u, find(w.g, "z")), 1);
  assert_int_equal(oq_edit_remove_node(w.g, (oq_node_id){2}), OQ_OK);
  assert_int_equal(oq_walk_uses(&u, w.g, w.t.scratch), OQ_OK);
  assert_int_equal(oq_uses_count(&u, x), 3);
  world_close(&w);
}

static void expect_cycle(world *w, const char *node_on_it, const char *others) {
  const oq_node_id *order = NULL;
  uint32_t n = 0;

  assert_int_equal(w->status, OQ_OK);
  assert_int_equal(oq_walk_order(&order, &n, w->g, w->t.scratch, w->t.diags),
                   OQ_E_MODEL);
  assert_string_equal(test_env_last(&w->t), "model.cycle");
  const oq_diag *d = oq_diags_at(w->t.diags, oq_diags_count(w->t.diags) - 1);
  assert_string_equal(d->node, node_on_it);
  if (others != NULL)
    assert_non_null(strstr(d->text, others));
  else
    assert_null(strstr(d->text, "through"));
  assert_null(order);
}

static void cycles_are_named(void **state) {
  world w;

  (void)state;
  assert_true(world_open(&w, NULL));
  (void)input(&w, w.g, "x");
  (void)node(&w, w.g, "A", "e", "a"); /* behind the cycle */
  (void)node(&w, w.g, "B", "x", "b");
  (void)node(&w, w.g, "C", "b e", "c"); /* C D E: the cycle */
  (void)node(&w, w.g, "D", "c", "d");
  (void)node(&w, w.g, "E", "d", "e");
  expect_cycle(&w, "c", "result through 'e', 'd'");
  world_close(&w);

  assert_true(world_open(&w, NULL));
  (void)node(&w, w.g, "A", "a", "a"); /* of itself */
  expect_cycle(&w, "a", NULL);
  world_close(&w);

  assert_true(world_open(&w, NULL)); /* through a body */
  (void)input(&w, w.g, "c");
  (void)add(&w, w.g, OQ_VALUE_RESULT, "later");
  build_nest(&w, "later");
  (void)node(&w, w.g, "Neg", "y", "later");
  expect_cycle(&w, "y", "through 'later'");
  world_close(&w);
}

/* Long chains in the worst order: no recursion, no square of the length. */
static void big_graphs_are_sorted(void **state) {
  enum { N = 50000 };
  world w;
  const oq_node_id *order = NULL;
  char a[16], b[16];
  uint32_t n = 0;

  (void)state;
  assert_true(world_open(&w, NULL));
  (void)input(&w, w.g, "v0");
  for (int i = N; i > 0; i--) {
    (void)snprintf(a, sizeof a, "v%d", i - 1);
    (void)snprintf(b, sizeof b, "v%d", i);
    (void)node(&w, w.g, "Neg", a, b);
  }
  assert_int_equal(w.status, OQ_OK);
  assert_int_equal(oq_walk_order(&order, &n, w.g, w.t.scratch, w.t.diags),
                   OQ_OK);
  assert_int_equal(n, N);
  for (uint32_t i = 0; i < N; i++) assert_int_equal(order[i].i, N - 1 - i);
  world_close(&w);
}

static void random_graphs_are_ordered_and_whole(void **state) {
  (void)state;
  for (uint64_t round = 0; round < 200; round++) {
    enum { N = 30 };
    world w;
    const oq_node_id *order = NULL;
    uint32_t n = 0, at[N], place[N];
    char in[64], out[16];

    assert_true(world_open(&w, NULL));
    (void)input(&w, w.g, "x");
    for (uint32_t i = 0; i < N; i++) place[i] = i; /* shuffled ranks */
    for (uint32_t i = N - 1; i > 0; i--) {
      const uint32_t k = (uint32_t)(oq_rng_u64(round, i) % (i + 1));
      const uint32_t swap = place[i];
      place[i] = place[k];
      place[k] = swap;
    }
    for (uint32_t i = 0; i < N; i++) { /* reads only lower ranks */
      const uint32_t r = place[i];
      (void)snprintf(out, sizeof out, "r%u", r);
      (void)snprintf(in, sizeof in, "x");
      if (r > 0) {
        (void)snprintf(in, sizeof in, "r%u r%u",
                       (uint32_t)(oq_rng_u64(round, 100 + i) % r),
                       (uint32_t)(oq_rng_u64(round, 200 + i) % r));
      }
      (void)node(&w, w.g, "N", in, out);
    }
    assert_int_equal(w.status, OQ_OK);
    assert_int_equal(oq_walk_order(&order, &n, w.g, w.t.scratch, w.t.diags),
                     OQ_OK);
    assert_int_equal(n, N);
    for (uint32_t i = 0; i < N; i++) at[order[i].i] = i;
    for (uint32_t i = 0; i < N; i++) {
      const oq_node *x = &w.g->nodes[i];
      for (uint32_t k = 0; k < x->n_in; k++) {
        const oq_node_id p = w.g->values[x->in[k].i].producer;
        if (oq_node_ok(p)) assert_true(at[p.i] < at[i]);
      }
    }
    world_close(&w);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(sorted_graphs_stay_as_they_are),
      cmocka_unit_test(ties_go_by_id),
      cmocka_unit_test(bodies_wait_for_what_they_read),
      cmocka_unit_test(uses_are_complete),
      cmocka_unit_test(cycles_are_named),
      cmocka_unit_test(big_graphs_are_sorted),
      cmocka_unit_test(random_graphs_are_ordered_and_whole),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

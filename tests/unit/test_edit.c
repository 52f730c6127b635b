/* ir/edit: each verb leaves a graph that verify accepts, bodies included. */
#include <stdio.h>

#include "base/limits.h"
#include "graph_make.h"

static void expect_good(world *w) {
  assert_int_equal(w->status, OQ_OK);
  const oq_status s = oq_ir_verify(w->m, &w->t.e);
  if (s != OQ_OK) test_env_show(&w->t);
  assert_int_equal(s, OQ_OK);
}

/* Name of input `slot` of node `n`. */
static const char *in(const oq_graph *g, uint32_t n, uint32_t slot) {
  return oq_value_text(g, g->nodes[n].in[slot]);
}

/* x -> A -> a -> B -> b, with w an initializer of B */
static void open_chain(world *w) {
  assert_true(world_open(w, NULL));
  (void)input(w, w->g, "x");
  (void)constant(w, w->g, "w");
  (void)node(w, w->g, "A", "x", "a");
  (void)node(w, w->g, "B", "a w", "b");
  output(w, w->g, "b");
  expect_good(w);
}

/* ---- names --------------------------------------------------------------- */
static void fresh_names_are_unused(void **state) {
  world w;
  oq_name n[4];

  (void)state;
  open_chain(&w);
  assert_int_equal(oq_edit_fresh_name(w.m, &n[0], "new"), OQ_OK);
  assert_int_equal(oq_edit_fresh_name(w.m, &n[1], "new"), OQ_OK);
  assert_int_equal(oq_edit_fresh_name(w.m, &n[2], "x"), OQ_OK);
  assert_int_equal(oq_edit_fresh_name(w.m, &n[3], ""), OQ_OK);
  assert_string_equal(oq_names_text(w.m->names, n[0]), "new");
  assert_string_equal(oq_names_text(w.m->names, n[1]), "new_1");
  assert_string_equal(oq_names_text(w.m->names, n[2]), "x_1");
  assert_string_equal(oq_names_text(w.m->names, n[3]), "_1");
  (void)name_of(w.m, "new_2"); /* taken meanwhile */
  assert_int_equal(oq_edit_fresh_name(w.m, &n[1], "new"), OQ_OK);
  assert_string_equal(oq_names_text(w.m->names, n[1]), "new_3");
  world_close(&w);
}

static void fresh_names_stay_below_the_limit(void **state) {
  static char base[OQ_MAX_NAME + 100];
  world w;
  oq_name n;

  (void)state;
  open_chain(&w);
  memset(base, 'b', sizeof base - 1);
  memcpy(base + OQ_MAX_NAME - 17, "\xc3\xa4", 2); /* across the cut */
  for (int i = 0; i < 3; i++) {
    assert_int_equal(oq_edit_fresh_name(w.m, &n, base), OQ_OK);
    assert_true(oq_names_length(w.m->names, n) <= OQ_MAX_NAME);
    assert_null(strchr(oq_names_text(w.m->names, n), '\xc3'));
  }
  world_close(&w);
}

static void thousands_of_names_are_quick(void **state) {
  world w;
  oq_name n;

  (void)state;
  open_chain(&w);
  for (int i = 0; i < 50000; i++) {
    assert_int_equal(oq_edit_fresh_name(w.m, &n, "same"), OQ_OK);
  }
  assert_string_equal(oq_names_text(w.m->names, n), "same_49999");
  world_close(&w);
}

static void renaming_reaches_the_bodies(void **state) {
  world w;

  (void)state;
  assert_true(world_open(&w, NULL));
  (void)input(&w, w.g, "x");
  oq_graph *b = body(&w, w.g), *inner = body(&w, b);
  (void)node(&w, inner, "Neg", "x", "free"); /* has the name that comes */
  output(&w, inner, "free");
  (void)node_around(&w, b, "If", "x", "o", inner, NULL);
  output(&w, b, "o");
  (void)node_around(&w, w.g, "If", "x", "y", b, NULL);
  output(&w, w.g, "y");
  expect_good(&w);
  const oq_value_id x = find(w.g, "x");
  assert_int_equal(oq_edit_rename_value(w.g, x, name_of(w.m, "free")), OQ_OK);
  expect_good(&w);
  assert_int_equal(find(w.g, "free").i, x.i);
  assert_false(oq_value_ok(find(w.g, "x")));
  assert_string_equal(in(inner, 0, 0), "free");
  assert_string_equal(oq_value_text(inner, inner->outputs[0]), "free_1");
  assert_int_equal(oq_edit_rename_value(w.g, x, name_of(w.m, "y")),
                   OQ_E_INTERNAL); /* taken */
  assert_int_equal(oq_edit_rename_value(w.g, x, name_of(w.m, "free")), OQ_OK);
  world_close(&w);
}

/* ---- values and nodes ---------------------------------------------------- */
static void broken_rules_are_refused(void **state) {
  world w;
  oq_value_id v = {7};
  oq_node_id n = {7};
  const oq_value_id none = {OQ_NONE}, beyond = {1000};

  (void)state;
  open_chain(&w);
  const oq_value_id x = find(w.g, "x"), b = find(w.g, "b");
  const oq_name taken = name_of(w.m, "x"), empty = {0};
  assert_int_equal(oq_edit_add_value(w.g, &v, OQ_VALUE_INPUT, taken, NULL),
                   OQ_E_INTERNAL);
  assert_int_equal(oq_edit_add_value(w.g, &v, OQ_VALUE_INPUT, empty, NULL),
                   OQ_E_INTERNAL);
  oq_node_spec s = {.op = taken, .out = &b, .n_out = 1}; /* has a producer */
  assert_int_equal(oq_edit_add_node(w.g, &n, &s), OQ_E_INTERNAL);
  s = (oq_node_spec){.op = taken, .in = &beyond, .n_in = 1};
  assert_int_equal(oq_edit_add_node(w.g, &n, &s), OQ_E_INTERNAL);
  const oq_node_id first = {0}, no_node = {55};
  assert_int_equal(oq_edit_set_input(w.g, first, 0, beyond), OQ_E_INTERNAL);
  assert_int_equal(oq_edit_set_input(w.g, no_node, 0, x), OQ_E_INTERNAL);
  assert_int_equal(oq_edit_set_input(w.g, first, OQ_MAX_PORTS, x),
                   OQ_E_INTERNAL);
  assert_int_equal(oq_edit_set_output(w.g, first, 0, b), OQ_E_INTERNAL);
  assert_int_equal(oq_edit_remove_node(w.g, no_node), OQ_E_INTERNAL);
  assert_int_equal(oq_edit_replace_uses(w.g, x, beyond, true), OQ_E_INTERNAL);
  assert_int_equal(oq_edit_add_output(w.g, none), OQ_E_INTERNAL);
  assert_int_equal(oq_edit_unlist_input(w.g, x), OQ_E_INTERNAL);
  assert_int_equal(oq_edit_add_outer(w.g, &v, x), OQ_E_INTERNAL);
  assert_int_equal(v.i, 7);
  assert_int_equal(n.i, 7);
  expect_good(&w);
  world_close(&w);
}

static void inputs_are_set_and_appended(void **state) {
  world w;
  const oq_node_id a = {0};

  (void)state;
  open_chain(&w);
  assert_int_equal(oq_edit_set_input(w.g, a, 3, find(w.g, "w")), OQ_OK);
  assert_int_equal(w.g->nodes[0].n_in, 4);
  assert_string_equal(in(w.g, 0, 0), "x");
  assert_false(oq_value_ok(w.g->nodes[0].in[1]));
  assert_false(oq_value_ok(w.g->nodes[0].in[2]));
  assert_string_equal(in(w.g, 0, 3), "w");
  expect_good(&w);
  assert_int_equal(oq_edit_set_input(w.g, a, 3, (oq_value_id){OQ_NONE}), OQ_OK);
  expect_good(&w);
  world_close(&w);
}

/* As a quantizer does: a new node takes over the name of a value. */
static void an_output_changes_hands(void **state) {
  world w;
  oq_value_id fresh;
  oq_node_id q;

  (void)state;
  open_chain(&w);
  const oq_value_id b = find(w.g, "b");
  fresh = add(&w, w.g, OQ_VALUE_RESULT, "b_raw");
  assert_int_equal(oq_edit_set_output(w.g, (oq_node_id){1}, 0, fresh), OQ_OK);
  assert_false(oq_node_ok(w.g->values[b.i].producer));
  const oq_node_spec s = {
      .op = name_of(w.m, "Q"), .in = &fresh, .out = &b, .n_in = 1, .n_out = 1};
  assert_int_equal(oq_edit_add_node(w.g, &q, &s), OQ_OK);
  expect_good(&w);
  assert_int_equal(w.g->values[b.i].producer.i, q.i);
  world_close(&w);
}

static void removed_nodes_take_their_outputs_along(void **state) {
  world w;

  (void)state;
  open_chain(&w);
  assert_int_equal(oq_edit_set_input(w.g, (oq_node_id){1}, 0, find(w.g, "x")),
                   OQ_OK);
  assert_int_equal(oq_edit_remove_node(w.g, (oq_node_id){0}), OQ_OK);
  expect_good(&w);
  assert_false(oq_value_ok(find(w.g, "a")));
  assert_int_equal(oq_edit_remove_node(w.g, (oq_node_id){0}), OQ_E_INTERNAL);
  (void)node(&w, w.g, "C", "x", "a"); /* the name is free again */
  expect_good(&w);
  world_close(&w);
}

static void binding_ends_with_what_it_was_made_of(void **state) {
  static const int row;
  world w;
  oq_attr a;
  oq_name conv;

  (void)state;
  open_chain(&w);
  const oq_node_id n = {0};
  w.g->nodes[0].params = &row;
  assert_int_equal(oq_attr_i64(w.m, &a, "axis", 1), OQ_OK);
  assert_int_equal(oq_edit_set_attrs(w.g, n, &a, 1), OQ_OK);
  assert_null(w.g->nodes[0].params);
  w.g->nodes[0].params = &row;
  assert_int_equal(oq_edit_set_op(w.g, n, "ai.onnx", "Conv"), OQ_OK);
  assert_null(w.g->nodes[0].params);
  assert_int_equal(w.g->nodes[0].domain.i, 0); /* "ai.onnx" is "" */
  assert_true(oq_names_find(w.m->names, &conv, "Conv", 4));
  assert_int_equal(w.g->nodes[0].op.i, conv.i);
  world_close(&w);
}

/* ---- constants ----------------------------------------------------------- */
static void constants_hold_their_numbers(void **state) {
  static const float v[3] = {1, 2, 3};
  const oq_ctensor t = {OQ_DT_F32, {1, {3}}, sizeof v, v};
  const oq_shape two = {1, {2}};
  world w;
  oq_ctensor got;
  oq_value_id c, d;
  oq_store *s = NULL;
  void *bytes;

  (void)state;
  open_chain(&w);
  assert_int_equal(oq_edit_add_const(w.g, &c, "w", &t), OQ_OK);
  assert_string_equal(oq_value_text(w.g, c), "w_1"); /* "w" is taken */
  assert_int_equal(
      oq_const_view(&got, w.g->values[c.i].konst, w.t.scratch, w.t.diags),
      OQ_OK);
  assert_memory_equal(got.data, v, sizeof v);
  expect_good(&w);
  assert_int_equal(oq_store_new(&s, &bytes, 2, &w.t.alloc), OQ_OK);
  memcpy(bytes, "\x01\x02", 2);
  assert_int_equal(oq_edit_add_const_store(w.g, &d, "q", OQ_DT_I8, &two, s),
                   OQ_OK);
  assert_int_equal(
      oq_const_view(&got, w.g->values[d.i].konst, w.t.scratch, w.t.diags),
      OQ_OK);
  assert_ptr_equal(got.data, bytes); /* not copied */
  expect_good(&w);
  assert_int_equal(w.g->inits[w.g->n_inits - 1].i, d.i);
  assert_int_equal(oq_store_new(&s, &bytes, 3, &w.t.alloc), OQ_OK);
  assert_int_equal(oq_edit_add_const_store(w.g, &d, "q", OQ_DT_I8, &two, s),
                   OQ_E_INTERNAL); /* of another size; let go all the same */
  world_close(&w);
}

static void constants_leave_the_inputs(void **state) {
  world w;

  (void)state;
  open_chain(&w);
  const oq_value_id x = find(w.g, "x"), k = find(w.g, "w");
  w.g->values[k.i].also_input = true;
  assert_int_equal(oq_graph_set_inputs(w.g, (oq_value_id[]){k, x}, 2), OQ_OK);
  expect_good(&w);
  assert_int_equal(oq_edit_unlist_input(w.g, k), OQ_OK);
  assert_int_equal(w.g->n_inputs, 1);
  assert_int_equal(w.g->inputs[0].i, x.i);
  expect_good(&w);
  world_close(&w);
}

/* ---- uses ---------------------------------------------------------------- */
static void uses_are_replaced(void **state) {
  world w;

  (void)state;
  open_chain(&w);
  const oq_value_id a = find(w.g, "a"), b = find(w.g, "b"), x = find(w.g, "x");
  assert_int_equal(oq_edit_replace_uses(w.g, a, x, true), OQ_OK);
  assert_string_equal(in(w.g, 1, 0), "x");
  assert_int_equal(oq_edit_replace_uses(w.g, b, a, false), OQ_OK);
  assert_int_equal(w.g->outputs[0].i, b.i);
  assert_int_equal(oq_edit_replace_uses(w.g, b, a, true), OQ_OK);
  assert_int_equal(w.g->outputs[0].i, a.i);
  expect_good(&w);
  world_close(&w);
}

/* main: x, k -> p = P(x), q = Q(k); y = If(x){ branch reads p in an inner If;
 * and q }.  Names inside: "mine". */
typedef struct nest {
  world w;
  oq_graph *outer, *inner;
} nest;

static void open_nest(nest *n) {
  world *w = &n->w;

  assert_true(world_open(w, NULL));
  (void)input(w, w->g, "x");
  (void)input(w, w->g, "k");
  (void)node(w, w->g, "P", "x", "p");
  (void)node(w, w->g, "Q", "k", "q");
  n->outer = body(w, w->g);
  n->inner = body(w, n->outer);
  (void)node(w, n->inner, "Add", "p q", "mine");
  output(w, n->inner, "mine");
  (void)node_around(w, n->outer, "If", "q", "o", n->inner, NULL);
  output(w, n->outer, "o");
  (void)node_around(w, w->g, "If", "x", "y", n->outer, NULL);
  output(w, w->g, "y");
  expect_good(w);
}

static void uses_in_bodies_are_replaced(void **state) {
  nest n;

  (void)state;
  open_nest(&n);
  oq_graph *g = n.w.g;
  assert_int_equal(oq_edit_replace_uses(g, find(g, "p"), find(g, "x"), true),
                   OQ_OK);
  expect_good(&n.w);
  assert_string_equal(in(n.inner, 0, 0), "x");
  assert_string_equal(in(n.inner, 0, 1), "q");
  assert_false(oq_value_ok(find(n.outer, "p")));
  /* Where the body has one for that value already, both become one. */
  assert_int_equal(oq_edit_replace_uses(g, find(g, "q"), find(g, "x"), true),
                   OQ_OK);
  expect_good(&n.w);
  assert_string_equal(in(n.inner, 0, 1), "x");
  assert_int_equal(n.inner->nodes[0].in[0].i, n.inner->nodes[0].in[1].i);
  assert_string_equal(in(n.outer, 0, 0), "x");
  world_close(&n.w);
}

static void names_inside_make_way(void **state) {
  nest n;

  (void)state;
  open_nest(&n);
  /* A value of the main graph gets the name of one inside the body: seen from
   * there only after it is read there. */
  (void)node(&n.w, n.w.g, "R", "x", "mine");
  oq_graph *g = n.w.g;
  assert_int_equal(oq_edit_replace_uses(g, find(g, "q"), find(g, "mine"), true),
                   OQ_OK);
  assert_string_equal(in(n.inner, 0, 1), "mine");
  assert_string_equal(oq_value_text(n.inner, n.inner->outputs[0]), "mine_1");
  expect_good(&n.w);
  world_close(&n.w);
}

static void many_uses_change_at_once(void **state) {
  nest n;

  (void)state;
  open_nest(&n);
  oq_graph *g = n.w.g;
  oq_value_id to[16];
  for (uint32_t i = 0; i < 16; i++) to[i].i = OQ_NONE;
  to[find(g, "p").i] = find(g, "q"); /* swapped */
  to[find(g, "q").i] = find(g, "p");
  to[find(g, "x").i] = find(g, "k");
  to[find(g, "y").i] = find(g, "p"); /* an output */
  assert_int_equal(oq_edit_redirect(g, to, true), OQ_OK);
  expect_good(&n.w);
  assert_string_equal(in(n.inner, 0, 0), "q");
  assert_string_equal(in(n.inner, 0, 1), "p");
  assert_string_equal(in(n.outer, 0, 0), "p");
  assert_string_equal(in(g, 0, 0), "k");
  assert_string_equal(in(g, 2, 0), "k");
  assert_string_equal(oq_value_text(g, g->outputs[0]), "p");
  /* To themselves. */
  for (uint32_t i = 0; i < g->n_values; i++) to[i].i = i;
  assert_int_equal(oq_edit_redirect(g, to, true), OQ_OK);
  expect_good(&n.w);
  assert_string_equal(in(n.inner, 0, 0), "q");
  /* All to one. */
  for (uint32_t i = 0; i < 16; i++) to[i].i = OQ_NONE;
  to[find(g, "p").i] = to[find(g, "q").i] = find(g, "x");
  assert_int_equal(oq_edit_redirect(g, to, false), OQ_OK);
  expect_good(&n.w);
  assert_string_equal(in(n.inner, 0, 0), "x");
  assert_string_equal(in(n.inner, 0, 1), "x");
  assert_string_equal(in(n.outer, 0, 0), "x");
  world_close(&n.w);
}

/* ---- dead things --------------------------------------------------------- */
static void what_nobody_needs_goes(void **state) {
  nest n;

  (void)state;
  open_nest(&n);
  world *w = &n.w;
  oq_graph *g = w->g;
  (void)constant(w, g, "unused");
  const oq_value_id kept = constant(w, g, "overridable");
  g->values[kept.i].also_input = true;
  const oq_value_id all[] = {find(g, "x"), find(g, "k"), kept};
  world_note(w, oq_graph_set_inputs(g, all, 3));
  (void)node(w, g, "U", "x", "u");
  (void)node(w, g, "V", "u", "v");
  (void)node(w, n.outer, "W", "q", "inside");
  (void)constant(w, n.inner, "unused_too");
  expect_good(w);
  assert_int_equal(oq_edit_remove_dead(g, &w->t.e), OQ_OK);
  expect_good(w);
  assert_false(oq_value_ok(find(g, "unused")));
  assert_false(oq_value_ok(find(g, "u")));
  assert_false(oq_value_ok(find(g, "v")));
  assert_false(oq_value_ok(find(n.outer, "inside")));
  assert_false(oq_value_ok(find(n.inner, "unused_too")));
  assert_true(oq_value_ok(find(g, "overridable")));
  assert_int_equal(g->n_inits, 1);
  assert_true(oq_value_ok(find(g, "p")));
  assert_true(oq_value_ok(find(g, "k"))); /* inputs stay */

  /* What only a body read goes when the body no longer does. */
  assert_int_equal(
      oq_edit_set_input(n.inner, (oq_node_id){0}, 0, find(n.inner, "q")),
      OQ_OK);
  assert_int_equal(oq_edit_remove_dead(g, &w->t.e), OQ_OK);
  expect_good(w);
  assert_false(oq_value_ok(find(g, "p")));
  assert_false(oq_value_ok(find(n.inner, "p")));
  assert_true(oq_value_ok(find(g, "q")));
  world_close(w);
}

/* ---- the model ----------------------------------------------------------- */
static void opsets_and_properties(void **state) {
  world w;

  (void)state;
  open_chain(&w);
  assert_int_equal(oq_edit_set_opset(w.m, "ai.onnx", 21), OQ_OK);
  assert_int_equal(oq_edit_set_opset(w.m, "com.microsoft", 1), OQ_OK);
  assert_int_equal(w.m->n_opsets, 2);
  assert_int_equal(oq_ir_opset(w.m, (oq_name){0}), 21);
  assert_int_equal(oq_ir_opset(w.m, name_of(w.m, "com.microsoft")), 1);
  assert_int_equal(oq_edit_set_prop(w.m, "a", "1"), OQ_OK);
  assert_int_equal(oq_edit_set_prop(w.m, "ab", "2"), OQ_OK);
  assert_int_equal(oq_edit_set_prop(w.m, "a", "3"), OQ_OK);
  assert_int_equal(w.m->n_props, 2);
  assert_memory_equal(w.m->props[0].value.p, "3", 1);
  assert_memory_equal(w.m->props[1].key.p, "ab", 2);
  world_close(&w);
}

/* ---- memory -------------------------------------------------------------- */
/* Enough of everything that each verb meets a failing allocation. */
static oq_status edit_all(const oq_allocator *hook, void *user) {
  world w;
  oq_name n;
  oq_attr a;
  char name[32];

  (void)user;
  if (!world_open(&w, hook)) return OQ_E_MEMORY;
  (void)input(&w, w.g, "x");
  (void)input(&w, w.g, "c");
  oq_graph *b = body(&w, w.g), *b2 = body(&w, b);
  (void)node(&w, b2, "Neg", "x", "t");
  output(&w, b2, "t");
  (void)node_around(&w, b, "If", "c", "r", b2, NULL);
  output(&w, b, "r");
  for (int i = 0; i < 100 && w.status == OQ_OK; i++) {
    (void)snprintf(name, sizeof name, "v%d", i);
    (void)node(&w, w.g, "N", "x", name);
    (void)constant(&w, w.g, "w");
    world_note(&w, oq_edit_fresh_name(w.m, &n, "n"));
    world_note(&w, oq_attr_text(w.m, &a, "mode", "text"));
  }
  (void)node_around(&w, w.g, "If", "c", "y", b, NULL);
  output(&w, w.g, "y");
  if (w.status == OQ_OK) {
    world_note(&w, oq_edit_set_prop(w.m, "k", "v"));
    world_note(
        &w, oq_edit_replace_uses(w.g, find(w.g, "x"), find(w.g, "v7"), true));
  }
  if (w.status == OQ_OK) {
    world_note(
        &w, oq_edit_rename_value(w.g, find(w.g, "v7"), name_of(w.m, "seven")));
    world_note(&w, oq_edit_remove_dead(w.g, &w.t.e));
  }
  world_close(&w);
  return w.status;
}

static void every_failure_is_survived(void **state) {
  (void)state;
  assert_true(survive_every_allocation(edit_all, NULL) > 100);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(fresh_names_are_unused),
      cmocka_unit_test(fresh_names_stay_below_the_limit),
      cmocka_unit_test(thousands_of_names_are_quick),
      cmocka_unit_test(renaming_reaches_the_bodies),
      cmocka_unit_test(broken_rules_are_refused),
      cmocka_unit_test(inputs_are_set_and_appended),
      cmocka_unit_test(an_output_changes_hands),
      cmocka_unit_test(removed_nodes_take_their_outputs_along),
      cmocka_unit_test(binding_ends_with_what_it_was_made_of),
      cmocka_unit_test(constants_hold_their_numbers),
      cmocka_unit_test(constants_leave_the_inputs),
      cmocka_unit_test(uses_are_replaced),
      cmocka_unit_test(uses_in_bodies_are_replaced),
      cmocka_unit_test(names_inside_make_way),
      cmocka_unit_test(many_uses_change_at_once),
      cmocka_unit_test(what_nobody_needs_goes),
      cmocka_unit_test(opsets_and_properties),
      cmocka_unit_test(every_failure_is_survived),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

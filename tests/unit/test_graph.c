/* ir/graph: making, finding, describing. */
#include "graph_make.h"

static void an_empty_model(void **state) {
  test_env t;
  oq_model_ir *m = NULL;

  (void)state;
  assert_true(test_env_open(&t, NULL));
  assert_int_equal(oq_ir_create(&m, &t.alloc), OQ_OK);
  assert_null(m->main);
  oq_ir_destroy(m);
  oq_ir_destroy(NULL);
  test_env_close(&t);
}

static void values_are_found_by_name(void **state) {
  world w;
  const oq_graph *where = NULL;

  (void)state;
  assert_true(world_open(&w, NULL));
  assert_ptr_equal(w.m->main, w.g);
  const oq_value_id x = input(&w, w.g, "x");
  (void)node(&w, w.g, "Relu", "x", "y");
  oq_graph *b = body(&w, w.g);
  (void)node(&w, b, "Neg", "x", "z");
  assert_int_equal(w.status, OQ_OK);
  assert_int_equal(find(w.g, "x").i, x.i);
  assert_false(oq_value_ok(find(w.g, "z")));
  assert_false(oq_value_ok(find(w.g, "nobody")));
  const oq_value_id inner = find(b, "x");
  assert_true(oq_value_ok(inner));
  assert_int_equal(oq_graph_resolve(b, inner, &where).i, x.i);
  assert_ptr_equal(where, w.g);
  assert_int_equal(oq_graph_find_visible(b, name_of(w.m, "y"), &where).i,
                   find(w.g, "y").i);
  assert_ptr_equal(where, w.g);
  assert_false(oq_value_ok(oq_graph_find_visible(b, name_of(w.m, "q"), NULL)));
  world_close(&w);
}

static void texts_of_nodes(void **state) {
  world w;

  (void)state;
  assert_true(world_open(&w, NULL));
  (void)input(&w, w.g, "x");
  const oq_node_id n = node(&w, w.g, "Split", "x", "_ b");
  assert_int_equal(w.status, OQ_OK);
  assert_string_equal(oq_node_text(w.g, n), "b"); /* first output there is */
  oq_graph_node(w.g, n)->name = name_of(w.m, "cut");
  assert_string_equal(oq_node_text(w.g, n), "cut");
  assert_string_equal(oq_node_op(w.g, n), "Split");
  const oq_where place = oq_node_where(w.g, n);
  assert_string_equal(place.graph, "main");
  assert_string_equal(place.node, "cut");
  assert_string_equal(place.op, "Split");
  const oq_node_id none = {OQ_NONE};
  assert_string_equal(oq_node_text(w.g, none), "");
  assert_string_equal(oq_value_text(w.g, (oq_value_id){OQ_NONE}), "");
  world_close(&w);
}

static void attributes_are_found_by_name(void **state) {
  world w;
  oq_attr a[4];
  static const int64_t pads[] = {1, 2, 3};

  (void)state;
  assert_true(world_open(&w, NULL));
  (void)input(&w, w.g, "x");
  assert_int_equal(oq_attr_i64(w.m, &a[0], "axis", -1), OQ_OK);
  assert_int_equal(oq_attr_f32(w.m, &a[1], "alpha", 0.5f), OQ_OK);
  assert_int_equal(oq_attr_text(w.m, &a[2], "mode", "linear"), OQ_OK);
  assert_int_equal(oq_attr_i64s(w.m, &a[3], "pads", pads, 3), OQ_OK);
  const oq_node_id n = node(&w, w.g, "Pad", "x", "y");
  assert_int_equal(oq_edit_set_attrs(w.g, n, a, 4), OQ_OK);
  memset(a, 0, sizeof a); /* copied */
  const oq_node *x = oq_graph_node(w.g, n);
  assert_int_equal(oq_node_attr(w.g, x, "axis")->u.i64, -1);
  assert_true(oq_node_attr(w.g, x, "alpha")->u.f32 == 0.5f);
  assert_int_equal(oq_node_attr(w.g, x, "mode")->u.text.n, 6);
  assert_memory_equal(oq_node_attr(w.g, x, "pads")->u.i64s, pads, sizeof pads);
  assert_null(oq_node_attr(w.g, x, "nothing"));
  assert_null(oq_node_attr(w.g, x, "x")); /* a name, but of no attribute */
  world_close(&w);
}

static void bodies_come_in_order(void **state) {
  world w;
  oq_graph *list[2];

  (void)state;
  assert_true(world_open(&w, NULL));
  oq_graph *a = body(&w, w.g), *b = body(&w, w.g), *c = body(&w, w.g);
  list[0] = b;
  list[1] = c;
  oq_attr attrs[3] = {{.kind = OQ_ATTR_GRAPHS, .count = 2},
                      {.kind = OQ_ATTR_I64},
                      {.kind = OQ_ATTR_GRAPH}};
  attrs[0].u.graphs = list;
  attrs[2].u.graph = a;
  const oq_node n = {.attrs = attrs, .n_attrs = 3};
  assert_ptr_equal(oq_node_body(&n, 0), b);
  assert_ptr_equal(oq_node_body(&n, 1), c);
  assert_ptr_equal(oq_node_body(&n, 2), a);
  assert_null(oq_node_body(&n, 3));
  assert_int_equal(w.g->n_bodies, 3);
  world_close(&w);
}

static void the_last_import_of_a_domain_counts(void **state) {
  world w;
  oq_opset twice[2];

  (void)state;
  assert_true(world_open(&w, NULL));
  const oq_name none = {0};
  assert_int_equal(oq_ir_opset(w.m, none), 17);
  assert_int_equal(oq_ir_opset(w.m, name_of(w.m, "com.x")), 0);
  twice[0] = (oq_opset){.domain = none, .version = 13};
  twice[1] = (oq_opset){.domain = none, .version = 14};
  w.m->opsets = twice;
  w.m->n_opsets = 2;
  assert_int_equal(oq_ir_opset(w.m, none), 14);
  world_close(&w);
}

static void types(void **state) {
  static const int64_t dim[] = {2, -1, 0};
  world w;
  oq_shape s = {1, {5}};

  (void)state;
  assert_true(world_open(&w, NULL));
  oq_arena *a = w.m->arena;
  const oq_type *open = oq_type_make(a, OQ_DT_F32, dim, 3);
  assert_int_equal(open->dim[1].size, OQ_DIM_UNKNOWN);
  assert_false(oq_type_shape(&s, open));
  assert_false(oq_type_shape(&s, oq_type_make(a, OQ_DT_F32, NULL, 0)));
  assert_false(oq_type_shape(&s, NULL));
  assert_int_equal(s.dim[0], 5);
  assert_true(oq_type_shape(&s, oq_type_make(a, OQ_DT_F32, dim, 1)));
  assert_int_equal(s.rank, 1);
  assert_int_equal(s.dim[0], 2);
  assert_true(oq_type_shape(&s, oq_type_make(a, OQ_DT_F32, dim, 0)));
  assert_int_equal(s.rank, 0);
  assert_null(oq_type_make(a, OQ_DT_F32, dim, OQ_MAX_RANK + 1));
  world_close(&w);
}

static void a_kept_store_goes_with_the_model(void **state) {
  world w;
  oq_store *s = NULL;
  void *bytes;

  (void)state;
  assert_true(world_open(&w, NULL));
  assert_int_equal(oq_store_new(&s, &bytes, 1000, &w.t.alloc), OQ_OK);
  assert_int_equal(oq_ir_keep_store(w.m, s), OQ_OK);
  /* Also where it cannot be kept. */
  oq_status st = OQ_OK;
  while (st == OQ_OK) {
    assert_int_equal(oq_store_new(&s, &bytes, 1000, &w.t.alloc), OQ_OK);
    w.t.alloc.limit = w.t.alloc.used;
    st = oq_ir_keep_store(w.m, s);
    w.t.alloc.limit = 0;
  }
  assert_int_equal(st, OQ_E_MEMORY);
  world_close(&w); /* fails if anything is left */
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_empty_model),
      cmocka_unit_test(values_are_found_by_name),
      cmocka_unit_test(texts_of_nodes),
      cmocka_unit_test(attributes_are_found_by_name),
      cmocka_unit_test(bodies_come_in_order),
      cmocka_unit_test(the_last_import_of_a_domain_counts),
      cmocka_unit_test(types),
      cmocka_unit_test(a_kept_store_goes_with_the_model),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* ir/clone: the same model, independent of the first but for the stores. */
#include "base/sink.h"
#include "graph_make.h"

/* The dump of a model as text. */
typedef struct page {
  char text[20000];
  size_t n;
} page;

static oq_status take(void *user, const void *p, size_t n) {
  page *x = user;

  assert_true(x->n + n < sizeof x->text);
  memcpy(x->text + x->n, p, n);
  x->n += n;
  x->text[x->n] = '\0';
  return OQ_OK;
}

static void dump(page *x, world *w, const oq_model_ir *m) {
  oq_sink *s = NULL;

  x->n = 0;
  assert_int_equal(oq_sink_open_call(&s, take, x, &w->t.alloc, w->t.diags),
                   OQ_OK);
  assert_int_equal(oq_ir_dump(m, s), OQ_OK);
  assert_int_equal(oq_sink_commit(s), OQ_OK);
  oq_sink_close(s);
}

static const uint8_t wire[] = {0x5a, 0x01, 0x41};
static const oq_extra extra = {wire, sizeof wire};

/* A node with one attribute of every kind. */
static void add_attributes(world *w) {
  if (w->status != OQ_OK) return;
  static const float f32s[] = {1, 2.5f};
  static const int64_t i64s[] = {3, -4};
  static const oq_text texts[] = {{"one", 3}, {"two", 3}};
  const char *const names[] = {"none", "f",      "i",  "s",    "t",
                               "g",    "fs",     "is", "ss",   "ts",
                               "gs",   "sparse", "sv", "type", "types"};
  const oq_const *k = w->g->values[find(w->g, "w").i].konst;
  const oq_const **ks = (const oq_const **)oq_arena_alloc(
      w->m->arena, 2, sizeof *ks, _Alignof(const oq_const *));
  oq_graph **gs = OQ_NEW_N(w->m->arena, oq_graph *, 1);
  oq_attr a[15];

  for (int i = 0; i < 15; i++) {
    a[i] = (oq_attr){.name = world_name(w, names[i]), .kind = (oq_attr_kind)i};
  }
  if (ks == NULL || gs == NULL) world_note(w, OQ_E_MEMORY);
  if (w->status != OQ_OK) return;
  ks[0] = ks[1] = k;
  a[1].u.f32 = 0.5f;
  a[2].u.i64 = 7;
  a[3].u.text = (oq_text){"abc", 2};
  a[4].u.tensor = k;
  a[6].u.f32s = f32s;
  a[7].u.i64s = i64s;
  a[8].u.texts = texts;
  a[9].u.tensors = ks;
  a[6].count = a[7].count = a[8].count = a[9].count = 2;
  for (int i = 11; i < 15; i++) a[i].u.raw = &extra;
  a[2].extra = &extra;
  a[0].ref = world_name(w, "parameter");
  a[5].u.graph = body(w, w->g);
  gs[0] = body(w, w->g);
  a[10].u.graphs = gs;
  a[10].count = 1;
  (void)node(w, a[5].u.graph, "Neg", "x", "inside");
  output(w, a[5].u.graph, "inside");
  const oq_node_id n = node(w, w->g, "All", "x", "all");
  if (w->status == OQ_OK) { world_note(w, oq_edit_set_attrs(w->g, n, a, 15)); }
}

static void fill(world *w) {
  static const oq_name functions[2] = {{1}, {2}};

  (void)input(w, w->g, "x");
  (void)constant(w, w->g, "w");
  add_attributes(w);
  (void)node(w, w->g, "Add", "x w", "dead");
  (void)node(w, w->g, "Add", "all w", "y");
  output(w, w->g, "y");
  if (w->status != OQ_OK) return;
  world_note(w, oq_edit_remove_node(w->g, (oq_node_id){1}));
  world_note(w, oq_edit_set_prop(w->m, "key", "value"));
  world_note(w, oq_edit_set_opset(w->m, "com.x", 2));
  world_note(w, oq_graph_list_info(w->g, find(w->g, "all")));
  w->g->values[find(w->g, "x").i].info_extra = &extra;
  w->g->nodes[0].extra = &extra;
  w->g->extra = &extra;
  w->m->extra = &extra;
  w->m->producer_name = (oq_text){"maker", 5};
  w->m->has_functions = true;
  w->m->functions = functions;
  w->m->n_functions = 1;
}

static void the_copy_is_equal(void **state) {
  static page before, after;
  world w;
  oq_model_ir *copy = NULL;

  (void)state;
  assert_true(world_open(&w, NULL));
  fill(&w);
  assert_int_equal(w.status, OQ_OK);
  assert_int_equal(oq_ir_verify(w.m, &w.t.e), OQ_OK);
  dump(&before, &w, w.m);
  assert_int_equal(oq_ir_clone(&copy, w.m, &w.t.e), OQ_OK);
  assert_int_equal(oq_ir_verify(copy, &w.t.e), OQ_OK);
  assert_int_equal(oq_names_count(copy->names), oq_names_count(w.m->names));
  assert_int_equal(copy->n_graphs, w.m->n_graphs);
  assert_int_equal(copy->main->n_nodes, w.g->n_nodes);
  assert_memory_equal(copy->producer_name.p, "maker", 5);
  /* Bytes are shared, nothing else: the copy lives on alone. */
  const oq_value_id k = find(w.g, "w");
  const oq_const *mine = copy->main->values[k.i].konst;
  assert_ptr_equal(mine->blob->store, w.g->values[k.i].konst->blob->store);
  assert_ptr_not_equal(mine->type, w.g->values[k.i].konst->type);
  oq_ir_destroy(w.m);
  w.m = copy;
  w.g = copy->main;
  dump(&after, &w, copy);
  assert_string_equal(after.text, before.text);
  assert_int_equal(oq_const_check(mine, w.t.diags), OQ_OK);
  world_close(&w);
}

static void what_was_shared_stays_shared(void **state) {
  world w;
  oq_model_ir *copy = NULL;

  (void)state;
  assert_true(world_open(&w, NULL));
  fill(&w);
  const oq_value_id x = find(w.g, "x"), y = find(w.g, "y");
  w.g->values[y.i].type = w.g->values[x.i].type;
  assert_int_equal(oq_ir_clone(&copy, w.m, &w.t.e), OQ_OK);
  assert_ptr_equal(copy->main->values[y.i].type, copy->main->values[x.i].type);
  const oq_attr *t = oq_node_attr(copy->main, &copy->main->nodes[0], "t");
  assert_ptr_equal(t->u.tensor,
                   copy->main->values[find(copy->main, "w").i].konst);
  oq_ir_destroy(copy);
  world_close(&w);
}

static void changes_do_not_show_in_the_other(void **state) {
  static page before, after;
  world w;
  oq_model_ir *copy = NULL;
  oq_name n;

  (void)state;
  assert_true(world_open(&w, NULL));
  fill(&w);
  dump(&before, &w, w.m);
  assert_int_equal(oq_ir_clone(&copy, w.m, &w.t.e), OQ_OK);
  oq_graph *g = copy->main;
  assert_int_equal(oq_edit_fresh_name(copy, &n, "w"), OQ_OK);
  assert_int_equal(oq_edit_rename_value(g, find(g, "x"), n), OQ_OK);
  assert_int_equal(oq_edit_replace_uses(g, find(g, "w"), find(g, "all"), true),
                   OQ_OK);
  assert_int_equal(oq_edit_set_prop(copy, "key", "other"), OQ_OK);
  assert_int_equal(oq_edit_set_opset(copy, "com.x", 3), OQ_OK);
  assert_int_equal(oq_edit_add_output(g, find(g, "all")), OQ_OK);
  assert_int_equal(oq_edit_remove_dead(g, &w.t.e), OQ_OK);
  assert_int_equal(
      oq_edit_add_outer(g->bodies[1], &(oq_value_id){0}, find(g, "all")),
      OQ_OK);
  dump(&after, &w, w.m);
  assert_string_equal(after.text, before.text);
  oq_ir_destroy(copy);
  world_close(&w);
}

static oq_status clone_once(const oq_allocator *hook, void *user) {
  world w;
  oq_model_ir *copy = NULL;

  (void)user;
  if (!world_open(&w, hook)) return OQ_E_MEMORY;
  fill(&w);
  if (w.status == OQ_OK) world_note(&w, oq_ir_clone(&copy, w.m, &w.t.e));
  oq_ir_destroy(copy);
  world_close(&w);
  return w.status;
}

static void every_failure_is_survived(void **state) {
  (void)state;
  assert_true(survive_every_allocation(clone_once, NULL) > 6);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_copy_is_equal),
      cmocka_unit_test(what_was_shared_stays_shared),
      cmocka_unit_test(changes_do_not_show_in_the_other),
      cmocka_unit_test(every_failure_is_survived),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

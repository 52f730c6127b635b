/* ir/dump: one text for one model, whatever its names hold. */
#include <stdio.h>

#include "base/sink.h"
#include "graph_make.h"

typedef struct page {
  char text[8000];
  size_t n;
} page;

static oq_status take(void *user, const void *p, size_t n) {
  page *x = user;

  assert_true(x->n + n < sizeof x->text);
  memcpy(x->text + x->n, p, n);
  x->n += n;
  return OQ_OK;
}

static oq_status refuse(void *user, const void *p, size_t n) {
  (void)user;
  (void)p;
  (void)n;
  return OQ_E_IO;
}

static void dump(page *x, world *w) {
  oq_sink *s = NULL;

  memset(x, 0, sizeof *x);
  assert_int_equal(oq_sink_open_call(&s, take, x, &w->t.alloc, w->t.diags),
                   OQ_OK);
  assert_int_equal(oq_ir_dump(w->m, s), OQ_OK);
  assert_int_equal(oq_sink_commit(s), OQ_OK);
  oq_sink_close(s);
}

static void a_model_as_text(void **state) {
  static page p;
  static const int64_t many[20] = {1, 2, 3};
  world w;
  oq_attr a[3];

  (void)state;
  assert_true(world_open(&w, NULL));
  (void)input(&w, w.g, "x");
  (void)constant(&w, w.g, "w");
  const oq_node_id n = node(&w, w.g, "Conv", "x w _", "y _");
  assert_int_equal(oq_attr_f32(w.m, &a[0], "alpha", 0.1f), OQ_OK);
  assert_int_equal(oq_attr_i64s(w.m, &a[1], "pads", many, 20), OQ_OK);
  assert_int_equal(oq_attr_text(w.m, &a[2], "mode", "a\nb"), OQ_OK);
  assert_int_equal(oq_edit_set_attrs(w.g, n, a, 3), OQ_OK);
  oq_graph *b = body(&w, w.g);
  (void)node(&w, b, "Neg", "y", "t");
  output(&w, b, "t");
  const oq_node_id i = node_around(&w, w.g, "If", "x", "z", b, NULL);
  w.g->nodes[i.i].name = name_of(w.m, "if \x1b[0m");
  (void)node(&w, w.g, "Dead", "x", "gone");
  output(&w, w.g, "z");
  assert_int_equal(oq_edit_remove_node(w.g, (oq_node_id){2}), OQ_OK);
  assert_int_equal(oq_graph_list_info(w.g, find(w.g, "y")), OQ_OK);
  assert_int_equal(oq_edit_set_prop(w.m, "k", "v"), OQ_OK);
  assert_int_equal(w.status, OQ_OK);
  dump(&p, &w);
  assert_string_equal(
      p.text,
      "model ir_version 8\n"
      "opset \"\" 17\n"
      "prop \"k\" \"v\"\n"
      "graph \"main\"\n"
      "  input x: float32[2,3]\n"
      "  const w: float32[2,3] = float32[2,3] raw 24 bytes "
      "#cfd84ef00aa03073\n"
      "  y, - = Conv(x, w, -) {alpha=0.10000000149011612, "
      "pads=[1,2,3,0,0,0,0,0,0,0,0,0,0,0,0,0,... of 20], mode=\"a\\x0ab\"}\n"
      "  z = If(x) {then_branch=below} \"if \\x1b[0m\"\n"
      "    graph \"body\"\n"
      "      outer y: float32[2,3]\n"
      "      t = Neg(y)\n"
      "      output t: float32[2,3]\n"
      "  info y: float32[2,3]\n"
      "  output z: float32[2,3]\n");
  world_close(&w);
}

static void types_as_text(void **state) {
  static page p;
  static const int64_t dim[] = {-1, 4, -1};
  world w;

  (void)state;
  assert_true(world_open(&w, NULL));
  const oq_value_id x = input(&w, w.g, "x"), y = input(&w, w.g, "y"),
                    z = input(&w, w.g, "z"), q = input(&w, w.g, "q");
  oq_type *t = OQ_COPY_N(w.m->arena, oq_type,
                         oq_type_make(w.m->arena, OQ_DT_I8, dim, 3), 1);
  t->dim[0].symbol = name_of(w.m, "batch");
  oq_edit_set_type(w.g, x, t);
  oq_edit_set_type(w.g, y, oq_type_make(w.m->arena, OQ_DT_F16, NULL, 0));
  oq_edit_set_type(w.g, z, NULL);
  oq_edit_set_type(w.g, q, oq_type_make(w.m->arena, OQ_DT_BOOL, dim, 0));
  dump(&p, &w);
  assert_non_null(strstr(p.text, "input x: int8[batch,4,?]\n"));
  assert_non_null(strstr(p.text, "input y: float16[...]\n"));
  assert_non_null(strstr(p.text, "input z: ?\n"));
  assert_non_null(strstr(p.text, "input q: bool[]\n"));
  world_close(&w);
}

static void other_numbers_give_another_text(void **state) {
  static page p, q;
  world w;

  (void)state;
  assert_true(world_open(&w, NULL));
  const oq_value_id k = constant(&w, w.g, "w");
  dump(&p, &w);
  dump(&q, &w);
  assert_string_equal(p.text, q.text);
  static const float v[6] = {1, 2, 3, 4, 5, 7};
  oq_store *s = NULL;
  assert_int_equal(oq_store_wrap(&s, v, sizeof v, &w.t.alloc), OQ_OK);
  const oq_shape shape = {2, {2, 3}};
  assert_int_equal(oq_edit_set_const(w.g, k, OQ_DT_F32, &shape, s), OQ_OK);
  dump(&q, &w);
  assert_string_not_equal(p.text, q.text);
  world_close(&w);
}

static void a_sink_that_fails_is_said(void **state) {
  world w;
  oq_sink *s = NULL;

  (void)state;
  assert_true(world_open(&w, NULL));
  for (int i = 0; i < 3000; i++) { /* more than the sink gathers */
    char name[16];
    (void)snprintf(name, sizeof name, "node%d", i);
    (void)node(&w, w.g, "SomeOperator", "x", name);
  }
  assert_int_equal(oq_sink_open_call(&s, refuse, NULL, &w.t.alloc, w.t.diags),
                   OQ_OK);
  assert_int_equal(oq_ir_dump(w.m, s), OQ_E_IO);
  oq_sink_close(s);
  world_close(&w);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_model_as_text),
      cmocka_unit_test(types_as_text),
      cmocka_unit_test(other_numbers_give_another_text),
      cmocka_unit_test(a_sink_that_fails_is_said),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

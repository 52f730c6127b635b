/* ir/verify: every rule, broken once, is found under its id. */
#include <stdio.h>

#include "base/limits.h"
#include "graph_make.h"

/* x, initializer w; a = A(x, w); y = If(x) { t = Neg(a) }; output y */
typedef struct small {
  world w;
  oq_graph *g, *b;
} small;

static void open_small(small *s) {
  assert_true(world_open(&s->w, NULL));
  s->g = s->w.g;
  (void)input(&s->w, s->g, "x");
  (void)constant(&s->w, s->g, "w");
  (void)node(&s->w, s->g, "A", "x w", "a");
  s->b = body(&s->w, s->g);
  (void)node(&s->w, s->b, "Neg", "a", "t");
  output(&s->w, s->b, "t");
  (void)node_around(&s->w, s->g, "If", "x", "y", s->b, NULL);
  output(&s->w, s->g, "y");
  assert_int_equal(s->w.status, OQ_OK);
}

static oq_value *value(oq_graph *g, const char *name) {
  return &g->values[find(g, name).i];
}

static void good_graphs_pass(void **state) {
  small s;

  (void)state;
  open_small(&s);
  assert_int_equal(oq_ir_verify(s.w.m, &s.w.t.e), OQ_OK);
  assert_int_equal(oq_diags_count(s.w.t.diags), 0);
  world_close(&s.w);
}

/* ---- one breach each ----------------------------------------------------- */
static void undefined_input(small *s) {
  (void)node(&s->w, s->g, "B", "nowhere", "z");
}

static void undefined_in_body(small *s) {
  (void)add(&s->w, s->g, OQ_VALUE_RESULT, "later");
  (void)node(&s->w, s->b, "B", "later", "z");
}

static void undefined_output(small *s) {
  (void)add(&s->w, s->g, OQ_VALUE_RESULT, "later");
  output(&s->w, s->g, "later");
}

static void outer_output(small *s) { s->b->outputs[0] = find(s->b, "a"); }

static void outer_lost(small *s) {
  s->b->outer_of[find(s->b, "a").i].i = OQ_NONE;
}

static void outer_renamed(small *s) {
  s->b->outer_of[find(s->b, "a").i] = find(s->g, "x");
}

static void duplicate_name(small *s) {
  const oq_value_id v = add(&s->w, s->g, OQ_VALUE_INPUT, "x2");
  s->g->values[v.i].name = value(s->g, "x")->name;
}

static void duplicate_result(small *s) { /* as it comes from a file */
  (void)node(&s->w, s->g, "B", "x", "a2");
  value(s->g, "a2")->name = value(s->g, "a")->name;
}

static void no_name(small *s) { value(s->g, "x")->name.i = 0; }

static void duplicate_output_of_nodes(small *s) {
  (void)node(&s->w, s->g, "B", "x", "_");
  s->g->nodes[2].out[0] = find(s->g, "a"); /* made by node 0 */
}

static void output_is_an_input(small *s) {
  (void)node(&s->w, s->g, "B", "x", "_");
  s->g->nodes[2].out[0] = find(s->g, "x");
}

static void producer_forgets(small *s) { s->g->nodes[0].out[0].i = OQ_NONE; }

static void producer_is_dead(small *s) { s->g->nodes[0].dead = true; }

static void id_out_of_range(small *s) { s->g->nodes[0].in[0].i = 12345; }

static void reads_a_dead_value(small *s) {
  value(s->g, "x")->kind = OQ_VALUE_DEAD;
  s->g->n_inputs = 0;
}

static void cycle(small *s) { s->g->nodes[0].in[0] = find(s->g, "y"); }

static void no_operator(small *s) { s->g->nodes[0].op.i = 0; }

static void no_ports(small *s) { (void)node(&s->w, s->g, "B", "", ""); }

static void attribute_twice(small *s) {
  oq_attr a[2];

  assert_int_equal(oq_attr_i64(s->w.m, &a[0], "axis", 1), OQ_OK);
  a[1] = a[0];
  assert_int_equal(oq_edit_set_attrs(s->g, (oq_node_id){0}, a, 2), OQ_OK);
}

static void attribute_without_name(small *s) {
  const oq_attr a = {.kind = OQ_ATTR_I64};

  assert_int_equal(oq_edit_set_attrs(s->g, (oq_node_id){0}, &a, 1), OQ_OK);
}

static void bad_tensor_attribute(small *s) {
  static const int64_t dim[] = {5};
  static const oq_blob none = {.encoding = OQ_ENC_RAW};
  oq_const *c = OQ_NEW(s->w.m->arena, oq_const);
  oq_attr a = {.name = name_of(s->w.m, "value"), .kind = OQ_ATTR_TENSOR};

  *c = (oq_const){.type = oq_type_make(s->w.m->arena, OQ_DT_F32, dim, 1),
                  .blob = &none};
  a.u.tensor = c;
  assert_int_equal(oq_edit_set_attrs(s->g, (oq_node_id){0}, &a, 1), OQ_OK);
}

static void body_of_another(small *s) { s->b->outer = s->b; }

static void shadowing(small *s) { /* "x" again, as a result inside */
  (void)oq_edit_rename_value(s->b, find(s->b, "t"), name_of(s->w.m, "x"));
}

static void input_not_listed(small *s) { s->g->n_inputs = 0; }

static void input_twice(small *s) {
  const oq_value_id x = find(s->g, "x");
  world_note(&s->w, oq_graph_set_inputs(s->g, (oq_value_id[]){x, x}, 2));
}

static void input_is_a_result(small *s) { s->g->inputs[0] = find(s->g, "a"); }

static void init_not_listed(small *s) { s->g->n_inits = 0; }

static void init_is_no_constant(small *s) { s->g->inits[0] = find(s->g, "x"); }

static void init_without_numbers(small *s) { value(s->g, "w")->konst = NULL; }

static void init_of_wrong_size(small *s) {
  static const int64_t dim[] = {2, 4};
  oq_const *c = OQ_COPY_N(s->w.m->arena, oq_const, value(s->g, "w")->konst, 1);
  c->type = oq_type_make(s->w.m->arena, OQ_DT_F32, dim, 2);
  value(s->g, "w")->konst = c;
}

static void init_disagrees_with_input(small *s) {
  static const int64_t dim[] = {3, 3};
  const oq_value_id all[] = {find(s->g, "x"), find(s->g, "w")};

  value(s->g, "w")->also_input = true;
  value(s->g, "w")->type = oq_type_make(s->w.m->arena, OQ_DT_F32, dim, 2);
  world_note(&s->w, oq_graph_set_inputs(s->g, all, 2));
}

static void negative_dimension(small *s) {
  oq_type *t = OQ_COPY_N(s->w.m->arena, oq_type, value(s->g, "x")->type, 1);
  t->dim[0].size = -5;
  value(s->g, "x")->type = t;
}

static void too_many_dimensions(small *s) {
  oq_type *t = OQ_COPY_N(s->w.m->arena, oq_type, value(s->g, "x")->type, 1);
  t->rank = OQ_MAX_RANK + 1;
  value(s->g, "x")->type = t;
}

static void no_opset(small *s) { s->w.m->n_opsets = 0; }

static void opset_zero(small *s) { s->w.m->opsets[0].version = 0; }

static void no_graph(small *s) { s->w.m->main = NULL; }

static void too_many_ports(small *s) {
  oq_node *n = &s->g->nodes[0];
  const uint32_t many = OQ_MAX_PORTS + 1;
  oq_value_id *in = OQ_NEW_N(s->w.m->arena, oq_value_id, many);

  for (uint32_t i = 0; i < many; i++) in[i] = n->in[0];
  n->in = in;
  n->n_in = many;
}

static void too_many_outputs(small *s) {
  const uint32_t many = OQ_MAX_PORTS + 1;
  oq_value_id *ids = OQ_NEW_N(s->w.m->arena, oq_value_id, many);

  for (uint32_t i = 0; i < many; i++) ids[i] = s->g->outputs[0];
  world_note(&s->w, oq_graph_set_outputs(s->g, ids, many));
}

static void too_many_nodes(small *s) { s->w.t.limits.max_nodes = 2; }

static void too_deep(small *s) { s->w.t.limits.max_graph_depth = 1; }

static const struct {
  void (*break_it)(small *s);
  oq_status status;
  const char *id, *value, *node; /* NULL: not looked at */
} rows[] = {
    {undefined_input, OQ_E_MODEL, "value.undefined", "nowhere", "z"},
    {undefined_in_body, OQ_E_MODEL, "value.undefined", "later", NULL},
    {undefined_output, OQ_E_MODEL, "graph.output", NULL, NULL},
    {outer_output, OQ_E_MODEL, "graph.output", NULL, NULL},
    {outer_lost, OQ_E_MODEL, "value.undefined", "a", NULL},
    {outer_renamed, OQ_E_INTERNAL, "value.outer", "a", NULL},
    {duplicate_name, OQ_E_MODEL, "value.duplicate", "x", NULL},
    {duplicate_result, OQ_E_MODEL, "value.duplicate", "a", "a"},
    {no_name, OQ_E_MODEL, "value.name", NULL, NULL},
    {duplicate_output_of_nodes, OQ_E_MODEL, "value.duplicate", "a", "a"},
    {output_is_an_input, OQ_E_MODEL, "value.duplicate", "x", NULL},
    {producer_forgets, OQ_E_INTERNAL, "value.producer", "a", NULL},
    {producer_is_dead, OQ_E_INTERNAL, "value.producer", "a", NULL},
    {id_out_of_range, OQ_E_INTERNAL, "node.input", NULL, "a"},
    {reads_a_dead_value, OQ_E_INTERNAL, "node.input", NULL, "a"},
    {cycle, OQ_E_MODEL, "model.cycle", NULL, "a"},
    {no_operator, OQ_E_MODEL, "node.op", NULL, "a"},
    {no_ports, OQ_E_MODEL, "node.ports", NULL, NULL},
    {attribute_twice, OQ_E_MODEL, "attr.duplicate", NULL, "a"},
    {attribute_without_name, OQ_E_MODEL, "attr.name", NULL, "a"},
    {bad_tensor_attribute, OQ_E_MODEL, "tensor.size", NULL, "a"},
    {body_of_another, OQ_E_INTERNAL, "node.body", NULL, "y"},
    {shadowing, OQ_E_MODEL, "value.shadow", "x", NULL},
    {input_not_listed, OQ_E_INTERNAL, "graph.input", NULL, NULL},
    {input_twice, OQ_E_MODEL, "graph.input", NULL, NULL},
    {input_is_a_result, OQ_E_INTERNAL, "graph.input", NULL, NULL},
    {init_not_listed, OQ_E_INTERNAL, "graph.init", NULL, NULL},
    {init_is_no_constant, OQ_E_INTERNAL, "graph.init", NULL, NULL},
    {init_without_numbers, OQ_E_INTERNAL, "value.const", "w", NULL},
    {init_of_wrong_size, OQ_E_MODEL, "tensor.size", "w", NULL},
    {init_disagrees_with_input, OQ_E_MODEL, "value.type", "w", NULL},
    {negative_dimension, OQ_E_MODEL, "value.shape", "x", NULL},
    {too_many_dimensions, OQ_E_UNSUPPORTED, "value.rank", "x", NULL},
    {no_opset, OQ_E_MODEL, "model.opset", NULL, NULL},
    {opset_zero, OQ_E_MODEL, "model.opset", NULL, NULL},
    {no_graph, OQ_E_MODEL, "model.graph", NULL, NULL},
    {too_many_ports, OQ_E_LIMIT, "node.ports", NULL, "a"},
    {too_many_outputs, OQ_E_LIMIT, "limit.ports", NULL, NULL},
    {too_many_nodes, OQ_E_LIMIT, "limit.nodes", NULL, NULL},
    {too_deep, OQ_E_LIMIT, "limit.graph_depth", NULL, NULL},
};

static void every_breach_is_found(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    small s;
    const oq_diag *d = NULL;
    open_small(&s);
    rows[i].break_it(&s);
    assert_int_equal(s.w.status, OQ_OK);
    const size_t bytes = oq_arena_bytes(s.w.t.scratch);
    const oq_status st = oq_ir_verify(s.w.m, &s.w.t.e);
    if (oq_diags_count(s.w.t.diags) > 0) d = oq_diags_at(s.w.t.diags, 0);
    if (d == NULL || strcmp(d->id, rows[i].id) != 0) {
      test_env_show(&s.w.t);
      fail_msg("breach %zu: '%s' expected", i, rows[i].id);
      return;
    }
    assert_int_equal(st, rows[i].status);
    assert_int_equal(d->status, rows[i].status);
    if (rows[i].value != NULL) assert_string_equal(d->value, rows[i].value);
    if (rows[i].node != NULL) assert_string_equal(d->node, rows[i].node);
    assert_int_equal(oq_arena_bytes(s.w.t.scratch), bytes);
    world_close(&s.w);
  }
}

/* ---- what is allowed ----------------------------------------------------- */
static void odd_but_legal(void **state) {
  small s;

  (void)state;
  open_small(&s);
  output(&s.w, s.g, "y"); /* the same output twice */
  output(&s.w, s.g, "x"); /* an input as output */
  output(&s.w, s.g, "w");
  (void)node(&s.w, s.g, "B", "_ x _", "_ z _"); /* absent ports */
  (void)node(&s.w, s.g, "C", "x", "t");         /* as inside, but later */
  /* an initializer and an input inside may have any name */
  (void)input(&s.w, s.b, "w");
  (void)add(&s.w, s.g, OQ_VALUE_RESULT, "unused"); /* nobody makes or reads */
  assert_int_equal(s.w.status, OQ_OK);
  assert_int_equal(oq_ir_verify(s.w.m, &s.w.t.e), OQ_OK);
  s.w.m->ir_version = 2; /* had no opsets */
  s.w.m->n_opsets = 0;
  assert_int_equal(oq_ir_verify(s.w.m, &s.w.t.e), OQ_OK);
  world_close(&s.w);
}

static void limits_are_exact(void **state) {
  small s;

  (void)state;
  open_small(&s);
  s.w.t.limits.max_nodes = 3;
  s.w.t.limits.max_graph_depth = 2;
  assert_int_equal(oq_ir_verify(s.w.m, &s.w.t.e), OQ_OK);
  world_close(&s.w);
}

static void depth_is_bounded(void **state) {
  for (uint32_t depth = OQ_MAX_GRAPH_DEPTH; depth <= OQ_MAX_GRAPH_DEPTH + 1;
       depth++) {
    world w;
    oq_graph *graphs[OQ_MAX_GRAPH_DEPTH + 2];
    char name[16];

    (void)state;
    assert_true(world_open(&w, NULL));
    (void)input(&w, w.g, "x");
    graphs[1] = w.g;
    for (uint32_t i = 2; i <= depth; i++) graphs[i] = body(&w, graphs[i - 1]);
    for (uint32_t i = depth; i >= 1; i--) {
      (void)snprintf(name, sizeof name, "r%u", i);
      if (i == depth) {
        (void)node(&w, graphs[i], "Neg", "x", name);
      } else {
        (void)node_around(&w, graphs[i], "If", "x", name, graphs[i + 1], NULL);
      }
      output(&w, graphs[i], name);
    }
    assert_int_equal(w.status, OQ_OK);
    assert_int_equal(oq_ir_verify(w.m, &w.t.e),
                     depth == OQ_MAX_GRAPH_DEPTH ? OQ_OK : OQ_E_LIMIT);
    world_close(&w);
  }
}

static void several_breaches_are_all_said(void **state) {
  small s;

  (void)state;
  open_small(&s);
  no_operator(&s);
  undefined_input(&s);
  opset_zero(&s);
  assert_int_equal(oq_ir_verify(s.w.m, &s.w.t.e), OQ_E_MODEL);
  assert_int_equal(oq_diags_count(s.w.t.diags), 3);
  world_close(&s.w);
}

static oq_status verify_one(const oq_allocator *hook, void *user) {
  world w;

  (void)user;
  if (!world_open(&w, hook)) return OQ_E_MEMORY;
  (void)input(&w, w.g, "x");
  (void)constant(&w, w.g, "w");
  (void)node(&w, w.g, "A", "x w", "y");
  output(&w, w.g, "y");
  if (w.status == OQ_OK) world_note(&w, oq_ir_verify(w.m, &w.t.e));
  world_close(&w);
  return w.status;
}

static void every_failure_is_survived(void **state) {
  (void)state;
  assert_true(survive_every_allocation(verify_one, NULL) > 4);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(good_graphs_pass),
      cmocka_unit_test(every_breach_is_found),
      cmocka_unit_test(odd_but_legal),
      cmocka_unit_test(limits_are_exact),
      cmocka_unit_test(depth_is_bounded),
      cmocka_unit_test(several_breaches_are_all_said),
      cmocka_unit_test(every_failure_is_survived),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

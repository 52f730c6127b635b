/* Functions of a model: decoded, copied, inlined, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "onnx/codec.h"
#include "pass/pass_util.h"
#include "support/env.h"
#include "unit/wire_build.h"

/* A node: operator of a domain, inputs and outputs parted by blanks. */
static void put_words(pb *b, uint32_t number, const char *words) {
  char one[32];

  while (*words != '\0') {
    const size_t n = strcspn(words, " ");
    memcpy(one, words, n);
    one[n] = '\0';
    pb_text(b, number, one);
    words += n + (words[n] == ' ');
  }
}

static pb node_of(const char *domain, const char *op, const char *in,
                  const char *out) {
  pb n = {0};

  put_words(&n, 1, in);
  put_words(&n, 2, out);
  pb_text(&n, 4, op);
  pb_text(&n, 7, domain);
  return n;
}

static void put_message(pb *to, uint32_t number, pb *inner) {
  pb_bytes(to, number, inner->p, inner->n);
  pb_free(inner);
}

static void put_opset(pb *to, uint32_t number, const char *domain,
                      int64_t version) {
  pb o = {0};

  pb_text(&o, 1, domain);
  pb_int(&o, 2, version);
  put_message(to, number, &o);
}

/* An attribute of float `v`, or one that refers to `ref`. */
static void put_alpha(pb *node, uint32_t number, float v, const char *ref) {
  pb a = {0};

  pb_text(&a, 1, "alpha");
  if (ref == NULL) pb_float(&a, 2, v);
  pb_int(&a, 20, 1);
  if (ref != NULL) pb_text(&a, 21, ref);
  put_message(node, number, &a);
}

static pb function_of(const char *name, int64_t opset) {
  pb f = {0};

  pb_text(&f, 1, name);
  pb_text(&f, 4, "a");
  pb_text(&f, 5, "b");
  pb_text(&f, 10, "my");
  put_opset(&f, 9, "", opset);
  return f;
}

static void put_value(pb *graph, uint32_t number, const char *name) {
  pb v = {0};

  pb_text(&v, 1, name);
  put_message(graph, number, &v);
}

typedef struct model {
  test_env t;
  pb bytes; /* ModelProto, without the graph */
  pb graph;
  oq_model_ir *ir;
} model;

static void open_model(model *m) {
  memset(m, 0, sizeof *m);
  assert_true(test_env_open(&m->t, NULL));
  pb_int(&m->bytes, 1, 9);
  put_opset(&m->bytes, 8, "", 17);
  put_opset(&m->bytes, 8, "my", 1);
  pb_text(&m->graph, 2, "g");
  put_value(&m->graph, 11, "x");
  put_value(&m->graph, 12, "y");
}

static void put_node(pb *to, uint32_t number, const char *domain,
                     const char *op, const char *in, const char *out) {
  pb n = node_of(domain, op, in, out);

  put_message(to, number, &n);
}

static void load(model *m) {
  oq_store *s;

  put_message(&m->bytes, 7, &m->graph);
  assert_int_equal(oq_store_wrap(&s, m->bytes.p, m->bytes.n, &m->t.alloc),
                   OQ_OK);
  const oq_status st = oq_onnx_decode(&m->ir, s, NULL, &m->t.e);
  if (st != OQ_OK) test_env_show(&m->t);
  assert_int_equal(st, OQ_OK);
  oq_store_unref(s);
}

static void close_model(model *m) {
  oq_ir_destroy(m->ir);
  pb_free(&m->bytes);
  test_env_close(&m->t);
}

static oq_status inlines(model *m) {
  uint32_t changed;

  assert_int_equal(oq_ops_bind(m->ir, &m->t.e), OQ_OK);
  OQ_TRY(oq_pass_inline_functions(m->ir, NULL, &changed, &m->t.e));
  assert_int_equal(oq_ops_bind(m->ir, &m->t.e), OQ_OK);
  return oq_ir_verify(m->ir, &m->t.e);
}

static uint32_t count_op(const oq_graph *g, const char *op) {
  uint32_t n = 0;

  for (uint32_t i = 0; i < g->n_nodes; i++)
    n += !g->nodes[i].dead && strcmp(oq_node_op(g, (oq_node_id){i}), op) == 0;
  return n;
}

/* my.Leaky(a; alpha = 0.5) = LeakyRelu(a; alpha); my.Twice(a) = a + a of
 * Leaky. */
static void put_functions(model *m) {
  pb f = function_of("Leaky", 16), n;

  n = node_of("", "LeakyRelu", "a", "b");
  put_alpha(&n, 5, 0, "alpha");
  put_message(&f, 7, &n);
  put_alpha(&f, 11, 0.5f, NULL);
  put_message(&m->bytes, 25, &f);
  f = function_of("Twice", 17);
  put_opset(&f, 9, "my", 1);
  put_node(&f, 7, "my", "Leaky", "a", "t");
  put_node(&f, 7, "", "Add", "t t", "b");
  put_message(&m->bytes, 25, &f);
}

static float alpha_of(const oq_graph *g, uint32_t k) {
  for (uint32_t i = 0; i < g->n_nodes; i++) {
    const oq_node *n = &g->nodes[i];
    if (n->dead || strcmp(oq_node_op(g, (oq_node_id){i}), "LeakyRelu") != 0)
      continue;
    if (k-- == 0) return oq_pass_f32(g, n, "alpha", -1);
  }
  return -2;
}

static void calls_become_what_they_call(void **state) {
  model m;
  pb n;

  (void)state;
  open_model(&m);
  put_functions(&m);
  n = node_of("my", "Leaky", "x", "u");
  put_alpha(&n, 5, 0.25f, NULL);
  put_message(&m.graph, 1, &n);
  put_node(&m.graph, 1, "my", "Twice", "u", "y");
  load(&m);
  assert_int_equal(m.ir->n_functions, 2);
  assert_non_null(m.ir->function_defs[1].graph);
  /* In a copy that outlives the original. */
  oq_model_ir *copy;
  assert_int_equal(oq_ir_clone(&copy, m.ir, &m.t.e), OQ_OK);
  oq_ir_destroy(m.ir);
  m.ir = copy;
  assert_int_equal(inlines(&m), OQ_OK);
  const oq_graph *g = m.ir->main;
  assert_int_equal(count_op(g, "LeakyRelu"), 2);
  assert_int_equal(count_op(g, "Add"), 1);
  assert_int_equal(count_op(g, "Twice") + count_op(g, "Leaky"), 0);
  assert_true(alpha_of(g, 0) == 0.25f); /* of the call */
  assert_true(alpha_of(g, 1) == 0.5f);  /* of the function */
  assert_false(m.ir->has_functions);
  close_model(&m);
}

/* An operator that this build knows is what it is everywhere. */
static void known_operators_win(void **state) {
  model m;
  pb f;

  (void)state;
  open_model(&m);
  f = function_of("Abs", 17);
  put_node(&f, 7, "", "Neg", "a", "b");
  put_message(&m.bytes, 25, &f);
  f = (pb){0}; /* the same in the domain of ONNX itself */
  pb_text(&f, 1, "Abs");
  pb_text(&f, 4, "a");
  pb_text(&f, 5, "b");
  put_opset(&f, 9, "", 17);
  put_node(&f, 7, "", "Neg", "a", "b");
  put_message(&m.bytes, 25, &f);
  put_node(&m.graph, 1, "", "Abs", "x", "u");
  put_node(&m.graph, 1, "my", "Abs", "u", "y");
  load(&m);
  assert_int_equal(inlines(&m), OQ_OK);
  assert_int_equal(count_op(m.ir->main, "Abs"), 1);
  assert_int_equal(count_op(m.ir->main, "Neg"), 1);
  close_model(&m);
}

static void recursion_is_refused(void **state) {
  model m;
  pb f;

  (void)state;
  open_model(&m);
  f = function_of("F", 17);
  put_node(&f, 7, "my", "G", "a", "b");
  put_message(&m.bytes, 25, &f);
  f = function_of("G", 17);
  put_node(&f, 7, "my", "F", "a", "b");
  put_message(&m.bytes, 25, &f);
  put_node(&m.graph, 1, "my", "F", "x", "y");
  load(&m);
  assert_int_equal(inlines(&m), OQ_E_MODEL);
  assert_string_equal(test_env_last(&m.t), "function.recursion");
  const oq_diag *d = oq_diags_at(m.t.diags, oq_diags_count(m.t.diags) - 1);
  assert_non_null(strstr(d->text, "function 'F' calls itself through 'G'"));
  close_model(&m);
}

/* Two of one name: the call says which; a default holds where the call is
 * silent, also two levels down. */
static void overloads_are_told_apart(void **state) {
  static const char *const overload[] = {"", "steep"};
  model m;
  pb f, n;

  (void)state;
  open_model(&m);
  for (int i = 0; i < 2; i++) {
    f = function_of("Leaky", 17);
    n = node_of("", "LeakyRelu", "a", "b");
    put_alpha(&n, 5, 0, "alpha");
    put_message(&f, 7, &n);
    put_alpha(&f, 11, i == 0 ? 0.25f : 0.75f, NULL);
    pb_text(&f, 13, overload[i]);
    put_message(&m.bytes, 25, &f);
  }
  f = function_of("Outer", 17);
  put_opset(&f, 9, "my", 1);
  n = node_of("my", "Leaky", "a", "b");
  pb_text(&n, 8, "steep");
  put_message(&f, 7, &n);
  put_message(&m.bytes, 25, &f);
  put_node(&m.graph, 1, "my", "Leaky", "x", "u");
  put_node(&m.graph, 1, "my", "Outer", "u", "y");
  load(&m);
  assert_int_equal(inlines(&m), OQ_OK);
  assert_true(alpha_of(m.ir->main, 0) == 0.25f);
  assert_true(alpha_of(m.ir->main, 1) == 0.75f);
  assert_int_equal(count_op(m.ir->main, "Leaky"), 0);
  close_model(&m);
}

/* Nodes may stand in any order, in functions too. */
static void order_does_not_matter(void **state) {
  const oq_node_id *order;
  uint32_t count;
  model m;
  pb f;

  (void)state;
  open_model(&m);
  f = function_of("F", 17);
  put_node(&f, 7, "", "Neg", "t", "b");
  put_node(&f, 7, "", "Abs", "a", "t");
  put_message(&m.bytes, 25, &f);
  put_node(&m.graph, 1, "", "Exp", "u", "y");
  put_node(&m.graph, 1, "my", "F", "x", "u");
  load(&m);
  assert_int_equal(inlines(&m), OQ_OK);
  assert_int_equal(
      oq_walk_order(&order, &count, m.ir->main, m.t.scratch, m.t.diags), OQ_OK);
  assert_int_equal(count, 3);
  assert_string_equal(oq_node_op(m.ir->main, order[0]), "Abs");
  assert_string_equal(oq_node_op(m.ir->main, order[1]), "Neg");
  assert_string_equal(oq_node_op(m.ir->main, order[2]), "Exp");
  close_model(&m);
}

/* Function k calls function k-1 `times` times. */
static void tower(model *m, unsigned height, unsigned times) {
  char name[16], below[16];
  pb f;

  open_model(m);
  f = function_of("F0", 17);
  put_node(&f, 7, "", "Abs", "a", "b");
  put_message(&m->bytes, 25, &f);
  for (unsigned k = 1; k < height; k++) {
    (void)snprintf(name, sizeof name, "F%u", k);
    (void)snprintf(below, sizeof below, "F%u", k - 1);
    f = function_of(name, 17);
    for (unsigned i = 0; i < times; i++)
      put_node(&f, 7, "my", below, i == 0 ? "a" : "t",
               i + 1 == times ? "b" : "t");
    put_message(&m->bytes, 25, &f);
  }
  (void)snprintf(name, sizeof name, "F%u", height - 1);
  put_node(&m->graph, 1, "my", name, "x", "y");
  load(m);
}

static void depth_has_a_limit(void **state) {
  model m;

  (void)state;
  tower(&m, 100, 1);
  assert_int_equal(inlines(&m), OQ_OK);
  assert_int_equal(count_op(m.ir->main, "Abs"), 1);
  close_model(&m);
  tower(&m, 102, 1);
  assert_int_equal(inlines(&m), OQ_E_LIMIT);
  assert_string_equal(test_env_last(&m.t), "function.depth");
  close_model(&m);
}

static void expansion_has_a_limit(void **state) {
  model m;

  (void)state;
  tower(&m, 60, 2);
  m.t.limits.max_nodes = 1000;
  assert_int_equal(inlines(&m), OQ_E_LIMIT);
  assert_string_equal(test_env_last(&m.t), "function.nodes");
  close_model(&m);
}

/* A call with more inputs than the function has. */
static void arity_is_checked(void **state) {
  model m;

  (void)state;
  open_model(&m);
  put_functions(&m);
  put_node(&m.graph, 1, "my", "Twice", "x x", "y");
  load(&m);
  assert_int_equal(inlines(&m), OQ_E_MODEL);
  assert_string_equal(test_env_last(&m.t), "function.arity");
  close_model(&m);
}

/* What a call leaves out, at the end or by an empty name, is absent within. */
static void inputs_may_be_absent(void **state) {
  static const struct {
    const char *in;
    bool low, high;
  } calls[] = {{"x", false, false},
               {"x k", true, false},
               {"x  k", false, true}, /* the second has no name */
               {"x k k", true, true}};

  (void)state;
  for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
    const oq_node *clip = NULL;
    model m;
    open_model(&m);
    put_value(&m.graph, 11, "k");
    pb f = function_of("Within", 17);
    pb_text(&f, 4, "low");
    pb_text(&f, 4, "high");
    put_node(&f, 7, "", "Clip", "a low high", "b");
    put_message(&m.bytes, 25, &f);
    put_node(&m.graph, 1, "my", "Within", calls[i].in, "y");
    load(&m);
    assert_int_equal(inlines(&m), OQ_OK);
    assert_int_equal(count_op(m.ir->main, "Within"), 0);
    for (uint32_t k = 0; k < m.ir->main->n_nodes; k++)
      if (strcmp(oq_node_op(m.ir->main, (oq_node_id){k}), "Clip") == 0)
        clip = &m.ir->main->nodes[k];
    assert_non_null(clip);
    assert_int_equal(clip->n_in > 1 && oq_value_ok(clip->in[1]), calls[i].low);
    assert_int_equal(clip->n_in > 2 && oq_value_ok(clip->in[2]), calls[i].high);
    close_model(&m);
  }
}

/* An older opset is fine where the operators are the same, else the call stays.
 */
static void opsets_must_agree(void **state) {
  (void)state;
  for (int i = 0; i < 2; i++) {
    model m;
    open_model(&m);
    pb f = function_of("F", 11);
    if (i == 0)
      put_node(&f, 7, "", "Abs", "a", "b");
    else
      put_node(&f, 7, "", "Softmax", "a", "b"); /* another one up to 12 */
    put_message(&m.bytes, 25, &f);
    put_node(&m.graph, 1, "my", "F", "x", "y");
    load(&m);
    assert_int_equal(inlines(&m), OQ_OK);
    assert_int_equal(count_op(m.ir->main, "F"), i);
    assert_int_equal(m.ir->has_functions, i);
    if (i == 1) assert_string_equal(test_env_last(&m.t), "function.kept");
    close_model(&m);
  }
}

/* A function that cannot be read is a warning; the model is there. */
static void broken_functions_are_kept(void **state) {
  model m;

  (void)state;
  open_model(&m);
  pb f = function_of("F", 17), n = node_of("", "Abs", "a", "b");
  pb a = {0}; /* a graph attribute without a graph */
  pb_text(&a, 1, "body");
  pb_int(&a, 20, 5);
  put_message(&n, 5, &a);
  put_message(&f, 7, &n);
  put_message(&m.bytes, 25, &f);
  put_node(&m.graph, 1, "my", "F", "x", "y");
  load(&m);
  assert_string_equal(test_env_last(&m.t), "function.form");
  assert_null(m.ir->function_defs[0].graph);
  assert_int_equal(inlines(&m), OQ_OK);
  assert_int_equal(count_op(m.ir->main, "F"), 1);
  assert_true(m.ir->has_functions);
  close_model(&m);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(calls_become_what_they_call),
      cmocka_unit_test(known_operators_win),
      cmocka_unit_test(recursion_is_refused),
      cmocka_unit_test(overloads_are_told_apart),
      cmocka_unit_test(order_does_not_matter),
      cmocka_unit_test(depth_has_a_limit),
      cmocka_unit_test(expansion_has_a_limit),
      cmocka_unit_test(arity_is_checked),
      cmocka_unit_test(inputs_may_be_absent),
      cmocka_unit_test(opsets_must_agree),
      cmocka_unit_test(broken_functions_are_kept),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}

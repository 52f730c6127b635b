#include "quant/check.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "onnx/codec.h"

void read_back_open(read_back *r, const void *bytes, size_t size) {
  oq_store *file;

  memset(r, 0, sizeof *r);
  r->size = size;
  assert_true(test_env_open(&r->env, NULL));
  assert_int_equal(oq_store_wrap(&file, bytes, size, r->env.e.alloc), OQ_OK);
  const oq_status s = oq_onnx_decode(&r->ir, file, NULL, &r->env.e);
  oq_store_unref(file);
  if (s != OQ_OK) test_env_show(&r->env);
  assert_int_equal(s, OQ_OK);
  assert_int_equal(oq_ops_bind(r->ir, &r->env.e), OQ_OK);
  assert_int_equal(
      oq_walk_scopes(&r->scope, &r->n_scopes, r->ir->main, r->ir->arena),
      OQ_OK);
  r->all_uses = OQ_NEW_N(r->ir->arena, oq_uses, r->n_scopes);
  assert_non_null(r->all_uses);
  for (uint32_t i = 0; i < r->n_scopes; i++)
    assert_int_equal(
        oq_walk_uses(&r->all_uses[i], r->scope[i].graph, r->ir->arena), OQ_OK);
  r->g = r->ir->main;
  r->uses = r->all_uses[0];
}

/* The same, looking at another of its graphs. */
static read_back inside(const read_back *r, uint32_t i) {
  read_back at = *r;

  at.g = r->scope[i].graph;
  at.uses = r->all_uses[i];
  return at;
}

/* Nodes of the two may stand in another order. */
static read_back same_scope(const read_back *r, const read_back *other,
                            uint32_t i) {
  uint32_t k = 0;

  while (k < r->n_scopes && strcmp(r->scope[k].path, other->scope[i].path) != 0)
    k++;
  assert_true(k < r->n_scopes);
  return inside(r, k);
}

void read_back_close(read_back *r) {
  oq_ir_destroy(r->ir);
  test_env_close(&r->env);
}

static const oq_node *producer(const read_back *r, oq_value_id v) {
  if (!oq_value_ok(v) || r->g->values[v.i].kind != OQ_VALUE_RESULT) return NULL;
  return oq_graph_node(r->g, r->g->values[v.i].producer);
}

static bool is_op(const read_back *r, const oq_node *n, const char *op) {
  return n != NULL && strcmp(oq_names_text(r->ir->names, n->op), op) == 0;
}

static const char *name_of(const read_back *r, const oq_node *n) {
  return oq_names_text(r->ir->names, n->name);
}

static oq_ctensor constant(const read_back *r, oq_value_id v) {
  oq_ctensor t = {0};

  assert_true(oq_value_ok(v));
  const oq_const *const c = oq_graph_const(r->g, v);
  assert_non_null(c);
  assert_int_equal(oq_const_view(&t, c, r->env.e.scratch, r->env.e.diags),
                   OQ_OK);
  return t;
}

/* ---- ports and names --------------------------------------------------- */
static void same_ports(const read_back *a, const oq_value_id *va, uint32_t na,
                       const read_back *b, const oq_value_id *vb, uint32_t nb) {
  uint32_t k = 0;

  for (uint32_t i = 0; i < na; i++) {
    const oq_value *const x = oq_graph_value(a->g, va[i]);

    if (x->kind == OQ_VALUE_CONST && x->also_input) continue;
    assert_true(k < nb);
    const oq_value *const y = oq_graph_value(b->g, vb[k]);
    assert_string_equal(oq_value_text(a->g, va[i]), oq_value_text(b->g, vb[k]));
    assert_non_null(y->type);
    assert_int_equal(x->type->dtype, y->type->dtype);
    k++;
  }
  assert_int_equal(k, nb);
}

void check_ports(const read_back *before, const read_back *after) {
  same_ports(before, before->g->inputs, before->g->n_inputs, after,
             after->g->inputs, after->g->n_inputs);
  same_ports(before, before->g->outputs, before->g->n_outputs, after,
             after->g->outputs, after->g->n_outputs);
}

static const oq_node *find_node(const read_back *r, const char *name) {
  for (uint32_t i = 0; i < r->g->n_nodes; i++)
    if (!r->g->nodes[i].dead && strcmp(name_of(r, &r->g->nodes[i]), name) == 0)
      return &r->g->nodes[i];
  return NULL;
}

/* In the graph that `r` looks at, or, as bodies are listed in another order
 * where the nodes that own them are, in any other. */
static const oq_node *find_anywhere(const read_back *r, const char *name) {
  const oq_node *n = find_node(r, name);

  for (uint32_t i = 0; n == NULL && i < r->n_scopes; i++) {
    const read_back at = inside(r, i);

    n = find_node(&at, name);
  }
  return n;
}

/* Only clamps may go; every other node keeps its name and operator. */
static void names_in(const read_back *prepared, const read_back *after) {
  for (uint32_t i = 0; i < after->g->n_nodes; i++) {
    const char *const name = name_of(after, &after->g->nodes[i]);

    if (name[0] != '\0')
      assert_ptr_equal(find_node(after, name), &after->g->nodes[i]);
  }
  for (uint32_t i = 0; i < prepared->g->n_nodes; i++) {
    const oq_node *const n = &prepared->g->nodes[i];
    const char *const name = name_of(prepared, n);

    if (name[0] == '\0' || is_op(prepared, n, "Relu") ||
        is_op(prepared, n, "Clip"))
      continue;
    const oq_node *const now = find_anywhere(after, name);
    if (now == NULL) print_error("node %s is gone\n", name);
    assert_non_null(now);
    assert_true(is_op(after, now, oq_names_text(prepared->ir->names, n->op)));
  }
}

void check_names(const read_back *prepared, const read_back *after) {
  assert_int_equal(prepared->n_scopes, after->n_scopes);
  for (uint32_t i = 0; i < after->n_scopes; i++) {
    const read_back a = same_scope(prepared, after, i), b = inside(after, i);

    names_in(&a, &b);
  }
}

/* ---- Q and DQ ---------------------------------------------------------- */
static void check_scale(const oq_ctensor *scale, bool one) {
  assert_int_equal(scale->dtype, OQ_DT_F32);
  for (size_t i = 0; i < oq_tensor_count(scale); i++) {
    const double s = oq_element_f64(scale, i);

    assert_true(isnormal(s) && s > 0);
    if (one) assert_true(s == oq_element_f64(scale, 0));
  }
}

static void check_zero(const oq_ctensor *zero, oq_dtype want, size_t n) {
  assert_int_equal(zero->dtype, want);
  assert_int_equal(oq_tensor_count(zero), n);
  for (size_t i = 0; i < n; i++)
    assert_int_equal(oq_element_i64(zero, i), oq_element_i64(zero, 0));
}

static int64_t axis_attr(const read_back *r, const oq_node *n) {
  const oq_attr *const a = oq_node_attr(r->g, n, "axis");

  return a == NULL ? 1 : a->u.i64;
}

static bool is_weight(const read_back *r, oq_value_id v) {
  for (uint32_t u = r->uses.first[v.i]; u < r->uses.first[v.i + 1]; u++) {
    const oq_use *const use = &r->uses.use[u];

    if (!oq_node_ok(use->node)) continue;
    const oq_op_def *const def = oq_graph_node(r->g, use->node)->def;

    if (use->slot < 4 && def != NULL &&
        def->quant.role[use->slot] == OQ_ROLE_WEIGHT)
      return true;
  }
  return false;
}

/* A weight, a bias, or a constant among data; weights leave out the lowest
 * code. */
static void check_constant(const read_back *r, const oq_node *dq) {
  const oq_ctensor codes = constant(r, dq->in[0]), s = constant(r, dq->in[1]);

  check_scale(&s, false);
  if (codes.dtype == OQ_DT_I32) {
    assert_false(dq->n_in > 2 && oq_value_ok(dq->in[2]));
    return;
  }
  const oq_ctensor zero = constant(r, dq->in[2]);
  check_zero(&zero, codes.dtype, oq_tensor_count(&s));
  if (!is_weight(r, dq->out[0])) return;
  assert_int_equal(codes.dtype, OQ_DT_I8);
  for (size_t i = 0; i < oq_tensor_count(&codes); i++)
    assert_in_range(oq_element_i64(&codes, i) + 127, 0, 254);
  if (s.shape.rank == 0) return;
  const int64_t axis = axis_attr(r, dq);
  assert_true(axis >= 0 && axis < (int64_t)codes.shape.rank);
  assert_int_equal(codes.shape.dim[axis], s.shape.dim[0]);
}

static void check_dq(const read_back *r, const oq_node *dq) {
  const oq_node *const q = producer(r, dq->in[0]);

  if (q == NULL) {
    check_constant(r, dq);
    return;
  }
  assert_true(is_op(r, q, "QuantizeLinear"));
  const oq_ctensor qs = constant(r, q->in[1]), qz = constant(r, q->in[2]);
  const oq_ctensor s = constant(r, dq->in[1]), z = constant(r, dq->in[2]);
  check_scale(&qs, true);
  check_scale(&s, true);
  check_zero(&qz, qz.dtype, oq_tensor_count(&qs));
  check_zero(&z, qz.dtype, oq_tensor_count(&s));
  assert_true(oq_element_f64(&s, 0) == oq_element_f64(&qs, 0));
  assert_true(oq_element_i64(&z, 0) == oq_element_i64(&qz, 0));
  if (qs.shape.rank > 0) assert_int_equal(axis_attr(r, q), 1);
}

/* Every Q is read by one DQ and by nothing else. */
static void check_q(const read_back *r, const oq_node *q) {
  assert_int_equal(q->n_in, 3);
  assert_int_equal(oq_uses_count(&r->uses, q->out[0]), 1);
  const oq_use use = r->uses.use[r->uses.first[q->out[0].i]];
  assert_true(oq_node_ok(use.node));
  assert_true(is_op(r, oq_graph_node(r->g, use.node), "DequantizeLinear"));
}

static void linears_in(const read_back *r) {
  for (uint32_t i = 0; i < r->g->n_nodes; i++) {
    const oq_node *const n = &r->g->nodes[i];

    if (is_op(r, n, "QuantizeLinear")) check_q(r, n);
    if (is_op(r, n, "DequantizeLinear")) check_dq(r, n);
  }
}

void check_linears(const read_back *r) {
  for (uint32_t i = 0; i < r->n_scopes; i++) {
    const read_back at = inside(r, i);

    linears_in(&at);
  }
}

/* ---- biases ------------------------------------------------------------ */
static void check_bias(const read_back *r, const oq_node *bias,
                       const oq_node *data, const oq_node *weight) {
  const oq_ctensor b = constant(r, bias->in[1]);
  const oq_ctensor x = constant(r, data->in[1]);
  const oq_ctensor w = constant(r, weight->in[1]);
  const size_t n = oq_tensor_count(&b);

  assert_int_equal(n, oq_tensor_count(&w));
  for (size_t i = 0; i < n; i++) {
    const float want =
        (float)oq_element_f64(&x, 0) * (float)oq_element_f64(&w, i);

    assert_true(want == (float)oq_element_f64(&b, i));
  }
  if (n > 1) assert_int_equal(axis_attr(r, bias), 0);
}

static const oq_node *dq_before(const read_back *r, const oq_node *n,
                                uint32_t slot) {
  const oq_node *const p =
      n != NULL && slot < n->n_in ? producer(r, n->in[slot]) : NULL;

  return is_op(r, p, "DequantizeLinear") ? p : NULL;
}

static bool is_int32(const read_back *r, const oq_node *dq) {
  const oq_const *const c = dq ? oq_graph_const(r->g, dq->in[0]) : NULL;

  return c && c->type->dtype == OQ_DT_I32;
}

/* The scale of an int32 bias is that of the data times that of the weight, but
 * before a layer whose weight is float. */
static void biases_in(const read_back *r) {
  for (uint32_t i = 0; i < r->g->n_nodes; i++) {
    const oq_node *const n = &r->g->nodes[i];
    const bool add = is_op(r, n, "Add");

    for (uint32_t k = 0; k < n->n_in; k++) {
      const oq_node *const bias = dq_before(r, n, k);

      if (!is_int32(r, bias)) continue;
      const oq_node *const layer = add ? producer(r, n->in[1 - k]) : n;
      if (!add) assert_int_equal(k, 2);
      assert_non_null(layer);
      const oq_node *const x = dq_before(r, layer, 0);
      const oq_node *const w = dq_before(r, layer, 1);
      if (w != NULL) assert_non_null(x);
      if (w != NULL) check_bias(r, bias, x, w);
    }
  }
}

void check_biases(const read_back *r) {
  for (uint32_t i = 0; i < r->n_scopes; i++) {
    const read_back at = inside(r, i);

    biases_in(&at);
  }
}

/* ---- size -------------------------------------------------------------- */
static size_t elements(const oq_const *c) {
  oq_shape s;
  size_t n = 0;

  assert_true(oq_type_shape(&s, c->type));
  assert_int_equal(oq_shape_count(&n, &s), OQ_OK);
  return n;
}

/* Elements of the constants of a graph that are not in the other model. */
static size_t gone_from(const read_back *prepared, const read_back *after) {
  size_t n = 0;

  for (uint32_t v = 0; v < prepared->g->n_values; v++) {
    const oq_value *const value = &prepared->g->values[v];
    const char *const name = oq_value_text(prepared->g, (oq_value_id){v});
    oq_name id;

    if (value->kind != OQ_VALUE_CONST) continue;
    if (!oq_names_find(after->ir->names, &id, name, strlen(name)) ||
        !oq_value_ok(oq_graph_find_value(after->g, id)))
      n += elements(value->konst);
  }
  return n;
}

typedef struct sizes {
  size_t codes, biases, channels;
  size_t nodes;               /* bytes of new ones */
  const oq_const *seen[1024]; /* codes that are counted */
  uint32_t n_seen;
} sizes;

static bool is_new(sizes *t, const oq_const *c) {
  for (uint32_t i = 0; i < t->n_seen; i++)
    if (t->seen[i] == c) return false;
  assert_true(t->n_seen < 1024);
  t->seen[t->n_seen++] = c;
  return true;
}

static void count_node(sizes *t, const read_back *after, const oq_node *n) {
  const size_t length = strlen(name_of(after, n));

  t->nodes += 200 + (length > 40 ? 8 * (length - 40) : 0);
}

static void count_added(sizes *t, const read_back *after) {
  for (uint32_t i = 0; i < after->g->n_nodes; i++) {
    const oq_node *const n = &after->g->nodes[i];
    const oq_const *const codes =
        n->n_in > 1 ? oq_graph_const(after->g, n->in[0]) : NULL;

    if (is_op(after, n, "QuantizeLinear")) count_node(t, after, n);
    if (!is_op(after, n, "DequantizeLinear")) continue;
    count_node(t, after, n);
    if (codes == NULL || !is_new(t, codes)) continue;
    if (is_int32(after, n)) {
      t->biases += elements(codes);
    } else {
      t->codes += elements(codes);
      t->channels += elements(oq_graph_const(after->g, n->in[1]));
    }
  }
}

/* Per quantized weight a quarter of its bytes, 12 bytes per channel for scales,
 * zero points and biases that were not there, 200 bytes per new node, or more
 * where it has a long name; the rest as it was. */
void check_size(const read_back *prepared, const read_back *after) {
  static sizes t;
  size_t gone = 0;

  memset(&t, 0, sizeof t);
  for (uint32_t i = 0; i < after->n_scopes; i++) {
    const read_back a = same_scope(prepared, after, i), b = inside(after, i);

    gone += gone_from(&a, &b);
    count_added(&t, &b);
  }
  const size_t were = gone > t.codes ? gone - t.codes : 0; /* biases */
  const size_t limit = prepared->size - 4 * gone + t.codes +
                       4 * (t.biases < were ? t.biases : were) +
                       12 * t.channels + t.nodes;
  if (after->size > limit)
    print_error("%zu bytes, expected at most %zu\n", after->size, limit);
  assert_true(after->size <= limit);
}

/* ---- two models -------------------------------------------------------- */
static int by_payload(const void *a, const void *b) {
  const oq_ctensor *const x = a, *const y = b;

  if (x->dtype != y->dtype) return x->dtype < y->dtype ? -1 : 1;
  if (x->size != y->size) return x->size < y->size ? -1 : 1;
  return x->size > 0 ? memcmp(x->data, y->data, x->size) : 0;
}

static int by_text(const void *a, const void *b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

typedef struct content {
  oq_ctensor tensor[512];
  const char *op[512];
  uint32_t n_tensors, n_ops;
} content;

static void add_contents(content *c, const read_back *r) {
  for (uint32_t v = 0; v < r->g->n_values; v++)
    if (r->g->values[v].kind == OQ_VALUE_CONST) {
      assert_true(c->n_tensors < 512);
      c->tensor[c->n_tensors++] = constant(r, (oq_value_id){v});
    }
  for (uint32_t i = 0; i < r->g->n_nodes; i++) {
    assert_true(c->n_ops < 512);
    c->op[c->n_ops++] = oq_node_op(r->g, (oq_node_id){i});
  }
}

static void contents(content *c, const read_back *r) {
  c->n_tensors = c->n_ops = 0;
  for (uint32_t i = 0; i < r->n_scopes; i++) {
    const read_back at = inside(r, i);

    add_contents(c, &at);
  }
  qsort(c->tensor, c->n_tensors, sizeof c->tensor[0], by_payload);
  qsort(c->op, c->n_ops, sizeof c->op[0], by_text);
}

void check_same_but_names(const read_back *a, const read_back *b) {
  static content x, y;

  contents(&x, a);
  contents(&y, b);
  assert_int_equal(x.n_ops, y.n_ops);
  for (uint32_t i = 0; i < x.n_ops; i++) assert_string_equal(x.op[i], y.op[i]);
  assert_int_equal(x.n_tensors, y.n_tensors);
  for (uint32_t i = 0; i < x.n_tensors; i++)
    assert_int_equal(by_payload(&x.tensor[i], &y.tensor[i]), 0);
}

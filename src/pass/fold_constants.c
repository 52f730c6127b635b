/* pass/fold_constants.c - what follows from constants alone becomes an
 * initializer, under the name it had. */
#include <string.h>

#include "exec/exec.h"
#include "pass/pass_util.h"

/* Results may be twice as big as what they are computed from, and are not
 * looked at below this size: a file must not grow by tensors that an operator
 * makes from nothing. */
#define SMALL_BYTES ((size_t)64 << 10)
/* In a body what is computed from constants of the graphs around it stands
 * beside them, and again in every body that does the same. */
#define SMALL_COPY_BYTES ((size_t)4 << 10)

typedef struct folder {
  oq_graph *g;
  const oq_type **types;
  const oq_env *env;
  oq_env quiet; /* what a kernel says of a node that may never run */
  uint32_t n;
} folder;

static bool has_body(const oq_node *n) {
  oq_body_iter it = {n, 0, 0};

  return oq_body_next(&it) != NULL;
}

static bool is_candidate(const folder *f, const oq_node *n) {
  const unsigned never = OQ_OP_RANDOM | OQ_OP_QUANTIZED | OQ_OP_GIVES;

  if (n->dead || n->def == NULL || n->n_out == 0) return false;
  if ((n->def->flags & never) != 0 || has_body(n)) return false;
  for (uint32_t i = 0; i < n->n_in; i++) {
    if (!oq_value_ok(n->in[i]) || oq_pass_is_const(f->g, n->in[i])) continue;
    if (i > 0 || (n->def->flags & OQ_OP_META) == 0) return false;
  }
  return true;
}

/* ---- inputs ---------------------------------------------------------------
 */
/* Only the type of input 0 is asked for. */
static bool take_type(oq_ctensor *t, const folder *f, oq_value_id v) {
  if (!oq_pass_shape(&t->shape, f->types, v)) return false;
  t->dtype = f->types[v.i]->dtype;
  return true;
}

static bool take_inputs(const oq_ctensor **in, const folder *f,
                        const oq_node *n, size_t *bytes, oq_arena *a) {
  *bytes = 0;
  for (uint32_t i = 0; i < n->n_in; i++) {
    if (!oq_value_ok(n->in[i])) continue;
    oq_ctensor *const t = OQ_NEW(a, oq_ctensor);
    if (t == NULL) return false;
    const bool got = i == 0 && (n->def->flags & OQ_OP_META) != 0
                         ? take_type(t, f, n->in[i])
                         : oq_pass_const(t, f->g, n->in[i], a);
    if (!got) return false;
    in[i] = t;
    *bytes += t->size;
  }
  return true;
}

/* ---- sizes ----------------------------------------------------------------
 */
static size_t allowance(size_t input_bytes) {
  const size_t twice = input_bytes > SIZE_MAX / 2 ? SIZE_MAX : input_bytes * 2;

  return twice > SMALL_BYTES ? twice : SMALL_BYTES;
}

/* Bytes behind the elements that are texts.  A new one is no longer than all
 * there are together, which few nodes come near: the others are run. */
static size_t text_bytes(const oq_ctensor *t) {
  size_t n = 0;

  if (t == NULL || t->dtype != OQ_DT_STRING || t->data == NULL) return 0;
  return oq_texts_bytes(&n, oq_texts(t), oq_tensor_count(t)) ? n : SIZE_MAX;
}

static bool add_texts(size_t *total, const oq_ctensor *const *in, uint32_t n_in,
                      const oq_shape *s) {
  size_t all = 0, count;

  for (uint32_t i = 0; i < n_in; i++)
    if (!oq_add_size(&all, all, text_bytes(in[i]))) return false;
  return oq_shape_count(&count, s) == OQ_OK && oq_mul_size(&all, all, count) &&
         oq_add_size(total, *total, all);
}

/* The rule of the node, with everything known, says how big the results will
 * be before anything is allocated.  Where it cannot (LATE) they are bounded by
 * the inputs. */
static bool fits(const folder *f, oq_node_id id, const oq_ctensor *const *in,
                 size_t most, oq_arena *a) {
  const oq_node *const n = oq_graph_node(f->g, id);
  const oq_type **const types = OQ_NEW_N(a, const oq_type *, n->n_in);
  oq_type *const out = OQ_NEW_N(a, oq_type, n->n_out);
  oq_infer x = {.graph = f->g,
                .node = n,
                .params = n->params,
                .opset = oq_ir_opset(f->g->model, n->domain),
                .n_in = n->n_in,
                .n_out = n->n_out,
                .in = types,
                .konst = in,
                .out = out,
                .scratch = a,
                .diags = f->quiet.diags};
  size_t total = 0;

  if (types == NULL || out == NULL) return false;
  for (uint32_t i = 0; i < n->n_in; i++) {
    if (in[i] == NULL) continue;
    types[i] =
        oq_type_make(a, in[i]->dtype, in[i]->shape.dim, in[i]->shape.rank);
    if (types[i] == NULL) return false;
  }
  if (n->def->infer(&x) != OQ_OK) return false;
  for (uint32_t i = 0; i < n->n_out; i++) {
    oq_shape s;
    size_t bytes;
    if (!oq_value_ok(n->out[i])) continue;
    if (out[i].kind != OQ_TYPE_TENSOR || !oq_type_shape(&s, &out[i])) {
      if ((n->def->flags & OQ_OP_LATE) == 0) return false;
      continue;
    }
    if (oq_shape_bytes(&bytes, &s, (int32_t)out[i].dtype) != OQ_OK ||
        !oq_add_size(&total, total, bytes))
      return false;
    if (out[i].dtype == OQ_DT_STRING && !add_texts(&total, in, n->n_in, &s))
      return false;
  }
  return total <= most;
}

/* ---- one node -------------------------------------------------------------
 */
static void note_failure(const folder *f, oq_node_id id) {
  const size_t n = oq_diags_count(f->quiet.diags);
  const oq_where w = oq_node_where(f->g, id);

  oq_note(f->env->diags, "fold.failed", &w,
          "%s '%s' reads only constants but cannot be computed: %s", w.op,
          w.node,
          n > 0 ? oq_diags_at(f->quiet.diags, n - 1)->text : "no reason given");
}

/* An initializer as an output of the graph is legal, but not every runtime
 * takes it: a node that makes one stays. */
static bool makes_output(const folder *f, const oq_node *n) {
  for (uint32_t i = 0; i < n->n_out; i++)
    if (oq_value_ok(n->out[i]) && oq_value_is_output(f->g, n->out[i]))
      return true;
  return false;
}

static oq_status keep_results(folder *f, oq_node_id id, const oq_tensor *out,
                              size_t most) {
  const oq_node *const n = oq_graph_node(f->g, id);
  size_t total = 0;

  for (uint32_t i = 0; i < n->n_out; i++) {
    const oq_ctensor t = oq_tensor_const(&out[i]);
    if (!oq_add_size(&total, total, t.size) ||
        !oq_add_size(&total, total, text_bytes(&t)))
      return OQ_OK;
  }
  if (total > most) return OQ_OK; /* LATE, and more than it is worth */
  for (uint32_t i = 0; i < n->n_out; i++) {
    if (!oq_value_ok(n->out[i])) continue;
    const oq_ctensor t = oq_tensor_const(&out[i]);
    OQ_TRY(oq_edit_make_const(f->g, n->out[i], &t));
  }
  f->n++;
  return oq_edit_remove_node(f->g, id);
}

static bool reads_around(const folder *f, const oq_node *n) {
  for (uint32_t i = 0; i < n->n_in; i++)
    if (oq_value_ok(n->in[i]) &&
        f->g->values[n->in[i].i].kind == OQ_VALUE_OUTER)
      return true;
  return false;
}

static oq_status compute(folder *f, oq_node_id id, oq_arena *a) {
  const oq_node *const n = oq_graph_node(f->g, id);
  const oq_ctensor **const in = OQ_NEW_N(a, const oq_ctensor *, n->n_in);
  oq_tensor *const out = OQ_NEW_N(a, oq_tensor, n->n_out);
  size_t bytes;

  if (in == NULL || out == NULL) return oq_fail_memory(f->env->diags);
  if (!take_inputs(in, f, n, &bytes, a)) return OQ_OK;
  const size_t most = reads_around(f, n) ? SMALL_COPY_BYTES : allowance(bytes);
  if (!fits(f, id, in, most, a)) return OQ_OK;
  if (oq_exec_node(out, f->g, id, in, a, &f->quiet) != OQ_OK) {
    note_failure(f, id);
    return OQ_OK;
  }
  for (uint32_t i = 0; i < n->n_out; i++)
    if (oq_value_ok(n->out[i]) && out[i].data == NULL) return OQ_OK;
  return keep_results(f, id, out, most);
}

/* Constant with a tensor: no bytes are copied, and it may be of any type. */
static oq_status share(folder *f, oq_node_id id, const oq_const *c) {
  const oq_value_id v = oq_graph_node(f->g, id)->out[0];

  OQ_TRY(oq_edit_share_const(f->g, v, c));
  f->n++;
  return oq_edit_remove_node(f->g, id);
}

static oq_status fold_node(folder *f, oq_node_id id) {
  const oq_node *const n = oq_graph_node(f->g, id);
  const oq_mark mark = oq_arena_mark(f->env->scratch);
  oq_status s;

  if (!is_candidate(f, n) || makes_output(f, n)) return OQ_OK;
  const oq_attr *const value = oq_node_attr(f->g, n, "value");
  if (oq_pass_is(f->g, n, "Constant") && value != NULL &&
      value->kind == OQ_ATTR_TENSOR && oq_value_ok(n->out[0]))
    return share(f, id, value->u.tensor);
  s = compute(f, id, f->env->scratch);
  oq_diags_clear(f->quiet.diags);
  oq_arena_rewind(f->env->scratch, mark);
  return s;
}

static oq_status fold_graph(folder *f) {
  const oq_node_id *order;
  uint32_t n;
  oq_status s = OQ_OK;

  OQ_TRY(oq_pass_types(&f->types, f->g, f->env->scratch, f->env));
  OQ_TRY(oq_walk_order(&order, &n, f->g, f->env->scratch, f->env->diags));
  f->quiet = *f->env;
  if (oq_diags_create(&f->quiet.diags, f->env->alloc) != OQ_OK)
    return oq_fail_memory(f->env->diags);
  for (uint32_t i = 0; s == OQ_OK && i < n; i++) s = fold_node(f, order[i]);
  oq_diags_destroy(f->quiet.diags);
  return s;
}

static oq_status run_on_graph(oq_graph *g, uint32_t *changed, const oq_env *e) {
  folder f = {.g = g, .env = e};

  OQ_TRY(fold_graph(&f));
  *changed = f.n;
  return OQ_OK;
}

oq_status oq_pass_fold_constants(oq_model_ir *m, const oq_pass_options *o,
                                 uint32_t *changed, const oq_env *e) {
  (void)o;
  return oq_pass_each_graph(m, changed, run_on_graph, e);
}

/* pass/split_fused.c - what onnxruntime's optimizer made one (FusedConv,
 * FusedGemm) becomes the layer, the sum and the activation that it was: a layer
 * that is quantized has to be found, and the runtime fuses it again. */
#include <string.h>

#include "pass/pass_util.h"

/* An activation as ONNX has it.  Its numbers are attributes, or, for Clip,
 * inputs. */
typedef struct activation {
  const char *name;
  const char *attr[2]; /* NULL: it has fewer */
  float dflt[2];
  bool inputs;
  int64_t since; /* opset; 0: as old as all others here */
} activation;

static const activation activations[] = {
    {.name = "Relu"},
    {.name = "Tanh"},
    {.name = "Sigmoid"},
    {.name = "LeakyRelu", .attr = {"alpha"}, .dflt = {0.01f}},
    {.name = "Elu", .attr = {"alpha"}, .dflt = {1.0f}},
    {.name = "HardSigmoid", .attr = {"alpha", "beta"}, .dflt = {0.2f, 0.5f}},
    {.name = "HardSwish", .since = 14},
    {.name = "Softplus"},
    {.name = "Softsign"},
    {.name = "Clip",
     .dflt = {-3.4028234663852886e38f, 3.4028234663852886e38f},
     .inputs = true},
};

typedef struct fused {   /* one node that can be split */
  const activation *act; /* NULL: none */
  float number[2];
  const char *op; /* the layer alone */
} fused;

typedef struct splitter {
  oq_graph *g;
  const oq_env *env;
  const oq_type **types;
  const char *base; /* name of the node that is split */
} splitter;

static const activation *find_activation(const oq_attr *a) {
  for (size_t i = 0; i < sizeof activations / sizeof *activations; i++)
    if (strlen(activations[i].name) == a->u.text.n &&
        memcmp(activations[i].name, a->u.text.p, a->u.text.n) == 0)
      return &activations[i];
  return NULL;
}

/* FusedConv lists the numbers, FusedGemm names them. */
static void read_numbers(fused *f, const splitter *s, const oq_node *n) {
  const oq_attr *const list = oq_node_attr(s->g, n, "activation_params");

  for (uint32_t i = 0; i < 2; i++) f->number[i] = f->act->dflt[i];
  f->number[0] = oq_pass_f32(s->g, n, "activation_alpha", f->number[0]);
  f->number[1] = oq_pass_f32(s->g, n, "activation_beta", f->number[1]);
  for (uint32_t i = 0; list != NULL && list->kind == OQ_ATTR_F32S && i < 2; i++)
    if (i < list->count) f->number[i] = list->u.f32s[i];
}

/* Bounds have been inputs since opset 11. */
static bool read_fused(fused *f, const splitter *s, const oq_node *n) {
  const oq_names *const names = s->g->model->names;
  const char *const op = oq_names_text(names, n->op);
  const oq_attr *const a = oq_node_attr(s->g, n, "activation");
  const int64_t opset = oq_ir_opset(s->g->model, (oq_name){0});

  if (n->dead || n->def == NULL || n->n_in < 2 || n->n_out != 1 ||
      strcmp(oq_names_text(names, n->domain), "com.microsoft") != 0)
    return false;
  *f = (fused){.op = strcmp(op, "FusedConv") == 0   ? "Conv"
                     : strcmp(op, "FusedGemm") == 0 ? "Gemm"
                                                    : NULL};
  if (f->op == NULL || opset < 11) return false;
  if (a == NULL || a->kind != OQ_ATTR_TEXT || a->u.text.n == 0) return true;
  f->act = find_activation(a);
  if (f->act == NULL || f->act->since > opset) return false;
  read_numbers(f, s, n);
  if (!f->act->inputs) return true;
  const oq_type *const t = s->types[n->in[0].i];
  return t != NULL && t->kind == OQ_TYPE_TENSOR && t->dtype == OQ_DT_F32;
}

/* ---- editing ------------------------------------------------------------- */
static const char *hint(const splitter *s, const char *how, const char *what) {
  const char *const text =
      oq_arena_format(s->env->scratch, "%s_%s%s", s->base, how, what);

  return text != NULL ? text : what;
}

/* A node behind `id`, which takes over what that made. */
static oq_status add_behind(const splitter *s, oq_node_id id, const char *op,
                            const oq_value_id *more, uint32_t n_more,
                            const oq_attr *attrs, uint32_t n_attrs) {
  const oq_value_id y = oq_graph_node(s->g, id)->out[0];
  oq_value_id in[3];

  OQ_TRY(oq_pass_add_value(&in[0], s->g, hint(s, "before_", op)));
  for (uint32_t i = 0; i < n_more; i++) in[1 + i] = more[i];
  OQ_TRY(oq_edit_set_output(s->g, id, 0, in[0]));
  return oq_pass_add_node(s->g, op, hint(s, "", op), in, 1 + n_more, y, attrs,
                          n_attrs);
}

static oq_status add_activation(const splitter *s, oq_node_id id,
                                const fused *f) {
  oq_attr *const attrs = OQ_NEW_N(s->g->model->arena, oq_attr, 2);
  oq_value_id bound[2];
  uint32_t n = 0;

  if (attrs == NULL) return OQ_E_MEMORY;
  for (; n < 2 && f->act->attr[n] != NULL; n++)
    OQ_TRY(oq_attr_f32(s->g->model, &attrs[n], f->act->attr[n], f->number[n]));
  if (!f->act->inputs)
    return add_behind(s, id, f->act->name, NULL, 0, attrs, n);
  for (uint32_t i = 0; i < 2; i++)
    OQ_TRY(oq_pass_add_scalar(&bound[i], s->g,
                              hint(s, "", i == 0 ? "min" : "max"), OQ_DT_F32,
                              (double)f->number[i]));
  return add_behind(s, id, f->act->name, bound, 2, NULL, 0);
}

/* The activation first: what is put behind a node stands before what was put
 * there earlier. */
static oq_status split(const splitter *s, oq_node_id id, const fused *f) {
  static const char *const own[] = {"activation", "activation_params",
                                    "activation_alpha", "activation_beta",
                                    "activation_gamma"};
  const oq_node *const n = oq_graph_node(s->g, id);
  const oq_value_id sum =
      strcmp(f->op, "Conv") == 0 ? oq_pass_in(n, 3) : (oq_value_id){OQ_NONE};

  if (f->act != NULL) OQ_TRY(add_activation(s, id, f));
  if (oq_value_ok(sum)) {
    OQ_TRY(oq_edit_set_input(s->g, id, 3, (oq_value_id){OQ_NONE}));
    OQ_TRY(oq_edit_trim_ports(s->g, id));
    OQ_TRY(add_behind(s, id, "Add", &sum, 1, NULL, 0));
  }
  for (size_t i = 0; i < sizeof own / sizeof *own; i++)
    if (oq_node_attr(s->g, oq_graph_node(s->g, id), own[i]) != NULL)
      OQ_TRY(oq_pass_drop_attr(s->g, id, own[i]));
  return oq_edit_set_op(s->g, id, "", f->op);
}

static oq_status run_on_graph(oq_graph *g, uint32_t *changed, const oq_env *e) {
  splitter s = {.g = g, .env = e};
  const uint32_t n = g->n_nodes; /* those that are added need no look */
  fused f;

  OQ_TRY(oq_pass_types(&s.types, g, e->scratch, e));
  *changed = 0;
  for (uint32_t i = 0; i < n; i++) {
    const oq_mark mark = oq_arena_mark(e->scratch);
    if (!read_fused(&f, &s, &g->nodes[i])) continue;
    s.base =
        oq_arena_format(e->scratch, "%s", oq_node_text(g, (oq_node_id){i}));
    if (s.base == NULL) return oq_fail_memory(e->diags);
    OQ_TRY(split(&s, (oq_node_id){i}, &f));
    *changed += 1;
    oq_arena_rewind(e->scratch, mark);
  }
  return OQ_OK;
}

oq_status oq_pass_split_fused(oq_model_ir *m, const oq_pass_options *o,
                              uint32_t *changed, const oq_env *e) {
  (void)o;
  return oq_pass_each_graph(m, changed, run_on_graph, e);
}

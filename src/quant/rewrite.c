/* rewrite.c - a placement becomes QuantizeLinear and DequantizeLinear nodes
 * and integer initializers.
 *
 * A value whose producer needs the Q keeps its name behind the DQ, so that its
 * consumers and the graph's outputs see no change:
 *     producer -> v_float -> Q -> v_quantized -> DQ -> v -> ...
 * Any other value keeps its producer, and only integer nodes read the DQ:
 *     v -> float nodes;   v -> Q -> v_quantized -> DQ -> v_dequantized -> ...
 */
#include "quant/rewrite.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/map.h"
#include "base/vec.h"

/* The integers of a constant.  A runtime sees through to initializers of graphs
 * around a body, but not to what nodes make there, so that every graph has a DQ
 * of its own; and it is faster with initializers of the body itself (measured
 * with onnxruntime 1.31, matrix products in a Loop: by an eighth). */
typedef struct form {
  oq_value_id codes, scale, zero;
  uint32_t n; /* scales */
  int32_t axis;
} form;
typedef OQ_VEC(form) form_list;

/* Who reads a value inside: a body, given by its number, or several. */
typedef struct captor {
  uint32_t scope; /* OQ_NONE: nobody; MANY */
  oq_value_id as; /* what it is there */
} captor;
#define MANY (OQ_NONE - 1)

typedef struct rewriter {
  const oq_rewrite_input *in;
  const oq_placed *at;
  struct rewriter *up; /* of the graph around; NULL */
  struct rewriter *all;
  oq_uses uses;    /* before anything was changed */
  captor *captors; /* by value id */
  oq_graph *g;
  oq_model_ir *m;
  oq_arena *arena;                       /* lives as long as the rewriting */
  uint32_t n_values, n_nodes;            /* of the graph that was placed */
  oq_value_id *group_scale, *group_zero; /* by group; OQ_NONE = not made */
  oq_value_id *dequantized; /* by value id: what integer nodes read */
  oq_map *constants;        /* (constant, use) -> dequantized value */
  oq_map *known_forms;      /* (constant, use) -> number in `forms` */
  form_list forms;
  oq_rewrite_result *result;
} rewriter;

static oq_status no_memory(const rewriter *r) {
  return oq_fail_memory(r->in->env->diags);
}

static const oq_node_plan *plan_of(const rewriter *r, uint32_t n) {
  return &r->at->placement.nodes[n];
}
static const oq_value_plan *value_plan(const rewriter *r, oq_value_id v) {
  return &r->at->placement.values[v.i];
}

/* ---- building blocks -------------------------------------------------- */
static const char *joined(const rewriter *r, const char *base,
                          const char *suffix) {
  return oq_arena_format(r->arena, "%s%s", base, suffix);
}

static oq_status add_value(const rewriter *r, oq_value_id *out,
                           const char *base, const char *suffix,
                           const oq_type *like, oq_dtype t) {
  oq_name name;
  oq_type *type = NULL;
  const char *text = joined(r, base, suffix);

  if (!text) return no_memory(r);
  OQ_TRY(oq_edit_fresh_name(r->m, &name, text));
  if (like && like->kind == OQ_TYPE_TENSOR) {
    type = OQ_COPY_N(r->m->arena, oq_type, like, 1);
    if (!type) return no_memory(r);
    type->dtype = t;
    type->raw = NULL;
  }
  return oq_edit_add_value(r->g, out, OQ_VALUE_RESULT, name, type);
}

/* Q or DQ from `in` to `out`; axis < 0: per tensor. */
static oq_status add_linear(const rewriter *r, const char *op, const char *base,
                            oq_value_id in, oq_value_id scale, oq_value_id zero,
                            oq_value_id out, int32_t axis) {
  oq_node_spec s = {.n_out = 1, .out = &out};
  const oq_value_id inputs[] = {in, scale, zero};
  oq_attr *attr = NULL;
  oq_node_id node;
  const char *text =
      joined(r, base, op[0] == 'Q' ? "_quantize" : "_dequantize");

  if (!text) return no_memory(r);
  OQ_TRY(oq_edit_fresh_name(r->m, &s.name, text));
  OQ_TRY(oq_names_add_text(r->m->names, &s.op, op));
  s.in = inputs;
  s.n_in = oq_value_ok(zero) ? 3 : 2;
  if (axis >= 0) {
    attr = OQ_NEW(r->m->arena, oq_attr);
    if (!attr) return no_memory(r);
    OQ_TRY(oq_attr_i64(r->m, attr, "axis", axis));
    s.attrs = attr;
    s.n_attrs = 1;
  }
  return oq_edit_add_node(r->g, &node, &s);
}

static oq_status add_floats(const rewriter *r, oq_value_id *out,
                            const char *base, const char *suffix,
                            const float *v, uint32_t n, bool scalar) {
  const oq_ctensor t = {OQ_DT_F32, {scalar ? 0 : 1, {n}}, n * sizeof *v, v};
  const char *text = joined(r, base, suffix);

  return text ? oq_edit_add_const(r->g, out, text, &t) : no_memory(r);
}

/* n zero points, all the same; per tensor: a scalar. */
static oq_status add_zeros(const rewriter *r, oq_value_id *out,
                           const char *text, oq_dtype type, int32_t zero,
                           uint32_t n, bool scalar) {
  oq_tensor t;
  const oq_shape s = {scalar ? 0 : 1, {n}};

  if (!text) return no_memory(r);
  OQ_TRY(oq_tensor_make(&t, type, &s, r->arena));
  for (uint32_t i = 0; i < n; i++) oq_element_set_i64(&t, i, zero);
  const oq_ctensor c = oq_tensor_const(&t);
  return oq_edit_add_const(r->g, out, text, &c);
}

/* ---- constants that are made once -------------------------------------- */
/* One dequantized form per (constant, kind of use). */
static uint64_t constant_key(oq_value_id v, uint64_t use) {
  return (uint64_t)v.i << 32 | (use & UINT32_MAX);
}

static bool find_constant(const rewriter *r, oq_value_id v, uint64_t use,
                          oq_value_id *out) {
  uint64_t found;

  if (!oq_map_find(r->constants, constant_key(v, use), &found)) return false;
  out->i = (uint32_t)found;
  return true;
}

/* Zero points of symmetric weights are all alike: one tensor for each number of
 * channels. */
static oq_status weight_zeros(rewriter *r, oq_value_id *out, uint32_t n,
                              oq_dtype type) {
  const uint64_t key = constant_key((oq_value_id){OQ_NONE}, n);
  uint64_t found;
  const char *text = oq_arena_format(r->arena, "weight_%u_zero_point", n);

  if (oq_map_find(r->constants, key, &found)) {
    out->i = (uint32_t)found;
    return OQ_OK;
  }
  OQ_TRY(add_zeros(r, out, text, type, 0, n, false));
  return oq_map_put(r->constants, key, out->i);
}

/* One tensor for each number. */
static oq_status scalar_zero(rewriter *r, oq_value_id *out, oq_dtype type,
                             int32_t zero) {
  const uint64_t use =
      UINT64_C(0x80000000) | (uint64_t)type << 16 | (uint16_t)zero;
  const oq_value_id none = {OQ_NONE};

  if (find_constant(r, none, use, out)) return OQ_OK;
  OQ_TRY(add_zeros(r, out, oq_arena_format(r->arena, "zero_point_%d", zero),
                   type, zero, 1, true));
  return oq_map_put(r->constants, constant_key(none, use), out->i);
}

/* ---- activations ------------------------------------------------------ */
static oq_status group_constants(rewriter *r, uint32_t group) {
  const oq_placement *p = &r->at->placement;
  const oq_group_params *q = &r->at->params[group];
  const char *base = oq_value_text(r->g, p->groups[group].source);

  if (oq_value_ok(r->group_scale[group])) return OQ_OK;
  OQ_TRY(add_floats(r, &r->group_scale[group], base, "_scale", &q->q.scale, 1,
                    true));
  return scalar_zero(r, &r->group_zero[group], r->in->activation->dtype,
                     q->q.zero);
}

/* The node that makes v now. */
static oq_status split_producer(rewriter *r, oq_value_id *raw, oq_value_id v) {
  const oq_value value = r->g->values[v.i];
  const char *base = oq_value_text(r->g, v);

  OQ_TRY(add_value(r, raw, base, "_float", r->at->types[v.i], OQ_DT_F32));
  return oq_edit_set_output(r->g, value.producer, value.producer_slot, *raw);
}

/* Scale and zero point of a group once per channel, all equal: the runtime does
 * not move such a Q, and the numbers are the same. */
static oq_status channel_constants(rewriter *r, oq_value_id *scale,
                                   oq_value_id *zero, oq_value_id v,
                                   uint32_t n) {
  const oq_qparam q = r->at->params[value_plan(r, v)->group].q;
  const char *base = oq_value_text(r->g, v);
  float *s = OQ_NEW_N(r->arena, float, n);

  if (!s) return no_memory(r);
  for (uint32_t i = 0; i < n; i++) s[i] = q.scale;
  OQ_TRY(add_floats(r, scale, base, "_scale", s, n, false));
  return add_zeros(r, zero, joined(r, base, "_zero_point"),
                   r->in->activation->dtype, q.zero, n, false);
}

/* Channels of v where its Q must be written per channel; 0 = need not, or the
 * number is not known. */
static uint32_t held_channels(const rewriter *r, oq_value_id v) {
  const oq_type *t = r->at->types[v.i];

  if (!value_plan(r, v)->hold_back || value_plan(r, v)->all_uses) return 0;
  if (!t || !t->has_rank || t->rank < 2) return 0;
  return t->dim[1].size > 0 && t->dim[1].size <= INT32_MAX
             ? (uint32_t)t->dim[1].size
             : 0;
}

static oq_status quantize_value(rewriter *r, oq_value_id v) {
  const oq_value_plan *plan = value_plan(r, v);
  const char *base = oq_value_text(r->g, v);
  const oq_type *type = r->at->types[v.i];
  const uint32_t group = plan->group, channels = held_channels(r, v);
  oq_value_id from = v, to = v, codes, scale, zero;

  OQ_TRY(group_constants(r, group));
  scale = r->group_scale[group];
  zero = r->group_zero[group];
  if (channels > 0) OQ_TRY(channel_constants(r, &scale, &zero, v, channels));
  if (plan->all_uses)
    OQ_TRY(split_producer(r, &from, v));
  else
    OQ_TRY(add_value(r, &to, base, "_dequantized", type, OQ_DT_F32));
  OQ_TRY(
      add_value(r, &codes, base, "_quantized", type, r->in->activation->dtype));
  OQ_TRY(add_linear(r, "QuantizeLinear", base, from, scale, zero, codes,
                    channels > 0 ? 1 : -1));
  OQ_TRY(add_linear(r, "DequantizeLinear", base, codes, r->group_scale[group],
                    r->group_zero[group], to, -1));
  r->dequantized[v.i] = to;
  return OQ_OK;
}

/* ---- clamps that a Q stands for --------------------------------------- */
/* The clamp goes; its input takes over its result (name included). */
static oq_status drop_clamp(rewriter *r, oq_node_id n) {
  const oq_node *node = oq_graph_node(r->g, n);
  const oq_value_id in = node->in[0], out = node->out[0];
  const oq_value value = r->g->values[in.i];

  OQ_TRY(oq_edit_set_input(r->g, n, 0, (oq_value_id){OQ_NONE}));
  OQ_TRY(oq_edit_set_output(r->g, n, 0, (oq_value_id){OQ_NONE}));
  OQ_TRY(oq_edit_remove_node(r->g, n));
  return oq_edit_set_output(r->g, value.producer, value.producer_slot, out);
}

/* ---- constants -------------------------------------------------------- */
static oq_status view(const rewriter *r, oq_ctensor *out, oq_value_id v) {
  return oq_const_view(out, oq_graph_const(r->g, v), r->in->env->scratch,
                       r->in->env->diags);
}

static bool read_here(const rewriter *r, oq_value_id v) {
  for (uint32_t u = r->uses.first[v.i]; u < r->uses.first[v.i + 1]; u++)
    if (!oq_node_ok(r->uses.use[u].node) || r->uses.use[u].slot != OQ_NONE)
      return true;
  return false;
}

/* The innermost graph with all that read a constant, and what it is there. */
static rewriter *home_of(rewriter *r, oq_value_id *v) {
  while (r->g->values[v->i].kind == OQ_VALUE_OUTER) {
    *v = r->g->outer_of[v->i];
    r = r->up;
  }
  while (!read_here(r, *v) && r->captors[v->i].scope < MANY) {
    const captor c = r->captors[v->i];

    r = &r->all[c.scope];
    *v = c.as;
  }
  return r;
}

/* A value of the graph `home` as one of the graph of `r` inside it. */
static oq_status bring(oq_value_id *out, const rewriter *r,
                       const rewriter *home, oq_value_id v) {
  if (r != home) {
    OQ_TRY(bring(&v, r->up, home, v));
    OQ_TRY(oq_edit_add_outer(r->g, &v, v));
  }
  *out = v;
  return OQ_OK;
}

/* Scale and zero point of new codes, in the same graph. */
static oq_status finish_form(rewriter *home, form *out, oq_value_id v,
                             uint64_t use, const float *scale, int32_t zero,
                             oq_dtype type) {
  OQ_TRY(add_floats(home, &out->scale, oq_value_text(home->g, v), "_scale",
                    scale, out->n, out->axis < 0));
  if (out->axis < 0)
    OQ_TRY(scalar_zero(home, &out->zero, type, zero));
  else
    OQ_TRY(weight_zeros(home, &out->zero, out->n, type));
  if (!oq_vec_push(home->arena, &home->forms, *out)) return no_memory(home);
  return oq_map_put(home->known_forms, constant_key(v, use), home->forms.n - 1);
}

static bool find_form(const rewriter *home, form *out, oq_value_id v,
                      uint64_t use) {
  uint64_t found;

  if (!oq_map_find(home->known_forms, constant_key(v, use), &found))
    return false;
  *out = home->forms.p[found];
  return true;
}

/* The DQ of a constant in the graph of `r`; `f` is of the graph `home`. */
static oq_status finish_constant(rewriter *r, oq_value_id *out, oq_value_id v,
                                 uint64_t use, const rewriter *home,
                                 const form *f) {
  const char *base = oq_value_text(r->g, v);
  oq_value_id codes, s, z;

  OQ_TRY(bring(&codes, r, home, f->codes));
  OQ_TRY(bring(&s, r, home, f->scale));
  OQ_TRY(bring(&z, r, home, f->zero));
  OQ_TRY(add_value(r, out, base, "_dequantized", oq_graph_const(r->g, v)->type,
                   OQ_DT_F32));
  OQ_TRY(add_linear(r, "DequantizeLinear", base, codes, s, z, *out, f->axis));
  return oq_map_put(r->constants, constant_key(v, use), out->i);
}

static oq_status data_form(rewriter *home, form *out, oq_value_id v) {
  const oq_quant_type *type = home->in->activation;
  const oq_mark mark = oq_arena_mark(home->in->env->scratch);
  oq_ctensor t;
  oq_tensor q;
  oq_range range = {0, 0};

  OQ_TRY(view(home, &t, v));
  const size_t n = oq_tensor_count(&t);
  for (size_t i = 0; i < n; i++) {
    range.lo = fmin(range.lo, oq_element_f64(&t, i));
    range.hi = fmax(range.hi, oq_element_f64(&t, i));
  }
  const oq_qparam p = oq_qparam_of_range(type, range);
  OQ_TRY(oq_tensor_make(&q, type->dtype, &t.shape, home->in->env->scratch));
  oq_codes_of_floats(q.data, t.data, n, p, type, home->in->env->kernels);
  const oq_ctensor c = oq_tensor_const(&q);
  const char *text = joined(home, oq_value_text(home->g, v), "_quantized");
  if (!text) return no_memory(home);
  OQ_TRY(oq_edit_add_const(home->g, &out->codes, text, &c));
  oq_arena_rewind(home->in->env->scratch, mark);
  out->n = 1;
  out->axis = -1;
  return finish_form(home, out, v, UINT32_MAX, &p.scale, p.zero, type->dtype);
}

/* A constant among data (the other side of an Add): asymmetric, per tensor. */
static oq_status data_constant(rewriter *r, oq_value_id *out, oq_value_id v) {
  oq_value_id at_home = v;
  rewriter *home = home_of(r, &at_home);
  form f;

  if (find_constant(r, v, UINT32_MAX, out)) return OQ_OK;
  if (!find_form(home, &f, at_home, UINT32_MAX))
    OQ_TRY(data_form(home, &f, at_home));
  return finish_constant(r, out, v, UINT32_MAX, home, &f);
}

/* ---- weights ---------------------------------------------------------- */
typedef struct weight {
  const float *scale; /* n of them */
  uint32_t n;
  int32_t axis; /* -1: per tensor */
} weight;

static int32_t axis_of(const rewriter *r, oq_node_id n, uint32_t rank) {
  const oq_profile_rule *rule = plan_of(r, n.i)->rule;

  if (!r->in->per_channel || rank < 2) return -1;
  if (rule->max_channel_rank > 0 && rank > rule->max_channel_rank) return -1;
  return oq_weight_axis(r->g, n, rank);
}

/* Least weight scale with which a bias element fits into an int32, and the
 * scale of the bias is a normal number. */
static float least_scale(float bias, float s_x) {
  const double fits = fabs((double)bias) / 2147483392.0;
  const double normal = 1.000001 * (double)FLT_MIN;

  return (float)fmin(fmax(fits, normal) / (double)s_x, (double)FLT_MAX);
}

/* Moments of the data of node n, if they were taken and fit its weight. */
static oq_status moments_of(const rewriter *r, oq_moments *out, oq_node_id n,
                            oq_value_id data, const oq_ctensor *w) {
  const oq_stats_entry *e =
      oq_value_ok(data) ? oq_stats_find(r->in->stats, r->at->keys[data.i])
                        : NULL;
  const oq_channels *c = e ? &e->channels : NULL;

  *out = (oq_moments){0};
  if (!c || c->broken || c->samples == 0 || c->n == 0) return OQ_OK;

  double *mean = OQ_NEW_N(r->in->env->scratch, double, c->n);
  double *variance = OQ_NEW_N(r->in->env->scratch, double, c->n);
  const oq_moments m = {c->n, mean, variance};

  if (!mean || !variance) return no_memory(r);
  for (uint32_t i = 0; i < c->n; i++) {
    double square;

    if (!oq_channels_mean(&mean[i], &square, c, i)) return OQ_OK;
    variance[i] = fmax(square - mean[i] * mean[i], 0.0);
  }
  if (oq_moments_fit(&m, w, oq_weight_axis(r->g, n, w->shape.rank))) *out = m;
  return OQ_OK;
}

/* Scales of the weight of node n; n_bias 0: no bias. */
static oq_status weight_scales(const rewriter *r, weight *out, oq_node_id n,
                               const oq_ctensor *w, const float *bias,
                               size_t n_bias, float s_x) {
  const oq_quant_type *t = r->in->weight;
  float *s;

  out->axis = axis_of(r, n, w->shape.rank);
  OQ_TRY(oq_weight_absmax(&s, &out->n, w, out->axis, r->in->env->scratch));
  for (uint32_t c = 0; c < out->n; c++)
    s[c] = oq_qparam_of_range(t, (oq_range){-(double)s[c], (double)s[c]}).scale;
  for (size_t i = 0; i < n_bias; i++) {
    const size_t c = out->n == n_bias ? i : 0;
    const float need = least_scale(bias[i], s_x);

    if (out->n != 1 && out->n != n_bias) break;
    if (s[c] < need) s[c] = need;
  }
  out->scale = s;
  return OQ_OK;
}

/* Scales may differ between the users of one weight (through their biases). */
static uint64_t scales_use(const weight *w) {
  const uint64_t h =
      oq_hash_bytes(w->scale, w->n * sizeof *w->scale, (uint64_t)w->axis + 2);

  return h & 0x7fffffff;
}

static oq_status weight_form(rewriter *home, form *out, oq_value_id v,
                             uint64_t use, const weight *w) {
  const char *text = joined(home, oq_value_text(home->g, v), "_quantized");
  oq_ctensor t;
  oq_store *store;

  if (!text) return no_memory(home);
  OQ_TRY(view(home, &t, v));
  OQ_TRY(oq_weight_quantize(&store, &t, w->axis, w->scale, w->n,
                            home->in->weight, home->in->env));
  OQ_TRY(oq_edit_add_const_store(home->g, &out->codes, text,
                                 home->in->weight->dtype, &t.shape, store));
  home->result->weights_quantized += oq_tensor_count(&t);
  out->n = w->n;
  out->axis = w->axis;
  return finish_form(home, out, v, use, w->scale, 0, home->in->weight->dtype);
}

static oq_status weight_constant(rewriter *r, oq_value_id *out, oq_value_id v,
                                 const weight *w) {
  const uint64_t use = scales_use(w);
  oq_value_id at_home = v;
  rewriter *home = home_of(r, &at_home);
  form f;

  if (find_constant(r, v, use, out)) return OQ_OK;
  if (!find_form(home, &f, at_home, use))
    OQ_TRY(weight_form(home, &f, at_home, use, w));
  return finish_constant(r, out, v, use, home, &f);
}

/* ---- biases ----------------------------------------------------------- */
static int32_t to_i32(double v) {
  const double r = nearbyint(v);

  return r >= 2147483647.0    ? INT32_MAX
         : r <= -2147483648.0 ? INT32_MIN
                              : (int32_t)r;
}

/* int32 of `bias` (n elements) at scale[c] (1 or n of them). */
static oq_status bias_constant(rewriter *r, oq_value_id *out, const char *base,
                               const float *bias, uint32_t n,
                               const float *scale, uint32_t n_scales) {
  const oq_shape shape = {1, {n}};
  oq_tensor q;
  oq_value_id codes, s;
  const char *text = joined(r, base, "_bias_quantized");

  if (!text) return no_memory(r);
  OQ_TRY(oq_tensor_make(&q, OQ_DT_I32, &shape, r->in->env->scratch));
  for (uint32_t i = 0; i < n; i++)
    ((int32_t *)q.data)[i] =
        to_i32((double)bias[i] / (double)scale[n_scales == 1 ? 0 : i]);
  const oq_ctensor c = oq_tensor_const(&q);
  OQ_TRY(oq_edit_add_const(r->g, &codes, text, &c));
  OQ_TRY(
      add_floats(r, &s, base, "_bias_scale", scale, n_scales, n_scales == 1));
  OQ_TRY(add_value(r, out, base, "_bias_dequantized", NULL, OQ_DT_F32));
  return add_linear(r, "DequantizeLinear", base, codes, s,
                    (oq_value_id){OQ_NONE}, *out, n_scales == 1 ? -1 : 0);
}

static float *products(const rewriter *r, float s_x, const weight *w) {
  float *s = OQ_NEW_N(r->in->env->scratch, float, w->n);

  for (uint32_t c = 0; s && c < w->n; c++) s[c] = s_x * w->scale[c];
  return s;
}

/* Where the bias of a layer is: its input of that role, or the constant of the
 * node behind it. */
typedef struct bias_place {
  oq_node_id node; /* OQ_NONE: the layer can have none */
  uint32_t slot;
  bool there;
} bias_place;

static bias_place find_bias(const rewriter *r, oq_node_id n) {
  const oq_node *node = oq_graph_node(r->g, n);
  const oq_node_id partner = plan_of(r, n.i)->partner;

  if (oq_node_ok(partner)) {
    const oq_node *add = oq_graph_node(r->g, partner);

    return (bias_place){partner, oq_value_is_const(r->g, add->in[1]) ? 1 : 0,
                        true};
  }
  for (uint32_t i = 0; i < 4; i++)
    if (node->def->quant.role[i] == OQ_ROLE_BIAS)
      return (bias_place){n, i, i < node->n_in && oq_value_ok(node->in[i])};
  return (bias_place){{OQ_NONE}, 0, false};
}

/* May a layer that has no bias be given one? */
static bool takes_bias(const rewriter *r, oq_node_id n) {
  const oq_profile_rule *rule = plan_of(r, n.i)->rule;

  return !rule->no_bias || !rule->no_bias(r->g, n);
}

/* The bias as n floats, zeros where there is none; NULL if it has another
 * number of elements. */
static oq_status read_bias(const rewriter *r, float **out, const bias_place *at,
                           uint32_t n) {
  float *b = OQ_NEW_N(r->in->env->scratch, float, n);
  oq_ctensor t;

  if (!b) return no_memory(r);
  *out = b;
  if (!at->there) return OQ_OK;
  OQ_TRY(view(r, &t, oq_graph_node(r->g, at->node)->in[at->slot]));
  const size_t have = oq_tensor_count(&t);
  if (have != 1 && have != n) {
    *out = NULL;
    return OQ_OK;
  }
  for (uint32_t i = 0; i < n; i++)
    b[i] = ((const float *)t.data)[have == 1 ? 0 : i];
  return OQ_OK;
}

/* Channels that a bias runs over. */
static uint32_t bias_length(const rewriter *r, oq_node_id n,
                            const oq_shape *w) {
  return (uint32_t)w->dim[oq_weight_axis(r->g, n, w->rank)];
}

/* Takes off the bias what rounding the weights adds to the mean. */
static oq_status correct_bias(const rewriter *r, float *bias, uint32_t n,
                              oq_node_id node, const oq_ctensor *w,
                              const weight *scales, const oq_moments *x) {
  double *error = OQ_NEW_N(r->in->env->scratch, double, n);

  if (!error) return no_memory(r);
  OQ_TRY(oq_weight_mean_error(error, w,
                              oq_weight_axis(r->g, node, w->shape.rank),
                              scales->scale, scales->n, x, r->in->weight));
  for (uint32_t i = 0; i < n; i++)
    if (isfinite(error[i])) bias[i] = (float)((double)bias[i] - error[i]);
  return OQ_OK;
}

/* The weight scale is limited from below by the bias, and the bias corrected
 * for the weight: both are done together. */
static oq_status linear_constants(rewriter *r, oq_node_id n, uint32_t slot,
                                  oq_value_id data, float s_x) {
  const oq_value_id v = oq_graph_node(r->g, n)->in[slot];
  const bias_place at = find_bias(r, n);
  oq_ctensor w;
  oq_value_id dq, bias_dq;
  oq_moments x;
  weight scales;
  float *bias = NULL;

  OQ_TRY(view(r, &w, v));
  OQ_TRY(moments_of(r, &x, n, data, &w));
  const uint32_t n_bias = oq_node_ok(at.node) ? bias_length(r, n, &w.shape) : 0;
  if (n_bias > 0) OQ_TRY(read_bias(r, &bias, &at, n_bias));
  OQ_TRY(weight_scales(r, &scales, n, &w, bias, bias ? n_bias : 0, s_x));
  OQ_TRY(weight_constant(r, &dq, v, &scales));
  OQ_TRY(oq_edit_set_input(r->g, n, slot, dq));
  const bool correct = x.n > 0 && r->in->correct_bias;
  if (!bias || (!at.there && !(correct && takes_bias(r, n)))) return OQ_OK;

  if (correct) OQ_TRY(correct_bias(r, bias, n_bias, n, &w, &scales, &x));
  const float *s = products(r, s_x, &scales);
  if (!s) return no_memory(r);
  OQ_TRY(bias_constant(r, &bias_dq, oq_node_text(r->g, n), bias, n_bias, s,
                       scales.n));
  return oq_edit_set_input(r->g, at.node, at.slot, bias_dq);
}

/* ---- nodes ------------------------------------------------------------ */
static oq_status integer_inputs(rewriter *r, oq_node_id n) {
  oq_value_id data = {OQ_NONE};
  float s_x = 0;

  for (uint32_t i = 0; i < oq_graph_node(r->g, n)->n_in; i++) {
    const oq_value_id v = oq_graph_node(r->g, n)->in[i];
    oq_value_id to = v;

    if (!oq_value_ok(v)) continue;
    const oq_role role = oq_input_role(r->g, n, i);
    const bool konst = oq_value_is_const(r->g, v);

    if (role == OQ_ROLE_DATA && !konst) {
      data = v;
      to = r->dequantized[v.i];
      s_x = r->at->params[value_plan(r, v)->group].q.scale;
    } else if (role == OQ_ROLE_DATA) {
      OQ_TRY(data_constant(r, &to, v));
    } else if (role == OQ_ROLE_WEIGHT) {
      OQ_TRY(linear_constants(r, n, i, data, s_x));
      continue;
    }
    if (to.i != v.i) OQ_TRY(oq_edit_set_input(r->g, n, i, to));
  }
  return OQ_OK;
}

/* Elements of the bias of a float layer; 0: the runtime takes none of that
 * shape, or the number is not known.  The weight of a transposed convolution in
 * groups does not show it. */
static uint32_t barrier_length(const rewriter *r, oq_node_id n,
                               const bias_place *at) {
  const oq_node *node = oq_graph_node(r->g, n);
  const oq_type *w = oq_graph_const(r->g, node->in[1])->type;
  const oq_type *y = r->at->types[node->out[0].i];
  const int32_t axis = oq_weight_axis(r->g, n, w->rank);
  int64_t size;

  if (at->there) {
    const oq_value_id v = oq_graph_node(r->g, at->node)->in[at->slot];
    const oq_const *c = oq_graph_const(r->g, v);

    size = oq_value_is_const(r->g, v) && c->type->rank == 1
               ? c->type->dim[0].size
               : 0;
  } else if (axis > 0 && w->rank > 2) {
    size = y && y->has_rank && y->rank > 1 ? y->dim[1].size : 0;
  } else {
    size = w->dim[axis].size;
  }
  return size > 0 && size <= INT32_MAX ? (uint32_t)size : 0;
}

/* Scale as fine as float32 itself; 0: not all are finite. */
static float barrier_scale(const float *bias, uint32_t n) {
  float max = 0;

  for (uint32_t i = 0; i < n; i++) {
    if (!isfinite(bias[i])) return 0;
    max = fmaxf(max, fabsf(bias[i]));
  }
  return max > 0 ? fmaxf(max / 1073741824.0f, FLT_MIN) : 1.0f;
}

/* A float layer whose bias is no plain constant is left alone by the runtime:
 * the bias goes through an int32 DQ. */
static oq_status barrier(rewriter *r, oq_node_id n) {
  const oq_node *node = oq_graph_node(r->g, n);
  const bias_place at = find_bias(r, n);
  oq_value_id dq;
  float *bias;

  if (node->n_in < 2 || !oq_value_is_const(r->g, node->in[1]) ||
      !oq_node_ok(at.node))
    return OQ_OK;
  const uint32_t n_bias = barrier_length(r, n, &at);
  if (n_bias == 0) return OQ_OK;
  OQ_TRY(read_bias(r, &bias, &at, n_bias));
  const float scale = bias ? barrier_scale(bias, n_bias) : 0;
  if (!(scale > 0)) return OQ_OK;
  OQ_TRY(bias_constant(r, &dq, oq_node_text(r->g, n), bias, n_bias, &scale, 1));
  return oq_edit_set_input(r->g, at.node, at.slot, dq);
}

static oq_status rewrite_nodes(rewriter *r) {
  for (uint32_t i = 0; i < r->n_nodes; i++) {
    const oq_mark mark = oq_arena_mark(r->in->env->scratch);
    const oq_fate fate = plan_of(r, i)->fate;

    if (r->g->nodes[i].dead) continue;
    if (fate == OQ_FATE_INTEGER) OQ_TRY(integer_inputs(r, (oq_node_id){i}));
    if (fate == OQ_FATE_BARRIER) OQ_TRY(barrier(r, (oq_node_id){i}));
    oq_arena_rewind(r->in->env->scratch, mark);
  }
  return OQ_OK;
}

static oq_status drop_clamps(rewriter *r) {
  for (uint32_t i = 0; i < r->n_nodes; i++)
    if (!r->g->nodes[i].dead && plan_of(r, i)->fate == OQ_FATE_ABSORBED)
      OQ_TRY(drop_clamp(r, (oq_node_id){i}));
  return OQ_OK;
}

static oq_status rewrite_values(rewriter *r) {
  for (uint32_t v = 0; v < r->n_values; v++)
    if (r->at->placement.values[v].quantized)
      OQ_TRY(quantize_value(r, (oq_value_id){v}));
  return OQ_OK;
}

static oq_status tables(rewriter *r) {
  const uint32_t n_groups = r->at->placement.n_groups;

  r->group_scale = OQ_NEW_N(r->arena, oq_value_id, n_groups);
  r->group_zero = OQ_NEW_N(r->arena, oq_value_id, n_groups);
  r->dequantized = OQ_NEW_N(r->arena, oq_value_id, r->n_values);
  if (!r->group_scale || !r->group_zero || !r->dequantized) return no_memory(r);
  for (uint32_t i = 0; i < n_groups; i++)
    r->group_scale[i].i = r->group_zero[i].i = OQ_NONE;
  for (uint32_t i = 0; i < r->n_values; i++) r->dequantized[i].i = i;
  OQ_TRY(oq_map_create(&r->known_forms, r->arena));
  return oq_map_create(&r->constants, r->arena);
}

static oq_status rewrite_graph(rewriter *r) {
  OQ_TRY(tables(r));
  OQ_TRY(drop_clamps(r));
  OQ_TRY(rewrite_values(r));
  return rewrite_nodes(r);
}

/* What is known of all graphs before one is changed. */
static oq_status find_readers(rewriter *all, uint32_t n) {
  for (uint32_t i = 0; i < n; i++) {
    rewriter *r = &all[i];

    OQ_TRY(oq_walk_uses(&r->uses, r->g, r->arena));
    r->captors = OQ_NEW_N(r->arena, captor, r->n_values);
    if (!r->captors) return no_memory(r);
    for (uint32_t v = 0; v < r->n_values; v++) r->captors[v].scope = OQ_NONE;
    for (uint32_t v = 0; v < r->n_values; v++) {
      if (r->g->values[v].kind != OQ_VALUE_OUTER) continue;
      captor *c = &r->up->captors[r->g->outer_of[v].i];

      c->scope = c->scope == OQ_NONE ? i : MANY;
      c->as.i = v;
    }
  }
  return OQ_OK;
}

/* Each graph before the bodies in it: what those add to it comes last. */
static oq_status rewrite_all(const oq_rewrite_input *in,
                             oq_rewrite_result *result, oq_arena *arena) {
  rewriter *all = OQ_NEW_N(arena, rewriter, in->n_graphs);

  if (!all) return oq_fail_memory(in->env->diags);
  for (uint32_t i = 0; i < in->n_graphs; i++) {
    const oq_placed *at = &in->graphs[i];

    all[i] = (rewriter){.in = in,
                        .at = at,
                        .up = at->up == OQ_NONE ? NULL : &all[at->up],
                        .all = all,
                        .g = at->graph,
                        .m = at->graph->model,
                        .arena = arena,
                        .n_values = at->graph->n_values,
                        .n_nodes = at->graph->n_nodes,
                        .result = result};
  }
  OQ_TRY(find_readers(all, in->n_graphs));
  for (uint32_t i = 0; i < in->n_graphs; i++) OQ_TRY(rewrite_graph(&all[i]));
  return oq_edit_remove_dead(in->graphs[0].graph, in->env);
}

oq_status oq_rewrite_qdq(oq_rewrite_result *out, const oq_rewrite_input *in) {
  oq_rewrite_result result = {0};
  oq_arena *arena;

  if (oq_arena_create(&arena, in->env->alloc, 0) != OQ_OK)
    return oq_fail_memory(in->env->diags);
  const oq_status s = rewrite_all(in, &result, arena);
  oq_arena_destroy(arena);
  if (s == OQ_OK) *out = result;
  return s;
}

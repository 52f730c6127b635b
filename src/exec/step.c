/* exec/step.c - concrete types from the row's rule, checked; memory for them;
 * the kernel.  What a rule or kernel got wrong ends here, by name. */
#include "exec/step.h"

#include <string.h>

#include "exec/session.h"

oq_type oq_type_of_tensor(oq_dtype t, const oq_shape *s) {
  oq_type y = {.kind = OQ_TYPE_TENSOR, .dtype = t, .has_rank = true};

  y.rank = s->rank;
  for (uint32_t d = 0; d < s->rank; d++) y.dim[d].size = s->dim[d];
  return y;
}

static const oq_node *node_of(const oq_call *c) {
  return oq_graph_node(c->graph, c->step->node);
}

static oq_where place(const oq_call *c) {
  return oq_node_where(c->graph, c->step->node);
}

static bool is_given(const oq_call *c, oq_dtype t) {
  return oq_dtype_bits((int32_t)t) != 0 &&
         oq_op_gives(c->step->def, c->step->opset, t);
}

static oq_status refuse_bytes(const oq_call *c, uint32_t i, oq_dtype t,
                              const oq_shape *s) {
  const oq_where w = place(c);
  char text[160];

  if (!is_given(c, t)) {
    return oq_fail(c->env->diags, OQ_E_UNSUPPORTED, "run.dtype", &w,
                   "%s '%s': output %u would be of type %s, which this "
                   "operator does not make",
                   w.op, w.node, i, oq_dtype_text((int32_t)t));
  }
  oq_shape_print(text, sizeof text, s->dim, s->rank);
  return oq_fail(c->env->diags, OQ_E_LIMIT, "run.tensor_bytes", &w,
                 "%s '%s': output %u would be %s%s, more than the %llu bytes "
                 "a tensor may have",
                 w.op, w.node, i, oq_dtype_text((int32_t)t), text,
                 (unsigned long long)c->env->limits->max_tensor_bytes);
}

oq_status oq_call_bytes(size_t *out, const oq_call *c, uint32_t i, oq_dtype t,
                        const oq_shape *s) {
  size_t n;

  if (!is_given(c, t) || oq_shape_bytes(&n, s, (int32_t)t) != OQ_OK ||
      n > c->env->limits->max_tensor_bytes) {
    return refuse_bytes(c, i, t, s);
  }
  *out = n;
  return OQ_OK;
}

/* ---- types ------------------------------------------------------------- */
static oq_status check_dtype(const oq_call *c) {
  const oq_step *s = c->step;

  for (uint32_t i = 0; i < s->n_in; i++) {
    if (c->in[i] == NULL || oq_op_takes(s->def, s->opset, i, c->in[i]->dtype)) {
      continue;
    }
    const oq_where w = place(c);
    return oq_fail(c->env->diags, OQ_E_UNSUPPORTED, "op.dtype", &w,
                   "%s '%s': no kernel for element type %s", w.op, w.node,
                   oq_dtype_text((int32_t)c->in[i]->dtype));
  }
  return OQ_OK;
}

static const char *kind_text(oq_datum_kind k) {
  return k == OQ_DATUM_SEQUENCE  ? "a sequence"
         : k == OQ_DATUM_MAPS    ? "a map or a list of maps"
         : k == OQ_DATUM_NOTHING ? "an optional without a value"
                                 : "a tensor";
}

/* Kernels of rows that know no sequences rely on tensors. */
static oq_status check_kinds(const oq_call *c) {
  const oq_where w = place(c);

  if (c->data == NULL || (c->step->def->flags & OQ_OP_DATA) != 0) return OQ_OK;
  for (uint32_t i = 0; i < c->step->n_in; i++) {
    if (c->data[i] == NULL || c->data[i]->kind == OQ_DATUM_TENSOR) continue;
    return oq_fail(c->env->diags, OQ_E_UNSUPPORTED, "run.kind", &w,
                   "%s '%s': input %u is %s, not a tensor", w.op, w.node, i,
                   kind_text(c->data[i]->kind));
  }
  return OQ_OK;
}

static oq_status infer(const oq_call *c) {
  const oq_step *s = c->step;
  oq_infer x = {.graph = c->graph,
                .node = node_of(c),
                .params = s->params,
                .opset = s->opset,
                .n_in = s->n_in,
                .n_out = s->n_out,
                .in = c->in_type,
                .konst = c->in,
                .out = c->out_type,
                .scratch = c->env->scratch,
                .diags = c->env->diags};

  memset(c->out_type, 0, s->n_out * sizeof *c->out_type);
  return s->def->infer(&x);
}

/* Whether output i is there: named by the node.  Output 0 always is, since
 * kernels write it unasked. */
static bool present(const oq_call *c, uint32_t i) {
  return i == 0 || oq_value_ok(node_of(c)->out[i]);
}

static oq_status refuse_unknown(const oq_call *c, uint32_t i) {
  const oq_where w = place(c);

  return oq_fail(c->env->diags, OQ_E_UNSUPPORTED, "run.shape_unknown", &w,
                 "%s '%s': type and shape of output %u do not follow from its "
                 "inputs",
                 w.op, w.node, i);
}

/* Sets dtype, shape and size of each output; size stays 0 and dtype NONE where
 * the output is absent or LATE. */
static oq_status set_outputs(const oq_call *c) {
  const oq_step *s = c->step;

  memset(c->out, 0, s->n_out * sizeof *c->out);
  if ((s->def->flags & OQ_OP_GIVES) != 0) return OQ_OK;
  for (uint32_t i = 0; i < s->n_out; i++) {
    const oq_type *t = &c->out_type[i];
    oq_tensor *y = &c->out[i];
    oq_shape shape;
    if (!present(c, i)) continue;
    if (t->kind != OQ_TYPE_TENSOR || t->dtype == OQ_DT_NONE ||
        !oq_type_shape(&shape, t)) {
      if ((s->def->flags & OQ_OP_LATE) != 0) continue;
      return refuse_unknown(c, i);
    }
    OQ_TRY(oq_call_bytes(&y->size, c, i, t->dtype, &shape));
    y->dtype = t->dtype;
    y->shape = shape;
  }
  return OQ_OK;
}

/* ---- kernel ------------------------------------------------------------ */
/* Of texts none is left a wild address, whatever the kernel forgets; where the
 * output lies on an input, that has texts already. */
static oq_status take_output(oq_call *c, uint32_t i, oq_tensor *y) {
  OQ_TRY(c->alloc(c, i, y->size, &y->data));
  const bool own =
      c->step->n_in == 0 || c->in[0] == NULL || c->in[0]->data != y->data;
  if (y->dtype == OQ_DT_STRING && own) memset(y->data, 0, y->size);
  return OQ_OK;
}

static oq_status allocate(oq_call *c) {
  for (uint32_t i = 0; i < c->step->n_out; i++) {
    oq_tensor *y = &c->out[i];
    if (y->dtype == OQ_DT_NONE) continue;
    OQ_TRY(take_output(c, i, y));
  }
  return OQ_OK;
}

oq_status oq_run_alloc(oq_run *r, uint32_t i, oq_dtype t, const oq_shape *s) {
  oq_call *c = r->session->now;
  oq_tensor y = {.dtype = t, .shape = *s};

  if (i >= c->step->n_out || c->out[i].data != NULL) {
    const oq_where w = place(c);
    return oq_fail(c->env->diags, OQ_E_INTERNAL, "run.alloc", &w,
                   "%s '%s': output %u was allocated twice or does not exist",
                   w.op, w.node, i);
  }
  OQ_TRY(oq_call_bytes(&y.size, c, i, t, s));
  OQ_TRY(take_output(c, i, &y));
  c->out[i] = y;
  c->out_type[i] = oq_type_of_tensor(t, s);
  return OQ_OK;
}

static oq_status check_late(const oq_call *c) {
  const bool gives = (c->step->def->flags & OQ_OP_GIVES) != 0;

  for (uint32_t i = 0; i < c->step->n_out; i++) {
    if (!c->step->wanted[i]) continue;
    if (gives ? !c->session->given[i] : c->out[i].data == NULL) {
      return refuse_unknown(c, i);
    }
  }
  return OQ_OK;
}

/* The outputs as memory has them. */
static oq_status turn_outputs(oq_tensor **out, const oq_call *c) {
  oq_tensor *y = OQ_NEW_N(c->env->scratch, oq_tensor, c->step->n_out);

  if (y == NULL) return oq_fail_memory(c->env->diags);
  for (uint32_t i = 0; i < c->step->n_out; i++) {
    y[i] = c->out[i];
    if (y[i].shape.rank == c->last_rank) oq_layout_turn(&y[i].shape);
  }
  *out = y;
  return OQ_OK;
}

static oq_status run_kernel(oq_call *c) {
  const oq_step *s = c->step;
  oq_status (*run)(oq_run *) = s->def->run;
  oq_run r = {.graph = c->graph,
              .node = node_of(c),
              .params = s->params,
              .opset = s->opset,
              .n_in = s->n_in,
              .n_out = s->n_out,
              .in = c->in,
              .out = c->out,
              .wanted = s->wanted,
              .k = c->env->kernels,
              .scratch = c->env->scratch,
              .diags = c->env->diags,
              .session = c->session,
              .texts = c->texts,
              .data = c->data,
              .images = &c->env->images,
              .packed = s->packed};

  OQ_TRY(allocate(c));
  if (c->in_last != NULL) {
    r.in = c->in_last;
    OQ_TRY(turn_outputs(&r.out, c));
    if (s->def->layout != OQ_LAST_FOLLOWS) run = s->def->run_last;
  }
  OQ_TRY(run(&r));
  return check_late(c);
}

static oq_status share(oq_call *c) {
  if (c->step->n_in == 0 || c->in[0] == NULL ||
      c->in[0]->size != c->out[0].size) {
    const oq_where w = place(c);
    return oq_fail(c->env->diags, OQ_E_INTERNAL, "run.view", &w,
                   "%s '%s': the output is not the input in another shape",
                   w.op, w.node);
  }
  return OQ_OK;
}

typedef oq_status (*stage)(oq_call *c);

/* Types first, then `then`; a failure without a finding gets one. */
static oq_status with_types(oq_call *c, stage then) {
  const oq_env *e = c->env;
  const oq_mark mark = oq_arena_mark(e->scratch);
  const size_t before = oq_diags_count(e->diags);
  oq_status s;

  c->session->now = c;
  s = check_kinds(c);
  if (s == OQ_OK) s = check_dtype(c);
  if (s == OQ_OK) s = infer(c);
  if (s == OQ_OK) s = set_outputs(c);
  if (s == OQ_OK) s = then(c);
  c->session->now = NULL;
  if (!c->keep_scratch) oq_arena_rewind(e->scratch, mark);
  if (s != OQ_OK && oq_diags_count(e->diags) == before) {
    const oq_where w = place(c);
    return oq_fail(e->diags, s, "run.node", &w, "%s '%s': %s", w.op, w.node,
                   oq_status_text(s));
  }
  return s;
}

oq_status oq_call_run(oq_call *c) { return with_types(c, run_kernel); }
oq_status oq_call_view(oq_call *c) { return with_types(c, share); }

/* onnx/function.c - functions of a model.  They go back into the file as they
 * came; what is decoded here is for those who call them. */
#include <string.h>

#include "onnx/decode.h"

static oq_status name_of_field(oq_decoder *d, oq_name *out, oq_span message,
                               uint32_t number) {
  oq_cursor c = {message.p, message.p + message.n};
  oq_field f;
  oq_span text = {(const uint8_t *)"", 0};

  while (c.p < c.end && oq_wire_next(&f, &c) == NULL) {
    if (f.number == number) text = f.value;
  }
  if (number == 10 && text.n == 7 && memcmp(text.p, "ai.onnx", 7) == 0) {
    text.n = 0;
  }
  if (oq_names_add(d->model->names, out, (const char *)text.p, text.n) !=
      OQ_OK) {
    return oq_fail_memory(d->env->diags);
  }
  return OQ_OK;
}

/* Who they are, whatever is in them. */
static oq_status decode_names(oq_decoder *d) {
  oq_model_ir *m = d->model;
  const uint32_t n = oq_extra_count(m->extra, 25, NULL);
  uint32_t k = 0;
  oq_field f;

  if (n == 0) return OQ_OK;
  oq_name *names = OQ_NEW_N(d->arena, oq_name, 2 * (size_t)n);
  if (names == NULL) return oq_fail_memory(d->env->diags);
  oq_cursor c = {m->extra->bytes, m->extra->bytes + m->extra->size};
  while (c.p < c.end && k < n && oq_wire_next(&f, &c) == NULL) {
    if (f.number != 25) continue;
    OQ_TRY(name_of_field(d, &names[2 * k], f.value, 10));
    OQ_TRY(name_of_field(d, &names[2 * k + 1], f.value, 1));
    k++;
  }
  m->has_functions = true;
  m->functions = names;
  m->n_functions = n;
  return OQ_OK;
}

/* ---- bodies ------------------------------------------------------------- */
static oq_status names_of(oq_decoder *d, const oq_name **out, char *const *text,
                          size_t n) {
  oq_name *names = OQ_NEW_N(d->arena, oq_name, n);

  if (names == NULL) return oq_fail_memory(d->env->diags);
  for (size_t i = 0; i < n; i++) OQ_TRY(oq_decode_name(d, &names[i], text[i]));
  *out = names;
  return OQ_OK;
}

static oq_status infos_of(oq_decoder *d, Oqpb__ValueInfoProto ***out,
                          char *const *text, size_t n) {
  Oqpb__ValueInfoProto *v = OQ_NEW_N(d->scratch, Oqpb__ValueInfoProto, n);
  Oqpb__ValueInfoProto **list = OQ_NEW_N(d->scratch, Oqpb__ValueInfoProto *, n);

  if (v == NULL || list == NULL) return oq_fail_memory(d->env->diags);
  for (size_t i = 0; i < n; i++) {
    oqpb__value_info_proto__init(&v[i]);
    v[i].name = text[i];
    list[i] = &v[i];
  }
  *out = list;
  return OQ_OK;
}

/* A graph whose inputs and outputs have no types. */
static oq_status body_of(oq_decoder *d, oq_graph **out,
                         const Oqpb__FunctionProto *p) {
  Oqpb__GraphProto g;
  oq_name name;

  oqpb__graph_proto__init(&g);
  OQ_TRY(infos_of(d, &g.input, p->input, p->n_input));
  OQ_TRY(infos_of(d, &g.output, p->output, p->n_output));
  g.n_input = p->n_input;
  g.n_output = p->n_output;
  g.node = p->node;
  g.n_node = p->n_node;
  OQ_TRY(oq_decode_name(d, &name, p->name));
  if (oq_ir_add_graph(out, d->model, NULL, name) != OQ_OK) {
    return oq_fail_memory(d->env->diags);
  }
  return oq_decode_graph(d, *out, &g);
}

static oq_status decode_one(oq_decoder *d, oq_function *f) {
  ProtobufCMessage *root;
  oq_graph *g = NULL;
  oq_attr *a;
  oq_opset *opsets = NULL;

  OQ_TRY(oq_decode_unpack(&root, d, &oqpb__function_proto__descriptor));
  const Oqpb__FunctionProto *p = (const Oqpb__FunctionProto *)root;
  OQ_TRY(oq_decode_name(d, &f->overload, p->overload));
  OQ_TRY(names_of(d, &f->params, p->attribute, p->n_attribute));
  OQ_TRY(body_of(d, &g, p));
  a = OQ_NEW_N(d->arena, oq_attr, p->n_attribute_proto);
  if (a == NULL) return oq_fail_memory(d->env->diags);
  d->in_function = false; /* a default refers to nothing */
  for (size_t i = 0; i < p->n_attribute_proto; i++) {
    const oq_where w = OQ_WHERE_INIT;
    OQ_TRY(oq_decode_attr(d, &a[i], g, p->attribute_proto[i], w));
  }
  OQ_TRY(oq_decode_opsets(d, &opsets, &f->n_opsets, p->opset_import,
                          p->n_opset_import));
  f->n_params = (uint32_t)p->n_attribute;
  f->n_defaults = (uint32_t)p->n_attribute_proto;
  f->defaults = a;
  f->opsets = opsets;
  f->graph = g;
  return OQ_OK;
}

/* Numbers of the function are in a store of its own, since the model shares
 * stores with its copies. */
static oq_status decode_apart(const oq_decoder *d, oq_function *f,
                              oq_span bytes, const oq_env *quiet) {
  oq_decoder x = *d;
  void *copy;

  if (oq_store_new(&x.file, &copy, bytes.n, d->env->alloc) != OQ_OK) {
    return OQ_E_MEMORY;
  }
  if (bytes.n > 0) memcpy(copy, bytes.p, bytes.n);
  OQ_TRY(oq_ir_keep_store(d->model, x.file));
  memset(&x.slim, 0, sizeof x.slim);
  x.env = quiet;
  x.in_function = true;
  return decode_one(&x, f);
}

static oq_status decode_or_warn(oq_decoder *d, oq_function *f, oq_span bytes) {
  oq_env quiet = *d->env;
  oq_where w = OQ_WHERE_INIT;

  if (oq_diags_create(&quiet.diags, quiet.alloc) != OQ_OK) {
    return oq_fail_memory(d->env->diags);
  }
  const oq_status s = decode_apart(d, f, bytes, &quiet);
  const size_t n = oq_diags_count(quiet.diags);
  w.op = oq_names_text(d->model->names, f->name);
  if (s != OQ_OK && s != OQ_E_MEMORY) {
    f->graph = NULL;
    oq_warn(d->env->diags, "function.form", &w,
            "function '%s' is kept, but cannot be used: %s", w.op,
            n > 0 ? oq_diags_at(quiet.diags, n - 1)->text : oq_status_text(s));
  }
  oq_diags_destroy(quiet.diags);
  return s == OQ_E_MEMORY ? oq_fail_memory(d->env->diags) : OQ_OK;
}

oq_status oq_decode_functions(oq_decoder *d) {
  oq_model_ir *m = d->model;
  oq_function *f;
  uint32_t k = 0;
  oq_field x;

  OQ_TRY(decode_names(d));
  if (m->n_functions == 0) return OQ_OK;
  f = OQ_NEW_N(d->arena, oq_function, m->n_functions);
  if (f == NULL) return oq_fail_memory(d->env->diags);
  oq_cursor c = {m->extra->bytes, m->extra->bytes + m->extra->size};
  while (c.p < c.end && k < m->n_functions && oq_wire_next(&x, &c) == NULL) {
    if (x.number != 25) continue;
    f[k].domain = m->functions[2 * k];
    f[k].name = m->functions[2 * k + 1];
    OQ_TRY(decode_or_warn(d, &f[k++], x.value));
  }
  m->function_defs = f;
  return OQ_OK;
}

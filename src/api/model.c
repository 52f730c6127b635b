/* api/model.c - load, override, expose, save. */
#include <string.h>

#include "api/api.h"
#include "base/sink.h"
#include "onnx/codec.h"

/* ---- create, destroy ----------------------------------------------------- */
static oq_status fill(oq_model *m) {
  const oq_env *e = &m->cx->env;

  OQ_TRY(oq_arena_create(&m->arena, e->alloc, 0));
  if (oq_graph_feeds(&m->feeds, &m->n_feeds, m->ir->main, m->arena) != OQ_OK) {
    return oq_fail_memory(e->diags);
  }
  m->feed_types = OQ_NEW_N(m->arena, const oq_type *, m->n_feeds);
  if (m->feed_types == NULL) return oq_fail_memory(e->diags);
  for (uint32_t i = 0; i < m->n_feeds; i++) {
    m->feed_types[i] = oq_graph_value(m->ir->main, m->feeds[i])->type;
  }
  return oq_ops_bind(m->ir, e);
}

oq_status oq_model_wrap(oq_model **out, oq_context *cx, oq_model_ir *ir) {
  oq_model *m = oq_alloc_get(&cx->alloc, sizeof *m, _Alignof(oq_model));
  oq_status s;

  if (m == NULL) {
    oq_ir_destroy(ir);
    return oq_fail_memory(cx->diags);
  }
  memset(m, 0, sizeof *m);
  m->cx = cx;
  m->ir = ir;
  s = fill(m);
  if (s != OQ_OK) {
    oq_model_destroy(m);
    return s;
  }
  *out = m;
  return OQ_OK;
}

void oq_model_destroy(oq_model *m) {
  if (m == NULL) return;
  oq_arena_destroy(m->arena);
  oq_ir_destroy(m->ir);
  oq_alloc_put(&m->cx->alloc, m, sizeof *m);
}

oq_status oq_model_from_store(oq_model **out, oq_context *cx, oq_store *file,
                              const char *base_dir) {
  oq_model_ir *ir;

  OQ_TRY(oq_onnx_decode(&ir, file, base_dir, &cx->env));
  return oq_model_wrap(out, cx, ir);
}

static char *folder_of(const char *path, oq_arena *a) {
  const char *slash = strrchr(path, '/');

  if (slash == NULL) return oq_arena_copy_text(a, ".", 1);
  if (slash == path) return oq_arena_copy_text(a, "/", 1);
  return oq_arena_copy_text(a, path, (size_t)(slash - path));
}

oq_status oq_model_load_file(oq_model **out, oq_context *cx, const char *path) {
  oq_store *file;
  oq_mark mark;
  oq_status s;

  if (out == NULL || cx == NULL || path == NULL) return OQ_E_ARGUMENT;
  OQ_TRY(oq_store_map(&file, path, cx->limits.max_model_bytes, &cx->alloc,
                      cx->diags));
  mark = oq_arena_mark(cx->scratch);
  const char *folder = folder_of(path, cx->scratch);
  s = folder != NULL ? oq_model_from_store(out, cx, file, folder)
                     : oq_fail_memory(cx->diags);
  oq_arena_rewind(cx->scratch, mark);
  oq_store_unref(file);
  return s;
}

oq_status oq_model_load_memory(oq_model **out, oq_context *cx, const void *data,
                               size_t size, const char *base_dir) {
  oq_store *bytes;
  oq_status s;

  if (out == NULL || cx == NULL || (data == NULL && size > 0)) {
    return OQ_E_ARGUMENT;
  }
  if (size > cx->limits.max_model_bytes) {
    return oq_fail(cx->diags, OQ_E_LIMIT, "model.bytes", NULL,
                   "the model has %zu bytes, the limit is %llu", size,
                   (unsigned long long)cx->limits.max_model_bytes);
  }
  if (oq_store_wrap(&bytes, data, size, &cx->alloc) != OQ_OK) {
    return oq_fail_memory(cx->diags);
  }
  s = oq_model_from_store(out, cx, bytes, base_dir);
  oq_store_unref(bytes);
  return s;
}

/* ---- save ---------------------------------------------------------------- */
oq_status oq_model_save_file(oq_model *m, const char *path,
                             const oq_save_options *opt) {
  oq_save_options own = OQ_SAVE_OPTIONS_INIT;

  if (m == NULL || path == NULL) return OQ_E_ARGUMENT;
  OQ_TRY(oq_options_copy(&own, sizeof own, opt));
  if ((uint32_t)own.external_data > (uint32_t)OQ_EXTERNAL_NEVER) {
    return OQ_E_ARGUMENT;
  }
  return oq_onnx_save(m->ir, path, own.external_data, own.keep_unchanged != 0,
                      &m->cx->env);
}

oq_status oq_model_save_stream(oq_model *m,
                               oq_status (*write)(void *user, const void *p,
                                                  size_t n),
                               void *user) {
  oq_sink *to;
  oq_status s;

  if (m == NULL || write == NULL) return OQ_E_ARGUMENT;
  OQ_TRY(oq_sink_open_call(&to, write, user, &m->cx->alloc, m->cx->diags));
  s = oq_onnx_encode(m->ir, to, &m->cx->env);
  if (s == OQ_OK) s = oq_sink_commit(to);
  oq_sink_close(to);
  return s;
}

/* ---- overrides ----------------------------------------------------------- */
void oq_model_swap_types(const oq_model *m, oq_graph *g,
                         const oq_type **types) {
  for (uint32_t i = 0; i < m->n_feeds; i++) {
    const oq_type *old = oq_graph_value(g, m->feeds[i])->type;

    oq_edit_set_type(g, m->feeds[i], types[i]);
    types[i] = old;
  }
}

static oq_type *own_type(oq_model *m, uint32_t feed) {
  oq_type *t = OQ_NEW(m->arena, oq_type);

  if (t != NULL && m->feed_types[feed] != NULL) *t = *m->feed_types[feed];
  return t;
}

static bool has_symbol(const oq_type *t, oq_name symbol) {
  if (t == NULL || t->kind != OQ_TYPE_TENSOR || !t->has_rank) return false;
  for (uint32_t d = 0; d < t->rank; d++) {
    if (oq_name_eq(t->dim[d].symbol, symbol)) return true;
  }
  return false;
}

static oq_status fix_symbol(oq_model *m, uint32_t feed, oq_name symbol,
                            int64_t size) {
  oq_type *t = own_type(m, feed);

  if (t == NULL) return oq_fail_memory(m->cx->diags);
  for (uint32_t d = 0; d < t->rank; d++) {
    /* The symbol stays, so that a second override finds it. */
    if (oq_name_eq(t->dim[d].symbol, symbol)) t->dim[d].size = size;
  }
  m->feed_types[feed] = t;
  return OQ_OK;
}

oq_status oq_model_set_dim(oq_model *m, const char *symbol, int64_t size) {
  oq_name name;
  uint32_t n = 0;

  if (m == NULL || symbol == NULL || symbol[0] == '\0' || size < 0) {
    return OQ_E_ARGUMENT;
  }
  if (oq_names_find(m->ir->names, &name, symbol, strlen(symbol))) {
    for (uint32_t i = 0; i < m->n_feeds; i++) {
      if (!has_symbol(m->feed_types[i], name)) continue;
      OQ_TRY(fix_symbol(m, i, name, size));
      n++;
    }
  }
  if (n == 0) {
    return oq_fail(m->cx->diags, OQ_E_MODEL, "model.symbol", NULL,
                   "no input has a dimension named '%s'", symbol);
  }
  m->info = NULL;
  return OQ_OK;
}

static oq_status find_feed(uint32_t *out, const oq_model *m,
                           const char *input) {
  oq_where w = OQ_WHERE_INIT;

  for (uint32_t i = 0; i < m->n_feeds; i++) {
    if (strcmp(oq_value_text(m->ir->main, m->feeds[i]), input) == 0) {
      *out = i;
      return OQ_OK;
    }
  }
  w.value = input;
  return oq_fail(m->cx->diags, OQ_E_MODEL, "model.input", &w,
                 "the model has no input '%s'", input);
}

static oq_status refuse_shape(const oq_model *m, const char *input,
                              const int64_t *dim, uint32_t rank,
                              const oq_type *declared) {
  int64_t want[OQ_MAX_RANK];
  char a[160], b[160];
  oq_where w = OQ_WHERE_INIT;

  for (uint32_t d = 0; d < declared->rank; d++) {
    want[d] = declared->dim[d].size;
  }
  oq_shape_print(a, sizeof a, dim, rank);
  oq_shape_print(b, sizeof b, want, declared->rank);
  w.value = input;
  return oq_fail(m->cx->diags, OQ_E_MODEL, "model.shape", &w,
                 "input '%s' is declared as %s and cannot be %s", input, b, a);
}

static bool narrows(const oq_type *declared, const int64_t *dim,
                    uint32_t rank) {
  if (!declared->has_rank) return true;
  if (declared->rank != rank) return false;
  for (uint32_t d = 0; d < rank; d++) {
    const int64_t want = declared->dim[d].size;
    if (dim[d] >= 0 && want != OQ_DIM_UNKNOWN && want != dim[d]) return false;
  }
  return true;
}

oq_status oq_model_set_shape(oq_model *m, const char *input, const int64_t *dim,
                             uint32_t rank) {
  const oq_type *declared;
  uint32_t feed = 0;

  if (m == NULL || input == NULL || rank > OQ_MAX_RANK ||
      (dim == NULL && rank > 0)) {
    return OQ_E_ARGUMENT;
  }
  for (uint32_t d = 0; d < rank; d++) {
    if (dim[d] < OQ_DIM_UNKNOWN) return OQ_E_ARGUMENT;
  }
  OQ_TRY(find_feed(&feed, m, input));
  declared = oq_graph_value(m->ir->main, m->feeds[feed])->type;
  if (declared != NULL && declared->kind == OQ_TYPE_TENSOR &&
      !narrows(declared, dim, rank)) {
    return refuse_shape(m, input, dim, rank, declared);
  }
  oq_type *t = own_type(m, feed);
  if (t == NULL) return oq_fail_memory(m->cx->diags);
  for (uint32_t d = 0; !t->has_rank && d < rank; d++) {
    t->dim[d] = (oq_dim){.size = OQ_DIM_UNKNOWN};
  }
  t->kind = OQ_TYPE_TENSOR;
  t->has_rank = true;
  t->rank = rank;
  for (uint32_t d = 0; d < rank; d++) {
    if (dim[d] != OQ_DIM_UNKNOWN) t->dim[d].size = dim[d];
  }
  m->feed_types[feed] = t;
  m->info = NULL;
  return OQ_OK;
}

/* ---- expose -------------------------------------------------------------- */
static oq_status expose_one(oq_model_ir *ir, const oq_type *const *types,
                            const char *value, oq_diags *d) {
  oq_graph *g = ir->main;
  oq_value_id v = {OQ_NONE};
  oq_where w = OQ_WHERE_INIT;
  oq_name name;

  if (oq_names_find(ir->names, &name, value, strlen(value))) {
    v = oq_graph_find_value(g, name);
  }
  if (!oq_value_ok(v)) {
    w.value = value;
    return oq_fail(d, OQ_E_MODEL, "model.value", &w,
                   "the model has no value '%s'", value);
  }
  if (oq_value_is_output(g, v)) return OQ_OK;
  /* Behind an operator nobody here knows the other engine has to infer it. */
  if (oq_graph_value(g, v)->type == NULL && types[v.i] != NULL &&
      (types[v.i]->kind != OQ_TYPE_TENSOR || types[v.i]->dtype != OQ_DT_NONE)) {
    oq_edit_set_type(g, v, types[v.i]);
  }
  return oq_edit_add_output(g, v);
}

static oq_status expose(oq_model_ir *ir, const char *const *values,
                        size_t n_values, const oq_env *e) {
  const oq_type **types;

  OQ_TRY(oq_ops_bind(ir, e));
  /* They become part of the graph, so they live where it lives. */
  OQ_TRY(oq_infer_types(&types, ir->main, ir->arena, e));
  for (size_t i = 0; i < n_values; i++) {
    OQ_TRY(expose_one(ir, types, values[i], e->diags));
  }
  return oq_ir_verify(ir, e);
}

oq_status oq_model_expose(oq_model **out, oq_model *m,
                          const char *const *values, size_t n_values) {
  oq_model_ir *ir;
  oq_status s;

  if (out == NULL || m == NULL || (values == NULL && n_values > 0)) {
    return OQ_E_ARGUMENT;
  }
  OQ_TRY(oq_ir_clone(&ir, m->ir, &m->cx->env));
  s = expose(ir, values, n_values, &m->cx->env);
  if (s != OQ_OK) {
    oq_ir_destroy(ir);
    return s;
  }
  return oq_model_wrap(out, m->cx, ir);
}

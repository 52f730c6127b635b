/* api/tensor_file.c - serialized values as views. */
#include <string.h>

#include "api/api.h"
#include "onnx/codec.h"

struct oq_tensor_file {
  oq_alloc *alloc;
  oq_store *bytes;
  oq_arena *arena;
  const char *name;
  oq_value_view view;
};

static oq_status view_tensor(oq_value_view *out, const oq_ctensor *t,
                             const char *name, oq_context *cx) {
  oq_where w = OQ_WHERE_INIT;

  w.value = name;
  if (oq_dtype_bits((int32_t)t->dtype) == 0)
    return oq_fail(cx->diags, OQ_E_UNSUPPORTED, "tensor.dtype", &w,
                   "tensor '%s' is of type %s, which a view cannot show", name,
                   oq_dtype_text((int32_t)t->dtype));
  *out = (oq_value_view){.kind = OQ_KIND_TENSOR, .tensor = oq_view_of(t)};
  return OQ_OK;
}

/* Of what may be inside what, two levels are values of models: an optional of a
 * sequence of tensors. */
enum { MOST_LEVELS = 2 };

static oq_status view_value(oq_value_view *out, oq_tensor_file *f,
                            const oq_data_value *v, unsigned level,
                            oq_context *cx) {
  oq_value_view *item;

  if (v->kind == OQ_DATA_TENSOR)
    return view_tensor(out, &v->tensor, v->name != NULL ? v->name : "", cx);
  if (level == MOST_LEVELS || (level > 0 && v->kind == OQ_DATA_OPTIONAL))
    return oq_fail(cx->diags, OQ_E_UNSUPPORTED, "data.kind", NULL,
                   "the data nest deeper than an optional of a sequence of "
                   "tensors");
  item = OQ_NEW_N(f->arena, oq_value_view, v->n_items);
  if (item == NULL) return oq_fail_memory(cx->diags);
  for (uint32_t i = 0; i < v->n_items; i++)
    OQ_TRY(view_value(&item[i], f, &v->item[i],
                      v->kind == OQ_DATA_SEQUENCE ? MOST_LEVELS : level + 1,
                      cx));
  *out = (oq_value_view){.kind = v->kind == OQ_DATA_SEQUENCE
                                     ? (int32_t)OQ_KIND_SEQUENCE
                                     : (int32_t)OQ_KIND_OPTIONAL,
                         .item = item,
                         .n_items = v->n_items};
  if (v->kind == OQ_DATA_SEQUENCE && v->n_items > 0)
    out->tensor.dtype = item[0].tensor.dtype;
  return OQ_OK;
}

static oq_status load(oq_tensor_file *f, oq_context *cx, const char *path,
                      oq_data_kind kind) {
  oq_data_value v;
  const void *p;
  size_t n;

  OQ_TRY(oq_store_map(&f->bytes, path, cx->limits.max_model_bytes, &cx->alloc,
                      cx->diags));
  OQ_TRY(oq_arena_create(&f->arena, &cx->alloc, 0));
  p = oq_store_data(f->bytes, &n);
  OQ_TRY(oq_onnx_decode_data(&v, kind, p, n, f->arena, &cx->env));
  f->name = v.name != NULL ? v.name : "";
  return view_value(&f->view, f, &v, 0, cx);
}

oq_status oq_tensor_file_load_value(oq_tensor_file **out, oq_context *cx,
                                    const char *path, int32_t kind) {
  oq_tensor_file *f;
  oq_status s;

  if (out == NULL || cx == NULL || path == NULL ||
      (kind != OQ_KIND_TENSOR && kind != OQ_KIND_SEQUENCE &&
       kind != OQ_KIND_OPTIONAL))
    return OQ_E_ARGUMENT;
  f = oq_alloc_get(&cx->alloc, sizeof *f, _Alignof(oq_tensor_file));
  if (f == NULL) return oq_fail_memory(cx->diags);
  memset(f, 0, sizeof *f);
  f->alloc = &cx->alloc;
  s = load(f, cx, path,
           kind == OQ_KIND_TENSOR     ? OQ_DATA_TENSOR
           : kind == OQ_KIND_SEQUENCE ? OQ_DATA_SEQUENCE
                                      : OQ_DATA_OPTIONAL);
  if (s != OQ_OK) {
    oq_tensor_file_destroy(f);
    return s;
  }
  *out = f;
  return OQ_OK;
}

oq_status oq_tensor_file_load(oq_tensor_file **out, oq_context *cx,
                              const char *path) {
  return oq_tensor_file_load_value(out, cx, path, OQ_KIND_TENSOR);
}

const oq_value_view *oq_tensor_file_value(const oq_tensor_file *f) {
  return &f->view;
}

const oq_tensor_view *oq_tensor_file_view(const oq_tensor_file *f) {
  return f->view.kind == OQ_KIND_TENSOR ? &f->view.tensor : NULL;
}

const char *oq_tensor_file_name(const oq_tensor_file *f) { return f->name; }

void oq_tensor_file_destroy(oq_tensor_file *f) {
  if (f == NULL) return;
  oq_arena_destroy(f->arena);
  oq_store_unref(f->bytes);
  oq_alloc_put(f->alloc, f, sizeof *f);
}

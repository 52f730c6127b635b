/* api/tensor_file.c - a serialized TensorProto as a view. */
#include <string.h>

#include "api/api.h"
#include "onnx/codec.h"

struct oq_tensor_file {
  oq_alloc *alloc;
  oq_store *bytes;
  oq_arena *arena;
  const char *name;
  oq_tensor_view view;
};

static oq_status load(oq_tensor_file *f, oq_context *cx, const char *path) {
  oq_ctensor t;
  const void *p;
  size_t n;
  oq_where w = OQ_WHERE_INIT;

  OQ_TRY(oq_store_map(&f->bytes, path, cx->limits.max_model_bytes, &cx->alloc,
                      cx->diags));
  OQ_TRY(oq_arena_create(&f->arena, &cx->alloc, 0));
  p = oq_store_data(f->bytes, &n);
  OQ_TRY(oq_onnx_decode_tensor(&t, &f->name, p, n, f->arena, &cx->env));
  if (oq_dtype_bits((int32_t)t.dtype) == 0) {
    w.value = f->name;
    return oq_fail(cx->diags, OQ_E_UNSUPPORTED, "tensor.dtype", &w,
                   "tensor '%s' is of type %s, which a view cannot show",
                   f->name, oq_dtype_text((int32_t)t.dtype));
  }
  f->view = oq_view_of(&t);
  return OQ_OK;
}

oq_status oq_tensor_file_load(oq_tensor_file **out, oq_context *cx,
                              const char *path) {
  oq_tensor_file *f;
  oq_status s;

  if (out == NULL || cx == NULL || path == NULL) return OQ_E_ARGUMENT;
  f = oq_alloc_get(&cx->alloc, sizeof *f, _Alignof(oq_tensor_file));
  if (f == NULL) return oq_fail_memory(cx->diags);
  memset(f, 0, sizeof *f);
  f->alloc = &cx->alloc;
  s = load(f, cx, path);
  if (s != OQ_OK) {
    oq_tensor_file_destroy(f);
    return s;
  }
  *out = f;
  return OQ_OK;
}

const oq_tensor_view *oq_tensor_file_view(const oq_tensor_file *f) {
  return &f->view;
}

const char *oq_tensor_file_name(const oq_tensor_file *f) { return f->name; }

void oq_tensor_file_destroy(oq_tensor_file *f) {
  if (f == NULL) return;
  oq_arena_destroy(f->arena);
  oq_store_unref(f->bytes);
  oq_alloc_put(f->alloc, f, sizeof *f);
}

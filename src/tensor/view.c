/* tensor/view.c - views at the border of the library <-> tensors. */
#include <string.h>

#include "tensor/tensor.h"

oq_tensor_view oq_view_of(const oq_ctensor *t) {
  oq_tensor_view v = {.dtype = (int32_t)t->dtype,
                      .rank = t->shape.rank,
                      .data = t->data,
                      .size = t->size};

  memcpy(v.dim, t->shape.dim, sizeof v.dim);
  return v;
}

static size_t align_of(int32_t dtype) {
  const uint32_t bytes = oq_dtype_bits(dtype) / 8;

  if (dtype == OQ_DT_STRING) return _Alignof(oq_text);
  return bytes <= 1 ? 1 : bytes < 8 ? bytes : 8;
}

/* Aligned elements; what they point to can only be trusted. */
static bool are_texts(const oq_ctensor *t) {
  const oq_text *x = oq_texts(t);
  const size_t n = oq_tensor_count(t);
  size_t all;

  for (size_t i = 0; i < n; i++) {
    if (x[i].p == NULL && x[i].n != 0) return false;
  }
  return oq_texts_bytes(&all, x, n) && all <= PTRDIFF_MAX;
}

oq_status oq_view_take(oq_ctensor *out, const oq_tensor_view *v,
                       const char *name, oq_arena *a, oq_diags *d) {
  oq_where w = OQ_WHERE_INIT;
  oq_ctensor t = {
      .dtype = (oq_dtype)v->dtype, .size = v->size, .data = v->data};
  size_t n;

  w.value = name;
  t.shape.rank = v->rank;
  if (v->rank <= OQ_MAX_RANK) {
    memcpy(t.shape.dim, v->dim, v->rank * sizeof v->dim[0]);
  }
  if (v->rank > OQ_MAX_RANK || oq_dtype_bits(v->dtype) == 0 ||
      oq_shape_bytes(&n, &t.shape, v->dtype) != OQ_OK || n != v->size ||
      (n > 0 && v->data == NULL)) {
    return oq_fail(d, OQ_E_DATA, "input.view", &w,
                   "the view for '%s' (%s, rank %u, %zu bytes) is not a dense "
                   "tensor",
                   name, oq_dtype_text(v->dtype), v->rank, v->size);
  }
  if (n > 0 && (uintptr_t)v->data % align_of(v->dtype) != 0) {
    void *p = oq_arena_alloc_raw(a, 1, n, OQ_ALIGN);
    if (p == NULL) return oq_fail_memory(d);
    memcpy(p, v->data, n);
    t.data = p;
  }
  if (t.dtype == OQ_DT_STRING && !are_texts(&t)) {
    return oq_fail(d, OQ_E_DATA, "input.text", &w,
                   "the view for '%s' has a text without bytes, or more bytes "
                   "of texts than there can be",
                   name);
  }
  *out = t;
  return OQ_OK;
}

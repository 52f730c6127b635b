/* tensor/shape.c - sizes, and how two of them fit together. */
#include <stdio.h>
#include <string.h>

#include "tensor/tensor.h"

oq_status oq_shape_count(size_t *out, const oq_shape *s) {
  size_t n = 1;
  bool empty = false;

  for (uint32_t i = 0; i < s->rank; i++) {
    if (s->dim[i] < 0) return OQ_E_MODEL;
    empty = empty || s->dim[i] == 0;
  }
  /* An empty tensor may have other dimensions of any size. */
  for (uint32_t i = 0; i < s->rank && !empty; i++) {
    if (!oq_mul_size(&n, n, (size_t)s->dim[i])) return OQ_E_LIMIT;
  }
  /* Offsets into it are int64_t. */
  if (n > PTRDIFF_MAX) return OQ_E_LIMIT;
  *out = empty ? 0 : n;
  return OQ_OK;
}

oq_status oq_shape_bytes(size_t *out, const oq_shape *s, int32_t dtype) {
  size_t n, size;

  OQ_TRY(oq_shape_count(&n, s));
  if (oq_dtype_bits(dtype) == 0) return OQ_E_UNSUPPORTED;
  if (!oq_dtype_bytes(&size, n, dtype) || size > PTRDIFF_MAX) {
    return OQ_E_LIMIT;
  }
  *out = size;
  return OQ_OK;
}

bool oq_shape_equal(const oq_shape *a, const oq_shape *b) {
  if (a->rank != b->rank) return false;
  for (uint32_t i = 0; i < a->rank; i++) {
    if (a->dim[i] != b->dim[i]) return false;
  }
  return true;
}

/* Dimension `i` of a shape seen as one of rank `rank`. */
static int64_t dim_from_right(const oq_shape *s, uint32_t rank, uint32_t i) {
  const uint32_t missing = rank - s->rank;

  return i < missing ? 1 : s->dim[i - missing];
}

bool oq_shape_broadcast(oq_shape *out, const oq_shape *a, const oq_shape *b) {
  oq_shape s = {a->rank > b->rank ? a->rank : b->rank, {0}};

  for (uint32_t i = 0; i < s.rank; i++) {
    const int64_t x = dim_from_right(a, s.rank, i);
    const int64_t y = dim_from_right(b, s.rank, i);
    if (x != y && x != 1 && y != 1) return false;
    s.dim[i] = x == 1 ? y : x;
  }
  *out = s;
  return true;
}

bool oq_axis_normalize(uint32_t *out, int64_t axis, uint32_t rank) {
  const int64_t r = (int64_t)rank;

  if (axis < -r || axis >= r) return false;
  *out = (uint32_t)(axis < 0 ? axis + r : axis);
  return true;
}

void oq_shape_print(char *out, size_t cap, const int64_t *dim, uint32_t rank) {
  size_t n = 0;
  char piece[32];

  if (cap == 0) return;
  for (uint32_t i = 0; i <= rank; i++) {
    const char *before = i == 0 ? "[" : i == rank ? "" : ",";
    const char *after = i == rank ? "]" : "";
    if (i < rank && dim[i] >= 0) {
      (void)snprintf(piece, sizeof piece, "%s%lld%s", before, (long long)dim[i],
                     after);
    } else {
      (void)snprintf(piece, sizeof piece, "%s%s%s", before, i < rank ? "?" : "",
                     after);
    }
    const size_t size = strlen(piece);
    if (size >= cap - n) break;
    memcpy(out + n, piece, size);
    n += size;
  }
  out[n] = '\0';
}

size_t oq_tensor_count(const oq_ctensor *t) {
  size_t n = 1;

  for (uint32_t i = 0; i < t->shape.rank; i++) {
    if (t->shape.dim[i] == 0) return 0;
  }
  for (uint32_t i = 0; i < t->shape.rank; i++) n *= (size_t)t->shape.dim[i];
  return n;
}

oq_status oq_tensor_make(oq_tensor *out, oq_dtype t, const oq_shape *s,
                         oq_arena *a) {
  size_t size, padded;

  OQ_TRY(oq_shape_bytes(&size, s, (int32_t)t));
  if (!oq_add_size(&padded, size, OQ_ALIGN - 1)) return OQ_E_LIMIT;
  padded -= padded % OQ_ALIGN;
  void *data = oq_arena_alloc(a, padded != 0 ? padded : OQ_ALIGN, 1, OQ_ALIGN);
  if (data == NULL) return OQ_E_MEMORY;
  *out = (oq_tensor){t, *s, size, data};
  return OQ_OK;
}

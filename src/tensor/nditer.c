/* tensor/nditer.c - the shape walked by as few and as long runs as can be. */
#include <string.h>

#include "tensor/tensor.h"

/* Strides of a dense tensor seen through a bigger shape. */
static void broadcast_strides(int64_t *stride, const oq_shape *out,
                              const oq_shape *s) {
  const uint32_t missing = out->rank - s->rank;
  int64_t step = 1;

  memset(stride, 0, OQ_MAX_RANK * sizeof *stride);
  for (uint32_t i = s->rank; i-- > 0;) {
    if (s->dim[i] != 1) stride[i + missing] = step;
    step *= s->dim[i];
  }
}

/* May axis `in` follow axis `out` without a gap, for every operand? */
static bool can_merge(const oq_iter *it, uint32_t out, uint32_t in) {
  for (uint32_t k = 0; k < it->n; k++) {
    int64_t whole;
    if (!oq_mul_i64(&whole, it->stride[k][in], it->dim[in])) return false;
    if (it->stride[k][out] != whole) return false;
  }
  return true;
}

static void move_axis(oq_iter *it, uint32_t to, uint32_t from) {
  it->dim[to] = it->dim[from];
  for (uint32_t k = 0; k < it->n; k++) {
    it->stride[k][to] = it->stride[k][from];
  }
}

/* Drops axes of size 1 and merges neighbours; keeps the order. */
static void merge_axes(oq_iter *it) {
  uint32_t rank = 0;

  for (uint32_t i = 0; i < it->rank; i++) {
    if (it->dim[i] == 1) continue;
    move_axis(it, rank, i);
    if (rank > 0 && can_merge(it, rank - 1, rank)) {
      const int64_t dim = it->dim[rank - 1] * it->dim[rank];
      move_axis(it, rank - 1, rank);
      it->dim[rank - 1] = dim;
    } else {
      rank++;
    }
  }
  it->rank = rank;
}

static bool is_empty(const oq_shape *s) {
  for (uint32_t i = 0; i < s->rank; i++) {
    if (s->dim[i] == 0) return true;
  }
  return false;
}

/* it->stride is filled; takes the innermost axis out as the run. */
static void start(oq_iter *it, const oq_shape *out, uint32_t n) {
  it->n = n;
  it->rank = out->rank;
  memset(it->at, 0, sizeof it->at);
  memset(it->offset, 0, sizeof it->offset);
  memset(it->step, 0, sizeof it->step);
  memcpy(it->dim, out->dim, sizeof it->dim);
  if (is_empty(out)) {
    it->rank = 0;
    it->run = 0;
    return;
  }
  merge_axes(it);
  if (it->rank == 0) { /* one element: any step will do, dense is fastest */
    it->run = 1;
    for (uint32_t k = 0; k < n; k++) it->step[k] = 1;
    return;
  }
  it->rank--;
  it->run = (size_t)it->dim[it->rank];
  for (uint32_t k = 0; k < n; k++) it->step[k] = it->stride[k][it->rank];
}

void oq_iter_init(oq_iter *it, const oq_shape *out,
                  const oq_shape *const *shapes, uint32_t n) {
  for (uint32_t k = 0; k < n; k++) {
    if (is_empty(out)) break; /* other sizes may be anything then */
    broadcast_strides(it->stride[k], out, shapes[k]);
  }
  start(it, out, n);
}

void oq_iter_init_strided(oq_iter *it, const oq_shape *out,
                          const int64_t (*strides)[OQ_MAX_RANK], uint32_t n) {
  for (uint32_t k = 0; k < n; k++) {
    memcpy(it->stride[k], strides[k], sizeof it->stride[k]);
  }
  start(it, out, n);
}

bool oq_iter_next(oq_iter *it) {
  for (uint32_t i = it->rank; i-- > 0;) {
    for (uint32_t k = 0; k < it->n; k++) it->offset[k] += it->stride[k][i];
    if (++it->at[i] < it->dim[i]) return true;
    for (uint32_t k = 0; k < it->n; k++) {
      it->offset[k] -= it->stride[k][i] * it->dim[i];
    }
    it->at[i] = 0;
  }
  return false;
}

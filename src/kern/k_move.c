/* kern/k_move - see k_move.h. */
#include "kern/k_move.h"

#include <string.h>

typedef struct wide {
  uint64_t part[2];
} wide;

void oq_fill_elements(void *dst, size_t n, const void *element, size_t size) {
  uint8_t *const d = dst;
  const size_t bytes = n * size;

  if (n == 0) return;
  memcpy(d, element, size);
  for (size_t done = size; done < bytes;) { /* doubles each time */
    const size_t step = done < bytes - done ? done : bytes - done;
    memcpy(d + done, d, step);
    done += step;
  }
}

/* ---- mapped -------------------------------------------------------------- */
static bool is_all(const oq_map_axis *a) {
  return a->at == NULL && a->start == 0 && a->step == 1 && a->in == a->out;
}

static int64_t from(const oq_map_axis *a, size_t o) {
  return a->at != NULL ? a->at[o] : a->start + (int64_t)o * a->step;
}

/* One block of some bytes at a time, its size known to the compiler; `fill` is
 * a whole block. */
#define GATHER(T)                                                            \
  static void gather_##T(uint8_t *y, const uint8_t *x, const oq_map_axis *a, \
                         const void *fill) {                                 \
    T f;                                                                     \
    memcpy(&f, fill, sizeof f);                                              \
    for (size_t o = 0; o < a->out; o++) {                                    \
      const int64_t i = from(a, o);                                          \
      if (i < 0)                                                             \
        memcpy(y + o * sizeof(T), &f, sizeof f);                             \
      else                                                                   \
        memcpy(y + o * sizeof(T), x + (size_t)i * sizeof(T), sizeof(T));     \
    }                                                                        \
  }
GATHER(uint8_t)
GATHER(uint16_t)
GATHER(uint32_t)
GATHER(uint64_t)
GATHER(wide)

/* How many outputs from `o` on follow each other in x too. */
static size_t run_length(const oq_map_axis *a, size_t o) {
  size_t n = 1;

  if (a->at == NULL) return a->step == 1 ? a->out - o : 1;
  if (a->at[o] < 0) {
    while (o + n < a->out && a->at[o + n] < 0) n++;
  } else {
    while (o + n < a->out && a->at[o + n] == a->at[o] + (int64_t)n) n++;
  }
  return n;
}

typedef struct mover {
  const oq_mapping *m;
  uint32_t outer;            /* axes above the row */
  size_t block;              /* bytes that always move together */
  size_t step[OQ_MOVE_RANK]; /* bytes of x per position of an axis */
} mover;

static void fill_blocks(uint8_t *y, size_t n, const mover *v) {
  oq_fill_elements(y, n * (v->block / v->m->size), v->m->fill, v->m->size);
}

static void move_runs(uint8_t *y, const uint8_t *x, const mover *v) {
  const oq_map_axis *const a = &v->m->axis[v->outer];

  for (size_t o = 0; o < a->out;) {
    const size_t n = run_length(a, o);
    const int64_t i = from(a, o);
    if (i < 0)
      fill_blocks(y + o * v->block, n, v);
    else
      memcpy(y + o * v->block, x + (size_t)i * v->block, n * v->block);
    o += n;
  }
}

/* Long runs by memcpy, scattered blocks by loops of their size. */
static void move_row(uint8_t *y, const uint8_t *x, const mover *v) {
  const oq_map_axis *const a = &v->m->axis[v->outer];
  uint8_t fill[sizeof(wide)] = {0};
  const bool runs =
      v->block > sizeof(wide) || (a->at == NULL && a->step == 1) ||
      (a->at != NULL && a->out >= 4 && run_length(a, a->out / 2) >= 4);

  if (!runs && v->m->fill != NULL) fill_blocks(fill, 1, v);
  if (runs)
    move_runs(y, x, v);
  else if (v->block == 1)
    gather_uint8_t(y, x, a, fill);
  else if (v->block == 2)
    gather_uint16_t(y, x, a, fill);
  else if (v->block == 4)
    gather_uint32_t(y, x, a, fill);
  else if (v->block == 8)
    gather_uint64_t(y, x, a, fill);
  else if (v->block == sizeof(wide))
    gather_wide(y, x, a, fill);
  else
    move_runs(y, x, v);
}

static const uint8_t *source(const uint8_t *x, const mover *v,
                             const size_t *at) {
  for (uint32_t i = 0; i < v->outer; i++) {
    const int64_t p = from(&v->m->axis[i], at[i]);
    if (p < 0) return NULL;
    x += (size_t)p * v->step[i];
  }
  return x;
}

static bool next(size_t *at, const oq_map_axis *axis, uint32_t n) {
  for (uint32_t i = n; i-- > 0;) {
    if (++at[i] < axis[i].out) return true;
    at[i] = 0;
  }
  return false;
}

void oq_move_mapped(void *y, const void *x, const oq_mapping *m) {
  mover v = {.m = m, .block = m->size};
  uint32_t rank = m->rank;
  uint8_t *to = y;
  const uint8_t *last = NULL;
  size_t at[OQ_MOVE_RANK] = {0};

  for (uint32_t i = 0; i < rank; i++)
    if (m->axis[i].out == 0) return;
  while (rank > 0 && is_all(&m->axis[rank - 1])) v.block *= m->axis[--rank].in;
  if (rank == 0) {
    memcpy(y, x, v.block);
    return;
  }
  v.outer = rank - 1;
  size_t step = v.block * m->axis[rank - 1].in;
  const size_t row = v.block * m->axis[rank - 1].out;
  for (uint32_t i = v.outer; i-- > 0; step *= m->axis[i].in) v.step[i] = step;
  do {
    const uint8_t *const src = source(x, &v, at);
    if (src == NULL)
      fill_blocks(to, m->axis[v.outer].out, &v);
    else if (src == last)
      memcpy(to, to - row, row); /* the row before came from there too */
    else
      move_row(to, src, &v);
    last = src;
    to += row;
  } while (next(at, m->axis, v.outer));
}

/* ---- permuted ------------------------------------------------------------ */
enum { BLOCK = 16 };

/* y[a * ya + b] = x[a + b * xb], in squares that stay in the cache. */
#define TURN(T)                                                                \
  static void turn_##T(uint8_t *y, const uint8_t *x, size_t na, size_t nb,     \
                       size_t ya, size_t xb) {                                 \
    for (size_t a0 = 0; a0 < na; a0 += BLOCK) {                                \
      const size_t a1 = na - a0 < BLOCK ? na : a0 + BLOCK;                     \
      for (size_t b0 = 0; b0 < nb; b0 += BLOCK) {                              \
        const size_t b1 = nb - b0 < BLOCK ? nb : b0 + BLOCK;                   \
        for (size_t a = a0; a < a1; a++)                                       \
          for (size_t b = b0; b < b1; b++)                                     \
            memcpy(y + (a * ya + b) * sizeof(T), x + (a + b * xb) * sizeof(T), \
                   sizeof(T));                                                 \
      }                                                                        \
    }                                                                          \
  }
TURN(uint8_t)
TURN(uint16_t)
TURN(uint32_t)
TURN(uint64_t)
TURN(wide)

static void turn(uint8_t *y, const uint8_t *x, size_t na, size_t nb, size_t ya,
                 size_t xb, size_t size) {
  if (size == 1)
    turn_uint8_t(y, x, na, nb, ya, xb);
  else if (size == 2)
    turn_uint16_t(y, x, na, nb, ya, xb);
  else if (size == 4)
    turn_uint32_t(y, x, na, nb, ya, xb);
  else if (size == 8)
    turn_uint64_t(y, x, na, nb, ya, xb);
  else
    turn_wide(y, x, na, nb, ya, xb);
}

/* Drops axes of size 1 and joins those that stay neighbours. */
static oq_permutation simplify(const oq_permutation *p) {
  oq_permutation q = {.size = p->size};

  for (uint32_t i = 0; i < p->rank; i++) {
    if (p->dim[i] == 1) continue;
    if (q.rank > 0 && q.stride[q.rank - 1] == p->stride[i] * p->dim[i]) {
      q.dim[q.rank - 1] *= p->dim[i];
      q.stride[q.rank - 1] = p->stride[i];
      continue;
    }
    q.dim[q.rank] = p->dim[i];
    q.stride[q.rank++] = p->stride[i];
  }
  return q;
}

typedef struct loop { /* the axes around the innermost work */
  uint32_t n;
  size_t dim[OQ_MOVE_RANK], to[OQ_MOVE_RANK], from[OQ_MOVE_RANK];
  size_t at[OQ_MOVE_RANK];
} loop;

static loop loop_without(const oq_permutation *p, uint32_t a, uint32_t b) {
  loop l = {0};
  size_t to = 1;

  for (uint32_t i = p->rank; i-- > 0; to *= p->dim[i]) {
    if (i == a || i == b) { continue; }
    l.dim[l.n] = p->dim[i];
    l.to[l.n] = to;
    l.from[l.n++] = p->stride[i];
  }
  return l;
}

static bool loop_next(loop *l, size_t *to, size_t *from_at) {
  for (uint32_t i = 0; i < l->n; i++) {
    *to += l->to[i];
    *from_at += l->from[i];
    if (++l->at[i] < l->dim[i]) return true;
    *to -= l->to[i] * l->dim[i];
    *from_at -= l->from[i] * l->dim[i];
    l->at[i] = 0;
  }
  return false;
}

static size_t stride_out(const oq_permutation *p, uint32_t axis) {
  size_t n = 1;

  for (uint32_t i = axis + 1; i < p->rank; i++) n *= p->dim[i];
  return n;
}

void oq_move_permuted(void *y, const void *x, const oq_permutation *p) {
  const oq_permutation q = simplify(p);
  uint8_t *const to = y;
  const uint8_t *const src = x;
  const uint32_t last = q.rank - 1;
  uint32_t unit = 0;
  size_t at = 0, out = 0;

  for (uint32_t i = 0; i < p->rank; i++)
    if (p->dim[i] == 0) return;
  if (q.rank == 0) {
    memcpy(y, x, q.size);
    return;
  }
  while (unit < last && q.stride[unit] != 1) unit++;
  loop l = loop_without(&q, last, unit);
  do {
    if (unit == last)
      memcpy(to + out * q.size, src + at * q.size, q.dim[last] * q.size);
    else
      turn(to + out * q.size, src + at * q.size, q.dim[unit], q.dim[last],
           stride_out(&q, unit), q.stride[last], q.size);
  } while (loop_next(&l, &out, &at));
}

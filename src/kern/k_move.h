/* kern/k_move - elements to other places, whatever they are: only their size
 * counts (1, 2, 4, 8 or 16 bytes). */
#ifndef OQ_KERN_K_MOVE_H
#define OQ_KERN_K_MOVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { OQ_MOVE_RANK = 8 };

/* n copies of one element. */
void oq_fill_elements(void *dst, size_t n, const void *element, size_t size);

/* Where the positions of an output axis come from: at[o] if there is a table,
 * else start + o * step.  Negative in a table: from nowhere. */
typedef struct oq_map_axis {
  size_t in, out;
  const int64_t *at;
  int64_t start, step;
} oq_map_axis;

/* y[o0][o1]... = x[map0(o0)][map1(o1)]..., or `fill` where one comes from
 * nowhere.  Slices, pads, repeats, gathers and nearest neighbours are all
 * this. */
typedef struct oq_mapping {
  uint32_t rank;
  oq_map_axis axis[OQ_MOVE_RANK];
  size_t size;      /* of an element */
  const void *fill; /* an element; NULL if no map is ever negative */
} oq_mapping;

static inline oq_map_axis oq_map_all(size_t n) {
  return (oq_map_axis){.in = n, .out = n, .step = 1};
}
void oq_move_mapped(void *y, const void *x, const oq_mapping *m);

/* y[perm-ed] from x: output axis i has dim[i] positions, which lie stride[i]
 * elements apart in x. */
typedef struct oq_permutation {
  uint32_t rank;
  size_t dim[OQ_MOVE_RANK], stride[OQ_MOVE_RANK];
  size_t size; /* of an element */
} oq_permutation;
void oq_move_permuted(void *y, const void *x, const oq_permutation *p);

#endif

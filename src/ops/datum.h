/* ops/datum.h - values of a run: tensors, sequences of tensors, optionals,
 * maps. Included by op.h. */
#ifndef OQ_OPS_DATUM_H
#define OQ_OPS_DATUM_H

#include "tensor/tensor.h"

typedef enum oq_datum_kind {
  OQ_DATUM_TENSOR,
  OQ_DATUM_SEQUENCE, /* of tensors: ONNX has no others that operators take */
  OQ_DATUM_MAPS,     /* one, or a sequence of them, which then have the same
                        keys: no operator makes others.  Two items: the keys [C]
                        and the values [N, C], of a single one [C] */
  OQ_DATUM_NOTHING   /* an optional without a value; one that has a value is
                        that value */
} oq_datum_kind;

struct oq_buffer;

/* A plain struct; who holds one holds a reference to what is behind it. */
typedef struct oq_datum {
  oq_datum_kind kind;
  oq_ctensor t; /* of a sequence only the element type; NONE: not known */
  const struct oq_datum *item; /* of sequences and maps; each a tensor */
  uint32_t n_items;
  struct oq_buffer *buffer; /* NULL: memory that outlives the run */
  /* A tensor of rank 3 or more whose numbers lie with axis 1 as the last one;
   * its shape is still that of ONNX.  Only steps that asked for it see it. */
  bool last;
} oq_datum;

/* Kinds that are a list of tensors. */
static inline bool oq_datum_has_items(const oq_datum *d) {
  return d->kind == OQ_DATUM_SEQUENCE || d->kind == OQ_DATUM_MAPS;
}
enum { OQ_MAP_KEYS, OQ_MAP_VALUES, OQ_MAP_ITEMS }; /* items of MAPS */

static inline oq_datum oq_datum_of(const oq_ctensor *t) {
  return (oq_datum){.kind = OQ_DATUM_TENSOR, .t = *t};
}

#endif

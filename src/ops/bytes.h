/* ops/bytes - tensors as elements of whole bytes, for operators that only move
 * them.  Types of 2 and 4 bits are unpacked to a byte each. */
#ifndef OQ_OPS_BYTES_H
#define OQ_OPS_BYTES_H

#include "kern/k_move.h"
#include "ops/op.h"

/* Every type but STRING. */
#define OQ_DTM_MOVABLE (OQ_DTM_ALL & ~OQ_DTM(STRING))

/* Bytes of an element as the functions below hand it out. */
size_t oq_bytes_size(oq_dtype t);
/* The elements of `t`: its own memory, or unpacked in scratch. */
oq_status oq_bytes_in(const uint8_t **out, const oq_run *r,
                      const oq_ctensor *t);
/* Where to write the elements of output i; oq_bytes_done packs them. */
oq_status oq_bytes_out(uint8_t **out, const oq_run *r, uint32_t i);
void oq_bytes_done(const oq_run *r, uint32_t i, const uint8_t *values);
/* n elements, a byte each, to a tensor of `size` bytes of a small type. */
void oq_bytes_pack(uint8_t *to, size_t size, const uint8_t *values, size_t n,
                   oq_dtype t);
/* Input 0 to output 0 by a mapping, whose `size` is filled in here. */
oq_status oq_bytes_map(const oq_run *r, oq_mapping *m);

#endif

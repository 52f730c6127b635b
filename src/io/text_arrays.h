/* io/text_arrays.h - tensors of texts (STRING): one block of memory each, the
 * elements first, their bytes behind them. */
#ifndef IO_TEXT_ARRAYS_H
#define IO_TEXT_ARRAYS_H

#include "io/npy.h"

/* `count` elements of an array of NumPy, in native order ('U': four bytes a
 * character, 'S': bytes), without the zeros they are filled up with.  To be
 * freed; UTF-8 whatever they were. */
oq_status oq_text_array_decode(oq_text **out, const oq_npy *h,
                               const void *elements, size_t count,
                               oq_io_error *err);
/* A copy that needs nothing of `from`.  To be freed. */
oq_status oq_text_array_copy(oq_text **out, const oq_text *from, size_t count,
                             oq_io_error *err);
uint64_t oq_text_array_hash(uint64_t seed, const oq_text *t, size_t count);

/* For writing as 'U' or, where not all are UTF-8, as 'S': characters, or bytes,
 * of the longest, at least 1. */
size_t oq_text_array_width(bool *is_utf8, const oq_text *t, size_t count);
/* One element, filled up with zeros to `width` characters or bytes. */
void oq_text_array_encode(void *out, oq_text t, size_t width, bool is_utf8);

#endif

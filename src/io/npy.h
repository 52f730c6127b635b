/* io/npy.h - arrays of NumPy: header, bytes to native row-major numbers,
 * conversion to the type a model wants. */
#ifndef IO_NPY_H
#define IO_NPY_H

#include "io/util.h"

/* Longest header that is read; NumPy's own loader stops at 10000. */
#define OQ_NPY_MAX_HEADER 65536

typedef struct oq_npy {
  int32_t dtype; /* oq_dtype */
  bool swapped;  /* bytes are in the other order than this machine's */
  bool fortran;  /* column-major, and that makes a difference */
  uint32_t rank;
  int64_t dim[OQ_MAX_RANK];
  uint8_t word;  /* bytes that belong together: a number, half of a complex
                    one, a character of a text ('U': 4, 'S': 1) */
  size_t item;   /* bytes per element; of STRING those in the file */
  size_t count;  /* elements */
  size_t size;   /* bytes of all elements */
  size_t offset; /* of the first element in the file */
} oq_npy;

/* `data[0..got)` is the beginning of a file of `file_size` bytes; it must hold
 * the whole header (OQ_NPY_MAX_HEADER + 12 bytes are enough).  Checks that the
 * elements are there and are not more than `max_bytes`. */
oq_status oq_npy_parse(oq_npy *out, const uint8_t *data, size_t got,
                       uint64_t file_size, uint64_t max_bytes,
                       oq_io_error *err);
/* Raw elements to row-major native order; those of STRING are then for
 * io/text_arrays.h.   `raw` has h->size bytes; when the
 * array is column-major `out` must be another buffer. */
void oq_npy_decode(void *out, const oq_npy *h, const uint8_t *raw);

/* Whether elements of `from` may stand for `to`: the same type,
 * float64 -> float32, int32 <-> int64. */
bool oq_npy_converts(int32_t from, int32_t to);
/* `n` elements, not of STRING.  A number that does not fit is OQ_E_DATA. */
oq_status oq_npy_convert(void *out, int32_t to, const void *in, int32_t from,
                         size_t n, oq_io_error *err);
/* Bytes per element of what NumPy can hold; 0 for other types. */
size_t oq_npy_item_size(int32_t dtype);

#endif

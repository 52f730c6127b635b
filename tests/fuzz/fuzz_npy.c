/* The .npy door: header, then the elements it promises. */
#include <stdlib.h>

#include "io/text_arrays.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const int32_t wanted[] = {OQ_DT_F32, OQ_DT_I32, OQ_DT_I64};
  oq_io_error err;
  oq_npy h;

  if (oq_npy_parse(&h, data, size, size, 1 << 20, &err) != OQ_OK) return 0;
  void *const rows = oq_io_alloc_tensor(h.size);
  void *const out = oq_io_alloc_tensor(h.count * 8);
  if (rows != NULL && out != NULL) {
    oq_npy_decode(rows, &h, data + h.offset);
    if (h.dtype == OQ_DT_STRING) {
      oq_text *t = NULL;
      (void)oq_text_array_decode(&t, &h, rows, h.count, &err);
      free(t);
    }
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
      (void)oq_npy_convert(out, wanted[i], rows, h.dtype, h.count, &err);
    }
  }
  free(rows);
  free(out);
  return 0;
}

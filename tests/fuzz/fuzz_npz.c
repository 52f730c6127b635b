/* The .npz door: directory, every header, every array. */
#include <stdlib.h>

#include "io/npz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const uint64_t most = 1 << 20;
  oq_io_error err;
  oq_npz *z;

  if (oq_npz_open_memory(&z, data, size, &err) != OQ_OK) return 0;
  for (size_t i = 0; i < oq_npz_count(z) && i < 8; i++) {
    void *array = NULL;
    oq_npy h;
    (void)oq_npz_find(z, oq_npz_name(z, i));
    if (oq_npz_header(&h, z, i, most, &err) != OQ_OK) continue;
    (void)oq_npz_load(&h, &array, z, i, most, &err);
    free(array);
  }
  oq_npz_close(z);
  return 0;
}

/* Data files: the first byte says as what the rest is read. */
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "onnx/codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Looks at every byte that the result claims to have. */
static void touch(volatile unsigned *sum, const oq_data_value *v) {
  *sum += (unsigned)strlen(v->name);

  for (uint32_t i = 0; i < v->n_items; i++) touch(sum, &v->item[i]);
  const uint8_t *p = v->tensor.data;
  for (size_t i = 0; i < v->tensor.size; i++) *sum += p[i];
  if (v->tensor.dtype == OQ_DT_STRING) {
    const oq_text *t = v->tensor.data;
    for (size_t i = 0; i < v->tensor.size / sizeof *t; i++) {
      for (size_t k = 0; k < t[i].n; k++) *sum += (unsigned char)t[i].p[k];
    }
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const oq_limits limits = {.max_tensor_bytes = 1 << 20};
  oq_alloc alloc;
  oq_env e = {.alloc = &alloc, .limits = &limits};
  oq_data_value v = {0};

  if (size == 0) return 0;
  oq_alloc_init(&alloc, NULL, 0);
  if (oq_diags_create(&e.diags, &alloc) == OQ_OK &&
      oq_arena_create(&e.scratch, &alloc, 0) == OQ_OK &&
      oq_onnx_decode_data(&v, (oq_data_kind)(data[0] % 3), data + 1, size - 1,
                          e.scratch, &e) == OQ_OK) {
    volatile unsigned sum = 0;
    touch(&sum, &v);
  }
  oq_arena_destroy(e.scratch);
  oq_diags_destroy(e.diags);
  if (alloc.used != 0) abort();
  return 0;
}

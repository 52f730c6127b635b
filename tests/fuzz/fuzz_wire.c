/* The walk: whatever it lets through, protobuf-c must be able to unpack. */
#include <stdlib.h>

#include "base/limits.h"
#include "onnx.pb-c.h"
#include "onnx/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void walk(const uint8_t *data, size_t size, oq_arena *a, oq_diags *d) {
  oq_wire_limits limits;
  oq_slim slim;

  oq_wire_limits_init(&limits, size, NULL);
  /* The fuzzer's memory is counted; ours is in proportion to the file. */
  limits.max_cost = 16 << 20;
  if (oq_wire_slim(&slim, &oqpb__model_proto__descriptor, (oq_span){data, size},
                   &limits, a, a, d) != OQ_OK) {
    return;
  }
  Oqpb__ModelProto *m =
      oqpb__model_proto__unpack(NULL, slim.bytes.n, slim.bytes.p);
  if (m == NULL) abort();
  oqpb__model_proto__free_unpacked(m, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  oq_alloc alloc;
  oq_diags *d = NULL;
  oq_arena *a = NULL;

  oq_alloc_init(&alloc, NULL, 0);
  if (oq_diags_create(&d, &alloc) == OQ_OK &&
      oq_arena_create(&a, &alloc, 0) == OQ_OK) {
    walk(data, size, a, d);
  }
  oq_arena_destroy(a);
  oq_diags_destroy(d);
  return 0;
}

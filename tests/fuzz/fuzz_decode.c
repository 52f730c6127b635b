/* Load, save, load: what was accepted once is accepted again, and the second
 * trip changes nothing. */
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "onnx/codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct image {
  uint8_t *p;
  size_t n, cap;
} image;

static oq_status take(void *user, const void *p, size_t n) {
  image *m = user;

  if (n > m->cap - m->n) {
    m->cap = 2 * (m->n + n);
    m->p = realloc(m->p, m->cap);
    if (m->p == NULL) abort();
  }
  memcpy(m->p + m->n, p, n);
  m->n += n;
  return OQ_OK;
}

static oq_status trip(image *out, const uint8_t *data, size_t size,
                      const oq_env *e) {
  oq_store *file = NULL;
  oq_model_ir *m = NULL;
  oq_sink *to = NULL;

  oq_status s = oq_store_wrap(&file, data, size, e->alloc);
  if (s == OQ_OK) s = oq_onnx_decode(&m, file, NULL, e);
  if (s == OQ_OK) s = oq_sink_open_call(&to, take, out, e->alloc, e->diags);
  if (s == OQ_OK) {
    if (oq_onnx_encode(m, to, e) != OQ_OK || oq_sink_commit(to) != OQ_OK) {
      abort();
    }
  }
  oq_sink_close(to);
  oq_ir_destroy(m);
  oq_store_unref(file);
  return s;
}

static void check(const uint8_t *data, size_t size, const oq_env *e) {
  image first = {0}, second = {0};

  if (trip(&first, data, size, e) == OQ_OK) {
    if (trip(&second, first.p, first.n, e) != OQ_OK) abort();
    if (first.n != second.n || memcmp(first.p, second.p, first.n) != 0) {
      abort();
    }
  }
  free(first.p);
  free(second.p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const oq_limits limits = {.max_nodes = 10000,
                            .max_tensor_bytes = 1 << 20,
                            .max_graph_depth = OQ_MAX_GRAPH_DEPTH};
  oq_alloc alloc;
  oq_env e = {.alloc = &alloc, .limits = &limits};

  oq_alloc_init(&alloc, NULL, 0);
  if (oq_diags_create(&e.diags, &alloc) == OQ_OK &&
      oq_arena_create(&e.scratch, &alloc, 0) == OQ_OK) {
    check(data, size, &e);
  }
  oq_arena_destroy(e.scratch);
  oq_diags_destroy(e.diags);
  if (alloc.used != 0) abort();
  return 0;
}

/* api/context.c - what all calls of one user share. */
#include <fenv.h>
#include <string.h>

#include "api/api.h"
#include "base/limits.h"
#include "kern/kern.h"

oq_status oq_options_copy(void *to, size_t size, const void *from) {
  size_t theirs;

  if (from == NULL) return OQ_OK;
  memcpy(&theirs, from, sizeof theirs);
  if (theirs < sizeof theirs) return OQ_E_ARGUMENT;
  for (size_t i = size; i < theirs; i++) {
    if (((const uint8_t *)from)[i] != 0) return OQ_E_ARGUMENT;
  }
  memset(to, 0, size);
  memcpy(to, from, theirs < size ? theirs : size);
  memcpy(to, &size, sizeof size);
  return OQ_OK;
}

static uint64_t or_default(uint64_t v, uint64_t dflt) {
  return v == 0 ? dflt : v;
}

static uint32_t at_most(uint32_t v, uint32_t max) {
  return v == 0 || v > max ? max : v;
}

/* No zeros; what the code relies on is never above its maximum. */
static oq_limits fill_limits(const oq_limits *l) {
  oq_limits y = *l;

  y.max_model_bytes = or_default(l->max_model_bytes, OQ_MAX_MODEL_BYTES);
  if (y.max_model_bytes > OQ_MAX_MODEL_BYTES) {
    y.max_model_bytes = OQ_MAX_MODEL_BYTES;
  }
  y.max_tensor_bytes = or_default(l->max_tensor_bytes, OQ_MAX_TENSOR_BYTES);
  y.max_run_bytes = or_default(l->max_run_bytes, OQ_MAX_RUN_BYTES);
  y.max_memory = or_default(l->max_memory, UINT64_MAX);
  y.max_nodes = at_most(l->max_nodes, OQ_MAX_NODES);
  y.max_graph_depth = at_most(l->max_graph_depth, OQ_MAX_GRAPH_DEPTH);
  if (l->max_loop_trips == 0) y.max_loop_trips = OQ_MAX_LOOP_TRIPS;
  return y;
}

static oq_status fill(oq_context *cx, const oq_config *cfg) {
  const char *kernels = cfg->kernels != NULL ? cfg->kernels : "auto";
  const uint64_t scratch = cx->limits.max_run_bytes;

  cx->env.alloc = &cx->alloc;
  cx->env.limits = &cx->limits;
  cx->env.on_progress = cfg->on_progress;
  cx->env.user = cfg->user;
  cx->env.images = cfg->images;
  OQ_TRY(oq_diags_create(&cx->diags, &cx->alloc));
  oq_diags_set_listener(cx->diags, cfg->on_diag, cfg->user);
  OQ_TRY(oq_arena_create(&cx->scratch, &cx->alloc,
                         scratch > SIZE_MAX ? 0 : (size_t)scratch));
  oq_blas_setup();
  cx->env.kernels = oq_kernels_find(kernels);
  if (cx->env.kernels == NULL) return OQ_E_ARGUMENT;
  OQ_TRY(oq_pool_create(&cx->pool, cfg->threads, &cx->alloc));
  cx->env.diags = cx->diags;
  cx->env.scratch = cx->scratch;
  cx->env.pool = cx->pool;
  return OQ_OK;
}

oq_status oq_context_create(oq_context **out, const oq_config *cfg) {
  oq_config own = OQ_CONFIG_INIT;
  oq_alloc first;
  oq_context *cx;
  oq_status s;

  if (out == NULL) return OQ_E_ARGUMENT;
  OQ_TRY(oq_options_copy(&own, sizeof own, cfg));
  if ((own.allocator.alloc == NULL) != (own.allocator.release == NULL) ||
      own.threads > OQ_MAX_THREADS) {
    return OQ_E_ARGUMENT;
  }
  /* All rounding of the library is that of the default mode. */
  if (fegetround() != FE_TONEAREST) return OQ_E_STATE;
  oq_alloc_init(&first, &own.allocator, 0);
  cx = oq_alloc_get(&first, sizeof *cx, _Alignof(oq_context));
  if (cx == NULL) return OQ_E_MEMORY;
  memset(cx, 0, sizeof *cx);
  cx->limits = fill_limits(&own.limits);
  oq_alloc_init(&cx->self, &own.allocator, 0);
  oq_alloc_init(&cx->alloc, &own.allocator, own.limits.max_memory);
  s = fill(cx, &own);
  if (s != OQ_OK) {
    oq_context_destroy(cx);
    return s;
  }
  *out = cx;
  return OQ_OK;
}

void oq_context_destroy(oq_context *cx) {
  if (cx == NULL) return;
  oq_pool_destroy(cx->pool);
  oq_arena_destroy(cx->scratch);
  oq_diags_destroy(cx->diags);
  const oq_allocator hook = cx->self.hook;
  hook.release(hook.user, cx, sizeof *cx);
}

size_t oq_context_diag_count(const oq_context *cx) {
  return cx != NULL ? oq_diags_count(cx->diags) : 0;
}

const oq_diag *oq_context_diag(const oq_context *cx, size_t i) {
  return cx != NULL ? oq_diags_at(cx->diags, i) : NULL;
}

void oq_context_clear_diags(oq_context *cx) {
  if (cx != NULL) oq_diags_clear(cx->diags);
}

uint32_t oq_context_threads(const oq_context *cx) {
  return cx != NULL ? oq_pool_threads(cx->pool) : 0;
}

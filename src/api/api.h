/* api/api.h - what stands behind the public objects; for the files of api
 * only. */
#ifndef OQ_API_API_H
#define OQ_API_API_H

#include "calib/calib.h"
#include "exec/exec.h"
#include "ir/ir.h"
#include "onnxquant/onnxquant.h"

struct oq_context {
  oq_alloc alloc; /* all memory of the context's objects; outlives them */
  oq_alloc self;  /* of this struct alone */
  oq_limits limits;
  oq_diags *diags;
  oq_pool *pool;
  oq_arena *scratch;
  oq_env env; /* for calls of the context's one thread */
};

/* A model keeps the stores its constants lie in; all else that dies with it
 * (descriptions, reports) is in `arena`. */
struct oq_model {
  oq_context *cx;
  oq_model_ir *ir;
  oq_arena *arena;
  const oq_model_info *info; /* NULL = to be made */
  /* Inputs a caller feeds and their types: the declared ones, or narrower ones
   * by oq_model_set_*.  The arrays keep their place. */
  const oq_value_id *feeds;
  const oq_type **feed_types;
  uint32_t n_feeds;
  bool prepared; /* made by oq_model_prepare, or out of such a model */
};

/* The model takes `ir` over, also on failure. */
oq_status oq_model_wrap(oq_model **out, oq_context *cx, oq_model_ir *ir);
oq_status oq_model_from_store(oq_model **out, oq_context *cx, oq_store *file,
                              const char *base_dir);

/* `m` itself if it is prepared, else a prepared form of it that the caller
 * destroys (*own). */
oq_status oq_model_as_prepared(oq_model **out, bool *own, oq_model *m);

/* The inputs of `g`, whose ids are those of `m`, get `types`, which get what
 * they had: for as long as shapes are those of the runs to come.  A second call
 * takes it back. */
void oq_model_swap_types(const oq_model *m, oq_graph *g, const oq_type **types);

/* 32 hexadecimal digits that stand for graph and weights. */
oq_status oq_model_digest(char out[33], const oq_model *m);

/* Copies options of another build: `size` bytes of ours, of which the caller
 * knows those his struct_size says.  What he does not know is 0; what we do not
 * know must be.  `from` NULL leaves `to` as it is but for nothing. */
oq_status oq_options_copy(void *to, size_t size, const void *from);

struct oq_stats {
  oq_context *cx;
  oq_stats_core *core;
  oq_arena *arena; /* descriptions */
  const oq_stats_info *info;
  const char **wanted; /* NULL-terminated; NULL until asked for */
  size_t n_wanted;
};

/* Bytes of tensors that runs held at most. */
size_t oq_runner_bytes(const oq_runner *r);

#endif

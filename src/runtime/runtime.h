/* runtime/runtime.h - onnxruntime as the referee.
 *
 * The library is found and loaded at run time, without its header and without
 * linking to it, and never into this process: the program starts itself again
 * as `PROGRAM __ort-worker ...` and talks to that child.  Whatever happens
 * there (a crash, a hang, output on stdout) comes back as an oq_rt_error; the
 * caller keeps running, keeps what it has, and oq_rt_close cleans up.
 *
 * Conventions: 0 is success; out parameters come first and are untouched on
 * failure; `err` is last and may be NULL.  One thread at a time per oq_rt;
 * several may exist.  main() must call oq_rt_worker_main before anything else
 * when argv[1] is OQ_RT_WORKER.  SIGPIPE never arises here; SIGCHLD should keep
 * its default (if it is ignored, only the reason of a crash is lost). */
#ifndef OQ_RUNTIME_RUNTIME_H
#define OQ_RUNTIME_RUNTIME_H

#include <stddef.h>
#include <stdint.h>

#include "onnxquant/model.h"
#include "onnxquant/status.h"
#include "onnxquant/tensor.h"

/* ---- what went wrong ----------------------------------------------------
 * id                   status              meaning
 * runtime.not_found    OQ_E_IO             no usable library anywhere
 * runtime.library      OQ_E_IO             the library asked for is not usable
 * runtime.start        OQ_E_IO             the child could not be started
 * runtime.crash        OQ_E_IO             the child ended by itself
 * runtime.timeout      OQ_E_LIMIT          no sign of life in time; killed
 * runtime.protocol     OQ_E_IO             the child answered nonsense; killed
 * runtime.ended        as before           used after one of the three above
 * runtime.cancelled    OQ_E_CANCELLED      `cancelled` said so; killed
 * runtime.model        by onnxruntime      it refuses the model
 * runtime.run          by onnxruntime      a run failed
 * runtime.type         OQ_E_UNSUPPORTED    not a dense tensor of numbers
 * runtime.limit        OQ_E_LIMIT          more bytes than `max_bytes`
 * runtime.memory       OQ_E_MEMORY         no memory, here or in the child
 * runtime.argument     OQ_E_ARGUMENT       the caller broke the contract */
typedef struct oq_rt_error {
  oq_status status;
  char id[24];
  char text[1000];   /* one line */
  char hint[300];    /* one line, or empty */
  char output[8500]; /* what the child printed meanwhile: lines, made
                        printable, the middle left out if long; or empty */
} oq_rt_error;

/* True for the errors that mean "onnxruntime is needed and not there". */
int oq_rt_error_is_missing(const oq_rt_error *err);

/* ---- the hidden entry point --------------------------------------------- */
#define OQ_RT_WORKER "__ort-worker"
/* Runs the child; the result is the exit status of the process. */
int oq_rt_worker_main(int argc, char **argv);

/* ---- find and start ----------------------------------------------------- */
/* One place that was looked at.  The strings live during the call only. */
typedef struct oq_rt_candidate {
  const char *source; /* "option", "ONNXQUANT_ORT_LIB", "ORT_DYLIB_PATH",
                         "loader", "system", "python", "node" */
  const char *path;   /* a file, a name for the loader, or a pattern */
  int usable;
  const char *result; /* its version, or why not; one line */
} oq_rt_candidate;

typedef struct oq_rt_options {
  /* Path of the library, or of the folder it is in.  NULL: search, in this
   * order: ONNXQUANT_ORT_LIB, ORT_DYLIB_PATH, the loader, the usual library
   * folders, Python's packages, node_modules from here upwards.  A failure of
   * `library` or of ONNXQUANT_ORT_LIB is an error, never a reason to look
   * elsewhere.  Files found by searching must belong to root or the user. */
  const char *library;
  const char *program; /* what to start; NULL = /proc/self/exe */
  uint32_t threads;    /* of a session; 0 = onnxruntime's choice */
  /* Longest silence of the child during one request (load, one run);
   * 0 = 10 minutes, negative = for ever. */
  int64_t timeout_ms;
  /* Most bytes of tensors in one direction of one run; 0 = half the memory of
   * the machine. */
  uint64_t max_bytes;
  int (*cancelled)(void *user); /* !0 = stop waiting; may be NULL */
  void (*tried)(void *user, const oq_rt_candidate *c); /* may be NULL */
  void *user;
} oq_rt_options;

typedef struct oq_rt oq_rt;

/* Path of the first usable library, for free().  `opt` may be NULL. */
oq_status oq_rt_find(char **path, const oq_rt_options *opt, oq_rt_error *err);

/* Finds the library and starts the child with it.  `opt` may be NULL. */
oq_status oq_rt_open(oq_rt **out, const oq_rt_options *opt, oq_rt_error *err);
/* Ends the child and frees everything borrowed from `rt`; NULL is fine. */
void oq_rt_close(oq_rt *rt);

const char *oq_rt_version(const oq_rt *rt); /* "1.31.1" */
const char *oq_rt_library(const oq_rt *rt); /* path of the file loaded */
/* Names of execution providers, NULL-terminated. */
const char *const *oq_rt_providers(const oq_rt *rt);
/* Process id of the child, 0 once it has ended. */
int64_t oq_rt_pid(const oq_rt *rt);

/* ---- sessions ----------------------------------------------------------- */
typedef struct oq_rt_load_options {
  int level;                 /* 0 none, 1 basic, 2 extended, 3 layout, 99 all */
  uint32_t threads;          /* 0 = that of oq_rt_options */
  const char *const *config; /* "key=value", NULL-terminated; or NULL */
  const char *const *custom_ops; /* paths of libraries, likewise */
  const char *optimized_path;    /* where to write the optimised model */
} oq_rt_load_options;
#define OQ_RT_LOAD_OPTIONS_INIT \
  { 99, 0, 0, 0, 0 }

/* Sessions are made with session.force_spinning_stop=1, so that the idle
 * threads of one do not disturb another; an entry in `config` wins.
 *
 * A loaded model.  Values that are not tensors have dtype 0; onnxruntime does
 * not tell "no shape" from "scalar", so has_rank is 0 for both. */
typedef struct oq_rt_session {
  const oq_value_info *inputs;
  size_t n_inputs;
  const oq_value_info *outputs;
  size_t n_outputs;
} oq_rt_session;

/* Borrowed from `rt` until unloaded or closed.  `opt` may be NULL. */
oq_status oq_rt_load(const oq_rt_session **out, oq_rt *rt, const char *model,
                     const oq_rt_load_options *opt, oq_rt_error *err);
void oq_rt_unload(oq_rt *rt, const oq_rt_session *s);

/* What to feed: views[i] goes to names[i], or to input i if names is NULL. */
typedef struct oq_rt_feed {
  const char *const *names;
  const oq_tensor_view *views;
  size_t n;
} oq_rt_feed;

/* Runs once.  `wanted` names the outputs; NULL means all, in order.  The views
 * are borrowed from `rt` until the next oq_rt_run, and stay readable if the
 * child dies. */
oq_status oq_rt_run(const oq_tensor_view **outputs, size_t *n_outputs,
                    oq_rt *rt, const oq_rt_session *s, const oq_rt_feed *feed,
                    const char *const *wanted, size_t n_wanted,
                    oq_rt_error *err);

/* Milliseconds of each of `repeat` runs after `warmup` others, measured in the
 * child around the run alone: neither transport nor release is in it. */
oq_status oq_rt_time(double *ms, oq_rt *rt, const oq_rt_session *s,
                     const oq_rt_feed *feed, uint32_t warmup, uint32_t repeat,
                     oq_rt_error *err);
/* The same for two sessions in turn (A B A B ...), so that what else goes on
 * in the machine meets both alike. */
oq_status oq_rt_time_pair(double *ms_a, double *ms_b, oq_rt *rt,
                          const oq_rt_session *a, const oq_rt_feed *feed_a,
                          const oq_rt_session *b, const oq_rt_feed *feed_b,
                          uint32_t warmup, uint32_t repeat, oq_rt_error *err);

/* ---- census of kernels --------------------------------------------------
 * What is left of a model after onnxruntime's own optimisation. */
typedef enum oq_rt_kind {
  OQ_RT_OTHER,
  OQ_RT_INT8,       /* Conv, Gemm, MatMul and the like, in integers */
  OQ_RT_FLOAT,      /* the same, in float */
  OQ_RT_WEIGHT_ONLY /* integer weights, float arithmetic (MatMulNBits) */
} oq_rt_kind;

typedef struct oq_rt_op_count {
  const char *domain; /* "" = ai.onnx */
  const char *op;
  uint64_t count;
} oq_rt_op_count;

/* A node of Conv/Gemm/MatMul kind.  onnxruntime derives names of fused nodes
 * from the names or the outputs of the originals, often with a suffix. */
typedef struct oq_rt_kernel {
  oq_rt_kind kind;
  const char *domain, *op;
  const char *name;   /* may be "" */
  const char *output; /* first output; may be "" */
  const char *scope;  /* names of the nodes around it, "a/b"; "" = top */
} oq_rt_kernel;

typedef struct oq_rt_census {
  uint64_t nodes, n_int8, n_float, n_weight_only;
  const oq_rt_op_count *ops; /* sorted by domain, op */
  size_t n_ops;
  const oq_rt_kernel *kernels; /* kind != OQ_RT_OTHER, in file order */
  size_t n_kernels;
} oq_rt_census;

/* Loads `model` once more, counts, unloads.  Nothing is left on disk.
 * opt->optimized_path must be NULL.  Release with oq_rt_census_destroy. */
oq_status oq_rt_take_census(oq_rt_census **out, oq_rt *rt, const char *model,
                            const oq_rt_load_options *opt, oq_rt_error *err);
void oq_rt_census_destroy(oq_rt_census *c);

#endif

/* cli/work.h - what all commands share while they work: the context of the
 * library with its findings shown, onnxruntime when it is needed, warnings for
 * the reports, files that must not be overwritten. */
#ifndef CLI_WORK_H
#define CLI_WORK_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "cli/exits.h"
#include "cli/opt.h"
#include "cli/term.h"
#include "io/io.h"
#include "onnxquant/onnxquant.h"
#include "runtime/runtime.h"

/* Options that every command has. */
typedef struct oq_common_options {
  bool json, quiet;
  unsigned verbose;
} oq_common_options;
extern const oq_opt oq_common_rows[];

/* Who runs models. */
typedef struct oq_engine_options {
  const char *engine; /* "builtin", "onnxruntime", NULL = default */
  const char *onnxruntime, *kernels;
  oq_opt_list custom_ops;
  uint64_t threads, max_memory;
} oq_engine_options;
extern const oq_opt oq_engine_rows[];

typedef struct oq_work {
  oq_context *cx;
  const oq_engine_options *engine;
  json_t *warnings;    /* array of strings, no doubles */
  const char *reading; /* file that findings are about, or NULL */
  char failed_id[32];  /* of the last error of the library */
  bool lenient;        /* errors are shown as warnings */
  bool sample_failed;  /* the source knows more */
  oq_rt *rt;           /* started when first needed */
  char *folder;        /* private, made when first needed */
  double started;
} oq_work;

/* `engine` may be NULL; it must outlive the work. */
int oq_work_open(oq_work *w, const oq_common_options *common,
                 const oq_engine_options *engine);
/* Ends what was started and removes the private folder. */
void oq_work_close(oq_work *w);

/* The exit status of a status of the library, whose findings were shown. */
int oq_work_exit(const oq_work *w, oq_status s);
/* Shows the finding of the I/O layer; OQ_EXIT_DONE for OQ_OK. */
int oq_work_io(oq_work *w, oq_status s, const oq_io_error *err);
/* Shows the finding of the runtime layer. */
int oq_work_rt(oq_work *w, oq_status s, const oq_rt_error *err);
/* After something that read samples of `s` failed: shows why the sample could
 * not be read, if that was it. */
int oq_work_samples(oq_work *w, oq_status status, oq_samples *s);

/* Shown, and kept for the reports; once each. */
void oq_work_warn(oq_work *w, const char *hint, const char *fmt, ...)
    OQ_TERM_PRINTF(3, 4);
/* OQ_EXIT_SIGNAL + n if a signal came, else OQ_EXIT_DONE. */
int oq_work_stopped(void);

int oq_work_load(oq_model **out, oq_work *w, const char *path);

/* Starts onnxruntime; OQ_EXIT_RUNTIME with the places tried if there is none.
 */
int oq_work_runtime(oq_rt **out, oq_work *w);
/* Whether onnxruntime can be found, without a word. */
bool oq_work_has_runtime(oq_work *w);

/* A path in a folder that only this process uses; for free(). */
int oq_work_private_path(char **out, oq_work *w, const char *name);

/* Refuses an output that is one of the inputs, or that could not be written;
 * NULL paths and "-" pass. */
int oq_work_check_output(const char *option, const char *output,
                         const char *const *inputs, size_t n_inputs);
/* Bytes of a model with its external data, as far as can be told; 0 if the file
 * is not there. */
uint64_t oq_work_model_bytes(oq_work *w, oq_model *m, const char *path);
/* Says so; OQ_EXIT_SYSTEM. */
int oq_work_no_memory(void);

uint64_t oq_work_peak_rss(bool children);
/* Writes JSON to a file; "-" is stdout. */
int oq_work_write_json(const char *path, const json_t *o);
/* Says that stdout could not be written; a reader that went away (`| head`) is
 * left in silence. */
int oq_work_fail_stdout(void);
/* Prints JSON to stdout. */
int oq_work_print_json(const json_t *o);

#endif

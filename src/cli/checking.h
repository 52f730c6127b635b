/* cli/checking.h - two models on the same samples: how far their outputs are
 * apart, and how well both hit the labels. */
#ifndef CLI_CHECKING_H
#define CLI_CHECKING_H

#include <jansson.h>

#include "cli/engine.h"

typedef struct oq_check_output {
  const char *name; /* borrowed from the first model */
  bool is_float;
  uint64_t mismatches; /* samples whose outputs differ in shape */
  oq_comparison c;     /* over the other samples */
} oq_check_output;

typedef struct oq_check {
  uint64_t samples;
  oq_check_output *outputs;
  size_t n_outputs;
  double sqnr_db, cosine;                /* of the worst output; NAN if none */
  double top1_agreement, top5_agreement; /* percent; NAN if undefined */
  bool labelled;
  double top1[2], top5[2]; /* percent */
  uint64_t classes;
  double ms[2]; /* median of one run, transport included */
} oq_check;

typedef struct oq_check_options {
  const oq_labels *labels; /* or NULL */
  const char *scores;      /* name of an output of the first model, or NULL */
  const oq_opt_list *map;  /* "A=B" names of outputs, or NULL */
  bool needs_scores;       /* agreement will be judged */
  uint64_t max_samples;    /* 0 = all; else evenly spaced */
} oq_check_options;

int oq_check_run(oq_check *out, oq_work *w, oq_engine *a, oq_engine *b,
                 oq_samples *s, const oq_check_options *opt);
void oq_check_release(oq_check *c);

/* One sample, for both models in the order of their inputs. */
typedef struct oq_check_feed {
  oq_samples *samples;
  void *handle;
  oq_tensor_view *views[2];
  size_t n[2];
} oq_check_feed;
int oq_check_feed_open(oq_check_feed *out, oq_work *w, oq_engine *a,
                       oq_engine *b, oq_samples *s, uint64_t index);
void oq_check_feed_close(oq_check_feed *f);

/* Sorts `v`; NAN of none. */
double oq_check_median(double *v, size_t n);

/* Warns if the accuracy of the first model is near chance. */
void oq_check_warn_chance(oq_work *w, const oq_check *c);
/* [{name, sqnr_db, cosine, ...}] in the order of the model. */
json_t *oq_check_json_outputs(const oq_check *c);
/* One line per output, worst first. */
void oq_check_print_outputs(FILE *to, const oq_check *c);

#endif

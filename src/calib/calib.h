/* calib - samples run through the graph, one mergeable record per value.
 * Nothing about a range method is decided while collecting. */
#ifndef OQ_CALIB_CALIB_H
#define OQ_CALIB_CALIB_H

#include "exec/exec.h"
#include "kern/k_hist.h"
#include "onnxquant/calibration.h"

/* ---- hist.c: magnitudes in bins of power-of-two width --------------------
 * Bin i of a side counts the values with i * w <= |x| < (i + 1) * w.  When a
 * larger value arrives, pairs of bins are merged and w doubles.  Because
 * floor(floor(x / w) / 2) = floor(x / 2w), and scaling by a power of two is
 * exact, the result is a function of the multiset of values alone: w is the
 * least power of two with max|x| < OQ_HIST_BINS * w, whatever came first. */
#define OQ_HIST_BINS OQ_K_HIST_BINS

typedef struct oq_hist {
  bool empty;     /* no finite non-zero value yet: `exponent` means nothing */
  int exponent;   /* w = 2^exponent */
  uint64_t since; /* values in `low` at most: below 2^32 */
  uint32_t *low;  /* both sides, x > 0 first, and the spare ones; NULL: none */
  uint64_t *high; /* of both sides, what `low` could not hold; NULL: none */
} oq_hist;

/* Adds the finite non-zero values among x[0..n); the largest magnitude among
 * them is `bound` (> 0).  *rest: how many were not added.  false: memory. */
bool oq_hist_feed(oq_hist *h, uint64_t *rest, const float *x, size_t n,
                  float bound, oq_arena *a);
bool oq_hist_merge(oq_hist *into, const oq_hist *from, oq_arena *a);
/* Count of bin i of side 0 (x > 0) or 1 (x < 0). */
static inline uint64_t oq_hist_at(const oq_hist *h, uint32_t side, uint32_t i) {
  const uint32_t k = side * OQ_HIST_BINS + i;

  return (h->low ? h->low[k] : 0) + (h->high ? h->high[k] : 0);
}
double oq_hist_width(const oq_hist *h);

/* ---- record.c: what is known of one value ----------------------------- */
typedef struct oq_record {
  float lo, hi; /* of the finite values; lo > hi: none */
  uint64_t count, zeros, nans, infinities;
  oq_hist hist;
} oq_record;

void oq_record_init(oq_record *r);
oq_status oq_record_feed(oq_record *r, const float *x, size_t n,
                         const struct oq_kernels *k, oq_arena *a);
oq_status oq_record_merge(oq_record *into, const oq_record *from, oq_arena *a);
static inline bool oq_record_usable(const oq_record *r) {
  return r->lo <= r->hi;
}
/* From the bins: exact up to half a bin. */
void oq_record_moments(const oq_record *r, double *mean, double *std);

/* ---- channels.c: first and second moments per channel ---------------------
 * Of each sample the mean and the mean square of every channel are rounded to
 * fixed point and added as integers: the sums do not depend on the order of
 * the samples, nor on how they were shared out. */
__extension__ typedef __int128 oq_i128;

typedef struct oq_channels {
  int32_t axis; /* of the value; -1 = not wanted */
  uint32_t n;   /* channels; 0 = no sample yet */
  bool broken;  /* their number changed from sample to sample */
  uint64_t samples;
  oq_i128 *mean, *square; /* units of 2^-OQ_MEAN_BITS, 2^-OQ_SQUARE_BITS */
} oq_channels;
#define OQ_MEAN_BITS 48
#define OQ_SQUARE_BITS 64

oq_status oq_channels_feed(oq_channels *c, const oq_ctensor *t, oq_arena *a);
/* The same from [N, ..., C], as oq_tap.on_last has it. */
oq_status oq_channels_feed_last(oq_channels *c, const oq_ctensor *t,
                                oq_arena *a);
oq_status oq_channels_merge(oq_channels *into, const oq_channels *from,
                            oq_arena *a);
/* Averages over the samples; false if there are none. */
bool oq_channels_mean(double *mean, double *square, const oq_channels *c,
                      uint32_t i);

/* ---- stats.c: the records of a model --------------------------------------
 */
typedef struct oq_stats_entry {
  const char *name; /* of the value in the prepared graph */
  oq_record record;
  /* Largest size of each axis over the samples; rank OQ_NONE: none yet, or
   * the rank changed. */
  oq_shape shape;
  uint64_t fed; /* tensors */
  oq_channels channels;
} oq_stats_entry;

typedef struct oq_stats_core {
  oq_alloc *alloc;
  oq_arena *arena;
  oq_stats_entry *entries; /* sorted by name */
  uint32_t n_entries;
  const char *model_digest; /* of the prepared graph */
  const char *preprocessing;
  bool synthetic;
  uint64_t *samples; /* digests, sorted */
  uint64_t n_samples, cap_samples;
} oq_stats_core;

/* `names` are copied; `axes` (NULL: none) are those of their channels, or -1.
 */
oq_status oq_stats_core_create(oq_stats_core **out, const char *const *names,
                               const int32_t *axes, uint32_t n,
                               const char *model_digest,
                               const char *preprocessing, bool synthetic,
                               oq_alloc *a);
void oq_stats_core_destroy(oq_stats_core *s);
oq_stats_entry *oq_stats_find(const oq_stats_core *s, const char *name);
oq_status oq_stats_entry_feed(oq_stats_entry *e, const oq_ctensor *t,
                              const struct oq_kernels *k, oq_arena *a);
/* The same from [N, ..., C], as oq_tap.on_last has it. */
oq_status oq_stats_entry_feed_last(oq_stats_entry *e, const oq_ctensor *t,
                                   const struct oq_kernels *k, oq_arena *a);
oq_status oq_stats_add_sample(oq_stats_core *s, uint64_t digest);
/* Same values in both (a programming error otherwise): records and samples. */
oq_status oq_stats_core_add(oq_stats_core *into, const oq_stats_core *from);
/* The same with every reason for refusal checked and named. */
oq_status oq_stats_core_merge(oq_stats_core *into, const oq_stats_core *from,
                              oq_diags *d);

/* ---- stats_file.c ----------------------------------------------------------
 */
oq_status oq_stats_encode(const oq_stats_core *s, struct oq_sink *to);
oq_status oq_stats_decode(oq_stats_core **out, const uint8_t *p, size_t n,
                          oq_alloc *a, oq_diags *d);

/* ---- keys.c ----------------------------------------------------------------
 */
/* The graphs of a model, and the name of each of their values in statistics:
 * key[s][value id]; NULL for constants.  What a body reads of the graphs around
 * it has its key there. */
typedef struct oq_keyed {
  const oq_scope *scope;
  uint32_t n;
  const char *const *const *key;
} oq_keyed;
oq_status oq_calib_keys(oq_keyed *out, oq_graph *main, oq_arena *a,
                        const oq_env *e);

/* ---- calib_run.c -----------------------------------------------------------
 */
/* Float values of a model worth a record, those of the main graph first: those
 * that an operator with quantization facts touches. */
typedef struct oq_observed {
  const char *const *keys;
  const int32_t *axes; /* of the channels that a constant weight sums over */
  uint32_t n, n_main;
} oq_observed;
oq_status oq_calib_observed(oq_observed *out, oq_graph *main, oq_arena *a,
                            const oq_env *e);

/* Runs every sample of `src` through the model and adds to `stats`: of bodies
 * every turn and every branch taken.  `feed_types`: see oq_plan_options. */
oq_status oq_calib_run(oq_stats_core *stats, oq_graph *main,
                       const oq_source *src, const oq_type *const *feed_types,
                       const oq_env *e);

#endif

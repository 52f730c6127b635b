/* kern/k_pool - maxima and means over windows and over whole planes. */
#ifndef OQ_KERN_K_POOL_H
#define OQ_KERN_K_POOL_H

#include "kern/k_window.h"

/* y[planes][out] from x[planes][in]; a plane is a channel of a sample. */
typedef struct oq_pooling {
  size_t planes;
  oq_windows w;
  size_t tail[OQ_WINDOW_AXES]; /* padding at the end, for include_pad */
  bool include_pad;            /* means: padding counts as zeros */
  bool column_major;           /* indices: the first axis runs fastest */
} oq_pooling;

/* Bytes for the float32 functions; 64-byte aligned. */
size_t oq_pool_scratch(const oq_pooling *p);

/* `indices` may be NULL; else of the maximum in the whole input, the first one
 * of equals.  A window without any input gives -infinity. */
void oq_pool_max_f32(const oq_pooling *p, float *y, int64_t *indices,
                     const float *x, void *scratch);
void oq_pool_max_f64(const oq_pooling *p, double *y, int64_t *indices,
                     const double *x);
void oq_pool_mean_f32(const oq_pooling *p, float *y, const float *x,
                      void *scratch);
void oq_pool_mean_f64(const oq_pooling *p, double *y, const double *x);

/* The same over y[batch][out][channels] and x[batch][in][channels]; planes is
 * batch * channels. */
void oq_pool_max_last(const oq_pooling *p, size_t channels, float *y,
                      const float *x);
void oq_pool_mean_last(const oq_pooling *p, size_t channels, float *y,
                       const float *x);

/* (sum |x|^p)^(1/p) of each window. */
void oq_pool_norm_f64(const oq_pooling *p, double *y, const double *x,
                      double power);

/* Of each of `planes` runs of n. */
void oq_plane_mean_f32(float *y, const float *x, size_t planes, size_t n);
void oq_plane_mean_f64(double *y, const double *x, size_t planes, size_t n);
void oq_plane_max_f32(float *y, const float *x, size_t planes, size_t n);
void oq_plane_max_f64(double *y, const double *x, size_t planes, size_t n);

/* y[batch][channels] from x[batch][n][channels]. */
void oq_plane_mean_last(float *y, const float *x, size_t batch, size_t n,
                        size_t channels);

#endif

/* kern/k_hist.h - counting magnitudes. */
#ifndef OQ_KERN_K_HIST_H
#define OQ_KERN_K_HIST_H

#include <stddef.h>
#include <stdint.h>

/* Bins of a side; behind those of x > 0 stand those of x < 0, then a few that
 * take what is not counted. */
#define OQ_K_HIST_BINS 4096
#define OQ_K_HIST_SPARE 8
#define OQ_K_HIST_SIZE (2 * OQ_K_HIST_BINS + OQ_K_HIST_SPARE)

/* t[side * BINS + floor(|x| * inverse)]++ for each 0 < |x| <= bound; one of the
 * spare counters for anything else.  bound * inverse < BINS. */
void oq_k_hist_f32(uint32_t t[OQ_K_HIST_SIZE], const float *x, size_t n,
                   float bound, float inverse);

#endif

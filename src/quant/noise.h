/* noise.h - layers for which the integers of their data are too coarse. */
#ifndef OQ_QUANT_NOISE_H
#define OQ_QUANT_NOISE_H

#include "quant/params.h"
#include "quant/quant.h"

/* Judges every layer of a placed graph whose ranges are chosen.  *refused: by
 * node id NULL, or why the node had better stay float; in `a`.  *any: is there
 * one at all? */
oq_status oq_noise_judge(const char *const **refused, bool *any,
                         const oq_placed *at, const oq_stats_core *stats,
                         oq_arena *a, const oq_env *e);

#endif

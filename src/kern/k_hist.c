/* kern/k_hist.c - counting magnitudes: indices in vectors, then the counters,
 * which no vector instruction adds to faster. */
#include "kern/k_hist.h"

#include <math.h>

#include "kern/k_simd.h"

#define BLOCK 512

OQ_SIMD_LOOP(find_bins,
             (uint32_t * index, const float *x, size_t n, float bound,
              float inverse),
             (index, x, n, bound, inverse)) {
  for (size_t i = 0; i < n; i++) {
    const float m = fabsf(x[i]);
    const int counted = (m > 0.0f) & (m <= bound); /* not NaN, not infinite */
    const uint32_t bin = (uint32_t)(int32_t)(counted ? m * inverse : 0.0f);
    const uint32_t side = x[i] < 0.0f ? OQ_K_HIST_BINS : 0;
    /* Spread: counting one place again and again is slow. */
    const uint32_t spare =
        2 * OQ_K_HIST_BINS + ((uint32_t)i & (OQ_K_HIST_SPARE - 1));

    index[i] = counted ? bin + side : spare;
  }
}

void oq_k_hist_f32(uint32_t t[OQ_K_HIST_SIZE], const float *x, size_t n,
                   float bound, float inverse) {
  uint32_t index[BLOCK];

  while (n > 0) {
    const size_t part = n < BLOCK ? n : BLOCK;

    find_bins(index, x, part, bound, inverse);
    for (size_t i = 0; i < part; i++) t[index[i]]++;
    x += part;
    n -= part;
  }
}

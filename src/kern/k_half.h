/* kern/k_half - 16-bit floats <-> float32 in bulk: the same numbers as
 * base/half.h gives one by one. */
#ifndef OQ_KERN_K_HALF_H
#define OQ_KERN_K_HALF_H

#include <stddef.h>
#include <stdint.h>

void oq_widen_f16(float *y, const uint16_t *x, size_t n);
void oq_widen_bf16(float *y, const uint16_t *x, size_t n);
void oq_narrow_f16(uint16_t *y, const float *x, size_t n);
void oq_narrow_bf16(uint16_t *y, const float *x, size_t n);

#endif

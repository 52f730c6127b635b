/* ops/quantized - what operators on quantized numbers share: scales and zero
 * points as inputs, and the way back to 8 bits. */
#ifndef OQ_OPS_QUANTIZED_H
#define OQ_OPS_QUANTIZED_H

#include "ops/op.h"

/* ---- rules --------------------------------------------------------------- */
bool oq_quantized_has(const oq_infer *x, uint32_t i);
/* Input i is present, and int8 or uint8: "op.dtype". */
oq_status oq_quantized_8bit(const oq_infer *x, uint32_t i);
/* Input i holds one number, or one for each of n (-1: unknown):
 * "quantize.scale". */
oq_status oq_quantized_param(const oq_infer *x, uint32_t i, int64_t n);
/* A scale (which must be there) at i and a zero point at i + 1, both scalar;
 * the zero point has the type of input `of`. */
oq_status oq_quantized_pair(const oq_infer *x, uint32_t i, uint32_t of);

/* ---- numbers ------------------------------------------------------------- */
/* Number i of a tensor, or its only one. */
float oq_scale_at(const oq_ctensor *t, size_t i);
/* The same; 0 if there is none. */
float oq_zero_at(const oq_ctensor *t, size_t i);
/* (x - zero) * scale, in scratch. */
oq_status oq_quantized_take(float **out, const oq_run *r, const oq_ctensor *x,
                            const oq_ctensor *scale, const oq_ctensor *zero);
/* n numbers to elements `at` and on of output i: saturate(round(v / scale) +
 * zero), or v itself where the output is floating point. */
void oq_quantized_store(const oq_run *r, uint32_t i, size_t at, const float *v,
                        size_t n, float scale, float zero);

#endif

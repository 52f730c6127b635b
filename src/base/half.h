/* base/half.h - 16-bit and 8-bit floats <-> float32, round to nearest even. */
#ifndef OQ_BASE_HALF_H
#define OQ_BASE_HALF_H

#include <stdbool.h>
#include <stdint.h>

float oq_f32_of_f16(uint16_t h);
uint16_t oq_f16_of_f32(float f);
float oq_f32_of_bf16(uint16_t h);
uint16_t oq_bf16_of_f32(float f);
/* FLOAT8 by ONNX element type number (17..20); `saturate` as Cast defines. */
float oq_f32_of_f8(uint8_t v, int32_t dtype);
uint8_t oq_f8_of_f32(float f, int32_t dtype, bool saturate);

#endif

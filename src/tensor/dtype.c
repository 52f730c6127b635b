/* tensor/dtype.c - what is known of an element type by its number. */
#include "tensor/tensor.h"

typedef struct dtype_row {
  const char *text;
  uint32_t bits;
} dtype_row;

/* The names are those ONNX and numpy use, which the map does not hold. */
static const dtype_row rows[] = {
    [OQ_DT_F32] = {"float32", 32},
    [OQ_DT_U8] = {"uint8", 8},
    [OQ_DT_I8] = {"int8", 8},
    [OQ_DT_U16] = {"uint16", 16},
    [OQ_DT_I16] = {"int16", 16},
    [OQ_DT_I32] = {"int32", 32},
    [OQ_DT_I64] = {"int64", 64},
    [OQ_DT_STRING] = {"string", 8 * sizeof(oq_text)},
    [OQ_DT_BOOL] = {"bool", 8},
    [OQ_DT_F16] = {"float16", 16},
    [OQ_DT_F64] = {"float64", 64},
    [OQ_DT_U32] = {"uint32", 32},
    [OQ_DT_U64] = {"uint64", 64},
    [OQ_DT_C64] = {"complex64", 64},
    [OQ_DT_C128] = {"complex128", 128},
    [OQ_DT_BF16] = {"bfloat16", 16},
    [OQ_DT_F8E4M3FN] = {"float8e4m3fn", 8},
    [OQ_DT_F8E4M3FNUZ] = {"float8e4m3fnuz", 8},
    [OQ_DT_F8E5M2] = {"float8e5m2", 8},
    [OQ_DT_F8E5M2FNUZ] = {"float8e5m2fnuz", 8},
    [OQ_DT_U4] = {"uint4", 4},
    [OQ_DT_I4] = {"int4", 4},
    [OQ_DT_F4E2M1] = {"float4e2m1", 4},
    [OQ_DT_F8E8M0] = {"float8e8m0", 8},
    [OQ_DT_U2] = {"uint2", 2},
    [OQ_DT_I2] = {"int2", 2},
};

#define OQ_X(name, num, n_bits) +1
_Static_assert(sizeof rows / sizeof *rows == 1 + OQ_DTYPE_MAP(OQ_X),
               "one row per element type, and none for 0");
#undef OQ_X

static bool is_known(int32_t t) {
  return t > 0 && t < (int32_t)(sizeof rows / sizeof *rows);
}

const char *oq_dtype_text(int32_t t) {
  return is_known(t) ? rows[t].text : "unknown";
}

uint32_t oq_dtype_bits(int32_t t) { return is_known(t) ? rows[t].bits : 0; }

bool oq_dtype_is_float(int32_t t) { return oq_dtype_in(t, OQ_DTM_FLOAT); }

bool oq_dtype_bytes(size_t *out, size_t n, int32_t dtype) {
  const size_t bits = oq_dtype_bits(dtype);

  if (bits == 0) return false;
  if (bits >= 8) return oq_mul_size(out, n, bits / 8);
  const size_t per_byte = 8 / bits;
  *out = n / per_byte + (n % per_byte != 0 ? 1 : 0);
  return true;
}

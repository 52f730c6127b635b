/* Bulk conversions of 16-bit floats against those of base, one by one. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/half.h"
#include "kern/k_half.h"

static uint32_t bits(float f) {
  uint32_t u;

  memcpy(&u, &f, sizeof u);
  return u;
}

static void all_codes(void **state) {
  uint16_t *const x = malloc(65536 * sizeof *x);
  float *const y = malloc(65536 * sizeof *y);

  (void)state;
  assert_non_null(x);
  assert_non_null(y);
  for (uint32_t i = 0; i < 65536; i++) x[i] = (uint16_t)i;
  oq_widen_f16(y, x, 65536);
  for (uint32_t i = 0; i < 65536; i++) {
    const float want = oq_f32_of_f16((uint16_t)i);
    if (bits(y[i]) != bits(want) && !(isnan(y[i]) && isnan(want)))
      fail_msg("float16 %04x is %a, expected %a", i, (double)y[i],
               (double)want);
  }
  oq_widen_bf16(y, x, 65536);
  for (uint32_t i = 0; i < 65536; i++) {
    const float want = oq_f32_of_bf16((uint16_t)i);
    if (bits(y[i]) != bits(want) && !(isnan(y[i]) && isnan(want)))
      fail_msg("bfloat16 %04x is %a, expected %a", i, (double)y[i],
               (double)want);
  }
  free(y);
  free(x);
}

/* Around every boundary of both formats: each code, each middle between two,
 * and their neighbours; and a walk over all exponents. */
enum { MANY = 1 << 21 };

static void all_roundings(void **state) {
  float *const x = malloc(MANY * sizeof *x);
  uint16_t *const y = malloc(MANY * sizeof *y);
  size_t n = 0;

  (void)state;
  assert_non_null(x);
  assert_non_null(y);
  for (uint32_t i = 0; i < 65536; i++) {
    const uint32_t f16 = bits(oq_f32_of_f16((uint16_t)i)), bf16 = i << 16;
    const uint32_t at[] = {
        f16,           f16 - 1,       f16 + 1,    f16 + 0x1000,   f16 + 0xfff,
        f16 + 0x1001,  bf16,          bf16 - 1,   bf16 + 1,       bf16 + 0x8000,
        bf16 + 0x7fff, bf16 + 0x8001, i * 65537u, i * 2654435761u};
    memcpy(x + n, at, sizeof at);
    n += sizeof at / sizeof at[0];
  }
  oq_narrow_f16(y, x, n);
  for (size_t i = 0; i < n; i++) {
    const uint16_t want = oq_f16_of_f32(x[i]);
    if (y[i] != want &&
        !(isnan(oq_f32_of_f16(y[i])) && isnan(oq_f32_of_f16(want))))
      fail_msg("%a as float16 is %04x, expected %04x", (double)x[i], y[i],
               want);
  }
  oq_narrow_bf16(y, x, n);
  for (size_t i = 0; i < n; i++) {
    const uint16_t want = oq_bf16_of_f32(x[i]);
    if (y[i] != want &&
        !(isnan(oq_f32_of_bf16(y[i])) && isnan(oq_f32_of_bf16(want))))
      fail_msg("%a as bfloat16 is %04x, expected %04x", (double)x[i], y[i],
               want);
  }
  free(y);
  free(x);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(all_codes),
      cmocka_unit_test(all_roundings),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* kern/cpu.c - what the CPU can do, as one line for reports. */
#include "kern/kern.h"

#if defined(__x86_64__) && defined(__GNUC__)
/* Levels as CPUs were built, best first. */
const char *oq_cpu_text(void) {
  const bool avx2 =
      __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0;
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") != 0 &&
                      __builtin_cpu_supports("avx512bw") != 0 &&
                      __builtin_cpu_supports("avx512vl") != 0;

  if (avx512 && __builtin_cpu_supports("avx512vnni") != 0)
    return "avx2 fma avx512f avx512bw avx512vl avx512_vnni";
  if (avx512) return "avx2 fma avx512f avx512bw avx512vl";
  if (avx2) return "avx2 fma";
  if (__builtin_cpu_supports("avx") != 0) return "avx";
  if (__builtin_cpu_supports("sse4.2") != 0) return "sse4.2";
  return "sse2";
}
#else
const char *oq_cpu_text(void) { return "generic"; }
#endif

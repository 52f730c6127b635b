/* kern/cpu.c - what the CPU can do, as one line for reports. */
#include <pthread.h>
#include <string.h>

#include "kern/kern.h"

static char text[256]; /* written once */

#if defined(__x86_64__) && defined(__GNUC__)
static void add(const char *name, bool has) {
  const size_t n = strlen(text), k = strlen(name);

  if (!has || n + k + 2 > sizeof text) return;
  if (n > 0) text[n] = ' ';
  memcpy(text + n + (n > 0), name, k + 1);
}

#define ADD(name) add(name, __builtin_cpu_supports(name) != 0)
static void find_out(void) {
  ADD("sse4.2");
  ADD("avx");
  ADD("avx2");
  ADD("fma");
  ADD("avx512f");
  ADD("avx512bw");
  ADD("avx512vl");
  ADD("avx512vnni");
  if (text[0] == 0) add("sse2", true);
}
#else
static void find_out(void) { memcpy(text, "generic", sizeof "generic"); }
#endif

const char *oq_cpu_text(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;

  (void)pthread_once(&once, find_out);
  return text;
}

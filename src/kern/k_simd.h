/* kern/k_simd - vectors of 16 floats by compiler extension, and one loop built
 * for several instruction sets.  Products and sums stay separate operations
 * (-ffp-contract=off), so every build gives the same bits. */
#ifndef OQ_KERN_K_SIMD_H
#define OQ_KERN_K_SIMD_H

#include <stddef.h>
#include <string.h>

/* Innermost functions that sanitizers leave out, with which they would take
 * five times as long: they touch what their callers measured out. */
#if defined(__clang__) || __GNUC__ >= 8
#define OQ_BARE __attribute__((no_sanitize("address", "undefined")))
#else
#define OQ_BARE
#endif

#define OQ_INLINE static inline __attribute__((always_inline))

/* Handed around by pointer: as an argument or result a vector would have
 * another ABI for every instruction set. */
enum { OQ_LANES = 16 };
typedef float oq_vf __attribute__((vector_size(64)));

OQ_INLINE void oq_vf_load(oq_vf *v, const float *p) { memcpy(v, p, sizeof *v); }
OQ_INLINE void oq_vf_store(float *p, const oq_vf *v) {
  memcpy(p, v, sizeof *v);
}
OQ_INLINE void oq_vf_set(oq_vf *v, float f) {
  const oq_vf zero = {0};

  *v = zero + f;
}
/* The first n lanes, all if there are more. */
OQ_INLINE void oq_vf_store_n(float *p, const oq_vf *v, size_t n) {
  memcpy(p, v, (n < OQ_LANES ? n : OQ_LANES) * sizeof *p);
}

/* Defines `static void name params`, chosen by the CPU at each call; the body
 * follows the macro.  (Not target_clones: its resolvers run before sanitizers
 * are ready.) */
#if defined(__x86_64__)
#if defined(__clang__)
#define OQ_AVX512 "avx512f,avx512bw,avx512dq,avx512vl"
#else
#define OQ_AVX512 "avx512f,avx512bw,avx512dq,avx512vl,prefer-vector-width=512"
#endif
OQ_INLINE int oq_has_avx512(void) {
  return __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vl");
}
#define OQ_SIMD_LOOP(name, params, args)                                \
  OQ_INLINE void name##_body params;                                    \
  __attribute__((target(OQ_AVX512))) static void name##_avx512 params { \
    name##_body args;                                                   \
  }                                                                     \
  __attribute__((target("avx2"))) static void name##_avx2 params {      \
    name##_body args;                                                   \
  }                                                                     \
  static void name params {                                             \
    if (oq_has_avx512())                                                \
      name##_avx512 args;                                               \
    else if (__builtin_cpu_supports("avx2"))                            \
      name##_avx2 args;                                                 \
    else                                                                \
      name##_body args;                                                 \
  }                                                                     \
  OQ_INLINE void name##_body params
#else
#define OQ_SIMD_LOOP(name, params, args)        \
  OQ_INLINE void name##_body params;            \
  static void name params { name##_body args; } \
  OQ_INLINE void name##_body params
#endif

#endif

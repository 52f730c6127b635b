/* base/rng.c - SplitMix64's finalizer over a keyed counter. */
#include "base/rng.h"

static uint64_t mix(uint64_t z) {
  z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
  return z ^ z >> 31;
}

uint64_t oq_rng_u64(uint64_t seed, uint64_t i) {
  const uint64_t golden = UINT64_C(0x9e3779b97f4a7c15);

  /* The seed is mixed first: neighbouring seeds must not give the same stream
   * shifted by one. */
  return mix(mix(seed + golden) + (i + 1) * golden);
}

double oq_rng_uniform(uint64_t seed, uint64_t i) {
  return (double)(oq_rng_u64(seed, i) >> 11) * 0x1p-53;
}

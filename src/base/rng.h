/* base/rng.h - counter-based random numbers: value i of stream `seed`. */
#ifndef OQ_BASE_RNG_H
#define OQ_BASE_RNG_H

#include <stdint.h>

/* 64 well-mixed bits; a pure function of both. */
uint64_t oq_rng_u64(uint64_t seed, uint64_t i);
/* [0, 1) with 53 bits. */
double oq_rng_uniform(uint64_t seed, uint64_t i);

#endif

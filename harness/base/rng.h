/* Random numbers by seed: xoshiro256++ seeded through splitmix64. Same seed, same numbers, on every
 * machine. */
#ifndef HARNESS_BASE_RNG_H
#define HARNESS_BASE_RNG_H

#include <stdint.h>

struct rng {
	uint64_t s[4];
};

uint64_t rng_mix(uint64_t x); /* splitmix64's finalizer: a bijection that spreads every bit */
void rng_seed(struct rng *r, uint64_t seed);
/* The generator of one transaction: a function of (seed, worker, sequence) alone. */
void rng_seed3(struct rng *r, uint64_t seed, uint64_t a, uint64_t b);
uint64_t rng_u64(struct rng *r);
uint64_t rng_below(struct rng *r, uint64_t n); /* uniform in [0, n), unbiased; n > 0 */
double rng_unit(struct rng *r);                /* uniform in [0, 1), 53 bits */
double rng_exp(struct rng *r, double mean);    /* exponential: the gaps of a Poisson process */

#endif

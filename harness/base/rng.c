#include "harness/base/rng.h"

#include <assert.h>
#include <math.h>

uint64_t rng_mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

void rng_seed(struct rng *r, uint64_t seed)
{
	for (int i = 0; i < 4; i++)
		r->s[i] = rng_mix(seed += 0x9e3779b97f4a7c15u);
}

void rng_seed3(struct rng *r, uint64_t seed, uint64_t a, uint64_t b)
{
	uint64_t x = rng_mix(seed + 0x9e3779b97f4a7c15u);

	x = rng_mix(x ^ (a + 0x9e3779b97f4a7c15u));
	rng_seed(r, rng_mix(x ^ (b + 0x3c6ef372fe94f82au)));
}

static uint64_t rotl(uint64_t x, int k)
{
	return (x << k) | (x >> (64 - k));
}

uint64_t rng_u64(struct rng *r)
{
	uint64_t *s = r->s, out = rotl(s[0] + s[3], 23) + s[0], t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotl(s[3], 45);
	return out;
}

uint64_t rng_below(struct rng *r, uint64_t n)
{
	uint64_t x, floor = -n % n;

	assert(n > 0);
	do
		x = rng_u64(r);
	while (x < floor);
	return x % n;
}

double rng_unit(struct rng *r)
{
	return (double)(rng_u64(r) >> 11) * 0x1p-53;
}

double rng_exp(struct rng *r, double mean)
{
	return -mean * log1p(-rng_unit(r));
}

#include "workloads/digits.h"

#include <assert.h>
#include <string.h>

#include "harness/base/rng.h"

#define HALF 100000000000000000ull /* 10^17: a tag is two halves of 17 digits */
#define HALF_DIGITS 17
#define ROUNDS 8
#define CHECK_MOD 100000000u

__extension__ typedef unsigned __int128 wide;

/* 64 random bits to [0, n) by their high part: the remainder of a division would favour low leading
 * digits. */
static uint64_t scale(uint64_t bits, uint64_t n)
{
	return (uint64_t)((wide)bits * n >> 64);
}

static uint64_t column_key(uint64_t seed, enum digits_column column)
{
	return rng_mix(rng_mix(seed ^ 0x6472746573740000u) +
		       (column == DIGITS_C ? 0x9e3779b97f4a7c15u : 0x3c6ef372fe94f82au));
}

static uint64_t round_value(uint64_t key, int i, uint64_t half)
{
	return scale(rng_mix(rng_mix(half + key) ^ (key + (uint64_t)(i + 1) * 0x9e3779b97f4a7c15u)),
		     HALF);
}

static uint32_t check_digits(uint64_t key, const struct digits_tag *tag)
{
	uint64_t x = rng_mix(key ^ tag->seq);

	return (uint32_t)scale(rng_mix(x + ((uint64_t)tag->worker << 8 | tag->statement)),
			       CHECK_MOD);
}

static void put_digits(char *out, uint64_t value, int n)
{
	while (n-- > 0) {
		out[n] = (char)('0' + value % 10);
		value /= 10;
	}
}

/* All digits of a value, without the '-'. n is 110 or 55. */
static void all_digits(uint64_t key, const struct digits_tag *tag, char *out, int n)
{
	uint64_t left = tag->worker * 100000000000ull + tag->seq / 10000000;
	uint64_t right = tag->seq % 10000000 * 10000000000ull + tag->statement * 100000000ull +
			 check_digits(key, tag);
	uint64_t tail;
	int at = 2 * HALF_DIGITS;

	for (int i = 0; i < ROUNDS; i++) {
		uint64_t next = (left + round_value(key, i, right)) % HALF;

		left = right;
		right = next;
	}
	put_digits(out, left, HALF_DIGITS);
	put_digits(out + HALF_DIGITS, right, HALF_DIGITS);
	tail = rng_mix(left ^ rng_mix(right ^ key));
	while (at < n) {
		int take = n - at < 19 ? n - at : 19;

		tail += 0x9e3779b97f4a7c15u;
		put_digits(out + at, scale(rng_mix(tail), 10000000000000000000ull), take);
		at += take;
	}
}

void digits_write(uint64_t seed, enum digits_column column, const struct digits_tag *tag, char *out)
{
	int groups = column == DIGITS_C ? 10 : 5;
	char digits[110];

	assert(tag->worker <= DIGITS_WORKER_MAX);
	assert(tag->seq <= DIGITS_SEQ_MAX);
	assert(tag->statement <= DIGITS_STATEMENT_MAX);
	all_digits(column_key(seed, column), tag, digits, groups * 11);
	for (int g = 0; g < groups; g++) {
		memcpy(out + g * 12, digits + g * 11, 11);
		out[g * 12 + 11] = '-';
	}
	out[groups * 12 - 1] = '\0';
}

static bool read_half(const char *text, size_t from, uint64_t *half)
{
	*half = 0;
	for (size_t i = from; i < from + HALF_DIGITS; i++) {
		char d = text[i / 11 * 12 + i % 11];

		if (d < '0' || d > '9')
			return false;
		*half = *half * 10 + (uint64_t)(d - '0');
	}
	return true;
}

bool digits_read(uint64_t seed, const char *text, size_t len, struct digits_tag *tag)
{
	enum digits_column column = len == DIGITS_C_LEN ? DIGITS_C : DIGITS_PAD;
	uint64_t key = column_key(seed, column), left, right;
	char again[DIGITS_C_LEN + 1];

	if (len != DIGITS_C_LEN && len != DIGITS_PAD_LEN)
		return false;
	if (!read_half(text, 0, &left) || !read_half(text, HALF_DIGITS, &right))
		return false;
	for (int i = ROUNDS - 1; i >= 0; i--) {
		uint64_t before = (right + HALF - round_value(key, i, left)) % HALF;

		right = left;
		left = before;
	}
	tag->worker = (uint32_t)(left / 100000000000ull);
	tag->seq = left % 100000000000ull * 10000000 + right / 10000000000ull;
	tag->statement = (uint32_t)(right / 100000000 % 100);
	digits_write(seed, column, tag, again);
	return memcmp(text, again, len) == 0;
}

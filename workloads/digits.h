/* Digits that tell who wrote them. A `c` or `pad` value looks like sysbench's (groups of 11 uniform
 * digits joined by '-'), but its first 34 digits are a tag (worker, sequence, statement, check
 * digits) enciphered by a permutation of 34-digit numbers that is keyed by the run's seed and the
 * column, and the others follow from the tag: each digit is determined, so each changed digit is
 * found. */
#ifndef WORKLOADS_DIGITS_H
#define WORKLOADS_DIGITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum digits_column { DIGITS_C, DIGITS_PAD };
#define DIGITS_C_LEN 119  /* ten groups */
#define DIGITS_PAD_LEN 59 /* five groups */
#define DIGITS_WORKER_MAX 999999u
#define DIGITS_SEQ_MAX 999999999999999999ull
#define DIGITS_STATEMENT_MAX 99u

struct digits_tag {
	uint32_t worker;    /* 0: a prepared row */
	uint32_t statement; /* within the transaction, from 1 */
	uint64_t seq;
};
/* Writes the column's text and a NUL. The tag must be within the bounds above. */
void digits_write(uint64_t seed, enum digits_column column, const struct digits_tag *tag,
		  char *out);
/* Reads the tag back; false when any of the text is not what its writer wrote. The length tells the
 * column. */
bool digits_read(uint64_t seed, const char *text, size_t len, struct digits_tag *tag);

/* A prepared row's sequence number under worker 0, and back. */
#define DIGITS_ROW_ID_MAX 999999999999ll
static inline uint64_t digits_row_seq(uint32_t table, int64_t id)
{
	return (uint64_t)table * 1000000000000u + (uint64_t)id;
}

#endif

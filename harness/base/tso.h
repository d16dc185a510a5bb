/* A TiDB timestamp: physical milliseconds since the epoch << 18 | logical counter. Text in JSON,
 * userdata in Lua, never a double. */
#ifndef HARNESS_BASE_TSO_H
#define HARNESS_BASE_TSO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint64_t tso_t;
#define TSO_LOGICAL_BITS 18
#define TSO_TEXT_MAX 32

static inline tso_t tso_make(int64_t ms, uint64_t logical)
{
	return ((uint64_t)ms << TSO_LOGICAL_BITS) + logical;
}

static inline int64_t tso_ms(tso_t ts)
{
	return (int64_t)(ts >> TSO_LOGICAL_BITS);
}

/* Decimal digits only, no sign, within 64 bits. */
bool tso_parse(const char *text, tso_t *out);
/* "2025-11-20 12:00:01.500 UTC" */
void tso_time_text(tso_t ts, char out[TSO_TEXT_MAX]);

#endif

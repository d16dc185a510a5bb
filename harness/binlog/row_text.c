#include "harness/binlog/row_text.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "harness/binlog/binlog_event.h"

/* Digits of DECIMAL's binary form: groups of nine in four bytes, what is over in one to four; the
 * whole inverted when negative. */
int row_text_decimal(const struct table_map_column *column, const uint8_t *p, size_t n, char *out)
{
	static const uint8_t bytes_of[10] = { 0, 1, 1, 2, 2, 3, 3, 4, 4, 4 };
	static const uint32_t below[10] = { 1,      10,      100,      1000,      10000,
					    100000, 1000000, 10000000, 100000000, 1000000000 };
	unsigned whole = column->length - column->decimals, left, done = 0;
	uint8_t b[40];
	bool negative, nothing = true;
	char digits[96], *d = digits, *o = out;
	size_t at = 0;

	if (!n || n > sizeof(b))
		return -1;
	memcpy(b, p, n);
	negative = !(b[0] & 0x80);
	b[0] ^= 0x80;
	for (size_t i = 0; negative && i < n; i++)
		b[i] = (uint8_t)~b[i];
	for (int part = 0; part < 2; part++) {
		left = part ? column->decimals : whole;
		while (left) {
			/* the whole part begins with its odd group, the fraction ends with it */
			unsigned count = part ? (left < 9 ? left : 9) : (left % 9 ? left % 9 : 9);
			uint32_t v = (uint32_t)binlog_be(b + at, bytes_of[count]);

			if (v >= below[count])
				return -1;
			d += sprintf(d, "%0*" PRIu32, (int)count, v);
			at += bytes_of[count];
			left -= count;
		}
		if (!part)
			done = (unsigned)(d - digits);
	}
	for (const char *c = digits; c < d; c++)
		nothing = nothing && *c == '0';
	if (negative && !nothing)
		*o++ = '-';
	left = 0;
	while (left + 1 < done && digits[left] == '0')
		left++;
	if (!done)
		*o++ = '0';
	memcpy(o, digits + left, done - left);
	o += done - left;
	if (column->decimals) {
		*o++ = '.';
		memcpy(o, digits + done, column->decimals);
		o += column->decimals;
	}
	return (int)(o - out);
}

static int add_fraction(char *out, unsigned us, unsigned decimals)
{
	char digits[8];

	if (!decimals)
		return 0;
	snprintf(digits, sizeof(digits), "%06u", us);
	return sprintf(out, ".%.*s", (int)decimals, digits);
}

/* Microseconds of the (decimals + 1) / 2 bytes behind a TIME2, DATETIME2 or TIMESTAMP2: hundredths,
 * ten-thousandths or millionths.
 */
static unsigned fraction_us(const uint8_t *p, unsigned decimals)
{
	static const unsigned unit[4] = { 0, 10000, 100, 1 };
	unsigned n = (decimals + 1) / 2;

	return (unsigned)binlog_be(p, n) * unit[n];
}

static int date_text(char *out, unsigned year, unsigned month, unsigned day)
{
	if (year > 9999 || month > 12 || day > 31)
		return -1;
	return sprintf(out, "%04u-%02u-%02u", year, month, day);
}

static int datetime_text(char *out, unsigned year, unsigned month, unsigned day, unsigned hms,
			 unsigned us, unsigned decimals)
{
	int n = date_text(out, year, month, day);
	unsigned h = hms / 10000, m = hms / 100 % 100, s = hms % 100;

	if (n < 0 || h > 23 || m > 59 || s > 59 || us > 999999)
		return -1;
	n += sprintf(out + n, " %02u:%02u:%02u", h, m, s);
	return n + add_fraction(out + n, us, decimals);
}

static int unix_text(char *out, uint32_t at, unsigned us, unsigned decimals)
{
	/* days to civil date: the era of 400 years that begins with March */
	unsigned days = at / 86400 + 719468, secs = at % 86400, era = days / 146097,
		 doe = days % 146097;
	unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365,
		 doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
	unsigned day = doy - (153 * mp + 2) / 5 + 1, month = mp < 10 ? mp + 3 : mp - 9,
		 year = yoe + era * 400 + (month <= 2);

	if (!at && !us)
		return datetime_text(out, 0, 0, 0, 0, 0, decimals);
	return datetime_text(out, year, month, day,
			     secs / 3600 * 10000 + secs / 60 % 60 * 100 + secs % 60, us, decimals);
}

static int time_text(char *out, bool negative, uint64_t h, unsigned m, unsigned s, unsigned us,
		     unsigned decimals)
{
	int n;

	if (h > 838 || m > 59 || s > 59 || us > 999999)
		return -1;
	n = sprintf(out, "%s%02u:%02u:%02u", negative ? "-" : "", (unsigned)h, m, s);
	return n + add_fraction(out + n, us, decimals);
}

/* TIME2: an offset number, its fraction the lower bytes of the same number: a negative one borrows.
 */
static int time2_text(char *out, const uint8_t *p, unsigned decimals)
{
	unsigned n = (decimals + 1) / 2, bits = 24 + 8 * n;
	static const unsigned unit[4] = { 0, 10000, 100, 1 };
	int64_t v = (int64_t)binlog_be(p, 3 + n) - ((int64_t)1 << (bits - 1));
	bool negative = v < 0;
	uint64_t u = negative ? (uint64_t)-v : (uint64_t)v, hms = u >> 8 * n;
	unsigned us = (unsigned)(u & (((uint64_t)1 << 8 * n) - 1)) * unit[n];

	return time_text(out, negative, hms >> 12, hms >> 6 & 63, hms & 63, us, decimals);
}

int row_text_temporal(const struct table_map_column *c, const uint8_t *p, char *out)
{
	unsigned decimals = c->decimals;
	uint64_t v;
	int32_t t;

	switch (c->type) {
	case BT_DATE:
	case BT_NEWDATE:
		v = binlog_le(p, 3);
		return date_text(out, (unsigned)(v >> 9), (unsigned)(v >> 5 & 15),
				 (unsigned)(v & 31));
	case BT_TIME:
		/* 24 bits with a sign, digits hhhmmss */
		t = (int32_t)((uint32_t)binlog_le(p, 3) << 8) / 256;
		v = (uint64_t)(t < 0 ? -(int64_t)t : t);
		return time_text(out, t < 0, v / 10000, (unsigned)(v / 100 % 100),
				 (unsigned)(v % 100), 0, 0);
	case BT_TIME2: return time2_text(out, p, decimals);
	case BT_DATETIME:
		v = binlog_le(p, 8); /* digits yyyymmddhhmmss */
		if (v > 99991231235959)
			return -1;
		return datetime_text(out, (unsigned)(v / 10000000000),
				     (unsigned)(v / 100000000 % 100), (unsigned)(v / 1000000 % 100),
				     (unsigned)(v % 1000000), 0, 0);
	case BT_DATETIME2:
		v = binlog_be(p, 5);
		if (v < 0x8000000000)
			return -1;
		v -= 0x8000000000;
		return datetime_text(out, (unsigned)(v >> 22) / 13, (unsigned)(v >> 22) % 13,
				     (unsigned)(v >> 17 & 31),
				     (unsigned)(v >> 12 & 31) * 10000 +
					     (unsigned)(v >> 6 & 63) * 100 + (unsigned)(v & 63),
				     fraction_us(p + 5, decimals), decimals);
	case BT_TIMESTAMP: return unix_text(out, (uint32_t)binlog_le(p, 4), 0, 0);
	default: /* BT_TIMESTAMP2 */
		return unix_text(out, (uint32_t)binlog_be(p, 4), fraction_us(p + 4, decimals),
				 decimals);
	}
}

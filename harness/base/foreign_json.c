#include "harness/base/foreign_json.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/strbuf.h"

/* 18 digits fit into any 64-bit integer; a longer one is held against 2^63 - 1, or -2^63. */
static bool fits_int64(const char *p, size_t n)
{
	static const char max[] = "9223372036854775807", min[] = "9223372036854775808";
	bool negative = *p == '-';
	size_t digits = negative;
	char text[64];
	double v;

	while (digits < n && isdigit((unsigned char)p[digits])) /* the text may end there */
		digits++;
	/* a real: only its size can be too much */
	if (digits < n) {
		if (n >= sizeof(text))
			return false;
		memcpy(text, p, n);
		text[n] = '\0';
		v = strtod(text, NULL);
		return isfinite(v);
	}
	p += negative;
	n -= negative;
	return n < sizeof(max) - 1 ||
	       (n == sizeof(max) - 1 && memcmp(p, negative ? min : max, n) <= 0);
}

json_t *foreign_json(const char *text, size_t n, struct err *e)
{
	struct strbuf s = STRBUF_INIT;
	bool inside = false;
	json_error_t why;
	json_t *j;

	for (size_t i = 0; i < n;) {
		size_t k = 1;

		if (inside && text[i] == '\\' && i + 1 < n) {
			k = 2;
		} else if (text[i] == '"') {
			inside = !inside;
		} else if (!inside && (text[i] == '-' || isdigit((unsigned char)text[i]))) {
			while (i + k < n && text[i + k] && strchr("0123456789+-.eE", text[i + k]))
				k++;
			if (!fits_int64(text + i, k)) {
				strbuf_addch(&s, '"');
				strbuf_add(&s, text + i, k);
				strbuf_addch(&s, '"');
				i += k;
				continue;
			}
		}
		strbuf_add(&s, text + i, k);
		i += k;
	}
	j = json_loadb(s.buf, s.len, JSON_ALLOW_NUL | JSON_DECODE_ANY, &why);
	if (!j)
		err_set(e, ERR_BAD_DATA, 0, "not JSON: %s (line %d)", why.text, why.line);
	strbuf_release(&s);
	return j;
}

bool foreign_json_u64(const json_t *v, uint64_t *out)
{
	const char *digits = json_string_value(v);
	uint64_t got = 0;

	if (json_is_integer(v)) {
		if (json_integer_value(v) < 0)
			return false;
		*out = (uint64_t)json_integer_value(v);
		return true;
	}
	if (!digits || !*digits || digits[strspn(digits, "0123456789")])
		return false;
	for (; *digits; digits++) {
		unsigned d = (unsigned)(*digits - '0');

		if (got > (UINT64_MAX - d) / 10)
			return false;
		got = got * 10 + d;
	}
	*out = got;
	return true;
}

#include "harness/base/tso.h"

#include <stdio.h>
#include <time.h>

bool tso_parse(const char *text, tso_t *out)
{
	tso_t v = 0;

	if (!*text)
		return false;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return false;
		if (__builtin_mul_overflow(v, (tso_t)10, &v) ||
		    __builtin_add_overflow(v, (tso_t)(*text - '0'), &v))
			return false;
	}
	*out = v;
	return true;
}

void tso_time_text(tso_t ts, char out[TSO_TEXT_MAX])
{
	time_t sec = (time_t)(tso_ms(ts) / 1000);
	struct tm tm;
	char date[24];

	if (!gmtime_r(&sec, &tm) || !strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S", &tm)) {
		snprintf(out, TSO_TEXT_MAX, "%llu", (unsigned long long)ts);
		return;
	}
	snprintf(out, TSO_TEXT_MAX, "%.19s.%03d UTC", date, (int)(tso_ms(ts) % 1000));
}

#include "harness/run/thousands.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include "harness/base/strbuf.h"

#define DIGITS_MIN 4
#define DIGITS_MAX 12

/* Does the word before `at` name something, so that its number is no count? */
static bool names_a_thing(const char *text, const char *at)
{
	static const char *const names[] = { "id",       "port",   "seed",        "seq",
					     "sequence", "worker", "transaction", "server",
					     "errno",    "error",  "schema" };
	const char *end = at, *from;

	while (end > text && end[-1] == ' ')
		end--;
	for (from = end; from > text && isalpha((unsigned char)from[-1]);)
		from--;
	for (size_t i = 0; end != at && i < sizeof(names) / sizeof(names[0]); i++)
		if (strlen(names[i]) == (size_t)(end - from) &&
		    !strncmp(from, names[i], strlen(names[i])))
			return true;
	return false;
}

static bool stands_alone(const char *text, const char *from, size_t n)
{
	char before = from == text ? ' ' : from[-1], after = from[n],
	     next = after ? from[n + 1] : '\0';

	if (before != ' ' && before != '(' && before != '\n')
		return false;
	if (before == '(' && after == ')')
		return false; /* a server's error number: "doesn't exist (1146)" */
	if ((after == '.' || after == ',') && isdigit((unsigned char)next))
		return false; /* a decimal, or written with separators already */
	return !after || strchr(" ,;.)\n", after);
}

char *thousands_text(const char *text)
{
	struct strbuf out = STRBUF_INIT;

	for (const char *p = text; *p;) {
		size_t n = strspn(p, "0123456789");

		if (n >= DIGITS_MIN && n <= DIGITS_MAX && *p != '0' && stands_alone(text, p, n) &&
		    !names_a_thing(text, p)) {
			for (size_t i = 0; i < n; i++) {
				if (i && (n - i) % 3 == 0)
					strbuf_addch(&out, ',');
				strbuf_addch(&out, p[i]);
			}
		} else {
			strbuf_add(&out, p, n ? n : 1);
		}
		p += n ? n : 1;
	}
	return strbuf_detach(&out);
}

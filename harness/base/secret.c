#include "harness/base/secret.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

static const char *const names[] = { "secret-access-key", "access-key", "session-token", "password", "passwd", "account-key", "sas-token",
	                             "encryption-key", "x-amz-signature", "signature", "secret", "token" };

/* The length of the secret's name at p (followed by '='), or 0. */
static size_t name_at(const char *p)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		size_t n = strlen(names[i]);

		if (!strncasecmp(p, names[i], n) && p[n] == '=')
			return n;
	}
	return 0;
}

/* user:password@ behind "://": the bytes up to the colon and from it to the '@'; 0 when there is none. */
static size_t user_info(const char *p, size_t *password)
{
	size_t end = strcspn(p, "/?# \t\n'\"<>"), at = end, colon;

	while (at > 0 && p[at - 1] != '@')
		at--;
	if (!at)
		return 0;
	at--; /* p[at] is the last '@' of the authority */
	colon = strcspn(p, ":");
	if (colon >= at)
		return 0;
	*password = at - colon - 1;
	return colon + 1;
}

/* Bytes of the UTF-8 character at p; 0: it is none (RFC 3629: no overlong form, no surrogate, at most U+10FFFF). */
static size_t utf8_char(const unsigned char *p)
{
	unsigned low = 0x80, high = 0xbf;
	size_t n;

	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	n = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (p[0] == 0xe0)
		low = 0xa0;
	else if (p[0] == 0xed)
		high = 0x9f;
	else if (p[0] == 0xf0)
		low = 0x90;
	else if (p[0] == 0xf4)
		high = 0x8f;
	if (p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

void secret_redact(struct strbuf *out, const char *text)
{
	static const char by[] = "IDENTIFIED BY";
	const char *p = text;

	while (*p) {
		size_t n, password;
		bool word = p == text || !(isalnum((unsigned char)p[-1]) || p[-1] == '_');

		if (!strncmp(p, "://", 3)) {
			strbuf_add(out, p, 3);
			p += 3;
			n = user_info(p, &password);
			strbuf_add(out, p, n);
			p += n;
			if (n) {
				strbuf_addstr(out, "***");
				p += password;
			}
		} else if (word && (n = name_at(p))) {
			strbuf_add(out, p, n + 1);
			p += n + 1;
			strbuf_addstr(out, "***");
			p += strcspn(p, "&; \t\n'\"<>)");
		} else if (word && !strncasecmp(p, by, sizeof(by) - 1)) {
			strbuf_add(out, p, sizeof(by) - 1);
			p += sizeof(by) - 1;
			n = strcspn(p, "'\"");
			strbuf_add(out, p, n);
			p += n;
			if (*p) {
				char quote = *p++;

				strbuf_addf(out, "%c***", quote);
				while (*p && *p != quote)
					p += *p == '\\' && p[1] ? 2 : 1;
			}
		} else {
			n = utf8_char((const unsigned char *)p);
			if (n)
				strbuf_add(out, p, n);
			else
				strbuf_addch(out, '?');
			p += n ? n : 1;
		}
	}
}

#include "harness/base/secret.h"

#include <ctype.h>
#include <pthread.h>
#include <string.h>
#include <strings.h>

#include "harness/base/err.h"
#include "harness/base/xalloc.h"

#define KNOWN_MAX 64
#define KNOWN_BYTES_MIN 6 /* a shorter one would take words out of sentences */

/* What stands before a secret. told: also in "name: value", which is prose with the others. */
static const struct {
	const char *name;
	bool told;
} names[] = {
	{ "secret-access-key", true },
	{ "secret_access_key", true },
	{ "access-key", true },
	{ "access_key", true },
	{ "session-token", true },
	{ "session_token", true },
	{ "password", true },
	{ "passwd", true },
	{ "account-key", true },
	{ "sas-token", true },
	{ "encryption-key", true },
	{ "x-amz-signature", true },
	{ "signature", false },
	{ "secret-key", true },
	{ "secret", true },
	{ "mysql_pwd", true },
	{ "passphrase", true },
	{ "api-key", true },
	{ "token", false },
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char *known[KNOWN_MAX]; /* under lock; they live as long as the program */
static size_t n_known;

void secret_know(const char *value)
{
	size_t n = strlen(value);

	if (n < KNOWN_BYTES_MIN)
		return;
	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < n_known; i++)
		if (!strcmp(known[i], value))
			n = 0;
	if (n && n_known < KNOWN_MAX)
		known[n_known++] = xstrdup(value);
	pthread_mutex_unlock(&lock);
}

/* The length of the known secret at p, or 0; the longest. */
static size_t known_at(const char *p)
{
	size_t best = 0;

	for (size_t i = 0; i < n_known; i++) {
		size_t n = strlen(known[i]);

		if (n > best && !strncmp(p, known[i], n))
			best = n;
	}
	return best;
}

bool secret_name(const char *name)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].told && strcasestr(name, names[i].name))
			return true;
	return false;
}

static size_t quote_at(const char *p)
{
	return *p == '\\' && (p[1] == '"' || p[1] == '\'') ? 2
	       : *p == '"' || *p == '\'' || *p == '`'      ? 1
							   : 0;
}

/* Past a value in quotes, which begin at p and are n bytes (an escaped quote within JSON is two);
 * the end is there or the text's. */
static const char *run_history_quoted(const char *p, size_t n)
{
	const char *q = p + n;

	while (*q) {
		if (!strncmp(q, p, n)) {
			if (n == 1 && q[1] == *p) { /* doubled */
				q += 2;
				continue;
			}
			return q;
		}
		q += *q == '\\' && q[1] ? 2 : 1;
	}
	return q;
}

/* "***" for the value at p; returns what comes after it. before: the quote that the name stands
 * behind, or 0. */
static const char *add_stars(struct strbuf *out, const char *p, char before)
{
	size_t n = quote_at(p);
	const char *end;

	if (n) {
		end = run_history_quoted(p, n);
		strbuf_add(out, p, n);
		strbuf_addstr(out, "***");
		if (*end)
			strbuf_add(out, p, n);
		return *end ? end + n : end;
	}
	strbuf_addstr(out, "***");
	if (before) { /* 'password=a b' */
		const char *close = strchr(p, before);

		if (close)
			return close;
	}
	return p + strcspn(p, "& \t\r\n'\"<>,");
}

/* Is a secret's name at p, with a value behind it? Returns where that begins, or NULL. */
static const char *value_at(const char *text, const char *p)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		size_t n = strlen(names[i].name), quote;
		const char *q = p + n, *after, *option = p;

		if (strncasecmp(p, names[i].name, n) != 0)
			continue;
		quote = quote_at(q);
		after = q + quote;
		while (*after == ' ' || *after == '\t')
			after++;
		if (*after == '=' ||
		    (*after == ':' && after[1] != ':' && (quote || names[i].told))) {
			/* name=value: an empty value stays empty */
			bool tight = *after == '=' && after == q;

			after++;
			while (!tight && (*after == ' ' || *after == '\t'))
				after++;
			/* a server's "(using password: NO)" */
			if (!strncmp(after, "YES)", 4) || !strncmp(after, "NO)", 3))
				return NULL;
			return *after && *after != '\n' ? after : NULL;
		}
		while (option > text && (isalnum((unsigned char)option[-1]) || option[-1] == '-' ||
					 option[-1] == '_'))
			option--;
		if (!strncmp(option, "--", 2) && after > q && *after && *after != '-')
			return after; /* --password value, --mysql-password value */
	}
	return NULL;
}

/* user:password@ behind "://": the bytes up to the colon and from it to the '@'; 0 when there is
 * none. */
static size_t user_info(const char *p, size_t *password)
{
	size_t end = strcspn(p, "/?# \t\n'\"<>"), token = strcspn(p, " \t\r\n'\"<>"),
	       colon = strcspn(p, ":"), at = end;

	while (at > 0 && p[at - 1] != '@')
		at--;
	/* a '/' or '?' that ought to be encoded: what is behind the colon is no port then */
	if (!at && colon < end && end < token &&
	    strspn(p + colon + 1, "0123456789") != end - colon - 1)
		for (at = token; at > end && p[at - 1] != '@'; at--)
			;
	if (!at || p[at - 1] != '@')
		return 0;
	at--;
	if (colon >= at)
		return 0;
	*password = at - colon - 1;
	return colon + 1;
}

/* Bytes of the UTF-8 character at p; 0: it is none (RFC 3629: no overlong form, no surrogate, at
 * most U+10FFFF). */
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

/* A word of SQL behind which quoted texts are passwords or what they hash to: until the statement
 * ends. */
static bool is_word_at(const char *text, const char *p, const char *word)
{
	size_t n = strlen(word);

	return !strncasecmp(p, word, n) && (p == text || !isalnum((unsigned char)p[-1])) &&
	       !isalnum((unsigned char)p[n]) && p[n] != '_';
}

static size_t add_letters(struct strbuf *out, const char *p)
{
	size_t n = utf8_char((const unsigned char *)p);

	if (n == 1 && ((unsigned char)*p < 0x20 || *p == 0x7f) && *p != '\n' && *p != '\t')
		strbuf_addch(out, ' ');
	else if (n == 2 && (unsigned char)*p == 0xc2 && (unsigned char)p[1] < 0xa0) /* C1 */
		strbuf_addch(out, ' ');
	else if (n)
		strbuf_add(out, p, n);
	else
		strbuf_addch(out, '?');
	return n ? n : 1;
}

void secret_redact(struct strbuf *out, const char *text)
{
	const char *p = text, *value;
	bool identified = false, client = false;

	pthread_mutex_lock(&lock);
	while (*p) {
		size_t n, password;
		bool word = p == text || !isalnum((unsigned char)p[-1]);

		if ((n = known_at(p))) {
			strbuf_addstr(out, "***");
			p += n;
		} else if (!strncmp(p, "://", 3)) {
			strbuf_add(out, p, 3);
			p += 3;
			n = user_info(p, &password);
			for (const char *end = p + n; p < end;)
				p += add_letters(out, p);
			if (n) {
				strbuf_addstr(out, "***");
				p += password;
			}
		} else if (word && is_word_at(text, p, "PASSWORD") &&
			   (value = p + 8 + strspn(p + 8, " ")) && *value == '(' &&
			   quote_at(value + 1 + strspn(value + 1, " "))) {
			value += 1 + strspn(value + 1, " ");
			strbuf_add(out, p, (size_t)(value - p));
			p = add_stars(out, value, 0);
		} else if (word && (value = value_at(text, p))) {
			strbuf_add(out, p, (size_t)(value - p));
			p = add_stars(out, value,
				      p > text && (p[-1] == '\'' || p[-1] == '"') ? p[-1] : 0);
		} else if (identified && quote_at(p)) {
			p = add_stars(out, p, 0);
		} else if (client && (p == text || p[-1] == ' ') && !strncmp(p, "-p", 2) && p[2] &&
			   p[2] != ' ') {
			strbuf_addstr(out, "-p");
			p = add_stars(out, p + 2, 0);
		} else {
			identified = (identified || is_word_at(text, p, "IDENTIFIED") ||
				      is_word_at(text, p, "PASSWORD FOR")) &&
				     *p != ';' && *p != '\n';
			client = client || is_word_at(text, p, "mysql") ||
				 is_word_at(text, p, "mariadb") || is_word_at(text, p, "mysqldump");
			p += add_letters(out, p);
		}
	}
	pthread_mutex_unlock(&lock);
}

void secret_line(struct strbuf *out, const char *text)
{
	size_t begin = out->len;

	secret_redact(out, text);
	err_one_line(out->buf + begin);
}

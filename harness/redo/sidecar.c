#include "harness/redo/sidecar.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

#define DDL_LINE "drtest-ddl"
#define FILE_LINE "drtest-file"

void sidecar_format(struct strbuf *out, uint64_t records, uint64_t xxh3)
{
	strbuf_addf(out, "drtest-sum 1 %" PRIu64 " %016" PRIx64 "\n", records, xxh3);
}

/* A line of a number and a text, with a sum over both. */
static void add_line(struct strbuf *out, const char *tag, tso_t ts, const struct redo_bytes *text)
{
	uint64_t sum = XXH3_64bits_withSeed(text->p, text->n, ts);

	strbuf_addf(out, "%s 1 %" PRIu64 " %016" PRIx64 " %.*s\n", tag, ts, sum, (int)text->n,
		    text->p);
}

void sidecar_add_ddl(struct strbuf *out, tso_t commit_ts, const struct redo_bytes *session)
{
	add_line(out, DDL_LINE, commit_ts, session);
}

void sidecar_add_file(struct strbuf *out, tso_t first_ts, const struct redo_bytes *previous)
{
	add_line(out, FILE_LINE, first_ts, previous);
}

/* false: it is none of this tag, or damaged. */
static bool take_line(const char *line, size_t n, const char *tag, tso_t *ts,
		      struct redo_bytes *text)
{
	char head[64];
	struct strbuf again = STRBUF_INIT;
	size_t k = strlen(tag);
	uint64_t sum;
	int used = 0;
	bool same = false;

	if (n <= k || memcmp(line, tag, k) != 0)
		return false;
	line += k;
	n -= k;
	snprintf(head, sizeof(head), "%.*s", n < sizeof(head) ? (int)n : (int)sizeof(head) - 1,
		 line);
	if (sscanf(head, " 1 %20" SCNu64 " %16" SCNx64 "%n", ts, &sum, &used) == 2 && used > 0 &&
	    (size_t)used < n) {
		*text = (struct redo_bytes){ line + used + 1, (uint32_t)(n - (size_t)used - 1) };
		/* one spelling only, each of its bytes counts */
		add_line(&again, tag, *ts, text);
		same = again.len == n + k + 1 && !memcmp(again.buf + k, line, n);
		strbuf_release(&again);
	}
	return same;
}

int sidecar_parse(const char *text, size_t n, uint64_t *records, uint64_t *xxh3, struct err *e)
{
	const char *end = n ? memchr(text, '\n', n) : NULL, *all = text + n;
	char copy[64];
	struct strbuf again = STRBUF_INIT;
	struct redo_bytes session;
	bool same = false;
	tso_t ts;

	if (end && end - text < (int)sizeof(copy)) {
		snprintf(copy, sizeof(copy), "%.*s", (int)(end - text), text);
		if (sscanf(copy, "drtest-sum 1 %20" SCNu64 " %16" SCNx64, records, xxh3) == 2) {
			/* scanf takes blanks and signs that we never write: one spelling only, each
			 * of its bytes counts */
			sidecar_format(&again, *records, *xxh3);
			same = again.len == (size_t)(end - text) + 1 &&
			       !memcmp(again.buf, text, again.len);
			strbuf_release(&again);
		}
	}
	while (same && ++end < all) {
		const char *line = end;

		end = memchr(line, '\n', (size_t)(all - line));
		same = end && (take_line(line, (size_t)(end - line), DDL_LINE, &ts, &session) ||
			       take_line(line, (size_t)(end - line), FILE_LINE, &ts, &session));
	}
	return same ? 0 : err_set(e, ERR_BAD_DATA, 0, "not a sidecar");
}

/* The first line of this tag, of this ts if one is given. */
static bool find_line(const char *text, size_t n, const char *tag, tso_t want, tso_t *ts,
		      struct redo_bytes *out)
{
	const char *all = text + n;

	while (text < all) {
		const char *end = memchr(text, '\n', (size_t)(all - text));

		if (!end)
			break;
		if (take_line(text, (size_t)(end - text), tag, ts, out) && (!want || *ts == want))
			return true;
		text = end + 1;
	}
	return false;
}

struct redo_bytes sidecar_session(const char *text, size_t n, tso_t commit_ts)
{
	struct redo_bytes session;
	tso_t ts;

	return find_line(text, n, DDL_LINE, commit_ts, &ts, &session) ? session
								      : (struct redo_bytes){ 0 };
}

struct sidecar_file sidecar_file(const char *text, size_t n)
{
	struct sidecar_file f = { 0 };

	if (!find_line(text, n, FILE_LINE, 0, &f.first_ts, &f.previous))
		return (struct sidecar_file){ 0 };
	return f;
}

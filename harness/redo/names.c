#include <string.h>

#include "harness/redo/codec.h"

#define NAME_BYTES_MAX 900

static bool ends_with(const char *s, size_t *n, const char *end)
{
	size_t k = strlen(end);

	if (*n < k || memcmp(s + *n - k, end, k))
		return false;
	*n -= k;
	return true;
}

/* Takes the part behind the last '_' of s[0..*n); false when there is none or it does not fit. */
static bool last_part(const char *s, size_t *n, char *out, size_t size)
{
	size_t at = *n;

	while (at > 0 && s[at - 1] != '_')
		at--;
	if (!at || *n - at >= size)
		return false;
	memcpy(out, s + at, *n - at);
	out[*n - at] = 0;
	*n = at - 1;
	return true;
}

/* What is left of a name once its right end is read: <capture>_[<namespace>_]<changefeed>. A
 * capture is an address: no '_'. All three are taken, or none. */
static bool read_identity(struct redo_name *out, const char *s, size_t n)
{
	const char *bar = memchr(s, '_', n);
	size_t at = bar ? (size_t)(bar - s) : 0;

	if (!bar || at >= sizeof(out->capture) ||
	    !last_part(s, &n, out->changefeed, sizeof(out->changefeed)))
		goto no;
	strcpy(out->name_space, "default");
	if (n != at && (!last_part(s, &n, out->name_space, sizeof(out->name_space)) || n != at))
		goto no;
	if (!at || !out->name_space[0] || !out->changefeed[0])
		goto no;
	memcpy(out->capture, s, at);
	return true;
no:
	out->name_space[0] = out->changefeed[0] = 0;
	return false;
}

int redo_name_parse(struct redo_name *out, const char *base, struct err *e)
{
	char type[8], ts[24];
	size_t n = strlen(base);

	memset(out, 0, sizeof(*out));
	if (n > NAME_BYTES_MAX)
		return 0;
	if (ends_with(base, &n, ".meta")) {
		out->kind = REDO_FILE_META;
		/* <..>_meta_<uuid>, or the fixed <..>_meta of old releases; whatever it is called,
		 * its content counts */
		if (!ends_with(base, &n, "_meta") &&
		    (!last_part(base, &n, out->uuid, sizeof(out->uuid)) ||
		     !ends_with(base, &n, "_meta")))
			return 0;
		read_identity(out, base, n);
		return 0;
	}
	if (ends_with(base, &n, ".sort"))
		return err_set(
			e, ERR_BAD_DATA, 0,
			"%.200s: a sorted copy made by the stock reader does not belong in a log",
			base);
	if (ends_with(base, &n, ".tmp")) {
		if (!ends_with(base, &n, ".log"))
			return 0; /* an unfinished meta, or a stranger's */
		out->tmp = true;
	} else if (!ends_with(base, &n, ".log")) {
		return 0;
	}
	if (!last_part(base, &n, out->uuid, sizeof(out->uuid)) ||
	    !last_part(base, &n, ts, sizeof(ts)) || !tso_parse(ts, &out->max_commit_ts) ||
	    !last_part(base, &n, type, sizeof(type)) ||
	    (strcmp(type, "row") && strcmp(type, "ddl")) || !read_identity(out, base, n))
		return err_set(
			e, ERR_BAD_DATA, 0,
			"%.200s: bad log name: <capture>_[<namespace>_]<changefeed>_<row|ddl>_<ts>_<uuid>.log is expected",
			base);
	out->kind = !strcmp(type, "row") ? REDO_FILE_ROW : REDO_FILE_DDL;
	return 0;
}

void redo_name_format(struct strbuf *out, const struct redo_name *n)
{
	bool named = strcmp(n->name_space, "default") != 0;

	strbuf_addf(out, "%s_", n->capture);
	if (named || n->kind == REDO_FILE_META)
		strbuf_addf(out, "%s_", n->name_space);
	strbuf_addf(out, "%s_", n->changefeed);
	if (n->kind == REDO_FILE_META)
		strbuf_addf(out, "meta_%s.meta", n->uuid);
	else
		strbuf_addf(out, "%s_%llu_%s.log%s", n->kind == REDO_FILE_ROW ? "row" : "ddl",
			    (unsigned long long)n->max_commit_ts, n->uuid, n->tmp ? ".tmp" : "");
}

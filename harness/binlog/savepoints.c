#include "harness/binlog/savepoints.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "harness/base/strbuf.h"
#include "harness/base/xalloc.h"
#include "harness/os/fs.h"

enum { NO_ROW = 0xffffffff, LASTING = 1 };

struct mark {
	char *name;
	uint64_t at;        /* bytes of the tape before it */
	uint64_t n_lasting; /* changes that last, before it */
};
struct savepoints {
	size_t memory_bytes;
	char *tmp_dir;
	struct mark *marks; /* oldest first */
	size_t n_marks, marks_alloc;
	bool any;
	/* The tape: the file's bytes and behind them those in memory. No change lies across. */
	FILE *file;
	uint64_t file_bytes;
	struct strbuf tail;
	uint64_t n_lasting;
	struct strbuf record; /* scratch: a change that is read back */
};
struct head { /* of a change on the tape; then its key and its images */
	uint32_t table, row_cost, flags, key_n, before_n, after_n;
};

struct savepoints *savepoints_new(size_t memory_bytes, const char *tmp_dir)
{
	struct savepoints *s = xcalloc(1, sizeof(*s));

	s->memory_bytes = memory_bytes;
	s->tmp_dir = xstrdup(tmp_dir && *tmp_dir ? tmp_dir : "/tmp");
	s->tail = s->record = (struct strbuf)STRBUF_INIT;
	return s;
}

static void drop_marks(struct savepoints *s, size_t keep)
{
	while (s->n_marks > keep)
		free(s->marks[--s->n_marks].name);
}

void savepoints_reset(struct savepoints *s)
{
	drop_marks(s, 0);
	s->any = false;
	s->n_lasting = s->file_bytes = 0;
	if (s->file) {
		fclose(s->file);
		s->file = NULL;
		strbuf_release(&s->tail);
		strbuf_release(&s->record);
	}
	strbuf_reset(&s->tail);
}

void savepoints_free(struct savepoints *s)
{
	if (!s)
		return;
	savepoints_reset(s);
	strbuf_release(&s->tail);
	strbuf_release(&s->record);
	free(s->marks);
	free(s->tmp_dir);
	free(s);
}

bool savepoints_any(const struct savepoints *s)
{
	return s->any;
}

static size_t find(const struct savepoints *s, const char *name) /* n_marks: there is none */
{
	for (size_t i = 0; i < s->n_marks; i++)
		if (!strcasecmp(s->marks[i].name, name))
			return i;
	return s->n_marks;
}

void savepoints_set(struct savepoints *s, const char *name)
{
	size_t old = find(s, name);

	if (old < s->n_marks) {
		free(s->marks[old].name);
		memmove(&s->marks[old], &s->marks[old + 1],
			(--s->n_marks - old) * sizeof(*s->marks));
	}
	XGROW(s->marks, s->n_marks, s->marks_alloc, 8);
	s->marks[s->n_marks++] =
		(struct mark){ xstrdup(name), s->file_bytes + s->tail.len, s->n_lasting };
	s->any = true;
}

static int has_failed(const struct savepoints *s, struct err *e)
{
	return err_sys(e, "a transaction with savepoints, in %s", s->tmp_dir);
}

static int to_file(struct savepoints *s, struct err *e)
{
	if (!s->file && !(s->file = fs_nameless_file(s->tmp_dir, e)))
		return -1;
	if (fseeko(s->file, (off_t)s->file_bytes, SEEK_SET) ||
	    fwrite(s->tail.buf, 1, s->tail.len, s->file) != s->tail.len || fflush(s->file))
		return has_failed(s, e);
	s->file_bytes += s->tail.len;
	strbuf_reset(&s->tail);
	return 0;
}

int savepoints_add(struct savepoints *s, const struct savepoint_change *c, struct err *e)
{
	struct head h = { c->table,
			  c->row_cost > UINT32_MAX ? UINT32_MAX : (uint32_t)c->row_cost,
			  c->lasting ? LASTING : 0,
			  c->key.n,
			  c->before.p ? c->before.n : NO_ROW,
			  c->after.p ? c->after.n : NO_ROW };

	strbuf_add(&s->tail, &h, sizeof(h));
	strbuf_add(&s->tail, c->key.p, c->key.n);
	if (c->before.p)
		strbuf_add(&s->tail, c->before.p, c->before.n);
	if (c->after.p)
		strbuf_add(&s->tail, c->after.p, c->after.n);
	s->n_lasting += c->lasting;
	return s->tail.len > s->memory_bytes ? to_file(s, e) : 0;
}

/* n bytes at `at` of the tape, into out behind what is there. */
static int read_tape(struct savepoints *s, uint64_t at, size_t n, struct strbuf *out, struct err *e)
{
	size_t had = out->len;

	if (at >= s->file_bytes) {
		strbuf_add(out, s->tail.buf + (at - s->file_bytes), n);
		return 0;
	}
	strbuf_grow(out, n);
	while (n) {
		ssize_t got = pread(fileno(s->file), out->buf + had, n, (off_t)at);

		if (got <= 0)
			return got < 0 ? has_failed(s, e)
				       : err_set(e, ERR_IO, 0,
						 "the file of a transaction with savepoints is "
						 "truncated");
		had += (size_t)got;
		at += (uint64_t)got;
		n -= (size_t)got;
	}
	out->len = had;
	out->buf[had] = '\0';
	return 0;
}

/* The change at *at, which moves behind it. */
static int read_change(struct savepoints *s, uint64_t *at, struct savepoint_change *c,
		       struct err *e)
{
	struct head h;
	const char *p;
	size_t n;

	strbuf_reset(&s->record);
	if (read_tape(s, *at, sizeof(h), &s->record, e) < 0)
		return -1;
	memcpy(&h, s->record.buf, sizeof(h));
	n = (size_t)h.key_n + (h.before_n == NO_ROW ? 0 : h.before_n) +
	    (h.after_n == NO_ROW ? 0 : h.after_n);
	if (read_tape(s, *at + sizeof(h), n, &s->record, e) < 0)
		return -1;
	p = s->record.buf + sizeof(h);
	*c = (struct savepoint_change){ .table = h.table,
					.row_cost = h.row_cost,
					.lasting = h.flags & LASTING,
					.key = { p, h.key_n } };
	p += h.key_n;
	if (h.before_n != NO_ROW) {
		c->before = (struct net_bytes){ p, h.before_n };
		p += h.before_n;
	}
	if (h.after_n != NO_ROW)
		c->after = (struct net_bytes){ p, h.after_n };
	*at += sizeof(h) + n;
	return 0;
}

static int cut(struct savepoints *s, uint64_t at, struct err *e)
{
	if (at >= s->file_bytes) {
		strbuf_setlen(&s->tail, (size_t)(at - s->file_bytes));
		return 0;
	}
	strbuf_reset(&s->tail);
	s->file_bytes = at;
	return ftruncate(fileno(s->file), (off_t)at) < 0 ? has_failed(s, e) : 0;
}

int savepoints_rollback(struct savepoints *s, const char *name, struct err *e)
{
	struct strbuf kept = STRBUF_INIT;
	size_t i = find(s, name);
	uint64_t at, end = s->file_bytes + s->tail.len;
	int rc = 0;

	if (i == s->n_marks)
		return err_set(e, ERR_BAD_DATA, 0,
			       "ROLLBACK TO SAVEPOINT %s, which the transaction has not set", name);
	at = s->marks[i].at;
	while (!rc && s->n_lasting > s->marks[i].n_lasting && at < end) {
		struct savepoint_change c;

		rc = read_change(s, &at, &c, e);
		if (!rc && c.lasting)
			strbuf_add(&kept, s->record.buf, s->record.len);
	}
	if (!rc)
		rc = cut(s, s->marks[i].at, e);
	drop_marks(s, i + 1);
	strbuf_add(&s->tail, kept.buf, kept.len);
	strbuf_release(&kept);
	return !rc && s->tail.len > s->memory_bytes ? to_file(s, e) : rc;
}

int savepoints_each(struct savepoints *s,
		    int (*fn)(void *arg, const struct savepoint_change *c, struct err *e),
		    void *arg, struct err *e)
{
	uint64_t at = 0, end = s->file_bytes + s->tail.len;
	int rc = 0;

	while (!rc && at < end) {
		struct savepoint_change c;

		rc = read_change(s, &at, &c, e);
		if (!rc)
			rc = fn(arg, &c, e);
	}
	return rc;
}

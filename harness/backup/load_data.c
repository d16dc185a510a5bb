#include "harness/backup/load_data.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>
#include <zstd.h>

#include "harness/base/xalloc.h"

/* of a multi-row INSERT; unless the server takes less */
#define INSERT_BYTES ((size_t)1 << 20)
/* more than the names of 4,096 columns and what the protocol adds */
#define HEAD_BYTES ((size_t)64 << 10)
#define WARNINGS_COUNTED 65535u /* by an answer */
/* 1 GiB is the longest packet; escapes may double it */
#define ROW_BYTES_MAX ((size_t)3 << 30)

/* The decompressed text of chunks [next, end), pulled. */
struct chunk_text {
	const struct load_job *job;
	size_t next, end;
	struct strbuf packed;
	ZSTD_inBuffer in;
	ZSTD_DCtx *zstd;
	size_t frame; /* of the last call: 0 when the frame is complete */
	uint64_t chunk_raw;
	struct err err;
};

static int open_next(struct chunk_text *t)
{
	const struct manifest_chunk *c = &t->job->table->chunks[t->next++];

	strbuf_reset(&t->packed);
	strbuf_grow(&t->packed, c->size_bytes);
	if (store_get(t->job->from, c->key, c->size_bytes, &t->packed, &t->err) < 0)
		return -1;
	if (t->packed.len != c->size_bytes || XXH3_64bits(t->packed.buf, t->packed.len) != c->xxh3)
		return err_set(&t->err, ERR_BAD_DATA, 0, "%s changed while it was restored",
			       c->key);
	t->in = (ZSTD_inBuffer){ t->packed.buf, t->packed.len, 0 };
	t->chunk_raw = 0;
	ZSTD_DCtx_reset(t->zstd, ZSTD_reset_session_only);
	return 0;
}

/* Bytes put into buf; 0: the end; -1: t->err. */
static int chunk_text_read(struct chunk_text *t, char *buf, size_t n)
{
	ZSTD_outBuffer out = { buf, n, 0 };
	uint64_t left;

	while (out.pos == 0) {
		const struct manifest_chunk *c =
			t->next ? &t->job->table->chunks[t->next - 1] : NULL;

		if (t->in.pos == t->in.size && t->frame == 0) {
			if (c && t->next > t->job->first && t->packed.len &&
			    t->chunk_raw != c->raw_bytes)
				return err_set(&t->err, ERR_BAD_DATA, 0,
					       "%s has %" PRIu64 " bytes, not %" PRIu64, c->key,
					       t->chunk_raw, c->raw_bytes);
			if (t->next == t->end)
				return 0;
			if (open_next(t) < 0)
				return -1;
			c = &t->job->table->chunks[t->next - 1];
		}
		left = c->raw_bytes - t->chunk_raw;
		/* never much more than the manifest promises */
		out.size = n > left ? (size_t)left + 1 : n;
		t->frame = ZSTD_decompressStream(t->zstd, &out, &t->in);
		if (ZSTD_isError(t->frame))
			return err_set(&t->err, ERR_BAD_DATA, 0, "%s: zstd: %s", c->key,
				       ZSTD_getErrorName(t->frame));
		if (out.pos == 0 && t->in.pos == t->in.size && t->frame != 0)
			return err_set(&t->err, ERR_BAD_DATA, 0, "%s is truncated", c->key);
		if (out.pos > left)
			return err_set(&t->err, ERR_BAD_DATA, 0,
				       "%s has more than %" PRIu64 " bytes", c->key, c->raw_bytes);
	}
	t->chunk_raw += out.pos;
	if (work_pace(t->job->work, out.pos, &t->err) < 0)
		return -1;
	return (int)out.pos;
}

static void chunk_text_init(struct chunk_text *t, const struct load_job *j, size_t first,
			    size_t end)
{
	*t = (struct chunk_text){ .job = j,
				  .next = first,
				  .end = end,
				  .packed = STRBUF_INIT,
				  .zstd = ZSTD_createDCtx() };
}

static void chunk_text_release(struct chunk_text *t)
{
	strbuf_release(&t->packed);
	ZSTD_freeDCtx(t->zstd);
}

static int infile_init(void **ptr, const char *name, void *arg)
{
	(void)name;
	*ptr = arg;
	return arg ? 0 : 1; /* no load runs: a server that asks for a file all the same gets none */
}

static int infile_read(void *ptr, char *buf, unsigned n)
{
	return chunk_text_read(ptr, buf, n);
}

static void infile_end(void *ptr)
{
	(void)ptr;
}

static int infile_error(void *ptr, char *message, unsigned n)
{
	snprintf(message, n, "%s", ptr ? ((struct chunk_text *)ptr)->err.text : "no file is given");
	return 2000; /* CR_UNKNOWN_ERROR: the client library wants a number of its own */
}

static void count_expected(const struct load_job *j, size_t first, size_t end, uint64_t *rows,
			   uint64_t *warnings)
{
	*rows = *warnings = 0;
	for (size_t i = first; i < end; i++) {
		*rows += j->table->chunks[i].rows;
		*warnings += j->table->chunks[i].warnings;
	}
}

static void quote_warnings(struct sql *s, struct strbuf *out)
{
	struct sql_rows r = { 0 };

	if (sql_query(s, &r, NULL, "SHOW WARNINGS LIMIT 3") == 0)
		while (sql_rows_next(&r, NULL) == 1)
			if (r.n_columns >= 3 && r.cell[2])
				strbuf_addf(out, "; %.150s", r.cell[2]);
	sql_rows_release(&r);
}

/* Only MariaDB and MySQL count as the server that was backed up. TiDB counts warnings that it does
 * not show, and for what loses nothing. */
static bool warnings_prove(struct sql *s)
{
	return sql_flavor(s) != SQL_TIDB;
}

bool load_needs_inserts(struct sql *s, const struct manifest_table *t)
{
	return sql_flavor(s) == SQL_TIDB && strstr(t->create_sql, "AUTO_RANDOM");
}

int load_sum(struct sql *s, const struct table_schema *t, struct table_sum *sum, struct err *e)
{
	struct strbuf q = STRBUF_INIT;
	struct sql_rows r = { 0 };
	int rc = -1;

	strbuf_addstr(&q, "SELECT ");
	checksum_select_list(&q, t);
	strbuf_addstr(&q, " FROM ");
	sql_add_name(&q, t->db);
	strbuf_addch(&q, '.');
	sql_add_name(&q, t->table);
	if (sql_query_stream(s, &r, e, q.buf, q.len) == 0 && sql_rows_next(&r, e) == 1 &&
	    r.cell[0] && r.cell[1] && r.cell[2]) {
		sum->rows = strtoull(r.cell[0], NULL, 10);
		sum->sum = (uint64_t)(uint32_t)strtoull(r.cell[1], NULL, 10) << 32 |
			   (uint32_t)strtoull(r.cell[2], NULL, 10);
		rc = 0;
	} else {
		err_wrap(e, "sum %s.%s", t->db, t->table);
	}
	sql_rows_release(&r);
	strbuf_release(&q);
	return rc;
}

static int load_infile(struct sql *s, struct load_job *j, size_t first, size_t end, struct err *e)
{
	struct chunk_text text;
	struct strbuf q = STRBUF_INIT, notes = STRBUF_INIT;
	MYSQL *m = sql_handle(s);
	unsigned long long records = 0, deleted = 0, skipped = 0, warned = 0;
	uint64_t rows, warnings;
	const char *info;
	int rc = -1;

	count_expected(j, first, end, &rows, &warnings);
	chunk_text_init(&text, j, first, end);
	mysql_set_local_infile_handler(m, infile_init, infile_read, infile_end, infile_error,
				       &text);
	format_load(&q, j->table->db, j->table->name, j->table->columns, j->table->n_columns);
	if (sql_exec_text(s, e, q.buf, q.len) < 0) {
		if (text.err.kind != ERR_NONE && e)
			*e = text.err;
		goto out;
	}
	if (text.err.kind != ERR_NONE) {
		if (e)
			*e = text.err;
		goto out;
	}
	info = mysql_info(m);
	warned = mysql_warning_count(m);
	if (!info || sscanf(info, "Records: %llu  Deleted: %llu  Skipped: %llu", &records, &deleted,
			    &skipped) != 3) {
		err_set(e, ERR_SQL, 0, "the server does not report the number of rows");
		goto out;
	}
	if (warnings > WARNINGS_COUNTED)
		warnings = WARNINGS_COUNTED;
	j->unsure |= warned != warnings && !warnings_prove(s);
	if (records != rows || deleted || skipped || (warned != warnings && warnings_prove(s))) {
		quote_warnings(s, &notes);
		err_set(e, ERR_BAD_DATA, 0,
			"%" PRIu64
			" rows sent: the server took %llu, skipped %llu, with %llu warnings%s",
			rows, records, skipped, warned, notes.buf);
		goto out;
	}
	rc = 0;
out:
	mysql_set_local_infile_handler(m, infile_init, infile_read, infile_end, infile_error, NULL);
	chunk_text_release(&text);
	strbuf_release(&q);
	strbuf_release(&notes);
	return rc;
}

static int insert_batch(struct sql *s, struct strbuf *q, uint64_t *rows, uint64_t *warned,
			struct err *e)
{
	int64_t took;

	if (!q->len)
		return 0;
	took = sql_exec_text(s, e, q->buf, q->len);
	if (took < 0)
		return -1;
	*rows += (uint64_t)took;
	*warned += mysql_warning_count(sql_handle(s));
	strbuf_reset(q);
	return 0;
}

/* A field of a line as the bytes it stands for. */
static void unescape(struct strbuf *out, const char *p, const char *end)
{
	strbuf_grow(out, (size_t)(end - p));
	for (; p < end; p++)
		if (*p == '\\' && p + 1 < end) {
			p++;
			strbuf_addch(out, *p == '0' ? 0 : *p == 't' ? '\t' : *p == 'n' ? '\n' : *p);
		} else {
			strbuf_addch(out, *p);
		}
}

/* One row that no server takes in one statement: as literals that the connection sends ahead, in
 * pieces. */
static int insert_long(struct sql *s, const struct manifest_table *t, const char *line, size_t len,
		       uint64_t *took, uint64_t *warned, struct err *e)
{
	struct strbuf q = STRBUF_INIT, v = STRBUF_INIT;
	const char *p = line, *end = line + len;
	int64_t n;

	format_insert_head(&q, t->db, t->name, t->columns, t->n_columns);
	for (size_t i = 0; i < t->n_columns; i++) {
		const char *stop = memchr(p, '\t', (size_t)(end - p));
		bool utf8 = t->columns[i].as == CARRY_UTF8;

		stop = stop ? stop : end;
		strbuf_addstr(&q, i ? "," : "(");
		if (stop - p == 2 && p[0] == '\\' && p[1] == 'N') {
			strbuf_addstr(&q, "NULL");
		} else if (t->columns[i].as == CARRY_NUMBER) {
			strbuf_add(&q, p, (size_t)(stop - p));
		} else {
			strbuf_reset(&v);
			unescape(&v, p, stop);
			strbuf_addstr(&q, utf8 ? "CONVERT(" : "");
			sql_add_binary(&q, v.buf, v.len);
			strbuf_addstr(&q, utf8 ? " USING utf8mb4)" : "");
		}
		p = stop + (stop < end);
	}
	strbuf_addch(&q, ')');
	n = sql_exec_text(s, e, q.buf, q.len);
	if (n >= 0) {
		*took += (uint64_t)n;
		*warned += mysql_warning_count(sql_handle(s));
	}
	strbuf_release(&q);
	strbuf_release(&v);
	return n < 0 ? -1 : 0;
}

struct insert {
	struct sql *s;
	const struct manifest_table *t;
	struct strbuf q, row;
	uint64_t packet_max, took, warned;
	/* of the open statement; each value that is a number may give a warning, of which an
	 * answer counts 65,535 */
	size_t rows, rows_max;
};

static int insert_line(struct insert *in, const char *line, size_t len, struct err *e)
{
	const struct manifest_table *t = in->t;

	strbuf_reset(&in->row);
	if (format_insert_row(&in->row, t->columns, t->n_columns, line, len) < 0)
		return err_set(e, ERR_BAD_DATA, 0, "a row of the backup does not have %zu columns",
			       t->n_columns);
	if (in->row.len + HEAD_BYTES > in->packet_max)
		return insert_batch(in->s, &in->q, &in->took, &in->warned, e) < 0
			       ? -1
			       : insert_long(in->s, t, line, len, &in->took, &in->warned, e);
	if (in->q.len + in->row.len + HEAD_BYTES > in->packet_max &&
	    insert_batch(in->s, &in->q, &in->took, &in->warned, e) < 0)
		return -1;
	if (!in->q.len) {
		in->rows = 0;
		format_insert_head(&in->q, t->db, t->name, t->columns, t->n_columns);
	} else {
		strbuf_addch(&in->q, ',');
	}
	strbuf_add(&in->q, in->row.buf, in->row.len);
	in->rows++;
	return in->q.len > INSERT_BYTES || in->rows >= in->rows_max
		       ? insert_batch(in->s, &in->q, &in->took, &in->warned, e)
		       : 0;
}

static int load_inserts(struct sql *s, struct load_job *j, size_t first, size_t end, struct err *e)
{
	struct insert in = { .s = s, .t = j->table, .q = STRBUF_INIT, .row = STRBUF_INIT };
	struct chunk_text text;
	struct strbuf lines = STRBUF_INIT;
	size_t searched = 0; /* bytes of lines that hold no newline */
	size_t numbers = 0;
	uint64_t rows, warnings;
	int n, rc = -1;

	in.rows_max = WARNINGS_COUNTED;
	for (size_t i = 0; i < j->table->n_columns; i++)
		numbers += j->table->columns[i].as == CARRY_NUMBER;
	in.rows_max /= numbers ? numbers : 1;
	count_expected(j, first, end, &rows, &warnings);
	chunk_text_init(&text, j, first, end);
	if (sql_value_u64(s, &in.packet_max, e, "SELECT @@max_allowed_packet") < 0 ||
	    sql_exec(s, e, "START TRANSACTION") < 0)
		goto out;
	do {
		char *at, *nl;

		strbuf_grow(&lines, 1 << 16);
		n = chunk_text_read(&text, lines.buf + lines.len, 1 << 16);
		if (n < 0) {
			if (e)
				*e = text.err;
			goto out;
		}
		lines.len += (size_t)n;
		at = lines.buf;
		/* a newline in a value is escaped */
		while ((nl = memchr(at + searched, '\n',
				    (size_t)(lines.buf + lines.len - at) - searched))) {
			if (insert_line(&in, at, (size_t)(nl - at), e) < 0)
				goto out;
			at = nl + 1;
			searched = 0;
		}
		memmove(lines.buf, at, (size_t)(lines.buf + lines.len - at));
		lines.len -= (size_t)(at - lines.buf);
		searched = lines.len;
		if (lines.len > ROW_BYTES_MAX) {
			err_set(e, ERR_BAD_DATA, 0,
				"a row of the backup is longer than a server allows");
			goto out;
		}
	} while (n > 0);
	if (insert_batch(s, &in.q, &in.took, &in.warned, e) < 0)
		goto out;
	j->unsure |= in.warned != warnings && !warnings_prove(s);
	if (lines.len || in.took != rows || (in.warned != warnings && warnings_prove(s))) {
		err_set(e, ERR_BAD_DATA, 0,
			"%" PRIu64 " rows sent: the server took %" PRIu64 ", with %" PRIu64
			" warnings",
			rows, in.took, in.warned);
		goto out;
	}
	rc = sql_exec(s, e, "COMMIT") < 0 ? -1 : 0;
out:
	if (rc < 0)
		(void)sql_exec(s, NULL, "ROLLBACK");
	chunk_text_release(&text);
	strbuf_release(&lines);
	strbuf_release(&in.q);
	strbuf_release(&in.row);
	return rc;
}

int load_run(struct sql *s, struct load_job *j, struct err *e)
{
	size_t step = j->bulk && j->local_infile ? j->end - j->first : 1;
	int rc = 0;

	/* With unique_checks off the server may fill an empty table under a lock of the whole
	 * table: for one writer only. */
	if (sql_exec(s, e, "SET SESSION unique_checks = %d", !j->bulk) < 0)
		rc = -1;
	for (size_t i = j->first; rc == 0 && i < j->end; i += step)
		rc = (j->local_infile ? load_infile : load_inserts)(s, j, i, i + step, e);
	return rc < 0 ? err_wrap(e, "restore %s.%s", j->table->db, j->table->name) : 0;
}

/* Is the key's first column the AUTO_INCREMENT one? Such a table cannot be made without a key on
 * it. */
static bool leads_with_auto_increment(const char *create_sql, const char *key, size_t n)
{
	const char *open = memchr(key, '(', n), *close;
	char line[300];

	/* the list of columns comes after the key's name, which may hold a '(' itself: then keep
	 * the key */
	if (!open || open[1] != '`' ||
	    (close = memchr(open + 2, '`', n - (size_t)(open + 2 - key))) == NULL ||
	    close - open > 200)
		return true;
	snprintf(line, sizeof(line), "\n  %.*s ", (int)(close - open), open + 1);
	for (const char *p = create_sql; (p = strstr(p, line)); p++) {
		const char *end = strchr(p + 1, '\n'), *ai = strstr(p, " AUTO_INCREMENT");

		if (ai && (!end || ai < end))
			return true;
	}
	return false;
}

void load_split_keys(const char *create_sql, struct strbuf *create, struct strbuf *add_keys)
{
	const char *p = create_sql, *engine = strstr(create_sql, "\n) ENGINE=InnoDB");
	bool split;

	if (!engine) { /* other engines, and what is not MariaDB's or MySQL's own text */
		strbuf_addstr(create, create_sql);
		return;
	}
	split = !strstr(create_sql, "FOREIGN KEY") && !strstr(create_sql, "PARTITION BY") &&
		!strstr(engine + 1, "\n  KEY `");
	while (*p) {
		const char *end = strchr(p, '\n');
		size_t n = end ? (size_t)(end - p) + 1 : strlen(p);

		if (split && !strncmp(p, "  KEY `", 7) && p < engine &&
		    !leads_with_auto_increment(create_sql, p, n)) {
			size_t m = n;

			while (m && (p[m - 1] == '\n' || p[m - 1] == ','))
				m--;
			strbuf_addstr(add_keys, add_keys->len ? ",ADD " : "ADD ");
			strbuf_add(add_keys, p + 2, m - 2);
		} else {
			if (p == engine + 1 && create->len > 2 &&
			    !strcmp(create->buf + create->len - 2, ",\n")) {
				/* the last line's comma went ahead of the keys */
				strbuf_setlen(create, create->len - 2);
				strbuf_addch(create, '\n');
			}
			strbuf_add(create, p, n);
		}
		p += n;
	}
}

int load_add_keys(struct sql *s, const struct manifest_table *t, const struct table_load *l,
		  struct err *e)
{
	struct strbuf q = STRBUF_INIT;
	int rc;

	strbuf_addstr(&q, "ALTER TABLE ");
	sql_add_name(&q, t->db);
	strbuf_addch(&q, '.');
	sql_add_name(&q, t->name);
	strbuf_addch(&q, ' ');
	strbuf_add(&q, l->add_keys.buf, l->add_keys.len);
	rc = sql_exec_text(s, e, q.buf, q.len) < 0 ? err_wrap(e, "keys of %s.%s", t->db, t->name)
						   : 0;
	strbuf_release(&q);
	return rc;
}

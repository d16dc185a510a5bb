#include "tests/integration/replay_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/base/xalloc.h"
#include "harness/os/fs.h"
#include "harness/sql/schema.h"
#include "tests/support/store_dir.h"

struct fixture fx;

void fx_must(const char *text)
{
	struct err e = ERR_INIT;

	if (sql_exec_text(fx.conn, &e, text, strlen(text)) < 0)
		fail_msg("%s", e.text);
}

void fx_source(const char *path)
{
	struct strbuf sql = STRBUF_INIT, out = STRBUF_INIT;
	char port[32];
	char *argv[] = { (char *)"mariadb",
			 (char *)"--no-defaults",
			 (char *)"--protocol=tcp",
			 (char *)"-h127.0.0.1",
			 (char *)"-uroot",
			 port,
			 (char *)"--default-character-set=utf8mb4",
			 (char *)"--init-command=SET time_zone='+00:00'",
			 NULL };
	struct err e = ERR_INIT;

	snprintf(port, sizeof(port), "-P%u", test_server_endpoint(fx.server)->port);
	if (fs_read_file(path, 1 << 30, &sql, &e) < 0 ||
	    proc_run(argv, sql.buf, &out, 1 << 20, deadline_in_ms(120000), &e) < 0)
		fail_msg("%s: %s", path, e.text);
	strbuf_release(&sql);
	strbuf_release(&out);
}

void fx_forget(void)
{
	fx_must("DROP DATABASE IF EXISTS redo_small");
	fx_must("DROP DATABASE IF EXISTS redo_swap");
	fx_must("DROP DATABASE IF EXISTS redo_sb");
	fx_must("DROP DATABASE IF EXISTS drtest_feed");
}

struct store *fx_open(const char *dir)
{
	struct err e = ERR_INIT;
	struct store *s = store_at_dir(dir, &e);

	if (!s)
		fail_msg("%s", e.text);
	return s;
}

int fx_replay(const char *dir, enum replay_mode mode, struct replay_stats *st, struct err *e)
{
	struct replay_opts o = { .sink = *test_server_endpoint(fx.server),
				 .mode = mode,
				 .workers = 4,
				 .tmp_dir = test_server_dir(fx.server),
				 .time_zone = "+00:00" };
	struct store *log = fx_open(dir);
	int rc = replay_run(log, &o, st, e);

	store_free(log);
	return rc;
}

char *fx_value(const char *query)
{
	struct strbuf out = STRBUF_INIT;
	struct err e = ERR_INIT;

	if (sql_value(fx.conn, &out, &e, "%s", query) < 0)
		fail_msg("%s", e.text);
	return strbuf_detach(&out);
}

void fx_start(void)
{
	fx.server = test_server_start(1);
	fx.conn = test_server_connect(fx.server);
	fx_must("SET NAMES utf8mb4");
}

void fx_end(void)
{
	sql_close(fx.conn);
	test_server_free(fx.server);
	guardian_stop();
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* One row as text; NULL as no text is. */
static void add_cell(struct strbuf *out, const char *text, size_t n)
{
	strbuf_addf(out, "%s%zu:", text ? "" : "NULL", n);
	strbuf_add(out, text ? text : "", n);
	strbuf_addch(out, ' ');
}

static char **rows_expected(json_t *rows)
{
	char **out = xcalloc(json_array_size(rows) + 1, sizeof(*out));
	json_t *row, *v;
	size_t i, k;

	json_array_foreach(rows, i, row)
	{
		struct strbuf text = STRBUF_INIT;

		json_array_foreach(row, k, v) add_cell(
			&text, json_string_value(v), json_is_string(v) ? json_string_length(v) : 0);
		out[i] = strbuf_detach(&text);
	}
	qsort(out, i, sizeof(*out), by_text);
	return out;
}

static char **rows_found(const char *query, size_t *n)
{
	char **out = NULL;
	struct sql_rows r;
	struct err e = ERR_INIT;
	int got;

	*n = 0;
	if (sql_query(fx.conn, &r, &e, "%s", query) < 0)
		fail_msg("%s", e.text);
	while ((got = sql_rows_next(&r, &e)) == 1) {
		struct strbuf text = STRBUF_INIT;

		for (unsigned k = 0; k < r.n_columns; k++)
			add_cell(&text, r.cell[k], r.cell[k] ? r.len[k] : 0);
		out = xreallocarray(out, *n + 1, sizeof(*out));
		out[(*n)++] = strbuf_detach(&text);
	}
	sql_rows_release(&r);
	assert_int_equal(got, 0);
	if (*n)
		qsort(out, *n, sizeof(*out), by_text);
	return out;
}

/* Row by row, whatever their order. */
static void compare_table(const char *name, json_t *want)
{
	json_t *cols = json_object_get(want, "columns"), *rows = json_object_get(want, "rows"), *v;
	char *db = xstrdup(name), *table = strchr(db, '.'), **expected, **found;
	struct strbuf q = STRBUF_INIT;
	size_t i, n;

	*table++ = 0;
	strbuf_addstr(&q, "SELECT ");
	json_array_foreach(cols, i, v)
	{
		const char *col = json_string_value(json_object_get(v, "name")),
			   *enc = json_string_value(json_object_get(v, "encoding"));

		if (i)
			strbuf_addch(&q, ',');
		strbuf_addstr(&q, !strcmp(enc, "hex")    ? "LOWER(HEX("
				  : !strcmp(enc, "uint") ? "CAST((("
							 : "((");
		sql_add_name(&q, col);
		strbuf_addstr(&q, !strcmp(enc, "hex")    ? "))"
				  : !strcmp(enc, "uint") ? ")+0) AS CHAR)"
							 : "))");
	}
	strbuf_addf(&q, " FROM `%s`.`%s`", db, table);
	expected = rows_expected(rows);
	found = rows_found(q.buf, &n);
	for (i = 0; i < n && i < json_array_size(rows); i++) {
		if (strcmp(expected[i], found[i]))
			fail_msg("%s: '%s' is expected, '%s' found", name, expected[i], found[i]);
		free(expected[i]);
		free(found[i]);
	}
	assert_int_equal(n, json_array_size(rows));
	free(expected);
	free(found);
	strbuf_release(&q);
	free(db);
}

void fx_compare(const char *name)
{
	char *path = xstrfmt("tests/fixtures/redo/%s/expected.json", name);
	json_error_t je;
	json_t *all = json_load_file(path, 0, &je), *tables = json_object_get(all, "tables"), *t;
	const char *table;

	assert_true(json_object_size(tables) > 0);
	json_object_foreach(tables, table, t) compare_table(table, t);
	json_decref(all);
	free(path);
}

/* ---- logs of ours ---- */

#define FIRST_MS 1763640000000

void fx_log_begin(struct fx_log *l, const char *name)
{
	struct redo_writer_opts wo = { .capture = "127.0.0.1:8300",
				       .name_space = "default",
				       .changefeed = name };
	struct err e = ERR_INIT;

	l->dir = xstrfmt("%s/%s", test_server_dir(fx.server), name);
	if (fs_remove_tree(l->dir, &e) < 0 || fs_mkdir_p(l->dir, 0755, &e) < 0)
		fail_msg("%s", e.text);
	l->store = fx_open(l->dir);
	l->writer = redo_writer_new(l->store, &wo, &e);
	assert_non_null(l->writer);
	l->ts = tso_make(FIRST_MS, 0);
}

tso_t fx_log_txn(struct fx_log *l)
{
	return l->ts += tso_make(1, 0);
}

static struct redo_bytes text(const char *s)
{
	return (struct redo_bytes){ s, (uint32_t)strlen(s) };
}

static uint32_t columns(struct redo_column *c, unsigned how, int64_t id, const char *v)
{
	uint32_t key = how & FX_NO_KEY ? 0 : COLF_HANDLE_KEY | COLF_PRIMARY_KEY;

	if (!v)
		return 0;
	c[0] = (struct redo_column){ .name = text("id"),
				     .charset = text("binary"),
				     .collation = text("binary"),
				     .type = COL_LONGLONG,
				     .flag = COLF_BINARY | key,
				     .value = { .kind = REDO_INT, .i = id } };
	if (how & FX_DOUBLE_KEY) {
		c[0].type = COL_DOUBLE;
		c[0].value = (struct redo_value){ .kind = REDO_F64, .f64 = (double)id / 7 };
	}
	if (how & FX_FLOAT_KEY) {
		c[0].type = COL_FLOAT;
		c[0].value = (struct redo_value){ .kind = REDO_F32, .f32 = (float)id / 7 };
	}
	c[1] = (struct redo_column){ .name = text("v"),
				     .charset = text("utf8mb4"),
				     .collation = text("utf8mb4_bin"),
				     .type = COL_VARCHAR,
				     .flag = COLF_NULLABLE,
				     .value = { .kind = REDO_BIN, .s = text(v) } };
	c[2] = (struct redo_column){ .name = text("extra"),
				     .charset = text("binary"),
				     .collation = text("binary"),
				     .type = COL_LONG,
				     .flag = COLF_BINARY | COLF_NULLABLE,
				     .value = { .kind = REDO_INT, .i = id * 2 } };
	if (how & FX_GENERATED)
		c[2].flag |= COLF_GENERATED;
	return how & (FX_EXTRA | FX_GENERATED) ? 3 : 2;
}

static void add(struct fx_log *l, const struct redo_event *ev)
{
	struct err e = ERR_INIT;

	if (redo_writer_add(l->writer, ev, &e) < 0)
		fail_msg("%s", e.text);
}

static void row(struct fx_log *l, const char *db, const char *table, unsigned how, int64_t from,
		const char *before, int64_t to, const char *after)
{
	static const int32_t first = 0;
	struct redo_index pk = { &first, 1 };
	struct redo_column old[3], new[3];
	struct redo_event ev = { .kind = REDO_ROW,
				 .row = { .start_ts = l->ts - 1,
					  .commit_ts = l->ts,
					  .table = { text(db), text(table), 100, false },
					  .columns = new,
					  .pre_columns = old,
					  .indexes = &pk,
					  .n_indexes = how &FX_NO_KEY ? 0 : 1 } };

	ev.row.n_pre_columns = columns(old, how, from, before);
	ev.row.n_columns = columns(new, how, to, after);
	add(l, &ev);
}

void fx_log_row(struct fx_log *l, const char *db, const char *table, unsigned how, int64_t id,
		const char *before, const char *after)
{
	row(l, db, table, how, id, before, id, after);
}

void fx_log_move(struct fx_log *l, const char *db, const char *table, int64_t from, int64_t to,
		 const char *v)
{
	row(l, db, table, 0, from, v, to, v);
}

void fx_log_ddl(struct fx_log *l, const char *db, const char *table, unsigned type,
		const char *query)
{
	tso_t ts = fx_log_txn(l);
	struct redo_event ev = { .kind = REDO_DDL,
				 .ddl = { .start_ts = ts - 1,
					  .commit_ts = ts,
					  .query = text(query),
					  .type = type,
					  .table = { text(db), text(table), 100, false } } };

	add(l, &ev);
}

void fx_log_ddl_part(struct fx_log *l, const char *db, const char *table, int64_t id, uint64_t seq,
		     const char *query)
{
	struct redo_event ev = { .kind = REDO_DDL,
				 .ddl = { .start_ts = l->ts - 1,
					  .commit_ts = l->ts,
					  .seq = seq,
					  .query = text(query),
					  .type = 14,
					  .table = { text(db), text(table), id, false } } };

	add(l, &ev);
}

void fx_log_flush(struct fx_log *l)
{
	struct err e = ERR_INIT;

	if (redo_writer_flush(l->writer, &e) < 0)
		fail_msg("%s", e.text);
}

void fx_log_end(struct fx_log *l)
{
	struct redo_meta m = { .checkpoint_ts = tso_make(FIRST_MS, 0), .resolved_ts = l->ts };
	struct err e = ERR_INIT;

	fx_log_flush(l);
	if (redo_writer_meta(l->writer, &m, &e) < 0)
		fail_msg("%s", e.text);
}

void fx_log_free(struct fx_log *l)
{
	redo_writer_free(l->writer);
	store_free(l->store);
	free(l->dir);
	memset(l, 0, sizeof(*l));
}

void fx_log_rows(struct fx_log *l, const char *db, const char *table, unsigned how, int from,
		 int upto, const char *before, const char *after)
{
	for (int i = from; i < upto; i++) {
		fx_log_txn(l);
		fx_log_row(l, db, table, how, i, before, after);
	}
}

void fx_leave_intent(const char *owner, const struct ddl_statement *d, const char *locked)
{
	struct sql *holder = test_server_connect(fx.server);
	enum ddl_outcome outcome;
	struct sql_rows r = { 0 };
	struct err e = ERR_INIT;

	assert_int_equal(ddl_once_prepare(fx.conn, &e), 0);
	assert_true(sql_exec(holder, &e, "START TRANSACTION") >= 0);
	assert_int_equal(sql_query(holder, &r, &e, "SELECT * FROM %s", locked), 0);
	sql_rows_release(&r);
	fx_must("SET SESSION lock_wait_timeout = 0");
	assert_int_equal(ddl_once_run(fx.conn, owner, d, false, &outcome, &e), -1);
	assert_int_equal(e.kind, ERR_CONFLICT);
	fx_must("SET SESSION lock_wait_timeout = 60");
	sql_close(holder);
}

void fx_chain_table(void)
{
	fx_must("DROP DATABASE IF EXISTS ch");
	fx_must("DROP DATABASE IF EXISTS drtest_feed");
	fx_must("CREATE DATABASE ch");
	fx_must("CREATE TABLE ch.t (id BIGINT PRIMARY KEY, v VARCHAR(100))");
}

struct replay_opts fx_replay_opts(enum replay_mode mode)
{
	return (struct replay_opts){ .sink = *test_server_endpoint(fx.server),
				     .mode = mode,
				     .tmp_dir = test_server_dir(fx.server) };
}

void fx_must_replay(struct store *log, const struct replay_opts *o, struct replay_stats *st)
{
	struct err e = ERR_INIT;

	if (replay_run(log, o, st, &e) < 0)
		fail_msg("%s", e.text);
}

void fx_log_chain(struct fx_log *l, const char *name, int without)
{
	fx_log_begin(l, name);
	for (int step = 0; step < 5; step++)
		for (int id = 0; id < 10; id++) {
			char *before = step ? xstrfmt("step %d", step - 1) : NULL,
			     *after = xstrfmt("step %d", step);

			fx_log_txn(l);
			if (without != step * 10 + id)
				fx_log_row(l, "ch", "t", 0, id, before, after);
			free(before);
			free(after);
		}
	fx_log_end(l);
}

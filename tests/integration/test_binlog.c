/* Needs MariaDB: the binary log decoder against what SELECT says, type by type and transaction by
 * transaction. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/rng.h"
#include "harness/base/xalloc.h"
#include "harness/binlog/binlog.h"
#include "harness/binlog/map_schema.h"
#include "tests/integration/binlog_types.h"
#include "tests/integration/mariadb_server.h"

static struct test_server *server;
static struct sql *conn;

__attribute__((format(printf, 1, 2))) static void run(const char *fmt, ...)
{
	struct strbuf text = STRBUF_INIT;
	struct err e = ERR_INIT;
	va_list ap;

	va_start(ap, fmt);
	strbuf_vaddf(&text, fmt, ap);
	va_end(ap);
	if (sql_exec_text(conn, &e, text.buf, text.len) < 0)
		fail_msg("%s\n%.300s", e.text, text.buf);
	strbuf_release(&text);
}

static uint64_t position(void)
{
	struct strbuf v = STRBUF_INIT;
	struct err e = ERR_INIT;
	uint64_t seq;

	if (sql_value(conn, &v, &e, "SELECT @@gtid_binlog_pos") < 0)
		fail_msg("%s", e.text);
	seq = v.len ? strtoull(strrchr(v.buf, '-') + 1, NULL, 10) : 0;
	strbuf_release(&v);
	return seq;
}

/* The schemas as the server has them now, kept until the test forgets them. */
static struct table_schema schemas[64];
static size_t n_schemas;

static unsigned maps_held;

/* What the log alone tells of a table is what the server says of it. */
static void hold_map(const struct table_map *map, const struct table_schema *t, bool hinted)
{
	struct charsets *sets = charsets_new(test_server_endpoint(server));
	struct err e = ERR_INIT;
	struct table_schema s;

	if (map_schema(map, hinted ? t : NULL, sets, &s, &e) < 0)
		fail_msg("%s", e.text);
	assert_int_equal(s.n_columns, t->n_columns);
	for (size_t i = 0; i < t->n_columns; i++) {
		const struct column *a = &s.columns[i], *b = &t->columns[i];
		uint32_t told = COLF_UNSIGNED | COLF_NULLABLE | COLF_PRIMARY_KEY |
				(hinted ? COLF_GENERATED | COLF_BINARY : 0);

		if (hinted && b->type == COL_UNKNOWN)
			assert_int_equal(a->type, COL_UNKNOWN);
		if (!hinted && b->type == COL_JSON)
			continue;
		if (b->type == COL_UNKNOWN || a->type == COL_UNKNOWN) /* COMPRESSED; what the log
								 has only as it is kept */
			continue;
		if (strcmp(a->name, b->name) != 0 || a->type != b->type ||
		    strcmp(a->charset, b->charset) != 0 ||
		    strcmp(a->collation, b->collation) != 0 ||
		    ((a->flags ^ b->flags) & told) != 0 || a->decimals != b->decimals ||
		    (b->type != COL_VARCHAR && a->length != b->length) ||
		    (hinted && a->is_virtual != b->is_virtual))
			fail_msg(
				"%s.%s.%s: type %d, %s, %s, flags %x, length %u, decimals %u by the log; type %d, %s, %s, flags %x,"
				" length %u, decimals %u by the server",
				map->db, map->table, b->name, a->type, a->charset, a->collation,
				a->flags, a->length, a->decimals, b->type, b->charset, b->collation,
				b->flags, b->length, b->decimals);
	}
	assert_int_equal(s.uniques[0].n_columns, t->uniques[t->handle].n_columns);
	for (size_t i = 0; i < s.uniques[0].n_columns; i++)
		assert_int_equal(s.uniques[0].columns[i], t->uniques[t->handle].columns[i]);
	schema_release(&s);
	charsets_free(sets);
	maps_held++;
}

static const struct table_schema *schema_for(const char *db, const char *table, struct err *e);

static const struct table_schema *schema_of(void *arg, const char *db, const char *table,
					    const struct table_map *map, int attempt, struct err *e)
{
	const struct table_schema *t = schema_for(db, table, e);

	(void)arg;
	(void)attempt;
	if (t && map && map_schema_tells(map)) {
		hold_map(map, t, false);
		hold_map(map, t, true);
	}
	return t;
}

static const struct table_schema *schema_for(const char *db, const char *table, struct err *e)
{
	for (size_t i = 0; i < n_schemas; i++)
		if (!strcmp(schemas[i].db, db) && !strcmp(schemas[i].table, table))
			return &schemas[i];
	assert_true(n_schemas < 64);
	if (schema_load(conn, db, table, &schemas[n_schemas], e) < 0)
		return NULL;
	return &schemas[n_schemas++];
}

static void forget(struct binlog *b)
{
	while (n_schemas)
		schema_release(&schemas[--n_schemas]);
	if (b)
		binlog_forget_schemas(b);
}

static struct binlog_opts opts_after(uint64_t seq)
{
	return (struct binlog_opts){ .from = *test_server_endpoint(server),
				     .after_seq = seq,
				     .domain = 0,
				     .server_id = 1,
				     .replica_id = 901,
				     .schema = schema_of,
				     .tmp_dir = test_server_dir(server) };
}

static struct binlog *open_after(uint64_t seq)
{
	struct binlog_opts o = opts_after(seq);
	struct err e = ERR_INIT;
	struct binlog *b = binlog_open(&o, &e);

	if (!b)
		fail_msg("%s", e.text);
	return b;
}

/* The next transaction or DDL, within 10 s. */
static void take(struct binlog *b, struct binlog_txn *t)
{
	struct deadline d = deadline_in_ms(10000);
	struct err e = ERR_INIT;
	int rc;

	do {
		rc = binlog_next(b, 200, t, &e);
	} while (rc == 0 && !deadline_passed(d));
	if (rc <= 0)
		fail_msg("%s", rc ? e.text : "no transaction within 10 s");
}

/* A value as comparable text: numbers as digits, doubles with 17 digits, strings and bytes as hex.
 */
static void value_text(const struct redo_column *c, struct strbuf *out)
{
	const struct redo_value *v = &c->value;

	switch (v->kind) {
	case REDO_NULL: strbuf_addstr(out, "NULL"); break;
	case REDO_INT: strbuf_addf(out, "%lld", (long long)v->i); break;
	case REDO_UINT: strbuf_addf(out, "%llu", (unsigned long long)v->u); break;
	case REDO_F32: strbuf_addf(out, "%.9g", (double)v->f32); break;
	case REDO_F64: strbuf_addf(out, "%.17g", v->f64); break;
	case REDO_STR: strbuf_add(out, v->s.p, v->s.n); break;
	case REDO_BIN:
		for (uint32_t i = 0; i < v->s.n; i++)
			strbuf_addf(out, "%02X", (unsigned char)v->s.p[i]);
		break;
	}
}

/* What SELECT says of a column, in the same text. */
static void select_text(const struct column *c, const char *cell, unsigned long len,
			struct strbuf *out)
{
	if (!cell)
		strbuf_addstr(out, "NULL");
	else if (c->type == COL_FLOAT)
		strbuf_addf(out, "%.9g", (double)strtof(cell, NULL));
	else if (c->type == COL_DOUBLE)
		strbuf_addf(out, "%.17g", strtod(cell, NULL));
	else
		strbuf_add(out, cell, len);
}

static void add_select_column(const struct column *c, struct strbuf *q)
{
	struct strbuf name = STRBUF_INIT;

	sql_add_name(&name, c->name);
	switch (c->type) {
	case COL_VARCHAR:
	case COL_STRING:
	case COL_TINYBLOB:
	case COL_MEDIUMBLOB:
	case COL_LONGBLOB:
	case COL_BLOB:
	case COL_VARSTRING:
		if (strcmp(c->charset, "binary"))
			strbuf_addf(q, "HEX(CONVERT(%s USING utf8mb4))", name.buf);
		else
			strbuf_addf(q, "HEX(%s)", name.buf);
		break;
	case COL_ENUM:
	case COL_SET:
	case COL_BIT: strbuf_addf(q, "CAST(%s + 0 AS UNSIGNED)", name.buf); break;
	case COL_YEAR: strbuf_addf(q, "CAST(%s AS SIGNED)", name.buf); break;
	/* the server shows a FLOAT with 6 digits: as a double it shows all */
	case COL_DOUBLE:
	case COL_FLOAT: strbuf_addf(q, "CAST(%s AS DOUBLE)", name.buf); break;
	default: strbuf_addstr(q, name.buf);
	}
	strbuf_release(&name);
}

/* Each non-virtual column of the row with this id: as decoded, and as SELECT says. */
static void assert_row_is_selected(const struct table_schema *s, const struct redo_column *row,
				   uint32_t n, const char *where)
{
	struct strbuf q = STRBUF_INIT, got = STRBUF_INIT, want = STRBUF_INIT;
	struct sql_rows r = { 0 };
	struct err e = ERR_INIT;
	uint32_t at = 0;

	strbuf_addstr(&q, "SELECT ");
	for (size_t i = 0; i < s->n_columns; i++) {
		strbuf_addstr(&q, i ? ", " : "");
		add_select_column(&s->columns[i], &q);
	}
	strbuf_addf(&q, " FROM `%s`.`%s` WHERE %s", s->db, s->table, where);
	if (sql_query(conn, &r, &e, "%s", q.buf) < 0 || sql_rows_next(&r, &e) != 1)
		fail_msg("%s: %s", q.buf, e.text);
	for (size_t i = 0; i < s->n_columns; i++) {
		const struct column *c = &s->columns[i];

		if (c->is_virtual)
			continue;
		assert_true(at < n);
		strbuf_reset(&got);
		strbuf_reset(&want);
		value_text(&row[at], &got);
		select_text(c, r.cell[i], r.len[i], &want);
		assert_int_equal(row[at].name.n, strlen(c->name));
		assert_memory_equal(row[at].name.p, c->name, row[at].name.n);
		assert_int_equal(row[at].flag, c->flags);
		if (strcmp(got.buf, want.buf))
			fail_msg("%s.%s where %s: decoded %.200s, selected %.200s", s->table,
				 c->name, where, got.buf, want.buf);
		at++;
	}
	assert_int_equal(at, n);
	sql_rows_release(&r);
	strbuf_release(&q);
	strbuf_release(&got);
	strbuf_release(&want);
}

static void every_type_is_what_select_says(void **unused)
{
	struct err e = ERR_INIT;
	struct binlog_txn t;
	struct binlog *b;
	const struct table_schema *s;
	uint64_t at;

	(void)unused;
	run("SET SESSION sql_mode = ''");
	run("CREATE DATABASE b1");
	run("%s", types_sql);
	at = position();
	b = open_after(at);
	s = schema_for("b1", "t_types", &e);
	assert_non_null(s);
	for (size_t i = 0; i < N_TYPE_ROWS; i++)
		run("INSERT INTO b1.t_types %s", type_rows[i]);
	for (size_t i = 0; i < N_TYPE_ROWS; i++) {
		char where[32];

		snprintf(where, sizeof(where), "id = %zu", i + 1);
		take(b, &t);
		assert_int_equal(t.gtid_seq, at + 1 + i);
		assert_false(t.is_ddl);
		assert_int_equal(t.n_rows, 1);
		assert_int_equal(t.rows[0].n_pre_columns, 0);
		assert_int_equal(t.rows[0].n_indexes, 1);
		assert_int_equal(t.rows[0].indexes[0].columns[0], 0);
		assert_true(t.rows[0].table.id == binlog_table_id("b1", "t_types"));
		assert_row_is_selected(s, t.rows[0].columns, t.rows[0].n_columns, where);
	}
	/* each row's content moves to another id: delete and insert; then an update in place, then
	 * all go */
	run("UPDATE b1.t_types SET id = id + 1000 ORDER BY id DESC");
	take(b, &t);
	assert_int_equal(t.n_rows, 2 * N_TYPE_ROWS);
	for (size_t i = 0; i < t.n_rows; i++) {
		assert_int_equal(t.rows[i].n_columns == 0, i < N_TYPE_ROWS); /* deletes first */
		if (t.rows[i].n_columns) {
			char where[32];

			snprintf(where, sizeof(where), "id = %lld",
				 (long long)t.rows[i].columns[0].value.i);
			assert_row_is_selected(s, t.rows[i].columns, t.rows[i].n_columns, where);
		}
	}
	run("UPDATE b1.t_types SET i32 = id");
	take(b, &t);
	assert_int_equal(t.n_rows, N_TYPE_ROWS);
	for (size_t i = 0; i < t.n_rows; i++) {
		char where[32];

		assert_int_equal(t.rows[i].n_columns, t.rows[i].n_pre_columns);
		snprintf(where, sizeof(where), "id = %lld",
			 (long long)t.rows[i].columns[0].value.i);
		assert_row_is_selected(s, t.rows[i].columns, t.rows[i].n_columns, where);
	}
	run("CREATE TABLE b1.t_copy LIKE b1.t_types");
	take(b, &t);
	assert_true(t.is_ddl);
	assert_int_equal(t.ddl_type, 3);
	assert_string_equal(t.ddl_table_db, "b1");
	assert_string_equal(t.ddl_table, "t_copy");
	{ /* a delete's old image against a copy of the rows */
		struct strbuf list = STRBUF_INIT;
		struct table_schema copy = *s;
		char name[] = "t_copy";

		for (size_t i = 0; i < s->n_columns; i++)
			if (!s->columns[i].is_virtual && strcmp(s->columns[i].name, "gs"))
				strbuf_addf(&list, "%s%s", list.len ? "," : "", s->columns[i].name);
		run("INSERT INTO b1.t_copy (%s) SELECT %s FROM b1.t_types", list.buf, list.buf);
		take(b, &t);
		run("DELETE FROM b1.t_types");
		take(b, &t);
		assert_int_equal(t.n_rows, N_TYPE_ROWS);
		copy.table = name;
		for (size_t i = 0; i < t.n_rows; i++) {
			char where[32];

			assert_int_equal(t.rows[i].n_columns, 0);
			snprintf(where, sizeof(where), "id = %lld",
				 (long long)t.rows[i].pre_columns[0].value.i);
			assert_row_is_selected(&copy, t.rows[i].pre_columns,
					       t.rows[i].n_pre_columns, where);
		}
		strbuf_release(&list);
	}
	binlog_close(b);
	forget(NULL);
}

/* Net changes on an in-memory model: (k, v) by key; each must fit what is there. */
enum { MODEL_KEYS = 400 };
struct model {
	bool present[MODEL_KEYS];
	char v[MODEL_KEYS][300];
};

static void model_apply(struct model *m, const struct binlog_txn *t)
{
	for (size_t i = 0; i < t->n_rows; i++) {
		const struct redo_row *r = &t->rows[i];

		if (r->n_pre_columns) {
			int64_t k = r->pre_columns[0].value.i;
			const struct redo_bytes *v = &r->pre_columns[1].value.s;

			assert_true(k >= 0 && k < MODEL_KEYS && m->present[k]);
			assert_int_equal(v->n, strlen(m->v[k]));
			assert_memory_equal(v->p, m->v[k], v->n);
			m->present[k] = false;
		}
		if (r->n_columns) {
			int64_t k = r->columns[0].value.i;
			const struct redo_bytes *v = &r->columns[1].value.s;

			assert_true(k >= 0 && k < MODEL_KEYS && !m->present[k] && v->n < 300);
			if (r->n_pre_columns)
				assert_int_equal(k, r->pre_columns[0].value.i);
			m->present[k] = true;
			snprintf(m->v[k], sizeof(m->v[k]), "%.*s", (int)v->n, v->p);
		}
	}
}

static void assert_model_is_selected(const struct model *m, const char *table)
{
	struct sql_rows r = { 0 };
	struct err e = ERR_INIT;
	size_t n = 0, present = 0;

	if (sql_query(conn, &r, &e, "SELECT k, v FROM %s", table) < 0)
		fail_msg("%s", e.text);
	for (; sql_rows_next(&r, &e) == 1; n++) {
		int k = atoi(r.cell[0]);

		assert_true(m->present[k]);
		assert_string_equal(m->v[k], r.cell[1]);
	}
	sql_rows_release(&r);
	for (int k = 0; k < MODEL_KEYS; k++)
		present += m->present[k];
	assert_int_equal(present, n);
}

/* One random statement over 50 keys: may fail on a duplicate key, which changes nothing. */
static void random_statement(struct rng *r, int n)
{
	struct err e = ERR_INIT;
	int k = (int)rng_below(r, 50), k2 = (int)rng_below(r, 50);

	switch (rng_below(r, 7)) {
	case 0:
	case 1:
		sql_exec(conn, &e, "INSERT IGNORE INTO b2.t (k, v) VALUES (%d, 'i%d')", k, n);
		break;
	case 2: sql_exec(conn, &e, "DELETE FROM b2.t WHERE k = %d", k); break;
	case 3: sql_exec(conn, &e, "UPDATE b2.t SET v = 'u%d' WHERE k = %d", n, k); break;
	case 4: sql_exec(conn, &e, "UPDATE IGNORE b2.t SET k = %d WHERE k = %d", k2, k); break;
	case 5: /* a swap through a key that is nobody's */
		sql_exec(conn, &e, "UPDATE b2.t SET k = 399 WHERE k = %d", k);
		sql_exec(conn, &e, "UPDATE IGNORE b2.t SET k = %d WHERE k = %d", k, k2);
		sql_exec(conn, &e, "UPDATE IGNORE b2.t SET k = %d WHERE k = 399", k2);
		sql_exec(conn, &e, "DELETE FROM b2.t WHERE k = 399");
		break;
	default: /* a rotation of all */
		sql_exec(conn, &e, "UPDATE b2.t SET k = k + 300 WHERE k < 50");
		sql_exec(conn, &e, "UPDATE b2.t SET k = (k - 299) %% 50 WHERE k >= 300");
		break;
	}
}

static void a_random_load_nets_to_what_select_says(void **unused)
{
	struct model *m = xcalloc(1, sizeof(*m)), *middle = xcalloc(1, sizeof(*middle));
	struct rng rng;
	struct binlog_txn t;
	struct binlog *b;
	uint64_t start, end, mid = 0, seen = 0;

	(void)unused;
	run("CREATE DATABASE b2");
	run("CREATE TABLE b2.t (k INT PRIMARY KEY, v VARCHAR(200))");
	start = position();
	rng_seed(&rng, 42);
	for (int i = 0; i < 2000; i++) {
		int n = 1 + (int)rng_below(&rng, 6);

		run("BEGIN");
		for (int j = 0; j < n; j++)
			random_statement(&rng, i * 10 + j);
		if (rng_below(&rng, 20) == 0) {
			run("SAVEPOINT s");
			random_statement(&rng, i * 10 + 9);
			run("ROLLBACK TO s");
		}
		run(rng_below(&rng, 20) ? "COMMIT" : "ROLLBACK");
	}
	end = position();
	b = open_after(start);
	do {
		take(b, &t);
		assert_true(t.gtid_seq > seen);
		seen = t.gtid_seq;
		model_apply(m, &t);
		if (!mid && seen >= (start + end) / 2) {
			mid = seen;
			*middle = *m;
		}
	} while (seen < end);
	assert_model_is_selected(m, "b2.t");
	binlog_close(b);
	/* from the middle on: the same tail, the same end */
	b = open_after(mid);
	do {
		take(b, &t);
		assert_true(t.gtid_seq > mid);
		model_apply(middle, &t);
	} while (t.gtid_seq < end);
	assert_model_is_selected(middle, "b2.t");
	binlog_close(b);
	forget(NULL);
	free(m);
	free(middle);
}

static void a_transaction_beyond_memory_comes_in_batches(void **unused)
{
	struct binlog_opts o;
	struct err e = ERR_INIT;
	struct binlog_txn t;
	struct binlog *b;
	size_t deletes = 0, updates = 0, inserts = 0, batches = 0;
	bool puts = false;
	char *seen = xcalloc(1, 60001);

	(void)unused;
	run("CREATE DATABASE b3");
	run("CREATE TABLE b3.t (k INT PRIMARY KEY, v VARCHAR(200))");
	run("SET max_recursive_iterations = 30000");
	run("INSERT INTO b3.t SELECT n, REPEAT('o', 100) FROM (WITH RECURSIVE c AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM c "
	    "WHERE n < 20000) "
	    "SELECT n FROM c) AS x");
	o = opts_after(position());
	o.memory_bytes = 256 * 1024;
	b = binlog_open(&o, &e);
	assert_non_null(b);
	run("BEGIN");
	run("DELETE FROM b3.t WHERE k <= 10000"); /* 1..10000 go */
	/* 10001..20000 change twice */
	run("UPDATE b3.t SET v = 'first' WHERE k > 10000");
	run("UPDATE b3.t SET v = CONCAT('second', k) WHERE k > 10000");
	run("INSERT INTO b3.t SELECT k + 20000, 'new' FROM b3.t"); /* 30001..40000 come */
	/* 39001..40000 came and went */
	run("DELETE FROM b3.t WHERE k > 39000");
	run("COMMIT");
	do {
		take(b, &t);
		batches++;
		for (size_t i = 0; i < t.n_rows; i++) {
			const struct redo_row *r = &t.rows[i];
			const struct redo_column *c = r->n_columns ? r->columns : r->pre_columns;
			int64_t k = c[0].value.i;
			char want[32];

			assert_true(k > 0 && k <= 60000 && !seen[k]); /* each key once */
			seen[k] = 1;
			deletes += !r->n_columns;
			inserts += !r->n_pre_columns;
			updates += r->n_columns && r->n_pre_columns;
			assert_true(r->n_columns || !puts); /* deletes first, over all batches */
			puts = puts || r->n_columns;
			snprintf(want, sizeof(want), "second%lld", (long long)k);
			if (r->n_columns && r->n_pre_columns) {
				assert_int_equal(c[1].value.s.n, strlen(want));
				assert_memory_equal(c[1].value.s.p, want, strlen(want));
				assert_int_equal(r->pre_columns[1].value.s.n, 100);
			}
		}
	} while (t.more);
	assert_int_equal(deletes, 10000);
	assert_int_equal(updates, 10000);
	assert_int_equal(inserts, 9000);
	assert_true(batches > 10);
	run("INSERT INTO b3.t VALUES (50000, 'after')");
	take(b, &t);
	assert_int_equal(t.n_rows, 1);
	assert_false(t.more);
	binlog_close(b);
	forget(NULL);
	free(seen);
}

/* The next DDL's type and table. */
static void assert_ddl(struct binlog *b, const char *text, uint32_t type, const char *db,
		       const char *table)
{
	struct binlog_txn t;

	run("%s", text);
	take(b, &t);
	if (!t.is_ddl || t.ddl_type != type || strcmp(t.ddl_table_db, db) ||
	    strcmp(t.ddl_table, table))
		fail_msg("%s: ddl %d, type %u, %s.%s", text, t.is_ddl, t.ddl_type, t.ddl_table_db,
			 t.ddl_table);
}

static void ddls_come_in_their_place(void **unused)
{
	struct binlog *b = open_after(position());
	struct binlog_txn t;

	(void)unused;
	assert_ddl(b, "CREATE DATABASE b4", 1, "b4", "");
	assert_ddl(b, "CREATE TABLE b4.t (id INT PRIMARY KEY)", 3, "b4", "t");
	run("INSERT INTO b4.t VALUES (1)");
	take(b, &t);
	assert_int_equal(t.rows[0].n_columns, 1);
	assert_ddl(b, "ALTER TABLE b4.t ADD COLUMN `größe` INT NOT NULL DEFAULT 7", 5, "b4", "t");
	forget(b);
	run("INSERT INTO b4.t (id) VALUES (2)");
	take(b, &t);
	assert_int_equal(t.rows[0].n_columns, 2);
	assert_int_equal(t.rows[0].columns[1].value.i, 7);
	run("SET NAMES latin1");
	assert_ddl(b, "ALTER TABLE b4.t COMMENT 'gr\xfc\xdf dich'", 17, "b4", "t");
	run("SET NAMES utf8mb4");
	assert_ddl(b, "CREATE UNIQUE INDEX u ON b4.t (`größe`, id)", 7, "b4", "t");
	assert_ddl(b, "RENAME TABLE b4.t TO b4.t2", 14, "b4", "t2");
	assert_ddl(b, "TRUNCATE TABLE b4.t2", 11, "b4", "t2");
	assert_ddl(b, "CREATE USER somebody IDENTIFIED BY 'x'", 0, "", "");
	assert_ddl(b, "CREATE DATABASE drtest_feed", 0, "", "");
	assert_ddl(b, "CREATE TABLE drtest_feed.x (a INT)", 0, "", "");
	run("INSERT INTO drtest_feed.x VALUES (1)");
	take(b, &t);
	assert_false(t.is_ddl);
	assert_int_equal(t.n_rows, 0);
	run("FLUSH BINARY LOGS");
	assert_ddl(b, "DROP TABLE b4.t2", 4, "b4", "t2");
	assert_ddl(b, "DROP DATABASE b4", 2, "b4", "");
	binlog_close(b);
	forget(NULL);
}

/* What can't be carried is told with its name; the statements come after the opening. */
static void assert_refused(const char *const *statements, enum err_kind kind, const char *part)
{
	struct binlog *b = open_after(position());
	struct deadline d = deadline_in_ms(10000);
	struct err e = ERR_INIT;
	struct binlog_txn t;
	int rc;

	for (; *statements; statements++)
		run("%s", *statements);
	do {
		rc = binlog_next(b, 200, &t, &e);
	} while (rc >= 0 && !deadline_passed(d));
	assert_int_equal(rc, -1);
	if (e.kind != kind || !strstr(e.text, part))
		fail_msg("kind %d: %s", e.kind, e.text);
	binlog_close(b);
	forget(NULL);
}

static void what_cannot_be_carried_is_named(void **unused)
{
	(void)unused;
	run("CREATE DATABASE b5");
	run("CREATE TABLE b5.a (id INT PRIMARY KEY, u UUID)");
	run("CREATE TABLE b5.n (id INT, v INT)");
	run("CREATE TABLE b5.g (id INT PRIMARY KEY, p POINT)");
	run("CREATE TABLE b5.z (id INT PRIMARY KEY, c VARCHAR(100) COMPRESSED)");
	run("CREATE TABLE b5.k (id INT PRIMARY KEY)");
	assert_refused((const char *const[]){ "INSERT INTO b5.a VALUES (1, UUID())", NULL },
		       ERR_UNSUPPORTED, "b5.a.u: type uuid");
	assert_refused((const char *const[]){ "INSERT INTO b5.n VALUES (1, 1)", NULL },
		       ERR_UNSUPPORTED, "b5.n has neither");
	assert_refused((const char *const[]){ "INSERT INTO b5.g VALUES (1, NULL)", NULL },
		       ERR_UNSUPPORTED, "b5.g.p: type point");
	assert_refused((const char *const[]){ "INSERT INTO b5.z VALUES (1, 'x')", NULL },
		       ERR_UNSUPPORTED, "b5.z.c");
	assert_refused(
		(const char *const[]){ "CREATE TABLE b5.c (PRIMARY KEY (id)) SELECT * FROM b5.k",
				       NULL },
		ERR_UNSUPPORTED, "b5.c .. SELECT");
	assert_refused((const char *const[]){ "XA START 'x'", "INSERT INTO b5.k VALUES (5)",
					      "XA END 'x'", "XA PREPARE 'x'", "XA ROLLBACK 'x'",
					      NULL },
		       ERR_UNSUPPORTED, "XA transaction");
	assert_refused((const char *const[]){ "SET binlog_format = STATEMENT",
					      "INSERT INTO b5.k VALUES (6)",
					      "SET binlog_format = ROW", NULL },
		       ERR_UNSUPPORTED, "binlog_format=ROW");
	assert_refused((const char *const[]){ "SET binlog_row_image = MINIMAL", "DELETE FROM b2.t",
					      "INSERT INTO b2.t VALUES (1, 'x')",
					      "UPDATE b2.t SET v = 'y'",
					      "SET binlog_row_image = FULL", NULL },
		       ERR_UNSUPPORTED, "binlog_row_image=FULL");
	assert_refused(
		(const char *const[]){
			"CREATE TABLE b5.child (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES b5.k "
			"(id) ON DELETE CASCADE)",
			NULL },
		ERR_UNSUPPORTED, "b5.child");
	{
		struct binlog_opts o = opts_after(position());
		struct err e = ERR_INIT;

		assert_null(binlog_open(&o, &e)); /* it stands there now */
		assert_non_null(strstr(e.text, "b5.child"));
	}
	run("DROP TABLE b5.child");
}

static void waiting_ends_in_time(void **unused)
{
	struct binlog *b = open_after(position());
	struct err e = ERR_INIT;
	struct binlog_txn t;
	int64_t start = clock_mono_ns();

	(void)unused;
	for (int i = 0; i < 20; i++) {
		int64_t before = clock_mono_ns();

		assert_int_equal(binlog_next(b, 500, &t, &e), 0);
		assert_true(clock_mono_ns() - before < 800000000);
	}
	assert_true(clock_mono_ns() - start > 9000000000);
	test_server_kill(server);
	{
		struct deadline d = deadline_in_ms(5000);
		int rc;

		do {
			rc = binlog_next(b, 100, &t, &e);
		} while (rc == 0 && !deadline_passed(d));
		test_server_restart(server);
		sql_close(conn);
		conn = test_server_connect(server);
		assert_int_equal(rc, -1);
		if (e.kind != ERR_GONE)
			fail_msg("%s", e.text);
	}
	binlog_close(b);
}

static void a_position_that_is_gone_or_never_was_is_told(void **unused)
{
	struct binlog_opts o;
	struct err e = ERR_INIT;
	struct strbuf last = STRBUF_INIT;
	uint64_t at = position();

	(void)unused;
	run("FLUSH BINARY LOGS");
	run("CREATE DATABASE b6");
	run("FLUSH BINARY LOGS");
	assert_int_equal(sql_value(conn, &last, &e, "SHOW MASTER STATUS"), 0);
	for (struct deadline d = deadline_in_ms(10000);
	     /* the server keeps a log until its engine's checkpoint, which comes a little later */
	     ;) {
		struct sql_rows r = { 0 };
		int n = 0;

		run("PURGE BINARY LOGS TO '%s'", last.buf);
		assert_int_equal(sql_query(conn, &r, &e, "SHOW BINARY LOGS"), 0);
		while (sql_rows_next(&r, &e) == 1)
			n++;
		sql_rows_release(&r);
		if (n == 1)
			break;
		assert_int_equal(pause_ms(100, d), 0);
	}
	o = opts_after(at);
	assert_null(binlog_open(&o, &e));
	assert_int_equal(e.kind, ERR_NOT_FOUND);
	assert_non_null(strstr(e.text, "no longer has GTID 0-1-"));
	e = (struct err)ERR_INIT;
	o = opts_after(0);
	assert_null(binlog_open(&o, &e));
	assert_int_equal(e.kind, ERR_NOT_FOUND);
	e = (struct err)ERR_INIT;
	o = opts_after(1000000000);
	assert_null(binlog_open(&o, &e));
	assert_int_equal(e.kind, ERR_NOT_FOUND);
	strbuf_release(&last);
}

static int begin(void **unused)
{
	(void)unused;
	server = test_server_start(1);
	conn = test_server_connect(server);
	return 0;
}

static int end(void **unused)
{
	(void)unused;
	sql_close(conn);
	test_server_free(server);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_type_is_what_select_says),
		cmocka_unit_test(a_random_load_nets_to_what_select_says),
		cmocka_unit_test(a_transaction_beyond_memory_comes_in_batches),
		cmocka_unit_test(ddls_come_in_their_place),
		cmocka_unit_test(what_cannot_be_carried_is_named),
		cmocka_unit_test(waiting_ends_in_time),
		cmocka_unit_test(a_position_that_is_gone_or_never_was_is_told),
	};

	return cmocka_run_group_tests(tests, begin, end);
}

#include "harness/sql/ddl/ddl_once.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <xxhash.h>

#include "harness/base/xalloc.h"
#include "harness/sql/ddl/lex.h"
#include "harness/sql/ddl/rename.h"
#include "harness/sql/schema.h"

#define TABLE BOOKKEEPING_DB_QUOTED ".`ddl_progress`"
#define NO_SUCH_TABLE 1146
#define NO_SUCH_DATABASE 1049
#define TABLE_EXISTS 1050
#define NO_DATABASE 1008
#define BAD_TABLE 1051 /* of DROP TABLE */
#define BAD_SEQUENCE 4091
#define BAD_VIEW 4092
#define NO_RIGHT 1142 /* to the table */

void ddl_owner(char out[190], const char *name_space, const char *changefeed)
{
	snprintf(out, 190, "%.90s/%.90s", name_space, changefeed);
}

int ddl_once_prepare(struct sql *s, struct err *e)
{
	if (bookkeeping_make(s, e) < 0 ||
	    sql_exec(
		    s, e,
		    "CREATE TABLE IF NOT EXISTS " TABLE
		    " (owner VARCHAR(190) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL PRIMARY KEY,"
		    " done_ts BIGINT UNSIGNED NOT NULL, done_seq BIGINT UNSIGNED NOT NULL, intent_ts BIGINT UNSIGNED NOT NULL,"
		    " intent_seq BIGINT UNSIGNED NOT NULL, fingerprint CHAR(16) NOT NULL, use_db VARBINARY(256) NOT NULL,"
		    " db VARBINARY(256) NOT NULL, name VARBINARY(256) NOT NULL, statement LONGBLOB NOT NULL)") <
		    0)
		return err_wrap(e, "progress of DDLs");
	return 0;
}

/* The server's errors that mean "done already". */
static bool ddl_error_is_done(int sql_error)
{
	static const int done[] = { 1007, 1008, 1050, 1051, 1054, 1060, 1061,
				    1068, 1091, 1176, 1507, 1517, 1831 };

	for (size_t i = 0; i < sizeof(done) / sizeof(done[0]); i++)
		if (done[i] == sql_error)
			return true;
	return false;
}

static struct lex lex_of(const struct ddl_statement *d)
{
	struct lex x = { .p = d->query, .end = d->query + d->query_bytes };

	lex_next(&x);
	return x;
}

/* ---- fingerprint ---- */

struct names { /* every name that a statement may be about, sorted */
	char **name;
	size_t n;
};

static int by_name(const void *a, const void *b)
{
	return strcasecmp(*(char *const *)a, *(char *const *)b);
}

static void names_add(struct names *all, const char *name)
{
	if (!*name)
		return;
	all->name = xreallocarray(all->name, all->n + 1, sizeof(*all->name));
	all->name[all->n++] = xstrdup(name);
}

static struct names names_of(const struct ddl_statement *d)
{
	struct names all = { 0 };

	for (struct lex x = lex_of(d); x.kind != T_END; lex_next(&x))
		if (x.kind == T_WORD || x.kind == T_QUOTED)
			names_add(&all, x.text);
	names_add(&all, d->use_db);
	names_add(&all, d->db);
	names_add(&all, d->table);
	if (all.n)
		qsort(all.name, all.n, sizeof(*all.name), by_name);
	return all;
}

static void names_release(struct names *all)
{
	for (size_t i = 0; i < all->n; i++)
		free(all->name[i]);
	free(all->name);
}

static bool has_name(const struct names *all, const char *name)
{
	return all->n && bsearch(&name, all->name, all->n, sizeof(*all->name), by_name);
}

static void hash_cell(XXH3_state_t *h, const char *p, size_t n)
{
	/* tells NULL from '', and one cell's end from the next one's start */
	uint64_t length = p ? n : UINT64_MAX;

	XXH3_64bits_update(h, &length, sizeof(length));
	if (p)
		XXH3_64bits_update(h, p, n);
}

static void hash_row(XXH3_state_t *h, const struct sql_rows *r)
{
	for (unsigned i = 0; i < r->n_columns; i++)
		hash_cell(h, r->cell[i], r->len[i]);
}

/* The definition without the number behind each of its counters. */
static void hash_definition(XXH3_state_t *h, const char *text)
{
	static const char *const counters[] = { " AUTO_INCREMENT=", " AUTO_RANDOM_BASE=" };

	for (;;) {
		const char *end = NULL;

		for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++) {
			const char *p = strstr(text, counters[i]);

			if (p && (!end || p + strlen(counters[i]) < end))
				end = p + strlen(counters[i]);
		}
		hash_cell(h, text, end ? (size_t)(end - text) : strlen(text));
		if (!end)
			return;
		text = end + strspn(end, "0123456789");
	}
}

static int hash_table(struct sql *s, XXH3_state_t *h, const char *db, const char *table,
		      struct err *e)
{
	struct strbuf q = STRBUF_INIT;
	struct sql_rows r = { 0 };
	struct err why = ERR_INIT;
	int rc = -1;

	strbuf_addstr(&q, "SHOW CREATE TABLE ");
	sql_add_name(&q, db);
	strbuf_addch(&q, '.');
	sql_add_name(&q, table);
	if (sql_query(s, &r, &why, "%s", q.buf) < 0) {
		/* that too is a state: it is gone, or a view of what is not there, or that no
		 * session of this character set can show */
		if (why.kind == ERR_SQL && why.code != NO_RIGHT) {
			uint32_t code = (uint32_t)why.code;

			XXH3_64bits_update(h, &code, sizeof(code));
			rc = 0;
		} else if (e) {
			*e = why;
		}
	} else if ((rc = sql_rows_next(&r, e)) == 1) {
		hash_cell(h, db, strlen(db));
		hash_cell(h, table, strlen(table));
		hash_definition(h, r.n_columns > 1 && r.cell[1] ? r.cell[1] : "");
		rc = 0;
	}
	sql_rows_release(&r);
	strbuf_release(&q);
	return rc;
}

/* What an EXCHANGE PARTITION, a TRUNCATE or a RENAME back and forth changes, and no definition
 * shows. $t: the tables. */
static const char *const physical_ids[] = {
	[SQL_MARIADB] =
		"SELECT NAME, TABLE_ID FROM information_schema.INNODB_SYS_TABLES WHERE SUBSTRING_INDEX(LOWER(NAME), '#p#', 1) IN (",
	[SQL_MYSQL] =
		"SELECT NAME, TABLE_ID FROM information_schema.INNODB_TABLES WHERE SUBSTRING_INDEX(LOWER(NAME), '#p#', 1) IN (",
	[SQL_TIDB] =
		"SELECT CONCAT(TABLE_SCHEMA, '.', TABLE_NAME, '.', IFNULL(PARTITION_NAME, '')), TIDB_PARTITION_ID FROM"
		" information_schema.PARTITIONS WHERE (TABLE_SCHEMA, TABLE_NAME) IN (",
};

static void add_physical_name(struct strbuf *out, bool tidb, const struct table_name *t)
{
	if (tidb) {
		strbuf_addch(out, '(');
		sql_add_text(out, t->db, strlen(t->db));
		strbuf_addch(out, ',');
		sql_add_text(out, t->table, strlen(t->table));
		strbuf_addch(out, ')');
		return;
	}
	/* as the engine spells it: characters that no file name may have are encoded */
	strbuf_addstr(out, "LOWER(CONCAT(CAST(CONVERT(");
	sql_add_text(out, t->db, strlen(t->db));
	strbuf_addstr(out, " USING filename) AS BINARY),'/',CAST(CONVERT(");
	sql_add_text(out, t->table, strlen(t->table));
	strbuf_addstr(out, " USING filename) AS BINARY)))");
}

/* A server that has no such view, or keeps it from us, is judged by the definitions alone. */
static int hash_query(struct sql *s, XXH3_state_t *h, const char *query, struct err *e)
{
	struct err why = ERR_INIT;
	struct sql_rows r = { 0 };
	int got = -1;

	if (sql_query(s, &r, &why, "%s", query) == 0)
		while ((got = sql_rows_next(&r, &why)) == 1)
			hash_row(h, &r);
	sql_rows_release(&r);
	if (got < 0 && why.kind != ERR_SQL) {
		if (e)
			*e = why;
		return -1;
	}
	return 0;
}

static int hash_ids(struct sql *s, XXH3_state_t *h, const struct table_name *t, size_t n,
		    struct err *e)
{
	bool tidb = sql_flavor(s) == SQL_TIDB;
	struct strbuf q = STRBUF_INIT, list = STRBUF_INIT;
	int rc = 0;

	for (size_t i = 0; i < n; i++) {
		if (i)
			strbuf_addch(&list, ',');
		add_physical_name(&list, tidb, &t[i]);
	}
	if (n) {
		strbuf_addf(&q, "%s%s) ORDER BY 1", physical_ids[sql_flavor(s)], list.buf);
		rc = hash_query(s, h, q.buf, e);
	}
	if (n && !rc && tidb) {
		strbuf_reset(&q);
		strbuf_addf(
			&q,
			"SELECT CONCAT(TABLE_SCHEMA, '.', TABLE_NAME), TIDB_TABLE_ID FROM information_schema.TABLES"
			" WHERE (TABLE_SCHEMA, TABLE_NAME) IN (%s) ORDER BY 1",
			list.buf);
		rc = hash_query(s, h, q.buf, e);
	}
	strbuf_release(&q);
	strbuf_release(&list);
	return rc;
}

/* The databases that are named, and in *dbs their list for SQL. */
static int hash_databases(struct sql *s, XXH3_state_t *h, const struct names *all,
			  struct strbuf *dbs, struct err *e)
{
	struct sql_rows r = { 0 };
	int got = -1;

	if (sql_query(
		    s, &r, e,
		    "SELECT * FROM information_schema.SCHEMATA WHERE LOWER(SCHEMA_NAME) NOT IN " SYSTEM_SCHEMAS_SQL
		    " ORDER BY BINARY SCHEMA_NAME") == 0)
		while ((got = sql_rows_next(&r, e)) == 1) {
			if (!r.cell[1] || !has_name(all, r.cell[1]))
				continue;
			hash_row(h, &r);
			strbuf_addstr(dbs, dbs->len ? "," : "");
			sql_add_text(dbs, r.cell[1], r.len[1]);
		}
	sql_rows_release(&r);
	return got;
}

static int tables_named(struct sql *s, const struct names *all, const struct strbuf *dbs,
			struct table_name **t, size_t *n, struct err *e)
{
	struct sql_rows r = { 0 };
	int got = -1;

	if (sql_query(
		    s, &r, e,
		    "SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA IN (%s)"
		    " ORDER BY BINARY TABLE_SCHEMA, BINARY TABLE_NAME",
		    dbs->buf) == 0)
		while ((got = sql_rows_next(&r, e)) == 1)
			if (r.cell[0] && r.cell[1] && has_name(all, r.cell[1])) {
				*t = xreallocarray(*t, *n + 1, sizeof(**t));
				(*t)[(*n)++] =
					(struct table_name){ xstrdup(r.cell[0]), xstrdup(r.cell[1]),
							     TABLE_BASE };
			}
	sql_rows_release(&r);
	return got;
}

static int take_fingerprint(struct sql *s, const struct ddl_statement *d, char out[17],
			    struct err *e)
{
	struct names all = names_of(d);
	struct strbuf dbs = STRBUF_INIT;
	struct table_name *t = NULL;
	XXH3_state_t *h = XXH3_createState();
	size_t n = 0;
	int rc;

	XXH3_64bits_reset(h);
	rc = hash_databases(s, h, &all, &dbs, e);
	if (!rc && dbs.len)
		rc = tables_named(s, &all, &dbs, &t, &n, e);
	for (size_t i = 0; !rc && i < n; i++)
		rc = hash_table(s, h, t[i].db, t[i].table, e);
	if (!rc)
		rc = hash_ids(s, h, t, n, e);
	snprintf(out, 17, "%016" PRIx64, XXH3_64bits_digest(h));
	XXH3_freeState(h);
	schema_tables_free(t, n);
	strbuf_release(&dbs);
	names_release(&all);
	return rc < 0 ? err_wrap(e, "fingerprint before a DDL") : 0;
}

/* ---- the record ---- */

struct record {
	struct ddl_point done, intent; /* commit_ts 0: none */
	char print[17];
	char use_db[257], db[257], table[257];
	struct strbuf query;
};

static void record_release(struct record *r)
{
	strbuf_release(&r->query);
}

static int record_write(struct sql *s, const char *owner, struct ddl_point done,
			const struct ddl_statement *intent, const char *print, struct err *e)
{
	static const struct ddl_statement none = {
		.query = "", .use_db = "", .db = "", .table = ""
	};
	const struct ddl_statement *d = intent ? intent : &none;
	const char *names[] = { d->use_db, d->db, d->table };
	struct strbuf q = STRBUF_INIT;
	int rc;

	strbuf_addstr(&q, "REPLACE INTO " TABLE " VALUES (");
	sql_add_text(&q, owner, strlen(owner));
	strbuf_addf(&q, ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",'%s'", done.commit_ts,
		    done.seq, d->at.commit_ts, d->at.seq, print);
	for (int i = 0; i < 3; i++) {
		strbuf_addch(&q, ',');
		sql_add_text(&q, names[i], strlen(names[i]));
	}
	strbuf_addch(&q, ',');
	sql_add_text(&q, d->query, d->query_bytes);
	strbuf_addch(&q, ')');
	rc = sql_exec_text(s, e, q.buf, q.len) < 0 ? err_wrap(e, "progress of DDLs") : 0;
	strbuf_release(&q);
	return rc;
}

static int record_read(struct sql *s, const char *owner, struct record *out, struct err *e)
{
	struct strbuf q = STRBUF_INIT;
	struct sql_rows r = { 0 };
	int got = -1;

	*out = (struct record){ .query = STRBUF_INIT };
	sql_add_text(&q, owner, strlen(owner));
	if (sql_query(
		    s, &r, e,
		    "SELECT done_ts, done_seq, intent_ts, intent_seq, fingerprint, use_db, db, name, statement FROM " TABLE
		    " WHERE owner = %s",
		    q.buf) == 0 &&
	    (got = sql_rows_next(&r, e)) == 1) {
		out->done = (struct ddl_point){ strtoull(r.cell[0], NULL, 10),
						strtoull(r.cell[1], NULL, 10) };
		out->intent = (struct ddl_point){ strtoull(r.cell[2], NULL, 10),
						  strtoull(r.cell[3], NULL, 10) };
		snprintf(out->print, sizeof(out->print), "%s", r.cell[4]);
		snprintf(out->use_db, sizeof(out->use_db), "%s", r.cell[5]);
		snprintf(out->db, sizeof(out->db), "%s", r.cell[6]);
		snprintf(out->table, sizeof(out->table), "%s", r.cell[7]);
		strbuf_add(&out->query, r.cell[8], r.len[8]);
	}
	sql_rows_release(&r);
	strbuf_release(&q);
	return got < 0 ? err_wrap(e, "progress of DDLs") : 0;
}

static bool is_before(struct ddl_point a, struct ddl_point b)
{
	return a.commit_ts < b.commit_ts || (a.commit_ts == b.commit_ts && a.seq < b.seq);
}

/* A DROP of several things can end half way, which changes the fingerprint; what it dropped it can
 * drop again. */
static bool ends_half_way(const struct ddl_statement *d)
{
	struct lex x = lex_of(d);

	return lex_is(&x, "DROP");
}

int ddl_once_settle(struct sql *s, const char *owner, struct ddl_progress *out, struct err *e)
{
	struct record r;
	char now[17];
	int rc = record_read(s, owner, &r, e);

	*out = (struct ddl_progress){ .done = r.done };
	if (!rc && r.intent.commit_ts) {
		struct ddl_statement d = { .at = r.intent,
					   .query = r.query.buf,
					   .query_bytes = r.query.len,
					   .use_db = r.use_db,
					   .db = r.db,
					   .table = r.table };

		rc = take_fingerprint(s, &d, now, e);
		out->begun_changed = !rc && strcmp(now, r.print) != 0;
		if (out->begun_changed && !ends_half_way(&d)) {
			out->done = r.intent;
			rc = record_write(s, owner, out->done, NULL, "", e);
		} else {
			out->begun = r.intent;
		}
	}
	record_release(&r);
	return rc;
}

/* ---- running it ---- */

/* A rename that met a target that is there, or no source, has been done where all its tables stand
 * as it leaves them, and else not: the other table of that name is another one. *done is left alone
 * for other statements. */
static int rename_is_done(struct sql *s, const struct ddl_statement *d, bool *done, struct err *e)
{
	struct rename r = { 0 };
	int n = 0, rc = 0;

	if (rename_parse(&r, d->query, d->query_bytes, d->use_db)) {
		rc = rename_done(s, &r, &n, e);
		*done = !rc && n == (int)r.n;
	}
	rename_release(&r);
	return rc;
}

/* A view that could not be made is none: the one of that name that was there before is not what the
 * primary has. */
static int drop_old_view(struct sql *s, const struct ddl_statement *d, struct err *e)
{
	struct lex x = lex_of(d);
	struct strbuf q = STRBUF_INIT;
	int rc;

	if (!lex_is(&x, "CREATE") && !lex_is(&x, "ALTER"))
		return 0;
	for (int i = 0; i < 40 && x.kind != T_END && !lex_is(&x, "VIEW"); i++)
		if (lex_is(&x, "TABLE"))
			return 0;
		else
			lex_next(&x);
	if (!lex_is(&x, "VIEW"))
		return 0;
	lex_next(&x);
	if (lex_is(&x, "IF")) /* NOT EXISTS */
		for (int i = 0; i < 3; i++)
			lex_next(&x);
	strbuf_addstr(&q, "DROP VIEW IF EXISTS ");
	sql_add_name(&q, x.text);
	lex_next(&x);
	if (x.kind == T_PUNCT && x.punct == '.') {
		lex_next(&x);
		strbuf_addch(&q, '.');
		sql_add_name(&q, x.text);
	}
	rc = sql_exec_text(s, e, q.buf, q.len) < 0 ? -1 : 0;
	strbuf_release(&q);
	return rc;
}

/* A database that the session was in and that is gone is nowhere: the primary found each name
 * without it. */
static int use(struct sql *s, const struct ddl_statement *d, struct err *e)
{
	struct strbuf q = STRBUF_INIT;
	struct err why = ERR_INIT;
	int rc;

	if (!*d->use_db)
		return 0;
	strbuf_addstr(&q, "USE ");
	sql_add_name(&q, d->use_db);
	rc = sql_exec_text(s, &why, q.buf, q.len) < 0 ? -1 : 0;
	strbuf_release(&q);
	if (rc && d->session && d->session->known && why.kind == ERR_SQL &&
	    why.code == NO_SUCH_DATABASE)
		return sql_exec(s, e, "USE information_schema") < 0 ? -1 : 0;
	if (rc && e)
		*e = why;
	return rc;
}

/* How the primary went about it is no part of what it did, and this server may have to do it in
 * another way: ALGORITHM=DEFAULT, LOCK=DEFAULT. False: the statement asks for none. */
static bool by_any_way(const struct ddl_statement *d, struct strbuf *out)
{
	const char *copied = d->query;
	bool found = false;

	for (struct lex x = lex_of(d); x.kind != T_END;) {
		bool way = lex_is(&x, "ALGORITHM") || lex_is(&x, "LOCK");

		lex_next(&x);
		if (way && x.kind == T_PUNCT && x.punct == '=')
			lex_next(&x);
		if (!way || x.kind != T_WORD || lex_is(&x, "TABLES"))
			continue;
		strbuf_add(out, copied, (size_t)(x.start - copied));
		strbuf_addstr(out, "DEFAULT");
		copied = x.p;
		found = true;
	}
	strbuf_add(out, copied, (size_t)(d->query + d->query_bytes - copied));
	return found;
}

static int run_statement(struct sql *s, const struct ddl_statement *d, struct err *e)
{
	static const int not_so[] = { 1845, 1846 }; /* ALGORITHM, LOCK: not supported here */
	struct strbuf other = STRBUF_INIT;
	int rc = ddl_session_run(s, d->session, d->query, d->query_bytes, e);

	if (rc < 0 && e->kind == ERR_SQL && (e->code == not_so[0] || e->code == not_so[1]) &&
	    by_any_way(d, &other)) {
		*e = (struct err)ERR_INIT;
		rc = ddl_session_run(s, d->session, other.buf, other.len, e);
	}
	strbuf_release(&other);
	return rc;
}

/* A DROP DATABASE that fails half way is logged as DROP TABLE IF EXISTS of all that it dropped,
 * views too, without the words that end the DROP TABLE of a session. */
static bool is_half_a_database(const struct ddl_statement *d)
{
	static const char begin[] = "DROP TABLE IF EXISTS `", told[] = "generated by server";

	return d->session && d->session->known && d->query_bytes > sizeof(begin) &&
	       !memcmp(d->query, begin, sizeof(begin) - 1) &&
	       !memmem(d->query, d->query_bytes, told, sizeof(told) - 1);
}

static int drop_views_too(struct sql *s, const struct ddl_statement *d, struct err *e)
{
	struct strbuf q = STRBUF_INIT;
	int rc;

	strbuf_addstr(&q, "DROP VIEW");
	strbuf_add(&q, d->query + strlen("DROP TABLE"), d->query_bytes - strlen("DROP TABLE"));
	rc = ddl_session_run(s, d->session, q.buf, q.len, e);
	strbuf_release(&q);
	return rc;
}

/* What the primary could not do behind it (routines' rows) is not carried: the database is gone. */
static bool is_drop_database(const struct ddl_statement *d)
{
	struct lex x = lex_of(d);

	if (!lex_is(&x, "DROP"))
		return false;
	lex_next(&x);
	return lex_is(&x, "DATABASE") || lex_is(&x, "SCHEMA");
}

static int execute(struct sql *s, const struct ddl_statement *d, bool may_be_done,
		   enum ddl_outcome *out, struct err *e)
{
	int expected = d->session ? (int)d->session->error : 0;
	struct err why = ERR_INIT;
	bool done = false;

	*out = DDL_RAN;
	if (use(s, d, e) < 0)
		return -1;
	if (run_statement(s, d, &why) == 0) {
		if (is_half_a_database(d) && drop_views_too(s, d, e) < 0)
			return -1;
		if (expected && !may_be_done && !is_drop_database(d))
			return err_set(e, ERR_BAD_DATA, 0,
				       "DDL at commitTs %" PRIu64 ": it ended with error %d on the "
				       "primary, but not on this server",
				       d->at.commit_ts, expected);
		return 0;
	}
	/* a part of it was done there, and is now here */
	if (why.kind == ERR_SQL && why.code == expected)
		return 0;
	/* sql_if_exists is in no event; whoever finds no database has none either */
	if (why.kind == ERR_SQL && why.code == NO_DATABASE && is_drop_database(d)) {
		*out = may_be_done ? DDL_SAID_DONE : DDL_RAN;
		return 0;
	}
	/* the server lists what it dropped and what it did not find */
	if (why.kind == ERR_SQL && ends_half_way(d) &&
	    (why.code == BAD_TABLE || why.code == BAD_SEQUENCE || why.code == BAD_VIEW)) {
		*out = may_be_done ? DDL_SAID_DONE : DDL_RAN;
		return 0;
	}
	if (may_be_done && why.kind == ERR_SQL) {
		done = ddl_error_is_done(why.code);
		if ((why.code == NO_SUCH_TABLE || why.code == TABLE_EXISTS) &&
		    rename_is_done(s, d, &done, &why) < 0)
			done = false;
	}
	if (!done && why.kind == ERR_SQL && d->session && d->session->may_fail) {
		*out = DDL_FAILED;
		if (drop_old_view(s, d, e) < 0)
			return -1;
		if (e)
			*e = why;
		return 0;
	}
	if (!done) {
		if (e)
			*e = why;
		return err_wrap(e, "DDL at commitTs %" PRIu64, d->at.commit_ts);
	}
	*out = DDL_SAID_DONE;
	return 0;
}

int ddl_once_run(struct sql *s, const char *owner, const struct ddl_statement *d, bool may_be_done,
		 enum ddl_outcome *out, struct err *e)
{
	struct record r;
	char now[17] = "";
	bool again, run = true;
	int rc = record_read(s, owner, &r, e);

	*out = DDL_BEFORE;
	if (rc || !is_before(r.done, d->at))
		goto out;
	again = r.intent.commit_ts == d->at.commit_ts && r.intent.seq == d->at.seq;
	rc = take_fingerprint(s, d, now, e);
	if (rc)
		goto out;
	if (!again)
		rc = record_write(s, owner, r.done, d, now, e);
	else
		run = ends_half_way(d) || !strcmp(now, r.print);
	if (!rc && run)
		rc = execute(s, d, may_be_done || again, out, e);
	if (!rc)
		rc = record_write(s, owner, d->at, NULL, "", e);
out:
	record_release(&r);
	return rc;
}

int ddl_once_withdraw(struct sql *s, const char *owner, struct err *e)
{
	struct record r;
	int rc = record_read(s, owner, &r, e);

	if (!rc && r.intent.commit_ts)
		rc = record_write(s, owner, r.done, NULL, "", e);
	record_release(&r);
	return rc;
}

int ddl_once_forget(struct sql *s, const char *owner, struct err *e)
{
	struct strbuf q = STRBUF_INIT;
	int rc;

	sql_add_text(&q, owner, strlen(owner));
	rc = sql_exec(s, e, "DELETE FROM " TABLE " WHERE owner = %s", q.buf) < 0
		     ? err_wrap(e, "progress of DDLs")
		     : 0;
	strbuf_release(&q);
	return rc;
}

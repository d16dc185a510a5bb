#include "harness/backup/backup.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "harness/backup/definition.h"
#include "harness/backup/load_data.h"
#include "harness/base/failpoint.h"
#include "harness/base/xalloc.h"
#include "harness/sql/checksum.h"
#include "harness/sql/rights.h"

/* One table is loaded by one stream unless it is most of the backup: the server fills an empty
 * table in bulk only for one writer. */
#define SPLIT_BYTES ((uint64_t)256 << 20)
/* A smaller table is made with its keys, for to add them to few rows is a second making of it; and
 * is loaded in one transaction with others. */
#define SMALL_BYTES ((uint64_t)1 << 20)
#define SMALL_TABLE_BYTES 1024 /* the least that one counts */

struct restore {
	struct work work;
	struct store *from;
	struct manifest manifest;
	bool local_infile;
	struct table_load *tables;
	struct stream {
		size_t table, first, end; /* chunks */
		uint64_t raw_bytes;
	} * streams;
	size_t n_streams;
	struct {
		size_t table, chunk;
	} * checks;
	size_t n_checks;
};
struct restore_thread {
	struct restore *r;
	struct sql *conn;
	bool small_open; /* a transaction of small tables, and what it has */
	uint64_t small_bytes;
};

/* First: is all there, and as long as it should be? One listing tells. */
static int check_presence(struct restore *r, struct err *e)
{
	struct store_list l = { 0 };
	int rc = 0;

	if (store_list(r->from, "", &l, e) < 0)
		return -1;
	for (size_t i = 0; rc == 0 && i < r->manifest.n_tables; i++) {
		struct manifest_table *t = &r->manifest.tables[i];

		for (size_t j = 0; rc == 0 && j < t->n_chunks; j++) {
			size_t low = 0, high = l.n;

			while (low < high) {
				size_t mid = (low + high) / 2;

				if (strcmp(l.objects[mid].key, t->chunks[j].key) < 0)
					low = mid + 1;
				else
					high = mid;
			}
			if (low == l.n || strcmp(l.objects[low].key, t->chunks[j].key))
				rc = err_set(e, ERR_BAD_DATA, 0,
					     "the backup is incomplete: %s (%s.%s) is missing",
					     t->chunks[j].key, t->db, t->name);
			else if (l.objects[low].size_bytes != t->chunks[j].size_bytes)
				rc = err_set(e, ERR_BAD_DATA, 0,
					     "the backup is damaged: %s (%s.%s) has %" PRIu64
					     " bytes, not %" PRIu64,
					     t->chunks[j].key, t->db, t->name,
					     l.objects[low].size_bytes, t->chunks[j].size_bytes);
		}
	}
	store_list_release(&l);
	return rc;
}

struct hashing {
	XXH3_state_t *state;
	struct work *work;
};

static int hash_piece(void *arg, const void *data, size_t n, struct err *e)
{
	struct hashing *h = arg;

	XXH3_64bits_update(h->state, data, n);
	return work_pace(h->work, 0, e);
}

static void *check_thread(void *arg)
{
	struct restore *r = ((struct restore_thread *)arg)->r;
	struct hashing h = { XXH3_createState(), &r->work };
	struct err e = ERR_INIT;
	size_t i;

	while (!r->work.failed && (i = r->work.next++) < r->n_checks) {
		const struct manifest_table *t = &r->manifest.tables[r->checks[i].table];
		const struct manifest_chunk *c = &t->chunks[r->checks[i].chunk];

		XXH3_64bits_reset(h.state);
		if (store_get_stream(r->from, c->key, hash_piece, &h, &e) < 0) {
			err_wrap(&e, "check %s", c->key);
			work_fail(&r->work, &e);
		} else if (XXH3_64bits_digest(h.state) != c->xxh3) {
			err_set(&e, ERR_BAD_DATA, 0,
				"the backup is damaged: %s (%s.%s) has a different checksum than "
				"when it was written",
				c->key, t->db, t->name);
			work_fail(&r->work, &e);
		}
	}
	XXH3_freeState(h.state);
	return NULL;
}

static int check_all(struct restore *r, struct restore_thread *threads, unsigned n, struct err *e)
{
	for (size_t i = 0; i < r->manifest.n_tables; i++) {
		r->checks =
			xreallocarray(r->checks, r->n_checks + r->manifest.tables[i].n_chunks + 1,
				      sizeof(*r->checks));
		for (size_t j = 0; j < r->manifest.tables[i].n_chunks; j++) {
			r->checks[r->n_checks].table = i;
			r->checks[r->n_checks++].chunk = j;
		}
	}
	r->work.next = 0;
	return check_presence(r, e) < 0
		       ? -1
		       : work_run(&r->work, check_thread, threads, sizeof(*threads), n, e);
}

static int refuse_existing(struct sql *s, const char *db, const char *name, struct err *e)
{
	struct strbuf qd = STRBUF_INIT, qn = STRBUF_INIT;
	uint64_t n = 0;
	int rc;

	sql_add_text(&qd, db, strlen(db));
	sql_add_text(&qn, name, strlen(name));
	rc = sql_value_u64(
		     s, &n, e,
		     "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA=%s AND TABLE_NAME=%s",
		     qd.buf, qn.buf) < 0
		     ? -1
		     : 0;
	strbuf_release(&qd);
	strbuf_release(&qn);
	if (rc == 0 && n)
		rc = err_set(e, ERR_ENV, 0,
			     "the target already has %s.%s: restore into a new server, or drop it "
			     "there",
			     db, name);
	return rc;
}

static int refuse_all_existing(const struct manifest *m, struct sql *s, struct err *e)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < m->n_tables; i++)
		rc = refuse_existing(s, m->tables[i].db, m->tables[i].name, e);
	for (size_t i = 0; rc == 0 && i < m->n_views; i++)
		rc = refuse_existing(s, m->views[i].db, m->views[i].name, e);
	for (size_t i = 0; rc == 0 && i < m->n_sequences; i++)
		rc = refuse_existing(s, m->sequences[i].db, m->sequences[i].name, e);
	return rc;
}

static int check_definitions(const struct manifest *m, struct err *e)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < m->n_dbs; i++)
		rc = definition_check(DEFINITION_DATABASE, m->dbs[i].db, "", m->dbs[i].create_sql,
				      e);
	for (size_t i = 0; rc == 0 && i < m->n_tables; i++)
		rc = definition_check(DEFINITION_TABLE, m->tables[i].db, m->tables[i].name,
				      m->tables[i].create_sql, e);
	for (size_t i = 0; rc == 0 && i < m->n_views; i++)
		rc = definition_check(DEFINITION_VIEW, m->views[i].db, m->views[i].name,
				      m->views[i].create_sql, e);
	for (size_t i = 0; rc == 0 && i < m->n_sequences; i++)
		rc = definition_check(DEFINITION_SEQUENCE, m->sequences[i].db, m->sequences[i].name,
				      m->sequences[i].create_sql, e);
	return rc;
}

static int use(struct sql *s, const char *db, struct err *e)
{
	if (mysql_select_db(sql_handle(s), db))
		return sql_error(sql_handle(s), e, "use the database");
	return 0;
}

/* One that is there may have another character set, which later tables would get: an empty one gets
 * the backup's. */
static int make_database(struct sql *s, const struct manifest_object *o, bool exists, struct err *e)
{
	static const char create[] = "CREATE";
	struct strbuf q = STRBUF_INIT, db = STRBUF_INIT;
	uint64_t n = 0;
	int rc = 0;

	sql_add_text(&db, o->db, strlen(o->db));
	if (exists)
		rc = sql_value_u64(
			s, &n, e,
			"SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA=%s",
			db.buf);
	strbuf_addstr(&q, exists ? "ALTER" : create);
	strbuf_addstr(&q, o->create_sql + strlen(create)); /* definition_check(): it begins so */
	if (rc == 0 && !n)
		rc = sql_exec_text(s, e, q.buf, q.len) < 0 ? -1 : 0;
	strbuf_release(&db);
	strbuf_release(&q);
	return rc;
}

static int make_databases(struct restore *r, struct sql *s, struct err *e)
{
	for (size_t i = 0; i < r->manifest.n_dbs; i++) {
		const struct manifest_object *o = &r->manifest.dbs[i];
		struct strbuf db = STRBUF_INIT;
		uint64_t n = 0;
		int rc;

		sql_add_text(&db, o->db, strlen(o->db));
		rc = sql_value_u64(
			s, &n, e,
			"SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME=%s",
			db.buf);
		strbuf_release(&db);
		if (rc < 0 || make_database(s, o, n, e) < 0)
			return err_wrap(e, "create database %s", o->db);
	}
	return 0;
}

static int make_table(struct restore *r, size_t i, struct sql *s, struct err *e)
{
	const struct manifest_table *t = &r->manifest.tables[i];
	struct strbuf create = STRBUF_INIT;
	int rc;

	if (t->raw_bytes < SMALL_BYTES)
		strbuf_addstr(&create, t->create_sql);
	else
		load_split_keys(t->create_sql, &create, &r->tables[i].add_keys);
	rc = use(s, t->db, e);
	if (rc == 0)
		rc = sql_exec_text(s, e, create.buf, create.len) < 0 ? -1 : 0;
	strbuf_release(&create);
	return rc < 0 ? err_wrap(e, "create table %s.%s", t->db, t->name) : 0;
}

/* What needs no other table to be there first may be made beside others. */
static bool stands_alone(const struct manifest_table *t)
{
	const char *options = schema_options(t->create_sql);

	return options && !strncmp(options, ") ENGINE=InnoDB", 15) &&
	       !strstr(t->create_sql, "FOREIGN KEY");
}

static void *make_thread(void *arg)
{
	struct restore_thread *t = arg;
	struct restore *r = t->r;
	struct err e = ERR_INIT;
	size_t i;

	while (!r->work.failed && (i = r->work.next++) < r->manifest.n_tables)
		if (stands_alone(&r->manifest.tables[i]) &&
		    (make_table(r, i, t->conn, &e) < 0 || work_pace(&r->work, 0, &e) < 0)) {
			work_fail(&r->work, &e);
			break;
		}
	mysql_thread_end();
	return NULL;
}

/* A table is a few fsyncs of the server: it makes several at once. */
static int make_tables(struct restore *r, struct restore_thread *t, unsigned threads, struct err *e)
{
	r->work.next = 0;
	if (work_run(&r->work, make_thread, t, sizeof(*t), threads, e) < 0)
		return -1;
	for (size_t i = 0; i < r->manifest.n_tables; i++)
		if (!stands_alone(&r->manifest.tables[i]) && make_table(r, i, t->conn, e) < 0)
			return -1;
	return 0;
}

static int make_sequences(struct restore *r, struct sql *s, struct err *e)
{
	for (size_t i = 0; i < r->manifest.n_sequences; i++) {
		const struct manifest_object *o = &r->manifest.sequences[i];
		struct strbuf name = STRBUF_INIT, v = STRBUF_INIT;
		int rc = use(s, o->db, e);

		sql_add_name(&name, o->name);
		if (rc == 0)
			rc = sql_exec_text(s, e, o->create_sql, strlen(o->create_sql)) < 0 ? -1 : 0;
		if (rc == 0)
			rc = sql_value(s, &v, e, "SELECT SETVAL(%s, %s, 0)", name.buf, o->next);
		if (rc == 1) /* used up: no value is left that could be the next one */
			rc = sql_value(
				s, &v, e,
				"SELECT SETVAL(%s, (SELECT IF(increment < 0, minimum_value, maximum_value) FROM %s), 1)",
				name.buf, name.buf);
		strbuf_release(&name);
		strbuf_release(&v);
		if (rc)
			return rc < 0 ? err_wrap(e, "create sequence %s.%s", o->db, o->name)
				      : err_set(e, ERR_BAD_DATA, 0,
						"sequence %s.%s does not accept the value %s",
						o->db, o->name, o->next);
	}
	return 0;
}

/* Texts in it get the collation that they had when it was made: 'a' = 'A' is another question in
 * another one. */
static int make_view(struct sql *s, const struct manifest_object *v, struct err *e)
{
	if (use(s, v->db, e) < 0 ||
	    (v->collation && sql_exec(s, e, "SET collation_connection = %s", v->collation) < 0))
		return -1;
	return sql_exec_text(s, e, v->create_sql, strlen(v->create_sql)) < 0 ? -1 : 0;
}

static bool lacks_something(long code)
{
	static const long lacks[] = { 1049 /* database */, 1054 /* column */, 1146 /* table */,
				      1305 /* function */, 1356 /* a view of it */ };

	for (size_t i = 0; i < sizeof(lacks) / sizeof(lacks[0]); i++)
		if (lacks[i] == code)
			return true;
	return false;
}

/* Before the first row, so that no restore fails for a view when all the work is done. A view may
 * use another: those that fail are tried again as long as one succeeds. What then lacks something
 * (a function, which no backup carries; a table or column that the view's own server had no more)
 * is left out, and so is what needs that view; both are named. */
static int make_views(struct restore *r, struct sql *s, struct strbuf *left_out, struct err *e)
{
	bool *done = xcalloc(r->manifest.n_views + 1, sizeof(*done));
	size_t left = r->manifest.n_views, before;
	struct err why = ERR_INIT;
	int rc = 0;

	do {
		before = left;
		for (size_t i = 0; i < r->manifest.n_views; i++) {
			const struct manifest_object *v = &r->manifest.views[i];

			if (!done[i] && make_view(s, v, &why) == 0) {
				done[i] = true;
				left--;
			}
		}
	} while (left && left < before);
	for (size_t i = 0; rc == 0 && left && i < r->manifest.n_views; i++) {
		const struct manifest_object *v = &r->manifest.views[i];

		why = (struct err)ERR_INIT;
		if (done[i] || make_view(s, v, &why) == 0)
			continue;
		if (lacks_something(why.code)) {
			strbuf_addf(left_out, "%sview %s.%s is left out: %s",
				    left_out->len ? "; " : "", v->db, v->name,
				    mysql_error(sql_handle(s)));
		} else {
			if (e)
				*e = why;
			rc = err_wrap(e, "create view %s.%s", v->db, v->name);
		}
	}
	free(done);
	if (rc == 0 && r->manifest.n_views && sql_exec(s, e, "SET NAMES utf8mb4") < 0)
		rc = -1;
	return rc;
}

static int larger_first(const void *a, const void *b)
{
	const struct stream *x = a, *y = b;

	return x->raw_bytes < y->raw_bytes   ? 1
	       : x->raw_bytes > y->raw_bytes ? -1
	       : x->table < y->table         ? -1
					     : x->table > y->table;
}

static void plan_streams(struct restore *r, unsigned threads)
{
	uint64_t total = 0;

	for (size_t i = 0; i < r->manifest.n_tables; i++)
		total += r->manifest.tables[i].raw_bytes;
	for (size_t i = 0; i < r->manifest.n_tables; i++) {
		const struct manifest_table *t = &r->manifest.tables[i];
		size_t k = 1;

		if (!t->n_chunks)
			continue;
		if (t->raw_bytes > SPLIT_BYTES)
			k = (size_t)((unsigned __int128)t->raw_bytes * threads / total);
		k = k < 1 ? 1 : k > t->n_chunks ? t->n_chunks : k;
		r->streams = xreallocarray(r->streams, r->n_streams + k, sizeof(*r->streams));
		for (size_t j = 0; j < k; j++)
			r->streams[r->n_streams++] =
				(struct stream){ i, t->n_chunks * j / k, t->n_chunks * (j + 1) / k,
						 t->raw_bytes / k };
		r->tables[i].streams = r->tables[i].streams_left = (unsigned)k;
	}
	if (r->n_streams)
		qsort(r->streams, r->n_streams, sizeof(*r->streams), larger_first);
}

/* Many small tables are one commit, and so one fsync. */
static int commit_small(struct restore_thread *t, struct err *e)
{
	bool open = t->small_open;

	t->small_open = false;
	t->small_bytes = 0;
	return open && sql_exec(t->conn, e, "COMMIT") < 0 ? -1 : 0;
}

static int before_table(struct restore_thread *t, struct load_job *job, struct err *e)
{
	if (!job->local_infile || job->table->raw_bytes >= SMALL_BYTES ||
	    sql_flavor(t->conn) == SQL_TIDB)
		return commit_small(t, e);
	job->bulk = false; /* the server's way to fill a large one, a transaction of its own */
	if (!t->small_open && sql_exec(t->conn, e, "START TRANSACTION") < 0)
		return -1;
	t->small_open = true;
	t->small_bytes += job->table->raw_bytes + SMALL_TABLE_BYTES;
	return 0;
}

static int after_table(struct restore_thread *t, struct err *e)
{
	return t->small_bytes < SMALL_BYTES ? 0 : commit_small(t, e);
}

static void *load_thread(void *arg)
{
	struct restore_thread *t = arg;
	struct restore *r = t->r;
	struct err e = ERR_INIT;
	size_t i;

	while (!r->work.failed && (i = r->work.next++) < r->n_streams) {
		const struct stream *st = &r->streams[i];
		struct table_load *l = &r->tables[st->table];
		const struct manifest_table *mt = &r->manifest.tables[st->table];
		struct load_job job = { .work = &r->work,
					.from = r->from,
					.table = mt,
					.first = st->first,
					.end = st->end - failpoint("restore.chunk_missing"),
					.bulk = l->streams == 1,
					.local_infile = r->local_infile &&
							!load_needs_inserts(t->conn, mt) };
		bool last;
		int rc = before_table(t, &job, &e);

		if (rc == 0)
			rc = load_run(t->conn, &job, &e);
		if (rc == 0)
			rc = after_table(t, &e);

		pthread_mutex_lock(&r->work.lock);
		l->unsure |= job.unsure;
		last = --l->streams_left == 0;
		pthread_mutex_unlock(&r->work.lock);
		if (rc == 0 && last && !r->work.failed && l->add_keys.len)
			rc = load_add_keys(t->conn, mt, l, &e);
		if (rc < 0) {
			work_fail(&r->work, &e);
			break;
		}
	}
	if (commit_small(t, &e) < 0)
		work_fail(&r->work, &e);
	mysql_thread_end();
	return NULL;
}

static struct sql *connect_target(const struct restore_opts *o, struct deadline d, struct err *e)
{
	struct sql *s = sql_open(&o->to, d, e);

	if (!s)
		return NULL;
	if (sql_exec(s, NULL, "SET SESSION sql_log_bin = 0") < 0) {
		; /* no right to say so: then the rows are in its binary log too */
	}
	/* held at the source; MySQL has no such switch */
	(void)sql_exec(s, NULL, "SET SESSION check_constraint_checks = 0");
	/* what the source's session took is right: its strictness is in no definition */
	(void)sql_exec(s, NULL, "SET SESSION innodb_strict_mode = 0");
	/* else it takes no value of a row for an AUTO_RANDOM column */
	if (sql_flavor(s) == SQL_TIDB)
		(void)sql_exec(s, NULL, "SET SESSION allow_auto_random_explicit_insert = 1");
	if (sql_exec(
		    s, e,
		    /* a DATA DIRECTORY is a place on the source's machine */
		    "SET SESSION sql_mode = 'NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES,NO_DIR_IN_CREATE%s', foreign_key_checks = 0, unique_checks = 0",
		    sql_flavor(s) == SQL_MARIADB ? ",IGNORE_BAD_TABLE_OPTIONS" : "") < 0) {
		sql_close(s);
		return NULL;
	}
	return s;
}

/* No row is loaded with the value of a stored generated column: the server computes it, in another
 * session than the one that wrote the row. */
static void doubt_computed(struct restore *r, struct sql *s)
{
	if (sql_flavor(s) != SQL_MARIADB || !strstr(r->manifest.source_version, "MariaDB") ||
	    r->manifest.sum_form != CHECKSUM_FORM)
		return;
	for (size_t i = 0; i < r->manifest.n_tables; i++)
		r->tables[i].unsure = strstr(r->manifest.tables[i].create_sql, " STORED") != NULL;
}

/* Where the server's word on a table's rows was no proof: they are summed there and held against
 * the source's own sums. */
static int check_sums(struct restore *r, struct sql *s, struct err *e)
{
	for (size_t i = 0; i < r->manifest.n_tables; i++) {
		const struct manifest_table *t = &r->manifest.tables[i];
		struct table_schema schema;
		struct table_sum sum = { 0 };
		int rc;

		if (!r->tables[i].unsure)
			continue;
		if (schema_load(s, t->db, t->name, &schema, e) < 0)
			return -1;
		rc = load_sum(s, &schema, &sum, e);
		schema_release(&schema);
		if (rc < 0)
			return -1;
		if (sum.rows != t->rows || sum.sum != t->sum)
			return err_set(
				e, ERR_BAD_DATA, 0,
				"restore %s.%s: the server changed rows while loading them (%" PRIu64
				" "
				"rows there, %" PRIu64 " in the backup, and their sums differ)%s",
				t->db, t->name, sum.rows, t->rows,
				strstr(t->create_sql, " STORED")
					? ": does a stored generated column depend on the session "
					  "that wrote the row, on its time zone for example? All "
					  "tables are loaded; --ignore at the backup leaves it out"
					: "");
	}
	return 0;
}

static int sum_up(struct restore *r, struct backup_result *out)
{
	for (size_t i = 0; i < r->manifest.n_tables; i++) {
		out->rows += r->manifest.tables[i].rows;
		for (size_t j = 0; j < r->manifest.tables[i].n_chunks; j++)
			out->size_bytes += r->manifest.tables[i].chunks[j].size_bytes;
	}
	out->tables = r->manifest.n_tables;
	out->backup_ts = r->manifest.backup_ts;
	out->backup_seq = r->manifest.backup_seq;
	return 0;
}

/* Of a view that another account is the definer of, as its text tells; NULL: none. */
static const char *view_of_another(const struct manifest *m, const char *account)
{
	for (size_t i = 0; i < m->n_views; i++) {
		const char *at = strstr(m->views[i].create_sql, "DEFINER=");
		size_t n = strlen(account);

		for (size_t k = 0; at && k < n; k++)
			if (at[8 + k] != account[k] &&
			    !(strchr("`'", account[k]) && at[8 + k] && strchr("`'", at[8 + k])))
				return m->views[i].name;
	}
	return NULL;
}

/* A right that is lacking would end it when half of the tables are there. */
static int may_restore(const struct manifest *m, struct sql *s, struct err *e)
{
	static const char *const definer[] = {
		[SQL_MARIADB] = "SET USER", [SQL_MYSQL] = "SET_USER_ID", [SQL_TIDB] = "SUPER"
	};
	struct rights *r = rights_read(s, e);
	const char **dbs = xcalloc(m->n_dbs + 1, sizeof(*dbs)), *view;
	char *what;
	int rc = -1;

	for (size_t i = 0; i < m->n_dbs; i++)
		dbs[i] = m->dbs[i].db;
	if (!r ||
	    rights_want(r, "SELECT, INSERT, CREATE, ALTER, INDEX", dbs, m->n_dbs, "restore", e) < 0)
		goto out;
	if (m->n_views && rights_want(r, "CREATE VIEW", dbs, m->n_dbs, "restore", e) < 0)
		goto out;
	view = view_of_another(m, rights_account(r));
	what = xstrfmt("restore view %s, which another account defined", view ? view : "");
	rc = view ? rights_want(r, definer[sql_flavor(s)], NULL, 0, what, e) : 0;
	free(what);
out:
	rights_free(r);
	free(dbs);
	return rc;
}

int restore_run(struct store *from, const struct restore_opts *o, struct backup_result *res,
		struct err *e)
{
	unsigned threads = o->threads ? o->threads : 4;
	struct restore r = { .from = from };
	struct restore_thread *t;
	struct strbuf left_out = STRBUF_INIT;
	int64_t start = clock_mono_ns();
	uint64_t local_infile = 0;
	int rc = -1;

	*res = (struct backup_result){ 0 };
	if (threads > WORK_THREADS_MAX)
		return err_set(e, ERR_USAGE, 0, "%u threads: the limit is %u", threads,
			       WORK_THREADS_MAX);
	t = xcalloc(threads, sizeof(*t));
	work_init(&r.work, o->rate_bytes_per_s, o->deadline);
	for (unsigned i = 0; i < threads; i++)
		t[i].r = &r;
	if (manifest_read(from, &r.manifest, e) < 0 || check_definitions(&r.manifest, e) < 0)
		goto out;
	r.tables = xcalloc(r.manifest.n_tables + 1, sizeof(*r.tables));
	for (size_t i = 0; i < r.manifest.n_tables; i++)
		r.tables[i].add_keys = (struct strbuf)STRBUF_INIT;
	for (unsigned i = 0; i < threads; i++) {
		t[i].conn = connect_target(o, r.work.deadline, e);
		if (!t[i].conn)
			goto out;
	}
	if (may_restore(&r.manifest, t[0].conn, e) < 0 ||
	    refuse_all_existing(&r.manifest, t[0].conn, e) < 0)
		goto out;
	if (check_all(&r, t, threads, e) < 0)
		goto out;
	res->queue_us = (clock_mono_ns() - start) / 1000;
	if (sql_value_u64(t[0].conn, &local_infile, NULL, "SELECT @@GLOBAL.local_infile") < 0)
		local_infile = 0;
	r.local_infile = local_infile != 0;
	doubt_computed(&r, t[0].conn);
	if (make_databases(&r, t[0].conn, e) < 0 || make_sequences(&r, t[0].conn, e) < 0 ||
	    make_tables(&r, t, threads, e) < 0 || make_views(&r, t[0].conn, &left_out, e) < 0)
		goto out;
	snprintf(res->warnings, sizeof(res->warnings), "%s", left_out.buf);
	plan_streams(&r, threads);
	r.work.next = 0;
	r.work.raw_bytes = 0;
	r.work.start_ns = clock_mono_ns();
	r.work.progress = o->progress;
	r.work.progress_arg = o->progress_arg;
	for (size_t i = 0; i < r.manifest.n_tables; i++)
		r.work.total_bytes += r.manifest.tables[i].raw_bytes;
	if (work_run(&r.work, load_thread, t, sizeof(*t), threads, e) < 0 ||
	    check_sums(&r, t[0].conn, e) < 0)
		goto out;
	rc = sum_up(&r, res);
out:
	res->execution_us = (clock_mono_ns() - start) / 1000;
	strbuf_release(&left_out);
	for (unsigned i = 0; i < threads; i++)
		sql_close(t[i].conn);
	for (size_t i = 0; r.tables && i < r.manifest.n_tables; i++)
		strbuf_release(&r.tables[i].add_keys);
	free(r.tables);
	free(r.streams);
	free(r.checks);
	free(t);
	manifest_release(&r.manifest);
	work_release(&r.work);
	return rc;
}

#include "harness/binlog/temporary_rename.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "harness/base/xalloc.h"
#include "harness/binlog/ddl_words.h"
#include "harness/sql/ddl/rename.h"
#include "harness/sql/tso_map.h"

#define AHEAD_ID 0x20000000u /* of a replica that reads ahead */
#define WAIT_MS 1000

/* The pair that a table's way through the statement ends with: a TO b, b TO c. */
static size_t last_of(const struct rename *r, size_t i)
{
	for (size_t later = i + 1; later < r->n; later++)
		if (rename_same(&r->pair[later].from, &r->pair[i].to))
			return last_of(r, later);
	return i;
}

static int is_there(struct sql *s, const struct rename_name *name, bool *there, struct err *e)
{
	struct strbuf q = STRBUF_INIT;
	uint64_t n = 0;
	int rc;

	strbuf_addstr(&q, "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = ");
	sql_add_text(&q, name->db, strlen(name->db));
	strbuf_addstr(&q, " AND TABLE_NAME = ");
	sql_add_text(&q, name->table, strlen(name->table));
	rc = sql_value_u64(s, &n, e, "%s", q.buf);
	*there = n > 0;
	strbuf_release(&q);
	return rc < 0 ? -1 : 0;
}

static int position(struct sql *s, uint64_t *seq, struct err *e)
{
	struct strbuf gtid = STRBUF_INIT;
	int rc = sql_value(s, &gtid, e, "SELECT @@GLOBAL.gtid_binlog_pos");

	if (rc == 0)
		rc = gtid_parse_seq(gtid.buf, seq, e);
	strbuf_release(&gtid);
	return rc < 0 ? -1 : 0;
}

/* Is it about that table? A word that is alike may be a column's, where the statement is about
 * another table. */
static bool names(const struct binlog_txn *ddl, const struct rename_name *name)
{
	bool lists = ddl->ddl_type == DDL_DROP_TABLE || ddl->ddl_type == DDL_DROP_VIEW ||
		     ddl->ddl_type == DDL_DROP_SEQUENCE || ddl->ddl_type == DDL_RENAME_TABLE ||
		     ddl->ddl_type == DDL_RENAME_TABLES || ddl->ddl_type == DDL_MULTI ||
		     ddl->ddl_type == DDL_EXCHANGE_PARTITION;
	struct lex x = { .p = ddl->ddl_query, .end = ddl->ddl_query + strlen(ddl->ddl_query) };

	if (ddl->ddl_type == DDL_DROP_SCHEMA)
		return !strcasecmp(ddl->ddl_table_db, name->db);
	if (!lists)
		return !strcasecmp(ddl->ddl_table, name->table) &&
		       !strcasecmp(ddl->ddl_table_db, name->db);
	for (lex_next(&x); x.kind != T_END; lex_next(&x))
		if ((x.kind == T_WORD || x.kind == T_QUOTED) && !strcasecmp(x.text, name->table))
			return true;
	return false;
}

static const struct table_schema *no_rows(void *unused, const char *db, const char *table,
					  const struct table_map *map, int attempt, struct err *e)
{
	(void)unused, (void)db, (void)table, (void)map, (void)attempt;
	err_set(e, ERR_UNSUPPORTED, 0, "only DDLs are read");
	return NULL;
}

static void not_told(void *unused, const char *db, const char *table, const char *reason)
{
	(void)unused, (void)db, (void)table, (void)reason;
}

/* What is known of a pair of the statement. */
struct fate {
	struct rename_name now; /* its name, renamed since or not */
	bool told;              /* by a later DDL: `there` is the answer */
	bool there;             /* a table, not a temporary one */
};

/* Could the DDL run only because no table had that name? */
static bool takes_the_name(const struct binlog_txn *ddl, const struct rename *r,
			   const struct rename_name *name)
{
	struct lex x = { .p = ddl->ddl_query, .end = ddl->ddl_query + strlen(ddl->ddl_query) };
	bool is = false;

	lex_next(&x);
	if (lex_is(&x, "ALTER")) /* a view, too, has to be there */
		return false;
	if (ddl->ddl_type == DDL_CREATE_TABLE || ddl->ddl_type == DDL_CREATE_VIEW ||
	    ddl->ddl_type == DDL_CREATE_SEQUENCE)
		return !strcmp(ddl->ddl_table, name->table) &&
		       !strcmp(ddl->ddl_table_db, name->db) &&
		       !ddl_has_word(ddl->ddl_query, "EXISTS") &&
		       !ddl_has_word(ddl->ddl_query, "REPLACE");
	for (size_t i = 0; i < r->n && !rename_same(&r->pair[i].from, name); i++)
		is = is || rename_same(&r->pair[i].to, name);
	return is;
}

/* The first DDL that names it tells whether it was there. A RENAME of a temporary table looks like
 * any other: it is followed. */
static void see_ddl(struct fate *f, const struct binlog_txn *ddl, bool *renamed)
{
	struct rename r = { 0 };
	size_t i = 0;

	if (f->told || !names(ddl, &f->now))
		return;
	rename_parse(&r, ddl->ddl_query, strlen(ddl->ddl_query), ddl->ddl_db);
	while (i < r.n && !rename_same(&r.pair[i].from, &f->now))
		i++;
	f->told = true;
	if (takes_the_name(ddl, &r, &f->now)) {
		f->there = false;
	} else if (i < r.n) {
		f->now = r.pair[last_of(&r, i)].to;
		f->told = false;
		*renamed = true;
	} else {
		f->there = true;
	}
	rename_release(&r);
}

/* The DDLs behind `after` and up to `to`. */
static int look_ahead(const struct binlog_opts *log, uint64_t after, uint64_t to, struct fate *fate,
		      size_t n, bool *renamed, struct err *e)
{
	struct binlog_opts o = *log;
	struct binlog_txn t = { 0 };
	struct binlog *b;
	int rc = 0;

	o.after_seq = after;
	o.replica_id ^= AHEAD_ID;
	o.schema = no_rows;
	o.leave_out = not_told;
	b = binlog_open(&o, e);
	if (!b)
		return -1;
	while (rc >= 0 && t.gtid_seq < to) {
		rc = binlog_next(b, WAIT_MS, &t, e);
		for (size_t i = 0; rc == 1 && t.is_ddl && t.ddl_type && i < n; i++)
			see_ddl(&fate[i], &t, renamed);
	}
	binlog_close(b);
	return rc < 0 ? -1 : 0;
}

static void add_name(struct strbuf *out, const struct rename_name *n)
{
	sql_add_name(out, n->db);
	strbuf_addch(out, '.');
	sql_add_name(out, n->table);
}

static void add_rest(struct strbuf *out, const struct rename *r, const bool *there)
{
	for (size_t i = 0; i < r->n; i++) {
		if (!there[i])
			continue;
		strbuf_addstr(out, out->len ? ", " : "RENAME TABLE ");
		add_name(out, &r->pair[i].from);
		strbuf_addstr(out, " TO ");
		add_name(out, &r->pair[i].to);
	}
}

/* Which pairs are of tables that stay. */
static int judge(struct sql *primary, const struct binlog_opts *log, uint64_t seq,
		 const struct rename *r, bool *there, struct err *e)
{
	struct fate *fate = xcalloc(r->n + 1, sizeof(*fate));
	bool renamed = true;
	uint64_t now = 0;
	int rc = 0;

	for (size_t i = 0; i < r->n; i++)
		fate[i].now = r->pair[last_of(r, i)].to;
	while (renamed && rc == 0) {
		renamed = false;
		for (size_t i = 0; i < r->n && rc == 0; i++)
			if (!fate[i].told)
				rc = is_there(primary, &fate[i].now, &fate[i].there, e);
		if (rc == 0)
			rc = position(primary, &now, e);
		if (rc == 0 && now > seq)
			rc = look_ahead(log, seq, now, fate, r->n, &renamed, e);
		seq = now;
	}
	for (size_t i = 0; i < r->n; i++)
		there[i] = fate[i].there;
	free(fate);
	return rc;
}

static bool is_rename(const struct binlog_txn *ddl)
{
	struct lex x = { .p = ddl->ddl_query, .end = ddl->ddl_query + strlen(ddl->ddl_query) };

	lex_next(&x);
	return lex_is(&x, "RENAME");
}

int temporary_rename(struct sql *primary, const struct binlog_opts *log,
		     const struct binlog_txn *ddl, struct strbuf *query, struct err *e)
{
	struct rename r = { 0 };
	size_t stay = 0;
	bool *there;
	int rc;

	if (!ddl->ddl_type || !is_rename(ddl) ||
	    !rename_parse(&r, ddl->ddl_query, strlen(ddl->ddl_query), ddl->ddl_db))
		return 0;
	there = xcalloc(r.n + 1, sizeof(*there));
	rc = judge(primary, log, ddl->gtid_seq, &r, there, e);
	for (size_t i = 0; i < r.n; i++)
		stay += there[i];
	if (rc == 0 && stay < r.n) {
		add_rest(query, &r, there);
		rc = 1;
	}
	free(there);
	rename_release(&r);
	return rc;
}

#include "harness/feed/left_out.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/xalloc.h"
#include "harness/binlog/ddl_words.h"
#include "harness/feed/log_lines.h"
#include "harness/sql/ddl/lex.h"

#define NOT_CARRIED_SHOWN 500 /* bytes */

static size_t find(const struct left_out *l, const char *db, const char *name)
{
	for (size_t i = 0; i < l->n; i++)
		if (!strcmp(l->names[i].db, db) && !strcmp(l->names[i].name, name))
			return i;
	return l->n;
}

static void publish(const struct left_out *l)
{
	struct feed_status *st;

	if (!l->board)
		return;
	st = status_board_lock(l->board);
	st->n_left_out = (unsigned)l->n;
	for (size_t i = 0; i < l->n && i < FEED_LEFT_OUT_MAX; i++) {
		struct feed_left_out *to = &st->left_out[i];

		snprintf(to->name, sizeof(to->name), "%s.%s", l->names[i].db, l->names[i].name);
		snprintf(to->reason, sizeof(to->reason), "%s", l->names[i].reason);
	}
	status_board_unlock(l->board);
}

static void append(struct left_out *l, const char *db, size_t db_n, const char *name,
		   const char *reason)
{
	l->names = xreallocarray(l->names, l->n + 1, sizeof(*l->names));
	l->names[l->n++] =
		(struct left_out_name){ xstrndup(db, db_n), xstrdup(name), xstrdup(reason) };
}

void left_out_to_text(const struct left_out *l, struct strbuf *out)
{
	json_t *all = json_array();
	char *text;

	for (size_t i = 0; i < l->n; i++)
		json_array_append_new(all,
				      json_pack("{s:s, s:s, s:s}", "db", l->names[i].db, "name",
						l->names[i].name, "reason", l->names[i].reason));
	text = json_dumps(all, JSON_INDENT(1));
	strbuf_addstr(out, text);
	free(text);
	json_decref(all);
}

int left_out_from_text(struct left_out *l, const char *text, size_t n, struct err *e)
{
	json_error_t why;
	json_t *all = json_loadb(text, n, 0, &why), *v;
	size_t i;
	int rc = json_is_array(all) ? 0 : -1;

	json_array_foreach(all, i, v)
	{
		const char *db, *name, *reason;

		rc = json_unpack(v, "{s:s, s:s, s:s}", "db", &db, "name", &name, "reason", &reason);
		if (rc < 0)
			break;
		append(l, db, strlen(db), name, reason);
	}
	json_decref(all);
	publish(l);
	return rc < 0 ? err_set(e, ERR_BAD_DATA, 0,
				"cannot read what the changefeed left out before its restart")
		      : 0;
}

static void drop(struct left_out *l, size_t i)
{
	free(l->names[i].db);
	free(l->names[i].name);
	free(l->names[i].reason);
	l->names[i] = l->names[--l->n];
}

void left_out_release(struct left_out *l)
{
	while (l->n)
		drop(l, l->n - 1);
	free(l->names);
	*l = (struct left_out){ 0 };
}

void left_out_add(struct left_out *l, const char *db, const char *name, const char *reason)
{
	if (find(l, db, name) < l->n)
		return;
	feed_log("warn", "left out: %s.%s: %s", db, name, reason);
	append(l, db, strlen(db), name, reason);
	l->changed = true;
	publish(l);
}

const char *left_out_reason(const struct left_out *l, const char *db, const char *name)
{
	size_t i = find(l, db, name);

	return i < l->n ? l->names[i].reason : NULL;
}

int left_out_objects(struct sql *primary, struct status_board *board, struct err *e)
{
	static const char query[] =
		"SELECT CONCAT(LOWER(ROUTINE_TYPE),' ',ROUTINE_SCHEMA,'.',ROUTINE_NAME) what FROM information_schema.ROUTINES"
		" WHERE LOWER(ROUTINE_SCHEMA) NOT IN " SYSTEM_SCHEMAS_SQL
		" UNION ALL SELECT CONCAT('trigger ',TRIGGER_SCHEMA,'.',TRIGGER_NAME) FROM information_schema.TRIGGERS"
		" WHERE LOWER(TRIGGER_SCHEMA) NOT IN " SYSTEM_SCHEMAS_SQL
		" UNION ALL SELECT CONCAT('event ',EVENT_SCHEMA,'.',EVENT_NAME) FROM information_schema.EVENTS"
		" WHERE " EVENTS_SHOWN_SQL " AND LOWER(EVENT_SCHEMA) NOT IN " SYSTEM_SCHEMAS_SQL
		" ORDER BY what";
	struct sql_rows r = { 0 };
	struct strbuf all = STRBUF_INIT;
	size_t n = 0, shown = 0;
	int got = -1;

	if (sql_query(primary, &r, e, "%s", query) == 0)
		while ((got = sql_rows_next(&r, e)) == 1) {
			n++;
			if (!r.cell[0] || all.len + r.len[0] > NOT_CARRIED_SHOWN)
				continue;
			strbuf_addf(&all, "%s%s", shown++ ? ", " : "", r.cell[0]);
		}
	sql_rows_release(&r);
	if (shown < n)
		strbuf_addf(&all, "%s(%zu in all)", shown ? " " : "", n);
	if (got == 0 && n)
		feed_log("warn", "not replicated, like every routine, trigger and event: %s",
			 all.buf);
	if (got == 0) {
		struct feed_status *st = status_board_lock(board);

		snprintf(st->not_carried, sizeof(st->not_carried), "%s", all.buf);
		status_board_unlock(board);
	}
	strbuf_release(&all);
	return got < 0 ? -1 : 0;
}

/* Names of tables in a list: "a, d.b, ..", or in pairs "a TO b, c TO d". */
struct names {
	struct lex x;
	const char *default_db;
	char db[DDL_NAME_MAX + 1], name[DDL_NAME_MAX + 1];
};

static bool take_word(struct lex *x, const char *what)
{
	if (!lex_is(x, what))
		return false;
	lex_next(x);
	return true;
}

static bool take_name(struct names *n)
{
	if (n->x.kind != T_WORD && n->x.kind != T_QUOTED)
		return false;
	snprintf(n->db, sizeof(n->db), "%s", n->default_db);
	memcpy(n->name, n->x.text, sizeof(n->name));
	lex_next(&n->x);
	if (n->x.kind == T_PUNCT && n->x.punct == '.') {
		lex_next(&n->x);
		memcpy(n->db, n->name, sizeof(n->db));
		memcpy(n->name, n->x.text, sizeof(n->name));
		lex_next(&n->x);
	}
	return true;
}

static void skip_exists_and_wait(struct lex *x)
{
	if (take_word(x, "IF")) {
		take_word(x, "NOT");
		take_word(x, "EXISTS");
	}
	if (take_word(x, "WAIT"))
		lex_next(x);
	take_word(x, "NOWAIT");
}

/* Behind the words that begin it: DROP [TEMPORARY] TABLE|VIEW|SEQUENCE, RENAME TABLE, ALTER ..
 * TABLE. */
static bool begin(struct names *n, const struct binlog_txn *ddl)
{
	static const char *const kinds[] = { "TABLE", "TABLES", "VIEW", "SEQUENCE", NULL };

	*n = (struct names){ .x = { .p = ddl->ddl_query,
				    .end = ddl->ddl_query + strlen(ddl->ddl_query) },
			     .default_db = ddl->ddl_db };
	lex_next(&n->x);
	for (int i = 0; i < 12 && n->x.kind != T_END; i++, lex_next(&n->x))
		for (const char *const *k = kinds; *k; k++)
			if (lex_is(&n->x, *k)) {
				lex_next(&n->x);
				skip_exists_and_wait(&n->x);
				return true;
			}
	return false;
}

static bool take_comma(struct lex *x)
{
	bool is = x->kind == T_PUNCT && x->punct == ',';

	if (is)
		lex_next(x);
	return is;
}

bool left_out_is_about(const struct left_out *l, const struct binlog_txn *ddl)
{
	struct names n;

	if (left_out_reason(l, ddl->ddl_table_db, ddl->ddl_table))
		return true;
	if (!l->n || !begin(&n, ddl) || !take_name(&n))
		return false;
	do { /* the first name of each pair, each name of a list */
		if (left_out_reason(l, n.db, n.name))
			return true;
		skip_exists_and_wait(&n.x);
		if (take_word(&n.x, "TO"))
			take_name(&n);
	} while (take_comma(&n.x) && take_name(&n));
	return false;
}

static void forget(struct left_out *l, const char *db, const char *name)
{
	size_t i = find(l, db, name);

	if (i < l->n)
		drop(l, i);
}

void left_out_forget(struct left_out *l, const char *db, const char *name)
{
	if (find(l, db, name) == l->n)
		return;
	forget(l, db, name);
	l->changed = true;
	publish(l);
}

static void note_renamed(struct left_out *l, const char *db, const char *name, const char *new_db,
			 const char *new_name)
{
	size_t i = find(l, db, name);

	if (i == l->n)
		return;
	free(l->names[i].db);
	free(l->names[i].name);
	l->names[i].db = xstrdup(new_db);
	l->names[i].name = xstrdup(new_name);
}

static void after_rename(struct left_out *l, const struct binlog_txn *ddl)
{
	char db[DDL_NAME_MAX + 1], name[DDL_NAME_MAX + 1];
	struct names n;

	if (!begin(&n, ddl) || !take_name(&n))
		return;
	do {
		memcpy(db, n.db, sizeof(db));
		memcpy(name, n.name, sizeof(name));
		skip_exists_and_wait(&n.x);
		/* ALTER TABLE .. RENAME: the name that it gets is what the DDL is about */
		if (!take_word(&n.x, "TO")) {
			note_renamed(l, db, name, ddl->ddl_table_db, ddl->ddl_table);
			return;
		}
		if (take_name(&n))
			note_renamed(l, db, name, n.db, n.name);
	} while (take_comma(&n.x) && take_name(&n));
}

/* EXCHANGE PARTITION .. WITH TABLE x, CONVERT PARTITION .. TO TABLE x, CONVERT TABLE x TO
 * PARTITION: rows of one become rows of the other. */
static void after_rows_moved(struct left_out *l, const struct binlog_txn *ddl)
{
	char db[DDL_NAME_MAX + 1], name[DDL_NAME_MAX + 1], why[2 * DDL_NAME_MAX + 64];
	bool with, to, convert;
	bool out;
	struct names n;

	if (!begin(&n, ddl) || !take_name(&n))
		return;
	memcpy(db, n.db, sizeof(db));
	memcpy(name, n.name, sizeof(name));
	while (n.x.kind != T_END) {
		with = take_word(&n.x, "WITH");
		to = !with && take_word(&n.x, "TO");
		convert = !with && !to && take_word(&n.x, "CONVERT");
		if ((!with && !to && !convert) || !take_word(&n.x, "TABLE")) {
			if (!with && !to && !convert)
				lex_next(&n.x);
			continue;
		}
		if (!take_name(&n))
			return;
		out = left_out_reason(l, db, name);
		if (out && !convert) {
			snprintf(why, sizeof(why), "it has rows of %s.%s, which is left out", db,
				 name);
			left_out_add(l, n.db, n.name, why);
		} else if (!out && !to && left_out_reason(l, n.db, n.name)) {
			snprintf(why, sizeof(why), "it has rows of %s.%s, which is left out", n.db,
				 n.name);
			left_out_add(l, db, name, why);
		}
		if (convert)
			forget(l, n.db, n.name);
	}
}

/* CREATE TABLE x LIKE y, or (LIKE y): what is in the structure of y is in that of x. */
static void after_like(struct left_out *l, const struct binlog_txn *ddl)
{
	const char *reason;
	struct names n;

	if (!begin(&n, ddl) || !take_name(&n))
		return;
	if (n.x.kind == T_PUNCT && n.x.punct == '(')
		lex_next(&n.x);
	if (!take_word(&n.x, "LIKE") || !take_name(&n))
		return;
	reason = left_out_reason(l, n.db, n.name);
	if (reason && (!strcmp(reason, BINLOG_VERSIONED) || !strcmp(reason, BINLOG_OVERLAPS)))
		left_out_add(l, ddl->ddl_table_db, ddl->ddl_table, reason);
}

static bool is_in_structure(const char *reason)
{
	return !strcmp(reason, BINLOG_FK_ACTS) || !strcmp(reason, BINLOG_VERSIONED) ||
	       !strcmp(reason, BINLOG_OVERLAPS);
}

void left_out_after(struct left_out *l, const struct binlog_txn *ddl)
{
	const char *reason;
	struct names n;

	if (!l->n)
		return;
	switch (ddl->ddl_type) {
	case DDL_CREATE_TABLE:
	case DDL_TRUNCATE_TABLE:
	case DDL_CREATE_SEQUENCE:
		/* it may have been there */
		if (ddl->ddl_type != DDL_TRUNCATE_TABLE && ddl_has_word(ddl->ddl_query, "EXISTS"))
			break;
		reason = left_out_reason(l, ddl->ddl_table_db, ddl->ddl_table);
		if (ddl->ddl_type != DDL_TRUNCATE_TABLE || !reason || !is_in_structure(reason))
			forget(l, ddl->ddl_table_db, ddl->ddl_table);
		if (ddl->ddl_type == DDL_CREATE_TABLE)
			after_like(l, ddl);
		break;
	case DDL_DROP_TABLE:
	case DDL_DROP_VIEW:
	case DDL_DROP_SEQUENCE:
		if (begin(&n, ddl) && take_name(&n))
			do
				forget(l, n.db, n.name);
			while (take_comma(&n.x) && take_name(&n));
		break;
	case DDL_DROP_SCHEMA:
		for (size_t i = l->n; i-- > 0;)
			if (!strcmp(l->names[i].db, ddl->ddl_table_db))
				drop(l, i);
		break;
	case DDL_RENAME_TABLE:
	case DDL_RENAME_TABLES:
	case DDL_MULTI: after_rename(l, ddl); break;
	case DDL_EXCHANGE_PARTITION:
	case DDL_ALTER_PARTITIONING: after_rows_moved(l, ddl); break;
	default: return;
	}
	l->changed = true;
	publish(l);
}

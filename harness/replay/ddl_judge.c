#include "harness/replay/ddl_judge.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "harness/sql/ddl/lex.h"

#define QUERY_SHOWN_MAX 120

static bool is_one(uint64_t type, const unsigned *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (list[i] == type)
			return true;
	return false;
}

bool ddl_differs_twice(const struct redo_ddl *d)
{
	static const unsigned list[] = { DDL_KIND_ADD_INDEX,     DDL_KIND_ADD_FOREIGN_KEY,
					 DDL_KIND_ADD_PARTITION, DDL_KIND_EXCHANGE_PARTITION,
					 DDL_KIND_ADD_CHECK,     DDL_KIND_RENAME_TABLES,
					 DDL_KIND_MULTI };

	return is_one(d->type, list, sizeof(list) / sizeof(list[0]));
}

bool ddl_makes_tables(const struct redo_ddl *d)
{
	static const unsigned list[] = { DDL_KIND_CREATE_TABLE,         DDL_KIND_TRUNCATE_TABLE,
					 DDL_KIND_ADD_PARTITION,        DDL_KIND_TRUNCATE_PARTITION,
					 DDL_KIND_RECOVER_TABLE,        DDL_KIND_EXCHANGE_PARTITION,
					 DDL_KIND_CREATE_TABLES,        DDL_KIND_RECOVER_SCHEMA,
					 DDL_KIND_REORGANIZE_PARTITION, DDL_KIND_ALTER_PARTITIONING,
					 DDL_KIND_REMOVE_PARTITIONING };

	return is_one(d->type, list, sizeof(list) / sizeof(list[0]));
}

enum ddl_keys ddl_changes_keys(const struct redo_ddl *d)
{
	static const unsigned none[] = { DDL_KIND_CREATE_SCHEMA, DDL_KIND_DROP_SCHEMA,
					 DDL_KIND_DROP_TABLE,    DDL_KIND_TRUNCATE_TABLE,
					 DDL_KIND_CREATE_VIEW,   DDL_KIND_DROP_VIEW };
	static const unsigned own[] = { DDL_KIND_CREATE_TABLE,    DDL_KIND_ADD_COLUMN,
					DDL_KIND_DROP_COLUMN,     DDL_KIND_ADD_INDEX,
					DDL_KIND_DROP_INDEX,      DDL_KIND_MODIFY_COLUMN,
					DDL_KIND_ADD_PRIMARY_KEY, DDL_KIND_DROP_PRIMARY_KEY };

	if (is_one(d->type, none, sizeof(none) / sizeof(none[0])))
		return DDL_KEYS_SAME;
	return d->table.table.n && is_one(d->type, own, sizeof(own) / sizeof(own[0]))
		       ? DDL_KEYS_OF_TABLE
		       : DDL_KEYS_OF_ANY;
}

static bool speaks_of(const struct redo_ddl *d, const char *const *words, size_t n)
{
	struct lex x = { .p = d->query.p, .end = d->query.p + d->query.n };

	for (lex_next(&x); x.kind != T_END; lex_next(&x))
		for (size_t i = 0; i < n; i++)
			if (lex_is(&x, words[i]))
				return true;
	return false;
}

bool ddl_fills_with_time(const struct redo_ddl *d)
{
	static const unsigned list[] = { DDL_KIND_ADD_COLUMN, DDL_KIND_MODIFY_COLUMN,
					 DDL_KIND_MULTI };
	static const char *const words[] = { "CURRENT_TIMESTAMP", "NOW",          "LOCALTIME",
					     "LOCALTIMESTAMP",    "CURRENT_DATE", "CURDATE" };

	return is_one(d->type, list, sizeof(list) / sizeof(list[0])) &&
	       speaks_of(d, words, sizeof(words) / sizeof(words[0]));
}

int ddl_timestamps_stay(struct sql *s, const struct redo_ddl *d, struct err *e)
{
	static const char *const words[] = { "TIMESTAMP" };
	struct strbuf text = STRBUF_INIT;
	uint64_t on = 1;

	if (sql_flavor(s) == SQL_TIDB || !speaks_of(d, words, 1))
		return 0;
	if (sql_value_u64(s, &on, e, "SELECT @@explicit_defaults_for_timestamp") < 0)
		return -1;
	if (on)
		return 0;
	ddl_text(d, "cannot run on this secondary, so nothing was written", &text);
	err_set(e, ERR_UNSUPPORTED, 0,
		"%s: explicit_defaults_for_timestamp is OFF there, and this account cannot change "
		"it: NULLs of TIMESTAMP columns would become the time of the replay. Set it to ON "
		"on the server",
		text.buf);
	strbuf_release(&text);
	return -1;
}

/* The words that a statement of this kind can begin with; NULL: any. */
static const char *first_words(uint64_t kind)
{
	static const unsigned create[] = { DDL_KIND_CREATE_SCHEMA, DDL_KIND_CREATE_TABLE,
					   DDL_KIND_CREATE_VIEW, DDL_KIND_CREATE_TABLES },
			      drop[] = { DDL_KIND_DROP_SCHEMA, DDL_KIND_DROP_TABLE,
					 DDL_KIND_DROP_VIEW },
			      alter[] = { DDL_KIND_ADD_COLUMN,
					  DDL_KIND_DROP_COLUMN,
					  DDL_KIND_ADD_FOREIGN_KEY,
					  DDL_KIND_MODIFY_COLUMN,
					  DDL_KIND_ADD_PARTITION,
					  DDL_KIND_TRUNCATE_PARTITION,
					  DDL_KIND_ADD_PRIMARY_KEY,
					  DDL_KIND_EXCHANGE_PARTITION,
					  DDL_KIND_MULTI,
					  DDL_KIND_REORGANIZE_PARTITION,
					  DDL_KIND_ALTER_PARTITIONING,
					  DDL_KIND_REMOVE_PARTITIONING };
	static const unsigned rename[] = { DDL_KIND_RENAME_TABLE, DDL_KIND_RENAME_TABLES };

	if (is_one(kind, create, sizeof(create) / sizeof(create[0])))
		return "CREATE";
	if (is_one(kind, drop, sizeof(drop) / sizeof(drop[0])))
		return "DROP";
	if (is_one(kind, alter, sizeof(alter) / sizeof(alter[0])))
		return "ALTER";
	if (is_one(kind, rename, sizeof(rename) / sizeof(rename[0])))
		return "RENAME or ALTER";
	return kind == DDL_KIND_TRUNCATE_TABLE ? "TRUNCATE"
	       : kind == DDL_KIND_ADD_INDEX    ? "CREATE or ALTER"
	       : kind == DDL_KIND_DROP_INDEX   ? "DROP or ALTER"
	       : kind == DDL_KIND_RECOVER_TABLE || kind == DDL_KIND_RECOVER_SCHEMA
		       ? "RECOVER or FLASHBACK"
		       : NULL;
}

/* In plain letters, which a statement cannot spell in another way than in another case. */
static bool names(const struct redo_ddl *d, struct redo_bytes name)
{
	for (uint32_t i = 0; i < name.n; i++)
		if (!isalnum((unsigned char)name.p[i]) && name.p[i] != '_')
			return true;
	for (uint32_t at = 0; at + name.n <= d->query.n; at++)
		if (!strncasecmp(d->query.p + at, name.p, name.n))
			return true;
	return false;
}

int ddl_fits_kind(const struct redo_ddl *d, struct err *e)
{
	struct lex x = { .p = d->query.p, .end = d->query.p + d->query.n };
	const char *words = first_words(d->type), *second = words ? strstr(words, " or ") : NULL;
	/* RECOVER TABLE BY JOB names none, and a statement for many tables not each */
	static const unsigned nameless[] = { DDL_KIND_RECOVER_TABLE, DDL_KIND_RECOVER_SCHEMA,
					     DDL_KIND_CREATE_TABLES };
	bool fits;
	struct strbuf text = STRBUF_INIT;

	lex_next(&x);
	if (x.kind == T_END)
		return 0;
	fits = !words || (second ? lex_is(&x, second + 4) ||
					   (strlen(x.text) == (size_t)(second - words) &&
					    !strncasecmp(x.text, words, (size_t)(second - words)))
				 : lex_is(&x, words));
	if (fits && (is_one(d->type, nameless, sizeof(nameless) / sizeof(nameless[0])) ||
		     names(d, d->table.table)))
		return 0;
	ddl_text(d, "is damaged", &text);
	if (!fits)
		err_set(e, ERR_BAD_DATA, 0, "%s: a DDL of type %" PRIu64 " begins with %s",
			text.buf, d->type, words);
	else
		err_set(e, ERR_BAD_DATA, 0, "%s: it does not name its table, %.*s", text.buf,
			(int)d->table.table.n, d->table.table.p);
	strbuf_release(&text);
	return -1;
}

/* No character is cut in two. */
static int count_shown(const struct redo_ddl *d)
{
	uint32_t n = d->query.n < QUERY_SHOWN_MAX ? d->query.n : QUERY_SHOWN_MAX;

	while (n < d->query.n && n && ((unsigned char)d->query.p[n] & 0xc0) == 0x80)
		n--;
	return (int)n;
}

void ddl_text(const struct redo_ddl *d, const char *what, struct strbuf *out)
{
	strbuf_addf(out, "DDL at commitTs %" PRIu64 " %s: %.*s%s", d->commit_ts, what,
		    count_shown(d), d->query.p, d->query.n > QUERY_SHOWN_MAX ? "..." : "");
}

void ddl_hole_text(const struct redo_ddl *d, struct strbuf *out)
{
	strbuf_addf(out,
		    "after this DDL, rows of %.*s.%.*s may be missing: for that table, the log is "
		    "complete only up to %" PRIu64 " (TiCDC captures a new table or partition only "
		    "after the secondary has executed the DDL that creates it); ",
		    (int)d->table.db.n, d->table.db.p, (int)d->table.table.n, d->table.table.p,
		    d->commit_ts);
	ddl_text(d, "is", out);
}

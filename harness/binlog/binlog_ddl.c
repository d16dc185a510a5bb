/* DDLs of the binary log: what was done, and what a secondary would do otherwise. */
#include <strings.h>

#include "harness/binlog/binlog_impl.h"
#include "harness/sql/ddl/rename.h"

#define BY_PLACE                                                                                   \
	"an ALTER depends on the order of its rows (ADD .. AUTO_INCREMENT, IGNORE), which no key " \
	"determines"

/* The text of what the primary has done, where that is less than what the statement says.
 */
static const char *what_was_done(struct binlog *b)
{
	struct ddl_words *w = &b->words;

	if (!b->query.session.error || w->type != DDL_CREATE_TABLE || !w->or_replace)
		return b->query.text.buf;
	/* the old table was dropped, the new one was not made */
	strbuf_reset(&b->instead);
	strbuf_addstr(&b->instead, "DROP TABLE IF EXISTS ");
	sql_add_name(&b->instead, w->db);
	strbuf_addch(&b->instead, '.');
	sql_add_name(&b->instead, w->table);
	w->type = DDL_DROP_TABLE;
	w->fk_action = w->versioned = w->overlaps = false;
	w->engine[0] = '\0';
	b->query.session.error = 0;
	b->query.session.sql_mode = 0;
	return b->instead.buf;
}

/* A foreign key's actions are in the words of tables whose engine knows none. */
static bool acts_by_itself(struct binlog *b)
{
	const struct ddl_words *w = &b->words;
	struct err ignored = ERR_INIT;
	const struct table_schema *s;

	if (!w->fk_action || w->engine[0])
		return w->fk_action && !strcasecmp(w->engine, "InnoDB");
	if (w->type == DDL_CREATE_TABLE)
		return true;
	s = b->o.schema(b->o.schema_arg, w->was_db, w->was_table, NULL, 0, &ignored);
	return !s || !schema_lasting(s);
}

/* The order of a table's rows is the same everywhere where they lie by a key's order. */
static bool rows_in_order(struct binlog *b)
{
	const struct ddl_words *w = &b->words;
	struct err ignored = ERR_INIT;
	const struct table_schema *s =
		b->o.schema(b->o.schema_arg, w->was_db, w->was_table, NULL, 0, &ignored);

	return s && s->handle >= 0 && !schema_lasting(s);
}

/* A table that comes out of a system database or goes into one: the secondary's own are not the
 * primary's. */
static bool crosses_system(const struct binlog *b)
{
	const struct binlog_query *q = &b->query;
	struct rename r = { 0 };
	size_t system = 0;
	bool crosses;

	rename_parse(&r, q->text.buf, q->text.len, q->db.buf);
	for (size_t i = 0; i < r.n; i++)
		system += schema_is_system(r.pair[i].from.db) + schema_is_system(r.pair[i].to.db);
	crosses = system && system < 2 * r.n;
	rename_release(&r);
	return crosses;
}

/* What the secondary would do otherwise than the primary did. */
static int refuse_ddl(struct binlog *b, struct err *e)
{
	const struct ddl_words *w = &b->words;

	if (!b->o.leave_out && acts_by_itself(b))
		return err_set(
			e, ERR_UNSUPPORTED, 0,
			"%s of %s.%s with a foreign key that changes rows by itself (CASCADE, "
			"SET NULL) cannot be replicated, because the binary log does not contain "
			"these changes. Fix: use a foreign key without such actions, and take a "
			"new backup",
			w->first, w->db, w->table);
	if (crosses_system(b))
		return err_set(
			e, ERR_UNSUPPORTED, 0,
			"\"%.200s\" cannot be replicated: it moves a table into or out of a "
			"system database, and the secondary's system databases differ from the "
			"primary's. Fix: take a new backup; next time copy the table",
			b->query.text.buf);
	if (w->read_otherwise)
		return err_set(e, ERR_UNSUPPORTED, 0,
			       "\"%.200s\" cannot be replicated: it was read in the sql_mode "
			       "that its session had before, which the binary log does not tell. "
			       "Fix: a new backup; next time SET sql_mode by a statement of its "
			       "own",
			       b->query.text.buf);
	if (w->tablespace)
		return err_set(
			e, ERR_UNSUPPORTED, 0,
			"DISCARD or IMPORT TABLESPACE of %s.%s cannot be replicated: its rows "
			"come and go with files. Fix: take a new backup",
			w->db, w->table);
	if (w->not_twice[0])
		return err_set(
			e, ERR_UNSUPPORTED, 0,
			"ALTER TABLE %s.%s gives the rows that are there a value of %s, which "
			"the secondary would compute anew. Fix: a new backup; next time add the "
			"column with a constant default and fill it by UPDATE",
			w->db, w->table, w->not_twice);
	return 0;
}

int binlog_deliver_ddl(struct binlog *b, struct binlog_txn *t, struct err *e)
{
	const struct ddl_words *w = &b->words;
	const char *text = what_was_done(b), *left_out = NULL;

	/* nothing is changed yet, nothing was changed */
	if (b->gtid.flags_extra & (GTID_START_ALTER | GTID_ROLLBACK_ALTER))
		b->words.type = DDL_NONE;
	else if (refuse_ddl(b, e) < 0)
		return -1;
	else if (acts_by_itself(b))
		left_out = BINLOG_FK_ACTS;
	else if (w->by_place && !rows_in_order(b))
		left_out = BY_PLACE;
	else if (w->versioned || w->overlaps)
		left_out = w->versioned ? BINLOG_VERSIONED : BINLOG_OVERLAPS;
	b->in_group = false;
	b->last_seq = b->gtid.seq;
	*t = (struct binlog_txn){ .gtid_seq = b->gtid.seq,
				  .is_ddl = true,
				  .ddl_db = b->query.db.buf,
				  .ddl_query = text,
				  .ddl_session = &b->query.session,
				  .ddl_left_out = left_out,
				  .ddl_type = w->type,
				  .ddl_table_db = w->db,
				  .ddl_table = w->table };
	return 1;
}

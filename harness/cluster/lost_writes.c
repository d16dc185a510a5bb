#include "harness/cluster/lost_writes.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/base/xalloc.h"
#include "harness/sql/literal.h"

#define ROWS_SHOWN 1000u /* of a transaction, in its JSON line */

static FILE *create(const char *path, struct err *e)
{
	FILE *f = fopen(path, "we");

	if (!f)
		err_sys(e, "create %s", path);
	return f;
}

int lost_open(struct lost *l, const struct forensic_opts *o, struct err *e)
{
	*l = (struct lost){ .o = o, .text = STRBUF_INIT };
	l->changes = json_array();
	if (o->ledger_dir &&
	    verify_open(&l->ledger, o->ledger_dir, &(struct verify_source){ 0 }, e) < 0)
		return -1;
	if (o->lost_jsonl && !(l->jsonl = create(o->lost_jsonl, e)))
		return -1;
	if (o->lost_sql && !(l->sql = create(o->lost_sql, e)))
		return -1;
	if (l->sql)
		fputs("-- Transactions that the dead primary had committed and the secondary never got, in commit order.\n"
		      "-- An UPDATE or DELETE changes a row only where it still is as that transaction found it; an INSERT fails where the key is taken.\n"
		      "-- Read it, then run it, transaction by transaction, and look at the row counts.\n"
		      "SET NAMES utf8mb4, time_zone = '+00:00';\n",
		      l->sql);
	return 0;
}

static const struct redo_column *find_column(const struct redo_row *row, const char *name)
{
	const struct redo_column *c = row->n_columns ? row->columns : row->pre_columns;

	for (uint32_t i = 0; i < (row->n_columns ? row->n_columns : row->n_pre_columns); i++)
		if (c[i].name.n == strlen(name) && !memcmp(c[i].name.p, name, c[i].name.n))
			return &c[i];
	return NULL;
}

/* Its own row in drtest_ledger says who it is. */
static void add_writer(struct lost *l, const struct redo_row *row)
{
	const struct redo_column *worker = find_column(row, "worker"),
				 *seq = find_column(row, "seq");

	if (!l->o->ledger_table || row->table.table.n != strlen(l->o->ledger_table) ||
	    memcmp(row->table.table.p, l->o->ledger_table, row->table.table.n))
		return;
	if (!row->n_columns || !worker || !seq ||
	    (worker->value.kind != REDO_INT && worker->value.kind != REDO_UINT) ||
	    (seq->value.kind != REDO_INT && seq->value.kind != REDO_UINT))
		return;
	l->worker = (uint32_t)worker->value.u;
	l->worker_seq = seq->value.u;
}

static void add_name(struct strbuf *out, const struct redo_bytes *name)
{
	char *copy = xstrndup(name->p, name->n);

	sql_add_name(out, copy);
	free(copy);
}

static bool is_plain(const struct redo_column *c)
{
	return !c->absent && !(c->flag & COLF_GENERATED);
}

/* Can its value be asked for by equality? */
static bool is_findable(const struct redo_column *c)
{
	return is_plain(c) && c->type != COL_FLOAT && c->type != COL_DOUBLE && c->type != COL_JSON;
}

static bool value_same(const struct redo_value *a, const struct redo_value *b)
{
	if (a->kind != b->kind)
		return false;
	if (a->kind == REDO_NULL)
		return true;
	if (a->kind == REDO_STR || a->kind == REDO_BIN)
		return a->s.n == b->s.n && !memcmp(a->s.p, b->s.p, a->s.n);
	if (a->kind == REDO_F32)
		return !memcmp(&a->f32, &b->f32, sizeof(a->f32));
	return a->u == b->u;
}

/* The key, and what the change writes over: all of a row that is deleted. */
static void add_condition(struct strbuf *out, const struct redo_row *row)
{
	const struct redo_column *c = row->pre_columns;
	const char *sep = " WHERE ";

	for (uint32_t i = 0; i < row->n_pre_columns; i++) {
		bool stays = i < row->n_columns && value_same(&c[i].value, &row->columns[i].value);

		if (!is_findable(&c[i]) || (stays && !(c[i].flag & COLF_HANDLE_KEY)))
			continue;
		strbuf_addstr(out, sep);
		add_name(out, &c[i].name);
		strbuf_addstr(out, " <=> ");
		literal_add_column(out, &c[i]);
		sep = " AND ";
	}
}

static void add_statement(struct strbuf *out, const struct redo_row *row)
{
	const char *sep = " SET ";

	if (!row->n_columns) {
		strbuf_addstr(out, "DELETE FROM ");
	} else {
		strbuf_addstr(out, row->n_pre_columns ? "UPDATE " : "INSERT INTO ");
	}
	add_name(out, &row->table.db);
	strbuf_addch(out, '.');
	add_name(out, &row->table.table);
	for (uint32_t i = 0; i < row->n_columns; i++) {
		const struct redo_column *c = &row->columns[i];

		if (!is_plain(c) ||
		    (i < row->n_pre_columns && value_same(&c->value, &row->pre_columns[i].value)))
			continue;
		strbuf_addstr(out, sep);
		add_name(out, &c->name);
		strbuf_addch(out, '=');
		literal_add_column(out, c);
		sep = ", ";
	}
	if (row->n_pre_columns)
		add_condition(out, row);
	strbuf_addstr(out, ";\n");
}

static json_t *key_json(const struct redo_row *row)
{
	const struct redo_column *c = row->n_columns ? row->columns : row->pre_columns;
	struct strbuf text = STRBUF_INIT;
	json_t *j;

	for (uint32_t i = 0; i < (row->n_columns ? row->n_columns : row->n_pre_columns); i++) {
		if (!(c[i].flag & COLF_HANDLE_KEY))
			continue;
		strbuf_addf(&text, "%s%.*s=", text.len ? ", " : "", (int)c[i].name.n, c[i].name.p);
		literal_add_column(&text, &c[i]);
	}
	j = json_stringn(text.buf, text.len);
	strbuf_release(&text);
	return j ? j : json_string("(no text)");
}

static void add_row(struct lost *l, const struct redo_row *row)
{
	const char *op = !row->n_columns ? "delete" : row->n_pre_columns ? "update" : "insert";

	add_writer(l, row);
	l->rows++;
	if (json_array_size(l->changes) < ROWS_SHOWN) {
		char table[300];

		snprintf(table, sizeof(table), "%.*s.%.*s", (int)row->table.db.n, row->table.db.p,
			 (int)row->table.table.n, row->table.table.p);
		json_array_append_new(l->changes, json_pack("{s:s,s:s,s:o}", "table", table,
							    "change", op, "key", key_json(row)));
	}
	if (l->sql)
		add_statement(&l->text, row);
}

static int end_transaction(struct lost *l, const struct binlog_txn *t, struct err *e)
{
	struct verify_txn *rec =
		l->worker_seq ? verify_find(&l->ledger, l->worker, l->worker_seq) : NULL;
	static const char *const outcome[] = { "", "acknowledged", "failed", "unknown" };
	json_t *j = json_pack("{s:I}", "position", (json_int_t)t->gtid_seq);
	struct strbuf head = STRBUF_INIT;

	strbuf_addf(&head, "-- position %" PRIu64, t->gtid_seq);
	if (l->worker_seq) {
		json_object_set_new(j, "worker", json_integer(l->worker));
		json_object_set_new(j, "seq", json_integer((json_int_t)l->worker_seq));
		strbuf_addf(&head, ", worker %u sequence %" PRIu64, l->worker, l->worker_seq);
	}
	if (rec && rec->cluster == l->o->cluster) {
		rec->present = true;
		l->acked += rec->outcome == TXN_ACKED;
		json_object_set_new(j, "outcome", json_string(outcome[rec->outcome]));
		json_object_set_new(j, "ended_s", json_real((double)rec->end_us / 1e6));
		strbuf_addf(&head, ", %s", outcome[rec->outcome]);
		if (l->o->disaster_us) {
			double ms = (double)(l->o->disaster_us - rec->end_us) / 1e3;

			json_object_set_new(j, "before_disaster_ms", json_real(ms));
			strbuf_addf(&head, " %.0f ms before the disaster", ms);
		}
	}
	if (t->is_ddl)
		json_object_set_new(j, "ddl", json_string(t->ddl_query));
	else
		json_object_set(j, "rows", l->changes);
	if (l->jsonl) {
		json_dumpf(j, l->jsonl, JSON_COMPACT);
		fputc('\n', l->jsonl);
	}
	if (l->sql)
		fprintf(l->sql, t->is_ddl ? "\n%s\n%s" : "\n%s\nSTART TRANSACTION;\n%sCOMMIT;\n",
			head.buf, l->text.buf);
	json_decref(j);
	strbuf_release(&head);
	json_array_clear(l->changes);
	strbuf_reset(&l->text);
	l->worker_seq = 0;
	l->transactions++;
	if ((l->jsonl && ferror(l->jsonl)) || (l->sql && ferror(l->sql)))
		return err_sys(e, "write the list of lost transactions");
	return 0;
}

int lost_add(struct lost *l, const struct binlog_txn *t, struct err *e)
{
	if (t->is_ddl && !t->ddl_type)
		return 0;
	if (t->is_ddl && t->ddl_db[0]) {
		strbuf_addstr(&l->text, "USE ");
		sql_add_name(&l->text, t->ddl_db);
		strbuf_addstr(&l->text, ";\n");
	}
	if (t->is_ddl)
		strbuf_addf(&l->text, "%s;\n", t->ddl_query);
	else if (!t->n_rows && !json_array_size(l->changes))
		return 0; /* its net change is nothing */
	for (size_t i = 0; i < t->n_rows; i++)
		add_row(l, &t->rows[i]);
	return t->more ? 0 : end_transaction(l, t, e);
}

uint64_t lost_gone(const struct lost *l, uint64_t after)
{
	uint64_t n = 0;

	for (size_t i = 0; i < l->ledger.n; i++) {
		const struct verify_txn *t = &l->ledger.txn[i];

		n += t->cluster == l->o->cluster && t->outcome == TXN_ACKED &&
		     t->position > after && !t->present;
	}
	return n;
}

static int close_file(FILE *f, const char *path, bool keep, struct err *e)
{
	if (!f)
		return 0;
	if (fclose(f))
		return err_sys(e, "write %s", path);
	if (!keep)
		unlink(path);
	return 0;
}

int lost_close(struct lost *l, struct err *e)
{
	int rc = close_file(l->jsonl, l->o->lost_jsonl, l->transactions > 0, e);

	if (close_file(l->sql, l->o->lost_sql, l->transactions > 0, e) < 0)
		rc = -1;
	verify_close(&l->ledger);
	json_decref(l->changes);
	strbuf_release(&l->text);
	return rc;
}

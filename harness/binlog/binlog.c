/* The stream of a MariaDB binary log: its events become whole transactions and DDLs. */
#include "harness/binlog/binlog.h"

#include <errno.h>
#include <ma_pvio.h>
#include <mariadb_rpl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/xalloc.h"
#include "harness/binlog/binlog_impl.h"

enum {
	/* until the server has found the position and sends its first event */
	OPEN_MS = 30000,
	READ_MS = 30000, /* a packet that began must go on; an idle server sends heartbeats */
	HEARTBEAT_MS = 100,
	MEMORY_BYTES = 32 * 1024 * 1024,
	EQUAL_ROWS_MAX = 65536, /* of a batch */
};

/* Changes that the server makes to child rows by itself are not in its binary log: they would be
 * lost without a word. */
static int leave_out_fk_actions(struct binlog *b, struct err *e)
{
	struct sql_rows r = { 0 };
	int got = -1, rc = 0;

	if (sql_query(
		    b->conn, &r, e,
		    "SELECT DISTINCT constraint_schema, table_name FROM information_schema.referential_constraints "
		    "WHERE (delete_rule IN ('CASCADE', 'SET NULL', 'SET DEFAULT') OR update_rule IN ('CASCADE', 'SET NULL', "
		    "'SET DEFAULT')) AND LOWER(constraint_schema) NOT IN " SYSTEM_SCHEMAS_SQL) == 0)
		while (!rc && (got = sql_rows_next(&r, e)) == 1) {
			if (b->o.leave_out)
				b->o.leave_out(b->o.schema_arg, r.cell[0], r.cell[1],
					       BINLOG_FK_ACTS);
			else
				rc = err_set(e, ERR_UNSUPPORTED, 0, "%s.%s: " BINLOG_FK_ACTS,
					     r.cell[0], r.cell[1]);
		}
	sql_rows_release(&r);
	return got < 0 ? -1 : rc;
}

static int fetch_failed(struct binlog *b, struct err *e)
{
	MYSQL *m = sql_handle(b->conn);
	struct strbuf who = STRBUF_INIT;

	sql_endpoint_text(&b->o.from, &who);
	if (!mysql_errno(m))
		err_set(e, ERR_GONE, 0, "%s ended the stream of its binary log", who.buf);
	else if (mysql_errno(m) == 1236 && strstr(mysql_error(m), "GTID"))
		err_set(e, ERR_NOT_FOUND, 1236,
			"%s no longer has GTID %u-%u-%llu in its binary log, or never had it (if "
			"its server_id was another then: write a row, and take a new backup): %s",
			who.buf, b->o.domain, b->o.server_id, (unsigned long long)b->last_seq,
			mysql_error(m));
	else if (mysql_errno(m) == 1236)
		err_set(e, ERR_BAD_DATA, 1236,
			"%s cannot read its binary log after GTID sequence %llu: %s", who.buf,
			(unsigned long long)b->last_seq, mysql_error(m));
	else
		sql_error(m, e, who.buf);
	strbuf_release(&who);
	return -1;
}

/* 1: an event can be fetched (at least its beginning is there), 0: not within wait_ms, or a signal
 * came. */
static int wait_readable(struct binlog *b, int64_t wait_ms, struct err *e)
{
	MYSQL *m = sql_handle(b->conn);
	MARIADB_PVIO *io = m->net.pvio;
	struct pollfd p = { .fd = (int)mysql_get_socket(m), .events = POLLIN };
	int rc;

	if (!io)
		return err_set(e, ERR_GONE, 0, "the connection for the binary log is closed");
	if (io->cache && io->cache + io->cache_size > io->cache_pos)
		return 1; /* the library reads ahead */
	rc = poll(&p, 1, (int)wait_ms);
	if (rc < 0 && errno != EINTR)
		return err_sys(e, "wait for the binary log");
	return rc > 0;
}

/* 1: *ev is the next event, valid until the next call; 0: none within wait_ms.
 * The library's mariadb_rpl_fetch() is not used: it parses each event too, and Connector/C 3.3.20
 * calls what follows a rotation of the log malformed. The packet itself comes from the function
 * that it is built on: a zero byte, then the event. */
static int next_event(struct binlog *b, int64_t wait_ms, struct binlog_event *ev, struct err *e)
{
	MYSQL *m = sql_handle(b->conn);
	unsigned long n;
	int rc = wait_readable(b, wait_ms, e);

	if (rc <= 0)
		return rc;
	n = mysql_net_read_packet(m);
	if (n == packet_error || n < 1 || (m->net.read_pos[0] == 254 && n < 9))
		return fetch_failed(b, e);
	if (m->net.read_pos[0])
		return err_set(e, ERR_BAD_DATA, 0,
			       "a packet in the binary log stream that is not an event");
	return binlog_event_parse(ev, m->net.read_pos + 1, n - 1, &b->checksum, e) < 0 ? -1 : 1;
}

static int start_dump(struct binlog *b, struct err *e)
{
	const struct binlog_opts *o = &b->o;
	struct strbuf at = STRBUF_INIT;
	MYSQL *m = sql_handle(b->conn);
	int rc = -1;

	if (o->after_seq && !o->skip_server_id)
		strbuf_addf(&at, "%u-%u-%llu", o->domain, o->server_id,
			    (unsigned long long)o->after_seq);
	/* capability 4: the replica knows GTIDs; the period is in nanoseconds */
	if (sql_exec(
		    b->conn, e,
		    "SET @master_binlog_checksum = @@global.binlog_checksum, @mariadb_slave_capability = 4, "
		    "@slave_gtid_strict_mode = 1, "
		    "@slave_gtid_ignore_duplicates = 0, @master_heartbeat_period = %lld, @slave_connect_state = '%s'",
		    HEARTBEAT_MS * 1000000ll, at.buf) < 0)
		goto out;
	b->rpl = mariadb_rpl_init(m);
	if (!b->rpl) {
		err_set(e, ERR_ENV, 0,
			"the client library does not have the version of the replication "
			"interface that drtest was built with");
		goto out;
	}
	if (mariadb_rpl_optionsv(b->rpl, MARIADB_RPL_SERVER_ID, o->replica_id) ||
	    mariadb_rpl_optionsv(b->rpl, MARIADB_RPL_START, 4ul) ||
	    mariadb_rpl_optionsv(b->rpl, MARIADB_RPL_FLAGS, 0u) || mariadb_rpl_open(b->rpl)) {
		sql_error(m, e, "start the stream of the binary log");
		goto out;
	}
	sql_patience(b->conn, READ_MS);
	rc = 0;
out:
	strbuf_release(&at);
	return rc;
}

static int handle_event(struct binlog *b, const struct binlog_event *ev, struct binlog_txn *t,
			struct err *e);

struct binlog *binlog_open(const struct binlog_opts *o, struct err *e)
{
	struct binlog *b = xcalloc(1, sizeof(*b));
	struct deadline d = deadline_in_ms(OPEN_MS);
	bool ready = false;

	b->o = *o;
	b->o.tmp_dir = NULL;
	b->last_seq = o->after_seq;
	b->checksum = CHECKSUM_UNKNOWN;
	b->charsets = charsets_new(&o->from);
	b->net = netting_new(o->memory_bytes ? o->memory_bytes : MEMORY_BYTES, o->tmp_dir);
	b->savepoints =
		savepoints_new((o->memory_bytes ? o->memory_bytes : MEMORY_BYTES) / 4, o->tmp_dir);
	for (int i = 0; i < 2; i++)
		b->image[i] = b->key[i] = (struct strbuf)STRBUF_INIT;
	b->query = b->selected_query =
		(struct binlog_query){ .db = STRBUF_INIT, .text = STRBUF_INIT };
	b->instead = (struct strbuf)STRBUF_INIT;
	b->conn = sql_open(&o->from, d, e);
	if (!b->conn || leave_out_fk_actions(b, e) < 0 || start_dump(b, e) < 0)
		goto fail;
	while (!ready) { /* to the format description: a position that is not there is told here */
		struct binlog_event ev;
		struct binlog_txn none;
		int rc = next_event(b, 100, &ev, e);

		if (rc < 0 || (rc > 0 && handle_event(b, &ev, &none, e) < 0))
			goto fail;
		ready = rc > 0 && ev.type == EV_FORMAT;
		if (!ready && (deadline_passed(d) || clock_cancelled())) {
			err_set(e, clock_cancelled() ? ERR_CANCELLED : ERR_TIMEOUT, 0,
				"the primary sends no binary log within %d s", OPEN_MS / 1000);
			goto fail;
		}
	}
	return b;
fail:
	binlog_close(b);
	err_wrap(e, "binary log");
	return NULL;
}

static void reset_txn(struct binlog *b)
{
	netting_reset(b->net);
	savepoints_reset(b->savepoints);
	arena_reset(&b->mem);
	b->n_tables = 0;
	b->only_lasting = false;
	b->selected.type = DDL_NONE;
	b->more = b->more_batches = false;
	b->n_changes = b->at = b->told = 0;
	for (size_t i = 0; i < b->n_retired; i++)
		row_plan_free(b->retired[i]);
	b->n_retired = 0;
}

void binlog_close(struct binlog *b)
{
	if (!b)
		return;
	for (size_t i = 0; i < b->n_maps; i++)
		binlog_drop_map(b, &b->maps[i]);
	reset_txn(b);
	charsets_free(b->charsets);
	netting_free(b->net);
	savepoints_free(b->savepoints);
	arena_release(&b->mem);
	for (int i = 0; i < 2; i++) {
		strbuf_release(&b->image[i]);
		strbuf_release(&b->key[i]);
	}
	strbuf_release(&b->query.db);
	strbuf_release(&b->query.text);
	strbuf_release(&b->selected_query.db);
	strbuf_release(&b->selected_query.text);
	strbuf_release(&b->instead);
	free(b->retired);
	free(b->maps);
	free(b->tables);
	free(b->rows);
	if (b->rpl)
		mariadb_rpl_close(b->rpl);
	sql_close(b->conn);
	free(b);
}

void binlog_forget_schemas(struct binlog *b)
{
	b->generation++;
}

int binlog_to_netting(void *binlog, const struct savepoint_change *c, struct err *e)
{
	struct binlog *b = binlog;

	if (row_plan_keyless(b->tables[c->table]))
		return c->before.p && c->after.p
			       ? 0
			       : netting_count(b->net, c->table, c->key, c->after.p ? 1 : -1,
					       c->row_cost, e);
	return netting_add(b->net, c->table, c->key.p, c->key.n, c->before, c->after, c->row_cost,
			   e);
}

static const struct redo_column *decode_image(struct binlog *b, struct row_plan *p,
					      struct net_bytes image, uint32_t *n, struct err *e)
{
	struct redo_column *c;

	*n = row_plan_columns(p);
	c = arena_alloc(&b->mem, *n * sizeof(*c));
	return row_plan_decode(p, image.p, image.n, &b->mem, c, e) < 0 ? NULL : c;
}

/* A row that has no form in the log: from here on its table is left out. */
static int give_up_table(struct binlog *b, struct row_plan *p, struct err *e)
{
	const struct table_map *m = row_plan_map(p);

	if (e->kind != ERR_UNSUPPORTED || !b->o.leave_out)
		return -1;
	b->o.leave_out(b->o.schema_arg, m->db, m->table, e->text);
	*e = (struct err)ERR_INIT;
	row_plan_give_up(p);
	binlog_forget_schemas(b); /* it may have other plans */
	return 0;
}

static int decode_row(struct binlog *b, struct row_plan *p, const struct net_change *c,
		      struct redo_row *r, struct err *e)
{
	if (c->before.p) {
		r->pre_columns = decode_image(b, p, c->before, &r->n_pre_columns, e);
		if (!r->pre_columns)
			return -1;
	}
	if (c->after.p) {
		r->columns = decode_image(b, p, c->after, &r->n_columns, e);
		if (!r->columns)
			return -1;
	}
	return 0;
}

/* How many rows of the changes from b->at on go at once, and into how many changes they lead; the
 * last may be left with a part. A batch is bounded by what its changes cost, but equal rows of a
 * table without a key are one change, however many they are. */
static size_t rows_at_once(const struct binlog *b, size_t *changes)
{
	size_t n = 0, i = b->at;

	for (; i < b->n_changes; i++) {
		uint64_t left = b->changes[i].times - (i == b->at ? b->told : 0);

		if (left > 1 && n + left > EQUAL_ROWS_MAX) {
			if (n < EQUAL_ROWS_MAX) {
				n = EQUAL_ROWS_MAX;
				i++;
			}
			break;
		}
		n += left;
	}
	*changes = i - b->at;
	return n;
}

/* The transaction's rows, or the next batch of them. */
static int deliver_rows(struct binlog *b, struct binlog_txn *t, struct err *e)
{
	size_t n, changes, kept = 0;

	arena_reset(&b->mem);
	if (b->at == b->n_changes) {
		b->at = b->told = 0;
		if (netting_batch(b->net, &b->changes, &b->n_changes, &b->more_batches, e) < 0)
			return -1;
	}
	n = rows_at_once(b, &changes);
	if (n > b->rows_alloc || b->rows_alloc > EQUAL_ROWS_MAX) {
		free(b->rows);
		b->rows_alloc = n;
		b->rows = n ? xreallocarray(NULL, n, sizeof(*b->rows)) : NULL;
	}
	while (changes--) {
		const struct net_change *c = &b->changes[b->at];
		struct row_plan *p = b->tables[c->table];
		struct redo_row *r = &b->rows[kept];
		size_t times = c->times - b->told < n ? c->times - b->told : n;

		n -= times;
		b->told += times;
		if (b->told == c->times) {
			b->at++;
			b->told = 0;
		}
		if (row_plan_given_up(p) || (b->only_lasting && !row_plan_lasting(p)))
			continue;
		*r = (struct redo_row){ .table = *row_plan_table(p) };
		r->indexes = row_plan_indexes(p, &r->n_indexes);
		if (decode_row(b, p, c, r, e) < 0) {
			if (give_up_table(b, p, e) < 0)
				return -1;
			continue;
		}
		for (size_t k = 1; k < times; k++)
			r[k] = *r;
		kept += times;
	}
	b->more = b->at < b->n_changes || b->more_batches;
	*t = (struct binlog_txn){
		.gtid_seq = b->gtid.seq, .rows = b->rows, .n_rows = kept, .more = b->more
	};
	return 1;
}

static int end_group(struct binlog *b, struct binlog_txn *t, struct err *e)
{
	bool drops = b->selected.type == DDL_DROP_TABLE;

	if (drops && b->n_tables)
		return err_set(e, ERR_UNSUPPORTED, 0,
			       "DROP of %s.%s within a transaction with rows cannot be replicated",
			       b->selected.db, b->selected.table);
	/* one commitTs can't hold a DDL and rows: the table is made, and left out */
	if (b->selected.type && (drops || !b->only_lasting)) {
		struct binlog_query last = b->query;
		int rc;

		b->words = b->selected;
		b->query = b->selected_query;
		b->selected_query = last;
		rc = binlog_deliver_ddl(b, t, e);
		if (!drops)
			t->ddl_left_out = SELECTED;
		return rc;
	}
	b->in_group = false;
	b->last_seq = b->gtid.seq;
	if (savepoints_each(b->savepoints, binlog_to_netting, b, e) < 0)
		return -1;
	savepoints_reset(b->savepoints);
	return deliver_rows(b, t, e);
}

static int on_gtid(struct binlog *b, const struct binlog_event *ev, struct err *e)
{
	struct binlog_gtid g;

	if (binlog_gtid_parse(&g, ev, e) < 0)
		return -1;
	if (b->in_group)
		return err_set(e, ERR_BAD_DATA, 0, "a transaction starts within another");
	if (g.domain != b->o.domain)
		return err_set(e, ERR_UNSUPPORTED, 0,
			       "a transaction in GTID domain %u: drtest only follows domain %u",
			       g.domain, b->o.domain);
	b->passed = b->o.skip_server_id && g.seq <= b->o.after_seq;
	b->elsewhere = b->o.skip_server_id && ev->server_id == b->o.skip_server_id;
	if (!b->passed && g.seq <= b->last_seq)
		return err_set(e, ERR_BAD_DATA, 0, "GTID sequence %llu follows %llu",
			       (unsigned long long)g.seq, (unsigned long long)b->last_seq);
	if (g.flags & (GTID_PREPARED_XA | GTID_COMPLETED_XA))
		return err_set(e, ERR_UNSUPPORTED, 0,
			       "an XA transaction (GTID sequence %llu) cannot be replicated",
			       (unsigned long long)g.seq);
	b->gtid = g;
	b->in_group = true;
	return 0;
}

/* The statement at hand is what the group at hand is about. */
static void select_ddl(struct binlog *b)
{
	struct binlog_query kept = b->query;

	b->selected = b->words;
	b->query = b->selected_query;
	b->selected_query = kept;
}

static int on_query(struct binlog *b, const struct binlog_event *ev, struct binlog_txn *t,
		    struct err *e)
{
	const struct ddl_words *w = &b->words;

	if (!b->in_group)
		return err_set(e, ERR_BAD_DATA, 0, "a statement outside of a transaction");
	if (binlog_query_parse(&b->query, ev, b->charsets, e) < 0)
		return -1;
	ddl_words(b->query.db.buf, b->query.text.buf, b->query.text.len, b->query.session.sql_mode,
		  &b->words);
	if (b->query.unreadable && w->type)
		return err_set(
			e, ERR_UNSUPPORTED, 0,
			"%s of %s.%s has bytes that are not valid text in the character set of "
			"collation %d and cannot be replicated: send DDLs in utf8mb4",
			w->first, w->db, w->table, b->query.unreadable);
	if (w->is_xa)
		return err_set(e, ERR_UNSUPPORTED, 0, "an XA transaction cannot be replicated");
	if (w->is_dml)
		return err_set(
			e, ERR_UNSUPPORTED, 0,
			"%s is logged as a statement: the primary needs binlog_format=ROW in every session",
			w->first);
	if (b->gtid.flags & GTID_STANDALONE)
		return binlog_deliver_ddl(b, t, e);
	if (w->is_commit)
		return end_group(b, t, e);
	/* the server logs it where it can't take all of the group back itself */
	if (w->is_rollback) {
		b->only_lasting = true;
		return end_group(b, t, e);
	}
	if (w->is_savepoint) {
		savepoints_set(b->savepoints, w->savepoint);
		return 0;
	}
	if (w->is_rollback_to)
		return savepoints_rollback(b->savepoints, w->savepoint, e);
	if (w->type == DDL_CREATE_TABLE) {
		if (!b->o.leave_out)
			return err_set(
				e, ERR_UNSUPPORTED, 0,
				"CREATE TABLE %s.%s .. SELECT cannot be replicated: create the "
				"table first, then INSERT .. SELECT",
				w->db, w->table);
		b->o.leave_out(b->o.schema_arg, w->db, w->table, SELECTED);
		select_ddl(b); /* the group goes on with its rows */
		return 0;
	}
	/* of a CREATE OR REPLACE TABLE .. SELECT that failed: the old table is gone */
	if (w->type == DDL_DROP_TABLE && !b->selected.type && !b->n_tables) {
		select_ddl(b);
		return 0;
	}
	if (w->type)
		return err_set(e, ERR_UNSUPPORTED, 0,
			       "%s of %s.%s within a transaction cannot be replicated", w->first,
			       w->db, w->table);
	return 0; /* BEGIN, temporary tables */
}

/* A group that is not carried on: only its end counts. 1, 0, -1 as handle_event(). */
static int pass_over(struct binlog *b, const struct binlog_event *ev, struct binlog_txn *t,
		     struct err *e)
{
	bool ddl = false;

	if (ev->type == EV_QUERY) {
		if (binlog_query_parse(&b->query, ev, b->charsets, e) < 0)
			return -1;
		ddl_words(b->query.db.buf, b->query.text.buf, b->query.text.len,
			  b->query.session.sql_mode, &b->words);
		ddl = (b->gtid.flags & GTID_STANDALONE) || b->words.type != DDL_NONE;
		if (!(b->gtid.flags & GTID_STANDALONE) && !b->words.is_commit &&
		    !b->words.is_rollback)
			return 0;
	} else if (ev->type != EV_XID) {
		return 0;
	}
	b->in_group = false;
	if (b->passed)
		return 0;
	b->last_seq = b->gtid.seq;
	*t = (struct binlog_txn){ .gtid_seq = b->gtid.seq,
				  .is_ddl = ddl,
				  .ddl_elsewhere = ddl,
				  .ddl_db = "",
				  .ddl_query = "",
				  .ddl_session = &b->query.session,
				  .ddl_table_db = "",
				  .ddl_table = "" };
	return 1;
}

/* 1: *t is a whole transaction or DDL; 0: go on. */
static int handle_event(struct binlog *b, const struct binlog_event *ev, struct binlog_txn *t,
			struct err *e)
{
	if (b->in_group && (b->elsewhere || b->passed) && ev->type != EV_FORMAT &&
	    ev->type != EV_GTID)
		return pass_over(b, ev, t, e);
	switch (ev->type) {
	case EV_FORMAT: /* the server started anew: what it had begun to log before is nothing */
		if (b->in_group) {
			b->in_group = false;
			reset_txn(b);
		}
		return 0;
	case EV_GTID: return on_gtid(b, ev, e);
	case EV_TABLE_MAP: return binlog_on_table_map(b, ev, e);
	case EV_WRITE_ROWS_V1:
	case EV_UPDATE_ROWS_V1:
	case EV_DELETE_ROWS_V1:
	case EV_WRITE_ROWS:
	case EV_UPDATE_ROWS:
	case EV_DELETE_ROWS:
		if (!b->in_group)
			return err_set(e, ERR_BAD_DATA, 0, "rows outside of a transaction");
		return binlog_on_rows(b, ev, e);
	case EV_QUERY: return on_query(b, ev, t, e);
	case EV_XID:
		if (!b->in_group)
			return err_set(e, ERR_BAD_DATA, 0, "a commit outside of a transaction");
		return end_group(b, t, e);
	case EV_XA_PREPARE:
		return err_set(e, ERR_UNSUPPORTED, 0, "an XA transaction cannot be replicated");
	case EV_INCIDENT:
		return err_set(
			e, ERR_BAD_DATA, 0,
			"the primary lost events of its binary log (an incident event): start again from a new backup");
	case EV_BEGIN_LOAD_QUERY:
	case EV_EXECUTE_LOAD_QUERY:
	case EV_APPEND_BLOCK:
	case EV_DELETE_FILE:
		return err_set(
			e, ERR_UNSUPPORTED, 0,
			"LOAD DATA is logged as a statement: the primary needs binlog_format=ROW in every session");
	case EV_STOP:
	case EV_ROTATE:
	case EV_INTVAR:
	case EV_RAND:
	case EV_USER_VAR:
	case EV_HEARTBEAT:
	case EV_ANNOTATE_ROWS:
	case EV_CHECKPOINT:
	case EV_GTID_LIST:
	case EV_START_ENCRYPTION: return 0;
	default:
		if (ev->type >= EV_QUERY_COMPRESSED && ev->type <= EV_DELETE_ROWS_COMPRESSED)
			return err_set(e, ERR_UNSUPPORTED, 0,
				       "compressed events cannot be replicated: the primary needs "
				       "log_bin_compress=OFF");
		if (ev->flags & EVENT_IGNORABLE)
			return 0;
		return err_set(e, ERR_UNSUPPORTED, 0, "unknown binary log event type %u", ev->type);
	}
}

int binlog_next(struct binlog *b, int wait_ms, struct binlog_txn *t, struct err *e)
{
	struct deadline d = deadline_in_ms(wait_ms < 0 ? 0 : wait_ms);
	int rc;

	if (b->failure.kind) {
		*e = b->failure;
		return -1;
	}
	if (b->more) {
		rc = deliver_rows(b, t, e);
	} else {
		if (!b->in_group)
			reset_txn(b);
		do {
			struct binlog_event ev;

			rc = next_event(b, deadline_left_ms(d), &ev, e);
			if (rc <= 0)
				break;
			rc = handle_event(b, &ev, t, e);
		} while (rc == 0 && !deadline_passed(d));
	}
	if (rc < 0) {
		if (e->kind != ERR_GONE && e->kind != ERR_NOT_FOUND)
			err_wrap(e, "binary log at GTID %u-%u-%llu", b->o.domain, b->o.server_id,
				 (unsigned long long)(b->in_group || b->more ? b->gtid.seq
									     : b->last_seq));
		b->failure = *e;
	}
	return rc;
}

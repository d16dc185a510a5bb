#include "harness/binlog/binlog.h"

#include <errno.h>
#include <ma_pvio.h>
#include <mariadb_rpl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "harness/base/xalloc.h"
#include "harness/binlog/binlog_event.h"
#include "harness/binlog/ddl_words.h"
#include "harness/binlog/netting.h"
#include "harness/binlog/row_image.h"
#include "harness/binlog/savepoints.h"

enum {
	/* until the server has found the position and sends its first event */
	OPEN_MS = 30000,
	READ_MS = 30000, /* a packet that began must go on; an idle server sends heartbeats */
	HEARTBEAT_MS = 100,
	MAPS_MAX = 4096, /* table maps kept */
	MEMORY_BYTES = 32 * 1024 * 1024,
};

#define SELECTED \
	"made by CREATE TABLE .. SELECT, whose rows can't be carried: create the table first, then INSERT .. SELECT"
#define BY_PLACE \
	"an ALTER that follows the order in which its rows lie (ADD .. AUTO_INCREMENT, IGNORE), which no key of it tells"

struct map_entry {
	uint64_t id;
	struct strbuf body;    /* the event: the same bytes mean the same table */
	struct row_plan *plan; /* NULL: a table whose changes are left out */
	unsigned generation;
};
struct binlog {
	struct binlog_opts o;
	struct sql *conn;
	MARIADB_RPL *rpl;
	enum binlog_checksum checksum;
	uint64_t last_seq;  /* delivered */
	struct err failure; /* after an error nothing more comes */

	bool in_group;
	/* the group ended in ROLLBACK: rows of tables without transactions are all that is left
	 * of it */
	bool only_lasting;
	struct binlog_gtid gtid;

	struct map_entry *maps;
	size_t n_maps, maps_alloc;
	unsigned generation;
	struct row_plan **retired; /* replaced while the transaction at hand may still use them */
	size_t n_retired, retired_alloc;

	struct charsets *charsets; /* the plans' */
	struct netting *net;
	struct savepoints *savepoints;
	struct row_plan **tables; /* of this transaction, by the net changes' table numbers */
	size_t n_tables, tables_alloc;
	struct strbuf image[2], key[2];
	bool more; /* batches of the transaction delivered last are left */
	struct txn_mem mem;
	struct redo_row *rows;
	size_t rows_alloc;

	struct binlog_query query;
	struct strbuf instead; /* of the query's text, where that is not what was done */
	struct ddl_words words;
	/* a CREATE TABLE .. SELECT that the group at hand began with; type 0: none */
	struct ddl_words selected;
	struct binlog_query selected_query;
};

/* Changes that the server makes to child rows by itself are not in its binary log: they would be
 * lost without a word. */
static int refuse_fk_actions(struct binlog *b, struct err *e)
{
	struct strbuf name = STRBUF_INIT;
	int rc;

	rc = sql_value(
		b->conn, &name, e,
		"SELECT CONCAT(constraint_schema, '.', table_name, ' (', constraint_name, ')') FROM "
		"information_schema.referential_constraints "
		"WHERE (delete_rule IN ('CASCADE', 'SET NULL', 'SET DEFAULT') OR update_rule IN ('CASCADE', 'SET NULL', "
		"'SET DEFAULT')) "
		"AND LOWER(constraint_schema) NOT IN " SYSTEM_SCHEMAS_SQL " LIMIT 1");
	if (rc < 0 && e->kind == ERR_NOT_FOUND) {
		*e = (struct err)ERR_INIT;
		rc = 0;
	} else if (rc == 0) {
		rc = err_set(
			e, ERR_UNSUPPORTED, 0,
			"foreign key of %s changes rows by itself (CASCADE, SET NULL): the binary log does not show such changes, "
			"so they can't be carried",
			name.buf);
	}
	strbuf_release(&name);
	return rc;
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
			"%s no longer has GTID %u-%u-%llu in its binary log, or never had it: %s",
			who.buf, b->o.domain, b->o.server_id, (unsigned long long)b->last_seq,
			mysql_error(m));
	else if (mysql_errno(m) == 1236)
		err_set(e, ERR_BAD_DATA, 1236,
			"%s can't read its binary log behind GTID sequence %llu: %s", who.buf,
			(unsigned long long)b->last_seq, mysql_error(m));
	else
		sql_error(m, e, who.buf);
	strbuf_release(&who);
	return -1;
}

/* 1: an event can be fetched (at least its beginning is there), 0: not within wait_ms, or a signal
 * came. */
static int readable(struct binlog *b, int64_t wait_ms, struct err *e)
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
	int rc = readable(b, wait_ms, e);

	if (rc <= 0)
		return rc;
	n = mysql_net_read_packet(m);
	if (n == packet_error || n < 1 || (m->net.read_pos[0] == 254 && n < 9))
		return fetch_failed(b, e);
	if (m->net.read_pos[0])
		return err_set(e, ERR_BAD_DATA, 0,
			       "a packet in the stream of the binary log that is no event");
	return binlog_event_parse(ev, m->net.read_pos + 1, n - 1, &b->checksum, e) < 0 ? -1 : 1;
}

static int start_dump(struct binlog *b, struct err *e)
{
	const struct binlog_opts *o = &b->o;
	struct strbuf at = STRBUF_INIT;
	MYSQL *m = sql_handle(b->conn);
	int rc = -1;

	if (o->after_seq)
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
			"the client library has no replication interface of the version that drtest was built with");
		goto out;
	}
	if (mariadb_rpl_optionsv(b->rpl, MARIADB_RPL_SERVER_ID, o->replica_id) ||
	    mariadb_rpl_optionsv(b->rpl, MARIADB_RPL_START, 4ul) ||
	    mariadb_rpl_optionsv(b->rpl, MARIADB_RPL_FLAGS, 0u) || mariadb_rpl_open(b->rpl)) {
		sql_error(m, e, "start the stream of the binary log");
		goto out;
	}
	m->net.pvio->timeout[PVIO_READ_TIMEOUT] = READ_MS;
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
	if (!b->conn || refuse_fk_actions(b, e) < 0 || start_dump(b, e) < 0)
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

static void drop_map(struct binlog *b, struct map_entry *m)
{
	if (m->plan) {
		if (b->n_retired == b->retired_alloc) {
			b->retired_alloc = b->retired_alloc ? b->retired_alloc * 2 : 16;
			b->retired = xreallocarray(b->retired, b->retired_alloc,
						   sizeof(struct row_plan *));
		}
		b->retired[b->n_retired++] = m->plan;
	}
	strbuf_release(&m->body);
	*m = (struct map_entry){ 0 };
}

static void reset_txn(struct binlog *b)
{
	netting_reset(b->net);
	savepoints_reset(b->savepoints);
	txn_mem_reset(&b->mem);
	b->n_tables = 0;
	b->only_lasting = false;
	b->selected.type = DDL_NONE;
	b->more = false;
	for (size_t i = 0; i < b->n_retired; i++)
		row_plan_free(b->retired[i]);
	b->n_retired = 0;
}

void binlog_close(struct binlog *b)
{
	if (!b)
		return;
	for (size_t i = 0; i < b->n_maps; i++)
		drop_map(b, &b->maps[i]);
	reset_txn(b);
	charsets_free(b->charsets);
	netting_free(b->net);
	savepoints_free(b->savepoints);
	txn_mem_release(&b->mem);
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

static struct map_entry *find_map(struct binlog *b, uint64_t id)
{
	for (size_t i = b->n_maps; i-- > 0;)
		if (b->maps[i].id == id)
			return &b->maps[i];
	return NULL;
}

/* Takes over the map, which is that of ev. *plan NULL: the table's rows are left out. */
static int plan_of(struct binlog *b, struct table_map *map, const struct binlog_event *ev,
		   struct row_plan **plan, struct err *e)
{
	char *db = xstrdup(map->db), *table = xstrdup(map->table);
	const struct table_schema *s;
	int rc = 0;

	if (table_map_is_sequence(map)) {
		err_set(e, ERR_UNSUPPORTED, 0,
			"a sequence: it is made on the secondary, and its values are not carried");
		table_map_release(map);
	} else {
		for (int attempt = 0; attempt < 2 && !*plan; attempt++) {
			s = b->o.schema(b->o.schema_arg, db, table, attempt, e);
			if (!s) {
				table_map_release(map);
				break;
			}
			*plan = row_plan_new(map, s, b->charsets, e);
			if (*plan || e->kind != ERR_BAD_DATA || attempt ||
			    table_map_parse(map, ev->body, ev->n, e) < 0)
				break;
			*e = (struct err)ERR_INIT;
		}
	}
	if (!*plan) {
		rc = -1;
		if (e->kind == ERR_UNSUPPORTED && b->o.leave_out) {
			b->o.leave_out(b->o.schema_arg, db, table, e->text);
			*e = (struct err)ERR_INIT;
			rc = 0;
		}
	}
	free(db);
	free(table);
	return rc;
}

static int on_table_map(struct binlog *b, const struct binlog_event *ev, struct err *e)
{
	struct map_entry *m;
	struct table_map map;
	uint64_t id;

	if (ev->n < 6)
		return err_set(e, ERR_BAD_DATA, 0, "damaged table map event");
	id = binlog_le(ev->body, 6);
	m = find_map(b, id);
	if (m && m->generation == b->generation && m->body.len == ev->n &&
	    !memcmp(m->body.buf, ev->body, ev->n))
		return 0;
	if (m) {
		drop_map(b, m);
		*m = b->maps[--b->n_maps];
	} else if (b->n_maps >= MAPS_MAX) {
		for (size_t i = 0; i < b->n_maps; i++)
			drop_map(b, &b->maps[i]);
		b->n_maps = 0;
	}
	if (b->n_maps == b->maps_alloc) {
		b->maps_alloc = b->maps_alloc ? b->maps_alloc * 2 : 16;
		b->maps = xreallocarray(b->maps, b->maps_alloc, sizeof(*b->maps));
	}
	if (table_map_parse(&map, ev->body, ev->n, e) < 0)
		return -1;
	m = &b->maps[b->n_maps];
	*m = (struct map_entry){ .id = id, .generation = b->generation, .body = STRBUF_INIT };
	m->plan = NULL;
	if (schema_is_system(map.db))
		table_map_release(&map);
	else if (plan_of(b, &map, ev, &m->plan, e) < 0)
		return -1;
	strbuf_add(&m->body, ev->body, ev->n);
	b->n_maps++;
	return 0;
}

/* The number of a plan's table within this transaction. One table may come under two ids, when the
 * server reopened it in between.
 */
static int table_number(struct binlog *b, struct row_plan *plan, uint32_t *out, struct err *e)
{
	const struct table_map *m = row_plan_map(plan);

	for (*out = 0; *out < b->n_tables; ++*out) {
		const struct table_map *have = row_plan_map(b->tables[*out]);

		if (b->tables[*out] == plan)
			return 0;
		if (strcmp(have->db, m->db) || strcmp(have->table, m->table))
			continue;
		if (table_map_equal(have, m))
			return 0;
		return err_set(e, ERR_BAD_DATA, 0,
			       "%s.%s changes its structure within one transaction", m->db,
			       m->table);
	}
	if (b->n_tables == b->tables_alloc) {
		b->tables_alloc = b->tables_alloc ? b->tables_alloc * 2 : 16;
		b->tables = xreallocarray(b->tables, b->tables_alloc, sizeof(struct row_plan *));
	}
	b->tables[b->n_tables++] = plan;
	return 0;
}

static struct net_bytes bytes_of(const struct strbuf *s)
{
	return (struct net_bytes){ s->buf, (uint32_t)s->len };
}

static int to_netting(void *binlog, const struct savepoint_change *c, struct err *e)
{
	struct binlog *b = binlog;

	return netting_add(b->net, c->table, c->key.p, c->key.n, c->before, c->after, c->row_cost,
			   e);
}

static int add_change(struct binlog *b, const struct savepoint_change *c, struct err *e)
{
	return savepoints_any(b->savepoints) ? savepoints_add(b->savepoints, c, e)
					     : to_netting(b, c, e);
}

static int on_rows(struct binlog *b, const struct binlog_event *ev, struct err *e)
{
	const struct net_bytes none = { 0 };
	struct binlog_rows r;
	struct map_entry *m;
	uint32_t table;

	if (binlog_rows_parse(&r, ev, e) < 0)
		return -1;
	if (r.is_dummy)
		return 0;
	m = find_map(b, r.table_id);
	if (!m)
		return err_set(e, ERR_BAD_DATA, 0,
			       "rows of table id %llu, which no table map has told",
			       (unsigned long long)r.table_id);
	if (!m->plan)
		return 0;
	if (r.n_columns != row_plan_map(m->plan)->n_columns)
		return err_set(e, ERR_BAD_DATA, 0,
			       "rows of %s.%s with %u columns, its table map has %u",
			       row_plan_map(m->plan)->db, row_plan_map(m->plan)->table, r.n_columns,
			       row_plan_map(m->plan)->n_columns);
	if (table_number(b, m->plan, &table, e) < 0)
		return -1;
	while (r.p < r.end) {
		struct strbuf *k0 = &b->key[0], *k1 = &b->key[1];
		struct savepoint_change c = { .table = table,
					      .lasting = row_plan_lasting(m->plan) };

		if (r.has_before) {
			if (row_plan_take(m->plan, &r.p, r.end, r.before_present, &b->image[0], k0,
					  e) < 0)
				return -1;
			c.before = bytes_of(&b->image[0]);
		}
		if (r.has_after) {
			if (row_plan_take(m->plan, &r.p, r.end, r.after_present, &b->image[1], k1,
					  e) < 0)
				return -1;
			c.after = bytes_of(&b->image[1]);
		}
		c.row_cost = sizeof(struct redo_row) +
			     2 * row_plan_columns(m->plan) * (sizeof(struct redo_column) + 16) +
			     c.before.n + c.after.n;
		c.key = bytes_of(c.before.p ? k0 : k1);
		/* its key changes */
		if (c.before.p && c.after.p &&
		    (k0->len != k1->len || memcmp(k0->buf, k1->buf, k0->len))) {
			struct savepoint_change gone = c;

			gone.after = none;
			if (add_change(b, &gone, e) < 0)
				return -1;
			c.before = none;
			c.key = bytes_of(k1);
		}
		if (add_change(b, &c, e) < 0)
			return -1;
	}
	return 0;
}

static const struct redo_column *decoded(struct binlog *b, struct row_plan *p,
					 struct net_bytes image, uint32_t *n, struct err *e)
{
	struct redo_column *c;

	*n = row_plan_columns(p);
	c = txn_mem_alloc(&b->mem, *n * sizeof(*c));
	return row_plan_decode(p, image.p, image.n, &b->mem, c, e) < 0 ? NULL : c;
}

/* The transaction's rows, or the next batch of them. */
static int deliver_rows(struct binlog *b, struct binlog_txn *t, struct err *e)
{
	struct net_change *changes;
	size_t n, kept = 0;

	txn_mem_reset(&b->mem);
	if (netting_batch(b->net, &changes, &n, &b->more, e) < 0)
		return -1;
	if (n > b->rows_alloc || b->rows_alloc > 65536) {
		free(b->rows);
		b->rows_alloc = n;
		b->rows = n ? xreallocarray(NULL, n, sizeof(*b->rows)) : NULL;
	}
	for (size_t i = 0; i < n; i++) {
		struct row_plan *p = b->tables[changes[i].table];
		struct redo_row *r = &b->rows[kept];

		if (b->only_lasting && !row_plan_lasting(p))
			continue;
		kept++;
		*r = (struct redo_row){ .table = *row_plan_table(p) };
		r->indexes = row_plan_indexes(p, &r->n_indexes);
		if (changes[i].before.p) {
			r->pre_columns = decoded(b, p, changes[i].before, &r->n_pre_columns, e);
			if (!r->pre_columns)
				return -1;
		}
		if (changes[i].after.p) {
			r->columns = decoded(b, p, changes[i].after, &r->n_columns, e);
			if (!r->columns)
				return -1;
		}
	}
	*t = (struct binlog_txn){
		.gtid_seq = b->gtid.seq, .rows = b->rows, .n_rows = kept, .more = b->more
	};
	return 1;
}

static int deliver_ddl(struct binlog *b, struct binlog_txn *t, struct err *e);

static int end_group(struct binlog *b, struct binlog_txn *t, struct err *e)
{
	/* one commitTs can't hold a DDL and rows: the table is made, and left out */
	if (b->selected.type && !b->only_lasting) {
		struct binlog_query last = b->query;
		int rc;

		b->words = b->selected;
		b->query = b->selected_query;
		b->selected_query = last;
		rc = deliver_ddl(b, t, e);
		t->ddl_left_out = SELECTED;
		return rc;
	}
	b->in_group = false;
	b->last_seq = b->gtid.seq;
	if (savepoints_each(b->savepoints, to_netting, b, e) < 0)
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
		return err_set(e, ERR_BAD_DATA, 0, "a transaction begins within another");
	if (g.domain != b->o.domain)
		return err_set(e, ERR_UNSUPPORTED, 0,
			       "a transaction in GTID domain %u: drtest follows domain %u alone",
			       g.domain, b->o.domain);
	if (g.seq <= b->last_seq)
		return err_set(e, ERR_BAD_DATA, 0, "GTID sequence %llu comes behind %llu",
			       (unsigned long long)g.seq, (unsigned long long)b->last_seq);
	if (g.flags & (GTID_PREPARED_XA | GTID_COMPLETED_XA))
		return err_set(e, ERR_UNSUPPORTED, 0,
			       "an XA transaction (GTID sequence %llu) can't be carried",
			       (unsigned long long)g.seq);
	b->gtid = g;
	b->in_group = true;
	return 0;
}

/* The text of what the primary has done, where that is less than what the statement says. */
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
	w->fk_action = false;
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
	s = b->o.schema(b->o.schema_arg, w->was_db, w->was_table, 0, &ignored);
	return !s || !schema_lasting(s);
}

/* The order of a table's rows is the same everywhere where they lie by a key's order. */
static bool rows_in_order(struct binlog *b)
{
	const struct ddl_words *w = &b->words;
	struct err ignored = ERR_INIT;
	const struct table_schema *s =
		b->o.schema(b->o.schema_arg, w->was_db, w->was_table, 0, &ignored);

	return s && s->handle >= 0 && !schema_lasting(s);
}

/* What the secondary would do otherwise than the primary did. */
static int refuse_ddl(struct binlog *b, struct err *e)
{
	const struct ddl_words *w = &b->words;

	if (acts_by_itself(b))
		return err_set(
			e, ERR_UNSUPPORTED, 0,
			"%s of %s.%s with a foreign key that changes rows by itself (CASCADE, SET NULL): the binary log does not show such"
			" changes, so they can't be carried. Way out: a foreign key without such actions, and a new backup",
			w->first, w->db, w->table);
	if (w->tablespace)
		return err_set(
			e, ERR_UNSUPPORTED, 0,
			"DISCARD or IMPORT TABLESPACE of %s.%s can't be carried: its rows come and go with files. Way out: a new backup",
			w->db, w->table);
	if (w->not_twice[0])
		return err_set(
			e, ERR_UNSUPPORTED, 0,
			"ALTER TABLE %s.%s gives the rows that are there a value of %s, which the secondary would compute anew. Way out: a new"
			" backup; next time add the column with a constant default and fill it by UPDATE",
			w->db, w->table, w->not_twice);
	return 0;
}

static int deliver_ddl(struct binlog *b, struct binlog_txn *t, struct err *e)
{
	const struct ddl_words *w = &b->words;
	const char *text = what_was_done(b), *left_out = NULL;

	/* nothing is changed yet, nothing was changed */
	if (b->gtid.flags_extra & (GTID_START_ALTER | GTID_ROLLBACK_ALTER))
		b->words.type = DDL_NONE;
	else if (refuse_ddl(b, e) < 0)
		return -1;
	else if (w->by_place && !rows_in_order(b))
		left_out = BY_PLACE;
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

static int on_query(struct binlog *b, const struct binlog_event *ev, struct binlog_txn *t,
		    struct err *e)
{
	const struct ddl_words *w = &b->words;

	if (!b->in_group)
		return err_set(e, ERR_BAD_DATA, 0, "a statement outside of a transaction");
	if (binlog_query_parse(&b->query, ev, e) < 0)
		return -1;
	ddl_words(b->query.db.buf, b->query.text.buf, b->query.text.len, b->query.session.sql_mode,
		  &b->words);
	if (w->is_xa)
		return err_set(e, ERR_UNSUPPORTED, 0, "an XA transaction can't be carried");
	if (w->is_dml)
		return err_set(
			e, ERR_UNSUPPORTED, 0,
			"%s is logged as a statement: the primary needs binlog_format=ROW in every session",
			w->first);
	if (b->gtid.flags & GTID_STANDALONE)
		return deliver_ddl(b, t, e);
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
				"CREATE TABLE %s.%s .. SELECT can't be carried: create the table first, then INSERT .. SELECT",
				w->db, w->table);
		b->o.leave_out(b->o.schema_arg, w->db, w->table, SELECTED);
		b->selected = b->words; /* the group goes on with its rows */
		{
			struct binlog_query kept = b->query;

			b->query = b->selected_query;
			b->selected_query = kept;
		}
		return 0;
	}
	if (w->type)
		return err_set(e, ERR_UNSUPPORTED, 0,
			       "%s of %s.%s within a transaction can't be carried", w->first, w->db,
			       w->table);
	return 0; /* BEGIN, temporary tables */
}

/* 1: *t is a whole transaction or DDL; 0: go on. */
static int handle_event(struct binlog *b, const struct binlog_event *ev, struct binlog_txn *t,
			struct err *e)
{
	switch (ev->type) {
	case EV_FORMAT: /* the server started anew: what it had begun to log before is nothing */
		if (b->in_group) {
			b->in_group = false;
			reset_txn(b);
		}
		return 0;
	case EV_GTID: return on_gtid(b, ev, e);
	case EV_TABLE_MAP: return on_table_map(b, ev, e);
	case EV_WRITE_ROWS_V1:
	case EV_UPDATE_ROWS_V1:
	case EV_DELETE_ROWS_V1:
	case EV_WRITE_ROWS:
	case EV_UPDATE_ROWS:
	case EV_DELETE_ROWS:
		if (!b->in_group)
			return err_set(e, ERR_BAD_DATA, 0, "rows outside of a transaction");
		return on_rows(b, ev, e);
	case EV_QUERY: return on_query(b, ev, t, e);
	case EV_XID:
		if (!b->in_group)
			return err_set(e, ERR_BAD_DATA, 0, "a commit outside of a transaction");
		return end_group(b, t, e);
	case EV_XA_PREPARE:
		return err_set(e, ERR_UNSUPPORTED, 0, "an XA transaction can't be carried");
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
			return err_set(
				e, ERR_UNSUPPORTED, 0,
				"compressed events can't be carried: the primary needs log_bin_compress=OFF");
		if (ev->flags & EVENT_IGNORABLE)
			return 0;
		return err_set(e, ERR_UNSUPPORTED, 0,
			       "a binary log event of type %u is unknown here", ev->type);
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

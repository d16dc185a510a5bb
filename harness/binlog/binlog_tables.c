/* The tables of the binary log at hand: their maps, and the rows that are told against them. */
#include <stdlib.h>
#include <string.h>

#include "harness/base/xalloc.h"
#include "harness/binlog/binlog_impl.h"

#define MAPS_MAX 4096 /* table maps kept */

void binlog_drop_map(struct binlog *b, struct map_entry *m)
{
	if (m->plan) {
		XGROW(b->retired, b->n_retired, b->retired_alloc, 16);
		b->retired[b->n_retired++] = m->plan;
	}
	strbuf_release(&m->body);
	*m = (struct map_entry){ 0 };
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
			"a sequence: it is created on the secondary, but its values are not "
			"replicated");
		table_map_release(map);
	} else {
		for (int attempt = 0; attempt < 2 && !*plan; attempt++) {
			s = b->o.schema(b->o.schema_arg, db, table, map, attempt, e);
			if (!s) {
				table_map_release(map);
				break;
			}
			*plan = row_plan_new(map, s, b->charsets, b->o.keyless, e);
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

int binlog_on_table_map(struct binlog *b, const struct binlog_event *ev, struct err *e)
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
		binlog_drop_map(b, m);
		*m = b->maps[--b->n_maps];
	} else if (b->n_maps >= MAPS_MAX) {
		for (size_t i = 0; i < b->n_maps; i++)
			binlog_drop_map(b, &b->maps[i]);
		b->n_maps = 0;
	}
	XGROW(b->maps, b->n_maps, b->maps_alloc, 16);
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
	XGROW(b->tables, b->n_tables, b->tables_alloc, 16);
	b->tables[b->n_tables++] = plan;
	return 0;
}

static struct net_bytes bytes_of(const struct strbuf *s)
{
	return (struct net_bytes){ s->buf, (uint32_t)s->len };
}

static int add_change(struct binlog *b, const struct savepoint_change *c, struct err *e)
{
	return savepoints_any(b->savepoints) ? savepoints_add(b->savepoints, c, e)
					     : binlog_to_netting(b, c, e);
}

int binlog_on_rows(struct binlog *b, const struct binlog_event *ev, struct err *e)
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
		return err_set(e, ERR_BAD_DATA, 0, "rows of table ID %llu, which has no table map",
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

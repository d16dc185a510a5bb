/* The load's model for the checks: event() itself, run with a connection that only writes down what
 * it is asked. There is no second description of a transaction that could differ from what was
 * sent. */
#include <inttypes.h>
#include <lauxlib.h>
#include <string.h>

#include "workloads/load_impl.h"

#define SEED_ROWS 20
#define FITS_MS 60000

static size_t model_transaction(const struct audit_model *m, uint32_t worker, uint64_t seq,
				struct audit_op *ops)
{
	struct load *l = m->ctx;
	lua_State *L = l->script.L;
	size_t n;

	pthread_mutex_lock(&l->model_lock);
	l->model_con.ops = ops;
	l->model_con.n_ops = 0;
	draw_begin(&l->model_draw, worker, seq);
	lua_rawgeti(L, LUA_REGISTRYINDEX, l->script.event_ref);
	lua_rawgeti(L, LUA_REGISTRYINDEX, l->model_con_ref);
	lua_rawgeti(L, LUA_REGISTRYINDEX, l->model_draw_ref);
	lua_rawgeti(L, LUA_REGISTRYINDEX, l->script.opt_ref);
	/* an error here was an error of the transaction too, before its COMMIT */
	if (lua_pcall(L, 3, 0, 0) != 0)
		l->model_con.n_ops = 0;
	lua_settop(L, 0);
	n = l->model_con.n_ops;
	pthread_mutex_unlock(&l->model_lock);
	return n;
}

static void copy_text(lua_State *L, int at, char *to, size_t room)
{
	size_t n = 0;
	const char *text = lua_tolstring(L, at, &n);

	snprintf(to, room, "%s", text && n < room ? text : "");
}

static void model_initial(const struct audit_model *m, uint32_t table, int64_t id,
			  struct audit_row *out)
{
	struct load *l = m->ctx;
	lua_State *L = l->script.L;

	memset(out, 0, sizeof(*out));
	out->id = id;
	pthread_mutex_lock(&l->model_lock);
	draw_begin(&l->model_draw, 0, digits_row_seq(table, id));
	lua_rawgeti(L, LUA_REGISTRYINDEX, l->script.row_ref);
	lua_rawgeti(L, LUA_REGISTRYINDEX, l->model_draw_ref);
	if (lua_pcall(L, 1, 3, 0) == 0) {
		out->k = (int64_t)lua_tonumber(L, 1);
		copy_text(L, 2, out->c, sizeof(out->c));
		copy_text(L, 3, out->pad, sizeof(out->pad));
	}
	lua_settop(L, 0);
	pthread_mutex_unlock(&l->model_lock);
}

static int model_writer_of(const struct audit_model *m, const char *digits, uint32_t *worker,
			   uint64_t *seq, uint32_t *statement)
{
	const struct load *l = m->ctx;
	struct digits_tag tag;

	if (!digits_read(l->o.seed, digits, strlen(digits), &tag))
		return 0;
	*worker = tag.worker;
	*seq = tag.seq;
	*statement = tag.statement;
	return 1;
}

int model_init(struct load *l, struct err *e)
{
	struct audit_op ops[AUDIT_OPS_MAX];
	lua_State *L = l->script.L;
	bool any = false;

	l->model_draw = (struct draw){ .seed = l->o.seed,
				       .dist = l->dist,
				       .tables = l->o.load_tables,
				       .table_size = l->o.table_size };
	l->model_con.way = CON_RECORDS;
	l->model_con.draw = &l->model_draw;
	l->model_con.script = &l->script;
	script_push_con(&l->script, &l->model_con);
	l->model_con_ref = luaL_ref(L, LUA_REGISTRYINDEX);
	script_push_draw(&l->script, &l->model_draw);
	l->model_draw_ref = luaL_ref(L, LUA_REGISTRYINDEX);
	if (!l->script.audit_prefix[0])
		return 0;
	l->model = (struct audit_model){ .ctx = l,
					 .tables = l->o.tables,
					 .rows_per_table = l->o.table_size,
					 .initial = model_initial,
					 .transaction = model_transaction,
					 .writer_of = model_writer_of };
	snprintf(l->model.db, sizeof(l->model.db), "%s", l->db);
	snprintf(l->model.table_prefix, sizeof(l->model.table_prefix), "%s",
		 l->script.audit_prefix);
	if (l->o.ledger_rows)
		snprintf(l->model.ledger_table, sizeof(l->model.ledger_table), "%s", LEDGER_TABLE);
	l->model_draw.ledger = l->o.ledger_rows;
	/* some of a load's transactions may only read */
	for (uint64_t seq = 1; !any && seq <= 100; seq++)
		any = model_transaction(&l->model, 1, seq, ops) > 0;
	if (!any)
		return err_set(
			e, ERR_USAGE, 0,
			"load %s declares `audit`, but its event() executes no statement with an effect",
			l->name);
	l->has_model = true;
	return 0;
}

int load_writer_of(void *load, const char *text, size_t n, uint32_t *worker, uint64_t *seq)
{
	const struct load *l = load;
	struct digits_tag tag;

	if (!digits_read(l->o.seed, text, n, &tag))
		return 0;
	*worker = tag.worker;
	*seq = tag.seq;
	return 1;
}

/* The first rows of a table, none of which this seed's `prepare` or transactions wrote. */
static int check_rows(struct load *l, struct sql *s, const char *table, struct err *e)
{
	struct sql_rows rows = { 0 };
	struct digits_tag tag;
	struct audit_row first;
	unsigned n = 0, ours = 0;
	struct strbuf text = STRBUF_INIT;
	int more = -1;

	model_initial(&l->model, 1, 1, &first);
	if (!digits_read(l->o.seed, first.c, strlen(first.c), &tag))
		return 0; /* a load of somebody's own, whose text says nothing of its writer */
	strbuf_addf(&text, "SELECT c FROM %s ORDER BY id LIMIT %d", table, SEED_ROWS);
	if (sql_query_stream(s, &rows, NULL, text.buf, text.len) == 0)
		while ((more = sql_rows_next(&rows, NULL)) > 0) {
			n++;
			ours += rows.cell[0] &&
				digits_read(l->o.seed, rows.cell[0], rows.len[0], &tag);
		}
	sql_rows_release(&rows);
	strbuf_release(&text);
	return more == 0 && n && !ours
		       ? err_set(e, ERR_USAGE, 0,
				 "the rows of %s are not those of seed %" PRIu64
				 ": a ledger of this run could not be judged; use the --rand-seed "
				 "that `prepare` had, or prepare again",
				 table, l->o.seed)
		       : 0;
}

/* Before the first transaction the ids are those of `prepare`. */
static int check_size(struct load *l, struct sql *s, const char *table, struct err *e)
{
	uint64_t max = 0, used = 1, size = (uint64_t)l->o.table_size;
	char sql[600];

	if (l->o.ledger_rows)
		sql_value_u64(s, &used, NULL,
			      "SELECT COUNT(*) FROM (SELECT 1 FROM " LEDGER_TABLE " LIMIT 1) t");
	snprintf(sql, sizeof(sql), "SELECT COALESCE(MAX(id), 0) FROM %s", table);
	if (sql_value_u64(s, &max, NULL, "%s", sql) < 0 || !max)
		return 0;
	if (max > size || (!used && max < size))
		return err_set(e, ERR_USAGE, 0,
			       "%s has rows up to id %" PRIu64 ", but --table-size is %" PRIu64
			       ": a ledger of this run could not be judged; use the --table-size "
			       "that `prepare` had",
			       table, max, size);
	return 0;
}

int load_fits_tables(struct load *l, const struct sql_endpoint *ep, struct err *e)
{
	struct strbuf table = STRBUF_INIT, use = STRBUF_INIT;
	char name[128];
	struct sql *s;
	int rc = 0;

	if (!l->has_model)
		return 0;
	s = sql_open(ep, deadline_in_ms(FITS_MS), NULL);
	strbuf_addstr(&use, "USE ");
	sql_add_name(&use, l->db);
	snprintf(name, sizeof(name), "%s1", l->model.table_prefix);
	sql_add_name(&table, name);
	if (s && sql_exec_text(s, NULL, use.buf, use.len) == 0)
		rc = check_rows(l, s, table.buf, e) < 0 || check_size(l, s, table.buf, e) < 0 ? -1
											      : 0;
	sql_close(s);
	strbuf_release(&use);
	strbuf_release(&table);
	return rc;
}

const struct audit_model *load_model(struct load *l)
{
	return l->has_model ? &l->model : NULL;
}

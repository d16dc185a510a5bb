/* The load's model for the checks: event() itself, run with a connection that only writes down what
 * it is asked. There is no second description of a transaction that could differ from what was
 * sent. */
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "workloads/load_impl.h"

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

const struct audit_model *load_model(struct load *l)
{
	return l->has_model ? &l->model : NULL;
}

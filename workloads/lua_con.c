#include "workloads/lua_con.h"

#include <inttypes.h>
#include <lauxlib.h>
#include <math.h>
#include <string.h>

#include "harness/base/nearest.h"
#include "workloads/script.h"

#define METHODS_MAX 32
#define CON "drtest.load.con"
#define DRAW "drtest.load.r"
#define NOTES_BYTES_MAX ((size_t)1 << 20)

void draw_begin(struct draw *d, uint32_t worker, uint64_t seq)
{
	rng_seed3(&d->rng, d->seed, worker, seq);
	d->tag = (struct digits_tag){ .worker = worker, .seq = seq };
	d->worker = worker;
	d->seq = seq;
}

void con_face_release(struct con_face *c)
{
	strbuf_release(&c->call.text);
}

static struct con_face *check_con(lua_State *L)
{
	return *(struct con_face **)luaL_checkudata(L, 1, CON);
}

static struct draw *check_draw(lua_State *L)
{
	return *(struct draw **)luaL_checkudata(L, 1, DRAW);
}

/* Doubles are exact up to 2^53: a number that is not whole or larger would be sent changed. */
static int64_t check_whole(lua_State *L, int at)
{
	double v = luaL_checknumber(L, at);

	if (v != floor(v) || fabs(v) > 0x1p53)
		luaL_argerror(L, at, "must be a whole number");
	return (int64_t)v;
}

static void record(lua_State *L, struct con_face *c, const struct script_statement *st)
{
	struct con_call *call = &c->call;
	struct audit_op *op;

	if (!st->audited)
		return;
	if (c->n_ops == AUDIT_OPS_MAX)
		luaL_error(L, "a transaction has more than %d audited statements", AUDIT_OPS_MAX);
	op = &c->ops[c->n_ops++];
	*op = (struct audit_op){ .kind = st->effect,
				 .table = call->table,
				 .statement = c->draw->tag.statement };
	op->row.k = st->effect == AUDIT_ADD_K; /* one, where no argument names the amount */
	for (unsigned i = 0; i < call->n_args; i++) {
		const struct con_arg *a = &call->arg[i];
		char *to = st->role[i] == ARG_C ? op->row.c : op->row.pad;
		size_t room = st->role[i] == ARG_C ? sizeof(op->row.c) : sizeof(op->row.pad);

		if (st->role[i] == ARG_ID)
			op->row.id = a->number;
		else if (st->role[i] == ARG_K)
			op->row.k = a->number;
		else if (!a->is_text || a->len >= room)
			luaL_error(L,
				   "statement %s: argument %d must be a text that fits its column",
				   st->name, (int)i + 1);
		else
			memcpy(to, a->text, a->len + 1);
	}
}

static int waits(lua_State *L, struct con_face *c, const char *text, size_t n)
{
	int64_t affected = -1;

	if (clock_cancelled())
		err_set(&c->error, ERR_CANCELLED, 0, "cancelled");
	else if (deadline_passed(c->deadline))
		err_set(&c->error, ERR_TIMEOUT, 0, "the deadline passed");
	else
		affected = sql_exec_text(c->sql, &c->error, text, n);
	if (affected < 0)
		return luaL_error(L, "%s", c->error.text);
	lua_pushnumber(L, (double)affected);
	return 1;
}

static int simple(lua_State *L, enum con_verb verb, const char *text)
{
	struct con_face *c = check_con(L);

	if (c->way == CON_RECORDS)
		return 0;
	if (c->way == CON_WAITS)
		return waits(L, c, text, strlen(text));
	c->call.verb = verb;
	strbuf_reset(&c->call.text);
	strbuf_addstr(&c->call.text, text);
	return lua_yield(L, 0);
}

static int l_begin(lua_State *L)
{
	return simple(L, CON_BEGIN, "BEGIN");
}

static int l_commit(lua_State *L)
{
	return simple(L, CON_COMMIT, "COMMIT");
}

static int l_rollback(lua_State *L)
{
	struct con_face *c = check_con(L);

	if (c->way == CON_RECORDS)
		c->n_ops = 0;
	return simple(L, CON_ROLLBACK, "ROLLBACK");
}

static int l_query(lua_State *L)
{
	struct con_face *c = check_con(L);
	size_t n;
	const char *text = luaL_checklstring(L, 2, &n);

	if (c->way == CON_RECORDS)
		return luaL_error(
			L, "the model cannot interpret con:query(): declare a statement with its "
			   "effect");
	if (c->way == CON_WAITS)
		return waits(L, c, text, n);
	c->call.verb = CON_QUERY;
	strbuf_reset(&c->call.text);
	strbuf_add(&c->call.text, text, n);
	return lua_yield(L, 0);
}

/* con:execute(name, [table,] arguments ..) */
static int l_execute(lua_State *L)
{
	struct con_face *c = check_con(L);
	struct con_call *call = &c->call;
	const struct script_statement *st;
	size_t at[SCRIPT_ARGS_MAX];
	int arg = 3;

	luaL_checktype(L, 2, LUA_TSTRING);
	lua_rawgeti(L, LUA_REGISTRYINDEX, c->script->names_ref);
	lua_pushvalue(L, 2);
	lua_rawget(L, -2);
	if (!lua_isnumber(L, -1))
		return luaL_error(L, "statement \"%s\" is not declared", lua_tostring(L, 2));
	call->statement = (unsigned)lua_tointeger(L, -1);
	lua_pop(L, 2);
	st = &c->script->statement[call->statement];
	if (c->way == CON_WAITS)
		return luaL_error(L, "prepare can only use con:query(), con:begin() and "
				     "con:commit()");
	call->verb = CON_EXECUTE;
	call->table = st->per_table ? (uint32_t)check_whole(L, arg++) : 0;
	call->n_args = st->n_args;
	call->rows = st->rows;
	call->plain = st->plain;
	strbuf_reset(&call->text);
	if ((unsigned)(lua_gettop(L) - arg + 1) != st->n_args)
		return luaL_error(L, "statement %s needs %d values, not %d", st->name,
				  (int)st->n_args, lua_gettop(L) - arg + 1);
	if (st->per_table && (call->table < 1 || call->table > c->draw->tables))
		return luaL_error(L, "statement %s: there is no table %d", st->name,
				  (int)call->table);
	for (unsigned i = 0; i < st->n_args; i++, arg++) {
		struct con_arg *a = &call->arg[i];

		a->is_text = lua_type(L, arg) == LUA_TSTRING;
		if (a->is_text) {
			size_t n;
			const char *text = lua_tolstring(L, arg, &n);

			at[i] = call->text.len;
			a->len = n;
			strbuf_add(&call->text, text, n + 1);
		} else {
			a->number = check_whole(L, arg);
		}
	}
	for (unsigned i = 0; i < st->n_args; i++)
		if (call->arg[i].is_text)
			call->arg[i].text = call->text.buf + at[i];
	c->draw->tag.statement++;
	if (c->way == CON_RECORDS) {
		record(L, c, st);
		return 0;
	}
	return lua_yield(L, 0);
}

static void json_text(struct strbuf *out, const char *text, size_t n)
{
	strbuf_addch(out, '"');
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c == '"' || c == '\\')
			strbuf_addf(out, "\\%c", c);
		else if (c < 0x20)
			strbuf_addf(out, "\\u%04x", c);
		else
			strbuf_addch(out, (char)c);
	}
	strbuf_addch(out, '"');
}

/* con:note(what, values ..): one entry of the transaction's line in the worker's history file. */
static int l_note(lua_State *L)
{
	struct con_face *c = check_con(L);
	int n = lua_gettop(L);

	luaL_checktype(L, 2, LUA_TSTRING);
	for (int i = 3; i <= n; i++)
		if (lua_type(L, i) != LUA_TSTRING && lua_type(L, i) != LUA_TNUMBER &&
		    lua_type(L, i) != LUA_TNIL)
			return luaL_argerror(L, i, "must be a text, a whole number or nil");
	if (!c->notes)
		return 0;
	if (c->notes->len > NOTES_BYTES_MAX)
		return luaL_error(L, "a transaction notes more than %d bytes",
				  (int)NOTES_BYTES_MAX);
	strbuf_addstr(c->notes, c->notes->len ? ",[" : "[");
	for (int i = 2; i <= n; i++) {
		size_t len;
		const char *text;

		if (i > 2)
			strbuf_addch(c->notes, ',');
		if (lua_type(L, i) == LUA_TNUMBER) {
			strbuf_addf(c->notes, "%" PRId64, check_whole(L, i));
		} else if (lua_type(L, i) == LUA_TNIL) {
			strbuf_addstr(c->notes, "null");
		} else {
			text = lua_tolstring(L, i, &len);
			json_text(c->notes, text, len);
		}
	}
	strbuf_addch(c->notes, ']');
	return 0;
}

static int l_table(lua_State *L)
{
	struct draw *d = check_draw(L);

	lua_pushnumber(L, (double)(1 + rng_below(&d->rng, d->tables)));
	return 1;
}

static int l_id(lua_State *L)
{
	struct draw *d = check_draw(L);

	lua_pushnumber(L, (double)dist_draw(&d->dist, &d->rng, 1, d->table_size));
	return 1;
}

static int l_worker(lua_State *L)
{
	lua_pushnumber(L, check_draw(L)->worker);
	return 1;
}

static int l_seq(lua_State *L)
{
	lua_pushnumber(L, (double)check_draw(L)->seq);
	return 1;
}

static int l_ledger(lua_State *L)
{
	lua_pushboolean(L, check_draw(L)->ledger);
	return 1;
}

static int l_tables(lua_State *L)
{
	lua_pushnumber(L, check_draw(L)->tables);
	return 1;
}

static int l_size(lua_State *L)
{
	lua_pushnumber(L, (double)check_draw(L)->table_size);
	return 1;
}

static int l_uniform(lua_State *L)
{
	struct draw *d = check_draw(L);
	int64_t a = check_whole(L, 2), b = check_whole(L, 3);

	if (b < a)
		return luaL_argerror(L, 3, "the upper bound is below the lower");
	lua_pushnumber(L, (double)(a + (int64_t)rng_below(&d->rng, (uint64_t)(b - a) + 1)));
	return 1;
}

static int digits(lua_State *L, enum digits_column column, size_t len)
{
	struct draw *d = check_draw(L);
	struct digits_tag tag = d->tag;
	char text[DIGITS_C_LEN + 1];

	if (tag.worker && ++tag.statement > DIGITS_STATEMENT_MAX)
		return luaL_error(L, "a transaction has more than %d statements",
				  (int)DIGITS_STATEMENT_MAX);
	digits_write(d->seed, column, &tag, text);
	lua_pushlstring(L, text, len);
	return 1;
}

static int l_c(lua_State *L)
{
	return digits(L, DIGITS_C, DIGITS_C_LEN);
}

static int l_pad(lua_State *L)
{
	return digits(L, DIGITS_PAD, DIGITS_PAD_LEN);
}

/* r:at(table, id): from here on, what is drawn belongs to that prepared row. */
static int l_at(lua_State *L)
{
	struct draw *d = check_draw(L);
	int64_t table = check_whole(L, 2), id = check_whole(L, 3);

	if (table < 1 || table > 99999 || id < 1 || id > DIGITS_ROW_ID_MAX)
		return luaL_error(L, "row %d of table %d is outside of the table", (int)id,
				  (int)table);
	draw_begin(d, 0, digits_row_seq((uint32_t)table, id));
	return 0;
}

/* A name that the methods lack; the upvalue is what they are called with, "con". */
static int no_method(lua_State *L)
{
	const char *names[METHODS_MAX], *meant, *self = lua_tostring(L, lua_upvalueindex(1));
	const char *word = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "?";
	size_t n = 0;

	lua_pushnil(L);
	while (n < METHODS_MAX && lua_next(L, 1)) {
		names[n++] = lua_tostring(L, -2); /* stays alive in the table */
		lua_pop(L, 1);
	}
	meant = nearest(word, names, n);
	return meant ? luaL_error(L, "%s has no '%s': did you mean '%s'?", self, word, meant)
		     : luaL_error(L, "%s has no '%s' (docs/LOADS.md)", self, word);
}

static void make(lua_State *L, const char *name, const luaL_Reg *methods)
{
	luaL_newmetatable(L, name);
	lua_newtable(L);
	luaL_register(L, NULL, methods);
	lua_newtable(L);
	lua_pushstring(L, strrchr(name, '.') + 1);
	lua_pushcclosure(L, no_method, 1);
	lua_setfield(L, -2, "__index");
	lua_setmetatable(L, -2);
	lua_setfield(L, -2, "__index");
	lua_pop(L, 1);
}

void lua_con_open(lua_State *L)
{
	static const luaL_Reg con[] = {
		{ "begin", l_begin }, { "commit", l_commit },   { "rollback", l_rollback },
		{ "query", l_query }, { "execute", l_execute }, { "note", l_note },
		{ NULL, NULL },
	};
	static const luaL_Reg draw[] = {
		{ "table", l_table }, { "id", l_id },           { "worker", l_worker },
		{ "seq", l_seq },     { "ledger", l_ledger },   { "tables", l_tables },
		{ "size", l_size },   { "uniform", l_uniform }, { "c", l_c },
		{ "pad", l_pad },     { "at", l_at },           { NULL, NULL },
	};

	make(L, CON, con);
	make(L, DRAW, draw);
}

void script_push_con(struct script *s, struct con_face *c)
{
	*(struct con_face **)lua_newuserdata(s->L, sizeof(c)) = c;
	luaL_getmetatable(s->L, CON);
	lua_setmetatable(s->L, -2);
}

void script_push_draw(struct script *s, struct draw *d)
{
	*(struct draw **)lua_newuserdata(s->L, sizeof(d)) = d;
	luaL_getmetatable(s->L, DRAW);
	lua_setmetatable(s->L, -2);
}

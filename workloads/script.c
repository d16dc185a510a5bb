#include "workloads/script.h"

#include <lauxlib.h>
#include <luajit.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/clock.h"
#include "harness/base/nearest.h"
#include "harness/base/xalloc.h"
#include "harness/base/embed.h"
#include "harness/base/order.h"
#include "harness/os/fs.h"
#include "harness/os/lua_state.h"
#include "harness/run/lua_args.h"
#include "harness/run/sandbox.h"
#include "workloads/lua_con.h"

EMBEDDED(workloads_loads_append_lua);
EMBEDDED(workloads_loads_bank_lua);
EMBEDDED(workloads_loads_ledger_lua);
EMBEDDED(workloads_loads_oltp_delete_lua);
EMBEDDED(workloads_loads_oltp_insert_lua);
EMBEDDED(workloads_loads_oltp_read_write_lua);
EMBEDDED(workloads_loads_oltp_update_index_lua);
EMBEDDED(workloads_loads_oltp_update_non_index_lua);
EMBEDDED(workloads_loads_oltp_write_only_lua);
EMBEDDED(workloads_loads_tpcc_lua);

EMBEDDED(workloads_loads_sbtest_lua);

#define OPTIONS_NEAR_MAX 64
#define OPTIONS_MAX 64
#define HOOK_INSTRUCTIONS 100000
#define LOAD_BYTES_MAX ((size_t)1 << 20)
#define MEMORY_BYTES_MAX ((size_t)512 << 20)
#define LOAD(n)                                                                            \
	{                                                                                  \
#n, embed_workloads_loads_##n##_lua, &embed_workloads_loads_##n##_lua_size \
	}
static const struct {
	const char *name;
	const unsigned char *text;
	const unsigned long *size;
} embedded[] = {
	LOAD(append),
	LOAD(bank),
	LOAD(ledger),
	LOAD(oltp_delete),
	LOAD(oltp_insert),
	LOAD(oltp_read_write),
	LOAD(oltp_update_index),
	LOAD(oltp_update_non_index),
	LOAD(oltp_write_only),
	LOAD(tpcc),

};

int script_error(lua_State *L, const struct script *s, struct err *e)
{
	const char *text = lua_tostring(L, -1);

	if (clock_cancelled())
		err_set(e, ERR_CANCELLED, 0, "interrupted");
	else
		err_set(e, ERR_USAGE, 0, "load %s: %s", s->name,
			text ? text : "an error that is not text");
	lua_pop(L, 1);
	return -1;
}

void script_sql(const struct script_statement *st, uint32_t table, struct strbuf *out)
{
	const char *at = strstr(st->sql, "%d");

	if (!at) {
		strbuf_addstr(out, st->sql);
		return;
	}
	strbuf_add(out, st->sql, (size_t)(at - st->sql));
	strbuf_addf(out, "%u", table);
	strbuf_addstr(out, at + 2);
}

static int refuse_script(struct err *e, const struct script *s, const char *what)
{
	return err_set(e, ERR_USAGE, 0, "load %s: %s", s->name, what);
}

static bool is_plain(const char *sql)
{
	static const char *const verbs[] = { "INSERT ", "UPDATE ", "DELETE ", "REPLACE " };

	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (strncasecmp(sql, verbs[i], strlen(verbs[i])) == 0)
			return !strcasestr(sql, "RETURNING");
	return false;
}

/* { "SQL", effect = "add_k", args = { "id" } } on top of the stack */
static int read_statement(struct script *s, struct script_statement *st, struct err *e)
{
	static const char *const effects[] = { "add_k", "set_c", "delete", "insert" };
	static const char *const roles[] = { "", "id", "k", "c", "pad" };
	lua_State *L = s->L;
	const char *sql, *effect;
	unsigned needs = 0, has = 0;

	lua_rawgeti(L, -1, 1);
	sql = lua_tostring(L, -1);
	if (!sql)
		return err_set(e, ERR_USAGE, 0,
			       "load %s: the first value of statement %s must be SQL", s->name,
			       st->name);
	st->sql = xstrdup(sql);
	st->per_table = strstr(sql, "%d") != NULL;
	for (const char *p = sql; *p; p++)
		st->n_args += *p == '?';
	lua_pop(L, 1);
	if (st->n_args > SCRIPT_ARGS_MAX)
		return err_set(e, ERR_USAGE, 0,
			       "load %s: statement %s has %u arguments; at most %d are possible",
			       s->name, st->name, st->n_args, SCRIPT_ARGS_MAX);
	st->reads = strncasecmp(sql, "SELECT", 6) == 0;
	st->plain = is_plain(sql);
	lua_getfield(L, -1, "rows");
	st->rows = lua_toboolean(L, -1);
	lua_pop(L, 1);
	lua_getfield(L, -1, "effect");
	effect = lua_tostring(L, -1);
	lua_pop(L, 1);
	if (!effect)
		return 0;
	for (unsigned i = 0; i < 4; i++)
		if (strcmp(effect, effects[i]) == 0) {
			st->effect = (enum audit_op_kind)i;
			st->audited = true;
		}
	lua_getfield(L, -1, "args");
	if (!st->audited || !st->per_table || !lua_istable(L, -1) ||
	    lua_objlen(L, -1) != st->n_args)
		return err_set(
			e, ERR_USAGE, 0,
			"load %s: statement %s: effect must be add_k, set_c, delete or insert on "
			"a table %%d, with args naming each ?",
			s->name, st->name);
	for (unsigned i = 0; i < st->n_args; i++) {
		const char *role;

		lua_rawgeti(L, -1, (int)i + 1);
		role = lua_tostring(L, -1);
		for (unsigned k = 1; role && k < 5; k++)
			if (strcmp(role, roles[k]) == 0) {
				st->role[i] = (enum arg_role)k;
				has |= 1u << k;
			}
		lua_pop(L, 1);
	}
	lua_pop(L, 1);
	needs = 1u << ARG_ID;
	if (st->effect == AUDIT_SET_C)
		needs |= 1u << ARG_C;
	if (st->effect == AUDIT_INSERT)
		needs |= 1u << ARG_C | 1u << ARG_K | 1u << ARG_PAD;
	/* add_k adds one, or what its argument k says */
	if (st->effect == AUDIT_ADD_K)
		has &= ~(1u << ARG_K);
	return has == needs
		       ? 0
		       : err_set(e, ERR_USAGE, 0,
				 "load %s: statement %s: its args do not name what its effect needs",
				 s->name, st->name);
}

static int read_statements(struct script *s, struct err *e)
{
	lua_State *L = s->L;

	lua_newtable(L); /* name to index */
	lua_getfield(L, -2, "statements");
	if (!lua_istable(L, -1))
		return refuse_script(e, s, "`statements` must be a table");
	for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
		struct script_statement *st = &s->statement[s->n_statements];

		if (lua_type(L, -2) != LUA_TSTRING || !lua_istable(L, -1) ||
		    lua_objlen(L, -2) >= sizeof(st->name))
			return refuse_script(e, s, "`statements` maps names to { \"SQL\", .. }");
		if (s->n_statements == SCRIPT_STATEMENTS_MAX)
			return refuse_script(e, s, "too many statements");
		strcpy(st->name, lua_tostring(L, -2));
		if (read_statement(s, st, e) < 0)
			return -1;
		lua_pushvalue(L, -2);
		lua_pushinteger(L, (lua_Integer)s->n_statements++);
		lua_rawset(L, -6);
	}
	lua_pop(L, 1);
	s->names_ref = luaL_ref(L, LUA_REGISTRYINDEX);
	return 0;
}

/* Neither is it one of t:load's fields, the commonest of which may have been meant. */
static int no_option(const struct script *s, const char *name, struct err *e)
{
	const char *names[OPTIONS_NEAR_MAX] = { "rate",       "workers", "tables",
						"table_size", "pace",    "rand_type" },
		   *meant;
	size_t n = 6;

	lua_rawgeti(s->L, LUA_REGISTRYINDEX, s->options_ref);
	if (lua_istable(s->L, -1))
		for (lua_pushnil(s->L); n < OPTIONS_NEAR_MAX && lua_next(s->L, -2);
		     lua_pop(s->L, 1))
			names[n++] = lua_tostring(s->L, -2); /* alive in the table */
	meant = nearest(name, names, n);
	return err_set(e, ERR_USAGE, 0, "load %s: no option \"%s\"%s%s%s", s->name, name,
		       meant ? ": did you mean \"" : "", meant ? meant : "", meant ? "\"?" : "");
}

/* Options with their defaults, then what was set: a table for the script's functions. */
static int read_options(struct script *s, const char *const *set, struct err *e)
{
	lua_State *L = s->L;

	lua_newtable(L);
	lua_getfield(L, -2, "options");
	if (lua_istable(L, -1))
		for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
			if (lua_type(L, -2) != LUA_TSTRING || !lua_istable(L, -1))
				return refuse_script(
					e, s, "`options` maps names to { default, \"help\" }");
			lua_pushvalue(L, -2);
			lua_rawgeti(L, -2, 1);
			lua_rawset(L, -6);
		}
	s->options_ref = luaL_ref(L, LUA_REGISTRYINDEX);
	for (; set && *set; set++) {
		const char *eq = strchr(*set, '=');
		int type;

		if (!eq)
			return err_set(e, ERR_USAGE, 0, "load %s: \"%s\" is not name=value",
				       s->name, *set);
		lua_pushlstring(L, *set, (size_t)(eq - *set));
		lua_rawget(L, -2);
		type = lua_type(L, -1);
		lua_pop(L, 1);
		lua_pushlstring(L, *set, (size_t)(eq - *set));
		if (type == LUA_TNUMBER) {
			char *end;
			double v = strtod(eq + 1, &end);

			if (end == eq + 1 || *end || !isfinite(v))
				return err_set(e, ERR_USAGE, 0,
					       "load %s: option %s must be a number", s->name,
					       *set);
			lua_pushnumber(L, v);
		} else if (type == LUA_TBOOLEAN) {
			bool on = !strcmp(eq + 1, "true") || !strcmp(eq + 1, "on") || !eq[1];

			if (!on && strcmp(eq + 1, "false") != 0 && strcmp(eq + 1, "off") != 0)
				return err_set(e, ERR_USAGE, 0,
					       "load %s: option %s must be true or false", s->name,
					       *set);
			lua_pushboolean(L, on);
		} else if (type == LUA_TSTRING) {
			lua_pushstring(L, eq + 1);
		} else {
			return no_option(s, lua_tostring(L, -1), e);
		}
		lua_rawset(L, -3);
	}
	s->opt_ref = luaL_ref(L, LUA_REGISTRYINDEX);
	return 0;
}

static int function_ref(lua_State *L, const char *field)
{
	lua_getfield(L, -1, field);
	if (lua_isfunction(L, -1))
		return luaL_ref(L, LUA_REGISTRYINDEX);
	lua_pop(L, 1);
	return LUA_NOREF;
}

/* An optional short text of the form. */
static int read_name(struct script *s, const char *field, char *to, size_t room, struct err *e)
{
	const char *text;
	int rc = 0;

	lua_getfield(s->L, -1, field);
	text = lua_tostring(s->L, -1);
	if (text && strlen(text) < room)
		strcpy(to, text);
	else if (!lua_isnil(s->L, -1))
		rc = err_set(e, ERR_USAGE, 0, "load %s: `%s` must be text of at most %zu bytes",
			     s->name, field, room - 1);
	lua_pop(s->L, 1);
	return rc;
}

static int read_form(struct script *s, const char *const *set, struct err *e)
{
	lua_State *L = s->L;
	const char *text;

	if (!lua_istable(L, -1))
		return refuse_script(
			e, s,
			"the file must return a table { name, description, statements, event, .. }");
	lua_getfield(L, -1, "name");
	text = lua_tostring(L, -1);
	if (!text || !*text || strlen(text) >= sizeof(s->name))
		return refuse_script(e, s, "`name` must be text of 1 to 64 bytes");
	strcpy(s->name, text);
	lua_pop(L, 1);
	lua_getfield(L, -1, "description");
	s->description = xstrdup(lua_isstring(L, -1) ? lua_tostring(L, -1) : "");
	lua_pop(L, 1);
	if (read_statements(s, e) < 0 || read_options(s, set, e) < 0)
		return -1;
	s->event_ref = function_ref(L, "event");
	s->prepare_ref = function_ref(L, "prepare");
	s->row_ref = function_ref(L, "row");
	s->schema_ref = function_ref(L, "schema");
	s->checks_ref = function_ref(L, "checks");
	if (read_name(s, "units", s->units, sizeof(s->units), e) < 0 ||
	    read_name(s, "check", s->check, sizeof(s->check), e) < 0)
		return -1;
	if (s->units[0] && script_option(s, s->units, 1) == -2)
		return err_set(e, ERR_USAGE, 0, "load %s: `units` must name one of its options",
			       s->name);
	lua_getfield(L, -1, "sequences");
	if (lua_isstring(L, -1))
		s->sequences = xstrdup(lua_tostring(L, -1));
	lua_pop(L, 1);
	lua_getfield(L, -1, "ledger");
	s->ledger = lua_toboolean(L, -1);
	lua_pop(L, 1);
	lua_getfield(L, -1, "tables");
	if (lua_istable(L, -1)) {
		for (int i = 1; i <= (int)lua_objlen(L, -1); i++) {
			lua_rawgeti(L, -1, i);
			if (!lua_tostring(L, -1))
				return refuse_script(
					e, s,
					"`tables` must list the names of its tables, with %d for "
					"a number");
			lua_pop(L, 1);
		}
		s->tables_ref = luaL_ref(L, LUA_REGISTRYINDEX);
	} else {
		lua_pop(L, 1);
	}
	if (s->event_ref == LUA_NOREF)
		return refuse_script(e, s, "`event` must be a function");
	lua_getfield(L, -1, "audit");
	if (lua_istable(L, -1)) {
		lua_getfield(L, -1, "table_prefix");
		text = lua_tostring(L, -1);
		if (!text || !*text || strlen(text) >= sizeof(s->audit_prefix) ||
		    s->row_ref == LUA_NOREF)
			return refuse_script(
				e, s, "`audit` needs table_prefix, and `row` must be a function");
		strcpy(s->audit_prefix, text);
		lua_pop(L, 1);
	}
	lua_pop(L, 1);
	return 0;
}

/* A script that sets a global by mistake is told so: its states are many, its globals would differ.
 */
static int no_new_global(lua_State *L)
{
	return luaL_error(L, "a load must not set globals: \"%s\"",
			  lua_tostring(L, 2) ? lua_tostring(L, 2) : "?");
}

/* require "drtest.sbtest": what the loads on sysbench's tables share */
static int open_sbtest(lua_State *L)
{
	if (luaL_loadbuffer(L, (const char *)embed_workloads_loads_sbtest_lua,
			    embed_workloads_loads_sbtest_lua_size, "@workloads/loads/sbtest.lua"))
		return lua_error(L);
	lua_call(L, 0, 1);
	return 1;
}

static int find_sbtest(lua_State *L)
{
	if (strcmp(luaL_checkstring(L, 1), "drtest.sbtest") == 0)
		lua_pushcfunction(L, open_sbtest);
	else
		lua_pushliteral(L, "");
	return 1;
}

static int load_text(struct script *s, const char *name)
{
	for (size_t i = 0; i < sizeof(embedded) / sizeof(*embedded); i++)
		if (strcmp(name, embedded[i].name) == 0) {
			char chunk[128];

			snprintf(chunk, sizeof(chunk), "@workloads/loads/%s.lua", name);
			return luaL_loadbuffer(s->L, (const char *)embedded[i].text,
					       *embedded[i].size, chunk);
		}
	struct strbuf text = STRBUF_INIT;
	struct err why = ERR_INIT;
	char *chunk = xstrfmt("@%s", name);
	int rc = -1;

	if (fs_read_file(name, LOAD_BYTES_MAX, &text, &why) < 0) {
		lua_pushstring(s->L, why.text);
	} else {
		strbuf_drop_bom(&text);
		rc = sandbox_load(s->L, text.buf, text.len, chunk);
	}
	strbuf_release(&text);
	free(chunk);
	return rc;
}

static bool is_embedded(const char *name)
{
	for (size_t i = 0; i < sizeof(embedded) / sizeof(*embedded); i++)
		if (strcmp(name, embedded[i].name) == 0)
			return true;
	return false;
}

static bool find_builtin(const char *name)
{
	size_t n = strlen(name);

	if (is_embedded(name))
		return true;
	return strchr(name, '/') || (n > 4 && strcmp(name + n - 4, ".lua") == 0);
}

/* A compiled loop calls no hook, so a file of the user's is interpreted: its endless loop ends with
 * the run. Embedded loads have none. */
static void end_if_cancelled(lua_State *L, lua_Debug *ar)
{
	(void)ar;
	if (!clock_cancelled())
		return;
	lua_sethook(L, end_if_cancelled, LUA_MASKCOUNT,
		    1); /* a pcall of the script's catches one */
	luaL_error(L, "interrupted");
}

void script_compile(struct script *s)
{
	lua_sethook(s->L, NULL, 0, 0);
	luaJIT_setmode(s->L, 0, LUAJIT_MODE_ENGINE | LUAJIT_MODE_ON);
}

int script_open(struct script *s, const char *name, const char *const *set, struct err *e)
{
	*s = (struct script){ .names_ref = LUA_NOREF,
			      .event_ref = LUA_NOREF,
			      .prepare_ref = LUA_NOREF,
			      .row_ref = LUA_NOREF,
			      .schema_ref = LUA_NOREF,
			      .checks_ref = LUA_NOREF,
			      .tables_ref = LUA_NOREF,
			      .options_ref = LUA_NOREF,
			      .opt_ref = LUA_NOREF };
	snprintf(s->name, sizeof(s->name), "%s", name);
	if (!find_builtin(name)) {
		const char *names[sizeof(embedded) / sizeof(*embedded)], *meant;
		struct strbuf all = STRBUF_INIT;
		size_t n = sizeof(embedded) / sizeof(*embedded);

		for (size_t i = 0; i < n; i++) {
			strbuf_addf(&all, "%s%s", i ? ", " : "", embedded[i].name);
			names[i] = embedded[i].name;
		}
		meant = nearest(name, names, n);
		err_set(e, ERR_USAGE, LUA_MISSPELT,
			meant ? "no load \"%s\": did you mean \"%s\"? There are %s; or give the path of a .lua file"
			      : "no load \"%s\"%s: there are %s; or give the path of a .lua file",
			name, meant ? meant : "", all.buf);
		strbuf_release(&all);
		return -1;
	}
	s->L = lua_state_new(MEMORY_BYTES_MAX);
	if (!s->L)
		return err_set(e, ERR_ENV, 0, "load %s: cannot create a Lua state", name);
	sandbox_open(s->L, name, true);
	if (!is_embedded(name)) {
		luaJIT_setmode(s->L, 0, LUAJIT_MODE_ENGINE | LUAJIT_MODE_OFF);
		lua_sethook(s->L, end_if_cancelled, LUA_MASKCOUNT, HOOK_INSTRUCTIONS);
	}
	lua_con_open(s->L);
	lua_getglobal(s->L, "package");
	lua_getfield(s->L, -1, "loaders");
	lua_pushcfunction(s->L, find_sbtest);
	lua_rawseti(s->L, -2, (int)lua_objlen(s->L, -2) + 1);
	lua_pop(s->L, 2);
	lua_newtable(s->L);
	lua_pushcfunction(s->L, no_new_global);
	lua_setfield(s->L, -2, "__newindex");
	lua_setmetatable(s->L, LUA_GLOBALSINDEX);
	if (load_text(s, name) != 0 || lua_pcall(s->L, 0, 1, 0) != 0)
		script_error(s->L, s, e);
	else if (read_form(s, set, e) == 0)
		return 0;
	script_close(s);
	return -1;
}

int64_t script_option(struct script *s, const char *name, int64_t max)
{
	double v;

	lua_rawgeti(s->L, LUA_REGISTRYINDEX, s->opt_ref);
	lua_getfield(s->L, -1, name);
	if (!lua_isnumber(s->L, -1)) {
		lua_pop(s->L, 2);
		return -2;
	}
	v = lua_tonumber(s->L, -1);
	lua_pop(s->L, 2);
	return v >= 1 && v <= (double)max && v == floor(v) ? (int64_t)v : -1;
}

int script_has_option(const char *load, const char *option)
{
	struct script s;
	int has = -1;

	if (script_open(&s, load, NULL, NULL) == 0) {
		lua_rawgeti(s.L, LUA_REGISTRYINDEX, s.opt_ref);
		lua_getfield(s.L, -1, option);
		has = !lua_isnil(s.L, -1);
		lua_pop(s.L, 2);
	}
	script_close(&s);
	return has;
}

int script_describe(const char *name, struct strbuf *out, struct err *e)
{
	struct script s;
	lua_State *L;
	char *line[OPTIONS_MAX];
	size_t n = 0;

	if (script_open(&s, name, NULL, e) < 0)
		return -1;
	L = s.L;
	strbuf_addf(out, "%s: %s\n", s.name, s.description);
	lua_rawgeti(L, LUA_REGISTRYINDEX, s.options_ref);
	if (lua_istable(L, -1))
		for (lua_pushnil(L); lua_next(L, -2) && n < OPTIONS_MAX; lua_settop(L, -2)) {
			int top = lua_gettop(L);

			lua_rawgeti(L, top, 1);
			lua_rawgeti(L, top, 2);
			if (lua_isboolean(L, -2)) {
				lua_pushstring(L, lua_toboolean(L, -2) ? "true" : "false");
				lua_replace(L, -3);
			}
			line[n++] = xstrfmt("  --set %s=%s  %s\n", lua_tostring(L, top - 1),
					    lua_tostring(L, -2),
					    lua_tostring(L, -1) ? lua_tostring(L, -1) : "");
			lua_settop(L, top);
		}
	qsort(line, n, sizeof(*line), by_text);
	for (size_t i = 0; i < n; i++) {
		strbuf_addstr(out, line[i]);
		free(line[i]);
	}
	script_close(&s);
	return 0;
}

void script_close(struct script *s)
{
	lua_state_close(s->L);
	for (unsigned i = 0; i < SCRIPT_STATEMENTS_MAX; i++)
		free(s->statement[i].sql);
	free(s->description);
	free(s->sequences);
	memset(s, 0, sizeof(*s));
}

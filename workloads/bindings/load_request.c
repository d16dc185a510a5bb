#include "workloads/bindings/load_request.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/xalloc.h"
#include "harness/run/lua_args.h"

/* A scenario's load has its own fields and those of the load file: whatever is not below goes to it
 * as text. */
static const char *const known[] = { "db",          "workers",   "tables",    "load_tables",
				     "table_size",  "rate",      "pace",      "rand_type",
				     "ledger_rows", "reconnect", "protocol",  "backlog_max",
				     "events",      "shards",    "rendezvous" };

static size_t own_options(lua_State *L, char **set)
{
	size_t n = 0;

	lua_pushnil(L);
	while (lua_next(L, 1)) {
		bool is_known = lua_type(L, -2) != LUA_TSTRING;

		for (size_t i = 0; i < sizeof(known) / sizeof(known[0]) && !is_known; i++)
			is_known = !strcmp(known[i], lua_tostring(L, -2));
		if (!is_known) {
			if (n == LOAD_SETS_MAX || (!lua_isstring(L, -1) && !lua_isboolean(L, -1)))
				lua_usage(L, "t:load: %s must be text, a number or true/false",
					  lua_tostring(L, -2));
			if (lua_isboolean(L, -1))
				set[n++] = xstrfmt("%s=%s", lua_tostring(L, -2),
						   lua_toboolean(L, -1) ? "true" : "false");
			else {
				/* converting it in place would confuse lua_next */
				lua_pushvalue(L, -1);
				set[n++] =
					xstrfmt("%s=%s", lua_tostring(L, -3), lua_tostring(L, -1));
				lua_pop(L, 1);
			}
			lua_pushvalue(L, -2);
			lua_pushnil(L);
			lua_settable(L, 1); /* lua_fields() sees the rest */
		}
		lua_pop(L, 1);
	}
	return n;
}

/* A number, or steps and ramps as text; the value stays on the stack as long as its text is used.
 */
static void read_rate(lua_State *L, struct load_opts *o)
{
	lua_getfield(L, 1, "rate");
	if (lua_type(L, -1) == LUA_TSTRING)
		o->rate_plan = lua_tostring(L, -1);
	else if (lua_type(L, -1) == LUA_TNUMBER)
		o->rate = lua_tonumber(L, -1);
	else if (!lua_isnil(L, -1))
		lua_usage(L, "t:load: rate must be a number, or steps and ramps such as "
			     "\"100/30s,100-1000/60s,1000\"");
}

static void read_fields(lua_State *L, struct load_request *q)
{
	struct load_opts *o = &q->o;
	int64_t workers = 10, tables = 1, load_tables = 0, size = 10000, backlog = 0, events = 0;
	const char *pace = "poisson", *protocol = "prepared";
	bool reconnect = false;

	lua_fields(L, 1, "t:load",
		   (struct field[]){ { "db", FIELD_TEXT, &o->db },
				     { "workers", FIELD_WHOLE, &workers },
				     { "tables", FIELD_WHOLE, &tables },
				     { "load_tables", FIELD_WHOLE, &load_tables },
				     { "table_size", FIELD_WHOLE, &size },
				     { "rate", FIELD_ANY, NULL },
				     { "protocol", FIELD_TEXT, &protocol },
				     { "backlog_max", FIELD_WHOLE, &backlog },
				     { "events", FIELD_WHOLE, &events },
				     { "pace", FIELD_TEXT, &pace },
				     { "rand_type", FIELD_TEXT, &o->rand_type },
				     { "ledger_rows", FIELD_FLAG, &o->ledger_rows },
				     { "reconnect", FIELD_FLAG, &reconnect },
				     { "shards", FIELD_WHOLE, &q->shards },
				     { "rendezvous", FIELD_TEXT, &q->rendezvous },
				     { NULL, 0, NULL } });
	if (strcmp(pace, "poisson") != 0 && strcmp(pace, "even") != 0)
		lua_usage(L, "t:load: pace must be \"poisson\" or \"even\", not \"%s\"", pace);
	if (strcmp(protocol, "prepared") != 0 && strcmp(protocol, "text") != 0 &&
	    strcmp(protocol, "one packet") != 0)
		lua_usage(L,
			  "t:load: protocol must be \"prepared\", \"text\" or \"one packet\", not "
			  "\"%s\"",
			  protocol);
	if (backlog < 0 || events < 0)
		lua_usage(L, "t:load: backlog_max and events must be at least 0");
	read_rate(L, o);
	o->stop_on_lost = !reconnect;
	o->pace = *pace == 'e' ? LOAD_EVEN : LOAD_POISSON;
	o->protocol = *protocol == 'p'   ? LOAD_PREPARED
		      : *protocol == 't' ? LOAD_TEXT
					 : LOAD_ONE_PACKET;
	o->workers = (unsigned)workers;
	o->tables = (unsigned)tables;
	o->load_tables = (unsigned)load_tables;
	o->table_size = size;
	o->backlog_max = (uint64_t)backlog;
	o->events = (uint64_t)events;
}

void load_request_read(lua_State *L, struct runtime *r, struct load_request *q)
{
	*q = (struct load_request){
		.o = { .seed = runtime_seed(r), .ledger_rows = true },
		.shards = 1,
	};
	if (!lua_istable(L, 1))
		lua_usage(
			L,
			"t:load needs a table: t:load { \"oltp_write_only\", tables = …, rate = … }");
	lua_rawgeti(L, 1, 1);
	if (lua_type(L, -1) != LUA_TSTRING)
		lua_usage(L,
			  "t:load needs the name of the load first: t:load { \"oltp_write_only\", "
			  "… }");
	q->o.name = lua_tostring(L, -1);
	q->n_set = own_options(L, q->set);
	q->o.set = (const char *const *)q->set;
	read_fields(L, q);
}

bool load_request_sharded(const struct load_request *q)
{
	return q->shards != 1 || q->rendezvous;
}

void load_request_release(struct load_request *q)
{
	for (size_t i = 0; i < q->n_set; i++)
		free(q->set[i]);
}

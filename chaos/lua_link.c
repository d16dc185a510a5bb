/* Links: a proxy between a party and what it talks to, for faults of the network. */
#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

#include "chaos/lua_fault_impl.h"
#include "harness/base/xalloc.h"
#include "harness/bindings/lua_cluster.h"
#include "harness/bindings/lua_store.h"
#include "harness/run/lua_args.h"
#include "harness/run/routes.h"

/* link(party, target) */
int lua_link_make(lua_State *L)
{
	static const char *const parties[] = {
		"load", "feed", "replay", "backup", "restore", NULL
	};
	struct faults *x = lua_faults_of(L);
	const char *party = parties[luaL_checkoption(L, 1, NULL, parties)];
	struct lua_link *l;
	struct err e = ERR_INIT;
	const char *name;
	int port = 0;
	bool store = lua_is_a(L, 2, "drtest.store");

	if (store) {
		port = lua_store_check(L, 2)->port;
		name = "store";
		if (!port)
			lua_usage(L,
				  "t:link: the store is a directory (--store file), so it has no "
				  "link");
	} else {
		struct lua_cluster *c = lua_cluster_check(L, 2);

		name = c->name;
		port = c->c ? (int)cluster_endpoint(c->c)->port : 0;
	}
	if (!ground_can(runtime_ground(x->r), ABLE_LINK)) {
		err_set(&e, ERR_UNSUPPORTED, 0,
			"t:link: drtest cannot put a proxy between the parties of the %s ground, "
			"because others use these clusters",
			runtime_ground(x->r)->name);
		lua_raise(L, &e);
	}
	if (runtime_on_tidb(x->r) && !store &&
	    (!strcmp(party, "backup") || !strcmp(party, "restore")))
		lua_usage(L,
			  "t:link: TiKV itself writes and reads TiDB's backups: use { \"%s\", "
			  "store }",
			  party);
	l = xcalloc(1, sizeof(*l));
	l->store = store;
	snprintf(l->name, sizeof(l->name), "%s → %s", party, name);
	l->next = x->links;
	x->links = l;
	*(struct lua_link **)lua_newuserdata(L, sizeof(l)) = l;
	luaL_getmetatable(L, LINK_METATABLE);
	lua_setmetatable(L, -2);
	if (runtime_plan(x->r, "a proxy between %s and %s", party, name))
		return 1;
	l->p = netproxy_start(&(struct netproxy_opts){ .to_port = port,
						       .seed = runtime_seed(x->r),
						       .http = store },
			      &e);
	if (!l->p)
		return lua_raise(L, &e);
	route_add(x->r, party, port, netproxy_port(l->p));
	return 1;
}

struct lua_link *lua_link_check(lua_State *L, int index)
{
	return *(struct lua_link **)lua_object(L, index, LINK_METATABLE);
}

static int link_text(lua_State *L)
{
	lua_pushstring(L, lua_link_check(L, 1)->name);
	return 1;
}

/* link:port(): of 127.0.0.1, the proxy's */
static int link_port(lua_State *L)
{
	struct lua_link *l = lua_link_check(L, 1);

	lua_pushnumber(L, l->p ? netproxy_port(l->p) : 0);
	return 1;
}

static int link_stats(lua_State *L)
{
	struct lua_link *l = lua_link_check(L, 1);
	struct netproxy_stats st = { 0 };

	if (l->p)
		netproxy_get_stats(l->p, &st);
	const struct {
		const char *name;
		uint64_t value;
	} numbers[] = {
		{ "connections", st.connections },
		{ "open", st.open },
		{ "bytes_up", st.bytes[0] },
		{ "bytes_down", st.bytes[1] },
		{ "requests", st.requests },
		{ "refused", st.refused },
		{ "cut", st.cut },
		{ "stalled", st.stalled },
	};

	lua_newtable(L);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		lua_pushnumber(L, (lua_Number)numbers[i].value);
		lua_setfield(L, -2, numbers[i].name);
	}
	return 1;
}

void lua_link_metatable(lua_State *L)
{
	static const luaL_Reg methods[] = { { "stats", link_stats },
					    { "port", link_port },
					    { NULL, NULL } };

	lua_class(L, LINK_METATABLE, "link", link_text, methods);
	lua_pop(L, 1);
}

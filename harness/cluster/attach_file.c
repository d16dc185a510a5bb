/* The clusters file: Lua without libraries, a bounded number of steps, one table. */
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/strbuf.h"
#include "harness/base/tso.h"
#include "harness/base/xalloc.h"
#include "harness/cluster/attach.h"
#include "harness/os/fs.h"

#define STEPS_MAX 1000000
#define UNSET_BYTES_MAX 600

static const struct {
	const char *name;
	enum ability verb;
} verbs[] = {
	{ "kill", ABLE_KILL },       { "backup", ABLE_BACKUP },
	{ "restore", ABLE_RESTORE }, { "changefeed", ABLE_CHANGEFEED },
	{ "gc", ABLE_GC },           { "write", ABLE_WRITE },
};

const char *attach_verb_text(enum ability v)
{
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (verbs[i].verb == v)
			return verbs[i].name;
	return "that";
}

/* What is not set is noted, with its line, and "" goes on in its place: whoever writes the file
 * hears of all at once. */
static int get_env(lua_State *L)
{
	const char *name = luaL_checkstring(L, 1), *value = getenv(name);
	struct strbuf *unset = lua_touserdata(L, lua_upvalueindex(1));
	lua_Debug at;

	if (!value && unset->len < UNSET_BYTES_MAX) {
		strbuf_addf(unset, "%s%.64s", unset->len ? ", " : "", name);
		if (lua_getstack(L, 1, &at) && lua_getinfo(L, "l", &at) && at.currentline > 0)
			strbuf_addf(unset, " (line %d)", at.currentline);
	}
	lua_pushstring(L, value ? value : "");
	return 1;
}

static void too_long(lua_State *L, lua_Debug *ar)
{
	(void)ar;
	luaL_error(L, "the file computes too long: it should only be a table");
}

/* The field at the top of the stack as text; absent is "". Pops it. */
static int take_text(lua_State *L, char *out, size_t room, const char *where, const char *field,
		     struct err *e)
{
	int rc = 0;

	out[0] = '\0';
	/* no NUL in it */
	if (lua_type(L, -1) == LUA_TSTRING && strlen(lua_tostring(L, -1)) == lua_objlen(L, -1) &&
	    lua_objlen(L, -1) < room)
		strcpy(out, lua_tostring(L, -1));
	else if (!lua_isnil(L, -1))
		rc = err_set(e, ERR_USAGE, 0, "%s: %s has to be text of at most %zu bytes", where,
			     field, room - 1);
	lua_pop(L, 1);
	return rc;
}

static int text(lua_State *L, const char *name, char *out, size_t room, const char *where,
		struct err *e)
{
	lua_getfield(L, -1, name);
	return take_text(L, out, room, where, name, e);
}

static int url(lua_State *L, const char *name, char *out, size_t room, const char *where,
	       struct err *e)
{
	if (text(L, name, out, room, where, e) < 0)
		return -1;
	if (*out && strncmp(out, "http://", 7) != 0 && strncmp(out, "https://", 8) != 0)
		return err_set(e, ERR_USAGE, 0, "%s: %s has to begin with http:// or https://",
			       where, name);
	if (*out && out[strlen(out) - 1] == '/')
		out[strlen(out) - 1] = '\0';
	return 0;
}

static int flag(lua_State *L, const char *name, bool *out, const char *where, struct err *e)
{
	int rc = 0;

	lua_getfield(L, -1, name);
	if (lua_isboolean(L, -1))
		*out = lua_toboolean(L, -1);
	else if (!lua_isnil(L, -1))
		rc = err_set(e, ERR_USAGE, 0, "%s: %s is true or false", where, name);
	lua_pop(L, 1);
	return rc;
}

/* Refuses a field that is not known: a misspelt `expendable` must not pass unseen. */
static int only(lua_State *L, const char *const *known, const char *where, struct err *e)
{
	lua_pushnil(L);
	while (lua_next(L, -2)) {
		const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : NULL;
		bool found = false;

		for (const char *const *k = known; *k && name; k++)
			found = found || !strcmp(*k, name);
		lua_pop(L, 1);
		if (!found) {
			err_set(e, ERR_USAGE, 0, "%s has a field '%.60s' that is not known", where,
				name ? name : "(no name)");
			lua_pop(L, 1);
			return -1;
		}
	}
	return 0;
}

static int sql(lua_State *L, struct attach_cluster *c, const char *where, struct err *e)
{
	static const char *const known[] = { "host", "port", "user", "password", NULL };
	int rc = -1;

	lua_getfield(L, -1, "sql");
	if (!lua_istable(L, -1)) {
		err_set(e, ERR_USAGE, 0,
			"%s: sql = { host = …, port = …, user = …, password = env \"NAME\" } is missing",
			where);
		goto out;
	}
	if (only(L, known, where, e) < 0 ||
	    text(L, "host", c->sql.host, sizeof(c->sql.host), where, e) < 0 ||
	    text(L, "user", c->sql.user, sizeof(c->sql.user), where, e) < 0 ||
	    text(L, "password", c->sql.password, sizeof(c->sql.password), where, e) < 0)
		goto out;
	lua_getfield(L, -1, "port");
	if (lua_isnil(L, -1))
		c->sql.port = 4000;
	else if (lua_isnumber(L, -1) && lua_tonumber(L, -1) >= 1 && lua_tonumber(L, -1) <= 65535)
		c->sql.port = (unsigned)lua_tonumber(L, -1);
	lua_pop(L, 1);
	if (!c->sql.host[0] || !c->sql.port) {
		err_set(e, ERR_USAGE, 0, "%s: sql needs a host, and a port from 1 to 65535", where);
		goto out;
	}
	if (!c->sql.user[0])
		strcpy(c->sql.user, "root");
	rc = 0;
out:
	lua_pop(L, 1);
	return rc;
}

static int tls(lua_State *L, struct attach_cluster *c, const char *where, struct err *e)
{
	static const char *const known[] = { "ca", "cert", "key", NULL };
	int rc = 0;

	lua_getfield(L, -1, "tls");
	if (lua_istable(L, -1)) {
		rc = only(L, known, where, e) < 0 ||
				     text(L, "ca", c->ca, sizeof(c->ca), where, e) < 0 ||
				     text(L, "cert", c->cert, sizeof(c->cert), where, e) < 0 ||
				     text(L, "key", c->key, sizeof(c->key), where, e) < 0
			     ? -1
			     : 0;
		strcpy(c->sql.ssl_ca, c->ca);
		strcpy(c->sql.ssl_cert, c->cert);
		strcpy(c->sql.ssl_key, c->key);
	} else if (!lua_isnil(L, -1)) {
		rc = err_set(e, ERR_USAGE, 0, "%s: tls = { ca = …, cert = …, key = … }", where);
	}
	lua_pop(L, 1);
	return rc;
}

static int allow(lua_State *L, struct attach_cluster *c, const char *where, struct err *e)
{
	int rc = 0;

	lua_getfield(L, -1, "allow");
	if (!lua_isnil(L, -1) && !lua_istable(L, -1))
		rc = err_set(e, ERR_USAGE, 0, "%s: allow = { \"backup\", \"gc\" }", where);
	for (int i = 1; rc == 0 && lua_istable(L, -1) && i <= (int)lua_objlen(L, -1); i++) {
		const char *name;
		size_t v = 0;

		lua_rawgeti(L, -1, i);
		name = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "";
		while (v < sizeof(verbs) / sizeof(verbs[0]) && strcmp(verbs[v].name, name) != 0)
			v++;
		if (v == sizeof(verbs) / sizeof(verbs[0]))
			rc = err_set(
				e, ERR_USAGE, 0,
				"%s: allow knows backup, restore, changefeed, gc and write, not '%.40s'",
				where, name);
		else if (verbs[v].verb == ABLE_KILL)
			rc = err_set(e, ERR_USAGE, 0,
				     "%s: what may be killed is marked expendable = true", where);
		else
			c->allow |= 1u << verbs[v].verb;
		lua_pop(L, 1);
	}
	lua_pop(L, 1);
	return rc;
}

static int commands(lua_State *L, struct attach_cluster *c, const char *where, struct err *e)
{
	static const char *const names[] = { "kill", "start", "destroy", NULL };
	int rc = 0;

	lua_getfield(L, -1, "commands");
	if (lua_isnil(L, -1)) {
		lua_pop(L, 1);
		return 0;
	}
	if (!lua_istable(L, -1))
		rc = err_set(e, ERR_USAGE, 0, "%s: commands = { kill = { \"kubectl\", … } }",
			     where);
	else
		rc = only(L, names, where, e);
	for (unsigned k = 0; rc == 0 && names[k]; k++) {
		lua_getfield(L, -1, names[k]);
		if (lua_istable(L, -1) && lua_objlen(L, -1) <= ATTACH_WORDS_MAX) {
			for (int i = 1; rc == 0 && i <= (int)lua_objlen(L, -1); i++) {
				lua_rawgeti(L, -1, i);
				if (lua_type(L, -1) == LUA_TSTRING)
					c->command[k][i - 1] = xstrdup(lua_tostring(L, -1));
				else
					rc = err_set(e, ERR_USAGE, 0,
						     "%s: command %s: word %d is no text", where,
						     names[k], i);
				lua_pop(L, 1);
			}
		} else if (!lua_isnil(L, -1)) {
			rc = err_set(
				e, ERR_USAGE, 0,
				"%s: command %s is a table of at most %d words (no shell line)",
				where, names[k], ATTACH_WORDS_MAX);
		}
		lua_pop(L, 1);
	}
	lua_pop(L, 1);
	return rc;
}

static int one(lua_State *L, struct attach_cluster *c, const char *path, struct err *e)
{
	static const char *const known[] = { "sql",      "pd",         "ticdc", "status",
					     "tls",      "expendable", "kind",  "allow",
					     "commands", "cluster_id", NULL };
	char where[400], kind[16], id[24];

	snprintf(where, sizeof(where), "%.300s: cluster %s", path, c->name);
	if (only(L, known, where, e) < 0 || sql(L, c, where, e) < 0 ||
	    url(L, "pd", c->pd, sizeof(c->pd), where, e) < 0 ||
	    url(L, "ticdc", c->ticdc, sizeof(c->ticdc), where, e) < 0 ||
	    url(L, "status", c->status, sizeof(c->status), where, e) < 0 ||
	    tls(L, c, where, e) < 0 || flag(L, "expendable", &c->expendable, where, e) < 0 ||
	    allow(L, c, where, e) < 0 || commands(L, c, where, e) < 0 ||
	    text(L, "kind", kind, sizeof(kind), where, e) < 0 ||
	    text(L, "cluster_id", id, sizeof(id), where, e) < 0)
		return -1;
	if (*id && (!tso_parse(id, &c->cluster_id) || !c->cluster_id))
		return err_set(
			e, ERR_USAGE, 0,
			"%s: cluster_id is the number that PD tells, in quotes: \"7712997407283468988\"",
			where);
	if (c->cluster_id && !c->pd[0])
		return err_set(e, ERR_USAGE, 0,
			       "%s: a cluster_id needs pd = \"http://…:2379\", which tells it",
			       where);
	if (*kind && strcmp(kind, "tidb") != 0 && strcmp(kind, "mysql") != 0)
		return err_set(e, ERR_USAGE, 0, "%s: kind is \"tidb\" or \"mysql\" (MariaDB too)",
			       where);
	c->mysql = *kind == 'm';
	if (c->mysql && (c->pd[0] || c->ticdc[0] || c->status[0]))
		return err_set(e, ERR_USAGE, 0,
			       "%s: a mysql has neither pd nor ticdc nor a status port", where);
	return 0;
}

static int read_table(lua_State *L, struct attach_file *f, const char *path, struct err *e)
{
	char where[320];

	snprintf(where, sizeof(where), "%.300s", path);
	if (!lua_istable(L, -1))
		return err_set(
			e, ERR_USAGE, 0,
			"%s: it has to end in: return { primary = { sql = … }, secondary = … }",
			where);
	if (text(L, "backup", f->backup, sizeof(f->backup), where, e) < 0 ||
	    text(L, "redo", f->redo, sizeof(f->redo), where, e) < 0 ||
	    text(L, "store", f->store, sizeof(f->store), where, e) < 0 ||
	    text(L, "changefeed", f->changefeed, sizeof(f->changefeed), where, e) < 0 ||
	    text(L, "redo_time_zone", f->redo_time_zone, sizeof(f->redo_time_zone), where, e) < 0)
		return -1;
	if (strspn(f->redo_time_zone,
		   "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-:/_") !=
	    strlen(f->redo_time_zone))
		return err_set(
			e, ERR_USAGE, 0,
			"%s: redo_time_zone '%.64s' is no time zone, as \"+08:00\" or \"Asia/Shanghai\"",
			where, f->redo_time_zone);
	lua_pushnil(L);
	while (lua_next(L, -2)) {
		const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";
		struct attach_cluster *c = &f->c[f->n];

		if (lua_type(L, -1) == LUA_TSTRING &&
		    (!strcmp(name, "backup") || !strcmp(name, "redo") || !strcmp(name, "store") ||
		     !strcmp(name, "changefeed") || !strcmp(name, "redo_time_zone"))) {
			lua_pop(L, 1);
			continue;
		}
		if (!*name || strlen(name) > 40 ||
		    strspn(name,
			   "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") !=
			    strlen(name) ||
		    !lua_istable(L, -1))
			return err_set(
				e, ERR_USAGE, 0,
				"%s: '%.40s' is neither a cluster (name = { sql = … }) nor backup, changefeed, redo, "
				"redo_time_zone or store",
				where, name);
		if (f->n == ATTACH_CLUSTERS_MAX)
			return err_set(e, ERR_USAGE, 0, "%s: more than %d clusters", where,
				       ATTACH_CLUSTERS_MAX);
		strcpy(c->name, name);
		f->n++;
		if (one(L, c, path, e) < 0)
			return -1;
		lua_pop(L, 1);
	}
	for (size_t i = 0; i < f->n; i++)
		for (size_t k = 0; k < i; k++)
			if (f->c[i].sql.port == f->c[k].sql.port &&
			    !strcmp(f->c[i].sql.host, f->c[k].sql.host))
				return err_set(e, ERR_USAGE, 0,
					       "%s: %s and %s are one server, %s:%u", where,
					       f->c[k].name, f->c[i].name, f->c[i].sql.host,
					       f->c[i].sql.port);
	return f->n ? 0 : err_set(e, ERR_USAGE, 0, "%s: it names no cluster", where);
}

int attach_file_read(struct attach_file *f, const char *path, struct err *e)
{
	struct strbuf source = STRBUF_INIT, unset = STRBUF_INIT;
	lua_State *L = luaL_newstate();
	char chunk[320];
	int rc = -1, broken;

	memset(f, 0, sizeof(*f));
	if (!L) {
		err_set(e, ERR_ENV, 0, "LuaJIT could not start");
		goto out;
	}
	if (fs_read_file(path, ATTACH_FILE_BYTES_MAX, &source, e) < 0) {
		if (e)
			e->kind = ERR_USAGE;
		err_wrap(e, "--clusters");
		goto out;
	}
	lua_pushlightuserdata(L, &unset);
	lua_pushcclosure(L, get_env, 1);
	lua_setglobal(L, "env");
	lua_sethook(L, too_long, LUA_MASKCOUNT, STEPS_MAX);
	snprintf(chunk, sizeof(chunk), "@%.300s", path);
	if (source.len && source.buf[0] == 033) { /* bytecode is not checked by the loader */
		err_set(e, ERR_USAGE, 0, "%.300s: Lua source is wanted", path);
		goto out;
	}
	broken = luaL_loadbuffer(L, source.buf, source.len, chunk) || lua_pcall(L, 0, 1, 0);
	if (unset.len) {
		err_set(e, ERR_USAGE, 0, "%.300s: not set in the environment: %s", path, unset.buf);
		goto out;
	}
	if (broken) {
		err_set(e, ERR_USAGE, 0, "%s",
			lua_tostring(L, -1) ? lua_tostring(L, -1) : "an error that is no text");
		goto out;
	}
	rc = read_table(L, f, path, e);
out:
	if (L)
		lua_close(L);
	memset(source.buf, 0, source.len);
	strbuf_release(&source);
	strbuf_release(&unset);
	if (rc < 0)
		attach_file_release(f);
	return rc;
}

void attach_file_release(struct attach_file *f)
{
	for (size_t i = 0; i < f->n; i++)
		for (unsigned k = 0; k < ATTACH_COMMANDS; k++)
			for (char **w = f->c[i].command[k]; *w; w++)
				free(*w);
	memset(f, 0, sizeof(*f));
}

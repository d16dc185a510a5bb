/* The clusters file: Lua without libraries, a bounded number of steps, one table. */
#include <lauxlib.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/nearest.h"
#include "harness/base/strbuf.h"
#include "harness/base/tso.h"
#include "harness/base/uri.h"
#include "harness/base/xalloc.h"
#include "harness/cluster/attach/attach.h"
#include "harness/cluster/attach/attach_agree.h"
#include "harness/net/http.h"
#include "harness/os/fs.h"
#include "harness/os/lua_state.h"

#define STEPS_MAX 1000000
#define MEMORY_BYTES_MAX ((size_t)64 << 20)
#define NAMES_VARIABLES "drtest.names_variables" /* in the registry */
#define UNSET_BYTES_MAX 600
#define FIELDS_MAX 32

struct field;
static int take_inner(lua_State *L, const struct field *fields, void *to, const char *where,
		      const char *name, struct err *e);
static int take_fields(lua_State *L, const struct field *fields, void *to, const char *where,
		       struct err *e);

static const struct {
	const char *name;
	enum ability verb;
} verbs[] = {
	{ "kill", ABLE_KILL },       { "backup", ABLE_BACKUP },
	{ "restore", ABLE_RESTORE }, { "changefeed", ABLE_CHANGEFEED },
	{ "gc", ABLE_GC },           { "write", ABLE_WRITE },
};

#define N_VERBS (sizeof(verbs) / sizeof(verbs[0]))

const char *attach_verb_text(enum ability v)
{
	for (size_t i = 0; i < N_VERBS; i++)
		if (verbs[i].verb == v)
			return verbs[i].name;
	return "that";
}

/* For who writes commands of it: a shell's own word for the variable. */
static int name_env(lua_State *L)
{
	lua_pushfstring(L, "${%s}", luaL_checkstring(L, 1));
	return 1;
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

static void end_long_file(lua_State *L, lua_Debug *ar)
{
	(void)ar;
	luaL_error(L, "the file runs too long: it should only return a table");
}

/* ---- the fields: what is checked, and what docs/CLUSTERS.md says */

enum kind {
	TEXT,
	URL,
	FLAG,
	PORT,
	ID,      /* PD's number, as text */
	SERVER,  /* "tidb", "mysql" */
	ALLOW,   /* a list of abilities */
	COMMAND, /* a list of words */
	SECRET,  /* text, or { file = … }, or { command = { … } } */
	TLS,     /* a table of `tls_fields`, or false */
	TABLE,
};
struct field {
	const char *name;
	enum kind kind;
	size_t at, room;
	const struct field *of; /* TABLE, TLS; a TABLE may have room for a flag: it is there */
	size_t beside;          /* SECRET: where its struct attach_secret is */
	const char *means;
};
#define AT(type, member) offsetof(struct type, member), sizeof(((struct type *)0)->member)

static const struct field tls_fields[] = {
	{ "ca", TEXT, AT(attach_tls, ca), NULL, 0,
	  "file with the CA to trust instead of the system's" },
	{ "cert", TEXT, AT(attach_tls, cert), NULL, 0, "file with the client certificate" },
	{ "key", TEXT, AT(attach_tls, key), NULL, 0, "file with its key" },
	{ "server_name", TEXT, AT(attach_tls, server_name), NULL, 0,
	  "the name that the server's certificate must have, if it is not the address" },
	{ 0 },
};
static const struct field sql_fields[] = {
	{ "host", TEXT, AT(attach_cluster, sql.host), NULL, 0, "required" },
	{ "port", PORT, AT(attach_cluster, sql.port), NULL, 0, "4000" },
	{ "user", TEXT, AT(attach_cluster, sql.user), NULL, 0,
	  "`root`; `drtest doctor --grants` prints accounts with the least rights" },
	{ "password", SECRET, AT(attach_cluster, sql.password), NULL,
	  offsetof(struct attach_cluster, password),
	  "text (`env \"NAME\"`), or `{ file = \"…\" }`, or `{ command = { \"…\" } }`" },
	{ "tls", TLS, AT(attach_cluster, sql_tls), tls_fields, 0,
	  "only for SQL; `false`: no TLS. Without it, the cluster's `tls` also applies to SQL; "
	  "without both, SQL uses no TLS" },
	{ 0 },
};
static const struct field sink_fields[] = {
	{ "user", TEXT, AT(attach_cluster, sink_user), NULL, 0, "required" },
	{ "password", SECRET, AT(attach_cluster, sink_password), NULL,
	  offsetof(struct attach_cluster, sink_secret), "as SQL's" },
	{ "tls", TLS, AT(attach_cluster, sink_tls), tls_fields, 0,
	  "for TiCDC's connection; the files are on TiCDC's machines (TiCDC does not support "
	  "`server_name`)" },
	{ 0 },
};
static const struct field command_fields[] = {
	{ "kill", COMMAND, AT(attach_cluster, command[ATTACH_KILL]), NULL, 0,
	  "the disaster; complete when the cluster no longer responds" },
	{ "start", COMMAND, AT(attach_cluster, command[ATTACH_START]), NULL, 0,
	  "run if the cluster is needed and does not respond" },
	{ "destroy", COMMAND, AT(attach_cluster, command[ATTACH_DESTROY]), NULL, 0,
	  "run at the end, unless `--keep`, if this run started or filled the cluster" },
	{ 0 },
};
static const struct field cluster_fields[] = {
	{ "sql", TABLE, 0, 0, sql_fields, 0, "required: its SQL endpoint" },
	{ "pd", URL, AT(attach_cluster, pd), NULL, 0,
	  "PD's URL, for the cluster's ID, its stores and safe points" },
	{ "ticdc", URL, AT(attach_cluster, ticdc), NULL, 0,
	  "TiCDC's URL, if a changefeed from this cluster is created or followed" },
	{ "status", URL, AT(attach_cluster, status), NULL, 0, "TiDB's status port" },
	{ "cluster_id", ID, AT(attach_cluster, cluster_id), NULL, 0,
	  "the number that PD reports, in quotes; drtest refuses any other cluster at this "
	  "address" },
	{ "kind", SERVER, AT(attach_cluster, mysql), NULL, 0,
	  "`\"tidb\"`, or `\"mysql\"` for MySQL and MariaDB: no pd, ticdc, status" },
	{ "tls", TLS, AT(attach_cluster, tls), tls_fields, 0,
	  "for pd, ticdc and status, which are then `https://`, and for SQL, unless that has its "
	  "own" },
	{ "sink", TABLE, AT(attach_cluster, has_sink), sink_fields, 0,
	  "TiCDC's account if a changefeed writes to this cluster. Without it, drtest creates "
	  "one for the run, which requires CREATE USER and GRANT OPTION, and drops it at the end" },
	{ "allow", ALLOW, AT(attach_cluster, allow), NULL, 0,
	  "list of permissions: `backup`, `restore`, `changefeed`, `gc` (hold garbage "
	  "collection), `write` (load, replay, SQL); without it, drtest only reads" },
	{ "expendable", FLAG, AT(attach_cluster, expendable), NULL, 0,
	  "`true`: it may be killed and overwritten; implies all of `allow`" },
	{ "commands", TABLE, 0, 0, command_fields, 0, "lists of words, run without a shell" },
	{ 0 },
};
static const struct field file_fields[] = {
	{ "store", TEXT, AT(attach_file, store), NULL, 0,
	  "URI under which a run may store its own data; reachable from TiKV, TiCDC and drtest" },
	{ "redo", TEXT, AT(attach_file, redo), NULL, 0,
	  "URI of the existing changefeed's redo log, its `consistent.storage`; drtest only "
	  "reads it" },
	{ "backup", TEXT, AT(attach_file, backup), NULL, 0,
	  "URI of an existing full backup, for a rehearsal that does not make one" },
	{ "changefeed", TEXT, AT(attach_file, changefeed), NULL, 0,
	  "ID of the changefeed from primary to secondary" },
	{ "redo_time_zone", TEXT, AT(attach_file, redo_time_zone), NULL, 0,
	  "the time zone of TiCDC (`\"+08:00\"`, `\"Asia/Shanghai\"`): its log has TIMESTAMPs as "
	  "text without a time zone" },
	{ 0 },
};

static int refuse_field(struct err *e, const char *where, const struct field *f, const char *is)
{
	return err_set(e, ERR_USAGE, 0, "%s: %s %s", where, f->name, is);
}

/* Text at an index of the stack, without a NUL in it; NULL: it is none. */
static const char *text_at(lua_State *L, int index)
{
	const char *text = lua_type(L, index) == LUA_TSTRING ? lua_tostring(L, index) : NULL;

	return text && strlen(text) == lua_objlen(L, index) ? text : NULL;
}

/* The value at the top of the stack as text; absent is "". An empty one, as a variable of the
 * environment may be, would be absent without a word: no cluster_id, no CA, root. */
static int take_text(lua_State *L, char *out, size_t room, const char *where, const struct field *f,
		     struct err *e)
{
	const char *text = text_at(L, -1);

	out[0] = '\0';
	if (text && !*text && f->kind != SECRET)
		return refuse_field(e, where, f, "is empty: leave it out, or give it a value");
	if (text && strlen(text) < room)
		strcpy(out, text);
	else if (!lua_isnil(L, -1))
		return err_set(e, ERR_USAGE, 0, "%s: %s must be text of at most %zu bytes%s", where,
			       f->name, room - 1,
			       lua_type(L, -1) == LUA_TNUMBER ? ", in quotes" : "");
	return 0;
}

/* "host", "host:port", "[::1]:port", and nothing else. */
static const char *authority_error(const char *text)
{
	const char *host = text, *end, *port;

	if (text[strcspn(text, "/?#@,;\\\"'`<> ")] || !*text)
		return "is http://HOST:PORT of one server, without a path, a password or blanks";
	for (const char *p = text; *p; p++)
		if ((unsigned char)*p <= ' ' || *p == 127)
			return "has an invalid character";
	end = *text == '[' ? strchr(text, ']') : host + strcspn(host, ":");
	if (!end || end == host)
		return "has no host";
	port = end + (*end == ']');
	if (!*port)
		return NULL;
	if (*port != ':' || !port[1] || strspn(port + 1, "0123456789") != strlen(port + 1) ||
	    strlen(port) > 6 || !atoi(port + 1) || atoi(port + 1) > 65535)
		return "has an invalid port (write an IPv6 address in brackets)";
	return NULL;
}

/* Where variables are named and not read, one may stand for all of it or for a part. */
static bool names_variables(lua_State *L)
{
	bool yes;

	lua_getfield(L, LUA_REGISTRYINDEX, NAMES_VARIABLES);
	yes = lua_toboolean(L, -1);
	lua_pop(L, 1);
	return yes;
}

static int take_url(lua_State *L, char *out, size_t room, const char *where, const struct field *f,
		    struct err *e)
{
	bool named = names_variables(L);
	const char *why, *rest;

	if (take_text(L, out, room, where, f, e) < 0)
		return -1;
	if (!*out || (named && strstr(out, "${")))
		return 0;
	if (strncmp(out, "http://", 7) != 0 && strncmp(out, "https://", 8) != 0)
		return refuse_field(e, where, f, "must begin with http:// or https://");
	if (out[strlen(out) - 1] == '/')
		out[strlen(out) - 1] = '\0';
	rest = strstr(out, "://");
	why = rest ? authority_error(rest + 3) : "has no host";
	return why ? refuse_field(e, where, f, why) : 0;
}

/* Refuses a field that is not known: a misspelt `expendable` must not pass unseen. */
static int allow_only(lua_State *L, const struct field *known, const char *where, struct err *e)
{
	lua_pushnil(L);
	while (lua_next(L, -2)) {
		const char *name = text_at(L, -2), *names[FIELDS_MAX], *meant;
		const struct field *k = known;
		size_t n = 0;

		while (name && k->name && strcmp(k->name, name) != 0)
			k++;
		lua_pop(L, 1);
		if (!name || !k->name) {
			for (k = known; k->name && n < FIELDS_MAX; k++)
				names[n++] = k->name;
			meant = name ? nearest(name, names, n) : NULL;
			err_set(e, ERR_USAGE, 0, "%s has an unknown field '%.60s'%s%s%s", where,
				name ? name : "(no name)", meant ? ": did you mean '" : "",
				meant ? meant : "", meant ? "'?" : "");
			lua_pop(L, 1);
			return -1;
		}
	}
	return 0;
}

/* { "a", "b" } and nothing by a name: { write = true } would be an empty list. */
static bool is_list(lua_State *L)
{
	size_t n = 0;

	if (!lua_istable(L, -1))
		return false;
	lua_pushnil(L);
	while (lua_next(L, -2)) {
		n++;
		lua_pop(L, 1);
	}
	return n == lua_objlen(L, -1);
}

static int take_allow(lua_State *L, unsigned *out, const char *where, const struct field *f,
		      struct err *e)
{
	int rc = 0;

	if (!lua_isnil(L, -1) && !is_list(L))
		rc = err_set(e, ERR_USAGE, 0, "%s: allow is a list: allow = { \"backup\", \"gc\" }",
			     where);
	for (int i = 1; rc == 0 && lua_istable(L, -1) && i <= (int)lua_objlen(L, -1); i++) {
		const char *name;
		size_t v = 0;

		lua_rawgeti(L, -1, i);
		name = text_at(L, -1) ? text_at(L, -1) : "";
		while (v < N_VERBS && strcmp(verbs[v].name, name) != 0)
			v++;
		if (v == N_VERBS)
			rc = err_set(e, ERR_USAGE, 0,
				     "%s: allow accepts backup, restore, changefeed, gc and write, "
				     "not '%.40s'",
				     where, name);
		else if (verbs[v].verb == ABLE_KILL)
			rc = err_set(e, ERR_USAGE, 0,
				     "%s: allow cannot contain kill: set expendable = true", where);
		else
			*out |= 1u << verbs[v].verb;
		lua_pop(L, 1);
	}
	(void)f;
	return rc;
}

static int take_command(lua_State *L, char **out, const char *where, const struct field *f,
			struct err *e)
{
	int rc = 0;

	if (lua_isnil(L, -1))
		return 0;
	if (!is_list(L) || !lua_objlen(L, -1) || lua_objlen(L, -1) > ATTACH_WORDS_MAX)
		return err_set(e, ERR_USAGE, 0,
			       "%s: %s must be a list of 1 to %d words, not a shell line: { "
			       "\"ssh\", \"host\", \"…\" }",
			       where, f->name, ATTACH_WORDS_MAX);
	for (int i = 1; rc == 0 && i <= (int)lua_objlen(L, -1); i++) {
		lua_rawgeti(L, -1, i);
		if (text_at(L, -1) && (i > 1 || *text_at(L, -1)))
			out[i - 1] = xstrdup(text_at(L, -1));
		else
			rc = err_set(e, ERR_USAGE, 0, "%s: command %s: word %d is %s", where,
				     f->name, i, text_at(L, -1) ? "empty" : "not text");
		lua_pop(L, 1);
	}
	return rc;
}

static int take_secret(lua_State *L, char *text, size_t room, struct attach_secret *beside,
		       const char *where, const struct field *f, struct err *e)
{
	static const struct field fields[] = {
		{ "file", TEXT, AT(attach_secret, file), NULL, 0, "" },
		{ "command", COMMAND, AT(attach_secret, command), NULL, 0, "" },
		{ 0 },
	};

	if (!lua_istable(L, -1))
		return take_text(L, text, room, where, f, e);
	if (take_inner(L, fields, beside, where, f->name, e) < 0)
		return -1;
	return !beside->file[0] == !beside->command[0]
		       ? refuse_field(e, where, f,
				      "is text, or { file = \"…\" }, or { command = { \"…\" } }")
		       : 0;
}

static int take_tls(lua_State *L, struct attach_tls *out, const char *where, const struct field *f,
		    struct err *e)
{
	if (lua_isboolean(L, -1) && !lua_toboolean(L, -1)) {
		out->off = true;
		return 0;
	}
	if (lua_isnil(L, -1))
		return 0;
	if (!lua_istable(L, -1))
		return refuse_field(e, where, f,
				    "= { ca = …, cert = …, key = …, server_name = … }, or false");
	out->given = true;
	if (take_inner(L, f->of, out, where, f->name, e) < 0)
		return -1;
	return !out->cert[0] != !out->key[0] ? refuse_field(e, where, f, "needs both cert and key")
					     : 0;
}

static int take_id(lua_State *L, uint64_t *out, const char *where, const struct field *f,
		   struct err *e)
{
	char id[24];

	if (take_text(L, id, sizeof(id), where, f, e) < 0)
		return -1;
	return *id && (!tso_parse(id, out) || !*out)
		       ? err_set(e, ERR_USAGE, 0,
				 "%s: cluster_id must be the number that PD reports, in quotes: "
				 "\"7712997407283468988\"",
				 where)
		       : 0;
}

static int take_one(lua_State *L, const struct field *f, char *to, const char *where, struct err *e)
{
	char text[16];

	switch (f->kind) {
	case TEXT: return take_text(L, to + f->at, f->room, where, f, e);
	case URL: return take_url(L, to + f->at, f->room, where, f, e);
	case ALLOW: return take_allow(L, (unsigned *)(void *)(to + f->at), where, f, e);
	case COMMAND: return take_command(L, (char **)(void *)(to + f->at), where, f, e);
	case ID: return take_id(L, (uint64_t *)(void *)(to + f->at), where, f, e);
	case TLS: return take_tls(L, (void *)(to + f->at), where, f, e);
	case SECRET:
		return take_secret(L, to + f->at, f->room, (void *)(to + f->beside), where, f, e);
	case FLAG:
		*(bool *)(to + f->at) = lua_toboolean(L, -1);
		return lua_isboolean(L, -1) || lua_isnil(L, -1)
			       ? 0
			       : refuse_field(e, where, f, "is true or false");
	case PORT:
		if (lua_isnumber(L, -1) && lua_tonumber(L, -1) >= 1 &&
		    lua_tonumber(L, -1) <= 65535 &&
		    lua_tonumber(L, -1) == (unsigned)lua_tonumber(L, -1))
			*(unsigned *)(void *)(to + f->at) = (unsigned)lua_tonumber(L, -1);
		else if (!lua_isnil(L, -1))
			return refuse_field(e, where, f, "is a number from 1 to 65535");
		else
			*(unsigned *)(void *)(to + f->at) = 4000;
		return 0;
	case SERVER:
		if (take_text(L, text, sizeof(text), where, f, e) < 0)
			return -1;
		*(bool *)(to + f->at) = *text == 'm';
		return !*text || !strcmp(text, "tidb") || !strcmp(text, "mysql")
			       ? 0
			       : refuse_field(e, where, f,
					      "is \"tidb\" or \"mysql\" (MariaDB too)");
	case TABLE:
		if (lua_isnil(L, -1))
			return 0;
		if (!lua_istable(L, -1))
			return refuse_field(e, where, f, "is a table");
		if (f->room)
			*(bool *)(to + f->at) = true;
		return take_inner(L, f->of, to, where, f->name, e);
	}
	return 0;
}

/* The table at the top of the stack, a field of the one that is called `where`. */
static int take_inner(lua_State *L, const struct field *fields, void *to, const char *where,
		      const char *name, struct err *e)
{
	char inner[480];

	snprintf(inner, sizeof(inner), "%.400s: %s", where, name);
	return allow_only(L, fields, inner, e) < 0 ? -1 : take_fields(L, fields, to, inner, e);
}

static int take_fields(lua_State *L, const struct field *fields, void *to, const char *where,
		       struct err *e)
{
	int rc = 0;

	for (const struct field *f = fields; rc == 0 && f->name; f++) {
		lua_getfield(L, -1, f->name);
		rc = take_one(L, f, to, where, e);
		lua_pop(L, 1);
	}
	return rc;
}

static int read_cluster(lua_State *L, struct attach_cluster *c, const char *path, struct err *e)
{
	char where[400];

	snprintf(where, sizeof(where), "%.300s: cluster %s", path, c->name);
	return allow_only(L, cluster_fields, where, e) < 0 ||
			       take_fields(L, cluster_fields, c, where, e) < 0 ||
			       agree_cluster(c, where, e) < 0
		       ? -1
		       : 0;
}

static int read_clusters(lua_State *L, struct attach_file *f, const char *path, struct err *e)
{
	lua_pushnil(L);
	while (lua_next(L, -2)) {
		const char *name = text_at(L, -2) ? text_at(L, -2) : "";
		struct attach_cluster *c = &f->c[f->n];
		const struct field *k = file_fields;

		while (k->name && strcmp(k->name, name) != 0)
			k++;
		if (k->name) {
			lua_pop(L, 1);
			continue;
		}
		if (!*name)
			return err_set(
				e, ERR_USAGE, 0,
				"%s: an entry has no name: each cluster is NAME = { sql = … }",
				path);
		if (strlen(name) > 40 ||
		    strspn(name,
			   "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") !=
			    strlen(name) ||
		    !lua_istable(L, -1))
			return err_set(
				e, ERR_USAGE, 0,
				"%s: '%.40s' is neither a cluster (name = { sql = … }) nor backup, changefeed, redo, "
				"redo_time_zone or store",
				path, name);
		if (f->n == ATTACH_CLUSTERS_MAX)
			return err_set(e, ERR_USAGE, 0, "%s: more than %d clusters", path,
				       ATTACH_CLUSTERS_MAX);
		strcpy(c->name, name);
		f->n++;
		if (read_cluster(L, c, path, e) < 0)
			return -1;
		lua_pop(L, 1);
	}
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct attach_cluster *)a)->name,
		      ((const struct attach_cluster *)b)->name);
}

static int read_table(lua_State *L, struct attach_file *f, const char *path, struct err *e)
{
	char where[320];

	snprintf(where, sizeof(where), "%.300s", path);
	if (!lua_istable(L, -1))
		return err_set(
			e, ERR_USAGE, 0,
			"%s: it must end with: return { primary = { sql = … }, secondary = … }",
			where);
	if (take_fields(L, file_fields, f, where, e) < 0)
		return -1;
	if (strspn(f->redo_time_zone,
		   "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-:/_") !=
	    strlen(f->redo_time_zone))
		return err_set(
			e, ERR_USAGE, 0,
			"%s: redo_time_zone '%.64s' is not a time zone such as \"+08:00\" or "
			"\"Asia/Shanghai\"",
			where, f->redo_time_zone);
	if (!names_variables(L) && agree_places(f, where, e) < 0)
		return -1;
	if (read_clusters(L, f, where, e) < 0)
		return -1;
	qsort(f->c, f->n, sizeof(f->c[0]), by_name);
	if (!names_variables(L) && agree_servers(f, where, e) < 0)
		return -1;
	return f->n ? 0 : err_set(e, ERR_USAGE, 0, "%s: it names no cluster", where);
}

/* A secret that is written out in the file, not the environment's. */
static bool is_literal(const char *source, const char *secret)
{
	char *one = xstrfmt("\"%s\"", secret), *other = xstrfmt("'%s'", secret);
	bool yes = *secret && (strstr(source, one) || strstr(source, other));

	free(one);
	free(other);
	return yes;
}

static void look_at_literals(struct attach_file *f, const char *path, const char *source)
{
	static const char key[] = "secret-access-key=";
	bool has = false;

	for (const char *p = source; (p = strstr(p, key)); p++)
		has |= !strchr("\"'", p[sizeof(key) - 1]);
	for (size_t i = 0; i < f->n; i++)
		has |= is_literal(source, f->c[i].sql.password) ||
		       is_literal(source, f->c[i].sink_password);
	if (has)
		attach_note_loose(f, path, "a password");
}

static int read_file(struct attach_file *f, const char *path, lua_CFunction env, struct err *e)
{
	struct strbuf source = STRBUF_INIT, unset = STRBUF_INIT;
	lua_State *L = lua_state_new(MEMORY_BYTES_MAX);
	char chunk[320];
	int rc = -1, broken;

	memset(f, 0, sizeof(*f));
	if (!L) {
		err_set(e, ERR_ENV, 0, "cannot start LuaJIT");
		goto out;
	}
	if (fs_read_file(path, ATTACH_FILE_BYTES_MAX, &source, e) < 0) {
		if (e)
			e->kind = ERR_USAGE;
		err_wrap(e, "--clusters");
		goto out;
	}
	strbuf_drop_bom(&source);
	lua_pushboolean(L, env == name_env);
	lua_setfield(L, LUA_REGISTRYINDEX, NAMES_VARIABLES);
	lua_pushlightuserdata(L, &unset);
	lua_pushcclosure(L, env, 1);
	lua_setglobal(L, "env");
	lua_sethook(L, end_long_file, LUA_MASKCOUNT, STEPS_MAX);
	snprintf(chunk, sizeof(chunk), "@%.300s", path);
	if (source.len && source.buf[0] == 033) { /* bytecode is not checked by the loader */
		err_set(e, ERR_USAGE, 0, "%.300s: must be Lua source", path);
		goto out;
	}
	broken = luaL_loadbuffer(L, source.buf, source.len, chunk);
	broken = broken ? broken : lua_pcall(L, 0, 1, 0);
	if (unset.len) {
		err_set(e, ERR_USAGE, 0, "%.300s: not set in the environment: %s", path, unset.buf);
		goto out;
	}
	if (broken == LUA_ERRMEM) {
		err_set(e, ERR_USAGE, 0,
			"%.300s: the file needs more than %zu MiB of memory: it should only return "
			"a table",
			path, MEMORY_BYTES_MAX >> 20);
		goto out;
	}
	if (broken) {
		const char *why =
			lua_tostring(L, -1) ? lua_tostring(L, -1) : "an error that is not text";

		err_set(e, ERR_USAGE, 0, "%s%s", why,
			strstr(why, "a nil value")
				? " (a clusters file has no libraries; env \"NAME\" is a variable of the environment)"
			: broken == LUA_ERRSYNTAX
				? " (a clusters file is Lua: return { primary = { sql = … } })"
				: "");
		goto out;
	}
	if (agree_once(source.buf, source.len, path, e) < 0)
		goto out;
	rc = read_table(L, f, path, e);
	if (rc == 0)
		look_at_literals(f, path, source.buf);
out:
	lua_state_close(L);
	memset(source.buf, 0, source.len);
	strbuf_release(&source);
	strbuf_release(&unset);
	if (rc < 0)
		attach_file_release(f);
	return rc;
}

int attach_file_read(struct attach_file *f, const char *path, struct err *e)
{
	return read_file(f, path, get_env, e);
}

int attach_file_read_named(struct attach_file *f, const char *path, struct err *e)
{
	return read_file(f, path, name_env, e);
}

void attach_file_release(struct attach_file *f)
{
	for (size_t i = 0; i < f->n; i++) {
		for (unsigned k = 0; k < ATTACH_COMMANDS; k++)
			attach_words_free(f->c[i].command[k]);
		attach_words_free(f->c[i].password.command);
		attach_words_free(f->c[i].sink_secret.command);
	}
	memset(f, 0, sizeof(*f));
}

struct http_tls attach_http_tls(const struct attach_cluster *c)
{
	return (struct http_tls){ c->tls.ca, c->tls.cert, c->tls.key, c->tls.server_name };
}

/* ---- docs/CLUSTERS.md */

static void add_rows(struct strbuf *out, const struct field *fields, const char *prefix)
{
	static const char *const kinds[] = {
		[TEXT] = "text",
		[URL] = "URL",
		[FLAG] = "true, false",
		[PORT] = "number",
		[ID] = "text",
		[SERVER] = "text",
		[ALLOW] = "list",
		[COMMAND] = "list",
		[SECRET] = "text or table",
		[TLS] = "table or `false`",
		[TABLE] = "table",
	};

	for (const struct field *f = fields; f->name; f++) {
		char deeper[80];

		strbuf_addf(out, "| `%s%s` | %s | %s |\n", prefix, f->name, kinds[f->kind],
			    f->means);
		snprintf(deeper, sizeof(deeper), "%s%s.", prefix, f->name);
		if (f->kind == TABLE)
			add_rows(out, f->of, deeper);
	}
}

void attach_file_reference(struct strbuf *out)
{
	strbuf_addstr(out, "| field of the file | is | means |\n| --- | --- | --- |\n");
	add_rows(out, file_fields, "");
	strbuf_addstr(
		out,
		"| any other name | table | a cluster; scenarios ask for `primary`, `secondary`, "
		"`scratch`, `new-primary`, `secondary-twin` |\n");
	strbuf_addstr(out, "\n| field of a cluster | is | means |\n| --- | --- | --- |\n");
	add_rows(out, cluster_fields, "");
	strbuf_addstr(out, "\n| field of a `tls` | is | means |\n| --- | --- | --- |\n");
	add_rows(out, tls_fields, "");
}

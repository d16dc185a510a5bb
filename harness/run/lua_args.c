#include "harness/run/lua_args.h"

#include <assert.h>
#include <lauxlib.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "harness/base/clock.h"
#include "harness/base/nearest.h"
#include "harness/run/runtime.h"

#define ERROR_METATABLE "drtest.error"
#define NAMES_MAX 128

/* ---- errors */

int lua_raise(lua_State *L, const struct err *e)
{
	struct err *u = lua_newuserdata(L, sizeof(*u));

	*u = *e;
	luaL_getmetatable(L, ERROR_METATABLE);
	lua_setmetatable(L, -2);
	return lua_error(L);
}

void lua_script_line(lua_State *L, char *out, size_t size)
{
	lua_Debug ar;

	*out = '\0';
	for (int level = 1; lua_getstack(L, level, &ar); level++) {
		lua_getinfo(L, "Sl", &ar);
		if (ar.source[0] == '@' && ar.currentline > 0) {
			snprintf(out, size, "%.300s:%d: ", ar.source + 1, ar.currentline);
			return;
		}
	}
}

/* Begins with the script's line, if a script called. */
static void usage_text(lua_State *L, struct err *e, const char *fmt, va_list ap)
{
	size_t n;

	lua_script_line(L, e->text, sizeof(e->text));
	n = strlen(e->text);
	vsnprintf(e->text + n, sizeof(e->text) - n, fmt, ap);
}

int lua_usage(lua_State *L, const char *fmt, ...)
{
	struct err e = { .kind = ERR_USAGE };
	va_list ap;

	va_start(ap, fmt);
	usage_text(L, &e, fmt, ap);
	va_end(ap);
	return lua_raise(L, &e);
}

bool lua_called_by_script(lua_State *L, lua_Debug *ar)
{
	lua_Debug caller;

	for (int level = 0; lua_getstack(L, level + 1, &caller); level++) {
		lua_getinfo(L, "Sl", &caller);
		if (caller.source[0] == '@' && caller.currentline > 0)
			return lua_getstack(L, level, ar) && lua_getinfo(L, "n", ar) && ar->name;
	}
	return false;
}

int lua_misspelt(lua_State *L, const char *fmt, ...)
{
	struct err e = { .kind = ERR_USAGE, .code = LUA_MISSPELT };
	va_list ap;

	va_start(ap, fmt);
	usage_text(L, &e, fmt, ap);
	va_end(ap);
	return lua_raise(L, &e);
}

const struct err *lua_error_at(lua_State *L, int index)
{
	const struct err *u = lua_touserdata(L, index);
	bool is;

	if (!u || !lua_getmetatable(L, index))
		return NULL;
	luaL_getmetatable(L, ERROR_METATABLE);
	is = lua_rawequal(L, -1, -2);
	lua_pop(L, 2);
	return is ? u : NULL;
}

static int error_text(lua_State *L)
{
	const struct err *e = luaL_checkudata(L, 1, ERROR_METATABLE);

	lua_pushstring(L, e->text);
	return 1;
}

/* ---- a call's table of fields */

static int wrong_field(lua_State *L, const char *what, const char *name, const char *want)
{
	return lua_usage(L, "%s: %s must be %s, not %s", what, name, want, luaL_typename(L, -1));
}

static void take_field(lua_State *L, const char *what, const struct field *f)
{
	double n;
	int64_t ms;

	switch (f->type) {
	case FIELD_TEXT:
		if (lua_type(L, -1) != LUA_TSTRING)
			wrong_field(L, what, f->name, "text");
		*(const char **)f->out =
			lua_tostring(L, -1); /* stays alive in the caller's table */
		break;
	case FIELD_NUMBER:
	case FIELD_WHOLE:
		if (lua_type(L, -1) != LUA_TNUMBER)
			wrong_field(L, what, f->name, "a number");
		n = lua_tonumber(L, -1);
		if (f->type == FIELD_NUMBER) {
			*(double *)f->out = n;
			break;
		}
		if (!(n >= 0 && n <= 9007199254740992.0) || n != (double)(int64_t)n)
			lua_usage(L, "%s: %s must be a whole number of at least 0, not %g", what,
				  f->name, n);
		*(int64_t *)f->out = (int64_t)n;
		break;
	case FIELD_FLAG:
		if (lua_type(L, -1) != LUA_TBOOLEAN)
			wrong_field(L, what, f->name, "true or false");
		*(bool *)f->out = lua_toboolean(L, -1);
		break;
	case FIELD_DURATION_MS:
		ms = lua_type(L, -1) == LUA_TSTRING ? duration_parse_ms(lua_tostring(L, -1)) : -1;
		if (ms < 0)
			wrong_field(L, what, f->name, "a duration such as \"20s\"");
		*(int64_t *)f->out = ms;
		break;
	case FIELD_ANY: break;
	}
}

static void no_field(lua_State *L, const char *what, const char *name, const struct field *fields)
{
	const char *names[NAMES_MAX], *meant;
	char known[400] = "";
	size_t n = 0;

	for (const struct field *f = fields; f->name && n < NAMES_MAX; f++) {
		snprintf(known + strlen(known), sizeof(known) - strlen(known), "%s%s",
			 n ? ", " : "", f->name);
		names[n++] = f->name;
	}
	meant = nearest(name, names, n);
	lua_usage(L,
		  meant ? "%s: unknown field '%s': did you mean '%s'?"
			: "%s: unknown field '%s' (known: %s)",
		  what, name, meant ? meant : known);
}

void lua_fields(lua_State *L, int index, const char *what, const struct field *fields)
{
	if (lua_isnoneornil(L, index))
		return;
	if (!lua_istable(L, index))
		lua_usage(L, "%s needs a table of named values, not %s", what,
			  luaL_typename(L, index));
	lua_pushnil(L);
	while (lua_next(L, index)) {
		const struct field *f = fields;

		if (lua_type(L, -2) != LUA_TSTRING) {
			lua_pop(L, 1); /* positional values are the caller's */
			continue;
		}
		while (f->name && strcmp(f->name, lua_tostring(L, -2)) != 0)
			f++;
		if (!f->name)
			no_field(L, what, lua_tostring(L, -2), fields);
		take_field(L, what, f);
		lua_pop(L, 1);
	}
}

/* ---- objects */

#define PREFIX "drtest." /* of each metatable's name */

/* The name under which the running function is a method of the metatable's objects; NULL: it is
 * none. It stays alive with the table. */
static const char *method_name(lua_State *L, const char *metatable)
{
	const char *name = NULL;
	lua_Debug ar;
	int top = lua_gettop(L);

	if (!lua_getstack(L, 0, &ar) || !lua_getinfo(L, "f", &ar))
		return NULL;
	luaL_getmetatable(L, metatable);
	lua_getfield(L, -1, "__index");
	lua_pushnil(L);
	while (lua_istable(L, top + 3) && !name && lua_next(L, top + 3)) {
		if (lua_rawequal(L, -1, top + 1) && lua_type(L, -2) == LUA_TSTRING)
			name = lua_tostring(L, -2);
		lua_pop(L, 1);
	}
	lua_settop(L, top);
	return name;
}

void *lua_object(lua_State *L, int index, const char *metatable)
{
	const char *kind = metatable + strlen(PREFIX), *method;
	void *u = lua_touserdata(L, index);
	lua_Debug ar = { 0 };
	bool is = false;
	int place = index;

	if (u && lua_getmetatable(L, index)) {
		luaL_getmetatable(L, metatable);
		is = lua_rawequal(L, -1, -2);
		lua_pop(L, 2);
	}
	if (is)
		return u;
	method = index == 1 ? method_name(L, metatable) : NULL;
	if (method)
		lua_misspelt(L, "%s is a method of a %s: call it with a colon, %s:%s(…)", method,
			     kind, kind, method);
	if (index > 1 && lua_getstack(L, 0, &ar) && lua_getinfo(L, "n", &ar) &&
	    !strcmp(ar.namewhat, "method"))
		place--; /* its object stands before the colon */
	if (!lua_called_by_script(L, &ar))
		ar.name = "this call";
	if (index < 0)
		lua_usage(L, "%s needs a %s, not %s", ar.name, kind, luaL_typename(L, index));
	lua_usage(L, "argument %d of %s must be a %s, not %s", place, ar.name, kind,
		  luaL_typename(L, index));
	return NULL; /* not reached */
}

int lua_no_name(lua_State *L, const char *owner, const char *name, int index)
{
	const char *names[NAMES_MAX], *meant;
	size_t n = 0;

	lua_pushnil(L);
	while (n < NAMES_MAX && lua_next(L, index)) {
		if (lua_type(L, -2) == LUA_TSTRING)
			names[n++] = lua_tostring(L, -2); /* stays alive in the table */
		lua_pop(L, 1);
	}
	meant = nearest(name, names, n);
	return meant ? lua_misspelt(L, "%s has no '%s': did you mean '%s'?", owner, name, meant)
		     : lua_misspelt(L, "%s has no '%s' (docs/SCENARIOS.md)", owner, name);
}

static int no_method(lua_State *L)
{
	return lua_no_name(L, lua_tostring(L, lua_upvalueindex(1)),
			   lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "?", 1);
}

void lua_class(lua_State *L, const char *metatable, const char *kind, lua_CFunction text,
	       const luaL_Reg *methods)
{
	luaL_newmetatable(L, metatable);
	if (text) {
		lua_pushcfunction(L, text);
		lua_setfield(L, -2, "__tostring");
	}
	lua_newtable(L);
	luaL_register(L, NULL, methods);
	lua_newtable(L);
	lua_pushfstring(L, "a %s", kind);
	lua_pushcclosure(L, no_method, 1);
	lua_setfield(L, -2, "__index");
	lua_setmetatable(L, -2);
	lua_pushvalue(L, -1);
	lua_setfield(L, -3, "__index");
	lua_remove(L, -2);
}

/* ---- names of the version before */

#define TOLD "drtest.renamed" /* in the registry: the old names that were told */

void lua_set_number(lua_State *L, const char *name, double value)
{
	lua_pushnumber(L, value);
	lua_setfield(L, -2, name);
}

void lua_tell_renamed(lua_State *L, const char *old, const char *now)
{
	bool told;

	luaL_newmetatable(L, TOLD);
	lua_getfield(L, -1, old);
	told = lua_toboolean(L, -1);
	lua_pushboolean(L, true);
	lua_setfield(L, -3, old);
	lua_pop(L, 2);
	if (!told)
		runtime_note(runtime_of(L), "%s is now %s; the next version removes the old name",
			     old, now);
}

static int call_renamed(lua_State *L)
{
	lua_tell_renamed(L, lua_tostring(L, lua_upvalueindex(1)),
			 lua_tostring(L, lua_upvalueindex(2)));
	lua_pushvalue(L, lua_upvalueindex(3));
	lua_insert(L, 1);
	lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
	return lua_gettop(L);
}

void lua_rename_method(lua_State *L, const char *kind, const char *old, const char *now)
{
	lua_pushfstring(L, "%s:%s", kind, old);
	lua_pushfstring(L, "%s:%s", kind, now);
	lua_getfield(L, -3, now);
	assert(lua_isfunction(L, -1));
	lua_pushcclosure(L, call_renamed, 3);
	lua_setfield(L, -2, old);
}

void lua_rename_field(lua_State *L, int index, const char *what, const char *old, const char *now)
{
	char before[64], after[64];

	if (!lua_istable(L, index))
		return;
	lua_getfield(L, index, old);
	if (lua_isnil(L, -1)) {
		lua_pop(L, 1);
		return;
	}
	snprintf(before, sizeof(before), "%s's %s", what, old);
	snprintf(after, sizeof(after), "%s", now);
	lua_tell_renamed(L, before, after);
	lua_setfield(L, index, now);
	lua_pushnil(L);
	lua_setfield(L, index, old);
}

void lua_args_open(lua_State *L)
{
	luaL_newmetatable(L, ERROR_METATABLE);
	lua_pushcfunction(L, error_text);
	lua_setfield(L, -2, "__tostring");
	lua_pop(L, 1);
}

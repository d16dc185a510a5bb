/* Arguments and results of bindings: errors through Lua, tables of fields, old names. */
#ifndef HARNESS_RUN_LUA_ARGS_H
#define HARNESS_RUN_LUA_ARGS_H

#include <lauxlib.h>
#include <lua.h>
#include <stdbool.h>

#include "harness/base/err.h"

/* An error is raised as userdata that carries the err; never returns. */
int lua_raise(lua_State *L, const struct err *e);
/* a wrong call in the script: begins with its line */
int lua_usage(lua_State *L, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The same for a name that does not exist, with its place in the script: such an error does not
 * depend on what a run brings, so the plan before the run finds it (its code is LUA_MISSPELT). */
#define LUA_MISSPELT 1
/* The call in the script's own file that led here: its name in ar->name. false: there is none. */
bool lua_called_by_script(lua_State *L, lua_Debug *ar);
/* "mine.lua:12: ", of the innermost line of a script's file, where drtest's own Lua has no place;
 * "".
 */
void lua_script_line(lua_State *L, char *out, size_t size);
#define LUA_OWN_CHUNK "[drtest] " /* begins the name of each chunk of drtest's own Lua */
int lua_misspelt(lua_State *L, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
const struct err *lua_error_at(lua_State *L, int index); /* NULL: no such userdata */

/* Reads optional fields of the table at index; an unknown field or a wrong type is a usage error of
 * the script. */
enum field_type { FIELD_TEXT, FIELD_NUMBER, FIELD_WHOLE, FIELD_FLAG, FIELD_DURATION_MS, FIELD_ANY };
struct field {
	const char *name; /* NULL ends a list */
	enum field_type type;
	/* const char **, double *, int64_t *, bool *, int64_t *; FIELD_ANY: unused, the caller
	 * fetches it */
	void *out;
};
void lua_fields(lua_State *L, int index, const char *what, const struct field *fields);
/* a field of the table on top */
void lua_set_number(lua_State *L, const char *name, double value);

/* ---- objects: userdata with a metatable "drtest.KIND" */

/* The object at index; anything else is a wrong call, also a method that is called with a dot. */
void *lua_object(lua_State *L, int index, const char *metatable);
/* Makes the metatable of a kind, "cluster": its methods, which stay on top, for
 * lua_rename_method(), and what tostring() gives (NULL: nothing of its own). A name that they lack
 * is an error, with the one that was probably meant. */
void lua_class(lua_State *L, const char *metatable, const char *kind, lua_CFunction text,
	       const luaL_Reg *methods);
/* For objects that are tables: owner ("a fault", "t") has no such name; those that there are, are
 * the keys of the table at index. */
int lua_no_name(lua_State *L, const char *owner, const char *name, int index);

/* ---- names of the version before: they work, and the new name is told once a run */

/* "note: OLD is now NOW: …", the first time that this OLD is told. */
void lua_tell_renamed(lua_State *L, const char *old, const char *now);
/* The table on top has the function `now`: gives it the old name too. kind: "cluster". */
void lua_rename_method(lua_State *L, const char *kind, const char *old, const char *now);
/* The table at index: its field `old`, where there is one, becomes `now`. */
void lua_rename_field(lua_State *L, int index, const char *what, const char *old, const char *now);
/* Makes errors known to a state: before anything of the others is called. */
void lua_args_open(lua_State *L);

#endif

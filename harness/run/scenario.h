/* A scenario file: read and checked, with its description and options; only its top level has run.
 */
#ifndef HARNESS_RUN_SCENARIO_H
#define HARNESS_RUN_SCENARIO_H

#include "harness/base/err.h"
#include "harness/run/runtime.h"

#define SCENARIO_BYTES_MAX ((size_t)1 << 20)
#define SCENARIO_OPTIONS_MAX 64

struct scenario_option {
	char *name, *value, *help; /* value: the default as text */
};
struct scenario {
	lua_State *L;
	char *path, *name;
	char *sentence; /* the file's first comment, on one line; "" when it has none */
	char *source;
	size_t source_bytes;
	struct scenario_option option[SCENARIO_OPTIONS_MAX];
	size_t n_options;
	/* in the registry: what scenario.lua returned, the scenario's table */
	int api_ref, table_ref;
};
/* ERR_USAGE naming file and line: absent, a syntax error, a wrong form. r is what the natives will
 * see. */
int scenario_open(struct scenario *s, const char *path, struct runtime *r,
		  const struct runtime_module *modules, struct err *e);
/* What the scenario's `needs` names and this machine or ground lacks ("store": a store that is a
 * server, which can be killed or cut off): fn is told of each. Returns
 * their number; -1: ERR_USAGE, it names a thing that nobody knows. */
int scenario_needs(struct scenario *s, const struct ground *ground, bool store_serves,
		   const struct runtime_module *modules,
		   void (*fn)(void *arg, const char *what, const char *way_out), void *arg,
		   struct err *e);
/* Options by their types: set is a NULL-terminated list of "name=value". Their final texts replace
 * option[].value. Leaves the typed table on the stack. */
int scenario_options(struct scenario *s, const char *const *set, struct err *e);
/* Calls run(t, opt); the options' table is on the stack. -1: *e; *traceback (the caller's to free;
 * NULL none) has the script's lines. */
int scenario_run(struct scenario *s, struct err *e, char **traceback);
void scenario_close(struct scenario *s);

#endif

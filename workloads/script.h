/* A load's Lua file in one Lua state: its form checked, its statements read, and what its functions
 * are given: `con`, a connection in one of three ways (a worker's own, that suspends the coroutine;
 * prepare's, that waits; the model's, that only writes down), and `r`, the transaction's random
 * numbers and tagged digits. */
#ifndef WORKLOADS_SCRIPT_H
#define WORKLOADS_SCRIPT_H

#include <lua.h>
#include <stdbool.h>

#include "harness/sql/sql.h"
#include "harness/verify/audit_model.h"
#include "workloads/digits.h"
#include "workloads/dist.h"

#define SCRIPT_STATEMENTS_MAX 64
#define SCRIPT_ARGS_MAX 24

enum arg_role { ARG_NONE, ARG_ID, ARG_K, ARG_C, ARG_PAD };
struct script_statement {
	char name[33];
	char *sql; /* at most one %d: the table's number */
	bool per_table;
	unsigned n_args; /* question marks */
	bool rows;       /* `rows = true`: event() gets what it reads */
	bool reads;      /* a SELECT, for the report's classes */
	bool audited;    /* it has an effect for the model */
	enum audit_op_kind effect;
	enum arg_role role[SCRIPT_ARGS_MAX];
};

/* What a transaction draws: a function of (seed, worker, sequence) alone. */
struct draw {
	uint64_t seed;
	struct dist dist;
	uint32_t tables; /* written to */
	int64_t table_size;
	bool ledger; /* each transaction ends with its drtest_ledger row */
	struct rng rng;
	uint32_t worker;
	uint64_t seq;
	struct digits_tag tag; /* worker and sequence; statement counts what was executed */
};
void draw_begin(struct draw *d, uint32_t worker, uint64_t seq);

/* What the script says to its connection. */
enum con_verb { CON_BEGIN, CON_EXECUTE, CON_QUERY, CON_COMMIT, CON_ROLLBACK };
struct con_call {
	enum con_verb verb;
	unsigned statement; /* index; CON_EXECUTE */
	uint32_t table;
	unsigned n_args;
	bool rows; /* what it reads goes back to event() */
	struct con_arg {
		bool is_text;
		int64_t number;
		char *text; /* in the call's own buffer */
		unsigned long len;
	} arg[SCRIPT_ARGS_MAX];
	struct strbuf text; /* arguments' bytes, or the query */
};
struct con_face {
	/* A worker's call is left in `call` and the coroutine yields. */
	enum { CON_SUSPENDS, CON_WAITS, CON_RECORDS } way;
	struct draw *draw; /* whose statement counter runs */
	struct con_call call;
	struct sql *sql;          /* CON_WAITS */
	struct deadline deadline; /* CON_WAITS */
	struct err error;         /* CON_WAITS: what the server said */
	struct audit_op *ops;     /* CON_RECORDS */
	size_t n_ops;
	/* con:note()'s: JSON arrays with commas between; NULL: not kept */
	struct strbuf *notes;
	const struct script *script;
};

struct script {
	lua_State *L;
	char name[65];
	char *description;
	struct script_statement statement[SCRIPT_STATEMENTS_MAX];
	unsigned n_statements;
	/* LUA_NOREF: absent */
	int names_ref, event_ref, prepare_ref, schema_ref, row_ref, checks_ref, tables_ref,
		options_ref, opt_ref;
	/* the option that says how often prepare() is called; "": once a table */
	char units[33];
	/* the check of histories that this load is written for: "append", "bank"; "" none */
	char check[33];
	/* SQL: each worker's last sequence in the tables, so that none is used twice; NULL none */
	char *sequences;
	/* each transaction writes its drtest_ledger row, asked for or not */
	bool ledger;
	char audit_prefix[33]; /* "": the load can't be audited */
};
/* name: an embedded load's, or a path (it has a slash or ends in .lua). set: NULL-terminated
 * "option=value", or NULL. */
int script_open(struct script *s, const char *name, const char *const *set, struct err *e);
/* For event(): a user's file is compiled too. Until then it is interpreted, so that clock_cancel()
 * ends its loops (ERR_CANCELLED). */
void script_compile(struct script *s);
void script_close(struct script *s);
/* A whole number among the options: -2 when there is no such number, -1 when it is not whole or not
 * from 1 to max. */
int64_t script_option(struct script *s, const char *name, int64_t max);
/* What it does and its options with their defaults and help, for people. */
int script_describe(const char *name, struct strbuf *out, struct err *e);
/* 1: the load has an option of that name, 0: it has not, -1: the load can't be read. */
int script_has_option(const char *load, const char *option);
/* Pushes `con` and `r` userdata on s->L; the faces must outlive the state. */
void script_push_con(struct script *s, struct con_face *c);
void script_push_draw(struct script *s, struct draw *d);
/* The error on top of L's stack into *e. */
int script_error(lua_State *L, const struct script *s, struct err *e);
/* Appends a statement's SQL for a table. */
void script_sql(const struct script_statement *st, uint32_t table, struct strbuf *out);
void con_face_release(struct con_face *c);

#endif

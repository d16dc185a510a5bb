/* A load's Lua file, opened in a Lua state of its own: script_open() checks its form and reads its
 * statements and options. Its functions get two objects: `con`, a connection, and `r`, the
 * transaction's random numbers and tagged digits. There are three kinds of `con`: a worker's
 * suspends the coroutine at each statement, prepare()'s waits for the server, and the model's only
 * records what would be executed. Use a script from one thread. Errors in the file are ERR_USAGE
 * with its name and line. */
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
	bool rows;       /* `rows = true`: event() gets the rows it reads */
	bool reads;      /* a SELECT: counted as a read */
	bool plain;      /* an INSERT, UPDATE, DELETE or REPLACE that returns no rows */
	bool audited;    /* the model knows its effect */
	enum audit_op_kind effect;
	enum arg_role role[SCRIPT_ARGS_MAX];
};

/* The random choices of a transaction: a function of (seed, worker, sequence) alone. */
struct draw {
	uint64_t seed;
	struct dist dist;
	uint32_t tables; /* that transactions write to */
	int64_t table_size;
	bool ledger; /* each transaction ends by writing its row of drtest_ledger */
	struct rng rng;
	uint32_t worker;
	uint64_t seq;
	struct digits_tag tag; /* worker, sequence, and the number of the statement */
};
void draw_begin(struct draw *d, uint32_t worker, uint64_t seq);

/* A call of the script on `con`. */
enum con_verb { CON_BEGIN, CON_EXECUTE, CON_QUERY, CON_COMMIT, CON_ROLLBACK };
struct con_call {
	enum con_verb verb;
	unsigned statement; /* CON_EXECUTE: its index in script.statement */
	uint32_t table;
	unsigned n_args;
	bool rows;  /* event() gets the rows it reads */
	bool plain; /* as script_statement's */
	struct con_arg {
		bool is_text;
		int64_t number;
		char *text; /* in the call's own buffer */
		unsigned long len;
	} arg[SCRIPT_ARGS_MAX];
	struct strbuf text; /* arguments' bytes, or the query */
};
struct con_face {
	/* CON_SUSPENDS: the call is stored in `call`, and the coroutine yields */
	enum { CON_SUSPENDS, CON_WAITS, CON_RECORDS } way;
	struct draw *draw; /* its tag counts the statements */
	struct con_call call;
	struct sql *sql;          /* CON_WAITS */
	struct deadline deadline; /* CON_WAITS */
	struct err error;         /* CON_WAITS: the server's */
	struct audit_op *ops;     /* CON_RECORDS */
	size_t n_ops;
	/* from con:note(): JSON arrays, separated by commas; NULL: notes are not kept */
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
	/* name of the option that says how often prepare() is called; "": once for each table */
	char units[33];
	/* the isolation check that this load is written for: "append", "bank"; "": none */
	char check[33];
	/* a query for the last sequence number of each worker in the tables, so that a later run
	 * uses none of them twice; NULL: none */
	char *sequences;
	/* each transaction writes its row of drtest_ledger, also without --ledger-rows */
	bool ledger;
	char audit_prefix[33]; /* "": the load can't be audited */
};
/* name: of a built-in load, or a path (with a slash, or ending in .lua). set: a NULL-terminated
 * list of "option=value", or NULL. script_close() after a success. */
int script_open(struct script *s, const char *name, const char *const *set, struct err *e);
/* For event(): a user's file is compiled too. Until then it is interpreted, so that clock_cancel()
 * ends its loops (ERR_CANCELLED). */
void script_compile(struct script *s);
void script_close(struct script *s);
/* The value of an option that must be a whole number from 1 to max. -1: it is not; -2: the load has
 * no such option, or it is not a number. */
int64_t script_option(struct script *s, const char *name, int64_t max);
/* Its help text: what it does, its options with their defaults. */
int script_describe(const char *name, struct strbuf *out, struct err *e);
/* 1: the load has an option of that name; 0: it does not; -1: the load can't be read. */
int script_has_option(const char *load, const char *option);
/* Push `con` and `r` onto the stack of s->L; c and d must outlive the state. */
void script_push_con(struct script *s, struct con_face *c);
void script_push_draw(struct script *s, struct draw *d);
/* Moves the error on top of L's stack to *e; returns -1. */
int script_error(lua_State *L, const struct script *s, struct err *e);
/* Appends the statement's SQL for a table, with question marks. */
void script_sql(const struct script_statement *st, uint32_t table, struct strbuf *out);
void con_face_release(struct con_face *c);

#endif

/* One connection over the client library's non-blocking calls: an operation is started, then
 * continued whenever its socket is ready, until it is done. Nothing here waits. Commands without
 * rows in their answer go over its socket directly (wire.h), where that is in plain text. */
#ifndef WORKLOADS_CONN_H
#define WORKLOADS_CONN_H

#include <mysql.h>

#include "workloads/script.h"

#define LINK_ROWS_BYTES_MAX (64u << 20) /* what a script may read at once */

/* The rows of an answer that was asked for: n cells, row by row, their bytes in `bytes`, each with
 * a NUL behind it. */
struct conn_cell {
	size_t at, len;
	bool null, number;
};
struct conn_rows {
	struct strbuf bytes;
	struct conn_cell *cell;
	size_t n, room;
	unsigned columns;
};

enum conn_op {
	LINK_NONE,
	LINK_CONNECT,
	LINK_QUERY,
	LINK_STORE,
	LINK_NEXT,
	LINK_PREPARE,
	LINK_EXECUTE,
	LINK_STORE_STMT,
	LINK_CLOSE_STMT,
	LINK_COMMAND /* over the socket */
};
struct conn {
	MYSQL *m; /* NULL: not connected */
	enum conn_op op;
	int wait;           /* MYSQL_WAIT_* of the operation under way; 0: it is done */
	int64_t timeout_ns; /* CLOCK_MONOTONIC; when MYSQL_WAIT_TIMEOUT is among them */
	bool failed;        /* the operation's end: then code and text are set */
	int code;
	char text[512];
	uint64_t affected; /* rows changed, or rows read */
	bool gave_rows;    /* its answer had rows (perhaps none of them) */
	/* set before the operation is started: its (last) rows are kept in `rows` */
	bool want_rows;
	struct conn_rows rows;
	/* answers read of a query of several statements: a failure is statement `results`, from
	 * 0 */
	unsigned results;
	bool tidb;         /* the server is TiDB */
	uint64_t last_tso; /* TiDB: of the last commit whose position was asked; 0: none */
	/* TiDB: the commit TSO; else the sequence number from the last OK packet that told one;
	 * 0: none since conn_forget_gtid() */
	uint64_t last_gtid;
	/* statements, prepared when first used: [statement * (tables + 1) + table], and last
	 * drtest_ledger's */
	MYSQL_STMT **stmt, *current;
	size_t n_stmts;
	struct con_call *call;               /* the call being executed */
	const struct sql_endpoint *endpoint; /* of conn_connect(): the caller's, and lives on */
	struct strbuf sql_text;
	bool plain_text; /* the socket carries the protocol as it is: no TLS, not compressed */
	struct strbuf out, in; /* a command, its answer */
	size_t sent;
	bool hung_up; /* the socket's end was seen, which is told once: no read may wait for it */
	MYSQL *ret_m;
	MYSQL_RES *ret_res;
	my_bool ret_bool;
	int ret;
	int fd, watched_fd; /* -1: not connected, none */
};

/* Each starts an operation: `wait` tells whether it is already done. */
/* multi: several statements in one query */
void conn_connect(struct conn *l, const struct sql_endpoint *ep, const char *db, bool multi);
void conn_query(struct conn *l, const char *text, size_t n); /* text must live until it is done */
/* The same, of one statement whose answer has no rows. */
void conn_command(struct conn *l, const char *text, size_t n);
/* prepares it first where that is new */
void conn_execute(struct conn *l, size_t slot, const char *sql, struct con_call *call);
void conn_continue(struct conn *l, int ready);
/* breaks the socket: the operation under way ends with an error at its next continuation */
void conn_cut(struct conn *l);
void conn_release(struct conn *l); /* at the end of all: the memory that conn_close() keeps */
/* also frees statements; a zeroed one is fine. No operation may be under way, or it is abandoned */
void conn_close(struct conn *l);

#endif

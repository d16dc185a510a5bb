/* What the files of the binary log's reader share: binlog.c reads the stream and delivers
 * transactions, binlog_tables.c knows the tables and takes their rows, binlog_ddl.c judges DDLs. */
#ifndef HARNESS_BINLOG_BINLOG_IMPL_H
#define HARNESS_BINLOG_BINLOG_IMPL_H

#include "harness/binlog/binlog.h"
#include "harness/binlog/binlog_event.h"
#include "harness/binlog/ddl_words.h"
#include "harness/binlog/netting.h"
#include "harness/binlog/row_image.h"
#include "harness/binlog/savepoints.h"

/* A reason for leaving a table out. */
#define SELECTED                                                                                \
	"created by CREATE TABLE .. SELECT, whose rows cannot be replicated: create the table " \
	"first, then INSERT .. SELECT"

struct map_entry {
	uint64_t id;
	struct strbuf body;    /* the event: the same bytes mean the same table */
	struct row_plan *plan; /* NULL: a table whose changes are left out */
	unsigned generation;
};
struct binlog {
	struct binlog_opts o;
	struct sql *conn;
	struct st_mariadb_rpl *rpl;
	enum binlog_checksum checksum;
	uint64_t last_seq;  /* delivered */
	struct err failure; /* after an error nothing more comes */

	bool in_group;
	/* the group ended in ROLLBACK: rows of tables without transactions are all that is left
	 * of it */
	bool only_lasting;
	struct binlog_gtid gtid;
	/* of the group at hand: skip_server_id's; it was there before after_seq */
	bool elsewhere, passed;

	struct map_entry *maps;
	size_t n_maps, maps_alloc;
	unsigned generation;
	struct row_plan **retired; /* replaced while the transaction at hand may still use them */
	size_t n_retired, retired_alloc;

	struct charsets *charsets; /* the plans' */
	struct netting *net;
	struct savepoints *savepoints;
	struct row_plan **tables; /* of this transaction, by the net changes' table numbers */
	size_t n_tables, tables_alloc;
	struct strbuf image[2], key[2];
	bool more;                  /* rows of the transaction delivered last are left */
	struct net_change *changes; /* of the batch at hand: those from `at` on are left, */
	size_t n_changes, at;
	uint64_t told; /* and so many of changes[at]'s equal rows are told */
	bool more_batches;
	struct arena mem;
	struct redo_row *rows;
	size_t rows_alloc;

	struct binlog_query query;
	struct strbuf instead; /* of the query's text, where that is not what was done */
	struct ddl_words words;
	/* the CREATE TABLE .. SELECT that the group at hand began with, or the DROP TABLE that a
	 * failed one left behind; type 0: none */
	struct ddl_words selected;
	struct binlog_query selected_query;
};

/* A table map that is forgotten; its plan lives until the transaction at hand has ended. */
void binlog_drop_map(struct binlog *b, struct map_entry *m);
int binlog_on_table_map(struct binlog *b, const struct binlog_event *ev, struct err *e);
int binlog_on_rows(struct binlog *b, const struct binlog_event *ev, struct err *e);
/* savepoints' sink: a change that no ROLLBACK TO can take back any more */
int binlog_to_netting(void *binlog, const struct savepoint_change *c, struct err *e);
/* 1: *t is the DDL at hand, b->words and b->query. */
int binlog_deliver_ddl(struct binlog *b, struct binlog_txn *t, struct err *e);

#endif

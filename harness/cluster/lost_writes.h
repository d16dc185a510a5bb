/* Inside cluster/: transactions that only the dead primary's disk holds, written out for people: a
 * JSON line each, and SQL. */
#ifndef HARNESS_CLUSTER_LOST_WRITES_H
#define HARNESS_CLUSTER_LOST_WRITES_H

#include <stdio.h>

#include "harness/binlog/binlog.h"
#include "harness/cluster/forensic.h"
#include "harness/verify/ledger_check.h"

struct lost {
	const struct forensic_opts *o;
	struct prefix ledger; /* empty: there is none */
	FILE *jsonl, *sql;
	uint64_t transactions, rows, acked;
	json_t *changes; /* of the transaction at hand */
	uint32_t worker;
	uint64_t worker_seq; /* 0: not known who it was */
	struct strbuf text;
};
int lost_open(struct lost *l, const struct forensic_opts *o, struct err *e);
/* A batch of a transaction's rows, or a DDL. */
int lost_add(struct lost *l, const struct binlog_txn *t, struct err *e);
/* How many of the ledger's acknowledged transactions after position `after` are not on the disk at
 * all. */
uint64_t lost_gone(const struct lost *l, uint64_t after);
int lost_close(struct lost *l, struct err *e); /* removes empty files */

#endif

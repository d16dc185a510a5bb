/* The dead primary's disk as evidence. Its server is started in isolation, its rows
 * are taken back to the replay point (by the binary log's before-images, in a transaction that is
 * never committed), and compared with the secondary as it stood after the replay. What the disk
 * holds beyond the point is what was lost: written out for people who may bring it in by hand. */
#ifndef HARNESS_CLUSTER_FORENSIC_H
#define HARNESS_CLUSTER_FORENSIC_H

#include "harness/cluster/cluster.h"
#include "harness/compare/compare.h"

#define HOLD_CONNECTIONS 4

/* A server's state of now, kept readable while it goes on: in open snapshots; on TiDB it is a TSO,
 * as long as garbage collection has not passed it. Use from one thread. */
struct cluster_hold;
/* at most HOLD_CONNECTIONS */
struct cluster_hold *cluster_hold(const struct sql_endpoint *ep, const char *name,
				  unsigned connections, struct err *e);
/* one of them, still the hold's; NULL: the state is a TSO */
struct sql *cluster_hold_conn(struct cluster_hold *h);
tso_t cluster_hold_at(const struct cluster_hold *h); /* 0: its connections have the state */
void cluster_hold_free(struct cluster_hold *h);      /* NULL is fine */

struct forensic_opts {
	struct cluster *dead;
	struct cluster_hold *held; /* the secondary after the replay */
	tso_t point;
	/* commit positions at or below it are in the backup whatever the point says; 0: none */
	uint64_t point_seq_min;
	uint16_t cluster;         /* its number in the ledger */
	const char *ledger_dir;   /* NULL: none: who was acknowledged is not known */
	const char *ledger_table; /* "drtest_ledger" */
	int64_t disaster_us;      /* journal clock; 0: not known */
	/* paths; written when something was lost, else absent. NULL: not wanted */
	const char *lost_jsonl, *lost_sql;
	/* tables that were not replicated, as compare_opts.ignore; copied; NULL: none */
	const char *const *ignore;
	struct deadline deadline;
};
struct forensic_result {
	enum verdict verdict;
	uint64_t rows, tables, rows_different;
	uint64_t lost_transactions, lost_rows; /* on the disk, after the point */
	uint64_t lost_acked;                   /* of them: acknowledged */
	/* acknowledged after the point, and not even on the disk */
	uint64_t acked_gone;
	json_t *findings; /* the caller's to decref */
	char evidence[640];
};
/* A difference is VERDICT_FAIL; what can't be told (a DDL after the point, the binary log is gone)
 * is an error or VERDICT_UNKNOWN with the reason. The cluster's disk is left as it was found. */
int forensic_run(const struct forensic_opts *o, struct forensic_result *r, struct err *e);

/* The same in parts: the disk opened and taken back once, compared any number of times with what is
 * held then. */
struct forensic;
/* o->held is not looked at; o's texts stay the caller's */
struct forensic *forensic_open(const struct forensic_opts *o, struct err *e);
int forensic_compare(struct forensic *f, struct cluster_hold *held, struct forensic_result *r,
		     struct err *e);
/* where the examined server answers */
const struct sql_endpoint *forensic_endpoint(const struct forensic *f);
/* finishes the lists of what was lost; NULL is fine */
int forensic_close(struct forensic *f, struct err *e);

#endif

/* The core of the ledger check and the model check. It needs no server: transactions come from the
 * ledger, rows through callbacks (struct verify_source). "Judged" is the cluster whose rows are
 * checked; "the point" is the replay point, up to which its transactions must be present. Times
 * ending in _us are microseconds since the start of the run's journal. */
#ifndef HARNESS_VERIFY_LEDGER_CHECK_H
#define HARNESS_VERIFY_LEDGER_CHECK_H

#include "harness/verify/checks.h"

struct verify_txn {
	uint64_t seq, position;
	int64_t begin_us, end_us;
	uint32_t worker;
	uint16_t cluster;
	uint8_t outcome;
	bool present;  /* its row is in drtest_ledger */
	bool open_end; /* its process was killed before it noted the outcome (TXN_OPEN_END) */
};

struct verify_row { /* a row as read from the judged cluster */
	int64_t id, k;
	const char *c, *pad;
	size_t c_len, pad_len;
};

struct verify_source {
	void *arg;
	/* Calls fn for each row of drtest_ledger, in any order. NULL: the load does not write it.
	 */
	int (*presence)(void *arg, int (*fn)(void *to, uint32_t worker, uint64_t seq), void *to,
			struct err *e);
	/* Calls fn for each row of a table, by ascending id; fn returns -1 to stop. */
	int (*rows)(void *arg, uint32_t table, int (*fn)(void *to, const struct verify_row *row),
		    void *to, struct err *e);
};

struct prefix {
	struct verify_txn *txn; /* of all clusters, sorted by (worker, seq) */
	size_t n, room;
	size_t n_late;     /* stored after those n while drtest_ledger is read: see verify_late() */
	unsigned damaged;  /* ledger files with an incomplete end */
	bool has_evidence; /* drtest_ledger was read */
	uint64_t strays;   /* its rows that are in no ledger */
	struct {
		uint32_t worker;
		uint64_t seq;
	} stray[8];
	const struct ledger_mark *mark; /* how far to read the ledger; NULL: to its end */
	uint16_t cluster;               /* the judged one */
	/* the point, as a commit position: transactions up to it must be present, none after it;
	 * UINT64_MAX: no point, all must be present */
	uint64_t limit;
	bool before; /* judged before the replay: recorded, but not a verdict */
	int64_t disaster_us, disaster_wall_ms;
	tso_t point;
};
int verify_open(struct prefix *p, const char *ledger_dir, const struct verify_source *src,
		struct err *e);
void verify_close(struct prefix *p);
/* NULL: not in the ledger */
struct verify_txn *verify_find(const struct prefix *p, uint32_t worker, uint64_t seq);
void verify_judge_ledger(struct prefix *p, struct verify_result *r);
int verify_judge_model(struct prefix *p, const struct audit_model *m,
		       const struct verify_source *src, struct verify_result *r, struct err *e);

/* What the times alone prove about transactions whose position is not known. */
struct verify_closure {
	int64_t last_begin_present_us; /* the latest start of a transaction that is present */
	/* the earliest acknowledgement of a transaction that is after the point */
	int64_t first_end_after_us;
};
void verify_closure_init(struct verify_closure *c);
void verify_closure_add(struct verify_closure *c, const struct prefix *p,
			const struct verify_txn *t);
/* Judges one transaction of the judged cluster. true: it was acknowledged and is lost. *oldest_lost
 * is the time of the oldest one so far; INT64_MAX at first. */
bool verify_judge_txn(const struct prefix *p, const struct verify_txn *t,
		      const struct verify_closure *c, struct verify_result *r,
		      int64_t *oldest_lost);
void verify_conclude_ledger(const struct prefix *p, int64_t oldest_lost, struct verify_result *r);
void verify_stray(struct prefix *p, uint32_t worker, uint64_t seq);
struct verify_txn verify_txn_of(const struct ledger_record *r);
/* For a row of drtest_ledger that is not in the ledger; before: the last record of this worker's
 * ledger before it (NULL: none). true: the ledger ends there because its process was killed, so the
 * row is not a stray but a transaction of unknown outcome that is present, started at that record's
 * time or later; *out is that transaction. */
bool verify_late(const struct verify_txn *before, uint32_t worker, uint64_t seq,
		 struct verify_txn *out);
void verify_no_evidence(struct verify_result *r);

/* The ledger check for large ledgers: it needs one bit of memory for each transaction. It reads the
 * ledger's files twice, and merges them with the rows of drtest_ledger, which come in order. */
struct presence_cursor {
	void *arg;
	/* The next row, in ascending order of (worker, seq). 1: a row; 0: the end; -1: error. */
	int (*next)(void *arg, uint32_t *worker, uint64_t *seq, struct err *e);
};
/* p: the caller has set cluster, limit, before, disaster_* and point; txn stays empty. lost_path: a
 * file for a JSON line about each acknowledged transaction that is lost, created only if there is
 * one; NULL: none. */
int verify_stream_ledger(struct prefix *p, const char *ledger_dir, const struct presence_cursor *c,
			 const char *lost_path, struct verify_result *r, struct err *e);

/* Adds a finding; at most 100 are kept. Each text may be NULL. */
void verify_finding(struct verify_result *r, const char *kind, const char *table, int64_t id,
		    const char *writer, const char *expected, const char *found);
void verify_txn_text(const struct verify_txn *t, char *out, size_t room);
void verify_result_start(struct verify_result *r);
void verify_worse(struct verify_result *r, enum verdict v);
void verify_loss(const struct prefix *p, int64_t oldest_lost_us, struct verify_result *r);

#endif

/* The core of the ledger check and the model check, without a server: transactions from the ledger,
 * rows through callbacks. */
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
	bool open_end; /* of a killed process (TXN_OPEN_END) */
};

struct verify_row { /* one row as it was found */
	int64_t id, k;
	const char *c, *pad;
	size_t c_len, pad_len;
};

struct verify_source {
	void *arg;
	/* Each row of drtest_ledger, in any order. NULL: the load writes none. */
	int (*presence)(void *arg, int (*fn)(void *to, uint32_t worker, uint64_t seq), void *to,
			struct err *e);
	/* Each row of a table, by ascending id. fn returns -1 to stop. */
	int (*rows)(void *arg, uint32_t table, int (*fn)(void *to, const struct verify_row *row),
		    void *to, struct err *e);
};

struct prefix {
	struct verify_txn *txn; /* all clusters', by (worker, seq) */
	size_t n, room;
	size_t n_late;     /* behind those, while drtest_ledger is read: verify_late() */
	unsigned damaged;  /* ledger files with a torn end */
	bool has_evidence; /* drtest_ledger was read */
	uint64_t strays;   /* its rows that no ledger knows */
	struct {
		uint32_t worker;
		uint64_t seq;
	} stray[8];
	const struct ledger_mark *mark; /* how far the ledger is read; NULL: to its end */
	uint16_t cluster;               /* the one that is judged */
	/* commit positions at or below it must be there, none above; UINT64_MAX: no point */
	uint64_t limit;
	bool before; /* before the replay: for the record only */
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

/* What real time alone tells of those whose position is not known. */
struct verify_closure {
	int64_t last_begin_present_us; /* the latest begin of a transaction that is there */
	/* the earliest acknowledgement of a transaction after the point */
	int64_t first_end_after_us;
};
void verify_closure_init(struct verify_closure *c);
void verify_closure_add(struct verify_closure *c, const struct prefix *p,
			const struct verify_txn *t);
/* One transaction of the judged cluster. true: it was acknowledged and is lost. *oldest_lost: of
 * all so far, INT64_MAX at first. */
bool verify_judge_txn(const struct prefix *p, const struct verify_txn *t,
		      const struct verify_closure *c, struct verify_result *r,
		      int64_t *oldest_lost);
void verify_conclude_ledger(const struct prefix *p, int64_t oldest_lost, struct verify_result *r);
void verify_stray(struct prefix *p, uint32_t worker, uint64_t seq);
struct verify_txn verify_txn_of(const struct ledger_record *r);
/* A row of drtest_ledger that the ledger does not name, and the ledger's last record before it
 * (NULL: none). true: that is the open end of this worker's ledger, so the row is no stray but a
 * transaction of unknown outcome that is there, begun at that record's time or later. */
bool verify_late(const struct verify_txn *before, uint32_t worker, uint64_t seq,
		 struct verify_txn *out);
void verify_no_evidence(struct verify_result *r);

/* The ledger check in memory that does not grow with the ledger but for a bit each: two passes over
 * the ledger's files, merged with the rows of drtest_ledger as they come in order. */
struct presence_cursor {
	void *arg;
	/* Ascending by (worker, seq). 1: one, 0: the end, -1: error. */
	int (*next)(void *arg, uint32_t *worker, uint64_t *seq, struct err *e);
};
/* p: cluster, limit, before, disaster and point are set; txn stays empty. lost_path: a JSON line
 * for each acknowledged transaction that is lost, NULL: none wanted; the file is there only when
 * something was lost. */
int verify_stream_ledger(struct prefix *p, const char *ledger_dir, const struct presence_cursor *c,
			 const char *lost_path, struct verify_result *r, struct err *e);

/* At most 100 are kept. All texts may be NULL. */
void verify_finding(struct verify_result *r, const char *kind, const char *table, int64_t id,
		    const char *writer, const char *expected, const char *found);
void verify_txn_text(const struct verify_txn *t, char *out, size_t room);
void verify_result_start(struct verify_result *r);
void verify_worse(struct verify_result *r, enum verdict v);
void verify_loss(const struct prefix *p, int64_t oldest_lost_us, struct verify_result *r);

#endif

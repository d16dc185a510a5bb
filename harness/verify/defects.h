/* Planted defects: the recording of a drill in memory, changed by one defect at a time, to test
 * whether the verdict finds it. The recording is real (a load, its redo log, the rows on both
 * sides); only the defect is computed. Since it is known what each transaction wrote, a defect is
 * planted only where it changes the final state, and its harmless variant only where it does not.
 * A struct defect_run owns all its arrays; one thread uses it. */
#ifndef HARNESS_VERIFY_DEFECTS_H
#define HARNESS_VERIFY_DEFECTS_H

#include "harness/base/rng.h"
#include "harness/redo/record.h"
#include "harness/verify/ledger_check.h"

struct defect_row {
	bool exists;
	int64_t k;
	char c[121], pad[61];
};
/* All rows of the load's tables (ids from 1 to the table's size), and which transactions are in
 * drtest_ledger. */
struct defect_state {
	struct defect_row *row; /* table by table */
	bool *present;          /* by record */
};
/* One row change of the redo log with commitTs in (checkpointTs, resolvedTs]. */
struct defect_change {
	tso_t commit_ts;
	uint32_t table; /* 0: drtest_ledger */
	int64_t id;     /* of the row; of the record, in drtest_ledger */
	bool put;
	struct defect_row row;
};
struct defect_run {
	const struct audit_model *load;
	struct audit_model model; /* returns what load's returned: the run is judged many times */
	struct audit_row *initial;
	struct audit_op (*ops)[AUDIT_OPS_MAX];
	size_t *n_ops;
	struct ledger_record *rec; /* the whole ledger, by (worker, seq) */
	size_t n_rec;
	/* of each record: its place in commit order, from 1; 0: it was not committed, as far as
	 * ledger and redo log show */
	uint64_t *place;
	uint32_t *order; /* records with a place, by place */
	size_t n_order;
	uint64_t limit, backup_seq; /* the replay point and BackupTS, as commit positions */
	tso_t checkpoint;
	int64_t disaster_us;
	/* the secondary at the disaster, and after the real replay */
	struct defect_state before, after;
	/* at checkpointTs, the oldest that the secondary can be: the start for defects of the log
	 */
	struct defect_state base;
	struct defect_change *change; /* in commit order */
	size_t n_changes;
};
/* Reads the ledger, remembers the model, makes empty states. backup_seq, limit, checkpoint,
 * disaster_us and the rows of before and after are filled in by the caller. */
int defect_open(struct defect_run *r, const char *ledger_dir, const struct audit_model *load,
		struct err *e);
void defect_close(struct defect_run *r);
/* -1: in no ledger */
long defect_record(const struct defect_run *r, uint32_t worker, uint64_t seq);
/* NULL: out of range */
struct defect_row *defect_row_at(const struct defect_run *r, const struct defect_state *s,
				 uint32_t table, int64_t id);
/* Adds a row change of the redo log; other tables than the load's are ignored. */
int defect_take(struct defect_run *r, const struct redo_row *row, struct err *e);
/* Call it when everything is read: computes the commit order. Fails if ledger, redo log and seed
 * contradict each other, since defects planted in such a recording prove nothing. map: from
 * commitTs to commit positions. */
int defect_ready(struct defect_run *r, struct tso_map *map, struct err *e);

struct defect_state defect_state_copy(const struct defect_run *r, const struct defect_state *s);
void defect_state_release(struct defect_state *s);
bool defect_state_same(const struct defect_run *r, const struct defect_state *a,
		       const struct defect_state *b);
/* The state that all transactions up to a position leave. */
struct defect_state defect_state_at(const struct defect_run *r, uint64_t position);
/* What a replay of these changes makes of a state. */
void defect_replay(const struct defect_run *r, struct defect_state *s,
		   const struct defect_change *change, size_t n);

enum { DEFECT_LEDGER = 1, DEFECT_MODEL = 2, DEFECT_COMPARE = 4 };
struct defect_case {
	struct defect_state state; /* what is judged */
	struct ledger_record *rec; /* the ledger that it is judged with */
	size_t n_rec;
	uint64_t limit; /* the replay point that is claimed */
	char where[256];
};
struct defect_defect {
	const char *name, *what;
	/* the check that must find it: DEFECT_*; 0: harmless, so all checks must pass */
	unsigned meant;
	/* it is in the secondary's rows, so the forensic check must find it too */
	bool in_rows;
	/* false: there is no place for it with this seed */
	bool (*plant)(const struct defect_run *r, struct rng *rng, struct defect_case *c);
};
extern const struct defect_defect defects_all[];
extern const size_t defects_n;

void defect_case_init(const struct defect_run *r, struct defect_case *c);
void defect_case_release(struct defect_case *c);
/* Runs one check on the case: DEFECT_LEDGER or DEFECT_MODEL. */
int defect_judge(const struct defect_run *r, const struct defect_case *c, unsigned check,
		 struct verify_result *res, struct err *e);
/* Appends SQL that changes tables from state `from` to state `to`; returns the number of rows that
 * it changes. */
size_t defect_sql(const struct defect_run *r, const struct defect_state *from,
		  const struct defect_state *to, struct strbuf *out);

#endif

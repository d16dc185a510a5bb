/* A drill's recording in memory, and defects planted in it, one at a time: does the verdict see
 * them? The recording is real (a real load, a real redo log, real rows); what is planted is
 * computed. The planter knows what each transaction wrote, so it plants a defect only where the
 * final state changes, and its harmless twin only where it does not. */
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
/* All rows of the load's tables (ids 1..rows), and which transactions are in drtest_ledger. */
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
	struct audit_model model; /* the load's, remembered: a run is judged many times */
	struct audit_row *initial;
	struct audit_op (*ops)[AUDIT_OPS_MAX];
	size_t *n_ops;
	struct ledger_record *rec; /* the whole ledger, by (worker, seq) */
	size_t n_rec;
	/* of each record: where it stands in commit order; 0: nowhere. Also of `unknown` ones
	 * that the log shows */
	uint64_t *place;
	uint32_t *order; /* records with a place, by place */
	size_t n_order;
	uint64_t limit, backup_seq; /* the replay point and BackupTS, as commit positions */
	tso_t checkpoint;
	int64_t disaster_us;
	/* the secondary at the disaster, and after the real replay */
	struct defect_state before, after;
	/* as checkpointTs promises it at least: what defects of the log are planted over */
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
/* A row change of the redo log. tables other than the load's are left out. */
int defect_take(struct defect_run *r, const struct redo_row *row, struct err *e);
/* After all was read: places, order. Refuses a recording that is not what the ledger, the log and
 * the seed say it is: then nothing that is planted in it would prove anything. map: from commitTs
 * to positions. */
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
	struct ledger_record *rec; /* the ledger that it is judged by */
	size_t n_rec;
	uint64_t limit; /* the point that is claimed */
	char where[256];
};
struct defect_defect {
	const char *name, *what;
	/* the check that must catch it: PLANTED_*; 0: harmless, all must pass */
	unsigned meant;
	/* it is in the secondary's rows: a compare with the primary's disk must see it too */
	bool in_rows;
	/* false: this seed found no place for it */
	bool (*plant)(const struct defect_run *r, struct rng *rng, struct defect_case *c);
};
extern const struct defect_defect defects_all[];
extern const size_t defects_n;

void defect_case_init(const struct defect_run *r, struct defect_case *c);
void defect_case_release(struct defect_case *c);
/* One of DEFECT_LEDGER, DEFECT_MODEL over the case. */
int defect_judge(const struct defect_run *r, const struct defect_case *c, unsigned check,
		 struct verify_result *res, struct err *e);
/* SQL that brings tables of state `from` to state `to`. Returns how many rows it changes. */
size_t defect_sql(const struct defect_run *r, const struct defect_state *from,
		  const struct defect_state *to, struct strbuf *out);

#endif

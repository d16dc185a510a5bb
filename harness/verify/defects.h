/* A drill's recording in memory, and defects planted in it, one at a time: does the verdict see
 * them? The recording is real (a real load, a real redo log, real rows); what is planted is
 * computed. The planter knows what each transaction wrote, so it plants a defect only where the
 * final state changes, and its harmless twin only where it does not. */
#ifndef HARNESS_VERIFY_DEFECTS_H
#define HARNESS_VERIFY_DEFECTS_H

#include "harness/base/rng.h"
#include "harness/redo/record.h"
#include "harness/verify/ledger_check.h"

struct planted_row {
	bool exists;
	int64_t k;
	char c[121], pad[61];
};
/* All rows of the load's tables (ids 1..rows), and which transactions are in drtest_ledger. */
struct planted_state {
	struct planted_row *row; /* table by table */
	bool *present;           /* by record */
};
/* One row change of the redo log with commitTs in (checkpointTs, resolvedTs]. */
struct planted_change {
	tso_t commit_ts;
	uint32_t table; /* 0: drtest_ledger */
	int64_t id;     /* of the row; of the record, in drtest_ledger */
	bool put;
	struct planted_row row;
};
struct planted_run {
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
	struct planted_state before, after;
	/* as checkpointTs promises it at least: what defects of the log are planted over */
	struct planted_state base;
	struct planted_change *change; /* in commit order */
	size_t n_changes;
};
/* Reads the ledger, remembers the model, makes empty states. backup_seq, limit, checkpoint,
 * disaster_us and the rows of before and after are filled in by the caller. */
int planted_open(struct planted_run *r, const char *ledger_dir, const struct audit_model *load,
		 struct err *e);
void planted_close(struct planted_run *r);
/* -1: in no ledger */
long planted_record(const struct planted_run *r, uint32_t worker, uint64_t seq);
/* NULL: out of range */
struct planted_row *planted_row_at(const struct planted_run *r, const struct planted_state *s,
				   uint32_t table, int64_t id);
/* A row change of the redo log. tables other than the load's are left out. */
int planted_take(struct planted_run *r, const struct redo_row *row, struct err *e);
/* After all was read: places, order. Refuses a recording that is not what the ledger, the log and
 * the seed say it is: then nothing that is planted in it would prove anything. map: from commitTs
 * to positions. */
int planted_ready(struct planted_run *r, struct tso_map *map, struct err *e);

struct planted_state planted_state_copy(const struct planted_run *r, const struct planted_state *s);
void planted_state_release(struct planted_state *s);
bool planted_state_same(const struct planted_run *r, const struct planted_state *a,
			const struct planted_state *b);
/* The state that all transactions up to a position leave. */
struct planted_state planted_state_at(const struct planted_run *r, uint64_t position);
/* What a replay of these changes makes of a state. */
void planted_replay(const struct planted_run *r, struct planted_state *s,
		    const struct planted_change *change, size_t n);

enum { PLANTED_LEDGER = 1, PLANTED_MODEL = 2, PLANTED_COMPARE = 4 };
struct planted_case {
	struct planted_state state; /* what is judged */
	struct ledger_record *rec;  /* the ledger that it is judged by */
	size_t n_rec;
	uint64_t limit; /* the point that is claimed */
	char where[256];
};
struct planted_defect {
	const char *name, *what;
	/* the check that must catch it: PLANTED_*; 0: harmless, all must pass */
	unsigned meant;
	/* it is in the secondary's rows: a compare with the primary's disk must see it too */
	bool in_rows;
	/* false: this seed found no place for it */
	bool (*plant)(const struct planted_run *r, struct rng *rng, struct planted_case *c);
};
extern const struct planted_defect planted_defects[];
extern const size_t planted_n_defects;

void planted_case_init(const struct planted_run *r, struct planted_case *c);
void planted_case_release(struct planted_case *c);
/* One of PLANTED_LEDGER, PLANTED_MODEL over the case. */
int planted_judge(const struct planted_run *r, const struct planted_case *c, unsigned check,
		  struct prefix_result *res, struct err *e);
/* SQL that brings tables of state `from` to state `to`. Returns how many rows it changes. */
size_t planted_sql(const struct planted_run *r, const struct planted_state *from,
		   const struct planted_state *to, struct strbuf *out);

#endif

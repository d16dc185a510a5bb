/* The ledger check and the model check: is the secondary exactly at one point of the primary's
 * history? */
#ifndef HARNESS_VERIFY_CHECKS_H
#define HARNESS_VERIFY_CHECKS_H

#include <jansson.h>

#include "harness/base/verdict.h"
#include "harness/sql/sql.h"
#include "harness/sql/tso_map.h"
#include "harness/verify/audit_model.h"
#include "harness/verify/ledger.h"

struct verify_opts {
	const char *ledger_dir;
	uint16_t cluster; /* judge the transactions of this cluster */
	const struct audit_model *model;
	struct tso_map *tso_map; /* positions to TSOs; read to its end */
	tso_t point;             /* the replay point */
	int64_t disaster_us;     /* journal clock; 0: none yet */
	int64_t disaster_wall_ms;
	struct sql_endpoint secondary;
	/* a connection with an open snapshot of the secondary, which is read instead of what is
	 * there now; NULL: none */
	struct sql *held;
	tso_t held_at;                  /* TiDB: the same by tidb_snapshot; 0: now */
	const struct ledger_mark *mark; /* the ledger as it was then; NULL: to its end */
	/* for the record only: how torn is it? Then `point` is 0 and nothing is a failure */
	bool before_replay;
	/* Who wrote these digits? 1: told, 0: nobody of ours did. For the row audit. */
	int (*writer_of)(void *ctx, const char *text, size_t n, uint32_t *worker, uint64_t *seq);
	void *writer_ctx;
	/* where the load has no model: where its drtest_ledger is; NULL: none */
	const char *db, *ledger_table;
	/* the ledger check's list: a JSON line for each lost transaction; NULL: not wanted */
	const char *lost_path;
	/* positions at or below this are in the initial backup whatever the point says; 0: none */
	int64_t point_position_base;
};
/* Everything that was found out; `findings` is a JSON array of at most 100 named differences (kind,
 * table, id, writer, expected, found). */
struct verify_result {
	enum verdict verdict;
	uint64_t acked, failed, unknown; /* in the ledger, this cluster */
	/* transactions present; acknowledged and absent; unknown and absent */
	uint64_t recovered, lost, lost_unknown;
	/* failed yet present; acknowledged at or before the point yet absent */
	uint64_t resurrected, missing;
	uint64_t early; /* present although after the point */
	uint64_t torn;  /* transactions present in part */
	uint64_t rows_checked, rows_wrong;
	/* oldest lost acknowledgement to the disaster; 0 when nothing was lost */
	int64_t loss_window_ms;
	int64_t resolved_behind_ms; /* disaster - point */
	json_t *findings;           /* the caller's to decref */
	char evidence[512];         /* one sentence for people */
};
/* presence, order, loss: from drtest_ledger */
int check_ledger(const struct verify_opts *o, struct verify_result *r, struct err *e);
/* every row's exact state */
int check_model(const struct verify_opts *o, struct verify_result *r, struct err *e);
/* For a load without a model: each row of db's tables with columns id, c and pad tells who wrote
 * it: somebody who was committed, at or before the point, whole. What is gone it can't see. */
int check_rows(const struct verify_opts *o, struct verify_result *r, struct err *e);
void verify_result_release(struct verify_result *r);

#endif

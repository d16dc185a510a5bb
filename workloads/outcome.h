/* What a failed statement means for its transaction and for the connection. The server's error
 * decides; if there is none, or it is ambiguous, the outcome is unknown. */
#ifndef WORKLOADS_OUTCOME_H
#define WORKLOADS_OUTCOME_H

#include <stdbool.h>

#include "harness/verify/ledger.h"

enum failure {
	FAILURE_LOST, /* the connection is gone, or the server is going */
	/* deadlock, lock wait, write conflict, changed schema: surely not done, at COMMIT too;
	 * drawn anew at once */
	FAILURE_CONFLICT,
	/* the server is read-only: surely not done, at COMMIT too; drawn anew after a pause */
	FAILURE_REFUSED,
	/* TiDB could not reach PD or TiKV: not done before COMMIT, unknown at COMMIT; drawn anew
	 * after a pause */
	FAILURE_AWAY,
	FAILURE_OTHER, /* the load or the server is wrong: the worker ends */
};
enum failure failure_of(int code, const char *text); /* a server's or the client library's error */

/* How far a transaction had come. */
struct txn_state {
	bool in_txn;        /* BEGIN was sent, COMMIT not answered */
	bool at_commit;     /* it is COMMIT that failed, or the packet that ends with it was lost */
	bool committed;     /* COMMIT was acknowledged: what failed came after it */
	bool wrote;         /* a write was sent */
	bool autocommitted; /* a write outside BEGIN and COMMIT was acknowledged */
};
enum txn_outcome outcome_of_failure(const struct txn_state *s, enum failure f);

#endif

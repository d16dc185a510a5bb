/* What the shards of a run left at their rendezvous, added up: histograms exactly, ledgers joined.
 * A shard that was killed counts up to its last word. */
#ifndef WORKLOADS_SHARDS_JOINED_H
#define WORKLOADS_SHARDS_JOINED_H

#include "workloads/shards/words.h"

/* Of one shard that ended, but before its time. */
struct load_early {
	unsigned shard;
	double seconds;
	char *why;
};
struct load_joined {
	unsigned shards, workers; /* workers of each; 0: a version that did not tell */
	int64_t start_wall_us;
	uint64_t seed;
	struct load_total total;
	struct load_silent *silent;
	size_t n_silent;
	struct load_early *early;
	size_t n_early;
	char *name;                   /* NULL: nobody left a result */
	uint64_t files, ledger_acked; /* of the ledgers */
};
/* ledger_dir: where the ledgers go, never over one that is there; NULL: they stay. ERR_NOT_FOUND:
 * no run has met there; ERR_TIMEOUT: a shard may still run. Release it in any case. */
int load_joined_read(struct load_joined *j, struct store *s, const char *ledger_dir, struct err *e);
void load_joined_release(struct load_joined *j);

#endif

/* Several processes as one load: they meet in a store, start at one instant, leave histograms and
 * ledgers there, and a report adds them up. The machines' clocks agree as well as NTP makes them:
 * the instants of the start differ by as much, nothing else does. In the store:
 *
 * ready/00002                 that shard is here
 * start.json                  by shard 1, when all are: the wall clock's instant, the seed, how
 * many word/00002.json             while it runs, once a second: its totals and histograms so far
 * piece/00002/000001          with it: what its ledgers and histories grew by since the piece
 * before ledger/worker-0011.ledger, .history result/00002.json           totals and whole
 * histograms; its word and its pieces are gone then
 *
 * A shard that was killed leaves no result. Its last word and its pieces are what is known of it;
 * what it sent afterwards is unknown, and its ledgers end open (TXN_OPEN_END). */
#ifndef CLI_LOAD_LOAD_SHARD_H
#define CLI_LOAD_LOAD_SHARD_H

#include "cli/load/load_impl.h"
#include "harness/net/store.h"

#define LOAD_SHARDS_MAX 10000
#define LOAD_START_BYTES_MAX 65536
#define LOAD_RESULT_BYTES_MAX ((size_t)16 << 20)
/* without a word for so long it is taken for dead */
#define LOAD_SILENT_MS 10000

int load_shard_meet(struct load_run *r, struct err *e);
/* ended_early: why, NULL: it ran to its end */
int load_shard_leave(const struct load_run *r, const struct load_total *t, const char *ended_early,
		     struct err *e);

/* A thread that leaves words and pieces, from the start until the result is there. What can't be
 * left is told on stderr, once, and tried again. */
struct load_words;
struct load_words *load_words_start(const struct load_run *r, struct load *l, int64_t start_ns);
/* the totals at the warm-up's end: words are without them */
void load_words_warm(struct load_words *w, const struct load_total *warm);
/* result_left: word and pieces are removed. NULL is fine. */
void load_words_stop(struct load_words *w, bool result_left);

/* What is known of a shard that left no result. seconds: when its last word came, since the start;
 * -1: it never said one. Transactions that were under way then count as unknown. */
struct load_silent {
	unsigned shard;
	double seconds;
	struct load_total total;
};
/* ERR_TIMEOUT where it may still run: its word, or the start, is not LOAD_SILENT_MS old. */
int load_silent_read(struct load_silent *out, struct store *s, unsigned shard,
		     int64_t start_wall_us, struct err *e);
/* Its pieces, appended to files in dir; *files counts new ones. */
int load_pieces_join(struct store *s, unsigned shard, const char *dir, uint64_t *files,
		     struct err *e);

/* shared: JSON objects of the store; put_json() takes j over */
int load_store_get_json(struct store *s, const char *key, size_t max, json_t **out, struct err *e);
int load_store_put_json(struct store *s, const char *key, json_t *j, struct err *e);
/* How many of n have no object PREFIX<number>; who: the first ten of them; absentee[i]: shard i + 1
 * (or NULL). -1: error. */
int load_store_missing(struct store *s, const char *prefix, unsigned n, bool *absentee,
		       struct strbuf *who, struct err *e);

#endif

/* What a shard tells while it runs, and how that is read when it left no result. */
#ifndef WORKLOADS_SHARDS_WORDS_H
#define WORKLOADS_SHARDS_WORDS_H

#include "workloads/shards/rendezvous.h"

/* A thread that leaves words and pieces, from the start until the result is there. What can't be
 * left is told on stderr, once, and tried again. o outlives it. */
struct load_words;
struct load_words *load_words_start(const char *rendezvous, const struct load_opts *o,
				    struct load *l, int64_t start_ns);
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
/* Its pieces, appended to files in dir; *files counts new ones. left: the objects under "ledger/",
 * which are there already: a shard that died while it left them has both, and those are whole. */
int load_pieces_join(struct store *s, unsigned shard, const char *dir,
		     const struct store_list *left, uint64_t *files, struct err *e);

#endif

/* Several processes as one load: they meet in a store, start at one instant, leave histograms and
 * ledgers there, and a report adds them up. The machines' clocks agree as well as NTP makes them:
 * the instants of the start differ by as much, nothing else does. In the store:
 *
 *   ready/00002                   that shard is here
 *   start.json                    when all are: the wall clock's instant, the seed, how many
 *   word/00002.json               while it runs, once a second: totals and histograms so far
 *   piece/00002/000001            with it: what its ledgers and histories grew by since the last
 *   ledger/worker-0011.ledger, .history
 *   result/00002.json             totals and whole histograms; its word and its pieces are gone
 * then
 *
 * Shard 1 calls the start; where a search leads the load (lead.h), the search does, and there are
 *
 *   lead.json                     a number that grows while the search lives
 *   order/000007.json             its seventh order: a mark; a rate from now on; or the end
 *   mark/000007/00002.json        that shard has done it: totals and histograms at that moment
 *
 * A shard that was killed leaves no result. Its last word and its pieces are what is known of it;
 * what it sent afterwards is unknown, and its ledgers end open (TXN_OPEN_END). */
#ifndef WORKLOADS_SHARDS_RENDEZVOUS_H
#define WORKLOADS_SHARDS_RENDEZVOUS_H

#include "harness/net/store.h"
#include "workloads/shards/total.h"

#define LOAD_SHARDS_MAX 10000
#define LOAD_START_BYTES_MAX 65536
#define LOAD_RESULT_BYTES_MAX ((size_t)16 << 20)
/* without a word for so long it is taken for dead */
#define LOAD_SILENT_MS 10000

/* As shard o->shard of o->shards; sets the seed, the start's instant and the ledger's zero. search:
 * NULL: shard 1 calls the start; else a search does, within an hour; *search is what it says of the
 * load (the caller's), and there is no instant: it waits until all run. */
int load_shard_meet(const char *rendezvous, struct load_opts *o, json_t **search, struct err *e);
/* -1: another run has met there */
int load_shards_unused(struct store *s, struct err *e);
/* Until all are ready: 0; or the absent ones are named in *who (the first ten). */
int load_shards_ready(struct store *s, unsigned shards, unsigned *absent, struct strbuf *who,
		      struct err *e);
/* Calls the start, so that the others have the time to hear it. search (taken over) may be NULL. */
int load_shards_call(struct store *s, unsigned shards, unsigned workers, uint64_t seed,
		     json_t *search, struct err *e);
/* The search ends before that: shards that wait there end too. */
int load_shards_call_off(struct store *s, unsigned shards, struct err *e);
/* ended_early: why, NULL: it ran to its end */
int load_shard_leave(const char *rendezvous, const struct load_opts *o, const struct load_total *t,
		     const char *ended_early, struct err *e);

/* JSON objects of the store; put_json() takes j over */
int load_store_get_json(struct store *s, const char *key, size_t max, json_t **out, struct err *e);
int load_store_put_json(struct store *s, const char *key, json_t *j, struct err *e);
/* How many of n have no object PREFIX<number>; who: the first ten of them; absentee[i]: shard i + 1
 * (or NULL). -1: error. */
int load_store_missing(struct store *s, const char *prefix, unsigned n, bool *absentee,
		       struct strbuf *who, struct err *e);

#endif

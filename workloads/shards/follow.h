/* A shard that does as a search says (lead.h): its rates, its marks, its end. */
#ifndef WORKLOADS_SHARDS_FOLLOW_H
#define WORKLOADS_SHARDS_FOLLOW_H

#include "workloads/shards/rendezvous.h"

/* What the search says of its load, into o, whose name has to be the search's; the texts stay
 * search's, those of *set are the caller's to free, and are at most `room`. */
int follow_load(json_t *search, struct load_opts *o, char **set, size_t room, size_t *n_set,
		struct err *e);
/* Where the search's load goes: host, port, user; a password never travels. For a shard that was
 * told no host: one that was told a password must not take it to whomever the store names. */
void follow_endpoint(json_t *search, struct sql_endpoint *ep);
/* The other direction, for lead.c: one shard's part of the load, and what it is told of that. */
struct load_opts follow_share(const struct load_opts *all, unsigned shards);
json_t *follow_search(const struct load_opts *o);
/* Where the load goes: cluster is its number in the search's run, for the shards' ledgers; they
 * count their times from the search's zero (load_opts.journal_start_ns): here: by this machine's
 * monotonic clock, which they share; else by the wall clock. */
void follow_tell_target(json_t *search, const struct sql_endpoint *ep, uint16_t cluster,
			int64_t journal_start_ns, bool here);

struct follower;
/* The load runs from start_ns on. */
struct follower *follower_new(const char *rendezvous, const struct load_opts *o, struct load *l,
			      int64_t start_ns, struct err *e);
/* Often, from the thread that began the load. 0: go on; 1: the search has ended the load; -1: it
 * gave no sign of life for FOLLOW_SILENT_MS. */
#define FOLLOW_SILENT_MS 30000
int follower_look(struct follower *f, struct err *e);
void follower_free(struct follower *f);

#endif

/* The commit TSO of the local ground: an append-only, fsynced file of samples (wall time in ms,
 * GTID sequence number), taken of
 * @@gtid_binlog_pos every 50 ms. GTID n between sample i-1 (seq a) and sample i (seq b, a < n <= b)
 * has TSO  ms_i << 18 | (n - a). A pure function of the GTID: whoever asks, however often anything
 * restarts. ms strictly increases from sample to sample. Record: 24 bytes little endian: ms, seq,
 * XXH3-64 of the first 16. A torn last record is ignored. The first sample has no predecessor:
 * GTIDs at or below its seq have no TSO (ERR_NOT_FOUND, "older than the first sample"). */
#ifndef HARNESS_SQL_TSO_MAP_H
#define HARNESS_SQL_TSO_MAP_H

#include "harness/base/tso.h"
#include "harness/sql/sql.h"

/* Reader: opens the file and follows it as it grows. Use from one thread. */
struct tso_map;
struct tso_map *tso_map_open(const char *path, struct err *e);
int tso_map_refresh(struct tso_map *m, struct err *e); /* reads new whole samples */
void tso_map_free(struct tso_map *m);
/* 1: *ts is set; 0: no sample covers seq yet (refresh and ask again); -1: error (older than the
 * first sample). */
int tso_map_of_seq(struct tso_map *m, uint64_t seq, tso_t *ts, struct err *e);
/* The last sample read: *seq is the highest GTID it covers, *ts its TSO (>= that of each GTID <=
 * seq, < that of each later one). 0: none yet. */
int tso_map_last(struct tso_map *m, uint64_t *seq, tso_t *ts);
/* The highest GTID sequence whose TSO is <= ts (the map's samples at most); ERR_NOT_FOUND when ts
 * lies before the first sample. */
int tso_map_seq_at(struct tso_map *m, tso_t ts, uint64_t *seq, struct err *e);

/* Sampler: a thread with its own connection that appends a sample every interval_ms until it is
 * stopped or the server is gone. */
struct tso_sampler;
/* The first sample is durable on return. */
struct tso_sampler *tso_sampler_start(const struct sql_endpoint *ep, const char *path,
				      int interval_ms, struct err *e);
void tso_sampler_stop(struct tso_sampler *s); /* also after the server died; NULL is fine */

/* "0-1-42" (one domain) to its sequence number; several domains or garbage: -1 with *e. "" is 0. */
int gtid_parse_seq(const char *gtid, uint64_t *seq, struct err *e);

#endif

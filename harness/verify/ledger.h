/* drtest's own record, outside every database, of each transaction it sent. One file a worker,
 * append-only, fixed-size records, buffered and written at least every 100 ms: it lives in this
 * process, so only our own death can lose its tail. */
#ifndef HARNESS_VERIFY_LEDGER_H
#define HARNESS_VERIFY_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/base/err.h"

enum txn_outcome { TXN_ACKED = 1, TXN_FAILED = 2, TXN_UNKNOWN = 3 };
enum txn_flag {
	TXN_RETRIED = 1, /* failed by a deadlock and drawn anew under the next sequence */
	/* The last of a file whose process was killed elsewhere, unknown: this sequence and any
	 * later one of its worker was perhaps sent. */
	TXN_OPEN_END = 2
};

/* 48 bytes, little endian, the last 4 a CRC32C of the first 44. */
struct ledger_record {
	uint32_t worker;
	uint8_t outcome, flags;
	/* which cluster of the run: 0 the first primary, 1 the secondary, 2 the new primary .. */
	uint16_t cluster;
	uint64_t seq; /* per worker, from 1, never used twice */
	/* since the run began (journal clock); end: acknowledged, failed or lost */
	int64_t due_us, begin_us, end_us;
	/* the commit's GTID sequence number (TiDB: commit TSO) on its cluster; 0 unknown */
	uint64_t position;
};

struct ledger_writer; /* one worker's file */
/* DIR/worker-NNNN.ledger; appends */
struct ledger_writer *ledger_writer_open(const char *dir, uint32_t worker, struct err *e);
/* From that worker's thread alone. Writes only what is 0.1 s old, or more than 128 records: so far
 * behind a record may be lost with the process, when nobody flushes. Errors are kept. */
void ledger_writer_add(struct ledger_writer *w, const struct ledger_record *r);
int ledger_writer_flush(struct ledger_writer *w, struct err *e); /* from any thread */
int ledger_writer_close(struct ledger_writer *w, struct err *e);

#define LEDGER_WORKERS_MAX 100000u /* of one load, all its shards together */
/* So many sequences of a worker at most are in no record when its process is killed. */
#define LEDGER_BEHIND_MAX 1000
/* The process of workers first to first + n - 1 was killed: each of their files gets an open end
 * (TXN_OPEN_END). */
int ledger_open_ends(const char *dir, uint32_t first, unsigned n, struct err *e);

/* All records of a directory, file by file (each file in sequence order). A torn or corrupt tail
 * ends a file: *damaged counts such files. */
int ledger_read(const char *dir, int (*fn)(void *arg, const struct ledger_record *r), void *arg,
		unsigned *damaged, struct err *e);

/* How far a directory's files went at an instant when nobody wrote to them: what is appended later
 * is not read. */
struct ledger_mark;
struct ledger_mark *ledger_mark_take(const char *dir, struct err *e);
void ledger_mark_free(struct ledger_mark *m); /* NULL is fine */
int ledger_read_to(const char *dir, const struct ledger_mark *m,
		   int (*fn)(void *arg, const struct ledger_record *r), void *arg,
		   unsigned *damaged, struct err *e); /* m NULL: to the end */

#endif

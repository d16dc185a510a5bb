/* What the threads of one backup or restore share: the first error, the pace, the end. */
#ifndef HARNESS_BACKUP_WORK_H
#define HARNESS_BACKUP_WORK_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "harness/backup/backup.h"
#include "harness/base/clock.h"
#include "harness/base/err.h"

/* a chunk object is closed at the first row past this */
#define WORK_OBJECT_BYTES ((size_t)4 << 20)
#define WORK_THREADS_MAX 64u

struct work {
	pthread_mutex_t lock;
	struct err first; /* under lock */
	_Atomic bool failed;
	_Atomic size_t next;        /* the next job */
	_Atomic uint64_t raw_bytes; /* so far */
	uint64_t rate_bytes_per_s;
	int64_t start_ns;
	backup_progress_fn *progress; /* NULL: none */
	void *progress_arg;
	/* what raw_bytes will be in the end, as far as it is known; 0: not at all */
	uint64_t total_bytes;
	_Atomic int64_t told_ns;
	struct deadline deadline;
};
void work_init(struct work *w, uint64_t rate_bytes_per_s, struct deadline d);
void work_fail(struct work *w, const struct err *e);
/* Counts bytes, keeps to the rate. -1: the deadline passed, the run was cancelled, or another
 * thread failed. */
int work_pace(struct work *w, uint64_t bytes, struct err *e);
/* fn(arg[i]) on n threads, the first on this one. -1 with the first error. */
int work_run(struct work *w, void *(*fn)(void *), void *args, size_t arg_size, unsigned n,
	     struct err *e);
void work_release(struct work *w);

#endif

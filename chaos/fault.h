/* Faults as objects: a kind (a const table of verbs), a target, arguments. Inject and heal may be
 * called from any thread; both take microseconds. Healing twice is fine. A kind whose heal is NULL
 * is over once it has happened: the scenario decides what follows a kill. */
#ifndef CHAOS_FAULT_H
#define CHAOS_FAULT_H

#include <stdbool.h>
#include <stdint.h>

#include "chaos/netproxy.h"
#include "harness/base/err.h"
#include "harness/base/strbuf.h"
#include "harness/os/proc.h"

#define FAULT_PROCS_MAX 48 /* a cluster of TiDB has a dozen */
#define FAULT_LINKS_MAX 8

enum fault_on { FAULT_ON_PROCS, FAULT_ON_LINK, FAULT_ON_STORE_LINK, FAULT_ON_DISK };
struct fault_target {
	/* for people: "primary and its changefeed", "feed → store" */
	char name[160];
	struct proc_ref procs[FAULT_PROCS_MAX]; /* its own */
	size_t n_procs;
	struct netproxy *links[FAULT_LINKS_MAX];
	size_t n_links;
	char disk[512]; /* a volume of its own (volume.h) */
};
enum fault_direction { FAULT_BOTH, FAULT_UP, FAULT_DOWN };
struct fault_args { /* zero: not given */
	int64_t delay_ms, jitter_ms;
	uint64_t bytes_per_s, slice_bytes, after_bytes;
	int64_t gap_us;
	enum fault_direction direction;
	int status;
	double share;   /* of requests */
	char match[96]; /* of requests: "PUT /redo" */
	/* what is cut or stalled is the answer: it happened there, and nobody here is told */
	bool answer;
	uint64_t memory_bytes;
};

struct fault;
struct fault_ops {
	const char *name;
	const char *was; /* its name of the version before, which still finds it; NULL: none */
	enum fault_on on;
	const char *group; /* two of one group on one target overlap */
	const char *what;  /* for people, one line */
	const char *args;  /* names of the arguments it takes, between spaces */
	/* ERR_USAGE; NULL: any arguments do */
	int (*check)(const struct fault *f, struct err *e);
	/* of this machine: 0, or -1 and what is missing; NULL: nothing */
	int (*needs)(struct strbuf *missing);
	/* of a link's kind: its part of the link's settings, in (on) or out */
	void (*part)(const struct fault *f, struct link_fault *l, enum netproxy_dir d, bool on);
	int (*inject)(struct fault *f, struct err *e);
	int (*heal)(struct fault *f, struct err *e);
	/* appends the arguments: "20 ms ± 5 ms"; NULL: none */
	void (*describe)(const struct fault *f, struct strbuf *out);
};

enum fault_state { FAULT_NEW, FAULT_ARMED, FAULT_ACTIVE, FAULT_OVER, FAULT_FAILED, FAULT_STUCK };
struct fault {
	const struct fault_ops *ops;
	struct fault_target target;
	struct fault_args args;
	/* FAILED: it could not be injected; STUCK: it could not be healed */
	enum fault_state state;
	int64_t at_ns, healed_ns; /* CLOCK_MONOTONIC; 0: not yet */
	struct err error;
	uint64_t saved[FAULT_PROCS_MAX]; /* what heal puts back */
};

const struct fault_ops *fault_find(const char *name);         /* NULL: no such kind */
bool fault_is(const struct fault_ops *ops, const char *name); /* by either name */
const struct fault_ops *const *fault_kinds(void);             /* NULL-terminated */
bool fault_takes(const struct fault_ops *ops, const char *arg);
void fault_names(struct strbuf *out); /* "kill, interrupt, …" */
/* Kind and arguments from words: { "delay", "by=20ms", "jitter=5ms" }. The target is left empty.
 * ERR_USAGE. */
int fault_parse(struct fault *f, const char *const *words, size_t n, struct err *e);
/* Kind, target, arguments: ERR_USAGE when they don't go together. */
int fault_check(const struct fault *f, struct err *e);
/* Sets state, times and error. Active, or over at once when there is nothing to heal. */
int fault_inject(struct fault *f, struct err *e);
int fault_heal(struct fault *f, struct err *e);
/* "delay of feed → store: 20 ms ± 5 ms" */
void fault_describe(const struct fault *f, struct strbuf *out);
void fault_release(struct fault *f);                             /* heals nothing */
void fault_arguments(const struct fault *f, struct strbuf *out); /* "20 ms ± 5 ms", or nothing */

void fault_link_forget(struct netproxy *p); /* before it is freed */

extern const struct fault_ops fault_kill, fault_interrupt, fault_pause, fault_memory;
extern const struct fault_ops fault_cut, fault_black_hole, fault_delay, fault_slow, fault_slice,
	fault_reset, fault_stall_commit, fault_single;
extern const struct fault_ops fault_refuse, fault_cut_body;
extern const struct fault_ops fault_disk_full, fault_read_only;

#endif

/* Faults: a kind (a const table of functions), a target and arguments. A fault can be injected and
 * healed from any thread, which takes microseconds; healing it twice is fine. A kind without heal,
 * such as kill, is over as soon as it has happened. A target does not own the links, but owns its
 * proc_refs: fault_release() frees them. */
#ifndef CHAOS_FAULT_H
#define CHAOS_FAULT_H

#include <stdbool.h>
#include <stdint.h>

#include "chaos/netproxy.h"
#include "harness/base/err.h"
#include "harness/base/strbuf.h"
#include "harness/os/proc.h"

#define FAULT_PROCS_MAX 48 /* a TiDB cluster has about a dozen */
#define FAULT_LINKS_MAX 8

enum fault_on { FAULT_ON_PROCS, FAULT_ON_LINK, FAULT_ON_STORE_LINK, FAULT_ON_DISK };
struct fault_target {
	/* for people: "primary and its changefeed", "feed → store" */
	char name[160];
	struct proc_ref procs[FAULT_PROCS_MAX]; /* its own */
	size_t n_procs;
	struct netproxy *links[FAULT_LINKS_MAX];
	size_t n_links;
	char disk[512]; /* the directory of its volume (volume.h) */
};
enum fault_direction { FAULT_BOTH, FAULT_UP, FAULT_DOWN };
struct fault_args { /* 0: not given */
	int64_t delay_ms, jitter_ms;
	uint64_t bytes_per_s, slice_bytes, after_bytes;
	int64_t gap_us;
	enum fault_direction direction;
	int status;
	double share;   /* of requests */
	char match[96]; /* of requests: "PUT /redo" */
	/* cut or stall the response instead of the request: the server has executed it, but the
	 * client does not learn so */
	bool answer;
	uint64_t memory_bytes;
};

struct fault;
struct fault_ops {
	const char *name;
	const char *was; /* its name in the previous version, which still works; NULL: none */
	enum fault_on on;
	const char *group; /* two faults of a group can't act on one target at a time */
	const char *what;  /* what it does, in one line */
	const char *args;  /* names of its arguments, each between spaces */
	/* checks the arguments: ERR_USAGE; NULL: all are fine */
	int (*check)(const struct fault *f, struct err *e);
	/* what it needs on this machine: 0, or -1 and what is missing; NULL: nothing */
	int (*needs)(struct strbuf *missing);
	/* a fault of a link: changes its own fields of the link's settings (on), or restores them
	 */
	void (*part)(const struct fault *f, struct link_fault *l, enum netproxy_dir d, bool on);
	int (*inject)(struct fault *f, struct err *e);
	int (*heal)(struct fault *f, struct err *e);
	/* appends the arguments for a message: "20 ms ± 5 ms"; NULL: there are none */
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
	uint64_t saved[FAULT_PROCS_MAX]; /* what heal restores */
};

const struct fault_ops *fault_find(const char *name);         /* NULL: no such kind */
bool fault_is(const struct fault_ops *ops, const char *name); /* by either name */
const struct fault_ops *const *fault_kinds(void);             /* NULL-terminated */
bool fault_takes(const struct fault_ops *ops, const char *arg);
void fault_names(struct strbuf *out); /* "kill, interrupt, …" */
/* Kind and arguments from words: { "delay", "by=20ms", "jitter=5ms" }. The target is left empty.
 * ERR_USAGE. */
int fault_parse(struct fault *f, const char *const *words, size_t n, struct err *e);
/* ERR_USAGE if kind, target and arguments do not fit together. */
int fault_check(const struct fault *f, struct err *e);
/* Sets state, times and error. The fault is active then, or over if there is nothing to heal. */
int fault_inject(struct fault *f, struct err *e);
int fault_heal(struct fault *f, struct err *e);
/* "delay of feed → store: 20 ms ± 5 ms" */
void fault_describe(const struct fault *f, struct strbuf *out);
void fault_release(struct fault *f);                             /* does not heal */
void fault_arguments(const struct fault *f, struct strbuf *out); /* "20 ms ± 5 ms", or nothing */

void fault_link_forget(struct netproxy *p); /* call it before p is freed */

extern const struct fault_ops fault_kill, fault_interrupt, fault_pause, fault_memory;
extern const struct fault_ops fault_cut, fault_black_hole, fault_delay, fault_slow, fault_slice,
	fault_reset, fault_stall_commit, fault_single;
extern const struct fault_ops fault_refuse, fault_cut_body;
extern const struct fault_ops fault_disk_full, fault_read_only;

#endif

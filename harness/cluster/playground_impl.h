/* What the files of the playground ground share. */
#ifndef HARNESS_CLUSTER_PLAYGROUND_IMPL_H
#define HARNESS_CLUSTER_PLAYGROUND_IMPL_H

#include "harness/base/strbuf.h"
#include "harness/cluster/tidb_cluster.h"
#include "harness/tidb/playground_text.h"

#define PLAYGROUND_PORTS_MAX 64
#define PLAYGROUND_COMPONENTS_MAX 64
/* to TiCDC, from 8.5.4 on */
#define PLAYGROUND_NEW_TICDC ((char *)"TICDC_NEWARCH=true")
#define PLAYGROUND_KILL_MS 20000

struct component {
	pid_t pid;
	struct playground_component is;
};
struct playground {
	struct tidb_cluster tidb; /* first: tidb_cluster.c finds it in cluster->own */
	char *tag, *data, *log;
	int offset;
	int port[PLAYGROUND_PORTS_MAX]; /* held, so that no other drtest takes them */
	unsigned n_ports;
	struct proc *examined; /* its data, started again after the disaster */
	off_t log_seen;        /* of the log, when it was last read for those that died */
	char dead[700];        /* a component that ended by itself; "": none */
	/* of a TiCDC that we killed, as /proc/PID/cmdline has it; "" none */
	struct strbuf ticdc_argv;
	struct proc *ticdc; /* it, started again by us; NULL: playground's own runs */
	unsigned starts;    /* numbers the logs */
};

/* The components of this tag, by their command lines: what playground prints nowhere, and who is
 * still there after a kill. */
unsigned playground_components(const struct playground *p,
			       struct component out[PLAYGROUND_COMPONENTS_MAX]);
/* Does one of n bytes of NUL-ended words name something in that folder? */
bool playground_belongs(const char *words, size_t n, const char *data);

/* The host's side: playground_host.c. The texts are the caller's to free. */
char *playground_tiup_home(void);
/* tiup before 1.16.5 puts its note not into the data folder but there. */
char *playground_strayed(const char *data);
/* With the folders on the way that are empty then. */
void playground_remove_strayed(const char *data);
/* The newest version of a component ("tidb", "pd", "tikv", "cdc", "playground") in tiup's cache;
 * NULL: none. The caller frees. */
char *playground_cached(const char *component);
/* $DRTEST_TICDC, else the newest cdc in the cache, from 8.5.4 on. The caller frees. */
char *playground_new_ticdc(void);

/* Ends and removes this user's playgrounds of ours (tags drtest-<time>-<run>-<name>) whose run's
 * data directory, RUNS/drtest-<run>, is gone: after
 * --keep, or a power cut. fn is told of each; dry_run: only told. Returns their number. */
int playground_clean(const char *runs, bool dry_run, void (*fn)(void *arg, const char *what),
		     void *arg);
bool playground_is_default(void);
int playground_preflight(finding_fn *fn, void *arg);
int playground_doctor(ground_say_fn *say, finding_fn *fn, void *arg);
/* What the preflight saw that does not stand in the way; "" nothing. */
const char *playground_remark(void);

int playground_kill_part(struct cluster *c, enum cluster_part part, int which, int64_t *at_ns,
			 struct err *e);
void playground_part_died(struct cluster *c, enum cluster_part part);
unsigned playground_procs(struct cluster *c, enum cluster_part part, int which,
			  struct proc_ref *out, unsigned room);
int playground_pause(struct cluster *c, bool paused, struct err *e);
/* As tidb_cluster_changefeed(); a TiCDC that was killed is started again first, as playground had
 * started it. */
int playground_changefeed(struct cluster *c, unsigned slot, const struct changefeed_opts *o,
			  struct err *e);

#endif

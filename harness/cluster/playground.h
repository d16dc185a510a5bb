/* What others ask of the playground ground beside its verbs. */
#ifndef HARNESS_CLUSTER_PLAYGROUND_H
#define HARNESS_CLUSTER_PLAYGROUND_H

#include <stdbool.h>

/* The newest version of a component ("tidb", "pd", "tikv", "cdc", "playground") in tiup's cache;
 * NULL: none. The caller frees. */
char *playground_cached(const char *component);

/* Ends and removes this user's playgrounds of ours (tags drtest-<time>-<run>-<name>) whose run's
 * data directory, RUNS/drtest-<run>, is gone: after
 * --keep, or a power cut. fn is told of each; dry_run: only told. Returns their number. */
int playground_clean(const char *runs, bool dry_run, void (*fn)(void *arg, const char *what),
		     void *arg);

#endif

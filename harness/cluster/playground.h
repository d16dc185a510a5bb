/* What others ask of the playground ground beside its verbs. */
#ifndef HARNESS_CLUSTER_PLAYGROUND_H
#define HARNESS_CLUSTER_PLAYGROUND_H

/* The newest version of a component ("tidb", "pd", "tikv", "cdc", "playground") in tiup's cache; NULL: none. The caller frees. */
char *playground_cached(const char *component);

/* Ends and removes the playgrounds of ours (tags drtest-<run>-<name>) whose run's data directory, RUNS/drtest-<run>, is gone: after --keep, or a
 * power cut. fn is told of each. Returns their number. */
int playground_clean(const char *runs, void (*fn)(void *arg, const char *what), void *arg);

#endif

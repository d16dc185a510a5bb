/* What others ask of the playground ground beside its verbs. */
#ifndef HARNESS_CLUSTER_PLAYGROUND_H
#define HARNESS_CLUSTER_PLAYGROUND_H

/* The newest version of a component ("tidb", "pd", "tikv", "cdc", "playground") in tiup's cache; NULL: none. The caller frees. */
char *playground_cached(const char *component);

#endif

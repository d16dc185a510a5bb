/* Fault points: named places where the test build (`drtest-test`, made with -DDRTEST_FAILPOINTS)
 * can be told to go wrong, so that the verdict can be tried against real processes that lie. In the
 * product they are the constant false, and no code is left of them.
 * DRTEST_FAILPOINT="feed.txn_dropped:40,feed.sink_stuck" in the environment: at the 40th time; each
 * time; "name:40+": from the 40th on. */
#ifndef HARNESS_BASE_FAILPOINT_H
#define HARNESS_BASE_FAILPOINT_H

#include <stdbool.h>
#include <stdint.h>

#ifdef DRTEST_FAILPOINTS
bool failpoint(const char *name); /* any thread */
/* True at the hit, and for all that has the same value from then on. */
bool fault_same(const char *name, uint64_t value);
#else
#define failpoint(name) false
#define fault_same(name, value) false
#endif
bool failpoints_built(void);

#endif

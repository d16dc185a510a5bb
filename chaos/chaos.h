/* Scheduled faults: a separate thread injects each one at a given time or when a state is reached,
 * and heals it after its duration, while the scenario does something else. Hooks are called from
 * whichever thread injects or heals; keep them short. */
#ifndef CHAOS_CHAOS_H
#define CHAOS_CHAOS_H

#include "chaos/fault.h"

enum chaos_trigger { CHAOS_AT, CHAOS_BUSY, CHAOS_LAG, CHAOS_REQUEST, CHAOS_SPLIT };
struct chaos_when {
	enum chaos_trigger trigger;
	int64_t at_ns;         /* CHAOS_AT: CLOCK_MONOTONIC; 0: now */
	char status_path[512]; /* CHAOS_BUSY, CHAOS_LAG: a changefeed's */
	int64_t lag_ms;
	/* CHAOS_REQUEST: the nth request that matches has sent after_bytes of its body */
	struct netproxy *link;
	/* CHAOS_SPLIT: with the fault "single" in force on it, one connection's COMMIT was
	 * answered while others wait */
	char match[96];
	unsigned nth;
	uint64_t after_bytes;
	int64_t later_ns; /* after the trigger */
	int64_t lasts_ns; /* healed so long after it was injected; 0: when asked to */
};
struct chaos_hooks {
	/* it is about to be injected */
	void (*before)(void *arg, void *tag);
	/* it was injected, or could not be */
	void (*after)(void *arg, void *tag, const struct fault *f);
	/* it was healed, or could not be */
	void (*healed)(void *arg, void *tag, const struct fault *f);
	void *arg;
};
struct chaos;
struct armed; /* one fault with its time; the chaos's */
struct chaos *chaos_new(const struct chaos_hooks *h, struct err *e);
void chaos_free(struct chaos *c); /* heals what is active; NULL is fine */

/* f: copied, what it holds is taken over (also on failure). ERR_USAGE when it does not fit its
 * target, or when it overlaps another of its group on the same target. Without a trigger and at_ns
 * it happens before this returns, and its failure is this call's. */
struct armed *chaos_arm(struct chaos *c, const struct fault *f, const struct chaos_when *w,
			void *tag, struct err *e);
/* now; one that is still armed never comes */
int chaos_heal(struct chaos *c, struct armed *a, struct err *e);
/* Heals whatever is active, and disarms the rest. -1: *e of the first that could not be healed. */
int chaos_heal_all(struct chaos *c, struct err *e);
/* how many wait for their heal; their names are appended, NULL: not */
size_t chaos_active(struct chaos *c, struct strbuf *names);
enum fault_state armed_state(const struct armed *a);
const struct fault *armed_fault(const struct armed *a); /* settled when its state says so */

#endif

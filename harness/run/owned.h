/* What a run owns: how to close each thing, whether it is healthy, and what it adds to the samples
 * of each second. Closed in reverse order. From the main thread unless said. */
#ifndef HARNESS_RUN_OWNED_H
#define HARNESS_RUN_OWNED_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "harness/base/err.h"

struct runtime;

struct owned_ops {
	void (*close)(void *object, bool keep);
	/* its own fault, seen while the scenario waits; may be NULL */
	int (*health)(void *object, struct err *e);
	/* from the sampler's thread, never after close began; may be NULL */
	void (*sample)(void *object, json_t *sample);
};
void owned_add(struct runtime *r, const struct owned_ops *ops, void *object);
/* The next object of this kind from *at on (0 first; it is moved behind it); NULL: no more. Main
 * thread. */
void *owned_next(const struct runtime *r, const struct owned_ops *ops, size_t *at);
/* No health is expected of it any more (it was killed on purpose, or stopped). From any thread. */
void owned_expect(struct runtime *r, void *object, bool healthy);
/* Takes it all down, last first. */
void owned_teardown(struct runtime *r);
int owned_health(struct runtime *r, struct err *e);
/* Waits ms, health looked at every 50 ms. 0: waited; -1: *e is set (a fault, cancelled). */
int owned_wait(struct runtime *r, int64_t ms, struct err *e);
/* For ops->sample: CPU and resident memory of a process, into the sample under its name; nothing
 * when it is gone. */
void owned_sample_process(json_t *sample, const char *name, pid_t pid);

#endif

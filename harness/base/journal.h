/* The journal of a run: JSON lines, one event each, zstd-compressed, on one monotonic clock.
 * Everything a report says is in it. Line: {"t":<seconds since the run began>,"ev":"<name>",...}.
 * The first event is "run" and carries "wall_ms" and "schema". Any thread may write. Each event is
 * flushed as a whole zstd block, so a killed run leaves a readable journal. */
#ifndef HARNESS_BASE_JOURNAL_H
#define HARNESS_BASE_JOURNAL_H

#include <jansson.h>
#include <stdint.h>

#include "harness/base/err.h"

struct journal;
struct journal *journal_create(const char *path, struct err *e);
/* Takes over `fields` (a JSON object, or NULL). A failed write is kept and told by journal_close().
 */
void journal_event(struct journal *j, const char *ev, json_t *fields);
/* The same with an instant of the caller's: CLOCK_MONOTONIC nanoseconds. */
void journal_event_at(struct journal *j, int64_t mono_ns, const char *ev, json_t *fields);
/* fn is told of each event from now on, in their order, one at a time, from the thread that writes
 * it; it may keep the event by json_incref() and must not write to the journal. */
void journal_listen(struct journal *j, void (*fn)(void *arg, json_t *event), void *arg);
int64_t journal_start_ns(const struct journal *j);
/* The first write error since creation (disk full); 0 when all is well. */
int journal_error(struct journal *j, struct err *e);
int journal_close(struct journal *j, struct err *e); /* frees j; NULL is fine */

/* Calls fn for each whole event. A cut-off tail is no error: *truncated tells. fn returns non-zero
 * to stop. */
int journal_read(const char *path, int (*fn)(void *arg, json_t *event), void *arg, int *truncated,
		 struct err *e);

#endif

/* The feed's status for its parent: a small JSON file, replaced as a whole, and the part of the
 * process that keeps it up to date. */
#ifndef HARNESS_FEED_STATUS_H
#define HARNESS_FEED_STATUS_H

#include "harness/feed/feed.h"
#include "harness/feed/watermarks.h"

#define FEED_STATUS_BYTES_MAX ((size_t)256 << 10)

/* not synced: it speaks to the living */
int feed_status_write(const char *path, const struct feed_status *st, struct err *e);
/* ERR_NOT_FOUND: none yet */
int feed_status_read(const char *path, struct feed_status *st, struct err *e);
const char *feed_state_text(enum feed_state s);

/* Written every 100 ms by a thread of its own, and as soon as sink_busy flips (at most every
 * millisecond). */
struct status_board;
struct status_board *status_board_start(const char *path, struct err *e);
struct feed_status *status_board_lock(struct status_board *b); /* to change fields; then unlock */
void status_board_unlock(struct status_board *b);
void status_board_busy(void *board, bool busy); /* any thread */
/* Who waits, and for what: NULL when it goes on. A wait begins with its first text; later ones only
 * say more. Any thread. What holds the log up: the primary, the store, a table's structure that
 * only the secondary has; what holds the sink up: a DDL, its workers (SINK and up). */
enum {
	FEED_WAITER_SOURCE,
	FEED_WAITER_LOG,
	FEED_WAITER_STRUCTURE,
	FEED_WAITER_DDL,
	FEED_WAITER_SINK,
	FEED_WAITERS = FEED_WAITER_SINK + FEED_WORKERS_MAX
};
void status_board_waits(void *board, unsigned waiter, const char *on);
void status_board_stop(struct status_board *b); /* writes the last state; NULL is fine */

#endif

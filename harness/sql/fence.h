/* Fencing: a statement whose client was killed can still run on the server and take effect seconds
 * later. Every writer records its connections in the secondary; the next one kills the recorded
 * connections and waits until they are gone. */
#ifndef HARNESS_SQL_FENCE_H
#define HARNESS_SQL_FENCE_H

#include "harness/base/clock.h"
#include "harness/sql/sql.h"

/* Records this connection, before its first write; owner: the changefeed's id, or the replay's. */
int fence_register(struct sql *sink, const char *owner, struct err *e);
/* Whoever takes over a changefeed raises its generation before it fences: an instance that lives on
 * elsewhere was cut off by the fence, would connect again, and is told by fence_check() then. Each
 * life raises it once. */
int fence_raise(struct sql *control, const char *owner, uint64_t *generation, struct err *e);
/* After fence_register(), before the first write: ERR_UNSUPPORTED when somebody has taken over
 * since. */
int fence_check(struct sql *sink, const char *owner, uint64_t generation, struct err *e);
/* Ends the recorded connections, waits until they are gone, forgets them. owner NULL: everybody's,
 * and no changefeed comes back. */
int fence_kill(struct sql *control, const char *owner, struct deadline d, uint64_t *killed,
	       struct err *e);
#define FENCE_REPLAY "replay:" /* an owner that begins so is the replay of a log */
/* Everybody's, for a replay that is its owner: but not those of replays of other logs, which write
 * beside it. No changefeed comes back. */
int fence_kill_for_replay(struct sql *control, const char *owner, struct deadline d,
			  uint64_t *killed, struct err *e);
/* A stock TiCDC records nothing: all connections of the user that it had; "name*": of all whose
 * names begin so. Adds to *killed. ERR_ENV where the account may not see them. */
int fence_user(struct sql *control, const char *user, struct deadline d, uint64_t *killed,
	       struct err *e);
/* One connection of ours that was lost: what it runs is over when this returns. */
int fence_end(struct sql *control, uint64_t id, struct deadline d, struct err *e);

#endif

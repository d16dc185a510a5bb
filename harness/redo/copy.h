/* Copies a redo log while its changefeed is running: the log that a replay at this moment would
 * read. */
#ifndef HARNESS_REDO_COPY_H
#define HARNESS_REDO_COPY_H

#include "harness/redo/reader.h"

struct redo_copy_result {
	/* the copy holds every change with commitTs in (checkpoint_ts, resolved_ts] */
	struct redo_meta meta;
	uint64_t files, bytes;
};
/* Meta first, then the list, then the files. A file that was collected meanwhile (its changefeed's
 * checkpoint passed it) makes it begin anew, at most until the deadline. `to` must hold no redo
 * log. Nothing is ever written to `from`. */
int redo_copy(struct store *from, struct store *to, struct deadline d, struct redo_copy_result *r,
	      struct err *e);

#endif

/* Reads a whole log while it is being written: meta first, then the
 * list, then checkpointTs again, then the files, DDLs before rows. What was collected before the
 * list is at or before that checkpointTs. A listed file that is gone makes us look again: the log
 * has moved on, and all begins anew with its new meta; or it is a gap. */
#ifndef HARNESS_REDO_SCAN_H
#define HARNESS_REDO_SCAN_H

#include "harness/redo/reader.h"

struct redo_scan_file { /* the file that was read */
	const struct redo_file *file;
	struct redo_parse_result res; /* of what was whole */
	const struct err *why;        /* why the rest was left out (allow_gap); NULL: nothing was */
	struct err fault;             /* of the sidecar, if that is all that is wrong */
};
struct redo_scan {
	/* Called at the start and after each new beginning: forget everything. meta and files live
	 * until the scan ends or begins anew. */
	int (*begin)(void *arg, const struct redo_meta *meta, const struct redo_files *files,
		     struct err *e);
	/* all DDL files are read, rows follow; may be NULL */
	int (*ddls_done)(void *arg, struct err *e);
	redo_event_fn *event;
	/* may be NULL */
	int (*file_done)(void *arg, const struct redo_scan_file *f, struct err *e);
	void (*bytes)(void *arg, size_t n); /* as stored, as they come; may be NULL */
	void *arg;
	/* also those whose name ts says that all of it is at or before checkpointTs */
	bool old_files;
	/* a log without meta is read too: all of it, both ts 0 and the maximum */
	bool no_meta;
	bool any_feed;      /* also a place that holds files of several changefeeds */
	bool allow_gap;     /* a torn, undecodable or vanished file: go on with what is whole */
	unsigned downloads; /* at once; 0: 4, of a local directory none */
};
int redo_scan(struct store *s, const struct redo_scan *how, struct err *e);

#endif

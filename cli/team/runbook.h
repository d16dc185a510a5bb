/* The recovery steps for the clusters of one clusters file: addresses, the commands in order, how
 * long the last drills took, decisions, and what to do if a step fails. Secrets are referenced,
 * never shown. */
#ifndef CLI_TEAM_RUNBOOK_H
#define CLI_TEAM_RUNBOOK_H

#include "cli/team/page.h"
#include "harness/cluster/attach/attach.h"
#include "reports/run_history.h"

struct runbook {
	const struct attach_file *file; /* read by attach_file_read_named() */
	const char *path;               /* of it */
	const struct run_row *runs;     /* drills whose times are told, oldest first */
	size_t runs_n;
	const char *max_rpo, *max_rto; /* targets, as given; NULL: none */
	const char *version;           /* of drtest */
};
/* ERR_USAGE: the file names no secondary, or no redo log. */
int runbook_write(const struct runbook *b, struct page *p, struct err *e);

#endif

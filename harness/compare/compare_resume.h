/* Inside compare/: equal ranges, recorded in a file during a compare, so that an interrupted one
 * can resume. */
#ifndef HARNESS_COMPARE_COMPARE_RESUME_H
#define HARNESS_COMPARE_COMPARE_RESUME_H

#include "harness/compare/compare_rows.h"

struct compare_resume;
/* Reads what is there. A file of another compare (other servers, snapshots, tables, chunks) is
 * refused: ERR_USAGE. */
struct compare_resume *compare_resume_open(const struct compare_opts *o, struct err *e);
/* any thread, as the next */
bool compare_resume_has(struct compare_resume *r, const struct row_range *range, uint64_t *rows);
int compare_resume_add(struct compare_resume *r, const struct row_range *range, uint64_t rows,
		       struct err *e);
/* finished: the file goes; what was equal then need not be so later */
void compare_resume_close(struct compare_resume *r, bool finished);

#endif

/* A run's output for CI, made from its journal: annotations and a summary for GitHub Actions,
 * Markdown and a badge for others. All text from the journal is escaped. */
#ifndef REPORTS_CI_H
#define REPORTS_CI_H

#include <stdio.h>

#include "harness/base/err.h"
#include "harness/base/strbuf.h"
#include "reports/run_model.h"

/* Within GitHub Actions: annotations to `out`, the summary appended to $GITHUB_STEP_SUMMARY.
 * Elsewhere nothing. */
int report_ci(const char *run_dir, FILE *out, struct err *e);
/* To a file, in one piece. */
int report_markdown(const char *run_dir, const char *path, struct err *e);
int report_badge(const char *run_dir, const char *path, struct err *e);

#endif

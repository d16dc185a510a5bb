/* What a run left on clusters and in a store that are not its own. */
#ifndef REPORTS_LEFT_LEFT_H
#define REPORTS_LEFT_LEFT_H

#include "harness/base/strbuf.h"
#include "reports/run_model.h"

/* a line; nothing where nothing is left */
void left_text(const struct run_model *m, struct strbuf *out);
/* a section, with the statements that remove each thing */
void left_html(const struct run_model *m, struct strbuf *out);

#endif

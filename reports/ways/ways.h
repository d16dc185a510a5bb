/* The table of ways back that a scenario compared from one state, in each format. Nothing is
 * written where there is none. */
#ifndef REPORTS_WAYS_WAYS_H
#define REPORTS_WAYS_WAYS_H

#include "harness/base/strbuf.h"
#include "reports/run_model.h"

/* For a terminal: a line a way, one below it where its state does not hold, and the advice. */
void ways_text(const struct run_model *m, size_t columns, struct strbuf *out);
json_t *ways_json(const struct run_model *m); /* as reports/result.schema.json has it */
void ways_html(const struct run_model *m, struct strbuf *out);

#endif

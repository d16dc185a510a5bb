/* A run in progress: the events of its journal build the model that reports are made from, and
 * pages and figures can be made from it at any time. All calls from any thread. */
#ifndef REPORTS_LIVE_LIVE_RUN_H
#define REPORTS_LIVE_LIVE_RUN_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "harness/base/strbuf.h"

struct live_run;
struct live_run *live_run_new(void);
void live_run_free(struct live_run *l); /* nobody waits in live_run_next() any more */
/* As journal_listen() tells them. */
void live_run_event(struct live_run *l, json_t *event);
/* Figures for Prometheus, in its text format or in OpenMetrics. */
void live_run_figures(struct live_run *l, bool open_metrics, struct strbuf *out);
/* The report as far as it goes, as a page that keeps itself up to date. */
void live_run_page(struct live_run *l, struct strbuf *out);
/* Server-sent events for that page: waits up to wait_ms until there is more than *seen. -1: the run
 * has ended, and the page was told. */
int live_run_next(struct live_run *l, uint64_t *seen, int wait_ms, struct strbuf *out);

#endif

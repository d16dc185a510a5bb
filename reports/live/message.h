/* A run's verdict as a webhook message: {"type": "run.verdict", "timestamp",
 * "text", "data": {…}}, as Standard Webhooks has it; "text" is what chat rooms show. */
#ifndef REPORTS_LIVE_MESSAGE_H
#define REPORTS_LIVE_MESSAGE_H

#include <stdint.h>

#include "harness/base/err.h"
#include "harness/base/strbuf.h"

/* Appends the message, and to id the run's name, which is the message's identity. */
int report_message(const char *run_dir, struct strbuf *id, struct strbuf *out, struct err *e);
/* Of a run that did not begin: what was asked for, and the exit code. */
void report_message_unbegun(const char *scenario, const char *drtest, int code, int64_t wall_ms,
			    struct strbuf *id, struct strbuf *out);

#endif

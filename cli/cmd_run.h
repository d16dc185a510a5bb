/* drtest run. */
#ifndef CLI_CMD_RUN_H
#define CLI_CMD_RUN_H

#include "cli/live/notify.h"
#include "cli/live/serve.h"
#include "harness/run/run.h"
#include "harness/run/runtime.h"

struct run_outputs {
	bool json;              /* result.json instead of the summary */
	const char *prometheus; /* a file; NULL: none */
	/* gets the run folder's path, as soon as it is known; NULL: none */
	const char *folder_file;
	struct serve_at serve;
	struct notify notify;
};
/* --max-rpo: a time, or a number of lost transactions. Each of them once. */
int run_take_max_rpo(struct run_opts *o, const char *text, struct err *e);
bool run_has_option(const char *name); /* "seed": does the command line know it? */

extern const struct runtime_module scenario_modules[]; /* the bindings that scenarios are given */

#endif

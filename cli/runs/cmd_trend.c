#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/options.h"
#include "harness/base/xalloc.h"
#include "harness/os/fs.h"
#include "reports/trend.h"

static int write_page(const char *dir, const char *to, struct run_filter f, struct err *e)
{
	char *path = to ? xstrdup(to) : xstrfmt("%s/trend.html", dir), *scenario = NULL;
	struct strbuf page = STRBUF_INIT;
	struct run_row *runs = NULL;
	struct run_filter newest = { .last = 1 };
	size_t n = 0;
	int rc = -1;

	if (!f.scenario) {
		if (run_history_list(dir, &newest, &runs, &n, e) < 0)
			goto out;
		scenario = n ? xstrdup(runs[0].scenario) : NULL;
		f.scenario = scenario;
		run_history_free(runs, n);
		runs = NULL;
	}
	if (run_history_list(dir, &f, &runs, &n, e) < 0)
		goto out;
	if (!n) {
		err_set(e, ERR_USAGE, 0, "no run%s%s in %s/" RUN_HISTORY_FILE,
			f.scenario ? " of " : "", f.scenario ? f.scenario : "", dir);
		goto out;
	}
	trend_html(runs, n, f.scenario, &page);
	rc = fs_write_atomic(path, page.buf, page.len, 0644, e);
	if (rc == 0)
		printf("%s: %zu run%s\n", path, n, n == 1 ? "" : "s");
out:
	run_history_free(runs, n);
	strbuf_release(&page);
	free(scenario);
	free(path);
	return rc;
}

struct request {
	const char *dir, *to, *scenario;
	uint64_t last;
};
#define AT(member) .at = offsetof(struct request, member)
static const struct option_def options[] = {
	{ "scenario", OPTION_TEXT, "NAME", "the scenario (that of the newest run)", AT(scenario) },
	{ "last", OPTION_WHOLE, "N", "the newest N runs (365)", AT(last), .min = 1 },
	{ "out", OPTION_TEXT, "DIR", "the directory for runs (runs)", AT(dir) },
	{ "output", OPTION_TEXT, "FILE",
	  "the page to write (DIR/trend.html; its links point to the runs next to it)", AT(to) },
	{ "to", OPTION_RENAMED, .at = 0, .now = "output" },
	{ 0 },
};
static const struct command_def command = {
	.name = "trend",
	.usage = "drtest trend [--scenario NAME] [--last N] [--out DIR] [--output FILE]",
	.about = "Draws each figure over the runs in DIR/history.db, on one HTML page that needs "
		 "no network.",
	.options = options,
	.more = "Exit code: 0, 2 wrong usage or no run, 3 the history can't be read or the page not written.",
};

int cmd_trend(int argc, char **argv)
{
	struct request q = { .dir = "runs", .last = 365 };
	struct run_filter f = { 0 };
	struct err e = ERR_INIT;
	int rc = options_parse(&command, argc, argv, &q);

	if (rc)
		return rc == 1 ? 0 : 2;
	f.scenario = q.scenario;
	f.last = q.last;
	if (run_history_folder(q.dir, &e) < 0 ||
	    (f.scenario && run_history_check_scenario(q.dir, f.scenario, &e) < 0)) {
		fprintf(stderr, "drtest trend: %s\n", e.text);
		return err_exit_code(&e);
	}
	if (write_page(q.dir, q.to, f, &e) == 0)
		return 0;
	fprintf(stderr, "drtest trend: %s\n", e.text);
	return err_exit_code(&e);
}

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/options.h"
#include "harness/base/xalloc.h"
#include "harness/os/fs.h"
#include "reports/trend.h"

static const char help[] =
	"usage: drtest trend [--scenario NAME] [--last N] [--out DIR] [--to FILE]\n"
	"Draws each figure over the runs of DIR/history.db: one HTML page that opens without network.\n"
	"  --scenario NAME  of which scenario (that of the newest run)\n"
	"  --last N         the newest N runs (365)\n"
	"  --out DIR        the folder of runs (runs)\n"
	"  --to FILE        the page (DIR/trend.html; its links lead to the runs beside it)\n"
	"Exit code: 0, 2 wrong usage or no run, 3 the history can't be read or the page not written.\n";

static int write_page(const char *dir, const char *to, struct past_filter f, struct err *e)
{
	char *path = to ? xstrdup(to) : xstrfmt("%s/trend.html", dir), *scenario = NULL;
	struct strbuf page = STRBUF_INIT;
	struct past_run *runs = NULL;
	struct past_filter newest = { .last = 1 };
	size_t n = 0;
	int rc = -1;

	if (!f.scenario) {
		if (past_list(dir, &newest, &runs, &n, e) < 0)
			goto out;
		scenario = n ? xstrdup(runs[0].scenario) : NULL;
		f.scenario = scenario;
		past_free(runs, n);
		runs = NULL;
	}
	if (past_list(dir, &f, &runs, &n, e) < 0)
		goto out;
	if (!n) {
		err_set(e, ERR_USAGE, 0, "no run%s%s in %s/" PAST_FILE, f.scenario ? " of " : "",
			f.scenario ? f.scenario : "", dir);
		goto out;
	}
	trend_html(runs, n, f.scenario, &page);
	rc = fs_write_atomic(path, page.buf, page.len, 0644, e);
	if (rc == 0)
		printf("%s: %zu run%s\n", path, n, n == 1 ? "" : "s");
out:
	past_free(runs, n);
	strbuf_release(&page);
	free(scenario);
	free(path);
	return rc;
}

int cmd_trend(int argc, char **argv)
{
	static const struct option longs[] = { { "out", required_argument, NULL, 'o' },
					       { "scenario", required_argument, NULL, 's' },
					       { "last", required_argument, NULL, 'l' },
					       { "to", required_argument, NULL, 't' },
					       { "help", no_argument, NULL, 'h' },
					       { 0 } };
	struct past_filter f = { .last = 365 };
	const char *dir = "runs", *to = NULL;
	struct err e = ERR_INIT;
	char *end;
	int c;

	optind = 0;
	while ((c = options_next(argc, argv, "h", longs, NULL)) != -1)
		switch (c) {
		case 'o': dir = optarg; break;
		case 's': f.scenario = optarg; break;
		case 't': to = optarg; break;
		case 'l':
			f.last = strtoul(optarg, &end, 10);
			if (*optarg < '0' || *optarg > '9' || *end || !f.last) {
				fprintf(stderr,
					"drtest trend: --last: '%.80s' is no number from 1\n",
					optarg);
				return 2;
			}
			break;
		case 'h': fputs(help, stdout); return 0;
		default: return 2;
		}
	if (optind < argc) {
		fprintf(stderr, "drtest trend: '%.80s' is not understood (drtest trend --help)\n",
			argv[optind]);
		return 2;
	}
	if (f.scenario && past_check_scenario(dir, f.scenario, &e) < 0) {
		fprintf(stderr, "drtest trend: %s\n", e.text);
		return err_exit_code(&e);
	}
	if (write_page(dir, to, f, &e) == 0)
		return 0;
	fprintf(stderr, "drtest trend: %s\n", e.text);
	return err_exit_code(&e);
}

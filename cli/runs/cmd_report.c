#include "cli/commands.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/live/notify.h"
#include "cli/options.h"
#include "cli/runs/print_page.h"
#include "harness/base/xalloc.h"
#include "harness/os/fs.h"
#include "harness/os/proc.h"
#include "reports/ci.h"
#include "reports/report.h"

static int open_page(const char *run, struct err *e)
{
	static const char *const programs[] = { "xdg-open", "open", NULL };
	char *page = xstrfmt("%s/report.html", run), *argv[] = { NULL, page, NULL };
	struct err why = ERR_INIT; /* xdg-open names each browser that it did not find */
	int rc = print_page_run(programs, argv, "", &why);

	if (rc < 0)
		err_set(e, ERR_ENV, 0, "--open: %s: open %s in one",
			why.text[0] ? "no browser could be started"
				    : "neither xdg-open nor open is on PATH",
			page);
	free(page);
	return rc;
}

static int make_pdf(const char *run, const char *to, struct err *e)
{
	char *page = xstrfmt("%s/report.html", run);
	int rc = fs_may_write(to, e) < 0 ? -1 : print_page(page, to, e);

	free(page);
	return rc < 0 ? err_wrap(e, "--pdf") : 0;
}

struct request {
	const char *prometheus, *pdf, *markdown, *badge;
	bool json, open_it, schema;
	struct notify notify;
};
#define AT(member) .at = offsetof(struct request, member)
static const struct option_def options[] = {
	{ "prometheus", OPTION_TEXT, "FILE",
	  "also write the final figures to FILE, for the textfile collector of a node exporter "
	  "(one RUN)",
	  AT(prometheus) },
	{ "markdown", OPTION_TEXT, "FILE",
	  "write the verdict, RPO, RTO and the checks that did not pass as Markdown (one RUN)",
	  AT(markdown) },
	{ "badge", OPTION_TEXT, "FILE",
	  "write an SVG badge with the verdict, RPO and RTO (one RUN)", AT(badge) },
	{ "pdf", OPTION_TEXT, "FILE", "print report.html on A4 with Chromium (one RUN)", AT(pdf) },
	{ "open", OPTION_FLAG, NULL, "open report.html in the browser (one RUN)", AT(open_it) },
	NOTIFY_OPTIONS(notify),
	{ "schema", OPTION_FLAG, NULL, "print the JSON Schema of result.json", AT(schema) },
	{ "json", OPTION_FLAG, NULL, "print result.json instead of the summary", AT(json) },
	{ 0 },
};
static const struct command_def command = {
	.name = "report",
	.usage =
		"drtest report [--json] [--prometheus FILE] [--markdown FILE] [--badge FILE] [--pdf FILE] [--webhook URL] [--open] RUN…\ndrtest report --schema",
	.about = "Writes the reports of runs again, each from its journal (without a cluster), "
		 "and prints the summary: RUN/report.html for people (one file that needs no "
		 "network), RUN/result.json for programs, RUN/junit.xml for CI (a test case per "
		 "check). RUN is a run directory (runs/<UTC time>-<scenario>-<seed>). The report "
		 "of an interrupted run ends where its journal ends.",
	.options = options,
	.more = "Exit code: 0 the reports were written (whatever the verdict), 2 no such run, 3 "
		"the directory cannot be read or written.",
	.operands_max = INT_MAX,
};

/* The reports in a directory that is only read stay as they are, if only other output is asked for.
 */
static bool only_read(const struct request *q, const char *run)
{
	return (q->json || q->markdown || q->badge || q->prometheus) && !q->pdf && !q->open_it &&
	       access(run, W_OK) < 0 && errno != ENOENT;
}

int cmd_report(int argc, char **argv)
{
	struct request q = { 0 };
	int rc = options_parse(&command, argc, argv, &q);

	if (rc)
		return rc == 1 ? 0 : 2;
	if (q.schema && argc > 2)
		return options_wrong(&command, "--schema cannot be combined with anything else");
	if (q.schema) {
		fputs(report_schema(), stdout);
		return 0;
	}
	if (optind == argc) {
		fprintf(stderr, "drtest report: missing run directory, for example "
				"runs/20261017T120000Z-failover-42\n");
		return 2;
	}
	if ((q.prometheus || q.pdf || q.markdown || q.badge || q.open_it) && optind + 1 < argc) {
		fprintf(stderr, "drtest report: %s takes one run\n",
			q.prometheus ? "--prometheus"
			: q.markdown ? "--markdown"
			: q.badge    ? "--badge"
			: q.pdf      ? "--pdf"
				     : "--open");
		return 2;
	}
	if (!notify_open(&q.notify, "report"))
		return 2;
	for (int i = optind; i < argc; i++) {
		struct err e = ERR_INIT;

		if ((!only_read(&q, argv[i]) && report_make(argv[i], &e) < 0) ||
		    (q.prometheus && report_prometheus(argv[i], q.prometheus, &e) < 0) ||
		    (q.markdown && report_markdown(argv[i], q.markdown, &e) < 0) ||
		    (q.badge && report_badge(argv[i], q.badge, &e) < 0) ||
		    (q.pdf && make_pdf(argv[i], q.pdf, &e) < 0) ||
		    (q.open_it && open_page(argv[i], &e) < 0) ||
		    (q.json ? report_json(argv[i], stdout, &e)
			    : report_summary(argv[i], stdout, report_colors(stdout), &e)) < 0) {
			int code = err_exit_code(&e);

			fprintf(stderr, "drtest report: %s\n", e.text);
			rc = code > rc ? code : rc;
			continue;
		}
		if (!notify_verdict(&q.notify, argv[i], "", 0))
			rc = rc > 3 ? rc : 3;
		if (!q.json && i + 1 < argc)
			putchar('\n');
	}
	notify_close(&q.notify);
	return rc;
}

#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/options.h"
#include "cli/team/runbook.h"
#include "cli/runs/print_page.h"
#include "cli/version.h"
#include "harness/base/clock.h"
#include "harness/os/fs.h"

#define RUNS_MAX 20

enum { FORMAT_MD, FORMAT_HTML, FORMAT_PDF };
struct request {
	const char *clusters, *to, *runs, *max_rpo, *max_rto;
	int format;
};
#define AT(member) .at = offsetof(struct request, member)
static const struct option_def options[] = {
	{ "clusters", OPTION_TEXT, "FILE", "the clusters (docs/CLUSTERS.md)", AT(clusters) },
	{ "format", OPTION_CHOICE, "md|html|pdf", "Markdown, HTML, or PDF with Chromium (md)",
	  AT(format) },
	{ "output", OPTION_TEXT, "FILE", "the file to write; required for pdf (standard output)",
	  AT(to) },
	{ "out", OPTION_TEXT, "DIR", "the directory for runs, for measured times (runs)",
	  AT(runs) },
	{ "max-rpo", OPTION_TEXT, "TIME", "your target, for the decisions", AT(max_rpo) },
	{ "max-rto", OPTION_TEXT, "TIME", "your target, for the decisions", AT(max_rto) },
	{ "runs", OPTION_RENAMED, .at = 0, .now = "out" },
	{ "to", OPTION_RENAMED, .at = 0, .now = "output" },
	{ 0 },
};
static const struct command_def command = {
	.name = "runbook",
	.usage =
		"drtest runbook --clusters FILE [--format md|html|pdf] [--output FILE] [--out DIR] [...]",
	.about = "Prints the recovery steps for exactly these clusters: their addresses, the "
		 "commands in order, how long the last drills took, which decisions are due and "
		 "on what basis, and what to do if a step fails. It never shows secrets: env "
		 "\"NAME\" in the clusters file stays ${NAME}. Connects to nothing.",
	.options = options,
	.more = "Exit code: 0 printed, 2 wrong usage or clusters file, 3 it cannot be written.",
};

/* The newest drills that replayed a log; of one scenario, for times of different ones tell nothing
 * together. */
static void read_drills(const char *runs_dir, struct run_row **runs, size_t *n)
{
	static const char *const scenarios[] = { "live_failover", "rehearse", "failover" };
	struct err e = ERR_INIT;

	for (size_t i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++) {
		const struct run_filter f = { .scenario = scenarios[i],
					      .verdict = "pass",
					      .last = RUNS_MAX };

		if (run_history_list(runs_dir, &f, runs, n, &e) < 0) {
			fprintf(stderr, "note: drtest runbook: no measured times: %s\n", e.text);
			return;
		}
		if (*n)
			return;
	}
}

static int put(const struct request *q, const struct strbuf *text, struct err *e)
{
	char page[] = "/tmp/drtest-runbook.XXXXXX.html";
	int fd, rc;

	if (!q->to) {
		fwrite(text->buf, 1, text->len, stdout);
		return 0;
	}
	if (q->format != FORMAT_PDF)
		return fs_write_atomic(q->to, text->buf, text->len, 0644, e);
	fd = mkstemps(page, 5);
	if (fd < 0)
		return err_sys(e, "create %s", page);
	rc = fs_write_all(fd, text->buf, text->len, e);
	close(fd);
	if (rc == 0)
		rc = print_page(page, q->to, e);
	unlink(page);
	return rc;
}

int cmd_runbook(int argc, char **argv)
{
	struct request q = { 0 };
	struct attach_file file = { 0 };
	struct run_row *runs = NULL;
	struct err e = ERR_INIT;
	struct runbook b = { .file = &file, .version = drtest_version };
	struct page p = { .out = STRBUF_INIT };
	size_t n = 0;
	int rc = options_parse(&command, argc, argv, &q);

	if (rc)
		return rc == 1 ? 0 : 2;
	if (!q.clusters)
		return options_wrong(&command, "--clusters FILE is missing (docs/CLUSTERS.md)");
	for (size_t i = 0; i < 2; i++) {
		const char *time = i ? q.max_rto : q.max_rpo;

		if (time && duration_parse_ms(time) < 0)
			return options_wrong(&command,
					     "--max-%s: '%.80s' is not a time such as 30s",
					     i ? "rto" : "rpo", time);
	}
	if (q.runs && run_history_folder(q.runs, &e) < 0) {
		fprintf(stderr, "drtest runbook: --out: %s\n", e.text);
		return 2;
	}
	if (q.format == FORMAT_PDF && !q.to)
		return options_wrong(&command, "--format pdf needs --output FILE");
	if (attach_file_read_named(&file, q.clusters, &e) < 0) {
		fprintf(stderr, "drtest runbook: %s\n", e.text);
		return 2;
	}
	read_drills(q.runs ? q.runs : "runs", &runs, &n);
	b.path = q.clusters;
	b.runs = runs;
	b.runs_n = n;
	b.max_rpo = q.max_rpo;
	b.max_rto = q.max_rto;
	page_begin(&p, q.format != FORMAT_MD, "Runbook: from the loss of the primary to service");
	rc = runbook_write(&b, &p, &e);
	if (rc == 0)
		rc = put(&q, &p.out, &e);
	if (rc < 0)
		fprintf(stderr, "drtest runbook: %s\n", e.text);
	strbuf_release(&p.out);
	run_history_free(runs, n);
	attach_file_release(&file);
	return rc < 0 ? err_exit_code(&e) : 0;
}

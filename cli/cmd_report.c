#include "cli/cmd_report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/options.h"
#include "harness/base/xalloc.h"
#include "harness/os/fs.h"
#include "reports/report.h"

#define RESULT_BYTES_MAX ((size_t)256 << 20)

static const char help[] =
	"usage: drtest report [--json] [--prometheus FILE] RUN…\n"
	"       drtest report --schema\n"
	"Makes the reports of runs again, each from its journal alone (no cluster is needed), and prints the summary:\n"
	"  RUN/report.html   for people, one file, opens without network\n"
	"  RUN/result.json   for programs\n"
	"  RUN/junit.xml     for CI: a case a check\n"
	"RUN is a run's folder (runs/<UTC time>-<scenario>-<seed>). A run that was cut off gives a report as far as its journal "
	"goes.\n"
	"  --prometheus FILE writes the final figures too, in the text format that a node exporter collects (one RUN)\n"
	"  --schema          prints the JSON Schema of result.json\n"
	"  --json            prints result.json instead of the summary\n"
	"Exit code: 0 the reports were made (whatever the verdict), 2 no such run, 3 the folder can't be read or written.\n";

static int print_json(const char *run, struct err *e)
{
	struct strbuf text = STRBUF_INIT;
	char *path = xstrfmt("%s/result.json", run);
	int rc = fs_read_file(path, RESULT_BYTES_MAX, &text, e);

	if (rc == 0 && fwrite(text.buf, 1, text.len, stdout) != text.len)
		rc = err_sys(e, "print %s", path);
	free(path);
	strbuf_release(&text);
	return rc;
}

int cmd_report(int argc, char **argv)
{
	static const struct option longs[] = { { "json", no_argument, NULL, 'j' }, { "prometheus", required_argument, NULL, 'p' },
		{ "schema", no_argument, NULL, 's' }, { "help", no_argument, NULL, 'h' }, { 0 } };
	const char *prometheus = NULL;
	bool json = false;
	int c, rc = 0;

	optind = 0; /* drtest parsed before us: glibc starts over */
	while ((c = options_next(argc, argv, "h", longs, NULL)) != -1)
		switch (c) {
		case 'j': json = true; break;
		case 'p': prometheus = optarg; break;
		case 's': fputs(report_schema(), stdout); return 0;
		case 'h': fputs(help, stdout); return 0;
		default: return 2;
		}
	if (optind == argc) {
		fprintf(stderr, "drtest report: which run? (its folder, as runs/20261017T120000Z-failover-42)\n");
		return 2;
	}
	if (prometheus && optind + 1 < argc) {
		fprintf(stderr, "drtest report: --prometheus takes one run\n");
		return 2;
	}
	for (int i = optind; i < argc; i++) {
		struct err e = ERR_INIT;

		if (report_make(argv[i], &e) < 0 || (prometheus && report_prometheus(argv[i], prometheus, &e) < 0) ||
			(json ? print_json(argv[i], &e) : report_summary(argv[i], stdout, report_colors(stdout), &e)) < 0) {
			int code = err_exit_code(&e);

			fprintf(stderr, "drtest report: %s\n", e.text);
			rc = code > rc ? code : rc;
		} else if (!json && i + 1 < argc) {
			putchar('\n');
		}
	}
	return rc;
}

#include "cli/cmd_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "chaos/lua_fault.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/version.h"
#include "harness/base/strbuf.h"
#include "harness/base/xalloc.h"
#include "harness/bindings/bindings.h"
#include "harness/cluster/cluster.h"
#include "harness/os/fs.h"
#include "harness/os/proc.h"
#include "harness/run/run.h"
#include "reports/ci.h"
#include "reports/report.h"
#include "reports/run_history.h"
#include "suites/suite_file.h"
#include "workloads/lua_load.h"

#define SETS_MAX 64
#define RESULT_BYTES_MAX ((size_t)64 << 20)

const struct runtime_module scenario_modules[] = { BINDINGS_OF_HARNESS,
						   { "load", lua_load_open, NULL },
						   { "fault", lua_fault_open, lua_fault_needs },
						   { NULL, NULL, NULL } };

static const char help[] =
	"usage: drtest run FILE [--on local] [--set name=value]... [--seed N] [--store s3|file] [--plan] [--keep] [--out DIR] [--timeout TIME]\n"
	"                  [--max-rpo TIME] [--max-rto TIME] [--json] [--prometheus FILE] [--metrics ADDRESS] [--live ADDRESS] [--folder-file FILE]\n"
	"Runs a scenario and says: is what is left consistent, how much is lost, how long was service away?\n"
	"  --on GROUND       where the clusters come from: local (MariaDB servers that drtest starts itself), playground (TiDB by tiup;\n"
	"                    the default where tiup is on PATH), attach (clusters that run already)\n"
	"  --clusters FILE   attach: endpoints, what is allowed, commands for what only the operator can do (examples/)\n"
	"  --version V       TiDB's, for playground: v5.4.0 to the newest (the newest that tiup has cached)\n"
	"  --set name=value  an option of the scenario; `drtest list` tells them\n"
	"                    Of every scenario: replay=stock|both (cdc redo apply), compare=sync_diff_inspector, backup=br, load=sysbench:\n"
	"                    the guide's own tools in the place of ours; tidb_version=V, as --version;\n"
	"                    ticdc=new: on playground, TiCDC's new architecture\n"
	"  --seed N          the same seed: the same transactions, the same instants (42)\n"
	"  --store s3|file   MinIO (s3), or a directory: a drill without S3, said so in its summary\n"
	"  --plan            prints what would be done, and does nothing\n"
	"  --keep            leaves servers and data up; `drtest clean` ends them\n"
	"  --out DIR         the folder of runs (runs)\n"
	"  --timeout TIME    of the whole run, as 10m (30m)\n"
	"  --max-rpo TIME    a target: a wider data-loss window fails the run, with the figures; or a number: so many transactions may be lost\n"
	"  --max-rto TIME    a target: service has to be back within it\n"
	"  --json            prints result.json alone\n"
	"  --prometheus FILE writes the final figures too, in the text format that a node exporter collects\n"
	"  --metrics ADDRESS figures for Prometheus at http://ADDRESS/metrics while the run goes on: PORT or HOST:PORT, of this machine alone\n"
	"                    unless HOST says otherwise; port 0: a free one, which is told\n"
	"  --live ADDRESS    the report's page at http://ADDRESS/ while the run goes on, in the same words; it keeps itself up to date\n"
	"  --folder-file FILE  gets the path of the run's folder, for scripts\n"
	"Exit code: 0 pass, 1 a check failed, 2 wrong usage, 3 the environment could not be set up, 4 unknown, 130 interrupted.\n";

static int wrong(const char *option, const char *value, const char *want)
{
	fprintf(stderr, "drtest run: --%s: '%.80s' is not %s\n", option, value, want);
	return EXIT_USAGE;
}

/* "v8.5.7" or "8.5.7", "nightly" */
static int take_version(struct run_opts *o, const char *text)
{
	static char version[64];
	size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789.-");

	if (!n || text[n] || n > 40 || *text == '-' || *text == '.') {
		wrong("version", text, "a version as v8.5.7");
		return -1;
	}
	snprintf(version, sizeof(version), "%s%s", *text >= '0' && *text <= '9' ? "v" : "", text);
	o->tidb_version = version;
	return 0;
}

static bool is_suite(const char *file)
{
	struct err e = ERR_INIT;
	struct suite s;
	bool is = suite_read(&s, file, &e) == 0;

	suite_release(&s);
	return is;
}

static const struct option longs[] = {
	{ "on", required_argument, NULL, 'o' },
	{ "set", required_argument, NULL, 's' },
	{ "seed", required_argument, NULL, 'n' },
	{ "store", required_argument, NULL, 'S' },
	{ "plan", no_argument, NULL, 'p' },
	{ "keep", no_argument, NULL, 'k' },
	{ "out", required_argument, NULL, 'd' },
	{ "timeout", required_argument, NULL, 't' },
	{ "json", no_argument, NULL, 'j' },
	{ "prometheus", required_argument, NULL, 'P' },
	{ "folder-file", required_argument, NULL, 'F' },
	{ "version", required_argument, NULL, 'v' },
	{ "clusters", required_argument, NULL, 'c' },
	{ "max-rpo", required_argument, NULL, 'R' },
	{ "max-rto", required_argument, NULL, 'T' },
	{ "metrics", required_argument, NULL, 'm' },
	{ "live", required_argument, NULL, 'l' },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

/* 1: go on; else the exit code, -1 - code. */
static int parse(int argc, char **argv, struct run_opts *o, const char **set, struct run_outputs *w)
{
	size_t n_set = 0;
	char *end;
	int c;

	while ((c = options_next(argc, argv, "h", longs, NULL)) >= 0)
		switch (c) {
		case 'o':
			o->ground = ground_find(optarg, NULL);
			if (!o->ground) {
				char names[240];

				snprintf(names, sizeof(names), "a ground (%s)", ground_names());
				return -1 - wrong("on", optarg, names);
			}
			break;
		case 's':
			if (run_tool_set(&o->tools, optarg) > 0)
				break;
			/* a word of the ground's, not of the scenario's */
			if (!strncmp(optarg, "tidb_version=", 13)) {
				if (take_version(o, optarg + 13) < 0)
					return -1 - EXIT_USAGE;
				break;
			}
			if (n_set == SETS_MAX || !strchr(optarg, '=') || *optarg == '=')
				return -1 - wrong("set", optarg, "name=value");
			set[n_set++] = optarg;
			break;
		case 'n':
			o->seed = strtoull(optarg, &end, 10);
			if (*optarg < '0' || *optarg > '9' || *end || strlen(optarg) > 19)
				return -1 - wrong("seed", optarg, "a whole number below 10^19");
			break;
		case 'S':
			if (strcmp(optarg, "s3") != 0 && strcmp(optarg, "file") != 0)
				return -1 - wrong("store", optarg, "s3 or file");
			o->store = *optarg == 'f' ? RUN_STORE_FILE : RUN_STORE_S3;
			break;
		case 't':
			o->timeout_ms = duration_parse_ms(optarg);
			if (o->timeout_ms <= 0)
				return -1 - wrong("timeout", optarg, "a duration as 10m");
			break;
		case 'R':
			if (optarg[strspn(optarg, "0123456789")] == '\0' && *optarg &&
			    strlen(optarg) < 16)
				o->max_lost = strtoll(optarg, NULL, 10);
			else if ((o->max_rpo_ms = duration_parse_ms(optarg)) < 0)
				return -1 -
				       wrong("max-rpo", optarg,
					     "a time as 5s (the data-loss window), or a number of lost transactions");
			break;
		case 'T':
			if ((o->max_rto_ms = duration_parse_ms(optarg)) < 0)
				return -1 - wrong("max-rto", optarg, "a time as 30s");
			break;
		case 'v':
			if (take_version(o, optarg) < 0)
				return -1 - EXIT_USAGE;
			break;
		case 'm':
			if (!serve_metrics_option(&w->serve, "run", optarg))
				return -1 - EXIT_USAGE;
			break;
		case 'l':
			if (!serve_page_option(&w->serve, "run", optarg))
				return -1 - EXIT_USAGE;
			break;
		case 'c': o->clusters = optarg; break;
		case 'p': o->plan = true; break;
		case 'k': o->keep = true; break;
		case 'd': o->out = optarg; break;
		case 'j': w->json = o->quiet = true; break;
		case 'P': w->prometheus = optarg; break;
		case 'F': w->folder_file = optarg; break;
		case 'h': fputs(help, stdout); return -1;
		default: return -1 - EXIT_USAGE;
		}
	if (optind != argc - 1) {
		fprintf(stderr,
			"drtest run: one scenario file is wanted, as scenarios/failover.lua (`drtest list` names them)\n");
		return -1 - EXIT_USAGE;
	}
	o->file = options_scenario("run", argv[optind]);
	if (!o->file)
		return -1 - EXIT_USAGE;
	if (is_suite(o->file)) {
		fprintf(stderr, "drtest run: %s is a suite: drtest suite %s\n", o->file, o->file);
		return -1 - EXIT_USAGE;
	}
	return 1;
}

/* What the run leaves; its exit code, or that of reports that could not be written. */
static int report_run(const struct run_opts *o, const struct run_outputs *w, const char *dir,
		      int code)
{
	struct err e = ERR_INIT, h = ERR_INIT;

	if (w->folder_file && fs_write_atomic(w->folder_file, dir, strlen(dir), 0644, &h) < 0)
		fprintf(stderr, "drtest: %s\n", h.text);
	if (report_make(dir, &e) < 0 ||
	    (w->prometheus && report_prometheus(dir, w->prometheus, &e) < 0)) {
		fprintf(stderr, "drtest: reports: %s\n", e.text);
		code = code ? code : EXIT_ENV;
	} else if (w->json) {
		struct strbuf text = STRBUF_INIT;
		char *path = xstrfmt("%s/result.json", dir);

		if (fs_read_file(path, RESULT_BYTES_MAX, &text, &e) == 0)
			fwrite(text.buf, 1, text.len, stdout);
		free(path);
		strbuf_release(&text);
	} else {
		report_verdict(dir, stdout, report_colors(stdout), &e);
	}
	/* a suite tells of its runs itself */
	if (!w->json && !w->folder_file && report_ci(dir, stdout, &h) < 0)
		fprintf(stderr, "drtest: %s\n", h.text);
	/* an index of what is on disk: the verdict stands without it */
	if (past_add(o->out, dir, &h) < 0)
		fprintf(stderr, "drtest: the run is not in the history: %s\n", h.text);
	return code;
}

int run_with_reports(const struct run_opts *o, const struct run_outputs *w, char **run_dir)
{
	struct err e = ERR_INIT;
	struct run_opts watched = *o;
	struct serve s = { 0 };
	int code = EXIT_ENV;

	*run_dir = NULL;
	if (!o->plan && serve_listen(&s, &w->serve, &e) < 0) {
		fprintf(stderr, "drtest: %s\n", e.text);
	} else {
		watched.watch = serve_run(&s);
		code = run_scenario(&watched, run_dir);
		if (*run_dir)
			code = report_run(o, w, *run_dir, code);
	}
	serve_stop(&s);
	return code;
}

int cmd_run(int argc, char **argv)
{
	const char *set[SETS_MAX + 1] = { NULL };
	struct run_opts o = { .out = "runs",
			      .set = set,
			      .seed = 42,
			      .timeout_ms = 30 * 60 * 1000,
			      .max_rpo_ms = -1,
			      .max_lost = -1,
			      .max_rto_ms = -1,
			      .version = drtest_version,
			      .modules = scenario_modules };
	struct run_outputs w = { 0 };
	char *dir = NULL;
	int rc = parse(argc, argv, &o, set, &w), code;

	if (rc < 0)
		return -1 - rc;
	if (!o.ground)
		o.ground = ground_default();
	if (o.tidb_version && !o.ground->tidb) {
		fprintf(stderr,
			"drtest run: --version is TiDB's: the ground %s has none (--on playground)\n",
			o.ground->name);
		return EXIT_USAGE;
	}
	code = run_with_reports(&o, &w, &dir);
	free(dir);
	return code;
}

#include "cli/cmd_run.h"

#include <errno.h>
#include <getopt.h>
#include <stddef.h>
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
#include "workloads/bindings/lua_load.h"

#define SETS_MAX 64

const struct runtime_module scenario_modules[] = { BINDINGS_OF_HARNESS,
						   { "load", lua_load_open, NULL },
						   { "fault", lua_fault_open, lua_fault_needs },
						   { NULL, NULL, NULL } };

/* The options from the command line. */
struct request {
	struct run_opts o;
	struct run_outputs w;
	const char *set[SETS_MAX + 1];
	size_t n_set;
	int store; /* enum run_store */
};

static int take_ground(void *into, const char *text, struct err *e)
{
	struct request *q = into;
	char want[240];

	q->o.ground = ground_find(text, NULL);
	snprintf(want, sizeof(want), "a ground (%s)", ground_names());
	return q->o.ground ? 0 : option_wants(e, text, want);
}

/* "v8.5.7" or "8.5.7", "nightly" */
static int take_version(void *into, const char *text, struct err *e)
{
	static char version[64];
	size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789.-");

	if (!n || text[n] || n > 40 ||
	    (strncmp(text, "nightly", 7) && strncmp(text, "latest", 6) &&
	     !(text[*text == 'v'] >= '0' && text[*text == 'v'] <= '9' && strchr(text, '.'))))
		return option_wants(e, text, "a version such as v8.5.7");
	if (((struct request *)into)->o.tidb_version)
		return err_set(e, ERR_USAGE, 0, "the version of TiDB is given twice: remove one");
	snprintf(version, sizeof(version), "%s%s", *text >= '0' && *text <= '9' ? "v" : "", text);
	((struct request *)into)->o.tidb_version = version;
	return 0;
}

static int take_set(void *into, const char *text, struct err *e)
{
	struct request *q = into;

	if (run_tool_set(&q->o.tools, text) > 0)
		return 0;
	if (!strncmp(text, "tidb_version=", 13)) /* for the ground, not the scenario */
		return take_version(into, text + 13, e);
	if (!strchr(text, '=') || *text == '=')
		return option_wants(e, text, "name=value");
	if (q->n_set == SETS_MAX)
		return err_set(e, ERR_USAGE, 0, "more than %d", SETS_MAX);
	q->set[q->n_set++] = text;
	return 0;
}

int run_take_max_rpo(struct run_opts *o, const char *text, struct err *e)
{
	size_t digits = strspn(text, "0123456789");
	bool bare = !text[digits], lost = bare || !strcmp(text + digits, "tx");

	if ((lost ? o->max_lost : o->max_rpo_ms) >= 0)
		return err_set(e, ERR_USAGE, 0, "given twice for %s: remove one",
			       lost ? "lost transactions" : "the data-loss window");
	if (lost && digits && digits < 16) {
		o->max_lost = strtoll(text, NULL, 10);
		if (bare && o->max_lost) /* 0 is none, either way */
			fprintf(stderr,
				"note: --max-rpo %s: at most %s lost transactions; write %stx, or "
				"%ss for a data-loss window of %s seconds\n",
				text, text, text, text, text);
		return 0;
	}
	if (lost || !text[strspn(text, "0123456789.")] || /* "1.5": neither */
	    (o->max_rpo_ms = duration_parse_ms(text)) < 0)
		return option_wants(e, text,
				    "a time such as 5s (the data-loss window), or a number of lost "
				    "transactions such as 10tx");
	return 0;
}

static int take_max_rpo(void *into, const char *text, struct err *e)
{
	return run_take_max_rpo(&((struct request *)into)->o, text, e);
}

static int take_max_rto(void *into, const char *text, struct err *e)
{
	struct run_opts *o = &((struct request *)into)->o;

	o->max_rto_ms = duration_parse_ms(text);
	return o->max_rto_ms < 0 ? option_wants(e, text, "a time such as 30s") : 0;
}

static int take_metrics(void *into, const char *text, struct err *e)
{
	return serve_metrics_option(&((struct request *)into)->w.serve, text, e);
}

static int take_live(void *into, const char *text, struct err *e)
{
	return serve_page_option(&((struct request *)into)->w.serve, text, e);
}

#define AT(member) .at = offsetof(struct request, member)
static const struct option_def options[] = {
	{ "on", OPTION_TAKE, "GROUND",
	  "which clusters to use: local (MariaDB servers that drtest starts), playground (TiDB, "
	  "started with tiup; the default if tiup is on PATH), attach (existing clusters)",
	  .take = take_ground },
	{ "clusters", OPTION_TEXT, "FILE",
	  "attach: the file with endpoints, permissions, and commands that only the operator can "
	  "provide (examples/)",
	  AT(o.clusters) },
	{ "tidb-version", OPTION_TAKE, "V",
	  "playground: v5.4.0 or later (default: the newest in tiup's cache)",
	  .take = take_version },
	{ "set", OPTION_TAKE, "name=value",
	  "set an option of the scenario; `drtest list` shows them\n"
	  "For every scenario: replay=stock|both (cdc redo apply), compare=sync_diff_inspector, "
	  "backup=br, load=sysbench use the guide's own tools; tidb_version=V is --tidb-version",
	  .take = take_set, .times = OPTION_PER_NAME },
	{ "seed", OPTION_WHOLE, "N",
	  "the same seed gives the same transactions and fault times "
	  "(42)",
	  AT(o.seed), .max = 9999999999999999999u },
	{ "store", OPTION_CHOICE, "s3|file",
	  "MinIO (s3), or a directory instead of S3, which the summary mentions", AT(store) },
	{ "plan", OPTION_FLAG, NULL,
	  "print what would be done, and do nothing; refuses what the run would refuse before "
	  "it starts, but contacts no cluster",
	  AT(o.plan) },
	{ "keep", OPTION_FLAG, NULL,
	  "keep servers and data after the run; `drtest clean` "
	  "removes them",
	  AT(o.keep) },
	{ "out", OPTION_TEXT, "DIR", "the directory for runs (runs)", AT(o.out) },
	{ "timeout", OPTION_TIME_MS, "TIME", "limit for the whole run, such as 10m (30m)",
	  AT(o.timeout_ms) },
	{ "max-rpo", OPTION_TAKE, "TIME|Ntx",
	  "fail the run if the data-loss window is longer (5s), or if more transactions are lost "
	  "(10tx); both may be given",
	  .take = take_max_rpo, .times = OPTION_OFTEN },
	{ "max-rto", OPTION_TAKE, "TIME",
	  "fail the run if the service is not back within this "
	  "time",
	  .take = take_max_rto },
	{ "json", OPTION_FLAG, NULL, "print only result.json", AT(w.json) },
	{ "prometheus", OPTION_TEXT, "FILE",
	  "also write the final figures to FILE, for the textfile collector of a node exporter",
	  AT(w.prometheus) },
	{ "metrics", OPTION_TAKE, "ADDRESS",
	  "serve figures for Prometheus at http://ADDRESS/metrics during the run: PORT or "
	  "HOST:PORT, on this machine only unless HOST says otherwise; port 0 selects a free "
	  "port and prints it",
	  .take = take_metrics },
	{ "live", OPTION_TAKE, "ADDRESS",
	  "serve the report at http://ADDRESS/ during the run; the page updates itself",
	  .take = take_live },
	NOTIFY_OPTIONS(w.notify),
	{ "folder-file", OPTION_TEXT, "FILE",
	  "write the path of the run directory to FILE, for "
	  "scripts",
	  AT(w.folder_file) },
	{ "version", OPTION_RENAMED, .at = 0, .now = "tidb-version" },
	{ 0 },
};
static const struct command_def command = {
	.name = "run",
	.usage =
		"drtest run FILE [--on GROUND] [--set name=value]... [--seed N] [--plan] [--max-rpo "
		"TIME] [--max-rto TIME] [...]",
	.about = "Runs a scenario and reports how much data is lost, how long the service is "
		 "down, and whether the rest is consistent.",
	.options = options,
	.more = "Exit code: 0 pass, 1 a check failed, 2 wrong usage, 3 the environment is not "
		"ready or failed, 4 unknown, 130 interrupted.",
	.operand = "scenario file",
	.example = "scenarios/failover.lua",
	.operands_max = 1,
};

bool run_has_option(const char *name)
{
	return option_find(options, name) != NULL;
}

static bool is_suite(const char *file)
{
	struct err e = ERR_INIT;
	struct suite s;
	bool is = suite_read(&s, file, &e) == 0;

	suite_release(&s);
	return is;
}

/* Writes the reports. Returns the run's exit code, or that of a report that could not be written.
 */
static int report_run(const struct run_opts *o, const struct run_outputs *w, const char *dir,
		      int code)
{
	struct err e = ERR_INIT, h = ERR_INIT;

	if (w->folder_file && fs_write_atomic(w->folder_file, dir, strlen(dir), 0644, &h) < 0) {
		fprintf(stderr, "drtest: --folder-file: %s\n", h.text);
		code = code ? code : EXIT_ENV;
	}
	if (report_make(dir, &e) < 0 ||
	    (w->prometheus && report_prometheus(dir, w->prometheus, &e) < 0)) {
		fprintf(stderr, "drtest: reports: %s\n", e.text);
		code = code ? code : EXIT_ENV;
	}
	if (w->json) { /* print the verdict even if a report could not be written */
		struct err unread = ERR_INIT;

		if (report_json(dir, stdout, &unread) < 0 && unread.code != EPIPE) {
			fprintf(stderr, "drtest: --json: %s\n", unread.text);
			code = code ? code : EXIT_ENV;
		}
	} else {
		report_verdict(dir, stdout, report_colors(stdout), &e);
	}
	/* a suite prints its runs itself */
	if (!w->json && !w->folder_file && report_ci(dir, stdout, &h) < 0)
		fprintf(stderr, "drtest: %s\n", h.text);
	/* only an index of what is on disk: the verdict does not depend on it */
	if (run_history_add(o->out, dir, &h) < 0)
		fprintf(stderr, "drtest: the run is not in the history: %s\n", h.text);
	return code;
}

/* Runs the scenario, writes the reports, adds the run to the history. Returns the exit code.
 * *run_dir: the run directory, which the caller frees; NULL: none was created. */
static int run_with_reports(const struct run_opts *o, const struct run_outputs *w, char **run_dir)
{
	struct err e = ERR_INIT;
	struct run_opts watched = *o;
	struct serve s = { 0 };
	int code = EXIT_ENV;

	*run_dir = NULL;
	if ((o->plan ? serve_can_listen(&w->serve, &e) : serve_listen(&s, &w->serve, &e)) < 0) {
		fprintf(stderr, "drtest: %s\n", e.text);
	} else {
		watched.watch = serve_run(&s);
		code = run_scenario(&watched, run_dir);
		if (*run_dir)
			code = report_run(o, w, *run_dir, code);
	}
	serve_stop(&s);
	if (!o->plan)
		notify_verdict(&w->notify, *run_dir, o->file, code);
	return code;
}

int cmd_run(int argc, char **argv)
{
	struct command_def c = command; /* from the command that the user typed */
	struct request q = { .o = { .out = "runs",
				    .seed = 42,
				    .timeout_ms = 30 * 60 * 1000,
				    .max_rpo_ms = -1,
				    .max_lost = -1,
				    .max_rto_ms = -1,
				    .version = drtest_version,
				    .modules = scenario_modules } };
	struct run_opts *o = &q.o;
	struct err e = ERR_INIT;
	char *dir = NULL;
	int rc, code;

	c.name = argv[0];
	rc = options_parse(&c, argc, argv, &q);
	if (rc)
		return rc == 1 ? EXIT_PASS : EXIT_USAGE;
	if (optind == argc)
		return options_wrong(&c, "missing %s, for example %s", c.operand, c.example);
	o->file = options_scenario(c.name, argv[optind]);
	if (!o->file)
		return EXIT_USAGE;
	if (is_suite(o->file)) {
		fprintf(stderr, "drtest %s: %s is a suite: drtest suite %s\n", c.name, o->file,
			o->file);
		return EXIT_USAGE;
	}
	o->set = q.set;
	o->store = q.store ? RUN_STORE_FILE : RUN_STORE_S3;
	o->quiet = q.w.json;
	if (!o->ground) /* whoever names a clusters file means these clusters */
		o->ground = o->clusters ? &ground_attach : ground_default();
	if (o->clusters && !o->ground->use_file) {
		fprintf(stderr,
			"drtest %s: --clusters: the ground %s takes no clusters file (--on attach)\n",
			c.name, o->ground->name);
		return EXIT_USAGE;
	}
	if (o->tidb_version && !o->ground->tidb) {
		fprintf(stderr,
			"drtest %s: --tidb-version is only for --on playground, not for the "
			"ground %s\n",
			c.name, o->ground->name);
		return EXIT_USAGE;
	}
	if ((q.w.prometheus && fs_may_write(q.w.prometheus, &e) < 0 &&
	     err_wrap(&e, "--prometheus") < 0) ||
	    (q.w.folder_file && fs_may_write(q.w.folder_file, &e) < 0 &&
	     err_wrap(&e, "--folder-file") < 0)) {
		fprintf(stderr, "drtest %s: %s\n", c.name, e.text);
		return EXIT_USAGE;
	}
	if (o->ground->use_file && !o->clusters)
		return options_wrong(&c, "--on %s needs --clusters FILE (see docs/CLUSTERS.md)",
				     o->ground->name);
	if (o->plan && q.w.json)
		fprintf(stderr, "note: drtest %s: --json: a plan is printed as text\n", c.name);
	if (!notify_open(&q.w.notify, c.name))
		return EXIT_USAGE;
	code = run_with_reports(o, &q.w, &dir);
	notify_close(&q.w.notify);
	free(dir);
	return code;
}

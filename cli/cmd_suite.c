#include "cli/cmd_suite.h"

#include <limits.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/options.h"
#include "cli/scenario_find.h"
#include "cli/suite_file.h"
#include "cli/version.h"
#include "harness/base/clock.h"
#include "harness/base/xalloc.h"
#include "harness/os/fs.h"
#include "harness/os/proc.h"
#include "reports/suite_report.h"
#include "reports/trend.h"

#define ARGS_MAX 200
#define RUN_MS ((int64_t)24 * 3600 * 1000)
#define END_MS 120000 /* for a run that was interrupted: it takes down what it made */
#define PATH_BYTES_MAX 8192

static const char help[] =
	"usage: drtest suite FILE [--out DIR] [--plan] [--no-gate] [-- OPTION OF drtest run...]\n"
	"Runs scenarios x seeds x options one after another, as FILE tells (scenarios/nightly.lua), and makes one report over all:\n"
	"DIR/<UTC time>-suite-<name>/suite.html, junit.xml (for CI), suite.json, and the output of each run. Each run has its own folder in DIR,\n"
	"is in the history, and DIR/trend.html is drawn anew. The gate of FILE holds tonight's runs against earlier ones with the same options.\n"
	"  --out DIR    the folder of runs (runs)\n"
	"  --plan       tells the runs, and does nothing\n"
	"  --no-gate    leaves the gate out\n"
	"What stands behind -- is given to each `drtest run`, as: -- --store file\n"
	"Exit code: 0 all passed and the gate holds, 1 a check failed or the gate is broken, 2 wrong usage, 3 a run could not be set up,\n"
	"4 unknown, 130 interrupted. Too little history for a rule is told and no failure.\n";

struct night {
	struct suite s;
	const char *out;
	char *dir; /* of the suite */
	char *const *extra;
	size_t extra_n;
	struct suite_entry *entries;
	int code;
	bool tty;
	struct strbuf gate;
};

static void on_signal(int signo)
{
	clock_cancel(signo);
}

static int make_dir(struct night *n, struct err *e)
{
	char stamp[32], out[PATH_MAX];
	time_t now = time(NULL);
	struct tm tm;

	if (fs_mkdir_p(n->out, 0755, e) < 0)
		return -1;
	if (!realpath(n->out, out))
		return err_sys(e, "%s", n->out);
	gmtime_r(&now, &tm);
	strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", &tm);
	n->dir = xstrfmt("%s/%s-suite-%s", out, stamp, n->s.name);
	return fs_mkdir_p(n->dir, 0755, e);
}

/* Runs one of them to its end; its folder's path, or NULL with *e. */
static char *run_one(struct night *n, size_t i, struct err *e)
{
	const struct suite_run *r = &n->s.runs[i];
	char *log = xstrfmt("%s/run-%zu.log", n->dir, i + 1), *name = xstrfmt("%s/run-%zu.folder", n->dir, i + 1), exe[PATH_MAX] = "", *folder = NULL;
	const char *argv[ARGS_MAX + 8];
	struct strbuf text = STRBUF_INIT;
	struct proc *p;
	size_t k = 0;

	if (readlink("/proc/self/exe", exe, sizeof(exe) - 1) < 0)
		snprintf(exe, sizeof(exe), "drtest");
	argv[k++] = exe;
	argv[k++] = "run";
	argv[k++] = r->file;
	argv[k++] = "--seed";
	argv[k++] = r->seed;
	argv[k++] = "--out";
	argv[k++] = n->out;
	argv[k++] = "--folder-file";
	argv[k++] = name;
	for (char **set = r->set; *set && k < ARGS_MAX; set++) {
		argv[k++] = "--set";
		argv[k++] = *set;
	}
	for (size_t x = 0; x < n->extra_n && k < ARGS_MAX; x++)
		argv[k++] = n->extra[x];
	argv[k] = NULL;
	p = proc_start(&(struct proc_opts){ .name = r->title, .argv = (char *const *)argv, .log_path = log }, e);
	if (!p)
		goto out;
	if (!proc_wait(p, deadline_in_ms(RUN_MS))) {
		proc_signal(p, SIGINT, NULL); /* it takes down what it made */
		clock_cancel_reset();
		proc_wait(p, deadline_in_ms(END_MS));
		clock_cancel(SIGINT);
	}
	if (fs_exists(name) && fs_read_file(name, PATH_BYTES_MAX, &text, e) == 0) {
		folder = strbuf_detach(&text);
	} else if (e->kind == ERR_NONE) {
		struct strbuf tail = STRBUF_INIT;

		proc_log_tail(log, 3, &tail);
		err_set(e, ERR_ENV, 0, "%s: %s", proc_how(p), tail.buf);
		strbuf_release(&tail);
	}
	proc_free(p);
	unlink(name);
out:
	strbuf_release(&text);
	free(log);
	free(name);
	return folder;
}

static bool same(const struct past_run *a, const struct past_run *b)
{
	return !strcmp(a->scenario, b->scenario) && !strcmp(a->ground, b->ground) && !strcmp(a->options, b->options);
}

/* Tonight's runs of one scenario with the same options against those before them. */
static int judge_group(struct night *n, const struct suite_run *of, const struct past_run *runs, size_t count, struct err *e)
{
	struct past_filter f = { .scenario = runs[0].scenario, .ground = runs[0].ground, .options = runs[0].options, .verdict = "pass" };
	struct past_run *baseline = NULL;
	size_t baseline_n = 0;

	if (!strncmp(n->s.baseline, "version:", 8))
		f.drtest = n->s.baseline + 8;
	else
		f.last = strtoul(n->s.baseline + 5, NULL, 10);
	for (size_t i = 0; !f.drtest && i < count; i++)
		f.skip += !strcmp(runs[i].verdict, "pass");
	if (past_list(n->out, &f, &baseline, &baseline_n, e) < 0)
		return -1;
	strbuf_addf(&n->gate, "%s", runs[0].scenario);
	for (char **set = of->set; *set; set++)
		strbuf_addf(&n->gate, " %s", *set);
	strbuf_addf(&n->gate, ", %zu run%s\n", count, count == 1 ? "" : "s");
	for (size_t i = 0; i < n->s.rules_n; i++) {
		static const char *const words[] = { "holds  ", "BROKEN ", "unknown" };
		struct gate_sides sides = { runs, baseline, count, baseline_n, 5, false };
		struct strbuf why = STRBUF_INIT;
		enum gate_result result;
		size_t measured = 0;

		for (size_t k = 0; k < count; k++)
			measured += !isnan(past_value(&runs[k], n->s.rules[i].name));
		if (!measured) /* a scenario without a disaster has no RPO: nothing to hold */
			continue;
		result = gate_judge(&n->s.rules[i], &sides, &why);
		if (result == GATE_BROKEN)
			n->code = 1;
		strbuf_addf(&n->gate, "  %s  %s\n", words[result], why.buf);
		strbuf_release(&why);
	}
	past_free(baseline, baseline_n);
	return 0;
}

static int judge(struct night *n, struct err *e)
{
	struct past_run *runs = xcalloc(n->s.runs_n, sizeof(*runs)), *group = xcalloc(n->s.runs_n, sizeof(*group)); /* group borrows from runs */
	bool *done = xcalloc(n->s.runs_n, sizeof(*done));
	size_t *which = xcalloc(n->s.runs_n, sizeof(*which)); /* of the suite's runs */
	size_t count = 0;
	int rc = 0;

	for (size_t i = 0; i < n->s.runs_n; i++)
		if (n->entries[i].run_dir && past_of_folder(n->entries[i].run_dir, &runs[count], e) == 0)
			which[count++] = i;
	for (size_t i = 0; i < count && rc == 0; i++) {
		size_t k = 0;

		for (size_t j = i; j < count && !done[i]; j++)
			if (same(&runs[i], &runs[j])) {
				done[j] = j > i;
				group[k++] = runs[j];
			}
		if (k)
			rc = judge_group(n, &n->s.runs[which[i]], group, k, e);
	}
	for (size_t i = 0; i < count; i++)
		past_run_release(&runs[i]);
	free(runs);
	free(group);
	free(done);
	free(which);
	return rc;
}

static void draw_trend(struct night *n)
{
	struct past_filter f = { .last = 365 };
	struct strbuf page = STRBUF_INIT;
	struct past_run *runs;
	struct err e = ERR_INIT;
	char *path = xstrfmt("%s/trend.html", n->out);
	size_t count;

	if (past_list(n->out, &f, &runs, &count, &e) == 0 && count) {
		trend_html(runs, count, n->s.name, &page);
		fs_write_atomic(path, page.buf, page.len, 0644, &e);
		past_free(runs, count);
	}
	if (e.kind != ERR_NONE)
		fprintf(stderr, "drtest suite: trend: %s\n", e.text);
	strbuf_release(&page);
	free(path);
}

static int worse(int a, int b)
{
	static const int order[] = { 1, 130, 3, 2, 4, 0 };

	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++)
		if (a == order[i] || b == order[i])
			return order[i];
	return a;
}

static void run_all(struct night *n)
{
	for (size_t i = 0; i < n->s.runs_n; i++) {
		struct suite_entry *entry = &n->entries[i];
		struct strbuf line = STRBUF_INIT;
		struct err e = ERR_INIT;

		entry->title = n->s.runs[i].title;
		if (clock_cancelled()) {
			entry->error = xstrdup("not run: the suite was interrupted");
			continue;
		}
		if (n->tty)
			printf("%3zu/%zu  %-44s ...", i + 1, n->s.runs_n, entry->title);
		fflush(stdout);
		entry->run_dir = run_one(n, i, &e);
		if (!entry->run_dir)
			entry->error = xstrdup(e.text);
		n->code = worse(n->code, suite_report_line(entry, &line));
		printf("%s%3zu/%zu  %-44s %s\n", n->tty ? "\r\033[K" : "", i + 1, n->s.runs_n, entry->title, line.buf);
		fflush(stdout);
		strbuf_release(&line);
	}
}

static int run_suite(struct night *n, bool gate, struct err *e)
{
	struct suite_report report = { .name = n->s.name, .sentence = n->s.sentence, .drtest = drtest_version, .started_ms = clock_wall_ms() };
	int64_t from = clock_mono_ns();
	struct sigaction a = { .sa_handler = on_signal };

	if (make_dir(n, e) < 0)
		return -1;
	sigaction(SIGINT, &a, NULL);
	sigaction(SIGTERM, &a, NULL);
	sigaction(SIGHUP, &a, NULL);
	printf("drtest %s  suite %s  %zu run%s\n", drtest_version, n->s.name, n->s.runs_n, n->s.runs_n == 1 ? "" : "s");
	n->entries = xcalloc(n->s.runs_n, sizeof(*n->entries));
	run_all(n);
	if (clock_cancelled())
		n->code = worse(n->code, 130);
	if (gate && n->s.rules_n && judge(n, e) < 0) {
		fprintf(stderr, "drtest suite: gate: %s\n", e->text); /* the runs' verdicts stand */
		strbuf_addf(&n->gate, "not judged: %s\n", e->text);
		n->code = worse(n->code, 4);
		*e = (struct err)ERR_INIT;
	}
	fputs(n->gate.buf, stdout);
	report.entries = n->entries;
	report.n = n->s.runs_n;
	report.gate = n->gate.buf;
	report.code = n->code;
	report.seconds = (double)(clock_mono_ns() - from) / 1e9;
	if (suite_report_make(n->dir, &report, e) < 0)
		return -1;
	draw_trend(n);
	printf("%s      report: %s/suite.html\n", n->code == 0 ? "PASS" : n->code == 1 ? "FAIL" : n->code == 4 ? "UNKNOWN" :
	       n->code == 130 ? "INTERRUPTED" : "ERROR", n->dir);
	return 0;
}

static void release(struct night *n)
{
	for (size_t i = 0; n->entries && i < n->s.runs_n; i++) {
		free((char *)n->entries[i].run_dir);
		free((char *)n->entries[i].error);
	}
	free(n->entries);
	free(n->dir);
	strbuf_release(&n->gate);
	suite_release(&n->s);
}

static void plan(const struct suite *s)
{
	printf("suite %s: %zu run%s; nothing is done\n", s->name, s->runs_n, s->runs_n == 1 ? "" : "s");
	for (size_t i = 0; i < s->runs_n; i++) {
		printf("  drtest run %s --seed %s", s->runs[i].file, s->runs[i].seed);
		for (char **set = s->runs[i].set; *set; set++)
			printf(" --set %s", *set);
		putchar('\n');
	}
}

int cmd_suite(int argc, char **argv)
{
	static const struct option longs[] = { { "out", required_argument, NULL, 'o' }, { "plan", no_argument, NULL, 'p' },
		{ "no-gate", no_argument, NULL, 'g' }, { "help", no_argument, NULL, 'h' }, { 0 } };
	struct night n = { .out = "runs", .gate = STRBUF_INIT, .tty = isatty(STDOUT_FILENO) };
	bool plan_only = false, gate = true;
	struct err e = ERR_INIT;
	int c, end = argc, rc;

	for (int i = 1; i < argc && end == argc; i++)
		if (!strcmp(argv[i], "--"))
			end = i;
	if (end < argc) {
		n.extra = argv + end + 1;
		n.extra_n = (size_t)(argc - end - 1);
	}
	optind = 0;
	while ((c = options_next(end, argv, "h", longs, NULL)) != -1)
		switch (c) {
		case 'o': n.out = optarg; break;
		case 'p': plan_only = true; break;
		case 'g': gate = false; break;
		case 'h': fputs(help, stdout); return 0;
		default: return 2;
		}
	if (optind != end - 1) {
		fputs("drtest suite: one suite file is wanted, as scenarios/nightly.lua (drtest suite --help)\n", stderr);
		return 2;
	}
	rc = suite_read(&n.s, scenario_find(argv[optind]), &e);
	if (rc == 0 && plan_only)
		plan(&n.s);
	else if (rc == 0)
		rc = run_suite(&n, gate, &e);
	if (rc < 0)
		fprintf(stderr, "drtest suite: %s\n", e.text);
	c = rc < 0 ? err_exit_code(&e) : n.code;
	release(&n);
	return c;
}

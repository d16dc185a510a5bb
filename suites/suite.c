#include "suites/suite.h"

#include <limits.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "harness/base/clock.h"
#include "harness/base/xalloc.h"
#include "harness/os/fs.h"
#include "harness/os/proc.h"
#include "reports/ci.h"
#include "reports/suite_report.h"
#include "reports/trend.h"
#include "suites/run_ask.h"

#define ARGS_MAX 200
#define RUN_MS ((int64_t)24 * 3600 * 1000)
#define POLL_MS 50
#define PATH_BYTES_MAX 8192
#define ASKED_MAX 100 /* of each file and its options one */

struct night {
	const struct suite *s;
	const struct suite_opts *o;
	char *dir; /* of the suite */
	struct suite_entry *entries;
	int code;
	int runs_code; /* of the runs alone, without the gate */
	struct strbuf gate;
};

static int make_dir(struct night *n, struct err *e)
{
	char stamp[32], out[PATH_MAX];
	time_t now = time(NULL);
	struct tm tm;

	if (fs_mkdir_p(n->o->out, 0755, e) < 0)
		return -1;
	if (!realpath(n->o->out, out))
		return err_sys(e, "%s", n->o->out);
	gmtime_r(&now, &tm);
	strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", &tm);
	n->dir = xstrfmt("%s/%s-suite-%s", out, stamp, n->s->name);
	return fs_mkdir_p(n->dir, 0755, e);
}

/* A run under way. */
struct going {
	struct proc *p; /* NULL: the place is free */
	size_t i;
	char *log, *folder_file;
	int64_t since_ns;
};

bool suite_overrides(const struct suite_opts *o, const char *set)
{
	size_t name = strcspn(set, "=") + 1;

	for (size_t x = 0; x < o->extra_n; x++) {
		const char *word = o->extra[x];

		if (!strcmp(word, "--set") && x + 1 < o->extra_n)
			word = o->extra[++x];
		else if (!strncmp(word, "--set=", 6))
			word += 6;
		else
			continue;
		if (!strncmp(word, set, name))
			return true;
	}
	return false;
}

static size_t add_sets(const char **argv, size_t k, const struct suite_run *r,
		       const struct suite_opts *o)
{
	for (char **set = r->set; *set && k < ARGS_MAX; set++)
		if (!suite_overrides(o, *set)) {
			argv[k++] = "--set";
			argv[k++] = *set;
		}
	return k;
}

static int start(struct night *n, struct going *g, size_t i, struct err *e)
{
	const struct suite_run *r = &n->s->runs[i];
	char exe[PATH_MAX];
	const char *argv[ARGS_MAX + 8];
	size_t k = 0;

	*g = (struct going){ .i = i,
			     .log = xstrfmt("%s/run-%zu.log", n->dir, i + 1),
			     .folder_file = xstrfmt("%s/run-%zu.folder", n->dir, i + 1),
			     .since_ns = clock_mono_ns() };
	argv[k++] = proc_self(exe);
	argv[k++] = "run";
	argv[k++] = r->file;
	argv[k++] = "--seed";
	argv[k++] = r->seed;
	argv[k++] = "--out";
	argv[k++] = n->o->out;
	argv[k++] = "--folder-file";
	argv[k++] = g->folder_file;
	k = add_sets(argv, k, r, n->o);
	for (size_t x = 0; x < n->o->extra_n && k < ARGS_MAX; x++)
		argv[k++] = n->o->extra[x];
	argv[k] = NULL;
	g->p = proc_start(&(struct proc_opts){ .name = r->title,
					       .argv = (char *const *)argv,
					       .log_path = g->log },
			  e);
	if (!g->p) {
		free(g->log);
		free(g->folder_file);
	}
	return g->p ? 0 : -1;
}

/* It has ended: its folder's path, or NULL with *e. */
static char *take_ended(struct going *g, struct err *e)
{
	struct strbuf text = STRBUF_INIT, tail = STRBUF_INIT;
	char *folder = NULL;

	if (fs_exists(g->folder_file) &&
	    fs_read_file(g->folder_file, PATH_BYTES_MAX, &text, e) == 0) {
		folder = strbuf_detach(&text);
	} else if (e->kind == ERR_NONE) {
		proc_log_tail(g->log, 3, &tail);
		err_set(e, ERR_ENV, 0, "%s: %s", proc_how(g->p), tail.buf);
	}
	unlink(g->folder_file);
	proc_free(g->p);
	free(g->log);
	free(g->folder_file);
	g->p = NULL;
	strbuf_release(&text);
	strbuf_release(&tail);
	return folder;
}

static bool same_kind(const struct run_row *a, const struct run_row *b)
{
	return !strcmp(a->scenario, b->scenario) && !strcmp(a->ground, b->ground) &&
	       !strcmp(a->options, b->options);
}

/* Tonight's runs of one scenario with the same options against those before them. */
static int judge_group(struct night *n, const struct suite_run *of, const struct run_row *runs,
		       size_t count, struct err *e)
{
	struct run_filter f = { .scenario = runs[0].scenario,
				.ground = runs[0].ground,
				.options = runs[0].options,
				.verdict = "pass" };
	struct run_row *baseline = NULL;
	size_t baseline_n = 0;

	if (!strncmp(n->s->baseline, "version:", 8))
		f.drtest = n->s->baseline + 8;
	else
		f.last = strtoul(n->s->baseline + 5, NULL, 10);
	for (size_t i = 0; !f.drtest && i < count; i++)
		f.skip += !strcmp(runs[i].verdict, "pass");
	if (run_history_list(n->o->out, &f, &baseline, &baseline_n, e) < 0)
		return -1;
	strbuf_addf(&n->gate, "%s", runs[0].scenario);
	for (char **set = of->set; *set; set++)
		strbuf_addf(&n->gate, " %s", *set);
	strbuf_addf(&n->gate, ", %zu run%s\n", count, count == 1 ? "" : "s");
	for (size_t i = 0; i < n->s->rules_n; i++) {
		static const char *const words[] = { "holds  ", "BROKEN ", "unknown" };
		struct gate_sides sides = { runs, baseline, count, baseline_n, 5, false };
		struct strbuf why = STRBUF_INIT;
		enum gate_result result;
		size_t measured = 0;

		for (size_t k = 0; k < count; k++)
			measured += !isnan(run_row_value(&runs[k], n->s->rules[i].name));
		if (!measured) /* a scenario without a disaster has no RPO: nothing to hold */
			continue;
		result = gate_judge(&n->s->rules[i], &sides, &why);
		if (result == GATE_BROKEN)
			n->code = 1;
		strbuf_addf(&n->gate, "  %s  %s\n", words[result], why.buf);
		strbuf_release(&why);
	}
	run_history_free(baseline, baseline_n);
	return 0;
}

static int judge(struct night *n, struct err *e)
{
	/* group borrows from runs */
	struct run_row *runs = xcalloc(n->s->runs_n, sizeof(*runs)),
		       *group = xcalloc(n->s->runs_n, sizeof(*group));
	bool *done = xcalloc(n->s->runs_n, sizeof(*done));
	size_t *which = xcalloc(n->s->runs_n, sizeof(*which)); /* of the suite's runs */
	size_t count = 0;
	int rc = 0;

	for (size_t i = 0; i < n->s->runs_n; i++)
		if (n->entries[i].run_dir &&
		    run_row_of_folder(n->entries[i].run_dir, &runs[count], e) == 0)
			which[count++] = i;
	for (size_t i = 0; i < count && rc == 0; i++) {
		size_t k = 0;

		for (size_t j = i; j < count && !done[i]; j++)
			if (same_kind(&runs[i], &runs[j])) {
				done[j] = j > i;
				group[k++] = runs[j];
			}
		if (k)
			rc = judge_group(n, &n->s->runs[which[i]], group, k, e);
	}
	for (size_t i = 0; i < count; i++)
		run_row_release(&runs[i]);
	free(runs);
	free(group);
	free(done);
	free(which);
	return rc;
}

static void draw_trend(struct night *n)
{
	struct run_filter f = { .last = 365 };
	struct strbuf page = STRBUF_INIT;
	struct run_row *runs;
	struct err e = ERR_INIT;
	char *path = xstrfmt("%s/trend.html", n->o->out);
	size_t count;

	if (run_history_list(n->o->out, &f, &runs, &count, &e) == 0 && count) {
		trend_html(runs, count, n->s->name, &page);
		fs_write_atomic(path, page.buf, page.len, 0644, &e);
		run_history_free(runs, count);
	}
	if (e.kind != ERR_NONE)
		fprintf(stderr, "drtest suite: trend: %s\n", e.text);
	strbuf_release(&page);
	free(path);
}

static int worse_exit(int a, int b)
{
	static const int order[] = { 1, 130, 3, 2, 4, 0 };

	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++)
		if (a == order[i] || b == order[i])
			return order[i];
	return a;
}

/* How far it is, on a terminal: rewritten once a second. */
static void print_live(const struct night *n, const struct going *g, size_t done, double spent)
{
	int64_t now = clock_mono_ns();
	size_t running = 0;

	printf("\r\033[K%zu of %zu done", done, n->s->runs_n);
	for (size_t k = 0; k < n->o->jobs; k++)
		if (g[k].p && running++ < 2)
			printf(", %s runs for %.0f s", n->s->runs[g[k].i].title,
			       (double)(now - g[k].since_ns) / 1e9);
	if (done)
		printf(", about %.0f min left",
		       ceil(spent / (double)done * (double)(n->s->runs_n - done) /
			    (double)n->o->jobs / 60));
	fflush(stdout);
}

static void say_end(struct night *n, struct suite_entry *entry, size_t i)
{
	struct strbuf line = STRBUF_INIT;

	n->code = worse_exit(n->code, suite_report_line(entry, &line));
	printf("%s%3zu/%zu  %-44s %s\n", n->o->tty ? "\r\033[K" : "", i + 1, n->s->runs_n,
	       entry->title, line.buf);
	fflush(stdout);
	strbuf_release(&line);
}

static void run_all(struct night *n)
{
	struct going *g = xcalloc(n->o->jobs, sizeof(*g));
	size_t next = 0, done = 0, running = 0;
	int64_t told_ns = 0;
	double spent = 0;
	bool stopped = false;

	for (size_t i = 0; i < n->s->runs_n; i++)
		n->entries[i].title = n->s->runs[i].title;
	while (next < n->s->runs_n || running) {
		int64_t now = clock_mono_ns();

		if (clock_cancelled() && !stopped) { /* each takes down what it made */
			for (size_t k = 0; k < n->o->jobs; k++)
				if (g[k].p)
					proc_signal(g[k].p, SIGINT, NULL);
			stopped = true;
			clock_cancel_reset();
		}
		for (size_t k = 0; k < n->o->jobs; k++) {
			struct err e = ERR_INIT;

			if (g[k].p && !proc_running(g[k].p)) {
				size_t i = g[k].i;

				spent += (double)(now - g[k].since_ns) / 1e9;
				n->entries[i].run_dir = take_ended(&g[k], &e);
				if (!n->entries[i].run_dir)
					n->entries[i].error = xstrdup(e.text);
				say_end(n, &n->entries[i], i);
				running--;
				done++;
			} else if (g[k].p && now - g[k].since_ns > RUN_MS * 1000000) {
				proc_signal(g[k].p, SIGINT, NULL);
			}
			if (g[k].p || next == n->s->runs_n)
				continue;
			if (stopped) {
				n->entries[next++].error =
					xstrdup("not run: the suite was interrupted");
			} else if (start(n, &g[k], next, &e) < 0) {
				n->entries[next].error = xstrdup(e.text);
				say_end(n, &n->entries[next], next);
				next++;
				done++;
			} else {
				next++;
				running++;
			}
		}
		if (n->o->tty && now - told_ns >= 1000000000 && running) {
			print_live(n, g, done, spent);
			told_ns = now;
		}
		pause_ms(POLL_MS, deadline_in_ms(1000));
	}
	if (stopped)
		clock_cancel(SIGINT);
	free(g);
}

static int run_night(struct night *n, struct err *e)
{
	struct suite_report report = { .name = n->s->name,
				       .sentence = n->s->sentence,
				       .drtest = n->o->drtest,
				       .started_ms = clock_wall_ms() };
	int64_t from = clock_mono_ns();

	if (make_dir(n, e) < 0)
		return -1;
	clock_on_end_signals(clock_cancel);
	printf("drtest %s  suite %s  %zu run%s\n", n->o->drtest, n->s->name, n->s->runs_n,
	       n->s->runs_n == 1 ? "" : "s");
	n->entries = xcalloc(n->s->runs_n, sizeof(*n->entries));
	run_all(n);
	if (clock_cancelled())
		n->code = worse_exit(n->code, 130);
	n->runs_code = n->code;
	if (n->o->gate && n->s->rules_n && judge(n, e) < 0) {
		fprintf(stderr, "drtest suite: gate: %s\n", e->text); /* the runs' verdicts stand */
		strbuf_addf(&n->gate, "not judged: %s\n", e->text);
		n->code = worse_exit(n->code, 4);
		*e = (struct err)ERR_INIT;
	}
	fputs(n->gate.buf, stdout);
	report.entries = n->entries;
	report.n = n->s->runs_n;
	report.gate = n->gate.buf;
	report.code = n->code;
	report.seconds = (double)(clock_mono_ns() - from) / 1e9;
	if (suite_report_make(n->dir, &report, e) < 0)
		return -1;
	draw_trend(n);
	for (size_t i = 0; i < n->s->runs_n; i++)
		if (n->entries[i].run_dir && report_ci(n->entries[i].run_dir, stdout, e) < 0)
			fprintf(stderr, "drtest suite: %s\n", e->text);
	*e = (struct err)ERR_INIT;
	printf("%s%s      report: %s/suite.html\n",
	       n->code == 0     ? "PASS"
	       : n->code == 1   ? "FAIL"
	       : n->code == 4   ? "UNKNOWN"
	       : n->code == 130 ? "INTERRUPTED"
				: "ERROR",
	       n->code == 1 && n->runs_code != 1
		       ? " from the gate: no run failed, but a figure is worse than its rule "
			 "allows"
		       : "",
	       n->dir);
	return 0;
}

static bool same_words(char *const *a, char *const *b)
{
	for (; *a && *b; a++, b++)
		if (strcmp(*a, *b) != 0)
			return false;
	return !*a && !*b;
}

int suite_ask(const struct suite *s, const struct suite_opts *o, struct err *e)
{
	size_t asked = 0;

	for (size_t i = 0; i < s->runs_n && asked < ASKED_MAX; i++) {
		const struct suite_run *r = &s->runs[i];
		const char *words[ARGS_MAX + 4] = { r->file, "--seed", r->seed };
		size_t k = 3, before = 0;

		while (before < i && (strcmp(s->runs[before].file, r->file) != 0 ||
				      !same_words(s->runs[before].set, r->set)))
			before++;
		if (before < i)
			continue;
		k = add_sets(words, k, r, o);
		for (size_t x = 0; x < o->extra_n && k < ARGS_MAX; x++)
			words[k++] = o->extra[x];
		words[k] = NULL;
		asked++;
		if (run_ask(words, e) < 0)
			return err_wrap(e, "%s", r->title);
	}
	return 0;
}

int suite_run(const struct suite *s, const struct suite_opts *o, int *code, struct err *e)
{
	struct night n = { .s = s, .o = o, .gate = STRBUF_INIT };
	int rc = run_night(&n, e);

	*code = n.code;
	for (size_t i = 0; n.entries && i < s->runs_n; i++) {
		free((char *)n.entries[i].run_dir);
		free((char *)n.entries[i].error);
	}
	free(n.entries);
	free(n.dir);
	strbuf_release(&n.gate);
	return rc;
}

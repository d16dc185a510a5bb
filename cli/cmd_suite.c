#include <getopt.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/live/serve.h"
#include "cli/options.h"
#include "cli/version.h"
#include "harness/os/fs.h"
#include "suites/suite.h"

struct request {
	struct suite_opts o;
	uint64_t jobs;
	const char *keep;
	bool plan;
	const char *metrics, *live; /* of each run; NULL: not asked for */
};

static int take_metrics(void *into, const char *text, struct err *e)
{
	((struct request *)into)->metrics = text;
	return serve_pass_on(true, text, e);
}

static int take_live(void *into, const char *text, struct err *e)
{
	((struct request *)into)->live = text;
	return serve_pass_on(false, text, e);
}

#define AT(member) .at = offsetof(struct request, member)
static const struct option_def options[] = {
	{ "keep", OPTION_TEXT, "TEXT",
	  "only runs whose title contains TEXT, such as 'failover seed 2' (--plan shows the "
	  "titles)",
	  AT(keep), .letter = 'k' },
	{ "jobs", OPTION_WHOLE, "N",
	  "run at most N at the same time (1); runs that share a machine distort each other's "
	  "figures",
	  AT(jobs), .min = 1, .max = SUITE_JOBS_MAX },
	{ "out", OPTION_TEXT, "DIR", "the directory for runs (runs)", AT(o.out) },
	{ "plan", OPTION_FLAG, NULL, "list the runs, and do nothing", AT(plan) },
	{ "no-gate", OPTION_OFF, NULL, "do not apply the gate", AT(o.gate) },
	{ "metrics", OPTION_TAKE, "ADDRESS", "of the current run; see drtest run --help",
	  .take = take_metrics },
	{ "live", OPTION_TAKE, "ADDRESS", "the page of the current run; see drtest run --help",
	  .take = take_live },
	{ 0 },
};
static const struct command_def command = {
	.name = "suite",
	.usage =
		"drtest suite FILE [-k TEXT] [--jobs N] [--out DIR] [--plan] [--no-gate] [-- OPTION "
		"OF drtest run...]",
	.about = "Runs the scenarios x seeds x options of FILE (for example "
		 "scenarios/nightly.lua) and writes one report for all of them: DIR/<UTC "
		 "time>-suite-<name>/suite.html, junit.xml (for CI), suite.json, and the output "
		 "of each run. Each run has its own directory in DIR and a row in the history, "
		 "and DIR/trend.html is drawn again. The gate of FILE compares the runs with "
		 "earlier ones that have the same options.",
	.options = options,
	.more = "Arguments after -- are passed to each `drtest run`, for example: -- --store "
		"file\n"
		"Exit code: 0 all passed and the gate holds, 1 a check failed or the gate is "
		"broken, 2 wrong usage, 3 a run could not be set up, 4 unknown, 130 interrupted. "
		"A rule with too little history says so and does not fail.",
	.operand = "suite file",
	.example = "scenarios/nightly.lua",
	.operands_max = 1,
};

static void plan(const struct suite *s, const struct suite_opts *o)
{
	printf("suite %s: %zu run%s (plan only)\n", s->name, s->runs_n, s->runs_n == 1 ? "" : "s");
	for (size_t i = 0; i < s->runs_n; i++) {
		printf("  %s: drtest run %s --seed %s", s->runs[i].title, s->runs[i].file,
		       s->runs[i].seed);
		for (char **set = s->runs[i].set; *set; set++)
			if (!suite_overrides(o, *set))
				printf(" --set %s", *set);
		for (size_t x = 0; x < o->extra_n; x++)
			printf(" %s", o->extra[x]);
		putchar('\n');
	}
}

/* --metrics and --live, before what stands behind --. The caller frees; NULL: there are none. */
static char **with_lookers_on(struct request *q)
{
	char **all = q->metrics || q->live ? calloc(q->o.extra_n + 4, sizeof(*all)) : NULL;
	size_t n = 0;

	if (!all)
		return NULL;
	if (q->metrics) {
		all[n++] = (char *)"--metrics";
		all[n++] = (char *)q->metrics;
	}
	if (q->live) {
		all[n++] = (char *)"--live";
		all[n++] = (char *)q->live;
	}
	for (size_t i = 0; i < q->o.extra_n; i++)
		all[n++] = q->o.extra[i];
	q->o.extra = all;
	q->o.extra_n = n;
	return all;
}

int cmd_suite(int argc, char **argv)
{
	struct request q = { .o = { .out = "runs",
				    .tty = isatty(STDOUT_FILENO),
				    .gate = true,
				    .drtest = drtest_version },
			     .jobs = 1 };
	struct suite s = { 0 };
	const char *file;
	char **extra;
	struct err e = ERR_INIT;
	int end = argc, rc, code = 0;

	for (int i = 1; i < argc && end == argc; i++)
		if (!strcmp(argv[i], "--"))
			end = i;
	if (end < argc) {
		q.o.extra = argv + end + 1;
		q.o.extra_n = (size_t)(argc - end - 1);
	}
	rc = options_parse(&command, end, argv, &q);
	if (rc)
		return rc == 1 ? 0 : 2;
	if (optind == end)
		return options_wrong(&command, "missing %s, for example %s", command.operand,
				     command.example);
	if ((q.metrics || q.live) && q.jobs > 1)
		return options_wrong(&command,
				     "--metrics and --live show one run at a time; remove --jobs");
	for (size_t i = 0; i < q.o.extra_n; i++)
		if (!strcmp(q.o.extra[i], "--plan") || !strcmp(q.o.extra[i], "--help"))
			return options_wrong(&command, "%s comes before --", q.o.extra[i]);
	if (serve_can_pass_on(q.metrics, q.live, &e) < 0) {
		fprintf(stderr, "drtest suite: %s\n", e.text);
		return err_exit_code(&e);
	}
	q.o.jobs = q.jobs;
	extra = with_lookers_on(&q);
	file = options_scenario("suite", argv[optind]); /* suites are found where scenarios are */
	if (!file) {
		free(extra);
		return 2;
	}
	rc = suite_read(&s, file, &e);
	if (rc == 0 && q.keep && !suite_keep(&s, q.keep))
		rc = err_set(&e, ERR_USAGE, 0,
			     "-k: no run has '%.80s' in its title (see drtest suite %s --plan)",
			     q.keep, argv[optind]);
	if (rc == 0)
		rc = suite_ask(&s, &q.o, &e);
	if (rc == 0 && q.plan)
		plan(&s, &q.o);
	if (rc == 0 && fs_may_mkdir(q.o.out, &e) < 0)
		rc = err_wrap(&e, "--out");
	if (rc == 0 && !q.plan)
		rc = suite_run(&s, &q.o, &code, &e);
	if (rc < 0)
		fprintf(stderr, "drtest suite: %s\n", e.text);
	suite_release(&s);
	free(extra);
	return rc < 0 ? err_exit_code(&e) : code;
}

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/options.h"
#include "cli/version.h"
#include "suites/suite.h"

static const char help[] =
	"usage: drtest suite FILE [-k TEXT] [--jobs N] [--out DIR] [--plan] [--no-gate] [-- OPTION OF drtest run...]\n"
	"Runs scenarios x seeds x options, as FILE tells (scenarios/nightly.lua), and makes one report over all:\n"
	"DIR/<UTC time>-suite-<name>/suite.html, junit.xml (for CI), suite.json, and the output of each run. Each run has its own folder in DIR,\n"
	"is in the history, and DIR/trend.html is drawn anew. The gate of FILE holds tonight's runs against earlier ones with the same options.\n"
	"  -k TEXT      only the runs whose title holds it, as 'failover seed 2' (--plan tells the titles)\n"
	"  --jobs N     at most so many side by side (1): figures of runs beside each other tell little of each alone\n"
	"  --out DIR    the folder of runs (runs)\n"
	"  --plan       tells the runs, and does nothing\n"
	"  --no-gate    leaves the gate out\n"
	"What stands behind -- is given to each `drtest run`, as: -- --store file\n"
	"Exit code: 0 all passed and the gate holds, 1 a check failed or the gate is broken, 2 wrong usage, 3 a run could not be set up,\n"
	"4 unknown, 130 interrupted. Too little history for a rule is told and no failure.\n";

static void plan(const struct suite *s)
{
	printf("suite %s: %zu run%s; nothing is done\n", s->name, s->runs_n,
	       s->runs_n == 1 ? "" : "s");
	for (size_t i = 0; i < s->runs_n; i++) {
		printf("  %s: drtest run %s --seed %s", s->runs[i].title, s->runs[i].file,
		       s->runs[i].seed);
		for (char **set = s->runs[i].set; *set; set++)
			printf(" --set %s", *set);
		putchar('\n');
	}
}

int cmd_suite(int argc, char **argv)
{
	static const struct option longs[] = { { "out", required_argument, NULL, 'o' },
					       { "plan", no_argument, NULL, 'p' },
					       { "no-gate", no_argument, NULL, 'g' },
					       { "jobs", required_argument, NULL, 'j' },
					       { "keep", required_argument, NULL, 'k' },
					       { "help", no_argument, NULL, 'h' },
					       { 0 } };
	struct suite_opts o = { .out = "runs",
				.tty = isatty(STDOUT_FILENO),
				.jobs = 1,
				.gate = true,
				.drtest = drtest_version };
	struct suite s = { 0 };
	const char *keep = NULL, *file;
	char *stop;
	bool plan_only = false;
	struct err e = ERR_INIT;
	int c, end = argc, rc, code = 0;

	for (int i = 1; i < argc && end == argc; i++)
		if (!strcmp(argv[i], "--"))
			end = i;
	if (end < argc) {
		o.extra = argv + end + 1;
		o.extra_n = (size_t)(argc - end - 1);
	}
	optind = 0;
	while ((c = options_next(end, argv, "hk:", longs, NULL)) != -1)
		switch (c) {
		case 'o': o.out = optarg; break;
		case 'p': plan_only = true; break;
		case 'g': o.gate = false; break;
		case 'k': keep = optarg; break;
		case 'j':
			o.jobs = strtoul(optarg, &stop, 10);
			if (*optarg < '1' || *optarg > '9' || *stop || o.jobs > SUITE_JOBS_MAX) {
				fprintf(stderr,
					"drtest suite: --jobs: '%.80s' is no number from 1 to %d\n",
					optarg, SUITE_JOBS_MAX);
				return 2;
			}
			break;
		case 'h': fputs(help, stdout); return 0;
		default: return 2;
		}
	if (optind != end - 1) {
		fputs("drtest suite: one suite file is wanted, as scenarios/nightly.lua (drtest suite --help)\n",
		      stderr);
		return 2;
	}
	file = options_scenario("suite", argv[optind]);
	if (!file)
		return 2;
	rc = suite_read(&s, file, &e);
	if (rc == 0 && keep && !suite_keep(&s, keep))
		rc = err_set(&e, ERR_USAGE, 0,
			     "-k: no run's title holds '%.80s' (drtest suite %s --plan)", keep,
			     argv[optind]);
	if (rc == 0 && plan_only)
		plan(&s);
	else if (rc == 0)
		rc = suite_run(&s, &o, &code, &e);
	if (rc < 0)
		fprintf(stderr, "drtest suite: %s\n", e.text);
	suite_release(&s);
	return rc < 0 ? err_exit_code(&e) : code;
}

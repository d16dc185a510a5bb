#include <getopt.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cmd_run.h"
#include "cli/commands.h"
#include "cli/live/serve.h"
#include "cli/options.h"
#include "harness/os/proc.h"
#include "harness/run/run.h"
#include "suites/run_ask.h"
#include "suites/sweep.h"

struct request {
	struct sweep s;
	const char *seeds;
	uint64_t jobs;
	const char *metrics, *live;
	struct run_opts target;
	char max_lost[24];
};

static int take_seeds(void *into, const char *text, struct err *e)
{
	struct request *q = into;

	if (q->s.n || !sweep_add_seeds(&q->s, text))
		return option_wants(e, text,
				    "1..200, or a list such as 1,7,20..30 (at most "
				    "100000)");
	q->seeds = text;
	return 0;
}

static int pass_on(struct sweep *s, const char *option, const char *text, struct err *e)
{
	if (s->n_pass_on + 2 > SWEEP_PASS_ON_MAX)
		return err_set(e, ERR_USAGE, 0, "too many options for the runs");
	s->pass_on[s->n_pass_on++] = option;
	s->pass_on[s->n_pass_on++] = text;
	return 0;
}
#define PASS_ON(name, option)                                                  \
	static int take_##name(void *into, const char *text, struct err *e)    \
	{                                                                      \
		return pass_on(&((struct request *)into)->s, option, text, e); \
	}
static int take_metrics(void *into, const char *text, struct err *e)
{
	struct request *q = into;

	q->metrics = text;
	return serve_pass_on(true, text, e) < 0 ? -1 : pass_on(&q->s, "--metrics", text, e);
}

static int take_live(void *into, const char *text, struct err *e)
{
	struct request *q = into;

	q->live = text;
	return serve_pass_on(false, text, e) < 0 ? -1 : pass_on(&q->s, "--live", text, e);
}

PASS_ON(on, "--on")
PASS_ON(set, "--set")
PASS_ON(store, "--store")
PASS_ON(timeout, "--timeout")
PASS_ON(max_rto, "--max-rto")

/* Here, so that a note is printed once and not by each run. */
static int take_max_rpo(void *into, const char *text, struct err *e)
{
	struct request *q = into;
	bool had = q->target.max_lost >= 0;

	if (run_take_max_rpo(&q->target, text, e) < 0)
		return -1;
	if (!had && q->target.max_lost >= 0) {
		snprintf(q->max_lost, sizeof(q->max_lost), "%" PRId64 "tx", q->target.max_lost);
		text = q->max_lost;
	}
	return pass_on(&q->s, "--max-rpo", text, e);
}

#define AT(member) .at = offsetof(struct request, member)
#define OF_RUN(option, arg_, fn, times_)                                                          \
	{                                                                                         \
		option, OPTION_TAKE, arg_, "for each run; see drtest run --help", .take = fn,     \
										  .times = times_ \
	}
static const struct option_def options[] = {
	{ "seeds", OPTION_TAKE, "A..B", "the seeds from A to B, or a list such as 1,7,20..30",
	  .take = take_seeds },
	{ "jobs", OPTION_WHOLE, "N", "run N at the same time (half the processors)", AT(jobs),
	  .min = 1, .max = SWEEP_JOBS_MAX },
	{ "resume", OPTION_TEXT, "DIR",
	  "resume an interrupted sweep; seeds with a verdict are not run again", AT(s.resume) },
	{ "keep-runs", OPTION_FLAG, NULL,
	  "keep the run directory of each seed, not only of those that did not pass",
	  AT(s.keep_runs) },
	{ "out", OPTION_TEXT, "DIR", "where to create the sweep's directory (runs)", AT(s.out) },
	OF_RUN("on", "GROUND", take_on, OPTION_ONCE),
	OF_RUN("set", "name=value", take_set, OPTION_PER_NAME),
	OF_RUN("store", "s3|file", take_store, OPTION_ONCE),
	OF_RUN("timeout", "TIME", take_timeout, OPTION_ONCE),
	OF_RUN("max-rpo", "TIME|Ntx", take_max_rpo, OPTION_OFTEN),
	OF_RUN("max-rto", "TIME", take_max_rto, OPTION_ONCE),
	{ "metrics", OPTION_TAKE, "ADDRESS",
	  "of the current run, one at a time; see drtest run --help", .take = take_metrics },
	{ "live", OPTION_TAKE, "ADDRESS",
	  "the page of the current run, one at a time; see drtest run --help", .take = take_live },
	{ 0 },
};
static const struct command_def command = {
	.name = "sweep",
	.usage = "drtest sweep FILE --seeds 1..200 [--jobs N] [--resume DIR] [--keep-runs] [--out "
		 "DIR] [options of drtest run]",
	.about = "Runs a scenario with many seeds and prints one table: verdicts, how much was "
		 "lost, how long the service was down, the slowest steps.",
	.options = options,
	.more = "Exit code: 0 all passed, 1 a check failed in a run, 4 a run could not decide, 3 "
		"a run broke, 130 interrupted.",
	.operand = "scenario file",
	.example = "scenarios/primary_kill_sweep.lua",
	.operands_max = 1,
};

/* Its first run, by its plan. */
static int ask(const struct request *q)
{
	const char *words[SWEEP_PASS_ON_MAX + 2] = { q->s.file };
	struct err e = ERR_INIT;
	size_t n = 1;

	for (size_t i = 0; i < q->s.n_pass_on; i++)
		words[n++] = q->s.pass_on[i];
	words[n] = NULL;
	if (run_ask(words, &e) == 0)
		return 0;
	fprintf(stderr, "drtest sweep: %s\n", e.text);
	return err_exit_code(&e);
}

static int parse(struct request *q, int argc, char **argv)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	int rc;

	q->s.out = "runs";
	rc = options_parse(&command, argc, argv, q);
	if (rc)
		return rc;
	if ((q->metrics || q->live) && q->jobs > 1)
		return options_wrong(&command,
				     "--metrics and --live show one run at a time; remove --jobs");
	if (!q->jobs)
		q->jobs = cores > 3 && !q->metrics && !q->live ? (uint64_t)cores / 2 : 1;
	if (optind == argc)
		return options_wrong(&command, "missing %s, for example %s", command.operand,
				     command.example);
	if (!q->s.n)
		return options_wrong(&command, "--seeds is missing, for example --seeds 1..200");
	q->s.jobs = q->jobs;
	q->s.file = options_scenario("sweep", argv[optind]);
	return q->s.file ? ask(q) : 2;
}

int cmd_sweep(int argc, char **argv)
{
	struct request q = { .target = { .max_rpo_ms = -1, .max_lost = -1 } };
	struct err e = ERR_INIT;
	int rc = parse(&q, argc, argv), code;

	if (rc) {
		sweep_close(&q.s);
		return rc == 1 ? EXIT_PASS : rc;
	}
	if (serve_can_pass_on(q.metrics, q.live, &e) < 0 || sweep_open(&q.s, &e) < 0 ||
	    guardian_start(&e) < 0) {
		fprintf(stderr, "drtest sweep: %s\n", e.text);
		sweep_close(&q.s);
		return err_exit_code(&e);
	}
	rc = sweep_run(&q.s, &e);
	sweep_print_table(stdout, q.s.results, q.s.n, q.s.command);
	if (rc < 0)
		fprintf(stderr, "drtest sweep: %s\n", e.text);
	if (rc > 0)
		fprintf(stderr,
			"interrupted; to continue: drtest sweep%s --seeds %s --resume "
			"%s\n",
			q.s.command + strlen("drtest run"), q.seeds, q.s.dir);
	printf("sweep: %s\n", q.s.dir);
	code = rc < 0 ? EXIT_ENV : rc > 0 ? EXIT_INTERRUPTED : sweep_exit_code(&q.s);
	guardian_stop();
	sweep_close(&q.s);
	return code;
}

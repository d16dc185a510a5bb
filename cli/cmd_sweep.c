#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/options.h"
#include "harness/os/proc.h"
#include "harness/run/run.h"
#include "suites/sweep.h"

static const char help[] =
	"usage: drtest sweep FILE --seeds 1..200 [--jobs N] [--resume DIR] [--keep-runs] [--out DIR]\n"
	"                    [run's --on, --set, --store, --timeout, --max-rpo, --max-rto]\n"
	"Runs a scenario with many seeds and makes one table of them: verdicts, how much was lost, how long service was away, the slowest steps.\n"
	"  --seeds A..B     or a list: 1,7,20..30\n"
	"  --jobs N         runs side by side (half of the processors)\n"
	"  --resume DIR     goes on with a sweep that was interrupted: the seeds that have a verdict are not run again\n"
	"  --keep-runs      keeps the run folder of each seed, not only of those that did not pass\n"
	"  --out DIR        where the sweep's folder goes (runs)\n"
	"Exit code: 0 all passed, 1 a check failed somewhere, 4 somewhere it could not tell, 3 a run broke, 130 interrupted.\n";

static int usage(const char *what, const char *value)
{
	fprintf(stderr, "drtest sweep: %s%s%s (drtest sweep --help)\n", what, value ? ": " : "",
		value ? value : "");
	return EXIT_USAGE;
}

static int parse(struct sweep *s, const char **seeds, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "seeds", required_argument, NULL, 'n' },
		{ "jobs", required_argument, NULL, 'j' },
		{ "resume", required_argument, NULL, 'r' },
		{ "out", required_argument, NULL, 'd' },
		{ "keep-runs", no_argument, NULL, 'k' },
		{ "on", required_argument, NULL, 'o' },
		{ "set", required_argument, NULL, 's' },
		{ "store", required_argument, NULL, 'S' },
		{ "timeout", required_argument, NULL, 't' },
		{ "max-rpo", required_argument, NULL, 'R' },
		{ "max-rto", required_argument, NULL, 'T' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	int c, at = 0;

	s->jobs = cores > 3 ? (size_t)cores / 2 : 1;
	s->out = "runs";
	while ((c = options_next(argc, argv, "h", longs, &at)) >= 0)
		switch (c) {
		case 'n':
			if (s->n || !sweep_add_seeds(s, optarg))
				return -1 -
				       usage("--seeds wants 1..200, or a list as 1,7,20..30 (at most 100000)",
					     optarg);
			*seeds = optarg;
			break;
		case 'j':
			s->jobs = strtoul(optarg, NULL, 10);
			if (*optarg < '1' || *optarg > '9' || s->jobs > SWEEP_JOBS_MAX)
				return -1 - usage("--jobs wants 1 to 64", optarg);
			break;
		case 'r': s->resume = optarg; break;
		case 'd': s->out = optarg; break;
		case 'k': s->keep_runs = true; break;
		case 'h': fputs(help, stdout); return -1;
		case 'o':
		case 's':
		case 'S':
		case 't':
		case 'R':
		case 'T':
			if (s->n_pass_on + 2 > SWEEP_PASS_ON_MAX)
				return -1 - usage("too many options for the runs", NULL);
			s->pass_on[s->n_pass_on++] = c == 'o'   ? "--on"
						     : c == 's' ? "--set"
						     : c == 'S' ? "--store"
						     : c == 'R' ? "--max-rpo"
						     : c == 'T' ? "--max-rto"
								: "--timeout";
			s->pass_on[s->n_pass_on++] = optarg;
			break;
		default: return -1 - EXIT_USAGE;
		}
	if (optind != argc - 1)
		return -1 -
		       usage("one scenario file is wanted, as scenarios/primary_kill_sweep.lua",
			     NULL);
	if (!s->n)
		return -1 - usage("--seeds is wanted, as 1..200", NULL);
	s->file = options_scenario("sweep", argv[optind]);
	return s->file ? 1 : -1 - EXIT_USAGE;
}

int cmd_sweep(int argc, char **argv)
{
	struct sweep s = { 0 };
	struct err e = ERR_INIT;
	const char *seeds = NULL;
	int rc = parse(&s, &seeds, argc, argv), code;

	if (rc < 0) {
		sweep_close(&s);
		return -1 - rc;
	}
	if (sweep_open(&s, &e) < 0 || guardian_start(&e) < 0) {
		fprintf(stderr, "drtest sweep: %s\n", e.text);
		sweep_close(&s);
		return err_exit_code(&e);
	}
	rc = sweep_run(&s, &e);
	sweep_print_table(stdout, s.results, s.n, s.command);
	if (rc < 0)
		fprintf(stderr, "drtest sweep: %s\n", e.text);
	if (rc > 0)
		fprintf(stderr, "interrupted; the rest: drtest sweep%s --seeds %s --resume %s\n",
			s.command + strlen("drtest run"), seeds, s.dir);
	printf("sweep: %s\n", s.dir);
	code = rc < 0 ? EXIT_ENV : rc > 0 ? EXIT_INTERRUPTED : sweep_exit_code(&s);
	guardian_stop();
	sweep_close(&s);
	return code;
}

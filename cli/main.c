#include <signal.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "cli/commands.h"
#include "cli/version.h"
#include "harness/base/nearest.h"
#include "harness/os/fs.h"
#include "suites/scenario_find.h"

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *what;
	const char *group; /* that begins with it; NULL: it goes on */
} commands[] = {
	{ "run", cmd_run, "a scenario: run scenarios/failover.lua", "Drills" },
	{ "suite", cmd_suite,
	  "scenarios x seeds x options, one report over all: suite scenarios/nightly.lua", NULL },
	{ "sweep", cmd_sweep, "a scenario with many seeds, and one table of them", NULL },
	{ "capacity", cmd_capacity,
	  "the highest rate that still meets a target, and the curve up to it", NULL },
	{ "gameday", cmd_gameday,
	  "the team recovers by its own means from a disaster at an undisclosed instant, and is timed and judged",
	  NULL },
	{ "runbook", cmd_runbook,
	  "the steps back for exactly your clusters: commands, times, decisions, ways out", NULL },
	{ "chaos", cmd_chaos,
	  "faults by hand: a proxy between two parties, kill, pause; which faults there are, and what they need",
	  NULL },
	{ "list", cmd_list, "the scenarios, what each does, its options", "This machine" },
	{ "init", cmd_init, "writes a first clusters file, from tiup, Kubernetes or an endpoint",
	  NULL },
	{ "doctor", cmd_doctor, "what is installed, what is missing, how to get it", NULL },
	{ "clean", cmd_clean, "removes what earlier runs left", NULL },
	{ "report", cmd_report, "a run's reports, made again from its journal, and its summary",
	  "Runs so far" },
	{ "history", cmd_history, "the runs so far: when, verdict, RPO, RTO", NULL },
	{ "changes", cmd_changes, "what changed between runs, and whether it could be chance",
	  NULL },
	{ "trend", cmd_trend, "a page with each figure over the nights", NULL },
	{ "forecast", cmd_forecast,
	  "the RPO and RTO to expect, from the runs so far and your own figures", NULL },
	{ "gate", cmd_gate, "fails when the newest runs are worse than the ones before", NULL },
	{ "load", cmd_load, "a write load on its own: prepare, run, check, cleanup, report",
	  "One part at a time" },
	{ "backup", cmd_backup, "a consistent backup of a server into a store, while it works",
	  NULL },
	{ "restore", cmd_restore, "a backup into an empty server", NULL },
	{ "feed", cmd_feed, "the changefeed on its own", NULL },
	{ "redo", cmd_redo,
	  "a redo log, TiCDC's or ours: its state, replay, soundness, content, outlook (meta, apply, "
	  "check, cat, watch)",
	  NULL },
	{ "diff", cmd_diff, "compare two servers down to the row", NULL },
	{ "judge", cmd_judge,
	  "a verdict over a drill made by hand: a load's ledger, its model, one server against another",
	  NULL },
	{ "selftest", cmd_selftest, "defects planted in a recorded drill: each must be caught",
	  "drtest itself" },
};

static void help(FILE *out)
{
	fputs("drtest rehearses the death of a primary database cluster: how much is lost, how long until service is back, is the rest consistent?\n"
	      "usage: drtest COMMAND [options]        drtest COMMAND --help        drtest --version\n",
	      out);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (commands[i].group)
			fprintf(out, "\n%s:\n", commands[i].group);
		fprintf(out, "  %-8s %s\n", commands[i].name, commands[i].what);
	}
}

static int refuse_unknown(const char *word)
{
	const char *names[sizeof(commands) / sizeof(commands[0])], *meant,
		*file = scenario_find(word);
	size_t n = 0;

	while (n < sizeof(commands) / sizeof(commands[0])) {
		names[n] = commands[n].name;
		n++;
	}
	meant = nearest(word, names, n);
	if (fs_exists(file) && strlen(file) > 4 && !strcmp(file + strlen(file) - 4, ".lua"))
		fprintf(stderr, "drtest: '%s' is a scenario: drtest run %s\n", word, word);
	else if (meant)
		fprintf(stderr,
			"drtest: there is no command '%s': did you mean '%s'? (drtest --help)\n",
			word, meant);
	else
		fprintf(stderr, "drtest: there is no command '%s' (drtest --help)\n", word);
	return 2;
}

/* What was printed has arrived; an answer of which the half is missing is no success. */
static int flush_output(int rc)
{
	bool failed = fflush(stdout) != 0;
	int why = failed ? errno : 0; /* of an earlier write it is gone */

	if (!failed && !ferror(stdout))
		return rc;
	/* who closed the pipe has seen enough, and a command that failed has said so */
	if (rc == 0 && why != EPIPE)
		fprintf(stderr, "drtest: standard output: %s\n",
			why ? strerror(why)
			    : "not all of it could be written (it is closed, or its disk is full)");
	return rc ? rc : 3;
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN); /* a lost connection is an error, not our end */
	signal(SIGXFSZ, SIG_IGN); /* so is a file beyond `ulimit -f` */
	setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 }); /* passwords are in memory */
	if (argc < 2) {
		help(stderr);
		return 2;
	}
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
		version_print();
		return flush_output(0);
	}
	if (!strcmp(argv[1], "-v") || !strcmp(argv[1], "-version") || !strcmp(argv[1], "version")) {
		fprintf(stderr,
			"drtest: there is no '%s': did you mean '--version'? (drtest --help)\n",
			argv[1]);
		return 2;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") ||
	    (!strcmp(argv[1], "help") && argc == 2)) {
		help(stdout);
		return flush_output(0);
	}
	if (!strcmp(argv[1], "help")) { /* drtest help run */
		argv[1] = argv[2];
		argv[2] = (char *)"--help";
	}
	if (!strcmp(argv[1], "compare")) { /* its name of the version before */
		fputs("note: drtest compare is now drtest changes; the old name goes with the next version\n",
		      stderr);
		argv[1] = (char *)"changes";
	}
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (!strcmp(argv[1], commands[i].name))
			return flush_output(commands[i].run(argc - 1, argv + 1));
	return refuse_unknown(argv[1]);
}

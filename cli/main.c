#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/version.h"
#include "harness/base/nearest.h"
#include "harness/os/fs.h"
#include "harness/os/proc.h"
#include "suites/scenario_find.h"

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *what;
	const char *group; /* that begins with it; NULL: it goes on */
} commands[] = {
	{ "run", cmd_run, "run a scenario, for example scenarios/failover.lua", "Drills" },
	{ "suite", cmd_suite,
	  "run scenarios x seeds x options with one report, for example scenarios/nightly.lua",
	  NULL },
	{ "sweep", cmd_sweep, "run a scenario with many seeds and print a table of the results",
	  NULL },
	{ "capacity", cmd_capacity,
	  "find the highest rate that meets a target, and the curve up to it", NULL },
	{ "gameday", cmd_gameday,
	  "rehearse the team: it recovers from a disaster at an unannounced moment; drtest "
	  "measures and judges",
	  NULL },
	{ "runbook", cmd_runbook,
	  "print the recovery steps for your clusters: commands, times, decisions, fallbacks",
	  NULL },
	{ "chaos", cmd_chaos,
	  "inject faults by hand: a proxy between two parties, kill, pause; list all faults",
	  NULL },
	{ "list", cmd_list, "list the scenarios with their descriptions and options",
	  "This machine" },
	{ "init", cmd_init, "write a first clusters file from tiup, Kubernetes or an endpoint",
	  NULL },
	{ "doctor", cmd_doctor, "check what is installed, what is missing, and how to get it",
	  NULL },
	{ "clean", cmd_clean, "remove what earlier runs left behind", NULL },
	{ "report", cmd_report,
	  "write a run's reports again from its journal, and print its "
	  "summary",
	  "Past runs" },
	{ "history", cmd_history, "list past runs: time, verdict, RPO, RTO", NULL },
	{ "changes", cmd_changes, "show what changed between runs, and whether it could be chance",
	  NULL },
	{ "trend", cmd_trend, "draw a page with each figure over time", NULL },
	{ "forecast", cmd_forecast, "predict RPO and RTO from past runs and your own figures",
	  NULL },
	{ "gate", cmd_gate, "fail if the newest runs are worse than the ones before", NULL },
	{ "load", cmd_load, "run a write load: prepare, run, check, cleanup, report",
	  "Single parts" },
	{ "backup", cmd_backup, "back up a server consistently to a store, under load", NULL },
	{ "restore", cmd_restore, "restore a backup into an empty server", NULL },
	{ "feed", cmd_feed, "run the local ground's changefeed", NULL },
	{ "redo", cmd_redo, "work on a redo log of TiCDC or drtest: meta, apply, check, cat, watch",
	  NULL },
	{ "diff", cmd_diff, "compare two servers down to the row", NULL },
	{ "judge", cmd_judge,
	  "judge a drill that was done by hand: a load's ledger and model, one server against "
	  "another",
	  NULL },
	{ "selftest", cmd_selftest, "plant defects in a recorded drill: each must be found",
	  "drtest itself" },
};

static void help(FILE *out)
{
	fputs("drtest rehearses the loss of a primary database cluster: how much data is lost, "
	      "how long is the service down, is the rest consistent?\n"
	      "usage: drtest COMMAND [options]        drtest COMMAND --help        drtest "
	      "--version\n",
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
			"drtest: unknown command '%s': did you mean '%s'? (drtest --help)\n", word,
			meant);
	else
		fprintf(stderr, "drtest: unknown command '%s' (drtest --help)\n", word);
	return 2;
}

/* As with `| head -1`: whoever read has seen enough. */
static bool reader_is_gone(void)
{
	struct pollfd out = { .fd = STDOUT_FILENO, .events = POLLOUT };

	return poll(&out, 1, 0) == 1 && (out.revents & POLLERR);
}

/* Of names and values from servers and stores: a terminal obeys control characters. */
static ssize_t write_visible(void *unused, const char *text, size_t n)
{
	static unsigned char before; /* a C1 control is two bytes in UTF-8 */
	char shown[BUFSIZ];
	size_t m = n < sizeof(shown) ? n : sizeof(shown);

	(void)unused;
	for (size_t i = 0; i < m; i++) {
		unsigned char c = (unsigned char)text[i];

		shown[i] = (c < 0x20 && c != '\n' && c != '\t') || c == 0x7f ||
					   (before == 0xc2 && c >= 0x80 && c < 0xa0)
				   ? '?'
				   : (char)c;
		before = c;
	}
	return fs_write_all(STDOUT_FILENO, shown, m, NULL) < 0 ? 0 : (ssize_t)m;
}

/* Not for those that draw: in colours, and lines over lines. */
static void show_controls(const char *command)
{
	static const char *const draw[] = { "run",     "suite",  "sweep",   "capacity",
					    "gameday", "report", "selftest" };
	FILE *f;

	for (size_t i = 0; i < sizeof(draw) / sizeof(draw[0]); i++)
		if (!strcmp(command, draw[i]))
			return;
	if (!isatty(STDOUT_FILENO))
		return;
	f = fopencookie(NULL, "w", (cookie_io_functions_t){ .write = write_visible });

	if (!f)
		return;
	setvbuf(f, NULL, _IOLBF, BUFSIZ);
	stdout = f;
}

/* What was printed has arrived; an answer of which the half is missing is no success. */
static int flush_output(int rc)
{
	bool failed = fflush(stdout) != 0;
	int why = failed ? errno : 0; /* of an earlier write it is gone */

	if ((!failed && !ferror(stdout)) || why == EPIPE || reader_is_gone())
		return rc;
	if (rc == 0) /* a command that failed has said so */
		fprintf(stderr, "drtest: standard output: %s\n",
			why ? strerror(why)
			    : "not all of it could be written (it is closed, or its disk is full)");
	return rc ? rc : 3;
}

/* Where one of 0, 1, 2 is closed, a ledger or a fix file would be opened there, and what is printed
 * would go into it. Writing to a standard output that was closed stays an error. */
static void hold_standard_files(void)
{
	for (int fd = 0; fd <= 2; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			open("/dev/null", fd == STDERR_FILENO ? O_WRONLY : O_RDONLY);
}

int main(int argc, char **argv)
{
	hold_standard_files();
	signal(SIGPIPE, SIG_IGN);       /* a lost connection is an error, not our end */
	signal(SIGXFSZ, SIG_IGN);       /* so is a file beyond `ulimit -f` */
	setlocale(LC_CTYPE, "C.UTF-8"); /* a pattern's '?' is a character */
	setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 }); /* passwords are in memory */
	guardian_is_drtest();
	if (access("/proc/self/exe", F_OK) < 0) { /* processes are found and ended by it */
		fputs("drtest: /proc is not mounted: mount -t proc proc /proc\n", stderr);
		return 3;
	}
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
		fputs("note: drtest compare is now drtest changes; the next version removes the "
		      "old name\n",
		      stderr);
		argv[1] = (char *)"changes";
	}
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (!strcmp(argv[1], commands[i].name)) {
			show_controls(argv[1]);
			return flush_output(commands[i].run(argc - 1, argv + 1));
		}
	return refuse_unknown(argv[1]);
}

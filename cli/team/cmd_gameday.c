#include <inttypes.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/options.h"
#include "harness/base/xalloc.h"
#include "reports/run_history.h"
#include "reports/stats.h"
#include "reports/text.h"
#include "suites/scenario_find.h"

#define RUNS_MAX 20 /* whose median is the machine's */
#define WORDS_MAX 40

struct request {
	const char *on, *clusters, *window, *limit, *redundancy, *out, *live, *metrics, *webhook,
		*webhook_secret, *max_rto, *max_rpo;
	uint64_t seed;
	const char *store, *tidb_version;
	int kind; /* kill, nothing, drawn; -1: the scenario's default */
	bool plan;
	const char *set[WORDS_MAX / 2];
	size_t n_set;
};

static int take_set(void *into, const char *text, struct err *e)
{
	struct request *q = into;

	if (!strchr(text, '=') || *text == '=')
		return option_wants(e, text, "name=value");
	if (q->n_set == sizeof(q->set) / sizeof(q->set[0]))
		return err_set(e, ERR_USAGE, 0, "used too often");
	q->set[q->n_set++] = text;
	return 0;
}

#define AT(member) .at = offsetof(struct request, member)
static const struct option_def options[] = {
	{ "clusters", OPTION_TEXT, "FILE",
	  "the clusters; the primary's `commands.kill` causes the disaster, and drtest does only "
	  "what the file allows (docs/CLUSTERS.md)",
	  AT(clusters) },
	{ "on", OPTION_TEXT, "GROUND",
	  "attach (default with a clusters file); local or playground: a pair to practice with",
	  AT(on) },
	{ "window", OPTION_TEXT, "TIME",
	  "the disaster comes at a random moment in this time "
	  "(10m)",
	  AT(window) },
	{ "kind", OPTION_CHOICE, "kill|nothing|drawn",
	  "kill: the primary and its TiCDC die; nothing: a false alarm; drawn: one of the two, "
	  "revealed at the end (kill)",
	  AT(kind) },
	{ "seed", OPTION_WHOLE, "N", "seed for moment and kind; without it, random", AT(seed),
	  .max = 9999999999999999999u },
	{ "limit", OPTION_TEXT, "TIME", "the service must be back within this time (2h)",
	  AT(limit) },
	{ "redundancy", OPTION_TEXT, "TIME",
	  "how long to wait for \"redundant\" or \"done\" afterwards (4h)", AT(redundancy) },
	{ "max-rpo", OPTION_TEXT, "TIME|Ntx", "a target; see drtest run --help", AT(max_rpo) },
	{ "max-rto", OPTION_TEXT, "TIME", "a target; see drtest run --help", AT(max_rto) },
	{ "set", OPTION_TAKE, "name=value", "an option of scenarios/gameday.lua, for its load",
	  .take = take_set, .times = OPTION_PER_NAME },
	{ "out", OPTION_TEXT, "DIR", "the directory for runs (runs)", AT(out) },
	{ "live", OPTION_TEXT, "ADDRESS",
	  "see drtest run --help; for the person who leads the "
	  "day",
	  AT(live) },
	{ "metrics", OPTION_TEXT, "ADDRESS", "see drtest run --help", AT(metrics) },
	{ "webhook", OPTION_TEXT, "URL", "see drtest run --help", AT(webhook) },
	{ "webhook-secret", OPTION_TEXT, "@FILE", "see drtest run --help", AT(webhook_secret) },
	{ "store", OPTION_TEXT, "s3|file", "see drtest run --help", AT(store) },
	{ "tidb-version", OPTION_TEXT, "V", "see drtest run --help; for --on playground",
	  AT(tidb_version) },
	{ "plan", OPTION_FLAG, NULL, "print what would be done, and do nothing", AT(plan) },
	{ 0 },
};
static const struct command_def command = {
	.name = "gameday",
	.usage = "drtest gameday --clusters FILE [--window TIME] [--kind kill|nothing|drawn] [...]",
	.about = "Rehearses the team: the primary dies at an unannounced moment, people recover "
		 "with their own tools, and drtest observes and judges the result. Every line "
		 "that is typed is recorded with its time. The first line after the disaster is "
		 "the first action; \"decided\" at the beginning of a line is the decision, "
		 "\"service\" means that the secondary serves (\"service TSO\" if the team did "
		 "not reach the end of the redo log), \"redundant\" that it has a partner again, "
		 "\"done\" ends the day.",
	.options = options,
	.more = "Exit code: see drtest run --help.",
};

/* "0.45 s, median of 12 runs of failover"; "": there is none. */
static char *machine_rto(const char *runs_dir, const char *ground)
{
	static const char *const scenarios[] = { "live_failover", "failover" };
	struct run_row *runs = NULL;
	double rto[RUNS_MAX];
	char seconds[TEXT_NUMBER], *text = NULL;

	for (size_t i = 0; i < 2 && !text; i++) {
		const struct run_filter f = { .scenario = scenarios[i],
					      .ground = ground,
					      .last = RUNS_MAX };
		size_t n = 0, told = 0;

		if (run_history_list(runs_dir, &f, &runs, &n, NULL) < 0)
			break;
		for (size_t k = 0; k < n; k++)
			if (run_row_value(&runs[k], "rto_ms") >= 0)
				rto[told++] = run_row_value(&runs[k], "rto_ms");
		if (told)
			text = xstrfmt("%s, median of %zu run%s of %s",
				       text_seconds(seconds, stats_median(rto, told) / 1e3), told,
				       told > 1 ? "s" : "", scenarios[i]);
		run_history_free(runs, n);
	}
	return text ? text : xstrdup("");
}

static void give(const char **argv, int *n, const char *option, const char *value)
{
	if (!value)
		return;
	argv[(*n)++] = option;
	argv[(*n)++] = value;
}

/* Is there nobody who could type "service"? Then a disaster would rehearse no team. */
static bool input_is_over(void)
{
	struct pollfd p = { .fd = STDIN_FILENO, .events = POLLIN };
	struct stat st;
	int waiting = 0;

	if (fstat(STDIN_FILENO, &st) < 0)
		return true;
	if (S_ISREG(st.st_mode))
		return lseek(STDIN_FILENO, 0, SEEK_CUR) >= st.st_size;
	if (S_ISCHR(st.st_mode)) /* /dev/null */
		return st.st_rdev == makedev(1, 3);
	return poll(&p, 1, 0) > 0 && !(p.revents & POLLIN) && (p.revents & POLLHUP) &&
	       (ioctl(STDIN_FILENO, FIONREAD, &waiting) < 0 || !waiting);
}

int cmd_gameday(int argc, char **argv)
{
	static const char *const kinds[] = { "kind=kill", "kind=nothing", "kind=drawn" };
	struct request q = { .kind = -1 };
	const char *words[2 * WORDS_MAX + 40] = { "gameday" }, *ground;
	char *set[4] = { NULL }, seed[24], *machine, *file;
	int n = 1, rc = options_parse(&command, argc, argv, &q), code;

	if (rc)
		return rc == 1 ? 0 : 2;
	ground = q.on ? q.on : q.clusters ? "attach" : NULL;
	if (!ground)
		return options_wrong(
			&command,
			"--clusters FILE is missing (docs/CLUSTERS.md); to practice, use --on "
			"local");
	if (!q.plan && input_is_over())
		return options_wrong(&command,
				     "nobody can type, because standard input is closed or empty: "
				     "whoever leads the game day types there, or a script does");
	if (!q.seed && getrandom(&q.seed, sizeof(q.seed), 0) == (ssize_t)sizeof(q.seed))
		q.seed %= 1000000000;
	snprintf(seed, sizeof(seed), "%" PRIu64, q.seed);
	file = xstrdup(scenario_find("gameday"));
	machine = machine_rto(q.out ? q.out : "runs", ground);
	words[n++] = file;
	give(words, &n, "--on", ground);
	give(words, &n, "--clusters", q.clusters);
	give(words, &n, "--seed", seed);
	give(words, &n, "--store", q.store);
	give(words, &n, "--tidb-version", q.tidb_version);
	give(words, &n, "--out", q.out);
	give(words, &n, "--live", q.live);
	give(words, &n, "--metrics", q.metrics);
	give(words, &n, "--webhook", q.webhook);
	give(words, &n, "--webhook-secret", q.webhook_secret);
	give(words, &n, "--max-rpo", q.max_rpo);
	give(words, &n, "--max-rto", q.max_rto);
	give(words, &n, "--timeout", "48h");
	give(words, &n, "--set", q.kind < 0 ? NULL : kinds[q.kind]);
	set[0] = q.window ? xstrfmt("window=%s", q.window) : NULL;
	set[1] = q.limit ? xstrfmt("limit=%s", q.limit) : NULL;
	set[2] = q.redundancy ? xstrfmt("redundancy=%s", q.redundancy) : NULL;
	set[3] = xstrfmt("machine_rto=%s", machine);
	for (size_t i = 0; i < 4; i++)
		give(words, &n, "--set", set[i]);
	for (size_t i = 0; i < q.n_set; i++)
		give(words, &n, "--set", q.set[i]);
	if (q.plan)
		words[n++] = "--plan";
	code = cmd_run(n, (char **)(uintptr_t)words);
	for (size_t i = 0; i < 4; i++)
		free(set[i]);
	free(machine);
	free(file);
	return code;
}

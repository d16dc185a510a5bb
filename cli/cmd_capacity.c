#include "cli/cmd_run.h"
#include "cli/commands.h"
#include "cli/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/xalloc.h"
#include "harness/run/run.h"

#define WORDS_MAX 128

/* Each becomes the scenario's option of that name. */
static const struct option_def own[] = {
	{ "target", OPTION_TEXT, "LIST",
	  "limits for p50, p95, p99, p999, max (latency from the due time), lag (of the "
	  "changefeed), rpo: 'p99<50ms,lag<5s'",
	  .at = 0 },
	{ "min-rate", OPTION_TEXT, "N", "start the search at N transactions per second (50)",
	  .at = 0 },
	{ "max-rate", OPTION_TEXT, "N", "do not go beyond N (20000)", .at = 0 },
	{ "precision", OPTION_TEXT, "PCT", "precision of the result (10)", .at = 0 },
	{ "hold", OPTION_TEXT, "TIME", "hold each rate for at least this time (8s)", .at = 0 },
	{ "workers", OPTION_TEXT, "N", "connections of the load (50)", .at = 0 },
	{ "shards", OPTION_TEXT, "N",
	  "processes that generate the load, started by drtest (1); with --rendezvous, they are started elsewhere",
	  .at = 0 },
	{ "rendezvous", OPTION_TEXT, "STORE",
	  "s3://… or file://…, where the shards of other machines meet: there, run drtest load NAME "
	  "run --shard=I/N --rendezvous=STORE --follow",
	  .at = 0 },
	{ "load", OPTION_TEXT, "NAME", "the load (oltp_write_only)", .at = 0 },
	{ "tables", OPTION_TEXT, "N", "its tables (4)", .at = 0 },
	{ "table-size", OPTION_TEXT, "N", "rows of each (10000)", .at = 0 },
	{ "rand-type", OPTION_TEXT, "T", "its distribution (uniform)", .at = 0 },
	{ "from", OPTION_RENAMED, .at = 0, .now = "min-rate" },
	{ "to", OPTION_RENAMED, .at = 0, .now = "max-rate" },
	{ 0 },
};
static const struct command_def command = {
	.name = "capacity",
	.usage = "drtest capacity [--target 'p99<50ms,lag<5s'] [options]",
	.about = "Finds the highest rate that two clusters with a changefeed sustain: doubles the "
		 "rate until a target is missed, then bisects. Holds each rate long enough for a "
		 "reliable result, and repeats a rate that misses. Prints the highest rate and "
		 "the curve: p50, p99, lag, and what would be lost if the primary died at that "
		 "rate. With --shards many processes are the load, here or on other machines: "
		 "their histograms add up.",
	.options = own,
	.more = "Also these options of `drtest run`: --on, --store, --seed, --out, --timeout, "
		"--plan, --keep, --json\n"
		"Exit code: 0 a highest rate was found, 1 even the lowest rate misses the "
		"target, 2 wrong usage, 3 the environment, 4 unknown, 130 interrupted.",
};

int cmd_capacity(int argc, char **argv)
{
	char *words[WORDS_MAX], *made[WORDS_MAX];
	size_t n = 0, n_made = 0;
	int rc;

	words[n++] = "capacity";
	words[n++] = "capacity"; /* found wherever drtest's scenarios are */
	for (int i = 1; i < argc; i++) {
		const char *name = argv[i], *value = NULL;
		const struct option_def *o;
		char word[64];
		size_t len;

		if (!strcmp(name, "--help") || !strcmp(name, "-h")) {
			options_help(&command, stdout);
			rc = 0;
			goto out;
		}
		if (strncmp(name, "--", 2) != 0 || n + 3 > WORDS_MAX) {
			rc = options_wrong(&command, "unexpected argument '%.80s'", name);
			goto out;
		}
		len = strcspn(name + 2, "=");
		snprintf(word, sizeof(word), "%.*s", (int)len, name + 2);
		o = option_find(own, word);
		if (!o && !run_has_option(word)) {
			rc = options_wrong(&command, "there is no option --%s", word);
			goto out;
		}
		if (!o) { /* drtest run's, with its value where that stands apart */
			words[n++] = argv[i];
			if (!name[2 + len] && i + 1 < argc && strncmp(argv[i + 1], "--", 2) != 0)
				words[n++] = argv[++i];
			continue;
		}
		o = option_of_now(&command, o);
		value = name[2 + len] ? name + 3 + len : i + 1 < argc ? argv[++i] : NULL;
		if (!value) {
			rc = options_wrong(&command, "--%s needs a value", o->name);
			goto out;
		}
		words[n++] = "--set";
		words[n] = made[n_made++] = xstrfmt("%s=%s", o->name, value);
		for (char *p = words[n]; *p != '='; p++)
			if (*p == '-')
				*p = '_';
		n++;
	}
	words[n] = NULL;
	rc = cmd_run((int)n, words);
out:
	while (n_made)
		free(made[--n_made]);
	return rc;
}

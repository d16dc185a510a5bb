#include "cli/commands.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cmd_run.h"
#include "harness/base/xalloc.h"
#include "harness/run/run.h"

#define WORDS_MAX 128

static const char help[] =
	"usage: drtest capacity [--target 'p99<50ms,lag<5s'] [options]\n"
	"Searches the highest rate that two clusters with a changefeed take: doubles it until a target breaks, then halves the distance. Each rate is held\n"
	"long enough to be believed; one that breaks is tried twice. Reports the knee and the curve: rate against p50, p99, lag, and what would be lost\n"
	"if the primary died now.\n"
	"  --target LIST      p50, p95, p99, p999, max (latency from the due time), lag (of the changefeed), rpo, each below a time\n"
	"  --from N --to N    transactions per second: where the search begins, what it does not go beyond\n"
	"  --precision PCT    how near the knee is to be found (10)\n"
	"  --hold TIME        how long a rate is held at least (8s)\n"
	"  --workers N --load NAME --tables N --table-size N --rand-type T\n"
	"  and those of `drtest run`: --on, --store, --seed, --out, --timeout, --plan, --keep, --json\n"
	"Exit code: 0 a knee was found, 1 not even the lowest rate holds, 2 wrong usage, 3 the environment, 4 unknown, 130 interrupted.\n";

int cmd_capacity(int argc, char **argv)
{
	static const char *const own[] = { "target",  "from", "to",     "precision",  "hold",
					   "workers", "load", "tables", "table-size", "rand-type" };
	char *words[WORDS_MAX], *made[WORDS_MAX];
	size_t n = 0, n_made = 0;
	int rc;

	words[n++] = "run";
	words[n++] = "capacity"; /* found wherever drtest's scenarios are */
	for (int i = 1; i < argc; i++) {
		const char *name = argv[i], *value = NULL;
		size_t len, k;

		if (!strcmp(name, "--help") || !strcmp(name, "-h")) {
			fputs(help, stdout);
			rc = 0;
			goto out;
		}
		if (strncmp(name, "--", 2) != 0 || n + 3 > WORDS_MAX) {
			fprintf(stderr,
				"drtest capacity: '%.80s' is no option (drtest capacity --help)\n",
				name);
			rc = EXIT_USAGE;
			goto out;
		}
		len = strcspn(name + 2, "=");
		for (k = 0; k < sizeof(own) / sizeof(*own); k++)
			if (strlen(own[k]) == len && !strncmp(name + 2, own[k], len))
				break;
		/* drtest run's, with its value where that stands apart */
		if (k == sizeof(own) / sizeof(*own)) {
			words[n++] = argv[i];
			if (!name[2 + len] && i + 1 < argc && strncmp(argv[i + 1], "--", 2) != 0)
				words[n++] = argv[++i];
			continue;
		}
		value = name[2 + len] ? name + 3 + len : i + 1 < argc ? argv[++i] : NULL;
		if (!value) {
			fprintf(stderr, "drtest capacity: --%s wants a value\n", own[k]);
			rc = EXIT_USAGE;
			goto out;
		}
		words[n++] = "--set";
		words[n] = made[n_made++] = xstrfmt("%s=%s", own[k], value);
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

#include "cli/options.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "harness/base/nearest.h"
#include "suites/scenario_find.h"

#define OPTIONS_MAX 64

static void tell(char *const *argv, const struct option *longs)
{
	const char *names[OPTIONS_MAX], *meant, *arg = argv[optind - 1];
	size_t n = 0;
	char word[64];

	for (const struct option *o = longs; o->name; o++) {
		if (optopt && optopt == o->val) {
			fprintf(stderr,
				o->has_arg == required_argument
					? "drtest %s: --%s wants a value (drtest %s --help)\n"
					: "drtest %s: --%s takes no value (drtest %s --help)\n",
				argv[0], o->name, argv[0]);
			return;
		}
		if (n < OPTIONS_MAX)
			names[n++] = o->name;
	}
	if (optopt) {
		fprintf(stderr, "drtest %s: there is no option -%c (drtest %s --help)\n", argv[0],
			optopt, argv[0]);
		return;
	}
	snprintf(word, sizeof(word), "%.*s", (int)strcspn(arg, "="), arg);
	meant = nearest(word + strspn(word, "-"), names, n);
	if (meant)
		fprintf(stderr,
			"drtest %s: there is no option %s: did you mean --%s? (drtest %s --help)\n",
			argv[0], word, meant, argv[0]);
	else
		fprintf(stderr, "drtest %s: there is no option %s (drtest %s --help)\n", argv[0],
			word, argv[0]);
}

int options_next(int argc, char **argv, const char *shorts, const struct option *longs, int *at)
{
	int c;

	opterr = 0;
	optopt = 0;
	c = getopt_long(argc, argv, shorts, longs, at);
	if (c == '?')
		tell(argv, longs);
	return c;
}

const char *options_scenario(const char *command, const char *name)
{
	const char *file = scenario_find(name), *meant;
	int cause;

	if (access(file, R_OK) == 0)
		return file;
	cause = errno;
	meant = cause == ENOENT ? scenario_nearest(name) : NULL;
	if (meant)
		fprintf(stderr,
			"drtest %s: there is no scenario '%s': did you mean '%s'? (drtest list)\n",
			command, name, meant);
	else
		fprintf(stderr,
			"drtest %s: scenario %s: %s (drtest list names those that are there)\n",
			command, name, strerror(cause));
	return NULL;
}

int options_only_help(int argc, char **argv, const char *help, int max_args)
{
	for (int i = 1; i < argc; i++)
		if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
			fputs(help, stdout);
			return 1;
		}
	for (int i = 1; i < argc; i++)
		if (argv[i][0] == '-') {
			static const struct option none[] = { { "help", no_argument, NULL, 'h' },
							      { 0 } };

			optind = 0;
			options_next(argc, argv, "h", none, NULL);
			return 2;
		} else if (i > max_args) {
			fprintf(stderr, "drtest %s: '%s' is not understood (drtest %s --help)\n",
				argv[0], argv[i], argv[0]);
			return 2;
		}
	return 0;
}

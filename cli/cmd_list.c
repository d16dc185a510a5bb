#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cmd_run.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "harness/base/xalloc.h"
#include "harness/os/fs.h"
#include "harness/run/run.h"
#include "harness/run/runtime_impl.h"
#include "harness/run/scenario.h"
#include "suites/scenario_find.h"
#include "suites/suite_file.h"

#define OPTION_COLUMNS 34 /* "    --set table_size=10000        " */

struct listing {
	const char *dir;
	int shown, broken;
};

static int list_one(void *arg, const char *name, struct err *e)
{
	struct listing *l = arg;
	size_t n = strlen(name);
	struct runtime r = { .plan = true, .ground = &ground_local };
	struct scenario s;
	struct err why = ERR_INIT, none = ERR_INIT;
	struct suite suite;
	char *path;

	(void)e;
	if (n < 5 || strcmp(name + n - 4, ".lua") != 0)
		return 0;
	path = xstrfmt("%s/%s", l->dir, name);
	pthread_mutex_init(&r.lock, NULL);
	if (suite_read(&suite, path, &none) == 0) {
		printf("%s\n", path);
		options_beside(suite.sentence, 0, 2);
		printf("  a suite of %zu runs: drtest suite %s\n", suite.runs_n, path);
		suite_release(&suite);
		free(path);
		return 0;
	}
	suite_release(&suite);
	if (scenario_open(&s, path, &r, scenario_modules, &why) < 0) {
		printf("%s\n  broken: %s\n", path, why.text);
		l->broken++;
	} else {
		printf("%s\n", path);
		options_beside(*s.sentence ? s.sentence
					   : "(no description: add a comment as the first line)",
			       0, 2);
		for (size_t i = 0; i < s.n_options; i++) {
			const char *quote = strpbrk(s.option[i].value, " <>|&;$()*?\"") ? "'" : "";

			options_beside(s.option[i].help,
				       printf("    --set %s%s=%s%s ", quote, s.option[i].name,
					      s.option[i].value, quote),
				       OPTION_COLUMNS);
		}
		l->shown++;
	}
	scenario_close(&s);
	pthread_mutex_destroy(&r.lock);
	free(path);
	return 0;
}

int cmd_list(int argc, char **argv)
{
	static const struct option_def none[] = { { 0 } };
	static const struct command_def command = {
		.name = "list",
		.usage = "drtest list [DIR]",
		.about = "Lists the scenarios in a directory (scenarios) with their "
			 "descriptions, options and defaults.",
		.options = none,
		.operand = "one folder",
		.example = "scenarios",
		.operands_max = 1,
	};
	struct listing l = { .dir = scenario_folder() };
	struct err e = ERR_INIT;
	int rc = options_parse(&command, argc, argv, NULL);

	if (rc)
		return rc == 1 ? EXIT_PASS : EXIT_USAGE;
	if (optind < argc)
		l.dir = argv[optind];
	if (!l.dir || !fs_exists(l.dir)) {
		fprintf(stderr, "drtest list: %s: %s (drtest list DIR)\n",
			l.dir ? l.dir : "scenarios", strerror(ENOENT));
		return EXIT_USAGE;
	}
	if (fs_list(l.dir, list_one, &l, &e) < 0) {
		fprintf(stderr, "drtest list: %s\n", e.text);
		return EXIT_ENV;
	}
	if (!l.shown && !l.broken)
		printf("no scenario in %s\n", l.dir);
	return l.broken ? EXIT_USAGE : EXIT_PASS;
}

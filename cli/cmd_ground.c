#include "cli/commands.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cmd_run.h"
#include "cli/options.h"
#include "harness/base/xalloc.h"
#include "harness/cluster/playground.h"
#include "harness/cluster/undo.h"
#include "harness/os/fs.h"
#include "harness/run/data_dir.h"
#include "harness/run/run.h"
#include "harness/run/runtime_impl.h"
#include "harness/run/scenario.h"
#include "suites/scenario_find.h"
#include "suites/suite_file.h"

/* 0: go on; 1: help was printed; 2: wrong. */
static int only_help(int argc, char **argv, const char *help, int max_args)
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

struct listing {
	const char *dir;
	int shown, broken;
};

static int list_one(void *arg, const char *name, struct err *e)
{
	struct listing *l = arg;
	size_t n = strlen(name);
	struct runtime r = { .plan = true, .ground = "local" };
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
		printf("%s\n  %s\n  a suite of %zu runs: drtest suite %s\n", path, suite.sentence,
		       suite.runs_n, path);
		suite_release(&suite);
		free(path);
		return 0;
	}
	suite_release(&suite);
	if (scenario_open(&s, path, &r, scenario_modules, &why) < 0) {
		printf("%s\n  broken: %s\n", path, why.text);
		l->broken++;
	} else {
		printf("%s\n  %s\n", path,
		       *s.sentence ? s.sentence
				   : "(it says nothing of itself: a first comment line would)");
		for (size_t i = 0; i < s.n_options; i++)
			printf("    --set %s=%-*s %s\n", s.option[i].name,
			       (int)(22 - strlen(s.option[i].name)), s.option[i].value,
			       s.option[i].help);
		l->shown++;
	}
	scenario_close(&s);
	pthread_mutex_destroy(&r.lock);
	free(path);
	return 0;
}

int cmd_list(int argc, char **argv)
{
	static const char help[] =
		"usage: drtest list [DIR]\nThe scenarios of a folder (scenarios): what each does, its options with their defaults.\n";
	struct listing l = { .dir = scenario_folder() };
	struct err e = ERR_INIT;
	int rc = only_help(argc, argv, help, 1);

	if (rc)
		return rc == 1 ? 0 : EXIT_USAGE;
	if (argc > 1)
		l.dir = argv[1];
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

static void removed(void *arg, const char *what)
{
	(void)arg;
	printf("removed %s\n", what);
}

static void would_remove(void *arg, const char *what)
{
	(void)arg;
	printf("would remove %s\n", what);
}

static void told(void *arg, const char *what)
{
	(void)arg;
	puts(what);
}

int cmd_clean(int argc, char **argv)
{
	static const char help[] =
		"usage: drtest clean [--undo | --dry-run]\nEnds servers and removes data and locks that earlier runs left (--keep, a power "
		"cut), and puts back what a run "
		"that\nwas killed had changed on clusters that are not its own: garbage collection is on again, TiCDC's user\n"
		"is dropped, its changefeed paused. --undo: only that.\n"
		"--dry-run: says what would be removed. Only what this user's drtest made is touched; what merely is called so is named.\n"
		"Runs' folders stay; so does whatever a living run needs.\n";
	struct err e = ERR_INIT;
	bool undo = argc == 2 && !strcmp(argv[1], "--undo"),
	     dry_run = argc == 2 && !strcmp(argv[1], "--dry-run");
	int rc = undo || dry_run ? 0 : only_help(argc, argv, help, 0), n = 0;

	if (rc)
		return rc == 1 ? 0 : EXIT_USAGE;
	if (!undo && (n = data_dir_clean(dry_run, told, NULL, &e)) < 0) {
		fprintf(stderr, "drtest clean: %s\n", e.text);
		return EXIT_ENV;
	}
	if (!undo)
		n += playground_clean("/var/tmp", dry_run, dry_run ? would_remove : removed, NULL);
	n += dry_run ? 0 : undo_work_off(told, NULL);
	if (!n && !dry_run)
		puts("nothing was left behind");
	return EXIT_PASS;
}

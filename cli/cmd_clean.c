#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/options.h"
#include "harness/cluster/ground.h"
#include "harness/cluster/undo.h"
#include "harness/run/data_dir.h"
#include "harness/run/run.h"

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
	int rc = undo || dry_run ? 0 : options_only_help(argc, argv, help, 0), n = 0;

	if (rc)
		return rc == 1 ? 0 : EXIT_USAGE;
	if (!undo && (n = data_dir_clean(dry_run, told, NULL, &e)) < 0) {
		fprintf(stderr, "drtest clean: %s\n", e.text);
		return EXIT_ENV;
	}
	if (!undo)
		for (const struct ground *const *g = grounds(); *g; g++)
			if ((*g)->clean)
				n += (*g)->clean("/var/tmp", dry_run,
						 dry_run ? would_remove : removed, NULL);
	n += dry_run ? 0 : undo_work_off(told, NULL);
	if (!n && !dry_run)
		puts("nothing was left behind");
	return EXIT_PASS;
}

#include <stddef.h>
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

static void print_line(void *arg, const char *what)
{
	(void)arg;
	puts(what);
}

struct request {
	bool undo, dry_run;
};
static const struct option_def options[] = {
	{ "undo", OPTION_FLAG, NULL, "only puts back what was changed on clusters",
	  .at = offsetof(struct request, undo) },
	{ "dry-run", OPTION_FLAG, NULL, "says what would be removed, and does nothing",
	  .at = offsetof(struct request, dry_run) },
	{ 0 },
};
static const struct command_def command = {
	.name = "clean",
	.usage = "drtest clean [--undo | --dry-run]",
	.about =
		"Ends servers and removes data and locks that earlier runs left (--keep, a power "
		"cut), and puts back what a run that was killed had changed on clusters that are not "
		"its own: garbage collection is on again, TiCDC's user is dropped, its changefeed "
		"paused.",
	.options = options,
	.more = "Only what this user's drtest made is touched; what merely bears such a name is "
		"listed. The folders of runs stay; so does whatever a living run needs.",
};

int cmd_clean(int argc, char **argv)
{
	struct request q = { 0 };
	struct err e = ERR_INIT;
	int rc = options_parse(&command, argc, argv, &q), n = 0;

	if (rc)
		return rc == 1 ? EXIT_PASS : EXIT_USAGE;
	if (q.undo && q.dry_run)
		return options_wrong(&command, "--undo and --dry-run: one of them");
	if (!q.undo && (n = data_dir_clean(q.dry_run, print_line, NULL, &e)) < 0) {
		fprintf(stderr, "drtest clean: %s\n", e.text);
		return EXIT_ENV;
	}
	if (!q.undo)
		for (const struct ground *const *g = grounds(); *g; g++)
			if ((*g)->clean)
				n += (*g)->clean("/var/tmp", q.dry_run,
						 q.dry_run ? would_remove : removed, NULL);
	n += q.dry_run ? 0 : undo_work_off(print_line, NULL);
	if (!n && !q.dry_run)
		puts("nothing was left behind");
	return EXIT_PASS;
}

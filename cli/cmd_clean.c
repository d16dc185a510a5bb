#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/options.h"
#include "harness/base/secret.h"
#include "harness/cluster/attach/attach.h"
#include "harness/cluster/ground.h"
#include "harness/cluster/undo.h"
#include "harness/run/data_dir.h"
#include "harness/run/run.h"

static void print(const char *before, const char *what)
{
	struct strbuf clean = STRBUF_INIT;

	secret_line(&clean, what);
	printf("%s%s\n", before, clean.buf);
	strbuf_release(&clean);
}

static void print_removed(void *arg, const char *what)
{
	(void)arg;
	print("removed ", what);
}

static void would_remove(void *arg, const char *what)
{
	(void)arg;
	print("would remove ", what);
}

static void print_line(void *arg, const char *what)
{
	(void)arg;
	print("", what);
}

struct request {
	const char *clusters;
	bool undo, dry_run;
};
static const struct option_def options[] = {
	{ "undo", OPTION_FLAG, NULL, "only undo what runs changed on clusters",
	  .at = offsetof(struct request, undo) },
	{ "dry-run", OPTION_FLAG, NULL, "print what would be removed, and do nothing",
	  .at = offsetof(struct request, dry_run) },
	{ "clusters", OPTION_TEXT, "FILE",
	  "remove what runs left on these clusters and in their store: paused changefeeds (with "
	  "their redo logs), tables of loads, restored databases, drtest_feed, the runs' "
	  "objects; each run's report lists them",
	  .at = offsetof(struct request, clusters) },
	{ 0 },
};
static const struct command_def command = {
	.name = "clean",
	.usage = "drtest clean [--undo | --dry-run]\ndrtest clean --clusters FILE [--dry-run]",
	.about = "Stops servers and removes data and locks that earlier runs left (--keep, a "
		 "power failure), and undoes what a killed run had changed on your clusters: "
		 "enables garbage collection, drops TiCDC's user, pauses its changefeed.",
	.options = options,
	.more = "Removes only what this user's drtest created, and lists other objects with such "
		"names. Keeps the run directories and everything that a current run needs.",
};

static int clean_clusters(const char *file, bool dry_run)
{
	struct err e = ERR_INIT;
	int n, failed;

	if (attach_use(file, &e) < 0 || (!dry_run && attach_use_secrets(&e) < 0)) {
		fprintf(stderr, "drtest clean: %s\n", e.text);
		return EXIT_USAGE;
	}
	n = dry_run ? 0 : undo_work_off(print_line, NULL);
	n += undo_remove_left(file, dry_run, print_line, NULL, &failed);
	if (!n && !failed)
		puts("nothing to remove: no ended run left anything there");
	return failed ? EXIT_ENV : EXIT_PASS;
}

static int clean_here(bool undo, bool dry_run)
{
	struct err e = ERR_INIT;
	int n = 0;

	if (!undo && (n = data_dir_clean(dry_run, print_line, NULL, &e)) < 0) {
		fprintf(stderr, "drtest clean: %s\n", e.text);
		return EXIT_ENV;
	}
	if (!undo)
		for (const struct ground *const *g = grounds(); *g; g++)
			if ((*g)->clean)
				n += (*g)->clean("/var/tmp", dry_run,
						 dry_run ? would_remove : print_removed, NULL);
	n += dry_run ? 0 : undo_work_off(print_line, NULL);
	if (!n && !dry_run)
		puts("nothing to remove");
	return EXIT_PASS;
}

int cmd_clean(int argc, char **argv)
{
	struct request q = { 0 };
	int rc = options_parse(&command, argc, argv, &q);

	if (rc)
		return rc == 1 ? EXIT_PASS : EXIT_USAGE;
	if (q.undo && (q.dry_run || q.clusters))
		return options_wrong(&command, "--undo cannot be combined with other options");
	return q.clusters ? clean_clusters(q.clusters, q.dry_run) : clean_here(q.undo, q.dry_run);
}

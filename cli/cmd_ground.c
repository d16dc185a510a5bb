#include "cli/commands.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cmd_run.h"
#include "cli/options.h"
#include "cli/version.h"
#include "harness/base/secret.h"
#include "harness/base/xalloc.h"
#include "harness/cluster/attach.h"
#include "harness/cluster/playground.h"
#include "harness/cluster/undo.h"
#include "harness/net/minio.h"
#include "harness/os/fs.h"
#include "harness/os/proc.h"
#include "harness/run/data_dir.h"
#include "harness/run/preflight.h"
#include "harness/run/run.h"
#include "harness/run/runtime_impl.h"
#include "harness/run/scenario.h"
#include "suites/scenario_find.h"
#include "suites/suite_file.h"

#define VERSION_MS 5000

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

static void missing(void *arg, const char *what, const char *way_out)
{
	(void)arg;
	printf("  missing  %s\n           way out: %s\n", what, way_out);
}

static void show_tool(const char *what, char *path)
{
	struct strbuf out = STRBUF_INIT;
	struct err e = ERR_INIT;

	if (path) {
		char *argv[] = { path, (char *)"--version", NULL };

		if (proc_run(argv, NULL, &out, 4096, deadline_in_ms(VERSION_MS), &e) < 0)
			strbuf_addstr(&out, e.text);
		out.buf[strcspn(out.buf, "\n")] = '\0';
		printf("  ok       %-9s %s  (%s)\n", what, path, out.buf);
	}
	strbuf_release(&out);
	free(path);
}

/* What `--on playground` would take from tiup's cache, and what it would download. */
static int doctor_playground(void)
{
	static const char *const components[] = { "playground", "pd", "tikv", "tidb", "cdc", "br" };
	char *tiup = proc_which("tiup"), *cached[6];
	bool all = true;
	int n;

	if (!tiup) {
		printf("ground playground (TiDB)\n  absent   tiup      not on PATH: https://tiup.io; the local ground needs none of it\n");
		return 0;
	}
	printf("ground playground (TiDB), the default here: tiup is on PATH\n");
	show_tool("tiup", tiup);
	for (size_t i = 0; i < sizeof(components) / sizeof(components[0]); i++) {
		cached[i] = playground_cached(components[i]);
		all = all && cached[i];
	}
	for (size_t i = 0; i < sizeof(components) / sizeof(components[0]); i++) {
		if (!cached[i])
			printf("  note     %-10s is not cached: the first run downloads it%s\n",
			       components[i],
			       !strcmp(components[i], "br") ? " (only for --set backup=br)" : "");
		else if (i > 0 && i != 3 && cached[3] && strcmp(cached[i], cached[3]) != 0)
			printf("  note     %-10s %s is cached, tidb is %s: that version of it would be downloaded\n",
			       components[i], cached[i], cached[3]);
		else
			printf("  ok       %-10s %s cached\n", components[i], cached[i]);
	}
	n = ground_preflight("playground", missing, NULL);
	if (*ground_remark("playground"))
		printf("  note     %s\n", ground_remark("playground"));
	for (size_t i = 0; i < sizeof(components) / sizeof(components[0]); i++)
		free(cached[i]);
	return n;
}

static void say_of_cluster(void *arg, const char *cluster, const char *what, const char *text)
{
	struct strbuf clean = STRBUF_INIT;

	(void)arg;
	secret_redact(&clean, text);
	printf("  %-10s %-11s %s\n", *cluster ? cluster : "-", what, clean.buf);
	strbuf_release(&clean);
}

static void clusters_missing(void *arg, const char *what, const char *way_out)
{
	struct strbuf clean = STRBUF_INIT;

	(void)arg;
	secret_redact(&clean, what);
	missing(NULL, clean.buf, way_out);
	strbuf_release(&clean);
}

/* Each cluster of a clusters file, as far as it can be seen without changing anything. */
static int doctor_attach(const char *file)
{
	struct err e = ERR_INIT;
	int n;

	if (attach_use(file, &e) < 0) {
		fprintf(stderr, "drtest doctor: %s\n", e.text);
		return EXIT_USAGE;
	}
	printf("drtest %s\nground attach, %s\n", drtest_version, file);
	n = ground_preflight("attach", clusters_missing, NULL) +
	    attach_doctor(say_of_cluster, clusters_missing, NULL);
	printf(n ? "%d in the way\n" : "nothing is in the way\n", n);
	return n ? EXIT_ENV : EXIT_PASS;
}

int cmd_doctor(int argc, char **argv)
{
	static const char help[] =
		"usage: drtest doctor [--on attach --clusters FILE]\nWhat is here, what is missing, and how to get it. With a "
		"clusters file: what can be "
		"seen of each of its\nclusters (addresses, ids, rights, TiCDC and its changefeeds, tables that TiCDC leaves out); "
		"nothing is changed.\n"
		"Exit code 0: a drill can run; 3: something is missing.\n";
	const char *ground = NULL, *clusters = NULL;
	int n;

	for (int i = 1; i < argc; i++) {
		const char **to = !strcmp(argv[i], "--on")         ? &ground
				  : !strcmp(argv[i], "--clusters") ? &clusters
								   : NULL;

		if (!to)
			return only_help(argc - i + 1, argv + i - 1, help, 0) == 1 ? 0 : EXIT_USAGE;
		if (++i == argc) {
			fprintf(stderr, "drtest doctor: %s wants a value (drtest doctor --help)\n",
				argv[i - 1]);
			return EXIT_USAGE;
		}
		*to = argv[i];
	}
	if (ground && strcmp(ground, "attach") != 0 && !ground_known(ground)) {
		fprintf(stderr,
			"drtest doctor: there is no ground '%s' (local, playground, attach)\n",
			ground);
		return EXIT_USAGE;
	}
	if ((ground && !strcmp(ground, "attach")) != (clusters != NULL)) {
		fprintf(stderr, "drtest doctor: --on attach and --clusters FILE go together\n");
		return EXIT_USAGE;
	}
	if (clusters)
		return doctor_attach(clusters);
	printf("drtest %s\nground local, store s3\n", drtest_version);
	show_tool("mariadbd", proc_which("mariadbd"));
	show_tool("minio", minio_find(NULL));
	if (fs_free_bytes("/var/tmp") >= 0)
		printf("  ok       /var/tmp  %.1f GiB free, for servers' data\n",
		       (double)fs_free_bytes("/var/tmp") / (1 << 30));
	if (!port_is_free(6060))
		printf("  note     port 6060 is taken: the store will listen on a free one\n");
	n = preflight("local", RUN_STORE_S3, "runs", missing, NULL);
	n += doctor_playground();
	printf(n ? "%d missing\n" : "a drill can run: drtest run scenarios/failover.lua\n", n);
	return n ? EXIT_ENV : EXIT_PASS;
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

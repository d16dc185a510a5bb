#include "cli/commands.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/options.h"
#include "cli/version.h"
#include "harness/base/secret.h"
#include "harness/base/xalloc.h"
#include "harness/cluster/attach.h"
#include "harness/cluster/grants.h"
#include "harness/cluster/playground.h"
#include "harness/net/minio.h"
#include "harness/os/fs.h"
#include "harness/os/proc.h"
#include "harness/run/preflight.h"
#include "harness/run/run.h"

#define VERSION_MS 5000

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

struct options {
	const char *ground, *clusters, *role, *kind, *user, *host;
	bool grants;
};

/* The SQL that makes the accounts, to be read, or piped into a client. */
static int print_grants(const struct options *o)
{
	static const struct {
		const char *name;
		enum sql_flavor kind;
	} kinds[] = { { "tidb", SQL_TIDB }, { "mariadb", SQL_MARIADB }, { "mysql", SQL_MYSQL } };
	struct strbuf out = STRBUF_INIT;
	size_t k = 0;

	while (o->kind && k < 3 && strcmp(kinds[k].name, o->kind) != 0)
		k++;
	if (k == 3 || (o->role && !grants_role_known(o->role))) {
		fprintf(stderr, "drtest doctor: '%s' is no %s (%s)\n", k == 3 ? o->kind : o->role,
			k == 3 ? "kind of server" : "role",
			k == 3 ? "tidb, mariadb, mysql" : "compare, watch, rehearse, drill");
		return EXIT_USAGE;
	}
	grants_text(o->role, kinds[k].kind, o->user, o->host ? o->host : "%", &out);
	fputs(out.buf, stdout);
	strbuf_release(&out);
	return EXIT_PASS;
}

static int doctor_here(void)
{
	int n;

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

static const char help_text[] =
	"usage: drtest doctor\n"
	"       drtest doctor --clusters FILE\n"
	"       drtest doctor --grants [--role compare|watch|rehearse|drill] [--kind tidb|mariadb|mysql]\n"
	"What is here, what is missing, and how to get it.\n"
	"  --clusters FILE  what can be seen of each cluster of the file (addresses, ids, rights, TiCDC and its changefeeds, tables\n"
	"                   that TiCDC leaves out); nothing is changed. --on attach may stand before it\n"
	"  --grants         the accounts that drtest needs, with the least rights, as SQL\n"
	"  --role ROLE      for that alone   --kind KIND  of the servers (tidb)\n"
	"  --user NAME      the account's name (drtest_ROLE)   --host HOST  from where it comes ('%')\n"
	"Exit code 0: a drill can run; 3: something is missing.\n";

int cmd_doctor(int argc, char **argv)
{
	static const struct option longs[] = { { "on", required_argument, NULL, 'o' },
					       { "clusters", required_argument, NULL, 'c' },
					       { "grants", no_argument, NULL, 'g' },
					       { "role", required_argument, NULL, 'r' },
					       { "kind", required_argument, NULL, 'k' },
					       { "user", required_argument, NULL, 'u' },
					       { "host", required_argument, NULL, 'H' },
					       { "help", no_argument, NULL, 'h' },
					       { 0 } };
	struct options o = { 0 };
	const char *wrong = NULL;
	int c;

	optind = 0;
	while ((c = options_next(argc, argv, "+h", longs, NULL)) != -1)
		switch (c) {
		case 'o': o.ground = optarg; break;
		case 'c': o.clusters = optarg; break;
		case 'g': o.grants = true; break;
		case 'r': o.role = optarg; break;
		case 'k': o.kind = optarg; break;
		case 'u': o.user = optarg; break;
		case 'H': o.host = optarg; break;
		case 'h': fputs(help_text, stdout); return EXIT_PASS;
		default: return EXIT_USAGE;
		}
	if (optind < argc) {
		fprintf(stderr, "drtest doctor: '%s' is not understood (drtest doctor --help)\n",
			argv[optind]);
		return EXIT_USAGE;
	}
	if (o.ground && !ground_known(o.ground)) {
		fprintf(stderr,
			"drtest doctor: there is no ground '%s' (local, playground, attach)\n",
			o.ground);
		return EXIT_USAGE;
	}
	if (!o.grants && (o.role || o.kind || o.user || o.host))
		wrong = "--role, --kind, --user and --host belong to --grants";
	else if (o.grants && (o.clusters || o.ground))
		wrong = "--grants is for no certain clusters: without --clusters and --on";
	else if (o.ground && !strcmp(o.ground, "attach") && !o.clusters)
		wrong = "--on attach needs --clusters FILE";
	else if (o.ground && strcmp(o.ground, "attach") != 0 && o.clusters)
		wrong = "--clusters FILE is for --on attach";
	if (wrong) {
		fprintf(stderr, "drtest doctor: %s\n", wrong);
		return EXIT_USAGE;
	}
	return o.grants ? print_grants(&o) : o.clusters ? doctor_attach(o.clusters) : doctor_here();
}

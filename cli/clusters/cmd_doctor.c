#include "cli/commands.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "cli/options.h"
#include "cli/version.h"
#include "harness/base/secret.h"
#include "harness/base/xalloc.h"
#include "harness/cluster/attach/attach.h"
#include "harness/cluster/grants.h"
#include "harness/cluster/ground.h"
#include "harness/net/minio.h"
#include "harness/os/fs.h"
#include "harness/os/proc.h"
#include "harness/run/preflight.h"
#include "harness/run/run.h"

static void print_missing(void *arg, const char *what, const char *way_out)
{
	struct strbuf clean = STRBUF_INIT;

	(void)arg;
	secret_line(&clean, what);
	printf("  missing    %s\n             fix: %s\n", clean.buf, way_out);
	strbuf_release(&clean);
}

static void in_the_way(void *arg, const char *what, const char *way_out)
{
	struct strbuf clean = STRBUF_INIT;

	(void)arg;
	secret_line(&clean, what);
	printf("  in the way %s\n             fix: ", clean.buf);
	strbuf_reset(&clean);
	secret_line(&clean, way_out);
	printf("%s\n", clean.buf);
	strbuf_release(&clean);
}

/* who: "ok", "note", or a cluster */
static void print_state(void *arg, const char *who, const char *what, const char *text)
{
	struct strbuf clean = STRBUF_INIT;

	(void)arg;
	secret_line(&clean, text);
	printf("  %-10s %-11s %s\n", *who ? who : "-", what, clean.buf);
	strbuf_release(&clean);
}

/* All that a run would need of the clusters of a file, asked of each endpoint. */
static int doctor_clusters(const struct ground *g, const char *file)
{
	struct err e = ERR_INIT;
	int n;

	if (g->use_file(file, &e) < 0) {
		fprintf(stderr, "drtest doctor: %s\n", e.text);
		return EXIT_USAGE;
	}
	printf("drtest %s\nground %s, %s\n  %-10s %-11s %s\n", drtest_version, g->name, file,
	       "WHERE", "WHAT", "FOUND");
	n = g->doctor ? g->doctor(print_state, in_the_way, NULL) : 0;
	printf(n ? "%d in the way\n" : "nothing is in the way\n", n);
	return n ? EXIT_ENV : EXIT_PASS;
}

struct options {
	const char *ground, *clusters, *role, *kind, *user, *host;
	bool grants, fields;
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
		fprintf(stderr, "drtest doctor: '%s' is not a %s (use %s)\n",
			k == 3 ? o->kind : o->role, k == 3 ? "kind of server" : "role",
			k == 3 ? "tidb, mariadb, mysql" : "compare, watch, rehearse, drill");
		return EXIT_USAGE;
	}
	grants_text(o->role, kinds[k].kind, o->user, o->host ? o->host : "%", &out);
	fputs(out.buf, stdout);
	strbuf_release(&out);
	return EXIT_PASS;
}

static int print_fields(void)
{
	struct strbuf out = STRBUF_INIT;

	attach_file_reference(&out);
	fputs(out.buf, stdout);
	strbuf_release(&out);
	return EXIT_PASS;
}

static int doctor_here(void)
{
	int n = 0;

	printf("drtest %s\n", drtest_version);
	for (const struct ground *const *g = grounds(); *g; g++) {
		if ((*g)->use_file)
			continue;
		printf("ground %s: %s%s\n", (*g)->name, (*g)->about,
		       *g == ground_default() ? "; the default here" : "");
		n += (*g)->doctor ? (*g)->doctor(print_state, print_missing, NULL) : 0;
	}
	printf("store: S3, by MinIO\n");
	ground_say_tool(print_state, NULL, "minio", minio_find(NULL));
	if (!port_is_free(6060))
		print_state(NULL, "note", "port 6060", "is in use: the store will use a free port");
	n += preflight_store(NULL, RUN_STORE_S3, "runs", print_missing, NULL);
	printf(n ? "%d missing\n" : "a drill can run: drtest run scenarios/failover.lua\n", n);
	return n ? EXIT_ENV : EXIT_PASS;
}

/* The first ground that takes a clusters file: --on needs not name it. */
static const struct ground *ground_of_files(void)
{
	for (const struct ground *const *g = grounds(); *g; g++)
		if ((*g)->use_file)
			return *g;
	return NULL;
}

#define AT(member) .at = offsetof(struct options, member)
static const struct option_def defs[] = {
	{ "on", OPTION_TEXT, "GROUND", "the ground to check; --clusters implies attach",
	  AT(ground) },
	{ "clusters", OPTION_TEXT, "FILE",
	  "check everything that a run needs from the clusters in the file, with a fix for each "
	  "problem: versions, privileges, TLS, clocks, GC, safe points, changefeeds and their "
	  "redo logs, tables that TiCDC does not replicate. Only reads from the clusters. If "
	  "runs may write to the store, writes a probe object there and deletes it",
	  AT(clusters) },
	{ "fields", OPTION_FLAG, NULL,
	  "print every field of a clusters file, as in docs/CLUSTERS.md", AT(fields) },
	{ "grants", OPTION_FLAG, NULL,
	  "print SQL for the accounts that drtest needs, with the least privileges", AT(grants) },
	{ "role", OPTION_TEXT, "compare|watch|rehearse|drill", "only for this role", AT(role) },
	{ "kind", OPTION_TEXT, "tidb|mariadb|mysql", "kind of the servers (tidb)", AT(kind) },
	{ "user", OPTION_TEXT, "NAME", "the account's name (drtest_ROLE)", AT(user) },
	{ "host", OPTION_TEXT, "HOST", "the host part of the account ('%')", AT(host) },
	{ 0 },
};
static const struct command_def command = {
	.name = "doctor",
	.usage =
		"drtest doctor\ndrtest doctor --clusters FILE\ndrtest doctor --fields\n"
		"drtest doctor --grants [--role compare|watch|rehearse|drill] [--kind tidb|mariadb|mysql]",
	.about = "Checks what is installed, what is missing, and how to get it.",
	.options = defs,
	.more = "Exit code: 0 a drill can run, 2 wrong usage, 3 something is missing.",
};

int cmd_doctor(int argc, char **argv)
{
	struct options o = { 0 };
	const struct ground *g;
	const char *wrong = NULL;
	struct err e = ERR_INIT;
	int rc = options_parse(&command, argc, argv, &o);

	if (rc)
		return rc == 1 ? EXIT_PASS : EXIT_USAGE;
	g = o.ground ? ground_find(o.ground, &e) : o.clusters ? ground_of_files() : NULL;
	if (o.ground && !g) {
		fprintf(stderr, "drtest doctor: %s\n", e.text);
		return EXIT_USAGE;
	}
	if (o.fields && (o.grants || o.clusters || o.ground))
		wrong = "--fields cannot be combined with other options";
	else if (!o.grants && (o.role || o.kind || o.user || o.host))
		wrong = "--role, --kind, --user and --host need --grants";
	else if (o.grants && (o.clusters || o.ground))
		wrong = "--grants cannot be combined with --clusters or --on";
	else if (g && g->use_file && !o.clusters)
		wrong = "--on attach needs --clusters FILE";
	else if (g && !g->use_file && o.clusters)
		wrong = "--clusters FILE needs --on attach";
	if (wrong)
		return options_wrong(&command, "%s", wrong);
	if (o.fields)
		return print_fields();
	return o.grants     ? print_grants(&o)
	       : o.clusters ? doctor_clusters(g, o.clusters)
			    : doctor_here();
}

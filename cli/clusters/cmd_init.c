#include "cli/commands.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <fcntl.h>

#include "cli/options.h"
#include "harness/base/secret.h"
#include "harness/base/xalloc.h"
#include "harness/cluster/attach/attach.h"
#include "harness/cluster/ground.h"
#include "harness/os/fs.h"
#include "harness/run/run.h"
#include "harness/tidb/clusters_draft.h"

#define LOOK_MS 5000
#define SOURCES_MAX TOPOLOGY_CLUSTERS_MAX

struct options {
	const char *from[SOURCES_MAX], *ticdc, *out;
	size_t n;
};

static int take_from(void *into, const char *text, struct err *e)
{
	struct options *o = into;

	if (o->n == SOURCES_MAX)
		return err_set(e, ERR_USAGE, 0, "at most %d times", SOURCES_MAX);
	o->from[o->n++] = text;
	return 0;
}

#define AT(member) .at = offsetof(struct options, member)
static const struct option_def defs[] = {
	{ "from", OPTION_TAKE, "[NAME=]SOURCE",
	  "tiup:CLUSTER (from `tiup cluster display`), kubernetes:NAMESPACE (TiDB Operator's "
	  "objects, from kubectl), or a server to query, mysql://USER@HOST:4000; once per "
	  "cluster. tiup:@FILE and kubernetes:@FILE read saved output of the tool. NAME is the "
	  "cluster's name in the file (default: primary, secondary, scratch, new-primary, in "
	  "this order)",
	  .take = take_from, .times = OPTION_OFTEN },
	{ "ticdc", OPTION_TEXT, "URL", "the primary's TiCDC, if the source does not know it",
	  AT(ticdc) },
	{ "out", OPTION_TEXT, "FILE",
	  "the file to write (clusters.lua), or '-' to print; an existing file is not overwritten",
	  AT(out) },
	{ 0 },
};
static const struct command_def command = {
	.name = "init",
	.usage = "drtest init --from [NAME=]SOURCE [--from …] [--ticdc URL] [--out FILE]",
	.about = "Writes a first clusters file (docs/CLUSTERS.md). It allows nothing and contains "
		 "no password; comments show what to fill in. Only reads from the clusters.",
	.options = defs,
	.more = "Exit code: 0 written, 2 wrong usage, or the file exists, 3 a source did not "
		"respond.",
};

/* "secondary=tiup:b": the length of the name; 0: there is none */
static size_t name_in(const char *source)
{
	size_t n =
		strspn(source, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_");

	return n && n <= 40 && source[n] == '=' ? n : 0;
}

static int add_source(struct clusters_draft *d, const char *source, struct err *e)
{
	struct topology *t = xcalloc(TOPOLOGY_CLUSTERS_MAX, sizeof(*t));
	size_t found = 0, n = name_in(source);
	struct sql_endpoint ep;
	char name[48] = "";
	int rc;

	snprintf(name, sizeof(name), "%.*s", (int)n, source);
	rc = topology_ask(source + (n ? n + 1 : 0), t, TOPOLOGY_CLUSTERS_MAX, &found, &ep, e);
	if (rc == 0 && n && found > 1)
		rc = err_set(e, ERR_USAGE, 0,
			     "%s has %zu clusters, so one name is not enough: remove NAME=", source,
			     found);
	for (size_t i = 0; rc == 0 && i < found; i++)
		rc = clusters_draft_add(d, n ? name : NULL, source + (n ? n + 1 : 0), &t[i], &ep,
					e);
	memset(&ep, 0, sizeof(ep));
	free(t);
	return rc;
}

/* Never over a file that is there. What was written is read again: a source may tell anything. */
static int write_new(const char *path, const struct strbuf *text, struct err *e)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600), rc;
	struct attach_file f;

	if (fd < 0 && errno == EEXIST)
		return err_set(e, ERR_USAGE, 0, "%s exists and is not overwritten: use --out FILE",
			       path);
	if (fd < 0)
		return err_sys(e, "create %s", path);
	rc = fs_write_all(fd, text->buf, text->len, e);
	if (close(fd) < 0 && rc == 0)
		rc = err_sys(e, "write %s", path);
	if (rc == 0) {
		rc = attach_file_read(&f, path, e);
		if (rc == 0)
			attach_file_release(&f);
	}
	if (rc < 0)
		unlink(path);
	return rc;
}

static int fail(const struct err *e)
{
	struct strbuf clean = STRBUF_INIT;

	secret_redact(&clean, e->text);
	fprintf(stderr, "drtest init: %s\n", clean.buf);
	strbuf_release(&clean);
	return e->kind == ERR_USAGE ? EXIT_USAGE : EXIT_ENV;
}

int cmd_init(int argc, char **argv)
{
	struct options o = { .out = "clusters.lua" };
	struct clusters_draft *d;
	struct strbuf text = STRBUF_INIT;
	struct err e = ERR_INIT;
	int rc = options_parse(&command, argc, argv, &o);

	if (rc)
		return rc == 1 ? EXIT_PASS : EXIT_USAGE;
	if (!o.n)
		return options_wrong(
			&command,
			"--from is missing: tiup:CLUSTER, kubernetes:NAMESPACE, or mysql://USER@HOST:4000");
	if (o.ticdc && strncmp(o.ticdc, "http://", 7) != 0 && strncmp(o.ticdc, "https://", 8) != 0)
		return options_wrong(&command, "--ticdc must begin with http:// or https://");
	if (strcmp(o.out, "-") != 0 && fs_exists(o.out))
		return options_wrong(&command, "%s exists and is not overwritten: use --out FILE",
				     o.out);
	d = xcalloc(1, sizeof(*d));
	for (size_t i = 0; rc == 0 && i < o.n; i++)
		rc = add_source(d, o.from[i], &e);
	for (size_t i = 0; rc == 0 && o.ticdc && i < d->n; i++)
		if (!strcmp(d->c[i].role, "primary") && d->c[i].t.mysql)
			rc = err_set(&e, ERR_USAGE, 0,
				     "--ticdc: primary is MySQL or MariaDB, which has no TiCDC: "
				     "leave it out");
		else if (!strcmp(d->c[i].role, "primary"))
			snprintf(d->c[i].t.ticdc, sizeof(d->c[i].t.ticdc), "%s", o.ticdc);
	if (rc == 0) {
		clusters_draft_look(d, LOOK_MS);
		clusters_draft_text(d, o.out, &text);
		if (!strcmp(o.out, "-"))
			fputs(text.buf, stdout);
		else
			rc = write_new(o.out, &text, &e);
	}
	if (rc == 0 && strcmp(o.out, "-") != 0) {
		printf("%s: ", o.out);
		for (size_t i = 0; i < d->n; i++)
			printf("%s%s", i ? ", " : "", d->c[i].role);
		printf("\n"
		       "next: follow the comments in the file, then run drtest doctor --clusters "
		       "%s\n",
		       o.out);
	}
	free(d);
	strbuf_release(&text);
	return rc < 0 ? fail(&e) : EXIT_PASS;
}

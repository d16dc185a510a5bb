#include "harness/binlog/point_in_time.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "harness/base/order.h"
#include "harness/base/xalloc.h"
#include "harness/os/fs.h"
#include "harness/os/proc.h"

#define LOGS_MAX 4096

int pit_needs(struct strbuf *missing)
{
	static const char *const tools[] = { "mariadb-binlog", "mariadb" };
	int rc = 0;

	for (size_t i = 0; i < sizeof(tools) / sizeof(tools[0]); i++) {
		char *path = proc_which(tools[i]);

		if (!path) {
			strbuf_addf(missing,
				    "%s%s is not installed (apt-get install mariadb-client)",
				    rc ? "; " : "", tools[i]);
			rc = -1;
		}
		free(path);
	}
	return rc;
}

struct logs {
	char *path[LOGS_MAX];
	size_t n;
};

/* binlog.000001 and so on, oldest first. */
static int logs_list(struct logs *l, const struct pit_source *source, struct err *e)
{
	DIR *d = opendir(source->data_dir);
	const struct dirent *f;
	int rc = 0;

	l->n = 0;
	if (!d)
		rc = err_sys(e, "binary logs of %s: %s", source->name, source->data_dir);
	while (d && (f = readdir(d))) {
		if (strncmp(f->d_name, "binlog.", 7) != 0 || !f->d_name[7] ||
		    f->d_name[7 + strspn(f->d_name + 7, "0123456789")])
			continue;
		if (l->n == LOGS_MAX) {
			rc = err_set(e, ERR_UNSUPPORTED, 0, "%s has more than %d binary logs",
				     source->name, LOGS_MAX);
			break;
		}
		l->path[l->n++] = xstrfmt("%s/%s", source->data_dir, f->d_name);
	}
	if (d)
		closedir(d);
	qsort(l->path, l->n, sizeof(l->path[0]), by_text);
	return rc;
}

static void logs_release(struct logs *l)
{
	while (l->n)
		free(l->path[--l->n]);
}

struct proc *pit_stream(const char *client_conf, const char *dir, const char *log_path,
			struct err *e)
{
	char *conf = xstrfmt("--defaults-file=%s", client_conf),
	     *to = xstrfmt("--result-file=%s/", dir);
	char *argv[] = { (char *)"mariadb-binlog",
			 conf,
			 (char *)"--read-from-remote-server",
			 (char *)"--raw",
			 (char *)"--stop-never",
			 to,
			 (char *)"binlog.000001",
			 NULL };
	struct proc *p = proc_start(
		&(struct proc_opts){ .name = "log backup", .argv = argv, .log_path = log_path }, e);

	free(conf);
	free(to);
	return p;
}

int pit_stream_wait(struct proc *p, const struct sql_endpoint *source, const char *dir,
		    struct deadline d, struct err *e)
{
	struct sql *s = sql_open(source, d, e);
	struct sql_rows r = { 0 };
	char *path = NULL;
	struct stat st;
	int64_t want = 0;
	int rc = -1;

	if (!s || sql_query(s, &r, e, "SHOW MASTER STATUS") < 0 || sql_rows_next(&r, e) != 1)
		goto out;
	path = xstrfmt("%s/%s", dir, r.cell[0]);
	want = strtoll(r.cell[1], NULL, 10);
	while (stat(path, &st) < 0 || st.st_size < want) {
		if (!proc_running(p)) {
			err_set(e, ERR_ENV, 0, "the log backup ended: %s", proc_how(p));
			goto out;
		}
		if (pause_ms(20, d) < 0) {
			err_set(e, clock_cancelled() ? ERR_CANCELLED : ERR_TIMEOUT, 0,
				"the log backup does not arrive");
			goto out;
		}
	}
	rc = 0;
out:
	sql_rows_release(&r);
	sql_close(s);
	free(path);
	return rc;
}

/* The events of the GTIDs in (after, last], as SQL into a file. */
static int write_events(const struct pit_source *source, bool reverse, uint64_t after,
			uint64_t last, const char *out, struct deadline d, struct err *e)
{
	char *from = xstrfmt("--start-position=0-%u-%" PRIu64, source->server_id, after),
	     *to = xstrfmt("--stop-position=0-%u-%" PRIu64, source->server_id, last),
	     *file = xstrfmt("--result-file=%s", out), **argv;
	struct logs l = { .n = 0 };
	struct strbuf said = STRBUF_INIT;
	int rc = logs_list(&l, source, e);
	size_t n = 0;

	argv = xcalloc(l.n + 8, sizeof(*argv));
	argv[n++] = (char *)"mariadb-binlog";
	argv[n++] = (char *)"--no-defaults";
	if (reverse)
		argv[n++] = (char *)"--flashback";
	argv[n++] = from;
	if (last)
		argv[n++] = to;
	argv[n++] = file;
	for (size_t i = 0; i < l.n; i++)
		argv[n++] = l.path[i];
	if (rc == 0)
		rc = proc_run(argv, NULL, &said, 4096, d, e);
	strbuf_release(&said);
	logs_release(&l);
	free(argv);
	free(from);
	free(to);
	free(file);
	return rc;
}

/* How many transactions the file holds: each begins with a comment that names its GTID, "\tGTID
 * 0-1-5 trans". */
static int count(const char *path, uint64_t *n, struct err *e)
{
	FILE *f = fopen(path, "re");
	char *line = NULL;
	size_t room = 0;

	*n = 0;
	if (!f)
		return err_sys(e, "%s", path);
	while (getline(&line, &room, f) >= 0)
		/* "#261128  5:16:25 server id 7 …", not the "#Q> …" of a statement's text */
		*n += line[0] == '#' && line[1] >= '0' && line[1] <= '9' &&
		      strstr(line, "\tGTID ") != NULL;
	free(line);
	fclose(f);
	return 0;
}

static int apply(const struct pit_target *to, struct deadline d, struct err *e)
{
	char *conf = xstrfmt("--defaults-file=%s", to->client_conf);
	char *argv[] = { (char *)"mariadb", conf, (char *)"--binary-mode", NULL };
	struct strbuf said = STRBUF_INIT;
	int rc = proc_run_from(argv, to->tmp_path, &said, 4096, d, e);

	strbuf_release(&said);
	free(conf);
	return rc;
}

/* All that the logs have, up to the last commit that has a TSO: what came after the last sample of
 * positions can be placed nowhere. The file holds it, *found says how much, *until is its last TSO.
 */
static int all_of(const struct pit_source *source, uint64_t first, const char *path, tso_t *until,
		  uint64_t *found, struct deadline d, struct err *e)
{
	uint64_t last;

	if (!tso_map_last(source->map, &last, until))
		return err_set(e, ERR_NOT_FOUND, 0, "%s has no sample of its position",
			       source->name);
	if (write_events(source, false, first, 0, path, d, e) < 0 || count(path, found, e) < 0)
		return -1;
	if (first + *found >= last) {
		*found = last - first;
		return write_events(source, false, first, last, path, d, e);
	}
	return tso_map_of_seq(source->map, first + *found, until, e) == 1 ? 0 : -1;
}

int pit_roll_forward(const struct pit_target *to, const struct pit_source *source, tso_t from,
		     tso_t *until, struct deadline d, uint64_t *transactions, struct err *e)
{
	struct err why = ERR_INIT;
	uint64_t first = 0, last = 0, found = 0;
	int rc = -1;

	if (tso_map_refresh(source->map, e) < 0 ||
	    tso_map_seq_at(source->map, from, &first, e) < 0 ||
	    (*until && tso_map_seq_at(source->map, *until, &last, e) < 0))
		goto out;
	if (*until && last < first) {
		err_set(e, ERR_USAGE, 0,
			"the point %" PRIu64 " is before the backup, %" PRIu64 ": use an older "
			"backup or a later point",
			*until, from);
		goto out;
	}
	if (!*until ? all_of(source, first, to->tmp_path, until, &found, d, &why) < 0
		    : last > first && (write_events(source, false, first, last, to->tmp_path, d,
						    &why) < 0 ||
				       count(to->tmp_path, &found, &why) < 0)) {
		/* its own words: "Binary logs are missing data for domain 0" */
		if (!strstr(why.text, "missing data")) {
			if (e)
				*e = why;
			goto out;
		}
		found = UINT64_MAX;
	}
	if (last ? found != last - first : found == UINT64_MAX) {
		err_set(e, ERR_BAD_DATA, 0,
			"the binary logs of %s do not hold all of the transactions from the "
			"backup to the point: they were purged (keep them with set_gc(false)); "
			"use a later backup, or another way back",
			source->name);
		goto out;
	}
	if (found && apply(to, d, e) < 0)
		goto out;
	if (transactions)
		*transactions = found;
	rc = 0;
out:
	fs_remove_tree(to->tmp_path, NULL);
	return rc;
}

int pit_flashback(const struct pit_target *to, const struct pit_source *source, tso_t at,
		  struct deadline d, struct err *e)
{
	const char *path = to->tmp_path;
	struct strbuf text = STRBUF_INIT;
	uint64_t seq = 0, before = 0;
	int rc = -1;

	if (tso_map_refresh(source->map, e) < 0 || tso_map_seq_at(source->map, at, &seq, e) < 0 ||
	    tso_map_seq_at(source->map, at - 1, &before, e) < 0)
		goto out;
	if (seq != before + 1) {
		err_set(e, ERR_USAGE, 0, "%s committed no transaction at %" PRIu64, source->name,
			at);
		goto out;
	}
	if (write_events(source, true, before, seq, path, d, e) < 0 ||
	    fs_read_file(path, (size_t)1 << 30, &text, e) < 0)
		goto out;
	if (!strstr(text.buf, "\nBINLOG '\n") || !strstr(text.buf, "START TRANSACTION")) {
		err_set(e, ERR_UNSUPPORTED, 0,
			"the transaction has no rows to reverse: a binary log cannot reverse a "
			"DDL (DROP, TRUNCATE)");
		goto out;
	}
	rc = apply(to, d, e);
	if (rc < 0 && (strstr(e->text, "ERROR 1062") || strstr(e->text, "ERROR 1032")))
		e->kind = ERR_CONFLICT;
out:
	fs_remove_tree(path, NULL);
	strbuf_release(&text);
	return rc;
}

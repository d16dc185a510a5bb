#include "cli/redo/redo_impl.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/base/secret.h"
#include "harness/base/clock.h"
#include "harness/base/uri.h"
#include "harness/base/xalloc.h"
#include "harness/os/fs.h"

#define PLAIN_LINE_MS 5000
#define SECRET_BYTES_MAX 16384
#define PASSWORD_ENV "DRTEST_SINK_PASSWORD"

struct shown {
	bool terminal, txn;
	int64_t phase_ns, told_ns;
	int phase;
};

/* One line: what is done, how fast, how long still. */
static void progress_line(const struct shown *p, const struct replay_stats *st, struct strbuf *out)
{
	double s = (double)(clock_mono_ns() - p->phase_ns) / 1e9, share = 0;

	if (st->phase == REPLAY_READING) {
		share = st->bytes_total ? (double)st->bytes_stored / (double)st->bytes_total : 0;
		strbuf_addf(out,
			    "reading: %" PRIu64 " of %" PRIu64 " files, %" PRIu64
			    " rows of %" PRIu64 " transactions, %.0f MB, %.0f MB/s",
			    st->files, st->files_total, st->rows, st->transactions,
			    (double)st->bytes_stored / 1e6,
			    s > 0.1 ? (double)st->bytes_stored / 1e6 / s : 0);
	} else if (p->txn) {
		share = st->transactions ? (double)(st->written_txns + st->already) /
						   (double)st->transactions
					 : 0;
		strbuf_addf(out, "writing: %" PRIu64 " of %" PRIu64 " transactions, %.0f/s",
			    st->written_txns + st->already, st->transactions,
			    s > 0.1 ? (double)st->written_txns / s : 0);
	} else {
		share = st->keys ? (double)(st->puts + st->deletes) / (double)st->keys : 0;
		strbuf_addf(out, "writing: %" PRIu64 " of %" PRIu64 " keys, %.0f/s, DDLs %" PRIu64,
			    st->puts + st->deletes, st->keys,
			    s > 0.1 ? (double)(st->puts + st->deletes) / s : 0, st->ddls);
	}
	if (share > 0.01 && share < 1 && s > 0.2)
		strbuf_addf(out, ", %.0f s left", s / share - s);
}

static void print_progress(void *arg, const struct replay_stats *st)
{
	struct shown *p = arg;
	struct strbuf line = STRBUF_INIT;
	int64_t now = clock_mono_ns();

	if (p->phase != (int)st->phase) {
		p->phase = (int)st->phase;
		p->phase_ns = now;
	}
	if (!p->terminal && now - p->told_ns < (int64_t)PLAIN_LINE_MS * 1000000)
		return;
	p->told_ns = now;
	progress_line(p, st, &line);
	fprintf(stderr, p->terminal ? "\r\033[K%s" : "%s\n", line.buf);
	fflush(stderr);
	strbuf_release(&line);
}

/* ---- what is told on the way ---- */

struct report {
	const struct redo_options *o;
	json_t *notes, *tables, *warnings;
	struct shown *shown;
};

static void take_note(void *arg, const char *line)
{
	struct report *r = arg;

	struct strbuf clean = STRBUF_INIT;

	secret_line(&clean, line);
	if (r->o->json)
		json_array_append_new(r->notes, json_string(clean.buf));
	else
		fprintf(stderr, "%s%s\n", r->shown->terminal ? "\r\033[K" : "", clean.buf);
	strbuf_release(&clean);
}

static void take_warning(void *arg, const char *line)
{
	struct report *r = arg;

	json_array_append_new(r->warnings, json_string(line));
}

static void take_table(void *arg, const struct replay_table *t)
{
	struct report *r = arg;
	char *name = xstrfmt("%s.%s", t->db, t->table);

	if (r->o->json)
		json_array_append_new(r->tables, json_pack("{s:s,s:I,s:I,s:I}", "table", name,
							   "inserts", (json_int_t)t->inserts,
							   "updates", (json_int_t)t->updates,
							   "deletes", (json_int_t)t->deletes));
	else if (r->o->dry_run)
		printf("%-40s %" PRIu64 " inserts, %" PRIu64 " updates, %" PRIu64 " deletes\n",
		       name, t->inserts, t->updates, t->deletes);
	free(name);
}

static void print_json(const struct redo_options *o, const struct replay_stats *st,
		       struct report *r)
{
	json_t *j = json_pack("{s:s,s:b,s:o,s:o,s:o}", "mode",
			      o->mode == REPLAY_TXN ? "txn" : "merge", "dry_run", (int)o->dry_run,
			      "checkpoint_ts", redo_ts_json(st->checkpoint_ts), "resolved_ts",
			      redo_ts_json(st->resolved_ts), "point", redo_ts_json(st->point));
	const struct {
		const char *name;
		uint64_t v;
	} n[] = {
		{ "files", st->files },
		{ "bytes", st->bytes },
		{ "rows", st->rows },
		{ "ddls", st->ddls },
		{ "ddls_skipped", st->ddls_skipped },
		{ "transactions", st->transactions },
		{ "already", st->already },
		{ "keys", st->keys },
		{ "puts", st->puts },
		{ "deletes", st->deletes },
		{ "batches", st->batches },
		{ "spilled_bytes", st->spilled_bytes },
		{ "left_out", st->left_out },
		{ "chain_breaks", st->chain_breaks },
		{ "fenced", st->fenced },
		{ "fence_us", (uint64_t)st->fence_us },
		{ "read_us", (uint64_t)st->read_us },
		{ "write_us", (uint64_t)st->write_us },
		{ "total_us", (uint64_t)st->total_us },
	};

	json_object_set_new(j, "first_ts", redo_ts_json(st->first_ts));
	json_object_set_new(j, "last_ts", redo_ts_json(st->last_ts));
	for (size_t i = 0; i < sizeof(n) / sizeof(n[0]); i++)
		json_object_set_new(j, n[i].name, json_integer((json_int_t)n[i].v));
	json_object_set(j, "tables", r->tables);
	json_object_set(j, "notes", r->notes);
	json_object_set(j, "warnings", r->warnings);
	json_dumpf(j, stdout, JSON_INDENT(1));
	putchar('\n');
	json_decref(j);
}

static void print_text(const struct redo_options *o, const struct replay_stats *st,
		       const struct report *r)
{
	char from[TSO_TEXT_MAX], to[TSO_TEXT_MAX];

	if (o->dry_run && st->first_ts) {
		tso_time_text(st->first_ts, from);
		tso_time_text(st->last_ts, to);
		printf("changes from %s to %s\n", from, to);
	}
	if (st->already)
		printf("%" PRIu64 " transactions were already applied, as an earlier replay "
		       "recorded (--fresh ignores that)\n",
		       st->already);
	printf("%s %" PRIu64 ": %" PRIu64 " rows of %" PRIu64 " transactions, %" PRIu64
	       " keys, %" PRIu64 " DDLs in %.2f s"
	       " (fence %.2f, read %.2f, write %.2f)\n",
	       o->dry_run ? "would bring the secondary to" : "the secondary is at", st->point,
	       st->rows, st->transactions, st->keys, st->ddls, (double)st->total_us / 1e6,
	       (double)st->fence_us / 1e6, (double)st->read_us / 1e6, (double)st->write_us / 1e6);
	for (size_t i = 0; i < json_array_size(r->warnings); i++)
		printf("WARNING: %s\n", json_string_value(json_array_get(r->warnings, i)));
	if (!o->dry_run)
		puts("Apply redo log successfully");
}

/* ---- the sink ---- */

static int first_line(const char *path, struct strbuf *out, struct err *e)
{
	if (fs_read_file(path, SECRET_BYTES_MAX, out, e) < 0)
		return -1;
	strbuf_setlen(out, strcspn(out->buf, "\r\n"));
	return 0;
}

/* A server knows offsets; names it knows only when its time zone tables are loaded. */
static const char *offset_of_utc(const char *zone)
{
	return zone && (!strcasecmp(zone, "UTC") || !strcasecmp(zone, "Etc/UTC") ||
			!strcasecmp(zone, "GMT") || !strcasecmp(zone, "Z"))
		       ? "+00:00"
		       : zone;
}

/* time-zone= and worker-count= as the stock sink's URI has them; what it has beyond is not ours to
 * obey. */
static int take_params(const char *text, struct replay_opts *ro, struct strbuf *zone, struct err *e)
{
	struct uri u;
	const char *v;
	char *end;
	int rc = -1;

	if (uri_parse(&u, text, e) < 0)
		return -1;
	if ((v = uri_param(&u, "time-zone")) && !ro->time_zone) {
		for (; *v == '"' || *v == '\''; v++) /* TiCDC takes the name in quotes too */
			;
		strbuf_add(zone, v, strcspn(v, "\"'"));
		if (zone->len && zone->buf[0] == ' ') /* '+' is a blank in a URI's parameters */
			zone->buf[0] = '+';
		if (zone->len)
			ro->time_zone = zone->buf;
	}
	if ((v = uri_param(&u, "worker-count")) && !ro->workers) {
		unsigned long n = strtoul(v, &end, 10);

		if (*v < '0' || *v > '9' || *end || n < 1 || n > 256) {
			err_set(e, ERR_USAGE, 0,
				"sink URI: worker-count must be a number from 1 to 256");
			goto out;
		}
		ro->workers = (unsigned)n;
	}
	rc = 0;
out:
	uri_release(&u);
	return rc;
}

static int take_sink(const struct redo_options *o, struct replay_opts *ro, struct strbuf *zone,
		     struct err *e)
{
	struct strbuf uri = STRBUF_INIT, password = STRBUF_INIT;
	const char *env = getenv(PASSWORD_ENV);
	int rc = -1;

	if (uri_option(o->sink, &uri, e) < 0 || sql_endpoint_from_uri(&ro->sink, uri.buf, e) < 0 ||
	    take_params(uri.buf, ro, zone, e) < 0) {
		err_wrap(e, "--sink-uri");
		goto out;
	}
	if (o->password_file) {
		if (first_line(o->password_file, &password, e) < 0)
			goto out;
	} else if (!ro->sink.password[0] && env) {
		strbuf_addstr(&password, env);
	}
	if (password.len >= sizeof(ro->sink.password)) {
		err_set(e, ERR_USAGE, 0, "the sink's password has more than %zu bytes",
			sizeof(ro->sink.password) - 1);
		goto out;
	}
	if (password.len)
		strcpy(ro->sink.password, password.buf);
	ro->time_zone = offset_of_utc(ro->time_zone);
	rc = 0;
out:
	strbuf_release(&uri);
	strbuf_release(&password);
	return rc;
}

int redo_apply(struct store *s, const struct redo_options *o)
{
	struct shown shown = { .terminal = isatty(2),
			       .txn = o->mode == REPLAY_TXN,
			       .phase_ns = clock_mono_ns(),
			       .told_ns = clock_mono_ns() };
	struct report report = { .o = o,
				 .notes = json_array(),
				 .tables = json_array(),
				 .warnings = json_array(),
				 .shown = &shown };
	struct replay_opts ro = { .mode = o->mode,
				  .tmp_dir = o->tmp_dir,
				  .memory_bytes = o->memory,
				  .workers = o->workers,
				  .downloads = o->downloads,
				  .until = o->until,
				  .time_zone = o->time_zone,
				  .dry_run = o->dry_run,
				  .force = o->force,
				  .fresh = o->fresh,
				  .allow_gap = o->allow_gap,
				  .fence_user = o->fence_user,
				  .doubt_server = !o->yes,
				  .note = take_note,
				  .warn = take_warning,
				  .table = take_table,
				  .report_arg = &report };
	struct strbuf zone = STRBUF_INIT;
	struct replay_stats st;
	struct err e = ERR_INIT;
	int rc;

	if (!o->sink && !o->dry_run)
		rc = redo_usage("--sink-uri is missing");
	else if (o->force && o->mode != REPLAY_TXN)
		rc = redo_usage(
			"--force replays tables without a key in order, which needs --mode txn");
	else if (o->sink && take_sink(o, &ro, &zone, &e) < 0)
		rc = redo_failed(&e);
	else {
		if (!o->json) {
			ro.progress = print_progress;
			ro.progress_arg = &shown;
		}
		rc = replay_run(s, &ro, &st, &e);
		if (ro.progress && shown.terminal)
			fputs("\r\033[K", stderr);
		if (rc < 0)
			rc = redo_failed(&e);
		else if (o->json)
			print_json(o, &st, &report);
		else
			print_text(o, &st, &report);
	}
	json_decref(report.notes);
	json_decref(report.tables);
	json_decref(report.warnings);
	strbuf_release(&zone);
	return rc;
}

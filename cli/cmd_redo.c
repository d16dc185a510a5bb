#include "cli/cmd_redo.h"

#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/base/secret.h"
#include "harness/os/fs.h"
#include "harness/redo/reader.h"
#include "harness/redo/replay.h"

static const char help[] =
	"usage: drtest redo meta  --storage URI\n"
	"       drtest redo apply --storage URI --sink-uri URI [--tmp-dir DIR] [--until TSO] [--memory SIZE] [--workers N]\n"
	"                         [--time-zone ZONE] [--dry-run] [--json]\n"
	"       drtest redo cat   --storage URI [--table DB.TABLE] [--from TSO] [--to TSO]\n"
	"Reads the redo log of a changefeed, TiCDC's or drtest's. apply brings the secondary exactly to the log's resolvedTs.\n"
	"  --storage URI    s3://bucket/prefix?endpoint=http://host:port&access-key=...&secret-access-key=...  or  file:///directory\n"
	"  --sink-uri URI   mysql://user:password@host:port/   (or @FILE: argv is public, a file need not be)\n"
	"  --tmp-dir DIR    where keys beyond the memory budget go ($TMPDIR, /tmp)\n"
	"  --until TSO      stop at an earlier point\n"
	"  --memory SIZE    budget for the newest state of each key (256MiB)\n"
	"  --workers N      connections to the secondary (8)\n"
	"  --time-zone Z    zone of the TIMESTAMP texts in the log: that of the server that wrote it (+00:00, as drtest writes)\n"
	"  --dry-run        read and judge the log, write nothing\n"
	"exit codes: 0 done, 2 wrong usage, 3 the log, the store or the secondary said no, 130 interrupted\n";

struct options {
	const char *storage, *sink, *tmp_dir, *time_zone, *table;
	tso_t until, from, to;
	size_t memory;
	unsigned workers;
	bool dry_run, json;
};

static int usage(const char *what)
{
	fprintf(stderr, "drtest redo: %s (drtest redo --help)\n", what);
	return 2;
}

static int failed(const struct err *e)
{
	struct strbuf text = STRBUF_INIT;

	secret_redact(&text, e->text);
	fprintf(stderr, "drtest redo: %s\n", text.buf);
	strbuf_release(&text);
	return err_exit_code(e);
}

/* "256MiB", "1GiB", "100MB", "1000000" */
static bool parse_size(const char *text, size_t *out)
{
	static const struct {
		const char *unit;
		uint64_t bytes;
	} units[] = { { "", 1 }, { "KiB", 1 << 10 }, { "MiB", 1 << 20 }, { "GiB", 1 << 30 }, { "MB", 1000000 }, { "GB", 1000000000 } };
	char *end;
	uint64_t v = strtoull(text, &end, 10), n;

	if (*text < '0' || *text > '9')
		return false;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (!strcmp(end, units[i].unit) && !__builtin_mul_overflow(v, units[i].bytes, &n) && n <= (uint64_t)1 << 40) {
			*out = (size_t)n;
			return true;
		}
	return false;
}

static int parse(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {
		{ "storage", required_argument, NULL, 's' }, { "sink-uri", required_argument, NULL, 'u' },  { "tmp-dir", required_argument, NULL, 'd' },
		{ "until", required_argument, NULL, 'U' },   { "memory", required_argument, NULL, 'm' },    { "workers", required_argument, NULL, 'w' },
		{ "time-zone", required_argument, NULL, 'z' }, { "dry-run", no_argument, NULL, 'n' },       { "json", no_argument, NULL, 'j' },
		{ "table", required_argument, NULL, 't' },   { "from", required_argument, NULL, 'f' },      { "to", required_argument, NULL, 'T' },
		{ "help", no_argument, NULL, 'h' },          { 0 },
	};
	size_t n;
	int c;

	optind = 0; /* the main program parsed before us: glibc starts over */
	opterr = 0;
	while ((c = getopt_long(argc, argv, "+h", longs, NULL)) != -1) {
		bool ok = true;

		switch (c) {
		case 's': o->storage = optarg; break;
		case 'u': o->sink = optarg; break;
		case 'd': o->tmp_dir = optarg; break;
		case 'z': o->time_zone = optarg; break;
		case 't': o->table = optarg; break;
		case 'n': o->dry_run = true; break;
		case 'j': o->json = true; break;
		case 'U': ok = tso_parse(optarg, &o->until) && o->until; break;
		case 'f': ok = tso_parse(optarg, &o->from); break;
		case 'T': ok = tso_parse(optarg, &o->to); break;
		case 'm': ok = parse_size(optarg, &o->memory) && o->memory; break;
		case 'w':
			ok = parse_size(optarg, &n) && n >= 1 && n <= 256;
			o->workers = (unsigned)n;
			break;
		case 'h':
			fputs(help, stdout);
			return 0;
		default: {
			char what[200];

			snprintf(what, sizeof(what), "'%.150s' is not an option, or lacks its value", argv[optind - 1]);
			return usage(what);
		}
		}
		if (!ok) {
			char what[200];

			snprintf(what, sizeof(what), "'%.100s' is no value for that option", optarg);
			return usage(what);
		}
	}
	if (optind < argc)
		return usage("an argument too many");
	if (!o->storage)
		return usage("--storage is missing");
	return -1;
}

static int do_meta(struct store *s)
{
	struct redo_meta m;
	struct err e = ERR_INIT;

	if (redo_read_meta(s, &m, &e) < 0)
		return failed(&e);
	printf("checkpoint-ts:%" PRIu64 ", resolved-ts:%" PRIu64, m.checkpoint_ts, m.resolved_ts);
	if (m.version)
		printf(" version:%d", m.version);
	putchar('\n');
	return 0;
}

static void print_progress(void *arg, const struct replay_stats *st)
{
	(void)arg;
	fprintf(stderr, "\r\033[K%" PRIu64 " of %" PRIu64 " files, %" PRIu64 " rows of %" PRIu64 " transactions, %" PRIu64 " MB, %" PRIu64 " rows written",
	        st->files, st->files_total, st->rows, st->transactions, st->bytes / 1000000, st->puts + st->deletes);
}

static json_t *ts_json(tso_t ts)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, ts);
	return json_string(text);
}

static void print_json(const struct replay_stats *st)
{
	json_t *j = json_pack("{s:o,s:o,s:o,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "checkpoint_ts", ts_json(st->checkpoint_ts), "resolved_ts",
	                      ts_json(st->resolved_ts), "point", ts_json(st->point), "files", (json_int_t)st->files, "bytes", (json_int_t)st->bytes, "rows",
	                      (json_int_t)st->rows, "ddls", (json_int_t)st->ddls, "transactions", (json_int_t)st->transactions, "keys",
	                      (json_int_t)st->keys, "puts", (json_int_t)st->puts, "deletes", (json_int_t)st->deletes, "fenced", (json_int_t)st->fenced,
	                      "fence_us", (json_int_t)st->fence_us, "read_us", (json_int_t)st->read_us, "write_us", (json_int_t)st->write_us, "total_us",
	                      (json_int_t)st->total_us);

	json_dumpf(j, stdout, JSON_INDENT(1));
	putchar('\n');
	json_decref(j);
}

static int do_apply(struct store *s, const struct options *o)
{
	struct replay_opts ro = { .tmp_dir = o->tmp_dir, .memory_bytes = o->memory, .workers = o->workers, .until = o->until,
		                  .time_zone = o->time_zone, .dry_run = o->dry_run };
	struct strbuf uri = STRBUF_INIT;
	struct replay_stats st;
	struct err e = ERR_INIT;
	int rc;

	if (!o->sink && !o->dry_run)
		return usage("--sink-uri is missing");
	if (o->sink) {
		if (o->sink[0] == '@') {
			if (fs_read_file(o->sink + 1, 16384, &uri, &e) < 0)
				return failed(&e);
			strbuf_setlen(&uri, strcspn(uri.buf, "\r\n"));
		} else {
			strbuf_addstr(&uri, o->sink);
		}
		rc = sql_endpoint_from_uri(&ro.sink, uri.buf, &e);
		strbuf_release(&uri);
		if (rc < 0)
			return failed(&e);
	}
	if (o->tmp_dir && fs_mkdir_p(o->tmp_dir, 0700, &e) < 0)
		return failed(&e);
	if (isatty(2) && !o->json)
		ro.progress = print_progress;
	rc = replay_run(s, &ro, &st, &e);
	if (ro.progress)
		fputc('\n', stderr);
	if (rc < 0)
		return failed(&e);
	if (o->json) {
		print_json(&st);
		return 0;
	}
	printf("%s %" PRIu64 ": %" PRIu64 " rows of %" PRIu64 " transactions, %" PRIu64 " keys, %" PRIu64 " DDLs in %.2f s"
	       " (fence %.2f, read %.2f, write %.2f)\n",
	       o->dry_run ? "would bring the secondary to" : "the secondary stands at", st.point, st.rows, st.transactions, st.keys, st.ddls,
	       (double)st.total_us / 1e6, (double)st.fence_us / 1e6, (double)st.read_us / 1e6, (double)st.write_us / 1e6);
	if (!o->dry_run)
		puts("Apply redo log successfully");
	return 0;
}

/* ---- cat ---- */

/* Text that is no UTF-8 is shown as hex. */
static json_t *bytes_json(const struct redo_bytes *s)
{
	json_t *j = json_stringn(s->p, s->n);
	struct strbuf hex = STRBUF_INIT;

	if (j)
		return j;
	strbuf_addstr(&hex, "0x");
	for (uint32_t i = 0; i < s->n; i++)
		strbuf_addf(&hex, "%02x", (unsigned char)s->p[i]);
	j = json_string(hex.buf);
	strbuf_release(&hex);
	return j;
}

static json_t *value_json(const struct redo_value *v)
{
	char text[32];

	switch (v->kind) {
	case REDO_NULL:
		return json_null();
	case REDO_INT:
		return json_integer(v->i);
	case REDO_UINT:
		if (v->u <= INT64_MAX)
			return json_integer((json_int_t)v->u);
		snprintf(text, sizeof(text), "%" PRIu64, v->u);
		return json_string(text);
	case REDO_F32:
		return json_real((double)v->f32);
	case REDO_F64:
		return json_real(v->f64);
	case REDO_STR:
	case REDO_BIN:
		return bytes_json(&v->s);
	}
	return json_null();
}

static json_t *columns_json(const struct redo_column *c, uint32_t n)
{
	json_t *o = json_object();

	for (uint32_t i = 0; i < n; i++) {
		char name[256];

		if (c[i].absent)
			continue;
		snprintf(name, sizeof(name), "%.*s", (int)c[i].name.n, c[i].name.p);
		json_object_set_new(o, name, value_json(&c[i].value));
	}
	return o;
}

static int print_event(void *arg, const struct redo_event *ev, uint64_t offset, struct err *e)
{
	const struct options *o = arg;
	tso_t start = ev->kind == REDO_ROW ? ev->row.start_ts : ev->ddl.start_ts, ts = ev->kind == REDO_ROW ? ev->row.commit_ts : ev->ddl.commit_ts;
	const struct redo_table *t = ev->kind == REDO_ROW ? &ev->row.table : &ev->ddl.table;
	char when[TSO_TEXT_MAX], name[520];
	json_t *j;

	(void)offset;
	snprintf(name, sizeof(name), "%.*s.%.*s", (int)(t->db.n > 256 ? 256 : t->db.n), t->db.p, (int)(t->table.n > 256 ? 256 : t->table.n), t->table.p);
	if (ts < o->from || (o->to && ts > o->to) || (o->table && strcmp(o->table, name)))
		return 0;
	tso_time_text(ts, when);
	j = json_pack("{s:s,s:o,s:o,s:s,s:s}", "type",
	              ev->kind == REDO_DDL ? "ddl" : !ev->row.n_pre_columns ? "insert" : !ev->row.n_columns ? "delete" : "update", "commit_ts",
	              ts_json(ts), "start_ts", ts_json(start), "time", when, "table", name);
	if (!j)
		j = json_pack("{s:s,s:o}", "type", "row", "commit_ts", ts_json(ts)); /* a name that is no UTF-8 */
	if (ev->kind == REDO_DDL) {
		json_object_set_new(j, "query", bytes_json(&ev->ddl.query));
		json_object_set_new(j, "ddl_type", json_integer((json_int_t)ev->ddl.type));
	} else {
		if (ev->row.n_pre_columns)
			json_object_set_new(j, "old", columns_json(ev->row.pre_columns, ev->row.n_pre_columns));
		if (ev->row.n_columns)
			json_object_set_new(j, "new", columns_json(ev->row.columns, ev->row.n_columns));
	}
	json_dumpf(j, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER);
	putchar('\n');
	json_decref(j);
	return ferror(stdout) ? err_sys(e, "write") : 0;
}

static int do_cat(struct store *s, struct options *o)
{
	struct redo_files files;
	struct err e = ERR_INIT;
	int rc = 0;

	if (redo_list_files(s, &files, &e) < 0)
		return failed(&e);
	for (size_t i = 0; i < files.n && rc == 0; i++) {
		struct redo_parse_result r;

		if (redo_read_file(s, &files.f[i], print_event, o, &r, &e) < 0)
			rc = failed(&e);
	}
	redo_files_release(&files);
	return rc;
}

int cmd_redo(int argc, char **argv)
{
	struct options o = { 0 };
	struct err e = ERR_INIT;
	const char *verb = argc > 1 ? argv[1] : "";
	struct store *s;
	int rc;

	if (!strcmp(verb, "--help") || !strcmp(verb, "-h")) {
		fputs(help, stdout);
		return 0;
	}
	if (strcmp(verb, "meta") && strcmp(verb, "apply") && strcmp(verb, "cat")) {
		fputs(help, stderr);
		return 2;
	}
	rc = parse(argc - 1, argv + 1, &o);
	if (rc >= 0)
		return rc;
	s = store_open(o.storage, NULL, &e);
	if (!s)
		return failed(&e);
	rc = !strcmp(verb, "meta") ? do_meta(s) : !strcmp(verb, "apply") ? do_apply(s, &o) : do_cat(s, &o);
	store_free(s);
	return rc;
}

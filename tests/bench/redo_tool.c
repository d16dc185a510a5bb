/* Makes what `make bench-redo` measures with, by our own reader and writer:
 *   redo_tool generate DIR TABLES ROWS TRANSACTIONS   DIR/initial.sql and DIR/log: transactions of
 * sysbench's oltp_write_only shape redo_tool repeat FROM TO COPIES                   a log again
 * and again, each copy with keys and times of its own */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/base/rng.h"
#include "harness/base/xalloc.h"
#include "harness/os/fs.h"
#include "harness/redo/scan.h"
#include "harness/redo/writer.h"
#include "harness/sql/schema.h"
#include "tests/support/store_dir.h"

#define FIRST_MS 1763640000000
#define C_BYTES 119
#define PAD_BYTES 59

static _Noreturn void die(const struct err *e)
{
	fprintf(stderr, "redo_tool: %s\n", e->text);
	exit(3);
}

static struct store *open_dir(const char *dir)
{
	struct err e = ERR_INIT;
	struct store *s = store_at_dir(dir, &e);

	if (!s || store_create_bucket(s, &e) < 0)
		die(&e);
	return s;
}

static struct redo_bytes text(const char *s)
{
	return (struct redo_bytes){ s, (uint32_t)strlen(s) };
}

/* ---- generate ---- */

struct row {
	int32_t k;
	char c[C_BYTES + 1], pad[PAD_BYTES + 1];
};

static void digits(struct rng *rng, char *out, size_t n)
{
	for (size_t i = 0; i < n; i++)
		out[i] = i % 12 == 11 ? '-' : (char)('0' + rng_below(rng, 10));
	out[n] = 0;
}

static void fill(struct redo_column col[4], int64_t id, const struct row *r)
{
	static const char utf8[] = "utf8mb4", collation[] = "utf8mb4_general_ci",
			  binary[] = "binary";

	col[0] = (struct redo_column){ .name = text("id"),
				       .charset = text(binary),
				       .collation = text(binary),
				       .type = COL_LONG,
				       .flag = COLF_BINARY | COLF_HANDLE_KEY | COLF_PRIMARY_KEY,
				       .value = { .kind = REDO_INT, .i = id } };
	col[1] = (struct redo_column){ .name = text("k"),
				       .charset = text(binary),
				       .collation = text(binary),
				       .type = COL_LONG,
				       .flag = COLF_BINARY | COLF_MULTIPLE_KEY,
				       .value = { .kind = REDO_INT, .i = r->k } };
	col[2] = (struct redo_column){ .name = text("c"),
				       .charset = text(utf8),
				       .collation = text(collation),
				       .type = COL_STRING,
				       .value = { .kind = REDO_BIN, .s = text(r->c) } };
	col[3] = (struct redo_column){ .name = text("pad"),
				       .charset = text(utf8),
				       .collation = text(collation),
				       .type = COL_STRING,
				       .value = { .kind = REDO_BIN, .s = text(r->pad) } };
}

static void initial(const char *dir, const struct row *rows, unsigned tables, unsigned n)
{
	char *path = xstrfmt("%s/initial.sql", dir);
	FILE *f = fopen(path, "w");
	char insert[64];

	if (!f) {
		perror(path);
		exit(3);
	}
	fputs("CREATE DATABASE redo_bench;\nSET unique_checks = 0;\n", f);
	for (unsigned t = 0; t < tables; t++) {
		fprintf(f,
			"CREATE TABLE redo_bench.sbtest%u (id INT NOT NULL PRIMARY KEY, k INT NOT NULL DEFAULT 0, c CHAR(120) NOT NULL DEFAULT '',"
			" pad CHAR(60) NOT NULL DEFAULT '', KEY k (k));\n",
			t + 1);
		snprintf(insert, sizeof(insert), "INSERT INTO redo_bench.sbtest%u VALUES ", t + 1);
		for (unsigned i = 0; i < n; i++)
			fprintf(f, "%s(%u,%d,'%s','%s')%s", i % 1000 ? "," : insert, i + 1,
				rows[(size_t)t * n + i].k, rows[(size_t)t * n + i].c,
				rows[(size_t)t * n + i].pad,
				i % 1000 == 999 || i + 1 == n ? ";\n" : "");
	}
	fclose(f);
	free(path);
}

static int generate(const char *dir, unsigned tables, unsigned n, unsigned txns)
{
	struct redo_writer_opts wo = { .capture = "127.0.0.1:8300",
				       .name_space = "default",
				       .changefeed = "redo-bench" };
	struct row *rows = xcalloc((size_t)tables * n, sizeof(*rows));
	char *log = xstrfmt("%s/log", dir);
	tso_t ts = tso_make(FIRST_MS, 0);
	struct redo_writer *w;
	struct store *s;
	struct err e = ERR_INIT;
	struct rng rng;

	rng_seed(&rng, 1);
	for (size_t i = 0; i < (size_t)tables * n; i++) {
		rows[i].k = (int32_t)rng_below(&rng, n) + 1;
		digits(&rng, rows[i].c, C_BYTES);
		digits(&rng, rows[i].pad, PAD_BYTES);
	}
	if (fs_mkdir_p(dir, 0755, &e) < 0)
		die(&e);
	initial(dir, rows, tables, n);
	s = open_dir(log);
	w = redo_writer_new(s, &wo, &e);
	if (!w)
		die(&e);
	for (unsigned x = 0; x < txns; x++) {
		unsigned t = (unsigned)rng_below(&rng, tables), id[3];
		char name[24];

		snprintf(name, sizeof(name), "sbtest%u", t + 1);
		ts += tso_make(1, 0);
		for (int i = 0; i < 3; i++)
			do
				id[i] = (unsigned)rng_below(&rng, n);
			while ((i > 0 && id[i] == id[0]) || (i > 1 && id[i] == id[1]));
		/* k; c; and a row deleted and inserted again, which is one change of its key */
		for (int i = 0; i < 3; i++) {
			static const int32_t pk = 0;
			struct redo_index index = { &pk, 1 };
			struct row *r = &rows[(size_t)t * n + id[i]], old = *r;
			struct redo_column before[4], after[4];
			struct redo_row change = { .start_ts = ts - 1,
						   .commit_ts = ts,
						   .columns = after,
						   .n_columns = 4,
						   .pre_columns = before,
						   .n_pre_columns = 4,
						   .indexes = &index,
						   .n_indexes = 1 };
			struct redo_event ev = { .kind = REDO_ROW, .row = change };

			ev.row.table = (struct redo_table){ text("redo_bench"), text(name), t + 100,
							    false };
			if (i != 1)
				r->k = i ? (int32_t)rng_below(&rng, n) + 1 : r->k + 1;
			if (i)
				digits(&rng, r->c, C_BYTES);
			if (i == 2)
				digits(&rng, r->pad, PAD_BYTES);
			fill(before, (int64_t)id[i] + 1, &old);
			fill(after, (int64_t)id[i] + 1, r);
			if (redo_writer_add(w, &ev, &e) < 0)
				die(&e);
		}
	}
	if (redo_writer_flush(w, &e) < 0 ||
	    redo_writer_meta(w,
			     &(struct redo_meta){ .checkpoint_ts = tso_make(FIRST_MS, 0),
						  .resolved_ts = ts },
			     &e) < 0)
		die(&e);
	redo_writer_free(w);
	store_free(s);
	free(rows);
	free(log);
	return 0;
}

/* ---- repeat ---- */

struct repeat {
	struct redo_writer *w;
	struct redo_meta meta;
	unsigned copy;
	tso_t span;
};

static int begin(void *arg, const struct redo_meta *meta, const struct redo_files *files,
		 struct err *e)
{
	struct repeat *r = arg;

	(void)files;
	(void)e;
	r->meta = *meta;
	r->span = meta->resolved_ts - meta->checkpoint_ts + tso_make(1, 0);
	return 0;
}

static void shift(struct redo_column *c, uint32_t n, unsigned copy)
{
	for (uint32_t i = 0; i < n; i++)
		if ((c[i].flag & COLF_HANDLE_KEY) && c[i].value.kind == REDO_INT)
			c[i].value.i += (int64_t)copy * 10000000;
}

static int copy_event(void *arg, const struct redo_event *in, uint64_t offset, struct err *e)
{
	struct repeat *r = arg;
	struct redo_column columns[64], pre[64];
	struct redo_event ev = *in;

	(void)offset;
	if (ev.kind != REDO_ROW || ev.row.n_columns > 64 || ev.row.n_pre_columns > 64)
		return err_set(e, ERR_UNSUPPORTED, 0, "repeat: rows of at most 64 columns only");
	memcpy(columns, ev.row.columns, ev.row.n_columns * sizeof(*columns));
	memcpy(pre, ev.row.pre_columns, ev.row.n_pre_columns * sizeof(*pre));
	shift(columns, ev.row.n_columns, r->copy);
	shift(pre, ev.row.n_pre_columns, r->copy);
	ev.row.columns = columns;
	ev.row.pre_columns = pre;
	ev.row.start_ts += r->copy * r->span;
	ev.row.commit_ts += r->copy * r->span;
	return redo_writer_add(r->w, &ev, e);
}

static int repeat(const char *from, const char *to, unsigned copies)
{
	struct redo_writer_opts wo = { .capture = "127.0.0.1:8300",
				       .name_space = "default",
				       .changefeed = "redo-big" };
	struct store *in = open_dir(from), *out = open_dir(to);
	struct repeat r = { .w = NULL };
	struct redo_scan scan = { .begin = begin, .event = copy_event, .arg = &r };
	struct err e = ERR_INIT;

	r.w = redo_writer_new(out, &wo, &e);
	for (; r.w && r.copy < copies; r.copy++)
		if (redo_scan(in, &scan, &e) < 0 || redo_writer_flush(r.w, &e) < 0)
			die(&e);
	r.meta.resolved_ts += (copies - 1) * r.span;
	if (!r.w || redo_writer_meta(r.w, &r.meta, &e) < 0)
		die(&e);
	redo_writer_free(r.w);
	store_free(in);
	store_free(out);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 6 && !strcmp(argv[1], "generate"))
		return generate(argv[2], (unsigned)atoi(argv[3]), (unsigned)atoi(argv[4]),
				(unsigned)atoi(argv[5]));
	if (argc == 5 && !strcmp(argv[1], "repeat"))
		return repeat(argv[2], argv[3], (unsigned)atoi(argv[4]));
	fputs("usage: redo_tool generate DIR TABLES ROWS TRANSACTIONS | repeat FROM TO COPIES\n",
	      stderr);
	return 2;
}

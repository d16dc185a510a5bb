#include "cli/commands.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/options.h"
#include "harness/base/xalloc.h"
#include "harness/compare/compare.h"
#include "harness/compare/diff_config.h"
#include "harness/compare/syncpoint.h"
#include "harness/os/fs.h"

#define IGNORE_MAX 256

struct options {
	struct compare_opts o;
	const char *a, *b, *config, *changefeed;
	struct table_filter *filter;
	const char *ignore[IGNORE_MAX + 1];
	size_t n_ignore;
	bool json, fix_a, snapshot_auto;
	int fix_side; /* 1: a */
	struct diff_config c;
	struct syncpoint syncpoint;
};

static const char *compare_word(const struct compare_result *r)
{
	return r->verdict == VERDICT_PASS   ? "pass"
	       : r->verdict == VERDICT_FAIL ? "fail"
					    : "unknown";
}

static json_t *table_json(const struct compare_table *t)
{
	return json_pack("{s:s,s:b,s:b,s:b,s:b,s:I,s:I,s:I,s:I}", "table", t->name,
			 "structure_equal", t->structure_equal, "rows_compared",
			 !t->unlike && !t->unread && !t->unopened && !t->only_a && !t->only_b,
			 "changing", t->changing, "keyless", t->keyless, "rows_a",
			 (json_int_t)t->rows_a, "rows_b", (json_int_t)t->rows_b,
			 "missing_or_different", (json_int_t)t->put, "extra", (json_int_t)t->del);
}

static void print_json(const struct compare_result *r)
{
	json_t *tables = json_array(), *o;

	for (size_t i = 0; i < r->n_tables; i++)
		json_array_append_new(tables, table_json(&r->table[i]));
	o = json_pack("{s:s,s:I,s:I,s:I,s:f,s:O,s:o,s:O,s:O,s:s}", "verdict", compare_word(r),
		      "tables", (json_int_t)r->tables, "rows", (json_int_t)r->rows,
		      "rows_different", (json_int_t)r->rows_different, "seconds",
		      (double)r->elapsed_us / 1e6, "findings", r->findings, "compared", tables,
		      "notes", r->notes, "not_compared", r->not_compared, "evidence", r->evidence);
	json_dumpf(o, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(o);
}

/* A line for each table whose rows differ, since the findings name only some of them. */
static void print_tables(const struct compare_result *r)
{
	for (size_t i = 0; i < r->n_tables; i++) {
		const struct compare_table *t = &r->table[i];

		if (t->unlike)
			printf("  %s: rows not compared because the columns differ: %" PRIu64 " "
			       "and %" PRIu64 " rows\n",
			       t->name, t->rows_a, t->rows_b);
		else if (t->put || t->del)
			printf("  %s: %" PRIu64 " rows missing or different, %" PRIu64
			       " extra, of %" PRIu64 " and %" PRIu64 "%s\n",
			       t->name, t->put, t->del, t->rows_a, t->rows_b,
			       t->keyless ? "; it has no key, and TiCDC does not replicate such a "
					    "table unless force-replicate is on"
					  : "");
	}
}

/* Notes: not differences, but worth knowing. */
static void print_rest(const struct compare_result *r)
{
	json_t *j;
	size_t i;

	json_array_foreach(r->notes, i, j)
	{
		char *line = json_dumps(j, 0);

		printf("note: %s\n", line ? line : "?");
		free(line);
	}
	json_array_foreach(r->not_compared, i, j)
		printf("not compared: %s %s: %s\n", json_string_value(json_object_get(j, "kind")),
		       json_string_value(json_object_get(j, "name")),
		       json_string_value(json_object_get(j, "why")));
}

static void print(const struct compare_result *r, bool json)
{
	json_t *f;
	size_t i;

	if (json) {
		print_json(r);
		return;
	}
	json_array_foreach(r->findings, i, f)
	{
		char *line = json_dumps(f, 0);

		printf("  %s\n", line ? line : "?");
		free(line);
	}
	print_tables(r);
	print_rest(r);
	printf("%s (%.2f s)\n", r->evidence, (double)r->elapsed_us / 1e6);
}

/* ---- as sync_diff_inspector says it ---- */

static void print_rule(FILE *f, const int *width, int n)
{
	for (int i = 0; i < n; i++) {
		fputc('+', f);
		for (int k = 0; k < width[i] + 2; k++)
			fputc('-', f);
	}
	fputs("+\n", f);
}

static void print_row(FILE *f, const int *width, int n, const char *const *cell)
{
	for (int i = 0; i < n; i++)
		fprintf(f, "| %-*s ", width[i], cell[i]);
	fputs("|\n", f);
}

static bool rows_equal(const struct compare_table *t)
{
	return !t->put && !t->del && !t->changing && !t->unread && !t->unlike && !t->unopened;
}

static bool is_skipped(const struct options *o, const struct compare_table *t)
{
	return (t->only_a || t->only_b) && o->o.skip_missing;
}

static bool is_equal(const struct compare_table *t)
{
	return t->structure_equal && rows_equal(t) && !t->only_a && !t->only_b;
}

static const char *result_word(const struct options *o, const struct compare_table *t)
{
	if (is_skipped(o, t))
		return "skipped";
	if (t->put || t->del || !t->structure_equal || t->only_a || t->only_b || t->unlike)
		return "fail";
	return t->changing ? "changing" : "not read";
}

static void table_name(const struct compare_table *t, char *out, size_t room)
{
	const char *dot = strchr(t->name, '.');

	snprintf(out, room, "`%.*s`.`%s`", (int)(dot - t->name), t->name, dot + 1);
}

/* Two tables: the equal ones, and the others. */
static void summary_tables(FILE *f, const struct compare_result *r, const struct options *o,
			   bool equal)
{
	static const char *const heads[2][6] = { { "TABLE", "RESULT", "STRUCTURE EQUALITY",
						   "DATA DIFF ROWS", "UPCOUNT", "DOWNCOUNT" },
						 { "TABLE", "UPCOUNT", "DOWNCOUNT" } };
	int n = equal ? 3 : 6, width[6] = { 0 };

	for (int pass = 0; pass < 2; pass++) {
		if (pass) {
			print_rule(f, width, n);
			print_row(f, width, n, heads[equal]);
			print_rule(f, width, n);
		}
		for (int i = 0; !pass && i < n; i++)
			width[i] = (int)strlen(heads[equal][i]);
		for (size_t k = 0; k < r->n_tables; k++) {
			const struct compare_table *t = &r->table[k];
			char name[300], up[32], down[32], diff[80];
			const char *cell[6] = { name };

			if (is_equal(t) != equal)
				continue;
			table_name(t, name, sizeof(name));
			snprintf(up, sizeof(up), "%" PRIu64, o->fix_a ? t->rows_b : t->rows_a);
			snprintf(down, sizeof(down), "%" PRIu64, o->fix_a ? t->rows_a : t->rows_b);
			snprintf(diff, sizeof(diff), rows_equal(t) ? "0" : "+%" PRIu64 "/-%" PRIu64,
				 t->put, t->del);
			if (equal) {
				cell[1] = up;
				cell[2] = down;
			} else {
				cell[1] = result_word(o, t);
				cell[2] = t->only_a || t->only_b ? "one side only"
					  : t->structure_equal   ? "true"
								 : "false";
				cell[3] = diff;
				cell[4] = up;
				cell[5] = down;
			}
			for (int i = 0; !pass && i < n; i++)
				width[i] = (int)strlen(cell[i]) > width[i] ? (int)strlen(cell[i])
									   : width[i];
			if (pass)
				print_row(f, width, n, cell);
		}
	}
	print_rule(f, width, n);
}

static int write_summary(const struct options *o, const struct compare_result *r, struct err *e)
{
	char *path = xstrfmt("%s/summary.txt", o->c.output_dir);
	FILE *f = fopen(path, "we");
	size_t equal = 0;
	int rc = 0;

	if (!f) {
		rc = err_sys(e, "create %s", path);
		goto out;
	}
	for (size_t i = 0; i < r->n_tables; i++)
		equal += is_equal(&r->table[i]);
	fputs("Summary (drtest diff, in the form of sync_diff_inspector)\n\n", f);
	fprintf(f, "Source Database: %s\nTarget Database: %s\n\nComparison Result\n\n",
		o->c.up_name, o->c.down_name);
	if (equal) {
		fputs("The table structure and data in following tables are equivalent\n\n", f);
		summary_tables(f, r, o, true);
	}
	if (equal < r->n_tables) {
		fputs("\nThe following tables contains inconsistent data\n\n", f);
		summary_tables(f, r, o, false);
	}
	fprintf(f, "\nTime Cost: %.3fs\n", (double)r->elapsed_us / 1e6);
	if (fclose(f))
		rc = err_sys(e, "write %s", path);
out:
	free(path);
	return rc;
}

static void say_like_them(const struct options *o, const struct compare_result *r)
{
	size_t bad = 0, skipped = 0, i;
	json_t *f;

	if (!r->n_tables) {
		puts("no table need to be compared");
		print_rest(r);
		return;
	}
	for (i = 0; i < r->n_tables; i++) {
		const struct compare_table *t = &r->table[i];
		char name[300];

		table_name(t, name, sizeof(name));
		if (is_skipped(o, t)) {
			skipped++;
			continue;
		}
		bad += !is_equal(t);
		if (t->only_a || t->only_b)
			printf("%s does not exist in %s database\n", name,
			       t->only_a != o->fix_a ? "downstream" : "upstream");
		else if (!t->structure_equal)
			printf("The structure of %s is not equal%s\n", name,
			       t->unlike ? ", and data-check is skipped" : "");
		if (t->put || t->del)
			printf("The data of %s is not equal\n", name);
		else if (t->changing)
			printf("%s was written to during the compare\n", name);
		else if (t->unopened)
			printf("%s is not compared: a server cannot open it\n", name);
		else if (t->unread)
			printf("The data of %s is not all compared: rows are larger than max_allowed_packet\n",
			       name);
	}
	json_array_foreach(
		r->findings, i,
		f) if (!strcmp(json_string_value(json_object_get(f, "kind")), "database") ||
		       (!json_object_get(f, "only_on") &&
			strstr("view sequence", json_string_value(json_object_get(f, "kind")))))
	{
		char *line = json_dumps(f, 0);

		printf("Not equal: %s\n", line ? line : "?");
		free(line);
	}
	print_rest(r);
	if (!bad) {
		printf("A total of %zu table%s have been compared and all are equal%s.\nYou can view the comparison details through '%s/summary.txt'\n",
		       r->n_tables - skipped, r->n_tables - skipped > 1 ? "s" : "",
		       r->verdict == VERDICT_PASS ? "" : ", what is no table is not",
		       o->c.output_dir);
		return;
	}
	if (bad + skipped < r->n_tables)
		puts("The rest of tables are all equal.");
	printf("A total of %zu tables have been compared, %zu tables finished, %zu tables failed, %zu tables skipped.\n",
	       r->n_tables, r->n_tables - bad - skipped, bad, skipped);
	if (o->o.fix_sql_path)
		printf("The patch file has been generated in\n\t'%s'\n", o->o.fix_sql_path);
	printf("You can view the comparison details through '%s/summary.txt'\n", o->c.output_dir);
}

/* ---- the command ---- */

static int take_snapshot(void *into, const char *text, struct err *e)
{
	((struct options *)into)->snapshot_auto = true;
	return strcmp(text, "auto")
		       ? option_wants(e, text,
				      "auto; or use --a-snapshot and --b-snapshot, each with a "
				      "TSO")
		       : 0;
}

static int take_tables(void *into, const char *text, struct err *e)
{
	struct options *p = into;

	(void)e;
	if (!p->filter)
		p->filter = table_filter_new();
	table_filter_add_pattern(p->filter, text);
	return 0;
}

static int take_ignore(void *into, const char *text, struct err *e)
{
	struct options *p = into;

	if (!strchr(text, '.'))
		return option_wants(e, text, "db.table or db.table.column");
	if (p->n_ignore == IGNORE_MAX)
		return err_set(e, ERR_USAGE, 0, "more than %d patterns", IGNORE_MAX);
	p->ignore[p->n_ignore++] = text;
	return 0;
}

#define AT(member) .at = offsetof(struct options, member)
static const struct option_def options[] = {
	{ "a", OPTION_TEXT, "URI",
	  "mysql://user:password@host:port/?ssl-ca=FILE; to keep the password off the command "
	  "line, @FILE or env:NAME with the URI",
	  AT(a) },
	{ "b", OPTION_TEXT, "URI", "the other server", AT(b) },
	{ "config", OPTION_TEXT, "FILE", "a configuration of sync_diff_inspector", AT(config),
	  .letter = 'C' },
	{ "tables", OPTION_TAKE, "PATTERN",
	  "only tables whose db.table matches, such as \"sbtest.*\"; \"!db.table\" excludes. Can "
	  "be repeated; the last match decides. A pattern that matches no table is wrong usage",
	  .take = take_tables, .times = OPTION_OFTEN },
	{ "ignore", OPTION_TAKE, "PATTERN",
	  "do not compare this table (\"sbtest.log*\") or column (\"sbtest.*.updated_at\"). Can "
	  "be repeated. A pattern that matches nothing is wrong usage",
	  .take = take_ignore, .times = OPTION_OFTEN },
	{ "struct-only", OPTION_FLAG, NULL,
	  "compare only columns, keys, indexes and collations, "
	  "no rows",
	  AT(o.struct_only) },
	{ "workers", OPTION_UNSIGNED, "N", "connections to each side (4)", AT(o.threads), .min = 1,
	  .max = 64 },
	{ "chunk-rows", OPTION_WHOLE, "N", "rows per query (10000)", AT(o.chunk_rows), .min = 1,
	  .max = 10000000 },
	{ "fix-sql", OPTION_TEXT, "FILE", "write SQL that makes b equal to a", AT(o.fix_sql_path) },
	{ "fix", OPTION_CHOICE, "b|a", "which side this SQL changes (b)", AT(fix_side) },
	{ "a-snapshot", OPTION_TEXT, "TSO", "TiDB: read a at this TSO", AT(o.a_snapshot) },
	{ "b-snapshot", OPTION_TEXT, "TSO", "TiDB: read b at this TSO", AT(o.b_snapshot) },
	{ "snapshot", OPTION_TAKE, "auto",
	  "TiDB: read both at TiCDC's newest syncpoint, from b's tidb_cdc.syncpoint_v1",
	  .take = take_snapshot },
	{ "changefeed", OPTION_TEXT, "ID", "use the syncpoints of this changefeed",
	  AT(changefeed) },
	{ "resume", OPTION_TEXT, "FILE",
	  "record equal ranges in FILE; after an interruption, the same command resumes from it",
	  AT(o.resume_path) },
	{ "json", OPTION_FLAG, NULL, "print the result as JSON", AT(json) },
	{ "threads", OPTION_RENAMED, .at = 0, .now = "workers" },
	{ 0 },
};
static const struct command_def command = {
	.name = "diff",
	.usage = "drtest diff --a URI --b URI [options]\n"
		 "drtest diff --config FILE [options]       with a sync_diff_inspector "
		 "configuration; writes its summary.txt and fix files",
	.about = "Compares the structure and rows of all tables on two servers while nothing "
		 "writes to them (or at snapshots). \"Equal\" means that the rows of every table "
		 "were read on both sides. The output ends with what was not compared (triggers, "
		 "routines, events, ..).",
	.options = options,
	.more = "Exit code: 0 equal, 1 different, 2 wrong usage, 3 could not compare, 4 could "
		"not compare everything: tables changed during the compare, rows are larger than "
		"max_allowed_packet, or there is no table.",
};

static int parse(struct options *p, int argc, char **argv)
{
	int rc = options_parse(&command, argc, argv, p);

	p->fix_a = p->fix_side == 1;
	if (rc == 0 && (p->config ? p->a || p->b : !p->a || !p->b))
		rc = options_wrong(&command, "--a and --b are required, or only --config");
	if (rc == 0 && p->fix_a && !p->o.fix_sql_path && !p->config)
		rc = options_wrong(&command, "--fix needs --fix-sql FILE");
	return rc;
}

/* Takes settings from the file, unless the command line has them. */
static int from_config(struct options *p, char **fix, struct err *e)
{
	struct compare_opts *o = &p->o;
	struct diff_config *c = &p->c;

	if (diff_config_read(c, p->config, e) < 0)
		return -1;
	if (!c->output_dir)
		c->output_dir = xstrdup("./output");
	if (fs_mkdir_p(c->output_dir, 0700, e) < 0)
		return -1;
	o->a = c->up;
	o->b = c->down;
	o->a_name = "upstream";
	o->b_name = "downstream";
	o->a_snapshot = o->a_snapshot ? o->a_snapshot : c->up_snapshot;
	o->b_snapshot = o->b_snapshot ? o->b_snapshot : c->down_snapshot;
	o->threads = o->threads ? o->threads : c->threads;
	o->chunk_rows = o->chunk_rows ? o->chunk_rows : c->chunk_rows;
	o->struct_only |= c->struct_only;
	o->data_only = c->data_only;
	o->skip_missing = c->skip_missing;
	o->routes = &c->routes;
	o->configs = c->tables;
	o->n_configs = c->n_tables;
	p->snapshot_auto |= c->snapshot_auto;
	p->changefeed = p->changefeed ? p->changefeed : c->changefeed;
	if (!o->fix_sql_path && !c->no_fix && !o->struct_only) {
		char *dir = xstrfmt("%s/fix-on-%s", c->output_dir, c->down_name);

		if (fs_mkdir_p(dir, 0700, e) < 0) {
			free(dir);
			return -1;
		}
		*fix = xstrfmt("%s/fix.sql", dir);
		o->fix_sql_path = *fix;
		free(dir);
	}
	return 0;
}

/* The SQL is always for b; for a, swap the sides. */
static void exchange(struct compare_opts *o)
{
	struct compare_opts t = *o;

	o->a = t.b;
	o->b = t.a;
	o->a_name = t.b_name;
	o->b_name = t.a_name;
	o->a_snapshot = t.b_snapshot;
	o->b_snapshot = t.a_snapshot;
}

int cmd_diff(int argc, char **argv)
{
	struct options p = { .o = { .a_name = "a", .b_name = "b" } };
	struct compare_result r = { 0 };
	struct err e = ERR_INIT;
	char *fix = NULL;
	int rc = parse(&p, argc, argv);

	if (rc) {
		table_filter_free(p.filter);
		return rc == 1 ? 0 : rc;
	}
	if (p.config)
		rc = from_config(&p, &fix, &e);
	else
		rc = sql_endpoint_from_uri(&p.o.a, p.a, &e) < 0   ? err_wrap(&e, "--a")
		     : sql_endpoint_from_uri(&p.o.b, p.b, &e) < 0 ? err_wrap(&e, "--b")
								  : 0;
	p.o.filter = p.filter ? p.filter : p.c.filter;
	p.o.ignore = p.n_ignore ? p.ignore : NULL;
	if (rc == 0 && p.changefeed && !p.snapshot_auto)
		rc = err_set(&e, ERR_USAGE, 0, "--changefeed: only with --snapshot auto");
	if (rc == 0 && p.snapshot_auto) {
		rc = p.o.a_snapshot || p.o.b_snapshot
			     ? err_set(&e, ERR_USAGE, 0,
				       "--snapshot auto cannot be combined with a TSO for a side")
		     : syncpoint_newest(&p.o.b, p.changefeed, &p.syncpoint, &e) < 0
			     ? err_wrap(&e, "--snapshot auto")
			     : 0;
		p.o.a_snapshot = p.syncpoint.primary_ts;
		p.o.b_snapshot = p.syncpoint.secondary_ts;
	}
	if (rc == 0 && p.fix_a && p.c.routes.n)
		rc = err_set(&e, ERR_USAGE, 0,
			     "--fix a cannot be combined with route rules, "
			     "which use the names of b");
	if (p.fix_a)
		exchange(&p.o);
	if (rc == 0)
		rc = compare_run(&p.o, &r, &e);
	if (rc == 0 && fix && r.verdict == VERDICT_PASS)
		unlink(fix);
	if (rc == 0 && p.config)
		rc = write_summary(&p, &r, &e);
	if (rc < 0) {
		fprintf(stderr, "drtest diff: %s\n", e.text);
		if (p.o.resume_path && e.kind != ERR_USAGE)
			fprintf(stderr, "drtest diff: the same command resumes from %s\n",
				p.o.resume_path);
		rc = err_exit_code(&e);
	} else {
		if (p.config && !p.json)
			say_like_them(&p, &r);
		else
			print(&r, p.json);
		if (r.verdict == VERDICT_FAIL && !p.json && !p.fix_a && !p.o.a_snapshot &&
		    !p.o.b_snapshot &&
		    syncpoint_newest(&p.o.b, p.changefeed, &p.syncpoint, NULL) == 0)
			puts("TiCDC writes syncpoints to b, but b was read at its current state: "
			     "--snapshot auto compares a pair at which both sides are equal, "
			     "also under load");
		rc = r.verdict == VERDICT_PASS ? 0 : r.verdict == VERDICT_FAIL ? 1 : 4;
	}
	compare_result_release(&r);
	diff_config_release(&p.c);
	table_filter_free(p.filter);
	free(fix);
	return rc;
}

#include "cli/redo/redo_impl.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "harness/redo/scan.h"
#include "harness/replay/row_layout.h"
#include "harness/sql/schema.h"

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
	case REDO_NULL: return json_null();
	case REDO_INT: return json_integer(v->i);
	case REDO_UINT:
		if (v->u <= INT64_MAX)
			return json_integer((json_int_t)v->u);
		snprintf(text, sizeof(text), "%" PRIu64, v->u);
		return json_string(text);
	case REDO_F32: return json_real((double)v->f32);
	case REDO_F64: return json_real(v->f64);
	case REDO_STR:
	case REDO_BIN: return bytes_json(&v->s);
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

/* "id=5" or "5": a column and the text of its value, in either image. */
static bool has_key(const struct redo_options *o, const struct redo_row *r)
{
	const char *eq = strchr(o->key, '='), *want = eq ? eq + 1 : o->key;

	for (int side = 0; side < 2; side++) {
		const struct redo_column *c = side ? r->pre_columns : r->columns;

		for (uint32_t i = 0; i < (side ? r->n_pre_columns : r->n_columns); i++) {
			struct strbuf text = STRBUF_INIT;
			bool same;

			if (c[i].absent ||
			    (eq ? c[i].name.n != (size_t)(eq - o->key) ||
					     memcmp(c[i].name.p, o->key, c[i].name.n) != 0
				: !(c[i].flag & COLF_HANDLE_KEY)))
				continue;
			row_layout_value_text(&c[i].value, &text);
			same = !strcmp(text.buf, want);
			strbuf_release(&text);
			if (same)
				return true;
		}
	}
	return false;
}

struct printing {
	const struct redo_options *o;
	uint64_t printed;
};

static int print_event(void *arg, const struct redo_event *ev, uint64_t offset, struct err *e)
{
	struct printing *p = arg;
	const struct redo_options *o = p->o;
	tso_t start = ev->kind == REDO_ROW ? ev->row.start_ts : ev->ddl.start_ts,
	      ts = ev->kind == REDO_ROW ? ev->row.commit_ts : ev->ddl.commit_ts;
	const struct redo_table *t = ev->kind == REDO_ROW ? &ev->row.table : &ev->ddl.table;
	char when[TSO_TEXT_MAX], name[520];
	json_t *j;

	(void)offset;
	snprintf(name, sizeof(name), "%.*s.%.*s", (int)(t->db.n > 256 ? 256 : t->db.n), t->db.p,
		 (int)(t->table.n > 256 ? 256 : t->table.n), t->table.p);
	if (ts < o->from || (o->to && ts > o->to) || (o->table && strcmp(o->table, name)))
		return 0;
	if (o->key && (ev->kind == REDO_DDL || !has_key(o, &ev->row)))
		return 0;
	tso_time_text(ts, when);
	j = json_pack("{s:s,s:o,s:o,s:s,s:s}", "type",
		      ev->kind == REDO_DDL     ? "ddl"
		      : !ev->row.n_pre_columns ? "insert"
		      : !ev->row.n_columns     ? "delete"
					       : "update",
		      "commit_ts", redo_ts_json(ts), "start_ts", redo_ts_json(start), "time", when,
		      "table", name);
	if (!j)
		/* a name that is no UTF-8 */
		j = json_pack("{s:s,s:o}", "type", "row", "commit_ts", redo_ts_json(ts));
	if (ev->kind == REDO_DDL) {
		json_object_set_new(j, "query", bytes_json(&ev->ddl.query));
		json_object_set_new(j, "ddl_type", json_integer((json_int_t)ev->ddl.type));
	} else {
		if (ev->row.n_pre_columns)
			json_object_set_new(
				j, "old", columns_json(ev->row.pre_columns, ev->row.n_pre_columns));
		if (ev->row.n_columns)
			json_object_set_new(j, "new",
					    columns_json(ev->row.columns, ev->row.n_columns));
	}
	json_dumpf(j, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER);
	putchar('\n');
	json_decref(j);
	p->printed++;
	return ferror(stdout) ? err_sys(e, "write") : 0;
}

static int begin(void *arg, const struct redo_meta *meta, const struct redo_files *files,
		 struct err *e)
{
	(void)arg;
	(void)meta;
	(void)files;
	(void)e;
	return 0;
}

static int file_done(void *arg, const struct redo_scan_file *f, struct err *e)
{
	(void)arg;
	(void)e;
	if (f->why)
		fprintf(stderr, "drtest redo: left out: %s\n", f->why->text);
	return 0;
}

int redo_cat(struct store *s, const struct redo_options *o)
{
	struct printing p = { o, 0 };
	struct redo_scan scan = { .begin = begin,
				  .event = print_event,
				  .file_done = file_done,
				  .arg = &p,
				  .old_files = true,
				  .no_meta = true,
				  .any_feed = true,
				  .allow_gap = o->allow_gap,
				  .downloads = o->downloads };
	struct err e = ERR_INIT;

	/* a closed pipe is a reader that has seen enough */
	if (redo_scan(s, &scan, &e) < 0 && e.code != EPIPE)
		return redo_failed(&e);
	if (!p.printed && !e.code && (o->table || o->key || o->from || o->to))
		fprintf(stderr, "note: the log has records, but none that %s\n",
			o->table ? "--table selects (write DB.TABLE)" : "these options select");
	return 0;
}

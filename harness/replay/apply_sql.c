#include "harness/replay/apply_sql.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "harness/base/xalloc.h"
#include "harness/sql/literal.h"
#include "harness/sql/schema.h"

/* half of the smallest max_allowed_packet in use */
#define STATEMENT_BYTES ((size_t)512 << 10)
#define LOAD_ROWS SINK_SHARE_ROWS
#define LOAD_ROWS_MIN 16 /* fewer are not worth the round trip */
#define LOAD_BYTES ((size_t)1 << 20)
#define LOOKUPS_MAX 64
#define COMPOSITE_KEYS 200 /* OR-ed keys: the optimizer gives up on ranges far above */

static void add_value(struct strbuf *q, const struct row_layout_column *c,
		      const struct redo_value *v)
{
	literal_add(q, (enum column_type)c->type, c->text, v);
}

static void add_table(struct strbuf *q, const struct row_layout *t)
{
	sql_add_name(q, t->db);
	strbuf_addch(q, '.');
	sql_add_name(q, t->table);
}

static void add_columns(struct strbuf *q, const struct row_layout *t)
{
	const char *sep = " (";

	for (uint32_t i = 0; i < t->n_columns; i++) {
		if (t->columns[i].computed)
			continue;
		strbuf_addstr(q, sep);
		sql_add_name(q, t->columns[i].name);
		sep = ",";
	}
	strbuf_addch(q, ')');
}

static void replace_head(struct strbuf *q, const struct row_layout *t, const char *verb)
{
	strbuf_addstr(q, verb);
	add_table(q, t);
	add_columns(q, t);
	strbuf_addstr(q, " VALUES ");
}

static void replace_row(struct strbuf *q, const struct merge_change *c)
{
	uint32_t at = 0;
	char sep = '(';

	for (uint32_t i = 0; i < c->shape->n_columns; i++) {
		struct redo_value v;

		row_layout_image_next(c->image, &at, &v);
		if (c->shape->columns[i].computed)
			continue;
		strbuf_addch(q, sep);
		add_value(q, &c->shape->columns[i], &v);
		sep = ',';
	}
	strbuf_addch(q, ')');
}

static void delete_row(struct strbuf *q, const struct merge_change *c, bool first)
{
	const struct row_layout *t = c->shape;
	uint32_t at = 0;

	if (t->n_key > 1)
		strbuf_addstr(q, first ? "(" : " OR (");
	else if (!first)
		strbuf_addch(q, ',');
	for (uint32_t i = 0; i < t->n_key; i++) {
		const struct row_layout_column *col = &t->columns[t->key[i]];
		struct redo_value v;

		row_layout_image_next(c->image, &at, &v);
		if (t->n_key > 1) {
			strbuf_addstr(q, i ? " AND " : "");
			sql_add_name(q, col->name);
			strbuf_addch(q, '=');
		}
		add_value(q, col, &v);
	}
	if (t->n_key > 1)
		strbuf_addch(q, ')');
}

/* Takes changes of one shape from c[0..n); returns how many went into the statement. */
size_t apply_statement(struct strbuf *q, const struct merge_change *c, size_t n)
{
	const struct row_layout *t = c->shape;
	size_t k, max = c->put         ? SINK_STATEMENT_ROWS
			: t->n_key > 1 ? COMPOSITE_KEYS
				       : SINK_STATEMENT_ROWS;

	strbuf_reset(q);
	if (c->put) {
		replace_head(q, t, "REPLACE INTO ");
	} else {
		strbuf_addstr(q, "DELETE FROM ");
		add_table(q, t);
		strbuf_addstr(q, " WHERE ");
		if (t->n_key == 1) {
			sql_add_name(q, t->columns[t->key[0]].name);
			strbuf_addstr(q, " IN (");
		}
	}
	for (k = 0;
	     k < n && k < max && c[k].shape == t && c[k].put == c->put && q->len < STATEMENT_BYTES;
	     k++) {
		if (c->put) {
			if (k)
				strbuf_addch(q, ',');
			replace_row(q, &c[k]);
		} else {
			delete_row(q, &c[k], k == 0);
		}
	}
	if (!c->put && t->n_key == 1)
		strbuf_addch(q, ')');
	return k;
}

/* ---- as a file ---- */

static void add_field(struct strbuf *out, const char *p, size_t n)
{
	/* by byte: what stands behind the backslash, or 0 */
	static const char as[256] = { ['\t'] = 't', ['\n'] = 'n', ['\\'] = '\\', [0] = '0' };
	const char *end = p + n, *from = p;

	for (; p < end; p++) {
		if (!as[(unsigned char)*p])
			continue;
		strbuf_add(out, from, (size_t)(p - from));
		strbuf_addch(out, '\\');
		strbuf_addch(out, as[(unsigned char)*p]);
		from = p + 1;
	}
	strbuf_add(out, from, (size_t)(end - from));
}

static void add_integer(struct strbuf *out, uint64_t u, bool negative)
{
	char text[21], *p = text + sizeof(text);

	u = negative ? -u : u;
	do
		*--p = (char)('0' + u % 10);
	while (u /= 10);
	if (negative)
		*--p = '-';
	strbuf_add(out, p, (size_t)(text + sizeof(text) - p));
}

static bool load_value(struct strbuf *out, const struct row_layout_column *c,
		       const struct redo_value *v)
{
	bool bytes = v->kind == REDO_STR || v->kind == REDO_BIN,
	     whole = v->kind == REDO_INT || v->kind == REDO_UINT;

	if (v->kind == REDO_NULL) {
		strbuf_addstr(out, "\\N");
		return true;
	}
	switch ((enum column_type)c->type) {
	case COL_TINY:
	case COL_SHORT:
	case COL_INT24:
	case COL_LONG:
	case COL_LONGLONG:
		if (!whole)
			return false;
		add_integer(out, v->u, v->kind == REDO_INT && v->i < 0);
		return true;
	case COL_VARCHAR:
	case COL_VARSTRING:
	case COL_STRING:
	case COL_TINYBLOB:
	case COL_BLOB:
	case COL_MEDIUMBLOB:
	case COL_LONGBLOB:
		if (!c->text)
			return false; /* bytes that are no characters would be read as some */
		break;
	case COL_DECIMAL:
	case COL_DATE:
	case COL_DATETIME:
	case COL_TIMESTAMP: break;
	case COL_FLOAT:
	case COL_DOUBLE:
	case COL_TIME:
	case COL_YEAR:
	case COL_BIT:
	case COL_JSON:
	case COL_ENUM:
	case COL_SET:
	case COL_UNKNOWN:
	default: return false;
	}
	if (bytes)
		add_field(out, v->s.p, v->s.n);
	return bytes;
}

static bool load_row(struct strbuf *out, const struct merge_change *c)
{
	uint32_t at = 0, fields = 0;
	size_t begin = out->len;

	for (uint32_t i = 0; i < c->shape->n_columns; i++) {
		struct redo_value v;

		row_layout_image_next(c->image, &at, &v);
		if (c->shape->columns[i].computed)
			continue;
		if (fields++) /* the first may be empty */
			strbuf_addch(out, '\t');
		if (!load_value(out, &c->shape->columns[i], &v) ||
		    out->len - begin > STATEMENT_BYTES)
			return false;
	}
	strbuf_addch(out, '\n');
	return true;
}

size_t apply_load_data(struct strbuf *statement, struct strbuf *file, const struct merge_change *c,
		       size_t n)
{
	const struct row_layout *t = c->shape;
	size_t k;

	strbuf_reset(file);
	if (!c->put || t->keyless)
		return 0;
	for (k = 0; k < n && k < LOAD_ROWS && c[k].shape == t && c[k].put && file->len < LOAD_BYTES;
	     k++) {
		size_t before = file->len;

		if (!load_row(file, &c[k])) {
			strbuf_setlen(file, before);
			break;
		}
	}
	if (k < LOAD_ROWS_MIN)
		return 0;
	strbuf_reset(statement);
	strbuf_addstr(statement, "LOAD DATA LOCAL INFILE 'rows' REPLACE INTO TABLE ");
	add_table(statement, t);
	/* said, not taken for granted: all that a session's sql_mode could change */
	strbuf_addstr(
		statement,
		" CHARACTER SET utf8mb4 FIELDS TERMINATED BY '\\t' ENCLOSED BY '' ESCAPED BY '\\\\' LINES STARTING BY '' TERMINATED BY '\\n'");
	add_columns(statement, t);
	return k;
}

static struct redo_column column_of(const struct row_layout_column *c, const struct redo_value *v)
{
	return (struct redo_column){ .name = { c->name, (uint32_t)strlen(c->name) },
				     .charset = c->text ? (struct redo_bytes){ "utf8mb4", 7 }
							: (struct redo_bytes){ "binary", 6 },
				     .type = c->type,
				     .flag = c->flag,
				     .value = *v };
}

void apply_keyless_statement(struct strbuf *q, const struct merge_change *c)
{
	const struct row_layout *t = c->shape;
	const char *sep = " WHERE ";
	uint32_t at = 0;

	strbuf_reset(q);
	if (c->put) {
		replace_head(q, t, "INSERT INTO ");
		replace_row(q, c);
		return;
	}
	strbuf_addstr(q, "DELETE FROM ");
	add_table(q, t);
	for (uint32_t i = 0; i < t->n_columns; i++) {
		struct redo_value v;

		row_layout_image_next(c->image, &at, &v);
		if (t->columns[i].computed)
			continue;
		strbuf_addstr(q, sep);
		sep = " AND ";
		if (t->columns[i].type == COL_JSON) { /* is no text to every server */
			strbuf_addstr(q, "CAST(");
			sql_add_name(q, t->columns[i].name);
			strbuf_addstr(q, " AS CHAR) <=> ");
			add_value(q, &t->columns[i], &v);
		} else { /* a collation would find another row, and 'a ' for 'a' */
			struct redo_column rc = column_of(&t->columns[i], &v);

			literal_add_same(q, &rc);
		}
	}
	strbuf_addstr(q, " LIMIT 1");
}

/* ---- what the secondary computes ---- */

/* JSON and floats are left out: one server's text of them is not another's. */
static bool is_comparable(const struct row_layout_column *c)
{
	return c->computed && c->type != COL_JSON && c->type != COL_FLOAT && c->type != COL_DOUBLE;
}

/* "(`id`=5 AND NOT (`g` <=> 7))" */
static void add_unlike(struct strbuf *q, const struct merge_change *c, bool key_alone)
{
	const struct row_layout *t = c->shape;
	struct strbuf same = STRBUF_INIT;
	uint32_t at = 0, k = 0;

	strbuf_addch(q, '(');
	for (uint32_t i = 0; i < t->n_columns; i++) {
		const struct row_layout_column *col = &t->columns[i];
		struct redo_value v;

		row_layout_image_next(c->image, &at, &v);
		if (k < t->n_key && t->key[k] == i) {
			strbuf_addstr(q, k++ ? " AND " : "");
			sql_add_name(q, col->name);
			strbuf_addch(q, '=');
			add_value(q, col, &v);
		} else if (is_comparable(col)) {
			struct redo_column rc = column_of(col, &v);

			strbuf_addstr(&same, same.len ? " AND " : "");
			literal_add_same(&same, &rc);
		}
	}
	if (!key_alone)
		strbuf_addf(q, " AND NOT (%s)", same.buf);
	strbuf_addch(q, ')');
	strbuf_release(&same);
}

static int say_unlike(struct sql *conn, const struct merge_change *c, struct err *e)
{
	const struct row_layout *t = c->shape;
	struct strbuf q = STRBUF_INIT, there = STRBUF_INIT, key = STRBUF_INIT, want = STRBUF_INIT;
	uint32_t at = 0;
	int rc;

	strbuf_addstr(&q, "SELECT LEFT(CONCAT_WS(', '");
	for (uint32_t i = 0; i < t->n_columns; i++) {
		struct redo_value v;

		row_layout_image_next(c->image, &at, &v);
		if (!t->columns[i].computed)
			continue;
		strbuf_addstr(&q, ", ");
		sql_add_name(&q, t->columns[i].name);
		strbuf_addf(&want, "%s%s=", want.len ? ", " : "", t->columns[i].name);
		row_layout_value_text(&v, &want);
	}
	strbuf_addstr(&q, "), 100) FROM ");
	add_table(&q, t);
	strbuf_addstr(&q, " WHERE ");
	add_unlike(&q, c, true);
	rc = sql_value(conn, &there, e, "%s", q.buf) < 0 ? -1 : 0;
	if (!rc) {
		row_layout_key_text(t, c->image, false, &key);
		rc = err_set(
			e, ERR_BAD_DATA, 0,
			"table %s.%s, key %s: the log has %.150s and the secondary computes %s: "
			"the generated column depends on the session that wrote the row "
			"(time_zone, div_precision_increment); --allow-gap continues and reports "
			"it",
			t->db, t->table, key.buf, want.buf, there.buf);
	}
	strbuf_release(&q);
	strbuf_release(&there);
	strbuf_release(&key);
	strbuf_release(&want);
	return rc;
}

int apply_check_computed(struct sql *conn, const struct merge_change *c, size_t n, struct err *e)
{
	const struct row_layout *t = c->shape;
	struct strbuf q = STRBUF_INIT;
	uint32_t comparable = 0;
	size_t from = 0;
	int rc = 0;

	for (uint32_t i = 0; i < t->n_columns; i++)
		comparable += is_comparable(&t->columns[i]);
	if (!c->put || t->keyless || !comparable)
		return 0;
	for (size_t i = 0; i < n && !rc; i++) {
		uint64_t unlike = 0;

		if (!q.len) {
			from = i;
			strbuf_addstr(&q, "SELECT COUNT(*) FROM ");
			add_table(&q, t);
			strbuf_addstr(&q, " WHERE ");
		} else {
			strbuf_addstr(&q, " OR ");
		}
		add_unlike(&q, &c[i], false);
		if (i + 1 < n && i - from < COMPOSITE_KEYS && q.len < STATEMENT_BYTES)
			continue;
		rc = sql_value_u64(conn, &unlike, e, "%s", q.buf);
		strbuf_reset(&q);
		if (!rc && unlike)
			rc = from == i ? say_unlike(conn, &c[i], e) : 0;
		/* once more, row by row */
		for (size_t k = from; !rc && unlike && k <= i && from < i; k++)
			rc = apply_check_computed(conn, &c[k], 1, e);
	}
	strbuf_release(&q);
	return rc;
}

/* ---- what a column cuts off without a word ---- */

int apply_look(struct sql *conn, const struct row_layout *t, struct err *e)
{
	struct strbuf q = STRBUF_INIT;
	struct sql_rows r = { 0 };
	int got = -1, rc = 0;

	if (*t->looked)
		return 0;
	literal_columns_query(&q, t->db, t->table);
	if (sql_query(conn, &r, e, "%s", q.buf) == 0)
		while (rc == 0 && (got = sql_rows_next(&r, e)) == 1)
			for (uint32_t k = 0; rc == 0 && r.cell[0] && r.cell[1] && k < t->n_columns;
			     k++) {
				const struct row_layout_column *c = &t->columns[k];

				if (!c->computed && !strcasecmp(c->name, r.cell[0]) &&
				    !literal_fits((enum column_type)c->type, c->text, r.cell[1]))
					rc = literal_unfit(c->name, (enum column_type)c->type,
							   c->text, r.cell[1], e);
			}
	sql_rows_release(&r);
	strbuf_release(&q);
	if (got < 0 || rc < 0)
		return err_wrap(e, "table %s.%s", t->db, t->table);
	*t->looked = true;
	return 0;
}

static int read_back(struct sql *conn, const struct merge_change *c, uint32_t column,
		     const struct redo_value *v, struct err *e)
{
	const struct row_layout *t = c->shape;
	struct redo_column rc = column_of(&t->columns[column], v);
	struct strbuf q = STRBUF_INIT;
	uint64_t there = 0;
	int got;

	strbuf_addstr(&q, "SELECT COUNT(*) FROM ");
	add_table(&q, t);
	strbuf_addstr(&q, " WHERE ");
	literal_add_same(&q, &rc);
	if (!t->keyless) {
		strbuf_addstr(&q, " AND ");
		add_unlike(&q, c, true);
	}
	got = sql_value_u64(conn, &there, e, "%s", q.buf);
	strbuf_reset(&q);
	row_layout_value_text(v, &q);
	if (got == 0 && !there)
		got = err_set(e, ERR_BAD_DATA, 0,
			      "the secondary stores a different value than the log has: %.60s of "
			      "column '%s': its column differs from the primary's",
			      q.buf, t->columns[column].name);
	strbuf_release(&q);
	return got < 0 ? -1 : 0;
}

int sink_check_fractions(struct sql *conn, const struct merge_change *c, size_t n, struct err *e)
{
	const struct row_layout *t = c->shape;

	for (size_t i = 0; t->fraction_kept && i < n; i++) {
		uint32_t at = 0;

		for (uint32_t k = 0; c[i].put && k < t->n_columns; k++) {
			struct redo_value v;
			unsigned digits;

			row_layout_image_next(c[i].image, &at, &v);
			digits = literal_fraction((enum column_type)t->columns[k].type, &v);
			if (t->columns[k].computed || digits <= t->fraction_kept[k])
				continue;
			if (read_back(conn, &c[i], k, &v, e) < 0)
				return -1;
			t->fraction_kept[k] = (unsigned char)digits;
		}
	}
	return 0;
}

bool apply_may_retry(const struct err *e)
{
	return e->kind == ERR_CONFLICT || e->kind == ERR_GONE ||
	       e->code == 1020 /* record has changed */ || e->code == 9007 || e->code == 8002 ||
	       e->code == 8022 || e->code == 8028;
}

int apply_blame(struct sql *conn, const struct merge_change *c, size_t n, struct err *e)
{
	struct strbuf q = STRBUF_INIT, key = STRBUF_INIT;
	struct err one = ERR_INIT;

	sql_exec(conn, NULL, "ROLLBACK");
	if (e->kind == ERR_SQL && !c->shape->keyless &&
	    sql_exec(conn, NULL, "START TRANSACTION") >= 0) {
		for (size_t i = 0; i < n && one.kind == ERR_NONE; i++) {
			apply_statement(&q, &c[i], 1);
			if (sql_exec_text(conn, &one, q.buf, q.len) < 0 && one.kind == ERR_SQL) {
				row_layout_key_text(c[i].shape, c[i].image, !c[i].put, &key);
				*e = one;
				err_wrap(e, "table %s.%s, key %s", c[i].shape->db,
					 c[i].shape->table, key.buf);
			}
		}
		sql_exec(conn, NULL, "ROLLBACK");
	}
	if (!key.len)
		err_wrap(e, "table %s.%s", c->shape->db, c->shape->table);
	strbuf_release(&q);
	strbuf_release(&key);
	return -1;
}

/* ---- what is asked of information_schema ---- */

void lookup_add(struct lookup *l, const char *select, ...)
{
	const char *column, *name, *sep = " WHERE ";
	va_list ap;

	if (l->n++ >= LOOKUPS_MAX)
		return;
	if (l->n > 1)
		strbuf_addstr(&l->q, " UNION ALL ");
	strbuf_addstr(&l->q, select);
	va_start(ap, select);
	while ((column = va_arg(ap, const char *)) && (name = va_arg(ap, const char *))) {
		strbuf_addf(&l->q, "%s%s = ", sep, column);
		sql_add_text(&l->q, name, strlen(name));
		sep = " AND ";
	}
	va_end(ap);
}

const char *lookup_end(struct lookup *l, const char *select, const char *everything)
{
	if (l->n && l->n <= LOOKUPS_MAX)
		return l->q.buf;
	strbuf_reset(&l->q);
	strbuf_addf(&l->q, "%s WHERE %s", select, everything);
	return l->q.buf;
}

static int raise_counter(struct sql *conn, const char *name, uint64_t highest, struct err *e)
{
	if (highest == UINT64_MAX)
		return 0;
	return sql_exec(conn, e, "ALTER TABLE %s AUTO_INCREMENT = %" PRIu64, name, highest + 1) < 0
		       ? err_wrap(e, "raise the AUTO_INCREMENT of %s", name)
		       : 0;
}

int apply_counters(struct sql *conn, const struct collected *c, struct err *e)
{
	static const char columns[] =
		"SELECT c.TABLE_SCHEMA, c.TABLE_NAME, c.COLUMN_NAME, IFNULL(t.AUTO_INCREMENT, 0)"
		" FROM information_schema.COLUMNS c JOIN information_schema.TABLES t"
		" ON c.EXTRA LIKE '%auto_increment%'";
	struct lookup l = { .q = STRBUF_INIT };
	struct strbuf names = STRBUF_INIT;
	struct sql_rows q = { 0 };
	uint64_t *highest = NULL;
	size_t n = 0;
	char *at;
	int got = -1, rc;

	if (!c->n_counters)
		return 0;
	for (size_t i = 0; i < c->n_counters; i++) {
		const struct counter *k = &c->counters[i];

		/* a table's come one after another, mostly */
		if (!i || strcmp(k->table, k[-1].table) != 0 || strcmp(k->db, k[-1].db) != 0)
			lookup_add(&l, columns, "c.TABLE_SCHEMA", k->db, "c.TABLE_NAME", k->table,
				   "t.TABLE_SCHEMA", k->db, "t.TABLE_NAME", k->table, NULL);
	}
	if (sql_query(conn, &q, e, "%s",
		      lookup_end(&l, columns,
				 "t.TABLE_SCHEMA = c.TABLE_SCHEMA AND t.TABLE_NAME = c.TABLE_NAME"
				 " AND LOWER(c.TABLE_SCHEMA) NOT IN " SYSTEM_SCHEMAS_SQL)) == 0)
		while ((got = sql_rows_next(&q, e)) == 1) {
			uint64_t max = collected_counter(c, q.cell[0], q.cell[1], q.cell[2]);

			if (!max || max < strtoull(q.cell[3], NULL, 10))
				continue;
			highest = xreallocarray(highest, n + 1, sizeof(*highest));
			highest[n++] = max;
			sql_add_name(&names, q.cell[0]);
			strbuf_addch(&names, '.');
			sql_add_name(&names, q.cell[1]);
			strbuf_addch(&names, 0);
		}
	sql_rows_release(&q);
	rc = got < 0 ? -1 : 0;
	at = names.buf;
	for (size_t i = 0; i < n && rc == 0; i++, at += strlen(at) + 1)
		rc = raise_counter(conn, at, highest[i], e);
	strbuf_release(&names);
	strbuf_release(&l.q);
	free(highest);
	return rc;
}

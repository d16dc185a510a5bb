#include "harness/redo/record_check.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "harness/base/xalloc.h"
#include "harness/redo/codec.h"
#include "harness/sql/charset.h"
#include "harness/sql/literal.h"
#include "harness/sql/schema.h"

#define TYPE_VECTOR 225
#define BYTES_MAX ((size_t)32 << 20) /* of structures; a log of more is looked at no further */
#define FLAGS_KNOWN 255u
/* Not those of keys that do not identify the row: an index may come without a DDL of the log, and
 * drtest's own changefeed may learn of one between two rows. */
#define FLAGS_COMPARED (FLAGS_KNOWN & ~(unsigned)(COLF_MULTIPLE_KEY | COLF_UNIQUE_KEY))

#define SHAPES_MAX 8 /* of one table id in an epoch; of more nothing is told */

struct seen { /* rows of one table id in an epoch that are described alike */
	uint32_t epoch;
	struct redo_table table;
	tso_t first_ts, last_ts;
	uint64_t start_ts;           /* of the first one read */
	struct redo_column *columns; /* of a second id of the name (a partition): the first one's */
	uint32_t n_columns;
	struct redo_index *indexes;
	uint32_t n_indexes;
	bool owner;
	struct seen *next;   /* the same id, described otherwise */
	struct seen *unlike; /* what it differs from, and how; NULL: from nothing */
	char *how;
	bool other_id; /* by its id alone */
};
struct record_check {
	struct charsets *charsets;
	const struct charset *utf8mb4;
	struct seen **seen;
	struct seen *last;
	size_t n, bytes;
	struct slot { /* by epoch and id, and by epoch and name: open addressing */
		uint64_t key;
		uint32_t of; /* 1 + index in seen; 0: free */
	} * slots;
	size_t n_slots;
};

struct record_check *record_check_new(void)
{
	struct record_check *c = xcalloc(1, sizeof(*c));
	struct err e = ERR_INIT;

	c->charsets = charsets_new(NULL);
	c->utf8mb4 = charsets_get(c->charsets, "utf8mb4", &e);
	return c;
}

static void seen_free(struct seen *s)
{
	for (uint32_t i = 0; s->owner && i < s->n_columns; i++) {
		free((char *)s->columns[i].name.p);
		free((char *)s->columns[i].charset.p);
		free((char *)s->columns[i].collation.p);
	}
	for (uint32_t i = 0; s->owner && i < s->n_indexes; i++)
		free((int32_t *)s->indexes[i].columns);
	if (s->owner) {
		free(s->columns);
		free(s->indexes);
	}
	free((char *)s->table.db.p);
	free((char *)s->table.table.p);
	free(s->how);
	free(s);
}

void record_check_free(struct record_check *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->n; i++)
		seen_free(c->seen[i]);
	free(c->seen);
	free(c->slots);
	charsets_free(c->charsets);
	free(c);
}

static bool same(struct redo_bytes a, struct redo_bytes b)
{
	return a.n == b.n && !memcmp(a.p, b.p, a.n);
}

static bool is(struct redo_bytes b, const char *text)
{
	return b.n == strlen(text) && !memcmp(b.p, text, b.n);
}

/* ---- values ---- */

static bool is_utf8(const struct record_check *c, struct redo_bytes s)
{
	uint32_t at = 0;
	uint64_t w;

	for (; s.n - at >= 8; at += 8) {
		memcpy(&w, s.p + at, 8);
		if (w & 0x8080808080808080u)
			break;
	}
	return charset_to_utf8(c->utf8mb4, s.p + at, s.n - at, NULL) == s.n - at;
}

static bool has_digits(const char **p, const char *end, unsigned least, unsigned most)
{
	const char *from = *p;

	while (*p < end && (unsigned)(*p - from) < most && isdigit((unsigned char)**p))
		++*p;
	return (unsigned)(*p - from) >= least;
}

/* Of a few digits; -1: they are not there. */
static int number(const char **p, const char *end, unsigned least, unsigned most)
{
	const char *from = *p;
	int v = 0;

	if (!has_digits(p, end, least, most))
		return -1;
	for (; from < *p; from++)
		v = v * 10 + (*from - '0');
	return v;
}

static bool takes(const char **p, const char *end, char c)
{
	if (*p == end || **p != c)
		return false;
	++*p;
	return true;
}

static bool is_fraction_or_end(const char *p, const char *end)
{
	return p == end || (takes(&p, end, '.') && has_digits(&p, end, 1, 6) && p == end);
}

static bool is_clock(const char *p, const char *end, unsigned hour_digits, int hours_max)
{
	int h = number(&p, end, 2, hour_digits), m, s;

	if (h < 0 || h > hours_max || !takes(&p, end, ':'))
		return false;
	m = number(&p, end, 2, 2);
	if (m < 0 || m > 59 || !takes(&p, end, ':'))
		return false;
	s = number(&p, end, 2, 2);
	return s >= 0 && s <= 59 && is_fraction_or_end(p, end);
}

static bool is_date(struct redo_bytes s, bool time)
{
	const char *p = s.p, *end = p + s.n;
	int month, day;

	if (!has_digits(&p, end, 4, 4) || !takes(&p, end, '-'))
		return false;
	month = number(&p, end, 2, 2);
	if (month < 0 || month > 12 || !takes(&p, end, '-'))
		return false;
	day = number(&p, end, 2, 2);
	if (day < 0 || day > 31)
		return false;
	return time ? takes(&p, end, ' ') && is_clock(p, end, 2, 23) : p == end;
}

static bool is_time(struct redo_bytes s)
{
	const char *p = s.p, *end = p + s.n;

	takes(&p, end, '-');
	return is_clock(p, end, 3, 838);
}

static bool is_decimal(struct redo_bytes s)
{
	const char *p = s.p, *end = p + s.n;

	takes(&p, end, '-');
	if (!has_digits(&p, end, 1, 65))
		return false;
	return p == end || (takes(&p, end, '.') && has_digits(&p, end, 1, 30) && p == end);
}

static bool skip_string(const char **p, const char *end)
{
	for (; *p < end && **p != '"'; ++*p) {
		if ((unsigned char)**p < ' ')
			return false;
		if (**p == '\\' && (++*p == end || !**p || !strchr("\"\\/bfnrtu", **p)))
			return false;
	}
	return takes(p, end, '"');
}

/* Its tokens; that they nest is the server's to say. */
static bool is_json(const struct record_check *c, struct redo_bytes s)
{
	static const char *const words[] = { "true", "false", "null" };
	const char *p = s.p, *end = p + s.n;

	while (p < end) {
		size_t i = 0, n = 0;

		if (*p && strchr("{}[]:, +-.eE0123456789", *p)) {
			p++;
		} else if (takes(&p, end, '"')) {
			if (!skip_string(&p, end))
				return false;
		} else {
			for (; i < 3 && !n; i++)
				if ((size_t)(end - p) >= strlen(words[i]) &&
				    !memcmp(p, words[i], strlen(words[i])))
					n = strlen(words[i]);
			if (!n)
				return false;
			p += n;
		}
	}
	return s.n && is_utf8(c, s);
}

static bool is_integer(const struct redo_column *col, unsigned bytes)
{
	const struct redo_value *v = &col->value;
	uint64_t top = UINT64_MAX >> (64 - bytes * 8);

	if (col->flag & COLF_UNSIGNED)
		return v->kind == REDO_UINT && v->u <= top;
	return v->kind == REDO_INT && v->i <= (int64_t)(top >> 1) &&
	       v->i >= -(int64_t)(top >> 1) - 1;
}

static bool holds(const struct record_check *c, const struct redo_column *col)
{
	const struct redo_value *v = &col->value;
	bool number = v->kind == REDO_INT || v->kind == REDO_UINT, text = v->kind == REDO_STR;

	switch (col->type) {
	case COL_TINY: return is_integer(col, 1);
	case COL_SHORT: return is_integer(col, 2);
	case COL_INT24: return is_integer(col, 3);
	case COL_LONG: return is_integer(col, 4);
	case COL_LONGLONG: return is_integer(col, 8);
	case COL_YEAR: return number && (!v->u || (v->u > 1900 && v->u < 2156));
	case COL_ENUM: return v->kind == REDO_UINT && v->u <= UINT16_MAX;
	case COL_BIT:
	case COL_SET: return v->kind == REDO_UINT;
	case COL_FLOAT:
	case COL_DOUBLE:
		return (v->kind == REDO_F32 && isfinite(v->f32)) ||
		       (v->kind == REDO_F64 && isfinite(v->f64));
	case COL_DECIMAL: return text && is_decimal(v->s);
	case COL_DATE: return text && is_date(v->s, false);
	case COL_DATETIME:
	case COL_TIMESTAMP: return text && is_date(v->s, true);
	case COL_TIME: return text && is_time(v->s);
	case COL_JSON: return text && is_json(c, v->s);
	case TYPE_VECTOR: return text;
	default: /* texts and byte strings */
		if (v->kind != REDO_BIN && !text)
			return false;
		/* what TiDB calls latin1 may be any bytes */
		return !literal_is_text(col) ||
		       !(is(col->charset, "utf8mb4") || is(col->charset, "utf8")) ||
		       is_utf8(c, v->s);
	}
}

static int fail_row(const struct record_check *c, const struct redo_row *r, struct err *e,
		    const char *what)
{
	err_set(e, ERR_BAD_DATA, 0,
		"the row of %.*s.%.*s at commitTs %" PRIu64 " (startTs %" PRIu64 ") is damaged: %s",
		(int)r->table.db.n, r->table.db.p, (int)r->table.table.n, r->table.table.p,
		r->commit_ts, r->start_ts, what);
	/* what is damaged may be a name */
	if (e && !is_utf8(c, (struct redo_bytes){ e->text, (uint32_t)strlen(e->text) }))
		for (char *p = e->text; *p; p++)
			*p = (char)((unsigned char)*p < 127 ? *p : '?');
	return -1;
}

static int check_values(const struct record_check *c, const struct redo_row *r,
			const struct redo_column *col, uint32_t n, struct err *e)
{
	char what[160];

	for (; n--; col++) {
		if (col->absent || (col->value.kind == REDO_NULL ? (col->flag & COLF_NULLABLE) != 0
								 : holds(c, col)))
			continue;
		snprintf(what, sizeof(what), "column %.*s, of type %u%s, cannot have its value%s",
			 (int)(col->name.n < 64 ? col->name.n : 64), col->name.p, col->type,
			 col->flag & COLF_UNSIGNED ? " unsigned" : "",
			 col->value.kind == REDO_NULL ? ", NULL" : "");
		return fail_row(c, r, e, what);
	}
	return 0;
}

/* ---- one row's structure ---- */

static bool is_type(uint8_t type)
{
	return (type >= COL_TINY && type <= COL_DOUBLE) ||
	       (type >= COL_TIMESTAMP && type <= COL_YEAR) || type == COL_VARCHAR ||
	       type == COL_BIT || type == TYPE_VECTOR || (type >= COL_JSON && type <= COL_STRING);
}

static bool is_plain_word(struct redo_bytes s)
{
	for (uint32_t i = 0; i < s.n; i++)
		if (!islower((unsigned char)s.p[i]) && !isdigit((unsigned char)s.p[i]) &&
		    s.p[i] != '_')
			return false;
	return s.n > 0;
}

static const char *column_fault(const struct record_check *c, const struct redo_column *col)
{
	bool binary = is(col->charset, "binary");

	if (!col->name.n || !is_utf8(c, col->name))
		return "a column's name is no name";
	if (!is_type(col->type))
		return "a column has a type that none has";
	if (col->flag & ~FLAGS_KNOWN)
		return "a column has flags that none has";
	if ((col->flag & COLF_PRIMARY_KEY) && !(col->flag & COLF_HANDLE_KEY))
		return "a column of the primary key does not identify the row";
	if ((col->flag & COLF_HANDLE_KEY) && (col->flag & COLF_NULLABLE))
		return "a column identifies the row and can be NULL";
	if (!col->charset.n) /* an old log */
		return NULL;
	if (!is_plain_word(col->charset) || binary != ((col->flag & COLF_BINARY) != 0))
		return "a column's character set does not fit its type and flags";
	if (!col->collation.n)
		return NULL;
	if (!is_plain_word(col->collation) || col->collation.n < col->charset.n ||
	    memcmp(col->collation.p, col->charset.p, col->charset.n) ||
	    (col->collation.n > col->charset.n && col->collation.p[col->charset.n] != '_') ||
	    (col->collation.n == col->charset.n && !binary))
		return "a column's collation does not fit its character set";
	return NULL;
}

/* A description of the table is made from flags and index-columns: they have to agree. (The new
 * architecture's flags say of a unique key's first column alone that it is in one.) */
static const char *keys_fault(const struct redo_row *r, const struct redo_column *col, uint32_t n)
{
	bool primary = false, listed = false;

	for (uint32_t i = 0; i < r->n_indexes; i++) {
		bool all = r->indexes[i].n > 0;

		for (uint32_t k = 0; k < r->indexes[i].n; k++)
			all = all && (col[r->indexes[i].columns[k]].flag & COLF_PRIMARY_KEY);
		listed = listed || all;
	}
	for (uint32_t i = 0; i < n; i++) {
		bool in_key = !(col[i].flag & COLF_HANDLE_KEY);

		primary = primary || (col[i].flag & COLF_PRIMARY_KEY);
		for (uint32_t k = 0; k < r->n_indexes && !in_key; k++)
			for (uint32_t l = 0; l < r->indexes[k].n && !in_key; l++)
				in_key = (uint32_t)r->indexes[k].columns[l] == i;
		if (!in_key)
			return "a column identifies the row without being in a key that can";
	}
	return primary != listed ? "its primary key is not among its indexes" : NULL;
}

static const char *row_fault(const struct record_check *c, const struct redo_row *r,
			     const struct redo_column *col, uint32_t n)
{
	const char *fault;

	if (!r->table.db.n || !r->table.table.n || !is_utf8(c, r->table.db) ||
	    !is_utf8(c, r->table.table))
		return "its table has no name";
	if (r->table.id <= 0)
		return "its table has no id";
	for (uint32_t i = 0; i < n; i++) {
		fault = col[i].absent ? NULL : column_fault(c, &col[i]);
		if (fault)
			return fault;
		for (uint32_t k = 0; k < i; k++)
			if (!col[i].absent && !col[k].absent && same(col[i].name, col[k].name))
				return "two of its columns have one name";
	}
	return keys_fault(r, col, n);
}

/* ---- one table's rows ---- */

/* NULL: no difference. An absent column says nothing. */
static const char *column_difference(const struct redo_column *a, const struct redo_column *b)
{
	if (a->absent || b->absent)
		return NULL;
	if (!same(a->name, b->name))
		return "another name";
	if (a->type != b->type)
		return "another type";
	if ((a->flag ^ b->flag) & FLAGS_COMPARED)
		return "other flags";
	if (!same(a->charset, b->charset) || !same(a->collation, b->collation))
		return "another character set or collation";
	return NULL;
}

static bool same_indexes(const struct seen *s, const struct redo_row *r)
{
	if (s->n_indexes != r->n_indexes)
		return true; /* as for flags */
	for (uint32_t i = 0; i < s->n_indexes; i++)
		if (s->indexes[i].n != r->indexes[i].n ||
		    (s->indexes[i].n && memcmp(s->indexes[i].columns, r->indexes[i].columns,
					       s->indexes[i].n * sizeof(*s->indexes[i].columns))))
			return false;
	return true;
}

/* How r is described otherwise than s's rows; NULL: alike. free() it. */
static char *difference(const struct seen *s, const struct redo_row *r,
			const struct redo_column *col, uint32_t n)
{
	if (!same(s->table.table, r->table.table) || !same(s->table.db, r->table.db) ||
	    s->table.is_partition != r->table.is_partition)
		return xstrfmt("another table's name");
	if (n != s->n_columns)
		return xstrfmt("another number of columns");
	for (uint32_t i = 0; i < n; i++) {
		const char *unlike = column_difference(&col[i], &s->columns[i]);

		if (unlike)
			return xstrfmt("%s of column %u (%.*s)", unlike, i + 1,
				       (int)(col[i].name.n < 64 ? col[i].name.n : 64),
				       col[i].name.p);
	}
	return same_indexes(s, r) ? NULL : xstrfmt("other unique keys");
}

static void own_structure(struct record_check *c, struct seen *s, const struct redo_row *r,
			  const struct redo_column *col, uint32_t n)
{
	s->owner = true;
	s->columns = xcalloc(n, sizeof(*s->columns));
	s->n_columns = n;
	for (uint32_t i = 0; i < n; i++) {
		s->columns[i] = col[i];
		s->columns[i].name = redo_bytes_copy(col[i].name);
		s->columns[i].charset = redo_bytes_copy(col[i].charset);
		s->columns[i].collation = redo_bytes_copy(col[i].collation);
	}
	s->indexes = xcalloc(r->n_indexes + 1, sizeof(*s->indexes));
	s->n_indexes = r->n_indexes;
	for (uint32_t i = 0; i < r->n_indexes; i++) {
		int32_t *to = xcalloc(r->indexes[i].n + 1, sizeof(*to));

		if (r->indexes[i].n)
			memcpy(to, r->indexes[i].columns, r->indexes[i].n * sizeof(*to));
		s->indexes[i] = (struct redo_index){ to, r->indexes[i].n };
	}
	c->bytes += n * (sizeof(*s->columns) + 96) + r->n_indexes * 48;
}

static uint64_t id_key(uint32_t epoch, int64_t id)
{
	return XXH3_64bits_withSeed(&id, sizeof(id), epoch);
}

static uint64_t name_key(uint32_t epoch, const struct redo_table *t)
{
	return XXH3_64bits_withSeed(t->table.p, t->table.n,
				    XXH3_64bits_withSeed(t->db.p, t->db.n, epoch));
}

static struct slot *slot_of(const struct record_check *c, uint64_t key)
{
	size_t at = (size_t)key & (c->n_slots - 1);

	while (c->slots[at].of && c->slots[at].key != key)
		at = (at + 1) & (c->n_slots - 1);
	return &c->slots[at];
}

static struct seen *seen_of(const struct record_check *c, uint64_t key)
{
	uint32_t of = c->n ? slot_of(c, key)->of : 0;

	return of ? c->seen[of - 1] : NULL;
}

static void reserve(struct record_check *c)
{
	struct slot *old = c->slots;
	size_t n = c->n_slots;

	if ((c->n + 1) * 4 <= n)
		return;
	c->n_slots = n ? n * 2 : 256;
	c->slots = xcalloc(c->n_slots, sizeof(*c->slots));
	for (size_t i = 0; i < n; i++)
		if (old[i].of)
			*slot_of(c, old[i].key) = old[i];
	free(old);
	c->seen = xreallocarray(c->seen, c->n_slots, sizeof(struct seen *));
}

static struct seen *add(struct record_check *c, uint32_t epoch, const struct redo_row *r,
			const struct redo_column *col, uint32_t n, const struct seen *alike)
{
	struct seen *s = xcalloc(1, sizeof(*s));

	s->epoch = epoch;
	s->table = r->table;
	s->table.db = redo_bytes_copy(r->table.db);
	s->table.table = redo_bytes_copy(r->table.table);
	s->first_ts = s->last_ts = r->commit_ts;
	s->start_ts = r->start_ts;
	if (alike) {
		s->columns = alike->columns;
		s->n_columns = alike->n_columns;
		s->indexes = alike->indexes;
		s->n_indexes = alike->n_indexes;
	} else {
		own_structure(c, s, r, col, n);
	}
	c->bytes += sizeof(*s) + 64;
	reserve(c);
	c->seen[c->n++] = s;
	return s;
}

/* The first row of this id: is the name known by another one? Partitions of a table share its
 * structure, and only they share a name. */
static struct seen *add_id(struct record_check *c, uint32_t epoch, const struct redo_row *r,
			   const struct redo_column *col, uint32_t n)
{
	uint64_t name = name_key(epoch, &r->table), id = id_key(epoch, r->table.id);
	struct seen *other = seen_of(c, name), *s;
	bool other_id = other && (!other->table.is_partition || !r->table.is_partition);
	char *how = other_id ? xstrfmt("another table id")
		    : other  ? difference(other, r, col, n)
			     : NULL;

	s = add(c, epoch, r, col, n, how ? NULL : other);
	s->how = how;
	s->unlike = how ? other : NULL;
	s->other_id = other_id;
	*slot_of(c, id) = (struct slot){ id, (uint32_t)c->n };
	if (!other)
		*slot_of(c, name) = (struct slot){ name, (uint32_t)c->n };
	return s;
}

/* Those of this id that are described like r; a new one if there are none yet. */
static struct seen *shape_of(struct record_check *c, uint32_t epoch, const struct redo_row *r,
			     const struct redo_column *col, uint32_t n, const char **fault)
{
	struct seen *s = c->last, *first, **end;
	char *how = NULL;
	unsigned shapes = 0;

	if (!s || s->table.id != r->table.id || s->epoch != epoch)
		s = seen_of(c, id_key(epoch, r->table.id));
	first = s;
	for (end = &first; *end; end = &(*end)->next, shapes++) {
		char *unlike = difference(*end, r, col, n);

		if (!unlike) {
			free(how);
			c->last = first;
			return *end;
		}
		if (how)
			free(unlike);
		else
			how = unlike;
	}
	*fault = shapes < SHAPES_MAX && c->bytes <= BYTES_MAX ? row_fault(c, r, col, n) : NULL;
	if (*fault || shapes == SHAPES_MAX || c->bytes > BYTES_MAX) {
		free(how);
		return NULL;
	}
	if (!first)
		return c->last = add_id(c, epoch, r, col, n);
	s = add(c, epoch, r, col, n, NULL);
	s->how = how;
	s->unlike = first;
	c->last = first;
	return *end = s;
}

static int check_structure(struct record_check *c, uint32_t epoch, const struct redo_row *r,
			   const struct redo_column *col, uint32_t n, struct err *e)
{
	const char *fault = NULL;
	struct seen *s = shape_of(c, epoch, r, col, n, &fault);

	if (fault)
		return fail_row(c, r, e, fault);
	if (s && r->commit_ts < s->first_ts)
		s->first_ts = r->commit_ts;
	if (s && r->commit_ts > s->last_ts)
		s->last_ts = r->commit_ts;
	return 0;
}

static bool overlap(const struct seen *a, const struct seen *b)
{
	return a->first_ts <= b->last_ts && b->first_ts <= a->last_ts;
}

/* A DDL that the log has not got changes a table once and for all; an altered record stands among
 * others. Several tables may be routed to one name: then there is more than one record of each. */
static bool contradicts(const struct seen *s)
{
	if (s->other_id)
		return overlap(s, s->unlike) &&
		       (s->first_ts == s->last_ts || s->unlike->first_ts == s->unlike->last_ts);
	for (const struct seen *o = s->unlike; o; o = o->next)
		if (o != s && overlap(s, o))
			return true;
	return false;
}

int record_check_end(struct record_check *c, record_check_fn *tell, void *arg, struct err *e)
{
	for (size_t i = 0; i < c->n; i++) {
		const struct seen *s = c->seen[i];
		const struct redo_row r = { .table = s->table,
					    .commit_ts = s->first_ts,
					    .start_ts = s->start_ts };
		bool altered = s->unlike && contradicts(s);
		char *text;

		if (!s->unlike || (!altered && s->other_id && overlap(s, s->unlike)))
			continue;
		if (altered) {
			text = xstrfmt(
				"it has %s than rows of the same table from commitTs %" PRIu64
				" to %" PRIu64
				", with no DDL of the log between: one of them was altered, "
				"or the log lacks a DDL",
				s->how, s->unlike->first_ts, s->unlike->last_ts);
			fail_row(c, &r, e, text);
		} else {
			text = xstrfmt("%.*s.%.*s has %s from commitTs %" PRIu64 " to %" PRIu64
				       " than from %" PRIu64 " to %" PRIu64
				       ", and the log has no DDL between: either the changefeed's "
				       "filter leaves it out, and the secondary has got it another "
				       "way, or the log lacks it",
				       (int)s->table.db.n, s->table.db.p, (int)s->table.table.n,
				       s->table.table.p, s->how, s->first_ts, s->last_ts,
				       s->unlike->first_ts, s->unlike->last_ts);
			err_set(e, ERR_BAD_DATA, 0, "%s", text);
		}
		free(text);
		if (tell(arg, altered, e) < 0)
			return -1;
	}
	return 0;
}

int record_check_row(struct record_check *c, uint32_t epoch, const struct redo_row *r,
		     struct err *e)
{
	if (r->n_columns && (check_structure(c, epoch, r, r->columns, r->n_columns, e) < 0 ||
			     check_values(c, r, r->columns, r->n_columns, e) < 0))
		return -1;
	if (r->n_pre_columns &&
	    (check_structure(c, epoch, r, r->pre_columns, r->n_pre_columns, e) < 0 ||
	     check_values(c, r, r->pre_columns, r->n_pre_columns, e) < 0))
		return -1;
	return 0;
}

#include "harness/binlog/map_schema.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "harness/base/xalloc.h"
#include "harness/binlog/row_image.h"

#define COLLATION_BINARY 63

bool map_schema_tells(const struct table_map *m)
{
	for (uint32_t i = 0; i < m->n_columns; i++)
		if (!m->columns[i].name)
			return false;
	return m->n_primary && !m->primary_prefix;
}

static enum column_type type_of(const struct table_map_column *m)
{
	static const enum column_type blobs[] = { COL_TINYBLOB, COL_BLOB, COL_MEDIUMBLOB,
						  COL_LONGBLOB };

	switch (m->type) {
	case BT_TINY:
	case BT_SHORT:
	case BT_LONG:
	case BT_LONGLONG:
	case BT_INT24:
	case BT_FLOAT:
	case BT_DOUBLE:
	case BT_YEAR:
	case BT_BIT:
	case BT_NEWDECIMAL:
	case BT_ENUM:
	case BT_SET: return (enum column_type)m->type; /* the codes are the same */
	case BT_DATE:
	case BT_NEWDATE: return COL_DATE;
	case BT_TIME:
	case BT_TIME2: return COL_TIME;
	case BT_DATETIME:
	case BT_DATETIME2: return COL_DATETIME;
	case BT_TIMESTAMP:
	case BT_TIMESTAMP2: return COL_TIMESTAMP;
	case BT_VARCHAR:
	case BT_VAR_STRING: return COL_VARCHAR;
	case BT_STRING: return COL_STRING;
	case BT_TINY_BLOB:
	case BT_MEDIUM_BLOB:
	case BT_LONG_BLOB:
	case BT_BLOB: return m->length >= 1 && m->length <= 4 ? blobs[m->length - 1] : COL_BLOB;
	default: return COL_UNKNOWN;
	}
}

static bool has_decimals(enum column_type type)
{
	return type == COL_DECIMAL || type == COL_TIME || type == COL_DATETIME ||
	       type == COL_TIMESTAMP;
}

/* MariaDB 5.3's times (mysql56_temporal_format=OFF), whose digits behind the point no map tells. */
static bool hides_decimals(const struct table_map_column *m)
{
	return m->type == BT_TIME || m->type == BT_DATETIME || m->type == BT_TIMESTAMP;
}

/* The number of the collation that its values have; 0: it is no text. */
static unsigned collation_of(const struct table_map_column *m, enum column_type type)
{
	bool text = type == COL_STRING || type == COL_VARCHAR || type == COL_TINYBLOB ||
		    type == COL_BLOB || type == COL_MEDIUMBLOB || type == COL_LONGBLOB ||
		    type == COL_ENUM || type == COL_SET;

	return text ? m->collation : 0;
}

/* What the map alone tells. */
static int from_map(struct column *c, const struct table_map_column *m, struct charsets *sets,
		    struct err *e)
{
	enum column_type type = type_of(m);
	unsigned id = collation_of(m, type);
	const struct collation *of = NULL;

	if (id && id != COLLATION_BINARY && !(of = charsets_collation(sets, id, e)))
		return -1;
	*c = (struct column){ .name = xstrdup(m->name),
			      .sql_type = xstrfmt("type %u of the binary log", m->type),
			      .type = type,
			      .charset = xstrdup(of ? of->charset : "binary"),
			      .collation = xstrdup(of ? of->name : "binary") };
	if (!of)
		c->flags |= COLF_BINARY;
	if (m->is_unsigned && type != COL_YEAR) /* which always is */
		c->flags |= COLF_UNSIGNED;
	if (type == COL_BIT)
		c->length = m->length;
	else if (type == COL_STRING || type == COL_VARCHAR)
		c->length = of && of->maxlen ? m->length / of->maxlen : m->length;
	if (has_decimals(type))
		c->decimals = m->decimals;
	return 0;
}

static bool is_like(const struct column *was, const struct column *now,
		    const struct table_map_column *m)
{
	bool json = now->type == COL_JSON; /* a LONGTEXT to the binary log */

	if (now->type == COL_UNKNOWN) /* a type that is another's to the binary log: not for us */
		return true;
	if (!row_type_fits(now, m) || (was->flags ^ now->flags) & COLF_UNSIGNED)
		return false;
	if (!json && (was->type != now->type || strcmp(was->charset, now->charset) != 0 ||
		      strcmp(was->collation, now->collation) != 0))
		return false;
	return was->length == now->length &&
	       (!has_decimals(was->type) || hides_decimals(m) || was->decimals == now->decimals);
}

/* What the map does not tell of a column that is still what it was. */
static void take_rest(struct column *c, const struct column *now)
{
	c->type = now->type;
	c->length = now->length;
	c->decimals = now->decimals;
	free(c->sql_type);
	free(c->charset);
	free(c->collation);
	c->sql_type = xstrdup(now->sql_type);
	c->charset = xstrdup(now->charset);
	c->collation = xstrdup(now->collation);
	c->flags = now->flags & (COLF_BINARY | COLF_GENERATED | COLF_UNSIGNED);
	c->is_virtual = now->is_virtual;
	c->is_row_time = now->is_row_time;
	c->auto_increment = now->auto_increment;
}

static void add_key(struct table_schema *t, const char *name, const uint32_t *at, uint32_t n)
{
	struct index_key *k;

	t->uniques = xreallocarray(t->uniques, t->n_uniques + 1, sizeof(*t->uniques));
	k = &t->uniques[t->n_uniques];
	*k = (struct index_key){ .name = xstrdup(name),
				 .primary = !t->n_uniques,
				 .not_null = !t->n_uniques,
				 .columns = xcalloc(n, sizeof(int)),
				 .n_columns = n };
	for (uint32_t i = 0; i < n; i++)
		k->columns[i] = (int)at[i];
	t->n_uniques++;
}

/* Behind a table's own columns the server keeps a hash of each unique key that no index can hold.
 * Whoever names a column of his own so has it in its structure, or of another type. */
static bool is_hash(const struct table_map_column *c, const struct table_schema *now)
{
	if (c->type != BT_LONGLONG || strncmp(c->name, "DB_ROW_HASH_", 12))
		return false;
	for (size_t k = 0; now && k < now->n_columns; k++)
		if (!strcasecmp(now->columns[k].name, c->name))
			return false;
	return true;
}

/* as SHOW CREATE TABLE spells it */
#define VERSIONED "WITH SYSTEM VERSIONING"

static bool is_row_time(const struct table_map_column *c)
{
	return c->type == BT_TIMESTAMP2 && c->decimals == 6 && !c->nullable;
}

/* Was the table system-versioned when the row was written? A RENAME may have put another table in
 * its place since. Each row has the columns of ROW START and ROW END, two TIMESTAMP(6), and the
 * primary key ends with the latter. No structure lists the two where the table names none. */
static bool was_versioned(const struct table_map *m, const struct table_schema *now)
{
	const struct table_map_column *last;
	unsigned times = 0;

	if (!m->n_primary)
		return false;
	last = &m->columns[m->primary[m->n_primary - 1]];
	for (size_t k = 0; now && k < now->n_columns; k++)
		if (!strcasecmp(now->columns[k].name, last->name))
			return now->columns[k].is_row_time;
	for (uint32_t i = 0; i < m->n_columns; i++)
		times += is_row_time(&m->columns[i]);
	return is_row_time(last) && m->n_primary > 1 && times > 1;
}

int map_schema(const struct table_map *m, const struct table_schema *now, struct charsets *sets,
	       struct table_schema *out, struct err *e)
{
	uint32_t n = m->n_columns;

	while (n && is_hash(&m->columns[n - 1], now))
		n--;
	*out = (struct table_schema){ .db = xstrdup(m->db),
				      .table = xstrdup(m->table),
				      .columns = xcalloc(n ? n : 1, sizeof(*out->columns)) };
	if (was_versioned(m, now)) /* all that is known of it */
		out->create_sql = xstrdup(VERSIONED);
	else if (now && now->create_sql && !schema_says(now->create_sql, "WITH", "SYSTEM"))
		out->create_sql = xstrdup(now->create_sql);
	for (uint32_t i = 0; i < n; i++) {
		struct column *c = &out->columns[i];
		bool told = !hides_decimals(&m->columns[i]);
		int rc = from_map(c, &m->columns[i], sets, e);

		out->n_columns += rc == 0;
		for (size_t k = 0; rc == 0 && now && k < now->n_columns; k++)
			if (!strcasecmp(now->columns[k].name, c->name) &&
			    is_like(c, &now->columns[k], &m->columns[i])) {
				take_rest(c, &now->columns[k]);
				told = true;
			}
		if (rc == 0 && !told)
			rc = err_set(e, ERR_UNSUPPORTED, 0,
				     "a time in the format of mysql56_temporal_format=OFF in a "
				     "column that the primary has changed since: take a new "
				     "backup, and start from it");
		if (rc < 0) {
			err_wrap(e, "%s.%s.%s", m->db, m->table, m->columns[i].name);
			schema_release(out);
			return -1;
		}
		c->ordinal = i + 1;
		if (m->columns[i].nullable)
			c->flags |= COLF_NULLABLE;
	}
	add_key(out, "PRIMARY", m->primary, m->n_primary);
	for (uint32_t i = 0; i < m->n_primary; i++)
		out->columns[m->primary[i]].flags |= COLF_PRIMARY_KEY | COLF_HANDLE_KEY;
	for (uint32_t i = 0; i < n; i++)
		if (!(out->columns[i].flags & COLF_PRIMARY_KEY) || m->n_primary > 1)
			add_key(out, m->columns[i].name, &i, 1);
	return 0;
}

#include "harness/backup/manifest.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "harness/backup/backup.h"
#include "harness/base/xalloc.h"
#include "harness/sql/checksum.h"
#include "harness/sql/schema.h"

#define FORMAT 2 /* 1 had no sequences */
#define MANIFEST_BYTES_MAX ((size_t)1 << 30)
#define HEAD "{\"xxh3\":\""
#define MIDDLE "\",\"manifest\":"
#define BODY_AT (sizeof(HEAD) - 1 + 16 + sizeof(MIDDLE) - 1)

/* Names and definitions may be any bytes that the server has; JSON is UTF-8. The server sends them
 * as utf8mb4. */
static json_t *text_json(const char *s)
{
	json_t *j = json_string(s ? s : "");

	return j ? j : json_string_nocheck(s);
}

static json_t *u64_text(uint64_t v)
{
	char b[24];

	snprintf(b, sizeof(b), "%" PRIu64, v);
	return json_string(b);
}

static json_t *table_json(const struct manifest_table *t)
{
	json_t *columns = json_array(), *chunks = json_array();

	for (size_t i = 0; i < t->n_columns; i++)
		json_array_append_new(columns,
				      json_pack("[o,s%]", text_json(t->columns[i].name),
						(char[]){ (char)t->columns[i].as }, (size_t)1));
	for (size_t i = 0; i < t->n_chunks; i++) {
		const struct manifest_chunk *c = &t->chunks[i];
		char sum[17];

		snprintf(sum, sizeof(sum), "%016" PRIx64, c->xxh3);
		json_array_append_new(chunks, json_pack("{s:s,s:I,s:I,s:I,s:I,s:s}", "key", c->key,
							"size", (json_int_t)c->size_bytes, "raw",
							(json_int_t)c->raw_bytes, "rows",
							(json_int_t)c->rows, "warnings",
							(json_int_t)c->warnings, "xxh3", sum));
	}
	return json_pack("{s:o,s:o,s:o,s:o,s:o,s:I,s:I,s:o}", "db", text_json(t->db), "table",
			 text_json(t->name), "create", text_json(t->create_sql), "columns", columns,
			 "chunks", chunks, "rows", (json_int_t)t->rows, "raw",
			 (json_int_t)t->raw_bytes, "sum", u64_text(t->sum));
}

static json_t *objects_json(const struct manifest_object *o, size_t n)
{
	json_t *a = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(a, json_pack("{s:o,s:o,s:o,s:s*,s:s*}", "db",
						   text_json(o[i].db), "name", text_json(o[i].name),
						   "create", text_json(o[i].create_sql), "next",
						   o[i].next, "collation", o[i].collation));
	return a;
}

static int text_is_utf8(const char *what, const char *db, const char *name, const char *create_sql,
			struct err *e)
{
	json_t *j = json_string(create_sql);

	json_decref(j);
	return j ? 0
		 : err_set(e, ERR_UNSUPPORTED, 0,
			   "the definition of %s %s.%s is not UTF-8 (has it a literal in another "
			   "character set?): leave it out with --ignore %s.%s",
			   what, db, name, db, name);
}

int manifest_check_texts(const struct manifest *m, struct err *e)
{
	int rc = 0;

	for (size_t i = 0; i < m->n_tables && rc == 0; i++)
		rc = text_is_utf8("table", m->tables[i].db, m->tables[i].name,
				  m->tables[i].create_sql, e);
	for (size_t i = 0; i < m->n_views && rc == 0; i++)
		rc = text_is_utf8("view", m->views[i].db, m->views[i].name, m->views[i].create_sql,
				  e);
	return rc;
}

int manifest_write(struct store *to, const struct manifest *m, struct err *e)
{
	struct strbuf out = STRBUF_INIT;
	json_t *tables = json_array(), *root;
	char *body;
	int rc;

	for (size_t i = 0; i < m->n_tables; i++)
		json_array_append_new(tables, table_json(&m->tables[i]));
	root = json_pack("{s:i,s:i,s:o,s:o,s:o,s:o,s:o,s:o,s:o}", "format", FORMAT, "sum_form",
			 (int)CHECKSUM_FORM, "source", text_json(m->source_version), "backup_ts",
			 u64_text(m->backup_ts), "backup_seq", u64_text(m->backup_seq), "databases",
			 objects_json(m->dbs, m->n_dbs), "views",
			 objects_json(m->views, m->n_views), "sequences",
			 objects_json(m->sequences, m->n_sequences), "tables", tables);
	body = root ? json_dumps(root, JSON_COMPACT) : NULL;
	json_decref(root);
	if (!body)
		return err_set(e, ERR_UNSUPPORTED, 0, "a table's name or definition is not UTF-8");
	strbuf_addf(&out, HEAD "%016" PRIx64 MIDDLE, (uint64_t)XXH3_64bits(body, strlen(body)));
	strbuf_addstr(&out, body);
	strbuf_addstr(&out, "}\n");
	free(body);
	rc = store_put(to, BACKUP_MANIFEST, out.buf, out.len, e);
	strbuf_release(&out);
	return rc;
}

static bool get_text(json_t *o, const char *name, char **out)
{
	json_t *j = json_object_get(o, name);

	if (!json_is_string(j) || strlen(json_string_value(j)) != json_string_length(j))
		return false;
	*out = xstrdup(json_string_value(j));
	return true;
}

static bool get_u64(json_t *o, const char *name, uint64_t *out)
{
	json_t *j = json_object_get(o, name);

	if (json_is_string(j))
		return tso_parse(json_string_value(j), out);
	if (!json_is_integer(j) || json_integer_value(j) < 0)
		return false;
	*out = (uint64_t)json_integer_value(j);
	return true;
}

/* Keys are ours: letters, digits, '/', '-', '.', and never a way out of the prefix. */
static bool key_is_sound(const char *key)
{
	return *key && strspn(key, "abcdefghijklmnopqrstuvwxyz0123456789/-.") == strlen(key) &&
	       *key != '/' && !strstr(key, "..");
}

static bool parse_table(json_t *o, struct manifest_table *t)
{
	json_t *columns = json_object_get(o, "columns"), *chunks = json_object_get(o, "chunks"), *j;
	size_t i;
	uint64_t rows = 0;

	if (!get_text(o, "db", &t->db) || !get_text(o, "table", &t->name) ||
	    !get_text(o, "create", &t->create_sql) || !get_u64(o, "rows", &t->rows) ||
	    !get_u64(o, "raw", &t->raw_bytes) || !get_u64(o, "sum", &t->sum) ||
	    !json_is_array(columns) || !json_is_array(chunks))
		return false;
	t->columns = xcalloc(json_array_size(columns) + 1, sizeof(*t->columns));
	json_array_foreach(columns, i, j)
	{
		const char *name = json_string_value(json_array_get(j, 0)),
			   *as = json_string_value(json_array_get(j, 1));

		if (!name || !as ||
		    (strcmp(as, "t") && strcmp(as, "n") && strcmp(as, "u") && strcmp(as, "a")))
			return false;
		t->columns[t->n_columns++] =
			(struct carried_column){ xstrdup(name), (enum carried_as) * as };
	}
	t->chunks = xcalloc(json_array_size(chunks) + 1, sizeof(*t->chunks));
	json_array_foreach(chunks, i, j)
	{
		struct manifest_chunk *c = &t->chunks[t->n_chunks++];
		const char *sum = json_string_value(json_object_get(j, "xxh3"));

		if (!get_text(j, "key", &c->key) || !key_is_sound(c->key) ||
		    !get_u64(j, "size", &c->size_bytes) || !get_u64(j, "raw", &c->raw_bytes) ||
		    !get_u64(j, "rows", &c->rows) || !get_u64(j, "warnings", &c->warnings) ||
		    !sum || strlen(sum) != 16 || strspn(sum, "0123456789abcdef") != 16 ||
		    c->size_bytes > STORE_OBJECT_BYTES_MAX)
			return false;
		c->xxh3 = strtoull(sum, NULL, 16);
		rows += c->rows;
	}
	return rows == t->rows && !schema_is_system(t->db);
}

static bool is_integer(const char *v)
{
	v += *v == '-';
	return *v && strlen(v) <= 20 && strspn(v, "0123456789") == strlen(v);
}

static bool parse_objects(json_t *a, struct manifest_object **out, size_t *n)
{
	json_t *j;
	size_t i;

	if (!json_is_array(a))
		return false;
	*out = xcalloc(json_array_size(a) + 1, sizeof(**out));
	json_array_foreach(a, i, j)
	{
		struct manifest_object *o = &(*out)[(*n)++];

		if (!get_text(j, "db", &o->db) || !get_text(j, "name", &o->name) ||
		    !get_text(j, "create", &o->create_sql) || schema_is_system(o->db))
			return false;
		if (json_object_get(j, "next") &&
		    (!get_text(j, "next", &o->next) || !is_integer(o->next)))
			return false;
		if (json_object_get(j, "collation") &&
		    (!get_text(j, "collation", &o->collation) ||
		     o->collation[strspn(o->collation, "abcdefghijklmnopqrstuvwxyz0123456789_")]))
			return false;
	}
	return true;
}

static bool parse(json_t *root, struct manifest *m)
{
	json_t *tables = json_object_get(root, "tables"), *j;
	uint64_t format, form = 1; /* the first form was not named */
	size_t i;

	if (json_object_get(root, "sum_form") && !get_u64(root, "sum_form", &form))
		return false;
	m->sum_form = (unsigned)form;
	if (!get_u64(root, "format", &format) || format < 1 || format > FORMAT ||
	    !get_text(root, "source", &m->source_version) ||
	    !get_u64(root, "backup_ts", &m->backup_ts) ||
	    !get_u64(root, "backup_seq", &m->backup_seq) ||
	    !parse_objects(json_object_get(root, "databases"), &m->dbs, &m->n_dbs) ||
	    !parse_objects(json_object_get(root, "views"), &m->views, &m->n_views) ||
	    !json_is_array(tables) ||
	    (format > 1 &&
	     !parse_objects(json_object_get(root, "sequences"), &m->sequences, &m->n_sequences)))
		return false;
	for (i = 0; i < m->n_sequences; i++)
		if (!m->sequences[i].next)
			return false;
	m->tables = xcalloc(json_array_size(tables) + 1, sizeof(*m->tables));
	json_array_foreach(tables, i,
			   j) if (!parse_table(j, &m->tables[m->n_tables++])) return false;
	return true;
}

int manifest_parse(const char *text, size_t n, struct manifest *m, struct err *e)
{
	json_t *root;
	char sum[17];
	int rc = -1;

	*m = (struct manifest){ 0 };
	if (n < BODY_AT + 4 || memcmp(text, HEAD, sizeof(HEAD) - 1) ||
	    memcmp(text + sizeof(HEAD) - 1 + 16, MIDDLE, sizeof(MIDDLE) - 1) ||
	    memcmp(text + n - 2, "}\n", 2))
		return err_set(e, ERR_BAD_DATA, 0, "%s is truncated or not a backup's manifest",
			       BACKUP_MANIFEST);
	snprintf(sum, sizeof(sum), "%016" PRIx64,
		 (uint64_t)XXH3_64bits(text + BODY_AT, n - BODY_AT - 2));
	if (memcmp(sum, text + sizeof(HEAD) - 1, 16))
		return err_set(e, ERR_BAD_DATA, 0, "%s is damaged: its checksum differs",
			       BACKUP_MANIFEST);
	root = json_loadb(text + BODY_AT, n - BODY_AT - 2, JSON_REJECT_DUPLICATES, NULL);
	if (root && parse(root, m)) {
		rc = 0;
	} else {
		err_set(e, ERR_BAD_DATA, 0, "%s has a field that this version cannot read",
			BACKUP_MANIFEST);
		manifest_release(m);
	}
	json_decref(root);
	return rc;
}

int manifest_read(struct store *from, struct manifest *m, struct err *e)
{
	struct strbuf in = STRBUF_INIT;
	int rc = store_get(from, BACKUP_MANIFEST, MANIFEST_BYTES_MAX, &in, e);

	*m = (struct manifest){ 0 };
	if (rc == 0)
		rc = manifest_parse(in.buf, in.len, m, e);
	else if (e && e->kind == ERR_NOT_FOUND)
		err_set(e, ERR_NOT_FOUND, 0, "no backup in %s: %s is missing (it is written last)",
			store_uri_redacted(from), BACKUP_MANIFEST);
	strbuf_release(&in);
	return rc;
}

void manifest_objects_free(struct manifest_object *o, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(o[i].db);
		free(o[i].name);
		free(o[i].create_sql);
		free(o[i].next);
		free(o[i].collation);
	}
	free(o);
}

void manifest_release(struct manifest *m)
{
	for (size_t i = 0; i < m->n_tables; i++) {
		struct manifest_table *t = &m->tables[i];

		for (size_t j = 0; j < t->n_chunks; j++)
			free(t->chunks[j].key);
		free(t->chunks);
		format_columns_free(t->columns, t->n_columns);
		free(t->db);
		free(t->name);
		free(t->create_sql);
	}
	free(m->tables);
	manifest_objects_free(m->dbs, m->n_dbs);
	manifest_objects_free(m->views, m->n_views);
	manifest_objects_free(m->sequences, m->n_sequences);
	free(m->source_version);
	*m = (struct manifest){ 0 };
}

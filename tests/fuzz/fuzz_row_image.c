/* lib: feed */
/* A table map and a rows event: 2 bytes length of the map's body, the body, 1 byte event type, the
 * rows event's body. The schema is made to fit the map, so that every type is reached. */
#include <stdlib.h>
#include <string.h>

#include "harness/base/xalloc.h"
#include "harness/binlog/binlog_event.h"
#include "harness/binlog/row_image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum column_type fitting(uint8_t type)
{
	switch (type) {
	case BT_TIME:
	case BT_TIME2: return COL_TIME;
	case BT_DATETIME:
	case BT_DATETIME2: return COL_DATETIME;
	case BT_TIMESTAMP:
	case BT_TIMESTAMP2: return COL_TIMESTAMP;
	case BT_NEWDATE: return COL_DATE;
	case BT_VAR_STRING: return COL_VARCHAR;
	default: return (enum column_type)type;
	}
}

static void run_rows(struct row_plan *p, const struct binlog_rows *rows)
{
	struct strbuf image = STRBUF_INIT, key = STRBUF_INIT;
	struct redo_column *out = xcalloc(row_plan_columns(p) + 1, sizeof(*out));
	struct arena mem = { 0 };
	struct err e = ERR_INIT;
	const uint8_t *at = rows->p;

	for (int i = 0; at < rows->end && i < 1000; i++) {
		uint64_t sum = 0;

		if (row_plan_take(p, &at, rows->end,
				  i % 2 ? rows->before_present : rows->after_present, &image, &key,
				  &e) < 0)
			break;
		if (row_plan_decode(p, image.buf, image.len, &mem, out, &e) < 0)
			continue;
		/* every byte that is given out can be read */
		for (uint32_t c = 0; c < row_plan_columns(p); c++)
			if (out[c].value.kind == REDO_STR || out[c].value.kind == REDO_BIN)
				for (uint32_t k = 0; k < out[c].value.s.n; k++)
					sum += (unsigned char)out[c].value.s.p[k];
		if (sum == UINT64_MAX)
			abort();
	}
	arena_release(&mem);
	strbuf_release(&image);
	strbuf_release(&key);
	free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char charsets[][8] = { "utf8mb4", "binary", "latin1", "ucs2", "utf16", "utf32" };
	struct charsets *sets;
	static char db[] = "d", table[] = "t", sql_type[] = "a type", collation[] = "binary",
		    key_name[] = "PRIMARY";
	int first = 0;
	struct index_key key = { .name = key_name,
				 .primary = true,
				 .not_null = true,
				 .columns = &first,
				 .n_columns = 1 };
	struct table_schema s = { .db = db, .table = table, .uniques = &key, .n_uniques = 1 };
	struct binlog_event ev = { 0 };
	struct binlog_rows rows;
	struct table_map m;
	struct row_plan *p;
	struct err e = ERR_INIT;
	char **names;
	size_t n;

	if (size < 3)
		return 0;
	n = (size_t)binlog_le(data, 2);
	if (n + 3 > size || table_map_parse(&m, data + 2, n, &e) < 0)
		return 0;
	ev.type = data[2 + n];
	ev.body = data + 3 + n;
	ev.n = size - 3 - n;
	s.n_columns = m.n_columns;
	s.columns = xcalloc(m.n_columns, sizeof(*s.columns));
	names = xcalloc(m.n_columns, sizeof(*names));
	for (uint32_t i = 0; i < m.n_columns; i++) {
		struct column *c = &s.columns[i];

		names[i] =
			m.columns[i].name ? xstrdup(m.columns[i].name) : xstrfmt("c%u", i % 1000);
		*c = (struct column){ .name = names[i],
				      .sql_type = sql_type,
				      .type = fitting(m.columns[i].type),
				      .charset = charsets[i % 6],
				      .collation = collation,
				      .length = m.columns[i].length,
				      .decimals =
					      m.columns[i].type < 16 ? 0 : m.columns[i].decimals,
				      .flags = i % 3 ? 0 : COLF_UNSIGNED,
				      .is_virtual = i % 7 == 6 };
	}
	sets = charsets_new(NULL);
	p = row_plan_new(&m, &s, sets, false, &e);
	if (p && binlog_rows_parse(&rows, &ev, &e) == 0 && !rows.is_dummy &&
	    rows.n_columns == s.n_columns)
		run_rows(p, &rows);
	row_plan_free(p);
	charsets_free(sets);
	for (size_t i = 0; i < s.n_columns; i++)
		free(names[i]);
	free(names);
	free(s.columns);
	table_map_release(&m);
	return 0;
}

/* Tables as the rows of a log describe them, and rows as bytes: a key whose memcmp order is the
 * order of its values, an image of all values. A table has as many shapes as its columns had forms;
 * all of them share its number. Use a registry from one thread; shapes live as long as it and never
 * move. */
#ifndef HARNESS_REPLAY_ROW_LAYOUT_H
#define HARNESS_REPLAY_ROW_LAYOUT_H

#include "harness/base/err.h"
#include "harness/base/strbuf.h"
#include "harness/redo/record.h"

struct row_layout_column {
	char *name;
	uint8_t type;
	uint32_t flag;
	bool text;     /* bytes are UTF-8 text, not binary */
	bool computed; /* a stored generated column: read back, never written */
};
struct row_layout {
	char *db, *table;
	uint32_t table_no;                 /* equal for all shapes of a table */
	struct row_layout_column *columns; /* absent ones left out */
	uint32_t n_columns, n_computed;
	uint32_t *key; /* positions in columns; none for a table without a key */
	uint32_t n_key;
	bool float_key; /* FLOAT or DOUBLE in the key */
	bool keyless;
	const char *timestamp; /* the name of a TIMESTAMP column, or NULL */
	/* per column: so many digits behind the point the secondary was seen to keep. Whoever
	 * writes rows sets it, from any thread; NULL: no column has such */
	_Atomic unsigned char *fraction_kept;
	_Atomic bool *looked; /* the secondary's columns are such: as fraction_kept */
};

struct row_layouts;
struct row_layouts *row_layouts_new(void);
void row_layouts_free(struct row_layouts *s);
/* The shape of one side of a row; its number in *out. ERR_UNSUPPORTED: a key column is generated.
 */
int row_layouts_of(struct row_layouts *s, const struct redo_row *r, const struct redo_column *c,
		   uint32_t n, uint32_t *out, struct err *e);
const struct row_layout *row_layouts_at(const struct row_layouts *s, uint32_t i);
uint32_t row_layouts_count(const struct row_layouts *s);

/* Fills key and image (emptied first); key_only: the image holds the key's columns only. */
void row_layout_encode(const struct redo_column *c, uint32_t n, bool key_only, struct strbuf *key,
		       struct strbuf *image);
void row_layout_add_key(struct strbuf *out,
			const struct redo_value *v); /* one value, as in a key */
/* Walks the values of an image: call with *at = 0 first. */
void row_layout_image_next(const unsigned char *image, uint32_t *at, struct redo_value *v);
/* Text is the same as a string and as bytes: makes each the latter, and returns the image. (The
 * binary log has no JSON: a changefeed that was started again after its table was dropped logs the
 * same value anew as the other kind.) */
const struct strbuf *row_layout_image_plain(struct strbuf *image);
/* Does an update's new image have another key than its old one? */
bool row_layout_key_changes(const struct redo_row *r);
/* one value, whole, without quotes */
void row_layout_value_text(const struct redo_value *v, struct strbuf *out);
/* "(id=5, name='x')" for people: values are cut. image: of the key's columns only, or a whole one.
 */
void row_layout_key_text(const struct row_layout *t, const unsigned char *image, bool key_only,
			 struct strbuf *out);

#endif

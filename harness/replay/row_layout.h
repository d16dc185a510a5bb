/* Tables as the rows of a log describe them, and rows as bytes: a key whose memcmp order is the
 * order of its values, an image of all values. A table has as many shapes as its columns had forms;
 * all of them share its number. Use a registry from one thread; shapes live as long as it and never
 * move. */
#ifndef HARNESS_REPLAY_ROW_LAYOUT_H
#define HARNESS_REPLAY_ROW_LAYOUT_H

#include "harness/base/err.h"
#include "harness/base/strbuf.h"
#include "harness/redo/record.h"

struct shape_column {
	char *name;
	uint8_t type;
	uint32_t flag;
	bool text;     /* bytes are UTF-8 text, not binary */
	bool computed; /* a stored generated column: read back, never written */
};
struct shape {
	char *db, *table;
	uint32_t table_no;            /* equal for all shapes of a table */
	struct shape_column *columns; /* absent ones left out */
	uint32_t n_columns, n_computed;
	uint32_t *key; /* positions in columns; none for a table without a key */
	uint32_t n_key;
	bool float_key; /* FLOAT or DOUBLE in the key */
	bool keyless;
	const char *timestamp; /* the name of a TIMESTAMP column, or NULL */
};

struct shapes;
struct shapes *shapes_new(void);
void shapes_free(struct shapes *s);
/* The shape of one side of a row; its number in *out. ERR_UNSUPPORTED: a key column is generated.
 */
int shapes_of(struct shapes *s, const struct redo_row *r, const struct redo_column *c, uint32_t n,
	      uint32_t *out, struct err *e);
const struct shape *shapes_at(const struct shapes *s, uint32_t i);
uint32_t shapes_count(const struct shapes *s);

/* Does the row hold a value of it? */
bool shape_holds(const struct redo_column *c);
/* Fills key and image (emptied first); key_only: the image holds the key's columns only. */
void shape_encode(const struct redo_column *c, uint32_t n, bool key_only, struct strbuf *key,
		  struct strbuf *image);
void shape_add_key(struct strbuf *out, const struct redo_value *v); /* one value, as in a key */
/* Walks the values of an image: call with *at = 0 first. */
void shape_image_next(const unsigned char *image, uint32_t *at, struct redo_value *v);
/* Does an update's new image have another key than its old one? */
bool shape_key_changes(const struct redo_row *r);
/* one value, whole, without quotes */
void shape_value_text(const struct redo_value *v, struct strbuf *out);
/* "(id=5, name='x')" for people: values are cut. image: of the key's columns only, or a whole one.
 */
void shape_key_text(const struct shape *t, const unsigned char *image, bool key_only,
		    struct strbuf *out);

#endif

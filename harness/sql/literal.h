/* A value as an SQL literal: the one place where a value becomes text for a server. A literal
 * stores the value bit for bit, and finds it by equality in a column of its type, whether the
 * server looks it up in an index or compares every row: so a DECIMAL is a number (text would be
 * compared as doubles), FLOAT and DOUBLE have an exponent and 17 digits (without one they would be
 * DECIMALs), bytes are x'..'. For sessions of utf8mb4 without NO_BACKSLASH_ESCAPES, as sql_open()
 * makes them. */
#ifndef HARNESS_SQL_LITERAL_H
#define HARNESS_SQL_LITERAL_H

#include "harness/sql/schema.h"
#include "harness/sql/sql.h"
#include "harness/sql/value.h"

/* Are its bytes text (in UTF-8)? By the charset; by the BINARY flag where a log has none. */
bool literal_is_text(const struct redo_column *c);
void literal_add(struct strbuf *out, enum column_type type, bool text, const struct redo_value *v);
void literal_add_column(struct strbuf *out, const struct redo_column *c);
/* A condition: the column holds exactly this value, whatever its collation takes for equal. */
void literal_add_same(struct strbuf *out, const struct redo_column *c);
/* From a server's answer: the stored bytes of text, the number of a BIT, ENUM or SET. NULL data:
 * NULL. */
void literal_add_cell(struct strbuf *out, const struct column *c, const char *data, size_t n);

/* How many digits stand behind the point of a time or a number, zeros at its end left out; at most
 * LITERAL_FRACTION_MAX. A column of fewer cuts them off, and no server says a word of that. */
#define LITERAL_FRACTION_MAX 7
unsigned literal_fraction(enum column_type type, const struct redo_value *v);
/* May a column of this type on a server (as information_schema's DATA_TYPE has it) hold such
 * values? No: it would round them, pad them, or make others of them, and not a word would be said.
 */
bool literal_fits(enum column_type type, bool text, const char *data_type);
/* ERR_BAD_DATA, with the column */
int literal_unfit(const char *column, enum column_type type, bool text, const char *data_type,
		  struct err *e);
/* The columns of a table with their types; rows of (COLUMN_NAME, DATA_TYPE, digits behind the point
 * that it keeps). */
void literal_columns_query(struct strbuf *out, const char *db, const char *table);
/* After a statement that wrote rows: did the server keep each value as it was sent? -1 with
 * ERR_BAD_DATA where it says that it cut one, or put another in its place. What it says of a
 * generated column is no loss of a value. enum_zero: an ENUM's empty value, of number 0, was among
 * them, which it calls a truncation too. written: the columns of which values were sent, the i-th
 * and whether it is text; NULL behind the last one. */
typedef const char *literal_written(const void *arg, unsigned i, bool *text);
int literal_kept(struct sql *s, bool enum_zero, literal_written *written, const void *arg,
		 struct err *e);

/* A generated column's difference of UNSIGNED numbers is out of range below 0, or, with
 * NO_UNSIGNED_SUBTRACTION, above 2^63 - 1: as the sql_mode of the session says that first opens the
 * table, and no log has that. Who writes rows has that mode, for below 0 is the likelier. The
 * session takes it the other way from now on, tables are opened again, and the statement may be
 * tried once more; false: the account may not do that (RELOAD). */
enum { SQL_OUT_OF_RANGE = 1690 };
bool literal_subtract_otherwise(struct sql *s);

#endif

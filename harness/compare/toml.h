/* TOML 1.0, read by toml++ (the one C++ file of the project stands behind this header): a tree of
 * values with their lines. */
#ifndef HARNESS_COMPARE_TOML_H
#define HARNESS_COMPARE_TOML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum toml_kind {
	TOML_TABLE,
	TOML_LIST,
	TOML_TEXT,
	TOML_INTEGER,
	TOML_FLOAT,
	TOML_TRUTH,
	TOML_DATETIME,
	TOML_LOCAL_DATETIME,
	TOML_LOCAL_DATE,
	TOML_LOCAL_TIME
};
struct toml_value {
	enum toml_kind kind;
	char *key; /* in a table; NULL in a list */
	size_t key_len;
	unsigned line; /* where it begins, from 1 */
	char *text;    /* TOML_TEXT; of numbers and times as TOML writes them */
	size_t text_len;
	int64_t integer;
	bool truth;
	struct toml_value *child; /* of a table, sorted by key; of a list, in order */
	size_t n;
};
/* NULL: it is no TOML; then why (of room bytes) says what is wrong and *line where. */
struct toml_value *toml_read(const char *text, size_t n, char *why, size_t room, unsigned *line);
void toml_free(struct toml_value *v);  /* NULL is fine */
extern const char *const toml_library; /* the version of toml++ that is compiled in */

#ifdef __cplusplus
}
#endif
#endif

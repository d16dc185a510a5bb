/* Text in one of the server's character sets to UTF-8, by the server's own mapping: what it makes
 * of a character, and whether that leads back to the same bytes. Bytes that do not come back (sjis
 * has two of its backslash) and bytes that are no character are never text here: written as UTF-8
 * they would be other bytes on the next server. */
#ifndef HARNESS_SQL_CHARSET_H
#define HARNESS_SQL_CHARSET_H

#include "harness/sql/sql.h"

struct charset;
/* The sets of one server, each asked for once, over a connection made for it. Keeps a copy of the
 * endpoint; NULL: no server, then it knows the Unicode sets, latin1, ascii and binary alone. */
struct charsets;
struct charsets *charsets_new(const struct sql_endpoint *server);
void charsets_free(struct charsets *c); /* NULL is fine */
/* ERR_UNSUPPORTED: the server has none of this name */
const struct charset *charsets_get(struct charsets *c, const char *name, struct err *e);

struct collation {
	unsigned id;
	char name[64], charset[64];
	unsigned maxlen; /* bytes of a character, at most */
};
/* By the number that the binary log has for it; all are asked for at the first call.
 * ERR_UNSUPPORTED: the server has none of this number. */
const struct collation *charsets_collation(struct charsets *c, unsigned id, struct err *e);

/* Appends to out (NULL: looks only). Returns how many bytes of in are text from its start: n when
 * all is well. */
size_t charset_to_utf8(const struct charset *c, const char *in, size_t n, struct strbuf *out);
bool charset_is_utf8(const struct charset *c); /* what is text stays as it is; binary too */

#endif

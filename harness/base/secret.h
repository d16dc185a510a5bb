/* Secrets stay out of logs, reports and journals: every printed URI goes through here first.
 */
#ifndef HARNESS_BASE_SECRET_H
#define HARNESS_BASE_SECRET_H

#include <stdbool.h>

#include "harness/base/strbuf.h"

/* Appends text, its bytes that are no UTF-8 as '?' (JSON takes no others) and its control
 * characters but line feeds and tabs as blanks (a terminal obeys them), with every password, secret
 * key, token and signature (URI user info, name=value, "name": "value", --name value, SQL's
 * passwords) as
 * "***", and every value that secret_know() was told, wherever it stands. */
void secret_redact(struct strbuf *out, const char *text);
/* The same as one line: for who prints lines of names and words that others have chosen. */
void secret_line(struct strbuf *out, const char *text);
/* A value that is secret, whatever stands around it: a connection's password, a store's key. Any
 * thread. Short ones are not looked for. */
void secret_know(const char *value);
/* does an option's or field's name say that its value is secret? */
bool secret_name(const char *name);

#endif

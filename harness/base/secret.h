/* Secrets stay out of logs, reports and journals: whatever is printed of a URI passes here first. */
#ifndef HARNESS_BASE_SECRET_H
#define HARNESS_BASE_SECRET_H

#include "harness/base/strbuf.h"

/* Appends text, its bytes that are no UTF-8 as '?' (JSON takes no others), with every
 * password, secret key, token and signature (URI user info, query parameters, IDENTIFIED BY) as "***". */
void secret_redact(struct strbuf *out, const char *text);

#endif

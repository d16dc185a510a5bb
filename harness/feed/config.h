/* The feed's options: read from JSON, and checked. */
#ifndef HARNESS_FEED_CONFIG_H
#define HARNESS_FEED_CONFIG_H

#include "harness/feed/feed.h"

#define FEED_CONFIG_BYTES_MAX ((size_t)64 << 10)

int feed_opts_check(const struct feed_opts *o, struct err *e); /* ERR_USAGE names the field */
/* JSON text, checked too */
int feed_opts_from_text(struct feed_opts *o, const char *text, size_t n, struct err *e);
void feed_opts_defaults(struct feed_opts *o); /* 0 and "" become the values that hold */

#endif

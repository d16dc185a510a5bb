/* The configuration files that TiDB's tools read, in TOML. */
#ifndef HARNESS_TIDB_TOOL_CONFIG_H
#define HARNESS_TIDB_TOOL_CONFIG_H

#include "harness/base/strbuf.h"

/* A line: key = "value", with a backslash before what would end the string. */
void tool_config_add(struct strbuf *out, const char *key, const char *value);

#endif

#include "harness/tidb/tool_config.h"

void tool_config_add(struct strbuf *out, const char *key, const char *value)
{
	strbuf_addf(out, "%s = \"", key);
	for (; *value; value++) {
		if (*value == '"' || *value == '\\')
			strbuf_addch(out, '\\');
		strbuf_addch(out, *value);
	}
	strbuf_addstr(out, "\"\n");
}

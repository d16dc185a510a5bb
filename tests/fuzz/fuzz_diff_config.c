/* lib: tidb */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "harness/compare/diff_config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Somebody's configuration of sync_diff_inspector: one line that says what is wrong, or settings
 * that keep to their bounds. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct diff_config c;
	struct err e = ERR_INIT;

	if (diff_config_parse(&c, "diff.toml", (const char *)data, size, &e) < 0) {
		if (!e.text[0] || strchr(e.text, '\n'))
			abort();
		return 0;
	}
	if (!c.up.port || c.up.port > 65535 || !c.down.port || c.down.port > 65535 || !c.threads)
		abort();
	diff_config_release(&c);
	return 0;
}

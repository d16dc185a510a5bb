/* lib: redo */
/* The name of an object in a log: what parses is written again and parses to the same parts, none
 * of which holds a separator. */
#include <stdlib.h>
#include <string.h>

#include "harness/base/xalloc.h"
#include "harness/redo/codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HOLDS(fact)              \
	do {                     \
		if (!(fact))     \
			abort(); \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = xstrndup((const char *)data, size);
	struct strbuf out = STRBUF_INIT, again = STRBUF_INIT;
	struct redo_name n, m;
	struct err e = ERR_INIT;

	if (redo_name_parse(&n, text, &e) < 0) {
		HOLDS(e.kind == ERR_BAD_DATA && e.text[0]);
	} else if (n.kind != REDO_FILE_OTHER) {
		HOLDS(!strchr(n.capture, '_') && !strchr(n.name_space, '_') &&
		      !strchr(n.changefeed, '_') && !strchr(n.uuid, '_'));
		HOLDS(n.kind != REDO_FILE_META || (!n.tmp && !n.max_commit_ts));
		/* Whose it is, is known or not; of a log it is always known. */
		HOLDS(!n.capture[0] == !n.changefeed[0] && !n.capture[0] == !n.name_space[0] &&
		      (n.capture[0] || n.kind == REDO_FILE_META));
		redo_name_format(&out, &n);
		HOLDS(redo_name_parse(&m, out.buf, &e) == 0);
		HOLDS(n.kind == m.kind && n.tmp == m.tmp && n.max_commit_ts == m.max_commit_ts &&
		      !strcmp(n.capture, m.capture) && !strcmp(n.name_space, m.name_space) &&
		      !strcmp(n.changefeed, m.changefeed) && !strcmp(n.uuid, m.uuid));
		redo_name_format(&again, &m);
		HOLDS(!strcmp(out.buf, again.buf));
		/* Never a longer name than the one that was there, but for the namespace that a
		 * short one leaves out. */
		HOLDS(out.len <= strlen(text) + sizeof("default_") + 1);
	} else {
		HOLDS(!n.tmp || strstr(text, ".tmp"));
	}
	strbuf_release(&out);
	strbuf_release(&again);
	free(text);
	return 0;
}

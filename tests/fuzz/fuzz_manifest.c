/* lib: backup */
#include <inttypes.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "harness/backup/manifest.h"
#include "harness/base/strbuf.h"
#include "harness/sql/schema.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const char *text, size_t n)
{
	struct err e = ERR_INIT;
	struct manifest m;

	if (manifest_parse(text, n, &m, &e) < 0) {
		if (e.kind != ERR_BAD_DATA || strchr(e.text, '\n') || m.n_tables)
			abort();
		return;
	}
	for (size_t i = 0; i < m.n_tables; i++) {
		if (schema_is_system(m.tables[i].db))
			abort();
		for (size_t j = 0; j < m.tables[i].n_chunks; j++)
			if (*m.tables[i].chunks[j].key == '/' ||
			    strstr(m.tables[i].chunks[j].key, ".."))
				abort();
	}
	manifest_release(&m);
}

/* A manifest from somebody's store: as it comes, and with a checksum that fits. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct strbuf whole = STRBUF_INIT;

	check((const char *)data, size);
	strbuf_addf(&whole, "{\"xxh3\":\"%016" PRIx64 "\",\"manifest\":",
		    (uint64_t)XXH3_64bits(data, size));
	strbuf_add(&whole, data, size);
	strbuf_addstr(&whole, "}\n");
	check(whole.buf, whole.len);
	strbuf_release(&whole);
	return 0;
}

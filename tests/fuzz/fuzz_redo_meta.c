/* lib: redo */
/* A meta file and a sidecar: what is read is written, and reads as the same. */
#include <stdlib.h>
#include <string.h>

#include "harness/redo/codec.h"
#include "harness/redo/sidecar.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HOLDS(fact)              \
	do {                     \
		if (!(fact))     \
			abort(); \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct strbuf out = STRBUF_INIT;
	struct redo_meta m, back;
	uint64_t records, sum, r, s;
	struct err e = ERR_INIT;

	if (redo_meta_decode(&m, data, size, &e) == 0) {
		redo_meta_encode(&out, &m);
		HOLDS(redo_meta_decode(&back, out.buf, out.len, &e) == 0);
		HOLDS(m.checkpoint_ts == back.checkpoint_ts && m.resolved_ts == back.resolved_ts &&
		      m.version == back.version);
		for (size_t n = 0; n < out.len; n++) /* a cut meta is no meta */
			HOLDS(redo_meta_decode(&back, out.buf, n, &e) < 0);
	} else {
		HOLDS(e.kind == ERR_BAD_DATA && e.text[0]);
	}
	strbuf_reset(&out);
	if (sidecar_parse((const char *)data, size, &records, &sum, &e) == 0) {
		sidecar_format(&out, records, sum);
		/* one spelling only */
		HOLDS(out.len <= SIDECAR_BYTES_MAX && out.len == size &&
		      !memcmp(out.buf, data, size));
		HOLDS(sidecar_parse(out.buf, out.len, &r, &s, &e) == 0 && r == records && s == sum);
	}
	strbuf_release(&out);
	return 0;
}

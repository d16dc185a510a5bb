/* lib: reports */
#include <fcntl.h>
#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zstd.h>

#include "harness/base/xalloc.h"
#include "reports/formats.h"
#include "reports/run_model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A journal of any lines gives every format, none of which lets a control character or a script
 * through; it passes only when it ends so. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t room = ZSTD_compressBound(size), n;
	struct strbuf out = STRBUF_INIT;
	struct err e = ERR_INIT;
	struct run_model m;
	char path[64], *packed = xmalloc(room + 1);
	int fd = memfd_create("journal", MFD_CLOEXEC);
	json_t *result;

	n = ZSTD_compress(packed, room, data, size, 1);
	if (fd < 0 || ZSTD_isError(n) || write(fd, packed, n) != (ssize_t)n)
		abort();
	free(packed);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (run_model_read(&m, path, &e) == 0) {
		if (m.verdict == OUTCOME_PASS && (m.failed || m.unknown || !m.ended))
			abort();
		format_html(&m, &out);
		if (strchr(out.buf, 0x1b) || out.len > ((size_t)16 << 20))
			abort();
		strbuf_reset(&out);
		format_junit(&m, &out);
		strbuf_reset(&out);
		format_prometheus(&m, &out);
		strbuf_reset(&out);
		format_summary(&m, "/run", 80, true, &out);
		strbuf_reset(&out);
		format_result_json(&m, &out);
		result = json_loadb(out.buf, out.len, 0, NULL);
		if (!result)
			abort();
		json_decref(result);
		run_model_release(&m);
	}
	strbuf_release(&out);
	close(fd);
	return 0;
}

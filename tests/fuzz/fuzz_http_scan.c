/* lib: chaos */
/* Requests from a stranger: whatever they are and however they are cut, each byte is taken once and
 * no state is lost. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "chaos/http_scan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http_scan *s = malloc(sizeof(*s));
	size_t step = size ? data[0] % 61 + 1 : 1, at = 1;

	http_scan_init(s);
	while (at < size) {
		size_t n = size - at < step ? size - at : step, taken = 0;
		char *piece = malloc(n); /* its exact size: reading beyond it is found */
		bool ends;

		memcpy(piece, data + at, n);
		enum http_piece kind = http_scan_take(s, piece, n, &taken, &ends);
		if (!taken || taken > n || s->head_n > HTTP_HEAD_MAX ||
		    !memchr(s->target, 0, sizeof(s->target)))
			abort();
		if (kind == HTTP_PIECE_HEAD &&
		    (s->head_n < 4 || memcmp(s->head + s->head_n - 4, "\r\n\r\n", 4) != 0))
			abort();
		if (kind == HTTP_PIECE_OPAQUE)
			s->head_n = 0;
		at += taken;
		free(piece);
	}
	free(s);
	return 0;
}

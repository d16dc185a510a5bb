/* lib: workloads */
/* A server's answer to a command, whatever it is: read within its bytes. What is cut off at the end
 * of an OK leaves it unfinished, never another answer. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "workloads/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	bool tracks = size && data[0] & 1;
	size_t n = size ? size - 1 : 0;
	bool done = false;

	for (size_t cut = 0; cut <= n && cut < 64; cut++) {
		unsigned char *bytes = malloc(n - cut + 1); /* reading beyond it is found */
		unsigned char *exact = realloc(bytes, n - cut ? n - cut : 1);
		struct wire_answer a = { 0 };
		int whole;

		if (n - cut)
			memcpy(exact, data + 1, n - cut);
		whole = wire_answer(exact, n - cut, tracks, &a);
		if (whole < -1 || whole > 1 || (done && whole) ||
		    (whole == 1 && a.code && !memchr(a.text, 0, sizeof(a.text))))
			abort();
		done |= whole == 1 && !a.code;
		free(exact);
	}
	return 0;
}

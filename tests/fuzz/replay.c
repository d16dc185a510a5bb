/* Runs files through a fuzz target, for compilers without libFuzzer and for `make check`. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int main(int argc, char **argv)
{
	int n = 0;

	for (int i = 1; i < argc; i++) {
		FILE *f = fopen(argv[i], "rb");
		uint8_t *data;
		long size;

		if (!f) {
			perror(argv[i]);
			return 1;
		}
		fseek(f, 0, SEEK_END);
		size = ftell(f);
		rewind(f);
		data = malloc(size > 0 ? (size_t)size : 1);
		if (!data || fread(data, 1, (size_t)size, f) != (size_t)size)
			return 1;
		fclose(f);
		LLVMFuzzerTestOneInput(data, (size_t)size);
		free(data);
		n++;
	}
	printf("%s: %d inputs replayed\n", argv[0], n);
	return n ? 0 : 1;
}

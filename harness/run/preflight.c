#include "harness/run/preflight.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/base/xalloc.h"
#include "harness/net/minio.h"
#include "harness/os/fs.h"

#define RUN_BYTES_MIN ((int64_t)64 << 20)

static int look_out(const char *out, finding_fn *fn, void *arg)
{
	struct err e = ERR_INIT;
	int64_t space;
	char text[600];

	if (fs_mkdir_p(out, 0755, &e) < 0) {
		fn(arg, e.text, "--out DIR: a folder that can be written");
		return 1;
	}
	if (access(out, W_OK | X_OK) < 0) {
		snprintf(text, sizeof(text), "the folder of runs, %s, can't be written: %s", out, strerror(errno));
		fn(arg, text, "--out DIR: a folder that can be written");
		return 1;
	}
	space = fs_free_bytes(out);
	if (space >= 0 && space < RUN_BYTES_MIN) {
		snprintf(text, sizeof(text), "less than 64 MiB are free in the folder of runs, %s", out);
		fn(arg, text, "make room, or --out DIR on another disk");
		return 1;
	}
	return 0;
}

int preflight(const char *ground, enum run_store store, const char *out, finding_fn *fn, void *arg)
{
	struct err e = ERR_INIT;
	int n = ground_preflight(ground, fn, arg);

	if (store == RUN_STORE_S3) {
		char *minio = minio_find(&e);

		if (!minio) {
			fn(arg, e.text, "or --store file: a directory instead of S3, which proves less");
			n++;
		}
		free(minio);
	}
	return n + look_out(out, fn, arg);
}

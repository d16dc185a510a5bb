/* A directory as a store, by its path: what tests and benches of redo logs and backups start from.
 */
#ifndef TESTS_SUPPORT_STORE_DIR_H
#define TESTS_SUPPORT_STORE_DIR_H

#include <stdlib.h>
#include <unistd.h>

#include "harness/base/xalloc.h"
#include "harness/net/store.h"

/* path: absolute, or relative to the working directory. NULL with *e; the caller frees. */
static inline struct store *store_at_dir(const char *path, struct err *e)
{
	char *cwd = path[0] == '/' ? NULL : getcwd(NULL, 0),
	     *uri = xstrfmt("file://%s%s%s", cwd ? cwd : "", cwd ? "/" : "", path);
	struct store *s = store_open(uri, NULL, e);

	free(cwd);
	free(uri);
	return s;
}

#endif

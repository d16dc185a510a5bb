/* Loaded into the changefeed (LD_PRELOAD): a file of its log that it removes gets another link
 * first, from $DRTEST_KEEP_FROM into $DRTEST_KEEP_TO. Who only looks into the directory now and
 * then may miss a file that lives for some milliseconds. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <fcntl.h>
#include <unistd.h>

int unlink(const char *path)
{
	const char *from = getenv("DRTEST_KEEP_FROM"), *to = getenv("DRTEST_KEEP_TO");
	size_t n = from ? strlen(from) : 0;
	char kept[4096];

	if (n && to && !strncmp(path, from, n) && path[n] == '/' && !strstr(path + n, ".meta") &&
	    !strstr(path + n, ".tmp") &&
	    snprintf(kept, sizeof(kept), "%s%s", to, path + n) < (int)sizeof(kept))
		(void)!link(path, kept);
	return (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}

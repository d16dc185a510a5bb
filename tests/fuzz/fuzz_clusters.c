/* lib: cluster */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "harness/cluster/attach/attach.h"
#include "harness/os/fs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_url(const char *url)
{
	if (*url && strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0)
		abort();
	for (; *url; url++)
		if ((unsigned char)*url <= ' ')
			abort();
}

static void check_cluster(const struct attach_cluster *c)
{
	if (!c->name[0] || !c->sql.host[0] || !c->sql.user[0] || !c->sql.port ||
	    c->sql.port > 65535 || (c->mysql && c->pd[0]) || (c->cluster_id && !c->pd[0]))
		abort();
	check_url(c->pd);
	check_url(c->ticdc);
	check_url(c->status);
	for (unsigned k = 0; k < ATTACH_COMMANDS; k++)
		if (c->command[k][ATTACH_WORDS_MAX])
			abort();
}

/* A clusters file of anybody's: read within its bounds, or an error. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("clusters", MFD_CLOEXEC);
	static struct attach_file f;
	struct err e = ERR_INIT;
	char path[40];

	if (fd < 0 || fs_write_all(fd, data, size, NULL) < 0)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (attach_file_read(&f, path, &e) == 0) {
		if (!f.n || f.n > ATTACH_CLUSTERS_MAX)
			abort();
		for (size_t i = 0; i < f.n; i++)
			check_cluster(&f.c[i]);
		attach_file_release(&f);
	} else if (e.kind != ERR_USAGE || !e.text[0]) {
		abort();
	}
	close(fd);
	return 0;
}

/* Faults of a disk: a volume of its own (a small tmpfs that the ground mounted) is filled to its
 * last byte, or takes no new files. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "chaos/fault.h"
#include "harness/base/xalloc.h"
#include "harness/os/volume.h"

#define BALLAST ".drtest-ballast"

static int full_inject(struct fault *f, struct err *e)
{
	char *path = xstrfmt("%s/" BALLAST, f->target.disk);
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600), rc = -1;
	struct statvfs v;
	off_t size = 0;

	if (fd < 0 || fstatvfs(fd, &v) < 0) {
		err_sys(e, "fill %s", f->target.disk);
		goto out;
	}
	/* in halves, down to the last block: the disk is in use meanwhile */
	for (off_t step = (off_t)v.f_bavail * (off_t)v.f_frsize; step >= 4096;
	     step = step / 2 / 4096 * 4096)
		while (posix_fallocate(fd, size, step) == 0)
			size += step;
	rc = 0;
out:
	if (fd >= 0)
		close(fd);
	free(path);
	return rc;
}

static int full_heal(struct fault *f, struct err *e)
{
	char *path = xstrfmt("%s/" BALLAST, f->target.disk);
	int rc = unlink(path) < 0 && errno != ENOENT ? err_sys(e, "remove %s", path) : 0;

	free(path);
	return rc;
}

const struct fault_ops fault_disk_full = {
	.name = "disk_full",
	.on = FAULT_ON_DISK,
	.group = "disk",
	.args = " ",
	.what = "its disk has no free block",
	.needs = volume_needs,
	.inject = full_inject,
	.heal = full_heal,
};

static int ro_inject(struct fault *f, struct err *e)
{
	return volume_read_only(f->target.disk, true, e);
}

static int ro_heal(struct fault *f, struct err *e)
{
	return volume_read_only(f->target.disk, false, e);
}

const struct fault_ops fault_read_only = {
	.name = "read_only",
	.on = FAULT_ON_DISK,
	.group = "disk",
	.args = " ",
	.what = "no new files can be created on its disk",
	.needs = volume_needs,
	.inject = ro_inject,
	.heal = ro_heal,
};

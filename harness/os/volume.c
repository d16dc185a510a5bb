#include "harness/os/volume.h"

#include <errno.h>
#include <ftw.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static bool apart; /* we have a mount namespace of our own */

int volume_needs(struct strbuf *missing)
{
	int status = 0;
	pid_t pid;

	if (geteuid() != 0) {
		strbuf_addstr(
			missing,
			"disk_mb needs a mount, which only root can create: run drtest as root");
		return -1;
	}
	pid = fork(); /* tried in a child: containers often forbid it even to root */
	if (pid == 0)
		_exit(unshare(CLONE_NEWNS) < 0 ||
		      mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		      mount("drtest", "/mnt", "tmpfs", 0, "size=1m") < 0);
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (pid > 0 && WIFEXITED(status) && !WEXITSTATUS(status))
		return 0;
	strbuf_addstr(
		missing,
		"disk_mb needs a mount, which this container forbids: it needs CAP_SYS_ADMIN");
	return -1;
}

int volume_mount(const char *dir, int64_t size_bytes, struct err *e)
{
	char options[64];

	if (!apart &&
	    (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0))
		return err_sys(e, "create a mount namespace");
	apart = true;
	snprintf(options, sizeof(options), "size=%" PRId64 ",mode=0755", size_bytes);
	if (mount("drtest", dir, "tmpfs", MS_NOSUID | MS_NODEV, options) < 0)
		return err_sys(e, "mount a disk of %" PRId64 " MiB at %s", size_bytes >> 20, dir);
	return 0;
}

int volume_unmount(const char *dir, struct err *e)
{
	if (umount2(dir, MNT_DETACH) < 0 && errno != EINVAL && errno != ENOENT)
		return err_sys(e, "unmount %s", dir);
	return 0;
}

static int forbid(const char *path, const struct stat *st, int what, struct FTW *at)
{
	(void)at;
	return what == FTW_D && chmod(path, st->st_mode & ~(mode_t)0222) < 0 ? -1 : 0;
}

static int allow(const char *path, const struct stat *st, int what, struct FTW *at)
{
	(void)at;
	return what == FTW_D && chmod(path, st->st_mode | 0200) < 0 ? -1 : 0;
}

/* The kernel refuses a read-only mount while a file on it is written. So: no permission to make
 * files, in any of its directories; it holds for every process that is not root, and servers are
 * not. */
int volume_read_only(const char *dir, bool read_only, struct err *e)
{
	if (nftw(dir, read_only ? forbid : allow, 16, FTW_PHYS) != 0)
		return err_sys(e, "make %s %s", dir, read_only ? "read-only" : "writable");
	return 0;
}

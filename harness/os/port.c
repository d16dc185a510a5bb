#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/base/xalloc.h"
#include "harness/os/fs.h"
#include "harness/os/proc.h"

#define PORTS_DIR "/var/tmp/drtest-ports"
#define TRIES 100
#define LISTENERS_MAX 16

struct held {
	int port, fd; /* fd: the locked file */
};
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct held *held;
static size_t n_held, alloc_held;

/* Bound and listening, or -1. SO_REUSEADDR: connections in TIME_WAIT don't count, a listener does;
 * the servers set it too. */
static int listen_on(int port, int *got)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_port = htons((uint16_t)port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), why;
	socklen_t len = sizeof(a);

	if (fd < 0)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int)) == 0 &&
	    bind(fd, (struct sockaddr *)&a, len) == 0 && listen(fd, 1) == 0 &&
	    getsockname(fd, (struct sockaddr *)&a, &len) == 0) {
		*got = ntohs(a.sin_port);
		return fd;
	}
	why = errno;
	close(fd);
	errno = why;
	return -1;
}

bool port_is_free(int port)
{
	int got, fd = port > 0 && port < 65536 ? listen_on(port, &got) : -1;

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static int open_dir(struct err *e)
{
	struct stat st;
	int fd;

	if (mkdir(PORTS_DIR, 01777) == 0)
		/* past the umask: other users' drtests lock here too */
		(void)!chmod(PORTS_DIR, 01777);
	fd = open(PORTS_DIR, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		/* another drtest removed it, empty, a moment ago: the caller tries again */
		return -1;
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, "open " PORTS_DIR);
	return fd;
}

/* The locked file of that port; -1: another holds it (or *e says why it can't be). */
static int lock_port(int port, struct err *e)
{
	char name[16];
	struct stat mine, there;

	snprintf(name, sizeof(name), "%d", port);
	for (int i = 0; i < TRIES; i++) {
		int dir = open_dir(e), fd, why;

		if (dir < 0 && e && e->kind != ERR_NONE)
			return -1;
		if (dir < 0)
			continue;
		/* Two steps: where fs.protected_regular is set, O_CREAT on another user's file in a
		 * sticky directory is refused. */
		fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		if (fd < 0 && errno == ENOENT)
			fd = openat(dir, name, O_RDONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
				    0644);
		why = errno;
		if (fd < 0 && (why == EEXIST || why == ENOENT)) {
			close(dir);
			continue;
		}
		if (fd < 0) {
			errno = why;
			/* a stranger's file in our place: that port is not for us */
			if (why != EACCES && why != ELOOP)
				err_sys(e, "open " PORTS_DIR "/%s", name);
			close(dir);
			return -1;
		}
		if (fstat(fd, &mine) < 0 || !S_ISREG(mine.st_mode) ||
		    flock(fd, LOCK_EX | LOCK_NB) < 0) {
			close(fd);
			close(dir);
			return -1;
		}
		/* Its holder removes the file when it releases: what we locked must still be what
		 * the name means. */
		if (fstatat(dir, name, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
		    there.st_ino == mine.st_ino && there.st_dev == mine.st_dev) {
			close(dir);
			return fd;
		}
		close(fd);
		close(dir);
	}
	return -1;
}

int port_take(int wanted, struct err *e)
{
	struct err why = ERR_INIT;
	int port = -1, fd;

	for (int i = 0; i < TRIES; i++) {
		int sock = listen_on(i == 0 && wanted > 0 && wanted < 65536 ? wanted : 0, &port);

		if (sock < 0 && (i > 0 || wanted <= 0))
			return err_sys(e, "find a free port on 127.0.0.1");
		if (sock < 0)
			continue;
		fd = lock_port(port, &why); /* while we listen on it nobody else gets it */
		close(sock);
		if (why.kind != ERR_NONE) {
			if (e)
				*e = why;
			return -1;
		}
		if (fd < 0)
			continue;
		pthread_mutex_lock(&lock);
		XGROW(held, n_held, alloc_held, 16);
		held[n_held++] = (struct held){ port, fd };
		pthread_mutex_unlock(&lock);
		char path[64];

		snprintf(path, sizeof(path), PORTS_DIR "/%d", port);
		guardian_path(path);
		return port;
	}
	return err_set(e, ERR_ENV, 0, "no free port on 127.0.0.1 after %d tries", TRIES);
}

void port_release(int port)
{
	char path[64];

	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < n_held; i++) {
		if (held[i].port != port)
			continue;
		snprintf(path, sizeof(path), PORTS_DIR "/%d", port);
		unlink(path); /* while it is still locked */
		close(held[i].fd);
		guardian_path_forget(path);
		held[i] = held[--n_held];
		if (!n_held)
			rmdir(PORTS_DIR); /* only when empty */
		break;
	}
	pthread_mutex_unlock(&lock);
}

/* The sockets that listen on the port, in the process's own network: their inodes. */
static unsigned find_listeners(const char *path, int port, unsigned long *inode, unsigned room)
{
	FILE *f = fopen(path, "re");
	unsigned n = 0;
	char line[512];

	while (f && n < room && fgets(line, sizeof(line), f)) {
		unsigned at, state;
		unsigned long one;

		if (sscanf(line, " %*d: %*[0-9A-F]:%X %*[0-9A-F]:%*X %X %*s %*s %*s %*s %*s %lu",
			   &at, &state, &one) == 3 &&
		    (int)at == port && state == TCP_LISTEN)
			inode[n++] = one;
	}
	if (f)
		fclose(f);
	return n;
}

static int holds_socket(pid_t pid, const unsigned long *inode, unsigned n)
{
	char path[64], link[64];
	struct dirent *d;
	int found = 0;
	DIR *fds;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	fds = opendir(path);
	if (!fds)
		return errno == EACCES || errno == EPERM ? -1 : 0;
	while (found == 0 && (d = readdir(fds))) {
		ssize_t len = readlinkat(dirfd(fds), d->d_name, link, sizeof(link) - 1);
		unsigned long one;

		link[len > 0 ? len : 0] = '\0';
		if (len < 0 && (errno == EACCES || errno == EPERM))
			found = -1;
		else if (sscanf(link, "socket:[%lu]", &one) == 1)
			for (unsigned i = 0; i < n; i++)
				found |= inode[i] == one;
	}
	closedir(fds);
	return found;
}

int port_is_of(int port, pid_t leader)
{
	unsigned long inode[LISTENERS_MAX];
	char path[64];
	struct dirent *d;
	DIR *all;
	int found = 0;
	unsigned n;

	snprintf(path, sizeof(path), "/proc/%d/net/tcp", (int)leader);
	n = find_listeners(path, port, inode, LISTENERS_MAX);
	strcat(path, "6");
	n += find_listeners(path, port, inode + n, LISTENERS_MAX - n);
	all = n ? opendir("/proc") : NULL;
	while (all && found <= 0 && (d = readdir(all))) {
		pid_t pid = (pid_t)strtol(d->d_name, NULL, 10);
		int one = pid > 0 && (pid == leader || getpgid(pid) == leader)
				  ? holds_socket(pid, inode, n)
				  : 0;

		found = one ? one : found;
	}
	if (all)
		closedir(all);
	return found;
}

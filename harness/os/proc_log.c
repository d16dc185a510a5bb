#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/base/xalloc.h"
#include "harness/os/proc.h"
#include "harness/os/spawn.h"

#define CHUNK 65536
#define LOG_BYTES_MIN 4096
#define TAIL_BYTES 16384
#define TAIL_LINE_MAX 300

/* A child writes into a pipe, a small thread moves it to the file. When the file reaches its cap,
 * its middle goes: the first half (how it started) stays, and of what follows the newest quarter
 * (how it ended). A full disk drops output, it never blocks the child. */
struct proc_log {
	pthread_t thread;
	int fd, pipe, stop; /* stop: an eventfd */
	size_t max, pos;
	uint64_t dropped;
};

static void log_cut(struct proc_log *l)
{
	size_t head = l->max / 2, keep = l->max / 4, from = l->pos - keep, to;
	char *buf = xmalloc(CHUNK);
	ssize_t n;

	n = pread(l->fd, buf, CHUNK < keep ? CHUNK : keep, (off_t)from);
	if (n > 0) {
		char *nl = memchr(buf, '\n', (size_t)n);

		if (nl)
			from += (size_t)(nl + 1 - buf);
	}
	l->dropped += from - head;
	n = snprintf(buf, CHUNK, "\n[... %llu bytes of output dropped here ...]\n",
		     (unsigned long long)l->dropped);
	n = pwrite(l->fd, buf, (size_t)n, (off_t)head);
	to = head + (size_t)(n > 0 ? n : 0);
	while (from < l->pos &&
	       (n = pread(l->fd, buf, l->pos - from < CHUNK ? l->pos - from : CHUNK, (off_t)from)) >
		       0) {
		/* to < from always: the note is shorter than what goes */
		n = pwrite(l->fd, buf, (size_t)n, (off_t)to);
		if (n <= 0)
			break;
		from += (size_t)n;
		to += (size_t)n;
	}
	(void)!ftruncate(l->fd, (off_t)to);
	l->pos = to;
	free(buf);
}

static void log_write(struct proc_log *l, const char *data, size_t n)
{
	while (n) {
		size_t room = l->max > l->pos ? l->max - l->pos : 0;
		ssize_t w;

		if (!room) {
			log_cut(l);
			continue;
		}
		w = pwrite(l->fd, data, n < room ? n : room, (off_t)l->pos);
		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0)
			return;
		l->pos += (size_t)w;
		data += w;
		n -= (size_t)w;
	}
}

static void *log_main(void *arg)
{
	struct proc_log *l = arg;
	char *buf = xmalloc(CHUNK);
	bool stopping = false;

	for (;;) {
		struct pollfd p[2] = { { .fd = l->pipe, .events = POLLIN },
				       { .fd = l->stop, .events = POLLIN } };
		ssize_t n;

		if (!stopping && poll(p, 2, -1) < 0 && errno != EINTR)
			break;
		if (p[1].revents)
			stopping = true;
		n = read(l->pipe, buf, CHUNK); /* non-blocking */
		if (n > 0)
			log_write(l, buf, (size_t)n);
		else if (n == 0 || (errno != EAGAIN && errno != EINTR))
			break;
		else if (stopping && errno == EAGAIN)
			/* a stranger may hold the other end forever; what the child wrote is
			 * here */
			break;
	}
	free(buf);
	return NULL;
}

struct proc_log *proc_log_open(const char *path, size_t bytes_max, int *write_fd, struct err *e)
{
	struct proc_log *l = xcalloc(1, sizeof(*l));
	int pipes[2] = { -1, -1 }, why;
	sigset_t all, before;
	struct stat st;

	l->stop = -1;
	l->max = bytes_max < LOG_BYTES_MIN ? LOG_BYTES_MIN : bytes_max;
	l->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (l->fd < 0 || fstat(l->fd, &st) < 0) {
		err_sys(e, "open %s", path);
		goto fail;
	}
	l->pos = (size_t)st.st_size;
	if (l->pos > l->max)
		l->max = l->pos + LOG_BYTES_MIN; /* a log of an earlier start with a higher cap */
	l->stop = eventfd(0, EFD_CLOEXEC);
	if (l->stop < 0 || pipe2(pipes, O_CLOEXEC) < 0 ||
	    fcntl(pipes[0], F_SETFL, O_NONBLOCK) < 0) {
		err_sys(e, "make a pipe for %s", path);
		goto fail;
	}
	l->pipe = pipes[0];
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before); /* signals are for the main thread */
	why = pthread_create(&l->thread, NULL, log_main, l);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (why) {
		errno = why;
		err_sys(e, "start a thread for %s", path);
		goto fail;
	}
	*write_fd = pipes[1];
	return l;
fail:
	for (int i = 0; i < 2; i++)
		if (pipes[i] >= 0)
			close(pipes[i]);
	if (l->fd >= 0)
		close(l->fd);
	if (l->stop >= 0)
		close(l->stop);
	free(l);
	return NULL;
}

void proc_log_close(struct proc_log *l)
{
	if (!l)
		return;
	(void)!write(l->stop, &(uint64_t){ 1 }, sizeof(uint64_t));
	pthread_join(l->thread, NULL);
	close(l->fd);
	close(l->pipe);
	close(l->stop);
	free(l);
}

void proc_log_tail(const char *log_path, size_t lines, struct strbuf *out)
{
	char buf[TAIL_BYTES];
	size_t n = 0, start, seen = 0;
	struct stat st;
	int fd;

	fd = log_path ? open(log_path, O_RDONLY | O_CLOEXEC) : -1;
	if (fd < 0)
		return;
	if (fstat(fd, &st) == 0) {
		off_t from = st.st_size > (off_t)sizeof(buf) ? st.st_size - (off_t)sizeof(buf) : 0;
		ssize_t r = pread(fd, buf, sizeof(buf), from);

		n = r > 0 ? (size_t)r : 0;
	}
	close(fd);
	while (n && (buf[n - 1] == '\n' || buf[n - 1] == '\r'))
		n--;
	for (start = n; start > 0; start--)
		if (buf[start - 1] == '\n' && ++seen == lines)
			break;
	for (size_t at = start, first = 1; at < n; first = 0) {
		char *nl = memchr(buf + at, '\n', n - at);
		size_t len = nl ? (size_t)(nl - buf) - at : n - at;

		strbuf_addstr(out, first ? "" : " | ");
		for (size_t i = 0; i < len && i < TAIL_LINE_MAX; i++)
			strbuf_addch(out, (unsigned char)buf[at + i] < 0x20 || buf[at + i] == 0x7f
						  ? ' '
						  : buf[at + i]);
		if (len > TAIL_LINE_MAX)
			strbuf_addstr(out, "...");
		at += len + 1;
	}
}

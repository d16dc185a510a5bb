#include "workloads/history.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/base/xalloc.h"
#include "harness/os/fs.h"

#define BUFFER_BYTES 32768

struct history {
	int fd;
	struct strbuf buf;
	struct err failed; /* the first; kept until close */
	char path[PATH_MAX];
};

/* An earlier process may have been killed within a line. */
static int cut_torn_line(struct history *h, struct err *e)
{
	struct stat st;
	char c = '\n';
	off_t end;

	if (fstat(h->fd, &st) < 0)
		return err_sys(e, "history %s", h->path);
	for (end = st.st_size; end > 0; end--) {
		if (pread(h->fd, &c, 1, end - 1) != 1)
			return err_sys(e, "read history %s", h->path);
		if (c == '\n')
			break;
	}
	if (end < st.st_size && ftruncate(h->fd, end) < 0)
		return err_sys(e, "cut the torn line of history %s", h->path);
	return 0;
}

struct history *history_open(const char *dir, uint32_t worker, struct err *e)
{
	struct history *h = xcalloc(1, sizeof(*h));

	h->fd = -1;
	h->buf = (struct strbuf)STRBUF_INIT;
	if (snprintf(h->path, sizeof(h->path), "%s/worker-%04u.history", dir, worker) >=
	    (int)sizeof(h->path)) {
		err_set(e, ERR_USAGE, 0, "history directory %s: the name is too long", dir);
		goto failed;
	}
	h->fd = open(h->path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (h->fd < 0) {
		err_sys(e, "open history %s", h->path);
		goto failed;
	}
	if (cut_torn_line(h, e) < 0)
		goto failed;
	return h;
failed:
	if (h->fd >= 0)
		close(h->fd);
	free(h);
	return NULL;
}

static void write_out(struct history *h)
{
	if (h->failed.kind == ERR_NONE && h->buf.len &&
	    fs_write_all(h->fd, h->buf.buf, h->buf.len, &h->failed) < 0)
		err_wrap(&h->failed, "history %s", h->path);
	strbuf_reset(&h->buf);
}

void history_add(struct history *h, const struct ledger_record *r, const struct strbuf *ops)
{
	static const char *const outcome[] = { "", "acked", "failed", "unknown" };

	strbuf_addf(&h->buf,
		    "{\"worker\":%" PRIu32 ",\"seq\":%" PRIu64
		    ",\"outcome\":\"%s\",\"cluster\":%u,\"begin_us\":%" PRId64
		    ",\"end_us\":%" PRId64 ",\"position\":\"%" PRIu64 "\",\"ops\":[",
		    r->worker, r->seq, outcome[r->outcome], r->cluster, r->begin_us, r->end_us,
		    r->position);
	strbuf_add(&h->buf, ops->buf, ops->len);
	strbuf_addstr(&h->buf, "]}\n");
	if (h->buf.len > BUFFER_BYTES)
		write_out(h);
}

int history_flush(struct history *h, struct err *e)
{
	write_out(h);
	if (h->failed.kind == ERR_NONE)
		return 0;
	if (e)
		*e = h->failed;
	return -1;
}

int history_close(struct history *h, struct err *e)
{
	int rc;

	if (!h)
		return 0;
	rc = history_flush(h, e);
	if (close(h->fd) < 0 && rc == 0)
		rc = err_sys(e, "close history %s", h->path);
	strbuf_release(&h->buf);
	free(h);
	return rc;
}

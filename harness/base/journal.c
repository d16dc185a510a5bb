#include "harness/base/journal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#include "harness/base/clock.h"
#include "harness/base/strbuf.h"
#include "harness/base/xalloc.h"

#define LINE_BYTES_MAX ((size_t)16 << 20)

struct journal {
	pthread_mutex_t lock;
	char *path;
	int fd;
	int64_t start_ns;
	ZSTD_CCtx *zstd;
	struct strbuf out;
	struct err err; /* the first one */
	void (*listener)(void *arg, json_t *event);
	void *listener_arg;
};

struct journal *journal_create(const char *path, struct err *e)
{
	struct journal *j = xcalloc(1, sizeof(*j));

	j->start_ns = clock_mono_ns();
	j->path = xstrdup(path);
	j->out = (struct strbuf)STRBUF_INIT;
	pthread_mutex_init(&j->lock, NULL);
	j->zstd = ZSTD_createCCtx();
	j->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_APPEND, 0600);
	if (j->fd < 0 || !j->zstd) {
		err_sys(e, "create journal %s", path);
		journal_close(j, NULL);
		return NULL;
	}
	ZSTD_CCtx_setParameter(j->zstd, ZSTD_c_compressionLevel, 3);
	return j;
}

void journal_listen(struct journal *j, void (*fn)(void *arg, json_t *event), void *arg)
{
	pthread_mutex_lock(&j->lock);
	j->listener = fn;
	j->listener_arg = arg;
	pthread_mutex_unlock(&j->lock);
}

int64_t journal_start_ns(const struct journal *j)
{
	return j->start_ns;
}

static void write_out(struct journal *j)
{
	size_t done = 0;

	while (done < j->out.len && j->err.kind == ERR_NONE) {
		ssize_t n = write(j->fd, j->out.buf + done, j->out.len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			err_sys(&j->err, "write journal %s", j->path);
		else
			done += (size_t)n;
		assert(done <= j->out.len);
	}
	strbuf_reset(&j->out);
}

static void compress(struct journal *j, const char *data, size_t n, ZSTD_EndDirective how)
{
	ZSTD_inBuffer in = { data, n, 0 };
	size_t left;

	do {
		ZSTD_outBuffer out;

		strbuf_grow(&j->out, ZSTD_CStreamOutSize());
		out = (ZSTD_outBuffer){ j->out.buf + j->out.len, j->out.alloc - j->out.len - 1, 0 };
		left = ZSTD_compressStream2(j->zstd, &out, &in, how);
		if (ZSTD_isError(left)) {
			if (j->err.kind == ERR_NONE)
				err_set(&j->err, ERR_IO, 0, "journal: %s", ZSTD_getErrorName(left));
			break;
		}
		assert(out.pos <= out.size);
		j->out.len += out.pos;
		j->out.buf[j->out.len] = 0;
	} while (left || in.pos < in.size);
	write_out(j);
}

void journal_event_at(struct journal *j, int64_t mono_ns, const char *ev, json_t *fields)
{
	json_t *line = json_object();
	struct strbuf text = STRBUF_INIT;
	char *dump;

	json_object_set_new(line, "t", json_real((double)((mono_ns - j->start_ns) / 1000) / 1e6));
	json_object_set_new(line, "ev", json_string(ev));
	if (fields)
		json_object_update_missing(line, fields);
	json_decref(fields);
	dump = json_dumps(line, JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(12));
	if (!dump) {
		json_decref(line);
		return;
	}
	strbuf_addf(&text, "%s\n", dump);
	free(dump);
	assert(!memchr(text.buf, '\n', text.len - 1)); /* an event is a line */
	pthread_mutex_lock(&j->lock);
	assert(!j->out.len);
	compress(j, text.buf, text.len, ZSTD_e_flush);
	if (j->listener)
		j->listener(j->listener_arg, line);
	pthread_mutex_unlock(&j->lock);
	json_decref(line);
	strbuf_release(&text);
}

void journal_event(struct journal *j, const char *ev, json_t *fields)
{
	journal_event_at(j, clock_mono_ns(), ev, fields);
}

int journal_error(struct journal *j, struct err *e)
{
	int rc;

	pthread_mutex_lock(&j->lock);
	rc = j->err.kind == ERR_NONE ? 0 : -1;
	if (rc < 0 && e)
		*e = j->err;
	pthread_mutex_unlock(&j->lock);
	return rc;
}

int journal_close(struct journal *j, struct err *e)
{
	int rc;

	if (!j)
		return 0;
	if (j->fd >= 0) {
		compress(j, "", 0, ZSTD_e_end);
		if (fsync(j->fd) < 0 && j->err.kind == ERR_NONE)
			err_sys(&j->err, "write journal %s", j->path);
		close(j->fd);
	}
	rc = j->err.kind == ERR_NONE ? 0 : -1;
	if (rc < 0 && e)
		*e = j->err;
	ZSTD_freeCCtx(j->zstd);
	strbuf_release(&j->out);
	pthread_mutex_destroy(&j->lock);
	free(j->path);
	free(j);
	return rc;
}

/* Takes whole lines off the front of *text. 1: fn said stop, -1: a line is no event. */
static int take_lines(struct strbuf *text, int (*fn)(void *arg, json_t *event), void *arg,
		      const char *path, uint64_t *number, struct err *e)
{
	size_t from = 0;
	int rc = 0;

	while (rc == 0) {
		char *nl = memchr(text->buf + from, '\n', text->len - from);
		json_error_t je;
		json_t *ev;

		if (!nl)
			break;
		++*number;
		ev = json_loadb(text->buf + from, (size_t)(nl - text->buf) - from, 0, &je);
		if (!json_is_object(ev)) {
			json_decref(ev);
			return err_set(e, ERR_BAD_DATA, 0,
				       "journal %s: line %llu is not an event: %s", path,
				       (unsigned long long)*number, je.text);
		}
		rc = fn(arg, ev) ? 1 : 0;
		json_decref(ev);
		from = (size_t)(nl - text->buf) + 1;
	}
	assert(from <= text->len);
	memmove(text->buf, text->buf + from, text->len - from);
	strbuf_setlen(text, text->len - from);
	return rc;
}

int journal_read(const char *path, int (*fn)(void *arg, json_t *event), void *arg, int *truncated,
		 struct err *e)
{
	ZSTD_DCtx *zstd = ZSTD_createDCtx();
	struct strbuf text = STRBUF_INIT;
	char in_buf[65536], *out_buf = xmalloc(ZSTD_DStreamOutSize());
	uint64_t number = 0;
	size_t left = 1;
	int fd = open(path, O_RDONLY | O_CLOEXEC), rc = -1;
	ssize_t n;

	*truncated = 0;
	if (fd < 0) {
		err_sys(e, "open journal %s", path);
		goto out;
	}
	while ((n = read(fd, in_buf, sizeof(in_buf))) > 0 || (n < 0 && errno == EINTR)) {
		ZSTD_inBuffer in = { in_buf, n > 0 ? (size_t)n : 0, 0 };

		while (in.pos < in.size) {
			ZSTD_outBuffer out = { out_buf, ZSTD_DStreamOutSize(), 0 };
			int got;

			left = ZSTD_decompressStream(zstd, &out, &in);
			if (ZSTD_isError(left)) { /* its last bytes never reached the disk */
				*truncated = 1;
				rc = 0;
				goto out;
			}
			strbuf_add(&text, out.dst, out.pos);
			got = take_lines(&text, fn, arg, path, &number, e);
			if (got < 0)
				goto out;
			if (got > 0) {
				rc = 0;
				goto out;
			}
			if (text.len > LINE_BYTES_MAX) {
				err_set(e, ERR_BAD_DATA, 0,
					"journal %s: a line has more than 16 MiB", path);
				goto out;
			}
		}
	}
	if (n < 0) {
		err_sys(e, "read journal %s", path);
		goto out;
	}
	*truncated = left != 0 || text.len != 0;
	rc = 0;
out:
	if (fd >= 0)
		close(fd);
	ZSTD_freeDCtx(zstd);
	strbuf_release(&text);
	free(out_buf);
	return rc;
}

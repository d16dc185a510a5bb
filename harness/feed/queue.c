#include "harness/feed/queue.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/base/xalloc.h"
#include "harness/feed/log_lines.h"

#define CHUNK_BYTES ((size_t)128 << 10)

struct feed_chunk {
	struct feed_chunk *next;
	char *data; /* NULL: it lies in the file */
	size_t len, alloc, off;
	uint64_t file_at;
	tso_t next_ts; /* of the item at off */
};

void feed_spool_init(struct feed_spool *s, const char *dir, size_t memory_bytes_max)
{
	memset(s, 0, sizeof(*s));
	s->dir = dir;
	s->fd = -1;
	s->memory_bytes_max = memory_bytes_max;
}

void feed_spool_release(struct feed_spool *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
}

static int spool_open(struct feed_spool *s, struct err *e)
{
	char path[600];

	if (s->fd >= 0)
		return 0;
	snprintf(path, sizeof(path), "%s/feed-spool-XXXXXX", s->dir);
	s->fd = mkostemp(path, O_CLOEXEC);
	if (s->fd < 0)
		return err_sys(e, "create a spool file in %s", s->dir);
	unlink(path); /* gone with the process, however it ends */
	return 0;
}

/* Whole blocks, so that a hole gives all of it back. */
static uint64_t file_bytes(const struct feed_chunk *c)
{
	return (c->len + 4095) & ~(uint64_t)4095;
}

static int chunk_spill(struct feed_chunk *c, struct feed_spool *s, struct err *e)
{
	size_t done = 0;

	if (spool_open(s, e) < 0)
		return -1;
	if (!s->chunks)
		s->end_bytes = 0;
	while (done < c->len) {
		ssize_t n =
			pwrite(s->fd, c->data + done, c->len - done, (off_t)(s->end_bytes + done));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return err_sys(e, "write the spool file in %s", s->dir);
		done += (size_t)n;
	}
	c->file_at = s->end_bytes;
	s->end_bytes += file_bytes(c);
	s->file_bytes += file_bytes(c);
	assert(s->memory_bytes >= c->alloc);
	s->chunks++;
	s->memory_bytes -= c->alloc;
	free(c->data);
	c->data = NULL;
	c->alloc = 0;
	return 0;
}

/* A secondary that stays behind for hours must not cost more room than what waits: where a file
 * system has no holes, the file is cut once all was read. */
static void spool_give_back(struct feed_spool *s, const struct feed_chunk *c)
{
	if (!s->chunks) {
		if (ftruncate(s->fd, 0) < 0)
			feed_log("warn", "cannot free space in the spool in %s: %s", s->dir,
				 strerror(errno));
		s->end_bytes = 0;
	} else {
		fallocate(s->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)c->file_at,
			  (off_t)file_bytes(c));
	}
}

static int chunk_load(struct feed_chunk *c, struct feed_spool *s, struct err *e)
{
	size_t done = 0;
	char *data = xmalloc(c->len);

	while (done < c->len) {
		ssize_t n = pread(s->fd, data + done, c->len - done, (off_t)(c->file_at + done));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			free(data);
			return n < 0 ? err_sys(e, "read the spool file in %s", s->dir)
				     : err_set(e, ERR_IO, 0, "the spool file in %s is truncated",
					       s->dir);
		}
		done += (size_t)n;
	}
	c->data = data;
	c->alloc = c->len;
	s->memory_bytes += c->alloc;
	assert(s->chunks && s->file_bytes >= file_bytes(c));
	s->chunks--;
	s->file_bytes -= file_bytes(c);
	spool_give_back(s, c);
	return 0;
}

int feed_queue_push(struct feed_queue *q, struct feed_spool *s, const struct feed_item *it,
		    const char *text, struct err *e)
{
	size_t need = feed_item_bytes(it);
	struct feed_chunk *c = q->tail;

	if (!c || !c->data || c->len + need > c->alloc) {
		/* the chunk behind us is whole; the head is left alone, it is needed next */
		if (c && c->data && c != q->head && s->memory_bytes > s->memory_bytes_max &&
		    chunk_spill(c, s, e) < 0)
			return -1;
		c = xcalloc(1, sizeof(*c));
		c->alloc = need > CHUNK_BYTES ? need : CHUNK_BYTES;
		c->data = xmalloc(c->alloc);
		c->next_ts = it->commit_ts;
		s->memory_bytes += c->alloc;
		if (q->tail)
			q->tail->next = c;
		else
			q->head = c;
		q->tail = c;
	}
	assert(c->len + need <= c->alloc);
	memcpy(c->data + c->len, it, sizeof(*it));
	memcpy(c->data + c->len + sizeof(*it), text, need - sizeof(*it));
	c->len += need;
	return 0;
}

static size_t held_item(const struct feed_queue *q, struct feed_item *it)
{
	memcpy(it, q->held.buf + q->held_off, sizeof(*it));
	return feed_item_bytes(it);
}

tso_t feed_queue_next_ts(const struct feed_queue *q)
{
	struct feed_item it;

	if (q->held_off < q->held.len) {
		held_item(q, &it);
		return it.commit_ts;
	}
	return q->head ? q->head->next_ts : 0;
}

static void head_drop(struct feed_queue *q, struct feed_spool *s)
{
	struct feed_chunk *c = q->head;

	q->head = c->next;
	if (!q->head)
		q->tail = NULL;
	s->memory_bytes -= c->alloc;
	if (!c->data) {
		s->chunks--;
		s->file_bytes -= file_bytes(c);
	}
	free(c->data);
	free(c);
}

static int take_one(struct feed_queue *q, struct feed_spool *s, struct strbuf *out, struct err *e)
{
	struct feed_chunk *c = q->head;
	struct feed_item it;

	if (q->held_off < q->held.len) {
		size_t n = held_item(q, &it);

		strbuf_add(out, q->held.buf + q->held_off, n);
		q->held_off += n;
		if (q->held_off == q->held.len) {
			strbuf_release(&q->held);
			q->held_off = 0;
		}
		return 0;
	}
	if (!c->data && chunk_load(c, s, e) < 0)
		return -1;
	memcpy(&it, c->data + c->off, sizeof(it));
	strbuf_add(out, c->data + c->off, feed_item_bytes(&it));
	c->off += feed_item_bytes(&it);
	assert(c->off <= c->len);
	if (c->off == c->len) {
		head_drop(q, s);
		return 0;
	}
	memcpy(&it, c->data + c->off, sizeof(it));
	c->next_ts = it.commit_ts;
	return 0;
}

/* The items of out from `at` on go back to the front. */
static void hold_back(struct feed_queue *q, struct strbuf *out, size_t at)
{
	/* what was held was of one commitTs, and a later one has been taken since */
	assert(!q->held.len && !q->held_off);
	strbuf_add(&q->held, out->buf + at, out->len - at);
	strbuf_setlen(out, at);
}

int feed_queue_take(struct feed_queue *q, struct feed_spool *s, tso_t limit, unsigned items_max,
		    size_t bytes_max, struct strbuf *out, struct err *e)
{
	size_t whole = 0; /* bytes of out up to where a commitTs ends */
	int n = 0, n_whole = 0;
	tso_t ts;

	strbuf_reset(out);
	while ((ts = feed_queue_next_ts(q)) != 0 && ts <= limit && (unsigned)n < items_max &&
	       out->len < bytes_max) {
		if (take_one(q, s, out, e) < 0)
			return -1;
		n++;
		if (feed_queue_next_ts(q) != ts) {
			whole = out->len;
			n_whole = n;
		}
	}
	if (!whole || whole == out->len)
		return n;
	assert(n_whole < n); /* what is given out ends with a whole commitTs */
	hold_back(q, out, whole);
	return n_whole;
}

void feed_queue_release(struct feed_queue *q, struct feed_spool *s)
{
	while (q->head)
		head_drop(q, s);
	strbuf_release(&q->held);
	q->held_off = 0;
}

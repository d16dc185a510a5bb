#include "harness/verify/ledger.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/base/clock.h"
#include "harness/base/order.h"
#include "harness/base/strbuf.h"
#include "harness/base/xalloc.h"

#define RECORD_BYTES 48
#define BUFFER_RECORDS 128
#define FLUSH_AGE_NS 100000000

struct ledger_writer {
	int fd;
	pthread_mutex_t writing; /* the file; taken before lock */
	struct err failed;       /* the first write error; kept until close */
	char path[PATH_MAX];
	pthread_mutex_t lock; /* what follows */
	size_t used;          /* bytes in buf */
	int64_t oldest_ns;    /* when the first of them came */
	unsigned char buf[BUFFER_RECORDS * RECORD_BYTES];
};

/* CRC-32C (Castagnoli), reflected polynomial 0x82f63b78, eight bytes at a time: a ledger of 50
 * million records is read twice. */
static uint32_t crc_table[8][256];
static pthread_once_t crc_once = PTHREAD_ONCE_INIT;

static void crc_prepare(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t crc = i;

		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (0x82f63b78u & -(crc & 1));
		crc_table[0][i] = crc;
	}
	for (uint32_t i = 0; i < 256; i++)
		for (int k = 1; k < 8; k++)
			crc_table[k][i] =
				crc_table[k - 1][i] >> 8 ^ crc_table[0][crc_table[k - 1][i] & 255];
}

static uint32_t make_crc32c(const unsigned char *p, size_t n)
{
	uint32_t crc = ~0u;

	pthread_once(&crc_once, crc_prepare);
	for (; n >= 8; n -= 8, p += 8) {
		crc ^= (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
		       (uint32_t)p[3] << 24;
		crc = crc_table[7][crc & 255] ^ crc_table[6][crc >> 8 & 255] ^
		      crc_table[5][crc >> 16 & 255] ^ crc_table[4][crc >> 24] ^ crc_table[3][p[4]] ^
		      crc_table[2][p[5]] ^ crc_table[1][p[6]] ^ crc_table[0][p[7]];
	}
	while (n--)
		crc = crc >> 8 ^ crc_table[0][(crc ^ *p++) & 255];
	return ~crc;
}

static void put(unsigned char *p, uint64_t v, int bytes)
{
	for (int i = 0; i < bytes; i++)
		p[i] = (unsigned char)(v >> 8 * i);
}

static uint64_t get(const unsigned char *p, int bytes)
{
	uint64_t v = 0;

	for (int i = 0; i < bytes; i++)
		v |= (uint64_t)p[i] << 8 * i;
	return v;
}

/* Times as 6 bytes: 2^47 us are four years. worker 4, outcome 1, flags 1, cluster 2, seq 8, due 6,
 * begin 6, end 6, position 8, two bytes of zero, CRC 4. A time before the run's zero does not
 * occur. */
static void encode(unsigned char *p, const struct ledger_record *r)
{
	put(p, r->worker, 4);
	p[4] = r->outcome;
	p[5] = r->flags;
	put(p + 6, r->cluster, 2);
	put(p + 8, r->seq, 8);
	put(p + 16, r->due_us > 0 ? (uint64_t)r->due_us : 0, 6);
	put(p + 22, r->begin_us > 0 ? (uint64_t)r->begin_us : 0, 6);
	put(p + 28, r->end_us > 0 ? (uint64_t)r->end_us : 0, 6);
	put(p + 34, r->position, 8);
	put(p + 42, 0, 2);
	put(p + 44, make_crc32c(p, 44), 4);
}

static int decode(const unsigned char *p, struct ledger_record *r)
{
	if (get(p + 44, 4) != make_crc32c(p, 44))
		return -1;
	*r = (struct ledger_record){
		.worker = (uint32_t)get(p, 4),
		.outcome = p[4],
		.flags = p[5],
		.cluster = (uint16_t)get(p + 6, 2),
		.seq = get(p + 8, 8),
		.due_us = (int64_t)get(p + 16, 6),
		.begin_us = (int64_t)get(p + 22, 6),
		.end_us = (int64_t)get(p + 28, 6),
		.position = get(p + 34, 8),
	};
	return r->outcome >= TXN_ACKED && r->outcome <= TXN_UNKNOWN && r->seq > 0 ? 0 : -1;
}

static void writer_free(struct ledger_writer *w)
{
	pthread_mutex_destroy(&w->writing);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

struct ledger_writer *ledger_writer_open(const char *dir, uint32_t worker, struct err *e)
{
	struct ledger_writer *w = xcalloc(1, sizeof(*w));
	struct stat st;

	w->fd = -1;
	pthread_mutex_init(&w->writing, NULL);
	pthread_mutex_init(&w->lock, NULL);
	if (snprintf(w->path, sizeof(w->path), "%s/worker-%04u.ledger", dir, worker) >=
	    (int)sizeof(w->path)) {
		err_set(e, ERR_USAGE, 0, "ledger directory %s: the name is too long", dir);
		goto failed;
	}
	w->fd = open(w->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (w->fd < 0 || fstat(w->fd, &st) < 0) {
		err_sys(e, "open ledger %s", w->path);
		goto failed;
	}
	/* a torn tail would make all that follows unreadable */
	if (st.st_size % RECORD_BYTES &&
	    ftruncate(w->fd, st.st_size - st.st_size % RECORD_BYTES) < 0) {
		err_sys(e, "cut the torn tail of ledger %s", w->path);
		goto failed;
	}
	return w;
failed:
	if (w->fd >= 0)
		close(w->fd);
	writer_free(w);
	return NULL;
}

static int write_out(struct ledger_writer *w, struct err *e)
{
	unsigned char out[sizeof(w->buf)];
	size_t done = 0, all;
	int rc;

	pthread_mutex_lock(&w->writing);
	pthread_mutex_lock(&w->lock);
	all = w->used;
	memcpy(out, w->buf, all);
	w->used = 0;
	pthread_mutex_unlock(&w->lock);
	while (done < all && w->failed.kind == ERR_NONE) {
		ssize_t n = write(w->fd, out + done, all - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			err_sys(&w->failed, "write ledger %s", w->path);
		else
			done += (size_t)n;
	}
	rc = w->failed.kind == ERR_NONE ? 0 : -1;
	if (rc < 0 && e)
		*e = w->failed;
	pthread_mutex_unlock(&w->writing);
	return rc;
}

void ledger_writer_add(struct ledger_writer *w, const struct ledger_record *r)
{
	int64_t now = clock_mono_ns();
	bool due;

	pthread_mutex_lock(&w->lock);
	if (!w->used)
		w->oldest_ns = now;
	encode(w->buf + w->used, r);
	w->used += RECORD_BYTES;
	due = w->used == sizeof(w->buf) || now - w->oldest_ns >= FLUSH_AGE_NS;
	pthread_mutex_unlock(&w->lock);
	if (due)
		write_out(w, NULL);
}

int ledger_writer_flush(struct ledger_writer *w, struct err *e)
{
	return write_out(w, e);
}

int ledger_writer_close(struct ledger_writer *w, struct err *e)
{
	int rc;

	if (!w)
		return 0;
	rc = ledger_writer_flush(w, e);
	if (close(w->fd) < 0 && rc == 0)
		rc = err_sys(e, "close ledger %s", w->path);
	writer_free(w);
	return rc;
}

/* One file, of which `left` bytes count: *damaged is counted up when it does not end in a whole,
 * sound record that continues the sequence. */
static int read_file(const char *path, uint32_t worker, uint64_t left,
		     int (*fn)(void *, const struct ledger_record *), void *arg, unsigned *damaged,
		     struct err *e)
{
	unsigned char buf[RECORD_BYTES * 1024];
	struct ledger_record r;
	bool bounded = left != UINT64_MAX;
	size_t have = 0;
	uint64_t last = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC), rc = -1;

	if (fd < 0)
		return err_sys(e, "open ledger %s", path);
	for (;;) {
		size_t room = sizeof(buf) - have, at = 0;
		ssize_t n = read(fd, buf + have, room < left ? room : (size_t)left);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			err_sys(e, "read ledger %s", path);
			goto out;
		}
		have += (size_t)n;
		left -= (uint64_t)n;
		for (; have - at >= RECORD_BYTES; at += RECORD_BYTES) {
			if (decode(buf + at, &r) < 0 || r.worker != worker || r.seq <= last) {
				++*damaged;
				rc = 0;
				goto out;
			}
			last = r.seq;
			if (fn(arg, &r) < 0) {
				err_set(e, ERR_CANCELLED, 0, "read ledger %s: stopped", path);
				goto out;
			}
		}
		have -= at;
		memmove(buf, buf + at, have);
		if (n == 0)
			break;
	}
	if (have || (bounded && left))
		++*damaged;
	rc = 0;
out:
	close(fd);
	return rc;
}

/* The workers that have a file, sorted; the caller frees *out. */
static int list_workers(const char *dir, uint32_t **out, size_t *count, struct err *e)
{
	uint32_t *workers = NULL;
	size_t n = 0, room = 0;
	struct dirent *d;
	DIR *folder = opendir(dir);

	if (!folder)
		return err_sys(e, "open ledger directory %s", dir);
	while ((d = readdir(folder))) {
		unsigned long worker;
		char *end;

		if (strncmp(d->d_name, "worker-", 7) != 0)
			continue;
		worker = strtoul(d->d_name + 7, &end, 10);
		if (end == d->d_name + 7 || strcmp(end, ".ledger") != 0 || worker > UINT32_MAX)
			continue;
		XGROW(workers, n, room, 64);
		workers[n++] = (uint32_t)worker;
	}
	closedir(folder);
	if (n)
		qsort(workers, n, sizeof(*workers), by_u32);
	*out = workers;
	*count = n;
	return 0;
}

static void file_path(struct strbuf *out, const char *dir, uint32_t worker)
{
	strbuf_reset(out);
	strbuf_addf(out, "%s/worker-%04u.ledger", dir, worker);
}

struct ledger_mark {
	uint32_t *worker;
	uint64_t *bytes;
	size_t n;
};

void ledger_mark_free(struct ledger_mark *m)
{
	if (!m)
		return;
	free(m->worker);
	free(m->bytes);
	free(m);
}

struct ledger_mark *ledger_mark_take(const char *dir, struct err *e)
{
	struct ledger_mark *m = xcalloc(1, sizeof(*m));
	struct strbuf path = STRBUF_INIT;
	struct stat st;
	int rc = list_workers(dir, &m->worker, &m->n, e);

	m->bytes = xcalloc(m->n + 1, sizeof(*m->bytes));
	for (size_t i = 0; i < m->n && rc == 0; i++) {
		file_path(&path, dir, m->worker[i]);
		rc = stat(path.buf, &st) < 0 ? err_sys(e, "check ledger %s", path.buf) : 0;
		m->bytes[i] = rc ? 0 : (uint64_t)st.st_size;
	}
	strbuf_release(&path);
	if (rc == 0)
		return m;
	ledger_mark_free(m);
	return NULL;
}

int ledger_read_to(const char *dir, const struct ledger_mark *m,
		   int (*fn)(void *arg, const struct ledger_record *r), void *arg,
		   unsigned *damaged, struct err *e)
{
	uint32_t *listed = NULL;
	const uint32_t *worker;
	size_t n = 0;
	unsigned torn = 0;
	struct strbuf path = STRBUF_INIT;
	int rc = 0;

	if (!m && list_workers(dir, &listed, &n, e) < 0)
		return -1;
	worker = m ? m->worker : listed;
	n = m ? m->n : n;
	for (size_t i = 0; i < n && rc == 0; i++) {
		file_path(&path, dir, worker[i]);
		rc = read_file(path.buf, worker[i], m ? m->bytes[i] : UINT64_MAX, fn, arg, &torn,
			       e);
	}
	if (damaged)
		*damaged = torn;
	free(listed);
	strbuf_release(&path);
	return rc;
}

int ledger_read(const char *dir, int (*fn)(void *arg, const struct ledger_record *r), void *arg,
		unsigned *damaged, struct err *e)
{
	return ledger_read_to(dir, NULL, fn, arg, damaged, e);
}

static int keep_last(void *arg, const struct ledger_record *r)
{
	*(struct ledger_record *)arg = *r;
	return 0;
}

int ledger_open_ends(const char *dir, uint32_t first, unsigned n, struct err *e)
{
	struct strbuf path = STRBUF_INIT;
	int rc = 0;

	for (uint32_t worker = first; worker < first + n && rc == 0; worker++) {
		struct ledger_record last = { 0 };
		struct ledger_writer *w = ledger_writer_open(dir, worker, e);
		unsigned damaged = 0;

		file_path(&path, dir, worker);
		rc = w ? read_file(path.buf, worker, UINT64_MAX, keep_last, &last, &damaged, e)
		       : -1;
		if (rc == 0)
			ledger_writer_add(w, &(struct ledger_record){ .worker = worker,
								      .cluster = last.cluster,
								      .outcome = TXN_UNKNOWN,
								      .flags = TXN_OPEN_END,
								      .seq = last.seq + 1,
								      .due_us = last.end_us,
								      .begin_us = last.end_us,
								      .end_us = last.end_us });
		if (ledger_writer_close(w, rc == 0 ? e : NULL) < 0)
			rc = -1;
	}
	strbuf_release(&path);
	return rc;
}

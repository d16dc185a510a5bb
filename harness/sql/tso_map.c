#include "harness/sql/tso_map.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "harness/base/xalloc.h"

#define RECORD_BYTES 24
#define READ_RECORDS 4096

struct sample {
	uint64_t ms, seq;
};

/* Samples of an idle server repeat the sequence number; only the newest of such a row is kept in
 * memory beside the first, so a map of a day fits: what is asked for is the sample that first
 * covers a GTID, and the last one. */
struct tso_map {
	char *path;
	int fd;
	off_t read_to;
	struct sample *s; /* samples where seq grew (the first one included) */
	size_t n, alloc;
	struct sample last;
	uint64_t before_last; /* seq of the sample before `last` */
	size_t n_read;
};

static void put_u64(unsigned char *p, uint64_t v)
{
	for (int i = 0; i < 8; i++)
		p[i] = (unsigned char)(v >> (8 * i));
}

static uint64_t get_u64(const unsigned char *p)
{
	uint64_t v = 0;

	for (int i = 0; i < 8; i++)
		v |= (uint64_t)p[i] << (8 * i);
	return v;
}

struct tso_map *tso_map_open(const char *path, struct err *e)
{
	struct tso_map *m = xcalloc(1, sizeof(*m));

	m->path = xstrdup(path);
	m->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (m->fd < 0) {
		err_sys(e, "open TSO map %s", path);
		if (e && e->code == ENOENT)
			e->kind = ERR_NOT_FOUND;
		tso_map_free(m);
		return NULL;
	}
	if (tso_map_refresh(m, e) < 0) {
		tso_map_free(m);
		return NULL;
	}
	return m;
}

void tso_map_free(struct tso_map *m)
{
	if (!m)
		return;
	if (m->fd >= 0)
		close(m->fd);
	free(m->s);
	free(m->path);
	free(m);
}

static int take(struct tso_map *m, struct sample s, struct err *e)
{
	if (m->n_read && (s.ms <= m->last.ms || s.seq < m->last.seq))
		return err_set(e, ERR_BAD_DATA, 0, "TSO map %s: sample %zu goes backward", m->path,
			       m->n_read);
	if (!m->n_read || s.seq > m->last.seq) {
		XGROW(m->s, m->n, m->alloc, 256);
		m->s[m->n++] = s;
	}
	m->before_last = m->n_read ? m->last.seq : s.seq;
	m->last = s;
	m->n_read++;
	return 0;
}

int tso_map_refresh(struct tso_map *m, struct err *e)
{
	static const size_t bytes = (size_t)RECORD_BYTES * READ_RECORDS;
	unsigned char *buf = xmalloc(bytes);
	int rc = -1;
	ssize_t n;

	for (;;) {
		size_t whole;

		n = pread(m->fd, buf, bytes, m->read_to);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			err_sys(e, "read TSO map %s", m->path);
			goto out;
		}
		whole = (size_t)n / RECORD_BYTES;
		if (!whole)
			break;
		for (size_t i = 0; i < whole; i++) {
			const unsigned char *p = buf + i * RECORD_BYTES;

			if (get_u64(p + 16) != XXH3_64bits(p, 16)) {
				/* Only a torn tail may be wrong: more behind it means that the file
				 * was damaged. */
				if (i + 1 < whole) {
					err_set(e, ERR_BAD_DATA, 0,
						"TSO map %s: sample %zu is damaged", m->path,
						m->n_read);
					goto out;
				}
				rc = 0;
				goto out;
			}
			if (take(m, (struct sample){ get_u64(p), get_u64(p + 8) }, e) < 0)
				goto out;
			m->read_to += RECORD_BYTES;
		}
	}
	rc = 0;
out:
	free(buf);
	return rc;
}

/* Index of the first kept sample with seq >= wanted, or n. */
static size_t find_covering(const struct tso_map *m, uint64_t seq)
{
	size_t lo = 0, hi = m->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (m->s[mid].seq >= seq)
			hi = mid;
		else
			lo = mid + 1;
	}
	return lo;
}

int tso_map_of_seq(struct tso_map *m, uint64_t seq, tso_t *ts, struct err *e)
{
	size_t i;

	if (!m->n)
		return 0;
	if (seq <= m->s[0].seq)
		return err_set(e, ERR_NOT_FOUND, 0,
			       "GTID %llu is older than the first sample (%llu) of the TSO map",
			       (unsigned long long)seq, (unsigned long long)m->s[0].seq);
	i = find_covering(m, seq);
	if (i == m->n)
		return 0;
	*ts = tso_make((int64_t)m->s[i].ms, seq - m->s[i - 1].seq);
	return 1;
}

int tso_map_last(struct tso_map *m, uint64_t *seq, tso_t *ts)
{
	if (!m->n_read)
		return 0;
	*seq = m->last.seq;
	*ts = tso_make((int64_t)m->last.ms, m->last.seq - m->before_last);
	return 1;
}

int tso_map_seq_at(struct tso_map *m, tso_t ts, uint64_t *seq, struct err *e)
{
	uint64_t ms = (uint64_t)tso_ms(ts), logical = ts & ((1u << TSO_LOGICAL_BITS) - 1), more;
	size_t lo = 0, hi = m->n;

	if (!m->n || ms < m->s[0].ms)
		return err_set(e, ERR_NOT_FOUND, 0,
			       "TSO %llu is older than the first sample of the TSO map",
			       (unsigned long long)ts);
	while (lo < hi) { /* the first kept sample with sample.ms > ms */
		size_t mid = lo + (hi - lo) / 2;

		if (m->s[mid].ms > ms)
			hi = mid;
		else
			lo = mid + 1;
	}
	lo--;
	*seq = m->s[lo].seq;
	if (lo && m->s[lo].ms == ms) {
		more = m->s[lo].seq - m->s[lo - 1].seq;
		*seq = m->s[lo - 1].seq + (logical < more ? logical : more);
	}
	return 0;
}

int gtid_parse_seq(const char *gtid, uint64_t *seq, struct err *e)
{
	const char *p = gtid;
	int dashes = 0;
	tso_t v;

	*seq = 0;
	if (!*gtid)
		return 0;
	for (const char *c = gtid; *c; c++) {
		if (*c == '-') {
			dashes++;
			p = c + 1;
		} else if (*c < '0' || *c > '9') {
			return err_set(e, ERR_BAD_DATA, 0,
				       "GTID '%.60s': expected one domain, such as 0-1-42", gtid);
		}
	}
	if (dashes != 2 || !tso_parse(p, &v))
		return err_set(e, ERR_BAD_DATA, 0,
			       "GTID '%.60s': expected one domain, such as 0-1-42", gtid);
	*seq = v;
	return 0;
}

/* ---- sampler ---- */

struct tso_sampler {
	pthread_t thread;
	struct sql *conn;
	int fd, interval_ms;
	uint64_t last_ms, last_seq;
	bool any;
	atomic_bool stop;
};

/* The position is read before the clock: what commits in between is in the next sample. */
static int take_sample(struct tso_sampler *s, struct err *e)
{
	struct strbuf pos = STRBUF_INIT;
	unsigned char rec[RECORD_BYTES];
	uint64_t seq, ms;
	int rc = -1;

	if (sql_value(s->conn, &pos, e, "SELECT @@global.gtid_binlog_pos") < 0 ||
	    gtid_parse_seq(pos.buf, &seq, e) < 0)
		goto out;
	if (s->any && seq < s->last_seq) {
		err_set(e, ERR_BAD_DATA, 0, "the server's GTID went from %llu back to %llu",
			(unsigned long long)s->last_seq, (unsigned long long)seq);
		goto out;
	}
	ms = (uint64_t)clock_wall_ms();
	if (s->any && ms <= s->last_ms)
		ms = s->last_ms + 1;
	put_u64(rec, ms);
	put_u64(rec + 8, seq);
	put_u64(rec + 16, XXH3_64bits(rec, 16));
	if (write(s->fd, rec, sizeof(rec)) != (ssize_t)sizeof(rec) || fdatasync(s->fd) < 0) {
		err_sys(e, "write the TSO map");
		goto out;
	}
	s->last_ms = ms;
	s->last_seq = seq;
	s->any = true;
	rc = 0;
out:
	strbuf_release(&pos);
	return rc;
}

static void *sampler_main(void *arg)
{
	struct tso_sampler *s = arg;
	int64_t next = clock_mono_ns();

	while (!atomic_load(&s->stop)) {
		struct err e = ERR_INIT;
		int64_t now;

		next += (int64_t)s->interval_ms * 1000000;
		now = clock_mono_ns();
		if (next > now)
			usleep((useconds_t)((next - now) / 1000));
		else
			next = now;
		if (atomic_load(&s->stop) || take_sample(s, &e) < 0)
			break; /* the server is gone: the map ends here, as its history does */
	}
	return NULL;
}

/* A map that is there goes on (the server was started again): its last sample, behind which a torn
 * one is cut off. */
static int resume(struct tso_sampler *s, const char *path, struct err *e)
{
	struct tso_map *m = tso_map_open(path, e);
	off_t end;

	if (!m)
		return -1;
	s->any = m->n_read > 0;
	s->last_ms = m->last.ms;
	s->last_seq = m->last.seq;
	end = m->read_to;
	tso_map_free(m);
	if (ftruncate(s->fd, end) < 0 || lseek(s->fd, end, SEEK_SET) < 0)
		return err_sys(e, "open TSO map %s", path);
	return 0;
}

struct tso_sampler *tso_sampler_start(const struct sql_endpoint *ep, const char *path,
				      int interval_ms, struct err *e)
{
	struct tso_sampler *s = xcalloc(1, sizeof(*s));
	sigset_t all, before;
	int why;

	s->interval_ms = interval_ms > 0 ? interval_ms : 50;
	s->fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	if (s->fd < 0) {
		err_sys(e, "create TSO map %s", path);
		goto fail;
	}
	if (resume(s, path, e) < 0)
		goto fail;
	s->conn = sql_open(ep, deadline_in_ms(10000), e);
	if (!s->conn || take_sample(s, e) < 0)
		goto fail;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before); /* signals are for the main thread */
	why = pthread_create(&s->thread, NULL, sampler_main, s);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (why) {
		errno = why;
		err_sys(e, "start the TSO sampler");
		goto fail;
	}
	return s;
fail:
	err_wrap(e, "TSO sampler");
	sql_close(s->conn);
	if (s->fd >= 0)
		close(s->fd);
	free(s);
	return NULL;
}

void tso_sampler_stop(struct tso_sampler *s)
{
	if (!s)
		return;
	atomic_store(&s->stop, true);
	pthread_join(s->thread, NULL);
	sql_close(s->conn);
	close(s->fd);
	free(s);
}

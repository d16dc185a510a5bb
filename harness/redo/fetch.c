#include "harness/redo/fetch.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/xalloc.h"

#define PIECE ((size_t)256 << 10)
#define PIECES 4 /* of a file that waits for its turn */
#define THREADS_MAX 16

struct lane { /* downloads files lane, lane + n_lanes, ... */
	struct fetch *f;
	pthread_t thread;
	bool running;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	char *piece[PIECES];
	size_t len[PIECES], head, count;
	bool over; /* the file's last piece is there, or err */
	bool failed, stop;
	/* the reader gave up in the middle of a file: the rest of it is not for the next one */
	bool unread;
	struct err err;
	size_t fill; /* bytes in the piece that is being filled */
};

struct fetch {
	struct store *s;
	const char *const *keys;
	size_t n;
	unsigned n_lanes;
	struct lane *lane;
};

/* Hands the piece that is being filled to the reader; -1: nobody wants more. */
static int hand_over(struct lane *l)
{
	int rc;

	pthread_mutex_lock(&l->lock);
	l->len[(l->head + l->count) % PIECES] = l->fill;
	l->count++;
	l->fill = 0;
	pthread_cond_signal(&l->changed);
	while (l->count == PIECES && !l->stop)
		pthread_cond_wait(&l->changed, &l->lock);
	rc = l->stop ? -1 : 0;
	pthread_mutex_unlock(&l->lock);
	return rc;
}

static int take(void *arg, const void *data, size_t n, struct err *e)
{
	struct lane *l = arg;
	const char *from = data;

	while (n) {
		size_t part = PIECE - l->fill < n ? PIECE - l->fill : n, at;

		pthread_mutex_lock(&l->lock);
		at = (l->head + l->count) % PIECES;
		pthread_mutex_unlock(&l->lock);
		memcpy(l->piece[at] + l->fill, from, part);
		l->fill += part;
		from += part;
		n -= part;
		if (l->fill == PIECE && hand_over(l) < 0)
			return err_set(e, ERR_CANCELLED, 0, "no longer needed");
	}
	return 0;
}

static void *download(void *arg)
{
	struct lane *l = arg;
	struct fetch *f = l->f;
	bool stop = false;

	for (size_t i = (size_t)(l - f->lane); i < f->n && !stop; i += f->n_lanes) {
		struct err e = ERR_INIT;
		int rc = store_get_stream(f->s, f->keys[i], take, l, &e);

		if (rc == 0 && l->fill)
			hand_over(l);
		pthread_mutex_lock(&l->lock);
		l->failed = rc < 0;
		l->err = e;
		l->over = true;
		pthread_cond_signal(&l->changed);
		while (l->over && !l->stop) /* until the reader has taken all of it */
			pthread_cond_wait(&l->changed, &l->lock);
		stop = l->stop;
		pthread_mutex_unlock(&l->lock);
	}
	return NULL;
}

struct fetch *fetch_new(struct store *s, const char *const *keys, size_t n, unsigned threads)
{
	struct fetch *f = xcalloc(1, sizeof(*f));
	sigset_t all, before;

	f->s = s;
	f->keys = keys;
	f->n = n;
	f->n_lanes = threads > THREADS_MAX ? THREADS_MAX : threads;
	if (f->n_lanes > n)
		f->n_lanes = (unsigned)n;
	f->lane = xcalloc(f->n_lanes ? f->n_lanes : 1, sizeof(*f->lane));
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before); /* signals are for the main thread */
	for (unsigned i = 0; i < f->n_lanes; i++) {
		struct lane *l = &f->lane[i];

		l->f = f;
		pthread_mutex_init(&l->lock, NULL);
		pthread_cond_init(&l->changed, NULL);
		for (int k = 0; k < PIECES; k++)
			l->piece[k] = xmalloc(PIECE);
		l->running = pthread_create(&l->thread, NULL, download, l) == 0;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return f;
}

static int take_nothing(void *arg, const void *data, size_t n, struct err *e)
{
	(void)arg;
	(void)data;
	(void)n;
	(void)e;
	return 0;
}

static int lane_file(struct lane *l,
		     int (*fn)(void *arg, const void *data, size_t n, struct err *e), void *arg,
		     struct err *e)
{
	for (;;) {
		size_t at;
		int rc;

		pthread_mutex_lock(&l->lock);
		while (!l->count && !l->over)
			pthread_cond_wait(&l->changed, &l->lock);
		if (!l->count) {
			bool failed = l->failed;

			if (failed && e)
				*e = l->err;
			l->over = false;
			pthread_cond_signal(&l->changed);
			pthread_mutex_unlock(&l->lock);
			return failed ? -1 : 0;
		}
		at = l->head;
		pthread_mutex_unlock(&l->lock);
		rc = fn(arg, l->piece[at], l->len[at], e);
		pthread_mutex_lock(&l->lock);
		l->head = (l->head + 1) % PIECES;
		l->count--;
		l->unread = rc < 0;
		pthread_cond_signal(&l->changed);
		pthread_mutex_unlock(&l->lock);
		if (rc < 0)
			return -1;
	}
}

int fetch_file(struct fetch *f, size_t i,
	       int (*fn)(void *arg, const void *data, size_t n, struct err *e), void *arg,
	       struct err *e)
{
	struct lane *l;

	if (!f->n_lanes)
		return store_get_stream(f->s, f->keys[i], fn, arg, e);
	l = &f->lane[i % f->n_lanes];
	if (!l->running)
		return err_set(e, ERR_IO, 0, "cannot start a download thread");
	if (l->unread) {
		l->unread = false;
		lane_file(l, take_nothing, NULL, NULL);
	}
	return lane_file(l, fn, arg, e);
}

void fetch_free(struct fetch *f)
{
	if (!f)
		return;
	for (unsigned i = 0; i < f->n_lanes; i++) {
		struct lane *l = &f->lane[i];

		pthread_mutex_lock(&l->lock);
		l->stop = true;
		pthread_cond_signal(&l->changed);
		pthread_mutex_unlock(&l->lock);
	}
	for (unsigned i = 0; i < f->n_lanes; i++) {
		struct lane *l = &f->lane[i];

		if (l->running)
			pthread_join(l->thread, NULL);
		pthread_mutex_destroy(&l->lock);
		pthread_cond_destroy(&l->changed);
		for (int k = 0; k < PIECES; k++)
			free(l->piece[k]);
	}
	free(f->lane);
	free(f);
}

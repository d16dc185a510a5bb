#include "workloads/shards/words.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/base/xalloc.h"
#include "harness/os/fs.h"

#define WORD_MS 1000
#define RECORD_BYTES 48
#define PIECE_BYTES_MAX ((size_t)256 << 20)
#define NAME_MAX_BYTES 64

struct grown {
	char name[NAME_MAX_BYTES];
	uint64_t left, next; /* bytes in the store; with the piece that is under way */
};

struct load_words {
	const struct load_opts *o;
	struct load *l;
	int64_t start_ns;
	struct store *s;
	struct grown *file;
	size_t n_files, files_room;
	unsigned pieces;
	bool told; /* that a word could not be left */
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct load_total warm; /* under lock */
	bool stop;
};

static struct grown *find_file(struct load_words *w, const char *name)
{
	struct grown *g;

	for (size_t i = 0; i < w->n_files; i++)
		if (!strcmp(w->file[i].name, name))
			return &w->file[i];
	XGROW(w->file, w->n_files, w->files_room, 64);
	g = &w->file[w->n_files++];
	*g = (struct grown){ 0 };
	snprintf(g->name, sizeof(g->name), "%s", name);
	return g;
}

/* Whole records alone, whole lines alone. */
static size_t cut_to_whole(const char *name, const char *bytes, size_t n)
{
	const char *end;

	if (strstr(name, ".ledger"))
		return n - n % RECORD_BYTES;
	end = n ? memrchr(bytes, '\n', n) : NULL;
	return end ? (size_t)(end - bytes) + 1 : 0;
}

/* "NAME OFFSET BYTES\n" and the bytes. */
static int add_growth(struct load_words *w, const char *name, struct strbuf *piece, struct err *e)
{
	struct grown *g = find_file(w, name);
	struct strbuf path = STRBUF_INIT;
	struct stat st;
	char *bytes = NULL;
	size_t n = 0;
	int fd, rc = 0;

	strbuf_addf(&path, "%s/%s", w->o->ledger_dir, name);
	fd = open(path.buf, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0) {
		rc = err_sys(e, "open %s", path.buf);
	} else if ((uint64_t)st.st_size > g->left) {
		size_t room = (size_t)((uint64_t)st.st_size - g->left);
		ssize_t got;

		if (room > PIECE_BYTES_MAX - piece->len)
			room = PIECE_BYTES_MAX - piece->len; /* the rest with the next */
		bytes = xreallocarray(NULL, room + 1, 1);
		got = pread(fd, bytes, room, (off_t)g->left);
		if (got < 0)
			rc = err_sys(e, "read %s", path.buf);
		else
			n = cut_to_whole(name, bytes, (size_t)got);
	}
	g->next = g->left + n;
	if (n) {
		strbuf_addf(piece, "%s %" PRIu64 " %zu\n", name, g->left, n);
		strbuf_add(piece, bytes, n);
	}
	if (fd >= 0)
		close(fd);
	free(bytes);
	strbuf_release(&path);
	return rc;
}

static int leave_piece(struct load_words *w, struct err *e)
{
	DIR *folder = w->o->ledger_dir ? opendir(w->o->ledger_dir) : NULL;
	struct strbuf piece = STRBUF_INIT;
	struct dirent *d;
	char key[64];
	int rc = 0;

	while (rc == 0 && folder && (d = readdir(folder)))
		if (strncmp(d->d_name, "worker-", 7) == 0 && strlen(d->d_name) < NAME_MAX_BYTES)
			rc = add_growth(w, d->d_name, &piece, e);
	if (folder)
		closedir(folder);
	if (rc == 0 && piece.len) {
		snprintf(key, sizeof(key), "piece/%05u/%06u", w->o->shard, w->pieces + 1);
		rc = store_put(w->s, key, piece.buf, piece.len, e);
		if (rc == 0) {
			w->pieces++;
			for (size_t i = 0; i < w->n_files; i++)
				w->file[i].left = w->file[i].next;
		}
	}
	strbuf_release(&piece);
	return rc;
}

static int leave_word(struct load_words *w, struct load_total *now, struct err *e)
{
	char key[64];
	json_t *j;
	double at;

	load_total_take(now, w->l);
	now->seconds = at = (double)(clock_mono_ns() - w->start_ns) / 1e9;
	pthread_mutex_lock(&w->lock);
	load_total_subtract(now, &w->warm);
	pthread_mutex_unlock(&w->lock);
	now->workers = w->o->workers;
	now->shards = 1;
	/* the ledgers' share behind the totals: it holds what these count */
	if (leave_piece(w, e) < 0)
		return -1;
	j = load_total_json(w->o->name, w->o->seed, now, true);
	json_object_set_new(j, "at_s", json_real(at));
	json_object_set_new(j, "wall_us", json_integer(clock_wall_us()));
	snprintf(key, sizeof(key), "word/%05u.json", w->o->shard);
	return load_store_put_json(w->s, key, j, e);
}

static void *run_words(void *arg)
{
	struct load_words *w = arg;
	struct load_total *now = xcalloc(1, sizeof(*now));

	pthread_mutex_lock(&w->lock);
	while (!w->stop) {
		struct err e = ERR_INIT;
		struct timespec until;
		int64_t at = clock_mono_ns() + WORD_MS * 1000000ll;

		pthread_mutex_unlock(&w->lock);
		if (clock_mono_ns() >= w->start_ns && leave_word(w, now, &e) < 0 && !w->told) {
			w->told = true;
			fprintf(stderr,
				"drtest load: cannot write this shard's progress to the "
				"rendezvous; it is lost if the shard is killed: %s\n",
				e.text);
		}
		until = (struct timespec){ at / 1000000000, at % 1000000000 };
		pthread_mutex_lock(&w->lock);
		while (!w->stop && pthread_cond_timedwait(&w->wake, &w->lock, &until) == 0)
			;
	}
	pthread_mutex_unlock(&w->lock);
	free(now);
	return NULL;
}

struct load_words *load_words_start(const char *rendezvous, const struct load_opts *o,
				    struct load *l, int64_t start_ns)
{
	struct load_words *w = xcalloc(1, sizeof(*w));
	struct err e = ERR_INIT;
	pthread_condattr_t mono;

	*w = (struct load_words){ .o = o, .l = l, .start_ns = start_ns };
	w->s = store_open(rendezvous, NULL, &e); /* it was opened for the meeting */
	pthread_mutex_init(&w->lock, NULL);
	pthread_condattr_init(&mono);
	pthread_condattr_setclock(&mono, CLOCK_MONOTONIC);
	pthread_cond_init(&w->wake, &mono);
	pthread_condattr_destroy(&mono);
	if (!w->s || pthread_create(&w->thread, NULL, run_words, w) != 0) {
		fprintf(stderr, "drtest load: cannot write updates to the rendezvous: %s\n",
			w->s ? "no thread" : e.text);
		store_free(w->s);
		pthread_cond_destroy(&w->wake);
		pthread_mutex_destroy(&w->lock);
		free(w);
		return NULL;
	}
	return w;
}

void load_words_warm(struct load_words *w, const struct load_total *warm)
{
	if (!w)
		return;
	pthread_mutex_lock(&w->lock);
	w->warm = *warm;
	pthread_mutex_unlock(&w->lock);
}

static int remove_words(struct store *s, unsigned shard, struct err *e)
{
	struct store_list list = { 0 };
	char key[64];
	int rc;

	snprintf(key, sizeof(key), "word/%05u.json", shard);
	rc = store_delete(s, key, e);
	snprintf(key, sizeof(key), "piece/%05u/", shard);
	if (rc == 0)
		rc = store_list(s, key, &list, e);
	for (size_t i = 0; rc == 0 && i < list.n; i++)
		rc = store_delete(s, list.objects[i].key, e);
	store_list_release(&list);
	return rc;
}

void load_words_stop(struct load_words *w, bool result_left)
{
	struct err e = ERR_INIT;

	if (!w)
		return;
	pthread_mutex_lock(&w->lock);
	w->stop = true;
	pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&w->lock);
	pthread_join(w->thread, NULL);
	/* what is left of them is in the way of nothing: a result comes first */
	if (result_left && remove_words(w->s, w->o->shard, &e) < 0)
		fprintf(stderr, "drtest load: cannot remove pieces from the rendezvous: %s\n",
			e.text);
	store_free(w->s);
	pthread_cond_destroy(&w->wake);
	pthread_mutex_destroy(&w->lock);
	free(w->file);
	free(w);
}

/* ---- of a shard that left no result */

int load_silent_read(struct load_silent *out, struct store *s, unsigned shard,
		     int64_t start_wall_us, struct err *e)
{
	struct err why = ERR_INIT;
	json_t *j = NULL;
	int64_t last_us = start_wall_us, age_ms;
	char key[64];
	int rc = 0;

	*out = (struct load_silent){ .shard = shard, .seconds = -1 };
	snprintf(key, sizeof(key), "word/%05u.json", shard);
	if (load_store_get_json(s, key, LOAD_RESULT_BYTES_MAX, &j, &why) == 0) {
		rc = load_total_from_json(&out->total, j, e);
		last_us = json_integer_value(json_object_get(j, "wall_us"));
		out->seconds = json_number_value(json_object_get(j, "at_s"));
	} else if (why.kind != ERR_NOT_FOUND) {
		*e = why;
		rc = -1;
	}
	json_decref(j);
	if (rc < 0)
		return err_wrap(e, "%s", key);
	age_ms = (clock_wall_us() - last_us) / 1000;
	if (age_ms < LOAD_SILENT_MS)
		return err_set(
			e, ERR_TIMEOUT, 0,
			"shard %u has not written a result, and its last update is %.1f s old: "
			"it is still running, or was killed just now; try again in %.0f s",
			shard, age_ms > 0 ? (double)age_ms / 1e3 : 0.0,
			(double)(LOAD_SILENT_MS - (age_ms > 0 ? age_ms : 0) + 999) / 1e3);
	out->total.shards = 1;
	/* counters are read one by one: those under way are never less than none */
	if (out->total.st.started > out->total.st.acked + out->total.st.failed)
		out->total.st.unknown =
			out->total.st.started - out->total.st.acked - out->total.st.failed;
	return 0;
}

/* One "NAME OFFSET BYTES\n" and what follows it; its length, -1 on error. */
static int64_t join_one(const char *at, size_t left, const char *dir,
			const struct store_list *whole, uint64_t *files, struct err *e)
{
	const char *line = memchr(at, '\n', left < 128 ? left : 128);
	char name[NAME_MAX_BYTES], path[4096];
	unsigned long long offset, n;
	struct stat st;
	int fd, rc = -1;

	if (!line || sscanf(at, "%63[a-z0-9.-] %llu %llu\n", name, &offset, &n) != 3 ||
	    strncmp(name, "worker-", 7) != 0 || n > left - (size_t)(line + 1 - at))
		return err_set(e, ERR_BAD_DATA, 0, "this is not a piece of a ledger");
	for (size_t i = 0; i < whole->n; i++)
		if (!strcmp(whole->objects[i].key + strlen("ledger/"), name))
			return line + 1 - at + (int64_t)n;
	if (snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int)sizeof(path))
		return err_set(e, ERR_USAGE, 0, "%s: the name is too long", dir);
	/* a new one begins at its first byte: never over a ledger that is there */
	fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC | (offset ? 0 : O_CREAT | O_EXCL), 0644);
	if (fd < 0 || fstat(fd, &st) < 0)
		err_sys(e, "create %s", path);
	else if ((unsigned long long)st.st_size != offset)
		err_set(e, ERR_BAD_DATA, 0,
			"%s continues at byte %llu, but only %lld bytes are "
			"there",
			name, offset, (long long)st.st_size);
	else
		rc = fs_write_all(fd, line + 1, (size_t)n, e);
	if (fd >= 0)
		close(fd);
	*files += rc == 0 && !offset;
	return rc < 0 ? -1 : line + 1 - at + (int64_t)n;
}

int load_pieces_join(struct store *s, unsigned shard, const char *dir,
		     const struct store_list *left, uint64_t *files, struct err *e)
{
	struct store_list list = { 0 };
	char key[64];
	int rc;

	snprintf(key, sizeof(key), "piece/%05u/", shard);
	rc = store_list(s, key, &list, e); /* sorted: their numbers have leading zeros */
	for (size_t i = 0; rc == 0 && i < list.n; i++) {
		struct strbuf piece = STRBUF_INIT;
		int64_t step;

		rc = store_get(s, list.objects[i].key, PIECE_BYTES_MAX + (1 << 20), &piece, e);
		for (size_t at = 0; rc == 0 && at < piece.len; at += (size_t)step) {
			step = join_one(piece.buf + at, piece.len - at, dir, left, files, e);
			rc = step < 0 ? err_wrap(e, "%s", list.objects[i].key) : 0;
		}
		strbuf_release(&piece);
	}
	store_list_release(&list);
	return rc;
}

#include "harness/feed/status.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "harness/base/xalloc.h"
#include "harness/feed/log_lines.h"
#include "harness/os/fs.h"

#define WRITE_EVERY_NS ((int64_t)100 * 1000000)
#define FLIP_EVERY_NS ((int64_t)1000000)

static const char *const state_text[] = { "starting", "normal", "retrying", "failed", "stopped" };

const char *feed_state_text(enum feed_state s)
{
	return state_text[s];
}

static json_t *tso_json(tso_t ts)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)ts);
	return json_string(text);
}

/* A message of a server may hold bytes that are no UTF-8: then they are left out. */
static json_t *text_json(const char *text)
{
	json_t *j = json_string(text);

	if (j)
		return j;
	char *ascii = xstrdup(text);
	for (char *p = ascii; *p; p++)
		if ((unsigned char)*p >= 0x80)
			*p = '?';
	j = json_string(ascii);
	free(ascii);
	return j;
}

static json_t *left_out_json(const struct feed_status *st)
{
	json_t *all = json_array();

	for (unsigned i = 0; i < st->n_left_out && i < FEED_LEFT_OUT_MAX; i++)
		json_array_append_new(all, json_pack("{s:o, s:o}", "name",
						     text_json(st->left_out[i].name), "reason",
						     text_json(st->left_out[i].reason)));
	return all;
}

static void left_out_from_json(struct feed_status *st, const json_t *all)
{
	size_t i;
	json_t *v;

	json_array_foreach(all, i, v)
	{
		const char *name, *reason;

		if (i == FEED_LEFT_OUT_MAX ||
		    json_unpack(v, "{s:s, s:s}", "name", &name, "reason", &reason) < 0)
			break;
		snprintf(st->left_out[i].name, sizeof(st->left_out[i].name), "%s", name);
		snprintf(st->left_out[i].reason, sizeof(st->left_out[i].reason), "%s", reason);
	}
}

static json_t *still_json(const struct feed_still *w)
{
	return json_pack("{s:I, s:o}", "ms", (json_int_t)w->ms, "on", text_json(w->on));
}

static void still_from_json(struct feed_still *w, json_t *j)
{
	json_int_t ms = 0;
	const char *on = "";

	json_unpack(j, "{s:I, s:s}", "ms", &ms, "on", &on);
	w->ms = ms;
	snprintf(w->on, sizeof(w->on), "%s", on);
}

static json_t *feed_status_to_json(const struct feed_status *st)
{
	return json_pack(
		"{s:s, s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:o, s:o, s:o, s:o, s:I, s:o}",
		"state", state_text[st->state], "checkpoint_ts", tso_json(st->checkpoint_ts),
		"resolved_ts", tso_json(st->resolved_ts), "checkpoint_seq",
		(json_int_t)st->checkpoint_seq, "resolved_seq", (json_int_t)st->resolved_seq,
		"lag_ms", (json_int_t)st->lag_ms, "written_wall_ms",
		(json_int_t)st->written_wall_ms, "transactions", (json_int_t)st->transactions,
		"rows", (json_int_t)st->rows, "ddls", (json_int_t)st->ddls, "redo_bytes",
		(json_int_t)st->redo_bytes, "sink_busy", (int)st->sink_busy, "log_still",
		still_json(&st->log_still), "sink_still", still_json(&st->sink_still), "error",
		text_json(st->error), "left_out", left_out_json(st), "left_out_count",
		(json_int_t)st->n_left_out, "not_carried", text_json(st->not_carried));
}

static int feed_status_from_json(struct feed_status *st, json_t *j, struct err *e)
{
	json_error_t why;
	const char *state, *checkpoint, *resolved, *error, *not_carried = "";
	json_int_t cs, rs, lag, written, txns, rows, ddls, bytes, n_left_out = 0;
	json_t *left_out = NULL, *log_still = NULL, *sink_still = NULL;
	int busy;

	memset(st, 0, sizeof(*st));
	if (json_unpack_ex(
		    j, &why, 0,
		    "{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:s, s?o, s?I, s?o, s?o, s?s}",
		    "state", &state, "checkpoint_ts", &checkpoint, "resolved_ts", &resolved,
		    "checkpoint_seq", &cs, "resolved_seq", &rs, "lag_ms", &lag, "written_wall_ms",
		    &written, "transactions", &txns, "rows", &rows, "ddls", &ddls, "redo_bytes",
		    &bytes, "sink_busy", &busy, "error", &error, "left_out", &left_out,
		    "left_out_count", &n_left_out, "log_still", &log_still, "sink_still",
		    &sink_still, "not_carried", &not_carried) < 0)
		return err_set(e, ERR_BAD_DATA, 0, "feed status: %s", why.text);
	int s = 0;
	while (s < 5 && strcmp(state, state_text[s]))
		s++;
	if (s == 5 || !tso_parse(checkpoint, &st->checkpoint_ts) ||
	    !tso_parse(resolved, &st->resolved_ts))
		return err_set(e, ERR_BAD_DATA, 0, "feed status: bad state or timestamp");
	st->state = (enum feed_state)s;
	st->checkpoint_seq = (uint64_t)cs;
	st->resolved_seq = (uint64_t)rs;
	st->lag_ms = lag;
	st->written_wall_ms = written;
	st->transactions = (uint64_t)txns;
	st->rows = (uint64_t)rows;
	st->ddls = (uint64_t)ddls;
	st->redo_bytes = (uint64_t)bytes;
	st->sink_busy = busy;
	snprintf(st->error, sizeof(st->error), "%s", error);
	snprintf(st->not_carried, sizeof(st->not_carried), "%s", not_carried);
	st->n_left_out = (unsigned)n_left_out;
	left_out_from_json(st, left_out);
	still_from_json(&st->log_still, log_still);
	still_from_json(&st->sink_still, sink_still);
	return 0;
}

int feed_status_write(const char *path, const struct feed_status *st, struct err *e)
{
	char tmp[600];
	json_t *j = feed_status_to_json(st);
	char *text = json_dumps(j, JSON_COMPACT);
	int fd, rc = -1;

	json_decref(j);
	snprintf(tmp, sizeof(tmp), "%s.tmp", path);
	/* a killed feed's, or a link that somebody else made in a shared directory: what it
	 * points to is not ours to write */
	unlink(tmp);
	fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0) {
		err_sys(e, "create %s", tmp);
		goto out;
	}
	if (fs_write_all(fd, text, strlen(text), e) < 0)
		goto out;
	if (rename(tmp, path) < 0) {
		err_sys(e, "rename %s", tmp);
		goto out;
	}
	rc = 0;
out:
	if (fd >= 0)
		close(fd);
	free(text);
	return rc;
}

int feed_status_read(const char *path, struct feed_status *st, struct err *e)
{
	struct strbuf text = STRBUF_INIT;
	json_error_t why;
	json_t *j = NULL;
	int rc = -1;

	if (!fs_exists(path))
		return err_set(e, ERR_NOT_FOUND, 0, "no feed status %s", path);
	if (fs_read_file(path, FEED_STATUS_BYTES_MAX, &text, e) < 0)
		goto out;
	j = json_loadb(text.buf, text.len, 0, &why);
	if (!j) {
		err_set(e, ERR_BAD_DATA, 0, "feed status %s: %s", path, why.text);
		goto out;
	}
	rc = feed_status_from_json(st, j, e);
out:
	json_decref(j);
	strbuf_release(&text);
	return rc;
}

struct status_board {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	pthread_t thread;
	char path[512];
	struct feed_status st;
	struct wait {
		int64_t since_ns; /* 0: it goes on */
		char on[200];
	} waits[FEED_WAITERS];
	bool quit;
};

/* The longest of these waits. */
static void longest_wait(const struct wait *w, unsigned n, int64_t now_ns, struct feed_still *out)
{
	const struct wait *oldest = NULL;

	for (unsigned i = 0; i < n; i++)
		if (w[i].since_ns && (!oldest || w[i].since_ns < oldest->since_ns))
			oldest = &w[i];
	out->ms = oldest ? (now_ns - oldest->since_ns) / 1000000 : 0;
	snprintf(out->on, sizeof(out->on), "%s", oldest ? oldest->on : "");
}

/* A feed of which a part has stood still for long is not in order, though it goes on by itself as
 * soon as it can. */
static void say_still(struct feed_status *st)
{
	struct strbuf text = STRBUF_INIT;

	if (st->state != FEED_NORMAL)
		return;
	if (st->log_still.ms >= FEED_STILL_MS)
		strbuf_addf(&text, "the redo log has stood still for %.1f s: %s",
			    (double)st->log_still.ms / 1000, st->log_still.on);
	if (st->sink_still.ms >= FEED_STILL_MS)
		strbuf_addf(&text, "%sthe secondary has stood still for %.1f s: %s",
			    text.len ? "; " : "", (double)st->sink_still.ms / 1000,
			    st->sink_still.on);
	if (text.len) {
		st->state = FEED_RETRYING;
		snprintf(st->error, sizeof(st->error), "%s", text.buf);
	}
	strbuf_release(&text);
}

/* Under the lock, which is let go for the writing. */
static void board_write(struct status_board *b)
{
	struct feed_status st;
	struct err e = ERR_INIT;

	b->st.written_wall_ms = clock_wall_ms();
	b->st.lag_ms =
		b->st.checkpoint_ts ? b->st.written_wall_ms - tso_ms(b->st.checkpoint_ts) : 0;
	st = b->st;
	longest_wait(b->waits, FEED_WAITER_DDL, clock_mono_ns(), &st.log_still);
	longest_wait(b->waits + FEED_WAITER_DDL, FEED_WAITERS - FEED_WAITER_DDL, clock_mono_ns(),
		     &st.sink_still);
	say_still(&st);
	pthread_mutex_unlock(&b->lock);
	if (feed_status_write(b->path, &st, &e) < 0)
		feed_log("warn", "%s", e.text);
	pthread_mutex_lock(&b->lock);
}

static void *board_main(void *arg)
{
	struct status_board *b = arg;
	int64_t next_ns = 0, next_flip_ns = 0;
	bool busy = false;

	pthread_mutex_lock(&b->lock);
	while (!b->quit) {
		int64_t now = clock_mono_ns();
		bool flipped = b->st.sink_busy != busy;

		if (now >= next_ns || (flipped && now >= next_flip_ns)) {
			if (flipped)
				next_flip_ns = now + FLIP_EVERY_NS;
			next_ns = now + WRITE_EVERY_NS;
			busy = b->st.sink_busy;
			board_write(b);
			continue;
		}
		int64_t until = flipped && next_flip_ns < next_ns ? next_flip_ns : next_ns;
		struct timespec ts = { .tv_sec = until / 1000000000,
				       .tv_nsec = until % 1000000000 };
		pthread_cond_timedwait(&b->changed, &b->lock, &ts);
	}
	board_write(b);
	pthread_mutex_unlock(&b->lock);
	return NULL;
}

struct status_board *status_board_start(const char *path, struct err *e)
{
	struct status_board *b = xcalloc(1, sizeof(*b));
	pthread_condattr_t mono;

	snprintf(b->path, sizeof(b->path), "%s", path);
	pthread_mutex_init(&b->lock, NULL);
	pthread_condattr_init(&mono);
	pthread_condattr_setclock(&mono, CLOCK_MONOTONIC);
	pthread_cond_init(&b->changed, &mono);
	pthread_condattr_destroy(&mono);
	int rc = feed_status_write(path, &b->st, e) < 0
			 ? -1
			 : pthread_create(&b->thread, NULL, board_main, b);
	if (!rc)
		return b;
	if (rc > 0)
		err_set(e, ERR_IO, rc, "start the status thread: %s", strerror(rc));
	pthread_cond_destroy(&b->changed);
	pthread_mutex_destroy(&b->lock);
	free(b);
	return NULL;
}

struct feed_status *status_board_lock(struct status_board *b)
{
	pthread_mutex_lock(&b->lock);
	return &b->st;
}

void status_board_unlock(struct status_board *b)
{
	pthread_mutex_unlock(&b->lock);
}

void status_board_busy(void *board, bool busy)
{
	struct status_board *b = board;

	pthread_mutex_lock(&b->lock);
	b->st.sink_busy = busy;
	pthread_cond_signal(&b->changed);
	pthread_mutex_unlock(&b->lock);
}

void status_board_waits(void *board, unsigned waiter, const char *on)
{
	struct status_board *b = board;

	pthread_mutex_lock(&b->lock);
	struct wait *w = &b->waits[waiter];
	if (!on)
		w->since_ns = 0;
	else if (!w->since_ns)
		w->since_ns = clock_mono_ns();
	if (on)
		snprintf(w->on, sizeof(w->on), "%s", on);
	pthread_mutex_unlock(&b->lock);
}

void status_board_stop(struct status_board *b)
{
	if (!b)
		return;
	pthread_mutex_lock(&b->lock);
	b->quit = true;
	pthread_cond_signal(&b->changed);
	pthread_mutex_unlock(&b->lock);
	pthread_join(b->thread, NULL);
	pthread_cond_destroy(&b->changed);
	pthread_mutex_destroy(&b->lock);
	free(b);
}

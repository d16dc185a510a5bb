#include "harness/feed/feed.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/base/xalloc.h"
#include "harness/feed/config.h"
#include "harness/feed/status.h"

#define START_MS 30000
#define AT_CHECKPOINT_MS (30 * 60 * 1000)
#define POLL_MS 10

struct feed {
	char id[128];
	char status_path[512];
	char *log_path;
	struct proc *proc;
	bool stopped;
};

/* What the feed itself said last, else how it ended and the end of its log. */
static int feed_ended(struct feed *f, struct err *e)
{
	struct feed_status st;
	struct err ignored = ERR_INIT;
	struct strbuf tail = STRBUF_INIT;

	if (feed_status_read(f->status_path, &st, &ignored) == 0 && st.state == FEED_FAILED &&
	    st.error[0]) {
		err_set(e, ERR_ENV, 0, "changefeed %s: %s", f->id, st.error);
	} else {
		if (f->log_path)
			proc_log_tail(f->log_path, 3, &tail);
		err_set(e, proc_killed_by_others(f->proc) ? ERR_KILLED : ERR_ENV, 0,
			"changefeed %s ended: %s%s%s", f->id, proc_how(f->proc),
			tail.len ? ": " : "", tail.buf);
	}
	strbuf_release(&tail);
	return -1;
}

static int feed_wait_normal(struct feed *f, struct err *e)
{
	struct deadline d = deadline_in_ms(START_MS);
	struct err why = ERR_INIT;
	bool at_work = false;

	for (;;) {
		struct feed_status st = { 0 };
		bool running = proc_running(f->proc);

		if (!running)
			return feed_ended(f, e);
		if (feed_status_read(f->status_path, &st, &why) == 0 &&
		    (st.state == FEED_NORMAL || st.state == FEED_RETRYING))
			return 0;
		/* all is open; the DDL or the huge transaction at its checkpoint takes as long
		 * as it takes */
		if (st.checkpoint_ts && !at_work) {
			at_work = true;
			d = deadline_in_ms(AT_CHECKPOINT_MS);
		}
		if (pause_ms(POLL_MS, d) < 0)
			return clock_cancelled()
				       ? err_set(e, ERR_CANCELLED, 0,
						 "changefeed %s: cancelled while it started", f->id)
				       : err_set(e, ERR_TIMEOUT, 0, "changefeed %s %s within %d s",
						 f->id,
						 at_work ? "did not get past the transaction at its checkpoint"
							 : "did not start",
						 (at_work ? AT_CHECKPOINT_MS : START_MS) / 1000);
	}
}

struct feed *feed_start(const struct feed_opts *o, const char *log_path, struct err *e)
{
	char self[PATH_MAX];
	char *argv[] = { self, "feed", NULL };
	struct feed *f;
	json_t *j;
	char *text;

	if (feed_opts_check(o, e) < 0)
		return NULL;
	proc_self(self);
	/* an earlier feed's words are not this one's */
	if (unlink(o->status_path) < 0 && errno != ENOENT) {
		err_sys(e, "remove %s", o->status_path);
		return NULL;
	}
	f = xcalloc(1, sizeof(*f));
	snprintf(f->id, sizeof(f->id), "%s", o->id);
	snprintf(f->status_path, sizeof(f->status_path), "%s", o->status_path);
	f->log_path = xstrdup(log_path);
	j = feed_opts_to_json(o);
	text = json_dumps(j, JSON_COMPACT);
	json_decref(j);
	if (!text) {
		err_set(e, ERR_USAGE, 0, "feed options: a text is not UTF-8");
		goto fail;
	}
	f->proc = proc_start(
		&(struct proc_opts){
			.name = "feed", .argv = argv, .log_path = log_path, .stdin_text = text },
		e);
	if (!f->proc || feed_wait_normal(f, e) < 0)
		goto fail;
	free(text);
	return f;
fail:
	free(text);
	feed_free(f);
	return NULL;
}

int feed_get_status(struct feed *f, struct feed_status *st, struct err *e)
{
	bool running = proc_running(f->proc); /* asked first: what is read then is its last word */

	if (!running && !f->stopped)
		return feed_ended(f, e);
	if (feed_status_read(f->status_path, st, e) < 0)
		return -1;
	if (st->state == FEED_FAILED)
		return err_set(e, ERR_ENV, 0, "changefeed %s: %s", f->id, st->error);
	if (running) /* the file is up to 100 ms old */
		st->lag_ms = clock_wall_ms() - tso_ms(st->checkpoint_ts);
	return 0;
}

struct proc *feed_proc(struct feed *f)
{
	return f->proc;
}

int feed_stop(struct feed *f, struct deadline d, struct err *e)
{
	if (!proc_running(f->proc))
		return f->stopped ? 0 : feed_ended(f, e);
	if (proc_stop(f->proc, d, e) < 0)
		return -1;
	f->stopped = true;
	if (proc_exit_status(f->proc) != 0)
		return feed_ended(f, e);
	return 0;
}

void feed_free(struct feed *f)
{
	if (!f)
		return;
	proc_free(f->proc);
	free(f->log_path);
	free(f);
}

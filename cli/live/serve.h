/* --metrics ADDRESS and --live ADDRESS: serve the live page and metrics while a command runs. */
#ifndef CLI_LIVE_SERVE_H
#define CLI_LIVE_SERVE_H

#include "harness/net/http_server.h"
#include "harness/run/run.h"

#define SERVE_METRICS_PORT 9464
#define SERVE_PAGE_PORT 9465

struct serve_at {
	bool metrics, page; /* asked for */
	struct http_place metrics_at, page_at;
};
/* Takes an option's value; -1: it is no address. */
int serve_metrics_option(struct serve_at *at, const char *text, struct err *e);
int serve_page_option(struct serve_at *at, const char *text, struct err *e);
/* Are the addresses free? Binds them for a moment. */
int serve_can_listen(const struct serve_at *at, struct err *e);
/* Takes an option's value for a command that runs others one after the other, and gives the option
 * to each: a port of its own, which is the same for all. */
int serve_pass_on(bool metrics, const char *text, struct err *e);
/* Before the first of them: are the addresses free? NULL: not asked for. */
int serve_can_pass_on(const char *metrics, const char *live, struct err *e);

struct live_run;
struct serve {
	/* what is served: figures of any kind, or a run's */
	void (*figures)(void *arg, bool open_metrics, struct strbuf *out);
	void *figures_arg;
	struct live_run *run; /* NULL: none */
	struct run_watch watch;
	struct http_listener metrics_on, page_on; /* fd -1: not listening */
	bool listens, one_for_both;
	struct http_server *metrics, *page;
};
/* Binds, so that a port that is taken is told before anything is done, and says on stderr where.
 * Nothing asked for: nothing is done. */
int serve_listen(struct serve *s, const struct serve_at *at, struct err *e);
/* Answers from now on: after the guardian was forked. */
int serve_start(struct serve *s, struct err *e);
/* The watcher to give to a run, which starts the answers itself; NULL when nothing was asked for.
 */
const struct run_watch *serve_run(struct serve *s);
void serve_stop(struct serve *s); /* {0} or one that never listened is fine */

#endif

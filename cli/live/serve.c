#include "cli/live/serve.h"

#include <stdio.h>
#include <string.h>

#include "reports/live/exposition.h"
#include "reports/live/live_run.h"

#define PAGE_POLICY \
	"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'"

int serve_metrics_option(struct serve_at *at, const char *text, struct err *e)
{
	at->metrics = true;
	return http_place_parse(&at->metrics_at, text, SERVE_METRICS_PORT, e);
}

int serve_page_option(struct serve_at *at, const char *text, struct err *e)
{
	at->page = true;
	return http_place_parse(&at->page_at, text, SERVE_PAGE_PORT, e);
}

int serve_pass_on(bool metrics, const char *text, struct err *e)
{
	struct serve_at at = { 0 };

	if ((metrics ? serve_metrics_option : serve_page_option)(&at, text, e) < 0)
		return -1;
	if ((metrics ? at.metrics_at : at.page_at).port)
		return 0;
	return err_set(e, ERR_USAGE, 0,
		       "each run would use another port: give one, such as 127.0.0.1:%d",
		       metrics ? SERVE_METRICS_PORT : SERVE_PAGE_PORT);
}

int serve_can_listen(const struct serve_at *at, struct err *e)
{
	struct http_listener l;

	if (at->page && http_listen(&l, &at->page_at, e) < 0)
		return err_wrap(e, "--live");
	if (at->page)
		http_listener_close(&l);
	if (at->metrics && http_listen(&l, &at->metrics_at, e) < 0)
		return err_wrap(e, "--metrics");
	if (at->metrics)
		http_listener_close(&l);
	return 0;
}

int serve_can_pass_on(const char *metrics, const char *live, struct err *e)
{
	struct serve_at at = { 0 };

	if (metrics && serve_metrics_option(&at, metrics, e) < 0)
		return err_wrap(e, "--metrics");
	if (live && serve_page_option(&at, live, e) < 0)
		return err_wrap(e, "--live");
	return serve_can_listen(&at, e);
}

/* ---- what is answered */

static void get_metrics(void *arg, const struct http_ask *ask, struct http_page *page)
{
	struct serve *s = arg;
	bool open_metrics = strstr(ask->accept, "application/openmetrics-text") != NULL;

	if (strcmp(ask->path, "/metrics") != 0)
		return;
	page->status = 200;
	page->type = open_metrics ? EXPOSITION_OPEN_METRICS : EXPOSITION_TEXT;
	if (s->run)
		live_run_figures(s->run, open_metrics, &page->body);
	else
		s->figures(s->figures_arg, open_metrics, &page->body);
}

static void get_page(void *arg, const struct http_ask *ask, struct http_page *page)
{
	struct serve *s = arg;

	if (s->one_for_both)
		get_metrics(arg, ask, page);
	if (!strcmp(ask->path, "/events")) {
		page->status = 200;
		page->events = true;
	} else if (!strcmp(ask->path, "/")) {
		page->status = 200;
		page->type = "text/html; charset=utf-8";
		page->policy = PAGE_POLICY;
		live_run_page(s->run, &page->body);
	}
}

static int next_page(void *arg, uint64_t *seen, int wait_ms, struct strbuf *out)
{
	struct serve *s = arg;

	return live_run_next(s->run, seen, wait_ms, out);
}

/* ---- its life */

static int run_begins(void *arg, const char *run_dir, struct err *e)
{
	(void)run_dir;
	return serve_start(arg, e);
}

static void run_event(void *arg, json_t *event)
{
	live_run_event(((struct serve *)arg)->run, event);
}

static void say_where(const struct http_listener *l, const char *what, const char *path)
{
	fprintf(stderr, "drtest: %s: http://%s%s%s\n", what, l->where, path,
		l->place.loopback ? "" : " (everyone who can reach this address can read it)");
}

int serve_listen(struct serve *s, const struct serve_at *at, struct err *e)
{
	s->metrics_on.fd = s->page_on.fd = -1;
	s->listens = true;
	s->one_for_both = at->metrics && at->page && at->metrics_at.port &&
			  at->metrics_at.port == at->page_at.port &&
			  !strcmp(at->metrics_at.host, at->page_at.host);
	if (at->page && http_listen(&s->page_on, &at->page_at, e) < 0)
		return err_wrap(e, "--live");
	if (at->metrics && !s->one_for_both && http_listen(&s->metrics_on, &at->metrics_at, e) < 0)
		return err_wrap(e, "--metrics");
	if (at->page)
		say_where(&s->page_on, "live page", "/");
	if (at->metrics)
		say_where(s->one_for_both ? &s->page_on : &s->metrics_on, "metrics", "/metrics");
	return 0;
}

int serve_start(struct serve *s, struct err *e)
{
	const struct http_site metrics = { get_metrics, NULL, s },
			       page = { get_page, next_page, s };

	if (s->metrics_on.fd >= 0 && !(s->metrics = http_server_start(&s->metrics_on, &metrics, e)))
		return -1;
	if (s->page_on.fd >= 0 && !(s->page = http_server_start(&s->page_on, &page, e)))
		return -1;
	return 0;
}

const struct run_watch *serve_run(struct serve *s)
{
	if (!s->listens || (s->metrics_on.fd < 0 && s->page_on.fd < 0))
		return NULL;
	s->run = live_run_new();
	s->watch = (struct run_watch){ run_begins, run_event, s };
	return &s->watch;
}

void serve_stop(struct serve *s)
{
	http_server_stop(s->page);
	http_server_stop(s->metrics);
	if (s->listens) {
		http_listener_close(&s->page_on);
		http_listener_close(&s->metrics_on);
	}
	s->listens = false;
	live_run_free(s->run);
	s->page = s->metrics = NULL;
	s->run = NULL;
}

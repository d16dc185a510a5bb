#include "harness/run/owned.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/base/xalloc.h"
#include "harness/run/runtime_impl.h"

#define HEALTH_MS 50
#define STAT_BYTES 1024

void owned_add(struct runtime *r, const struct owned_ops *ops, void *object)
{
	pthread_mutex_lock(&r->lock);
	XGROW(r->owned, r->n_owned, r->room, 16);
	r->owned[r->n_owned].ops = ops;
	r->owned[r->n_owned].object = object;
	r->owned[r->n_owned++].expected = true;
	pthread_mutex_unlock(&r->lock);
}

void *owned_next(const struct runtime *r, const struct owned_ops *ops, size_t *at)
{
	while (*at < r->n_owned) {
		const struct owned *o = &r->owned[(*at)++];

		if (o->ops == ops)
			return o->object;
	}
	return NULL;
}

void owned_expect(struct runtime *r, void *object, bool healthy)
{
	pthread_mutex_lock(&r->lock);
	for (size_t i = 0; i < r->n_owned; i++)
		if (r->owned[i].object == object)
			r->owned[i].expected = healthy;
	pthread_mutex_unlock(&r->lock);
}

int owned_health(struct runtime *r, struct err *e)
{
	for (size_t i = 0; i < r->n_owned; i++) {
		struct owned *o = &r->owned[i];

		struct err why = ERR_INIT;

		/* asked again: a fault's thread may have killed it in the middle of the answer */
		if (o->expected && o->ops->health && o->ops->health(o->object, &why) < 0 &&
		    o->expected) {
			if (e)
				*e = why;
			return -1;
		}
	}
	return journal_error(r->journal, e);
}

int owned_wait(struct runtime *r, int64_t ms, struct err *e)
{
	struct deadline d = deadline_in_ms(ms);

	for (;;) {
		if (owned_health(r, e) < 0)
			return -1;
		if (clock_cancelled())
			return err_set(e, ERR_CANCELLED, 0, "interrupted");
		if (deadline_passed(d))
			return 0;
		pause_ms(HEALTH_MS, d);
	}
}

void owned_teardown(struct runtime *r)
{
	while (r->n_owned) {
		struct owned o;

		pthread_mutex_lock(&r->lock);
		o = r->owned[--r->n_owned];
		pthread_mutex_unlock(&r->lock);
		o.ops->close(o.object, r->keep);
	}
	free(r->owned);
	r->owned = NULL;
	r->room = 0;
}

/* /proc/PID/stat: after the last ')' the state and numbers; utime and stime are the 12th and 13th,
 * rss the 22nd of them. */
void owned_sample_process(json_t *sample, const char *name, pid_t pid)
{
	char path[64], text[STAT_BYTES], *p;
	unsigned long user = 0, kernel = 0;
	long rss = 0, hz = sysconf(_SC_CLK_TCK);
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = pid > 0 ? fopen(path, "re") : NULL;
	if (!f)
		return;
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	p = strrchr(text, ')');
	if (!p || p[1] != ' ' || p[2] == 'Z' ||
	    sscanf(p + 2,
		   "%*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %lu %lu %*s %*s %*s %*s %*s %*s %*s %*s %ld",
		   &user, &kernel, &rss) != 3)
		return;
	json_object_set_new(json_object_get(sample, "rss_kib"), name,
			    json_integer((json_int_t)rss * (sysconf(_SC_PAGESIZE) / 1024)));
	json_object_set_new(
		json_object_get(sample, "cpu_ms"), name,
		json_integer((json_int_t)((double)(user + kernel) * 1000 / (double)hz)));
}

#include "harness/cluster/ground.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/os/proc.h"

#define VERSION_MS 5000

static const struct ground *const all[] = { &ground_local, &ground_playground, &ground_attach,
					    NULL };

const struct ground *const *grounds(void)
{
	return all;
}

const char *ground_names(void)
{
	static char names[200];
	size_t n = 0;

	if (!names[0])
		for (size_t i = 0; all[i] && n < sizeof(names); i++)
			n += (size_t)snprintf(names + n, sizeof(names) - n, "%s%s", i ? ", " : "",
					      all[i]->name);
	return names;
}

const struct ground *ground_find(const char *name, struct err *e)
{
	for (size_t i = 0; all[i]; i++)
		if (!strcmp(all[i]->name, name))
			return all[i];
	err_set(e, ERR_USAGE, 0, "unknown ground '%s' (use %s)", name, ground_names());
	return NULL;
}

const struct ground *ground_default(void)
{
	for (size_t i = 0; all[i]; i++)
		if (all[i]->is_default && all[i]->is_default())
			return all[i];
	return all[0];
}

bool ground_can(const struct ground *g, enum ability v)
{
	const struct cluster_ops *c = g->cluster;

	switch (v) {
	/* over plain SQL where the ground has no way of its own */
	case ABLE_BACKUP:
	case ABLE_RESTORE:
	case ABLE_CHANGEFEED:
	case ABLE_OVERWRITE:
	case ABLE_WRITE: return true;
	case ABLE_KILL: return c->kill;
	case ABLE_GC: return c->set_gc;
	case ABLE_RESTART: return c->stop;
	case ABLE_EXAMINE: return c->examine;
	case ABLE_PAUSE: return c->pause;
	case ABLE_KILL_COMPONENT: return c->kill_part;
	case ABLE_TIME_TRAVEL: return g->tidb;
	case ABLE_KILL_PART:
	case ABLE_LINK:
	case ABLE_STRIKE: return g->here;
	case ABLE_OWN_DISK:
	case ABLE_OWN_CLOCK: return g->here && !g->tidb;
	}
	return false;
}

int ground_allows(const struct ground *g, const char *cluster, enum ability v, struct err *e)
{
	return g->allows ? g->allows(cluster, v, e) : 0;
}

const char *ground_remark(const struct ground *g)
{
	return g->remark ? g->remark() : "";
}

void ground_say_tool(ground_say_fn *say, void *arg, const char *what, char *path)
{
	struct strbuf out = STRBUF_INIT, text = STRBUF_INIT;
	struct err e = ERR_INIT;

	if (path) {
		char *argv[] = { path, (char *)"--version", NULL };

		if (proc_run(argv, NULL, &out, 4096, deadline_in_ms(VERSION_MS), &e) < 0)
			strbuf_addstr(&out, e.text);
		strbuf_addf(&text, "%s  (%.*s)", path, (int)strcspn(out.buf, "\n"), out.buf);
		say(arg, "ok", what, text.buf);
	}
	strbuf_release(&out);
	strbuf_release(&text);
	free(path);
}

void ground_plan_kill(const struct ground_plan *p, struct strbuf *out)
{
	strbuf_addf(out,
		    p->interrupt ? "Ctrl+C (SIGINT to the group) to %s"
				 : "SIGKILL to every process of %s and its changefeed at the same "
				   "moment",
		    p->cluster);
}

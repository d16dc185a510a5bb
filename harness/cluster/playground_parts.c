/* The components of a playground, one by one: found, paused, killed, TiCDC started again. */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "harness/base/xalloc.h"
#include "harness/cluster/playground_impl.h"
#include "harness/os/fs.h"
#include "harness/tidb/pd.h"

#define LOOK_MS 3000
/* a new capture waits for the lease of the dead one, ten seconds, before it owns anything */
#define TICDC_MS 90000

bool playground_belongs(const char *cmdline, size_t n, const char *data)
{
	for (size_t at = 0; at < n; at += strlen(cmdline + at) + 1)
		if (strstr(cmdline + at, data))
			return true;
	return false;
}

unsigned playground_components(const struct playground *p,
			       struct component out[PLAYGROUND_COMPONENTS_MAX])
{
	char *data = xstrfmt("%s/", p->data);
	struct strbuf cmdline = STRBUF_INIT;
	struct dirent *d;
	DIR *proc = opendir("/proc");
	unsigned n = 0;

	while (proc && n < PLAYGROUND_COMPONENTS_MAX && (d = readdir(proc))) {
		pid_t pid = (pid_t)strtol(d->d_name, NULL, 10);

		if (pid <= 0)
			continue;
		strbuf_reset(&cmdline);
		if (proc_cmdline(pid, &cmdline) < 0 || !cmdline.len ||
		    !playground_belongs(cmdline.buf, cmdline.len, data))
			continue;
		out[n].pid = pid;
		if (playground_component_parse(&out[n].is, cmdline.buf, cmdline.len) == 0)
			n++;
	}
	if (proc)
		closedir(proc);
	strbuf_release(&cmdline);
	free(data);
	return n;
}

static enum playground_kind kind_of(enum cluster_part part)
{
	return part == CLUSTER_FEED     ? PLAYGROUND_TICDC
	       : part == CLUSTER_SERVER ? PLAYGROUND_TIDB
	       : part == CLUSTER_PD     ? PLAYGROUND_PD
					: PLAYGROUND_TIKV;
}

/* The port of PD's leader, of TiCDC's owner; 0: nobody tells. */
static unsigned leading_port(const struct tidb_cluster *t, enum cluster_part part)
{
	struct http_tls tls = tidb_cluster_tls(t);
	struct ticdc api = tidb_cluster_api(t);
	struct pd_members m;
	char owner[300];
	const char *at = NULL;

	if (part == CLUSTER_PD && pd_members(t->pd, &tls, deadline_in_ms(LOOK_MS), &m, NULL) == 0)
		at = strrchr(m.client_url, ':');
	if (part == CLUSTER_FEED && ticdc_owner(&api, deadline_in_ms(LOOK_MS), owner, NULL) == 0)
		at = strrchr(owner, ':');
	return at ? (unsigned)strtoul(at + 1, NULL, 10) : 0;
}

static int by_port(const void *a, const void *b)
{
	const struct component *x = a, *y = b;

	return (x->is.address.port > y->is.address.port) -
	       (x->is.address.port < y->is.address.port);
}

/* Those that are meant, in the order of their ports: playground gives these in the order of its
 * numbers. */
static unsigned choose_components(const struct playground *p, enum cluster_part part, int which,
				  struct component out[PLAYGROUND_COMPONENTS_MAX])
{
	unsigned n = p ? playground_components(p, out) : 0, kept = 0,
		 leader = p && which == CLUSTER_LEADER ? leading_port(&p->tidb, part) : 0;

	for (unsigned i = 0; i < n; i++)
		if (part == CLUSTER_ALL || out[i].is.kind == kind_of(part))
			out[kept++] = out[i];
	qsort(out, kept, sizeof(*out), by_port);
	if (which == CLUSTER_EACH || !kept)
		return kept;
	for (unsigned i = 0; i < kept; i++)
		if (which == CLUSTER_LEADER ? out[i].is.address.port == leader || (!leader && !i)
					    : i == (unsigned)which) {
			out[0] = out[i];
			return 1;
		}
	return 0;
}

static void remember_ticdc(struct playground *p, pid_t pid)
{
	strbuf_reset(&p->ticdc_argv);
	if (proc_cmdline(pid, &p->ticdc_argv) < 0)
		strbuf_reset(&p->ticdc_argv);
}

/* Whoever is asked from now on has to live: the load that runs keeps its connections, what connects
 * anew takes the first TiDB that is left. */
static void choose_another(struct cluster *c)
{
	struct playground *p = c->own;
	struct component left[PLAYGROUND_COMPONENTS_MAX];
	struct tidb_cluster *t = &p->tidb;
	char *const at[] = { t->pd, t->ticdc };
	const enum cluster_part part[] = { CLUSTER_PD, CLUSTER_FEED };

	for (unsigned i = 0; i < 2; i++) {
		unsigned n = choose_components(p, part[i], CLUSTER_EACH, left),
			 port = at[i][0] ? (unsigned)strtoul(strrchr(at[i], ':') + 1, NULL, 10) : 0;
		bool lives = false;

		for (unsigned k = 0; k < n; k++)
			lives = lives || left[k].is.address.port == port;
		if (n && !lives)
			snprintf(at[i], sizeof(t->pd), "http://%s:%u", left[0].is.address.host,
				 left[0].is.address.port);
	}
	unsigned n = choose_components(p, CLUSTER_SERVER, CLUSTER_EACH, left);

	for (unsigned k = 0; k < n; k++)
		if (left[k].is.address.port == c->ep.port)
			return;
	if (n) {
		c->ep.port = left[0].is.address.port;
		snprintf(t->status, sizeof(t->status), "http://%s:%u", left[0].is.address.host,
			 left[0].is.status_port);
	}
}

void playground_part_died(struct cluster *c, enum cluster_part part)
{
	struct component left[PLAYGROUND_COMPONENTS_MAX];
	struct playground *p = c->own;

	if (part == CLUSTER_FEED && !choose_components(p, CLUSTER_FEED, CLUSTER_EACH, left))
		cluster_feeds_gone(c);
	choose_another(c);
	/* what playground says of that component is no news */
	snprintf(p->dead, sizeof(p->dead), "%s", "killed by us");
}

int playground_kill_part(struct cluster *c, enum cluster_part part, int which, int64_t *at_ns,
			 struct err *e)
{
	static const char *const words[] = { "PD", "TiKV", "TiDB", "TiCDC" };
	struct component found[PLAYGROUND_COMPONENTS_MAX], now[PLAYGROUND_COMPONENTS_MAX];
	struct playground *p = c->own;
	struct deadline d = deadline_in_ms(PLAYGROUND_KILL_MS);
	unsigned n = choose_components(p, part, which, found), killed = 0;
	bool left = true;

	if (part == CLUSTER_FEED && n)
		remember_ticdc(p, found[0].pid);
	*at_ns = clock_mono_ns();
	for (unsigned i = 0; i < n; i++)
		killed += kill(-found[i].pid, SIGKILL) == 0;
	if (!killed)
		return err_set(e, ERR_ENV, 0, "it has no such %s running", words[kind_of(part)]);
	while (left) {
		unsigned others = playground_components(p, now);

		left = false;
		for (unsigned i = 0; i < n; i++)
			for (unsigned k = 0; k < others; k++)
				left = left || now[k].pid == found[i].pid;
		if (left && pause_ms(2, d) < 0)
			return err_set(e, ERR_TIMEOUT, 0, "%s processes are still there",
				       words[kind_of(part)]);
	}
	playground_part_died(c, part);
	return 0;
}

static bool ref_of(pid_t pid, const char *name, struct proc_ref *out)
{
	*out = (struct proc_ref){ .pid = pid, .pidfd = pidfd_open(pid, 0) };
	snprintf(out->name, sizeof(out->name), "%s", name);
	return out->pidfd >= 0;
}

unsigned playground_procs(struct cluster *c, enum cluster_part part, int which,
			  struct proc_ref *out, unsigned room)
{
	static const char *const words[] = { "pd", "tikv", "tidb", "ticdc", "component" };
	struct component found[PLAYGROUND_COMPONENTS_MAX];
	struct playground *p = c->own;
	unsigned n = 0, k = choose_components(p, part, which, found);

	if (part == CLUSTER_FEED && k)
		remember_ticdc(p, found[0].pid);
	for (unsigned i = 0; i < k && n < room; i++)
		n += ref_of(found[i].pid, words[found[i].is.kind], &out[n]);
	/* tiup last: with it all the others end, before their own signal comes */
	if (part == CLUSTER_ALL && c->server && proc_running(c->server) && n < room &&
	    proc_ref(c->server, &out[n], NULL) == 0)
		n++;
	return n;
}

int playground_pause(struct cluster *c, bool paused, struct err *e)
{
	struct component found[PLAYGROUND_COMPONENTS_MAX];
	unsigned n = c->own ? playground_components(c->own, found) : 0;

	for (unsigned i = 0; i < n; i++)
		if (kill(-found[i].pid, paused ? SIGSTOP : SIGCONT) < 0)
			return err_sys(e, "signal process %d", (int)found[i].pid);
	return n ? 0 : err_set(e, ERR_USAGE, 0, "it is not running");
}

static int start_ticdc_again(struct cluster *c, struct err *e)
{
	struct playground *p = c->own;
	char *argv[64], *log = xstrfmt("%s/%s-ticdc-again.log", c->log_dir, c->name);
	char *env[] = { (char *)"TZ=UTC", c->new_ticdc ? PLAYGROUND_NEW_TICDC : NULL, NULL };
	struct deadline d = deadline_in_ms(TICDC_MS);
	struct err why = ERR_INIT;
	unsigned n = 0;

	for (size_t at = 0; at < p->ticdc_argv.len && n < 63;
	     at += strlen(p->ticdc_argv.buf + at) + 1)
		argv[n++] = p->ticdc_argv.buf + at;
	argv[n] = NULL;
	proc_free(p->ticdc);
	p->ticdc = proc_start(&(struct proc_opts){ .name = "ticdc",
						   .argv = argv,
						   .env = env,
						   .log_path = log,
						   .outlives_us = c->keep },
			      e);
	free(log);
	if (!p->ticdc)
		return err_wrap(e, "start TiCDC again");
	while (tidb_cluster_look_at_ticdc(&p->tidb, deadline_in_ms(LOOK_MS), &why) < 0) {
		if (!proc_running(p->ticdc))
			return err_set(e, ERR_ENV, 0, "TiCDC, started again, ended: %s",
				       proc_how(p->ticdc));
		if (pause_ms(100, d) < 0)
			return err_set(e, clock_cancelled() ? ERR_CANCELLED : ERR_ENV, 0,
				       "TiCDC, started again, is not ready: %.700s", why.text);
	}
	return 0;
}

int playground_changefeed(struct cluster *c, unsigned slot, const struct changefeed_opts *o,
			  struct err *e)
{
	struct component found[PLAYGROUND_COMPONENTS_MAX];
	struct playground *p = c->own;

	if (p->ticdc_argv.len && !choose_components(p, CLUSTER_FEED, CLUSTER_EACH, found) &&
	    start_ticdc_again(c, e) < 0)
		return -1;
	return tidb_cluster_changefeed(c, slot, o, e);
}

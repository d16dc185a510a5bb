/* Mini drills as processes of their own, two at a time: clean ones, which must pass, and, in the
 * build with fault points, ones in which one process lies, which must fail. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/rng.h"
#include "harness/base/xalloc.h"
#include "harness/os/proc.h"
#include "suites/selftest.h"

#define AT_ONCE 2
#define CHAIN_BROKEN "the log's chain is broken"
#define DRILL_MS 120000
/* the lie comes at a transaction, a row or a chunk with a number from .. below .. */
#define NTH_MIN 20
#define NTH_MAX 240

struct lie {
	const char *name, *what;
	const char *fault; /* DRTEST_FAILPOINT; %u: which one, drawn by the seed; NULL: none */
	unsigned nth_max;  /* 0: NTH_MIN .. NTH_MAX */
	const char *set;   /* an option of the drill, or NULL */
	bool harmless;
};
static const struct lie lies[] = {
	{ "lie_txn_dropped", "the feed drops a transaction", "feed.txn_dropped:%u", 0, NULL,
	  false },
	{ "lie_row_dropped", "the feed drops one row of a transaction", "feed.row_dropped:%u", 0,
	  NULL, false },
	{ "lie_resolved_ahead", "the feed's resolvedTs runs ahead of what is durable",
	  "feed.resolved_ahead,feed.flush_once", 0, NULL, false },
	{ "lie_checkpoint_ahead", "the feed's checkpointTs runs ahead of a slow sink",
	  "feed.sink_stuck,feed.checkpoint_ahead", 0, NULL, false },
	{ "lie_replay_dropped", "the replay drops a transaction",
	  "feed.sink_stuck,redo.txn_dropped:%u", 0, NULL, false },
	{ "lie_chunk_missing", "the restore leaves a chunk out", "restore.chunk_missing:%u", 3,
	  NULL, false },
	{ "lie_ddl_skipped", "the feed skips a DDL", "feed.ddl_skipped", 0, "ddl=true", false },
	{ "lie_none_slow_sink", "harmless: the sink is stuck, all is in the redo log",
	  "feed.sink_stuck", 0, NULL, true },
};
static const struct lie clean[] = {
	{ "clean", "clean drill", NULL, 0, NULL, true },
	{ "clean_busy", "clean drill, killed while the sink is busy", NULL, 0, "busy=true", true },
	{ "clean_ddl", "clean drill with a DDL", NULL, 0, "ddl=true", true },
};

struct slot {
	struct proc *p;
	const struct lie *lie;
	char fault[128], log[512];
	uint64_t seed;
};
struct drills {
	struct scores *t;
	const char *dir, *scenario;
	struct slot slot[AT_ONCE];
	uint64_t seed;
	unsigned done;
	bool quiet;
};

static int launch(struct drills *d, struct slot *s, const struct lie *lie, struct err *e)
{
	char *exe = xstrdup("/proc/self/exe"), *seed, *out = xstrfmt("%s/runs", d->dir), *env_text;
	struct rng g;
	int rc;

	s->lie = lie;
	s->seed = d->seed++;
	rng_seed3(&g, s->seed, 0x11e, 0);
	s->fault[0] = '\0';
	if (lie->fault) {
		unsigned nth = lie->nth_max ? 1 + (unsigned)rng_below(&g, lie->nth_max)
					    : NTH_MIN + (unsigned)rng_below(&g, NTH_MAX - NTH_MIN);
		const char *at = strstr(lie->fault, "%u");

		if (at)
			snprintf(s->fault, sizeof(s->fault), "%.*s%u", (int)(at - lie->fault),
				 lie->fault, nth);
		else
			snprintf(s->fault, sizeof(s->fault), "%s", lie->fault);
	}
	snprintf(s->log, sizeof(s->log), "%s/drill-%" PRIu64 ".log", d->dir, s->seed);
	seed = xstrfmt("%" PRIu64, s->seed);
	env_text = xstrfmt("DRTEST_FAILPOINT=%s", s->fault);
	char *argv[] = { exe,
			 (char *)"run",
			 (char *)d->scenario,
			 (char *)"--store",
			 (char *)"file",
			 (char *)"--seed",
			 seed,
			 (char *)"--out",
			 out,
			 lie->set ? (char *)"--set" : NULL,
			 (char *)lie->set,
			 NULL };
	char *env[] = { env_text, NULL };

	s->p = proc_start(
		&(struct proc_opts){
			.name = "drill", .argv = argv, .env = env, .log_path = s->log },
		e);
	rc = s->p ? 0 : -1;
	free(exe);
	free(seed);
	free(out);
	free(env_text);
	return rc;
}

/* Takes one drill's verdict: pass or fail. Anything else says nothing of the verdict, and ends the
 * test. */
static int collect(struct drills *d, struct slot *s, struct err *e)
{
	struct score *score;
	int status, rc = 0;

	if (!s->p)
		return 0;
	score = score_add(d->t, s->lie->name, s->lie->what, s->lie->harmless);
	if (!proc_wait(s->p, deadline_in_ms(DRILL_MS)))
		rc = err_set(e, ERR_TIMEOUT, 0,
			     "a drill (%s, seed %" PRIu64 ") did not end within %d s", s->lie->name,
			     s->seed, DRILL_MS / 1000);
	status = proc_exit_status(s->p);
	if (rc == 0 && status != 0 && status != 1) {
		struct strbuf tail = STRBUF_INIT;

		proc_log_tail(s->log, 4, &tail);
		if (strstr(tail.buf, CHAIN_BROKEN))
			status = 1; /* the replay saw it before it wrote anything: caught */
		else
			rc = err_set(e, ERR_ENV, 0,
				     "a drill (%s, seed %" PRIu64 ") ended with %s: %.600s",
				     s->lie->name, s->seed, proc_how(s->p), tail.buf);
		strbuf_release(&tail);
	}
	if (rc == 0) {
		score->planted++;
		score->judged[BY_DRILL]++;
		score->caught += status == 1;
		score->by[BY_DRILL] += status == 1;
		if ((status == 1) == s->lie->harmless && !score->missed[0])
			snprintf(
				score->missed, sizeof(score->missed),
				"DRTEST_FAILPOINT=%s drtest-test run %s --store file --seed %" PRIu64
				" %s%s",
				s->fault, d->scenario, s->seed, s->lie->set ? "--set " : "",
				s->lie->set ? s->lie->set : "");
		d->done++;
		if (!d->quiet && d->done % 20 == 0)
			printf("  %u drills\n", d->done);
		fflush(stdout);
	}
	proc_free(s->p);
	s->p = NULL;
	return rc;
}

static int run_many(struct drills *d, const struct lie *list, size_t n, unsigned each,
		    struct err *e)
{
	int rc = 0;
	unsigned next = 0;

	for (unsigned k = 0; k < each && rc == 0; k++)
		for (size_t i = 0; i < n && rc == 0; i++, next++) {
			struct slot *s = &d->slot[next % AT_ONCE];

			rc = collect(d, s, e) < 0 ? -1 : launch(d, s, &list[i], e);
		}
	for (unsigned i = 0; i < AT_ONCE; i++)
		if (collect(d, &d->slot[(next + i) % AT_ONCE], rc == 0 ? e : NULL) < 0)
			rc = -1;
	return rc;
}

int selftest_drills(struct scores *t, const struct drill_opts *o, struct err *e)
{
	struct drills d = {
		.t = t, .dir = o->dir, .scenario = o->scenario, .seed = o->seed, .quiet = o->quiet
	};
	unsigned kinds = sizeof(clean) / sizeof(clean[0]);
	int rc = 0;

	if (o->faults)
		rc = run_many(&d, lies, sizeof(lies) / sizeof(lies[0]), o->faults, e);
	if (rc == 0 && o->clean)
		rc = run_many(&d, clean, kinds, (o->clean + kinds - 1) / kinds, e);
	return rc;
}

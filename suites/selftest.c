#include "suites/selftest.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/base/xalloc.h"
#include "harness/cluster/forensic.h"
#include "harness/os/fs.h"
#include "harness/os/proc.h"
#include "harness/run/data_dir.h"

#define LOST_BYTES_MAX ((size_t)256 << 20)

static int judge_one(const struct defect_run *run, const struct defect_defect *d,
		     const struct defect_case *c, struct score *s, struct err *e)
{
	static const unsigned checks[] = { DEFECT_LEDGER, DEFECT_MODEL };
	unsigned failed = 0;

	for (unsigned i = 0; i < 2; i++) {
		struct verify_result r = { 0 };
		int rc = defect_judge(run, c, checks[i], &r, e);
		bool bad = r.verdict != VERDICT_PASS;

		verify_result_release(&r);
		if (rc < 0)
			return -1;
		s->judged[i]++;
		s->by[i] += bad;
		failed |= bad ? checks[i] : 0;
	}
	s->planted++;
	bool hit = d->meant ? (failed & d->meant) == d->meant : failed != 0;

	s->caught += hit;
	if (hit != (d->meant != 0) && !s->missed[0])
		snprintf(s->missed, sizeof(s->missed), "%s", c->where);
	return 0;
}

static int plant_all(const struct defect_run *run, const struct selftest_opts *o, uint64_t round,
		     struct scores *t, struct err *e)
{
	for (size_t i = 0; i < defects_n; i++) {
		const struct defect_defect *d = &defects_all[i];
		struct score *s = score_add(t, d->name, d->what, !d->meant);

		for (unsigned k = 0; k < o->seeds; k++) {
			struct defect_case c;
			struct rng g;
			int rc = 0;

			rng_seed3(&g, o->seed + round, i, k);
			defect_case_init(run, &c);
			if (d->plant(run, &g, &c))
				rc = judge_one(run, d, &c,
					       score_add(t, d->name, d->what, !d->meant), e);
			else
				s->no_place++;
			defect_case_release(&c);
			if (rc < 0)
				return err_wrap(e, "%s", d->name);
		}
	}
	return 0;
}

static int run_lines(struct sql *s, char *text, struct err *e)
{
	int rc = 0;

	for (char *save = NULL, *line = strtok_r(text, "\n", &save); line && rc == 0;
	     line = strtok_r(NULL, "\n", &save))
		if (strncmp(line, "--", 2))
			rc = sql_exec_text(s, e, line, strlen(line)) < 0 ? -1 : 0;
	return rc;
}

static int run_sql(struct sql *s, const struct defect_run *run, const struct defect_state *from,
		   const struct defect_state *to, struct err *e)
{
	struct strbuf text = STRBUF_INIT;
	int rc = 0;

	defect_sql(run, from, to, &text);
	rc = run_lines(s, text.buf, e);
	strbuf_release(&text);
	return rc;
}

/* lost.sql is what the dead primary's disk holds beyond the replay point: run on the secondary, it
 * makes both equal. */
static int bring_in_lost(const struct recording *r, const char *lost_sql, struct scores *t,
			 struct err *e)
{
	struct compare_opts o = { .b = *cluster_endpoint(r->secondary),
				  .a_name = "the dead primary's disk",
				  .b_name = "secondary",
				  .threads = 2 };
	struct score *score;
	struct compare_result res = { 0 };
	struct strbuf text = STRBUF_INIT;
	struct sql *s = NULL;
	int rc = -1;

	if (!fs_exists(lost_sql))
		return 0; /* the kill lost nothing */
	score = score_add(t, "lost_sql", "harmless: lost.sql brought in, nothing is lost", true);
	if (fs_read_file(lost_sql, LOST_BYTES_MAX, &text, e) == 0 &&
	    cluster_examine(r->primary, deadline_in_ms(60000), &o.a, e) == 0 &&
	    (s = sql_open(&o.b, deadline_in_ms(10000), e)) && run_lines(s, text.buf, e) == 0 &&
	    compare_run(&o, &res, e) == 0) {
		score->planted++;
		score->judged[BY_COMPARE]++;
		score->by[BY_COMPARE] += res.verdict != VERDICT_PASS;
		score->caught += res.verdict != VERDICT_PASS;
		snprintf(score->missed, sizeof(score->missed), "%.290s",
			 res.verdict != VERDICT_PASS ? res.evidence : "");
		rc = 0;
	}
	compare_result_release(&res);
	sql_close(s);
	strbuf_release(&text);
	cluster_examine_end(r->primary);
	return rc;
}

/* The secondary is given a planted state, compared with the dead primary's disk, and given back its
 * own. */
static int ask_disk(const struct recording *r, struct forensic *f, struct sql *s,
		    const struct defect_case *c, bool *differs, struct err *e)
{
	struct cluster_hold *held = NULL;
	struct forensic_result res = { 0 };
	int rc = -1;

	if (run_sql(s, &r->run, &r->run.after, &c->state, e) == 0 &&
	    (held = cluster_hold(cluster_endpoint(r->secondary), "secondary", HOLD_CONNECTIONS,
				 e)) &&
	    forensic_compare(f, held, &res, e) == 0)
		rc = run_sql(s, &r->run, &c->state, &r->run.after, e);
	*differs = res.verdict != VERDICT_PASS;
	json_decref(res.findings);
	cluster_hold_free(held);
	return rc;
}

static int plant_on_servers(const struct recording *r, struct forensic *f,
			    const struct selftest_opts *o, uint64_t round, struct scores *t,
			    struct err *e)
{
	struct sql *s = sql_open(cluster_endpoint(r->secondary), deadline_in_ms(10000), e);
	int rc = s ? 0 : -1;

	for (size_t i = 0; i < defects_n && rc == 0; i++) {
		const struct defect_defect *d = &defects_all[i];
		struct score *score = score_add(t, d->name, d->what, !d->meant);

		for (unsigned k = 0; d->in_rows && k < o->seeds && rc == 0; k++) {
			struct defect_case c;
			struct rng g;
			bool differs = false;

			rng_seed3(&g, o->seed + round, i, k);
			defect_case_init(&r->run, &c);
			if (d->plant(&r->run, &g, &c)) {
				rc = ask_disk(r, f, s, &c, &differs, e);
				score->judged[BY_FORENSIC]++;
				score->by[BY_FORENSIC] += differs;
				if (differs == !d->meant && !score->missed[0])
					snprintf(score->missed, sizeof(score->missed),
						 "forensic: %.280s", c.where);
			}
			defect_case_release(&c);
		}
	}
	sql_close(s);
	return rc;
}

/* On the recording's servers: the dead primary's disk, then two servers that only differ in what is
 * planted. */
static int with_servers(const struct recording *r, const struct selftest_opts *o, uint64_t round,
			struct scores *t, struct err *e)
{
	char *lost_jsonl = xstrfmt("%s/lost.jsonl", r->dir),
	     *lost_sql = xstrfmt("%s/lost.sql", r->dir);
	struct forensic_opts fo = { .dead = r->primary,
				    .point = r->replay.point,
				    .point_seq_min = r->backup.backup_seq,
				    .ledger_dir = r->ledger_dir,
				    .ledger_table = r->run.model.ledger_table,
				    .disaster_us = r->run.disaster_us,
				    .lost_jsonl = lost_jsonl,
				    .lost_sql = lost_sql,
				    .deadline = deadline_in_ms(3600000) };
	struct forensic *f = forensic_open(&fo, e);
	struct forensic_result clean = { 0 };
	struct cluster_hold *held =
		f ? cluster_hold(cluster_endpoint(r->secondary), "secondary", HOLD_CONNECTIONS, e)
		  : NULL;
	int rc = held ? forensic_compare(f, held, &clean, e) : -1;

	cluster_hold_free(held);
	if (rc == 0 && clean.verdict != VERDICT_PASS)
		rc = err_set(e, ERR_BAD_DATA, 0,
			     "a drill without a planted defect fails the forensic check: %.300s",
			     clean.evidence);
	if (rc == 0 && !o->quiet)
		printf("  %s\n", clean.evidence);
	json_decref(clean.findings);
	if (rc == 0)
		rc = plant_on_servers(r, f, o, round, t, e);
	if (rc == 0)
		rc = selftest_compare(t, forensic_endpoint(f), cluster_endpoint(r->secondary),
				      o->seeds, e);
	if (forensic_close(f, rc == 0 ? e : NULL) < 0)
		rc = -1;
	if (rc == 0)
		rc = bring_in_lost(r, lost_sql, t, e);
	free(lost_jsonl);
	free(lost_sql);
	return rc;
}

static int one_recording(const struct selftest_opts *o, unsigned round, struct scores *t,
			 struct err *e)
{
	struct recording r = { 0 };
	char *dir = NULL, *run = xstrfmt("selftest-%d-%u", (int)getpid(), round);
	int lock = data_dir_make(run, true, &dir, e), rc = -1;

	free(run);
	if (lock < 0)
		return -1;
	if (recording_make(&r, dir, o->seed + round, e) == 0) {
		if (!o->quiet)
			printf("recording %u, seed %" PRIu64 ": %s\n", round + 1, o->seed + round,
			       r.evidence);
		rc = plant_all(&r.run, o, round, t, e);
		if (rc == 0)
			rc = with_servers(&r, o, round, t, e);
	}
	recording_free(&r);
	fs_remove_tree(dir, NULL);
	guardian_path_forget(dir);
	close(lock);
	free(dir);
	return rc;
}

static int run_drills(const struct selftest_opts *o, struct scores *t, struct err *e)
{
	char *dir = NULL, *run = xstrfmt("selftest-%d-drills", (int)getpid());
	int lock = data_dir_make(run, true, &dir, e), rc;
	struct drill_opts d = { .dir = dir,
				.scenario = o->scenario,
				.clean = o->drills,
				.faults = o->faults,
				.seed = o->seed,
				.quiet = o->quiet };

	free(run);
	if (lock < 0)
		return -1;
	rc = selftest_drills(t, &d, e);
	fs_remove_tree(dir, NULL);
	guardian_path_forget(dir);
	close(lock);
	free(dir);
	return rc;
}

int selftest_run(const struct selftest_opts *o, struct scores *t, struct err *e)
{
	for (unsigned i = 0; i < o->recordings; i++)
		if (one_recording(o, i, t, e) < 0)
			return -1;
	return (o->drills || o->faults) ? run_drills(o, t, e) : 0;
}

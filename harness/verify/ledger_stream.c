#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/base/xalloc.h"
#include "harness/verify/ledger_check.h"

struct stream {
	struct prefix *p;
	const struct presence_cursor *from;
	uint32_t worker; /* the cursor's row */
	uint64_t seq;
	int more;         /* 1: there is one, 0: the end, -1: error */
	uint8_t *present; /* a bit for each record, in the ledger's order */
	size_t n, room;   /* records; bytes of present */
	/* the record before, while they are met; what came after an open end, in order */
	struct verify_txn last, *late;
	size_t n_late, late_room, judged;
	struct verify_closure closure;
	struct verify_result *r;
	int64_t oldest_lost;
	FILE *lost;
	const char *lost_path;
	struct err *e;
};

static void step_stream(struct stream *s)
{
	uint32_t worker = s->worker;
	uint64_t seq = s->seq;
	bool first = !s->n && !worker && !seq;

	s->more = s->from->next(s->from->arg, &s->worker, &s->seq, s->e);
	if (s->more == 1 && !first &&
	    (s->worker < worker || (s->worker == worker && s->seq <= seq)))
		s->more = err_set(s->e, ERR_BAD_DATA, 0,
				  "drtest_ledger: worker %u sequence %" PRIu64 " came out of order",
				  s->worker, s->seq);
}

/* The cursor's row is in no ledger. */
static void take_unnamed(struct stream *s)
{
	struct verify_txn t;

	if (!verify_late(s->n ? &s->last : NULL, s->worker, s->seq, &t)) {
		verify_stray(s->p, s->worker, s->seq);
		return;
	}
	verify_closure_add(&s->closure, s->p, &t);
	XGROW(s->late, s->n_late, s->late_room, 64);
	s->late[s->n_late++] = t;
}

/* The first pass: who is there, and what real time tells. */
static int take_first_pass(void *arg, const struct ledger_record *r)
{
	struct stream *s = arg;
	struct verify_txn t;
	bool here;

	while (s->more == 1 &&
	       (s->worker < r->worker || (s->worker == r->worker && s->seq < r->seq))) {
		take_unnamed(s);
		step_stream(s);
	}
	if (s->more < 0)
		return -1;
	here = s->more == 1 && s->worker == r->worker && s->seq == r->seq;
	if (s->n / 8 == s->room) {
		size_t old = s->room;

		s->room = s->room ? s->room * 2 : 4096;
		s->present = xreallocarray(s->present, s->room, 1);
		memset(s->present + old, 0, s->room - old);
	}
	s->present[s->n / 8] |= (uint8_t)(here << s->n % 8);
	s->n++;
	t = verify_txn_of(r);
	t.present = here;
	s->last = t;
	verify_closure_add(&s->closure, s->p, &t);
	if (here)
		step_stream(s);
	return s->more < 0 ? -1 : 0;
}

static int write_lost(struct stream *s, const struct verify_txn *t)
{
	if (!s->lost_path)
		return 0;
	if (!s->lost && !(s->lost = fopen(s->lost_path, "we")))
		return err_sys(s->e, "create %s", s->lost_path);
	fprintf(s->lost,
		"{\"worker\":%u,\"seq\":%" PRIu64 ",\"position\":\"%" PRIu64
		"\",\"acknowledged_s\":%.6f",
		t->worker, t->seq, t->position, (double)t->end_us / 1e6);
	if (s->p->disaster_us)
		fprintf(s->lost, ",\"before_disaster_ms\":%.3f",
			(double)(s->p->disaster_us - t->end_us) / 1e3);
	fputs("}\n", s->lost);
	return ferror(s->lost) ? err_sys(s->e, "write %s", s->lost_path) : 0;
}

/* Those after open ends that come before (worker, seq). */
static void judge_late(struct stream *s, uint32_t worker, uint64_t seq)
{
	for (; s->judged < s->n_late; s->judged++) {
		const struct verify_txn *t = &s->late[s->judged];

		if (t->worker > worker || (t->worker == worker && t->seq > seq))
			return;
		if (t->cluster == s->p->cluster)
			verify_judge_txn(s->p, t, &s->closure, s->r, &s->oldest_lost);
	}
}

static int judge(void *arg, const struct ledger_record *r)
{
	struct stream *s = arg;
	struct verify_txn t = verify_txn_of(r);

	t.present = s->n / 8 < s->room && s->present[s->n / 8] >> s->n % 8 & 1;
	s->n++;
	judge_late(s, t.worker, t.seq);
	if (t.cluster == s->p->cluster &&
	    verify_judge_txn(s->p, &t, &s->closure, s->r, &s->oldest_lost))
		return write_lost(s, &t);
	return 0;
}

/* ledger_read says only that it was stopped: why is ours to say. */
static int read_all(struct stream *s, const char *dir,
		    int (*fn)(void *, const struct ledger_record *), struct err *e)
{
	struct err why = ERR_INIT, own = ERR_INIT;
	int rc;

	s->e = &own;
	rc = ledger_read_to(dir, s->p->mark, fn, s, &s->p->damaged, &why);
	if (rc < 0 && e)
		*e = own.kind != ERR_NONE ? own : why;
	return rc;
}

int verify_stream_ledger(struct prefix *p, const char *ledger_dir, const struct presence_cursor *c,
			 const char *lost_path, struct verify_result *r, struct err *e)
{
	struct stream s = {
		.p = p, .from = c, .r = r, .oldest_lost = INT64_MAX, .lost_path = lost_path, .e = e
	};
	size_t met;
	int rc = -1;

	verify_closure_init(&s.closure);
	step_stream(&s);
	if (s.more < 0 || read_all(&s, ledger_dir, take_first_pass, e) < 0)
		goto out;
	s.e = e;
	for (; s.more == 1; step_stream(&s))
		take_unnamed(&s);
	if (s.more < 0)
		goto out;
	met = s.n;
	s.n = 0;
	if (read_all(&s, ledger_dir, judge, e) < 0)
		goto out;
	if (s.n != met) {
		err_set(e, ERR_BAD_DATA, 0,
			"the ledger %s is being written to: it had %zu records, then %zu",
			ledger_dir, met, s.n);
		goto out;
	}
	judge_late(&s, UINT32_MAX, UINT64_MAX);
	p->has_evidence = true;
	verify_conclude_ledger(p, s.oldest_lost, r);
	rc = 0;
out:
	free(s.present);
	free(s.late);
	if (s.lost && fclose(s.lost) && rc == 0)
		rc = err_sys(e, "write %s", lost_path);
	else if (lost_path && !s.lost)
		unlink(lost_path);
	return rc;
}

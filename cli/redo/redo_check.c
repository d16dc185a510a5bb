#include "cli/redo/redo_impl.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "harness/base/clock.h"
#include "harness/replay/log_check.h"

#define WATCH_MS 1000
#define FOREVER_MS ((int64_t)1 << 40)

/* ---- check ---- */

struct findings {
	const struct redo_options *o;
	json_t *list;
};

static void take_finding(void *arg, enum redo_finding what, const char *line)
{
	struct findings *f = arg;

	if (f->o->json)
		json_array_append_new(f->list, json_pack("{s:s,s:s}", "kind",
							 what == REDO_BROKEN ? "broken" : "note",
							 "text", line));
	else
		printf("%s  %s\n", what == REDO_BROKEN ? "BROKEN" : "note  ", line);
}

static void check_json(const struct redo_check_result *r, json_t *findings)
{
	const struct {
		const char *name;
		uint64_t v;
	} n[] = {
		{ "files", r->files },
		{ "files_with_sidecar", r->with_sidecar },
		{ "tmp_files", r->tmp_files },
		{ "bytes", r->bytes },
		{ "rows", r->rows },
		{ "ddls", r->ddls },
		{ "transactions", r->transactions },
		{ "rows_before_checkpoint", r->rows_before },
		{ "rows_beyond_resolved", r->rows_beyond },
		{ "keys", r->keys },
		{ "notes", r->notes },
		{ "broken", r->broken },
	};
	json_t *j = json_pack("{s:s,s:o,s:o,s:o,s:o}", "verdict", r->broken ? "broken" : "sound",
			      "checkpoint_ts", redo_ts_json(r->meta.checkpoint_ts), "resolved_ts",
			      redo_ts_json(r->meta.resolved_ts), "first_ts",
			      redo_ts_json(r->first_ts), "last_ts", redo_ts_json(r->last_ts));

	for (size_t i = 0; i < sizeof(n) / sizeof(n[0]); i++)
		json_object_set_new(j, n[i].name, json_integer((json_int_t)n[i].v));
	json_object_set(j, "findings", findings);
	json_dumpf(j, stdout, JSON_INDENT(1));
	putchar('\n');
	json_decref(j);
}

int redo_check_log(struct store *s, const struct redo_options *o)
{
	struct findings found = { o, json_array() };
	struct redo_check_opts co = { .tmp_dir = o->tmp_dir,
				      .memory_bytes = o->memory,
				      .finding = take_finding,
				      .arg = &found };
	struct redo_check_result r;
	struct err e = ERR_INIT;
	int rc;

	if (redo_check(s, &co, &r, &e) < 0) {
		rc = redo_failed(&e);
	} else if (o->json) {
		check_json(&r, found.list);
		rc = r.broken ? 1 : 0;
	} else {
		printf("%" PRIu64 " files (%.1f MB, %" PRIu64 " with a sidecar), %" PRIu64
		       " rows of %" PRIu64 " transactions, %" PRIu64 " DDLs\n",
		       r.files, (double)r.bytes / 1e6, r.with_sidecar, r.rows, r.transactions,
		       r.ddls);
		printf("chains of %" PRIu64 " keys followed from checkpointTs %" PRIu64
		       " to resolvedTs %" PRIu64 "\n",
		       r.keys, r.meta.checkpoint_ts, r.meta.resolved_ts);
		if (r.broken)
			printf("BROKEN: %" PRIu64 " findings\n", r.broken);
		else
			printf("sound%s\n",
			       r.with_sidecar == r.files
				       ? ""
				       : ": as far as a log without sidecars shows (docs/REDO-FORMAT.md says how far)");
		rc = r.broken ? 1 : 0;
	}
	json_decref(found.list);
	return rc;
}

/* ---- watch ---- */

/* What one look alone does not show: for how long the point has stood. */
struct watch {
	int64_t promised_ms, moved_ns;
	tso_t point;
};

static bool beyond(const struct watch *s, const struct redo_outlook *w)
{
	return w->loss_ms > s->promised_ms;
}

static void watch_json(const struct watch *s, const struct redo_outlook *w)
{
	json_t *j = json_pack("{s:o,s:o,s:I,s:I,s:I,s:I,s:I,s:s*}", "checkpoint_ts",
			      redo_ts_json(w->meta.checkpoint_ts), "point",
			      redo_ts_json(w->meta.resolved_ts), "loss_ms", (json_int_t)w->loss_ms,
			      "files", (json_int_t)w->files, "bytes", (json_int_t)w->bytes,
			      "replay_ms", (json_int_t)w->replay_ms, "holes", (json_int_t)w->holes,
			      "hole", w->holes ? w->hole : NULL);

	json_object_set_new(j, "promised_ms", json_integer((json_int_t)s->promised_ms));
	json_object_set_new(j, "beyond_promise", json_boolean(beyond(s, w)));
	json_dumpf(j, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER);
	putchar('\n');
	json_decref(j);
}

static void watch_prometheus(const struct watch *s, const struct redo_outlook *w)
{
	printf("# HELP drtest_redo_loss_seconds What would be lost if the primary died now: this clock minus the log's resolvedTs.\n"
	       "# TYPE drtest_redo_loss_seconds gauge\ndrtest_redo_loss_seconds %.3f\n"
	       "# HELP drtest_redo_promised_seconds What the changefeed's flush interval explains of it.\n"
	       "# TYPE drtest_redo_promised_seconds gauge\ndrtest_redo_promised_seconds %.3f\n"
	       "# HELP drtest_redo_point_tso The TSO that a replay would reach.\n"
	       "# TYPE drtest_redo_point_tso gauge\ndrtest_redo_point_tso %" PRIu64 "\n"
	       "# HELP drtest_redo_checkpoint_tso What the secondary surely has.\n"
	       "# TYPE drtest_redo_checkpoint_tso gauge\ndrtest_redo_checkpoint_tso %" PRIu64 "\n"
	       "# HELP drtest_redo_pending_files Log files that a replay would read.\n"
	       "# TYPE drtest_redo_pending_files gauge\ndrtest_redo_pending_files %" PRIu64 "\n"
	       "# HELP drtest_redo_pending_bytes Bytes that a replay would read, as stored.\n"
	       "# TYPE drtest_redo_pending_bytes gauge\ndrtest_redo_pending_bytes %" PRIu64 "\n"
	       "# HELP drtest_redo_holes DDLs behind which rows may be in no file.\n"
	       "# TYPE drtest_redo_holes gauge\ndrtest_redo_holes %" PRIu64 "\n"
	       "# HELP drtest_redo_replay_seconds How long that would take, at 100 MB/s.\n"
	       "# TYPE drtest_redo_replay_seconds gauge\ndrtest_redo_replay_seconds %.3f\n",
	       (double)w->loss_ms / 1e3, (double)s->promised_ms / 1e3, w->meta.resolved_ts,
	       w->meta.checkpoint_ts, w->files, w->bytes, w->holes, (double)w->replay_ms / 1e3);
}

static void watch_text(const struct watch *s, const struct redo_outlook *w)
{
	double still = (double)(clock_mono_ns() - s->moved_ns) / 1e9;
	char when[TSO_TEXT_MAX];

	tso_time_text(w->meta.resolved_ts, when);
	printf("if the primary died now: a replay reaches %" PRIu64
	       " (%s), %.1f s are lost, it takes about %.1f s (%" PRIu64 " files, %.1f MB)\n",
	       w->meta.resolved_ts, when, (double)w->loss_ms / 1e3, (double)w->replay_ms / 1e3,
	       w->files, (double)w->bytes / 1e6);
	if (!beyond(s, w))
		return;
	printf("WARNING: the flush interval explains %.1f s of that: ",
	       (double)s->promised_ms / 1e3);
	if (w->unmoved)
		puts("the log holds no row yet and its point is where the changefeed began; a young changefeed may stand so for 15 s and longer, "
		     "an old one has lost its store or its primary (TiCDC says normal all the while)");
	else if (still * 1e3 > (double)s->promised_ms)
		printf("its point has not moved for %.0f s: the changefeed, or its store, stands still (TiCDC may say normal all the while)\n",
		       still);
	else
		puts("the changefeed is young, catches up, or stands still (look again: does the point move?)");
}

/* One error does not end a watch: the store may be back in a second. */
int redo_watch(struct store *s, const struct redo_options *o)
{
	struct deadline never = deadline_in_ms(FOREVER_MS);
	struct watch seen = { .promised_ms =
				      (o->flush_ms ? o->flush_ms : REDO_FLUSH_MS) + REDO_BESIDE_MS,
			      .moved_ns = clock_mono_ns() };
	int rc = 0;

	for (;;) {
		struct redo_outlook w;
		struct err e = ERR_INIT;

		if (redo_outlook(s, &w, &e) < 0) {
			rc = redo_failed(&e);
		} else {
			if (w.meta.resolved_ts != seen.point)
				seen.moved_ns = clock_mono_ns();
			seen.point = w.meta.resolved_ts;
			(o->json         ? watch_json
			 : o->prometheus ? watch_prometheus
					 : watch_text)(&seen, &w);
			if (w.holes && !o->json && !o->prometheus)
				printf("WARNING: %s%s\n", w.hole,
				       w.holes > 1 ? " (and behind later ones)" : "");
			rc = o->warn_rpo_ms && w.loss_ms > o->warn_rpo_ms ? 1 : 0;
			if (rc && !o->json && !o->prometheus)
				printf("WARNING: that is more than %.1f s\n",
				       (double)o->warn_rpo_ms / 1e3);
		}
		fflush(stdout);
		if (o->once || ferror(stdout))
			return rc;
		if (pause_ms(WATCH_MS, never) < 0)
			return 130;
	}
}

/* The recording: a real drill, small: load, backup, restore, changefeed with redo log, SIGKILL
 * while the sink is busy, replay. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/base/xalloc.h"
#include "harness/os/fs.h"
#include "harness/redo/reader.h"
#include "harness/verify/checks.h"
#include "suites/selftest.h"

#define TABLES 3
#define TABLE_SIZE 1000
#define WORKERS 10
#define RATE 200
/* load before the backup: rows of it differ from the prepared ones */
#define WARM_MS 900
#define SOAK_MS 2600 /* one flush of the redo log, and a part of the next */
#define BUSY_MS 6000 /* the sink is awaited busy for so long */

static struct cluster *start(const struct recording *r, const char *name, struct err *e)
{
	char *dir = xstrfmt("%s/%s", r->dir, name), *logs = xstrfmt("%s/logs", r->dir);
	struct cluster *c = cluster_new(
		&(struct cluster_opts){
			.ground = &ground_local, .name = name, .dir = dir, .log_dir = logs },
		e);

	free(dir);
	free(logs);
	if (c && cluster_start_begin(c, e) < 0) {
		cluster_free(c);
		c = NULL;
	}
	return c;
}

static int load_begin(struct recording *r, uint64_t seed, int64_t zero_ns, struct err *e)
{
	struct load_opts o = { .name = "oltp_write_only",
			       .seed = seed,
			       .workers = WORKERS,
			       .tables = TABLES,
			       .table_size = TABLE_SIZE,
			       .rate = RATE,
			       .pace = LOAD_POISSON,
			       .ledger_rows = true,
			       .ledger_dir = r->ledger_dir,
			       .journal_start_ns = zero_ns,
			       .stop_on_lost = true };
	const struct sql_endpoint *ep = cluster_endpoint(r->primary);

	r->load = load_new(&o, e);
	return r->load && load_prepare(r->load, ep, 2, deadline_in_ms(60000), e) == 0 &&
			       load_start(r->load, ep, 0, e) == 0
		       ? 0
		       : -1;
}

static int take_presence(struct recording *r, struct sql *s, struct defect_state *st, struct err *e)
{
	struct sql_rows rows = { 0 };
	int more = -1;

	if (sql_query(s, &rows, e, "SELECT worker, seq FROM `%s`.`%s`", r->run.model.db,
		      r->run.model.ledger_table) == 0)
		while ((more = sql_rows_next(&rows, e)) == 1) {
			long i = defect_record(&r->run, (uint32_t)strtoul(rows.cell[0], NULL, 10),
					       strtoull(rows.cell[1], NULL, 10));

			if (i < 0) {
				more = err_set(e, ERR_BAD_DATA, 0,
					       "worker %s sequence %s is missing from the ledgers",
					       rows.cell[0], rows.cell[1]);
				break;
			}
			st->present[i] = true;
		}
	sql_rows_release(&rows);
	return more;
}

static int take_rows(struct recording *r, struct defect_state *st, struct err *e)
{
	struct sql *s = sql_open(cluster_endpoint(r->secondary), deadline_in_ms(10000), e);
	int rc = s ? take_presence(r, s, st, e) : -1;

	for (uint32_t t = 1; rc == 0 && t <= TABLES; t++) {
		struct sql_rows rows = { 0 };

		rc = sql_query(s, &rows, e, "SELECT id, k, c, pad FROM `%s`.`%s%u`",
			       r->run.model.db, r->run.model.table_prefix, t);
		while (rc == 0 && (rc = sql_rows_next(&rows, e)) == 1) {
			struct defect_row *row =
				defect_row_at(&r->run, st, t, strtoll(rows.cell[0], NULL, 10));

			rc = 0;
			if (!row || rows.len[2] >= sizeof(row->c) ||
			    rows.len[3] >= sizeof(row->pad)) {
				rc = err_set(e, ERR_BAD_DATA, 0,
					     "sbtest%u id %s was not written by the load", t,
					     rows.cell[0]);
				break;
			}
			row->exists = true;
			row->k = strtoll(rows.cell[1], NULL, 10);
			memcpy(row->c, rows.cell[2], rows.len[2]);
			memcpy(row->pad, rows.cell[3], rows.len[3]);
		}
		sql_rows_release(&rows);
	}
	sql_close(s);
	return rc < 0 ? err_wrap(e, "read the secondary's rows") : 0;
}

static int take_change(void *arg, const struct redo_event *ev, uint64_t offset, struct err *e)
{
	struct recording *r = arg;

	(void)offset;
	if (ev->kind != REDO_ROW || ev->row.commit_ts <= r->replay.checkpoint_ts ||
	    ev->row.commit_ts > r->replay.point)
		return 0;
	return defect_take(&r->run, &ev->row, e);
}

static int take_log(struct recording *r, struct err *e)
{
	struct store *s = store_open(r->redo_uri, NULL, e);
	struct redo_files files = { 0 };
	struct redo_parse_result res;
	int rc = s ? redo_list_files(s, &files, e) : -1;

	for (size_t i = 0; rc == 0 && i < files.n; i++)
		if (files.f[i].name.kind == REDO_FILE_ROW)
			rc = redo_read_file(s, &files.f[i], take_change, r, &res, e);
	redo_files_release(&files);
	store_free(s);
	return rc;
}

static void await_busy(struct cluster *c)
{
	struct deadline d = deadline_in_ms(BUSY_MS);
	struct feed_status st;

	while (!deadline_passed(d) && feed_get_status(cluster_feed(c), &st, NULL) == 0 &&
	       !st.sink_busy)
		usleep(300);
}

/* The checks as a drill makes them: what is planted later must be all that is wrong. */
static int judge_clean(struct recording *r, int64_t disaster_us, int64_t disaster_wall_ms,
		       struct err *e)
{
	struct verify_opts o = { .ledger_dir = r->ledger_dir,
				 .model = load_model(r->load),
				 .tso_map = cluster_tso_map(r->primary),
				 .point = r->replay.point,
				 .disaster_us = disaster_us,
				 .disaster_wall_ms = disaster_wall_ms,
				 .secondary = *cluster_endpoint(r->secondary),
				 .point_position_base = (int64_t)r->backup.backup_seq };
	int (*const checks[])(const struct verify_opts *, struct verify_result *,
			      struct err *) = { check_ledger, check_model };
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < 2; i++) {
		struct verify_result res = { 0 };

		rc = checks[i](&o, &res, e);
		if (rc == 0 && res.verdict != VERDICT_PASS)
			rc = err_set(e, ERR_BAD_DATA, 0,
				     "a drill without a planted defect fails the %s check: %.300s",
				     i ? "model" : "ledger", res.evidence);
		if (i == 0)
			snprintf(r->evidence, sizeof(r->evidence), "%s", res.evidence);
		verify_result_release(&res);
	}
	return rc;
}

static int run_drill(struct recording *r, uint64_t seed, struct err *e)
{
	char *full = xstrfmt("file://%s/full", r->dir), *tmp = xstrfmt("%s/replay", r->dir);
	struct replay_opts ro = { .tmp_dir = tmp };
	int64_t zero = clock_mono_ns(), at = 0, wall;
	struct defect_run *run = &r->run;
	struct deadline d;
	int rc = -1;

	r->primary = start(r, "primary", e);
	r->secondary = r->primary ? start(r, "secondary", e) : NULL;
	if (!r->secondary || cluster_start_wait(r->primary, deadline_in_ms(60000), e) < 0 ||
	    cluster_start_wait(r->secondary, deadline_in_ms(60000), e) < 0)
		goto out;
	if (load_begin(r, seed, zero, e) < 0)
		goto out;
	pause_ms(WARM_MS, deadline_in_ms(60000));
	if (cluster_backup(r->primary, full, NULL, &r->backup, e) < 0 ||
	    cluster_restore(r->secondary, full, NULL, &(struct backup_result){ 0 }, e) < 0)
		goto out;
	if (cluster_changefeed(r->primary,
			       &(struct changefeed_opts){ .id = "forth",
							  .sink = r->secondary,
							  .start_ts = r->backup.backup_ts,
							  .redo_uri = r->redo_uri },
			       e))
		goto out;
	pause_ms(SOAK_MS, deadline_in_ms(60000));
	await_busy(r->primary);
	if (cluster_kill(r->primary, CLUSTER_ALL, &at, e) < 0)
		goto out;
	wall = clock_wall_ms() - (clock_mono_ns() - at) / 1000000;
	d = deadline_in_ms(5000);
	while (load_running(r->load) && pause_ms(5, d) == 0)
		;
	if (load_stop(r->load, deadline_in_ms(5000), e) < 0 ||
	    defect_open(run, r->ledger_dir, load_model(r->load), e) < 0 ||
	    take_rows(r, &run->before, e) < 0 || fs_mkdir_p(tmp, 0700, e) < 0 ||
	    cluster_apply_redo(r->secondary, r->redo_uri, &ro, &r->replay, e) < 0 ||
	    take_rows(r, &run->after, e) < 0)
		goto out;
	run->disaster_us = (at - zero) / 1000;
	run->backup_seq = r->backup.backup_seq;
	run->checkpoint = r->replay.checkpoint_ts;
	if (judge_clean(r, run->disaster_us, wall, e) < 0 || take_log(r, e) < 0 ||
	    tso_map_seq_at(cluster_tso_map(r->primary), r->replay.point, &run->limit, e) < 0 ||
	    defect_ready(run, cluster_tso_map(r->primary), e) < 0)
		goto out;
	rc = 0;
out:
	free(full);
	free(tmp);
	return rc;
}

int recording_make(struct recording *r, const char *dir, uint64_t seed, struct err *e)
{
	*r = (struct recording){ .dir = xstrdup(dir),
				 .ledger_dir = xstrfmt("%s/ledger", dir),
				 .redo_uri = xstrfmt("file://%s/redo", dir) };
	return run_drill(r, seed, e) < 0 ? err_wrap(e, "recording") : 0;
}

void recording_free(struct recording *r)
{
	if (r->dir) {
		defect_close(&r->run);
		load_free(r->load);
		cluster_free(r->primary);
		cluster_free(r->secondary);
	}
	free(r->dir);
	free(r->ledger_dir);
	free(r->redo_uri);
	*r = (struct recording){ 0 };
}

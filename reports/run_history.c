#include "reports/run_history.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/base/order.h"
#include "harness/base/xalloc.h"
#include "harness/os/fs.h"
#include "reports/formats.h"
#include "reports/report_read.h"
#include "reports/stats.h"

#define BUSY_MS 3000
#define VALUES_MAX 1000
#define RUNS_MAX 100000
#define SCHEMA 1

static const char tables[] =
	"BEGIN IMMEDIATE;CREATE TABLE IF NOT EXISTS runs(name TEXT PRIMARY KEY, scenario TEXT NOT NULL, ground TEXT NOT NULL, seed TEXT NOT NULL, "
	"options TEXT NOT NULL, drtest TEXT NOT NULL, verdict TEXT NOT NULL, started_ms INTEGER NOT NULL, seconds REAL NOT NULL, "
	"checks INTEGER NOT NULL, failed INTEGER NOT NULL, unknown INTEGER NOT NULL);"
	"CREATE TABLE IF NOT EXISTS figures(run TEXT NOT NULL, name TEXT NOT NULL, value REAL NOT NULL, PRIMARY KEY(run, name)) WITHOUT ROWID;"
	"CREATE INDEX IF NOT EXISTS runs_started ON runs(started_ms);PRAGMA user_version = 1;COMMIT";

/* ---- a run's row, from its journal */

static void add_value(struct run_row *r, const char *name, double value)
{
	if (!isfinite(value) || value < 0 || r->values_n >= VALUES_MAX ||
	    !isnan(run_row_value(r, name)))
		return;
	r->values = xreallocarray(r->values, r->values_n + 1, sizeof(*r->values));
	r->values[r->values_n++] = (struct run_row_value){ xstrdup(name), value };
}

#define BEFORE_S 10

/* The median of what a series tells between two instants, zeros left out: a load that was stopped
 * has no rate. */
static void add_series_within(struct run_row *r, const char *name, const struct samples *s,
			      enum series_kind kind, const char *series, bool greatest, double from,
			      double to)
{
	for (size_t i = 0; i < s->series_n; i++) {
		double *v, top = 0;
		size_t n = 0;

		if (s->series[i]->kind != kind || strcmp(s->series[i]->name, series) != 0)
			continue;
		v = xcalloc(s->n + 1, sizeof(*v));
		for (size_t k = 0; k < s->n; k++)
			if (s->series[i]->v[k] > 0 && s->t[k] >= from && s->t[k] <= to) {
				v[n++] = s->series[i]->v[k];
				top = v[n - 1] > top ? v[n - 1] : top;
			}
		if (n)
			add_value(r, name, greatest ? top : stats_median(v, n));
		free(v);
	}
}

static void add_series(struct run_row *r, const char *name, const struct samples *s,
		       enum series_kind kind, const char *series, bool greatest)
{
	add_series_within(r, name, s, kind, series, greatest, -INFINITY, INFINITY);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct run_row_value *)a)->name,
		      ((const struct run_row_value *)b)->name);
}

static char *base_name(const char *dir)
{
	size_t n = strlen(dir), from;

	while (n > 1 && dir[n - 1] == '/')
		n--;
	for (from = n; from > 0 && dir[from - 1] != '/';)
		from--;
	return xstrndup(dir + from, n - from);
}

static void run_of_model(const struct run_model *m, const char *dir, struct run_row *r)
{
	char key[48], *options = json_dumps(m->options, JSON_COMPACT | JSON_SORT_KEYS);
	const char *name;
	json_t *v;

	*r = (struct run_row){ .name = base_name(dir),
			       .scenario = xstrdup(m->scenario),
			       .ground = xstrdup(m->ground),
			       .seed = xstrdup(m->seed),
			       .options = xstrdup(options ? options : "{}"),
			       .drtest = xstrdup(m->drtest),
			       .verdict = xstrdup(outcome_name(m->verdict)),
			       .started_ms = m->wall_ms,
			       .seconds = m->seconds,
			       .checks = (int64_t)m->checks_n,
			       .failed = (int64_t)m->failed,
			       .unknown = (int64_t)m->unknown };
	free(options);
	add_value(r, "rpo_ms", m->rpo_window_ms);
	add_value(r, "rpo_lost", m->rpo_lost);
	add_value(r, "rpo_resolved_behind_ms", m->rpo_behind_ms);
	for (int i = 0; i < RTO_PARTS; i++) {
		snprintf(key, sizeof(key),
			 i == RTO_SERVICE     ? "rto_ms"
			 : i == RTO_REDUNDANT ? "redundant_ms"
					      : "rto_%s_ms",
			 rto_part_names[i]);
		add_value(r, key, m->rto_ms[i]);
	}
	add_value(r, "seconds", m->seconds);
	add_series(r, "load_tps", m->samples, SERIES_RATE, "acknowledged", false);
	if (m->disaster_at >= 0) /* what was written when it came: a replay's rows follow from it */
		add_series_within(r, "disaster_tps", m->samples, SERIES_RATE, "acknowledged", false,
				  m->disaster_at - BEFORE_S, m->disaster_at);
	add_series(r, "load_p99_ms", m->samples, SERIES_LATENCY_MS, "p99", false);
	add_series(r, "drtest_rss_mib", m->samples, SERIES_RSS_MIB, "drtest", true);
	json_object_foreach(m->figures, name, v) if (json_is_number(v))
		add_value(r, name, json_number_value(v));
	if (r->values_n)
		qsort(r->values, r->values_n, sizeof(*r->values), by_name);
}

int run_row_of_folder(const char *run_dir, struct run_row *run, struct err *e)
{
	struct run_model m;

	if (report_read(run_dir, &m, e) < 0)
		return -1;
	run_of_model(&m, run_dir, run);
	run_model_release(&m);
	return 0;
}

void run_row_release(struct run_row *r)
{
	for (size_t i = 0; i < r->values_n; i++)
		free(r->values[i].name);
	free(r->values);
	free(r->name);
	free(r->scenario);
	free(r->ground);
	free(r->seed);
	free(r->options);
	free(r->drtest);
	free(r->verdict);
	*r = (struct run_row){ 0 };
}

void run_history_free(struct run_row *runs, size_t n)
{
	for (size_t i = 0; i < n; i++)
		run_row_release(&runs[i]);
	free(runs);
}

double run_row_value(const struct run_row *r, const char *name)
{
	for (size_t i = 0; i < r->values_n; i++)
		if (!strcmp(r->values[i].name, name))
			return r->values[i].value;
	return NAN;
}

const char **run_history_names(const struct run_row *runs, size_t n, size_t *names_n)
{
	size_t all = 0, kept = 0;
	const char **names;

	for (size_t i = 0; i < n; i++)
		all += runs[i].values_n;
	names = xcalloc(all + 1, sizeof(*names));
	all = 0;
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < runs[i].values_n; k++)
			names[all++] = runs[i].values[k].name;
	qsort(names, all, sizeof(*names), by_text);
	for (size_t i = 0; i < all; i++)
		if (!kept || strcmp(names[kept - 1], names[i]) != 0)
			names[kept++] = names[i];
	*names_n = kept;
	return names;
}

const char *run_row_unit(const char *name)
{
	static const struct {
		const char *end, *unit;
	} units[] = { { "_ms", "ms" },   { "_us", "us" },  { "_mib", "MiB" }, { "_kib", "KiB" },
		      { "_bytes", "B" }, { "_tps", "/s" }, { "seconds", "s" } };
	size_t n = strlen(name);

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		size_t k = strlen(units[i].end);

		if (n >= k && !strcmp(name + n - k, units[i].end))
			return units[i].unit;
	}
	return "";
}

/* ---- the database */

static int explain_failure(sqlite3 *db, int rc, const char *path, struct err *e)
{
	const char *why = db ? sqlite3_errmsg(db) : sqlite3_errstr(rc);

	if (rc == SQLITE_CORRUPT || rc == SQLITE_NOTADB || rc == SQLITE_MISMATCH)
		return err_set(
			e, ERR_BAD_DATA, rc,
			"history %s is damaged (%s): `drtest history --rebuild` creates it again "
			"from the run directories",
			path, why);
	if (rc == SQLITE_BUSY || rc == SQLITE_LOCKED)
		return err_set(e, ERR_TIMEOUT, rc, "history %s is locked by another process", path);
	return err_set(e, ERR_IO, rc, "history %s: %s", path, why);
}

static int step_all(sqlite3 *db, sqlite3_stmt *st, const char *path, struct err *e)
{
	int rc = sqlite3_step(st);

	sqlite3_reset(st);
	return rc == SQLITE_DONE || rc == SQLITE_ROW ? 0 : explain_failure(db, rc, path, e);
}

static sqlite3 *open_db(const char *path, bool writing, struct err *e)
{
	sqlite3 *db = NULL;
	/* the mode: runs are their owner's */
	int fd = writing ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
	int rc = sqlite3_open_v2(
		path, &db,
		writing ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY, NULL);
	sqlite3_stmt *st = NULL;
	int version = -1;

	if (fd >= 0)
		close(fd);
	if (rc == SQLITE_OK) {
		sqlite3_busy_timeout(db, BUSY_MS);
		rc = sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &st, NULL);
		if (rc == SQLITE_OK && (rc = sqlite3_step(st)) == SQLITE_ROW)
			version = sqlite3_column_int(st, 0);
		sqlite3_finalize(st);
		rc = version >= 0 ? SQLITE_OK : rc;
	}
	if (rc == SQLITE_OK && version > SCHEMA) {
		err_set(e, ERR_BAD_DATA, 0,
			"history %s has schema %d, but this drtest supports "
			"%d",
			path, version, SCHEMA);
	} else {
		/* a full disk, or a kill, before its first run was in it: it has none */
		if (rc == SQLITE_OK && !writing && !version) {
			sqlite3_close(db);
			rc = sqlite3_open_v2(":memory:", &db,
					     SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);
		}
		if (rc == SQLITE_OK && !version)
			rc = sqlite3_exec(db, tables, NULL, NULL, NULL);
		if (rc == SQLITE_OK)
			return db;
		explain_failure(db, rc, path, e);
	}
	sqlite3_close(db);
	return NULL;
}

static int insert(sqlite3 *db, const struct run_row *r, const char *path, struct err *e)
{
	const char *const texts[] = { r->name,    r->scenario, r->ground, r->seed,
				      r->options, r->drtest,   r->verdict };
	sqlite3_stmt *run = NULL, *gone = NULL, *figure = NULL;
	int rc = -1, sq;

	sq = sqlite3_prepare_v2(db, "INSERT OR REPLACE INTO runs VALUES(?,?,?,?,?,?,?,?,?,?,?,?)",
				-1, &run, NULL);
	if (sq == SQLITE_OK)
		sq = sqlite3_prepare_v2(db, "DELETE FROM figures WHERE run = ?", -1, &gone, NULL);
	if (sq == SQLITE_OK)
		sq = sqlite3_prepare_v2(db, "INSERT INTO figures VALUES(?,?,?)", -1, &figure, NULL);
	if (sq != SQLITE_OK) {
		explain_failure(db, sq, path, e);
		goto out;
	}
	for (int i = 0; i < 7; i++)
		sqlite3_bind_text(run, i + 1, texts[i], -1, SQLITE_STATIC);
	sqlite3_bind_int64(run, 8, r->started_ms);
	sqlite3_bind_double(run, 9, r->seconds);
	sqlite3_bind_int64(run, 10, r->checks);
	sqlite3_bind_int64(run, 11, r->failed);
	sqlite3_bind_int64(run, 12, r->unknown);
	sqlite3_bind_text(gone, 1, r->name, -1, SQLITE_STATIC);
	if (step_all(db, run, path, e) < 0 || step_all(db, gone, path, e) < 0)
		goto out;
	sqlite3_bind_text(figure, 1, r->name, -1, SQLITE_STATIC);
	for (size_t i = 0; i < r->values_n; i++) {
		sqlite3_bind_text(figure, 2, r->values[i].name, -1, SQLITE_STATIC);
		sqlite3_bind_double(figure, 3, r->values[i].value);
		if (step_all(db, figure, path, e) < 0)
			goto out;
	}
	rc = 0;
out:
	sqlite3_finalize(run);
	sqlite3_finalize(gone);
	sqlite3_finalize(figure);
	return rc;
}

static int add_all(const char *path, const struct run_row *runs, size_t n, struct err *e)
{
	sqlite3 *db = open_db(path, true, e);
	int rc = -1, sq;

	if (!db)
		return -1;
	sq = sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
	if (sq != SQLITE_OK) {
		explain_failure(db, sq, path, e);
		goto out;
	}
	for (size_t i = 0; i < n; i++)
		if (insert(db, &runs[i], path, e) < 0)
			goto out; /* closing rolls back */
	sq = sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
	rc = sq == SQLITE_OK ? 0 : explain_failure(db, sq, path, e);
out:
	sqlite3_close(db);
	return rc;
}

int run_history_add(const char *runs_dir, const char *run_dir, struct err *e)
{
	char *path = xstrfmt("%s/" RUN_HISTORY_FILE, runs_dir);
	struct run_row r;
	int rc = -1;

	if (run_row_of_folder(run_dir, &r, e) == 0) {
		rc = add_all(path, &r, 1, e);
		run_row_release(&r);
	}
	free(path);
	return rc;
}

struct folders {
	const char *dir;
	struct run_row *runs;
	size_t n;
};

static int add_folder(void *arg, const char *name, struct err *e)
{
	struct folders *f = arg;
	char *dir = xstrfmt("%s/%s", f->dir, name), *journal = xstrfmt("%s/journal.jsonl.zst", dir);
	struct run_row r;
	struct err why = ERR_INIT;

	(void)e;
	/* a folder whose journal can't be read has nothing to tell */
	if (f->n < RUNS_MAX && fs_exists(journal) && run_row_of_folder(dir, &r, &why) == 0) {
		XGROW_POW2(f->runs, f->n);
		f->runs[f->n++] = r;
	}
	free(journal);
	free(dir);
	return 0;
}

int run_history_rebuild(const char *runs_dir, size_t *n, struct err *e)
{
	char *path = xstrfmt("%s/" RUN_HISTORY_FILE, runs_dir), *next = xstrfmt("%s.new", path),
	     *aside = xstrfmt("%s.damaged", path);
	struct folders f = { .dir = runs_dir };
	sqlite3 *old;
	int rc = -1;

	remove(next);
	if (fs_list(runs_dir, add_folder, &f, e) < 0 || add_all(next, f.runs, f.n, e) < 0)
		goto out;
	old = fs_exists(path) ? open_db(path, false, NULL) : NULL;
	if (fs_exists(path) && !old && rename(path, aside) < 0) {
		err_sys(e, "set %s aside", path);
		goto out;
	}
	sqlite3_close(old);
	rc = rename(next, path) < 0 ? err_sys(e, "rename %s", next) : 0;
	*n = f.n;
out:
	if (rc < 0)
		remove(next);
	run_history_free(f.runs, f.n);
	free(path);
	free(next);
	free(aside);
	return rc;
}

static char *column_text(sqlite3_stmt *st, int i)
{
	const unsigned char *text = sqlite3_column_text(st, i);

	return xstrdup(text ? (const char *)text : "");
}

static int read_values(sqlite3 *db, struct run_row *r, const char *path, struct err *e)
{
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(
		db, "SELECT name, value FROM figures WHERE run = ? ORDER BY name LIMIT 1000", -1,
		&st, NULL);

	if (rc == SQLITE_OK) {
		sqlite3_bind_text(st, 1, r->name, -1, SQLITE_STATIC);
		while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
			r->values = xreallocarray(r->values, r->values_n + 1, sizeof(*r->values));
			r->values[r->values_n++] =
				(struct run_row_value){ column_text(st, 0),
							sqlite3_column_double(st, 1) };
		}
	}
	sqlite3_finalize(st);
	return rc == SQLITE_DONE ? 0 : explain_failure(db, rc, path, e);
}

int run_history_list(const char *runs_dir, const struct run_filter *f, struct run_row **runs,
		     size_t *n, struct err *e)
{
	static const char query[] =
		"SELECT name, scenario, ground, seed, options, drtest, verdict, started_ms, seconds, checks, failed, unknown FROM runs "
		"WHERE (?1 IS NULL OR scenario = ?1) AND (?2 IS NULL OR ground = ?2) AND (?3 IS NULL OR seed = ?3) AND (?4 IS NULL OR options = ?4) "
		"AND (?5 IS NULL OR verdict = ?5) AND (?6 IS NULL OR substr(drtest, 1, length(?6)) = ?6) "
		"ORDER BY started_ms DESC, name DESC LIMIT ?7 OFFSET ?8";
	const char *const texts[] = { f->scenario, f->ground,  f->seed,
				      f->options,  f->verdict, f->drtest };
	char *path = xstrfmt("%s/" RUN_HISTORY_FILE, runs_dir);
	sqlite3_stmt *st = NULL;
	sqlite3 *db = NULL;
	int rc = -1, sq;

	*runs = NULL;
	*n = 0;
	if (!fs_exists(path)) {
		rc = 0;
		goto out;
	}
	db = open_db(path, false, e);
	if (!db)
		goto out;
	sq = sqlite3_prepare_v2(db, query, -1, &st, NULL);
	for (int i = 0; sq == SQLITE_OK && i < 6; i++)
		if (texts[i])
			sqlite3_bind_text(st, i + 1, texts[i], -1, SQLITE_STATIC);
	if (sq == SQLITE_OK) {
		sqlite3_bind_int64(
			st, 7, f->last && f->last < RUNS_MAX ? (sqlite3_int64)f->last : RUNS_MAX);
		sqlite3_bind_int64(st, 8, (sqlite3_int64)f->skip);
		while ((sq = sqlite3_step(st)) == SQLITE_ROW) {
			struct run_row *r;

			XGROW_POW2(*runs, *n);
			r = &(*runs)[(*n)++];
			*r = (struct run_row){ .name = column_text(st, 0),
					       .scenario = column_text(st, 1),
					       .ground = column_text(st, 2),
					       .seed = column_text(st, 3),
					       .options = column_text(st, 4),
					       .drtest = column_text(st, 5),
					       .verdict = column_text(st, 6),
					       .started_ms = sqlite3_column_int64(st, 7),
					       .seconds = sqlite3_column_double(st, 8),
					       .checks = sqlite3_column_int64(st, 9),
					       .failed = sqlite3_column_int64(st, 10),
					       .unknown = sqlite3_column_int64(st, 11) };
		}
	}
	rc = sq == SQLITE_DONE ? 0 : explain_failure(db, sq, path, e);
	for (size_t i = 0; rc == 0 && i < *n; i++)
		rc = read_values(db, &(*runs)[i], path, e);
	for (size_t i = 0; i < *n / 2; i++) { /* oldest first */
		struct run_row r = (*runs)[i];

		(*runs)[i] = (*runs)[*n - 1 - i];
		(*runs)[*n - 1 - i] = r;
	}
	if (rc < 0) {
		run_history_free(*runs, *n);
		*runs = NULL;
		*n = 0;
	}
out:
	sqlite3_finalize(st);
	sqlite3_close(db);
	free(path);
	return rc;
}

bool run_history_is_verdict(const char *word)
{
	static const char *const words[] = { "pass", "fail", "unknown", "error", "interrupted" };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(word, words[i]) == 0)
			return true;
	return false;
}

bool run_row_before(const char *run_dir, const struct run_model *m, struct run_row *before)
{
	char *name = base_name(run_dir),
	     *options = json_dumps(m->options, JSON_COMPACT | JSON_SORT_KEYS),
	     *runs_dir = xstrfmt("%s/..", run_dir);
	struct run_filter like = { .scenario = m->scenario,
				   .ground = m->ground,
				   .options = options ? options : "{}" };
	struct run_row *runs = NULL;
	size_t n = 0, i;
	bool found = false;

	if (m->wall_ms && run_history_list(runs_dir, &like, &runs, &n, NULL) == 0)
		for (i = n; i-- > 0 && !found;)
			if (runs[i].started_ms < m->wall_ms && strcmp(runs[i].name, name) != 0) {
				*before = runs[i];
				runs[i] = (struct run_row){ 0 };
				found = true;
			}
	run_history_free(runs, n);
	free(name);
	free(options);
	free(runs_dir);
	return found;
}

int run_history_folder(const char *runs_dir, struct err *e)
{
	struct stat st;
	int why = stat(runs_dir, &st) < 0 ? errno : S_ISDIR(st.st_mode) ? 0 : ENOTDIR;

	if (!why && access(runs_dir, R_OK | X_OK) < 0) /* somebody else's */
		why = errno;
	return why ? err_set(e, ERR_USAGE, why,
			     "the directory for runs: %s: %s (run something first, or name "
			     "another directory)",
			     runs_dir, strerror(why))
		   : 0;
}

int run_history_check_scenario(const char *runs_dir, const char *scenario, struct err *e)
{
	struct run_filter all = { 0 };
	struct strbuf has = STRBUF_INIT;
	struct run_row *runs;
	size_t n, matching = 0;

	if (run_history_list(runs_dir, &all, &runs, &n, e) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		bool told = false;

		matching += !strcmp(runs[i].scenario, scenario);
		for (size_t k = 0; k < i && !told; k++)
			told = !strcmp(runs[k].scenario, runs[i].scenario);
		if (!told)
			strbuf_addf(&has, "%s%s", has.len ? ", " : "", runs[i].scenario);
	}
	if (n && !matching)
		err_set(e, ERR_USAGE, 0,
			"no run of scenario '%.80s' is in %s/" RUN_HISTORY_FILE
			" (it has runs of %s)",
			scenario, runs_dir, has.buf);
	strbuf_release(&has);
	run_history_free(runs, n);
	return n && !matching ? -1 : 0;
}

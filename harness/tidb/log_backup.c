#include "harness/tidb/log_backup.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/foreign_json.h"
#include "harness/base/secret.h"
#include "harness/base/xalloc.h"
#include "harness/tidb/pd.h"

#define LOG_MS 120000
#define RESTORE_MS 3600000
#define SQL_MS 30000
#define PD_MS 5000

static const char *way_out(const char *m)
{
	static const struct {
		const char *says, *way_out;
	} known[] = {
		{ "it has gap between full backup",
		  "the full backup is older than the log backup: use one that was made after `br "
		  "log start`" },
		{ "but the current existed log",
		  "the log backup's checkpoint has not reached the full backup, or that point "
		  "(see br log status): wait, or choose another point" },
		{ "ErrStreamLogTaskExist",
		  "a cluster can have one task: stop the other with `br log stop`; `br log "
		  "status` shows its name" },
		{ "ErrTaskNotFound", "no log backup is running: run `br log start` beforehand" },
		{ "backupmeta", "this prefix has no full backup or no log backup" },
		{ "ErrRestoreNotFreshCluster", "the target has data: use a new cluster" },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strstr(m, known[i].says))
			return known[i].way_out;
	return tidb_brie_way_out(m);
}

/* br's own words, one line, without the keys of a store that it quotes. */
static int say_refused(const char *what, const struct err *why, struct err *e)
{
	struct strbuf clean = STRBUF_INIT;
	const char *p = strstr(why->text, "Error: "), *help = way_out(why->text);

	secret_redact(&clean, p ? p + 7 : why->text);
	for (char *c = clean.buf; *c; c++)
		if (*c == '\n' || *c == '\r' || *c == '\t')
			*c = ' ';
	while (clean.len && clean.buf[clean.len - 1] == ' ')
		clean.buf[--clean.len] = '\0';
	err_set(e,
		strstr(why->text, "ErrTaskNotFound") ? ERR_NOT_FOUND
		: why->kind == ERR_IO                ? ERR_ENV
						     : why->kind,
		why->code, "%s: %.600s%s%s%s", what, clean.buf, help ? " (fix: " : "",
		help ? help : "", help ? ")" : "");
	strbuf_release(&clean);
	return -1;
}

/* br tries a PD that does not answer for minutes, and says nothing meanwhile */
static int pd_answers(const char *pd, const char *what, struct err *e)
{
	if (strncmp(pd, "http://", 7) != 0 ||
	    pd_members(pd, &(struct http_tls){ 0 }, deadline_in_ms(PD_MS),
		       &(struct pd_members){ 0 }, e) == 0)
		return 0;
	return err_wrap(e, "%s", what);
}

static const char *skip_scheme(const char *pd)
{
	return strstr(pd, "://") ? strstr(pd, "://") + 3 : pd;
}

int log_backup_start(const struct log_backup *l, struct err *e)
{
	char *task = xstrfmt("--task-name=%s", l->task), *log = xstrfmt("--log-file=%s", l->log);
	struct strbuf out = STRBUF_INIT;
	struct err why = ERR_INIT;
	int rc = pd_answers(l->pd, "br log start", e);

	if (rc == 0 &&
	    stock_run(l->br,
		      (const char *const[]){ "log", "start", task, "--pd", skip_scheme(l->pd),
					     "--storage", l->uri, log, NULL },
		      LOG_MS, &out, &why) < 0)
		rc = say_refused("br log start", &why, e);
	strbuf_release(&out);
	free(task);
	free(log);
	return rc;
}

int log_backup_status_parse(struct log_backup_status *st, const char *text, const char *task,
			    struct err *e)
{
	const char *from = strchr(text, '[');
	json_t *all = NULL, *one = NULL, *v;
	size_t i;

	memset(st, 0, sizeof(*st));
	for (; from && !json_is_array(all); from = strchr(from + 1, '[')) {
		json_decref(all);
		all = foreign_json(from, strlen(from), NULL);
	}
	if (!json_is_array(all)) {
		json_decref(all);
		return err_set(e, ERR_BAD_DATA, 0, "br log status did not print a list of tasks");
	}
	json_array_foreach(all, i, v)
	{
		const char *name = json_string_value(json_object_get(v, "name"));

		if (name && !strcmp(name, task))
			one = v;
	}
	if (!one) {
		json_decref(all);
		return err_set(
			e, ERR_NOT_FOUND, 0,
			"no log backup with the name %s is running: run `br log start` beforehand",
			task);
	}
	if (!foreign_json_u64(json_object_get(one, "start_ts"), &st->start_ts) ||
	    !foreign_json_u64(json_object_get(one, "checkpoint"), &st->checkpoint_ts)) {
		json_decref(all);
		return err_set(e, ERR_BAD_DATA, 0,
			       "br log status does not print start_ts or "
			       "checkpoint");
	}
	v = json_object_get(one, "status");
	snprintf(st->state, sizeof(st->state), "%.23s",
		 json_is_string(v) ? json_string_value(v) : "");
	v = json_array_get(json_object_get(one, "last_errors"), 0);
	if (v) {
		char *said = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);

		snprintf(st->error, sizeof(st->error), "%.199s", said ? said : "");
		free(said);
	}
	json_decref(all);
	return 0;
}

int log_backup_status(const struct log_backup *l, struct log_backup_status *st, struct err *e)
{
	char *log = xstrfmt("--log-file=%s", l->log);
	struct strbuf out = STRBUF_INIT;
	struct err why = ERR_INIT;
	int rc = pd_answers(l->pd, "br log status", e);

	if (rc == 0 && stock_run(l->br,
				 (const char *const[]){ "log", "status", "--json", "--pd",
							skip_scheme(l->pd), log, NULL },
				 LOG_MS, &out, &why) < 0)
		rc = say_refused("br log status", &why, e);
	if (rc == 0)
		rc = log_backup_status_parse(st, out.buf, l->task, e);
	strbuf_release(&out);
	free(log);
	return rc;
}

int log_backup_restore(const struct log_backup *l, const char *full_uri, tso_t until, tso_t *point,
		       struct err *e)
{
	char *log = xstrfmt("--log-file=%s", l->log), ts[48];
	struct strbuf out = STRBUF_INIT;
	struct err why = ERR_INIT;
	int rc = pd_answers(l->pd, "br restore point", e);

	snprintf(ts, sizeof(ts), "--restored-ts=%" PRIu64, until);
	if (rc == 0 &&
	    stock_run(l->br,
		      (const char *const[]){ "restore", "point", "--pd", skip_scheme(l->pd),
					     "--full-backup-storage", full_uri, "--storage", l->uri,
					     log, until ? ts : NULL, NULL },
		      RESTORE_MS, &out, &why) < 0)
		rc = say_refused("br restore point", &why, e);
	if (rc == 0 &&
	    stock_number_after(out.buf,
			       until ? "[target-end-point=" : "[source-end-point=", point) < 0)
		rc = err_set(e, ERR_BAD_DATA, 0, "br restore point does not print where it ended");
	if (rc == 0 && until)
		*point = until;
	strbuf_release(&out);
	free(log);
	return rc;
}

int log_backup_flush(const struct sql_endpoint *ep, unsigned ms, struct err *e)
{
	struct sql *s = sql_open(ep, deadline_in_ms(SQL_MS), e);
	struct sql_rows r = { 0 };
	int rc = -1;

	/* a refusal is a warning */
	if (s &&
	    sql_exec(s, e, "SET CONFIG tikv `log-backup.max-flush-interval` = '%us'", ms / 1000) >=
		    0 &&
	    sql_query(s, &r, e, "SHOW WARNINGS") == 0) {
		rc = sql_rows_next(&r, e);
		if (rc == 1)
			rc = err_set(e, ERR_ENV, 0,
				     "TiKV refuses log-backup.max-flush-interval: %.300s",
				     r.n_columns > 2 && r.cell[2] ? r.cell[2] : "no reason given");
	}
	sql_rows_release(&r);
	sql_close(s);
	return rc < 0 ? err_wrap(e, "log backup") : 0;
}

#include "cli/commands.h"

#include <jansson.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/options.h"
#include "harness/base/strbuf.h"
#include "harness/os/fs.h"
#include "reports/run_history.h"
#include "reports/text.h"

#define LAST 20
#define COMPARED_MAX 200 /* runs whose options are held against each other */

/* "ms=200 rate=50": the options in which the runs listed of one scenario differ. */
static void add_differing(const struct run_row *runs, size_t n, const struct run_row *r,
			  struct strbuf *out)
{
	json_t *mine = json_loads(r->options, 0, NULL), *v;
	const char *key;

	json_object_foreach(mine, key, v)
	{
		bool differs = false;

		for (size_t i = 0; i < n && i < COMPARED_MAX && !differs; i++) {
			bool beside = !strcmp(runs[i].scenario, r->scenario) &&
				      strcmp(runs[i].options, r->options) != 0;
			json_t *other = beside ? json_loads(runs[i].options, 0, NULL) : NULL;

			differs = other && !json_equal(json_object_get(other, key), v);
			json_decref(other);
		}
		if (differs && json_is_string(v))
			strbuf_addf(out, "  %s=%s", key, json_string_value(v));
	}
	json_decref(mine);
}

static void print_line(const struct run_row *runs, size_t n_runs, const struct run_row *r)
{
	double lost = run_row_value(r, "rpo_lost"), window = run_row_value(r, "rpo_ms"),
	       rto = run_row_value(r, "rto_ms");
	struct strbuf out = STRBUF_INIT, set = STRBUF_INIT;
	char when[32] = "", n[TEXT_NUMBER];
	time_t t = (time_t)(r->started_ms / 1000);
	struct tm tm;

	if (gmtime_r(&t, &tm))
		strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &tm);
	strbuf_addf(&out, "%s  ", when);
	for (size_t used = text_line(&out, r->verdict, 11); used < 12; used++)
		strbuf_addch(&out, ' ');
	for (size_t used = text_line(&out, r->scenario, 20); used < 21; used++)
		strbuf_addch(&out, ' ');
	for (size_t used = text_line(&out, r->seed, 10); used < 11; used++)
		strbuf_addch(&out, ' ');
	strbuf_addf(&out, "%8s  ", isnan(lost) ? "-" : text_count(n, (int64_t)lost));
	strbuf_addf(&out, "%9s  ", isnan(window) ? "-" : text_seconds(n, window / 1e3));
	strbuf_addf(&out, "%9s  ", isnan(rto) ? "-" : text_seconds(n, rto / 1e3));
	text_line(&out, r->name, 80);
	add_differing(runs, n_runs, r, &set);
	text_line(&out, set.buf, 120);
	strbuf_release(&set);
	puts(out.buf);
	strbuf_release(&out);
}

static void json_line(const struct run_row *r)
{
	json_t *o = json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:I,s:f,s:I,s:I,s:I}", "run", r->name,
			      "scenario", r->scenario, "ground", r->ground, "seed", r->seed,
			      "drtest", r->drtest, "verdict", r->verdict, "started_ms",
			      (json_int_t)r->started_ms, "seconds", r->seconds, "checks",
			      (json_int_t)r->checks, "failed", (json_int_t)r->failed, "unknown",
			      (json_int_t)r->unknown),
	       *figures = json_object();
	char *text;

	for (size_t i = 0; i < r->values_n; i++)
		json_object_set_new(figures, r->values[i].name, json_real(r->values[i].value));
	json_object_set_new(o, "options", json_loads(r->options, 0, NULL));
	json_object_set_new(o, "figures", figures);
	text = json_dumps(o, JSON_COMPACT | JSON_REAL_PRECISION(12));
	puts(text ? text : "{}");
	free(text);
	json_decref(o);
}

static int rebuild(const char *dir)
{
	struct err e = ERR_INIT;
	size_t n;

	if (run_history_rebuild(dir, &n, &e) < 0) {
		fprintf(stderr, "drtest history: %s\n", e.text);
		return 3;
	}
	printf("%s/" RUN_HISTORY_FILE ": %zu run%s\n", dir, n, n == 1 ? "" : "s");
	return 0;
}

struct request {
	struct run_filter f;
	const char *dir;
	uint64_t last;
	bool json, again;
};
#define AT(member) .at = offsetof(struct request, member)
static const struct option_def options[] = {
	{ "scenario", OPTION_TEXT, "NAME", "only runs of this scenario", AT(f.scenario) },
	{ "verdict", OPTION_TEXT, "WORD", "only with this verdict", AT(f.verdict) },
	{ "seed", OPTION_TEXT, "N", "only with this seed", AT(f.seed) },
	{ "version", OPTION_TEXT, "PREFIX", "only of these versions of drtest", AT(f.drtest) },
	{ "last", OPTION_WHOLE, "N", "the newest N (20; 0: all)", AT(last) },
	{ "json", OPTION_FLAG, NULL, "print every figure of each run, one JSON object per line",
	  AT(json) },
	{ "rebuild", OPTION_FLAG, NULL,
	  "create the history again from the run directories; a damaged one is kept as "
	  "history.db.damaged",
	  AT(again) },
	{ "out", OPTION_TEXT, "DIR", "the directory for runs (runs)", AT(dir) },
	{ 0 },
};
static const struct command_def command = {
	.name = "history",
	.usage =
		"drtest history [--out DIR] [--scenario NAME] [--verdict WORD] [--seed N] [--version "
		"PREFIX] [--last N] [--json]\n"
		"drtest history --rebuild [--out DIR]",
	.about = "Lists the runs in DIR/history.db, newest last: time, verdict, RPO, RTO, "
		 "and the options in which they differ.",
	.options = options,
	.more = "Exit code: 0, 2 wrong usage, 3 the history can't be read.",
};

int cmd_history(int argc, char **argv)
{
	struct request q = { .dir = "runs", .last = LAST };
	struct run_row *runs;
	struct run_filter f;
	struct err e = ERR_INIT;
	size_t n;
	int rc = options_parse(&command, argc, argv, &q);

	if (rc)
		return rc == 1 ? 0 : 2;
	f = q.f;
	f.last = q.last;
	if (q.again && (f.scenario || f.verdict || f.seed || f.drtest || f.last != LAST || q.json))
		return options_wrong(&command, "--rebuild can only be combined with --out");
	if (q.again)
		return rebuild(q.dir);
	if (f.verdict && !run_history_is_verdict(f.verdict)) {
		fprintf(stderr,
			"drtest history: --verdict: '%.80s' is not one of " RUN_HISTORY_VERDICTS
			"\n",
			f.verdict);
		return 2;
	}
	if (f.seed && (!*f.seed || f.seed[strspn(f.seed, "0123456789")])) {
		fprintf(stderr, "drtest history: --seed: '%.40s' is not a number\n", f.seed);
		return 2;
	}
	if (run_history_folder(q.dir, &e) < 0 ||
	    (f.scenario && run_history_check_scenario(q.dir, f.scenario, &e) < 0)) {
		fprintf(stderr, "drtest history: %s\n", e.text);
		return err_exit_code(&e);
	}
	if (run_history_list(q.dir, &f, &runs, &n, &e) < 0) {
		fprintf(stderr, "drtest history: %s\n", e.text);
		return 3;
	}
	if (!n && !q.json)
		printf("no %srun in %s/" RUN_HISTORY_FILE "\n",
		       f.scenario || f.verdict || f.seed || f.drtest ? "such " : "", q.dir);
	else if (!q.json)
		printf("%-19s  %-11s %-20s %-10s %8s  %9s  %9s  %s\n", "began (UTC)", "verdict",
		       "scenario", "seed", "lost", "RPO", "RTO", "folder");
	for (size_t i = 0; i < n; i++)
		if (q.json)
			json_line(&runs[i]);
		else
			print_line(runs, n, &runs[i]);
	run_history_free(runs, n);
	return 0;
}

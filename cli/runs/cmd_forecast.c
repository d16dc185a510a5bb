#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/commands.h"
#include "cli/options.h"
#include "harness/base/xalloc.h"
#include "reports/forecast/forecast.h"

struct request {
	const char *dir, *scenario;
	uint64_t last;
	int64_t flush_ms, store_latency_ms;
	double rows_per_s, row_bytes, store_mb_per_s, target_rows_per_s;
	bool json;
};
#define AT(member) .at = offsetof(struct request, member)
static const struct option_def options[] = {
	{ "scenario", OPTION_TEXT, "NAME", "the scenario (that of the newest run)", AT(scenario) },
	{ "last", OPTION_WHOLE, "N", "use the newest N runs that passed (20)", AT(last),
	  .min = FORECAST_RUNS_MIN },
	{ "out", OPTION_TEXT, "DIR", "the directory for runs (runs)", AT(dir) },
	{ "rows-per-s", OPTION_REAL, "N",
	  "rows per second that your load writes (default: as in "
	  "the runs)",
	  AT(rows_per_s), .min = 1 },
	{ "row-bytes", OPTION_REAL, "N", "bytes per row in the redo log", AT(row_bytes), .min = 1 },
	{ "flush-interval", OPTION_TIME_MS, "TIME", "the redo log's flush interval (2s)",
	  AT(flush_ms) },
	{ "store-mb-per-s", OPTION_REAL, "N", "bandwidth to the store, in MB per second",
	  AT(store_mb_per_s), .min = 1 },
	{ "store-latency", OPTION_TIME_MS, "TIME",
	  "additional latency of an upload, compared "
	  "with the runs' store",
	  AT(store_latency_ms) },
	{ "target-rows-per-s", OPTION_REAL, "N",
	  "rows per second that your secondary accepts in a replay (default: as in the runs)",
	  AT(target_rows_per_s), .min = 1 },
	{ "json", OPTION_FLAG, NULL, "as JSON", AT(json) },
	{ "flush", OPTION_RENAMED, .at = 0, .now = "flush-interval" },
	{ 0 },
};
static const struct command_def command = {
	.name = "forecast",
	.usage =
		"drtest forecast [--scenario NAME] [--last N] [--out DIR] [--rows-per-s N] [--row-bytes N] [--flush-interval TIME]\n"
		"                [--store-mb-per-s N] [--store-latency TIME] [--target-rows-per-s N] [--json]",
	.about = "Predicts RPO and RTO, with a range (5 % to 95 %) and the dominant term, from "
		 "the runs in DIR/history.db and from your own figures. Also shows how accurate "
		 "the forecast is for those runs.",
	.options = options,
	.more = "Exit code: 0, 2 wrong usage or too few runs, 3 the history can't be read.",
};

/* Of the scenario and ground of the newest run that fits. */
static int make(const struct request *q, struct forecast *out, char **of, struct err *e)
{
	struct run_filter f = { .scenario = q->scenario, .verdict = "pass", .last = 1 };
	const struct forecast_own own = { .rows_per_s = q->rows_per_s,
					  .row_bytes = q->row_bytes,
					  .flush_ms = (double)q->flush_ms,
					  .store_bytes_per_s = q->store_mb_per_s * 1e6,
					  .store_latency_ms = (double)q->store_latency_ms,
					  .target_rows_per_s = q->target_rows_per_s };
	struct run_row *newest = NULL, *runs = NULL;
	size_t n = 0, n_newest = 0;
	int rc;

	if (run_history_list(q->dir, &f, &newest, &n_newest, e) < 0)
		return -1;
	if (!n_newest)
		return err_set(e, ERR_USAGE, 0, "no run that passed in %s/" RUN_HISTORY_FILE,
			       q->dir);
	f.scenario = newest[0].scenario;
	f.ground = newest[0].ground;
	f.last = q->last;
	rc = run_history_list(q->dir, &f, &runs, &n, e);
	if (rc == 0)
		rc = forecast_make(runs, n, &own, out, e);
	*of = xstrfmt("%s on %s", f.scenario, f.ground);
	run_history_free(runs, n);
	run_history_free(newest, n_newest);
	return rc;
}

int cmd_forecast(int argc, char **argv)
{
	struct request q = { .dir = "runs", .last = 20 };
	struct strbuf text = STRBUF_INIT;
	struct err e = ERR_INIT;
	struct forecast f;
	char *of = NULL;
	int rc = options_parse(&command, argc, argv, &q);

	if (rc)
		return rc == 1 ? 0 : 2;
	if (run_history_folder(q.dir, &e) < 0 ||
	    (q.scenario && run_history_check_scenario(q.dir, q.scenario, &e) < 0) ||
	    make(&q, &f, &of, &e) < 0) {
		fprintf(stderr, "drtest forecast: %s\n", e.text);
		free(of);
		return err_exit_code(&e);
	}
	if (q.json) {
		json_t *j = forecast_json(&f);
		char *s = json_dumps(j, JSON_INDENT(2) | JSON_SORT_KEYS);

		printf("%s\n", s);
		free(s);
		json_decref(j);
	} else {
		forecast_text(&f, &text);
		printf("%s, from %zu runs\n%s", of, f.runs, text.buf);
	}
	strbuf_release(&text);
	free(of);
	return 0;
}

/* Predicts RPO and RTO from past runs and given figures. The runs give the terms
 * that no arithmetic has (detection, promotion, how far the secondary is behind its log, what a row
 * costs); a figure that is given takes the place of theirs. Terms are drawn from the runs again and
 * again, so the answer has a spread: 5 % to 95 %. Same runs and figures, same answer. */
#ifndef REPORTS_FORECAST_FORECAST_H
#define REPORTS_FORECAST_FORECAST_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "harness/base/err.h"
#include "harness/base/strbuf.h"
#include "reports/run_history.h"

#define FORECAST_RUNS_MIN 5
#define FORECAST_RUNS_MAX 1000 /* the first so many are looked at */
#define FORECAST_WITHIN 0.2
#define FORECAST_FLUSH_MS 2000 /* TiCDC's own default */

struct forecast_own {             /* 0: as in the runs */
	double rows_per_s;        /* that are written */
	double row_bytes;         /* of the redo log */
	double flush_ms;          /* of the redo log; the runs' was FORECAST_FLUSH_MS */
	double store_bytes_per_s; /* with row_bytes: what an upload takes */
	double store_latency_ms;  /* more than the runs' store had */
	double target_rows_per_s; /* that the secondary takes in a replay */
};
struct forecast_range {
	double low, median, high;
};
struct forecast_held {
	char run[96];
	double rows_per_s; /* 0: not known */
	double rto_ms, rto_was_ms, rpo_ms, rpo_was_ms;
};
struct forecast_error {
	double median;   /* of a run, as a share */
	double mean_off; /* of the forecasts' mean from the runs' mean, as a share */
	size_t within;   /* runs that are off by FORECAST_WITHIN at most */
	size_t inside;   /* runs within their spread */
};
struct forecast {
	size_t runs;
	struct forecast_range rpo_ms, rto_ms;
	/* medians of the terms: the RTO's, the RPO's */
	double detect_ms, begin_ms, rows_ms, promote_ms, flush_ms, upload_ms;
	double rows, row_us; /* to replay; what one costs */
	/* the runs' rows are too alike to tell what one costs: then no cost is counted for it */
	bool row_unknown;
	bool store_too_slow, target_too_slow; /* what is written does not pass: the lag grows */
	/* each run left out in turn and forecast from the others, given the rows that its load
	 * wrote a second: */
	struct forecast_held held[FORECAST_RUNS_MAX]; /* `runs` of them, in the order of the runs */
	struct forecast_error rto_held, rpo_held;
	/* by how much each term is off in the mean, as a share of the mean RTO */
	double detect_off, replay_off, promote_off;
};
/* Runs without a replay or without an RTO are not looked at. ERR_USAGE: fewer than
 * FORECAST_RUNS_MIN are left, or row_bytes is needed. */
int forecast_make(const struct run_row *runs, size_t n, const struct forecast_own *own,
		  struct forecast *out, struct err *e);
void forecast_text(const struct forecast *f, struct strbuf *out);
json_t *forecast_json(const struct forecast *f);

#endif

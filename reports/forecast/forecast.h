/* What RPO and RTO to expect, from one's own runs and one's own figures. The runs give the terms
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
struct forecast {
	size_t runs;
	struct forecast_range rpo_ms, rto_ms;
	/* medians of the terms: the RTO's, the RPO's */
	double detect_ms, begin_ms, rows_ms, promote_ms, flush_ms, upload_ms;
	double rows, row_us; /* to replay; what one costs */
	/* the runs' rows are too alike to tell what one costs: then no cost is counted for it */
	bool row_unknown;
	bool store_too_slow, target_too_slow; /* what is written does not pass: the lag grows */
	/* each run left out in turn and forecast from the others: the median of the error, as a
	 * share; how many lay within their spread */
	double rto_error;
	size_t rto_inside;
};
/* Runs without a replay or without an RTO are not looked at. ERR_USAGE: fewer than
 * FORECAST_RUNS_MIN are left, or row_bytes is needed. */
int forecast_make(const struct run_row *runs, size_t n, const struct forecast_own *own,
		  struct forecast *out, struct err *e);
void forecast_text(const struct forecast *f, struct strbuf *out);
json_t *forecast_json(const struct forecast *f);

#endif

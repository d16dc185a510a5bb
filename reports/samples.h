/* What was measured while a run went on: tables of rows, each row an instant, each series a column.
 * Bounded: a table that is full halves its rows (two become one: the mean of rates, the greatest of
 * all else), so that a long run keeps its peaks. */
#ifndef REPORTS_SAMPLES_H
#define REPORTS_SAMPLES_H

#include <stdbool.h>
#include <stddef.h>

#define SAMPLES_ROWS_MAX 4096 /* an hour of seconds stays whole */
#define SAMPLES_SERIES_MAX 64

enum series_kind {
	SERIES_RATE,
	SERIES_LATENCY_MS,
	SERIES_LAG_S,
	SERIES_REDO_MIB,
	SERIES_PROGRESS,
	SERIES_CPU,
	SERIES_RSS_MIB,
	SERIES_KINDS
};

struct series {
	enum series_kind kind;
	char *name;
	bool dashed;                /* may lie on another one */
	double v[SAMPLES_ROWS_MAX]; /* NAN: nothing at that instant */
	double pending_v;           /* of the row under way */
	unsigned pending_n;
	double last_t, last_total; /* of a total that is shown as a rate; last_t < 0: none yet */
};

/* {0} is an empty one. */
struct samples {
	double t[SAMPLES_ROWS_MAX];
	size_t n;
	unsigned stride; /* samples in one row; 0 and 1: one */
	struct series *series[SAMPLES_SERIES_MAX];
	size_t series_n, left_out; /* series beyond the bound */
	double pending_t;
	unsigned pending_n;
};

/* Begins the instant t; false when it lies before the one before: then its values are not to be
 * added. */
bool samples_begin(struct samples *s, double t);
/* A value of the instant; a negative or huge one is none. */
void samples_add(struct samples *s, enum series_kind kind, const char *name, double v);
/* A total becomes a rate, times `scale`; a total that falls (its process began anew) is a new
 * beginning. */
void samples_total(struct samples *s, enum series_kind kind, const char *name, double t,
		   double total, double scale);
void samples_end(struct samples *s); /* the row under way becomes one */
void samples_release(struct samples *s);

#endif

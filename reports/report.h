/* The reports of a run for people and machines, made only from its journal, at any time.
 * A journal that was cut off, is damaged or of a newer schema gives a report as far as it goes; the
 * report says what is missing. */
#ifndef REPORTS_REPORT_H
#define REPORTS_REPORT_H

#include <stdbool.h>
#include <stdio.h>

#include "harness/base/err.h"

/* Reads RUN/journal.jsonl.zst; writes RUN/result.json, RUN/report.html and RUN/junit.xml, each in
 * one piece. No folder or no journal in it is ERR_USAGE. */
int report_make(const char *run_dir, struct err *e);

/* Prints what result.json has, and writes nothing: the folder may be somebody else's. */
int report_json(const char *run_dir, FILE *out, struct err *e);

/* Writes the run's final figures to `path` in Prometheus' text format, in one piece, as its
 * textfile collector wants it. */
int report_prometheus(const char *run_dir, const char *path, struct err *e);

/* The JSON Schema of result.json. */
const char *report_schema(void);

/* Whether a terminal that wants colors is there: NO_COLOR (set and not empty) and TERM=dumb say no.
 */
bool report_colors(FILE *out);

/* Prints a run's summary from its journal: at most 24 lines for a run of six steps, each cut to the
 * terminal's width, or to 160 columns where `out` is none. Control characters from the journal are
 * shown, never sent. */
int report_summary(const char *run_dir, FILE *out, bool color, struct err *e);

/* The end of the summary alone, RPO, RTO and verdict, where the steps have been printed as they
 * happened. */
int report_verdict(const char *run_dir, FILE *out, bool color, struct err *e);

#endif

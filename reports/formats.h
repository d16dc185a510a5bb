/* One function per format, which turns the model of a run into text. None can fail; all text from
 * the journal is escaped. */
#ifndef REPORTS_FORMATS_H
#define REPORTS_FORMATS_H

#include <stdbool.h>

#include "harness/base/strbuf.h"
#include "reports/run_model.h"

void format_result_json(const struct run_model *m, struct strbuf *out);
void format_junit(const struct run_model *m, struct strbuf *out);
/* One <testsuite> of it, under a name of the caller's: for a file over several runs. */
void format_junit_suite(const struct run_model *m, const char *name, struct strbuf *out);
void format_html(const struct run_model *m, struct strbuf *out);
void format_prometheus(const struct run_model *m, struct strbuf *out);
struct exposition;
/* The same, among others. */
void format_run_figures(const struct run_model *m, struct exposition *x);
/* format_html() of a run that goes on: the page listens for more at "events"; what comes is its new
 * inside, format_html_main(). */
void format_html_live(const struct run_model *m, struct strbuf *out);
void format_html_main(const struct run_model *m, struct strbuf *out);
void format_summary(const struct run_model *m, const char *run_dir, size_t columns, bool color,
		    struct strbuf *out);
void format_verdict(const struct run_model *m, const char *run_dir, size_t columns, bool color,
		    struct strbuf *out);

#endif

/* Prints pages with this machine's programs: PDF with Chromium. */
#ifndef CLI_RUNS_PRINT_PAGE_H
#define CLI_RUNS_PRINT_PAGE_H

#include "harness/base/err.h"

/* An HTML file as a PDF on A4. ERR_ENV: no Chromium is here. */
int print_page(const char *page, const char *to, struct err *e);
/* argv with the first of the programs that is here as its [0]; `none` is the error when there is
 * none of them. */
int print_page_run(const char *const *programs, char **argv, const char *none, struct err *e);

#endif

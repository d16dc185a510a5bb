/* Could `drtest run` with these words begin? Asked by its plan, which does nothing: a misspelt
 * option is told once and at once, not by each of a hundred runs. */
#ifndef SUITES_RUN_ASK_H
#define SUITES_RUN_ASK_H

#include "harness/base/err.h"

/* words: what follows `drtest run`, NULL-terminated. ERR_USAGE: the run's own words; what else
 * would keep it from beginning, it tells itself. */
int run_ask(const char *const *words, struct err *e);

#endif

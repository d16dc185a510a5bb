/* The selftest's table: a row for each planted defect and each harmless twin, a column for each
 * check. */
#ifndef SUITES_SCORES_H
#define SUITES_SCORES_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct score {
	const char *name, *what;
	bool harmless;
	unsigned planted; /* places judged */
	unsigned caught;  /* by a check that is meant for it (harmless: false alarms) */
	/* FAIL verdicts: ledger, model, compare, forensic, the drill's verdict */
	unsigned by[5];
	unsigned judged[5];
	unsigned no_place; /* seeds that found no place */
	char missed[300];  /* the first one that was not caught, or the first false alarm */
};
enum { BY_LEDGER, BY_MODEL, BY_COMPARE, BY_FORENSIC, BY_DRILL };
struct scores {
	struct score *s;
	size_t n;
};
/* The row of that name, made if it is not there; name and what have to live as long as the table.
 * Valid until the next score_add(). */
struct score *score_add(struct scores *t, const char *name, const char *what, bool harmless);
/* A defect: each place was caught, by the forensic check too (what is in the secondary's rows, the
 * dead primary's disk must show). A harmless twin: no alarm. Either: planted at least once. */
bool score_good(const struct score *s);
void scores_print(const struct scores *t);   /* on stdout, as columns */
json_t *scores_json(const struct scores *t); /* an array of rows */

#endif

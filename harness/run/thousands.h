/* Evidence for people: counts get their separators, "2343 of 2355 rows" becomes "2,343 of 2,355
 * rows". */
#ifndef HARNESS_RUN_THOUSANDS_H
#define HARNESS_RUN_THOUSANDS_H

/* A copy in which every whole number of four to twelve digits that stands alone has separators.
 * What names something keeps its digits: a TSO (longer), parts of addresses, GTIDs and decimals
 * (not alone), an error's number in brackets of its own, and what follows id, port, seed, seq or
 * worker. */
char *thousands_text(const char *text);

#endif

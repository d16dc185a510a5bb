/* Tells a broken chain from a repeated record. Merge's sums name suspects at no cost; here, for the
 * suspects only, the log is read again, their steps are put in order, records of one change are
 * taken once (TiCDC logs changes again after a restart, an update then perhaps as a delete and an
 * insert), and each must begin where the one before it ended. Bounded: as many suspects a round as
 * fit; a caller reads the log once a round. */
#ifndef HARNESS_REPLAY_IMAGE_CHAIN_H
#define HARNESS_REPLAY_IMAGE_CHAIN_H

#include "harness/replay/merge.h"

struct chain;
/* asks m for its suspects; m must outlive it; NULL on error */
struct chain *chain_new(struct merge *m, struct err *e);
void chain_free(struct chain *c);
size_t chain_suspects(const struct chain *c);
/* true: read the log, pass each row to chain_row, then chain_judge; false: all are judged */
bool chain_round(struct chain *c);
int chain_row(struct chain *c, uint32_t epoch, const struct redo_row *r, struct err *e);
/* Calls fn for each break with one line of text. Returns the number of keys with a broken chain in
 * this round. */
size_t chain_judge(struct chain *c, void (*fn)(void *arg, const char *text), void *arg);

#endif

/* Tells a broken chain from a repeated record. Merge's sums name suspects at no cost; here, for the
 * suspects only, the log is read again, their steps are put in order, records of one change are
 * taken once (TiCDC logs changes again after a restart, an update then perhaps as a delete and an
 * insert), and each must begin where the one before it ended. Bounded: as many suspects a round as
 * fit; a caller reads the log once a round. */
#ifndef HARNESS_REPLAY_IMAGE_CHAIN_H
#define HARNESS_REPLAY_IMAGE_CHAIN_H

#include "harness/replay/merge.h"

struct image_chain;
/* asks m for its suspects; m must outlive it; NULL on error */
struct image_chain *image_chain_new(struct merge *m, struct err *e);
void image_chain_free(struct image_chain *c);
/* true: read the log, pass each row to image_chain_row, then image_chain_judge; false: all are
 * judged */
bool image_chain_round(struct image_chain *c);
int image_chain_row(struct image_chain *c, uint32_t epoch, const struct redo_row *r, struct err *e);
/* Calls fn for each break with one line of text. Returns the number of keys with a broken chain in
 * this round. A change up to `after` breaks none: it is what the next one is held against. */
size_t image_chain_judge(struct image_chain *c, tso_t after,
			 void (*fn)(void *arg, const char *text), void *arg);

#endif

/* What transactions read and wrote, as their load noted it with con:note(): one JSON line a
 * transaction, a file a worker, beside the ledger. For checks of order and isolation (append,
 * bank). docs/LOADS.md has the format:
 *
 *   DIR/worker-NNNN.history
 *   {"worker":1,"seq":5,"outcome":"acked","cluster":0,"begin_us":1200,"end_us":3400,"position":"17","ops":[["append",7,"1.5.1"],..]}
 *
 * Lines come in sequence order. A transaction that noted nothing has no line. Its last line may be
 * torn when this process was killed. */
#ifndef WORKLOADS_HISTORY_H
#define WORKLOADS_HISTORY_H

#include "harness/base/strbuf.h"
#include "harness/verify/ledger.h"

struct history;
/* appends; a torn last line is cut */
struct history *history_open(const char *dir, uint32_t worker, struct err *e);
/* errors are kept; ops: without the brackets */
void history_add(struct history *h, const struct ledger_record *r, const struct strbuf *ops);
int history_flush(struct history *h, struct err *e);
int history_close(struct history *h, struct err *e); /* NULL is fine */

#endif

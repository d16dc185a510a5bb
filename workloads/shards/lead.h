/* A load of several processes, led from here: shards that are started on this machine, or that wait
 * at the rendezvous from elsewhere (`drtest load NAME run --shard=I/N --rendezvous=… --follow`). It
 * tells them rates and marks, and adds up what they answer: histograms bucket by bucket.
 *
 * What is added up is never less than all without saying so: whoever did not answer is named. An
 * order is done when each shard that lives has answered it, so a rate is everybody's rate before
 * anything is measured, whatever the clocks say; between two marks each shard has its own seconds.
 * Use it from one thread; lead_seen() from any. */
#ifndef WORKLOADS_SHARDS_LEAD_H
#define WORKLOADS_SHARDS_LEAD_H

#include "workloads/shards/joined.h"

struct lead_opts {
	const char *rendezvous; /* NULL: in dir, and the shards are started here */
	unsigned shards;
	const struct load_opts *load; /* workers and rate: of all shards together */
	const char *dir;              /* the run's folder */
};
struct lead;
/* Looks whether the place can be written, and that nobody has met there. */
struct lead *lead_new(const struct lead_opts *o, struct err *e);
/* What a shard elsewhere is started with. */
void lead_command(const struct lead *l, struct strbuf *out);
/* Starts the shards, or waits until all have come (10 minutes); returns when all run. */
/* cluster: its number in the run, for the shards' ledgers, which count time as o->load's. */
int lead_start(struct lead *l, const struct sql_endpoint *ep, uint16_t cluster, struct err *e);
/* From now on, of all together. */
int lead_rate(struct lead *l, double rate, struct err *e);

/* What happened between two marks. */
struct lead_span {
	/* its st.backlog: at the later mark; seconds: the longest of theirs */
	struct load_total total;
	double tps; /* the sum of theirs */
	/* Who did not answer one of the two marks, or the rate before each, and why: then the total
	 * is not all. "" all did. */
	char missing[400];
	bool gone; /* one of them can't come back */
};
/* A mark; *out: since the mark before. */
int lead_mark(struct lead *l, struct lead_span *out, struct err *e);
/* All since the start, as the shards' last words tell it: at most some seconds old. */
void lead_seen(struct lead *l, struct load_total *out);
/* The end: each shard ends its transactions and leaves its results. *out (to be released): all that
 * they left, ledgers joined in ledger_dir. */
int lead_stop(struct lead *l, const char *ledger_dir, struct load_joined *out, struct err *e);
bool lead_elsewhere(const struct lead *l); /* the shards come from elsewhere */
bool lead_marked(const struct lead *l);    /* who is missing was told, mark by mark */
bool lead_running(const struct lead *l);   /* between start and stop */
/* NULL is fine; shards that were started here are killed, those elsewhere are told the end */
void lead_free(struct lead *l);

#endif

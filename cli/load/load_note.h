/* DIR/load.json beside a ledger: what the load was told that wrote it. `drtest judge` takes its
 * options from there, so that nobody has to repeat them, and none can be repeated wrongly. */
#ifndef CLI_LOAD_LOAD_NOTE_H
#define CLI_LOAD_LOAD_NOTE_H

#include "workloads/load.h"

#define LOAD_NOTE_SETS_MAX 64

struct load_note {
	char name[256], db[256], rand_type[32];
	uint64_t seed;
	unsigned tables, load_tables;
	int64_t table_size;
	const char *set[LOAD_NOTE_SETS_MAX + 1]; /* NULL-terminated; released with the note */
};

/* Makes the directory. -1, ERR_USAGE: it has the ledger of a load that was told something else. */
int load_note_write(const char *dir, const struct load_opts *o, struct err *e);
/* 0: read, and to be released; 1: there is none; -1: it can't be read. */
int load_note_read(const char *dir, struct load_note *note, struct err *e);
void load_note_release(struct load_note *note);

/* A run holds its ledger's directory while it writes there. What a run that was killed sent last is
 * in no record: its ledgers end open from then on. workers 0: only to read. -1, ERR_USAGE: a load
 * that runs holds it. */
int load_note_hold(const char *dir, unsigned workers, int *fd, struct err *e);
/* When the ledgers are closed. whole: none of their records could not be written. */
void load_note_let_go(const char *dir, int fd, bool whole);

#endif

/* /var/tmp/drtest-<run>: where servers' data lives while a run goes on. A lock in it tells a living
 * run from what one left behind. */
#ifndef HARNESS_RUN_DATA_DIR_H
#define HARNESS_RUN_DATA_DIR_H

#include <stdbool.h>

#include "harness/base/err.h"

/* Makes it (mode 0755: servers run as another user) and locks it. guarded: the guardian removes it
 * when we die, from its first instant on. Returns the lock's file descriptor, -1. *path is the
 * caller's to free. */
int data_dir_make(const char *run, bool guarded, char **path, struct err *e);
/* What a run that died left of files (its guardian died too, or the machine): removed, fn is told
 * of each. Kept runs (--keep), living ones, such as just begin, and whatever a process still works
 * in are left. Returns their number. */
int data_dir_clean_dead(void (*fn)(void *arg, const char *what), void *arg);
void data_dir_keep(const char *dir); /* marks it as kept */
/* Ends the servers and removes the data of all runs of this user that live no more, and locks of
 * ports that nobody holds. Only what bears drtest's mark is touched; what merely has such a name is
 * left. fn is told of each thing, removed or left. Returns how many were removed (dry_run: would
 * be), or -1: not all could be. */
int data_dir_clean(bool dry_run, void (*fn)(void *arg, const char *what), void *arg, struct err *e);

#endif

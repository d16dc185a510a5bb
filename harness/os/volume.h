/* A small disk: a tmpfs in drtest's own mount namespace, so that it disappears with drtest's last
 * process, however drtest ends. Linux and root only. What a thread that is older than the first
 * volume does with paths in it misses it: make volumes from the main thread, before what uses them
 * is started. */
#ifndef HARNESS_OS_VOLUME_H
#define HARNESS_OS_VOLUME_H

#include <stdbool.h>
#include <stdint.h>

#include "harness/base/err.h"
#include "harness/base/strbuf.h"

int volume_needs(struct strbuf *missing); /* 0: volumes can be made; -1: and what is missing */
/* dir is there; its content is hidden */
int volume_mount(const char *dir, int64_t size_bytes, struct err *e);
int volume_unmount(const char *dir, struct err *e);
/* Files that are there go on being written; a process that is not root can make, rename and remove
 * none. */
int volume_read_only(const char *dir, bool read_only, struct err *e);

#endif

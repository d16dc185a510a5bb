/* Files and directories: whole reads with a bound, atomic durable writes, trees, free ports. */
#ifndef HARNESS_OS_FS_H
#define HARNESS_OS_FS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "harness/base/err.h"
#include "harness/base/strbuf.h"

int fs_mkdir_p(const char *path, mode_t mode, struct err *e);
/* absent is fine; never follows links */
int fs_remove_tree(const char *path, struct err *e);
/* reflink or copy_file_range; keeps modes and owners */
int fs_copy_tree(const char *from, const char *to, struct err *e);
int fs_chown_tree(const char *path, uid_t uid, gid_t gid, struct err *e);
/* appended; larger than max is an error */
int fs_read_file(const char *path, size_t max, struct strbuf *out, struct err *e);
int fs_write_all(int fd, const void *data, size_t n, struct err *e);
/* Temporary name, write, fsync, rename, fsync of the directory. A device or a pipe that is there is
 * written to, and never replaced. */
int fs_write_atomic(const char *path, const void *data, size_t n, mode_t mode, struct err *e);
bool fs_exists(const char *path);
/* Makes the folder where it is not there; it has to be ours, and nobody else's to write to. fix:
 * what else can be done, for the error's end. */
int fs_own_folder(const char *path, mode_t mode, const char *fix, struct err *e);
/* Could a file be written there? ERR_USAGE: it is a folder, its folder is not there or not ours to
 * write to. For what is written at the end of long work: told before it. */
int fs_may_write(const char *path, struct err *e);
/* Could fs_mkdir_p() make it, and files in it? Makes nothing. */
int fs_may_mkdir(const char *path, struct err *e);
int64_t fs_free_bytes(const char *path); /* -1 unknown */
/* for what memory does not hold: gone with the process. To write and read */
FILE *fs_nameless_file(const char *dir, struct err *e);

/* Calls fn for each entry of a directory (not "." and ".."), sorted by name. fn returns -1 to stop
 * with *e set. */
int fs_list(const char *path, int (*fn)(void *arg, const char *name, struct err *e), void *arg,
	    struct err *e);

/* A free TCP port of 127.0.0.1 that no other drtest on this machine holds: a lock file under
 * /var/tmp/drtest-ports/ is kept until port_release(). `wanted` is tried first (0: any). Returns
 * the port, or -1. */
int port_take(int wanted, struct err *e);
void port_release(int port);
bool port_is_free(int port);
/* Does that process, or one of the group that it leads, listen on the TCP port? 1 yes, 0 no:
 * somebody else, or nobody; -1: it can't be seen (another user's processes, without the right). */
int port_is_of(int port, pid_t leader);

#endif

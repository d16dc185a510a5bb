/* Inside os/ only: the fork and exec that proc_start() and proc_run() share, the log of a child,
 * and /proc. */
#ifndef HARNESS_OS_SPAWN_H
#define HARNESS_OS_SPAWN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "harness/base/clock.h"
#include "harness/base/err.h"

struct spawn {
	const char *name;
	char *const *argv;
	char *const *env;
	const char *dir;
	const char *run_as;
	const char *stdin_text, *stdin_path; /* one of them, or neither */
	bool server;                         /* as proc_opts has it */
	/* value for DRTEST_FAMILY, inherited by all descendants; NULL: the child is not marked */
	const char *family;
	bool outlives_us;   /* no parent-death signal */
	int out_fd, err_fd; /* become the child's 1 and 2; stay the caller's here */
};
/* In a group of its own, registered with the guardian before it executes; fails when exec fails. */
int spawn(const struct spawn *s, pid_t *pid, int *pidfd, struct err *e);
/* 1: exited by the deadline (still unreaped), 0: not, or the run was cancelled. */
int pidfd_exited_by(int pidfd, struct deadline d);
/* The same, deaf to cancellation: for what a SIGKILL must end soon. */
int pidfd_exited_for_sure(int pidfd, struct deadline d);

/* The thread that moves a child's output from a pipe into its log, capped. */
struct proc_log;
struct proc_log *proc_log_open(const char *path, size_t bytes_max, int *write_fd, struct err *e);
void proc_log_close(struct proc_log *l); /* takes what is in the pipe first; NULL is fine */

/* A family is everything that descends from one child, whatever groups and sessions it has moved
 * to: all inherit the mark. The marks of nested drtests follow each other, each between two ';'. */
#define FAMILY_MAX 64
void family_name(char out[FAMILY_MAX], unsigned serial); /* "<our pid>.<our start time>.<serial>" */
void family_prefix(char out[FAMILY_MAX]);                /* what all of ours begin with */
struct member {
	pid_t pid;
	int pidfd;
	size_t of; /* which of the families */
};
struct members {
	struct member *m;
	size_t n, alloc;
};
struct family {
	const char *mark; /* NULL: the group alone */
	bool prefix;      /* any mark that begins so */
	pid_t group;      /* 0: the mark alone */
};
/* Living processes that carry a family's mark or are in its group. Appends. One walk through /proc
 * for all families: with hundreds of processes it takes milliseconds. */
void members_find(struct members *out, const struct family *f, size_t n);
void members_kill(const struct members *ms);
void members_release(struct members *ms);
/* Orphans that came to us because we are a subreaper, ended, and are nobody's child here. */
void orphans_reap(void);
void orphans_spare(pid_t pid); /* a child that somebody here waits for */
void orphans_unspare(pid_t pid);

struct stat_line {
	char state;
	pid_t ppid, pgrp, session;
	uint64_t start; /* clock ticks after boot: with the pid, it names a process for good */
};
int proc_stat(pid_t pid, struct stat_line *out); /* -1: no such process */

void guardian_group(pid_t pgid); /* returns when the guardian knows it */
void guardian_group_forget(pid_t pgid);

#endif

/* Child processes: own process group, pidfd, output to a log file, a deadline for every stop.
 * Errors quote the log's last lines. argv, never a shell string. Fork from the main thread: the
 * parent-death signal follows the forking thread. */
#ifndef HARNESS_OS_PROC_H
#define HARNESS_OS_PROC_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "harness/base/clock.h"
#include "harness/base/err.h"
#include "harness/base/strbuf.h"

struct proc_opts {
	const char *name;  /* for messages: "primary", "store" */
	char *const *argv; /* argv[0] is looked up in PATH */
	/* extra "NAME=value" on top of ours; secrets go here or to stdin, not into argv. NULL:
	 * none */
	char *const *env;
	const char *dir;      /* working directory; NULL: ours */
	const char *log_path; /* stdout and stderr are appended here; NULL: /dev/null */
	/* the child's standard input, in memory (never on a disk, never blocks us); NULL:
	 * /dev/null */
	const char *stdin_text;
	/* user whose ids the child takes (first of all); NULL: keep ours */
	const char *run_as;
	/* a child that floods its log is capped here: its middle goes, the last lines stay; 0:
	 * 64 MiB */
	size_t log_bytes_max;
	/* somebody else's program that serves: of our environment it gets what any program
	 * needs, and no secret */
	bool server;
	/* may be left running by proc_detach(): no parent-death signal, and its log is not
	 * capped */
	bool outlives_us;
};

struct proc; /* one child; use it from one thread */
struct proc *proc_start(const struct proc_opts *o, struct err *e); /* fails when exec fails */
pid_t proc_pid(const struct proc *p);
/* When the leader has ended, so has its family: whatever it left behind is SIGKILLed, and its log
 * is complete. */
/* does not reap before it has noted how it ended */
bool proc_running(struct proc *p);
/* 1: it ended within the deadline; 0: it still runs (also when the run was cancelled). */
int proc_wait(struct proc *p, struct deadline d);
/* How it ended, for people: "exit 1", "SIGKILL (ours)", "SIGKILL (not ours; the kernel ran out of
 * memory meanwhile)"; "" while it runs. */
const char *proc_how(const struct proc *p);
/* SIGKILLed, and not by us: the kernel when memory ran out, or a person. */
bool proc_killed_by_others(const struct proc *p);
int proc_exit_status(const struct proc *p); /* exit status; 128 + signal; -1 while it runs */
int proc_signal(struct proc *p, int signo, struct err *e); /* to the group */
/* SIGTERM, then SIGKILL to the group at the end of the grace. */
int proc_stop(struct proc *p, struct deadline grace, struct err *e);
/* SIGKILL to the groups of all of them, as close to one instant as possible (no allocation, no wait
 * between the kills); *at_ns: CLOCK_MONOTONIC just before the first. Then waits until all are gone.
 */
int proc_kill_all(struct proc *const *procs, size_t n, int64_t *at_ns, struct err *e);
/* A child as other threads may hold it: it stays good when the struct proc is freed, and never
 * means another process. */
struct proc_ref {
	pid_t pid;
	int pidfd; /* its own */
	char name[64];
};
/* ERR_GONE: it has ended */
int proc_ref(const struct proc *p, struct proc_ref *out, struct err *e);
void proc_ref_release(struct proc_ref *r);
/* A signal to the groups of all of them, as close to one instant as possible, nothing is waited
 * for; from any thread. *at_ns: CLOCK_MONOTONIC just before the first. ERR_GONE: one of them ran no
 * more (the others got it). proc_how() will say that it was ours. */
int proc_ref_signal_all(const struct proc_ref *refs, size_t n, int signo, int64_t *at_ns,
			struct err *e);
void proc_free(struct proc *p); /* SIGKILLs what still runs; NULL is fine */
/* Frees p and leaves the child running after an orderly end of ours (--keep); it was started with
 * outlives_us. */
void proc_detach(struct proc *p);

/* The last lines of a log on one line, " | " between them, for error texts. */
void proc_log_tail(const char *log_path, size_t lines, struct strbuf *out);

/* Runs a command to its end and collects its stdout (at most max bytes). Exit status other than 0
 * is an error quoting stderr. */
int proc_run(char *const *argv, const char *stdin_text, struct strbuf *out, size_t max,
	     struct deadline d, struct err *e);
/* the same with "NAME=value"s on top of our environment: secrets stand there, not in argv */
int proc_run_env(char *const *argv, char *const *env, struct strbuf *out, size_t max,
		 struct deadline d, struct err *e);
/* the same with a file as its standard input */
int proc_run_from(char *const *argv, const char *stdin_path, struct strbuf *out, size_t max,
		  struct deadline d, struct err *e);

/* Was it started by a drtest, or by what one started? By what it inherited; false too where that
 * may not be read. */
bool proc_is_of_a_run(pid_t pid);
/* Appends its command line, a NUL after each argument. -1: it does not exist, or may not be read.
 */
int proc_cmdline(pid_t pid, struct strbuf *out);
/* Whose child a process is; 0: there is no such process, or nobody tells. */
pid_t proc_parent(pid_t pid);
/* Finds an executable in PATH; NULL if absent; the caller frees. */
char *proc_which(const char *name);
/* This very program, to be started again: its path, or the link to it where the file was replaced
 * while it runs (an upgrade in the middle of a night). */
const char *proc_self(char path[PATH_MAX]);

/* The guardian: a child of ours that SIGKILLs every registered group and removes every registered
 * path once we are gone (its pipe closes), so that `kill -9` of drtest leaves no process behind.
 * proc_start() registers before it executes. Start it first thing in a command that starts
 * children; without it proc_start() works unguarded. */
int guardian_start(struct err *e);
void guardian_path(const char *path); /* remove this tree when we die (absolute path) */
/* the same, but only while the directory st stands there: for a name that it has not yet, and that
 * may turn out to be another's */
void guardian_directory(const char *path, const struct stat *st);
void guardian_path_forget(const char *path);
/* This program is drtest, so that its guardian may start it again; a test's program would begin its
 * tests anew, for ever. */
void guardian_is_drtest(void);
/* from now on: when we die, `drtest clean --undo` is run too (undo.h), if this program is drtest */
void guardian_undo(void);
void guardian_stop(void); /* orderly end: kills and removes nothing */

#endif

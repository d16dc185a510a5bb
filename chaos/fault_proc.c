/* Faults of processes: signals to whole groups in one instant, and a limit of memory. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "chaos/fault.h"

static int send_all(struct fault *f, int signo, struct err *e)
{
	return proc_ref_signal_all(f->target.procs, f->target.n_procs, signo, &f->at_ns, e);
}

static int kill_inject(struct fault *f, struct err *e)
{
	return send_all(f, SIGKILL, e);
}

static int interrupt_inject(struct fault *f, struct err *e)
{
	return send_all(f, SIGINT, e);
}

static int pause_inject(struct fault *f, struct err *e)
{
	return send_all(f, SIGSTOP, e);
}

static int pause_heal(struct fault *f, struct err *e)
{
	int64_t at;

	/* one that died meanwhile (or was stopped in order) is paused no more */
	if (proc_ref_signal_all(f->target.procs, f->target.n_procs, SIGCONT, &at, e) < 0 &&
	    e->kind != ERR_GONE)
		return -1;
	return 0;
}

const struct fault_ops fault_kill = {
	.name = "kill",
	.on = FAULT_ON_PROCS,
	.group = "process",
	.args = " ",
	.what = "SIGKILL to all its processes at the same moment",
	.inject = kill_inject,
};
const struct fault_ops fault_interrupt = {
	.name = "interrupt",
	.on = FAULT_ON_PROCS,
	.group = "process",
	.args = " ",
	.what = "SIGINT to all its processes at the same moment",
	.inject = interrupt_inject,
};
const struct fault_ops fault_pause = {
	.name = "pause",
	.on = FAULT_ON_PROCS,
	.group = "process",
	.args = " ",
	.what = "SIGSTOP to all its processes; healed by SIGCONT",
	.inject = pause_inject,
	.heal = pause_heal,
};

/* ---- memory: the address space that a process may have beyond what it has now */

static int64_t mapped_bytes(pid_t pid)
{
	char path[64];
	long pages = -1;
	FILE *fp;

	snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
	fp = fopen(path, "re");
	if (fp && fscanf(fp, "%ld", &pages) != 1)
		pages = -1;
	if (fp)
		fclose(fp);
	return pages < 0 ? -1 : (int64_t)pages * 4096;
}

struct limited {
	int why; /* errno; 0: done */
	struct rlimit before;
};

/* In a child that has become the process's user: root without CAP_SYS_RESOURCE (most containers)
 * may not do it itself. Nothing is called there that a fork of a process with threads forbids. */
static int limit_as_its_user(pid_t pid, const struct rlimit *now, struct rlimit *before)
{
	struct limited answer = { .why = EIO };
	char path[64];
	struct stat st;
	int fds[2];
	pid_t child;

	snprintf(path, sizeof(path), "/proc/%d", (int)pid);
	if (stat(path, &st) < 0 || pipe2(fds, O_CLOEXEC) < 0)
		return -1;
	child = fork();
	if (child == 0) {
		answer.why = 0;
		if (setgroups(0, NULL) < 0 || setresgid(st.st_gid, st.st_gid, st.st_gid) < 0 ||
		    setresuid(st.st_uid, st.st_uid, st.st_uid) < 0 ||
		    prlimit(pid, RLIMIT_AS, now, &answer.before) < 0)
			answer.why = errno;
		(void)!write(fds[1], &answer, sizeof(answer));
		_exit(0);
	}
	close(fds[1]);
	if (child > 0 && read(fds[0], &answer, sizeof(answer)) != (ssize_t)sizeof(answer))
		answer.why = EIO;
	close(fds[0]);
	if (child > 0)
		/* somebody else may have reaped it: its answer is what counts */
		waitpid(child, NULL, 0);
	errno = answer.why;
	if (answer.why)
		return -1;
	*before = answer.before;
	return 0;
}

/* now NULL: only asks. */
static int set_limit(pid_t pid, const struct rlimit *now, struct rlimit *before)
{
	if (prlimit(pid, RLIMIT_AS, now, before) == 0)
		return 0;
	return errno == EPERM && geteuid() == 0 ? limit_as_its_user(pid, now, before) : -1;
}

static int memory_inject(struct fault *f, struct err *e)
{
	for (size_t i = 0; i < f->target.n_procs; i++) {
		pid_t pid = f->target.procs[i].pid;
		int64_t has = mapped_bytes(pid);
		struct rlimit before, now;

		if (has < 0)
			return err_set(e, ERR_GONE, ESRCH, "%s has ended", f->target.procs[i].name);
		if (set_limit(pid, NULL, &before) < 0)
			return err_sys(e, "read the memory limit of %s", f->target.procs[i].name);
		now = before;
		now.rlim_cur = (rlim_t)has + f->args.memory_bytes;
		if (before.rlim_max != RLIM_INFINITY && now.rlim_cur > before.rlim_max)
			now.rlim_cur = before.rlim_max;
		f->saved[i] = before.rlim_cur;
		if (set_limit(pid, &now, &before) < 0)
			return err_sys(e, "limit the memory of %s", f->target.procs[i].name);
	}
	return 0;
}

static int memory_heal(struct fault *f, struct err *e)
{
	for (size_t i = 0; i < f->target.n_procs; i++) {
		pid_t pid = f->target.procs[i].pid;
		struct rlimit l, was;

		if (set_limit(pid, NULL, &l) < 0) {
			if (errno == ESRCH || errno == ENOENT)
				continue;
			return err_sys(e, "read the memory limit of %s", f->target.procs[i].name);
		}
		l.rlim_cur = (rlim_t)f->saved[i];
		if (set_limit(pid, &l, &was) < 0 && errno != ESRCH)
			return err_sys(e, "remove the memory limit of %s", f->target.procs[i].name);
	}
	return 0;
}

static void memory_describe(const struct fault *f, struct strbuf *out)
{
	strbuf_addf(out, "at most %" PRIu64 " MiB more than it has", f->args.memory_bytes >> 20);
}

const struct fault_ops fault_memory = {
	.name = "memory",
	.on = FAULT_ON_PROCS,
	.group = "memory",
	.args = " spare_mb ",
	.what = "no memory beyond its present size plus spare_mb (allocations fail)",
	.inject = memory_inject,
	.heal = memory_heal,
	.describe = memory_describe,
};

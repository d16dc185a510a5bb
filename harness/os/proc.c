#include "harness/os/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/base/xalloc.h"
#include "harness/os/spawn.h"

#define LOG_BYTES_DEFAULT ((size_t)64 << 20)
/* a SIGKILL takes milliseconds; longer means it hangs in the kernel (a dead disk) */
#define KILL_MS_MAX 30000
#define STDERR_BYTES_MAX ((size_t)64 << 10)

struct proc {
	char *name, *log_path;
	char family[FAMILY_MAX];
	pid_t pid; /* the group's number too */
	int pidfd;
	struct proc_log *log;
	uint64_t sent; /* bit n: we sent signal n */
	bool ended;
	bool foreign_kill;
	uint64_t oom_kills; /* of this machine, when it started */
	int status;
	char how[96];
};

/* How often the kernel has killed for memory, in any group; 0 where it does not count. */
static uint64_t oom_kills(void)
{
	FILE *f = fopen("/proc/vmstat", "re");
	char name[64];
	unsigned long long n = 0, found = 0;

	while (f && fscanf(f, "%63s %llu", name, &n) == 2)
		if (!strcmp(name, "oom_kill"))
			found = n;
	if (f)
		fclose(f);
	return found;
}

static atomic_uint serials;
/* What was sent through a struct proc_ref: pid << 8 | signal, the newest last. */
#define NOTES 64
static _Atomic uint64_t notes[NOTES];
static atomic_uint n_notes;

static void note_sent(pid_t pid, int signo)
{
	atomic_store(&notes[atomic_fetch_add(&n_notes, 1) % NOTES],
		     (uint64_t)pid << 8 | (uint64_t)signo);
}

static bool was_noted(pid_t pid, int signo)
{
	for (size_t i = 0; i < NOTES; i++)
		if (atomic_load(&notes[i]) == ((uint64_t)pid << 8 | (uint64_t)signo))
			return true;
	return false;
}

struct proc *proc_start(const struct proc_opts *o, struct err *e)
{
	struct proc *p = xcalloc(1, sizeof(*p));
	struct spawn s = { .name = o->name,
			   .argv = o->argv,
			   .env = o->env,
			   .dir = o->dir,
			   .run_as = o->run_as,
			   .server = o->server,
			   .stdin_text = o->stdin_text };
	int out = -1;

	p->name = xstrdup(o->name);
	p->log_path = xstrdup(o->log_path);
	p->oom_kills = oom_kills();
	p->pidfd = -1;
	family_name(p->family, atomic_fetch_add(&serials, 1));
	if (o->log_path && !o->outlives_us) {
		p->log = proc_log_open(o->log_path,
				       o->log_bytes_max ? o->log_bytes_max : LOG_BYTES_DEFAULT,
				       &out, e);
		if (!p->log) {
			err_wrap(e, "start %s", o->name);
			goto fail;
		}
	} else {
		/* One that outlives us writes its log itself: our pipe would end with us. */
		const char *path = o->log_path ? o->log_path : "/dev/null";

		out = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
		if (out < 0) {
			err_sys(e, "start %s: open %s", o->name, path);
			goto fail;
		}
	}
	s.family = p->family;
	s.outlives_us = o->outlives_us;
	s.out_fd = s.err_fd = out;
	if (spawn(&s, &p->pid, &p->pidfd, e) < 0)
		goto fail;
	close(out);
	return p;
fail:
	if (out >= 0)
		close(out);
	proc_log_close(p->log);
	free(p->name);
	free(p->log_path);
	free(p);
	return NULL;
}

pid_t proc_pid(const struct proc *p)
{
	return p->pid;
}

static void how_it_ended(struct proc *p, const siginfo_t *si)
{
	const char *abbrev;

	if (si->si_code == CLD_EXITED) {
		p->status = si->si_status;
		snprintf(p->how, sizeof(p->how), "exit %d", si->si_status);
		return;
	}
	p->status = 128 + si->si_status;
	if (was_noted(p->pid, si->si_status))
		p->sent |= 1ULL << si->si_status;
	abbrev = sigabbrev_np(si->si_status);
	snprintf(p->how, sizeof(p->how), "SIG%s%s", abbrev ? abbrev : "?",
		 p->sent & (1ULL << si->si_status) ? " (ours)"
		 : si->si_status != SIGKILL        ? ""
		 : oom_kills() > p->oom_kills
			 ? " (not sent by drtest; the kernel ran out of memory)"
			 : " (not sent by drtest; perhaps out of memory)");
	p->foreign_kill = si->si_status == SIGKILL && !(p->sent & (1ULL << SIGKILL));
}

/* SIGKILLs what the families left behind, and waits until it is gone. While a leader is unreaped
 * its group number is ours. */
static int families_end(struct proc *const *procs, size_t n, struct err *e)
{
	struct deadline d = deadline_in_ms(KILL_MS_MAX);
	struct family *f = xcalloc(n, sizeof(*f));
	int rc = 0;

	for (size_t i = 0; i < n; i++)
		f[i] = (struct family){ .mark = procs[i]->family, .group = procs[i]->pid };
	for (bool again = n > 0; again;) {
		struct members ms = { 0 };

		members_find(&ms, f, n);
		members_kill(&ms);
		for (size_t i = 0; i < ms.n; i++)
			pidfd_exited_for_sure(ms.m[i].pidfd, deadline_min(d, deadline_in_ms(1000)));
		again = ms.n > 0;
		if (again && deadline_passed(d)) {
			rc = err_set(e, ERR_TIMEOUT, 0, "%s: process %d survives SIGKILL for %d s",
				     procs[ms.m[0].of]->name, (int)ms.m[0].pid, KILL_MS_MAX / 1000);
			again = false;
		}
		members_release(&ms);
	}
	free(f);
	return rc;
}

/* The leaders have exited and are zombies. */
static int procs_ended(struct proc *const *procs, size_t n, struct err *e)
{
	siginfo_t si = { 0 };
	int rc;

	for (size_t i = 0; i < n; i++) {
		while (waitid(P_PIDFD, (id_t)procs[i]->pidfd, &si, WEXITED | WNOWAIT) < 0)
			if (errno != EINTR) {
				si.si_code = CLD_EXITED; /* someone else reaped it: how it ended
							    is lost */
				si.si_status = 255;
				break;
			}
		how_it_ended(procs[i], &si);
	}
	rc = families_end(procs, n, e);
	for (size_t i = 0; i < n; i++) {
		struct proc *p = procs[i];

		guardian_group_forget(p->pid); /* before the number is free again */
		while (waitid(P_PIDFD, (id_t)p->pidfd, &si, WEXITED) < 0 && errno == EINTR)
			;
		orphans_unspare(p->pid);
		close(p->pidfd);
		p->pidfd = -1;
		proc_log_close(p->log);
		p->log = NULL;
		p->ended = true;
	}
	orphans_reap();
	return rc;
}

bool proc_running(struct proc *p)
{
	struct pollfd f = { .fd = p->pidfd, .events = POLLIN };

	if (!p->ended && poll(&f, 1, 0) > 0)
		procs_ended(&p, 1, NULL);
	return !p->ended;
}

int proc_wait(struct proc *p, struct deadline d)
{
	if (!p->ended && pidfd_exited_by(p->pidfd, d))
		procs_ended(&p, 1, NULL);
	return p->ended;
}

const char *proc_how(const struct proc *p)
{
	return p->how;
}

bool proc_killed_by_others(const struct proc *p)
{
	return p->foreign_kill;
}

int proc_exit_status(const struct proc *p)
{
	return p->ended ? p->status : -1;
}

int proc_signal(struct proc *p, int signo, struct err *e)
{
	if (!proc_running(p))
		return err_set(e, ERR_GONE, ESRCH, "%s has ended: %s", p->name, p->how);
	p->sent |= 1ULL << signo;
	if (kill(-p->pid, signo) < 0)
		return err_sys(e, "signal %s", p->name);
	return 0;
}

int proc_stop(struct proc *p, struct deadline grace, struct err *e)
{
	if (!proc_running(p))
		return 0;
	p->sent |= 1ULL << SIGTERM;
	kill(-p->pid, SIGTERM);
	kill(-p->pid, SIGCONT); /* a stopped one would never see it */
	pidfd_exited_by(p->pidfd, grace);
	return proc_kill_all(&p, 1, NULL, e);
}

int proc_kill_all(struct proc *const *procs, size_t n, int64_t *at_ns, struct err *e)
{
	struct proc **victims = xcalloc(n + 1, sizeof(*victims));
	struct family *f = xcalloc(n + 1, sizeof(*f));
	struct members ms = { 0 };
	size_t alive = 0, ended = 0;
	struct deadline d;
	int rc = 0;

	for (size_t i = 0; i < n; i++)
		if (proc_running(procs[i])) {
			f[alive] = (struct family){ .mark = procs[i]->family };
			victims[alive++] = procs[i];
			procs[i]->sent |= 1ULL << SIGKILL;
		}
	/* Who has left its group is found first, so that it dies with the others. */
	if (alive)
		members_find(&ms, f, alive);
	if (at_ns)
		*at_ns = clock_mono_ns();
	for (size_t i = 0; i < alive; i++)
		kill(-victims[i]->pid, SIGKILL);
	members_kill(&ms);
	d = deadline_in_ms(KILL_MS_MAX);
	for (size_t i = 0; i < alive; i++)
		if (pidfd_exited_for_sure(victims[i]->pidfd, d))
			victims[ended++] = victims[i];
		else
			rc = err_set(e, ERR_TIMEOUT, 0, "%s survives SIGKILL for %d s",
				     victims[i]->name, KILL_MS_MAX / 1000);
	/* who is dying has no environment any more, and is not found again */
	for (size_t i = 0; i < ms.n; i++)
		pidfd_exited_for_sure(ms.m[i].pidfd, deadline_min(d, deadline_in_ms(1000)));
	members_release(&ms);
	if (procs_ended(victims, ended, rc < 0 ? NULL : e) < 0)
		rc = -1;
	free(victims);
	free(f);
	return rc;
}

int proc_ref(const struct proc *p, struct proc_ref *out, struct err *e)
{
	memset(out, 0, sizeof(*out));
	out->pid = p->pid;
	snprintf(out->name, sizeof(out->name), "%s", p->name);
	out->pidfd = p->ended ? -1 : fcntl(p->pidfd, F_DUPFD_CLOEXEC, 0);
	if (p->ended)
		return err_set(e, ERR_GONE, ESRCH, "%s has ended: %s", p->name, p->how);
	return out->pidfd < 0 ? err_sys(e, "hold %s", p->name) : 0;
}

void proc_ref_release(struct proc_ref *r)
{
	if (r->pidfd >= 0)
		close(r->pidfd);
	r->pidfd = -1;
}

int proc_ref_signal_all(const struct proc_ref *refs, size_t n, int signo, int64_t *at_ns,
			struct err *e)
{
	const char *gone = NULL;

	*at_ns = clock_mono_ns();
	for (size_t i = 0; i < n; i++) {
		struct pollfd f = { .fd = refs[i].pidfd, .events = POLLIN };

		/* While the leader runs, or is unreaped, the group's number is its own. */
		if (poll(&f, 1, 0) > 0) {
			gone = refs[i].name;
			continue;
		}
		note_sent(refs[i].pid, signo);
		if (kill(-refs[i].pid, signo) < 0)
			gone = refs[i].name;
	}
	return gone ? err_set(e, ERR_GONE, ESRCH, "%s has ended already", gone) : 0;
}

void proc_free(struct proc *p)
{
	if (!p)
		return;
	if (!p->ended)
		proc_kill_all(&p, 1, NULL, NULL);
	/* hangs in the kernel: the guardian keeps its number and tries again when we end */
	if (!p->ended) {
		proc_log_close(p->log);
		close(p->pidfd);
	}
	free(p->name);
	free(p->log_path);
	free(p);
}

void proc_detach(struct proc *p)
{
	if (!p)
		return;
	if (p->ended) {
		proc_free(p);
		return;
	}
	guardian_group_forget(p->pid);
	proc_log_close(p->log);
	close(p->pidfd);
	free(p->name);
	free(p->log_path);
	free(p);
}

const char *proc_self(char path[PATH_MAX])
{
	struct stat there, ours;
	ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - 1);

	if (n > 0)
		path[n] = '\0';
	if (n <= 0 || stat(path, &there) < 0 || stat("/proc/self/exe", &ours) < 0 ||
	    there.st_dev != ours.st_dev || there.st_ino != ours.st_ino)
		strcpy(path, "/proc/self/exe");
	return path;
}

char *proc_which(const char *name)
{
	const char *path = getenv("PATH");
	struct stat st;

	if (strchr(name, '/')) {
		char *real;

		if (access(name, X_OK) < 0 || stat(name, &st) < 0 || !S_ISREG(st.st_mode))
			return NULL;
		/* none for /proc/self/exe of a program that was replaced while it runs */
		real = realpath(name, NULL);
		return real ? real : xstrdup(name);
	}
	/* servers stand in directories that only root has in PATH */
	for (int sbin = 0; sbin < 2; sbin++) {
		if (sbin || !path || !*path)
			path = sbin ? "/usr/local/sbin:/usr/sbin:/sbin"
				    : "/usr/local/bin:/usr/bin:/bin";
		while (*name && path) {
			size_t n = strcspn(path, ":");
			char *full =
				n ? xstrfmt("%.*s/%s", (int)n, path, name) : xstrfmt("./%s", name);

			if (access(full, X_OK) == 0 && stat(full, &st) == 0 && S_ISREG(st.st_mode))
				return full;
			free(full);
			path = path[n] ? path + n + 1 : NULL;
		}
	}
	return NULL;
}

/* Takes what is there; of more than max it keeps the end (`over` NULL) or stops. 1: more may come,
 * 0: end. */
static int drain(int fd, struct strbuf *out, size_t max, bool *over)
{
	char buf[16384];
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) != 0) {
		if (n < 0)
			return errno == EAGAIN || errno == EINTR;
		if (over && (size_t)n > max - out->len) {
			*over = true;
			return 1;
		}
		strbuf_add(out, buf, (size_t)n);
		if (out->len > max && !over) {
			size_t keep = max / 2;

			memmove(out->buf, out->buf + out->len - keep, keep);
			strbuf_setlen(out, keep);
		}
	}
	return 0;
}

static void last_lines(struct strbuf *err)
{
	while (err->len && strchr("\r\n ", err->buf[err->len - 1]))
		strbuf_setlen(err, err->len - 1);
	if (err->len > 500) {
		struct strbuf cut = STRBUF_INIT;

		const char *tail = err->buf + err->len - 500, *line = strchr(tail, '\n');

		/* whole lines, where there are several */
		strbuf_addf(&cut, "...%s", line ? line + 1 : tail);
		strbuf_release(err);
		*err = cut;
	}
}

/* A process under way, and what it has written. */
struct running {
	const char *name;
	pid_t pid;
	int pidfd, out[2], err[2]; /* -1: none, or closed; [0]: our ends */
	struct strbuf out_text, err_text;
};

static int running_start(struct running *p, struct spawn s, struct err *e)
{
	if (pipe2(p->out, O_CLOEXEC) < 0 || pipe2(p->err, O_CLOEXEC) < 0)
		return err_sys(e, "make a pipe");
	s.out_fd = p->out[1];
	s.err_fd = p->err[1];
	if (spawn(&s, &p->pid, &p->pidfd, e) < 0)
		return -1;
	close(p->out[1]);
	close(p->err[1]);
	p->out[1] = p->err[1] = -1;
	fcntl(p->out[0], F_SETFL, O_NONBLOCK);
	fcntl(p->err[0], F_SETFL, O_NONBLOCK);
	return 0;
}

/* Reads until it ends, for at most `max` bytes of output. */
static int running_read(struct running *p, size_t max, struct deadline d, struct err *e)
{
	bool over = false, exited = false;

	while (!exited && !over) {
		struct pollfd polled[3] = { { .fd = p->pidfd, .events = POLLIN },
					    { .fd = p->out[0], .events = POLLIN },
					    { .fd = p->err[0], .events = POLLIN } };
		int64_t left = deadline_left_ms(d);

		if (clock_cancelled())
			return err_set(e, ERR_CANCELLED, 0, "%s: interrupted", p->name);
		if (!left)
			return err_set(e, ERR_TIMEOUT, 0, "%s: did not end in time", p->name);
		poll(polled, 3, (int)(left < 50 ? left : 50));
		/* looked at before the pipes: what it wrote is all in them */
		exited = polled[0].revents != 0;
		if (p->out[0] >= 0 && !drain(p->out[0], &p->out_text, max, &over)) {
			close(p->out[0]);
			p->out[0] = -1;
		}
		if (p->err[0] >= 0 && !drain(p->err[0], &p->err_text, STDERR_BYTES_MAX, NULL)) {
			close(p->err[0]);
			p->err[0] = -1;
		}
	}
	return over ? err_set(e, ERR_BAD_DATA, 0, "%s: wrote more than %zu bytes", p->name, max)
		    : 0;
}

/* 0: it ended well; else the error quotes the end of what it wrote to stderr. */
static int running_judge(struct running *p, struct err *e)
{
	siginfo_t si = { 0 };

	while (waitid(P_PIDFD, (id_t)p->pidfd, &si, WEXITED | WNOWAIT) < 0 && errno == EINTR)
		;
	if (si.si_code == CLD_EXITED && si.si_status == 0)
		return 0;
	last_lines(&p->err_text);
	if (si.si_code == CLD_EXITED)
		return err_set(e, ERR_IO, si.si_status, "%s: exit %d%s%s", p->name, si.si_status,
			       p->err_text.len ? ": " : "", p->err_text.buf);
	return err_set(e, ERR_IO, 128 + si.si_status, "%s: ended by signal %d%s%s", p->name,
		       si.si_status, p->err_text.len ? ": " : "", p->err_text.buf);
}

/* After a success, what it left running on purpose (a daemon it started) stays. */
static void running_end(struct running *p, bool success)
{
	siginfo_t si;

	if (p->pidfd >= 0) {
		if (!success)
			kill(-p->pid, SIGKILL);
		if (pidfd_exited_for_sure(p->pidfd, deadline_in_ms(KILL_MS_MAX))) {
			guardian_group_forget(p->pid);
			while (waitid(P_PIDFD, (id_t)p->pidfd, &si, WEXITED) < 0 && errno == EINTR)
				;
			orphans_unspare(p->pid);
		}
		close(p->pidfd);
	}
	for (int i = 0; i < 2; i++) {
		if (p->out[i] >= 0)
			close(p->out[i]);
		if (p->err[i] >= 0)
			close(p->err[i]);
	}
	strbuf_release(&p->out_text);
	strbuf_release(&p->err_text);
}

static int run(struct spawn s, struct strbuf *out, size_t max, struct deadline d, struct err *e)
{
	struct running p = { .name = s.argv[0],
			     .pid = -1,
			     .pidfd = -1,
			     .out = { -1, -1 },
			     .err = { -1, -1 },
			     .out_text = STRBUF_INIT,
			     .err_text = STRBUF_INIT };
	int rc = -1;

	if (running_start(&p, s, e) == 0 && running_read(&p, max, d, e) == 0)
		rc = running_judge(&p, e);
	if (rc == 0 && out)
		strbuf_add(out, p.out_text.buf, p.out_text.len);
	running_end(&p, rc == 0);
	return rc;
}

int proc_run(char *const *argv, const char *stdin_text, struct strbuf *out, size_t max,
	     struct deadline d, struct err *e)
{
	return run((struct spawn){ .name = argv[0], .argv = argv, .stdin_text = stdin_text }, out,
		   max, d, e);
}

int proc_run_env(char *const *argv, char *const *env, struct strbuf *out, size_t max,
		 struct deadline d, struct err *e)
{
	return run((struct spawn){ .name = argv[0], .argv = argv, .env = env }, out, max, d, e);
}

int proc_run_from(char *const *argv, const char *stdin_path, struct strbuf *out, size_t max,
		  struct deadline d, struct err *e)
{
	return run((struct spawn){ .name = argv[0], .argv = argv, .stdin_path = stdin_path }, out,
		   max, d, e);
}

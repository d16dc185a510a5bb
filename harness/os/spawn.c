#include "harness/os/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/base/xalloc.h"
#include "harness/os/fs.h"
#include "harness/os/proc.h"

#define GROUPS_MAX 256

extern char **environ;

/* Everything the child needs, made before the fork: other threads may hold any lock at that
 * instant. */
struct child {
	char *path, *const *argv, **env; /* argv: the caller's */
	const char *dir;
	bool drop, outlives_us;
	uid_t uid;
	gid_t gid, groups[GROUPS_MAX];
	int n_groups;
	pid_t parent;
	int in, out, err;
	int go[2];     /* to the child: a byte, once it may execute its program */
	int failed[2]; /* from the child: a struct failure; closed by the execution */
};

enum stage { AT_IDS, AT_PARENT, AT_DIR, AT_FDS, AT_EXEC };
struct failure {
	enum stage stage;
	int why;
};

static _Noreturn void child_fail(const struct child *c, enum stage stage)
{
	struct failure f = { stage, errno };

	(void)!write(c->failed[1], &f, sizeof(f));
	_exit(127);
}

static _Noreturn void child_exec(const struct child *c)
{
	struct sigaction dfl = { .sa_handler = SIG_DFL };
	sigset_t none;
	char go;

	setpgid(0, 0);
	close(c->go[1]); /* or our own copy would keep the read below from ending */
	for (int sig = 1; sig < NSIG; sig++)
		sigaction(sig, &dfl, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (c->drop && (setgroups((size_t)c->n_groups, c->groups) < 0 || setgid(c->gid) < 0 ||
			setuid(c->uid) < 0))
		child_fail(c, AT_IDS);
	/* After the ids: their change clears it. It follows the thread that forked. */
	if (!c->outlives_us)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	errno = ESRCH;
	if (getppid() != c->parent)
		child_fail(c, AT_PARENT);
	/* The parent lets us go once the guardian knows our group; end of file: it died before. */
	if (read(c->go[0], &go, 1) != 1)
		_exit(127);
	if (c->dir && chdir(c->dir) < 0)
		child_fail(c, AT_DIR);
	if (dup2(c->in, 0) < 0 || dup2(c->out, 1) < 0 || dup2(c->err, 2) < 0)
		child_fail(c, AT_FDS);
	close_range(3, ~0U, CLOSE_RANGE_CLOEXEC); /* whatever a library opened without the flag */
	execve(c->path, c->argv, c->env);
	child_fail(c, AT_EXEC);
}

static bool env_names(const char *var, char *const *in)
{
	size_t n = strcspn(var, "=") + 1;

	for (; in && *in; in++)
		if (!strncmp(*in, var, n))
			return true;
	return false;
}

/* What a server may know of our environment: keys and passwords stand there too, and its
 * environment is its user's to read. */
static bool for_servers(const char *var)
{
	static const char *const names[] = {
		"PATH=", "HOME=", "USER=",   "LOGNAME=",         "LANG=",
		"LC_",   "TZ=",   "TMPDIR=", "LD_LIBRARY_PATH=", "DRTEST_FAMILY="
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strncmp(var, names[i], strlen(names[i])))
			return true;
	return false;
}

static char **env_make(const struct spawn *s)
{
	const char *outer = getenv("DRTEST_FAMILY");
	size_t n = 0, k = 0;
	char **env;

	for (char **v = environ; v && *v; v++)
		n++;
	for (char *const *v = s->env; v && *v; v++)
		n++;
	env = xcalloc(n + 2, sizeof(*env));
	for (char **v = environ; v && *v; v++)
		if (!env_names(*v, s->env) && (!s->server || for_servers(*v)) &&
		    !(s->family && !strncmp(*v, "DRTEST_FAMILY=", 14)))
			env[k++] = xstrdup(*v);
	for (char *const *v = s->env; v && *v; v++)
		env[k++] = xstrdup(*v);
	if (s->family)
		env[k++] = xstrfmt("DRTEST_FAMILY=%s%s;",
				   outer && strlen(outer) < 1024 ? outer : ";", s->family);
	return env;
}

static void env_free(char **env)
{
	for (char **v = env; v && *v; v++)
		free(*v);
	free(env);
}

static int ids_look_up(struct child *c, const char *user, struct err *e)
{
	struct passwd *pw;

	errno = 0;
	pw = getpwnam(user);
	if (!pw)
		return err_set(e, ERR_ENV, errno, "user '%s' does not exist on this machine", user);
	if (pw->pw_uid == geteuid())
		return 0;
	if (geteuid() != 0)
		return err_set(e, ERR_ENV, EPERM, "only root can run a process as '%s'", user);
	c->drop = true;
	c->uid = pw->pw_uid;
	c->gid = pw->pw_gid;
	c->n_groups = GROUPS_MAX;
	if (getgrouplist(user, c->gid, c->groups, &c->n_groups) < 0)
		return err_set(e, ERR_ENV, 0, "user '%s' is in more than %d groups", user,
			       GROUPS_MAX);
	return 0;
}

/* In memory, so that a child that never reads it can't block us, and nothing of it reaches a disk.
 */
static int stdin_make(const char *text, const char *path, struct err *e)
{
	int fd;

	if (!text) {
		path = path ? path : "/dev/null";
		fd = open(path, O_RDONLY | O_CLOEXEC);
		return fd < 0 ? err_sys(e, "open %s", path) : fd;
	}
	fd = memfd_create("stdin", MFD_CLOEXEC);
	if (fd < 0)
		return err_sys(e, "create a memory file");
	if (fs_write_all(fd, text, strlen(text), e) < 0 || lseek(fd, 0, SEEK_SET) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static int failure_err(const struct spawn *s, const struct failure *f, struct err *e)
{
	errno = f->why;
	switch (f->stage) {
	case AT_IDS: return err_sys(e, "become user '%s'", s->run_as);
	case AT_PARENT: return err_set(e, ERR_IO, f->why, "its parent died");
	case AT_DIR: return err_sys(e, "enter %s", s->dir);
	case AT_FDS: return err_sys(e, "set up its standard streams");
	case AT_EXEC: break;
	}
	err_sys(e, "execute %s", s->argv[0]);
	if (e)
		e->kind = ERR_ENV;
	return -1;
}

/* The program, environment, user, standard input and pipes. */
static int child_prepare(struct child *c, const struct spawn *s, struct err *e)
{
	c->path = proc_which(s->argv[0]);
	if (!c->path)
		return err_set(e, ERR_ENV, ENOENT,
			       strchr(s->argv[0], '/') ? "%s does not exist or is not a program"
						       : "%s is not installed (looked in PATH)",
			       s->argv[0]);
	c->env = env_make(s);
	if (s->run_as && ids_look_up(c, s->run_as, e) < 0)
		return -1;
	c->in = stdin_make(s->stdin_text, s->stdin_path, e);
	if (c->in < 0)
		return -1;
	if (pipe2(c->go, O_CLOEXEC) < 0 || pipe2(c->failed, O_CLOEXEC) < 0)
		return err_sys(e, "make a pipe");
	return 0;
}

static void child_release(struct child *c)
{
	for (int i = 0; i < 2; i++) {
		if (c->go[i] >= 0)
			close(c->go[i]);
		if (c->failed[i] >= 0)
			close(c->failed[i]);
	}
	if (c->in >= 0)
		close(c->in);
	env_free(c->env);
	free(c->path);
}

/* The pid, in a group of its own; the child waits for child_let_go(). -1: errno says why. */
static pid_t child_fork(const struct child *c)
{
	sigset_t all, before;
	pid_t pid;

	/* No handler of ours may run in the child before it has put the default ones in place. */
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	pid = fork();
	if (pid == 0)
		child_exec(c);
	if (pid > 0) {
		orphans_spare(pid);
		setpgid(pid, pid); /* both do it: whoever is first */
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return pid;
}

/* Returns when its program runs, or with what kept it from that. */
static int child_let_go(struct child *c, const struct spawn *s, struct err *e)
{
	struct failure f;
	ssize_t n;

	close(c->failed[1]);
	c->failed[1] = -1;
	(void)!write(c->go[1], "g", 1); /* its read end is open here too: no SIGPIPE */
	do
		n = read(c->failed[0], &f, sizeof(f));
	while (n < 0 && errno == EINTR);
	return n == (ssize_t)sizeof(f) ? failure_err(s, &f, e) : 0;
}

static void child_kill(pid_t pid)
{
	kill(-pid, SIGKILL);
	guardian_group_forget(pid);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	orphans_unspare(pid);
}

int spawn(const struct spawn *s, pid_t *pid_out, int *pidfd_out, struct err *e)
{
	struct child c = { .argv = s->argv,
			   .dir = s->dir,
			   .out = s->out_fd,
			   .err = s->err_fd,
			   .parent = getpid(),
			   .in = -1,
			   .go = { -1, -1 },
			   .failed = { -1, -1 },
			   .outlives_us = s->outlives_us };
	int rc = -1, pidfd = -1;
	pid_t pid = -1;

	if (child_prepare(&c, s, e) < 0)
		goto out;
	pid = child_fork(&c);
	if (pid < 0) {
		err_sys(e, "fork");
		goto out;
	}
	pidfd = pidfd_open(pid, 0);
	if (pidfd < 0) {
		err_sys(e, "open a pidfd");
		goto out;
	}
	guardian_group(pid);
	if (child_let_go(&c, s, e) < 0)
		goto out;
	*pid_out = pid;
	*pidfd_out = pidfd;
	rc = 0;
out:
	if (rc < 0) {
		err_wrap(e, "start %s", s->name);
		if (pid > 0)
			child_kill(pid);
		if (pidfd >= 0)
			close(pidfd);
	}
	child_release(&c);
	return rc;
}

static int pidfd_wait(int pidfd, struct deadline d, bool heed_cancel)
{
	for (;;) {
		struct pollfd p = { .fd = pidfd, .events = POLLIN };
		int64_t left = deadline_left_ms(d);

		if (poll(&p, 1, (int)(left < 50 ? left : 50)) > 0)
			return 1;
		if (left == 0 || (heed_cancel && clock_cancelled()))
			return 0;
	}
}

int pidfd_exited_by(int pidfd, struct deadline d)
{
	return pidfd_wait(pidfd, d, true);
}

int pidfd_exited_for_sure(int pidfd, struct deadline d)
{
	return pidfd_wait(pidfd, d, false);
}

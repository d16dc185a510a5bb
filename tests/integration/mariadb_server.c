#include "tests/integration/mariadb_server.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/base/xalloc.h"
#include "harness/os/fs.h"

struct test_server {
	char dir[64];
	struct proc *proc;
	struct sql_endpoint ep;
	unsigned server_id;
};

static _Noreturn void give_up(const char *what, const struct err *e)
{
	fprintf(stderr, "test server: %s: %s\n", what, e->text);
	exit(1);
}

static const char *run_as(void)
{
	return geteuid() ? NULL : getpwnam("mysql") ? "mysql" : "nobody";
}

static void start(struct test_server *s)
{
	char *conf = xstrfmt("--defaults-file=%s/my.cnf", s->dir),
	     *log = xstrfmt("%s/server.log", s->dir);
	char *argv[] = { (char *)"mariadbd", conf, NULL };
	struct proc_opts o = {
		.name = "mariadbd", .argv = argv, .log_path = log, .run_as = run_as()
	};
	struct deadline d = deadline_in_ms(60000);
	struct err e = ERR_INIT;
	struct sql *c = NULL;

	s->proc = proc_start(&o, &e);
	if (!s->proc)
		give_up("start", &e);
	while (!(c = sql_open(&s->ep, deadline_in_ms(2000), &e)))
		if (!proc_running(s->proc) || pause_ms(30, d) < 0) {
			struct strbuf tail = STRBUF_INIT;

			proc_log_tail(log, 10, &tail);
			fprintf(stderr, "%s\n", tail.buf);
			give_up("not ready", &e);
		}
	sql_close(c);
	free(conf);
	free(log);
}

struct test_server *test_server_start(unsigned server_id)
{
	return test_server_start_with(server_id, "");
}

struct test_server *test_server_start_with(unsigned server_id, const char *more)
{
	struct test_server *s = xcalloc(1, sizeof(*s));
	struct strbuf out = STRBUF_INIT, conf = STRBUF_INIT;
	struct err e = ERR_INIT;
	char *found = proc_which("mariadbd");

	if (!found) {
		printf("skipped: mariadbd is not installed\n");
		exit(77);
	}
	free(found);
	if (guardian_start(&e) < 0)
		give_up("guardian", &e);
	snprintf(s->dir, sizeof(s->dir), "/var/tmp/drtest-it.XXXXXX");
	if (!mkdtemp(s->dir))
		give_up("mkdtemp", &e);
	guardian_path(s->dir);
	s->server_id = server_id;
	snprintf(s->ep.host, sizeof(s->ep.host), "127.0.0.1");
	snprintf(s->ep.user, sizeof(s->ep.user), "root");
	s->ep.port = (unsigned)port_take(0, &e);
	strbuf_addf(
		&conf,
		"[mariadbd]\ndatadir=%s/data\nsocket=%s/s\nport=%u\nbind-address=127.0.0.1\nserver-id=%u\ngtid-domain-id=0\n"
		"log-bin=bin\nbinlog-format=ROW\nbinlog-row-image=FULL\nbinlog-row-metadata=FULL\nskip-name-resolve\n"
		"session-track-system-variables=autocommit,character_set_client,time_zone,last_gtid\n"
		"character-set-server=utf8mb4\ndefault-time-zone=+00:00\ninnodb-flush-log-at-trx-commit=1\nsync-binlog=1\n"
		"innodb-buffer-pool-size=128M\ninnodb-log-file-size=48M\nmax-connections=400\nperformance-schema=OFF\nlocal-infile=ON\n"
		/* a tmpdir of its own: a starting server clears #sql files in it */
		"pid-file=%s/pid\ntmpdir=%s/tmp\n",
		s->dir, s->dir, s->ep.port, server_id, s->dir, s->dir);
	strbuf_addstr(&conf, more);
	{
		char *path = xstrfmt("%s/my.cnf", s->dir),
		     *data = xstrfmt("--datadir=%s/data", s->dir);
		char *tmp = xstrfmt("%s/tmp", s->dir),
		     *tmp_arg = xstrfmt("--tmpdir=%s/tmp", s->dir);
		char *argv[] = { (char *)"mariadb-install-db",
				 (char *)"--no-defaults",
				 (char *)"--auth-root-authentication-method=normal",
				 (char *)"--skip-test-db",
				 data,
				 tmp_arg,
				 NULL };

		if (fs_mkdir_p(tmp, 0700, &e) < 0 ||
		    fs_write_atomic(path, conf.buf, conf.len, 0644, &e) < 0 ||
		    proc_run(argv, NULL, &out, 1 << 20, deadline_in_ms(60000), &e) < 0)
			give_up("prepare", &e);
		free(path);
		free(data);
		free(tmp);
		free(tmp_arg);
	}
	if (run_as()) {
		struct passwd *pw = getpwnam(run_as());

		if (fs_chown_tree(s->dir, pw->pw_uid, pw->pw_gid, &e) < 0)
			give_up("chown", &e);
		chmod(s->dir, 0755);
	}
	strbuf_release(&out);
	strbuf_release(&conf);
	start(s);
	return s;
}

const struct sql_endpoint *test_server_endpoint(const struct test_server *s)
{
	return &s->ep;
}

const char *test_server_dir(const struct test_server *s)
{
	return s->dir;
}

struct proc *test_server_proc(struct test_server *s)
{
	return s->proc;
}

void test_server_kill(struct test_server *s)
{
	struct err e = ERR_INIT;

	if (proc_kill_all(&s->proc, 1, NULL, &e) < 0)
		give_up("kill", &e);
}

void test_server_restart(struct test_server *s)
{
	proc_free(s->proc);
	start(s);
}

struct sql *test_server_connect(const struct test_server *s)
{
	struct err e = ERR_INIT;
	struct sql *c = sql_open(&s->ep, deadline_in_ms(10000), &e);

	if (!c)
		give_up("connect", &e);
	return c;
}

void test_server_free(struct test_server *s)
{
	if (!s)
		return;
	proc_free(s->proc);
	port_release((int)s->ep.port);
	fs_remove_tree(s->dir, NULL);
	guardian_path_forget(s->dir);
	free(s);
}

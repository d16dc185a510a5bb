/* The local ground: MariaDB servers of our own on 127.0.0.1, cloned from a cached template. */
#include <inttypes.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/base/secret.h"
#include "harness/base/strbuf.h"
#include "harness/base/xalloc.h"
#include "harness/cluster/cluster_impl.h"
#include "harness/os/fs.h"

#define SAMPLE_MS 50
#define START_TRIES 5
#define SPACE_BYTES_MIN ((int64_t)2 << 30)
#define REFUSE_MS 5000

static char *log_path(const struct cluster *c)
{
	return xstrfmt("%s/%s.log", c->log_dir, c->name);
}

static int write_conf(const struct cluster *c, const char *user, struct err *e)
{
	const struct passwd *reader = user ? getpwnam(user) : NULL;
	struct strbuf s = STRBUF_INIT;
	char *path = xstrfmt("%s/my.cnf", c->dir);
	int rc;

	strbuf_addf(&s,
		    "[mariadbd]\n"
		    "datadir = %s/data\n"
		    "socket = %s/sock\n"
		    "pid-file = %s/pid\n"
		    "tmpdir = %s/tmp\n"
		    "init-file = %s/init.sql\n"
		    "secure-file-priv = %s/tmp\n"
		    "bind-address = 127.0.0.1\n"
		    "port = %d\n"
		    "server-id = %u\n"
		    "gtid-domain-id = 0\n",
		    c->dir, c->dir, c->dir, c->dir, c->dir, c->dir, c->port, c->server_id);
	strbuf_addstr(
		&s,
		"log-bin = binlog\n"
		"binlog-format = ROW\n"
		"binlog-row-image = FULL\n"
		"binlog-row-metadata = FULL\n"
		"binlog-checksum = CRC32\n"
		"expire-logs-days = 0\n"
		"session-track-system-variables = autocommit,character_set_client,character_set_connection,"
		"character_set_results,time_zone,last_gtid\n"
		/* durable as a production server: an acknowledged commit survives the kill */
		"sync-binlog = 1\n"
		"innodb-flush-log-at-trx-commit = 1\n"
		"innodb-log-file-size = 16M\n"
		"innodb-buffer-pool-size = 256M\n"
		"innodb-fast-shutdown = 1\n"
		"character-set-server = utf8mb4\n"
		"default-time-zone = +00:00\n"
		"skip-name-resolve\n"
		"performance-schema = OFF\n"
		"max-connections = 1000\n"
		"max-allowed-packet = 64M\n"
		"local-infile = ON\n"
		"feedback = OFF\n");
	rc = fs_write_atomic(path, s.buf, s.len, 0644, e);
	/* whatever our umask is */
	if (rc == 0 && reader && chown(path, reader->pw_uid, reader->pw_gid) < 0)
		rc = err_sys(e, "chown %s", path);
	strbuf_release(&s);
	free(path);
	return rc;
}

/* A file that only its reader can read: the password is in it. */
static int write_secret(const char *dir, const char *name, const struct strbuf *text,
			const struct passwd *reader, struct err *e)
{
	char *path = xstrfmt("%s/%s", dir, name);
	int rc = fs_write_atomic(path, text->buf, text->len, 0600, e);

	if (rc == 0 && reader && chown(path, reader->pw_uid, reader->pw_gid) < 0)
		rc = err_sys(e, "chown %s", path);
	free(path);
	return rc;
}

/* The machine may have other users: root has a password of this run's own, which the server takes
 * before it listens. */
static int password_make(struct cluster *c, const char *user, struct err *e)
{
	static const char *const hosts[] = { "localhost", "127.0.0.1" };
	struct strbuf init = STRBUF_INIT, client = STRBUF_INIT, uri = STRBUF_INIT;
	unsigned char random[16];
	int rc = -1;

	if (!c->ep.password[0]) {
		if (getrandom(random, sizeof(random), 0) != sizeof(random)) {
			err_sys(e, "random bytes for a password");
			goto out;
		}
		for (size_t i = 0; i < sizeof(random); i++)
			snprintf(c->ep.password + 2 * i, 3, "%02x", random[i]);
		secret_know(c->ep.password);
	}
	strbuf_addstr(
		&init,
		"SET SESSION sql_log_bin = 0;\n"
		"DELETE FROM mysql.global_priv WHERE User = '' OR (User = 'root' AND Host NOT IN ('localhost', '127.0.0.1'));\n"
		"FLUSH PRIVILEGES;\n");
	for (size_t i = 0; i < 2; i++)
		strbuf_addf(
			&init,
			"CREATE USER IF NOT EXISTS root@'%s';\nALTER USER root@'%s' IDENTIFIED BY '%s';\n"
			"GRANT ALL PRIVILEGES ON *.* TO root@'%s' WITH GRANT OPTION;\n",
			hosts[i], hosts[i], c->ep.password, hosts[i]);
	strbuf_addf(
		&client,
		"# mariadb --defaults-file=%s/client.cnf\n[client]\nhost = 127.0.0.1\nport = %d\nuser = root\npassword = %s\n",
		c->dir, c->port, c->ep.password);
	strbuf_addf(&uri, "mysql://root:%s@127.0.0.1:%d\n", c->ep.password, c->port);
	if (write_secret(c->dir, "init.sql", &init, user ? getpwnam(user) : NULL, e) == 0 &&
	    write_secret(c->dir, "client.cnf", &client, NULL, e) == 0 &&
	    write_secret(c->dir, "client.uri", &uri, NULL, e) == 0) /* --sink-uri @FILE */
		rc = 0;
out:
	strbuf_release(&init);
	strbuf_release(&client);
	strbuf_release(&uri);
	return rc;
}

/* The first start clones the template; a later one finds its data. */
static int data_make(struct cluster *c, const char *user, struct err *e)
{
	char *template = NULL, *data = xstrfmt("%s/data", c->dir), *tmp = xstrfmt("%s/tmp", c->dir);
	int rc = -1;

	if (!fs_exists(data)) {
		if (!c->keep)
			guardian_path(c->dir);
		if (local_template(&template, e) < 0 || fs_mkdir_p(tmp, 0700, e) < 0 ||
		    fs_copy_tree(template, data, e) < 0)
			goto out;
		if (user) {
			struct passwd *pw = getpwnam(user);

			if (fs_chown_tree(data, pw->pw_uid, pw->pw_gid, e) < 0 ||
			    fs_chown_tree(tmp, pw->pw_uid, pw->pw_gid, e) < 0)
				goto out;
			/* it makes its socket there */
			if (chown(c->dir, pw->pw_uid, pw->pw_gid) < 0) {
				err_sys(e, "chown %s", c->dir);
				goto out;
			}
		}
	}
	rc = 0;
out:
	free(template);
	free(data);
	free(tmp);
	return rc;
}

char *local_faketime(void)
{
	static const char *const places[] = { "/usr/lib/x86_64-linux-gnu/faketime",
					      "/usr/lib/aarch64-linux-gnu/faketime",
					      "/usr/lib/faketime", "/usr/local/lib/faketime" };

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		char *path = xstrfmt("%s/libfaketimeMT.so.1", places[i]);

		if (access(path, R_OK) == 0)
			return path;
		free(path);
	}
	return NULL;
}

static int spawn_server(struct cluster *c, struct err *e)
{
	char *conf = xstrfmt("--defaults-file=%s/my.cnf", c->dir), *log = log_path(c);
	char *argv[] = { (char *)"mariadbd", conf, NULL };
	struct proc_opts o = { .name = c->name,
			       .argv = argv,
			       .log_path = log,
			       .server = true,
			       .outlives_us = c->keep };
	char *lib = c->clock_skew_s ? local_faketime() : NULL, *preload = NULL, *skew = NULL;
	char *env[] = { NULL, NULL, (char *)"FAKETIME_DONT_FAKE_MONOTONIC=1", NULL };
	int rc = -1;

	if (c->clock_skew_s && !lib) {
		err_set(e, ERR_ENV, 0,
			"libfaketime is not installed: a wrong clock needs it (apt-get install "
			"faketime)");
		goto out;
	}
	if (lib) {
		preload = xstrfmt("LD_PRELOAD=%s", lib);
		skew = xstrfmt("FAKETIME=%+lld", (long long)c->clock_skew_s);
		/* what it waits for keeps its length: the wall clock alone is off */
		env[0] = preload;
		env[1] = skew;
		o.env = env;
	}
	if (local_user(&o.run_as, e) < 0)
		goto out;
	if (c->port < 0) {
		c->port = port_take(c->port_wanted, e);
		if (c->port < 0)
			goto out;
	}
	strcpy(c->ep.host, "127.0.0.1");
	strcpy(c->ep.user, "root");
	c->ep.port = (unsigned)c->port;
	if (data_make(c, o.run_as, e) < 0 || password_make(c, o.run_as, e) < 0 ||
	    write_conf(c, o.run_as, e) < 0)
		goto out;
	proc_free(c->server);
	c->server = proc_start(&o, e);
	rc = c->server ? 0 : -1;
out:
	free(lib);
	free(preload);
	free(skew);
	free(conf);
	free(log);
	return rc;
}

static int local_start_begin(struct cluster *c, struct err *e)
{
	if (fs_mkdir_p(c->dir, 0700, e) < 0 || fs_mkdir_p(c->log_dir, 0755, e) < 0)
		return -1;
	return spawn_server(c, e);
}

static bool log_says(const struct cluster *c, const char *what)
{
	struct strbuf tail = STRBUF_INIT;
	char *log = log_path(c);
	bool yes;

	proc_log_tail(log, 30, &tail);
	yes = strstr(tail.buf, what) != NULL;
	strbuf_release(&tail);
	free(log);
	return yes;
}

static int has_died(struct cluster *c, struct err *e)
{
	struct strbuf tail = STRBUF_INIT;
	char *log = log_path(c);

	proc_log_tail(log, 4, &tail);
	err_set(e, proc_killed_by_others(c->server) ? ERR_KILLED : ERR_ENV, 0,
		"mariadbd ended (%s): %s", proc_how(c->server),
		tail.len ? tail.buf : "its log is empty");
	strbuf_release(&tail);
	free(log);
	return -1;
}

/* A real query answers. */
static int is_ready(const struct cluster *c, struct err *e)
{
	struct sql *s = sql_open(&c->ep, deadline_in_ms(1000), e);
	uint64_t one = 0;

	if (s && sql_value_u64(s, &one, e, "SELECT 1") < 0)
		one = 0;
	sql_close(s);
	return one == 1;
}

static int local_start_wait(struct cluster *c, struct deadline d, struct err *e)
{
	struct err why = ERR_INIT;

	for (int tries = 1; !is_ready(c, &why);) {
		if (!proc_running(c->server)) {
			/* Somebody outside took the port between our choice and the server's bind:
			 * another one. */
			if (tries++ >= START_TRIES || !log_says(c, "Address already in use"))
				return has_died(c, e);
			port_release(c->port);
			c->port = -1;
			if (spawn_server(c, e) < 0)
				return -1;
		}
		if (pause_ms(20, d) < 0) {
			if (clock_cancelled())
				return err_set(e, ERR_CANCELLED, 0, "interrupted");
			return err_set(e, ERR_TIMEOUT, 0, "127.0.0.1:%d does not respond: %s",
				       c->port, why.text);
		}
	}
	/* A server that was killed and started again may have other things in its log than were
	 * read from it before: positions stay. */
	if (!c->sampler)
		c->sampler = tso_sampler_start(&c->ep, c->map_path, SAMPLE_MS, e);
	if (c->sampler && !c->map)
		c->map = tso_map_open(c->map_path, e);
	return c->sampler && c->map ? 0 : -1;
}

/* Complete when the port refuses. */
static int port_refuses(struct cluster *c, struct err *e)
{
	struct deadline d = deadline_in_ms(REFUSE_MS);

	while (!port_is_free(c->port))
		if (deadline_passed(d))
			return err_set(e, ERR_TIMEOUT, 0,
				       "port %d still accepts connections %d ms after the kill",
				       c->port, REFUSE_MS);
		else
			usleep(2000);
	return 0;
}

static void sampler_end(struct cluster *c)
{
	tso_sampler_stop(c->sampler);
	c->sampler = NULL;
}

static int local_kill(struct cluster *c, enum cluster_part part, int64_t *at_ns, struct err *e)
{
	struct proc *victims[1 + CLUSTER_FEEDS_MAX];
	size_t n = 0;

	if (part != CLUSTER_FEED && c->server)
		victims[n++] = c->server;
	for (size_t i = 0; part != CLUSTER_SERVER && i < CLUSTER_FEEDS_MAX; i++)
		if (c->feeds[i].feed)
			victims[n++] = feed_proc(c->feeds[i].feed);
	if (!n)
		return err_set(e, ERR_USAGE, 0, "it is not running");
	if (proc_kill_all(victims, n, at_ns, e) < 0)
		return -1;
	if (part != CLUSTER_SERVER)
		cluster_feeds_kill(c);
	if (part == CLUSTER_FEED)
		return 0;
	sampler_end(c);
	if (c->map && tso_map_refresh(c->map, e) < 0)
		return -1;
	return port_refuses(c, e);
}

static int local_pause(struct cluster *c, bool paused, struct err *e)
{
	if (!c->server)
		return err_set(e, ERR_USAGE, 0, "its server is not running");
	return proc_signal(c->server, paused ? SIGSTOP : SIGCONT, e);
}

static int local_stop(struct cluster *c, struct deadline d, struct err *e)
{
	if (cluster_feeds_stop(c, d, e) < 0)
		return -1;
	sampler_end(c);
	return c->server ? proc_stop(c->server, d, e) : 0;
}

static void local_release(struct cluster *c)
{
	/* Kept: it runs on, until `drtest clean`. Else its data goes with it, and it need not end
	 * in order. */
	if (c->keep && c->server && proc_running(c->server))
		proc_detach(c->server);
	else
		proc_free(c->server);
	c->server = NULL;
	sampler_end(c);
	if (c->port >= 0)
		port_release(c->port);
	guardian_path_forget(c->dir);
}

/* A server that was killed answers while it still rolls back what it found in flight: such
 * transactions have no client. */
static int wait_recovered(const struct sql_endpoint *ep, struct deadline d, struct err *e)
{
	struct sql *s = sql_open(ep, d, e);
	uint64_t left = 1;
	int rc = s ? 0 : -1;

	while (rc == 0) {
		rc = sql_value_u64(s, &left, e,
				   "SELECT COUNT(*) FROM information_schema.innodb_trx");
		if (rc == 0 && !left)
			break;
		if (rc == 0 && pause_ms(20, d) < 0)
			rc = err_set(e, clock_cancelled() ? ERR_CANCELLED : ERR_TIMEOUT, 0,
				     "%" PRIu64 " transactions are still being rolled back", left);
	}
	sql_close(s);
	return rc;
}

static void local_examine_end(struct cluster *c)
{
	if (!c->examiner)
		return;
	proc_stop(c->examiner, deadline_in_ms(20000), NULL);
	proc_free(c->examiner);
	c->examiner = NULL;
	port_release(c->examiner_port);
}

/* The data directory itself, not a copy: it may be large. What is written to it is the server's own
 * recovery. */
static int local_examine(struct cluster *c, struct deadline d, struct sql_endpoint *ep,
			 struct err *e)
{
	char *conf = xstrfmt("--defaults-file=%s/my.cnf", c->dir),
	     *log = xstrfmt("%s/%s-examined.log", c->log_dir, c->name), *port = NULL;
	char *sock = xstrfmt("--socket=%s/examined.sock", c->dir),
	     *pid = xstrfmt("--pid-file=%s/examined.pid", c->dir);
	char *name = xstrfmt("%s-examined", c->name);
	struct proc_opts o = { .name = name, .log_path = log, .server = true };
	struct err why = ERR_INIT;
	int rc = -1;

	if (c->examiner || (c->server && proc_running(c->server))) {
		err_set(e, ERR_USAGE, 0,
			"its server is running: the forensic check needs a dead "
			"one");
		goto out;
	}
	if (local_user(&o.run_as, e) < 0 || (c->examiner_port = port_take(0, e)) < 0)
		goto out;
	port = xstrfmt("--port=%d", c->examiner_port);
	char *argv[] = {
		(char *)"mariadbd",           conf, port, sock, pid, (char *)"--read-only=ON",
		(char *)"--skip-slave-start", NULL
	};

	o.argv = argv;
	c->examiner = proc_start(&o, e);
	if (!c->examiner) {
		port_release(c->examiner_port);
		goto out;
	}
	*ep = c->ep;
	ep->port = (unsigned)c->examiner_port;
	for (struct sql *s = NULL; !s;) {
		s = sql_open(ep, deadline_in_ms(1000), &why);
		sql_close(s);
		if (s)
			break;
		if (!proc_running(c->examiner)) {
			struct strbuf tail = STRBUF_INIT;

			proc_log_tail(log, 4, &tail);
			err_set(e, ERR_ENV, 0, "mariadbd on its data ended (%s): %s",
				proc_how(c->examiner), tail.buf);
			strbuf_release(&tail);
			goto out;
		}
		if (pause_ms(20, d) < 0) {
			err_set(e, clock_cancelled() ? ERR_CANCELLED : ERR_TIMEOUT, 0,
				"mariadbd on its data does not respond: %s", why.text);
			goto out;
		}
	}
	rc = wait_recovered(ep, d, e);
out:
	if (rc < 0)
		local_examine_end(c);
	free(conf);
	free(log);
	free(port);
	free(sock);
	free(pid);
	free(name);
	return rc;
}

/* The counterpart of TiDB's garbage collection: binary logs, which a changefeed reads, are kept
 * while it is off. */
static int local_set_gc(struct cluster *c, bool on, struct err *e)
{
	struct sql *s = sql_open(&c->ep, deadline_in_ms(10000), e);
	int rc = -1;

	if (s && sql_exec(s, e, "SET GLOBAL expire_logs_days = %d", on ? 7 : 0) >= 0)
		rc = 0;
	sql_close(s);
	return rc;
}

static int local_preflight(finding_fn *fn, void *arg)
{
	const char *user;
	struct err e = ERR_INIT, no_cache = ERR_INIT;
	char *found;
	int64_t space = fs_free_bytes("/var/tmp");
	int n = 0;

	found = proc_which("mariadbd");
	if (!found) {
		fn(arg, "mariadbd is not installed",
		   "make deps (or apt-get install mariadb-server-core)");
		n++;
	}
	free(found);
	found = proc_which("mariadb-install-db");
	if (!found) {
		fn(arg, "mariadb-install-db is not installed",
		   "make deps (or apt-get install mariadb-server-core)");
		n++;
	}
	free(found);
	if (local_user(&user, &e) < 0) {
		fn(arg, e.text, "useradd --system mysql");
		n++;
	}
	if (local_cache_check(&no_cache) < 0) {
		fn(arg, no_cache.text,
		   "it is for the servers' template: set HOME, or XDG_CACHE_HOME, to a directory "
		   "of yours");
		n++;
	}
	if (access("/var/tmp", W_OK | X_OK) < 0) {
		fn(arg, "/var/tmp is not writable",
		   "it is for the servers' data: chmod 1777 /var/tmp");
		n++;
	} else if (space >= 0 && space < SPACE_BYTES_MIN) {
		fn(arg, "less than 2 GiB are free in /var/tmp",
		   "it is for the servers' data: free some space; `drtest clean` removes what "
		   "earlier runs left");
		n++;
	}
	return n;
}

static int local_doctor(ground_say_fn *say, finding_fn *fn, void *arg)
{
	char free_text[80];

	ground_say_tool(say, arg, "mariadbd", proc_which("mariadbd"));
	if (fs_free_bytes("/var/tmp") >= 0) {
		snprintf(free_text, sizeof(free_text), "%.1f GiB free, for servers' data",
			 (double)fs_free_bytes("/var/tmp") / (1 << 30));
		say(arg, "ok", "/var/tmp", free_text);
	}
	return local_preflight(fn, arg);
}

static void local_plan(enum ability v, const struct ground_plan *p, struct strbuf *out)
{
	switch (v) {
	case ABLE_RESTART:
		strbuf_addf(out,
			    "start %s: clone the data template to /var/tmp/drtest-<run>/%s; "
			    "mariadbd --defaults-file=…/my.cnf --bind-address=127.0.0.1 --port=%s",
			    p->cluster, p->cluster, p->port ? "the given one" : "<free>");
		return;
	case ABLE_GC:
		strbuf_addf(out, "%s: SET GLOBAL expire_logs_days = %d   # TiDB: tidb_gc_enable",
			    p->cluster, p->on ? 7 : 0);
		return;
	case ABLE_BACKUP:
		strbuf_addf(
			out,
			"%s: START TRANSACTION WITH CONSISTENT SNAPSHOT on each connection; chunks to %s at most %g MB/s, the manifest last   "
			"# TiDB: BACKUP DATABASE *",
			p->cluster, p->uri, p->rate_mb);
		return;
	case ABLE_RESTORE:
		strbuf_addf(
			out,
			"%s: verify every chunk of %s, then CREATE TABLE and LOAD DATA   # TiDB: RESTORE DATABASE *",
			p->cluster, p->uri);
		return;
	case ABLE_CHANGEFEED:
		strbuf_addf(
			out,
			"drtest feed: %s → %s from start_ts, consistent.level = %s, redo log %s",
			p->cluster, p->sink, *p->uri ? "eventual" : "none", p->uri);
		return;
	default: ground_plan_kill(p, out);
	}
}

static const struct cluster_ops ops = {
	.start_begin = local_start_begin,
	.start_wait = local_start_wait,
	.kill = local_kill,
	.pause = local_pause,
	.stop = local_stop,
	.release = local_release,
	.set_gc = local_set_gc,
	.redo_time_zone = "+00:00",
	.examine = local_examine,
	.examine_end = local_examine_end,
};
const struct ground ground_local = {
	.name = "local",
	.about = "MariaDB servers that drtest starts",
	.cluster = &ops,
	.here = true,
	.preflight = local_preflight,
	.doctor = local_doctor,
	.plan = local_plan,
};

#include "harness/net/minio.h"

#include <curl/curl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/base/xalloc.h"
#include "harness/os/fs.h"

/* with new ports, when one was taken between our look and the server's bind */
#define STARTS_MAX 5
#define GRACE_MS 5000

struct minio {
	struct proc *proc;
	const char *run_as; /* root's store runs as somebody who may do less */
	char *bin;
	int port, console_port;
};

/* A cache may lie where others could have made it first (HOME=/tmp). */
static bool is_own(const char *path)
{
	char *dir = xstrdup(path), *slash = strrchr(dir, '/');
	struct stat file, folder;
	bool own;

	if (slash)
		*slash = '\0';
	own = stat(path, &file) == 0 && stat(*dir ? dir : "/", &folder) == 0 &&
	      (file.st_uid == geteuid() || !file.st_uid) &&
	      (folder.st_uid == geteuid() || !folder.st_uid) &&
	      !((file.st_mode | folder.st_mode) & 02);
	free(dir);
	return own;
}

char *minio_find(struct err *e)
{
	const char *given = getenv("DRTEST_MINIO"), *cache = getenv("XDG_CACHE_HOME"),
		   *home = getenv("HOME");
	char *path, *found;

	if (given && *given) {
		if (strchr(given, '/') && (found = proc_which(given)))
			return found;
		err_set(e, ERR_ENV, 0, "$DRTEST_MINIO is '%s', which is not an executable file",
			given);
		return NULL;
	}
	found = proc_which("minio");
	if (found)
		return found;
	path = cache && *cache ? xstrfmt("%s/drtest/bin/minio", cache)
			       : xstrfmt("%s/.cache/drtest/bin/minio", home ? home : "/root");
	found = proc_which(path);
	if (found && !is_own(found)) {
		err_set(e, ERR_ENV, 0,
			"%s, or its folder, is another user's, or others may write to it: it is not run (remove it, or DRTEST_MINIO=PATH)",
			found);
		free(found);
		found = NULL;
	} else if (!found)
		err_set(e, ERR_ENV, 0,
			"MinIO is not installed (looked in $DRTEST_MINIO, PATH and %s). 'make deps' installs it, or "
			"GOBIN=%.*s go install github.com/minio/minio@latest",
			path, (int)(strlen(path) - strlen("/minio")), path);
	free(path);
	return found;
}

static size_t ignore(char *data, size_t size, size_t n, void *arg)
{
	(void)data, (void)size, (void)arg;
	return n;
}

static bool is_ready(CURL *curl, int port)
{
	char url[64];
	long status = 0;

	snprintf(url, sizeof(url), "http://127.0.0.1:%d/minio/health/ready", port);
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, 1000L);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, ignore);
	if (curl_easy_perform(curl) != CURLE_OK)
		return false;
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	return status == 200;
}

/* 1: ready, 0: it ended, -1: error. */
static int wait_ready(struct minio *m, struct deadline d, struct err *e)
{
	CURL *curl = curl_easy_init();
	int rc = -1;

	while (curl) {
		if (!proc_running(m->proc)) {
			rc = 0;
			break;
		}
		/* another MinIO may answer on that port: then ours will say so, and end */
		if (is_ready(curl, m->port) && port_is_of(m->port, proc_pid(m->proc)) != 0) {
			rc = proc_running(m->proc) ? 1 : 0;
			break;
		}
		if (pause_ms(20, d) < 0) {
			err_set(e, clock_cancelled() ? ERR_CANCELLED : ERR_TIMEOUT, 0,
				"MinIO was not ready on 127.0.0.1:%d in time", m->port);
			break;
		}
	}
	curl_easy_cleanup(curl);
	return rc;
}

static void stop(struct minio *m)
{
	if (m->proc)
		proc_stop(m->proc, deadline_in_ms(GRACE_MS), NULL);
	proc_free(m->proc);
	m->proc = NULL;
	if (m->port > 0)
		port_release(m->port);
	if (m->console_port > 0)
		port_release(m->console_port);
	m->port = m->console_port = 0;
}

/* Can any user execute it? */
static bool for_all(const char *path)
{
	char dir[4096];
	struct stat st;

	if (stat(path, &st) < 0 || (st.st_mode & 05) != 05 ||
	    (size_t)snprintf(dir, sizeof(dir), "%s", path) >= sizeof(dir))
		return false;
	for (char *slash; (slash = strrchr(dir, '/')) && slash != dir;) {
		*slash = 0;
		if (stat(dir, &st) < 0 || !(st.st_mode & 01))
			return false;
	}
	return true;
}

/* As root: the data belongs to an unprivileged user, and the binary is where that one can execute
 * it. */
static int become_less(struct minio *m, const struct minio_opts *o, struct err *e)
{
	struct passwd *pw;
	char *near;

	if (geteuid() != 0)
		return 0;
	pw = getpwnam("mysql") ? getpwnam("mysql") : getpwnam("nobody");
	if (!pw)
		return 0;
	if (fs_chown_tree(o->data_dir, pw->pw_uid, pw->pw_gid, e) < 0)
		return -1;
	if (!for_all(m->bin)) {
		near = xstrfmt("%s.minio", o->data_dir);
		if (!for_all(near)) {
			unlink(near);
			if (link(m->bin, near) < 0 && fs_copy_tree(m->bin, near, e) < 0) {
				free(near);
				return -1;
			}
		}
		/* a directory on the way is root's alone: then nobody else reaches the data
		 * either */
		if (!for_all(near)) {
			free(near);
			return fs_chown_tree(o->data_dir, 0, 0, e);
		}
		free(m->bin);
		m->bin = near;
	}
	m->run_as = pw->pw_name[0] == 'm' ? "mysql" : "nobody";
	return 0;
}

static int start_once(struct minio *m, const struct minio_opts *o, int wanted, struct deadline d,
		      struct err *e)
{
	char *env[] = { xstrfmt("MINIO_ROOT_USER=%s", o->user),
			xstrfmt("MINIO_ROOT_PASSWORD=%s", o->password),
			xstrdup("MINIO_UPDATE=off"),
			xstrdup("MINIO_BROWSER=off"),
			xstrfmt("HOME=%s", o->data_dir),
			NULL };
	char address[32], console[32];
	struct proc_opts po = { .name = "store",
				.env = env,
				.log_path = o->log_path,
				.server = true,
				.run_as = m->run_as,
				.outlives_us = o->outlives_us };
	char *certs = xstrfmt("%s.certs", o->data_dir); /* none; it looks for some */
	int rc = -1;

	if (m->port <= 0)
		m->port = port_take(wanted, e);
	if (m->console_port <= 0)
		m->console_port = m->port < 0 ? -1 : port_take(0, e);
	if (m->port < 0 || m->console_port < 0)
		goto out;
	snprintf(address, sizeof(address), "127.0.0.1:%d", m->port);
	snprintf(console, sizeof(console), "127.0.0.1:%d", m->console_port);
	po.argv = (char *[]){ m->bin,      "server", (char *)o->data_dir, "--certs-dir", certs,
			      "--address", address,  "--console-address", console,       NULL };
	m->proc = proc_start(&po, e);
	if (m->proc)
		rc = wait_ready(m, d, e);
out:
	free(certs);
	explicit_bzero(env[1], strlen(env[1]));
	for (size_t i = 0; env[i]; i++)
		free(env[i]);
	return rc;
}

/* Its last FATAL line follows a long stack; without one, the end of the log. */
static const char *find_reason(const char *tail)
{
	const char *at = NULL;
	size_t n = strlen(tail);

	for (const char *p = tail; (p = strstr(p, "FATAL")); p++)
		at = p;
	return at ? at : tail + (n > 600 ? n - 600 : 0);
}

struct minio *minio_start(const struct minio_opts *o, struct deadline d, struct err *e)
{
	struct minio *m = xcalloc(1, sizeof(*m));
	struct strbuf tail = STRBUF_INIT;
	int rc = -1;

	m->bin = minio_find(e);
	if (!m->bin || fs_mkdir_p(o->data_dir, 0700, e) < 0 || become_less(m, o, e) < 0)
		goto out;
	if (strlen(o->user) < 3 || strlen(o->password) < 8) {
		err_set(e, ERR_USAGE, 0,
			"MinIO requires a user of at least 3 and a password of at least 8 "
			"characters");
		goto out;
	}
	for (int i = 0; i < STARTS_MAX; i++) {
		rc = start_once(m, o, i == 0 ? o->port : 0, d, e);
		if (rc != 0)
			break;
		strbuf_reset(&tail);
		proc_log_tail(o->log_path, 20, &tail);
		rc = err_set(e, ERR_ENV, 0, "MinIO failed to start (%s): %s", proc_how(m->proc),
			     find_reason(tail.buf));
		if (!strstr(tail.buf, "in use"))
			break;
		stop(m);
	}
out:
	strbuf_release(&tail);
	if (rc > 0)
		return m;
	minio_free(m);
	return NULL;
}

int minio_restart(struct minio *m, const struct minio_opts *o, struct deadline d, struct err *e)
{
	struct strbuf tail = STRBUF_INIT;
	int rc;

	proc_free(m->proc);
	m->proc = NULL;
	rc = start_once(m, o, m->port, d, e);
	if (rc == 0) {
		proc_log_tail(o->log_path, 20, &tail);
		rc = err_set(e, ERR_ENV, 0, "MinIO failed to start (%s): %s", proc_how(m->proc),
			     find_reason(tail.buf));
	}
	strbuf_release(&tail);
	return rc > 0 ? 0 : -1;
}

int minio_port(const struct minio *m)
{
	return m->port;
}

struct proc *minio_proc(struct minio *m)
{
	return m->proc;
}

void minio_detach(struct minio *m)
{
	if (!m)
		return;
	proc_detach(m->proc);
	port_release(m->port);
	port_release(m->console_port);
	free(m->bin);
	free(m);
}

void minio_free(struct minio *m)
{
	if (!m)
		return;
	stop(m);
	free(m->bin);
	free(m);
}

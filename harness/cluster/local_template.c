#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <fcntl.h>
#include <unistd.h>

#include "harness/base/strbuf.h"
#include "harness/base/xalloc.h"
#include "harness/cluster/cluster_impl.h"
#include "harness/os/fs.h"

#define TEMPLATE_SCHEMA 1 /* another way of making it gets another number */
#define INSTALL_MS 120000

int local_user(const char **user, struct err *e)
{
	*user = NULL;
	if (geteuid() != 0)
		return 0;
	*user = getpwnam("mysql") ? "mysql" : getpwnam("nobody") ? "nobody" : NULL;
	if (!*user)
		return err_set(
			e, ERR_ENV, 0,
			"drtest runs as root, and there is no unprivileged user (mysql, nobody) "
			"to run MariaDB as");
	return 0;
}

#define SET_CACHE "set XDG_CACHE_HOME"

/* A place of our own that the server's user can read through us (we copy): the template itself is
 * never opened by a server. */
static char *cache_dir(void)
{
	const char *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	struct passwd *pw = home && home[0] == '/' ? NULL : getpwuid(geteuid());

	if (xdg && xdg[0] == '/')
		return xstrfmt("%s/drtest", xdg);
	if (pw && pw->pw_dir && pw->pw_dir[0] == '/' && access(pw->pw_dir, W_OK) == 0)
		home = pw->pw_dir;
	return home && home[0] == '/' ? xstrfmt("%s/.cache/drtest", home)
				      : xstrfmt("/var/tmp/drtest-cache-%u", (unsigned)geteuid());
}

/* "mariadbd  Ver 10.11.11-MariaDB-0+deb12u1 for ..." to "10.11.11-MariaDB-0+deb12u1" */
static int server_version(char out[128], struct err *e)
{
	char *argv[] = { (char *)"mariadbd", (char *)"--no-defaults", (char *)"--version", NULL };
	struct strbuf text = STRBUF_INIT;
	const char *p;
	size_t n;
	int rc = -1;

	if (proc_run(argv, NULL, &text, 4096, deadline_in_ms(10000), e) < 0)
		goto out;
	p = strstr(text.buf, "Ver ");
	n = p ? strcspn(p + 4, " \n") : 0;
	if (!n || n >= 128 ||
	    strspn(p + 4, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.+-~:_") <
		    n) {
		err_set(e, ERR_ENV, 0, "mariadbd --version says '%.80s'", text.buf);
		goto out;
	}
	memcpy(out, p + 4, n);
	out[n] = 0;
	rc = 0;
out:
	strbuf_release(&text);
	return rc;
}

static int template_make(const char *path, struct err *e)
{
	char *tmp = xstrfmt("%s.new", path), *data = xstrfmt("--datadir=%s", tmp),
	     *scratch = xstrfmt("%s.tmp", path), *scratch_arg = xstrfmt("--tmpdir=%s", scratch);
	/* root@localhost without a password: each clone gets one of its own before it listens
	 * (local.c). The smallest files that InnoDB takes: what is cloned for each cluster should
	 * be little. */
	char *argv[] = { (char *)"mariadb-install-db",
			 (char *)"--no-defaults",
			 (char *)"--auth-root-authentication-method=normal",
			 (char *)"--skip-test-db",
			 (char *)"--skip-name-resolve",
			 (char *)"--innodb-log-file-size=16M",
			 (char *)"--innodb-buffer-pool-size=32M",
			 data,
			 scratch_arg,
			 NULL };
	struct strbuf out = STRBUF_INIT;
	int rc = -1;

	/* A tmpdir of its own: a server that starts elsewhere clears temporary tables in a shared
	 * one. */
	if (fs_remove_tree(tmp, e) < 0 || fs_mkdir_p(scratch, 0700, e) < 0)
		goto out;
	if (proc_run(argv, NULL, &out, 1 << 20, deadline_in_ms(INSTALL_MS), e) < 0) {
		err_wrap(e, "create a MariaDB data directory");
		if (e)
			e->kind = ERR_ENV;
		goto out;
	}
	if (rename(tmp, path) < 0) {
		err_sys(e, "rename %s", tmp);
		goto out;
	}
	rc = 0;
out:
	if (rc < 0)
		fs_remove_tree(tmp, NULL);
	fs_remove_tree(scratch, NULL);
	strbuf_release(&out);
	free(scratch);
	free(scratch_arg);
	free(tmp);
	free(data);
	return rc;
}

int local_cache_check(struct err *e)
{
	char *dir = cache_dir();
	int rc = fs_own_folder(dir, 0755, SET_CACHE, e);

	free(dir);
	return rc;
}

int local_template(char **path, struct err *e)
{
	char version[128], *dir = cache_dir(), *lock = xstrfmt("%s/mariadb.lock", dir);
	int fd = -1, rc = -1;

	*path = NULL;
	/* a template runs SQL in our servers */
	if (server_version(version, e) < 0 || fs_own_folder(dir, 0755, SET_CACHE, e) < 0)
		goto out;
	fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 || flock(fd, LOCK_EX) < 0) { /* two drtests make one template */
		err_sys(e, "lock %s", lock);
		goto out;
	}
	*path = xstrfmt("%s/mariadb-%s-%d", dir, version, TEMPLATE_SCHEMA);
	if (!fs_exists(*path) && template_make(*path, e) < 0)
		goto out;
	rc = 0;
out:
	if (fd >= 0)
		close(fd);
	if (rc < 0) {
		free(*path);
		*path = NULL;
	}
	free(lock);
	free(dir);
	return rc;
}

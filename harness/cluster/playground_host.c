/* The machine that playgrounds run on: tiup and its folder, what has to be there before a run, and
 * what dead runs have left. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "harness/base/xalloc.h"
#include "harness/cluster/playground_impl.h"
#include "harness/os/fs.h"
#include "harness/os/proc.h"

#define META_BYTES_MAX 65536
#define SPACE_BYTES_MIN ((int64_t)4 << 30)

char *playground_tiup_home(void)
{
	const char *set = getenv("TIUP_HOME"), *home = getenv("HOME");

	return set && *set ? xstrdup(set) : xstrfmt("%s/.tiup", home ? home : "");
}

/* tiup before 1.16.5 puts its note (with the whole environment, secrets too) not into the data
 * folder but below TIUP_HOME/data once more by its whole path. Removed with the folders on the way
 * that are empty then. */
char *playground_strayed(const char *data)
{
	char *home = playground_tiup_home(), *path = xstrfmt("%s/data%s", home, data);

	free(home);
	return path;
}

void playground_remove_strayed(const char *data)
{
	char *path = playground_strayed(data), *home = playground_tiup_home(),
	     *top = xstrfmt("%s/data", home);

	if (fs_exists(path)) {
		fs_remove_tree(path, NULL);
		for (char *end; (end = strrchr(path, '/'));) {
			*end = '\0';
			if (strlen(path) <= strlen(top) || rmdir(path) < 0)
				break;
		}
	}
	free(path);
	free(home);
	free(top);
}

/* The newest that lies in the cache: nothing has to be downloaded then. */
struct newest {
	unsigned v[3];
	char text[64];
};

static int keep_newer(void *arg, const char *name, struct err *e)
{
	struct newest *best = arg;
	unsigned v[3];

	(void)e;
	if (*name == 'v' && strlen(name) < sizeof(best->text) && tool_version_parse(name, v) == 0 &&
	    tool_version_cmp(v, best->v[0], best->v[1], best->v[2]) > 0) {
		memcpy(best->v, v, sizeof(v));
		snprintf(best->text, sizeof(best->text), "%s", name);
	}
	return 0;
}

char *playground_cached(const char *component)
{
	char *home = playground_tiup_home(), *dir = xstrfmt("%s/components/%s", home, component);
	struct newest best = { 0 };

	if (fs_exists(dir))
		fs_list(dir, keep_newer, &best, NULL);
	free(home);
	free(dir);
	return best.text[0] ? xstrdup(best.text) : NULL;
}

char *playground_new_ticdc(void)
{
	const char *set = getenv("DRTEST_TICDC");
	char *home = playground_tiup_home(), *newest = playground_cached("cdc"), *path = NULL;
	unsigned v[3];

	if (set && *set)
		path = xstrdup(set);
	else if (newest && tool_version_parse(newest, v) == 0 && tool_version_cmp(v, 8, 5, 4) >= 0)
		path = xstrfmt("%s/components/cdc/%s/cdc", home, newest);
	free(home);
	free(newest);
	return path;
}

struct cleaning {
	const char *runs;
	char *data; /* TIUP_HOME/data */
	void (*fn)(void *arg, const char *what);
	void *arg;
	bool dry_run;
	int n;
};

/* A run's name as drtest gives it, "drtest-20261128T034527Z-…", in a folder of ours: others may be
 * called drtest-something too. */
static bool is_ours(const char *tag, const char *data)
{
	static const char form[] = "drtest-00000000T000000Z-";
	struct stat st;

	for (size_t i = 0; form[i]; i++)
		if (form[i] == '0' ? tag[i] < '0' || tag[i] > '9' : tag[i] != form[i])
			return false;
	return lstat(data, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid();
}

/* By a descriptor, looked at behind it: the number alone may be another process's by the time of
 * the signal. */
static void kill_if_of(pid_t pid, const char *data)
{
	static const char *const told[] = { "environ", "cmdline" };
	char path[64];
	struct stat st;
	bool is = false;
	int fd = pidfd_open(pid, 0);

	snprintf(path, sizeof(path), "/proc/%d", (int)pid);
	for (unsigned i = 0; fd >= 0 && i < 2 && stat(path, &st) == 0 && st.st_uid == geteuid();
	     i++) {
		struct strbuf text = STRBUF_INIT;

		snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, told[i]);
		is = is || (fs_read_file(path, (size_t)1 << 20, &text, NULL) == 0 &&
			    playground_belongs(text.buf, text.len, data));
		strbuf_release(&text);
	}
	if (is)
		pidfd_send_signal(fd, SIGKILL, NULL, 0);
	if (fd >= 0)
		close(fd);
}

/* A playground is its drtest's child, or its tiup's who is: as long as that one lives it is in use,
 * though its run's folder may be out of sight (another mount namespace). */
static bool is_in_use(pid_t pid)
{
	for (pid_t at = proc_parent(pid); at > 1; at = proc_parent(at)) {
		struct strbuf name = STRBUF_INIT;
		char path[64];
		bool is;

		snprintf(path, sizeof(path), "/proc/%d/comm", (int)at);
		is = fs_read_file(path, 64, &name, NULL) == 0 && !strncmp(name.buf, "drtest", 6);
		strbuf_release(&name);
		if (is)
			return true;
	}
	return false;
}

/* Is there a run's directory whose name the tag begins with? */
static int is_run_of(void *arg, const char *name, struct err *e)
{
	const char **tag = arg;
	size_t n = strlen(name);

	(void)e;
	if (*tag && !strncmp(name, "drtest-", 7) && n > 7 && !strncmp(*tag, name, n) &&
	    (*tag)[n] == '-')
		*tag = NULL;
	return 0;
}

static int clean_one(void *arg, const char *tag, struct err *e)
{
	struct cleaning *k = arg;
	struct playground p = { .data = xstrfmt("%s/%s", k->data, tag) };
	struct component left[PLAYGROUND_COMPONENTS_MAX];
	struct strbuf meta = STRBUF_INIT;
	const char *run = tag;
	char *here = xstrfmt("%s/tiup_process_meta", p.data), *there = playground_strayed(p.data),
	     *elsewhere = xstrfmt("%s/tiup_process_meta", there);
	char *file = fs_exists(here) ? here : elsewhere, *what = xstrfmt("playground %s", tag);
	pid_t pid = 0;

	(void)e;
	if (!is_ours(tag, p.data))
		goto out;
	if (fs_exists(k->runs))
		fs_list(k->runs, is_run_of, &run, NULL);
	if (!run) /* it lives, or is kept */
		goto out;
	if (fs_read_file(file, META_BYTES_MAX, &meta, NULL) < 0 ||
	    playground_meta_pid(meta.buf, meta.len, &pid) < 0)
		pid = 0;
	if (pid && is_in_use(pid))
		goto out;
	if (k->dry_run) {
		k->fn(k->arg, what);
		k->n++;
		goto out;
	}
	/* playground first: its components go with it. The pid may be a stranger's by now: it has
	 * to know the tag. */
	if (pid)
		kill_if_of(pid, p.data);
	for (unsigned i = playground_components(&p, left); i--;)
		kill_if_of(left[i].pid, p.data);
	playground_remove_strayed(p.data);
	if (fs_remove_tree(p.data, NULL) == 0) {
		k->fn(k->arg, what);
		k->n++;
	}
out:
	strbuf_release(&meta);
	free(p.data);
	free(here);
	free(there);
	free(elsewhere);
	free(what);
	return 0;
}

int playground_clean(const char *runs, bool dry_run, void (*fn)(void *arg, const char *what),
		     void *arg)
{
	char *home = playground_tiup_home();
	struct cleaning k = { .runs = runs,
			      .data = xstrfmt("%s/data", home),
			      .dry_run = dry_run,
			      .fn = fn,
			      .arg = arg };

	if (fs_exists(k.data))
		fs_list(k.data, clean_one, &k, NULL);
	free(home);
	free(k.data);
	return k.n;
}

static char remark[700]; /* of the preflight: what does not stand in the way and should be known */

const char *playground_remark(void)
{
	return remark;
}

/* TiDB makes indexes in its temp-dir, and refuses (8256) where less than a tenth is free, however
 * much that is. */
static void remark_on_index_space(void)
{
	const char *dir = fs_exists("/tmp/tidb") ? "/tmp/tidb" : "/tmp";
	size_t n = strlen(remark);
	struct statvfs v;

	if (statvfs(dir, &v) == 0 && v.f_bavail < v.f_blocks / 10)
		snprintf(remark + n, sizeof(remark) - n,
			 "%sless than a tenth of the file system of %s is free: TiDB builds "
			 "indexes in /tmp/tidb and then refuses CREATE INDEX (8256) (fix: free "
			 "some space, or mount a separate file system there)",
			 n ? "; " : "", dir);
}

int playground_preflight(finding_fn *fn, void *arg)
{
	char *tiup = proc_which("tiup"), *home = playground_tiup_home(),
	     *root = xstrfmt("%s/bin/root.json", home), text[700];
	char *argv[] = { tiup, (char *)"--version", NULL };
	struct strbuf out = STRBUF_INIT;
	struct err e = ERR_INIT;
	int64_t space;
	unsigned v[3];
	int n = 0;

	if (!tiup) {
		fn(arg, "tiup is not on PATH",
		   "curl --proto '=https' --tlsv1.2 -sSf "
		   "https://tiup-mirrors.pingcap.com/install.sh | sh; or use --on local");
		n++;
		goto out;
	}
	if (proc_run(argv, NULL, &out, 4096, deadline_in_ms(20000), &e) < 0) {
		fn(arg, e.text, "tiup update --self");
		n++;
	} else if (tool_version_parse(out.buf, v) < 0 || tool_version_cmp(v, 1, 16, 1) < 0) {
		snprintf(text, sizeof(text),
			 "tiup says '%.*s': two playgrounds on one host need --port-offset, "
			 "available since 1.16.1",
			 (int)strcspn(out.buf, "\n"), out.buf);
		fn(arg, text, "tiup update --self && tiup update playground");
		n++;
	}
	remark[0] = '\0';
	if (!n && tool_version_cmp(v, 1, 16, 5) < 0)
		snprintf(remark, sizeof(remark),
			 "tiup %u.%u.%u: do not run `tiup status` or `tiup clean` during the "
			 "run: they mistake running clusters for abandoned ones and remove their "
			 "data (fix: tiup update --self, to 1.16.5)",
			 v[0], v[1], v[2]);
	remark_on_index_space();
	if (!fs_exists(root)) {
		snprintf(text, sizeof(text),
			 "%s does not exist: playground opens the mirror's manifest first", root);
		fn(arg, text,
		   "tiup mirror set https://tiup-mirrors.pingcap.com (or the TIUP_HOME that tiup was installed into)");
		n++;
	}
	space = fs_free_bytes(fs_exists(home) ? home : "/var/tmp");
	if (space >= 0 && space < SPACE_BYTES_MIN) {
		snprintf(text, sizeof(text), "less than 4 GiB are free in %s", home);
		fn(arg, text,
		   "it is for the clusters' data and components: free some space, or set "
		   "TIUP_HOME");
		n++;
	}
out:
	free(tiup);
	free(home);
	free(root);
	strbuf_release(&out);
	return n;
}

bool playground_is_default(void)
{
	char *tiup = proc_which("tiup");

	free(tiup);
	return tiup;
}

/* What would be taken from tiup's cache, and what would be downloaded. */
int playground_doctor(ground_say_fn *say, finding_fn *fn, void *arg)
{
	static const char *const components[] = { "playground", "pd", "tikv", "tidb", "cdc", "br" };
	enum { N = sizeof(components) / sizeof(components[0]), TIDB = 3 };
	char *tiup = proc_which("tiup"), *cached[N], text[200];
	int n;

	if (!tiup) {
		say(arg, "absent", "tiup",
		    "not on PATH: https://tiup.io; the local ground does not need it");
		return 0;
	}
	ground_say_tool(say, arg, "tiup", tiup);
	for (size_t i = 0; i < N; i++)
		cached[i] = playground_cached(components[i]);
	for (size_t i = 0; i < N; i++) {
		bool other = i && cached[i] && cached[TIDB] && strcmp(cached[i], cached[TIDB]) != 0;

		if (!cached[i])
			snprintf(text, sizeof(text), "is not cached: the first run downloads it%s",
				 !strcmp(components[i], "br") ? " (only for --set backup=br)" : "");
		else if (other)
			snprintf(text, sizeof(text),
				 "%s is cached, tidb is %s: that version of it would be downloaded",
				 cached[i], cached[TIDB]);
		else
			snprintf(text, sizeof(text), "%s cached", cached[i]);
		say(arg, cached[i] && !other ? "ok" : "note", components[i], text);
	}
	for (size_t i = 0; i < N; i++)
		free(cached[i]);
	n = playground_preflight(fn, arg);
	if (*playground_remark())
		say(arg, "note", "tiup", playground_remark());
	return n;
}

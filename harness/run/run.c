#include "harness/run/run.h"

#include <curl/curl.h>
#include <errno.h>
#include <limits.h>
#include <luajit.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "harness/base/secret.h"
#include "harness/base/xalloc.h"
#include "harness/cluster/undo.h"
#include "harness/net/minio.h"
#include "harness/os/fs.h"
#include "harness/os/proc.h"
#include "harness/run/data_dir.h"
#include "harness/run/lua_args.h"
#include "harness/run/owned.h"
#include "harness/run/preflight.h"
#include "harness/run/runtime_impl.h"
#include "harness/run/scenario.h"

#define FOLDER_TRIES 100
#define LOG_TAIL_LINES 15 /* of each process, if a run fails */
#define VERSION_MS 5000
#define PLAN_S 1 /* for the plan before a run on clusters that drtest creates */
#define CAUSE_MS 1000

struct run {
	const struct run_opts *o;
	struct runtime rt;
	struct scenario scenario;
	struct console console;
	int lock_fd;
	unsigned left; /* entries: what the run left on clusters that stay */
};

static const struct {
	const char *text;
	size_t at;
} tools[] = {
	{ "replay=stock", offsetof(struct run_tools, replay_stock) },
	{ "replay=both", offsetof(struct run_tools, replay_both) },
	{ "compare=sync_diff_inspector", offsetof(struct run_tools, compare) },
	{ "backup=br", offsetof(struct run_tools, br) },
	{ "load=sysbench", offsetof(struct run_tools, sysbench) },
	{ "ticdc=new", offsetof(struct run_tools, new_ticdc) },
};

int run_tool_set(struct run_tools *t, const char *text)
{
	for (size_t i = 0; i < sizeof(tools) / sizeof(tools[0]); i++)
		if (!strcmp(tools[i].text, text)) {
			*(bool *)((char *)t + tools[i].at) = true;
			return 1;
		}
	return 0;
}

static void add_finding(void *arg, const char *what, const char *way_out)
{
	struct strbuf *s = arg;

	strbuf_addstr(s, "  - ");
	secret_line(s, what);
	strbuf_addstr(s, "\n    fix: ");
	secret_line(s, way_out);
	strbuf_addch(s, '\n');
}

/* Appends the word, quoted for a shell if necessary. */
static void add_word(struct strbuf *s, const char *word)
{
	if (word[strspn(
		    word,
		    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./=:,+%@")] ==
		    '\0' &&
	    *word) {
		strbuf_addf(s, " %s", word);
		return;
	}
	strbuf_addstr(s, " '");
	for (; *word; word++)
		if (*word == '\'')
			strbuf_addstr(s, "'\\''");
		else
			strbuf_addch(s, *word);
	strbuf_addch(s, '\'');
}

static char *repeat_command(const struct run_opts *o)
{
	struct strbuf raw = STRBUF_INIT, s = STRBUF_INIT;

	strbuf_addstr(&raw, "drtest run");
	add_word(&raw, o->file);
	strbuf_addf(&raw, " --on %s --seed %llu", o->ground->name, (unsigned long long)o->seed);
	if (o->store == RUN_STORE_FILE)
		strbuf_addstr(&raw, " --store file");
	if (o->clusters) {
		strbuf_addstr(&raw, " --clusters");
		add_word(&raw, o->clusters);
	}
	if (o->max_rpo_ms >= 0)
		strbuf_addf(&raw, " --max-rpo %lldms", (long long)o->max_rpo_ms);
	if (o->max_lost >= 0)
		strbuf_addf(&raw, " --max-rpo %lldtx", (long long)o->max_lost);
	if (o->max_rto_ms >= 0)
		strbuf_addf(&raw, " --max-rto %lldms", (long long)o->max_rto_ms);
	for (size_t i = 0; i < sizeof(tools) / sizeof(tools[0]); i++)
		if (*(const bool *)((const char *)&o->tools + tools[i].at))
			strbuf_addf(&raw, " --set %s", tools[i].text);
	if (o->tidb_version)
		strbuf_addf(&raw, " --tidb-version %s", o->tidb_version);
	for (const char *const *set = o->set; set && *set; set++) {
		strbuf_addstr(&raw, " --set");
		add_word(&raw, *set);
	}
	secret_redact(&s, raw.buf);
	strbuf_release(&raw);
	return strbuf_detach(&s);
}

/* Creates RUNS/<UTC>-<scenario>-<seed>/ with its subdirectories, and the data directory of the same
 * name. */
static int make_folders(struct run *r, struct err *e)
{
	const struct run_opts *o = r->o;
	struct strbuf name = STRBUF_INIT;
	char out[PATH_MAX], stamp[32], *path;
	time_t now = time(NULL);
	struct tm tm;
	int rc = -1;

	if (fs_mkdir_p(o->out, 0700, e) < 0 || !realpath(o->out, out))
		return e->kind ? -1 : err_sys(e, "%s", o->out);
	gmtime_r(&now, &tm);
	strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", &tm);
	for (int i = 1; i <= FOLDER_TRIES; i++) {
		strbuf_reset(&name);
		strbuf_addf(&name, "%s-%s-%llu", stamp, r->scenario.name,
			    (unsigned long long)o->seed);
		if (i > 1)
			strbuf_addf(&name, ".%d", i);
		free(r->rt.dir);
		r->rt.dir = xstrfmt("%s/%s", out, name.buf);
		if (mkdir(r->rt.dir, 0700) == 0)
			break;
		if (errno != EEXIST || i == FOLDER_TRIES) {
			err_sys(e, "create the run directory %s", r->rt.dir);
			free(r->rt.dir);
			r->rt.dir = NULL;
			goto out;
		}
	}
	path = xstrfmt("%s/logs", r->rt.dir);
	rc = fs_mkdir_p(path, 0700, e);
	free(path);
	r->rt.ledger_dir = xstrfmt("%s/ledger", r->rt.dir);
	if (rc == 0)
		rc = fs_mkdir_p(r->rt.ledger_dir, 0700, e);
	path = xstrfmt("%s/scenario.lua", r->rt.dir);
	if (rc == 0)
		rc = fs_write_atomic(path, r->scenario.source, r->scenario.source_bytes, 0600, e);
	free(path);
	if (rc == 0)
		rc = r->lock_fd = data_dir_make(name.buf, !o->keep, &r->rt.data_dir, e);
	if (rc >= 0) {
		rc = 0;
		if (o->keep)
			data_dir_keep(r->rt.data_dir);
	}
out:
	strbuf_release(&name);
	return rc;
}

static json_t *note_versions(const struct run_opts *o)
{
	json_t *v = json_object();
	struct utsname u;
	char *minio;

	json_object_set_new(v, "drtest", json_string(o->version));
	json_object_set_new(v, "LuaJIT", json_string(LUAJIT_VERSION));
	json_object_set_new(v, "libcurl", json_string(curl_version_info(CURLVERSION_NOW)->version));
	if (uname(&u) == 0)
		json_object_set_new(v, "kernel", json_string(u.release));
	json_object_set_new(v, "machine",
			    json_sprintf("%ld processors, %.1f GiB of memory",
					 sysconf(_SC_NPROCESSORS_ONLN),
					 (double)sysconf(_SC_PHYS_PAGES) *
						 (double)sysconf(_SC_PAGESIZE) / (1 << 30)));
	minio = o->store == RUN_STORE_S3 && !o->ground->store ? minio_find(NULL) : NULL;
	if (minio) {
		struct strbuf out = STRBUF_INIT;
		char *argv[] = { minio, (char *)"--version", NULL };

		if (proc_run(argv, NULL, &out, 4096, deadline_in_ms(VERSION_MS), NULL) == 0) {
			out.buf[strcspn(out.buf, "\n(")] = '\0';
			json_object_set_new(v, "minio", json_string(out.buf));
		}
		strbuf_release(&out);
	}
	free(minio);
	return v;
}

static int watch_begins(struct run *r, struct err *e)
{
	const struct run_watch *w = r->o->watch;

	return w ? w->begin(w->arg, r->rt.dir, e) : 0;
}

static int begin(struct run *r, struct err *e)
{
	char *path, *command;
	json_t *options = json_object();

	path = xstrfmt("%s/journal.jsonl.zst", r->rt.dir);
	r->rt.journal = watch_begins(r, e) < 0 ? NULL : journal_create(path, e);
	free(path);
	if (!r->rt.journal) {
		json_decref(options);
		return -1;
	}
	if (r->o->watch)
		journal_listen(r->rt.journal, r->o->watch->event, r->o->watch->arg);
	for (size_t i = 0; i < r->scenario.n_options; i++) {
		const struct scenario_option *opt = &r->scenario.option[i];

		if (secret_name(opt->name))
			secret_know(opt->value);
		json_object_set_new(options, opt->name,
				    json_string(secret_name(opt->name) ? "***" : opt->value));
	}
	command = repeat_command(r->o);
	journal_event(r->rt.journal, "run",
		      json_pack("{s:i,s:I,s:s,s:s,s:s,s:s,s:o,s:s,s:o,s:o,s:[],s:s}", "schema", 1,
				"wall_ms", (json_int_t)clock_wall_ms(), "drtest", r->o->version,
				"scenario", r->scenario.name, "sentence", r->scenario.sentence,
				"ground", r->o->ground->name, "seed",
				json_sprintf("%llu", (unsigned long long)r->o->seed), "command",
				command, "options", options, "versions", note_versions(r->o),
				"standins", "run_dir", r->rt.dir));
	free(command);
	return runtime_sampler_start(&r->rt, e);
}

struct tails {
	struct run *r;
	char *dir;
};

/* A process's last lines, as they are now, for the report: the folder may be gone when it is read.
 */
static int log_tail(void *arg, const char *name, struct err *e)
{
	struct tails *t = arg;
	struct strbuf text = STRBUF_INIT, clean = STRBUF_INIT;
	size_t n = strlen(name);
	json_t *lines;
	char *path;

	(void)e;
	if (n < 5 || strcmp(name + n - 4, ".log") != 0)
		return 0;
	path = xstrfmt("%s/%s", t->dir, name);
	proc_log_tail(path, LOG_TAIL_LINES, &text);
	secret_redact(&clean, text.buf);
	lines = json_array();
	for (char *p = clean.buf, *next; p && *p; p = next) {
		json_t *line;

		next = strstr(p, " | "); /* proc_log_tail() separates lines by this */
		if (next) {
			*next = '\0';
			next += 3;
		}
		line = json_string(p);
		if (!line) { /* not UTF-8: replace what is not ASCII */
			for (char *c = p; *c; c++)
				*c = *c & 0x80 ? '?' : *c;
			line = json_string(p);
		}
		json_array_append_new(lines, line);
	}
	if (json_array_size(lines))
		journal_event(t->r->rt.journal, "log_tail",
			      json_pack("{s:s%,s:O}", "process", name, n - 4, "lines", lines));
	json_decref(lines);
	strbuf_release(&text);
	strbuf_release(&clean);
	free(path);
	return 0;
}

static void log_tails(struct run *r)
{
	struct tails t = { r, xstrfmt("%s/logs", r->rt.dir) };

	if (r->rt.journal)
		fs_list(t.dir, log_tail, &t, NULL);
	free(t.dir);
}

/* Reports an error once: on stderr, and in the journal with the script's traceback. Returns the
 * exit code. */
static int say_error(struct run *r, const struct err *e, const char *traceback, const char **word)
{
	struct strbuf raw = STRBUF_INIT, text = STRBUF_INIT;
	bool cut_short = r->rt.cut_short[0] && e->kind == ERR_CANCELLED,
	     interrupted = !cut_short && e->kind == ERR_CANCELLED;
	bool slow = e->kind == ERR_TIMEOUT && r->rt.slow[0];

	if (r->rt.step_name[0])
		strbuf_addf(&raw, "step %d, %s: ", r->rt.step, r->rt.step_name);
	strbuf_addstr(&raw, cut_short ? r->rt.cut_short : interrupted ? "interrupted" : e->text);
	secret_redact(&text, raw.buf);
	console_inert(text.buf);
	runtime_step_end(&r->rt,
			 interrupted ? "interrupted"
			 : slow      ? "unknown"
				     : "error",
			 r->rt.step_name[0] ? text.buf + strcspn(text.buf, ":") + 2 : "");
	fflush(stdout);
	fprintf(stderr, "drtest: %s\n", text.buf);
	if (traceback && (e->kind == ERR_USAGE || e->kind == ERR_SQL)) {
		const char *p = traceback;

		while (*p) {
			size_t n = strcspn(p, "\n");

			fprintf(stderr, "  at %.*s\n", (int)n, p);
			p += n + (p[n] == '\n');
		}
	}
	/* killed from outside, perhaps because memory ran out: its result is unknown */
	*word = interrupted                     ? "interrupted"
		: r->rt.worst == VERDICT_FAIL   ? "fail"
		: e->kind == ERR_KILLED || slow ? "unknown"
						: "error";
	if (!interrupted)
		log_tails(r);
	if (r->rt.journal)
		journal_event(r->rt.journal, "end",
			      json_pack("{s:s,s:s,s:s}", "verdict", *word, "error", text.buf,
					"traceback", traceback ? traceback : ""));
	strbuf_release(&raw);
	strbuf_release(&text);
	if (interrupted)
		return EXIT_INTERRUPTED;
	if (r->rt.worst == VERDICT_FAIL)
		return EXIT_CHECK_FAILED;
	return e->kind == ERR_USAGE            ? EXIT_USAGE
	       : e->kind == ERR_KILLED || slow ? EXIT_UNKNOWN
					       : EXIT_ENV;
}

/* Checks --max-rpo and --max-rto, after the scenario has ended. */
static void judge_targets(struct run *r)
{
	const struct run_opts *o = r->o;
	const struct runtime *rt = &r->rt;
	json_t *service = rt->rto ? json_object_get(rt->rto, "service_ms") : NULL;
	bool measured = rt->has_rpo && rt->lost >= 0;
	char name[120], figures[480], slow[160];
	enum verdict late; /* a time limit can't be judged on a machine that was too slow */

	if (measured)
		snprintf(
			figures, sizeof(figures),
			"lost %.0f of %.0f acknowledged transactions; the oldest of them was acknowledged %.2f s before "
			"the disaster; resolvedTs was %.2f s before it",
			rt->lost, rt->acked, rt->lost > 0 ? rt->window_ms / 1e3 : 0,
			rt->behind_ms / 1e3);
	else
		snprintf(figures, sizeof(figures),
			 "RPO was not measured: the scenario did not "
			 "call t:rpo");
	runtime_slow(&r->rt, slow, sizeof(slow));
	late = slow[0] ? VERDICT_UNKNOWN : VERDICT_FAIL;
	if (o->max_rpo_ms >= 0) {
		snprintf(name, sizeof(name), "target: RPO at most %g s (--max-rpo)",
			 (double)o->max_rpo_ms / 1e3);
		runtime_check(&r->rt, name,
			      !measured ? VERDICT_UNKNOWN
			      : rt->lost > 0 && rt->window_ms > (double)o->max_rpo_ms
				      ? late
				      : VERDICT_PASS,
			      figures);
	}
	if (o->max_lost >= 0) {
		snprintf(name, sizeof(name),
			 "target: at most %lld lost acknowledged transactions (--max-rpo)",
			 (long long)o->max_lost);
		runtime_check(&r->rt, name,
			      !measured                        ? VERDICT_UNKNOWN
			      : rt->lost > (double)o->max_lost ? VERDICT_FAIL
							       : VERDICT_PASS,
			      figures);
	}
	if (o->max_rto_ms < 0)
		return;
	snprintf(name, sizeof(name), "target: RTO at most %g s (--max-rto)",
		 (double)o->max_rto_ms / 1e3);
	if (service)
		snprintf(figures, sizeof(figures),
			 "%.2f s from the disaster to the first write on the secondary%s%s",
			 json_number_value(service) / 1e3, slow[0] ? "; " : "", slow);
	else
		snprintf(figures, sizeof(figures),
			 "RTO was not measured: no write was acknowledged after a disaster");
	runtime_check(&r->rt, name,
		      !service                                             ? VERDICT_UNKNOWN
		      : json_number_value(service) > (double)o->max_rto_ms ? late
									   : VERDICT_PASS,
		      figures);
}

static int say_verdict(struct run *r)
{
	judge_targets(r);
	const char *word = r->rt.worst == VERDICT_FAIL                       ? "fail"
			   : r->rt.worst == VERDICT_UNKNOWN || !r->rt.checks ? "unknown"
									     : "pass";

	if (!r->rt.checks)
		runtime_note(&r->rt, "the scenario has no check, so it proves nothing");
	if (strcmp(word, "pass") != 0)
		log_tails(r);
	journal_event(r->rt.journal, "end", json_pack("{s:s,s:s}", "verdict", word, "error", ""));
	return r->rt.worst == VERDICT_FAIL ? EXIT_CHECK_FAILED
	       : !strcmp(word, "pass")     ? EXIT_PASS
					   : EXIT_UNKNOWN;
}

static void say_left(void *arg, const char *cluster, const char *what, const char *remove)
{
	struct run *r = arg;

	r->left++;
	journal_event(
		r->rt.journal, "left",
		json_pack("{s:s,s:s,s:s}", "cluster", cluster, "what", what, "remove", remove));
}

static void end(struct run *r)
{
	int signo = clock_cancelled();

	clock_cancel_reset(); /* the teardown may take a while; a second Ctrl-C ends it */
	owned_teardown(&r->rt);
	if (r->o->ground->left && r->rt.journal)
		r->o->ground->left(say_left, r);
	if (r->left)
		console_remark(
			&r->console, "left",
			"things left on your clusters: the report lists them, and drtest clean "
			"--clusters FILE removes them");
	runtime_sampler_stop(&r->rt);
	if (r->rt.data_dir && !r->o->keep) {
		struct err e = ERR_INIT;

		if (fs_remove_tree(r->rt.data_dir, &e) < 0)
			fprintf(stderr, "drtest: %s (`drtest clean` tries again)\n", e.text);
		guardian_path_forget(r->rt.data_dir);
	}
	if (r->lock_fd >= 0)
		close(r->lock_fd);
	(void)signo;
}

/* If a connection was lost because a server died, report the server. Its death may be noticed a
 * moment later. */
static void look_for_the_cause(struct run *r, struct err *e)
{
	struct deadline d = deadline_in_ms(CAUSE_MS);
	struct err why = ERR_INIT;

	if (e->kind != ERR_GONE)
		return;
	/* another object's lost connection is not the cause either */
	while (owned_health(&r->rt, &why) == 0 || why.kind == ERR_GONE)
		if (pause_ms(50, d) < 0)
			return;
	*e = why;
}

static int execute(struct run *r)
{
	struct err e = ERR_INIT;
	char *traceback = NULL;
	const char *word = "";
	int code;

	if (make_folders(r, &e) < 0 || begin(r, &e) < 0) {
		code = say_error(r, &e, NULL, &word);
	} else {
		if (r->o->store == RUN_STORE_FILE)
			journal_event(r->rt.journal, "note",
				      json_pack("{s:s}", "text",
						"the store is a directory (--store file), not S3"));
		console_header(&r->console, r->o->version, r->scenario.name, r->o->ground->name,
			       r->o->seed,
			       r->o->store == RUN_STORE_FILE ? "store: a directory, not S3" : "");
		if (*ground_remark(r->o->ground))
			runtime_note(&r->rt, "%s", ground_remark(r->o->ground));
		if (scenario_run(&r->scenario, &e, &traceback) < 0) {
			look_for_the_cause(r, &e);
			code = say_error(r, &e, traceback, &word);
		} else if (owned_health(&r->rt, &e) < 0)
			code = say_error(r, &e, NULL, &word);
		else
			code = say_verdict(r);
	}
	end(r);
	e = (struct err)ERR_INIT;
	if (r->rt.journal && journal_close(r->rt.journal, &e) < 0 && code != EXIT_ENV) {
		fprintf(stderr, "drtest: %s\n", e.text);
		code = EXIT_ENV;
	}
	if (r->o->keep && r->rt.data_dir)
		fprintf(stderr,
			"kept: servers are still running, with their data in %s; `drtest clean` "
			"removes them. To connect: mariadb "
			"--defaults-file=%s/<cluster>/client.cnf\n",
			r->rt.data_dir, r->rt.data_dir);
	free(traceback);
	return code;
}

static int plan(struct run *r)
{
	struct err e = ERR_INIT;
	char *traceback = NULL;
	int code = EXIT_PASS;

	printf("plan of %s on %s, seed %llu; nothing is done\n", r->scenario.name,
	       r->o->ground->name, (unsigned long long)r->o->seed);
	if (scenario_run(&r->scenario, &e, &traceback) < 0) {
		const char *word;

		code = say_error(r, &e, traceback, &word);
	} else {
		judge_targets(r);
	}
	free(traceback);
	owned_teardown(&r->rt);
	return code;
}

static void say_findings(const struct run *r, int n, const struct strbuf *findings)
{
	fflush(stdout); /* a plan comes first */
	fprintf(stderr, "drtest: %s on %s cannot start: %d thing%s %s\n%s", r->scenario.name,
		r->o->ground->name, n, n > 1 ? "s" : "",
		n > 1 ? "stand in the way:" : "stands in the way:", findings->buf);
}

/* Before anything is done, finds what the clusters file forbids, what the ground can't do, and what
 * is missing on clusters that stay: runs the scenario in plan mode, without output, in a child
 * process. Returns its exit code. */
static int ask_the_rules(struct run *r)
{
	const struct ground *g = r->o->ground;
	int status = 0;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid < 0)
		return EXIT_ENV;
	if (pid == 0) {
		struct strbuf findings = STRBUF_INIT;
		struct err e = ERR_INIT;
		char *traceback = NULL;
		const char *word;
		int n;

		if (!freopen("/dev/null", "w", stdout))
			_exit(EXIT_ENV);
		r->rt.plan = true;
		r->rt.dir = xstrdup("<run>");
		r->rt.data_dir = xstrdup("/var/tmp/drtest-<run>");
		/* a script may need results that only a real run has, so on clusters that drtest
		 * creates, other errors and endless loops are left to the run */
		if (!g->clusters_stay)
			alarm(PLAN_S);
		if (scenario_run(&r->scenario, &e, &traceback) < 0)
			_exit(g->clusters_stay || e.kind == ERR_UNSUPPORTED ||
					      e.code == LUA_MISSPELT
				      ? say_error(r, &e, traceback, &word)
				      : EXIT_PASS);
		alarm(0);
		n = g->check ? g->check(add_finding, &findings) : 0;
		if (n)
			say_findings(r, n, &findings);
		_exit(n ? EXIT_ENV : EXIT_PASS);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
		return EXIT_PASS;
	return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_ENV;
}

static void say_line(const char *before, const char *what)
{
	struct strbuf clean = STRBUF_INIT;

	secret_line(&clean, what);
	fprintf(stderr, "drtest: %s%s\n", before, clean.buf);
	strbuf_release(&clean);
}

static void say_undone(void *arg, const char *what)
{
	(void)arg;
	say_line("", what);
}

static void say_cleaned(void *arg, const char *what)
{
	(void)arg;
	say_line("removed what an earlier run left when it died: ", what);
}

int run_scenario(const struct run_opts *o, char **run_dir)
{
	struct run r = { .o = o, .lock_fd = -1 };
	struct strbuf findings = STRBUF_INIT;
	struct err e = ERR_INIT;
	int code, n = 0;

	*run_dir = NULL;
	pthread_mutex_init(&r.rt.lock, NULL);
	r.rt.ground = o->ground;
	r.rt.tidb_version = o->tidb_version;
	r.rt.tools = &o->tools;
	r.rt.seed = o->seed;
	rng_seed3(&r.rt.rng, o->seed, 0x5ce7a110, 0);
	r.rt.store = o->store;
	r.rt.keep = o->keep;
	r.rt.plan = o->plan;
	r.rt.console = &r.console;
	if (scenario_open(&r.scenario, o->file, &r.rt, o->modules, &e) < 0 ||
	    scenario_options(&r.scenario, o->set, &e) < 0) {
		fprintf(stderr, "drtest: %s\n", e.text);
		code = EXIT_USAGE;
		goto out;
	}
	if (o->clusters && o->ground->use_file && o->ground->use_file(o->clusters, &e) < 0) {
		fprintf(stderr, "drtest: %s\n", e.text);
		code = EXIT_USAGE;
		goto out;
	}
	n = scenario_needs(&r.scenario, o->ground, o->store == RUN_STORE_S3, o->modules,
			   add_finding, &findings, &e);
	if (n < 0) {
		fprintf(stderr, "drtest: %s\n", e.text);
		code = EXIT_USAGE;
		goto out;
	}
	n += preflight(o, add_finding, &findings);
	if (o->plan) {
		r.rt.dir = xstrdup("<run>");
		r.rt.data_dir = xstrdup("/var/tmp/drtest-<run>");
		code = plan(&r);
		if (code != EXIT_PASS)
			goto out;
	}
	if (n) {
		say_findings(&r, n, &findings);
		code = EXIT_ENV;
		goto out;
	}
	if (o->plan || (code = ask_the_rules(&r)) != EXIT_PASS)
		goto out;
	if (guardian_start(&e) < 0) {
		fprintf(stderr, "drtest: %s\n", e.text);
		code = EXIT_ENV;
		goto out;
	}
	data_dir_clean_dead(say_cleaned, NULL);
	undo_work_off(say_undone, NULL);
	clock_on_end_signals(clock_cancel);
	r.rt.timeout_ms = o->timeout_ms;
	r.rt.timeout_ns = clock_mono_ns() + o->timeout_ms * 1000000;
	FILE *null = o->quiet ? fopen("/dev/null", "we") : NULL;

	console_init(&r.console, o->quiet && null ? null : stdout);
	code = execute(&r);
	if (null)
		fclose(null);
	guardian_stop();
	if (r.rt.dir)
		*run_dir = xstrdup(r.rt.dir);
out:
	json_decref(r.rt.rto);
	scenario_close(&r.scenario);
	strbuf_release(&findings);
	free(r.rt.dir);
	free(r.rt.data_dir);
	free(r.rt.ledger_dir);
	pthread_mutex_destroy(&r.rt.lock);
	return code;
}

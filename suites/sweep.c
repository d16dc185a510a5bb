#include "suites/sweep.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "harness/base/clock.h"
#include "harness/base/strbuf.h"
#include "harness/base/xalloc.h"
#include "harness/os/fs.h"
#include "harness/os/proc.h"
#include "harness/run/run.h"

#define POLL_MS 20
#define STOP_MS 30000
#define LINE_BYTES_MAX ((size_t)256 << 20)

bool sweep_add_seeds(struct sweep *s, const char *spec)
{
	const char *p = spec;
	size_t room = 0;

	for (;;) {
		uint64_t from, to;
		char *end;

		if (*p < '0' || *p > '9')
			return false;
		errno = 0;
		from = to = strtoull(p, &end, 10);
		if (!strncmp(end, "..", 2)) {
			if (end[2] < '0' || end[2] > '9')
				return false;
			to = strtoull(end + 2, &end, 10);
		}
		if (errno || to < from || to - from >= SWEEP_SEEDS_MAX ||
		    s->n + (to - from + 1) > SWEEP_SEEDS_MAX)
			return false;
		for (uint64_t seed = from; seed <= to; seed++) {
			XGROW(s->results, s->n, room, 64);
			s->results[s->n++] = (struct sweep_result){ .seed = seed };
		}
		if (!*end)
			return true;
		if (*end != ',')
			return false;
		p = end + 1;
	}
}

/* What is asked of each run, as one line: a sweep goes on only with the same. */
static char *command_of(const struct sweep *s)
{
	struct strbuf b = STRBUF_INIT;

	strbuf_addf(&b, "drtest run %s", s->file);
	for (size_t i = 0; i < s->n_pass_on; i++)
		strbuf_addf(&b, strpbrk(s->pass_on[i], " '\"$&;|<>()*?") ? " '%s'" : " %s",
			    s->pass_on[i]);
	return strbuf_detach(&b);
}

static int take_line(struct sweep *s, char *line, struct err *e)
{
	struct sweep_result r = { 0 };
	json_t *j = json_loads(line, 0, NULL);
	const char *command;

	if (!j)
		return 0; /* the last one, cut off by the interruption */
	command = json_string_value(json_object_get(j, "command"));
	if (command) {
		int rc = strcmp(command, s->command)
				 ? err_set(e, ERR_USAGE, 0, "that sweep ran something else: %s",
					   command)
				 : 0;

		json_decref(j);
		return rc;
	}
	if (sweep_from_json(&r, j, e) < 0) {
		json_decref(j);
		return -1;
	}
	json_decref(j);
	for (size_t i = 0; i < s->n; i++)
		if (s->results[i].seed == r.seed && strcmp(r.verdict, "error") != 0 &&
		    strcmp(r.verdict, "interrupted") != 0) {
			sweep_result_release(&s->results[i]);
			s->results[i] = r;
			return 0;
		}
	sweep_result_release(&r); /* not asked for, or it broke: again */
	return 0;
}

static int take_earlier(struct sweep *s, const char *path, struct err *e)
{
	struct strbuf text = STRBUF_INIT;
	char *save = NULL;
	int rc = fs_read_file(path, LINE_BYTES_MAX, &text, e);

	for (char *line = rc < 0 ? NULL : strtok_r(text.buf, "\n", &save); line && rc == 0;
	     line = strtok_r(NULL, "\n", &save))
		rc = take_line(s, line, e);
	strbuf_release(&text);
	return rc;
}

/* A line of results.jsonl, without which --resume would run the seed again. Takes j. */
static int write_line(struct sweep *s, json_t *j, struct err *e)
{
	int rc = json_dumpf(j, s->log, JSON_COMPACT);

	json_decref(j);
	if (rc < 0 || fputc('\n', s->log) == EOF || fflush(s->log))
		return err_sys(e, "write %s/results.jsonl", s->dir);
	return 0;
}

int sweep_open(struct sweep *s, struct err *e)
{
	char stamp[32], path[PATH_MAX], base[64];
	const char *slash = strrchr(s->file, '/');
	time_t now = time(NULL);
	struct tm tm;
	int rc = 0;

	s->command = command_of(s);
	if (s->resume) {
		s->dir = realpath(s->resume, NULL);
		snprintf(path, sizeof(path), "%s/results.jsonl", s->resume);
		if (!s->dir || access(path, F_OK) < 0)
			return err_set(e, ERR_USAGE, errno,
				       "--resume %s: not the directory of a sweep (runs/sweep-…): "
				       "%s",
				       s->resume, strerror(errno));
	} else {
		gmtime_r(&now, &tm);
		strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", &tm);
		snprintf(base, sizeof(base), "%.*s", (int)strcspn(slash ? slash + 1 : s->file, "."),
			 slash ? slash + 1 : s->file);
		if (fs_mkdir_p(s->out, 0755, e) < 0 || !realpath(s->out, path))
			return e->kind ? -1 : err_sys(e, "%s", s->out);
		for (int i = 1; !s->dir; i++) {
			char *dir = i == 1 ? xstrfmt("%s/sweep-%s-%s", path, stamp, base)
					   : xstrfmt("%s/sweep-%s-%s.%d", path, stamp, base, i);

			if (mkdir(dir, 0755) == 0)
				s->dir = dir;
			else if (errno != EEXIST || i == 100) {
				free(dir);
				return err_sys(e, "create the sweep's directory in %s", path);
			} else {
				free(dir);
			}
		}
	}
	snprintf(path, sizeof(path), "%s/results.jsonl", s->dir);
	if (s->resume)
		rc = take_earlier(s, path, e);
	if (rc == 0) {
		s->log = fopen(path, "ae");
		if (!s->log)
			rc = err_sys(e, "open %s", path);
	}
	if (rc == 0 && !s->resume) {
		json_t *j =
			json_pack("{s:s,s:I}", "command", s->command, "seeds", (json_int_t)s->n);

		rc = write_line(s, j, e);
	}
	return rc;
}

/* ---- runs */

static int start(struct sweep *s, struct sweep_job *j, size_t at, struct err *e)
{
	char self[PATH_MAX], seed[24], *log;
	const char *argv[SWEEP_PASS_ON_MAX + 10] = {
		self, "run", s->file, "--seed", seed, "--out"
	};
	size_t n = 6;

	proc_self(self);
	snprintf(seed, sizeof(seed), "%" PRIu64, s->results[at].seed);
	j->at = at;
	j->dir = xstrfmt("%s/seed-%s", s->dir, seed);
	fs_remove_tree(j->dir, NULL); /* of an interrupted attempt */
	if (fs_mkdir_p(j->dir, 0755, e) < 0)
		return -1;
	argv[n++] = j->dir;
	for (size_t i = 0; i < s->n_pass_on; i++)
		argv[n++] = s->pass_on[i];
	argv[n] = NULL;
	log = xstrfmt("%s/output.log", j->dir);
	j->proc = proc_start(
		&(struct proc_opts){ .name = "run", .argv = (char *const *)argv, .log_path = log },
		e);
	free(log);
	return j->proc ? 0 : -1;
}

/* The run folder below the seed's: the one entry that is a folder. */
static char *run_folder(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *ent;
	char *found = NULL;

	while (d && (ent = readdir(d)))
		if (ent->d_name[0] != '.' && ent->d_type == DT_DIR) {
			free(found);
			found = xstrfmt("%s/%s", dir, ent->d_name);
		}
	if (d)
		closedir(d);
	return found;
}

static int finish(struct sweep *s, struct sweep_job *j, struct err *into)
{
	struct sweep_result *r = &s->results[j->at];
	char *run = run_folder(j->dir), *path = run ? xstrfmt("%s/result.json", run) : NULL,
	     *log = xstrfmt("%s/output.log", j->dir);
	int status = proc_exit_status(j->proc);
	struct err e = ERR_INIT;
	int rc;

	if (!path || sweep_read_result(r, path, &e) < 0) {
		struct strbuf tail = STRBUF_INIT;

		proc_log_tail(log, 1, &tail);
		snprintf(r->verdict, sizeof(r->verdict), "%s",
			 status == EXIT_INTERRUPTED ? "interrupted" : "error");
		snprintf(r->note, sizeof(r->note), "%.150s",
			 tail.len ? tail.buf : proc_how(j->proc));
		r->seconds = r->lost = r->acked = r->window_ms = r->behind_ms = r->service_ms =
			r->redundant_ms = -1;
		r->done = true;
		strbuf_release(&tail);
	}
	/* what the run said counts, and so does how it ended: a crash after its verdict is no pass
	 */
	if (!strcmp(r->verdict, "pass") && status != EXIT_PASS) {
		snprintf(r->verdict, sizeof(r->verdict), "error");
		snprintf(r->note, sizeof(r->note), "the run passed, and then ended with %s",
			 proc_how(j->proc));
	}
	if (strcmp(r->verdict, "pass") != 0 || s->keep_runs)
		snprintf(r->run_dir, sizeof(r->run_dir), "%s", run ? run : j->dir);
	else
		fs_remove_tree(j->dir, NULL);
	rc = write_line(s, sweep_to_json(r), into);
	sweep_print_line(stdout, r);
	proc_free(j->proc);
	j->proc = NULL;
	free(j->dir);
	free(run);
	free(path);
	free(log);
	return rc;
}

/* Ctrl-C: each run takes itself down. */
static void stop_all(struct sweep *s)
{
	struct deadline d = deadline_in_ms(STOP_MS);

	clock_cancel_reset();
	for (size_t k = 0; k < s->jobs; k++)
		if (s->job[k].proc)
			proc_signal(s->job[k].proc, SIGINT, NULL);
	for (size_t k = 0; k < s->jobs; k++)
		if (s->job[k].proc) {
			proc_wait(s->job[k].proc, d);
			proc_free(s->job[k].proc);
			s->job[k].proc = NULL;
			free(s->job[k].dir);
		}
}

int sweep_run(struct sweep *s, struct err *e)
{
	size_t next = 0, running = 0, done = 0, left = 0;
	int64_t from = clock_mono_ns(), told = 0;
	bool tty = isatty(STDOUT_FILENO);

	clock_on_end_signals(clock_cancel);
	for (size_t i = 0; i < s->n; i++)
		left += !s->results[i].done;

	while (!clock_cancelled()) {
		for (size_t k = 0; k < s->jobs; k++) {
			struct sweep_job *j = &s->job[k];

			if (j->proc && !proc_running(j->proc)) {
				if (tty)
					fputs("\r\033[K", stdout);
				if (finish(s, j, e) < 0)
					goto failed;
				running--;
				done++;
			}
			while (!j->proc && next < s->n && s->results[next].done)
				next++;
			if (!j->proc && next < s->n) {
				if (start(s, j, next++, e) < 0)
					goto failed;
				running++;
			}
		}
		if (!running && next >= s->n)
			break;
		if (tty && clock_mono_ns() - told >= 1000000000) {
			double spent = (double)(clock_mono_ns() - from) / 1e9;

			printf("\r\033[K%zu of %zu seeds done, %zu running, %.0f s elapsed", done,
			       left, running, spent);
			if (done)
				printf(", about %.0f min left",
				       ceil(spent / (double)done * (double)(left - done) / 60));
			fflush(stdout);
			told = clock_mono_ns();
		}
		pause_ms(POLL_MS, deadline_in_ms(POLL_MS));
	}
	if (tty)
		fputs("\r\033[K", stdout);
	if (clock_cancelled()) {
		stop_all(s);
		return 1;
	}
	return 0;
failed:
	stop_all(s);
	return -1;
}

int sweep_exit_code(const struct sweep *s)
{
	int code = EXIT_PASS;

	for (size_t i = 0; i < s->n; i++) {
		const char *v = s->results[i].verdict;

		if (!s->results[i].done || !strcmp(v, "pass"))
			continue;
		if (!strcmp(v, "fail"))
			return EXIT_CHECK_FAILED;
		code = !strcmp(v, "unknown") && code != EXIT_ENV ? EXIT_UNKNOWN : EXIT_ENV;
	}
	return code;
}

void sweep_close(struct sweep *s)
{
	if (s->log)
		fclose(s->log);
	for (size_t i = 0; i < s->n; i++)
		sweep_result_release(&s->results[i]);
	free(s->results);
	free(s->dir);
	free(s->command);
	*s = (struct sweep){ .file = NULL };
}

#include "cli/commands.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "chaos/fault.h"
#include "cli/options.h"
#include "harness/base/clock.h"
#include "harness/base/xalloc.h"
#include "harness/os/fs.h"
#include "harness/os/proc.h"
#include "harness/run/run.h"

#define WORDS_MAX 16
#define FAULTS_MAX 32
#define LINE_MAX_BYTES 1024
#define RUNS_DIR "/var/tmp"

struct request {
	struct netproxy_opts o;
	char host[64];
	unsigned listen;
	bool foreign;
};
static bool parse_to(const char *text, char host[64], int *port);

static int take_to(void *into, const char *text, struct err *e)
{
	struct request *q = into;

	q->o.to_host = q->host;
	return parse_to(text, q->host, &q->o.to_port) ? 0
						      : option_wants(e, text, "PORT or IPV4:PORT");
}

#define AT(member) .at = offsetof(struct request, member)
static const struct option_def options[] = {
	{ "upstream", OPTION_TAKE, "[HOST:]PORT", "proxy: the server to forward to",
	  .take = take_to },
	{ "listen", OPTION_UNSIGNED, "PORT", "proxy: the port on 127.0.0.1 (a free one)",
	  AT(listen), .min = 1, .max = 65535 },
	{ "http", OPTION_FLAG, NULL, "proxy: parse HTTP requests, for faults of a store",
	  AT(o.http) },
	{ "seed", OPTION_WHOLE, "N", "proxy: seed for random values (42)", AT(o.seed) },
	{ "foreign", OPTION_FLAG, NULL,
	  "kill and similar, as root: also allow a process that neither a run of drtest nor the "
	  "calling shell started",
	  AT(foreign) },
	{ "to", OPTION_RENAMED, .at = 0, .now = "upstream" },
	{ 0 },
};
static const struct command_def command = {
	.name = "chaos",
	.usage = "drtest chaos list                              list the faults, their "
		 "arguments, what this machine lacks for them\n"
		 "drtest chaos proxy --upstream [HOST:]PORT [--listen PORT] [--http] [--seed N] "
		 "[FAULT name=value...]\n"
		 "drtest chaos kill|interrupt|pause|memory TARGET... [name=value...] [--lasts "
		 "TIME]",
	.about = "Injects faults by hand. proxy listens on 127.0.0.1 between two parties and "
		 "reads commands from its standard input, one per line: `delay by=20ms "
		 "jitter=5ms`, `slow kb_per_s=100 direction=up`, `cut`, `refuse status=503 "
		 "share=0.5` (with --http), `heal [FAULT]`, `stats`, `quit`. TARGET is a process "
		 "ID, or the name of a server of a running drill: primary, secondary (a process "
		 "whose data is in /var/tmp/drtest-*/NAME). pause and memory end after --lasts, "
		 "at the end of the input, or on Ctrl-C.",
	.options = options,
	.more = "Exit code: 0 done, 2 wrong usage, 3 the fault failed.",
	.operands_max = INT_MAX,
};

static int print_error(const struct err *e)
{
	fprintf(stderr, "drtest chaos: %s\n", e->text);
	return err_exit_code(e);
}

static int print_usage(const char *what)
{
	fprintf(stderr, "drtest chaos: %s (drtest chaos --help)\n", what);
	return EXIT_USAGE;
}

static int list_faults(void)
{
	static const char *const on[] = { [FAULT_ON_PROCS] = "a process",
					  [FAULT_ON_LINK] = "a link",
					  [FAULT_ON_STORE_LINK] = "a link to the store",
					  [FAULT_ON_DISK] = "a disk" };

	for (const struct fault_ops *const *k = fault_kinds(); *k; k++) {
		struct strbuf text = STRBUF_INIT;

		strbuf_addf(&text, "%s%s", (*k)->what, (*k)->heal ? "" : " (nothing to heal)");
		options_beside(text.buf, printf("%-13s %-20s ", (*k)->name, on[(*k)->on]), 35);
		if ((*k)->args[1])
			printf("%-35sarguments:%.*s\n", "", (int)strlen((*k)->args) - 1,
			       (*k)->args);
		strbuf_reset(&text);
		if ((*k)->needs && (*k)->needs(&text) < 0)
			printf("%-35snot available: %s\n", "", text.buf);
		strbuf_release(&text);
	}
	return EXIT_PASS;
}

/* ---- proxy */

struct proxy {
	struct netproxy *p;
	bool http;
	struct fault faults[FAULTS_MAX];
	size_t n;
};

static size_t split(char *line, const char *words[WORDS_MAX])
{
	size_t n = 0;
	char *save = NULL;

	for (char *w = strtok_r(line, " \t\r\n", &save); w && n < WORDS_MAX;
	     w = strtok_r(NULL, " \t\r\n", &save))
		words[n++] = w;
	return n;
}

static int heal(struct proxy *x, const char *kind, struct err *e)
{
	int rc = 0;

	for (size_t i = 0; i < x->n; i++)
		if (x->faults[i].state != FAULT_OVER &&
		    (!kind || fault_is(x->faults[i].ops, kind)) &&
		    fault_heal(&x->faults[i], rc < 0 ? NULL : e) < 0)
			rc = -1;
	return rc;
}

static int inject(struct proxy *x, const char *const *words, size_t n, struct err *e)
{
	struct fault f;
	size_t at = x->n;

	if (fault_parse(&f, words, n, e) < 0)
		return -1;
	if (f.ops->was && !strcmp(f.ops->was, words[0]))
		fprintf(stderr,
			"note: the fault %s is now %s; the next version removes the old name\n",
			f.ops->was, f.ops->name);
	if (f.ops->on == FAULT_ON_STORE_LINK && !x->http)
		return err_set(e, ERR_USAGE, 0, "%s needs a proxy with --http", f.ops->name);
	snprintf(f.target.name, sizeof(f.target.name), "127.0.0.1:%d", netproxy_to_port(x->p));
	if (f.ops->on == FAULT_ON_LINK || f.ops->on == FAULT_ON_STORE_LINK)
		f.target.links[f.target.n_links++] = x->p;
	if (fault_check(&f, e) < 0)
		return -1;
	for (size_t i = 0; i < x->n; i++)
		if (x->faults[i].state == FAULT_ACTIVE &&
		    !strcmp(x->faults[i].ops->group, f.ops->group)) {
			if (fault_heal(&x->faults[i], e) <
			    0) /* typed by hand: the latest one counts */
				return -1;
			at = i;
		} else if (x->faults[i].state == FAULT_OVER) {
			at = i;
		}
	if (at == FAULTS_MAX)
		return err_set(e, ERR_USAGE, 0, "more than %d faults at once", FAULTS_MAX);
	x->faults[at] = f;
	x->n += at == x->n;
	return fault_inject(&x->faults[at], e);
}

static void print_stats(struct proxy *x)
{
	struct netproxy_stats st;

	netproxy_get_stats(x->p, &st);
	printf("%" PRIu64 " connections, %" PRIu64 " open; %" PRIu64 " bytes up, %" PRIu64
	       " down; %" PRIu64 " "
	       "requests, %" PRIu64 " refused, %" PRIu64 " cut, %" PRIu64 " COMMITs stalled\n",
	       st.connections, st.open, st.bytes[0], st.bytes[1], st.requests, st.refused, st.cut,
	       st.stalled);
}

/* 1: the end. */
static int run_line(struct proxy *x, char *line)
{
	const char *words[WORDS_MAX];
	size_t n = split(line, words);
	struct err e = ERR_INIT;
	int rc = 0;

	if (!n || words[0][0] == '#')
		return 0;
	if (!strcmp(words[0], "quit"))
		return 1;
	if (!strcmp(words[0], "stats"))
		print_stats(x);
	else if (!strcmp(words[0], "heal"))
		rc = heal(x, n > 1 ? words[1] : NULL, &e);
	else
		rc = inject(x, words, n, &e);
	if (rc < 0)
		fprintf(stderr, "drtest chaos: %s\n", e.text);
	else if (strcmp(words[0], "stats") != 0)
		printf("ok\n");
	fflush(stdout);
	return 0;
}

static bool parse_to(const char *text, char host[64], int *port)
{
	const char *colon = strrchr(text, ':');
	struct in_addr a;
	char *end;

	snprintf(host, 64, "%.*s", colon ? (int)(colon - text) : 9, colon ? text : "127.0.0.1");
	*port = (int)strtol(colon ? colon + 1 : text, &end, 10);
	return !*end && *port > 0 && *port < 65536 && inet_pton(AF_INET, host, &a) == 1;
}

static int run_proxy(int argc, char **argv)
{
	struct request q = { .o = { .seed = 42 } };
	struct netproxy_opts *o = &q.o;
	struct proxy x = { 0 };
	struct err e = ERR_INIT;
	char line[LINE_MAX_BYTES];
	bool input = true;
	int rc = options_parse(&command, argc, argv, &q);

	if (rc)
		return rc == 1 ? EXIT_PASS : EXIT_USAGE;
	o->listen_port = (int)q.listen;
	if (!o->to_port)
		return print_usage("proxy needs --upstream PORT");
	if (o->to_port == o->listen_port && !strcmp(q.host, "127.0.0.1"))
		return print_usage("--upstream and --listen are the same port: the proxy would "
				   "forward to itself");
	x.http = o->http;
	x.p = netproxy_start(o, &e);
	if (!x.p)
		return print_error(&e);
	if (o->listen_port && netproxy_port(x.p) != o->listen_port) {
		netproxy_free(x.p);
		fprintf(stderr, "drtest chaos: port %d on 127.0.0.1 is in use\n", o->listen_port);
		return EXIT_ENV;
	}
	if (optind < argc &&
	    inject(&x, (const char *const *)argv + optind, (size_t)(argc - optind), &e) < 0) {
		netproxy_free(x.p);
		return print_error(&e);
	}
	printf("127.0.0.1:%d -> %s:%d\n", netproxy_port(x.p), q.host, o->to_port);
	fflush(stdout);
	while (!clock_cancelled()) {
		struct pollfd in = { .fd = input ? 0 : -1, .events = POLLIN };

		if (poll(&in, 1, 100) <= 0)
			continue;
		if (!fgets(line, sizeof(line), stdin)) {
			if (isatty(0))
				break;
			input = false; /* the script has ended: the proxy stays until a signal */
			continue;
		}
		if (run_line(&x, line))
			break;
	}
	fault_link_forget(x.p);
	netproxy_free(x.p);
	return EXIT_PASS;
}

/* ---- processes */

static bool works_in(pid_t pid, const char *name)
{
	struct strbuf line = STRBUF_INIT;
	char want[80];
	bool named = false;

	proc_cmdline(pid, &line);
	for (size_t i = 0; i < line.len; i++)
		if (!line.buf[i])
			line.buf[i] = ' ';
	snprintf(want, sizeof(want), "/%s/", name);
	for (char *p = line.buf; !named && (p = strstr(p, RUNS_DIR "/drtest-")); p++) {
		char *slash = strchr(p + strlen(RUNS_DIR "/"), '/');

		named = slash && !strncmp(slash, want, strlen(want));
	}
	strbuf_release(&line);
	return named && proc_is_of_a_run(pid); /* and not an editor with its log */
}

static bool is_above_us(int pid)
{
	for (pid_t at = getpid(); at > 1; at = proc_parent(at))
		if (at == pid)
			return true;
	return false;
}

/* Was it started by the calling shell, or by one of that shell's parents in this session? */
static bool started_by_callers(int pid)
{
	pid_t parent = proc_parent(pid);

	return parent > 1 && is_above_us(parent) && getsid(parent) == getsid(0);
}

/* Processes that are safe to act on: those of a drtest run, and this user's own; for root, who owns
 * the services of the machine too, only those that the calling shell has started. */
static int may_be_meant(int pid, bool foreign, struct err *e)
{
	char path[64];
	struct stat st;

	if (is_above_us(pid))
		return err_set(e, ERR_USAGE, 0,
			       "process %d is a parent of this command (a shell, a terminal)", pid);
	snprintf(path, sizeof(path), "/proc/%d", pid);
	if (stat(path, &st) < 0)
		return err_sys(e, "process %d", pid);
	if (proc_is_of_a_run(pid) || (foreign && geteuid() == 0))
		return 0;
	if (st.st_uid != geteuid())
		return err_set(e, ERR_USAGE, 0,
			       "process %d belongs to another user (%u) and is not a server of a "
			       "run%s",
			       pid, (unsigned)st.st_uid, geteuid() == 0 ? ": --foreign" : "");
	if (geteuid() == 0 && !started_by_callers(pid))
		return err_set(
			e, ERR_USAGE, 0,
			"process %d belongs to root, but not to a run of drtest, and the calling "
			"shell did not start it: use --foreign to allow it",
			pid);
	return 0;
}

static int add_pid(struct fault *f, int pid, bool foreign, struct err *e)
{
	struct proc_ref *r = &f->target.procs[f->target.n_procs];

	if (f->target.n_procs == FAULT_PROCS_MAX)
		return err_set(e, ERR_USAGE, 0, "more than %d processes", FAULT_PROCS_MAX);
	r->pid = pid;
	r->pidfd = pidfd_open(pid, 0);
	snprintf(r->name, sizeof(r->name), "process %d", pid);
	if (r->pidfd < 0)
		return err_sys(e, "process %d", pid);
	f->target.n_procs++;
	if (may_be_meant(pid, foreign, e) < 0)
		return -1;
	if (getpgid(pid) != pid)
		return err_set(e, ERR_USAGE, 0,
			       "process %d is not the leader of its process group: use the "
			       "leader, %d",
			       pid, (int)getpgid(pid));
	return 0;
}

static int add_target(struct fault *f, const char *name, bool foreign, struct err *e)
{
	char *end;
	long pid = strtol(name, &end, 10);
	struct dirent *ent;
	int found = 0, one = 0;
	DIR *d;

	snprintf(f->target.name + strlen(f->target.name),
		 sizeof(f->target.name) - strlen(f->target.name), "%s%s",
		 f->target.name[0] ? " and " : "", name);
	if (!*end && end != name && (pid <= 1 || pid > INT32_MAX))
		return err_set(e, ERR_USAGE, 0, "process %s: drtest sends it no signal", name);
	if (!*end && pid > 1)
		return add_pid(f, (int)pid, foreign, e);
	if (!*end || strchr(name, '/'))
		return err_set(e, ERR_USAGE, 0,
			       "'%s' is neither a process ID nor the name of a "
			       "server",
			       name);
	d = opendir("/proc");
	while (d && (ent = readdir(d)))
		if (isdigit((unsigned char)ent->d_name[0]) && works_in(atoi(ent->d_name), name)) {
			one = atoi(ent->d_name);
			found++;
		}
	if (d)
		closedir(d);
	if (!found)
		return err_set(e, ERR_USAGE, 0, "no run has a server '%.80s' now", name);
	if (found > 1)
		return err_set(e, ERR_USAGE, 0, "%d runs have a '%.80s' now: name its process id",
			       found, name);
	return add_pid(f, one, false, e);
}

static int strike_processes(const char *kind, int argc, char **argv)
{
	const char *words[WORDS_MAX] = { kind };
	size_t n_words = 1;
	int64_t lasts_ms = -1;
	struct fault f, target = { 0 };
	struct err e = ERR_INIT;
	bool foreign = false;
	int rc;

	for (int i = 1; i < argc; i++)
		foreign = foreign || !strcmp(argv[i], "--foreign");
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--help")) {
			options_help(&command, stdout);
			return EXIT_PASS;
		}
		if (!strcmp(argv[i], "--foreign"))
			continue;
		if (!strcmp(argv[i], "--lasts")) {
			lasts_ms = i + 1 < argc ? duration_parse_ms(argv[++i]) : -1;
			if (lasts_ms < 0)
				return print_usage("--lasts needs a time such as 2s");
		} else if (argv[i][0] == '-') {
			return options_wrong(&command, "unknown option %.80s", argv[i]);
		} else if (strchr(argv[i], '=') && n_words < WORDS_MAX) {
			words[n_words++] = argv[i];
		} else if (add_target(&target, argv[i], foreign, &e) < 0) {
			fault_release(&target);
			return print_error(&e);
		}
	}
	if (fault_parse(&f, words, n_words, &e) < 0) {
		fault_release(&target);
		return print_error(&e);
	}
	f.target = target.target;
	if (lasts_ms >= 0 && !f.ops->heal) {
		fault_release(&f);
		return print_usage("--lasts: nothing heals after this fault");
	}
	if (!f.target.n_procs)
		return print_usage("missing process ID or server name");
	rc = fault_inject(&f, &e);
	if (rc == 0 && f.ops->heal) {
		struct pollfd in = { .fd = lasts_ms < 0 ? 0 : -1, .events = POLLIN };
		struct deadline d =
			deadline_in_ms(lasts_ms < 0 ? 30ll * 24 * 3600 * 1000 : lasts_ms);

		printf("%s: %s; heals %s\n", f.ops->name, f.target.name,
		       lasts_ms < 0 ? "at the end of the input or on Ctrl-C" : "after its time");
		fflush(stdout);
		while (!clock_cancelled() && !deadline_passed(d) && poll(&in, 1, 20) <= 0)
			;
		rc = fault_heal(&f, &e);
	} else if (rc == 0) {
		printf("%s of %s\n", f.ops->name, f.target.name);
	}
	fault_release(&f);
	return rc < 0 ? print_error(&e) : EXIT_PASS;
}

int cmd_chaos(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : "";
	const struct fault_ops *k = fault_find(verb);
	static const char *const verbs[] = {
		"list", "proxy", "kill", "interrupt", "pause", "memory"
	};

	clock_on_end_signals(clock_cancel);
	if (!strcmp(verb, "--help") || !strcmp(verb, "-h")) {
		options_help(&command, stdout);
		return EXIT_PASS;
	}
	if (!strcmp(verb, "list") && argc > 2)
		return options_wrong(&command, "unexpected argument '%.80s' after 'list'", argv[2]);
	if (!strcmp(verb, "list"))
		return list_faults();
	if (!strcmp(verb, "proxy"))
		return run_proxy(argc - 1, argv + 1);
	if (k && k->on == FAULT_ON_PROCS)
		return strike_processes(verb, argc - 1, argv + 1);
	if (k)
		return print_usage(
			"this fault is for a link or a disk: use drtest chaos proxy, or t:fault "
			"in a scenario");
	return options_no_verb(&command, verb, verbs, sizeof(verbs) / sizeof(verbs[0]));
}

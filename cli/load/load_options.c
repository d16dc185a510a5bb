/* Options of `drtest load`, named as sysbench names them: from the command line, and from
 * sysbench's configuration files. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/load/load_impl.h"
#include "cli/load/load_sysbench.h"
#include "harness/base/nearest.h"
#include "harness/base/xalloc.h"
#include "workloads/script.h"

static const char help[] =
	"usage: drtest load NAME prepare|run|check|cleanup [options]        drtest load report STORE        drtest load NAME --help\n"
	"Runs a load by hand. NAME is oltp_write_only, oltp_read_write, oltp_insert, oltp_update_index, oltp_update_non_index, oltp_delete, bank,\n"
	"append, ledger, tpcc, or the path of a load's Lua file (docs/LOADS.md). Options are named as in sysbench.\n"
	"  --config-file=FILE       options as lines name=value, as sysbench reads them; the command line goes before\n"
	"  --mysql-host=127.0.0.1 --mysql-port=3306 --mysql-user=root --mysql-db=sbtest\n"
	"  --mysql-password=...     better: the environment's MYSQL_PWD, which no process list shows\n"
	"  --mysql-ssl=off          on: TLS, the certificate verified; REQUIRED, VERIFY_CA, VERIFY_IDENTITY as the mysql client has them\n"
	"  --mysql-ssl-ca=FILE --mysql-ssl-cert=FILE --mysql-ssl-key=FILE   TLS, and the server's certificate is for its host\n"
	"  --tables=1               tables to prepare; --load-tables=0: write to the first so many only (0: all)\n"
	"  --table-size=10000       rows of each\n"
	"  --threads=1              workers, each with a connection of its own (prepare: at most so many at once)\n"
	"  --rate=0                 transactions per second over all workers; 0: as fast as they go. Steps and ramps: 100/30s,100-1000/60s,1000\n"
	"  --pace=poisson           or even: the gaps between due times\n"
	"  --backlog-max=131072     due and not begun: above it the run ends, and says that the server does not keep up\n"
	"  --time=10                seconds; 0: until Ctrl-C    --events=0  transactions in all    --warmup-time=0  seconds that do not count\n"
	"  --db-ps-mode=auto        prepared statements; disable: text    --roundtrips=one  a transaction's statements in one packet\n"
	"  --report-interval=0      seconds between interval lines; 0: none\n"
	"  --percentile=95          of the latencies in sysbench's lines; 0: none    --histogram  the latencies' histogram\n"
	"  --rand-type=special      special, uniform, gaussian, pareto, zipfian\n"
	"  --rand-seed=0            0: from the clock, and printed\n"
	"  --on-lost=reconnect      or stop: what a worker does whose connection is lost\n"
	"  --ledger-dir=DIR         a record of each transaction; --ledger-rows: each also inserts itself into drtest_ledger\n"
	"  --set NAME=VALUE         an option of the load itself; also as --name=value (--index-updates=2)\n"
	"  --shard=I/N --rendezvous=STORE  one of N processes that start at one instant and leave their results in STORE (s3://…, file://…)\n"
	"  --json                   the final report as JSON\n"
	"Exit code: 0 it ran, 1 a condition is broken (check), 2 usage, 3 the server or the load failed, 130 interrupted.\n";

static int usage(const char *option, const char *text, const char *want)
{
	fprintf(stderr, "drtest load: --%s: \"%.60s\" is not %s\n", option, text, want);
	return -1;
}

static int whole(const char *option, const char *text, uint64_t min, uint64_t max, uint64_t *out)
{
	char *end, want[96];

	errno = 0;
	*out = strtoull(text, &end, 10);
	if (*text >= '0' && *text <= '9' && !*end && !errno && *out >= min && *out <= max)
		return 0;
	snprintf(want, sizeof(want), "a number from %" PRIu64 " to %" PRIu64, min, max);
	return usage(option, text, want);
}

static int real(const char *option, const char *text, double *out)
{
	char *end;

	*out = strtod(text, &end);
	if (end != text && !*end && isfinite(*out) && *out >= 0)
		return 0;
	return usage(option, text, "a number of at least 0");
}

static int field(const char *option, const char *text, char *to, size_t room)
{
	if (strlen(text) < room) {
		strcpy(to, text);
		return 0;
	}
	return usage(option, "(too long)", "short enough");
}

static int on_off(const char *option, const char *text, bool *out)
{
	*out = !strcmp(text, "on") || !strcmp(text, "true") || !strcmp(text, "1") || !*text;
	if (*out || !strcmp(text, "off") || !strcmp(text, "false") || !strcmp(text, "0"))
		return 0;
	return usage(option, text, "on or off");
}

static int one_of(const char *option, const char *text, const char *a, const char *b, bool *is_b)
{
	char want[64];

	*is_b = !strcmp(text, b);
	if (*is_b || !strcmp(text, a))
		return 0;
	snprintf(want, sizeof(want), "%s or %s", a, b);
	return usage(option, text, want);
}

static int take_number(struct load_run *r, const char *name, const char *arg)
{
	static const struct {
		const char *name;
		uint64_t min, max;
	} numbers[] = {
		{ "mysql-port", 1, 65535 },       { "tables", 1, 10000 },
		{ "load-tables", 0, 10000 },      { "table-size", 1, INT32_MAX },
		{ "threads", 1, 100000 },         { "percentile", 0, 100 },
		{ "rand-seed", 0, UINT64_MAX },   { "events", 0, UINT64_MAX },
		{ "backlog-max", 1, 1000000000 },
	};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		uint64_t n;

		if (strcmp(name, numbers[i].name) != 0)
			continue;
		if (whole(name, arg, numbers[i].min, numbers[i].max, &n) < 0)
			return -1;
		switch (i) {
		case 0: r->ep.port = (unsigned)n; break;
		case 1: r->o.tables = (unsigned)n; break;
		case 2: r->o.load_tables = (unsigned)n; break;
		case 3: r->o.table_size = (int64_t)n; break;
		case 4: r->o.workers = (unsigned)n; break;
		case 5: r->percentile = (unsigned)n; break;
		case 6: r->o.seed = n; break;
		case 7: r->o.events = n; break;
		case 8: r->o.backlog_max = n; break;
		}
		return 0;
	}
	return 1;
}

/* An option that this program does not have may be the load's own: it says so if not. */
static int take_own(struct load_run *r, const char *name, const char *arg)
{
	char *set, *p;

	if (r->n_set == LOAD_SETS_MAX) {
		fprintf(stderr, "drtest load: more than %d options of the load's own\n",
			LOAD_SETS_MAX);
		return -1;
	}
	set = xstrfmt("%s=%s", name, arg);
	for (p = set; *p != '='; p++)
		if (*p == '-')
			*p = '_';
	r->set[r->n_set++] = set;
	return 0;
}

static int take_shard(struct load_run *r, const char *arg)
{
	char *end;
	unsigned long i = strtoul(arg, &end, 10), n = *end == '/' ? strtoul(end + 1, &end, 10) : 0;

	if (*arg < '0' || *arg > '9' || *end || n < 1 || n > 10000 || i < 1 || i > n)
		return usage(
			"shard", arg,
			"I/N with I from 1 to N (of a container's index from 0: --shard=$((INDEX + 1))/N)");
	r->shard = (unsigned)i;
	r->shards = (unsigned)n;
	return 0;
}

/* sysbench's on and off, and the words that newer versions have. Whether there is TLS is never left
 * to the server. */
static int take_tls(struct load_run *r, const char *arg)
{
	static const struct {
		const char *word;
		enum sql_tls tls;
	} words[] = { { "off", SQL_TLS_OFF },
		      { "disabled", SQL_TLS_OFF },
		      { "on", SQL_TLS_VERIFY },
		      { "", SQL_TLS_VERIFY },
		      { "required", SQL_TLS_UNVERIFIED },
		      { "verify_ca", SQL_TLS_CHAIN },
		      { "verify_identity", SQL_TLS_VERIFY } };

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (!strcasecmp(arg, words[i].word)) {
			r->ep.tls = words[i].tls;
			return 0;
		}
	return usage(
		"mysql-ssl", arg,
		"off, on (the certificate is verified), REQUIRED, VERIFY_CA or VERIFY_IDENTITY");
}

static int take(struct load_run *r, const char *name, const char *arg)
{
	bool flag = false;
	int rc = take_number(r, name, arg);

	if (rc <= 0)
		return rc;
	if (!strcmp(name, "mysql-host"))
		return field(name, arg, r->ep.host, sizeof(r->ep.host));
	if (!strcmp(name, "mysql-user"))
		return field(name, arg, r->ep.user, sizeof(r->ep.user));
	if (!strcmp(name, "mysql-password"))
		return field(name, arg, r->ep.password, sizeof(r->ep.password));
	if (!strcmp(name, "mysql-ssl-ca"))
		return field(name, arg, r->ep.ssl_ca, sizeof(r->ep.ssl_ca));
	if (!strcmp(name, "mysql-ssl-cert"))
		return field(name, arg, r->ep.ssl_cert, sizeof(r->ep.ssl_cert));
	if (!strcmp(name, "mysql-ssl-key"))
		return field(name, arg, r->ep.ssl_key, sizeof(r->ep.ssl_key));
	if (!strcmp(name, "mysql-ssl"))
		return take_tls(r, arg);
	if (!strcmp(name, "time"))
		return real(name, arg, &r->time_s);
	if (!strcmp(name, "warmup-time"))
		return real(name, arg, &r->warmup_s);
	if (!strcmp(name, "report-interval"))
		return real(name, arg, &r->interval_s);
	if (!strcmp(name, "ledger-rows"))
		return on_off(name, arg, &r->o.ledger_rows);
	if (!strcmp(name, "histogram"))
		return on_off(name, arg, &r->histogram);
	if (!strcmp(name, "json"))
		return on_off(name, arg, &r->json);
	if (!strcmp(name, "shard"))
		return take_shard(r, arg);
	if (!strcmp(name, "set")) {
		const char *eq = strchr(arg, '=');

		if (!eq)
			return usage(name, arg, "NAME=VALUE");
		char *own = xstrdup(arg);

		own[eq - arg] = '\0';
		rc = take_own(r, own, eq + 1);
		free(own);
		return rc;
	}
	rc = 0;
	if (!strcmp(name, "mysql-db"))
		r->o.db = arg;
	else if (!strcmp(name, "rand-type"))
		r->o.rand_type = arg;
	else if (!strcmp(name, "ledger-dir"))
		r->o.ledger_dir = arg;
	else if (!strcmp(name, "rendezvous"))
		r->rendezvous = arg;
	else if (!strcmp(name, "rate"))
		r->o.rate_plan = arg;
	else if (!strcmp(name, "pace")) {
		rc = one_of(name, arg, "poisson", "even", &flag);
		r->o.pace = flag ? LOAD_EVEN : LOAD_POISSON;
	} else if (!strcmp(name, "on-lost")) {
		rc = one_of(name, arg, "reconnect", "stop", &r->o.stop_on_lost);
	} else if (!strcmp(name, "db-ps-mode")) {
		rc = one_of(name, arg, "auto", "disable", &flag);
		if (r->o.protocol != LOAD_ONE_PACKET)
			r->o.protocol = flag ? LOAD_TEXT : LOAD_PREPARED;
	} else if (!strcmp(name, "protocol")) {
		rc = one_of(name, arg, "prepared", "text", &flag);
		if (r->o.protocol != LOAD_ONE_PACKET)
			r->o.protocol = flag ? LOAD_TEXT : LOAD_PREPARED;
	} else if (!strcmp(name, "roundtrips")) {
		rc = one_of(name, arg, "many", "one", &flag);
		if (flag)
			r->o.protocol = LOAD_ONE_PACKET;
	} else if (!strcmp(name, "db-driver")) {
		if (strcmp(arg, "mysql") != 0)
			rc = usage(name, arg, "mysql, the one driver there is");
	} else {
		rc = take_own(r, name, arg);
	}
	return rc;
}

static bool is_flag(const char *name)
{
	return !strcmp(name, "ledger-rows") || !strcmp(name, "histogram") ||
	       !strcmp(name, "json") || load_sysbench_flag(name);
}

static const char *const own_names[] = {
	"config-file",    "mysql-host",  "mysql-port",   "mysql-user",     "mysql-db",
	"mysql-password", "mysql-ssl",   "mysql-ssl-ca", "mysql-ssl-cert", "mysql-ssl-key",
	"tables",         "load-tables", "table-size",   "threads",        "rate",
	"pace",           "backlog-max", "time",         "events",         "warmup-time",
	"db-ps-mode",     "db-driver",   "protocol",     "roundtrips",     "report-interval",
	"percentile",     "histogram",   "rand-type",    "rand-seed",      "on-lost",
	"ledger-dir",     "ledger-rows", "set",          "shard",          "rendezvous",
	"json",           "help"
};
#define OWN_NAMES (sizeof(own_names) / sizeof(*own_names))

static int no_option(const char *name)
{
	const char *names[OWN_NAMES + 64], *meant;
	size_t n = OWN_NAMES;

	memcpy(names, own_names, sizeof(own_names));
	n += load_sysbench_names(names + n, 64);
	meant = nearest(name, names, n);
	if (meant)
		fprintf(stderr,
			"drtest load: there is no option --%s: did you mean --%s? (drtest load --help)\n",
			name, meant);
	else
		fprintf(stderr,
			"drtest load: there is no option --%s (drtest load --help; drtest load NAME --help tells a load's own)\n",
			name);
	return 2;
}

/* What is left is the load's own, or sysbench's and as it is here anyway; or nobody's. */
static int sort_out(struct load_run *r)
{
	size_t kept = 0, i;
	int rc = 0;

	for (i = 0; i < r->n_set && !rc; i++) {
		char *set = r->set[i], *eq = strchr(set, '='), name[64];

		snprintf(name, sizeof(name), "%.*s", (int)(eq - set), set);
		/* a load that can't be read is told later */
		if (script_has_option(r->name, name)) {
			r->set[kept++] = set;
			continue;
		}
		for (char *p = name; *p; p++)
			if (*p == '_')
				*p = '-';
		if (!load_sysbench_default(name)) {
			rc = no_option(name);
		} else if (!load_sysbench_is_default(name, eq + 1)) {
			fprintf(stderr,
				"drtest load: --%s=%.60s: load %s has sysbench's default alone (%s)\n",
				name, eq + 1, r->name,
				*load_sysbench_default(name) ? load_sysbench_default(name)
							     : "none");
			rc = 2;
		}
		free(set);
	}
	while (i < r->n_set)
		free(r->set[i++]);
	r->n_set = kept;
	r->set[kept] = NULL;
	return rc;
}

static char *keep(struct load_run *r, char *text)
{
	if (r->n_kept == sizeof(r->kept) / sizeof(*r->kept)) {
		free(text);
		return NULL;
	}
	return r->kept[r->n_kept++] = text;
}

/* sysbench's configuration: key=value, with or without "--", '_' for '-'; '#' at a line's begin or
 * after a blank starts a comment. */
static int read_config(struct load_run *r, const char *path)
{
	FILE *f = fopen(path, "r");
	char line[1024];
	unsigned n = 0;
	int rc = -1;

	if (!f) {
		fprintf(stderr, "drtest load: --config-file %s: %s\n", path, strerror(errno));
		return -1;
	}
	while (fgets(line, sizeof(line), f)) {
		char *key = line, *eq, *end = line + strlen(line), *own;

		n++;
		if (end == line + sizeof(line) - 1) {
			fprintf(stderr, "drtest load: %s:%u: a line of more than %zu bytes\n", path,
				n, sizeof(line) - 2);
			goto out;
		}
		for (char *p = line; *p; p++)
			if (*p == '#' && (p == line || p[-1] == ' ' || p[-1] == '\t')) {
				*p = '\0';
				end = p;
				break;
			}
		while (end > line && strchr(" \t\r\n", end[-1]))
			*--end = '\0';
		key += strspn(key, " \t");
		if (!*key)
			continue;
		if (key[0] == '-' && key[1] == '-')
			key += 2;
		eq = strchr(key, '=');
		if (!eq || eq == key) {
			fprintf(stderr, "drtest load: %s:%u: \"%.60s\" is not name=value\n", path,
				n, key);
			goto out;
		}
		for (end = eq; end > key && strchr(" \t", end[-1]);)
			end--;
		*end = '\0';
		for (char *p = key; *p; p++)
			if (*p == '_')
				*p = '-';
		own = keep(r, xstrdup(eq + 1 + strspn(eq + 1, " \t")));
		if (!own) {
			fprintf(stderr, "drtest load: %s:%u: too many options\n", path, n);
			goto out;
		}
		if (take(r, key, own) < 0) {
			fprintf(stderr, "drtest load: in %s, line %u\n", path, n);
			goto out;
		}
	}
	rc = 0;
out:
	memset(line, 0, sizeof(line)); /* it may have held a password */
	fclose(f);
	return rc;
}

/* 1: it was given. */
static int give_help(const char *load)
{
	struct strbuf text = STRBUF_INIT;
	struct err e = ERR_INIT;
	int rc = 1;

	if (!load) {
		fputs(help, stdout);
	} else if (script_describe(load, &text, &e) < 0) {
		fprintf(stderr, "drtest load: %s\n", e.text);
		rc = 2;
	} else {
		fputs(text.buf, stdout);
	}
	strbuf_release(&text);
	return rc;
}

/* One pass over the arguments. config: only --config-file is looked at, since the command line goes
 * before it. */
static int pass(struct load_run *r, int argc, char **argv, bool config)
{
	const char *word[3];
	int words = 0;

	for (int i = 1; i < argc; i++) {
		char *arg = argv[i], name[64], *value;
		size_t n;

		if (!strcmp(arg, "--help") || !strcmp(arg, "-h")) {
			return give_help(words ? word[0] : NULL);
		}
		if (arg[0] != '-') {
			if (words < 3)
				word[words] = arg;
			words++;
			continue;
		}
		n = strcspn(arg, "=");
		if (arg[1] != '-' || n < 3 || n - 2 >= sizeof(name)) {
			fprintf(stderr,
				"drtest load: \"%.60s\" is no option (drtest load --help)\n", arg);
			return 2;
		}
		for (size_t k = 2; k < n; k++)
			name[k - 2] = arg[k] == '_' ? '-' : arg[k];
		name[n - 2] = '\0';
		value = arg[n]          ? arg + n + 1
			: is_flag(name) ? arg + n
			: i + 1 < argc  ? argv[++i]
					: NULL;
		if (!value) {
			for (size_t k = 0; k < OWN_NAMES; k++)
				if (!strcmp(name, own_names[k])) {
					fprintf(stderr,
						"drtest load: --%s wants a value (drtest load --help)\n",
						name);
					return 2;
				}
			return no_option(name);
		}
		if (!strcmp(name, "config-file")) {
			if (config && read_config(r, value) < 0)
				return 2;
			continue;
		}
		if (config)
			continue;
		if (take(r, name, value) < 0)
			return 2;
		if (!strcmp(name, "mysql-password"))
			/* out of the process list, as far as that goes */
			memset(value, '*', strlen(value));
	}
	if (config)
		return 0;
	if (words != 2 || (strcmp(word[1], "prepare") && strcmp(word[1], "run") &&
			   strcmp(word[1], "cleanup") && strcmp(word[1], "check"))) {
		fputs(help, stderr);
		return 2;
	}
	r->name = r->o.name = word[0];
	r->verb = word[1];
	return 0;
}

int load_options(struct load_run *r, int argc, char **argv)
{
	const char *password = getenv("MYSQL_PWD");
	int rc;

	if (password &&
	    field("mysql-password", password, r->ep.password, sizeof(r->ep.password)) < 0)
		return 2;
	rc = pass(r, argc, argv, true);
	if (!rc)
		rc = pass(r, argc, argv, false);
	if (rc)
		return rc;
	if (!r->shard != !r->rendezvous) {
		fprintf(stderr, "drtest load: --shard and --rendezvous go together\n");
		return 2;
	}
	if (r->ep.tls == SQL_TLS_OFF && (r->ep.ssl_ca[0] || r->ep.ssl_cert[0])) {
		fprintf(stderr, "drtest load: --mysql-ssl=off, and --mysql-ssl-%s is given\n",
			r->ep.ssl_ca[0] ? "ca" : "cert");
		return 2;
	}
	rc = sort_out(r);
	r->o.set = (const char *const *)r->set;
	return rc;
}

void load_options_release(struct load_run *r)
{
	for (size_t i = 0; i < r->n_set; i++)
		free(r->set[i]);
	for (size_t i = 0; i < r->n_kept; i++) {
		memset(r->kept[i], 0, strlen(r->kept[i]));
		free(r->kept[i]);
	}
	memset(r->ep.password, 0, sizeof(r->ep.password));
}

/* Options of `drtest load`, with sysbench's names: from the command line, and from sysbench's
 * configuration files. */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/load/load_impl.h"
#include "cli/load/load_sysbench.h"
#include "cli/options.h"
#include "harness/base/nearest.h"
#include "harness/base/xalloc.h"
#include "workloads/script.h"
#include "workloads/shards/follow.h"

/* An option that is not drtest's may be the load's own; if it is not, the load reports it. */
static int take_own(struct load_run *r, const char *name, const char *arg)
{
	char *set, *p;

	if (r->n_set == LOAD_SETS_MAX) {
		fprintf(stderr, "drtest load: more than %d options for the load\n", LOAD_SETS_MAX);
		return -1;
	}
	set = xstrfmt("%s=%s", name, arg);
	for (p = set; *p != '='; p++)
		if (*p == '-')
			*p = '_';
	r->set[r->n_set++] = set;
	return 0;
}

static int take_shard(void *into, const char *arg, struct err *e)
{
	struct load_run *r = into;
	char *end;
	unsigned long i = strtoul(arg, &end, 10), n = *end == '/' ? strtoul(end + 1, &end, 10) : 0;

	if (*arg < '0' || *arg > '9' || *end || n < 1 || n > 10000 || i < 1 || i > n)
		return option_wants(
			e, arg,
			"I/N with I from 1 to N (for an index that starts at 0: --shard=$((INDEX "
			"+ 1))/N)");
	r->shard = (unsigned)i;
	r->shards = (unsigned)n;
	return 0;
}

/* sysbench's on and off, and the values of newer versions. The server never decides whether TLS is
 * used. */
static int take_tls(void *into, const char *arg, struct err *e)
{
	struct load_run *r = into;
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
	return option_wants(
		e, arg,
		"off, on (the certificate is verified), REQUIRED, VERIFY_CA or VERIFY_IDENTITY");
}

static int take_set(void *into, const char *arg, struct err *e)
{
	const char *eq = strchr(arg, '=');
	char *own;
	int rc;

	if (!eq)
		return option_wants(e, arg, "NAME=VALUE");
	own = xstrdup(arg);
	own[eq - arg] = '\0';
	rc = take_own(into, own, eq + 1);
	free(own);
	return rc < 0 ? err_set(e, ERR_USAGE, 0, "too many") : 0;
}

/* Once requested, one packet is kept. */
static int take_statements(void *into, const char *arg, const char *prepared, const char *text,
			   struct err *e)
{
	struct load_run *r = into;
	char want[64];

	if (strcmp(arg, prepared) != 0 && strcmp(arg, text) != 0) {
		snprintf(want, sizeof(want), "one of %s|%s", prepared, text);
		return option_wants(e, arg, want);
	}
	if (r->o.protocol != LOAD_ONE_PACKET)
		r->o.protocol = strcmp(arg, text) ? LOAD_PREPARED : LOAD_TEXT;
	return 0;
}

static int take_ps_mode(void *into, const char *arg, struct err *e)
{
	return take_statements(into, arg, "auto", "disable", e);
}

static int take_protocol(void *into, const char *arg, struct err *e)
{
	return take_statements(into, arg, "prepared", "text", e);
}

static int take_roundtrips(void *into, const char *arg, struct err *e)
{
	if (strcmp(arg, "many") != 0 && strcmp(arg, "one") != 0)
		return option_wants(e, arg, "one of many|one");
	if (*arg == 'o')
		((struct load_run *)into)->o.protocol = LOAD_ONE_PACKET;
	return 0;
}

static int take_on_lost(void *into, const char *arg, struct err *e)
{
	((struct load_run *)into)->o.stop_on_lost = !strcmp(arg, "stop");
	return !strcmp(arg, "stop") || !strcmp(arg, "reconnect")
		       ? 0
		       : option_wants(e, arg, "one of reconnect|stop");
}

static int take_pace(void *into, const char *arg, struct err *e)
{
	((struct load_run *)into)->o.pace = !strcmp(arg, "even") ? LOAD_EVEN : LOAD_POISSON;
	return !strcmp(arg, "even") || !strcmp(arg, "poisson")
		       ? 0
		       : option_wants(e, arg, "one of poisson|even");
}

static int take_driver(void *into, const char *arg, struct err *e)
{
	(void)into;
	return strcmp(arg, "mysql") ? option_wants(e, arg, "mysql, the only driver") : 0;
}

#define AT(member) .at = offsetof(struct load_run, member)
#define FIELD(name, arg, help, member)                                \
	{                                                             \
		name, OPTION_FIELD, arg, help, AT(member),            \
			.max = sizeof(((struct load_run *)0)->member) \
	}
static const struct option_def options[] = {
	{ "config-file", OPTION_IGNORED, "FILE",
	  "read options as name=value lines, like sysbench; the command line takes precedence",
	  AT(o) },
	FIELD("mysql-host", "HOST", "(127.0.0.1)", ep.host),
	{ "mysql-port", OPTION_UNSIGNED, "PORT", "(3306)", AT(ep.port), .min = 1, .max = 65535 },
	FIELD("mysql-user", "USER", "(root)", ep.user),
	{ "mysql-db", OPTION_TEXT, "NAME", "(sbtest)", AT(o.db) },
	FIELD("mysql-password", "...",
	      "better: the environment variable MYSQL_PWD, which process lists do not show",
	      ep.password),
	{ "mysql-ssl", OPTION_TAKE, "off|on",
	  "on: TLS with a verified certificate (off); or REQUIRED, VERIFY_CA, VERIFY_IDENTITY, as "
	  "in the mysql client",
	  .take = take_tls },
	FIELD("mysql-ssl-ca", "FILE",
	      "TLS; verify the server's certificate, including its host "
	      "name",
	      ep.ssl_ca),
	FIELD("mysql-ssl-cert", "FILE", "the client certificate", ep.ssl_cert),
	FIELD("mysql-ssl-key", "FILE", "its private key", ep.ssl_key),
	FIELD("mysql-ssl-server-name", "NAME",
	      "the name that the server's certificate must have (that of --mysql-host)",
	      ep.ssl_server_name),
	{ "tables", OPTION_UNSIGNED, "N", "tables to prepare (1)", AT(o.tables), .min = 1,
	  .max = 10000 },
	{ "load-tables", OPTION_UNSIGNED, "N", "write only to the first N (0: all)",
	  AT(o.load_tables), .max = 10000 },
	{ "table-size", OPTION_WHOLE, "N", "rows of each (10000)", AT(o.table_size), .min = 1,
	  .max = INT32_MAX },
	{ "threads", OPTION_UNSIGNED, "N",
	  "workers, each with its own connection; prepare: at most N at once (1)", AT(o.workers),
	  .min = 1, .max = 100000 },
	{ "rate", OPTION_TEXT, "N",
	  "transactions per second of all workers together; 0: no limit (0). Steps and ramps: "
	  "100/30s,100-1000/60s,1000",
	  AT(o.rate_plan) },
	{ "pace", OPTION_TAKE, "poisson|even", "the gaps between due times (poisson)",
	  .take = take_pace },
	{ "backlog-max", OPTION_WHOLE, "N",
	  "end the run if more transactions than this are overdue, because the server does not "
	  "keep up (131072)",
	  AT(o.backlog_max), .min = 1, .max = 1000000000 },
	{ "time", OPTION_REAL, "S", "seconds; 0: until Ctrl-C (10)", AT(time_s) },
	{ "events", OPTION_WHOLE, "N", "transactions in all (0: no limit)", AT(o.events) },
	{ "warmup-time", OPTION_REAL, "S", "seconds at the start that do not count (0)",
	  AT(warmup_s) },
	{ "db-ps-mode", OPTION_TAKE, "auto|disable", "prepared statements; disable: text (auto)",
	  .take = take_ps_mode },
	{ "roundtrips", OPTION_TAKE, "many|one",
	  "one: send a transaction's statements in one packet (many)", .take = take_roundtrips },
	{ "report-interval", OPTION_REAL, "S", "seconds between interval lines; 0: none (0)",
	  AT(interval_s) },
	{ "percentile", OPTION_UNSIGNED, "N",
	  "latency percentile in sysbench's output; 0: none "
	  "(95)",
	  AT(percentile), .max = 100 },
	{ "histogram", OPTION_ON_OFF, NULL, "print a latency histogram", AT(histogram) },
	{ "rand-type", OPTION_TEXT, "T", "special, uniform, gaussian, pareto, zipfian (special)",
	  AT(o.rand_type) },
	{ "rand-seed", OPTION_WHOLE, "N",
	  "the seed of prepare and run (42); 0: from the clock, and print it", AT(o.seed) },
	{ "on-lost", OPTION_TAKE, "reconnect|stop",
	  "what a worker does when it loses its connection (reconnect)", .take = take_on_lost },
	{ "ledger-dir", OPTION_TEXT, "DIR", "write a record of each transaction to DIR",
	  AT(o.ledger_dir) },
	{ "ledger-rows", OPTION_ON_OFF, NULL,
	  "each transaction also inserts its row into "
	  "drtest_ledger",
	  AT(o.ledger_rows) },
	{ "set", OPTION_TAKE, "NAME=VALUE",
	  "an option of the load; also as --name=value (--index-updates=2)", .take = take_set,
	  .times = OPTION_PER_NAME },
	{ "shard", OPTION_TAKE, "I/N",
	  "run as process I of N processes that start together and write their results to "
	  "--rendezvous",
	  .take = take_shard },
	{ "rendezvous", OPTION_TEXT, "STORE", "s3://…, file://…", AT(rendezvous) },
	{ "follow", OPTION_ON_OFF, NULL,
	  "take the load's size, rates and end from a search that meets the shards at --rendezvous "
	  "(drtest capacity --shards=N --rendezvous=STORE)",
	  AT(follow) },
	{ "json", OPTION_ON_OFF, NULL, "print the final report as JSON", AT(json) },
	/* sysbench's name, and an earlier name of db-ps-mode */
	{ "db-driver", OPTION_TAKE, "mysql", NULL, .take = take_driver },
	{ "protocol", OPTION_TAKE, "prepared|text", NULL, .take = take_protocol },
	{ 0 },
};
static const struct command_def command = {
	.name = "load",
	.usage = "drtest load NAME prepare|run|check|cleanup [options]\ndrtest load report "
		 "STORE\ndrtest load NAME --help",
	.about =
		"Runs a load by hand. NAME is oltp_write_only, oltp_read_write, oltp_insert, "
		"oltp_update_index, oltp_update_non_index, oltp_delete, bank, append, ledger, tpcc, "
		"or the path of a load's Lua file (docs/LOADS.md). Options have sysbench's names: "
		"--name=value or --name value.",
	.options = options,
	.more = "Exit code: 0 done, 1 a condition is violated (check), 2 wrong usage, 3 the "
		"server or the load failed, 130 interrupted.",
};

static int take(struct load_run *r, const char *name, const char *arg)
{
	const struct option_def *o = option_find(options, name), *each = o;
	struct err e = ERR_INIT;
	const char *given = arg;
	size_t sets = r->n_set;

	if (r->n_given < LOAD_GIVEN_MAX)
		r->given[r->n_given++] = o ? o->name : "set";
	if (!o && take_own(r, name, arg) < 0)
		return -1;
	if (o && option_set(o, r, arg, &e) < 0) {
		fprintf(stderr, "drtest load: --%s: %s\n", name, e.text);
		return -1;
	}
	if (r->n_set > sets) { /* --set name=value, or --name=value */
		each = option_find(options, "set");
		given = r->set[sets];
	}
	if (options_give(&r->here, each, given, &e) == 0)
		return 0;
	fprintf(stderr, "drtest load: %s\n", e.text);
	return -1;
}

static bool is_flag(const char *name)
{
	const struct option_def *o = option_find(options, name);

	return o ? o->kind == OPTION_ON_OFF : load_sysbench_flag(name);
}

static int no_option(const char *name)
{
	const char *names[sizeof(options) / sizeof(*options) + 64], *meant;
	size_t n = 0;

	for (const struct option_def *o = options; o->name; o++)
		names[n++] = o->name;
	names[n++] = "help";
	n += load_sysbench_names(names + n, 64);
	meant = nearest(name, names, n);
	if (meant)
		fprintf(stderr,
			"drtest load: unknown option --%s: did you mean --%s? (drtest load "
			"--help)\n",
			name, meant);
	else
		fprintf(stderr,
			"drtest load: unknown option --%s (see drtest load --help; drtest load "
			"NAME --help lists the options of a load)\n",
			name);
	return 2;
}

/* Any other option is the load's own, or one of sysbench's that has no effect here, or unknown. */
static int keep_own_options(struct load_run *r)
{
	size_t kept = 0, i;
	int rc = 0;

	for (i = 0; i < r->n_set && !rc; i++) {
		char *set = r->set[i], *eq = strchr(set, '='), name[64];

		snprintf(name, sizeof(name), "%.*s", (int)(eq - set), set);
		/* a load that can't be read is reported later */
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
				"drtest load: --%s=%.60s: load %s only supports sysbench's "
				"default (%s)\n",
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

/* sysbench's configuration files: key=value, with or without "--", '_' or '-'; '#' at the start of
 * a line or after a blank starts a comment. */
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
			fprintf(stderr, "drtest load: %s:%u: the line has more than %zu bytes\n",
				path, n, sizeof(line) - 2);
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
	if (ferror(f)) {
		fprintf(stderr, "drtest load: --config-file %s: %s\n", path, strerror(errno));
		goto out;
	}
	rc = 0;
out:
	memset(line, 0, sizeof(line)); /* it may have had a password */
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
		options_help(&command, stdout);
	} else if (script_describe(load, &text, &e) < 0) {
		fprintf(stderr, "drtest load: %s\n", e.text);
		rc = 2;
	} else {
		fputs(text.buf, stdout);
	}
	strbuf_release(&text);
	return rc;
}

/* One pass over the arguments. config: only look for --config-file, since the command line
 * overrides that file. */
static const char *const verbs[] = { "prepare", "run", "check", "cleanup" };

static bool is_verb(const char *word)
{
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (!strcmp(word, verbs[i]))
			return true;
	return false;
}

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
				"drtest load: unexpected argument \"%.60s\" (see drtest load "
				"--help)\n",
				arg);
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
			if (option_find(options, name)) {
				fprintf(stderr,
					"drtest load: --%s needs a value (see drtest load "
					"--help)\n",
					name);
				return 2;
			}
			return no_option(name);
		}
		if (!strcmp(name, "config-file")) {
			if (config && read_config(r, value) < 0)
				return 2;
			if (config)
				continue;
		}
		if (config)
			continue;
		if (take(r, name, value) < 0)
			return 2;
		if (!strcmp(name, "mysql-password"))
			/* remove it from the process list, as far as possible */
			memset(value, '*', strlen(value));
	}
	if (config)
		return 0;
	if (!words) {
		options_help(&command, stderr);
		return 2;
	}
	if (words == 2 && is_verb(word[0]) && !is_verb(word[1]))
		return options_wrong(&command, "the load comes first: drtest load %.80s %s",
				     word[1], word[0]);
	if (words < 2 || !is_verb(word[1]))
		return options_no_verb(&command, words < 2 ? "" : word[1], verbs,
				       sizeof(verbs) / sizeof(verbs[0]));
	if (words > 2)
		return options_wrong(&command, "unexpected argument '%.80s' after '%s'", word[2],
				     word[1]);
	r->name = r->o.name = word[0];
	r->verb = word[1];
	return 0;
}

static bool is_given(const struct load_run *r, const char *name)
{
	for (size_t i = 0; i < r->n_given; i++)
		if (!strcmp(r->given[i], name))
			return true;
	return false;
}

/* 0, or 2: with --follow the search decides this option, or it is not allowed. */
static int check_follow(const struct load_run *r)
{
	static const char *const told[] = { "mysql-db", "tables",      "load-tables", "table-size",
					    "threads",  "rate",        "pace",        "backlog-max",
					    "time",     "events",      "warmup-time", "db-ps-mode",
					    "protocol", "roundtrips",  "rand-type",   "rand-seed",
					    "on-lost",  "ledger-rows", "set" };

	if (!r->follow)
		return 0;
	if (!r->shard || strcmp(r->verb, "run") != 0) {
		fprintf(stderr,
			"drtest load: --follow is for run, with --shard and --rendezvous\n");
		return 2;
	}
	for (size_t i = 0; i < sizeof(told) / sizeof(told[0]); i++)
		if (is_given(r, told[i])) {
			if (!strcmp(told[i], "set"))
				fprintf(stderr,
					"drtest load: with --follow the search tells the load's options: leave them out here\n");
			else
				fprintf(stderr,
					"drtest load: --%s: with --follow the search tells that: leave it out here\n",
					told[i]);
			return 2;
		}
	if (r->ep.password[0] && !is_given(r, "mysql-host")) {
		fprintf(stderr,
			"drtest load: --follow with a password wants --mysql-host: it is not taken to whatever host the "
			"rendezvous names\n");
		return 2;
	}
	return 0;
}

int load_options(struct load_run *r, int argc, char **argv)
{
	const char *password = getenv("MYSQL_PWD");
	int rc;

	if (password && strlen(password) >= sizeof(r->ep.password))
		return options_wrong(&command,
				     "the environment variable MYSQL_PWD has more than %zu bytes",
				     sizeof(r->ep.password) - 1);
	if (password)
		strcpy(r->ep.password, password);
	rc = pass(r, argc, argv, true);
	options_given_release(&r->here); /* the command line overrides the file */
	if (!rc)
		rc = pass(r, argc, argv, false);
	options_given_release(&r->here);
	if (rc)
		return rc;
	if (!r->shard != !r->rendezvous) {
		fprintf(stderr, "drtest load: --shard and --rendezvous must be used together\n");
		return 2;
	}
	rc = check_follow(r);
	if (rc)
		return rc;
	if (r->ep.tls == SQL_TLS_OFF && (r->ep.ssl_ca[0] || r->ep.ssl_cert[0])) {
		fprintf(stderr,
			"drtest load: --mysql-ssl=off cannot be combined with "
			"--mysql-ssl-%s\n",
			r->ep.ssl_ca[0] ? "ca" : "cert");
		return 2;
	}
	rc = keep_own_options(r);
	r->o.set = (const char *const *)r->set;
	return rc;
}

int load_options_follow(struct load_run *r, struct err *e)
{
	if (follow_load(r->search, &r->o, r->set, LOAD_SETS_MAX, &r->n_set, e) < 0)
		return -1;
	r->set[r->n_set] = NULL;
	r->o.set = (const char *const *)r->set;
	if (!is_given(r, "mysql-host") && !is_given(r, "mysql-port"))
		follow_endpoint(r->search, &r->ep);
	r->time_s = 0;
	return 0;
}

void load_options_release(struct load_run *r)
{
	json_decref(r->search);
	for (size_t i = 0; i < r->n_set; i++)
		free(r->set[i]);
	for (size_t i = 0; i < r->n_kept; i++) {
		memset(r->kept[i], 0, strlen(r->kept[i]));
		free(r->kept[i]);
	}
	memset(r->ep.password, 0, sizeof(r->ep.password));
}

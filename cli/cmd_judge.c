/* drtest judge: a verdict over a drill that was made by hand: the load's ledger against a server,
 * every row against the load's model, one server against another. */
#include "cli/commands.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/options.h"
#include "harness/base/xalloc.h"
#include "harness/compare/compare.h"
#include "harness/os/fs.h"
#include "harness/verify/checks.h"
#include "harness/verify/evidence.h"
#include "workloads/load.h"

#define SETS_MAX 64
#define FINDINGS_SHOWN 10
#define FOREIGN_MIN 10
#define THREADS 4

static const char help[] =
	"usage: drtest judge LOAD --ledger-dir DIR --server URI [--point TSO] [--compare URI] [options of the load] [--json]\n"
	"A verdict over a drill that was made by hand. LOAD (oltp_write_only) ran with --ledger-dir DIR and --ledger-rows, the disaster came, the redo log\n"
	"was replayed: what is on the server that took over?\n"
	"  --server URI       the promoted secondary: mysql://user@host:port (@FILE: the URI is in a file)\n"
	"  --point TSO        what the replay reached: resolved-ts of `drtest redo meta` or of `cdc redo apply`. Up to it nothing may be missing, after\n"
	"                     it nothing may be there. Without it nothing that was acknowledged may be lost\n"
	"  --tso-map FILE     MariaDB: the map from its GTIDs to TSOs (drtest feed --tso-map)\n"
	"  --compare URI      and is the server equal to this one, all tables? Both at rest\n"
	"  --lost FILE        a JSON line for each acknowledged transaction that is lost\n"
	"As they were given to `drtest load`: --rand-seed N (it printed the seed), --tables, --load-tables, --table-size, --rand-type, --mysql-db, --set.\n"
	"Checks: ledger (wants the rows that --ledger-rows made), model (loads that have one), compare. Each says what it can't see.\n"
	"Exit code: 0 pass, 1 fail, 2 wrong usage, 3 a server or file can't be read, 4 unknown.\n";

struct request {
	struct load_opts load;
	const char *name, *ledger_dir, *server, *compare, *tso_map, *lost;
	const char *set[SETS_MAX + 1];
	size_t n_set;
	tso_t point;
	bool json, seeded;
};

static int wrong(const char *option, const char *text, const char *want)
{
	fprintf(stderr, "drtest judge: --%s: '%.80s' is not %s\n", option, text, want);
	return 2;
}

static int number(const char *option, uint64_t max, uint64_t *out)
{
	char *end;

	*out = strtoull(optarg, &end, 10);
	return *optarg >= '0' && *optarg <= '9' && !*end && *out <= max
		       ? 0
		       : wrong(option, optarg, "a number in its range");
}

/* 0: go on; 1: help was printed; 2: wrong. */
static int parse(struct request *q, int argc, char **argv)
{
	static const struct option longs[] = { { "ledger-dir", required_argument, NULL, 'l' },
					       { "server", required_argument, NULL, 's' },
					       { "point", required_argument, NULL, 'p' },
					       { "compare", required_argument, NULL, 'c' },
					       { "tso-map", required_argument, NULL, 'm' },
					       { "lost", required_argument, NULL, 'L' },
					       { "rand-seed", required_argument, NULL, 'r' },
					       { "tables", required_argument, NULL, 't' },
					       { "load-tables", required_argument, NULL, 'T' },
					       { "table-size", required_argument, NULL, 'z' },
					       { "rand-type", required_argument, NULL, 'y' },
					       { "mysql-db", required_argument, NULL, 'd' },
					       { "set", required_argument, NULL, 'S' },
					       { "json", no_argument, NULL, 'j' },
					       { "help", no_argument, NULL, 'h' },
					       { 0 } };
	uint64_t n;
	int c;

	optind = 0;
	while ((c = options_next(argc, argv, "h", longs, NULL)) != -1)
		switch (c) {
		case 'l': q->ledger_dir = optarg; break;
		case 's': q->server = optarg; break;
		case 'c': q->compare = optarg; break;
		case 'm': q->tso_map = optarg; break;
		case 'L': q->lost = optarg; break;
		case 'y': q->load.rand_type = optarg; break;
		case 'd': q->load.db = optarg; break;
		case 'j': q->json = true; break;
		case 'p':
			if (!tso_parse(optarg, &q->point) || !q->point)
				return wrong("point", optarg, "a TSO, as 435844546560000001");
			break;
		case 'r':
			if (number("rand-seed", UINT64_MAX, &q->load.seed))
				return 2;
			q->seeded = true;
			break;
		case 't':
		case 'T':
		case 'z':
			if (number(c == 'z'   ? "table-size"
				   : c == 't' ? "tables"
					      : "load-tables",
				   INT32_MAX, &n))
				return 2;
			if (c == 'z')
				q->load.table_size = (int64_t)n;
			else
				*(c == 't' ? &q->load.tables : &q->load.load_tables) = (unsigned)n;
			break;
		case 'S':
			if (q->n_set == SETS_MAX || !strchr(optarg, '='))
				return wrong("set", optarg, "NAME=VALUE");
			q->set[q->n_set++] = optarg;
			break;
		case 'h': fputs(help, stdout); return 1;
		default: return 2;
		}
	if (optind != argc - 1 || !q->ledger_dir || !q->server) {
		fprintf(stderr,
			"drtest judge: a load's name, --ledger-dir and --server are wanted (drtest judge --help)\n");
		return 2;
	}
	q->name = q->load.name = argv[optind];
	q->load.set = q->set;
	return 0;
}

/* The load was not told of the disaster: it was after the last acknowledgement. */
static int last_ack(void *arg, const struct ledger_record *r)
{
	int64_t *last = arg;

	if (r->cluster == 0 && r->outcome == TXN_ACKED && r->end_us > *last)
		*last = r->end_us;
	return 0;
}

static void print_finding(const json_t *finding)
{
	const char *key;
	json_t *v;

	printf("       ");
	json_object_foreach((json_t *)finding, key, v) if (json_is_string(v))
		printf(" %s %s", key, json_string_value(v));
	else if (json_is_integer(v))
		printf(" %s %" JSON_INTEGER_FORMAT, key, json_integer_value(v));
	putchar('\n');
}

struct verdicts {
	enum verdict worst;
	json_t *list;
	bool json;
};

static void say(struct verdicts *all, const char *name, enum verdict v, const char *evidence,
		const json_t *findings, const char *blind)
{
	static const char *const words[] = { "PASS", "UNKNOWN", "FAIL" }, *const lower[] = {
		"pass", "unknown", "fail"
	};
	size_t n = json_array_size(findings);

	if (v > all->worst)
		all->worst = v;
	json_array_append_new(all->list, json_pack("{s:s,s:s,s:s,s:s,s:O?}", "check", name,
						   "verdict", lower[v], "evidence", evidence,
						   "cannot_see", blind, "findings", findings));
	if (all->json)
		return;
	printf("%-7s %s: %s\n", words[v], name, evidence);
	for (size_t i = 0; i < n && i < FINDINGS_SHOWN; i++)
		print_finding(json_array_get(findings, i));
	if (n > FINDINGS_SHOWN)
		printf("        %d of %zu findings; --json has them all\n", FINDINGS_SHOWN, n);
	printf("        it can't see: %s\n", blind);
}

/* Every row that is wrong bears nobody's digits: so it looks where `prepare` or `run` drew from
 * another seed than the one that is told. */
static bool foreign_digits(const json_t *findings)
{
	size_t i, n = json_array_size(findings);
	json_t *f;

	json_array_foreach(findings, i, f) if (strcmp(json_string_value(json_object_get(f, "kind")),
						      "corrupt value") != 0) return false;
	return n >= FOREIGN_MIN;
}

static int judge_load(const struct request *q, struct load *l, const struct sql_endpoint *server,
		      struct verdicts *all, struct err *e)
{
	struct prefix_opts o = { .ledger_dir = q->ledger_dir,
				 .model = load_model(l),
				 .point = q->point ? q->point : UINT64_MAX,
				 .secondary = *server,
				 .threads = THREADS,
				 .writer_of = load_writer_of,
				 .writer_ctx = l,
				 .db = load_db(l),
				 .ledger_table = load_ledger_table(l),
				 .lost_path = q->lost };
	struct prefix_result r = { 0 };
	struct tso_map *map = q->tso_map ? tso_map_open(q->tso_map, e) : NULL;
	struct strbuf text = STRBUF_INIT;
	unsigned damaged;
	int rc = -1;

	if (q->tso_map && !map)
		return -1;
	o.tso_map = map;
	if (ledger_read(q->ledger_dir, last_ack, &o.disaster_us, &damaged, e) < 0 ||
	    check_ledger(&o, &r, e) < 0)
		goto out;
	strbuf_addstr(&text, r.evidence);
	if (r.lost)
		strbuf_addf(&text,
			    "; the oldest lost acknowledgement is %.2f s before the last one",
			    (double)r.loss_window_ms / 1e3);
	say(all, "ledger", r.verdict, text.buf, r.findings,
	    "a wrong value in a row whose transaction is there; an unknown transaction that was committed and dropped");
	prefix_result_release(&r);
	r = (struct prefix_result){ 0 };
	if (o.model && !q->seeded) {
		say(all, "model", VERDICT_UNKNOWN,
		    "the seed is not told: --rand-seed N, as `drtest load` printed it", NULL,
		    "anything");
	} else if (o.model) {
		o.lost_path = NULL;
		if (check_model(&o, &r, e) < 0)
			goto out;
		strbuf_reset(&text);
		strbuf_addf(
			&text, "%s%s", r.evidence,
			r.verdict == VERDICT_FAIL && foreign_digits(r.findings)
				? "; nobody of this seed wrote what is there: were `prepare` and `run` given the same --rand-seed?"
				: "");
		say(all, "model", r.verdict, text.buf, r.findings,
		    "tables that the load does not write to");
	}
	rc = 0;
out:
	strbuf_release(&text);
	prefix_result_release(&r);
	tso_map_free(map);
	return rc;
}

static int judge_compare(const struct request *q, const struct sql_endpoint *server,
			 struct verdicts *all, struct err *e)
{
	struct compare_opts o = { .b = *server, .a_name = "other", .b_name = "server" };
	struct compare_result r = { 0 };

	if (sql_endpoint_from_uri(&o.a, q->compare, e) < 0 || compare_run(&o, &r, e) < 0)
		return -1;
	say(all, "compare", r.verdict, r.evidence, r.findings,
	    "whether what both have is right; triggers, routines, events");
	compare_result_release(&r);
	return 0;
}

int cmd_judge(int argc, char **argv)
{
	struct request q = {
		.load = { .workers = 1, .tables = 1, .table_size = 10000, .ledger_rows = true }
	};
	struct verdicts all = { .list = json_array() };
	struct sql_endpoint server;
	struct err e = ERR_INIT;
	struct load *l = NULL;
	int rc = parse(&q, argc, argv);

	if (rc) {
		json_decref(all.list);
		return rc == 1 ? 0 : rc;
	}
	all.json = q.json;
	rc = -1;
	if (!fs_exists(q.ledger_dir))
		err_set(&e, ERR_USAGE, 0, "--ledger-dir %s: there is no such folder", q.ledger_dir);
	else if (sql_endpoint_from_uri(&server, q.server, &e) == 0 && (l = load_new(&q.load, &e)))
		rc = judge_load(&q, l, &server, &all, &e);
	if (rc == 0 && q.compare)
		rc = judge_compare(&q, &server, &all, &e);
	if (q.json) {
		json_t *out = json_pack("{s:i,s:O}", "schema", 1, "checks", all.list);

		if (rc < 0)
			json_object_set_new(out, "error", json_string(e.text));
		json_dumpf(out, stdout, JSON_INDENT(2));
		putchar('\n');
		json_decref(out);
	}
	if (rc < 0)
		fprintf(stderr, "drtest judge: %s\n", e.text);
	load_free(l);
	json_decref(all.list);
	return rc < 0                         ? err_exit_code(&e)
	       : all.worst == VERDICT_FAIL    ? 1
	       : all.worst == VERDICT_UNKNOWN ? 4
					      : 0;
}

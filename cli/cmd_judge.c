/* drtest judge: the verdict on a manual drill. Compares the load's ledger with a server, every row
 * with the load's model, and one server with another. */
#include "cli/commands.h"

#include <getopt.h>
#include <jansson.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/load/load_note.h"
#include "cli/options.h"
#include "harness/base/xalloc.h"
#include "harness/compare/compare.h"
#include "harness/os/fs.h"
#include "harness/verify/checks.h"
#include "workloads/load.h"

#define SETS_MAX 64
#define FINDINGS_SHOWN 10
#define FOREIGN_MIN 10
#define NO_SUCH_TABLE 1146
#define EPOCH_TSO_MS 1000000000000 /* 2001: no TSO is older, and no GTID so large */

struct request {
	struct load_opts load;
	const char *ledger_dir, *server, *compare, *tso_map, *lost;
	const char *set[SETS_MAX + 1];
	size_t n_set;
	tso_t point;
	bool json, seeded;
};

static int take_point(void *into, const char *text, struct err *e)
{
	struct request *q = into;

	return tso_parse(text, &q->point) && q->point
		       ? 0
		       : option_wants(e, text, "a TSO such as 435844546560000001");
}

static int take_seed(void *into, const char *text, struct err *e)
{
	static const struct option_def number = { .name = "rand-seed", .kind = OPTION_WHOLE };
	struct request *q = into;

	q->seeded = true;
	return option_set(&number, &q->load.seed, text, e);
}

static int take_set(void *into, const char *text, struct err *e)
{
	struct request *q = into;

	if (!strchr(text, '='))
		return option_wants(e, text, "NAME=VALUE");
	if (q->n_set == SETS_MAX)
		return err_set(e, ERR_USAGE, 0, "more than %d", SETS_MAX);
	q->set[q->n_set++] = text;
	return 0;
}

#define AT(member) .at = offsetof(struct request, member)
static const struct option_def options[] = {
	{ "ledger-dir", OPTION_TEXT, "DIR", "the ledger that `drtest load` wrote", AT(ledger_dir) },
	{ "server", OPTION_TEXT, "URI",
	  "the promoted secondary: mysql://user@host:port (@FILE: read the URI from FILE)",
	  AT(server) },
	{ "point", OPTION_TAKE, "TSO",
	  "the TSO that the replay reached: resolved-ts from `drtest redo meta` or `cdc redo "
	  "apply`. Up to it, nothing may be missing, and after it, nothing may be present. "
	  "Without --point, no acknowledged transaction may be lost",
	  .take = take_point },
	{ "tso-map", OPTION_TEXT, "FILE",
	  "MariaDB: the map from its GTIDs to TSOs, which --point needs (drtest feed --tso-map)",
	  AT(tso_map) },
	{ "compare", OPTION_TEXT, "URI",
	  "also compare all tables with this server; nothing may write to either", AT(compare) },
	{ "lost", OPTION_TEXT, "FILE", "write a JSON line for each lost acknowledged transaction",
	  AT(lost) },
	{ "rand-seed", OPTION_TAKE, "N",
	  "this and the following as for `drtest load`; needed only if the ledger's directory has "
	  "no load.json (42)",
	  .take = take_seed },
	{ "tables", OPTION_UNSIGNED, "N", "number of prepared tables (1)", AT(load.tables) },
	{ "load-tables", OPTION_UNSIGNED, "N", "number of tables that the load wrote to (all)",
	  AT(load.load_tables) },
	{ "table-size", OPTION_WHOLE, "N", "rows of each (10000)", AT(load.table_size),
	  .max = INT32_MAX },
	{ "rand-type", OPTION_TEXT, "TYPE", "its distribution (special)", AT(load.rand_type) },
	{ "mysql-db", OPTION_TEXT, "NAME", "its database (sbtest)", AT(load.db) },
	{ "set", OPTION_TAKE, "NAME=VALUE", "an option of the load", .take = take_set,
	  .times = OPTION_PER_NAME },
	{ "json", OPTION_FLAG, NULL, "print the checks as JSON", AT(json) },
	{ 0 },
};
static const struct command_def command = {
	.name = "judge",
	.usage = "drtest judge LOAD --ledger-dir DIR --server URI [--point TSO] [--compare URI] "
		 "[options of the load] [--json]",
	.about = "Judges a drill that was done by hand: LOAD (for example oltp_write_only) ran "
		 "with --ledger-dir DIR and --ledger-rows, the primary died, and the redo log was "
		 "replayed on the secondary.",
	.options = options,
	.more = "Checks: ledger (needs --ledger-rows), model (if the load has one), compare. "
		"Each check says what it cannot see.\n"
		"Exit code: 0 pass, 1 fail, 2 wrong usage, 3 a server or file can't be read, 4 "
		"unknown.",
	.operand = "one load",
	.operands_max = 1,
};

static int parse(struct request *q, int argc, char **argv)
{
	int rc = options_parse(&command, argc, argv, q);

	if (rc)
		return rc;
	if (optind == argc || !q->ledger_dir || !q->server)
		return options_wrong(&command,
				     "the name of a load, --ledger-dir and --server are required");
	q->load.name = argv[optind];
	q->load.set = q->set;
	return 0;
}

struct ledger_seen {
	size_t records;
	uint64_t position_max;
	/* the load did not record the disaster: it was after the last acknowledgement */
	int64_t last_ack_us;
};

static int look_at_record(void *arg, const struct ledger_record *r)
{
	struct ledger_seen *seen = arg;

	seen->records++;
	seen->position_max = r->position > seen->position_max ? r->position : seen->position_max;
	if (r->cluster == 0 && r->outcome == TXN_ACKED && r->end_us > seen->last_ack_us)
		seen->last_ack_us = r->end_us;
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

static void add_check(struct verdicts *all, const char *name, enum verdict v, const char *evidence,
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
	printf("        cannot see: %s\n", blind);
}

/* All wrong rows have values that no transaction wrote: that happens when `prepare` or `run` used
 * another seed than the given one. */
static bool foreign_digits(const json_t *findings)
{
	size_t i, n = json_array_size(findings);
	json_t *f;

	json_array_foreach(findings, i, f) if (strcmp(json_string_value(json_object_get(f, "kind")),
						      "corrupt value") != 0) return false;
	return n >= FOREIGN_MIN;
}

/* Takes the load's options from the note beside its ledger; options given here must be the same. */
static int take_note(struct request *q, struct load_note *n, struct err *e)
{
	int rc = load_note_read(q->ledger_dir, n, e);
	struct load_opts *o = &q->load;
	const char *wrong = NULL;
	bool of_file = strstr(n->name, ".lua") && strstr(q->load.name, ".lua"); /* from elsewhere */

	if (rc == 0) {
		if (strcmp(n->name, q->load.name) != 0 && !of_file)
			return err_set(e, ERR_USAGE, 0,
				       "the ledger in %s is that of the load %s, not of %s",
				       q->ledger_dir, n->name, q->load.name);
		wrong = q->seeded && o->seed != n->seed       ? "--rand-seed"
			: o->tables && o->tables != n->tables ? "--tables"
			: o->load_tables && o->load_tables != n->load_tables &&
					(n->load_tables || o->load_tables != n->tables)
				? "--load-tables"
			: o->table_size && o->table_size != n->table_size         ? "--table-size"
			: o->db && strcmp(o->db, n->db) != 0                      ? "--mysql-db"
			: o->rand_type && strcmp(o->rand_type, n->rand_type) != 0 ? "--rand-type"
										  : NULL;
		if (wrong)
			return err_set(e, ERR_USAGE, 0,
				       "%s is not what the load had that wrote the ledger: leave "
				       "it out (%s/load.json has it)",
				       wrong, q->ledger_dir);
		q->seeded = true;
		o->seed = n->seed;
		o->tables = n->tables;
		o->load_tables = n->load_tables;
		o->table_size = n->table_size;
		o->db = n->db;
		o->rand_type = n->rand_type;
		o->set = q->n_set ? q->set : n->set;
	}
	o->seed = q->seeded ? o->seed : LOAD_SEED;
	o->tables = o->tables ? o->tables : 1;
	o->table_size = o->table_size ? o->table_size : 10000;
	return rc < 0 ? -1 : 0;
}

static int judge_load(const struct request *q, struct load *l, const struct sql_endpoint *server,
		      struct verdicts *all, struct err *e)
{
	struct verify_opts o = { .ledger_dir = q->ledger_dir,
				 .model = load_model(l),
				 .point = q->point ? q->point : UINT64_MAX,
				 .secondary = *server,
				 .writer_of = load_writer_of,
				 .writer_ctx = l,
				 .db = load_db(l),
				 .ledger_table = load_ledger_table(l),
				 .lost_path = q->lost };
	struct verify_result r = { 0 };
	struct ledger_seen seen = { 0 };
	bool guessed;
	struct tso_map *map = q->tso_map ? tso_map_open(q->tso_map, e) : NULL;
	struct strbuf text = STRBUF_INIT;
	unsigned damaged;
	int rc = -1;

	if (q->tso_map && !map)
		return -1;
	o.tso_map = map;
	if (ledger_read(q->ledger_dir, look_at_record, &seen, &damaged, e) < 0)
		goto out;
	if (!seen.records) {
		err_set(e, ERR_USAGE, 0,
			"--ledger-dir %s holds no ledger (drtest load … --ledger-dir writes one)",
			q->ledger_dir);
		goto out;
	}
	if (q->point && !map && seen.position_max && tso_ms(seen.position_max) < EPOCH_TSO_MS) {
		err_set(e, ERR_USAGE, 0,
			"--point is a TSO, but this ledger has MariaDB's GTIDs: add --tso-map, or "
			"leave --point out");
		goto out;
	}
	o.disaster_us = seen.last_ack_us;
	if (check_ledger(&o, &r, e) < 0) {
		if (e->code == NO_SUCH_TABLE)
			err_set(e, ERR_USAGE, 0,
				"%s.%s is not on the server: the load has to be prepared and run "
				"with --ledger-rows, and --mysql-db names its database",
				o.db, o.ledger_table);
		goto out;
	}
	strbuf_addstr(&text, r.evidence);
	if (r.lost)
		strbuf_addf(&text,
			    "; the oldest lost acknowledgement is %.2f s before the last one",
			    (double)r.loss_window_ms / 1e3);
	add_check(all, "ledger", r.verdict, text.buf, r.findings,
		  "a wrong value in a row whose transaction is present; a transaction of unknown "
		  "outcome that was committed and then dropped");
	verify_result_release(&r);
	r = (struct verify_result){ 0 };
	if (o.model) {
		o.lost_path = NULL;
		if (check_model(&o, &r, e) < 0)
			goto out;
		strbuf_reset(&text);
		/* a seed that was not given is a guess: no verdict may depend on it */
		guessed = r.verdict == VERDICT_FAIL && foreign_digits(r.findings) && !q->seeded;
		strbuf_addf(&text, "%s%s", r.evidence,
			    guessed ? "; no writer with seed 42 wrote these rows: use --rand-seed "
				      "with the seed of the load"
			    : r.verdict == VERDICT_FAIL && foreign_digits(r.findings)
				    ? "; no writer with this seed wrote these rows: did `prepare` "
				      "and `run` have the same --rand-seed?"
				    : "");
		add_check(all, "model", guessed ? VERDICT_UNKNOWN : r.verdict, text.buf, r.findings,
			  "tables that the load does not write to");
	}
	rc = 0;
out:
	strbuf_release(&text);
	verify_result_release(&r);
	tso_map_free(map);
	return rc;
}

static int judge_compare(const struct request *q, const struct sql_endpoint *server,
			 struct verdicts *all, struct err *e)
{
	struct compare_opts o = { .b = *server, .a_name = "other", .b_name = "server" };
	struct compare_result r = { 0 };

	if (sql_endpoint_from_uri(&o.a, q->compare, e) < 0)
		return err_wrap(e, "--compare");
	if (compare_run(&o, &r, e) < 0)
		return -1;
	add_check(all, "compare", r.verdict, r.evidence, r.findings,
		  "whether the data that both have is right; triggers, routines, events");
	compare_result_release(&r);
	return 0;
}

int cmd_judge(int argc, char **argv)
{
	struct request q = { .load = { .workers = 1,
				       .ledger_rows = true } /* the rest: take_note() */ };
	struct load_note note = { 0 };
	struct verdicts all = { .list = json_array() };
	struct sql_endpoint server;
	struct err e = ERR_INIT;
	struct load *l = NULL;
	int rc = parse(&q, argc, argv), held = -1;

	if (rc) {
		json_decref(all.list);
		return rc == 1 ? 0 : rc;
	}
	all.json = q.json;
	rc = -1;
	if (!fs_exists(q.ledger_dir))
		err_set(&e, ERR_USAGE, 0, "--ledger-dir %s: no such directory", q.ledger_dir);
	else if (sql_endpoint_from_uri(&server, q.server, &e) < 0)
		err_wrap(&e, "--server");
	else if (take_note(&q, &note, &e) == 0 && load_note_hold(q.ledger_dir, 0, &held, &e) == 0 &&
		 (l = load_new(&q.load, &e)))
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
	load_note_let_go(q.ledger_dir, held, true);
	load_note_release(&note);
	json_decref(all.list);
	return rc < 0                         ? err_exit_code(&e)
	       : all.worst == VERDICT_FAIL    ? 1
	       : all.worst == VERDICT_UNKNOWN ? 4
					      : 0;
}

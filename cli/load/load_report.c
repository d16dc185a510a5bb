/* drtest load report: what the shards of a run left in their store, added up. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/load/load_impl.h"
#include "harness/base/xalloc.h"
#include "workloads/shards/joined.h"

static const char report_help[] =
	"usage: drtest load report STORE [--ledger-dir=DIR] [--percentile=95] [--histogram] "
	"[--json]\n"
	"Adds up the results of a run's shards in STORE: histograms exactly, ledgers joined (in "
	"DIR).\n"
	"A killed shard is reported; it counts up to its last update, and what it sent later is "
	"unknown.\n"
	"Exit code: 0 all shards wrote a result, 2 wrong usage, 3 the store failed or a shard is "
	"still running, 4 a shard was killed.\n";

static json_t *silent_json(const struct load_joined *sum)
{
	json_t *list = json_array();

	for (size_t i = 0; i < sum->n_silent; i++) {
		const struct load_silent *one = &sum->silent[i];
		json_t *j = json_pack("{s:i,s:i,s:i,s:I,s:I}", "shard", (int)one->shard,
				      "workers_from", (int)((one->shard - 1) * sum->workers + 1),
				      "workers_to", (int)(one->shard * sum->workers), "acked",
				      (json_int_t)one->total.st.acked, "unknown",
				      (json_int_t)one->total.st.unknown);

		if (one->seconds >= 0)
			json_object_set_new(j, "last_word_s", json_real(one->seconds));
		json_array_append_new(list, j);
	}
	return list;
}

static json_t *early_json(const struct load_joined *sum)
{
	json_t *list = json_array();

	for (size_t i = 0; i < sum->n_early; i++)
		json_array_append_new(list,
				      json_pack("{s:i,s:f,s:s}", "shard", (int)sum->early[i].shard,
						"seconds", sum->early[i].seconds, "why",
						sum->early[i].why));
	return list;
}

static void print_incomplete(const struct load_joined *sum, const char *ledger_dir)
{
	for (size_t i = 0; i < sum->n_early; i++)
		printf("Shard %u ended early, after %.1f s: %s\n", sum->early[i].shard,
		       sum->early[i].seconds, sum->early[i].why);
	for (size_t i = 0; i < sum->n_silent; i++) {
		const struct load_silent *one = &sum->silent[i];

		printf("Shard %u (workers %u to %u) was killed: it wrote no result. ", one->shard,
		       (one->shard - 1) * sum->workers + 1, one->shard * sum->workers);
		if (one->seconds >= 0)
			printf("Until its last update, %.1f s after the start, %" PRIu64 " "
			       "transactions were acknowledged; the %" PRIu64 " in progress then, "
			       "and all later ones, are unknown%s.\n",
			       one->seconds, one->total.st.acked, one->total.st.unknown,
			       ledger_dir && sum->files ? ": its ledgers end open" : "");
		else
			printf("It never wrote an update: all its transactions are unknown%s.\n",
			       ledger_dir && sum->files ? ": its ledgers only have an open end"
							: "");
	}
}

static void print_sum(const struct load_run *r, struct load_joined *sum, const char *ledger_dir)
{
	if (r->json) {
		json_t *j = load_total_json(r->name, r->o.seed, &sum->total, r->histogram);

		if (ledger_dir)
			json_object_set_new(j, "ledger_acked",
					    json_integer((json_int_t)sum->ledger_acked));
		json_object_set_new(j, "killed", silent_json(sum));
		json_object_set_new(j, "ended_early", early_json(sum));
		json_dumpf(j, stdout, JSON_INDENT(1));
		putchar('\n');
		json_decref(j);
		return;
	}
	printf("%u shards, %u workers, load %s, rand-seed %" PRIu64 "\n", sum->shards,
	       sum->total.workers, sum->name ? sum->name : "", r->o.seed);
	print_incomplete(sum, ledger_dir);
	load_print_final(r, &sum->total);
	if (ledger_dir && !sum->files)
		printf("\nLedgers: none in %s, because the shards ran without --ledger-dir\n",
		       ledger_dir);
	else if (ledger_dir)
		printf("\nLedgers: %" PRIu64 " files in %s, %" PRIu64
		       " acknowledged transactions\n",
		       sum->files, ledger_dir, sum->ledger_acked);
}

/* 0: all results are there; 1: some shards left none. */
static int report(struct load_run *r, const char *uri, const char *ledger_dir, struct err *e)
{
	struct load_joined *sum = xcalloc(1, sizeof(*sum));
	struct store *s = store_open(uri, NULL, e);
	int rc = s ? load_joined_read(sum, s, ledger_dir, e) : -1;

	if (rc == 0) {
		r->name = sum->name;
		r->o.seed = sum->seed;
		print_sum(r, sum, ledger_dir);
		rc = sum->n_silent > 0;
	} else {
		err_wrap(e, "report of %s", s ? store_uri_redacted(s) : "the rendezvous");
	}
	load_joined_release(sum);
	free(sum);
	store_free(s);
	return rc;
}

int cmd_load_report(int argc, char **argv)
{
	struct load_run r = { .percentile = 95 };
	const char *uri = NULL, *ledger_dir = NULL;
	struct err e = ERR_INIT;
	int rc;

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
			fputs(report_help, stdout);
			return 0;
		}
		if (!strncmp(argv[i], "--ledger-dir=", 13))
			ledger_dir = argv[i] + 13;
		else if (!strncmp(argv[i], "--percentile=", 13) && atoi(argv[i] + 13) >= 0 &&
			 atoi(argv[i] + 13) <= 100)
			r.percentile = (unsigned)atoi(argv[i] + 13);
		else if (!strcmp(argv[i], "--histogram"))
			r.histogram = true;
		else if (!strcmp(argv[i], "--json"))
			r.json = true;
		else if (argv[i][0] != '-' && !uri)
			uri = argv[i];
		else
			return fputs(report_help, stderr), 2;
	}
	if (!uri)
		return fputs(report_help, stderr), 2;
	rc = report(&r, uri, ledger_dir, &e);
	if (rc < 0) {
		fprintf(stderr, "drtest load: %s\n", e.text);
		return err_exit_code(&e);
	}
	return rc ? 4 : 0;
}

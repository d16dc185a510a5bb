/* drtest load report: what the shards of a run left in their store, added up. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/load/load_shard.h"
#include "harness/base/xalloc.h"
#include "harness/os/fs.h"
#include "harness/verify/ledger.h"

static const char report_help[] =
	"usage: drtest load report STORE [--ledger-dir=DIR] [--percentile=95] [--histogram] [--json]\n"
	"Adds up what the shards of a run left in STORE: histograms add up exactly, ledgers join (in DIR).\n"
	"A shard that was killed is named; it counts up to its last word, and what it sent later is unknown.\n"
	"Exit code: 0 all shards left a result, 2 wrong usage, 3 the store, or a shard still runs, 4 a shard was killed.\n";

/* Of one shard that ended, but before its time. */
struct early {
	unsigned shard;
	double seconds;
	char *why;
};

struct load_sum {
	unsigned shards, workers; /* workers of each; 0: a version that did not tell */
	int64_t start_wall_us;
	struct load_total total;
	struct load_silent *silent;
	size_t n_silent;
	struct early *early;
	size_t n_early;
	char *name;
	uint64_t files, ledger_acked;
};

static int add_result(struct store *s, unsigned shard, struct load_sum *sum, struct load_run *r,
		      struct err *e)
{
	struct load_total *one = xcalloc(1, sizeof(*one));
	const char *why;
	json_t *j = NULL;
	char key[32];
	int rc;

	snprintf(key, sizeof(key), "result/%05u.json", shard);
	rc = load_store_get_json(s, key, LOAD_RESULT_BYTES_MAX, &j, e);
	if (rc == 0)
		rc = load_total_from_json(one, j, e);
	if (rc == 0) {
		load_total_add(&sum->total, one);
		r->o.seed = (uint64_t)json_integer_value(json_object_get(j, "seed"));
		free(sum->name);
		sum->name = xstrdup(json_string_value(json_object_get(j, "load")));
		why = json_string_value(json_object_get(j, "ended_early"));
		if (why)
			sum->early[sum->n_early++] =
				(struct early){ shard, one->seconds, xstrdup(why) };
	} else {
		err_wrap(e, "%s", key);
	}
	json_decref(j);
	free(one);
	return rc;
}

static int add_silent(struct store *s, unsigned shard, struct load_sum *sum, struct err *e)
{
	struct load_silent *one = &sum->silent[sum->n_silent];

	if (load_silent_read(one, s, shard, sum->start_wall_us, e) < 0)
		return -1;
	one->total.workers = sum->workers;
	load_total_add(&sum->total, &one->total);
	sum->n_silent++;
	return 0;
}

struct sink {
	int fd;
};
static int to_file(void *arg, const void *data, size_t n, struct err *e)
{
	return fs_write_all(((struct sink *)arg)->fd, data, n, e);
}

static int count_acked(void *arg, const struct ledger_record *r)
{
	*(uint64_t *)arg += r->outcome == TXN_ACKED;
	return 0;
}

/* Where each worker's ledger ends. */
struct ends {
	unsigned n; /* workers of all shards */
	uint64_t *seq;
	int64_t *end_us;
};
static int take_end(void *arg, const struct ledger_record *r)
{
	struct ends *ends = arg;

	if (r->worker >= 1 && r->worker <= ends->n) {
		ends->seq[r->worker - 1] = r->seq;
		ends->end_us[r->worker - 1] = r->end_us;
	}
	return 0;
}

/* What the workers of a shard that was killed sent after their last record is unknown. */
static int open_ends(const char *dir, const struct load_silent *silent, size_t n, unsigned shards,
		     unsigned workers, struct err *e)
{
	struct ends ends = { .n = shards * workers,
			     .seq = xcalloc((size_t)shards * workers + 1, sizeof(uint64_t)),
			     .end_us = xcalloc((size_t)shards * workers + 1, sizeof(int64_t)) };
	unsigned damaged;
	int rc = ledger_read(dir, take_end, &ends, &damaged, e);

	for (size_t i = 0; rc == 0 && i < n; i++)
		for (unsigned w = 0; rc == 0 && w < workers; w++) {
			unsigned at = (silent[i].shard - 1) * workers + w;
			struct ledger_writer *out = ledger_writer_open(dir, at + 1, e);

			if (!out) {
				rc = -1;
				break;
			}
			ledger_writer_add(out,
					  &(struct ledger_record){ .worker = at + 1,
								   .seq = ends.seq[at] + 1,
								   .outcome = TXN_UNKNOWN,
								   .flags = TXN_OPEN_END,
								   .due_us = ends.end_us[at],
								   .begin_us = ends.end_us[at],
								   .end_us = ends.end_us[at] });
			rc = ledger_writer_close(out, e);
		}
	free(ends.seq);
	free(ends.end_us);
	return rc;
}

static int join_ledgers(struct store *s, const char *dir, struct load_sum *sum, struct err *e)
{
	struct store_list list = { 0 };
	unsigned damaged = 0;
	int rc = fs_mkdir_p(dir, 0755, e);

	if (rc == 0)
		rc = store_list(s, "ledger/", &list, e);
	for (size_t i = 0; rc == 0 && i < list.n; i++) {
		const char *name = list.objects[i].key + 7;
		struct strbuf path = STRBUF_INIT;
		FILE *f;

		if (strncmp(name, "worker-", 7) != 0 || strchr(name, '/'))
			continue;
		strbuf_addf(&path, "%s/%s", dir, name);
		f = fopen(path.buf, "wx"); /* never over a ledger that is there */
		if (!f) {
			rc = err_sys(e, "create %s", path.buf);
		} else {
			struct sink to = { fileno(f) };

			rc = store_get_stream(s, list.objects[i].key, to_file, &to, e);
			fclose(f);
			sum->files++;
		}
		strbuf_release(&path);
	}
	for (size_t i = 0; rc == 0 && i < sum->n_silent; i++)
		rc = load_pieces_join(s, sum->silent[i].shard, dir, &sum->files, e);
	if (rc == 0)
		rc = ledger_read(dir, count_acked, &sum->ledger_acked, &damaged, e);
	if (rc == 0 && damaged)
		rc = err_set(e, ERR_BAD_DATA, 0, "%u of the ledgers are damaged", damaged);
	if (rc == 0 && sum->n_silent && sum->files)
		rc = open_ends(dir, sum->silent, sum->n_silent, sum->shards, sum->workers, e);
	store_list_release(&list);
	return rc;
}

static json_t *silent_json(const struct load_sum *sum)
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

static json_t *early_json(const struct load_sum *sum)
{
	json_t *list = json_array();

	for (size_t i = 0; i < sum->n_early; i++)
		json_array_append_new(list,
				      json_pack("{s:i,s:f,s:s}", "shard", (int)sum->early[i].shard,
						"seconds", sum->early[i].seconds, "why",
						sum->early[i].why));
	return list;
}

static void print_incomplete(const struct load_sum *sum, const char *ledger_dir)
{
	for (size_t i = 0; i < sum->n_early; i++)
		printf("Shard %u ended early, after %.1f s: %s\n", sum->early[i].shard,
		       sum->early[i].seconds, sum->early[i].why);
	for (size_t i = 0; i < sum->n_silent; i++) {
		const struct load_silent *one = &sum->silent[i];

		printf("Shard %u (workers %u to %u) was killed: it left no result. ", one->shard,
		       (one->shard - 1) * sum->workers + 1, one->shard * sum->workers);
		if (one->seconds >= 0)
			printf("Until its last word, %.1f s after the start, %" PRIu64
			       " transactions were acknowledged; the %" PRIu64
			       " under way then, and all later ones, are unknown%s.\n",
			       one->seconds, one->total.st.acked, one->total.st.unknown,
			       ledger_dir && sum->files ? ": its ledgers end open" : "");
		else
			printf("It never said a word: all its transactions are unknown%s.\n",
			       ledger_dir && sum->files
				       ? ": its ledgers are nothing but an open end"
				       : "");
	}
}

static void print_sum(const struct load_run *r, struct load_sum *sum, const char *ledger_dir)
{
	if (r->json) {
		json_t *j = load_total_json(r, &sum->total, false);

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
	if (ledger_dir)
		printf("\nLedgers: %" PRIu64 " files in %s, %" PRIu64
		       " acknowledged transactions\n",
		       sum->files, ledger_dir, sum->ledger_acked);
}

static int read_start(struct store *s, struct load_sum *sum, struct load_run *r, struct err *e)
{
	json_t *start = NULL;
	int rc = 0;

	if (load_store_get_json(s, "start.json", LOAD_START_BYTES_MAX, &start, e) < 0) {
		if (e->kind == ERR_NOT_FOUND)
			err_set(e, ERR_NOT_FOUND, 0, "no run has met there");
		return -1;
	}
	sum->shards = (unsigned)json_integer_value(json_object_get(start, "shards"));
	sum->workers = (unsigned)json_integer_value(json_object_get(start, "workers"));
	sum->start_wall_us = json_integer_value(json_object_get(start, "wall_us"));
	r->o.seed = (uint64_t)json_integer_value(json_object_get(start, "seed"));
	if (sum->shards < 1 || sum->shards > LOAD_SHARDS_MAX || sum->workers > LOAD_SHARDS_MAX)
		rc = err_set(e, ERR_BAD_DATA, 0, "start.json is none of ours");
	json_decref(start);
	return rc;
}

/* 0: all results are there; 1: some shards left none. */
static int report(struct load_run *r, const char *uri, const char *ledger_dir, struct err *e)
{
	struct load_sum *sum = xcalloc(1, sizeof(*sum));
	struct store *s = store_open(uri, NULL, e);
	struct strbuf who = STRBUF_INIT;
	bool *absent = NULL;
	int rc = -1;

	sum->total.st.latency = &sum->total.h[0];
	if (!s || read_start(s, sum, r, e) < 0)
		goto out;
	absent = xcalloc(sum->shards, sizeof(*absent));
	sum->silent = xcalloc(sum->shards, sizeof(*sum->silent));
	sum->early = xcalloc(sum->shards, sizeof(*sum->early));
	if (load_store_missing(s, "result/", sum->shards, absent, &who, e) < 0)
		goto out;
	for (unsigned i = 1; i <= sum->shards; i++)
		if ((absent[i - 1] ? add_silent(s, i, sum, e) : add_result(s, i, sum, r, e)) < 0)
			goto out;
	r->name = sum->name;
	if (ledger_dir && join_ledgers(s, ledger_dir, sum, e) < 0)
		goto out;
	print_sum(r, sum, ledger_dir);
	rc = sum->n_silent > 0;
out:
	if (rc < 0)
		err_wrap(e, "report of %s", s ? store_uri_redacted(s) : "the rendezvous");
	for (size_t i = 0; i < sum->n_early; i++)
		free(sum->early[i].why);
	free(sum->early);
	free(sum->silent);
	free(sum->name);
	free(sum);
	free(absent);
	strbuf_release(&who);
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

/* Several processes as one load: they meet in a store, start at one instant, leave histograms and
 * ledgers there, and a report adds them up. ready/00002        that shard is here start.json by
 * shard 1, when all are: the wall clock's instant, the seed, how many result/00002.json  totals and
 * whole histograms ledger/worker-0011.ledger, .history The machines' clocks agree as well as NTP
 * makes them: the instants of the start differ by as much, nothing else does. */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/load/load_impl.h"
#include "harness/base/xalloc.h"
#include "harness/net/store.h"
#include "harness/os/fs.h"
#include "harness/verify/ledger.h"

#define MEET_MS 600000
#define POLL_MS 100
/* between the call and the start: the others poll and connect meanwhile */
#define LEAD_MS 2000
#define SHARDS_MAX 10000
#define START_BYTES_MAX 65536
#define RESULT_BYTES_MAX ((size_t)16 << 20)
#define LEDGER_BYTES_MAX ((size_t)4 << 30)

static int get_json(struct store *s, const char *key, size_t max, json_t **out, struct err *e)
{
	struct strbuf text = STRBUF_INIT;
	json_error_t why;
	int rc = store_get(s, key, max, &text, e);

	if (rc == 0) {
		*out = json_loadb(text.buf, text.len, 0, &why);
		if (!*out)
			rc = err_set(e, ERR_BAD_DATA, 0, "%s is no JSON: %s", key, why.text);
	}
	strbuf_release(&text);
	return rc;
}

static int put_json(struct store *s, const char *key, json_t *j, struct err *e)
{
	char *text = json_dumps(j, JSON_COMPACT);
	int rc = store_put(s, key, text, strlen(text), e);

	free(text);
	json_decref(j);
	return rc;
}

/* Which of n have come, from a listing; says who is missing. */
static int list_missing(struct store *s, const char *prefix, unsigned n, struct strbuf *who,
			struct err *e)
{
	struct store_list list = { 0 };
	bool *here = xcalloc(n + 1, sizeof(*here));
	unsigned absent = 0;
	int rc = store_list(s, prefix, &list, e);

	for (size_t i = 0; rc == 0 && i < list.n; i++) {
		unsigned long at = strtoul(list.objects[i].key + strlen(prefix), NULL, 10);

		if (at >= 1 && at <= n)
			here[at] = true;
	}
	for (unsigned i = 1; rc == 0 && i <= n; i++)
		if (!here[i] && absent++ < 10)
			strbuf_addf(who, "%s%u", who->len ? ", " : "", i);
	store_list_release(&list);
	free(here);
	return rc < 0 ? -1 : (int)absent;
}

/* Shard 1 waits for all, then calls the start. */
static int call_start(const struct load_run *r, struct store *s, struct deadline d, struct err *e)
{
	struct strbuf who = STRBUF_INIT;
	int absent, rc = -1;

	while ((absent = list_missing(s, "ready/", r->shards, &who, e)) > 0) {
		if (pause_ms(POLL_MS, d) < 0) {
			err_set(e, clock_cancelled() ? ERR_CANCELLED : ERR_TIMEOUT, 0,
				"%u of %u shards came; missing: %s", r->shards - (unsigned)absent,
				r->shards, who.buf);
			goto out;
		}
		strbuf_reset(&who);
	}
	if (absent == 0)
		rc = put_json(s, "start.json",
			      json_pack("{s:i,s:I,s:I,s:i}", "schema", 1, "wall_us",
					(json_int_t)(clock_wall_us() + LEAD_MS * 1000), "seed",
					(json_int_t)(r->o.seed & INT64_MAX), "shards",
					(int)r->shards),
			      e);
out:
	strbuf_release(&who);
	return rc;
}

int load_shard_meet(struct load_run *r, struct err *e)
{
	struct store *s = store_open(r->rendezvous, NULL, e);
	struct deadline d = deadline_in_ms(MEET_MS);
	struct err none = ERR_INIT;
	json_t *start = NULL;
	char key[32];
	int rc = -1;

	if (!s)
		return -1;
	snprintf(key, sizeof(key), "ready/%05u", r->shard);
	if (get_json(s, "start.json", START_BYTES_MAX, &start, &none) == 0) {
		err_set(e, ERR_USAGE, 0,
			"a run has met there already: each run needs a place of its own");
		goto out;
	}
	if (none.kind != ERR_NOT_FOUND) {
		*e = none;
		goto out;
	}
	if (store_put(s, key, "here", 4, e) < 0)
		goto out;
	if (r->shard == 1 && call_start(r, s, d, e) < 0)
		goto out;
	while (get_json(s, "start.json", START_BYTES_MAX, &start, &none) < 0) {
		if (none.kind != ERR_NOT_FOUND) {
			*e = none;
			goto out;
		}
		if (pause_ms(POLL_MS, d) < 0) {
			err_set(e, clock_cancelled() ? ERR_CANCELLED : ERR_TIMEOUT, 0,
				"shard %u of %u is here, but the start was not called", r->shard,
				r->shards);
			goto out;
		}
	}
	if (json_integer_value(json_object_get(start, "shards")) != r->shards) {
		err_set(e, ERR_USAGE, 0, "this is a shard of %u, shard 1 is one of %d", r->shards,
			(int)json_integer_value(json_object_get(start, "shards")));
		goto out;
	}
	r->o.seed = (uint64_t)json_integer_value(json_object_get(start, "seed"));
	r->o.start_at_ns =
		clock_mono_ns() +
		(json_integer_value(json_object_get(start, "wall_us")) - clock_wall_us()) * 1000;
	r->o.journal_start_ns = r->o.start_at_ns - LEAD_MS * 1000000ll;
	rc = 0;
out:
	if (rc < 0)
		err_wrap(e, "rendezvous %s", store_uri_redacted(s));
	json_decref(start);
	store_free(s);
	return rc;
}

static int put_file(struct store *s, const char *dir, const char *name, struct err *e)
{
	struct strbuf path = STRBUF_INIT, body = STRBUF_INIT, key = STRBUF_INIT;
	int rc;

	strbuf_addf(&path, "%s/%s", dir, name);
	strbuf_addf(&key, "ledger/%s", name);
	rc = fs_read_file(path.buf, LEDGER_BYTES_MAX, &body, e);
	if (rc == 0)
		rc = store_put(s, key.buf, body.buf, body.len, e);
	strbuf_release(&path);
	strbuf_release(&body);
	strbuf_release(&key);
	return rc;
}

int load_shard_leave(const struct load_run *r, const struct load_total *t, struct err *e)
{
	struct store *s = store_open(r->rendezvous, NULL, e);
	DIR *folder = r->o.ledger_dir ? opendir(r->o.ledger_dir) : NULL;
	struct dirent *d;
	char key[32];
	int rc = s ? 0 : -1;

	/* the ledgers first: a result says that all of it is there */
	while (rc == 0 && folder && (d = readdir(folder)))
		if (strncmp(d->d_name, "worker-", 7) == 0)
			rc = put_file(s, r->o.ledger_dir, d->d_name, e);
	snprintf(key, sizeof(key), "result/%05u.json", r->shard);
	if (rc == 0)
		rc = put_json(s, key, load_total_json(r, t, true), e);
	if (rc < 0)
		err_wrap(e, "leave the results at the rendezvous");
	if (folder)
		closedir(folder);
	store_free(s);
	return rc;
}

/* ---- drtest load report */

static const char report_help[] =
	"usage: drtest load report STORE [--ledger-dir=DIR] [--percentile=95] [--histogram] [--json]\n"
	"Adds up what the shards of a run left in STORE: histograms add up exactly, ledgers join (in DIR).\n";

static int add_result(struct store *s, unsigned shard, struct load_total *sum, struct load_run *r,
		      char **name, struct err *e)
{
	struct load_total *one = xcalloc(1, sizeof(*one));
	json_t *j = NULL;
	char key[32];
	int rc;

	snprintf(key, sizeof(key), "result/%05u.json", shard);
	rc = get_json(s, key, RESULT_BYTES_MAX, &j, e);
	if (rc == 0)
		rc = load_total_from_json(one, j, e);
	if (rc == 0) {
		load_total_add(sum, one);
		r->o.seed = (uint64_t)json_integer_value(json_object_get(j, "seed"));
		free(*name);
		*name = xstrdup(json_string_value(json_object_get(j, "load")));
	} else {
		err_wrap(e, "%s", key);
	}
	json_decref(j);
	free(one);
	return rc;
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

static int join_ledgers(struct store *s, const char *dir, uint64_t *files, uint64_t *acked,
			struct err *e)
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
			++*files;
		}
		strbuf_release(&path);
	}
	if (rc == 0)
		rc = ledger_read(dir, count_acked, acked, &damaged, e);
	if (rc == 0 && damaged)
		rc = err_set(e, ERR_BAD_DATA, 0, "%u of the ledgers are damaged", damaged);
	store_list_release(&list);
	return rc;
}

static int report(struct load_run *r, const char *uri, const char *ledger_dir, struct err *e)
{
	struct load_total *sum = xcalloc(1, sizeof(*sum));
	struct store *s = store_open(uri, NULL, e);
	struct strbuf who = STRBUF_INIT;
	json_t *start = NULL;
	char *name = NULL;
	uint64_t files = 0, acked = 0;
	unsigned shards;
	int rc = -1, absent;

	sum->st.latency = &sum->h[0];
	if (!s)
		goto out;
	if (get_json(s, "start.json", START_BYTES_MAX, &start, e) < 0) {
		if (e->kind == ERR_NOT_FOUND)
			err_set(e, ERR_NOT_FOUND, 0, "no run has met there");
		goto out;
	}
	shards = (unsigned)json_integer_value(json_object_get(start, "shards"));
	if (shards < 1 || shards > SHARDS_MAX) {
		err_set(e, ERR_BAD_DATA, 0, "start.json is none of ours");
		goto out;
	}
	absent = list_missing(s, "result/", shards, &who, e);
	if (absent < 0)
		goto out;
	if (absent) {
		err_set(e, ERR_NOT_FOUND, 0, "%d of %u shards left no result: %s", absent, shards,
			who.buf);
		goto out;
	}
	for (unsigned i = 1; i <= shards; i++)
		if (add_result(s, i, sum, r, &name, e) < 0)
			goto out;
	r->name = name;
	if (ledger_dir && join_ledgers(s, ledger_dir, &files, &acked, e) < 0)
		goto out;
	if (r->json) {
		json_t *j = load_total_json(r, sum, false);

		if (ledger_dir)
			json_object_set_new(j, "ledger_acked", json_integer((json_int_t)acked));
		json_dumpf(j, stdout, JSON_INDENT(1));
		putchar('\n');
		json_decref(j);
	} else {
		printf("%u shards, %u workers, load %s, rand-seed %" PRIu64 "\n", shards,
		       sum->workers, name, r->o.seed);
		load_print_final(r, sum);
		if (ledger_dir)
			printf("\nLedgers: %" PRIu64 " files in %s, %" PRIu64
			       " acknowledged transactions\n",
			       files, ledger_dir, acked);
	}
	rc = 0;
out:
	if (rc < 0)
		err_wrap(e, "report of %s", s ? store_uri_redacted(s) : "the rendezvous");
	strbuf_release(&who);
	json_decref(start);
	store_free(s);
	free(name);
	free(sum);
	return rc;
}

int cmd_load_report(int argc, char **argv)
{
	struct load_run r = { .percentile = 95 };
	const char *uri = NULL, *ledger_dir = NULL;
	struct err e = ERR_INIT;

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
	if (report(&r, uri, ledger_dir, &e) < 0) {
		fprintf(stderr, "drtest load: %s\n", e.text);
		return err_exit_code(&e);
	}
	return 0;
}

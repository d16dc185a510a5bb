#include "workloads/shards/joined.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/xalloc.h"
#include "harness/os/fs.h"
#include "harness/verify/ledger.h"

static int add_result(struct store *s, unsigned shard, struct load_joined *sum, struct err *e)
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
		sum->seed = (uint64_t)json_integer_value(json_object_get(j, "seed"));
		free(sum->name);
		sum->name = xstrdup(json_string_value(json_object_get(j, "load")));
		why = json_string_value(json_object_get(j, "ended_early"));
		if (why)
			sum->early[sum->n_early++] =
				(struct load_early){ shard, one->seconds, xstrdup(why) };
	} else {
		err_wrap(e, "%s", key);
	}
	json_decref(j);
	free(one);
	return rc;
}

static int add_silent(struct store *s, unsigned shard, struct load_joined *sum, struct err *e)
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

static int join_ledgers(struct store *s, const char *dir, struct load_joined *sum, struct err *e)
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
		rc = load_pieces_join(s, sum->silent[i].shard, dir, &list, &sum->files, e);
	if (rc == 0)
		rc = ledger_read(dir, count_acked, &sum->ledger_acked, &damaged, e);
	if (rc == 0 && damaged)
		rc = err_set(e, ERR_BAD_DATA, 0, "%u of the ledgers are damaged", damaged);
	if (rc == 0 && sum->n_silent && sum->files)
		rc = open_ends(dir, sum->silent, sum->n_silent, sum->shards, sum->workers, e);
	store_list_release(&list);
	return rc;
}

static int read_start(struct store *s, struct load_joined *sum, struct err *e)
{
	json_t *start = NULL;
	int rc = 0;

	if (load_store_get_json(s, "start.json", LOAD_START_BYTES_MAX, &start, e) < 0) {
		if (e->kind == ERR_NOT_FOUND)
			err_set(e, ERR_NOT_FOUND, 0, "no run used this place");
		return -1;
	}
	if (json_is_true(json_object_get(start, "called_off"))) {
		json_decref(start);
		return err_set(e, ERR_NOT_FOUND, 0, "the search there ended before its load began");
	}
	sum->shards = (unsigned)json_integer_value(json_object_get(start, "shards"));
	sum->workers = (unsigned)json_integer_value(json_object_get(start, "workers"));
	sum->start_wall_us = json_integer_value(json_object_get(start, "wall_us"));
	sum->seed = (uint64_t)json_integer_value(json_object_get(start, "seed"));
	if (sum->shards < 1 || sum->shards > LOAD_SHARDS_MAX || sum->workers > LOAD_SHARDS_MAX)
		rc = err_set(e, ERR_BAD_DATA, 0, "start.json was not written by drtest");
	json_decref(start);
	return rc;
}

int load_joined_read(struct load_joined *sum, struct store *s, const char *ledger_dir,
		     struct err *e)
{
	struct strbuf who = STRBUF_INIT;
	bool *absent = NULL;
	int rc;

	memset(sum, 0, sizeof(*sum));
	sum->total.st.latency = &sum->total.h[0];
	rc = read_start(s, sum, e);
	if (rc == 0) {
		absent = xcalloc(sum->shards, sizeof(*absent));
		sum->silent = xcalloc(sum->shards, sizeof(*sum->silent));
		sum->early = xcalloc(sum->shards, sizeof(*sum->early));
		if (load_store_missing(s, "result/", sum->shards, absent, &who, e) < 0)
			rc = -1;
	}
	for (unsigned i = 1; rc == 0 && i <= sum->shards; i++)
		rc = absent[i - 1] ? add_silent(s, i, sum, e) : add_result(s, i, sum, e);
	if (rc == 0 && ledger_dir)
		rc = join_ledgers(s, ledger_dir, sum, e);
	free(absent);
	strbuf_release(&who);
	return rc;
}

void load_joined_release(struct load_joined *sum)
{
	for (size_t i = 0; i < sum->n_early; i++)
		free(sum->early[i].why);
	free(sum->early);
	free(sum->silent);
	free(sum->name);
}

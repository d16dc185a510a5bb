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
	for (size_t i = 0; rc == 0 && sum->files && i < sum->n_silent; i++)
		rc = ledger_open_ends(dir, (sum->silent[i].shard - 1) * sum->workers + 1,
				      sum->workers, e);
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

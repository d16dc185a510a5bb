#include "workloads/shards/rendezvous.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/xalloc.h"
#include "harness/os/fs.h"

#define MEET_MS 600000
#define FOLLOW_MS 3600000 /* a search prepares its clusters first */
#define POLL_MS 100
/* between the call and the start: the others poll and connect meanwhile */
#define LEAD_MS 2000
#define LEDGER_BYTES_MAX ((size_t)4 << 30)

int load_store_get_json(struct store *s, const char *key, size_t max, json_t **out, struct err *e)
{
	struct strbuf text = STRBUF_INIT;
	json_error_t why;
	int rc = store_get(s, key, max, &text, e);

	if (rc == 0) {
		*out = json_loadb(text.buf, text.len, 0, &why);
		if (!*out)
			rc = err_set(e, ERR_BAD_DATA, 0, "%s is not JSON: %s", key, why.text);
	}
	strbuf_release(&text);
	return rc;
}

int load_store_put_json(struct store *s, const char *key, json_t *j, struct err *e)
{
	char *text = json_dumps(j, JSON_COMPACT);
	int rc = store_put(s, key, text, strlen(text), e);

	free(text);
	json_decref(j);
	return rc;
}

int load_store_missing(struct store *s, const char *prefix, unsigned n, bool *absentee,
		       struct strbuf *who, struct err *e)
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
	for (unsigned i = 1; rc == 0 && i <= n; i++) {
		if (!here[i] && absent++ < 10)
			strbuf_addf(who, "%s%u", who->len ? ", " : "", i);
		if (absentee)
			absentee[i - 1] = !here[i];
	}
	store_list_release(&list);
	free(here);
	return rc < 0 ? -1 : (int)absent;
}

int load_shards_unused(struct store *s, struct err *e)
{
	struct err why = ERR_INIT;
	json_t *start = NULL;
	int rc = load_store_get_json(s, "start.json", LOAD_START_BYTES_MAX, &start, &why);

	json_decref(start);
	if (rc == 0)
		return err_set(e, ERR_USAGE, 0,
			       "another run has already used this place: each run needs its own");
	if (why.kind == ERR_NOT_FOUND)
		return 0;
	if (e)
		*e = why;
	return -1;
}

int load_shards_ready(struct store *s, unsigned shards, unsigned *absent, struct strbuf *who,
		      struct err *e)
{
	int n;

	strbuf_reset(who);
	n = load_store_missing(s, "ready/", shards, NULL, who, e);
	*absent = n > 0 ? (unsigned)n : 0;
	return n < 0 ? -1 : 0;
}

int load_shards_call(struct store *s, unsigned shards, unsigned workers, uint64_t seed,
		     json_t *search, struct err *e)
{
	json_t *start = json_pack("{s:i,s:I,s:I,s:i,s:i}", "schema", 1, "wall_us",
				  (json_int_t)(clock_wall_us() + LEAD_MS * 1000), "seed",
				  (json_int_t)seed, "shards", (int)shards, "workers", (int)workers);

	if (search)
		json_object_set_new(start, "search", search);
	return load_store_put_json(s, "start.json", start, e);
}

int load_shards_call_off(struct store *s, unsigned shards, struct err *e)
{
	return load_store_put_json(
		s, "start.json",
		json_pack("{s:i,s:i,s:b}", "schema", 1, "shards", (int)shards, "called_off", 1), e);
}

/* Shard 1 waits for all, then calls the start. */
static int call_start(const struct load_opts *o, struct store *s, struct deadline d, struct err *e)
{
	struct strbuf who = STRBUF_INIT;
	unsigned absent;
	int rc;

	while ((rc = load_shards_ready(s, o->shards, &absent, &who, e)) == 0 && absent)
		if (pause_ms(POLL_MS, d) < 0) {
			rc = err_set(e, clock_cancelled() ? ERR_CANCELLED : ERR_TIMEOUT, 0,
				     "%u of %u shards arrived; missing: %s", o->shards - absent,
				     o->shards, who.buf);
			break;
		}
	if (rc == 0)
		rc = load_shards_call(s, o->shards, o->workers, o->seed, NULL, e);
	strbuf_release(&who);
	return rc;
}

/* Waits for the start; *start is the caller's. */
static int hear_start(const struct load_opts *o, bool search, struct store *s, struct deadline d,
		      json_t **start, struct err *e)
{
	struct err none = ERR_INIT;

	while (load_store_get_json(s, "start.json", LOAD_START_BYTES_MAX, start, &none) < 0) {
		if (none.kind != ERR_NOT_FOUND) {
			*e = none;
			return -1;
		}
		if (pause_ms(POLL_MS, d) < 0)
			return err_set(e, clock_cancelled() ? ERR_CANCELLED : ERR_TIMEOUT, 0,
				       "shard %u of %u is here, but %s", o->shard, o->shards,
				       search ? "no search has begun" : "the start was not called");
	}
	if (json_is_true(json_object_get(*start, "called_off")))
		return err_set(e, ERR_GONE, 0, "the search ended before its load began");
	if (json_integer_value(json_object_get(*start, "shards")) != o->shards)
		return err_set(e, ERR_USAGE, 0, "this is a shard of %u, %s %d", o->shards,
			       search ? "the search has" : "shard 1 is one of",
			       (int)json_integer_value(json_object_get(*start, "shards")));
	if (search != json_is_object(json_object_get(*start, "search")))
		return err_set(e, ERR_USAGE, 0,
			       search ? "shard 1 called the start, not a search: leave --follow out"
				      : "a search leads the load that meets there: --follow");
	return 0;
}

int load_shard_meet(const char *rendezvous, struct load_opts *o, json_t **search, struct err *e)
{
	struct store *s = store_open(rendezvous, NULL, e);
	struct deadline d = deadline_in_ms(search ? FOLLOW_MS : MEET_MS);
	json_t *start = NULL;
	char key[32];
	int rc = -1;

	if (!s)
		return -1;
	snprintf(key, sizeof(key), "ready/%05u", o->shard);
	if (load_shards_unused(s, e) < 0)
		goto out;
	if (store_put(s, key, "here", 4, e) < 0)
		goto out;
	if (o->shard == 1 && !search && call_start(o, s, d, e) < 0)
		goto out;
	if (hear_start(o, search != NULL, s, d, &start, e) < 0)
		goto out;
	o->seed = (uint64_t)json_integer_value(json_object_get(start, "seed"));
	o->start_at_ns =
		clock_mono_ns() +
		(json_integer_value(json_object_get(start, "wall_us")) - clock_wall_us()) * 1000;
	o->journal_start_ns = o->start_at_ns - LEAD_MS * 1000000ll;
	if (search) { /* it waits for each one's first mark, not for an instant */
		*search = json_incref(json_object_get(start, "search"));
		o->start_at_ns = 0;
	}
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

int load_shard_leave(const char *rendezvous, const struct load_opts *o, const struct load_total *t,
		     const char *ended_early, struct err *e)
{
	json_t *result = load_total_json(o->name, o->seed, t, true);
	struct store *s = store_open(rendezvous, NULL, e);
	DIR *folder = o->ledger_dir ? opendir(o->ledger_dir) : NULL;
	struct dirent *d;
	char key[32];
	int rc = s ? 0 : -1;

	/* the ledgers first: a result says that all of it is there */
	while (rc == 0 && folder && (d = readdir(folder)))
		if (strncmp(d->d_name, "worker-", 7) == 0)
			rc = put_file(s, o->ledger_dir, d->d_name, e);
	snprintf(key, sizeof(key), "result/%05u.json", o->shard);
	if (ended_early)
		json_object_set_new(result, "ended_early", json_string(ended_early));
	if (rc == 0)
		rc = load_store_put_json(s, key, json_incref(result), e);
	if (rc < 0)
		err_wrap(e, "write the results to the rendezvous");
	json_decref(result);
	if (folder)
		closedir(folder);
	store_free(s);
	return rc;
}

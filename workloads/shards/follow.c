#include "workloads/shards/follow.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/xalloc.h"

#define LOOK_MS 200
#define ORDER_BYTES_MAX 4096

struct follower {
	struct store *s;
	const struct load_opts *o;
	struct load *l;
	int64_t start_ns, look_ns;
	unsigned next;    /* order */
	json_int_t beat;  /* the search's */
	int64_t alive_ns; /* when that was last another one */
	struct load_total now;
};

/* A load's name without the path and ".lua" of a user's own file. */
static void follow_name(const char *load, char out[65])
{
	const char *base = strrchr(load, '/') ? strrchr(load, '/') + 1 : load;
	size_t n = strlen(base);

	if (n > 4 && !strcmp(base + n - 4, ".lua"))
		n -= 4;
	snprintf(out, 65, "%.*s", (int)n, base);
}

/* ---- the load, as a search tells it */

struct load_opts follow_share(const struct load_opts *all, unsigned shards)
{
	struct load_opts one = *all;

	one.workers = (all->workers + shards - 1) / shards;
	one.backlog_max = all->backlog_max ? all->backlog_max : LOAD_BACKLOG_MAX;
	one.backlog_max = (one.backlog_max + shards - 1) / shards;
	return one; /* the rate is all's: each takes its share of an order */
}

json_t *follow_search(const struct load_opts *o)
{
	json_t *set = json_array(), *j;
	char name[65];

	follow_name(o->name, name);
	for (const char *const *p = o->set; p && *p; p++)
		json_array_append_new(set, json_string(*p));
	j = json_pack("{s:s,s:s,s:i,s:i,s:I,s:i,s:f,s:i,s:i,s:b,s:I,s:o}", "load", name, "db",
		      o->db ? o->db : "sbtest", "tables", (int)o->tables, "load_tables",
		      (int)o->load_tables, "table_size", (json_int_t)o->table_size, "workers",
		      (int)o->workers, "rate", o->rate, "pace", (int)o->pace, "protocol",
		      (int)o->protocol, "ledger_rows", o->ledger_rows, "backlog_max",
		      (json_int_t)o->backlog_max, "set", set);
	if (o->rand_type)
		json_object_set_new(j, "rand_type", json_string(o->rand_type));
	return j;
}

void follow_tell_target(json_t *search, const struct sql_endpoint *ep, uint16_t cluster,
			int64_t journal_start_ns, bool here)
{
	int64_t since_ns = clock_mono_ns() - journal_start_ns;

	json_object_set_new(search, "cluster", json_integer(cluster));
	if (here)
		json_object_set_new(search, "zero_mono_ns",
				    json_integer((json_int_t)journal_start_ns));
	else
		json_object_set_new(search, "zero_wall_us",
				    json_integer((json_int_t)(clock_wall_us() - since_ns / 1000)));
	json_object_set_new(search, "host", json_string(ep->host));
	json_object_set_new(search, "port", json_integer((json_int_t)ep->port));
	json_object_set_new(search, "user", json_string(ep->user));
}

static bool get_whole(json_t *search, const char *name, json_int_t max, json_int_t *out)
{
	json_t *v = json_object_get(search, name);

	*out = json_integer_value(v);
	return json_is_integer(v) && *out >= 0 && *out <= max;
}

int follow_load(json_t *search, struct load_opts *o, char **set, size_t room, size_t *n_set,
		struct err *e)
{
	json_t *list = json_object_get(search, "set"), *one;
	json_int_t tables, load_tables, size, workers, pace, protocol, backlog, cluster, zero;
	const char *load = json_string_value(json_object_get(search, "load"));
	char mine[65];
	size_t i;

	follow_name(o->name, mine);
	if (!load || !get_whole(search, "tables", INT32_MAX, &tables) ||
	    !get_whole(search, "load_tables", INT32_MAX, &load_tables) ||
	    !get_whole(search, "table_size", INT32_MAX, &size) ||
	    !get_whole(search, "workers", INT32_MAX, &workers) ||
	    !get_whole(search, "pace", LOAD_EVEN, &pace) ||
	    !get_whole(search, "protocol", LOAD_ONE_PACKET, &protocol) ||
	    !get_whole(search, "backlog_max", INT64_MAX, &backlog) ||
	    !get_whole(search, "cluster", UINT16_MAX, &cluster) ||
	    (!get_whole(search, "zero_mono_ns", INT64_MAX, &zero) &&
	     !get_whole(search, "zero_wall_us", INT64_MAX, &zero)) ||
	    json_array_size(list) > room)
		return err_set(e, ERR_BAD_DATA, 0, "start.json: it is no search of this version");
	if (strcmp(load, mine) != 0)
		return err_set(e, ERR_USAGE, 0, "this is load %s, the search has load %.64s", mine,
			       load);
	o->tables = (unsigned)tables;
	o->load_tables = (unsigned)load_tables;
	o->table_size = size;
	o->workers = (unsigned)workers;
	o->pace = (enum load_pace)pace;
	o->protocol = (enum load_protocol)protocol;
	o->backlog_max = (uint64_t)backlog;
	o->cluster = (uint16_t)cluster;
	o->journal_start_ns = json_object_get(search, "zero_mono_ns")
				      ? zero
				      : clock_mono_ns() - (clock_wall_us() - zero) * 1000;
	o->rate = json_number_value(json_object_get(search, "rate"));
	o->db = json_string_value(json_object_get(search, "db"));
	o->rand_type = json_string_value(json_object_get(search, "rand_type"));
	o->ledger_rows = json_is_true(json_object_get(search, "ledger_rows"));
	*n_set = 0;
	json_array_foreach(list, i, one) set[(*n_set)++] =
		xstrdup(json_string_value(one) ? json_string_value(one) : "");
	return 0;
}

static void get_text(json_t *search, const char *name, char *out, size_t room)
{
	const char *v = json_string_value(json_object_get(search, name));

	if (v)
		snprintf(out, room, "%s", v);
}

void follow_endpoint(json_t *search, struct sql_endpoint *ep)
{
	json_int_t port;

	get_text(search, "host", ep->host, sizeof(ep->host));
	get_text(search, "user", ep->user, sizeof(ep->user));
	if (get_whole(search, "port", 65535, &port))
		ep->port = (unsigned)port;
}

/* ---- its orders */

struct follower *follower_new(const char *rendezvous, const struct load_opts *o, struct load *l,
			      int64_t start_ns, struct err *e)
{
	struct follower *f = xcalloc(1, sizeof(*f));

	*f = (struct follower){ .o = o,
				.l = l,
				.start_ns = start_ns,
				.next = 1,
				.beat = -1,
				.alive_ns = clock_mono_ns() };
	f->s = store_open(rendezvous, NULL, e);
	if (!f->s) {
		free(f);
		return NULL;
	}
	return f;
}

void follower_free(struct follower *f)
{
	if (!f)
		return;
	store_free(f->s);
	free(f);
}

/* The totals of this moment, then the rate: what comes later runs at the new one. */
static int obey(struct follower *f, json_t *order, struct err *e)
{
	json_t *rate = json_object_get(order, "rate"), *mark;
	char key[64];

	load_total_take(&f->now, f->l);
	f->now.seconds = (double)(clock_mono_ns() - f->start_ns) / 1e9;
	f->now.workers = f->o->workers;
	f->now.shards = 1;
	load_get_quiet(f->l, &f->now.quiet);
	if (json_is_number(rate)) /* of all: a share of it is ours */
		load_set_rate(f->l, json_number_value(rate) / f->o->shards);
	mark = load_total_json(f->o->name, f->o->seed, &f->now, true);
	snprintf(key, sizeof(key), "mark/%06u/%05u.json", f->next, f->o->shard);
	if (load_store_put_json(f->s, key, mark, e) < 0)
		return -1;
	f->next++;
	return json_is_true(json_object_get(order, "end"));
}

static bool hear_beat(struct follower *f)
{
	struct err none = ERR_INIT;
	json_t *lead = NULL;
	bool other = false;

	if (load_store_get_json(f->s, "lead.json", ORDER_BYTES_MAX, &lead, &none) == 0) {
		json_int_t beat = json_integer_value(json_object_get(lead, "beat"));

		other = beat != f->beat;
		f->beat = beat;
	}
	json_decref(lead);
	return other;
}

int follower_look(struct follower *f, struct err *e)
{
	int64_t now = clock_mono_ns();
	struct err none = ERR_INIT;
	json_t *order = NULL;
	char key[32];
	int rc = 0;

	if (now < f->look_ns)
		return 0;
	snprintf(key, sizeof(key), "order/%06u.json", f->next);
	if (load_store_get_json(f->s, key, ORDER_BYTES_MAX, &order, &none) == 0)
		rc = obey(f, order, &none);
	json_decref(order);
	if (rc > 0)
		return 1;
	/* an answer that could not be left is given again at the next look: the search waits for it
	 */
	if (hear_beat(f))
		f->alive_ns = now;
	else if (now - f->alive_ns > FOLLOW_SILENT_MS * 1000000ll)
		return err_set(e, ERR_GONE, 0, "the search gave no sign of life for %d s%s%s",
			       FOLLOW_SILENT_MS / 1000,
			       none.kind && none.kind != ERR_NOT_FOUND ? ": " : "",
			       none.kind && none.kind != ERR_NOT_FOUND ? none.text : "");
	f->look_ns = clock_mono_ns() + LOOK_MS * 1000000ll;
	return 0;
}

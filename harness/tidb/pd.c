#include "harness/tidb/pd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/foreign_json.h"
#include "harness/base/xalloc.h"

static const char *without_scheme(const char *url)
{
	const char *host = strstr(url, "://");

	return host ? host + 3 : url;
}

static void add_hosts(struct pd_members *m, json_t *urls)
{
	size_t i, n = strlen(m->hosts);
	json_t *one;

	json_array_foreach(urls, i, one)
	{
		const char *host =
			without_scheme(json_string_value(one) ? json_string_value(one) : "");

		if (*host && n + strlen(host) + 2 < sizeof(m->hosts))
			n += (size_t)snprintf(m->hosts + n, sizeof(m->hosts) - n, "%s ", host);
	}
}

bool pd_has_member(const struct pd_members *m, const char *url)
{
	const char *host = without_scheme(url);
	size_t n = strcspn(host, "/");

	for (const char *at = m->hosts; *at; at += strcspn(at, " ") + 1)
		if (strcspn(at, " /") == n && !strncmp(at, host, n))
			return true;
	return false;
}

int pd_members_parse(struct pd_members *m, const char *json, size_t n, struct err *e)
{
	json_t *j = foreign_json(json, n, NULL), *members = json_object_get(j, "members"),
	       *one = json_array_get(members, 0),
	       *id = json_object_get(json_object_get(j, "header"), "cluster_id");
	const char *version = json_string_value(json_object_get(one, "binary_version")),
		   *url = json_string_value(json_array_get(
			   json_object_get(json_object_get(j, "leader"), "client_urls"), 0));
	uint64_t cluster_id;
	int rc = -1;
	size_t i;

	*m = (struct pd_members){ 0 };
	if (!foreign_json_u64(id, &cluster_id) || !json_is_array(members)) {
		err_set(e, ERR_BAD_DATA, 0, "PD's list of members has an unknown format");
	} else if (!cluster_id) {
		err_set(e, ERR_ENV, 0, "PD has no cluster ID yet");
	} else {
		m->cluster_id = cluster_id;
		m->n = (unsigned)json_array_size(members);
		json_array_foreach(members, i, one)
			add_hosts(m, json_object_get(one, "client_urls"));
		snprintf(m->version, sizeof(m->version), "%s", version ? version : "");
		snprintf(m->client_url, sizeof(m->client_url), "%s", url ? url : "");
		rc = 0;
	}
	json_decref(j);
	return rc;
}

int pd_health_parse(const char *json, size_t n, struct err *e)
{
	json_t *j = foreign_json(json, n, NULL), *one;
	size_t i;
	int rc = 0;

	if (!json_is_array(j) || !json_array_size(j))
		rc = err_set(e, ERR_BAD_DATA, 0, "PD's health has an unknown format");
	else
		json_array_foreach(j, i, one) if (rc == 0 &&
						  !json_is_true(json_object_get(one, "health")))
		{
			const char *name = json_string_value(json_object_get(one, "name"));

			rc = err_set(e, ERR_ENV, 0, "PD member %s is not healthy",
				     name ? name : "without a name");
		}
	json_decref(j);
	return rc;
}

int pd_stores_parse(struct pd_stores *s, const char *json, size_t n, struct err *e)
{
	json_t *j = foreign_json(json, n, NULL), *stores = json_object_get(j, "stores"), *one;
	size_t i;

	memset(s, 0, sizeof(*s));
	if (!json_is_array(stores) && !json_is_null(stores)) {
		json_decref(j);
		return err_set(e, ERR_BAD_DATA, 0, "PD's list of stores has an unknown format");
	}
	json_array_foreach(stores, i, one)
	{
		json_t *store = json_object_get(one, "store");
		const char *state = json_string_value(json_object_get(store, "state_name")),
			   *address = json_string_value(json_object_get(store, "address"));

		s->n++;
		if (state && !strcmp(state, "Up"))
			s->up++;
		else if (!s->down[0])
			snprintf(s->down, sizeof(s->down), "%s %s", address ? address : "a store",
				 state ? state : "of unknown state");
	}
	json_decref(j);
	return 0;
}

static int get(const char *url, const char *path, const struct http_tls *tls, struct deadline d,
	       struct http_answer *a, struct err *e)
{
	char *at = xstrfmt("%s%s", url, path);
	int rc = http_call("GET", at, NULL, tls, d, a, e);

	free(at);
	if (rc == 0 && a->status != 200)
		rc = err_set(e, ERR_ENV, (int)a->status, "PD at %s answers HTTP %ld: %.200s", url,
			     a->status, a->body.buf);
	return rc;
}

int pd_members(const char *url, const struct http_tls *tls, struct deadline d, struct pd_members *m,
	       struct err *e)
{
	struct http_answer a = HTTP_ANSWER_INIT;
	int rc = get(url, "/pd/api/v1/members", tls, d, &a, e);

	if (rc == 0)
		rc = pd_members_parse(m, a.body.buf, a.body.len, e);
	http_answer_release(&a);
	return rc;
}

int pd_ready(const char *url, const struct http_tls *tls, struct deadline d, struct pd_members *m,
	     struct err *e)
{
	struct http_answer a = HTTP_ANSWER_INIT;
	int rc = pd_members(url, tls, d, m, e);

	if (rc == 0)
		rc = get(url, "/pd/api/v1/health", tls, d, &a, e);
	if (rc == 0)
		rc = pd_health_parse(a.body.buf, a.body.len, e);
	http_answer_release(&a);
	return rc;
}

int pd_look_at_stores(const char *url, const struct http_tls *tls, struct deadline d,
		      struct pd_stores *s, struct err *e)
{
	struct http_answer a = HTTP_ANSWER_INIT;
	int rc = get(url, "/pd/api/v1/stores", tls, d, &a, e);

	if (rc == 0)
		rc = pd_stores_parse(s, a.body.buf, a.body.len, e);
	http_answer_release(&a);
	return rc;
}

int pd_safe_points_parse(const char *json, size_t n, int64_t now_s,
			 void (*fn)(void *arg, const char *service, tso_t safe_point,
				    int64_t left_s),
			 void *arg, struct err *e)
{
	json_t *j = foreign_json(json, n, NULL),
	       *all = json_object_get(j, "service_gc_safe_points"), *one;
	size_t i;

	if (!json_is_array(all) && !json_is_null(all)) {
		json_decref(j);
		return err_set(e, ERR_BAD_DATA, 0,
			       "PD's list of service safe points has an unknown format");
	}
	json_array_foreach(all, i, one)
	{
		const char *service = json_string_value(json_object_get(one, "service_id"));
		uint64_t expires = 0, at = 0;

		if (service && foreign_json_u64(json_object_get(one, "expired_at"), &expires) &&
		    foreign_json_u64(json_object_get(one, "safe_point"), &at) &&
		    expires > (uint64_t)now_s)
			fn(arg, service, at,
			   expires > INT64_MAX / 2 ? INT64_MAX / 2 : (int64_t)expires - now_s);
	}
	json_decref(j);
	return 0;
}

int pd_safe_points(const char *url, const struct http_tls *tls, struct deadline d,
		   void (*fn)(void *arg, const char *service, tso_t safe_point, int64_t left_s),
		   void *arg, struct err *e)
{
	struct http_answer a = HTTP_ANSWER_INIT;
	int rc = get(url, "/pd/api/v1/gc/safepoint", tls, d, &a, e);

	if (rc == 0)
		rc = pd_safe_points_parse(a.body.buf, a.body.len, clock_wall_ms() / 1000, fn, arg,
					  e);
	http_answer_release(&a);
	return rc;
}

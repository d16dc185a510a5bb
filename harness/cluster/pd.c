#include "harness/cluster/pd.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "harness/base/xalloc.h"

int pd_members_parse(struct pd_members *m, const char *json, size_t n, struct err *e)
{
	json_t *j = json_loadb(json, n, 0, NULL), *members = json_object_get(j, "members"), *one = json_array_get(members, 0),
	       *id = json_object_get(json_object_get(j, "header"), "cluster_id");
	const char *version = json_string_value(json_object_get(one, "binary_version")),
		   *url = json_string_value(json_array_get(json_object_get(json_object_get(j, "leader"), "client_urls"), 0));
	int rc = -1;

	*m = (struct pd_members){ 0 };
	if (!json_is_integer(id) || !json_is_array(members)) {
		err_set(e, ERR_BAD_DATA, 0, "PD's members are told in no form that is known here");
	} else if (!json_integer_value(id)) {
		err_set(e, ERR_ENV, 0, "PD has no cluster id yet");
	} else {
		m->cluster_id = (uint64_t)json_integer_value(id);
		m->n = (unsigned)json_array_size(members);
		snprintf(m->version, sizeof(m->version), "%s", version ? version : "");
		snprintf(m->client_url, sizeof(m->client_url), "%s", url ? url : "");
		rc = 0;
	}
	json_decref(j);
	return rc;
}

int pd_health_parse(const char *json, size_t n, struct err *e)
{
	json_t *j = json_loadb(json, n, 0, NULL), *one;
	size_t i;
	int rc = 0;

	if (!json_is_array(j) || !json_array_size(j))
		rc = err_set(e, ERR_BAD_DATA, 0, "PD's health is told in no form that is known here");
	else
		json_array_foreach(j, i, one)
			if (rc == 0 && !json_is_true(json_object_get(one, "health"))) {
				const char *name = json_string_value(json_object_get(one, "name"));

				rc = err_set(e, ERR_ENV, 0, "PD member %s is not healthy", name ? name : "without a name");
			}
	json_decref(j);
	return rc;
}

int pd_ready(const char *url, const struct http_tls *tls, struct deadline d, struct pd_members *m, struct err *e)
{
	struct http_answer a = HTTP_ANSWER_INIT;
	char *at = xstrfmt("%s/pd/api/v1/members", url);
	int rc = http_call("GET", at, NULL, tls, d, &a, e);

	free(at);
	if (rc == 0 && a.status != 200)
		rc = err_set(e, ERR_ENV, (int)a.status, "PD at %s answers HTTP %ld: %.200s", url, a.status, a.body.buf);
	if (rc == 0)
		rc = pd_members_parse(m, a.body.buf, a.body.len, e);
	if (rc == 0) {
		at = xstrfmt("%s/pd/api/v1/health", url);
		rc = http_call("GET", at, NULL, tls, d, &a, e);
		free(at);
		if (rc == 0)
			rc = pd_health_parse(a.body.buf, a.body.len, e);
	}
	http_answer_release(&a);
	return rc;
}

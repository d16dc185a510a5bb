/* TiCDC's open API v2, called. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/foreign_json.h"
#include "harness/base/xalloc.h"
#include "harness/tidb/ticdc.h"

#define FIND_MS 10000
#define FIND_MAX 256
#define NAMED_MAX 8 /* of them in an error */

static int call(const struct ticdc *c, const char *method, const char *path, const char *body,
		struct deadline d, struct http_answer *a, struct err *e)
{
	char *url = xstrfmt("%s%s", c->api, path);
	int rc = http_call(method, url, body, &c->tls, d, a, e);

	free(url);
	return rc;
}

/* The answer has to be 200; else the error is TiCDC's own words. */
static int call_well(const struct ticdc *c, const char *method, const char *path, const char *body,
		     struct deadline d, struct http_answer *a, const char *what, struct err *e)
{
	int rc = call(c, method, path, body, d, a, e);

	return rc == 0 && a->status != 200 ? ticdc_refused(a, what, e) : rc;
}

int ticdc_has_v2(const struct ticdc *c, struct deadline d, struct err *e)
{
	struct http_answer a = HTTP_ANSWER_INIT;
	int rc = call(c, "GET", "/api/v2/health", NULL, d, &a, e);

	if (rc == 0 && a.status == 404)
		rc = 0;
	else if (rc == 0 && a.status == 200)
		rc = 1;
	else if (rc == 0)
		rc = ticdc_refused(&a, "health", e);
	http_answer_release(&a);
	return rc;
}

int ticdc_captures(const struct ticdc *c, struct deadline d, unsigned *n, struct strbuf *hosts,
		   struct err *e)
{
	struct http_answer a = HTTP_ANSWER_INIT;
	int rc = call_well(c, "GET", "/api/v2/captures", NULL, d, &a, "captures", e);
	json_t *j = NULL, *items, *one;
	size_t i;

	*n = 0;
	if (rc == 0) {
		j = foreign_json(a.body.buf, a.body.len, NULL);
		items = json_is_array(j) ? j : json_object_get(j, "items");
		*n = (unsigned)json_array_size(items);
		json_array_foreach(items, i, one) if (hosts && json_string_value(json_object_get(
								       one, "address")))
			strbuf_addf(hosts, "%.250s ",
				    json_string_value(json_object_get(one, "address")));
	}
	json_decref(j);
	http_answer_release(&a);
	return rc;
}

int ticdc_owner(const struct ticdc *c, struct deadline d, char address[300], struct err *e)
{
	struct http_answer a = HTTP_ANSWER_INIT;
	int rc = call(c, "GET", "/api/v2/captures", NULL, d, &a, e);
	json_t *j = rc == 0 ? foreign_json(a.body.buf, a.body.len, NULL) : NULL, *one;
	size_t i;

	if (rc == 0)
		rc = err_set(e, ERR_NOT_FOUND, 0, "TiCDC reports no owner");
	json_array_foreach(json_object_get(j, "items"), i,
			   one) if (json_is_true(json_object_get(one, "is_owner")) &&
				    json_string_value(json_object_get(one, "address")))
	{
		snprintf(address, 300, "%s", json_string_value(json_object_get(one, "address")));
		rc = 0;
	}
	json_decref(j);
	http_answer_release(&a);
	return rc;
}

int ticdc_create(const struct ticdc *c, const struct ticdc_create *o, struct deadline d,
		 struct ticdc_feed *f, bool *made, struct err *e)
{
	struct http_answer a = HTTP_ANSWER_INIT;
	char *body = ticdc_create_body(o), what[180];
	int rc;

	snprintf(what, sizeof(what), "create changefeed %s", o->id);
	rc = call_well(c, "POST", "/api/v2/changefeeds", body, d, &a, what, e);
	*made = rc == 0;
	if (body)
		memset(body, 0, strlen(body)); /* it held the secrets */
	free(body);
	if (rc == 0)
		rc = ticdc_feed_parse(f, a.body.buf, a.body.len, e);
	http_answer_release(&a);
	return rc < 0 && !strstr(e ? e->text : "", what) ? err_wrap(e, "%s", what) : rc;
}

/* What is done with one changefeed: `verb` is for the error. f: its answer; NULL: not wanted. */
static int call_feed(const struct ticdc *c, const char *verb, const char *method, const char *id,
		     const char *below, const char *body, struct deadline d, struct ticdc_feed *f,
		     struct err *e)
{
	struct http_answer a = HTTP_ANSWER_INIT;
	char path[200], what[180];
	int rc;

	snprintf(path, sizeof(path), "/api/v2/changefeeds/%s%s", id, below);
	snprintf(what, sizeof(what), "%s changefeed %s", verb, id);
	rc = call_well(c, method, path, body, d, &a, what, e);
	if (rc == 0 && f)
		rc = ticdc_feed_parse(f, a.body.buf, a.body.len, e);
	http_answer_release(&a);
	return rc;
}

int ticdc_query(const struct ticdc *c, const char *id, struct deadline d, struct ticdc_feed *f,
		struct err *e)
{
	return call_feed(c, "query", "GET", id, "", NULL, d, f, e);
}

int ticdc_list(const struct ticdc *c, struct deadline d, char (*ids)[128], unsigned max,
	       unsigned *n, struct err *e)
{
	struct http_answer a = HTTP_ANSWER_INIT;
	int rc =
		call_well(c, "GET", "/api/v2/changefeeds?state=all", NULL, d, &a, "changefeeds", e);

	*n = 0;
	if (rc == 0) {
		json_t *j = foreign_json(a.body.buf, a.body.len, e),
		       *items = json_object_get(j, "items"), *one;
		size_t i;

		rc = j ? 0 : -1;
		json_array_foreach(items, i, one)
		{
			const char *id = json_string_value(json_object_get(one, "id"));

			if (id && (*n)++ < max)
				snprintf(ids[*n - 1], 128, "%s", id);
		}
		json_decref(j);
	}
	http_answer_release(&a);
	return rc;
}

int ticdc_find(const struct ticdc *c, const char *id, struct deadline young, struct ticdc_feed *f,
	       struct err *e)
{
	struct err why = ERR_INIT;

	while (ticdc_query(c, id, deadline_in_ms(FIND_MS), f, &why) < 0) {
		char ids[FIND_MAX][128];
		struct strbuf there = STRBUF_INIT;
		unsigned n = 0;
		bool listed = false;

		if (why.kind == ERR_NOT_FOUND &&
		    ticdc_list(c, deadline_in_ms(FIND_MS), ids, FIND_MAX, &n, NULL) == 0)
			for (unsigned i = 0; i < n && i < FIND_MAX; i++) {
				listed = listed || !strcmp(ids[i], id);
				if (i < NAMED_MAX)
					strbuf_addf(&there, "%s%s", i ? ", " : "", ids[i]);
			}
		if (listed && pause_ms(200, young) == 0) {
			strbuf_release(&there);
			continue;
		}
		if (clock_cancelled())
			err_set(e, ERR_CANCELLED, 0, "interrupted");
		else if (n && !listed)
			err_set(e, why.kind, why.code, "%s; TiCDC has: %s%s", why.text, there.buf,
				n > NAMED_MAX ? " and more" : "");
		else if (e)
			*e = why;
		strbuf_release(&there);
		return -1;
	}
	return 0;
}

int ticdc_lost_owner(const struct ticdc *c, struct deadline d, struct err *e)
{
	struct http_answer a = HTTP_ANSWER_INIT;
	int rc = call_well(c, "GET", "/api/v2/status", NULL, d, &a, "status", e);

	if (rc == 0) {
		json_t *j = foreign_json(a.body.buf, a.body.len, e);

		rc = j ? json_is_false(json_object_get(j, "is_owner")) : -1;
		json_decref(j);
	}
	http_answer_release(&a);
	return rc;
}

int ticdc_remove(const struct ticdc *c, const char *id, struct deadline d, struct err *e)
{
	return call_feed(c, "remove", "DELETE", id, "", NULL, d, NULL, e);
}

int ticdc_pause(const struct ticdc *c, const char *id, struct deadline d, struct err *e)
{
	struct ticdc_feed f;
	int rc = call_feed(c, "pause", "POST", id, "/pause", "{}", d, NULL, e);

	while (rc == 0) {
		rc = ticdc_query(c, id, d, &f, e);
		if (rc < 0 || !strcmp(f.state, "stopped"))
			break;
		if (!strcmp(f.state, "failed"))
			rc = err_set(e, ERR_ENV, 0, "pause changefeed %s: it failed: %s", id,
				     f.error);
		else if (pause_ms(50, d) < 0)
			rc = err_set(e, clock_cancelled() ? ERR_CANCELLED : ERR_TIMEOUT, 0,
				     "pause changefeed %s: it is still %s", id, f.state);
	}
	return rc;
}

#include "harness/tidb/topology.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/foreign_json.h"
#include "harness/base/tso.h"
#include "harness/os/fs.h"
#include "harness/os/proc.h"
#include "harness/sql/rights.h"

#define TEXT_BYTES_MAX ((size_t)64 << 20)
#define ASK_MS 120000
#define SQL_MS 10000

static const char *text_of(json_t *object, const char *name)
{
	const char *v = json_string_value(json_object_get(object, name));

	return v ? v : "";
}

/* "10.0.1.1:2379", an IPv6 address in brackets */
static void put_url(char *out, size_t room, bool tls, const char *host, unsigned port)
{
	bool six = strchr(host, ':') != NULL;

	snprintf(out, room, "%s://%s%.200s%s:%u", tls ? "https" : "http", six ? "[" : "", host,
		 six ? "]" : "", port);
}

/* ---- tiup */

/* "4000/10080": the nth; 0: there is none */
static unsigned nth_port(const char *ports, unsigned n)
{
	unsigned long v;

	while (n-- && ports)
		ports = strchr(ports, '/') ? strchr(ports, '/') + 1 : NULL;
	v = ports ? strtoul(ports, NULL, 10) : 0;
	return v <= 65535 ? (unsigned)v : 0;
}

static bool is_up(const char *status)
{
	return !*status || !strncmp(status, "Up", 2) || !strncmp(status, "Healthy", 7);
}

/* One that is up is taken before one that is not. */
static void take_instance(struct topology *t, json_t *one, bool up)
{
	const char *role = text_of(one, "role"), *host = text_of(one, "host"),
		   *ports = text_of(one, "ports");
	size_t n = strcspn(role, " ("); /* "tidb (patched)" */
	unsigned port = nth_port(ports, 0);

	if (!*host || !port || is_up(text_of(one, "status")) != up)
		return;
	if (n == 4 && !strncmp(role, "tidb", n)) {
		if (!t->n_sql++) {
			snprintf(t->sql_host, sizeof(t->sql_host), "%s", host);
			t->sql_port = port;
			if (nth_port(ports, 1))
				put_url(t->status, sizeof(t->status), t->tls, host,
					nth_port(ports, 1));
		}
	} else if (n == 2 && !strncmp(role, "pd", n)) {
		if (!t->n_pd++)
			put_url(t->pd, sizeof(t->pd), t->tls, host, port);
	} else if (n == 3 && !strncmp(role, "cdc", n)) {
		if (!t->n_ticdc++)
			put_url(t->ticdc, sizeof(t->ticdc), t->tls, host, port);
	}
}

int topology_of_tiup(const char *text, size_t n, struct topology *t, struct err *e)
{
	const char *from = memchr(text, '{', n);
	json_t *j = from ? foreign_json(from, n - (size_t)(from - text), NULL) : NULL,
	       *meta = json_object_get(j, "cluster_meta"),
	       *instances = json_object_get(j, "instances"), *one;
	size_t i;
	int rc = -1;

	*t = (struct topology){ 0 };
	if (!json_is_object(meta) || !json_is_array(instances)) {
		err_set(e, ERR_BAD_DATA, 0,
			"its output has no cluster_meta and instances: use `tiup cluster display "
			"NAME --format json` of tiup 1.9 or later");
		goto out;
	}
	snprintf(t->name, sizeof(t->name), "%s", text_of(meta, "cluster_name"));
	snprintf(t->version, sizeof(t->version), "%s", text_of(meta, "cluster_version"));
	t->tls = json_is_true(json_object_get(meta, "tls_enabled"));
	snprintf(t->ca, sizeof(t->ca), "%s", text_of(meta, "tls_ca_cert"));
	snprintf(t->cert, sizeof(t->cert), "%s", text_of(meta, "tls_client_cert"));
	snprintf(t->key, sizeof(t->key), "%s", text_of(meta, "tls_client_key"));
	for (unsigned up = 2; up-- > 0;)
		json_array_foreach(instances, i, one) take_instance(t, one, up);
	if (!t->n_sql)
		err_set(e, ERR_BAD_DATA, 0, "%s has no tidb instance (%zu instances in total)",
			t->name, json_array_size(instances));
	else
		rc = 0;
out:
	json_decref(j);
	return rc;
}

/* ---- TiDB Operator */

static unsigned service_port(json_t *service, const char *name, const char * or)
{
	json_t *ports = json_object_get(json_object_get(service, "spec"), "ports"), *one;
	unsigned found = 0;
	size_t i;

	json_array_foreach(ports, i, one)
	{
		const char *is = text_of(one, "name");
		json_int_t v = json_integer_value(json_object_get(one, "port"));

		if (!found && (!strcmp(is, name) || (or &&!strcmp(is, or))) && v > 0 && v <= 65535)
			found = (unsigned)v;
	}
	return found;
}

/* The service of a component, by the labels of either operator. One for clients is taken before a
 * headless one, which the components have among themselves. */
static json_t *service_of(json_t *services, const char *cluster, const char *component)
{
	json_t *one, *best = NULL;
	size_t i;

	json_array_foreach(json_object_get(services, "items"), i, one)
	{
		json_t *labels = json_object_get(json_object_get(one, "metadata"), "labels");
		bool ours = (!strcmp(text_of(labels, "app.kubernetes.io/instance"), cluster) &&
			     !strcmp(text_of(labels, "app.kubernetes.io/component"), component)) ||
			    (!strcmp(text_of(labels, "pingcap.com/cluster"), cluster) &&
			     !strcmp(text_of(labels, "pingcap.com/component"), component));
		bool headless = !strcmp(text_of(json_object_get(one, "spec"), "clusterIP"), "None");

		if (ours && (!best || !headless))
			best = one;
		if (best == one && !headless)
			break;
	}
	return best;
}

struct component {
	const char *name, *port, * or ; /* the port's name, and another that it may have */
	const char *usual;              /* the service's name behind "CLUSTER-" */
	unsigned usual_port;
};

/* 0: the cluster has no such component */
static unsigned find_service(json_t *services, const struct topology *t, const char *namespace,
			     const struct component *c, bool wanted, char *host, size_t room)
{
	json_t *s = service_of(services, t->name, c->name);
	unsigned port = s ? service_port(s, c->port, c->or) : 0;

	if (port)
		snprintf(host, room, "%.60s.%.60s", text_of(json_object_get(s, "metadata"), "name"),
			 namespace);
	else if (wanted && !services)
		snprintf(host, room, "%.60s-%s.%.60s", t->name, c->usual, namespace);
	else
		return 0;
	return port ? port : c->usual_port;
}

static bool is_enabled(json_t *object, const char *name)
{
	return json_is_true(json_object_get(json_object_get(object, name), "enabled"));
}

static void take_cluster(struct topology *t, json_t *one, json_t *services)
{
	static const struct component tidb = { "tidb", "mysql-client", NULL, "tidb", 4000 },
				      tidb_status = { "tidb", "status", NULL, "tidb", 10080 },
				      pd = { "pd", "client", NULL, "pd", 2379 },
				      ticdc = { "ticdc", "ticdc", "client", "ticdc-peer", 8301 };
	json_t *meta = json_object_get(one, "metadata"), *spec = json_object_get(one, "spec"),
	       *status = json_object_get(one, "status"), *cdc = json_object_get(spec, "ticdc");
	bool two = !strcmp(text_of(one, "kind"), "Cluster"); /* parts are objects of their own */
	const char *namespace = text_of(meta, "namespace"), *id, *zone;
	char host[256];
	unsigned port;

	*t = (struct topology){ 0 };
	snprintf(t->name, sizeof(t->name), "%s", text_of(meta, "name"));
	snprintf(t->version, sizeof(t->version), "%s", text_of(spec, "version"));
	t->tls = is_enabled(spec, "tlsCluster");
	t->sql_tls = is_enabled(json_object_get(spec, "tidb"), "tlsClient");
	id = text_of(status, two ? "id" : "clusterID");
	if (*id && !tso_parse(id, &t->cluster_id))
		t->cluster_id = 0;
	t->sql_port =
		find_service(services, t, namespace, &tidb, true, t->sql_host, sizeof(t->sql_host));
	t->n_sql = t->sql_port ? 1 : 0;
	port = find_service(services, t, namespace, &tidb_status, true, host, sizeof(host));
	if (port)
		put_url(t->status, sizeof(t->status), t->tls, host, port);
	port = find_service(services, t, namespace, &pd, true, host, sizeof(host));
	if (port)
		put_url(t->pd, sizeof(t->pd), t->tls, host, port);
	t->n_pd = port ? 1 : 0;
	port = find_service(services, t, namespace, &ticdc, cdc != NULL, host, sizeof(host));
	if (port)
		put_url(t->ticdc, sizeof(t->ticdc), t->tls, host, port);
	t->n_ticdc = port ? 1 : 0;
	if (port && !two) { /* operator 1 starts `cdc server --tz` so */
		zone = *text_of(cdc, "timezone") ? text_of(cdc, "timezone")
						 : text_of(spec, "timezone");
		snprintf(t->time_zone, sizeof(t->time_zone), "%s",
			 !*zone || !strcmp(zone, "UTC") ? "+00:00" : zone);
	}
}

static bool is_cluster(json_t *one)
{
	const char *kind = text_of(one, "kind"), *api = text_of(one, "apiVersion");

	return !strcmp(kind, "TidbCluster") ||
	       (!strcmp(kind, "Cluster") && !strncmp(api, "core.pingcap.com/", 17));
}

int topology_of_kubernetes(const char *text, size_t n, const char *services, size_t n_services,
			   struct topology *t, size_t max, size_t *found, struct err *e)
{
	json_t *j = foreign_json(text, n, NULL), *items = json_object_get(j, "items"), *one,
	       *known = services ? foreign_json(services, n_services, NULL) : NULL;
	size_t i;
	int rc = -1;

	*found = 0;
	if (!json_is_array(items) ||
	    (services && !json_is_array(json_object_get(known, "items")))) {
		err_set(e, ERR_BAD_DATA, 0,
			"its output is not a JSON List: use kubectl get … -o json");
		goto out;
	}
	json_array_foreach(items, i, one)
	{
		const char *name = text_of(json_object_get(one, "metadata"), "name");

		if (!is_cluster(one) || !*name)
			continue;
		if (*found == max) {
			err_set(e, ERR_BAD_DATA, 0, "more than %zu clusters in it", max);
			goto out;
		}
		take_cluster(&t[*found], one, known);
		if (!t[*found].n_sql) {
			err_set(e, ERR_BAD_DATA, 0,
				"%.60s: no service in its namespace has a port named mysql-client",
				name);
			goto out;
		}
		++*found;
	}
	rc = *found ? 0
		    : err_set(e, ERR_NOT_FOUND, 0,
			      "it has no TidbCluster (and no Cluster of core.pingcap.com)");
out:
	json_decref(j);
	json_decref(known);
	return rc;
}

/* ---- the cluster itself */

static void take_part(struct topology *t, const char *type, const char *instance,
		      const char *status)
{
	const char *scheme = t->tls ? "https" : "http";

	if (!strcmp(type, "pd") && !t->n_pd++)
		snprintf(t->pd, sizeof(t->pd), "%s://%.280s", scheme, instance);
	if (!strcmp(type, "ticdc") && !t->n_ticdc++)
		snprintf(t->ticdc, sizeof(t->ticdc), "%s://%.280s", scheme, instance);
	if (!strcmp(type, "tidb") && !t->n_sql++)
		snprintf(t->status, sizeof(t->status), "%s://%.280s", scheme, status);
}

int topology_parts(struct sql *s,
		   void (*fn)(void *arg, const char *type, const char *address, const char *status,
			      const char *version),
		   void *arg, struct err *e)
{
	struct sql_rows r = { 0 };
	int got = -1;

	if (sql_query(
		    s, &r, e,
		    "SELECT TYPE, INSTANCE, STATUS_ADDRESS, VERSION FROM information_schema.cluster_info") <
	    0)
		return err_wrap(e, "listing its components requires the PROCESS privilege");
	while ((got = sql_rows_next(&r, e)) == 1)
		if (r.cell[0] && r.cell[1])
			fn(arg, r.cell[0], r.cell[1], r.cell[2] ? r.cell[2] : "",
			   r.cell[3] ? r.cell[3] : "");
	sql_rows_release(&r);
	return got < 0 ? -1 : 0;
}

static void take_row(void *arg, const char *type, const char *address, const char *status,
		     const char *version)
{
	struct topology *t = arg;

	take_part(t, type, address, status);
	if (!strcmp(type, "tidb") && *version)
		snprintf(t->version, sizeof(t->version), "%s%.60s", *version == 'v' ? "" : "v",
			 version);
}

/* ep.host and port are kept as they are. */
static int topology_of_sql(struct sql *s, const struct sql_endpoint *ep, struct topology *t,
			   struct err *e)
{
	struct strbuf v = STRBUF_INIT;

	*t = (struct topology){ 0 };
	snprintf(t->sql_host, sizeof(t->sql_host), "%s", ep->host);
	t->sql_port = ep->port;
	if (sql_flavor(s) != SQL_TIDB) {
		t->mysql = true;
		t->n_sql = 1;
		snprintf(t->version, sizeof(t->version), "%.60s", sql_server_version(s));
		return 0;
	}
	/* the components' own TLS is in tidb-server's configuration, which names its files */
	if (sql_value(
		    s, &v, NULL,
		    "SELECT VALUE FROM information_schema.cluster_config WHERE TYPE = 'tidb' AND `KEY` = 'security.cluster-ssl-ca'"
		    " LIMIT 1") == 0)
		t->tls = v.len != 0;
	snprintf(t->ca, sizeof(t->ca), "%s", v.buf);
	strbuf_release(&v);
	return topology_parts(s, take_row, t, e);
}

/* ---- who is asked */

static int run(char *const *argv, struct strbuf *out, struct err *e)
{
	return proc_run(argv, NULL, out, TEXT_BYTES_MAX, deadline_in_ms(ASK_MS), e);
}

static int ask_tiup(const char *name, struct topology *t, size_t *found, struct err *e)
{
	char *const argv[] = { (char *)"tiup",
			       (char *)"cluster",
			       (char *)"display",
			       (char *)name,
			       (char *)"--format",
			       (char *)"json",
			       NULL };
	struct strbuf out = STRBUF_INIT;
	int rc =
		*name == '@' ? fs_read_file(name + 1, TEXT_BYTES_MAX, &out, e) : run(argv, &out, e);

	if (rc == 0)
		rc = topology_of_tiup(out.buf, out.len, t, e);
	*found = rc == 0;
	strbuf_release(&out);
	return rc < 0 ? err_wrap(e, *name == '@' ? "tiup:%s" : "tiup cluster display %s", name) : 0;
}

static int ask_kubectl(const char *namespace, struct topology *t, size_t max, size_t *found,
		       struct err *e)
{
	char *argv[] = { (char *)"kubectl", (char *)"get", (char *)"tidbcluster", (char *)"-n",
			 (char *)namespace, (char *)"-o",  (char *)"json",        NULL };
	struct strbuf out = STRBUF_INIT, services = STRBUF_INIT;
	struct err first = ERR_INIT;
	bool has_services = false;
	int rc;

	if (*namespace == '@') {
		rc = fs_read_file(namespace + 1, TEXT_BYTES_MAX, &out, e);
	} else {
		rc = run(argv, &out, &first);
		if (rc < 0) { /* operator 2 has no such kind of object */
			strbuf_reset(&out);
			argv[2] = (char *)"clusters.core.pingcap.com";
			rc = run(argv, &out, NULL);
		}
		if (rc < 0)
			err_set(e, first.kind, first.code, "%s", first.text);
		argv[2] = (char *)"service";
		has_services = rc == 0 && run(argv, &services, NULL) == 0;
	}
	if (rc == 0)
		rc = topology_of_kubernetes(out.buf, out.len, has_services ? services.buf : NULL,
					    services.len, t, max, found, e);
	strbuf_release(&out);
	strbuf_release(&services);
	return rc < 0 ? err_wrap(e,
				 *namespace == '@' ? "kubernetes:%s"
						   : "kubectl get tidbcluster -n %s",
				 namespace)
		      : 0;
}

static int ask_server(const char *uri, struct topology *t, size_t *found, struct sql_endpoint *ep,
		      struct err *e)
{
	struct sql *s;
	int rc;

	if (sql_endpoint_from_uri(ep, uri, e) < 0)
		return -1;
	s = sql_briefly(sql_open_reading(ep, deadline_in_ms(SQL_MS), e));
	rc = s ? topology_of_sql(s, ep, t, e) : -1;
	sql_close(s);
	*found = rc == 0;
	return rc;
}

int topology_ask(const char *source, struct topology *t, size_t max, size_t *found,
		 struct sql_endpoint *ep, struct err *e)
{
	*found = 0;
	*ep = (struct sql_endpoint){ 0 };
	if (!strncmp(source, "tiup:", 5) || !strncmp(source, "kubernetes:", 11)) {
		const char *name = strchr(source, ':') + 1;

		if (!*name || *name == '-') /* which would be an option */
			return err_set(e, ERR_USAGE, 0, "'%s': tiup:NAME, kubernetes:NAMESPACE",
				       source);
		return *source == 't' ? ask_tiup(name, t, found, e)
				      : ask_kubectl(name, t, max, found, e);
	}
	if (!strstr(source, "://") && *source != '@' && strncmp(source, "env:", 4) != 0)
		return err_set(
			e, ERR_USAGE, 0,
			"'%.80s' is not one of tiup:NAME, kubernetes:NAMESPACE, mysql://USER@HOST:4000",
			source);
	return ask_server(source, t, found, ep, e);
}

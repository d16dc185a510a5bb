#include "harness/tidb/clusters_draft.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "harness/base/secret.h"
#include "harness/tidb/pd.h"
#include "harness/tidb/ticdc.h"

#define FEEDS_MAX 16

static const char *const roles[] = { "primary", "secondary", "scratch", "new-primary",
				     "secondary-twin" };
#define N_ROLES (sizeof(roles) / sizeof(roles[0]))

static bool role_taken(const struct clusters_draft *d, const char *role)
{
	for (size_t i = 0; i < d->n; i++)
		if (!strcmp(d->c[i].role, role))
			return true;
	return false;
}

/* That of the deployer, where scenarios ask for it; else the next that is free. */
static void choose_role(const struct clusters_draft *d, const char *name, char *out, size_t room)
{
	for (size_t i = 0; i < N_ROLES; i++)
		if (!strcmp(roles[i], name) && !role_taken(d, name)) {
			snprintf(out, room, "%s", name);
			return;
		}
	for (size_t i = 0; i < N_ROLES; i++)
		if (!role_taken(d, roles[i])) {
			snprintf(out, room, "%s", roles[i]);
			return;
		}
	snprintf(out, room, "cluster%zu", d->n + 1);
}

int clusters_draft_add(struct clusters_draft *d, const char *role, const char *source,
		       const struct topology *t, const struct sql_endpoint *ep, struct err *e)
{
	struct strbuf shown = STRBUF_INIT;

	if (d->n == TOPOLOGY_CLUSTERS_MAX)
		return err_set(e, ERR_USAGE, 0, "more than %d clusters", TOPOLOGY_CLUSTERS_MAX);
	if (role && role_taken(d, role))
		return err_set(e, ERR_USAGE, 0, "two clusters are named %s", role);
	for (size_t i = 0; i < d->n; i++)
		if (d->c[i].t.sql_port == t->sql_port && !strcmp(d->c[i].t.sql_host, t->sql_host))
			return err_set(e, ERR_USAGE, 0, "%s is %s:%u, as %s is", source,
				       t->sql_host, t->sql_port, d->c[i].role);
	if (role)
		snprintf(d->c[d->n].role, sizeof(d->c[0].role), "%s", role);
	else
		choose_role(d, t->name, d->c[d->n].role, sizeof(d->c[0].role));
	secret_redact(&shown, source);
	snprintf(d->c[d->n].source, sizeof(d->c[0].source), "%s", shown.buf);
	strbuf_release(&shown);
	d->c[d->n].t = *t;
	d->c[d->n].ep = *ep;
	d->c[d->n].ep.password[0] = '\0';
	d->n++;
	return 0;
}

static void look_for_changefeed(struct clusters_draft *d, const struct ticdc *api,
				struct deadline by)
{
	char ids[FEEDS_MAX][128];
	unsigned n = 0;

	if (ticdc_list(api, by, ids, FEEDS_MAX, &n, NULL) < 0)
		return;
	for (unsigned i = 0; i < n && i < FEEDS_MAX && !d->redo[0]; i++) {
		struct ticdc_feed f;

		if (ticdc_query(api, ids[i], by, &f, NULL) == 0 && f.storage[0]) {
			snprintf(d->changefeed, sizeof(d->changefeed), "%s", ids[i]);
			snprintf(d->redo, sizeof(d->redo), "%s", f.storage);
		}
	}
}

void clusters_draft_look(struct clusters_draft *d, int64_t ms_each)
{
	for (size_t i = 0; i < d->n; i++) {
		struct topology *t = &d->c[i].t;
		struct http_tls tls = { t->ca, t->cert, t->key, "" };
		struct ticdc api = { .api = t->ticdc, .tls = tls };
		struct pd_members m;

		if (t->pd[0] && pd_members(t->pd, &tls, deadline_in_ms(ms_each), &m, NULL) == 0)
			t->cluster_id = m.cluster_id;
		if (t->ticdc[0] && !strcmp(d->c[i].role, "primary"))
			look_for_changefeed(d, &api, deadline_in_ms(ms_each));
	}
}

/* ---- the text */

/* as a Lua string, whatever is in it */
static void add_quoted(struct strbuf *out, const char *text)
{
	strbuf_addch(out, '"');
	for (const unsigned char *p = (const unsigned char *)text; *p; p++)
		if (*p < ' ' || *p == '"' || *p == '\\' || *p == 127)
			strbuf_addf(out, "\\%03u", *p);
		else
			strbuf_addch(out, (char)*p);
	strbuf_addch(out, '"');
}

/* within a comment: no new line */
static void add_plain(struct strbuf *out, const char *text)
{
	for (const unsigned char *p = (const unsigned char *)text; *p; p++)
		strbuf_addch(out, *p < ' ' || *p == 127 ? '?' : (char)*p);
}

static void add_field(struct strbuf *out, const char *name, const char *value)
{
	if (!*value)
		return;
	strbuf_addf(out, "    %s = ", name);
	add_quoted(out, value);
	strbuf_addch(out, ',');
}

static void add_files(struct strbuf *out, const char *ca, const char *cert, const char *key,
		      const char *server_name)
{
	const char *names[] = { "ca", "cert", "key", "server_name" },
		   *values[] = { ca, cert, key, server_name };
	bool any = false;

	strbuf_addstr(out, "tls = {");
	for (unsigned i = 0; i < 4; i++)
		if (*values[i]) {
			strbuf_addf(out, "%s %s = ", any ? "," : "", names[i]);
			add_quoted(out, values[i]);
			any = true;
		}
	strbuf_addstr(out, any ? " }" : "}");
}

static void add_of_several(struct strbuf *out, unsigned n, const char *what)
{
	if (n > 1)
		strbuf_addf(out, " -- one of %u %s", n, what);
	strbuf_addch(out, '\n');
}

static void add_sql(struct strbuf *out, const struct clusters_draft *d, size_t i)
{
	const struct topology *t = &d->c[i].t;
	const struct sql_endpoint *ep = &d->c[i].ep;
	char env[48];
	size_t n = 0;

	for (const char *p = d->c[i].role; *p && n < sizeof(env) - 1; p++)
		env[n++] = isalnum((unsigned char)*p) ? (char)toupper((unsigned char)*p) : '_';
	env[n] = '\0';
	if (t->n_sql > 1)
		strbuf_addf(out, "    -- one of %u servers; a load balancer is better\n", t->n_sql);
	strbuf_addstr(out, "    sql = {\n      host = ");
	add_quoted(out, t->sql_host);
	strbuf_addf(out, ", port = %u, user = ", t->sql_port);
	add_quoted(out, ep->user[0] ? ep->user : "root");
	strbuf_addf(
		out,
		", -- `drtest doctor --grants%s` prints accounts with the least rights\n"
		"      -- password = env \"%s_PASSWORD\", -- or { file = \"…\" }, or { command = { \"…\" } }\n",
		t->mysql ? " --kind mariadb" : "", env);
	if (ep->tls > SQL_TLS_OFF || ep->ssl_ca[0] || ep->ssl_cert[0]) {
		strbuf_addstr(out, "      ");
		add_files(out, ep->ssl_ca, ep->ssl_cert, ep->ssl_key, ep->ssl_server_name);
		strbuf_addstr(out, ",\n");
	} else if (t->sql_tls) {
		strbuf_addf(
			out,
			"      tls = {}, -- fill in: ca = \"…\" and, if required, cert and key, "
			"from the secret %s-tidb-client-secret\n",
			t->name);
	} else if (t->tls) {
		strbuf_addstr(
			out, "      tls = false, -- SQL without TLS; { ca = \"…\" } if the servers "
			     "have ssl-cert\n");
	}
	strbuf_addstr(out, "    },\n");
}

static void add_tls(struct strbuf *out, const struct topology *t)
{
	if (!t->tls)
		return;
	strbuf_addstr(out, "    ");
	add_files(out, t->ca, t->cert, t->key, "");
	strbuf_addstr(out, ", -- for pd, ticdc and status");
	if (!t->cert[0])
		strbuf_addstr(
			out,
			"; fill in: ca, cert and key, the files of a client certificate on this "
			"machine");
	strbuf_addch(out, '\n');
}

static void add_allow(struct strbuf *out, const char *role, bool mysql)
{
	if (!strcmp(role, "primary"))
		strbuf_addstr(
			out,
			"    -- allow = { \"backup\", \"gc\" }, -- a rehearsal reads and backs "
			"up, and holds garbage collection during that time\n");
	else if (!strcmp(role, "secondary"))
		strbuf_addstr(
			out,
			"    -- allow = { \"write\" }, -- only for a drill that replays here; a "
			"rehearsal does not need it\n");
	else
		strbuf_addf(out,
			    "    -- expendable = true, -- a cluster only for drills: it may be "
			    "killed and overwritten%s\n"
			    "    -- commands = { start = { \"…\" }, kill = { \"…\" }, destroy = { "
			    "\"…\" } },\n",
			    mysql ? "" : "; keep cluster_id");
}

static void add_cluster(struct strbuf *out, const struct clusters_draft *d, size_t i)
{
	const struct topology *t = &d->c[i].t;
	const char *role = d->c[i].role;

	strbuf_addf(out, strchr(role, '-') ? "\n  [\"%s\"] = { -- " : "\n  %s = { -- ", role);
	add_plain(out, d->c[i].source);
	if (t->name[0] && !strstr(d->c[i].source, t->name)) {
		strbuf_addstr(out, ", ");
		add_plain(out, t->name);
	}
	strbuf_addstr(out, t->version[0] ? ", " : "");
	add_plain(out, t->version);
	strbuf_addch(out, '\n');
	if (t->mysql)
		strbuf_addstr(out, "    kind = \"mysql\",\n");
	add_sql(out, d, i);
	add_field(out, "pd", t->pd);
	if (t->pd[0])
		add_of_several(out, t->n_pd, "PDs");
	add_field(out, "ticdc", t->ticdc);
	if (t->ticdc[0])
		add_of_several(out, t->n_ticdc, "TiCDCs");
	else if (!t->mysql)
		strbuf_addstr(out,
			      "    -- ticdc = \"http://…:8300\", -- none was found; required if a "
			      "changefeed starts here\n");
	add_field(out, "status", t->status);
	if (t->status[0])
		strbuf_addch(out, '\n');
	add_tls(out, t);
	if (t->cluster_id)
		strbuf_addf(out,
			    "    cluster_id = \"%" PRIu64 "\", -- drtest refuses any other cluster "
			    "at this address\n",
			    t->cluster_id);
	else if (t->pd[0])
		strbuf_addstr(out,
			      "    -- cluster_id = \"…\", -- `drtest doctor --clusters` prints it; "
			      "drtest then refuses any other cluster at this address\n");
	add_allow(out, role, t->mysql);
	strbuf_addstr(out, "  },\n");
}

void clusters_draft_text(const struct clusters_draft *d, const char *path, struct strbuf *out)
{
	const char *zone = "";

	for (size_t i = 0; i < d->n; i++)
		if (!strcmp(d->c[i].role, "primary"))
			zone = d->c[i].t.time_zone;
	strbuf_addstr(
		out,
		"-- Written by `drtest init`; docs/CLUSTERS.md lists every field. This is Lua: "
		"fill in what is after two dashes.\n"
		"--\n");
	strbuf_addstr(out, "--   drtest doctor --clusters ");
	add_plain(out, path);
	strbuf_addstr(
		out,
		"     checks what a run would need from these clusters, with a fix for each "
		"problem\n"
		"--\n"
		"-- drtest only reads them until `allow` or `expendable` says more. env \"NAME\" "
		"takes a secret from the environment.\n"
		"return {\n"
		"  -- where a run may store its own data, reachable from TiKV, TiCDC and this "
		"machine; keys from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY\n"
		"  -- store = \"s3://BUCKET/PREFIX?endpoint=http://HOST:9000\",\n");
	if (d->redo[0]) {
		strbuf_addstr(
			out,
			"  -- the redo log that TiCDC reports; add its ?endpoint=… if it is not "
			"AWS. drtest only reads it\n"
			"  -- redo = ");
		add_quoted(out, d->redo);
		strbuf_addstr(out, ",\n  changefeed = ");
		add_quoted(out, d->changefeed);
		strbuf_addstr(out, ",\n");
	} else {
		strbuf_addstr(
			out,
			"  -- the redo log of the existing changefeed, its consistent.storage; "
			"drtest only reads it\n"
			"  -- redo = \"s3://BUCKET/PREFIX?endpoint=http://HOST:9000\",\n"
			"  -- changefeed = \"ID\",\n");
	}
	strbuf_addstr(out,
		      "  -- the time zone of TiCDC (its --tz, or that of its machine): its log has "
		      "TIMESTAMPs as text without a time zone\n");
	if (*zone) {
		strbuf_addstr(out, "  redo_time_zone = ");
		add_quoted(out, zone);
		strbuf_addstr(out, ",\n");
	} else {
		strbuf_addstr(out, "  -- redo_time_zone = \"+00:00\",\n");
	}
	for (size_t i = 0; i < d->n; i++)
		add_cluster(out, d, i);
	strbuf_addstr(out, "}\n");
}

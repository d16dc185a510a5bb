/* Is it the cluster that is meant? An address proves nothing: a wrong port, and somebody else's
 * cluster is overwritten. PD tells the cluster's id; SQL and TiCDC are held against that PD by what
 * the SQL server says of its cluster's parts. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "harness/cluster/attach/attach_look.h"
#include "harness/sql/rights.h"
#include "harness/tidb/pd.h"
#include "harness/tidb/topology.h"

struct parts {
	const struct pd_members *pd; /* NULL: not asked */
	const char *captures;        /* " host:port host:port "; "": not asked */
	char other_pd[300], other_ticdc[300];
	bool is_of_pd, is_of_ticdc;
};

static void hold_against(void *arg, const char *type, const char *address, const char *status,
			 const char *version)
{
	struct parts *p = arg;
	char with_blanks[303];

	(void)status;
	(void)version;
	snprintf(with_blanks, sizeof(with_blanks), " %.300s ", address);
	if (!strcmp(type, "pd")) {
		p->is_of_pd = p->is_of_pd || (p->pd && pd_has_member(p->pd, address));
		snprintf(p->other_pd, sizeof(p->other_pd), "%s", address);
	} else if (!strcmp(type, "ticdc")) {
		p->is_of_ticdc = p->is_of_ticdc || strstr(p->captures, with_blanks);
		snprintf(p->other_ticdc, sizeof(p->other_ticdc), "%s", address);
	}
}

/* What a name that PD's members do not have leads to. */
static bool is_another(const struct attach_cluster *a, const char *pd, uint64_t cluster_id)
{
	struct http_tls tls = attach_http_tls(a);
	struct pd_members m;
	char url[320];

	snprintf(url, sizeof(url), "%s://%s", strncmp(a->pd, "https", 5) ? "http" : "https", pd);
	/* who has given an id wants to be sure */
	return pd_members(url, &tls, deadline_in_ms(LOOK_MS), &m, NULL) < 0
		       ? a->cluster_id != 0
		       : m.cluster_id != cluster_id;
}

static int parts_agree(const struct attach_cluster *a, const struct pd_members *m, struct err *e)
{
	struct sql *s = sql_briefly(sql_open_reading(&a->sql, deadline_in_ms(LOOK_MS), NULL));
	struct ticdc api = look_api(a);
	struct strbuf captures = STRBUF_INIT;
	struct parts p = { .pd = m };
	unsigned n;
	int rc = 0;

	if (!s || sql_flavor(s) != SQL_TIDB)
		goto out;
	strbuf_addch(&captures, ' ');
	if (a->ticdc[0])
		ticdc_captures(&api, deadline_in_ms(LOOK_MS), &n, &captures, NULL);
	p.captures = captures.buf;
	if (topology_parts(s, hold_against, &p, NULL) < 0)
		goto out; /* not told: no PROCESS */
	if (m && m->hosts[0] && p.other_pd[0] && !p.is_of_pd &&
	    is_another(a, p.other_pd, m->cluster_id))
		rc = err_set(
			e, ERR_ENV, 0,
			"%s: sql at %s:%u is not of the cluster of pd at %s: its PD is %s, that one's members are %.200s",
			a->name, a->sql.host, a->sql.port, a->pd, p.other_pd, m->hosts);
	else if (captures.len > 1 && p.other_ticdc[0] && !p.is_of_ticdc)
		rc = err_set(
			e, ERR_ENV, 0,
			"%s: ticdc at %s is not of the cluster of sql at %s:%u: its captures are%.200s, the cluster's TiCDC is %s",
			a->name, a->ticdc, a->sql.host, a->sql.port, captures.buf, p.other_ticdc);
out:
	sql_close(s);
	strbuf_release(&captures);
	return rc;
}

void attach_identity(const struct attach_cluster *a, struct strbuf *out)
{
	struct http_tls tls = attach_http_tls(a);
	struct pd_members m;

	if (a->pd[0] && pd_members(a->pd, &tls, deadline_in_ms(LOOK_MS), &m, NULL) == 0)
		strbuf_addf(out, "cluster %" PRIu64, m.cluster_id);
	else
		strbuf_addf(out, "server %s:%u", a->sql.host, a->sql.port);
}

int attach_is_noted(const struct attach_cluster *a, const char *identity, struct err *e)
{
	struct strbuf now = STRBUF_INIT;
	int rc = attach_is_the_one(a, e);

	if (rc < 0 || !*identity) /* "": noted by an older drtest */
		return rc;
	if (!strncmp(identity, "server ", 7))
		strbuf_addf(&now, "server %s:%u", a->sql.host, a->sql.port);
	else
		attach_identity(a, &now);
	if (strcmp(now.buf, identity) != 0)
		rc = err_set(e, ERR_ENV, 0,
			     "that run's %s was %s, and %s is what the clusters file leads to now",
			     a->name, identity, now.buf);
	strbuf_release(&now);
	return rc;
}

int attach_is_the_one(const struct attach_cluster *a, struct err *e)
{
	struct http_tls tls = attach_http_tls(a);
	struct pd_members m;

	if (a->mysql)
		return 0;
	if (!a->pd[0])
		return parts_agree(a, NULL, e);
	if (pd_members(a->pd, &tls, deadline_in_ms(LOOK_MS), &m, e) < 0)
		return a->cluster_id ? -1 : 0; /* who needs PD will say so */
	if (a->cluster_id && m.cluster_id != a->cluster_id)
		return err_set(
			e, ERR_ENV, 0,
			"%s: PD at %s says that it is cluster %llu, the clusters file that it is %llu",
			a->name, a->pd, (unsigned long long)m.cluster_id,
			(unsigned long long)a->cluster_id);
	return parts_agree(a, &m, e);
}

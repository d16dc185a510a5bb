/* lib: tidb */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "harness/tidb/pd.h"
#include "harness/tidb/topology.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void safe_point(void *arg, const char *service, tso_t at, int64_t left_s)
{
	(void)at;
	if (left_s < 0 || strlen(service) > (size_t)1 << 20)
		abort();
	++*(unsigned *)arg;
}

static void check(int rc, const struct err *e)
{
	if (rc < 0 && (!e->text[0] || strchr(e->text, '\n')))
		abort();
}

/* PD's answers, and what the deployers tell of where it is: an error in one line, or values that
 * keep to their bounds. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err e[6] = { ERR_INIT, ERR_INIT, ERR_INIT, ERR_INIT, ERR_INIT, ERR_INIT };
	const char *text = (const char *)data;
	struct pd_members m;
	struct pd_stores s;
	struct topology t[4];
	unsigned seen = 0;
	size_t n = 0;
	int rc;

	rc = pd_members_parse(&m, text, size, &e[0]);
	check(rc, &e[0]);
	if (rc == 0 && !m.cluster_id)
		abort();
	check(pd_health_parse(text, size, &e[1]), &e[1]);
	rc = pd_stores_parse(&s, text, size, &e[2]);
	check(rc, &e[2]);
	if (rc == 0 && (s.up > s.n || (s.up < s.n && !s.down[0])))
		abort();
	check(pd_safe_points_parse(text, size, 1700000000, safe_point, &seen, &e[3]), &e[3]);
	rc = topology_of_tiup(text, size, t, &e[4]);
	check(rc, &e[4]);
	if (rc == 0 && (!t->sql_port || t->sql_port > 65535 || !t->sql_host[0]))
		abort();
	rc = topology_of_kubernetes(text, size, text, size, t, 4, &n, &e[5]);
	check(rc, &e[5]);
	if (n > 4 || (rc == 0 && !n))
		abort();
	return 0;
}

/* The least rights, per role, of drtest's accounts, in one table: `drtest doctor --grants` prints
 * it as SQL, `drtest doctor --clusters` reports missing privileges from it, and TiCDC's user is
 * created from it. */
#ifndef HARNESS_CLUSTER_GRANTS_H
#define HARNESS_CLUSTER_GRANTS_H

#include "harness/base/strbuf.h"
#include "harness/sql/sql.h"

/* Of a cluster in a role. */
enum grants_account {
	GRANTS_COMPARE, /* both sides of a `drtest diff` */
	GRANTS_PRIMARY, /* a rehearsal's primary, or a backup's source: read alone */
	GRANTS_SCRATCH, /* a rehearsal's scratch cluster, or whatever a redo log is replayed on */
	GRANTS_DRILL,   /* each cluster of a drill */
	GRANTS_SINK,    /* TiCDC's, on the cluster that it writes to */
	GRANTS_ACCOUNTS,
};
/* "SELECT, SHOW VIEW", in the words of that kind of server */
void grants_list(enum grants_account a, enum sql_flavor kind, struct strbuf *out);
/* "compare", "watch", "rehearse", "drill" */
bool grants_role_known(const char *role);
/* As statements with comments, appended: each account is made locked, since nobody but its owner
 * may know its password. role NULL: all; user NULL: drtest_ROLE; host: "%". */
void grants_text(const char *role, enum sql_flavor kind, const char *user, const char *host,
		 struct strbuf *out);

#endif

/* Point-in-time recovery as a MariaDB operator does it: a full backup, and the source's binary logs
 * up to just before what must not happen again; and one transaction taken back by the reverse of
 * its row events. By mariadb-binlog and mariadb, over the logs in the source's data directory: it
 * may be dead. */
#ifndef HARNESS_BINLOG_POINT_IN_TIME_H
#define HARNESS_BINLOG_POINT_IN_TIME_H

#include "harness/base/clock.h"
#include "harness/base/tso.h"
#include "harness/os/proc.h"
#include "harness/sql/tso_map.h"

struct pit_source {
	const char *name;     /* for words */
	const char *data_dir; /* with binlog.000001, … */
	unsigned server_id;
	struct tso_map *map;
};
struct pit_target {
	const char *client_conf; /* for mariadb --defaults-file: host, port, user, password */
	const char *tmp_path;    /* the events as SQL: made, and removed */
};
/* The source's binary logs, streamed into dir from its first one on, as they are written, by a
 * mariadb-binlog that ends when the source does. wait: until all that is there now has arrived. */
struct proc *pit_stream(const char *client_conf, const char *dir, const char *log_path,
			struct err *e);
int pit_stream_wait(struct proc *p, const struct sql_endpoint *source, const char *dir,
		    struct deadline d, struct err *e);
/* What the source committed in (from, *until] onto the target, which stands where a backup of the
 * source of `from` left it. ERR_BAD_DATA: the binary logs do not hold all of it; nothing was
 * written. *until 0: all that the logs have, and *until is then the last one's TSO. *transactions
 * may be NULL. */
int pit_roll_forward(const struct pit_target *to, const struct pit_source *source, tso_t from,
		     tso_t *until, struct deadline d, uint64_t *transactions, struct err *e);
/* The source's one transaction of `at`, reversed on the target, in one transaction: a row that was
 * written since refuses all of it (ERR_CONFLICT). ERR_UNSUPPORTED: it is a DDL. */
int pit_flashback(const struct pit_target *to, const struct pit_source *source, tso_t at,
		  struct deadline d, struct err *e);
/* mariadb-binlog, mariadb: 0 they are here; -1 and what is missing */
int pit_needs(struct strbuf *missing);

#endif

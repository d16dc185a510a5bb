/* Decides how to replay a DDL, from its kind and its position in the log. */
#ifndef HARNESS_REPLAY_DDL_JUDGE_H
#define HARNESS_REPLAY_DDL_JUDGE_H

#include <stdbool.h>

#include "harness/base/err.h"
#include "harness/base/strbuf.h"
#include "harness/redo/record.h"
#include "harness/sql/sql.h"

/* TiDB's action types (pingcap/tidb pkg/meta/model, ActionType) that are of interest here. */
enum {
	DDL_KIND_CREATE_SCHEMA = 1,
	DDL_KIND_DROP_SCHEMA = 2,
	DDL_KIND_CREATE_TABLE = 3,
	DDL_KIND_DROP_TABLE = 4,
	DDL_KIND_ADD_COLUMN = 5,
	DDL_KIND_DROP_COLUMN = 6,
	DDL_KIND_ADD_INDEX = 7,
	DDL_KIND_DROP_INDEX = 8,
	DDL_KIND_ADD_FOREIGN_KEY = 9,
	DDL_KIND_TRUNCATE_TABLE = 11,
	DDL_KIND_MODIFY_COLUMN = 12,
	DDL_KIND_RENAME_TABLE = 14,
	DDL_KIND_ADD_PARTITION = 19,
	DDL_KIND_CREATE_VIEW = 21,
	DDL_KIND_TRUNCATE_PARTITION = 23,
	DDL_KIND_DROP_VIEW = 24,
	DDL_KIND_RECOVER_TABLE = 25,
	DDL_KIND_ADD_PRIMARY_KEY = 32,
	DDL_KIND_DROP_PRIMARY_KEY = 33,
	DDL_KIND_EXCHANGE_PARTITION = 42,
	DDL_KIND_ADD_CHECK = 43,
	DDL_KIND_RENAME_TABLES = 47,
	DDL_KIND_CREATE_TABLES = 60,
	DDL_KIND_MULTI = 61,
	DDL_KIND_RECOVER_SCHEMA = 63,
	DDL_KIND_REORGANIZE_PARTITION = 64,
	DDL_KIND_ALTER_PARTITIONING = 71,
	DDL_KIND_REMOVE_PARTITIONING = 72,
};
/* Can it end otherwise when it is done twice, without an error that says so? (A RENAME back and
 * forth, an index without a name.) */
bool ddl_differs_twice(const struct redo_ddl *d);
/* Does it make tables or partitions with physical ids of their own? TiCDC's classic architecture
 * captures those only once the secondary has executed the DDL, and its resolvedTs can run past
 * their rows meanwhile: they are in no file. */
bool ddl_makes_tables(const struct redo_ddl *d);
/* Whose unique keys may be others after it? */
enum ddl_keys { DDL_KEYS_SAME, DDL_KEYS_OF_TABLE, DDL_KEYS_OF_ANY };
enum ddl_keys ddl_changes_keys(const struct redo_ddl *d);
/* A column that it adds or changes takes the current time as its default. */
bool ddl_fills_with_time(const struct redo_ddl *d);
/* Before the first write, of a DDL whose session nobody knows: TiDB's TIMESTAMP takes NULL. A
 * server whose explicit_defaults_for_timestamp is OFF makes it NOT NULL, and puts the time of the
 * replay where the log has NULL, without a word: ERR_UNSUPPORTED where this session could not
 * change it. */
int ddl_timestamps_stay(struct sql *s, const struct redo_ddl *d, struct err *e);
/* Of a log without checksums: does the statement begin as its kind does, and name its table? -1:
 * ERR_BAD_DATA, one of the two was altered. */
int ddl_fits_kind(const struct redo_ddl *d, struct err *e);
/* One line that says so, of a DDL that stands before the log's resolvedTs. */
void ddl_hole_text(const struct redo_ddl *d, struct strbuf *out);
/* "DDL at commitTs 5 WHAT: ALTER TABLE ..." for people, cut. */
void ddl_text(const struct redo_ddl *d, const char *what, struct strbuf *out);

#endif

/* What a DDL does, by its words: TiDB's action type and the table it is about. Comments are left
 * out, executable ones read. */
#ifndef HARNESS_BINLOG_DDL_WORDS_H
#define HARNESS_BINLOG_DDL_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/sql/ddl_session.h"
#include "harness/sql/lex.h"

/* TiDB's action types (pingcap/tidb pkg/meta/model, ActionType), those that a MariaDB statement can
 * mean. */
enum ddl_type {
	DDL_NONE = 0, /* no change of a user's database, table or view */
	DDL_CREATE_SCHEMA = 1,
	DDL_DROP_SCHEMA = 2,
	DDL_CREATE_TABLE = 3,
	DDL_DROP_TABLE = 4,
	DDL_ADD_COLUMN = 5,
	DDL_DROP_COLUMN = 6,
	DDL_ADD_INDEX = 7,
	DDL_DROP_INDEX = 8,
	DDL_ADD_FOREIGN_KEY = 9,
	DDL_DROP_FOREIGN_KEY = 10,
	DDL_TRUNCATE_TABLE = 11,
	DDL_MODIFY_COLUMN = 12,
	DDL_REBASE_AUTO_ID = 13,
	DDL_RENAME_TABLE = 14,
	DDL_SET_DEFAULT = 15,
	DDL_TABLE_COMMENT = 17,
	DDL_RENAME_INDEX = 18,
	DDL_ADD_PARTITION = 19,
	DDL_DROP_PARTITION = 20,
	DDL_CREATE_VIEW = 21,
	DDL_TABLE_CHARSET = 22,
	DDL_TRUNCATE_PARTITION = 23,
	DDL_DROP_VIEW = 24,
	DDL_SCHEMA_CHARSET = 26,
	DDL_ADD_PRIMARY_KEY = 32,
	DDL_DROP_PRIMARY_KEY = 33,
	DDL_CREATE_SEQUENCE = 34,
	DDL_ALTER_SEQUENCE = 35,
	DDL_DROP_SEQUENCE = 36,
	DDL_INDEX_VISIBILITY = 41,
	DDL_EXCHANGE_PARTITION = 42,
	DDL_ADD_CHECK = 43,
	DDL_DROP_CHECK = 44,
	DDL_RENAME_TABLES = 47,
	DDL_MULTI = 61,
	DDL_REORGANIZE_PARTITION = 64,
	DDL_ALTER_PARTITIONING = 71,
	DDL_REMOVE_PARTITIONING = 72,
};
enum { DDL_NAME_MAX = LEX_NAME_MAX };

struct ddl_words {
	uint32_t type;
	/* after the DDL; table "" for a database; both "" when type is 0 */
	char db[DDL_NAME_MAX + 1], table[DDL_NAME_MAX + 1];
	char first[16]; /* the statement's first word in capitals, cut */
	/* the whole statement: BEGIN or START, COMMIT, ROLLBACK */
	bool is_commit, is_rollback;
	bool is_savepoint, is_rollback_to; /* SAVEPOINT x, ROLLBACK TO x: `savepoint` is its name */
	char savepoint[DDL_NAME_MAX + 1];
	/* INSERT, UPDATE, DELETE, REPLACE, LOAD, CALL, DO, WITH: a change logged as a statement */
	bool is_dml;
	bool is_xa;
	bool or_replace; /* CREATE OR REPLACE */
	/* a foreign key that changes child rows by itself: CASCADE, SET NULL, SET DEFAULT */
	bool fk_action;
	char engine[32]; /* that ENGINE = names; "" none */
	/* an ALTER TABLE's table before it; else "" */
	char was_db[DDL_NAME_MAX + 1], was_table[DDL_NAME_MAX + 1];
	bool tablespace; /* DISCARD or IMPORT TABLESPACE */
	/* a table gets them: [ADD|WITH] SYSTEM VERSIONING, a key WITHOUT OVERLAPS */
	bool versioned, overlaps;
	/* what rows get, or which of them stay, follows the order in which they lie: ADD ..
	 * AUTO_INCREMENT, ALTER IGNORE .. UNIQUE */
	bool by_place;
	/* SET STATEMENT sql_mode = .. FOR it, and its meaning hangs on the sql_mode that the
	 * session had: the statement was read in that */
	bool read_otherwise;
	/* an ALTER that gives old rows a value which is another one each time: the function that
	 * does it */
	char not_twice[32];
};
/* outside of names, texts and comments; in any case */
bool ddl_has_word(const char *query, const char *word);
/* sql_mode: MariaDB's bits, of the session that sent it. */
void ddl_words(const char *default_db, const char *query, size_t n, uint64_t sql_mode,
	       struct ddl_words *out);

#endif

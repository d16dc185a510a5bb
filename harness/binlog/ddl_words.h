/* What a statement of the binary log does, found from its text: TiDB's action type, the table, and
 * properties that decide whether a changefeed can carry it. Comments are skipped, but executable
 * ones are read. Nothing here fails: a statement that is not understood has type DDL_NONE. */
#ifndef HARNESS_BINLOG_DDL_WORDS_H
#define HARNESS_BINLOG_DDL_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/sql/ddl/ddl_session.h"
#include "harness/sql/ddl/lex.h"

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
	/* the name after the DDL; table "": a database; both "": type is DDL_NONE */
	char db[DDL_NAME_MAX + 1], table[DDL_NAME_MAX + 1];
	char first[16]; /* the statement's first word in capitals, at most 15 characters */
	/* the statement is COMMIT; ROLLBACK */
	bool is_commit, is_rollback;
	bool is_savepoint, is_rollback_to; /* SAVEPOINT x; ROLLBACK TO x */
	char savepoint[DDL_NAME_MAX + 1];
	/* INSERT, UPDATE, DELETE, REPLACE, LOAD, CALL, DO, WITH: rows changed by a statement */
	bool is_dml;
	bool is_xa;
	bool or_replace; /* CREATE OR REPLACE */
	/* a foreign key that changes child rows by itself: CASCADE, SET NULL, SET DEFAULT */
	bool fk_action;
	char engine[32]; /* from ENGINE = …; "": none */
	/* ALTER TABLE: the table's name before it; else "" */
	char was_db[DDL_NAME_MAX + 1], was_table[DDL_NAME_MAX + 1];
	bool tablespace; /* DISCARD or IMPORT TABLESPACE */
	/* the table gets SYSTEM VERSIONING; a key WITHOUT OVERLAPS */
	bool versioned, overlaps;
	/* its effect depends on the physical order of the rows: ADD … AUTO_INCREMENT, ALTER IGNORE
	 * … UNIQUE */
	bool by_place;
	/* SET STATEMENT sql_mode = … FOR it, whose meaning depends on the sql_mode: it was read
	 * with the session's */
	bool read_otherwise;
	/* an ALTER that gives existing rows a value that differs at each execution: the function it
	 * uses; "": none */
	char not_twice[32];
};
/* Is the word in the statement, outside of names, strings and comments? Ignores case. */
bool ddl_has_word(const char *query, const char *word);
/* sql_mode: of the session that executed it, as MariaDB's bits. */
void ddl_words(const char *default_db, const char *query, size_t n, uint64_t sql_mode,
	       struct ddl_words *out);

#endif

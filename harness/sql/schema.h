/* Table structure, read from information_schema: what the redo log, the binary log decoder, the
 * backup and the compare all need. */
#ifndef HARNESS_SQL_SCHEMA_H
#define HARNESS_SQL_SCHEMA_H

#include <stdbool.h>
#include <stdint.h>

#include "harness/sql/sql.h"

/* MySQL type codes as TiDB spells them (redo-log spec, section 4.3). */
enum column_type {
	COL_TINY = 1,
	COL_SHORT = 2,
	COL_LONG = 3,
	COL_FLOAT = 4,
	COL_DOUBLE = 5,
	COL_TIMESTAMP = 7,
	COL_LONGLONG = 8,
	COL_INT24 = 9,
	COL_DATE = 10,
	COL_TIME = 11,
	COL_DATETIME = 12,
	COL_YEAR = 13,
	COL_VARCHAR = 15,
	COL_BIT = 16,
	COL_JSON = 245,
	COL_DECIMAL = 246,
	COL_ENUM = 247,
	COL_SET = 248,
	COL_TINYBLOB = 249,
	COL_MEDIUMBLOB = 250,
	COL_LONGBLOB = 251,
	COL_BLOB = 252,
	COL_VARSTRING = 253,
	COL_STRING = 254,
	COL_UNKNOWN = 0, /* a type that cannot be carried: sql_type names it */
};

/* Column flags of the redo log (redo-log spec, section 4.4). */
enum column_flag {
	COLF_BINARY = 1,
	COLF_HANDLE_KEY = 2,
	COLF_GENERATED = 4,
	COLF_PRIMARY_KEY = 8,
	COLF_UNIQUE_KEY = 16,
	COLF_MULTIPLE_KEY = 32,
	COLF_NULLABLE = 64,
	COLF_UNSIGNED = 128,
};

struct column {
	char *name;
	char *sql_type; /* "decimal(20,10) unsigned", as the server spells it */
	enum column_type type;
	uint32_t flags;
	char *charset, *collation; /* "binary" for what is no text; collation "binary" then too */
	unsigned length;           /* characters (text) or bytes (binary) declared; bits for BIT */
	unsigned decimals; /* scale of DECIMAL, fraction digits of TIME, DATETIME, TIMESTAMP */
	bool is_virtual;   /* virtual generated: in no log */
	char *expression;  /* of a generated column, as the server spells it; NULL: it is none */
	/* Set by whoever compares, where the other side computes it otherwise, or may: a virtual
	 * column's values count too. */
	bool virtual_counts;
	/* Set by whoever compares, where the other side has other members: an ENUM or SET counts
	 * by the names of its members, not by their numbers. */
	bool by_members;
	/* TiDB on the other side keeps latin1 as UTF-8: the value counts as its UTF-8. Whoever
	 * compares says so; schema_load() does not */
	bool as_utf8;
	/* ROW START or ROW END of a system-versioned table: when this server wrote the row */
	bool is_row_time;
	unsigned ordinal; /* from 1 */
	bool auto_increment;
	char **members; /* ENUM and SET */
	size_t n_members;
};
struct index_key {
	char *name;
	bool primary;
	bool not_null; /* all its columns are NOT NULL */
	int *columns;  /* positions in table_schema.columns */
	size_t n_columns;
	bool prefix; /* has a prefix part: finds no row by equality */
};
struct table_schema {
	char *db, *table;
	struct column *columns; /* ordinal order, virtual ones included */
	size_t n_columns;
	struct index_key *uniques; /* primary key first, then by creation order */
	size_t n_uniques;
	/* index in uniques of the handle key: the primary key, else the shortest, then oldest,
	 * unique NOT NULL one; -1: none */
	int handle;
	char *create_sql; /* SHOW CREATE TABLE */
	/* what its rows are read from, as it stands behind FROM; NULL: db.table */
	char *rows_of;
	char *condition; /* SQL that its rows must meet to count; NULL: none */
	/* checksum.h may sum with CRC32C(): whoever compares says so of both sides;
	 * schema_load() does not */
	bool crc32c;
	/* the two servers write DOUBLEs differently (1e15 is 1000000000000000 on TiDB): checksum.h
	 * sums them in a form that they write alike */
	bool portable_doubles;
	/* they write one JSON value as different texts: whoever compares reads it itself, where the
	 * sums differ */
	bool json_by_value;
	bool without_json; /* checksum.h leaves JSON out */
	/* one of the two servers has no MD5() (MySQL 9): checksum.h sums long values by SHA2() */
	bool no_md5;
};
/* ZEROFILL: MySQL and MariaDB fill the number's text up with zeros, TiDB does not. */
bool column_is_zerofill(const struct column *c);
/* Did the server say that it has the table and cannot open it? A MERGE table over one that is gone,
 * a damaged or discarded file, an engine that is not loaded. */
bool schema_cannot_open(const struct err *e);
/* ERR_NOT_FOUND if absent */
int schema_load(struct sql *s, const char *db, const char *table, struct table_schema *out,
		struct err *e);
void schema_release(struct table_schema *t);
/* Databases that are the server's, its tools' or drtest's own, and never the user's: not backed up,
 * replicated or compared. X(name) each. */
/* what drtest keeps on a secondary: its name is in secondaries that exist */
#define BOOKKEEPING_DB "drtest_feed"
#define BOOKKEEPING_DB_QUOTED "`" BOOKKEEPING_DB "`"
#define SYSTEM_SCHEMAS(X)       \
	X("mysql")              \
	X("information_schema") \
	X("performance_schema") \
	X("sys") X("metrics_schema") X("inspection_schema") X("lightning_task_info") X("tidb_cdc")
#define SYSTEM_SCHEMA_IN_SQL(name) "'" name "', "
/* A condition on information_schema.EVENTS: with event_scheduler=DISABLED it is an error (1577). */
#define EVENTS_SHOWN_SQL "@@event_scheduler <> 'DISABLED'"
/* LOWER(TABLE_SCHEMA) NOT IN .. */
#define SYSTEM_SCHEMAS_SQL "(" SYSTEM_SCHEMAS(SYSTEM_SCHEMA_IN_SQL) "'" BOOKKEEPING_DB "')"
bool schema_is_system(const char *db);
int bookkeeping_make(struct sql *s, struct err *e); /* the database, where it is absent */
/* what stands behind FROM */
void schema_add_from(struct strbuf *out, const struct table_schema *t);

enum table_kind { TABLE_BASE, TABLE_VERSIONED, TABLE_SEQUENCE, TABLE_VIEW };
struct table_name {
	char *db, *table;
	enum table_kind kind;
};
/* The structure of n tables of one database, which stand in order of their names: two statements
 * for all of them and one for each, so that many tables cost no more than their number. out: n, the
 * caller's to release each; all are zeroed when it fails. */
int schema_load_tables(struct sql *s, const struct table_name *t, size_t n,
		       struct table_schema *out, struct err *e);
/* The tables, sequences and views of the user's databases (no system schemas), sorted. out: the
 * caller's, for schema_tables_free(). */
int schema_names(struct sql *s, struct table_name **out, size_t *n, struct err *e);
void schema_tables_free(struct table_name *t, size_t n);

#endif

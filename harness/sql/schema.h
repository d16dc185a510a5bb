/* The structure of tables, from information_schema: for the redo log, the binary log's decoder, the
 * backup and the comparison. A structure is owned by who loaded it. */
#ifndef HARNESS_SQL_SCHEMA_H
#define HARNESS_SQL_SCHEMA_H

#include <stdbool.h>
#include <stdint.h>

#include "harness/sql/sql.h"

/* MySQL's type codes, as TiCDC writes them into the redo log. */
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
	COL_UNKNOWN = 0, /* a type that cannot be replicated; sql_type has its name */
};

/* TiCDC's column flags. */
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
	char *charset, *collation; /* both "binary" if it is not text */
	unsigned length;           /* declared: characters of text, bytes of binary, bits of BIT */
	unsigned decimals; /* scale of DECIMAL, fraction digits of TIME, DATETIME, TIMESTAMP */
	bool is_virtual;   /* generated, not stored, and in no log */
	char *expression;  /* of a generated column, as the server spells it; else NULL */
	/* ROW START or ROW END of a system-versioned table: when this server wrote the row */
	bool is_row_time;
	/* A comparison sets these; schema_load() leaves them false. */
	bool virtual_counts; /* its values are compared although it is virtual */
	bool by_members;     /* ENUM and SET: compared by the members' names, not numbers */
	bool as_utf8;        /* compared as UTF-8: TiDB stores latin1 so */
	bool is_number;      /* a SET whose numbers stand in its place, in a UNION's column */
	unsigned ordinal;    /* from 1 */
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
	bool prefix; /* it indexes the prefix of a column: no lookup by equality */
};
struct table_schema {
	char *db, *table;
	struct column *columns; /* ordinal order, virtual ones included */
	size_t n_columns;
	struct index_key *uniques; /* primary key first, then in order of creation */
	size_t n_uniques;
	/* the handle key's index in uniques: the primary key, else the shortest unique key that is
	 * NOT NULL, the older of equal ones; -1: none */
	int handle;
	char *create_sql; /* SHOW CREATE TABLE */
	/* A comparison sets these; schema_load() leaves them empty. */
	char *rows_of;         /* what stands behind FROM; NULL: db.table */
	char *condition;       /* only rows that meet this SQL are compared; NULL: all */
	bool crc32c;           /* both servers have CRC32C() */
	bool portable_doubles; /* the servers print DOUBLEs differently: 1e15 or 1000000000000000 */
	/* the servers print equal JSON values differently: where the sums differ, the comparison
	 * reads the values itself */
	bool json_by_value;
	bool texts_move;   /* the other server may order the texts of the key differently */
	bool without_json; /* checksum.h leaves JSON out */
	bool no_md5;       /* a server has no MD5() (MySQL 9): SHA2() instead */
};
/* What stands behind the list of columns in SHOW CREATE TABLE's text: ") ENGINE=..". No name,
 * comment or default is taken for it. NULL: nothing does. */
const char *schema_options(const char *create_sql);
/* Do the two words stand in it, one behind the other? */
bool schema_says(const char *create_sql, const char *word, const char *next);
/* ZEROFILL: MySQL and MariaDB pad the number's text with zeros, TiDB does not. */
bool column_is_zerofill(const struct column *c);
/* TiDB sends it as UTF-8, unless its bytes are asked for. */
bool column_is_gbk(const struct column *c);
bool column_is_vector(const struct column *c); /* TiDB's and MariaDB's VECTOR */
/* Is it the error of a table that exists and cannot be opened? A MERGE table over a missing one, a
 * damaged or discarded file, an engine that is not loaded. */
bool schema_cannot_open(const struct err *e);
/* ERR_NOT_FOUND if absent */
int schema_load(struct sql *s, const char *db, const char *table, struct table_schema *out,
		struct err *e);
void schema_release(struct table_schema *t);

/* drtest's own database on a secondary. Secondaries that exist have it under this name. */
#define BOOKKEEPING_DB "drtest_feed"
#define BOOKKEEPING_DB_QUOTED "`" BOOKKEEPING_DB "`"
/* Databases of the server, its tools and drtest: never backed up, replicated or compared. X(name)
 * for each. */
#define SYSTEM_SCHEMAS(X)       \
	X("mysql")              \
	X("information_schema") \
	X("performance_schema") \
	X("sys") X("metrics_schema") X("inspection_schema") X("lightning_task_info") X("tidb_cdc")
#define SYSTEM_SCHEMA_IN_SQL(name) "'" name "', "
/* the list in: LOWER(TABLE_SCHEMA) NOT IN … */
#define SYSTEM_SCHEMAS_SQL "(" SYSTEM_SCHEMAS(SYSTEM_SCHEMA_IN_SQL) "'" BOOKKEEPING_DB "')"
/* The first condition of each query of information_schema.EVENTS: without it the query fails (1577)
 * where event_scheduler=DISABLED. */
#define EVENTS_SHOWN_SQL "@@event_scheduler <> 'DISABLED'"
bool schema_is_system(const char *db);
/* Can a load have it? A system schema is never replicated: all of its rows would be lost. ERR_USAGE
 */
int schema_may_be_loaded(const char *db, struct err *e);
int bookkeeping_make(struct sql *s, struct err *e); /* makes the database if it does not exist */
/* appends what stands behind FROM */
void schema_add_from(struct strbuf *out, const struct table_schema *t);

enum table_kind { TABLE_BASE, TABLE_VERSIONED, TABLE_SEQUENCE, TABLE_VIEW };
struct table_name {
	char *db, *table;
	enum table_kind kind;
};
/* The structure of n tables of one database, sorted by name: two statements for all of them and one
 * for each table. out: n structures, for the caller to release; all are zeroed when it fails. */
int schema_load_tables(struct sql *s, const struct table_name *t, size_t n,
		       struct table_schema *out, struct err *e);
/* The tables, sequences and views of the user's databases (no system schemas), sorted. out: the
 * caller's, for schema_tables_free(). */
int schema_names(struct sql *s, struct table_name **out, size_t *n, struct err *e);
void schema_tables_free(struct table_name *t, size_t n);

#endif

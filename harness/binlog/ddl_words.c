#include "harness/binlog/ddl_words.h"

#include <string.h>

#include "harness/sql/ddl/lex.h"
#include "harness/sql/schema.h"

static void next_token(struct lex *x) /* short, for the grammar below */
{
	lex_next(x);
}

static bool word_is(const struct lex *x, const char *word)
{
	return lex_is(x, word);
}

static bool is_one(const struct lex *x, const char *const *words)
{
	for (; *words; words++)
		if (word_is(x, *words))
			return true;
	return false;
}

static bool take_word(struct lex *x, const char *word)
{
	if (!word_is(x, word))
		return false;
	next_token(x);
	return true;
}

static bool took_punct(struct lex *x, char c)
{
	if (x->kind != T_PUNCT || x->punct != c)
		return false;
	next_token(x);
	return true;
}

static void skip_exists(struct lex *x) /* IF [NOT] EXISTS */
{
	if (take_word(x, "IF")) {
		take_word(x, "NOT");
		take_word(x, "EXISTS");
	}
}

static void skip_wait(struct lex *x) /* WAIT n, NOWAIT */
{
	if (take_word(x, "WAIT"))
		next_token(x);
	else
		take_word(x, "NOWAIT");
}

static void take_table(struct lex *x, const char *default_db, struct ddl_words *out)
{
	memcpy(out->table, x->text, sizeof(out->table));
	strncpy(out->db, default_db, DDL_NAME_MAX);
	out->db[DDL_NAME_MAX] = 0;
	next_token(x);
	if (took_punct(x, '.')) {
		memcpy(out->db, out->table, sizeof(out->db));
		memcpy(out->table, x->text, sizeof(out->table));
		next_token(x);
	}
}

static void take_db(struct lex *x, struct ddl_words *out)
{
	memcpy(out->db, x->text, sizeof(out->db));
	out->table[0] = 0;
	next_token(x);
}

/* To the comma that ends this part of an ALTER, over parentheses; tells whether there is another.
 */
static bool next_part(struct lex *x)
{
	for (int depth = 0; x->kind != T_END; next_token(x)) {
		if (x->kind != T_PUNCT)
			continue;
		depth += x->punct == '(';
		depth -= x->punct == ')';
		if (x->punct == ',' && depth <= 0) {
			next_token(x);
			return true;
		}
	}
	return false;
}

static uint32_t add_part(struct lex *x)
{
	static const char *const index[] = {
		"INDEX", "KEY", "UNIQUE", "FULLTEXT", "SPATIAL", NULL
	};
	static const char *const kinds[] = { "PRIMARY", "UNIQUE", "FOREIGN", "CHECK", NULL };

	next_token(x);
	if (take_word(x, "COLUMN"))
		return DDL_ADD_COLUMN;
	if (take_word(x, "CONSTRAINT")) {
		skip_exists(x);
		if (!is_one(x, kinds))
			next_token(x); /* its name */
	}
	if (is_one(x, index))
		return DDL_ADD_INDEX;
	if (word_is(x, "PRIMARY"))
		return DDL_ADD_PRIMARY_KEY;
	if (word_is(x, "FOREIGN"))
		return DDL_ADD_FOREIGN_KEY;
	if (word_is(x, "CHECK"))
		return DDL_ADD_CHECK;
	if (word_is(x, "PARTITION"))
		return DDL_ADD_PARTITION;
	if (word_is(x, "PERIOD") || word_is(x, "SYSTEM"))
		return DDL_TABLE_COMMENT;
	return DDL_ADD_COLUMN;
}

/* ADD of a column that is counted: not the table's option AUTO_INCREMENT = n. */
static bool numbers_rows(struct lex x)
{
	for (int depth = 0; x.kind != T_END; next_token(&x)) {
		if (word_is(&x, "AUTO_INCREMENT"))
			return true;
		depth += x.kind == T_PUNCT && x.punct == '(';
		depth -= x.kind == T_PUNCT && x.punct == ')';
		if (x.kind == T_PUNCT && x.punct == ',' && depth <= 0)
			return false;
	}
	return false;
}

static uint32_t drop_part(struct lex *x)
{
	next_token(x);
	if (word_is(x, "INDEX") || word_is(x, "KEY"))
		return DDL_DROP_INDEX;
	if (word_is(x, "PRIMARY"))
		return DDL_DROP_PRIMARY_KEY;
	if (word_is(x, "FOREIGN"))
		return DDL_DROP_FOREIGN_KEY;
	if (word_is(x, "CONSTRAINT"))
		return DDL_DROP_CHECK;
	if (word_is(x, "PARTITION"))
		return DDL_DROP_PARTITION;
	if (word_is(x, "PERIOD") || word_is(x, "SYSTEM"))
		return DDL_TABLE_COMMENT;
	return DDL_DROP_COLUMN;
}

static uint32_t rename_part(struct lex *x, struct ddl_words *out)
{
	char db[DDL_NAME_MAX + 1];

	next_token(x);
	if (word_is(x, "COLUMN"))
		return DDL_MODIFY_COLUMN;
	if (word_is(x, "INDEX") || word_is(x, "KEY"))
		return DDL_RENAME_INDEX;
	if (!take_word(x, "TO") && !take_word(x, "AS"))
		took_punct(x, '=');
	memcpy(db, out->db, sizeof(db));
	take_table(x, db, out);
	return DDL_RENAME_TABLE;
}

/* One part of an ALTER TABLE; 0: none by itself (ALGORITHM, LOCK, FORCE), or one that changes no
 * structure. */
static uint32_t alter_part(struct lex *x, struct ddl_words *out)
{
	static const char *const nothing[] = { "ALGORITHM", "LOCK",    "FORCE",  "ANALYZE", "CHECK",
					       "OPTIMIZE",  "REBUILD", "REPAIR", NULL };
	static const char *const charset[] = { "CHARACTER", "CHARSET", "COLLATE", NULL };

	if (x->kind == T_END || is_one(x, nothing))
		return 0;
	out->tablespace = out->tablespace || word_is(x, "DISCARD") || word_is(x, "IMPORT");
	if (word_is(x, "ADD")) {
		out->by_place = out->by_place || numbers_rows(*x);
		return add_part(x);
	}
	if (take_word(x, "CONVERT"))
		return word_is(x, "PARTITION") || word_is(x, "TABLE") ? DDL_ALTER_PARTITIONING
								      : DDL_TABLE_CHARSET;
	if (word_is(x, "DROP"))
		return drop_part(x);
	if (word_is(x, "RENAME"))
		return rename_part(x, out);
	if (word_is(x, "MODIFY") || word_is(x, "CHANGE"))
		return DDL_MODIFY_COLUMN;
	if (take_word(x, "ALTER"))
		return word_is(x, "INDEX") || word_is(x, "KEY") ? DDL_INDEX_VISIBILITY
								: DDL_SET_DEFAULT;
	if (word_is(x, "AUTO_INCREMENT"))
		return DDL_REBASE_AUTO_ID;
	take_word(x, "DEFAULT");
	if (is_one(x, charset))
		return DDL_TABLE_CHARSET;
	if (word_is(x, "TRUNCATE"))
		return DDL_TRUNCATE_PARTITION;
	if (word_is(x, "EXCHANGE"))
		return DDL_EXCHANGE_PARTITION;
	if (word_is(x, "REORGANIZE") || word_is(x, "COALESCE"))
		return DDL_REORGANIZE_PARTITION;
	if (word_is(x, "PARTITION"))
		return DDL_ALTER_PARTITIONING;
	if (word_is(x, "REMOVE"))
		return DDL_REMOVE_PARTITIONING;
	return DDL_TABLE_COMMENT; /* ENGINE, ROW_FORMAT, COMMENT ..: an option of the table */
}

static void alter_table(struct lex *x, const char *default_db, struct ddl_words *out)
{
	unsigned parts = 0;

	skip_exists(x);
	take_table(x, default_db, out);
	memcpy(out->was_db, out->db, sizeof(out->was_db));
	memcpy(out->was_table, out->table, sizeof(out->was_table));
	skip_wait(x);
	out->type = DDL_TABLE_COMMENT;
	do {
		uint32_t type = alter_part(x, out);

		if (type)
			out->type = parts++ ? DDL_MULTI : type;
	} while (next_part(x));
}

static void create(struct lex *x, const char *default_db, struct ddl_words *out)
{
	static const char *const kinds[] = { "TABLE",  "VIEW",     "DATABASE",  "SCHEMA",
					     "INDEX",  "TRIGGER",  "PROCEDURE", "FUNCTION",
					     "EVENT",  "PACKAGE",  "USER",      "ROLE",
					     "SERVER", "SEQUENCE", "TEMPORARY", NULL };

	for (int i = 0; i < 40 && x->kind != T_END && !is_one(x, kinds); i++) {
		out->or_replace = out->or_replace || (i == 1 && word_is(x, "REPLACE"));
		next_token(
			x); /* OR REPLACE, UNIQUE, ALGORITHM = .., DEFINER = .., SQL SECURITY .. */
	}
	if (take_word(x, "TABLE")) {
		skip_exists(x);
		take_table(x, default_db, out);
		out->type = DDL_CREATE_TABLE;
	} else if (take_word(x, "VIEW")) {
		skip_exists(x);
		take_table(x, default_db, out);
		out->type = DDL_CREATE_VIEW;
	} else if (take_word(x, "DATABASE") || take_word(x, "SCHEMA")) {
		skip_exists(x);
		take_db(x, out);
		out->type = DDL_CREATE_SCHEMA;
	} else if (take_word(x, "SEQUENCE")) {
		skip_exists(x);
		take_table(x, default_db, out);
		out->type = DDL_CREATE_SEQUENCE;
	} else if (word_is(x, "INDEX")) {
		while (x->kind != T_END && !word_is(x, "ON"))
			next_token(x);
		next_token(x);
		take_table(x, default_db, out);
		out->type = DDL_ADD_INDEX;
	}
}

static void drop(struct lex *x, const char *default_db, struct ddl_words *out)
{
	if (take_word(x, "TABLE") || take_word(x, "TABLES")) {
		skip_exists(x);
		take_table(x, default_db, out);
		out->type = DDL_DROP_TABLE;
	} else if (take_word(x, "VIEW")) {
		skip_exists(x);
		take_table(x, default_db, out);
		out->type = DDL_DROP_VIEW;
	} else if (take_word(x, "DATABASE") || take_word(x, "SCHEMA")) {
		skip_exists(x);
		take_db(x, out);
		out->type = DDL_DROP_SCHEMA;
	} else if (take_word(x, "SEQUENCE")) {
		skip_exists(x);
		take_table(x, default_db, out);
		out->type = DDL_DROP_SEQUENCE;
	} else if (take_word(x, "INDEX")) {
		while (x->kind != T_END && !word_is(x, "ON"))
			next_token(x);
		next_token(x);
		take_table(x, default_db, out);
		out->type = DDL_DROP_INDEX;
	}
}

static void rename_tables(struct lex *x, const char *default_db, struct ddl_words *out)
{
	if (!take_word(x, "TABLE") && !take_word(x, "TABLES"))
		return;
	skip_exists(x);
	out->type = DDL_RENAME_TABLE;
	take_table(x, default_db, out);
	skip_wait(x);
	take_word(x, "TO");
	take_table(x, default_db, out);
	if (x->kind == T_PUNCT && x->punct == ',')
		out->type = DDL_RENAME_TABLES;
}

static void read_alter(struct lex *x, const char *default_db, struct ddl_words *out)
{
	static const char *const kinds[] = { "TABLE",  "VIEW",     "DATABASE",  "SCHEMA",
					     "USER",   "EVENT",    "PROCEDURE", "FUNCTION",
					     "SERVER", "SEQUENCE", "ROLE",      NULL };

	bool ignore = false;

	for (int i = 0; i < 40 && x->kind != T_END && !is_one(x, kinds); i++) {
		ignore = ignore || word_is(x, "IGNORE");
		next_token(x);
	}
	if (take_word(x, "TABLE")) {
		struct lex all = *x;

		alter_table(x, default_db, out);
		for (; ignore && all.kind != T_END; next_token(&all))
			out->by_place = out->by_place || word_is(&all, "UNIQUE") ||
					word_is(&all, "PRIMARY");
	} else if (take_word(x, "VIEW")) {
		take_table(x, default_db, out);
		out->type = DDL_CREATE_VIEW;
	} else if (take_word(x, "SEQUENCE")) {
		skip_exists(x);
		take_table(x, default_db, out);
		out->type = DDL_ALTER_SEQUENCE;
	} else if (take_word(x, "DATABASE") || take_word(x, "SCHEMA")) {
		static const char *const options[] = { "DEFAULT", "CHARACTER", "CHARSET",
						       "COLLATE", "COMMENT",   NULL };

		if (is_one(x, options)) { /* no name: the current one */
			strncpy(out->db, default_db, DDL_NAME_MAX);
			out->db[DDL_NAME_MAX] = 0;
		} else {
			take_db(x, out);
		}
		out->type = DDL_SCHEMA_CHARSET;
	}
}

/* ON DELETE or ON UPDATE with CASCADE or SET NULL or SET DEFAULT, outside of strings and comments.
 */
static bool has_fk_action(struct lex x)
{
	for (next_token(&x); x.kind != T_END;) {
		if (!take_word(&x, "ON") ||
		    (!take_word(&x, "DELETE") && !take_word(&x, "UPDATE"))) {
			if (!word_is(&x, "ON"))
				next_token(&x);
			continue;
		}
		if (word_is(&x, "CASCADE"))
			return true;
		if (take_word(&x, "SET") && (word_is(&x, "NULL") || word_is(&x, "DEFAULT")))
			return true;
	}
	return false;
}

static void find_history(struct lex x, struct ddl_words *out)
{
	for (next_token(&x); x.kind != T_END;) {
		if (take_word(&x, "WITH") || take_word(&x, "ADD"))
			out->versioned = out->versioned ||
					 (take_word(&x, "SYSTEM") && word_is(&x, "VERSIONING"));
		else if (take_word(&x, "WITHOUT"))
			out->overlaps = out->overlaps || word_is(&x, "OVERLAPS");
		else
			next_token(&x);
	}
}

static void find_engine(struct lex x, struct ddl_words *out)
{
	for (next_token(&x); x.kind != T_END && !out->engine[0];) {
		if (!take_word(&x, "ENGINE")) {
			next_token(&x);
			continue;
		}
		took_punct(&x, '=');
		memcpy(out->engine, x.text, sizeof(out->engine) - 1);
	}
}

/* A function in the DEFAULT of a column that an ALTER adds, or in the expression of one that it
 * adds or changes: rows that are there get its value, and S its own. (A DEFAULT that is set or
 * changed is for rows to come.) What follows the statement's timestamp and time zone is the same
 * everywhere and not meant. */
static void find_not_twice(struct lex x, struct ddl_words *out)
{
	static const char *const called[] = { "RAND",
					      "UUID",
					      "UUID_SHORT",
					      "UUID_V4",
					      "UUID_V7",
					      "SYS_GUID",
					      "RANDOM_BYTES",
					      "CONNECTION_ID",
					      "USER",
					      "SESSION_USER",
					      "SYSTEM_USER",
					      "CURRENT_USER",
					      "CURRENT_ROLE",
					      "LAST_INSERT_ID",
					      "VERSION",
					      "SYSDATE",
					      "NEXTVAL",
					      "LASTVAL",
					      "SETVAL",
					      "ROW_COUNT",
					      "FOUND_ROWS",
					      "SLEEP",
					      "GET_LOCK",
					      "RELEASE_LOCK",
					      "IS_USED_LOCK",
					      "IS_FREE_LOCK",
					      "BENCHMARK",
					      "LOAD_FILE",
					      "BINLOG_GTID_POS",
					      "MASTER_GTID_WAIT",
					      NULL };
	static const char *const bare[] = { "CURRENT_USER", "CURRENT_ROLE", NULL };
	bool value = false, sequence = false, adds = false;
	int depth = 0;

	for (next_token(&x); x.kind != T_END; next_token(&x)) {
		struct lex ahead = x;

		depth += x.kind == T_PUNCT && x.punct == '(';
		depth -= x.kind == T_PUNCT && x.punct == ')';
		if (x.kind == T_PUNCT && x.punct == ',' && depth <= 0)
			value = adds = false;
		adds = adds || (depth <= 0 && word_is(&x, "ADD"));
		value = value || (adds && word_is(&x, "DEFAULT")) || word_is(&x, "AS");
		sequence = word_is(&x, "NEXT") || word_is(&x, "PREVIOUS") ||
			   (sequence && word_is(&x, "VALUE"));
		if (!value)
			continue;
		next_token(&ahead);
		if ((is_one(&x, called) && ahead.kind == T_PUNCT && ahead.punct == '(') ||
		    is_one(&x, bare) ||
		    (sequence && word_is(&x, "VALUE") && word_is(&ahead, "FOR")) ||
		    (x.kind == T_PUNCT && x.punct == '@')) {
			for (size_t i = 0; i + 1 < sizeof(out->not_twice) && x.text[i]; i++)
				out->not_twice[i] = x.text[i] >= 'a' && x.text[i] <= 'z'
							    ? (char)(x.text[i] - 32)
							    : x.text[i];
			if (!x.text[0])
				out->not_twice[0] = x.punct;
			return;
		}
	}
}

/* What one sql_mode reads otherwise than another. */
static bool depends_on_mode(const struct lex *at)
{
	struct lex x = *at;
	const char *from = at->p;

	if (strpbrk(from, "\"|\\["))
		return true;
	for (; x.kind != T_END; next_token(&x))
		if (word_is(&x, "REAL"))
			return true;
	return false;
}

bool ddl_has_word(const char *query, const char *word)
{
	struct lex x = { .p = query, .end = query + strlen(query) };

	for (next_token(&x); x.kind != T_END; next_token(&x))
		if (word_is(&x, word))
			return true;
	return false;
}

void ddl_words(const char *default_db, const char *query, size_t n, uint64_t sql_mode,
	       struct ddl_words *out)
{
	static const char *const dml[] = { "INSERT", "UPDATE", "DELETE", "REPLACE", "LOAD",
					   "CALL",   "DO",     "WITH",   NULL };
	struct lex x = { .p = query,
			 .end = query + n,
			 .ansi_quotes = sql_mode & DDL_MODE_ANSI_QUOTES,
			 .plain_backslash = sql_mode & DDL_MODE_NO_BACKSLASH_ESCAPES },
		   start = x;

	memset(out, 0, sizeof(*out));
	next_token(&x);
	if (word_is(&x, "SET")) { /* SET STATEMENT variable = value FOR the statement */
		struct lex ahead = x;

		next_token(&ahead);
		if (word_is(&ahead, "STATEMENT")) {
			bool mode = false;

			for (; ahead.kind != T_END && !word_is(&ahead, "FOR"); next_token(&ahead))
				mode = mode || word_is(&ahead, "sql_mode");
			next_token(&ahead);
			x = ahead;
			out->read_otherwise = mode && depends_on_mode(&x);
		}
	}
	for (size_t i = 0; i + 1 < sizeof(out->first) && x.text[i]; i++)
		out->first[i] =
			x.text[i] >= 'a' && x.text[i] <= 'z' ? (char)(x.text[i] - 32) : x.text[i];
	out->is_dml = is_one(&x, dml);
	out->is_xa = word_is(&x, "XA");
	out->is_commit = word_is(&x, "COMMIT");
	if (take_word(&x, "ROLLBACK")) {
		take_word(&x, "WORK");
		out->is_rollback_to = take_word(&x, "TO");
		out->is_rollback = !out->is_rollback_to;
		if (out->is_rollback_to)
			take_word(&x, "SAVEPOINT");
		memcpy(out->savepoint, x.text, sizeof(out->savepoint));
	} else if (take_word(&x, "SAVEPOINT")) {
		out->is_savepoint = true;
		memcpy(out->savepoint, x.text, sizeof(out->savepoint));
	} else if (take_word(&x, "CREATE")) {
		create(&x, default_db, out);
	} else if (take_word(&x, "DROP")) {
		drop(&x, default_db, out);
	} else if (take_word(&x, "ALTER")) {
		read_alter(&x, default_db, out);
	} else if (take_word(&x, "RENAME")) {
		rename_tables(&x, default_db, out);
	} else if (take_word(&x, "TRUNCATE")) {
		take_word(&x, "TABLE");
		take_table(&x, default_db, out);
		out->type = DDL_TRUNCATE_TABLE;
	}
	if (out->type == DDL_CREATE_TABLE || out->type >= DDL_ADD_COLUMN) {
		out->fk_action = has_fk_action(start);
		find_history(start, out);
		find_engine(start, out);
	}
	if (!strcmp(out->first, "ALTER") && out->table[0])
		find_not_twice(start, out);
	if (out->type && schema_is_system(out->db))
		out->type = DDL_NONE;
	if (!out->type) {
		out->db[0] = out->table[0] = out->not_twice[0] = 0;
		out->fk_action = out->tablespace = out->read_otherwise = false;
	}
}

/* Defects of values and structure, planted in one of two equal servers: a table with a column of
 * each kind, one without a key, one with a composite key whose collation takes 'a' for 'A'. The
 * server computes whether a plant changes anything: its affected rows. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "harness/compare/compare.h"
#include "suites/selftest.h"

#define PLACES_TRIED 8

struct defect {
	const char *name, *what;
	const char *where; /* rows that it can be planted in; NULL: no row is drawn */
	const char *plant; /* statements, '|' between them; '@' is the row's id */
	bool harmless;
};
#define STRUCTURE NULL

static const struct defect defects[] = {
	{ "value_byte", "a byte of a value changed", "s <> ''",
	  "UPDATE planted.kinds SET s=INSERT(s,1,1,IF(LEFT(s,1)='x','y','x')) WHERE id=@", false },
	{ "value_exchange", "the values of two rows exchanged", "s <> '' AND id < 300",
	  "SET @a=(SELECT s FROM planted.kinds WHERE id=@), @b=(SELECT s FROM planted.kinds WHERE id=@+1)|"
	  "UPDATE planted.kinds SET s=@b WHERE id=@|UPDATE planted.kinds SET s=@a WHERE id=@+1",
	  false },
	{ "value_exchange", "", "id < 300",
	  "UPDATE planted.kinds SET id=0 WHERE id=@|UPDATE planted.kinds SET id=@ WHERE id=@+1|"
	  "UPDATE planted.kinds SET id=@+1 WHERE id=0",
	  false },
	{ "null_empty", "NULL turned into ''", "s IS NULL",
	  "UPDATE planted.kinds SET s='' WHERE id=@", false },
	{ "null_empty", "", "s = ''", "UPDATE planted.kinds SET s=NULL WHERE id=@", false },
	{ "null_empty", "", "n IS NULL", "UPDATE planted.kinds SET n=0 WHERE id=@", false },
	{ "null_empty", "", "bin IS NULL", "UPDATE planted.kinds SET bin='' WHERE id=@", false },
	{ "fraction_cut", "a fraction of a second cut", "MICROSECOND(t3) > 0",
	  "UPDATE planted.kinds SET t3=t3 - INTERVAL MICROSECOND(t3) MICROSECOND WHERE id=@",
	  false },
	{ "fraction_cut", "", "MICROSECOND(t6) MOD 1000 > 0",
	  "UPDATE planted.kinds SET t6=t6 - INTERVAL (MICROSECOND(t6) MOD 1000) MICROSECOND WHERE id=@",
	  false },
	{ "fraction_cut", "", "MICROSECOND(tm) > 0",
	  "UPDATE planted.kinds SET tm=SEC_TO_TIME(TIME_TO_SEC(tm) DIV 1) WHERE id=@", false },
	{ "float_rounded", "a float rounded", "f IS NOT NULL",
	  "UPDATE planted.kinds SET f=ROUND(f,2) WHERE id=@", false },
	{ "float_rounded", "", "f IS NOT NULL",
	  "UPDATE planted.kinds SET f=CAST(CAST(f AS CHAR) AS DOUBLE) WHERE id=@", false },
	{ "float_rounded", "", "d <> 0", "UPDATE planted.kinds SET d=d*(1+4.5e-16) WHERE id=@",
	  false },
	{ "float_rounded", "", "dec6 IS NOT NULL",
	  "UPDATE planted.kinds SET dec6=ROUND(dec6,4) WHERE id=@", false },
	{ "unsigned_signed", "an unsigned turned signed", "u > 2147483647",
	  "ALTER TABLE planted.kinds MODIFY u BIGINT|UPDATE planted.kinds SET u=CAST(u AS SIGNED)-4294967296 WHERE id=@",
	  false },
	{ "unsigned_signed", "", "u > 2147483647",
	  "UPDATE planted.kinds SET u=2147483647 WHERE id=@", false },
	{ "unsigned_signed", "", "big > 9223372036854775807",
	  "UPDATE planted.kinds SET big=9223372036854775807 WHERE id=@", false },
	{ "charset_mangled", "a charset mangled", "s LIKE '%é%'",
	  "UPDATE planted.kinds SET s=CONVERT(CAST(s AS BINARY) USING latin1) WHERE id=@", false },
	{ "charset_mangled", "", "l LIKE '%é%'",
	  "UPDATE planted.kinds SET l=REPLACE(l,'é','?') WHERE id=@", false },
	{ "charset_mangled", "", "l LIKE '%é%'",
	  "UPDATE planted.kinds SET l=REPLACE(l,'é','e') WHERE id=@", false },
	{ "case_changed", "'a' turned into 'A' where the collation takes them for one",
	  "BINARY ci <> BINARY UPPER(ci)", "UPDATE planted.kinds SET ci=UPPER(ci) WHERE id=@",
	  false },
	{ "case_changed", "", "ci <> ''", "UPDATE planted.kinds SET ci=CONCAT(ci,' ') WHERE id=@",
	  false },
	{ "case_changed", "", STRUCTURE, "UPDATE planted.pairs SET a='B' WHERE a='b' AND b=1",
	  false },
	{ "binary_zero", "a zero byte added to a binary value", "bin IS NOT NULL",
	  "UPDATE planted.kinds SET bin=CONCAT(bin,0x00) WHERE id=@", false },
	{ "kinds_changed", "a JSON, ENUM, SET, BIT or YEAR value changed", "j IS NOT NULL",
	  "UPDATE planted.kinds SET j=JSON_SET(j,'$.a','z') WHERE id=@", false },
	{ "kinds_changed", "", "e='red'", "UPDATE planted.kinds SET e='blue' WHERE id=@", false },
	{ "kinds_changed", "", "st IS NOT NULL", "UPDATE planted.kinds SET st=st ^ 4 WHERE id=@",
	  false },
	{ "kinds_changed", "", "bt IS NOT NULL", "UPDATE planted.kinds SET bt=bt ^ 2048 WHERE id=@",
	  false },
	{ "kinds_changed", "", "y IS NOT NULL", "UPDATE planted.kinds SET y=y+1 WHERE id=@",
	  false },
	{ "row_gone", "a row missing", "1", "DELETE FROM planted.kinds WHERE id=@", false },
	{ "row_gone", "", STRUCTURE, "DELETE FROM planted.bag LIMIT 1", false },
	{ "chunk_gone", "a chunk of rows missing", "id < 240",
	  "DELETE FROM planted.kinds WHERE id BETWEEN @ AND @+49", false },
	{ "row_back", "a delete resurrected", "1",
	  "INSERT INTO planted.kinds (id, n, s) VALUES (100000+@, 1, 'back')", false },
	{ "row_back", "", STRUCTURE, "INSERT INTO planted.bag SELECT * FROM planted.bag LIMIT 1",
	  false },
	{ "ddl_skipped", "a DDL skipped", STRUCTURE, "ALTER TABLE planted.kinds DROP COLUMN y",
	  false },
	{ "ddl_skipped", "", STRUCTURE, "ALTER TABLE planted.kinds DROP INDEX by_n", false },
	{ "ddl_skipped", "", STRUCTURE,
	  "ALTER TABLE planted.kinds MODIFY s VARCHAR(60) COLLATE utf8mb4_general_ci", false },
	{ "ddl_skipped", "", STRUCTURE, "DROP TABLE planted.pairs", false },
	{ "ddl_early", "a DDL run early: its fill meets rows that it should not", "1",
	  "ALTER TABLE planted.kinds DROP COLUMN z|ALTER TABLE planted.kinds ADD COLUMN z INT NOT NULL DEFAULT 7|"
	  "UPDATE planted.kinds SET z=8 WHERE id=@",
	  false },
	{ "ddl_twice", "a DDL run twice: a TRUNCATE after the rows that followed it", STRUCTURE,
	  "TRUNCATE TABLE planted.pairs", false },
	{ "same_again", "harmless: a row written again as it is", "1",
	  "CREATE TABLE planted_pristine.one AS SELECT * FROM planted.kinds WHERE id=@|"
	  "DELETE FROM planted.kinds WHERE id=@|INSERT INTO planted.kinds SELECT * FROM planted_pristine.one|DROP TABLE planted_pristine.one",
	  true },
	{ "auto_increment", "harmless: the next AUTO_INCREMENT value", STRUCTURE,
	  "ALTER TABLE planted.kinds AUTO_INCREMENT=5000", true },
	{ "row_order", "harmless: rows of a table without a key in another order", STRUCTURE,
	  "CREATE TABLE planted_pristine.other AS SELECT * FROM planted.bag ORDER BY v DESC|DELETE FROM planted.bag|"
	  "INSERT INTO planted.bag SELECT * FROM planted_pristine.other|DROP TABLE planted_pristine.other",
	  true },
};

static const char *const schema[] = {
	"CREATE TABLE planted_pristine.kinds (id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, n INT, s VARCHAR(60) COLLATE utf8mb4_bin, "
	"ci VARCHAR(40) COLLATE utf8mb4_general_ci, l VARCHAR(40) CHARACTER SET latin1, bin VARBINARY(40), u INT UNSIGNED, big BIGINT UNSIGNED, f FLOAT, "
	"d DOUBLE, dec6 DECIMAL(20,6), t3 DATETIME(3), t6 TIMESTAMP(6) NULL, tm TIME(2), j JSON, e ENUM('red','green','blue'), "
	"st SET('a','b','c','d'), bt BIT(12), y YEAR, z INT NOT NULL DEFAULT 7, KEY by_n (n))",
	"CREATE TABLE planted_pristine.bag (v INT, t VARCHAR(20))",
	"CREATE TABLE planted_pristine.pairs (a VARCHAR(20) COLLATE utf8mb4_general_ci NOT NULL, b INT NOT NULL, c TEXT, PRIMARY KEY (a, b))",
	"CREATE TABLE planted_pristine.empty (id INT PRIMARY KEY, c TEXT)",
};

static const char *const fill[] = {
	"INSERT INTO planted_pristine.kinds SELECT seq, IF(seq MOD 7=0,NULL,seq*31), "
	"ELT(seq MOD 5+1,NULL,'',CONCAT('café ',seq),CONCAT('plain ',seq),'naïve'), CONCAT('Mixed case ',seq), CONCAT('déjà é ',seq), "
	"IF(seq MOD 6=0,NULL,UNHEX(SHA1(seq))), seq*14000000, IF(seq MOD 2,18446744073709551615-seq,seq), seq/7, seq/3.7e5, seq/9.123, "
	"'2024-02-29 12:00:00' + INTERVAL seq*1237000 MICROSECOND, '2025-03-01 00:00:01' + INTERVAL seq*7919 MICROSECOND, SEC_TO_TIME(seq*1.37), "
	"IF(seq MOD 4=0,NULL,JSON_OBJECT('a',seq,'b','é')), ELT(seq MOD 3+1,'red','green','blue'), seq MOD 16, seq MOD 4096, 1990+seq MOD 100, seq "
	"FROM seq_1_to_300",
	"INSERT INTO planted_pristine.bag SELECT seq DIV 3, CONCAT('row ',seq DIV 3) FROM seq_0_to_199",
	"INSERT INTO planted_pristine.pairs SELECT CHAR(97+seq MOD 26), seq DIV 26, REPEAT(CONCAT(seq,' '),50) FROM seq_0_to_59",
};

/* The planted database as it should be. */
static int copy(struct sql *s, struct err *e)
{
	static const char *const table[] = { "kinds", "bag", "pairs", "empty" };

	if (sql_exec(s, e, "DROP DATABASE IF EXISTS planted") < 0 ||
	    sql_exec(s, e, "CREATE DATABASE planted") < 0)
		return -1;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (sql_exec(s, e, "CREATE TABLE planted.%s LIKE planted_pristine.%s", table[i],
			     table[i]) < 0 ||
		    sql_exec(s, e, "INSERT INTO planted.%s SELECT * FROM planted_pristine.%s",
			     table[i], table[i]) < 0)
			return -1;
	return 0;
}

static struct sql *prepare(const struct sql_endpoint *ep, struct err *e)
{
	struct sql *s = sql_open(ep, deadline_in_ms(10000), e);
	int rc = s ? 0 : -1;

	if (rc == 0)
		rc = sql_exec(
			     s, e,
			     "SET SESSION sql_log_bin = 0, sql_mode = 'NO_AUTO_VALUE_ON_ZERO', innodb_lock_wait_timeout = 5") <
					     0 ||
				     sql_exec(s, e, "DROP DATABASE IF EXISTS planted_pristine") <
					     0 ||
				     sql_exec(
					     s, e,
					     "CREATE DATABASE planted_pristine DEFAULT CHARACTER SET utf8mb4") <
					     0 ||
				     sql_exec(s, e, "USE planted_pristine") < 0
			     ? -1
			     : 0;
	for (size_t i = 0; rc == 0 && i < sizeof(schema) / sizeof(schema[0]); i++)
		rc = sql_exec(s, e, "%s", schema[i]) < 0 ? -1 : 0;
	for (size_t i = 0; rc == 0 && i < sizeof(fill) / sizeof(fill[0]); i++)
		rc = sql_exec_text(s, e, fill[i], strlen(fill[i])) < 0 ? -1 : 0;
	if (rc == 0 && copy(s, e) == 0)
		return s;
	sql_close(s);
	return NULL;
}

/* 1: planted; 0: it changes nothing there. */
static int plant(struct sql *s, const struct defect *d, uint64_t id, struct err *e)
{
	struct strbuf text = STRBUF_INIT;
	int64_t changed = 0;
	int rc = 0;

	for (const char *p = d->plant; rc == 0 && *p;) {
		size_t n = strcspn(p, "|");
		int64_t rows;

		strbuf_reset(&text);
		for (size_t i = 0; i < n; i++)
			if (p[i] == '@' && !(p[i + 1] >= 'a' && p[i + 1] <= 'z'))
				strbuf_addf(&text, "%" PRIu64, id);
			else
				strbuf_addch(&text, p[i]);
		rows = sql_exec_text(s, e, text.buf, text.len);
		rc = rows < 0 ? -1 : 0;
		changed += rows > 0;
		changed += strncmp(text.buf, "ALTER", 5) == 0 ||
			   strncmp(text.buf, "DROP", 4) == 0 || strncmp(text.buf, "TRUNC", 5) == 0;
		p += n + (p[n] == '|');
	}
	strbuf_release(&text);
	return rc < 0 ? -1 : changed > 0;
}

static int draw(struct sql *s, const struct defect *d, unsigned seed, unsigned offset, uint64_t *id,
		struct err *e)
{
	*id = 0;
	if (!d->where)
		return 0;
	return sql_value_u64(
		s, id, e,
		"SELECT id FROM planted.kinds WHERE %s ORDER BY CRC32(CONCAT(id,'-',%u)) LIMIT %u,1",
		d->where, seed, offset);
}

static int judge(const struct compare_opts *o, const struct defect *d, uint64_t id, struct score *s,
		 struct err *e)
{
	struct compare_result r = { 0 };
	bool differs;

	if (compare_run(o, &r, e) < 0)
		return -1;
	differs = r.verdict != VERDICT_PASS;
	s->planted++;
	s->caught += differs;
	s->judged[BY_COMPARE]++;
	s->by[BY_COMPARE] += differs;
	if (differs == d->harmless && !s->missed[0])
		snprintf(s->missed, sizeof(s->missed), "id %" PRIu64 ": %.150s: %.100s", id,
			 d->plant, r.evidence);
	compare_result_release(&r);
	return 0;
}

static int plant_one(struct scores *t, struct sql *s, const struct compare_opts *o,
		     const struct defect *d, unsigned seed, struct err *e)
{
	uint64_t id = 0;
	int rc = 0;

	for (unsigned i = 0; i < (d->where ? PLACES_TRIED : 1) && rc == 0; i++) {
		rc = draw(s, d, seed, i, &id, e) < 0 ? -1 : plant(s, d, id, e);
		if (rc < 0)
			return err_wrap(e, "%s", d->name);
	}
	if (rc == 0)
		score_add(t, d->name, d->what, d->harmless)->no_place++;
	else if (judge(o, d, id, score_add(t, d->name, d->what, d->harmless), e) < 0)
		return err_wrap(e, "%s", d->name);
	return copy(s, e);
}

int selftest_compare(struct scores *t, const struct sql_endpoint *a, const struct sql_endpoint *b,
		     unsigned seeds, struct err *e)
{
	struct compare_opts o = { .a = *a,
				  .b = *b,
				  .a_name = "a",
				  .b_name = "b",
				  .threads = 2,
				  .tables = "planted.*",
				  .chunk_rows = 64 };
	struct compare_result clean = { 0 };
	struct sql *sa = prepare(a, e), *sb = sa ? prepare(b, e) : NULL;
	int rc = -1;

	if (!sb || compare_run(&o, &clean, e) < 0)
		goto out;
	if (clean.verdict != VERDICT_PASS) {
		err_set(e, ERR_BAD_DATA, 0,
			"two equal servers differ before a defect is planted: %.300s",
			clean.evidence);
		goto out;
	}
	rc = 0;
	for (size_t i = 0; rc == 0 && i < sizeof(defects) / sizeof(defects[0]); i++) {
		unsigned n = defects[i].where ? seeds : 1;

		for (unsigned k = 0; rc == 0 && k < n; k++)
			rc = plant_one(t, sb, &o, &defects[i], k, e);
	}
	for (int i = 0; i < 2 && rc == 0; i++)
		rc = sql_exec(i ? sb : sa, e, "DROP DATABASE planted") < 0 ||
				     sql_exec(i ? sb : sa, e, "DROP DATABASE planted_pristine") < 0
			     ? -1
			     : 0;
out:
	compare_result_release(&clean);
	sql_close(sa);
	sql_close(sb);
	return rc < 0 ? err_wrap(e, "compare") : 0;
}

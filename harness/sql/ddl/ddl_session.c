#include "harness/sql/ddl/ddl_session.h"

#include <inttypes.h>
#include <string.h>

#include "harness/base/uri.h"
#include "harness/sql/ddl/lex.h"

/* a DATA DIRECTORY is a place on the primary's machine */
#define NO_DIR_IN_CREATE ((uint64_t)1 << 7)
#define STRICT_MODES ((uint64_t)3 << 21)

static void add_text(struct strbuf *out, const char *key, const char *value)
{
	strbuf_addf(out, " %s=", key);
	uri_encode(out, value, strlen(value), "+:/");
}

void ddl_session_format(const struct ddl_session *d, struct strbuf *out)
{
	if (!d->known)
		return;
	strbuf_addf(
		out,
		"sql_mode=%" PRIu64 " timestamp_us=%" PRId64
		" collation_connection=%u collation_server=%u foreign_key_checks=%d "
		"unique_checks=%d check_constraint_checks=%d explicit_defaults_for_timestamp=%d",
		d->sql_mode, d->timestamp_us, d->collation_connection, d->collation_server,
		d->foreign_key_checks, d->unique_checks, d->check_constraint_checks,
		d->explicit_defaults_for_timestamp);
	if (d->db[0])
		add_text(out, "db", d->db);
	if (d->time_zone[0])
		add_text(out, "time_zone", d->time_zone);
	if (d->engine[0])
		add_text(out, "default_storage_engine", d->engine);
	if (d->auto_increment_increment)
		strbuf_addf(out, " auto_increment_increment=%u auto_increment_offset=%u",
			    d->auto_increment_increment, d->auto_increment_offset);
	if (d->lc_time_names)
		strbuf_addf(out, " lc_time_names=%u", d->lc_time_names);
	if (d->error)
		strbuf_addf(out, " error=%u", d->error);
	if (d->may_fail)
		strbuf_addstr(out, " may_fail=1");
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool take_text(char *out, size_t room, const char *p, size_t n)
{
	size_t at = 0;

	for (size_t i = 0; i < n; i++) {
		char c = p[i];

		if (c == '%') {
			if (n - i < 3 || hex_digit(p[i + 1]) < 0 || hex_digit(p[i + 2]) < 0)
				return false;
			c = (char)(hex_digit(p[i + 1]) << 4 | hex_digit(p[i + 2]));
			i += 2;
		}
		if (!c || at + 1 >= room)
			return false;
		out[at++] = c;
	}
	out[at] = '\0';
	return true;
}

static bool take_number(uint64_t *out, const char *p, size_t n)
{
	*out = 0;
	if (!n || n > 19)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (p[i] < '0' || p[i] > '9')
			return false;
		*out = *out * 10 + (uint64_t)(p[i] - '0');
	}
	return true;
}

static bool take_pair(struct ddl_session *d, const char *key, size_t key_n, const char *value,
		      size_t n)
{
	static const char *const texts[] = { "db", "time_zone", "default_storage_engine" };
	static const char *const numbers[] = { "sql_mode",
					       "timestamp_us",
					       "collation_connection",
					       "collation_server",
					       "auto_increment_increment",
					       "auto_increment_offset",
					       "lc_time_names",
					       "error",
					       "foreign_key_checks",
					       "unique_checks",
					       "check_constraint_checks",
					       "explicit_defaults_for_timestamp",
					       "may_fail" };
	unsigned *const small[] = { NULL,
				    NULL,
				    &d->collation_connection,
				    &d->collation_server,
				    &d->auto_increment_increment,
				    &d->auto_increment_offset,
				    &d->lc_time_names,
				    &d->error };
	bool *const flags[] = { &d->foreign_key_checks, &d->unique_checks,
				&d->check_constraint_checks, &d->explicit_defaults_for_timestamp,
				&d->may_fail };
	char *const places[] = { d->db, d->time_zone, d->engine };
	const size_t rooms[] = { sizeof(d->db), sizeof(d->time_zone), sizeof(d->engine) };
	uint64_t v;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (strlen(texts[i]) == key_n && !memcmp(texts[i], key, key_n))
			return take_text(places[i], rooms[i], value, n);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		if (strlen(numbers[i]) != key_n || memcmp(numbers[i], key, key_n))
			continue;
		if (!take_number(&v, value, n) || (i >= 2 && v > UINT32_MAX) || (i >= 8 && v > 1) ||
		    (i == 1 && v > INT64_MAX))
			return false;
		if (i == 0)
			d->sql_mode = v;
		else if (i == 1)
			d->timestamp_us = (int64_t)v;
		else if (i < 8)
			*small[i] = (unsigned)v;
		else
			*flags[i - 8] = v;
		return true;
	}
	return true; /* of a later version */
}

int ddl_session_parse(struct ddl_session *d, const char *text, size_t n, struct err *e)
{
	const char *p = text, *end = text + n;

	*d = (struct ddl_session){ .known = n > 0,
				   .foreign_key_checks = true,
				   .unique_checks = true,
				   .check_constraint_checks = true,
				   .explicit_defaults_for_timestamp = true };
	while (p < end) {
		const char *blank = memchr(p, ' ', (size_t)(end - p)), *stop = blank ? blank : end;
		const char *eq = memchr(p, '=', (size_t)(stop - p));

		if (!eq || eq == p ||
		    !take_pair(d, p, (size_t)(eq - p), eq + 1, (size_t)(stop - eq) - 1))
			return err_set(e, ERR_BAD_DATA, 0,
				       "the session of a DDL: cannot read \"%.*s\"",
				       stop - p > 80 ? 80 : (int)(stop - p), p);
		p = stop + (blank != NULL);
	}
	return 0;
}

/* Names of the variables that a statement may need, all of which MariaDB has. */
static const char *const variables[] = {
	"sql_mode",
	"time_zone",
	"collation_connection",
	"collation_server",
	"foreign_key_checks",
	"unique_checks",
	"check_constraint_checks",
	"explicit_defaults_for_timestamp",
	"auto_increment_increment",
	"auto_increment_offset",
	"lc_time_names",
	"default_storage_engine",
	"innodb_strict_mode",
};

static int keep_own(struct sql *s, struct err *e)
{
	struct strbuf q = STRBUF_INIT;
	int rc;

	strbuf_addstr(&q, "SET ");
	for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++)
		strbuf_addf(&q, "%s@drtest_%s = @@%s", i ? ", " : "", variables[i], variables[i]);
	rc = sql_exec_text(s, e, q.buf, q.len) < 0 ? -1 : 0;
	strbuf_release(&q);
	return rc;
}

static int give_back(struct sql *s, struct err *e)
{
	struct strbuf q = STRBUF_INIT;
	int rc;

	strbuf_addstr(&q, "SET timestamp = DEFAULT");
	for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++)
		strbuf_addf(&q, ", %s = @drtest_%s", variables[i], variables[i]);
	rc = sql_exec_text(s, e, q.buf, q.len) < 0 ? -1 : 0;
	strbuf_release(&q);
	return rc;
}

/* A strict session takes the directory that it ignores for an error. What the primary did in one is
 * the same without. */
static uint64_t mode_for(const struct ddl_session *d, const char *query, size_t n)
{
	uint64_t mode = d->sql_mode | NO_DIR_IN_CREATE;
	struct lex x = { .p = query, .end = query + n };

	for (lex_next(&x); x.kind != T_END; lex_next(&x))
		if (lex_is(&x, "DIRECTORY"))
			return mode & ~STRICT_MODES;
	return mode;
}

static int enter(struct sql *s, const struct ddl_session *d, const char *query, size_t n,
		 struct err *e)
{
	struct strbuf q = STRBUF_INIT;
	int rc;

	/* the engine's strictness is in no event: what the primary took is right */
	strbuf_addf(
		&q,
		"SET innodb_strict_mode = 0, foreign_key_checks = %d, unique_checks = %d, check_constraint_checks = %d, "
		"explicit_defaults_for_timestamp = %d, auto_increment_increment = %u, auto_increment_offset = %u",
		d->foreign_key_checks, d->unique_checks, d->check_constraint_checks,
		d->explicit_defaults_for_timestamp,
		d->auto_increment_increment ? d->auto_increment_increment : 1,
		d->auto_increment_offset ? d->auto_increment_offset : 1);
	if (d->timestamp_us)
		strbuf_addf(&q, ", timestamp = %" PRId64 ".%06d", d->timestamp_us / 1000000,
			    (int)(d->timestamp_us % 1000000));
	if (d->time_zone[0]) {
		strbuf_addstr(&q, ", time_zone = ");
		sql_add_text(&q, d->time_zone, strlen(d->time_zone));
	}
	if (d->collation_connection)
		strbuf_addf(&q, ", collation_connection = %u", d->collation_connection);
	if (d->collation_server)
		strbuf_addf(&q, ", collation_server = %u", d->collation_server);
	if (d->lc_time_names)
		strbuf_addf(&q, ", lc_time_names = %u", d->lc_time_names);
	if (d->engine[0]) {
		strbuf_addstr(&q, ", default_storage_engine = ");
		sql_add_text(&q, d->engine, strlen(d->engine));
	}
	/* last: it changes how a statement is read */
	strbuf_addf(&q, ", sql_mode = %" PRIu64, mode_for(d, query, n));
	rc = sql_exec_text(s, e, q.buf, q.len) < 0 ? err_wrap(e, "the session of a DDL") : 0;
	strbuf_release(&q);
	return rc;
}

/* A server of another kind has not all of these variables: what it shares is set, and it keeps its
 * own sql_mode. So where nothing but the time is known of a session. */
static int run_elsewhere(struct sql *s, const struct ddl_session *d, const char *query, size_t n,
			 struct err *e)
{
	bool zone = d->time_zone[0] && strcmp(d->time_zone, "SYSTEM");
	struct strbuf q = STRBUF_INIT;
	struct err ignored = ERR_INIT;
	int rc = 0;

	if (d->timestamp_us &&
	    sql_exec(s, e, "SET timestamp = %" PRId64 ".%06d", d->timestamp_us / 1000000,
		     (int)(d->timestamp_us % 1000000)) < 0)
		return -1;
	if (zone) {
		strbuf_addstr(&q, "SET time_zone = ");
		sql_add_text(&q, d->time_zone, strlen(d->time_zone));
		rc = sql_exec_text(s, e, q.buf, q.len) < 0 ? -1 : 0;
		strbuf_release(&q);
	}
	if (rc == 0 && sql_exec_text(s, e, query, n) < 0)
		rc = -1;
	sql_exec(s, rc < 0 ? &ignored : e, "SET timestamp = DEFAULT%s",
		 zone ? ", time_zone = '+00:00'" : "");
	return rc;
}

int ddl_session_run(struct sql *s, const struct ddl_session *d, const char *query, size_t n,
		    struct err *e)
{
	struct err ignored = ERR_INIT;
	int rc;

	if (!d || (!d->known && !d->timestamp_us))
		return sql_exec_text(s, e, query, n) < 0 ? -1 : 0;
	if (!d->known || sql_flavor(s) != SQL_MARIADB)
		return run_elsewhere(s, d, query, n, e);
	if (keep_own(s, e) < 0)
		return -1;
	rc = enter(s, d, query, n, e);
	if (rc == 0 && sql_exec_text(s, e, query, n) < 0)
		rc = -1;
	if (give_back(s, rc < 0 ? &ignored : e) < 0 && rc == 0)
		return err_wrap(e, "the session after a DDL");
	return rc;
}

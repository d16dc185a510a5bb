#include "harness/binlog/binlog_event.h"

#include <stdio.h>
#include <string.h>

#include "harness/sql/charset.h"

/* CRC-32 of IEEE 802.3, as zlib's. */
static uint32_t crc32_of(const uint8_t *p, size_t n)
{
	static const uint32_t nibble[16] = {
		0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
		0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
		0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
	};
	uint32_t crc = 0xffffffff;

	while (n--) {
		crc ^= *p++;
		crc = crc >> 4 ^ nibble[crc & 15];
		crc = crc >> 4 ^ nibble[crc & 15];
	}
	return ~crc;
}

enum { FORMAT_FIXED_BYTES = 2 + 50 + 4 + 1, TABLE_MAP_POST_HEADER = 8, ROWS_POST_HEADER = 8 };

/* Version 4, headers of 19 bytes, and post headers of the sizes that are read here. */
static int check_format(const uint8_t *body, size_t n, enum binlog_checksum *alg, struct err *e)
{
	const uint8_t *post = body + FORMAT_FIXED_BYTES;

	if (n < FORMAT_FIXED_BYTES + EV_DELETE_ROWS + 1 + EVENT_CHECKSUM_BYTES ||
	    binlog_le(body, 2) != 4 || body[56] != EVENT_HEADER_BYTES ||
	    post[EV_TABLE_MAP - 1] != TABLE_MAP_POST_HEADER ||
	    post[EV_WRITE_ROWS_V1 - 1] != ROWS_POST_HEADER || post[EV_QUERY - 1] != 13)
		return err_set(
			e, ERR_UNSUPPORTED, 0,
			"the server's binary log has an unknown format (perhaps the server is "
			"older than MariaDB 5.3)");
	switch (body[n - EVENT_CHECKSUM_BYTES - 1]) {
	case 0:
	case 255: *alg = CHECKSUM_NONE; return 0;
	case 1: *alg = CHECKSUM_CRC32; return 0;
	default:
		return err_set(e, ERR_UNSUPPORTED, 0,
			       "the server's binary log has an unknown checksum algorithm");
	}
}

int binlog_event_parse(struct binlog_event *ev, const uint8_t *raw, size_t n,
		       enum binlog_checksum *alg, struct err *e)
{
	if (n < EVENT_HEADER_BYTES || binlog_le(raw + 9, 4) != n)
		return err_set(e, ERR_BAD_DATA, 0,
			       "binary log event with a wrong length (%zu bytes)", n);
	*ev = (struct binlog_event){ .when_s = (uint32_t)binlog_le(raw, 4),
				     .type = raw[4],
				     .server_id = (uint32_t)binlog_le(raw + 5, 4),
				     .flags = (uint16_t)binlog_le(raw + 17, 2),
				     .body = raw + EVENT_HEADER_BYTES,
				     .n = n - EVENT_HEADER_BYTES };
	if (ev->type == EV_FORMAT && check_format(ev->body, ev->n, alg, e) < 0)
		return -1;
	if (*alg == CHECKSUM_CRC32 || ev->type == EV_FORMAT) {
		if (ev->n < EVENT_CHECKSUM_BYTES)
			return err_set(e, ERR_BAD_DATA, 0,
				       "binary log event of type %u without its checksum",
				       ev->type);
		if (*alg == CHECKSUM_CRC32 && crc32_of(raw, n - EVENT_CHECKSUM_BYTES) !=
						      binlog_le(raw + n - EVENT_CHECKSUM_BYTES, 4))
			return err_set(e, ERR_BAD_DATA, 0,
				       "binary log event of type %u: wrong checksum", ev->type);
		ev->n -= EVENT_CHECKSUM_BYTES;
	}
	return 0;
}

int binlog_gtid_parse(struct binlog_gtid *g, const struct binlog_event *ev, struct err *e)
{
	size_t at = 13;

	if (ev->n < at)
		return err_set(e, ERR_BAD_DATA, 0, "truncated GTID event");
	*g = (struct binlog_gtid){ .seq = binlog_le(ev->body, 8),
				   .domain = (uint32_t)binlog_le(ev->body + 8, 4),
				   .flags = ev->body[12] };
	if (g->flags & GTID_GROUP_COMMIT)
		at += 8;
	if (g->flags & (GTID_PREPARED_XA | GTID_COMPLETED_XA)) /* format, two lengths, the id */
		at += ev->n < at + 6 ? 6 : 6u + ev->body[at + 4] + ev->body[at + 5];
	if (at < ev->n)
		g->flags_extra = ev->body[at];
	return 0;
}

enum {
	FLAGS2_NO_CHECKS = 1 << 15,
	FLAGS2_EXPLICIT_TIMESTAMP = 1 << 24,
	FLAGS2_NO_FOREIGN_KEYS = 1 << 26,
	FLAGS2_RELAXED_UNIQUE = 1 << 27
};

/* Bytes of the status variable `code` at p, 0: it is unknown, and so is where the next one begins.
 * In the order of their codes in sql/log_event_server.cc. */
static size_t status_bytes(uint8_t code, const uint8_t *p, size_t n)
{
	static const uint8_t fixed[] = {
		[0] = 4, [1] = 8, [3] = 4, [4] = 6, [7] = 2, [8] = 2, [9] = 8, [10] = 4
	};

	switch (code) {
	case 2: /* catalog and a NUL */ return n ? 2u + p[0] : 0;
	case 5:
	case 6: /* time zone, catalog */ return n ? 1u + p[0] : 0;
	case 11: /* invoker: user, host */ return n && n > 1u + p[0] ? 2u + p[0] + p[1 + p[0]] : 0;
	case 128: /* microseconds */ return 3;
	case 129: /* xid */ return 8;
	default: return code < sizeof(fixed) ? fixed[code] : 0;
	}
}

/* The session that sent a statement, from the event's status variables. Returns its
 * character_set_client, -1 if it is not told. */
static int read_session(struct ddl_session *d, const uint8_t *p, size_t n)
{
	const uint8_t *end = p + n;
	int client = -1;

	while (p < end) {
		uint8_t code = *p++;
		size_t size = status_bytes(code, p, (size_t)(end - p));
		uint32_t flags;

		if (!size || size > (size_t)(end - p))
			break;
		switch (code) {
		case 0:
			flags = (uint32_t)binlog_le(p, 4);
			d->foreign_key_checks = !(flags & FLAGS2_NO_FOREIGN_KEYS);
			d->unique_checks = !(flags & FLAGS2_RELAXED_UNIQUE);
			d->check_constraint_checks = !(flags & FLAGS2_NO_CHECKS);
			d->explicit_defaults_for_timestamp = flags & FLAGS2_EXPLICIT_TIMESTAMP;
			break;
		case 1: d->sql_mode = binlog_le(p, 8); break;
		case 3:
			d->auto_increment_increment = (unsigned)binlog_le(p, 2);
			d->auto_increment_offset = (unsigned)binlog_le(p + 2, 2);
			break;
		case 4:
			client = (int)binlog_le(p, 2);
			d->collation_connection = (unsigned)binlog_le(p + 2, 2);
			d->collation_server = (unsigned)binlog_le(p + 4, 2);
			break;
		case 5:
			memcpy(d->time_zone, p + 1, p[0]);
			d->time_zone[p[0]] = '\0';
			break;
		case 7: d->lc_time_names = (unsigned)binlog_le(p, 2); break;
		case 128: d->timestamp_us += (int64_t)binlog_le(p, 3); break;
		default: break;
		}
		p += size;
	}
	return client;
}

/* Numbers from information_schema.collations; from 1024 on the NO PAD twins. */
static bool is_latin1(int id)
{
	id &= 1023;
	return id == 5 || id == 8 || id == 15 || id == 31 || id == 47 || id == 48 || id == 49 ||
	       id == 94;
}

static bool is_utf8(int id)
{
	if (id >= 2048) /* UCA 14 collations of utf8mb3 and utf8mb4 come first */
		return id < 2560;
	id &= 1023;
	return id == 33 || id == 83 || id == 45 || id == 46 || id == 63 ||
	       (id >= 192 && id < 256) || id == 576 || id == 577 || id == 578 || id == 608 ||
	       id == 609 || id == 610;
}

/* Whether a statement that has no such mapping matters at all, nobody knows yet. */
static int convert(struct binlog_query *q, const char *p, size_t n, int collation,
		   struct charsets *sets, struct err *e)
{
	const struct collation *c = NULL;
	const struct charset *set = NULL;
	struct err why = ERR_INIT;

	if (is_latin1(collation))
		set = charsets_get(sets, "latin1", &why);
	else if ((c = charsets_collation(sets, (unsigned)collation, &why)))
		set = charsets_get(sets, c->charset, &why);
	if (set && charset_to_utf8(set, p, n, &q->text) == n)
		return 0;
	if (why.kind && why.kind != ERR_UNSUPPORTED) {
		*e = why;
		return -1;
	}
	q->unreadable = collation;
	strbuf_reset(&q->text);
	for (size_t i = 0; i < n; i++)
		strbuf_addch(&q->text, p[i] & 0x80 ? '?' : p[i]);
	return 0;
}

int binlog_query_parse(struct binlog_query *q, const struct binlog_event *ev, struct charsets *sets,
		       struct err *e)
{
	const uint8_t *p = ev->body, *end = ev->body + ev->n;
	size_t db_n, status_n;
	bool ascii = true;
	int collation;

	strbuf_reset(&q->db);
	strbuf_reset(&q->text);
	if (ev->n < 13)
		return err_set(e, ERR_BAD_DATA, 0, "truncated query event");
	db_n = p[8];
	status_n = (size_t)binlog_le(p + 11, 2);
	p += 13;
	if ((size_t)(end - p) < status_n + db_n + 1 || p[status_n + db_n])
		return err_set(e, ERR_BAD_DATA, 0, "truncated query event");
	q->session = (struct ddl_session){ .known = true,
					   .timestamp_us = (int64_t)ev->when_s * 1000000,
					   .error = (unsigned)binlog_le(ev->body + 9, 2),
					   .foreign_key_checks = true,
					   .unique_checks = true,
					   .check_constraint_checks = true,
					   .explicit_defaults_for_timestamp = true };
	collation = read_session(&q->session, p, status_n);
	p += status_n;
	strbuf_add(&q->db, p, db_n);
	snprintf(q->session.db, sizeof(q->session.db), "%s", q->db.buf);
	p += db_n + 1;
	for (const uint8_t *c = p; c < end && ascii; c++)
		ascii = *c < 0x80;
	q->unreadable = 0;
	if (!ascii && !is_utf8(collation))
		return convert(q, (const char *)p, (size_t)(end - p), collation, sets, e);
	strbuf_add(&q->text, p, (size_t)(end - p));
	return 0;
}

int binlog_rows_parse(struct binlog_rows *r, const struct binlog_event *ev, struct err *e)
{
	const uint8_t *p = ev->body, *end = ev->body + ev->n;
	uint64_t n = 0;
	size_t k, bitmap;

	*r = (struct binlog_rows){ 0 };
	if (ev->n < ROWS_POST_HEADER)
		goto damaged;
	r->table_id = binlog_le(p, 6);
	r->is_dummy = r->table_id == 0xffffff;
	p += ROWS_POST_HEADER;
	if (ev->type >= EV_WRITE_ROWS) { /* version 2: extra data, its length counting itself */
		if (end - p < 2 || binlog_le(p, 2) < 2 || (uint64_t)(end - p) < binlog_le(p, 2))
			goto damaged;
		p += binlog_le(p, 2);
	}
	if (r->is_dummy)
		return 0;
	k = binlog_packed_int(p, (size_t)(end - p), &n);
	if (!k || !n || n > TABLE_MAP_COLUMNS_MAX)
		goto damaged;
	p += k;
	r->n_columns = (uint32_t)n;
	bitmap = (r->n_columns + 7) / 8;
	r->has_before = ev->type != EV_WRITE_ROWS_V1 && ev->type != EV_WRITE_ROWS;
	r->has_after = ev->type != EV_DELETE_ROWS_V1 && ev->type != EV_DELETE_ROWS;
	if ((size_t)(end - p) < bitmap)
		goto damaged;
	r->before_present = r->after_present = p;
	p += bitmap;
	if (r->has_before && r->has_after) {
		if ((size_t)(end - p) < bitmap)
			goto damaged;
		r->after_present = p;
		p += bitmap;
	}
	r->p = p;
	r->end = end;
	return 0;
damaged:
	return err_set(e, ERR_BAD_DATA, 0, "truncated rows event of type %u", ev->type);
}

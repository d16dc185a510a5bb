#include "harness/sql/charset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/xalloc.h"

#define CONNECT_MS 30000
#define NONE UINT32_MAX
#define PAIRS 65536

enum kind { BINARY, ASCII, UTF8, UCS2, UTF16, UTF16LE, UTF32, TABLE };

struct charset {
	struct charset *next;
	char name[64];
	enum kind kind;
	unsigned utf8_bytes_max; /* UTF8: 3 or 4 */
	uint32_t one[256];       /* TABLE: code points, NONE */
	uint32_t *two;           /* by both bytes; NULL: no such characters */
	uint32_t *three;         /* by the bytes behind 0x8f */
};

struct charsets {
	struct sql_endpoint server;
	bool has_server;
	struct charset *all;
	struct collation *collations;
	size_t n_collations;
};

struct charsets *charsets_new(const struct sql_endpoint *server)
{
	struct charsets *c = xcalloc(1, sizeof(*c));

	if (server)
		c->server = *server;
	c->has_server = server;
	return c;
}

static void charset_free(struct charset *c)
{
	free(c->two);
	free(c->three);
	free(c);
}

void charsets_free(struct charsets *c)
{
	while (c && c->all) {
		struct charset *next = c->all->next;

		charset_free(c->all);
		c->all = next;
	}
	if (c)
		free(c->collations);
	free(c);
}

/* One code point in the first n bytes; 0: none. */
static unsigned utf8_decode(const uint8_t *p, size_t n, unsigned bytes_max, uint32_t *cp)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	unsigned len = p[0] < 0x80   ? 1
		       : p[0] < 0xc2 ? 0
		       : p[0] < 0xe0 ? 2
		       : p[0] < 0xf0 ? 3
		       : p[0] < 0xf5 ? 4
				     : 0;

	if (!len || len > n || len > bytes_max)
		return 0;
	*cp = len == 1 ? p[0] : p[0] & (0xffu >> (len + 1));
	for (unsigned i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		*cp = *cp << 6 | (p[i] & 0x3f);
	}
	return *cp < least[len] || *cp > 0x10ffff || (*cp >= 0xd800 && *cp < 0xe000) ? 0 : len;
}

static void utf8_add(struct strbuf *out, uint32_t cp)
{
	if (cp < 0x80) {
		strbuf_addch(out, (char)cp);
		return;
	}
	if (cp < 0x800) {
		strbuf_addch(out, (char)(0xc0 | cp >> 6));
	} else {
		if (cp < 0x10000) {
			strbuf_addch(out, (char)(0xe0 | cp >> 12));
		} else {
			strbuf_addch(out, (char)(0xf0 | cp >> 18));
			strbuf_addch(out, (char)(0x80 | (cp >> 12 & 0x3f)));
		}
		strbuf_addch(out, (char)(0x80 | (cp >> 6 & 0x3f)));
	}
	strbuf_addch(out, (char)(0x80 | (cp & 0x3f)));
}

static unsigned read_unit16(const uint8_t *p, bool little)
{
	return little ? p[0] | (unsigned)p[1] << 8 : (unsigned)p[0] << 8 | p[1];
}

static unsigned utf16_decode(const uint8_t *p, size_t n, bool little, bool pairs, uint32_t *cp)
{
	if (n < 2)
		return 0;
	*cp = read_unit16(p, little);
	if (*cp < 0xd800 || *cp >= 0xe000)
		return 2;
	if (!pairs || *cp >= 0xdc00 || n < 4)
		return 0;
	unsigned low = read_unit16(p + 2, little);
	if (low < 0xdc00 || low >= 0xe000)
		return 0;
	*cp = 0x10000 + ((*cp & 0x3ff) << 10 | (low & 0x3ff));
	return 4;
}

static unsigned table_decode(const struct charset *c, const uint8_t *p, size_t n, uint32_t *cp)
{
	*cp = c->one[p[0]];
	if (*cp != NONE)
		return 1;
	if (c->two && n >= 2) {
		*cp = c->two[read_unit16(p, false)];
		if (*cp != NONE)
			return 2;
	}
	if (c->three && p[0] == 0x8f && n >= 3) {
		*cp = c->three[read_unit16(p + 1, false)];
		if (*cp != NONE)
			return 3;
	}
	return 0;
}

/* The bytes of the character that p begins with; 0: none. */
static unsigned decode(const struct charset *c, const uint8_t *p, size_t n, uint32_t *cp)
{
	switch (c->kind) {
	case BINARY: return 1;
	case ASCII: *cp = p[0]; return p[0] < 0x80;
	case UTF8: return utf8_decode(p, n, c->utf8_bytes_max, cp);
	case UCS2: return utf16_decode(p, n, false, false, cp);
	case UTF16:
	case UTF16LE: return utf16_decode(p, n, c->kind == UTF16LE, true, cp);
	case UTF32:
		if (n < 4)
			return 0;
		*cp = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
		return *cp > 0x10ffff || (*cp >= 0xd800 && *cp < 0xe000) ? 0 : 4;
	case TABLE: return table_decode(c, p, n, cp);
	}
	return 0;
}

size_t charset_to_utf8(const struct charset *c, const char *in, size_t n, struct strbuf *out)
{
	size_t at = c->kind == BINARY ? n : 0;

	while (at < n) {
		uint32_t cp = 0;
		unsigned len = decode(c, (const uint8_t *)in + at, n - at, &cp);

		if (!len)
			break;
		if (out && c->kind > UTF8)
			utf8_add(out, cp);
		at += len;
	}
	if (out && c->kind <= UTF8)
		strbuf_add(out, in, at);
	return at;
}

bool charset_is_utf8(const struct charset *c)
{
	return c->kind <= UTF8;
}

/* The server's latin1 is Windows' 1252, and gives the five places that 1252 leaves empty to the
 * control characters of their number. */
static bool make_latin1(struct charset *c)
{
	static const uint16_t high[32] = {
		0x20ac, 0x81,   0x201a, 0x192,  0x201e, 0x2026, 0x2020, 0x2021,
		0x2c6,  0x2030, 0x160,  0x2039, 0x152,  0x8d,   0x17d,  0x8f,
		0x90,   0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014,
		0x2dc,  0x2122, 0x161,  0x203a, 0x153,  0x9d,   0x17e,  0x178,
	};

	c->kind = TABLE;
	for (uint32_t i = 0; i < 256; i++)
		c->one[i] = i >= 0x80 && i < 0xa0 ? high[i - 0x80] : i;
	return true;
}

static bool by_itself(struct charset *c)
{
	static const struct {
		const char *name;
		enum kind kind;
		unsigned bytes;
	} known[] = {
		{ "binary", BINARY, 1 }, { "ascii", ASCII, 1 },     { "utf8mb4", UTF8, 4 },
		{ "utf8mb3", UTF8, 3 },  { "utf8", UTF8, 3 },       { "ucs2", UCS2, 0 },
		{ "utf16", UTF16, 0 },   { "utf16le", UTF16LE, 0 }, { "utf32", UTF32, 0 },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (!strcmp(c->name, known[i].name)) {
			c->kind = known[i].kind;
			c->utf8_bytes_max = known[i].bytes;
			return true;
		}
	return !strcmp(c->name, "latin1") && make_latin1(c);
}

/* Asks for all characters whose bytes are `prefix` and two or four hexadecimal digits. */
static int load(struct sql *s, const struct charset *c, const char *prefix, bool two, uint32_t *to,
		struct err *e)
{
	static const char *const digits =
		"(SELECT 0 n UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL SELECT 5 "
		"UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9 UNION ALL SELECT 10 UNION ALL SELECT 11 "
		"UNION ALL SELECT 12 UNION ALL SELECT 13 UNION ALL SELECT 14 UNION ALL SELECT 15)";
	struct sql_rows r = { 0 };
	int rc;

	/* a second byte is never below 0x30, in no set of the server's */
	rc = sql_query(
		s, &r, e,
		"SELECT CONV(h, 16, 10), HEX(CONVERT(u USING utf32)) FROM (SELECT h, x, CONVERT(CONVERT(x USING %s) USING utf8mb4) u FROM "
		"(SELECT h, UNHEX(CONCAT('%s', h)) x FROM (SELECT %s FROM %s a, %s b%s%s%s%s%s) hex_digits) bytes) text "
		"WHERE CHAR_LENGTH(u) = 1 AND HEX(CONVERT(u USING %s)) = HEX(x)",
		c->name, prefix,
		two ? "CONCAT(HEX(a.n), HEX(b.n), HEX(c.n), HEX(d.n)) h"
		    : "CONCAT(HEX(a.n), HEX(b.n)) h",
		digits, digits, two ? ", " : "", two ? digits : "", two ? " c, " : "",
		two ? digits : "", two ? " d WHERE a.n >= 8 AND c.n >= 3" : "", c->name);
	if (rc < 0)
		return -1;
	for (uint32_t i = 0; i < (two ? PAIRS : 256u); i++)
		to[i] = NONE;
	while ((rc = sql_rows_next(&r, e)) == 1) {
		unsigned long at = strtoul(r.cell[0], NULL, 10);

		if (at < (two ? PAIRS : 256u) && r.cell[1])
			to[at] = (uint32_t)strtoul(r.cell[1], NULL, 16);
	}
	sql_rows_release(&r);
	return rc;
}

static int ask(const struct charsets *all, struct charset *c, struct err *e)
{
	struct sql *s;
	uint64_t bytes = 0;
	int rc = -1;

	if (!all->has_server)
		return err_set(e, ERR_UNSUPPORTED, 0, "character set %s: no server to ask",
			       c->name);
	s = sql_open(&all->server, deadline_in_ms(CONNECT_MS), e);
	if (!s)
		return -1;
	if (sql_value_u64(
		    s, &bytes, e,
		    "SELECT MAXLEN FROM information_schema.CHARACTER_SETS WHERE CHARACTER_SET_NAME = '%s'",
		    c->name) < 0) {
		if (e->kind == ERR_NOT_FOUND)
			err_set(e, ERR_UNSUPPORTED, 0, "the server has no character set %s",
				c->name);
		goto out;
	}
	c->kind = TABLE;
	if (bytes > 3) {
		err_set(e, ERR_UNSUPPORTED, 0,
			"character set %s has characters of %llu bytes: such text cannot be "
			"replicated",
			c->name, (unsigned long long)bytes);
		goto out;
	}
	if (bytes >= 2)
		c->two = xcalloc(PAIRS, sizeof(*c->two));
	if (bytes >= 3)
		c->three = xcalloc(PAIRS, sizeof(*c->three));
	if (load(s, c, "", false, c->one, e) < 0 ||
	    (c->two && load(s, c, "", true, c->two, e) < 0) ||
	    (c->three && load(s, c, "8F", true, c->three, e) < 0))
		goto out;
	rc = 0;
out:
	sql_close(s);
	return rc;
}

const struct charset *charsets_get(struct charsets *all, const char *name, struct err *e)
{
	struct charset *c;

	for (c = all->all; c; c = c->next)
		if (!strcmp(c->name, name))
			return c;
	if (strlen(name) >= sizeof(c->name) ||
	    name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_")]) {
		err_set(e, ERR_UNSUPPORTED, 0, "the server has no character set %s", name);
		return NULL;
	}
	c = xcalloc(1, sizeof(*c));
	memcpy(c->name, name, strlen(name) + 1);
	if (!by_itself(c) && ask(all, c, e) < 0) {
		err_wrap(e, "mapping of character set %s", name);
		charset_free(c);
		return NULL;
	}
	c->next = all->all;
	all->all = c;
	return c;
}

static int ask_collations(struct charsets *c, struct err *e)
{
	struct sql *s = sql_open(&c->server, deadline_in_ms(CONNECT_MS), e);
	struct sql_rows r = { 0 };
	int got = -1;

	if (!s)
		return -1;
	if (sql_query(
		    s, &r, e,
		    "SELECT a.ID, a.FULL_COLLATION_NAME, a.CHARACTER_SET_NAME, c.MAXLEN FROM"
		    " information_schema.COLLATION_CHARACTER_SET_APPLICABILITY a JOIN information_schema.CHARACTER_SETS c"
		    " ON c.CHARACTER_SET_NAME = a.CHARACTER_SET_NAME") == 0)
		while ((got = sql_rows_next(&r, e)) == 1) {
			struct collation *to;

			c->collations = xreallocarray(c->collations, c->n_collations + 1,
						      sizeof(*c->collations));
			to = &c->collations[c->n_collations++];
			to->id = (unsigned)strtoul(r.cell[0] ? r.cell[0] : "0", NULL, 10);
			snprintf(to->name, sizeof(to->name), "%s", r.cell[1]);
			snprintf(to->charset, sizeof(to->charset), "%s", r.cell[2]);
			to->maxlen = (unsigned)strtoul(r.cell[3], NULL, 10);
		}
	sql_rows_release(&r);
	sql_close(s);
	if (got < 0)
		c->n_collations = 0;
	return got;
}

const struct collation *charsets_collation(struct charsets *c, unsigned id, struct err *e)
{
	if (!c->n_collations && c->has_server && ask_collations(c, e) < 0)
		return NULL;
	for (size_t i = 0; i < c->n_collations; i++)
		if (c->collations[i].id == id)
			return &c->collations[i];
	err_set(e, ERR_UNSUPPORTED, 0, "the server has no collation with number %u", id);
	return NULL;
}

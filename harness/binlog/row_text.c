/* A column's text to UTF-8. */
#include <errno.h>
#include <iconv.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/xalloc.h"
#include "harness/binlog/row_image.h"

struct row_text {
	bool latin1;
	iconv_t cd; /* when not latin1 */
};

/* The server's names, and iconv's. Sets that iconv lacks (dec8, hp8, swe7, keybcs2, macce, geostd8) are not carried. */
static const char *const sets[][2] = {
	{ "latin2", "ISO-8859-2" }, { "latin5", "ISO-8859-9" }, { "latin7", "ISO-8859-13" }, { "greek", "ISO-8859-7" }, { "hebrew", "ISO-8859-8" },
	{ "cp1250", "CP1250" }, { "cp1251", "CP1251" }, { "cp1256", "CP1256" }, { "cp1257", "CP1257" }, { "cp850", "CP850" }, { "cp852", "CP852" },
	{ "cp866", "CP866" }, { "koi8r", "KOI8-R" }, { "koi8u", "KOI8-U" }, { "tis620", "TIS-620" }, { "armscii8", "ARMSCII-8" },
	{ "macroman", "MACINTOSH" }, { "big5", "BIG5" }, { "gb2312", "GB2312" }, { "gbk", "GBK" }, { "sjis", "SJIS" }, { "cp932", "CP932" },
	{ "ujis", "EUC-JP" }, { "eucjpms", "EUC-JP-MS" }, { "euckr", "EUC-KR" }, { "ucs2", "UCS-2BE" }, { "utf16", "UTF-16BE" },
	{ "utf16le", "UTF-16LE" }, { "utf32", "UTF-32BE" },
};

bool row_text_is_utf8(const char *charset)
{
	return !strcmp(charset, "utf8mb4") || !strcmp(charset, "utf8mb3") || !strcmp(charset, "utf8") || !strcmp(charset, "ascii") ||
	       !strcmp(charset, "binary");
}

struct row_text *row_text_new(const char *charset)
{
	struct row_text t = { .latin1 = !strcmp(charset, "latin1") };

	for (size_t i = 0; !t.latin1; i++) {
		if (i == sizeof(sets) / sizeof(sets[0]))
			return NULL;
		if (strcmp(charset, sets[i][0]))
			continue;
		t.cd = iconv_open("UTF-8", sets[i][1]);
		if (t.cd == (iconv_t)-1)
			return NULL;
		break;
	}
	return xmemdup(&t, sizeof(t));
}

void row_text_free(struct row_text *t)
{
	if (t && !t->latin1)
		iconv_close(t->cd);
	free(t);
}

/* The server's latin1 is Windows' 1252, and gives the five places that 1252 leaves empty to the control characters of their number. */
static void latin1(const char *in, size_t n, struct strbuf *out)
{
	static const uint16_t high[32] = {
		0x20ac, 0x81, 0x201a, 0x192, 0x201e, 0x2026, 0x2020, 0x2021, 0x2c6, 0x2030, 0x160, 0x2039, 0x152, 0x8d, 0x17d, 0x8f,
		0x90, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014, 0x2dc, 0x2122, 0x161, 0x203a, 0x153, 0x9d, 0x17e, 0x178,
	};

	strbuf_grow(out, n * 3);
	for (size_t i = 0; i < n; i++) {
		unsigned c = (unsigned char)in[i];

		if (c < 0x80) {
			strbuf_addch(out, (char)c);
			continue;
		}
		if (c < 0xa0)
			c = high[c - 0x80];
		if (c < 0x800) {
			strbuf_addch(out, (char)(0xc0 | c >> 6));
		} else {
			strbuf_addch(out, (char)(0xe0 | c >> 12));
			strbuf_addch(out, (char)(0x80 | (c >> 6 & 0x3f)));
		}
		strbuf_addch(out, (char)(0x80 | (c & 0x3f)));
	}
}

int row_text_convert(struct row_text *t, const char *in, size_t n, struct strbuf *out)
{
	char *from = (char *)(uintptr_t)in; /* iconv takes char ** and does not write */
	char *to;
	size_t room;

	strbuf_reset(out);
	if (t->latin1) {
		latin1(in, n, out);
		return 0;
	}
	iconv(t->cd, NULL, NULL, NULL, NULL);
	while (n) {
		char part[1024];
		size_t r;

		to = part;
		room = sizeof(part);
		r = iconv(t->cd, &from, &n, &to, &room);
		strbuf_add(out, part, sizeof(part) - room);
		if (r == (size_t)-1 && errno != E2BIG)
			return -1;
	}
	return 0;
}

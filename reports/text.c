#include "reports/text.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "harness/base/xalloc.h"

#define REPLACEMENT 0xFFFDu

/* The character at s and its length in bytes; an invalid or overlong sequence is U+FFFD of one
 * byte. */
static uint32_t decode(const char *text, size_t *len)
{
	const unsigned char *s = (const unsigned char *)text;
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n = s[0] < 0x80 ? 1 : s[0] >= 0xF0 && s[0] < 0xF8 ? 4 : s[0] >= 0xE0 ? 3 : 2;
	uint32_t c;

	*len = 1;
	if (n == 1)
		return s[0];
	if (s[0] < 0xC2 || s[0] >= 0xF5)
		return REPLACEMENT;
	c = s[0] & (0xFFu >> (n + 1));
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xC0) != 0x80)
			return REPLACEMENT;
		c = c << 6 | (s[i] & 0x3F);
	}
	if (c < least[n] || c > 0x10FFFF || (c >= 0xD800 && c < 0xE000))
		return REPLACEMENT;
	*len = n;
	return c;
}

/* Unseen, or acting on what stands around it: C0, C1, direction marks, line separators,
 * non-characters, tags. */
static int is_control(uint32_t c)
{
	return c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0x61C || (c >= 0x200B && c <= 0x200F) ||
	       (c >= 0x2028 && c <= 0x202E) || (c >= 0x2060 && c <= 0x206F) || c == 0xFEFF ||
	       (c & 0xFFFE) == 0xFFFE || (c >= 0xFDD0 && c <= 0xFDEF) ||
	       (c >= 0xE0000 && c < 0xE0080);
}

static size_t visible_text(char out[16], uint32_t c)
{
	return (size_t)snprintf(out, 16, c < 0x100 ? "\\x%02" PRIx32 : "\\u%04" PRIx32, c);
}

static void add_char(struct strbuf *out, const char *s, size_t n, uint32_t c)
{
	if (c == REPLACEMENT && n == 1)
		strbuf_addstr(out, "\xEF\xBF\xBD");
	else
		strbuf_add(out, s, n);
}

static void add_markup(struct strbuf *out, const char *s, const char *newline)
{
	char name[16];
	size_t n;

	for (; s && *s; s += n) {
		uint32_t c = decode(s, &n);

		switch (c) {
		case '&': strbuf_addstr(out, "&amp;"); break;
		case '<': strbuf_addstr(out, "&lt;"); break;
		case '>': strbuf_addstr(out, "&gt;"); break;
		case '"': strbuf_addstr(out, "&quot;"); break;
		case '\'': strbuf_addstr(out, "&#39;"); break;
		case '\n': strbuf_addstr(out, newline); break;
		case '\t': strbuf_addch(out, ' '); break;
		default:
			if (is_control(c))
				strbuf_add(out, name, visible_text(name, c));
			else
				add_char(out, s, n, c);
		}
	}
}

void text_html(struct strbuf *out, const char *s)
{
	add_markup(out, s, "\n");
}

void text_xml(struct strbuf *out, const char *s)
{
	add_markup(out, s, "&#10;");
}

static size_t columns_of(uint32_t c)
{
	if ((c >= 0x300 && c < 0x370) || (c >= 0xFE00 && c < 0xFE10) || (c >= 0x20D0 && c < 0x2100))
		return 0;
	if ((c >= 0x1100 && c < 0x1160) || (c >= 0x2E80 && c < 0xA4D0) ||
	    (c >= 0xAC00 && c < 0xD7A4) || (c >= 0xF900 && c < 0xFB00) ||
	    (c >= 0xFE30 && c < 0xFE70) || (c >= 0xFF00 && c < 0xFF61) ||
	    (c >= 0x1F300 && c < 0x1FB00) || (c >= 0x20000 && c < 0x30000))
		return 2;
	return 1;
}

size_t text_line(struct strbuf *out, const char *s, size_t columns)
{
	/* `keep`: where an ellipsis still fits */
	size_t used = 0, n, keep = out->len, keep_used = 0;
	char name[16];

	for (; s && *s; s += n) {
		uint32_t c = decode(s, &n);
		size_t w = columns_of(c), len = 0;

		if (c == '\n' || c == '\t' || c == '\r')
			w = 1;
		else if (is_control(c))
			w = len = visible_text(name, c);
		if (used + w > columns) {
			strbuf_setlen(out, keep);
			if (columns)
				strbuf_addstr(out, "…");
			return columns ? keep_used + 1 : 0;
		}
		if (len)
			strbuf_add(out, name, len);
		else if (c == '\n' || c == '\t' || c == '\r')
			strbuf_addch(out, ' ');
		else
			add_char(out, s, n, c);
		used += w;
		if (used < columns) {
			keep = out->len;
			keep_used = used;
		}
	}
	return used;
}

char *text_cut(const char *s, size_t bytes)
{
	size_t n = s ? strlen(s) : 0;

	if (n <= bytes)
		return xstrdup(s);
	n = bytes > 3 ? bytes - 3 : 0; /* the ellipsis is three bytes */
	while (n && ((unsigned char)s[n] & 0xC0) == 0x80)
		n--;
	return xstrfmt("%.*s…", (int)n, s);
}

const char *text_count(char out[TEXT_NUMBER], int64_t n)
{
	char plain[TEXT_NUMBER];
	int len = snprintf(plain, sizeof(plain), "%" PRId64, n), o = 0;

	for (int i = 0; i < len; i++) {
		out[o++] = plain[i];
		if (plain[i] != '-' && i + 1 < len && (len - 1 - i) % 3 == 0)
			out[o++] = ',';
	}
	out[o] = 0;
	return out;
}

const char *text_seconds(char out[TEXT_NUMBER], double s)
{
	if (s < 9.995)
		snprintf(out, TEXT_NUMBER, "%.2f s", s);
	else if (s < 119.95)
		snprintf(out, TEXT_NUMBER, "%.1f s", s);
	else if (s < 7199.5)
		snprintf(out, TEXT_NUMBER, "%d min %02d s", (int)round(s) / 60, (int)round(s) % 60);
	else
		snprintf(out, TEXT_NUMBER, "%.0f h %02.0f min", floor(s / 3600),
			 floor(fmod(s, 3600) / 60));
	return out;
}

const char *text_figure(char out[TEXT_NUMBER], double v)
{
	double size = fabs(v);

	if (size >= 100 && size < 9e15)
		return text_count(out, (int64_t)round(v));
	snprintf(out, TEXT_NUMBER, size >= 10 ? "%.1f" : size >= 1 ? "%.2f" : "%.3f", v);
	if (strchr(out, '.')) {
		char *end = out + strlen(out) - 1;

		while (*end == '0')
			*end-- = 0;
		if (*end == '.')
			*end = 0;
	}
	return out;
}

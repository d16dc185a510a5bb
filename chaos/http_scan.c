#include "chaos/http_scan.h"

#include <string.h>
#include <strings.h>

void http_scan_init(struct http_scan *s)
{
	s->state = HTTP_HEAD;
	s->head_n = 0;
	s->whole = false;
	s->left = s->body_seen = s->requests = 0;
	s->target[0] = '\0';
}

/* "METHOD target HTTP/1.x": the first two words. */
static bool read_request_line(struct http_scan *s)
{
	const char *end = memchr(s->head, '\r', s->head_n), *space, *space2;
	size_t n;

	if (!end)
		return false;
	space = memchr(s->head, ' ', (size_t)(end - s->head));
	if (!space || space == s->head)
		return false;
	for (const char *p = s->head; p < space; p++)
		if (*p < 'A' || *p > 'Z')
			return false;
	space2 = memchr(space + 1, ' ', (size_t)(end - space - 1));
	if (!space2 || end - space2 < 9 || memcmp(space2 + 1, "HTTP/1.", 7) != 0)
		return false;
	n = (size_t)(space2 - s->head);
	if (n >= sizeof(s->target))
		n = sizeof(s->target) - 1;
	memcpy(s->target, s->head, n);
	s->target[n] = '\0';
	return true;
}

/* A header's value, its spaces off; NULL when it is absent. */
static const char *find_header(const struct http_scan *s, const char *name, size_t *len)
{
	size_t name_n = strlen(name);
	const char *p = s->head, *end = s->head + s->head_n;

	while (p < end) {
		const char *eol = memchr(p, '\n', (size_t)(end - p));

		if (!eol)
			return NULL;
		if ((size_t)(eol - p) > name_n && !strncasecmp(p, name, name_n) &&
		    p[name_n] == ':') {
			const char *v = p + name_n + 1;

			while (v < eol && (*v == ' ' || *v == '\t'))
				v++;
			*len = (size_t)(eol - v);
			while (*len &&
			       (v[*len - 1] == '\r' || v[*len - 1] == ' ' || v[*len - 1] == '\t'))
				--*len;
			return v;
		}
		p = eol + 1;
	}
	return NULL;
}

static bool read_number(const char *p, size_t n, unsigned base, uint64_t *out)
{
	uint64_t v = 0;

	if (!n || n > 18)
		return false;
	for (size_t i = 0; i < n; i++) {
		unsigned d = p[i] >= '0' && p[i] <= '9'   ? (unsigned)(p[i] - '0')
			     : p[i] >= 'a' && p[i] <= 'f' ? (unsigned)(p[i] - 'a') + 10
			     : p[i] >= 'A' && p[i] <= 'F' ? (unsigned)(p[i] - 'A') + 10
							  : 99;

		if (d >= base)
			return false;
		v = v * base + d;
	}
	*out = v;
	return base == 10 || n <= 15;
}

/* The head is whole: what follows it? */
static bool read_head(struct http_scan *s)
{
	const char *v;
	size_t n;

	if (!read_request_line(s))
		return false;
	s->requests++;
	s->body_seen = 0;
	s->left = 0;
	v = find_header(s, "transfer-encoding", &n);
	if (v) {
		if (n < 7 || strncasecmp(v + n - 7, "chunked", 7) != 0)
			return false;
		s->state = HTTP_CHUNK_LINE;
		return true;
	}
	v = find_header(s, "content-length", &n);
	if (v && !read_number(v, n, 10, &s->left))
		return false;
	if (find_header(s, "upgrade", &n))
		return false;
	s->state = s->left ? HTTP_BODY : HTTP_HEAD;
	return true;
}

static enum http_piece pass_opaquely(struct http_scan *s)
{
	s->state = HTTP_OPAQUE;
	return HTTP_PIECE_OPAQUE;
}

static enum http_piece take_head(struct http_scan *s, const char *data, size_t n, size_t *taken,
				 bool *ends)
{
	size_t i = 0;

	if (s->whole)
		s->head_n = 0; /* an earlier request's, taken */
	s->whole = false;
	while (i < n && s->head_n < HTTP_HEAD_MAX) {
		s->head[s->head_n++] = data[i++];
		if (s->head_n >= 4 && !memcmp(s->head + s->head_n - 4, "\r\n\r\n", 4)) {
			*taken = i;
			s->whole = true;
			if (!read_head(s))
				return pass_opaquely(s);
			*ends = s->state == HTTP_HEAD;
			return HTTP_PIECE_HEAD;
		}
	}
	*taken = i;
	return s->head_n == HTTP_HEAD_MAX ? pass_opaquely(s) : HTTP_PIECE_HEAD_PART;
}

/* A chunk's size line, or the lines behind the last chunk; s->head holds the line so far. */
static enum http_piece take_line(struct http_scan *s, const char *data, size_t n, size_t *taken,
				 bool *ends)
{
	const char *nl = memchr(data, '\n', n);
	size_t part = nl ? (size_t)(nl - data) + 1 : n, line;

	*taken = part;
	s->body_seen += part;
	if (s->head_n + part > HTTP_HEAD_MAX) {
		s->head_n = 0; /* these went by as parts of the body */
		s->state = HTTP_OPAQUE;
		return HTTP_PIECE_BODY;
	}
	memcpy(s->head + s->head_n, data, part);
	s->head_n += part;
	if (!nl)
		return HTTP_PIECE_BODY;
	line = s->head_n - 1;
	s->head_n = 0;
	if (line && s->head[line - 1] == '\r')
		line--;
	if (s->state == HTTP_CHUNK_END) {
		s->state = line ? HTTP_OPAQUE : HTTP_CHUNK_LINE;
	} else if (s->state == HTTP_TRAILER) {
		if (!line) {
			s->state = HTTP_HEAD;
			*ends = true;
		}
	} else {
		const char *semi = memchr(s->head, ';', line);

		if (!read_number(s->head, semi ? (size_t)(semi - s->head) : line, 16, &s->left))
			s->state = HTTP_OPAQUE;
		else
			s->state = s->left ? HTTP_CHUNK : HTTP_TRAILER;
	}
	return HTTP_PIECE_BODY;
}

enum http_piece http_scan_take(struct http_scan *s, const char *data, size_t n, size_t *taken,
			       bool *ends)
{
	*ends = false;
	switch (s->state) {
	case HTTP_HEAD: return take_head(s, data, n, taken, ends);
	case HTTP_CHUNK_LINE:
	case HTTP_CHUNK_END:
	case HTTP_TRAILER:
		if (s->body_seen == 0)
			s->head_n = 0; /* the request's head was there */
		return take_line(s, data, n, taken, ends);
	case HTTP_BODY:
	case HTTP_CHUNK:
		*taken = n < s->left ? n : (size_t)s->left;
		s->left -= *taken;
		s->body_seen += *taken;
		if (!s->left && s->state == HTTP_BODY) {
			s->state = HTTP_HEAD;
			*ends = true;
		} else if (!s->left) {
			s->state = HTTP_CHUNK_END;
			s->head_n = 0;
		}
		return HTTP_PIECE_BODY;
	case HTTP_OPAQUE: break;
	}
	*taken = n;
	return HTTP_PIECE_OPAQUE;
}

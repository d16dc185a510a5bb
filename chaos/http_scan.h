/* Follows the requests of one HTTP/1.1 connection however its bytes are split. If it cannot follow
 * a connection (an oversized head, an unknown transfer coding), it passes the bytes through, and
 * faults and watches no longer apply. */
#ifndef CHAOS_HTTP_SCAN_H
#define CHAOS_HTTP_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_HEAD_MAX 16384
#define HTTP_TARGET_MAX 1024

enum http_state {
	HTTP_HEAD,
	HTTP_BODY,
	HTTP_CHUNK_LINE,
	HTTP_CHUNK,
	HTTP_CHUNK_END,
	HTTP_TRAILER,
	HTTP_OPAQUE
};
struct http_scan {
	enum http_state state;
	char head[HTTP_HEAD_MAX];
	size_t head_n;
	bool whole;                   /* head is a request's, and whole */
	uint64_t left;                /* of the body, or of its chunk */
	uint64_t body_seen;           /* bytes of this request's body so far, as they are sent */
	char target[HTTP_TARGET_MAX]; /* "PUT /bucket/key?query" of the request under way */
	uint64_t requests;
};
/* What the first n bytes were: */
enum http_piece { HTTP_PIECE_HEAD_PART, HTTP_PIECE_HEAD, HTTP_PIECE_BODY, HTTP_PIECE_OPAQUE };
void http_scan_init(struct http_scan *s);
/* Takes a piece from the front of data: *taken of its bytes, all of one kind. HEAD: the head is
 * whole now, its bytes are in s->head[0..head_n), those of earlier pieces too. HEAD_PART: kept
 * there, more is wanted. OPAQUE: head_n bytes of s->head come first when it is not 0; the caller
 * passes them on and sets head_n to 0. *ends: the request is complete with this piece. */
enum http_piece http_scan_take(struct http_scan *s, const char *data, size_t n, size_t *taken,
			       bool *ends);

#endif

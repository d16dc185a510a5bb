/* lib: redo */
/* A whole log file, plain or LZ4: in one piece or in many, as a .log and as a .log.tmp. What a .log
 * holds, the .tmp holds; what was read is the same in any pieces, when it is encoded and read
 * again, and when it is compressed. */
#include <lz4frame.h>
#include <stdlib.h>
#include <string.h>

#include "harness/redo/reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HOLDS(fact)              \
	do {                     \
		if (!(fact))     \
			abort(); \
	} while (0)

struct reading {
	struct strbuf out; /* all events, encoded again */
	uint64_t records, next;
	struct redo_parse_result r;
	struct err e;
	int rc;
};

static int take(void *arg, const struct redo_event *ev, uint64_t offset, struct err *e)
{
	struct reading *g = arg;

	(void)e;
	HOLDS(offset >= g->next && offset % 8 == 0);
	g->next = offset + 8;
	g->records++;
	redo_encode_frame(&g->out, ev);
	return 0;
}

/* seed 0: one piece; else pieces of all sizes that the seed makes, each in memory of its own. */
static void read_file(struct reading *g, const void *data, size_t n, bool tmp, uint32_t seed)
{
	struct redo_parser *p = redo_parser_new("file", tmp, take, g);

	*g = (struct reading){ .out = STRBUF_INIT, .e = ERR_INIT };
	for (size_t at = 0, k; at < n && g->rc == 0; at += k) {
		unsigned char *piece;

		seed = seed ? seed * 1664525u + 1013904223u : 0;
		k = seed ? 1 + (seed >> 16) % (seed >> 30 ? 16 : 700) : n;
		if (k > n - at)
			k = n - at;
		piece = malloc(k);
		HOLDS(piece);
		memcpy(piece, (const char *)data + at, k);
		g->rc = redo_parser_feed(p, piece, k, &g->e);
		free(piece);
	}
	if (g->rc == 0)
		g->rc = redo_parser_end(p, &g->r, &g->e);
	redo_parser_free(p);
	if (g->rc < 0) {
		HOLDS(g->e.kind == ERR_BAD_DATA && !strncmp(g->e.text, "file: ", 6));
		return;
	}
	HOLDS(g->r.records == g->records && (!g->r.torn || tmp) && g->r.torn_at == g->r.bytes);
}

static bool same(const struct reading *a, const struct reading *b)
{
	return a->records == b->records && a->out.len == b->out.len &&
	       !memcmp(a->out.buf, b->out.buf, a->out.len);
}

static void read_again(const struct reading *g)
{
	LZ4F_preferences_t pref = { .frameInfo = { .blockSizeID = LZ4F_max64KB,
						   .contentChecksumFlag =
							   LZ4F_contentChecksumEnabled } };
	size_t bound = LZ4F_compressFrameBound(g->out.len, &pref), n;
	struct reading h;
	char *packed;

	read_file(&h, g->out.buf, g->out.len, false, 0);
	HOLDS(h.rc == 0 && same(g, &h) && h.r.bytes == g->out.len);
	strbuf_release(&h.out);
	packed = malloc(bound);
	HOLDS(packed);
	n = LZ4F_compressFrame(packed, bound, g->out.buf, g->out.len, &pref);
	HOLDS(!LZ4F_isError(n));
	read_file(&h, packed, n, false, 1);
	HOLDS(h.rc == 0 && same(g, &h) && h.r.bytes == g->out.len);
	strbuf_release(&h.out);
	free(packed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	bool lz4 = size >= 4 && !memcmp(data, "\x04\x22\x4d\x18", 4);
	struct reading whole, pieces, tmp, tmp_pieces;
	uint32_t seed = (uint32_t)size * 2654435761u | 1;

	read_file(&whole, data, size, false, 0);
	read_file(&pieces, data, size, false, seed);
	read_file(&tmp, data, size, true, 0);
	read_file(&tmp_pieces, data, size, true, seed ^ 0x55555554u);
	HOLDS(whole.rc == pieces.rc && tmp.rc == tmp_pieces.rc);
	if (!lz4) /* a bad LZ4 block takes with it what its piece held before it */
		HOLDS(same(&whole, &pieces) && !strcmp(whole.e.text, pieces.e.text) &&
		      !strcmp(tmp.e.text, tmp_pieces.e.text));
	if (tmp.rc == 0)
		HOLDS(same(&tmp, &tmp_pieces) && tmp.r.torn == tmp_pieces.r.torn &&
		      tmp.r.bytes == tmp_pieces.r.bytes);
	if (whole.rc == 0) {
		HOLDS(tmp.rc == 0 && !tmp.r.torn && same(&whole, &tmp) && same(&whole, &pieces));
		HOLDS(lz4 || whole.r.bytes == size);
		read_again(&whole);
	}
	if (tmp.rc == 0 && tmp.r.torn)
		HOLDS(whole.rc < 0 && (lz4 || tmp.r.torn_at <= size));
	strbuf_release(&whole.out);
	strbuf_release(&pieces.out);
	strbuf_release(&tmp.out);
	strbuf_release(&tmp_pieces.out);
	return 0;
}

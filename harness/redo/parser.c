#include <lz4frame.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/xalloc.h"
#include "harness/redo/reader.h"

#define FRAME_HEAD 8
#define SECTOR 512
#define LZ4_MAGIC "\x04\x22\x4d\x18"
#define LZ4_OUT ((size_t)256 << 10)

struct redo_parser {
	char *label;
	bool tmp, torn, sniffed, lz4_done;
	redo_event_fn *fn;
	void *arg;
	struct redo_decoder *dec;
	struct strbuf rest; /* bytes of a frame that is not whole yet; they begin at `offset` */
	uint64_t offset, records;
	LZ4F_dctx *lz4;
	char *lz4_out;
	char head[4]; /* the first bytes, until there are enough to tell the compression */
	size_t n_head;
};

struct redo_parser *redo_parser_new(const char *label, bool tmp, redo_event_fn *fn, void *arg)
{
	struct redo_parser *p = xcalloc(1, sizeof(*p));

	p->label = xstrdup(label);
	p->tmp = tmp;
	p->fn = fn;
	p->arg = arg;
	p->dec = redo_decoder_new();
	p->rest = (struct strbuf)STRBUF_INIT;
	return p;
}

void redo_parser_free(struct redo_parser *p)
{
	if (!p)
		return;
	if (p->lz4)
		LZ4F_freeDecompressionContext(p->lz4);
	free(p->lz4_out);
	redo_decoder_free(p->dec);
	strbuf_release(&p->rest);
	free(p->label);
	free(p);
}

static int at_offset(const struct redo_parser *p, struct err *e)
{
	return err_wrap(e, "%s: offset %llu", p->label, (unsigned long long)p->offset);
}

/* A torn write: one of the 512-byte sectors of the file that the body touches is all zero. */
static bool has_zero_sector(const struct redo_parser *p, const unsigned char *body, size_t n)
{
	uint64_t from = p->offset + FRAME_HEAD;
	size_t i = 0;

	while (i < n) {
		size_t upto = i + SECTOR - (size_t)((from + i) % SECTOR);
		bool zero = true;

		if (upto > n)
			upto = n;
		for (size_t k = i; k < upto && zero; k++)
			zero = !body[k];
		if (zero)
			return true;
		i = upto;
	}
	return false;
}

static int check_padding(const unsigned char *p, unsigned n, struct err *e)
{
	while (n--)
		if (*p++)
			return err_set(e, ERR_BAD_DATA, 0, "a record's padding is not zero");
	return 0;
}

/* Consumes whole frames; the number of bytes, or -1. */
static int64_t take_frames(struct redo_parser *p, const unsigned char *data, size_t n,
			   struct err *e)
{
	size_t done = 0;

	while (n - done >= FRAME_HEAD && !p->torn) {
		const unsigned char *at = data + done;
		struct redo_event ev;
		uint64_t field = 0, body;
		unsigned pad;

		for (int i = 7; i >= 0; i--)
			field = field << 8 | at[i];
		body = field & (((uint64_t)1 << 56) - 1);
		pad = field >> 63 ? (unsigned)(field >> 56) & 7 : 0;
		if (!body && p->tmp) {
			p->torn = true; /* a tail that was allocated and never written */
			break;
		}
		if (!body || body > REDO_BODY_BYTES_MAX || pad != (8 - body % 8) % 8 ||
		    (field >> 56 & 0x78)) {
			err_set(e, ERR_BAD_DATA, 0, "%s",
				!body ? "a record of length zero"
				: body > REDO_BODY_BYTES_MAX
					? "a record longer than a file can be"
					: "a record whose padding does not fit its length");
			at_offset(p, e);
			return -1;
		}
		if (n - done - FRAME_HEAD < body + pad)
			break;
		if (redo_decode(p->dec, at + FRAME_HEAD, (size_t)body, &ev, e) < 0 ||
		    check_padding(at + FRAME_HEAD + body, pad, e) < 0) {
			if (p->tmp && has_zero_sector(p, at + FRAME_HEAD, (size_t)body + pad)) {
				p->torn = true;
				break;
			}
			at_offset(p, e);
			return -1;
		}
		if (p->fn(p->arg, &ev, p->offset, e) < 0)
			return -1;
		p->records++;
		p->offset += FRAME_HEAD + body + pad;
		done += FRAME_HEAD + (size_t)body + pad;
	}
	return (int64_t)done;
}

/* Uncompressed bytes, in any pieces. What the file holds bounds the memory, never what a length
 * field claims. */
static int take_plain(struct redo_parser *p, const char *data, size_t n, struct err *e)
{
	int64_t used;

	if (p->torn)
		return 0;
	if (p->rest.len) {
		strbuf_add(&p->rest, data, n);
		used = take_frames(p, (const unsigned char *)p->rest.buf, p->rest.len, e);
		if (used < 0)
			return -1;
		memmove(p->rest.buf, p->rest.buf + used, p->rest.len - (size_t)used);
		strbuf_setlen(&p->rest, p->rest.len - (size_t)used);
		return 0;
	}
	used = take_frames(p, (const unsigned char *)data, n, e);
	if (used < 0)
		return -1;
	strbuf_add(&p->rest, data + used, n - (size_t)used);
	return 0;
}

static int take_compressed(struct redo_parser *p, const char *data, size_t n, struct err *e)
{
	size_t out = 0;

	/* A full output buffer: the decompressor may hold more, although it has taken all of the
	 * input. */
	while (n || out == LZ4_OUT) {
		size_t in = n, hint;

		if (p->lz4_done) {
			if (!n)
				break;
			return err_set(e, ERR_BAD_DATA, 0, "%s: extra bytes after the LZ4 frame",
				       p->label);
		}
		out = LZ4_OUT;
		hint = LZ4F_decompress(p->lz4, p->lz4_out, &out, data, &in, NULL);
		/* Also in a .tmp: a killed writer leaves a frame without its end, never one with
		 * other bytes. */
		if (LZ4F_isError(hint))
			return err_set(e, ERR_BAD_DATA, 0,
				       "%s: LZ4, after %llu uncompressed bytes: %s", p->label,
				       (unsigned long long)(p->offset + p->rest.len),
				       LZ4F_getErrorName(hint));
		if (take_plain(p, p->lz4_out, out, e) < 0)
			return -1;
		p->lz4_done = hint == 0;
		data += in;
		n -= in;
	}
	return 0;
}

static int route(struct redo_parser *p, const char *data, size_t n, struct err *e)
{
	return p->lz4 ? take_compressed(p, data, n, e) : take_plain(p, data, n, e);
}

static int sniff(struct redo_parser *p, struct err *e)
{
	p->sniffed = true;
	if (p->n_head == 4 && !memcmp(p->head, LZ4_MAGIC, 4)) {
		if (LZ4F_isError(LZ4F_createDecompressionContext(&p->lz4, LZ4F_VERSION)))
			return err_set(e, ERR_IO, 0, "%s: cannot initialize LZ4", p->label);
		p->lz4_out = xmalloc(LZ4_OUT);
	}
	return route(p, p->head, p->n_head, e);
}

int redo_parser_feed(struct redo_parser *p, const void *data, size_t n, struct err *e)
{
	const char *at = data;

	while (!p->sniffed && n) {
		p->head[p->n_head++] = *at++;
		n--;
		if (p->n_head == 4 && sniff(p, e) < 0)
			return -1;
	}
	return n ? route(p, at, n, e) : 0;
}

void redo_parser_state(const struct redo_parser *p, struct redo_parse_result *r)
{
	*r = (struct redo_parse_result){
		.records = p->records, .bytes = p->offset, .torn = true, .torn_at = p->offset
	};
}

int redo_parser_end(struct redo_parser *p, struct redo_parse_result *r, struct err *e)
{
	*r = (struct redo_parse_result){ 0 };
	if (!p->sniffed && sniff(p, e) < 0)
		return -1;
	if (p->rest.len || (p->lz4 && !p->lz4_done))
		p->torn = true;
	r->records = p->records;
	r->bytes = p->offset;
	r->torn = p->torn;
	r->torn_at = p->offset;
	if (p->torn && !p->tmp) {
		err_set(e, ERR_BAD_DATA, 0,
			"the file ends within a record: objects become visible only when "
			"complete, so it was truncated");
		return at_offset(p, e);
	}
	return 0;
}

#include "workloads/wire.h"

#include <mysql.h>
#include <stdio.h>
#include <string.h>

#define HEADER 4
#define OK 0x00
#define ERROR 0xff
#define PROGRESS 0xffff /* in the place of an error's code: the statement goes on */
#define NUMBER_TYPE 8   /* LONGLONG */
#define TEXT_TYPE 254   /* STRING */

static void add_le(struct strbuf *out, uint64_t v, unsigned bytes)
{
	char le[8];

	for (unsigned i = 0; i < bytes; i++)
		le[i] = (char)(v >> (8 * i));
	strbuf_add(out, le, bytes);
}

static void add_length(struct strbuf *out, uint64_t n)
{
	if (n < 251) {
		add_le(out, n, 1);
	} else if (n < 1 << 16) {
		strbuf_addch(out, (char)252);
		add_le(out, n, 2);
	} else if (n < 1 << 24) {
		strbuf_addch(out, (char)253);
		add_le(out, n, 3);
	} else {
		strbuf_addch(out, (char)254);
		add_le(out, n, 8);
	}
}

/* Packets of 16 MiB and more are cut into several. */
static void begin(struct strbuf *out, char command)
{
	strbuf_reset(out);
	strbuf_add(out, "\0\0\0\0", HEADER);
	strbuf_addch(out, command);
}

static void end(struct strbuf *out)
{
	size_t n = out->len - HEADER;

	for (unsigned i = 0; i < 3; i++)
		out->buf[i] = (char)(n >> (8 * i));
}

void wire_query(struct strbuf *out, const char *text, size_t n)
{
	begin(out, 3);
	strbuf_add(out, text, n);
	end(out);
}

void wire_execute(struct strbuf *out, unsigned long stmt_id, const struct con_call *call)
{
	begin(out, 23);
	add_le(out, stmt_id, 4);
	add_le(out, 0, 1); /* no cursor */
	add_le(out, 1, 4); /* once */
	if (call->n_args) {
		for (unsigned i = 0; i < (call->n_args + 7) / 8; i++)
			strbuf_addch(out, 0); /* no NULLs */
		strbuf_addch(out, 1);         /* types follow */
	}
	for (unsigned i = 0; i < call->n_args; i++)
		add_le(out, call->arg[i].is_text ? TEXT_TYPE : NUMBER_TYPE, 2);
	for (unsigned i = 0; i < call->n_args; i++) {
		const struct con_arg *a = &call->arg[i];

		if (a->is_text) {
			add_length(out, a->len);
			strbuf_add(out, a->text, a->len);
		} else {
			add_le(out, (uint64_t)a->number, 8);
		}
	}
	end(out);
}

/* What is left of a packet; a read beyond its end fails it. */
struct reader {
	const unsigned char *at, *end;
	bool failed;
};

static uint64_t read_le(struct reader *r, unsigned bytes)
{
	uint64_t v = 0;

	if ((size_t)(r->end - r->at) < bytes) {
		r->failed = true;
		return 0;
	}
	for (unsigned i = 0; i < bytes; i++)
		v |= (uint64_t)r->at[i] << (8 * i);
	r->at += bytes;
	return v;
}

static uint64_t read_length(struct reader *r)
{
	uint64_t first = read_le(r, 1);

	switch (first) {
	case 252: return read_le(r, 2);
	case 253: return read_le(r, 3);
	case 254: return read_le(r, 8);
	case 251:
	case 255: r->failed = true; return 0;
	default: return first;
	}
}

static struct reader read_text(struct reader *r)
{
	uint64_t n = read_length(r);
	struct reader text = { r->at, r->at, false };

	if (r->failed || n > (uint64_t)(r->end - r->at)) {
		r->failed = true;
		return text;
	}
	text.end = r->at += n;
	return text;
}

uint64_t wire_gtid(const char *text, size_t n)
{
	uint64_t seq = 0;
	size_t at = n;

	while (at > 0 && text[at - 1] >= '0' && text[at - 1] <= '9' && n - at < 19)
		at--;
	for (; at < n; at++)
		seq = seq * 10 + (uint64_t)(text[at] - '0');
	return seq;
}

/* Names and values, in turn. */
static void read_variables(struct reader all, struct wire_answer *a)
{
	while (all.at < all.end && !all.failed) {
		struct reader name = read_text(&all), value = read_text(&all);

		if (!all.failed && name.end - name.at == 9 && !memcmp(name.at, "last_gtid", 9))
			a->gtid = wire_gtid((const char *)value.at, (size_t)(value.end - value.at));
	}
}

static int read_ok(struct reader r, bool tracks, struct wire_answer *a)
{
	struct reader changes;
	unsigned status;

	a->affected = read_length(&r);
	read_length(&r); /* insert id */
	status = (unsigned)read_le(&r, 2);
	read_le(&r, 2); /* warnings */
	if (r.failed || status & SERVER_MORE_RESULTS_EXIST)
		return -1;
	if (!tracks || r.at == r.end)
		return 1;
	read_text(&r); /* info */
	if (r.failed || !(status & SERVER_SESSION_STATE_CHANGED))
		return r.failed ? -1 : 1;
	changes = read_text(&r);
	while (changes.at < changes.end && !r.failed && !changes.failed) {
		unsigned type = (unsigned)read_le(&changes, 1);
		struct reader what = read_text(&changes);

		if (type == SESSION_TRACK_SYSTEM_VARIABLES && !changes.failed)
			read_variables(what, a);
	}
	return r.failed || changes.failed ? -1 : 1;
}

static int read_error(struct reader r, struct wire_answer *a)
{
	a->code = (int)read_le(&r, 2);
	if (r.failed || a->code == PROGRESS || !a->code)
		return -1;
	if (r.end - r.at >= 6 && *r.at == '#')
		r.at += 6; /* SQLSTATE */
	snprintf(a->text, sizeof(a->text), "%.*s", (int)(r.end - r.at), (const char *)r.at);
	return 1;
}

int wire_answer(const unsigned char *bytes, size_t n, bool tracks, struct wire_answer *a)
{
	struct reader r;
	size_t len;

	if (n < HEADER)
		return 0;
	len = (size_t)(bytes[0] | bytes[1] << 8 | bytes[2] << 16);
	if (!len || len > WIRE_ANSWER_MAX)
		return -1;
	if (n < HEADER + len)
		return 0;
	a->code = 0;
	a->gtid = 0;
	r = (struct reader){ bytes + HEADER + 1, bytes + HEADER + len, false };
	/* a server that ends a connection says why with an error that answers nothing: its number
	 * is 0 */
	if (bytes[HEADER] == ERROR)
		return read_error(r, a);
	if (bytes[HEADER] != OK || bytes[3] != 1 || n != HEADER + len)
		return -1;
	return read_ok(r, tracks, a);
}

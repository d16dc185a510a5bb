/* redo: the codec against logs of the real TiCDC. Fixtures: tests/fixtures/redo. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <jansson.h>
#include <lz4frame.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/rng.h"
#include "harness/base/xalloc.h"
#include "harness/os/fs.h"
#include "harness/redo/reader.h"
#include "harness/redo/writer.h"
#include "harness/sql/schema.h"

#define FIXTURES "tests/fixtures/redo/"
static const char *const cases[] = { "small", "small-lz4", "keyswap", "sysbench" };

struct again { /* what was decoded, encoded again */
	struct strbuf out;
	unsigned rows, ddls;
};

static int encode_again(void *arg, const struct redo_event *ev, uint64_t offset, struct err *e)
{
	struct again *a = arg;

	(void)e;
	assert_true(a->out.len == offset);
	redo_encode_frame(&a->out, ev);
	if (ev->kind == REDO_ROW)
		a->rows++;
	else
		a->ddls++;
	return 0;
}

/* Calls fn for each .log of a case with its bytes. */
static void each_log(const char *name,
		     void (*fn)(const char *base, const struct strbuf *body, void *arg), void *arg)
{
	char *dir = xstrfmt(FIXTURES "%s/log", name);
	DIR *d = opendir(dir);
	struct dirent *ent;
	struct err e = ERR_INIT;
	int n = 0;

	if (!d)
		fail_msg("%s is not there", dir);
	while ((ent = readdir(d))) {
		struct strbuf body = STRBUF_INIT;
		char *path;

		if (!strstr(ent->d_name, ".log"))
			continue;
		path = xstrfmt("%s/%s", dir, ent->d_name);
		if (fs_read_file(path, 1 << 30, &body, &e) < 0)
			fail_msg("%s", e.text);
		fn(ent->d_name, &body, arg);
		strbuf_release(&body);
		free(path);
		n++;
	}
	closedir(d);
	free(dir);
	assert_true(n > 0);
}

static int parse(const struct strbuf *body, size_t n, bool tmp, size_t piece, redo_event_fn *fn,
		 void *arg, struct redo_parse_result *r, struct err *e)
{
	struct redo_parser *p = redo_parser_new("file", tmp, fn, arg);
	int rc = 0;

	for (size_t at = 0; at < n && rc == 0; at += piece)
		rc = redo_parser_feed(p, body->buf + at, n - at < piece ? n - at : piece, e);
	if (rc == 0)
		rc = redo_parser_end(p, r, e);
	redo_parser_free(p);
	return rc;
}

static void check_again(const char *base, const struct strbuf *body, void *arg)
{
	struct again a = { .out = STRBUF_INIT };
	struct redo_parse_result r;
	struct redo_name name;
	struct err e = ERR_INIT;
	bool lz4 = !memcmp(body->buf, "\x04\x22\x4d\x18", 4);

	(void)arg;
	assert_int_equal(redo_name_parse(&name, base, &e), 0);
	if (parse(body, body->len, false, body->len, encode_again, &a, &r, &e) < 0)
		fail_msg("%s: %s", base, e.text);
	assert_int_equal(r.records, a.rows + a.ddls);
	assert_int_equal(name.kind == REDO_FILE_ROW ? a.ddls : a.rows, 0);
	if (!lz4) {
		assert_int_equal(a.out.len, body->len);
		assert_memory_equal(a.out.buf, body->buf, body->len);
	}
	strbuf_release(&a.out);
}

static void every_record_is_encoded_again_byte_for_byte(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		each_log(cases[i], check_again, NULL);
}

static int ignore(void *arg, const struct redo_event *ev, uint64_t offset, struct err *e)
{
	(void)arg;
	(void)ev;
	(void)offset;
	(void)e;
	return 0;
}

static void check_pieces(const char *base, const struct strbuf *body, void *arg)
{
	static const size_t pieces[] = { 1, 7, 4096 };
	struct again whole = { .out = STRBUF_INIT };
	struct redo_parse_result r;
	struct err e = ERR_INIT;

	(void)base;
	(void)arg;
	assert_int_equal(parse(body, body->len, false, body->len, encode_again, &whole, &r, &e), 0);
	for (size_t i = 0; i < 3; i++) {
		struct again a = { .out = STRBUF_INIT };

		assert_int_equal(parse(body, body->len, false, pieces[i], encode_again, &a, &r, &e),
				 0);
		assert_int_equal(a.out.len, whole.out.len);
		assert_memory_equal(a.out.buf, whole.out.buf, a.out.len);
		strbuf_release(&a.out);
	}
	strbuf_release(&whole.out);
}

static void a_file_in_pieces_gives_the_same(void **unused)
{
	(void)unused;
	each_log("small", check_pieces, NULL);
	each_log("small-lz4", check_pieces, NULL);
	each_log("keyswap", check_pieces, NULL);
}

static void check_cuts(const char *base, const struct strbuf *body, void *arg)
{
	bool plain = memcmp(body->buf, "\x04\x22\x4d\x18", 4) != 0;
	size_t step = body->len > 4096 ? 61 : 1;

	(void)base;
	(void)arg;
	for (size_t n = 1; n < body->len; n += step) {
		struct redo_parse_result r;
		struct err e = ERR_INIT;
		int whole = parse(body, n, false, n, ignore, NULL, &r, &e);

		if (whole < 0) { /* a .log: refused, with the place */
			assert_int_equal(e.kind, ERR_BAD_DATA);
			assert_non_null(strstr(e.text, "file: "));
			e = (struct err)ERR_INIT;
			if (parse(body, n, true, n, ignore, NULL, &r, &e) < 0)
				fail_msg("cut at %zu of a .log.tmp: %s", n, e.text);
			assert_true(r.torn);
			assert_true(!plain || r.torn_at <= n);
		} else {
			assert_true(plain && r.bytes == n);
		}
	}
}

static void a_cut_is_refused_in_a_log_and_ends_a_tmp(void **unused)
{
	(void)unused;
	each_log("small", check_cuts, NULL);
	each_log("small-lz4", check_cuts, NULL);
	each_log("keyswap", check_cuts, NULL);
}

/* Whatever one changed byte does, it is an error or other values: the sanitizers watch. */
static void check_flips(const char *base, const struct strbuf *body, void *arg)
{
	struct strbuf copy = STRBUF_INIT;
	struct rng rng;
	unsigned *caught = arg;

	(void)base;
	rng_seed(&rng, 7);
	strbuf_add(&copy, body->buf, body->len);
	for (int i = 0; i < 2000; i++) {
		size_t at = (size_t)rng_below(&rng, body->len);
		char was = copy.buf[at];
		struct redo_parse_result r;
		struct err e = ERR_INIT;

		copy.buf[at] = (char)rng_u64(&rng);
		if (parse(&copy, copy.len, i & 1, 997, ignore, NULL, &r, &e) < 0)
			++*caught;
		copy.buf[at] = was;
	}
	strbuf_release(&copy);
}

static void a_changed_byte_never_crashes(void **unused)
{
	unsigned caught = 0;

	(void)unused;
	each_log("small", check_flips, &caught);
	each_log("small-lz4", check_flips, &caught);
	assert_true(caught > 1000);
}

/* decoded.jsonl, by (commitTs, record position is unknown: by the whole text of the record) */
struct lookup {
	json_t *lines;
	unsigned found;
};

static json_t *value_text(const struct redo_value *v)
{
	char num[64];

	switch (v->kind) {
	case REDO_NULL: return json_null();
	case REDO_INT: snprintf(num, sizeof(num), "%lld", (long long)v->i); return json_string(num);
	case REDO_UINT:
		snprintf(num, sizeof(num), "%llu", (unsigned long long)v->u);
		return json_string(num);
	default: return json_true(); /* compared elsewhere: byte for byte */
	}
}

static int count_values(void *arg, const struct redo_event *ev, uint64_t offset, struct err *e)
{
	struct lookup *l = arg;

	(void)offset;
	(void)e;
	if (ev->kind != REDO_ROW)
		return 0;
	for (uint32_t i = 0; i < ev->row.n_columns; i++) {
		json_t *v = value_text(&ev->row.columns[i].value);

		if (json_is_string(v))
			l->found++;
		json_decref(v);
		assert_true(ev->row.columns[i].name.n > 0);
		if (ev->row.columns[i].flag & 128)
			assert_true(ev->row.columns[i].value.kind != REDO_INT);
	}
	return 0;
}

static void check_values(const char *base, const struct strbuf *body, void *arg)
{
	struct redo_parse_result r;
	struct err e = ERR_INIT;

	(void)base;
	assert_int_equal(parse(body, body->len, false, body->len, count_values, arg, &r, &e), 0);
}

static void unsigned_columns_hold_unsigned_values(void **unused)
{
	struct lookup l = { 0 };

	(void)unused;
	each_log("small", check_values, &l);
	each_log("keyswap", check_values, &l);
	assert_true(l.found > 100);
}

/* A key has to be the same key in every record, whoever wrote it: not the number's form tells its
 * kind, the column does. */
static void a_number_has_the_kind_of_its_column(void **unused)
{
	static const struct {
		uint32_t flag;
		struct redo_value written, read;
	} t[] = {
		{ 11, { .kind = REDO_UINT, .u = 200 }, { .kind = REDO_INT, .i = 200 } },
		{ 11, { .kind = REDO_INT, .i = -200 }, { .kind = REDO_INT, .i = -200 } },
		{ 11 | 128, { .kind = REDO_INT, .i = 200 }, { .kind = REDO_UINT, .u = 200 } },
		{ 11 | 128,
		  { .kind = REDO_UINT, .u = UINT64_MAX },
		  { .kind = REDO_UINT, .u = UINT64_MAX } },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct redo_column c = { .name = { "id", 2 },
					 .charset = { "", 0 },
					 .collation = { "", 0 },
					 .type = 8,
					 .flag = t[i].flag,
					 .value = t[i].written };
		struct redo_event back,
			ev = { .kind = REDO_ROW,
			       .row = { .table = { { "d", 1 }, { "t", 1 }, 1, false },
					.columns = &c,
					.n_columns = 1 } };
		struct redo_decoder *d = redo_decoder_new();
		struct strbuf out = STRBUF_INIT;
		struct err e = ERR_INIT;

		redo_encode_frame(&out, &ev);
		assert_int_equal(
			redo_decode(d, out.buf + 8, out.len - 8 - (out.buf[7] & 7), &back, &e), 0);
		assert_int_equal(back.row.columns[0].value.kind, t[i].read.kind);
		assert_true(back.row.columns[0].value.u == t[i].read.u);
		redo_decoder_free(d);
		strbuf_release(&out);
	}
}

/* A .log.tmp whose LZ4 frame lost its end holds all that the rest says, and one with a changed byte
 * is no torn one. */
static void a_cut_lz4_frame_gives_all_it_has(void **unused)
{
	LZ4F_preferences_t pref = { .frameInfo = { .contentChecksumFlag =
							   LZ4F_contentChecksumEnabled,
						   .blockSizeID = LZ4F_max4MB } };
	struct strbuf plain = STRBUF_INIT, packed = STRBUF_INIT;
	struct redo_parse_result r;
	struct err e = ERR_INIT;
	struct redo_column c;
	unsigned n;

	(void)unused;
	for (n = 0; plain.len < 1 << 20; n++) { /* much more than the parser takes at once */
		c = (struct redo_column){ .name = { "id", 2 },
					  .charset = { "", 0 },
					  .collation = { "", 0 },
					  .type = 8,
					  .flag = 11,
					  .value = { .kind = REDO_INT, .i = n } };
		redo_encode_frame(&plain,
				  &(struct redo_event){
					  .kind = REDO_ROW,
					  .row = { .commit_ts = n,
						   .table = { { "d", 1 }, { "t", 1 }, 1, false },
						   .columns = &c,
						   .n_columns = 1 } });
	}
	strbuf_grow(&packed, LZ4F_compressFrameBound(plain.len, &pref));
	packed.len = LZ4F_compressFrame(packed.buf, LZ4F_compressFrameBound(plain.len, &pref),
					plain.buf, plain.len, &pref);
	assert_int_equal(parse(&packed, packed.len - 8, false, packed.len, ignore, NULL, &r, &e),
			 -1);
	assert_int_equal(parse(&packed, packed.len - 8, true, packed.len, ignore, NULL, &r, &e), 0);
	assert_true(r.torn);
	assert_int_equal(r.records, n);
	packed.buf[packed.len / 2] ^= 1;
	assert_int_equal(parse(&packed, packed.len, true, 997, ignore, NULL, &r, &e), -1);
	assert_int_equal(e.kind, ERR_BAD_DATA);
	strbuf_release(&plain);
	strbuf_release(&packed);
}

static void absurd_frames_are_refused(void **unused)
{
	static const struct {
		const char *bytes;
		size_t n;
		const char *says;
	} bad[] = {
		{ "\0\0\0\0\0\0\0\0", 8, "length zero" },
		{ "\xff\xff\xff\xff\xff\xff\xff\0", 8, "longer than a file" },
		{ "\x08\0\0\0\0\0\0\x81xxxxxxxxx", 17, "padding" },
		{ "\x08\0\0\0\0\0\0\0\xff\xff\0\3\x83\0\0\0", 16, "version 3" },
		{ "\x08\0\0\0\0\0\0\0\xff\xff\0\2\xdf\xff\xff\xff", 16, "offset 0" },
		{ "\x08\0\0\0\0\0\0\0\x80\0\0\0\0\0\0\0", 16, "after the record" },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct strbuf body = STRBUF_INIT;
		struct redo_parse_result r;
		struct err e = ERR_INIT;

		strbuf_add(&body, bad[i].bytes, bad[i].n);
		assert_int_equal(parse(&body, body.len, false, body.len, ignore, NULL, &r, &e), -1);
		if (!strstr(e.text, bad[i].says))
			fail_msg("'%s' is not in '%s'", bad[i].says, e.text);
		strbuf_release(&body);
	}
}

/* No server has one; and what copies a name would see its beginning alone. */
static void a_name_has_no_zero_byte(void **unused)
{
	struct redo_column c = { .name = { "a\0b", 3 },
				 .charset = { "binary", 6 },
				 .collation = { "binary", 6 },
				 .type = COL_LONG,
				 .flag = COLF_BINARY | COLF_NULLABLE };
	struct redo_event ev = { .kind = REDO_ROW,
				 .row = { .start_ts = 1,
					  .commit_ts = 2,
					  .table = { { "d", 1 }, { "t\0", 2 }, 7, false },
					  .columns = &c,
					  .n_columns = 1 } };

	(void)unused;
	for (int i = 0; i < 3; i++) {
		struct strbuf out = STRBUF_INIT;
		struct redo_parse_result r;
		struct err e = ERR_INIT;

		redo_encode_frame(&out, &ev);
		assert_int_equal(parse(&out, out.len, false, out.len, ignore, NULL, &r, &e),
				 i == 2 ? 0 : -1);
		assert_true(i == 2 || strstr(e.text, "zero byte"));
		strbuf_release(&out);
		if (i == 0)
			ev.row.table.table.n = 1;
		else
			c.name.n = 1;
	}
}

static void an_empty_file_holds_nothing(void **unused)
{
	struct strbuf body = STRBUF_INIT;
	struct redo_parse_result r;
	struct err e = ERR_INIT;

	(void)unused;
	assert_int_equal(parse(&body, 0, false, 1, ignore, NULL, &r, &e), 0);
	assert_int_equal(r.records, 0);
}

static void meta_is_read_in_all_its_forms(void **unused)
{
	struct redo_meta m = { .checkpoint_ts = 462327644340617256,
			       .resolved_ts = 462327645913481217 },
			 back;
	struct strbuf out = STRBUF_INIT;
	struct err e = ERR_INIT;

	(void)unused;
	redo_meta_encode(&out, &m);
	assert_int_equal(out.len, 43);
	assert_int_equal(redo_meta_decode(&back, out.buf, out.len, &e), 0);
	assert_true(back.checkpoint_ts == m.checkpoint_ts && back.resolved_ts == m.resolved_ts &&
		    back.version == 0);
	for (size_t n = 0; n < out.len; n++)
		assert_int_equal(redo_meta_decode(&back, out.buf, n, &e), -1);
	strbuf_reset(&out);
	m.version = 1;
	redo_meta_encode(&out, &m);
	assert_int_equal(redo_meta_decode(&back, out.buf, out.len, &e), 0);
	assert_int_equal(back.version, 1);
	strbuf_reset(&out);
	/* as old releases spelled it */
	strbuf_add(&out,
		   "\x82\xac"
		   "checkPointTs\x05\xaaresolvedTs\x06",
		   27);
	assert_int_equal(redo_meta_decode(&back, out.buf, out.len, &e), 0);
	assert_true(back.checkpoint_ts == 5 && back.resolved_ts == 6);
	/* it would say: nothing to replay */
	assert_int_equal(redo_meta_decode(&back, "\x80", 1, &e), -1);
	assert_int_equal(redo_meta_decode(&back, "\x81\xaaresolvedTs\x06", 13, &e), -1);
	strbuf_release(&out);
}

static void names_are_read_from_their_right_end(void **unused)
{
	static const char *const good[] = {
		"127.0.0.1:8300_redo-swap_row_462327647738265601_e06d1d4b-c48d-4565-bb4a-1bc9d7e5d495.log",
		"[::1]:8300_ns_feed-1_ddl_1_e06d1d4b-c48d-4565-bb4a-1bc9d7e5d495.log",
		"h:1_ns_feed_row_18446744073709551615_e06d1d4b-c48d-4565-bb4a-1bc9d7e5d495.log.tmp",
		"127.0.0.1:8300_default_redo-swap_meta_604827bb-7523-4a81-ad57-1990b192a490.meta",
	};
	static const char *const bad[] = { "x.log",           "a_b_row_1_u.sort",
					   "a_b_col_1_u.log", "a_b_row_x_u.log",
					   "a_row_1_u.log",   "a_b_c_d_row_1_u.log" };
	static const char *const other[] = { "delete_feed", "readme.txt", "x.meta.tmp",
					     "a_b_row_1_u.log.sum", "" };
	struct redo_name n;
	struct err e = ERR_INIT;

	(void)unused;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct strbuf back = STRBUF_INIT;

		assert_int_equal(redo_name_parse(&n, good[i], &e), 0);
		redo_name_format(&back, &n);
		assert_string_equal(back.buf, good[i]);
		strbuf_release(&back);
	}
	assert_int_equal(redo_name_parse(&n, good[1], &e), 0);
	assert_string_equal(n.name_space, "ns");
	assert_string_equal(n.changefeed, "feed-1");
	assert_int_equal(n.kind, REDO_FILE_DDL);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(redo_name_parse(&n, bad[i], &e), -1);
	for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++) {
		assert_int_equal(redo_name_parse(&n, other[i], &e), 0);
		assert_int_equal(n.kind, REDO_FILE_OTHER);
	}
	assert_int_equal(redo_name_parse(&n, "127.0.0.1:8300_feed_meta.meta", &e), 0);
	assert_int_equal(n.kind, REDO_FILE_META);
}

/* ---- writer and reader over a directory ---- */

static char dir[] = "/tmp/drtest-redo.XXXXXX";

static struct store *fresh(const char *name)
{
	char *uri = xstrfmt("file://%s/%s", dir, name);
	struct err e = ERR_INIT;
	struct store *s = store_open(uri, NULL, &e);

	if (!s || store_create_bucket(s, &e) < 0)
		fail_msg("%s", e.text);
	free(uri);
	return s;
}

static struct redo_event a_row(tso_t ts, struct redo_column *c, int64_t id)
{
	static const int32_t key[] = { 0 };
	static const struct redo_index ix = { key, 1 };
	struct redo_event ev = { .kind = REDO_ROW };

	*c = (struct redo_column){ .name = { "id", 2 },
				   .charset = { "binary", 6 },
				   .collation = { "binary", 6 },
				   .type = 8,
				   .flag = 11,
				   .value = { .kind = REDO_INT, .i = id } };
	ev.row = (struct redo_row){ .start_ts = ts - 1,
				    .commit_ts = ts,
				    .table = { { "d", 1 }, { "t", 1 }, 7, false },
				    .columns = c,
				    .n_columns = 1,
				    .indexes = &ix,
				    .n_indexes = 1 };
	return ev;
}

static int count(void *arg, const struct redo_event *ev, uint64_t offset, struct err *e)
{
	(void)ev;
	(void)offset;
	(void)e;
	++*(unsigned *)arg;
	return 0;
}

static void what_is_flushed_is_read_back(void **lz4)
{
	struct store *s = fresh(*lz4 ? "lz4" : "plain");
	struct redo_writer_opts o = { .capture = "127.0.0.1:8300",
				      .changefeed = "feed-1",
				      .max_log_bytes = 4096,
				      .lz4 = *lz4 != NULL };
	struct err e = ERR_INIT;
	struct redo_writer *w = redo_writer_new(s, &o, &e);
	struct redo_meta m = { .checkpoint_ts = 10, .resolved_ts = 20 };
	struct redo_files files;
	struct redo_column c;
	unsigned rows = 0;

	assert_non_null(w);
	assert_int_equal(redo_read_meta(s, &m, &e), -1);
	assert_int_equal(e.kind, ERR_NOT_FOUND);
	m = (struct redo_meta){ .checkpoint_ts = 10, .resolved_ts = 20 };
	for (int i = 1; i <= 100; i++) {
		struct redo_event ev = a_row((tso_t)i * 100, &c, i);

		assert_int_equal(redo_writer_add(w, &ev, &e), 0);
	}
	if (redo_writer_flush(w, &e) < 0 || redo_writer_meta(w, &m, &e) < 0)
		fail_msg("%s", e.text);
	m.resolved_ts = 10000;
	assert_int_equal(redo_writer_meta(w, &m, &e), 0);
	m.resolved_ts = 30; /* never backward */
	assert_int_equal(redo_writer_meta(w, &m, &e), 0);
	assert_int_equal(redo_read_meta(s, &m, &e), 0);
	assert_true(m.checkpoint_ts == 10 && m.resolved_ts == 10000);
	assert_int_equal(redo_list_files(s, &files, &e), 0);
	assert_true(files.n > 3);
	for (size_t i = 0; i < files.n; i++) {
		struct redo_parse_result r;

		if (redo_read_file(s, &files.f[i], count, &rows, &r, &e) < 0)
			fail_msg("%s", e.text);
	}
	assert_int_equal(rows, 100);
	assert_true(files.f[files.n - 1].name.max_commit_ts == 10000);
	/* strictly below */
	assert_true(redo_writer_collect(w, files.f[1].name.max_commit_ts, &e) == 1);
	redo_files_release(&files);
	redo_writer_free(w);
	/* The next owner takes the maxima over and leaves one meta. */
	w = redo_writer_new(s, &o, &e);
	m = (struct redo_meta){ .checkpoint_ts = 5000, .resolved_ts = 5000 };
	assert_int_equal(redo_writer_meta(w, &m, &e), 0);
	assert_int_equal(redo_read_meta(s, &m, &e), 0);
	assert_true(m.checkpoint_ts == 5000 && m.resolved_ts == 10000);
	redo_writer_free(w);
	store_free(s);
}

static void a_byte_changed_in_a_file_of_ours_is_found(void **unused)
{
	struct store *s = fresh("sidecar");
	struct redo_writer_opts o = { .capture = "127.0.0.1:8300", .changefeed = "feed-1" };
	struct err e = ERR_INIT;
	struct redo_writer *w = redo_writer_new(s, &o, &e);
	struct redo_files files;
	struct redo_parse_result r;
	struct strbuf body = STRBUF_INIT;
	struct redo_column c;
	struct redo_event ev = a_row(100, &c, 77);
	unsigned rows = 0;

	(void)unused;
	assert_int_equal(redo_writer_add(w, &ev, &e), 0);
	assert_int_equal(redo_writer_flush(w, &e), 0);
	assert_int_equal(redo_list_files(s, &files, &e), 0);
	assert_int_equal(store_get(s, files.f[0].key, 1 << 20, &body, &e), 0);
	/* also where only a value changes, which the format itself can't show */
	for (size_t i = 0; i < body.len; i++) {
		body.buf[i] ^= 1;
		assert_int_equal(store_put(s, files.f[0].key, body.buf, body.len, &e), 0);
		assert_int_equal(redo_read_file(s, &files.f[0], count, &rows, &r, &e), -1);
		body.buf[i] ^= 1;
	}
	strbuf_release(&body);
	redo_files_release(&files);
	redo_writer_free(w);
	store_free(s);
}

int main(void)
{
	static int yes = 1;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_record_is_encoded_again_byte_for_byte),
		cmocka_unit_test(a_file_in_pieces_gives_the_same),
		cmocka_unit_test(a_cut_is_refused_in_a_log_and_ends_a_tmp),
		cmocka_unit_test(a_changed_byte_never_crashes),
		cmocka_unit_test(unsigned_columns_hold_unsigned_values),
		cmocka_unit_test(a_number_has_the_kind_of_its_column),
		cmocka_unit_test(a_cut_lz4_frame_gives_all_it_has),
		cmocka_unit_test(absurd_frames_are_refused),
		cmocka_unit_test(a_name_has_no_zero_byte),
		cmocka_unit_test(an_empty_file_holds_nothing),
		cmocka_unit_test(meta_is_read_in_all_its_forms),
		cmocka_unit_test(names_are_read_from_their_right_end),
		cmocka_unit_test(what_is_flushed_is_read_back),
		{ "what_is_flushed_is_read_back_lz4", what_is_flushed_is_read_back, NULL, NULL,
		  &yes },
		cmocka_unit_test(a_byte_changed_in_a_file_of_ours_is_found),
	};
	int rc;

	if (!mkdtemp(dir))
		return 1;
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	fs_remove_tree(dir, NULL);
	return rc;
}

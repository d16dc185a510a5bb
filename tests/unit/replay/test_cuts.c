/* Files of real logs cut at each byte and with each byte changed: never a crash, and what of it is
 * seen, measured. In `make check` a sample by seed; DRTEST_CUTS=all does every byte and prints the
 * table of docs/REDO-FORMAT.md. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "harness/base/rng.h"
#include "harness/base/xalloc.h"
#include "harness/os/fs.h"
#include "harness/replay/log_check.h"
#include "harness/redo/scan.h"
#include "harness/redo/sidecar.h"
#include "tests/support/store_dir.h"

#define SAMPLES 40         /* of a log and kind of damage, in make check */
#define SAMPLES_LARGE 4000 /* of the log that is too large for every byte */

struct tally { /* one kind of damage of one fixture */
	uint64_t tries, refused, chain, unseen, harmless;
};

static char *base; /* a directory in memory, if there is one */

static struct store *open_dir(const char *dir)
{
	struct err e = ERR_INIT;
	struct store *s = store_at_dir(dir, &e);

	assert_non_null(s);
	return s;
}

/* ---- what a replay would make of the log: a sum over all that counts ---- */

struct content {
	struct redo_meta meta;
	uint64_t sum;
};

static int begin(void *arg, const struct redo_meta *meta, const struct redo_files *files,
		 struct err *e)
{
	(void)files;
	(void)e;
	*(struct content *)arg = (struct content){ .meta = *meta };
	return 0;
}

static uint64_t hash_columns(uint64_t h, const struct redo_column *c, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		h = XXH3_64bits_withSeed(c[i].name.p, c[i].name.n,
					 h + c[i].type + ((uint64_t)c[i].value.kind << 8) +
						 ((uint64_t)c[i].absent << 16));
		/* binary, handle key, generated: what decides what is written */
		h += c[i].flag & 7;
		if (c[i].value.kind == REDO_STR || c[i].value.kind == REDO_BIN)
			h = XXH3_64bits_withSeed(c[i].value.s.p, c[i].value.s.n, h);
		else if (c[i].value.kind == REDO_F32)
			h = XXH3_64bits_withSeed(&c[i].value.f32, 4, h);
		else if (c[i].value.kind != REDO_NULL)
			h = XXH3_64bits_withSeed(&c[i].value.u, 8, h);
	}
	return h;
}

static int event(void *arg, const struct redo_event *ev, uint64_t offset, struct err *e)
{
	struct content *c = arg;
	const struct redo_row *r = &ev->row;
	uint64_t h = ev->kind;

	(void)offset;
	(void)e;
	if (ev->kind == REDO_DDL) {
		if (ev->ddl.commit_ts < c->meta.checkpoint_ts ||
		    ev->ddl.commit_ts > c->meta.resolved_ts)
			return 0;
		h = XXH3_64bits_withSeed(ev->ddl.query.p, ev->ddl.query.n,
					 ev->ddl.commit_ts ^ ev->ddl.seq << 1);
		h = XXH3_64bits_withSeed(ev->ddl.table.db.p, ev->ddl.table.db.n, h);
	} else {
		if (r->commit_ts <= c->meta.checkpoint_ts || r->commit_ts > c->meta.resolved_ts)
			return 0;
		h = XXH3_64bits_withSeed(r->table.db.p, r->table.db.n,
					 r->commit_ts ^ r->start_ts << 3);
		h = XXH3_64bits_withSeed(r->table.table.p, r->table.table.n, h);
		h = hash_columns(hash_columns(h, r->columns, r->n_columns) + 1, r->pre_columns,
				 r->n_pre_columns);
	}
	c->sum += h; /* whatever the order of reading */
	return 0;
}

/* The sum of what is left with the damage; a log that is refused has none. */
static bool content_of(struct store *s, uint64_t *sum)
{
	struct content c = { .sum = 0 };
	struct redo_scan scan = { .begin = begin, .event = event, .arg = &c };
	struct err e = ERR_INIT;

	if (redo_scan(s, &scan, &e) < 0)
		return false;
	*sum = c.sum;
	return true;
}

/* ---- damage ---- */

struct findings {
	bool chain, other;
};

static void note_finding(void *arg, enum redo_finding what, const char *line)
{
	struct findings *f = arg;

	if (what != REDO_BROKEN)
		return;
	if (!strncmp(line, "table ", 6))
		f->chain = true;
	else
		f->other = true;
}

static void judge(struct store *s, uint64_t whole, struct tally *t)
{
	struct findings f = { false, false };
	struct redo_check_opts co = { .tmp_dir = base,
				      .memory_bytes = (size_t)16 << 20,
				      .finding = note_finding,
				      .arg = &f };
	struct redo_check_result r;
	struct err e = ERR_INIT;
	uint64_t sum = 0;
	bool readable = content_of(s, &sum);

	t->tries++;
	if (redo_check(s, &co, &r, &e) < 0 || !readable || f.other)
		t->refused++;
	else if (f.chain)
		t->chain++;
	else if (sum == whole)
		t->harmless++;
	else
		t->unseen++;
}

static void put_raw(const char *dir, const char *name, const void *data, size_t n)
{
	char *path = xstrfmt("%s/%s", dir, name);
	FILE *f = fopen(path, "wb");

	assert_non_null(f);
	assert_int_equal(fwrite(data, 1, n, f), n);
	fclose(f);
	free(path);
}

static void put_sidecar(const char *dir, const char *name, const struct strbuf *body,
			uint64_t records)
{
	struct strbuf side = STRBUF_INIT;
	char *side_name = xstrfmt("%s" SIDECAR_ENDING, name);

	sidecar_format(&side, records, XXH3_64bits(body->buf, body->len));
	put_raw(dir, side_name, side.buf, side.len);
	strbuf_release(&side);
	free(side_name);
}

static int count_event(void *arg, const struct redo_event *ev, uint64_t offset, struct err *e)
{
	(void)ev;
	(void)offset;
	(void)e;
	++*(uint64_t *)arg;
	return 0;
}

/* Damages each log file of a fixture in turn. sidecars: each file gets one first, as ours have. */
static void damage(const char *fixture, bool sidecars, bool all, size_t samples, struct tally *cuts,
		   struct tally *changes)
{
	char *from = xstrfmt("tests/fixtures/redo/%s/log", fixture),
	     *dir = xstrfmt("%s/%s", base, fixture);
	struct store *in = open_dir(from), *out;
	struct redo_files files;
	struct store_list l;
	struct err e = ERR_INIT;
	struct rng rng;
	uint64_t whole = 0;

	rng_seed(&rng, 7);
	assert_int_equal(fs_remove_tree(dir, &e), 0);
	assert_int_equal(fs_mkdir_p(dir, 0755, &e), 0);
	assert_int_equal(store_list(in, "", &l, &e), 0);
	for (size_t i = 0; i < l.n; i++) {
		struct strbuf body = STRBUF_INIT;
		struct redo_name name;

		assert_int_equal(store_get(in, l.objects[i].key, 1 << 24, &body, &e), 0);
		put_raw(dir, l.objects[i].key, body.buf, body.len);
		assert_int_equal(redo_name_parse(&name, l.objects[i].key, &e), 0);
		if (sidecars && name.kind != REDO_FILE_META) {
			struct redo_parse_result res;
			struct redo_parser *p;
			uint64_t records = 0;

			p = redo_parser_new("fixture", false, count_event, &records);
			assert_int_equal(redo_parser_feed(p, body.buf, body.len, &e), 0);
			assert_int_equal(redo_parser_end(p, &res, &e), 0);
			redo_parser_free(p);
			put_sidecar(dir, l.objects[i].key, &body, records);
		}
		strbuf_release(&body);
	}
	store_list_release(&l);
	out = open_dir(dir);
	assert_true(content_of(out, &whole));
	assert_int_equal(redo_list_files(in, &files, &e), 0);
	for (size_t i = 0; i < files.n; i++) {
		struct strbuf body = STRBUF_INIT;
		size_t step;

		assert_int_equal(store_get(in, files.f[i].key, 1 << 24, &body, &e), 0);
		step = all ? 1 : body.len / samples * files.n + 1;
		for (size_t at = all ? 0 : rng_below(&rng, step); at < body.len;
		     at += all ? 1 : 1 + rng_below(&rng, 2 * step)) {
			char was = body.buf[at];

			put_raw(dir, files.f[i].key, body.buf, at);
			judge(out, whole, cuts);
			body.buf[at] = (char)(was ^ (char)(1 + rng_below(&rng, 255)));
			put_raw(dir, files.f[i].key, body.buf, body.len);
			judge(out, whole, changes);
			body.buf[at] = was;
		}
		put_raw(dir, files.f[i].key, body.buf, body.len);
		strbuf_release(&body);
	}
	redo_files_release(&files);
	store_free(in);
	store_free(out);
	assert_int_equal(fs_remove_tree(dir, &e), 0);
	free(from);
	free(dir);
}

static double percent(uint64_t n, uint64_t of)
{
	return of ? 100.0 * (double)n / (double)of : 0;
}

static void row(const char *fixture, const char *kind, const char *with, const struct tally *t)
{
	printf("| %s | %s | %s | %llu | %.2f %% | %.2f %% | %.2f %% | %.2f %% |\n", fixture, kind,
	       with, (unsigned long long)t->tries, percent(t->refused, t->tries),
	       percent(t->chain, t->tries), percent(t->harmless, t->tries),
	       percent(t->unseen, t->tries));
}

static void what_damage_is_seen(void **unused)
{
	static const char *const fixtures[] = { "small", "small-lz4", "keyswap", "sysbench" };
	const char *want = getenv("DRTEST_CUTS");

	(void)unused;
	printf("| log | damage | guarded by | tries | refused | broken chain | harmless | unseen |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n");
	for (size_t i = 0; i < sizeof(fixtures) / sizeof(fixtures[0]); i++)
		for (int sidecars = 0; sidecars < 2; sidecars++) {
			struct tally cuts = { 0 }, changes = { 0 };
			/* sysbench has 2 MB */
			bool wanted = want && (!strcmp(want, "all") || !strcmp(want, fixtures[i])),
			     all = wanted && i < 3;

			damage(fixtures[i], sidecars, all, wanted ? SAMPLES_LARGE : SAMPLES, &cuts,
			       &changes);
			row(fixtures[i], "cut", sidecars ? "chain and sidecars" : "chain", &cuts);
			row(fixtures[i], "byte changed", sidecars ? "chain and sidecars" : "chain",
			    &changes);
			assert_true(cuts.tries > 10);
			/* with sidecars everything is refused; no cut of a file goes by unseen
			 * where a record was in it */
			if (sidecars) {
				assert_int_equal(cuts.refused, cuts.tries);
				assert_int_equal(changes.refused, changes.tries);
			}
		}
}

/* Whole logs of the real TiCDC have no finding; of single bits turned in them, nearly all. What is
 * left is a value that another one can be. */
static void a_turned_bit_of_a_real_log_is_told(void **unused)
{
	static const char *const fixtures[] = { "real-dml", "real-ddl", "real-keys", "hole" };
	struct tally t = { 0 };
	struct rng rng;

	(void)unused;
	rng_seed(&rng, 5);
	for (size_t i = 0; i < sizeof(fixtures) / sizeof(fixtures[0]); i++) {
		char *from = xstrfmt("tests/fixtures/redo/%s/log", fixtures[i]),
		     *dir = xstrfmt("%s/%s", base, fixtures[i]);
		struct store *in = open_dir(from), *out;
		struct store_list l;
		struct err e = ERR_INIT;
		struct tally clean = { 0 };
		uint64_t whole = 0;

		assert_int_equal(fs_mkdir_p(dir, 0755, &e), 0);
		assert_int_equal(store_list(in, "", &l, &e), 0);
		for (size_t k = 0; k < l.n; k++) {
			struct strbuf body = STRBUF_INIT;

			assert_int_equal(store_get(in, l.objects[k].key, 1 << 24, &body, &e), 0);
			put_raw(dir, l.objects[k].key, body.buf, body.len);
			strbuf_release(&body);
		}
		out = open_dir(dir);
		assert_true(content_of(out, &whole));
		judge(out, whole, &clean);
		assert_int_equal(clean.harmless, 1);
		for (int n = 0; n < 60; n++) {
			const char *key = l.objects[rng_below(&rng, l.n)].key;
			struct strbuf body = STRBUF_INIT;
			size_t at;

			assert_int_equal(store_get(in, key, 1 << 24, &body, &e), 0);
			at = rng_below(&rng, body.len);
			body.buf[at] = (char)(body.buf[at] ^ 1 << rng_below(&rng, 8));
			put_raw(dir, key, body.buf, body.len);
			judge(out, whole, &t);
			strbuf_reset(&body);
			assert_int_equal(store_get(in, key, 1 << 24, &body, &e), 0);
			put_raw(dir, key, body.buf, body.len);
			strbuf_release(&body);
		}
		store_list_release(&l);
		store_free(in);
		store_free(out);
		assert_int_equal(fs_remove_tree(dir, &e), 0);
		free(from);
		free(dir);
	}
	printf("of %llu turned bits, %llu told\n", (unsigned long long)t.tries,
	       (unsigned long long)(t.refused + t.chain));
	assert_true((t.refused + t.chain) * 100 >= t.tries * 85);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(what_damage_is_seen),
					    cmocka_unit_test(a_turned_bit_of_a_real_log_is_told) };
	char dir[] = "/dev/shm/drtest-cuts.XXXXXX", other[] = "/tmp/drtest-cuts.XXXXXX";
	int rc;

	base = mkdtemp(dir) ? dir : mkdtemp(other);
	if (!base)
		return 1;
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	fs_remove_tree(base, NULL);
	return rc;
}

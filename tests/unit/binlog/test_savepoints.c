#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "harness/base/rng.h"
#include "harness/base/strbuf.h"
#include "harness/binlog/savepoints.h"

static int to_text(void *arg, const struct savepoint_change *c, struct err *e)
{
	(void)e;
	strbuf_addf(arg, "%s%.*s:%.*s>%.*s", ((struct strbuf *)arg)->len ? " " : "", (int)c->key.n,
		    (const char *)c->key.p, (int)c->before.n,
		    c->before.p ? (const char *)c->before.p : "", (int)c->after.n,
		    c->after.p ? (const char *)c->after.p : "");
	return 0;
}

static void add(struct savepoints *s, const char *key, const char *before, const char *after,
		bool lasting)
{
	struct savepoint_change c = { .table = 1,
				      .key = { key, (uint32_t)strlen(key) },
				      .before = { before, before ? (uint32_t)strlen(before) : 0 },
				      .after = { after, after ? (uint32_t)strlen(after) : 0 },
				      .row_cost = 7,
				      .lasting = lasting };
	struct err e = ERR_INIT;

	assert_int_equal(savepoints_add(s, &c, &e), 0);
}

/* A story: "S x" sets, "R x" rolls back, "x" is an insert, "x!" one into a table without
 * transactions. */
static const struct {
	const char *story, *left;
} stories[] = {
	{ "S a, 1, 2, R a", "" },
	{ "S a, 1, S b, 2, R b, 3", "1:>1 3:>3" },
	{ "S a, 1, S b, 2, R a, 3", "3:>3" },
	{ "S a, 1, R a, 2, R a, 3", "3:>3" }, /* it stays set */
	{ "S a, 1, S a, 2, R a", "1:>1" },    /* used again: a new one */
	{ "S a, 1, S b, 2, S a, 3, R b", "1:>1" },
	{ "S a, 1, S b, 2, S a, 3, R a, 4", "1:>1 2:>2 4:>4" },
	{ "S Name, 1, R nAME", "" }, /* without case */
	{ "S a, 1, 2!, 3, R a", "2!:>2!" },
	{ "S a, 1!, S b, 2, 3!, R b, 4, R a", "1!:>1! 3!:>3!" },
	{ "S a, S b, S c, 1, R b, 2, R b", "" },
};

static void tell(struct savepoints *s, const char *story)
{
	struct err e = ERR_INIT;
	char word[64];

	while (*story) {
		size_t n = strcspn(story, ",");

		snprintf(word, sizeof(word), "%.*s", (int)n, story);
		if (!strncmp(word, "S ", 2))
			savepoints_set(s, word + 2);
		else if (!strncmp(word, "R ", 2))
			assert_int_equal(savepoints_rollback(s, word + 2, &e), 0);
		else
			add(s, word, NULL, word, strchr(word, '!'));
		story += n + strspn(story + n, ", ");
	}
}

static void rollbacks_take_back_what_is_behind_their_savepoint(void **unused)
{
	(void)unused;
	/* all of it in the file, some, none */
	for (size_t memory = 1; memory < 1000; memory += 333)
		for (size_t i = 0; i < sizeof(stories) / sizeof(stories[0]); i++) {
			struct savepoints *s = savepoints_new(memory, "/tmp");
			struct strbuf left = STRBUF_INIT;
			struct err e = ERR_INIT;

			assert_false(savepoints_any(s));
			/* the next transaction knows nothing of it */
			for (int twice = 0; twice < 2; twice++) {
				strbuf_reset(&left);
				tell(s, stories[i].story);
				assert_true(savepoints_any(s));
				assert_int_equal(savepoints_each(s, to_text, &left, &e), 0);
				if (strcmp(left.len ? left.buf : "", stories[i].left))
					fail_msg("%s: %s is left, %s is right", stories[i].story,
						 left.buf, stories[i].left);
				savepoints_reset(s);
			}
			savepoints_free(s);
			strbuf_release(&left);
		}
}

static void both_images_come_back(void **unused)
{
	struct savepoints *s = savepoints_new(16, "/tmp");
	struct strbuf left = STRBUF_INIT;
	struct err e = ERR_INIT;

	(void)unused;
	savepoints_set(s, "a");
	add(s, "k", "old", "new", false);
	add(s, "k", "new", NULL, false);
	add(s, "l", "", "", false); /* empty is not absent */
	assert_int_equal(savepoints_each(s, to_text, &left, &e), 0);
	assert_string_equal(left.buf, "k:old>new k:new> l:>");
	assert_int_equal(savepoints_rollback(s, "b", &e), -1);
	assert_non_null(strstr(e.text, "SAVEPOINT b"));
	savepoints_free(s);
	strbuf_release(&left);
}

/* Against a plain list, with a memory that spills and cuts within the file. */
static void random_stories_end_as_a_plain_list_does(void **unused)
{
	(void)unused;
	for (uint64_t seed = 1; seed <= 200; seed++) {
		struct savepoints *s = savepoints_new(200, "/tmp");
		struct strbuf left = STRBUF_INIT, want = STRBUF_INIT;
		struct err e = ERR_INIT;
		int list[400], marks[8];
		bool lasts[400];
		int n = 0;
		struct rng r;

		rng_seed(&r, seed);
		for (int i = 0; i < 8; i++)
			marks[i] = -1;
		savepoints_set(s, "s0");
		marks[0] = 0;
		for (int step = 0; step < 300; step++) {
			char name[16];
			int which = (int)rng_below(&r, 8);

			snprintf(name, sizeof(name), "s%d", which);
			if (rng_below(&r, 6) == 0) {
				savepoints_set(s, name);
				marks[which] = n;
			} else if (rng_below(&r, 10) == 0 && marks[which] >= 0) {
				int m = 0, from = marks[which];

				assert_int_equal(savepoints_rollback(s, name, &e), 0);
				/* those set later at the same place can't be told apart by place:
				 * none of them is used again before it is set */
				for (int i = 0; i < 8; i++)
					if (i != which && marks[i] >= from)
						marks[i] = -1;
				for (int i = from; i < n; i++)
					if (lasts[i]) {
						list[from + m] = list[i];
						lasts[from + m++] = true;
					}
				n = from + m;
			} else if (n < 400) {
				snprintf(name, sizeof(name), "%d", step);
				lasts[n] = rng_below(&r, 8) == 0;
				list[n] = step;
				add(s, name, NULL, name, lasts[n++]);
			}
		}
		for (int i = 0; i < n; i++)
			strbuf_addf(&want, "%s%d:>%d", i ? " " : "", list[i], list[i]);
		assert_int_equal(savepoints_each(s, to_text, &left, &e), 0);
		if (strcmp(left.len ? left.buf : "", want.len ? want.buf : ""))
			fail_msg("seed %d", (int)seed);
		savepoints_free(s);
		strbuf_release(&left);
		strbuf_release(&want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rollbacks_take_back_what_is_behind_their_savepoint),
		cmocka_unit_test(both_images_come_back),
		cmocka_unit_test(random_stories_end_as_a_plain_list_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

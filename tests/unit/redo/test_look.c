/* What a reader takes for a log's state while its owner goes on: a store whose owner does its work
 * between two of the reader's requests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness/net/store_impl.h"
#include "harness/os/fs.h"
#include "harness/redo/copy.h"
#include "harness/redo/scan.h"
#include "harness/redo/writer.h"

static struct store_ops ops;
static const struct store_ops *plain;
static int lists, moment; /* the owner works just before the list of this number */
static struct store *owner;
static struct redo_writer *writer;
static tso_t now;

static void add(tso_t ts)
{
	struct redo_column c = { .name = { "id", 2 },
				 .type = 8,
				 .flag = 2 | 8,
				 .charset = { "binary", 6 },
				 .value = { .kind = REDO_INT, .i = (int64_t)ts } };
	struct redo_event ev = {
		.kind = REDO_ROW,
		.row = { .start_ts = ts - 1,
			 .commit_ts = ts,
			 .table = { .db = { "d", 1 }, .table = { "t", 1 }, .id = 1 },
			 .columns = &c,
			 .n_columns = 1 }
	};
	struct err e = ERR_INIT;

	assert_int_equal(redo_writer_add(writer, &ev, &e), 0);
}

/* A group of ten rows in files of four, four and two; its meta; and what the group before left is
 * collected. */
static void a_group(void)
{
	tso_t checkpoint = now;
	struct err e = ERR_INIT;

	for (int i = 0; i < 10; i++) {
		add(now += 10);
		if (i % 4 == 3)
			assert_int_equal(redo_writer_flush(writer, &e), 0);
	}
	assert_int_equal(redo_writer_flush(writer, &e), 0);
	assert_int_equal(redo_writer_meta(writer,
					  &(struct redo_meta){ .checkpoint_ts = checkpoint,
							       .resolved_ts = now },
					  &e),
			 0);
	assert_true(redo_writer_collect(writer, checkpoint, &e) >= 0);
}

static int list(struct store *s, const char *prefix, struct store_list *out, struct err *e)
{
	if (s != owner && lists++ == moment)
		a_group();
	return plain->list(s, prefix, out, e);
}

static struct store *open_at(const char *dir)
{
	char uri[300];
	struct err e = ERR_INIT;
	struct store *s;

	snprintf(uri, sizeof(uri), "file://%s", dir);
	s = store_open(uri, NULL, &e);
	assert_non_null(s);
	plain = s->ops;
	ops = *plain;
	ops.list = list;
	s->ops = &ops;
	return s;
}

struct seen {
	uint64_t rows;
	tso_t checkpoint, resolved;
};

static int begin(void *arg, const struct redo_meta *m, const struct redo_files *files,
		 struct err *e)
{
	(void)files;
	(void)e;
	*(struct seen *)arg =
		(struct seen){ .checkpoint = m->checkpoint_ts, .resolved = m->resolved_ts };
	return 0;
}

static int count(void *arg, const struct redo_event *ev, uint64_t offset, struct err *e)
{
	struct seen *s = arg;

	(void)offset;
	(void)e;
	s->rows += ev->row.commit_ts > s->checkpoint && ev->row.commit_ts <= s->resolved;
	return 0;
}

static void rows_that_were_collected_before_the_list_are_not_missed(void **unused)
{
	(void)unused;
	for (moment = 0; moment < 3; moment++) {
		char dir[] = "/tmp/drtest-look.XXXXXX";
		struct seen seen = { 0 };
		struct redo_scan how = { .begin = begin, .event = count, .arg = &seen };
		struct err e = ERR_INIT;
		struct store *reader;

		assert_non_null(mkdtemp(dir));
		lists = 100;
		now = 1000;
		owner = open_at(dir);
		writer = redo_writer_new(
			owner, &(struct redo_writer_opts){ .capture = "c", .changefeed = "f" }, &e);
		a_group();
		a_group();
		reader = open_at(dir);
		lists = 0;
		if (redo_scan(reader, &how, &e) < 0)
			fail_msg("%s", e.text);
		/* all rows between what is told as checkpointTs and resolvedTs: one each ten */
		assert_int_equal(seen.rows, (seen.resolved - seen.checkpoint) / 10);
		assert_true(lists > moment);
		store_free(reader);
		redo_writer_free(writer);
		store_free(owner);
		fs_remove_tree(dir, &e);
	}
}

static void a_place_with_two_changefeeds_is_refused(void **unused)
{
	char dir[] = "/tmp/drtest-look.XXXXXX";
	struct redo_meta m;
	struct redo_files files;
	struct redo_feeds feeds;
	struct err e = ERR_INIT;

	(void)unused;
	assert_non_null(mkdtemp(dir));
	moment = -1;
	now = 1000;
	owner = open_at(dir);
	writer = redo_writer_new(
		owner, &(struct redo_writer_opts){ .capture = "c", .changefeed = "one" }, &e);
	a_group();
	redo_writer_free(writer);
	assert_int_equal(redo_look(owner, false, &m, &files, &e), 0);
	redo_files_release(&files);
	writer = redo_writer_new(
		owner, &(struct redo_writer_opts){ .capture = "c", .changefeed = "two" }, &e);
	add(now += 10);
	assert_int_equal(redo_writer_flush(writer, &e), 0);
	assert_int_equal(redo_read_meta(owner, &m, &e), -1);
	assert_int_equal(e.kind, ERR_BAD_DATA);
	assert_non_null(strstr(e.text, "default/one and default/two"));
	assert_int_equal(redo_look(owner, false, &m, &files, &e), -1);
	assert_int_equal(redo_read_any_meta(owner, &m, &e), 0);
	assert_int_equal(redo_list_feeds(owner, &feeds, &e), 0);
	assert_int_equal(feeds.n, 2);
	assert_true(feeds.f[0].has_meta && feeds.f[0].has_files && !feeds.f[1].has_meta &&
		    feeds.f[1].has_files);
	redo_feeds_release(&feeds);
	redo_writer_free(writer);
	store_free(owner);
	fs_remove_tree(dir, &e);
}

/* ---- files that are gone ---- */

static int refuse_log(struct store *s, const char *key, const void *data, size_t n, struct err *e)
{
	size_t end = strlen(key);

	if (end > 4 && !strcmp(key + end - 4, ".log"))
		return err_set(e, ERR_IO, 0, "the store is out");
	return plain->put(s, key, data, n, e);
}

static struct store *a_log(char *dir)
{
	struct err e = ERR_INIT;

	assert_non_null(mkdtemp(dir));
	moment = -1;
	lists = 0;
	now = 1000;
	owner = open_at(dir);
	writer = redo_writer_new(
		owner, &(struct redo_writer_opts){ .capture = "c", .changefeed = "f" }, &e);
	return owner;
}

static void meta(tso_t checkpoint, tso_t resolved)
{
	struct err e = ERR_INIT;

	assert_int_equal(redo_writer_meta(writer,
					  &(struct redo_meta){ .checkpoint_ts = checkpoint,
							       .resolved_ts = resolved },
					  &e),
			 0);
}

static void file_of(tso_t first, tso_t last)
{
	struct err e = ERR_INIT;

	for (tso_t ts = first; ts <= last; ts += 10)
		add(ts);
	assert_int_equal(redo_writer_flush(writer, &e), 0);
}

static void end_of_log(char *dir)
{
	struct err e = ERR_INIT;

	redo_writer_free(writer);
	store_free(owner);
	fs_remove_tree(dir, &e);
}

/* Of three files each in turn, with and without its sidecar. */
static void a_file_that_is_gone_is_missed(void **unused)
{
	(void)unused;
	for (int which = 0; which < 3; which++)
		for (int with_sidecar = 0; with_sidecar < 2; with_sidecar++) {
			char dir[] = "/tmp/drtest-look.XXXXXX";
			struct store *s = a_log(dir);
			struct seen seen = { 0 };
			struct redo_scan how = { .begin = begin, .event = count, .arg = &seen };
			struct redo_files files;
			struct err e = ERR_INIT;
			int want =
				which == 2 && with_sidecar ? 0 : -1; /* nothing tells of the last */
			char side[300];

			file_of(1010, 1050);
			file_of(1060, 1100);
			file_of(1110, 1150);
			meta(1000, 1150);
			assert_int_equal(redo_scan(s, &how, &e), 0);
			assert_int_equal(seen.rows, 15);
			assert_int_equal(redo_list_files(s, &files, &e), 0);
			assert_int_equal(store_delete(s, files.f[which].key, &e), 0);
			snprintf(side, sizeof(side), "%s.sum", files.f[which].key);
			if (with_sidecar)
				assert_int_equal(store_delete(s, side, &e), 0);
			e = (struct err)ERR_INIT;
			assert_int_equal(redo_scan(s, &how, &e), want);
			if (want) {
				assert_int_equal(e.kind, ERR_BAD_DATA);
				assert_non_null(strstr(e.text, files.f[which].key));
				assert_non_null(strstr(e.text, "is missing"));
			}
			redo_files_release(&files);
			/* once the checkpoint has passed it, nobody needs it */
			meta(which == 0 ? 1050 : which == 1 ? 1100 : 1150, 1150);
			e = (struct err)ERR_INIT;
			if (redo_scan(s, &how, &e) < 0)
				fail_msg("%s", e.text);
			assert_int_equal(seen.rows, 10 - which * 5);
			end_of_log(dir);
		}
}

/* Killed between the sidecar and the log: no file was lost, nor when its rows are put again. */
static void what_a_failed_put_leaves_is_no_loss(void **unused)
{
	char dir[] = "/tmp/drtest-look.XXXXXX";
	struct store *s = a_log(dir);
	struct seen seen = { 0 };
	struct redo_scan how = { .begin = begin, .event = count, .arg = &seen };
	struct redo_files files;
	struct err e = ERR_INIT;

	(void)unused;
	file_of(1010, 1050);
	meta(1000, 1055);
	ops.put = refuse_log;
	add(1060);
	assert_int_equal(redo_writer_flush(writer, &e), -1);
	assert_int_equal(redo_list_files(s, &files, &e), 0);
	assert_int_equal(files.n, 1);
	assert_int_equal(files.n_orphans, 1);
	redo_files_release(&files);
	e = (struct err)ERR_INIT;
	if (redo_scan(s, &how, &e) < 0)
		fail_msg("%s", e.text);
	assert_int_equal(seen.rows, 5);
	ops.put = plain->put;
	file_of(1070, 1080); /* and 1060 */
	meta(1000, 1080);
	assert_int_equal(redo_list_files(s, &files, &e), 0);
	assert_int_equal(files.n, 2);
	assert_int_equal(files.n_orphans, 0);
	redo_files_release(&files);
	if (redo_scan(s, &how, &e) < 0)
		fail_msg("%s", e.text);
	assert_int_equal(seen.rows, 8);
	end_of_log(dir);
}

/* What a writer takes back itself is missed by nobody. */
static void files_that_were_taken_back_are_not_missed(void **unused)
{
	char dir[] = "/tmp/drtest-look.XXXXXX";
	struct store *s = a_log(dir);
	struct seen seen = { 0 };
	struct redo_scan how = { .begin = begin, .event = count, .arg = &seen };
	struct redo_files files;
	struct err e = ERR_INIT;
	char side[300];

	(void)unused;
	file_of(1010, 1050);
	file_of(1060, 1100);
	meta(1000, 1050);
	assert_int_equal(redo_list_files(s, &files, &e), 0);
	snprintf(side, sizeof(side), "%s.sum", files.f[1].key);
	assert_int_equal(store_delete(s, files.f[1].key, &e), 0);
	assert_int_equal(store_delete(s, side, &e), 0);
	redo_files_release(&files);
	redo_writer_trimmed(writer);
	file_of(1060, 1100);
	meta(1000, 1100);
	if (redo_scan(s, &how, &e) < 0)
		fail_msg("%s", e.text);
	assert_int_equal(seen.rows, 10);
	/* and the next owner goes on behind them */
	redo_writer_free(writer);
	writer = redo_writer_new(
		owner, &(struct redo_writer_opts){ .capture = "c", .changefeed = "f" }, &e);
	file_of(1110, 1150);
	meta(1000, 1150);
	if (redo_scan(s, &how, &e) < 0)
		fail_msg("%s", e.text);
	assert_int_equal(seen.rows, 15);
	assert_int_equal(redo_list_files(s, &files, &e), 0);
	for (size_t i = 0; i < files.n; i++)
		if (files.f[i].name.max_commit_ts == 1100) {
			snprintf(side, sizeof(side), "%s.sum", files.f[i].key);
			assert_int_equal(store_delete(s, files.f[i].key, &e), 0);
			assert_int_equal(store_delete(s, side, &e), 0);
		}
	redo_files_release(&files);
	assert_int_equal(redo_scan(s, &how, &e), -1);
	end_of_log(dir);
}

/* A file's rows may lie on both sides of resolvedTs. */
static void a_file_over_resolved_ts_is_missed_too(void **unused)
{
	char dir[] = "/tmp/drtest-look.XXXXXX";
	struct store *s = a_log(dir);
	struct redo_files files;
	struct redo_meta m;
	struct err e = ERR_INIT;

	(void)unused;
	file_of(1010, 1050);
	meta(1000, 1030);
	assert_int_equal(redo_list_files(s, &files, &e), 0);
	assert_int_equal(store_delete(s, files.f[0].key, &e), 0);
	redo_files_release(&files);
	assert_int_equal(redo_look(s, false, &m, &files, &e), 0);
	assert_int_equal(redo_files_whole(s, &m, &files, &e), -1);
	m.resolved_ts = 1005; /* as if it had died before the meta */
	assert_int_equal(redo_files_whole(s, &m, &files, &e), 0);
	redo_files_release(&files);
	end_of_log(dir);
}

/* TiCDC writes the mark, then deletes the files one by one: whoever comes meanwhile sees a part. */
static void a_changefeed_that_was_removed_is_refused(void **unused)
{
	static const struct {
		const char *mark;
		bool ours;
	} marks[] = { { "delete_f", true },
		      { "delete_default_f", true },
		      { "delete_other", false },
		      { "delete_ns_f", false } };
	char dir[] = "/tmp/drtest-look.XXXXXX";
	struct store *s = a_log(dir);
	struct redo_files files;
	struct redo_meta m;
	struct err e = ERR_INIT;

	(void)unused;
	file_of(1010, 1050);
	meta(1000, 1050);
	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
		assert_int_equal(store_put(s, marks[i].mark, "D", 1, &e), 0);
		e = (struct err)ERR_INIT;
		assert_int_equal(redo_look(s, false, &m, &files, &e), marks[i].ours ? -1 : 0);
		if (marks[i].ours) {
			assert_int_equal(e.kind, ERR_BAD_DATA);
			assert_non_null(strstr(e.text, marks[i].mark));
		} else {
			redo_files_release(&files);
		}
		assert_int_equal(store_delete(s, marks[i].mark, &e), 0);
	}
	/* all is deleted but the mark */
	assert_int_equal(store_put(s, "delete_f", "D", 1, &e), 0);
	redo_writer_free(writer);
	writer = NULL;
	for (struct store_list l; store_list(s, "", &l, &e) == 0;) {
		size_t n = l.n;

		for (size_t i = 0; i < l.n; i++)
			if (strcmp(l.objects[i].key, "delete_f") != 0)
				assert_int_equal(store_delete(s, l.objects[i].key, &e), 0);
		store_list_release(&l);
		if (n == 1)
			break;
	}
	e = (struct err)ERR_INIT;
	assert_int_equal(redo_read_meta(s, &m, &e), -1);
	assert_int_equal(e.kind, ERR_NOT_FOUND);
	assert_non_null(strstr(e.text, "was removed (it has the mark delete_f)"));
	end_of_log(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_that_were_collected_before_the_list_are_not_missed),
		cmocka_unit_test(a_place_with_two_changefeeds_is_refused),
		cmocka_unit_test(a_file_that_is_gone_is_missed),
		cmocka_unit_test(what_a_failed_put_leaves_is_no_loss),
		cmocka_unit_test(files_that_were_taken_back_are_not_missed),
		cmocka_unit_test(a_file_over_resolved_ts_is_missed_too),
		cmocka_unit_test(a_changefeed_that_was_removed_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

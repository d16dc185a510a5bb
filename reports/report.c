#include "reports/report.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "harness/base/xalloc.h"
#include "harness/os/fs.h"
#include "reports/embedded.h"
#include "reports/formats.h"
#include "reports/report_read.h"
#include "reports/run_history.h"
#include "reports/run_model.h"

#define COLUMNS_MIN 32

int report_read(const char *run_dir, struct run_model *m, struct err *e)
{
	char *path = xstrfmt("%s/journal.jsonl.zst", run_dir);
	int rc = -1;

	if (!fs_exists(run_dir))
		err_set(e, ERR_USAGE, 0, "'%s': no such run directory", run_dir);
	else if (!fs_exists(path))
		err_set(e, ERR_USAGE, 0, "%s is not a run directory: it has no journal.jsonl.zst",
			run_dir);
	else
		rc = run_model_read(m, path, e);
	free(path);
	return rc;
}

#define FILES_MAX 200

struct listing {
	json_t *files;
	const char *below; /* "logs/" */
};

static int note_file(void *arg, const char *name, struct err *e)
{
	struct listing *l = arg;

	(void)e;
	if (name[0] != '.' && json_array_size(l->files) < FILES_MAX && !strstr(name, ".tmp"))
		/* NULL, no UTF-8, is not appended */
		json_array_append_new(l->files, json_sprintf("%s%s", l->below, name));
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(json_string_value(*(json_t *const *)a),
		      json_string_value(*(json_t *const *)b));
}

/* What the report can lead to. Its own files are there once it is written. */
static json_t *files_of(const char *run_dir)
{
	struct listing l = { json_array(), "" };
	json_t *sorted[FILES_MAX + 3], *out = json_array();
	char *logs = xstrfmt("%s/logs", run_dir);
	size_t n = 0;

	fs_list(run_dir, note_file, &l, NULL);
	l.below = "logs/";
	if (fs_exists(logs))
		fs_list(logs, note_file, &l, NULL);
	free(logs);
	for (size_t i = 0; i < json_array_size(l.files); i++) {
		const char *name = json_string_value(json_array_get(l.files, i));

		if (strcmp(name, "result.json") && strcmp(name, "junit.xml") &&
		    strcmp(name, "report.html") && strcmp(name, "logs"))
			sorted[n++] = json_array_get(l.files, i);
	}
	qsort(sorted, n, sizeof(sorted[0]), by_name);
	json_array_append_new(out, json_string("result.json"));
	json_array_append_new(out, json_string("junit.xml"));
	for (size_t i = 0; i < n; i++)
		json_array_append(out, sorted[i]);
	json_decref(l.files);
	return out;
}

/* of a journal that had more in it */
static bool has_result(const char *run_dir)
{
	char *path = xstrfmt("%s/result.json", run_dir);
	struct strbuf text = STRBUF_INIT;
	bool has = fs_read_file(path, (size_t)64 << 20, &text, NULL) == 0 &&
		   !strstr(text.buf, "before its first event");

	strbuf_release(&text);
	free(path);
	return has;
}

/* A journal that is damaged from its beginning makes no report where one is. */
static int read_unless_damaged(const char *run_dir, struct run_model *m, struct err *e)
{
	if (report_read(run_dir, m, e) < 0)
		return -1;
	if (m->events || !has_result(run_dir))
		return 0;
	run_model_release(m);
	return err_set(
		e, ERR_BAD_DATA, 0,
		"%s/journal.jsonl.zst is empty or damaged from its beginning: the reports that are there stay as they are",
		run_dir);
}

int report_make(const char *run_dir, struct err *e)
{
	static const struct {
		const char *name;
		void (*format)(const struct run_model *m, struct strbuf *out);
	} files[] = {
		{ "result.json", format_result_json },
		{ "junit.xml", format_junit },
		{ "report.html", format_html },
	};
	struct strbuf text = STRBUF_INIT;
	struct run_row before = { 0 };
	struct run_model m;
	int rc;

	if (read_unless_damaged(run_dir, &m, e) < 0)
		return -1;
	m.files = files_of(run_dir);
	m.before = run_row_before(run_dir, &m, &before) ? &before : NULL;
	rc = 0;
	for (size_t i = 0; rc == 0 && i < sizeof(files) / sizeof(files[0]); i++) {
		char *path = xstrfmt("%s/%s", run_dir, files[i].name);

		strbuf_reset(&text);
		files[i].format(&m, &text);
		rc = fs_write_atomic(path, text.buf, text.len, 0600, e);
		free(path);
	}
	strbuf_release(&text);
	run_row_release(&before);
	run_model_release(&m);
	return rc;
}

int report_json(const char *run_dir, FILE *out, struct err *e)
{
	struct strbuf text = STRBUF_INIT;
	struct run_model m;
	int rc = 0;

	if (read_unless_damaged(run_dir, &m, e) < 0)
		return -1;
	format_result_json(&m, &text);
	if (fwrite(text.buf, 1, text.len, out) != text.len || fflush(out) != 0)
		rc = err_sys(e, "print %s/result.json", run_dir);
	strbuf_release(&text);
	run_model_release(&m);
	return rc;
}

int report_prometheus(const char *run_dir, const char *path, struct err *e)
{
	struct strbuf text = STRBUF_INIT;
	struct run_model m;
	int rc;

	if (report_read(run_dir, &m, e) < 0)
		return -1;
	format_prometheus(&m, &text);
	rc = fs_write_atomic(path, text.buf, text.len, 0600, e);
	strbuf_release(&text);
	run_model_release(&m);
	return rc;
}

const char *report_schema(void)
{
	return (const char *)embed_reports_result_schema_json;
}

bool report_colors(FILE *out)
{
	const char *term = getenv("TERM"), *no = getenv("NO_COLOR");

	return isatty(fileno(out)) && !(no && *no) && !(term && !strcmp(term, "dumb"));
}

static size_t columns_of(FILE *out)
{
	struct winsize size;
	int fd = fileno(out);

	if (fd < 0 || !isatty(fd) || ioctl(fd, TIOCGWINSZ, &size) < 0 || !size.ws_col)
		return SIZE_MAX; /* a pipe's lines are whole */
	return size.ws_col < COLUMNS_MIN ? COLUMNS_MIN : size.ws_col;
}

typedef void summary_fn(const struct run_model *m, const char *run_dir, size_t columns, bool color,
			struct strbuf *out);

static int print(summary_fn *format, const char *run_dir, FILE *out, bool color, struct err *e)
{
	struct strbuf text = STRBUF_INIT;
	struct run_model m;
	int rc = 0;

	if (report_read(run_dir, &m, e) < 0)
		return -1;
	format(&m, run_dir, columns_of(out), color, &text);
	if (fwrite(text.buf, 1, text.len, out) != text.len || fflush(out) != 0)
		rc = err_sys(e, "print the summary");
	strbuf_release(&text);
	run_model_release(&m);
	return rc;
}

int report_summary(const char *run_dir, FILE *out, bool color, struct err *e)
{
	return print(format_summary, run_dir, out, color, e);
}

int report_verdict(const char *run_dir, FILE *out, bool color, struct err *e)
{
	return print(format_verdict, run_dir, out, color, e);
}

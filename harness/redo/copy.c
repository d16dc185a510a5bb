#include "harness/redo/copy.h"

#include <string.h>

#include "harness/redo/sidecar.h"
#include "harness/redo/writer.h"

#define FILE_BYTES_MAX ((size_t)1 << 30)

/* 1: the object is gone. The key is the store's: a replay finds the same names. */
static int copy_one(struct store *from, struct store *to, const char *key,
		    struct redo_copy_result *r, struct err *e)
{
	struct strbuf body = STRBUF_INIT;
	struct err why = ERR_INIT;
	int rc = -1;

	if (store_get(from, key, FILE_BYTES_MAX, &body, &why) < 0) {
		if (why.kind == ERR_NOT_FOUND)
			rc = 1;
		else if (e)
			*e = why;
		goto out;
	}
	if (store_put(to, key, body.buf, body.len, e) < 0)
		goto out;
	r->bytes += body.len;
	rc = 0;
out:
	strbuf_release(&body);
	return rc;
}

/* 0: copied; 1: a file went away before it was read. */
static int copy_files(struct store *from, struct store *to, const struct redo_files *files,
		      struct redo_copy_result *r, struct err *e)
{
	struct strbuf side = STRBUF_INIT;
	int rc = 0;

	for (size_t i = 0; i < files->n && rc == 0; i++) {
		const struct redo_file *f = &files->f[i];

		if (!f->name.tmp && f->name.max_commit_ts < r->meta.checkpoint_ts)
			continue; /* a DDL at the checkpoint itself still counts */
		strbuf_reset(&side);
		strbuf_addf(&side, "%s%s", f->key, SIDECAR_ENDING);
		rc = copy_one(from, to, side.buf, r, e);
		if (rc == 1) /* TiCDC's logs have none */
			rc = 0;
		if (rc == 0)
			rc = copy_one(from, to, f->key, r, e);
		if (rc == 0)
			r->files++;
	}
	strbuf_release(&side);
	return rc;
}

static int write_meta(struct store *to, const struct redo_files *files, const struct redo_meta *m,
		      struct err *e)
{
	const struct redo_name *n = files->n ? &files->f[0].name : NULL;
	struct redo_writer_opts o = { .capture = n ? n->capture : "copy",
				      .name_space = n ? n->name_space : "default",
				      .changefeed = n ? n->changefeed : "copy" };
	struct redo_writer *w = redo_writer_new(to, &o, e);
	int rc = w ? redo_writer_meta(w, m, e) : -1;

	redo_writer_free(w);
	return rc;
}

static int is_empty(struct store *to, struct err *e)
{
	struct store_list there = { 0 };
	int rc = store_list(to, "", &there, e);

	if (rc == 0 && there.n)
		rc = err_set(e, ERR_ENV, 0, "%s is not empty: a copy needs its own prefix",
			     store_uri_redacted(to));
	store_list_release(&there);
	return rc;
}

int redo_copy(struct store *from, struct store *to, struct deadline d, struct redo_copy_result *r,
	      struct err *e)
{
	struct redo_files files = { 0 };
	int rc = is_empty(to, e);

	*r = (struct redo_copy_result){ 0 };
	while (rc == 0) {
		if (redo_look(from, false, &r->meta, &files, e) < 0) {
			rc = -1;
			break;
		}
		rc = redo_files_whole(from, &r->meta, &files, e);
		if (rc == 0)
			rc = copy_files(from, to, &files, r, e);
		if (rc == 0)
			rc = write_meta(to, &files, &r->meta, e);
		if (rc <= 0)
			break;
		/* what is left of the first try does no harm: whole files of the same log, by the
		 * same names */
		redo_files_release(&files);
		r->files = r->bytes = 0;
		rc = pause_ms(20, d) < 0
			     ? err_set(e, clock_cancelled() ? ERR_CANCELLED : ERR_TIMEOUT, 0,
				       "the redo log's files are deleted faster than they can be "
				       "copied")
			     : 0;
	}
	redo_files_release(&files);
	return rc < 0 ? err_wrap(e, "copy the redo log") : 0;
}

#include "harness/redo/writer.h"

#include <lz4frame.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "harness/base/xalloc.h"
#include "harness/redo/reader.h"
#include "harness/redo/sidecar.h"

#define LOG_BYTES_DEFAULT ((size_t)64 << 20)

struct pending { /* the file that is being gathered */
	struct strbuf frames;
	struct strbuf sessions; /* of its DDLs: lines of the sidecar */
	uint64_t records;
	tso_t min_commit_ts, max_commit_ts;
	/* keys: of the file before, once `linked`; of one that may have been put in part */
	char *previous, *failed;
	bool linked;
};

struct redo_writer {
	struct store *store;
	char *capture, *name_space, *changefeed, *meta_key;
	size_t max_bytes;
	bool lz4, sidecar, met;
	struct pending rows, ddls;
	struct redo_meta meta;
};

struct redo_writer *redo_writer_new(struct store *s, const struct redo_writer_opts *o,
				    struct err *e)
{
	struct redo_writer *w;

	if (!o->capture || strchr(o->capture, '_') || strchr(o->capture, '/') || !o->changefeed ||
	    strpbrk(o->changefeed, "_/") || (o->name_space && strpbrk(o->name_space, "_/"))) {
		err_set(e, ERR_USAGE, 0,
			"redo log: capture, namespace and changefeed ID must not contain '_' or "
			"'/'");
		return NULL;
	}
	w = xcalloc(1, sizeof(*w));
	w->store = s;
	w->capture = xstrdup(o->capture);
	w->name_space = xstrdup(o->name_space ? o->name_space : "default");
	w->changefeed = xstrdup(o->changefeed);
	w->max_bytes = o->max_log_bytes ? o->max_log_bytes : LOG_BYTES_DEFAULT;
	w->lz4 = o->lz4;
	w->sidecar = !o->no_sidecar;
	w->rows.frames = w->ddls.frames = w->rows.sessions = w->ddls.sessions =
		(struct strbuf)STRBUF_INIT;
	return w;
}

void redo_writer_free(struct redo_writer *w)
{
	if (!w)
		return;
	strbuf_release(&w->rows.frames);
	strbuf_release(&w->ddls.frames);
	strbuf_release(&w->ddls.sessions);
	for (struct pending *p = &w->rows; p; p = p == &w->rows ? &w->ddls : NULL) {
		free(p->previous);
		free(p->failed);
	}
	free(w->capture);
	free(w->name_space);
	free(w->changefeed);
	free(w->meta_key);
	free(w);
}

static int make_uuid(char out[64], struct err *e)
{
	unsigned char b[16];

	if (RAND_bytes(b, sizeof(b)) != 1)
		return err_set(e, ERR_IO, 0, "cannot get random bytes for a UUID");
	b[6] = (b[6] & 15) | 0x40;
	b[8] = (b[8] & 63) | 0x80;
	snprintf(out, 64, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
		 b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12],
		 b[13], b[14], b[15]);
	return 0;
}

static int new_key(struct redo_writer *w, enum redo_file_kind kind, tso_t ts, struct strbuf *key,
		   struct err *e)
{
	struct redo_name n = { .kind = kind, .max_commit_ts = ts };

	snprintf(n.capture, sizeof(n.capture), "%s", w->capture);
	snprintf(n.name_space, sizeof(n.name_space), "%s", w->name_space);
	snprintf(n.changefeed, sizeof(n.changefeed), "%s", w->changefeed);
	if (make_uuid(n.uuid, e) < 0)
		return -1;
	redo_name_format(key, &n);
	return 0;
}

/* One LZ4 frame as TiCDC's: 4 MiB independent blocks, content checksum, no sizes. Not by
 * LZ4F_compressFrame: it declares smaller blocks for a small file. */
static int compress(const struct strbuf *in, struct strbuf *out, struct err *e)
{
	LZ4F_preferences_t pref = { .frameInfo = { .blockSizeID = LZ4F_max4MB,
						   .blockMode = LZ4F_blockIndependent,
						   .contentChecksumFlag =
							   LZ4F_contentChecksumEnabled } };
	size_t room = LZ4F_HEADER_SIZE_MAX + LZ4F_compressBound(in->len, &pref), n = 0;
	LZ4F_cctx *c = NULL;
	int rc = -1;

	strbuf_grow(out, room);
	if (LZ4F_isError(LZ4F_createCompressionContext(&c, LZ4F_VERSION)))
		return err_set(e, ERR_IO, 0, "cannot initialize LZ4");
	for (int step = 0; step < 3; step++) {
		n = step == 0   ? LZ4F_compressBegin(c, out->buf + out->len, room, &pref)
		    : step == 1 ? LZ4F_compressUpdate(c, out->buf + out->len, room, in->buf,
						      in->len, NULL)
				: LZ4F_compressEnd(c, out->buf + out->len, room, NULL);
		if (LZ4F_isError(n)) {
			err_set(e, ERR_IO, 0, "LZ4: %s", LZ4F_getErrorName(n));
			goto out;
		}
		out->len += n;
		out->buf[out->len] = 0;
		room -= n;
	}
	rc = 0;
out:
	LZ4F_freeCompressionContext(c);
	return rc;
}

/* The log file and then its sidecar: what is left between the two is told from a loss by its ts. */
static int drop_file(struct redo_writer *w, const char *key, struct err *e)
{
	char *side = xstrfmt("%s" SIDECAR_ENDING, key);
	int rc = store_delete(w->store, key, e) < 0 || store_delete(w->store, side, e) < 0 ? -1 : 0;

	free(side);
	return rc;
}

/* A put that was told as failed may have left the sidecar, or all of it. It goes before its records
 * are put again: a sidecar alone would say that a file was lost. */
static int drop_failed(struct redo_writer *w, struct pending *p, struct err *e)
{
	if (p->failed && drop_file(w, p->failed, e) < 0)
		return -1;
	free(p->failed);
	p->failed = NULL;
	return 0;
}

static bool is_own(const struct redo_writer *w, const struct redo_name *n)
{
	return !n->tmp && !strcmp(n->changefeed, w->changefeed) &&
	       !strcmp(n->name_space, w->name_space);
}

/* The last file that an earlier life left. */
static int find_previous(struct redo_writer *w, struct pending *p, enum redo_file_kind kind,
			 struct err *e)
{
	struct redo_files files;

	struct err why = ERR_INIT;

	if (p->linked)
		return 0;
	p->linked = true;
	if (redo_list_files(w->store, &files, &why) < 0) {
		if (why.kind == ERR_BAD_DATA) /* strangers' files are the readers' business */
			return 0;
		p->linked = false;
		*e = why;
		return -1;
	}
	for (size_t i = files.n; i-- > 0 && !p->previous;)
		if (files.f[i].name.kind == kind && is_own(w, &files.f[i].name))
			p->previous = xstrdup(files.f[i].key);
	redo_files_release(&files);
	return 0;
}

void redo_writer_trimmed(struct redo_writer *w)
{
	for (struct pending *p = &w->rows; p; p = p == &w->rows ? &w->ddls : NULL) {
		free(p->previous);
		p->previous = NULL;
		p->linked = false;
	}
}

static void make_sidecar(const struct pending *p, const struct strbuf *body, struct strbuf *side)
{
	const char *slash = p->previous ? strrchr(p->previous, '/') : NULL,
		   *base = slash         ? slash + 1
			   : p->previous ? p->previous
					 : "";

	sidecar_format(side, p->records, XXH3_64bits(body->buf, body->len));
	sidecar_add_file(side, p->min_commit_ts,
			 &(struct redo_bytes){ base, (uint32_t)strlen(base) });
	strbuf_add(side, p->sessions.buf, p->sessions.len);
}

/* What could not be put stays pending: the next flush tries again, under another name. */
static int put_file(struct redo_writer *w, struct pending *p, enum redo_file_kind kind,
		    struct err *e)
{
	struct strbuf key = STRBUF_INIT, side_key = STRBUF_INIT, side = STRBUF_INIT,
		      packed = STRBUF_INIT;
	const struct strbuf *body = &p->frames;
	int rc = -1;

	if (!p->records)
		return 0;
	if (drop_failed(w, p, e) < 0 || (w->sidecar && find_previous(w, p, kind, e) < 0) ||
	    new_key(w, kind, p->max_commit_ts, &key, e) < 0)
		goto out;
	if (w->lz4) {
		if (compress(&p->frames, &packed, e) < 0)
			goto out;
		body = &packed;
	}
	p->failed = xstrdup(key.buf);
	if (w->sidecar) {
		strbuf_addf(&side_key, "%s" SIDECAR_ENDING, key.buf);
		make_sidecar(p, body, &side);
		if (store_put(w->store, side_key.buf, side.buf, side.len, e) < 0)
			goto out;
	}
	if (store_put(w->store, key.buf, body->buf, body->len, e) < 0)
		goto out;
	free(p->previous);
	p->previous = p->failed;
	p->failed = NULL;
	strbuf_reset(&p->frames);
	strbuf_reset(&p->sessions);
	p->records = 0;
	p->min_commit_ts = p->max_commit_ts = 0;
	rc = 0;
out:
	if (rc < 0)
		err_wrap(e, "write redo log %s", key.buf);
	strbuf_release(&key);
	strbuf_release(&side_key);
	strbuf_release(&side);
	strbuf_release(&packed);
	return rc;
}

static void widen_span(struct pending *p, tso_t ts)
{
	if (!p->min_commit_ts || ts < p->min_commit_ts)
		p->min_commit_ts = ts;
	if (ts > p->max_commit_ts)
		p->max_commit_ts = ts;
}

int redo_writer_add(struct redo_writer *w, const struct redo_event *ev, struct err *e)
{
	enum redo_file_kind kind = ev->kind == REDO_ROW ? REDO_FILE_ROW : REDO_FILE_DDL;
	struct pending *p = ev->kind == REDO_ROW ? &w->rows : &w->ddls;
	tso_t ts = ev->kind == REDO_ROW ? ev->row.commit_ts : ev->ddl.commit_ts;
	const struct redo_table *t = ev->kind == REDO_ROW ? &ev->row.table : &ev->ddl.table;
	size_t before = p->frames.len, bytes;

	redo_encode_frame(&p->frames, ev);
	bytes = p->frames.len - before;
	if (bytes > w->max_bytes) {
		strbuf_setlen(&p->frames, before);
		return err_set(
			e, ERR_BAD_DATA, 0,
			"a change of %.*s.%.*s has %zu bytes, but a file of the redo log can "
			"have %zu: increase max_log_bytes",
			(int)t->db.n, t->db.p, (int)t->table.n, t->table.p, bytes, w->max_bytes);
	}
	if (p->frames.len > w->max_bytes) {
		struct strbuf last = STRBUF_INIT;
		int rc;

		strbuf_add(&last, p->frames.buf + before, p->frames.len - before);
		strbuf_setlen(&p->frames, before);
		rc = put_file(w, p, kind, e);
		strbuf_add(&p->frames, last.buf, last.len);
		strbuf_release(&last);
		if (rc < 0) {
			strbuf_setlen(&p->frames, before);
			return -1;
		}
	}
	if (ev->kind == REDO_DDL && ev->ddl.session.n)
		sidecar_add_ddl(&p->sessions, ts, &ev->ddl.session);
	p->records++;
	widen_span(p, ts);
	return 0;
}

int redo_writer_add_frames(struct redo_writer *w, const struct strbuf *frames, uint64_t records,
			   tso_t commit_ts, struct err *e)
{
	struct pending *p = &w->rows;

	if (frames->len > w->max_bytes)
		return err_set(e, ERR_BAD_DATA, 0,
			       "changes of %zu bytes do not fit a redo log file of %zu",
			       frames->len, w->max_bytes);
	if (p->frames.len + frames->len > w->max_bytes && put_file(w, p, REDO_FILE_ROW, e) < 0)
		return -1;
	strbuf_add(&p->frames, frames->buf, frames->len);
	p->records += records;
	widen_span(p, commit_ts);
	return 0;
}

int redo_writer_flush(struct redo_writer *w, struct err *e)
{
	if (put_file(w, &w->rows, REDO_FILE_ROW, e) < 0)
		return -1;
	return put_file(w, &w->ddls, REDO_FILE_DDL, e);
}

static int put_meta(struct redo_writer *w, struct err *e)
{
	struct strbuf key = STRBUF_INIT, body = STRBUF_INIT;
	int rc = -1;

	redo_meta_encode(&body, &w->meta);
	if (new_key(w, REDO_FILE_META, 0, &key, e) < 0 ||
	    store_put(w->store, key.buf, body.buf, body.len, e) < 0)
		goto out;
	if (w->meta_key && store_delete(w->store, w->meta_key, e) < 0)
		goto out;
	free(w->meta_key);
	w->meta_key = strbuf_detach(&key);
	rc = 0;
out:
	if (rc < 0)
		err_wrap(e, "write redo meta");
	strbuf_release(&key);
	strbuf_release(&body);
	return rc;
}

/* Metas of an earlier owner: their maxima are ours now, and they go once ours is there. */
static int take_over(struct redo_writer *w, const struct redo_meta *m, struct err *e)
{
	struct redo_meta old = { 0 };
	struct err why = ERR_INIT;
	struct store_list l;
	int rc = -1;

	if (store_list(w->store, "", &l, e) < 0)
		return -1;
	if (redo_read_meta(w->store, &old, &why) < 0 && why.kind != ERR_NOT_FOUND) {
		if (e)
			*e = why;
		goto out;
	}
	w->meta = *m;
	if (old.checkpoint_ts > w->meta.checkpoint_ts)
		w->meta.checkpoint_ts = old.checkpoint_ts;
	if (old.resolved_ts > w->meta.resolved_ts)
		w->meta.resolved_ts = old.resolved_ts;
	if (put_meta(w, e) < 0)
		goto out;
	for (size_t i = 0; i < l.n; i++) {
		struct redo_name name;
		const char *slash = strrchr(l.objects[i].key, '/');

		if (redo_name_parse(&name, slash ? slash + 1 : l.objects[i].key, NULL) == 0 &&
		    name.kind == REDO_FILE_META && store_delete(w->store, l.objects[i].key, e) < 0)
			goto out;
	}
	w->met = true;
	rc = 0;
out:
	store_list_release(&l);
	return rc;
}

int redo_writer_meta(struct redo_writer *w, const struct redo_meta *m, struct err *e)
{
	if (m->resolved_ts < m->checkpoint_ts)
		return err_set(e, ERR_BAD_DATA, 0, "redo meta: resolvedTs below checkpointTs");
	if (!w->met)
		return take_over(w, m, e);
	if (m->checkpoint_ts > w->meta.checkpoint_ts)
		w->meta.checkpoint_ts = m->checkpoint_ts;
	if (m->resolved_ts > w->meta.resolved_ts)
		w->meta.resolved_ts = m->resolved_ts;
	return put_meta(w, e);
}

int redo_writer_collect(struct redo_writer *w, tso_t checkpoint_ts, struct err *e)
{
	struct redo_files files;
	int n = 0;

	if (redo_list_files(w->store, &files, e) < 0)
		return -1;
	for (size_t i = 0; i < files.n + files.n_orphans && n >= 0; i++) {
		const struct redo_file *f = i < files.n ? &files.f[i] : &files.orphans[i - files.n];

		if (f->name.max_commit_ts >= checkpoint_ts || !is_own(w, &f->name))
			continue;
		n = drop_file(w, f->key, e) < 0 ? -1 : n + (i < files.n);
	}
	redo_files_release(&files);
	return n;
}

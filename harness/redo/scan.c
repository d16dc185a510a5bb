#include "harness/redo/scan.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "harness/base/xalloc.h"
#include "harness/redo/fetch.h"
#include "harness/redo/sidecar.h"

#define BEGINNINGS_MAX 100
#define DOWNLOADS_DEFAULT 4
#define PAUSE_MS 50

struct scan {
	struct store *s;
	const struct redo_scan *how;
	struct redo_meta meta;
	struct redo_files files;
	struct redo_parser *parser;
	XXH3_state_t *sum; /* of the bytes as stored */
	struct strbuf side;
	/* the caller's function said no: whatever it says is no fault of the file */
	bool stopped;
	struct redo_scan_file done;
};

static int scan_event(void *arg, const struct redo_event *ev, uint64_t offset, struct err *e)
{
	struct scan *s = arg;
	struct redo_event told = *ev;

	if (ev->kind == REDO_DDL) /* its sidecar was read before it */
		told.ddl.session = sidecar_session(s->side.buf, s->side.len, ev->ddl.commit_ts);
	if (s->how->event(s->how->arg, &told, offset, e) == 0)
		return 0;
	s->stopped = true;
	return -1;
}

static int pipe_bytes(void *arg, const void *data, size_t n, struct err *e)
{
	struct scan *s = arg;

	if (s->how->bytes)
		s->how->bytes(s->how->arg, n);
	if (s->done.file->sidecar)
		XXH3_64bits_update(s->sum, data, n);
	return redo_parser_feed(s->parser, data, n, e);
}

static int side_bytes(void *arg, const void *data, size_t n, struct err *e)
{
	struct strbuf *side = arg;

	if (side->len + n > SIDECAR_BYTES_MAX)
		return err_set(e, ERR_BAD_DATA, 0, "not a sidecar: too long");
	strbuf_add(side, data, n);
	return 0;
}

static int sidecar_fault(struct scan *s, const struct redo_file *f, const struct err *unreadable,
			 struct err *e)
{
	uint64_t records, sum;

	if (unreadable->kind != ERR_NONE) {
		*e = *unreadable;
		return -1;
	}
	if (sidecar_parse(s->side.buf, s->side.len, &records, &sum, e) < 0)
		return err_wrap(e, "%s" SIDECAR_ENDING, f->key);
	if (records != s->done.res.records || sum != XXH3_64bits_digest(s->sum))
		return err_set(e, ERR_BAD_DATA, 0,
			       "%s: does not match its sidecar: %" PRIu64
			       " records were written, %" PRIu64 " are there%s",
			       f->key, records, s->done.res.records,
			       records == s->done.res.records ? ", with other bytes" : "");
	return 0;
}

/* The sidecar names the file that was written before: where that counts, it has to be there. */
static int previous_fault(struct scan *s, const struct redo_file *f, struct err *e)
{
	struct redo_bytes previous = sidecar_file(s->side.buf, s->side.len).previous;
	char *base = xstrndup(previous.p ? previous.p : "", previous.n);
	struct strbuf said = STRBUF_INIT;
	struct redo_name name;
	int rc = 0;

	if (previous.n && redo_name_parse(&name, base, NULL) == 0 && name.kind == f->name.kind &&
	    name.max_commit_ts >= s->meta.checkpoint_ts + (name.kind == REDO_FILE_ROW) &&
	    !redo_files_have(&s->files, &name, base)) {
		strbuf_addf(&said, "%s was written after it", f->key);
		rc = redo_file_missing(base, &s->meta, said.buf, e);
	}
	strbuf_release(&said);
	free(base);
	return rc;
}

/* Its absence told as a file's, or the end. */
static int explain_missing(struct scan *s, const struct redo_file *f, const struct err *why,
			   struct err *e)
{
	struct redo_scan_file gone = { .file = f, .why = why };

	if (why->kind == ERR_BAD_DATA && s->how->allow_gap)
		return s->how->file_done ? s->how->file_done(s->how->arg, &gone, e) : 0;
	*e = *why;
	return -1;
}

static int orphans_of(struct scan *s, enum redo_file_kind kind, struct err *e)
{
	for (size_t i = 0; i < s->files.n_orphans; i++) {
		const struct redo_file *f = &s->files.orphans[i];
		struct err why = ERR_INIT;

		if (f->name.kind == kind && redo_orphan_fault(s->s, &s->meta, f, &why) < 0 &&
		    explain_missing(s, f, &why, e) < 0)
			return -1;
	}
	return 0;
}

/* 1: the file vanished. The sidecar, if there is one, is the fetch's file before. */
static int read_one(struct scan *s, struct fetch *fetch, size_t *at, const struct redo_file *f,
		    struct err *e)
{
	struct err why = ERR_INIT, side = ERR_INIT;
	bool whole;
	int rc;

	s->done = (struct redo_scan_file){ .file = f };
	strbuf_reset(&s->side);
	if (f->sidecar && fetch_file(fetch, (*at)++, side_bytes, &s->side, &side) < 0) {
		if (side.kind == ERR_NOT_FOUND)
			return 1;
		if (side.kind != ERR_BAD_DATA) {
			*e = side;
			return -1;
		}
	}
	s->parser = redo_parser_new(f->key, f->name.tmp, scan_event, s);
	XXH3_64bits_reset(s->sum);
	rc = fetch_file(fetch, (*at)++, pipe_bytes, s, &why);
	if (rc == 0)
		rc = redo_parser_end(s->parser, &s->done.res, &why);
	else
		redo_parser_state(s->parser, &s->done.res);
	redo_parser_free(s->parser);
	if (rc < 0) {
		if (s->stopped || (why.kind != ERR_BAD_DATA && why.kind != ERR_NOT_FOUND)) {
			*e = why;
			return -1;
		}
		if (why.kind == ERR_NOT_FOUND)
			return 1;
		s->done.fault = why;
		s->done.why = &s->done.fault;
	} else if (f->sidecar && sidecar_fault(s, f, &side, &s->done.fault) < 0) {
		s->done.why = &s->done.fault;
	}
	if (s->done.why && !s->how->allow_gap) {
		*e = *s->done.why;
		return -1;
	}
	whole = !s->done.why;
	rc = s->how->file_done ? s->how->file_done(s->how->arg, &s->done, e) : 0;
	s->done.why = NULL;
	if (rc < 0)
		return -1;
	if (whole && f->sidecar && previous_fault(s, f, &why) < 0)
		return explain_missing(s, &(struct redo_file){ .name = f->name, .key = f->key },
				       &why, e);
	return 0;
}

static int meta_of(const struct scan *s, struct redo_meta *out, struct err *e)
{
	return s->how->any_feed ? redo_read_any_meta(s->s, out, e) : redo_read_meta(s->s, out, e);
}

static int explain_vanished(struct scan *s, const struct redo_file *f, struct err *e)
{
	struct redo_meta now;

	if (meta_of(s, &now, e) < 0)
		return -1;
	/* A .tmp gets its final name when it is whole; what checkpointTs has passed is collected.
	 * Both are told by a new list. */
	if (f->name.tmp || f->name.max_commit_ts <= now.checkpoint_ts)
		return 1;
	return err_set(e, ERR_BAD_DATA, 0,
		       "%s was listed and is gone, but checkpointTs (%" PRIu64
		       ") has not passed it: the log has a gap",
		       f->key, now.checkpoint_ts);
}

/* 1: begin anew. */
static int files_of(struct scan *s, enum redo_file_kind kind, struct err *e)
{
	tso_t after = kind == REDO_FILE_ROW || !s->meta.checkpoint_ts ? s->meta.checkpoint_ts
								      : s->meta.checkpoint_ts - 1;
	bool local = !strcmp(store_kind(s->s), "file");
	const char **keys = xcalloc(s->files.n * 2 + 1, sizeof(*keys));
	const struct redo_file **want = xcalloc(s->files.n + 1, sizeof(*want));
	char **sides = xcalloc(s->files.n + 1, sizeof(*sides));
	size_t n = 0, n_keys = 0, at = 0;
	struct fetch *fetch;
	int rc = orphans_of(s, kind, e);

	for (size_t i = 0; i < s->files.n; i++) {
		const struct redo_file *f = &s->files.f[i];

		if (f->name.kind != kind ||
		    (!s->how->old_files && !f->name.tmp && f->name.max_commit_ts <= after))
			continue;
		if (f->sidecar) {
			sides[n] = xstrfmt("%s" SIDECAR_ENDING, f->key);
			keys[n_keys++] = sides[n];
		}
		keys[n_keys++] = f->key;
		want[n++] = f;
	}
	fetch = fetch_new(s->s, keys, n_keys,
			  local               ? 0
			  : s->how->downloads ? s->how->downloads
					      : DOWNLOADS_DEFAULT);
	for (size_t i = 0; i < n && rc == 0; i++) {
		struct err why = ERR_INIT;

		rc = read_one(s, fetch, &at, want[i], e);
		if (rc != 1)
			continue;
		rc = explain_vanished(s, want[i], &why);
		if (rc < 0)
			rc = explain_missing(s, want[i], &why, e);
	}
	fetch_free(fetch);
	for (size_t i = 0; i < n; i++)
		free(sides[i]);
	free(sides);
	free(want);
	free(keys);
	return rc;
}

static int scan_once(struct scan *s, struct err *e)
{
	struct err why = ERR_INIT;
	int rc;

	redo_files_release(&s->files);
	if (redo_look(s->s, s->how->any_feed, &s->meta, &s->files, &why) < 0) {
		if (why.kind != ERR_NOT_FOUND || !s->how->no_meta) {
			*e = why;
			return -1;
		}
		s->meta = (struct redo_meta){ .resolved_ts = UINT64_MAX };
		if (redo_list_files(s->s, &s->files, e) < 0)
			return -1;
		if (!s->files.n && !s->files.n_orphans) { /* a mistyped place, most likely */
			*e = why;
			return -1;
		}
	}
	if (s->how->begin(s->how->arg, &s->meta, &s->files, e) < 0)
		return -1;
	rc = files_of(s, REDO_FILE_DDL, e);
	if (rc == 0 && s->how->ddls_done)
		rc = s->how->ddls_done(s->how->arg, e);
	return rc == 0 ? files_of(s, REDO_FILE_ROW, e) : rc;
}

int redo_scan(struct store *store, const struct redo_scan *how, struct err *e)
{
	struct scan s = { .s = store, .how = how, .sum = XXH3_createState(), .side = STRBUF_INIT };
	struct err dropped = ERR_INIT;
	int rc = 1;

	if (!e)
		e = &dropped;
	for (int i = 0; i < BEGINNINGS_MAX && rc == 1; i++) {
		rc = scan_once(&s, e);
		if (rc == 1 && pause_ms(PAUSE_MS, deadline_in_ms(60000)) < 0)
			rc = err_set(e, ERR_CANCELLED, 0, "interrupted");
	}
	if (rc == 1)
		rc = err_set(e, ERR_TIMEOUT, 0,
			     "files of the log were deleted while it was read, %d times in a row; "
			     "perhaps reading is too slow",
			     BEGINNINGS_MAX);
	redo_files_release(&s.files);
	strbuf_release(&s.side);
	XXH3_freeState(s.sum);
	return rc;
}

#include "harness/redo/reader.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "harness/base/clock.h"
#include "harness/base/xalloc.h"
#include "harness/redo/sidecar.h"

#define META_BYTES_MAX 4096
#define META_PAUSE_MS 10
#define MARK "delete_"
/* a live owner replaces its meta every 200 ms: a listed one may be gone */
#define META_TRIES 10

static const char *base_of(const char *key)
{
	const char *slash = strrchr(key, '/');

	return slash ? slash + 1 : key;
}

/* ---- whose ---- */

static void feeds_add(struct redo_feeds *all, const struct redo_name *name)
{
	size_t k = 0;

	while (k < all->n && (strcmp(all->f[k].changefeed, name->changefeed) ||
			      strcmp(all->f[k].name_space, name->name_space)))
		k++;
	if (k == all->n) {
		all->f = xreallocarray(all->f, ++all->n, sizeof(*all->f));
		all->f[k] = (struct redo_feed){ 0 };
		strcpy(all->f[k].name_space, name->name_space);
		strcpy(all->f[k].changefeed, name->changefeed);
		strcpy(all->f[k].capture, name->capture);
	}
	all->f[k].has_meta = all->f[k].has_meta || name->kind == REDO_FILE_META;
	all->f[k].has_files = all->f[k].has_files || name->kind != REDO_FILE_META;
}

/* "delete_<changefeed>", "delete_<namespace>_<changefeed>" */
static bool is_mark_of(const char *base, const struct redo_feed *f)
{
	size_t n = strlen(f->name_space);

	base += strlen(MARK);
	if (!strcmp(f->name_space, "default") && !strcmp(base, f->changefeed))
		return true;
	return !strncmp(base, f->name_space, n) && base[n] == '_' &&
	       !strcmp(base + n + 1, f->changefeed);
}

int redo_feed_removed(struct store *s, const struct redo_feeds *all, const struct redo_feed *f,
		      struct err *e)
{
	size_t i = 0;

	while (i < all->n_marks && !is_mark_of(base_of(all->marks[i]), f))
		i++;
	if (i == all->n_marks)
		return 0;
	return err_set(
		e, ERR_BAD_DATA, 0,
		"%s: changefeed %s/%s was removed (it has the mark %s): TiCDC then deletes the "
		"files of its log, so the rest is not a complete log. If all files are there and "
		"only the mark is wrong, delete the mark",
		store_uri_redacted(s), f->name_space, f->changefeed, all->marks[i]);
}

static struct redo_feeds feeds_of(const struct store_list *l)
{
	struct redo_feeds all = { 0 };

	for (size_t i = 0; i < l->n; i++) {
		struct redo_name name;

		if (redo_name_parse(&name, base_of(l->objects[i].key), NULL) == 0 &&
		    name.kind != REDO_FILE_OTHER && name.changefeed[0] &&
		    (name.kind != REDO_FILE_META || l->objects[i].size_bytes))
			feeds_add(&all, &name);
		if (strncmp(base_of(l->objects[i].key), MARK, strlen(MARK)) != 0)
			continue;
		all.marks = xreallocarray(all.marks, all.n_marks + 1, sizeof(*all.marks));
		all.marks[all.n_marks++] = xstrdup(l->objects[i].key);
	}
	return all;
}

int redo_list_feeds(struct store *s, struct redo_feeds *out, struct err *e)
{
	struct store_list l;

	*out = (struct redo_feeds){ 0 };
	if (store_list(s, "", &l, e) < 0)
		return -1;
	*out = feeds_of(&l);
	store_list_release(&l);
	return 0;
}

void redo_feeds_release(struct redo_feeds *f)
{
	for (size_t i = 0; i < f->n_marks; i++)
		free(f->marks[i]);
	free(f->marks);
	free(f->f);
	*f = (struct redo_feeds){ 0 };
}

static int one_feed(struct store *s, const struct store_list *l, struct err *e)
{
	struct redo_feeds all = feeds_of(l);
	int rc = 0;

	if (all.n > 1)
		rc = err_set(
			e, ERR_BAD_DATA, 0,
			"%s: files of %zu changefeeds, %s/%s and %s/%s%s, are in one place and "
			"would be read as one log: move the files of all changefeeds but one "
			"(each file name contains its changefeed) to another place",
			store_uri_redacted(s), all.n, all.f[0].name_space, all.f[0].changefeed,
			all.f[1].name_space, all.f[1].changefeed, all.n > 2 ? ", ..." : "");
	else if (all.n)
		rc = redo_feed_removed(s, &all, &all.f[0], e);
	redo_feeds_release(&all);
	return rc;
}

/* ---- meta ---- */

/* 1: some vanished between list and read, -1: error. */
static int metas_once(struct store *s, bool any, struct redo_meta *m, unsigned *found,
		      struct strbuf *mark, struct err *e)
{
	struct strbuf body = STRBUF_INIT;
	struct store_list l;
	int rc = -1, gone = 0;

	*m = (struct redo_meta){ 0 };
	*found = 0;
	if (store_list(s, "", &l, e) < 0)
		return -1;
	if (!any && one_feed(s, &l, e) < 0)
		goto out;
	strbuf_reset(mark);
	for (size_t i = 0; i < l.n && !mark->len; i++)
		if (!strncmp(base_of(l.objects[i].key), MARK, strlen(MARK)))
			strbuf_addstr(mark, l.objects[i].key);
	for (size_t i = 0; i < l.n; i++) {
		struct redo_name name;
		struct redo_meta one;
		struct err why = ERR_INIT;

		if (redo_name_parse(&name, base_of(l.objects[i].key), &why) < 0 ||
		    name.kind != REDO_FILE_META || !l.objects[i].size_bytes)
			continue;
		strbuf_reset(&body);
		if (store_get(s, l.objects[i].key, META_BYTES_MAX, &body, &why) < 0) {
			if (why.kind == ERR_NOT_FOUND) {
				gone = 1;
				continue;
			}
			*e = why;
			goto out;
		}
		if (redo_meta_decode(&one, body.buf, body.len, e) < 0) {
			err_wrap(e, "%s", l.objects[i].key);
			goto out;
		}
		if (one.checkpoint_ts > m->checkpoint_ts)
			m->checkpoint_ts = one.checkpoint_ts;
		if (one.resolved_ts > m->resolved_ts)
			m->resolved_ts = one.resolved_ts;
		if (one.version > m->version)
			m->version = one.version;
		++*found;
	}
	rc = gone;
out:
	strbuf_release(&body);
	store_list_release(&l);
	return rc;
}

static int read_meta(struct store *s, bool any, struct redo_meta *m, struct err *e)
{
	struct strbuf mark = STRBUF_INIT;
	struct err dropped = ERR_INIT;
	unsigned found = 0;
	int rc = 1;

	if (!e)
		e = &dropped;
	/* None at all may be a list that was taken while one replaced the other: no list is taken
	 * in one instant. */
	for (int i = 0; i < META_TRIES && (rc == 1 || (rc == 0 && !found)); i++) {
		if (i && !found && pause_ms(META_PAUSE_MS, deadline_in_ms(60000)) < 0)
			break;
		rc = metas_once(s, any, m, &found, &mark, e);
	}
	if (rc >= 0 && !found && mark.len)
		rc = err_set(
			e, ERR_NOT_FOUND, 0,
			"%s: the redo log has no meta file: its changefeed was removed (it has "
			"the mark %s), and the log with it",
			store_uri_redacted(s), mark.buf);
	else if (rc >= 0 && !found)
		rc = err_set(
			e, ERR_NOT_FOUND, 0,
			"%s: the redo log has no meta file: nothing was logged here, or the changefeed was removed",
			store_uri_redacted(s));
	strbuf_release(&mark);
	if (rc < 0)
		return -1;
	if (m->resolved_ts < m->checkpoint_ts)
		return err_set(e, ERR_BAD_DATA, 0,
			       "redo meta: resolvedTs %" PRIu64 " is below checkpointTs %" PRIu64,
			       m->resolved_ts, m->checkpoint_ts);
	return 0;
}

int redo_read_meta(struct store *s, struct redo_meta *m, struct err *e)
{
	return read_meta(s, false, m, e);
}

int redo_read_any_meta(struct store *s, struct redo_meta *m, struct err *e)
{
	return read_meta(s, true, m, e);
}

static int by_kind_ts_key(const void *x, const void *y)
{
	const struct redo_file *a = x, *b = y;

	if (a->name.kind != b->name.kind)
		return a->name.kind < b->name.kind ? -1 : 1;
	if (a->name.max_commit_ts != b->name.max_commit_ts)
		return a->name.max_commit_ts < b->name.max_commit_ts ? -1 : 1;
	return strcmp(a->key, b->key);
}

/* A sidecar without its log file. */
static void add_orphan(struct redo_files *out, const char *key)
{
	size_t n = strlen(key), end = strlen(SIDECAR_ENDING);
	struct redo_name name;
	char *log;

	if (n <= end || strcmp(key + n - end, SIDECAR_ENDING) != 0)
		return;
	log = xstrndup(key, n - end);
	if (redo_name_parse(&name, base_of(log), NULL) < 0 ||
	    (name.kind != REDO_FILE_ROW && name.kind != REDO_FILE_DDL)) {
		free(log);
		return;
	}
	out->orphans = xreallocarray(out->orphans, out->n_orphans + 1, sizeof(*out->orphans));
	out->orphans[out->n_orphans++] =
		(struct redo_file){ .name = name, .key = log, .sidecar = true };
}

int redo_list_files(struct store *s, struct redo_files *out, struct err *e)
{
	struct store_list l;
	size_t room = 0;
	bool *paired;
	int rc = -1;

	memset(out, 0, sizeof(*out));
	if (store_list(s, "", &l, e) < 0)
		return -1;
	paired = xcalloc(l.n + 1, sizeof(*paired));
	for (size_t i = 0; i < l.n; i++) {
		struct redo_name name;
		size_t k = i + 1, n = strlen(l.objects[i].key);

		if (redo_name_parse(&name, base_of(l.objects[i].key), e) < 0)
			goto out;
		if (name.kind != REDO_FILE_ROW && name.kind != REDO_FILE_DDL) {
			if (!paired[i])
				add_orphan(out, l.objects[i].key);
			continue;
		}
		/* the list is sorted: a sidecar comes right behind its file, or behind others that
		 * begin with the file's name */
		while (k < l.n && !strncmp(l.objects[k].key, l.objects[i].key, n) &&
		       strcmp(l.objects[k].key + n, SIDECAR_ENDING) != 0)
			k++;
		XGROW(out->f, out->n, room, 64);
		paired[k] = k < l.n && !strncmp(l.objects[k].key, l.objects[i].key, n);
		out->f[out->n++] = (struct redo_file){ name, xstrdup(l.objects[i].key),
						       l.objects[i].size_bytes, paired[k] };
	}
	if (out->n)
		qsort(out->f, out->n, sizeof(*out->f), by_kind_ts_key);
	rc = 0;
out:
	free(paired);
	store_list_release(&l);
	if (rc < 0)
		redo_files_release(out);
	return rc;
}

void redo_files_release(struct redo_files *f)
{
	for (size_t i = 0; i < f->n; i++)
		free(f->f[i].key);
	for (size_t i = 0; i < f->n_orphans; i++)
		free(f->orphans[i].key);
	free(f->f);
	free(f->orphans);
	memset(f, 0, sizeof(*f));
}

bool redo_files_have(const struct redo_files *f, const struct redo_name *name, const char *base)
{
	size_t lo = 0, hi = f->n;

	while (lo < hi) { /* they are sorted by kind and ts first */
		size_t mid = lo + (hi - lo) / 2;
		const struct redo_name *n = &f->f[mid].name;

		if (n->kind < name->kind ||
		    (n->kind == name->kind && n->max_commit_ts < name->max_commit_ts))
			lo = mid + 1;
		else
			hi = mid;
	}
	for (; lo < f->n && f->f[lo].name.kind == name->kind &&
	       f->f[lo].name.max_commit_ts == name->max_commit_ts;
	     lo++)
		if (!strcmp(base_of(f->f[lo].key), base))
			return true;
	return false;
}

int redo_orphan_fault(struct store *s, const struct redo_meta *m, const struct redo_file *orphan,
		      struct err *e)
{
	struct strbuf side = STRBUF_INIT, key = STRBUF_INIT;
	tso_t first = orphan->name.max_commit_ts;
	struct err why = ERR_INIT;
	uint64_t records, sum;
	int rc = 0;

	if (orphan->name.max_commit_ts < m->checkpoint_ts + (orphan->name.kind == REDO_FILE_ROW))
		return 0; /* collected: the log goes first */
	strbuf_addf(&key, "%s" SIDECAR_ENDING, orphan->key);
	if (store_get(s, key.buf, SIDECAR_BYTES_MAX, &side, &why) < 0) {
		rc = why.kind == ERR_NOT_FOUND ? 0 : -1;
		if (rc < 0)
			*e = why;
	} else if (sidecar_parse(side.buf, side.len, &records, &sum, &why) == 0 &&
		   sidecar_file(side.buf, side.len).first_ts) {
		first = sidecar_file(side.buf, side.len).first_ts;
	}
	/* behind resolvedTs: its writer died between the two, and nobody was promised it */
	if (rc == 0 && why.kind != ERR_NOT_FOUND && first <= m->resolved_ts)
		rc = redo_file_missing(orphan->key, m,
				       "its sidecar, which is written with it, exists", e);
	strbuf_release(&side);
	strbuf_release(&key);
	return rc;
}

int redo_file_missing(const char *key, const struct redo_meta *m, const char *evidence,
		      struct err *e)
{
	return err_set(e, ERR_BAD_DATA, 0,
		       "%s is missing: %s, and checkpointTs (%" PRIu64
		       ") has not passed it: changes up "
		       "to resolvedTs are lost with it: restore the file (the store may keep older "
		       "versions), or use a full backup instead of this log",
		       key, evidence, m->checkpoint_ts);
}

int redo_files_whole(struct store *s, const struct redo_meta *m, const struct redo_files *f,
		     struct err *e)
{
	for (size_t i = 0; i < f->n_orphans; i++)
		if (redo_orphan_fault(s, m, &f->orphans[i], e) < 0)
			return -1;
	return 0;
}

/* A file that was collected between the look at the meta and the list is in no list, and nobody
 * misses it. It was at or before the checkpointTs that the meta has after the list: from there on
 * the list is whole. */
int redo_look(struct store *s, bool any_feed, struct redo_meta *m, struct redo_files *out,
	      struct err *e)
{
	struct redo_meta after;

	*out = (struct redo_files){ 0 };
	for (int i = 0; i < META_TRIES; i++) {
		redo_files_release(out);
		if (read_meta(s, any_feed, m, e) < 0 || redo_list_files(s, out, e) < 0)
			return -1;
		if (read_meta(s, any_feed, &after, e) < 0) {
			redo_files_release(out);
			return -1;
		}
		if (after.checkpoint_ts > m->checkpoint_ts)
			m->checkpoint_ts = after.checkpoint_ts;
		if (m->checkpoint_ts <= m->resolved_ts)
			return 0;
	}
	redo_files_release(out);
	return err_set(
		e, ERR_TIMEOUT, 0,
		"checkpointTs of the log passed its resolvedTs while its files were listed, %d "
		"times in a row; perhaps the store is slow",
		META_TRIES);
}

struct piping {
	struct redo_parser *parser;
	redo_event_fn *fn;
	void *arg;
	const struct strbuf *side;
	XXH3_state_t *sum; /* of the bytes as stored; NULL without a sidecar */
};

static int pipe_bytes(void *arg, const void *data, size_t n, struct err *e)
{
	struct piping *p = arg;

	if (p->sum)
		XXH3_64bits_update(p->sum, data, n);
	return redo_parser_feed(p->parser, data, n, e);
}

/* A DDL gets its session from the sidecar. */
static int with_session(void *arg, const struct redo_event *ev, uint64_t offset, struct err *e)
{
	struct piping *p = arg;
	struct redo_event told = *ev;

	if (ev->kind == REDO_DDL)
		told.ddl.session = sidecar_session(p->side->buf, p->side->len, ev->ddl.commit_ts);
	return p->fn(p->arg, &told, offset, e);
}

int redo_read_file(struct store *s, const struct redo_file *f, redo_event_fn *fn, void *arg,
		   struct redo_parse_result *r, struct err *e)
{
	struct strbuf side = STRBUF_INIT, key = STRBUF_INIT;
	struct piping p = { .fn = fn, .arg = arg, .side = &side };
	struct err why = ERR_INIT;
	uint64_t records = 0, sum = 0;
	bool have_side = false;
	int rc = -1;

	p.parser = redo_parser_new(f->key, f->name.tmp, with_session, &p);
	strbuf_addf(&key, "%s" SIDECAR_ENDING, f->key);
	if (store_get(s, key.buf, SIDECAR_BYTES_MAX, &side, &why) == 0) {
		if (sidecar_parse(side.buf, side.len, &records, &sum, e) < 0) {
			err_wrap(e, "%s", key.buf);
			goto out;
		}
		have_side = true;
		p.sum = XXH3_createState();
		XXH3_64bits_reset(p.sum);
	} else if (why.kind != ERR_NOT_FOUND) {
		if (e)
			*e = why;
		goto out;
	}
	if (store_get_stream(s, f->key, pipe_bytes, &p, e) < 0)
		goto out;
	if (redo_parser_end(p.parser, r, e) < 0)
		goto out;
	if (have_side && (records != r->records || sum != XXH3_64bits_digest(p.sum))) {
		err_set(e, ERR_BAD_DATA, 0,
			"%s: does not match its sidecar: %" PRIu64 " records were written, %" PRIu64
			" are there%s",
			f->key, records, r->records,
			records == r->records ? ", with other bytes" : "");
		goto out;
	}
	rc = 0;
out:
	if (p.sum)
		XXH3_freeState(p.sum);
	redo_parser_free(p.parser);
	strbuf_release(&side);
	strbuf_release(&key);
	return rc;
}

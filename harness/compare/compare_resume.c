#include "harness/compare/compare_resume.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "harness/base/xalloc.h"

#define RANGES_MAX ((size_t)1 << 24)

struct done {
	uint64_t hash, rows;
};
struct compare_resume {
	pthread_mutex_t lock;
	FILE *f;
	char *path;
	struct done *done; /* as read, sorted: what is added now is not asked for again */
	size_t n;
};

static uint64_t add_text(uint64_t h, const char *text)
{
	return text ? XXH3_64bits_withSeed(text, strlen(text) + 1, h) : h * 31 + 1;
}

static uint64_t add_bound(uint64_t h, const struct table_schema *t, const struct key_bound *b)
{
	const struct index_key *k = key_of_ranges(t);

	for (size_t i = 0; b && k && i < k->n_columns; i++)
		h = add_text(h, b->literal[i]);
	return b ? h : h * 31 + 7;
}

static uint64_t range_hash(const struct row_range *r)
{
	uint64_t h = add_text(add_text(1, r->a->db), r->a->table);

	h = add_text(add_text(h, r->a->rows_of), r->a->condition);
	h = add_text(add_text(h, r->b->db), r->b->table); /* a route may lead elsewhere now */
	/* another structure is another range */
	return add_bound(
		add_bound(add_text(add_text(h, r->a->create_sql), r->b->create_sql), r->a, r->low),
		r->a, r->high);
}

static uint64_t config_hash(const struct compare_opts *o)
{
	uint64_t h = add_text(add_text(o->a.port * 65536u + o->b.port, o->a.host), o->b.host);

	h = add_text(add_text(h, o->a_snapshot), o->b_snapshot);
	for (const char *const *p = o->ignore; p && *p; p++)
		h = add_text(h, *p);
	return h ^ o->chunk_rows;
}

static int by_hash(const void *a, const void *b)
{
	const struct done *x = a, *y = b;

	return x->hash < y->hash ? -1 : x->hash > y->hash;
}

/* Whole lines alone count: the last may be torn. */
static int read_file(struct compare_resume *r, FILE *f, uint64_t config, struct err *e)
{
	char line[128], check[128];
	uint64_t hash, rows;
	bool first = true;

	while (fgets(line, sizeof(line), f) && strchr(line, '\n')) {
		if (first && (sscanf(line, "drtest diff %" SCNx64, &hash) != 1 || hash != config))
			return err_set(e, ERR_USAGE, 0,
				       "%s belongs to another compare (other servers, snapshots, "
				       "columns or chunks): remove it, or use another file",
				       r->path);
		if (!first && sscanf(line, "%" SCNx64 " %" SCNu64, &hash, &rows) == 2) {
			snprintf(check, sizeof(check), "%016" PRIx64 " %" PRIu64 "\n", hash, rows);
			if (strcmp(line, check) || r->n >= RANGES_MAX)
				break;
			XGROW_POW2(r->done, r->n);
			r->done[r->n++] = (struct done){ hash, rows };
		}
		first = false;
	}
	if (r->n)
		qsort(r->done, r->n, sizeof(*r->done), by_hash);
	return ferror(f) ? err_sys(e, "read %s", r->path) : 0;
}

struct compare_resume *compare_resume_open(const struct compare_opts *o, struct err *e)
{
	struct compare_resume *r = xcalloc(1, sizeof(*r));
	uint64_t config = config_hash(o);
	FILE *old = fopen(o->resume_path, "re");
	int rc = 0;

	pthread_mutex_init(&r->lock, NULL);
	r->path = xstrdup(o->resume_path);
	if (old) {
		rc = read_file(r, old, config, e);
		fclose(old);
	}
	/* written anew: a torn line would spoil what follows it */
	if (rc == 0 && !(r->f = fopen(r->path, "we")))
		rc = err_sys(e, "write %s", r->path);
	if (rc < 0) {
		compare_resume_close(r, false);
		return NULL;
	}
	fprintf(r->f, "drtest diff %016" PRIx64 "\n", config);
	for (size_t i = 0; i < r->n; i++)
		fprintf(r->f, "%016" PRIx64 " %" PRIu64 "\n", r->done[i].hash, r->done[i].rows);
	fflush(r->f);
	return r;
}

bool compare_resume_has(struct compare_resume *r, const struct row_range *range, uint64_t *rows)
{
	struct done key = { .hash = range_hash(range) },
		    *d = r->n ? bsearch(&key, r->done, r->n, sizeof(*r->done), by_hash) : NULL;

	if (d)
		*rows = d->rows;
	return d != NULL;
}

int compare_resume_add(struct compare_resume *r, const struct row_range *range, uint64_t rows,
		       struct err *e)
{
	int rc;

	pthread_mutex_lock(&r->lock);
	fprintf(r->f, "%016" PRIx64 " %" PRIu64 "\n", range_hash(range), rows);
	rc = fflush(r->f) ? err_sys(e, "write %s", r->path) : 0;
	pthread_mutex_unlock(&r->lock);
	return rc;
}

void compare_resume_close(struct compare_resume *r, bool finished)
{
	if (!r)
		return;
	if (r->f)
		fclose(r->f);
	if (finished)
		unlink(r->path);
	pthread_mutex_destroy(&r->lock);
	free(r->path);
	free(r->done);
	free(r);
}

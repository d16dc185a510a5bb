/* Reads a history's files. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/order.h"
#include "harness/base/xalloc.h"
#include "harness/os/fs.h"
#include "harness/verify/isolation_impl.h"

#define LINE_BYTES_MAX ((size_t)64 << 20)

static int read_whole(json_t *j, int64_t *out)
{
	if (!json_is_integer(j))
		return -1;
	*out = json_integer_value(j);
	return 0;
}

static int element_parse(struct h_element *e, const char *text, size_t n, size_t *used)
{
	uint64_t part[3] = { 0 };
	size_t at = 0;

	for (int i = 0; i < 3; i++) {
		size_t from = at;

		for (; at < n && text[at] >= '0' && text[at] <= '9' && at - from < 18; at++)
			part[i] = part[i] * 10 + (uint64_t)(text[at] - '0');
		if (at == from || (i < 2 && (at == n || text[at++] != '.')))
			return -1;
	}
	if (part[0] > UINT32_MAX || part[2] > UINT32_MAX)
		return -1;
	*e = (struct h_element){ .worker = (uint32_t)part[0],
				 .seq = part[1],
				 .n = (uint32_t)part[2] };
	*used = at;
	return 0;
}

int h_list_parse(struct h_list *l, const char *text, size_t n)
{
	size_t room = 0;

	*l = (struct h_list){ 0 };
	for (size_t at = 0, used; at < n; at += used + (at + used < n)) {
		XGROW(l->e, l->n, room, 8);
		if (element_parse(&l->e[l->n], text + at, n - at, &used) < 0 ||
		    (at + used < n && text[at + used] != ' ') || at + used + 1 == n) {
			free(l->e);
			*l = (struct h_list){ 0 };
			return -1;
		}
		l->n++;
	}
	return 0;
}

static int take_op(struct h_run *h, json_t *j, uint32_t txn, size_t place)
{
	const char *what = json_string_value(json_array_get(j, 0)),
		   *text = json_string_value(json_array_get(j, 3));
	struct h_op op = { .txn = txn, .place = place };
	int64_t table;
	size_t used;

	if (!what || read_whole(json_array_get(j, 1), &table) < 0 || table < 1 ||
	    table > UINT32_MAX)
		return -1;
	op.table = (uint32_t)table;
	if (!strcmp(what, "transfer"))
		return 0;
	if (!strcmp(what, "total")) {
		op.is_read = true;
		/* SUM() comes as text or as a number, as the server likes */
		if (json_is_string(json_array_get(j, 3)))
			op.sum = strtoll(text, NULL, 10);
		else if (read_whole(json_array_get(j, 3), &op.sum) < 0)
			return -1;
		if (read_whole(json_array_get(j, 4), &op.must) < 0)
			return -1;
	} else {
		if (read_whole(json_array_get(j, 2), &op.key) < 0 || !text)
			return -1;
		op.is_read = !strcmp(what, "read");
		if (op.is_read
			    ? h_list_parse(&op.list, text, strlen(text)) < 0
			    : strcmp(what, "append") ||
				      element_parse(&op.element, text, strlen(text), &used) < 0 ||
				      text[used])
			return -1;
	}
	XGROW(h->op, h->n_ops, h->ops_room, 1024);
	h->op[h->n_ops++] = op;
	return 0;
}

/* 0: taken, -1: it is no record. */
static int take_line(struct h_run *h, const char *line, size_t n)
{
	static const char *const outcome[] = { "", "acked", "failed", "unknown" };
	json_t *j = json_loadb(line, n, 0, NULL), *ops, *op;
	struct h_txn t = { 0 };
	int64_t worker, seq, cluster, us;
	const char *out = json_string_value(json_object_get(j, "outcome")),
		   *position = json_string_value(json_object_get(j, "position"));
	size_t i;
	int rc = -1;

	ops = json_object_get(j, "ops");
	if (read_whole(json_object_get(j, "worker"), &worker) < 0 ||
	    read_whole(json_object_get(j, "seq"), &seq) < 0 ||
	    read_whole(json_object_get(j, "cluster"), &cluster) < 0 ||
	    read_whole(json_object_get(j, "begin_us"), &us) < 0 ||
	    read_whole(json_object_get(j, "end_us"), &us) < 0 || !out || !position ||
	    !json_is_array(ops) || worker < 0 || worker > UINT32_MAX || seq < 1 || cluster < 0 ||
	    cluster > UINT16_MAX)
		goto out;
	t = (struct h_txn){ .worker = (uint32_t)worker,
			    .seq = (uint64_t)seq,
			    .position = strtoull(position, NULL, 10),
			    .cluster = (uint16_t)cluster };
	for (int k = TXN_ACKED; k <= TXN_UNKNOWN; k++)
		if (!strcmp(out, outcome[k]))
			t.outcome = (uint8_t)k;
	if (!t.outcome)
		goto out;
	if (h->n_txns &&
	    (h->txn[h->n_txns - 1].worker > t.worker ||
	     (h->txn[h->n_txns - 1].worker == t.worker && h->txn[h->n_txns - 1].seq >= t.seq)))
		goto out;
	XGROW(h->txn, h->n_txns, h->txns_room, 1024);
	h->txn[h->n_txns++] = t;
	rc = 0;
	json_array_foreach(ops, i, op) if (take_op(h, op, (uint32_t)(h->n_txns - 1), i) < 0) rc =
		-1;
out:
	json_decref(j);
	return rc;
}

static int read_file(struct h_run *h, const char *path, struct err *e)
{
	FILE *f = fopen(path, "re");
	char *line = NULL;
	size_t room = 0;
	ssize_t n;
	int rc = 0;

	if (!f)
		return err_sys(e, "open %s", path);
	while ((n = getline(&line, &room, f)) > 0)
		if ((size_t)n > LINE_BYTES_MAX || line[n - 1] != '\n' ||
		    take_line(h, line, (size_t)n) < 0) {
			/* only its last line may be torn */
			h->damaged++;
			if (getline(&line, &room, f) > 0)
				rc = err_set(e, ERR_BAD_DATA, 0,
					     "%s has a line that is not a transaction", path);
			break;
		}
	if (rc == 0 && ferror(f))
		rc = err_sys(e, "read %s", path);
	free(line);
	fclose(f);
	return rc;
}

struct finder {
	uint32_t *worker;
	size_t n;
};

static int find(void *arg, const char *name, struct err *e)
{
	struct finder *f = arg;
	unsigned worker;
	int used = 0;

	(void)e;
	if (sscanf(name, "worker-%u.history%n", &worker, &used) != 1 || !used || name[used])
		return 0;
	XGROW_POW2(f->worker, f->n);
	f->worker[f->n++] = worker;
	return 0;
}

static int by_key(const void *a, const void *b)
{
	const struct h_op *x = a, *y = b;

	if (x->table != y->table)
		return x->table < y->table ? -1 : 1;
	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	if (x->txn != y->txn)
		return x->txn < y->txn ? -1 : 1;
	return x->place < y->place ? -1 : x->place > y->place;
}

int h_load(struct h_run *h, struct err *e)
{
	struct finder f = { 0 };
	int rc = fs_list(h->o->dir, find, &f, e);

	if (f.n)
		qsort(f.worker, f.n, sizeof(*f.worker), by_u32);
	for (size_t i = 0; i < f.n && rc == 0; i++) {
		char *path = xstrfmt("%s/worker-%04u.history", h->o->dir, f.worker[i]);

		rc = read_file(h, path, e);
		free(path);
	}
	free(f.worker);
	if (h->n_ops)
		qsort(h->op, h->n_ops, sizeof(*h->op), by_key);
	return rc;
}

struct h_txn *h_find(const struct h_run *h, uint32_t worker, uint64_t seq)
{
	size_t low = 0, high = h->n_txns;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		struct h_txn *t = &h->txn[mid];

		if (t->worker == worker && t->seq == seq)
			return t;
		if (t->worker < worker || (t->worker == worker && t->seq < seq))
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

void h_release(struct h_run *h)
{
	for (size_t i = 0; i < h->n_ops; i++)
		free(h->op[i].list.e);
	free(h->op);
	free(h->txn);
	free(h->edge);
}

#include "harness/verify/defects.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/xalloc.h"

#define CELLS(r) ((size_t)(r)->model.tables * (size_t)(r)->model.rows_per_table)

static int record_order(const struct ledger_record *a, uint32_t worker, uint64_t seq)
{
	if (a->worker != worker)
		return a->worker < worker ? -1 : 1;
	return a->seq < seq ? -1 : a->seq > seq;
}

static int by_worker_seq(const void *a, const void *b)
{
	const struct ledger_record *y = b;

	return record_order(a, y->worker, y->seq);
}

long defect_record(const struct defect_run *r, uint32_t worker, uint64_t seq)
{
	size_t low = 0, high = r->n_rec;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int o = record_order(&r->rec[mid], worker, seq);

		if (o == 0)
			return (long)mid;
		if (o < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return -1;
}

/* ---- the load's model, remembered ---- */

static void remembered_initial(const struct audit_model *m, uint32_t table, int64_t id,
			       struct audit_row *out)
{
	const struct defect_run *r = m->ctx;

	*out = r->initial[(size_t)(table - 1) * (size_t)m->rows_per_table + (size_t)(id - 1)];
}

static size_t remembered_transaction(const struct audit_model *m, uint32_t worker, uint64_t seq,
				     struct audit_op *ops)
{
	const struct defect_run *r = m->ctx;
	long i = defect_record(r, worker, seq);

	if (i < 0) /* one that was planted */
		return r->load->transaction(r->load, worker, seq, ops);
	memcpy(ops, r->ops[i], r->n_ops[i] * sizeof(*ops));
	return r->n_ops[i];
}

static int remembered_writer(const struct audit_model *m, const char *digits, uint32_t *worker,
			     uint64_t *seq, uint32_t *statement)
{
	const struct defect_run *r = m->ctx;

	return r->load->writer_of(r->load, digits, worker, seq, statement);
}

static int take_record(void *arg, const struct ledger_record *rec)
{
	struct defect_run *r = arg;

	XGROW_POW2(r->rec, r->n_rec);
	r->rec[r->n_rec++] = *rec;
	return 0;
}

static struct defect_state state_new(const struct defect_run *r)
{
	return (struct defect_state){ .row = xcalloc(CELLS(r) + 1, sizeof(struct defect_row)),
				      .present = xcalloc(r->n_rec + 1, sizeof(bool)) };
}

int defect_open(struct defect_run *r, const char *ledger_dir, const struct audit_model *load,
		struct err *e)
{
	unsigned damaged = 0;

	*r = (struct defect_run){ .load = load, .model = *load };
	r->model.ctx = r;
	r->model.initial = remembered_initial;
	r->model.transaction = remembered_transaction;
	r->model.writer_of = remembered_writer;
	if (ledger_read(ledger_dir, take_record, r, &damaged, e) < 0)
		return -1;
	if (damaged || !r->n_rec)
		return err_set(e, ERR_BAD_DATA, 0, "the recording's ledger %s",
			       damaged ? "has a torn end" : "is empty");
	qsort(r->rec, r->n_rec, sizeof(*r->rec), by_worker_seq);
	r->initial = xcalloc(CELLS(r) + 1, sizeof(*r->initial));
	for (uint32_t t = 1; t <= load->tables; t++)
		for (int64_t id = 1; id <= load->rows_per_table; id++)
			load->initial(load, t, id,
				      &r->initial[(size_t)(t - 1) * (size_t)load->rows_per_table +
						  (size_t)(id - 1)]);
	r->ops = xcalloc(r->n_rec, sizeof(*r->ops));
	r->n_ops = xcalloc(r->n_rec, sizeof(*r->n_ops));
	for (size_t i = 0; i < r->n_rec; i++)
		r->n_ops[i] = load->transaction(load, r->rec[i].worker, r->rec[i].seq, r->ops[i]);
	r->place = xcalloc(r->n_rec, sizeof(*r->place));
	r->before = state_new(r);
	r->after = state_new(r);
	return 0;
}

void defect_close(struct defect_run *r)
{
	free(r->rec);
	free(r->initial);
	free(r->ops);
	free(r->n_ops);
	free(r->place);
	free(r->order);
	free(r->change);
	defect_state_release(&r->before);
	defect_state_release(&r->after);
	defect_state_release(&r->base);
	*r = (struct defect_run){ 0 };
}

/* ---- states ---- */

struct defect_row *defect_row_at(const struct defect_run *r, const struct defect_state *s,
				 uint32_t table, int64_t id)
{
	if (table < 1 || table > r->model.tables || id < 1 || id > r->model.rows_per_table)
		return NULL;
	return &s->row[(size_t)(table - 1) * (size_t)r->model.rows_per_table + (size_t)(id - 1)];
}

struct defect_state defect_state_copy(const struct defect_run *r, const struct defect_state *s)
{
	struct defect_state c = state_new(r);

	memcpy(c.row, s->row, CELLS(r) * sizeof(*c.row));
	memcpy(c.present, s->present, r->n_rec * sizeof(*c.present));
	return c;
}

void defect_state_release(struct defect_state *s)
{
	free(s->row);
	free(s->present);
	*s = (struct defect_state){ 0 };
}

static bool row_equal(const struct defect_row *a, const struct defect_row *b)
{
	return a->exists == b->exists &&
	       (!a->exists || (a->k == b->k && !strcmp(a->c, b->c) && !strcmp(a->pad, b->pad)));
}

bool defect_state_same(const struct defect_run *r, const struct defect_state *a,
		       const struct defect_state *b)
{
	for (size_t i = 0; i < CELLS(r); i++)
		if (!row_equal(&a->row[i], &b->row[i]))
			return false;
	return !memcmp(a->present, b->present, r->n_rec * sizeof(*a->present));
}

static void put_row(struct defect_row *to, const struct audit_row *from)
{
	to->exists = true;
	to->k = from->k;
	memcpy(to->c, from->c, sizeof(to->c));
	memcpy(to->pad, from->pad, sizeof(to->pad));
}

static void apply_ops(const struct defect_run *r, struct defect_state *s, const struct audit_op *op,
		      size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct defect_row *row = defect_row_at(r, s, op[i].table, op[i].row.id);

		if (!row)
			continue;
		switch (op[i].kind) {
		case AUDIT_ADD_K: row->k += row->exists ? op[i].row.k : 0; break;
		case AUDIT_SET_C:
			if (row->exists)
				memcpy(row->c, op[i].row.c, sizeof(row->c));
			break;
		case AUDIT_DELETE: row->exists = false; break;
		case AUDIT_INSERT: put_row(row, &op[i].row); break;
		}
	}
}

struct defect_state defect_state_at(const struct defect_run *r, uint64_t position)
{
	struct defect_state s = state_new(r);

	for (size_t i = 0; i < CELLS(r); i++)
		put_row(&s.row[i], &r->initial[i]);
	for (size_t i = 0; i < r->n_order && r->place[r->order[i]] <= position; i++) {
		uint32_t t = r->order[i];

		apply_ops(r, &s, r->ops[t], r->n_ops[t]);
		s.present[t] = true;
	}
	return s;
}

static int by_commit(const void *a, const void *b)
{
	const struct defect_change *x = a, *y = b;

	if (x->commit_ts != y->commit_ts)
		return x->commit_ts < y->commit_ts ? -1 : 1;
	if (x->table != y->table)
		return x->table < y->table ? -1 : 1;
	return x->id < y->id ? -1 : x->id > y->id;
}

void defect_replay(const struct defect_run *r, struct defect_state *s,
		   const struct defect_change *change, size_t n)
{
	struct defect_change *sorted = xreallocarray(NULL, n + 1, sizeof(*sorted));

	memcpy(sorted, change, n * sizeof(*sorted));
	if (n)
		qsort(sorted, n, sizeof(*sorted), by_commit);
	for (size_t i = 0; i < n; i++) {
		const struct defect_change *c = &sorted[i];

		if (!c->table) {
			s->present[c->id] = c->put;
		} else {
			struct defect_row *row = defect_row_at(r, s, c->table, c->id);

			*row = c->row;
			row->exists = c->put;
		}
	}
	free(sorted);
}

/* ---- the redo log ---- */

static const struct redo_column *find_column(const struct redo_column *c, uint32_t n,
					     const char *name)
{
	for (uint32_t i = 0; i < n; i++)
		if (c[i].name.n == strlen(name) && !memcmp(c[i].name.p, name, c[i].name.n))
			return &c[i];
	return NULL;
}

static int64_t is_whole(const struct redo_column *c)
{
	return c && (c->value.kind == REDO_INT || c->value.kind == REDO_UINT) ? c->value.i : -1;
}

static int column_text(const struct redo_column *c, char *out, size_t room)
{
	if (!c || (c->value.kind != REDO_STR && c->value.kind != REDO_BIN) || c->value.s.n >= room)
		return -1;
	memcpy(out, c->value.s.p, c->value.s.n);
	out[c->value.s.n] = '\0';
	return 0;
}

static bool is_named(const struct redo_bytes *b, const char *name)
{
	return b->n == strlen(name) && !memcmp(b->p, name, b->n);
}

int defect_take(struct defect_run *r, const struct redo_row *row, struct err *e)
{
	struct defect_change c = { .commit_ts = row->commit_ts, .put = row->n_columns > 0 };
	const struct redo_column *at = c.put ? row->columns : row->pre_columns;
	uint32_t n = c.put ? row->n_columns : row->n_pre_columns;
	bool fine;

	if (!is_named(&row->table.db, r->model.db))
		return 0;
	if (is_named(&row->table.table, r->model.ledger_table)) {
		int64_t worker = is_whole(find_column(at, n, "worker")),
			seq = is_whole(find_column(at, n, "seq"));

		c.id = worker < 0 || seq < 0 ? -1
					     : defect_record(r, (uint32_t)worker, (uint64_t)seq);
		fine = c.id >= 0;
	} else {
		size_t prefix = strlen(r->model.table_prefix);

		if (row->table.table.n <= prefix ||
		    memcmp(row->table.table.p, r->model.table_prefix, prefix))
			return 0;
		for (uint32_t i = (uint32_t)prefix; i < row->table.table.n && c.table < 1000000;
		     i++)
			c.table = c.table * 10 + (uint32_t)(row->table.table.p[i] - '0');
		c.id = is_whole(find_column(at, n, "id"));
		fine = defect_row_at(r, &r->after, c.table, c.id) != NULL;
		if (fine && c.put) {
			c.row.k = is_whole(find_column(at, n, "k"));
			fine = !column_text(find_column(at, n, "c"), c.row.c, sizeof(c.row.c)) &&
			       !column_text(find_column(at, n, "pad"), c.row.pad,
					    sizeof(c.row.pad));
		}
	}
	if (!fine)
		return err_set(e, ERR_BAD_DATA, 0,
			       "the recording's redo log has a row of %.*s at commitTs %" PRIu64
			       " that is not the load's",
			       (int)row->table.table.n, row->table.table.p, row->commit_ts);
	XGROW_POW2(r->change, r->n_changes);
	r->change[r->n_changes++] = c;
	return 0;
}

static int by_place(const void *a, const void *b, void *arg)
{
	const uint64_t *place = arg;
	uint64_t x = place[*(const uint32_t *)a], y = place[*(const uint32_t *)b];

	return x < y ? -1 : x > y;
}

int defect_ready(struct defect_run *r, struct tso_map *map, struct err *e)
{
	struct defect_state s;
	uint64_t checkpoint = 0;
	bool replays, derives, repairs;

	if (tso_map_seq_at(map, r->checkpoint, &checkpoint, e) < 0)
		return err_wrap(e, "the recording's checkpointTs");
	if (r->n_changes)
		qsort(r->change, r->n_changes, sizeof(*r->change), by_commit);
	for (size_t i = 0; i < r->n_rec; i++)
		r->place[i] = r->rec[i].outcome == TXN_FAILED ? 0 : r->rec[i].position;
	for (size_t i = 0; i < r->n_changes; i++)
		if (!r->change[i].table && !r->place[r->change[i].id] &&
		    tso_map_seq_at(map, r->change[i].commit_ts, &r->place[r->change[i].id], e) < 0)
			return -1;
	r->order = xreallocarray(NULL, r->n_rec + 1, sizeof(*r->order));
	for (size_t i = 0; i < r->n_rec; i++)
		if (r->place[i])
			r->order[r->n_order++] = (uint32_t)i;
	qsort_r(r->order, r->n_order, sizeof(*r->order), by_place, r->place);
	s = defect_state_copy(r, &r->before);
	defect_replay(r, &s, r->change, r->n_changes);
	replays = defect_state_same(r, &s, &r->after);
	defect_state_release(&s);
	s = defect_state_at(r, r->limit);
	derives = defect_state_same(r, &s, &r->after);
	defect_state_release(&s);
	r->base = defect_state_at(r, checkpoint);
	s = defect_state_copy(r, &r->base);
	defect_replay(r, &s, r->change, r->n_changes);
	repairs = defect_state_same(r, &s, &r->after);
	defect_state_release(&s);
	if (!replays || !repairs)
		return err_set(
			e, ERR_BAD_DATA, 0,
			"the recording: its redo log over %s does not give the rows that the replay left",
			replays ? "the rows at checkpointTs" : "its torn rows");
	if (!derives)
		return err_set(
			e, ERR_BAD_DATA, 0,
			"the recording: seed and ledger do not give the rows that the replay left");
	return 0;
}

/* ---- judgement ---- */

void defect_case_init(const struct defect_run *r, struct defect_case *c)
{
	*c = (struct defect_case){ .state = defect_state_copy(r, &r->after),
				   .rec = xmemdup(r->rec, r->n_rec * sizeof(*r->rec)),
				   .n_rec = r->n_rec,
				   .limit = r->limit };
}

void defect_case_release(struct defect_case *c)
{
	defect_state_release(&c->state);
	free(c->rec);
	*c = (struct defect_case){ 0 };
}

struct judged {
	const struct defect_run *r;
	const struct defect_case *c;
};

static int case_rows(void *arg, uint32_t table, int (*fn)(void *to, const struct verify_row *row),
		     void *to, struct err *e)
{
	const struct judged *j = arg;

	for (int64_t id = 1; id <= j->r->model.rows_per_table; id++) {
		const struct defect_row *row = defect_row_at(j->r, &j->c->state, table, id);
		struct verify_row v = { .id = id,
					.k = row->k,
					.c = row->c,
					.pad = row->pad,
					.c_len = strlen(row->c),
					.pad_len = strlen(row->pad) };

		if (row->exists && fn(to, &v) < 0)
			return err_set(e, ERR_BAD_DATA, 0, "row %" PRId64 " was refused", id);
	}
	return 0;
}

int defect_judge(const struct defect_run *r, const struct defect_case *c, unsigned check,
		 struct verify_result *res, struct err *e)
{
	struct judged j = { r, c };
	struct verify_source src = { .arg = &j, .rows = case_rows };
	struct prefix p = { .n = c->n_rec,
			    .has_evidence = true,
			    .limit = c->limit,
			    .disaster_us = r->disaster_us };
	int rc = 0;

	p.txn = xcalloc(c->n_rec + 1, sizeof(*p.txn));
	for (size_t i = 0; i < c->n_rec; i++) {
		const struct ledger_record *t = &c->rec[i];

		p.txn[i] = (struct verify_txn){ .seq = t->seq,
						.position = t->position,
						.begin_us = t->begin_us,
						.end_us = t->end_us,
						.worker = t->worker,
						.cluster = t->cluster,
						.outcome = t->outcome,
						.present = c->state.present[i] };
	}
	verify_result_start(res);
	if (check == DEFECT_MODEL)
		rc = verify_judge_model(&p, &r->model, &src, res, e);
	else
		verify_judge_ledger(&p, res);
	verify_close(&p);
	return rc;
}

size_t defect_sql(const struct defect_run *r, const struct defect_state *from,
		  const struct defect_state *to, struct strbuf *out)
{
	size_t n = 0;

	for (size_t i = 0; i < CELLS(r); i++) {
		const struct defect_row *a = &from->row[i], *b = &to->row[i];
		size_t table = i / (size_t)r->model.rows_per_table + 1,
		       id = i % (size_t)r->model.rows_per_table + 1;

		if (row_equal(a, b))
			continue;
		n++;
		if (!b->exists)
			strbuf_addf(out, "DELETE FROM `%s`.`%s%zu` WHERE id=%zu;\n", r->model.db,
				    r->model.table_prefix, table, id);
		else
			strbuf_addf(
				out,
				"REPLACE INTO `%s`.`%s%zu` (id, k, c, pad) VALUES (%zu, %" PRId64
				", '%s', '%s');\n",
				r->model.db, r->model.table_prefix, table, id, b->k, b->c, b->pad);
	}
	for (size_t i = 0; i < r->n_rec; i++) {
		if (from->present[i] == to->present[i])
			continue;
		n++;
		if (to->present[i])
			strbuf_addf(out,
				    "INSERT INTO `%s`.`%s` (worker, seq) VALUES (%u, %" PRIu64
				    ");\n",
				    r->model.db, r->model.ledger_table, r->rec[i].worker,
				    r->rec[i].seq);
		else
			strbuf_addf(out,
				    "DELETE FROM `%s`.`%s` WHERE worker=%u AND seq=%" PRIu64 ";\n",
				    r->model.db, r->model.ledger_table, r->rec[i].worker,
				    r->rec[i].seq);
	}
	return n;
}

/* The ledger check and the model check of many transactions, made up here and written to a real
 * server as their state: their time, the server's included. And the ledger check of many more in
 * memory that must not grow with them. Usage: verify_checks PORT TRANSACTIONS, or verify_checks
 * stream TRANSACTIONS */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/base/xalloc.h"
#include "harness/os/fs.h"
#include "harness/verify/ledger_check.h"
#include "workloads/load.h"

#define WORKERS 10
#define TABLES 10
#define ROWS 100000

struct cell {
	bool changed;
	struct audit_row row;
};

static void must(int rc, const struct err *e)
{
	if (rc >= 0)
		return;
	fprintf(stderr, "%s\n", e->text);
	exit(1);
}

static double seconds_since(int64_t ns)
{
	return (double)(clock_mono_ns() - ns) / 1e9;
}

/* The rows of drtest_ledger: all but each 1,000,000th transaction. */
struct made {
	uint64_t n, next;
};

static int made_row(void *arg, uint32_t *worker, uint64_t *seq, struct err *e)
{
	struct made *m = arg;

	(void)e;
	if (m->next % 1000000 == 999999)
		m->next++;
	if (m->next >= m->n)
		return 0;
	*worker = (uint32_t)(m->next / (m->n / WORKERS)) + 1;
	*seq = m->next % (m->n / WORKERS) + 1;
	m->next++;
	return 1;
}

static int stream_only(uint64_t n)
{
	char dir[] = "/var/tmp/drtest-verify-checks-XXXXXX";
	struct made made = { .n = n / WORKERS * WORKERS };
	struct prefix p = { .limit = UINT64_MAX, .disaster_us = (int64_t)n * 10 };
	struct verify_result r;
	struct err e = ERR_INIT;
	char lost[128], line[128];
	FILE *f;
	int64_t start;

	if (!mkdtemp(dir))
		return 2;
	snprintf(lost, sizeof(lost), "%s/lost.jsonl", dir);
	for (uint64_t i = 0; i < made.n;) {
		uint32_t worker = (uint32_t)(i / (made.n / WORKERS)) + 1;
		struct ledger_writer *w = ledger_writer_open(dir, worker, &e);

		must(w ? 0 : -1, &e);
		for (uint64_t seq = 1; seq <= made.n / WORKERS; seq++, i++)
			ledger_writer_add(w, &(struct ledger_record){ .worker = worker,
								      .outcome = TXN_ACKED,
								      .seq = seq,
								      .begin_us = (int64_t)i,
								      .end_us = (int64_t)i + 5 });
		must(ledger_writer_close(w, &e), &e);
	}
	start = clock_mono_ns();
	verify_result_start(&r);
	must(verify_stream_ledger(&p, dir, &(struct presence_cursor){ &made, made_row }, lost, &r,
				  &e),
	     &e);
	printf("ledger check of %" PRIu64 " transactions, streamed: %.1f s: %s\n", made.n,
	       seconds_since(start), r.evidence);
	f = fopen("/proc/self/status", "re");
	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, "VmHWM", 5))
			printf("%s", line);
	if (f)
		fclose(f);
	verify_result_release(&r);
	fs_remove_tree(dir, NULL);
	return 0;
}

/* n transactions into the ledgers and drtest_ledger, and what they leave of each row into cell. */
static void make_transactions(const struct audit_model *m, struct ledger_writer **w, struct sql *s,
			      struct cell *cell, uint64_t n)
{
	struct audit_op op[AUDIT_OPS_MAX];
	struct strbuf text = STRBUF_INIT;
	struct err e = ERR_INIT;

	for (uint64_t i = 0; i < n; i++) {
		uint32_t worker = (uint32_t)(i % WORKERS) + 1;
		uint64_t seq = i / WORKERS + 1;
		size_t k = m->transaction(m, worker, seq, op);

		ledger_writer_add(w[worker - 1],
				  &(struct ledger_record){ .worker = worker,
							   .outcome = TXN_ACKED,
							   .seq = seq,
							   .begin_us = (int64_t)i * 10,
							   .due_us = (int64_t)i * 10,
							   .end_us = (int64_t)i * 10 + 50,
							   .position = i + 1 });
		for (size_t x = 0; x < k; x++) {
			struct cell *c = &cell[(size_t)(op[x].table - 1) * (ROWS + 1) +
					       (size_t)op[x].row.id];

			if (!c->changed)
				m->initial(m, op[x].table, op[x].row.id, &c->row);
			c->changed = true;
			if (op[x].kind == AUDIT_ADD_K)
				c->row.k += op[x].row.k;
			else if (op[x].kind == AUDIT_SET_C)
				memcpy(c->row.c, op[x].row.c, sizeof(c->row.c));
			else if (op[x].kind == AUDIT_INSERT)
				c->row = op[x].row;
		}
		strbuf_addf(&text, "%s(%u,%" PRIu64 ")",
			    text.len ? ","
				     : "INSERT INTO checks.drtest_ledger (worker, seq) VALUES ",
			    worker, seq);
		if (text.len > 500000 || i + 1 == n) {
			must((int)sql_exec_text(s, &e, text.buf, text.len), &e);
			strbuf_reset(&text);
		}
	}
	strbuf_release(&text);
}

/* The rows that a transaction changed. */
static void write_rows(struct sql *s, const struct cell *cell)
{
	struct strbuf text = STRBUF_INIT;
	struct err e = ERR_INIT;

	for (uint32_t t = 0; t < TABLES; t++)
		for (int64_t id = 1; id <= ROWS + 1; id++) {
			const struct cell *c =
				id <= ROWS ? &cell[(size_t)t * (ROWS + 1) + (size_t)id] : NULL;

			if (c && c->changed) {
				if (!text.len)
					strbuf_addf(
						&text,
						"REPLACE INTO checks.sbtest%u (id, k, c, pad) VALUES ",
						t + 1);
				else
					strbuf_addch(&text, ',');
				strbuf_addf(&text, "(%" PRId64 ",%" PRId64 ",'%s','%s')", id,
					    c->row.k, c->row.c, c->row.pad);
			}
			if (text.len > 500000 || (!c && text.len)) {
				must((int)sql_exec_text(s, &e, text.buf, text.len), &e);
				strbuf_reset(&text);
			}
		}
	strbuf_release(&text);
}

int main(int argc, char **argv)
{
	if (argc > 2 && !strcmp(argv[1], "stream"))
		return stream_only(strtoull(argv[2], NULL, 10));

	struct sql_endpoint ep = { .host = "127.0.0.1",
				   .user = "root",
				   .port = argc > 1 ? (unsigned)atoi(argv[1]) : 0 };
	uint64_t n = argc > 2 ? strtoull(argv[2], NULL, 10) : 1000000;
	char dir[] = "/tmp/drtest-verify-checks-XXXXXX";
	struct err e = ERR_INIT;
	struct verify_result r;

	if (!ep.port || !mkdtemp(dir))
		return 2;
	struct load_opts lo = { .name = "oltp_write_only",
				.db = "checks",
				.seed = 7,
				.workers = WORKERS,
				.tables = TABLES,
				.table_size = ROWS,
				.ledger_rows = true,
				.ledger_dir = dir };
	struct load *l = load_new(&lo, &e);

	must(l ? 0 : -1, &e);
	must(load_prepare(l, &ep, 2, deadline_in_ms(600000), &e), &e);
	const struct audit_model *m = load_model(l);
	struct cell *cell = xcalloc((size_t)TABLES * (ROWS + 1), sizeof(*cell));
	struct ledger_writer *w[WORKERS];
	struct sql *s = sql_open(&ep, deadline_in_ms(10000), &e);

	must(s ? 0 : -1, &e);
	must((int)sql_exec(s, &e, "SET unique_checks = 0"), &e);
	for (uint32_t i = 0; i < WORKERS; i++)
		must((w[i] = ledger_writer_open(dir, i + 1, &e)) ? 0 : -1, &e);
	make_transactions(m, w, s, cell, n);
	write_rows(s, cell);
	for (uint32_t i = 0; i < WORKERS; i++)
		must(ledger_writer_close(w[i], &e), &e);
	struct verify_opts o = {
		.ledger_dir = dir, .model = m, .point = UINT64_MAX, .secondary = ep, .threads = 2
	};
	int64_t start = clock_mono_ns();
	double ledger_s;

	must(check_ledger(&o, &r, &e), &e);
	ledger_s = seconds_since(start);
	printf("ledger check %.2f s: %s\n", ledger_s, r.evidence);
	if (r.verdict != VERDICT_PASS)
		return 1;
	verify_result_release(&r);
	must(check_model(&o, &r, &e), &e);
	printf("model check: %s\nledger and model check of %" PRIu64
	       " transactions together %.2f s\n",
	       r.evidence, n, seconds_since(start));
	if (r.verdict != VERDICT_PASS)
		return 1;
	verify_result_release(&r);
	free(cell);
	sql_close(s);
	load_free(l);
	fs_remove_tree(dir, NULL);
	return 0;
}

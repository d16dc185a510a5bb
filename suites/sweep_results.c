#include "suites/sweep_results.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/order.h"
#include "harness/base/strbuf.h"
#include "harness/base/xalloc.h"
#include "harness/os/fs.h"

#define RESULT_BYTES_MAX ((size_t)64 << 20)
#define BARS 8

static double read_number(json_t *j, const char *key)
{
	json_t *v = json_object_get(j, key);

	return json_is_number(v) ? json_number_value(v) : -1;
}

static void read_text(char *out, size_t size, json_t *j, const char *key)
{
	const char *s = json_string_value(json_object_get(j, key));

	snprintf(out, size, "%s", s ? s : "");
}

int sweep_read_result(struct sweep_result *r, const char *path, struct err *e)
{
	struct strbuf body = STRBUF_INIT;
	json_t *j = NULL, *one, *rpo, *rto;
	json_error_t why;
	size_t i;

	if (fs_read_file(path, RESULT_BYTES_MAX, &body, e) == 0)
		j = json_loadb(body.buf, body.len, 0, &why);
	if (!j && body.len)
		err_set(e, ERR_BAD_DATA, 0, "%s: %s", path, why.text);
	strbuf_release(&body);
	if (!j)
		return -1;
	rpo = json_object_get(j, "rpo");
	rto = json_object_get(j, "rto");
	read_text(r->verdict, sizeof(r->verdict), j, "verdict");
	read_text(r->note, sizeof(r->note), j, "error");
	read_text(r->phase, sizeof(r->phase), json_object_get(j, "figures"), "phase");
	r->seconds = read_number(j, "seconds");
	r->lost = read_number(rpo, "lost");
	r->acked = read_number(rpo, "acked");
	r->window_ms = read_number(rpo, "window_ms");
	r->behind_ms = read_number(rpo, "resolved_behind_ms");
	r->service_ms = read_number(rto, "service_ms");
	r->redundant_ms = read_number(rto, "redundant_ms");
	json_array_foreach(json_object_get(j, "checks"), i, one)
	{
		const char *v = json_string_value(json_object_get(one, "verdict")),
			   *name = json_string_value(json_object_get(one, "name"));
		const char *evidence = json_string_value(json_object_get(one, "evidence"));

		if (v && name && strcmp(v, "pass") != 0 && !r->note[0])
			snprintf(r->note, sizeof(r->note), "%s: %s", name,
				 evidence ? evidence : "");
	}
	r->steps = json_object();
	json_array_foreach(json_object_get(j, "steps"), i, one)
	{
		const char *name = json_string_value(json_object_get(one, "name"));

		if (name && i < SWEEP_STEPS_MAX)
			json_object_set(r->steps, name, json_object_get(one, "seconds"));
	}
	json_decref(j);
	r->done = true;
	return 0;
}

json_t *sweep_to_json(const struct sweep_result *r)
{
	return json_pack("{s:o,s:s,s:s,s:s,s:f,s:f,s:f,s:f,s:f,s:f,s:f,s:s,s:O?}", "seed",
			 json_sprintf("%" PRIu64, r->seed), "verdict", r->verdict, "note", r->note,
			 "phase", r->phase, "seconds", r->seconds, "lost", r->lost, "acked",
			 r->acked, "window_ms", r->window_ms, "behind_ms", r->behind_ms,
			 "service_ms", r->service_ms, "redundant_ms", r->redundant_ms, "run_dir",
			 r->run_dir, "steps", r->steps);
}

int sweep_from_json(struct sweep_result *r, json_t *j, struct err *e)
{
	const char *seed = json_string_value(json_object_get(j, "seed"));

	if (!seed || !*seed)
		return err_set(e, ERR_BAD_DATA, 0, "a line without a seed");
	r->seed = strtoull(seed, NULL, 10);
	read_text(r->verdict, sizeof(r->verdict), j, "verdict");
	read_text(r->note, sizeof(r->note), j, "note");
	read_text(r->phase, sizeof(r->phase), j, "phase");
	read_text(r->run_dir, sizeof(r->run_dir), j, "run_dir");
	r->seconds = read_number(j, "seconds");
	r->lost = read_number(j, "lost");
	r->acked = read_number(j, "acked");
	r->window_ms = read_number(j, "window_ms");
	r->behind_ms = read_number(j, "behind_ms");
	r->service_ms = read_number(j, "service_ms");
	r->redundant_ms = read_number(j, "redundant_ms");
	r->steps = json_incref(json_object_get(j, "steps"));
	r->done = true;
	return 0;
}

void sweep_result_release(struct sweep_result *r)
{
	json_decref(r->steps);
	r->steps = NULL;
}

void sweep_print_line(FILE *out, const struct sweep_result *r)
{
	fprintf(out, "seed %-6" PRIu64 " %-8s %5.1f s", r->seed, r->verdict,
		r->seconds < 0 ? 0 : r->seconds);
	if (r->lost >= 0)
		fprintf(out, "   lost %4.0f of %5.0f, window %5.0f ms", r->lost, r->acked,
			r->window_ms);
	if (r->service_ms >= 0)
		fprintf(out, "   RTO %.2f s", r->service_ms / 1000);
	if (r->phase[0])
		fprintf(out, "   %s", r->phase);
	if (strcmp(r->verdict, "pass") != 0 && r->note[0])
		fprintf(out, "   %.100s", r->note);
	fputc('\n', out);
	fflush(out);
}

/* ---- the table */

struct column {
	double *v;
	size_t n;
};

static double column_quantile(const struct column *c, double q)
{
	size_t at = (size_t)ceil(q * (double)c->n);

	return c->v[at ? at - 1 : 0];
}

static struct column column_of(const struct sweep_result *r, size_t n,
			       double (*get)(const struct sweep_result *r))
{
	struct column c = { xmalloc((n ? n : 1) * sizeof(double)), 0 };

	for (size_t i = 0; i < n; i++)
		if (r[i].done && get(&r[i]) >= 0)
			c.v[c.n++] = get(&r[i]);
	qsort(c.v, c.n, sizeof(double), by_double);
	return c;
}

static double get_lost(const struct sweep_result *r)
{
	return r->lost;
}
static double get_window(const struct sweep_result *r)
{
	return r->window_ms;
}
static double get_behind(const struct sweep_result *r)
{
	return r->behind_ms;
}
static double get_service(const struct sweep_result *r)
{
	return r->service_ms < 0 ? -1 : r->service_ms / 1000;
}
static double get_redundant(const struct sweep_result *r)
{
	return r->redundant_ms < 0 ? -1 : r->redundant_ms / 1000;
}
static double get_seconds(const struct sweep_result *r)
{
	return r->seconds;
}

static void print_spread(FILE *out, const char *name, const struct sweep_result *r, size_t n,
			 double (*get)(const struct sweep_result *r), int digits)
{
	struct column c = column_of(r, n, get);

	if (c.n)
		fprintf(out, "  %-38s %8.*f %8.*f %8.*f %8.*f   %zu\n", name, digits, c.v[0],
			digits, column_quantile(&c, 0.5), digits, column_quantile(&c, 0.95), digits,
			c.v[c.n - 1], c.n);
	free(c.v);
}

/* Where the loss windows lie, in eighths of the greatest. */
static void print_windows(FILE *out, const struct sweep_result *r, size_t n)
{
	struct column c = column_of(r, n, get_window);
	double width = c.n ? ceil(c.v[c.n - 1] / BARS / 50) * 50 : 0;
	size_t count[BARS] = { 0 }, most = 1;

	if (c.n < 8 || width <= 0) {
		free(c.v);
		return;
	}
	for (size_t i = 0; i < c.n; i++) {
		size_t bar = (size_t)(c.v[i] / width);

		bar = bar < BARS ? bar : BARS - 1;
		if (++count[bar] > most)
			most = count[bar];
	}
	fprintf(out, "how old the oldest lost acknowledgement was at the disaster\n");
	for (size_t i = 0; i < BARS; i++) {
		fprintf(out, "  %5.0f to %5.0f ms %5zu ", (double)i * width,
			(double)(i + 1) * width, count[i]);
		for (size_t k = 0; k < (count[i] * 50 + most - 1) / most; k++)
			fputc('#', out);
		fputc('\n', out);
	}
	free(c.v);
}

struct step {
	const char *name;
	struct column c;
};

static int by_median(const void *a, const void *b)
{
	double x = column_quantile(&((const struct step *)a)->c, 0.5),
	       y = column_quantile(&((const struct step *)b)->c, 0.5);

	return x > y ? -1 : x < y;
}

static void print_steps(FILE *out, const struct sweep_result *r, size_t n)
{
	struct step steps[SWEEP_STEPS_MAX];
	size_t n_steps = 0, k;

	for (size_t i = 0; i < n; i++) {
		const char *name;
		json_t *v;

		json_object_foreach(r[i].steps, name, v)
		{
			for (k = 0; k < n_steps && strcmp(steps[k].name, name) != 0; k++)
				;
			if (k == SWEEP_STEPS_MAX)
				continue;
			if (k == n_steps)
				steps[n_steps++] =
					(struct step){ name, { xmalloc(n * sizeof(double)), 0 } };
			if (json_is_number(v))
				steps[k].c.v[steps[k].c.n++] = json_number_value(v);
		}
	}
	for (k = 0; k < n_steps; k++)
		qsort(steps[k].c.v, steps[k].c.n, sizeof(double), by_double);
	qsort(steps, n_steps, sizeof(steps[0]), by_median);
	for (k = 0; k < n_steps; k++) {
		char name[64];

		snprintf(name, sizeof(name), "step: %.40s (s)", steps[k].name);
		if (k < 4 && steps[k].c.n)
			fprintf(out, "  %-38s %8.2f %8.2f %8.2f %8.2f   %zu\n", name,
				steps[k].c.v[0], column_quantile(&steps[k].c, 0.5),
				column_quantile(&steps[k].c, 0.95), steps[k].c.v[steps[k].c.n - 1],
				steps[k].c.n);
		free(steps[k].c.v);
	}
}

void sweep_print_table(FILE *out, const struct sweep_result *r, size_t n, const char *command)
{
	static const char *const words[] = { "pass", "fail", "unknown", "error", "interrupted" };
	size_t done = 0;

	for (size_t i = 0; i < n; i++)
		done += r[i].done;
	fprintf(out, "\n%zu of %zu seeds:", done, n);
	for (size_t w = 0; w < sizeof(words) / sizeof(words[0]); w++) {
		size_t count = 0;

		for (size_t i = 0; i < n; i++)
			count += r[i].done && !strcmp(r[i].verdict, words[w]);
		if (count || w < 3)
			fprintf(out, "%s %zu %s", w ? "," : "", count, words[w]);
	}
	fprintf(out, "\n%-40s %8s %8s %8s %8s   runs\n", "", "min", "median", "p95", "max");
	print_spread(out, "RPO: lost transactions", r, n, get_lost, 0);
	print_spread(out, "RPO: data-loss window (ms)", r, n, get_window, 0);
	print_spread(out, "RPO: resolvedTs before the disaster (ms)", r, n, get_behind, 0);
	print_spread(out, "RTO: first write served (s)", r, n, get_service, 2);
	print_spread(out, "RTO: redundant again (s)", r, n, get_redundant, 2);
	print_spread(out, "the whole run (s)", r, n, get_seconds, 1);
	print_steps(out, r, n);
	print_windows(out, r, n);
	for (size_t i = 0; i < n; i++)
		if (r[i].done && strcmp(r[i].verdict, "pass") != 0) {
			fprintf(out, "seed %" PRIu64 ": %s: %s\n", r[i].seed, r[i].verdict,
				r[i].note);
			fprintf(out, "  again: %s --seed %" PRIu64 "\n", command, r[i].seed);
			if (r[i].run_dir[0])
				fprintf(out, "  its run: %s\n", r[i].run_dir);
		}
}

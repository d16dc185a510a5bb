#include <getopt.h>
#include <jansson.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/options.h"
#include "cli/runs/run_history_side.h"
#include "harness/base/strbuf.h"
#include "harness/base/xalloc.h"
#include "reports/stats.h"
#include "reports/text.h"

#define RANKED_MIN 3

struct side {
	struct run_row *runs;
	size_t n;
};

static double *values_of(const struct side *s, const char *name, size_t *n)
{
	double *v = xcalloc(s->n + 1, sizeof(*v));

	*n = 0;
	for (size_t i = 0; i < s->n; i++)
		if (!isnan(run_row_value(&s->runs[i], name)))
			v[(*n)++] = run_row_value(&s->runs[i], name);
	return v;
}

static void add_column(struct strbuf *out, double *v, size_t n)
{
	struct strbuf text = STRBUF_INIT;
	char a[TEXT_NUMBER];

	if (!n)
		strbuf_addch(&text, '-');
	else if (n == 1)
		strbuf_addstr(&text, text_figure(a, v[0]));
	else {
		strbuf_addstr(&text, text_figure(a, stats_median(v, n)));
		strbuf_addf(&text, " ± %s", text_figure(a, stats_spread(v, n)));
	}
	for (size_t used = text_line(out, text.buf, 24); used < 25; used++)
		strbuf_addch(out, ' ');
	strbuf_release(&text);
}

static void print_figure(const char *name, const struct side *a, const struct side *b, bool all)
{
	struct strbuf out = STRBUF_INIT;
	size_t a_n, b_n;
	double *av = values_of(a, name, &a_n), *bv = values_of(b, name, &b_n), from, to;
	const char *unit = run_row_unit(name);

	from = a_n ? stats_median(av, a_n) : 0;
	to = b_n ? stats_median(bv, b_n) : 0;
	if (!all && a_n && b_n && from == to)
		goto out;
	strbuf_addf(&out, "%s%s%s", name, *unit && strcmp(unit, "/s") != 0 ? "" : " ",
		    *unit && !strcmp(unit, "/s") ? unit : "");
	while (strlen(out.buf) < 28)
		strbuf_addch(&out, ' ');
	add_column(&out, av, a_n);
	add_column(&out, bv, b_n);
	if (!a_n || !b_n)
		strbuf_addf(&out, "only in %s", a_n ? "A" : "B");
	else if (from == to)
		strbuf_addstr(&out, "same");
	else if (from == 0)
		strbuf_addstr(&out, "from none");
	else
		strbuf_addf(&out, "%+.1f %%", (to - from) / fabs(from) * 100);
	if (a_n >= RANKED_MIN && b_n >= RANKED_MIN) {
		double p = stats_rank_test(av, a_n, bv, b_n);

		strbuf_addf(&out,
			    p < 0.05 ? "  changed (p = %.3f)" : "  could be chance (p = %.2f)", p);
	}
	puts(out.buf);
out:
	strbuf_release(&out);
	free(av);
	free(bv);
}

static void print_word(const char *what, const char *a, const char *b)
{
	struct strbuf out = STRBUF_INIT;

	if (!strcmp(a, b))
		return;
	strbuf_addf(&out, "%-10s ", what);
	text_line(&out, a, 70);
	strbuf_addstr(&out, " -> ");
	text_line(&out, b, 70);
	puts(out.buf);
	strbuf_release(&out);
}

static void print_options(const char *a, const char *b)
{
	json_t *x = json_loads(a, 0, NULL), *y = json_loads(b, 0, NULL), *v;
	const char *key;

	json_object_foreach(y, key, v)
	{
		const char *was = json_string_value(json_object_get(x, key)),
			   *is = json_string_value(v);

		print_word(key, was ? was : "(none)", is ? is : "(none)");
	}
	json_object_foreach(x, key, v) if (!json_object_get(y, key))
		print_word(key, json_string_value(v) ? json_string_value(v) : "?", "(none)");
	json_decref(x);
	json_decref(y);
}

static void print_verdicts(const char *name, const struct side *s)
{
	size_t pass = 0;

	for (size_t i = 0; i < s->n; i++)
		pass += !strcmp(s->runs[i].verdict, "pass");
	printf("%s: %zu run%s, %zu passed", name, s->n, s->n == 1 ? "" : "s", pass);
	if (s->n == 1) {
		struct strbuf out = STRBUF_INIT;

		text_line(&out, s->runs[0].name, 100);
		strbuf_addstr(&out, ", verdict ");
		text_line(&out, s->runs[0].verdict, 20);
		printf("  %s", out.buf);
		strbuf_release(&out);
	}
	putchar('\n');
}

static void is_mixed(const char *name, const struct side *s)
{
	for (size_t i = 1; i < s->n; i++)
		if (strcmp(s->runs[i].options, s->runs[0].options) != 0) {
			printf("note: the runs of %s have different options (--same-options "
			       "selects those with the newest run's options)\n",
			       name);
			return;
		}
}

static void compare(const struct side *a, const struct side *b, bool all)
{
	struct side both = { xcalloc(a->n + b->n, sizeof(*both.runs)), a->n + b->n };
	const char **names;
	size_t n;

	memcpy(both.runs, a->runs, a->n * sizeof(*a->runs));
	memcpy(both.runs + a->n, b->runs, b->n * sizeof(*b->runs));
	print_verdicts("A", a);
	print_verdicts("B", b);
	print_word("scenario", a->runs[0].scenario, b->runs[0].scenario);
	print_word("ground", a->runs[0].ground, b->runs[0].ground);
	print_word("drtest", a->runs[a->n - 1].drtest, b->runs[b->n - 1].drtest);
	print_options(a->runs[a->n - 1].options, b->runs[b->n - 1].options);
	is_mixed("A", a);
	is_mixed("B", b);
	names = run_history_names(both.runs, both.n, &n);
	printf("%-28s%-25s%-25s%s\n", "figure", a->n > 1 ? "A: median ± spread" : "A",
	       b->n > 1 ? "B: median ± spread" : "B", "change");
	for (size_t i = 0; i < n; i++)
		print_figure(names[i], a, b, all);
	free(names);
	free(both.runs);
}

static bool from_history(const char *a, const char *b)
{
	return !strncmp(a, "last:", 5) || !strncmp(b, "last:", 5) || !strncmp(a, "version:", 8) ||
	       !strncmp(b, "version:", 8);
}

struct request {
	const char *dir, *scenario;
	bool all, same;
};
#define AT(member) .at = offsetof(struct request, member)
static const struct option_def defs[] = {
	{ "out", OPTION_TEXT, "DIR", "the directory for runs (runs)", AT(dir) },
	{ "all", OPTION_FLAG, NULL, "also show figures that did not change", AT(all) },
	{ "scenario", OPTION_TEXT, "NAME",
	  "the scenario that last: and version: select runs of (the newest run's)", AT(scenario) },
	{ "same-options", OPTION_FLAG, NULL, "select only runs with the newest run's options",
	  AT(same) },
	{ 0 },
};
static const struct command_def command = {
	.name = "changes",
	.usage = "drtest changes [--out DIR] [--all] [--scenario NAME] [--same-options] A B",
	.about = "Shows what changed from A to B. Each is a run directory, several separated by "
		 "commas, last:N (the newest N in DIR/history.db; with last:N on both sides, A is "
		 "the N before B's), or version:PREFIX (all runs of these versions of drtest). "
		 "For several runs per side, prints medians, their spread, and the probability "
		 "that the difference is due to chance (rank test, with at least 3 runs per side).",
	.options = defs,
	.more = "Exit code: 0, 2 wrong usage, 3 the history can't be read.",
	.operands_max = 2,
};

int cmd_changes(int argc, char **argv)
{
	struct request q = { .dir = "runs" };
	struct run_filter before = { 0 }, of = { 0 };
	struct side a = { 0 }, b = { 0 };
	struct err e = ERR_INIT;
	struct run_row *newest = NULL;
	size_t newest_n = 0;
	int rc = options_parse(&command, argc, argv, &q);

	if (rc)
		return rc == 1 ? 0 : 2;
	if (optind != argc - 2)
		return options_wrong(&command,
				     "two sides are required, such as runs/A runs/B or last:5 "
				     "last:5");
	of.scenario = q.scenario;
	/* runs of one scenario are beside each other: the newest one's, unless told */
	of.last = 1;
	if (of.scenario || from_history(argv[optind], argv[optind + 1]))
		rc = run_history_folder(q.dir, &e);
	if (rc == 0 && of.scenario)
		rc = run_history_check_scenario(q.dir, of.scenario, &e);
	if (rc == 0 && from_history(argv[optind], argv[optind + 1]))
		rc = run_history_list(q.dir, &of, &newest, &newest_n, &e);
	if (newest_n) {
		of = (struct run_filter){ .scenario = newest[0].scenario,
					  .ground = newest[0].ground,
					  .options = q.same ? newest[0].options : NULL };
		before = of;
	}
	of.last = 0;
	if (!strncmp(argv[optind], "last:", 5) && !strncmp(argv[optind + 1], "last:", 5))
		before.skip = strtoul(argv[optind + 1] + 5, NULL, 10);
	if (rc < 0)
		;
	else if (run_history_side(q.dir, argv[optind + 1], of, &b.runs, &b.n, &e) < 0 ||
		 run_history_side(q.dir, argv[optind], before, &a.runs, &a.n, &e) < 0)
		rc = -1;
	else if (!a.n || !b.n)
		rc = err_set(&e, ERR_USAGE, 0,
			     "side %s has no run (history %s/" RUN_HISTORY_FILE ")",
			     a.n ? "B" : "A", q.dir);
	if (rc < 0)
		fprintf(stderr, "drtest changes: %s\n", e.text);
	else
		compare(&a, &b, q.all);
	run_history_free(newest, newest_n);
	run_history_free(a.runs, a.n);
	run_history_free(b.runs, b.n);
	return rc < 0 ? err_exit_code(&e) : 0;
}

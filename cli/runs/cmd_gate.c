#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/options.h"
#include "cli/runs/run_history_side.h"
#include "reports/gate.h"
#include "reports/text.h"

#define RULES_MAX 64

struct request {
	const char *dir, *scenario, *baseline;
	struct gate_rule rules[RULES_MAX];
	size_t rules_n;
	uint64_t last, min;
	bool strict, any_options, allow_unknown;
};

static int take_rule(void *into, const char *text, struct err *e)
{
	struct request *q = into;

	if (q->rules_n == RULES_MAX)
		return err_set(e, ERR_USAGE, 0, "too many rules");
	return gate_parse(text, &q->rules[q->rules_n++], e);
}

#define AT(member) .at = offsetof(struct request, member)
static const struct option_def options[] = {
	{ "rule", OPTION_TAKE, "RULE",
	  "FIGURE [STATISTIC] <=|<|>=|> LIMIT, such as 'rpo_ms p95 <= 1.2x', 'rto_ms <= 2s', "
	  "'load_tps min >= -10%'. STATISTIC: median (the default), mean, min, max, p95. LIMIT: "
	  "a factor or a percentage of the same statistic of the baseline, or a number with a "
	  "unit. `drtest history --json` lists every figure.",
	  .take = take_rule, .times = OPTION_OFTEN },
	{ "baseline", OPTION_TEXT, "SIDE",
	  "the runs to compare with: last:20, the 20 passing runs before them with the same "
	  "options",
	  AT(baseline) },
	{ "last", OPTION_WHOLE, "N", "judge the newest N runs (1)", AT(last), .min = 1,
	  .max = 1000 },
	{ "scenario", OPTION_TEXT, "NAME", "the scenario (that of the newest run)", AT(scenario) },
	{ "min", OPTION_WHOLE, "N", "minimum number of runs in the baseline (5)", AT(min), .min = 1,
	  .max = 1000 },
	{ "strict", OPTION_FLAG, NULL,
	  "only the limit decides; without --strict, a value beyond the limit but within the "
	  "baseline's noise passes",
	  AT(strict) },
	{ "any-options", OPTION_FLAG, NULL, "include runs with other options in the baseline",
	  AT(any_options) },
	{ "allow-unknown", OPTION_FLAG, NULL, "do not fail if there is too little history",
	  AT(allow_unknown) },
	{ "out", OPTION_TEXT, "DIR", "the directory for runs (runs)", AT(dir) },
	{ 0 },
};
static const struct command_def command = {
	.name = "gate",
	.usage =
		"drtest gate --rule RULE... [--baseline last:N|version:PREFIX|RUN,RUN...] [--last N] "
		"[--scenario NAME] [...]",
	.about = "Fails if a figure of the newest runs is worse than a rule allows, or if one of "
		 "them did not pass.",
	.options = options,
	.more = "Exit code: 0 every rule passes, 1 a rule is broken or a run did not pass, 2 "
		"wrong usage, 3 the history can't be read, 4 too little history.",
};

/* 1: go on; else the exit code, -1 - code */
static int parse(int argc, char **argv, struct request *q)
{
	int rc = options_parse(&command, argc, argv, q);

	if (rc)
		return rc == 1 ? -1 : -1 - 2;
	if (!q->rules_n)
		return -1 -
		       options_wrong(&command,
				     "at least one rule is required, such as --rule 'rpo_ms p95 "
				     "<= 1.2x'");
	return 1;
}

static int judge(const struct request *q, const struct gate_sides *s)
{
	int broken = 0, unknown = 0;

	for (size_t i = 0; i < s->runs_n; i++)
		if (strcmp(s->runs[i].verdict, "pass") != 0) {
			struct strbuf out = STRBUF_INIT;

			text_line(&out, s->runs[i].name, 100);
			printf("BROKEN   the run %s did not pass: its verdict is %s\n", out.buf,
			       s->runs[i].verdict);
			strbuf_release(&out);
			broken++;
		}
	for (size_t i = 0; i < q->rules_n; i++) {
		static const char *const words[] = { "holds  ", "BROKEN ", "unknown" };
		struct strbuf why = STRBUF_INIT;
		enum gate_result result = gate_judge(&q->rules[i], s, &why);

		broken += result == GATE_BROKEN;
		unknown += result == GATE_UNKNOWN;
		printf("%s  %s\n", words[result], why.buf);
		strbuf_release(&why);
	}
	return broken ? 1 : unknown && !q->allow_unknown ? 4 : 0;
}

int cmd_gate(int argc, char **argv)
{
	struct request q = { .dir = "runs", .baseline = "last:20", .last = 1, .min = 5 };
	struct run_row *runs = NULL, *baseline = NULL;
	size_t n = 0, baseline_n = 0;
	struct run_filter f = { 0 };
	struct err e = ERR_INIT;
	int rc = parse(argc, argv, &q);

	if (rc < 0)
		return -1 - rc;
	f = (struct run_filter){ .scenario = q.scenario, .last = 1 };
	rc = run_history_folder(q.dir, &e);
	if (rc == 0)
		rc = run_history_list(q.dir, &f, &runs, &n, &e);
	if (rc == 0 && n) { /* the newest run tells of which scenario and with which options */
		struct run_row newest = runs[0];

		free(runs);
		runs = NULL;
		f = (struct run_filter){ .scenario = newest.scenario,
					 .ground = newest.ground,
					 .options = q.any_options ? NULL : newest.options,
					 .last = q.last };
		rc = run_history_list(q.dir, &f, &runs, &n, &e);
		f.skip = n;
		if (rc == 0) {
			if (strncmp(q.baseline, "last:", 5) == 0)
				f.verdict = "pass";
			/* what is skipped is counted among those that passed alone */
			for (size_t i = 0; f.verdict && i < n; i++)
				f.skip -= strcmp(runs[i].verdict, "pass") != 0;
			if (strncmp(q.baseline, "last:", 5) != 0)
				f.skip = 0;
			rc = run_history_side(q.dir, q.baseline, f, &baseline, &baseline_n, &e);
		}
		run_row_release(&newest);
	}
	if (rc < 0) {
		fprintf(stderr, "drtest gate: %s\n", e.text);
		rc = err_exit_code(&e);
	} else if (!n) {
		printf("unknown  there is no run%s%s in %s/" RUN_HISTORY_FILE "\n",
		       q.scenario ? " of " : "", q.scenario ? q.scenario : "", q.dir);
		rc = q.allow_unknown ? 0 : 4;
	} else {
		rc = judge(&q,
			   &(struct gate_sides){ runs, baseline, n, baseline_n, q.min, q.strict });
	}
	run_history_free(runs, n);
	run_history_free(baseline, baseline_n);
	return rc;
}

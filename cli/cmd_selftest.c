#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/options.h"
#include "harness/base/failpoint.h"
#include "harness/os/fs.h"
#include "harness/os/proc.h"
#include "suites/selftest.h"

#define SEEDS_MAX 1000u
#define DRILL "tests/planted/drill.lua"

struct request {
	struct selftest_opts o;
	const char *out;
	FILE *table; /* of out */
};
#define AT(member) .at = offsetof(struct request, member)
static const struct option_def options[] = {
	{ "seeds", OPTION_UNSIGNED, "N", "places for each defect (2; the full test takes 20)",
	  AT(o.seeds), .min = 1, .max = SEEDS_MAX },
	{ "seed", OPTION_WHOLE, "N", "seed of the first recording (42)", AT(o.seed) },
	{ "recordings", OPTION_UNSIGNED, "N", "drills to record (1)", AT(o.recordings), .min = 1,
	  .max = SEEDS_MAX },
	{ "drills", OPTION_UNSIGNED, "N",
	  "also run N complete mini drills without a defect, to find false alarms (0)",
	  AT(o.drills), .max = SEEDS_MAX },
	{ "faults", OPTION_UNSIGNED, "N",
	  "also run N mini drills for each lie that a process can tell (0; only in drtest-test, "
	  "the build with failpoints)",
	  AT(o.faults), .max = SEEDS_MAX },
	{ "scenario", OPTION_TEXT, "FILE", "the mini drill of --drills and --faults (" DRILL ")",
	  AT(o.scenario) },
	{ "output", OPTION_TEXT, "FILE", "write the table to FILE as JSON", AT(out) },
	{ "json", OPTION_FLAG, NULL, "print the table as JSON", AT(o.quiet) },
	{ "out", OPTION_RENAMED, .at = 0, .now = "output" },
	{ 0 },
};
static const struct command_def command = {
	.name = "selftest",
	.usage =
		"drtest selftest [--seeds N] [--seed N] [--recordings N] [--drills N] [--faults N] "
		"[--output FILE] [--json]",
	.about = "Tests the verdict: records a small drill on real servers, then judges it many "
		 "times with one planted defect. The check responsible for a defect must find it, "
		 "and each harmless variant must pass. Prints a table of defects and checks.",
	.options = options,
	.more = "Exit code: 0 all defects found and no false alarm, 1 otherwise, 2 wrong usage, "
		"3 the servers could not be started.",
};

static int parse(int argc, char **argv, struct request *q)
{
	const struct selftest_opts *o = &q->o;
	int rc = options_parse(&command, argc, argv, q);

	if (rc)
		return rc;
	if (o->faults && !failpoints_built()) {
		fprintf(stderr, "drtest selftest: --faults: this build has no failpoints; `make "
				"selftest` builds drtest-test, which has them\n");
		return 2;
	}
	if (o->scenario && !o->drills && !o->faults)
		return options_wrong(&command, "--scenario is only for --drills and --faults");
	if (!o->scenario)
		q->o.scenario = DRILL;
	if ((o->drills || o->faults) && !fs_exists(o->scenario)) {
		fprintf(stderr, "drtest selftest: --scenario %s: no such file\n", o->scenario);
		return 2;
	}
	if (q->out && !(q->table = fopen(q->out, "we"))) { /* not found out after an hour */
		fprintf(stderr, "drtest selftest: --output %s: %s\n", q->out, strerror(errno));
		return 3;
	}
	return 0;
}

int cmd_selftest(int argc, char **argv)
{
	struct request q = {
		.o = { .seeds = 2, .recordings = 1, .seed = 42 },
	};
	struct scores t = { 0 };
	struct err e = ERR_INIT;
	int rc = parse(argc, argv, &q);
	size_t bad = 0, planted = 0;

	if (rc)
		return rc == 1 ? 0 : rc;
	if (guardian_start(&e) < 0 || selftest_run(&q.o, &t, &e) < 0)
		goto failed;
	for (size_t i = 0; i < t.n; i++) {
		bad += !score_good(&t.s[i]);
		planted += t.s[i].planted;
	}
	json_t *j = json_pack("{s:i,s:o,s:b}", "planted", (int)planted, "defects", scores_json(&t),
			      "good", bad == 0);

	if (q.o.quiet)
		json_dumpf(j, stdout, JSON_INDENT(2));
	else
		scores_print(&t);
	if (q.table && (json_dumpf(j, q.table, JSON_INDENT(2)) < 0 || fflush(q.table) != 0))
		rc = err_sys(&e, "write %s", q.out);
	json_decref(j);
	if (rc < 0)
		goto failed;
	if (!q.o.quiet)
		printf("%zu places planted in %zu kinds: %s\n", planted, t.n,
		       bad ? "NOT as expected" : "every defect found, no false alarm");
	free(t.s);
	guardian_stop();
	return bad ? 1 : 0;
failed:
	fprintf(stderr, "drtest selftest: %s\n", e.text);
	free(t.s);
	guardian_stop();
	return err_exit_code(&e);
}

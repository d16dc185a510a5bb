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

static const char help[] =
	"usage: drtest selftest [--seeds N] [--seed N] [--recordings N] [--drills N] [--faults N] [--out FILE] [--json]\n"
	"Does the verdict deserve trust? A small drill is recorded on real servers; then it is judged many times with one defect planted in it:\n"
	"each defect must be caught by the check that is meant for it, each harmless twin must pass. Prints the table of defects and checks.\n"
	"  --seeds N       places for each defect (2; the full test takes 20)\n"
	"  --seed N        of the first recording (42)\n"
	"  --recordings N  drills that are recorded, one after the other (1)\n"
	"  --drills N      also so many clean mini drills, from end to end: no false alarm (0)\n"
	"  --faults N      also so many mini drills of each lie that a process can be told to tell (0; drtest-test only, the build with fault points)\n"
	"  --scenario FILE the mini drill (tests/planted/drill.lua)\n"
	"  --out FILE      the table as JSON\n"
	"  --json          the table as JSON on standard output\n"
	"Exit codes: 0 all caught and no false alarm, 1 not, 2 wrong usage, 3 the servers could not be started.\n";

static int number(const char *text, uint64_t max, uint64_t *out)
{
	char *end;

	*out = strtoull(text, &end, 10);
	return *text >= '0' && *text <= '9' && !*end && *out <= max ? 0 : -1;
}

static int parse(int argc, char **argv, struct selftest_opts *o, const char **out)
{
	static const struct option longs[] = {
		{ "seeds", required_argument, NULL, 'n' },
		{ "seed", required_argument, NULL, 's' },
		{ "recordings", required_argument, NULL, 'r' },
		{ "out", required_argument, NULL, 'o' },
		{ "drills", required_argument, NULL, 'd' },
		{ "faults", required_argument, NULL, 'f' },
		{ "scenario", required_argument, NULL, 'S' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	uint64_t n;
	int c;

	optind = 0;
	while ((c = options_next(argc, argv, "+h", longs, NULL)) != -1)
		switch (c) {
		case 'h': fputs(help, stdout); return 1;
		case 'j': o->quiet = true; break;
		case 'o': *out = optarg; break;
		case 'S': o->scenario = optarg; break;
		case 'n':
		case 's':
		case 'r':
		case 'd':
		case 'f':
			if (number(optarg, c == 's' ? UINT64_MAX : SEEDS_MAX, &n) < 0 ||
			    ((c == 'n' || c == 'r') && !n)) {
				fprintf(stderr, "drtest selftest: \"%.60s\" is out of range\n",
					optarg);
				return 2;
			}
			if (c == 's')
				o->seed = n;
			else
				*(c == 'n'   ? &o->seeds
				  : c == 'r' ? &o->recordings
				  : c == 'd' ? &o->drills
					     : &o->faults) = (unsigned)n;
			break;
		default: return 2;
		}
	if (o->faults && !fault_points_built()) {
		fprintf(stderr,
			"drtest selftest: --faults: this build has no fault points; `make selftest` builds drtest-test, which has\n");
		return 2;
	}
	if ((o->drills || o->faults) && !fs_exists(o->scenario)) {
		fprintf(stderr, "drtest selftest: --scenario %s: not there\n", o->scenario);
		return 2;
	}
	if (optind < argc) {
		fprintf(stderr,
			"drtest selftest: '%s' is not understood (drtest selftest --help)\n",
			argv[optind]);
		return 2;
	}
	return 0;
}

int cmd_selftest(int argc, char **argv)
{
	struct selftest_opts o = {
		.seeds = 2, .recordings = 1, .seed = 42, .scenario = "tests/planted/drill.lua"
	};
	struct scores t = { 0 };
	const char *out = NULL;
	struct err e = ERR_INIT;
	int rc = parse(argc, argv, &o, &out);
	size_t bad = 0, planted = 0;

	if (rc)
		return rc == 1 ? 0 : rc;
	if (guardian_start(&e) < 0 || selftest_run(&o, &t, &e) < 0)
		goto failed;
	for (size_t i = 0; i < t.n; i++) {
		bad += !score_good(&t.s[i]);
		planted += t.s[i].planted;
	}
	json_t *j = json_pack("{s:i,s:o,s:b}", "planted", (int)planted, "defects", scores_json(&t),
			      "good", bad == 0);

	if (o.quiet)
		json_dumpf(j, stdout, JSON_INDENT(2));
	else
		scores_print(&t);
	if (out && json_dump_file(j, out, JSON_INDENT(2)) < 0)
		rc = err_set(&e, ERR_IO, 0, "write %s", out);
	json_decref(j);
	if (rc < 0)
		goto failed;
	if (!o.quiet)
		printf("%zu places planted in %zu kinds: %s\n", planted, t.n,
		       bad ? "NOT all as they should be" : "each defect caught, no false alarm");
	free(t.s);
	guardian_stop();
	return bad ? 1 : 0;
failed:
	fprintf(stderr, "drtest selftest: %s\n", e.text);
	free(t.s);
	guardian_stop();
	return err_exit_code(&e);
}

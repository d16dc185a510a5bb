#include "cli/commands.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/options.h"
#include "harness/base/strbuf.h"
#include "reports/run_history.h"
#include "reports/text.h"

#define COMPARED_MAX 200 /* runs whose options are held against each other */

static const char help[] =
	"usage: drtest history [--out DIR] [--scenario NAME] [--verdict WORD] [--seed N] [--version PREFIX] [--last N] [--json]\n"
	"       drtest history --rebuild [--out DIR]\n"
	"The runs of DIR/history.db (runs), newest last: when, verdict, RPO, RTO, and the options in which the runs listed differ.\n"
	"  --scenario, --verdict, --seed, --version   only these\n"
	"  --last N    the newest N (20; 0: all)\n"
	"  --json      every figure of each run, one JSON object a line\n"
	"  --rebuild   makes the history again from the run folders; a damaged one is kept as history.db.damaged\n"
	"Exit code: 0, 2 wrong usage, 3 the history can't be read.\n";

/* "ms=200 rate=50": the options in which the runs listed of one scenario differ. */
static void differing(const struct past_run *runs, size_t n, const struct past_run *r,
		      struct strbuf *out)
{
	json_t *mine = json_loads(r->options, 0, NULL), *v;
	const char *key;

	json_object_foreach(mine, key, v)
	{
		bool differs = false;

		for (size_t i = 0; i < n && i < COMPARED_MAX && !differs; i++) {
			bool beside = !strcmp(runs[i].scenario, r->scenario) &&
				      strcmp(runs[i].options, r->options) != 0;
			json_t *other = beside ? json_loads(runs[i].options, 0, NULL) : NULL;

			differs = other && !json_equal(json_object_get(other, key), v);
			json_decref(other);
		}
		if (differs && json_is_string(v))
			strbuf_addf(out, "  %s=%s", key, json_string_value(v));
	}
	json_decref(mine);
}

static void line(const struct past_run *runs, size_t n_runs, const struct past_run *r)
{
	double lost = past_value(r, "rpo_lost"), window = past_value(r, "rpo_ms"),
	       rto = past_value(r, "rto_ms");
	struct strbuf out = STRBUF_INIT, set = STRBUF_INIT;
	char when[32] = "", n[TEXT_NUMBER];
	time_t t = (time_t)(r->started_ms / 1000);
	struct tm tm;

	if (gmtime_r(&t, &tm))
		strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &tm);
	strbuf_addf(&out, "%s  ", when);
	for (size_t used = text_line(&out, r->verdict, 11); used < 12; used++)
		strbuf_addch(&out, ' ');
	for (size_t used = text_line(&out, r->scenario, 20); used < 21; used++)
		strbuf_addch(&out, ' ');
	for (size_t used = text_line(&out, r->seed, 10); used < 11; used++)
		strbuf_addch(&out, ' ');
	strbuf_addf(&out, "%8s  ", isnan(lost) ? "-" : text_count(n, (int64_t)lost));
	strbuf_addf(&out, "%9s  ", isnan(window) ? "-" : text_seconds(n, window / 1e3));
	strbuf_addf(&out, "%9s  ", isnan(rto) ? "-" : text_seconds(n, rto / 1e3));
	text_line(&out, r->name, 80);
	differing(runs, n_runs, r, &set);
	text_line(&out, set.buf, 120);
	strbuf_release(&set);
	puts(out.buf);
	strbuf_release(&out);
}

static void json_line(const struct past_run *r)
{
	json_t *o = json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:I,s:f,s:I,s:I,s:I}", "run", r->name,
			      "scenario", r->scenario, "ground", r->ground, "seed", r->seed,
			      "drtest", r->drtest, "verdict", r->verdict, "started_ms",
			      (json_int_t)r->started_ms, "seconds", r->seconds, "checks",
			      (json_int_t)r->checks, "failed", (json_int_t)r->failed, "unknown",
			      (json_int_t)r->unknown),
	       *figures = json_object();
	char *text;

	for (size_t i = 0; i < r->values_n; i++)
		json_object_set_new(figures, r->values[i].name, json_real(r->values[i].value));
	json_object_set_new(o, "options", json_loads(r->options, 0, NULL));
	json_object_set_new(o, "figures", figures);
	text = json_dumps(o, JSON_COMPACT | JSON_REAL_PRECISION(12));
	puts(text ? text : "{}");
	free(text);
	json_decref(o);
}

static int rebuild(const char *dir)
{
	struct err e = ERR_INIT;
	size_t n;

	if (past_rebuild(dir, &n, &e) < 0) {
		fprintf(stderr, "drtest history: %s\n", e.text);
		return 3;
	}
	printf("%s/" PAST_FILE ": %zu run%s\n", dir, n, n == 1 ? "" : "s");
	return 0;
}

int cmd_history(int argc, char **argv)
{
	static const struct option longs[] = { { "out", required_argument, NULL, 'o' },
					       { "scenario", required_argument, NULL, 's' },
					       { "verdict", required_argument, NULL, 'v' },
					       { "seed", required_argument, NULL, 'n' },
					       { "version", required_argument, NULL, 'V' },
					       { "last", required_argument, NULL, 'l' },
					       { "json", no_argument, NULL, 'j' },
					       { "rebuild", no_argument, NULL, 'r' },
					       { "help", no_argument, NULL, 'h' },
					       { 0 } };
	struct past_filter f = { .last = 20 };
	const char *dir = "runs";
	bool json = false, again = false;
	struct past_run *runs;
	struct err e = ERR_INIT;
	size_t n;
	char *end;
	int c;

	optind = 0;
	while ((c = options_next(argc, argv, "h", longs, NULL)) != -1)
		switch (c) {
		case 'o': dir = optarg; break;
		case 's': f.scenario = optarg; break;
		case 'v': f.verdict = optarg; break;
		case 'n': f.seed = optarg; break;
		case 'V': f.drtest = optarg; break;
		case 'l':
			f.last = strtoul(optarg, &end, 10);
			if (*optarg < '0' || *optarg > '9' || *end) {
				fprintf(stderr, "drtest history: --last: '%.80s' is no number\n",
					optarg);
				return 2;
			}
			break;
		case 'j': json = true; break;
		case 'r': again = true; break;
		case 'h': fputs(help, stdout); return 0;
		default: return 2;
		}
	if (optind < argc) {
		fprintf(stderr,
			"drtest history: '%.80s' is not understood (drtest history --help)\n",
			argv[optind]);
		return 2;
	}
	if (again)
		return rebuild(dir);
	if (f.verdict && !past_is_verdict(f.verdict)) {
		fprintf(stderr, "drtest history: --verdict: '%.80s' is none of " PAST_VERDICTS "\n",
			f.verdict);
		return 2;
	}
	if (f.scenario && past_check_scenario(dir, f.scenario, &e) < 0) {
		fprintf(stderr, "drtest history: %s\n", e.text);
		return err_exit_code(&e);
	}
	if (past_list(dir, &f, &runs, &n, &e) < 0) {
		fprintf(stderr, "drtest history: %s\n", e.text);
		return 3;
	}
	if (!n && !json)
		printf("no such run in %s/" PAST_FILE "\n", dir);
	else if (!json)
		printf("%-19s  %-11s %-20s %-10s %8s  %9s  %9s  %s\n", "began (UTC)", "verdict",
		       "scenario", "seed", "lost", "RPO", "RTO", "folder");
	for (size_t i = 0; i < n; i++)
		if (json)
			json_line(&runs[i]);
		else
			line(runs, n, &runs[i]);
	past_free(runs, n);
	return 0;
}

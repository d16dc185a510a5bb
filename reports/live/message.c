#include "reports/live/message.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "reports/report_read.h"
#include "reports/run_model.h"
#include "reports/text.h"

#define CHECKS_MAX 20
#define TIME_TEXT 40

static void add_json(struct strbuf *out, json_t *message)
{
	char *text =
		json_dumps(message, JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(12));

	strbuf_addstr(out, text);
	free(text);
	json_decref(message);
}

static void time_text(int64_t ms, char out[TIME_TEXT])
{
	time_t s = ms / 1000;
	struct tm tm;

	gmtime_r(&s, &tm);
	strftime(out, TIME_TEXT, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

static void add_sentence(const struct run_model *m, struct strbuf *text)
{
	char a[TEXT_NUMBER], b[TEXT_NUMBER];
	size_t told = 0;

	strbuf_addf(text, "%s %s on %s, seed %s", outcome_word(m->verdict), m->scenario, m->ground,
		    m->seed);
	if (m->rpo_lost >= 0 && m->rpo_acked >= 0)
		strbuf_addf(text, ": lost %s of %s acknowledged transactions",
			    text_count(a, (int64_t)m->rpo_lost),
			    text_count(b, (int64_t)m->rpo_acked));
	if (m->rpo_lost > 0 && m->rpo_window_ms >= 0)
		strbuf_addf(text, ", data-loss window %s", text_seconds(a, m->rpo_window_ms / 1e3));
	if (m->rto_ms[RTO_SERVICE] >= 0)
		strbuf_addf(text, "; service back after %s",
			    text_seconds(a, m->rto_ms[RTO_SERVICE] / 1e3));
	for (size_t i = 0; i < m->checks_n; i++)
		if (m->checks[i].verdict != OUTCOME_PASS && told++ < CHECKS_MAX)
			strbuf_addf(text, "\n%s: %s", outcome_word(m->checks[i].verdict),
				    m->checks[i].name);
	if (m->error[0])
		strbuf_addf(text, "\n%s", m->error);
}

static json_t *not_passed(const struct run_model *m)
{
	json_t *list = json_array();

	for (size_t i = 0; i < m->checks_n && json_array_size(list) < CHECKS_MAX; i++) {
		const struct model_check *c = &m->checks[i];

		if (c->verdict != OUTCOME_PASS)
			json_array_append_new(list, json_pack("{s:s,s:s,s:s}", "name", c->name,
							      "verdict", outcome_name(c->verdict),
							      "evidence", c->evidence));
	}
	return list;
}

/* A figure that was not measured is null. */
static json_t *figure_json(double v)
{
	return v >= 0 ? json_real(v) : json_null();
}

static const char *base_name(const char *dir, size_t *n)
{
	const char *end = dir + strlen(dir), *begin;

	while (end > dir && end[-1] == '/')
		end--;
	for (begin = end; begin > dir && begin[-1] != '/'; begin--)
		;
	*n = (size_t)(end - begin);
	return begin;
}

int report_message(const char *run_dir, struct strbuf *id, struct strbuf *out, struct err *e)
{
	struct strbuf text = STRBUF_INIT;
	char when[TIME_TEXT], *real;
	struct run_model m;
	const char *name;
	json_t *data;
	size_t n;

	if (report_read(run_dir, &m, e) < 0)
		return -1;
	real = realpath(run_dir, NULL);
	name = base_name(real ? real : run_dir, &n);
	strbuf_add(id, name, n);
	add_sentence(&m, &text);
	time_text(m.wall_ms + (int64_t)(m.seconds * 1e3), when);
	data = json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:f}", "run", id->buf, "verdict",
			 outcome_name(m.verdict), "scenario", m.scenario, "ground", m.ground,
			 "seed", m.seed, "drtest", m.drtest, "seconds", m.seconds);
	json_object_set_new(data, "rpo",
			    json_pack("{s:o,s:o,s:o}", "lost", figure_json(m.rpo_lost),
				      "acknowledged", figure_json(m.rpo_acked), "window_ms",
				      figure_json(m.rpo_window_ms)));
	json_object_set_new(data, "rto",
			    json_pack("{s:o,s:o}", "service_ms", figure_json(m.rto_ms[RTO_SERVICE]),
				      "redundant_ms", figure_json(m.rto_ms[RTO_REDUNDANT])));
	json_object_set_new(data, "checks", json_integer((json_int_t)m.checks_n));
	json_object_set_new(data, "not_passed", not_passed(&m));
	if (m.error[0])
		json_object_set_new(data, "error", json_string(m.error));
	add_json(out, json_pack("{s:s,s:s,s:s,s:o}", "type", "run.verdict", "timestamp", when,
				"text", text.buf, "data", data));
	strbuf_release(&text);
	run_model_release(&m);
	free(real);
	return 0;
}

void report_message_unbegun(const char *scenario, const char *drtest, int code, int64_t wall_ms,
			    struct strbuf *id, struct strbuf *out)
{
	struct strbuf text = STRBUF_INIT;
	char when[TIME_TEXT], *name = text_cut(scenario, 200);

	time_text(wall_ms, when);
	strbuf_addf(id, "unbegun-%" PRId64, wall_ms);
	strbuf_addf(&text, "ERROR %s did not start: exit code %d; the reason was printed", name,
		    code);
	add_json(out, json_pack("{s:s,s:s,s:s,s:{s:s,s:s,s:s,s:i}}", "type", "run.verdict",
				"timestamp", when, "text", text.buf, "data", "verdict", "error",
				"scenario", name, "drtest", drtest, "exit_code", code));
	strbuf_release(&text);
	free(name);
}

#include "reports/run_model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "harness/base/journal.h"
#include "harness/base/tso.h"
#include "harness/base/xalloc.h"
#include "reports/text.h"

#define LIST_MAX 1000 /* steps, faults, moves, spans, notes, options, figures */
#define CHECKS_MAX 10000
#define FINDING_KEYS_MAX 16
#define FINDING_TEXT_MAX 512
#define NAME_MAX_BYTES 200
#define SECONDS_MAX 1e8 /* three years */
#define LOGS_MAX 64
#define WAYS_MAX 32

const char *const rto_part_names[RTO_PARTS] = { "service", "detect",  "replay",
						"check",   "promote", "redundant" };

static const struct {
	const char *name, *word;
} outcomes[] = {
	[OUTCOME_PASS] = { "pass", "PASS" },
	[OUTCOME_FAIL] = { "fail", "FAIL" },
	[OUTCOME_UNKNOWN] = { "unknown", "UNKNOWN" },
	[OUTCOME_ERROR] = { "error", "ERROR" },
	[OUTCOME_INTERRUPTED] = { "interrupted", "INTERRUPTED" },
};

const char *outcome_name(enum outcome o)
{
	return outcomes[o].name;
}

const char *outcome_word(enum outcome o)
{
	return outcomes[o].word;
}

static enum outcome outcome_of(const char *text)
{
	for (size_t i = 0; text && i < sizeof(outcomes) / sizeof(outcomes[0]); i++)
		if (!strcmp(text, outcomes[i].name))
			return (enum outcome)i;
	return OUTCOME_UNKNOWN; /* a verdict that is not understood proves nothing */
}

static char *text_of(const json_t *o, const char *key, size_t max)
{
	const json_t *v = json_object_get(o, key);
	char number[32];

	if (json_is_string(v))
		return text_cut(json_string_value(v), max);
	if (json_is_integer(v)) {
		snprintf(number, sizeof(number), "%lld", (long long)json_integer_value(v));
		return xstrdup(number);
	}
	return xstrdup("");
}

static void keep_text(char **into, const json_t *o, const char *key)
{
	char *text = text_of(o, key, MODEL_TEXT_MAX);

	free(*into);
	*into = text;
}

static double number_of(const json_t *o, const char *key, double otherwise)
{
	const json_t *v = json_object_get(o, key);
	double d = json_is_number(v) ? json_number_value(v) : NAN;

	return isfinite(d) ? d : otherwise;
}

static double seconds_of(const json_t *o, const char *key, double otherwise)
{
	double s = number_of(o, key, otherwise);

	return s < 0 ? 0 : s > SECONDS_MAX ? SECONDS_MAX : s;
}

/* A text or a number as it stands, anything else as its JSON text; NULL is left out. */
static json_t *plain_value(const json_t *v, size_t max)
{
	char *text, *dump = NULL;
	json_t *out;

	if (!v || json_is_null(v))
		return NULL;
	if (json_is_number(v))
		return json_deep_copy(v);
	if (!json_is_string(v))
		dump = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);
	text = text_cut(dump ? dump : json_is_string(v) ? json_string_value(v) : "?", max);
	out = json_string(text);
	free(text);
	free(dump);
	return out;
}

static void set_plain(json_t *into, const char *key, const json_t *v, size_t max) /* v NULL: not */
{
	char *name = text_cut(key, NAME_MAX_BYTES);

	if (json_object_size(into) < LIST_MAX || json_object_get(into, name))
		json_object_set_new(into, name, plain_value(v, max));
	free(name);
}

static void merge_texts(json_t *into, json_t *from)
{
	const char *key;
	json_t *v;

	json_object_foreach(from, key, v) set_plain(into, key, v, MODEL_TEXT_MAX);
}

static void add_texts(json_t *into, const json_t *from)
{
	size_t i;
	json_t *v;

	json_array_foreach(from, i, v) if (json_is_string(v) && json_array_size(into) < LIST_MAX)
		json_array_append_new(into, plain_value(v, MODEL_TEXT_MAX));
}

/* The list with room for one more, zeroed. It grows at powers of two. */
static void *grow_list(void *list, size_t n, size_t size)
{
	if ((n & (n - 1)) == 0)
		list = xreallocarray(list, n ? n * 2 : 1, size);
	memset((char *)list + n * size, 0, size);
	return list;
}
/* A new element, zeroed, or NULL when the list is full. */
#define APPEND(m, list, max)                                                             \
	((m)->list##_n >= (max)                                                          \
		 ? ((m)->left_out++, NULL)                                               \
		 : ((m)->list = grow_list((m)->list, (m)->list##_n, sizeof(*(m)->list)), \
		    &(m)->list[(m)->list##_n++]))

static void on_run(struct run_model *m, json_t *ev, double t)
{
	double schema = number_of(ev, "schema", 0);
	double wall = number_of(ev, "wall_ms", 0);

	keep_text(&m->drtest, ev, "drtest");
	keep_text(&m->scenario, ev, "scenario");
	keep_text(&m->sentence, ev, "sentence");
	keep_text(&m->ground, ev, "ground");
	keep_text(&m->seed, ev, "seed");
	keep_text(&m->command, ev, "command");
	if (wall > 0 && wall < 2.5e14) /* the year 9892 */
		/* taken with the event; ours is the clock's zero */
		m->wall_ms = (int64_t)(wall - t * 1e3);
	merge_texts(m->options, json_object_get(ev, "options"));
	merge_texts(m->versions, json_object_get(ev, "versions"));
	add_texts(m->standins, json_object_get(ev, "standins"));
	if (schema != MODEL_SCHEMA && !m->has_run)
		json_array_insert_new(
			m->notes, 0,
			json_sprintf("the journal has schema %g, but this drtest reads %d: unknown "
				     "parts are missing here",
				     schema, MODEL_SCHEMA));
	m->has_run = true;
}

static struct model_step *step_slot(struct run_model *m, json_t *ev, double t)
{
	double told = number_of(ev, "n", -1);
	int64_t n = told >= 1 && told < 1e9 ? (int64_t)told : (int64_t)m->steps_n + 1;
	struct model_step *s = (struct model_step *)run_model_step(m, n);

	if (s)
		return s;
	s = APPEND(m, steps, LIST_MAX);
	if (s)
		*s = (struct model_step){ .n = n,
					  .from = t,
					  .name = text_of(ev, "name", NAME_MAX_BYTES),
					  .status = xstrdup(""),
					  .detail = xstrdup("") };
	return s;
}

static void on_step(struct run_model *m, json_t *ev, double t)
{
	struct model_step *s = step_slot(m, ev, t);

	if (s && json_is_string(json_object_get(ev, "name"))) {
		free(s->name);
		s->name = text_of(ev, "name", NAME_MAX_BYTES);
	}
}

static void on_step_end(struct run_model *m, json_t *ev, double t)
{
	struct model_step *s = step_slot(m, ev, t);

	if (!s)
		return;
	if (!s->name[0]) {
		free(s->name);
		s->name = text_of(ev, "name", NAME_MAX_BYTES);
	}
	free(s->status);
	s->status = text_of(ev, "status", 32);
	if (!s->status[0]) {
		free(s->status);
		s->status = xstrdup("unknown");
	}
	keep_text(&s->detail, ev, "detail");
	s->seconds = seconds_of(ev, "seconds", t - s->from);
	if (s->from >= t && s->seconds > 0) /* its "step" is missing */
		s->from = t - s->seconds > 0 ? t - s->seconds : 0;
	s->ended = true;
}

static json_t *finding_of(json_t *from)
{
	json_t *out = json_object(), *v;
	const char *key;

	if (!json_is_object(from)) {
		set_plain(out, "found", from, FINDING_TEXT_MAX);
		return out;
	}
	json_object_foreach(from, key, v) if (json_object_size(out) < FINDING_KEYS_MAX)
		set_plain(out, key, v, FINDING_TEXT_MAX);
	return out;
}

static void on_check(struct run_model *m, json_t *ev, double t)
{
	struct model_check *c = APPEND(m, checks, CHECKS_MAX);
	enum outcome verdict = outcome_of(json_string_value(json_object_get(ev, "verdict")));
	json_t *findings = json_object_get(ev, "findings"), *f;
	double step = number_of(ev, "step", 0);
	size_t i;

	(void)t;
	m->failed += verdict == OUTCOME_FAIL; /* counted even where the list is full */
	m->unknown += verdict != OUTCOME_FAIL && verdict != OUTCOME_PASS;
	if (!c)
		return;
	c->verdict = verdict == OUTCOME_PASS || verdict == OUTCOME_FAIL ? verdict : OUTCOME_UNKNOWN;
	c->step = step >= 1 && step < 1e9 ? (int64_t)step : 0;
	c->name = text_of(ev, "name", NAME_MAX_BYTES);
	c->evidence = text_of(ev, "evidence", MODEL_TEXT_MAX);
	c->seconds = number_of(ev, "seconds", -1);
	if (json_is_object(json_object_get(ev, "about")))
		c->about = finding_of(json_object_get(ev, "about"));
	c->findings = json_array();
	json_array_foreach(findings, i, f)
	{
		if (json_array_size(c->findings) >= MODEL_FINDINGS_CHECK_MAX ||
		    m->findings_n >= MODEL_FINDINGS_MAX) {
			c->findings_left_out = json_array_size(findings) - i;
			break;
		}
		json_array_append_new(c->findings, finding_of(f));
		m->findings_n++;
	}
}

static void note_healed(struct run_model *m, const char *target, const char *kind, double at)
{
	for (size_t i = m->faults_n; i-- > 0;) {
		struct model_fault *f = &m->faults[i];

		if (f->until < 0 && f->at <= at && !strcmp(f->target, target) &&
		    (!*kind || !strcmp(f->kind, kind))) {
			f->until = at;
			return;
		}
	}
}

static void on_fault(struct run_model *m, json_t *ev, double t)
{
	struct model_fault *f = APPEND(m, faults, LIST_MAX);
	double at = seconds_of(ev, "at", t);

	if (!f)
		return;
	*f = (struct model_fault){ text_of(ev, "kind", NAME_MAX_BYTES),
				   text_of(ev, "target", NAME_MAX_BYTES),
				   text_of(ev, "detail", MODEL_TEXT_MAX), at,
				   number_of(ev, "until", -1) };
	if (f->until < at || f->until > SECONDS_MAX)
		f->until = -1;
	if (json_is_true(json_object_get(ev, "disaster")))
		m->disaster_at = at, m->disaster_told = true;
	if (!strcmp(f->kind, "resume")) { /* what goes on is a pause that ended */
		f->until = at;
		note_healed(m, f->target, "pause", at);
	}
}

static void on_heal(struct run_model *m, json_t *ev, double t)
{
	char *target = text_of(ev, "target", NAME_MAX_BYTES),
	     *kind = text_of(ev, "kind", NAME_MAX_BYTES);

	note_healed(m, target, kind, seconds_of(ev, "at", t));
	free(target);
	free(kind);
}

static void on_move(struct run_model *m, json_t *ev, double t)
{
	struct model_move *v = APPEND(m, moves, LIST_MAX);

	if (v)
		*v = (struct model_move){ text_of(ev, "from", NAME_MAX_BYTES),
					  text_of(ev, "to", NAME_MAX_BYTES),
					  seconds_of(ev, "at", t) };
}

static void on_span(struct run_model *m, json_t *ev, double t)
{
	struct model_span *s;
	double from = seconds_of(ev, "from", t), to = seconds_of(ev, "to", t);

	if (to < from) {
		m->left_out++;
		return;
	}
	s = APPEND(m, spans, LIST_MAX);
	if (s)
		*s = (struct model_span){ text_of(ev, "name", NAME_MAX_BYTES), from, to };
}

/* What turned out to be a stand-in once it ran. */
static void on_standins(struct run_model *m, json_t *ev, double t)
{
	(void)t;
	add_texts(m->standins, json_object_get(ev, "names"));
}

static void on_note(struct run_model *m, json_t *ev, double t)
{
	json_t *text = json_object_get(ev, "text");

	(void)t;
	if (json_is_string(text) && json_array_size(m->notes) < LIST_MAX)
		json_array_append_new(m->notes, plain_value(text, MODEL_TEXT_MAX));
	else
		m->left_out++;
}

static void on_left(struct run_model *m, json_t *ev, double t)
{
	json_t *o = json_object();
	(void)t;
	for (const char *const *k = model_left_fields; *k; k++)
		if (json_is_string(json_object_get(ev, *k)))
			set_plain(o, *k, json_object_get(ev, *k), MODEL_TEXT_MAX);
	if (json_object_size(o) == 3 && json_array_size(m->left) < LIST_MAX)
		json_array_append(m->left, o);
	json_decref(o);
}

static void on_figure(struct run_model *m, json_t *ev, double t)
{
	const char *name = json_string_value(json_object_get(ev, "name"));
	json_t *value = json_object_get(ev, "value");

	(void)t;
	if (name && value)
		set_plain(m->figures, name, value, MODEL_TEXT_MAX);
	else
		m->left_out++;
}

static void on_version(struct run_model *m, json_t *ev, double t)
{
	const char *name = json_string_value(json_object_get(ev, "name"));

	(void)t;
	if (name)
		set_plain(m->versions, name, json_object_get(ev, "value"), MODEL_TEXT_MAX);
	else
		m->left_out++;
}

static void keep_ms(double *into, json_t *ev, const char *key)
{
	double v = number_of(ev, key, -1);

	if (v >= 0)
		*into = v < 9e15 ? v : 9e15;
}

static void on_rpo(struct run_model *m, json_t *ev, double t)
{
	(void)t;
	m->has_rpo = true;
	keep_ms(&m->rpo_lost, ev, "lost");
	keep_ms(&m->rpo_acked, ev, "acked");
	keep_ms(&m->rpo_window_ms, ev, "window_ms");
	keep_ms(&m->rpo_behind_ms, ev, "resolved_behind_ms");
}

static void on_rto(struct run_model *m, json_t *ev, double t)
{
	char key[32];

	(void)t;
	m->has_rto = true;
	for (int i = 0; i < RTO_PARTS; i++) {
		snprintf(key, sizeof(key), "%s_ms", rto_part_names[i]);
		keep_ms(&m->rto_ms[i], ev, key);
	}
}

static void on_end(struct run_model *m, json_t *ev, double t)
{
	(void)t;
	m->ended = true;
	m->verdict = outcome_of(json_string_value(json_object_get(ev, "verdict")));
	keep_text(&m->error, ev, "error");
}

static void sample_feed(struct run_model *m, json_t *feed, double t)
{
	char *name, *label;
	const char *resolved = json_string_value(json_object_get(feed, "resolved_ts"));
	double lag_ms = number_of(feed, "lag_ms", -1), bytes = number_of(feed, "redo_bytes", -1);
	double behind_ms = number_of(feed, "resolved_lag_ms", -1);
	tso_t ts;

	if (!json_is_object(feed))
		return;
	name = text_of(feed, "name", 60);
	if (!name[0]) {
		free(name);
		name = xstrdup("changefeed");
	}
	if (lag_ms >= 0)
		samples_add(m->samples, SERIES_LAG_S, name, lag_ms / 1e3);
	if (behind_ms < 0 && resolved && m->wall_ms && tso_parse(resolved, &ts) && ts) {
		behind_ms = (double)(m->wall_ms - tso_ms(ts)) + t * 1e3;
		behind_ms = behind_ms < 0 ? 0 : behind_ms;
	}
	if (behind_ms >= 0 && behind_ms < SECONDS_MAX * 1e3) {
		label = xstrfmt("%s: redo log", name);
		samples_add(m->samples, SERIES_LAG_S, label, behind_ms / 1e3);
		free(label);
	}
	if (bytes >= 0)
		samples_add(m->samples, SERIES_REDO_MIB, name, bytes / 1048576);
	free(name);
}

static void sample_processes(struct run_model *m, json_t *o, enum series_kind kind, double t)
{
	const char *key;
	json_t *v;

	json_object_foreach(o, key, v)
	{
		char *process = text_cut(key, 60);

		if (json_is_number(v) && kind == SERIES_RSS_MIB)
			samples_add(m->samples, kind, process, json_number_value(v) / 1024);
		else if (json_is_number(v)) /* milliseconds of CPU in all: a share of one core */
			samples_total(m->samples, kind, process, t, json_number_value(v), 0.1);
		free(process);
	}
}

static void on_sample(struct run_model *m, json_t *ev, double t)
{
	static const char *const percentiles[] = { "p50", "p95", "p99", "max" };
	static const char *const totals[] = { "failed", "unknown", "retried" };
	json_t *load = json_object_get(ev, "load"), *feeds = json_object_get(ev, "feeds"), *v;
	char name[32];
	size_t i;

	if (!samples_begin(m->samples, t))
		return;
	if (json_is_object(load)) {
		samples_add(m->samples, SERIES_RATE, "acknowledged", number_of(load, "tps", -1));
		for (i = 0; i < 3; i++)
			samples_total(m->samples, SERIES_RATE, totals[i], t,
				      number_of(load, totals[i], -1), 1);
		for (i = 0; i < 4; i++) {
			snprintf(name, sizeof(name), "%s_us", percentiles[i]);
			/* an interval without a transaction has no latency: zero there means none
			 */
			if (number_of(load, name, 0) > 0)
				samples_add(m->samples, SERIES_LATENCY_MS, percentiles[i],
					    number_of(load, name, 0) / 1e3);
		}
	}
	if (!json_is_array(feeds)) /* else it is one of them */
		sample_feed(m, json_object_get(ev, "feed"), t);
	json_array_foreach(feeds, i, v) sample_feed(m, v, t);
	sample_processes(m, json_object_get(ev, "cpu_ms"), SERIES_CPU, t);
	sample_processes(m, json_object_get(ev, "rss_kib"), SERIES_RSS_MIB, t);
}

/* Work with a known end: its share done, in percent. */
static void on_progress(struct run_model *m, json_t *ev, double t)
{
	double done = number_of(ev, "done", -1), total = number_of(ev, "total", -1);
	char *what = text_of(ev, "what", 60);

	if (!what[0] || done < 0 || total <= 0)
		m->left_out++;
	else if (samples_begin(m->progress, t))
		samples_add(m->progress, SERIES_PROGRESS, what,
			    done > total ? 100 : done / total * 100);
	free(what);
}

static void on_log_tail(struct run_model *m, json_t *ev, double t)
{
	json_t *lines = json_object_get(ev, "lines"), *line;
	struct model_log *log = json_is_array(lines) ? APPEND(m, logs, LOGS_MAX) : NULL;
	size_t n = json_array_size(lines), i;

	(void)t;
	if (!log) {
		m->left_out += !json_is_array(lines);
		return;
	}
	log->process = text_of(ev, "process", NAME_MAX_BYTES);
	log->lines = json_array();
	json_array_foreach(lines, i, line) if (i + MODEL_LOG_LINES_MAX >= n && json_is_string(line))
		json_array_append_new(log->lines, plain_value(line, FINDING_TEXT_MAX));
}

/* -1: not told */
static double amount_of(const json_t *o, const char *key)
{
	double v = number_of(o, key, -1);

	return v < 0 ? -1 : v > 9e15 ? 9e15 : v;
}

static void on_way(struct run_model *m, json_t *ev, double t)
{
	struct model_way *w = APPEND(m, ways, WAYS_MAX);

	(void)t;
	if (w)
		*w = (struct model_way){ text_of(ev, "name", NAME_MAX_BYTES),
					 text_of(ev, "state", 32),
					 text_of(ev, "evidence", MODEL_TEXT_MAX),
					 text_of(ev, "steps", MODEL_TEXT_MAX),
					 text_of(ev, "needs", MODEL_TEXT_MAX),
					 amount_of(ev, "lost"),
					 amount_of(ev, "acked"),
					 amount_of(ev, "window_ms"),
					 amount_of(ev, "wrong"),
					 amount_of(ev, "seconds") };
}

static void on_advice(struct run_model *m, json_t *ev, double t)
{
	(void)t;
	keep_text(&m->advised, ev, "way");
	keep_text(&m->advised_why, ev, "why");
}

void run_model_event(struct run_model *m, json_t *ev)
{
	static const struct {
		const char *name;
		void (*take)(struct run_model *m, json_t *ev, double t);
	} events[] = {
		{ "sample", on_sample },     { "run", on_run },     { "step", on_step },
		{ "step_end", on_step_end }, { "check", on_check }, { "fault", on_fault },
		{ "note", on_note },         { "left", on_left },   { "standins", on_standins },
		{ "span", on_span },         { "move", on_move },   { "figure", on_figure },
		{ "rpo", on_rpo },           { "rto", on_rto },     { "end", on_end },
		{ "version", on_version },   { "heal", on_heal },   { "progress", on_progress },
		{ "log_tail", on_log_tail }, { "way", on_way },     { "advice", on_advice },
	};
	const char *name = json_string_value(json_object_get(ev, "ev"));
	double t = seconds_of(ev, "t", m->seconds);

	m->events++;
	if (t > m->seconds)
		m->seconds = t;
	for (size_t i = 0; name && i < sizeof(events) / sizeof(events[0]); i++)
		if (!strcmp(name, events[i].name)) {
			events[i].take(m, ev, t);
			return;
		}
	m->left_out += !name; /* an unknown event is a newer drtest's, and no loss */
}

static int on_event(void *arg, json_t *ev)
{
	run_model_event(arg, ev);
	return 0;
}

static void set_error(struct run_model *m, const char *text)
{
	free(m->error);
	m->error = xstrdup(text);
}

static void conclude(struct run_model *m, const struct err *damage)
{
	if (!m->ended) {
		m->verdict = OUTCOME_UNKNOWN;
		set_error(m, !m->events ? "the run was interrupted before its first event"
					: "the run was interrupted");
		if (damage->kind != ERR_NONE)
			set_error(m, damage->text);
	} else if (m->verdict == OUTCOME_PASS && m->failed) {
		m->verdict = OUTCOME_FAIL;
	} else if (m->verdict == OUTCOME_PASS && (m->unknown || damage->kind != ERR_NONE)) {
		m->verdict = OUTCOME_UNKNOWN;
	}
	for (size_t i = 0; i < m->steps_n; i++) {
		struct model_step *s = &m->steps[i];

		if (s->ended)
			continue;
		s->seconds = m->seconds - s->from;
		free(s->status);
		s->status = xstrdup("interrupted");
		if (!s->detail[0] && !m->ended) {
			free(s->detail);
			s->detail = xstrdup("the journal ends here");
		}
	}
	/* older journals do not mark it: the first kill, or whatever came first */
	for (size_t i = 0; m->disaster_at < 0 && i < m->faults_n; i++)
		if (!strcmp(m->faults[i].kind, "kill"))
			m->disaster_at = m->faults[i].at;
	if (m->disaster_at < 0 && m->faults_n)
		m->disaster_at = m->faults[0].at;
	samples_end(m->samples);
	samples_end(m->progress);
	m->left_out += m->samples->left_out + m->progress->left_out;
	if (m->left_out)
		json_array_insert_new(
			m->notes, 0,
			json_sprintf(
				"%zu events of the journal are left out: too many, or incomplete",
				m->left_out));
}

void run_model_init(struct run_model *m)
{
	*m = (struct run_model){ .options = json_object(),
				 .versions = json_object(),
				 .figures = json_object(),
				 .standins = json_array(),
				 .notes = json_array(),
				 .left = json_array(),
				 .rpo_lost = -1,
				 .rpo_acked = -1,
				 .rpo_window_ms = -1,
				 .rpo_behind_ms = -1,
				 .disaster_at = -1,
				 .verdict = OUTCOME_UNKNOWN,
				 .samples = xcalloc(1, sizeof(*m->samples)),
				 .progress = xcalloc(1, sizeof(*m->progress)) };
	char **const texts[] = { &m->drtest,  &m->scenario, &m->sentence, &m->ground,     &m->seed,
				 &m->command, &m->error,    &m->advised,  &m->advised_why };

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		*texts[i] = xstrdup("");
	for (int i = 0; i < RTO_PARTS; i++)
		m->rto_ms[i] = -1;
}

int run_model_read(struct run_model *m, const char *journal_path, struct err *e)
{
	struct err damage = ERR_INIT;
	int cut = 0;

	run_model_init(m);
	if (journal_read(journal_path, on_event, m, &cut, &damage) < 0 &&
	    damage.kind != ERR_BAD_DATA) {
		if (e)
			*e = damage;
		run_model_release(m);
		return -1;
	}
	conclude(m, &damage);
	return 0;
}

void run_model_now(struct run_model *m)
{
	if (m->ended) {
		if (m->running)
			conclude(m, &(struct err)ERR_INIT);
		m->running = false;
		return;
	}
	m->running = true;
	for (size_t i = 0; i < m->steps_n; i++) {
		struct model_step *s = &m->steps[i];

		if (s->ended)
			continue;
		s->seconds = m->seconds - s->from;
		free(s->status);
		s->status = xstrdup("running");
	}
	samples_end(m->samples);
	samples_end(m->progress);
}

void run_model_release(struct run_model *m)
{
	char *const texts[] = { m->drtest,  m->scenario, m->sentence, m->ground,     m->seed,
				m->command, m->error,    m->advised,  m->advised_why };
	json_t *const values[] = { m->options, m->versions, m->standins,
				   m->notes,   m->left,     m->figures };

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		free(texts[i]);
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		json_decref(values[i]);
	json_decref(m->files);
	for (size_t i = 0; i < m->steps_n; i++) {
		free(m->steps[i].name);
		free(m->steps[i].status);
		free(m->steps[i].detail);
	}
	for (size_t i = 0; i < m->checks_n; i++) {
		free(m->checks[i].name);
		free(m->checks[i].evidence);
		json_decref(m->checks[i].findings);
		json_decref(m->checks[i].about);
	}
	for (size_t i = 0; i < m->faults_n; i++) {
		free(m->faults[i].kind);
		free(m->faults[i].target);
		free(m->faults[i].detail);
	}
	for (size_t i = 0; i < m->moves_n; i++) {
		free(m->moves[i].from);
		free(m->moves[i].to);
	}
	for (size_t i = 0; i < m->spans_n; i++)
		free(m->spans[i].name);
	for (size_t i = 0; i < m->logs_n; i++) {
		free(m->logs[i].process);
		json_decref(m->logs[i].lines);
	}
	for (size_t i = 0; i < m->ways_n; i++) {
		free(m->ways[i].name);
		free(m->ways[i].state);
		free(m->ways[i].evidence);
		free(m->ways[i].steps);
		free(m->ways[i].needs);
	}
	samples_release(m->samples);
	samples_release(m->progress);
	free(m->steps);
	free(m->checks);
	free(m->faults);
	free(m->moves);
	free(m->spans);
	free(m->logs);
	free(m->ways);
	free(m->samples);
	free(m->progress);
	*m = (struct run_model){ 0 };
}

const struct model_step *run_model_step(const struct run_model *m, int64_t n)
{
	for (size_t i = m->steps_n; i-- > 0;)
		if (m->steps[i].n == n)
			return &m->steps[i];
	return NULL;
}

bool run_model_time(const struct run_model *m, double at, const char *format, char *out,
		    size_t size)
{
	time_t when = (time_t)((double)m->wall_ms / 1e3 + at);
	struct tm tm;

	out[0] = 0;
	return m->wall_ms && gmtime_r(&when, &tm) && strftime(out, size, format, &tm) > 0;
}

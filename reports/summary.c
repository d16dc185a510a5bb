#include <inttypes.h>
#include <string.h>

#include "reports/formats.h"
#include "reports/text.h"
#include "reports/left/left.h"
#include "reports/ways/ways.h"

#define SUMMARY_LINES 24
#define EXTRA_LINES_MIN 6   /* for checks and notes, however many steps there are */
#define NAME_COLUMNS_MIN 40 /* that a step's name may have; more where there is room */
#define PART " · "

struct page {
	const struct run_model *m;
	struct strbuf *out;
	size_t columns;
	bool color;
};

static const char *color_of(const char *status)
{
	static const struct {
		const char *status, *code;
	} colors[] = {
		{ "ok", "32" },    { "pass", "32" },    { "failed", "31" },      { "fail", "31" },
		{ "error", "31" }, { "unknown", "33" }, { "interrupted", "33" }, { "skipped", "2" },
	};

	for (size_t i = 0; i < sizeof(colors) / sizeof(colors[0]); i++)
		if (!strcmp(status, colors[i].status))
			return colors[i].code;
	return "0";
}

static void add_colored(struct page *p, const char *code, const char *text)
{
	if (p->color)
		strbuf_addf(p->out, "\033[%sm%s\033[0m", code, text);
	else
		strbuf_addstr(p->out, text);
}

/* A line with `used` columns already written; the text gets the rest. */
static void finish(struct page *p, size_t used, const char *text)
{
	text_line(p->out, text, p->columns > used ? p->columns - used : 0);
	while (p->out->len && p->out->buf[p->out->len - 1] == ' ')
		strbuf_setlen(p->out, p->out->len - 1);
	strbuf_addch(p->out, '\n');
}

/* Words, broken between two of them where a line would be wider than the page. Returns the column.
 */
static size_t add_words(struct page *p, size_t used, const char *text)
{
	for (bool first = true; *text; first = false) {
		size_t blanks = strspn(text, " "), n = strcspn(text + blanks, " "), wide;
		struct strbuf word = STRBUF_INIT, inert = STRBUF_INIT;

		strbuf_add(&word, text + blanks, n);
		wide = text_line(&inert, word.buf, SIZE_MAX);
		if (!first && used + blanks + wide > p->columns) {
			strbuf_addstr(p->out, "\n     ");
			used = 5;
		} else {
			strbuf_addf(p->out, "%*s", (int)blanks, "");
			used += blanks;
		}
		strbuf_addstr(p->out, inert.buf);
		used += wide;
		text += blanks + n;
		strbuf_release(&word);
		strbuf_release(&inert);
	}
	return used;
}

/* A line of parts with " · " between, broken between two of them where it would be wider than the
 * page; nothing is left out. */
static void finish_parts(struct page *p, const char *text)
{
	size_t used = 0;

	while (*text) {
		const char *end = strstr(text, PART);
		struct strbuf part = STRBUF_INIT, inert = STRBUF_INIT;
		size_t wide;

		strbuf_add(&part, text, end ? (size_t)(end - text) : strlen(text));
		wide = text_line(&inert, part.buf, SIZE_MAX);
		if (used && used + 3 + wide > p->columns) {
			strbuf_addstr(p->out, "\n     ");
			used = 5;
		} else if (used) {
			strbuf_addstr(p->out, PART);
			used += 3;
		}
		if (used + wide > p->columns) {
			used = add_words(p, used, part.buf);
		} else {
			strbuf_addstr(p->out, inert.buf);
			used += wide;
		}
		strbuf_release(&part);
		strbuf_release(&inert);
		text = end ? end + strlen(PART) : text + strlen(text);
	}
	strbuf_addch(p->out, '\n');
}

static void add_padding(struct page *p, size_t from, size_t to)
{
	while (from++ < to)
		strbuf_addch(p->out, ' ');
}

static void add_header(struct page *p)
{
	const struct run_model *m = p->m;
	struct strbuf line = STRBUF_INIT;
	size_t i;
	json_t *v;

	strbuf_addf(&line, "drtest %s  %s", m->drtest[0] ? m->drtest : "?",
		    m->scenario[0] ? m->scenario : "(scenario unknown)");
	if (m->ground[0])
		strbuf_addf(&line, "  on %s", m->ground);
	if (m->seed[0])
		strbuf_addf(&line, "  seed %s", m->seed);
	json_array_foreach(m->standins, i, v)
		strbuf_addf(&line, "%s%s", i ? ", " : "  stand-ins: ", json_string_value(v));
	finish(p, 0, line.buf);
	strbuf_release(&line);
}

static void add_steps(struct page *p)
{
	const struct run_model *m = p->m;
	struct strbuf name = STRBUF_INIT;
	size_t names = 0, states = 2, used,
	       names_max = p->columns / 3 < NAME_COLUMNS_MIN ? NAME_COLUMNS_MIN : p->columns / 3;

	for (size_t i = 0; i < m->steps_n; i++) {
		strbuf_reset(&name);
		used = text_line(&name, m->steps[i].name, names_max);
		names = used > names ? used : names;
		strbuf_reset(&name);
		used = text_line(&name, m->steps[i].status, 12);
		states = used > states ? used : states;
	}
	if (4 + names + 2 + states + 10 > p->columns)
		names = p->columns > 4 + 2 + states + 10 + 8 ? p->columns - 4 - 2 - states - 10 : 8;
	for (size_t i = 0; i < m->steps_n; i++) {
		const struct model_step *s = &m->steps[i];

		strbuf_addf(p->out, " %2" PRId64 " ", s->n);
		add_padding(p, text_line(p->out, s->name, names), names + 2);
		strbuf_reset(&name);
		used = text_line(&name, s->status, 12);
		add_colored(p, color_of(s->status), name.buf);
		add_padding(p, used, states);
		strbuf_addf(p->out, " %7.1f s   ",
			    s->seconds); /* its blanks go if nothing follows */
		finish(p, 4 + names + 2 + states + 13, s->detail);
	}
	strbuf_release(&name);
}

static void finding_line(const json_t *finding, struct strbuf *line)
{
	const char *key;
	json_t *v;
	char n[TEXT_NUMBER];

	json_object_foreach((json_t *)finding, key, v)
	{
		strbuf_addf(line, "%s%s ", line->len ? "  " : "", key);
		if (json_is_string(v))
			strbuf_addstr(line, json_string_value(v));
		else if (json_is_integer(v))
			strbuf_addf(line, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
		else
			strbuf_addstr(line, text_figure(n, json_number_value(v)));
	}
}

/* Checks that did not pass, each with its evidence and, where there is room, its first findings.
 * Returns the lines left. */
static size_t bad_checks(struct page *p, size_t lines)
{
	const struct run_model *m = p->m;
	size_t bad = 0, shown = 0, room, findings;
	struct strbuf text = STRBUF_INIT;

	for (size_t i = 0; i < m->checks_n; i++)
		bad += m->checks[i].verdict != OUTCOME_PASS;
	if (!bad)
		return lines;
	/* checks with a line of their own; else one line tells of the rest */
	room = bad < lines ? bad : lines - 1;
	findings = bad < lines ? (lines - bad) / bad : 0;
	findings = findings > 3 ? 3 : findings;
	for (size_t i = 0; i < m->checks_n && shown < room; i++) {
		const struct model_check *c = &m->checks[i];
		size_t n = json_array_size(c->findings), f;

		if (c->verdict == OUTCOME_PASS)
			continue;
		shown++;
		lines--;
		strbuf_addstr(p->out, "  ");
		add_colored(p, color_of(outcome_name(c->verdict)), outcome_word(c->verdict));
		strbuf_reset(&text);
		strbuf_addf(&text, "  %s%s%s", c->name, c->evidence[0] ? ": " : "", c->evidence);
		finish(p, 2 + strlen(outcome_word(c->verdict)), text.buf);
		for (f = 0; f < findings && f < n; f++, lines--) {
			strbuf_reset(&text);
			if (f + 1 == findings && n + c->findings_left_out > findings)
				strbuf_addf(&text, "… %zu findings in the report",
					    n + c->findings_left_out);
			else
				finding_line(json_array_get(c->findings, f), &text);
			strbuf_addstr(p->out, "        ");
			finish(p, 8, text.buf);
		}
	}
	if (shown < bad) {
		strbuf_addf(p->out, "  … %zu more checks that did not pass, in the report\n",
			    bad - shown);
		lines--;
	}
	strbuf_release(&text);
	return lines;
}

static void add_notes(struct page *p, size_t lines)
{
	size_t n = json_array_size(p->m->notes), i;
	json_t *v;

	json_array_foreach(p->m->notes, i, v)
	{
		if (i + 1 >= lines && i + 1 < n) {
			if (lines)
				strbuf_addf(p->out, "  note  … %zu more in the report\n", n - i);
			return;
		}
		strbuf_addstr(p->out, "  note  ");
		finish(p, 8, json_string_value(v));
	}
}

static bool had_disaster(const struct run_model *m)
{
	return m->disaster_told || m->has_rpo || m->has_rto || (m->faults_n && !m->ended);
}

static void add_rpo(struct page *p)
{
	const struct run_model *m = p->m;
	struct strbuf line = STRBUF_INIT;
	char a[TEXT_NUMBER], b[TEXT_NUMBER];

	strbuf_addstr(&line, "RPO  ");
	if (m->rpo_lost < 0)
		strbuf_addstr(&line, "not measured");
	else if (m->rpo_acked < 0)
		strbuf_addf(&line, "lost %s acknowledged transactions",
			    text_count(a, (int64_t)m->rpo_lost));
	else
		strbuf_addf(&line, "lost %s of %s acknowledged transactions",
			    text_count(a, (int64_t)m->rpo_lost),
			    text_count(b, (int64_t)m->rpo_acked));
	if (m->rpo_window_ms >= 0)
		strbuf_addf(&line, " · data-loss window %s",
			    text_seconds(a, m->rpo_window_ms / 1e3));
	if (m->rpo_behind_ms >= 0)
		strbuf_addf(&line, " · resolvedTs %s before the disaster",
			    text_seconds(a, m->rpo_behind_ms / 1e3));
	finish_parts(p, line.buf);
	strbuf_release(&line);
}

static void add_rto(struct page *p)
{
	const struct run_model *m = p->m;
	struct strbuf line = STRBUF_INIT;
	char a[TEXT_NUMBER];
	int digits = m->rto_ms[RTO_SERVICE] >= 0 && m->rto_ms[RTO_SERVICE] < 1000 ? 2 : 1;
	size_t parts = 0;

	strbuf_addstr(&line, "RTO  ");
	if (m->rto_ms[RTO_SERVICE] >= 0)
		strbuf_addf(&line, "%s to the first write on the secondary",
			    text_seconds(a, m->rto_ms[RTO_SERVICE] / 1e3));
	else
		strbuf_addstr(&line, "not measured");
	for (int i = RTO_DETECT; i <= RTO_PROMOTE; i++)
		if (m->rto_ms[i] >= 0)
			strbuf_addf(&line, "%s%s %.*f", parts++ ? ", " : " (", rto_part_names[i],
				    digits, m->rto_ms[i] / 1e3);
	if (parts)
		strbuf_addch(&line, ')');
	if (m->rto_ms[RTO_REDUNDANT] >= 0)
		strbuf_addf(&line, " · redundant again after %s",
			    text_seconds(a, m->rto_ms[RTO_REDUNDANT] / 1e3));
	finish_parts(p, line.buf);
	strbuf_release(&line);
}

static void add_verdict(struct page *p, const char *run_dir)
{
	const struct run_model *m = p->m;
	struct strbuf line = STRBUF_INIT;
	const char *word = outcome_word(m->verdict);
	size_t all = m->checks_n, used = strlen(word);

	add_colored(p,
		    m->verdict == OUTCOME_PASS                                  ? "1;32"
		    : m->verdict == OUTCOME_FAIL || m->verdict == OUTCOME_ERROR ? "1;31"
										: "1;33",
		    word);
	strbuf_addf(&line, " %zu check%s, %zu failed", all, all == 1 ? "" : "s", m->failed);
	if (m->unknown)
		strbuf_addf(&line, ", %zu unknown", m->unknown);
	used += text_line(p->out, line.buf, SIZE_MAX);
	strbuf_reset(&line);
	strbuf_addf(&line, "report: %s%s", run_dir,
		    run_dir[0] && run_dir[strlen(run_dir) - 1] == '/' ? "" : "/");
	/* never cut: the path is there to be copied */
	strbuf_addstr(p->out, used + 6 + line.len > p->columns ? "\n     " : "      ");
	text_line(p->out, line.buf, SIZE_MAX);
	strbuf_addch(p->out, '\n');
	strbuf_release(&line);
}

void format_summary(const struct run_model *m, const char *run_dir, size_t columns, bool color,
		    struct strbuf *out)
{
	struct page p = { m, out, columns, color };
	size_t fixed = 2 + m->steps_n + (had_disaster(m) ? 2 : 0) + (m->error[0] ? 1 : 0);
	size_t lines = fixed + EXTRA_LINES_MIN < SUMMARY_LINES ? SUMMARY_LINES - fixed
							       : EXTRA_LINES_MIN,
	       noted;

	add_header(&p);
	add_steps(&p);
	noted = json_array_size(m->notes) < 3 ? json_array_size(m->notes) : 3;
	lines = bad_checks(&p, lines - noted) + noted;
	add_notes(&p, lines);
	if (had_disaster(m)) {
		add_rpo(&p);
		add_rto(&p);
	}
	ways_text(m, columns, out);
	left_text(m, out);
	if (m->error[0]) {
		add_colored(&p, "31", "  error");
		strbuf_addstr(out, "  ");
		finish(&p, 9, m->error);
	}
	add_verdict(&p, run_dir);
}

void format_verdict(const struct run_model *m, const char *run_dir, size_t columns, bool color,
		    struct strbuf *out)
{
	struct page p = { m, out, columns, color };

	if (had_disaster(m)) {
		add_rpo(&p);
		add_rto(&p);
	}
	ways_text(m, columns, out);
	add_verdict(&p, run_dir);
}

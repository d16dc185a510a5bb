#include "reports/live/exposition.h"

#include <math.h>
#include <string.h>

#include "reports/text.h"

#define LABEL_BYTES_MAX 200

/* Backslash, quote and newline escaped as the format has it; other control characters by their
 * visible names. */
static void add_label(struct strbuf *out, const char *name, const char *value)
{
	struct strbuf line = STRBUF_INIT;

	text_line(&line, value, LABEL_BYTES_MAX);
	strbuf_addf(out, "%s%s=\"", out->len && out->buf[out->len - 1] != '{' ? "," : "", name);
	for (const char *p = line.buf; *p; p++) {
		if (*p == '\\' || *p == '"')
			strbuf_addch(out, '\\');
		strbuf_addch(out, *p);
	}
	strbuf_addch(out, '"');
	strbuf_release(&line);
}

void exposition_begin(struct exposition *x, struct strbuf *out, bool open_metrics)
{
	*x = (struct exposition){ out, open_metrics, STRBUF_INIT, "", EXPOSITION_GAUGE };
}

void exposition_common(struct exposition *x, const char *name, const char *value)
{
	add_label(&x->common, name, value);
}

static const char *type_ending(const struct exposition *x)
{
	return x->type == EXPOSITION_COUNTER ? "_total" : x->type == EXPOSITION_INFO ? "_info" : "";
}

void exposition_family(struct exposition *x, const char *name, enum exposition_type type,
		       const char *help)
{
	static const char *const types[] = { "gauge", "counter", "info" };
	static const char *const units[] = { "seconds", "bytes" };
	size_t n = strlen(name);
	const char *end;

	x->name = name;
	x->type = type;
	/* the older format knows a counter by its samples' name, and no info */
	end = x->open_metrics ? "" : type_ending(x);
	strbuf_addf(x->out, "# HELP drtest_%s%s %s\n# TYPE drtest_%s%s %s\n", name, end, help, name,
		    end, !x->open_metrics && type == EXPOSITION_INFO ? "gauge" : types[type]);
	for (size_t i = 0; x->open_metrics && i < sizeof(units) / sizeof(units[0]); i++) {
		size_t u = strlen(units[i]);

		if (n > u && !strcmp(name + n - u, units[i]) && name[n - u - 1] == '_')
			strbuf_addf(x->out, "# UNIT drtest_%s %s\n", name, units[i]);
	}
}

void exposition_labelled(struct exposition *x, const char *const *labels, double v)
{
	struct strbuf all = STRBUF_INIT;

	if (!isfinite(v))
		return;
	strbuf_addstr(&all, x->common.buf);
	for (; labels && labels[0]; labels += 2)
		add_label(&all, labels[0], labels[1]);
	strbuf_addf(x->out, "drtest_%s%s", x->name, type_ending(x));
	if (all.len)
		strbuf_addf(x->out, "{%s}", all.buf);
	strbuf_addf(x->out, v == floor(v) && fabs(v) < 9e15 ? " %.0f\n" : " %.15g\n", v);
	strbuf_release(&all);
}

void exposition_sample(struct exposition *x, const char *name, const char *value, double v)
{
	const char *const labels[] = { name, value, NULL };

	exposition_labelled(x, labels, v);
}

void exposition_one(struct exposition *x, const char *name, const char *help, double v)
{
	if (!(v >= 0) || !isfinite(v))
		return; /* not measured: no sample, rather than a wrong one */
	exposition_family(x, name, EXPOSITION_GAUGE, help);
	exposition_sample(x, NULL, NULL, v);
}

void exposition_end(struct exposition *x)
{
	if (x->open_metrics)
		strbuf_addstr(x->out, "# EOF\n");
	strbuf_release(&x->common);
}

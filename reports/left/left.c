#include "reports/left/left.h"

#include "reports/text.h"

const char *const model_left_fields[] = { "cluster", "what", "remove", NULL };

void left_text(const struct run_model *m, struct strbuf *out)
{
	size_t n = json_array_size(m->left);

	if (n)
		strbuf_addf(out,
			    "  left  %zu thing%s on your clusters: the report lists them; drtest "
			    "clean --clusters FILE removes them\n",
			    n, n > 1 ? "s" : "");
}

void left_html(const struct run_model *m, struct strbuf *out)
{
	size_t i;
	json_t *v;

	if (!json_array_size(m->left))
		return;
	strbuf_addstr(out,
		      "<section id=\"left\"><h2>Left on your clusters</h2><div class=\"scroll\" "
		      "tabindex=\"0\" role=\"region\" "
		      "><table><tr><th>cluster</th><th>what</th><th>by hand</th></tr>");
	json_array_foreach(m->left, i, v)
	{
		for (const char *const *k = model_left_fields; *k; k++) {
			strbuf_addstr(out,
				      k == model_left_fields ? "<tr><td><code>" : "<td><code>");
			text_html(out, json_string_value(json_object_get(v, *k)));
			strbuf_addstr(out, "</code></td>");
		}
	}
	strbuf_addstr(out, "</table></div></section>\n");
}

#include "suites/scores.h"

#include <stdio.h>
#include <string.h>

#include "harness/base/xalloc.h"

static const char *const checks[] = { "ledger", "model", "compare", "forensic", "drill" };

struct score *score_add(struct scores *t, const char *name, const char *what, bool harmless)
{
	for (size_t i = 0; i < t->n; i++)
		if (!strcmp(t->s[i].name, name))
			return &t->s[i];
	t->s = xreallocarray(t->s, t->n + 1, sizeof(*t->s));
	t->s[t->n] = (struct score){ .name = name, .what = what, .harmless = harmless };
	return &t->s[t->n++];
}

bool score_good(const struct score *s)
{
	if (s->harmless)
		return s->planted > 0 && !s->caught && !s->by[BY_FORENSIC];
	return s->planted > 0 && s->caught == s->planted &&
	       s->by[BY_FORENSIC] == s->judged[BY_FORENSIC];
}

static void cell_text(char *out, size_t room, const struct score *s, unsigned i)
{
	if (s->judged[i])
		snprintf(out, room, "%u/%u", s->by[i], s->judged[i]);
	else
		snprintf(out, room, "-");
}

void scores_print(const struct scores *t)
{
	printf("%-66s %8s", "defect", "caught");
	for (unsigned i = 0; i < 5; i++)
		printf(" %8s", checks[i]);
	putchar('\n');
	for (size_t i = 0; i < t->n; i++) {
		const struct score *s = &t->s[i];
		char text[24];

		snprintf(text, sizeof(text), "%u/%u", s->caught, s->planted);
		printf("%-66s %8s", s->what, text);
		for (unsigned k = 0; k < 5; k++) {
			cell_text(text, sizeof(text), s, k);
			printf(" %8s", text);
		}
		printf("%s\n", score_good(s) ? ""
			       : !s->planted ? "  NOT PLANTED"
			       : s->harmless ? "  FALSE ALARM"
					     : "  MISSED");
		if (!score_good(s) && s->missed[0])
			printf("    first: %s\n", s->missed);
	}
}

json_t *scores_json(const struct scores *t)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < t->n; i++) {
		const struct score *s = &t->s[i];
		json_t *by = json_object();

		for (unsigned k = 0; k < 5; k++)
			if (s->judged[k])
				json_object_set_new(by, checks[k],
						    json_pack("{s:i,s:i}", "failed", (int)s->by[k],
							      "judged", (int)s->judged[k]));
		json_array_append_new(
			rows, json_pack("{s:s,s:s,s:b,s:i,s:i,s:i,s:o,s:b}", "name", s->name,
					"what", s->what, "harmless", s->harmless, "planted",
					(int)s->planted, "caught", (int)s->caught, "no_place",
					(int)s->no_place, "checks", by, "good", score_good(s)));
	}
	return rows;
}

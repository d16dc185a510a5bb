#include "harness/compare/compare_json.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define NUMBER_MAX 400 /* characters of a number that is not an integer; more are cut */
#define TWO_TO_64 18446744073709551616.0

/* -0 is 0, as in MySQL's JSON. */
static void add_number(struct strbuf *out, const char *text, size_t n)
{
	bool negative = *text == '-', whole = true;
	uint64_t v = 0;
	char copy[NUMBER_MAX + 1];
	double d;

	for (size_t i = negative; i < n && whole; i++) {
		whole = isdigit((unsigned char)text[i]) &&
			v <= (UINT64_MAX - (uint64_t)(text[i] - '0')) / 10;
		v = whole ? v * 10 + (uint64_t)(text[i] - '0') : v;
	}
	if (whole && n > negative) {
		strbuf_addf(out, "%s%" PRIu64, negative && v ? "-" : "", v);
		return;
	}
	n = n < NUMBER_MAX ? n : NUMBER_MAX;
	memcpy(copy, text, n);
	copy[n] = '\0';
	d = strtod(copy, NULL);
	if (d == 0)
		strbuf_addch(out, '0');
	else if (d == trunc(d) && fabs(d) < TWO_TO_64)
		strbuf_addf(out, "%.0f", d);
	else
		strbuf_addf(out, "%.17g", d);
}

/* Numbers become texts with an n in front, texts get an s: so that no number is rounded, and none
 * is taken for a text. */
static void mark(struct strbuf *out, const char *text, size_t n)
{
	bool inside = false;

	for (size_t i = 0; i < n; i++) {
		size_t k = 1;

		if (inside && text[i] == '\\' && i + 1 < n) {
			strbuf_add(out, text + i++, 2);
			continue;
		}
		if (text[i] == '"') {
			inside = !inside;
			strbuf_addstr(out, inside ? "\"s" : "\"");
			continue;
		}
		if (inside || (text[i] != '-' && !isdigit((unsigned char)text[i]))) {
			strbuf_addch(out, text[i]);
			continue;
		}
		while (i + k < n && text[i + k] && strchr("0123456789+-.eE", text[i + k]))
			k++;
		strbuf_addstr(out, "\"n");
		add_number(out, text + i, k);
		strbuf_addch(out, '"');
		i += k - 1;
	}
}

/* Appends a text that two JSON texts have in common exactly when they are of one value. */
static void json_form(struct strbuf *out, const char *text, size_t n)
{
	struct strbuf marked = STRBUF_INIT;
	json_t *j;
	char *form = NULL;

	mark(&marked, text, n);
	j = json_loadb(marked.buf, marked.len, JSON_ALLOW_NUL | JSON_DECODE_ANY, NULL);
	if (j)
		form = json_dumps(j, JSON_SORT_KEYS | JSON_COMPACT | JSON_ENCODE_ANY);
	json_decref(j);
	if (form)
		strbuf_addstr(out, form);
	else
		strbuf_add(out, text, n);
	free(form);
	strbuf_release(&marked);
}

bool json_same(const char *a, size_t a_len, const char *b, size_t b_len)
{
	struct strbuf x = STRBUF_INIT, y = STRBUF_INIT;
	bool same = a_len == b_len && !memcmp(a, b, a_len);

	if (!same) {
		json_form(&x, a, a_len);
		json_form(&y, b, b_len);
		same = x.len == y.len && !memcmp(x.buf, y.buf, x.len);
	}
	strbuf_release(&x);
	strbuf_release(&y);
	return same;
}

static bool is_apart(const struct column *c)
{
	return c->type == COL_JSON && (!c->is_virtual || c->virtual_counts);
}

size_t json_cells(const struct table_schema *t)
{
	size_t n = 0;

	for (size_t i = 0; t->json_by_value && i < t->n_columns; i++)
		n += is_apart(&t->columns[i]);
	return n ? n + 2 : 0;
}

void json_row_list(struct strbuf *out, const struct table_schema *t, const char *x, const char *y)
{
	struct table_schema rest = *t;

	if (!json_cells(t))
		return;
	rest.without_json = true;
	strbuf_addch(out, ',');
	if (x)
		checksum_row_list_as(out, &rest, x, y);
	else
		checksum_row_list(out, &rest);
	for (size_t i = 0; i < t->n_columns; i++) {
		if (!is_apart(&t->columns[i]))
			continue;
		strbuf_addch(out, ',');
		checksum_value(out, &t->columns[i]);
		if (x)
			strbuf_addf(out, " AS j%zu", i);
	}
}

uint64_t json_row_sum(const struct table_schema *t, char *const *cell, const unsigned long *len)
{
	size_t n = json_cells(t);
	struct strbuf all = STRBUF_INIT;
	uint64_t sum;

	for (size_t i = 0; i < n; i++) {
		size_t at = all.len;
		uint64_t mark = UINT64_MAX;

		strbuf_add(&all, &mark, sizeof(mark)); /* NULL */
		if (!cell[i])
			continue;
		if (i < 2)
			strbuf_add(&all, cell[i], len[i]);
		else
			json_form(&all, cell[i], len[i]);
		mark = all.len - at - sizeof(mark);
		memcpy(all.buf + at, &mark, sizeof(mark));
	}
	sum = XXH3_64bits(all.buf, all.len);
	strbuf_release(&all);
	return sum;
}

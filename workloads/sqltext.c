#include "workloads/sqltext.h"

#include <inttypes.h>
#include <string.h>

static void add_value(struct strbuf *out, MYSQL *m, const struct con_arg *a)
{
	if (!a->is_text) {
		strbuf_addf(out, "%" PRId64, a->number);
		return;
	}
	strbuf_grow(out, a->len * 2 + 3);
	strbuf_addch(out, '\'');
	out->len += mysql_real_escape_string(m, out->buf + out->len, a->text, a->len);
	out->buf[out->len] = '\0';
	strbuf_addch(out, '\'');
}

void sqltext_add(struct strbuf *out, MYSQL *m, const struct script_statement *st,
		 const struct con_call *call)
{
	const char *table = strstr(st->sql, "%d"), *from = st->sql;
	unsigned at = 0;

	for (const char *p = st->sql;; p++) {
		if (*p && *p != '?' && p != table)
			continue;
		strbuf_add(out, from, (size_t)(p - from));
		if (!*p)
			return;
		if (p == table) {
			strbuf_addf(out, "%" PRIu32, call->table);
			p++;
		} else {
			add_value(out, m, &call->arg[at++]);
		}
		from = p + 1;
	}
}

/* A fault in words, as it is said by hand: "delay by=20ms jitter=5ms direction=up". */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "chaos/fault.h"
#include "harness/base/clock.h"

static int read_number(const char *value, uint64_t max, uint64_t *out)
{
	char *end;

	errno = 0;
	*out = strtoull(value, &end, 10);
	return *value >= '0' && *value <= '9' && !*end && !errno && *out <= max ? 0 : -1;
}

static int set(struct fault_args *a, const char *name, const char *value)
{
	uint64_t n;
	char *end;

	if (!strcmp(name, "by") || !strcmp(name, "jitter")) {
		int64_t ms = duration_parse_ms(value);

		*(*name == 'b' ? &a->delay_ms : &a->jitter_ms) = ms;
		return ms < 0 ? -1 : 0;
	}
	if (!strcmp(name, "direction")) {
		a->direction = !strcmp(value, "up")     ? FAULT_UP
			       : !strcmp(value, "down") ? FAULT_DOWN
							: FAULT_BOTH;
		return a->direction == FAULT_BOTH ? -1 : 0;
	}
	if (!strcmp(name, "match")) {
		if (strlen(value) >= sizeof(a->match))
			return -1;
		strcpy(a->match, value);
		return 0;
	}
	if (!strcmp(name, "share")) {
		a->share = strtod(value, &end);
		return *value >= '0' && *value <= '9' && !*end && a->share > 0 && a->share <= 1
			       ? 0
			       : -1;
	}
	if (!strcmp(name, "answer")) {
		a->answer = !strcmp(value, "true");
		return a->answer || !strcmp(value, "false") ? 0 : -1;
	}
	if (read_number(value, (uint64_t)1 << 40, &n) < 0)
		return -1;
	if (!strcmp(name, "kb_per_s"))
		a->bytes_per_s = n * 1000;
	else if (!strcmp(name, "bytes"))
		a->slice_bytes = n;
	else if (!strcmp(name, "after_bytes"))
		a->after_bytes = n;
	else if (!strcmp(name, "gap_us"))
		a->gap_us = (int64_t)n;
	else if (!strcmp(name, "status"))
		a->status = n > 999 ? 999 : (int)n;
	else if (!strcmp(name, "spare_mb"))
		a->memory_bytes = n << 20;
	else
		return -1;
	return 0;
}

int fault_parse(struct fault *f, const char *const *words, size_t n, struct err *e)
{
	struct strbuf names = STRBUF_INIT;

	memset(f, 0, sizeof(*f));
	f->ops = n ? fault_find(words[0]) : NULL;
	if (!f->ops) {
		fault_names(&names);
		err_set(e, ERR_USAGE, 0, "unknown fault '%.40s' (known: %s)", n ? words[0] : "",
			names.buf);
		strbuf_release(&names);
		return -1;
	}
	for (size_t i = 1; i < n; i++) {
		char name[32];
		const char *eq = strchr(words[i], '=');

		if (!eq || eq == words[i] || (size_t)(eq - words[i]) >= sizeof(name))
			return err_set(e, ERR_USAGE, 0, "%s: '%.60s' is not name=value",
				       f->ops->name, words[i]);
		memcpy(name, words[i], (size_t)(eq - words[i]));
		name[eq - words[i]] = '\0';
		if (!fault_takes(f->ops, name))
			return err_set(e, ERR_USAGE, 0, "%s has no argument '%s'%s%s", f->ops->name,
				       name, f->ops->args[1] ? "; it takes" : "",
				       f->ops->args[1] ? f->ops->args : "");
		for (size_t before = 1; before < i; before++)
			if (!strncmp(words[before], words[i], (size_t)(eq - words[i]) + 1))
				return err_set(e, ERR_USAGE, 0, "%s: %s is given twice: remove one",
					       f->ops->name, name);
		if (set(&f->args, name, eq + 1) < 0)
			return err_set(e, ERR_USAGE, 0, "%s: %s cannot be '%.60s'", f->ops->name,
				       name, eq + 1);
	}
	return 0;
}

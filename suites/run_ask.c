#include "suites/run_ask.h"

#include <limits.h>
#include <string.h>

#include "harness/base/strbuf.h"
#include "harness/os/proc.h"

#define WORDS_MAX 256
#define ASK_MS 60000
#define PLAN_BYTES_MAX ((size_t)16 << 20)
#define USAGE 2

int run_ask(const char *const *words, struct err *e)
{
	static const char *const before[] = { "drtest run: ", "drtest: " };
	const char *argv[WORDS_MAX + 4];
	struct strbuf plan = STRBUF_INIT;
	struct err why = ERR_INIT;
	char exe[PATH_MAX];
	const char *said;
	size_t n = 0;
	int rc;

	argv[n++] = proc_self(exe);
	argv[n++] = "run";
	while (*words && n < WORDS_MAX)
		argv[n++] = *words++;
	argv[n++] = "--plan";
	argv[n] = NULL;
	rc = proc_run((char *const *)argv, NULL, &plan, PLAN_BYTES_MAX, deadline_in_ms(ASK_MS),
		      &why);
	strbuf_release(&plan);
	if (rc == 0 || why.kind != ERR_IO || why.code != USAGE)
		return why.kind == ERR_CANCELLED ? err_set(e, ERR_CANCELLED, 0, "interrupted") : 0;
	/* "/usr/bin/drtest: exit 2: drtest run: there is …" */
	said = strstr(why.text, ": exit 2: ");
	said = said ? said + strlen(": exit 2: ") : why.text;
	for (size_t i = 0; i < sizeof(before) / sizeof(before[0]); i++)
		if (!strncmp(said, before[i], strlen(before[i])))
			said += strlen(before[i]);
	return err_set(e, ERR_USAGE, 0, "%s", said);
}

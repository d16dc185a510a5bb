#include "cli/load/load_sysbench.h"

#include <stdlib.h>
#include <string.h>

/* sysbench 1.0: `sysbench --help`, and each script's `help`. Flags have "on" or "off". */
static const struct {
	const char *name, *value;
} defaults[] = {
	{ "auto-inc", "on" },
	{ "create-secondary", "on" },
	{ "create-table-options", "" },
	{ "db-debug", "off" },
	{ "debug", "off" },
	{ "delete-inserts", "1" },
	{ "distinct-ranges", "1" },
	{ "forced-shutdown", "off" },
	{ "index-updates", "1" },
	{ "luajit-cmd", "off" },
	{ "mysql-compression", "off" },
	{ "mysql-debug", "off" },
	{ "mysql-dry-run", "off" },
	{ "mysql-ignore-errors", "1213,1020,1205" },
	{ "mysql-socket", "" },
	{ "mysql-ssl", "off" },
	{ "mysql-ssl-cipher", "" },
	{ "mysql-storage-engine", "innodb" },
	{ "non-index-updates", "1" },
	{ "order-ranges", "1" },
	{ "point-selects", "10" },
	{ "rand-pareto-h", "0.2" },
	{ "rand-spec-iter", "12" },
	{ "rand-spec-pct", "1" },
	{ "rand-spec-res", "75" },
	{ "rand-zipfian-exp", "0.8" },
	{ "range-selects", "on" },
	{ "range-size", "100" },
	{ "reconnect", "0" },
	{ "report-checkpoints", "" },
	{ "secondary", "off" },
	{ "simple-ranges", "1" },
	{ "skip-trx", "off" },
	{ "sum-ranges", "1" },
	{ "thread-init-timeout", "30" },
	{ "thread-stack-size", "64K" },
	{ "validate", "off" },
	{ "verbosity", "3" },
};
#define DEFAULTS_N (sizeof(defaults) / sizeof(*defaults))

const char *load_sysbench_default(const char *name)
{
	for (size_t i = 0; i < DEFAULTS_N; i++)
		if (strcmp(name, defaults[i].name) == 0)
			return defaults[i].value;
	return NULL;
}

bool load_sysbench_flag(const char *name)
{
	const char *value = load_sysbench_default(name);

	return value && (!strcmp(value, "on") || !strcmp(value, "off"));
}

static bool is_one_of(const char *value, const char *const *words)
{
	for (; *words; words++)
		if (strcmp(value, *words) == 0)
			return true;
	return false;
}

bool load_sysbench_is_default(const char *name, const char *value)
{
	static const char *const on[] = { "on", "true", "yes", "1", "", NULL }, *const off[] = {
		"off", "false", "no", "0", NULL
	};
	const char *is = load_sysbench_default(name);
	char *end;

	if (!is)
		return false;
	if (load_sysbench_flag(name))
		return is_one_of(value, *is == 'o' && is[1] == 'n' ? on : off);
	if (!strcmp(name, "thread-init-timeout") || !strcmp(name, "verbosity") ||
	    !strcmp(name, "thread-stack-size"))
		return true; /* sysbench's own machinery: whatever it is, no transaction differs */
	if (strcasecmp(value, is) == 0)
		return true;
	return *is >= '0' && *is <= '9' && *value && strtod(value, &end) == strtod(is, NULL) &&
	       !*end;
}

size_t load_sysbench_names(const char **names, size_t max)
{
	size_t n = 0;

	while (n < DEFAULTS_N && n < max) {
		names[n] = defaults[n].name;
		n++;
	}
	return n;
}
